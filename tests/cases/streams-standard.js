import { deepStrictEqual, notStrictEqual, ok, rejects, strictEqual, throws } from 'node:assert';

const settle = async () => {
  for (let i = 0; i < 20; i++) await null;
};
const state = async (promise) => {
  const pending = {};
  const winner = await Promise.race([promise, settle().then(() => pending)]).catch((error) => ({ error }));
  return winner === pending ? 'pending' : winner;
};

export const chunksComeInOrderAndTheEndIsSticky = {
  async test() {
    const stream = new ReadableStream({
      start(c) {
        c.enqueue("a");
        c.enqueue("b");
        c.close();
      },
    });
    const reader = stream.getReader();
    deepStrictEqual(await reader.read(), { value: "a", done: false });
    deepStrictEqual(await reader.read(), { value: "b", done: false });
    deepStrictEqual(await reader.read(), { value: undefined, done: true });
    deepStrictEqual(await reader.read(), { value: undefined, done: true });
    strictEqual(await reader.closed, undefined);
  },
};

export const pullIsNotCalledAgainWhileItsPromiseIsPending = {
  async test() {
    let calls = 0;
    let release;
    const stream = new ReadableStream(
      { pull: (c) => (calls++, c.enqueue(calls), new Promise((resolve) => (release = resolve))) },
      { highWaterMark: 3 },
    );
    await settle();
    strictEqual(calls, 1);
    release();
    await settle();
    strictEqual(calls, 2);
    strictEqual(stream.locked, false);
  },
};

export const desiredsizeFollowsTheQueue = {
  test() {
    let controller;
    new ReadableStream({ start: (c) => (controller = c) }, { highWaterMark: 2 });
    strictEqual(controller.desiredSize, 2);
    controller.enqueue(1);
    controller.enqueue(2);
    controller.enqueue(3);
    strictEqual(controller.desiredSize, -1);
    controller.error(new Error("x"));
    strictEqual(controller.desiredSize, null);
  },
};

export const aSizeFunctionThatThrowsErrorsTheStreamAndEnqueue = {
  async test() {
    let controller;
    const boom = new Error("boom");
    const stream = new ReadableStream({ start: (c) => (controller = c) }, { size() { throw boom; } });
    throws(() => controller.enqueue(1), boom);
    await rejects(stream.getReader().closed, boom);
  },
};

export const aSizeFunctionSeesNoReceiver = {
  test() {
    let receiver = "unset";
    const strategy = { size() { "use strict"; receiver = this; return 1; } };
    let controller;
    new ReadableStream({ start: (c) => (controller = c) }, strategy);
    controller.enqueue(1);
    strictEqual(receiver, undefined);
    receiver = "unset";
    new WritableStream({}, strategy).getWriter().write(1);
    strictEqual(receiver, undefined);
  },
};

export const releasingALockRejectsPendingReadsAndLeavesChunksToTheNextReader = {
  async test() {
    let controller;
    const stream = new ReadableStream({ start: (c) => (controller = c) });
    const first = stream.getReader();
    const read = first.read();
    first.releaseLock();
    await rejects(read, TypeError);
    await rejects(first.closed, TypeError);
    controller.enqueue("x");
    strictEqual((await stream.getReader().read()).value, "x");
  },
};

export const closedKeepsItsIdentityWhilePendingAndChangesWhenReleasedAfterSettling = {
  async test() {
    const stream = new ReadableStream({ start: (c) => c.close() });
    const reader = stream.getReader();
    const before = reader.closed;
    strictEqual(reader.closed, before);
    reader.releaseLock();
    notStrictEqual(reader.closed, before);
    await rejects(reader.closed, TypeError);
  },
};

export const cancelRunsTheSourcesCancelOnceAndCloses = {
  async test() {
    const reasons = [];
    const stream = new ReadableStream({ cancel: (r) => void reasons.push(r) });
    await stream.cancel("why");
    await stream.cancel("again");
    deepStrictEqual(reasons, ["why"]);
  },
};

