//! The table: which system calls a worker may make, with which arguments, for which part of the code, and why.
//!
//! The filter, its tests and `docs/security/policy.md` are all made from [`ROWS`]. To change what a worker may do, change
//! a row, then refresh the document with `BULKHEAD_REFRESH=1 cargo test -p bulkhead-policy --lib policy_document` and
//! read its diff.
//!
//! What no row mentions is refused: see [`Refusal`](crate::enter::Refusal).

use std::fmt::Write;

use crate::names::Arch;

/// Which worker a row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// A worker without storage. It opens no path at all.
    Stateless,
}

impl Profile {
    /// Every profile there is.
    pub const ALL: [Self; 1] = [Self::Stateless];

    /// The name in documents and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stateless => "stateless",
        }
    }
}

/// What happens to a call that matches a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is made.
    Allow,
    /// It is not made and fails with this error.
    Errno(Errno),
    /// The process dies at once, without a word.
    Kill,
}

/// The errors that refused calls can give. Few, because each is a filter program of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Errno {
    /// "No such file": the truth in an empty root.
    Noent,
    /// "Not permitted".
    Perm,
    /// "No such call": what an older kernel says, so that a library falls back.
    Nosys,
    /// "Not a terminal".
    Notty,
}

impl Errno {
    /// Every error that rows use.
    pub const ALL: [Self; 4] = [Self::Noent, Self::Perm, Self::Nosys, Self::Notty];

    /// The number, as in `errno`.
    pub const fn number(self) -> i32 {
        match self {
            Self::Noent => libc::ENOENT,
            Self::Perm => libc::EPERM,
            Self::Nosys => libc::ENOSYS,
            Self::Notty => libc::ENOTTY,
        }
    }

    /// The usual name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Noent => "ENOENT",
            Self::Perm => "EPERM",
            Self::Nosys => "ENOSYS",
            Self::Notty => "ENOTTY",
        }
    }
}

/// Who in the worker needs the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// The engine: heap, compiler, garbage collection, helper threads.
    V8,
    /// The C library and its allocator and threads.
    Libc,
    /// Rust's standard library.
    Std,
    /// The async runtime and the RPC transport.
    Tokio,
    /// Our own code.
    Worker,
    /// The sandbox itself.
    Sandbox,
}

impl Component {
    const fn name(self) -> &'static str {
        match self {
            Self::V8 => "V8",
            Self::Libc => "libc",
            Self::Std => "Rust std",
            Self::Tokio => "tokio",
            Self::Worker => "worker",
            Self::Sandbox => "sandbox",
        }
    }
}

/// How many bits of the argument register the kernel looks at. Comparing fewer than the kernel uses would be a hole;
/// comparing more would refuse garbage that the C ABI permits in the upper half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// An `int` or `unsigned int` in the kernel's prototype.
    Int,
    /// A `long`, `unsigned long`, `size_t` or pointer.
    Long,
}

/// A number with the name that people know it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// The C name.
    pub name: &'static str,
    /// The value.
    pub value: u64,
}

/// What one argument must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// One of these.
    OneOf(&'static [Named]),
    /// All bits of `required`, any bits of `optional`, no other bit.
    Bits {
        /// Bits that must be set.
        required: &'static [Named],
        /// Bits that may be set.
        optional: &'static [Named],
    },
    /// The process's own id.
    OwnPid,
}

/// A condition on one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Which argument, from 0.
    pub arg: u8,
    /// What it is called in the manual.
    pub what: &'static str,
    /// How wide it is.
    pub width: Width,
    /// What it must be.
    pub test: Test,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The system calls it is for, by name; a name that an architecture does not have is skipped there.
    pub calls: &'static [&'static str],
    /// All must hold for the row to match. Empty: every call matches. Two rows for one call are alternatives.
    pub when: &'static [Condition],
    /// What then happens.
    pub action: Action,
    /// Who needs it.
    pub component: Component,
    /// Why, and why it is safe.
    pub reason: &'static str,
    /// The profiles it belongs to.
    pub profiles: &'static [Profile],
}

impl Row {
    /// The numbers of the row's calls on an architecture.
    pub fn numbers(&self, arch: Arch) -> impl Iterator<Item = (u32, &'static str)> {
        self.calls.iter().filter_map(move |name| Some((arch.number(name)?, *name)))
    }
}

