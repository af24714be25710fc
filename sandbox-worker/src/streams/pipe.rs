//! Bytes from the one who writes to the one who reads, in one piece at a time: what is native of an `IdentityTransformStream` and a
//! `FixedLengthStream`.

use std::{cell::RefCell, rc::Rc};

use bytes::Bytes;
use futures::future::LocalBoxFuture;
use jsg::Error;

use super::{
    pump::Feed,
    sink::Sink,
    source::{Broken, Given, Pulled, Source, Terms},
};
use crate::io::{Bell, IoContext};

/// What the reference says of a `FixedLengthStream` that is given more than it announced.
const TOO_MANY: &str = "Attempt to write too many bytes through a FixedLengthStream.";
const TOO_FEW: &str = "FixedLengthStream did not see all expected bytes before close().";

struct Pipe {
    state: RefCell<State>,
    /// Rings for who reads.
    written: Bell,
    /// Rings for who writes.
    taken: Bell,
}

#[derive(Default)]
struct State {
    /// What is left of what is being written.
    bytes: Bytes,
    /// How many more have to come, if that is known.
    remaining: Option<u64>,
    /// Why nothing follows.
    end: Option<Result<(), Broken>>,
    /// Why nobody reads.
    gone: Option<Broken>,
    /// Where all comes from that will be written, where that is one place.
    feed: Option<Rc<Feed>>,
}

/// The two ends of a pipe through which `remaining` bytes have to go, where that is known. A write is done when all of it was read, or
/// nobody will; nothing is kept beside it.
pub(crate) fn pipe(context: &IoContext, remaining: Option<u64>) -> (Rc<dyn Sink>, Rc<dyn Source>) {
    let state = RefCell::new(State { remaining, ..State::default() });
    let pipe = Rc::new(Pipe { state, written: Bell::new(context), taken: Bell::new(context) });
    (Rc::new(Writes(pipe.clone())), Rc::new(Reads(pipe)))
}

struct Writes(Rc<Pipe>);

struct Reads(Rc<Pipe>);

impl Pipe {
    /// Nothing follows, because of `why`.
    fn fail(&self, why: Broken) {
        let mut state = self.state.borrow_mut();
        state.bytes = Bytes::new();
        state.end.get_or_insert(Err(why));
        drop(state);
        self.written.ring();
        self.taken.ring();
    }

    fn begin(&self, bytes: Bytes) -> Result<(), Broken> {
        let mut state = self.state.borrow_mut();
        if let Some(gone) = &state.gone {
            return Err(gone.clone());
        }
        if let Some(Err(broken)) = &state.end {
            return Err(broken.clone());
        }
        if let Some(remaining) = &mut state.remaining {
            match remaining.checked_sub(bytes.len() as u64) {
                Some(left) => *remaining = left,
                None => return Err(Broken::Script(Error::type_error(TOO_MANY))),
            }
        }
        state.bytes = bytes;
        Ok(())
    }
}

impl Sink for Writes {
    fn write(&self, bytes: Bytes) -> LocalBoxFuture<'_, Result<(), Broken>> {
        Box::pin(async move {
            let pipe = &*self.0;
            pipe.begin(bytes).inspect_err(|broken| pipe.fail(broken.clone()))?;
            pipe.written.ring();
            let all_taken = || {
                let state = pipe.state.borrow();
                match (&state.gone, &state.end) {
                    (Some(broken), _) | (_, Some(Err(broken))) => Some(Err(broken.clone())),
                    _ => state.bytes.is_empty().then_some(Ok(())),
                }
            };
            pipe.taken.wait(all_taken).await
        })
    }

    fn end(&self) -> Result<(), Broken> {
        let pipe = &*self.0;
        if pipe.state.borrow().remaining.is_some_and(|remaining| remaining > 0) {
            let broken = Broken::Script(Error::type_error(TOO_FEW));
            pipe.fail(broken.clone());
            return Err(broken);
        }
        pipe.state.borrow_mut().end.get_or_insert(Ok(()));
        pipe.written.ring();
        Ok(())
    }

    fn abort(&self, why: Broken) {
        self.0.fail(why);
    }

    fn fed_by(&self, feed: &Rc<Feed>) {
        self.0.state.borrow_mut().feed = Some(feed.clone());
    }

    fn passed(&self) {
        if let Some(remaining) = &mut self.0.state.borrow_mut().remaining {
            *remaining = 0;
        }
    }

    fn gone(&self) -> LocalBoxFuture<'_, Broken> {
        Box::pin(self.0.taken.wait(|| self.0.state.borrow().gone.clone()))
    }
}

impl Source for Reads {
    fn pull(&self, max_bytes: usize) -> LocalBoxFuture<'_, Result<Pulled, Broken>> {
        Box::pin(self.0.written.wait(move || {
            let mut state = self.0.state.borrow_mut();
            if !state.bytes.is_empty() {
                let length = max_bytes.min(state.bytes.len());
                let bytes = state.bytes.split_to(length);
                let is_all = state.bytes.is_empty();
                drop(state);
                if is_all {
                    self.0.taken.ring();
                }
                return Some(Ok(Pulled::new(bytes, false)));
            }
            state.end.clone().map(|end| end.map(|()| Pulled::new(Bytes::new(), true)))
        }))
    }

    fn give(&self, terms: Terms) -> Option<Given> {
        let state = self.0.state.borrow();
        if !state.bytes.is_empty() || state.end.is_some() {
            return None;
        }
        let terms = match state.remaining {
            Some(remaining) => terms.exactly(remaining)?,
            None => terms,
        };
        let feed = state.feed.clone()?;
        drop(state);
        feed.give(terms)
    }
}

impl Drop for Reads {
    fn drop(&mut self) {
        let mut state = self.0.state.borrow_mut();
        state.bytes = Bytes::new();
        state.gone = Some(Broken::UNREAD);
        drop(state);
        self.0.taken.ring();
    }
}
