//! Messages on their way between the two ends of a WebSocket.
//!
//! A WebSocket is always one end of a pair. At the other end there is another one, or what makes bytes of messages and messages of
//! bytes (`framing`).

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    ops::Deref,
    rc::{Rc, Weak},
};

use bulkhead_websocket::{Close, HEAD_ROOM, Kind, Violation};

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
    Message(Kind, Payload),
    /// Nothing follows, as the other end has said.
    Close(Option<Close>),
    /// Nothing follows.
    Lost(Loss),
}

/// What a message has. There may be room before it for what a frame has there.
pub(crate) struct Payload {
    bytes: Vec<u8>,
    start: usize,
}

impl Payload {
    /// So many bytes, which `fill` appends, after [`HEAD_ROOM`] bytes of room.
    pub(crate) fn with_room(length: usize, fill: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut bytes = Vec::with_capacity(HEAD_ROOM + length);
        bytes.resize(HEAD_ROOM, 0);
        fill(&mut bytes);
        Payload { bytes, start: HEAD_ROOM }
    }

    pub(crate) fn into_vec(mut self) -> Vec<u8> {
        self.bytes.drain(..self.start);
        self.bytes
    }

    /// The room, if there is any, and the bytes behind it.
    pub(super) fn room(&mut self) -> Option<&mut Vec<u8>> {
        (self.start == HEAD_ROOM).then_some(&mut self.bytes)
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Payload { bytes, start: 0 }
    }
}

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

impl Item {
    /// Bytes of its payload.
    fn payload(&self) -> usize {
        if let Item::Message(_, payload) = self { payload.len() } else { 0 }
    }
}

thread_local! {
    static UNSENT: Unsent = const { Unsent { bytes: Cell::new(0), most: Cell::new(usize::MAX), lanes: RefCell::new(BTreeMap::new()), last: Cell::new(0) } };
}

/// What the worker's WebSockets have sent to connections, whose peers have not taken it.
struct Unsent {
    bytes: Cell<usize>,
    /// Beyond so many bytes the WebSocket that has most of them is lost.
    most: Cell<usize>,
    /// The lanes that count, by their numbers.
    lanes: RefCell<BTreeMap<u64, Weak<Lane>>>,
    last: Cell<u64>,
}

impl Unsent {
    /// Loses who has most, for as long as it is too much.
    fn relieve(&self) {
        while self.bytes.get() > self.most.get() {
            let largest = self.lanes.borrow().values().filter_map(Weak::upgrade).max_by_key(|lane| lane.waits());
            let Some(lane) = largest.filter(|lane| lane.waits() > 0) else { return };
            let back = lane.back.borrow().upgrade();
            // Without it nobody has the end that sends.
            let Some(back) = back else { return };
            abandon(&lane, &back);
        }
    }
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
    /// Its number among those that count as unsent.
    counted: Cell<Option<u64>>,
    /// The other way.
    back: RefCell<Weak<Lane>>,
    /// Rings for who takes.
    put: Bell,
    /// Whoever takes is told later of what is put.
    quiet: Cell<bool>,
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
            counted: Cell::new(None),
            back: RefCell::default(),
            put: Bell::new(context),
            quiet: Cell::new(false),
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
            Item::Message(..) => {}
            Item::Close(_) => self.closed.set(true),
            Item::Lost(_) => {
                self.closed.set(true);
                self.lost.set(true);
            }
        }
        self.change(|items, payload| {
            *payload += item.payload();
            items.push_back(item);
        });
        self.queue();
        if !self.quiet.get() {
            self.put.ring();
        }
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
        let item = self.change(|items, payload| {
            let item = items.pop_front()?;
            *payload -= item.payload();
            Some(item)
        })?;
        self.taken.ring();
        Some(item)
    }

    fn has_room(&self) -> bool {
        self.waits() < HIGH_WATER
    }

    /// About how much memory waits here, in bytes.
    fn waits(&self) -> usize {
        self.payload.get() + self.items.borrow().len() * MESSAGE_BYTES
    }

    /// Changes what waits, and the number of its payload's bytes.
    fn change<R>(&self, change: impl FnOnce(&mut VecDeque<Item>, &mut usize) -> R) -> R {
        let before = self.waits();
        let mut payload = self.payload.get();
        let result = change(&mut self.items.borrow_mut(), &mut payload);
        self.payload.set(payload);
        if self.counted.get().is_some() {
            // At the end of the thread there may be nobody who counts.
            let _ = UNSENT.try_with(|unsent| unsent.bytes.set(unsent.bytes.get() + self.waits() - before));
        }
        result
    }

    /// From now on what waits here counts as unsent, of which there may be `most` bytes.
    fn count(self: &Rc<Self>, most: usize) {
        UNSENT.with(|unsent| {
            unsent.most.set(most);
            unsent.last.set(unsent.last.get() + 1);
            self.counted.set(Some(unsent.last.get()));
            unsent.lanes.borrow_mut().insert(unsent.last.get(), Rc::downgrade(self));
            unsent.bytes.set(unsent.bytes.get() + self.waits());
        });
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.change(|items, payload| {
            items.clear();
            *payload = 0;
        });
        if let Some(number) = self.counted.get() {
            let _ = UNSENT.try_with(|unsent| unsent.lanes.borrow_mut().remove(&number));
        }
    }
}

