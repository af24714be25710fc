//! Whoever takes part in a request is killed at each of its steps, many times: what is in flight has its defined end, the rest goes
//! on, and nothing leaks.

use std::{
    env, io,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process as std_process,
    time::Duration,
};

use bulkhead_test_support::{
    Server, Setup,
    held::Held,
    http::{self, Connection},
    process, runtime,
    runtime::wait_until,
};
use nix::sys::signal::{Signal, kill};
use socket2::SockRef;

use super::{
    backend::{Backend, Exchange},
    volume::raise_descriptor_limit,
};

/// Waits at a step of its request to `to` until it is told to go on, and tells what became of it. The size of its memory, which it does not use, says which process it is.
const CALLER: &str = r#"
globalThis.mark = new ArrayBuffer(50 << 20);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
let gone = 0;
const reached = new Map();
export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    const round = Number(url.searchParams.get("round"));
    const at = env[url.searchParams.get("to")];
    const reach = () => reached.set(round, (reached.get(round) ?? 0) + 1);
    const told = async (work) => {
      const goOn = async () => { while (gone < round) await sleep(20); return "went on"; };
      return new Response(await Promise.race([work().catch(String), goOn()]));
    };
    const read = async (path, bytes) => {
      const reader = (await at.fetch(`http://a/${path}`)).body.getReader();
      for (let seen = 0; seen < bytes; ) seen += (await reader.read()).value.length;
      reach();
      while (!(await reader.read()).done);
      return "the end";
    };
    switch (url.pathname) {
      case "/hello": return at.fetch("http://a/hello");
      case "/go": gone = round; return new Response("gone");
      case "/reached": return new Response(`${reached.get(round) ?? 0}`);
      case "/before": {
        reach();
        while (gone < round) await sleep(20);
        return at.fetch("http://a/hello");
      }
      case "/upload": return told(async () => {
        let pulled = 0;
        const body = new ReadableStream({
          async pull(controller) {
            if (++pulled === 3) { reach(); await sleep(1e8); }
            controller.enqueue(new Uint8Array(1000));
          },
        });
        return (await at.fetch("http://a/swallow", { method: "POST", body })).text();
      });
      case "/head": return told(async () => { const answer = at.fetch("http://a/never"); reach(); return (await answer).text(); });
      case "/gap": return told(() => read("gap", 0));
      case "/body": return told(() => read("part", 1));
      case "/end": return told(() => read("all", 9));
      case "/after": {
        ctx.waitUntil(at.fetch("http://a/never").catch(() => {}));
        reach();
        return new Response("now");
      }
      case "/pass": { const response = await at.fetch("http://a/part"); reach(); return response; }
    }
  },
};
"#;

const CALLEE: &str = r#"
globalThis.mark = new ArrayBuffer(110 << 20);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const body = (...chunks) => new Response(new ReadableStream({
  async pull(controller) {
    if (chunks.length === 0) await sleep(1e8);
    controller.enqueue(new TextEncoder().encode(chunks.shift()));
  },
}));
export default {
  async fetch(request) {
    switch (new URL(request.url).pathname) {
      case "/swallow": for await (const chunk of request.body); return new Response("all");
      case "/never": await sleep(1e8);
      case "/gap": return body();
      case "/part": return body("part");
      case "/all": return body("all of ", "it");
      default: return new Response("hello");
    }
  },
};
"#;

/// The same as a server of its own.
fn answer(exchange: &mut Exchange<'_>) -> io::Result<()> {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    match exchange.path.as_str() {
        "/swallow" | "/never" => {}
        "/gap" => exchange.send(chunked)?,
        "/part" => exchange.send(format!("{chunked}4\r\npart\r\n"))?,
        "/all" => exchange.send(format!("{chunked}9\r\nall of it\r\n"))?,
        _ => return exchange.answer("hello"),
    }
    exchange.wait()
}

/// How the process learns that it is a backend, and at which address.
const ADDRESS: &str = "BULKHEAD_TEST_BACKEND";

/// Is no test: the process that [`BackendProcess`] starts.
#[test]
#[ignore = "a process for another test"]
fn a_backend() {
    if let Ok(address) = env::var(ADDRESS) {
        let _backend = Backend::start_at(address.parse().expect("an address"), answer);
        // Until it is killed, or its parent is gone and so is its standard input.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
    }
}

/// Where the backends are: at a port that the kernel gives nobody, of addresses that only this process uses, so that one which is started
/// again finds it free.
fn address(backend: usize) -> SocketAddr {
    let [.., high, low] = std_process::id().to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(127, 64 | high & 63, low, 1 + backend as u8), 17_493))
}

/// A backend that can be killed.
struct BackendProcess(std_process::Child);

