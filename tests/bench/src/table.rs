//! The table that is printed: medians over the rounds, ratios of pairs.

use std::fmt::Write as _;

use crate::measure::{Better, Measure, median};
use crate::workloads::Target;

/// What (the other runtime, ours) gave in one round. Both have the same measures.
pub(crate) type Round = (Vec<Measure>, Vec<Measure>);

/// The head of the table.
pub(crate) const HEAD: &str = "| measure | workerd | ours | ratio | spread of the ratio | better | target | |\n\
    |---|--:|--:|--:|---|---|---|---|\n";

/// One row for each measure.
pub(crate) fn rows(rounds: &[Round]) -> String {
    let mut text = String::new();
    for (index, measure) in rounds[0].0.iter().enumerate() {
        let pairs = rounds.iter().map(|(theirs, ours)| (&theirs[index].value, &ours[index].value));
        let cells = match pairs.map(both).collect::<Result<Vec<_>, _>>() {
            Ok(pairs) => numbers(measure, &pairs),
            Err(reason) => format!("not measured: {reason} | | | | | |"),
        };
        writeln!(text, "| {} | {cells}", measure.what).expect("a string");
    }
    text
}

fn both(pair: (&Result<f64, String>, &Result<f64, String>)) -> Result<(f64, f64), String> {
    match pair {
        (Ok(theirs), Ok(ours)) => Ok((*theirs, *ours)),
        (Err(reason), _) => Err(format!("theirs: {}", cell(reason))),
        (_, Err(reason)) => Err(format!("ours: {}", cell(reason))),
    }
}

fn numbers(measure: &Measure, pairs: &[(f64, f64)]) -> String {
    let (theirs, ours): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let mut ratios: Vec<f64> = pairs.iter().map(|(theirs, ours)| ours / theirs).collect();
    ratios.sort_by(f64::total_cmp);
    // As it is printed, so that what is said of it is what can be read.
    let ratio = (median(&ratios) * 100.0).round() / 100.0;
    let (better, verdict) = match measure.better {
        Better::Higher => ("higher", verdict(ratio)),
        Better::Lower => ("lower", verdict(1.0 / ratio)),
        Better::Neither => ("", ""),
    };
    let (target, missed) = match measure.target {
        Some(Target::AtLeast(least)) => (format!("at least {least}"), ratio < least),
        Some(Target::AtMost(most)) => (format!("at most {most}"), ratio > most),
        None => (String::new(), false),
    };
    let unit = measure.unit;
    format!(
        "{} {unit} | {} {unit} | {ratio:.2} | {:.2} to {:.2} | {better} | {target} | {verdict}{} |",
        figure(median(&theirs)),
        figure(median(&ours)),
        ratios[0],
        ratios[ratios.len() - 1],
        if missed { ", target missed" } else { "" },
    )
}

fn verdict(gain: f64) -> &'static str {
    match gain {
        gain if gain > 1.1 => "ahead",
        gain if gain < 0.9 => "behind",
        _ => "equal",
    }
}

/// Text that stays in its cell.
fn cell(text: &str) -> String {
    text.replace(['|', '\n', '\r'], " ").trim().to_owned()
}

/// Three significant digits.
fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
