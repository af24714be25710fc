//! The connections of one shard: what each is doing, and how it is told to stop.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
};

use tokio::sync::Notify;

use super::{
    client::ClientIo,
    front::InUse,
    limits::{Activity, CONNECTION_BUFFER, Limits, MAX_READ, Phase, Shares, TickLimits, make_room, overdue},
    stream::KEEPALIVE,
    upload::Upload,
};
use crate::{body::held, duplex, service::Service};

/// Ticks after which the kernel is asked about a client that somebody is said to read from.
const TICKS_UNATTENDED: u64 = 16;

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
    /// It was told to make room for another.
    evicted: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    /// The client's stream, while it is served.
    stream: RefCell<Option<Rc<RefCell<dyn ClientIo>>>>,
    /// The body of the request that is being answered, until all of it has been read.
    upload: RefCell<Option<Rc<Upload>>>,
    /// A body was not read to its end: the client may still be sending it.
    gave_up: Cell<bool>,
    /// Bytes that may be read at once, or be a part of one head.
    reading: Cell<usize>,
    /// Bytes of the head that is being received.
    head: Cell<usize>,
    /// It carries two bodies in place of HTTP.
    is_exchange: Cell<bool>,
    /// Of those: somebody reads from the client, and hears when it goes.
    is_attended: Cell<bool>,
    /// The client's stream can send what the kernel has.
    sends_held: Cell<bool>,
    /// What of it is on its way to the stream.
    held: held::Line,
    /// Its socket, by number.
    holder: usize,
    /// The configuration that it was last used by, by number.
    configuration: Cell<u64>,
    /// Who answers, or has answered last.
    service: RefCell<Option<Weak<dyn Service>>>,
    shared: Rc<Shared>,
}

/// What a table and its connections share.
struct Shared {
    clock: Cell<u64>,
    /// Connections that wait for a place.
    waiting: Cell<usize>,
    /// Somebody left, could make room, or came into an empty table. All who wait are on this thread and look at the table
    /// again without a pause before they wait, so that no notice is missed.
    changed: Notify,
    /// Bytes that connections have beyond what each has to itself, for what they receive.
    receiving: RefCell<Shares>,
    /// The same for what they send.
    sending: RefCell<Shares>,
    /// Connections whose heads wait for bytes to receive into.
    starved: RefCell<Vec<Waker>>,
}

/// Takes bytes for a connection of a socket, if there are so many.
fn take(buffers: &RefCell<Shares>, holder: usize, bytes: usize) -> bool {
    let mut buffers = buffers.borrow_mut();
    let has = buffers.has(holder, bytes);
    if has {
        buffers.take(holder, bytes);
    }
    has
}

/// Bytes that a connection has for a response beyond what it has to itself.
pub(crate) struct Lent {
    connection: Rc<Connection>,
    bytes: usize,
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.connection.shared.sending.borrow_mut().give_back(self.connection.holder, self.bytes);
    }
}

impl Connection {
    fn new(holder: usize, phase: Phase, shared: Rc<Shared>) -> Rc<Connection> {
        let activity =
            Activity { phase, since: shared.clock.get(), awaiting_body: None, awaiting_write: None, half_closed: None };
        Rc::new(Connection {
            activity: Cell::new(activity),
            order: Cell::new(Order::Run),
            evicted: Cell::new(false),
            waker: RefCell::new(None),
            stream: RefCell::new(None),
            upload: RefCell::new(None),
            gave_up: Cell::new(false),
            reading: Cell::new(CONNECTION_BUFFER),
            head: Cell::new(0),
            is_exchange: Cell::new(false),
            is_attended: Cell::new(false),
            sends_held: Cell::new(false),
            held: held::Line::default(),
            holder,
            configuration: Cell::new(0),
            service: RefCell::new(None),
            shared,
        })
    }

