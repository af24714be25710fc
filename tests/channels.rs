//! Workers that call one another: circles, limits, deaths, what is given up, what is not read.

use std::os::fd::AsFd as _;

use bulkhead_test_support::{
    Server, Setup, http, process,
    runtime::{self, wait_until},
};
use nix::{
    libc,
    sys::{
        signal::{Signal, kill},
        socket::{setsockopt, sockopt},
    },
};

const CONFIG: &str = r#"using Workerd = import "/workerd/workerd.capnp";
using Bulkhead = import "/bulkhead/policy.capnp";
const config :Workerd.Config = (
  services = [(name = "caller", worker = .caller), (name = "callee", worker = .callee)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "caller")],
);
const policy :Bulkhead.Policy = (workers = [(name = "caller", limits = (subrequests = 100, connections = 3))]);
const caller :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "caller.js")],
  compatibilityDate = "2026-08-01",
  globalOutbound = "callee",
  bindings = [(name = "CALLEE", service = "callee"), (name = "SELF", service = "caller")],
);
const callee :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "callee.js")],
  compatibilityDate = "2026-08-01",
  compatibilityFlags = ["enable_request_signal"],
  bindings = [(name = "CALLER", service = "caller")],
);
"#;

/// Processes are told apart by how much memory they have: the callee has most, the caller comes next.
const CALLER: &str = r#"
globalThis.weight = new Uint8Array(32 << 20).fill(1);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const told = async (promise) => { try { return await (await promise).text(); } catch (e) { return `${e}`; } };
const routes = {
  hello: (env) => env.CALLEE.fetch("http://a/hello"),
  // Each turn of the circle is one worker further.
  circle: async (env, url) => {
    const n = Number(url.searchParams.get("n") ?? 1);
    try { return await env.CALLEE.fetch(`http://a/circle?n=${n + 1}`); } catch (e) { return new Response(`${n}: ${e}`); }
  },
  self: async (env, url) => {
    const n = Number(url.searchParams.get("n") ?? 1);
    try { return await env.SELF.fetch(`http://a/self?n=${n + 1}`); } catch (e) { return new Response(`${n}: ${e}`); }
  },
  limit: async (env) => {
    let n = 0;
    try { for (;;) { await (await env.CALLEE.fetch("http://a/hello")).text(); n++; } } catch (e) { return new Response(`${n}: ${e}`); }
  },
  redirects: async (env) => {
    let n = 0;
    try { for (;;) { await (await env.CALLEE.fetch("http://a/redirect")).text(); n++; } } catch (e) { return new Response(`${n}: ${e}`); }
  },
  // The callee counts how many wait for it at once.
  atonce: async (env) => {
    const all = await Promise.all(Array.from({ length: 20 }, async () => Number(await (await env.CALLEE.fetch("http://a/count")).text())));
    return new Response(`${Math.max(...all)}`);
  },
  unread: async (env) => {
    globalThis.kept = [];
    for (let i = 0; i < 50; i++) globalThis.kept.push(await env.CALLEE.fetch("http://a/endless"));
    return new Response("kept");
  },
  lost: async (env) => new Response(await told(env.CALLEE.fetch("http://a/never"))),
  lostbody: async (env) => { const r = await env.CALLEE.fetch("http://a/drip"); return new Response(await told(r)); },
  pending: (env) => env.CALLEE.fetch("http://a/never"),
  drip: (env) => env.CALLEE.fetch("http://a/drip"),
  upload: async (env) => {
    const body = new ReadableStream({ async pull(c) { await sleep(5); c.enqueue(new Uint8Array(1000)); }, cancel() { globalThis.cancelled = true; } });
    return new Response(await told(env.CALLEE.fetch("http://a/swallow", { method: "POST", body })));
  },
  background: (env, url, ctx) => { ctx.waitUntil(sleep(10).then(() => env.CALLEE.fetch("http://a/note"))); return new Response("now"); },
  noted: (env) => env.CALLEE.fetch("http://a/noted"),
  waiting: (env) => env.CALLEE.fetch("http://a/waiting"),
  exhaust: (env) => env.CALLEE.fetch("http://a/exhaust"),
  global: () => fetch("http://a/hello"),
  // The response begins while script still makes what the callee answers with.
  duplex: (env, url, ctx, request) => {
    const loud = new TransformStream({ transform(chunk, controller) { controller.enqueue(chunk.map((byte) => byte ^ 32)); } });
    return env.CALLEE.fetch("http://a/echo", { method: "POST", body: request.body.pipeThrough(loud) });
  },
};
export default {
  fetch(request, env, ctx) {
    const url = new URL(request.url);
    return routes[url.pathname.slice(1)](env, url, ctx, request);
  },
};
"#;

