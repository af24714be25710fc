//! Bytes to and from a peer.

use std::{
    cell::{Cell, RefCell},
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

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
}

/// Bytes that are read for one head, with what may precede it (RFC 9110, section 15.2) and follow it in the same segment.
const MAX_HEARD: usize = 512 << 10;

impl Wire {
    pub(super) fn new(socket: Socket) -> Rc<Self> {
        Rc::new(Self { socket: RefCell::new(socket), heard: Cell::new(0), awaits_head: Cell::new(false) })
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
        on!(&mut *self.0.socket.borrow_mut(), stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on!(&mut *self.0.socket.borrow_mut(), stream => Pin::new(stream).poll_write_vectored(cx, slices))
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
