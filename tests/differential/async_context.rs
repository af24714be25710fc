//! What a continuation finds in an `AsyncLocalStorage`, however it came about: beside the reference, and beside Node.

use std::{collections::BTreeMap, fs, process::Command};

use bulkhead_test_support::expectations::{Observation, check};
use bulkhead_test_support::http::Connection;
use bulkhead_test_support::{Runtime, Server, Setup};

const WAYS: &str = include_str!("async_context.js");
const LATE: &str = include_str!("async_context_late.js");

fn serve(runtime: &Runtime, date: &str) -> Server {
    let worker = format!(
        "modules = [(name = \"main.js\", esModule = embed \"main.js\"), (name = \"late.js\", esModule = embed \"late.js\")], \
         compatibilityDate = \"{date}\", compatibilityFlags = [\"nodejs_als\"]"
    );
    runtime.serve(Setup::worker(&worker).file("main.js", WAYS).file("late.js", LATE))
}

fn ask(server: &Server, way: &str) -> String {
    let escaped: String = way.bytes().map(|byte| format!("%{byte:02x}")).collect();
    match Connection::open(server.port()).request("GET", &format!("/?{escaped}"), &[], b"") {
        Ok(response) => format!("{} {}", response.status, response.text()),
        Err(error) => format!("no response: {error}"),
    }
}

fn names(server: &Server) -> Vec<String> {
    serde_json::from_str(ask(server, "").trim_start_matches("200 ")).expect("a list of names")
}

fn beside_the_reference(area: &str, date: &str) {
    let [reference, ours] =
        [Runtime::workerd(), bulkhead_test_support::supervisor!()].map(|runtime| serve(&runtime, date));
    let names = names(&ours);
    assert!(names.len() >= 100, "{names:?}");
    let observations: Vec<_> = names
        .iter()
        .map(|name| Observation {
            key: format!("{area}/{name}"),
            reference: ask(&reference, name),
            ours: ask(&ours, name),
        })
        .collect();
    check(area, &observations);
}

#[test]
fn continuations_find_their_store() {
    beside_the_reference("async_context", "2026-08-01");
}

/// Before promises of one request could not go on in another.
#[test]
fn continuations_found_their_store_in_2024() {
    beside_the_reference("async_context in 2024", "2024-01-01");
}

/// What Node has no API for is left out.
#[test]
fn continuations_find_what_they_would_in_node() {
    let version = Command::new("node").arg("--version").output().expect("node is there").stdout;
    if !version.starts_with(b"v20.") {
        eprintln!(
            "not compared: the differences are listed for Node 20, this is {}",
            String::from_utf8_lossy(&version)
        );
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let runner = "process.on('unhandledRejection', () => {});
        const { all } = await import('./main.js');
        process.stdout.write(JSON.stringify(await all()));";
    for (name, text) in
        [("main.js", WAYS), ("late.js", LATE), ("run.js", runner), ("package.json", "{ \"type\": \"module\" }")]
    {
        fs::write(directory.path().join(name), text).expect("a file");
    }
    let output = Command::new("node").arg("run.js").current_dir(directory.path()).output().expect("node runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let node: BTreeMap<String, String> = serde_json::from_slice(&output.stdout).expect("what was seen");
    let ours = serve(&bulkhead_test_support::supervisor!(), "2026-08-01");
    let observations: Vec<_> = node
        .iter()
        .filter(|(_, seen)| !seen.contains("absent"))
        .map(|(name, seen)| Observation {
            key: format!("async_context in Node/{name}"),
            reference: format!("200 {seen}"),
            ours: ask(&ours, name),
        })
        .filter(|observation| !observation.ours.contains("absent"))
        .collect();
    assert!(observations.len() >= 90, "{}", observations.len());
    check("async_context in Node", &observations);
}
