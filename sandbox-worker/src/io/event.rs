//! One event.

use std::{
    cell::{Cell, OnceCell, RefCell},
    future::Future,
    ops::ControlFlow,
    pin::pin,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use jsg::Error;
use tokio::{sync::Notify, time::Instant};

use super::{IoContext, Outlet, Remainder, Rest, channels::Started, frame, live::LiveEvents, promise};
use crate::{
    isolate::{Isolate, script},
    limits::{self, Limit},
    log::{Level, Source},
};

/// One event: an HTTP request, a run of a schedule …
///
/// Held by what answers it; everything else refers to it weakly or by its number.
pub struct Event {
    number: u64,
    /// What owns what the event starts.
    context: Rc<IoContext>,
    live: Rc<LiveEvents>,
    outlet: Outlet,
    /// The named entrypoint that it came to.
    entrypoint: Option<Rc<str>>,
    started: Instant,
    /// The frame that its script begins in: made when it first does.
    frame: OnceCell<v8::Global<v8::Array>>,
    /// Processor time that the event has used.
    used: Cell<Duration>,
    /// Since when it has what it may use, where that begins anew with time.
    renewed: Cell<Option<Instant>>,
    /// `waitUntil` promises that have not settled.
    waiting: Cell<usize>,
    settled: RefCell<Option<Waker>>,
    /// What the first `waitUntil` promise that was rejected was rejected with, or the first timer that threw has thrown.
    failure: RefCell<Option<v8::Global<v8::Value>>>,
    /// Whether `failure` is kept, for somebody who will be told; else it is logged when it happens.
    keeps_failure: Cell<bool>,
    /// A signal that is aborted when the client leaves.
    followed: OnceCell<v8::Global<v8::Value>>,
    pass_through_on_exception: Cell<bool>,
    /// The body of its request, if there is one.
    request_body: RefCell<Option<Rc<dyn Remainder>>>,
    /// What it has started outside of the isolate.
    pub(super) started_outside: Started,
    /// Whether somebody was told how the event came out, so that a breach of a limit can only be logged.
    answered: Cell<bool>,
    /// The limit that ended the event.
    breach: Cell<Option<Limit>>,
    /// Told when a limit ends the event, and when it is found to be hung.
    ended: Notify,
}

/// A weak reference to an event, for what the event's owner owns.
#[derive(Clone, Debug)]
pub struct EventHandle(Weak<Event>);

impl EventHandle {
    /// The event, unless it is over.
    pub fn get(&self) -> Option<Rc<Event>> {
        self.0.upgrade()
    }

    /// As [`Event::run`], unless the event is over by the time that its script may run.
    pub async fn run<R>(&self, body: impl FnOnce(&mut v8::PinScope<'_, '_>) -> R) -> Option<R> {
        self.run_in(None, body).await
    }

    /// As [`Self::run`], in a frame other than the one that the event began in.
    pub(crate) async fn run_in<R>(
        &self,
        frame: Option<Frame>,
        body: impl FnOnce(&mut v8::PinScope<'_, '_>) -> R,
    ) -> Option<R> {
        let admission = self.get()?.context.admission();
        admission.await;
        Some(self.get()?.enter(frame.as_ref().map(|frame| &frame.0), once(body)))
    }

    /// As [`Self::run`], for one call of script after the other until there is a result: the microtasks that each caused run before the next.
    pub async fn run_each<R>(&self, body: impl FnMut(&mut v8::PinScope<'_, '_>) -> ControlFlow<R>) -> Option<R> {
        let admission = self.get()?.context.admission();
        admission.await;
        Some(self.get()?.enter(None, body))
    }
}

/// Where script was that something is to be told to.
#[derive(Clone, Debug)]
pub(crate) struct Frame(v8::Global<v8::Array>);

impl Frame {
    /// That of what is running.
    pub(crate) fn current(scope: &v8::PinScope<'_, '_>) -> Option<Frame> {
        frame::current(scope).map(|frame| Frame::new(scope, frame))
    }

    pub(super) fn new(scope: &v8::PinScope<'_, '_>, frame: v8::Local<'_, v8::Array>) -> Self {
        Frame(v8::Global::new(scope, frame))
    }
}

/// What runs once, for [`Event::enter`].
fn once<R>(
    body: impl FnOnce(&mut v8::PinScope<'_, '_>) -> R,
) -> impl FnMut(&mut v8::PinScope<'_, '_>) -> ControlFlow<R> {
    let mut body = Some(body);
    move |scope| ControlFlow::Break(body.take().expect("it is called once")(scope))
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Event({})", self.number)
    }
}