impl BackendProcess {
    /// Starts so many, and waits until they listen.
    fn start(count: usize) -> Vec<Self> {
        let spawn = |backend| {
            let mut command = std_process::Command::new(env::current_exe().expect("this program"));
            command.args(["--ignored", "--exact", "stress::deaths::a_backend"]);
            command.env(ADDRESS, address(backend).to_string());
            command.stdin(std_process::Stdio::piped()).stdout(std_process::Stdio::null());
            Self(command.spawn().expect("this program starts"))
        };
        let all = (0..count).map(spawn).collect();
        for backend in 0..count {
            wait_until("a backend to listen", || TcpStream::connect(address(backend)).is_ok());
        }
        all
    }
}

impl Drop for BackendProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Callers, each with a callee of its own, so that many can be killed at once and none has to wait long for its restart.
const PAIRS: usize = 20;

/// Backends, of which each is that of some pairs.
const BACKENDS: usize = 10;

fn setup() -> Setup {
    let each = |text: &dyn Fn(usize) -> String| (0..PAIRS).map(text).collect::<String>();
    let services = each(&|index| {
        format!("(name = \"caller{index}\", worker = .caller{index}), (name = \"callee{index}\", worker = .callee),\n")
    });
    let sockets = each(&|index| {
        format!("(name = \"{index}\", address = \"127.0.0.1:0\", http = (), service = \"caller{index}\"),\n")
    });
    let backends: String = (0..BACKENDS)
        .map(|index| {
            format!("(name = \"backend{index}\", external = (address = \"{}\", http = ())),\n", address(index))
        })
        .collect();
    let callers = each(&|index| {
        format!(
            "const caller{index} :Workerd.Worker = (modules = [(name = \"worker\", esModule = embed \"caller.js\")], \
             compatibilityDate = \"2026-08-01\",\n  bindings = [(name = \"CALLEE\", service = \"callee{index}\"), (name = \"BACKEND\", \
             service = \"backend{}\")]);\n",
            index % BACKENDS
        )
    });
    Setup::config(&format!(
        "using Workerd = import \"/workerd/workerd.capnp\";\nconst config :Workerd.Config = (\n\
         services = [{services}{backends}],\n\
         sockets = [{sockets}]);\n{callers}\
         const callee :Workerd.Worker = (modules = [(name = \"worker\", esModule = embed \"callee.js\")], compatibilityDate = \
         \"2026-08-01\");\n"
    ))
    .file("caller.js", CALLER)
    .file("callee.js", CALLEE)
    .argument("--shards=1")
    .sockets(PAIRS)
}

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Caller,
    Callee,
    Backend,
}

const STEPS: [&str; 8] = ["before", "upload", "head", "gap", "body", "end", "after", "pass"];

/// A request that is at its step.
struct Open {
    step: &'static str,
    to: Victim,
    client: Connection,
}

struct Scene {
    server: Server,
    backends: Vec<BackendProcess>,
    round: usize,
}

impl Scene {
    fn new() -> Self {
        let backends = BackendProcess::start(BACKENDS);
        let server = bulkhead_test_support::supervisor!().serve(setup());
        let scene = Self { server, backends, round: 0 };
        scene.is_whole(0..PAIRS);
        scene
    }

    fn port_of(&self, pair: usize) -> u16 {
        self.server.port_of(&pair.to_string())
    }

    /// Everybody answers everybody.
    fn is_whole(&self, pairs: std::ops::Range<usize>) {
        for pair in pairs {
            for to in ["CALLEE", "BACKEND"] {
                let target = format!("/hello?to={to}");
                wait_until("everybody to be back", || {
                    http::get(self.port_of(pair), &target).is_ok_and(|response| response.text() == "hello")
                });
            }
        }
    }

    /// Opens a request at each step to each of the two, and waits until they are there.
    fn open(&self, pair: usize) -> Vec<Open> {
        let mut all = Vec::new();
        for step in STEPS {
            for (to, name) in [(Victim::Callee, "CALLEE"), (Victim::Backend, "BACKEND")] {
                let mut client = Connection::open(self.port_of(pair));
                // A reset says that a client is gone; an end could mean that it listens.
                SockRef::from(client.stream()).set_linger(Some(Duration::ZERO)).expect("a socket");
                let target = format!("/{step}?to={name}&round={}", self.round);
                client.send(http::request("GET", &target, &[], b"")).expect("send");
                all.push(Open { step, to, client });
            }
        }
        all
    }

