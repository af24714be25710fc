//! A client's stream: its bytes, and whether the client is still there.

use std::{
    cell::RefCell,
    io,
    mem::MaybeUninit,
    os::fd::AsFd,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::{TcpStream, UnixStream},
};

use super::{connection::Connection, limits::Phase};

/// A stream that tells more about its other end than its bytes.
pub(crate) trait ClientIo: AsyncRead + AsyncWrite + Unpin + 'static {
    /// Ready when no more bytes will come than those that are there. While some are there and unread, nobody is woken.
    fn poll_end(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// Whether nothing that is sent can arrive: the connection was reset or, on this machine, closed.
    fn is_gone(&self) -> bool;

    /// Whether bytes are here that were not read yet.
    fn has_unread(&self) -> bool;

    /// Has the kernel ask the other end now and then whether it still knows the connection.
    fn ask_after_peer(&self);
}

/// How long a connection whose client sends no more lies silent before its client's system is asked about it, and between
/// two such questions.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// Questions in a row that remain without an answer.
const KEEPALIVE_RETRIES: u32 = 3;

fn peek_end(stream: &impl AsFd) -> io::Result<bool> {
    Ok(SockRef::from(stream).peek(&mut [MaybeUninit::uninit()])? == 0)
}

fn is_hung_up(stream: impl AsFd) -> bool {
    let mut polled = [PollFd::new(stream.as_fd(), PollFlags::empty())];
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR;
    poll(&mut polled, PollTimeout::ZERO).is_ok() && polled[0].revents().is_some_and(|events| events.intersects(gone))
}

macro_rules! client_io {
    ($stream:ty, $ask:expr) => {
        impl ClientIo for $stream {
            fn poll_end(&self, cx: &mut Context<'_>) -> Poll<()> {
                loop {
                    if std::task::ready!(self.poll_read_ready(cx)).is_err() {
                        return Poll::Ready(());
                    }
                    match self.try_io(Interest::READABLE, || peek_end(self)) {
                        Ok(true) => return Poll::Ready(()),
                        Ok(false) => return Poll::Pending,
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(_) => return Poll::Ready(()),
                    }
                }
            }

            fn is_gone(&self) -> bool {
                is_hung_up(self)
            }

            fn has_unread(&self) -> bool {
                // Not by way of the runtime, which does not know yet what has come since it last asked.
                peek_end(self).is_ok_and(|is_end| !is_end)
            }

            fn ask_after_peer(&self) {
                let ask: fn(&Self) = $ask;
                ask(self);
            }
        }
    };
}

client_io!(TcpStream, |stream| {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE).with_retries(KEEPALIVE_RETRIES);
    // Where that fails, the limits on the event's time hold.
    let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
});
// The kernel knows at once.
client_io!(UnixStream, |_| {});

/// Most bytes that are read away after the end of the last response.
const MAX_LINGER: usize = 64 << 20;

/// Bytes that are read away at once.
const LINGER_CHUNK: usize = 16 << 10;

/// A client's stream that notes what the client does.
pub(crate) struct Watched<S> {
    stream: Rc<RefCell<S>>,
    connection: Rc<Connection>,
    /// Our side is shut down.
    shut: bool,
    /// Bytes that were read away since.
    lingered: usize,
}

impl<S: ClientIo> Watched<S> {
    pub(crate) fn new(stream: S, connection: Rc<Connection>) -> Self {
        let stream = Rc::new(RefCell::new(stream));
        connection.attach(stream.clone());
        Watched { stream, connection, shut: false, lingered: 0 }
    }

    fn with<R>(&self, call: impl FnOnce(Pin<&mut S>) -> R) -> R {
        call(Pin::new(&mut *self.stream.borrow_mut()))
    }

    fn note_write<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.connection.note_write(result.is_pending());
        result
    }

    /// Waits for the client to close its side too, reading away what it still sends, within bounds (RFC 9112, section 9.6).
    /// Bytes that nobody reads make the kernel reset the connection, which takes the answer from a client that has not
    /// read it yet.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut chunk = [MaybeUninit::uninit(); LINGER_CHUNK];
            let mut chunk = ReadBuf::uninit(&mut chunk);
            match self.with(|stream| stream.poll_read(cx, &mut chunk)) {
                Poll::Ready(Ok(())) if !chunk.filled().is_empty() => self.lingered += chunk.filled().len(),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending if self.lingered > 0 || self.connection.is_unread() => {
                    if self.connection.phase() != Phase::Linger {
                        self.connection.set_phase(Phase::Linger);
                    }
                    return Poll::Pending;
                }
                Poll::Pending => return Poll::Ready(()),
            }
            if self.lingered > MAX_LINGER {
                return Poll::Ready(());
            }
        }
    }
}

impl<S: ClientIo> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let limit = std::task::ready!(self.connection.poll_readable(cx));
        let before = buf.filled().len();
        if buf.remaining() <= limit {
            std::task::ready!(self.with(|stream| stream.poll_read(cx, buf)))?;
        } else {
            let mut part = ReadBuf::new(buf.initialize_unfilled_to(limit));
            std::task::ready!(self.with(|stream| stream.poll_read(cx, &mut part)))?;
            let read = part.filled().len();
            buf.advance(read);
        }
        let read = buf.filled().len() - before;
        self.connection.note_read(read, read == limit);
        Poll::Ready(Ok(()))
    }
}

impl<S: ClientIo> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.note_write(self.with(|stream| stream.poll_write(cx, bytes)))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.note_write(self.with(|stream| stream.poll_write_vectored(cx, bytes)))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.borrow().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shut {
            std::task::ready!(self.with(|stream| stream.poll_shutdown(cx)))?;
            self.shut = true;
        }
        self.poll_linger(cx).map(Ok)
    }
}