export const teeGivesBothBranchesAllChunksAndTheCompositeReason = {
  async test() {
    let reason;
    let controller;
    const stream = new ReadableStream({ start: (c) => (controller = c), cancel: (r) => void (reason = r) });
    const [one, two] = stream.tee();
    controller.enqueue(1);
    const r1 = one.getReader();
    const r2 = two.getReader();
    strictEqual((await r1.read()).value, 1);
    strictEqual((await r2.read()).value, 1);
    const p1 = r1.cancel("a");
    const p2 = r2.cancel("b");
    await Promise.all([p1, p2]);
    deepStrictEqual(Array.from(reason), ["a", "b"]);
  },
};

export const byteTeeCopiesForTheSecondBranchAndServesBYOB = {
  async test() {
    const stream = new ReadableStream({ type: "bytes", start(c) { c.enqueue(new Uint8Array([1, 2, 3])); c.close(); } });
    const [one, two] = stream.tee();
    const r1 = one.getReader({ mode: "byob" });
    const r2 = two.getReader();
    const a = await r1.read(new Uint8Array(2));
    const b = await r2.read();
    deepStrictEqual([...a.value], [1, 2]);
    deepStrictEqual([...b.value].slice(0, 2), [1, 2]);
    a.value[0] = 99;
    strictEqual(b.value[0], 1);
    deepStrictEqual([...(await r1.read(new Uint8Array(5))).value], [3]);
  },
};

export const byobTheViewIsTransferredPartialElementsAreKept = {
  async test() {
    let controller;
    const stream = new ReadableStream({ type: "bytes", start: (c) => (controller = c) });
    const reader = stream.getReader({ mode: "byob" });
    const view = new Uint16Array(4);
    const read = reader.read(view);
    strictEqual(view.byteLength, 0);
    controller.enqueue(new Uint8Array([1]));
    strictEqual(await state(read), "pending");
    controller.enqueue(new Uint8Array([0, 5]));
    const { value } = await read;
    ok(value instanceof Uint16Array);
    deepStrictEqual([...value], [1]);
    throws(() => { controller.enqueue(new Uint8Array(0)); }, TypeError);
    strictEqual((await reader.read(new Uint8Array(3))).value[0], 5);
  },
};

export const byobrequestRespondAtLeastInvalidation = {
  async test() {
    const requests = [];
    const stream = new ReadableStream({
      type: "bytes",
      pull(c) {
        const request = c.byobRequest;
        requests.push(request);
        strictEqual(c.byobRequest, request);
        strictEqual(request.atLeast, 2);
        request.view.set([7, 8]);
        request.respond(2);
        strictEqual(request.view, null);
        throws(() => request.respond(1), TypeError);
      },
    });
    const { value, done } = await stream.getReader({ mode: "byob" }).read(new Uint8Array(4), { min: 2 });
    deepStrictEqual([[...value], done], [[7, 8], false]);
    strictEqual(requests.length, 1);
  },
};

export const respondWith0OnAReadableStreamAndTooMuchAreErrors = {
  async test() {
    let request;
    const stream = new ReadableStream({ type: "bytes", pull: (c) => void (request = c.byobRequest) });
    stream.getReader({ mode: "byob" }).read(new Uint8Array(4));
    await settle();
    throws(() => request.respond(0), TypeError);
    throws(() => request.respond(5), RangeError);
    throws(() => request.respondWithNewView(new Uint8Array(3)), RangeError);
  },
};

export const autoallocatechunksizeServesDefaultReaders = {
  async test() {
    const stream = new ReadableStream({
      type: "bytes",
      autoAllocateChunkSize: 16,
      pull(c) {
        strictEqual(c.byobRequest.view.byteLength, 16);
        c.byobRequest.view[0] = 42;
        c.byobRequest.respond(1);
      },
    });
    const { value } = await stream.getReader().read();
    deepStrictEqual([...value], [42]);
  },
};

