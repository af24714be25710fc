//! Responses and requests as bytes: framing, header names, faults.

use std::{
    io::{Read as _, Write as _},
    net::Shutdown,
};

use bulkhead_test_support::http::{Connection, Response};
use bulkhead_test_support::{Runtime, Server, Setup, runtime::wait_until};

use super::applications::describe;
use bulkhead_test_support::expectations::{Observation, check};

const WORKER: &str = r#"
const bytes = (text) => new TextEncoder().encode(text);
const stream = (...chunks) => new ReadableStream({ start(c) { for (const chunk of chunks) c.enqueue(bytes(chunk)); c.close(); } });
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const acknowledged = [];
const note = (promise) => promise.then((text) => acknowledged.push("read " + text.length), (error) => acknowledged.push(String(error)));
const answers = {
  acknowledge: (r, e, ctx) => { ctx.waitUntil(note(r.text())); return new Response("accepted", { status: 202 }); },
  "acknowledge-stream": (r, e, ctx) => { ctx.waitUntil(note(r.text())); return new Response(stream("accepted"), { status: 202 }); },
  "acknowledge-late": (r, e, ctx) => { ctx.waitUntil(note(wait(500).then(() => r.text()))); return new Response("accepted", { status: 202 }); },
  acknowledged: () => Response.json(acknowledged.splice(0)),
  text: () => new Response("hello"),
  empty: () => new Response(""),
  null: () => new Response(null),
  none: () => new Response(),
  "204": () => new Response(null, { status: 204 }),
  "205": () => new Response(null, { status: 205 }),
  "304": () => new Response(null, { status: 304, headers: { etag: '"x"' } }),
  "304-length": () => new Response(null, { status: 304, headers: { "Content-Length": "7" } }),
  "200-length": () => new Response(null, { headers: { "Content-Length": "7" } }),
  "205-length": () => new Response(null, { status: 205, headers: { "Content-Length": "7" } }),
  "404-length": () => new Response("missing", { status: 404, headers: { "Content-Length": "9" } }),
  "stream-nine": () => new Response(stream("abcd"), { headers: { "Content-Length": "9" } }),
  refuse: () => new Response("not today", { status: 401 }),
  first: async (r) => { await r.body.getReader().read(); return new Response("enough"); },
  "299": () => new Response("x", { status: 299 }),
  "404": () => new Response("missing", { status: 404 }),
  "418": () => new Response("x", { status: 418 }),
  "599": () => new Response("x", { status: 599 }),
  "600": () => new Response("x", { status: 600 }),
  reason: () => new Response("x", { statusText: "Quite Fine" }),
  json: () => Response.json({ a: [1] }),
  bytes: () => new Response(new Uint8Array([0, 255])),
  params: () => new Response(new URLSearchParams({ a: "b c" })),
  stream: () => new Response(stream("ab", "cd")),
  "stream-slow": () => { const t = new TransformStream(); (async () => { const w = t.writable.getWriter(); for (const c of ["a", "b"]) { await wait(20); await w.write(bytes(c)); } await w.close(); })(); return new Response(t.readable); },
  "stream-length": () => new Response(stream("abcd"), { headers: { "Content-Length": "4" } }),
  "stream-204": () => new Response(stream("abcd").pipeThrough(new TransformStream()), { headers: { "X-A": "1" } }),
  fixed: () => { const t = new FixedLengthStream(2); const w = t.writable.getWriter(); w.write(bytes("xy")); w.close(); return new Response(t.readable); },
  echo: (r) => new Response(r.body),
  clone: (request) => new Response(request.clone().body),
  read: async (r) => new Response(await r.text()),
  ignore: () => new Response("ignored the body"),
  headers: () => new Response("x", { headers: [["X-A", "1"], ["x-a", "2"], ["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"], ["b", ""]] }),
  "wrong-length": () => new Response("x", { headers: { "Content-Length": "9" } }),
  "own-encoding": () => new Response("x", { headers: { "Transfer-Encoding": "gzip" } }),
  "own-connection": () => new Response("x", { headers: { Connection: "close" } }),
  "own-date": () => new Response("x", { headers: { "X-Date": "yesterday", Server: "mine" } }),
  "latin-1": () => new Response("x", { headers: { "X-A": "\u00e9" } }),
  redirect: () => Response.redirect("http://example.com/", 302),
  seen: (r) => Response.json({ method: r.method, url: r.url, headers: [...r.headers], body: r.body === null }),
  cf: (r) => Response.json(Object.keys(r.cf ?? {})),
  throw: () => { throw new Error("boom"); },
  "throw-later": async () => { await wait(1); throw new TypeError("boom"); },
  "throw-string": () => { throw "text"; },
  undefined: () => undefined,
  string: () => "no response",
  hang: () => new Promise(() => {}),
  "pass-through": (r, e, ctx) => { ctx.passThroughOnException(); throw new Error("boom"); },
  "stream-throws-first": () => new Response(new ReadableStream({ pull() { throw new Error("boom"); } })),
  "stream-throws-later": () => { let n = 0; return new Response(new ReadableStream({ async pull(c) { if (n++) throw new Error("boom"); c.enqueue(bytes("ab")); } })); },
  "used-body": async (r) => { const x = new Response("x"); await x.text(); return x; },
  "response-twice": () => { globalThis.kept ??= new Response("kept"); return globalThis.kept; },
  "wait-until": (r, e, ctx) => { ctx.waitUntil(wait(5)); return new Response("at once"); },
  "wait-until-rejects": (r, e, ctx) => { ctx.waitUntil(Promise.reject(new Error("late"))); return new Response("at once"); },
  "unhandled": () => { Promise.reject(new Error("nobody cares")); return new Response("fine"); },
  "timer-throws": async () => { setTimeout(() => { throw new Error("timer"); }, 1); await wait(15); return new Response("fine"); },
  gzip: () => new Response("hello ".repeat(1000), { headers: { "Content-Encoding": "gzip" } }),
  br: () => new Response("hello ".repeat(1000), { headers: { "Content-Encoding": "br" } }),
  "gzip-long": () => new Response("hello ".repeat(200000), { headers: { "Content-Encoding": "gzip" } }),
  "br-long": () => new Response("hello ".repeat(200000), { headers: { "Content-Encoding": "br" } }),
  "gzip-other-case": () => new Response("hello", { headers: { "Content-Encoding": "GZIP" } }),
  "gzip-and-br": () => new Response("hello", { headers: { "Content-Encoding": "gzip, br" } }),
  "gzip-space": () => new Response("hello", { headers: { "Content-Encoding": " gzip " } }),
  "gzip-length": () => new Response("hello", { headers: { "Content-Encoding": "gzip", "Content-Length": "5" } }),
  "gzip-stream": () => new Response(stream("ab", "cd"), { headers: { "Content-Encoding": "gzip" } }),
  "br-stream": () => new Response(stream("ab", "cd"), { headers: { "Content-Encoding": "br" } }),
  "gzip-fixed": () => { const t = new FixedLengthStream(2); const w = t.writable.getWriter(); w.write(bytes("xy")); w.close(); return new Response(t.readable, { headers: { "Content-Encoding": "gzip" } }); },
  "gzip-slow": () => { const t = new TransformStream(); (async () => { const w = t.writable.getWriter(); for (const c of ["a", "b"]) { await wait(20); await w.write(bytes(c)); } await w.close(); })(); return new Response(t.readable, { headers: { "Content-Encoding": "gzip" } }); },
  "gzip-empty": () => new Response("", { headers: { "Content-Encoding": "gzip" } }),
  "gzip-empty-stream": () => new Response(stream(), { headers: { "Content-Encoding": "gzip" } }),
  "gzip-null": () => new Response(null, { headers: { "Content-Encoding": "gzip" } }),
  "gzip-304": () => new Response(null, { status: 304, headers: { "Content-Encoding": "gzip" } }),
  "gzip-manual": () => new Response("hello", { headers: { "Content-Encoding": "gzip" }, encodeBody: "manual" }),
  "gzip-echo": (r) => new Response(r.body, { headers: { "Content-Encoding": "gzip" } }),
  "gzip-copy": () => new Response("hello", new Response(null, { headers: { "Content-Encoding": "gzip" }, encodeBody: "manual" })),
  "gzip-compressed": () => new Response(stream("hello").pipeThrough(new CompressionStream("gzip")), { headers: { "Content-Encoding": "gzip" }, encodeBody: "manual" }),
  deflate: () => new Response("hello", { headers: { "Content-Encoding": "deflate" } }),
  "respond-after-timer": async () => { await wait(5); return new Response("later"); },
};
export default {
  async fetch(request, env, ctx) {
    const answer = answers[new URL(request.url).pathname.slice(1)];
    return answer ? answer(request, env, ctx) : new Response("unknown", { status: 404 });
  },
};
"#;

