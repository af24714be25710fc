//! What this process offers the supervisor: `WorkerControl` on the control connection, `EventPort` on the others.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::HashMap,
    pin::pin,
    rc::Rc,
    task::Poll,
    time::Duration,
};

use bulkhead_ipc::{
    transport::MAX_LIVE_EVENTS,
    worker_capnp::{self as wire, event_failure},
};
use futures::future::{Either, select};
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

use crate::{
    api::{self, response::Refused},
    bind::{Entrypoint, Target, Worker},
    io::{HUNG, IoContext, JsFuture, Outlet, Settled, find_hung, js_future},
    isolate::{Isolate, builtins, describe, watch},
    limits::{self, Limit},
    log::{Level, Logger, Source},
};

/// The process, as its connections see it.
pub struct Process {
    /// The isolate that waits for a bundle.
    blank: RefCell<Option<Rc<Isolate>>>,
    logger: Rc<Logger>,
    worker: OnceCell<Rc<Worker>>,
    /// Told when `worker` is set or will never be.
    bound: Notify,
    failed: Cell<bool>,
    active: Cell<usize>,
    idle: Notify,
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Process({} active)", self.active.get())
    }
}

impl Process {
    /// A process that waits for its bundle.
    pub fn new(isolate: Rc<Isolate>, logger: Rc<Logger>) -> Rc<Self> {
        Rc::new(Process {
            blank: RefCell::new(Some(isolate)),
            logger,
            worker: OnceCell::new(),
            bound: Notify::new(),
            failed: Cell::new(false),
            active: Cell::new(0),
            idle: Notify::new(),
        })
    }

    /// The worker, as soon as it is bound.
    async fn worker(&self) -> Result<Rc<Worker>, capnp::Error> {
        loop {
            let notified = self.bound.notified();
            if let Some(worker) = self.worker.get() {
                return Ok(worker.clone());
            }
            if self.failed.get() {
                return Err(capnp::Error::failed("the worker did not start".into()));
            }
            notified.await;
        }
    }
}

/// Counts an event for as long as it lives.
struct Active(Rc<Process>);

impl Active {
    fn new(process: &Rc<Process>) -> Self {
        process.active.set(process.active.get() + 1);
        Active(process.clone())
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.set(self.0.active.get() - 1);
        if self.0.active.get() == 0 {
            self.0.idle.notify_waiters();
        }
    }
}

/// Bootstrap capability of the control connection.
#[derive(Debug)]
pub struct Control(pub Rc<Process>);

impl wire::worker_control::Server for Control {
    async fn bind(
        self: Rc<Self>,
        params: wire::worker_control::BindParams,
        mut results: wire::worker_control::BindResults,
    ) -> Result<(), capnp::Error> {
        let process = &self.0;
        let params = params.get()?;
        let bundle = params.get_bundle()?;
        let Some(isolate) = process.blank.borrow_mut().take() else {
            return Err(capnp::Error::failed("this process was bound before".into()));
        };
        let host = params.get_host()?;
        tokio::task::spawn_local(isolate.reporter().clone().run(host.clone()));
        tokio::task::spawn_local(process.logger.clone().run(host));
        tokio::task::spawn_local(run_foreground_tasks(isolate.clone()));
        tokio::task::spawn_local(find_hung(isolate.clone()));
        let mut outcome = results.get().init_outcome();
        match Worker::start(isolate, bundle) {
            Ok(worker) => {
                let mut list = outcome.init_ready(worker.entrypoints.len() as u32);
                for (entrypoint, index) in worker.entrypoints.iter().zip(0..) {
                    let mut builder = list.reborrow().get(index);
                    builder.set_name(entrypoint.name.as_str());
                    let mut handlers = builder.init_handlers(entrypoint.handlers.len() as u32);
                    for (handler, index) in entrypoint.handlers.iter().zip(0..) {
                        handlers.set(index, handler.as_str());
                    }
                }
                let first = process.worker.set(Rc::new(worker)).is_ok();
                debug_assert!(first, "the blank isolate was taken once");
            }
            Err(Ok(error)) => {
                process.failed.set(true);
                let mut builder = outcome.reborrow().init_error();
                builder.set_message(error.message.as_str());
                builder.set_stack(error.stack.as_str());
            }
            Err(Err(error)) => {
                process.failed.set(true);
                process.bound.notify_waiters();
                return Err(error);
            }
        }
        process.bound.notify_waiters();
        Ok(())
    }

