//! Every probe of `tests/differential/cases`: what a worker sees of the API. See `probe.js` for how a probe runs.

use std::fs;

use bulkhead_test_support::http::Connection;
use bulkhead_test_support::{Runtime, Server, Setup, tools};

use bulkhead_test_support::expectations::{Observation, check};

/// Long lists of small questions, which are asked on one date only.
pub(super) const ON_ONE_DATE: &[&str] = &["fetch_expressions", "web_api"];

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        /// The files of `cases`.
        pub(super) const CASES: &[&str] = &[$(stringify!($name)),*];
        $(#[test] fn $name() { compare(stringify!($name)); })*
    };
}

cases!(
    abort,
    base64,
    byte_streams,
    compression,
    crypto,
    events,
    fetch_expressions,
    form_data_blob,
    global_scope,
    headers,
    iterable_bodies,
    language,
    multipart,
    performance_misc,
    platform_classes,
    primitive_this,
    readable_stream,
    request,
    response,
    snippets,
    streams_over_bodies,
    structured_clone,
    surface,
    text_encoding,
    timers,
    url,
    url_search_params,
    used_bodies,
    web_api,
    web_sockets,
    webassembly,
    workers_module,
    writable_stream,
);

#[test]
fn every_case_file_runs() {
    let directory = tools::repository().join("tests/differential/cases");
    let entries = fs::read_dir(&directory).expect("read the cases").flatten();
    let mut files: Vec<String> =
        entries.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".js").map(str::to_owned)).collect();
    files.sort();
    let mut listed = CASES.to_vec();
    listed.sort_unstable();
    assert_eq!(files, listed, "the files in tests/differential/cases and the list in probes.rs");
}

fn compare(case: &str) {
    let reference = Side::start(&Runtime::workerd(), case);
    let ours = Side::start(&bulkhead_test_support::supervisor!(), case);
    let names: Vec<String> = serde_json::from_str(&reference.ask("/")).expect("a list of names");
    assert_eq!(ours.ask("/"), reference.ask("/"), "the list of probes");
    let observations: Vec<Observation> = names
        .iter()
        .enumerate()
        .map(|(index, name)| Observation {
            key: format!("{case}/{name}"),
            reference: reference.ask(&format!("/{index}")),
            ours: ours.ask(&format!("/{index}")),
        })
        .collect();
    check(case, &observations);
}

struct Side(Server);

impl Side {
    fn start(runtime: &Runtime, case: &str) -> Side {
        let directory = tools::repository().join("tests/differential");
        let read = |name: &str| fs::read(directory.join(name)).unwrap_or_else(|error| panic!("read {name}: {error}"));
        let setup = Setup::worker(
            r#"modules = [ (name = "probe", esModule = embed "probe.js"), (name = "case", esModule = embed "case.js") ],
  compatibilityDate = "2026-08-01""#,
        );
        let setup = setup.file("probe.js", read("probe.js")).file("case.js", read(&format!("cases/{case}.js")));
        Side(runtime.serve(setup))
    }

    /// The body of a 200, or what came instead of it. A connection for each probe, so that one that kills the worker
    /// does not take the next with it.
    fn ask(&self, target: &str) -> String {
        match Connection::open(self.0.port()).request("GET", target, &[], b"") {
            Ok(response) if response.status == 200 => response.text(),
            Ok(response) => format!("{} {}", response.status_line, response.text()),
            Err(error) => format!("no response: {error}"),
        }
    }
}
