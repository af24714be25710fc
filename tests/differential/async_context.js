// Ways in which a continuation comes about, and the store that it sees. Each way is called with the store "a"; `see` notes what
// is current, and `b` calls a function with the store "b". The same file runs in both runtimes and in Node. Timers that are set
// together are due one after the other, however late they run.
import * as hooks from "node:async_hooks";
import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";

const storage = new AsyncLocalStorage();
const another = new AsyncLocalStorage({ name: "another" });
const later = (ms = 1) => new Promise((done) => storage.exit(() => setTimeout(done, ms)));
const absent = (name) => typeof globalThis[name] === "undefined";

/** A promise, and functions that settle it on behalf of "b", a little later. */
const settledInB = (b) => {
  let promise;
  const both = {};
  promise = new Promise((resolve, reject) => {
    both.resolve = (value) => b(() => setTimeout(() => resolve(value), 1));
    both.reject = (reason) => b(() => setTimeout(() => reject(reason), 1));
  });
  return { promise, ...both };
};

class OwnPromise extends Promise {}

export const ways = {
  // Promises.
  "then, fulfilled": async (see) => Promise.resolve().then(see),
  "then, rejected": async (see) => Promise.reject().then(undefined, see),
  "then, fulfilled by b": async (see, b) => { const p = settledInB(b); const done = p.promise.then(see); p.resolve(); await done; },
  "then, rejected by b": async (see, b) => { const p = settledInB(b); const done = p.promise.then(undefined, see); p.reject(); await done; },
  "then, asked for by b": async (see, b) => b(() => Promise.resolve().then(see)),
  "then, asked for by b, settled by a": async (see, b) => { let go; const p = new Promise((resolve) => { go = resolve; }); const done = b(() => p.then(see)); go(); await done; },
  "catch": async (see, b) => { const p = settledInB(b); const done = p.promise.catch(see); p.reject(); await done; },
  "finally, fulfilled": async (see, b) => { const p = settledInB(b); const done = p.promise.finally(see); p.resolve(); await done; },
  "finally, rejected": async (see, b) => { const p = settledInB(b); const done = p.promise.finally(see).catch(see); p.reject(); await done; },
  "a chain of thens": async (see, b) => { const p = settledInB(b); const done = p.promise.then(see).then(see).then(() => b(() => later())).then(see); p.resolve(); await done; },
  "executor": async (see) => { await new Promise((resolve) => { see(); resolve(); }); },
  "resolved with a promise of b": async (see, b) => { const p = settledInB(b); const done = new Promise((resolve) => resolve(p.promise)).then(see); p.resolve(); await done; },
  "await, nothing": async (see) => { await undefined; see(); },
  "await, fulfilled by b": async (see, b) => { const p = settledInB(b); p.resolve(); await p.promise; see(); },
  "await, rejected by b": async (see, b) => { const p = settledInB(b); p.reject(); try { await p.promise; } catch { see(); } finally { see(); } },
  "await in a loop": async (see, b) => { for (let i = 0; i < 3; i++) { await b(() => later()); see(); } },
  "await of an async function of b": async (see, b) => { await b(async () => { see(); await later(); see(); }); see(); },
  "async functions side by side": async (see, b) => { await Promise.all([(async () => { await later(); see(); })(), b(async () => { await later(2); see(); })]); see(); },
  "thenable, awaited": async (see, b) => { await { then(done) { see(); b(() => setTimeout(done, 1)); } }; see(); },
  "thenable, awaited, settled within": async (see) => { await { then(done) { see(); done(); } }; see(); },
  "thenable, getter of then": async (see) => { await { get then() { see(); return undefined; } }; see(); },
  "thenable, resolved with": async (see, b) => { const done = new Promise((resolve) => b(() => resolve({ then(settle) { see(); settle(); } }))).then(see); await done; },
  "thenable, resolved with by a timer of b": async (see, b) => { const done = new Promise((resolve) => b(() => setTimeout(() => resolve({ then(settle) { see(); settle(); } }), 1))).then(see); await done; },
  "thenable, returned from then": async (see) => Promise.resolve().then(() => ({ then(settle) { see(); settle(); } })).then(see),
  "thenable, returned from an async function": async (see, b) => { await b(async () => ({ then(settle) { see(); settle(); } })); see(); },
  "Promise.all": async (see, b) => { const p = settledInB(b); p.resolve(); await Promise.all([p.promise, 1]).then(see); },
  "Promise.all, rejected": async (see, b) => { const p = settledInB(b); p.reject(); await Promise.all([p.promise, 1]).catch(see); },
  "Promise.allSettled": async (see, b) => { const p = settledInB(b); p.reject(); await Promise.allSettled([p.promise, 1]).then(see); },
  "Promise.any": async (see, b) => { const p = settledInB(b); p.resolve(); await Promise.any([p.promise, Promise.reject()]).then(see); },
  "Promise.any, rejected": async (see, b) => { const p = settledInB(b); p.reject(); await Promise.any([p.promise]).catch(see); },
  "Promise.race": async (see, b) => { const p = settledInB(b); p.resolve(); await Promise.race([p.promise, new Promise(() => {})]).then(see); },
  "Promise.all of thenables": async (see) => { await Promise.all([{ then(done) { see(); done(); } }]); see(); },
  "Promise.withResolvers": async (see, b) => { if (!Promise.withResolvers) return "absent"; const p = Promise.withResolvers(); b(() => setTimeout(p.resolve, 1)); await p.promise; see(); },
  "Promise.try": async (see) => { if (!Promise.try) return "absent"; await Promise.try(see); see(); },
  "Array.fromAsync": async (see, b) => { if (!Array.fromAsync) return "absent"; const p = settledInB(b); p.resolve(); await Array.fromAsync([p.promise], see); see(); },
  "a class that extends Promise": async (see, b) => { let go; const p = new OwnPromise((resolve) => { see(); go = resolve; }); const done = p.then(see); b(() => go()); await done; see(); },
  // Generators.
  "async generator, next by b": async (see, b) => { async function* values() { see(); yield 1; see(); await later(); see(); yield 2; } const g = values(); await g.next(); await b(() => g.next()); see(); },
  "async generator, return by b": async (see, b) => { async function* values() { try { yield 1; } finally { see(); await later(); see(); } } const g = values(); await g.next(); await b(() => g.return()); see(); },
  "async generator, throw by b": async (see, b) => { async function* values() { try { yield 1; } catch { see(); await later(); see(); } } const g = values(); await g.next(); await b(() => g.throw(new Error())); see(); },
  "async generator, two nexts in a queue": async (see, b) => { async function* values() { see(); await later(); see(); yield 1; see(); yield 2; } const g = values(); await Promise.all([g.next(), b(() => g.next())]); },
  "async generator that was begun by b": async (see, b) => { async function* values() { see(); yield 1; see(); } const g = b(() => values()); for await (const value of g) see(value); },
  "yield* of an async generator": async (see, b) => { async function* inner() { see(); yield 1; await later(); see(); } async function* outer() { yield* inner(); see(); } const g = outer(); await g.next(); await b(() => g.next()); },
  "generator, resumed by b": async (see, b) => { function* values() { see(); yield 1; see(); yield 2; } const g = values(); g.next(); b(() => g.next()); },
  "for await of promises": async (see, b) => { const p = settledInB(b); p.resolve(); for await (const value of [p.promise, 1]) see(value); see(); },
  "for await of an iterator": async (see, b) => { let left = 2; for await (const value of { [Symbol.asyncIterator]: () => ({ next: () => { see(); return b(async () => { await later(); return { done: left-- === 0 }; }); } }) }) see(value); },
  // Microtasks and timers.
  "queueMicrotask": (see) => new Promise((done) => queueMicrotask(() => { see(); done(); })),
  "queueMicrotask within one of b": (see, b) => new Promise((done) => { b(() => queueMicrotask(() => queueMicrotask(() => { see(); done(); }))); }),
  "setTimeout": (see) => new Promise((done) => setTimeout(() => { see(); done(); }, 1)),
  "setTimeout of 0 with arguments": (see) => new Promise((done) => setTimeout((note) => { note(); done(); }, 0, see)),
  "setTimeout within one": (see, b) => new Promise((done) => setTimeout(() => { b(() => setTimeout(() => { see(); }, 1)); setTimeout(() => { see(); done(); }, 2); }, 1)),
  "setTimeout, promise made within": (see) => new Promise((done) => setTimeout(async () => { await later(); see(); done(); }, 1)),
  "setTimeout asked for in a then": (see, b) => { const p = settledInB(b); p.resolve(); return new Promise((done) => p.promise.then(() => setTimeout(() => { see(); done(); }, 1))); },
  "setInterval": (see, b) => new Promise((done) => { let left = 3; const id = setInterval(() => { see(); b(() => {}); if (--left === 0) { clearInterval(id); done(); } }, 1); }),
  "setInterval that awaits": (see) => new Promise((done) => { let [begun, left] = [0, 2]; const id = setInterval(async () => { if (++begun === 2) clearInterval(id); await later(); see(); if (--left === 0) done(); }, 1); }),
  "setInterval, cleared and set again by b": (see, b) => new Promise((done) => { const id = setInterval(() => { see(); clearInterval(id); b(() => { const other = setInterval(() => { see(); clearInterval(other); done(); }, 1); }); }, 1); }),
  "setImmediate": (see) => { if (absent("setImmediate")) return "absent"; return new Promise((done) => setImmediate(() => { see(); done(); })); },
  "scheduler.wait": async (see) => { if (absent("scheduler")) return "absent"; await scheduler.wait(1); see(); },
  "scheduler.wait, aborted by b": async (see, b) => { if (absent("scheduler")) return "absent"; const c = new AbortController(); const p = scheduler.wait(50, { signal: c.signal }); b(() => setTimeout(() => c.abort(), 1)); try { await p; } catch { see(); } },
  // Events.
  "listener, dispatched by b": async (see, b) => { const t = new EventTarget(); t.addEventListener("x", see); b(() => t.dispatchEvent(new Event("x"))); see(); },
  "listener once, dispatched by a timer of b": (see, b) => new Promise((done) => { const t = new EventTarget(); t.addEventListener("x", () => { see(); done(); }, { once: true }); b(() => setTimeout(() => t.dispatchEvent(new Event("x")), 1)); }),
  "listener added by b": async (see, b) => { const t = new EventTarget(); b(() => t.addEventListener("x", see)); t.dispatchEvent(new Event("x")); },
  "handleEvent": async (see, b) => { const t = new EventTarget(); t.addEventListener("x", { handleEvent: see }); b(() => t.dispatchEvent(new Event("x"))); },
  "listener that awaits": (see, b) => new Promise((done) => { const t = new EventTarget(); t.addEventListener("x", async () => { await later(); see(); done(); }); b(() => t.dispatchEvent(new Event("x"))); }),
  "listener bound to its resource": async (see, b) => { const t = new EventTarget(); t.addEventListener("x", AsyncResource.bind(() => see())); b(() => t.dispatchEvent(new Event("x"))); },
  "abort, by b": async (see, b) => { const c = new AbortController(); c.signal.addEventListener("abort", see); b(() => c.abort()); },
  "abort, by a timer of b": (see, b) => new Promise((done) => { const c = new AbortController(); c.signal.addEventListener("abort", () => { see(); done(); }); b(() => setTimeout(() => c.abort(), 1)); }),
  "onabort": async (see, b) => { const c = new AbortController(); c.signal.onabort = see; b(() => c.abort()); },
  "AbortSignal.timeout": (see) => new Promise((done) => { AbortSignal.timeout(1).addEventListener("abort", () => { see(); done(); }); setTimeout(() => {}, 20); }),
  "AbortSignal.timeout, listened to by b": (see, b) => new Promise((done) => { const s = AbortSignal.timeout(1); b(() => s.addEventListener("abort", () => { see(); done(); })); setTimeout(() => {}, 20); }),
  "AbortSignal.any": async (see, b) => { const c = new AbortController(); AbortSignal.any([c.signal]).addEventListener("abort", see); b(() => c.abort()); },
  "listener of the global scope": async (see, b) => { if (absent("dispatchEvent")) return "absent"; const note = () => see(); addEventListener("own", note); b(() => dispatchEvent(new Event("own"))); removeEventListener("own", note); },
  "error event of reportError": async (see, b) => { if (absent("reportError") || absent("addEventListener")) return "absent"; const note = (event) => { event.preventDefault(); see(); }; addEventListener("error", note); b(() => reportError(new Error("x"))); removeEventListener("error", note); },
  "unhandledrejection": (see, b) => { if (absent("addEventListener")) return "absent"; return new Promise((done) => { const note = (event) => { event.preventDefault(); removeEventListener("unhandledrejection", note); see(); done(); }; addEventListener("unhandledrejection", note); b(() => { Promise.reject(new Error("x")); }); }); },
  "unhandledrejection of an async function": (see, b) => { if (absent("addEventListener")) return "absent"; return new Promise((done) => { const note = (event) => { event.preventDefault(); removeEventListener("unhandledrejection", note); see(); done(); }; addEventListener("unhandledrejection", note); b(async () => { await later(); throw new Error("x"); }); }); },
  "rejectionhandled": (see, b) => { if (absent("addEventListener")) return "absent"; return new Promise((done) => { const stop = (event) => event.preventDefault(); const note = () => { removeEventListener("rejectionhandled", note); removeEventListener("unhandledrejection", stop); see(); done(); }; addEventListener("unhandledrejection", stop); addEventListener("rejectionhandled", note); b(() => { const p = Promise.reject(new Error("x")); setTimeout(() => p.catch(() => {}), 5); }); }); },
  // Streams.
  "ReadableStream, start": async (see) => { new ReadableStream({ start: see }); },
  "ReadableStream, start that awaits": async (see, b) => { const s = new ReadableStream({ async start(c) { await later(); see(); c.close(); } }); await b(() => s.getReader().read()); see(); },
  "ReadableStream, pull for a read of b": async (see, b) => { const s = new ReadableStream({ pull(c) { see(); c.enqueue(1); } }, { highWaterMark: 0 }); await later(); await b(() => s.getReader().read()); see(); },
  "ReadableStream, pull of its own accord": async (see, b) => { const s = b(() => new ReadableStream({ pull(c) { see(); c.close(); } })); await later(2); await s.getReader().closed; see(); },
  "ReadableStream, pull that awaits": async (see, b) => { const s = new ReadableStream({ async pull(c) { await later(); see(); c.enqueue(1); } }, { highWaterMark: 0 }); await later(); await b(() => s.getReader().read()); see(); },
  "ReadableStream, second pull": async (see, b) => { let pulls = 0; const s = new ReadableStream({ pull(c) { see(); c.enqueue(++pulls); } }, { highWaterMark: 0 }); const r = s.getReader(); await later(); await r.read(); await b(() => r.read()); },
  "ReadableStream, cancel by b": async (see, b) => { const s = new ReadableStream({ cancel: see }); await later(); await b(() => s.cancel()); see(); },
  "ReadableStream, read that waits for b": async (see, b) => { let c; const s = new ReadableStream({ start(controller) { c = controller; } }); const read = s.getReader().read().then(see); b(() => setTimeout(() => c.enqueue(1), 1)); await read; },
  "ReadableStream, closed": async (see, b) => { let c; const s = new ReadableStream({ start(controller) { c = controller; } }); const closed = s.getReader().closed.then(see); b(() => setTimeout(() => c.close(), 1)); await closed; },
  "ReadableStream, size": async (see, b) => { let c; new ReadableStream({ start(controller) { c = controller; } }, { highWaterMark: 1, size() { see(); return 1; } }); b(() => c.enqueue(1)); },
  "ReadableStream, for await": async (see, b) => { let c; const s = new ReadableStream({ start(controller) { c = controller; } }); b(() => setTimeout(() => { c.enqueue(1); c.enqueue(2); c.close(); }, 1)); for await (const chunk of s) see(chunk); see(); },
  "ReadableStream.from, next": async (see, b) => { async function* values() { see(); yield 1; see(); } const s = ReadableStream.from(values()); const r = s.getReader(); await b(() => r.read()); await r.read(); see(); },
  "byte stream, pull for a read of b": async (see, b) => { const s = new ReadableStream({ type: "bytes", pull(c) { see(); c.byobRequest.view[0] = 1; c.byobRequest.respond(1); } }, { highWaterMark: 0 }); await later(); await b(() => s.getReader({ mode: "byob" }).read(new Uint8Array(1))); see(); },
  "tee, reads of b": async (see, b) => { const s = new ReadableStream({ pull(c) { see(); c.enqueue(1); } }, { highWaterMark: 0 }); const [one, other] = s.tee(); await later(); await b(() => one.getReader().read()); await other.getReader().read(); see(); },
  "WritableStream, write by b": async (see, b) => { const s = new WritableStream({ start: see, write: see, close: see }); const w = s.getWriter(); await w.ready; await b(() => w.write(1)); await b(() => w.close()); see(); },
  "WritableStream, write that waits": async (see, b) => { const s = new WritableStream({ async write() { await later(); see(); } }); const w = s.getWriter(); await w.ready; const first = w.write(1); await b(() => w.write(2)); await first; see(); },
  "WritableStream, abort by b": async (see, b) => { const s = new WritableStream({ abort: see }); const w = s.getWriter(); await w.ready; await b(() => w.abort()); see(); },
  "WritableStream, signal": async (see, b) => { let c; const s = new WritableStream({ start(controller) { c = controller; } }); c.signal.addEventListener("abort", see); const w = s.getWriter(); await w.ready; await b(() => w.abort()); },
  "WritableStream, ready": async (see, b) => { let go; const s = new WritableStream({ write: () => new Promise((resolve) => { go = resolve; }) }); const w = s.getWriter(); await w.ready; w.write(1); const ready = w.ready.then(see); b(() => setTimeout(() => go(), 1)); await ready; },
  "TransformStream, transform and flush": async (see, b) => { const t = new TransformStream({ start: see, transform(chunk, c) { see(); c.enqueue(chunk); }, flush: see }); const w = t.writable.getWriter(); const r = t.readable.getReader(); const read = r.read(); await b(() => w.write(1)); await read; const end = r.read(); await b(() => w.close()); await end; see(); },
  "TransformStream, transform once there is a reader": async (see, b) => { const t = new TransformStream({ transform(chunk, c) { see(); c.enqueue(chunk); } }); const w = t.writable.getWriter(); const write = w.write(1); await later(); await b(() => t.readable.getReader().read()); await write; see(); },
  "pipeTo, of b": async (see, b) => { const from = new ReadableStream({ pull(c) { see(); c.close(); } }, { highWaterMark: 0 }); const to = new WritableStream({ close: see }); await later(); await b(() => from.pipeTo(to)); see(); },
  "pipeTo, a chunk that comes later": async (see, b) => { let c; const from = new ReadableStream({ start(controller) { c = controller; } }); const to = new WritableStream({ write: see, close: see }); const piped = from.pipeTo(to).then(see); b(() => setTimeout(() => { c.enqueue(1); setTimeout(() => c.close(), 1); }, 1)); await piped; },
  "pipeTo, aborted by b": async (see, b) => { const a = new AbortController(); let c; const from = new ReadableStream({ start(controller) { c = controller; }, cancel: see }); const to = new WritableStream({ abort: see }); const piped = from.pipeTo(to, { signal: a.signal }).catch(see); await later(); b(() => a.abort()); await later(); try { c.enqueue(1); } catch {} await piped; },
  "pipeThrough, read by b": async (see, b) => { const from = new ReadableStream({ pull(c) { c.enqueue(1); c.close(); } }, { highWaterMark: 0 }); const r = from.pipeThrough(new TransformStream({ transform(chunk, c) { see(); c.enqueue(chunk); } })).getReader(); await later(); await b(() => r.read()); see(); },
  "TextDecoderStream": async (see, b) => { const t = new TextDecoderStream(); const read = t.readable.getReader().read().then(see); const w = t.writable.getWriter(); b(() => { w.write(new Uint8Array([65])).catch(() => {}); }); await read; },
  "CompressionStream": async (see, b) => { const t = new CompressionStream("gzip"); const read = t.readable.getReader().read().then(see); const w = t.writable.getWriter(); b(() => { w.write(new Uint8Array([65])).catch(() => {}); w.close().catch(() => {}); }); await read; },
  "IdentityTransformStream": async (see, b) => { if (absent("IdentityTransformStream")) return "absent"; const t = new IdentityTransformStream(); const read = t.readable.getReader().read().then(see); const w = t.writable.getWriter(); await b(() => w.write(new Uint8Array([65]))); see(); await read; },
  // Streams that run no script for their bytes.
  "pipeTo between native ends": async (see, b) => { if (absent("IdentityTransformStream")) return "absent"; const t = new IdentityTransformStream(); const piped = b(() => new Response("abc").body.pipeTo(t.writable)).then(see); await new Response(t.readable).text(); see(); await piped; },
  "pipeThrough between native ends": async (see, b) => { if (absent("IdentityTransformStream")) return "absent"; await b(() => new Response(new Response("abc").body.pipeThrough(new IdentityTransformStream())).text()); see(); },
  "tee of a body": async (see, b) => { const [one, other] = new Response("abc").body.tee(); await b(() => new Response(one).text().then(see)); see(); await new Response(other).text(); see(); },
  "CompressionStream of a body": async (see, b) => { const r = new Response(new Response("abc").body.pipeThrough(new CompressionStream("gzip"))); await b(() => r.arrayBuffer().then(see)); see(); },
  "a body to a script's sink": async (see, b) => { await b(() => new Response("abc").body.pipeTo(new WritableStream({ write: see, close: see }))); see(); },
  "a script's source to a native end": async (see, b) => { const from = new ReadableStream({ pull(c) { see(); c.enqueue(new Uint8Array(1)); c.close(); } }, { highWaterMark: 0 }); const t = new CompressionStream("gzip"); await later(); const piped = b(() => from.pipeTo(t.writable)); await new Response(t.readable).arrayBuffer(); see(); await piped; see(); },
  // Bodies, and what is asked of native code.
  "Response.text": async (see) => { await new Response("x").text(); see(); },
  "Response.text of a stream": async (see, b) => { const s = new ReadableStream({ pull(c) { see(); c.enqueue(new Uint8Array([65])); c.close(); } }, { highWaterMark: 0 }); const r = new Response(s); await later(); await b(() => r.text()); see(); },
  "Response.json, then": async (see, b) => { await b(() => new Response("{}").json()).then(see); },
  "Response.json, rejected": async (see) => { await new Response("{").json().catch(see); },
  "Response.formData": async (see) => { const f = new FormData(); f.append("a", "b"); await new Response(f).formData(); see(); },
  "Request.arrayBuffer": async (see) => { await new Request("http://x/", { method: "POST", body: "x" }).arrayBuffer(); see(); },
  "Response.clone": async (see, b) => { const r = new Response("abc"); const other = r.clone(); const first = b(() => r.text()); await other.text(); see(); await first; },
  "Blob.text": async (see) => { await new Blob(["x"]).text(); see(); },
  "Blob.stream": async (see) => { for await (const chunk of new Blob(["x"]).stream()) see(chunk); },
  "crypto.subtle.digest": async (see) => { await crypto.subtle.digest("SHA-256", new Uint8Array(1)); see(); },
  "crypto.subtle.digest, then of b": async (see, b) => { const p = crypto.subtle.digest("SHA-256", new Uint8Array(1)); await b(() => p.then(see)); see(); },
  "import() of a module that has run": async (see) => { await import("node:async_hooks"); see(); },
  "import() of a module that awaits": async (see, b) => { globalThis.seeInModule = see; await b(() => import("./late.js")); see(); },
  "import() of what is not there": async (see) => { await import("./nope.js").catch(see); see(); },
  "Atomics.waitAsync": async (see, b) => { if (!Atomics.waitAsync) return "absent"; const cell = new Int32Array(new SharedArrayBuffer(4)); const wait = Atomics.waitAsync(cell, 0, 0).value.then(see); b(() => Atomics.notify(cell, 0)); setTimeout(() => {}, 5); await wait; see(); },
  "waitUntil": async (see, b, ctx) => { if (!ctx) return "absent"; await new Promise((done) => { ctx.waitUntil((async () => { await later(); see(); done(); })()); }); see(); },
  "waitUntil of a thenable of b": async (see, b, ctx) => { if (!ctx) return "absent"; b(() => ctx.waitUntil({ then(settle) { see(); settle(); } })); await later(); see(); },
  // Calls that do not wait.
  "getters, proxies, conversions": async (see) => { ({ get x() { see(); return 1; } }).x; new Proxy({}, { get: see }).y; `${{ toString: () => { see(); return ""; } }}`; JSON.stringify({ toJSON: see }); [2, 1].sort(() => { see(); return 0; }); "x".replace("x", see); structuredClone({ get z() { see(); return 1; } }); },
  "callbacks of the API": async (see) => { new Headers({ a: "1" }).forEach(see); new URLSearchParams("a=1").forEach(see); new FormData(); },
  // The API itself.
  "run within run": async (see, b) => { see(); b(() => { see(); storage.run("c", see); see(); }); see(); },
  "run of an async function": async (see, b) => { const p = b(async () => { await later(); see(); return 1; }); see(); await p; see(); },
  "run that throws": async (see, b) => { try { b(() => { throw new Error(); }); } catch { see(); } },
  "run that rejects": async (see, b) => { try { await b(async () => { await later(); throw new Error(); }); } catch { see(); } },
  "run of undefined": async (see) => storage.run(undefined, async () => { see(); await later(); see(); }),
  "exit": async (see) => { await storage.exit(async () => { see(); await later(); see(); }); see(); },
  "another storage": async (see) => { await another.run("x", async () => { see(); await later(); see(another.getStore()); storage.run("c", () => see(another.getStore())); }); see(another.getStore()); },
  "a hundred storages": async (see) => { const all = Array.from({ length: 100 }, () => new AsyncLocalStorage()); const inside = (index) => (index < 100 ? all[index].run(index, () => inside(index + 1)) : later().then(() => all.every((one, place) => one.getStore() === place))); const good = await inside(0); see(good); },
  "AsyncLocalStorage.bind": async (see, b) => { const bound = AsyncLocalStorage.bind(() => see()); b(bound); await b(() => later()).then(() => bound()); },
  "AsyncLocalStorage.bind, awaiting": async (see, b) => { const bound = AsyncLocalStorage.bind(async () => { await later(); see(); }); await b(bound); see(); },
  "AsyncLocalStorage.snapshot": async (see, b) => { const snapshot = AsyncLocalStorage.snapshot(); await b(() => snapshot(async () => { see(); await later(); see(); })); see(); },
  "AsyncLocalStorage.snapshot of nothing": async (see) => { const snapshot = storage.exit(() => AsyncLocalStorage.snapshot()); snapshot(see); see(); },
  "AsyncLocalStorage.snapshot in a timer of b": (see, b) => { const snapshot = AsyncLocalStorage.snapshot(); return new Promise((done) => b(() => setTimeout(() => { see(); snapshot(see); see(); done(); }, 1))); },
  "AsyncResource.runInAsyncScope": async (see, b) => { const resource = new AsyncResource("R"); await b(() => resource.runInAsyncScope(async () => { see(); await later(); see(); })); see(); },
  "AsyncResource.bind": async (see, b) => { const bound = new AsyncResource("R").bind(() => see()); b(bound); },
  "AsyncResource.bind, static": async (see, b) => { const bound = AsyncResource.bind(() => see()); b(() => setTimeout(bound, 1)); await later(5); },
  "AsyncResource extended": async (see, b) => { class Own extends AsyncResource { constructor() { super("Own"); } go() { this.runInAsyncScope(() => see()); } } const own = new Own(); b(() => own.go()); },
};

