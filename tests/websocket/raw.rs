//! A socket before a server: nobody but these two knows what the bytes mean.

use std::io::{Read as _, Write as _};

use bulkhead_test_support::{Server, Setup, process, runtime::wait_until, supervisor};
use nix::sys::signal::Signal;

use super::peer::{ACCEPT, Backend, KEY, accepting, client, request, upgraded};

fn setup(backend: &Backend) -> Setup {
    Setup::config(&format!(
        "using Workerd = import \"/workerd/workerd.capnp\";\nconst config :Workerd.Config = (\n\
         services = [(name = \"s\", external = (address = \"{}\", http = ()))],\n\
         sockets = [(name = \"http\", address = \"127.0.0.1:0\", http = (injectResponseHeaders = [(name = \"x-in\", value = \"2\")]), \
         service = \"s\")]);",
        backend.address
    ))
}

fn serve(backend: &Backend) -> Server {
    supervisor!().serve(setup(backend))
}

#[test]
fn bytes_go_both_ways_and_each_way_ends_by_itself() {
    let backend = Backend::start();
    let server = serve(&backend);
    // What comes with the head belongs to what follows it.
    let mut client = client(server.port(), request("/a?b", "X-Foo: 1\r\n") + "early");
    let mut peer = backend.next();
    assert_eq!(client.header("sec-websocket-accept"), Some(ACCEPT));
    assert_eq!(client.header("x-of-the-backend"), Some("1"));
    assert_eq!(client.header("x-in"), Some("2"));
    assert_eq!((client.header("connection"), client.header("upgrade")), (Some("Upgrade"), Some("websocket")));
    assert_eq!(client.header("content-length").or(client.header("transfer-encoding")), None, "{}", client.head);
    // The key is of one hop, and what else the client says is not.
    assert!(peer.head.starts_with("GET /a?b HTTP/1.1\n"), "{}", peer.head);
    assert_eq!(peer.header("x-foo"), Some("1"));
    assert_ne!(peer.header("sec-websocket-key"), Some(KEY));
    assert_eq!(peer.receive(5), b"early");
    let long: Vec<u8> = (0..3_000_000_u32).map(|n| n as u8).collect();
    for (one, other) in [(true, false), (false, true)] {
        let (from, to) = if one { (&mut client, &mut peer) } else { (&mut peer, &mut client) };
        assert!(one != other);
        let mut stream = from.stream.try_clone().expect("a handle");
        let sent = long.clone();
        let sending = std::thread::spawn(move || stream.write_all(&sent).expect("it is taken"));
        assert!(to.receive(long.len()) == long);
        sending.join().expect("it was sent");
    }
    client.finish();
    assert_eq!(peer.rest(), (vec![], true));
    peer.send("after the other end");
    assert_eq!(client.receive(19), b"after the other end");
    drop(peer);
    assert_eq!(client.rest(), (vec![], true));
}

#[test]
fn whoever_goes_takes_the_other_side_along() {
    let backend = Backend::start();
    let server = serve(&backend);
    for round in 0..4 {
        let client = upgraded(server.port(), "/");
        let mut peer = backend.next();
        match round {
            0 => {
                client.reset();
                peer.rest();
            }
            1 => {
                drop(client);
                peer.rest();
            }
            2 => {
                let mut client = client;
                peer.reset();
                client.rest();
            }
            _ => {
                let mut client = client;
                drop(peer);
                client.rest();
            }
        }
    }
}

#[test]
fn requests_that_ask_for_something_else_are_requests() {
    let backend = Backend::start();
    let server = serve(&backend);
    let key = format!("Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n");
    for (what, head) in [
        ("several", format!("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket, x\r\n{key}\r\n")),
        ("another", "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n".to_owned()),
        ("not of the hop", format!("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n{key}\r\n")),
        ("old", format!("GET / HTTP/1.0\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{key}\r\n")),
        (
            "with a body",
            format!(
                "POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n{key}\r\nx"
            ),
        ),
    ] {
        let client = client(server.port(), head);
        let peer = backend.next();
        assert!(client.head.contains(" 200 "), "{what}: {}", client.head);
        assert_eq!((peer.header("upgrade"), peer.header("connection")), (None, None), "{what}");
    }
}

#[test]
fn who_cannot_be_answered_is_told_why() {
    let backend = Backend::start();
    let server = serve(&backend);
    let of = |method: &str, rest: &str| {
        format!("{method} / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{rest}\r\n")
    };
    let key = format!("Sec-WebSocket-Key: {KEY}\r\n");
    let version = "Sec-WebSocket-Version: 13\r\n";
    for (head, status, text) in [
        (of("GET", version), "400 Bad Request", "ERROR: Missing Sec-WebSocket-Key"),
        (of("GET", &key), "426 Upgrade Required", "ERROR: The requested WebSocket version is not supported."),
        (
            of("POST", &format!("{key}{version}")),
            "400 Bad Request",
            "ERROR: WebSocket must be initiated with a GET request.",
        ),
    ] {
        let mut client = client(server.port(), head);
        assert!(client.head.starts_with(&format!("HTTP/1.1 {status}\n")), "{}", client.head);
        assert_eq!(client.header("connection"), Some("close"));
        assert_eq!(client.header("sec-websocket-version"), status.starts_with("426").then_some("13"));
        assert_eq!(client.rest(), (text.as_bytes().to_vec(), true));
        // The server is let go.
        assert_eq!(backend.next().rest().0, b"");
    }
}