    async fn drain(
        self: Rc<Self>,
        _: wire::worker_control::DrainParams,
        _: wire::worker_control::DrainResults,
    ) -> Result<(), capnp::Error> {
        loop {
            let notified = self.0.idle.notified();
            if self.0.active.get() == 0 {
                return Ok(());
            }
            notified.await;
        }
    }

    async fn ping(
        self: Rc<Self>,
        _: wire::worker_control::PingParams,
        _: wire::worker_control::PingResults,
    ) -> Result<(), capnp::Error> {
        Ok(())
    }
}

/// V8's own tasks: compilation that ended, garbage collection, finalization.
async fn run_foreground_tasks(isolate: Rc<Isolate>) {
    loop {
        let task = crate::isolate::platform::next_task().await;
        isolate.run_task(task);
        // A task may have brought the next one, and that must not keep events and questions waiting.
        tokio::task::yield_now().await;
    }
}

/// Bootstrap capability of an event connection.
#[derive(Debug)]
pub struct Port(pub Rc<Process>, pub Outlet);

impl wire::event_port::Server for Port {
    async fn entrypoint(
        self: Rc<Self>,
        params: wire::event_port::EntrypointParams,
        mut results: wire::event_port::EntrypointResults,
    ) -> Result<(), capnp::Error> {
        let worker = self.0.worker().await?;
        let params = params.get()?;
        let name = params.get_name()?.to_str()?;
        let props_json = params.get_props_json()?.to_string()?;
        let entrypoint = worker.entrypoint(name).cloned();
        let dispatcher = Dispatcher {
            process: self.0.clone(),
            outlet: self.1.clone(),
            worker,
            entrypoint,
            props_json,
            waiting: RefCell::default(),
        };
        results.get().set_dispatcher(capnp_rpc::new_client(dispatcher));
        Ok(())
    }
}

/// Takes events for one entrypoint.
struct Dispatcher {
    process: Rc<Process>,
    outlet: Outlet,
    worker: Rc<Worker>,
    /// `None`: the module has no export of that name. That is tolerated until an event comes.
    entrypoint: Option<Rc<Entrypoint>>,
    props_json: String,
    /// The events whose handlers have not answered yet, by their numbers, and how to cancel them.
    waiting: RefCell<HashMap<u64, oneshot::Sender<()>>>,
}

/// An event that can be cancelled, for as long as this lives.
struct Cancellable<'a>(&'a Dispatcher, u64);

impl Drop for Cancellable<'_> {
    fn drop(&mut self) {
        self.0.waiting.borrow_mut().remove(&self.1);
    }
}

/// Longest text about a failure, in bytes: a script can throw a message of any length.
const MAX_FAILURE_TEXT: usize = 8 * 1024;

/// What a failure of this kind is to the supervisor.
fn failure_kind(context: &IoContext, kind: event_failure::Kind) -> event_failure::Kind {
    if context.passes_through() { event_failure::Kind::PassThrough } else { kind }
}

/// How far the handler came when it was called.
enum Progress {
    /// The reply is complete. A body that is still to be pulled keeps the event alive.
    Done(Option<api::response::StreamingBody>),
    /// The handler's promise is pending.
    Pending(JsFuture),
    Failed(event_failure::Kind, String),
    Exceeded(Limit),
}

