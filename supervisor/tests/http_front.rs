//! The HTTP front, with services that do one simple thing, over real sockets.

#[path = "fakes/raw.rs"]
mod raw;

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    os::unix::net::UnixStream,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bulkhead_ipc::worker_capnp::Limit;
use bulkhead_supervisor::{
    body::{Body, BodyError, PullSource, next_chunk},
    config::{HttpOptions, HttpStyle, Protocol},
    log::Log,
    net::address::DEFAULT_HTTP_PORT,
    service::{LocalFuture, Service, ServiceError, ServiceRequest},
    shard::{Addressees, Drained, Served, ShardServices, ShardSocket, Shards},
    socket::{BoundSocket, Limits, Opening},
};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};

/// What the services of a test count.
#[derive(Default)]
struct Counts {
    running: AtomicUsize,
    produced: AtomicUsize,
    longest_chunk: AtomicUsize,
    chunks: AtomicUsize,
}

struct Running(Arc<Counts>);

impl Running {
    fn new(counts: &Arc<Counts>) -> Running {
        counts.running.fetch_add(1, Ordering::SeqCst);
        Running(counts.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Answers by path.
struct Paths(Arc<Counts>);

impl Service for Paths {
    fn fetch(&self, request: ServiceRequest) -> LocalFuture<'_, Result<Response<Body>, ServiceError>> {
        let counts = self.0.clone();
        let running = Running::new(&counts);
        Box::pin(async move {
            let _running = running;
            let (head, mut body) = request.http.into_parts();
            let text = |text: String| Ok(Response::new(Body::Bytes(Bytes::from(text))));
            match head.uri.path() {
                "/info" => {
                    let headers: Vec<_> =
                        head.headers.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
                    let cf = (!request.cf_json.is_empty()).then_some(request.cf_json);
                    text(format!("{} {} {headers:?} {cf:?}", head.method, head.uri))
                }
                "/echo" => Ok(Response::new(body)),
                "/read" => {
                    let mut read = 0;
                    while let Some(chunk) = next_chunk(&mut body).await {
                        read += chunk.map_err(|_| ServiceError::BrokenRequest)?.len();
                    }
                    text(format!("read {read}"))
                }
                "/throw" => Err(ServiceError::Exception("secret".into())),
                "/gone" => Err(ServiceError::Unavailable("secret".into())),
                "/exceeded" => Err(ServiceError::Exceeded(Limit::CpuTime)),
                "/cut-off" => Err(ServiceError::BrokenRequest),
                "/refused" => Err(ServiceError::Refused(StatusCode::PAYLOAD_TOO_LARGE, "too large".into())),
                "/never" => std::future::pending().await,
                "/slow" => {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    text("slow".into())
                }
                "/endless" => Ok(Response::new(Body::Pull(Box::pin(Endless(counts))))),
                "/stream" => Ok(Response::new(Body::Pull(Box::pin(Stream(false))))),
                "/sized" => Ok(Response::new(Body::Pull(Box::pin(Sized { counts, left: 2 << 20, chunk: usize::MAX })))),
                "/blocks" => {
                    Ok(Response::new(Body::Pull(Box::pin(Blocks { counts, left: 2_000_000, chunk: usize::MAX }))))
                }
                "/broken" => Ok(Response::new(Body::Pull(Box::pin(Broken(false))))),
                "/status" => {
                    let mut response = Response::new(Body::Empty);
                    let query = head.uri.query().unwrap_or_default();
                    *response.status_mut() =
                        query.parse::<u16>().ok().and_then(|code| StatusCode::from_u16(code).ok()).unwrap();
                    Ok(response)
                }
                "/reason" => {
                    let mut response = Response::new(Body::Empty);
                    let reason = hyper::ext::ReasonPhrase::try_from(&b"Very Fine"[..]).unwrap();
                    response.extensions_mut().insert(reason);
                    Ok(response)
                }
                "/cookies" => {
                    let mut response = Response::new(Body::Empty);
                    for value in ["a=1", "b=2"] {
                        response.headers_mut().append("set-cookie", HeaderValue::from_static(value));
                    }
                    Ok(response)
                }
                _ => text("Hello World\n".into()),
            }
        })
    }
}

/// A body that never ends, and counts how much was asked of it.
struct Endless(Arc<Counts>);

impl PullSource for Endless {
    fn poll_pull(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.0.produced.fetch_add(64 * 1024, Ordering::SeqCst);
        Poll::Ready(Some(Ok(Bytes::from_static(&[b'x'; 64 * 1024]))))
    }
}

/// A body of one chunk.
struct Stream(bool);

impl PullSource for Stream {
    fn poll_pull(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        Poll::Ready((!std::mem::replace(&mut self.0, true)).then(|| Ok(Bytes::from_static(b"ab"))))
    }
}

/// A body whose chunks are as long as they may be, up to 1 MiB.
struct Sized {
    counts: Arc<Counts>,
    left: usize,
    chunk: usize,
}

impl PullSource for Sized {
    fn poll_pull(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let length = self.left.min(self.chunk).min(1 << 20);
        self.left -= length;
        self.counts.longest_chunk.fetch_max(length, Ordering::SeqCst);
        Poll::Ready((length > 0).then(|| Ok(Bytes::from(vec![b'x'; length]))))
    }

    fn limit_chunk(mut self: Pin<&mut Self>, bytes: usize) {
        self.chunk = bytes;
    }
}

/// A body that is made in blocks of 20,000 bytes, of which a chunk has no two.
struct Blocks {
    counts: Arc<Counts>,
    left: usize,
    chunk: usize,
}

impl PullSource for Blocks {
    fn poll_pull(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let of_block = self.left - (self.left - 1) / 20_000 * 20_000;
        let length = of_block.min(self.chunk);
        self.left -= length;
        self.counts.chunks.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(Some(Ok(Bytes::from(vec![b'x'; length]))))
    }

    fn limit_chunk(mut self: Pin<&mut Self>, bytes: usize) {
        self.chunk = bytes;
    }
}

/// A body that breaks off after its first chunk.
struct Broken(bool);

impl PullSource for Broken {
    fn poll_pull(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if std::mem::replace(&mut self.0, true) {
            Poll::Ready(Some(Err(BodyError("broken".into()))))
        } else {
            Poll::Ready(Some(Ok(Bytes::from_static(b"ab"))))
        }
    }
}

/// Starts the service for each of so many sockets.
struct Factory(Arc<Counts>, usize);

impl ShardServices for Factory {
    fn start(&self, _shard: usize) -> LocalFuture<'_, Result<Served, String>> {
        let service: Rc<dyn Service> = Rc::new(Paths(self.0.clone()));
        let sockets = vec![service; self.1];
        Box::pin(async { Ok(served(sockets)) })
    }
}

/// What no events are for.
fn served(sockets: Vec<Rc<dyn Service>>) -> Served {
    Served { sockets, addressees: Addressees::new(), log: Log::to_channel(1).0 }
}

struct Server {
    shards: Option<Shards>,
    port: u16,
    /// Of the further sockets.
    others: Vec<u16>,
    counts: Arc<Counts>,
    _bound: Vec<BoundSocket>,
    _one_at_a_time: MutexGuard<'static, ()>,
}

/// Tests that count descriptors must not run beside others of this file.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn start_on(address: &str, shards: usize, limits: &Limits, options: &HttpOptions) -> Server {
    start_sockets(&[address], shards, limits, options)
}

