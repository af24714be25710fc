//! The samples as a user runs them, on both runtimes, byte for byte where headers allow.

use std::path::Path;

use bulkhead_test_support::http::{Connection, Response};
use bulkhead_test_support::{Runtime, Server, Setup, tools};

use bulkhead_test_support::expectations::{Observation, check};

type Request<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

#[test]
fn hello_world_in_both_syntaxes() {
    for sample in ["hello", "hello-service-worker"] {
        let requests: &[Request] = &[
            ("GET", "/", &[], ""),
            ("GET", "/any/path?query", &[], ""),
            ("HEAD", "/", &[], ""),
            ("POST", "/", &[], "body"),
        ];
        compare(sample, || Setup::sample(sample), requests);
    }
}

#[test]
fn webassembly() {
    let requests: &[Request] = &[
        ("GET", "/", &[], ""),
        ("GET", "/?a=12&b=18", &[], ""),
        ("GET", "/?a=0&b=7", &[], ""),
        ("GET", "/?a=-1&b=7", &[], ""),
    ];
    compare("wasm", || Setup::sample("wasm"), requests);
}

#[test]
fn two_workers() {
    let requests: &[Request] = &[
        ("GET", "/", &[], ""),
        ("GET", "/prices/apple", &[], ""),
        ("HEAD", "/prices/apple", &[], ""),
        ("GET", "/prices/plum", &[], ""),
        ("PUT", "/plum", &[], "5"),
        ("GET", "/prices/plum", &[], ""),
        ("POST", "/prices/rotten", &[], "x"),
    ];
    compare("two-workers", || Setup::sample("two-workers"), requests);
}

#[test]
fn streaming() {
    let requests: &[Request] = &[
        ("POST", "/echo", &[], "echo this"),
        ("GET", "/echo", &[], ""),
        ("POST", "/upper", &[], "make this loud"),
        ("GET", "/zeroes?bytes=0", &[], ""),
        ("GET", "/zeroes?bytes=200000", &[], ""),
        ("POST", "/count", &[], "12345"),
        ("GET", "/nope", &[], ""),
    ];
    compare("streaming", || Setup::sample("streaming"), requests);
}

/// Every copy of a streamed request has the whole body, and who loses interest behind a transform cancels the source.
#[test]
fn copies_and_cancels() {
    let worker = r#"
const stream = (t) => new ReadableStream({ start(c) { c.enqueue(new TextEncoder().encode(t)); c.close(); } });
const slow = (log) => {
  let i = 0;
  return new ReadableStream({
    async pull(c) { await new Promise((r) => setTimeout(r, 1)); c.enqueue(String(i++)); },
    cancel(reason) { log.push("cancel " + reason); },
  });
};
export default {
  async fetch(request) {
    if (request.method === "POST") {
      const made = new Request("http://a.test/", { method: "POST", body: stream("abc"), duplex: "half" });
      const copy = made.clone(), more = copy.clone();
      const first = request.clone(), second = request.clone();
      const texts = [await made.text(), await copy.text(), await more.text()];
      const order = request.url.endsWith("/last") ? [request, second, first] : [first, second, request];
      for (const one of order) texts.push(await one.text());
      return Response.json(texts);
    }
    const log = [];
    const reader = slow(log).pipeThrough(new TransformStream()).getReader();
    await reader.read(); await reader.cancel("enough"); await reader.closed;
    for await (const chunk of slow(log).pipeThrough(new TransformStream()).pipeThrough(new TransformStream())) break;
    await new Promise((r) => setTimeout(r, 20));
    return Response.json(log);
  },
};
"#;
    let long = "xyz".repeat(200_000);
    let requests: &[Request] = &[
        ("POST", "/", &[], "xyz"),
        ("POST", "/last", &[], "xyz"),
        ("POST", "/", &[], &long),
        ("POST", "/last", &[], &long),
        ("GET", "/", &[], ""),
    ];
    compare("copies", || Setup::module(worker), requests);
}

