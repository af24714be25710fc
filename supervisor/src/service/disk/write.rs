//! Writing and removing beneath a directory. All of it may wait for a disk.

use std::{
    ffi::{CString, OsString},
    fs::File,
    io::{self, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::{
    fs::{AtFlags, Dir, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2, renameat, unlinkat},
    io::Errno,
};

use super::{Directory, joined};

/// How deep a directory may be to be removed with all that is in it: so many are open at once.
const MAX_DEPTH: usize = 64;

/// A file that is being written, under a name that nobody asks for until it is whole.
pub(super) struct Upload {
    parent: OwnedFd,
    name: OsString,
    temporary: String,
    file: File,
    finished: bool,
}

impl Upload {
    /// Begins a file of this name, and makes the directories on the way to it.
    pub(super) fn begin(directory: &Directory, names: &[OsString]) -> io::Result<Upload> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let Some((name, above)) = names.split_last() else { return Err(Errno::ISDIR.into()) };
        let parent = match directory.open_beneath(&joined(above), PARENT, false) {
            Err(Errno::NOENT) => make_parent(directory, above)?,
            opened => opened?,
        };
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let temporary = format!(".bulkhead-{}-{number}", std::process::id());
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            match openat(&parent, temporary.as_str(), flags, Mode::from_raw_mode(0o666)) {
                // Of another process of this number.
                Err(Errno::EXIST) => {}
                opened => {
                    let file = File::from(opened?);
                    return Ok(Upload { parent, name: name.clone(), temporary, file, finished: false });
                }
            }
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Has the file take its name, and the place of what had it.
    pub(super) fn finish(mut self) -> io::Result<()> {
        renameat(&self.parent, self.temporary.as_str(), &self.parent, self.name.as_os_str())?;
        self.finished = true;
        Ok(())
    }
}

/// What was not finished leaves nothing behind.
impl Drop for Upload {
    fn drop(&mut self) {
        if !self.finished {
            let _ = unlinkat(&self.parent, self.temporary.as_str(), AtFlags::empty());
        }
    }
}

/// How a directory is opened that something is done in.
const PARENT: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);

/// Opens a directory beneath another, and makes what there is not on the way to it.
fn make_parent(directory: &Directory, names: &[OsString]) -> rustix::io::Result<OwnedFd> {
    let mut at = directory.open_beneath(".".as_ref(), PARENT, false)?;
    for name in names {
        match mkdirat(&at, name.as_os_str(), Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        at = openat2(&at, name.as_os_str(), PARENT | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::BENEATH)?;
    }
    Ok(at)
}

/// Removes a file, or a directory with all that is in it. A link is removed, not what it leads to.
pub(super) fn delete(directory: &Directory, names: &[OsString]) -> rustix::io::Result<()> {
    let Some((name, above)) = names.split_last() else { return Err(Errno::ISDIR) };
    let parent = directory.open_beneath(&joined(above), PARENT, false)?;
    let name = CString::new(name.as_bytes()).map_err(|_| Errno::NOENT)?;
    remove(&parent, &name, 0)
}

fn remove(parent: &impl AsFd, name: &CString, depth: usize) -> rustix::io::Result<()> {
    match unlinkat(parent, name, AtFlags::empty()) {
        // What the kernel says about a directory.
        Err(Errno::ISDIR | Errno::PERM) => {}
        result => return result,
    }
    if depth == MAX_DEPTH {
        return Err(Errno::NOTEMPTY);
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = openat(parent, name, flags, Mode::empty())?;
    for entry in Dir::read_from(&directory)? {
        let name = entry?.file_name().to_owned();
        if name.as_bytes() != b"." && name.as_bytes() != b".." {
            match remove(&directory, &name, depth + 1) {
                // Somebody else was faster.
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
        }
    }
    unlinkat(parent, name, AtFlags::REMOVEDIR)
}
