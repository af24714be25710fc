//! Long bodies on their way from an origin to a client: what comes out is what went in, whoever reads slowly, breaks off or lies.

use std::{io::Read as _, thread};

use bulkhead_test_support::{
    Server, Setup,
    http::{Connection, request},
    runtime::wait_until,
    supervisor,
};

use super::origin::{Origin, Step};

const LENGTH: usize = 3 << 20;

/// Bytes of which no part is like another one.
fn pattern(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(LENGTH);
    while bytes.len() < LENGTH {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

fn response(length: usize, more: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{more}\r\n").as_bytes(), body].concat()
}

/// A server of one shard with the origin behind it: by the socket `http`, and behind a worker by `worker`.
fn serve(origin: &Origin) -> Server {
    let config = format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "backend", external = (address = "127.0.0.1:{}", http = ())),
    (name = "worker", worker = (compatibilityDate = "2026-08-01", bindings = [(name = "BACKEND", service = "backend")],
      modules = [(name = "w.js", esModule = "export default {{ fetch: (request, env) => env.BACKEND.fetch(request) }};")])),
  ],
  sockets = [
    (name = "http", address = "127.0.0.1:0", http = (), service = "backend"),
    (name = "worker", address = "127.0.0.1:0", http = (), service = "worker"),
  ],
);
"#,
        origin.port()
    );
    supervisor!().serve(Setup::config(&config).sockets(2).argument("--shards=1"))
}

const SOCKETS: [&str; 2] = ["http", "worker"];

#[test]
fn a_long_body_arrives_whole_and_its_connection_is_used_again() {
    let origin = Origin::start(|seen| {
        let number: u64 = seen.line.split(['/', ' ']).nth(2).and_then(|number| number.parse().ok()).expect("a number");
        vec![Step::Send(response(LENGTH, "", &pattern(number)))]
    });
    let server = serve(&origin);
    for (already, socket) in SOCKETS.into_iter().enumerate() {
        let mut client = Connection::open(server.port_of(socket));
        for number in 0..8 {
            let response = client.request("GET", &format!("/{number}"), &[], b"").expect("a response");
            assert_eq!(response.header("content-length"), Some(&*LENGTH.to_string()));
            assert!(response.body == pattern(number), "{socket}: another body than the origin's");
        }
        assert_eq!(origin.connections(), already + 1, "{socket}: each use has a connection of its own, and keeps it");
    }
}

#[test]
fn more_bodies_at_once_than_pipes_arrive_whole() {
    let origin = Origin::start(|seen| {
        let number: u64 = seen.line.split(['/', ' ']).nth(2).and_then(|number| number.parse().ok()).expect("a number");
        vec![Step::Send(response(LENGTH, "", &pattern(number)))]
    });
    let server = serve(&origin);
    for socket in SOCKETS {
        let mut clients: Vec<_> = (0..80)
            .map(|number| {
                let mut client = Connection::open(server.port_of(socket));
                client.send(request("GET", &format!("/{number}"), &[], b"")).expect("to send");
                // Nobody reads on before all have begun.
                client.stream().peek(&mut [0]).expect("the beginning");
                client
            })
            .collect();
        for (number, client) in (0..).zip(&mut clients) {
            assert!(client.response("GET").expect("a response").body == pattern(number), "{socket}: {number}");
        }
    }
}

#[test]
fn a_body_that_breaks_off_does_not_look_complete() {
    for end in [Step::Close, Step::Reset] {
        let origin =
            Origin::start(move |_| vec![Step::Send(response(LENGTH, "", &pattern(1)[..LENGTH - 1000])), end.clone()]);
        let server = serve(&origin);
        for socket in SOCKETS {
            let mut client = Connection::open(server.port_of(socket));
            client.send(request("GET", "/", &[], b"")).expect("to send");
            let mut all = Vec::new();
            let _ = client.stream().read_to_end(&mut all);
            let head = all.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |at| at + 4);
            let body = &all[head..];
            assert!(body.len() < LENGTH && pattern(1).starts_with(body), "{socket}: {} bytes", body.len());
        }
    }
}

#[test]
fn what_follows_a_body_is_given_to_nobody() {
    let origin = Origin::start(|_| {
        let mut bytes = response(LENGTH, "", &pattern(2));
        bytes.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged");
        vec![Step::Send(bytes)]
    });
    let server = serve(&origin);
    for socket in SOCKETS {
        let before = origin.connections();
        for number in 1..=4 {
            let mut client = Connection::open(server.port_of(socket));
            let response = client.request("GET", "/", &[], b"").expect("a response");
            assert!(response.body == pattern(2), "{socket}: another body than the origin's");
            assert_eq!(origin.connections(), before + number, "{socket}: nobody knows what else may come");
        }
    }
}

#[test]
fn an_origin_that_ends_its_connection_after_a_body_is_taken_at_its_word() {
    let origin = Origin::start(|_| vec![Step::Send(response(LENGTH, "Connection: close\r\n", &pattern(3)))]);
    let server = serve(&origin);
    for socket in SOCKETS {
        let before = origin.connections();
        for number in 1..=3 {
            let mut client = Connection::open(server.port_of(socket));
            assert!(client.request("GET", "/", &[], b"").expect("a response").body == pattern(3), "{socket}");
            assert_eq!(origin.connections(), before + number);
        }
    }
}

#[test]
fn a_client_that_leaves_takes_the_connection_with_it() {
    let origin = Origin::start(|_| vec![Step::Send(response(LENGTH, "", &pattern(4)))]);
    let server = serve(&origin);
    let open = || {
        let all = bulkhead_test_support::process::descriptors(server.pid());
        all.values().filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    };
    for socket in SOCKETS {
        // What stays open when a worker is there and nobody asks.
        let mut warm = Connection::open(server.port_of(socket));
        warm.request("GET", "/", &[], b"").expect("a response");
        drop(warm);
        wait_until("the connections to be closed or idle", || server_is_calm(&open));
        let before = open();
        let clients: Vec<_> = (0..16)
            .map(|_| {
                let mut client = Connection::open(server.port_of(socket));
                client.send(request("GET", "/", &[], b"")).expect("to send");
                client.stream().peek(&mut [0]).expect("the beginning");
                client
            })
            .collect();
        assert!(open() >= before + 16, "{socket}");
        drop(clients);
        wait_until("both connections of each to be closed", || open() <= before);
    }
}

/// Whether there are as many descriptors as a moment ago.
fn server_is_calm(open: &impl Fn() -> usize) -> bool {
    let before = open();
    thread::sleep(std::time::Duration::from_millis(50));
    open() == before
}
