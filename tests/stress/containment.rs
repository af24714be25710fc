//! What the operating system says of every worker process, seen from outside.

use bulkhead_test_support::{Server, Setup, http, process};

#[test]
fn every_thread_of_every_worker_is_shut_in() {
    let server = served();
    for worker in workers(&server) {
        let threads = process::threads(worker);
        assert!(!threads.is_empty());
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
    let server = served();
    for worker in workers(&server) {
        for (number, target) in process::descriptors(worker) {
            let target = target.to_string_lossy().into_owned();
            let expected = target.starts_with("socket:[")
                || target.starts_with("anon_inode:[eventpoll]")
                || target.starts_with("anon_inode:[eventfd]")
                || target.starts_with("anon_inode:[timerfd]")
                || target == "/dev/null";
            assert!(expected, "descriptor {number} of worker {worker} is {target}");
        }
    }
}

#[test]
fn workers_have_an_empty_environment() {
    let server = served();
    for worker in workers(&server) {
        // The kernel may refuse to show the environment of a process that is not dumpable; then nobody else sees it either.
        if let Ok(environment) = std::fs::read(format!("/proc/{worker}/environ")) {
            assert_eq!(String::from_utf8_lossy(&environment), "", "environment of worker {worker}");
        }
    }
}

fn served() -> Server {
    let server =
        bulkhead_test_support::supervisor!().serve(Setup::sample("hello").environment("SECRET_OF_THE_SUPERVISOR", "x"));
    assert_eq!(http::get(server.port(), "/").expect("a response").status, 200);
    server
}

/// The worker that serves, and those that wait for a bundle.
fn workers(server: &Server) -> Vec<u32> {
    let workers = process::workers(server.pid());
    assert!(!workers.is_empty(), "the supervisor has no workers");
    workers
}
