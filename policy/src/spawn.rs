//! Starting a worker process, and holding on to it.
//!
//! # How
//!
//! One thread of the process, which lives as long as the process does, starts every worker: it calls `clone` with
//! `CLONE_VM | CLONE_VFORK` (as `posix_spawn` does), so that no page table is copied however large the supervisor is.
//! Between `clone` and `execve` the child runs only raw system calls on memory that was prepared before: no allocation,
//! no lock, no library call that could take one.
//!
//! That it is always the same thread matters: `PR_SET_PDEATHSIG` fires when the *thread* that started the child ends, not
//! when the process does. A worker started from a thread pool would be killed when the pool shrinks.
//!
//! # Pid namespace
//!
//! A pid namespace cannot be entered by a running process, only given to a child, so it is asked for here while all other
//! namespaces are made by the worker itself in [`crate::enter::prepare`]. A supervisor that is not root gets it together
//! with a user namespace in which the worker is root until `prepare` has dropped everything.
//!
//! The worker is then the *init* of its namespace. The kernel ignores the default action of signals that init sends
//! itself, `SIGABRT` among them. `prepare` therefore installs a handler that ends the process with
//! [`ABORTED_AS_INIT`], which [`WorkerProcess::try_wait`] reports as the `SIGABRT` that it was.

use std::{
    ffi::{CString, OsString},
    fs::OpenOptions,
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::ffi::OsStringExt,
    },
    path::PathBuf,
    sync::{
        OnceLock,
        mpsc::{self, SyncSender},
    },
};

use crate::sys::check;

/// The exit code that stands for `SIGABRT` in a worker that is the init of its pid namespace: 128 + 6, as a shell shows it.
pub const ABORTED_AS_INIT: i32 = 128 + libc::SIGABRT;

/// Whether the worker becomes the init of a pid namespace of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PidNamespace {
    /// Yes, or the spawn fails.
    Required,
    /// Yes if the kernel permits it. The worker's [`Report`](crate::report::Report) says whether it did.
    #[default]
    IfPermitted,
    /// No.
    Off,
}

/// A worker to be started.
#[derive(Debug)]
pub struct WorkerCommand {
    /// The worker's executable, as an absolute path.
    pub exe: PathBuf,
    /// Its arguments, without the program name. They are visible in `ps`: nothing secret belongs here.
    pub args: Vec<OsString>,
    /// The descriptors it gets, as 3, 4, 5 … in this order.
    pub fds: Vec<OwnedFd>,
    /// What becomes descriptor 2: where panics, V8's last words and refused system calls are written.
    pub diagnostics: OwnedFd,
    /// Whether it gets a pid namespace.
    pub pid_namespace: PidNamespace,
    /// The `cgroup.procs` file of a cgroup, open for writing, which the process enters before its program is loaded.
    pub cgroup: Option<OwnedFd>,
}

/// Why a worker could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// An argument or the path contains a NUL byte.
    #[error("cannot start a worker: the path or an argument contains a NUL byte")]
    Nul,
    /// A step in this process failed.
    #[error("cannot start a worker: {step} failed: {source}")]
    Parent {
        /// What was being done.
        step: &'static str,
        /// What the kernel answered.
        source: io::Error,
    },
    /// The pid namespace is required and was refused.
    #[error(
        "cannot start a worker in a pid namespace of its own: {0}; start the supervisor as root, permit user \
         namespaces, or use best-effort mode"
    )]
    PidNamespace(io::Error),
    /// A step in the child, before its program ran, failed.
    #[error("cannot start the worker {exe}: {step} failed in the child: {source}")]
    Child {
        /// The executable.
        exe: PathBuf,
        /// What was being done.
        step: &'static str,
        /// What the kernel answered.
        source: io::Error,
    },
    /// The thread that starts workers has ended, which happens only while the process ends.
    #[error("cannot start a worker: the process is ending")]
    Ending,
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It ended itself with this code.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// The signal's number, such as `SIGSYS` for a system call that was refused.
        signal: i32,
        /// Whether a core file was written.
        core: bool,
    },
}

