//! What clients alone can do to an honest worker, and to others: nothing but wait, and be refused. And what a tenant alone
//! can do to others, without any client.
//!
//! Each test with a crowd drives one count from outside as far as descriptors allow, well beyond the bound on events in flight. The
//! worker's process lives, what was in flight before comes to its end, and another worker's clients notice little.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bulkhead_ipc::transport::MAX_EVENTS;
use bulkhead_test_support::http::{self, Connection};
use bulkhead_test_support::load::{Load, Until};
use bulkhead_test_support::{Server, Setup, neighbour, process, runtime};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// An ordinary worker.
const HONEST: &str = "const bytes = (text) => new TextEncoder().encode(text);
const wait = (time) => new Promise((done) => setTimeout(done, time));
export default { async fetch(request, env, ctx) {
  switch (new URL(request.url).pathname) {
    case '/download': {
      let left = 16;
      return new Response(new ReadableStream({ pull(c) { if (left-- > 0) c.enqueue(new Uint8Array(16384).fill(120)); else c.close(); } }));
    }
    case '/count': return new Response(String((await request.arrayBuffer()).byteLength));
    case '/echo': return new Response(request.body);
    case '/unread': case '/forever': await wait(600_000); return new Response('late');
    case '/behind': ctx.waitUntil(wait(25_000)); return new Response('now');
    case '/events': {
      let timer;
      return new Response(new ReadableStream({
        start(c) { c.enqueue(bytes('first\\n')); timer = setInterval(() => c.enqueue(bytes('next\\n')), 3_000); },
        cancel() { clearInterval(timer); },
      }));
    }
    case '/slow': await wait(4_000); return new Response('as it should be');
  }
  return new Response('fine');
} };";

/// As many clients as one of two sockets takes: three quarters of the connections of a shard.
const CROWD: usize = 7_000;

/// The tests share two things of which each wants all: descriptors and processors.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `CROWD`, or what the system gives descriptors for.
fn crowd() -> usize {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("read the limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("raise the soft limit");
    CROWD.min(usize::try_from(hard).unwrap_or(CROWD).saturating_sub(500))
}

/// Many clients that have all sent the same.
struct Crowd {
    epoll: Epoll,
    clients: Vec<Client>,
}

struct Client {
    stream: TcpStream,
    received: Vec<u8>,
    closed: bool,
}

impl Crowd {
    fn open(port: u16, count: usize, request: &[u8]) -> Crowd {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("an epoll");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut clients = Vec::with_capacity(count);
        for index in 0..count {
            let mut stream = TcpStream::connect_timeout(&address, runtime::PATIENCE).expect("connect");
            stream.write_all(request).expect("send");
            stream.set_nonblocking(true).expect("set O_NONBLOCK");
            epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, index as u64)).expect("watch a socket");
            clients.push(Client { stream, received: Vec::new(), closed: false });
        }
        Crowd { epoll, clients }
    }

    /// Sends more on every connection that is still open.
    fn send(&mut self, more: &[u8]) {
        for client in &mut self.clients {
            client.stream.set_nonblocking(false).expect("clear O_NONBLOCK");
            if !client.closed {
                // Who was refused may be cut off.
                let _ = client.stream.write_all(more);
            }
            client.stream.set_nonblocking(true).expect("set O_NONBLOCK");
        }
    }

    /// Reads until `done` says so of what each has received, or the connection is closed; for so long at most.
    fn read_until(&mut self, time: Duration, done: impl Fn(&[u8]) -> bool) {
        self.read_until_of(self.clients.len(), time, done);
    }

    /// As [`read_until`](Self::read_until), until that holds of so many of them.
    fn read_until_of(&mut self, count: usize, time: Duration, done: impl Fn(&[u8]) -> bool) {
        let end = Instant::now() + time;
        let is_done = |client: &Client| client.closed || done(&client.received);
        let mut left = count.saturating_sub(self.clients.iter().filter(|client| is_done(client)).count());
        let (mut events, mut buffer) = (vec![EpollEvent::empty(); 512], vec![0; 64 << 10]);
        while left > 0 && Instant::now() < end {
            let ready = self.epoll.wait(&mut events, EpollTimeout::from(100_u8)).expect("wait for events");
            for event in &events[..ready] {
                let client = &mut self.clients[usize::try_from(event.data()).expect("an index")];
                let before = is_done(client);
                match client.stream.read(&mut buffer) {
                    Ok(0) => client.closed = true,
                    Ok(count) => client.received.extend_from_slice(&buffer[..count]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(_) => client.closed = true,
                }
                if client.closed {
                    let _ = self.epoll.delete(&client.stream);
                }
                left = left.saturating_sub(usize::from(!before && is_done(client)));
            }
        }
    }

    /// How many have got which status; 0 is none.
    fn statuses(&self) -> BTreeMap<u16, usize> {
        let mut statuses = BTreeMap::new();
        for client in &self.clients {
            let status = client.received.get(9..12).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
            *statuses.entry(status.unwrap_or(0)).or_default() += 1;
        }
        statuses
    }
}

