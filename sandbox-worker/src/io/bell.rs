//! Waking what waits in an owner's task.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use super::{IoContext, live::LiveEvents};

/// Wakes the one that waits for something of an owner's. Until that one has looked, the isolate does not count as one that stands
/// still.
#[derive(Debug)]
pub(crate) struct Bell {
    live: Rc<LiveEvents>,
    waker: RefCell<Option<Waker>>,
    rung: Cell<bool>,
}

impl Bell {
    pub(crate) fn new(context: &IoContext) -> Self {
        Bell { live: context.live().clone(), waker: RefCell::default(), rung: Cell::new(false) }
    }

    /// Has the one that waits look again, if there is one.
    pub(crate) fn ring(&self) {
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            if !self.rung.replace(true) {
                self.live.settled();
            }
            waker.wake();
        }
    }

    /// Waits until `look` gives something. It is asked at once, and whenever the bell rings.
    pub(crate) async fn wait<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        let look = |_: &mut Context<'_>| look().map_or(Poll::Pending, Poll::Ready);
        self.wait_or_poll(look).await
    }

    /// As [`Self::wait`], where `look` polls what may wake the task too.
    pub(crate) async fn wait_or_poll<T>(&self, mut look: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
        let _heard = Heard(self);
        std::future::poll_fn(|cx: &mut Context<'_>| {
            self.heard();
            let looked = look(cx);
            if looked.is_pending() {
                *self.waker.borrow_mut() = Some(cx.waker().clone());
            }
            looked
        })
        .await
    }

    fn heard(&self) {
        if self.rung.replace(false) {
            self.live.delivered();
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.heard();
    }
}

/// Nobody waits any more.
struct Heard<'a>(&'a Bell);

impl Drop for Heard<'_> {
    fn drop(&mut self) {
        self.0.waker.borrow_mut().take();
        self.0.heard();
    }
}
