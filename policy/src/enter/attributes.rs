//! Attributes of the process itself.

use std::io;

use crate::sys;

/// Lets go of what ties the process to where it was started from.
pub(super) fn detach(has_directory: bool) {
    // SAFETY: these only change attributes of the process. setsid fails in a process that already leads its group.
    unsafe {
        libc::umask(0o077);
        libc::setsid();
        if has_directory {
            // A file at its quota is an error for the database, not the end of the process.
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        }
    }
}

pub(super) fn process_attributes() -> io::Result<()> {
    sys::prctl(libc::PR_SET_DUMPABLE, 0, 0)?;
    // Each change of user or capabilities cleared it. If the supervisor has died in between, its end of the control
    // socket is closed, and the worker ends with that.
    sys::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64, 0)?;
    Ok(())
}
