//! Bodies that pass through native streams and that no script looks at, which are given back whole: what scripts learn of them, and how they
//! end.

use std::io::Write;
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use bulkhead_test_support::http::{Connection, Response};
use bulkhead_test_support::{Server, Setup, process, runtime};
use nix::sys::signal::{Signal, kill};

use super::stalls::send_until_it_stalls;
use super::streams::{BLOCK, UPLOAD, pattern};

const WORKER: &str = r#"
const outcomes = {};
const through = (stream, make, options, url) => {
  const { readable, writable } = make();
  const outcome = stream.pipeTo(writable, options);
  outcome.then(() => { outcomes[url.search] = "passed"; }, (error) => { outcomes[url.search] = `failed: ${error}`; });
  return { readable, writable, outcome };
};
const identity = () => new IdentityTransformStream();
const routes = {
  "/echo": (r) => new Response(r.body),
  "/outcome": (r, url) => new Response(outcomes[url.search] ?? "pending"),
  "/identity": (r, url) => new Response(through(r.body, identity, {}, url).readable),
  "/twice": (r, url) => new Response(through(r.body.pipeThrough(identity()), identity, {}, url).readable),
  "/fixed": (r, url) => {
    const length = Number(url.searchParams.get("length"));
    return new Response(through(r.body, () => new FixedLengthStream(length), {}, url).readable);
  },
  "/tail": (r, url) => {
    const { readable, writable, outcome } = through(r.body, identity, { preventClose: true }, url);
    outcome.then(async () => {
      const writer = writable.getWriter();
      await writer.write(new TextEncoder().encode("and a tail"));
      await writer.close();
    });
    return new Response(readable);
  },
  "/aborted": (r, url) => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("enough")), 50);
    return new Response(through(r.body, identity, { signal: controller.signal }, url).readable);
  },
  "/branch": async (r, url) => {
    const [one, two] = r.body.tee();
    await two.cancel();
    return new Response(through(one, identity, {}, url).readable);
  },
  "/left": (r, url) => {
    r.signal.addEventListener("abort", () => { outcomes[url.search] = "the client left"; });
    return new Response(r.body.pipeThrough(identity()));
  },
};
export default {
  fetch(request) {
    const url = new URL(request.url);
    return routes[url.pathname](request, url);
  },
};
"#;

fn server() -> Server {
    let worker = "modules = [(name = \"main\", esModule = embed \"worker.js\")], compatibilityDate = \"2026-08-01\", \
                  compatibilityFlags = [\"enable_request_signal\"]";
    bulkhead_test_support::supervisor!().serve(Setup::worker(worker).file("worker.js", WORKER))
}

/// Short enough to travel in the call, and long enough not to.
const SIZES: [usize; 3] = [5, 60 << 10, 1 << 20];

fn body(length: usize) -> Vec<u8> {
    (0..).flat_map(pattern).take(length).collect()
}

fn post(server: &Server, target: &str, body: &[u8]) -> std::io::Result<Response> {
    Connection::open(server.port()).request("POST", target, &[], body)
}

