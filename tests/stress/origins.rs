//! Origins that mean harm, asked by a worker: what they do costs the worker that asked, and nobody else.

use std::{
    io::{self, Write as _},
    thread,
};

use bulkhead_test_support::{
    Server, Setup,
    http::{self, Connection},
    process,
    runtime::wait_until,
};

use super::backend::{Backend, Exchange};

/// Asks, and tells what became of it.
const CALLER: &str = r#"export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname === "/") return new Response("fine");
    const tell = async () => {
      try {
        const response = await fetch(`http://origin${url.pathname}`, { signal: AbortSignal.timeout(Number(url.searchParams.get("patience") ?? 20_000)) });
        const text = await response.text();
        return `${response.status} ${text.length} ${text.slice(0, 40)}`;
      } catch (error) {
        return `${error}`;
      }
    };
    const told = [];
    for (let n = 0; n < Number(url.searchParams.get("n") ?? 1); n++) told.push(await tell());
    return new Response(told.join("\n"));
  },
};"#;

const NEIGHBOUR: &str = "export default { fetch: () => fetch('http://origin/fine') };";

/// A caller and a neighbour of it, with the origin at this port.
fn serve(port: u16) -> Server {
    let setup = Setup::config(&format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "caller", worker = .caller), (name = "neighbour", worker = .neighbour),
    (name = "origin", external = (address = "127.0.0.1:{port}", http = ())),
  ],
  sockets = [
    (name = "caller", address = "127.0.0.1:0", http = (), service = "caller"),
    (name = "neighbour", address = "127.0.0.1:0", http = (), service = "neighbour"),
  ],
);
const caller :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "caller.js")], compatibilityDate = "2026-08-01", globalOutbound = "origin",
);
const neighbour :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "neighbour.js")], compatibilityDate = "2026-08-01", globalOutbound = "origin",
);
"#
    ))
    .file("caller.js", CALLER)
    .file("neighbour.js", NEIGHBOUR)
    .argument("--shards=1")
    .sockets(2);
    bulkhead_test_support::supervisor!().serve(setup)
}

/// So many bytes of zeroes as one of the two codings says them, some thousandth as long.
fn bomb(coding: &str) -> Vec<u8> {
    const LENGTH: usize = 1 << 30;
    let block = vec![0; 1 << 20];
    match coding {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            (0..LENGTH / block.len()).for_each(|_| encoder.write_all(&block).expect("into memory"));
            encoder.finish().expect("into memory")
        }
        _ => {
            let mut encoded = Vec::new();
            let mut encoder = brotli::CompressorWriter::new(&mut encoded, 1 << 16, 1, 22);
            (0..LENGTH / block.len()).for_each(|_| encoder.write_all(&block).expect("into memory"));
            drop(encoder);
            encoded
        }
    }
}

/// What the origin does, by the path.
fn answer(exchange: &mut Exchange<'_>, gzip: &[u8], br: &[u8]) -> io::Result<()> {
    let refuse = || Err(io::ErrorKind::Other.into());
    let encoded = |exchange: &mut Exchange<'_>, coding: &str, bytes: &[u8]| {
        let length = bytes.len();
        exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {length}\r\n\r\n"))?;
        exchange.send(bytes)
    };
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    match exchange.path.as_str() {
        "/headers" => {
            exchange.send("HTTP/1.1 200 OK\r\n")?;
            exchange.send_for_ever(b"X-Header: value\r\n")
        }
        "/header" => {
            exchange.send("HTTP/1.1 200 OK\r\nX-Header: ")?;
            exchange.send_for_ever(b"xxxxxxxx")
        }
        "/continue" => exchange.send_for_ever(b"HTTP/1.1 100 Continue\r\n\r\n"),
        "/body" => {
            exchange.send("HTTP/1.1 200 OK\r\n\r\n")?;
            exchange.send_for_ever(b"body body ")
        }
        "/chunks" => {
            exchange.send(chunked)?;
            exchange.send_for_ever(format!("1000\r\n{}\r\n", "body".repeat(1024)).as_bytes())
        }
        "/slow-head" => {
            exchange.send("HTTP/1.1 200 OK\r\nX-Header: ")?;
            exchange.drip(b'x')
        }
        "/slow-body" => {
            exchange.send("HTTP/1.1 200 OK\r\n\r\n")?;
            exchange.drip(b'x')
        }
        "/chunk-size" => {
            exchange.send(chunked)?;
            exchange.send("zz\r\nbody\r\n0\r\n\r\n")?;
            exchange.wait()
        }
        "/chunk-end" => {
            exchange.send(chunked)?;
            exchange.send("4\r\nbodyXX0\r\n\r\n")?;
            exchange.wait()
        }
        "/short" => {
            exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")?;
            refuse()
        }
        "/two-lengths" => {
            exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody!")?;
            exchange.wait()
        }
        "/garbage" => {
            exchange.answer("before it")?;
            exchange.send("garbage\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
        }
        "/gzip" => encoded(exchange, "gzip", gzip),
        "/br" => encoded(exchange, "br", br),
        "/not-gzip" => encoded(exchange, "gzip", b"this is no gzip at all"),
        _ => exchange.answer("hello"),
    }
}

