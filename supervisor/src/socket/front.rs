//! What is open on one shard, and what is served there, which can change while connections go on.
//!
//! A configuration takes the place of another at once, between two requests: a listener that both have goes on, and so do its
//! connections, whose next requests the new one answers. What the old one still answers it finishes.

use std::{cell::RefCell, io, pin::pin, rc::Rc, time::Duration};

use futures::FutureExt as _;
use tokio::{
    net::{TcpListener, UnixListener},
    sync::{oneshot, watch},
    task::JoinHandle,
};

use super::{
    Acceptor, HttpSocket, Limits, Listener, Socket, TcpSocket,
    client::ClientIo,
    connection::{ConnectionTable, Ticket},
    finish,
    http::{self, Peer},
    limits::Phase,
    listener::BACKLOG,
    stream::{ClientStream, SecureStream},
    sweep,
};
use crate::net::tls;

/// A configuration, for as long as something of it answers.
#[derive(Debug)]
pub(crate) struct InUse {
    number: u64,
    /// Is dropped with it.
    _ended: oneshot::Sender<()>,
}

impl InUse {
    /// Which one.
    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

/// What the connections of a listener have in common: what answers their next requests.
pub(super) struct Place<T>(RefCell<(Rc<T>, Rc<InUse>)>);

impl<T> Place<T> {
    fn new(socket: Rc<T>, in_use: Rc<InUse>) -> Rc<Self> {
        Rc::new(Place(RefCell::new((socket, in_use))))
    }

    /// What answers now, and the configuration that it is of.
    pub(super) fn now(&self) -> (Rc<T>, Rc<InUse>) {
        self.0.borrow().clone()
    }

    fn set(&self, socket: &Rc<T>, in_use: &Rc<InUse>) {
        *self.0.borrow_mut() = (socket.clone(), in_use.clone());
    }
}

/// What is spoken at a listener.
#[derive(Clone)]
enum Spoken {
    Http(Rc<Place<HttpSocket>>),
    Tcp(Rc<Place<TcpSocket>>),
}

impl Spoken {
    fn new(socket: &Socket, in_use: &Rc<InUse>) -> Self {
        match socket {
            Socket::Http(socket) => Spoken::Http(Place::new(socket.clone(), in_use.clone())),
            Socket::Tcp(socket) => Spoken::Tcp(Place::new(socket.clone(), in_use.clone())),
        }
    }

    /// Lets another socket answer from now on, where that speaks the same.
    fn set(&self, socket: &Socket, in_use: &Rc<InUse>) -> bool {
        match (self, socket) {
            (Spoken::Http(place), Socket::Http(socket)) => place.set(socket, in_use),
            (Spoken::Tcp(place), Socket::Tcp(socket)) => place.set(socket, in_use),
            _ => return false,
        }
        true
    }

    fn tls(&self) -> Option<tls::server::Acceptor> {
        match self {
            Spoken::Http(place) => place.now().0.tls().cloned(),
            Spoken::Tcp(place) => place.now().0.tls().cloned(),
        }
    }

    fn complain(&self, text: &str) {
        match self {
            Spoken::Http(place) => place.now().0.complain(text),
            Spoken::Tcp(place) => place.now().0.complain(text),
        }
    }

    async fn serve(self, stream: impl ClientIo, peer: Peer, ticket: Ticket) {
        match self {
            Spoken::Http(place) => http::serve(place, stream, peer, ticket).await,
            Spoken::Tcp(place) => TcpSocket::serve(&place, Box::new(stream), &peer, ticket).await,
        }
    }
}

/// How a socket comes to its listeners. Each listener has a number, the same for as long as it is open.
#[derive(Debug)]
pub enum Opening {
    /// It opens.
    New(u64, Vec<Listener>),
    /// It is open, and goes on.
    Kept {
        /// The number of the listener.
        listener: u64,
        /// Whether its connections go on too. Otherwise they finish what they do: what is spoken there, or who may speak, is not what
        /// it was.
        keeps_connections: bool,
    },
}

/// A listener on one shard.
struct Open {
    listener: u64,
    /// In the table of connections.
    number: usize,
    spoken: Rc<RefCell<Spoken>>,
    accepting: Vec<JoinHandle<()>>,
    closing: watch::Sender<bool>,
}

/// All that is open on one shard. Belongs on a [`tokio::task::LocalSet`].
pub(crate) struct Front {
    table: Rc<ConnectionTable>,
    open: Vec<Open>,
    current: Option<Used>,
    sweeper: JoinHandle<()>,
    drain_time: Duration,
}

/// A configuration whose place another has taken, and that finishes what it does.
pub(crate) struct Used {
    number: u64,
    table: Rc<ConnectionTable>,
    ended: oneshot::Receiver<()>,
}

impl Used {
    /// Waits until it answers nothing any more, or until `time` is over: then it ends the connections that are still used by it, and
    /// says how many these were.
    pub(crate) async fn finish(mut self, time: impl Future<Output = ()>) -> usize {
        tokio::select! {
            biased;
            _ = &mut self.ended => return 0,
            () = time => {}
        }
        let cut_off = self.table.kill_those_of(self.number);
        let _ = self.ended.await;
        cut_off
    }
}

impl Front {
    pub(crate) fn new(limits: &Limits) -> Front {
        let table = ConnectionTable::new(limits);
        let sweeper = tokio::task::spawn_local(sweep(table.clone(), limits.tick));
        Front { table, open: Vec::new(), current: None, sweeper, drain_time: limits.drain_time }
    }