    fn wait_for_steps(&self, pair: usize, open: &mut [Open]) {
        let target = format!("/reached?round={}", self.round);
        wait_until("all requests to be at their steps", || {
            http::get(self.port_of(pair), &target).is_ok_and(|response| response.text() == open.len().to_string())
        });
        for Open { step, client, .. } in open {
            match *step {
                "after" => assert_eq!(client.response("GET").expect("a response").text(), "now"),
                "pass" => assert_eq!(client.head().expect("a head").status, 200),
                _ => {}
            }
        }
    }

    /// Kills the processes of that kind.
    fn kill_workers(&self, victim: Victim) {
        let size = |pid: u32| {
            let field = process::status_field(pid, None, "VmSize").unwrap_or_default();
            field.trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) >> 10
        };
        let workers = process::workers(self.server.pid());
        let mut workers: Vec<(u64, u32)> = workers.into_iter().map(|pid| (size(pid), pid)).collect();
        workers.sort_unstable_by(|left, right| right.cmp(left));
        // Callees have most, callers come next, and what waits in the pool has least.
        for last in [PAIRS, 2 * PAIRS] {
            let next = workers.get(last).map_or(0, |(size, _)| *size);
            assert!(workers[last - 1].0 >= next + 16, "{workers:?}");
        }
        let first = if victim == Victim::Caller { PAIRS } else { 0 };
        let victims: Vec<u32> = workers[first..first + PAIRS].iter().map(|(_, pid)| *pid).collect();
        for pid in &victims {
            kill(runtime::pid(*pid), Signal::SIGKILL).expect("kill the worker");
        }
        for pid in victims {
            wait_until("a worker to be gone", || !process::is_alive(pid));
        }
    }

    /// What became of a request when `victim` was killed; those that it does not concern were told to go on.
    fn check(&self, victim: Victim, open: Open) {
        let Open { step, to, mut client } = open;
        let what = format!("{step} to {to:?} when {victim:?} was killed");
        let is_hit = victim == Victim::Caller || victim == to;
        // A body that its worker passed on does not need that worker any more.
        if step == "after" || step == "pass" && victim != to {
            return;
        }
        if step == "pass" {
            let body = client.to_end().unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(!body.ends_with(b"0\r\n\r\n"), "{what}: {:?}", String::from_utf8_lossy(&body));
            return;
        }
        let response = client.response("GET").unwrap_or_else(|error| panic!("{what}: {error}"));
        let expected = match (victim, step) {
            (Victim::Caller, _) => (503, "Service Unavailable"),
            (_, "before") => (200, "hello"),
            _ if is_hit => (200, "Error: Network connection lost."),
            _ => (200, "went on"),
        };
        assert_eq!((response.status, response.text().as_str()), expected, "{what}");
    }

    /// One round in which each of these pairs has a request at each step, and one kind is killed.
    fn round(&mut self, victim: Victim, pairs: std::ops::Range<usize>) {
        self.round += 1;
        let mut all: Vec<(usize, Vec<Open>)> = pairs.clone().map(|pair| (pair, self.open(pair))).collect();
        for (pair, open) in &mut all {
            self.wait_for_steps(*pair, open);
        }
        match victim {
            Victim::Backend => {
                self.backends.clear();
                self.backends = BackendProcess::start(BACKENDS);
            }
            victim => self.kill_workers(victim),
        }
        for (pair, open) in all {
            // Not before those that are hit have heard of it, or else they would go on as well.
            let (hit, other): (Vec<Open>, Vec<Open>) = open
                .into_iter()
                .partition(|open| open.step != "before" && (victim == Victim::Caller || open.to == victim));
            hit.into_iter().for_each(|open| self.check(victim, open));
            let target = format!("/go?round={}", self.round);
            wait_until("the caller to go on", || {
                http::get(self.port_of(pair), &target).is_ok_and(|response| response.text() == "gone")
            });
            other.into_iter().for_each(|open| self.check(victim, open));
        }
        self.is_whole(pairs);
    }
}

#[test]
fn whoever_is_killed_at_whatever_step_leaks_nothing() {
    raise_descriptor_limit();
    let mut scene = Scene::new();
    for victim in [Victim::Caller, Victim::Callee, Victim::Backend] {
        scene.round(victim, 0..PAIRS);
    }
    let before = Held::at_rest(scene.server.pid());
    let kills = runtime::many("BULKHEAD_DEATHS", 40);
    for _ in 0..kills / PAIRS {
        scene.round(Victim::Caller, 0..PAIRS);
        scene.round(Victim::Callee, 0..PAIRS);
    }
    for _ in 0..kills / BACKENDS {
        scene.round(Victim::Backend, 0..BACKENDS);
    }
    before.is_given_back(scene.server.pid(), 16 << 20);
    assert_eq!(scene.server.stop().code, Some(0));
}
