//! Connections that are kept, and what becomes of those that an origin ends.

use std::{
    net::{Ipv4Addr, TcpListener},
    os::unix::net::UnixListener,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use bulkhead_test_support::{Server, http::Connection, runtime::wait_until, supervisor};

use super::origin::{OK, Origin, Seen, Step, setup};

/// A server of one shard, whose socket leads to this address.
fn serve(address: &str) -> Server {
    let setup = setup("", &format!("external = (address = \"{address}\", http = ())"));
    supervisor!().serve(setup.argument("--shards=1"))
}

fn at(origin: &Origin) -> Server {
    serve(&format!("127.0.0.1:{}", origin.port()))
}

#[test]
fn a_connection_is_used_again_whoever_asks() {
    let origin = Origin::start(|_| vec![Step::Send(OK.to_vec())]);
    let server = at(&origin);
    for _ in 0..20 {
        let mut client = Connection::open(server.port());
        for method in ["GET", "POST", "HEAD", "DELETE"] {
            let body: &[u8] = if method == "POST" { b"abc" } else { b"" };
            // The origin sends a body all the same, which ends the connection of a HEAD.
            if method != "HEAD" {
                assert_eq!(client.request(method, "/", &[], body).expect("a response").status, 200);
            }
        }
    }
    assert_eq!(origin.connections(), 1);
    assert_eq!(origin.take_seen().len(), 60);
}

#[test]
fn exchanges_at_once_have_a_connection_each() {
    let gate = Arc::new(AtomicBool::new(false));
    let held = gate.clone();
    let origin = Origin::start(move |_| {
        wait_until("all requests to be there", || held.load(Ordering::SeqCst));
        vec![Step::Send(OK.to_vec())]
    });
    let server = at(&origin);
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let mut client = Connection::open(server.port());
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request");
            client
        })
        .collect();
    wait_until("eight connections", || origin.connections() == 8);
    gate.store(true, Ordering::SeqCst);
    for mut client in clients {
        assert_eq!(client.response("GET").expect("a response").status, 200);
    }
    assert_eq!(origin.connections(), 8);
}

#[test]
fn a_connection_that_its_peer_ended_is_not_used() {
    let origin = Origin::start(|_| vec![Step::Send(OK.to_vec()), Step::Close]);
    let server = at(&origin);
    let mut client = Connection::open(server.port());
    for number in 1..=20 {
        // What is on its way nobody can know.
        wait_until("the end to arrive", || connections_to(&server, origin.port()) == 0);
        // Not even for what is never sent twice.
        let response = client.request("POST", "/", &[], b"abc").expect("a response");
        assert_eq!((response.status, origin.connections()), (200, number));
    }
}

/// The origin answers the first request of a connection, and ends it at the second.
fn ends_at_second(request: &Seen, all: &[Seen]) -> Vec<Step> {
    let is_first = all.iter().filter(|seen| seen.connection == request.connection).count() == 0;
    if is_first { vec![Step::Send(OK.to_vec())] } else { vec![Step::Close] }
}

#[test]
fn only_what_cannot_have_been_done_is_sent_again() {
    for (method, body, again) in [
        ("GET", "", true),
        ("OPTIONS", "", true),
        ("TRACE", "", true),
        ("DELETE", "", false),
        ("PUT", "abc", false),
        ("POST", "", false),
        ("POST", "abc", false),
    ] {
        let all = std::sync::Mutex::new(Vec::new());
        let origin = Origin::start(move |request| {
            let mut all = all.lock().expect("not poisoned");
            let steps = ends_at_second(request, &all);
            all.push(request.clone());
            steps
        });
        let server = at(&origin);
        let mut client = Connection::open(server.port());
        assert_eq!(client.request("GET", "/", &[], b"").expect("a response").status, 200);
        let second = client.request(method, "/", &[], body.as_bytes());
        match again {
            true => assert_eq!(second.expect(method).status, 200),
            false => drop(second.expect_err(method)),
        }
        let seen = origin.take_seen().iter().filter(|seen| seen.line.starts_with(method)).count();
        let expected = 1 + usize::from(again) + usize::from(method == "GET");
        assert_eq!((seen, origin.connections()), (expected, 1 + usize::from(again)), "{method}");
    }
}

#[test]
fn what_was_answered_in_part_is_not_sent_again() {
    let origin = Origin::start(|request| match request.line.contains("part") {
        true => vec![Step::Send(b"HTTP/1.1 200 OK\r\nCon".to_vec()), Step::Close],
        false => vec![Step::Send(OK.to_vec())],
    });
    let server = at(&origin);
    let mut client = Connection::open(server.port());
    assert_eq!(client.request("GET", "/", &[], b"").expect("a response").status, 200);
    client.request("GET", "/part", &[], b"").expect_err("no answer");
    assert_eq!((origin.take_seen().len(), origin.connections()), (2, 1));
}

