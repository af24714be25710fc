//! Cap'n Proto RPC over a Unix stream socket: batched, and bounded on every axis that a peer controls.
//!
//! The protocol is Cap'n Proto's own ([RPC protocol], level 1) in the standard stream framing; what is ours is when
//! system calls are made and what is refused.
//!
//! - **Batching.** [`Connection`] drives the RPC system itself. In one turn it hands over every message that one `read`
//!   brought, up to [`BATCH_MESSAGES`], and what was queued for sending meanwhile leaves in one vectored write at the
//!   end of the turn, or before where that is much, so that the peer has something to do meanwhile.
//! - **Bounds.** [`Limits`] holds one number for each thing that the peer could make us keep. Exceeding one ends the
//!   connection with [`TransportError::Violation`]; nothing else is affected.
//! - **Pace.** A hostile peer may send what we ask for: one answer for each call of ours is free and a few messages with it
//!   are ([`MESSAGES_FOR_A_CALL`]). What it starts of its own has a rate ([`Limits::messages_per_second`],
//!   [`Limits::bytes_per_second`]), and a read that brings little and completes no message counts as a message. Beyond the
//!   rate the peer is not read until the time has come (`pace`): it is slowed down, and nobody else is.
//! - **Back-pressure.** Sending never blocks, so a queue that grows beyond [`Limits::max_queued_bytes`] is a violation.
//!   Before sending something long, wait for [`Handle::reserve`], which gives room to one after the other while the queue
//!   is shorter than [`Limits::writable_below_bytes`]; then a slow peer delays its own data and a peer that never reads
//!   costs a fixed amount. A worker takes no further message while its own queue is that long, so that what it answers at
//!   once is bounded too.
//! - **Hostile peers.** With [`Peer::Hostile`] each message is checked before `capnp-rpc` sees it (`check`): only the
//!   kinds of message that our interfaces need pass. That keeps table sizes bounded, because both published
//!   implementations number questions and exports from the lowest free number, and it keeps the parts of `capnp-rpc`
//!   that can panic or copy without bound on crafted input out of reach.
//!
//! A connection stays on the thread where it was made. If the [`Connection`] is dropped, the calls in flight fail, as
//! they do when the peer goes away.
//!
//! [RPC protocol]: https://capnproto.org/rpc.html

mod check;
mod held;
mod inbound;
mod limits;
mod outbound;
mod pace;
mod rate;
mod socket;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker, ready},
    time::Instant,
};

use bytes::Bytes;
use capnp::{
    capability::{FromClientHook, Promise},
    message,
};
use capnp_rpc::RpcSystem;
use futures::task::AtomicWaker;
use tokio::{
    net::UnixStream,
    sync::{Mutex, Notify},
    time::Sleep,
};

use held::Memory;
use inbound::{Inbound, Incoming};
pub use limits::{
    Limits, MAX_CHUNK, MAX_DEPTH, MAX_EVENTS, MAX_EXCHANGES, MAX_LIVE_EVENTS, MAX_SUBREQUESTS, MESSAGES_FOR_A_CALL,
    Peer,
};
use outbound::{Outbound, Outgoing};
use pace::{Episodes, Pace};
pub use rate::Bucket;
use socket::Socket;

/// Most messages that one turn of a [`Connection`] hands over before it sends what is queued and lets others run.
pub const BATCH_MESSAGES: usize = 32;

/// A read of a hostile peer that completes no message is charged like a message when it brings fewer bytes than this: a long
/// message comes in pieces, but not in small ones.
const SMALL_READ_BYTES: usize = 4 << 10;

/// How often the RPC system is polled at most after its connection has ended.
const FAREWELL_POLLS: usize = 16;

/// Why a connection ended, other than by the peer closing it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TransportError {
    /// The socket failed.
    #[error("the connection failed: {0}")]
    Io(String),
    /// The peer broke a bound or sent what no correct peer sends.
    #[error("the peer broke the protocol: {0}")]
    Violation(String),
    /// The RPC layer gave up, or the peer said that it did.
    #[error("the RPC session was aborted: {0}")]
    Aborted(String),
}

