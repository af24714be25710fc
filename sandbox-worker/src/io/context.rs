//! The context of one event.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    collections::HashMap,
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

use super::{Outlet, promise, timers::Timers};
use crate::{
    isolate::{Isolate, continuations},
    limits::{self, Limit},
    log::{Level, Source},
};

/// How often an event that goes on at once, such as by timers of no delay, does so before others have their turn.
const MAX_ROUNDS: u32 = 16;

/// What is said of an event that is hung.
pub const HUNG: &str = "Error: The Workers runtime canceled this request because it detected that your Worker's code had \
                        hung and would never generate a response. Refer to: \
                        https://developers.cloudflare.com/workers/observability/errors/";

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// One event: an HTTP request, later an alarm, a queue batch …
///
/// Held by the future that answers the event; everything else refers to it weakly or by its number. Dropping it ends
/// all tasks, timers and owned objects of the event.
pub struct IoContext {
    id: u64,
    isolate: Rc<Isolate>,
    outlet: Outlet,
    tasks: RefCell<FuturesUnordered<Task>>,
    /// Tasks that were added while the set was being polled.
    added: RefCell<Vec<Task>>,
    /// Tasks of both kinds that have not ended.
    unfinished: Cell<usize>,
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
    /// What will have script of the event run though no task or timer says so: see [`Hold`].
    holds: Cell<usize>,
    /// Whether the event counts among those that can go on by themselves.
    goes_on: Cell<bool>,
    /// Nothing in the isolate is left that could settle what the event waits for.
    hung: Cell<bool>,
    /// Told when a limit ends the event, and when it is found to be hung.
    ended: Notify,
}

/// While it lives, its event does not count as one that waits: somebody outside will have it go on, such as a client that
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

/// The live contexts of an isolate, by number, and whether any of them can still go on.
///
/// Events may wait for each other: for a promise that another one made, or a stream that it feeds. So a single event never
/// says of itself that it is hung. Each counts as going on while it has a timer, a task beyond those that only wait for a
/// promise, or a [`Hold`]. When none does, no promise is left that was settled and not yet looked at, and V8 has nothing
/// under way, then no script will ever run again, and all events that wait are hung ([`find_hung`]).
#[derive(Default, Debug)]
pub(crate) struct Contexts {
    live: RefCell<HashMap<u64, Weak<IoContext>>>,
    /// The number of the last event. None is used twice: continuations of an event carry its number for as long as scripts
    /// keep their promises.
    last: Cell<u64>,
    /// How many events can go on by themselves.
    going_on: Cell<usize>,
    /// How many promises were settled that whoever waits for them has not looked at.
    undelivered: Cell<usize>,
    /// Told when it may be that no event can go on.
    standstill: Notify,
}

impl Contexts {
    /// A promise was settled, and nobody has looked yet.
    pub(super) fn settled(&self) {
        self.undelivered.set(self.undelivered.get() + 1);
    }

    /// Somebody has looked at a promise that was settled, or never will.
    pub(super) fn delivered(&self) {
        self.undelivered.set(self.undelivered.get() - 1);
        self.check();
    }

    /// Whether script of the event with this number may run.
    pub(crate) fn is_live(&self, number: u64) -> bool {
        let live = self.live.borrow();
        live.get(&number).and_then(Weak::upgrade).is_some_and(|context| context.breach.get().is_none())
    }

    fn stands_still(&self) -> bool {
        self.going_on.get() == 0 && self.undelivered.get() == 0
    }

    /// Has [`find_hung`] look, if it may find something.
    pub(crate) fn check(&self) {
        if self.stands_still() {
            self.standstill.notify_one();
        }
    }

    /// Tells every live event that it is hung.
    fn tell_hung(&self) {
        let live: Vec<_> = self.live.borrow().values().filter_map(Weak::upgrade).collect();
        for context in live {
            context.hung.set(true);
            context.ended.notify_waiters();
            context.wake();
        }
    }
}

/// Finds events that are hung, for as long as it is polled.
pub async fn find_hung(isolate: Rc<Isolate>) {
    loop {
        isolate.contexts.standstill.notified().await;
        // What V8 has under way ends in a task, and whoever runs that has this looked at again.
        if isolate.contexts.stands_still() && !isolate.has_work() {
            isolate.contexts.tell_hung();
        }
    }
}

