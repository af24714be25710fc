//! Workers that have, make and pass on such connections.

use std::{
    io::Read as _,
    net::{Ipv4Addr, TcpStream},
};

use bulkhead_test_support::{
    Runtime, Server, Setup, http,
    process::{self, descriptors},
    runtime::{self, wait_until},
    supervisor,
};
use nix::sys::signal::{Signal, kill};

use super::peer::{Backend, Peer, client, masked, plain, request, upgraded};

const TEXT: u8 = 1;
const CLOSE: u8 = 8;

/// `front` passes what begins with `/pass` on to `echo`, which passes it on to the backend; other paths are answered by `echo` itself.
const CONFIG: &str = r#"using Workerd = import "/workerd/workerd.capnp";
using Bulkhead = import "/bulkhead/policy.capnp";
const config :Workerd.Config = (
  services = [
    (name = "echo", worker = .echo),
    (name = "front", worker = .front),
    (name = "neighbour", worker = .neighbour),
    (name = "limited", worker = .echo),
    (name = "thrifty", worker = .thrifty),
    (name = "lasting", worker = .lasting),
    (name = "backend", external = (address = "ADDRESS", http = ())),
  ],
  sockets = [
    (name = "http", address = "127.0.0.1:0", http = (), service = "echo"),
    (name = "front", address = "127.0.0.1:0", http = (), service = "front"),
    (name = "neighbour", address = "127.0.0.1:0", http = (), service = "neighbour"),
    (name = "limited", address = "127.0.0.1:0", http = (), service = "limited"),
    (name = "thrifty", address = "127.0.0.1:0", http = (), service = "thrifty"),
    (name = "lasting", address = "127.0.0.1:0", http = (), service = "lasting"),
    (name = "lasting-tcp", address = "127.0.0.1:0", tcp = (), service = "lasting"),
  ],
);
const policy :Bulkhead.Policy = (workers = [
  (name = "limited", limits = (wallTimeMs = 300, requestBodyBytes = 100, responseBodyBytes = 100)),
  (name = "thrifty", limits = (cpuTimeMs = 300, subrequests = 2)),
  (name = "lasting", limits = (cpuTimeMs = 80, wallTimeMs = 2400, subrequests = 2)),
]);
const echo :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "echo.js")],
  compatibilityDate = "2026-08-01",
  bindings = [(name = "BACKEND", service = "backend")],
);
const front :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "front.js")],
  compatibilityDate = "2026-08-01",
  bindings = [(name = "ECHO", service = "echo")],
);
const thrifty :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "thrifty.js")],
  compatibilityDate = "2026-08-01",
  compatibilityFlags = ["precise_timers"],
  bindings = [(name = "NEIGHBOUR", service = "neighbour")],
);
const lasting :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "lasting.js")],
  compatibilityDate = "2026-08-01",
  compatibilityFlags = ["precise_timers"],
  bindings = [(name = "NEIGHBOUR", service = "neighbour")],
);
const neighbour :Workerd.Worker = (
  modules = [(name = "worker", esModule = "export default { fetch: () => new Response('here') }")],
  compatibilityDate = "2026-08-01",
);
"#;

const ECHO: &str = r#"
let opened = 0, closed = 0;
const codes = [];
export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/counts") return new Response(`${opened} ${closed} ${codes.slice(-1)}`);
    if (pathname === "/never") await new Promise(() => setTimeout(() => {}, 100_000));
    if (pathname === "/pass") return env.BACKEND.fetch(request);
    if (pathname === "/ask") {
      const { webSocket } = await env.BACKEND.fetch("http://b/", { headers: { Upgrade: "websocket" } });
      webSocket.accept();
      const answer = new Promise((done) => webSocket.addEventListener("message", ({ data }) => done(data)));
      webSocket.send("question");
      const text = await answer;
      webSocket.close(1000, "enough");
      return new Response(text);
    }
    const [client, server] = Object.values(new WebSocketPair());
    server.accept();
    if (pathname === "/order") {
      let count = 0;
      const say = (text) => server.send(`${++count} ${text}`);
      server.addEventListener("message", ({ data }) => {
        if (data === "end") return setTimeout(() => (say("last"), server.close()), 20);
        say(data);
        if (count % 7 === 1) say("long".repeat(2500));
        queueMicrotask(() => say("then"));
        if (count % 2) setTimeout(() => say("later"), count % 3);
      });
      return new Response(null, { status: 101, webSocket: client });
    }
    opened++;
    server.addEventListener("message", ({ data }) => server.send(data));
    server.addEventListener("close", ({ code }) => { closed++; codes.push(code); server.close(); });
    return new Response(null, { status: 101, webSocket: client });
  },
};"#;

const FRONT: &str = r#"export default { fetch: (request, env) => env.ECHO.fetch(request) };"#;

