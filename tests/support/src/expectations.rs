//! The list of differences from what is expected that are known, `tests/expected-differences.json`, and the comparison that
//! consults it: one list and one rule for whatever is held beside the reference or a table of the platform.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use crate::tools;

/// What the same question gave on both sides.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Where it is listed: `<area>/<what>`.
    pub key: String,
    /// What the reference said, or what a table of the platform says.
    pub reference: String,
    /// What ours said.
    pub ours: String,
}

/// Fails with every observation that differs without being listed, and with every listed one of `area` that does not
/// differ, was not observed, or has no reason.
///
/// # Panics
///
/// That is how it fails.
pub fn check(area: &str, observations: &[Observation]) {
    check_with(area, observations, |_| None);
}

/// [`check`] for what is asked elsewhere too: a difference that is listed under the key which `elsewhere` gives needs no
/// entry of its own.
///
/// # Panics
///
/// As [`check`].
pub fn check_with(area: &str, observations: &[Observation], elsewhere: impl Fn(&str) -> Option<String>) {
    let text = fs::read_to_string(tools::repository().join("tests/expected-differences.json"))
        .expect("read tests/expected-differences.json");
    let listed: BTreeMap<String, String> = serde_json::from_str(&text).expect("the list maps keys to reasons");
    let (differences, report) = compare(&listed, area, observations, &elsewhere);
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

/// How many observations differ without being listed, and what is wrong, a line each.
fn compare(
    listed: &BTreeMap<String, String>,
    area: &str,
    observations: &[Observation],
    elsewhere: &dyn Fn(&str) -> Option<String>,
) -> (usize, String) {
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
    for (key, reason) in listed.iter().filter(|(key, _)| key.starts_with(&prefix)) {
        if reason.trim().is_empty() {
            writeln!(report, "without a reason: {key}").expect("a string");
        }
        if !observations.iter().any(|observation| observation.key == *key) {
            writeln!(report, "stale: {key} is on the list, but nothing observes it").expect("a string");
        }
    }
    (differences, report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_as_listed_fails() {
        let list = |entries: &[(&str, &str)]| -> BTreeMap<String, String> {
            entries.iter().map(|(key, reason)| ((*key).to_owned(), (*reason).to_owned())).collect()
        };
        let seen = |key: &str, ours: &str| Observation {
            key: key.to_owned(),
            reference: "same".to_owned(),
            ours: ours.to_owned(),
        };
        let report = |entries: &[(&str, &str)], observations: &[Observation]| {
            compare(&list(entries), "a", observations, &|_| None).1
        };
        let fine = [seen("a/one", "same"), seen("a/two", "other")];
        assert_eq!(report(&[("a/two", "why"), ("b/three", "why")], &fine), "");
        assert!(report(&[], &fine).starts_with("differs: a/two"));
        assert!(report(&[("a/two", "why"), ("a/one", "why")], &fine).contains("a/one no longer differs"));
        assert!(report(&[("a/two", "why"), ("a/gone", "why")], &fine).contains("nothing observes it"));
        assert!(report(&[("a/two", " ")], &fine).contains("without a reason: a/two"));
    }
}
