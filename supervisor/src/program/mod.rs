//! Programs that are one file: the supervisor, behind it the worker's program, a configuration and its policy.
//!
//! ```text
//! supervisor │ … │ header │ worker │ configuration │ policy
//!                └ at a multiple of PAGE
//! ```
//!
//! The header says how long each is and has their sums, so that a file that was cut off or damaged says so. Sums are no signatures:
//! whoever may write to a file may make it another program.

mod elf;

use std::{
    fmt,
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use bulkhead_policy::spawn::Program;
use crc32fast::Hasher;
use zeroize::Zeroizing;

use self::elf::{Executable, HEAD, forget_sections, mark};

/// Bytes of a message, of which some may be private keys: wiped when they are dropped.
pub type Message = Zeroizing<Vec<u8>>;

/// What a program that is one file has behind itself.
pub struct Embedded {
    /// The worker's program, in memory.
    pub worker: Program,
    /// The configuration, a message in stream framing.
    pub config: Message,
    /// What its workers may use, where it says so: a message in stream framing.
    pub policy: Option<Message>,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("worker", &self.worker).finish_non_exhaustive()
    }
}

/// Why a program could not be read or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// The file of the own program cannot be opened.
    #[error("cannot read the own program, {OWN}: {0}; /proc has to be mounted")]
    Own(io::Error),
    /// A part of the own program cannot be read, or has no room in memory.
    #[error("cannot read what this program contains: {0}")]
    Read(io::Error),
    /// The file has another length than its header says.
    #[error("this program is not whole: it has {found} bytes and should have {expected}")]
    Length {
        /// The length that the file has.
        found: u64,
        /// The length that it should have.
        expected: u64,
    },
    /// The file ends before its header does.
    #[error("this program is not whole: it ends behind the supervisor")]
    CutOff,
    /// The bytes of a part are not those that were written.
    #[error("this program is damaged: its {0} is not what was written")]
    Damaged(&'static str),
    /// A file that a program is to be made of cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Part {
        /// The file.
        path: PathBuf,
        /// What the kernel answered.
        error: io::Error,
    },
    /// A file that a program is to be made of is none.
    #[error("{} is not an executable of this machine", .0.display())]
    NotExecutable(PathBuf),
    /// The result cannot be written.
    #[error("cannot write the program: {0}")]
    Write(io::Error),
}

/// The file that runs.
const OWN: &str = "/proc/self/exe";

/// What a header begins with; the last bytes are the version of all that is said here.
const MAGIC: [u8; 16] = *b"\x93Bulkhead one\r\n\x01";

/// Where headers are.
const PAGE: u64 = 4096;

/// The parts, in their order, as errors call them.
const PARTS: [&str; 4] = ["supervisor", "worker", "configuration", "policy"];

/// The length of a part and its sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    len: u64,
    sum: u32,
}

/// What says where the parts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header([Part; PARTS.len()]);

/// The magic, the parts and the sum of both.
const HEADER: usize = MAGIC.len() + PARTS.len() * 12 + 4;

impl Header {
    fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = MAGIC.to_vec();
        for part in self.0 {
            bytes.extend(part.len.to_le_bytes());
            bytes.extend(part.sum.to_le_bytes());
        }
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes.try_into().expect("it has this length")
    }

    fn parse(bytes: &[u8; HEADER]) -> Result<Self, ProgramError> {
        let (parts, sum) = bytes[MAGIC.len()..].split_at(PARTS.len() * 12);
        if !bytes.starts_with(&MAGIC) || crc32fast::hash(&bytes[..HEADER - 4]).to_le_bytes() != sum {
            return Err(ProgramError::Damaged("header"));
        }
        let mut header = Self([Part { len: 0, sum: 0 }; PARTS.len()]);
        for (part, bytes) in header.0.iter_mut().zip(parts.chunks_exact(12)) {
            let (len, sum) = bytes.split_at(8);
            part.len = u64::from_le_bytes(len.try_into().expect("eight bytes"));
            part.sum = u32::from_le_bytes(sum.try_into().expect("four bytes"));
        }
        Ok(header)
    }

    /// How long the file is.
    fn file_len(&self) -> u64 {
        self.0.iter().fold(HEADER as u64, |len, part| len.saturating_add(part.len))
    }
}

