import assert from "node:assert/strict";
import { test } from "node:test";
import { load, scope } from "./load.mjs";

const internal = load();
const { ReadableStream, WritableStream, TransformStream, IdentityTransformStream, FixedLengthStream } = internal.globals;
const settle = async () => {
  for (let i = 0; i < 20; i++) await null;
};
const state = async (promise) => {
  const pending = {};
  const winner = await Promise.race([promise, settle().then(() => pending)]).catch((error) => ({ error }));
  return winner === pending ? "pending" : winner;
};

test("chunks come in order and the end is sticky", async () => {
  const stream = new ReadableStream({
    start(c) {
      c.enqueue("a");
      c.enqueue("b");
      c.close();
    },
  });
  const reader = stream.getReader();
  assert.deepEqual(await reader.read(), { value: "a", done: false });
  assert.deepEqual(await reader.read(), { value: "b", done: false });
  assert.deepEqual(await reader.read(), { value: undefined, done: true });
  assert.deepEqual(await reader.read(), { value: undefined, done: true });
  assert.equal(await reader.closed, undefined);
});

test("pull is not called again while its promise is pending", async () => {
  let calls = 0;
  let release;
  const stream = new ReadableStream(
    { pull: (c) => (calls++, c.enqueue(calls), new Promise((resolve) => (release = resolve))) },
    { highWaterMark: 3 },
  );
  await settle();
  assert.equal(calls, 1);
  release();
  await settle();
  assert.equal(calls, 2);
  assert.equal(stream.locked, false);
});

test("desiredSize follows the queue", () => {
  let controller;
  new ReadableStream({ start: (c) => (controller = c) }, { highWaterMark: 2 });
  assert.equal(controller.desiredSize, 2);
  controller.enqueue(1);
  controller.enqueue(2);
  controller.enqueue(3);
  assert.equal(controller.desiredSize, -1);
  controller.error(new Error("x"));
  assert.equal(controller.desiredSize, null);
});

test("a size function that throws errors the stream and enqueue", async () => {
  let controller;
  const boom = new Error("boom");
  const stream = new ReadableStream({ start: (c) => (controller = c) }, { size() { throw boom; } });
  assert.throws(() => controller.enqueue(1), boom);
  await assert.rejects(stream.getReader().closed, boom);
});

test("a size function sees no receiver", () => {
  let receiver = "unset";
  const strategy = { size() { "use strict"; receiver = this; return 1; } };
  let controller;
  new ReadableStream({ start: (c) => (controller = c) }, strategy);
  controller.enqueue(1);
  assert.equal(receiver, undefined);
  receiver = "unset";
  new WritableStream({}, strategy).getWriter().write(1);
  assert.equal(receiver, undefined);
});

test("releasing a lock rejects pending reads and leaves chunks to the next reader", async () => {
  let controller;
  const stream = new ReadableStream({ start: (c) => (controller = c) });
  const first = stream.getReader();
  const read = first.read();
  first.releaseLock();
  await assert.rejects(read, TypeError);
  await assert.rejects(first.closed, TypeError);
  controller.enqueue("x");
  assert.equal((await stream.getReader().read()).value, "x");
});

test("closed keeps its identity while pending and changes when released after settling", async () => {
  const stream = new ReadableStream({ start: (c) => c.close() });
  const reader = stream.getReader();
  const before = reader.closed;
  assert.equal(reader.closed, before);
  reader.releaseLock();
  assert.notEqual(reader.closed, before);
  await assert.rejects(reader.closed, TypeError);
});

test("cancel runs the source's cancel once and closes", async () => {
  const reasons = [];
  const stream = new ReadableStream({ cancel: (r) => void reasons.push(r) });
  await stream.cancel("why");
  await stream.cancel("again");
  assert.deepEqual(reasons, ["why"]);
});