/// Works for each message as long as that says.
const THRIFTY: &str = r#"
const spin = (ms) => { for (const start = performance.now(); performance.now() - start < ms; ); };
export default {
  async fetch(request, env) {
    const [client, server] = Object.values(new WebSocketPair());
    server.accept();
    server.addEventListener("message", async ({ data }) => {
      if (data === "fetch") return server.send(await (await env.NEIGHBOUR.fetch("http://n/")).text());
      if (data !== "for ever") {
        spin(Number(data));
        return server.send("done");
      }
      // What goes round in the worker is no message of a client's.
      const [one, other] = Object.values(new WebSocketPair());
      for (const [end, peer] of [[one, other], [other, one]]) {
        end.accept();
        end.addEventListener("message", () => { spin(20); end.send("again"); });
      }
      one.send("begin");
    });
    return new Response(null, { status: 101, webSocket: client });
  },
};"#;

/// Works a little and says so, again and again, and is sent nothing: over an event stream, a WebSocket or TCP.
const LASTING: &str = r#"
const go = async (env, say) => {
  for (let n = 0; ; n++) {
    await new Promise((done) => setTimeout(done, 150));
    for (const start = performance.now(); performance.now() - start < 2.5; );
    if (n % 4 !== 0) await say(".");
    else await say(await env.NEIGHBOUR.fetch("http://n/").then(() => "+", () => "-"));
  }
};
export default {
  fetch(request, env) {
    if (request.headers.has("upgrade")) {
      const [client, server] = Object.values(new WebSocketPair());
      server.accept();
      go(env, (text) => server.send(text));
      return new Response(null, { status: 101, webSocket: client });
    }
    const { readable, writable } = new IdentityTransformStream();
    const writer = writable.getWriter();
    go(env, (text) => writer.write(new TextEncoder().encode(`data: ${text}\n\n`)));
    return new Response(readable, { headers: { "Content-Type": "text/event-stream" } });
  },
  async connect(socket, env) {
    const writer = socket.writable.getWriter();
    await go(env, (text) => writer.write(text));
  },
};"#;

fn serve(backend: &Backend) -> Server {
    let setup = Setup::config(&CONFIG.replace("ADDRESS", &backend.address.to_string()));
    let setup = setup
        .file("echo.js", ECHO)
        .file("front.js", FRONT)
        .file("thrifty.js", THRIFTY)
        .file("lasting.js", LASTING)
        .sockets(7)
        .argument("--experimental");
    supervisor!().serve(setup)
}

/// What the worker has counted: connections that were opened and closed, and the code of the last close.
fn counts(server: &Server) -> (usize, usize, String) {
    let text = http::get(server.port(), "/counts").expect("an answer").text();
    let mut parts = text.split(' ');
    let mut next = || parts.next().unwrap_or_default().to_owned();
    (next().parse().expect("a number"), next().parse().expect("a number"), next())
}

fn says(peer: &mut Peer, text: &str) {
    peer.send(masked(TEXT, text.as_bytes()));
    assert_eq!(peer.frame(), (TEXT, text.as_bytes().to_vec()));
}

#[test]
fn a_worker_echoes_and_closes() {
    let backend = Backend::start();
    let server = serve(&backend);
    for port in [server.port(), server.port_of("front")] {
        let mut client = client(port, [request("/", "").as_bytes(), &masked(TEXT, b"early")].concat());
        assert_eq!(client.frame(), (TEXT, b"early".to_vec()));
        says(&mut client, "hello");
        client.send(masked(CLOSE, &[&1001_u16.to_be_bytes()[..], b"bye"].concat()));
        assert_eq!(client.frame().0, CLOSE);
        assert_eq!(client.rest(), (vec![], true));
    }
    wait_until("both are closed", || counts(&server).1 == 2);
    assert_eq!(counts(&server), (2, 2, "1001".to_owned()));
}

#[test]
fn what_is_sent_at_once_and_what_is_sent_later_keep_their_order() {
    let backend = Backend::start();
    let server = serve(&backend);
    let mut clients: Vec<Peer> = (0..16).map(|_| upgraded(server.port(), "/order")).collect();
    let mut heard = vec![0; clients.len()];
    for round in 0..60 {
        for client in &mut clients {
            client.send(masked(TEXT, b"one").repeat(1 + round % 3));
        }
        for (client, heard) in clients.iter_mut().zip(&mut heard) {
            *heard += 1;
            let (_, text) = client.frame();
            assert!(text.starts_with(format!("{heard} ").as_bytes()), "{heard}: {}", String::from_utf8_lossy(&text));
        }
    }
    for (mut client, mut heard) in clients.into_iter().zip(heard) {
        client.send(masked(TEXT, b"end"));
        let mut last = Vec::new();
        loop {
            let (kind, text) = client.frame();
            if kind == CLOSE {
                break;
            }
            heard += 1;
            assert!(text.starts_with(format!("{heard} ").as_bytes()), "{heard}: {}", String::from_utf8_lossy(&text));
            last = text;
        }
        assert!(last.ends_with(b"last") && heard > 240, "{heard}: {}", String::from_utf8_lossy(&last));
    }
}