#[test]
fn a_server_that_does_not_answer_what_was_asked_is_let_go() {
    let backend = Backend::answering(|peer| {
        let accept = if peer.head.contains("/accept") { "AAAAAAAAAAAAAAAAAAAAAAAAAAA=" } else { ACCEPT };
        let upgrade = if peer.head.contains("/other") { "h2c" } else { "websocket" };
        Some(format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        ))
    });
    let server = serve(&backend);
    for (path, asks) in [("/accept", true), ("/other", true), ("/nobody-asked", false)] {
        if asks {
            let mut client = client(server.port(), request(path, ""));
            assert!(client.head.starts_with("HTTP/1.1 502 "), "{path}: {}", client.head);
            let text = String::from_utf8(client.rest().0).expect("a text");
            assert!(text.starts_with("Server failed WebSocket handshake: incorrect "), "{path}: {text}");
            assert_eq!(backend.next().rest().0, b"");
            continue;
        }
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port())).expect("a connection");
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).expect("it is taken");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert_eq!(String::from_utf8_lossy(&answer), "", "{path}: the connection ends without an answer");
        backend.next();
    }
    server.wait_for_stderr(|text| text.contains("answered with 101"));
}

#[test]
fn an_answer_without_a_connection_leaves_the_client_its_own() {
    let backend =
        Backend::answering(|_| Some("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok".to_owned()));
    let server = serve(&backend);
    let mut client = client(server.port(), request("/", ""));
    assert_eq!(client.receive(2), b"ok");
    // Which goes on as before, to its proper end.
    client.send(request("/", "Connection: close\r\n").replace("Connection: Upgrade\r\n", ""));
    let (rest, is_end) = client.rest();
    assert!(is_end && String::from_utf8_lossy(&rest).ends_with("ok"));
}

#[test]
fn who_reads_nothing_is_not_read_for() {
    let backend = Backend::start();
    let server = serve(&backend);
    let (mut silent, mut peer) = (upgraded(server.port(), "/"), backend.next());
    let before = process::resident(server.pid());
    // Until nobody takes any more.
    let piece = vec![7; 1 << 20];
    peer.stream.set_nonblocking(true).expect("an option");
    let mut sent = 0;
    let mut waited = 0;
    while waited < 20 {
        match peer.stream.write(&piece) {
            Ok(bytes) => (sent, waited) = (sent + bytes, 0),
            Err(_) => {
                waited += 1;
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        }
    }
    assert!(process::resident(server.pid()) < before + (4 << 20), "what nobody reads is not kept");
    // The other direction, and others, go on.
    silent.send("still here");
    peer.stream.set_nonblocking(false).expect("an option");
    assert_eq!(peer.receive(10), b"still here");
    let (mut other, mut its) = (upgraded(server.port(), "/"), backend.next());
    its.send("x");
    assert_eq!(other.receive(1), b"x");
    // And nothing is lost.
    assert!(silent.receive(sent).iter().all(|byte| *byte == 7));
}

#[test]
fn the_kernel_asks_whether_somebody_is_still_there() {
    let backend = Backend::start();
    let server = serve(&backend);
    let (client, peer) = (upgraded(server.port(), "/"), backend.next());
    for end in [&client, &peer] {
        // What was sent last may have to be acknowledged first.
        wait_until("the kernel asks", || {
            process::asks_after(&end.stream).is_some_and(|when| (1000..=6100).contains(&when))
        });
    }
    // It may have gone, and not only have ended its sending side.
    client.finish();
    wait_until("the kernel asks sooner", || process::asks_after(&client.stream).is_some_and(|when| when <= 510));
}

#[test]
fn a_server_that_ends_with_its_head_has_its_client_see_that() {
    let backend = Backend::answering(|peer| {
        // The head and the end in one piece.
        let end = peer.stream.try_clone().expect("a handle");
        (&end).write_all(accepting(peer).as_bytes()).expect("it is taken");
        peer.finish();
        Some(String::new())
    });
    let server = serve(&backend);
    for _ in 0..20 {
        let (mut client, mut peer) = (upgraded(server.port(), "/"), backend.next());
        assert_eq!(client.rest(), (vec![], true));
        client.send("bye");
        client.finish();
        assert_eq!(peer.rest(), (b"bye".to_vec(), true));
    }
}

#[test]
fn a_drain_lets_connections_come_to_their_end() {
    let backend = Backend::start();
    let server = serve(&backend);
    let (mut client, mut peer) = (upgraded(server.port(), "/"), backend.next());
    server.signal(Signal::SIGTERM);
    wait_until("nobody is accepted", || std::net::TcpStream::connect(("127.0.0.1", server.port())).is_err());
    client.send("ping");
    assert_eq!(peer.receive(4), b"ping");
    peer.send("pong");
    assert_eq!(client.receive(4), b"pong");
    drop(peer);
    assert_eq!(client.rest(), (vec![], true));
    drop(client);
    assert_eq!(server.wait().code, Some(0));
}
