//! `samples/hello` beside Node's bare `http` server: what a process without walls inside gives on this machine.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bulkhead_test_support::load::{Load, Until};
use bulkhead_test_support::{Runtime, Setup};

use crate::measure::{Better, Measure};
use crate::workloads::Target;

const CONNECTIONS: usize = 64;

const SERVER: &str = "
    const server = require('http').createServer((request, response) => response.end('Hello World\\n'));
    server.listen(0, '127.0.0.1', () => console.log(server.address().port));";

/// Requests per second of Node's server, or why there are none.
pub(crate) fn node(length: Duration) -> Vec<Measure> {
    let rate = match Node::start() {
        Ok(node) => rate(node.port, length),
        Err(error) => Err(format!("`node` does not start: {error}")),
    };
    vec![measure(rate)]
}

/// The same of `runtime`.
pub(crate) fn ours(runtime: &Runtime, length: Duration) -> Vec<Measure> {
    let server = runtime.serve(Setup::sample("hello"));
    vec![measure(rate(server.port(), length))]
}

fn measure(value: Result<f64, String>) -> Measure {
    Measure {
        what: format!("hello beside Node's bare `http` server: requests per second, {CONNECTIONS} connections"),
        unit: "1/s",
        value,
        better: Better::Higher,
        target: Some(Target::AtLeast(1.0)),
    }
}

fn rate(port: u16, length: Duration) -> Result<f64, String> {
    let run = |length| {
        let load =
            Load { expect: Some(b"Hello World\n".to_vec()), ..Load::get(port, CONNECTIONS, Until::Elapsed(length)) };
        let report = load.run().map_err(|error| error.to_string())?;
        if report.wrong > 0 || report.statuses.keys().any(|status| *status != 200) {
            return Err(format!("{} wrong answers, statuses {:?}", report.wrong, report.statuses));
        }
        Ok(report.rate())
    };
    run(length / 4)?;
    run(length)
}

/// Node's server. Dropping it ends it.
struct Node {
    child: Child,
    port: u16,
}

impl Node {
    fn start() -> Result<Node, std::io::Error> {
        let mut command = Command::new("node");
        let mut child = command.args(["-e", SERVER]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line)?;
        let port = line.trim().parse().expect("the port that the script prints");
        Ok(Node { child, port })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
