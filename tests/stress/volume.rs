//! Many requests, and many clients that never finish theirs.

use bulkhead_test_support::http::{self, Connection};
use bulkhead_test_support::load::{Load, Until};
use bulkhead_test_support::process::Footprint;
use bulkhead_test_support::{Server, Setup, process, runtime};

#[test]
fn ten_thousand_requests_on_256_connections() {
    let server = bulkhead_test_support::supervisor!().serve(worker("return new Response('Hello World\\n');"));
    let load =
        Load { expect: Some(b"Hello World\n".to_vec()), ..Load::get(server.port(), 256, Until::Requests(10_000)) };
    leaks_nothing(&server, || {
        let report = load.run().expect("no connection breaks");
        assert_eq!((report.statuses.keys().copied().collect::<Vec<_>>(), report.wrong), (vec![200], 0));
        assert!(report.responses() >= 10_000);
    });
}

#[test]
fn ten_thousand_events_that_wait_for_what_nothing_can_settle() {
    let never = "ctx.waitUntil(new Promise(() => {})); return new Response('Hello World\\n');";
    let server = bulkhead_test_support::supervisor!().serve(worker(never));
    let load = Load::get(server.port(), 64, Until::Requests(10_000));
    leaks_nothing(&server, || {
        let report = load.run().expect("no connection breaks");
        assert_eq!(report.statuses.keys().copied().collect::<Vec<_>>(), vec![200]);
    });
}

#[test]
fn a_thousand_clients_that_stall_inside_of_their_request() {
    let server = bulkhead_test_support::supervisor!().serve(worker("return new Response(request.body);"));
    raise_descriptor_limit();
    leaks_nothing(&server, || {
        let stalled: Vec<Connection> = (0..1000)
            .map(|index| {
                let mut connection = Connection::open(server.port());
                let part = match index % 4 {
                    0 => "",
                    1 => "POST /echo HT",
                    2 => "POST /echo HTTP/1.1\r\nHost: h\r\nX-Unfinished: ",
                    _ => "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nonly this",
                };
                connection.send(part).expect("send a part of a request");
                connection
            })
            .collect();
        // Others are served all the while.
        for _ in 0..100 {
            let response =
                Connection::open(server.port()).request("POST", "/echo", &[], b"served").expect("a response");
            assert_eq!(response.text(), "served");
        }
        drop(stalled);
    });
}

#[test]
fn clients_that_leave_before_their_answer() {
    let late = "await new Promise((done) => setTimeout(done, 200)); return new Response('late');";
    let server = bulkhead_test_support::supervisor!().serve(worker(late));
    leaks_nothing(&server, || {
        let gone: Vec<Connection> = (0..200)
            .map(|_| {
                let mut connection = Connection::open(server.port());
                connection.send(http::request("GET", "/", &[], b"")).expect("send");
                connection
            })
            .collect();
        drop(gone);
        assert_eq!(http::get(server.port(), "/").expect("a response").text(), "late");
    });
}

/// A worker whose handler is `body`, and which collects its garbage when it is asked to: what is there after that is held by
/// something. Without it a heap grows for a hundred thousand requests before V8 finds it worth a look.
fn worker(body: &str) -> Setup {
    Setup::config(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = .main) ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = "main") ],
  v8Flags = [ "--expose-gc" ]
);
const main :Workerd.Worker = ( modules = [ (name = "worker", esModule = embed "worker.js") ], compatibilityDate = "2026-08-01" );
"#,
    )
    .file(
        "worker.js",
        format!(
            "export default {{ async fetch(request, env, ctx) {{
  if (new URL(request.url).pathname === '/collect') {{
    // In a task of its own, where no stack holds anything.
    gc({{ type: 'major', execution: 'async' }});
    await new Promise((done) => setTimeout(done, 100));
    return new Response('collected');
  }}
  {body}
}} }};"
        ),
    )
}

/// What the server and each of its descendants hold once nothing is open any more.
fn at_rest(server: &Server) -> Vec<(u32, Footprint)> {
    let now = || -> Vec<(u32, Footprint)> {
        let mut pids = process::descendants(server.pid());
        pids.push(server.pid());
        pids.sort_unstable();
        pids.into_iter().map(|pid| (pid, process::footprint(pid))).collect()
    };
    let counts = |all: &[(u32, Footprint)]| {
        all.iter().map(|(pid, one)| (*pid, one.descriptors, one.threads)).collect::<Vec<_>>()
    };
    assert_eq!(http::get(server.port(), "/collect").expect("a response").text(), "collected");
    let mut last = now();
    let mut calm = 0;
    runtime::wait_until("the server to be at rest", || {
        let next = now();
        calm = if counts(&next) == counts(&last) { calm + 1 } else { 0 };
        last = next;
        calm > 60
    });
    last
}

/// Repeats `round` until one adds nothing: descriptors, threads and processes are what they were, and no process has
/// grown by what a leak of a few hundred bytes for each request would take. Pools, caches and heaps grow for some rounds; a
/// leak never stops.
fn leaks_nothing(server: &Server, round: impl Fn()) {
    round();
    let mut before = at_rest(server);
    let mut history = vec![before.clone()];
    for _ in 0..8 {
        round();
        let after = at_rest(server);
        let same = after.len() == before.len()
            && before.iter().zip(&after).all(|((before_pid, before), (pid, after))| {
                before_pid == pid
                    && after.descriptors <= before.descriptors
                    && after.threads <= before.threads
                    && after.resident.saturating_sub(before.resident) < 2 << 20
            });
        if same {
            return;
        }
        history.push(after.clone());
        before = after;
    }
    panic!("every round leaves something behind: {history:#?}");
}

pub(super) fn raise_descriptor_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("read the limit");
    let wanted = 4096.min(hard);
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).expect("raise the soft limit");
    }
}
