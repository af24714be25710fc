//! One timer for the deadlines of all events.
//!
//! A deadline is far, and hardly any event reaches it. A timer of the event loop for each would have to be made and forgotten with each
//! event, and the event loop wakes itself up where one is due before all others: with one event after the other that is each of them.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

/// Who waits for a deadline, by the deadline and a number.
type Key = (Instant, u64);

/// The deadlines that are waited for.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    waiting: RefCell<BTreeMap<Key, Waker>>,
    last: Cell<u64>,
    /// When the timer is due, if there is one. It stays when who waited for it is gone.
    until: Cell<Option<Instant>>,
    /// Told when a deadline comes before that.
    earlier: Notify,
}

impl Deadlines {
    /// Waits for a deadline.
    pub(crate) fn wait(self: &Rc<Self>, at: Instant) -> Deadline {
        self.last.set(self.last.get() + 1);
        Deadline { all: self.clone(), key: (at, self.last.get()) }
    }

    /// Has the timer be due at this time or before.
    fn arm(self: &Rc<Self>, at: Instant) {
        match self.until.get() {
            Some(until) if until <= at => {}
            Some(_) => {
                self.until.set(Some(at));
                self.earlier.notify_one();
            }
            None => {
                self.until.set(Some(at));
                tokio::task::spawn_local(self.clone().run());
            }
        }
    }

    /// The timer, until it finds that nobody waits.
    async fn run(self: Rc<Self>) {
        while let Some(until) = self.until.get() {
            tokio::select! {
                () = sleep_until(until) => {}
                () = self.earlier.notified() => continue,
            }
            let due = {
                let mut waiting = self.waiting.borrow_mut();
                let later = waiting.split_off(&(Instant::now(), u64::MAX));
                std::mem::replace(&mut *waiting, later)
            };
            self.until.set(self.waiting.borrow().keys().next().map(|(at, _)| *at));
            due.into_values().for_each(Waker::wake);
        }
    }
}

/// Waits for one deadline.
#[derive(Debug)]
pub(crate) struct Deadline {
    all: Rc<Deadlines>,
    key: Key,
}

impl Future for Deadline {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.key.0 <= Instant::now() {
            return Poll::Ready(());
        }
        {
            let mut waiting = self.all.waiting.borrow_mut();
            match waiting.get_mut(&self.key) {
                Some(waker) => waker.clone_from(cx.waker()),
                None => drop(waiting.insert(self.key, cx.waker().clone())),
            }
        }
        self.all.arm(self.key.0);
        Poll::Pending
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.all.waiting.borrow_mut().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::LocalSet;

    use super::*;

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        LocalSet::new().block_on(&runtime.expect("a runtime"), test);
    }

    #[test]
    fn each_is_told_and_none_before_its_time() {
        run(async {
            let all = Rc::new(Deadlines::default());
            let start = Instant::now();
            // A later one first, so that the timer has to be set again.
            let waiting: Vec<_> = [30, 10, 20, 10]
                .into_iter()
                .map(|milliseconds| {
                    let at = start + Duration::from_millis(milliseconds);
                    let deadline = all.wait(at);
                    tokio::task::spawn_local(async move {
                        deadline.await;
                        Instant::now() >= at
                    })
                })
                .collect();
            for told in waiting {
                assert!(told.await.expect("it ends"));
            }
            assert!(all.waiting.borrow().is_empty());
        });
    }

    #[test]
    fn one_that_is_dropped_is_forgotten_and_its_timer_serves_the_next() {
        run(async {
            let all = Rc::new(Deadlines::default());
            let start = Instant::now();
            let first = start + Duration::from_millis(10);
            let mut dropped = Box::pin(all.wait(first));
            assert!(futures::poll!(&mut dropped).is_pending());
            drop(dropped);
            assert!(all.waiting.borrow().is_empty());
            let second = start + Duration::from_millis(30);
            let mut next = Box::pin(all.wait(second));
            assert!(futures::poll!(&mut next).is_pending());
            assert_eq!(all.until.get(), Some(first), "there is a timer already");
            next.await;
            assert!(Instant::now() >= second);
        });
    }
}