export const closeWithAPendingBYOBReadEndsItAfterRespond0 = {
  async test() {
    const stream = new ReadableStream({
      type: "bytes",
      pull(c) {
        c.close();
        c.byobRequest.respond(0);
      },
    });
    const { value, done } = await stream.getReader({ mode: "byob" }).read(new Uint8Array(4));
    strictEqual(done, true);
    strictEqual(value.byteLength, 0);
    strictEqual(value.buffer.byteLength, 4);
  },
};

export const readatleastGivesWhatThereIsWhenTheEndCutsItShort = {
  async test() {
    const stream = new ReadableStream({ type: "bytes", start(c) { c.enqueue(new Uint8Array(2)); c.close(); } });
    const reader = stream.getReader({ mode: "byob" });
    const first = await reader.readAtLeast(3, new Uint8Array(8));
    deepStrictEqual([first.value.length, first.done], [2, false]);
    const second = await reader.readAtLeast(3, new Uint8Array(8));
    deepStrictEqual([second.value.length, second.value.buffer.byteLength, second.done], [0, 8, true]);
  },
};

export const iterationEarlyExitCancelsPreventCancelDoesNot = {
  async test() {
    let cancelled = 0;
    const make = () =>
      new ReadableStream({ start(c) { c.enqueue(1); c.enqueue(2); }, cancel: () => void cancelled++ });
    for await (const chunk of make()) {
      strictEqual(chunk, 1);
      break;
    }
    strictEqual(cancelled, 1);
    const kept = make();
    for await (const chunk of kept.values({ preventCancel: true })) {
      strictEqual(chunk, 1);
      break;
    }
    strictEqual(cancelled, 1);
    strictEqual(kept.locked, false);
    strictEqual((await kept.getReader().read()).value, 2);
  },
};

export const iteratorConcurrentNextCallsAreSerialisedReturnAfterEnd = {
  async test() {
    const stream = new ReadableStream({ start(c) { c.enqueue(1); c.enqueue(2); c.close(); } });
    const it = stream[Symbol.asyncIterator]();
    const results = await Promise.all([it.next(), it.next(), it.next(), it.next()]);
    deepStrictEqual(results.map((r) => [r.value, r.done]), [[1, false], [2, false], [undefined, true], [undefined, true]]);
    deepStrictEqual({ ...(await it.return("x")) }, { value: "x", done: true });
    strictEqual(stream.locked, false);
  },
};

export const fromSyncAndAsyncIterablesPromisesAreAwaitedCancelCallsReturn = {
  async test() {
    const collect = async (s) => { const out = []; for await (const c of s) out.push(c); return out; };
    deepStrictEqual(await collect(ReadableStream.from([1, Promise.resolve(2)])), [1, 2]);
    deepStrictEqual(await collect(ReadableStream.from((async function* () { yield 3; yield 4; })())), [3, 4]);
    let returned;
    const iterable = {
      [Symbol.asyncIterator]: () => ({ next: async () => ({ value: 1, done: false }), return: async (r) => ((returned = r), {}) }),
    };
    const reader = ReadableStream.from(iterable).getReader();
    await reader.read();
    await reader.cancel("stop");
    strictEqual(returned, "stop");
    throws(() => ReadableStream.from(5), TypeError);
  },
};

export const writesAreSerialReadyFollowsBackpressureCloseWaits = {
  async test() {
    const log = [];
    let release;
    const stream = new WritableStream({
      write(chunk) { log.push(chunk); return new Promise((resolve) => (release = resolve)); },
      close() { log.push("close"); },
    });
    const writer = stream.getWriter();
    await writer.ready;
    strictEqual(writer.desiredSize, 1);
    const one = writer.write(1);
    strictEqual(writer.desiredSize, 0);
    const ready = writer.ready;
    writer.write(2);
    const close = writer.close();
    await settle();
    deepStrictEqual(log, [1]);
    release();
    await one;
    await settle();
    release();
    await close;
    deepStrictEqual(log, [1, 2, "close"]);
    await ready;
    await rejects(writer.write(3), TypeError);
  },
};