/// The rows of one profile, in the order of the table.
pub fn rows(profile: Profile) -> impl Iterator<Item = &'static Row> {
    ROWS.iter().filter(move |row| row.profiles.contains(&profile))
}

/// What the filter answers to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The call is made.
    Allow,
    /// The call fails.
    Errno(Errno),
    /// The process dies, after a line that names the call.
    Refuse,
    /// The process dies without a line.
    Kill,
}

impl Condition {
    /// Whether these argument registers meet the condition.
    pub fn holds(&self, args: &[u64; 6], own_pid: u32) -> bool {
        let seen = |value: u64| if self.width == Width::Int { value & u64::from(u32::MAX) } else { value };
        let value = seen(args[usize::from(self.arg)]);
        match self.test {
            Test::OneOf(names) => names.iter().any(|named| seen(named.value) == value),
            Test::Bits { required, optional } => {
                let required = required.iter().fold(0, |bits, named| bits | named.value);
                let optional = optional.iter().fold(0, |bits, named| bits | named.value);
                value & required == required && value & !(required | optional) == 0
            }
            Test::OwnPid => value == own_pid.into(),
        }
    }
}

/// The table read without a filter: what must happen to this call. The filter in the kernel is tested against it.
///
/// When several rows match, the strictest wins, as among programs in the kernel.
pub fn decide(profile: Profile, name: &str, args: &[u64; 6], own_pid: u32) -> Decision {
    let mut decision = None;
    for row in rows(profile) {
        if !row.calls.contains(&name) || !row.when.iter().all(|condition| condition.holds(args, own_pid)) {
            continue;
        }
        decision = Some(match (row.action, decision) {
            (Action::Kill, _) => return Decision::Kill,
            (_, Some(Decision::Errno(errno))) | (Action::Errno(errno), _) => Decision::Errno(errno),
            (Action::Allow, _) => Decision::Allow,
        });
    }
    decision.unwrap_or(Decision::Refuse)
}

/// Names and values together, so that they cannot drift apart.
macro_rules! named {
    ($($name:ident),* $(,)?) => { &[$(Named { name: stringify!($name), value: libc::$name as u32 as u64 }),*] };
}

const fn int(arg: u8, what: &'static str, test: Test) -> Condition {
    Condition { arg, what, width: Width::Int, test }
}

const fn long(arg: u8, what: &'static str, test: Test) -> Condition {
    Condition { arg, what, width: Width::Long, test }
}

const fn one_of(names: &'static [Named]) -> Test {
    Test::OneOf(names)
}

const fn bits(required: &'static [Named], optional: &'static [Named]) -> Test {
    Test::Bits { required, optional }
}

const fn allow(
    calls: &'static [&'static str],
    when: &'static [Condition],
    component: Component,
    reason: &'static str,
) -> Row {
    Row { calls, when, action: Action::Allow, component, reason, profiles: &Profile::ALL }
}

const fn fails(
    errno: Errno,
    calls: &'static [&'static str],
    when: &'static [Condition],
    component: Component,
    reason: &'static str,
) -> Row {
    Row { calls, when, action: Action::Errno(errno), component, reason, profiles: &Profile::ALL }
}

const NULL: &[Named] = &[Named { name: "NULL", value: 0 }];
const ZERO: &[Named] = &[Named { name: "0", value: 0 }];
const PROTECTION: &[Named] = named![PROT_READ, PROT_WRITE, PROT_EXEC];
const CLOCKS: &[Named] = named![
    CLOCK_REALTIME,
    CLOCK_MONOTONIC,
    CLOCK_PROCESS_CPUTIME_ID,
    CLOCK_THREAD_CPUTIME_ID,
    CLOCK_MONOTONIC_RAW,
    CLOCK_REALTIME_COARSE,
    CLOCK_MONOTONIC_COARSE,
    CLOCK_BOOTTIME,
];
/// Not yet in `libc` for every target: mm.h, Linux 6.11.
const DROPPABLE: &[Named] =
    &[Named { name: "MAP_DROPPABLE", value: 0x08 }, Named { name: "MAP_ANONYMOUS", value: libc::MAP_ANONYMOUS as u64 }];
