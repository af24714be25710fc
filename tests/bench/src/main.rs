//! Measures the npm `workerd` binary and ours in turns, on the same configurations, in one run, and prints a table of
//! medians and ratios for `docs/performance.md`.
//!
//! Every round starts each runtime afresh for each row, one after the other, and asks it the same; the order alternates
//! from round to round. A ratio is the median over the rounds of (ours / reference), so that what slows the machine down for a
//! while hits both.

mod backend;
mod measure;
mod node;
mod reach;
mod run;
mod sockets;
mod table;
mod workloads;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bulkhead_test_support::{Runtime, tools};
use clap::Parser;

use crate::measure::{Measure, Plan};
use crate::reach::{REACHES, Reach};
use crate::sockets::{ECHOES, Echo};
use crate::table::Round;
use crate::workloads::{WORKLOADS, Workload};

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

    /// Measures only the rows with one of these texts in their name.
    #[arg(long, value_delimiter = ',', value_name = "TEXT")]
    only: Vec<String>,

    /// Prints the names of the rows and measures nothing.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let chosen: Vec<Row> = rows()
        .into_iter()
        .filter(|row| options.only.is_empty() || options.only.iter().any(|part| row.name().contains(part.as_str())))
        .collect();
    if chosen.is_empty() {
        eprintln!("no row has a name with any of {:?} in it; `--list` shows the names", options.only);
        return ExitCode::FAILURE;
    }
    if options.list {
        chosen.iter().for_each(|row| println!("{}", row.name()));
        return ExitCode::SUCCESS;
    }
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
    let mut measured: Vec<Vec<Round>> = chosen.iter().map(|_| Vec::new()).collect();
    for round in 0..options.rounds {
        for (row, rounds) in chosen.iter().zip(&mut measured) {
            eprintln!("round {} of {}: {}", round + 1, options.rounds, row.name());
            rounds.push(if round % 2 == 0 {
                let theirs = row.measure(&reference, &plan, Side::Theirs);
                (theirs, row.measure(&ours, &plan, Side::Ours))
            } else {
                let ours = row.measure(&ours, &plan, Side::Ours);
                (row.measure(&reference, &plan, Side::Theirs), ours)
            });
        }
    }
    print!("{}", table::HEAD);
    measured.iter().for_each(|rounds| print!("{}", table::rows(rounds)));
    ExitCode::SUCCESS
}

/// What can be chosen with `--only`: it gives one row of the table or a few.
enum Row {
    StartUp,
    Hello,
    Node,
    Many,
    Workload(&'static Workload),
    Reach(&'static Reach),
    Echo(&'static Echo),
}

/// Which of the two runtimes is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Theirs,
    Ours,
}

fn rows() -> Vec<Row> {
    let mut rows = vec![Row::StartUp, Row::Hello, Row::Node, Row::Many];
    rows.extend(WORKLOADS.iter().map(Row::Workload));
    rows.extend(REACHES.iter().map(Row::Reach));
    rows.extend(ECHOES.iter().map(Row::Echo));
    rows
}

impl Row {
    fn name(&self) -> &'static str {
        match self {
            Row::StartUp => "start-up",
            Row::Hello => "hello",
            Row::Node => "hello beside Node",
            Row::Many => "many workers",
            Row::Workload(workload) => workload.name,
            Row::Reach(reach) => reach.name,
            Row::Echo(echo) => echo.name,
        }
    }

    fn measure(&self, runtime: &Runtime, plan: &Plan, side: Side) -> Vec<Measure> {
        match self {
            Row::StartUp => measure::start_up(runtime),
            Row::Hello => measure::hello(runtime, plan),
            // Node's server stands in the other runtime's place.
            Row::Node if side == Side::Theirs => node::node(plan.load),
            Row::Node => node::ours(runtime, plan.load),
            Row::Many => measure::many(runtime, plan),
            Row::Workload(workload) => run::workload(runtime, workload, plan.load),
            Row::Reach(reach) => reach::reach(runtime, reach, plan.load, side == Side::Ours),
            Row::Echo(echo) => sockets::echo(runtime, echo, plan.load),
        }
    }
}
