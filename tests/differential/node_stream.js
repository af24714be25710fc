// node:stream: what streams say and when, in each of many states. Each case gives the list of what happened, in its order.
import { answer } from "./show.js";
import stream, {
  Duplex, PassThrough, Readable, Stream, Transform, Writable, addAbortSignal, compose, destroy, duplexPair, finished, isDestroyed, isDisturbed,
  isErrored, isReadable, isWritable, pipeline,
} from "node:stream";
import promises from "node:stream/promises";
import consumers from "node:stream/consumers";
import { EventEmitter } from "node:events";

const cases = [];
const add = (name, run) => cases.push({ name, run });
const turn = () => new Promise((resolve) => setTimeout(resolve, 0));
const settle = async (turns = 4) => { for (let i = 0; i < turns; i++) await turn(); };
/** What a promise gives, or that it gives nothing. */
const soon = (promise) => Promise.race([promise, settle(12).then(() => "never")]);
const textOf = (value) => (value instanceof Error ? `${value.code ?? value.name}: ${value.message}` : value instanceof Uint8Array ? `<${Buffer.from(value.buffer, value.byteOffset, value.byteLength)}>` : typeof value === "function" ? "function" : typeof value === "object" && value !== null && (value instanceof EventEmitter) ? value.constructor.name : value);
const events = ["close", "error", "end", "finish", "drain", "prefinish", "pause", "resume", "pipe", "unpipe"];
const watch = (one, seen, mark = "", more = []) => {
  for (const event of [...events, ...more]) one.on(event, (...args) => seen.push([mark + event, ...args.map(textOf)].join(" ")));
  return one;
};
const state = (s) => [
  "readable", "readableEnded", "readableFlowing", "readableLength", "readableDidRead", "readableAborted", "writable", "writableEnded",
  "writableFinished", "writableLength", "writableNeedDrain", "writableCorked", "writableAborted", "destroyed", "closed", "errored",
].filter((key) => key in s).map((key) => `${key}=${textOf(s[key])}`).join(" ");
const boom = () => new Error("boom");

// ------------------------------------------------------------------------------------------------------- Writable

const writers = {
  sync: (seen) => ({ write(chunk, encoding, callback) { seen.push(`write ${textOf(chunk)} ${encoding}`); callback(); } }),
  async: (seen) => ({ write(chunk, encoding, callback) { seen.push(`write ${textOf(chunk)} ${encoding}`); setTimeout(callback, 0); } }),
  microtask: (seen) => ({ write(chunk, encoding, callback) { seen.push(`write ${textOf(chunk)}`); queueMicrotask(callback); } }),
  fails: (seen) => ({ write(chunk, encoding, callback) { seen.push("write"); callback(boom()); } }),
  "fails later": (seen) => ({ write(chunk, encoding, callback) { seen.push("write"); setTimeout(() => callback(boom()), 0); } }),
  throws: (seen) => ({ write() { seen.push("write"); throw boom(); } }),
  writev: (seen) => ({ writev(chunks, callback) { seen.push(`writev ${chunks.map((one) => `${textOf(one.chunk)}/${one.encoding}`)}`); setTimeout(callback, 0); } }),
  "both ways": (seen) => ({
    write(chunk, encoding, callback) { seen.push(`write ${textOf(chunk)}`); setTimeout(callback, 0); },
    writev(chunks, callback) { seen.push(`writev ${chunks.length} ${chunks.allBuffers}`); callback(); },
  }),
  never: (seen) => ({ write() { seen.push("write"); } }),
  final: (seen) => ({ write(c, e, f) { f(); }, final(f) { seen.push("final"); f(); } }),
  "final later": (seen) => ({ write(c, e, f) { setTimeout(f, 0); }, final(f) { seen.push("final"); setTimeout(f, 0); } }),
  "final fails": (seen) => ({ write(c, e, f) { f(); }, final(f) { seen.push("final"); f(boom()); } }),
  "final throws": (seen) => ({ write(c, e, f) { f(); }, final() { throw boom(); } }),
  construct: (seen) => ({ construct(f) { seen.push("construct"); setTimeout(f, 0); }, write(c, e, f) { seen.push("write"); f(); } }),
  "construct fails": (seen) => ({ construct(f) { f(boom()); }, write(c, e, f) { seen.push("write"); f(); } }),
  "construct throws": (seen) => ({ construct() { throw boom(); }, write(c, e, f) { seen.push("write"); f(); } }),
  destroy: (seen) => ({ write(c, e, f) { f(); }, destroy(error, f) { seen.push(`destroy ${textOf(error)}`); setTimeout(() => f(error), 0); } }),
  "destroy fails": (seen) => ({ write(c, e, f) { f(); }, destroy(error, f) { f(boom()); } }),
  "no autoDestroy": (seen) => ({ autoDestroy: false, write(c, e, f) { f(); } }),
  "no autoDestroy, fails": (seen) => ({ autoDestroy: false, write(c, e, f) { f(boom()); } }),
  "no close": (seen) => ({ emitClose: false, write(c, e, f) { f(); } }),
  strings: (seen) => ({ decodeStrings: false, defaultEncoding: "hex", write(c, e, f) { seen.push(`${typeof c} ${e}`); f(); } }),
};
const cb = (seen, name) => (...args) => seen.push([name, ...args.map(textOf)].join(" "));
const uses = {
  "end": (w, seen) => { w.end(cb(seen, "ended")); },
  "write, end": (w, seen) => { seen.push(w.write("ab", cb(seen, "written"))); w.end("cd", cb(seen, "ended")); },
  "three writes": (w, seen) => { for (const text of ["a", "b", "c"]) seen.push(w.write(text, cb(seen, text))); },
  "three writes, end": (w, seen) => { for (const text of ["a", "b", "c"]) seen.push(w.write(text)); w.end(); },
  "cork": (w, seen) => { w.cork(); w.write("a", cb(seen, "a")); w.write("b", "latin1", cb(seen, "b")); seen.push(state(w)); w.uncork(); seen.push(state(w)); },
  "cork, end": (w, seen) => { w.cork(); w.cork(); w.write("a"); w.write("b"); w.end(); },
  "destroy": (w, seen) => { w.destroy(); seen.push(state(w)); },
  "destroy with an error": (w, seen) => { w.destroy(boom()); seen.push(state(w)); },
  "write, destroy": (w, seen) => { w.write("a", cb(seen, "a")); w.write("b", cb(seen, "b")); w.destroy(boom()); w.write("c", cb(seen, "c")); },
  "end, destroy": (w, seen) => { w.write("a", cb(seen, "a")); w.end(cb(seen, "ended")); w.destroy(); },
  "end twice": (w, seen) => { w.end(cb(seen, "first")); w.end(cb(seen, "second")); },
  "write after end": (w, seen) => { w.end(); seen.push(w.write("x", cb(seen, "late"))); },
  "end after finish": async (w, seen) => { w.end(); await settle(); w.end(cb(seen, "again")); w.end("more", cb(seen, "with more")); },
  "destroy when it has finished": async (w, seen) => { w.end("x"); await settle(); w.destroy(boom()); },
};
for (const [kind, make] of Object.entries(writers)) {
  for (const [use, run] of Object.entries(uses)) {
    add(`Writable (${kind}): ${use}`, async () => {
      const seen = [];
      const w = watch(new Writable({ highWaterMark: 3, ...make(seen) }), seen);
      try { await run(w, seen); } catch (error) { seen.push(`threw ${textOf(error)}`); }
      seen.push("returned");
      await settle();
      return [...seen, state(w)];
    });
  }
}
for (const [name, value] of Object.entries({ text: "x", bytes: new Uint8Array([97]), shorts: new Uint16Array([97]), view: new DataView(new ArrayBuffer(1)), number: 5, null: null, undefined, object: {}, buffer: new ArrayBuffer(2), empty: "", array: [1] })) {
  for (const objectMode of [false, true]) {
    add(`write ${name} ${objectMode}`, async () => { const seen = []; const w = watch(new Writable({ objectMode, write(c, e, f) { seen.push(textOf(c), c?.constructor?.name, e); f(); } }), seen); seen.push(w.write(value)); await settle(); return seen; });
    add(`push ${name} ${objectMode}`, async () => { const seen = []; const r = watch(new Readable({ objectMode, read() {} }), seen); seen.push(r.push(value), r.readableLength); r.on("data", (chunk) => seen.push(textOf(chunk), chunk?.constructor?.name)); await settle(); return seen; });
    add(`unshift ${name} ${objectMode}`, async () => { const seen = []; const r = watch(new Readable({ objectMode, read() {} }), seen); r.push("z"); seen.push(r.unshift(value), r.readableLength); r.on("data", (chunk) => seen.push(textOf(chunk))); await settle(); return seen; });
  }
}

