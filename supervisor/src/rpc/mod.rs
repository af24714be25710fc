//! What the supervisor offers a worker process, and how it reads what a worker answers.
//!
//! Everything here treats its peer as hostile: a capability that a worker misuses ends that worker's connection through
//! [`Handle::violation`](bulkhead_ipc::transport::Handle::violation), and the fleet then ends the process.

pub mod body;
pub mod host;
pub mod log;
