//! Ends that do not take what they are sent, with a worker at the other end or between: what waits is bounded, whoever has most of it
//! loses it, and others are served.

use std::io::{ErrorKind, Write as _};

use bulkhead_test_support::{Server, Setup, http, process, runtime::wait_until, supervisor};

use super::peer::{Backend, Peer, masked, upgraded};

const CONFIG: &str = r#"using Workerd = import "/workerd/workerd.capnp";
using Bulkhead = import "/bulkhead/policy.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main), (name = "backend", external = (address = "ADDRESS", http = ()))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const policy :Bulkhead.Policy = (default = (heapBytes = 33554432, memoryBytes = 67108864));
const main :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = "2026-08-01",
  bindings = [(name = "BACKEND", service = "backend")],
);
"#;

const WORKER: &str = r#"
const kept = [], told = [];
const tell = (socket) => new Promise((done) => {
  socket.addEventListener("error", ({ message }) => told.push(`error ${message}`));
  socket.addEventListener("close", ({ code, wasClean }) => { told.push(`close ${code} ${wasClean}`); done(); });
});
const flood = (socket, mebibytes) => {
  const bytes = new Uint8Array(1 << 20);
  for (let i = 0; i < mebibytes; i++) socket.send(bytes);
};
export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/told") return new Response(told.splice(0).join("; "));
    if (pathname === "/pass") return env.BACKEND.fetch(request);
    if (pathname === "/ask") {
      const { webSocket } = await env.BACKEND.fetch("http://b/", { headers: { Upgrade: "websocket" } });
      const over = tell(webSocket);
      webSocket.accept();
      flood(webSocket, 64);
      await over;
      return new Response("over");
    }
    const [client, server] = Object.values(new WebSocketPair());
    if (pathname === "/deaf") {
      kept.push(server);
    } else {
      tell(server);
      server.accept();
      server.addEventListener("message", ({ data }) => flood(server, Number(data)));
    }
    return new Response(null, { status: 101, webSocket: client });
  },
};"#;

/// What the worker is told of a connection that is lost with what waits for it.
const LOST: &str = "error Uncaught Error: Network connection lost.; close 1006 false";

/// What the worker is told to send in one message, with its frame's head.
const MESSAGE: usize = (1 << 20) + 10;

fn serve(backend: &Backend) -> Server {
    let setup = Setup::config(&CONFIG.replace("ADDRESS", &backend.address.to_string()));
    supervisor!().serve(setup.file("worker.js", WORKER))
}

fn asks_for(client: &mut Peer, mebibytes: usize) {
    client.send(masked(1, mebibytes.to_string().as_bytes()));
}

fn is_told(server: &Server, what: &str) {
    wait_until("the worker to be told", || {
        let told = http::get(server.port(), "/told").expect("an answer").text();
        assert!(told.is_empty() || told == what, "{told}");
        told == what
    });
}

#[test]
fn a_client_that_takes_nothing_loses_its_own() {
    let backend = Backend::start();
    let server = serve(&backend);
    let [mut modest, mut other, mut greedy] = [(); 3].map(|()| upgraded(server.port(), "/"));
    asks_for(&mut modest, 4);
    asks_for(&mut other, 1);
    assert_eq!(other.receive(MESSAGE).len(), MESSAGE);
    let workers = process::workers(server.pid());
    asks_for(&mut greedy, 64);
    is_told(&server, LOST);
    let (bytes, _) = greedy.rest();
    assert!(bytes.len() < 32 << 20, "{} bytes", bytes.len());
    // What another does not take now is there when it does.
    modest.receive(4 * MESSAGE);
    for client in [&mut modest, &mut other] {
        asks_for(client, 1);
        client.receive(MESSAGE);
    }
    assert_eq!(process::workers(server.pid()), workers, "nobody was ended");
}

#[test]
fn a_backend_that_takes_nothing_loses_its_own() {
    let backend = Backend::start();
    let server = serve(&backend);
    let mut other = upgraded(server.port(), "/");
    assert_eq!(http::get(server.port(), "/ask").expect("an answer").text(), "over");
    is_told(&server, LOST);
    let (bytes, _) = backend.next().rest();
    assert!(bytes.len() < 32 << 20, "{} bytes", bytes.len());
    asks_for(&mut other, 1);
    other.receive(MESSAGE);
}

#[test]
fn what_nobody_takes_is_not_read() {
    let backend = Backend::start();
    let server = serve(&backend);
    let mut other = upgraded(server.port(), "/");
    for path in ["/deaf", "/pass"] {
        let mut client = upgraded(server.port(), path);
        let held = || -> u64 {
            let all = process::workers(server.pid()).into_iter().chain([server.pid()]);
            all.filter_map(process::anonymous).sum()
        };
        let before = held();
        let frame = masked(2, &[b'x'; 125]).repeat(1000);
        client.stream.set_write_timeout(Some(std::time::Duration::from_secs(1))).expect("an option");
        let mut sent = 0;
        let why = loop {
            match client.stream.write(&frame) {
                Ok(written) => sent += written,
                Err(error) => break error.kind(),
            }
            assert!(sent < 64 << 20, "{path} takes {sent} bytes for nobody");
        };
        assert!(matches!(why, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{path}: {why}");
        let more = held().saturating_sub(before);
        println!("{path}: {sent} bytes sent, {} KiB more in the processes", more >> 10);
        assert!(more < 8 << 20, "{path}: {more} bytes");
        asks_for(&mut other, 1);
        other.receive(MESSAGE);
    }
}