#[test]
fn the_sample_counts_what_it_sends_back() {
    for runtime in [supervisor!(), Runtime::workerd()] {
        let server = runtime.serve(Setup::sample("websocket-echo"));
        assert!(http::get(server.port(), "/").expect("a page").text().contains("new WebSocket"));
        let mut client = upgraded(server.port(), "/");
        for (sent, expected) in [("a", "1: a"), ("b", "2: b")] {
            client.send(masked(TEXT, sent.as_bytes()));
            assert_eq!(client.frame(), (TEXT, expected.as_bytes().to_vec()));
        }
        let close = [&1000_u16.to_be_bytes()[..], b"enough"].concat();
        client.send(masked(CLOSE, &close));
        assert_eq!(client.frame(), (CLOSE, close));
    }
}

#[test]
fn the_sample_lets_the_members_of_a_room_hear_each_other() {
    for runtime in [supervisor!(), Runtime::workerd()] {
        let server = runtime.serve(Setup::sample("websocket-chat"));
        let hears = |peer: &mut Peer, text: &str| assert_eq!(peer.frame(), (TEXT, text.as_bytes().to_vec()));
        let mut ann = upgraded(server.port(), "/room?name=Ann");
        hears(&mut ann, "Ann has come in. (1 here)");
        let mut bob = upgraded(server.port(), "/room?name=Bob");
        let mut eve = upgraded(server.port(), "/other?name=Eve");
        hears(&mut eve, "Eve has come in. (1 here)");
        for member in [&mut ann, &mut bob] {
            hears(member, "Bob has come in. (2 here)");
        }
        ann.send([masked(TEXT, b"hello"), masked(TEXT, b"all")].concat());
        bob.send(masked(TEXT, b"hi"));
        for member in [&mut ann, &mut bob] {
            let mut heard: Vec<_> = (0..3).map(|_| String::from_utf8(member.frame().1).expect("a text")).collect();
            let of_ann: Vec<_> = heard.iter().filter(|text| text.starts_with("Ann")).collect();
            assert_eq!(of_ann, ["Ann: hello", "Ann: all"]);
            heard.sort();
            assert_eq!(heard[2], "Bob: hi");
        }
        bob.reset();
        hears(&mut ann, "Bob has left. (1 here)");
        ann.send(masked(CLOSE, &[]));
        assert_eq!(ann.frame().0, CLOSE);
        eve.send(masked(TEXT, b"alone"));
        hears(&mut eve, "Eve: alone");
    }
}

#[test]
fn a_worker_asks_over_a_connection_of_its_own() {
    let backend = Backend::start();
    let server = serve(&backend);
    let port = server.port();
    let answer = std::thread::spawn(move || http::get(port, "/ask").expect("an answer").text());
    let mut peer = backend.next();
    assert_eq!(peer.frame(), (TEXT, b"question".to_vec()));
    peer.send(plain(TEXT, b"answer"));
    assert_eq!(answer.join().expect("an answer"), "answer");
    assert_eq!(peer.frame(), (CLOSE, [&1000_u16.to_be_bytes()[..], b"enough"].concat()));
}

#[test]
fn what_is_passed_on_enters_no_worker() {
    let backend = Backend::start();
    let server = serve(&backend);
    let mut client = client(server.port_of("front"), request("/pass", "") + "no frame");
    let mut peer = backend.next();
    // What no worker could read, or would say.
    assert_eq!(peer.receive(8), b"no frame");
    peer.send([0xff; 5000]);
    assert_eq!(client.receive(5000), [0xff; 5000]);
    client.finish();
    assert_eq!(peer.rest(), (vec![], true));
    peer.send("after");
    drop(peer);
    assert_eq!(client.rest(), (b"after".to_vec(), true));
}

#[test]
fn clients_that_vanish_are_noticed() {
    const CLIENTS: usize = 20;
    let backend = Backend::start();
    let server = serve(&backend);
    for (round, port) in (0..2).flat_map(|_| [server.port(), server.port_of("front")]).enumerate() {
        let mut clients: Vec<Peer> = (0..CLIENTS).map(|_| upgraded(port, "/")).collect();
        for client in &mut clients {
            says(client, "x");
        }
        clients.into_iter().for_each(|client| if round < 2 { client.reset() } else { drop(client) });
        wait_until("all are closed", || counts(&server).1 == (round + 1) * CLIENTS);
    }
    assert_eq!(counts(&server), (4 * CLIENTS, 4 * CLIENTS, "1006".to_owned()));
}

