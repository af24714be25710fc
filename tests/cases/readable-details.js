import { deepStrictEqual, strictEqual, rejects, throws } from 'node:assert';

export const fromTakesIterables = {
  async test() {
    const chunks = [];
    for await (const chunk of ReadableStream.from(['a', Promise.resolve('b')])) chunks.push(chunk);
    deepStrictEqual(chunks, ['a', 'b']);
  },
};

export const oneReaderAtATime = {
  async test() {
    const stream = new ReadableStream();
    const reader = stream.getReader();
    throws(() => stream.getReader(), TypeError);
    await rejects(stream.cancel(), TypeError);
    reader.releaseLock();
    strictEqual(stream.locked, false);
    stream.getReader();
  },
};

export const desiredSizeFollowsTheQueue = {
  test() {
    let controller;
    new ReadableStream({ start(c) { controller = c; } }, new CountQueuingStrategy({ highWaterMark: 2 }));
    strictEqual(controller.desiredSize, 2);
    controller.enqueue('a');
    strictEqual(controller.desiredSize, 1);
    controller.enqueue('b');
    controller.enqueue('c');
    strictEqual(controller.desiredSize, -1);
  },
};

export const sizesAreCountedByTheStrategy = {
  test() {
    let controller;
    const strategy = new ByteLengthQueuingStrategy({ highWaterMark: 10 });
    new ReadableStream({ start(c) { controller = c; } }, strategy);
    controller.enqueue(new Uint8Array(4));
    strictEqual(controller.desiredSize, 6);
  },
};

export const leavingALoopCancels = {
  async test() {
    let cancelled = false;
    const stream = new ReadableStream({
      pull(controller) { controller.enqueue('x'); },
      cancel() { cancelled = true; },
    });
    for await (const _ of stream) break;
    strictEqual(cancelled, true);
  },
};

export const valuesCanKeepTheStream = {
  async test() {
    let cancelled = false;
    const stream = new ReadableStream({
      pull(controller) { controller.enqueue('x'); },
      cancel() { cancelled = true; },
    });
    for await (const _ of stream.values({ preventCancel: true })) break;
    strictEqual(cancelled, false);
    strictEqual((await stream.getReader().read()).value, 'x');
  },
};

export const atLeastReadsAsMuch = {
  async test() {
    const stream = new ReadableStream({
      type: 'bytes',
      start(controller) {
        controller.enqueue(new Uint8Array([1]));
        controller.enqueue(new Uint8Array([2, 3]));
        controller.close();
      },
    });
    const { value } = await stream.getReader({ mode: 'byob' }).readAtLeast(3, new Uint8Array(4));
    deepStrictEqual([...value], [1, 2, 3]);
  },
};

export const teesOfBodiesAreWhole = {
  async test() {
    const [one, other] = new Response('some text').body.tee();
    strictEqual(await new Response(one).text(), 'some text');
    strictEqual(await new Response(other).text(), 'some text');
  },
};
