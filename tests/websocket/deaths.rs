//! Whoever takes part in a WebSocket is killed at each step of its life, many times: what the others see is what those of the reference see,
//! and nothing leaks. A client or a backend that is killed is a socket that its kernel closes.

use std::{collections::BTreeMap, time::Duration};

use bulkhead_test_support::{
    Runtime, Server, Setup,
    held::Held,
    http::{self, Connection},
    process, runtime,
    runtime::wait_until,
    supervisor,
};
use nix::sys::signal::{Signal, kill};
use socket2::SockRef;

use super::peer::{Backend, Peer, accepting, client, masked, plain, request};

const TEXT: u8 = 1;
const CLOSE: u8 = 8;

/// Both workers have it.
const WORKER: &str = r#"
const logs = new Map();
const log = (id) => logs.get(id) ?? logs.set(id, []).get(id);
const over = (noted, socket) => new Promise((done) => {
  socket.addEventListener("error", ({ message }) => noted.push(`error ${message}`));
  socket.addEventListener("close", ({ code, reason, wasClean }) => {
    noted.push(`close ${code} ${reason} ${wasClean}`);
    done();
  });
});
const act = (socket, step) => {
  if (step === "flow") for (let i = 0; i < 50; i++) socket.send("x".repeat(100));
  if (step === "closing") socket.close(1000, "bye");
};
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const [, way, step] = url.pathname.split("/");
    const id = url.searchParams.get("id");
    const noted = log(id);
    switch (way) {
      case "spin": {
        let sum = 0;
        for (let i = 0; i < 5e7; i++) sum += i;
        return new Response(`${sum}`);
      }
      case "log": return new Response(noted.join("; "));
      case "served": {
        if (step === "before") {
          noted.push("here");
          await new Promise(() => setTimeout(() => {}, 1e8));
        }
        const [client, server] = Object.values(new WebSocketPair());
        over(noted, server);
        server.accept(step === "half" ? { allowHalfOpen: true } : {});
        noted.push("open");
        act(server, step);
        return new Response(null, { status: 101, webSocket: client });
      }
      case "passed": return env.BACKEND.fetch(request);
      case "relayed": return env.CALLEE.fetch(new Request(`http://b/served/${step}?id=${id}`, request));
      case "bound": case "fetched": {
        const [to, path] = way === "bound" ? [env.CALLEE, `served/${step === "closing" ? "half" : step}`] : [env.BACKEND, `backend/${step}`];
        try {
          const headers = { Upgrade: "websocket" };
          if (step === "compressed") headers["Sec-WebSocket-Extensions"] = "permessage-deflate";
          const { webSocket } = await to.fetch(`http://x/${path}?id=${id}`, { headers });
          const ended = over(noted, webSocket);
          webSocket.accept();
          noted.push("open");
          act(webSocket, step);
          await ended;
        } catch (error) {
          noted.push(`${error}`);
        }
        return new Response(noted.join("; "));
      }
      case "constructed": {
        const socket = new WebSocket(`ws://x/backend/${step}?id=${id}`);
        socket.addEventListener("open", () => { noted.push("open"); act(socket, step); });
        await over(noted, socket);
        return new Response(noted.join("; "));
      }
      default: return new Response("hello");
    }
  },
};"#;

const CONFIG: &str = r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "caller", worker = .caller),
    (name = "callee", worker = .callee),
    (name = "backend", external = (address = "ADDRESS", http = ())),
  ],
  sockets = [
    (name = "http", address = "127.0.0.1:0", http = (), service = "caller"),
    (name = "callee", address = "127.0.0.1:0", http = (), service = "callee"),
  ],
);
const caller :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "caller.js")],
  compatibilityDate = "2026-08-01",
  bindings = [(name = "BACKEND", service = "backend"), (name = "CALLEE", service = "callee")],
  globalOutbound = "backend",
);
const callee :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "callee.js")],
  compatibilityDate = "2026-08-01",
);
"#;

