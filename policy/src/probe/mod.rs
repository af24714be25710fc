//! Forbidden things to try inside a real worker, after it was shut. Compiled into test builds only (feature `probes`).
//!
//! A test starts the worker with [`PROBE_ARG`] and one of
//!
//! - a name from [`PROBES`],
//! - [`CALLS`] and system calls as numbers, which [`cases`] makes from the table,
//! - [`ESCAPE`] and the name of an attempt, with what it needs to know;
//!
//! the worker shuts itself in as always, initialises V8, seals, and calls [`run`]. The test looks at how the process ended.
//! With [`WITHOUT_ARG`] the worker leaves layers out, and with [`ON_CALL_ARG`] script makes a probe's attempt when it likes.

pub mod cases;
mod escape;

use std::{ffi::CStr, os::fd::RawFd};

use crate::report::Layer;

/// The worker's hidden argument; the next argument is a probe's name.
pub const PROBE_ARG: &str = "--sandbox-probe";

/// The worker's hidden argument that leaves layers out: their names, between commas.
pub const WITHOUT_ARG: &str = "--sandbox-probe-without=";

/// The worker's hidden argument that gives scripts a global function [`ON_CALL_NAME`], which is the probe that it names. It begins as one
/// does that is for V8, so that a configuration can have it.
pub const ON_CALL_ARG: &str = "--v8-flag=--sandbox-probe-on-call=";

/// What scripts call then.
pub const ON_CALL_NAME: &str = "sandboxProbe";

/// In place of a probe's name: makes the calls in the following arguments one by one, each of which is a number and six
/// arguments between commas, and writes a line for each that came back (see [`parse_result`]).
pub const CALLS: &str = "calls";

/// In place of a probe's name: tries to get out as the following arguments say.
pub const ESCAPE: &str = "escape";

/// Stands for the worker's own process id among the arguments of a call.
const OWN_PID_WORD: &str = "pid";

/// The exit code of a probe whose call succeeded: the sandbox has a hole.
pub const SUCCEEDED: i32 = 0;

/// The exit code for a name that is not in the list.
pub const UNKNOWN: i32 = 120;

/// How a probe must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The call fails with this `errno`, which is the exit code.
    Errno(i32),
    /// The filter kills the process (`SIGSYS`), and the report line names the call.
    Death,
    /// The filter kills the process without a line, because the row says so.
    SilentDeath,
    /// The process ends by this signal, which is not the filter's.
    Signal(i32),
    /// The call is permitted and works, to show that the probes can tell.
    Success,
}

/// One thing to try.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// What it is called.
    pub name: &'static str,
    /// How it must end.
    pub expect: Expect,
    attempt: fn() -> i64,
}

/// Makes one raw system call; the library's wrappers would hide what is asked of the kernel.
macro_rules! call {
    ($number:ident $(, $arg:expr)* $(,)?) => {
        // SAFETY: the arguments are integers, null, or pointers to constants and locals that outlive the call. Most of
        // these calls are refused before the kernel looks at them, and the process ends right after.
        unsafe { libc::syscall(libc::$number $(, $arg)*) }
    };
}