/// Nobody takes what `comes`, and nothing follows of what `goes`.
fn abandon(comes: &Lane, goes: &Lane) {
    let unread = comes.payload.get() > 0;
    goes.put(Item::Lost(if unread { Loss::Unread } else { Loss::Gone }));
    if !goes.listening.get() {
        // Nobody is there to be told.
        goes.open.take();
    }
    comes.abandoned.set(true);
    comes.change(|items, payload| {
        *payload = 0;
        std::mem::take(items)
    });
    comes.open.take();
    comes.leave();
    if goes.is_next() {
        goes.put.ring();
    }
    comes.taken.ring();
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
    *one.back.borrow_mut() = Rc::downgrade(&other);
    *other.back.borrow_mut() = Rc::downgrade(&one);
    [End { comes: one.clone(), goes: other.clone() }, End { comes: other, goes: one }]
}

impl End {
    /// Sends. After a close, or to nobody, it does nothing.
    pub(crate) fn send(&self, item: Item) {
        self.goes.put(item);
        UNSENT.with(Unsent::relieve);
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

    /// Waits until `look` gives something. It is asked at once, whenever something was sent to it, and when [`Self::look_again`] is called.
    pub(super) async fn told<T>(&self, look: impl FnMut() -> Option<T>) -> T {
        self.comes.put.wait(look).await
    }

    /// See [`Self::told`].
    pub(super) fn look_again(&self) {
        self.comes.put.ring();
    }

    /// Whether the other end takes what was sent to it, and has not taken all.
    pub(super) fn is_being_taken(&self) -> bool {
        self.goes.listening.get() && !self.goes.items.borrow().is_empty()
    }

    /// Whether what has come is nothing but messages, of about so many bytes.
    pub(super) fn has_only_messages(&self, most: usize) -> bool {
        let items = self.comes.items.borrow();
        self.comes.waits() <= most && items.iter().all(|item| matches!(item, Item::Message(..)))
    }

    /// Has who waits in [`Self::told`] be told only when the result is dropped of what comes until then.
    pub(super) fn hush(&self) -> Hush<'_> {
        self.comes.quiet.set(true);
        Hush(&self.comes)
    }

    /// Waits until the other end has taken most of what was sent to it.
    pub(super) async fn room(&self) {
        self.goes.taken.wait(|| (self.goes.has_room() || self.goes.abandoned.get()).then_some(())).await;
    }

    /// This is where the isolate ends: what is sent here comes from outside, and what is taken goes there. Of that so many bytes may wait,
    /// of all such ends together.
    pub(super) fn set_outside(&self, most: usize) {
        self.goes.outside.set(true);
        self.comes.count(most);
    }

    /// Whether what is sent here goes out of the isolate.
    pub(crate) fn goes_outside(&self) -> bool {
        self.goes.counted.get().is_some()
    }

    /// Whether nobody takes anything at this end.
    pub(super) fn is_abandoned(&self) -> bool {
        self.comes.abandoned.get()
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
        abandon(&self.comes, &self.goes);
    }
}

/// See [`End::hush`].
pub(super) struct Hush<'a>(&'a Lane);

impl Drop for Hush<'_> {
    fn drop(&mut self) {
        self.0.quiet.set(false);
        if !self.0.items.borrow().is_empty() || self.0.abandoned.get() {
            self.0.put.ring();
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.abandon();
    }
}