// ------------------------------------------------------------------------------------------------------- Readable

const sources = {
  sync: (seen) => { let n = 0; return { read(size) { seen.push(`read ${size}`); this.push(n < 3 ? `c${n++}` : null); } }; },
  "all at once": (seen) => ({ read() { seen.push("read"); this.push("aa"); this.push("bb"); this.push("cc"); this.push(null); } }),
  async: (seen) => { let n = 0; return { read() { seen.push("read"); setTimeout(() => this.push(n < 3 ? `c${n++}` : null), 0); } }; },
  microtask: (seen) => { let n = 0; return { read() { queueMicrotask(() => this.push(n < 3 ? `c${n++}` : null)); } }; },
  fails: (seen) => ({ read() { seen.push("read"); this.destroy(boom()); } }),
  "fails after one": (seen) => { let n = 0; return { read() { if (n++ === 0) this.push("c0"); else this.destroy(boom()); } }; },
  throws: (seen) => ({ read() { throw boom(); } }),
  objects: (seen) => { let n = 0; return { objectMode: true, read(size) { seen.push(`read ${size}`); this.push(n < 3 ? { n: n++ } : null); } }; },
  encoded: (seen) => { const parts = [Buffer.from([0xe2, 0x82]), Buffer.from([0xac, 0x61]), Buffer.from([0xe2])]; return { encoding: "utf8", read() { this.push(parts.shift() ?? null); } }; },
  empty: (seen) => ({ read() { seen.push("read"); this.push(null); } }),
  never: (seen) => ({ read() { seen.push("read"); } }),
  construct: (seen) => { let n = 0; return { construct(f) { seen.push("construct"); setTimeout(f, 0); }, read() { this.push(n < 2 ? `c${n++}` : null); } }; },
  "construct fails": (seen) => ({ construct(f) { setTimeout(() => f(boom()), 0); }, read() { seen.push("read"); } }),
  "no autoDestroy": (seen) => { let n = 0; return { autoDestroy: false, read() { this.push(n < 2 ? `c${n++}` : null); } }; },
  "mark of 0": (seen) => { let n = 0; return { highWaterMark: 0, read(size) { seen.push(`read ${size}`); this.push(n < 2 ? `c${n++}` : null); } }; },
};
const readers = {
  "data": (r, seen) => { r.on("data", (chunk) => seen.push(`data ${JSON.stringify(textOf(chunk))}`)); },
  "readable": (r, seen) => { r.on("readable", () => { seen.push("readable"); let chunk; while ((chunk = r.read()) !== null) seen.push(JSON.stringify(textOf(chunk))); }); },
  "readable, by one byte": (r, seen) => { r.on("readable", () => { let chunk; seen.push(`readable ${r.readableLength}`); while ((chunk = r.read(1)) !== null) seen.push(JSON.stringify(textOf(chunk))); }); },
  "resume": (r, seen) => { r.resume(); seen.push(state(r)); },
  "for await": async (r, seen) => { try { for await (const chunk of r) seen.push(JSON.stringify(textOf(chunk))); seen.push("over"); } catch (error) { seen.push(`caught ${textOf(error)}`); } },
  "for await, stopped": async (r, seen) => { try { for await (const chunk of r) { seen.push(JSON.stringify(textOf(chunk))); break; } } catch (error) { seen.push(`caught ${textOf(error)}`); } },
  "for await, kept": async (r, seen) => { try { for await (const chunk of r.iterator({ destroyOnReturn: false })) { seen.push(JSON.stringify(textOf(chunk))); break; } } catch (error) { seen.push(`caught ${textOf(error)}`); } seen.push(r.destroyed); },
  "pause in data": (r, seen) => { r.on("data", (chunk) => { seen.push(`data ${textOf(chunk)}`); r.pause(); setTimeout(() => r.resume(), 0); }); },
  "data and readable": (r, seen) => { r.on("data", (chunk) => seen.push(`data ${textOf(chunk)}`)); r.on("readable", () => { seen.push("readable"); r.read(); }); },
  "data, removed": async (r, seen) => { const on = (chunk) => seen.push(`data ${textOf(chunk)}`); r.on("data", on); await turn(); r.removeListener("data", on); await turn(); seen.push(state(r)); },
  "readable, removed": async (r, seen) => { const on = () => seen.push("readable"); r.on("readable", on); await turn(); r.removeListener("readable", on); await turn(); seen.push(state(r)); r.resume(); },
  "read()": async (r, seen) => { seen.push(textOf(r.read())); await turn(); seen.push(textOf(r.read(2)), textOf(r.read(0)), textOf(r.read(100))); },
  "destroy": (r, seen) => { r.on("data", (chunk) => seen.push(`data ${textOf(chunk)}`)); r.destroy(); seen.push(state(r)); },
  "destroy with an error in data": (r, seen) => { r.on("data", (chunk) => { seen.push(`data ${textOf(chunk)}`); r.destroy(boom()); }); },
  "setEncoding": (r, seen) => { r.setEncoding("hex"); r.on("data", (chunk) => seen.push(`data ${chunk}`)); },
  "pipe": (r, seen) => { r.pipe(watch(new Writable({ objectMode: true, highWaterMark: 1, write(chunk, e, f) { seen.push(`write ${JSON.stringify(textOf(chunk))}`); setTimeout(f, 0); } }), seen, "w ")); },
  "pipe without end": (r, seen) => { r.pipe(watch(new Writable({ objectMode: true, write(chunk, e, f) { f(); } }), seen, "w "), { end: false }); },
  "pipe, unpipe": async (r, seen) => { const w = watch(new Writable({ objectMode: true, write(chunk, e, f) { seen.push("write"); f(); } }), seen, "w "); r.pipe(w); await turn(); r.unpipe(w); seen.push(state(r)); },
  "pipe to two": (r, seen) => { for (const mark of ["1 ", "2 "]) r.pipe(watch(new Writable({ objectMode: true, highWaterMark: 1, write(chunk, e, f) { seen.push(`${mark}write`); setTimeout(mark === "1 " ? f : () => setTimeout(f, 0), 0); } }), seen, mark)); },
  "pipe to what fails": (r, seen) => { r.pipe(watch(new Writable({ objectMode: true, write(chunk, e, f) { f(boom()); } }), seen, "w ")); },
  "toArray": async (r, seen) => { try { seen.push(JSON.stringify((await soon(r.toArray())))); } catch (error) { seen.push(textOf(error)); } },
};
for (const [kind, make] of Object.entries(sources)) {
  for (const [how, run] of Object.entries(readers)) {
    if (how === "pipe to two" && kind !== "sync") continue;
    add(`Readable (${kind}): ${how}`, async () => {
      const seen = [];
      const r = watch(new Readable(make(seen)), seen);
      try { await Promise.race([run(r, seen), settle(10)]); } catch (error) { seen.push(`threw ${textOf(error)}`); }
      seen.push("returned");
      await settle(10);
      return [...seen, state(r)];
    });
  }
}
for (const mark of [0, 1, 2, 3, 5, 16]) for (const objectMode of [false, true]) {
  add(`pushes and a mark of ${mark} ${objectMode}`, async () => { const seen = []; const r = new Readable({ highWaterMark: mark, objectMode, read(size) { seen.push(`read ${size}`); } }); for (let i = 0; i < 4; i++) seen.push(r.push("x"), r.readableLength); r.read(0); await settle(); seen.push(textOf(r.read(2)), r.readableLength); await settle(); return seen; });
  add(`writes and a mark of ${mark} ${objectMode}`, async () => { const seen = []; const w = watch(new Writable({ highWaterMark: mark, objectMode, write(c, e, f) { setTimeout(f, 0); } }), seen); for (let i = 0; i < 4; i++) seen.push(w.write("x"), w.writableLength, w.writableNeedDrain); await settle(6); return seen; });
}
for (const size of [-1, 0, 1, 3, 4, 6, 7, 100, "2", "x", 1.7, null, NaN]) add(`read(${size})`, () => { const r = new Readable({ read() {} }); r.push("abc"); r.push("def"); const seen = [textOf(r.read(size)), r.readableLength, r.readableHighWaterMark]; r.push(null); return [...seen, textOf(r.read(size)), r.readableLength]; });