#[test]
fn router_written_with_hono() {
    let json: &[(&str, &str)] = &[("Content-Type", "application/json")];
    let requests: &[Request] = &[
        ("GET", "/", &[], ""),
        ("HEAD", "/", &[], ""),
        ("POST", "/", &[], "x"),
        ("GET", "/html", &[], ""),
        ("GET", "/redirect", &[], ""),
        ("GET", "/empty", &[], ""),
        ("GET", "/status/201", &[], ""),
        ("GET", "/status/404", &[], ""),
        ("GET", "/status/abc", &[], ""),
        ("GET", "/wild/a/b%20c/%C3%BC", &[], ""),
        ("GET", "/optional/a", &[], ""),
        ("GET", "/optional/a/b", &[], ""),
        ("GET", "/query?q=1&tag=a&tag=b%20c&empty=", &[], ""),
        ("GET", "/query", &[], ""),
        ("GET", "/headers", &[("User-Agent", "test"), ("Accept", "text/html")], ""),
        ("GET", "/secure/page", &[], ""),
        ("GET", "/etag/page", &[], ""),
        ("GET", "/etag/page", &[("If-None-Match", "\"d6da6b1f\"")], ""),
        ("GET", "/admin/page", &[], ""),
        ("GET", "/admin/page", &[("Authorization", "Basic YWRtaW46c2VjcmV0")], ""),
        ("GET", "/admin/page", &[("Authorization", "Basic d3Jvbmc6d3Jvbmc=")], ""),
        ("GET", "/id/page", &[], ""),
        ("GET", "/cookies", &[("Cookie", "a=1; b=two%20words")], ""),
        ("GET", "/api/books", &[], ""),
        ("GET", "/api/books?pretty", &[], ""),
        ("GET", "/api/books/1", &[("Origin", "https://example.com")], ""),
        ("GET", "/api/books/9", &[], ""),
        ("OPTIONS", "/api/books", &[("Origin", "https://example.com"), ("Access-Control-Request-Method", "POST")], ""),
        ("POST", "/api/books", json, r#"{"title":"Roadside Picnic","tags":["é"]}"#),
        ("POST", "/api/books", json, r#"{"name":1}"#),
        ("POST", "/api/books", json, "{broken"),
        ("PUT", "/api/books/2", json, r#"{"title":"Eden"}"#),
        ("DELETE", "/api/books/2", &[], ""),
        ("PATCH", "/api/books/2", &[], "x"),
        ("POST", "/echo", &[], "bytes \u{0} and é"),
        ("POST", "/text", &[], "loud"),
        ("POST", "/limited", &[], "short"),
        ("POST", "/limited", &[], "this is longer than the limit"),
        ("GET", "/any", &[], ""),
        ("DELETE", "/any", &[], ""),
        ("PURGE", "/cache", &[], ""),
        ("GET", "/stream", &[], ""),
        ("GET", "/stream-text", &[], ""),
        ("GET", "/events", &[], ""),
        ("GET", "/throw", &[], ""),
        ("GET", "/throw/http", &[], ""),
        ("GET", "/background", &[], ""),
        ("GET", "/not/there", &[], ""),
        ("GET", "//double", &[], ""),
    ];
    let bundle = tempfile::tempdir().expect("make a temporary directory");
    let bundle = bundle.path().join("bundle.js");
    tools::bundle(&tools::repository().join("samples/router-hono/app.js"), &bundle);
    compare("router-hono", || router(&bundle), requests);
}

/// A handler may answer with anything that has a `then`.
#[test]
fn handlers_that_answer_with_a_thenable() {
    const HANDLERS: &str = r#"
const answers = {
  now: { then(done) { done(new Response("now")); } },
  later: { then(done) { setTimeout(() => done(new Response("later")), 2); } },
  nested: { then(done) { done({ then(done) { done(Promise.resolve(new Response("nested"))); } }); } },
  rejects: { then(done, failed) { failed(new Error("rejected")); } },
  throws: { then() { throw new Error("thrown"); } },
  getter: { get then() { throw new Error("no then"); } },
  function: Object.assign(() => {}, { then(done) { done(new Response("function")); } }),
  never: { then() {} },
  wrong: { then(done) { done("text"); } },
  plain: { then: 1 },
};
"#;
    let paths = ["now", "later", "nested", "rejects", "throws", "getter", "function", "never", "wrong", "plain"];
    let paths = paths.map(|name| format!("/{name}"));
    let requests: Vec<Request> = paths.iter().map(|path| ("GET", path.as_str(), &[] as &[_], "")).collect();
    let answer = "answers[new URL(request.url).pathname.slice(1)]";
    let module = format!("{HANDLERS} export default {{ fetch(request) {{ return {answer}; }} }};");
    compare("thenables", || Setup::module(&module), &requests);
    let script = format!(
        "{HANDLERS} addEventListener('fetch', (event) => {{ const {{ request }} = event; event.respondWith({answer}); }});"
    );
    let worker = "serviceWorkerScript = embed \"worker.js\", compatibilityDate = \"2026-08-01\"";
    compare("thenables-service-worker", || Setup::worker(worker).file("worker.js", &script), &requests);
}

fn router(bundle: &Path) -> Setup {
    Setup::sample("router-hono").file("bundle.js", std::fs::read(bundle).expect("read the bundle"))
}

fn compare(name: &str, setup: impl Fn() -> Setup, requests: &[Request]) {
    let reference = Runtime::workerd().serve(setup());
    let ours = bulkhead_test_support::supervisor!().serve(setup());
    let observations: Vec<Observation> = requests
        .iter()
        .enumerate()
        .map(|(index, request)| Observation {
            key: format!("{name}/{} {} #{index}", request.0, request.1),
            reference: ask(&reference, request),
            ours: ask(&ours, request),
        })
        .collect();
    check(name, &observations);
    for server in [reference, ours] {
        let name = server.name();
        let exit = server.stop();
        assert_eq!(exit.code, Some(0), "exit code of {name} after SIGTERM; standard error:\n{}", exit.stderr);
    }
}

fn ask(server: &Server, (method, target, headers, body): &Request) -> String {
    let response = Connection::open(server.port()).request(method, target, headers, body.as_bytes());
    match response {
        Ok(response) => describe(&response),
        Err(error) => format!("no response: {error}"),
    }
}

/// Everything that a client can see, headers sorted by name. What the runtime may choose is left out: `Date`, and the
/// ways to say how long a connection lives.
pub(crate) fn describe(response: &Response) -> String {
    let mut headers: Vec<String> = response
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| !matches!(name.as_str(), "date" | "connection" | "keep-alive"))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    // Stable: the order of lines with the same name is part of what the client sees.
    headers.sort_by(|left, right| left.split(':').next().cmp(&right.split(':').next()));
    let body = match std::str::from_utf8(&response.body) {
        Ok(text) if text.len() < 4096 => format!("{text:?}"),
        _ => format!("{} bytes, sum {}", response.body.len(), checksum(&response.body)),
    };
    let then = if response.keep_alive { "keep-alive" } else { "close" };
    format!("{} | {} | {body} | {then}", response.status_line, headers.join(" | "))
}

fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |sum: u32, byte| sum.rotate_left(5) ^ u32::from(*byte))
}
