import { deepStrictEqual, strictEqual, rejects } from 'node:assert';

const all = async (stream) => {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
};

const from = (...chunks) => new ReadableStream({
  start(controller) {
    for (const chunk of chunks) controller.enqueue(chunk);
    controller.close();
  },
});

export const flushComesLast = {
  async test() {
    const stream = new TransformStream({
      transform(chunk, controller) { controller.enqueue(chunk); },
      flush(controller) { controller.enqueue('end'); },
    });
    deepStrictEqual(await all(from('a').pipeThrough(stream)), ['a', 'end']);
  },
};

export const oneChunkBecomesMany = {
  async test() {
    const stream = new TransformStream({ transform(chunk, controller) { for (const c of chunk) controller.enqueue(c); } });
    deepStrictEqual(await all(from('ab', 'c').pipeThrough(stream)), ['a', 'b', 'c']);
  },
};

export const whatThrowsBreaksBothEnds = {
  async test() {
    const stream = new TransformStream({ transform() { throw new RangeError('no'); } });
    const writer = stream.writable.getWriter();
    const written = writer.write('x');
    written.catch(() => {});
    writer.closed.catch(() => {});
    await rejects(stream.readable.getReader().read(), RangeError);
    await rejects(written, RangeError);
  },
};

export const terminateEndsTheReadableSide = {
  async test() {
    const stream = new TransformStream({ transform(chunk, controller) { controller.enqueue(chunk); controller.terminate(); } });
    const writer = stream.writable.getWriter();
    writer.write('only').catch(() => {});
    writer.closed.catch(() => {});
    deepStrictEqual(await all(stream.readable), ['only']);
  },
};

export const pipesPassErrorsOn = {
  async test() {
    const source = new ReadableStream({ start(controller) { controller.error(new Error('source')); } });
    let aborted;
    const sink = new WritableStream({ abort(reason) { aborted = reason.message; } });
    await rejects(source.pipeTo(sink), /source/);
    strictEqual(aborted, 'source');
  },
};

export const pipesCanLeaveTheSinkOpen = {
  async test() {
    const written = [];
    const sink = new WritableStream({ write(chunk) { written.push(chunk); }, close() { written.push('closed'); } });
    await from(1).pipeTo(sink, { preventClose: true });
    await from(2).pipeTo(sink);
    deepStrictEqual(written, [1, 2, 'closed']);
  },
};

export const identityStreamsPassBytes = {
  async test() {
    const { readable, writable } = new IdentityTransformStream();
    const read = new Response(readable).text();
    const writer = writable.getWriter();
    await writer.write(new TextEncoder().encode('through'));
    await writer.close();
    strictEqual(await read, 'through');
  },
};