fn has_head(received: &[u8]) -> bool {
    received.windows(4).any(|window| window == b"\r\n\r\n")
}

/// An honest worker and a neighbour, both in service, with something in flight at the first.
struct Scene {
    server: Server,
    processes: Vec<u32>,
    quiet: Duration,
    slow: Option<Connection>,
    _turn: MutexGuard<'static, ()>,
}

impl Scene {
    fn new() -> Scene {
        let turn = alone();
        let server = bulkhead_test_support::supervisor!().serve(neighbour::beside(HONEST, ""));
        assert_eq!(http::get(server.port_of("left"), "/").expect("a response").text(), "fine");
        let quiet = latency(&server);
        // Two are bound, and at least one stands by for a restart.
        runtime::wait_until("the pool to be filled", || process::workers(server.pid()).len() >= 3);
        let processes = process::workers(server.pid());
        Scene { server, processes, quiet, slow: None, _turn: turn }
    }

    fn left(&self) -> u16 {
        self.server.port_of("left")
    }

    /// Has something in flight that is to come to its end.
    fn begin_slow(&mut self) {
        let mut slow = Connection::open(self.left());
        slow.send(http::request("GET", "/slow", &[], b"")).expect("send");
        self.slow = Some(slow);
        std::thread::sleep(Duration::from_millis(100));
    }

    /// The neighbour's clients, while the crowd is there.
    fn neighbour_notices_little(&self) {
        let busy = latency(&self.server);
        // The crowd is on the same processors, and so are other tests. Who had to wait for the crowd would do so for seconds.
        let most = self.quiet * 20 + Duration::from_secs(1);
        assert!(busy < most, "the neighbour answered in {busy:?} instead of {:?}", self.quiet);
    }

    fn ends_unharmed(mut self) {
        if let Some(mut slow) = self.slow.take() {
            assert_eq!(slow.response("GET").expect("a response").text(), "as it should be");
        }
        let in_service = || http::get(self.left(), "/").is_ok_and(|response| response.status == 200);
        runtime::wait_until("the worker to have a place again", in_service);
        let stderr = self.server.stderr();
        assert!(self.processes.iter().all(|pid| process::is_alive(*pid)), "{stderr}");
        assert!(!stderr.contains("was ended") && !stderr.contains("exceeded its"), "{stderr}");
    }
}

/// The median of what the neighbour's clients wait.
fn latency(server: &Server) -> Duration {
    let load = Load::get(server.port_of("right"), 1, Until::Requests(100));
    let report = load.run().expect("the neighbour's connections do not break");
    assert_eq!(report.statuses.keys().copied().collect::<Vec<_>>(), [200]);
    report.percentile(0.5)
}

#[test]
fn downloads_that_are_read_together() {
    let mut scene = Scene::new();
    scene.begin_slow();
    // Ten times the number that once was too much. What the handler has made and nobody has taken is its own memory.
    let count = crowd().min(2_600);
    let request = b"GET /download HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let mut clients = Crowd::open(scene.left(), count, request);
    scene.neighbour_notices_little();
    clients.read_until(runtime::PATIENCE, |_| false);
    assert_eq!(clients.statuses(), BTreeMap::from([(200, count)]));
    for client in &clients.clients {
        let body = client.received.iter().filter(|byte| **byte == b'x').count();
        assert!(client.closed && (4 << 16..(4 << 16) + 3).contains(&body), "{body} bytes");
        assert!(client.received.ends_with(b"0\r\n\r\n"));
    }
    scene.ends_unharmed();
}

#[test]
fn downloads_that_nobody_reads() {
    let mut scene = Scene::new();
    scene.begin_slow();
    let clients = Crowd::open(scene.left(), crowd().min(2_600), b"GET /download HTTP/1.1\r\nHost: h\r\n\r\n");
    std::thread::sleep(Duration::from_secs(3));
    scene.neighbour_notices_little();
    drop(clients);
    scene.ends_unharmed();
}

