//! Tenant code that tries to take its process down. What it can catch it gets as an exception; what ends the process ends as
//! what it is, with 503 for the client and the reason in the log; a neighbour never notices.

use std::thread;
use std::time::Duration;

use bulkhead_test_support::http::{self, Connection};
use bulkhead_test_support::load::Until;
use bulkhead_test_support::neighbour::{Neighbour, back_in_service, beside};
use bulkhead_test_support::{Server, Setup, process, runtime};

/// Each path is one way to use up what there is.
const EXHAUSTING: &str = "const kept = [];
const ways = {
  '/heap': () => { for (;;) kept.push(new Array(100_000).fill(0.5)); },
  '/strings': () => { for (let i = 0; ; i++) kept.push(String(i).repeat(10).split('').join('-')); },
  '/closures': () => { let f = () => 0; for (;;) { const g = f; f = () => g; kept.push(f); } },
};
export default { fetch(request) {
  const way = ways[new URL(request.url).pathname];
  return new Response(way ? String(way()) : 'fine');
} };";

#[test]
fn a_heap_that_is_full_ends_the_event_and_retires_the_process() {
    for path in ["/heap", "/strings", "/closures"] {
        let server = bulkhead_test_support::supervisor!().serve(beside(EXHAUSTING, ""));
        let (left, right) = (server.port_of("left"), server.port_of("right"));
        let neighbour = Neighbour::load(right, 4, Until::Elapsed(Duration::from_secs(2)));
        let response = http::get(left, path).expect("a response");
        assert_eq!((response.status, response.text().as_str()), (503, "Worker exceeded memory limit."), "{path}");
        server.wait_for_stderr(|text| text.contains("exceeded its memory limit"));
        assert_named(&server, "exceeded its memory limit");
        back_in_service(left);
        neighbour.noticed_nothing(path);
    }
}

/// Each path goes as deep as it can get, or asks for more than there is, and must come back.
const DEEP: &str = "const N = 1_000_000;
const nested = (n) => { let value = []; for (let i = 0; i < n; i++) value = [value]; return value; };
const ways = {
  '/recursion': () => { const f = () => f() + 1; return f(); },
  '/getter': () => { const o = { get x() { return this.x; } }; return o.x; },
  '/to-string': () => String(nested(N)),
  '/json-parse': () => JSON.parse('['.repeat(N)),
  '/json-stringify': () => JSON.stringify(nested(N)),
  '/clone': () => structuredClone(nested(N)).length,
  '/console': () => { console.log(nested(N)); return 0; },
  '/regexp': () => /(?:(a)|b|(?:c|d(?:e)*))*$/.test('a'.repeat(20_000_000)),
  '/regexp-parser': () => new RegExp('('.repeat(N) + ')'.repeat(N)).source.length,
  '/big-array': () => new Array(2 ** 32 - 1).concat([0]).length,
  '/big-string': () => 'x'.repeat(2 ** 30).length,
  '/big-buffer': () => new ArrayBuffer(2 ** 53).byteLength,
  '/bigint': () => (2n ** (2n ** 40n)).toString().length,
  '/proxy': () => { let p = {}; for (let i = 0; i < 100_000; i++) p = new Proxy(p, {}); return p.x; },
  '/bound': () => { let f = () => 0; for (let i = 0; i < 100_000; i++) f = f.bind(null); return f(); },
  '/sort': () => [2, 1].sort(function compare() { return [2, 1].sort(compare); }),
  '/headers': () => { const h = new Headers(); const f = (o) => ({ get a() { return new Headers(f(o)).get('a'); } }); return new Headers(f(h)).get('a'); },
  '/request': () => { const f = () => new Request('http://x/', { get method() { return f().method; } }); return f().method; },
  '/url': () => new URL('a/../'.repeat(N), 'http://x/').href.length,
  '/search': () => [...new URLSearchParams('a=1&'.repeat(100_000))].length,
  '/event': () => { const t = new EventTarget(); t.addEventListener('x', () => t.dispatchEvent(new Event('x'))); t.dispatchEvent(new Event('x')); t.addEventListener('y', () => t.dispatchEvent(new Event('y'))); return t.dispatchEvent(new Event('y')); },
  '/abort': () => { let s = new AbortController().signal; for (let i = 0; i < 10_000; i++) s = AbortSignal.any([s]); return s.aborted; },
  '/tee': () => { let b = new Response('x').body; for (let i = 0; i < 2_000; i++) [b] = b.tee(); return b.locked; },
  '/promise': async () => { let p = Promise.resolve(0); for (let i = 0; i < 100_000; i++) p = p.then((n) => n + 1); return p; },
  '/thenable': async () => { let n = 0; const t = { then(f) { f(n++ < 100_000 ? t : n); } }; return await t; },
  '/timers': async () => { let n = 0; for (let i = 0; i < 20_000; i++) setTimeout(() => n++, 0); await new Promise((f) => setTimeout(f, 50)); return n; },
};
export default { async fetch(request) {
  const { pathname } = new URL(request.url);
  if (pathname === '/') return Response.json(Object.keys(ways));
  try { return new Response(`${pathname} gave ${await ways[pathname]()}`.slice(0, 100)); }
  catch (error) { return new Response(`${pathname} threw ${error?.name}`); }
} };";