/// Whose the two ends of a WebSocket are, and which of its steps there are.
const WAYS: [(&str, &[&str]); 6] = [
    // A client's and the caller's.
    ("served", &["before", "open", "flow", "fragment", "compressed", "closing", "half"]),
    // The caller's and a backend's.
    ("fetched", &["before", "open", "flow", "fragment", "compressed", "closing"]),
    ("constructed", &["before", "open", "flow", "fragment", "compressed", "closing"]),
    // A client's and a backend's, by the caller.
    ("passed", &["before", "open", "flow", "fragment", "closing"]),
    // A client's and the callee's, by the caller.
    ("relayed", &["before", "open", "flow", "fragment", "closing", "half"]),
    // The caller's and the callee's.
    ("bound", &["before", "open", "flow", "closing"]),
];

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Client,
    Backend,
    Caller,
    Callee,
}

/// A WebSocket that is at its step.
struct Open {
    way: &'static str,
    step: &'static str,
    id: String,
    client: Client,
    backend: Option<Peer>,
}

enum Client {
    /// It has a WebSocket.
    Socket(Peer),
    /// It waits for an answer.
    Asks(Connection),
}

/// What one end does that the test has in its hands. `send` makes a frame of this end.
fn act(peer: &mut Peer, step: &str, send: fn(u8, &[u8]) -> Vec<u8>) {
    match step {
        "flow" => (0..50).for_each(|_| peer.send(send(TEXT, &[b'x'; 100]))),
        // Without its end.
        "fragment" => {
            let mut frame = send(TEXT, b"the beginning");
            frame[0] &= 0x7f;
            peer.send(frame);
        }
        "compressed" => {
            // A block of 100 bytes that are stored as they are (RFC 1951, section 3.2.4).
            let mut frame = send(TEXT, &[&[0, 100, 0, !100, !0], &[b'x'; 100][..]].concat());
            frame[0] |= 0x40;
            peer.send(&frame[..20]);
        }
        "half" => peer.send(send(CLOSE, &[&1001_u16.to_be_bytes()[..], b"going"].concat())),
        _ => {}
    }
}

/// What is left to read for one end: closes, whether there were messages, and that the connection ends.
fn seen(peer: &mut Peer) -> String {
    let (bytes, _) = peer.rest();
    let mut rest = &bytes[..];
    let mut seen = Vec::new();
    while let [first, second, after @ ..] = rest {
        let (length, masked) = (usize::from(second & 0x7f), second & 0x80 != 0);
        let Some((key, after)) = after.split_at_checked(4 * usize::from(masked)) else { break };
        let Some((payload, after)) = after.split_at_checked(length) else { break };
        let payload: Vec<u8> = match key {
            [] => payload.to_vec(),
            key => payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect(),
        };
        if first & 0xf == CLOSE {
            let code = payload.first_chunk().map_or(0, |code| u16::from_be_bytes(*code));
            seen.push(format!("close {code} {}", String::from_utf8_lossy(payload.get(2..).unwrap_or_default())));
        }
        rest = after;
    }
    seen.push("gone".to_owned());
    seen.join(", ")
}

/// What was seen, by way, step and witness.
type Seen = BTreeMap<String, String>;

struct Scene {
    is_ours: bool,
    server: Server,
    backend: Backend,
    round: usize,
}

