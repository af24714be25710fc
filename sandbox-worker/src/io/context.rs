//! The context of one event.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use jsg::Error;
use slab::Slab;
use tokio::sync::Notify;

use super::{promise, timers::Timers};
use crate::{
    isolate::Isolate,
    limits::{self, Limit},
    log::{Level, Source},
};

/// How often an event that goes on at once, such as by timers of no delay, does so before others have their turn.
const MAX_ROUNDS: u32 = 16;

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// One event: an HTTP request, later an alarm, a queue batch …
///
/// Held by the future that answers the event; everything else refers to it weakly or by its number. Dropping it ends
/// all tasks, timers and owned objects of the event.
pub struct IoContext {
    id: u32,
    isolate: Rc<Isolate>,
    tasks: RefCell<FuturesUnordered<Task>>,
    /// Tasks that were added while the set was being polled.
    added: RefCell<Vec<Task>>,
    waker: RefCell<Option<Waker>>,
    pub(super) timers: Timers,
    pub(super) owned: RefCell<Slab<Box<dyn Any>>>,
    /// `waitUntil` promises that have not settled.
    waiting: Cell<usize>,
    settled: RefCell<Option<Waker>>,
    pass_through_on_exception: Cell<bool>,
    /// Processor time that the event has used.
    used: Cell<Duration>,
    /// Whether somebody was told how the event came out, so that a breach of a limit can only be logged.
    answered: Cell<bool>,
    /// The limit that ended the event.
    breach: Cell<Option<Limit>>,
    /// Told when a limit ends the event.
    ended: Notify,
}

/// A weak reference to a context, for objects that may outlive the event.
#[derive(Clone, Debug)]
pub struct IoContextHandle(Weak<IoContext>);

impl IoContextHandle {
    /// The context, unless its event is over.
    pub fn get(&self) -> Option<Rc<IoContext>> {
        self.0.upgrade()
    }
}

impl std::fmt::Debug for IoContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IoContext({})", self.id)
    }
}

/// The live contexts of an isolate, by number.
#[derive(Default, Debug)]
pub(crate) struct Contexts {
    live: RefCell<Slab<Weak<IoContext>>>,
}

impl IoContext {
    /// A context for a new event.
    pub(crate) fn new(isolate: Rc<Isolate>) -> Rc<Self> {
        isolate.allow_tasks(Duration::MAX);
        let contexts = isolate.contexts.clone();
        let mut live = contexts.live.borrow_mut();
        let entry = live.vacant_entry();
        let id = u32::try_from(entry.key()).expect("fewer than 2^32 events are active");
        let context = Rc::new(IoContext {
            id,
            isolate,
            tasks: RefCell::default(),
            added: RefCell::default(),
            waker: RefCell::default(),
            timers: Timers::default(),
            owned: RefCell::default(),
            waiting: Cell::new(0),
            settled: RefCell::default(),
            pass_through_on_exception: Cell::new(false),
            used: Cell::default(),
            answered: Cell::new(false),
            breach: Cell::default(),
            ended: Notify::new(),
        });
        entry.insert(Rc::downgrade(&context));
        context
    }

    /// The context of the event whose script is running; `None` while modules are evaluated.
    pub fn current(scope: &v8::PinScope<'_, '_>) -> Option<Rc<IoContext>> {
        let data = scope.get_continuation_preserved_embedder_data();
        let id = v8::Local::<v8::Integer>::try_from(data).ok()?.value();
        let isolate = Isolate::of(scope);
        let live = isolate.contexts.live.borrow();
        live.get(usize::try_from(id).ok()?)?.upgrade()
    }

    /// The current context, or the reference's exception for I/O in the global scope.
    pub fn require(scope: &v8::PinScope<'_, '_>) -> Result<Rc<IoContext>, Error> {
        Self::current(scope).ok_or_else(|| {
            Error::error(
                "Disallowed operation called within global scope. Asynchronous I/O (ex: fetch() or connect()), setting a \
                 timeout, and generating random values are not allowed within global scope. To fix this error, perform \
                 this operation within a handler. \
                 https://developers.cloudflare.com/workers/runtime-apis/handlers/",
            )
        })
    }

    /// A weak reference, for objects that scripts keep.
    pub fn handle(self: &Rc<Self>) -> IoContextHandle {
        IoContextHandle(Rc::downgrade(self))
    }

    /// The isolate that the event runs in.
    pub fn isolate(&self) -> &Rc<Isolate> {
        &self.isolate
    }

