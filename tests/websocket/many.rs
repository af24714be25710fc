//! WebSockets by the thousand: what each of them takes, and that nobody else notices those that are of no use to anybody.
//!
//! `BULKHEAD_WEBSOCKETS` says how many; 1000 without it, and 7000 at most: of 10,000 one of two sockets may have 7,500.

use std::{
    io::{ErrorKind, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    time::Duration,
};

use bulkhead_test_support::{Server, Setup, held::Held, http, process, runtime::wait_until, supervisor};

use super::peer::{KEY, Peer, accepting, client, masked, request, upgraded};

const CONFIG: &str = r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "worker", esModule = embed "worker.js")], compatibilityDate = "2026-08-01",
      bindings = [(name = "BACKEND", service = "backend")],
    )),
    (name = "neighbour", worker = (
      modules = [(name = "worker", esModule = "export default { fetch: () => new Response('hello') }")], compatibilityDate = "2026-08-01",
    )),
    (name = "backend", external = (address = "ADDRESS", http = ())),
  ],
  sockets = [
    (name = "http", address = "127.0.0.1:0", http = (), service = "main"),
    (name = "neighbour", address = "127.0.0.1:0", http = (), service = "neighbour"),
  ],
);
"#;

const WORKER: &str = r#"
const kept = [];
let open = 0;
export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/open") return new Response(`${open}`);
    if (pathname === "/pass") return env.BACKEND.fetch(request);
    if (pathname === "/hangs") await new Promise((done) => setTimeout(done, 1e8));
    const [client, server] = Object.values(new WebSocketPair());
    // Nobody reads, or closes, what is never accepted.
    if (pathname === "/never") {
      kept.push(server);
      return new Response(null, { status: 101, webSocket: client });
    }
    server.accept();
    open++;
    server.addEventListener("close", () => { open--; });
    server.addEventListener("error", () => {});
    server.addEventListener("message", ({ data }) => {
      if (data === "flood") for (let n = 0; n < 10; n++) server.send(new Uint8Array(16 << 10));
      else server.send(data);
    });
    return new Response(null, { status: 101, webSocket: client });
  },
};"#;

fn many() -> usize {
    std::env::var("BULKHEAD_WEBSOCKETS").map_or(1000, |many| many.parse().expect("a number of WebSockets"))
}

/// What this process itself needs for its ends.
fn raise_descriptor_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("read the limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("raise the soft limit");
}

/// A server that answers upgrades and never reads after that; it listens until the test ends.
fn deaf_backend() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listen");
    socket2::SockRef::from(&listener).set_recv_buffer_size(16 << 10).expect("an option");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming().flatten() {
            let mut peer = Peer::read_head(stream);
            peer.send(accepting(&peer));
            kept.push(peer);
        }
    });
    port
}

fn serve(backend: u16) -> Server {
    raise_descriptor_limit();
    let setup = Setup::config(&CONFIG.replace("ADDRESS", &format!("127.0.0.1:{backend}")));
    supervisor!().serve(setup.file("worker.js", WORKER).argument("--shards=1").sockets(2))
}

fn open(server: &Server) -> usize {
    http::get(server.port(), "/open").expect("an answer").text().parse().expect("a number")
}

/// What a WebSocket that is open and silent takes of the memory of both processes together: `docs/performance.md` has what it is, and
/// this leaves room for a debug build and for what an allocator takes at once.
const MEMORY_OF_ONE: u64 = 40 << 10;

#[test]
fn an_idle_websocket_takes_little() {
    let server = serve(1);
    let memory = || process::tree_proportional_set(server.pid());
    let use_one = |client: &mut Peer| {
        client.send(masked(1, b"hello"));
        assert_eq!(client.frame(), (1, b"hello".to_vec()));
    };
    // What there is once, whatever the number.
    let mut clients: Vec<Peer> = (0..100).map(|_| upgraded(server.port(), "/")).collect();
    clients.iter_mut().for_each(use_one);
    let before = memory();
    let many = many();
    clients.extend((0..many).map(|_| upgraded(server.port(), "/")));
    clients.iter_mut().for_each(use_one);
    assert_eq!(open(&server), clients.len());
    let each = memory().saturating_sub(before) / many as u64;
    println!("{many} idle WebSockets: {:.1} KiB each", each as f64 / 1024.0);
    assert!(each > 1 << 10, "{each} bytes for one: nothing was measured");
    assert!(each <= MEMORY_OF_ONE, "{each} bytes for one");
    drop(clients);
    wait_until("all to be closed", || open(&server) == 0);
}

/// How much longer a neighbour's answers may take.
const RATIO: f64 = 1.5;

