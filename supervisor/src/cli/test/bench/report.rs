//! What is said of benchmarks: the reference's lines, its table, its JSON.

use std::{fmt::Write as _, time::Duration};

use bulkhead_ipc::compatibility::MAX_DATE;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::report::place;
use crate::text::own_text;

pub(super) const NONE_FOUND: &str = "workerd/server/server/run.rs:699: error: No benchmarks found!";

pub(super) const FAILED: &str = "Benchmarks failed!";

/// A relative standard deviation from which on a number is said to be uncertain.
const HIGH_VARIANCE: f64 = 0.1;

/// What calls cost beside what they are of, in nanoseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Overhead {
    /// Of a call, by the clock and in processor time.
    pub(super) sync_ns: f64,
    sync_cpu_ns: f64,
    /// The same of one that is awaited.
    pub(super) async_ns: f64,
    async_cpu_ns: f64,
    /// Of `b.blackBox()`.
    black_box_ns: f64,
}

/// The benchmarks of one entrypoint.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) overhead: Option<Overhead>,
    /// By their names.
    pub(super) cases: Vec<(String, Outcome)>,
    /// Why none has run.
    pub(super) error: Option<String>,
}

/// What came of a case.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Skipped,
    /// And why.
    Failed(String),
    Timed {
        /// How many calls a sample is of.
        calls: f64,
        /// Whether it takes no longer than calling it does.
        at_floor: bool,
        wall: Box<Summary>,
        cpu: Box<Summary>,
    },
}

impl Group {
    pub(super) fn failed(name: &str, error: String) -> Self {
        Self { name: name.to_owned(), overhead: None, cases: Vec::new(), error: Some(error) }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.error.is_some() || self.cases.iter().any(|(_, outcome)| matches!(outcome, Outcome::Failed(_)))
    }
}

/// Samples, and what follows from them; nanoseconds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Summary {
    samples: Vec<f64>,
    mean: f64,
    /// Within which the mean is in 95 of 100 series, if samples are distributed normally; not numbers for one sample.
    mean_range: (f64, f64),
    pub(super) median: f64,
    /// Within which the median is in 95 of 100 series at least, whatever the distribution is; of few samples, all of them.
    median_range: (f64, f64),
    p75: f64,
    p99: f64,
    /// Of the samples themselves, as the next two are.
    deviation: f64,
    skewness: f64,
    /// Above that of a normal distribution.
    kurtosis: f64,
    least: f64,
    greatest: f64,
}

impl Summary {
    /// `None` if there are no samples, or one that is no time.
    pub(super) fn new(samples: &[f64]) -> Option<Self> {
        if samples.is_empty() || !samples.iter().all(|sample| sample.is_finite() && *sample >= 0.0) {
            return None;
        }
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let number = count as f64;
        let mean = sorted.iter().sum::<f64>() / number;
        let moment = |power| sorted.iter().map(|sample| (sample - mean).powi(power)).sum::<f64>() / number;
        let deviation = moment(2).sqrt();
        let standardized = |power| if deviation > 0.0 { moment(power) / deviation.powi(power) } else { 0.0 };
        let half = student(count) * deviation / (number - 1.0).sqrt();
        let (low, high) = median_ranks(count);
        let quantile = |part: f64| sorted[((part * number).ceil() as usize).clamp(1, count) - 1];
        let median =
            if count % 2 == 1 { sorted[count / 2] } else { f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]) };
        Some(Self {
            samples: samples.to_vec(),
            mean,
            mean_range: (mean - half, mean + half),
            median,
            median_range: (sorted[low], sorted[high]),
            p75: quantile(0.75),
            p99: quantile(0.99),
            deviation,
            skewness: standardized(3),
            kurtosis: if deviation > 0.0 { standardized(4) - 3.0 } else { 0.0 },
            least: sorted[0],
            greatest: sorted[count - 1],
        })
    }

    fn varies(&self) -> bool {
        self.deviation > HIGH_VARIANCE * self.mean
    }

    fn json(&self) -> Value {
        let number = |value: f64| if value.is_finite() { json!(value) } else { json!("NaN") };
        json!({
            "samples": self.samples,
            "mean": self.mean,
            "meanLow": number(self.mean_range.0),
            "meanHigh": number(self.mean_range.1),
            "median": self.median,
            "medianLow": self.median_range.0,
            "medianHigh": self.median_range.1,
            "p75": self.p75,
            "p99": self.p99,
            "min": self.least,
            "max": self.greatest,
            "stddev": self.deviation,
            "skewness": self.skewness,
            "kurtosis": self.kurtosis,
        })
    }
}

