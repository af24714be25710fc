//! Invariants that can be read off the programs and the sources. `ARCHITECTURE.md` names these tests.

#[path = "architecture/floors.rs"]
mod floors;

use std::{fs, path::Path};

fn source(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn the_supervisor_has_no_v8() {
    // V8's version banner and the names of its symbols are in every program that links it.
    let marks: [&[u8]; 2] = [b"_ZN2v88internal", b"v8::internal"];
    let worker = fs::read(env!("CARGO_BIN_EXE_sandbox-worker")).expect("the worker was built");
    assert!(marks.iter().any(|mark| contains(&worker, mark)), "the marks no longer find V8 where it is");
    let supervisor = fs::read(env!("CARGO_BIN_EXE_supervisor")).expect("the supervisor was built");
    for mark in marks {
        assert!(!contains(&supervisor, mark), "the supervisor links V8");
    }
}

#[test]
fn the_supervisor_forbids_unsafe_code() {
    assert!(source("supervisor/src/lib.rs").contains("#![forbid(unsafe_code)]"));
    let program = source("src/bin/supervisor.rs");
    assert!(!program.contains("unsafe") && program.lines().count() < 20, "the program itself stays thin");
}

#[test]
fn a_worker_reaches_only_what_it_was_handed() {
    // Methods of the worker's interfaces are what the supervisor calls; a capability of the supervisor's reaches the worker
    // only as a parameter of one of them. These are all that there are: the host, at `bind`, what it may start, for each
    // connection, the body of a request or of a response to one of its own, and what of its own code and parameters is too long
    // for a message.
    let code = schema();
    let interfaces: Vec<&str> = interfaces(&code).into_iter().map(|(name, _)| name).collect();
    assert_eq!(interfaces, ["WorkerControl", "Host", "EventPort", "Channel", "EventDispatcher", "ByteSource"]);
    assert_eq!(code.matches(":Host)").count(), 1, "the host is handed over once, when a worker is bound");
    assert_eq!(code.matches("Channel)").count(), 1, "channels are handed over once, when a connection is opened");
    assert!(code.contains("open @1 (channels :List(Channel)) -> ();"));
    // A call says what is wanted, and not of whom: neither it nor a binding names a service. `props` are for an entrypoint of its own.
    let channel = code.split("interface Channel {").nth(1).and_then(|rest| rest.split("\n}").next()).expect("channels");
    let methods: Vec<&str> = channel.lines().filter(|line| line.contains(" @")).map(str::trim).collect();
    assert_eq!(
        methods,
        [
            "fetch @0 (request :HttpRequest, call :UInt64, event :UInt64, props :Data) -> (outcome :SubrequestOutcome);",
            "cancel @1 (call :UInt64) -> ();"
        ]
    );
    let binding = code.split("struct Binding {").nth(1).and_then(|rest| rest.split("\n}").next()).expect("bindings");
    assert!(binding.contains("service @5 :Void;"));
    let sources = ["struct HttpRequest {", "struct HttpResponse {", "struct Blob {"];
    let has_source = |name: &&str| {
        code.split(*name).nth(1).and_then(|rest| rest.split("\n}").next()).is_some_and(|of| of.contains(":ByteSource;"))
    };
    assert!(sources.iter().all(has_source));
    // A worker may say where the rest of a body of its own is to be had, or what comes next of it: what it has, or was handed.
    assert!(code.contains("pull @0 (maxBytes :UInt32, back :Data)"));
    assert!(code.contains("-> (bytes :Data, done :Bool, rest :ByteSource, meanwhile :ByteSource, had :UInt64,"));
    // A connection goes on inside of TLS as two others.
    assert!(code.contains("startTls @3 (host :Text, to :ByteSource) -> (from :ByteSource, refused :Bool);"));
    assert_eq!(code.matches(":ByteSource").count(), sources.len() + 4);
    let host = code.split("interface Host {").nth(1).and_then(|rest| rest.split("\n}").next()).expect("the host");
    let methods: Vec<&str> = host.lines().filter(|line| line.contains(" @")).map(str::trim).collect();
    assert_eq!(methods, ["log @0 (entries :List(LogEntry)) -> ();", "exceeded @1 (limit :Limit) -> ();"]);
}

#[test]
fn every_capability_is_documented() {
    let document = source("docs/security/capabilities.md");
    let code = schema();
    let mut seen = 0;
    for (interface, methods) in interfaces(&code) {
        for method in methods {
            seen += 1;
            let row = format!("| `{interface}.{method}`");
            assert!(document.contains(&row), "docs/security/capabilities.md does not list {interface}.{method}");
        }
    }
    assert!(seen >= 10, "only {seen} methods were found in the schema");
    // What it names as shown exists: tests, and ways of misbehaving.
    let tests = [
        "supervisor/tests/hostile.rs",
        "supervisor/tests/fleet.rs",
        "ipc-schema/tests/transport.rs",
        "tests/differential/bindings.rs",
        "tests/differential/console.rs",
    ];
    let modules = [
        "supervisor/src/link/allowances.rs",
        "supervisor/src/link/back.rs",
        "supervisor/src/service/memory_cache/mod.rs",
        "supervisor/src/link/channels.rs",
        "tests/channels.rs",
        "tests/containment/outside.rs",
        "tests/containment/testing.rs",
        "tests/outgoing/passed.rs",
        "supervisor/src/cli/test/report.rs",
        "supervisor/src/cli/test/bench/report.rs",
        "supervisor/src/log.rs",
        "supervisor/src/fleet/counters.rs",
        "supervisor/src/fleet/diagnostics.rs",
        "supervisor/src/fleet/last_words.rs",
    ];
    let code: String =
        tests.iter().chain(&modules).chain(&["tests/architecture.rs"]).map(|path| source(path)).collect();
    let names = document.split('`').skip(1).step_by(2).filter(|name| name.contains('_'));
    for name in names.filter(|name| !name.contains(['.', '/'])) {
        assert!(code.contains(&format!("fn {name}()")), "docs/security/capabilities.md names the test {name}");
    }
    for way in document.split('*').skip(1).step_by(2).filter(|way| !way.ends_with('…')) {
        assert!(code.contains(&format!("\"{way}\"")), "docs/security/capabilities.md names the way {way}");
    }
}

/// The wire without its comments.
fn schema() -> String {
    let schema = source("ipc-schema/schema/worker.capnp");
    schema.lines().map(|line| line.split('#').next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// The interfaces of the wire and the names of their methods.
fn interfaces(code: &str) -> Vec<(&str, Vec<&str>)> {
    let bodies = code.split("\ninterface ").skip(1).map(|rest| rest.split("\n}").next().unwrap_or_default());
    bodies
        .map(|body| {
            let (name, methods) = body.split_once(" {").expect("a body");
            (name, methods.lines().filter_map(|line| Some(line.trim().split_once(" @")?.0)).collect())
        })
        .collect()
}

#[test]
fn the_sandbox_is_shut_before_anything_is_read() {
    // What the process was handed is there once it is sealed: a type says so, and its documentation has code that does not
    // compile. There is no way around it, for who makes a descriptor from a number needs one of these.
    let enter = source("policy/src/enter/mod.rs");
    let sealed = enter.find("impl Sealed {").expect("there is what is sealed");
    assert_eq!(enter.match_indices("pub fn take_").filter(|(at, _)| *at < sealed).count(), 0);
    let mut worker = String::new();
    gather(&Path::new(env!("CARGO_MANIFEST_DIR")).join("sandbox-worker/src"), &mut worker);
    assert!(worker.contains("sealed.take_descriptors()"));
    for way in ["from_raw_fd", "borrow_raw", "libc::read", "stdin("] {
        assert!(!worker.contains(way), "the worker gets at descriptors by {way}");
    }
}

#[test]
fn decisions_are_handed_the_time() {
    // A pure function asks no clock: whoever calls it does.
    let mut code = source("supervisor/src/fleet/decide.rs");
    gather(&Path::new(env!("CARGO_MANIFEST_DIR")).join("supervisor/src/schedule"), &mut code);
    assert!(code.len() > 10_000, "they are elsewhere");
    for clock in ["Instant::now", "SystemTime::now", ".elapsed()"] {
        assert!(!code.contains(clock), "{clock} decides");
    }
}

#[test]
fn the_map_names_what_exists() {
    let map = source("ARCHITECTURE.md");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for name in map.split('`').skip(1).step_by(2) {
        let is_path = name.ends_with(".rs") || name.ends_with(".md") || name.ends_with(".capnp");
        if !is_path || !name.contains('/') {
            continue;
        }
        seen += 1;
        assert!(root.join(name).exists(), "ARCHITECTURE.md names {name}, which does not exist");
    }
    assert!(seen > 20, "only {seen} paths were found in ARCHITECTURE.md");
    // The tests that it names exist too.
    for (file, name) in [
        ("ipc-schema/tests/transport.rs", "what_no_worker_needs_is_a_violation"),
        ("ipc-schema/tests/transport.rs", "held_messages_are_bounded"),
        ("supervisor/tests/fleet.rs", "a_worker_that_breaks_a_rule_is_ended"),
        ("supervisor/tests/fleet.rs", "a_thousand_kills_leak_nothing"),
    ] {
        assert!(map.contains(name), "ARCHITECTURE.md no longer names {name}");
        assert!(source(file).contains(&format!("fn {name}")), "{file} has no test {name}");
    }
}

#[test]
fn tests_that_documents_name_exist() {
    let mut code = String::new();
    for root in ["src", "tests", "supervisor", "sandbox-worker", "ipc-schema", "policy"] {
        gather(&Path::new(env!("CARGO_MANIFEST_DIR")).join(root), &mut code);
    }
    for (path, least) in [("ARCHITECTURE.md", 8), ("docs/security/threat-model.md", 12)] {
        let document = source(path);
        let mut seen = 0;
        // A name of several words that is no path is a test's. Those that start themselves again are named by a text.
        for name in document.split('`').skip(1).step_by(2).filter(|name| name.matches('_').count() > 1) {
            if name.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
                seen += 1;
                let is_there = code.contains(&format!("fn {name}(")) || code.contains(&format!("\"{name}\""));
                assert!(is_there, "{path} names the test {name}");
            }
        }
        assert!(seen >= least, "only {seen} tests were found in {path}");
    }
}

/// The text of all Rust files beneath `directory`.
fn gather(directory: &Path, text: &mut String) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            gather(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&path).expect("text"));
        }
    }
}