// ------------------------------------------------------------------------------------------------ Duplex, Transform

const transforms = {
  upper: () => ({ transform(c, e, f) { f(null, String(c).toUpperCase()); } }),
  later: () => ({ transform(c, e, f) { setTimeout(() => f(null, c), 0); } }),
  "pushes twice": () => ({ transform(c, e, f) { this.push(c); this.push(c); f(); } }),
  swallows: () => ({ transform(c, e, f) { f(); } }),
  flush: () => ({ transform(c, e, f) { f(null, c); }, flush(f) { f(null, "last"); } }),
  "flush later": () => ({ transform(c, e, f) { f(null, c); }, flush(f) { setTimeout(() => { this.push("last"); f(); }, 0); } }),
  fails: () => ({ transform(c, e, f) { f(boom()); } }),
  throws: () => ({ transform() { throw boom(); } }),
  "flush fails": () => ({ transform(c, e, f) { f(null, c); }, flush(f) { f(boom()); } }),
  objects: () => ({ objectMode: true, transform(c, e, f) { f(null, [c]); } }),
  final: () => ({ transform(c, e, f) { f(null, c); }, final(f) { this.push("final"); f(); } }),
  "small marks": () => ({ readableHighWaterMark: 1, writableHighWaterMark: 1, transform(c, e, f) { f(null, c); } }),
  "ends early": () => ({ transform(c, e, f) { this.push(null); f(); } }),
};
const transformUses = {
  "data": (t, seen) => { t.on("data", (c) => seen.push(`data ${textOf(c)}`)); seen.push(t.write("a"), t.write("b")); t.end("c"); },
  "nobody reads": (t, seen) => { for (let i = 0; i < 4; i++) seen.push(t.write("a")); t.end(); },
  "read late": async (t, seen) => { for (let i = 0; i < 3; i++) seen.push(t.write("a", cb(seen, `written ${i}`))); t.end(cb(seen, "ended")); await settle(2); t.on("data", (c) => seen.push(`data ${textOf(c)}`)); },
  "destroyed": (t, seen) => { t.write("a", cb(seen, "a")); t.destroy(boom()); },
  "for await": async (t, seen) => { t.write("a"); t.end("b"); try { for await (const c of t) seen.push(textOf(c)); } catch (error) { seen.push(`caught ${textOf(error)}`); } },
};
for (const [kind, make] of Object.entries(transforms)) for (const [use, run] of Object.entries(transformUses)) {
  add(`Transform (${kind}): ${use}`, async () => {
    const seen = [];
    const t = watch(new Transform(make()), seen);
    try { await Promise.race([run(t, seen), settle(8)]); } catch (error) { seen.push(`threw ${textOf(error)}`); }
    seen.push("returned");
    await settle(8);
    return [...seen, state(t)];
  });
}
for (const allowHalfOpen of [true, false]) for (const first of ["push(null)", "end()"]) add(`Duplex ${allowHalfOpen} ${first}`, async () => { const seen = []; const d = watch(new Duplex({ allowHalfOpen, read() {}, write(c, e, f) { f(); } }), seen); d.resume(); if (first === "end()") d.end(); else d.push(null); await settle(); seen.push(state(d)); if (first === "end()") d.push(null); else d.end(); await settle(); return [...seen, state(d)]; });
for (const options of [{ readable: false }, { writable: false }, { readableObjectMode: true }, { writableObjectMode: true }, { readableHighWaterMark: 2, writableHighWaterMark: 5 }, { highWaterMark: 7, readableHighWaterMark: 2 }, { objectMode: true }, { encoding: "utf8" }]) {
  for (const Class of [Duplex, Transform, PassThrough]) add(`${Class.name} ${JSON.stringify(options)}`, () => { const d = new Class(options); return [d.readableHighWaterMark, d.writableHighWaterMark, d.readableObjectMode, d.writableObjectMode, d.readableEncoding, state(d)]; });
}
add("duplexPair", async () => { const seen = []; const [a, b] = duplexPair(); watch(a, seen, "a "); watch(b, seen, "b "); b.on("data", (c) => seen.push(`b got ${c}`)); a.on("data", (c) => seen.push(`a got ${c}`)); a.write("x", cb(seen, "x written")); b.end("y"); await settle(); a.end(); await settle(); return seen; });

