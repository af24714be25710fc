//! The resource limits' rows.

/// How high a resource limit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ceiling {
    /// This much.
    Of(u64),
    /// The descriptors that were handed over, those above them that the policy allows, and the three standard ones.
    Descriptors,
    /// As many threads as the policy says.
    Threads,
    /// The longest file of an actor, in bytes; 0 without storage.
    FileBytes,
    /// Private writable memory, in bytes above what the process has when it is sealed; unlimited when the policy says so.
    Data,
    /// Address space, in bytes above what the process has when it is sealed.
    AddressSpace,
}

/// A row of the resource limits, soft and hard alike, the same in every profile.
#[derive(Clone, Copy, Debug)]
pub struct LimitRow {
    /// The name without `RLIMIT_`.
    pub name: &'static str,
    /// The kernel's number.
    pub resource: libc::__rlimit_resource_t,
    /// How high.
    pub ceiling: Ceiling,
    /// Why.
    pub reason: &'static str,
}

const fn limit(
    name: &'static str,
    resource: libc::__rlimit_resource_t,
    ceiling: Ceiling,
    reason: &'static str,
) -> LimitRow {
    LimitRow { name, resource, ceiling, reason }
}

/// The resource limits.
pub const LIMITS: &[LimitRow] = &[
    limit("NOFILE", libc::RLIMIT_NOFILE, Ceiling::Descriptors, "The tables of the kernel are not filled."),
    limit("NPROC", libc::RLIMIT_NPROC, Ceiling::Threads, "Nor its process table. Counted for the worker's own user."),
    limit("CORE", libc::RLIMIT_CORE, Ceiling::Of(0), "A tenant's memory does not end up on disk."),
    limit("FSIZE", libc::RLIMIT_FSIZE, Ceiling::FileBytes, "The quota of one file. Without storage no file grows."),
    limit("MEMLOCK", libc::RLIMIT_MEMLOCK, Ceiling::Of(0), "No memory is kept from being swapped out."),
    limit("MSGQUEUE", libc::RLIMIT_MSGQUEUE, Ceiling::Of(0), "No POSIX message queues."),
    limit("LOCKS", libc::RLIMIT_LOCKS, Ceiling::Of(0), "Old kernels count file locks here; newer ones ignore it."),
    limit("RTPRIO", libc::RLIMIT_RTPRIO, Ceiling::Of(0), "No priority before others."),
    limit("NICE", libc::RLIMIT_NICE, Ceiling::Of(0), "No priority before others."),
    limit("SIGPENDING", libc::RLIMIT_SIGPENDING, Ceiling::Of(64), "Queued signals take memory of the kernel."),
    limit(
        "DATA",
        libc::RLIMIT_DATA,
        Ceiling::Data,
        "Buffers, WebAssembly and native memory together. Where the policy sets it.",
    ),
    limit(
        "STACK",
        libc::RLIMIT_STACK,
        Ceiling::Of(8 << 20),
        "The stack of the first thread, which DATA does not count. What it usually is; an operator may have lifted it.",
    ),
    limit(
        "AS",
        libc::RLIMIT_AS,
        Ceiling::AddressSpace,
        "Page tables, which nothing else counts: whoever reads from enough empty memory fills the machine with them.",
    ),
];