/// The 97.5th percentile of Student's distribution for the mean of so many samples (Abramowitz and Stegun, 26.7.5).
fn student(count: usize) -> f64 {
    const NORMAL: f64 = 1.959_963_984_540_054;
    match count - 1 {
        0 => f64::NAN,
        1 => 12.706,
        2 => 4.303,
        freedom => {
            let (v, z) = (freedom as f64, NORMAL);
            let (z3, z5, z7) = (z.powi(3), z.powi(5), z.powi(7));
            z + (z3 + z) / (4.0 * v)
                + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * v * v)
                + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / (384.0 * v.powi(3))
        }
    }
}

/// Between which of so many sorted samples the median is in 95 of 100 series: as often a sample is below it as a coin falls so.
fn median_ranks(count: usize) -> (usize, usize) {
    let number = count as f64;
    // The logarithm of the probability that just `below` samples are below the median.
    let mut probability = -number * std::f64::consts::LN_2;
    let (mut tail, mut below) = (probability.exp(), 0);
    while 2.0 * (tail + next(probability, number, below).exp()) <= 0.05 {
        probability = next(probability, number, below);
        tail += probability.exp();
        below += 1;
    }
    (below, count - 1 - below)
}

/// From the logarithm of a binomial probability of a half to that of the next.
fn next(probability: f64, number: f64, below: usize) -> f64 {
    probability + ((number - below as f64) / (below as f64 + 1.0)).ln()
}

pub(super) fn begun(name: &str) -> String {
    format!("{}[ BENCH ] {name}", place("bench.rs", 173))
}

/// What is said of a case at once, if it was not timed.
pub(super) fn case_line(group: &str, name: &str, outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Skipped => Some(format!("{}[ SKIP ] {group}/{name}", place("bench.rs", 312))),
        Outcome::Failed(error) => Some(format!("{}[ FAIL ] {group}/{name}: {error}", place("bench.rs", 317))),
        Outcome::Timed { .. } => None,
    }
}

pub(super) fn ended(group: &Group, took: Duration) -> String {
    match &group.error {
        Some(error) => format!("{}[ FAIL ] {}: {error}", place("bench.rs", 323), group.name),
        None => {
            let word = if group.has_failed() { "FAIL" } else { "DONE" };
            format!("{}[ {word} ] {} ({took:?})", place("bench.rs", 326), group.name)
        }
    }
}

/// A time, with three digits.
fn shown(nanoseconds: f64) -> String {
    let units = [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9)];
    let (unit, size) = units.into_iter().rev().find(|(_, size)| nanoseconds >= 0.9995 * size).unwrap_or(units[0]);
    let value = nanoseconds / size;
    let digits = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {unit}")
}

/// A tenant's words on one line.
fn line(text: &str) -> String {
    own_text(text).lines().next().unwrap_or_default().to_owned()
}

const BUILD: &str = if cfg!(debug_assertions) { "debug" } else { "release" };

/// The model of the processor, if the kernel says it.
fn processor() -> String {
    let known = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = known.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(|| "unknown processor".to_owned(), |(_, model)| model.trim().to_owned())
}

/// A table for people.
pub(super) fn text(groups: &[Group]) -> String {
    let mut out =
        String::from("Results compare runs on this machine and build; they don't predict production latency.\n");
    let _ = writeln!(
        out,
        "bulkhead {}, {BUILD} build, {}, default compat date {MAX_DATE}",
        env!("CARGO_PKG_VERSION"),
        processor()
    );
    for group in groups {
        let _ = writeln!(out, "\n{}", line(&group.name));
        if let Some(error) = &group.error {
            let _ = writeln!(out, "  FAILED: {}", line(error));
        }
        if let Some(overhead) = &group.overhead {
            let _ = writeln!(
                out,
                "  overhead per call, subtracted: {}, {} async; blackBox() {}",
                shown(overhead.sync_ns),
                shown(overhead.async_ns),
                shown(overhead.black_box_ns)
            );
        }
        if !group.cases.is_empty() {
            table(&mut out, &group.cases);
        }
    }
    out
}

fn table(out: &mut String, cases: &[(String, Outcome)]) {
    let head = ["case", "median", "95% CI", "mean", "cpu median", "samples"].map(str::to_owned).to_vec();
    let mut rows = vec![(head, String::new())];
    for (name, outcome) in cases {
        let name = line(name);
        rows.push(match outcome {
            Outcome::Skipped => (vec![name], "skipped".to_owned()),
            Outcome::Failed(error) => (vec![name], format!("FAILED: {}", line(error))),
            Outcome::Timed { calls, at_floor, wall, cpu } => {
                let cells = vec![
                    name,
                    shown(wall.median),
                    format!("{} - {}", shown(wall.median_range.0), shown(wall.median_range.1)),
                    shown(wall.mean),
                    shown(cpu.median),
                    format!("{} x {calls}", wall.samples.len()),
                ];
                let note = if *at_floor {
                    "(at measurement floor: pass results through b.blackBox())"
                } else if wall.varies() {
                    "(high variance: try more samples or a longer minTime)"
                } else {
                    ""
                };
                (cells, note.to_owned())
            }
        });
    }
    let width =
        |column: usize| rows.iter().filter_map(|(cells, _)| cells.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..6).map(|column| width(column).unwrap_or_default()).collect();
    for (cells, note) in &rows {
        let mut row = String::from("  ");
        for (cell, width) in cells.iter().zip(&widths) {
            let _ = write!(row, "{cell:<width$}  ");
        }
        row.push_str(note);
        let _ = writeln!(out, "{}", row.trim_end());
    }
}