impl wire::event_dispatcher::Server for Dispatcher {
    async fn fetch(
        self: Rc<Self>,
        params: wire::event_dispatcher::FetchParams,
        mut results: wire::event_dispatcher::FetchResults,
    ) -> Result<(), capnp::Error> {
        let number = params.get()?.get_event();
        let request = params.get()?.get_request()?;
        let is_head = request.get_method()?.as_bytes() == b"HEAD";
        if self.worker.isolate.is_exhausted() {
            set_exceeded(results.get(), Limit::Memory);
            return Ok(());
        }
        if self.process.active.get() >= MAX_LIVE_EVENTS as usize {
            let mut failure = results.get().init_outcome().init_failure();
            failure.set_kind(event_failure::Kind::Busy);
            return Ok(());
        }
        let event = Event::new(&self.process, &self.worker, self.outlet.clone());
        let context = &event.context;
        let mut progress = context.enter(|scope| self.deliver(scope, context, request, is_head, &mut results))?;
        drop(params);
        if let Some(limit) = context.breach() {
            progress = Progress::Exceeded(limit);
        }
        if let Progress::Pending(promise) = progress {
            let (sender, cancelled) = oneshot::channel();
            self.waiting.borrow_mut().insert(number, sender);
            let _cancellable = Cancellable(&self, number);
            let answered = pin!(self.wait(&event, promise, is_head, &mut results));
            progress = match select(answered, cancelled).await {
                Either::Left((progress, _)) => progress?,
                Either::Right(_) => return Err(capnp::Error::failed("the event was cancelled".into())),
            };
        }
        match progress {
            Progress::Done(body) => event.finish(body),
            Progress::Exceeded(limit) => {
                context.end(limit);
                set_exceeded(results.get(), limit);
            }
            Progress::Failed(kind, message) => {
                let mut failure = results.get().init_outcome().init_failure();
                failure.set_kind(kind);
                failure.set_message(message.as_str());
            }
            Progress::Pending(_) => unreachable!("`wait` ends with a response or a failure"),
        }
        Ok(())
    }

    async fn cancel(
        self: Rc<Self>,
        params: wire::event_dispatcher::CancelParams,
        _: wire::event_dispatcher::CancelResults,
    ) -> Result<(), capnp::Error> {
        // Dropping the sender would do; saying it is plainer.
        if let Some(waiting) = self.waiting.borrow_mut().remove(&params.get()?.get_event()) {
            let _ = waiting.send(());
        }
        Ok(())
    }
}

/// The reply for an event that was ended by a limit.
fn set_exceeded(results: wire::event_dispatcher::fetch_results::Builder<'_>, limit: Limit) {
    let mut failure = results.init_outcome().init_failure();
    failure.set_kind(event_failure::Kind::Exceeded);
    failure.set_limit(limit);
    failure.set_message(limits::text(limit));
}

/// An event that is being answered.
///
/// When it is dropped, because it was answered or because the client is gone, what was given to `waitUntil` still runs to
/// its end, as in the reference; everything else that the event owns ends with it.
struct Event {
    context: Rc<IoContext>,
    process: Rc<Process>,
    started: Instant,
    _active: Active,
}

impl Event {
    fn new(process: &Rc<Process>, worker: &Worker, outlet: Outlet) -> Self {
        let context = IoContext::new(worker.isolate.clone(), outlet);
        Event { context, process: process.clone(), started: Instant::now(), _active: Active::new(process) }
    }

    /// When the response must have come to its end.
    fn deadline(&self) -> Option<Deadline> {
        self.context.isolate().limits().wall_time.map(|limit| Deadline::new(self.started, limit, Limit::WallTime))
    }

    /// The reply is made; a body that is still to be pulled keeps the event alive.
    fn finish(self, body: Option<api::response::StreamingBody>) {
        self.context.set_answered();
        if let Some(body) = body {
            tokio::task::spawn_local(async move { drive(&self.context, self.deadline(), body.wait()).await });
        }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        self.context.set_answered();
        if self.context.is_settled() {
            return;
        }
        let limit = self.context.isolate().limits().wait_until;
        let deadline = limit.map(|limit| Deadline::new(Instant::now(), limit, Limit::WaitUntil));
        let (context, active) = (self.context.clone(), Active::new(&self.process));
        tokio::task::spawn_local(async move {
            // A promise that nothing is left to settle is not waited for.
            let ended = |cx: &mut std::task::Context<'_>| match context.poll_settled(cx) {
                Poll::Pending if context.is_hung() => Poll::Ready(()),
                settled => settled,
            };
            // A limit that ends it was reported where it did.
            let _ = drive(&context, deadline, std::future::poll_fn(ended)).await;
            drop(active);
        });
    }
}

