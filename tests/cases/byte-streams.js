import { deepStrictEqual, ok, rejects, strictEqual, throws } from 'node:assert';

/** A byte stream of chunks, each given when it is pulled for. */
function bytesOf(...chunks) {
  return new ReadableStream({
    type: 'bytes',
    pull(controller) {
      const chunk = chunks.shift();
      if (chunk === undefined) {
        controller.close();
        controller.byobRequest?.respond(0);
      } else {
        controller.enqueue(new Uint8Array(chunk));
      }
    },
  });
}

export const aReaderGetsItsOwnViewBack = {
  async test() {
    const reader = bytesOf([1, 2, 3]).getReader({ mode: 'byob' });
    const { value, done } = await reader.read(new Uint8Array(8));
    strictEqual(done, false);
    deepStrictEqual([...value], [1, 2, 3]);
    strictEqual(value.buffer.byteLength, 8);
  },
};

export const aGivenBufferIsDetached = {
  async test() {
    const view = new Uint8Array(4);
    const reader = bytesOf([1]).getReader({ mode: 'byob' });
    const reading = reader.read(view);
    strictEqual(view.byteLength, 0);
    strictEqual((await reading).value.byteLength, 1);
  },
};

export const theViewKeepsItsKindAndPlace = {
  async test() {
    const reader = bytesOf([1, 0, 2, 0]).getReader({ mode: 'byob' });
    const { value } = await reader.read(new Uint16Array(new ArrayBuffer(12), 4, 4));
    ok(value instanceof Uint16Array);
    strictEqual(value.byteOffset, 4);
    deepStrictEqual([...value], [1, 2]);
  },
};

export const whatDoesNotFitComesNext = {
  async test() {
    const reader = bytesOf([1, 2, 3, 4, 5]).getReader({ mode: 'byob' });
    deepStrictEqual([...(await reader.read(new Uint8Array(2))).value], [1, 2]);
    deepStrictEqual([...(await reader.read(new Uint8Array(2))).value], [3, 4]);
    deepStrictEqual([...(await reader.read(new Uint8Array(2))).value], [5]);
  },
};

export const theEndHasAnEmptyView = {
  async test() {
    const reader = bytesOf().getReader({ mode: 'byob' });
    const { value, done } = await reader.read(new Uint8Array(4));
    strictEqual(done, true);
    strictEqual(value.byteLength, 0);
    strictEqual(value.buffer.byteLength, 4);
  },
};

export const anEmptyViewIsRefused = {
  async test() {
    const reader = bytesOf([1]).getReader({ mode: 'byob' });
    await rejects(reader.read(new Uint8Array(0)), TypeError);
    await rejects(reader.read(), TypeError);
  },
};

export const onlyByteStreamsHaveSuchReaders = {
  test() {
    throws(() => new ReadableStream({}).getReader({ mode: 'byob' }), TypeError);
    throws(() => new ReadableStream({}).getReader({ mode: 'other' }), TypeError);
    ok(bytesOf([1]).getReader({ mode: 'byob' }) instanceof ReadableStreamBYOBReader);
    ok(bytesOf([1]).getReader() instanceof ReadableStreamDefaultReader);
  },
};

export const aSourceWritesIntoTheRequest = {
  async test() {
    const stream = new ReadableStream({
      type: 'bytes',
      pull(controller) {
        const { view } = controller.byobRequest;
        view[0] = 7;
        view[1] = 8;
        controller.byobRequest.respond(2);
      },
    });
    const reader = stream.getReader({ mode: 'byob' });
    deepStrictEqual([...(await reader.read(new Uint8Array(4))).value], [7, 8]);
  },
};

export const aSourceMayRespondWithAView = {
  async test() {
    const stream = new ReadableStream({
      type: 'bytes',
      pull(controller) {
        const { view } = controller.byobRequest;
        view[0] = 9;
        controller.byobRequest.respondWithNewView(new Uint8Array(view.buffer, view.byteOffset, 1));
      },
    });
    const reader = stream.getReader({ mode: 'byob' });
    deepStrictEqual([...(await reader.read(new Uint8Array(4))).value], [9]);
  },
};

export const moreThanWasAskedForIsRefused = {
  async test() {
    let refused;
    const stream = new ReadableStream({
      type: 'bytes',
      pull(controller) {
        try {
          controller.byobRequest.respond(5);
        } catch (error) {
          refused = error;
          controller.byobRequest.respond(1);
        }
      },
    });
    await stream.getReader({ mode: 'byob' }).read(new Uint8Array(4));
    ok(refused instanceof RangeError, String(refused));
  },
};

export const plainReadersHaveNoRequestUnlessBuffersAreAllocated = {
  async test() {
    const seen = [];
    const make = (autoAllocateChunkSize) =>
      new ReadableStream({
        type: 'bytes',
        autoAllocateChunkSize,
        pull(controller) {
          seen.push(controller.byobRequest?.view.byteLength ?? null);
          controller.enqueue(new Uint8Array([1]));
        },
      });
    await make(16).getReader().read();
    deepStrictEqual(seen, [16]);
  },
};

export const chunksOfAByteStreamAreViews = {
  async test() {
    const stream = new ReadableStream({
      type: 'bytes',
      start(controller) {
        throws(() => controller.enqueue('text'), TypeError);
        throws(() => controller.enqueue(new Uint8Array(0)), TypeError);
        controller.enqueue(new Uint16Array([0x0201]));
        controller.close();
      },
    });
    deepStrictEqual([...(await stream.getReader().read()).value], [1, 2]);
  },
};

export const aLockIsReleasedAndTakenAgain = {
  async test() {
    const stream = bytesOf([1], [2]);
    const first = stream.getReader({ mode: 'byob' });
    strictEqual(stream.locked, true);
    throws(() => stream.getReader(), TypeError);
    strictEqual((await first.read(new Uint8Array(1))).value[0], 1);
    first.releaseLock();
    strictEqual(stream.locked, false);
    await rejects(first.read(new Uint8Array(1)), TypeError);
    const second = stream.getReader();
    strictEqual((await second.read()).value[0], 2);
  },
};

export const bodiesAreByteStreams = {
  async test() {
    const { body } = new Response('hello');
    const reader = body.getReader({ mode: 'byob' });
    const { value } = await reader.read(new Uint8Array(16));
    strictEqual(new TextDecoder().decode(value), 'hello');
    const end = await reader.read(new Uint8Array(16));
    strictEqual(end.done, true);
  },
};

export const readAtLeastWaitsForEnough = {
  async test() {
    const { readable, writable } = new IdentityTransformStream();
    const writer = writable.getWriter();
    const writing = (async () => {
      for (const byte of [1, 2, 3]) await writer.write(new Uint8Array([byte]));
      await writer.close();
    })();
    const reader = readable.getReader({ mode: 'byob' });
    const { value } = await reader.readAtLeast(3, new Uint8Array(8));
    deepStrictEqual([...value], [1, 2, 3]);
    await writing;
  },
};

export const cancelReachesTheByteSource = {
  async test() {
    let reason;
    const stream = new ReadableStream({ type: 'bytes', cancel(given) { reason = given; } });
    const reader = stream.getReader({ mode: 'byob' });
    await reader.cancel('enough');
    strictEqual(reason, 'enough');
    await reader.closed;
  },
};
