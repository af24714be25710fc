//! The list of differences that are known, and the comparison that consults it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use bulkhead_test_support::tools;

/// What the same question gave on both sides.
pub(crate) struct Observation {
    /// Where it is listed: `<area>/<what>`.
    pub(crate) key: String,
    /// What the reference said.
    pub(crate) reference: String,
    /// What ours said.
    pub(crate) ours: String,
}

/// Fails with every observation that differs without being listed, and with every listed one of `area` that does not
/// differ or was not observed.
pub(crate) fn check(area: &str, observations: &[Observation]) {
    check_with(area, observations, |_| None);
}

/// [`check`] for what is asked elsewhere too: a difference that is listed under the key which `elsewhere` gives needs no
/// entry of its own.
pub(crate) fn check_with(area: &str, observations: &[Observation], elsewhere: impl Fn(&str) -> Option<String>) {
    let text = fs::read_to_string(tools::repository().join("tests/differential/expected-differences.json"))
        .expect("read tests/differential/expected-differences.json");
    let listed: BTreeMap<String, String> = serde_json::from_str(&text).expect("the list maps keys to reasons");
    let mut report = String::new();
    let mut differences = 0;
    for Observation { key, reference, ours } in observations {
        let expected = listed.get(key);
        if expected.is_none() && elsewhere(key).is_some_and(|key| listed.contains_key(&key)) {
            continue;
        }
        match (reference == ours, expected) {
            (true, None) | (false, Some(_)) => {}
            (true, Some(reason)) => {
                writeln!(report, "stale: {key} no longer differs; take it off the list ({reason})").expect("a string");
            }
            (false, None) => {
                differences += 1;
                writeln!(report, "differs: {key}\n  reference: {reference}\n       ours: {ours}").expect("a string");
            }
        }
    }
    let prefix = format!("{area}/");
    for key in listed.keys().filter(|key| key.starts_with(&prefix)) {
        if !observations.iter().any(|observation| observation.key == *key) {
            writeln!(report, "stale: {key} is on the list, but nothing observes it").expect("a string");
        }
    }
    let count = observations.len();
    // Rewriting the list is for those who read each difference before they list it.
    if let Ok(path) = std::env::var("BULKHEAD_WRITE_DIFFERENCES") {
        let new: BTreeMap<&str, [&str; 2]> = observations
            .iter()
            .filter(|observation| observation.reference != observation.ours && !listed.contains_key(&observation.key))
            .filter(|observation| !elsewhere(&observation.key).is_some_and(|key| listed.contains_key(&key)))
            .map(|observation| (observation.key.as_str(), [observation.reference.as_str(), observation.ours.as_str()]))
            .collect();
        let file = format!("{path}/{}.json", area.replace('/', "-"));
        fs::write(&file, serde_json::to_string_pretty(&new).expect("strings")).expect("write the differences");
    }
    assert!(report.is_empty(), "{area}: {differences} unlisted differences in {count} observations\n{report}");
    assert!(count > 0, "{area}: nothing was observed");
}
