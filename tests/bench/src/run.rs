//! One workload on one runtime, started afresh.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use bulkhead_test_support::http::{self, Connection};
use bulkhead_test_support::load::{Load, Report, Until};
use bulkhead_test_support::{Runtime, Server, Setup, process};
use flate2::read::GzDecoder;

use crate::measure::{Better, Measure};
use crate::workloads::{Answer, How, Request, Target, Workload};

/// Measures `workload`; the measures are the same ones for every runtime, in the same order. Where an answer is wrong there
/// is no number, but what was wrong.
pub(crate) fn workload(runtime: &Runtime, workload: &Workload, length: Duration) -> Vec<Measure> {
    let run = Run::start(runtime, workload);
    match workload.how {
        How::Rate { connections } => {
            let measured = run.answers().and_then(|()| {
                let _ = run.load(connections, Until::Elapsed(length / 4))?;
                run.load(connections, Until::Elapsed(length))
            });
            let rate = measured.clone().map(|(report, _)| report.rate());
            let each = measured.map(|(report, used)| microseconds(used) / count(report.responses()));
            vec![
                run.measure("requests per second", "1/s", rate, Some(workload.target)),
                run.measure("CPU per request", "µs", each, None),
            ]
        }
        How::PerMegabyte { requests } => {
            let megabytes = count(run.body.len() as u64) / 1e6;
            let each = run.answers().and_then(|()| {
                let (report, used) = run.load(1, Until::Requests(requests))?;
                Ok(used.as_secs_f64() * 1e3 / (megabytes * count(report.responses())))
            });
            vec![run.measure("CPU per MB", "ms", each, Some(workload.target))]
        }
        How::Calls { times } => {
            // The first one compiles what is called so often.
            let each = run.answers().and_then(|()| {
                let before = process::tree_cpu(run.server.pid());
                run.answers()?;
                let used = process::tree_cpu(run.server.pid()).saturating_sub(before);
                Ok(microseconds(used) / count(times))
            });
            vec![run.measure("CPU per call", "µs", each, Some(workload.target))]
        }
    }
}

struct Run<'a> {
    workload: &'a Workload,
    server: Server,
    /// The request's body.
    body: Vec<u8>,
    /// What has to come back, before it is compressed.
    expected: Vec<u8>,
}

impl Run<'_> {
    fn start<'a>(runtime: &Runtime, workload: &'a Workload) -> Run<'a> {
        let body = match workload.request {
            Request::Get => Vec::new(),
            Request::Post(_, body) => body(),
        };
        let expected = match (workload.answer, workload.how) {
            (Answer::Text(text), _) => text.as_bytes().to_vec(),
            (Answer::Bytes(bytes), _) => bytes(),
            (Answer::Echo | Answer::Gzip, _) => body.clone(),
            (Answer::EachTime(value), How::Calls { times }) => (value * times).to_string().into_bytes(),
            (Answer::EachTime(_), _) => panic!("{}: only calls are counted", workload.name),
        };
        let server = runtime.serve(Setup::module(&module(workload)));
        // What a runtime still does after it has come up is not part of the workload.
        std::thread::sleep(Duration::from_millis(300));
        Run { workload, server, body, expected }
    }

    /// One request on a connection of its own, and whether its answer is right.
    fn answers(&self) -> Result<(), String> {
        let (method, headers) = self.head();
        let request = http::request(method, "/", &headers, &self.body);
        let mut connection = Connection::open(self.server.port());
        let mut writer = connection.stream().try_clone().expect("another handle of the socket");
        // What comes back is read while the request is sent: a runtime may wait for the one before it takes more of the other.
        let response = std::thread::scope(|scope| {
            scope.spawn(|| writer.write_all(&request));
            connection.response(method)
        });
        let response = response.map_err(|error| format!("{error}: {}", self.server.stderr()))?;
        if response.status != 200 {
            return Err(format!("status {}: {}", response.status, self.server.stderr()));
        }
        let mut body = response.body;
        if matches!(self.workload.answer, Answer::Gzip) {
            let compressed = std::mem::take(&mut body);
            GzDecoder::new(&*compressed).read_to_end(&mut body).map_err(|error| format!("not gzip: {error}"))?;
        }
        if body == self.expected {
            return Ok(());
        }
        let start = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        Err(format!("wrong answer of {} bytes: {start:?}", body.len()))
    }

    /// A run under load, in which every answer is compared, and the processor time that the runtime used for it.
    fn load(&self, connections: usize, until: Until) -> Result<(Report, Duration), String> {
        let (method, headers) = self.head();
        let load = Load {
            request: http::request(method, "/", &headers, &self.body),
            // To unpack each would take more of the machine than what is measured: the first answer was.
            expect: (!matches!(self.workload.answer, Answer::Gzip)).then(|| self.expected.clone()),
            ..Load::get(self.server.port(), connections, until)
        };
        let before = process::tree_cpu(self.server.pid());
        let report = load.run().map_err(|error| format!("{error}: {}", self.server.stderr()))?;
        let used = process::tree_cpu(self.server.pid()).saturating_sub(before);
        if report.wrong > 0 || report.statuses.keys().any(|status| *status != 200) {
            return Err(format!("{} wrong answers, statuses {:?}", report.wrong, report.statuses));
        }
        Ok((report, used))
    }

    fn head(&self) -> (&'static str, Vec<(&'static str, &'static str)>) {
        match self.workload.request {
            Request::Get => ("GET", Vec::new()),
            Request::Post(kind, _) => ("POST", vec![("Content-Type", kind)]),
        }
    }

    fn measure(&self, what: &str, unit: &'static str, value: Result<f64, String>, target: Option<Target>) -> Measure {
        let better = if matches!(target, Some(Target::AtLeast(_))) { Better::Higher } else { Better::Lower };
        Measure { what: format!("{}: {what}", self.workload.name), unit, value, better, target }
    }
}

/// The module of a workload.
fn module(workload: &Workload) -> String {
    let Workload { top, handler, how, .. } = workload;
    let mut source = format!("{top}\nexport default {{ async fetch(request, env, ctx) {{\n");
    match how {
        How::Calls { times } => {
            let sum = format!("let sum = 0; for (let i = 0; i < {times}; i++) sum += {handler};");
            writeln!(source, "{sum} return new Response(String(sum));").expect("a string");
        }
        How::Rate { .. } | How::PerMegabyte { .. } => source.push_str(handler),
    }
    source.push_str("\n} };\n");
    source
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn count(value: u64) -> f64 {
    value as f64
}