export const abortWaitsForTheWriteInFlightAndThenCallsAbortWithTheReason = {
  async test() {
    const log = [];
    let release;
    let controller;
    const stream = new WritableStream({
      start: (c) => void (controller = c),
      write: () => new Promise((resolve) => (release = resolve)),
      abort: (r) => void log.push(r),
    });
    const writer = stream.getWriter();
    await settle();
    const write = writer.write(1);
    const queued = writer.write(2);
    queued.catch(() => {});
    const abort = writer.abort("why");
    strictEqual(controller.signal.aborted, true);
    strictEqual(controller.signal.reason, "why");
    strictEqual(writer.abort("again") !== undefined, true);
    strictEqual(await state(abort), "pending");
    deepStrictEqual(log, []);
    release();
    await write;
    await abort;
    deepStrictEqual(log, ["why"]);
    strictEqual(await queued.catch((e) => e), "why");
    strictEqual(await writer.closed.catch((e) => e), "why");
  },
};

export const aFailingWriteErrorsTheStreamAndTheOnesBehindIt = {
  async test() {
    const boom = new Error("boom");
    const writer = new WritableStream({ write() { throw boom; } }).getWriter();
    await rejects(writer.write(1), boom);
    await rejects(writer.write(2), boom);
    await rejects(writer.closed, boom);
    strictEqual(writer.desiredSize, null);
  },
};

export const errorDuringCloseWithAnAbortPending = {
  async test() {
    let reject;
    const writer = new WritableStream({ close: () => new Promise((_, r) => (reject = r)) }).getWriter();
    await settle();
    const close = writer.close();
    close.catch(() => {});
    await settle();
    const abort = writer.abort("x");
    const boom = new Error("boom");
    reject(boom);
    await rejects(close, boom);
    await rejects(abort, boom);
  },
};

export const pipetoMovesEverythingAndCloses = {
  async test() {
    const out = [];
    const source = new ReadableStream({ start(c) { for (let i = 0; i < 100; i++) c.enqueue(i); c.close(); } });
    const dest = new WritableStream({ write: (c) => void out.push(c), close: () => void out.push("end") });
    await source.pipeTo(dest);
    strictEqual(out.length, 101);
    strictEqual(out.at(-1), "end");
    strictEqual(source.locked || dest.locked, false);
  },
};

export const pipetoSourceErrorAbortsTheDestinationOrNot = {
  async test() {
    const boom = new Error("boom");
    for (const preventAbort of [false, true]) {
      let aborted;
      const source = new ReadableStream({ start: (c) => c.error(boom) });
      const dest = new WritableStream({ abort: (r) => void (aborted = r) });
      await rejects(source.pipeTo(dest, { preventAbort }), boom);
      strictEqual(aborted, preventAbort ? undefined : boom);
    }
  },
};

export const pipetoDestinationErrorCancelsTheSource = {
  async test() {
    const boom = new Error("boom");
    let cancelled;
    const source = new ReadableStream({ pull: (c) => c.enqueue(1), cancel: (r) => void (cancelled = r) });
    await rejects(source.pipeTo(new WritableStream({ write() { throw boom; } })), boom);
    strictEqual(cancelled, boom);
  },
};

export const pipetoADestinationThatIsClosedCancelsWithATypeError = {
  async test() {
    let cancelled;
    const dest = new WritableStream();
    await dest.close();
    const source = new ReadableStream({ cancel: (r) => void (cancelled = r) });
    await rejects(source.pipeTo(dest), TypeError);
    ok(cancelled instanceof TypeError);
  },
};

export const pipetoEnqueueNeverCallsWriteSynchronously = {
  async test() {
    let inside = false;
    let sync = false;
    let controller;
    const source = new ReadableStream({ start: (c) => void (controller = c) });
    const written = [];
    source.pipeTo(new WritableStream({ write(c) { sync ||= inside; written.push(c); } }));
    await settle();
    inside = true;
    controller.enqueue("a");
    inside = false;
    await settle();
    deepStrictEqual([written, sync], [["a"], false]);
  },
};