test("tee gives both branches all chunks and the composite reason", async () => {
  let reason;
  let controller;
  const stream = new ReadableStream({ start: (c) => (controller = c), cancel: (r) => void (reason = r) });
  const [one, two] = stream.tee();
  controller.enqueue(1);
  const r1 = one.getReader();
  const r2 = two.getReader();
  assert.equal((await r1.read()).value, 1);
  assert.equal((await r2.read()).value, 1);
  const p1 = r1.cancel("a");
  const p2 = r2.cancel("b");
  await Promise.all([p1, p2]);
  assert.deepEqual(Array.from(reason), ["a", "b"]);
});

test("byte tee copies for the second branch and serves BYOB", async () => {
  const stream = new ReadableStream({ type: "bytes", start(c) { c.enqueue(new Uint8Array([1, 2, 3])); c.close(); } });
  const [one, two] = stream.tee();
  const r1 = one.getReader({ mode: "byob" });
  const r2 = two.getReader();
  const a = await r1.read(new Uint8Array(2));
  const b = await r2.read();
  assert.deepEqual([...a.value], [1, 2]);
  assert.deepEqual([...b.value].slice(0, 2), [1, 2]);
  a.value[0] = 99;
  assert.equal(b.value[0], 1);
  assert.deepEqual([...(await r1.read(new Uint8Array(5))).value], [3]);
});

test("byob: the view is transferred, partial elements are kept", async () => {
  let controller;
  const stream = new ReadableStream({ type: "bytes", start: (c) => (controller = c) });
  const reader = stream.getReader({ mode: "byob" });
  const view = new Uint16Array(4);
  const read = reader.read(view);
  assert.equal(view.byteLength, 0);
  controller.enqueue(new Uint8Array([1]));
  assert.equal(await state(read), "pending");
  controller.enqueue(new Uint8Array([0, 5]));
  const { value } = await read;
  assert.ok(value instanceof Uint16Array);
  assert.deepEqual([...value], [1]);
  assert.throws(() => { controller.enqueue(new Uint8Array(0)); }, TypeError);
  assert.equal((await reader.read(new Uint8Array(3))).value[0], 5);
});

test("byobRequest: respond, atLeast, invalidation", async () => {
  const requests = [];
  const stream = new ReadableStream({
    type: "bytes",
    pull(c) {
      const request = c.byobRequest;
      requests.push(request);
      assert.equal(c.byobRequest, request);
      assert.equal(request.atLeast, 2);
      request.view.set([7, 8]);
      request.respond(2);
      assert.equal(request.view, null);
      assert.throws(() => request.respond(1), TypeError);
    },
  });
  const { value, done } = await stream.getReader({ mode: "byob" }).read(new Uint8Array(4), { min: 2 });
  assert.deepEqual([[...value], done], [[7, 8], false]);
  assert.equal(requests.length, 1);
});

test("respond with 0 on a readable stream and too much are errors", async () => {
  let request;
  const stream = new ReadableStream({ type: "bytes", pull: (c) => void (request = c.byobRequest) });
  stream.getReader({ mode: "byob" }).read(new Uint8Array(4));
  await settle();
  assert.throws(() => request.respond(0), TypeError);
  assert.throws(() => request.respond(5), RangeError);
  assert.throws(() => request.respondWithNewView(new Uint8Array(3)), RangeError);
});

test("autoAllocateChunkSize serves default readers", async () => {
  const stream = new ReadableStream({
    type: "bytes",
    autoAllocateChunkSize: 16,
    pull(c) {
      assert.equal(c.byobRequest.view.byteLength, 16);
      c.byobRequest.view[0] = 42;
      c.byobRequest.respond(1);
    },
  });
  const { value } = await stream.getReader().read();
  assert.deepEqual([...value], [42]);
});

test("close with a pending BYOB read ends it after respond(0)", async () => {
  const stream = new ReadableStream({
    type: "bytes",
    pull(c) {
      c.close();
      c.byobRequest.respond(0);
    },
  });
  const { value, done } = await stream.getReader({ mode: "byob" }).read(new Uint8Array(4));
  assert.equal(done, true);
  assert.equal(value.byteLength, 0);
  assert.equal(value.buffer.byteLength, 4);
});

