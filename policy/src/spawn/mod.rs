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

mod child;
mod process;
mod program;
mod shared;

use std::{
    ffi::OsString,
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{
        OnceLock,
        mpsc::{self, SyncSender},
    },
};

use self::{
    child::{Stack, spawn_on_this_thread},
    process::reap,
};
pub use self::{
    process::{Exit, WorkerProcess},
    program::{InMemory, Program},
    shared::SharedBytes,
};

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
    /// The worker's program.
    pub program: Program,
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
    #[error("cannot start the worker {program}: {step} failed in the child: {source}")]
    Child {
        /// The program.
        program: Program,
        /// What was being done.
        step: &'static str,
        /// What the kernel answered.
        source: io::Error,
    },
    /// The thread that starts workers has ended, which happens only while the process ends.
    #[error("cannot start a worker: the process is ending")]
    Ending,
}

impl WorkerCommand {
    /// A command without arguments and descriptors.
    pub fn new(program: impl Into<Program>, diagnostics: OwnedFd) -> Self {
        let (args, fds) = (Vec::new(), Vec::new());
        Self { program: program.into(), args, fds, diagnostics, pid_namespace: PidNamespace::default(), cgroup: None }
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
