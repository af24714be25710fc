//! What clients can take from the supervisor itself: connections, descriptors, memory.

use std::{fs, io::Write as _, os::unix::fs::PermissionsExt as _, time::Duration};

use bulkhead_test_support::http::{self, Connection};
use bulkhead_test_support::{Runtime, Server, Setup, process, runtime};
use nix::sys::signal::{Signal, kill};

/// A supervisor that may have so many descriptors.
pub(super) fn serve_with_descriptors(descriptors: u32, setup: Setup) -> Server {
    let wrapper = setup.path().join("supervisor.sh");
    let program = env!("CARGO_BIN_EXE_supervisor");
    fs::write(&wrapper, format!("#!/bin/sh\nulimit -n {descriptors} && exec '{program}' \"$@\"\n")).expect("write");
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).expect("make it executable");
    Runtime::supervisor(wrapper).serve(setup)
}

fn two_sockets() -> Setup {
    Setup::config(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "hangs", worker = .hangs), (name = "answers", worker = .answers) ],
  sockets = [
    (name = "hangs", address = "127.0.0.1:0", http = (), service = "hangs"),
    (name = "answers", address = "127.0.0.1:0", http = (), service = "answers"),
  ]
);
const hangs :Workerd.Worker = ( modules = [ (name = "worker", esModule = embed "hangs.js") ], compatibilityDate = "2026-08-01" );
const answers :Workerd.Worker = ( modules = [ (name = "worker", esModule = embed "answers.js") ], compatibilityDate = "2026-08-01" );
"#,
    )
    .file(
        "hangs.js",
        "export default { fetch(request) {
  if (new URL(request.url).pathname === '/zeroes') {
    const chunk = new Uint8Array(65536);
    return new Response(new ReadableStream({ pull(controller) { controller.enqueue(chunk); } }));
  }
  return new Promise((done) => setTimeout(done, 1e8));
} };",
    )
    .file("answers.js", "export default { fetch() { return new Response('answered'); } };")
    .argument("--shards=1")
    .sockets(2)
}

/// Sends as much of `bytes` as the other end takes.
fn send_what_is_taken(port: u16, bytes: &[u8]) -> Connection {
    let connection = Connection::open(port);
    let mut stream = connection.stream();
    stream.set_nonblocking(true).expect("non-blocking");
    let mut rest = bytes;
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(sent) => rest = &rest[sent..],
            Err(_) => break,
        }
    }
    connection
}

#[test]
fn a_worker_is_restarted_whatever_the_number_of_connections() {
    super::volume::raise_descriptor_limit();
    let server = serve_with_descriptors(1000, two_sockets());
    let port = server.port_of("answers");
    let idle: Vec<Connection> = (0..2000)
        .map(|_| {
            let mut connection = Connection::open(port);
            // The idlest made room for others and are gone.
            let _ = connection.send(http::request("GET", "/", &[], b""));
            connection
        })
        .collect();
    for _ in 0..3 {
        for worker in process::workers(server.pid()) {
            let _ = kill(runtime::pid(worker), Signal::SIGKILL);
        }
        runtime::wait_until("an answer", || http::get(port, "/").is_ok_and(|response| response.text() == "answered"));
    }
    assert!(!server.stderr().contains("descriptor") && !server.stderr().contains("Too many"), "{}", server.stderr());
    drop(idle);
}

#[test]
fn a_socket_whose_requests_hang_shuts_no_other_out() {
    super::volume::raise_descriptor_limit();
    // 400 - 100 - 64 - 8 - 52 = 176 connections.
    let server = serve_with_descriptors(400, two_sockets());
    let answered = || {
        let response = http::get(server.port_of("answers"), "/").expect("a response");
        assert_eq!(response.text(), "answered");
    };
    answered();
    let mut hanging = Vec::new();
    for index in 0..2760 {
        hanging.push(send_what_is_taken(server.port_of("hangs"), &http::request("GET", "/", &[], b"")));
        if index % 100 == 0 {
            answered();
        }
    }
    for _ in 0..100 {
        answered();
    }
}

/// What the supervisor may hold more than before for one direction: what connections are lent together, [`CONNECTIONS`]
/// times what each has to itself, and room for what an allocator keeps.
const ALLOWED_GROWTH: u64 = (64 << 20) + CONNECTIONS as u64 * (32 << 10) + (32 << 20);
const CONNECTIONS: usize = 1500;

#[test]
fn what_clients_leave_in_the_supervisor_is_bounded() {
    super::volume::raise_descriptor_limit();
    let long: String = (0..90).map(|index| format!("X-{index}: {}\r\n", "a".repeat(1300))).collect();
    let long = format!("GET / HTTP/1.1\r\nHost: h\r\n{long}\r\n");
    let body = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n{}", "b".repeat(300_000));
    let cases = [
        ("long heads", long.as_bytes()),
        ("long heads without an end", &long.as_bytes()[..long.len() - 2]),
        ("long bodies", body.as_bytes()),
        ("responses that nobody takes", b"GET /zeroes HTTP/1.1\r\nHost: h\r\n\r\n"),
    ];
    for (what, bytes) in cases {
        let server = bulkhead_test_support::supervisor!().serve(two_sockets());
        assert_eq!(http::get(server.port_of("answers"), "/").expect("a response").text(), "answered");
        let before = process::resident(server.pid());
        let clients: Vec<Connection> =
            (0..CONNECTIONS).map(|_| send_what_is_taken(server.port_of("hangs"), bytes)).collect();
        let mut peak = 0;
        for _ in 0..40 {
            peak = peak.max(process::resident(server.pid()));
            assert_eq!(http::get(server.port_of("answers"), "/").expect("a response").text(), "answered", "{what}");
            std::thread::sleep(Duration::from_millis(50));
        }
        let growth = peak.saturating_sub(before);
        println!("{what}: {} MiB", growth >> 20);
        assert!(growth < ALLOWED_GROWTH, "{what}: the supervisor grew by {} MiB", growth >> 20);
        drop(clients);
    }
}
