//! The data tables of the Web Platform Tests, run inside of a worker on ours. `tests/expected-differences.json`
//! holds which fail, with a reason; a case that fails without being there, and one that is there and passes, both fail the
//! test. The reference runs the same tables.

use std::collections::BTreeMap;

use bulkhead_test_support::expectations::{Observation, check};
use bulkhead_test_support::{Runtime, Setup, http, tools};
use serde_json::Value;

/// The tables, and how many cases each has.
const TABLES: &[(&str, u64)] = &[
    ("urltestdata", 1782),
    ("setters_tests", 278),
    ("toascii", 87),
    ("IdnaTestV2", 2670),
    ("percent-encoding", 7),
    ("base64", 80),
];

#[test]
fn data_tables() {
    let ours = run(&bulkhead_test_support::supervisor!());
    let reference = run(&Runtime::workerd());
    let mut observations = Vec::new();
    for (table, total) in TABLES {
        let (ours, reference) = (&ours[*table], &reference[*table]);
        observations.push(Observation {
            key: format!("wpt/{table}"),
            reference: format!("{total} cases"),
            ours: format!("{} cases", ours.total),
        });
        observations.extend(ours.failures.iter().map(|(label, wrong)| {
            let there = if reference.failures.contains_key(label) { "fails" } else { "passes" };
            Observation {
                key: format!("wpt/{table}/{label}"),
                reference: format!("the platform's answer (which {there} in the reference)"),
                ours: wrong.clone(),
            }
        }));
        let passed = |table: &Table| table.total - table.failures.len() as u64;
        println!("{table}: {} of {total} pass; in the reference {}", passed(ours), passed(reference));
    }
    check("wpt", &observations);
}

struct Table {
    total: u64,
    failures: BTreeMap<String, String>,
}

fn run(runtime: &Runtime) -> BTreeMap<&'static str, Table> {
    let directory = tools::repository().join("tests/wpt");
    let modules: String = TABLES
        .iter()
        .map(|(table, _)| format!("    (name = \"{table}\", json = embed \"data/{table}.json\"),\n"))
        .collect();
    let setup = Setup::worker(&format!(
        "modules = [\n    (name = \"run\", esModule = embed \"run.js\"),\n{modules}  ], compatibilityDate = \"2026-08-01\""
    ));
    let server = runtime.serve(setup.directory(&directory));
    TABLES
        .iter()
        .map(|(table, _)| {
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
