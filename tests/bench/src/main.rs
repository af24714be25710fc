//! Measures the npm `workerd` binary and ours in turns, on the same configurations, in one run, and prints a table of
//! medians and ratios for `docs/performance.md`.
//!
//! Every round starts each runtime afresh, one after the other, and asks it the same; the order within a round
//! alternates. A ratio is the median over the rounds of (ours / reference), so that what slows the machine down for a
//! while hits both.

mod measure;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bulkhead_test_support::{Runtime, tools};
use clap::Parser;

use crate::measure::Plan;

/// Compare two runtimes.
#[derive(Debug, Parser)]
struct Options {
    /// Our binary; `supervisor` beside this program unless given.
    #[arg(long, value_name = "PATH")]
    ours: Option<PathBuf>,

    /// The binary to compare with; the npm `workerd` binary unless given.
    #[arg(long, value_name = "PATH")]
    reference: Option<PathBuf>,

    /// How many times each runtime is started and measured.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Length of each run under load, after a warm-up of a quarter of it.
    #[arg(long, default_value_t = 4.0, value_name = "SECONDS")]
    seconds: f64,

    /// Connections of the runs under load.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64, 256])]
    connections: Vec<usize>,

    /// How many workers the configuration with many workers has.
    #[arg(long, default_value_t = 100)]
    workers: usize,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let beside = std::env::current_exe().expect("this program's path").with_file_name("supervisor");
    let ours = options.ours.unwrap_or(beside);
    if !ours.is_file() {
        eprintln!("{} is missing: run `cargo build --release --workspace` first", ours.display());
        return ExitCode::FAILURE;
    }
    // The runtimes start in directories of their own.
    let absolute = |path: PathBuf| std::path::absolute(path).expect("a path");
    let reference = options.reference.map_or_else(tools::workerd, absolute);
    let reference = Runtime { name: "reference", program: reference };
    let ours = Runtime { name: "ours", program: absolute(ours) };
    let plan = Plan {
        load: Duration::from_secs_f64(options.seconds),
        connections: options.connections,
        workers: options.workers,
    };
    let mut rounds = Vec::new();
    for round in 0..options.rounds {
        eprintln!("round {} of {}", round + 1, options.rounds);
        let (reference, ours) = if round % 2 == 0 {
            let reference = measure::runtime(&reference, &plan);
            (reference, measure::runtime(&ours, &plan))
        } else {
            let ours = measure::runtime(&ours, &plan);
            (measure::runtime(&reference, &plan), ours)
        };
        rounds.push((reference, ours));
    }
    print!("{}", table::markdown(&rounds));
    ExitCode::SUCCESS
}