    fn update(&self, change: impl FnOnce(&mut Activity, u64)) {
        let mut activity = self.activity.get();
        change(&mut activity, self.shared.clock.get());
        self.activity.set(activity);
        // Somebody who waits for a place may now find one here.
        if self.shared.waiting.get() > 0 {
            self.shared.changed.notify_waiters();
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.activity.get().phase
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.update(|activity, now| *activity = Activity { phase, since: now, awaiting_body: None, ..*activity });
    }

    /// Takes note that somebody waits for the client to take more of a response, or no longer does; and of whether it has
    /// taken some in the meantime.
    pub(crate) fn note_write(&self, waiting: bool, taken: bool) {
        if waiting != self.activity.get().awaiting_write.is_some() || (waiting && taken) {
            self.update(|activity, now| activity.awaiting_write = waiting.then_some(now));
        }
    }

    /// Takes note that somebody waits for the client to send more of a body, or no longer does.
    pub(crate) fn note_body(&self, waiting: bool) {
        let activity = self.activity.get();
        if activity.phase == Phase::Busy && waiting != activity.awaiting_body.is_some() {
            self.update(|activity, now| activity.awaiting_body = waiting.then_some(now));
        }
    }

    /// Says whose stream it is. To be undone by [`Connection::detach`], for the stream knows the connection.
    pub(crate) fn attach(&self, stream: Rc<RefCell<dyn ClientIo>>) {
        self.sends_held.set(stream.borrow().sends_held());
        *self.stream.borrow_mut() = Some(stream);
        self.update(|_, _| ());
    }

    /// Whether chunks of a response may be held by the kernel.
    pub(crate) fn sends_held(&self) -> bool {
        self.sends_held.get()
    }

    /// The chunks of a response that are, for as long as they are on their way to the stream.
    pub(crate) fn held(&self) -> &held::Line {
        &self.held
    }

    /// Lets go of the stream and of the body that came from it.
    pub(crate) fn detach(&self) {
        self.stream.borrow_mut().take();
        self.upload.borrow_mut().take();
    }

    /// What the connection's task has to do now. Its waker is called when that changes.
    pub(crate) fn poll_order(&self, cx: &Context<'_>) -> Order {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        self.order.get()
    }

    /// Has the connection's task look at everything again.
    pub(crate) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    fn tell(&self, order: Order) {
        if self.order.get() != Order::Kill {
            self.order.set(order);
        }
        self.wake();
    }

    /// Ready when the client has gone while its request is being answered.
    ///
    /// One that only shuts its sending side down still wants its answer. So does, for all that one can see, one that has
    /// closed its socket: until something is sent to it, or its system is asked whether it still knows the connection.
    pub(crate) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let activity = self.activity.get();
        // As long as a body is read, whoever reads it finds out.
        if activity.phase != Phase::Busy
            || activity.half_closed.is_some()
            || self.upload.borrow().is_some()
            || self.is_exchange.get()
        {
            return Poll::Pending;
        }
        let stream = self.stream.borrow();
        let Some(stream) = &*stream else { return Poll::Pending };
        let mut stream = stream.borrow_mut();
        std::task::ready!(stream.poll_end(cx));
        if stream.is_gone() {
            return Poll::Ready(());
        }
        stream.ask_after_peer(KEEPALIVE);
        self.update(|activity, now| activity.half_closed = Some(now));
        Poll::Pending
    }

    /// Whether the client has shut its sending side down, or may have gone, while its request is being answered.
    pub(crate) fn is_half_closed(&self) -> bool {
        let activity = self.activity.get();
        activity.phase == Phase::Busy && activity.half_closed.is_some()
    }

    /// Whether the kernel knows that the client has gone. For those that nobody reads from.
    fn is_gone(&self) -> bool {
        self.stream.borrow().as_ref().is_some_and(|stream| stream.borrow().is_gone())
    }

    /// Takes note of the body that is being received.
    pub(crate) fn begin_upload(&self, upload: Rc<Upload>) {
        *self.upload.borrow_mut() = Some(upload);
    }

    /// Takes note that there is nothing more to come of the body that was being received. `gave_up`: from us.
    pub(crate) fn end_upload(&self, gave_up: bool) {
        self.upload.borrow_mut().take();
        self.gave_up.set(self.gave_up.get() || gave_up);
        self.note_body(false);
    }

    /// Reads away what nobody wants of the request's body.
    pub(crate) fn poll_leftover(&self, cx: &mut Context<'_>) {
        let upload = self.upload.borrow().clone();
        if let Some(upload) = upload {
            upload.poll_leftover(cx);
        }
    }

    /// Whether the client may be sending something that nobody will read.
    pub(crate) fn is_unread(&self) -> bool {
        self.gave_up.get() || self.activity.get().phase == Phase::Head || self.upload.borrow().is_some()
    }

    /// Bytes for a response beyond what the connection has to itself, if there are so many.
    pub(crate) fn lend(self: &Rc<Self>, bytes: usize) -> Option<Lent> {
        take(&self.shared.sending, self.holder, bytes).then(|| Lent { connection: self.clone(), bytes })
    }

    /// Whether the client does not take what is ready to be sent. The connection's task is woken when it does.
    pub(crate) fn is_write_stalled(&self) -> bool {
        self.activity.get().awaiting_write.is_some()
    }