#[test]
fn uploads_that_stall() {
    let scene = Scene::new();
    let count = crowd();
    let head = b"POST /count HTTP/1.1\r\nHost: h\r\nContent-Length: 10000\r\nConnection: close\r\n\r\n0123456789";
    let mut clients = Crowd::open(scene.left(), count, head);
    // Those that have a place wait for their clients, the others are refused sooner or later.
    let is_refused = |received: &[u8]| received.starts_with(b"HTTP/1.1 503");
    let refused = count.saturating_sub(MAX_EVENTS as usize);
    clients.read_until_of(refused, runtime::PATIENCE, is_refused);
    scene.neighbour_notices_little();
    // Nobody else is.
    clients.read_until_of(refused + 1, Duration::from_secs(1), is_refused);
    assert_eq!(clients.statuses().get(&503).copied().unwrap_or(0), refused, "{:?}", clients.statuses());
    clients.send(&[b'x'; 9_990]);
    clients.read_until(runtime::PATIENCE, |_| false);
    assert_eq!(clients.statuses().get(&200).copied(), Some(count - refused), "{:?}", clients.statuses());
    let right = clients.clients.iter().filter(|client| client.received.ends_with(b"\r\n\r\n10000")).count();
    assert_eq!(right, count - refused);
    scene.ends_unharmed();
}

#[test]
fn uploads_that_nobody_reads() {
    let mut scene = Scene::new();
    scene.begin_slow();
    let head = b"POST /unread HTTP/1.1\r\nHost: h\r\nContent-Length: 10000\r\n\r\n0123456789";
    let mut clients = Crowd::open(scene.left(), crowd(), head);
    clients.read_until(Duration::from_secs(5), has_head);
    scene.neighbour_notices_little();
    drop(clients);
    scene.ends_unharmed();
}

#[test]
fn event_streams_that_stay_open() {
    let scene = Scene::new();
    let count = crowd();
    let mut clients = Crowd::open(scene.left(), count, b"GET /events HTTP/1.1\r\nHost: h\r\n\r\n");
    clients.read_until(runtime::PATIENCE, has_head);
    let served = count.min(MAX_EVENTS as usize);
    let statuses = clients.statuses();
    assert_eq!((statuses.get(&200), statuses.get(&0)), (Some(&served), None), "{statuses:?}");
    scene.neighbour_notices_little();
    // All of them go on.
    clients.read_until(runtime::PATIENCE, |received| {
        !received.starts_with(b"HTTP/1.1 200") || received.windows(5).any(|window| window == b"next\n")
    });
    assert!(clients.clients.iter().all(|client| !client.closed || client.received.starts_with(b"HTTP/1.1 503")));
    drop(clients);
    scene.ends_unharmed();
}

#[test]
fn requests_that_are_opened_and_closed() {
    let mut scene = Scene::new();
    let count = crowd();
    scene.begin_slow();
    for path in ["/forever", "/events", "/forever"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
        let clients = Crowd::open(scene.left(), count, request.as_bytes());
        scene.neighbour_notices_little();
        drop(clients);
        // Who has gone makes room for who is there.
        assert_eq!(http::get(scene.left(), "/").expect("a response").status, 200);
    }
    scene.ends_unharmed();
}

#[test]
fn what_goes_on_behind_the_responses() {
    let mut scene = Scene::new();
    scene.begin_slow();
    // More than may live in a process, by connections that have their answers and ask again.
    let load = Load {
        request: http::request("GET", "/behind", &[], b""),
        ..Load::get(scene.left(), 64, Until::Requests(12_000))
    };
    let report = load.run().expect("no connection breaks");
    assert!(report.statuses.keys().all(|status| matches!(status, 200 | 503)), "{:?}", report.statuses);
    // One place is that of the request in flight.
    assert!(report.statuses[&200] >= u64::from(2 * MAX_EVENTS) - 1, "{:?}", report.statuses);
    scene.neighbour_notices_little();
    scene.ends_unharmed();
}

/// `source` with the name `name`, and a neighbour.
fn named(name: &str, source: &str) -> Setup {
    Setup::config(&format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "{name}", worker = .left), (name = "right", worker = .right) ],
  sockets = [
    (name = "left", address = "127.0.0.1:0", http = (), service = "{name}"),
    (name = "right", address = "127.0.0.1:0", http = (), service = "right")
  ]
);
const left :Workerd.Worker = ( modules = [ (name = "worker", esModule = embed "left.js") ], compatibilityDate = "2026-08-01" );
const right :Workerd.Worker = ( modules = [ (name = "worker", esModule = "export default {{ fetch() {{ return new Response('right'); }} }};") ], compatibilityDate = "2026-08-01" );
"#
    ))
    .file("left.js", source)
    .sockets(2)
}