impl Scene {
    fn new(runtime: &Runtime) -> Self {
        let backend = Backend::answering(|peer| {
            if peer.head.contains("/before") {
                return Some(String::new());
            }
            let agreed = peer.header("sec-websocket-extensions").filter(|_| peer.head.contains("/compressed"));
            let agreed = agreed.map(|_| "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
            agreed.map(|agreed| accepting(peer).replace("\r\n\r\n", agreed))
        });
        let setup = Setup::config(&CONFIG.replace("ADDRESS", &backend.address.to_string()))
            .file("caller.js", WORKER)
            .file("callee.js", WORKER)
            .sockets(2);
        let server = runtime.serve(setup);
        let scene = Self { is_ours: server.name() != "workerd", server, backend, round: 0 };
        scene.is_whole();
        scene
    }

    fn is_whole(&self) {
        for port in [self.server.port(), self.server.port_of("callee")] {
            wait_until("everybody to be back", || {
                http::get(port, "/hello").is_ok_and(|answer| answer.text() == "hello")
            });
        }
    }

    /// What a worker has noted of a WebSocket.
    fn noted(&self, worker: Victim, id: &str) -> String {
        let port = self.server.port_of(if worker == Victim::Callee { "callee" } else { "http" });
        http::get(port, &format!("/log?id={id}")).expect("an answer").text()
    }

    fn notes(&self, worker: Victim, id: &str, what: &str) -> String {
        let mut noted = String::new();
        wait_until(&format!("{worker:?} to note {what} of {id}"), || {
            noted = self.noted(worker, id);
            noted.contains(what)
        });
        noted
    }

    /// Opens one of each way for each step, and waits until it is there.
    fn open(&mut self) -> Vec<Open> {
        self.round += 1;
        let mut all = Vec::new();
        for (way, steps) in WAYS {
            for step in steps {
                let id = format!("{}-{way}-{step}", self.round);
                let target = format!("/{way}/{step}?id={id}");
                let asks = ["fetched", "constructed", "bound"].contains(&way);
                let extensions =
                    if *step == "compressed" { "Sec-WebSocket-Extensions: permessage-deflate\r\n" } else { "" };
                let client = if asks || *step == "before" {
                    let mut client = Connection::open(self.server.port());
                    let get = || String::from_utf8(http::request("GET", &target, &[], b"")).expect("a request");
                    client.send(if asks { get() } else { request(&target, "") }).expect("it is taken");
                    Client::Asks(client)
                } else {
                    let client = client(self.server.port(), request(&target, extensions));
                    assert!(client.head.starts_with("HTTP/1.1 101 "), "{id}: {}", client.head);
                    Client::Socket(client)
                };
                all.push(Open { way, step, id, client, backend: None });
            }
        }
        let behind = |open: &Open| ["fetched", "constructed", "passed"].contains(&open.way);
        for _ in 0..all.iter().filter(|open| behind(open)).count() {
            let peer = self.backend.next();
            let of = |open: &&mut Open| {
                peer.head.lines().next().is_some_and(|line| line.contains(&format!("id={} ", open.id)))
            };
            let open = all.iter_mut().find(of).unwrap_or_else(|| panic!("nobody asked for {}", peer.head));
            open.backend = Some(peer);
        }
        for Open { way, step, id, client, backend } in &mut all {
            if *step == "before" {
                match *way {
                    "served" => drop(self.notes(Victim::Caller, id, "here")),
                    "relayed" | "bound" => drop(self.notes(Victim::Callee, id, "here")),
                    _ => {}
                }
                continue;
            }
            match *way {
                "relayed" => drop(self.notes(Victim::Callee, id, "open")),
                "passed" => {}
                _ => drop(self.notes(Victim::Caller, id, "open")),
            }
            let close = (CLOSE, [&1000_u16.to_be_bytes()[..], b"bye"].concat());
            if let Some(backend) = backend {
                match (*way, *step) {
                    (_, "closing") if *way != "passed" => assert_eq!(backend.frame(), close, "{id}"),
                    _ => act(backend, step, plain),
                }
            }
            if let Client::Socket(client) = client {
                match (*way, *step) {
                    ("passed", "closing") => client.send(masked(CLOSE, &close.1)),
                    (_, "closing") => assert_eq!(client.frame(), close, "{id}"),
                    _ => act(client, step, masked),
                }
            }
            match (*way, *step) {
                ("served", "half") => drop(self.notes(Victim::Caller, id, "close")),
                ("relayed", "half") | ("bound", "closing") => drop(self.notes(Victim::Callee, id, "close")),
                _ => {}
            }
        }
        all
    }

    /// The process of a worker: the one that works when the worker does.
    fn process_of(&self, worker: Victim) -> u32 {
        let port = self.server.port_of(if worker == Victim::Callee { "callee" } else { "http" });
        loop {
            let workers = process::workers(self.server.pid());
            let before: Vec<Duration> = workers.iter().map(|pid| process::cpu(*pid)).collect();
            http::get(port, "/spin").expect("an answer");
            let used =
                workers.iter().zip(before).map(|(pid, before)| (process::cpu(*pid).saturating_sub(before), *pid));
            let mut used: Vec<(Duration, u32)> = used.collect();
            used.sort_unstable_by(|left, right| right.cmp(left));
            if let [(most, pid), (next, _), ..] = used[..]
                && most >= next + Duration::from_millis(20)
            {
                return pid;
            }
        }
    }

    /// One round: what the others see when one is killed.
    fn round(&mut self, victim: Victim) -> Seen {
        let is_worker = matches!(victim, Victim::Caller | Victim::Callee);
        let pid = is_worker.then(|| self.process_of(victim));
        let mut all = self.open();
        if let Some(pid) = pid {
            kill(runtime::pid(pid), Signal::SIGKILL).expect("kill the worker");
            wait_until("a worker to be gone", || !process::is_alive(pid));
        }
        let mut rest = Vec::new();
        for Open { way, step, id, client, backend } in all.drain(..) {
            let (client, backend) = match (victim, client) {
                (Victim::Client, Client::Asks(client)) => {
                    // An end could mean that it listens.
                    SockRef::from(client.stream()).set_linger(Some(Duration::ZERO)).expect("an option");
                    (None, backend)
                }
                (Victim::Client, Client::Socket(_)) => (None, backend),
                (Victim::Backend, client) => (Some(client), None),
                (_, client) => (Some(client), backend),
            };
            rest.push((way, step, id, client, backend));
        }
        let mut all_seen = Seen::new();
        for (way, step, id, client, backend) in rest {
            // What was passed on is no worker's any more.
            let is_passed = step != "before";
            let concerns = match (way, victim) {
                ("served", Victim::Client | Victim::Caller) => true,
                ("fetched" | "constructed" | "bound", Victim::Client) => self.is_ours,
                ("fetched" | "constructed", Victim::Backend | Victim::Caller) => true,
                ("bound", Victim::Callee | Victim::Caller) => true,
                ("passed", Victim::Client | Victim::Backend) | ("relayed", Victim::Client | Victim::Callee) => true,
                ("passed" | "relayed", Victim::Caller) => !is_passed,
                _ => false,
            };
            if !concerns {
                continue;
            }
            let mut see = |witness: &str, what: String| all_seen.insert(format!("{way}/{step}: {witness}"), what);
            match client {
                Some(Client::Socket(mut peer)) => drop(see("client", seen(&mut peer))),
                Some(Client::Asks(mut asks)) => {
                    let answer = asks.response("GET");
                    let gone = |_| "gone".to_owned();
                    see("client", answer.map_or_else(gone, |answer| format!("{} {}", answer.status, answer.text())));
                }
                None => {}
            }
            if let Some(mut backend) = backend {
                see("backend", seen(&mut backend));
            }
            let witness = match (way, victim) {
                ("served", Victim::Client) => Victim::Caller,
                ("relayed", Victim::Client) | ("bound", Victim::Client | Victim::Caller) => Victim::Callee,
                _ => continue,
            };
            let what = if step == "before" { "here" } else { "close" };
            see(if witness == Victim::Caller { "caller" } else { "callee" }, self.notes(witness, &id, what));
        }
        self.is_whole();
        all_seen
    }
}

/// What a script is told when the other end is gone.
const LOST: &str = "open; close 1006 WebSocket disconnected without sending Close frame. false";

/// What a witness has to see that the reference does not have, or of which it has no other process.
fn expected(victim: Victim, what: &str) -> Option<&'static str> {
    Some(match (victim, what) {
        // As of any other request whose backend is gone; the reference ends the connection.
        (Victim::Backend, "passed/before: client") => "500 Internal Server Error",
        // The client's request ends, and what it has asked for. The reference goes on.
        (Victim::Client | Victim::Caller, "bound/before: callee") => "here",
        (Victim::Client | Victim::Caller, "bound/closing: callee") => "open; close 1000 bye true",
        (Victim::Client | Victim::Caller, "bound/open: callee" | "bound/flow: callee") => LOST,
        (Victim::Client, what) if what.starts_with("fetched/") || what.starts_with("constructed/") => "gone",
        (Victim::Client | Victim::Backend, _) => return None,
        (Victim::Caller, what) if what.ends_with(": backend") => "gone",
        (Victim::Caller, what) if what.starts_with("served/") && what != "served/before: client" => "gone",
        (Victim::Caller, _) => "503 Service Unavailable",
        (Victim::Callee, "bound/before: client") => "200 Error: Network connection lost.",
        (Victim::Callee, "relayed/before: client") => "500 Internal Server Error",
        (Victim::Callee, what) if what.starts_with("relayed/") => "gone",
        (Victim::Callee, "bound/closing: client" | "bound/open: client" | "bound/flow: client") => {
            "200 open; close 1006 WebSocket disconnected without sending Close frame. false"
        }
        (Victim::Callee, _) => return None,
    })
}

