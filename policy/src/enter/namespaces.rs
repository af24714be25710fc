//! Namespaces, and the empty root.

use std::{
    ffi::CStr,
    fs::File,
    io::{self, Write},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

use super::{DIRECTORY, EnterError, Options, from};
use crate::{
    report::{Layer, Report, Status},
    spawn::ABORTED_AS_INIT,
    sys::{self, check},
};

pub(super) fn pid_namespace(report: &mut Report) -> Result<(), EnterError> {
    if std::process::id() != 1 {
        report.set(
            Layer::PidNamespace,
            Status::Missing("the supervisor was not permitted to make a pid namespace".into()),
        );
        return Ok(());
    }
    // The kernel drops a SIGABRT that the init of a pid namespace sends itself and has no handler for.
    // SAFETY: an all-zero sigaction is valid; the handler is async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_abort as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = libc::SA_ONSTACK;
        check(libc::sigaction(libc::SIGABRT, &action, std::ptr::null_mut()))
            .map_err(|source| EnterError::Step { step: "installing the SIGABRT handler", source })?;
    }
    report.set(Layer::PidNamespace, Status::Enforced);
    Ok(())
}

extern "C" fn on_abort(_: libc::c_int) {
    // SAFETY: async-signal-safe, does not return.
    unsafe { libc::_exit(ABORTED_AS_INIT) }
}

/// Mount, network, IPC and host name namespaces, and the empty root.
pub(super) fn namespaces(
    options: &Options,
    proc_self: Option<&OwnedFd>,
    directory: Option<&File>,
    report: &mut Report,
) {
    let unshare = |flag| {
        // SAFETY: the process has one thread and no memory is involved.
        check(unsafe { libc::unshare(flag) }).map(drop)
    };
    let mounts = || {
        // SAFETY: these cannot fail.
        let ids = unsafe { (libc::geteuid(), libc::getegid()) };
        // A mount namespace can clone only mounts that are its own. The working directory is carried along when it is
        // made, and so becomes one of those.
        if let Some(directory) = directory {
            // SAFETY: a descriptor that is open.
            check(unsafe { libc::fchdir(directory.as_raw_fd()) })?;
        }
        if let Err(error) = unshare(libc::CLONE_NEWNS) {
            // Not root and not in a user namespace yet: in one of our own we may.
            let Some(dir) = proc_self else { return Err(error) };
            if unshare(libc::CLONE_NEWUSER).is_err() {
                return Err(error);
            }
            map_ids(dir, 0, ids.0, ids.1)?;
            unshare(libc::CLONE_NEWNS)?;
        }
        empty_root(directory.is_some())
    };
    options.put_up(report, Layer::EmptyRoot, || {
        let result = mounts();
        if result.is_err() {
            // SAFETY: a NUL-terminated string. Where it fails there is nothing better to be in.
            unsafe { libc::chdir(c"/".as_ptr()) };
        }
        from(result)
    });
    options.put_up(report, Layer::NetNamespace, || from(unshare(libc::CLONE_NEWNET)));
    options.put_up(report, Layer::IpcNamespace, || from(unshare(libc::CLONE_NEWIPC)));
    options.put_up(report, Layer::UtsNamespace, || from(unshare(libc::CLONE_NEWUTS)));
}

/// Makes an empty read-only file system the root and lets go of everything else. With `directory`, what was the working
/// directory is the one thing in it.
fn empty_root(directory: bool) -> io::Result<()> {
    const HARDENED: libc::c_ulong = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    // Nothing we mount or unmount may reach the namespace we came from.
    sys::mount(None, c"/", None, libc::MS_REC | libc::MS_PRIVATE, None)?;
    let tree = if directory { Some(sys::clone_working_directory()?) } else { None };
    // /proc is a directory that is there on every machine; what it holds is not needed any more.
    let target = c"/proc";
    let data = if directory { c"size=4k,nr_inodes=3,mode=0555" } else { c"size=4k,nr_inodes=2,mode=0555" };
    sys::mount(Some(c"none"), target, Some(c"tmpfs"), HARDENED, Some(data))?;
    let chdir = |path: &CStr| {
        // SAFETY: a NUL-terminated string.
        check(unsafe { libc::chdir(path.as_ptr()) }).map(drop)
    };
    chdir(target)?;
    let name = DIRECTORY.trim_start_matches('/');
    if let Some(tree) = tree {
        std::fs::create_dir(name)?;
        sys::attach_mount(&tree, name)?;
    }
    // With both arguments ".", the old root ends up on top of the new one, from where it is detached: see pivot_root(2).
    // SAFETY: NUL-terminated strings.
    unsafe {
        check(libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()))?;
        check(libc::umount2(c".".as_ptr(), libc::MNT_DETACH))?;
    }
    chdir(c"/")?;
    sys::mount(None, c"/", None, libc::MS_REMOUNT | libc::MS_RDONLY | HARDENED, None)?;
    let found = std::fs::read_dir("/")?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
    if found.iter().any(|found| !directory || found != name) {
        return Err(io::Error::other("the new root is not empty"));
    }
    Ok(())
}

/// A user namespace that knows no user but ours and owns none of the other namespaces.
pub(super) fn user_namespace(proc_self: &OwnedFd) -> io::Result<()> {
    // Changing the user made our /proc entries root's, and we are about to write to them.
    sys::prctl(libc::PR_SET_DUMPABLE, 1, 0)?;
    // SAFETY: cannot fail.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    // SAFETY: the process has one thread and no memory is involved.
    check(unsafe { libc::unshare(libc::CLONE_NEWUSER) })?;
    map_ids(proc_self, uid, uid, gid)
}

fn map_ids(proc_self: &OwnedFd, inside: u32, uid: u32, gid: u32) -> io::Result<()> {
    let write = |name: &CStr, text: String| {
        // SAFETY: a NUL-terminated name relative to an open directory; the new descriptor is ours alone.
        let fd = unsafe {
            check(libc::openat(proc_self.as_raw_fd(), name.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC))
                .map(|fd| OwnedFd::from_raw_fd(fd))
        }?;
        File::from(fd).write_all(text.as_bytes())
    };
    write(c"setgroups", "deny".into())?;
    write(c"uid_map", format!("{inside} {uid} 1\n"))?;
    write(c"gid_map", format!("{inside} {gid} 1\n"))
}