#[test]
fn a_client_that_goes_away_ends_the_connection_to_the_origin() {
    let origin = Origin::start(|_| {
        let mut steps = vec![Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n".to_vec())];
        steps.extend((0..1000).map(|_| Step::Send(vec![b'x'; 100_000])));
        steps
    });
    let server = at(&origin);
    let mut client = Connection::open(server.port());
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request");
    client.head().expect("a head");
    wait_until("the connection to the origin", || connections_to(&server, origin.port()) == 1);
    drop(client);
    wait_until("its end", || connections_to(&server, origin.port()) == 0);
}

/// Connections of this process to a port, as the kernel lists them: those that are established.
fn connections_to(server: &Server, port: u16) -> usize {
    let table = std::fs::read_to_string(format!("/proc/{}/net/tcp", server.pid())).expect("the kernel's table");
    let end = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields[2].ends_with(&end) && fields[3] == "01")
        .count()
}

#[test]
fn a_response_can_come_before_the_request_is_over() {
    let (listener, server) = raw();
    let mut client = Connection::open(server.port());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").expect("a part");
    let (mut origin, _) = listener.accept().expect("a connection");
    read_to(&mut origin, b"abc\r\n");
    std::io::Write::write_all(&mut origin, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nea").expect("a part");
    assert_eq!(client.head().expect("a head").status, 200);
    // The rest goes on both ways.
    client.send("2\r\nde\r\n").expect("a part");
    read_to(&mut origin, b"de\r\n");
    std::io::Write::write_all(&mut origin, b"rly").expect("a part");
    client.send("0\r\n\r\n").expect("the end");
    read_to(&mut origin, b"0\r\n\r\n");
    let mut body = client.rest();
    let mut stream = client.stream();
    while body.len() < 5 {
        let mut bytes = [0; 16];
        let count = std::io::Read::read(&mut stream, &mut bytes).expect("the body");
        assert!(count > 0, "the connection ended");
        body.extend_from_slice(&bytes[..count]);
    }
    assert_eq!(body, b"early");
}

#[test]
fn nobody_reads_faster_than_it_is_read() {
    let (listener, server) = raw();
    let mut client = Connection::open(server.port());
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request");
    let (mut origin, _) = listener.accept().expect("a connection");
    read_to(&mut origin, b"\r\n\r\n");
    let memory = || bulkhead_test_support::process::resident(server.pid());
    let before = memory();
    std::io::Write::write_all(&mut origin, b"HTTP/1.1 200 OK\r\n\r\n").expect("a head");
    origin.set_nonblocking(true).expect("a socket");
    let chunk = vec![b'x'; 1 << 20];
    let mut sent = 0;
    let mut refused = 0;
    // Until nobody has taken anything for a while: the client reads nothing.
    while refused < 50 {
        assert!(sent < 64 << 20, "64 MiB were taken for a client that reads nothing");
        match std::io::Write::write(&mut origin, &chunk) {
            Ok(count) => {
                sent += count;
                refused = 0;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                refused += 1;
                thread::sleep(std::time::Duration::from_millis(10));
            }
            Err(error) => panic!("{error}"),
        }
    }
    let more = memory().saturating_sub(before);
    assert!(more < 16 << 20, "{more} bytes are held for a client that reads nothing");
}

fn raw() -> (TcpListener, Server) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listen");
    let server = serve(&listener.local_addr().expect("an address").to_string());
    (listener, server)
}

fn read_to(stream: &mut std::net::TcpStream, end: &[u8]) {
    let mut all = Vec::new();
    while !all.ends_with(end) {
        let mut byte = [0];
        assert_eq!(std::io::Read::read(stream, &mut byte).expect("a byte"), 1, "{:?}", String::from_utf8_lossy(&all));
        all.push(byte[0]);
    }
}

#[test]
fn unix_sockets_with_and_without_a_path() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("backend.sock");
    let name = format!("bulkhead-test-{}", std::process::id());
    let abstract_address =
        <std::os::unix::net::SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(&name)
            .expect("an address");
    for (listener, address) in [
        (UnixListener::bind(&path).expect("listen"), format!("unix:{}", path.display())),
        (UnixListener::bind_addr(&abstract_address).expect("listen"), format!("unix-abstract:{name}")),
    ] {
        let answering = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                assert_eq!(std::io::Read::read(&mut stream, &mut byte).expect("a byte"), 1);
                request.push(byte[0]);
            }
            std::io::Write::write_all(&mut stream, OK).expect("an answer");
            String::from_utf8(request).expect("text")
        });
        let server = serve(&address);
        assert_eq!(Connection::open(server.port()).request("GET", "/x", &[], b"").expect(&address).text(), "ok");
        assert_eq!(answering.join().expect("no panic"), "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
}
