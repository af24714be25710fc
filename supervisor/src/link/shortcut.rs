//! What comes by one connection and goes to another, or back, without the worker that has both.
//!
//! The worker has both bodies as ever, and pulls what comes as ever: a pull only has to wait for as long as the bytes go past it. So the end
//! of what comes, and why it broke, is the worker's to learn and to make something of.

use std::{
    cell::Cell,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
};

use super::body::BodySource;

/// Of what comes: whether it goes past its worker.
#[derive(Default)]
pub(super) struct Past {
    /// The number of the shortcut that is open.
    open: Cell<Option<u64>>,
    last: Cell<u64>,
    /// A pull of the worker's.
    waiting: Cell<Option<Waker>>,
}

impl Past {
    pub(super) fn is_open(&self) -> bool {
        self.open.get().is_some()
    }

    /// Waits until it does not.
    pub(super) fn poll_over(&self, cx: &Context<'_>) -> Poll<()> {
        if !self.is_open() {
            return Poll::Ready(());
        }
        self.waiting.set(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// It does no more.
    pub(super) fn end(&self) {
        self.open.set(None);
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }
}

/// Of what is sent: where its bytes come from meanwhile. Over when it is dropped.
pub(super) struct Shortcut {
    /// Weak: a worker that lets go of it wants no more of it.
    from: Weak<BodySource>,
    number: u64,
}

impl Shortcut {
    /// What comes by `from` goes here from now on, and nowhere else.
    pub(super) fn open(from: &Rc<BodySource>) -> Self {
        let past = from.past();
        past.end();
        past.last.set(past.last.get() + 1);
        past.open.set(Some(past.last.get()));
        // A pull that is open waits for bytes, and from now on for the end of this.
        past.waiting.set(from.take_waiting());
        Shortcut { from: Rc::downgrade(from), number: past.last.get() }
    }

    /// Where bytes come from, unless it is over.
    pub(super) fn from(&self) -> Option<Rc<BodySource>> {
        self.from.upgrade().filter(|from| from.past().open.get() == Some(self.number))
    }
}

impl Drop for Shortcut {
    fn drop(&mut self) {
        if let Some(from) = self.from() {
            from.past().end();
        }
    }
}
