//! The files of the caches, beneath one directory. All of it may wait for a disk.
//!
//! A response has a file of its own, in the directory of its worker. It has no name before it is whole, and a name that no other has had: so what
//! was stored before a process was killed is there after it, and what was being stored is not.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read as _},
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _, unix::fs::FileExt as _, unix::fs::MetadataExt as _},
    path::Path,
    sync::Arc,
};

use bulkhead_cache::{
    file::{self, BodySum, PRELUDE, Response, TRAILER},
    key::{Key, Name, directory_of},
    tags::{MAX_PURGES, Purged},
};
use bytes::{Bytes, BytesMut};
use rustix::{
    fs::{AtFlags, CWD, Dir, FlockOperation, Mode, OFlags, flock, mkdirat, openat, statat, unlinkat},
    io::Errno,
};

use super::{
    body::{Gathered, PIECE},
    store::{Content, Entry},
};
use crate::service::disk::{
    Directory,
    write::{Upload, delete},
};

/// What the caches are in, beneath the directory that the configuration names: nothing else there is touched.
const ROOT: &str = "bulkhead-cache-1";

/// The file of what was purged by its tags.
const PURGED: &str = "purged";

/// What a file takes of the disk beyond its content is not known; it takes whole blocks of this size at least, in bytes.
const BLOCK: u64 = 4096;

/// What a file of this length takes of the disk, in bytes.
pub(super) fn taken(length: u64) -> u64 {
    length.next_multiple_of(BLOCK)
}

/// How a file or a directory is opened that is read.
const FILE: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
const DIRECTORY: OFlags = FILE.union(OFlags::DIRECTORY);

/// The directory of all caches, which no other process uses.
pub(super) struct Files {
    root: Arc<Directory>,
    /// By the workers' numbers.
    names: Vec<String>,
    /// Locked for as long as it is open.
    _lock: Arc<OwnedFd>,
}

impl Files {
    /// Opens the directory for these workers, and removes what other workers had there.
    pub(super) fn open(path: &Path, workers: &[&str]) -> io::Result<Files> {
        let outer = openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        match mkdirat(&outer, ROOT, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let lock = openat(&outer, ROOT, DIRECTORY, Mode::empty())?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Err(io::Error::other("another process uses it")),
            locked => locked?,
        }
        let root = Directory::open(&path.join(ROOT), true, true)?;
        let names: Vec<_> = workers.iter().map(|worker| directory_of(worker)).collect();
        let known: std::collections::HashSet<&[u8]> = names.iter().map(String::as_bytes).collect();
        for entry in Dir::read_from(&lock)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            let is_one = name.len() == 32 && name.iter().all(u8::is_ascii_hexdigit);
            if is_one && !known.contains(name) {
                delete(&root, &[OsStr::from_bytes(name).to_owned()])?;
            }
        }
        Ok(Files { root: Arc::new(root), names, _lock: Arc::new(lock) })
    }

    /// The same directory, for these workers after those that it is for.
    pub(super) fn with<'a>(&self, workers: impl Iterator<Item = &'a str>) -> Files {
        let names = self.names.iter().cloned().chain(workers.map(directory_of)).collect();
        Files { root: self.root.clone(), names, _lock: self._lock.clone() }
    }

    /// The names on the way to a file.
    fn way(&self, worker: usize, name: Name) -> [OsString; 3] {
        let text = name.to_text();
        [self.names[worker].clone().into(), text[..2].into(), text.into()]
    }

    /// The entries of a worker, from the oldest to the newest, with what each takes of the disk.
    pub(super) fn scan(&self, worker: usize) -> io::Result<Vec<(Name, u64)>> {
        let mut found = Vec::new();
        let own = match self.root.open_beneath(self.names[worker].as_ref(), DIRECTORY, false) {
            Err(Errno::NOENT) => return Ok(found),
            opened => opened?,
        };
        for part in Dir::read_from(&own)? {
            let part = part?;
            let name = part.file_name();
            if name.to_bytes().len() != 2 || name.to_bytes() == b".." {
                continue;
            }
            let part = openat(&own, name, DIRECTORY, Mode::empty())?;
            for entry in Dir::read_from(&part)? {
                let entry = entry?;
                let name = entry.file_name();
                if name.to_bytes().starts_with(b".bulkhead-") {
                    // Of a process that was killed.
                    let _ = unlinkat(&part, name, AtFlags::empty());
                }
                let Some(known) = Name::from_text(name.to_bytes()) else { continue };
                let stat = statat(&part, name, AtFlags::SYMLINK_NOFOLLOW)?;
                found.push((known, taken(u64::try_from(stat.st_size).unwrap_or(0))));
            }
        }
        found.sort_unstable_by_key(|(name, _)| name.number);
        Ok(found)
    }

    /// Begins the file of an entry.
    pub(super) fn begin(&self, worker: usize, name: Name) -> io::Result<Upload> {
        Upload::begin(&self.root, &self.way(worker, name))
    }

    /// Opens the file of an entry. `cached` gives up with [`Errno::AGAIN`] where a disk would have to be waited for.
    pub(super) fn open_entry(&self, worker: usize, name: Name, cached: bool) -> rustix::io::Result<File> {
        let way = self.way(worker, name).join(OsStr::new("/"));
        self.root.open_beneath(&way, FILE, cached).map(File::from)
    }

    /// Removes the files of entries. What cannot be removed is found again at the next start.
    pub(super) fn remove(&self, worker: usize, names: impl Iterator<Item = Name>) {
        for name in names {
            let _ = delete(&self.root, &self.way(worker, name));
        }
    }

    /// What was purged of a worker's entries. If that cannot be read, all that could have been.
    pub(super) fn purged(&self, worker: usize, newest: u64) -> Purged {
        let read = || {
            let path = [self.names[worker].as_str(), PURGED].join("/");
            let file = match self.root.open_beneath(path.as_ref(), FILE, false) {
                Err(Errno::NOENT) => return Ok(Some(Purged::default())),
                opened => File::from(opened?),
            };
            let mut bytes = Vec::new();
            file.take((MAX_PURGES as u64 + 2) * 16).read_to_end(&mut bytes)?;
            Ok::<_, io::Error>(Purged::from_bytes(&bytes))
        };
        read().ok().flatten().unwrap_or_else(|| Purged::all_before(newest + 1))
    }

    /// Remembers what was purged.
    pub(super) fn set_purged(&self, worker: usize, purged: &[u8]) -> io::Result<()> {
        let mut upload = Upload::begin(&self.root, &[self.names[worker].clone().into(), PURGED.into()])?;
        upload.write(purged)?;
        upload.finish()
    }
}