fn start_sockets(addresses: &[&str], shards: usize, limits: &Limits, options: &HttpOptions) -> Server {
    let guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let counts = Arc::new(Counts::default());
    let mut bound: Vec<_> =
        addresses.iter().map(|address| BoundSocket::bind(address, DEFAULT_HTTP_PORT, shards).unwrap()).collect();
    let factory = Arc::new(Factory(counts.clone(), addresses.len()));
    let mut running = Shards::start(shards, limits, factory).unwrap();
    let mut parts: Vec<Vec<ShardSocket>> = (0..shards).map(|_| Vec::new()).collect();
    for (socket, number) in bound.iter_mut().zip(0..) {
        for (part, listeners) in parts.iter_mut().zip(socket.listen().unwrap()) {
            let (options, log) = (options.clone(), Log::to_channel(1).0);
            part.push(ShardSocket {
                name: "http".into(),
                address: String::new(),
                protocol: Protocol::Http(options),
                tls: None,
                opening: Opening::New(number, listeners),
                log,
            });
        }
    }
    running.serve(parts, limits.connections).unwrap();
    let ports: Vec<u16> = bound.iter().map(BoundSocket::port).collect();
    Server {
        shards: Some(running),
        port: ports[0],
        others: ports[1..].to_vec(),
        counts,
        _bound: bound,
        _one_at_a_time: guard,
    }
}

fn start() -> Server {
    start_on("127.0.0.1:0", 1, &Limits::default(), &HttpOptions::default())
}

/// Limits that pass quickly.
fn quick() -> Limits {
    Limits {
        head_time: Duration::from_millis(50),
        idle_time: Duration::from_millis(50),
        body_stall: Duration::from_millis(50),
        write_stall: Duration::from_millis(50),
        linger_time: Duration::from_millis(50),
        tick: Duration::from_millis(10),
        ..Limits::default()
    }
}

impl Server {
    fn connect(&self) -> TcpStream {
        self.connect_to(self.port)
    }