/** What a way has seen. */
export const seen = async (name, ctx) => {
  const stores = [];
  const see = () => { stores.push(storage.getStore() ?? null); };
  const b = (callback) => storage.run("b", callback);
  let given;
  try {
    given = await storage.run("a", () => Promise.race([ways[name](see, b, ctx), later(30_000).then(() => "never")]));
  } catch (error) {
    given = String(error);
  }
  return JSON.stringify([stores, storage.getStore() ?? null, typeof given === "string" ? given : null]);
};

/** For Node, which has no handlers. */
export const all = async () => {
  const answers = {};
  for (const name in ways) answers[name] = await seen(name);
  return answers;
};

const described = (value) => (typeof value === "object" && value !== null ? [Object.prototype.toString.call(value), value] : typeof value === "function" ? [value.name, value.length, Object.getOwnPropertyNames(value)] : String(value));
const tried = (f) => { try { return described(f()); } catch (error) { return `${error.name}: ${error.message}`; } };
const who = function () { "use strict"; return this === undefined ? "undefined" : this === globalThis ? "the global" : this === null ? "null" : typeof this; };
/** How what the module exports is called, beside the reference alone: Node differs in much of it on purpose. */
const calls = {
  "the module": () => [Object.keys(hooks), Object.keys(hooks.default), hooks.default.AsyncLocalStorage === AsyncLocalStorage],
  "run": () => [tried(() => storage.run()), tried(() => storage.run(1)), tried(() => storage.run(1, 5)), tried(() => storage.run(1, who)), tried(() => storage.run(1, (...given) => given, 2, 3)), tried(() => storage.run.call({}, 1, who))],
  "exit of storages": () => [tried(() => storage.exit()), tried(() => storage.exit(5)), tried(() => storage.exit(who)), tried(() => storage.exit((...given) => given, 2, 3))],
  "getStore": () => [tried(() => storage.getStore()), tried(() => AsyncLocalStorage.prototype.getStore.call(undefined)), tried(() => AsyncLocalStorage.prototype.getStore.call({}))],
  "enterWith, disable": () => [tried(() => storage.enterWith(1)), tried(() => storage.disable())],
  "options of a storage": () => [undefined, null, 5, "x", {}, [], () => 1, { name: "n" }, { name: 5 }, { name: null }, { defaultValue: 1 }, { defaultValue: undefined }].map((options) => tried(() => { const made = new AsyncLocalStorage(options); return [made.name, String(made.getStore())]; })),
  "the default value": () => { const made = new AsyncLocalStorage({ defaultValue: 5 }); return [made.getStore(), made.run(6, () => made.getStore()), String(made.run(undefined, () => made.getStore())), String(made.exit(() => made.getStore())), AsyncLocalStorage.snapshot()(() => made.getStore())]; },
  "bind of a storage": () => [tried(() => AsyncLocalStorage.bind()), tried(() => AsyncLocalStorage.bind(5)), tried(() => AsyncLocalStorage.bind(who)), tried(() => AsyncLocalStorage.bind(who).call({})), tried(() => AsyncLocalStorage.bind((...given) => given)(1, 2))],
  "snapshot": () => [tried(() => AsyncLocalStorage.snapshot()), tried(() => AsyncLocalStorage.snapshot()()), tried(() => AsyncLocalStorage.snapshot()(5)), tried(() => AsyncLocalStorage.snapshot().call({}, who)), tried(() => AsyncLocalStorage.snapshot()((...given) => given, 1, 2))],
  "a resource": () => [[], [5], [""], [null], [Symbol.iterator], ["R", null], ["R", 5], ["R", "x"], ["R", {}], ["R", { triggerAsyncId: 5 }], ["R", { requireManualDestroy: true }]].map((given) => tried(() => { const made = new AsyncResource(...given); return [made.asyncId(), made.triggerAsyncId(), Reflect.ownKeys(made), String(made.emitDestroy())]; })),
  "runInAsyncScope": () => { const made = new AsyncResource("R"); return [tried(() => made.runInAsyncScope()), tried(() => made.runInAsyncScope(5)), ...[[], [undefined], [null], [{}]].map((given) => tried(() => made.runInAsyncScope(who, ...given))), tried(() => made.runInAsyncScope((...given) => given, null, 1, 2)), tried(() => AsyncResource.prototype.runInAsyncScope.call({}, who))]; },
  "bind of a resource": () => { const made = new AsyncResource("R"); return [tried(() => made.bind()), tried(() => made.bind(who)), tried(() => made.bind(who).asyncResource === made), ...[[], [undefined], [null], [{}]].map((given) => tried(() => made.bind(who, ...given)())), tried(() => made.bind((...given) => given).call({}, 1, 2)), Object.getOwnPropertyDescriptor(made.bind(who), "asyncResource").writable]; },
  "bind of AsyncResource": () => [tried(() => AsyncResource.bind(5)), tried(() => AsyncResource.bind(who)), tried(() => AsyncResource.bind(who, Symbol.iterator)), ...[[], ["T"], ["T", null], ["T", {}]].map((given) => tried(() => AsyncResource.bind(who, ...given)())), tried(() => AsyncResource.bind(who).asyncResource instanceof AsyncResource)],
  "hooks that are none": () => [hooks.createHook({ init() {} }), hooks.createHook(), hooks.executionAsyncId(), hooks.triggerAsyncId(), Object.getPrototypeOf(hooks.executionAsyncResource()), hooks.executionAsyncResource() === hooks.executionAsyncResource(), hooks.asyncWrapProviders, typeof hooks.createHook().enable().disable],
};

