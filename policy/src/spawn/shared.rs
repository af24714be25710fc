//! Bytes that all workers of a configuration read, and of which none has a copy.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::{AsRawFd, OwnedFd},
    sync::Arc,
};

use nix::{
    errno::Errno,
    sys::memfd::{MFdFlags, memfd_create},
};

use super::program::seal;

/// A file in memory, which nobody can change any more. Copies are of one and the same.
#[derive(Clone, Debug)]
pub struct SharedBytes(Arc<OwnedFd>);

impl SharedBytes {
    /// A file of these pieces, one behind the other.
    ///
    /// # Errors
    /// The kernel's.
    pub fn new<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> io::Result<Self> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let file = match memfd_create(c"extensions", flags | MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL)) {
            // Linux before 6.3.
            Err(Errno::EINVAL) => memfd_create(c"extensions", flags)?,
            result => result?,
        };
        let mut file = File::from(file);
        for piece in pieces {
            file.write_all(piece)?;
        }
        seal(&file)?;
        Ok(Self(Arc::new(file.into())))
    }

    /// The file for one worker, which can only read it. It is opened anew: a position that workers share would be a way for them to
    /// disturb each other, and to talk.
    ///
    /// # Errors
    /// The kernel's, and that there is no `/proc`.
    pub fn open(&self) -> io::Result<OwnedFd> {
        File::open(format!("/proc/self/fd/{}", self.0.as_raw_fd())).map(OwnedFd::from)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, SeekFrom};

    use super::*;

    #[test]
    fn each_reads_on_its_own_and_nobody_writes() {
        let shared = SharedBytes::new([&b"one "[..], b"", b"two"]).expect("memory");
        let mut files = [(); 2].map(|()| File::from(shared.open().expect("a file")));
        files[0].seek(SeekFrom::Start(4)).expect("a file");
        for (file, expected) in files.iter_mut().zip(["two", "one two"]) {
            let mut text = String::new();
            file.read_to_string(&mut text).expect("what was written");
            assert_eq!(text, expected);
            assert_eq!(file.write(b"x").map_err(|error| error.raw_os_error()), Err(Some(libc::EBADF)));
        }
        let mut own = File::from(shared.0.try_clone().expect("a copy"));
        assert_eq!(own.write(b"x").map_err(|error| error.raw_os_error()), Err(Some(libc::EPERM)));
        assert!(own.set_len(0).is_err());
    }
}
