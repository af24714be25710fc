//! How much an actor's directory holds, and whether that is too much.
//!
//! The kernel bounds one file (`RLIMIT_FSIZE`, [`crate::enter::Storage::file_bytes`]); the sum over all files it would
//! bound only with project quotas, which most file systems are not mounted with. So whoever starts the worker has to call
//! [`usage`] now and then and to end a process that is over its [`Quota`]. Between two looks a worker can write what the
//! disk takes. A file that is unlinked and still open is not seen: a worker can hide as many files as it has descriptors.

use std::{io, os::unix::fs::MetadataExt, path::Path};

/// The most that one actor may keep in its directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Disk space in bytes, as blocks that are allocated: holes are free.
    pub bytes: u64,
    /// Directory entries.
    pub inodes: u64,
}

/// What is in a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Disk space in bytes.
    pub bytes: u64,
    /// Directory entries.
    pub inodes: u64,
}

/// What there is too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exceeded {
    /// Disk space.
    Bytes,
    /// Directory entries.
    Inodes,
}

impl Quota {
    /// Whether a usage is over the quota, and in what.
    pub fn exceeded(self, usage: Usage) -> Option<Exceeded> {
        if usage.inodes > self.inodes {
            Some(Exceeded::Inodes)
        } else if usage.bytes > self.bytes {
            Some(Exceeded::Bytes)
        } else {
            None
        }
    }
}

/// Adds up what the directory holds. Looks at no more than one entry above `most_inodes`, follows no link and enters no
/// directory below: a worker can make neither. An entry that disappears meanwhile counts as nothing.
///
/// # Errors
/// The directory cannot be read.
pub fn usage(directory: &Path, most_inodes: u64) -> io::Result<Usage> {
    let mut usage = Usage::default();
    for entry in std::fs::read_dir(directory)? {
        match entry?.metadata() {
            Ok(metadata) => {
                usage.inodes += 1;
                // In units of 512 bytes, whatever the file system's own.
                usage.bytes = usage.bytes.saturating_add(metadata.blocks().saturating_mul(512));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        if usage.inodes > most_inodes {
            break;
        }
    }
    Ok(usage)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_directory_is_added_up_and_judged() {
        let directory = std::env::temp_dir().join(format!("bulkhead-usage-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        let result = std::panic::catch_unwind(|| {
            let quota = Quota { bytes: 64 << 10, inodes: 3 };
            assert_eq!(usage(&directory, 3).unwrap(), Usage::default());
            fs::write(directory.join("a"), vec![1; 40 << 10]).unwrap();
            // A hole is free, and so is what a link leads to.
            fs::File::create(directory.join("b")).unwrap().set_len(1 << 30).unwrap();
            std::os::unix::fs::symlink("/bin/sh", directory.join("c")).unwrap();
            let three = usage(&directory, quota.inodes).unwrap();
            assert_eq!(three.inodes, 3);
            assert!((40 << 10..64 << 10).contains(&three.bytes), "{three:?}");
            assert_eq!(quota.exceeded(three), None);
            fs::write(directory.join("a"), vec![1; 80 << 10]).unwrap();
            assert_eq!(quota.exceeded(usage(&directory, 3).unwrap()), Some(Exceeded::Bytes));
            for n in 0..100 {
                fs::write(directory.join(n.to_string()), "").unwrap();
            }
            let many = usage(&directory, quota.inodes).unwrap();
            assert_eq!((many.inodes, quota.exceeded(many)), (4, Some(Exceeded::Inodes)), "no further than it must");
        });
        fs::remove_dir_all(&directory).unwrap();
        result.unwrap();
        assert!(usage(&directory, 1).is_err());
    }
}
