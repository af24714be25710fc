//! The streams of clients: TCP and Unix sockets, and TLS over either.

use std::{
    io::{self, BufRead},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::SockRef;
use tokio::{
    io::{AsyncBufRead, AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::{TcpStream, UnixStream},
};

use super::client::ClientIo;
use crate::{duplex, net::tls::server::ServerStream};

/// How long a connection whose client sends no more lies silent before its client's system is asked about it.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(5);

/// What was accepted.
pub(super) struct ClientStream {
    socket: Socket,
    /// Bytes that the kernel has taken.
    sent: u64,
}

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl From<TcpStream> for ClientStream {
    fn from(stream: TcpStream) -> Self {
        ClientStream { socket: Socket::Tcp(stream), sent: 0 }
    }
}

impl From<UnixStream> for ClientStream {
    fn from(stream: UnixStream) -> Self {
        ClientStream { socket: Socket::Unix(stream), sent: 0 }
    }
}

/// The same for both kinds of socket.
macro_rules! each {
    ($self:expr, $stream:ident => $call:expr) => {
        match $self {
            Socket::Tcp($stream) => $call,
            Socket::Unix($stream) => $call,
        }
    };
}

fn peek_end(stream: &impl AsFd) -> io::Result<bool> {
    Ok(SockRef::from(stream).peek(&mut [MaybeUninit::uninit()])? == 0)
}

fn is_hung_up(stream: &impl AsFd) -> bool {
    let mut polled = [PollFd::new(stream.as_fd(), PollFlags::empty())];
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR;
    poll(&mut polled, PollTimeout::ZERO).is_ok() && polled[0].revents().is_some_and(|events| events.intersects(gone))
}

impl ClientIo for ClientStream {
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        each!(&self.socket, stream => loop {
            if std::task::ready!(stream.poll_read_ready(cx)).is_err() {
                return Poll::Ready(());
            }
            match stream.try_io(Interest::READABLE, || peek_end(stream)) {
                Ok(true) => return Poll::Ready(()),
                Ok(false) => return Poll::Pending,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Poll::Ready(()),
            }
        })
    }

    fn is_gone(&self) -> bool {
        each!(&self.socket, stream => is_hung_up(stream))
    }

    fn has_unread(&mut self) -> bool {
        // Not by way of the runtime, which does not know yet what has come since it last asked.
        each!(&self.socket, stream => peek_end(stream)).is_ok_and(|is_end| !is_end)
    }

    fn sent(&self) -> u64 {
        self.sent
    }

    fn sends_held(&self) -> bool {
        true
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        send: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let result = each!(&self.socket, stream => loop {
            std::task::ready!(stream.poll_write_ready(cx))?;
            match stream.try_io(Interest::WRITABLE, || send(stream.as_fd())) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => break result,
            }
        });
        self.note_sent(Poll::Ready(result))
    }

    fn ask_after_peer(&self, silence: Duration) {
        match &self.socket {
            // Where that fails, the limits on the event's time hold.
            Socket::Tcp(stream) => duplex::ask_after_peer(stream, silence),
            // The kernel knows at once.
            Socket::Unix(_) => {}
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(&mut self.socket, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl ClientStream {
    fn note_sent(&mut self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &result {
            self.sent += *bytes as u64;
        }
        result
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = each!(&mut self.socket, stream => Pin::new(stream).poll_write(cx, bytes));
        self.note_sent(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = each!(&mut self.socket, stream => Pin::new(stream).poll_write_vectored(cx, bytes));
        self.note_sent(result)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut self.socket, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut self.socket, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

/// TLS over what was accepted, after the handshake.
pub(super) struct SecureStream<S = ClientStream>(ServerStream<S>);

impl<S> From<ServerStream<S>> for SecureStream<S> {
    fn from(stream: ServerStream<S>) -> Self {
        SecureStream(stream)
    }
}

impl<S: ClientIo> ClientIo for SecureStream<S> {
    /// Takes records from the kernel, for the end is one of them, as long as they hold no byte of the client's.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match std::task::ready!(Pin::new(&mut self.0).poll_fill_buf(cx)) {
            Ok(bytes) if !bytes.is_empty() => Poll::Pending,
            _ => Poll::Ready(()),
        }
    }

    fn is_gone(&self) -> bool {
        self.0.get_ref().0.is_gone()
    }

    fn has_unread(&mut self) -> bool {
        let (stream, connection) = self.0.get_mut();
        connection.reader().fill_buf().is_ok_and(|bytes| !bytes.is_empty()) || stream.has_unread()
    }

    fn sent(&self) -> u64 {
        self.0.get_ref().0.sent()
    }

    fn sends_held(&self) -> bool {
        false
    }

    fn poll_send(
        &mut self,
        _: &mut Context<'_>,
        _: &mut dyn FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    fn ask_after_peer(&self, silence: Duration) {
        self.0.get_ref().0.ask_after_peer(silence);
    }
}

impl<S: ClientIo> AsyncRead for SecureStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: ClientIo> AsyncWrite for SecureStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
