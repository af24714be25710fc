//! What is said of tests: the reference's lines, JSON objects, JUnit's XML.

use std::{fmt::Write as _, time::Duration};

use serde_json::json;

use crate::text::own_text;

/// What came of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TestResult {
    pub(super) service: String,
    /// The export; empty for the default one, and where the service did not start.
    pub(super) entrypoint: String,
    pub(super) took: Duration,
    pub(super) failure: Option<Failure>,
}

/// Why a test has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// One line, and a stack in further ones where there is one.
    pub(super) reason: String,
    /// The last lines that its worker wrote during the test.
    pub(super) log: Vec<String>,
}

/// The name of a test in lines.
pub(super) fn label(service: &str, entrypoint: &str) -> String {
    if entrypoint.is_empty() { service.to_owned() } else { format!("{service}:{entrypoint}") }
}

/// What the reference writes before its lines, a place in its source: whoever looks for those finds them.
pub(super) fn place(file: &str, line: u32) -> String {
    format!("workerd/server/server/{file}:{line}: debug: ")
}

pub(super) fn begun(label: &str) -> String {
    format!("{}[ TEST ] {label}", place("run.rs", 642))
}

pub(super) fn ended(result: &TestResult) -> String {
    let word = if result.failure.is_none() { "PASS" } else { "FAIL" };
    let label = label(&result.service, &result.entrypoint);
    format!("{}[ {word} ] {label} ({:?})", place("run.rs", 649), result.took)
}

pub(super) const NONE_FOUND: &str = "workerd/server/server/run.rs:668: error: No tests found!";

pub(super) const FAILED: &str = "Tests failed!";

/// One test as JSON.
pub(super) fn record(result: &TestResult) -> serde_json::Value {
    let mut record = json!({
        "event": "test",
        "service": result.service,
        "entrypoint": result.entrypoint,
        "result": if result.failure.is_none() { "pass" } else { "fail" },
        "durationMs": result.took.as_secs_f64() * 1000.0,
    });
    if let Some(failure) = &result.failure {
        record["reason"] = json!(failure.reason);
        record["log"] = json!(failure.log);
    }
    record
}

/// All of them, as JSON.
pub(super) fn summary(results: &[TestResult]) -> serde_json::Value {
    let failed = results.iter().filter(|result| result.failure.is_some()).count();
    json!({ "event": "end", "passed": results.len() - failed, "failed": failed })
}

/// A report in JUnit's format: a suite for each service, a case for each test.
pub(super) fn junit(results: &[TestResult]) -> String {
    let failures = |results: &[&TestResult]| results.iter().filter(|result| result.failure.is_some()).count();
    let seconds = |results: &[&TestResult]| -> f64 { results.iter().map(|result| result.took.as_secs_f64()).sum() };
    let all: Vec<&TestResult> = results.iter().collect();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{}\" failures=\"{}\" time=\"{:.6}\">\n",
        all.len(),
        failures(&all),
        seconds(&all)
    );
    for suite in all.chunk_by(|one, other| one.service == other.service) {
        let name = escaped(&suite[0].service);
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"0\" time=\"{:.6}\">",
            suite.len(),
            failures(suite),
            seconds(suite)
        );
        for result in suite {
            let entrypoint = if result.entrypoint.is_empty() { "default" } else { &result.entrypoint };
            let _ = write!(
                xml,
                "    <testcase classname=\"{name}\" name=\"{}\" time=\"{:.6}\"",
                escaped(entrypoint),
                result.took.as_secs_f64()
            );
            let Some(failure) = &result.failure else {
                xml.push_str("/>\n");
                continue;
            };
            let first = failure.reason.lines().next().unwrap_or_default();
            let _ = write!(
                xml,
                ">\n      <failure message=\"{}\">{}</failure>\n",
                escaped(first),
                escaped(&failure.reason)
            );
            if !failure.log.is_empty() {
                let _ = writeln!(xml, "      <system-out>{}</system-out>", escaped(&failure.log.join("\n")));
            }
            xml.push_str("    </testcase>\n");
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// A tenant's words as XML has them, with characters that it has not made visible.
fn escaped(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in own_text(text).chars() {
        match c {
            '&' => clean.push_str("&amp;"),
            '<' => clean.push_str("&lt;"),
            '>' => clean.push_str("&gt;"),
            '"' => clean.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => clean.extend(c.escape_unicode()),
            c => clean.push(c),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results() -> Vec<TestResult> {
        let failure = Failure {
            reason: "worker \"a<b\": Uncaught Error: \u{1b}&\n    at x".into(),
            log: vec!["one".into(), "]]>".into()],
        };
        let result = |service: &str, entrypoint: &str, failure| TestResult {
            service: service.into(),
            entrypoint: entrypoint.into(),
            took: Duration::from_micros(1500),
            failure,
        };
        vec![result("a<b", "", None), result("a<b", "x", Some(failure)), result("c", "y", None)]
    }

    #[test]
    fn lines_are_the_references() {
        let lines: Vec<String> = results().iter().map(ended).collect();
        assert_eq!(lines[0], "workerd/server/server/run.rs:649: debug: [ PASS ] a<b (1.5ms)");
        assert_eq!(lines[1], "workerd/server/server/run.rs:649: debug: [ FAIL ] a<b:x (1.5ms)");
        assert_eq!(begun(&label("c", "y")), "workerd/server/server/run.rs:642: debug: [ TEST ] c:y");
    }

    #[test]
    fn reports_say_what_there_is_and_no_tenant_breaks_them() {
        let xml = junit(&results());
        assert!(xml.contains("<testsuites tests=\"3\" failures=\"1\" time=\"0.004500\">"), "{xml}");
        assert!(xml.contains("<testsuite name=\"a&lt;b\" tests=\"2\" failures=\"1\""), "{xml}");
        assert!(xml.contains("<testcase classname=\"c\" name=\"y\" time=\"0.001500\"/>"), "{xml}");
        assert!(xml.contains("Uncaught Error: \\u{1b}&amp;\n    at x</failure>"), "{xml}");
        assert!(xml.contains("<system-out>one\n    ]]&gt;</system-out>"), "{xml}");
        assert_eq!(summary(&results()).to_string(), r#"{"event":"end","passed":2,"failed":1}"#);
        let record = record(&results()[1]);
        assert_eq!((record["result"].as_str(), record["log"][0].as_str()), (Some("fail"), Some("one")));
    }
}