// ------------------------------------------------------------------------------------- destroy, in each state of each

const makers = {
  Readable: () => new Readable({ read() {} }), Writable: () => new Writable({ write(c, e, f) { setTimeout(f, 0); } }),
  Duplex: () => new Duplex({ read() {}, write(c, e, f) { setTimeout(f, 0); } }), PassThrough: () => new PassThrough(),
};
const before = {
  "at once": () => {}, "after a turn": () => turn(), "with chunks in it": (s) => { s.write?.("x"); s.push?.("x"); },
  "ended": async (s) => { s.end?.(); s.push?.(null); s.resume?.(); await settle(); }, "ending": (s) => { s.end?.("x"); s.push?.(null); },
  "destroyed": (s) => { s.destroy(); }, "failed": async (s) => { s.destroy(new Error("before")); await settle(); }, "paused": (s) => { s.pause?.(); s.cork?.(); },
  "removed listeners": (s) => { s.removeAllListeners("close"); },
};
for (const [kind, make] of Object.entries(makers)) for (const [when, prepare] of Object.entries(before)) for (const error of [undefined, boom()]) {
  add(`destroy ${kind} ${when} ${error ? "with an error" : ""}`, async () => {
    const seen = [];
    const s = watch(make(), seen);
    await prepare(s);
    s.destroy(error, (...args) => seen.push(["callback", ...args.map(textOf)].join(" ")));
    seen.push("returned", state(s));
    await settle();
    return [...seen, state(s), isErrored(s), isDestroyed(s), isReadable(s), isWritable(s), isDisturbed(s)];
  });
  add(`finished ${kind} ${when} ${error ? "then an error" : ""}`, async () => {
    const seen = [];
    const s = make();
    s.on("error", () => {});
    await prepare(s);
    const cleanUp = finished(s, (...args) => seen.push(["finished", ...args.map(textOf)].join(" ")));
    await settle();
    seen.push("then");
    s.destroy(error);
    await settle();
    return [...seen, typeof cleanUp, s.listenerCount("end"), s.listenerCount("close")];
  });
}
for (const options of [{ readable: false }, { writable: false }, { error: false }, { cleanup: true }, null]) {
  add(`finished with ${JSON.stringify(options)}`, async () => { const seen = []; const s = new PassThrough(); s.on("error", () => {}); finished(s, options, (error) => seen.push(`finished ${textOf(error)}`)); s.end("x"); await settle(); seen.push("read"); s.resume(); await settle(); return [...seen, s.listenerCount("end")]; });
  add(`finished and an error with ${JSON.stringify(options)}`, async () => { const seen = []; const s = new PassThrough(); s.on("error", () => {}); finished(s, options, (error) => seen.push(`finished ${textOf(error)}`)); s.destroy(boom()); await settle(); return [...seen, s.listenerCount("end")]; });
}
add("finished with a signal", async () => { const seen = []; const c = new AbortController(); const r = new Readable({ read() {} }); finished(r, { signal: c.signal }, (error) => seen.push(textOf(error))); c.abort(); await settle(); return [...seen, r.destroyed, r.listenerCount("end")]; });
add("finished, cleaned up", async () => { const seen = []; const r = new Readable({ read() {} }); finished(r, () => seen.push("called"))(); r.destroy(); await settle(); return seen; });
add("finished as a promise", async () => { const w = new Writable({ write(c, e, f) { f(); } }); w.end("x"); return promises.finished(w); });
add("finished as a promise that fails", async () => { const w = new Writable({ write(c, e, f) { f(boom()); } }); w.end("x"); return promises.finished(w); });
add("a callback that comes twice", async () => { const seen = []; const w = watch(new Writable({ write(c, e, f) { f(); f(); } }), seen); w.write("x"); await settle(); return seen; });
add("final whose callback comes twice", async () => { const seen = []; const w = watch(new Writable({ final(f) { f(); f(); } }), seen); w.end(); await settle(); return seen; });
add("undestroy", async () => { const r = new Readable({ read() {} }); r.destroy(); await settle(); r._undestroy(); return state(r); });
add("destroy()", async () => { const seen = []; for (const s of [new Readable({ read() {} }), new Writable()]) { watch(s, seen); destroy(s); destroy(s, boom()); } await settle(); return seen; });
add("a subclass of old", async () => { function Old(options) { Readable.call(this, options); } Object.setPrototypeOf(Old.prototype, Readable.prototype); Old.prototype._read = function () { this.push("old"); this.push(null); }; const seen = []; new Old().on("data", (c) => seen.push(textOf(c))); await settle(); return [...seen, new Old() instanceof Stream]; });
add("instanceof", () => [new Duplex() instanceof Writable, new Duplex() instanceof Readable, new Readable() instanceof Writable, {} instanceof Writable, Object.create(Writable.prototype) instanceof Writable, new PassThrough() instanceof Transform, new Transform() instanceof Writable, Readable() instanceof Readable, Writable() instanceof Writable, Duplex() instanceof Duplex, Transform() instanceof Transform, PassThrough() instanceof PassThrough]);
add("Stream.prototype.pipe", async () => { const seen = []; const s = new Stream(); s.readable = true; const w = watch(new Writable({ write(c, e, f) { seen.push(textOf(c)); f(); } }), seen, "w "); s.pipe(w); s.emit("data", "x"); s.emit("end"); await settle(); return seen; });
add("Stream.prototype.pipe fails", () => { const s = new Stream(); s.pipe(new Writable()); s.emit("error", boom()); });
add("captureRejections", async () => { const seen = []; const r = watch(new Readable({ captureRejections: true, read() { if (!r.did) this.push("x"); r.did = true; } }), seen); r.on("data", async () => { throw boom(); }); await settle(); return seen.filter((one) => !one.startsWith("data")); });
add("wrap", async () => { const seen = []; const old = new EventEmitter(); old.pause = () => seen.push("pause"); old.resume = () => seen.push("resume"); const r = new Readable({ highWaterMark: 2 }).wrap(old); r.on("data", (c) => seen.push(textOf(c))); old.emit("data", "abc"); old.emit("data", "d"); old.emit("end"); await settle(); return [...seen, state(r)]; });
add("setDefaultEncoding", async () => { const seen = []; const w = new Writable({ decodeStrings: false, write(c, e, f) { seen.push(e); f(); } }); seen.push(w.setDefaultEncoding("HEX") === w); w.write("ab"); w.write("ab", "latin1"); await settle(); return seen; });
add("setEncoding with chunks in it", () => { const r = new Readable({ read() {} }); r.push(Buffer.from([0xe2, 0x82])); r.push(Buffer.from([0xac])); r.setEncoding("utf8"); return [r.readableLength, r.read(), r.readableEncoding]; });
add("default marks", () => [stream.getDefaultHighWaterMark(true), stream.getDefaultHighWaterMark(false), stream.getDefaultHighWaterMark()]);
add("isDisturbed", async () => { const r = Readable.from(["a", "b"]); const seen = [isDisturbed(r), isReadable(r), isErrored(r)]; r.read(); await settle(); r.read(); return [...seen, isDisturbed(r)]; });
for (const value of [undefined, null, 5, {}, "x", new EventEmitter()]) add(`is… ${textOf(value)}${typeof value}`, () => [isReadable(value), isWritable(value), isErrored(value), isDisturbed(value), isDestroyed(value)]);

