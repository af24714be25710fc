import { rejects, strictEqual } from 'node:assert';

const encode = (text) => new TextEncoder().encode(text);
const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, '0')).join('');
const digest = async (name, data) => hex(await crypto.subtle.digest(name, data));

// FIPS 180-4, appendix, and the NIST example values: a message of one block and one of two.
const TWO_BLOCKS = 'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq';
const TWO_LONG_BLOCKS =
  'abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu';

export const sha1 = {
  async test() {
    strictEqual(await digest('SHA-1', encode('abc')), 'a9993e364706816aba3e25717850c26c9cd0d89d');
    strictEqual(await digest('SHA-1', encode(TWO_BLOCKS)), '84983e441c3bd26ebaae4aa1f95129e5e54670f1');
  },
};

export const sha256 = {
  async test() {
    strictEqual(
      await digest('SHA-256', encode('abc')),
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
    strictEqual(
      await digest('SHA-256', encode(TWO_BLOCKS)),
      '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
    );
  },
};

export const sha384 = {
  async test() {
    strictEqual(
      await digest('SHA-384', encode('abc')),
      'cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7',
    );
    strictEqual(
      await digest('SHA-384', encode(TWO_LONG_BLOCKS)),
      '09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712fcc7c71a557e2db966c3e9fa91746039',
    );
  },
};

export const sha512 = {
  async test() {
    strictEqual(
      await digest('SHA-512', encode('abc')),
      'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
    );
    strictEqual(
      await digest('SHA-512', encode(TWO_LONG_BLOCKS)),
      '8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909',
    );
  },
};

// RFC 1321, appendix A.5.
export const md5 = {
  async test() {
    strictEqual(await digest('MD5', encode('abc')), '900150983cd24fb0d6963f7d28e17f72');
    strictEqual(await digest('MD5', encode('message digest')), 'f96b697d7cb7938d525a2f31aaf161d0');
  },
};

export const aMillionLetters = {
  async test() {
    strictEqual(
      await digest('SHA-256', encode('a'.repeat(1_000_000))),
      'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0',
    );
  },
};

export const namesAreCaseInsensitive = {
  async test() {
    strictEqual(await digest('sha-1', encode('abc')), await digest({ name: 'SHA-1' }, encode('abc')));
  },
};

export const dataIsTakenWhenItIsGiven = {
  async test() {
    const data = encode('abc');
    const pending = crypto.subtle.digest('SHA-1', data);
    data[0] = 0;
    strictEqual(hex(await pending), 'a9993e364706816aba3e25717850c26c9cd0d89d');
  },
};

export const partsOfBuffersAreTaken = {
  async test() {
    const bytes = encode('xxabcxx');
    strictEqual(await digest('SHA-1', bytes.subarray(2, 5)), 'a9993e364706816aba3e25717850c26c9cd0d89d');
    strictEqual(await digest('SHA-1', new DataView(bytes.buffer, 2, 3)), 'a9993e364706816aba3e25717850c26c9cd0d89d');
  },
};

export const streamsAreDigestedInChunks = {
  async test() {
    const stream = new crypto.DigestStream('SHA-1');
    const writer = stream.getWriter();
    for (const part of ['a', 'b', 'c']) await writer.write(encode(part));
    await writer.close();
    strictEqual(hex(await stream.digest), 'a9993e364706816aba3e25717850c26c9cd0d89d');
    strictEqual(stream.bytesWritten, 3n);
  },
};

export const aBodyIsPipedIntoADigest = {
  async test() {
    const stream = new crypto.DigestStream('SHA-256');
    await new Response('abc').body.pipeTo(stream);
    strictEqual(hex(await stream.digest), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  },
};

export const anAbortedDigestRejects = {
  async test() {
    const stream = new crypto.DigestStream('MD5');
    const refused = rejects(stream.digest, { message: 'never mind' });
    await stream.abort(new Error('never mind'));
    await refused;
  },
};
