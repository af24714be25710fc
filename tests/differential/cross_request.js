// Two requests beside each other: what the first keeps, the second uses, while the first is alive or when it is over.
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const bytes = (text) => new TextEncoder().encode(text);
const text = (stream) => new Response(stream).text();
const scripted = (...chunks) =>
  new ReadableStream({
    pull(controller) {
      if (chunks.length > 0) controller.enqueue(bytes(chunks.shift()));
      else controller.close();
    },
  });
const trace = [];
const socket = () => { const [one, other] = Object.values(new WebSocketPair()); one.accept(); other.accept(); return one; };

/** Name to [what the first request keeps, what the second does with it]. */
const cases = {
  // Requests.
  "request-text": [(r) => r, (k) => k.text()],
  "request-body-reader": [(r) => r, async (k) => String((await k.body.getReader().read()).value)],
  "request-stream-kept": [(r) => r.body, async (k) => String((await k.getReader().read()).value)],
  "request-reader-kept": [(r) => r.body.getReader(), async (k) => String((await k.read()).value)],
  "request-reader-cancel": [(r) => r.body.getReader(), async (k) => `${await k.cancel("x")}`],
  "request-reader-closed": [(r) => r.body.getReader(), (k) => { k.releaseLock(); return "released"; }],
  "request-headers": [(r) => r, (k) => k.headers.get("host") !== null],
  "request-method": [(r) => r, (k) => `${k.method} ${new URL(k.url).pathname}`],
  "request-clone": [(r) => r, (k) => k.clone().method],
  "request-clone-text": [(r) => r, (k) => k.clone().text()],
  "request-new-from": [(r) => r, (k) => new Request(k, { headers: { a: "b" } }).text()],
  "request-tee": [(r) => r.body, (k) => text(k.tee()[0])],
  "request-body-used": [(r) => r, (k) => `${k.bodyUsed} ${k.body === null} ${k.body?.locked}`],
  "request-text-promise": [(r) => r.text(), (k) => k],
  "request-cf": [(r) => r, (k) => typeof k.cf],
  "request-signal": [(r) => r.signal, (k) => `${k.aborted}`],
  "request-made-text": [() => new Request("http://a.test/", { method: "POST", body: "made" }), (k) => k.text()],
  // Responses.
  "response-text": [() => new Response("made"), (k) => k.text()],
  "response-answered-with": [() => new Response("made"), (k) => k],
  "response-clone-answered-with": [() => new Response("made"), (k) => k.clone()],
  "response-empty-answered-with": [() => new Response(null, { status: 204 }), (k) => k],
  "response-json-twice": [() => Response.json([1]), async (k) => `${await k.clone().text()}${await k.text()}`],
  "response-of-request-body": [(r) => new Response(r.body), (k) => k.text()],
  "response-of-request-body-answered-with": [(r) => new Response(r.body), (k) => k],
  "response-of-stream": [() => new Response(scripted("a", "b")), (k) => k.text()],
  "response-of-stream-answered-with": [() => new Response(scripted("a", "b")), (k) => k],
  "response-headers": [() => new Response("x", { headers: { a: "b" } }), (k) => { k.headers.set("a", "c"); return k.headers.get("a"); }],
  "response-body-locked": [() => new Response("x"), (k) => `${k.body.locked} ${k.bodyUsed}`],
  // Streams.
  "stream-scripted": [() => scripted("a", "b"), text],
  "stream-scripted-reader": [() => scripted("a").getReader(), async (k) => String((await k.read()).value)],
  "stream-scripted-controller": [() => { let c; const s = new ReadableStream({ start: (it) => { c = it; } }); return { c, s }; }, (k) => { k.c.enqueue(bytes("fed")); k.c.close(); return text(k.s); }],
  "stream-scripted-tee": [() => scripted("a", "b"), async (k) => { const [a, b] = k.tee(); return (await text(a)) + (await text(b)); }],
  "stream-transform": [() => new TransformStream(), async (k) => { const w = k.writable.getWriter(); w.write(bytes("x")).catch(() => {}); w.close().catch(() => {}); return text(k.readable); }],
  "stream-transform-writer": [() => { const t = new TransformStream(); return { t, w: t.writable.getWriter() }; }, async (k) => { k.w.write(bytes("x")).catch(() => {}); k.w.close().catch(() => {}); return text(k.t.readable); }],
  "stream-transform-scripted": [() => new TransformStream({ transform(c, k) { k.enqueue(bytes(`<${new TextDecoder().decode(c)}>`)); } }), (k) => text(scripted("a", "b").pipeThrough(k))],
  "stream-identity": [() => new IdentityTransformStream(), async (k) => { const w = k.writable.getWriter(); w.write(bytes("x")).then(() => w.close()).catch(() => {}); return text(k.readable); }],
  "stream-identity-writer": [() => { const t = new IdentityTransformStream(); return { t, w: t.writable.getWriter() }; }, async (k) => { k.w.write(bytes("x")).then(() => k.w.close()).catch(() => {}); return text(k.t.readable); }],
  "stream-fixed-length": [() => new FixedLengthStream(1), async (k) => { const w = k.writable.getWriter(); w.write(bytes("x")).then(() => w.close()).catch(() => {}); return text(k.readable); }],
  "stream-writable": [() => new WritableStream({ write(c) { trace.push(String(c)); } }), async (k) => { const w = k.getWriter(); await w.write("w"); await w.close(); return String(trace.splice(0)); }],
  "stream-writable-writer": [() => new WritableStream({ write(c) { trace.push(String(c)); } }).getWriter(), async (k) => { await k.write("w"); return String(trace.splice(0)); }],
  "stream-pipe": [() => scripted("p"), async (k) => { const seen = []; await k.pipeTo(new WritableStream({ write(c) { seen.push(String(c)); } })); return String(seen); }],
  "stream-compression": [() => new CompressionStream("gzip"), async (k) => text(scripted("z").pipeThrough(k).pipeThrough(new DecompressionStream("gzip")))],
  "stream-text-decoder": [() => new TextDecoderStream(), async (k) => { const seen = []; for await (const c of scripted("t").pipeThrough(k)) seen.push(c); return seen.join(""); }],
  "stream-digest": [() => new crypto.DigestStream("SHA-256"), async (k) => { const w = k.getWriter(); await w.write(bytes("d")); await w.close(); return `${(await k.digest).byteLength}`; }],
  "stream-digest-promise": [() => { const d = new crypto.DigestStream("SHA-256"); const w = d.getWriter(); return (async () => { await w.write(bytes("d")); await w.close(); return (await d.digest).byteLength; })(); }, async (k) => `${await k}`],
  // Signals, timers, ctx.
  "signal-aborted": [() => new AbortController(), (k) => `${k.signal.aborted}`],
  "signal-abort": [() => new AbortController(), (k) => { k.abort(); return `${k.signal.aborted} ${k.signal.reason?.name}`; }],
  "signal-listen": [() => new AbortController(), (k) => { const seen = []; k.signal.addEventListener("abort", () => seen.push("heard")); k.abort(); return String(seen); }],
  "signal-timeout": [() => AbortSignal.timeout(100_000), (k) => `${k.aborted}`],
  "signal-any": [() => new AbortController(), (k) => { const any = AbortSignal.any([k.signal]); k.abort(); return `${any.aborted}`; }],
  "signal-in-request": [() => new AbortController(), (k) => `${new Request("http://a.test/", { signal: k.signal }).signal.aborted}`],
  "timer-clear": [() => setTimeout(() => {}, 100_000), (k) => { clearTimeout(k); return "cleared"; }],
  "timer-is-not-anothers": [() => setTimeout(() => {}, 100_000), async (k) => { let ran = false; setTimeout(() => { ran = true; }, 1); clearTimeout(k + 1000); await sleep(5); return `${ran}`; }],
  "ctx-wait-until": [(r, env, ctx) => ctx, (k) => `${k.waitUntil(Promise.resolve())}`],
  "ctx-pass-through": [(r, env, ctx) => ctx, (k) => `${k.passThroughOnException()}`],
  "ctx-wait-until-own": [(r, env, ctx) => sleep(1).then(() => "slept"), async (k, r, env, ctx) => { ctx.waitUntil(k); return "given"; }],
  "ctx-props": [(r, env, ctx) => ctx, (k) => JSON.stringify(k.props)],
  // WebSockets.
  "socket-send": [socket, (k) => `${k.send("x")}`],
  "socket-send-bytes": [socket, (k) => `${k.send(bytes("x"))}`],
  "socket-send-wrong": [socket, (k) => `${k.send()}`],
  "socket-close": [socket, (k) => `${k.close(1000, "x")}`],
  "socket-close-wrong": [socket, (k) => `${k.close(5)}`],
  "socket-accept": [() => new WebSocketPair()[0], (k) => `${k.accept()}`],
  "socket-accept-again": [socket, (k) => `${k.accept()}`],
  "socket-ready-state": [socket, (k) => `${k.readyState}`],
  "socket-buffered-amount": [socket, (k) => `${k.bufferedAmount}`],
  "socket-attributes": [socket, (k) => `${k.url} ${k.protocol} ${k.extensions}`],
  "socket-binary-type": [socket, (k) => { k.binaryType = "arraybuffer"; return k.binaryType; }],
  "socket-attachment": [() => { const k = socket(); k.serializeAttachment({ a: 1 }); return k; }, (k) => JSON.stringify(k.deserializeAttachment())],
  "socket-attachment-of-second": [socket, (k) => { k.serializeAttachment(1); return `${k.deserializeAttachment()}`; }],
  "socket-listen": [socket, (k) => `${k.addEventListener("message", () => {})}`],
  "socket-handler": [socket, (k) => { k.onmessage = () => {}; return typeof k.onmessage; }],
  "socket-dispatch": [socket, (k) => { const seen = []; k.addEventListener("x", () => seen.push("heard")); k.dispatchEvent(new Event("x")); return String(seen); }],
  "socket-in-response": [() => new WebSocketPair()[0], (k) => `${new Response(null, { status: 101, webSocket: k }).status}`],
  "socket-of-response": [() => new Response(null, { status: 101, webSocket: new WebSocketPair()[0] }), (k) => `${k.webSocket.readyState}`],
  "socket-sends-by-promise": [() => { const k = socket(); const d = Promise.withResolvers(); d.promise.then(() => { k.send("x"); trace.push("sent"); }); return d; }, async (k) => { k.resolve(); await sleep(20); return String(trace.splice(0)); }],
  // Promises.
  "promise-settled": [() => Promise.resolve("value"), (k) => k],
  "promise-rejected": [() => { const p = Promise.reject(new Error("no")); p.catch(() => {}); return p; }, (k) => k],
  "promise-async-function": [() => (async () => { await null; return "value"; })(), (k) => k],
  "promise-resolved-by-second": [() => Promise.withResolvers(), async (k) => { k.resolve("value"); return k.promise; }],
  "promise-rejected-by-second": [() => Promise.withResolvers(), async (k) => { k.reject(new Error("no")); return k.promise; }],
  "promise-then-of-first": [() => { const d = Promise.withResolvers(); d.promise.then(() => trace.push("ran")); return d; }, async (k) => { k.resolve(); await sleep(10); return String(trace.splice(0)); }],
  "promise-await-of-first": [() => { const d = Promise.withResolvers(); (async () => { await d.promise; trace.push("ran"); })(); return d; }, async (k) => { k.resolve(); await sleep(10); return String(trace.splice(0)); }],
  "promise-chain-of-first": [() => { const d = Promise.withResolvers(); return { d, chained: d.promise.then((v) => `${v}!`) }; }, async (k) => { k.d.resolve("value"); return k.chained; }],
  "promise-continuation-does-io": [() => { const d = Promise.withResolvers(); (async () => { await d.promise; await sleep(1); trace.push("slept"); })(); return d; }, async (k) => { k.resolve(); await sleep(20); return String(trace.splice(0)); }],
  "promise-continuation-reads-own-body": [(r) => { const d = Promise.withResolvers(); (async () => { await d.promise; trace.push(await r.text()); })(); return d; }, async (k) => { k.resolve(); await sleep(20); return String(trace.splice(0)); }],
  "promise-of-timer": [() => sleep(20).then(() => "slept"), (k) => k],
  "promise-of-timer-and-io": [() => sleep(20).then(() => "slept"), async (k, r) => `${await k} ${await r.text()}`],
  "promise-of-digest": [() => crypto.subtle.digest("SHA-256", bytes("x")), async (k) => `${(await k).byteLength}`],
  "promise-all": [() => Promise.withResolvers(), async (k) => { k.resolve("a"); return String(await Promise.all([k.promise, "b"])); }],
  "promise-race": [() => new Promise(() => {}), async (k) => Promise.race([k, sleep(5).then(() => "timer")])],
  // What does no I/O.
  "blob": [() => new Blob(["blob"]), (k) => k.text()],
  "form-data": [() => { const f = new FormData(); f.set("a", "b"); return f; }, (k) => k.get("a")],
  "url": [() => new URL("http://a.test/?x=1"), (k) => k.searchParams.get("x")],
  "function": [() => () => sleep(1).then(() => "slept"), (k) => k()],
  "env": [(r, env) => env, (k) => `${k.NAME}`],
};

const kept = {};
const answer = async (value) => (value instanceof Response ? value : new Response(`${await value}`));
export default {
  async fetch(request, env, ctx) {
    const [, what, name] = new URL(request.url).pathname.split("/");
    if (what === "names") return Response.json(Object.keys(cases));
    if (what === "over") { kept[name] = { value: cases[name][0](request, env, ctx) }; return new Response("kept"); }
    if (what === "alive") {
      const mine = (kept[name] = { value: cases[name][0](request, env, ctx) });
      for (let i = 0; i < 2000 && !mine.released; i++) await sleep(5);
      return new Response("was alive");
    }
    if (what === "pause") { await sleep(5); return new Response("paused"); }
    if (what === "ready") return new Response(`${name in kept}`);
    if (what === "release") { kept[name].released = true; delete kept[name]; return new Response(String(trace.splice(0))); }
    try { return await answer(await cases[name][1](kept[name].value, request, env, ctx)); } catch (error) { return new Response(`threw ${error}`); }
  },
};
