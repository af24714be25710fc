//! A worker that opens the most it may, and asks for ten times that, beside one that goes out too: the neighbour's answers take as long as
//! before, and what the supervisor holds is bounded.

use std::{
    cell::Cell,
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bulkhead_test_support::{
    Server, Setup,
    http::{self, Connection},
    process,
    runtime::wait_until,
};

use super::{
    backend::{Backend, Exchange},
    connections::serve_with_descriptors,
    volume::raise_descriptor_limit,
};

const HOG: &str = r#"
const forever = () => new Promise((done) => setTimeout(done, 1e8));
const times = (n, one) => Promise.allSettled(Array.from({ length: n }, (_, index) => one(index)));
const slow = () => new ReadableStream({
  async pull(controller) {
    controller.enqueue(new Uint8Array(1));
    await new Promise((done) => setTimeout(done, 500));
  },
});
const kept = [];
const routes = {
  hello: async () => new Response("hello"),
  // Waits for as many answers as it may.
  wait: async (env, n) => { await times(n, () => env.BACKEND.fetch("http://a/never")); },
  // Uploads that come slowly, to somebody who says nothing.
  upload: async (env, n) => {
    await times(n, (index) => env[index % 2 ? "BACKEND" : "AGAIN"].fetch("http://a/never", { method: "POST", body: slow() }));
  },
  // Bodies of which it reads the beginning.
  half: async (env, n, url) => {
    await times(n, async () => {
      const response = await env.BACKEND.fetch(`http://a/${url.searchParams.get("of")}`);
      const reader = response.body.getReader();
      await reader.read();
      kept.push(reader);
    });
    await forever();
  },
  // From one of its bindings to another, and no further.
  pipes: async (env, n) => {
    await times(6, async () => {
      for (let index = 0; index < n; index += 6) {
        const source = await env.SELF.fetch("http://a/source");
        const echo = await env.SELF.fetch("http://a/echo", { method: "POST", body: source.body });
        const reader = echo.body.getReader();
        await reader.read();
        kept.push(reader);
        console.log("piped");
      }
    });
    await forever();
  },
  source: async () => new Response(new ReadableStream({ start(controller) { controller.enqueue(new Uint8Array(1000)); }, pull: forever })),
  echo: async (env, n, url, request) => new Response(request.body),
  // As deep as it goes, and stays there.
  deep: async (env) => {
    try {
      return await env.SELF.fetch("http://a/deep");
    } catch (error) {
      console.log(`deep: ${error}`);
      await forever();
    }
  },
};
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    return await routes[url.pathname.slice(1)](env, Number(url.searchParams.get("n")), url, request);
  },
};
"#;

const NEIGHBOUR: &str = r#"export default {
  fetch: (request, env) => env.BACKEND.fetch("http://a/hello"),
};"#;

/// What there is behind both.
fn answer(exchange: &mut Exchange<'_>) -> io::Result<()> {
    match exchange.path.as_str() {
        "/never" => exchange.wait(),
        "/endless" => {
            exchange.send("HTTP/1.1 200 OK\r\n\r\n")?;
            exchange.send_for_ever(b"endless ")
        }
        "/drip" => {
            exchange.send("HTTP/1.1 200 OK\r\n\r\n")?;
            exchange.drip(b'.')
        }
        _ => exchange.answer("hello"),
    }
}

fn setup(backend: &Backend) -> Setup {
    let port = backend.port();
    Setup::config(&format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "hog", worker = .hog), (name = "neighbour", worker = .neighbour),
    (name = "backend", external = (address = "127.0.0.1:{port}", http = ())),
  ],
  sockets = [
    (name = "hog", address = "127.0.0.1:0", http = (), service = "hog"),
    (name = "neighbour", address = "127.0.0.1:0", http = (), service = "neighbour"),
  ],
);
const hog :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "hog.js")], compatibilityDate = "2026-08-01",
  bindings = [(name = "BACKEND", service = "backend"), (name = "AGAIN", service = "backend"), (name = "SELF", service = "hog")],
);
const neighbour :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "neighbour.js")], compatibilityDate = "2026-08-01",
  bindings = [(name = "BACKEND", service = "backend")],
);
"#
    ))
    .file("hog.js", HOG)
    .file("neighbour.js", NEIGHBOUR)
    .argument("--shards=1")
    .sockets(2)
}

/// Connections to others of a shard whose process has 1000 descriptors; and what one of four users may have of them.
const CONNECTIONS: usize = 250;
const MOST_OF_ONE: usize = CONNECTIONS / 2 + CONNECTIONS / 2 / 4;

/// Held by whoever compares times: the other tests here are no noise that it needs.
static ALONE: Mutex<()> = Mutex::new(());

/// How much longer a neighbour's answers may take.
const RATIO: f64 = 1.5;