    /// Runs a task until it ends or the event is over.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        if self.breach.get().is_some() {
            return;
        }
        self.added.borrow_mut().push(Box::pin(task));
        self.wake();
    }

    /// Has [`IoContext::poll_tasks`] called again.
    pub(super) fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// A promise for the outcome of `future`, which runs as a task of this event.
    ///
    /// The result is converted, and the promise settled, with this context current. If the event ends first, the promise
    /// stays pending.
    pub fn promise<'s, T, F>(
        self: &Rc<Self>,
        scope: &mut v8::PinScope<'s, '_>,
        future: F,
    ) -> Result<v8::Local<'s, v8::Promise>, Error>
    where
        F: Future<Output = Result<T, Error>> + 'static,
        T: for<'a> jsg::ToJs<'a> + 'static,
    {
        let resolver = v8::PromiseResolver::new(scope).ok_or(Error::Pending)?;
        let promise = resolver.get_promise(scope);
        let resolver = v8::Global::new(scope, resolver);
        let handle = self.handle();
        self.spawn(async move {
            let outcome = future.await;
            let Some(context) = handle.get() else { return };
            context.enter(|scope| promise::settle(scope, &resolver, outcome));
        });
        Ok(promise)
    }

    /// Runs `body` with the isolate entered and this context current, then the microtasks that it caused.
    ///
    /// This is the one way from a task into script. Must not be called while script is running.
    ///
    /// What runs is counted against the event's limits. If it exceeds one, it is interrupted and the event is over, which
    /// [`Self::breach`] says: what `body` gave then means nothing.
    pub fn enter<R>(self: &Rc<Self>, body: impl FnOnce(&mut v8::PinScope<'_, '_>) -> R) -> R {
        let (result, used, breach) = self.isolate.enter_event(self.used.get(), |scope| {
            let id = v8::Integer::new_from_unsigned(scope, self.id);
            scope.set_continuation_preserved_embedder_data(id.into());
            let result = body(scope);
            self.isolate.run_microtasks(scope);
            self.isolate.after_microtasks(scope);
            let undefined = v8::undefined(scope);
            scope.set_continuation_preserved_embedder_data(undefined.into());
            result
        });
        self.charge(used, breach);
        result
    }

    /// Runs native work outside of script at the event's expense, as [`Self::enter`] runs script. Must not be called while
    /// script is running.
    pub fn work<R>(&self, body: impl FnOnce() -> R) -> R {
        let (result, used, breach) = self.isolate.work(self.used.get(), body);
        self.charge(used, breach);
        result
    }

    /// The event has used processor time, and has exceeded a limit by that.
    fn charge(&self, used: Duration, breach: Option<Limit>) {
        self.used.set(self.used.get() + used);
        self.isolate.allow_tasks(used);
        if let Some(limit) = breach {
            self.end(limit);
        }
    }

    /// Ends the event because it has exceeded a limit: everything that it owns goes. Not to be called while script runs.
    pub fn end(&self, limit: Limit) {
        if self.breach.replace(Some(limit)).is_some() {
            return;
        }
        self.isolate.reporter().exceeded(limit);
        if self.answered.get() {
            let level = if limit == Limit::WaitUntil { Level::Warn } else { Level::Error };
            self.isolate.logger().write(level, Source::Runtime, limits::text(limit));
        }
        drop((self.tasks.take(), self.added.take(), self.owned.take()));
        self.timers.clear();
        self.waiting.set(0);
        self.ended.notify_waiters();
        self.wake();
    }

    /// The limit that ended the event, if one did.
    pub fn breach(&self) -> Option<Limit> {
        self.breach.get()
    }

    /// Ready when a limit has ended the event.
    pub async fn ended(&self) -> Limit {
        loop {
            let ended = self.ended.notified();
            if let Some(limit) = self.breach.get() {
                return limit;
            }
            ended.await;
        }
    }

    /// From here on somebody knows how the event came out: a limit that it exceeds is logged.
    pub fn set_answered(&self) {
        self.answered.set(true);
    }

    /// `ctx.waitUntil`: keeps the event alive until the promise settles; a rejection is logged.
    pub fn wait_until<'s>(self: &Rc<Self>, scope: &mut v8::PinScope<'s, '_>, promise: v8::Local<'s, v8::Promise>) {
        self.waiting.set(self.waiting.get() + 1);
        let future = promise::js_future(scope, promise);
        let handle = self.handle();
        self.spawn(async move {
            let outcome = future.await;
            let Some(context) = handle.get() else { return };
            if let Err(reason) = outcome {
                context.enter(|scope| {
                    let reason = v8::Local::new(scope, &reason);
                    crate::isolate::report_exception(scope, reason);
                });
            }
            // The event may have ended meanwhile.
            context.waiting.set(context.waiting.get().saturating_sub(1));
            if context.waiting.get() == 0
                && let Some(waker) = context.settled.borrow_mut().take()
            {
                waker.wake();
            }
        });
    }

    /// `ctx.passThroughOnException`.
    pub fn pass_through_on_exception(&self) {
        self.pass_through_on_exception.set(true);
    }

    /// Whether the handler asked that its request be passed on if it fails.
    pub fn passes_through(&self) -> bool {
        self.pass_through_on_exception.get()
    }

    /// Whether every promise given to [`IoContext::wait_until`] has settled.
    pub fn poll_settled(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waiting.get() == 0 {
            return Poll::Ready(());
        }
        *self.settled.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Runs the event's tasks and timers. Never ready: whoever answers the event polls it beside what it waits for.
    pub fn poll_tasks(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<std::convert::Infallible> {
        match &mut *self.waker.borrow_mut() {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            slot => *slot = Some(cx.waker().clone()),
        }
        for _ in 0..MAX_ROUNDS {
            let added = std::mem::take(&mut *self.added.borrow_mut());
            // The set is taken out so that a task may look at the context while it runs.
            let mut tasks = self.tasks.take();
            tasks.extend(added);
            let mut progressed = false;
            while self.breach.get().is_none()
                && let Poll::Ready(Some(())) = tasks.poll_next_unpin(cx)
            {
                progressed = true;
            }
            if self.breach.get().is_some() {
                return Poll::Pending;
            }
            drop(self.tasks.replace(tasks));
            progressed |= self.timers.poll(self, cx);
            if !progressed && self.added.borrow().is_empty() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether every promise given to [`IoContext::wait_until`] has settled.
    pub fn is_settled(&self) -> bool {
        self.waiting.get() == 0
    }

    /// Whether nothing is left that could ever run script of this event again: no timer, and no task but those that
    /// only wait for a promise that was given to [`IoContext::wait_until`].
    pub fn is_idle(&self) -> bool {
        self.tasks.borrow().len() + self.added.borrow().len() <= self.waiting.get() && self.timers.is_empty()
    }
}

impl Drop for IoContext {
    fn drop(&mut self) {
        self.isolate.contexts.live.borrow_mut().remove(self.id as usize);
    }
}
