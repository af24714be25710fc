//! What the integration tests and the benchmark share: a runtime under test ([`Runtime`], [`Server`]), HTTP clients
//! that see every byte ([`http`]), a load generator ([`load`]), a worker that misbehaves beside one that
//! must not notice ([`neighbour`]), and a view of the processes from outside ([`process`], [`held`]), and
//! the list of differences that are known ([`expectations`]), and [`certificates`].
//!
//! Everything here works on any program that speaks the reference's command line, so that the same test drives our
//! `supervisor` and the npm `workerd` binary.

pub mod certificates;
pub mod expectations;
pub mod held;
pub mod http;
pub mod load;
pub mod neighbour;
pub mod process;
pub mod runtime;
pub mod tools;

pub use runtime::{Exit, Runtime, Server, Setup};

/// Our own runtime, as `cargo test` built it for the test that calls this.
#[macro_export]
macro_rules! supervisor {
    () => {
        $crate::Runtime::supervisor(env!("CARGO_BIN_EXE_supervisor"))
    };
}