impl From<TransportError> for capnp::Error {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Io(_) => capnp::Error::disconnected(error.to_string()),
            _ => capnp::Error::failed(error.to_string()),
        }
    }
}

/// How a connection ended.
type End = Result<(), TransportError>;

/// State shared by the driver, the RPC system's view of the connection, its messages, and handles.
struct Shared {
    limits: Limits,
    /// `None` once the connection is dropped.
    socket: RefCell<Option<Socket>>,
    outbound: RefCell<Outbound>,
    inbox: RefCell<VecDeque<Incoming>>,
    /// The RPC system's wish for the next message.
    receiver: RefCell<Option<Waker>>,
    /// The peer closed its side, after the messages in `inbox`.
    end_of_stream: Cell<bool>,
    /// Set once; nothing is received or queued afterwards.
    end: RefCell<Option<End>>,
    /// Bytes of incoming messages that are alive.
    held_bytes: Cell<usize>,
    /// Where the long ones among them are.
    memory: RefCell<Memory>,
    /// Calls that were given up and are not answered.
    given_up: Cell<u32>,
    /// Told when there is one.
    gave_up: Notify,
    /// Messages received so far.
    received: Cell<u64>,
    /// Calls that the peer has not answered yet.
    unanswered: Cell<u64>,
    /// What a hostile peer may still send beside answers.
    pace: RefCell<Pace>,
    /// How often it was slowed down.
    episodes: RefCell<Episodes>,
    /// Told when that happens.
    slowed: Notify,
    /// Bytes that may be queued by who holds a [`Reservation`].
    reserved: Cell<usize>,
    /// Whose turn it is to wait for room: one after the other, in the order in which they asked.
    turn: Mutex<()>,
    /// Told when the queue of outgoing bytes became short, or the connection ended.
    drained: Notify,
    signal: Arc<Signal>,
}

/// The RPC system's waker. Wakes that happen while the driver polls only set the flag, because the driver looks at it
/// before it returns.
struct Signal {
    woken: AtomicBool,
    polling: AtomicBool,
    driver: AtomicWaker,
}

impl Signal {
    fn rouse(&self) {
        if !self.polling.load(Ordering::Acquire) {
            self.driver.wake();
        }
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.rouse();
        }
    }
}

impl Shared {
    /// Ends the connection; the first reason counts.
    fn finish(&self, end: End) {
        let mut slot = self.end.borrow_mut();
        if slot.is_none() {
            *slot = Some(end);
            drop(slot);
            self.drained.notify_waiters();
            self.signal.rouse();
            if let Some(receiver) = self.receiver.borrow_mut().take() {
                receiver.wake();
            }
        }
    }

    fn violation(&self, what: impl Into<String>) {
        self.finish(Err(TransportError::Violation(what.into())));
    }

    fn is_ended(&self) -> bool {
        self.end.borrow().is_some()
    }

    /// Whether so few bytes wait, and are meant to be sent, that more may be.
    fn is_short(&self) -> bool {
        self.outbound.borrow().bytes() + self.reserved.get() < self.limits.writable_below_bytes
    }

    /// Whether the RPC system gets the next message. What a worker answers at once would pile up if the supervisor did not
    /// read; the supervisor, which never waits for a worker, reads always.
    fn may_hand_over(&self) -> bool {
        self.limits.peer == Peer::Hostile || self.outbound.borrow().bytes() < self.limits.writable_below_bytes
    }

    /// Takes note of a call that the peer has to answer.
    fn asked(&self) {
        self.unanswered.set(self.unanswered.get() + 1);
        self.pace.borrow_mut().allow(MESSAGES_FOR_A_CALL, 0);
    }

    /// Takes note of a message. The answers to all calls may come at once.
    fn spend(&self, is_answer: bool, bytes: usize) {
        if is_answer && let Some(unanswered) = self.unanswered.get().checked_sub(1) {
            self.unanswered.set(unanswered);
        } else {
            self.pace.borrow_mut().spend(bytes as u64);
        }
    }

    /// Whether the peer sent more than it may, so that its next message has to wait.
    fn is_exceeded(&self) -> bool {
        self.limits.peer == Peer::Hostile && self.pace.borrow().is_exceeded()
    }