    /// Whether the client's next request may be here without a byte of it having been read: nobody waits for the client then.
    fn is_unheard(&self) -> bool {
        matches!(self.phase(), Phase::Idle | Phase::Head)
            && self.head.get() == 0
            && self.stream.borrow().as_ref().is_none_or(|stream| stream.borrow_mut().has_unread())
    }

    /// From now on the connection carries two bodies. They may be silent for as long as they like: the kernel asks whether the client is
    /// still there.
    pub(crate) fn begin_exchange(&self) {
        self.is_exchange.set(true);
        self.ask_after_client();
    }

    /// What the client gets may be silent for as long as it lasts: has the kernel ask whether the client is still there.
    pub(crate) fn ask_after_client(&self) {
        if let Some(stream) = &*self.stream.borrow() {
            stream.borrow().ask_after_peer(duplex::SILENCE);
        }
    }

    /// Takes note of what came of reading from the client of an exchange: `is_end`, that it sends no more.
    pub(crate) fn note_exchange(&self, is_waiting: bool, is_end: bool) {
        self.is_attended.set(is_waiting);
        // It may have closed its socket, or only its sending side.
        if is_end && self.activity.get().half_closed.is_none() {
            if let Some(stream) = &*self.stream.borrow() {
                stream.borrow().ask_after_peer(KEEPALIVE);
            }
            self.update(|activity, now| activity.half_closed = Some(now));
        }
    }

    /// Takes note that nobody reads from the client of an exchange any more, which may still be sending.
    pub(crate) fn leave_exchange(&self) {
        self.is_attended.set(false);
        self.gave_up.set(true);
    }

    /// Whether the connection carries two bodies in place of HTTP.
    pub(crate) fn is_exchange(&self) -> bool {
        self.is_exchange.get()
    }

    /// How many bytes may be read from the client now. For a head it waits until there may be more.
    pub(crate) fn poll_readable(&self, cx: &Context<'_>) -> Poll<usize> {
        if self.is_exchange.get() {
            return Poll::Ready(usize::MAX);
        }
        if self.phase() == Phase::Busy {
            let reading = self.reading.get();
            return Poll::Ready(if reading < MAX_READ { reading } else { usize::MAX });
        }
        while self.head.get() >= self.reading.get() {
            if !self.raise() {
                self.shared.starved.borrow_mut().push(cx.waker().clone());
                return Poll::Pending;
            }
        }
        Poll::Ready(self.reading.get() - self.head.get())
    }

    /// Takes note of bytes that were read. `filled`: there may be as many again.
    pub(crate) fn note_read(&self, bytes: usize, filled: bool) {
        if self.is_exchange.get() {
            return;
        }
        match self.phase() {
            Phase::Busy if filled && self.reading.get() < MAX_READ => drop(self.raise()),
            Phase::Busy => {}
            phase => {
                self.head.set(self.head.get() + bytes);
                if phase == Phase::Idle && bytes > 0 {
                    self.set_phase(Phase::Head);
                }
            }
        }
    }

    /// Doubles what is read at once, for as long as the connection lasts: hyper does not give a buffer back. It has up to
    /// two of them.
    fn raise(&self) -> bool {
        let more = self.reading.get();
        let raised = take(&self.shared.receiving, self.holder, 2 * more);
        if raised {
            self.reading.set(more + more);
        }
        raised
    }

    /// What [`Connection::raise`] has taken.
    fn raised(&self) -> usize {
        2 * (self.reading.get() - CONNECTION_BUFFER)
    }

    /// Marks the beginning of a request, which `service` answers for a configuration; the guard's end is the request's end.
    pub(crate) fn begin_request(self: &Rc<Self>, service: &Rc<dyn Service>, in_use: Rc<InUse>) -> InFlight {
        self.head.set(0);
        self.set_phase(Phase::Busy);
        self.configuration.set(in_use.number());
        *self.service.borrow_mut() = Some(Rc::downgrade(service));
        InFlight { connection: self.clone(), _in_use: in_use }
    }

    /// Who answers the request in flight.
    pub(crate) fn service(&self) -> Option<Rc<dyn Service>> {
        self.service.borrow().as_ref().and_then(Weak::upgrade)
    }
}

/// A request that is being answered: from the end of its head to the last byte of its body or of the response's,
/// whichever comes last.
pub(crate) struct InFlight {
    connection: Rc<Connection>,
    /// What it is answered by lives as long.
    _in_use: Rc<InUse>,
}

impl InFlight {
    pub(crate) fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.connection.phase() == Phase::Busy {
            self.connection.set_phase(Phase::Idle);
        }
    }
}