/// futex(2) commands with FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME folded in as optional bits where they apply.
const FUTEX_WAITS: &[Named] = &[
    Named { name: "FUTEX_WAIT", value: 0 },
    Named { name: "FUTEX_WAKE", value: 1 },
    Named { name: "FUTEX_REQUEUE", value: 3 },
    Named { name: "FUTEX_CMP_REQUEUE", value: 4 },
    Named { name: "FUTEX_WAKE_OP", value: 5 },
    Named { name: "FUTEX_WAIT_BITSET", value: 9 },
    Named { name: "FUTEX_WAKE_BITSET", value: 10 },
    Named { name: "FUTEX_WAIT|PRIVATE", value: 128 },
    Named { name: "FUTEX_WAKE|PRIVATE", value: 128 | 1 },
    Named { name: "FUTEX_REQUEUE|PRIVATE", value: 128 | 3 },
    Named { name: "FUTEX_CMP_REQUEUE|PRIVATE", value: 128 | 4 },
    Named { name: "FUTEX_WAKE_OP|PRIVATE", value: 128 | 5 },
    Named { name: "FUTEX_WAIT_BITSET|PRIVATE", value: 128 | 9 },
    Named { name: "FUTEX_WAKE_BITSET|PRIVATE", value: 128 | 10 },
    Named { name: "FUTEX_WAIT_BITSET|CLOCK_REALTIME", value: 256 | 9 },
    Named { name: "FUTEX_WAIT_BITSET|PRIVATE|CLOCK_REALTIME", value: 256 | 128 | 9 },
];
const PTHREAD: u64 = (libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SYSVSEM
    | libc::CLONE_SIGHAND
    | libc::CLONE_THREAD
    | libc::CLONE_SETTLS
    | libc::CLONE_PARENT_SETTID
    | libc::CLONE_CHILD_CLEARTID) as u64;
const PTHREADS: &[Named] = &[
    Named { name: "the flags of glibc's pthread_create", value: PTHREAD },
    Named { name: "the flags of musl's pthread_create", value: PTHREAD | libc::CLONE_DETACHED as u64 },
];
const SIGSYS: &[Named] = named![SIGSYS];

