//! Messages on their way between the two ends of a WebSocket.
//!
//! A WebSocket is always one end of a pair. At the other end there is another one, or what makes bytes of messages and messages of
//! bytes (`framing`).

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use bulkhead_websocket::{Close, Kind, Violation};

use super::OpenBody;
use crate::io::{Bell, IoContext};

/// Bytes of messages that nobody has taken, of which no more are read from a connection.
const HIGH_WATER: usize = 256 << 10;

/// What counts of a message beside its payload, in bytes.
const MESSAGE_BYTES: usize = 64;

/// What goes from one end to the other.
#[derive(Debug)]
pub(crate) enum Item {
    /// A text is UTF-8.
    Message(Kind, Vec<u8>),
    /// Nothing follows, as the other end has said.
    Close(Option<Close>),
    /// Nothing follows.
    Lost(Loss),
}

/// Why nothing follows though nobody has said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The other end is gone.
    Gone,
    /// The other end is gone, and had not taken all that was sent to it.
    Unread,
    /// The peer has broken the protocol.
    Protocol(Violation),
}

/// Which of the two ends takes.
type Side = u8;

/// The ends that have something to take, and somebody who takes it. As in the reference, an end takes one item in its turn, and then has to
/// wait for its next.
type Turns = Rc<RefCell<VecDeque<Side>>>;

/// One of the two ways between the ends.
pub(crate) struct Lane {
    items: RefCell<VecDeque<Item>>,
    /// Payload of the messages that wait, in bytes.
    payload: Cell<usize>,
    /// Nothing follows.
    closed: Cell<bool>,
    /// Nothing follows, and nobody has said so.
    lost: Cell<bool>,
    /// Somebody takes what comes, in turn with the other end.
    listening: Cell<bool>,
    /// It is among the turns.
    queued: Cell<bool>,
    side: Side,
    turns: Turns,
    /// Nobody will take anything.
    abandoned: Cell<bool>,
    /// What comes is from outside of the isolate.
    outside: Cell<bool>,
    /// Rings for who takes.
    put: Bell,
    /// Rings for who waits for room, or for the end of who takes.
    taken: Bell,
    /// The event goes on until what ends it was taken.
    open: RefCell<Option<OpenBody>>,
}

impl Lane {
    fn new(context: &IoContext, side: Side, turns: &Turns) -> Rc<Self> {
        Rc::new(Lane {
            items: RefCell::default(),
            payload: Cell::new(0),
            closed: Cell::new(false),
            lost: Cell::new(false),
            listening: Cell::new(false),
            queued: Cell::new(false),
            side,
            turns: turns.clone(),
            abandoned: Cell::new(false),
            outside: Cell::new(false),
            put: Bell::new(context),
            taken: Bell::new(context),
            open: RefCell::default(),
        })
    }

    /// Sends. What comes after the last item, or to nobody, is dropped.
    fn put(&self, item: Item) {
        if self.closed.get() || self.abandoned.get() {
            return;
        }
        match &item {
            Item::Message(_, payload) => self.payload.set(self.payload.get() + payload.len()),
            Item::Close(_) => self.closed.set(true),
            Item::Lost(_) => {
                self.closed.set(true);
                self.lost.set(true);
            }
        }
        self.items.borrow_mut().push_back(item);
        self.queue();
        self.put.ring();
    }

    /// Has who takes wait for its turn, if there is something to take.
    fn queue(&self) {
        if self.listening.get() && !self.items.borrow().is_empty() && !self.queued.replace(true) {
            self.turns.borrow_mut().push_back(self.side);
        }
    }

    /// Whether it is the turn of who takes.
    fn is_next(&self) -> bool {
        self.turns.borrow().front() == Some(&self.side)
    }

    /// Nobody takes any more.
    fn leave(&self) {
        self.listening.set(false);
        self.queued.set(false);
        self.turns.borrow_mut().retain(|side| *side != self.side);
    }

    fn take(&self) -> Option<Item> {
        let item = self.items.borrow_mut().pop_front()?;
        if let Item::Message(_, payload) = &item {
            self.payload.set(self.payload.get() - payload.len());
        }
        self.taken.ring();
        Some(item)
    }

    fn has_room(&self) -> bool {
        self.payload.get() + self.items.borrow().len() * MESSAGE_BYTES < HIGH_WATER
    }
}

