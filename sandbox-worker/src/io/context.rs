//! The owner of I/O.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
};

use futures::{StreamExt, stream::FuturesUnordered};
use jsg::Error;
use slab::Slab;

use super::{Event, live::LiveEvents, timers::Timers};
use crate::isolate::Isolate;

/// How often an owner that goes on at once, such as by timers of no delay, does so before others have their turn.
const MAX_ROUNDS: u32 = 16;

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// What owns I/O: tasks, timers, objects that do I/O.
///
/// An [`Event`] starts them and has script run for them, but they are its owner's: a stateless event has one of its own, which ends
/// with it, an actor one for all of its events. Dropping it ends all that it owns.
pub struct IoContext {
    /// Names the owner, within its isolate and for all time.
    number: u64,
    isolate: Rc<Isolate>,
    live: Rc<LiveEvents>,
    tasks: RefCell<Option<FuturesUnordered<Task>>>,
    /// Tasks that were added while the set was being polled.
    added: RefCell<Vec<Task>>,
    /// Tasks of both kinds that have not ended.
    unfinished: Cell<usize>,
    /// Tasks that only wait for a promise: see [`Waits`].
    waiting: Cell<usize>,
    waker: RefCell<Option<Waker>>,
    pub(super) timers: Timers,
    pub(super) owned: RefCell<Slab<Box<dyn Any>>>,
    /// What will have script run though no task or timer says so: see [`Hold`].
    holds: Cell<usize>,
    /// Whether the owner counts among those that can go on by themselves.
    goes_on: Cell<bool>,
    /// Nothing in the isolate is left that could settle what its events wait for.
    hung: Cell<bool>,
    /// A limit has ended it: it takes nothing more.
    closed: Cell<bool>,
}

/// While it lives, its owner does not count as one that waits: somebody outside will have it go on, such as a client that
/// will ask for more of the response.
pub struct Hold(IoContextHandle);

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hold")
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(context) = self.0.get() {
            context.holds.set(context.holds.get() - 1);
            context.count();
        }
    }
}

/// While it lives, a task of its owner waits for a promise, which is no going on.
#[derive(Debug)]
pub(crate) struct Waits(IoContextHandle);

impl Drop for Waits {
    fn drop(&mut self) {
        if let Some(context) = self.0.get() {
            context.waiting.set(context.waiting.get() - 1);
            context.count();
        }
    }
}

/// A weak reference to an owner, for objects that may outlive it.
#[derive(Clone, Debug)]
pub struct IoContextHandle(Weak<IoContext>);

impl IoContextHandle {
    /// The owner, unless it is gone.
    pub fn get(&self) -> Option<Rc<IoContext>> {
        self.0.upgrade()
    }
}

impl std::fmt::Debug for IoContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IoContext")
    }
}

impl IoContext {
    /// An owner that has nothing yet.
    pub(crate) fn new(isolate: Rc<Isolate>) -> Rc<Self> {
        let live = LiveEvents::of(&isolate);
        Rc::new(IoContext {
            number: live.next(),
            isolate,
            live,
            tasks: RefCell::default(),
            added: RefCell::default(),
            unfinished: Cell::new(0),
            waiting: Cell::new(0),
            waker: RefCell::default(),
            timers: Timers::default(),
            owned: RefCell::default(),
            holds: Cell::new(0),
            goes_on: Cell::new(false),
            hung: Cell::new(false),
            closed: Cell::new(false),
        })
    }

    /// The owner of what the event whose script is running starts: see [`Event::current`].
    pub fn current(scope: &v8::PinScope<'_, '_>) -> Option<Rc<IoContext>> {
        Event::current(scope).map(|event| event.context().clone())
    }

    /// As [`Event::require`].
    pub fn require(scope: &v8::PinScope<'_, '_>) -> Result<Rc<IoContext>, Error> {
        Event::require(scope).map(|event| event.context().clone())
    }

