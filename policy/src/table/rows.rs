//! The system calls' rows.

use super::{
    Action, Component, Condition, Errno, JITLESS, Named, Profile, Row, Test, WITH_JIT, WITH_STORAGE, WITHOUT_STORAGE,
    Width,
};

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
        "The position in an open file: that of the extensions, or of an actor. A socket has none.",
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
