//! The wire between the supervisor and a worker process.
//!
//! - [`worker_capnp`]: the interfaces, generated from `schema/worker.capnp`. The code is committed so that a build needs
//!   no `capnp` tool; `tests/generated.rs` says when it is stale, and `cargo run -p bulkhead-ipc --example generate`
//!   makes it anew.
//! - [`workerd_capnp`] and [`policy_capnp`]: the schemas of configuration files, generated in the same way.
//! - [`transport`]: Cap'n Proto RPC over a Unix stream socket, batched and bounded.
//! - [`blob`]: values that may be too long for a message.
//! - [`copy`]: long bytes on their way into a message.
//! - [`failure`]: what both sides say of events that failed.
//! - [`head`]: request and response heads, written and read with bounds.
//! - [`last_words`]: what a process that dies had no time to send.
//! - [`limit`]: what is said when a worker exceeds a limit.
//! - [`modules`]: questions for modules that a worker does not have.
//! - [`scheduled`]: the parameters of scheduled runs, with bounds.
//! - [`policy`]: what a worker may use, one row a limit.
//! - [`process`]: what both sides must agree on before the first message: descriptors and arguments.
#![forbid(unsafe_code)]

pub mod bench;
pub mod blob;
pub mod calls;
pub mod compatibility;
pub mod copy;
pub mod failure;
pub mod head;
pub mod last_words;
pub mod limit;
pub mod modules;
pub mod policy;
pub mod process;
pub mod scheduled;
pub mod source;
pub mod transport;

/// Code made by `capnpc`. Its documentation is the schema.
pub mod generated {
    #[rustfmt::skip]
    #[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, clippy::too_many_lines, clippy::unimplemented)]
    pub mod policy_capnp;
    #[rustfmt::skip]
    #[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, clippy::too_many_lines, clippy::unimplemented)]
    pub mod worker_capnp;
    #[rustfmt::skip]
    #[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, clippy::too_many_lines, clippy::unimplemented)]
    pub mod workerd_capnp;
}

pub use generated::{policy_capnp, worker_capnp, workerd_capnp};
