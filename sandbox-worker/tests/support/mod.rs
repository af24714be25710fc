//! The library's test support, with isolates that start from the snapshot, as those of the program.
#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test program uses a part of it")]

use bulkhead_ipc::policy_capnp::limits;
use bulkhead_sandbox_worker::testing;
pub use bulkhead_sandbox_worker::testing::{Outcome, Served, Told};

fn start() {
    testing::use_snapshot(bulkhead_snapshot::SNAPSHOT, bulkhead_snapshot::CODE_CACHES);
}

/// See [`testing::eval`].
pub fn eval(source: &str) -> String {
    start();
    testing::eval(source)
}

/// See [`testing::eval_logged`].
pub fn eval_logged(source: &str) -> (String, Vec<String>) {
    start();
    testing::eval_logged(source)
}

/// See [`testing::check`].
#[track_caller]
pub fn check(source: &str, expected: &str) {
    start();
    testing::check(source, expected);
}

/// See [`testing::serve`].
pub fn serve<R>(
    module: &str,
    flags: &[&str],
    heap_bytes: usize,
    set_limits: impl FnOnce(limits::Builder<'_>),
    body: impl AsyncFnOnce(Served) -> R,
) -> Result<R, (String, std::rc::Rc<Told>)> {
    start();
    testing::serve(module, flags, heap_bytes, set_limits, body)
}

/// See [`testing::serve_script`].
pub fn serve_script<R>(script: &str, body: impl AsyncFnOnce(Served) -> R) -> Result<R, (String, std::rc::Rc<Told>)> {
    start();
    testing::serve_script(script, body)
}