test("readAtLeast gives what there is when the end cuts it short", async () => {
  const stream = new ReadableStream({ type: "bytes", start(c) { c.enqueue(new Uint8Array(2)); c.close(); } });
  const reader = stream.getReader({ mode: "byob" });
  const first = await reader.readAtLeast(3, new Uint8Array(8));
  assert.deepEqual([first.value.length, first.done], [2, false]);
  const second = await reader.readAtLeast(3, new Uint8Array(8));
  assert.deepEqual([second.value.length, second.value.buffer.byteLength, second.done], [0, 8, true]);
});

test("iteration, early exit cancels, preventCancel does not", async () => {
  let cancelled = 0;
  const make = () =>
    new ReadableStream({ start(c) { c.enqueue(1); c.enqueue(2); }, cancel: () => void cancelled++ });
  for await (const chunk of make()) {
    assert.equal(chunk, 1);
    break;
  }
  assert.equal(cancelled, 1);
  const kept = make();
  for await (const chunk of kept.values({ preventCancel: true })) {
    assert.equal(chunk, 1);
    break;
  }
  assert.equal(cancelled, 1);
  assert.equal(kept.locked, false);
  assert.equal((await kept.getReader().read()).value, 2);
});

test("iterator: concurrent next() calls are serialised, return() after end", async () => {
  const stream = new ReadableStream({ start(c) { c.enqueue(1); c.enqueue(2); c.close(); } });
  const it = stream[Symbol.asyncIterator]();
  const results = await Promise.all([it.next(), it.next(), it.next(), it.next()]);
  assert.deepEqual(results.map((r) => [r.value, r.done]), [[1, false], [2, false], [undefined, true], [undefined, true]]);
  assert.deepEqual({ ...(await it.return("x")) }, { value: "x", done: true });
  assert.equal(stream.locked, false);
});

test("from: sync and async iterables, promises are awaited, cancel calls return", async () => {
  const collect = async (s) => { const out = []; for await (const c of s) out.push(c); return out; };
  assert.deepEqual(await collect(ReadableStream.from([1, Promise.resolve(2)])), [1, 2]);
  assert.deepEqual(await collect(ReadableStream.from((async function* () { yield 3; yield 4; })())), [3, 4]);
  let returned;
  const iterable = {
    [Symbol.asyncIterator]: () => ({ next: async () => ({ value: 1, done: false }), return: async (r) => ((returned = r), {}) }),
  };
  const reader = ReadableStream.from(iterable).getReader();
  await reader.read();
  await reader.cancel("stop");
  assert.equal(returned, "stop");
  assert.throws(() => ReadableStream.from(5), TypeError);
});

test("writes are serial, ready follows backpressure, close waits", async () => {
  const log = [];
  let release;
  const stream = new WritableStream({
    write(chunk) { log.push(chunk); return new Promise((resolve) => (release = resolve)); },
    close() { log.push("close"); },
  });
  const writer = stream.getWriter();
  await writer.ready;
  assert.equal(writer.desiredSize, 1);
  const one = writer.write(1);
  assert.equal(writer.desiredSize, 0);
  const ready = writer.ready;
  writer.write(2);
  const close = writer.close();
  await settle();
  assert.deepEqual(log, [1]);
  release();
  await one;
  await settle();
  release();
  await close;
  assert.deepEqual(log, [1, 2, "close"]);
  await ready;
  await assert.rejects(writer.write(3), TypeError);
});

test("abort waits for the write in flight and then calls abort with the reason", async () => {
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
  assert.equal(controller.signal.aborted, true);
  assert.equal(controller.signal.reason, "why");
  assert.equal(writer.abort("again") !== undefined, true);
  assert.equal(await state(abort), "pending");
  assert.deepEqual(log, []);
  release();
  await write;
  await abort;
  assert.deepEqual(log, ["why"]);
  assert.equal(await queued.catch((e) => e), "why");
  assert.equal(await writer.closed.catch((e) => e), "why");
});

test("a failing write errors the stream and the ones behind it", async () => {
  const boom = new Error("boom");
  const writer = new WritableStream({ write() { throw boom; } }).getWriter();
  await assert.rejects(writer.write(1), boom);
  await assert.rejects(writer.write(2), boom);
  await assert.rejects(writer.closed, boom);
  assert.equal(writer.desiredSize, null);
});

