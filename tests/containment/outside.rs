//! What the operating system says of every worker process, seen from outside.

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_test_support::{Server, Setup, http, process, runtime};

/// The namespaces that a worker has for itself when the kernel permits it.
const NAMESPACES: [&str; 6] = ["pid", "mnt", "net", "ipc", "uts", "user"];

#[test]
fn every_thread_of_every_worker_is_shut_in() {
    let server = served();
    for worker in workers(&server) {
        let threads = process::threads(worker);
        assert!(threads.len() > 1, "V8 has helper threads, and those count");
        for thread in threads {
            let field = |name: &str| process::status_field(worker, Some(thread), name);
            assert_eq!(field("Seccomp").as_deref(), Some("2"), "thread {thread} of {worker}");
            assert_eq!(field("NoNewPrivs").as_deref(), Some("1"), "thread {thread} of {worker}");
            for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
                assert_eq!(field(set).as_deref(), Some("0000000000000000"), "{set} of thread {thread} of {worker}");
            }
        }
    }
}

#[test]
fn workers_hold_the_expected_descriptors_and_nothing_else() {
    for shards in [1, 3] {
        let setup = Setup::sample("hello").argument(format!("--shards={shards}"));
        let server = bulkhead_test_support::supervisor!().serve(setup);
        for _ in 0..8 {
            assert_eq!(http::get(server.port(), "/").expect("a response").status, 200);
        }
        for worker in workers(&server) {
            let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
            for (number, target) in process::descriptors(worker) {
                let target = target.to_string_lossy().into_owned();
                let kind = target.split('[').next().unwrap_or_default().to_owned();
                let kind = if kind.starts_with("anon_inode") { target.clone() } else { kind };
                match number {
                    0 | 1 => assert_eq!(target, "/dev/null", "descriptor {number} of worker {worker}"),
                    2 => assert_eq!(kind, "pipe:", "descriptor 2 of worker {worker}"),
                    _ => *kinds.entry(kind).or_default() += 1,
                }
            }
            let mut expected = BTreeMap::from([
                // The control connection and one event connection for each shard, and no pair of which the worker has both
                // ends.
                ("socket:".to_owned(), 1 + shards),
                // The event loop, as its owner and as its driver know it, and what wakes it.
                ("anon_inode:[eventpoll]".to_owned(), 2),
                ("anon_inode:[eventfd]".to_owned(), 1),
            ]);
            if runtime::seccomp_log() {
                expected.insert("anon_inode:seccomp notify".to_owned(), 1);
            }
            assert_eq!(kinds, expected, "descriptors of worker {worker}");
        }
    }
}

/// All read one file, each at a position of its own. A script imports nothing, and has it no more.
#[test]
fn who_imports_extensions_reads_their_file_alone() {
    let config = r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "one", worker = .one), (name = "two", worker = .two), (name = "script", worker = .script)],
  sockets = [(name = "one", address = "127.0.0.1:0", http = (), service = "one"),
    (name = "two", address = "127.0.0.1:0", http = (), service = "two"),
    (name = "script", address = "127.0.0.1:0", http = (), service = "script")],
  extensions = [(modules = [(name = "ext:a", esModule = "export default 'a'"), (name = "ext:b", esModule = "export default 'b'")])],
);
const one :Workerd.Worker = (compatibilityDate = "2026-08-01", modules = [(name = "worker", esModule =
  "import a from 'ext:a'; export default { fetch() { return new Response(a); } };")]);
const two :Workerd.Worker = (compatibilityDate = "2026-08-01", modules = [(name = "worker", esModule =
  "import b from 'ext:b'; export default { fetch() { return new Response(b); } };")]);
const script :Workerd.Worker = (compatibilityDate = "2026-08-01", serviceWorkerScript =
  "addEventListener('fetch', (event) => event.respondWith(new Response('no')));");"#;
    let server = bulkhead_test_support::supervisor!().serve(Setup::config(config).sockets(3).argument("--verbose"));
    let mut pids = Vec::new();
    for (name, expected) in [("one", "a"), ("two", "b"), ("script", "no")] {
        assert_eq!(http::get(server.port_of(name), "/").expect("a response").text(), expected, "{name}");
        let ready = format!("worker \"{name}\" (pid ");
        server.wait_for_stderr(|said| said.contains(&ready));
        let said = server.stderr();
        let pid = said.split_once(&ready).and_then(|(_, rest)| rest.split_once(')')).expect("a number").0;
        pids.push(pid.parse::<u32>().expect("a number"));
    }
    let files = pids.iter().map(|pid| {
        let is_theirs =
            |(_, target): &(_, std::path::PathBuf)| target.to_string_lossy().starts_with("/memfd:extensions");
        let numbers: Vec<_> = process::descriptors(*pid).into_iter().filter(is_theirs).collect();
        let about = |(number, _): &(u32, _)| std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}"));
        numbers.iter().map(|file| about(file).expect("the worker lives")).collect::<Vec<_>>()
    });
    let [one, two, script] = &files.collect::<Vec<_>>()[..] else { panic!("three workers") };
    assert_eq!(script.len(), 0);
    for (files, position) in [(one, "18"), (two, "36")] {
        let [about] = &files[..] else { panic!("{files:?}") };
        let field =
            |name: &str| about.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or_default();
        let flags = u32::from_str_radix(field("flags:"), 8).expect("a number");
        assert_eq!((flags & 3, field("pos:")), (0, position), "{about}");
    }
}