#[test]
fn whoever_is_killed_at_whatever_step_of_a_websocket() {
    let mut scene = Scene::new(&supervisor!());
    let pid = scene.server.pid();
    let mut reference = Scene::new(&Runtime::workerd());
    let theirs = [Victim::Client, Victim::Backend].map(|victim| reference.round(victim));
    drop(reference);
    let mut round = |victim, theirs: &Seen| {
        let ours = scene.round(victim);
        for (what, ours) in &ours {
            let expected = expected(victim, what).or_else(|| theirs.get(what).map(String::as_str));
            assert_eq!(Some(ours.as_str()), expected, "{what} when {victim:?} is killed");
        }
        assert!(theirs.keys().all(|what| ours.contains_key(what)), "{victim:?}");
        ours.len()
    };
    let mut all = || {
        let none = Seen::new();
        let seen = round(Victim::Client, &theirs[0]) + round(Victim::Backend, &theirs[1]);
        seen + round(Victim::Caller, &none) + round(Victim::Callee, &none)
    };
    let witnesses = all();
    let before = Held::at_rest(pid);
    for _ in 0..runtime::many("BULKHEAD_DEATHS", 1) {
        assert_eq!(all(), witnesses);
    }
    before.is_given_back(pid, 16 << 20);
    // What was upgraded and did not end would be waited for.
    assert_eq!(scene.server.stop().code, Some(0));
}

#[test]
fn a_supervisor_that_is_killed_takes_everybody_along() {
    for _ in 0..runtime::many("BULKHEAD_DEATHS", 1) {
        let mut scene = Scene::new(&supervisor!());
        let all = scene.open();
        let workers = process::workers(scene.server.pid());
        assert!(workers.len() >= 2);
        scene.server.signal(Signal::SIGKILL);
        for Open { way, step, client, backend, .. } in all {
            match client {
                Client::Socket(mut peer) => assert_eq!(seen(&mut peer), "gone", "{way}/{step}"),
                Client::Asks(mut asks) => assert!(asks.response("GET").is_err(), "{way}/{step}"),
            }
            if let Some(mut backend) = backend {
                assert!(seen(&mut backend).ends_with("gone"), "{way}/{step}");
            }
        }
        for pid in workers {
            wait_until("a worker to be gone", || !process::is_alive(pid));
        }
    }
}
