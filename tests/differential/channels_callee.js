import { WorkerEntrypoint } from "cloudflare:workers";

class Mine extends Error {
  constructor(message) {
    super(message);
    this.name = "Mine";
  }
}
const bytes = (text) => new TextEncoder().encode(text);
const stream = (...chunks) => new ReadableStream({ start(c) { for (const chunk of chunks) c.enqueue(bytes(chunk)); c.close(); } });
const log = [];
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const throws = {
  error: () => { throw new Error("boom"); },
  type: () => { throw new TypeError("a type"); },
  range: () => { throw new RangeError("a range"); },
  syntax: () => { throw new SyntaxError("a syntax"); },
  eval: () => { throw new EvalError("an eval"); },
  uri: () => { throw new URIError("a uri"); },
  aggregate: () => { throw new AggregateError([1, "x"], "all"); },
  dom: () => { throw new DOMException("a dom", "AbortError"); },
  plaindom: () => { throw new DOMException("a dom"); },
  clone: () => { structuredClone(() => {}); },
  own: () => { throw Object.assign(new RangeError("own"), { code: "E_OWN", list: [1, { a: null }], deep: { b: true } }); },
  hidden: () => { const error = new Error("hidden"); Object.defineProperty(error, "h", { value: 1 }); throw error; },
  getter: () => { const error = new Error("getter"); Object.defineProperty(error, "g", { get: () => 3, enumerable: true }); throw error; },
  badgetter: () => { const error = new Error("getter"); Object.defineProperty(error, "g", { get() { throw new Error("g"); }, enumerable: true }); throw error; },
  function: () => { throw Object.assign(new Error("function"), { f() {}, a: 1 }); },
  symbol: () => { throw Object.assign(new Error("symbol"), { [Symbol("s")]: 1 }); },
  named: () => { throw Object.assign(new Error("named"), { name: "Other" }); },
  cause: () => { throw new TypeError("outer", { cause: new RangeError("inner", { cause: new Error("innermost") }) }); },
  causeofown: () => { throw new Error("outer", { cause: Object.assign(new Error("inner"), { code: 7 }) }); },
  causeofnone: () => { throw new Error("outer", { cause: { a: [1] } }); },
  itself: () => { const error = new Error("itself"); error.cause = error; throw error; },
  retryable: () => { throw Object.assign(new Error("retryable"), { retryable: true, overloaded: true }); },
  notretryable: () => { throw Object.assign(new Error("not"), { retryable: 1, overloaded: false }); },
  remote: () => { throw Object.assign(new Error("remote"), { remote: false }); },
  frozen: () => { throw Object.freeze(new Error("frozen")); },
  stack: () => { throw Object.assign(new Error("stack"), { stack: "mine" }); },
  later: async () => { await sleep(1); throw new Error("later"); },
  text: () => { throw "a text"; },
  empty: () => { throw new Error(); },
  colon: () => { throw new Error("one: two: three"); },
  mine: () => { throw new Mine("my own"); },
  hang: () => new Promise(() => {}),
  wrong: () => "no response",
  network: () => Response.error(),
};
const answers = {
  null: () => new Response(null),
  empty: () => new Response(""),
  text: () => new Response("text"),
  204: () => new Response(null, { status: 204 }),
  205: () => new Response(null, { status: 205 }),
  304: () => new Response(null, { status: 304 }),
  299: () => new Response("x", { status: 299, statusText: "Fine" }),
  404: () => new Response("none", { status: 404 }),
  500: () => new Response("broken", { status: 500 }),
  599: () => new Response("last", { status: 599 }),
  stream: () => new Response(stream("a", "b", "c")),
  long: () => new Response("x".repeat(300_000)),
  longstream: () => new Response(stream(..."abcdef".split("").map((c) => c.repeat(100_000)))),
  fixed: () => { const { readable, writable } = new FixedLengthStream(3); const w = writable.getWriter(); w.write(bytes("abc")); w.close(); return new Response(readable); },
  json: () => Response.json({ a: [1, null] }),
  cookies: () => new Response("x", { headers: [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x-a", "1"], ["x-a", "2"]] }),
  bytes: () => new Response(new Uint8Array([0, 255, 128])),
  gzip: () => new Response("hello ".repeat(100), { headers: { "content-encoding": "gzip" } }),
  gzipstream: () => new Response(stream("hello ", "hello"), { headers: { "content-encoding": "gzip" } }),
  brotli: () => new Response("hello ".repeat(100), { headers: { "content-encoding": "br" } }),
  deflate: () => new Response("as it is", { headers: { "content-encoding": "deflate" } }),
};
export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    const [, kind, name] = url.pathname.split("/");
    if (kind === "throw") return throws[name]();
    if (kind === "answer") return answers[name]();
    if (kind === "redirect") {
      const location = url.searchParams.get("to");
      return new Response("moved", { status: Number(name), headers: location === null ? {} : { location } });
    }
    if (kind === "loop") {
      const n = Number(url.searchParams.get("n") ?? 0);
      const last = Number(url.searchParams.get("last") ?? 1000);
      return n < last ? new Response(null, { status: 302, headers: { location: `/loop?n=${n + 1}&last=${last}` } }) : new Response("there");
    }
    if (kind === "slow") { await sleep(60_000); return new Response("slow"); }
    if (kind === "slowbody") return new Response(new ReadableStream({ async pull(c) { c.enqueue(bytes("x")); await sleep(60_000); c.close(); } }));
    if (kind === "watched") {
      const say = (text) => log.push(text);
      request.signal.addEventListener("abort", () => say(`aborted: ${request.signal.reason}`));
      return new Response(new ReadableStream({ async pull(c) { await sleep(1); c.enqueue(bytes("x")); }, cancel(reason) { say(`cancelled: ${reason}`); } }));
    }
    if (kind === "log") return Response.json(log.splice(0));
    if (kind === "early") { const reader = request.body.getReader(); const { value } = await reader.read(); ctx.waitUntil(reader.cancel()); return new Response(value); }
    if (kind === "ignore") return new Response("ignored");
    return Response.json({
      url: request.url, method: request.method, headers: [...request.headers], cf: request.cf ?? null, redirect: request.redirect,
      body: request.body === null ? null : await request.text(), props: ctx.props,
    });
  },
};
export class Named extends WorkerEntrypoint {
  fetch(request) { return Response.json({ named: request.url, props: this.ctx.props }); }
}
export const plain = { fetch(request, env, ctx) { return Response.json({ plain: request.url, props: ctx.props }); } };
export const mute = { scheduled() {} };
