//! What one worker may use: the limits of a [`Worker`](super::model::Worker), with defaults that suit strangers.
//!
//! `docs/limits.md` tells users about each, beside the reference's production values.

use std::time::Duration;

/// The limits of one worker. A duration or size of zero means that there is no limit, where the field says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerPolicy {
    /// Processor time of the worker's process while it runs script of one event. Zero: no limit.
    pub cpu_time: Duration,
    /// Time from the start of an event to the end of its response. Zero: no limit.
    pub wall_time: Duration,
    /// Time from the end of the response to the end of what was given to `waitUntil`. Zero: no limit.
    pub wait_until: Duration,
    /// Processor time for compiling and evaluating the worker's modules. Zero: no limit.
    pub start_up_cpu_time: Duration,
    /// V8's heap, in bytes. Zero leaves V8's own default.
    pub heap_bytes: u64,
    /// Contents of `ArrayBuffer`s, all together, in bytes. Zero: only `memory_bytes` bounds them.
    pub buffer_bytes: u64,
    /// Private writable memory of the whole process beyond what it has when it starts: heap, buffers, WebAssembly memories,
    /// stacks, native code's own. Zero: no limit.
    pub memory_bytes: u64,
    /// A request's body, in bytes; more is answered with 413. Zero: no limit.
    pub request_body_bytes: u64,
    /// A response's body, in bytes; the response breaks off there. Zero: no limit.
    pub response_body_bytes: u64,
    /// Names and values of a response's headers together, in bytes. Never zero.
    pub response_head_bytes: u32,
    /// Log text that a worker keeps while the log is busy; what exceeds it is dropped and counted.
    pub log_buffer_bytes: u32,
    /// Log text for each second, over time; a burst may be sixteen times as long. Zero: no limit.
    pub log_bytes_per_second: u32,
    /// Threads of the process, V8's included.
    pub threads: u32,
    /// No code is generated: scripts are interpreted, there is no WebAssembly, and the process maps nothing executable.
    pub jitless: bool,
}

/// A body that is complete and at most this long travels inside the call or the reply, in bytes.
pub const INLINE_BODY_BYTES: u32 = 64 << 10;

impl Default for WorkerPolicy {
    fn default() -> Self {
        Self {
            cpu_time: Duration::from_secs(30),
            wall_time: Duration::from_secs(15 * 60),
            wait_until: Duration::from_secs(30),
            start_up_cpu_time: Duration::from_secs(2),
            heap_bytes: 128 << 20,
            buffer_bytes: 128 << 20,
            memory_bytes: 512 << 20,
            request_body_bytes: 500 << 20,
            response_body_bytes: 5 << 30,
            response_head_bytes: 128 << 10,
            log_buffer_bytes: 256 << 10,
            log_bytes_per_second: 64 << 10,
            threads: 16,
            jitless: false,
        }
    }
}
