// What `caches` is asked, by name. What stands behind it answers by the last part of a path: see cache.rs.
const U = "http://example.com/";
const bytes = (text) => new TextEncoder().encode(text);
const told = (value) => (value instanceof Error ? `${value.name}|${value.message}|${JSON.stringify({ ...value })}` : value);
const show = async (value) => {
  if (!(value instanceof Response)) return told(value);
  const body = await value.text().catch(told);
  return [value.status, value.statusText, [...value.headers], value.url, value.redirected, value.type, value.cf === undefined, body];
};
const attempt = (run) => { try { return run(); } catch (error) { return `at once: ${told(error)}`; } };
const used = async (response) => { await response.text(); return response; };
const locked = (response) => { response.body.getReader(); return response; };
const socket = () => new Response(null, { status: 101, webSocket: new WebSocketPair()[0] });
const script = (steps) => new ReadableStream({ async pull(controller) { const step = steps.shift(); if (step === undefined) controller.close(); else if (step instanceof Error) controller.error(step); else { await scheduler.wait(1); controller.enqueue(bytes(step)); } } });
const written = (stream, chunks, end) => {
  const writer = stream.writable.getWriter();
  (async () => { for (const chunk of chunks) await writer.write(bytes(chunk)); await end(writer); })().catch(() => {});
  return new Response(stream.readable);
};
const close = (writer) => writer.close();
const abort = (writer) => writer.abort(new Error("boo"));
const match = (input, options) => () => caches.default.match(typeof input === "function" ? input() : input, options);
const put = (make, url = `${U}s204`) => async () => caches.default.put(url, await make());
const del = (input, options) => () => caches.default.delete(typeof input === "function" ? input() : input, options);
const request = (path, init) => () => new Request(U + path, init);
const named = (name, run) => async () => run(await caches.open(name));