test("error during close with an abort pending", async () => {
  let reject;
  const writer = new WritableStream({ close: () => new Promise((_, r) => (reject = r)) }).getWriter();
  await settle();
  const close = writer.close();
  close.catch(() => {});
  await settle();
  const abort = writer.abort("x");
  const boom = new Error("boom");
  reject(boom);
  await assert.rejects(close, boom);
  await assert.rejects(abort, boom);
});

test("pipeTo moves everything and closes", async () => {
  const out = [];
  const source = new ReadableStream({ start(c) { for (let i = 0; i < 100; i++) c.enqueue(i); c.close(); } });
  const dest = new WritableStream({ write: (c) => void out.push(c), close: () => void out.push("end") });
  await source.pipeTo(dest);
  assert.equal(out.length, 101);
  assert.equal(out.at(-1), "end");
  assert.equal(source.locked || dest.locked, false);
});

test("pipeTo: source error aborts the destination, or not", async () => {
  const boom = new Error("boom");
  for (const preventAbort of [false, true]) {
    let aborted;
    const source = new ReadableStream({ start: (c) => c.error(boom) });
    const dest = new WritableStream({ abort: (r) => void (aborted = r) });
    await assert.rejects(source.pipeTo(dest, { preventAbort }), boom);
    assert.equal(aborted, preventAbort ? undefined : boom);
  }
});

test("pipeTo: destination error cancels the source", async () => {
  const boom = new Error("boom");
  let cancelled;
  const source = new ReadableStream({ pull: (c) => c.enqueue(1), cancel: (r) => void (cancelled = r) });
  await assert.rejects(source.pipeTo(new WritableStream({ write() { throw boom; } })), boom);
  assert.equal(cancelled, boom);
});

test("pipeTo: a destination that is closed cancels with a TypeError", async () => {
  let cancelled;
  const dest = new WritableStream();
  await dest.close();
  const source = new ReadableStream({ cancel: (r) => void (cancelled = r) });
  await assert.rejects(source.pipeTo(dest), TypeError);
  assert.ok(cancelled instanceof TypeError);
});

test("pipeTo: abort by signal, before and during", async () => {
  for (const early of [true, false]) {
    const abort = new internal.globals.AbortController();
    const log = [];
    const source = new ReadableStream({ cancel: (r) => void log.push(["cancel", r]) });
    const dest = new WritableStream({ abort: (r) => void log.push(["abort", r]) });
    if (early) abort.abort("stop");
    const done = source.pipeTo(dest, { signal: abort.signal });
    if (!early) {
      await settle();
      abort.abort("stop");
    }
    assert.equal(await done.catch((e) => e), "stop");
    assert.deepEqual(log.sort(), [["abort", "stop"], ["cancel", "stop"]]);
    assert.equal(source.locked || dest.locked, false);
  }
});

test("pipeTo: enqueue never calls write synchronously", async () => {
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
  assert.deepEqual([written, sync], [["a"], false]);
});

test("pipeThrough, transform, flush and terminate", async () => {
  const upper = new TransformStream({
    transform: (chunk, c) => c.enqueue(chunk.toUpperCase()),
    flush: (c) => c.enqueue("!"),
  });
  const out = [];
  for await (const c of ReadableStream.from(["a", "b"]).pipeThrough(upper)) out.push(c);
  assert.deepEqual(out, ["A", "B", "!"]);
  const ending = new TransformStream({ transform: (_, c) => c.terminate() });
  const writer = ending.writable.getWriter();
  writer.closed.catch(() => {});
  const reader = ending.readable.getReader();
  const read = reader.read();
  await writer.write(1).catch(() => {});
  assert.equal((await read).done, true);
  await assert.rejects(writer.write(2), TypeError);
});

