//! Writing and removing beneath a directory. All of it may wait for a disk.

use std::{
    ffi::{CString, OsStr, OsString},
    fs::{File, Metadata},
    io::{self, Write},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::{
    fs::{AtFlags, CWD, Dir, Mode, OFlags, ResolveFlags, linkat, mkdirat, openat, openat2, renameat, unlinkat},
    io::Errno,
};

use super::{Directory, joined};

/// How deep a directory may be to be removed with all that is in it: so many are open at once.
const MAX_DEPTH: usize = 64;

/// What a new file permits, as far as the process's mask does.
const MODE: Mode = Mode::from_raw_mode(0o666);

/// A file that is being written, and that nobody can ask for until it is whole.
pub(in crate::service) struct Upload {
    parent: OwnedFd,
    name: OsString,
    file: File,
    /// The name that it has meanwhile. It has none where the file system permits that, so that nothing is left of it whatever happens.
    temporary: Option<String>,
}

impl Upload {
    /// Begins a file of this name, and makes the directories on the way to it.
    pub(in crate::service) fn begin(directory: &Directory, names: &[OsString]) -> io::Result<Upload> {
        let Some((name, above)) = names.split_last() else { return Err(Errno::ISDIR.into()) };
        let parent = match directory.open_beneath(&joined(above), PARENT, false) {
            Err(Errno::NOENT) => make_parent(directory, above)?,
            opened => opened?,
        };
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let (file, temporary) = match openat(&parent, ".", flags | OFlags::TMPFILE, MODE) {
            // What file systems and kernels say that have no such files (open(2)).
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {
                let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
                let (file, temporary) = with_new_name(|name| openat(&parent, name, flags, MODE))?;
                (file, Some(temporary))
            }
            opened => (opened?, None),
        };
        Ok(Upload { parent, name: name.clone(), file: file.into(), temporary })
    }

    pub(in crate::service) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// What the file is so far.
    pub(in crate::service) fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// Has the file take its name, and the place of what had it.
    pub(in crate::service) fn finish(mut self) -> io::Result<()> {
        let temporary = match &self.temporary {
            Some(temporary) => temporary.clone(),
            None => {
                // By a descriptor alone it takes a privilege.
                let file = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                let link = |name: &OsStr| linkat(CWD, &file, &self.parent, name, AtFlags::SYMLINK_FOLLOW);
                match link(&self.name) {
                    // The kernel exchanges names only: it has one for a moment.
                    Err(Errno::EXIST) => with_new_name(|name| link(name.as_ref()))?.1,
                    result => return Ok(result?),
                }
            }
        };
        self.temporary = Some(temporary.clone());
        renameat(&self.parent, temporary, &self.parent, self.name.as_os_str())?;
        self.temporary = None;
        Ok(())
    }
}

/// What was not finished leaves nothing behind.
impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = unlinkat(&self.parent, temporary.as_str(), AtFlags::empty());
        }
    }
}

/// Makes something under a name that nothing has.
fn with_new_name<T>(make: impl Fn(&str) -> rustix::io::Result<T>) -> rustix::io::Result<(T, String)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let name = format!(".bulkhead-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        match make(&name) {
            // Of another process of this number.
            Err(Errno::EXIST) => {}
            made => return Ok((made?, name)),
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
pub(in crate::service) fn delete(directory: &Directory, names: &[OsString]) -> rustix::io::Result<()> {
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