const encode = (value) => new TextEncoder().encode(`${value} `);
/** What the runtime asks for when the handler is done. */
const answered = {
  "a response that is pulled": () => {
    let left = 3;
    return new Response(new ReadableStream({ async pull(c) { c.enqueue(encode(storage.getStore())); await later(); c.enqueue(encode(storage.getStore())); if (--left === 0) c.close(); } }, { highWaterMark: 0 }));
  },
  "a response that is written": (ctx) => {
    const { readable, writable } = new TransformStream({ transform(chunk, c) { c.enqueue(encode(`${chunk}${storage.getStore()}`)); } });
    ctx.waitUntil((async () => { const w = writable.getWriter(); await later(); await w.write(storage.getStore()); await later(); await w.write(storage.getStore()); await w.close(); })());
    return new Response(readable);
  },
};

// While modules are evaluated there is no event, but a store.
const atStart = { snapshot: storage.run("start", () => AsyncLocalStorage.snapshot()), promise: storage.run("start", async () => { await undefined; return storage.getStore(); }) };
const early = { "a snapshot of the start": async () => [storage.run("b", () => atStart.snapshot(() => storage.getStore())), await atStart.promise, await atStart.snapshot(async () => { await later(); return storage.getStore(); })] };

export default {
  async fetch(request, env, ctx) {
    const name = decodeURIComponent(new URL(request.url).search.slice(1));
    if (name === "") return Response.json([...Object.keys(ways), ...Object.keys(answered), ...Object.keys(early), ...Object.keys(calls)]);
    if (storage.getStore() !== undefined) return new Response("a handler begins with a store");
    if (name in answered) return storage.run("a", () => answered[name](ctx));
    if (name in early) return Response.json(await early[name]());
    if (name in calls) return Response.json(calls[name]());
    return new Response(await seen(name, ctx));
  },
};