#[test]
fn workers_see_nothing_of_the_machine() {
    let server = served();
    for worker in workers(&server) {
        // Only root may look: the processes are not dumpable.
        let Ok(environment) = std::fs::read(format!("/proc/{worker}/environ")) else { continue };
        assert_eq!(String::from_utf8_lossy(&environment), "", "environment of worker {worker}");
        if enforced("empty-root") {
            let root = std::fs::read_dir(format!("/proc/{worker}/root/")).expect("the worker lives");
            assert_eq!(root.count(), 0, "root of worker {worker}");
            let mounts = std::fs::read_to_string(format!("/proc/{worker}/mountinfo")).expect("the worker lives");
            assert_eq!(mounts.lines().count(), 1, "{mounts}");
            assert!(mounts.contains(" / / ro,nosuid,nodev,noexec"), "{mounts}");
        }
        let limits = std::fs::read_to_string(format!("/proc/{worker}/limits")).expect("the worker lives");
        let first_to_go = std::fs::read_to_string(format!("/proc/{worker}/oom_score_adj")).expect("the worker lives");
        assert_eq!(first_to_go.trim(), "1000", "worker {worker}, when memory runs out");
        for limit in ["Max core file size", "Max file size", "Max locked memory", "Max msgqueue size"] {
            let line = limits.lines().find(|line| line.starts_with(limit)).expect("the kernel knows the limit");
            let values: Vec<_> = line[limit.len()..].split_whitespace().take(2).collect();
            assert_eq!(values, ["0", "0"], "{limit} of worker {worker}");
        }
        // The hard limit, which is unlimited where nobody set it.
        let stack = limits.lines().find_map(|line| line.strip_prefix("Max stack size")).expect("the kernel knows it");
        let hard = stack.split_whitespace().nth(1).and_then(|bytes| bytes.parse::<u64>().ok());
        assert!(hard.is_some_and(|bytes| bytes <= 8 << 20), "stack of worker {worker}: {stack}");
    }
}

#[test]
fn workers_share_no_namespace_and_no_user() {
    let server = served();
    let workers = workers(&server);
    assert!(workers.len() > 1, "one serves and one waits");
    for name in NAMESPACES {
        let layer = match name {
            "mnt" => "empty-root".to_owned(),
            name => format!("{name}-namespace"),
        };
        if !enforced(&layer) {
            continue;
        }
        let of = |pid: String| std::fs::read_link(format!("/proc/{pid}/ns/{name}")).ok();
        // Only root may look.
        let theirs: Vec<_> = workers.iter().filter_map(|worker| of(worker.to_string())).collect();
        assert!(theirs.is_empty() || theirs.len() == workers.len());
        let different: BTreeSet<_> = theirs.iter().chain(&of("self".to_owned())).cloned().collect();
        assert_eq!(different.len(), theirs.len() + 1, "{name} namespaces of the workers and of this test: {theirs:?}");
    }
    if enforced("uid") {
        let users: BTreeSet<_> = workers.iter().map(|worker| process::status_field(*worker, None, "Uid")).collect();
        assert_eq!(users.len(), workers.len(), "{users:?}");
        assert!(users.iter().flatten().all(|user| !user.split_whitespace().any(|id| id == "0")), "{users:?}");
    }
}

#[test]
fn log_mode_reaches_the_workers_and_is_warned_of() {
    // With the variable every test's server is started like this.
    let mode = (!runtime::seccomp_log()).then_some("--seccomp=log");
    let setup = mode.into_iter().fold(Setup::sample("hello"), Setup::argument);
    let server = bulkhead_test_support::supervisor!().serve(setup);
    assert_eq!(http::get(server.port(), "/").expect("a response").status, 200);
    let warned = server.stderr().contains("warning: --seccomp=log protects nothing");
    // With the variable the harness leaves the warning out of what tests see.
    assert!(warned || runtime::seccomp_log(), "{}", server.stderr());
    for worker in workers(&server) {
        let name = |thread| std::fs::read_to_string(format!("/proc/{worker}/task/{thread}/comm")).unwrap_or_default();
        runtime::wait_until("the thread that says which calls were made", || {
            process::threads(worker).into_iter().any(|thread| name(thread).trim() == "seccomp-log")
        });
    }
}

/// Whether this machine gives the layer, as `supervisor check-sandbox` says.
fn enforced(layer: &str) -> bool {
    let report = super::check_sandbox::json();
    let layers = report["layers"].as_array().expect("a list of layers");
    layers.iter().find(|entry| entry["layer"] == layer).expect("the layer is in the list")["status"] == "enforced"
}

fn served() -> Server {
    let server =
        bulkhead_test_support::supervisor!().serve(Setup::sample("hello").environment("SECRET_OF_THE_SUPERVISOR", "x"));
    assert_eq!(http::get(server.port(), "/").expect("a response").status, 200);
    server
}

/// The worker that serves, and those that wait for a bundle. A process that has just been started is still on its way into
/// its sandbox, and holds nothing of a tenant: those that are counted here are shut.
fn workers(server: &Server) -> Vec<u32> {
    let shut = |pid: &u32| process::status_field(*pid, None, "Seccomp").as_deref() == Some("2");
    let mut workers = Vec::new();
    runtime::wait_until("the worker and one that waits to be shut in", || {
        workers = process::workers(server.pid());
        workers.len() > 1 && workers.iter().all(shut)
    });
    workers
}
