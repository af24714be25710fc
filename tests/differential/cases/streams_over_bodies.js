// The runtime's own bodies through the stream API, and the reverse.
const text = (s) => new Response(s).text();
export default {
  "body of a string response": async () => { const r = new Response("abc").body.getReader(); return [await r.read(), await r.read()]; },
  "body is a byte stream": () => new Response("abc").body.getReader({ mode: "byob" }) instanceof ReadableStreamBYOBReader,
  "body tee": async () => { const [a, b] = new Response("abc").body.tee(); return [await text(a), await text(b)]; },
  "body through a transform": async () => text(new Response("abc").body.pipeThrough(new TransformStream({ transform(c, k) { k.enqueue(new TextEncoder().encode(new TextDecoder().decode(c).toUpperCase())); } }))),
  "body cancel": async () => { const r = new Response("abc"); await r.body.cancel(); return r.bodyUsed; },
  "body locked": async () => { const r = new Response("abc"); r.body.getReader(); return [r.body.locked, r.bodyUsed]; },
  "response of a used body": async () => { const r = new Response("abc"); await r.text(); return new Response(r.body); },
  "body async iteration": async () => { const out = []; for await (const c of new Response("abc").body) out.push(...c); return out; },
  "new response around a body": async () => { const r = new Response("abc", { headers: { a: "1" } }); const s = new Response(r.body, r); return [await s.text(), s.headers.get("a"), r.bodyUsed]; },
  "empty body": () => new Response("").text(),
  "stream through identity": async () => { const t = new TransformStream(); new Response("abc").body.pipeTo(t.writable); return text(t.readable); },
  "concatenated": async () => { const { readable, writable } = new TransformStream(); (async () => { for (const part of ["a", "b"]) await new Response(part).body.pipeTo(writable, { preventClose: true }); await writable.close(); })(); return text(readable); },
  "large": async () => (await new Response(new Uint8Array(1_000_000)).arrayBuffer()).byteLength,
  "request body": async () => { const r = new Request("http://h/", { method: "POST", body: "abc" }); const reader = r.body.getReader(); return [await reader.read(), r.bodyUsed]; },
};
