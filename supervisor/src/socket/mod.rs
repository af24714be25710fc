//! Listeners: from an address in the configuration to requests for a [`Service`](crate::service::Service).
//!
//! [`BoundSocket`] is an address that has been bound for all shards, [`Socket`] what is spoken there on one shard, and
//! [`serve`] joins them until a shutdown.
//!
//! A socket knows services and no processes: what a client sees follows from the kind of an error alone. All that a client
//! controls has a bound (`limits`).

mod client;
mod connection;
mod handlers;
mod http;
mod limits;
mod listener;
mod log;
mod rewrite;
mod stream;
mod tcp;
mod upload;

use std::{future::poll_fn, io, pin::pin, rc::Rc, task::Poll, time::Duration};

use socket2::SockRef;
use tokio::{
    net::{TcpListener, UnixListener},
    sync::watch,
};

use self::{
    client::ClientIo,
    connection::{ConnectionTable, Handshake, Order, Ticket},
    http::Peer,
    limits::Phase,
    stream::{ClientStream, SecureStream},
};
pub use self::{
    http::HttpSocket,
    limits::{CONNECTION_BUFFER, Limits},
    listener::{BoundSocket, ListenError, Listener},
    tcp::TcpSocket,
};
use crate::net::tls::{self, server::ServerStream};

/// Accepts and serves on one shard until `shutdown` becomes true; then stops accepting, lets requests in flight finish,
/// and returns when the last connection has ended or [`Limits::drain_time`] is over: how many connections were cut off
/// because of that.
///
/// Belongs on a [`tokio::task::LocalSet`].
///
/// # Errors
///
/// A listener cannot be registered with the event loop.
pub async fn serve(
    sockets: Vec<(Socket, Vec<Listener>)>,
    limits: &Limits,
    mut shutdown: watch::Receiver<bool>,
) -> io::Result<usize> {
    let table = ConnectionTable::new(limits, sockets.len());
    let mut accepting = Vec::new();
    for (number, (socket, listeners)) in sockets.into_iter().enumerate() {
        for listener in listeners {
            let listener = match listener {
                Listener::Tcp(listener) => Acceptor::Tcp(TcpListener::from_std(listener)?),
                Listener::Unix(listener) => Acceptor::Unix(UnixListener::from_std(listener)?),
            };
            let task = accept_all(listener, number, socket.clone(), table.clone());
            accepting.push(tokio::task::spawn_local(task));
        }
    }
    let sweeper = tokio::task::spawn_local(sweep(table.clone(), limits.tick));

    // An error means that the other end is gone, which is a shutdown too.
    let _ = shutdown.wait_for(|shutdown| *shutdown).await;
    for task in accepting {
        task.abort();
        // Only after the task has ended is its listener closed.
        let _ = task.await;
    }
    table.drain();
    let cut_off = match tokio::time::timeout(limits.drain_time, table.emptied()).await {
        Ok(()) => 0,
        Err(_) => {
            let left = table.len();
            table.kill();
            table.emptied().await;
            left
        }
    };
    sweeper.abort();
    Ok(cut_off)
}

/// Looks at the limits on time, as long as somebody is connected.
async fn sweep(table: Rc<ConnectionTable>, tick: Duration) {
    loop {
        table.occupied().await;
        tokio::time::sleep(tick).await;
        table.tick();
    }
}

enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Bytes of responses that the kernel takes from us before it has sent them, for each connection.
const NOTSENT_LOWAT: u32 = 64 << 10;

impl Acceptor {
    async fn accept(&self) -> io::Result<(ClientStream, Peer)> {
        match self {
            Acceptor::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // A response is written whole; waiting for more to send would only delay it.
                let _ = stream.set_nodelay(true);
                // What the client has not been sent yet waits here, where it is counted, and not in the kernel.
                let _ = SockRef::from(&stream).set_tcp_notsent_lowat(NOTSENT_LOWAT);
                Ok((stream.into(), Peer::Ip(address)))
            }
            Acceptor::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let peer =
                    stream.peer_cred().map_or(Peer::Unknown, |cred| Peer::Unix { pid: cred.pid(), uid: cred.uid() });
                Ok((stream.into(), peer))
            }
        }
    }
}

/// Waits for the end of a TLS handshake. `None` when it failed, which the client has been told, or took too long.
async fn finish(
    accepted: impl Future<Output = io::Result<ServerStream<ClientStream>>>,
    ticket: &Ticket,
    _handshake: Handshake,
) -> Option<ServerStream<ClientStream>> {
    let mut accepted = pin!(accepted);
    let stream = poll_fn(|cx| match ticket.connection.poll_order(cx) {
        Order::Kill => Poll::Ready(None),
        Order::Run | Order::Drain => accepted.as_mut().poll(cx).map(Result::ok),
    })
    .await?;
    ticket.connection.set_phase(Phase::Head);
    Some(stream)
}

/// What is spoken at a socket, and with whom.
#[derive(Clone)]
pub enum Socket {
    /// HTTP.
    Http(Rc<HttpSocket>),
    /// Whatever a service likes.
    Tcp(Rc<TcpSocket>),
}

impl Socket {
    fn tls(&self) -> Option<&tls::server::Acceptor> {
        match self {
            Socket::Http(socket) => socket.tls(),
            Socket::Tcp(socket) => socket.tls(),
        }
    }

    fn complain(&self, text: &str) {
        match self {
            Socket::Http(socket) => socket.complain(text),
            Socket::Tcp(socket) => socket.complain(text),
        }
    }

    async fn serve(&self, stream: impl ClientIo, peer: &Peer, ticket: Ticket) {
        match self {
            Socket::Http(socket) => socket.serve(stream, peer, ticket).await,
            Socket::Tcp(socket) => socket.serve(Box::new(stream), peer, ticket).await,
        }
    }
}

async fn accept_all(listener: Acceptor, number: usize, socket: Socket, table: Rc<ConnectionTable>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Only now: an idle connection is not sent away for a client that may never come.
                table.room(number).await;
                let socket = socket.clone();
                match socket.tls() {
                    None => {
                        let ticket = table.enter(number, Phase::Head);
                        tokio::task::spawn_local(async move { socket.serve(stream, &peer, ticket).await });
                    }
                    Some(tls) => {
                        let ticket = table.enter(number, Phase::Handshake);
                        let (handshake, accepted) = (table.begin_handshake(&ticket), tls.accept(stream));
                        tokio::task::spawn_local(async move {
                            if let Some(stream) = finish(accepted, &ticket, handshake).await {
                                socket.serve(SecureStream::from(stream), &peer, ticket).await;
                            }
                        });
                    }
                }
            }
            // The client was gone before we looked.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {}
            // Out of descriptors or memory: the connection stays in the queue, so asking again at once would only spin.
            Err(error) => {
                socket.complain(&format!("cannot accept a connection: {error}; trying again"));
                table.make_room(None);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