/// What the program that runs has behind itself; `None` where it is an ordinary one.
///
/// # Errors
/// The file cannot be read, is not whole or is damaged, or there is no room for the worker's program.
pub fn find() -> Result<Option<Embedded>, ProgramError> {
    read(&File::open(OWN).map_err(ProgramError::Own)?)
}

fn read(file: &File) -> Result<Option<Embedded>, ProgramError> {
    let mut head = Vec::with_capacity(HEAD);
    file.take(HEAD as u64).read_to_end(&mut head).map_err(ProgramError::Read)?;
    let Some(Executable { end, marked: true, .. }) = Executable::read(&head) else { return Ok(None) };
    let (at, mut bytes) = (end.next_multiple_of(PAGE), [0; HEADER]);
    file.read_exact_at(&mut bytes, at).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => ProgramError::CutOff,
        _ => ProgramError::Read(error),
    })?;
    let header = Header::parse(&bytes)?;
    let (found, expected) = (file.metadata().map_err(ProgramError::Read)?.len(), header.file_len());
    if found != expected || header.0[0].len != at {
        return Err(ProgramError::Length { found, expected });
    }
    let [supervisor, worker, config, policy] = header.0;
    let mut reader = Parts { file, at: 0 };
    reader.pass(supervisor, PARTS[0], |_| Ok(()))?;
    reader.at += HEADER as u64;
    let mut passed = Ok(());
    let worker = Program::in_memory(|memory| {
        passed = reader.pass(worker, PARTS[1], |bytes| memory.write_all(bytes));
        Ok(())
    });
    passed?;
    let worker = worker.map_err(ProgramError::Read)?;
    let config = reader.message(config, PARTS[2])?;
    let policy = if policy.len == 0 { None } else { Some(reader.message(policy, PARTS[3])?) };
    Ok(Some(Embedded { worker, config, policy }))
}

/// Reads one part after the other.
struct Parts<'a> {
    file: &'a File,
    at: u64,
}

impl Parts<'_> {
    fn pass(
        &mut self,
        part: Part,
        name: &'static str,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), ProgramError> {
        let (mut buffer, mut sum) = (Zeroizing::new(vec![0; 256 << 10]), Hasher::new());
        let end = self.at + part.len;
        while self.at < end {
            let len = buffer.len().min(usize::try_from(end - self.at).unwrap_or(usize::MAX));
            self.file.read_exact_at(&mut buffer[..len], self.at).map_err(ProgramError::Read)?;
            sum.update(&buffer[..len]);
            take(&buffer[..len]).map_err(ProgramError::Read)?;
            self.at += len as u64;
        }
        if sum.finalize() == part.sum { Ok(()) } else { Err(ProgramError::Damaged(name)) }
    }

    fn message(&mut self, part: Part, name: &'static str) -> Result<Message, ProgramError> {
        // The file has as many bytes.
        let len = usize::try_from(part.len).map_err(|_| ProgramError::Damaged(name))?;
        let mut message = Message::new(Vec::with_capacity(len));
        self.pass(part, name, |bytes| {
            message.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(message)
    }
}

/// What [`write()`] says about what it wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The result needs libraries of the system that it runs on.
    pub needs_libraries: bool,
}

/// Makes a program of the one that runs, with a worker's program, a configuration and its policy behind it.
///
/// # Errors
/// A file cannot be read or is no executable, or the result cannot be written.
pub fn write(
    out: &mut impl Write,
    worker: &Path,
    config: &[u8],
    policy: Option<&[u8]>,
) -> Result<Written, ProgramError> {
    let (mut supervisor, own) = part(Path::new(OWN))?;
    let (worker, other) = part(worker)?;
    mark(&mut supervisor);
    supervisor.resize(supervisor.len().next_multiple_of(PAGE as usize), 0);
    let parts = [&supervisor, &*worker, config, policy.unwrap_or_default()];
    let header = Header(parts.map(|bytes| Part { len: bytes.len() as u64, sum: crc32fast::hash(bytes) }));
    let [supervisor, rest @ ..] = parts;
    out.write_all(supervisor)
        .and_then(|()| out.write_all(&header.to_bytes()))
        .and_then(|()| rest.into_iter().try_for_each(|bytes| out.write_all(bytes)))
        .and_then(|()| out.flush())
        .map_err(ProgramError::Write)?;
    Ok(Written { needs_libraries: own.needs_libraries || other.needs_libraries })
}

