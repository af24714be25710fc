//! A client's stream: its bytes, and whether the client is still there.

use std::{
    cell::{Cell, RefCell},
    io,
    mem::MaybeUninit,
    os::fd::BorrowedFd,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{connection::Connection, limits::Phase};
use crate::body::held;

/// A stream that tells more about its other end than its bytes.
pub(crate) trait ClientIo: AsyncRead + AsyncWrite + Unpin + 'static {
    /// Ready when no more bytes will come than those that are there. While some are there and unread, nobody is woken.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Whether nothing that is sent can arrive: the connection was reset or, on this machine, closed.
    fn is_gone(&self) -> bool;

    /// Whether bytes are here that were not read yet.
    fn has_unread(&mut self) -> bool;

    /// Bytes that the kernel has taken from the stream so far, as far as the stream keeps any back.
    fn sent(&self) -> u64;

    /// Whether it can send what the kernel has: whether what is written to it is what goes out.
    fn sends_held(&self) -> bool;

    /// Has `send` send to its socket, which takes as much as it has room for, when there is room. Only where it can send what the
    /// kernel has.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        send: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>>;

    /// Has the kernel ask the other end, when it has been silent for so long, whether it still knows the connection.
    fn ask_after_peer(&self, silence: Duration);
}

impl ClientIo for Box<dyn ClientIo> {
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        (**self).poll_end(cx)
    }

    fn is_gone(&self) -> bool {
        (**self).is_gone()
    }

    fn has_unread(&mut self) -> bool {
        (**self).has_unread()
    }

    fn sent(&self) -> u64 {
        (**self).sent()
    }

    fn sends_held(&self) -> bool {
        (**self).sends_held()
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        send: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        (**self).poll_send(cx, send)
    }

    fn ask_after_peer(&self, silence: Duration) {
        (**self).ask_after_peer(silence);
    }
}

/// Most bytes that are read away after the end of the last response.
const MAX_LINGER: usize = 64 << 20;

/// Bytes that are read away at once.
const LINGER_CHUNK: usize = 16 << 10;

/// Pieces of together at most so many bytes are written as one: to copy them costs less than the kernel's way with several.
const MAX_JOINED: usize = 1024;

/// A client's stream that notes what the client does.
pub(crate) struct Watched<S> {
    stream: Rc<RefCell<S>>,
    connection: Rc<Connection>,
    /// Bytes that had left when somebody last waited for that.
    sent: Cell<u64>,
    /// Our side is shut down.
    shut: bool,
    /// Bytes that were read away since.
    lingered: usize,
}

impl<S: ClientIo> Watched<S> {
    pub(crate) fn new(stream: S, connection: Rc<Connection>) -> Self {
        let stream = Rc::new(RefCell::new(stream));
        connection.attach(stream.clone());
        Watched { stream, connection, sent: Cell::new(0), shut: false, lingered: 0 }
    }

    /// The stream itself, which its connection lets go of.
    pub(crate) fn into_inner(self) -> Option<S> {
        self.connection.detach();
        Rc::into_inner(self.stream).map(RefCell::into_inner)
    }

    fn with<R>(&self, call: impl FnOnce(Pin<&mut S>) -> R) -> R {
        call(Pin::new(&mut *self.stream.borrow_mut()))
    }

    fn note_write<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        // A stream may keep bytes that it has taken from us: of these, too, the client has to take some now and then.
        let sent = self.stream.borrow().sent();
        self.connection.note_write(result.is_pending(), self.sent.replace(sent) != sent);
        result
    }

    /// Sends what the kernel has.
    fn poll_send_held(&self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<usize>> {
        let line = self.connection.held();
        self.note_write(self.with(|mut stream| stream.poll_send(cx, &mut |socket| line.send(socket, most))))
    }

    /// Sends bytes that others follow at once: the kernel waits for those.
    fn poll_send_first(&self, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        let mut send = |socket: BorrowedFd<'_>| Ok(sendmsg(socket, bytes, &mut SendAncillaryBuffer::default(), flags)?);
        self.note_write(self.with(|mut stream| stream.poll_send(cx, &mut send)))
    }

    /// Waits for the client to close its side too, reading away what it still sends, within bounds (RFC 9112, section 9.6).
    /// Bytes that nobody reads make the kernel reset the connection, which takes the answer from a client that has not
    /// read it yet.
    pub(crate) fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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
        if held::is_place(bytes) {
            return self.poll_send_held(cx, bytes.len());
        }
        self.note_write(self.with(|stream| stream.poll_write(cx, bytes)))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match bytes.iter().position(|piece| held::is_place(piece)) {
            Some(0) => return self.poll_send_held(cx, bytes[0].len()),
            Some(first) => return self.poll_send_first(cx, &bytes[..first]),
            None => {}
        }
        let mut joined = [MaybeUninit::uninit(); MAX_JOINED];
        let mut joined = ReadBuf::uninit(&mut joined);
        for piece in bytes {
            if piece.len() > joined.remaining() {
                return self.note_write(self.with(|stream| stream.poll_write_vectored(cx, bytes)));
            }
            joined.put_slice(piece);
        }
        self.note_write(self.with(|stream| stream.poll_write(cx, joined.filled())))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.borrow().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.note_write(self.with(|stream| stream.poll_flush(cx)))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shut {
            std::task::ready!(self.note_write(self.with(|stream| stream.poll_shutdown(cx))))?;
            self.shut = true;
        }
        if self.connection.is_exchange() {
            // The other direction goes on.
            return Poll::Ready(Ok(()));
        }
        self.poll_linger(cx).map(Ok)
    }
}
