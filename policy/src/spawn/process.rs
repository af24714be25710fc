//! Holding on to a worker process.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
};

use super::{ABORTED_AS_INIT, Job, spawner};
use crate::sys::check;

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

impl WorkerProcess {
    /// A process that was just started.
    pub(super) fn new(pidfd: OwnedFd, pid: i32, is_init: bool) -> Self {
        Self { pidfd: Some(pidfd), pid, is_init, exit: None }
    }

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

pub(super) fn reap(pidfd: BorrowedFd<'_>, flags: libc::c_int, is_init: bool) -> io::Result<Option<Exit>> {
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