/// One end. Dropped before it has sent a close, the other end is told that it is gone.
pub(crate) struct End {
    comes: Rc<Lane>,
    goes: Rc<Lane>,
}

/// Two ends: what one sends, the other takes.
pub(crate) fn pair(context: &IoContext) -> [End; 2] {
    let turns = Turns::default();
    let (one, other) = (Lane::new(context, 0, &turns), Lane::new(context, 1, &turns));
    [End { comes: one.clone(), goes: other.clone() }, End { comes: other, goes: one }]
}

impl End {
    /// Sends. After a close, or to nobody, it does nothing.
    pub(crate) fn send(&self, item: Item) {
        self.goes.put(item);
    }

    /// Payload that was sent and not taken, in bytes.
    pub(crate) fn buffered(&self) -> usize {
        self.goes.payload.get()
    }

    /// What the other end has sent, if something is there.
    pub(crate) fn try_take(&self) -> Option<Item> {
        self.comes.take()
    }

    /// From now on what comes is taken by [`Self::take`].
    pub(crate) fn listen(&self) {
        self.comes.listening.set(true);
        self.comes.queue();
    }

    /// Waits for what the other end sends. Never ready after [`Item::Close`] and [`Item::Lost`].
    pub(crate) async fn take(&self) -> Item {
        self.comes.queue();
        self.comes.put.wait(|| self.take_in_turn()).await
    }

    /// As [`Self::take`], if it is its turn at once.
    pub(crate) fn take_next(&self) -> Option<Item> {
        self.comes.queue();
        self.take_in_turn()
    }

    /// Whether something is there to be taken.
    pub(crate) fn has_more(&self) -> bool {
        !self.comes.items.borrow().is_empty()
    }

    fn take_in_turn(&self) -> Option<Item> {
        if !self.comes.is_next() {
            return None;
        }
        self.comes.turns.borrow_mut().pop_front();
        self.comes.queued.set(false);
        self.pass_on();
        self.comes.take()
    }

    /// Wakes who takes at the other end, if it is its turn.
    fn pass_on(&self) {
        if self.goes.is_next() {
            self.goes.put.ring();
        }
    }

    /// Whether what was sent has come to an end without a close.
    pub(super) fn is_lost(&self) -> bool {
        self.goes.lost.get()
    }

    /// Ready when something was sent to it; `look` is asked too, whenever [`Self::look_again`] is called.
    pub(super) async fn take_or<T>(&self, mut look: impl FnMut(Option<Item>) -> Option<T>) -> T {
        self.comes.put.wait(|| look(self.comes.take())).await
    }

    /// See [`Self::take_or`].
    pub(super) fn look_again(&self) {
        self.comes.put.ring();
    }

    /// Waits until the other end has taken most of what was sent to it.
    pub(super) async fn room(&self) {
        self.goes.taken.wait(|| (self.goes.has_room() || self.goes.abandoned.get()).then_some(())).await;
    }

    /// What is sent at this end comes from outside of the isolate.
    pub(super) fn set_outside(&self) {
        self.goes.outside.set(true);
    }

    /// Whether what the other end sends comes from outside of the isolate.
    pub(crate) fn is_outside(&self) -> bool {
        self.comes.outside.get()
    }

    /// Has the event go on until the other end has taken what ends it.
    pub(super) fn hold_until_taken(&self, open: OpenBody) {
        if !self.goes.abandoned.get() {
            *self.goes.open.borrow_mut() = Some(open);
        }
    }

    /// Nothing is to be told any more to who takes at this end: see [`Self::hold_until_taken`].
    pub(crate) fn release(&self) {
        self.comes.open.take();
        self.comes.leave();
        self.pass_on();
    }

    /// Nobody takes anything at this end, and nothing follows from it.
    pub(crate) fn abandon(&self) {
        let unread = self.comes.payload.get() > 0;
        self.goes.put(Item::Lost(if unread { Loss::Unread } else { Loss::Gone }));
        if !self.goes.listening.get() {
            // Nobody is there to be told.
            self.goes.open.take();
        }
        self.comes.abandoned.set(true);
        self.comes.items.take();
        self.comes.payload.set(0);
        self.comes.open.take();
        self.comes.leave();
        self.pass_on();
        self.comes.taken.ring();
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.abandon();
    }
}
