const bytes = (text) => new TextEncoder().encode(text);
const stream = (...chunks) => new ReadableStream({ start(c) { for (const chunk of chunks) c.enqueue(bytes(chunk)); c.close(); } });
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const sum = (text) => (text.length < 2000 ? text : `${text.length} of ${text[0]} to ${text[text.length - 1]}`);
const seen = async (response) => ({
  status: response.status, statusText: response.statusText, ok: response.ok, url: response.url, redirected: response.redirected,
  type: response.type, headers: [...response.headers], null: response.body === null, body: sum(await response.text()),
});
const bodies = {
  none: () => undefined, empty: () => "", text: () => "a text", bytes: () => new Uint8Array([1, 2, 255]), stream: () => stream("one", "two"),
  params: () => new URLSearchParams("a=1&b=2"), blob: () => new Blob(["blob"], { type: "x/y" }), long: () => "y".repeat(200_000),
  longstream: () => stream("y".repeat(100_000), "z".repeat(100_000)),
};
const cases = {};
const headers = { authorization: "A", cookie: "c=1", "content-type": "text/x", "content-language": "de", "x-a": "1" };

for (const method of ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PURGE"]) {
  for (const [kind, body] of Object.entries(bodies)) {
    if (["GET", "HEAD"].includes(method) && kind !== "none") continue;
    if (["DELETE", "PATCH", "OPTIONS", "PURGE"].includes(method) && !["none", "text", "stream"].includes(kind)) continue;
    cases[`send ${method} ${kind}`] = async () => {
      const shown = await seen(await fetch("http://a.test/p?q=1", { method, body: body() }));
      return shown.body.length > 3000 ? shown.body.length : shown;
    };
  }
}
for (const code of [300, 301, 302, 303, 305, 307, 308]) {
  for (const method of ["GET", "HEAD", "POST", "PUT", "DELETE"]) {
    const body = ["POST", "PUT"].includes(method) ? "a text" : undefined;
    cases[`redirect ${code} ${method}`] = async () => seen(await fetch(`http://a.test/redirect/${code}?to=/land`, { method, body, headers }));
  }
  cases[`redirect ${code} manual`] = async () => seen(await fetch(`http://a.test/redirect/${code}?to=/land`, { redirect: "manual" }));
  cases[`redirect ${code} no location`] = async () => seen(await fetch(`http://a.test/redirect/${code}`));
  cases[`redirect ${code} of a stream`] = async () => seen(await fetch(`http://a.test/redirect/${code}?to=/land`, { method: "POST", body: stream("x") }));
}
for (const to of ["http://other.test/p", "https://a.test/p", "http://a.test:80/p", "http://a.test:81/p", "//other.test/", "?only=query", "p", "../p", "%2Fland%23fragment", "http://", "http://u:p@a.test/"]) {
  cases[`redirect to ${to}`] = async () => seen(await fetch(`http://a.test/redirect/302?to=${encodeURIComponent(decodeURIComponent(to))}`, { headers }));
}
for (const last of [1, 19, 20, 21]) cases[`redirects ${last}`] = async () => seen(await fetch(`http://a.test/loop?last=${last}`));
for (const name of ["null", "empty", "text", "204", "205", "304", "299", "404", "500", "599", "stream", "long", "longstream", "fixed", "json", "cookies", "bytes", "gzip", "gzipstream", "brotli", "deflate"]) {
  const url = `http://a.test/answer/${name}`;
  cases[`answer ${name}`] = async (env) => seen(await env.CALLEE.fetch(url));
  cases[`answer ${name} to HEAD`] = async (env) => seen(await env.CALLEE.fetch(url, { method: "HEAD" }));
  cases[`answer ${name} passed on`] = (env) => env.CALLEE.fetch(url);
  cases[`answer ${name} in another`] = async (env) => { const r = await env.CALLEE.fetch(url); return new Response(r.body, r.status === 200 ? {} : { status: r.status }); };
  cases[`answer ${name} copied`] = async (env) => { const r = await env.CALLEE.fetch(url); const copy = r.clone(); return [await seen(copy), await seen(r)]; };
  cases[`answer ${name} by a reader`] = async (env) => { const r = await env.CALLEE.fetch(url); let n = 0; if (r.body) for await (const chunk of r.body) n += chunk.byteLength; return n; };
}
for (const name of ["error", "type", "range", "syntax", "later", "text", "empty", "colon", "mine", "hang", "wrong", "network", "eval", "uri", "aggregate", "dom", "plaindom", "clone", "own", "hidden", "getter", "badgetter", "function", "symbol", "named", "cause", "causeofown", "causeofnone", "itself", "retryable", "notretryable", "remote", "frozen", "stack"]) {
  cases[`throws ${name}`] = (env) => env.CALLEE.fetch(`http://a.test/throw/${name}`);
}
const more = {
  "named": async (env) => (await env.NAMED.fetch("http://a.test/n")).json(),
  "plain": async (env) => (await env.PLAIN.fetch("http://a.test/n")).json(),
  "mute": (env) => env.MUTE.fetch("http://a.test/"),
  "self": async (env) => (await env.SELF.fetch("http://a.test/plain")).json(),
  "at once": async (env) => { const all = await Promise.all(Array.from({ length: 50 }, (_, i) => env.CALLEE.fetch(`http://a.test/?${i}`))); return Promise.all(all.map(async (r) => (await r.json()).url)); },
  "fetcher of a request": async (env) => { const r = new Request("http://a.test/f", { fetcher: env.NAMED }); return [r.fetcher === env.NAMED, r.clone().fetcher === env.NAMED, new Request(r).fetcher === env.NAMED, await (await fetch(r)).json()]; },
  "fetcher of an init": async (env) => (await fetch("http://a.test/f", { fetcher: env.NAMED })).json(),
  "fetcher null": async (env) => (await fetch(new Request("http://a.test/f", { fetcher: env.NAMED }), { fetcher: null })).json(),
  "fetcher wrong": () => fetch("http://a.test/f", { fetcher: {} }),
  "binding over fetcher": async (env) => (await env.PLAIN.fetch(new Request("http://a.test/f", { fetcher: env.NAMED }))).json(),
  "look": (env) => [String(env.CALLEE), env.CALLEE.constructor.name, Object.keys(env.CALLEE), JSON.stringify(env.CALLEE), typeof Fetcher, typeof env.CALLEE.fetch, typeof env.CALLEE.connect, env.CALLEE.then],
  "new": (env) => new env.CALLEE.constructor(),
  "no argument": (env) => env.CALLEE.fetch(),
  "relative": (env) => env.CALLEE.fetch("/p"),
  "relative global": () => fetch("/p"),
  "unknown scheme": () => fetch("foo://a/"),
  "unknown scheme of a binding": (env) => env.CALLEE.fetch("foo://a/"),
  "no host": () => fetch("http://"),
  "port": (env) => env.CALLEE.fetch("https://a:99999/"),
  "method": () => fetch("http://a.test/", { method: "BREW" }),
  "method small": async () => (await (await fetch("http://a.test/", { method: "post" })).json()).method,
  "body of GET": () => fetch("http://a.test/", { body: "x" }),
  "credentials and fragment": async () => seen(await fetch("http://u:p@A.test:80/a/../b?q#f")),
  "headers": async () => (await fetch("http://a.test/", { headers: [["x-b", "1"], ["X-B", "2"], ["x-é", "ü"]].slice(0, 2) })).json(),
  "latin": async () => (await fetch("http://a.test/", { headers: { "x-a": "\u00fc" } })).json(),
  "cf": async () => (await (await fetch("http://a.test/", { cf: { a: [1, { b: "c" }] } })).json()).cf,
  "cf of a request": async () => (await (await fetch(new Request("http://a.test/", { cf: { a: 1 } }))).json()).cf,
  "cache no-store": async () => (await fetch("http://a.test/", { cache: "no-store" })).json(),
  "cache no-store with cf": async () => (await fetch("http://a.test/", { cache: "no-store", cf: { cacheTtl: 5, x: 1 } })).json(),
  "cache no-cache": async () => (await fetch("http://a.test/", { cache: "no-cache" })).json(),
  "cache with headers": async () => (await fetch("http://a.test/", { cache: "no-store", headers: { pragma: "p", "cache-control": "c" } })).json(),
  ...Object.fromEntries([0, -1, -5, 5, 1.5, "5", null, true, NaN, 2 ** 31, undefined, {}].map((cacheTtl) => [`cacheTtl ${JSON.stringify(cacheTtl) ?? cacheTtl} ${typeof cacheTtl}`, async () => (await (await fetch("http://a.test/", { cf: { cacheTtl } })).json()).cf])),
  ...Object.fromEntries(["no-store", "no-cache", "reload", "default", "force-cache", "only-if-cached"].flatMap((cache) => [
    ...[{ a: 1 }, { cacheTtl: 5 }, { cacheTtl: -1 }, { cacheControl: "max-age=3" }, { cacheControl: "x", cacheTtl: 1 }, { cacheLevel: "x", cacheForceRevalidate: false }].map((cf) => [`cache ${cache} with ${JSON.stringify(cf)}`, async () => (await fetch("http://a.test/", { cache, cf })).json()]),
    [`cache ${cache} copied`, () => { const request = new Request("http://a.test/", { cache, cf: { a: 1 } }), copy = request.clone(), again = new Request(request, { cf: { b: 1 } }); return [copy.cache, copy.cf, again.cache, again.cf, new Request(request, { cache: undefined }).cache]; }],
    [`cache ${cache} and cf later`, async () => { const request = new Request("http://a.test/", { cache, cf: { a: 1 } }); request.cf.cacheControl = "x"; return (await fetch(request)).json(); }],
  ])),
  "cacheControl": async () => (await (await fetch("http://a.test/", { cf: { cacheControl: "max-age=3" } })).json()).cf,
  "cacheControl and cacheTtl": () => new Request("http://a.test/", { cf: { cacheControl: "max-age=3", cacheTtl: 3 } }).cf,
  "cacheControl null and cacheTtl": () => new Request("http://a.test/", { cf: { cacheControl: null, cacheTtl: 3 } }).cf,
  "cacheControl and cacheTtl later": async () => { const request = new Request("http://a.test/", { cf: { cacheControl: "a" } }); request.cf.cacheTtl = 3; return (await (await fetch(request)).json()).cf; },
  "cacheControl and cacheTtl before the method": () => new Request("http://a.test/", { method: "BREW", cache: "no-store", cf: { cacheControl: "a", cacheTtl: 1 } }),
  "cacheControl of a response": () => new Response("", { cf: { cacheControl: "x", cacheTtl: 1 } }).cf,
  "cache reload": () => fetch("http://a.test/", { cache: "reload" }),
  "immutable": async () => { (await fetch("http://a.test/answer/text")).headers.set("a", "b"); },
  "mutable copy": async () => { const r = new Response("x", await fetch("http://a.test/answer/text")); r.headers.set("a", "b"); return [...r.headers, r.url]; },
  "twice": async () => { const r = await fetch("http://a.test/answer/text"); return [await r.text(), r.bodyUsed, await r.text()]; },
  "request used": async () => { const r = new Request("http://a.test/", { method: "POST", body: "x" }); await fetch(r); return [r.bodyUsed, await fetch(r)]; },
  "request locked": () => { const r = new Request("http://a.test/", { method: "POST", body: "x" }); r.body.getReader(); return fetch(r); },
  "request read": async () => { const r = new Request("http://a.test/", { method: "POST", body: "x" }); await r.text(); return fetch(r); },
  "request copied": async () => { const r = new Request("http://a.test/", { method: "POST", body: "x" }); return [await (await fetch(r.clone())).json(), await (await fetch(r)).json()]; },
  "request and init": async () => (await fetch(new Request("http://a.test/", { method: "POST", body: "x", headers: { a: "b" } }), { method: "PUT", body: "y" })).json(),
  "aborted": () => fetch("http://a.test/", { signal: AbortSignal.abort(new Error("why")) }),
  "aborted without a reason": () => fetch("http://a.test/", { signal: AbortSignal.abort() }),
  "aborted later": (env) => { const c = new AbortController(); setTimeout(() => c.abort(new Error("why")), 20); return env.CALLEE.fetch("http://a.test/slow", { signal: c.signal }); },
  "aborted with a text": (env) => { const c = new AbortController(); setTimeout(() => c.abort("why"), 20); return env.CALLEE.fetch("http://a.test/slow", { signal: c.signal }); },
  "timeout": async (env) => { try { await env.CALLEE.fetch("http://a.test/slow", { signal: AbortSignal.timeout(20) }); } catch (e) { return [e.name, e.message]; } },
  "aborted body": async (env) => { const c = new AbortController(); const r = await env.CALLEE.fetch("http://a.test/slowbody", { signal: c.signal }); setTimeout(() => c.abort(new Error("why")), 20); return r.text(); },
  "aborted after the end": async (env) => { const c = new AbortController(); const r = await env.CALLEE.fetch("http://a.test/answer/text", { signal: c.signal }); const text = await r.text(); c.abort(); return text; },
  "cancelled body": async (env) => { const r = await env.CALLEE.fetch("http://a.test/watched"); const reader = r.body.getReader(); await reader.read(); await reader.cancel("enough"); let log = []; while (log.length < 2) { await sleep(5); log.push(...await (await env.CALLEE.fetch("http://a.test/log")).json()); } return log.sort(); },
  "early answer": async (env) => { let cancelled = false; const body = new ReadableStream({ async pull(c) { await sleep(1); c.enqueue(bytes("first")); }, cancel() { cancelled = true; } }); const r = await env.CALLEE.fetch("http://a.test/early", { method: "POST", body }); return sum(await r.text()).slice(0, 5); },
  "ignored body": async (env) => seen(await env.CALLEE.fetch("http://a.test/ignore", { method: "POST", body: stream("x") })),
  "body of chunks of text": async () => (await fetch("http://a.test/", { method: "POST", body: new ReadableStream({ start(c) { c.enqueue(bytes("ab")); c.enqueue(new Uint16Array([0x6463]).buffer); c.close(); } }) })).json(),
  "fixed length": async () => { const { readable, writable } = new FixedLengthStream(3); const w = writable.getWriter(); const wrote = w.write(bytes("abc")).then(() => w.close()); const r = await fetch("http://a.test/", { method: "POST", body: readable }); await wrote; return r.json(); },
  "identity": async () => { const { readable, writable } = new IdentityTransformStream(); const w = writable.getWriter(); const wrote = w.write(bytes("abc")).then(() => w.close()); const r = await fetch("http://a.test/", { method: "POST", body: readable }); await wrote; return r.json(); },
  "response as a body": async (env) => { const r = await env.CALLEE.fetch("http://a.test/answer/longstream"); return (await (await fetch("http://a.test/", { method: "POST", body: r.body })).text()).length; },
  "raw": async (env) => [...await (await env.CALLEE.fetch("http://a.test/answer/gzip", { encodeResponseBody: "manual" })).bytes()].slice(0, 2),
};
Object.assign(cases, more);
const data = ["data:text/plain,hi", "data:,", "data:,a%20b%zz%2", "data:;base64,aGk=", "data:;base64,aGk", "data:;base64,aGk==", "data:;base64,a Gk=", "data:;base64,aG!k", "data:;base64,a", "data:;base64,aGk=aGk=", "data:;base64,%61Gk%3D", "data:;base64,aGk=%20", "data:;BASE64,aGk=", "data:; base64,aGk=", "data:text/plain; base64,aGk=", "data:text/plain;base64 ,aGk=", "data:text/plain;base64;x=y,aGk=", "data:text/plain;x=y;base64,aGk=", "data:base64,aGk=", "data:TEXT/Plain;Charset=X,a", "data:text/plain;charset=utf-8;,a", "data:nonsense,a", "data: text/html ,a", "data:text/html;a=\"b c\",x", "data:;charset=x,a", "data:text/plain,%FF%00", "data:text/plain,é", "data:text/plain,a?b#c", "data:text/plain,a,b", "data:///x/y,z", "data://host/x,z", "data:nocomma", "data:#,x", "data:text/plain;base64,_-8", "data:%74ext/plain,a", "data:text/plain%3Bbase64,aGk="];
for (const url of data) cases[`of itself ${url}`] = async (env) => { const r = await env.CALLEE.fetch(url); return [r.status, r.statusText, r.url, r.redirected, r.body === null, [...r.headers], [...new Uint8Array(await r.arrayBuffer())]]; };
for (const method of ["GET", "HEAD", "POST"]) cases[`of itself by ${method}`] = async () => { const r = await fetch(new Request("data:,hi", { method })); r.headers.set("x", "y"); return [r.body === null, [...r.headers], await r.text()]; };
// What HTTP cannot carry ends the call, and not the worker.
cases["long url"] = async (env) => (await (await env.CALLEE.fetch(`http://a.test/${"a".repeat(70000)}`)).json()).url.length;
for (const host of ["a`b.test", "a{b}.test", 'a"b.test', "a_b.test", "xn--a.test"]) cases[`host ${host}`] = async (env) => seen(await env.CALLEE.fetch(`http://${host}/`));

export default {
  async fetch(request, env, ctx) {
    const path = new URL(request.url).pathname.slice(1);
    if (path === "names") return Response.json(Object.keys(cases));
    if (path === "plain") return Response.json({ plain: true });
    const name = Object.keys(cases)[Number(path)];
    try {
      const value = await cases[name](env, ctx);
      return value instanceof Response ? value : Response.json(value ?? null);
    } catch (error) {
      // What a `DOMException` has of its own is another matter.
      const own = (error, depth = 0) => (error instanceof DOMException ? [] : Reflect.ownKeys(error).filter((key) => !["stack", "remote", "retryable", "overloaded"].includes(key)).sort().map((key) => [String(key), error[key] instanceof Error && depth < 5 ? [error[key].constructor.name, own(error[key], depth + 1)] : error[key]]));
      const fields = typeof error === "object" && error !== null ? [error.name, error.message, error.remote ?? null, error.constructor.name, error.code ?? null, error.retryable ?? null, error.overloaded ?? null, own(error)] : [];
      return Response.json(["thrown", String(error), ...fields]);
    }
  },
};
