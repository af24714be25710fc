//! The table: which system calls a worker may make, with which arguments, for which part of the code, and why; which of
//! landlock's rights it has beneath its directory; and its resource limits.
//!
//! The filter, the landlock ruleset, the limits, their tests and `docs/security/policy.md` are all made from [`ROWS`],
//! [`RIGHTS`] and [`LIMITS`]. To change what a worker may do, change a row, then refresh the document with `BULKHEAD_REFRESH=1 cargo test -p bulkhead-policy --lib policy_document` and
//! read its diff.
//!
//! What no row mentions is refused: see [`Refusal`].

mod document;
mod limits;
mod rights;
mod rows;

pub use self::{
    document::document,
    limits::{Ceiling, LIMITS, LimitRow},
    rights::{RIGHTS, Right, RightRow},
    rows::ROWS,
};
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

/// What the filter does with a call that no row of the table permits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refusal {
    /// Write one line that names the call to descriptor 2 and die by `SIGSYS`.
    #[default]
    Kill,
    /// Let it pass, and write one line that names it to descriptor 2 when it is the first with its number. For finding
    /// rows that are missing. It protects nothing.
    Log,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

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
}
