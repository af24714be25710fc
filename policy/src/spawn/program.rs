//! The program that a worker runs: a file, or what lies in memory.

use std::{
    ffi::CString,
    fmt,
    fs::File,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, SealFlag, fcntl},
    sys::memfd::{MFdFlags, memfd_create},
};

use super::SpawnError;

/// What a program in memory is called: its `argv[0]`, and in `/proc`.
const NAME: &str = "sandbox-worker";

/// A worker's program. Copies are of one and the same.
#[derive(Clone, Debug)]
pub enum Program {
    /// The file at an absolute path.
    File(PathBuf),
    /// A file that has no path.
    InMemory(InMemory),
}

/// A program in memory, which nobody can change any more.
#[derive(Clone, Debug)]
pub struct InMemory {
    pub(super) file: Arc<OwnedFd>,
    len: u64,
}

impl Program {
    /// Makes a program in memory of what `write` writes. Nothing of it is on a disk, and no path leads to it.
    ///
    /// # Errors
    /// Those of `write`, and the kernel's, which may permit no program in memory (`vm.memfd_noexec=2`).
    pub fn in_memory(write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<Self> {
        let mut file = File::from(create(MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?);
        write(&mut file)?;
        seal(&file)?;
        let len = file.metadata()?.len();
        Ok(Self::InMemory(InMemory { file: Arc::new(file.into()), len }))
    }

    /// How many bytes of the program a process that runs it has among its shared memory without a file: the kernel takes the pages
    /// of a program in memory for such.
    pub fn memory_bytes(&self) -> u64 {
        match self {
            Self::File(_) => 0,
            Self::InMemory(program) => program.len,
        }
    }

    /// What its process is told that it is called.
    pub(super) fn name(&self) -> Result<CString, SpawnError> {
        let name = match self {
            Self::File(path) => path.as_os_str().as_bytes(),
            Self::InMemory(_) => NAME.as_bytes(),
        };
        CString::new(name).map_err(|_| SpawnError::Nul)
    }
}

impl From<PathBuf> for Program {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&Path> for Program {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<&str> for Program {
    fn from(path: &str) -> Self {
        Self::File(path.into())
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::InMemory(_) => f.write_str("in memory"),
        }
    }
}

/// An empty file that is not anywhere and that nobody can write to.
pub(super) fn nothing() -> io::Result<OwnedFd> {
    let file = memfd_create(c"nothing", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    seal(&file)?;
    Ok(file)
}

/// A file that can be executed, where it takes asking for that and where the kernel does not know the question.
fn create(flags: MFdFlags) -> io::Result<OwnedFd> {
    let executable = flags | MFdFlags::from_bits_retain(libc::MFD_EXEC);
    match memfd_create(NAME, executable) {
        Err(Errno::EINVAL) => Ok(memfd_create(NAME, flags)?),
        Err(Errno::EACCES) => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the kernel permits no program in memory; set vm.memfd_noexec to 0 or 1",
        )),
        result => Ok(result?),
    }
}

/// From now on nobody can change the file.
pub(super) fn seal(file: impl AsFd) -> io::Result<()> {
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SEAL;
    fcntl(file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};

    use super::*;

    #[test]
    fn what_lies_in_memory_stays_as_it_is() {
        let program = Program::in_memory(|file| file.write_all(b"program")).expect("memory");
        assert_eq!(program.memory_bytes(), 7);
        let Program::InMemory(program) = program else { panic!("not in memory") };
        let mut file = File::from(program.file.try_clone().expect("a copy"));
        assert!(file.write_all(b"other").is_err());
        assert!(file.set_len(3).is_err());
        assert!(file.set_len(10).is_err());
        let mut content = String::new();
        file.rewind().expect("a file");
        file.read_to_string(&mut content).expect("what was written");
        assert_eq!(content, "program");
    }

    #[test]
    fn nothing_is_read_as_the_end_and_takes_nothing() {
        let mut file = File::from(nothing().expect("memory"));
        assert_eq!(file.read(&mut [0]).expect("the end"), 0);
        assert!(file.write_all(b"x").is_err());
    }
}
