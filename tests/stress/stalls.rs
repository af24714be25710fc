//! Streams that native code moves, with a reader that stalls for ever and with a branch that nobody reads: the memory of every
//! process is bounded, and others are served.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use bulkhead_test_support::http::Connection;
use bulkhead_test_support::{Server, Setup};

use super::streams::{BLOCK, UPLOAD, drain, pattern, with_bounded_memory};

const WORKER: &str = r#"
const kept = [];
const routes = {
  "/echo": (r) => new Response(r.body),
  "/identity": (r) => new Response(r.body.pipeThrough(new IdentityTransformStream())),
  "/fixed": (r) => new Response(r.body.pipeThrough(new FixedLengthStream(Number(r.headers.get("content-length"))))),
  "/gzip": (r) => new Response(r.body.pipeThrough(new CompressionStream("gzip"))),
  "/both-ways": (r) => new Response(r.body.pipeThrough(new CompressionStream("gzip")).pipeThrough(new DecompressionStream("gzip"))),
  "/transform": (r) => new Response(r.body.pipeThrough(new TransformStream({ transform(c, k) { k.enqueue(c); } }))),
  "/tee-read": async (r) => {
    const [one, two] = r.body.tee();
    kept.push(two);
    let read = 0;
    try {
      for await (const chunk of one) read += chunk.length;
      return new Response(`all ${read}`);
    } catch (error) {
      return new Response(`${error}`);
    }
  },
  "/clone-read": async (r) => {
    kept.push(r.clone());
    return new Response(await r.bytes().then((bytes) => `all ${bytes.length}`, String));
  },
  "/clone-stalled": (r) => {
    kept.push(r.clone());
    return new Response(r.body);
  },
  "/tee-dropped": async (r) => {
    const [one, two] = r.body.tee();
    await two.cancel();
    return new Response(one);
  },
};
export default { fetch: (request) => routes[new URL(request.url).pathname](request) };
"#;

fn server() -> Server {
    let worker = "modules = [(name = \"main\", esModule = embed \"worker.js\")], compatibilityDate = \"2026-08-01\"";
    bulkhead_test_support::supervisor!().serve(Setup::worker(worker).file("worker.js", WORKER))
}

/// Begins an upload of bytes that do not compress well enough to matter.
fn begin(server: &Server, path: &str) -> Connection {
    let mut connection = Connection::open(server.port());
    connection
        .send(format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {UPLOAD}\r\n\r\n"))
        .expect("send the head");
    connection
}

fn serves_others(server: &Server) {
    for _ in 0..50 {
        let response = Connection::open(server.port()).request("POST", "/echo", &[], b"meanwhile").expect("a response");
        assert_eq!(response.text(), "meanwhile");
    }
}

/// Sends for as long as the other end takes it; says how much that was.
pub(super) fn send_until_it_stalls(connection: &mut Connection) -> u64 {
    let mut stream = connection.stream();
    stream.set_write_timeout(Some(Duration::from_secs(1))).expect("a time-out");
    let mut noise = pattern(0);
    let mut state = 1_u64;
    let mut sent = 0;
    for _ in 0..UPLOAD / BLOCK {
        for byte in &mut noise {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (state >> 56) as u8;
        }
        let mut left = &noise[..];
        while !left.is_empty() {
            match stream.write(left) {
                Ok(written) => {
                    sent += written as u64;
                    left = &left[written..];
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return sent,
                Err(error) => panic!("{error}"),
            }
        }
    }
    sent
}

/// A client that uploads and never reads its response: what it sends is not taken for ever.
#[test]
fn a_response_that_nobody_reads_holds_its_request_up() {
    let server = server();
    for path in ["/identity", "/fixed", "/gzip", "/both-ways", "/transform", "/tee-dropped"] {
        with_bounded_memory(&server, || {
            let mut stalled = begin(&server, path);
            let sent = send_until_it_stalls(&mut stalled);
            assert!(sent < UPLOAD / 4, "{path} took {sent} bytes for nobody");
            serves_others(&server);
        });
    }
}

/// A branch that nobody reads ends the one that is read, when what waits for it has come to the limit.
#[test]
fn a_branch_that_nobody_reads_is_bounded() {
    let server = server();
    for path in ["/tee-read", "/clone-read"] {
        with_bounded_memory(&server, || {
            let mut connection = begin(&server, path);
            let mut upload = connection.stream().try_clone().expect("clone the socket");
            let sender = std::thread::spawn(move || {
                // It is not taken to its end.
                (0..UPLOAD / BLOCK).all(|block| upload.write_all(&pattern(block)).is_ok())
            });
            let response = connection.response("POST").expect("a response").text();
            let words = ["buffer limit exceeded", "Memory limit exceeded before EOF."];
            assert!(words.iter().any(|words| response.contains(words)), "{path}: {response}");
            serves_others(&server);
            drop(connection);
            let _ = sender.join().expect("the sender");
        });
    }
}

/// A clone that nobody reads, and a client that reads its response: the response breaks off, and nothing else does.
#[test]
fn a_clone_that_nobody_reads_breaks_the_response() {
    let server = server();
    with_bounded_memory(&server, || {
        let mut connection = begin(&server, "/clone-stalled");
        let mut upload = connection.stream().try_clone().expect("clone the socket");
        let sender =
            std::thread::spawn(move || (0..UPLOAD / BLOCK).all(|block| upload.write_all(&pattern(block)).is_ok()));
        assert_eq!(connection.head().expect("a response").status, 200);
        let received = drain(&mut connection);
        assert!(received < UPLOAD, "{received} bytes");
        serves_others(&server);
        drop(connection);
        let _ = sender.join().expect("the sender");
    });
}
