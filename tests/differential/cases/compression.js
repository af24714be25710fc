const formats = ["gzip", "deflate", "deflate-raw"];
const bytes = (text) => new TextEncoder().encode(text);
const tick = (ms = 5) => new Promise((r) => setTimeout(r, ms));
async function all(stream) { const reader = stream.getReader(); const out = []; for (;;) { const { done, value } = await reader.read(); if (done) return new Uint8Array(out); out.push(...value); } }
const pack = (format, ...chunks) => { const c = new CompressionStream(format); const w = c.writable.getWriter(); for (const chunk of chunks) w.write(chunk); w.close(); return all(c.readable); };
const outcome = (promise) => promise.then((value) => (value instanceof Uint8Array ? new TextDecoder().decode(value) : value), (error) => String(error));
// The outcomes of the reads, of each write and of the close.
async function unpack(format, ...chunks) {
  const d = new DecompressionStream(format);
  const w = d.writable.getWriter();
  w.closed.catch(() => {});
  w.ready.catch(() => {});
  const writes = chunks.map((chunk) => outcome(w.write(chunk)));
  writes.push(outcome(w.close()));
  const read = await outcome(all(d.readable));
  return [read, ...(await Promise.all(writes))];
}
const failing = async (...args) => (await unpack(...args)).slice(0, -1);
const each = async (f) => { const out = []; for (const format of formats) out.push(await f(format)); return out; };
export default {
  "construct": () => each(async (f) => [String(new CompressionStream(f)), String(new DecompressionStream(f)), new CompressionStream(f) instanceof TransformStream]),
  "nothing given": () => new CompressionStream(),
  "nothing given to decompress": () => new DecompressionStream(),
  "unknown format": () => new DecompressionStream("br"),
  "format in capitals": () => new CompressionStream("GZIP"),
  "format undefined": () => new CompressionStream(undefined),
  "format null": () => new CompressionStream(null),
  "format as an object": () => String(new CompressionStream({ toString: () => "gzip" })),
  "format as a symbol": () => new CompressionStream(Symbol("x")),
  "members": () => [CompressionStream, DecompressionStream].map((c) => [c.name, c.length, Object.getOwnPropertyNames(c.prototype), Object.getPrototypeOf(c.prototype) === TransformStream.prototype]),
  "subclass": () => { class Mine extends CompressionStream { constructor() { super("gzip"); } } const m = new Mine(); return [m instanceof Mine, m.readable === m.readable, m.writable === m.writable]; },
  "there and back": () => each(async (f) => unpack(f, await pack(f, bytes("hello "), bytes("hello "), bytes("hello")))),
  "bytes of short input": () => each((f) => pack(f, bytes("hello"))),
  "bytes of nothing": () => each((f) => pack(f)),
  "byte by byte": () => each(async (f) => { const packed = await pack(f, bytes("hello hello")); return (await unpack(f, ...[...packed].map((b) => new Uint8Array([b]))))[0]; }),
  "long": () => each(async (f) => { const packed = await pack(f, bytes("0123456789".repeat(100000))); const d = new DecompressionStream(f); const w = d.writable.getWriter(); w.write(packed); w.close(); return (await new Response(d.readable).text()) === "0123456789".repeat(100000); }),
  "long, written before it is read": () => each(async (f) => { const packed = await pack(f, new Uint8Array(3 << 20)); const d = new DecompressionStream(f); const w = d.writable.getWriter(); await w.write(packed); await w.close(); return (await new Response(d.readable).bytes()).length; }),
  "truncated": () => each(async (f) => { const packed = await pack(f, bytes("hello hello hello")); return unpack(f, packed.slice(0, -2)); }),
  "first byte only": () => each(async (f) => { const packed = await pack(f, bytes("hello")); return unpack(f, packed.slice(0, 1)); }),
  "no input": () => each((f) => unpack(f)),
  "empty chunk": () => each((f) => unpack(f, new Uint8Array())),
  "empty chunk behind the end": () => each(async (f) => unpack(f, await pack(f, bytes("hello")), new Uint8Array())),
  "trailing data": () => each(async (f) => failing(f, new Uint8Array([...(await pack(f, bytes("hello"))), 1]))),
  "trailing data in a chunk of its own": () => each(async (f) => failing(f, await pack(f, bytes("hello")), new Uint8Array([1]))),
  "two members": () => each(async (f) => { const packed = await pack(f, bytes("hello")); return failing(f, new Uint8Array([...packed, ...packed])); }),
  "garbage": () => each((f) => failing(f, bytes("garbage that is none"))),
  "wrong checksum": async () => { const out = []; for (const f of ["gzip", "deflate"]) { const packed = await pack(f, bytes("hello")); packed[packed.length - 1] ^= 1; out.push(await failing(f, packed)); } return out; },
  "close behind a failed write": async () => (await unpack("gzip", bytes("garbage"))).at(-1),
  "chunks that are bytes": () => Promise.all(["abc", undefined, new ArrayBuffer(3), new Uint16Array(2), new DataView(new ArrayBuffer(4), 1), new SharedArrayBuffer(2), new Uint8Array(new SharedArrayBuffer(2), 1)].map(async (chunk) => (await unpack("gzip", await pack("gzip", chunk)))[0].length)),
  "chunks that are none": () => Promise.all([5, {}, null, [1], true].map(async (chunk) => { const w = new CompressionStream("gzip").writable.getWriter(); w.closed.catch(() => {}); w.ready.catch(() => {}); return outcome(w.write(chunk)); })),
  "byob": async () => { const c = new CompressionStream("gzip"); const w = c.writable.getWriter(); w.write(bytes("hello")); w.close(); const r = c.readable.getReader({ mode: "byob" }); const a = await r.read(new Uint8Array(4)); const b = await r.readAtLeast(21, new Uint8Array(30)); const end = await r.read(new Uint8Array(4)); return [[...a.value], b.value.length, end.done]; },
  "writes without a reader": async () => { const c = new CompressionStream("gzip"); const w = c.writable.getWriter(); await w.write(bytes("a")); await w.write(bytes("b")); await w.close(); return w.desiredSize; },
  "output before the end": async () => { const packed = await pack("gzip", bytes("hello")); const d = new DecompressionStream("gzip"); d.writable.getWriter().write(packed.slice(0, -8)); return d.readable.getReader().read(); },
  "no output yet": async () => { const d = new DecompressionStream("gzip"); d.writable.getWriter().write(new Uint8Array([0x1f])); return Promise.race([d.readable.getReader().read(), tick(20).then(() => "waits")]); },
  "abort": async () => { const d = new DecompressionStream("gzip"); await d.writable.abort(new RangeError("why")); return d.readable.getReader().read(); },
  "cancel": async () => { const c = new CompressionStream("gzip"); const w = c.writable.getWriter(); w.closed.catch(() => {}); await c.readable.cancel(new RangeError("why")); return w.write(bytes("a")); },
  "pipe": async () => { const packed = await pack("deflate", bytes("hello")); return new Response(new Response(packed).body.pipeThrough(new DecompressionStream("deflate"))).text(); },
  "pipe of truncated input": async () => { const packed = await pack("gzip", bytes("hello")); return new Response(new Response(packed.slice(0, 12)).body.pipeThrough(new DecompressionStream("gzip"))).text(); },
  "pipe of text": async () => { const s = new ReadableStream({ start(c) { c.enqueue("abc"); c.close(); } }); return new Response(s.pipeThrough(new CompressionStream("gzip")).pipeThrough(new DecompressionStream("gzip"))).text(); },
  "pipe that fails": async () => { const s = new ReadableStream({ start(c) { c.error(new RangeError("source")); } }); return new Response(s.pipeThrough(new CompressionStream("gzip"))).text(); },
  "replaced prototypes": async () => { const then = Promise.prototype.then; const push = Array.prototype.push; try { Object.defineProperty(Object.prototype, "push", { value() { throw 1; }, configurable: true }); Object.defineProperty(Object.prototype, "write", { set() { throw 2; }, configurable: true }); Promise.prototype.then = function () { throw 3; }; const c = new CompressionStream("gzip"); const w = c.writable.getWriter(); w.write(bytes("a")); w.close(); } finally { Promise.prototype.then = then; delete Object.prototype.push; delete Object.prototype.write; } return "made"; },
};