impl Event {
    /// A new event, which begins now, whose I/O belongs to `context` and whose answer goes out by `outlet`. `entrypoint` is the name
    /// of what it came to, unless that is the default one.
    pub(crate) fn new(context: Rc<IoContext>, outlet: Outlet, entrypoint: Option<Rc<str>>) -> Rc<Self> {
        context.isolate().allow_tasks(Duration::MAX);
        let live = context.live().clone();
        let event = Rc::new(Event {
            number: live.next(),
            context,
            live,
            outlet,
            entrypoint,
            started: Instant::now(),
            frame: OnceCell::new(),
            used: Cell::default(),
            renewed: Cell::default(),
            waiting: Cell::new(0),
            settled: RefCell::default(),
            failure: RefCell::default(),
            keeps_failure: Cell::new(false),
            followed: OnceCell::new(),
            pass_through_on_exception: Cell::new(false),
            request_body: RefCell::default(),
            started_outside: Started::default(),
            answered: Cell::new(false),
            breach: Cell::default(),
            ended: Notify::new(),
        });
        event.live.insert(&event);
        event
    }

    /// The event whose script is running; `None` while modules are evaluated, and for what is left of an event that is over.
    pub fn current(scope: &v8::PinScope<'_, '_>) -> Option<Rc<Event>> {
        LiveEvents::of(&Isolate::of(scope)).current(scope)
    }

