//! Bytes to and from a peer.

use std::{
    cell::{Cell, RefCell},
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::fd::AsFd as _,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::{TcpStream, UnixStream},
};

use super::pipe::Pipe;
use crate::{body::held::Held, duplex};

/// A connected socket.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Calls what both kinds have.
macro_rules! on {
    ($socket:expr, $stream:ident => $call:expr) => {
        match $socket {
            Socket::Tcp($stream) => $call,
            Socket::Unix($stream) => $call,
        }
    };
}

/// What is known about a connection beside what its user reads and writes.
#[derive(Debug)]
pub(super) struct Wire {
    socket: RefCell<Socket>,
    /// Bytes that were read for the head that is awaited, or was last.
    heard: Cell<usize>,
    awaits_head: Cell<bool>,
    /// The kernel did not take all of what was last written.
    has_unsent: Cell<bool>,
}

/// Bytes that are read for one head, with what may precede it (RFC 9110, section 15.2) and follow it in the same segment.
const MAX_HEARD: usize = 512 << 10;

impl Wire {
    pub(super) fn new(socket: Socket) -> Rc<Self> {
        let (heard, awaits_head, has_unsent) = (Cell::new(0), Cell::new(false), Cell::new(false));
        Rc::new(Self { socket: RefCell::new(socket), heard, awaits_head, has_unsent })
    }

    /// From now on the head of a response is awaited.
    pub(super) fn await_head(&self) {
        self.heard.set(0);
        self.awaits_head.set(true);
    }

    /// The head is there.
    pub(super) fn end_head(&self) {
        self.awaits_head.set(false);
    }

    /// Whether anything was read since [`await_head`](Self::await_head).
    pub(super) fn has_heard(&self) -> bool {
        self.heard.get() > 0
    }

    /// Whether the kernel has taken all that was written.
    pub(super) fn is_flushed(&self) -> bool {
        !self.has_unsent.get()
    }

    fn note_written(&self, result: Poll<io::Result<usize>>, length: usize) -> Poll<io::Result<usize>> {
        self.has_unsent.set(!matches!(result, Poll::Ready(Ok(written)) if written == length));
        result
    }

    /// Has the kernel put bytes of the peer's into a pipe that is empty, at most `most`. `None` is the end of what it sends.
    pub(super) fn poll_fill(
        &self,
        cx: &mut Context<'_>,
        pipe: &Rc<Pipe>,
        most: usize,
    ) -> Poll<io::Result<Option<Held>>> {
        on!(&*self.socket.borrow(), stream => loop {
            ready!(stream.poll_read_ready(cx))?;
            match stream.try_io(Interest::READABLE, || pipe.fill(stream.as_fd(), most)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        })
    }

    /// Has the kernel ask whether the peer is still there: it may be silent from now on for as long as it likes.
    pub(super) fn ask_after_peer(&self) {
        if let Socket::Tcp(stream) = &*self.socket.borrow() {
            duplex::ask_after_peer(stream, duplex::SILENCE);
        }
    }

    /// Whether the peer neither has ended the connection nor has said something that nobody asked for. Asks the kernel, and so
    /// knows it before the event loop does.
    pub(super) fn is_silent(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        let peeked = on!(&*self.socket.borrow(), stream => SockRef::from(stream).peek(&mut byte));
        matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// The end of a connection that is read from and written to.
#[derive(Debug)]
pub(super) struct WireStream(pub(super) Rc<Wire>);

impl AsyncRead for WireStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let filled = buf.filled().len();
        let result = ready!(on!(&mut *self.0.socket.borrow_mut(), stream => Pin::new(stream).poll_read(cx, buf)));
        if self.0.awaits_head.get() {
            self.0.heard.set(self.0.heard.get() + buf.filled().len() - filled);
            if self.0.heard.get() > MAX_HEARD {
                return Poll::Ready(Err(io::Error::other("there is no end to what comes before the response")));
            }
        }
        Poll::Ready(result)
    }
}

impl AsyncWrite for WireStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = on!(&mut *self.0.socket.borrow_mut(), stream => Pin::new(stream).poll_write(cx, bytes));
        self.0.note_written(result, bytes.len())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = on!(&mut *self.0.socket.borrow_mut(), stream => Pin::new(stream).poll_write_vectored(cx, slices));
        self.0.note_written(result, slices.iter().map(|slice| slice.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on!(&mut *self.0.socket.borrow_mut(), stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on!(&mut *self.0.socket.borrow_mut(), stream => Pin::new(stream).poll_shutdown(cx))
    }
}