#[test]
fn a_worker_that_does_not_start_keeps_nobody_from_being_served() {
    let server = bulkhead_test_support::supervisor!().serve(named("left", "throw new RangeError('not today');"));
    server.wait_for_stderr(|text| text.contains("service left: Uncaught RangeError: not today"));
    assert_eq!(http::get(server.port_of("right"), "/").expect("a response").text(), "right");
    for _ in 0..20 {
        let response = http::get(server.port_of("left"), "/").expect("a response");
        assert_eq!((response.status, response.text()), (503, "Service Unavailable".to_owned()));
    }
    assert_eq!(http::get(server.port_of("right"), "/").expect("a response").text(), "right");
    assert_eq!(server.stop().code, Some(0));
}

#[test]
fn a_worker_that_starts_sometimes_is_tried_again_when_somebody_asks() {
    let source = "if (Math.random() < 0.7) throw new Error('not today');
export default { fetch() { return new Response('at last'); } };";
    let server = bulkhead_test_support::supervisor!().serve(named("left", source));
    runtime::wait_until("a start that succeeds", || {
        let response = http::get(server.port_of("left"), "/").expect("a response");
        assert!(matches!((response.status, response.text().as_str()), (503, "Service Unavailable") | (200, "at last")));
        response.status == 200
    });
    assert_eq!(http::get(server.port_of("right"), "/").expect("a response").text(), "right");
}

/// What development tools rely on, and whoever asks for it.
#[test]
fn a_strict_start_fails_with_the_reason() {
    let throws = "throw new RangeError('not today');";
    let ours = bulkhead_test_support::supervisor!();
    for setup in [named("core:user:left", throws), named("left", throws).argument("--strict-start")] {
        let exit = ours.spawn(setup).wait();
        assert_eq!((exit.code, exit.stdout.as_str()), (Some(1), ""));
        assert!(exit.stderr.contains("left: Uncaught RangeError: not today\n  at worker:1:7"), "{}", exit.stderr);
    }
    // No socket leads to it, and the reference looks at it all the same.
    let unused = r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = ( services = [ (name = "unused", worker = .worker) ] );
const worker :Workerd.Worker = ( modules = [ (name = "worker", esModule = "throw 5;") ], compatibilityDate = "2026-08-01" );"#;
    let exit = ours.serve_to_exit(Setup::config(unused));
    assert_eq!(exit.code, Some(1));
    assert!(exit.stderr.contains("service unused: Uncaught 5"), "{}", exit.stderr);
}

#[test]
fn as_many_shards_as_there_can_be() {
    let setup = Setup::module("export default { fetch() { return new Response('served'); } };").argument("--shards=64");
    let server = bulkhead_test_support::supervisor!().serve(setup);
    for _ in 0..200 {
        assert_eq!(http::get(server.port(), "/").expect("a response").text(), "served");
    }
    let exit = server.stop();
    assert_eq!((exit.code, exit.stderr.as_str()), (Some(0), ""), "a clean stop says nothing");
}

/// Processor time that no event explains is had once, and not once for each process.
#[test]
fn computing_for_nobody_is_not_begun_anew() {
    let _turn = alone();
    let source = "const shared = new Int32Array(new SharedArrayBuffer(4));
function go() {
  const start = Date.now(), end = 2e6;
  let sum = 0;
  for (let i = 0; i < end; i++) sum += i % 7;
  Atomics.waitAsync(shared, 0, 0, 1).value.then(go);
  return sum + start;
}
go();
export default { fetch() { return new Response('fine'); } };";
    let server = bulkhead_test_support::supervisor!().serve(neighbour::beside(source, ""));
    server.wait_for_stderr(|text| text.contains("which 0 events do not explain"));
    // Nobody asks for it, so that it is not started again.
    let settled = process::tree_cpu(server.pid());
    let count = || server.stderr().matches("events do not explain").count();
    assert_eq!(count(), 1);
    std::thread::sleep(Duration::from_secs(5));
    let idle = process::tree_cpu(server.pid()) - settled;
    assert!(idle < Duration::from_secs(2), "{idle:?} of processor time for nobody");
    // Somebody does, and what one event explains is all there is.
    assert_eq!(http::get(server.port_of("left"), "/").expect("a response").text(), "fine");
    assert_eq!(http::get(server.port_of("right"), "/").expect("a response").text(), "Hello World\n");
}