const CALLEE: &str = r#"
globalThis.weight = new Uint8Array(96 << 20).fill(1);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
let waiting = 0, most = 0, noted = 0;
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const wait = () => {
      let there = true;
      const gone = () => { if (there) waiting--; there = false; };
      waiting++;
      request.signal.addEventListener("abort", gone);
      return gone;
    };
    switch (url.pathname) {
      case "/echo": return new Response(request.body);
      case "/hello": return new Response("hello");
      case "/circle": return env.CALLER.fetch(`http://a/circle?n=${Number(url.searchParams.get("n")) + 1}`);
      case "/redirect": return Response.redirect("http://a/hello", 302);
      case "/count": { const now = ++waiting; await sleep(10); waiting--; return new Response(`${now}`); }
      case "/endless": return new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(65536)); } }));
      case "/never": wait(); await sleep(600_000); return new Response("never");
      case "/drip": wait(); return new Response(new ReadableStream({ async pull(c) { await sleep(5); c.enqueue(new Uint8Array(10)); } }));
      case "/swallow": { const gone = wait(); try { for await (const chunk of request.body); } catch { gone(); } return new Response("all"); }
      case "/note": noted++; return new Response("noted");
      case "/noted": return new Response(`${noted}`);
      case "/waiting": return new Response(`${waiting}`);
      case "/exhaust": for (const all = []; ; ) all.push(new Array(1e6).fill(1.5));
    }
  },
};
"#;

fn serve() -> Server {
    let setup = Setup::config(CONFIG).file("caller.js", CALLER).file("callee.js", CALLEE);
    bulkhead_test_support::supervisor!().serve(setup)
}

fn get(server: &Server, path: &str) -> String {
    let response = http::Connection::open(server.port()).request("GET", path, &[], b"");
    String::from_utf8_lossy(&response.expect("a response").body).into_owned()
}

/// The processes of the callee and of the caller, both of which run.
fn callee_and_caller(server: &Server) -> [u32; 2] {
    let mut workers = process::workers(server.pid());
    workers.sort_by_key(|&pid| std::cmp::Reverse(process::resident(pid)));
    [workers[0], workers[1]]
}

/// Has the client be gone, and not only have nothing more to say, when its connection is dropped.
fn leave(connection: &http::Connection) {
    let now = libc::linger { l_onoff: 1, l_linger: 0 };
    setsockopt(&connection.stream().as_fd(), sockopt::Linger, &now).expect("have the connection reset");
}

fn end(pid: u32) {
    kill(runtime::pid(pid), Signal::SIGKILL).expect("it lives");
}

const LOST: &str = "Error: Network connection lost.";

#[test]
fn a_circle_of_honest_workers_ends() {
    let server = serve();
    let told = "Subrequest depth limit exceeded. This request recursed through Workers too many times.";
    for path in ["/circle", "/self"] {
        let answer = get(&server, path);
        let (depth, words) = answer.split_once(": ").expect("a depth");
        // The one in front, and 32 that were called.
        assert_eq!(depth, "33", "{answer}");
        assert!(words.contains(told), "{answer}");
    }
    assert_eq!(get(&server, "/hello"), "hello");
    assert_eq!(server.stop().code, Some(0));
}