    /// Has these sockets served from now on, and no others, with at most `connections` connections: the configuration of this number,
    /// which is larger than those before. Gives the one before.
    ///
    /// # Errors
    ///
    /// A listener cannot be registered with the event loop. All is as it was then.
    pub(crate) async fn serve(
        &mut self,
        number: u64,
        sockets: Vec<(Socket, Opening)>,
        connections: usize,
    ) -> io::Result<Option<Used>> {
        let (sender, ended) = oneshot::channel();
        let in_use = Rc::new(InUse { number, _ended: sender });
        let mut ready = Vec::with_capacity(sockets.len());
        for (socket, opening) in sockets {
            ready.push(match opening {
                Opening::New(listener, listeners) => {
                    let listeners = listeners.into_iter().map(register).collect::<io::Result<Vec<_>>>()?;
                    (socket, listener, Some(listeners), false)
                }
                Opening::Kept { listener, keeps_connections } => (socket, listener, None, keeps_connections),
            });
        }
        // From here to the end of the loop nobody else runs: no request sees a part of it.
        let mut before = std::mem::take(&mut self.open);
        for (socket, listener, listeners, keeps_connections) in ready {
            let open = match listeners {
                Some(listeners) => self.open(listener, listeners, &socket, &in_use),
                None => {
                    let Some(index) = before.iter().position(|open| open.listener == listener) else { continue };
                    let open = before.swap_remove(index);
                    let goes_on = keeps_connections && open.spoken.borrow().set(&socket, &in_use);
                    if !goes_on {
                        *open.spoken.borrow_mut() = Spoken::new(&socket, &in_use);
                        self.table.drain_socket(open.number, self.current.as_ref().map_or(0, |used| used.number));
                    }
                    open
                }
            };
            self.open.push(open);
        }
        for gone in &before {
            gone.closing.send_replace(true);
        }
        let last = self.current.replace(Used { number, table: self.table.clone(), ended });
        for gone in before {
            for task in gone.accepting {
                // It ends: what it waits for, it stops to wait for now.
                let _ = task.await;
            }
            self.table.drain_socket(gone.number, last.as_ref().map_or(0, |used| used.number));
            self.table.close_socket(gone.number);
        }
        self.table.divide(connections);
        Ok(last)
    }

    fn open(&self, listener: u64, listeners: Vec<Acceptor>, socket: &Socket, in_use: &Rc<InUse>) -> Open {
        let number = self.table.open_socket();
        let spoken = Rc::new(RefCell::new(Spoken::new(socket, in_use)));
        let (closing, closes) = watch::channel(false);
        let accept = |acceptor| {
            let accepting = Accepting { acceptor, number, spoken: spoken.clone(), table: self.table.clone() };
            tokio::task::spawn_local(accepting.run(closes.clone()))
        };
        let accepting = listeners.into_iter().map(accept).collect();
        Open { listener, number, spoken, accepting, closing }
    }

    /// Stops accepting, lets requests in flight finish, and returns when the last connection has ended or [`Limits::drain_time`] is
    /// over: how many connections were cut off because of that.
    pub(crate) async fn finish(self) -> usize {
        for task in self.open.into_iter().flat_map(|open| open.accepting) {
            task.abort();
            // Only after the task has ended is its listener closed.
            let _ = task.await;
        }
        self.table.drain();
        let cut_off = match tokio::time::timeout(self.drain_time, self.table.emptied()).await {
            Ok(()) => 0,
            Err(_) => {
                let left = self.table.len();
                self.table.kill();
                self.table.emptied().await;
                left
            }
        };
        self.sweeper.abort();
        cut_off
    }
}

fn register(listener: Listener) -> io::Result<Acceptor> {
    Ok(match listener {
        Listener::Tcp(listener) => Acceptor::Tcp(TcpListener::from_std(listener)?),
        Listener::Unix(listener) => Acceptor::Unix(UnixListener::from_std(listener)?),
    })
}

/// Accepts from one listener.
struct Accepting {
    acceptor: Acceptor,
    number: usize,
    spoken: Rc<RefCell<Spoken>>,
    table: Rc<ConnectionTable>,
}

impl Accepting {
    /// Until it `closes`.
    async fn run(self, mut closes: watch::Receiver<bool>) {
        let mut closed = pin!(closes.wait_for(|closes| *closes));
        loop {
            let accepted = tokio::select! {
                biased;
                _ = &mut closed => break,
                accepted = self.acceptor.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    // Only now: an idle connection is not sent away for a client that may never come.
                    tokio::select! {
                        biased;
                        () = self.table.room(self.number) => self.begin(stream, peer),
                        _ = &mut closed => return,
                    }
                }
                // The client was gone before we looked.
                Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {
                }
                // Out of descriptors or memory: the connection stays in the queue, so asking again at once would only spin.
                Err(error) => {
                    let spoken = self.spoken.borrow().clone();
                    spoken.complain(&format!("cannot accept a connection: {error}; trying again"));
                    self.table.make_room(None);
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        // Who has come before it closes is served.
        for _ in 0..BACKLOG {
            match tokio::task::unconstrained(self.acceptor.accept()).now_or_never() {
                Some(Ok((stream, peer))) => self.begin(stream, peer),
                _ => break,
            }
        }
    }

    fn begin(&self, stream: ClientStream, peer: Peer) {
        let spoken = self.spoken.borrow().clone();
        match spoken.tls() {
            None => {
                let ticket = self.table.enter(self.number, Phase::Head);
                tokio::task::spawn_local(spoken.serve(stream, peer, ticket));
            }
            Some(tls) => {
                let ticket = self.table.enter(self.number, Phase::Handshake);
                let (handshake, accepted) = (self.table.begin_handshake(&ticket), tls.accept(stream));
                tokio::task::spawn_local(async move {
                    if let Some(stream) = finish(accepted, &ticket, handshake).await {
                        spoken.serve(SecureStream::from(stream), peer, ticket).await;
                    }
                });
            }
        }
    }
}