#[test]
fn no_limit_on_a_response_holds_for_a_connection() {
    let backend = Backend::start();
    let server = serve(&backend);
    let port = server.port_of("limited");
    let mut client = upgraded(port, "/");
    // As long as the other, which began later, may last.
    assert_eq!(http::get(port, "/never").expect("an answer").status, 503);
    for _ in 0..5 {
        says(&mut client, &"x".repeat(60));
    }
}

#[test]
fn what_an_event_may_use_begins_anew_with_each_message() {
    let backend = Backend::start();
    let server = serve(&backend);
    let mut client = upgraded(server.port_of("thrifty"), "/");
    // More than an event may have, together.
    for (message, answer, times) in [("60", "done", 12), ("fetch", "here", 5)] {
        for _ in 0..times {
            client.send(masked(TEXT, message.as_bytes()));
            assert_eq!(client.frame(), (TEXT, answer.as_bytes().to_vec()));
        }
    }
    client.send(masked(TEXT, b"for ever"));
    assert_eq!(client.rest().0, b"");
    server.wait_for_stderr(|text| text.contains("Worker exceeded CPU time limit."));
}

#[test]
fn what_a_stream_may_use_begins_anew_with_time() {
    let backend = Backend::start();
    let server = serve(&backend);
    let events = || {
        let mut stream = http::Connection::open(server.port_of("lasting"));
        stream.send(http::request("GET", "/", &[], b"")).expect("to ask");
        stream.stream().try_clone().expect("a handle")
    };
    let tcp = || TcpStream::connect((Ipv4Addr::LOCALHOST, server.port_of("lasting-tcp"))).expect("a connection");
    let ways = [events(), upgraded(server.port_of("lasting"), "/").stream, tcp()];
    std::thread::scope(|scope| {
        for mut stream in ways {
            scope.spawn(move || {
                stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).expect("an option");
                let (mut said, mut piece) = (Vec::new(), [0; 1000]);
                let count = |said: &[u8], byte| said.iter().filter(|said| **said == byte).count();
                // An event may use as much as some twenty take, and make two requests.
                while count(&said, b'+') < 6 || count(&said, b'.') < 33 || count(&said, b'-') == 0 {
                    match stream.read(&mut piece) {
                        Ok(read @ 1..) => said.extend_from_slice(&piece[..read]),
                        end => panic!("{end:?} after {:?}", String::from_utf8_lossy(&said)),
                    }
                }
            });
        }
    });
}

#[test]
fn a_backend_that_vanishes_takes_its_client_along() {
    let backend = Backend::start();
    let server = serve(&backend);
    for port in [server.port(), server.port_of("front")] {
        let mut client = upgraded(port, "/pass");
        backend.next().reset();
        client.rest();
    }
}

#[test]
fn a_worker_that_is_killed_leaves_nothing_of_its_own() {
    const ROUNDS: usize = 12;
    let backend = Backend::start();
    let server = serve(&backend);
    let mut before = 0;
    for round in 0..ROUNDS {
        // One of a worker, one that is passed on, one that is asked for.
        let mut direct = upgraded(server.port(), "/");
        let (mut passed, mut peer) = (upgraded(server.port_of("front"), "/pass"), backend.next());
        says(&mut direct, "x");
        passed.send("y");
        assert_eq!(peer.receive(1), b"y");
        let pids = process::workers(server.pid());
        for pid in &pids {
            // The pool has blank ones too, which are replaced as well.
            let _ = kill(runtime::pid(*pid), Signal::SIGKILL);
        }
        direct.rest();
        // What was passed on is no worker's any more.
        passed.send("z");
        assert_eq!(peer.receive(1), b"z");
        drop(peer);
        assert_eq!(passed.rest(), (vec![], true));
        wait_until("it is back", || {
            http::get(server.port(), "/counts").is_ok_and(|answer| answer.text().starts_with("0 0"))
        });
        if round == 0 {
            before = descriptors(server.pid()).len();
        }
    }
    // Each round would leave three or more; the pool may have a process more or less.
    wait_until("nothing is left", || descriptors(server.pid()).len() <= before + ROUNDS);
}

#[test]
fn many_are_open_at_once() {
    const MANY: usize = 600;
    let backend = Backend::start();
    let server = serve(&backend);
    let mut clients: Vec<Peer> = (0..MANY).map(|_| upgraded(server.port(), "/")).collect();
    for client in &mut clients {
        says(client, "here");
    }
    assert_eq!(http::get(server.port_of("neighbour"), "/").expect("an answer").text(), "here");
    let extra = counts(&server);
    assert_eq!((extra.0, extra.1), (MANY, 0), "and its other requests are answered");
    drop(clients);
    wait_until("all are closed", || counts(&server).1 == MANY);
}