    /// The current event, or the reference's exception for I/O in the global scope.
    pub fn require(scope: &v8::PinScope<'_, '_>) -> Result<Rc<Event>, Error> {
        Self::current(scope).ok_or_else(|| {
            if frame::current(scope).is_some_and(|frame| frame::number(scope, frame).is_some()) {
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

    /// Names the event, within its isolate and for all time.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// A weak reference, for what must not keep the event alive.
    pub fn handle(self: &Rc<Self>) -> EventHandle {
        EventHandle(Rc::downgrade(self))
    }

    /// What owns what the event starts.
    pub fn context(&self) -> &Rc<IoContext> {
        &self.context
    }

    /// The isolate that the event runs in.
    pub fn isolate(&self) -> &Rc<Isolate> {
        self.context.isolate()
    }

    /// Where the event's answer goes out.
    pub(crate) fn outlet(&self) -> &Outlet {
        &self.outlet
    }

    /// When the event began.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Whether `frame` is the one that the event's script began in.
    pub(super) fn is_first_frame(&self, frame: v8::Local<'_, v8::Array>) -> bool {
        self.frame.get().is_some_and(|first| frame == *first)
    }

    /// Runs `body` with the isolate entered and this event current, then the microtasks that it caused.
    ///
    /// This and [`EventHandle::run`] are the one way from a task into script. It may have to wait; what is a task of the event's
    /// owner takes the handle's, so that it keeps nothing alive meanwhile.
    ///
    /// What runs is counted against the event's limits. If it exceeds one, it is interrupted and the event is over, which
    /// [`Self::breach`] says: what `body` gave then means nothing.
    pub async fn run<R>(self: &Rc<Self>, body: impl FnOnce(&mut v8::PinScope<'_, '_>) -> R) -> R {
        let mut admission = pin!(self.context.admission());
        if futures::poll!(admission.as_mut()).is_pending() {
            // What waits to be let in goes on by itself.
            let _hold = self.context.hold();
            admission.await;
        }
        self.enter(None, once(body))
    }

    /// Runs `body`, and then the microtasks that it caused, again and again until it gives a result. Must not be called while script is
    /// running.
    fn enter<R>(
        self: &Rc<Self>,
        frame: Option<&v8::Global<v8::Array>>,
        mut body: impl FnMut(&mut v8::PinScope<'_, '_>) -> ControlFlow<R>,
    ) -> R {
        self.context.set_hung(false);
        self.renew_with_time();
        let isolate = self.context.isolate();
        let outer = self.live.enter(Some(self.clone()));
        debug_assert!(outer.is_none(), "script is entered from the event loop only");
        let (result, used, breach) = isolate.enter_event(self.used.get(), |scope| {
            isolate.continuations.enter(self.number);
            let first = self.frame.get_or_init(|| {
                let frame = frame::first(scope, self.number);
                v8::Global::new(scope, frame)
            });
            let frame = v8::Local::new(scope, frame.unwrap_or(first));
            let result = loop {
                scope.set_continuation_preserved_embedder_data(frame.into());
                let flow = body(scope);
                isolate.run_microtasks(scope);
                isolate.after_microtasks(scope);
                if let ControlFlow::Break(result) = flow {
                    break result;
                }
            };
            let undefined = v8::undefined(scope);
            scope.set_continuation_preserved_embedder_data(undefined.into());
            isolate.continuations.enter(0);
            result
        });
        drop(self.live.enter(None));
        self.charge(used, breach);
        result
    }

    /// Runs native work outside of script at the event's expense, as [`Self::run`] runs script. Must not be called while
    /// script is running.
    pub fn work<R>(&self, body: impl FnOnce() -> R) -> R {
        self.renew_with_time();
        let (result, used, breach) = self.isolate().work(self.used.get(), body);
        self.charge(used, breach);
        result
    }

    /// The event has used processor time, and has exceeded a limit by that.
    fn charge(&self, used: Duration, breach: Option<Limit>) {
        self.used.set(self.used.get() + used);
        self.isolate().allow_tasks(used);
        if let Some(limit) = breach {
            self.end(limit);
        }
        self.context.count();
    }

    /// Something has come from outside by a connection that goes on: what the event may use and start begins anew, as with an event of
    /// its own.
    pub(crate) fn renew(&self) {
        self.used.set(Duration::ZERO);
        self.started_outside.renew();
    }

    /// From now on the event goes on for as long as both sides like: what it may use and start begins anew each time that as much time has
    /// passed as its worker's limits say.
    pub(crate) fn goes_on(&self) {
        self.renewed.set(Some(Instant::now()));
    }

    fn renew_with_time(&self) {
        if let Some(since) = self.renewed.get()
            && since.elapsed() >= self.isolate().limits().renewal()
        {
            self.renewed.set(Some(Instant::now()));
            self.renew();
        }
    }

    /// Writes the runtime's word about the event to the log, with the name of the entrypoint that the event came to.
    pub(crate) fn log(&self, level: Level, text: &str) {
        let logger = self.isolate().logger();
        match &self.entrypoint {
            Some(name) => logger.write(level, Source::Runtime, &format!("entrypoint \"{name}\": {text}")),
            None => logger.write(level, Source::Runtime, text),
        }
    }

    /// Ends the event because it has exceeded a limit: everything that its owner has goes. Not to be called while script runs.
    pub fn end(&self, limit: Limit) {
        if self.breach.replace(Some(limit)).is_some() {
            return;
        }
        self.isolate().reporter().exceeded(limit);
        if self.answered.get() {
            let level = if limit == Limit::WaitUntil { Level::Warn } else { Level::Error };
            self.log(level, limits::text(limit));
        }
        self.waiting.set(0);
        self.context.close();
        self.ended.notify_waiters();
    }

    /// The limit that ended the event, if one did.
    pub fn breach(&self) -> Option<Limit> {
        self.breach.get()
    }

    /// Nothing in the isolate is left that could settle what the event waits for.
    pub(super) fn tell_hung(&self) {
        self.context.set_hung(true);
        self.ended.notify_waiters();
        self.context.wake();
    }

    /// Whether nothing in the isolate is left that could settle what the event waits for. To be asked after what it waits
    /// for: that may have come meanwhile.
    pub fn is_hung(&self) -> bool {
        self.context.is_hung()
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
            if self.is_hung() {
                return;
            }
            ended.await;
        }
    }

    /// From here on somebody knows how the event came out: a limit that it exceeds is logged.
    pub fn set_answered(&self) {
        self.answered.set(true);
    }

    /// A promise for the outcome of `future`, which runs as a task of the event's owner.
    ///
    /// The result is converted, and the promise settled, with this event current. If the event ends first, the promise
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
        self.context.spawn(async move {
            let outcome = future.await;
            handle.run(|scope| promise::settle(scope, &resolver, outcome)).await;
        });
        Ok(promise)
    }

    /// `ctx.waitUntil`: keeps the event alive until the promise settles; a rejection is logged.
    pub fn wait_until<'s>(self: &Rc<Self>, scope: &mut v8::PinScope<'s, '_>, promise: v8::Local<'s, v8::Promise>) {
        self.waiting.set(self.waiting.get() + 1);
        let future = promise::js_future(scope, promise);
        let (handle, waits) = (self.handle(), self.context.waits());
        self.context.spawn(async move {
            if let Err(reason) = future.await {
                let fail = |scope: &mut v8::PinScope<'_, '_>| {
                    let reason = v8::Local::new(scope, &reason);
                    if let Some(event) = handle.get() {
                        event.fail(scope, reason);
                    }
                };
                handle.run(fail).await;
            }
            drop(waits);
            let Some(event) = handle.get() else { return };
            // The event may have ended meanwhile.
            event.waiting.set(event.waiting.get().saturating_sub(1));
            if event.waiting.get() == 0
                && let Some(waker) = event.settled.borrow_mut().take()
            {
                waker.wake();
            }
        });
    }

    /// Something beside the handler has failed, which is logged unless it is kept for who will be told.
    pub(super) fn fail<'s>(&self, scope: &mut v8::PinScope<'s, '_>, reason: v8::Local<'s, v8::Value>) {
        let mut failure = self.failure.borrow_mut();
        if self.keeps_failure.get() && failure.is_none() {
            *failure = Some(v8::Global::new(scope, reason));
            return;
        }
        drop(failure);
        crate::isolate::report_exception(scope, reason);
    }

