//! The rows of `vectors.txt`: one response that is put, and one request after it.

use bulkhead_cache::{
    reuse::{self, Answer},
    storing::{self, http_date},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// When the responses of the table come: 2001-09-09T01:46:40Z.
const NOW: u64 = 1_000_000_000;

/// Bytes of their bodies.
const LENGTH: u64 = 10;

/// `Name: value ~ Name: value`, where `{-60}` is the date of a minute before the response came.
fn headers(text: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in text.split(" ~ ").map(str::trim).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no header: {line}"));
        let mut value = value.trim().to_owned();
        while let Some((before, rest)) = value.split_once('{') {
            let (seconds, after) = rest.split_once('}').expect("a date ends");
            let seconds = NOW.checked_add_signed(seconds.parse().expect("seconds")).expect("a date");
            value = format!("{before}{}{after}", http_date(seconds).to_str().expect("text"));
        }
        headers.append(
            HeaderName::from_bytes(name.trim().as_bytes()).expect("a name"),
            HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
        );
    }
    headers
}

/// What becomes of a row: `hit`, `304`, …, with the words of `expected` that begin with a sign, where they hold.
fn outcome(columns: &[&str], expected: &str) -> String {
    let [_, put, response, after, get, _] = columns else { panic!("six columns: {columns:?}") };
    let (put, get) = (headers(put), headers(get));
    let (status, stored_headers) = response.trim().split_once(' ').unwrap_or((response.trim(), ""));
    let status = StatusCode::from_bytes(status.as_bytes()).expect("a status");
    let mut stored_headers = headers(stored_headers);
    let stored = match storing::store(&put, status, &mut stored_headers, NOW) {
        Ok(stored) => stored,
        Err(refusal) => return format!("refused {refusal:?}"),
    };
    let now = NOW.checked_add_signed(after.trim().parse().expect("seconds")).expect("a time");
    if !stored.selection.matches(&get) || !reuse::is_usable(&stored, &get, now) {
        return "miss".to_owned();
    }
    let is_get = get.get("x-method").is_none();
    let mut outcome = match reuse::answer(&get, is_get, status, &stored_headers, &stored, LENGTH) {
        Answer::Whole => "hit".to_owned(),
        Answer::NotModified => "304".to_owned(),
        Answer::Part(first, last) => format!("part {first}-{last}"),
        Answer::Unsatisfiable => "416".to_owned(),
    };
    for word in expected.split_whitespace() {
        let holds = match word.split_at(1) {
            ("+", name) => stored_headers.contains_key(name),
            ("-", name) => !stored_headers.contains_key(name),
            _ if word.starts_with("age=") => word == format!("age={}", stored.age(now)),
            _ if word.starts_with("lifetime=") => word == format!("lifetime={}", stored.lifetime),
            _ if word.starts_with("tags=") => word == format!("tags={}", stored.tags.len()),
            _ => continue,
        };
        outcome.push_str(&if holds { format!(" {word}") } else { format!(" (not {word}: {stored:?})") });
    }
    outcome
}

#[test]
fn responses_are_stored_and_used_as_the_table_says() {
    let (mut rows, mut wrong) = (0, Vec::new());
    for line in include_str!("vectors.txt").lines() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        rows += 1;
        let columns: Vec<_> = line.split('|').collect();
        assert_eq!(columns.len(), 6, "{line}");
        let expected = columns[5].trim();
        let outcome = outcome(&columns, expected);
        if outcome != expected {
            wrong.push(format!("{}: expected {expected}, got {outcome}", columns[0].trim()));
        }
    }
    assert!(wrong.is_empty(), "{} of {rows} rows:\n{}", wrong.len(), wrong.join("\n"));
    assert!(rows >= 150, "there are {rows} rows");
}