/// What a file was when it was known to be as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    length: u64,
    modified: (i64, i64),
    body_at: u64,
}

impl Seen {
    /// Where the body begins, if the file is still what it was.
    pub(super) fn body_of(&self, file: &File) -> Option<u64> {
        let metadata = file.metadata().ok()?;
        let same = metadata.is_file()
            && metadata.len() == self.length
            && (metadata.mtime(), metadata.mtime_nsec()) == self.modified;
        same.then_some(self.body_at)
    }
}

/// Reads an entry and looks whether it is as it was written. A body that is no longer than `hot` comes into memory; a longer one of a file that
/// is still what was `seen` is not looked at once more.
pub(super) fn read(file: &File, key: Key, hot: u64, seen: Option<Seen>) -> Option<Entry> {
    let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let mut prelude = [0; PRELUDE];
    file.read_exact_at(&mut prelude, 0).ok()?;
    let layout = file::layout(&prelude, metadata.len())?;
    let mut head = vec![0; layout.head];
    file.read_exact_at(&mut head, PRELUDE as u64).ok()?;
    let response: Response = file::read_head(&head, &layout, key)?;
    if let Some(seen) = seen.filter(|_| layout.body > hot)
        && seen.body_of(file) == Some(layout.body_at)
    {
        return Some(Entry::new(response, Content::File(seen, layout.body)));
    }
    let mut gathered = (layout.body <= hot).then(Gathered::default);
    let (mut sum, mut at) = (BodySum::default(), layout.body_at);
    let mut buffer = BytesMut::zeroed(PIECE.min(usize::try_from(layout.body).unwrap_or(PIECE)));
    while sum.length() < layout.body {
        let left = layout.body - sum.length();
        let piece = &mut buffer[..PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
        file.read_exact_at(piece, at).ok()?;
        at += piece.len() as u64;
        sum.update(piece);
        if let Some(gathered) = &mut gathered {
            gathered.push(piece, Some(left));
        }
    }
    let mut trailer = [0; TRAILER];
    file.read_exact_at(&mut trailer, at).ok()?;
    if trailer != sum.trailer() {
        return None;
    }
    let content = match gathered {
        Some(gathered) => gathered.finish(),
        None => {
            let modified = (metadata.mtime(), metadata.mtime_nsec());
            Content::File(Seen { length: metadata.len(), modified, body_at: layout.body_at }, layout.body)
        }
    };
    Some(Entry::new(response, content))
}

/// A file that is being written.
pub(super) struct Writing {
    upload: Upload,
    sum: BodySum,
    body_at: u64,
}

impl Writing {
    /// Begins with all that comes before the body.
    pub(super) fn begin(files: &Files, worker: usize, name: Name, beginning: &[u8]) -> io::Result<Writing> {
        let mut upload = files.begin(worker, name)?;
        upload.write(beginning)?;
        Ok(Writing { upload, sum: BodySum::default(), body_at: beginning.len() as u64 })
    }

    /// The next bytes of the body.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.upload.write(bytes)
    }

    /// Ends the body; from then on the file has its name.
    pub(super) fn finish(mut self) -> io::Result<Content> {
        self.upload.write(&self.sum.trailer())?;
        let metadata = self.upload.metadata()?;
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        let seen = Seen { length: metadata.len(), modified, body_at: self.body_at };
        self.upload.finish()?;
        Ok(Content::File(seen, self.sum.length()))
    }
}

/// All of a body that is in memory.
pub(super) fn pieces(content: &Content) -> &[Bytes] {
    match content {
        Content::Memory(pieces, _) => pieces,
        Content::File(..) => &[],
    }
}