/// What is asked of every answer with `GET`.
const ANSWERS: &[&str] = &[
    "text",
    "empty",
    "null",
    "none",
    "204",
    "205",
    "304",
    "304-length",
    "200-length",
    "205-length",
    "404-length",
    "stream-nine",
    "299",
    "404",
    "418",
    "599",
    "600",
    "reason",
    "json",
    "bytes",
    "params",
    "stream",
    "stream-slow",
    "stream-length",
    "stream-204",
    "fixed",
    "echo",
    "read",
    "ignore",
    "headers",
    "wrong-length",
    "own-encoding",
    "own-connection",
    "own-date",
    "latin-1",
    "redirect",
    "seen",
    "cf",
    "throw",
    "throw-later",
    "throw-string",
    "undefined",
    "string",
    "hang",
    "pass-through",
    "stream-throws-first",
    "stream-throws-later",
    "used-body",
    "response-twice",
    "response-twice",
    "wait-until",
    "wait-until-rejects",
    "unhandled",
    "timer-throws",
    "respond-after-timer",
];

/// Requests as bytes, with how many responses they ask for.
const REQUESTS: &[(&str, &str, usize)] = &[
    ("http 1.0", "GET /text HTTP/1.0\r\nHost: h\r\n\r\n", 1),
    ("http 1.0 without host", "GET /text HTTP/1.0\r\n\r\n", 1),
    ("http 1.0 stream", "GET /stream HTTP/1.0\r\nHost: h\r\n\r\n", 1),
    ("http 1.0 keep-alive", "GET /text HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n", 1),
    ("connection close", "GET /text HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 1),
    ("body with a length", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", 1),
    (
        "body in chunks",
        "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: x\r\n\r\n",
        1,
    ),
    (
        "body in chunks, read",
        "POST /read HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        1,
    ),
    ("empty body", "POST /seen HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", 1),
    ("post without a body", "POST /seen HTTP/1.1\r\nHost: h\r\n\r\n", 1),
    ("get with a body", "GET /read HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", 1),
    ("expect continue", "POST /read HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", 1),
    ("expect nonsense", "POST /read HTTP/1.1\r\nHost: h\r\nExpect: nonsense\r\nContent-Length: 3\r\n\r\nabc", 1),
    (
        "pipelined",
        "GET /text HTTP/1.1\r\nHost: h\r\n\r\nGET /json HTTP/1.1\r\nHost: h\r\n\r\nGET /stream HTTP/1.1\r\nHost: h\r\n\r\n",
        3,
    ),
    (
        "pipelined after an unread body",
        "POST /ignore HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET /text HTTP/1.1\r\nHost: h\r\n\r\n",
        2,
    ),
    ("headers repeated", "GET /seen HTTP/1.1\r\nHost: h\r\nX-B: 1\r\nx-b: 2\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n", 1),
    ("header in latin-1", "GET /seen HTTP/1.1\r\nHost: h\r\nX: caf\u{e9}\r\n\r\n", 1),
    ("header without a value", "GET /seen HTTP/1.1\r\nHost: h\r\nX:\r\n\r\n", 1),
    ("header with spaces around", "GET /seen HTTP/1.1\r\nHost: h\r\nX: \t a b \t\r\n\r\n", 1),
    ("absolute target", "GET http://other.example/seen?q HTTP/1.1\r\nHost: h\r\n\r\n", 1),
    ("host with a port", "GET /seen HTTP/1.1\r\nHost: example.com:8080\r\n\r\n", 1),
    ("host in capitals", "GET /seen HTTP/1.1\r\nHost: EXAMPLE.com\r\n\r\n", 1),
    ("target with an encoded query", "GET /seen?a=%20b+c&d=%zz HTTP/1.1\r\nHost: h\r\n\r\n", 1),
    ("target with dots", "GET /a/../seen HTTP/1.1\r\nHost: h\r\n\r\n", 1),
    ("target with odd characters", "GET /seen?a|b\"c<d>{e} HTTP/1.1\r\nHost: h\r\n\r\n", 1),
    (
        "methods",
        "PUT /seen HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\nPATCH /seen HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\nDELETE /seen HTTP/1.1\r\nHost: h\r\n\r\nOPTIONS /seen HTTP/1.1\r\nHost: h\r\n\r\n",
        4,
    ),
    (
        "webdav methods",
        "PROPFIND /seen HTTP/1.1\r\nHost: h\r\n\r\nMKCOL /seen HTTP/1.1\r\nHost: h\r\n\r\nPURGE /seen HTTP/1.1\r\nHost: h\r\n\r\n",
        3,
    ),
    ("options for the server", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 1),
    ("unknown method", "FOO /seen HTTP/1.1\r\nHost: h\r\n\r\n", 1),
    ("lower-case method", "get /seen HTTP/1.1\r\nHost: h\r\n\r\n", 1),
    ("no host", "GET /text HTTP/1.1\r\n\r\n", 1),
    ("no version", "GET /text\r\n\r\n", 1),
    ("unknown version", "GET /text HTTP/3.7\r\nHost: h\r\n\r\n", 1),
    ("garbage", "GARBAGE\r\n\r\n", 1),
    ("header with a space in its name", "GET /text HTTP/1.1\r\nHost: h\r\nBad Header: x\r\n\r\n", 1),
    ("folded header", "GET /text HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", 1),
    ("header without a colon", "GET /text HTTP/1.1\r\nHost: h\r\nnonsense\r\n\r\n", 1),
    ("length that is no number", "POST /read HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", 1),
    ("two lengths", "POST /read HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 1),
    (
        "length and chunks",
        "POST /read HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        1,
    ),
    ("chunk size that is no number", "POST /read HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", 1),
    ("unknown transfer encoding", "POST /read HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: nonsense\r\n\r\n", 1),
    ("line feeds only", "GET /text HTTP/1.1\nHost: h\n\n", 1),
    ("empty line first", "\r\nGET /text HTTP/1.1\r\nHost: h\r\n\r\n", 1),
    ("head of text", "HEAD /text HTTP/1.1\r\nHost: h\r\n\r\n", 1),
    ("head of a stream", "HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n", 1),
    ("head of a 304 with a length", "HEAD /304-length HTTP/1.1\r\nHost: h\r\n\r\n", 1),
    ("head of a 200 with a length", "HEAD /200-length HTTP/1.1\r\nHost: h\r\n\r\n", 1),
    ("head of a 205 with a length", "HEAD /205-length HTTP/1.1\r\nHost: h\r\n\r\n", 1),
    ("head of a 404 with a length", "HEAD /404-length HTTP/1.1\r\nHost: h\r\n\r\n", 1),
    ("head of a stream with a length", "HEAD /stream-nine HTTP/1.1\r\nHost: h\r\n\r\n", 1),
    ("head of a 304", "HEAD /304 HTTP/1.1\r\nHost: h\r\n\r\n", 1),
    ("head of a 205", "HEAD /205 HTTP/1.1\r\nHost: h\r\n\r\n", 1),
    ("host that is an address in few numbers", "GET /seen HTTP/1.1\r\nHost: 0x7f.1\r\n\r\n", 1),
    ("host with an empty port", "GET /seen HTTP/1.1\r\nHost: h:\r\n\r\n", 1),
    ("absolute target that is no URL", "GET http://x:99999/seen HTTP/1.1\r\nHost: h\r\n\r\n", 1),
    ("connect", "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", 2),
    ("connect without host", "CONNECT example.com:443 HTTP/1.1\r\n\r\n", 2),
    ("connect to a path", "CONNECT /text HTTP/1.1\r\nHost: h\r\n\r\n", 2),
    ("connect to a URL", "CONNECT http://h/text HTTP/1.1\r\nHost: h\r\n\r\n", 2),
    ("connect to a port that is none", "CONNECT example.com:x HTTP/1.1\r\nHost: h\r\n\r\n", 2),
    ("connect to an asterisk", "CONNECT * HTTP/1.1\r\nHost: h\r\n\r\n", 2),
    ("connect in http 1.0", "CONNECT example.com:443 HTTP/1.0\r\nHost: h\r\n\r\n", 2),
    ("connect with a length", "CONNECT h:80 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", 2),
    ("connect with chunks", "CONNECT h:80 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 2),
    ("connect that waits", "CONNECT h:80 HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n", 2),
    ("connect and bytes", "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n\x16\x03\x01hello", 2),
    ("connect and a request", "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\nGET /text HTTP/1.1\r\nHost: h\r\n\r\n", 2),
    ("connect after a request", "GET /text HTTP/1.1\r\nHost: h\r\n\r\nCONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 3),
    (
        "upgrade that nobody wants",
        "GET /text HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nGET /json HTTP/1.1\r\nHost: h\r\n\r\n",
        2,
    ),
    ("head of an exception", "HEAD /throw HTTP/1.1\r\nHost: h\r\n\r\n", 1),
];

#[test]
fn answers() {
    let (reference, ours) = both();
    let observations: Vec<Observation> = ANSWERS
        .iter()
        .enumerate()
        .map(|(index, answer)| {
            let request = format!("GET /{answer} HTTP/1.1\r\nHost: h\r\n\r\n");
            Observation {
                key: format!("answers/{answer} #{index}"),
                reference: exchange(&reference, &request, 1),
                ours: exchange(&ours, &request, 1),
            }
        })
        .collect();
    check("answers", &observations);
}

#[test]
fn requests() {
    let (reference, ours) = both();
    let observations: Vec<Observation> = REQUESTS
        .iter()
        .map(|(name, request, responses)| Observation {
            key: format!("requests/{name}"),
            reference: exchange(&reference, request, *responses),
            ours: exchange(&ours, request, *responses),
        })
        .collect();
    check("requests", &observations);
}

/// What becomes of `CONNECT` where a worker has a handler for it, and where it is written in a way that can have none.
#[test]
fn connections() {
    let module = r#"modules = [ (name = "worker", esModule = "export default { HANDLERS };") ]"#;
    let workers = [
        ("handler", module.replace("HANDLERS", "connect() {}")),
        ("no handler", module.replace("HANDLERS", "fetch() {}, scheduled() {}")),
        ("script", r#"serviceWorkerScript = "addEventListener('fetch', () => {});""#.to_owned()),
    ];
    let observations = workers.map(|(name, code)| {
        let setup = || Setup::worker(&format!(r#"{code}, compatibilityDate = "2026-08-01""#));
        let (reference, ours) =
            (Runtime::workerd().serve(setup()), bulkhead_test_support::supervisor!().serve(setup()));
        let request = "CONNECT example.com:443 HTTP/1.1\r\nHost: h\r\n\r\nhello";
        Observation {
            key: format!("connections/{name}"),
            reference: exchange(&reference, request, 2),
            ours: exchange(&ours, request, 2),
        }
    });
    check("connections", &observations);
}

/// A client that shuts its sending side down after its request: at once, and while the handler is at work.
#[test]
fn half_closed() {
    let (reference, ours) = both();
    let observations: Vec<Observation> =
        ["text", "stream", "stream-slow", "respond-after-timer", "throw-later", "ignore"]
            .iter()
            .map(|answer| {
                let ask = |server: &Server| {
                    let mut connection = Connection::open(server.port());
                    connection.send(format!("GET /{answer} HTTP/1.1\r\nHost: h\r\n\r\n")).expect("send");
                    connection.stream().shutdown(Shutdown::Write).expect("shut down");
                    match connection.response("GET") {
                        Ok(response) => format!("{}, then {:?}", describe(&response), connection.to_end().ok()),
                        Err(error) => format!("no response: {}", error.kind()),
                    }
                };
                Observation { key: format!("half-closed/{answer}"), reference: ask(&reference), ours: ask(&ours) }
            })
            .collect();
    check("half-closed", &observations);
}

/// What the reference answers with 500, which RFC 9112, section 3.2, calls a 400; the log stays silent about it.
#[test]
fn hosts_that_make_no_url() {
    let ours = bulkhead_test_support::supervisor!().serve(Setup::module(WORKER));
    for host in ["h:99999", "h:-1", "h h", "[::", "%", "", "999.999.999.999", "h.1", "[::1]x", ":80"] {
        let answer = exchange(&ours, &format!("GET /seen HTTP/1.1\r\nHost: {host}\r\n\r\n"), 1);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{host:?}: {answer}");
    }
    let exit = ours.stop();
    assert!(!exit.stderr.contains("socket \"http\""), "{}", exit.stderr);
}

/// RFC 9110, section 10.1.1, with a worker behind the socket: told when, and only when, the handler wants the body.
#[test]
fn expectations() {
    let ours = bulkhead_test_support::supervisor!().serve(Setup::module(WORKER));
    let body = vec![b'y'; 3_000_000];
    for (path, wanted) in [
        ("echo", true),
        ("clone", true),
        ("read", true),
        ("refuse", false),
        ("throw", false),
        ("stream", false),
        ("204", false),
    ] {
        let mut connection = Connection::open(ours.port());
        let length = body.len();
        connection
            .send(format!(
                "POST /{path} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
            ))
            .expect("send");
        let head = connection.head().expect("a head");
        if !wanted {
            assert_ne!(head.status, 100, "{path}");
            assert_eq!(head.header("connection"), Some("close"), "{path}");
            continue;
        }
        // Before the client has sent a byte of the body, and before the head of the response.
        assert_eq!(head.status, 100, "{path}");
        let mut upload = connection.stream().try_clone().expect("clone");
        let sent = body.clone();
        let sender = std::thread::spawn(move || upload.write_all(&sent).expect("send the body"));
        let response = connection.response("POST").expect("a response");
        assert_eq!((response.status, response.header("connection")), (200, None), "{path}");
        assert!(path == "read" || response.body == body, "{path}");
        sender.join().expect("the sender");
        assert_eq!(connection.request("GET", "/text", &[], b"").expect("the next").text(), "hello", "{path}");
    }
}

/// A client that keeps its connection sends the whole of its body and then the next request, whatever was answered before.
#[test]
fn an_answer_before_the_body() {
    let ours = bulkhead_test_support::supervisor!().serve(Setup::module(WORKER));
    for path in ["refuse", "first", "throw", "stream", "204"] {
        for length in [10, 200_000, 4_000_000] {
            let mut connection = Connection::open(ours.port());
            let what = format!("{path}, {length} bytes");
            for _ in 0..2 {
                let body = vec![b'x'; length];
                let response = connection.request("POST", &format!("/{path}"), &[], &body).expect(&what);
                if response.header("connection") == Some("close") {
                    assert_eq!(connection.to_end().expect(&what), b"", "{what}");
                    connection = Connection::open(ours.port());
                }
                assert_eq!(connection.request("GET", "/text", &[], b"").expect(&what).text(), "hello", "{what}");
            }
        }
    }
}

/// A body that the handler had begun to read when it answered is read to its end; one that it had not is refused in the
/// reference's words.
#[test]
fn a_body_after_the_response() {
    let ours = bulkhead_test_support::supervisor!().serve(Setup::module(WORKER));
    for (path, expected) in [
        ("acknowledge", "read 10"),
        ("acknowledge-stream", "read 10"),
        ("acknowledge-late", "TypeError: Can't read from request stream after response has been sent."),
    ] {
        let mut connections: Vec<Connection> = (0..50).map(|_| Connection::open(ours.port())).collect();
        for connection in &mut connections {
            connection.send(format!("POST /{path} HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n")).expect("send");
            if path != "acknowledge-late" {
                connection.send("0123456789").expect("send the body");
            }
        }
        for connection in &mut connections {
            let response = connection.response("POST").expect("a response");
            assert_eq!((response.status, response.text().as_str()), (202, "accepted"), "{path}");
            if path == "acknowledge-late" {
                connection.send("0123456789").expect("send the body");
            }
            assert_eq!(connection.request("GET", "/text", &[], b"").expect("the next").text(), "hello", "{path}");
        }
        let mut seen: Vec<String> = Vec::new();
        wait_until("all to be read or refused", || {
            let response = Connection::open(ours.port()).request("GET", "/acknowledged", &[], b"").expect("the list");
            seen.extend(serde_json::from_slice::<Vec<String>>(&response.body).expect("a list"));
            seen.len() >= connections.len()
        });
        assert!(path == "acknowledge-late" || seen.iter().all(|one| one == expected), "{path}: {seen:?}");
        // What came in time is there to be read, in the reference too.
        assert!(seen.iter().all(|one| one == expected || one == "read 10"), "{path}: {seen:?}");
        assert!(seen.iter().any(|one| one == expected), "{path}: {seen:?}");
    }
}

/// Bodies that the runtimes encode. What encoders make of them may differ, so that clients' view is compared.
#[test]
fn encoded() {
    let (reference, ours) = both();
    let gets = [
        "gzip",
        "br",
        "gzip-long",
        "br-long",
        "gzip-other-case",
        "gzip-and-br",
        "gzip-space",
        "gzip-length",
        "gzip-stream",
        "br-stream",
        "gzip-fixed",
        "gzip-slow",
        "gzip-empty",
        "gzip-empty-stream",
        "gzip-null",
        "gzip-304",
        "gzip-manual",
        "gzip-echo",
        "gzip-copy",
        "gzip-compressed",
        "deflate",
    ];
    let heads = ["gzip", "gzip-length", "gzip-stream", "gzip-manual"];
    let asked = gets.iter().map(|name| ("GET", *name, ""));
    let asked = asked.chain(heads.iter().map(|name| ("HEAD", *name, ""))).chain([("POST", "gzip-echo", "echo this")]);
    let observations: Vec<Observation> = asked
        .map(|(method, name, body)| {
            let ask = |server: &Server| {
                let mut connection = Connection::open(server.port());
                match connection.request(method, &format!("/{name}"), &[], body.as_bytes()) {
                    Ok(mut response) => {
                        decode(&mut response);
                        describe(&response)
                    }
                    Err(error) => format!("no response: {}", error.kind()),
                }
            };
            Observation { key: format!("encoded/{method} {name}"), reference: ask(&reference), ours: ask(&ours) }
        })
        .collect();
    check("encoded", &observations);
}

/// Replaces a body by what it stands for, if it is what its header says.
fn decode(response: &mut Response) {
    let mut decoded = Vec::new();
    let result = match response.header("content-encoding") {
        Some("gzip") => flate2::read::GzDecoder::new(&*response.body).read_to_end(&mut decoded),
        Some("br") => brotli::Decompressor::new(&*response.body, 4096).read_to_end(&mut decoded),
        _ => return,
    };
    if result.is_ok() {
        decoded.extend_from_slice(b" (decoded)");
        response.body = decoded;
    }
}

fn both() -> (Server, Server) {
    (Runtime::workerd().serve(Setup::module(WORKER)), bulkhead_test_support::supervisor!().serve(Setup::module(WORKER)))
}

fn exchange(server: &Server, request: &str, responses: usize) -> String {
    let mut connection = Connection::open(server.port());
    // Characters up to U+00FF stand for bytes.
    let bytes: Vec<u8> =
        request.chars().map(|character| u8::try_from(u32::from(character)).expect("latin-1")).collect();
    if let Err(error) = connection.send(bytes) {
        return format!("the request was refused: {error}");
    }
    let methods: Vec<&str> =
        request.split("HTTP/1.").filter_map(|part| part.rsplit("\r\n").next()?.split(' ').next()).collect();
    let answers = (0..responses).map(|index| {
        // A method that follows an unread body has the body in front of it.
        let method = methods.get(index).map_or("GET", |method| if method.ends_with("HEAD") { "HEAD" } else { "GET" });
        match connection.response(method) {
            Ok(response) => describe(&response),
            Err(error) => format!("no response: {}", error.kind()),
        }
    });
    answers.collect::<Vec<_>>().join(" || ")
}
