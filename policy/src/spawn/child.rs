//! What happens between `clone` and `execve`.

use std::{
    ffi::CString,
    fs::OpenOptions,
    io,
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd},
        unix::ffi::OsStringExt,
    },
};

use super::{
    PidNamespace, Program, SpawnError, WorkerCommand, WorkerProcess,
    process::reap,
    program::{self, InMemory},
};
use crate::sys::check;

/// The stack on which a child runs until `execve`. One is enough: the parent is suspended meanwhile.
pub(super) struct Stack {
    base: *mut libc::c_void,
}

// SAFETY: the mapping belongs to whoever holds the value; nothing is tied to a thread.
unsafe impl Send for Stack {}

impl Stack {
    const LEN: usize = 64 * 1024;

    pub(super) fn new() -> io::Result<Self> {
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
    /// Its path, or nothing where it has none and is `program`.
    path: *const libc::c_char,
    /// Negative: it has a path.
    program: RawFd,
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

pub(super) fn spawn_on_this_thread(command: WorkerCommand, stack: &Stack) -> Result<WorkerProcess, SpawnError> {
    let WorkerCommand { program, args, fds, diagnostics, pid_namespace, cgroup } = command;
    let c_string = |bytes: Vec<u8>| CString::new(bytes).map_err(|_| SpawnError::Nul);
    let mut argv_owned = vec![program.name()?];
    for arg in args {
        argv_owned.push(c_string(arg.into_vec())?);
    }
    let mut argv: Vec<_> = argv_owned.iter().map(|arg| arg.as_ptr()).collect();
    argv.push(std::ptr::null());
    let envp = [std::ptr::null()];

    // Sources above all targets, so that moving one into place cannot overwrite another. The last target is the program's.
    let floor = 4 + fds.len() as RawFd;
    let lift = |fd: &OwnedFd| -> Result<OwnedFd, SpawnError> {
        // SAFETY: the descriptor is open, and the result is a new one that nobody else owns.
        unsafe { check(libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, floor)).map(|fd| OwnedFd::from_raw_fd(fd)) }
            .map_err(|source| SpawnError::Parent { step: "duplicating a descriptor", source })
    };
    let null = match OpenOptions::new().read(true).write(true).open("/dev/null") {
        Ok(null) => null.into(),
        // An empty directory is the root.
        Err(error) if error.kind() == io::ErrorKind::NotFound => program::nothing()
            .map_err(|source| SpawnError::Parent { step: "making what stands for /dev/null", source })?,
        Err(source) => return Err(SpawnError::Parent { step: "opening /dev/null", source }),
    };
    let null = lift(&null)?;
    let in_memory = match &program {
        Program::File(_) => None,
        Program::InMemory(InMemory { file, .. }) => Some(lift(file)?),
    };
    let diagnostics = lift(&diagnostics)?;
    let lifted = fds.iter().map(lift).collect::<Result<Vec<_>, _>>()?;
    let numbers: Vec<RawFd> = lifted.iter().map(AsRawFd::as_raw_fd).collect();

    // SAFETY: these calls cannot fail and touch no memory.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    let uid_map = format!("0 {uid} 1\n");
    let gid_map = format!("0 {gid} 1\n");
    let mut plan = Plan {
        path: if in_memory.is_some() { c"".as_ptr() } else { argv_owned[0].as_ptr() },
        program: in_memory.as_ref().map_or(-1, AsRawFd::as_raw_fd),
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
        match start(&mut plan, namespaces, stack, &program) {
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
    program: &Program,
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
        None => Ok(WorkerProcess::new(pidfd, pid, namespaces & libc::CLONE_NEWPID != 0)),
        Some((step, errno)) => {
            let _ = reap(pidfd.as_fd(), 0, false);
            let source = io::Error::from_raw_os_error(errno);
            Err(if step == MAP_STEP {
                SpawnError::PidNamespace(source)
            } else {
                SpawnError::Child { program: program.clone(), step, source }
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

/// The child's steps, ending in `execve` or `execveat`, which do not return when they succeed.
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
        let mut first_unwanted = 3 + plan.count as libc::c_uint;
        if plan.program >= 0 {
            // Closed when the program is loaded.
            ok(libc::dup3(plan.program, first_unwanted as libc::c_int, libc::O_CLOEXEC), "placing the program")?;
            first_unwanted += 1;
        }
        if libc::syscall(libc::SYS_close_range, first_unwanted, libc::c_uint::MAX, 0 as libc::c_uint) < 0 {
            return Err("close_range");
        }
        ok(libc::chdir(c"/".as_ptr()), "chdir")?;
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
        if plan.program < 0 {
            libc::execve(plan.path, plan.argv, plan.envp);
            return Err("execve");
        }
        // By its descriptor alone, which needs no /proc.
        let at = 3 + plan.count as libc::c_int;
        libc::syscall(libc::SYS_execveat, at, plan.path, plan.argv, plan.envp, libc::AT_EMPTY_PATH);
        Err("execveat")
    }
}
