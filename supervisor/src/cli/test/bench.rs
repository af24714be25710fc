//! `supervisor bench`: runs the benchmarks that workers export, in the places of tests. Each is timed in its worker's process, which
//! tells the samples; what they mean is computed here.

mod report;

use std::{
    io::Write as _,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use serde::Deserialize;

use self::report::{Group, Outcome, Summary};
use super::{
    super::{
        args::{BenchArgs, BenchFormat},
        not_supported,
        serve::{end, serve},
        setup::{self, Origin},
    },
    BenchFilter, Run, Tests, label, loopback,
};
use crate::{config::ServiceId, log::Entry, service::Event};

/// How benchmarks are run.
pub(super) struct Benches {
    bench: bulkhead_ipc::bench::Bench,
    format: BenchFormat,
    output: Option<PathBuf>,
}

/// Runs the benchmarks, and says what came of them.
pub(in crate::cli) fn run(arguments: BenchArgs, verbose: bool) -> ExitCode {
    if let Some(option) = arguments.missing.given().first() {
        return not_supported(&format!("the option {option}"));
    }
    if arguments.trace {
        return not_supported("the option --trace");
    }
    let filter = arguments.filter.as_ref();
    let benches = Benches {
        bench: BenchFilter::bench(filter, arguments.quick),
        format: arguments.format,
        output: arguments.output.clone(),
    };
    let date = arguments.compat_date.clone().map(|date| if date == "latest" { "9999-12-31".to_owned() } else { date });
    let tests = Tests {
        filter: filter.map(|filter| filter.tests.clone()).unwrap_or_default(),
        jobs: 1,
        shuffle: None,
        explains: !arguments.no_verbose,
        // Standard output is for the results.
        json: benches.output.is_none() && benches.format == BenchFormat::Json,
        junit: None,
        predictable: false,
        gc_stress: false,
        benches: Some(benches),
        compat_date: date,
        loopback: loopback(),
        watched: Default::default(),
    };
    let BenchArgs { source, common, directory_path, missing, .. } = arguments;
    let origin = Origin::named(source, tests.filter.const_name.clone(), &common.policy);
    let options = tests.serve_options(common, directory_path, missing);
    end(origin.and_then(|origin| serve(&origin, setup::worker_beside()?.into(), &options, verbose, Some(tests))))
}

/// What a worker says of the benchmarks of an entrypoint.
#[derive(Debug, Deserialize)]
struct Told {
    error: Option<String>,
    overhead: Option<report::Overhead>,
    cases: Vec<ToldCase>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToldCase {
    name: String,
    status: Status,
    error: Option<String>,
    #[serde(default)]
    is_async: bool,
    #[serde(default)]
    calls: f64,
    #[serde(default)]
    wall: Vec<f64>,
    #[serde(default)]
    cpu: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Skipped,
    Failed,
}

impl ToldCase {
    fn outcome(self, overhead: Option<&report::Overhead>) -> Outcome {
        match self.status {
            Status::Skipped => Outcome::Skipped,
            Status::Failed => Outcome::Failed(self.error.unwrap_or_default()),
            Status::Ok => {
                let own = overhead.map_or(0.0, |own| if self.is_async { own.async_ns } else { own.sync_ns });
                match (Summary::new(&self.wall), Summary::new(&self.cpu)) {
                    (Some(wall), Some(cpu)) => Outcome::Timed {
                        calls: self.calls,
                        at_floor: wall.median <= own,
                        wall: Box::new(wall),
                        cpu: Box::new(cpu),
                    },
                    _ => Outcome::Failed("its worker told no samples".to_owned()),
                }
            }
        }
    }
}

impl Run<'_> {
    /// Runs the benchmarks of all of these workers, one after the other.
    pub(super) async fn benches(&self, benches: &Benches, services: &[&ServiceId]) -> Result<ExitCode, String> {
        let mut groups = Vec::new();
        for service in services {
            match self.tests_of(service).await {
                Ok(entrypoints) => {
                    for entrypoint in entrypoints {
                        groups.push(self.bench(benches, service, &entrypoint).await);
                    }
                }
                Err(reason) => {
                    let name = service.as_str();
                    self.begin_bench(name).await;
                    groups.push(self.end_bench(Group::failed(name, reason), Duration::ZERO).await);
                }
            }
            self.leave(service);
        }
        self.tests.watched().status.clear();
        self.log.flush().await;
        let text = match benches.format {
            BenchFormat::Text => report::text(&groups),
            BenchFormat::Json => report::json(&groups),
        };
        let written = match &benches.output {
            Some(path) => {
                std::fs::write(path, text).map_err(|error| format!("error: --output={}: {error}", path.display()))
            }
            None => std::io::stdout().lock().write_all(text.as_bytes()).map_err(|error| format!("error: {error}")),
        };
        written?;
        if groups.is_empty() {
            self.log.write(Entry::result(report::NONE_FOUND)).await;
        }
        if groups.is_empty() || groups.iter().any(Group::has_failed) {
            self.log.write(Entry::result(report::FAILED)).await;
            return Ok(ExitCode::FAILURE);
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn bench(&self, benches: &Benches, service: &ServiceId, entrypoint: &str) -> Group {
        let name = label(service.as_str(), entrypoint);
        self.begin_bench(&name).await;
        let begun = Instant::now();
        let told = self.call(service, entrypoint, Event::Bench(benches.bench.clone())).await;
        let group = match told.map(|report| serde_json::from_str::<Told>(&report.unwrap_or_default())) {
            Err(reason) => Group::failed(&name, reason),
            Ok(Err(error)) => Group::failed(&name, format!("its worker told nothing that is a report: {error}")),
            Ok(Ok(Told { error: Some(error), .. })) => Group::failed(&name, error),
            Ok(Ok(Told { error: None, overhead, cases })) => {
                let mut group = Group { name, overhead, cases: Vec::new(), error: None };
                for case in cases {
                    let (name, outcome) = (case.name.clone(), case.outcome(group.overhead.as_ref()));
                    if let Some(line) = report::case_line(&group.name, &name, &outcome) {
                        self.log.write(Entry::result(self.explained(&line))).await;
                    }
                    group.cases.push((name, outcome));
                }
                group
            }
        };
        self.end_bench(group, begun.elapsed()).await
    }

    /// A line about what has failed, without the reason if nobody wants to know.
    fn explained<'a>(&self, line: &'a str) -> &'a str {
        if self.tests.explains { line } else { line.lines().next().unwrap_or_default() }
    }

    async fn begin_bench(&self, name: &str) {
        self.log.flush().await;
        self.tests.watched().status = self.progress.line(name);
        self.log.write(Entry::result(&report::begun(name))).await;
    }

    async fn end_bench(&self, group: Group, took: Duration) -> Group {
        self.log.flush().await;
        self.log.write(Entry::result(self.explained(&report::ended(&group, took)))).await;
        let count = if group.has_failed() { &self.progress.failed } else { &self.progress.passed };
        count.update(|count| count + 1);
        group
    }
}
