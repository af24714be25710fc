//! What is said when a worker exceeds a limit.

use crate::worker_capnp::Limit;

/// For the log, and for some of the limits what the client reads. In the reference's words where it has some.
pub fn text(limit: Limit) -> &'static str {
    match limit {
        Limit::CpuTime => "Worker exceeded CPU time limit.",
        Limit::WallTime => "Worker exceeded wall time limit.",
        Limit::WaitUntil => {
            "waitUntil() tasks did not complete within the allowed time after invocation end and have been cancelled."
        }
        Limit::StartUp => "Script startup exceeded CPU time limit.",
        Limit::Memory => "Worker exceeded memory limit.",
        Limit::ResponseHead => "Worker exceeded response header size limit.",
        Limit::ResponseBody => "Worker exceeded response body size limit.",
    }
}