/// Asks the hog for `target` so many times at once; dropping them is leaving.
fn ask(server: &Server, target: &str, times: usize) -> Vec<Connection> {
    let one = |_| {
        let mut connection = Connection::open(server.port_of("hog"));
        // A reset says that a client is gone; an end could mean that it listens.
        socket2::SockRef::from(connection.stream()).set_linger(Some(Duration::ZERO)).expect("a socket");
        connection.send(http::request("GET", target, &[], b"")).expect("send");
        connection
    };
    (0..times).map(one).collect()
}

/// Compares the neighbour with and without what `open` opens and `is_open` waits for. What the supervisor holds more meanwhile is at most
/// `memory` bytes.
fn nobody_else_notices(
    server: &Server,
    what: &str,
    memory: u64,
    open: impl Fn() -> Vec<Connection>,
    is_open: impl Fn() -> bool,
    is_over: impl Fn() -> bool,
) {
    let held = || process::anonymous(server.pid()).expect("the supervisor lives");
    http::median_time(server.port_of("neighbour"));
    let before = held();
    let mut seen = Vec::new();
    // A machine that others use is not always equally fast: what holds is seen once.
    for _ in 0..8 {
        let first = http::median_time(server.port_of("neighbour"));
        let clients = open();
        wait_until(what, &is_open);
        let with = http::median_time(server.port_of("neighbour"));
        let growth = held().saturating_sub(before);
        drop(clients);
        wait_until("what was open to be closed", &is_over);
        let last = http::median_time(server.port_of("neighbour"));
        println!("{what}: {with:?} beside it, {first:?} and {last:?} without; {} KiB more held", growth >> 10);
        assert!(growth < memory, "{what}: {growth} bytes more are held, and {memory} may be");
        seen.push(with.as_secs_f64() * 2.0 / (first + last).as_secs_f64());
        if seen.last().is_some_and(|ratio| *ratio <= RATIO) {
            return;
        }
    }
    panic!("{what}: the neighbour's answers take {seen:.2?} times as long");
}

/// What each connection to somebody else may hold (`docs/limits.md`), and room for what an allocator keeps.
const FOR_CONNECTIONS: u64 = CONNECTIONS as u64 * (160 << 10) + (24 << 20);

#[test]
fn connections_that_wait_and_bodies_that_nobody_reads_are_their_workers_own() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    raise_descriptor_limit();
    let backend = Backend::start(answer);
    let server = serve_with_descriptors(1000, setup(&backend));
    let is_open = || backend.open() >= MOST_OF_ONE;
    // What the neighbour keeps, and what the hog may keep unused.
    let is_over = || backend.open() <= MOST_OF_ONE / 2;
    for (what, target, times) in [
        // Six at a time of each event, so ten times what there is of connections.
        ("requests that wait", "/wait?n=60", 260),
        ("slow uploads", "/upload?n=60", 260),
        ("half-read bodies", "/half?n=60&of=endless", 26),
        ("slow bodies", "/half?n=60&of=drip", 26),
    ] {
        nobody_else_notices(&server, what, FOR_CONNECTIONS, || ask(&server, target, times), is_open, is_over);
        assert!(backend.open() <= CONNECTIONS);
    }
    // It is not ended for that.
    assert!(!server.stderr().contains("was ended"), "{}", server.stderr());
}

/// What each event may hold, and each request of a worker under way (`docs/limits.md`), of which there are 4096 each.
const FOR_EVENTS: u64 = 4096 * (48 << 10) + (24 << 20);

#[test]
fn circles_and_pipes_between_its_own_bindings_are_their_workers_own() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    raise_descriptor_limit();
    let backend = Backend::start(answer);
    let server = bulkhead_test_support::supervisor!().serve(setup(&backend));
    let hog = server.port_of("hog");
    // A client that has left is forgotten when the worker has said so, and its place is free.
    let is_over = || http::get(hog, "/hello").is_ok_and(|response| response.status == 200);
    let said = |what: &str| server.stdout().matches(what).count();
    for (what, target, times, word, enough) in [
        // Each goes 32 deep, so that 128 fill all places.
        ("circles", "/deep", 1280, "deep: ", 64),
        // Each is two requests and two events.
        ("pipes", "/pipes?n=500", 40, "piped", 500),
    ] {
        // What costs others while it is being opened is work, of which each may make as much as its clients ask for.
        let (first, last, calm) = (Cell::new(0), Cell::new(0), Cell::new(0));
        let is_open = || {
            let before = last.replace(said(word));
            calm.set(if last.get() == before { calm.get() + 1 } else { 0 });
            calm.get() > 100 && last.get() >= first.get() + enough
        };
        let open = || {
            first.set(said(word));
            ask(&server, target, times)
        };
        nobody_else_notices(&server, what, FOR_EVENTS, open, is_open, is_over);
    }
    assert!(!server.stderr().contains("was ended"), "{}", server.stderr());
}
