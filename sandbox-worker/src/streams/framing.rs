//! Messages of a WebSocket as the bytes of a connection, and back.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::Poll,
};

use bulkhead_ipc::source::MAX_BACK;
use bulkhead_websocket::{Close, Event, Receiver, Sender, Violation, close};
use bytes::Bytes;
use futures::future::{Either, LocalBoxFuture, select};

use super::{
    MAX_PULL_BYTES, OpenBody,
    socket::{End, Item, Loss},
    source::{Broken, Pulled, Source},
};
use crate::io::{Bell, IoContext, IoContextHandle};

/// The part of the memory that a process may have which what WebSockets have not sent yet may take.
const UNSENT_SHARE: usize = 4;

/// How often those who take what has come are let run before more is asked for.
const TURNS: usize = 4;

/// What of a connection both directions know.
struct Coupled {
    /// The messages: those that it takes are sent, and what was received it sends.
    end: End,
    sender: RefCell<Sender>,
    /// Bytes that are to be pulled.
    out: RefCell<Bytes>,
    /// What the last ping had that was not answered yet. Those before it need no answer (RFC 6455, section 5.5.3).
    pong: RefCell<Option<Vec<u8>>>,
    /// What the peer has done, of which it was not told yet.
    violation: Cell<Option<Violation>>,
    /// Nothing more is sent.
    sent_close: Cell<bool>,
    /// Nothing more is received.
    received_all: Cell<bool>,
    /// Nobody pulls any more.
    dropped: Cell<bool>,
    stop: Bell,
    /// Bytes that a pull of what goes out waits for.
    asked: Cell<usize>,
    /// What of it went with pulls of what comes is taken.
    taken: Cell<bool>,
}

/// Couples an end to a connection from which `from` comes. Gives what goes to it; when that is dropped, the connection is gone. Of one that
/// an event is answered with, the event goes on until the other end has been told how the connection ended (`open`).
pub(crate) fn couple(
    context: &Rc<IoContext>,
    end: End,
    from: Rc<dyn Source>,
    (receiver, sender): (Receiver, Sender),
    open: Option<OpenBody>,
) -> Rc<dyn Source> {
    let process = usize::try_from(context.isolate().limits().memory_bytes).unwrap_or(usize::MAX);
    end.set_outside(if process == 0 { usize::MAX } else { process / UNSENT_SHARE });
    let goes_back = open.is_some();
    if let Some(open) = open {
        end.hold_until_taken(open);
    }
    let coupled = Rc::new(Coupled {
        end,
        sender: RefCell::new(sender),
        out: RefCell::default(),
        pong: RefCell::default(),
        violation: Cell::default(),
        sent_close: Cell::new(false),
        received_all: Cell::new(false),
        dropped: Cell::new(false),
        stop: Bell::new(context),
        asked: Cell::new(0),
        taken: Cell::new(false),
    });
    context.spawn(receive(context.handle(), coupled.clone(), (from, goes_back), receiver));
    Rc::new(Frames(coupled))
}

/// Reads from the connection, until nobody writes to it any more. What comes after a close is read and dropped: a source that is let go of
/// before its end takes the connection with it.
///
/// `goes_back`: what goes out may be sent with the pulls.
async fn receive(
    context: IoContextHandle,
    coupled: Rc<Coupled>,
    (from, goes_back): (Rc<dyn Source>, bool),
    mut receiver: Receiver,
) {
    let waits = || context.get().map(|context| context.waits());
    loop {
        let waiting = waits();
        let stopped = pin!(coupled.stop.wait(|| coupled.dropped.get().then_some(())));
        let Either::Right(_) = select(stopped, pin!(coupled.end.room())).await else { return };
        drop(waiting);
        let back = if goes_back { coupled.gather().await } else { Bytes::new() };
        // Whoever is outside will answer, unless nothing is expected any more.
        let waiting = if from.is_outside() && !coupled.received_all.get() { None } else { waits() };
        let stopped = pin!(coupled.stop.wait(|| coupled.dropped.get().then_some(())));
        let Either::Right((pulled, _)) = select(stopped, from.pull_with(MAX_PULL_BYTES, back)).await else { return };
        drop(waiting);
        let is_last = match &pulled {
            Ok(pulled) => {
                coupled.taken.set(coupled.taken.get() || pulled.taken);
                coupled.receive(&mut receiver, &pulled.bytes);
                pulled.done
            }
            Err(_) => true,
        };
        if is_last {
            // After a close this is no news.
            coupled.end.send(Item::Lost(Loss::Gone));
            coupled.received_all.set(true);
            coupled.end.look_again();
            return;
        }
    }
}