impl Exit {
    /// The signal's usual name, if a signal ended the process and it is one that ends processes.
    pub fn signal_name(self) -> Option<&'static str> {
        let Self::Signal { signal, .. } = self else { return None };
        Some(match signal {
            libc::SIGABRT => "SIGABRT",
            libc::SIGALRM => "SIGALRM",
            libc::SIGBUS => "SIGBUS",
            libc::SIGFPE => "SIGFPE",
            libc::SIGHUP => "SIGHUP",
            libc::SIGILL => "SIGILL",
            libc::SIGINT => "SIGINT",
            libc::SIGKILL => "SIGKILL",
            libc::SIGPIPE => "SIGPIPE",
            libc::SIGQUIT => "SIGQUIT",
            libc::SIGSEGV => "SIGSEGV",
            libc::SIGSYS => "SIGSYS",
            libc::SIGTERM => "SIGTERM",
            libc::SIGTRAP => "SIGTRAP",
            libc::SIGXCPU => "SIGXCPU",
            libc::SIGXFSZ => "SIGXFSZ",
            _ => return None,
        })
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self, self.signal_name()) {
            (Self::Code(code), _) => write!(f, "exit code {code}"),
            (Self::Signal { .. }, Some(name)) => write!(f, "signal {name}"),
            (Self::Signal { signal, .. }, None) => write!(f, "signal {signal}"),
        }
    }
}

/// A running worker. Dropping it kills the process and reaps it.
#[derive(Debug)]
pub struct WorkerProcess {
    /// `None` once the process has been handed to the reaper.
    pidfd: Option<OwnedFd>,
    pid: i32,
    is_init: bool,
    exit: Option<Exit>,
}

impl WorkerCommand {
    /// A command without arguments and descriptors.
    pub fn new(exe: impl Into<PathBuf>, diagnostics: OwnedFd) -> Self {
        let (args, fds) = (Vec::new(), Vec::new());
        Self { exe: exe.into(), args, fds, diagnostics, pid_namespace: PidNamespace::default(), cgroup: None }
    }

    /// Starts the worker and returns when its program has been loaded.
    ///
    /// Blocks the caller for the time of one `execve`, typically a millisecond or less; starts are serialised.
    ///
    /// # Errors
    /// See [`SpawnError`]. When it fails, no process is left behind.
    pub fn spawn(self) -> Result<WorkerProcess, SpawnError> {
        let (reply, answer) = mpsc::sync_channel(1);
        spawner()?.send(Job::Spawn(Box::new(self), reply)).map_err(|_| SpawnError::Ending)?;
        answer.recv().map_err(|_| SpawnError::Ending)?
    }
}

impl WorkerProcess {
    /// The process id, as the supervisor's pid namespace sees it. For logs and for reading `/proc`; signals go through
    /// [`WorkerProcess::kill`], which cannot hit a process that reused the number.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether the process is the init of a pid namespace of its own.
    pub fn has_pid_namespace(&self) -> bool {
        self.is_init
    }

    /// Sends `SIGKILL`. Killing a process that has already ended is not an error.
    pub fn kill(&self) -> io::Result<()> {
        match &self.pidfd {
            Some(pidfd) if self.exit.is_none() => signal(pidfd.as_fd(), libc::SIGKILL),
            _ => Ok(()),
        }
    }

    /// How the process ended, or `None` while it runs. Never blocks. The process is reaped by the first call that
    /// returns an exit; later calls return the same.
    ///
    /// # Errors
    /// What `waitid` says, which can only be that somebody else reaped the process.
    pub fn try_wait(&mut self) -> io::Result<Option<Exit>> {
        self.wait_with(libc::WNOHANG)
    }

    /// Blocks until the process has ended and reaps it.
    ///
    /// # Errors
    /// As [`WorkerProcess::try_wait`].
    pub fn wait(&mut self) -> io::Result<Exit> {
        loop {
            if let Some(exit) = self.wait_with(0)? {
                return Ok(exit);
            }
        }
    }

    fn wait_with(&mut self, flags: libc::c_int) -> io::Result<Option<Exit>> {
        if self.exit.is_none()
            && let Some(pidfd) = &self.pidfd
        {
            self.exit = reap(pidfd.as_fd(), flags, self.is_init)?;
        }
        Ok(self.exit)
    }
}

impl AsFd for WorkerProcess {
    /// The pidfd: readable when the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_ref().expect("the pidfd is taken only by drop").as_fd()
    }
}

impl AsRawFd for WorkerProcess {
    /// The pidfd: readable when the process has ended.
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        let Some(pidfd) = self.pidfd.take() else { return };
        if self.exit.is_some() {
            return;
        }
        let _ = signal(pidfd.as_fd(), libc::SIGKILL);
        if matches!(reap(pidfd.as_fd(), libc::WNOHANG, self.is_init), Ok(Some(_)) | Err(_)) {
            return;
        }
        // Freeing a large address space takes milliseconds: the shard that drops this must not wait for it.
        if let Ok(spawner) = spawner() {
            let _ = spawner.send(Job::Reap(pidfd));
        }
    }
}

