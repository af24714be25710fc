//! How far the body of a response has got.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// How far the body of a response has got after its head has left. What answers the event keeps the tasks of the event's owner
/// running until it is done.
#[derive(Debug, Clone, Default)]
pub struct StreamingBody(Rc<Progress>);

#[derive(Debug, Default)]
struct Progress {
    /// How many sources have not come to their end.
    open: Cell<usize>,
    /// Something of it is left that nobody has pulled.
    partial: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// A source of a body's bytes that has not come to its end. Dropped when it has.
#[derive(Debug)]
pub(crate) struct OpenBody(Rc<Progress>);

impl Drop for OpenBody {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        let waker = self.0.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl StreamingBody {
    /// A source of the body, which is not done before the result is dropped.
    pub(crate) fn open(&self) -> OpenBody {
        self.0.open.set(self.0.open.get() + 1);
        self.0.partial.set(true);
        OpenBody(self.0.clone())
    }

    /// Whether the last byte has been pulled, the stream has failed, or the supervisor has let go of it.
    pub fn is_done(&self) -> bool {
        self.0.open.get() == 0
    }

    /// Ready when [`Self::is_done`].
    pub fn poll_done(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_done() {
            return Poll::Ready(());
        }
        *self.0.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }

    /// All of it was pulled, or it has failed: see [`Self::is_whole`].
    pub(crate) fn set_whole(&self) {
        self.0.partial.set(false);
    }

    /// Whether nothing of it is left to be pulled, if that is said ([`Self::set_whole`]). A body that is done and not whole was let go
    /// of.
    pub(crate) fn is_whole(&self) -> bool {
        !self.0.partial.get()
    }

    /// Waits until [`Self::is_done`].
    pub async fn wait(self) {
        poll_fn(|cx| self.poll_done(cx)).await;
    }
}
