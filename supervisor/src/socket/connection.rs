//! The connections of one shard: what each is doing, and how it is told to stop.

use std::{
    cell::{Cell, RefCell},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
    sync::Notify,
};

use super::limits::{Activity, Limits, Phase, TickLimits, make_room, overdue};
use crate::body::{Body, BodyError, PullSource};

/// What a connection was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Go on.
    Run,
    /// Finish the request in flight, then close.
    Drain,
    /// Close now.
    Kill,
}

/// One connection, seen from its table, its stream and its requests. All of them are on one thread.
pub(crate) struct Connection {
    activity: Cell<Activity>,
    order: Cell<Order>,
    waker: RefCell<Option<Waker>>,
    clock: Rc<Cell<u64>>,
}

impl Connection {
    fn new(clock: Rc<Cell<u64>>) -> Rc<Connection> {
        let activity = Activity { phase: Phase::Head, since: clock.get(), awaiting_body: None, awaiting_write: None };
        Rc::new(Connection {
            activity: Cell::new(activity),
            order: Cell::new(Order::Run),
            waker: RefCell::new(None),
            clock,
        })
    }

    fn update(&self, change: impl FnOnce(&mut Activity, u64)) {
        let mut activity = self.activity.get();
        change(&mut activity, self.clock.get());
        self.activity.set(activity);
    }

    /// What the connection's task has to do now. Its waker is called when that changes.
    pub(crate) fn poll_order(&self, cx: &Context<'_>) -> Order {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        self.order.get()
    }

    fn tell(&self, order: Order) {
        if self.order.get() != Order::Kill {
            self.order.set(order);
        }
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Marks the beginning of a request; the guard's end is the request's end.
    pub(crate) fn begin_request(self: &Rc<Self>) -> InFlight {
        self.update(|activity, now| {
            *activity = Activity { phase: Phase::Busy, since: now, awaiting_body: None, ..*activity };
        });
        InFlight { connection: self.clone() }
    }
}

/// A request that is being answered: from the end of its head to the last byte of the response's body.
pub(crate) struct InFlight {
    connection: Rc<Connection>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.connection.update(|activity, now| {
            *activity = Activity { phase: Phase::Idle, since: now, awaiting_body: None, ..*activity };
        });
    }
}

/// All connections of a shard.
pub(crate) struct ConnectionTable {
    connections: RefCell<slab::Slab<Rc<Connection>>>,
    clock: Rc<Cell<u64>>,
    limits: TickLimits,
    capacity: usize,
    draining: Cell<bool>,
    /// Somebody left, or came into an empty table. All who wait are on this thread and look at the table again without a
    /// pause before they wait, so that no notice is missed.
    changed: Notify,
}

