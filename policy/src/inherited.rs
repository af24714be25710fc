//! Descriptors that whoever started the process handed over by number.
//!
//! A number on a command line is a claim, not a descriptor. These functions check the claim and give back a descriptor
//! that is owned, closed on exec, and out of the way of the number it came from. They belong at the very start of
//! `main`: at that point the process owns no descriptor above 2 itself, so a wrong number names nothing of its own.

use std::{
    os::fd::{FromRawFd, OwnedFd, RawFd},
    sync::Mutex,
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    sys::{
        socket::{getsockopt, sockopt},
        stat::{SFlag, fstat},
    },
};

/// Why a number was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InheritedError {
    /// The number names nothing.
    #[error("File descriptor is not open.")]
    NotOpen,
    /// It is a file, a pipe, a terminal.
    #[error("File descriptor is not a socket.")]
    NotASocket,
    /// It is a socket that nobody called `listen()` on, or that is connected.
    #[error("File descriptor is not a listening socket.")]
    NotListening,
    /// It can only be read from.
    #[error("File descriptor is not writable.")]
    NotWritable,
    /// It was handed over before, under this number.
    #[error("File descriptor is used twice.")]
    UsedTwice,
}

/// The numbers that this process took.
static TAKEN: Taken = Taken(Mutex::new(Vec::new()));

/// Numbers that were taken: after that, a number may come to mean something else, so that it is never taken again.
struct Taken(Mutex<Vec<RawFd>>);

/// Takes over an inherited socket that is already listening.
///
/// # Errors
///
/// The number is not open, not a socket, not listening, or was taken before.
pub fn listening_socket(number: RawFd) -> Result<OwnedFd, InheritedError> {
    TAKEN.listening_socket(number)
}

/// Takes over an inherited descriptor that can be written to: a pipe, a file, a stream socket.
///
/// # Errors
///
/// The number is not open, is open for reading only, or was taken before.
pub fn writable(number: RawFd) -> Result<OwnedFd, InheritedError> {
    TAKEN.writable(number)
}

impl Taken {
    fn listening_socket(&self, number: RawFd) -> Result<OwnedFd, InheritedError> {
        self.take(number, |fd| {
            let stat = fstat(fd).map_err(|_| InheritedError::NotOpen)?;
            if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFSOCK {
                return Err(InheritedError::NotASocket);
            }
            match getsockopt(fd, sockopt::AcceptConn) {
                Ok(true) => Ok(()),
                _ => Err(InheritedError::NotListening),
            }
        })
    }

    fn writable(&self, number: RawFd) -> Result<OwnedFd, InheritedError> {
        self.take(number, |fd| {
            let flags = fcntl(fd, FcntlArg::F_GETFL).map_err(|_| InheritedError::NotOpen)?;
            match OFlag::from_bits_truncate(flags) & OFlag::O_ACCMODE {
                OFlag::O_WRONLY | OFlag::O_RDWR => Ok(()),
                _ => Err(InheritedError::NotWritable),
            }
        })
    }

    /// Duplicates the descriptor, checks the duplicate, and closes the original unless it is a standard stream.
    fn take(
        &self,
        number: RawFd,
        check: impl Fn(&OwnedFd) -> Result<(), InheritedError>,
    ) -> Result<OwnedFd, InheritedError> {
        let mut taken = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if taken.contains(&number) {
            return Err(InheritedError::UsedTwice);
        }
        // SAFETY: F_DUPFD_CLOEXEC reads no memory of ours. A number that is not open gives EBADF.
        let duplicate = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
        if duplicate < 0 {
            return Err(InheritedError::NotOpen);
        }
        // SAFETY: the kernel has just made this descriptor for us, and nothing else knows its number.
        let owned = unsafe { OwnedFd::from_raw_fd(duplicate) };
        check(&owned)?;
        // The original would otherwise stay open for the life of the process: a listening socket would go on taking
        // connections after we stopped accepting, and a pipe's reader would never see its end.
        if number > 2 {
            // SAFETY: `number` is open (it was duplicated), no value in this process owns it (see the module's text: it
            // was inherited, and the list says that we did not take it before), so closing it takes nothing from anyone.
            unsafe { libc::close(number) };
        }
        taken.push(number);
        Ok(owned)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        net::TcpListener,
        os::fd::{AsRawFd, IntoRawFd},
    };

    use super::*;

    /// A list for one test: the numbers that it closes come back in other tests, for other descriptors.
    fn taken() -> Taken {
        Taken(Mutex::new(Vec::new()))
    }

    #[test]
    fn a_listening_socket_is_taken_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let number = listener.into_raw_fd();
        let taken = taken();
        let owned = taken.listening_socket(number).unwrap();
        assert_ne!(owned.as_raw_fd(), number);
        assert_eq!(TcpListener::from(owned).local_addr().unwrap(), address);
        assert_eq!(taken.listening_socket(number).unwrap_err(), InheritedError::UsedTwice);
    }

    #[test]
    fn what_is_not_a_listening_socket_is_refused_and_left_open() {
        assert_eq!(taken().listening_socket(1_000_000).unwrap_err(), InheritedError::NotOpen);
        assert_eq!(taken().listening_socket(-1).unwrap_err(), InheritedError::NotOpen);
        let (reader, mut writer) = std::io::pipe().unwrap();
        assert_eq!(taken().listening_socket(writer.as_raw_fd()).unwrap_err(), InheritedError::NotASocket);
        assert_eq!(taken().writable(reader.as_raw_fd()).unwrap_err(), InheritedError::NotWritable);
        writer.write_all(b"still open").unwrap();
        let (left, _right) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(taken().listening_socket(left.as_raw_fd()).unwrap_err(), InheritedError::NotListening);
    }

    #[test]
    fn a_pipe_is_written_through_the_new_descriptor() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let owned = taken().writable(writer.into_raw_fd()).unwrap();
        std::fs::File::from(owned).write_all(b"x").unwrap();
        let mut all = String::new();
        std::io::Read::read_to_string(&mut reader, &mut all).unwrap();
        assert_eq!(all, "x");
    }
}