// ------------------------------------------------------------------------------------------------------- errors

for (const [name, run] of Object.entries({
  "mark -1": () => new Readable({ highWaterMark: -1 }), "mark x": () => new Writable({ highWaterMark: "x" }), "mark 1.5": () => new Writable({ highWaterMark: 1.5 }), "mark NaN": () => new Writable({ highWaterMark: NaN }).writableHighWaterMark,
  "readable mark": () => new Duplex({ readableHighWaterMark: -2 }), "encoding": () => new Readable({ encoding: "nope" }), "default encoding": () => new Writable({ defaultEncoding: "nope" }), "setEncoding": () => new Readable().setEncoding("nope"),
  "write encoding": () => new Writable().write("x", "nope"), "setDefaultEncoding": () => new Writable().setDefaultEncoding("nope"), "write": () => new Writable().write("x"), "transform": () => new Transform().write("x"),
  "pipeline()": () => pipeline(), "pipeline of one": () => pipeline(new Readable()), "pipeline without callback": () => pipeline(new Readable(), new Writable()), "pipeline of a number": () => pipeline(5, new Writable(), () => {}), "pipeline of one and callback": () => pipeline(new Readable(), () => {}),
  "finished(5)": () => finished(5, () => {}), "finished without callback": () => finished(new Readable()), "finished({})": () => finished({}, () => {}), "finished options": () => finished(new Readable(), 5, () => {}), "compose()": () => compose(), "signal 5": () => addAbortSignal(5, new Readable()), "stream 5": () => addAbortSignal(new AbortController().signal, 5),
  "from 5": () => Readable.from(5), "from null": () => Readable.from(null), "from undefined": () => Readable.from(), "map 5": () => new Readable().map(5), "map options": () => new Readable().map((x) => x, 5), "map concurrency": () => new Readable().map((x) => x, { concurrency: 0 }), "filter": () => new Readable().filter(), "flatMap": () => new Readable().flatMap(1), "take -1": () => new Readable().take(-1), "drop -1": () => new Readable().drop(-1), "reduce": () => Readable.from([]).reduce((a) => a), "reduce nothing": () => Readable.from([]).reduce(), "forEach": () => Readable.from([]).forEach(), "some": () => Readable.from([]).some(), "every": () => Readable.from([]).every(5), "find": () => Readable.from([]).find(),
  "iterator": () => new Readable().iterator(5), "signal option": () => new Readable({ signal: 5 }), "Duplex.from(5)": () => Duplex.from(5), "Duplex.from({})": () => Duplex.from({}), "read too much": () => new Readable().read(2 ** 31), "setDefaultHighWaterMark": () => stream.setDefaultHighWaterMark(true, -1),
  "fromWeb": () => Readable.fromWeb(5), "toWeb": () => Readable.toWeb(5), "Writable.fromWeb": () => Writable.fromWeb(5), "Writable.toWeb": () => Writable.toWeb(5), "Duplex.fromWeb": () => Duplex.fromWeb(5), "compose 5": () => new Readable().compose(5),
})) add(`error: ${name}`, async () => { try { return textOf(await soon(run())); } catch (error) { return [error, String(error)]; } });

