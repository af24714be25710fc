//! A worker that connects to all that it can and leaves it at that, beside one that connects too and whose requests go on being answered.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bulkhead_test_support::{
    Setup,
    held::Held,
    http::{self, Connection},
    process,
    runtime::wait_until,
};

use super::{connections::serve_with_descriptors, volume::raise_descriptor_limit};

/// Never closes, never reads, and writes until the end of time if it writes at all.
const HOSTILE: &str = r#"import { connect } from "cloudflare:sockets";
const chunk = new Uint8Array(64 << 10);
const write = async (socket) => {
  await socket.opened;
  const writer = socket.writable.getWriter();
  for (;;) await writer.write(chunk);
};
const kept = [];
export default {
  async fetch(request) {
    const { port, writes } = Object.fromEntries(new URL(request.url).searchParams);
    for (let n = 0; n < 1000; n++) {
      const socket = connect(`127.0.0.1:${port}`);
      socket.opened.catch(() => {});
      if (writes) write(socket).catch(() => {});
      kept.push(socket);
    }
    await new Promise((done) => setTimeout(done, 1e8));
  },
};"#;

/// Connects to an echo for each request.
const NEIGHBOUR: &str = r#"import { connect } from "cloudflare:sockets";
export default {
  async fetch(request) {
    const socket = connect(`127.0.0.1:${new URL(request.url).searchParams.get("port")}`);
    const writer = socket.writable.getWriter();
    await writer.write("hello");
    await writer.close();
    return new Response(socket.readable);
  },
};"#;

fn setup() -> Setup {
    let worker = |name: &str| {
        format!(
            "(name = \"{name}\", worker = (modules = [(name = \"worker\", esModule = embed \"{name}.js\")], \
             compatibilityDate = \"2026-08-01\", globalOutbound = \"here\"))"
        )
    };
    let socket =
        |name: &str| format!("(name = \"{name}\", address = \"127.0.0.1:0\", http = (), service = \"{name}\")");
    Setup::config(&format!(
        "using Workerd = import \"/workerd/workerd.capnp\";\nconst config :Workerd.Config = (\n\
         services = [{}, {}, (name = \"here\", network = (allow = [\"local\"]))],\n\
         sockets = [{}, {}]);",
        worker("hostile"),
        worker("neighbour"),
        socket("hostile"),
        socket("neighbour")
    ))
    .file("hostile.js", HOSTILE)
    .file("neighbour.js", NEIGHBOUR)
    .argument("--shards=1")
    .sockets(2)
}

/// Accepts, sends so many bytes as far as they are taken at once, and keeps the connection for as long as the test runs.
struct Peer {
    port: u16,
    accepted: Arc<AtomicUsize>,
}

impl Peer {
    fn start(sends: usize) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        // What it does not read is to fill soon what the kernel has.
        socket2::SockRef::from(&listener).set_recv_buffer_size(16 << 10).expect("a socket");
        let peer = Peer { port: listener.local_addr().expect("an address").port(), accepted: Arc::default() };
        let accepted = peer.accepted.clone();
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for mut stream in listener.incoming().flatten() {
                stream.set_nonblocking(true).expect("a socket");
                let _ = stream.write(&vec![b'x'; sends]);
                kept.push(stream);
                accepted.fetch_add(1, Ordering::Relaxed);
            }
        });
        peer
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

/// The port of a server that sends back what it gets.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let serve = |mut stream: TcpStream| {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(Shutdown::Both);
    };
    std::thread::spawn(move || listener.incoming().flatten().for_each(serve));
    port
}

/// What a shard whose process has 1000 descriptors has for connections to others, and what one of four users may have of them.
const CONNECTIONS: usize = 250;
const MOST_OF_ONE: usize = CONNECTIONS - 3 * (CONNECTIONS / 2 / 4);

/// What each connection to somebody else may hold (`docs/limits.md`), and room for what an allocator keeps.
const MEMORY: u64 = CONNECTIONS as u64 * (160 << 10) + (24 << 20);

#[test]
fn thousands_of_connections_that_nobody_uses_are_their_workers_own() {
    raise_descriptor_limit();
    let server = serve_with_descriptors(1000, setup());
    let target = format!("/?port={}", echo());
    let neighbour = || {
        let response = http::get(server.port_of("neighbour"), &target).expect("an answer");
        assert_eq!((response.status, response.text().as_str()), (200, "hello"));
    };
    neighbour();
    for (what, sends, writes) in [
        ("silence", 0, ""),
        ("a peer that reads nothing", 0, "&writes=1"),
        ("a worker that reads nothing", 256 << 10, ""),
    ] {
        let peer = Peer::start(sends);
        let before = Held::at_rest(server.pid());
        let clients: Vec<Connection> = (0..4)
            .map(|_| {
                let mut client = Connection::open(server.port_of("hostile"));
                // A reset says that a client is gone; an end could mean that it listens.
                socket2::SockRef::from(client.stream()).set_linger(Some(Duration::ZERO)).expect("a socket");
                let target = format!("/?port={}{writes}", peer.port);
                client.send(http::request("GET", &target, &[], b"")).expect("to send");
                client
            })
            .collect();
        wait_until("as many connections as one may have", || {
            neighbour();
            peer.accepted() >= MOST_OF_ONE
        });
        for _ in 0..20 {
            neighbour();
        }
        assert_eq!(peer.accepted(), MOST_OF_ONE, "{what}: others have to wait");
        let now = Held::now(server.pid());
        println!("{what}: {before:?} before, {now:?} with {MOST_OF_ONE} connections");
        // Beside them its clients, a process that was kept ready, and what is open for a moment.
        assert!(now.descriptors <= before.descriptors + MOST_OF_ONE + 64, "{what}: {before:?} before, {now:?} now");
        assert!(now.bytes < before.bytes + MEMORY, "{what}: {before:?} before, {now:?} now");
        assert!(process::workers(server.pid()).len() <= before.workers + 1, "{what}");
        drop(clients);
        // The peer closes nothing: what goes, goes because the clients have gone.
        before.is_given_back(server.pid(), 32 << 20);
        neighbour();
    }
    assert!(!server.stderr().contains("was ended"), "{}", server.stderr());
}