    /// The error that calls in flight get.
    fn end_as_error(&self) -> capnp::Error {
        match &*self.end.borrow() {
            Some(Err(error)) => error.clone().into(),
            _ => capnp::Error::disconnected("the connection was closed".to_owned()),
        }
    }
}

/// Drives one connection. It is a future that must be polled (`tokio::task::spawn_local`); it resolves when the
/// connection has ended, with the reason if there was one.
#[must_use = "a connection does nothing unless polled"]
pub struct Connection {
    shared: Rc<Shared>,
    inbound: Inbound,
    /// While the peer is slowed down.
    pause: Option<Pin<Box<Sleep>>>,
    rpc: RpcSystem<()>,
    rpc_waker: Waker,
    disconnector: Option<capnp_rpc::Disconnector<()>>,
}

/// A connection as seen by the code that uses it.
#[derive(Clone)]
pub struct Handle {
    shared: Rc<Shared>,
}

/// Connects to the capability that the peer offers.
///
/// Must be called within a tokio runtime that the returned connection then runs on.
pub fn client<C: FromClientHook>(stream: UnixStream, limits: Limits) -> (C, Handle, Connection) {
    let mut connection = Connection::new(stream, limits, None);
    let bootstrap = connection.rpc.bootstrap(());
    (bootstrap, connection.handle(), connection)
}

/// Offers `bootstrap` to the peer.
pub fn server(stream: UnixStream, limits: Limits, bootstrap: capnp::capability::Client) -> (Handle, Connection) {
    let connection = Connection::new(stream, limits, Some(bootstrap));
    (connection.handle(), connection)
}

impl Connection {
    fn new(stream: UnixStream, limits: Limits, bootstrap: Option<capnp::capability::Client>) -> Self {
        let signal = Arc::new(Signal {
            woken: AtomicBool::new(true),
            polling: AtomicBool::new(false),
            driver: AtomicWaker::new(),
        });
        let (socket, end) = match Socket::new(stream) {
            Ok(socket) => (Some(socket), None),
            Err(error) => (None, Some(Err(TransportError::Io(error.to_string())))),
        };
        let shared = Rc::new(Shared {
            limits,
            socket: RefCell::new(socket),
            outbound: RefCell::new(Outbound::default()),
            inbox: RefCell::new(VecDeque::new()),
            receiver: RefCell::new(None),
            end_of_stream: Cell::new(false),
            end: RefCell::new(end),
            held_bytes: Cell::new(0),
            memory: RefCell::default(),
            given_up: Cell::new(0),
            gave_up: Notify::new(),
            received: Cell::new(0),
            unanswered: Cell::new(0),
            pace: RefCell::new(Pace::new(&limits, Instant::now())),
            episodes: RefCell::default(),
            slowed: Notify::new(),
            reserved: Cell::new(0),
            turn: Mutex::new(()),
            drained: Notify::new(),
            signal: signal.clone(),
        });
        let network = Network { shared: shared.clone(), accept: bootstrap.is_some() };
        let rpc = RpcSystem::new(Box::new(network), bootstrap);
        let disconnector = Some(rpc.get_disconnector());
        Self { shared, inbound: Inbound::new(), pause: None, rpc, rpc_waker: Waker::from(signal), disconnector }
    }

    fn handle(&self) -> Handle {
        Handle { shared: self.shared.clone() }
    }

