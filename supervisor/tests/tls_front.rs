//! HTTP inside of TLS, from a client's bytes to a service: what a handshake may cost, and that everything that holds for a
//! client without TLS holds for one with it.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use bulkhead_supervisor::{
    body::{Body, BodyError, PullSource, next_chunk},
    config::{HttpOptions, Protocol, TlsOptions},
    log::Log,
    net::{
        address::DEFAULT_HTTPS_PORT,
        tls::{client::Inside, keys::Keypair, server::Acceptor},
    },
    service::{LocalFuture, Service, ServiceError, ServiceRequest},
    shard::{Addressees, Drained, Served, ShardServices, ShardSocket, Shards},
    socket::{BoundSocket, Limits, Opening},
};
use bulkhead_test_support::certificates::Authority;
use bytes::Bytes;
use http::Response;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, pki_types::CertificateDer};

/// Requests that are being answered.
#[derive(Default)]
struct Running(AtomicUsize);

struct Guard(Arc<Running>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Answers by path.
struct Paths(Arc<Running>);

impl Service for Paths {
    fn fetch(&self, request: ServiceRequest) -> LocalFuture<'_, Result<Response<Body>, ServiceError>> {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        let guard = Guard(self.0.clone());
        Box::pin(async move {
            let (guard, (head, mut body)) = (guard, request.http.into_parts());
            match head.uri.path() {
                "/never" => std::future::pending().await,
                "/endless" => Ok(Response::new(Body::Pull(Box::pin(Endless { _guard: guard })))),
                "/echo" => Ok(Response::new(body)),
                "/read" => {
                    let mut read = 0;
                    while let Some(chunk) = next_chunk(&mut body).await {
                        read += chunk.map_err(|_| ServiceError::BrokenRequest)?.len();
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    Ok(Response::new(Body::Bytes(format!("read {read}").into())))
                }
                _ => Ok(Response::new(Body::Bytes(head.uri.to_string().into()))),
            }
        })
    }
}

/// A body without an end.
struct Endless {
    _guard: Guard,
}

impl PullSource for Endless {
    fn poll_pull(self: std::pin::Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        Poll::Ready(Some(Ok(Bytes::from_static(&[b'x'; 64 << 10]))))
    }
}

struct Factory(Arc<Running>);

impl ShardServices for Factory {
    fn start(&self, _shard: usize) -> LocalFuture<'_, Result<Served, String>> {
        let sockets: Vec<Rc<dyn Service>> = vec![Rc::new(Paths(self.0.clone()))];
        Box::pin(async { Ok(Served { sockets, addressees: Addressees::new(), log: Log::to_channel(1).0 }) })
    }
}

struct Server {
    shards: Option<Shards>,
    port: u16,
    running: Arc<Running>,
    client: Arc<ClientConfig>,
    _bound: BoundSocket,
}

impl Server {
    fn start(limits: &Limits) -> Server {
        let authority = Authority::new("root");
        let identity = authority.issue(&["localhost"]);
        let keypair = Keypair::from_pem(&identity.key, &identity.chain).expect("a key");
        let tls = Acceptor::new(&TlsOptions { keypair: Some(keypair), ..TlsOptions::default() }, Inside::Http)
            .expect("a server");
        let running = Arc::new(Running::default());
        let mut bound = BoundSocket::bind("127.0.0.1:0", DEFAULT_HTTPS_PORT, 1).expect("a port");
        let mut shards = Shards::start(1, limits, Arc::new(Factory(running.clone()))).expect("a shard");
        let listeners = bound.listen().expect("to listen").pop().expect("a shard");
        let (options, log) = (HttpOptions::default(), Log::to_channel(1).0);
        let socket = ShardSocket {
            name: "https".into(),
            address: String::new(),
            protocol: Protocol::Http(options),
            tls: Some(tls),
            opening: Opening::New(0, listeners),
            log,
        };
        shards.serve(vec![vec![socket]], limits.connections).expect("to serve");
        let mut roots = RootCertStore::empty();
        use rustls::pki_types::pem::PemObject;
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("PEM")).expect("a certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Server { shards: Some(shards), port: bound.port(), running, client: Arc::new(client), _bound: bound }
    }

    fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        // Only so that a failure does not hang.
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
        stream
    }

    fn connect(&self) -> Client {
        let name = "localhost".try_into().expect("a name");
        let connection = ClientConnection::new(self.client.clone(), name).expect("a client");
        StreamOwned::new(connection, self.tcp())
    }

    fn running(&self) -> usize {
        self.running.0.load(Ordering::SeqCst)
    }

    /// Stops, and says what the shard says of it.
    fn stop(mut self) -> Drained {
        let shards = self.shards.take().expect("running");
        shards.shut_down();
        shards.join().expect("an orderly end")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(shards) = self.shards.take() {
            shards.shut_down();
            let _ = shards.join();
        }
    }
}

type Client = StreamOwned<ClientConnection, TcpStream>;

fn send(client: &mut Client, target: &str) {
    client.write_all(format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n\r\n").as_bytes()).expect("to send");
}

/// Reads until what was read ends with `end`.
fn read_until(client: &mut Client, end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        let mut byte = [0];
        match client.read(&mut byte) {
            Ok(1) => read.push(byte[0]),
            other => panic!("{other:?} after {:?}", String::from_utf8_lossy(&read)),
        }
    }
    String::from_utf8(read).expect("text")
}

/// Whether the server has closed a connection. Reads away what it sent.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket");
    let mut bytes = [0; 4096];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

#[track_caller]
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < end, "{what} does not happen");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Limits that are not reached by what a test does not want to end.
fn patient() -> Limits {
    let long = Duration::from_secs(600);
    Limits {
        handshake_time: long,
        head_time: long,
        idle_time: long,
        body_stall: long,
        write_stall: long,
        tick: Duration::from_millis(10),
        ..Limits::default()
    }
}

#[test]
fn requests_are_answered_one_after_the_other() {
    let server = Server::start(&patient());
    let mut client = server.connect();
    for number in 0..3 {
        send(&mut client, &format!("/{number}?q"));
        assert!(read_until(&mut client, &format!("https://a.example/{number}?q")).starts_with("HTTP/1.1 200 OK\r\n"));
    }
    let body = vec![b'b'; 1 << 20];
    let mut echo = server.connect();
    let head = format!("POST /echo HTTP/1.1\r\nHost: a.example\r\nContent-Length: {}\r\n\r\n", body.len());
    echo.write_all(head.as_bytes()).expect("to send");
    let (mut sent, mut echoed) = (0, Vec::new());
    // Bit by bit in both directions, for both have windows.
    while sent < body.len() {
        let part = (body.len() - sent).min(8 << 10);
        echo.write_all(&body[sent..sent + part]).expect("to send");
        sent += part;
        if sent >= 64 << 10 {
            let mut chunk = [0; 8 << 10];
            let read = echo.read(&mut chunk).expect("to read");
            echoed.extend_from_slice(&chunk[..read]);
        }
    }
    while echoed.iter().filter(|byte| **byte == b'b').count() < body.len() {
        let mut chunk = [0; 64 << 10];
        let read = echo.read(&mut chunk).expect("to read");
        assert!(read > 0, "the body is cut short after {} bytes", echoed.len());
        echoed.extend_from_slice(&chunk[..read]);
    }
    assert_eq!(server.stop(), Drained::default());
}

#[test]
fn a_client_that_goes_away_ends_its_request() {
    let server = Server::start(&patient());
    for polite in [true, false] {
        let mut client = server.connect();
        send(&mut client, "/never");
        wait_until("the request", || server.running() == 1);
        if polite {
            client.conn.send_close_notify();
            client.flush().expect("to say so");
        }
        drop(client);
        wait_until("the request's end", || server.running() == 0);
    }
}

