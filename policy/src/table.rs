//! The table: which system calls a worker may make, with which arguments, for which part of the code, and why; which of
//! landlock's rights it has beneath its directory; and its resource limits.
//!
//! The filter, the landlock ruleset, the limits, their tests and `docs/security/policy.md` are all made from [`ROWS`],
//! [`RIGHTS`] and [`LIMITS`]. To change what a worker may do, change a row, then refresh the document with `BULKHEAD_REFRESH=1 cargo test -p bulkhead-policy --lib policy_document` and
//! read its diff.
//!
//! What no row mentions is refused: see [`Refusal`](crate::enter::Refusal).

use std::fmt::Write;

use landlock::{AccessFs, AccessNet, Scope};

use crate::names::Arch;

/// Which worker a row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// A worker without storage. It opens no path at all.
    Stateless,
    /// As [`Profile::Stateless`], and nothing is compiled to machine code: no memory becomes executable.
    StatelessJitless,
    /// A worker with a database in a directory that was handed to it. It opens nothing outside of that directory.
    Actor,
    /// As [`Profile::Actor`], and nothing is compiled to machine code.
    ActorJitless,
}

impl Profile {
    /// Every profile there is.
    pub const ALL: [Self; 4] = [Self::Stateless, Self::StatelessJitless, Self::Actor, Self::ActorJitless];

    /// The profile of a worker with or without a directory, whose engine compiles or does not.
    pub const fn of(storage: bool, jitless: bool) -> Self {
        match (storage, jitless) {
            (false, false) => Self::Stateless,
            (false, true) => Self::StatelessJitless,
            (true, false) => Self::Actor,
            (true, true) => Self::ActorJitless,
        }
    }

    /// The name in documents and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stateless => "stateless",
            Self::StatelessJitless => "stateless-jitless",
            Self::Actor => "actor",
            Self::ActorJitless => "actor-jitless",
        }
    }
}

/// The profiles whose engine compiles.
const WITH_JIT: &[Profile] = &[Profile::Stateless, Profile::Actor];
/// The profiles in which no memory becomes executable.
const JITLESS: &[Profile] = &[Profile::StatelessJitless, Profile::ActorJitless];
/// The profiles without a directory.
const WITHOUT_STORAGE: &[Profile] = &[Profile::Stateless, Profile::StatelessJitless];
/// The profiles with a directory.
const WITH_STORAGE: &[Profile] = &[Profile::Actor, Profile::ActorJitless];

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
    /// The database of an actor.
    Sqlite,
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
            Self::Sqlite => "SQLite",
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

