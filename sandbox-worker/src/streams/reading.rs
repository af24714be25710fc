//! A source that script, pumps and the wire read from, one after the other.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures::future::LocalBoxFuture;

use super::{
    MAX_COLLECTED, MAX_PULL_BYTES,
    coding::Coding,
    source::{Broken, Given, Pulled, Source, Terms},
    wire::WireSource,
};
use crate::io::{Remainder, Rest};

/// A body of known length has at most so many times the memory that its bytes have that came. Before that its pieces stay where
/// they are, if they are long.
const AHEAD: usize = 8;

/// A piece this long is worth its own allocation.
const LONG_PIECE: usize = 4 << 10;

type Pull = LocalBoxFuture<'static, Result<Pulled, Broken>>;

/// The end of a source that is read from. Whoever reads may give up waiting: the pull goes on, and the next one to read gets
/// what it brings.
pub(crate) struct Reading {
    /// Until the end, or until it is cancelled.
    source: RefCell<Option<Rc<dyn Source>>>,
    /// Nothing was pulled from the source.
    untouched: Cell<bool>,
    pull: RefCell<Option<Pull>>,
    /// What is left of a piece that was longer than was asked for.
    rest: RefCell<Bytes>,
    broken: RefCell<Option<Broken>>,
    /// Bytes that somebody got.
    read: Cell<u64>,
    /// Whoever reads was told that there are no more.
    ended: Cell<bool>,
    /// All of it was given away.
    given: Cell<bool>,
    is_outside: bool,
    waiting: Cell<Option<Waker>>,
}

impl Reading {
    /// Nothing was read of `source`.
    pub(crate) fn new(source: Rc<dyn Source>) -> Self {
        Reading {
            is_outside: source.is_outside(),
            source: RefCell::new(Some(source)),
            untouched: Cell::new(true),
            pull: RefCell::default(),
            rest: RefCell::default(),
            broken: RefCell::default(),
            read: Cell::default(),
            ended: Cell::default(),
            given: Cell::default(),
            waiting: Cell::default(),
        }
    }

    /// Whether there is nothing more to read.
    pub(crate) fn is_ended(&self) -> bool {
        self.source.borrow().is_none() && self.rest.borrow().is_empty() && self.broken.borrow().is_none()
    }

    /// As [`Self::is_ended`], for whoever tells its reader so.
    pub(crate) fn tell_end(&self) -> bool {
        let is_ended = self.is_ended();
        self.ended.set(self.ended.get() || is_ended);
        is_ended
    }

    /// At least one byte and at most `max_bytes`, which is not 0, or `None` at the end.
    pub(crate) async fn read(&self, max_bytes: usize) -> Result<Option<Bytes>, Broken> {
        poll_fn(|cx| self.poll_read(max_bytes, cx)).await
    }