test("transform: cancel hook, error in transform", async () => {
  let cancelled;
  const t = new TransformStream({ cancel: (r) => void (cancelled = r) });
  await t.readable.cancel("no");
  assert.equal(cancelled, "no");
  assert.equal(await t.writable.getWriter().closed.catch((e) => e), "no");
  const boom = new Error("boom");
  const f = new TransformStream({ transform() { throw boom; } });
  const w = f.writable.getWriter();
  w.closed.catch(() => {});
  f.readable.getReader().read().catch(() => {});
  await assert.rejects(w.write(1), boom);
});

test("transform: a hook that fails at the end fails the other side too", async () => {
  const failed = new Error("failed");
  const fail = () => Promise.reject(failed);
  const ends = {
    flush: async ({ readable, writable }) => [writable.getWriter().close(), readable.getReader().read()],
    abort: async ({ readable, writable }) => [writable.abort("over"), readable.getReader().read()],
    cancel: async ({ readable, writable }) => [readable.cancel("over"), writable.getWriter().closed],
  };
  for (const [name, end] of Object.entries(ends)) {
    const sides = await end(new TransformStream({ flush: fail, cancel: fail }));
    for (const side of sides) await assert.rejects(Promise.race([side, settle()]), (error) => error === failed, name);
  }
});

test("identity transform: bytes only, a write ends when it is read, BYOB takes parts", async () => {
  const t = new IdentityTransformStream();
  assert.ok(t instanceof TransformStream);
  const w = t.writable.getWriter();
  const r = t.readable.getReader({ mode: "byob" });
  const write = w.write(new Uint8Array([1, 2, 3]));
  assert.deepEqual([...(await r.read(new Uint8Array(2))).value], [1, 2]);
  assert.equal(await state(write), "pending");
  assert.deepEqual([...(await r.read(new Uint8Array(9))).value], [3]);
  await write;
  w.close();
  assert.equal((await r.read(new Uint8Array(3))).done, true);
  const bad = new IdentityTransformStream();
  await assert.rejects(bad.writable.getWriter().write(5), /being used as a byte stream/);
});

test("identity transform: many pending reads do not grow the stack", async () => {
  const t = new IdentityTransformStream();
  const r = t.readable.getReader({ mode: "byob" });
  const reads = [];
  for (let i = 0; i < 20000; i++) reads.push(r.read(new Uint8Array(1)));
  await t.writable.getWriter().write(new Uint8Array(20000));
  assert.equal((await Promise.all(reads)).length, 20000);
});

test("fixed length: too much and too little", async () => {
  const over = new FixedLengthStream(3);
  over.readable.getReader().read().catch(() => {});
  const writer = over.writable.getWriter();
  writer.closed.catch(() => {});
  await assert.rejects(writer.write(new Uint8Array(5)), /too many bytes/);
  const under = new FixedLengthStream(3n);
  assert.equal(internal.expectedLength(under.readable), 3);
  const w = under.writable.getWriter();
  w.closed.catch(() => {});
  const r = under.readable.getReader();
  const read = r.read();
  await w.write(new Uint8Array(2));
  await read;
  r.closed.catch(() => {});
  await assert.rejects(w.close(), /did not see all expected bytes/);
});

test("text streams", async () => {
  const { TextEncoderStream, TextDecoderStream } = internal.globals;
  const out = [];
  for await (const c of ReadableStream.from(["a\ud83d", "\ude00b", "\ud800"]).pipeThrough(new TextEncoderStream())) out.push(...c);
  assert.deepEqual(out, [97, 240, 159, 152, 128, 98, 239, 191, 189]);
  let text = "";
  const bytes = new Uint8Array([240, 159, 152, 128]);
  for await (const c of ReadableStream.from([bytes.slice(0, 2), bytes.slice(2)]).pipeThrough(new TextDecoderStream())) text += c;
  assert.equal(text, "😀");
});

/** A stream over a native end of which tests give two functions. */
const nativeStream = (pull, cancel = () => {}, length = undefined) => internal.newNativeStream({ pull, cancel }, length, 0);