/// All connections of a shard.
pub(crate) struct ConnectionTable {
    connections: RefCell<slab::Slab<Rc<Connection>>>,
    shares: RefCell<Shares>,
    shared: Rc<Shared>,
    limits: TickLimits,
    draining: Cell<bool>,
    /// Connections that were told to make room and have not left yet.
    leaving: Cell<usize>,
    /// Whether each socket is open. The number of one that is not is free as soon as it has no connection.
    open: RefCell<Vec<bool>>,
    /// Those of each socket.
    handshakes: RefCell<Vec<Handshakes>>,
    next_handshake: Cell<u64>,
    /// How many each socket may have.
    max_handshakes: usize,
}

impl ConnectionTable {
    /// A table for connections of sockets, of which none is open yet.
    pub(crate) fn new(limits: &Limits) -> Rc<ConnectionTable> {
        Rc::new(ConnectionTable {
            connections: RefCell::default(),
            shares: RefCell::new(Shares::new(limits.connections, 0)),
            shared: Rc::new(Shared {
                clock: Cell::new(0),
                waiting: Cell::new(0),
                changed: Notify::new(),
                receiving: RefCell::new(Shares::new(limits.buffer_bytes / 2, 0)),
                sending: RefCell::new(Shares::new(limits.buffer_bytes / 2, 0)),
                starved: RefCell::default(),
            }),
            limits: TickLimits::new(limits),
            draining: Cell::new(false),
            leaving: Cell::new(0),
            open: RefCell::default(),
            handshakes: RefCell::default(),
            next_handshake: Cell::new(0),
            max_handshakes: limits.handshakes,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.connections.borrow().len()
    }

    /// Takes a number for a socket that opens. To be followed by [`Self::divide`].
    pub(crate) fn open_socket(&self) -> usize {
        let mut open = self.open.borrow_mut();
        let free = open.iter().enumerate().find(|(number, is_open)| !**is_open && self.is_bare(*number));
        let number = free.map_or(open.len(), |(number, _)| number);
        if number == open.len() {
            open.push(true);
            self.handshakes.borrow_mut().push(Rc::default());
        }
        open[number] = true;
        number
    }

    /// Gives the number of a socket back, which may have connections for a while. To be followed by [`Self::divide`].
    pub(crate) fn close_socket(&self, number: usize) {
        self.open.borrow_mut()[number] = false;
    }

    /// Whether no connection has anything of a socket.
    fn is_bare(&self, number: usize) -> bool {
        [&self.shares, &self.shared.receiving, &self.shared.sending]
            .into_iter()
            .all(|shares| shares.borrow().is_bare(number))
    }

    /// Divides all that there is among the sockets that are open, `connections` connections among it.
    pub(crate) fn divide(&self, connections: usize) {
        let open = self.open.borrow();
        self.shares.borrow_mut().set_total(connections);
        for shares in [&self.shares, &self.shared.receiving, &self.shared.sending] {
            shares.borrow_mut().divide(&open);
        }
        self.shared.changed.notify_waiters();
    }

    /// Waits until there is room for one more connection of a socket, making it where a client can be blamed.
    pub(crate) async fn room(&self, socket: usize) {
        if self.shares.borrow().has(socket, 1) {
            return;
        }
        let _waiting = Waiting::new(&self.shared.waiting);
        while !self.shares.borrow().has(socket, 1) {
            // One place for each that waits.
            if self.leaving.get() < self.shared.waiting.get() {
                self.make_room(Some(socket));
            }
            self.shared.changed.notified().await;
        }
    }

    /// Ends the connection that has been waiting for its client the longest, if there is one: where it is for a socket, one
    /// of that socket or of one that has more than its own share.
    pub(crate) fn make_room(&self, socket: Option<usize>) {
        let (connections, shares) = (self.connections.borrow(), self.shares.borrow());
        let mut unheard = Vec::new();
        let victim = loop {
            let victim = make_room(
                connections
                    .iter()
                    .filter(|(key, connection)| connection.order.get() != Order::Kill && !unheard.contains(key))
                    .filter(|(_, connection)| {
                        socket.is_none_or(|socket| connection.holder == socket || shares.exceeds(connection.holder))
                    })
                    .map(|(key, connection)| (key, connection.activity.get())),
            );
            match victim {
                Some(key) if connections[key].is_unheard() => unheard.push(key),
                victim => break victim,
            }
        };
        if let Some(key) = victim {
            connections[key].evicted.set(true);
            self.leaving.set(self.leaving.get() + 1);
            connections[key].tell(Order::Kill);
        }
    }

    /// Adds a connection of a socket, which begins with this phase. It leaves the table when the ticket is dropped.
    pub(crate) fn enter(self: &Rc<Self>, socket: usize, phase: Phase) -> Ticket {
        let connection = Connection::new(socket, phase, self.shared.clone());
        if self.draining.get() {
            connection.order.set(Order::Drain);
        }
        let mut connections = self.connections.borrow_mut();
        if connections.is_empty() {
            self.shared.changed.notify_waiters();
        }
        self.shares.borrow_mut().take(socket, 1);
        let key = connections.insert(connection.clone());
        Ticket { table: self.clone(), key, connection }
    }

    /// Counts a handshake that begins. Where there are as many on its socket as there may be, the one that has lasted the
    /// longest is ended.
    pub(crate) fn begin_handshake(&self, ticket: &Ticket) -> Handshake {
        let going_on = self.handshakes.borrow()[ticket.connection.holder].clone();
        let number = self.next_handshake.get();
        self.next_handshake.set(number + 1);
        {
            let mut going_on = going_on.borrow_mut();
            if going_on.len() >= self.max_handshakes
                && let Some((_, oldest)) = going_on.pop_first()
            {
                oldest.tell(Order::Kill);
            }
            going_on.insert(number, ticket.connection.clone());
        }
        Handshake { going_on, number }
    }

    /// Lets a tick pass and ends the connections that have used their time up. In a drain, those that wait for their
    /// client's next request are ended too.
    pub(crate) fn tick(&self) {
        let now = self.shared.clock.get() + 1;
        self.shared.clock.set(now);
        let starved = !self.shared.starved.borrow().is_empty();
        for (key, connection) in &*self.connections.borrow() {
            let activity = connection.activity.get();
            // Who reads finds out, and whoever has said that it reads does so, or else somebody looks now and then.
            let is_attended = connection.is_attended.get() && !(now + key as u64).is_multiple_of(TICKS_UNATTENDED);
            let busy = activity.phase == Phase::Busy;
            let waiting_in_drain = connection.order.get() == Order::Drain && !busy && now > activity.since + 1;
            if waiting_in_drain
                || overdue(&activity, now, &self.limits).is_some()
                || (busy && now > activity.since + 1 && !is_attended && connection.is_gone())
                // What it was lent for a request that is over, others need.
                || (starved && activity.phase == Phase::Idle && connection.raised() > 0)
            {
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

    /// Tells the connections of a socket to finish, as it goes with the configuration of this number.
    pub(crate) fn drain_socket(&self, socket: usize, configuration: u64) {
        for (_, connection) in &*self.connections.borrow() {
            if connection.holder == socket {
                // What an older configuration still answers ends with that.
                if connection.phase() != Phase::Busy {
                    connection.configuration.set(configuration);
                }
                connection.tell(Order::Drain);
            }
        }
    }

    /// Ends the connections that a configuration holds, and says how many these are.
    pub(crate) fn kill_those_of(&self, configuration: u64) -> usize {
        let connections = self.connections.borrow();
        let held = connections.iter().map(|(_, connection)| connection).filter(|connection| {
            let is_held = connection.phase() == Phase::Busy || connection.order.get() == Order::Drain;
            is_held && connection.configuration.get() == configuration
        });
        held.inspect(|connection| connection.tell(Order::Kill)).count()
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
            self.shared.changed.notified().await;
        }
    }

    /// Waits until somebody is there.
    pub(crate) async fn occupied(&self) {
        while self.len() == 0 {
            self.shared.changed.notified().await;
        }
    }
}

/// The handshakes of a socket that go on, in the order of their beginnings.
type Handshakes = Rc<RefCell<BTreeMap<u64, Rc<Connection>>>>;

/// A handshake that is counted.
pub(crate) struct Handshake {
    going_on: Handshakes,
    number: u64,
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.going_on.borrow_mut().remove(&self.number);
    }
}

/// Counts one that waits.
struct Waiting<'a>(&'a Cell<usize>);

impl<'a> Waiting<'a> {
    fn new(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
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
        self.table.shares.borrow_mut().give_back(self.connection.holder, 1);
        let shared = &self.table.shared;
        shared.receiving.borrow_mut().give_back(self.connection.holder, self.connection.raised());
        for waiting in shared.starved.take() {
            waiting.wake();
        }
        if self.connection.evicted.get() {
            self.table.leaving.set(self.table.leaving.get() - 1);
        }
        self.table.shared.changed.notify_waiters();
    }
}
