import { deepStrictEqual, ok, rejects, strictEqual, throws } from 'node:assert';

const stream = (...chunks) => new Blob(chunks).stream();
const bytes = async (readable) => new Uint8Array(await new Response(readable).arrayBuffer());
const fromHex = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));

export const everyFormatGoesRound = {
  async test() {
    const text = 'a rose is a rose is a rose. '.repeat(100);
    for (const format of ['gzip', 'deflate', 'deflate-raw']) {
      const packed = await bytes(stream(text).pipeThrough(new CompressionStream(format)));
      ok(packed.length < text.length / 4, format);
      const unpacked = stream(packed).pipeThrough(new DecompressionStream(format));
      strictEqual(await new Response(unpacked).text(), text);
    }
  },
};

export const formatsHaveTheirFirstBytes = {
  async test() {
    const gzip = await bytes(stream('x').pipeThrough(new CompressionStream('gzip')));
    deepStrictEqual([...gzip.subarray(0, 3)], [0x1f, 0x8b, 8]);
    const zlib = await bytes(stream('x').pipeThrough(new CompressionStream('deflate')));
    strictEqual(zlib[0], 0x78);
    strictEqual((zlib[0] * 256 + zlib[1]) % 31, 0);
  },
};

// RFC 1951, section 3.2.4: a block that is stored as it is.
export const storedBlocksAreRead = {
  async test() {
    const block = fromHex('01' + '0300' + 'fcff' + '616263');
    strictEqual(await new Response(stream(block).pipeThrough(new DecompressionStream('deflate-raw'))).text(), 'abc');
  },
};

// RFC 1952, section 2.2: members may have a name and a comment, which are skipped.
export const gzipHeadsMayHaveNames = {
  async test() {
    const head = fromHex('1f8b08' + '18' + '00000000' + '00' + '03');
    const names = new TextEncoder().encode('name\0comment\0');
    const block = fromHex('010300fcff616263');
    const tail = fromHex('c2412435' + '03000000');
    const text = await new Response(stream(head, names, block, tail).pipeThrough(new DecompressionStream('gzip'))).text();
    strictEqual(text, 'abc');
  },
};

export const emptyInputIsAWholeStream = {
  async test() {
    const packed = await bytes(stream().pipeThrough(new CompressionStream('gzip')));
    ok(packed.length >= 18);
    strictEqual((await bytes(stream(packed).pipeThrough(new DecompressionStream('gzip')))).length, 0);
  },
};

export const whatIsNotCompressedIsRefused = {
  async test() {
    await rejects(bytes(stream('this is no gzip').pipeThrough(new DecompressionStream('gzip'))), TypeError);
  },
};

export const whatBreaksOffIsRefused = {
  async test() {
    const packed = await bytes(stream('some text to pack').pipeThrough(new CompressionStream('gzip')));
    const cut = stream(packed.subarray(0, packed.length - 6));
    await rejects(bytes(cut.pipeThrough(new DecompressionStream('gzip'))), TypeError);
  },
};

export const whatComesAfterTheEndIsRefused = {
  async test() {
    const packed = await bytes(stream('text').pipeThrough(new CompressionStream('deflate')));
    await rejects(bytes(stream(packed, 'more').pipeThrough(new DecompressionStream('deflate'))), TypeError);
  },
};

export const aWrongChecksumIsRefused = {
  async test() {
    const packed = await bytes(stream('text').pipeThrough(new CompressionStream('gzip')));
    packed[packed.length - 8] ^= 1;
    await rejects(bytes(stream(packed).pipeThrough(new DecompressionStream('gzip'))), TypeError);
  },
};

export const otherFormatsAreRefused = {
  test() {
    for (const format of ['zip', 'GZIP', '']) {
      throws(() => new CompressionStream(format), TypeError);
      throws(() => new DecompressionStream(format), TypeError);
    }
    throws(() => new CompressionStream(), TypeError);
  },
};

export const chunksMayEndAnywhere = {
  async test() {
    const packed = await bytes(stream('one byte at a time').pipeThrough(new CompressionStream('gzip')));
    const single = new ReadableStream({
      start(controller) {
        for (const byte of packed) controller.enqueue(new Uint8Array([byte]));
        controller.close();
      },
    });
    strictEqual(await new Response(single.pipeThrough(new DecompressionStream('gzip'))).text(), 'one byte at a time');
  },
};

export const bothEndsAreStreams = {
  test() {
    for (const made of [new CompressionStream('gzip'), new DecompressionStream('gzip')]) {
      ok(made.readable instanceof ReadableStream);
      ok(made.writable instanceof WritableStream);
    }
  },
};
