//! Workers and supervisors that are killed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bulkhead_test_support::http::{self, Connection};
use bulkhead_test_support::load::{Load, Until};
use bulkhead_test_support::{Server, Setup, process, runtime};
use nix::sys::signal::{Signal, kill};

/// Two services, each behind a socket of its own; `/pid` cannot exist, so a worker is found by what it does.
fn two_workers() -> Setup {
    Setup::config(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "left", worker = .worker), (name = "right", worker = .worker) ],
  sockets = [
    (name = "left", address = "127.0.0.1:0", http = (), service = "left"),
    (name = "right", address = "127.0.0.1:0", http = (), service = "right")
  ]
);
const worker :Workerd.Worker = ( modules = [ (name = "worker", esModule = embed "worker.js") ], compatibilityDate = "2026-08-01" );
"#,
    )
    .file("worker.js", WORKER)
    .sockets(2)
}

/// Answers at once, or after a wait, or works until it is told to stop.
const WORKER: &str = "export default { async fetch(request) {
  const { pathname } = new URL(request.url);
  if (pathname === '/slow') await new Promise((done) => setTimeout(done, 300));
  if (pathname === '/said') { console.log('in flight'); await new Promise((done) => setTimeout(done, 300)); }
  if (pathname === '/forever') { console.log('in flight'); await new Promise((done) => setTimeout(done, 600_000)); }
  if (pathname === '/burn') { let sum = 0; for (let i = 0; i < 300_000_000; i++) sum += i % 7; console.debug(sum); }
  return new Response('Hello World\\n');
} };";

/// The worker process that serves the socket `name`: the one that uses processor time while it is asked to.
fn worker_of(server: &Server, name: &str) -> u32 {
    let port = server.port_of(name);
    let cpu = || process::workers(server.pid()).into_iter().map(|pid| (pid, process::cpu(pid))).collect::<Vec<_>>();
    let before = cpu();
    assert_eq!(http::get(port, "/burn").expect("a response").status, 200);
    let after = cpu();
    let used = |&(pid, cpu): &(u32, std::time::Duration)| {
        cpu.saturating_sub(before.iter().find(|(other, _)| *other == pid).map_or(cpu, |(_, cpu)| *cpu))
    };
    after.iter().max_by_key(|entry| used(entry)).expect("there are workers").0
}

#[test]
fn counters_are_written_for_whoever_asks() {
    let server = bulkhead_test_support::supervisor!().serve(two_workers());
    let victim = worker_of(&server, "right");
    kill(runtime::pid(victim), Signal::SIGKILL).expect("kill the worker");
    server.wait_for_stderr(|text| text.contains("was killed by SIGKILL"));
    server.signal(Signal::SIGUSR1);
    server.wait_for_stderr(|text| text.contains("{\"worker\":\"right\""));
    let text = server.stderr();
    for (name, died) in [("left", 0), ("right", 1)] {
        let start = format!("{{\"worker\":\"{name}\"");
        let line = text.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("{name}: {text}"));
        assert!(line.contains("\"cpuTime\":0") && line.contains(&format!("\"died\":{died}")), "{line}");
    }
}

#[test]
fn killed_worker_fails_only_what_is_in_flight() {
    let server = bulkhead_test_support::supervisor!().serve(two_workers());
    let victim = worker_of(&server, "left");
    let (left, right) = (server.port_of("left"), server.port_of("right"));
    let slow = Load {
        request: http::request("GET", "/slow", &[], b""),
        reconnect: true,
        ..Load::get(left, 32, Until::Elapsed(std::time::Duration::from_secs(3)))
    };
    let others = Load {
        expect: Some(b"Hello World\n".to_vec()),
        ..Load::get(right, 8, Until::Elapsed(std::time::Duration::from_secs(3)))
    };
    let slow = thread::spawn(move || slow.run());
    let others = thread::spawn(move || others.run());
    thread::sleep(std::time::Duration::from_millis(450));
    kill(runtime::pid(victim), Signal::SIGKILL).expect("kill the worker");
    let slow = slow.join().expect("the load").expect("connections can be opened");
    let others = others.join().expect("the load").expect("no connection to the other worker breaks");
    assert_eq!(
        others.statuses.keys().copied().collect::<Vec<_>>(),
        [200],
        "the other worker noticed: {:?}",
        others.statuses
    );
    assert_eq!(others.wrong, 0);
    assert_eq!(slow.broken, 0, "a request in flight got no answer: {:?}", slow.statuses);
    assert!(slow.statuses.keys().all(|status| matches!(status, 200 | 503)), "{:?}", slow.statuses);
    // What was in flight fails, which is at most one request of each connection; what comes next waits for the restart.
    assert!((1..=32).contains(&slow.statuses.get(&503).copied().unwrap_or(0)), "{:?}", slow.statuses);
    assert!(slow.statuses.get(&200).copied().unwrap_or(0) >= 32, "service did not come back: {:?}", slow.statuses);
    assert!(!process::is_alive(victim));
    server.wait_for_stderr(|text| text.contains("SIGKILL"));
}