// ------------------------------------------------------------------------------------------- pipeline and compose

const ends = {
  "Readable, Writable": (seen, done) => pipeline(Readable.from(["a", "b"]), new Writable({ objectMode: true, write(c, e, f) { seen.push(c); f(); } }), done),
  "through": (seen, done) => pipeline(Readable.from(["a", "b"]), new Transform({ objectMode: true, transform(c, e, f) { f(null, c + c); } }), new Writable({ objectMode: true, write(c, e, f) { seen.push(c); f(); } }), done),
  "array": (seen, done) => pipeline([Readable.from(["a"]), new PassThrough(), new Writable({ write(c, e, f) { seen.push(textOf(c)); f(); } })], done),
  "source fails": (seen, done) => pipeline(new Readable({ read() { this.destroy(boom()); } }), watch(new PassThrough(), seen, "p "), watch(new Writable({ write(c, e, f) { f(); } }), seen, "w "), done),
  "middle fails": (seen, done) => pipeline(watch(Readable.from(["a"]), seen, "r "), new Transform({ transform(c, e, f) { f(boom()); } }), watch(new Writable({ write(c, e, f) { f(); } }), seen, "w "), done),
  "end fails": (seen, done) => pipeline(watch(Readable.from(["a", "b", "c"]), seen, "r "), watch(new Writable({ write(c, e, f) { f(boom()); } }), seen, "w "), done),
  "source closes": (seen, done) => { const r = new Readable({ read() {} }); pipeline(r, watch(new Writable({ write(c, e, f) { f(); } }), seen, "w "), done); r.destroy(); },
  "end closes": (seen, done) => { const w = new Writable({ write(c, e, f) { f(); } }); pipeline(watch(new Readable({ read() {} }), seen, "r "), w, done); w.destroy(); },
  "iterable": (seen, done) => pipeline(["x", "y"], new Writable({ write(c, e, f) { seen.push(textOf(c)); f(); } }), done),
  "generator": (seen, done) => pipeline(async function* ({ signal }) { yield typeof signal; yield "z"; }, new Writable({ write(c, e, f) { seen.push(textOf(c)); f(); } }), done),
  "generator that throws": (seen, done) => pipeline(async function* () { yield "z"; throw boom(); }, watch(new Writable({ write(c, e, f) { seen.push(textOf(c)); f(); } }), seen, "w "), done),
  "generator in the middle": (seen, done) => pipeline(Readable.from(["a", "b"]), async function* (source) { for await (const c of source) yield `${c}!`; }, new Writable({ write(c, e, f) { seen.push(textOf(c)); f(); } }), done),
  "function at the end": (seen, done) => textOf(pipeline(Readable.from(["a", "b"]), async (source) => { for await (const c of source) seen.push(c); return "value"; }, done)),
  "function at the end throws": (seen, done) => { pipeline(watch(Readable.from(["a", "b"]), seen, "r "), async () => { throw boom(); }, done).on("error", () => {}); },
  "slow": (seen, done) => pipeline(Readable.from(["a", "b", "c"]), new Writable({ objectMode: true, highWaterMark: 1, write(c, e, f) { seen.push(c); setTimeout(f, 0); } }), done),
  "Duplex at the end": (seen, done) => { const d = new PassThrough(); pipeline(Readable.from(["a"]), d, done); d.on("data", (c) => seen.push(textOf(c))); },
  "not a source": (seen, done) => pipeline(() => 5, new Writable(), done),
};
for (const [name, run] of Object.entries(ends)) add(`pipeline: ${name}`, async () => { const seen = []; const given = run(seen, (...args) => seen.push(["done", ...args.map(textOf)].join(" "))); await settle(8); return [...seen, textOf(given)]; });
add("pipeline as a promise", async () => { const seen = []; await promises.pipeline(Readable.from(["a"]), new Writable({ write(c, e, f) { seen.push(textOf(c)); f(); } })); return seen; });
add("pipeline as a promise, of a value", async () => promises.pipeline(["a", "b"], async function* (s) { for await (const c of s) yield c + c; }, async (s) => { let all = ""; for await (const c of s) all += c; return all; }));
add("pipeline as a promise fails", async () => promises.pipeline(Readable.from(["a"]), new Writable({ write(c, e, f) { f(boom()); } })));
add("pipeline as a promise, aborted", async () => { const c = new AbortController(); const r = new Readable({ read() {} }); const p = promises.pipeline(r, new PassThrough(), { signal: c.signal }); c.abort(); try { await p; } catch (error) { return [error.name, error.code, r.destroyed]; } });
add("pipeline as a promise, without end", async () => { const w = new Writable({ write(c, e, f) { f(); } }); await promises.pipeline(Readable.from(["a"]), w, { end: false }); return [w.writableEnded, w.destroyed]; });
add("compose two", async () => { const d = compose(new Transform({ transform(c, e, f) { f(null, `${c}1`); } }), new Transform({ transform(c, e, f) { f(null, `${c}2`); } })); d.end("x"); const seen = []; for await (const c of d) seen.push(String(c)); return seen; });
add("compose with a generator", async () => { const d = compose(async function* (source) { for await (const c of source) yield String(c).toUpperCase(); }); d.end("x"); const seen = []; for await (const c of d) seen.push(c); return seen; });
add("compose that fails", async () => { const seen = []; const d = watch(compose(new PassThrough(), new Transform({ transform(c, e, f) { f(boom()); } })), seen); d.end("x"); d.resume(); await settle(6); return seen.filter((one) => one.startsWith("error")); });
add("Readable.compose", async () => Readable.from(["a", "b"]).compose(async function* (source) { for await (const c of source) yield c + c; }).toArray());
add("addAbortSignal", async () => { const c = new AbortController(); const seen = []; const r = watch(addAbortSignal(c.signal, new Readable({ read() {} })), seen); c.abort(new Error("why")); await settle(); return [...seen, r.errored.cause.message]; });
add("signal option aborts", async () => { const c = new AbortController(); const seen = []; watch(new Writable({ signal: c.signal, write(d, e, f) { f(); } }), seen); c.abort(); await settle(); return seen; });
add("signal that is aborted", async () => { const seen = []; const r = new Readable({ signal: AbortSignal.abort(), read() {} }); r.on("error", (error) => seen.push(error.name)); await settle(); return [...seen, r.destroyed]; });