impl ConnectionTable {
    pub(crate) fn new(limits: &Limits) -> Rc<ConnectionTable> {
        Rc::new(ConnectionTable {
            connections: RefCell::default(),
            clock: Rc::default(),
            limits: TickLimits::new(limits),
            capacity: limits.connections.max(1),
            draining: Cell::new(false),
            changed: Notify::new(),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.connections.borrow().len()
    }

    /// Waits until there is room for one more connection, making it where a client can be blamed.
    pub(crate) async fn room(&self) {
        while self.len() >= self.capacity {
            self.make_room();
            self.changed.notified().await;
        }
    }

    /// Ends the connection that has been waiting for its client the longest, if there is one.
    pub(crate) fn make_room(&self) {
        let connections = self.connections.borrow();
        let victim = make_room(
            connections
                .iter()
                .filter(|(_, connection)| connection.order.get() != Order::Kill)
                .map(|(key, connection)| (key, connection.activity.get())),
        );
        if let Some(key) = victim {
            connections[key].tell(Order::Kill);
        }
    }

    /// Adds a connection. It leaves the table when the ticket is dropped.
    pub(crate) fn enter(self: &Rc<Self>) -> Ticket {
        let connection = Connection::new(self.clock.clone());
        if self.draining.get() {
            connection.order.set(Order::Drain);
        }
        let mut connections = self.connections.borrow_mut();
        if connections.is_empty() {
            self.changed.notify_waiters();
        }
        let key = connections.insert(connection.clone());
        Ticket { table: self.clone(), key, connection }
    }

    /// Lets a tick pass and ends the connections that have used their time up. In a drain, those that wait for their
    /// client's next request are ended too.
    pub(crate) fn tick(&self) {
        self.clock.set(self.clock.get() + 1);
        let now = self.clock.get();
        for (_, connection) in &*self.connections.borrow() {
            let activity = connection.activity.get();
            let waiting_in_drain = self.draining.get() && activity.phase != Phase::Busy && now > activity.since + 1;
            if waiting_in_drain || overdue(&activity, now, &self.limits).is_some() {
                connection.tell(Order::Kill);
            }
        }
    }

    /// Tells every connection to finish.
    pub(crate) fn drain(&self) {
        self.draining.set(true);
        for (_, connection) in &*self.connections.borrow() {
            connection.tell(Order::Drain);
        }
    }

    /// Ends every connection.
    pub(crate) fn kill(&self) {
        for (_, connection) in &*self.connections.borrow() {
            connection.tell(Order::Kill);
        }
    }

    /// Waits until nobody is left.
    pub(crate) async fn emptied(&self) {
        while self.len() > 0 {
            self.changed.notified().await;
        }
    }

    /// Waits until somebody is there.
    pub(crate) async fn occupied(&self) {
        while self.len() == 0 {
            self.changed.notified().await;
        }
    }
}

/// A place in the table.
pub(crate) struct Ticket {
    table: Rc<ConnectionTable>,
    key: usize,
    pub(crate) connection: Rc<Connection>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.table.connections.borrow_mut().remove(self.key);
        self.table.changed.notify_waiters();
    }
}

/// A client's stream.
#[derive(Debug)]
pub(crate) enum ClientStream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A client's stream that notes what the client does.
pub(crate) struct Watched<S> {
    stream: S,
    connection: Rc<Connection>,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, connection: Rc<Connection>) -> Self {
        Watched { stream, connection }
    }

    fn note_write<T>(&self, result: &Poll<io::Result<T>>) {
        let activity = self.connection.activity.get();
        if result.is_pending() != activity.awaiting_write.is_some() {
            self.connection.update(|activity, now| activity.awaiting_write = result.is_pending().then_some(now));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        if result.is_ready() && buf.filled().len() > before && self.connection.activity.get().phase == Phase::Idle {
            self.connection.update(|activity, now| {
                activity.phase = Phase::Head;
                activity.since = now;
            });
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note_write(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.note_write(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A request's body that notes when somebody waits for the client.
pub(crate) struct RequestBody {
    incoming: hyper::body::Incoming,
    connection: Rc<Connection>,
}

impl RequestBody {
    /// The body for a service. One that is empty costs nothing.
    pub(crate) fn wrap(incoming: hyper::body::Incoming, connection: &Rc<Connection>) -> Body {
        if incoming.is_end_stream() {
            return Body::Empty;
        }
        Body::Pull(Box::pin(RequestBody { incoming, connection: connection.clone() }))
    }

    fn note(&self, waiting: bool) {
        let activity = self.connection.activity.get();
        if activity.phase == Phase::Busy && waiting != activity.awaiting_body.is_some() {
            self.connection.update(|activity, now| activity.awaiting_body = waiting.then_some(now));
        }
    }
}

impl PullSource for RequestBody {
    fn poll_pull(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let result = loop {
            match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Pending => break Poll::Pending,
                Poll::Ready(None) => break Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => break Poll::Ready(Some(Err(BodyError(error.to_string())))),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => break Poll::Ready(Some(Ok(data))),
                    // Trailers, or nothing.
                    _ => continue,
                },
            }
        };
        self.note(result.is_pending());
        result
    }

    fn remaining(&self) -> Option<u64> {
        self.incoming.size_hint().exact()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        // Nobody waits any longer.
        self.note(false);
    }
}

/// A response's body on its way to the client; while it lives, the request is in flight.
pub(crate) struct ResponseBody {
    body: Body,
    _in_flight: InFlight,
}

impl ResponseBody {
    pub(crate) fn new(body: Body, in_flight: InFlight) -> Self {
        ResponseBody { body, _in_flight: in_flight }
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
