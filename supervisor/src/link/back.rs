//! What a worker sends by a connection with its pulls of what comes by it, in place of an answer to the pull of what it sends.
//!
//! Of an echo that are two messages in place of four. The pull of what is sent stays open meanwhile, so that the worker can send at any
//! time; and as with that, nothing more is taken from it before what there was is on its way.

use std::{
    cell::Cell,
    rc::Rc,
    task::{Context, Waker},
};

use bulkhead_ipc::source::MAX_BACK;
use bytes::Bytes;

/// What was sent so, until it is taken.
#[derive(Default)]
pub(super) struct Back {
    /// Bytes that the open pull of what is sent asks for.
    asked: Cell<usize>,
    bytes: Cell<Bytes>,
    is_full: Cell<bool>,
    /// Bytes that came so.
    had: Cell<u64>,
    waiting: Cell<Option<Waker>>,
    /// Nobody takes any more.
    is_over: Cell<bool>,
}

impl Back {
    /// Puts down what came with a pull, if somebody will take it.
    ///
    /// # Errors
    /// It was not asked for.
    pub(super) fn put(&self, bytes: &[u8]) -> Result<bool, &'static str> {
        if self.is_over.get() {
            return Ok(false);
        }
        if self.is_full.get() || bytes.len() > self.asked.get().min(MAX_BACK) {
            return Err("it sent with a pull what it was not asked for");
        }
        self.bytes.set(Bytes::copy_from_slice(bytes));
        self.is_full.set(true);
        self.had.set(self.had.get() + bytes.len() as u64);
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
        Ok(true)
    }

    /// Whether what there was is taken, so that there may be more.
    pub(super) fn is_taken(&self) -> bool {
        !self.is_full.get() && self.asked.get() > 0
    }
}

/// Whoever takes it. Dropped, nobody does.
pub(super) struct Taker(Rc<Back>);

impl Taker {
    pub(super) fn new(back: &Rc<Back>) -> Self {
        Taker(back.clone())
    }

    /// So many bytes are asked for, with a pull of what is sent, or none any more, after its answer.
    pub(super) fn ask(&self, bytes: usize) {
        self.0.asked.set(bytes);
    }

    /// What there is.
    pub(super) fn take(&self, cx: &Context<'_>) -> Option<Bytes> {
        if self.0.is_full.replace(false) {
            return Some(self.0.bytes.take());
        }
        let waiting = self.0.waiting.take().filter(|waiting| waiting.will_wake(cx.waker()));
        self.0.waiting.set(Some(waiting.unwrap_or_else(|| cx.waker().clone())));
        None
    }

    /// Bytes that came so far.
    pub(super) fn had(&self) -> u64 {
        self.0.had.get()
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        self.0.is_over.set(true);
        drop((self.0.bytes.take(), self.0.waiting.take()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_comes_than_is_asked_for_and_than_was_taken() {
        let (back, cx) = (Rc::<Back>::default(), Context::from_waker(Waker::noop()));
        assert!(back.put(b"x").is_err() && !back.is_taken(), "nobody has asked");
        let taker = Taker::new(&back);
        assert!(back.put(b"x").is_err());
        taker.ask(3);
        assert!(back.put(b"four").is_err() && back.is_taken());
        assert_eq!(back.put(b"one"), Ok(true));
        assert!(back.put(b"2").is_err() && !back.is_taken(), "it was not taken");
        assert_eq!(taker.take(&cx).as_deref(), Some(&b"one"[..]));
        assert_eq!((taker.take(&cx), taker.had(), back.is_taken()), (None, 3, true));
        assert_eq!(back.put(b"2"), Ok(true));
        taker.take(&cx).expect("more");
        taker.ask(0);
        assert!(back.put(b"x").is_err() && !back.is_taken(), "the pull was answered");
        taker.ask(usize::MAX);
        assert!(back.put(&[0; MAX_BACK + 1]).is_err());
        assert_eq!(back.put(&[0; MAX_BACK]), Ok(true));
        drop(taker);
        assert!(back.bytes.take().is_empty(), "nobody will take it");
        assert_eq!(
            (back.put(b"x"), back.had.get()),
            (Ok(false), 4 + MAX_BACK as u64),
            "who did not know yet breaks no rule"
        );
    }
}