#[test]
fn answer_of_a_killed_worker_names_no_internals() {
    let server = bulkhead_test_support::supervisor!().serve(two_workers());
    let victim = worker_of(&server, "left");
    let mut connection = Connection::open(server.port_of("left"));
    connection.send(http::request("GET", "/forever", &[], b"")).expect("send");
    runtime::wait_until("the request to be in flight", || server.stdout().contains("in flight"));
    kill(runtime::pid(victim), Signal::SIGKILL).expect("kill the worker");
    let response = connection.response("GET").expect("a response");
    assert_eq!(response.status, 503);
    assert_eq!(response.text(), "Service Unavailable");
    let whole = format!("{} {:?} {}", response.status_line, response.headers, response.text()).to_lowercase();
    for internal in ["left", "worker", "sandbox", "sigkill", "signal", "process", &victim.to_string()] {
        assert!(!whole.contains(internal), "{internal} in {whole}");
    }
}

#[test]
fn a_thousand_kills_leak_nothing() {
    let server = bulkhead_test_support::supervisor!().serve(two_workers());
    kill_some(&server, 50);
    let (workers, before) = settled(&server);
    kill_some(&server, 1000);
    // Each process has descriptors here, and the pool may have one process more than it needs, until one dies.
    let after = (0..100).find_map(|_| {
        let (now, after) = settled(&server);
        let is_alike = now == workers;
        if !is_alike {
            kill_some(&server, 1);
        }
        is_alike.then_some(after)
    });
    let after = after.unwrap_or_else(|| panic!("never {workers} workers again"));
    assert!(after.descriptors <= before.descriptors, "{before:?} before, {after:?} after");
    assert!(after.threads <= before.threads, "{before:?} before, {after:?} after");
    let growth = after.resident.saturating_sub(before.resident);
    assert!(growth < 16 << 20, "the supervisor keeps {} KiB more", growth >> 10);
    assert_eq!(process::zombies(server.pid()), 0, "children that nobody waited for");
    assert_eq!(server.stop().code, Some(0));
}

/// Kills so many workers, bound or waiting in the pool, while somebody asks for both services.
fn kill_some(server: &Server, count: usize) {
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        // Also when this thread panics: the others are waited for.
        let _over = Over(&over);
        for name in ["left", "right"] {
            let (port, over) = (server.port_of(name), &over);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let _ = http::get(port, "/");
                }
            });
        }
        for _ in 0..count {
            let mut victim = None;
            runtime::wait_until("a worker to kill", || {
                let workers = process::workers(server.pid());
                // Where there are two the older one is ready. The pool pauses after one that died before it was.
                victim = (workers.len() > 1).then(|| workers[0]);
                // It may have gone by itself meanwhile.
                victim.is_some_and(|pid| kill(runtime::pid(pid), Signal::SIGKILL).is_ok())
            });
            let victim = victim.expect("there was one");
            runtime::wait_until("the worker to be gone", || !process::is_alive(victim));
        }
    });
}

/// How many worker processes there are once restarts are over, and what the supervisor holds then: both services have a
/// process, and the count of descriptors and of workers no longer changes.
fn settled(server: &Server) -> (usize, process::Footprint) {
    for name in ["left", "right"] {
        runtime::wait_until("the service to be back", || {
            http::get(server.port_of(name), "/").is_ok_and(|response| response.status == 200)
        });
    }
    let count = || (process::workers(server.pid()).len(), process::footprint(server.pid()));
    let mut last = count();
    let mut calm = 0;
    runtime::wait_until("restarts to be over", || {
        let next = count();
        let is_same = (next.0, next.1.descriptors) == (last.0, last.1.descriptors);
        calm = if is_same { calm + 1 } else { 0 };
        last = next;
        calm > 200
    });
    last
}

#[test]
fn workers_end_with_their_supervisor() {
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT] {
        let server = bulkhead_test_support::supervisor!().serve(two_workers());
        assert_eq!(http::get(server.port_of("left"), "/").expect("a response").status, 200);
        let workers = process::descendants(server.pid());
        assert!(!workers.is_empty(), "there are no workers");
        server.signal(signal);
        let exit = server.wait();
        if signal != Signal::SIGKILL {
            assert_eq!(exit.code, Some(0), "after {signal}: {}", exit.stderr);
        }
        for worker in workers {
            runtime::wait_until("a worker to end", || !process::is_alive(worker));
        }
    }
}

#[test]
fn requests_in_flight_are_answered_before_a_stop() {
    let server = bulkhead_test_support::supervisor!().serve(two_workers());
    let mut connection = Connection::open(server.port_of("left"));
    connection.send(http::request("GET", "/said", &[], b"")).expect("send");
    runtime::wait_until("the request to be in flight", || server.stdout().contains("in flight"));
    server.signal(Signal::SIGTERM);
    assert_eq!(connection.response("GET").expect("a response").text(), "Hello World\n");
    assert_eq!(server.wait().code, Some(0));
}