fn signal(pidfd: BorrowedFd<'_>, signal: libc::c_int) -> io::Result<()> {
    // SAFETY: no pointer but a null one is passed.
    let done = check(unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0 as libc::c_uint,
        )
    });
    match done {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        other => other.map(drop),
    }
}

fn reap(pidfd: BorrowedFd<'_>, flags: libc::c_int, is_init: bool) -> io::Result<Option<Exit>> {
    // SAFETY: an all-zero siginfo_t is a valid value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: `info` lives for the call.
        let done = check(unsafe {
            libc::waitid(libc::P_PIDFD, pidfd.as_raw_fd() as libc::id_t, &mut info, libc::WEXITED | flags)
        });
        match done {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(_) => break,
        }
    }
    // SAFETY: waitid filled the SIGCHLD members, or left the structure zero when nothing has ended.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    Ok((pid != 0).then(|| decode(info.si_code, status, is_init)))
}

/// Turns what `waitid` reports into an [`Exit`].
fn decode(code: libc::c_int, status: libc::c_int, is_init: bool) -> Exit {
    match code {
        libc::CLD_EXITED if is_init && status == ABORTED_AS_INIT => Exit::Signal { signal: libc::SIGABRT, core: false },
        libc::CLD_EXITED => Exit::Code(status),
        other => Exit::Signal { signal: status, core: other == libc::CLD_DUMPED },
    }
}

enum Job {
    Spawn(Box<WorkerCommand>, SyncSender<Result<WorkerProcess, SpawnError>>),
    Reap(OwnedFd),
}

/// The one thread that starts workers. It is never joined: it ends with the process, which is the point.
fn spawner() -> Result<&'static mpsc::Sender<Job>, SpawnError> {
    static SPAWNER: OnceLock<Result<mpsc::Sender<Job>, i32>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, jobs) = mpsc::channel();
        let stack = Stack::new().map_err(|error| error.raw_os_error().unwrap_or(libc::ENOMEM))?;
        std::thread::Builder::new()
            .name("spawner".into())
            .spawn(move || {
                for job in jobs {
                    match job {
                        Job::Spawn(command, reply) => {
                            let _ = reply.send(spawn_on_this_thread(*command, &stack));
                        }
                        Job::Reap(pidfd) => {
                            let _ = reap(pidfd.as_fd(), 0, false);
                        }
                    }
                }
            })
            .map_err(|error| error.raw_os_error().unwrap_or(libc::EAGAIN))?;
        Ok(sender)
    });
    spawner.as_ref().map_err(|errno| SpawnError::Parent {
        step: "starting the spawner thread",
        source: io::Error::from_raw_os_error(*errno),
    })
}

/// The stack on which a child runs until `execve`. One is enough: the parent is suspended meanwhile.
struct Stack {
    base: *mut libc::c_void,
}

// SAFETY: the mapping belongs to whoever holds the value; nothing is tied to a thread.
unsafe impl Send for Stack {}

impl Stack {
    const LEN: usize = 64 * 1024;

    fn new() -> io::Result<Self> {
        // SAFETY: a fresh anonymous mapping, which touches no memory of ours.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                Self::LEN,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(Self { base }) }
    }