/// When an event must have come to something, and the limit that ends it if it has not.
#[derive(Debug, Clone, Copy)]
struct Deadline {
    at: Instant,
    limit: Limit,
}

impl Deadline {
    fn new(start: Instant, time: Duration, limit: Limit) -> Self {
        Deadline { at: start + time, limit }
    }
}

/// What a promise of an event was settled with; `None` where nothing is left that could settle it.
async fn settled(context: &IoContext, mut promise: impl Future<Output = Settled> + Unpin) -> Option<Settled> {
    std::future::poll_fn(|cx| match std::pin::Pin::new(&mut promise).poll(cx) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending if context.is_hung() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Runs the tasks and timers of an event until `end`, or until a limit has ended the event.
async fn drive<T>(
    context: &Rc<IoContext>,
    deadline: Option<Deadline>,
    end: impl Future<Output = T>,
) -> Result<T, Limit> {
    let mut end = pin!(end);
    let mut expired = pin!(async {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(deadline.at).await,
            None => std::future::pending().await,
        }
    });
    std::future::poll_fn(|cx| {
        let _ = context.poll_tasks(cx);
        if context.breach().is_none()
            && let Poll::Ready(value) = end.as_mut().poll(cx)
        {
            return Poll::Ready(Ok(value));
        }
        if let Some(deadline) = deadline
            && expired.as_mut().poll(cx).is_ready()
        {
            context.end(deadline.limit);
        }
        context.breach().map_or(Poll::Pending, |limit| Poll::Ready(Err(limit)))
    })
    .await
}

impl Dispatcher {
    /// Calls the handler.
    fn deliver<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        context: &Rc<IoContext>,
        request: wire::http_request::Reader<'_>,
        is_head: bool,
        results: &mut wire::event_dispatcher::FetchResults,
    ) -> Result<Progress, capnp::Error> {
        v8::tc_scope!(let scope, scope);
        let handler =
            self.entrypoint.as_ref().filter(|entrypoint| entrypoint.handlers.iter().any(|name| name == "fetch"));
        let Some(entrypoint) = handler else {
            if self.entrypoint.as_ref().is_none_or(|entrypoint| !entrypoint.complained.replace(true)) {
                let text = "Received a FetchEvent but we lack a handler for FetchEvents. Did you remember to export a \
                            fetch() function?";
                self.process.logger.write(Level::Error, Source::Runtime, text);
            }
            let message = "Error: Handler does not export a fetch() function.".to_owned();
            return Ok(Progress::Failed(event_failure::Kind::NoHandler, message));
        };
        let called = api::request::from_wire(scope, context, request)?.and_then(|request| {
            let ctx = api::fetch_event::execution_context(scope, context, &self.props_json)?;
            let returned = match &entrypoint.target {
                Target::Object(object) => {
                    let object = v8::Local::new(scope, object);
                    let key = jsg::string(scope, "fetch");
                    let function = object.get(scope, key.into()).ok_or(jsg::Error::Pending)?;
                    let function = v8::Local::<v8::Function>::try_from(function)
                        .map_err(|_| jsg::Error::type_error("Handler does not export a fetch() function."))?;
                    let env = v8::Local::new(scope, &self.worker.env);
                    function.call(scope, object.into(), &[request.into(), env.into(), ctx.into()])
                }
                Target::Listeners => builtins::call(scope, "dispatchFetch", &[request.into(), ctx.into()]).ok(),
            };
            returned.ok_or(jsg::Error::Pending)
        });
        let value = match called {
            Ok(value) => value,
            Err(error) => {
                let exception = match error {
                    jsg::Error::Pending => scope.exception().unwrap_or_else(|| v8::undefined(scope).into()),
                    error => error.to_value(scope),
                };
                return Ok(self.threw(scope, context, exception));
            }
        };
        let promise = match v8::Local::<v8::Promise>::try_from(value) {
            Ok(promise) => promise,
            Err(_) if !value.is_object() || api::response::is_response(scope, value) => {
                return self.respond(scope, context, value, is_head, results);
            }
            // It may be thenable.
            Err(_) => {
                let resolver =
                    v8::PromiseResolver::new(scope).filter(|resolver| resolver.resolve(scope, value).is_some());
                let Some(resolver) = resolver else {
                    let exception = scope.exception().unwrap_or_else(|| v8::undefined(scope).into());
                    return Ok(self.threw(scope, context, exception));
                };
                resolver.get_promise(scope)
            }
        };
        // Most handlers are done as soon as their microtasks are: no reaction needs to be made for those.
        self.worker.isolate.run_microtasks(scope);
        if let Some(limit) = watch::breach() {
            return Ok(Progress::Exceeded(limit));
        }
        match promise.state() {
            v8::PromiseState::Fulfilled => {
                let value = promise.result(scope);
                self.respond(scope, context, value, is_head, results)
            }
            v8::PromiseState::Rejected => {
                promise.mark_as_handled();
                self.worker.isolate.forget_rejection(scope, promise);
                let reason = promise.result(scope);
                Ok(self.threw(scope, context, reason))
            }
            v8::PromiseState::Pending => Ok(Progress::Pending(js_future(scope, promise))),
        }
    }

    /// Waits for the handler's promise, with the event's tasks and timers running.
    async fn wait(
        &self,
        event: &Event,
        promise: JsFuture,
        is_head: bool,
        results: &mut wire::event_dispatcher::FetchResults,
    ) -> Result<Progress, capnp::Error> {
        let context = &event.context;
        let settled = match drive(context, event.deadline(), settled(context, promise)).await {
            Ok(settled) => settled,
            Err(limit) => return Ok(Progress::Exceeded(limit)),
        };
        // Events that waited for the same thing are all done at once.
        let hold = context.hold();
        let _room = self.outlet.room(self.worker.inline_body_bytes).await;
        drop(hold);
        let progress = context.enter(|scope| match settled {
            Some(Ok(value)) => {
                let value = v8::Local::new(scope, value);
                self.respond(scope, context, value, is_head, results)
            }
            Some(Err(reason)) => {
                let reason = v8::Local::new(scope, reason);
                Ok(self.threw(scope, context, reason))
            }
            None => Ok(Progress::Failed(failure_kind(context, event_failure::Kind::Hung), HUNG.into())),
        })?;
        Ok(context.breach().map_or(progress, Progress::Exceeded))
    }

    /// Puts what the handler gave into the reply.
    fn respond<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        context: &Rc<IoContext>,
        value: v8::Local<'s, v8::Value>,
        is_head: bool,
        results: &mut wire::event_dispatcher::FetchResults,
    ) -> Result<Progress, capnp::Error> {
        let limit = self.worker.inline_body_bytes;
        let builder = results.get().init_outcome();
        v8::tc_scope!(let scope, scope);
        match api::response::to_wire(scope, context, value, is_head, limit, builder.init_response()) {
            Ok(body) => Ok(Progress::Done(body)),
            Err(Refused::Exceeded(limit)) => Ok(Progress::Exceeded(limit)),
            Err(Refused::Threw(error)) => {
                let exception = match error {
                    jsg::Error::Pending => scope.exception().unwrap_or_else(|| v8::undefined(scope).into()),
                    error => error.to_value(scope),
                };
                Ok(self.threw(scope, context, exception))
            }
        }
    }

    /// What an exception of the handler means for the event.
    ///
    /// The supervisor writes it to its log: it knows which request failed, and bounds how often that is said.
    fn threw<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        context: &IoContext,
        exception: v8::Local<'s, v8::Value>,
    ) -> Progress {
        if let Some(limit) = watch::breach() {
            return Progress::Exceeded(limit);
        }
        let mut text = describe(scope, exception).text();
        text.truncate(text.floor_char_boundary(MAX_FAILURE_TEXT));
        Progress::Failed(failure_kind(context, event_failure::Kind::Exception), text)
    }
}
