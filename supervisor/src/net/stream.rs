//! Bytes to and from a peer.

use std::{
    cell::{Cell, RefCell},
    future::Future as _,
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::fd::AsFd as _,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::{TcpStream, UnixStream},
    time::{Sleep, sleep},
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
    /// How long the peer may take no byte of what is ready to be sent.
    stall: Cell<Option<Duration>>,
    /// Runs while it takes none.
    stalled: RefCell<Option<Pin<Box<Sleep>>>>,
}

/// How long the peer of a connection in place of HTTP may take no byte of what is ready to be sent, as a client may.
const WRITE_STALL: Duration = Duration::from_secs(60);

/// Bytes that are read for one head, with what may precede it (RFC 9110, section 15.2) and follow it in the same segment.
const MAX_HEARD: usize = 512 << 10;

impl Wire {
    pub(super) fn new(socket: Socket) -> Rc<Self> {
        Rc::new(Self {
            socket: RefCell::new(socket),
            heard: Cell::new(0),
            awaits_head: Cell::new(false),
            has_unsent: Cell::new(false),
            stall: Cell::new(None),
            stalled: RefCell::default(),
        })
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

    /// Gives a peer up that has taken nothing for too long.
    fn limit_stall(&self, cx: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let Some(stall) = self.stall.get() else { return result };
        let stalled = &mut *self.stalled.borrow_mut();
        if result.is_ready() {
            *stalled = None;
            return result;
        }
        ready!(stalled.get_or_insert_with(|| Box::pin(sleep(stall))).as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing of what it is sent")))
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

    /// From now on the connection carries two streams in place of HTTP. The peer may be silent for as long as it likes: the kernel asks whether
    /// it is still there. It may not leave what it is sent for as long.
    pub(super) fn begin_exchange(&self) {
        self.stall.set(Some(WRITE_STALL));
        self.ask_after_peer();
    }

    /// Has the kernel ask whether the peer is still there.
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
        let result = self.0.limit_stall(cx, result);
        self.0.note_written(result, bytes.len())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = on!(&mut *self.0.socket.borrow_mut(), stream => Pin::new(stream).poll_write_vectored(cx, slices));
        let result = self.0.limit_stall(cx, result);
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// What ends a test that hangs.
    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn a_peer_that_takes_nothing_is_given_up_and_one_that_takes_little_is_not() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let test = async {
            let (ours, mut theirs) = UnixStream::pair().expect("a pair");
            let wire = Wire::new(Socket::Unix(ours));
            let piece = vec![0; 1 << 20];
            let mut stream = WireStream(wire.clone());
            // As long as it is HTTP, whoever asked says how long it may take.
            let filled = tokio::time::timeout(Duration::from_millis(1), stream.write_all(&piece)).await;
            assert!(filled.is_err(), "the kernel takes all of it");
            wire.begin_exchange();
            let stall = Duration::from_secs(1);
            wire.stall.set(Some(stall));
            let begun = tokio::time::Instant::now();
            let taking = async {
                // It takes something, now and then, for longer than it may take nothing.
                while begun.elapsed() < stall + stall / 2 {
                    theirs.read_exact(&mut vec![0; 100 << 10]).await.expect("bytes");
                    sleep(stall / 20).await;
                }
            };
            let writing = async {
                loop {
                    if let Err(error) = stream.write_all(&piece).await {
                        break (error.kind(), begun.elapsed());
                    }
                }
            };
            let ((), (error, after)) = tokio::join!(taking, writing);
            assert_eq!(error, io::ErrorKind::TimedOut);
            assert!(after >= 2 * stall, "it was given up after {after:?}");
        };
        runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("it hangs") });
    }
}