    fn connect_to(&self, port: u16) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        // A test that hangs is a failure, and should say where.
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// Sends bytes, shuts nothing, reads until the server closes.
    fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn shut_down(mut self) -> Drained {
        let shards = self.shards.take().unwrap();
        shards.shut_down();
        shards.join().unwrap()
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

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Reads one response with a `Content-Length`.
fn read_response(stream: &mut impl Read) -> String {
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "ended after {:?}", String::from_utf8_lossy(&answer));
        answer.push(byte[0]);
    }
    let head = String::from_utf8(answer.clone()).unwrap();
    let length =
        head.split("Content-Length: ").nth(1).map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

#[test]
fn responses_have_the_references_bytes() {
    let server = start();
    let get =
        |path: &str| server.exchange(format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes());
    for (path, expected) in [
        ("/", "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\nHello World\n"),
        (
            "/throw",
            "HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: 21\r\n\r\nInternal Server Error",
        ),
        (
            "/gone",
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 19\r\nConnection: close\r\n\r\nService Unavailable",
        ),
        ("/refused", "HTTP/1.1 413 Payload Too Large\r\nConnection: close\r\nContent-Length: 9\r\n\r\ntoo large"),
        (
            "/exceeded",
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 31\r\nConnection: close\r\n\r\nWorker exceeded CPU time limit.",
        ),
        ("/cut-off", ""),
        ("/status?204", "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
        ("/status?304", "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n"),
        ("/status?205", "HTTP/1.1 205 Reset Content\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
        ("/status?299", "HTTP/1.1 299 Successful\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
        ("/status?599", "HTTP/1.1 599 Server Error\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
        (
            "/status?101",
            "HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: 21\r\n\r\nInternal Server Error",
        ),
        ("/reason", "HTTP/1.1 200 Very Fine\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
        (
            "/cookies",
            "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        ),
    ] {
        assert_eq!(get(path), expected, "{path}");
    }
    let broken = get("/broken");
    assert!(!broken.ends_with("0\r\n\r\n"), "a body that broke off must not look complete: {broken:?}");
    assert_eq!(
        server.exchange(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n"),
        "HTTP/1.0 200 OK\r\nContent-Length: 12\r\n\r\nHello World\n"
    );
    assert_eq!(
        server.exchange(b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\n"
    );
}

#[test]
fn requests_reach_the_service_whole() {
    let server = start();
    let answer = server.exchange(b"GET /info?x HTTP/1.1\r\nHost: ex.com\r\nConnection: close\r\nX-A: 1\r\n\r\n");
    assert!(answer.contains("GET http://ex.com/info?x "), "{answer}");
    assert!(answer.contains(r#"["host=\"ex.com\"", "connection=\"close\"", "x-a=\"1\""]"#), "{answer}");
    assert!(answer.contains(r#"{\"clientIp\":\"127.0.0.1:"#), "{answer}");
}

#[test]
fn a_table_of_malformed_requests_has_its_answers() {
    let server = start();
    let head = "POST /read HTTP/1.1\r\nHost: a\r\n";
    let get = |header: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n");
    let table: Vec<(String, u16)> = vec![
        ("garbage\r\n\r\n".into(), 400),
        ("\0\x01\x02\r\n\r\n".into(), 400),
        ("\x16\x03\x01\0\u{7f}\r\n\r\n".into(), 400),
        ("GET /\r\n\r\n".into(), 400),
        ("GET  /  HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n".into(), 400),
        ("GET / HTTP/1.2\r\nHost: a\r\n\r\n".into(), 400),
        ("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET ?x HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        (get("X-A: 1\r\n 2"), 400),
        (get("X-A : 1"), 400),
        (get("X-A"), 400),
        (get(": x"), 400),
        (get("X(A: x"), 400),
        (get("X-A: a\0b"), 400),
        (get("Host: b\r\nConnection: close"), 400),
        ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: u@b\r\nConnection: close\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: a:99999\r\nConnection: close\r\n\r\n".into(), 400),
        (format!("{head}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"), 400),
        (format!("{head}Content-Length: -3\r\n\r\n"), 400),
        (format!("{head}Content-Length: +3\r\n\r\n"), 400),
        (format!("{head}Content-Length: 3x\r\n\r\n"), 400),
        (format!("{head}Content-Length: 99999999999999999999999\r\n\r\n"), 400),
        (format!("{head}Transfer-Encoding: gzip\r\n\r\n"), 400),
        ("POST /read HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(), 400),
        ("get / HTTP/1.1\r\nHost: a\r\n\r\n".into(), 501),
        ("FOO / HTTP/1.1\r\nHost: a\r\n\r\n".into(), 501),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n".into(), 500),
        (get(&format!("X-A: {}", "a".repeat(200_000))), 431),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(200_000)), 431),
        (get(&(0..200).map(|n| format!("X-{n}: a")).collect::<Vec<_>>().join("\r\n")), 431),
    ];
    for (request, status) in table {
        let answer = server.exchange(request.as_bytes());
        let shown: String = request.chars().take(60).collect();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")) || answer.starts_with(&format!("HTTP/1.0 {status} ")),
            "{shown:?}: {answer:?}"
        );
        assert_eq!(answer.matches("HTTP/1.").count(), 1, "{shown:?}: {answer:?}");
    }
    // These fail in the body, after the service has begun: the connection ends without a word that could be taken for
    // an answer to it.
    for chunk in ["zz\r\nabc\r\n0\r\n\r\n", "ffffffffffffffffff\r\nabc\r\n", "3\r\nabcXX0\r\n\r\n"] {
        let answer = server.exchange(format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}").as_bytes());
        assert_eq!(answer, "", "{chunk:?}");
    }
    assert_eq!(server.counts.running.load(Ordering::SeqCst), 0);
}

#[test]
fn both_lengths_are_one_request_and_the_connection_ends() {
    let server = start();
    // RFC 9112, section 6.3: Transfer-Encoding overrides Content-Length. What follows must not become a second request
    // that another reader of the same bytes would not see.
    let answer = server.exchange(
        b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    assert!(answer.contains("read 2"), "{answer}");
    assert!(!answer.contains("Hello"), "{answer}");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = start();
    let one = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";
    let two = "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    let three = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = server.exchange(format!("{one}{two}{three}").as_bytes());
    let at = |text| answer.find(text).unwrap_or_else(|| panic!("{text} in {answer}"));
    assert!(at("slow") < at("read 3") && at("read 3") < at("Hello"), "{answer}");
}

#[test]
fn bodies_stream_both_ways() {
    let server = start();
    let answer = server.exchange(
        b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\nTrail: x\r\n\r\n",
    );
    assert!(answer.contains("Transfer-Encoding: chunked\r\n"), "{answer}");
    assert!(answer.ends_with("0\r\n\r\n") && answer.contains("abc") && answer.contains("defg"), "{answer}");
    let answer =
        server.exchange(b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc");
    assert!(answer.contains("Content-Length: 3\r\n") && answer.ends_with("\r\n\r\nabc"), "{answer}");

    // The first part comes back before the second is sent.
    let mut stream = server.connect();
    stream.write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"abc\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
}

/// Reads a head.
fn read_head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "ended after {:?}", String::from_utf8_lossy(&head));
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn a_client_that_expects_to_be_told_is_told_when_the_body_is_wanted() {
    let server = start();
    let mut stream = server.connect();
    stream.write_all(b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n").unwrap();
    assert_eq!(read_head(&mut stream), "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").unwrap();
    assert!(read_response(&mut stream).ends_with("read 3"));

    // A service that does not read the body: no word of continuing, and the connection ends, for nobody knows whether
    // the body will come.
    for path in ["/", "/throw", "/gone", "/refused", "/status?204"] {
        let answer = server.exchange(
            format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n").as_bytes(),
        );
        assert!(answer.starts_with("HTTP/1.1 ") && !answer.contains("100 Continue"), "{path}: {answer}");
        assert!(answer.contains("Connection: close\r\n"), "{path}: {answer}");
    }
    // It came all the same, and whole: there is no doubt about it.
    let answer = server.exchange(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabcGET /info HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    assert!(answer.contains("Hello") && answer.contains("GET http://a/info"), "{answer}");
}

#[test]
fn a_body_that_passes_through_is_asked_for_before_the_head_of_the_response() {
    let server = start();
    let body = vec![b'y'; 3_000_000];
    let mut stream = server.connect();
    let head =
        format!("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(read_head(&mut stream), "HTTP/1.1 100 Continue\r\n\r\n");
    let mut upload = stream.try_clone().unwrap();
    let sent = body.clone();
    let sender = std::thread::spawn(move || upload.write_all(&sent).unwrap());
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 200 OK\r\n"));
    let mut received = vec![0; body.len()];
    stream.read_exact(&mut received).unwrap();
    assert!(received == body);
    sender.join().unwrap();

    // The response begins although nobody has asked for the body: it is not held up for it.
    let answer = {
        let mut stream = server.connect();
        stream
            .write_all(b"POST /stream HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
            .unwrap();
        read_head(&mut stream)
    };
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("Connection: close\r\n"), "{answer}");
}

#[test]
fn after_an_answer_before_the_body_the_next_request_is_served_or_the_end_was_announced() {
    let server = start();
    for path in ["/", "/throw", "/gone", "/refused", "/status?204", "/stream"] {
        for (length, kept) in [(10, true), (200_000, true), (5_000_000, false)] {
            for chunked in [false, true] {
                let mut stream = server.connect();
                let framing =
                    if chunked { "Transfer-Encoding: chunked".into() } else { format!("Content-Length: {length}") };
                stream.write_all(format!("POST {path} HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n").as_bytes()).unwrap();
                let body = vec![b'x'; length];
                if chunked {
                    stream.write_all(format!("{length:x}\r\n").as_bytes()).unwrap();
                    stream.write_all(&body).unwrap();
                    stream.write_all(b"\r\n0\r\n\r\n").unwrap();
                } else {
                    stream.write_all(&body).unwrap();
                }
                let what = format!("{path}, {length} bytes, chunked: {chunked}");
                let head = if path == "/stream" { read_head(&mut stream) } else { read_response(&mut stream) };
                if path == "/stream" {
                    stream.read_exact(&mut [0; "2\r\nab\r\n0\r\n\r\n".len()]).unwrap();
                }
                if head.contains("Connection: close") {
                    assert!(path == "/throw" || path == "/refused" || chunked || !kept, "{what}: {head}");
                    assert_eq!(stream.read(&mut [0]).expect(&what), 0, "{what}: an end without a reset");
                } else {
                    assert!(kept, "{what}: {head}");
                    stream.write_all(b"GET /info HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
                    assert!(read_response(&mut stream).contains("GET http://a/info"), "{what}");
                }
            }
        }
    }
}

#[test]
fn a_client_that_is_still_sending_can_read_its_answer() {
    let server = start();
    let rejected = [
        "POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7a1200\r\n".to_owned(),
        "FOO / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nHost: a:99999\r\nContent-Length: 8000000\r\n\r\n".to_owned(),
        "not HTTP at all\r\n\r\n".to_owned(),
    ];
    for head in rejected {
        let mut stream = server.connect();
        stream.write_all(head.as_bytes()).unwrap();
        // All of it before the answer is read, as simple clients do: it must not be lost to a reset.
        stream.write_all(&vec![b'x'; 8_000_000]).unwrap_or_else(|error| panic!("{head:?}: {error}"));
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap_or_else(|error| panic!("{head:?}: {error}"));
        assert!(answer.starts_with("HTTP/1.1 ") && answer.contains("Connection: close\r\n"), "{head:?}: {answer:?}");
    }
}

/// Closes a connection so that the other end is told at once.
fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
fn a_client_that_goes_away_cancels_the_work() {
    let server = start();
    for stage in ["handler", "handler with more to come", "request body", "unread request body", "response body"] {
        let mut stream = server.connect();
        let bytes: &[u8] = match stage {
            "handler" => b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n",
            "handler with more to come" => {
                b"GET /never HTTP/1.1\r\nHost: a\r\n\r\nGET /never HTTP/1.1\r\nHost: a\r\n\r\n"
            }
            "request body" => b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
            "unread request body" => b"POST /never HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
            _ => b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n",
        };
        stream.write_all(bytes).unwrap();
        if stage == "response body" {
            stream.read_exact(&mut [0; 1000]).unwrap();
        } else {
            wait_until("the service runs", || server.counts.running.load(Ordering::SeqCst) == 1);
        }
        reset(stream);
        wait_until(stage, || server.counts.running.load(Ordering::SeqCst) == 0);
    }
    let produced = || server.counts.produced.load(Ordering::SeqCst);
    wait_until("the endless body is dropped", || {
        let before = produced();
        std::thread::sleep(Duration::from_millis(20));
        before == produced()
    });
}

#[test]
fn a_client_on_a_unix_socket_that_closes_it_cancels_the_work() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.sock");
    let server = start_on(&format!("unix:{}", path.display()), 1, &Limits::default(), &HttpOptions::default());
    let running = |count| move |counts: &Counts| counts.running.load(Ordering::SeqCst) == count;
    let request = b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(request).unwrap();
    wait_until("it is in flight", || running(1)(&server.counts));
    drop(stream);
    wait_until("it is cancelled", || running(0)(&server.counts));

    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(request).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut other = UnixStream::connect(&path).unwrap();
    other.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(read_response(&mut other).ends_with("slow"));
    assert!(running(1)(&server.counts), "one that shuts its sending side down has not gone");
    drop(stream);
    wait_until("it is cancelled too", || running(0)(&server.counts));
}

#[test]
fn a_client_that_does_not_read_holds_the_producer_back() {
    let server = start();
    let mut stream = server.connect();
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 1000]).unwrap();
    let produced = || server.counts.produced.load(Ordering::SeqCst);
    wait_until("it stands still", || {
        let before = produced();
        std::thread::sleep(Duration::from_millis(50));
        before == produced()
    });
    assert!(produced() < 64 << 20, "{} bytes were produced for a client that read 1000", produced());
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn a_thousand_stalled_connections_end_and_leak_nothing() {
    let server = start_on("127.0.0.1:0", 2, &quick(), &HttpOptions::default());
    let before = descriptors();
    assert!(server.exchange(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").contains("Hello"));
    let stalls: [&[u8]; 5] = [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
        b"POST /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ];
    // Both ends are in this process, which may have 1024 descriptors: several rounds.
    for _ in 0..5 {
        let mut clients: Vec<TcpStream> = (0..200)
            .map(|n| {
                let mut stream = server.connect();
                stream.write_all(stalls[n % stalls.len()]).unwrap();
                stream
            })
            .collect();
        for client in &mut clients {
            let mut rest = Vec::new();
            let end = client.read_to_end(&mut rest);
            assert!(
                !matches!(&end, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock),
                "the server holds on"
            );
        }
    }
    wait_until("all descriptors are back", || descriptors() <= before);
    assert_eq!(server.counts.running.load(Ordering::SeqCst), 0);
}

#[test]
fn a_client_that_sends_slowly_but_surely_is_served() {
    let limits = Limits { head_time: Duration::from_secs(60), body_stall: Duration::from_secs(2), ..quick() };
    let server = start_on("127.0.0.1:0", 1, &limits, &HttpOptions::default());
    let mut stream = server.connect();
    stream.write_all(b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n").unwrap();
    // All together longer than the time that one piece may take.
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(150));
        stream.write_all(b"x").unwrap();
    }
    assert!(read_response(&mut stream).ends_with("read 20"));
}

#[test]
fn a_client_that_does_not_take_its_response_is_cut_off() {
    let server = start_on("127.0.0.1:0", 1, &quick(), &HttpOptions::default());
    let before = descriptors();
    let mut stream = server.connect();
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    wait_until("the server's end is closed", || descriptors() <= before + 1);
}

#[test]
fn the_idlest_connection_makes_room() {
    let limits = Limits { connections: 3, drain_time: Duration::from_millis(100), ..Limits::default() };
    let server = start_on("127.0.0.1:0", 1, &limits, &HttpOptions::default());
    let mut idle: Vec<TcpStream> = (0..3).map(|_| server.connect()).collect();
    for stream in &mut idle[1..] {
        stream.write_all(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    }
    wait_until("two are busy", || server.counts.running.load(Ordering::SeqCst) == 2);
    let answer = server.exchange(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(answer.contains("Hello"), "{answer}");
    assert_eq!(idle[0].read(&mut [0; 1]).unwrap(), 0, "the idle one was closed");
    assert_eq!(server.counts.running.load(Ordering::SeqCst), 2, "those at work were left alone");
}

#[test]
fn a_connection_that_becomes_idle_makes_room_for_one_that_waits() {
    let limits = Limits { connections: 3, idle_time: Duration::from_secs(3600), ..Limits::default() };
    let server = start_on("127.0.0.1:0", 1, &limits, &HttpOptions::default());
    for _ in 0..3 {
        let mut busy: Vec<TcpStream> = (0..3).map(|_| server.connect()).collect();
        for stream in &mut busy {
            stream.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        }
        wait_until("all are at work", || server.counts.running.load(Ordering::SeqCst) == 3);
        // More than there are places, all at once.
        let mut waiting: Vec<TcpStream> = (0..3).map(|_| server.connect()).collect();
        for stream in &mut waiting {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        }
        for stream in &mut waiting {
            assert!(read_response(stream).contains("Hello"));
        }
        for stream in &mut busy {
            assert!(read_response(stream).ends_with("slow"), "nobody was cut off");
        }
    }
}

#[test]
fn nobody_makes_room_whose_request_was_not_read_yet() {
    let limits = Limits { connections: 2, drain_time: Duration::from_millis(100), ..Limits::default() };
    let server = start_on("127.0.0.1:0", 1, &limits, &HttpOptions::default());
    let mut busy: Vec<TcpStream> = (0..2).map(|_| server.connect()).collect();
    busy[0].write_all(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    busy[1].write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    wait_until("both are at work", || server.counts.running.load(Ordering::SeqCst) == 2);
    // One place for all of them, which each has to itself until it is answered.
    let mut waiting: Vec<TcpStream> = (0..32).map(|_| server.connect()).collect();
    for stream in &mut waiting {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    }
    for stream in &mut waiting {
        assert!(read_response(stream).contains("Hello"));
    }
}

#[test]
fn a_socket_has_its_share_of_the_connections_to_itself() {
    let limits = Limits { connections: 8, drain_time: Duration::from_millis(100), ..Limits::default() };
    let server = start_sockets(&["127.0.0.1:0", "127.0.0.1:0"], 1, &limits, &HttpOptions::default());
    // Ten times as many as there are, all at work for ever.
    let _hanging: Vec<TcpStream> = (0..80)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            stream
        })
        .collect();
    wait_until("all that get in are at work", || server.counts.running.load(Ordering::SeqCst) == 6);
    let mut idle = Vec::new();
    for _ in 0..10 {
        let mut stream = server.connect_to(server.others[0]);
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert!(read_response(&mut stream).contains("Hello"));
        idle.push(stream);
    }
    assert_eq!(server.counts.running.load(Ordering::SeqCst), 6);
}

#[test]
fn long_heads_wait_where_there_is_no_room_for_them() {
    // One half of this is for what is received: four heads of more than 64 KiB, for each of which 2 * (128 - 16) KiB are
    // lent.
    let limits = Limits {
        buffer_bytes: 2 << 20,
        drain_time: Duration::from_millis(100),
        tick: Duration::from_millis(20),
        ..Limits::default()
    };
    let server = start_on("127.0.0.1:0", 1, &limits, &HttpOptions::default());
    let long = |path: &str| {
        let mut stream = server.connect();
        let head: String = (0..90).map(|index| format!("X-{index}: {}\r\n", "a".repeat(1000))).collect();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{head}\r\n").as_bytes()).unwrap();
        stream
    };
    let running = || server.counts.running.load(Ordering::SeqCst);
    // Ten times as many as there is room for.
    let mut hanging: Vec<TcpStream> = (0..40).map(|_| long("/never")).collect();
    wait_until("some are in", || running() == 4);
    // Nobody else notices.
    for _ in 0..10 {
        assert!(server.exchange(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").contains("Hello"));
    }
    assert_eq!(running(), 4);
    hanging.drain(..20).for_each(reset);
    wait_until("others are in", || running() == 4);
    hanging.drain(..).for_each(reset);
    wait_until("all have left", || running() == 0);
    // What a connection was lent it gives back when it is idle and others wait.
    let mut idle = Vec::new();
    for _ in 0..20 {
        let mut stream = long("/");
        assert!(read_response(&mut stream).contains("Hello"));
        idle.push(stream);
    }
}

#[test]
fn chunks_are_long_only_while_there_is_room_for_them() {
    for (buffer_bytes, expected) in [(Limits::default().buffer_bytes, 256 << 10), (0, 16 << 10)] {
        let server = start_on("127.0.0.1:0", 1, &Limits { buffer_bytes, ..Limits::default() }, &HttpOptions::default());
        let answer = server.exchange(b"GET /sized HTTP/1.0\r\nHost: a\r\n\r\n");
        assert_eq!(answer.split("\r\n\r\n").nth(1).map(str::len), Some(2 << 20));
        assert_eq!(server.counts.longest_chunk.load(Ordering::SeqCst), expected);
    }
}

#[test]
fn what_is_left_of_a_block_that_was_cut_does_not_have_the_next_one_cut() {
    let server = start();
    let answer = server.exchange(b"GET /blocks HTTP/1.0\r\nHost: a\r\n\r\n");
    assert_eq!(answer.split("\r\n\r\n").nth(1).map(str::len), Some(2_000_000));
    let chunks = server.counts.chunks.load(Ordering::SeqCst);
    assert!(chunks <= 110, "{chunks} chunks for 100 blocks");
}

#[test]
fn a_shutdown_finishes_what_is_in_flight_and_takes_nothing_new() {
    let server = start();
    let mut idle = server.connect();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(!read_response(&mut idle).contains("Connection: close"));
    let mut busy = server.connect();
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    wait_until("it is in flight", || server.counts.running.load(Ordering::SeqCst) == 1);
    let port = server.port;
    assert_eq!(server.shut_down(), Drained { cut_off: 0, runs_cut_off: 0 });
    let answer = read_response(&mut busy);
    assert!(answer.contains("Connection: close\r\n") && answer.ends_with("slow"), "{answer}");
    assert_eq!(idle.read(&mut [0; 1]).unwrap(), 0);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_shutdown_does_not_wait_for_ever() {
    let limits = Limits { drain_time: Duration::from_millis(100), ..Limits::default() };
    let server = start_on("127.0.0.1:0", 1, &limits, &HttpOptions::default());
    let mut busy = server.connect();
    busy.write_all(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let counts = server.counts.clone();
    wait_until("it is in flight", || counts.running.load(Ordering::SeqCst) == 1);
    assert_eq!(server.shut_down(), Drained { cut_off: 1, runs_cut_off: 0 });
    assert_eq!(counts.running.load(Ordering::SeqCst), 0);
}

#[test]
fn unix_sockets_serve_and_say_who_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.sock");
    let server = start_on(&format!("unix:{}", path.display()), 2, &Limits::default(), &HttpOptions::default());
    assert_eq!(server.port, 0);
    for _ in 0..10 {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(b"GET /info HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let answer = read_response(&mut stream);
        let expected = format!(r#"{{\"clientPid\":{},\"clientUid\":"#, std::process::id());
        assert!(answer.contains(&expected), "{answer}");
    }
    drop(server);
    assert!(!path.exists());
}

#[test]
fn every_shard_takes_connections() {
    let server = start_on("127.0.0.1:0", 3, &Limits::default(), &HttpOptions::default());
    for _ in 0..50 {
        assert!(server.exchange(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").contains("Hello"));
    }
}

#[test]
fn a_half_closed_client_gets_its_answers() {
    let server = start();
    let one = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";
    let two = "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    for (requests, answers) in
        [(one.to_owned(), vec!["slow"]), (format!("{one}{two}{one}"), vec!["slow", "read 3", "slow"])]
    {
        let mut stream = server.connect();
        stream.write_all(requests.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        for answer in answers {
            let response = read_response(&mut stream);
            assert!(response.ends_with(answer), "{response}");
        }
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "then the server closes");
    }
    // Inside of a body it is an end too early: the answer, if there is one, is the last.
    for (path, expected) in [("/read", ""), ("/", "Hello World\n")] {
        let mut stream = server.connect();
        stream
            .write_all(format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc").as_bytes())
            .unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer.split("\r\n\r\n").nth(1).unwrap_or_default(), expected, "{path}");
    }
}

#[test]
fn a_half_closed_client_makes_room_where_there_is_none() {
    let limits = Limits { connections: 2, drain_time: Duration::from_millis(100), ..Limits::default() };
    let server = start_on("127.0.0.1:0", 1, &limits, &HttpOptions::default());
    let mut busy: Vec<TcpStream> = (0..2).map(|_| server.connect()).collect();
    for stream in &mut busy {
        stream.write_all(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    }
    wait_until("both are at work", || server.counts.running.load(Ordering::SeqCst) == 2);
    busy[0].shutdown(Shutdown::Write).unwrap();
    assert!(server.exchange(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").contains("Hello"));
    assert_eq!(server.counts.running.load(Ordering::SeqCst), 1, "the other was left alone");
}

#[test]
fn services_that_do_not_start_are_one_error() {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    struct Failing;
    impl ShardServices for Failing {
        fn start(&self, shard: usize) -> LocalFuture<'_, Result<Served, String>> {
            Box::pin(async move {
                if shard == 0 { Ok(served(Vec::new())) } else { Err("the worker \"w\" does not parse".into()) }
            })
        }
    }
    let error = Shards::start(3, &Limits::default(), Arc::new(Failing)).err().unwrap();
    assert_eq!(error.to_string(), "the worker \"w\" does not parse");
}

fn serve_bytes(sent: &[u8]) -> Vec<u8> {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let options = HttpOptions { style: HttpStyle::Host, ..HttpOptions::default() };
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let limits = Limits::default();
        let served = raw::serve_bytes(options, &limits, sent);
        tokio::time::timeout(Duration::from_secs(20), served).await.expect("the connection ends with its bytes")
    })
}

#[test]
fn bytes_are_served() {
    let answer = serve_bytes(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&answer));
}

/// A service without connections: one answer, and none of the bytes behind the head is taken for a request or sent back.
#[test]
fn connections_that_no_service_takes() {
    let server = start();
    let refused = "500 Internal Server Error\r\nConnection: close\r\nContent-Length: 21\r\n\r\nInternal Server Error";
    let long = "x".repeat(1 << 20);
    for target in ["a:443", "a", "/", "*", "http://a/b", "[::1]:1", "u:p@a:1"] {
        for (host, behind) in [
            ("Host: a\r\n", ""),
            ("", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("Host: a\r\nHost: b\r\n", "\x16\x03\x01"),
            ("Host: a\r\nContent-Length: 3\r\n", "abc"),
            ("Host: a\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"),
            ("Host: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n", &long),
        ] {
            let answer = server.exchange(format!("CONNECT {target} HTTP/1.1\r\n{host}\r\n{behind}").as_bytes());
            assert_eq!(answer, format!("HTTP/1.1 {refused}"), "{target} {host:?}");
        }
    }
    let after = server.exchange(
        b"GET /info HTTP/1.1\r\nHost: a\r\n\r\nCONNECT a:1 HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    assert_eq!(after.matches("HTTP/1.1 ").count(), 2, "{after}");
    assert!(after.ends_with(refused), "{after}");
    assert_eq!(server.counts.running.load(Ordering::SeqCst), 0);
}

/// Pieces of which many requests are made: random bytes alone seldom get past the first line.
fn piece() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
    use proptest::prelude::*;
    const KNOWN: &[&str] = &[
        "GET / HTTP/1.1\r\n",
        "POST /a HTTP/1.0\r\n",
        "Host: a\r\n",
        "Content-Length: 3\r\n",
        "Content-Length: 0\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Connection: keep-alive\r\n",
        "Expect: 100-continue\r\n",
        "\r\n",
        "3\r\nabc\r\n",
        "0\r\n\r\n",
        "abc",
        "Upgrade: websocket\r\n",
        "CONNECT a:1 HTTP/1.1\r\n",
        ":",
        "\n",
        "\0",
    ];
    prop_oneof![
        4 => proptest::sample::select(KNOWN).prop_map(|text: &str| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
    ]
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic_or_hang(pieces in proptest::collection::vec(piece(), 0..12)) {
        let answer = serve_bytes(&pieces.concat());
        proptest::prop_assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{:?}", String::from_utf8_lossy(&answer));
    }
}
