// The same snippets in the reference and in ours. Needs WORKERD_BINARY.
import assert from "node:assert/strict";
import { test } from "node:test";
import { scope } from "./load.mjs";
import { withOracle, workerdBinary } from "./oracle.mjs";

// Each is the body of an async function whose result is compared as JSON. `log(x)` notes an order.
const snippets = {
  "default read order": `const s = new ReadableStream({ start(c) { c.enqueue(1); c.enqueue(2); c.close(); } }); const r = s.getReader(); return [await r.read(), await r.read(), await r.read()]`,
  "locked reader": `const s = new ReadableStream(); s.getReader(); s.getReader()`,
  "locked cancel": `const s = new ReadableStream(); s.getReader(); await s.cancel()`,
  "released reader": `const s = new ReadableStream(); const r = s.getReader(); r.releaseLock(); await r.read()`,
  "released pending": `const r = new ReadableStream().getReader(); const p = r.read(); r.releaseLock(); await p`,
  "enqueue after close": `let c; new ReadableStream({ start(x) { c = x } }); c.close(); c.enqueue(1)`,
  "close twice": `let c; new ReadableStream({ start(x) { c = x } }); c.close(); c.close()`,
  "zero-length byte chunk": `let c; new ReadableStream({ type: "bytes", start(x) { c = x } }); c.enqueue(new Uint8Array(0))`,
  "byte chunk of another type": `let c; new ReadableStream({ type: "bytes", start(x) { c = x } }); c.enqueue("x")`,
  "byob read": `const s = new ReadableStream({ type: "bytes", start(c) { c.enqueue(new Uint8Array([1, 2, 3])); c.close() } }); const r = s.getReader({ mode: "byob" }); const a = await r.read(new Uint8Array(2)); const b = await r.read(new Uint8Array(2)); const c = await r.read(new Uint8Array(2)); return [[...a.value], [...b.value], c.done, c.value.length]`,
  "read with min": `const s = new ReadableStream({ type: "bytes", start(c) { c.enqueue(new Uint8Array(2)); c.close() } }); const r = s.getReader({ mode: "byob" }); const a = await r.read(new Uint8Array(8), { min: 3 }); const b = await r.read(new Uint8Array(8)); return [a.value.length, a.done, b.value.length, b.done]`,
  "readAtLeast": `const s = new ReadableStream({ type: "bytes", start(c) { c.enqueue(new Uint8Array(2)); c.enqueue(new Uint8Array(2)); c.close() } }); const r = s.getReader({ mode: "byob" }); const a = await r.readAtLeast(3, new Uint8Array(8)); const b = await r.readAtLeast(3, new Uint8Array(8)); return [a.value.length, a.done, b.done, b.value.buffer.byteLength]`,
  "readAtLeast too much": `await new ReadableStream({ type: "bytes" }).getReader({ mode: "byob" }).readAtLeast(9, new Uint8Array(8))`,
  "readAtLeast nothing": `await new ReadableStream({ type: "bytes" }).getReader({ mode: "byob" }).readAtLeast(0, new Uint8Array(8))`,
  "byob read of nothing": `await new ReadableStream({ type: "bytes" }).getReader({ mode: "byob" }).read(new Uint8Array(0))`,
  "byob on a default stream": `new ReadableStream().getReader({ mode: "byob" })`,
  "getReader mode": `new ReadableStream().getReader({ mode: "x" })`,
  "bad type": `new ReadableStream({ type: "x" })`,
  "bad source": `new ReadableStream(5)`,
  "bad pull": `new ReadableStream({ pull: 5 })`,
  "from a number": `ReadableStream.from(5)`,
  "from a string": `const out = []; for await (const c of ReadableStream.from("ab")) out.push(c); return out`,
  "receiver": `ReadableStream.prototype.getReader.call({})`,
  "tee": `const [a, b] = new ReadableStream({ start(c) { c.enqueue("x"); c.close() } }).tee(); const out = []; for await (const c of a) out.push("a" + c); for await (const c of b) out.push("b" + c); return out`,
  "pipeThrough": `const out = []; const t = new TransformStream({ transform(c, k) { k.enqueue(c * 2) }, flush(k) { k.enqueue("end") } }); for await (const c of ReadableStream.from([1, 2]).pipeThrough(t)) out.push(c); return out`,
  "pipeTo something else": `await new ReadableStream().pipeTo({})`,
  "pipe errors": `const e = new Error("boom"); const log = []; await new ReadableStream({ start(c) { c.error(e) } }).pipeTo(new WritableStream({ abort(r) { log.push(r.message) } })).catch((x) => log.push(x.message)); return log`,
  "write order": `const log = []; const w = new WritableStream({ write(c) { log.push(c) }, close() { log.push("close") } }).getWriter(); w.write(1); w.write(2); await w.close(); return log`,
  "write after close": `const w = new WritableStream().getWriter(); w.close(); await w.write(1)`,
  "released writer": `const w = new WritableStream().getWriter(); w.releaseLock(); await w.write(1)`,
  "locked writer": `const s = new WritableStream(); s.getWriter(); s.getWriter()`,
  "terminated": `const t = new TransformStream({ start(c) { c.terminate() } }); await t.writable.getWriter().write(1)`,
  "identity parts": `const t = new IdentityTransformStream(); const w = t.writable.getWriter(); let state = "pending"; w.write(new Uint8Array(5)).then(() => (state = "done")); const r = t.readable.getReader({ mode: "byob" }); const a = await r.read(new Uint8Array(2)); const s1 = state; const b = await r.read(new Uint8Array(9)); await null; await null; w.close(); const c = await r.read(new Uint8Array(3)); return [a.value.length, s1, b.value.length, c.done, state]`,
  "identity object": `const t = new IdentityTransformStream(); await t.writable.getWriter().write({})`,
  "identity high-water mark": `const t = new IdentityTransformStream({ highWaterMark: 10 }); const w = t.writable.getWriter(); const a = w.desiredSize; w.write(new Uint8Array(4)).catch(() => {}); return [a, w.desiredSize]`,
  "identity cancel": `const t = new IdentityTransformStream(); const w = t.writable.getWriter(); const p = w.write(new Uint8Array(3)); await t.readable.cancel(new Error("why")); await p`,
  "identity abort": `const t = new IdentityTransformStream(); const w = t.writable.getWriter(); const p = t.readable.getReader().read(); await w.abort(new Error("ab")); await p`,
  // The reference's write() is fulfilled here; ours is rejected. What the reader sees is the same.
  "fixed length too much": `const t = new FixedLengthStream(3); const p = t.readable.getReader().read(); const w = t.writable.getWriter(); w.closed.catch(() => {}); w.write(new Uint8Array(5)).catch(() => {}); await p`,
  "fixed length argument": `const out = []; for (const v of [-1, NaN, "4", 2n, Infinity]) { try { new FixedLengthStream(v); out.push("ok") } catch (e) { out.push(e.message) } } return out`,
  "text encoder stream": `const out = []; for await (const c of ReadableStream.from(["a\\ud83d", "\\ude00b"]).pipeThrough(new TextEncoderStream())) out.push(...c); return out`,
  "text decoder stream": `const t = new TextDecoderStream(); const w = t.writable.getWriter(); w.closed.catch(() => {}); w.write("a").catch(() => {}); await t.readable.getReader().read()`,
  "abort reason": `const c = new AbortController(); c.abort(); return [c.signal.reason.name, c.signal.reason.message, c.signal.reason.code]`,
  "any": `const c = new AbortController(); const s = AbortSignal.any([c.signal]); c.abort(3); return [s.aborted, s.reason]`,
  "any of a number": `AbortSignal.any([5])`,
  "dispatch something else": `new EventTarget().dispatchEvent({})`,
  "event without a type": `new Event()`,
  "listener of a number": `new EventTarget().addEventListener("x", 5)`,
  "illegal constructors": `const out = []; for (const C of [AbortSignal, ReadableStreamBYOBRequest, Navigator, ServiceWorkerGlobalScope]) { try { new C() } catch (e) { out.push(e.message) } } return out`,
  "custom event": `return new CustomEvent("x", { detail: 4 }).detail`,
  "wait": `const c = new AbortController(); const p = scheduler.wait(1000, { signal: c.signal }); c.abort(new Error("zz")); await p`,
  "wait without a delay": `await scheduler.wait()`,
  "microtask of a number": `queueMicrotask(5)`,
  "navigator": `return [navigator.userAgent, navigator.language, navigator.languages, navigator.hardwareConcurrency, navigator.platform]`,
  "tag of the global": `return Object.prototype.toString.call(globalThis)`,
  "blob": `const b = new Blob(["a", new Uint8Array([98]), new Blob(["c"]), 5], { type: "Text/X" }); return [b.size, b.type, await b.text(), b.slice(1, -1).size]`,
  "blob of a number": `new Blob(5)`,
  "file without a name": `new File(["x"])`,
  "form data": `const f = new FormData(); f.append("a", "1"); f.append("a", new Blob(["z"]), "nm"); f.append("b", 2); f.set("b", "3"); return [f.get("a"), f.getAll("a")[1].name, [...f.keys()], f.has("c"), f.get("c")]`,
  "form data without a value": `new FormData().append("a")`,
};
const wrap = (body) => `(async () => { try { return { value: await (async () => { ${body} })() } } catch (e) { return { error: e?.name, message: e?.message } } })()`;

test("the reference and ours agree", { skip: workerdBinary === undefined && "WORKERD_BINARY is not set" }, async (t) => {
  const names = Object.keys(snippets);
  const source = `export default { async fetch() { const out = {};
${names.map((name) => `out[${JSON.stringify(name)}] = JSON.stringify(await ${wrap(snippets[name])});`).join("\n")}
return Response.json(out); } };`;
  const theirs = await withOracle(source, async ({ fetch }) => (await fetch()).json());
  const { context, evaluate } = scope();
  for (const name of names) {
    await t.test(name, async () => {
      const ours = await new Promise((resolve) => {
        context.resolve = resolve;
        evaluate(`${wrap(snippets[name])}.then((x) => resolve(JSON.stringify(x))); 0`);
      });
      assert.equal(ours, theirs[name]);
    });
  }
});
