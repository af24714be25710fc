//! `request.signal` and a client that leaves: `enable_request_signal` switched on and off.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    os::fd::AsFd as _,
};

use bulkhead_test_support::{
    Runtime, Server, Setup,
    expectations::{Observation, check},
    http, runtime,
};
use nix::{
    libc,
    sys::socket::{setsockopt, sockopt},
};

/// Each route says what it sees of its signal; `rest` is what goes on when the client is gone.
const WORKER: &str = r#"
const all = {};
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const bytes = (text) => new TextEncoder().encode(text);
const forever = () => new Promise((done) => setTimeout(done, 60_000));
const routes = {
  pending: (request, ctx, say) => { request.signal.addEventListener("abort", (event) => say("heard", event.type, event.isTrusted, event.target === request.signal)); return forever(); },
  attribute: (request, ctx, say) => { request.signal.onabort = () => { say("attribute"); ctx.waitUntil(sleep(1).then(() => say("waited"))); }; return forever(); },
  throws: (request, ctx, say) => { request.signal.onabort = () => { say("throws"); throw new Error("in the listener"); }; return forever(); },
  copies: (request, ctx, say) => {
    const watch = (it, name) => it.signal.addEventListener("abort", () => say(name, it.signal.reason === request.signal.reason));
    watch(request.clone(), "clone");
    watch(new Request(request), "copy");
    watch(new Request("http://example.com/", { signal: request.signal }), "other");
    const any = AbortSignal.any([request.signal]);
    any.addEventListener("abort", () => say("any"));
    return forever();
  },
  "copy-before": (request, ctx, say) => { const copy = request.clone(); copy.signal.addEventListener("abort", () => say("copy")); return forever(); },
  stream: (request, ctx, say) => new Response(new ReadableStream({ async pull(c) { await sleep(5); c.enqueue(bytes("chunk")); }, cancel() { say("cancel"); } })),
  identity: (request, ctx, say) => {
    const { readable, writable } = new IdentityTransformStream();
    const writer = writable.getWriter();
    ctx.waitUntil((async () => { try { for (;;) { await writer.write(bytes("chunk")); await sleep(5); } } catch { say("failed"); } })());
    return new Response(readable);
  },
  answered: () => new Response("whole"),
  "answered-by-a-stream": () => new Response(new ReadableStream({ pull(c) { c.enqueue(bytes("whole")); c.close(); } })),
  "answered-encoded": () => new Response("whole".repeat(100), { headers: { "content-encoding": "gzip" } }),
  "answered-without-a-body": () => new Response(null, { status: 204 }),
};
export default {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    const name = pathname.slice(1);
    if (searchParams.has("log")) return Response.json(all[name] ?? []);
    const lines = (all[name] = []);
    const say = (...values) => lines.push(values.join(" "));
    const { signal } = request;
    say("begin", signal.constructor.name, signal.aborted, signal === request.signal);
    ctx.waitUntil((async () => {
      for (let round = 0; round < searchParams.get("rounds") && !signal.aborted; round++) await sleep(20);
      await sleep(100);
      const { reason } = signal;
      say("rest", signal.aborted, `${reason}`, reason?.constructor?.name, reason?.code);
    })());
    return routes[name](request, ctx, say);
  },
};
"#;

/// A route, and whether its client leaves; with one that stays nothing is aborted.
const ROUTES: &[(&str, bool)] = &[
    ("pending", true),
    ("attribute", true),
    ("throws", true),
    ("copies", true),
    ("copy-before", true),
    ("stream", true),
    ("identity", true),
    ("answered", false),
    ("answered-by-a-stream", false),
    ("answered-encoded", false),
    ("answered-without-a-body", false),
];

fn log(server: &Server, route: &str) -> String {
    http::get(server.port(), &format!("/{route}?log")).expect("the log").text()
}

/// What the worker says of a client that asks for `route` and maybe leaves.
fn visit(server: &Server, route: &str, leaves: bool, is_on: bool) -> String {
    let mut client = TcpStream::connect(("127.0.0.1", server.port())).expect("connect");
    // What is not told has some time in which it could be told.
    let rounds = if leaves && is_on { 3000 } else { 10 };
    let request = format!("GET /{route}?rounds={rounds} HTTP/1.1\r\nHost: worker\r\n\r\n");
    client.write_all(request.as_bytes()).expect("send");
    runtime::wait_until("the request to be there", || log(server, route).contains("begin"));
    if !leaves || route == "stream" || route == "identity" {
        let mut some = [0; 64];
        let length = client.read(&mut some).expect("an answer");
        assert!(some[..length].starts_with(b"HTTP/1.1 2"), "{route}");
    }
    if leaves {
        let now = libc::linger { l_onoff: 1, l_linger: 0 };
        setsockopt(&client.as_fd(), sockopt::Linger, &now).expect("have the connection reset");
        drop(client);
    }
    runtime::wait_until("the event to come to its end", || log(server, route).contains("rest"));
    log(server, route)
}