export const pipethroughTransformFlushAndTerminate = {
  async test() {
    const upper = new TransformStream({
      transform: (chunk, c) => c.enqueue(chunk.toUpperCase()),
      flush: (c) => c.enqueue("!"),
    });
    const out = [];
    for await (const c of ReadableStream.from(["a", "b"]).pipeThrough(upper)) out.push(c);
    deepStrictEqual(out, ["A", "B", "!"]);
    const ending = new TransformStream({ transform: (_, c) => c.terminate() });
    const writer = ending.writable.getWriter();
    writer.closed.catch(() => {});
    const reader = ending.readable.getReader();
    const read = reader.read();
    await writer.write(1).catch(() => {});
    strictEqual((await read).done, true);
    await rejects(writer.write(2), TypeError);
  },
};

export const transformCancelHookErrorInTransform = {
  async test() {
    let cancelled;
    const t = new TransformStream({ cancel: (r) => void (cancelled = r) });
    await t.readable.cancel("no");
    strictEqual(cancelled, "no");
    strictEqual(await t.writable.getWriter().closed.catch((e) => e), "no");
    const boom = new Error("boom");
    const f = new TransformStream({ transform() { throw boom; } });
    const w = f.writable.getWriter();
    w.closed.catch(() => {});
    f.readable.getReader().read().catch(() => {});
    await rejects(w.write(1), boom);
  },
};

export const transformAHookThatFailsAtTheEndFailsTheOtherSideToo = {
  async test() {
    const failed = new Error("failed");
    const fail = () => Promise.reject(failed);
    const ends = {
      flush: async ({ readable, writable }) => [writable.getWriter().close(), readable.getReader().read()],
      abort: async ({ readable, writable }) => [writable.abort("over"), readable.getReader().read()],
      cancel: async ({ readable, writable }) => [readable.cancel("over"), writable.getWriter().closed],
    };
    for (const [name, end] of Object.entries(ends)) {
      const sides = await end(new TransformStream({ flush: fail, cancel: fail }));
      for (const side of sides) await rejects(Promise.race([side, settle()]), (error) => error === failed, name);
    }
  },
};

export const identityTransformBytesOnlyAWriteEndsWhenItIsReadBYOBTakesParts = {
  async test() {
    const t = new IdentityTransformStream();
    ok(t instanceof TransformStream);
    const w = t.writable.getWriter();
    const r = t.readable.getReader({ mode: "byob" });
    const write = w.write(new Uint8Array([1, 2, 3]));
    deepStrictEqual([...(await r.read(new Uint8Array(2))).value], [1, 2]);
    strictEqual(await state(write), "pending");
    deepStrictEqual([...(await r.read(new Uint8Array(9))).value], [3]);
    await write;
    w.close();
    strictEqual((await r.read(new Uint8Array(3))).done, true);
    const bad = new IdentityTransformStream();
    await rejects(bad.writable.getWriter().write(5), /being used as a byte stream/);
  },
};

export const identityTransformManyPendingReadsDoNotGrowTheStack = {
  async test() {
    const t = new IdentityTransformStream();
    const r = t.readable.getReader({ mode: "byob" });
    const reads = [];
    for (let i = 0; i < 20000; i++) reads.push(r.read(new Uint8Array(1)));
    await t.writable.getWriter().write(new Uint8Array(20000));
    strictEqual((await Promise.all(reads)).length, 20000);
  },
};

export const dictionaryMembersAreReadInTheStandardsOrder = {
  test() {
    const seen = [];
    const spy = (names) => new Proxy({}, { get: (_, k) => void seen.push(k), has: () => false });
    new ReadableStream(spy(), spy());
    deepStrictEqual(seen, ["highWaterMark", "size", "autoAllocateChunkSize", "cancel", "expectedLength", "pull", "start", "type"]);
  },
};