/// What became of the pipe of the request with this query, once that is known.
fn outcome(server: &Server, query: &str) -> String {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let outcome = post(server, &format!("/outcome?{query}"), b"").expect("a response").text();
        if outcome != "pending" || Instant::now() > end {
            return outcome;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Sends the head of a POST of `announced` bytes, and `sent` of them.
fn begin(server: &Server, target: &str, announced: usize, sent: &[u8]) -> Connection {
    let mut connection = Connection::open(server.port());
    let head = format!("POST {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {announced}\r\n\r\n");
    connection.send(head).expect("send the head");
    connection.send(sent).expect("send what there is of the body");
    connection
}

#[test]
fn scripts_learn_that_a_body_has_passed() {
    let server = server();
    for size in SIZES {
        let sent = body(size);
        for path in ["/identity", "/twice", "/branch"] {
            let query = format!("{path}-{size}");
            let response = post(&server, &format!("{path}?{query}"), &sent).expect("a response");
            assert!(response.body == sent, "{query}");
            assert_eq!(response.header("transfer-encoding"), Some("chunked"), "{query}");
            assert_eq!(outcome(&server, &query), "passed", "{query}");
        }
        let query = format!("length={size}");
        let response = post(&server, &format!("/fixed?{query}"), &sent).expect("a response");
        assert!(response.body == sent, "{query}");
        assert_eq!(response.header("content-length"), Some(size.to_string().as_str()), "{query}");
        assert_eq!(outcome(&server, &query), "passed", "{query}");
    }
}

#[test]
fn a_length_that_is_not_kept_breaks_the_body() {
    let server = server();
    for size in SIZES {
        for (length, error) in [
            (size - 1, "TypeError: Attempt to write too many bytes through a FixedLengthStream."),
            (size + 1, "TypeError: FixedLengthStream did not see all expected bytes before close()."),
        ] {
            let query = format!("length={length}&size={size}");
            let response = post(&server, &format!("/fixed?{query}"), &body(size));
            assert!(response.is_err(), "{query}: {response:?}");
            assert_eq!(outcome(&server, &query), format!("failed: {error}"), "{query}");
        }
    }
}

#[test]
fn a_body_is_not_given_where_more_may_follow() {
    let server = server();
    for size in SIZES {
        let sent = body(size);
        let response = post(&server, &format!("/tail?{size}"), &sent).expect("a response");
        assert!(response.body == [&sent[..], b"and a tail"].concat(), "{size} bytes");
        assert_eq!(outcome(&server, &size.to_string()), "passed");
    }
}

#[test]
fn a_pipe_that_is_aborted_breaks_its_body() {
    let server = server();
    let mut connection = begin(&server, "/aborted?aborted", 1 << 20, &body(BLOCK as usize * 2));
    assert_eq!(connection.head().expect("a response").status, 200);
    assert!(connection.to_end().is_ok());
    assert_eq!(outcome(&server, "aborted"), "failed: Error: enough");
}

/// A client that breaks off its request while the response goes on with what came: the pipe fails as one does that script reads.
#[test]
fn a_client_that_breaks_off_fails_the_pipe() {
    let server = server();
    for path in ["/identity", "/twice", "/fixed"] {
        let query = format!("length={}&broken{path}", 1 << 20);
        let mut connection = begin(&server, &format!("{path}?{query}"), 1 << 20, &body(BLOCK as usize * 2));
        assert_eq!(connection.head().expect("a response").status, 200);
        connection.stream().shutdown(Shutdown::Write).expect("shut down");
        let received = connection.to_end().expect("an end");
        assert!(!received.ends_with(b"\r\n0\r\n\r\n") && received.len() < 1 << 20, "{path}");
        let outcome = outcome(&server, &query);
        assert!(outcome.starts_with("failed: "), "{path}: {outcome}");
    }
}

/// A client that reads nothing and leaves: the pipe fails, and the request's signal tells.
#[test]
fn a_client_that_leaves_ends_the_pipe() {
    let server = server();
    for (path, expected) in [("/identity", "failed: "), ("/left", "the client left")] {
        let mut connection = begin(&server, &format!("{path}?gone{path}"), UPLOAD as usize, b"");
        assert!(send_until_it_stalls(&mut connection) < UPLOAD / 4, "{path}");
        connection.stream().shutdown(Shutdown::Both).expect("shut down");
        drop(connection);
        let outcome = outcome(&server, &format!("gone{path}"));
        assert!(outcome.starts_with(expected), "{path}: {outcome}");
    }
}

/// A worker that is killed while its bodies pass fails those at most, and others are served.
#[test]
fn a_worker_that_is_killed_meanwhile_fails_only_its_bodies() {
    let server = server();
    let query = format!("length={}", 8 << 20);
    let mut open: Vec<_> = ["/identity", "/fixed", "/branch"]
        .map(|path| begin(&server, &format!("{path}?{query}"), 8 << 20, &body(BLOCK as usize * 2)))
        .into();
    for connection in &mut open {
        assert_eq!(connection.head().expect("a response").status, 200);
    }
    for worker in process::workers(server.pid()) {
        kill(runtime::pid(worker), Signal::SIGKILL).expect("kill the worker");
    }
    server.wait_for_stderr(|text| text.contains("was killed by SIGKILL"));
    for mut connection in open {
        let mut upload = connection.stream().try_clone().expect("clone the socket");
        // Whether it is taken to its end is the server's choice.
        let sender = thread::spawn(move || drop(upload.write_all(&body((8 << 20) - BLOCK as usize * 2))));
        assert!(connection.to_end().is_ok());
        drop(connection);
        sender.join().expect("the sender");
    }
    for size in SIZES {
        assert!(post(&server, "/echo", &body(size)).expect("a response").body == body(size));
    }
}