impl Coupled {
    fn receive(&self, receiver: &mut Receiver, mut bytes: &[u8]) {
        loop {
            match receiver.receive(&mut bytes) {
                Ok(Some(Event::Message(kind, payload))) => {
                    jsg::allocated(payload.len());
                    self.end.send(Item::Message(kind, payload.into()));
                }
                Ok(Some(Event::Ping(payload))) => {
                    *self.pong.borrow_mut() = Some(payload);
                    self.end.look_again();
                }
                Ok(Some(Event::Pong(_))) => {}
                Ok(Some(Event::Close(close))) => {
                    self.received_all.set(true);
                    self.end.send(Item::Close(close));
                    self.end.look_again();
                }
                Ok(None) => return,
                Err(violation) => {
                    self.received_all.set(true);
                    self.violation.set(Some(violation));
                    self.end.send(Item::Lost(Loss::Protocol(violation)));
                    self.end.look_again();
                }
            }
        }
    }

    /// Makes bytes of what is to be sent, of as many messages as `wanted` bytes need.
    fn send(&self, wanted: usize) -> Result<(), Broken> {
        let mut out = Vec::new();
        let mut sender = self.sender.borrow_mut();
        loop {
            if self.sent_close.get() {
                // Nothing follows a close.
            } else if let Some(violation) = self.violation.take() {
                let reason = violation.to_string();
                sender.close(&mut out, Some(&Close { code: violation.code(), reason }));
                self.sent_close.set(true);
            } else if let Some(payload) = self.pong.take() {
                sender.pong(&mut out, &payload);
            }
            match self.end.try_take() {
                None => break,
                Some(_) if self.sent_close.get() => {}
                Some(Item::Message(kind, mut payload)) => {
                    // One that goes by itself is a frame where it is.
                    if out.is_empty()
                        && !self.end.has_more()
                        && let Some(bytes) = payload.room()
                        && let Some(begin) = sender.message_in_place(kind, bytes)
                    {
                        *self.out.borrow_mut() = Bytes::from(std::mem::take(bytes)).slice(begin..);
                        return Ok(());
                    }
                    sender.message(&mut out, kind, &payload);
                }
                Some(Item::Close(close)) => {
                    // The code that stands for none is none.
                    let close = close.filter(|close| close.code != close::NO_STATUS);
                    sender.close(&mut out, close.as_ref());
                    self.sent_close.set(true);
                }
                Some(Item::Lost(_)) => return Err(Broken::failed("the WebSocket was aborted")),
            }
            if out.len() >= wanted {
                break;
            }
        }
        *self.out.borrow_mut() = out.into();
        Ok(())
    }

    /// How many bytes may be sent with a pull of what comes.
    fn room_back(&self) -> usize {
        let is_usual = !self.received_all.get() && !self.sent_close.get() && self.violation.get().is_none();
        if self.taken.get() && is_usual && self.out.borrow().is_empty() { self.asked.get().min(MAX_BACK) } else { 0 }
    }

