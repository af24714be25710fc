//! The table that is printed: medians over the rounds, ratios of pairs.

use std::fmt::Write as _;

use crate::measure::{Better, Measure, median};

/// One row for each measure. `rounds` holds what (reference, ours) gave in each round.
pub(crate) fn markdown(rounds: &[(Vec<Measure>, Vec<Measure>)]) -> String {
    let mut text = String::new();
    text.push_str(
        "| measure | workerd | ours | ratio | spread of the ratio | better | |\n|---|--:|--:|--:|---|---|---|\n",
    );
    for (index, measure) in rounds[0].0.iter().enumerate() {
        let reference: Vec<f64> = rounds.iter().map(|(reference, _)| reference[index].value).collect();
        let ours: Vec<f64> = rounds.iter().map(|(_, ours)| ours[index].value).collect();
        let mut ratios: Vec<f64> = reference.iter().zip(&ours).map(|(reference, ours)| ours / reference).collect();
        ratios.sort_by(f64::total_cmp);
        let ratio = median(&ratios);
        let (better, verdict) = match measure.better {
            Better::Higher => ("higher", verdict(ratio)),
            Better::Lower => ("lower", verdict(1.0 / ratio)),
            Better::Neither => ("", ""),
        };
        let unit = measure.unit;
        writeln!(
            text,
            "| {} | {} {unit} | {} {unit} | {ratio:.2} | {:.2} to {:.2} | {better} | {verdict} |",
            measure.what,
            figure(median(&reference)),
            figure(median(&ours)),
            ratios[0],
            ratios[ratios.len() - 1],
        )
        .expect("a string");
    }
    text
}

fn verdict(gain: f64) -> &'static str {
    match gain {
        gain if gain > 1.1 => "ahead",
        gain if gain < 0.9 => "behind",
        _ => "equal",
    }
}

/// Three significant digits.
fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