impl From<Action> for Decision {
    fn from(action: Action) -> Self {
        match action {
            Action::Allow => Self::Allow,
            Action::Errno(errno) => Self::Errno(errno),
            Action::Kill => Self::Kill,
        }
    }
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

/// The row for some of the profiles only.
const fn only(profiles: &'static [Profile], row: Row) -> Row {
    Row { profiles, ..row }
}

const NULL: &[Named] = &[Named { name: "NULL", value: 0 }];
const ZERO: &[Named] = &[Named { name: "0", value: 0 }];
const PROTECTION: &[Named] = named![PROT_READ, PROT_WRITE, PROT_EXEC];
const DATA: &[Named] = named![PROT_READ, PROT_WRITE];
const ANONYMOUS: Condition = long(
    3,
    "flags",
    bits(named![MAP_PRIVATE, MAP_ANONYMOUS], named![MAP_NORESERVE, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_STACK]),
);
/// Nobody may execute what an actor makes, with its rights or anybody's.
const FILE_MODE: &[Named] = named![S_IRUSR, S_IWUSR, S_IRGRP, S_IWGRP, S_IROTH, S_IWOTH];
/// What a file may be opened with. Without `O_TMPFILE` (a file without a name escapes every count), `O_PATH` (landlock does
/// not look at it), `O_DIRECT`, `O_TRUNC`, `O_APPEND`, `O_SYNC`, `O_ASYNC`, `O_NOATIME`,
/// `O_NONBLOCK`, `O_WRONLY` (with `O_RDWR` it opens for neither, which landlock does not look at): SQLite needs none of them.
const OPEN_FLAGS: &[Named] = &[
    Named { name: "O_RDWR", value: libc::O_RDWR as u64 },
    Named { name: "O_CREAT", value: libc::O_CREAT as u64 },
    Named { name: "O_EXCL", value: libc::O_EXCL as u64 },
    Named { name: "O_NOFOLLOW", value: libc::O_NOFOLLOW as u64 },
    Named { name: "O_CLOEXEC", value: libc::O_CLOEXEC as u64 },
    Named { name: "O_DIRECTORY", value: libc::O_DIRECTORY as u64 },
    // What the kernel calls so: in `libc` it is 0 where it is implied.
    Named { name: "O_LARGEFILE", value: if cfg!(target_arch = "aarch64") { 0o400000 } else { 0o100000 } },
];
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
const ACCESS: &[Named] = named![R_OK, W_OK];
/// Not in `libc`: mman-common.h.
const KEY_RIGHTS: &[Named] =
    &[Named { name: "PKEY_DISABLE_ACCESS", value: 1 }, Named { name: "PKEY_DISABLE_WRITE", value: 2 }];
/// Not in `libc`: rseq.h.
const UNREGISTER: &[Named] = &[Named { name: "RSEQ_FLAG_UNREGISTER", value: 1 }];

/// The table.
pub const ROWS: &[Row] = &[
    // Memory.
    only(
        WITH_JIT,
        allow(
            &["mmap"],
            &[long(2, "prot", bits(&[], PROTECTION)), ANONYMOUS],
            Component::V8,
            "Heaps, code ranges, thread stacks, malloc. Private anonymous memory only: no file, no sharing, no huge pages. \
             Executable because V8 compiles.",
        ),
    ),
    only(
        JITLESS,
        allow(
            &["mmap"],
            &[long(2, "prot", bits(&[], DATA)), ANONYMOUS],
            Component::V8,
            "Heaps, thread stacks, malloc. Private anonymous memory only, and never executable.",
        ),
    ),
    allow(
        &["mmap"],
        &[long(2, "prot", bits(&[], DATA)), long(3, "flags", bits(DROPPABLE, &[]))],
        Component::Libc,
        "The state of getrandom in the vDSO (glibc 2.41 and newer).",
    ),
    only(
        WITH_JIT,
        allow(
            &["mprotect", "pkey_mprotect"],
            &[long(2, "prot", bits(&[], PROTECTION))],
            Component::V8,
            "Commit and decommit of reserved pages, code pages. No PROT_GROWSDOWN. A key that is not the process's own is an \
             error.",
        ),
    ),
    only(
        JITLESS,
        allow(
            &["mprotect"],
            &[long(2, "prot", bits(&[], DATA))],
            Component::V8,
            "Commit and decommit of reserved pages. Nothing becomes executable, also not what was before: a page that loses \
             PROT_EXEC never gets it back.",
        ),
    ),
    allow(&["munmap", "brk"], &[], Component::Libc, "Gives memory back, grows the C heap."),
    fails(
        Errno::Nosys,
        &["mremap"],
        &[],
        Component::Libc,
        "realloc of large blocks, which copies instead. It would make the stack, which RLIMIT_DATA does not count, as large \
         as the address space.",
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
    only(
        WITH_JIT,
        allow(
            &["pkey_alloc"],
            &[long(0, "flags", one_of(ZERO)), long(1, "access_rights", bits(&[], KEY_RIGHTS))],
            Component::V8,
            "Protection keys for the code space where the CPU has them.",
        ),
    ),
    only(WITH_JIT, allow(&["pkey_free"], &[], Component::V8, "Counterpart of pkey_alloc.")),
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
        "Locks, parking, thread joins. No priority inheritance operations, which have had kernel bugs. What FUTEX_WAKE_OP \
         does to a word, its last argument says; the word is the process's own.",
    ),
    allow(
        &["set_robust_list", "sched_yield", "gettid", "getpid", "exit", "exit_group"],
        &[],
        Component::Libc,
        "The life of a thread. The kernel takes one length of a robust list.",
    ),
    allow(
        &["rseq"],
        &[int(2, "flags", bits(&[], UNREGISTER))],
        Component::Libc,
        "The life of a thread. Nothing that newer kernels add: no longer slices.",
    ),
    allow(
        &["sched_getaffinity", "sched_getparam", "sched_getscheduler"],
        &[],
        Component::V8,
        "pthread_getattr_np reads them on the way to a thread's stack bounds. The thread is named by its id, which differs; \
         in a pid namespace of our own there are no other threads to ask about.",
    ),
    allow(
        &["tgkill"],
        &[int(0, "tgid", Test::OwnPid), int(2, "sig", one_of(named![SIGABRT]))],
        Component::Libc,
        "abort(). To our own threads only.",
    ),
    // Time.
    allow(
        &["clock_gettime", "clock_getres"],
        &[int(0, "clock", one_of(CLOCKS))],
        Component::V8,
        "Where the vDSO does not answer. No clocks of other processes.",
    ),
    allow(
        &["clock_nanosleep"],
        &[
            int(0, "clock", one_of(named![CLOCK_REALTIME, CLOCK_MONOTONIC])),
            int(1, "flags", bits(&[], named![TIMER_ABSTIME])),
        ],
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
        "Handlers for faults in WebAssembly and for stack overflow; abort() restores its own. Any signal but one: what a \
         process does at a signal is its own affair, and SIGKILL and SIGSTOP are refused by the kernel. The handler's flags lie \
         in memory, where a filter cannot look.",
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
        &["rt_sigprocmask"],
        &[int(0, "how", one_of(named![SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK]))],
        Component::Std,
        "Signal delivery. A blocked SIGSYS is forced by the kernel and ends the process.",
    ),
    allow(
        &["rt_sigreturn", "sigaltstack", "restart_syscall"],
        &[],
        Component::Std,
        "Signal delivery. Without arguments, but for a stack of the thread's own.",
    ),
    // Descriptors. There are only those that were handed over, epoll and eventfd.
    allow(
        &["read", "write", "readv", "writev", "close", "fstat"],
        &[],
        Component::Tokio,
        "The RPC socket, eventfd, descriptor 2. Without flags. No sendmsg and no recvmsg, which could carry descriptors: one \
         on its way escapes RLIMIT_NOFILE and keeps a connection open that its process has left.",
    ),
    allow(
        &["recvfrom"],
        &[int(3, "flags", one_of(ZERO)), long(4, "address", one_of(NULL))],
        Component::Std,
        "What recv() is on Linux. No address. No MSG_OOB, which has had kernel bugs on Unix sockets (CVE-2025-38236), and \
         nothing that leaves behind what was read.",
    ),
    allow(
        &["sendto"],
        &[int(3, "flags", bits(&[], named![MSG_NOSIGNAL])), long(4, "address", one_of(NULL))],
        Component::Std,
        "What send() is on Linux. No address. No MSG_OOB, as above, and none of the flags that have the kernel hold back, \
         copy late or connect.",
    ),
    allow(
        &["shutdown"],
        &[int(1, "how", one_of(named![SHUT_RD, SHUT_WR, SHUT_RDWR]))],
        Component::Tokio,
        "The end of a connection.",
    ),
    allow(
        &["lseek"],
        &[int(2, "whence", one_of(named![SEEK_SET, SEEK_CUR, SEEK_END]))],
        Component::Std,
        "The position in an open file. A socket has none.",
    ),
    allow(
        &["fcntl"],
        &[int(1, "cmd", one_of(named![F_GETFL, F_GETFD, F_DUPFD_CLOEXEC]))],
        Component::Tokio,
        "Duplicates, whose lowest number is of no matter beneath RLIMIT_NOFILE. No owner, lease, lock or pipe size, and no \
         F_SETFL, which would give an open file the flags that openat refuses: FIONBIO sets the one flag that is needed.",
    ),
    allow(
        &["fcntl"],
        &[int(1, "cmd", one_of(named![F_SETFD])), int(2, "flags", bits(&[], named![FD_CLOEXEC]))],
        Component::Tokio,
        "Close-on-exec.",
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
        &["epoll_ctl"],
        &[int(1, "op", one_of(named![EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL]))],
        Component::Tokio,
        "Waiting for descriptors that we have. For which events, lies in memory; the one that keeps a machine awake needs a \
         capability.",
    ),
    allow(
        &["epoll_wait", "epoll_pwait", "poll", "ppoll"],
        &[],
        Component::Tokio,
        "Waiting for descriptors that we have. Without flags.",
    ),
    allow(
        &["eventfd2"],
        &[int(1, "flags", bits(&[], named![EFD_CLOEXEC, EFD_NONBLOCK]))],
        Component::Tokio,
        "Wakes the runtime from V8's threads.",
    ),
    // Files of an actor. Landlock says where; the filter says how.
    only(
        WITH_STORAGE,
        allow(
            &["openat"],
            &[int(2, "flags", bits(&[], OPEN_FLAGS)), int(3, "mode", bits(&[], FILE_MODE))],
            Component::Sqlite,
            "The database, its journal, its write-ahead log, and the directory, to make names durable. Landlock permits \
             regular files beneath the directory and nothing else.",
        ),
    ),
    only(
        WITH_STORAGE,
        allow(
            &["newfstatat"],
            &[int(3, "flags", bits(&[], named![AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW]))],
            Component::Sqlite,
            "Whether a journal is there, and how long a file is. Landlock does not cover these: what can be asked about is \
             what the mount namespace holds, which is the directory.",
        ),
    ),
    only(
        WITH_STORAGE,
        allow(
            &["access"],
            &[int(1, "mode", bits(&[], ACCESS))],
            Component::Sqlite,
            "As newfstatat. Whether it may be executed is not asked.",
        ),
    ),
    only(
        WITH_STORAGE,
        allow(&["faccessat"], &[int(2, "mode", bits(&[], ACCESS))], Component::Sqlite, "As access. It has no flags."),
    ),
    only(
        WITH_STORAGE,
        allow(
            &["unlink"],
            &[],
            Component::Sqlite,
            "Ends a transaction by removing its journal. Landlock: beneath the directory. Without flags.",
        ),
    ),
    only(
        WITH_STORAGE,
        allow(
            &["unlinkat"],
            &[int(2, "flags", one_of(ZERO))],
            Component::Sqlite,
            "As unlink. Not AT_REMOVEDIR: there are no directories to remove.",
        ),
    ),
    only(
        WITH_STORAGE,
        allow(
            &["pread64", "pwrite64", "fsync", "fdatasync", "ftruncate"],
            &[],
            Component::Sqlite,
            "Pages in and out, on descriptors that are open. The length of a file is bounded by RLIMIT_FSIZE. Without flags.",
        ),
    ),
    only(
        WITH_STORAGE,
        allow(
            &["fcntl"],
            &[int(1, "cmd", one_of(named![F_SETLK, F_GETLK, F_OFD_SETLK, F_OFD_GETLK]))],
            Component::Sqlite,
            "Locks on its own files, without waiting. Which, lies in memory; a kind that the kernel does not know is an error.",
        ),
    ),
    only(
        WITH_STORAGE,
        allow(&["geteuid"], &[], Component::Sqlite, "Only root would hand a new file to the database's owner."),
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
    allow(&["prctl"], &[int(0, "option", one_of(named![PR_SET_NAME]))], Component::V8, "Names of threads."),
    allow(
        &["prctl"],
        &[int(0, "option", one_of(named![PR_SET_VMA])), long(1, "attribute", one_of(named![PR_SET_VMA_ANON_NAME]))],
        Component::V8,
        "Names of memory regions.",
    ),
    allow(
        &["prlimit64"],
        &[int(0, "pid", one_of(ZERO)), long(2, "new_limit", one_of(NULL))],
        Component::Libc,
        "getrlimit for stack bounds. Reads only, ourselves only; a limit that the kernel does not know is an error.",
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
        &["open", "stat", "lstat", "readlink", "readlinkat", "getcwd"],
        &[],
        Component::Libc,
        "There is no file. malloc looks for overcommit_memory, a Rust panic for its directory: all go on without. A database \
         uses the newer calls.",
    ),
    only(
        WITHOUT_STORAGE,
        fails(
            Errno::Noent,
            &["openat", "newfstatat", "access", "faccessat", "faccessat2"],
            &[],
            Component::Libc,
            "As above, and ICU and tzset look for time zones.",
        ),
    ),
    only(
        WITH_STORAGE,
        fails(Errno::Nosys, &["faccessat2"], &[], Component::Libc, "Newer libraries try it first and fall back."),
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

/// One of the rights that landlock knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Something done to a file, granted or not beneath the worker's directory.
    File(AccessFs),
    /// Something done with a socket. Never granted.
    Net(AccessNet),
    /// A reach beyond the process. Always cut off.
    Scope(Scope),
}

/// A row of the landlock ruleset. Every right that a kernel knows is *handled*, which means refused unless it is granted.
#[derive(Clone, Copy, Debug)]
pub struct RightRow {
    /// The right.
    pub right: Right,
    /// Its name in `landlock(7)`, without `LANDLOCK_ACCESS_` or `LANDLOCK_`.
    pub name: &'static str,
    /// The profiles to which it is granted, beneath the worker's directory.
    pub granted: &'static [Profile],
    /// Why, and why it is safe; or what it would allow.
    pub reason: &'static str,
}

const fn file(right: AccessFs, name: &'static str, granted: &'static [Profile], reason: &'static str) -> RightRow {
    RightRow { right: Right::File(right), name, granted, reason }
}

const fn net(right: AccessNet, name: &'static str, reason: &'static str) -> RightRow {
    RightRow { right: Right::Net(right), name, granted: &[], reason }
}

const fn scope(right: Scope, name: &'static str, reason: &'static str) -> RightRow {
    RightRow { right: Right::Scope(right), name, granted: &[], reason }
}

/// The landlock ruleset.
pub const RIGHTS: &[RightRow] = &[
    file(AccessFs::ReadFile, "FS_READ_FILE", WITH_STORAGE, "The database and its journal."),
    file(AccessFs::WriteFile, "FS_WRITE_FILE", WITH_STORAGE, "The database and its journal."),
    file(AccessFs::Truncate, "FS_TRUNCATE", WITH_STORAGE, "SQLite shortens its files; a journal that ends empty."),
    file(AccessFs::MakeReg, "FS_MAKE_REG", WITH_STORAGE, "A new database, a new journal."),
    file(AccessFs::RemoveFile, "FS_REMOVE_FILE", WITH_STORAGE, "The journal at the end of a transaction."),
    file(
        AccessFs::ReadDir,
        "FS_READ_DIR",
        WITH_STORAGE,
        "SQLite opens the directory to make new names durable with fsync. The filter refuses to list it.",
    ),
    file(AccessFs::Execute, "FS_EXECUTE", &[], "No program is ever run."),
    file(AccessFs::MakeDir, "FS_MAKE_DIR", &[], "The directory stays flat, so that a walk over it is short."),
    file(AccessFs::RemoveDir, "FS_REMOVE_DIR", &[], "There is none to remove."),
    file(AccessFs::MakeSym, "FS_MAKE_SYM", &[], "A link could mislead whoever else reads the directory."),
    file(AccessFs::MakeSock, "FS_MAKE_SOCK", &[], "A way to be reached by other processes."),
    file(AccessFs::MakeFifo, "FS_MAKE_FIFO", &[], "As a socket; opening one can block for ever."),
    file(AccessFs::MakeChar, "FS_MAKE_CHAR", &[], "A device is a way into the kernel."),
    file(AccessFs::MakeBlock, "FS_MAKE_BLOCK", &[], "A device is a way into the kernel."),
    file(AccessFs::Refer, "FS_REFER", &[], "Hard links and renames between directories."),
    file(AccessFs::IoctlDev, "FS_IOCTL_DEV", &[], "There is no device."),
    file(AccessFs::ResolveUnix, "FS_RESOLVE_UNIX", &[], "Connecting to a socket in the file system."),
    net(AccessNet::BindTcp, "NET_BIND_TCP", "No sockets, ever."),
    net(AccessNet::ConnectTcp, "NET_CONNECT_TCP", "No sockets, ever."),
    net(AccessNet::BindUdp, "NET_BIND_UDP", "No sockets, ever."),
    net(AccessNet::ConnectSendUdp, "NET_CONNECT_SEND_UDP", "No sockets, ever."),
    scope(Scope::AbstractUnixSocket, "SCOPE_ABSTRACT_UNIX_SOCKET", "Sockets of other processes that have no path."),
    scope(Scope::Signal, "SCOPE_SIGNAL", "Signals to other processes."),
];

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
         name and arguments goes to the supervisor's log, and the exit status is `SIGSYS`. The same happens to an \
         allowed call whose arguments are not as the rule says. Calls of the 32-bit and x32 ABIs end the process. \
         `uretprobe` and `uprobe` (x86_64 335 and 336) are out of reach of any filter: the kernel exempts its own trampolines, \
         and answers SIGILL or an error to anybody else.\n\n\
         Numbers are those of x86_64 / aarch64; `–` means that the architecture does not have the call.\n",
    );
    out.push_str(
        "\nThere are four profiles. `stateless` is a worker without storage; `actor` has a database in a directory that was \
         handed to it; the `-jitless` variants compile nothing, so that no memory becomes executable. A profile has the rows \
         of the first section and those of each later section that names it. No actor process is started yet: durable \
         objects do not exist.\n",
    );
    let mut sections: Vec<&[Profile]> = vec![&Profile::ALL];
    for row in ROWS {
        if !sections.contains(&row.profiles) {
            sections.push(row.profiles);
        }
    }
    for section in sections {
        if section == Profile::ALL {
            out.push_str("\n## Every profile\n");
        } else {
            let names: Vec<_> = section.iter().map(|profile| format!("`{}`", profile.name())).collect();
            let _ = write!(out, "\n## Also {}\n", names.join(", "));
        }
        for (title, kind) in [("Allowed", 0), ("Fails with an error", 1), ("Kills at once", 2)] {
            let selected: Vec<_> = ROWS
                .iter()
                .filter(|row| row.profiles == section)
                .filter(|row| match row.action {
                    Action::Allow => kind == 0,
                    Action::Errno(_) => kind == 1,
                    Action::Kill => kind == 2,
                })
                .collect();
            if !selected.is_empty() {
                let _ = write!(out, "\n### {title}\n\n{}", rows_as_text(&selected));
            }
        }
    }
    out.push_str(
        "\n## Landlock\n\nEvery right that the kernel's landlock knows is handled, so that it is refused everywhere unless it is \
         granted here, and then only beneath the directory that the worker was handed.\n\n\
         | right | stateless | actor | why |\n|---|---|---|---|\n",
    );
    for row in RIGHTS {
        let word = |profile| if row.granted.contains(&profile) { "its directory" } else { "–" };
        let (stateless, actor) = (word(Profile::Stateless), word(Profile::Actor));
        let _ = writeln!(out, "| `{}` | {stateless} | {actor} | {} |", row.name, row.reason);
    }
    out.push_str(
        "\n## Resource limits\n\nSoft and hard limit alike, in every profile.\n\n| limit | value | why |\n|---|---|---|\n",
    );
    for row in LIMITS {
        let value = match row.ceiling {
            Ceiling::Of(value) => value.to_string(),
            Ceiling::Descriptors => "3, those handed over, and 32".into(),
            Ceiling::Threads => "the policy's `threads`".into(),
            Ceiling::FileBytes => "0; in `actor` the quota of a file".into(),
            Ceiling::Data => "the policy's `memory` above what is mapped when it is sealed".into(),
            Ceiling::AddressSpace => "64 GiB above what is mapped when it is sealed".into(),
        };
        let _ = writeln!(out, "| `RLIMIT_{}` | {value} | {} |", row.name, row.reason);
    }
    out
}

fn rows_as_text(rows: &[&Row]) -> String {
    let mut out = String::from("| system calls | numbers | rule | action | for | why |\n|---|---|---|---|---|---|\n");
    for row in rows {
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
        let _ =
            writeln!(out, "| {calls} | {numbers} | {rule} | {action} | {} | {} |", row.component.name(), row.reason);
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
            "mremap",
            "sendmsg",
            "recvmsg",
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
            "openat2",
            "creat",
            "mkdir",
            "mkdirat",
            "rename",
            "renameat",
            "renameat2",
            "link",
            "linkat",
            "symlink",
            "symlinkat",
            "mknod",
            "mknodat",
            "chmod",
            "fchmod",
            "fchmodat",
            "setxattr",
            "getdents64",
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

    /// Arguments of the calls in the table that say what a call does rather than to what. The rows of all other calls say why
    /// there is none, or why any is harmless.
    const KINDS: &[(&str, u8)] = &[
        ("mmap", 2),
        ("mmap", 3),
        ("mprotect", 2),
        ("pkey_mprotect", 2),
        ("madvise", 2),
        ("pkey_alloc", 0),
        ("pkey_alloc", 1),
        ("clone", 0),
        ("futex", 1),
        ("rseq", 2),
        ("tgkill", 2),
        ("clock_gettime", 0),
        ("clock_getres", 0),
        ("clock_nanosleep", 0),
        ("clock_nanosleep", 1),
        ("getrusage", 0),
        ("rt_sigprocmask", 0),
        ("recvfrom", 3),
        ("sendto", 3),
        ("shutdown", 1),
        ("lseek", 2),
        ("fcntl", 1),
        ("ioctl", 1),
        ("getsockopt", 1),
        ("getsockopt", 2),
        ("epoll_create1", 0),
        ("epoll_ctl", 1),
        ("eventfd2", 1),
        ("openat", 2),
        ("openat", 3),
        ("newfstatat", 3),
        ("access", 1),
        ("faccessat", 2),
        ("unlinkat", 2),
        ("getrandom", 2),
        ("prctl", 0),
        ("prlimit64", 2),
    ];

    #[test]
    fn what_says_what_a_call_does_is_compared() {
        for (call, arg) in KINDS {
            let rows: Vec<_> =
                ROWS.iter().filter(|row| row.action == Action::Allow && row.calls.contains(call)).collect();
            assert!(!rows.is_empty(), "{call} is in the table");
            for row in rows {
                assert!(row.when.iter().any(|condition| condition.arg == *arg), "argument {arg} of {call}");
            }
        }
        // Those that are allowed whatever their arguments have no such argument, or their row says why it is harmless.
        let mut unlooked: Vec<_> = ROWS
            .iter()
            .filter(|row| row.action == Action::Allow && row.when.is_empty())
            .flat_map(|row| row.calls)
            .copied()
            .collect();
        unlooked.sort_unstable();
        assert_eq!(
            unlooked.join(" "),
            "brk close epoll_pwait epoll_wait exit exit_group fdatasync fstat fsync ftruncate geteuid getpid gettid \
             gettimeofday munmap nanosleep pkey_free poll ppoll pread64 pwrite64 read readv restart_syscall rt_sigaction \
             rt_sigreturn sched_getaffinity sched_getparam sched_getscheduler sched_yield set_robust_list sigaltstack time \
             unlink write writev"
        );
    }

    #[test]
    fn messages_are_sent_and_received_plainly() {
        for profile in Profile::ALL {
            for bit in 0..32 {
                let flag = 1u64 << bit;
                let with = |name| decide(profile, name, &[3, 0, 0, flag, 0, 0], 1);
                assert_eq!(with("recvfrom"), Decision::Refuse, "{flag:#x}");
                let expected = if flag == libc::MSG_NOSIGNAL as u64 { Decision::Allow } else { Decision::Refuse };
                assert_eq!(with("sendto"), expected, "{flag:#x}");
            }
        }
    }

    #[test]
    fn only_an_actor_opens_files_and_only_plainly() {
        let open = |profile, flags: i32| decide(profile, "openat", &[0, 0, flags as u64, 0, 0, 0], 1);
        for profile in WITHOUT_STORAGE {
            assert_eq!(open(*profile, libc::O_RDONLY), Decision::Errno(Errno::Noent));
        }
        for profile in WITH_STORAGE {
            assert_eq!(
                open(*profile, libc::O_RDWR | libc::O_CREAT | libc::O_NOFOLLOW | libc::O_CLOEXEC),
                Decision::Allow
            );
            assert_eq!(open(*profile, libc::O_DIRECTORY), Decision::Allow);
            let create = |mode| decide(*profile, "openat", &[0, 0, libc::O_CREAT as u64, mode, 0, 0], 1);
            assert_eq!(
                (create(0o644), create(0o4644), create(0o755)),
                (Decision::Allow, Decision::Refuse, Decision::Refuse)
            );
            for flag in [
                libc::O_TMPFILE,
                libc::O_PATH,
                libc::O_DIRECT,
                libc::O_SYNC,
                libc::O_NOATIME,
                libc::O_ASYNC,
                libc::O_APPEND,
                libc::O_WRONLY,
            ] {
                assert_eq!(open(*profile, libc::O_RDWR | flag), Decision::Refuse, "{flag:#o}");
            }
            let unlink = |flags: i32| decide(*profile, "unlinkat", &[0, 0, flags as u64, 0, 0, 0], 1);
            assert_eq!((unlink(0), unlink(libc::AT_REMOVEDIR)), (Decision::Allow, Decision::Refuse));
        }
    }

    #[test]
    fn without_a_compiler_nothing_becomes_executable() {
        let exec = libc::PROT_EXEC as u64;
        for profile in Profile::ALL {
            let expected = if JITLESS.contains(&profile) { Decision::Refuse } else { Decision::Allow };
            for name in ["mprotect", "pkey_mprotect"] {
                assert_eq!(decide(profile, name, &[0, 0, exec, 0, 0, 0], 1), expected, "{name} {profile:?}");
            }
            assert_eq!(decide(profile, "mmap", &[0, 0, exec, 0x22, 0, 0], 1), expected, "{profile:?}");
            assert_eq!(decide(profile, "mmap", &[0, 0, 3, 0x22, 0, 0], 1), Decision::Allow, "{profile:?}");
        }
    }

    #[test]
    fn every_right_of_landlock_has_one_row() {
        use landlock::{ABI, Access, BitFlags};
        let (mut files, mut nets, mut scopes) = (BitFlags::EMPTY, BitFlags::EMPTY, BitFlags::EMPTY);
        for row in RIGHTS {
            let new = match row.right {
                Right::File(right) => {
                    let new = !files.contains(right);
                    files |= right;
                    new
                }
                Right::Net(right) => {
                    let new = !nets.contains(right);
                    nets |= right;
                    new
                }
                Right::Scope(right) => {
                    let new = !scopes.contains(right);
                    scopes |= right;
                    new
                }
            };
            assert!(new, "{}", row.name);
            assert!(row.granted.iter().all(|profile| WITH_STORAGE.contains(profile)), "{}", row.name);
        }
        assert_eq!(files, AccessFs::from_all(ABI::V10));
        assert_eq!(nets, AccessNet::from_all(ABI::V10));
        assert_eq!(scopes, Scope::from_all(ABI::V10));
    }
}