#[test]
fn a_client_that_leaves() {
    let mut observations = Vec::new();
    for flag in ["enable_request_signal", "disable_request_signal"] {
        let setup = || {
            let worker = format!(
                "modules = [(name = \"worker\", esModule = embed \"worker.js\")], compatibilityDate = \"2026-08-01\", \
                 compatibilityFlags = [\"{flag}\"]"
            );
            Setup::worker(&worker).file("worker.js", WORKER)
        };
        let servers = [Runtime::workerd().serve(setup()), bulkhead_test_support::supervisor!().serve(setup())];
        for (route, leaves) in ROUTES {
            let is_on = flag == "enable_request_signal";
            let [reference, ours] = [&servers[0], &servers[1]].map(|server| visit(server, route, *leaves, is_on));
            assert_eq!(reference.contains("rest true"), is_on && *leaves, "{flag}, {route}: {reference}");
            observations.push(Observation { key: format!("request_signal/{route} with {flag}"), reference, ours });
        }
    }
    check("request_signal", &observations);
}

/// A worker that asks another one something that lasts, by its request or beside it, while its client leaves.
const ASKS: &str = r#"
const log = {};
const ways = {
  request: (request) => [request],
  copy: (request) => [new Request(request)],
  clone: (request) => [request.clone()],
  init: (request) => ["http://a.test/", request],
  signal: (request) => ["http://a.test/", { signal: request.signal }],
  any: (request) => ["http://a.test/", { signal: AbortSignal.any([request.signal]) }],
  nothing: () => ["http://a.test/"],
};
export default {
  fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    const name = pathname.slice(1);
    if (searchParams.has("log")) return Response.json(log[name] ?? []);
    const lines = (log[name] = ["begin"]);
    ctx.waitUntil((async () => {
      try { lines.push(`got ${await (await env.SLOW.fetch(...ways[name](request))).text()}`); } catch (error) { lines.push(`${error}`); }
    })());
    return new Promise((done) => setTimeout(done, 60_000));
  },
};
"#;

/// Answers when it is told to.
const SLOW: &str = r#"
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
let go = 0;
export default {
  async fetch(request) {
    if (new URL(request.url).pathname === "/go") { go++; return new Response("gone on"); }
    const turn = go;
    while (go === turn) await sleep(5);
    return new Response("slow");
  },
};
"#;

const WAYS: &[&str] = &["request", "copy", "clone", "init", "signal", "any", "nothing"];

#[test]
fn what_is_fetched_while_the_client_leaves() {
    let mut observations = Vec::new();
    for flags in [
        &["enable_request_signal"][..],
        &["enable_request_signal", "request_signal_passthrough"],
        &["disable_request_signal", "request_signal_passthrough"],
    ] {
        let setup = || {
            let quoted: Vec<String> = flags.iter().map(|flag| format!("\"{flag}\"")).collect();
            let config = format!(
                "using Workerd = import \"/workerd/workerd.capnp\";\nconst config :Workerd.Config = (services = [\
                 (name = \"main\", worker = (modules = [(name = \"worker\", esModule = embed \"asks.js\")], \
                 compatibilityDate = \"2026-08-01\", compatibilityFlags = [{}], bindings = [(name = \"SLOW\", service = \"slow\")])), \
                 (name = \"slow\", worker = (modules = [(name = \"worker\", esModule = embed \"slow.js\")], compatibilityDate = \"2026-08-01\"))], \
                 sockets = [(name = \"http\", address = \"127.0.0.1:0\", http = (), service = \"main\"), \
                 (name = \"slow\", address = \"127.0.0.1:0\", http = (), service = \"slow\")]);",
                quoted.join(", ")
            );
            Setup::config(&config).file("asks.js", ASKS).file("slow.js", SLOW).sockets(2)
        };
        let passes = flags == ["enable_request_signal", "request_signal_passthrough"];
        let servers = [Runtime::workerd().serve(setup()), bulkhead_test_support::supervisor!().serve(setup())];
        for way in WAYS {
            let [reference, ours] = [&servers[0], &servers[1]].map(|server| ask_and_leave(server, way, passes));
            let is_aborted = reference.contains("AbortError");
            let expected = passes && *way != "nothing" || *way == "any" && flags[0] == "enable_request_signal";
            assert_eq!(is_aborted, expected, "{flags:?}, {way}: {reference}");
            observations.push(Observation { key: format!("request_signal/{way} with {flags:?}"), reference, ours });
        }
    }
    check("request_signal of what is fetched", &observations);
}

/// What becomes of the request that is under way when the client leaves. It is answered after that, unless it is to be `aborted`.
fn ask_and_leave(server: &Server, way: &str, aborted: bool) -> String {
    let mut client = TcpStream::connect(("127.0.0.1", server.port())).expect("connect");
    client.write_all(format!("GET /{way} HTTP/1.1\r\nHost: worker\r\n\r\n").as_bytes()).expect("send");
    runtime::wait_until("the request to be there", || log(server, way).contains("begin"));
    let now = libc::linger { l_onoff: 1, l_linger: 0 };
    setsockopt(&client.as_fd(), sockopt::Linger, &now).expect("have the connection reset");
    drop(client);
    // What is not aborted has some time in which it could be.
    let patience = std::time::Instant::now() + std::time::Duration::from_millis(if aborted { 10_000 } else { 300 });
    while std::time::Instant::now() < patience && log(server, way).matches(',').count() == 0 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    http::get(server.port_of("slow"), "/go").expect("it goes on");
    runtime::wait_until("the event to come to its end", || log(server, way).contains(','));
    log(server, way)
}
