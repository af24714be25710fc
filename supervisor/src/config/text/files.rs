//! Finding and reading the files that a configuration consists of, within bounds. Some hold private keys: what was read is
//! wiped when it is dropped.

use std::{
    collections::HashMap,
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use zeroize::Zeroizing;

/// What was read, which is wiped.
pub(crate) type Content = Zeroizing<Vec<u8>>;

/// Where files come from.
pub(crate) trait FileSystem {
    /// Reads a file. More than `limit` bytes are an error of kind [`io::ErrorKind::FileTooLarge`].
    fn read(&self, path: &Path, limit: u64) -> io::Result<Content>;

    /// The same for all paths of one file.
    fn identity(&self, path: &Path) -> PathBuf;
}

/// The machine's own file system.
pub(crate) struct Disk;

impl FileSystem for Disk {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Content> {
        let file = std::fs::File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        read_bounded(file, metadata.len(), limit)
    }

    fn identity(&self, path: &Path) -> PathBuf {
        path.canonicalize().unwrap_or_else(|_| path.to_owned())
    }
}

/// The files of another file system, of which somebody is told before they are looked for.
pub(crate) struct Observed<'a, F> {
    pub(crate) files: F,
    pub(crate) looks_for: &'a dyn Fn(&Path),
}

impl<F: FileSystem> FileSystem for Observed<'_, F> {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Content> {
        (self.looks_for)(path);
        self.files.read(path, limit)
    }

    fn identity(&self, path: &Path) -> PathBuf {
        // Where nothing is, another path is tried: what comes to be there would be found first.
        (self.looks_for)(path);
        self.files.identity(path)
    }
}

/// Reads to the end, at most `limit` bytes. How many there are is probably known.
pub(crate) fn read_bounded(mut reader: impl Read, expected: u64, limit: u64) -> io::Result<Content> {
    let room = |bytes: u64| usize::try_from(bytes.min(limit).saturating_add(1)).unwrap_or(usize::MAX);
    let mut bytes = Zeroizing::new(vec![0; room(expected)]);
    let mut filled = 0;
    loop {
        match reader.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if filled as u64 > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if filled == bytes.len() {
            // A vector that grew by itself would leave behind what it had.
            let mut more = Zeroizing::new(vec![0; room((filled as u64).saturating_mul(2).max(4096))]);
            more[..filled].copy_from_slice(&bytes);
            bytes = more;
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Files in memory, under absolute paths.
#[derive(Default)]
pub(crate) struct Memory(pub(crate) HashMap<PathBuf, Vec<u8>>);

impl FileSystem for Memory {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Content> {
        let bytes = self.0.get(&self.identity(path)).ok_or(io::ErrorKind::NotFound)?;
        read_bounded(bytes.as_slice(), bytes.len() as u64, limit)
    }

    fn identity(&self, path: &Path) -> PathBuf {
        let mut plain = PathBuf::new();
        for component in path.components() {
            match component {
                Component::ParentDir => {
                    plain.pop();
                }
                Component::CurDir => {}
                other => plain.push(other),
            }
        }
        plain
    }
}

/// What went wrong with a file, in a form that does not depend on the machine.
pub(crate) fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".into(),
        io::ErrorKind::PermissionDenied => "permission to read it is denied".into(),
        io::ErrorKind::IsADirectory => "it is a directory".into(),
        io::ErrorKind::FileTooLarge => "it is too large".into(),
        _ => error.to_string(),
    }
}
