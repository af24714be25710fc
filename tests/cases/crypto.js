import { deepStrictEqual, notStrictEqual, strictEqual, throws, rejects } from 'node:assert';

const hex = (bytes) => [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, '0')).join('');

export const digestsOfNothing = {
  async test() {
    const of = async (name) => hex(await crypto.subtle.digest(name, new Uint8Array()));
    strictEqual(await of('MD5'), 'd41d8cd98f00b204e9800998ecf8427e');
    strictEqual(await of('SHA-1'), 'da39a3ee5e6b4b0d3255bfef95601890afd80709');
    strictEqual(await of('SHA-256'), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  },
};

export const digestsTakeObjectsAndViews = {
  async test() {
    const bytes = new TextEncoder().encode('xabcx').subarray(1, 4);
    strictEqual(hex(await crypto.subtle.digest({ name: 'sha-1' }, bytes)), 'a9993e364706816aba3e25717850c26c9cd0d89d');
    await rejects(crypto.subtle.digest('SHA-3', bytes));
  },
};

export const digestStreamsHaveADigest = {
  async test() {
    const stream = new crypto.DigestStream('SHA-256');
    const writer = stream.getWriter();
    await writer.write(new TextEncoder().encode('a'));
    await writer.write(new TextEncoder().encode('bc'));
    await writer.close();
    strictEqual(hex(await stream.digest), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    strictEqual(Number(stream.bytesWritten), 3);
  },
};

export const randomValuesFillWhatIsGiven = {
  test() {
    const bytes = new Uint8Array(64);
    strictEqual(crypto.getRandomValues(bytes), bytes);
    notStrictEqual(hex(bytes), '00'.repeat(64));
    throws(() => crypto.getRandomValues(new Float32Array(1)));
    throws(() => crypto.getRandomValues(new Uint8Array(65537)));
  },
};

export const uuidsAreOfVersionFour = {
  test() {
    const one = crypto.randomUUID();
    strictEqual(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(one), true);
    notStrictEqual(one, crypto.randomUUID());
  },
};

export const equalIsSaidOfBytes = {
  test() {
    const bytes = (...list) => new Uint8Array(list);
    strictEqual(crypto.subtle.timingSafeEqual(bytes(1, 2), bytes(1, 2)), true);
    strictEqual(crypto.subtle.timingSafeEqual(bytes(1, 2), bytes(1, 3)), false);
    throws(() => crypto.subtle.timingSafeEqual(bytes(1), bytes(1, 2)), TypeError);
    deepStrictEqual(bytes(1), bytes(1));
  },
};
