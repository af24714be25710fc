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

/// A cache as the Cache API asks one: what is put is what is found.
pub(crate) const CACHE: &str = "
    const stored = new Map();
    const answers = {
        GET(request, response) {
            const found = stored.get(request.url);
            if (found === undefined) return response.writeHead(504, { 'CF-Cache-Status': 'MISS' }).end();
            response.writeHead(200, { 'CF-Cache-Status': 'HIT', 'Content-Length': found.length, ...found.headers }).end(found.body);
        },
        PUT(request, response) {
            const chunks = [];
            request.on('data', (chunk) => chunks.push(chunk)).on('end', () => {
                const all = Buffer.concat(chunks);
                const at = all.indexOf('\\r\\n\\r\\n');
                const type = /content-type: (.*)/i.exec(all.toString('latin1', 0, at))?.[1].trim() ?? 'text/plain';
                const body = all.subarray(at + 4);
                stored.set(request.url, { body, length: body.length, headers: { 'Content-Type': type } });
                response.writeHead(204).end();
            });
        },
    };
    const server = require('http').createServer((request, response) => answers[request.method](request, response));
    server.listen(0, '127.0.0.1', () => console.log(server.address().port));";

/// Requests per second of Node's server, or why there are none.
pub(crate) fn node(length: Duration) -> Vec<Measure> {
    let rate = match Node::start(SERVER) {
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

/// A server of Node's. Dropping it ends it.
pub(crate) struct Node {
    child: Child,
    pub(crate) port: u16,
}

impl Node {
    /// Starts a script that prints the port of its server.
    pub(crate) fn start(script: &str) -> Result<Node, std::io::Error> {
        let mut command = Command::new("node");
        let mut child = command.args(["-e", script]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line)?;
        let port = line.trim().parse().expect("the port that the script prints");
        Ok(Node { child, port })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