/// Whoever wants all of a body that does not end has more than it may, or gives up before.
const OUT_OF_MEMORY: &[&str] = &["RangeError", "emory limit", "Service Unavailable", "TimeoutError"];

/// What each of them comes to, in words that the caller tells, or that its client gets.
const COSTS: &[(&str, &[&str])] = &[
    ("/headers", &["Error: Network connection lost."]),
    ("/header", &["Error: Network connection lost."]),
    ("/continue", &["Error: Network connection lost."]),
    ("/body", OUT_OF_MEMORY),
    ("/chunks", OUT_OF_MEMORY),
    ("/gzip", OUT_OF_MEMORY),
    ("/br", OUT_OF_MEMORY),
    ("/chunk-size", &["Error: Network connection lost."]),
    ("/chunk-end", &["Error: Network connection lost."]),
    ("/short", &["Error: Network connection lost."]),
    ("/two-lengths", &["Error: Network connection lost."]),
    ("/not-gzip", &["TypeError", "Error"]),
];

#[test]
fn origins_that_mean_harm_cost_whoever_asks_them() {
    let (gzip, br) = (bomb("gzip"), bomb("br"));
    let backend = Backend::start(move |exchange| answer(exchange, &gzip, &br));
    let server = serve(backend.port());
    let (caller, neighbour) = (server.port_of("caller"), server.port_of("neighbour"));
    let mut honest = Connection::open(neighbour);
    let mut is_served = |what: &str| {
        let response = honest.request("GET", "/", &[], b"").expect("the neighbour answers");
        assert_eq!((response.status, response.text().as_str()), (200, "hello"), "beside {what}");
    };
    is_served("nothing");
    assert_eq!(http::get(caller, "/fine").expect("a response").text(), "200 5 hello");
    let held = || process::anonymous(server.pid()).expect("the supervisor lives");
    let before = held();
    let mut meanwhile = |what: &str, asking: thread::JoinHandle<Vec<String>>| {
        let mut most = 0;
        while !asking.is_finished() {
            is_served(what);
            most = most.max(held().saturating_sub(before));
        }
        is_served(what);
        assert!(most < 24 << 20, "{what}: the supervisor holds {most} bytes more");
        asking.join().expect("the clients")
    };
    let ask = move |path: &'static str, times: usize| {
        thread::spawn(move || {
            let clients =
                (0..times).map(|_| thread::spawn(move || http::get(caller, path).expect("a response").text()));
            let clients: Vec<_> = clients.collect();
            clients.into_iter().map(|client| client.join().expect("a client")).collect::<Vec<_>>()
        })
    };
    for (path, costs) in COSTS {
        for told in meanwhile(path, ask(path, 4)) {
            println!("{path}: {told}");
            assert!(costs.iter().any(|cost| told.contains(cost)), "{path}: {told}");
        }
        wait_until("the caller to be back", || http::get(caller, "/").is_ok_and(|response| response.text() == "fine"));
    }
    // Whoever waits for them can leave.
    for path in ["/slow-head?patience=1000", "/slow-body?patience=1000"] {
        let slow = meanwhile(path, ask(path, 8));
        assert!(slow.iter().all(|told| told.contains("TimeoutError")), "{slow:?}");
    }
    // What comes after a response is nobody's answer.
    for told in meanwhile("garbage", ask("/garbage?n=20", 4)) {
        assert!(told.lines().all(|line| line == "200 9 before it"), "{told}");
    }
    wait_until("connections to be closed", || backend.open() <= 8);
}

/// A server that answers each connection before it is asked anything.
#[test]
fn a_response_that_was_there_before_its_request_is_nobodys() {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).expect("listen");
    let port = listener.local_addr().expect("an address").port();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let answering = thread::spawn(move || {
        let mut all = Vec::new();
        for stream in listener.incoming() {
            if stopped.try_recv().is_ok() {
                return;
            }
            let mut stream = stream.expect("a connection");
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nearly");
            // Ended here, it would be reset with what it is sent.
            all.push(stream);
        }
    });
    let server = serve(port);
    for _ in 0..20 {
        // Either it is seen before anything is sent, and the connection is not used; or it cannot be told from an answer.
        let told = http::get(server.port_of("caller"), "/early").expect("a response").text();
        assert!(["Error: Network connection lost.", "200 5 early"].contains(&told.as_str()), "{told}");
    }
    let _ = stop.send(());
    drop(Connection::open(port));
    answering.join().expect("no panic");
}