/// The table.
pub const ROWS: &[Row] = &[
    // Memory.
    allow(
        &["mmap"],
        &[
            long(2, "prot", bits(&[], PROTECTION)),
            long(
                3,
                "flags",
                bits(
                    named![MAP_PRIVATE, MAP_ANONYMOUS],
                    named![MAP_NORESERVE, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_STACK],
                ),
            ),
        ],
        Component::V8,
        "Heaps, code ranges, thread stacks, malloc. Private anonymous memory only: no file, no sharing, no huge pages. \
         Executable because V8 compiles.",
    ),
    allow(
        &["mmap"],
        &[long(2, "prot", bits(&[], named![PROT_READ, PROT_WRITE])), long(3, "flags", bits(DROPPABLE, &[]))],
        Component::Libc,
        "The state of getrandom in the vDSO (glibc 2.41 and newer).",
    ),
    allow(
        &["mprotect", "pkey_mprotect"],
        &[long(2, "prot", bits(&[], PROTECTION))],
        Component::V8,
        "Commit and decommit of reserved pages, code pages. No PROT_GROWSDOWN.",
    ),
    allow(&["munmap", "brk"], &[], Component::Libc, "Gives memory back, grows the C heap."),
    allow(
        &["mremap"],
        &[long(3, "flags", bits(&[], named![MREMAP_MAYMOVE, MREMAP_FIXED, MREMAP_DONTUNMAP]))],
        Component::Libc,
        "realloc of large blocks. Moves memory that is ours already.",
    ),
    allow(
        &["madvise"],
        &[int(
            2,
            "advice",
            one_of(named![
                MADV_NORMAL,
                MADV_RANDOM,
                MADV_SEQUENTIAL,
                MADV_WILLNEED,
                MADV_DONTNEED,
                MADV_FREE,
                MADV_DONTFORK,
                MADV_DOFORK,
                MADV_HUGEPAGE,
                MADV_NOHUGEPAGE,
                MADV_DONTDUMP,
                MADV_DODUMP,
                MADV_COLD,
            ]),
        )],
        Component::V8,
        "Returns pages after garbage collection, marks reservations. No MADV_REMOVE, MERGEABLE, HWPOISON, GUARD.",
    ),
    allow(
        &["pkey_alloc"],
        &[long(0, "flags", one_of(ZERO))],
        Component::V8,
        "Protection keys for the code space where the CPU has them.",
    ),
    allow(&["pkey_free"], &[], Component::V8, "Counterpart of pkey_alloc."),
    // Threads.
    allow(
        &["clone"],
        &[long(0, "flags", one_of(PTHREADS))],
        Component::V8,
        "Helper threads that V8 starts late. The flags are exact: no process, no namespace, no other signal.",
    ),
    fails(
        Errno::Nosys,
        &["clone3"],
        &[],
        Component::Libc,
        "Its flags lie in memory, where a filter cannot look; glibc falls back to clone.",
    ),
    allow(
        &["futex"],
        &[int(1, "op", one_of(FUTEX_WAITS))],
        Component::Std,
        "Locks, parking, thread joins. No priority inheritance operations, which have had kernel bugs.",
    ),
    allow(
        &["set_robust_list", "rseq", "sched_yield", "gettid", "getpid", "exit", "exit_group"],
        &[],
        Component::Libc,
        "The life of a thread.",
    ),
    allow(
        &["sched_getaffinity", "sched_getparam", "sched_getscheduler"],
        &[],
        Component::V8,
        "pthread_getattr_np reads them on the way to a thread's stack bounds. The thread is named by its id, which differs; \
         in a pid namespace of our own there are no other threads to ask about.",
    ),
    allow(&["tgkill"], &[int(0, "tgid", Test::OwnPid)], Component::Libc, "abort(). Signals to our own threads only."),
    // Time.
    allow(
        &["clock_gettime", "clock_getres"],
        &[int(0, "clock", one_of(CLOCKS))],
        Component::V8,
        "Where the vDSO does not answer. No clocks of other processes.",
    ),
    allow(
        &["clock_nanosleep"],
        &[int(0, "clock", one_of(named![CLOCK_REALTIME, CLOCK_MONOTONIC]))],
        Component::Std,
        "thread::sleep.",
    ),
    allow(&["nanosleep", "gettimeofday", "time"], &[], Component::Libc, "Where the vDSO does not answer."),
    allow(
        &["getrusage"],
        &[int(0, "who", one_of(named![RUSAGE_SELF, RUSAGE_THREAD]))],
        Component::Worker,
        "CPU time of an event.",
    ),
    // Signals.
    allow(
        &["rt_sigaction"],
        &[],
        Component::Std,
        "Handlers for faults in WebAssembly and for stack overflow; abort() restores its own.",
    ),
    Row {
        calls: &["rt_sigaction"],
        when: &[int(0, "signum", one_of(SIGSYS))],
        action: Action::Kill,
        component: Component::Sandbox,
        reason: "Nobody takes over the handler that reports a refused call; it is also how that handler ends the process.",
        profiles: &Profile::ALL,
    },
    allow(
        &["rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall"],
        &[],
        Component::Std,
        "Signal delivery. A blocked SIGSYS is forced by the kernel and ends the process.",
    ),
    // Descriptors. There are only those that were handed over, epoll and eventfd.
    allow(
        &["read", "write", "readv", "writev", "recvmsg", "sendmsg", "close", "shutdown", "fstat", "lseek"],
        &[],
        Component::Tokio,
        "The RPC socket, eventfd, descriptor 2. The sockets are connected streams: an address in sendmsg is an error.",
    ),
    allow(
        &["recvfrom", "sendto"],
        &[long(4, "address", one_of(NULL))],
        Component::Std,
        "What recv() and send() are on Linux. No address.",
    ),
    allow(
        &["fcntl"],
        &[int(1, "cmd", one_of(named![F_GETFL, F_SETFL, F_GETFD, F_SETFD, F_DUPFD_CLOEXEC]))],
        Component::Tokio,
        "Non-blocking mode, close-on-exec, duplicates. No owner, lease, lock or pipe size.",
    ),
    allow(&["ioctl"], &[int(1, "request", one_of(named![FIONBIO]))], Component::Std, "set_nonblocking."),
    fails(
        Errno::Notty,
        &["ioctl"],
        &[int(1, "request", one_of(named![TCGETS, TIOCGWINSZ]))],
        Component::Libc,
        "isatty() on descriptor 2.",
    ),
    allow(
        &["getsockopt"],
        &[int(1, "level", one_of(named![SOL_SOCKET])), int(2, "optname", one_of(named![SO_ERROR]))],
        Component::Tokio,
        "The pending error of a socket.",
    ),
    allow(
        &["epoll_create1"],
        &[int(0, "flags", bits(&[], named![EPOLL_CLOEXEC]))],
        Component::Tokio,
        "The runtime, if it is built late. Bounded by RLIMIT_NOFILE.",
    ),
    allow(
        &["epoll_ctl", "epoll_wait", "epoll_pwait", "poll", "ppoll"],
        &[],
        Component::Tokio,
        "Waiting for descriptors that we have.",
    ),
    allow(
        &["eventfd2"],
        &[int(1, "flags", bits(&[], named![EFD_CLOEXEC, EFD_NONBLOCK]))],
        Component::Tokio,
        "Wakes the runtime from V8's threads.",
    ),
    // Small things.
    allow(
        &["getrandom"],
        &[int(
            2,
            "flags",
            bits(&[], &[Named { name: "GRND_NONBLOCK", value: 1 }, Named { name: "GRND_INSECURE", value: 4 }]),
        )],
        Component::Std,
        "Keys of hash maps, crypto.getRandomValues. Not the blocking pool.",
    ),
    allow(
        &["prctl"],
        &[int(0, "option", one_of(named![PR_SET_NAME, PR_SET_VMA]))],
        Component::V8,
        "Names of threads and of memory regions.",
    ),
    allow(
        &["prlimit64"],
        &[int(0, "pid", one_of(ZERO)), long(2, "new_limit", one_of(NULL))],
        Component::Libc,
        "getrlimit for stack bounds. Reads only, ourselves only.",
    ),
    fails(
        Errno::Perm,
        &["sysinfo", "uname", "getrlimit"],
        &[],
        Component::V8,
        "Asked once at start-up, before the filter. Later they only tell about the machine.",
    ),
    // What fails instead of killing: calls that libraries make on paths that can be reached by mistake.
    fails(
        Errno::Noent,
        &[
            "open",
            "openat",
            "stat",
            "lstat",
            "newfstatat",
            "access",
            "faccessat",
            "faccessat2",
            "readlink",
            "readlinkat",
            "getcwd",
        ],
        &[],
        Component::Libc,
        "There is no file. ICU and tzset look for time zones, malloc for overcommit_memory, a Rust panic for its \
         directory: all go on without.",
    ),
    fails(
        Errno::Perm,
        &[
            "socket",
            "socketpair",
            "connect",
            "bind",
            "listen",
            "accept",
            "accept4",
            "getsockname",
            "getpeername",
            "setsockopt",
        ],
        &[],
        Component::Worker,
        "No sockets, ever. An error rather than death, because libraries reach for them on rarely used paths.",
    ),
    fails(
        Errno::Nosys,
        &[
            "statx",
            "openat2",
            "close_range",
            "membarrier",
            "mseal",
            "getcpu",
            "futex_waitv",
            "futex_wake",
            "futex_wait",
            "futex_requeue",
            "epoll_pwait2",
            "map_shadow_stack",
            "cachestat",
            "fchmodat2",
        ],
        &[],
        Component::Libc,
        "Newer libraries try them first and fall back.",
    ),
];

