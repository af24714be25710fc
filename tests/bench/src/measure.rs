//! What is measured of a runtime as a whole, each time started afresh: how it starts, serves, and grows with workers.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use bulkhead_test_support::http::Connection;
use bulkhead_test_support::load::{Load, Until};
use bulkhead_test_support::{Runtime, Server, Setup, process};

use crate::workloads::Target;

/// What to measure.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Length of a run under load.
    pub(crate) load: Duration,
    /// Connections of each run under load.
    pub(crate) connections: Vec<usize>,
    /// Workers of the large configuration.
    pub(crate) workers: usize,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    Higher,
    Lower,
    /// Not a property of the runtime: shown without a judgement.
    Neither,
}

/// One measured number.
#[derive(Clone, Debug)]
pub(crate) struct Measure {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    /// Why there is none: a wrong answer is no measurement.
    pub(crate) value: Result<f64, String>,
    pub(crate) better: Better,
    pub(crate) target: Option<Target>,
}

impl Measure {
    fn new(what: impl Into<String>, unit: &'static str, value: f64, better: Better) -> Measure {
        Measure { what: what.into(), unit, value: Ok(value), better, target: None }
    }

    fn target(self, target: Target) -> Measure {
        Measure { target: Some(target), ..self }
    }
}

/// From starting the process to the first response.
pub(crate) fn start_up(runtime: &Runtime) -> Vec<Measure> {
    let starts: Vec<f64> = (0..5).map(|_| start_to_first_byte(runtime)).collect();
    let measure = Measure::new("start-up to first byte", "ms", median(&starts), Better::Lower);
    vec![measure.target(Target::AtMost(1.0))]
}

/// `samples/hello` at rest and under load.
pub(crate) fn hello(runtime: &Runtime, plan: &Plan) -> Vec<Measure> {
    let server = runtime.serve(Setup::sample("hello"));
    answered(&server, "http");
    settle();
    let idle = megabytes(process::tree_proportional_set(server.pid()));
    let mut measures = vec![Measure::new("proportional set size, idle", "MB", idle, Better::Lower)];
    for &connections in &plan.connections {
        let _ = run(&server, connections, plan.load / 4);
        let before = (process::tree_cpu(server.pid()), own_cpu());
        let (report, set_size) = run(&server, connections, plan.load);
        let after = (process::tree_cpu(server.pid()), own_cpu());
        let per_request = (after.0.saturating_sub(before.0)).as_secs_f64() * 1e6 / report.responses() as f64;
        let share = (after.1.saturating_sub(before.1)).as_secs_f64() / report.elapsed.as_secs_f64();
        let mut add = |what: &str, unit, value, better| {
            let what = format!("{what}, {connections} connection{}", if connections == 1 { "" } else { "s" });
            measures.push(Measure::new(what, unit, value, better));
        };
        add("requests per second", "1/s", report.rate(), Better::Higher);
        add("p50", "ms", milliseconds(report.percentile(0.5)), Better::Lower);
        add("p99", "ms", milliseconds(report.percentile(0.99)), Better::Lower);
        add("CPU per request, all processes", "µs", per_request, Better::Lower);
        add("proportional set size under load", "MB", set_size, Better::Lower);
        add("load generator's share of one core", "%", share * 100.0, Better::Neither);
        if connections == 64 {
            let rate = measures.iter_mut().find(|measure| measure.what == "requests per second, 64 connections");
            rate.expect("the measure just added").target = Some(Target::AtLeast(2.5));
        }
    }
    measures
}

