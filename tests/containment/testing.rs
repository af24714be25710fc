//! Tests of a worker's own that take their process down, one way each: the others are unaffected, and it is said what happened.

use std::thread;
use std::time::Duration;

use bulkhead_test_support::runtime::{pid, wait_until};
use bulkhead_test_support::{Exit, Setup, process};
use nix::sys::signal::{Signal, kill};

/// Each export but `fine…` is one way to come to a bad end.
const ENDS: &str = r#"
console.log('evaluated');
export const aFine = { test() { console.log('first'); } };
export const bHeap = { test() { console.log('about to fill the heap'); const kept = []; for (;;) kept.push(new Array(100_000).fill(0.5)); } };
export const cFine = { test() {} };
export const dComputes = { test() { console.log('about to compute'); for (;;); } };
export const eStack = { test() { const f = () => f() + 1; return f(); } };
export const fWaits = { async test() { await scheduler.wait(600_000); } };
export const gBuffers = { test() { const kept = []; for (;;) kept.push(new Uint8Array(1 << 20).fill(1)); } };
export const hFine = { test() { console.log('last'); } };
"#;

fn setup(source: &str) -> Setup {
    Setup::config(
        r#"using Workerd = import "/workerd/workerd.capnp";
using Bulkhead = import "/bulkhead/policy.capnp";
const config :Workerd.Config = (services = [
  (name = "bad", worker = (modules = [(name = "bad.js", esModule = embed "bad.js")], compatibilityDate = "2026-01-01")),
  (name = "other", worker = (modules = [(name = "o", esModule = "export default { test() {} };")],
    compatibilityDate = "2026-01-01")),
]);
const policy :Bulkhead.Policy = (default = (cpuTimeMs = 1000, wallTimeMs = 3000, heapBytes = 33554432,
  bufferBytes = 33554432));"#,
    )
    .file("bad.js", source)
}

/// What came of each test: `PASS` or `FAIL`, and its name.
fn results(exit: &Exit) -> Vec<(&str, &str)> {
    let ends = exit.stderr.lines().filter_map(|line| line.split_once("debug: [ "));
    let ends = ends.filter_map(|(_, end)| end.split_once(" ] "));
    ends.filter(|(word, _)| *word != "TEST")
        .map(|(word, test)| (word, test.split(" (").next().unwrap_or(test)))
        .collect()
}

#[test]
fn a_test_that_uses_up_what_there_is_fails_alone() {
    let report = tempfile::NamedTempFile::new().expect("a file");
    let setup = setup(ENDS).argument(format!("--junit={}", report.path().display()));
    let exit = bulkhead_test_support::supervisor!().test(setup).wait();
    assert_eq!(
        results(&exit),
        [
            ("PASS", "bad:aFine"),
            ("FAIL", "bad:bHeap"),
            ("PASS", "bad:cFine"),
            ("FAIL", "bad:dComputes"),
            ("FAIL", "bad:eStack"),
            ("FAIL", "bad:fWaits"),
            ("FAIL", "bad:gBuffers"),
            ("PASS", "bad:hFine"),
            ("PASS", "other"),
        ],
        "{}",
        exit.stderr
    );
    assert_eq!(exit.code, Some(1));
    for reason in
        ["exceeded memory limit", "exceeded CPU time limit", "RangeError: Maximum call stack", "Uncaught RangeError"]
    {
        assert!(exit.stderr.contains(reason), "{reason}: {}", exit.stderr);
    }
    let stack = "worker \"bad\": script was interrupted\n    at test (bad.js:6:";
    assert!(exit.stderr.contains(stack), "{}", exit.stderr);
    let xml = std::fs::read_to_string(report.path()).expect("a report");
    assert!(xml.contains("tests=\"9\" failures=\"5\""), "{xml}");
    assert!(xml.contains("<system-out>about to compute\n"), "{xml}");
}

#[test]
fn a_test_whose_process_is_killed_fails_alone() {
    let source = "console.log('evaluated');
export const aWaits = { async test() { console.log('waiting'); await scheduler.wait(600_000); } };
export const bFine = { test() {} };";
    let setup = setup(source).argument("--format=json").constant("bad");
    let server = bulkhead_test_support::supervisor!().test(setup);
    // In this format standard output has results alone.
    server.wait_for_stderr(|text| text.contains("waiting"));
    let supervisor = server.pid();
    // The blank ones in reserve are ended too, which harms nobody.
    for worker in process::workers(supervisor) {
        let _ = kill(pid(worker), Signal::SIGKILL);
    }
    let exit = server.wait();
    assert_eq!(results(&exit), [("FAIL", "bad:aWaits"), ("PASS", "bad:bFine")], "{}", exit.stderr);
    assert!(exit.stderr.contains("worker \"bad\": its process was killed by SIGKILL"), "{}", exit.stderr);
    let records: Vec<serde_json::Value> =
        exit.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(records.len(), 3, "{}", exit.stdout);
    assert_eq!(records[0]["result"], "fail");
    assert_eq!(records[0]["log"], serde_json::json!(["waiting"]));
    assert_eq!(records[2], serde_json::json!({ "event": "end", "passed": 1, "failed": 1 }));
}