    /// Waits until the peer may be heard.
    fn poll_pace(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // A call of ours may have paid for it meanwhile.
        while self.shared.is_exceeded() {
            if self.pause.is_none() {
                let Some(pause) = self.shared.pace.borrow_mut().pause(Instant::now) else { break };
                if self.shared.episodes.borrow_mut().note(Instant::now(), pause) {
                    self.shared.slowed.notify_waiters();
                }
                self.pause = Some(Box::pin(tokio::time::sleep(pause)));
            }
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
            }
            self.pause = None;
        }
        self.pause = None;
        Poll::Ready(())
    }

    /// Reads until a message is complete, the socket is empty or has ended, or the peer has to wait.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.shared.end_of_stream.get() || self.shared.is_ended() {
                return Poll::Ready(());
            }
            ready!(self.poll_pace(cx));
            if self.inbound.is_held_back() {
                self.advance(0);
            } else {
                ready!(self.read(cx));
            }
            let waiting = !self.shared.inbox.borrow().is_empty();
            if waiting || self.shared.end_of_stream.get() || self.shared.is_ended() {
                if let Some(receiver) = self.shared.receiver.borrow_mut().take() {
                    receiver.wake();
                }
                return Poll::Ready(());
            }
        }
    }

    /// Makes messages of what is in the buffer, `count` bytes of which are new.
    fn advance(&mut self, count: usize) {
        if let Err(what) = self.inbound.advance(count, &self.shared) {
            self.shared.violation(what);
        }
    }

    /// One read.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let read = {
            let socket = self.shared.socket.borrow();
            let socket = socket.as_ref().expect("it is there as long as this is");
            ready!(self.inbound.poll_read(socket, cx))
        };
        match read {
            Ok(0) => {
                self.shared.end_of_stream.set(true);
                if self.inbound.is_inside_message() {
                    self.shared.finish(Err(TransportError::Io("it ended inside a message".into())));
                }
            }
            Ok(count) => {
                let complete = self.shared.received.get();
                self.advance(count);
                // What was not asked for could not come.
                let is_small = count < SMALL_READ_BYTES.min(self.inbound.wanted());
                let is_waste = is_small && self.shared.received.get() == complete;
                if is_waste && !self.inbound.is_held_back() && self.shared.limits.peer == Peer::Hostile {
                    self.shared.spend(false, 0);
                }
            }
            Err(error) => self.shared.finish(Err(TransportError::Io(error.to_string()))),
        }
        Poll::Ready(())
    }

    fn flush(&mut self, cx: &mut Context<'_>) {
        let result = match &mut *self.shared.socket.borrow_mut() {
            Some(socket) => self.shared.outbound.borrow_mut().write(socket, cx),
            None => Ok(()),
        };
        if self.shared.is_short() {
            self.shared.drained.notify_waiters();
        }
        if self.shared.may_hand_over()
            && !self.shared.inbox.borrow().is_empty()
            && let Some(receiver) = self.shared.receiver.borrow_mut().take()
        {
            receiver.wake();
        }
        if let Err(error) = result {
            self.shared.finish(Err(TransportError::Io(error.to_string())));
        }
    }

    /// Fails the calls in flight and tells the peer, if it still listens.
    fn disconnect(&mut self) {
        self.shared.finish(Ok(()));
        if let Some(mut disconnector) = self.disconnector.take() {
            // The first poll does all the work; what it then waits for is our own `shutdown`, which is immediate.
            let _ = Pin::new(&mut disconnector).poll(&mut Context::from_waker(Waker::noop()));
            // Lets the RPC system pass the error on: a call in flight can wait for more than one of its tasks.
            let rpc_waker = self.rpc_waker.clone();
            let mut rpc_cx = Context::from_waker(&rpc_waker);
            for _ in 0..FAREWELL_POLLS {
                if Pin::new(&mut self.rpc).poll(&mut rpc_cx).is_ready()
                    || !self.shared.signal.woken.swap(false, Ordering::AcqRel)
                {
                    break;
                }
            }
        }
        // Messages that nobody took. They know where they came from, so that none of both would ever be freed.
        drop(self.shared.inbox.take());
    }
}