/// All that was measured.
pub(super) fn json(groups: &[Group]) -> String {
    let case = |(name, outcome): &(String, Outcome)| match outcome {
        Outcome::Skipped => json!({ "name": name, "status": "skipped", "iterationsPerSample": "0" }),
        Outcome::Failed(error) => {
            json!({ "name": name, "status": "failed", "error": error, "iterationsPerSample": "0" })
        }
        Outcome::Timed { calls, at_floor, wall, cpu } => {
            let mut case = json!({
                "name": name,
                "status": "ok",
                "iterationsPerSample": calls.to_string(),
                "wallNs": wall.json(),
                "cpuNs": cpu.json(),
            });
            if *at_floor {
                case["flags"] = json!(["atFloor"]);
            } else if wall.varies() {
                case["flags"] = json!(["highVariance"]);
            }
            case
        }
    };
    let groups: Vec<Value> = groups
        .iter()
        .map(|group| {
            let cases: Vec<Value> = group.cases.iter().map(case).collect();
            let mut shown = json!({ "name": group.name, "cases": cases, "startup": false });
            if let Some(overhead) = &group.overhead {
                shown["overhead"] = json!(overhead);
            }
            if let Some(error) = &group.error {
                shown["error"] = json!(error);
            }
            shown
        })
        .collect();
    let report = json!({
        "environment": {
            "bulkheadVersion": env!("CARGO_PKG_VERSION"),
            "buildMode": BUILD,
            "cpuModel": processor(),
            "allAutogates": false,
            "warnings": [],
            "defaultCompatDate": MAX_DATE.to_string(),
        },
        "groups": groups,
    });
    format!("{report:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_a_middle_and_a_spread() {
        // The reference's report of these five, but for its rounding.
        let samples = [1_247_166.0, 881_134.0, 797_851.0, 740_125.0, 757_881.0];
        let summary = Summary::new(&samples).expect("a summary");
        let near = |value: f64, expected: f64| (value - expected).abs() < 0.005 * expected.abs();
        assert!(near(summary.mean, 884_788.4) && near(summary.deviation, 187_650.8), "{summary:?}");
        assert!(near(summary.mean_range.0, 624_287.4) && near(summary.mean_range.1, 1_145_289.4), "{summary:?}");
        assert_eq!((summary.median, summary.median_range), (797_851.0, (740_125.0, 1_247_166.0)));
        assert!(near(summary.skewness, 1.268) && (summary.kurtosis + 0.093).abs() < 0.01, "{summary:?}");
        assert!(summary.varies());
        let one = Summary::new(&[5.0]).expect("a summary");
        assert!(one.mean_range.0.is_nan() && one.median_range == (5.0, 5.0) && !one.varies());
        assert_eq!(one.json()["meanLow"], "NaN");
        assert_eq!(median_ranks(50), (17, 32));
        for bad in [&[][..], &[f64::NAN], &[-1.0]] {
            assert_eq!(Summary::new(bad), None);
        }
    }

    #[test]
    fn times_have_three_digits() {
        let times = [0.0, 77.64, 655.2, 999.6, 1700.0, 11_400_000.0, 999_600.0, 2e9];
        let expected = ["0.00 ns", "77.6 ns", "655 ns", "1.00 us", "1.70 us", "11.4 ms", "1.00 ms", "2.00 s"];
        assert_eq!(times.map(shown), expected);
    }

    #[test]
    fn no_tenant_breaks_a_table() {
        let summary = Summary::new(&[100.0, 100.0]).expect("a summary");
        let timed =
            Outcome::Timed { calls: 64.0, at_floor: false, wall: Box::new(summary.clone()), cpu: Box::new(summary) };
        let cases = vec![
            ("a".to_owned(), timed),
            ("long\u{1b}[31m\nname".to_owned(), Outcome::Failed("Error: x\nBenchmarks failed!".into())),
            ("s".to_owned(), Outcome::Skipped),
        ];
        let group = Group { name: "w".into(), overhead: None, cases, error: None };
        assert!(group.has_failed());
        let text = text(&[group]);
        let rows: Vec<&str> = text.lines().skip(4).collect();
        assert_eq!(
            rows,
            [
                "  case            median  95% CI           mean    cpu median  samples",
                "  a               100 ns  100 ns - 100 ns  100 ns  100 ns      2 x 64",
                "  long\\u{1b}[31m  FAILED: Error: x",
                "  s               skipped",
            ]
        );
    }
}
