//! Origins that mean harm: what they do costs whoever asked them, and nobody else.

use std::{io::Write as _, net::TcpStream, sync::mpsc};

use bulkhead_test_support::{Server, Setup, http::Connection, process, runtime::wait_until, supervisor};

use super::origin::{OK, Origin, Step};

/// A server with a hostile backend and a good one, on one shard.
fn serve(hostile: u16, good: u16) -> Server {
    let config = format!(
        "using Workerd = import \"/workerd/workerd.capnp\";\nconst config :Workerd.Config = (\n\
         services = [(name = \"hostile\", external = (address = \"127.0.0.1:{hostile}\", http = ())),\n\
                     (name = \"good\", external = (address = \"127.0.0.1:{good}\", http = ()))],\n\
         sockets = [(name = \"http\", address = \"127.0.0.1:0\", http = (), service = \"hostile\"),\n\
                    (name = \"good\", address = \"127.0.0.1:0\", http = (), service = \"good\")]);"
    );
    supervisor!().serve(Setup::config(&config).argument("--shards=1").sockets(2))
}

/// Writes the same bytes until nobody takes them any more; gives how many were taken.
fn flood(first: &'static [u8], then: &'static [u8]) -> (u16, mpsc::Receiver<usize>) {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).expect("listen");
    let port = listener.local_addr().expect("an address").port();
    let (sender, taken) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let many = then.repeat((64 << 10) / then.len());
        let mut sent = 0;
        let mut write = |stream: &mut TcpStream| -> std::io::Result<()> {
            stream.write_all(first)?;
            while sent < 1 << 30 {
                stream.write_all(&many)?;
                sent += many.len();
            }
            Ok(())
        };
        let _ = write(&mut stream);
        let _ = sender.send(sent);
    });
    (port, taken)
}

#[test]
fn a_head_without_an_end_is_given_up() {
    for (what, first, then) in [
        ("headers", &b"HTTP/1.1 200 OK\r\n"[..], &b"X-Header: value\r\n"[..]),
        ("one header", b"HTTP/1.1 200 OK\r\nX-Header: ", b"xxxxxxxxxxxxxxxx"),
        ("a status line", b"HTTP/1.1 200 ", b"OKOKOKOKOKOKOKOK"),
        ("heads before the response", b"", b"HTTP/1.1 100 Continue\r\nX-Header: value\r\n\r\n"),
    ] {
        let good = Origin::start(|_| vec![Step::Send(OK.to_vec())]);
        let (port, taken) = flood(first, then);
        let server = serve(port, good.port());
        let before = process::resident(server.pid());
        let mut client = Connection::open(server.port());
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request");
        assert_eq!(client.to_end().expect("an end"), b"", "{what}");
        let taken = taken.recv().expect("the end of the flood");
        let memory = process::resident(server.pid()).saturating_sub(before);
        assert!(memory < 32 << 20, "{what}: {memory} bytes more after {taken}");
        assert!(taken < 16 << 20, "{what}: {taken} bytes were taken");
        let response = Connection::open(server.port_of("good")).request("GET", "/", &[], b"").expect("a response");
        assert_eq!(response.status, 200, "{what}: a neighbour is served");
    }
}

#[test]
fn chunks_that_say_nothing_are_given_up() {
    let good = Origin::start(|_| vec![Step::Send(OK.to_vec())]);
    for (what, then) in [("an extension", &b";aaaaaaaaaaaaaaa"[..]), ("digits", b"0000000000000000")] {
        let (port, taken) = flood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3", then);
        let server = serve(port, good.port());
        let before = process::resident(server.pid());
        let mut client = Connection::open(server.port());
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request");
        client.to_end().expect("an end");
        let taken = taken.recv().expect("the end of the flood");
        let memory = process::resident(server.pid()).saturating_sub(before);
        assert!(taken < 16 << 20 && memory < 32 << 20, "{what}: {taken} bytes taken, {memory} more held");
    }
}

#[test]
fn origins_that_say_nothing_keep_nobody_else_waiting() {
    let (silent, listener) = {
        let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).expect("listen");
        (listener.local_addr().expect("an address").port(), listener)
    };
    let good = Origin::start(|_| vec![Step::Send(OK.to_vec())]);
    let server = serve(silent, good.port());
    let before = process::descriptors(server.pid()).len();
    let waiting: Vec<Connection> = (0..100)
        .map(|_| {
            let mut client = Connection::open(server.port());
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request");
            client
        })
        .collect();
    let held: Vec<_> = (0..100).map(|_| listener.accept().expect("a connection")).collect();
    let mut client = Connection::open(server.port_of("good"));
    for _ in 0..50 {
        assert_eq!(client.request("GET", "/", &[], b"").expect("a response").status, 200);
    }
    // When the clients go, so do their connections. A reset says that they are gone; an end could mean that they listen.
    for client in &waiting {
        socket2::SockRef::from(client.stream()).set_linger(Some(std::time::Duration::ZERO)).expect("a socket");
    }
    drop(waiting);
    wait_until("descriptors to be given back", || process::descriptors(server.pid()).len() <= before + 4);
    drop(held);
}