/// Workers of which each is asked once.
pub(crate) fn many(runtime: &Runtime, plan: &Plan) -> Vec<Measure> {
    let server = runtime.serve(many_workers(1));
    answered(&server, "socket0");
    settle();
    let one = process::tree_proportional_set(server.pid());
    drop(server);
    let server = runtime.serve(many_workers(plan.workers));
    settle();
    // A pause before each in the first half: long enough for a process to take the place of the one before in a reserve.
    let (mut calm, mut hasty): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
    for index in 0..plan.workers {
        let is_calm = index < plan.workers / 2;
        if is_calm {
            std::thread::sleep(Duration::from_millis(50));
        }
        let begin = Instant::now();
        answered(&server, &format!("socket{index}"));
        if is_calm { &mut calm } else { &mut hasty }.push(begin.elapsed());
    }
    calm.sort_unstable();
    hasty.sort_unstable();
    settle();
    let all = process::tree_proportional_set(server.pid());
    let further = plan.workers.saturating_sub(1).max(1);
    let per_worker = megabytes(all.saturating_sub(one)) / further as f64;
    let hit = |what, time| Measure::new(what, "ms", milliseconds(time), Better::Lower);
    let memory = format!("memory per further worker ({} workers)", plan.workers);
    vec![
        hit("first hit of a worker, with a pause before, median", calm[calm.len() / 2]).target(Target::AtMost(1.0)),
        hit("first hit of a worker, with a pause before, slowest", calm[calm.len() - 1]),
        hit("first hit of a worker, one after the other, median", hasty[hasty.len() / 2]),
        hit("first hit of a worker, one after the other, slowest", hasty[hasty.len() - 1]),
        Measure::new(memory, "MB", per_worker, Better::Lower).target(Target::AtMost(1.8)),
    ]
}

/// A run, and the proportional set size half-way through it in megabytes.
fn run(server: &Server, connections: usize, length: Duration) -> (bulkhead_test_support::load::Report, f64) {
    let load = Load {
        expect: Some(b"Hello World\n".to_vec()),
        ..Load::get(server.port(), connections, Until::Elapsed(length))
    };
    let pid = server.pid();
    let sampler = std::thread::spawn(move || {
        std::thread::sleep(length / 2);
        megabytes(process::tree_proportional_set(pid))
    });
    let report = load.run().unwrap_or_else(|error| panic!("{}: {error}\n{}", server.name(), server.stderr()));
    assert!(report.statuses.keys().eq([200].iter()), "{}: {:?}", server.name(), report.statuses);
    assert_eq!(report.wrong, 0, "{}: wrong bodies", server.name());
    (report, sampler.join().expect("the sampler"))
}

fn start_to_first_byte(runtime: &Runtime) -> f64 {
    let server = runtime.serve(Setup::sample("hello"));
    answered(&server, "http");
    milliseconds(server.started().elapsed())
}

/// One GET on a new connection that has to be answered with 200.
fn answered(server: &Server, socket: &str) {
    let mut connection = Connection::open(server.port_of(socket));
    let response = connection.request("GET", "/", &[], b"").expect("a response");
    assert_eq!(response.status, 200, "{}: {}", server.name(), server.stderr());
}

/// `count` services with the same small worker, each on a socket of its own.
fn many_workers(count: usize) -> Setup {
    let mut text =
        "using Workerd = import \"/workerd/workerd.capnp\";\nconst config :Workerd.Config = (\n  services = [\n"
            .to_owned();
    for index in 0..count {
        writeln!(text, "    (name = \"worker{index}\", worker = .hello),").expect("a string");
    }
    text.push_str("  ],\n  sockets = [\n");
    for index in 0..count {
        let socket =
            format!("name = \"socket{index}\", address = \"127.0.0.1:0\", http = (), service = \"worker{index}\"");
        writeln!(text, "    ({socket}),").expect("a string");
    }
    text.push_str("  ],\n);\n");
    text.push_str(
        "const hello :Workerd.Worker = (\n  modules = [ (name = \"worker\", esModule = embed \"worker.js\") ],\n",
    );
    text.push_str("  compatibilityDate = \"2026-08-01\",\n);\n");
    Setup::config(&text)
        .file("worker.js", "export default { async fetch() { return new Response('Hello World\\n'); } };")
        .sockets(count)
}

/// Gives a runtime time to end what it does in the background after a start.
fn settle() {
    std::thread::sleep(Duration::from_millis(700));
}

/// Processor time of this process alone: the children are the runtime.
fn own_cpu() -> Duration {
    let usage =
        nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).expect("getrusage of this process");
    let time = |value: nix::sys::time::TimeVal| {
        let microseconds = value.tv_sec() * 1_000_000 + value.tv_usec();
        Duration::from_micros(u64::try_from(microseconds).expect("time that was used"))
    };
    time(usage.user_time()) + time(usage.system_time())
}

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