// ------------------------------------------------------------------------------------------- from, helpers, consumers

const numbers = () => Readable.from([1, 2, 3, 4]);
const given = {
  map: () => numbers().map((x) => x * 2).toArray(), "map later": () => numbers().map(async (x) => { await turn(); return x * 2; }).toArray(), "map at once": () => numbers().map(async (x) => { for (let i = x; i < 5; i++) await turn(); return x; }, { concurrency: 4 }).toArray(), "map fails": () => numbers().map((x) => { throw boom(); }).toArray(),
  filter: () => numbers().filter((x) => x % 2).toArray(), "filter later": () => numbers().filter(async (x) => x > 2).toArray(), flatMap: () => numbers().flatMap((x) => [x, x]).toArray(), take: () => numbers().take(2).toArray(), "take 0": () => numbers().take(0).toArray(), "take all": () => numbers().take(9).toArray(), "take x": () => numbers().take("x").toArray(), drop: () => numbers().drop(3).toArray(), "drop all": () => numbers().drop(9).toArray(),
  asIndexedPairs: () => numbers().asIndexedPairs().toArray(), reduce: () => numbers().reduce((a, b) => a + b), "reduce with a start": () => numbers().reduce((a, b) => a + b, 10), "reduce undefined": () => numbers().reduce((a, b) => `${a}${b}`, undefined), some: () => numbers().some((x) => x > 3), "some not": () => numbers().some((x) => x > 9), every: () => numbers().every((x) => x > 0), "every not": () => numbers().every((x) => x > 1), find: () => numbers().find((x) => x > 2), "find not": () => numbers().find((x) => x > 9),
  forEach: async () => { const seen = []; await numbers().forEach((x) => { seen.push(x); }); return seen; }, "forEach fails": () => numbers().forEach(() => { throw boom(); }), "forEach signal": async () => { const seen = []; await numbers().take(1).forEach((x, options) => { seen.push(Object.keys(options), options.signal.aborted); }); return seen; }, chain: () => numbers().filter((x) => x > 1).map((x) => x * 10).drop(1).take(1).toArray(),
  "toArray aborted": () => numbers().toArray({ signal: AbortSignal.abort() }), "map aborted": () => numbers().map((x) => x, { signal: AbortSignal.abort() }).toArray(), "reduce aborted": () => numbers().reduce((a, b) => a, 0, { signal: AbortSignal.abort() }),
  "destroys when it has found": async () => { const r = numbers(); await r.find((x) => x === 1); await settle(); return r.destroyed; },
  "from string": () => Readable.from("abc").toArray(), "from buffer": async () => (await Readable.from(Buffer.from("abc")).toArray()).map(textOf), "from set": () => Readable.from(new Set([1, 2])).toArray(), "from promises": () => Readable.from([Promise.resolve(1), 2]).toArray(), "from rejection": () => Readable.from([(async () => { throw boom(); })()]).toArray(), "from null inside": () => Readable.from([1, null]).toArray(), "from undefined inside": () => Readable.from([1, undefined, 2]).toArray(), "from generator": () => Readable.from((async function* () { yield 1; yield 2; })()).toArray(), "from generator fails": () => Readable.from((function* () { yield 1; throw boom(); })()).toArray(),
  "from options": () => { const r = Readable.from(["a"], { objectMode: false }); return [r.readableObjectMode, r.readableHighWaterMark]; }, "from marks": () => { const r = Readable.from([]); return [r.readableObjectMode, r.readableHighWaterMark]; },
  "from, closed": async () => { const seen = []; const r = Readable.from((async function* () { try { yield 1; yield 2; } finally { seen.push("finally"); } })()); for await (const one of r) { seen.push(one); break; } await settle(); return seen; },
  "from, destroyed": async () => { const seen = []; const r = Readable.from((function* () { try { yield 1; yield 2; } catch (error) { seen.push(textOf(error)); } finally { seen.push("finally"); } })()); r.on("error", (error) => seen.push(`error ${textOf(error)}`)); r.read(); await settle(); r.destroy(boom()); await settle(); return seen; },
  "Duplex.from iterable": () => Duplex.from([1, 2]).toArray(), "Duplex.from promise": () => Duplex.from(Promise.resolve("p")).toArray(), "Duplex.from pair": async () => { const seen = []; const d = Duplex.from({ readable: Readable.from(["r"]), writable: new Writable({ write(c, e, f) { seen.push(textOf(c)); f(); } }) }); d.end("w"); for await (const c of d) seen.push(textOf(c)); await settle(); return [...seen, d.destroyed]; }, "Duplex.from function": async () => { const seen = []; const d = Duplex.from(async (source) => { for await (const c of source) seen.push(textOf(c)); }); d.write("a"); d.end("b"); await settle(6); return [...seen, state(d)]; }, "Duplex.from a duplex": () => { const d = new PassThrough(); return Duplex.from(d) === d; }, "Duplex.from readable": async () => { const d = Duplex.from(Readable.from([1, 2])); return [d.writable, d.readable, await d.toArray()]; }, "Duplex.from writable": async () => { const seen = []; const d = Duplex.from(new Writable({ write(c, e, f) { seen.push(textOf(c)); f(); } })); d.end("w"); await settle(); return [...seen, d.readable]; }, "Duplex.from blob": async () => (await Duplex.from(new Blob(["blob"])).toArray()).map((one) => textOf(new Uint8Array(one))),
  text: () => consumers.text(Readable.from(["a", Buffer.from([0xe2, 0x82]), Buffer.from([0xac])])), json: () => consumers.json(Readable.from(['{"a":', "1}"])), "json fails": () => consumers.json(Readable.from(["x"])), buffer: async () => textOf(await consumers.buffer(Readable.from(["a", "b"]))), arrayBuffer: async () => (await consumers.arrayBuffer(Readable.from(["abc"]))).byteLength, blob: async () => { const b = await consumers.blob(Readable.from(["abc"])); return [b.size, b.constructor.name]; }, "text of the other kind": () => consumers.text(new Response("web").body), "text fails": () => consumers.text(new Readable({ read() { this.destroy(boom()); } })),
};
for (const [name, run] of Object.entries(given)) add(`helper: ${name}`, async () => { try { return await soon(run()); } catch (error) { return [textOf(error), error.cause && String(error.cause)]; } });

