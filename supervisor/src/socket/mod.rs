//! Listeners: from an address in the configuration to requests for a [`Service`](crate::service::Service).
//!
//! [`BoundSocket`] is an address that has been bound for all shards, [`Socket`] what is spoken there on one shard, and
//! [`serve`] joins them until a shutdown. `front` is the same for sockets that change.
//!
//! A socket knows services and no processes: what a client sees follows from the kind of an error alone. All that a client
//! controls has a bound (`limits`).

mod client;
mod connection;
mod front;
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

pub(crate) use self::front::{Front, Used};
use self::{
    connection::{ConnectionTable, Handshake, Order, Ticket},
    http::Peer,
    limits::Phase,
    stream::ClientStream,
};
pub use self::{
    front::Opening,
    http::HttpSocket,
    limits::{CONNECTION_BUFFER, Limits},
    listener::{BoundSocket, ListenError, Listener},
    tcp::TcpSocket,
};
use crate::net::tls::server::ServerStream;

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
    let mut front = Front::new(limits);
    let sockets =
        sockets.into_iter().zip(0..).map(|((socket, listeners), number)| (socket, Opening::New(number, listeners)));
    front.serve(0, sockets.collect(), limits.connections).await?;
    // An error means that the other end is gone, which is a shutdown too.
    let _ = shutdown.wait_for(|shutdown| *shutdown).await;
    Ok(front.finish().await)
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