    /// What fails first beside the handler is not logged: [`Event::take_failure`] gives it to who is told how the event came out.
    pub fn keep_failure(&self) {
        self.keeps_failure.set(true);
    }

    /// Has `signal` aborted when the client leaves before it has the whole answer.
    pub fn follow_client<'s>(&self, scope: &mut v8::PinScope<'s, '_>, signal: v8::Local<'s, v8::Value>) {
        let _ = self.followed.set(v8::Global::new(scope, signal));
    }

    /// Whether `signal` is the one that [follows the client](Self::follow_client).
    pub fn is_client_signal<'s>(&self, scope: &v8::PinScope<'s, '_>, signal: v8::Local<'s, v8::Value>) -> bool {
        self.followed.get().is_some_and(|followed| v8::Local::new(scope, followed) == signal)
    }

    /// The client is gone, and did not have the whole answer.
    pub(crate) async fn client_left(self: &Rc<Self>) {
        let Some(signal) = self.followed.get().filter(|_| self.breach().is_none()) else { return };
        self.run(|scope| {
            v8::tc_scope!(let scope, scope);
            let text = jsg::string(scope, "The client has disconnected").into();
            let name = jsg::string(scope, "AbortError").into();
            let reason = script::call(scope, |script| &script.new_dom_exception, &[text, name]);
            let signal = v8::Local::new(scope, signal);
            let aborted =
                reason.and_then(|reason| script::call(scope, |script| &script.signal_abort, &[signal, reason]));
            if let Err(error) = aborted {
                let exception = error.caught(scope);
                crate::isolate::report_exception(scope, exception);
            }
        })
        .await;
    }

    /// What failed first beside the handler, if that was kept: a promise given to [`Event::wait_until`], or a timer.
    pub fn take_failure(&self) -> Option<v8::Global<v8::Value>> {
        self.failure.take()
    }

    /// `ctx.passThroughOnException`.
    pub fn pass_through_on_exception(&self) {
        self.pass_through_on_exception.set(true);
    }

    /// Whether the handler asked that its request be passed on if it fails.
    pub fn passes_through(&self) -> bool {
        self.pass_through_on_exception.get()
    }

    /// Takes note of the body of the event's request.
    pub(crate) fn note_request_body(&self, body: Rc<dyn Remainder>) {
        *self.request_body.borrow_mut() = Some(body);
    }

    /// What is left of the body of the event's request, of which nothing is read afterwards.
    pub(crate) fn rest_of_request(&self) -> Rest {
        self.request_body.take().map_or_else(Rest::default, |body| body.rest())
    }

    /// Whether every promise given to [`Event::wait_until`] has settled.
    pub fn poll_settled(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waiting.get() == 0 {
            return Poll::Ready(());
        }
        *self.settled.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Whether every promise given to [`Event::wait_until`] has settled.
    pub fn is_settled(&self) -> bool {
        self.waiting.get() == 0
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        self.live.remove(self.number);
    }
}