const probes = {
  "match, URL": match(`${U}hit`),
  "match, https, a port, a query, a fragment": match("https://example.com:8443/hit?a=b&c#frag"),
  "match, user": match("https://u:p@example.com/hit"),
  "match, URL object": () => caches.default.match(new URL(`${U}hit`)),
  "match, headers": match(request("hit", { headers: { "X-Q": "1", Range: "bytes=0-1", "If-None-Match": '"x"', "Cache-Control": "max-age=3", Cookie: "a=b", "Accept-Encoding": "br" } })),
  "match, cf": match(request("hit", { cf: { cacheKey: "k", cacheTtl: 5 } })),
  "match, cache mode": match(request("hit", { cache: "no-store" })),
  "match, POST": match(request("hit", { method: "POST", body: "x" })),
  "match, HEAD": match(request("hit", { method: "HEAD" })),
  "match, POST of no URL": match(() => new Request("https://u:p@h/s204", { method: "POST" })),
  "match, POST, ignoreMethod": match(request("hit", { method: "POST", body: "x", headers: { a: "b" } }), { ignoreMethod: true }),
  "match, HEAD, ignoreMethod": match(request("hit", { method: "HEAD" }), { ignoreMethod: true }),
  "match, ignoreMethod that is no boolean": match(request("hit", { method: "POST" }), { ignoreMethod: "yes" }),
  "match, ignoreMethod throws": match(`${U}hit`, { get ignoreMethod() { throw new Error("got"); } }),
  "match, ignoreSearch": match(`${U}hit`, { ignoreSearch: true }),
  "match, ignoreSearch false": match(`${U}hit`, { ignoreSearch: false }),
  "match, ignoreSearch undefined": match(`${U}hit`, { ignoreSearch: undefined }),
  "match, ignoreVary": match(`${U}hit`, { ignoreVary: true }),
  "match, cacheName": match(`${U}hit`, { cacheName: "x" }),
  "match, options a number": match(`${U}hit`, 5),
  "match, options a string": match(`${U}hit`, "x"),
  "match, options null": match(`${U}hit`, null),
  "match, options a function": match(`${U}hit`, () => {}),
  "match, nothing": () => caches.default.match(),
  "match, number": match(5),
  "match, object": match({ url: U }),
  "match, relative": match("/hit"),
  "match, empty": match(""),
  "match, data": match("data:text/plain,hi"),
  "match, space in a host": match("http://exa mple.com/hit"),
  "match, brace in a host": match("http://exa{mple.com/hit"),
  "match, spaces around": match("  http://example.com/hit  "),
  "match, read request": () => { const made = new Request(`${U}hit`, { method: "POST", body: "x" }); return made.text().then(() => caches.default.match(made, { ignoreMethod: true })); },
  "match, body is left alone": async () => { const made = new Request(`${U}hit`, { method: "POST", body: "x" }); await caches.default.match(made, { ignoreMethod: true }); return made.bodyUsed; },
  "match, aborted": match(request("hit", { signal: AbortSignal.abort() })),
  "match, wrong and wrong options": match("/x", { ignoreSearch: true }),
  "match, when it throws": () => attempt(() => { caches.default.match("/x").catch(() => {}); return "later"; }),
  "match, other this": () => attempt(() => { caches.default.match.call({}, U).catch(() => {}); return "later"; }),
  "match, promise": () => { const promise = caches.default.match(`${U}miss`); return promise instanceof Promise; },
  "match, immutable headers": async () => (await caches.default.match(`${U}hit`)).headers.append("a", "b"),
  "match, own webSocket": async () => { const found = await caches.default.match(`${U}hit`); return [Object.prototype.toString.call(found), found.webSocket, found.bodyUsed]; },
  "match, as a stream": async () => { const found = await caches.default.match(`${U}chunked`); const all = []; for await (const chunk of found.body) all.push(...chunk); return new TextDecoder().decode(new Uint8Array(all)); },
  "match, many": async () => { let count = 0; for (; count < 60; count++) await caches.default.match(`${U}miss`); return count; },
  "match, all at once": async () => (await Promise.all(Array.from({ length: 20 }, () => caches.default.match(`${U}missed`)))).length,

  "put, text": put(() => new Response("hello", { headers: { "Cache-Control": "max-age=10", "X-A": "b" } })),
  "put, request with headers": put(() => new Response("hello"), new Request(`${U}s204`, { headers: { "X-Q": "1", Cookie: "c=d", Range: "bytes=0-1" } })),
  "put, cf": put(() => new Response("hello"), new Request(`${U}s204`, { cf: { cacheKey: "k" } })),
  "put, null": put(() => new Response(null)),
  "put, 404 without a body": put(() => new Response(null, { status: 404, statusText: "Nope" })),
  "put, 204": put(() => new Response(null, { status: 204 })),
  "put, empty": put(() => new Response("")),
  "put, statusText": put(() => new Response("x", { status: 418, statusText: "teapot" })),
  "put, status without a name": put(() => new Response("x", { status: 299 })),
  "put, empty statusText": put(() => new Response("x", { statusText: "" })),
  "put, stream": put(() => new Response(new ReadableStream({ start(c) { c.enqueue(bytes("hel")); c.enqueue(bytes("lo")); c.close(); } }))),
  "put, stream of script": put(() => new Response(script(["hel", "lo"]))),
  "put, stream of bytes": put(() => new Response(new ReadableStream({ type: "bytes", async pull(c) { c.enqueue(bytes("hel")); await scheduler.wait(1); c.close(); } }))),
  "put, empty stream": put(() => new Response(script([]))),
  "put, fixed length": put(() => written(new FixedLengthStream(5), ["hello"], close)),
  "put, identity": put(() => written(new TransformStream(), ["hello"], close)),
  "put, stream that breaks": put(() => new Response(new ReadableStream({ start(c) { c.enqueue(bytes("hel")); }, pull(c) { c.error(new Error("boom")); } }))),
  "put, stream that breaks later": put(() => new Response(script(["hel", new RangeError("boom")]))),
  "put, stream that throws": put(() => new Response(new ReadableStream({ pull() { throw new TypeError("thrown"); } }))),
  "put, fixed length that is aborted": put(() => written(new FixedLengthStream(50), ["hel"], abort)),
  "put, fixed length too short": put(() => written(new FixedLengthStream(5), ["hel"], close)),
  "put, fixed length too long": put(() => written(new FixedLengthStream(5), ["hello world"], close)),
  "put, body that broke off": put(() => caches.default.match(`${U}broken`)),
  "put, 206": put(() => new Response("x", { status: 206 })),
  "put, 304": put(() => new Response(null, { status: 304 })),
  "put, Vary of all": put(() => new Response("x", { headers: { Vary: "*" } })),
  "put, Vary with all": put(() => new Response("x", { headers: { Vary: "Accept, *" } })),
  "put, Vary with a star in a name": put(() => new Response("x", { headers: { Vary: "a*b" } })),
  "put, two Vary": put(() => new Response("x", { headers: [["Vary", "a"], ["Vary", "*"]] })),
  "put, Vary": put(() => new Response("x", { headers: { Vary: "Accept" } })),
  "put, POST": put(() => new Response("x"), new Request(`${U}s204`, { method: "POST" })),
  "put, HEAD": put(() => new Response("x"), new Request(`${U}s204`, { method: "HEAD" })),
  "put, read": put(() => used(new Response("x"))),
  "put, locked": put(() => locked(new Response("x"))),
  "put, twice": async () => { const made = new Response("x"); await caches.default.put(`${U}s204`, made); return [made.bodyUsed, await caches.default.put(`${U}s204`, made).catch(told)]; },
  "put, error": put(() => Response.error()),
  "put, redirect": put(() => Response.redirect("http://a/b")),
  "put, cookies": put(() => new Response("x", { headers: [["Set-Cookie", "a=b"], ["Set-Cookie", "c=d"], ["Cache-Control", "private=Set-Cookie"]] })),
  "put, no-store": put(() => new Response("x", { headers: { "Cache-Control": "no-store" } })),
  "put, own framing": put(() => new Response("hello", { headers: { "Content-Length": "3", "Transfer-Encoding": "gzip", Connection: "close", "Keep-Alive": "x", Upgrade: "x", TE: "x", Trailer: "x", "Proxy-Connection": "x", Host: "x", Date: "x" } })),
  "put, encoded": put(() => new Response("hello".repeat(100), { headers: { "Content-Encoding": "deflate" } })),
  "put, gzip by script": put(() => new Response("hello", { headers: { "Content-Encoding": "gzip" }, encodeBody: "manual" })),
  "put, unknown encoding": put(() => new Response("hello", { headers: { "Content-Encoding": "zork" } })),
  "put, socket": put(socket),
  "put, nothing": () => caches.default.put(),
  "put, no response": () => caches.default.put(`${U}s204`),
  "put, text for a response": () => caches.default.put(`${U}s204`, "x"),
  "put, object for a response": () => caches.default.put(`${U}s204`, {}),
  "put, relative": put(() => new Response("x"), "/s204"),
  "put, data": put(() => new Response("x"), "data:,x"),
  "put, user": put(() => new Response("x"), "https://u:p@example.com/s204"),
  "put, fragment": put(() => new Response("x"), "https://example.com/s204?x=1#frag"),
  "put, blob": put(() => new Response(new Blob(["abc"], { type: "text/x" }))),
  "put, clone": async () => { const made = new Response("hello"); await caches.default.put(`${U}s204`, made.clone()); return made.text(); },
  "put, what was matched": put(() => caches.default.match(`${U}hit`)),
  "put, what was matched in chunks": put(() => caches.default.match(`${U}chunked`)),
  "put, Latin-1": put(() => new Response("x", { headers: { "X-U": "\xe9" }, statusText: "caf\xe9" })),
  "put, connection ends": put(() => new Response("x"), `${U}close`),
  "put, garbage": put(() => new Response("x"), `${U}garbage`),
  "put, 300 KiB": put(() => new Response("x".repeat(300 << 10))),
  "put, 300 KiB of script": put(() => new Response(script(["x".repeat(100 << 10), "y".repeat(100 << 10), "z".repeat(100 << 10)]))),
  "put, 206 and all": put(() => new Response("x", { status: 206, headers: { Vary: "*" } })),
  "put, 304 and all": put(() => new Response(null, { status: 304, headers: { Vary: "*" } })),
  "put, POST and 206": put(() => new Response("x", { status: 206 }), new Request("https://u:p@h/", { method: "POST" })),
  "put, user and 206": put(() => new Response("x", { status: 206 }), "https://u:p@h/s204"),
  "put, user and 304": put(() => new Response(null, { status: 304 }), "https://u:p@h/s204"),
  "put, user and read": put(() => used(new Response("x")), "https://u:p@h/s204"),
  "put, user and socket": put(socket, "https://u:p@h/s204"),
  "put, refused, then used": async () => { const made = new Response("x", { status: 206 }); await caches.default.put(`${U}s204`, made).catch(() => {}); return made.bodyUsed; },
  "put, wrong, then used": async () => { const made = new Response("x"); await caches.default.put("https://u:p@h/s204", made).catch(() => {}); return made.bodyUsed; },

  "delete, URL": del(`${U}ok`),
  "delete, fragment": del("https://example.com/ok?a#b"),
  "delete, user": del("https://u:p@example.com/ok"),
  "delete, headers": del(request("ok", { headers: { "X-Q": "1", Cookie: "a" } })),
  "delete, cf": del(request("ok", { cf: { cacheKey: "k" } })),
  "delete, POST": del(request("ok", { method: "POST", body: "x" })),
  "delete, POST, ignoreMethod": del(request("ok", { method: "POST", body: "x" }), { ignoreMethod: true }),
  "delete, HEAD": del(request("ok", { method: "HEAD" })),
  "delete, nothing": () => caches.default.delete(),
  "delete, relative": del("/x"),
  "delete, ignoreSearch": del(`${U}ok`, { ignoreSearch: true }),
  "delete, connection ends": del(`${U}close`),

  "open, then match": named("my cache/é", (cache) => cache.match(`${U}hit`)),
  "open, then put": named("a b%/é~!*'()", (cache) => cache.put(`${U}s204`, new Response("x"))),
  "open, then delete": named("n", (cache) => cache.delete(`${U}ok`)),
  "open, empty": named("", (cache) => cache.match(`${U}hit`)),
  "open, default": named("default", (cache) => cache.match(`${U}hit`)),
  "open, number": named(5, (cache) => cache.match(`${U}hit`)),
  "open, line ends": named("a\r\nb", (cache) => cache.match(`${U}hit`)),
  "open, nothing": () => caches.open(),
  "open, 1023 characters": named("x".repeat(1023), (cache) => cache instanceof Cache),
  "open, 1024 characters": named("x".repeat(1024), (cache) => cache instanceof Cache),
  "open, 511 letters of two bytes": named("é".repeat(511), (cache) => cache instanceof Cache),
  "open, 512 letters of two bytes": named("é".repeat(512), (cache) => cache instanceof Cache),
  "open, twice": async () => (await caches.open("a")) === (await caches.open("a")),
  "open, too long, when it throws": () => attempt(() => { caches.open("x".repeat(2000)).catch(() => {}); return "later"; }),
  "namespace of the request": match(request("hit", { headers: { "CF-Cache-Namespace": "evil" } })),
  "namespace of the request in a named one": named("n", (cache) => cache.match(new Request(`${U}hit`, { headers: { "CF-Cache-Namespace": "evil" } }))),

  "members": () => [Cache, CacheStorage].map((Class) => [Class.length, Object.getOwnPropertyNames(Class.prototype).sort(), Object.getPrototypeOf(Class.prototype) === Object.prototype]),
  "own members": () => [Object.getOwnPropertyNames(caches), Object.getOwnPropertyNames(caches.default), Object.getOwnPropertyDescriptor(caches, "default")],
  "global": () => { const { value, ...rest } = Object.getOwnPropertyDescriptor(globalThis, "caches"); return rest; },
  "default": () => [caches.default === caches.default, caches.default instanceof Cache, typeof caches.default],
  "assignment": () => attempt(() => { "use strict"; caches.default = 1; return "assigned"; }),
  "new Cache": () => attempt(() => new Cache()),
  "new CacheStorage": () => attempt(() => new CacheStorage()),
  ...Object.fromEntries(["add", "addAll", "matchAll", "keys"].map((name) => [`cache.${name}()`, () => attempt(() => caches.default[name]("x"))])),
  ...Object.fromEntries(["delete", "match", "has", "keys"].map((name) => [`caches.${name}()`, () => attempt(() => caches[name]("x"))])),
  "at start": () => globalThis.atStart,
};
for (const name of ["miss", "miss504", "hit504", "plain504", "none", "expired", "updating", "stale", "revalidated", "lower", "twice", "hit206", "hit304", "hit404", "hit302", "hit204", "chunked", "gzip", "broken", "brokenchunk", "garbage", "close", "s500", "long"]) {
  probes[`match, answer ${name}`] = match(U + name);
}
for (const status of [200, 201, 202, 204, 301, 400, 401, 403, 404, 405, 408, 409, 412, 413, 429, 431, 500, 502, 503, 507, 520]) {
  probes[`put, answer ${status}`] = put(() => new Response("x"), `${U}s${status}`);
  probes[`delete, answer ${status}`] = del(`${U}s${status}`);
}
globalThis.atStart = await caches.default.match(`${U}hit`).catch(told);

export default {
  async fetch(incoming) {
    const path = new URL(incoming.url).pathname;
    if (path === "/names") return Response.json(Object.keys(probes));
    const run = Object.values(probes)[Number(path.slice(1))];
    const seen = await (async () => show(await run()))().catch(told);
    return new Response(JSON.stringify(seen) ?? "undefined");
  },
};