/// What is loaded of an executable, which is one again.
fn part(path: &Path) -> Result<(Vec<u8>, Executable), ProgramError> {
    let mut bytes = std::fs::read(path).map_err(|error| ProgramError::Part { path: path.to_owned(), error })?;
    let executable = Executable::read(&bytes[..bytes.len().min(HEAD)]);
    let end = executable.and_then(|executable| usize::try_from(executable.end).ok()).filter(|end| *end <= bytes.len());
    let (Some(executable), Some(end)) = (executable, end) else {
        return Err(ProgramError::NotExecutable(path.to_owned()));
    };
    bytes.truncate(end);
    forget_sections(&mut bytes);
    Ok((bytes, executable))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program with this test in the place of both parts, and what is to be done to it.
    fn made(alter: impl FnOnce(&mut Vec<u8>)) -> Result<Option<Embedded>, ProgramError> {
        let mut bytes = Vec::new();
        write(&mut bytes, Path::new(OWN), b"configuration", Some(b"policy")).expect("it is made");
        alter(&mut bytes);
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&bytes).expect("room");
        io::Seek::rewind(&mut file).expect("a file");
        read(&file)
    }

    #[test]
    fn what_was_written_is_read() {
        let (worker, _) = part(Path::new(OWN)).expect("the own program");
        let embedded = made(|_| {}).expect("it is whole").expect("it has parts");
        assert_eq!(embedded.worker.memory_bytes(), worker.len() as u64);
        assert_eq!(&*embedded.config, b"configuration");
        assert_eq!(embedded.policy.as_ref().map(|policy| policy.as_slice()), Some(&b"policy"[..]));
        assert!(find().expect("the own program is whole").is_none());
    }

    #[test]
    fn what_was_cut_off_or_grew_says_so() {
        for cut in [1, 6, 19, 5 << 20] {
            let result = made(|bytes| bytes.truncate(bytes.len() - cut));
            assert!(matches!(result, Err(ProgramError::Length { .. })), "{cut}: {result:?}");
        }
        let (supervisor, _) = part(Path::new(OWN)).expect("the own program");
        let result = made(|bytes| bytes.truncate(supervisor.len() + 1));
        assert!(matches!(result, Err(ProgramError::CutOff)), "{result:?}");
        let result = made(|bytes| bytes.push(0));
        assert!(matches!(result, Err(ProgramError::Length { .. })), "{result:?}");
    }

    #[test]
    fn what_is_damaged_says_where() {
        let (supervisor, _) = part(Path::new(OWN)).expect("the own program");
        let header = supervisor.len().next_multiple_of(PAGE as usize);
        for (name, at) in [
            ("supervisor", supervisor.len() / 2),
            ("header", header + MAGIC.len() + 3),
            ("header", header + HEADER - 1),
            ("worker", header + HEADER + 5000),
        ] {
            let result = made(|bytes| bytes[at] ^= 4);
            assert!(matches!(result, Err(ProgramError::Damaged(said)) if said == name), "{name}: {result:?}");
        }
        for (name, back) in [("policy", 1), ("configuration", 7)] {
            let result = made(|bytes| {
                let at = bytes.len() - back;
                bytes[at] ^= 4;
            });
            assert!(matches!(result, Err(ProgramError::Damaged(said)) if said == name), "{name}: {result:?}");
        }
    }

    #[test]
    fn what_is_no_program_is_not_made_one() {
        let error = write(&mut Vec::new(), Path::new("/nonexistent"), b"", None).expect_err("there is none");
        assert!(error.to_string().starts_with("cannot read /nonexistent: "), "{error}");
        let text = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(text.path(), "#!/bin/sh\n").expect("room");
        let error = write(&mut Vec::new(), text.path(), b"", None).expect_err("it is none");
        assert!(error.to_string().ends_with("is not an executable of this machine"), "{error}");
    }
}