fn list(names: &[Named], separator: &str) -> String {
    names.iter().map(|n| format!("`{}`", n.name)).collect::<Vec<_>>().join(separator)
}

fn describe(condition: &Condition) -> String {
    let Condition { arg, what, width, test } = condition;
    let subject = format!("arg {arg} `{what}` ({})", if *width == Width::Int { "32 bit" } else { "64 bit" });
    match test {
        Test::OneOf([only]) => format!("{subject} is `{}`", only.name),
        Test::OneOf(names) => format!("{subject} is one of {}", list(names, ", ")),
        Test::Bits { required: [], optional } => format!("{subject} has no bit but {}", list(optional, ", ")),
        Test::Bits { required, optional: [] } => format!("{subject} is exactly {}", list(required, " with ")),
        Test::Bits { required, optional } => {
            format!("{subject} is {}, and no bit but {}", list(required, " with "), list(optional, ", "))
        }
        Test::OwnPid => format!("{subject} is our own process"),
    }
}

/// The table as a Markdown document: what `docs/security/policy.md` must contain.
pub fn document() -> String {
    let mut out = String::from(
        "# What a worker may ask of the kernel\n\n\
         <!-- Made from policy/src/table.rs by `BULKHEAD_REFRESH=1 cargo test -p bulkhead-policy --lib policy_document`. \
         Do not edit. -->\n\n\
         Every system call that is not in these tables ends the process: the call is not made, one line with its number, \
         name and arguments goes to the supervisor's log, and the exit status is `SIGSYS`. The same happens to a call in \
         the first table whose arguments are not as the rule says. Calls of the 32-bit and x32 ABIs end the process. \
         `uretprobe` and `uprobe` (x86_64 335 and 336) are out of reach of any filter: the kernel exempts its own trampolines, \
         and answers SIGILL or an error to anybody else.\n\n\
         Numbers are those of x86_64 / aarch64; `–` means that the architecture does not have the call.\n",
    );
    for profile in Profile::ALL {
        let _ = write!(out, "\n## Profile `{}`\n", profile.name());
        for (title, kind) in [("Allowed", 0), ("Fails with an error", 1), ("Kills at once", 2)] {
            let selected = rows(profile).filter(|row| match row.action {
                Action::Allow => kind == 0,
                Action::Errno(_) => kind == 1,
                Action::Kill => kind == 2,
            });
            let _ = write!(
                out,
                "\n### {title}\n\n| system calls | numbers | rule | action | for | why |\n|---|---|---|---|---|---|\n"
            );
            for row in selected {
                let number = |arch: Arch, name: &str| arch.number(name).map_or("–".into(), |n| n.to_string());
                let calls = row.calls.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                let numbers = row
                    .calls
                    .iter()
                    .map(|name| format!("{} / {}", number(Arch::X86_64, name), number(Arch::Aarch64, name)))
                    .collect::<Vec<_>>()
                    .join(", ");
                let rule = if row.when.is_empty() {
                    "any arguments".into()
                } else {
                    row.when.iter().map(describe).collect::<Vec<_>>().join("; ")
                };
                let action = match row.action {
                    Action::Allow => "allow",
                    Action::Errno(errno) => errno.name(),
                    Action::Kill => "kill",
                };
                let _ = writeln!(
                    out,
                    "| {calls} | {numbers} | {rule} | {action} | {} | {} |",
                    row.component.name(),
                    row.reason
                );
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn policy_document() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/security/policy.md");
        if std::env::var_os("BULKHEAD_REFRESH").is_some() {
            std::fs::write(path, document()).unwrap();
        }
        assert!(
            std::fs::read_to_string(path).unwrap_or_default() == document(),
            "docs/security/policy.md is stale: run `BULKHEAD_REFRESH=1 cargo test -p bulkhead-policy --lib policy_document` and review the diff"
        );
    }

    #[test]
    fn every_name_exists_on_x86_64() {
        for row in ROWS {
            for name in row.calls {
                assert!(Arch::X86_64.number(name).is_some(), "{name}");
            }
            assert!(!row.reason.is_empty());
        }
    }

    #[test]
    fn nothing_is_both_allowed_and_refused_for_all_arguments() {
        for profile in Profile::ALL {
            let mut unconditional = HashSet::new();
            for row in rows(profile).filter(|row| row.when.is_empty()) {
                for name in row.calls {
                    assert!(unconditional.insert(*name), "{name} has two rows without a rule");
                }
            }
        }
    }

    #[test]
    fn no_row_allows_what_the_design_forbids() {
        const NEVER: &[&str] = &[
            "execve",
            "execveat",
            "fork",
            "vfork",
            "ptrace",
            "process_vm_readv",
            "process_vm_writev",
            "io_uring_setup",
            "io_uring_enter",
            "io_uring_register",
            "userfaultfd",
            "bpf",
            "perf_event_open",
            "keyctl",
            "add_key",
            "request_key",
            "mount",
            "umount2",
            "pivot_root",
            "chroot",
            "setns",
            "unshare",
            "memfd_create",
            "memfd_secret",
            "pidfd_open",
            "pidfd_getfd",
            "pidfd_send_signal",
            "open_by_handle_at",
            "kcmp",
            "kexec_load",
            "init_module",
            "open",
            "openat",
            "openat2",
            "creat",
            "socket",
            "socketpair",
            "connect",
            "bind",
            "kill",
            "tkill",
            "seccomp",
            "clone3",
            "personality",
            "setuid",
            "setresuid",
            "capset",
            "shmget",
            "mq_open",
            "splice",
            "vmsplice",
        ];
        for row in ROWS.iter().filter(|row| row.action == Action::Allow) {
            for name in row.calls {
                assert!(!NEVER.contains(name), "{name}");
            }
        }
    }
}