impl IoContext {
    /// A context for a new event, whose answer goes out by `outlet`.
    pub(crate) fn new(isolate: Rc<Isolate>, outlet: Outlet) -> Rc<Self> {
        isolate.allow_tasks(Duration::MAX);
        let contexts = isolate.contexts.clone();
        let id = contexts.last.get() + 1;
        contexts.last.set(id);
        let context = Rc::new(IoContext {
            id,
            isolate,
            outlet,
            tasks: RefCell::default(),
            added: RefCell::default(),
            unfinished: Cell::new(0),
            waker: RefCell::default(),
            timers: Timers::default(),
            owned: RefCell::default(),
            waiting: Cell::new(0),
            settled: RefCell::default(),
            pass_through_on_exception: Cell::new(false),
            used: Cell::default(),
            answered: Cell::new(false),
            breach: Cell::default(),
            holds: Cell::new(0),
            goes_on: Cell::new(false),
            hung: Cell::new(false),
            ended: Notify::new(),
        });
        contexts.live.borrow_mut().insert(id, Rc::downgrade(&context));
        context
    }

    /// Where the event's answer goes out.
    pub(crate) fn outlet(&self) -> &Outlet {
        &self.outlet
    }

    /// The context of the event whose script is running; `None` while modules are evaluated, and for what is left of an
    /// event that is over.
    pub fn current(scope: &v8::PinScope<'_, '_>) -> Option<Rc<IoContext>> {
        let number = continuations::number(scope)?;
        let isolate = Isolate::of(scope);
        let live = isolate.contexts.live.borrow();
        live.get(&number)?.upgrade()
    }

    /// The current context, or the reference's exception for I/O in the global scope.
    pub fn require(scope: &v8::PinScope<'_, '_>) -> Result<Rc<IoContext>, Error> {
        Self::current(scope).ok_or_else(|| {
            if continuations::number(scope).is_some() {
                return Error::error(
                    "The request that this code belongs to has ended. I/O, timers and random values are not available \
                     to what is left of it.",
                );
            }
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
        self.unfinished.set(self.unfinished.get() + 1);
        self.count();
        self.wake();
    }

    /// Has the event count as going on until the hold is dropped.
    pub fn hold(self: &Rc<Self>) -> Hold {
        self.holds.set(self.holds.get() + 1);
        self.count();
        Hold(self.handle())
    }

    /// Counts the event among those that can go on by themselves, or no longer.
    pub(super) fn count(&self) {
        let goes_on = self.breach.get().is_none()
            && (self.holds.get() > 0 || !self.timers.is_empty() || self.unfinished.get() > self.waiting.get());
        let contexts = &self.isolate.contexts;
        if self.goes_on.replace(goes_on) != goes_on {
            let others = contexts.going_on.get();
            contexts.going_on.set(if goes_on { others + 1 } else { others - 1 });
        }
        if goes_on {
            self.hung.set(false);
        } else {
            contexts.check();
        }
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
        self.hung.set(false);
        let (result, used, breach) = self.isolate.enter_event(self.used.get(), |scope| {
            self.isolate.continuations.enter(self.id);
            let id = v8::Number::new(scope, self.id as f64);
            scope.set_continuation_preserved_embedder_data(id.into());
            let result = body(scope);
            self.isolate.run_microtasks(scope);
            self.isolate.after_microtasks(scope);
            let undefined = v8::undefined(scope);
            scope.set_continuation_preserved_embedder_data(undefined.into());
            self.isolate.continuations.enter(0);
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
        self.count();
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
        self.unfinished.set(0);
        self.count();
        self.ended.notify_waiters();
        self.wake();
    }

    /// The limit that ended the event, if one did.
    pub fn breach(&self) -> Option<Limit> {
        self.breach.get()
    }

    /// Whether nothing in the isolate is left that could settle what the event waits for. To be asked after what it waits
    /// for: that may have come meanwhile.
    pub fn is_hung(&self) -> bool {
        self.hung.get()
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

    /// Ready when the event is hung ([`Self::is_hung`]).
    pub async fn hung(&self) {
        loop {
            let ended = self.ended.notified();
            if self.hung.get() {
                return;
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
            context.count();
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
                self.unfinished.set(self.unfinished.get().saturating_sub(1));
            }
            if self.breach.get().is_some() {
                return Poll::Pending;
            }
            drop(self.tasks.replace(tasks));
            progressed |= self.timers.poll(self, cx);
            self.count();
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
}

impl Drop for IoContext {
    fn drop(&mut self) {
        let contexts = &self.isolate.contexts;
        contexts.live.borrow_mut().remove(&self.id);
        if self.goes_on.get() {
            contexts.going_on.set(contexts.going_on.get() - 1);
        }
        contexts.check();
    }
}