#[test]
fn an_event_makes_as_many_requests_as_it_may() {
    let server = serve();
    assert_eq!(get(&server, "/limit"), "100: Error: Too many subrequests.");
    // A redirect is a request of its own.
    assert_eq!(get(&server, "/redirects"), "50: Error: Too many subrequests.");
    // The next event has its own.
    assert_eq!(get(&server, "/limit"), "100: Error: Too many subrequests.");
    assert_eq!(get(&server, "/atonce"), "3");
    assert_eq!(get(&server, "/global"), "hello");
    assert_eq!(server.stop().code, Some(0));
}

#[test]
fn who_leaves_has_all_end_that_was_for_him() {
    let server = serve();
    for path in ["/pending", "/drip", "/lost", "/upload"] {
        for _ in 0..5 {
            let mut connection = http::Connection::open(server.port());
            connection.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).expect("sent");
            wait_until("the callee works on it", || get(&server, "/waiting") == "1");
            leave(&connection);
            drop(connection);
            wait_until("the callee hears of it", || get(&server, "/waiting") == "0");
        }
    }
    assert_eq!(server.stop().code, Some(0));
}

#[test]
fn a_response_may_wait_for_what_is_still_sent() {
    let server = serve();
    for length in [1, 100_000, 3_000_000] {
        let response = http::Connection::open(server.port()).request("POST", "/duplex", &[], &vec![b'a'; length]);
        let body = response.expect("a response").body;
        assert!(body.len() == length && body.iter().all(|byte| *byte == b'A'), "{} of {length} bytes", body.len());
    }
    assert_eq!(server.stop().code, Some(0));
}

#[test]
fn what_goes_on_after_the_response_may_call_too() {
    let server = serve();
    assert_eq!(get(&server, "/background"), "now");
    wait_until("the call was made", || get(&server, "/noted") == "1");
    assert_eq!(server.stop().code, Some(0));
}

/// Ends each of the two processes at each step of a call.
#[test]
fn who_dies_is_the_end_of_the_call_and_of_nothing_else() {
    let server = serve();
    for round in 0..6 {
        for (path, expected) in [("/lost", LOST), ("/lostbody", LOST), ("/upload", LOST)] {
            assert_eq!(get(&server, "/hello"), "hello");
            let port = server.port();
            let asked = std::thread::spawn(move || {
                let response = http::Connection::open(port).request("GET", path, &[], b"");
                response.map(|response| String::from_utf8_lossy(&response.body).into_owned()).unwrap_or_default()
            });
            wait_until("the callee works on it", || get(&server, "/waiting") == "1");
            end(callee_and_caller(&server)[0]);
            assert_eq!(asked.join().expect("no panic"), expected, "{path} in round {round}");
        }
        // The caller dies: its client is told, and the callee's work ends.
        assert_eq!(get(&server, "/hello"), "hello");
        let port = server.port();
        let asked = std::thread::spawn(move || {
            http::Connection::open(port).request("GET", "/pending", &[], b"").map(|response| response.status_line)
        });
        wait_until("the callee works on it", || get(&server, "/waiting") == "1");
        end(callee_and_caller(&server)[1]);
        let status = asked.join().expect("no panic").expect("a response");
        assert!(status.contains("503"), "{status}");
        wait_until("the callee hears of it", || get(&server, "/waiting") == "0");
    }
    assert_eq!(server.stop().code, Some(0));
}

#[test]
fn bodies_that_nobody_reads_are_not_kept() {
    let server = serve();
    assert_eq!(get(&server, "/hello"), "hello");
    let before = process::resident(server.pid());
    for _ in 0..4 {
        assert_eq!(get(&server, "/unread"), "kept");
    }
    // Two hundred of which each has given one piece at most, and all of which are over.
    let grown = process::resident(server.pid()).saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more");
    assert_eq!(get(&server, "/hello"), "hello");
    assert_eq!(server.stop().code, Some(0));
}

#[test]
fn a_callee_that_exceeds_a_limit_says_so_and_no_more() {
    let server = serve();
    let response = http::Connection::open(server.port()).request("GET", "/exhaust", &[], b"").expect("a response");
    assert!(response.status_line.contains("500"), "{}", response.status_line);
    server.wait_for_stderr(|text| text.contains("Worker exceeded memory limit."));
    assert_eq!(get(&server, "/hello"), "hello");
    assert_eq!(server.stop().code, Some(0));
}