#[test]
fn ways_out_that_the_threat_model_names_exist() {
    let model = source("docs/security/threat-model.md");
    let (escapes, probes) = (source("tests/containment/escape.rs"), source("policy/src/probe/mod.rs"));
    let mut seen = 0;
    // `any` stands for any text, at one end.
    let exists = |code: &str, name: &str, any: char| match (name.strip_prefix(any), name.strip_suffix(any)) {
        (Some(end), _) => code.contains(&format!("{end}\"")),
        (_, Some(start)) => code.contains(&format!("\"{start}")),
        _ => code.contains(&format!("\"{name}\"")),
    };
    for row in model.lines().filter(|line| line.starts_with('|')) {
        let shown = row.rsplit('|').nth(1).unwrap_or_default();
        for part in shown.split("; ").map(str::trim) {
            let (what, code, mark, any) = match part.split_once(' ') {
                Some(("escape", rest)) => (rest, &escapes, '*', '…'),
                Some(("probes", rest)) => (rest, &probes, '`', '*'),
                _ => continue,
            };
            for name in what.split(mark).skip(1).step_by(2) {
                seen += 1;
                assert!(exists(code, name, any), "the threat model names {name:?}");
            }
        }
    }
    assert!(seen > 30, "only {seen} ways out were found in the threat model");
}