impl Future for Connection {
    type Output = End;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        let this = self.get_mut();
        let signal = this.shared.signal.clone();
        signal.driver.register(cx.waker());
        signal.polling.store(true, Ordering::Release);
        let rpc_waker = this.rpc_waker.clone();
        let mut rpc_cx = Context::from_waker(&rpc_waker);
        let until = this.shared.received.get() + BATCH_MESSAGES as u64;
        let mut again = false;
        while !this.shared.is_ended() {
            if this.shared.inbox.borrow().is_empty() {
                let _ = this.fill(cx);
            }
            if !signal.woken.swap(false, Ordering::AcqRel) {
                break;
            }
            if Pin::new(&mut this.rpc).poll(&mut rpc_cx).is_ready() {
                this.shared.finish(Ok(()));
                break;
            }
            if this.shared.received.get() >= until {
                again = true;
                break;
            }
        }
        if this.shared.is_ended() {
            // Settles the calls in flight. The peer is told why when it still reads: nothing waits for that.
            this.disconnect();
        }
        this.flush(cx);
        signal.polling.store(false, Ordering::Release);
        if let Some(end) = &*this.shared.end.borrow() {
            return Poll::Ready(end.clone());
        }
        if again || signal.woken.load(Ordering::Acquire) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.disconnect();
        // A handle may be kept for longer; the socket, and what nobody will send, do not stay with it.
        drop((self.shared.socket.take(), self.shared.outbound.take()));
    }
}

/// Room in the queue of outgoing bytes. See [`Handle::reserve`].
#[must_use = "the room is free again as soon as this is dropped"]
pub struct Reservation {
    shared: Rc<Shared>,
    bytes: usize,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shared.reserved.set(self.shared.reserved.get() - self.bytes);
        if self.shared.is_short() {
            self.shared.drained.notify_waiters();
        }
    }
}

/// A call that was given up and is not answered.
pub(crate) struct GivenUp(Handle);

impl Drop for GivenUp {
    fn drop(&mut self) {
        let given_up = &self.0.shared.given_up;
        given_up.set(given_up.get() - 1);
    }
}

impl Handle {
    /// Waits for room in the queue of outgoing bytes, for a message of about so many: until fewer than
    /// [`Limits::writable_below_bytes`] are queued or reserved, or the connection has ended. Who asks first gets it first.
    ///
    /// The room is held until the result is dropped, which is to be done when the message is queued, and without waiting for
    /// anybody in between: a few turns of the event loop are all that others can be made to wait.
    pub async fn reserve(&self, bytes: usize) -> Reservation {
        let turn = self.shared.turn.lock().await;
        loop {
            let drained = self.shared.drained.notified();
            if self.shared.is_ended() || self.shared.is_short() {
                break;
            }
            drained.await;
        }
        drop(turn);
        self.shared.reserved.set(self.shared.reserved.get() + bytes);
        Reservation { shared: self.shared.clone(), bytes }
    }

    /// Ends the connection because the peer broke a rule that only the code above the transport knows.
    pub fn violation(&self, what: impl Into<String>) {
        self.shared.violation(what);
    }

    /// Counts so many messages as the peer's own, which count as its answers otherwise.
    pub fn charge(&self, messages: u64) {
        self.shared.pace.borrow_mut().charge(messages);
    }

    /// Allows the peer to send so much more than its rate: for who sets the pace by when it answers.
    pub fn allow(&self, messages: u64, bytes: u64) {
        self.shared.pace.borrow_mut().allow(messages, bytes);
    }

    /// Counts a call that was given up until the result is dropped, which is when it was answered.
    pub(crate) fn give_up(&self) -> GivenUp {
        self.shared.given_up.set(self.shared.given_up.get() + 1);
        self.shared.gave_up.notify_waiters();
        GivenUp(self.clone())
    }

    /// Waits until there is a call that was given up and is not answered.
    pub async fn gave_up(&self) {
        loop {
            let gave_up = self.shared.gave_up.notified();
            if self.given_up() > 0 {
                return;
            }
            gave_up.await;
        }
    }

    /// Waits until the peer was slowed down more than `before` times, for it sent more than its rate allows; gives how often it
    /// was. What lies no more than some seconds apart is one time.
    pub async fn slowed(&self, before: u64) -> u64 {
        loop {
            let slowed = self.shared.slowed.notified();
            let count = self.shared.episodes.borrow().count();
            if count > before {
                return count;
            }
            slowed.await;
        }
    }

    /// Messages received so far.
    pub fn received(&self) -> u64 {
        self.shared.received.get()
    }

    /// Calls that were given up and are not answered.
    pub fn given_up(&self) -> u32 {
        self.shared.given_up.get()
    }

    /// Ends the connection in peace.
    pub fn close(&self) {
        self.shared.finish(Ok(()));
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.shared.is_ended()
    }

