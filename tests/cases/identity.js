import { deepStrictEqual, ok, rejects, strictEqual, throws } from 'node:assert';

const encode = (text) => new TextEncoder().encode(text);

export const bytesArriveAsTheyWereWritten = {
  async test() {
    const { readable, writable } = new IdentityTransformStream();
    const writer = writable.getWriter();
    const writing = writer.write(encode('abc')).then(() => writer.close());
    strictEqual(await new Response(readable).text(), 'abc');
    await writing;
  },
};

export const aWriteWaitsForItsReader = {
  async test() {
    const { readable, writable } = new IdentityTransformStream();
    const writer = writable.getWriter();
    const order = [];
    const writing = writer.write(encode('x')).then(() => order.push('written'));
    await scheduler.wait(1);
    order.push('reading');
    await readable.getReader().read();
    await writing;
    deepStrictEqual(order, ['reading', 'written']);
  },
};

export const onlyBytesAreTaken = {
  async test() {
    const { readable, writable } = new IdentityTransformStream();
    const writer = writable.getWriter();
    const refused = rejects(writer.write(5), TypeError);
    readable.getReader().read().catch(() => {});
    await refused;
  },
};

export const buffersAndViewsAreTaken = {
  async test() {
    const { readable, writable } = new IdentityTransformStream();
    const writer = writable.getWriter();
    const writing = (async () => {
      await writer.write(encode('ab').buffer);
      await writer.write(new DataView(encode('xcdx').buffer, 1, 2));
      await writer.close();
    })();
    strictEqual(await new Response(readable).text(), 'abcd');
    await writing;
  },
};

export const theReadersCancelFailsTheWriter = {
  async test() {
    const { readable, writable } = new IdentityTransformStream();
    const writer = writable.getWriter();
    const writing = writer.write(encode('x'));
    await readable.cancel(new Error('no more'));
    await rejects(writing, { message: 'no more' });
  },
};

export const anAbortFailsTheReader = {
  async test() {
    const { readable, writable } = new IdentityTransformStream();
    const reading = readable.getReader().read();
    await writable.getWriter().abort(new Error('gave up'));
    await rejects(reading, { message: 'gave up' });
  },
};

export const aFixedLengthIsKept = {
  async test() {
    const { readable, writable } = new FixedLengthStream(5);
    const writer = writable.getWriter();
    const writing = writer.write(encode('hello')).then(() => writer.close());
    strictEqual(await new Response(readable).text(), 'hello');
    await writing;
  },
};

export const aFixedLengthMayBeABigInt = {
  async test() {
    const { readable, writable } = new FixedLengthStream(2n);
    const writer = writable.getWriter();
    const writing = writer.write(encode('ok')).then(() => writer.close());
    strictEqual(await new Response(readable).text(), 'ok');
    await writing;
  },
};

export const lengthsThatAreNoneAreRefused = {
  test() {
    throws(() => new FixedLengthStream(-1), TypeError);
    throws(() => new FixedLengthStream(), TypeError);
  },
};

export const theyArePairsOfStreams = {
  test() {
    const stream = new IdentityTransformStream();
    ok(stream.readable instanceof ReadableStream);
    ok(stream.writable instanceof WritableStream);
    ok(stream instanceof TransformStream);
    ok(new FixedLengthStream(1) instanceof IdentityTransformStream);
  },
};

export const aPipeGoesThrough = {
  async test() {
    const text = await new Response(new Blob(['piped']).stream().pipeThrough(new IdentityTransformStream())).text();
    strictEqual(text, 'piped');
  },
};

export const manyWritesAreOneBody = {
  async test() {
    const { readable, writable } = new IdentityTransformStream();
    const writer = writable.getWriter();
    const writing = (async () => {
      for (let index = 0; index < 100; index++) await writer.write(encode(`${index},`));
      await writer.close();
    })();
    const text = await new Response(readable).text();
    strictEqual(text, Array.from({ length: 100 }, (_, index) => `${index},`).join(''));
    await writing;
  },
};