#[test]
fn deep_recursion_and_huge_values_are_exceptions_and_end_nothing() {
    let server = bulkhead_test_support::supervisor!().serve(Setup::module(DEEP));
    let list = http::get(server.port(), "/").expect("the list");
    let ways: Vec<String> = serde_json::from_slice(&list.body).expect("JSON");
    let mut wrong = Vec::new();
    for way in &ways {
        match http::get(server.port(), way) {
            Ok(response) if response.status == 200 => println!("{}", response.text()),
            Ok(response) => wrong.push(format!("{way}: {} {:?}", response.status, response.text())),
            Err(error) => wrong.push(format!("{way}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}\n{}", server.stderr());
    assert!(!server.stderr().contains("was killed"), "{}", server.stderr());
}

/// Memory outside of the heap: that of buffers and of WebAssembly.
const GREEDY: &str = "let kept = [];
const ways = {
  '/buffers': () => kept.push(new Uint8Array(1 << 20).fill(1)),
  '/big-buffers': () => kept.push(new Uint8Array(1 << 26).fill(1)),
  '/resized': () => { const b = new ArrayBuffer(1 << 12, { maxByteLength: 1 << 24 }); b.resize(1 << 24); kept.push(new Uint8Array(b).fill(1)); },
  '/wasm': () => { const m = new WebAssembly.Memory({ initial: 256 }); kept.push(new Uint8Array(m.buffer).fill(1)); },
};
export default { fetch(request) {
  const { pathname } = new URL(request.url);
  if (!ways[pathname]) return new Response('fine');
  try { for (;;) ways[pathname](); }
  catch (error) {
    const bytes = kept.reduce((sum, one) => sum + one.byteLength, 0);
    kept = [];
    return Response.json({ bytes, name: error.name });
  }
} };";

#[test]
fn memory_outside_of_the_heap_is_bounded() {
    for path in ["/buffers", "/big-buffers", "/resized", "/wasm"] {
        let server = bulkhead_test_support::supervisor!().serve(Setup::module(GREEDY));
        assert_eq!(http::get(server.port(), "/").expect("a response").text(), "fine");
        let workers = process::workers(server.pid());
        let response = http::get(server.port(), path).expect("a response");
        match response.status {
            200 => {
                let result: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
                assert_eq!(result["name"], "RangeError", "{path}: {result}");
                // Four times the heap limit of 128 MiB, of which the heap itself has some.
                let bytes = result["bytes"].as_u64().expect("a number");
                assert!((64 << 20..512 << 20).contains(&bytes), "{path}: {bytes} bytes");
            }
            // The engine itself may be the one that asks for more and does not get it.
            503 => server.wait_for_stderr(|text| text.contains("was killed by") || text.contains("out of memory")),
            other => panic!("{path}: {other}: {}", server.stderr()),
        }
        for peak in workers.into_iter().filter_map(process::peak_resident) {
            assert!(peak < 1 << 30, "{path}: a worker has had {} MiB", peak >> 20);
        }
        back_in_service(server.port());
    }
}

#[test]
fn a_worker_that_never_returns_does_not_disturb_its_neighbour() {
    // By default it may take half a minute: the request stays open until its client gives up.
    let spinning = "export default { fetch() { for (;;); } };";
    let server = bulkhead_test_support::supervisor!().serve(beside(spinning, ""));
    let (left, right) = (server.port_of("left"), server.port_of("right"));
    let mut stuck: Vec<Connection> = (0..4).map(|_| Connection::open(left)).collect();
    for connection in &mut stuck {
        connection.send(http::request("GET", "/", &[], b"")).expect("send");
    }
    Neighbour::load(right, 16, Until::Requests(2000)).noticed_nothing("a worker that never returns");
    drop(stuck);
    assert_eq!(http::get(right, "/").expect("a response").status, 200);
}

#[test]
fn a_worker_that_dies_at_every_request_does_not_disturb_its_neighbour() {
    let dying = "export default { fetch() { const kept = []; for (;;) kept.push(new Array(1_000_000).fill(0.5)); } };";
    let server = bulkhead_test_support::supervisor!().serve(beside(dying, ""));
    let (left, right) = (server.port_of("left"), server.port_of("right"));
    let neighbour = Neighbour::load(right, 4, Until::Elapsed(Duration::from_secs(4)));
    for _ in 0..6 {
        assert_eq!(http::get(left, "/").expect("a response").status, 503);
    }
    neighbour.noticed_nothing("a worker that dies");
    assert_named(&server, "exceeded its memory limit");
}

#[test]
fn a_start_that_uses_up_the_heap_is_an_error_and_not_a_hang() {
    let source = "const kept = []; for (;;) kept.push(new Array(1_000_000).fill(0.5));\nexport default {};";
    let exit = bulkhead_test_support::supervisor!().serve_to_exit(Setup::module(source));
    assert_eq!(exit.code, Some(1), "{}", exit.stderr);
    assert!(exit.stderr.contains("service main: Worker exceeded memory limit."), "{}", exit.stderr);
}

#[test]
fn a_client_that_goes_away_cancels_the_work_in_the_worker() {
    // Each of these works for ever and says so; the body of the second one has begun.
    let source = "const tick = (what) => setInterval(() => console.log(what), 5);
export default { async fetch(request, env, ctx) {
  const { pathname } = new URL(request.url);
  if (pathname === '/') return new Response('fine');
  tick(pathname);
  if (pathname === '/head') await new Promise(() => {});
  if (pathname === '/body') return new Response(new ReadableStream({
    async pull(controller) { await new Promise((done) => setTimeout(done, 5)); controller.enqueue(new Uint8Array(10)); },
  }));
  if (pathname === '/upload') { await request.text(); await new Promise(() => {}); }
  if (pathname === '/wait') {
    ctx.waitUntil(new Promise((done) => setTimeout(done, 1000)).then(() => console.log('waited')));
    await new Promise(() => {});
  }
} };";
    // A handler goes on for as long as what was given to `waitUntil` may.
    let setup = Setup::config(
        r#"using Workerd = import "/workerd/workerd.capnp";
using Bulkhead = import "/bulkhead/policy.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = ( modules = [ (name = "worker", esModule = embed "worker.js") ], compatibilityDate = "2026-08-01" )) ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = "main") ]
);
const policy :Bulkhead.Policy = ( default = (waitUntilMs = 3000) );
"#,
    );
    let server = bulkhead_test_support::supervisor!().serve(setup.file("worker.js", source));
    for path in ["/head", "/body", "/upload", "/wait"] {
        let lines = || server.stdout().lines().filter(|line| *line == path).count();
        let mut connection = Connection::open(server.port());
        let head = match path {
            "/upload" => format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nonly this"),
            _ => format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"),
        };
        connection.send(head).expect("send");
        runtime::wait_until("the handler to work", || lines() > 10);
        // With a reset: one that only says that it has no more to say may wait for its answer.
        let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        nix::sys::socket::setsockopt(connection.stream(), nix::sys::socket::sockopt::Linger, &linger).expect("set");
        drop(connection);
        // The work ends: what has been said stays the same over many of its periods.
        let mut last = lines();
        let mut calm = 0;
        runtime::wait_until(&format!("the work of {path} to end"), || {
            thread::sleep(Duration::from_millis(20));
            let now = lines();
            calm = if now == last { calm + 1 } else { 0 };
            last = now;
            calm > 20
        });
        assert_eq!(http::get(server.port(), "/").expect("a response").text(), "fine");
    }
    // What was given to `waitUntil` has run to its end before that.
    runtime::wait_until("what was waited for", || server.stdout().lines().any(|line| line == "waited"));
}

/// That the log blames what it was, and not the filter.
fn assert_named(server: &Server, reason: &str) {
    let log = server.stderr();
    assert!(log.lines().any(|line| line.contains("\"left\"") && line.contains(reason)), "{log}");
    assert!(!log.contains("forbidden system call"), "{log}");
}