/// Ends that read nothing, and that are not read (`docs/performance.md` has what was seen): a third each of clients that do not take what the worker sends, clients whose worker does not take
/// what they send, and backends that do not.
#[test]
fn thousands_that_stall_delay_nobody_else() {
    let server = serve(deaf_backend());
    // Of the last kind as many as there are connections to others for one user of a shard.
    let third = (many() / 3).min(600);
    let fill = |mut peer: Peer| {
        peer.stream.set_nonblocking(true).expect("an option");
        let frame = masked(2, &[b'x'; 125]).repeat(500);
        let mut left = &frame[..];
        while !left.is_empty() {
            match peer.stream.write(left) {
                Ok(written) => left = &left[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        peer
    };
    let stall = || -> Vec<Peer> {
        let slow = (0..third).map(|_| {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).expect("a connection");
            socket2::SockRef::from(&stream).set_recv_buffer_size(4 << 10).expect("an option");
            let mut peer = Peer::asking(stream, &request("/", ""));
            peer.send(masked(1, b"flood"));
            peer
        });
        let slow: Vec<_> = slow.collect();
        let unread = (0..third).map(|_| fill(upgraded(server.port(), "/never")));
        let passed = (0..third).map(|_| fill(upgraded(server.port(), "/pass")));
        slow.into_iter().chain(unread).chain(passed).collect()
    };
    http::median_time(server.port_of("neighbour"));
    let mut seen = Vec::new();
    // A machine that others use is not always equally fast: what holds is seen once.
    for _ in 0..5 {
        let first = http::median_time(server.port_of("neighbour"));
        let clients = stall();
        let with = http::median_time(server.port_of("neighbour"));
        assert_eq!(open(&server), third);
        drop(clients);
        wait_until("all to be closed", || open(&server) == 0);
        let last = http::median_time(server.port_of("neighbour"));
        println!("{} stalled: the neighbour answers in {with:?}, and in {first:?} and {last:?} without", 3 * third);
        seen.push(with.as_secs_f64() * 2.0 / (first + last).as_secs_f64());
        if seen.last().is_some_and(|ratio| *ratio <= RATIO) {
            assert!(!server.stderr().contains("was ended"), "{}", server.stderr());
            return;
        }
    }
    panic!("the neighbour's answers take {seen:.2?} times as long");
}

/// Clients that ask for upgrades and are of no use to anybody. Who is honest is served meanwhile, and nothing of the others is kept.
#[test]
fn upgrades_that_nobody_wants_leave_nothing_behind() {
    let server = serve(deaf_backend());
    let mut honest = upgraded(server.port(), "/");
    let mut is_served = |n: usize| {
        let text = format!("still here {n}");
        honest.send(masked(1, text.as_bytes()));
        assert_eq!(honest.frame(), (1, text.into_bytes()));
        assert_eq!(http::get(server.port_of("neighbour"), "/").expect("an answer").text(), "hello");
    };
    let goes = |stream: &TcpStream| {
        socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("an option");
    };
    let begin = |bytes: &str| {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).expect("a connection");
        stream.write_all(bytes.as_bytes()).expect("it is taken");
        goes(&stream);
        stream
    };
    is_served(0);
    let before = Held::at_rest(server.pid());
    let half = request("/", "");
    let half = &half[..half.len() / 2];
    // Each kind: how they come, as many at once, and go.
    let kinds: [(&str, &dyn Fn() -> TcpStream); 6] = [
        ("goes before the answer", &|| begin(&request("/", ""))),
        ("goes with half a head", &|| begin(half)),
        ("asks a handler that never answers", &|| begin(&request("/hangs", ""))),
        ("goes after the answer", &|| {
            let peer = upgraded(server.port(), "/");
            goes(&peer.stream);
            peer.stream
        }),
        ("is never accepted", &|| {
            let mut peer = client(server.port(), request("/never", ""));
            peer.send(masked(1, b"hello"));
            goes(&peer.stream);
            peer.stream
        }),
        ("has no key", &|| begin(&request("/", "").replace(KEY, "none"))),
    ];
    for (n, (kind, come)) in kinds.iter().enumerate() {
        // They stay for a while, and so there are many of them at once.
        let mut there = Vec::new();
        for _ in 0..many() / 3 {
            there.push(come());
            if there.len() == 200 {
                is_served(n);
                there.clear();
            }
        }
        is_served(n);
        drop(there);
        wait_until(kind, || open(&server) == 1);
        is_served(n);
    }
    before.is_given_back(server.pid(), 48 << 20);
    is_served(kinds.len());
    assert!(!server.stderr().contains("was ended"), "{}", server.stderr());
}