    /// What is to be sent with the next pull of what comes: what those send at once who take what has come. Whatever is not just messages, or
    /// long, is left to who pulls it.
    async fn gather(&self) -> Bytes {
        if self.room_back() == 0 {
            return Bytes::new();
        }
        let _hush = self.end.hush();
        let mut turns = 0;
        poll_fn(|cx| {
            if turns == TURNS || !self.end.is_being_taken() {
                return Poll::Ready(());
            }
            turns += 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        let room = self.room_back();
        if room == 0 || self.end.is_abandoned() || !self.end.has_only_messages(room) || self.send(room).is_err() {
            return Bytes::new();
        }
        let mut out = self.out.borrow_mut();
        let length = room.min(out.len());
        let back = out.split_to(length);
        if !back.is_empty() {
            self.taken.set(false);
        }
        if !out.is_empty() {
            self.end.look_again();
        }
        back
    }

    /// The next bytes to go out, if there are some, or the end is there.
    fn next(&self, max_bytes: usize) -> Option<Result<Pulled, Broken>> {
        if self.end.is_abandoned() {
            return Some(Err(Broken::failed("more waits for the peer than may wait")));
        }
        // The peer went without a word, and there is nothing to tell it.
        let is_gone = self.received_all.get() && self.end.is_lost() && self.violation.get().is_none();
        let is_empty = self.out.borrow().is_empty();
        if is_empty && is_gone {
            return Some(Ok(Pulled::new(Bytes::new(), true)));
        }
        if is_empty && let Err(broken) = self.send(max_bytes) {
            return Some(Err(broken));
        }
        let mut out = self.out.borrow_mut();
        let length = max_bytes.min(out.len());
        let bytes = out.split_to(length);
        // Both have said that it is over.
        let done = out.is_empty() && self.received_all.get() && self.sent_close.get();
        (done || !bytes.is_empty()).then(|| Ok(Pulled::new(bytes, done)))
    }
}

/// What goes to a connection.
struct Frames(Rc<Coupled>);

impl Source for Frames {
    fn pull(&self, max_bytes: usize) -> LocalBoxFuture<'_, Result<Pulled, Broken>> {
        let coupled = &*self.0;
        Box::pin(async move {
            let _asked = Asked::new(coupled, max_bytes);
            coupled.end.told(|| coupled.next(max_bytes)).await
        })
    }
}

/// A pull that waits. All that went before is taken.
struct Asked<'a>(&'a Coupled);

impl<'a> Asked<'a> {
    fn new(coupled: &'a Coupled, max_bytes: usize) -> Self {
        coupled.asked.set(max_bytes);
        coupled.taken.set(true);
        Asked(coupled)
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.0.asked.set(0);
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        let coupled = &*self.0;
        coupled.dropped.set(true);
        coupled.stop.ring();
        coupled.end.abandon();
    }
}

/// Where the bytes that go to a connection come from, once that is known.
#[derive(Clone)]
pub(crate) enum Next {
    /// From here.
    Ours(Rc<dyn Source>),
    /// From the supervisor, without coming here.
    Theirs(Rc<super::wire::WireSource>),
    /// From nowhere.
    Nothing,
}

/// The bytes that go to a connection of which it is not known yet who writes to it.
pub(crate) struct Slot {
    next: RefCell<Option<Next>>,
    set: Bell,
}

impl Slot {
    pub(crate) fn new(context: &IoContext) -> Rc<Self> {
        Rc::new(Slot { next: RefCell::default(), set: Bell::new(context) })
    }

    /// Says where they come from; the first word counts.
    pub(crate) fn set(&self, next: Next) {
        self.next.borrow_mut().get_or_insert(next);
        self.set.ring();
    }
}

impl Source for Slot {
    fn pull(&self, max_bytes: usize) -> LocalBoxFuture<'_, Result<Pulled, Broken>> {
        Box::pin(async move {
            let next = self.set.wait(|| self.next.borrow().clone()).await;
            match next {
                Next::Ours(source) => source.pull(max_bytes).await,
                Next::Theirs(source) => Ok(Pulled { rest: Some(source), ..Pulled::new(Bytes::new(), true) }),
                Next::Nothing => Err(Broken::failed("the WebSocket was not accepted")),
            }
        })
    }
}

#[cfg(test)]
mod tests;