/// What a worker does whose engine an attacker has taken over: a call that the policy does not permit.
#[cfg(feature = "probes")]
#[test]
fn a_test_that_makes_a_forbidden_call_fails_alone() {
    if bulkhead_test_support::runtime::seccomp_log() {
        // Nothing is forbidden there.
        return;
    }
    let source = "export const aFine = { test() {} };
export const bCalls = { async test() { console.log('about to call'); await scheduler.wait(1); sandboxProbe(); } };
export const cFine = { test() {} };
export const dCalls = { async test(controller, env, ctx) { ctx.waitUntil(scheduler.wait(1).then(sandboxProbe)); } };
export const eCalls = { test() {
  for (let i = 0; i < 100; i++) console.log('line', i);
  console.warn('to the other stream');
  sandboxProbe();
} };";
    let report = tempfile::NamedTempFile::new().expect("a file");
    let config = r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [
  (name = "bad", worker = (modules = [(name = "bad.js", esModule = embed "bad.js")], compatibilityDate = "2026-01-01")),
  (name = "other", worker = (modules = [(name = "o", esModule = "export default { test() {} };")],
    compatibilityDate = "2026-01-01")),
], v8Flags = ["--sandbox-probe-on-call=mkdirat"]);"#;
    let setup = Setup::config(config).file("bad.js", source);
    let setup = setup.argument(format!("--junit={}", report.path().display())).argument("--format=json");
    let exit = bulkhead_test_support::supervisor!().test(setup).that_breaks_out().wait();
    assert_eq!(
        results(&exit),
        [
            ("PASS", "bad:aFine"),
            ("FAIL", "bad:bCalls"),
            ("PASS", "bad:cFine"),
            ("FAIL", "bad:dCalls"),
            ("FAIL", "bad:eCalls"),
            ("PASS", "other"),
        ],
        "{}",
        exit.stderr
    );
    assert_eq!(exit.code, Some(1));
    let reason = "worker \"bad\": its process was killed by a forbidden system call 258 (mkdirat)";
    assert_eq!(exit.stderr.matches(reason).count(), 3, "{}", exit.stderr);
    let xml = std::fs::read_to_string(report.path()).expect("a report");
    assert!(xml.contains("tests=\"6\" failures=\"3\"") && xml.contains("(mkdirat)"), "{xml}");
    assert!(xml.contains("<system-out>about to call</system-out>"), "{xml}");
    let records = exit.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let failed: Vec<_> = records.filter(|record| record["result"] == "fail").collect();
    assert_eq!(failed.len(), 3, "{}", exit.stdout);
    assert_eq!(failed[0]["log"], serde_json::json!(["about to call"]));
    // Also of what it wrote in the turn in which it has died the last lines are there.
    let last = failed[2]["log"].as_array().expect("lines");
    let of_line = |line: &serde_json::Value| line.as_str().expect("text").to_owned();
    let last: Vec<String> = last.iter().map(of_line).collect();
    assert_eq!(last[last.len() - 3..], ["line 98", "line 99", "to the other stream"], "{}", exit.stdout);
    assert_eq!(exit.stderr.matches("line 99\n").count(), 1, "{}", exit.stderr);
}

#[test]
fn a_worker_that_does_not_start_fails_alone() {
    let source = "export default { test() { syntax error } };";
    let exit = bulkhead_test_support::supervisor!().test(setup(source)).wait();
    assert_eq!(results(&exit), [("FAIL", "bad"), ("PASS", "other")], "{}", exit.stderr);
    assert!(
        exit.stderr.contains("service bad: Uncaught SyntaxError: Unexpected identifier 'error'\n  at bad.js:1:"),
        "{}",
        exit.stderr
    );
    let exit = bulkhead_test_support::supervisor!().test(setup("for (;;);")).wait();
    assert_eq!((results(&exit).len(), exit.code), (2, Some(1)), "{}", exit.stderr);
}

/// Many services, each with a test; some call another one.
fn many(count: usize) -> Setup {
    let services: String = (0..count)
        .map(|index| {
            let binding = if index % 10 == 1 { "bindings = [(name = \"next\", service = \"s0\")], " } else { "" };
            format!(
                "(name = \"s{index}\", worker = (modules = [(name = \"w\", esModule = embed \"w.js\")], {binding}\
                 compatibilityDate = \"2026-01-01\")),\n"
            )
        })
        .collect();
    Setup::config(&format!(
        "using Workerd = import \"/workerd/workerd.capnp\";\nconst config :Workerd.Config = (services = [{services}]);"
    ))
    .file(
        "w.js",
        "export default { fetch() { return new Response('x'); }, async test(_, env) { if (env.next) await env.next.fetch('http://h/'); } };
export const second = { test() {} };",
    )
}

#[test]
fn a_run_of_many_services_keeps_few_processes_and_leaves_none() {
    let count = std::env::var("BULKHEAD_TEST_SERVICES").map_or(40, |text| text.parse().expect("a number"));
    let scratch = tempfile::tempdir().expect("a directory");
    let path = scratch.path().to_str().expect("text");
    let setup = many(count).argument("--jobs=2").argument("--shuffle=7").environment("TMPDIR", path);
    let server = bulkhead_test_support::supervisor!().test(setup);
    let supervisor = server.pid();
    let (mut most, mut descriptors, mut memory) = (0, 0, 0);
    while process::is_alive(supervisor) {
        most = most.max(process::workers(supervisor).len());
        descriptors = descriptors.max(process::descriptors(supervisor).len());
        memory = memory.max(process::peak_resident(supervisor).unwrap_or_default());
        thread::sleep(Duration::from_millis(5));
    }
    let exit = server.wait();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    println!("{most} processes, {descriptors} descriptors, {memory} bytes");
    // What is kept for each service is little.
    assert!(memory < (48 << 20) + count as u64 * (16 << 10), "{memory} bytes");
    assert_eq!(results(&exit).iter().filter(|(word, _)| *word == "PASS").count(), 2 * count);
    assert!(most <= 24, "{most} processes at once");
    assert!(descriptors <= 512, "{descriptors} descriptors at once");
    wait_until("the last process to be gone", || process::workers(supervisor).is_empty());
    assert_eq!(std::fs::read_dir(path).expect("it is there").count(), 0, "something was left in {path}");
}
