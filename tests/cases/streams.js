import { deepStrictEqual, strictEqual, rejects } from 'node:assert';

const numbers = (n) => new ReadableStream({
  start(controller) {
    for (let i = 0; i < n; i++) controller.enqueue(i);
    controller.close();
  },
});

const all = async (stream) => {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
};

export const chunksComeInOrder = {
  async test() {
    deepStrictEqual(await all(numbers(4)), [0, 1, 2, 3]);
  },
};

export const pullIsAskedForMore = {
  async test() {
    let n = 0;
    const stream = new ReadableStream({
      pull(controller) {
        if (n === 3) controller.close();
        else controller.enqueue(n++);
      },
    }, { highWaterMark: 0 });
    deepStrictEqual(await all(stream), [0, 1, 2]);
  },
};

export const cancelTellsTheSource = {
  async test() {
    let why;
    const stream = new ReadableStream({ cancel(reason) { why = reason; } });
    await stream.cancel('enough');
    strictEqual(why, 'enough');
  },
};

export const errorsReachTheReader = {
  async test() {
    const stream = new ReadableStream({ start(controller) { controller.error(new RangeError('broken')); } });
    await rejects(stream.getReader().read(), { name: 'RangeError', message: 'broken' });
  },
};

export const teeGivesBothTheSame = {
  async test() {
    const [one, other] = numbers(3).tee();
    deepStrictEqual(await Promise.all([all(one), all(other)]), [[0, 1, 2], [0, 1, 2]]);
  },
};

export const transformsChangeChunks = {
  async test() {
    const double = new TransformStream({ transform(chunk, controller) { controller.enqueue(chunk * 2); } });
    deepStrictEqual(await all(numbers(3).pipeThrough(double)), [0, 2, 4]);
  },
};

export const writersWriteInOrder = {
  async test() {
    const written = [];
    const stream = new WritableStream({ write(chunk) { written.push(chunk); }, close() { written.push('closed'); } });
    const writer = stream.getWriter();
    writer.write('a');
    writer.write('b');
    await writer.close();
    deepStrictEqual(written, ['a', 'b', 'closed']);
  },
};

export const abortReachesTheSink = {
  async test() {
    let why;
    const stream = new WritableStream({ abort(reason) { why = reason; } });
    await stream.abort('stop');
    strictEqual(why, 'stop');
    await rejects(stream.getWriter().closed);
  },
};

export const byteStreamsFillTheReadersBuffer = {
  async test() {
    const stream = new ReadableStream({
      type: 'bytes',
      start(controller) {
        controller.enqueue(new Uint8Array([1, 2, 3]));
        controller.close();
      },
    });
    const reader = stream.getReader({ mode: 'byob' });
    const { value, done } = await reader.read(new Uint8Array(2));
    deepStrictEqual([[...value], done], [[1, 2], false]);
  },
};

export const compressionGoesRound = {
  async test() {
    for (const format of ['gzip', 'deflate', 'deflate-raw']) {
      const text = 'x'.repeat(10_000);
      const stream = new Response(text).body
        .pipeThrough(new CompressionStream(format))
        .pipeThrough(new DecompressionStream(format));
      strictEqual(await new Response(stream).text(), text);
    }
  },
};

export const fixedLengthsAreKept = {
  async test() {
    const { readable, writable } = new FixedLengthStream(3);
    const writer = writable.getWriter();
    const read = new Response(readable).text();
    await writer.write(new TextEncoder().encode('abc'));
    await writer.close();
    strictEqual(await read, 'abc');
  },
};

export const textStreamsCode = {
  async test() {
    const stream = new ReadableStream({
      start(controller) {
        controller.enqueue('ä');
        controller.enqueue('b');
        controller.close();
      },
    });
    const text = await all(stream.pipeThrough(new TextEncoderStream()).pipeThrough(new TextDecoderStream()));
    strictEqual(text.join(''), 'äb');
  },
};