    /// A weak reference, for objects that scripts keep.
    pub fn handle(self: &Rc<Self>) -> IoContextHandle {
        IoContextHandle(Rc::downgrade(self))
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The isolate that it is for.
    pub fn isolate(&self) -> &Rc<Isolate> {
        &self.isolate
    }

    pub(super) fn live(&self) -> &Rc<LiveEvents> {
        &self.live
    }

    /// Waits for a deadline of an event.
    pub(crate) fn reached(&self, deadline: tokio::time::Instant) -> impl Future<Output = ()> + use<> {
        self.live.deadlines().wait(deadline)
    }

    /// Ready when script of the owner's events may run. An actor's input gate will have it wait here; in front of a stateless event
    /// there is none. It keeps nothing alive.
    pub(super) fn admission(&self) -> impl Future<Output = ()> + use<> {
        #[cfg(test)]
        let admission = super::tests::admission();
        #[cfg(not(test))]
        let admission = std::future::ready(());
        admission
    }

    /// Runs a task until it ends or the owner is gone.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        if self.closed.get() {
            return;
        }
        self.added.borrow_mut().push(Box::pin(task));
        self.unfinished.set(self.unfinished.get() + 1);
        self.count();
        self.wake();
    }

    /// Has the owner count as going on until the hold is dropped.
    pub fn hold(self: &Rc<Self>) -> Hold {
        self.holds.set(self.holds.get() + 1);
        self.count();
        Hold(self.handle())
    }

    /// Has one task count as one that only waits until this is dropped, which has to be in that task.
    pub(crate) fn waits(self: &Rc<Self>) -> Waits {
        self.waiting.set(self.waiting.get() + 1);
        Waits(self.handle())
    }

    /// Counts the owner among those that can go on by themselves, or no longer.
    pub(super) fn count(&self) {
        let goes_on = !self.closed.get()
            && (self.holds.get() > 0 || !self.timers.is_empty() || self.unfinished.get() > self.waiting.get());
        if self.goes_on.replace(goes_on) != goes_on {
            self.live.goes_on(goes_on);
        }
        if goes_on {
            self.hung.set(false);
        } else {
            self.live.check();
        }
    }

    pub(super) fn is_hung(&self) -> bool {
        self.hung.get()
    }

    pub(super) fn set_hung(&self, hung: bool) {
        self.hung.set(hung);
    }

    /// Has [`IoContext::poll_tasks`] called again.
    pub(super) fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// Drops everything that it owns, and takes nothing more. Not to be called while script runs.
    pub(super) fn close(&self) {
        self.closed.set(true);
        drop((self.tasks.take(), self.added.take(), self.owned.take()));
        self.timers.clear();
        self.unfinished.set(0);
        self.count();
        self.wake();
    }

    /// Runs the tasks and timers. Never ready: it is polled beside what it is to bring about.
    pub fn poll_tasks(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<std::convert::Infallible> {
        match &mut *self.waker.borrow_mut() {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            slot => *slot = Some(cx.waker().clone()),
        }
        for _ in 0..MAX_ROUNDS {
            let mut progressed = false;
            // The set is taken out so that a task may look at the context while it runs.
            let mut tasks = self.tasks.take();
            let added = std::mem::take(&mut *self.added.borrow_mut());
            if !added.is_empty() {
                tasks.get_or_insert_default().extend(added);
            }
            if let Some(tasks) = &mut tasks {
                while !self.closed.get()
                    && let Poll::Ready(Some(())) = tasks.poll_next_unpin(cx)
                {
                    progressed = true;
                    self.unfinished.set(self.unfinished.get().saturating_sub(1));
                }
            }
            if self.closed.get() {
                return Poll::Pending;
            }
            *self.tasks.borrow_mut() = tasks;
            progressed |= self.timers.poll(self, cx);
            self.count();
            if !progressed && self.added.borrow().is_empty() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for IoContext {
    fn drop(&mut self) {
        if self.goes_on.get() {
            self.live.goes_on(false);
        }
        self.live.check();
    }
}
