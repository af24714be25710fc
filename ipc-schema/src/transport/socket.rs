//! The socket to the peer.
//!
//! On a Unix socket the kernel tells of room to write each time that the peer has read something, to whoever wants to know about room
//! at all. So nobody does who has nothing to write: that would be one wake-up for nothing for each message.

use std::{
    io::{self, IoSlice, Read as _, Write as _},
    os::unix::net::UnixStream as StdUnixStream,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{Interest, unix::AsyncFd},
    net::UnixStream,
};

/// Has the event loop tell of what a socket is interested in.
#[expect(
    deprecated,
    reason = "sound for what owns one descriptor until it is dropped; what replaces it is unsafe because it takes anything"
)]
fn register(stream: StdUnixStream, interest: Interest) -> io::Result<AsyncFd<StdUnixStream>> {
    AsyncFd::with_interest(stream, interest)
}

/// A socket that does not block.
pub(super) struct Socket {
    /// `None` only while it is exchanged.
    fd: Option<AsyncFd<StdUnixStream>>,
    /// It is told of room to write.
    is_told_of_room: bool,
}

impl Socket {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        let fd = register(stream.into_std()?, Interest::READABLE)?;
        Ok(Self { fd: Some(fd), is_told_of_room: false })
    }

    fn fd(&self) -> io::Result<&AsyncFd<StdUnixStream>> {
        self.fd.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Whoever waits has to ask again afterwards.
    fn tell_of_room(&mut self, is_told: bool) -> io::Result<()> {
        let stream = self.fd.take().map(AsyncFd::into_inner).ok_or(io::ErrorKind::NotConnected)?;
        let interest = if is_told { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        self.fd = Some(register(stream, interest)?);
        self.is_told_of_room = is_told;
        Ok(())
    }

    /// One call of `read`, which gets the socket and could take `wanted` bytes.
    pub(super) fn poll_read_with(
        &self,
        cx: &mut Context<'_>,
        wanted: usize,
        mut read: impl FnMut(&StdUnixStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let fd = self.fd()?;
        loop {
            let mut guard = ready!(fd.poll_read_ready(cx))?;
            match guard.try_io(|fd| read(fd.get_ref())) {
                Ok(Ok(count)) => {
                    if count > 0 && count < wanted {
                        // There is no more, and it will be told when there is.
                        guard.clear_ready();
                    }
                    return Poll::Ready(Ok(count));
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_would_block) => {}
            }
        }
    }

    /// Reads into a buffer.
    pub(super) fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_read_with(cx, buffer.len(), |mut stream| stream.read(buffer))
    }

    /// Writes what the socket takes now.
    pub(super) fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.fd()?.get_ref().write_vectored(slices)
    }

    /// Writes when there is room.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            if self.is_told_of_room {
                let mut guard = ready!(self.fd()?.poll_write_ready(cx))?;
                if let Ok(result) = guard.try_io(|fd| fd.get_ref().write_vectored(slices)) {
                    return Poll::Ready(result);
                }
            } else {
                match self.write(slices) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.tell_of_room(true)?;
                        // For what it waits for beside room.
                        cx.waker().wake_by_ref();
                    }
                    result => return Poll::Ready(result),
                }
            }
        }
    }

    /// Takes note that there is nothing to write.
    pub(super) fn note_written(&mut self, cx: &Context<'_>) -> io::Result<()> {
        if self.is_told_of_room {
            self.tell_of_room(false)?;
            cx.waker().wake_by_ref();
        }
        Ok(())
    }
}