#[test]
fn who_only_stops_sending_gets_an_answer() {
    let server = Server::start(&patient());
    for shuts_tcp in [false, true] {
        let mut client = server.connect();
        let request = "POST /read HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\nabc";
        client.write_all(request.as_bytes()).expect("to send");
        client.conn.send_close_notify();
        client.flush().expect("to say so");
        if shuts_tcp {
            client.sock.shutdown(Shutdown::Write).expect("to shut down");
        }
        read_until(&mut client, "read 3");
    }
}

#[test]
fn a_handshake_that_stalls_is_ended() {
    let server = Server::start(&Limits { handshake_time: Duration::from_millis(200), ..patient() });
    let mut silent = server.tcp();
    // The first bytes of a handshake, and no more: the record says that 512 follow.
    let mut begun = server.tcp();
    begun.write_all(&[22, 3, 1, 2, 0, 1]).expect("to send");
    let mut honest = server.connect();
    send(&mut honest, "/");
    read_until(&mut honest, "https://a.example/");
    wait_until("the end of the silent one", || is_closed(&mut silent));
    wait_until("the end of the one that has begun", || is_closed(&mut begun));
    send(&mut honest, "/again");
    read_until(&mut honest, "https://a.example/again");
}

#[test]
fn stalled_handshakes_take_nobody_s_place() {
    let server = Server::start(&Limits { handshakes: 50, ..patient() });
    let mut kept = server.connect();
    send(&mut kept, "/");
    read_until(&mut kept, "https://a.example/");
    let mut stalled: Vec<TcpStream> = Vec::new();
    for number in 0..300 {
        let mut stream = server.tcp();
        if number % 2 == 0 {
            stream.write_all(&[22, 3, 1, 2, 0, 1]).expect("to send");
        }
        stalled.push(stream);
        if number % 50 == 49 {
            // One that is in a hurry gets in, and so do those that were there before.
            let mut honest = server.connect();
            send(&mut honest, "/new");
            read_until(&mut honest, "https://a.example/new");
            send(&mut kept, "/kept");
            read_until(&mut kept, "https://a.example/kept");
        }
    }
    let mut closed = 0;
    wait_until("that the oldest have been ended", || {
        closed = stalled.iter_mut().filter_map(|stream| is_closed(stream).then_some(())).count();
        closed >= 250
    });
    // The six that were in a hurry ended one each.
    assert!(closed <= 256, "{closed} of them have been ended");
    assert!(stalled[256..].iter_mut().all(|stream| !is_closed(stream)), "the newest may go on");
    // They do not keep the server from ending either.
    assert_eq!(server.stop().cut_off, 0);
}

#[test]
fn what_is_no_tls_is_turned_away() {
    let server = Server::start(&patient());
    let junk = (0..=255).cycle().take(20_000).collect::<Vec<u8>>();
    for bytes in [&b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"[..], b"\0", b"\x80\x2e\x01\0\x02", &junk] {
        let mut stream = server.tcp();
        // The server may have heard enough.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&answer));
        assert!(answer.is_empty() || answer[0] == 21, "an alert or nothing: {answer:?}");
    }
    let mut honest = server.connect();
    send(&mut honest, "/");
    read_until(&mut honest, "https://a.example/");
}

#[test]
fn who_reads_nothing_is_cut_off_and_who_reads_slowly_is_not() {
    let server = Server::start(&Limits { write_stall: Duration::from_millis(400), ..patient() });
    let mut stuck = server.connect();
    send(&mut stuck, "/endless");
    read_until(&mut stuck, "\r\n\r\n");
    let mut slow = server.connect();
    send(&mut slow, "/endless");
    let mut chunk = vec![0; 256 << 10];
    wait_until("the end of the one that reads nothing", || {
        assert!(slow.read(&mut chunk).expect("the one that reads goes on") > 0);
        server.running() == 1
    });
    slow.read_exact(&mut chunk[..1]).expect("the one that reads goes on");
}