    /// As [`Self::read`].
    pub(super) fn poll_read(&self, max_bytes: usize, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Broken>> {
        loop {
            {
                let mut rest = self.rest.borrow_mut();
                if !rest.is_empty() {
                    let length = max_bytes.min(rest.len());
                    self.read.set(self.read.get() + length as u64);
                    return Poll::Ready(Ok(Some(rest.split_to(length))));
                }
            }
            if let Some(broken) = &*self.broken.borrow() {
                return Poll::Ready(Err(broken.clone()));
            }
            let Some(source) = self.source.borrow().clone() else {
                self.ended.set(true);
                return Poll::Ready(Ok(None));
            };
            self.untouched.set(false);
            let mut pull = self.pull.take().unwrap_or_else(|| Box::pin(async move { source.pull(max_bytes).await }));
            match pull.as_mut().poll(cx) {
                Poll::Pending => {
                    *self.pull.borrow_mut() = Some(pull);
                    self.waiting.set(Some(cx.waker().clone()));
                    return Poll::Pending;
                }
                Poll::Ready(Ok(pulled)) => {
                    *self.rest.borrow_mut() = pulled.bytes;
                    if pulled.done {
                        self.source.take();
                    }
                }
                Poll::Ready(Err(broken)) => {
                    *self.broken.borrow_mut() = Some(broken);
                    self.source.take();
                }
            }
        }
    }

    /// Nobody wants more: who waits for it gets the end.
    pub(crate) fn cancel(&self) {
        drop((self.pull.take(), self.source.take()));
        self.rest.take();
        self.broken.take();
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    /// All that is left, which is `announced` bytes, if somebody said so. Memory for them is set aside when a part of them is
    /// here: [`AHEAD`].
    pub(crate) async fn collect(&self, announced: Option<u64>) -> Result<Vec<u8>, Broken> {
        let announced = announced.map_or(0, |length| usize::try_from(length).unwrap_or(MAX_COLLECTED));
        let mut collected = Vec::new();
        // What came before that.
        let mut pieces = Vec::new();
        let mut length = 0;
        // Bytes that are counted, which are more than came where memory is set aside.
        let (mut counted, mut reserved) = (0, jsg::Reserved::default());
        while let Some(bytes) = self.read(MAX_PULL_BYTES).await? {
            length += bytes.len();
            if length > MAX_COLLECTED || !reserved.grow(length.saturating_sub(counted)) {
                self.cancel();
                return Err(Broken::Script(jsg::Error::type_error("Memory limit exceeded before EOF.")));
            }
            counted = counted.max(length);
            if length == bytes.len() && announced <= length {
                // Most bodies are one piece, which nobody else has.
                collected = bytes.into();
            } else if collected.is_empty() && announced > AHEAD * length && bytes.len() >= LONG_PIECE {
                pieces.push(bytes);
            } else {
                let ahead = announced.min(AHEAD * length);
                if collected.is_empty() && ahead > counted && reserved.grow(ahead - counted) {
                    counted = ahead;
                }
                join(&mut collected, &mut pieces, counted);
                collected.extend_from_slice(&bytes);
            }
        }
        join(&mut collected, &mut pieces, length);
        Ok(collected)
    }
}

/// Moves what came so far to memory for `capacity` bytes, if it is not there yet.
fn join(collected: &mut Vec<u8>, pieces: &mut Vec<Bytes>, capacity: usize) {
    if collected.is_empty() {
        collected.reserve_exact(capacity);
        pieces.drain(..).for_each(|piece| collected.extend_from_slice(&piece));
    }
}

impl Source for Reading {
    fn pull(&self, max_bytes: usize) -> LocalBoxFuture<'_, Result<Pulled, Broken>> {
        Box::pin(async move {
            let bytes = self.read(max_bytes).await?.unwrap_or_default();
            Ok(Pulled::new(bytes, self.is_ended()))
        })
    }

    fn is_outside(&self) -> bool {
        self.is_outside
    }

    fn connection(&self) -> Option<Rc<WireSource>> {
        let is_here = !self.rest.borrow().is_empty() || self.broken.borrow().is_some();
        self.source.borrow().as_ref().filter(|_| !is_here)?.connection()
    }

    /// What was given away is at its end here.
    fn give(&self, terms: Terms) -> Option<Given> {
        let source = self.source.borrow().clone().filter(|_| self.untouched.get())?;
        let given = source.give(terms)?;
        self.source.take();
        self.given.set(true);
        Some(given)
    }

    fn give_encoded(&self, coding: Coding) -> Option<Given> {
        let source = self.source.borrow().clone().filter(|_| self.untouched.get())?;
        let given = source.give_encoded(coding)?;
        self.source.take();
        Some(given)
    }
}

impl Remainder for Reading {
    fn rest(&self) -> Rest {
        if self.given.get() {
            return Rest::HandedOn;
        }
        if let Some(pull) = self.pull.take() {
            // Given up, it would have what is pulled from be cancelled. It is answered when that is passed on.
            tokio::task::spawn_local(async move { drop(pull.await) });
        }
        Rest::Had { read: self.read.get(), unread: self.rest.take(), ended: self.ended.get() }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// So many pieces of as many bytes each.
    struct Pieces(Cell<usize>, usize);

    impl Source for Pieces {
        fn pull(&self, _: usize) -> LocalBoxFuture<'_, Result<Pulled, Broken>> {
            self.0.set(self.0.get() - 1);
            Box::pin(async { Ok(Pulled::new(vec![7; self.1].into(), self.0.get() == 0)) })
        }
    }

    fn collected(pieces: usize, bytes: usize, announced: Option<u64>) -> Vec<u8> {
        let reading = Reading::new(Rc::new(Pieces(Cell::new(pieces), bytes)));
        let collecting = std::pin::pin!(reading.collect(announced));
        match collecting.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(collected)) => collected,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_announced_is_set_aside_in_proportion_to_what_came() {
        for announced in
            [None, Some(0), Some(1), Some(3000), Some(50_000), Some(200_000), Some(1 << 40), Some(u64::MAX)]
        {
            for (pieces, bytes) in [(1, 1000), (2, 1000), (10, 1000), (1, 10_000), (2, 10_000), (50, 10_000)] {
                let collected = collected(pieces, bytes, announced);
                assert_eq!(collected, vec![7; pieces * bytes], "{announced:?}");
                assert!(collected.capacity() <= AHEAD * collected.len(), "{announced:?}: {}", collected.capacity());
            }
        }
        // What is announced in truth lies in memory of just that length.
        assert_eq!(collected(100, 10_000, Some(1_000_000)).capacity(), 1_000_000);
    }
}
