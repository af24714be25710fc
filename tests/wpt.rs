//! The data tables of the Web Platform Tests, run inside of a worker on ours. `tests/wpt/expected.json` holds how many
//! cases each table has and which fail, with a reason; a case that fails without being there, and one that is there and
//! passes, both fail the test. The reference runs the same tables: what passes there has to pass here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use bulkhead_test_support::{Runtime, Setup, http, tools};
use serde_json::Value;

const TABLES: &[&str] = &["urltestdata", "setters_tests", "toascii", "IdnaTestV2", "percent-encoding", "base64"];

#[test]
fn data_tables() {
    let directory = tools::repository().join("tests/wpt");
    let expected = fs::read_to_string(directory.join("expected.json")).expect("read tests/wpt/expected.json");
    let expected: BTreeMap<String, Value> = serde_json::from_str(&expected).expect("tests/wpt/expected.json is JSON");
    let ours = run(&bulkhead_test_support::supervisor!());
    let reference = run(&Runtime::workerd());
    let mut report = Vec::new();
    for table in TABLES {
        let (ours, reference) = (&ours[*table], &reference[*table]);
        let listed: BTreeMap<&str, &str> = expected[*table]["failures"]
            .as_object()
            .expect("failures")
            .iter()
            .map(|(label, reason)| (label.as_str(), reason.as_str().expect("a reason")))
            .collect();
        if expected[*table]["total"] != ours.total {
            report.push(format!("{table}: {} cases, {} expected", ours.total, expected[*table]["total"]));
        }
        for (label, wrong) in &ours.failures {
            if !listed.contains_key(label.as_str()) {
                let there = if reference.failures.contains_key(label) { "fails" } else { "passes" };
                report.push(format!("{table}: {label}: {wrong} (not listed; {there} in the reference)"));
            }
        }
        for label in listed.keys().copied().collect::<BTreeSet<_>>() {
            if !ours.failures.contains_key(label) {
                report.push(format!("{table}: {label} passes now: take it off the list"));
            }
        }
        let passed = |table: &Table| table.total - table.failures.len() as u64;
        println!("{table}: {} of {} pass; in the reference {}", passed(ours), ours.total, passed(reference));
    }
    assert!(report.is_empty(), "{} unexpected results:\n{}", report.len(), report.join("\n"));
}

struct Table {
    total: u64,
    failures: BTreeMap<String, String>,
}

fn run(runtime: &Runtime) -> BTreeMap<&'static str, Table> {
    let directory = tools::repository().join("tests/wpt");
    let modules: String =
        TABLES.iter().map(|table| format!("    (name = \"{table}\", json = embed \"data/{table}.json\"),\n")).collect();
    let setup = Setup::worker(&format!(
        "modules = [\n    (name = \"run\", esModule = embed \"run.js\"),\n{modules}  ], compatibilityDate = \"2026-08-01\""
    ));
    let server = runtime.serve(setup.directory(&directory));
    TABLES
        .iter()
        .map(|table| {
            let response = http::get(server.port(), &format!("/{table}")).expect("a response");
            assert_eq!(response.status, 200, "{table} in {}: {}\n{}", runtime.name, response.text(), server.stderr());
            let found: Value = serde_json::from_slice(&response.body).expect("JSON");
            let failures = found["failures"].as_array().expect("failures").iter().map(|failure| {
                let text = |index: usize| failure[index].as_str().expect("text").to_owned();
                (text(0), text(1))
            });
            (*table, Table { total: found["total"].as_u64().expect("a total"), failures: failures.collect() })
        })
        .collect()
}