    /// Why the connection ended, if it ended by a fault.
    pub fn fault(&self) -> Option<TransportError> {
        self.shared.end.borrow().as_ref().and_then(|end| end.clone().err())
    }

    /// Bytes that wait for the peer to read them.
    pub fn queued_bytes(&self) -> usize {
        self.shared.outbound.borrow().bytes()
    }

    /// The same bytes, which are part of an incoming message of this connection that is alive, to be kept for longer than
    /// it. They are not copied where they are most of a long message: its memory is kept then, at most twice as much as the
    /// bytes, and is not counted as [held](Self::held_bytes) any more when the message is dropped.
    pub fn keep(&self, bytes: &[u8]) -> Bytes {
        self.shared.memory.borrow().keep(bytes)
    }

    /// Bytes of incoming messages that are alive.
    pub fn held_bytes(&self) -> usize {
        self.shared.held_bytes.get()
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle")
            .field("queued_bytes", &self.queued_bytes())
            .field("held_bytes", &self.held_bytes())
            .field("closed", &self.is_closed())
            .finish()
    }
}

/// The network of two that `capnp-rpc` sees. The socket says who the peer is, so that an address says nothing.
struct Network {
    shared: Rc<Shared>,
    accept: bool,
}

impl capnp_rpc::VatNetwork<()> for Network {
    fn connect(&mut self, (): ()) -> Option<Box<dyn capnp_rpc::Connection<()>>> {
        Some(Box::new(RpcLink { shared: self.shared.clone() }))
    }

    fn accept(&mut self) -> Promise<Box<dyn capnp_rpc::Connection<()>>, capnp::Error> {
        if std::mem::take(&mut self.accept) {
            Promise::ok(Box::new(RpcLink { shared: self.shared.clone() }))
        } else {
            Promise::from_future(std::future::pending())
        }
    }

    fn drive_until_shutdown(&mut self) -> Promise<(), capnp::Error> {
        // `Connection` does the driving.
        Promise::from_future(std::future::pending())
    }
}

/// The connection as `capnp-rpc` sees it.
struct RpcLink {
    shared: Rc<Shared>,
}

impl capnp_rpc::Connection<()> for RpcLink {
    fn get_peer_vat_id(&self) {}

    fn new_outgoing_message(&mut self, first_segment_words: u32) -> Box<dyn capnp_rpc::OutgoingMessage> {
        Box::new(Outgoing::new(self.shared.clone(), first_segment_words))
    }

    fn receive_incoming_message(
        &mut self,
    ) -> Promise<Option<Box<dyn capnp_rpc::IncomingMessage + 'static>>, capnp::Error> {
        let shared = self.shared.clone();
        Promise::from_future(std::future::poll_fn(move |cx| {
            let is_held_back = !shared.may_hand_over() && !shared.is_ended();
            if !is_held_back && let Some(message) = shared.inbox.borrow_mut().pop_front() {
                let message: Box<dyn capnp_rpc::IncomingMessage> = Box::new(message);
                return Poll::Ready(Ok(Some(message)));
            }
            if shared.is_ended() {
                return Poll::Ready(Err(shared.end_as_error()));
            }
            if shared.end_of_stream.get() && !is_held_back {
                return Poll::Ready(Ok(None));
            }
            *shared.receiver.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        }))
    }

    fn shutdown(&mut self, result: capnp::Result<()>) -> Promise<(), capnp::Error> {
        let end = match result {
            Err(error) if error.kind != capnp::ErrorKind::Disconnected => Err(TransportError::Aborted(error.extra)),
            _ => Ok(()),
        };
        self.shared.finish(end);
        Promise::ok(())
    }
}

/// Options for reading messages whose size was bounded before.
///
/// There is no traversal limit: `capnp-rpc` reads a message again for each use of a result and takes it for granted that
/// what could be read once can be read again, so that a message made to use the limit up would make it panic. Reading
/// code must bound what it takes out of a message instead: list lengths first, and sums of lengths.
fn reader_options(limits: &Limits) -> message::ReaderOptions {
    message::ReaderOptions { traversal_limit_in_words: None, nesting_limit: limits.max_nesting }
}
