//! What a worker process may do, as data, and the code that makes it so.
//!
//! This is the crate with the `unsafe` system code. The supervisor uses [`spawn`] to start a worker and [`check`] to say
//! what this machine can enforce; the worker calls [`enter::prepare`] as the first thing in `main` and [`enter::Prepared::seal`]
//! before it reads a byte that a tenant controls. The rules themselves are rows in [`table`]: the system call filter, its
//! tests and `docs/security/policy.md` are all made from them.

#[cfg(not(target_os = "linux"))]
compile_error!("Bulkhead's sandbox is made of Linux system calls");

mod alone;
pub mod cgroup;
pub mod check;
pub mod enter;
mod filter;
pub mod inherited;
pub mod memory;
pub mod names;
#[cfg(feature = "probes")]
pub mod probe;
pub mod report;
pub mod spawn;
mod sys;
pub mod table;
pub mod timers;

pub use filter::{FilterError, Instruction, programs};