    fn top(&self) -> *mut libc::c_void {
        // SAFETY: one past the end of the mapping. Page ends are aligned for every ABI.
        unsafe { self.base.add(Self::LEN) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` and no child runs on it any more.
        unsafe { libc::munmap(self.base, Self::LEN) };
    }
}

/// Everything the child needs, prepared before `clone`. The child may only read it, except for `failed`.
struct Plan {
    exe: *const libc::c_char,
    argv: *const *const libc::c_char,
    envp: *const *const libc::c_char,
    null: RawFd,
    diagnostics: RawFd,
    fds: *const RawFd,
    count: usize,
    /// Negative: none.
    cgroup: RawFd,
    /// The three files of a user namespace and what to write there; empty slices when there is none.
    id_maps: [(&'static std::ffi::CStr, *const u8, usize); 3],
    map_ids: bool,
    last_signal: libc::c_int,
    failed: Option<(&'static str, i32)>,
}

fn spawn_on_this_thread(command: WorkerCommand, stack: &Stack) -> Result<WorkerProcess, SpawnError> {
    let WorkerCommand { exe, args, fds, diagnostics, pid_namespace, cgroup } = command;
    let c_string = |bytes: Vec<u8>| CString::new(bytes).map_err(|_| SpawnError::Nul);
    let exe_c = c_string(exe.clone().into_os_string().into_vec())?;
    let mut argv_owned = vec![exe_c.clone()];
    for arg in args {
        argv_owned.push(c_string(arg.into_vec())?);
    }
    let mut argv: Vec<_> = argv_owned.iter().map(|arg| arg.as_ptr()).collect();
    argv.push(std::ptr::null());
    let envp = [std::ptr::null()];

    // Sources above all targets, so that moving one into place cannot overwrite another.
    let floor = 3 + fds.len() as RawFd;
    let lift = |fd: &OwnedFd| -> Result<OwnedFd, SpawnError> {
        // SAFETY: the descriptor is open, and the result is a new one that nobody else owns.
        unsafe { check(libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, floor)).map(|fd| OwnedFd::from_raw_fd(fd)) }
            .map_err(|source| SpawnError::Parent { step: "duplicating a descriptor", source })
    };
    let null: OwnedFd = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(|source| SpawnError::Parent { step: "opening /dev/null", source })?
        .into();
    let null = lift(&null)?;
    let diagnostics = lift(&diagnostics)?;
    let lifted = fds.iter().map(lift).collect::<Result<Vec<_>, _>>()?;
    let numbers: Vec<RawFd> = lifted.iter().map(AsRawFd::as_raw_fd).collect();

    // SAFETY: these calls cannot fail and touch no memory.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    let uid_map = format!("0 {uid} 1\n");
    let gid_map = format!("0 {gid} 1\n");
    let mut plan = Plan {
        exe: exe_c.as_ptr(),
        argv: argv.as_ptr(),
        envp: envp.as_ptr(),
        null: null.as_raw_fd(),
        diagnostics: diagnostics.as_raw_fd(),
        fds: numbers.as_ptr(),
        count: numbers.len(),
        cgroup: cgroup.as_ref().map_or(-1, AsRawFd::as_raw_fd),
        id_maps: [
            (c"/proc/self/setgroups", c"deny".as_ptr().cast(), 4),
            (c"/proc/self/uid_map", uid_map.as_ptr(), uid_map.len()),
            (c"/proc/self/gid_map", gid_map.as_ptr(), gid_map.len()),
        ],
        map_ids: false,
        last_signal: libc::SIGRTMAX(),
        failed: None,
    };

    // Root without CAP_SYS_ADMIN, as in many containers, is refused the first and may be granted the second.
    let mut attempts = Vec::new();
    if pid_namespace != PidNamespace::Off {
        if uid == 0 {
            attempts.push(libc::CLONE_NEWPID);
        }
        attempts.push(libc::CLONE_NEWPID | libc::CLONE_NEWUSER);
    }
    if pid_namespace != PidNamespace::Required {
        attempts.push(0);
    }
    let mut refused = None;
    for namespaces in attempts {
        plan.map_ids = namespaces & libc::CLONE_NEWUSER != 0;
        plan.failed = None;
        match start(&mut plan, namespaces, stack, &exe) {
            Err(error @ SpawnError::PidNamespace(_)) => refused = Some(error),
            other => return other,
        }
    }
    Err(refused.expect("every attempt without a namespace returns from the loop"))
}

/// The steps whose failure means that this machine does not permit the namespace.
const MAP_STEP: &str = "mapping the user id";

fn start(
    plan: &mut Plan,
    namespaces: libc::c_int,
    stack: &Stack,
    exe: &std::path::Path,
) -> Result<WorkerProcess, SpawnError> {
    let mut pidfd: RawFd = -1;
    // SAFETY: all-zero is a valid signal set; both are filled before they are read.
    let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = unsafe { std::mem::zeroed() };
    // SAFETY: The child shares our memory and runs on a stack of its own while this thread is suspended, so `plan` and
    // `stack` outlive its use of them and nobody else touches them. All signals are blocked around the call, so no
    // handler of ours runs in the child on shared memory.
    let pid = unsafe {
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let pid = check(libc::clone(
            child,
            stack.top(),
            libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD | namespaces,
            std::ptr::from_mut(plan).cast(),
            &mut pidfd as *mut RawFd,
        ));
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        pid
    };
    let pid = match pid {
        Ok(pid) => pid,
        // Only what says "not here, not you": running out of memory or threads must not lead to a weaker worker.
        Err(error)
            if namespaces != 0
                && matches!(
                    error.raw_os_error(),
                    Some(libc::EPERM | libc::EINVAL | libc::ENOSYS | libc::ENOSPC | libc::EUSERS)
                ) =>
        {
            return Err(SpawnError::PidNamespace(error));
        }
        Err(source) => return Err(SpawnError::Parent { step: "clone", source }),
    };
    // SAFETY: the kernel has just made this descriptor for us.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    // SAFETY: the child wrote through a pointer to `plan`, which the compiler cannot see: hence the volatile read.
    match unsafe { std::ptr::read_volatile(&plan.failed) } {
        None => {
            Ok(WorkerProcess { pidfd: Some(pidfd), pid, is_init: namespaces & libc::CLONE_NEWPID != 0, exit: None })
        }
        Some((step, errno)) => {
            let _ = reap(pidfd.as_fd(), 0, false);
            let source = io::Error::from_raw_os_error(errno);
            Err(if step == MAP_STEP {
                SpawnError::PidNamespace(source)
            } else {
                SpawnError::Child { exe: exe.to_owned(), step, source }
            })
        }
    }
}

/// Runs in the child, on the parent's memory, until `execve`. Raw system calls only.
extern "C" fn child(plan: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `start` passes a pointer to a `Plan` that it does not touch before we have ended or called `execve`. Every
    // pointer in the plan is alive for the same time. The calls below are async-signal-safe and allocate nothing; errno
    // is thread-local memory of the suspended parent thread, which expects it to be clobbered.
    unsafe {
        let plan = &mut *plan.cast::<Plan>();
        let Err(step) = child_steps(plan);
        plan.failed = Some((step, *libc::__errno_location()));
        libc::_exit(127)
    }
}

/// The child's steps, ending in `execve`, which does not return when it succeeds.
///
/// # Safety
/// Only for [`child`].
unsafe fn child_steps(plan: &Plan) -> Result<std::convert::Infallible, &'static str> {
    let ok = |value: libc::c_int, step| if value < 0 { Err(step) } else { Ok(value) };
    // SAFETY: see `child`.
    unsafe {
        // Ignored signals stay ignored across execve (Rust programs ignore SIGPIPE), handlers do not.
        // The raw call, because the library keeps two signals to itself that an ancestor may have ignored. A zeroed
        // kernel sigaction (handler, flags, restorer, 64-bit mask) is the default action.
        let default = [0u64; 4];
        for signal in 1..=plan.last_signal {
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), 0usize, 8usize);
        }
        // Inherited from whoever started the supervisor: a debugger, or `setarch -R`. Without it every worker would have the
        // same addresses as the next one.
        libc::personality(0);
        if plan.cgroup >= 0 {
            // "0" is whoever writes. Before the program is loaded, so that all of its memory counts.
            let entered = libc::write(plan.cgroup, c"0".as_ptr().cast(), 1);
            ok(entered as libc::c_int, "entering the cgroup")?;
        }
        // The worker renews this after it has changed its user, which resets it.
        ok(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong, 0, 0, 0), "PR_SET_PDEATHSIG")?;
        if plan.map_ids {
            for (path, text, len) in plan.id_maps {
                let fd = ok(libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC), MAP_STEP)?;
                if libc::write(fd, text.cast(), len) != len as isize {
                    return Err(MAP_STEP);
                }
                libc::close(fd);
            }
        }
        ok(libc::dup2(plan.null, 0), "placing descriptor 0")?;
        ok(libc::dup2(plan.null, 1), "placing descriptor 1")?;
        ok(libc::dup2(plan.diagnostics, 2), "placing descriptor 2")?;
        for at in 0..plan.count {
            ok(libc::dup2(*plan.fds.add(at), 3 + at as libc::c_int), "placing a descriptor")?;
        }
        let first_unwanted = 3 + plan.count as libc::c_uint;
        if libc::syscall(libc::SYS_close_range, first_unwanted, libc::c_uint::MAX, 0 as libc::c_uint) < 0 {
            return Err("close_range");
        }
        ok(libc::chdir(c"/".as_ptr()), "chdir")?;
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
        libc::execve(plan.exe, plan.argv, plan.envp);
        Err("execve")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_are_decoded() {
        assert_eq!(decode(libc::CLD_EXITED, 3, true), Exit::Code(3));
        assert_eq!(decode(libc::CLD_EXITED, 134, false), Exit::Code(134));
        assert_eq!(decode(libc::CLD_EXITED, 134, true), Exit::Signal { signal: libc::SIGABRT, core: false });
        assert_eq!(decode(libc::CLD_KILLED, libc::SIGSYS, true), Exit::Signal { signal: libc::SIGSYS, core: false });
        assert_eq!(decode(libc::CLD_DUMPED, libc::SIGSEGV, false), Exit::Signal { signal: libc::SIGSEGV, core: true });
        assert_eq!(decode(libc::CLD_KILLED, libc::SIGSYS, true).to_string(), "signal SIGSYS");
    }
}