test("native source: on demand, end, error, cancel, BYOB limit", async () => {
  const asked = [];
  const data = [new Uint8Array([1, 2, 3]), new Uint8Array([4])];
  const stream = nativeStream(async (max) => {
    asked.push(max);
    const bytes = data.shift();
    return bytes && { __proto__: null, bytes };
  }, undefined, 4);
  await settle();
  assert.equal(asked.length, 0);
  assert.equal(internal.isDisturbed(stream), false);
  const reader = stream.getReader({ mode: "byob" });
  assert.deepEqual([...(await reader.read(new Uint8Array(2))).value], [1, 2]);
  assert.deepEqual([...(await reader.read(new Uint8Array(8))).value], [3]);
  assert.deepEqual([...(await reader.read(new Uint8Array(8))).value], [4]);
  assert.equal((await reader.read(new Uint8Array(8))).done, true);
  assert.deepEqual(asked, [2, 8, 8]);
  const boom = new Error("boom");
  await assert.rejects(internal.collect(nativeStream(() => Promise.reject(boom))), boom);
  let count = 0;
  const cancelled = nativeStream(() => new Promise(() => {}), () => void count++);
  await cancelled.cancel("r");
  assert.equal(count, 1);
});

test("collect: many chunks, one chunk, limit, no bytes, locked", async () => {
  let left = 10000;
  const many = nativeStream(() => (left-- > 0 ? new Uint8Array([left & 255]) : undefined));
  assert.equal((await internal.collect(many)).length, 10000);
  const sizes = [3, 5000, 7, 9, 16380, 20, 1];
  const mixed = nativeStream(() => (sizes.length > 0 ? new Uint8Array(sizes.shift()).fill(sizes.length) : undefined));
  const all = await internal.collect(mixed);
  const expected = [3, 5000, 7, 9, 16380, 20, 1].flatMap((size, i) => Array(size).fill(6 - i));
  assert.deepEqual([...all], expected);
  const text = internal.fromBytes(new TextEncoder().encode("héllo"));
  assert.equal(await internal.collect(text, 10, internal.decodeUtf8), "héllo");
  assert.equal(text.locked, true);
  const fails = internal.collect(internal.fromBytes(new Uint8Array(1)), 10, () => { throw new Error("converting"); });
  await assert.rejects(fails, /converting/);
  const detached = new Uint8Array(8);
  const source = new ReadableStream({
    start: (c) => c.enqueue(detached),
    pull(c) {
      structuredClone(detached, { transfer: [detached.buffer] });
      c.close();
    },
  });
  await assert.rejects(internal.collect(source), TypeError);
  const big = nativeStream(() => new Uint8Array(10));
  await assert.rejects(internal.collect(big, 95), /Memory limit exceeded/);
  await assert.rejects(internal.collect(ReadableStream.from(["text"])), /did not return bytes/);
  const locked = ReadableStream.from([]);
  locked.getReader();
  await assert.rejects(internal.collect(locked), /locked/);
});

/** What `readChunks` gives, of which `wanted` bytes are wanted. */
const batch = (wanted) => ({
  chunks: [],
  push(bytes) {
    this.chunks.push([...bytes]);
    wanted -= bytes.length;
    return wanted > 0;
  },
  end() {
    this.ended = true;
  },
  fail(error) {
    this.error = error;
  },
});

test("readChunks gives bytes of any BufferSource and of text, and refuses the rest", async () => {
  const reader = internal.acquireReader(ReadableStream.from([new ArrayBuffer(2), new DataView(new ArrayBuffer(3)), "é", 5]));
  const all = batch(100);
  internal.readChunks(reader, all);
  await settle();
  assert.deepEqual(all.chunks, [[0, 0], [0, 0, 0], [0xc3, 0xa9]]);
  assert.match(all.error.message, /cannot be converted to bytes/);
});

test("readChunks reads on while chunks come, and no further than is wanted", async () => {
  let controller;
  const reader = internal.acquireReader(new ReadableStream({ start: (c) => void (controller = c) }, { highWaterMark: 9 }));
  const some = batch(3);
  internal.readChunks(reader, some);
  controller.enqueue(new Uint8Array([1]));
  assert.deepEqual(some.chunks, [[1]]);
  controller.enqueue(new Uint8Array([2, 3]));
  controller.enqueue(new Uint8Array([4]));
  controller.close();
  assert.deepEqual([some.chunks, some.ended], [[[1], [2, 3]], undefined]);
  const rest = batch(3);
  internal.readChunks(reader, rest);
  assert.deepEqual([rest.chunks, rest.ended], [[[4]], true]);
});

