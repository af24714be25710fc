//! Thin safe wrappers around the few raw calls that `nix` and `libc` have no safe form for.

use std::{
    ffi::{CStr, CString},
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

/// Turns the C convention (`-1` and `errno`) into a `Result`.
pub(crate) fn check<T: Copy + PartialOrd + From<i8>>(value: T) -> io::Result<T> {
    if value < T::from(0) { Err(io::Error::last_os_error()) } else { Ok(value) }
}

/// `prctl` with integer arguments only, so that no memory is touched.
pub(crate) fn prctl(option: libc::c_int, arg2: u64, arg3: u64) -> io::Result<libc::c_int> {
    // SAFETY: callers pass options whose arguments are plain integers; unused ones are zero as the kernel demands.
    check(unsafe { libc::prctl(option, arg2, arg3, 0u64, 0u64) })
}

/// Closes every descriptor from `first` up, or sets close-on-exec on them.
pub(crate) fn close_range(first: RawFd, flags: libc::c_uint) -> io::Result<()> {
    // SAFETY: plain integers. The callers own the process's descriptor table at this point.
    check(unsafe { libc::syscall(libc::SYS_close_range, first as libc::c_uint, libc::c_uint::MAX, flags) }).map(drop)
}

/// Sets soft and hard limit of one resource, and leaves a hard limit that is lower where it is.
pub(crate) fn setrlimit(resource: libc::__rlimit_resource_t, value: u64) -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` lives for both calls.
    unsafe {
        check(libc::getrlimit(resource, &mut limit))?;
        limit.rlim_max = limit.rlim_max.min(value);
        limit.rlim_cur = limit.rlim_max;
        check(libc::setrlimit(resource, &limit)).map(drop)
    }
}

/// `mount(2)` with optional strings.
pub(crate) fn mount(
    source: Option<&CStr>,
    target: &CStr,
    kind: Option<&CStr>,
    flags: libc::c_ulong,
    data: Option<&CStr>,
) -> io::Result<()> {
    let ptr = |s: Option<&CStr>| s.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: all pointers are null or point at NUL-terminated strings that live for the call.
    check(unsafe { libc::mount(ptr(source), target.as_ptr(), ptr(kind), flags, ptr(data).cast()) }).map(drop)
}

/// The working directory as a mount that is attached nowhere yet. In it nothing is executed, no device is opened, no set-user-id
/// bit counts and no symbolic link is followed.
pub(crate) fn clone_working_directory() -> io::Result<OwnedFd> {
    // SAFETY: a NUL-terminated string; the new descriptor is ours alone.
    let tree = unsafe {
        let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
        check(libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, c".".as_ptr(), flags))
            .map(|fd| OwnedFd::from_raw_fd(fd as RawFd))?
    };
    const ATTRIBUTES: u64 =
        libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC | libc::MOUNT_ATTR_NOSYMFOLLOW;
    // SAFETY: all-zero is a valid value of a structure of integers.
    let mut attributes: libc::mount_attr = unsafe { std::mem::zeroed() };
    attributes.attr_set = ATTRIBUTES;
    // SAFETY: the string and the structure, whose size is given, live for the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &attributes,
            size_of::<libc::mount_attr>(),
        )
    })?;
    Ok(tree)
}

/// Attaches a mount at a path relative to the working directory.
pub(crate) fn attach_mount(tree: &OwnedFd, path: &str) -> io::Result<()> {
    let path = CString::new(path)?;
    // SAFETY: NUL-terminated strings.
    check(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    })
    .map(drop)
}
