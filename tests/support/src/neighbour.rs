//! A worker that misbehaves, beside one that must not notice.

use std::thread::{self, JoinHandle};

use crate::{
    Setup, http,
    load::{Load, Report, Until},
    runtime,
};

/// What the neighbour answers.
const HELLO: &str = "Hello World\n";

/// `(module (func (export "f") (loop (br 0))))`.
const LOOP: &[u8] = &[
    0, b'a', b's', b'm', 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, b'f', 0, 0, 10, 9, 1, 7, 0, 3, 0x40,
    12, 0, 11, 11,
];

/// Two worker services, each behind the socket of its name: `left` runs `source` with these limits (a list of fields; none: the defaults), and
/// may import `loop.wasm`, whose function `f` never returns; `right` is the neighbour.
pub fn beside(source: &str, limits: &str) -> Setup {
    // Without limits it is a configuration that the reference reads too.
    let policy = match limits {
        "" => String::new(),
        limits => format!(
            r#"using Bulkhead = import "/bulkhead/policy.capnp";
const policy :Bulkhead.Policy = ( workers = [ (name = "left", limits = ({limits})) ] );
"#
        ),
    };
    Setup::config(&format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "left", worker = .left), (name = "right", worker = .right) ],
  sockets = [
    (name = "left", address = "127.0.0.1:0", http = (), service = "left"),
    (name = "right", address = "127.0.0.1:0", http = (), service = "right")
  ]
);
const left :Workerd.Worker = ( modules = [ (name = "worker", esModule = embed "left.js"), (name = "loop.wasm", wasm = embed "loop.wasm") ], compatibilityDate = "2026-08-01" );
const right :Workerd.Worker = ( modules = [ (name = "worker", esModule = embed "right.js") ], compatibilityDate = "2026-08-01" );
{policy}"#
    ))
    .file("left.js", source)
    .file("right.js", format!("export default {{ fetch() {{ return new Response({HELLO:?}); }} }};"))
    .file("loop.wasm", LOOP)
    .sockets(2)
}

/// The neighbour under load, in the background.
#[derive(Debug)]
pub struct Neighbour(JoinHandle<Report>);

impl Neighbour {
    /// Puts the neighbour under load.
    pub fn load(port: u16, connections: usize, until: Until) -> Self {
        let load = Load { expect: Some(HELLO.into()), ..Load::get(port, connections, until) };
        Self(thread::spawn(move || load.run().expect("no connection to the neighbour breaks")))
    }

    /// Waits for the end of the load; `what` was going on meanwhile.
    ///
    /// # Panics
    ///
    /// When a connection broke, or an answer was not what it has to be.
    pub fn noticed_nothing(self, what: &str) {
        let report = self.0.join().expect("the load");
        let statuses: Vec<u16> = report.statuses.keys().copied().collect();
        assert_eq!((statuses, report.wrong), (vec![200], 0), "{what}");
    }
}

/// Waits until a worker answers `/` with `fine`.
///
/// # Panics
///
/// When it does not in all that time.
pub fn back_in_service(port: u16) {
    runtime::wait_until("the service to be back", || {
        http::get(port, "/").is_ok_and(|response| response.status == 200 && response.text() == "fine")
    });
}