// ------------------------------------------------------------------------------------- streams of the other standard

const web = {
  "fromWeb": async () => (await Readable.fromWeb(new Response("web").body).toArray()).map(textOf), "fromWeb objects": () => Readable.fromWeb(new ReadableStream({ start(c) { c.enqueue({ a: 1 }); c.enqueue(2); c.close(); } }), { objectMode: true }).toArray(), "fromWeb fails": () => Readable.fromWeb(new ReadableStream({ start(c) { c.error(boom()); } })).toArray(), "fromWeb encoding": () => Readable.fromWeb(new Response("web").body, { encoding: "utf8" }).toArray(),
  "fromWeb destroyed": async () => { const seen = []; const r = Readable.fromWeb(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(1)); }, cancel(reason) { seen.push(`cancel ${textOf(reason)}`); } })); r.on("error", (error) => seen.push(textOf(error))); r.on("close", () => seen.push("close")); await settle(); r.destroy(boom()); await settle(); return seen; },
  "toWeb": async () => new Response(Readable.toWeb(Readable.from([Buffer.from("a"), Buffer.from("b")], { objectMode: false }))).text(), "toWeb objects": async () => { const seen = []; for await (const one of Readable.toWeb(numbers())) seen.push(one); return seen; }, "toWeb chunk": async () => { const { value } = await Readable.toWeb(Readable.from([Buffer.from("a")], { objectMode: false })).getReader().read(); return value.constructor.name; },
  "toWeb fails": async () => { const r = new Readable({ read() { this.destroy(boom()); } }); return Readable.toWeb(r).getReader().read(); }, "toWeb closes early": async () => { const r = new Readable({ read() {} }); const reader = Readable.toWeb(r).getReader(); r.destroy(); return reader.read(); }, "toWeb cancelled": async () => { const seen = []; const r = new Readable({ read() {} }); r.on("error", (error) => seen.push(textOf(error))); await Readable.toWeb(r).cancel(boom()); await settle(); return [...seen, r.destroyed]; }, "toWeb destroyed": async () => { const r = new Readable(); r.destroy(); return (await Readable.toWeb(r).getReader().read()).done; },
  "Writable.fromWeb": async () => { const seen = []; const w = watch(Writable.fromWeb(new WritableStream({ write(c) { seen.push(textOf(c)); }, close() { seen.push("closed"); } })), seen); w.write("a"); w.end("b"); await settle(6); return seen; }, "Writable.fromWeb fails": async () => { const seen = []; const w = watch(Writable.fromWeb(new WritableStream({ write() { throw boom(); } })), seen); w.write("a", (error) => seen.push(`callback ${textOf(error)}`)); await settle(6); return seen; }, "Writable.fromWeb destroyed": async () => { const seen = []; const w = watch(Writable.fromWeb(new WritableStream({ abort(reason) { seen.push(`abort ${textOf(reason)}`); } })), seen); w.destroy(boom()); await settle(6); return seen; },
  "Writable.toWeb": async () => { const seen = []; const w = watch(new Writable({ write(c, e, f) { seen.push(textOf(c)); setTimeout(f, 0); } }), seen); const writer = Writable.toWeb(w).getWriter(); await writer.write("a"); await writer.write(new Uint8Array([98])); await writer.close(); await settle(); return seen; }, "Writable.toWeb fails": async () => { const w = new Writable({ write(c, e, f) { f(boom()); } }); const writer = Writable.toWeb(w).getWriter(); writer.closed.catch(() => {}); try { await writer.write("a"); } catch (error) { return `write ${textOf(error)}`; } return writer.closed; }, "Writable.toWeb aborted": async () => { const seen = []; const w = watch(new Writable({ write(c, e, f) { f(); } }), seen); await Writable.toWeb(w).abort(boom()); await settle(); return seen; },
  "Duplex.fromWeb": async () => { const seen = []; const { readable, writable } = new TransformStream(); const d = Duplex.fromWeb({ readable, writable }, { encoding: "utf8", decodeStrings: false }); d.on("data", (c) => seen.push(textOf(c))); d.write(new Uint8Array([97])); d.end(); await settle(6); return [...seen, state(d)]; }, "Duplex.toWeb": async () => { const { readable, writable } = Duplex.toWeb(new PassThrough()); const writer = writable.getWriter(); writer.write("a"); writer.close(); const seen = []; for await (const c of readable) seen.push(textOf(c)); return seen; },
};
const upper = () => new TransformStream({ transform(c, to) { to.enqueue(String(c).toUpperCase()); } });
Object.assign(web, {
  "pipeline into": async () => { const seen = []; await promises.pipeline(Readable.from(["a", "b"]), upper(), new WritableStream({ write(c) { seen.push(String(c)); } })); return seen; },
  "pipeline from": async () => { const seen = []; await promises.pipeline(new ReadableStream({ start(c) { c.enqueue("x"); c.close(); } }), new PassThrough(), async (source) => { for await (const c of source) seen.push(textOf(c)); }); return seen; },
  "pipeline through": async () => { const seen = []; await promises.pipeline(["q"], upper(), async (source) => { for await (const c of source) seen.push(textOf(c)); }); return seen; },
  "pipeline into what fails": () => promises.pipeline(Readable.from(["a"]), new WritableStream({ write() { throw boom(); } })),
  "pipeline into a number": () => promises.pipeline(Readable.from(["a"]), 5), "pipeline through an object": () => promises.pipeline(Readable.from(["a"]), {}, new PassThrough()),
});
for (const [name, run] of Object.entries(web)) add(`web: ${name}`, async () => { try { return await soon(run()); } catch (error) { return [textOf(error), error.name, error.cause && textOf(error.cause)]; } });

export default {
  async fetch() {
    // Each in its turn, and many at a time: what each sees is its own.
    const slow = cases.map(({ name, run }) => ({ name, run: () => started.get(name) }));
    const started = new Map();
    for (const { name, run } of cases) {
      if (started.has(name)) throw new Error(`two cases ${name}`);
      const promise = soonest(run);
      promise.catch(() => {});
      started.set(name, promise);
      if (started.size % 20 === 0) await promise.catch(() => {});
    }
    return answer(slow);
  },
};
const soonest = async (run) => Promise.race([run(), settle(60).then(() => "never")]);