macro_rules! probes {
    ($($(#[$meta:meta])* $name:literal => $expect:expr, $attempt:expr;)*) => {
        /// Every probe, with how it must end in a stateless worker.
        pub const PROBES: &[Probe] = &[$($(#[$meta])* Probe { name: $name, expect: $expect, attempt: || ($attempt) as i64 }),*];
    };
}

use Expect::{Death, Errno, Signal, SilentDeath, Success};

const PATH: &CStr = c"/etc/passwd";
const ENOENT: Expect = Errno(libc::ENOENT);
const EPERM: Expect = Errno(libc::EPERM);
const ENOSYS: Expect = Errno(libc::ENOSYS);
/// A bit in the half of a register that a 32-bit comparison does not see.
const HIGH: u64 = 1 << 32;

probes! {
    "nothing" => Success, call!(SYS_getpid).min(0);
    "thread" => Success, std::thread::spawn(|| 0).join().map_or(-1, |v| v);
    "allocate" => Success, std::hint::black_box(vec![1u8; 8 << 20])[4096] - 1;
    "time-is-utc" => Success, local_offset();
    // Paths.
    "openat" => ENOENT, call!(SYS_openat, libc::AT_FDCWD, PATH.as_ptr(), libc::O_RDONLY);
    "openat-proc-self-environ" => ENOENT, call!(SYS_openat, libc::AT_FDCWD, c"/proc/self/environ".as_ptr(), 0);
    "openat-proc-self-maps" => ENOENT, call!(SYS_openat, libc::AT_FDCWD, c"/proc/self/maps".as_ptr(), 0);
    "openat-proc-1-mem" => ENOENT, call!(SYS_openat, libc::AT_FDCWD, c"/proc/1/mem".as_ptr(), libc::O_RDWR);
    "openat-dot-dot" => ENOENT, call!(SYS_openat, libc::AT_FDCWD, c"../../../../etc/passwd".as_ptr(), 0);
    "openat-tmpfile" => ENOENT, call!(SYS_openat, libc::AT_FDCWD, c"/".as_ptr(), libc::O_TMPFILE | libc::O_RDWR, 0o600);
    "openat2" => ENOSYS, call!(SYS_openat2, libc::AT_FDCWD, PATH.as_ptr(), [0u64; 3].as_ptr(), 24usize);
    "getcwd" => ENOENT, call!(SYS_getcwd, [0u8; 64].as_mut_ptr(), 64usize);
    "statx" => ENOSYS, call!(SYS_statx, libc::AT_FDCWD, PATH.as_ptr(), 0, 0, [0u64; 64].as_mut_ptr());
    "readlinkat" => ENOENT, call!(SYS_readlinkat, libc::AT_FDCWD, c"/proc/self/exe".as_ptr(), [0u8; 64].as_mut_ptr(), 64usize);
    "faccessat" => ENOENT, call!(SYS_faccessat, libc::AT_FDCWD, PATH.as_ptr(), 0);
    "std-file-open" => ENOENT, std::fs::File::open("/etc/passwd").map_or_else(fail, |_| 0);
    "std-metadata" => ENOENT, std::fs::metadata("/").map_or_else(fail, |_| 0);
    "mkdirat" => Death, call!(SYS_mkdirat, libc::AT_FDCWD, c"/x".as_ptr(), 0o700);
    "unlinkat" => Death, call!(SYS_unlinkat, libc::AT_FDCWD, c"/x".as_ptr(), 0);
    "renameat2" => Death, call!(SYS_renameat2, libc::AT_FDCWD, c"/x".as_ptr(), libc::AT_FDCWD, c"/y".as_ptr(), 0);
    "symlinkat" => Death, call!(SYS_symlinkat, PATH.as_ptr(), libc::AT_FDCWD, c"/y".as_ptr());
    "linkat" => Death, call!(SYS_linkat, libc::AT_FDCWD, PATH.as_ptr(), libc::AT_FDCWD, c"/y".as_ptr(), 0);
    "truncate" => Death, call!(SYS_truncate, PATH.as_ptr(), 0);
    "getdents64" => Death, call!(SYS_getdents64, 3, [0u8; 64].as_mut_ptr(), 64usize);
    "fchdir" => Death, call!(SYS_fchdir, 3);
    "chdir" => Death, call!(SYS_chdir, c"/".as_ptr());
    "chroot" => Death, call!(SYS_chroot, c"/".as_ptr());
    "open_by_handle_at" => Death, call!(SYS_open_by_handle_at, 3, [0u64; 16].as_mut_ptr(), 0);
    "name_to_handle_at" => Death, call!(SYS_name_to_handle_at, 3, c"".as_ptr(), 0usize, 0usize, 0);
    "inotify_init1" => Death, call!(SYS_inotify_init1, 0);
    "fanotify_init" => Death, call!(SYS_fanotify_init, 0, 0);
    // Sockets.
    "socket-inet" => EPERM, call!(SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0);
    "socket-inet6-udp" => EPERM, call!(SYS_socket, libc::AF_INET6, libc::SOCK_DGRAM, 0);
    "socket-unix" => EPERM, call!(SYS_socket, libc::AF_UNIX, libc::SOCK_STREAM, 0);
    "socket-netlink" => EPERM, call!(SYS_socket, libc::AF_NETLINK, libc::SOCK_RAW, 0);
    "socket-packet" => EPERM, call!(SYS_socket, libc::AF_PACKET, libc::SOCK_RAW, 0);
    "socket-vsock" => EPERM, call!(SYS_socket, libc::AF_VSOCK, libc::SOCK_STREAM, 0);
    "socketpair" => EPERM, call!(SYS_socketpair, libc::AF_UNIX, libc::SOCK_STREAM, 0, [0i32; 2].as_mut_ptr());
    "connect-unix-path" => EPERM, connect(b"/run/x");
    "connect-unix-abstract" => EPERM, connect(b"\0x");
    "connect-inet" => EPERM, call!(SYS_connect, 3, [2u8, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0].as_ptr(), 16);
    "bind" => EPERM, call!(SYS_bind, 3, [2u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].as_ptr(), 16);
    "listen" => EPERM, call!(SYS_listen, 3, 1);
    "accept4" => EPERM, call!(SYS_accept4, 3, 0usize, 0usize, 0);
    "sendto-address" => Death, call!(SYS_sendto, 3, c"x".as_ptr(), 1usize, 0, [1u8, 0, 0, b'x'].as_ptr(), 4);
    "sendto-out-of-band" => Death, call!(SYS_sendto, 3, c"x".as_ptr(), 1usize, libc::MSG_OOB, 0usize, 0);
    "recvfrom-out-of-band" => Death, call!(SYS_recvfrom, 3, [0u8; 1].as_mut_ptr(), 1usize, libc::MSG_OOB, 0usize, 0usize);
    "sendmsg" => Death, call!(SYS_sendmsg, 3, 0usize, 0);
    "recvmsg" => Death, call!(SYS_recvmsg, 3, 0usize, 0);
    "sendmmsg" => Death, call!(SYS_sendmmsg, 3, 0usize, 0, 0);
    "recvmmsg" => Death, call!(SYS_recvmmsg, 3, 0usize, 0, 0, 0usize);
    "setsockopt" => EPERM, call!(SYS_setsockopt, 3, libc::SOL_SOCKET, libc::SO_SNDBUF, &1i32, 4);
    "getsockopt-peercred" => Death, call!(SYS_getsockopt, 3, libc::SOL_SOCKET, libc::SO_PEERCRED, 0usize, 0usize);
    // Processes.
    #[cfg(target_arch = "x86_64")]
    "fork" => Death, call!(SYS_fork);
    #[cfg(target_arch = "x86_64")]
    "vfork" => Death, call!(SYS_vfork);
    "clone-process" => Death, call!(SYS_clone, libc::SIGCHLD, 0usize, 0usize, 0usize, 0usize);
    "clone-newuser" => Death, call!(SYS_clone, libc::CLONE_NEWUSER | libc::SIGCHLD, 0usize, 0usize, 0usize, 0usize);
    "clone3" => ENOSYS, call!(SYS_clone3, [0u64; 11].as_ptr(), 88usize);
    "execve" => Death, call!(SYS_execve, c"/bin/sh".as_ptr(), 0usize, 0usize);
    "execveat-fd" => Death, call!(SYS_execveat, 3, c"".as_ptr(), 0usize, 0usize, libc::AT_EMPTY_PATH);
    "ptrace" => Death, call!(SYS_ptrace, libc::PTRACE_TRACEME, 0, 0usize, 0usize);
    "process_vm_readv" => Death, call!(SYS_process_vm_readv, 1, 0usize, 0usize, 0usize, 0usize, 0usize);
    "process_vm_writev" => Death, call!(SYS_process_vm_writev, 1, 0usize, 0usize, 0usize, 0usize, 0usize);
    "process_madvise" => Death, call!(SYS_process_madvise, 3, 0usize, 0usize, 0, 0);
    "kcmp" => Death, call!(SYS_kcmp, 1, 1, 0, 0, 0);
    "kill-other" => Death, call!(SYS_kill, 2, libc::SIGKILL);
    "kill-all" => Death, call!(SYS_kill, -1, libc::SIGKILL);
    "tkill" => Death, call!(SYS_tkill, 2, libc::SIGKILL);
    "tgkill-other" => Death, call!(SYS_tgkill, 2_000_000, 2_000_000, 0);
    "rt_sigqueueinfo" => Death, call!(SYS_rt_sigqueueinfo, 2, 0, 0usize);
    "pidfd_open" => Death, call!(SYS_pidfd_open, 1, 0);
    "pidfd_getfd" => Death, call!(SYS_pidfd_getfd, 3, 0, 0);
    "pidfd_send_signal" => Death, call!(SYS_pidfd_send_signal, 3, 0, 0usize, 0);
    "wait4" => Death, call!(SYS_wait4, -1, 0usize, 0, 0usize);
    "setpriority" => Death, call!(SYS_setpriority, 0, 0, -20);
    "sched_setscheduler" => Death, call!(SYS_sched_setscheduler, 0, 1, 0usize);
    "prlimit64-set" => Death, call!(SYS_prlimit64, 0, libc::RLIMIT_NOFILE, [9u64; 2].as_ptr(), 0usize);
    "prlimit64-other" => Death, call!(SYS_prlimit64, 2, libc::RLIMIT_NOFILE, 0usize, 0usize);
    // Identity and namespaces.
    "setuid" => Death, call!(SYS_setuid, 0);
    "setresuid" => Death, call!(SYS_setresuid, 0, 0, 0);
    "setgroups" => Death, call!(SYS_setgroups, 0, 0usize);
    "capset" => Death, call!(SYS_capset, 0usize, 0usize);
    "mount" => Death, call!(SYS_mount, 0usize, c"/".as_ptr(), c"proc".as_ptr(), 0usize, 0usize);
    "umount2" => Death, call!(SYS_umount2, c"/".as_ptr(), 0);
    "pivot_root" => Death, call!(SYS_pivot_root, c".".as_ptr(), c".".as_ptr());
    "fsopen" => Death, call!(SYS_fsopen, c"proc".as_ptr(), 0);
    "move_mount" => Death, call!(SYS_move_mount, 3, c"".as_ptr(), 3, c"".as_ptr(), 0);
    "open_tree" => Death, call!(SYS_open_tree, 3, c"".as_ptr(), 0);
    "setns" => Death, call!(SYS_setns, 3, 0);
    "unshare" => Death, call!(SYS_unshare, libc::CLONE_NEWUSER);
    "sethostname" => Death, call!(SYS_sethostname, c"x".as_ptr(), 1usize);
    // Kernel interfaces with a history.
    "io_uring_setup" => Death, call!(SYS_io_uring_setup, 8, [0u64; 15].as_mut_ptr());
    "io_uring_enter" => Death, call!(SYS_io_uring_enter, 3, 0, 0, 0, 0usize, 0usize);
    "io_uring_register" => Death, call!(SYS_io_uring_register, 3, 0, 0usize, 0);
    "io_setup" => Death, call!(SYS_io_setup, 1, [0u64; 1].as_mut_ptr());
    "userfaultfd" => Death, call!(SYS_userfaultfd, 0);
    "bpf" => Death, call!(SYS_bpf, 0, 0usize, 0);
    "perf_event_open" => Death, call!(SYS_perf_event_open, 0usize, 0, -1, -1, 0);
    "keyctl" => Death, call!(SYS_keyctl, 0, 0, 0, 0, 0);
    "add_key" => Death, call!(SYS_add_key, c"user".as_ptr(), c"x".as_ptr(), c"x".as_ptr(), 1usize, -3);
    "request_key" => Death, call!(SYS_request_key, c"user".as_ptr(), c"x".as_ptr(), 0usize, 0);
    "memfd_create" => Death, call!(SYS_memfd_create, c"x".as_ptr(), 0);
    "memfd_secret" => Death, call!(SYS_memfd_secret, 0);
    "mbind" => Death, call!(SYS_mbind, 0usize, 0usize, 0, 0usize, 0usize, 0);
    "move_pages" => Death, call!(SYS_move_pages, 0, 0usize, 0usize, 0usize, 0usize, 0);
    "mremap" => ENOSYS, call!(SYS_mremap, 0usize, 4096usize, 8192usize, libc::MREMAP_MAYMOVE);
    "remap_file_pages" => Death, call!(SYS_remap_file_pages, 0usize, 0usize, 0, 0usize, 0);
    "mlock" => Death, call!(SYS_mlock, 0usize, 0usize);
    "splice" => Death, call!(SYS_splice, 3, 0usize, 3, 0usize, 0usize, 0);
    "vmsplice" => Death, call!(SYS_vmsplice, 3, 0usize, 0usize, 0);
    "tee" => Death, call!(SYS_tee, 3, 3, 0usize, 0);
    "sendfile" => Death, call!(SYS_sendfile, 3, 3, 0usize, 0usize);
    "pipe2" => Death, call!(SYS_pipe2, 0usize, 0);
    "timerfd_create" => Death, call!(SYS_timerfd_create, 1, 0);
    "timer_create" => Death, call!(SYS_timer_create, 1, 0usize, 0usize);
    "signalfd4" => Death, call!(SYS_signalfd4, -1, 0usize, 8usize, 0);
    "shmget" => Death, call!(SYS_shmget, 0, 4096usize, 0);
    "semget" => Death, call!(SYS_semget, 0, 1, 0);
    "msgget" => Death, call!(SYS_msgget, 0, 0);
    "mq_open" => Death, call!(SYS_mq_open, c"x".as_ptr(), 0, 0, 0usize);
    "syslog" => Death, call!(SYS_syslog, 3, 0usize, 0);
    "personality" => Death, call!(SYS_personality, 0);
    "init_module" => Death, call!(SYS_init_module, 0usize, 0usize, c"".as_ptr());
    "kexec_load" => Death, call!(SYS_kexec_load, 0usize, 0usize, 0usize, 0usize);
    "reboot" => Death, call!(SYS_reboot, 0, 0, 0, 0usize);
    "swapon" => Death, call!(SYS_swapon, c"/x".as_ptr(), 0);
    "acct" => Death, call!(SYS_acct, 0usize);
    "quotactl" => Death, call!(SYS_quotactl, 0, 0usize, 0, 0usize);
    #[cfg(target_arch = "x86_64")]
    "modify_ldt" => Death, call!(SYS_modify_ldt, 0, 0usize, 0usize);
    #[cfg(target_arch = "x86_64")]
    "arch_prctl" => Death, call!(SYS_arch_prctl, 0x1003, [0u64; 1].as_mut_ptr());
    #[cfg(target_arch = "x86_64")]
    "x32-getpid" => Death,
        // SAFETY: a call number of the x32 ABI, without arguments.
        unsafe { libc::syscall(0x4000_0000 + libc::SYS_getpid) };
    "unknown-number" => Death,
        // SAFETY: a number that no kernel has given out.
        unsafe { libc::syscall(100_000) };
    // The filter itself.
    "seccomp" => Death, call!(SYS_seccomp, 1, 0, 0usize);
    "prctl-seccomp" => Death, call!(SYS_prctl, libc::PR_SET_SECCOMP, 2, 0usize);
    "prctl-dumpable" => Death, call!(SYS_prctl, libc::PR_SET_DUMPABLE, 1, 0, 0, 0);
    "prctl-pdeathsig" => Death, call!(SYS_prctl, libc::PR_SET_PDEATHSIG, 0, 0, 0, 0);
    "prctl-set-mm" => Death, call!(SYS_prctl, libc::PR_SET_MM, 0, 0, 0, 0);
    "landlock_create_ruleset" => Death, call!(SYS_landlock_create_ruleset, 0usize, 0usize, 1);
    "sigaction-sigsys" => SilentDeath, call!(SYS_rt_sigaction, libc::SIGSYS, 0usize, 0usize, 8usize);
    // The upper half of a 64-bit register: a rule on a long must see it, a rule on an int must not be fooled by it.
    "mmap-flags-high" => Death, call!(SYS_mmap, 0usize, 4096usize, 3u64, HIGH | 0x22, -1i64, 0usize);
    "mmap-prot-high" => Death, call!(SYS_mmap, 0usize, 4096usize, HIGH | 3, 0x22u64, -1i64, 0usize);
    "mprotect-prot-high" => Death, call!(SYS_mprotect, 0usize, 0usize, HIGH | 1);
    "clone-flags-high" => Death, call!(SYS_clone, HIGH | 0x3d_0f00, 0usize, 0usize, 0usize, 0usize);
    "fcntl-setfl" => Death, call!(SYS_fcntl, 2, libc::F_SETFL, libc::O_DIRECT);
    "fcntl-cmd-high" => Death, call!(SYS_fcntl, 2u64, HIGH | libc::F_SETOWN as u64, 0usize);
    "sendto-address-high" => Death, call!(SYS_sendto, 3, c"x".as_ptr(), 1usize, 0, HIGH, 4);
    "prlimit64-new-high" => Death, call!(SYS_prlimit64, 0, libc::RLIMIT_NOFILE, HIGH, 0usize);
    // Arguments of allowed calls.
    "mmap-shared" => Death, call!(SYS_mmap, 0usize, 4096usize, 3usize, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1, 0usize);
    "mmap-file" => Death, call!(SYS_mmap, 0usize, 4096usize, 1usize, libc::MAP_PRIVATE, 3, 0usize);
    "mmap-hugetlb" => Death, call!(SYS_mmap, 0usize, 4096usize, 3usize, 0x4_0022usize, -1, 0usize);
    "madvise-hwpoison" => Death, call!(SYS_madvise, 0usize, 0usize, libc::MADV_HWPOISON);
    "futex-lock-pi" => Death, call!(SYS_futex, [0u32; 1].as_ptr(), libc::FUTEX_LOCK_PI, 0, 0usize, 0usize, 0);
    "fcntl-setown" => Death, call!(SYS_fcntl, 3, libc::F_SETOWN, 1);
    "fcntl-setpipe-size" => Death, call!(SYS_fcntl, 3, libc::F_SETPIPE_SZ, 1 << 20);
    "ioctl-tiocsti" => Death, call!(SYS_ioctl, 0, libc::TIOCSTI, c"x".as_ptr());
    "ioctl-tcgets" => Errno(libc::ENOTTY), call!(SYS_ioctl, 0, libc::TCGETS, 0usize);
    "clock-other-process" => Death, call!(SYS_clock_gettime, !1 << 3 | 6, [0u64; 2].as_mut_ptr());
    "clock_settime" => Death, call!(SYS_clock_settime, 0, [0u64; 2].as_ptr());
    "getrandom-blocking" => Death, call!(SYS_getrandom, [0u8; 8].as_mut_ptr(), 8usize, 2);
    // Ends that are not the filter's must show as themselves.
    "panic" => Signal(libc::SIGABRT), panic!("a probe panics");
    "abort" => Signal(libc::SIGABRT), std::process::abort();
    "stack-overflow" => Signal(libc::SIGABRT), overflow(0);
    "out-of-memory" => Signal(libc::SIGABRT), std::alloc::handle_alloc_error(std::alloc::Layout::new::<u64>());
    "null-pointer" => Signal(libc::SIGSEGV),
        // SAFETY: not sound, and meant to be: the fault ends the process.
        unsafe { std::ptr::read_volatile(std::hint::black_box(8usize) as *const u8) };
    // What the engine's failed checks end in.
    #[cfg(target_arch = "x86_64")]
    "illegal-instruction" => Signal(libc::SIGILL),
        // SAFETY: does not return.
        { unsafe { std::arch::asm!("ud2", options(noreturn)) }; #[expect(unreachable_code)] 0 };
}

/// Recursion without an end.
#[expect(unconditional_recursion, reason = "that is what is being tried")]
fn overflow(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    overflow(depth + 1) + frame[7]
}

fn fail(error: std::io::Error) -> i64 {
    // SAFETY: errno is this thread's.
    unsafe { *libc::__errno_location() = error.raw_os_error().unwrap_or(libc::EIO) };
    -1
}

fn connect(path: &[u8]) -> i64 {
    let mut address = [0u8; 16];
    address[0] = libc::AF_UNIX as u8;
    address[2..2 + path.len()].copy_from_slice(path);
    call!(SYS_connect, 3, address.as_ptr(), 2 + path.len())
}

fn local_offset() -> i64 {
    // SAFETY: both structures live for the calls; localtime_r reads the time zone, which is what is being asked.
    let offset = unsafe {
        let mut broken_down: libc::tm = std::mem::zeroed();
        libc::localtime_r(&0, &mut broken_down);
        broken_down.tm_gmtoff
    };
    if offset == 0 { 0 } else { -1 }
}

/// The probe with that name.
pub fn find(name: &str) -> Option<&'static Probe> {
    PROBES.iter().find(|probe| probe.name == name)
}

/// The layers that [`WITHOUT_ARG`] names, if the argument is that one.
pub fn parse_without(argument: &str) -> Option<Vec<Layer>> {
    argument.strip_prefix(WITHOUT_ARG)?.split(',').map(Layer::from_name).collect()
}

/// Reads a line that [`CALLS`] wrote: which of the calls, from 0, and its `errno`, 0 when it succeeded.
pub fn parse_result(line: &str) -> Option<(usize, i32)> {
    let (at, errno) = line.strip_prefix("result ")?.split_once(' ')?;
    Some((at.parse().ok()?, errno.parse().ok()?))
}

/// Does what the words say and ends the process: [`SUCCEEDED`] when the call was made, its `errno` when it was refused,
/// [`UNKNOWN`] when there is no such probe; or it does not come back at all. `directory` is the worker's own.
pub fn run(words: &[String], directory: Option<RawFd>) -> ! {
    let code = match words {
        [name, calls @ ..] if name == CALLS => make(calls),
        [name, attempt, args @ ..] if name == ESCAPE => escape::attempt(attempt, args, directory).unwrap_or(UNKNOWN),
        [name] => match find(name) {
            None => UNKNOWN,
            Some(probe) if (probe.attempt)() >= 0 => SUCCEEDED,
            Some(_) => last_errno(),
        },
        _ => UNKNOWN,
    };
    // SAFETY: does not return, runs no destructors.
    unsafe { libc::_exit(code) }
}

fn make(calls: &[String]) -> i32 {
    for (at, call) in calls.iter().enumerate() {
        let own = u64::from(std::process::id());
        let number = |word: &str| if word == OWN_PID_WORD { Some(own) } else { word.parse().ok() };
        let Some(n) = call.split(',').map(number).collect::<Option<Vec<u64>>>().filter(|n| n.len() == 7) else {
            return UNKNOWN;
        };
        let make = move || {
            // SAFETY: the filter is in force, and what passes it was chosen to fail or to do no harm.
            let result = unsafe { libc::syscall(n[0] as i64, n[1], n[2], n[3], n[4], n[5], n[6]) };
            if result < 0 { last_errno() } else { 0 }
        };
        // The end of the first thread is not the end of the process.
        let ends_a_thread = call.starts_with(&format!("{},", libc::SYS_exit));
        let errno = if ends_a_thread { std::thread::spawn(make).join().unwrap_or(0) } else { make() };
        let line = format!("result {at} {errno}\n");
        // SAFETY: the text lives for the call.
        unsafe { libc::syscall(libc::SYS_write, 2, line.as_ptr(), line.len()) };
    }
    SUCCEEDED
}

fn last_errno() -> i32 {
    // SAFETY: errno is this thread's.
    unsafe { *libc::__errno_location() }
}