test("fromBytes keeps its bytes whatever readers do", async () => {
  const bytes = new Uint8Array([1, 2, 3]);
  const { value } = await internal.fromBytes(bytes).getReader().read();
  value[0] = 9;
  assert.equal(bytes[0], 1);
});

test("interface objects: tags, lengths, brands, illegal constructors", async () => {
  const { ReadableStreamDefaultController, ReadableStreamBYOBRequest } = internal.globals;
  assert.equal(Object.prototype.toString.call(new ReadableStream()), "[object ReadableStream]");
  assert.equal(ReadableStream.length, 0);
  assert.equal(internal.globals.ReadableStreamDefaultReader.length, 1);
  assert.throws(() => new ReadableStreamDefaultController(), /Illegal constructor/);
  assert.throws(() => new ReadableStreamBYOBRequest(), /Illegal constructor/);
  assert.throws(() => ReadableStream.prototype.getReader.call({}), /Illegal invocation/);
  await assert.rejects(ReadableStream.prototype.cancel.call(undefined), /Illegal invocation/);
  assert.equal(Object.getOwnPropertyDescriptor(ReadableStream.prototype, "locked").enumerable, true);
  assert.equal(ReadableStream.prototype[Symbol.asyncIterator], ReadableStream.prototype.values);
  class Mine extends ReadableStream {}
  assert.ok(new Mine() instanceof ReadableStream);
});

test("dictionary members are read in the standard's order", () => {
  const seen = [];
  const spy = (names) => new Proxy({}, { get: (_, k) => void seen.push(k), has: () => false });
  new ReadableStream(spy(), spy());
  assert.deepEqual(seen, ["highWaterMark", "size", "autoAllocateChunkSize", "cancel", "expectedLength", "pull", "start", "type"]);
});

test("patched built-ins neither break nor see the streams", async () => {
  const fresh = scope();
  // The result comes through a callback: awaiting a promise of the other realm calls its patched `then`.
  const settled = new Promise((resolve, reject) => Object.assign(fresh.context, { resolve, reject }));
  fresh.evaluate(`
    (async () => { try {
      let seen = "";
      const trap = (object, key) => {
        Object.defineProperty(object, key, { configurable: true, get() { seen += String(key) + " "; }, set() {} });
      };
      const then = Promise.prototype.then;
      Promise.prototype.then = function () { seen += "then "; throw new Error("then"); };
      for (const key of ["push", "shift", Symbol.iterator, "0", "1"]) trap(Array.prototype, key);
      trap(Object.prototype, "next");
      Function.prototype.call = Function.prototype.apply = Function.prototype.bind = () => { seen += "call "; };
      trap(Object.getPrototypeOf(Uint8Array.prototype), "byteLength");
      trap(Object.getPrototypeOf(Uint8Array.prototype), "buffer");
      Object.getPrototypeOf(Uint8Array.prototype).set = () => { seen += "set "; };
      const chunks = [];
      const bytes = new ReadableStream({ type: "bytes", start(c) { c.enqueue(new Uint8Array(3)); c.close(); } });
      const branches = bytes.tee();
      const stream = Object.getOwnPropertyDescriptor(branches, "0").value;
      const reader = stream.getReader({ mode: "byob" });
      const got = await reader.read(new Uint8Array(8));
      const t = new TransformStream();
      const done = new ReadableStream({ start(c) { c.enqueue("a"); c.close(); } }).pipeThrough(t);
      const r = done.getReader();
      const first = await r.read();
      const second = await r.read();
      Promise.prototype.then = then;
      resolve({ seen, first: first.value, done: second.done, length: got.done });
      } catch (error) { reject(error); }
    })(); 0`);
  const result = await settled;
  assert.deepEqual({ ...result }, { seen: "", first: "a", done: true, length: false });
});
