//! One source read as two. The bytes are shared, and what one branch has read waits for the other, within bounds.

use std::{
    cell::RefCell,
    collections::VecDeque,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::future::LocalBoxFuture;

use super::{
    MAX_PULL_BYTES,
    reading::Reading,
    source::{Broken, Given, Pulled, Source, Terms},
};
use crate::io::{Bell, IoContext};

/// Bytes that may wait for one branch, as in the reference's production limits. They count as contents of buffers do, so that the
/// worker's limit on those is reached before where it is lower.
const MAX_BACKLOG: usize = 128 << 20;

/// What a piece that waits takes beside its bytes, about.
const PIECE_OVERHEAD: usize = 128;

/// The reference's words.
const TOO_MUCH: &str = "ReadableStream.tee() buffer limit exceeded. This error usually occurs when a Request or Response with a \
                        large body is cloned, then only one of the clones is read, forcing the Workers runtime to buffer the \
                        entire body in memory. To fix this issue, remove unnecessary calls to Response/Request.clone() and \
                        ReadableStream.tee(), and always read clones/tees in parallel.";

struct Tee {
    from: Rc<Reading>,
    /// What waits for each branch, for as long as somebody may read it.
    waiting: RefCell<[Option<Backlog>; 2]>,
    end: RefCell<Option<Result<(), Broken>>>,
    /// Ring for who reads a branch.
    bells: [Bell; 2],
}

#[derive(Default)]
struct Backlog {
    /// What is left of a piece that was longer than the last pull allowed.
    rest: Bytes,
    pieces: VecDeque<Bytes>,
    /// Of the pieces.
    bytes: usize,
    reserved: jsg::Reserved,
}

impl Backlog {
    /// Whether there is room for `piece`, which waits from now on.
    fn push(&mut self, piece: Bytes) -> bool {
        let bytes = piece.len() + PIECE_OVERHEAD;
        if self.bytes + bytes > MAX_BACKLOG || !self.reserved.grow(bytes) {
            return false;
        }
        self.bytes += bytes;
        self.pieces.push_back(piece);
        true
    }

    fn take(&mut self, max_bytes: usize) -> Option<Bytes> {
        if self.rest.is_empty() {
            self.rest = self.pieces.pop_front()?;
            let bytes = self.rest.len() + PIECE_OVERHEAD;
            self.bytes -= bytes;
            self.reserved.shrink(bytes);
        }
        let length = max_bytes.min(self.rest.len());
        Some(self.rest.split_to(length))
    }
}

/// Two sources that each give all that is left of `from`.
pub(crate) fn tee(context: &IoContext, from: Rc<Reading>) -> [Rc<dyn Source>; 2] {
    let bells = [Bell::new(context), Bell::new(context)];
    let waiting = RefCell::new([Some(Backlog::default()), Some(Backlog::default())]);
    let tee = Rc::new(Tee { from, waiting, end: RefCell::default(), bells });
    [Rc::new(Branch { tee: tee.clone(), index: 0 }), Rc::new(Branch { tee, index: 1 })]
}

struct Branch {
    tee: Rc<Tee>,
    index: usize,
}

impl Branch {
    fn poll(&self, max_bytes: usize, cx: &mut Context<'_>) -> Poll<Result<Pulled, Broken>> {
        let tee = &*self.tee;
        loop {
            if let Some(bytes) = tee.waiting.borrow_mut()[self.index].as_mut().and_then(|mine| mine.take(max_bytes)) {
                return Poll::Ready(Ok(Pulled::new(bytes, false)));
            }
            if let Some(end) = tee.end.borrow().clone() {
                return Poll::Ready(end.map(|()| Pulled::new(Bytes::new(), true)));
            }
            // Whoever asks last is woken, and tells the other.
            let read = std::task::ready!(tee.from.poll_read(MAX_PULL_BYTES, cx));
            match read {
                Ok(Some(piece)) => tee.put(self.index, piece),
                Ok(None) => *tee.end.borrow_mut() = Some(Ok(())),
                Err(broken) => *tee.end.borrow_mut() = Some(Err(broken)),
            }
            tee.bells[1 - self.index].ring();
        }
    }
}

impl Tee {
    /// What the branch of this index has read is for both.
    fn put(&self, reader: usize, piece: Bytes) {
        let mut waiting = self.waiting.borrow_mut();
        let room = match &mut waiting[1 - reader] {
            Some(other) => other.push(piece.clone()),
            None => true,
        };
        if !room {
            // As in the reference, it is over for both.
            *waiting = [const { None }; 2];
            *self.end.borrow_mut() = Some(Err(Broken::Script(jsg::Error::type_error(TOO_MUCH))));
            self.from.cancel();
        } else if let Some(mine) = &mut waiting[reader] {
            // It is taken at once, and needs no room.
            mine.rest = piece;
        }
    }
}

impl Source for Branch {
    fn pull(&self, max_bytes: usize) -> LocalBoxFuture<'_, Result<Pulled, Broken>> {
        Box::pin(async move {
            let _next = Next(self);
            self.tee.bells[self.index].wait_or_poll(|cx| self.poll(max_bytes, cx)).await
        })
    }

    fn is_outside(&self) -> bool {
        self.tee.from.is_outside()
    }

    fn give(&self, terms: Terms) -> Option<Given> {
        let other = self.tee.waiting.borrow()[1 - self.index].is_some();
        // What the other branch has read is here.
        if other || self.tee.end.borrow().is_some() { None } else { self.tee.from.give(terms) }
    }
}

/// A pull that may be given up: the other branch's has to be woken from then on.
struct Next<'a>(&'a Branch);

impl Drop for Next<'_> {
    fn drop(&mut self) {
        self.0.tee.bells[1 - self.0.index].ring();
    }
}

impl Drop for Branch {
    fn drop(&mut self) {
        self.tee.waiting.borrow_mut()[self.index] = None;
        if self.tee.waiting.borrow().iter().all(Option::is_none) {
            self.tee.from.cancel();
        }
    }
}
