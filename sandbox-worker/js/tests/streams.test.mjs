import assert from "node:assert/strict";
import { test } from "node:test";
import { load, scope } from "./load.mjs";

const internal = load();
const { ReadableStream, WritableStream, TransformStream, FixedLengthStream } = internal.globals;
const settle = async () => {
  for (let i = 0; i < 20; i++) await null;
};

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
