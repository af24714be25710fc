//! The life of an event, from its call to its reply.

use std::{cell::RefCell, collections::HashMap, pin::pin, rc::Rc};

use bulkhead_ipc::{
    transport::MAX_LIVE_EVENTS,
    worker_capnp::{self as wire, event_failure},
};
use futures::future::{Either, select};
use tokio::sync::oneshot;

use super::{Delivery, drive, settled};
use crate::{
    api,
    io::{Event, HUNG, JsFuture, Outlet, js_future},
    isolate::{describe, script, watch},
    limits::{self, Limit},
    log::{Level, Source},
    process::Process,
    worker::{Entrypoint, Target, Worker},
};

/// Takes events for one entrypoint.
pub(crate) struct Dispatcher {
    process: Rc<Process>,
    outlet: Outlet,
    pub(super) worker: Rc<Worker>,
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
fn failure_kind(event: &Event, kind: event_failure::Kind) -> event_failure::Kind {
    if event.passes_through() { event_failure::Kind::PassThrough } else { kind }
}

/// How far the handler came when it was called.
pub(super) enum Progress {
    /// The reply is complete. A body that is still to be pulled keeps the event alive.
    Done(Option<crate::streams::StreamingBody>),
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
        let delivery = Delivery::new(&self.process, &self.worker, self.outlet.clone());
        let event = &delivery.event;
        let mut progress = event.run(|scope| self.deliver(scope, event, request, is_head, &mut results)).await?;
        drop(params);
        if let Some(limit) = event.breach() {
            progress = Progress::Exceeded(limit);
        }
        if let Progress::Pending(promise) = progress {
            let (sender, cancelled) = oneshot::channel();
            self.waiting.borrow_mut().insert(number, sender);
            let _cancellable = Cancellable(&self, number);
            let answered = pin!(self.wait(&delivery, promise, is_head, &mut results));
            progress = match select(answered, cancelled).await {
                Either::Left((progress, _)) => progress?,
                Either::Right(_) => return Err(capnp::Error::failed("the event was cancelled".into())),
            };
        }
        match progress {
            Progress::Done(body) => delivery.finish(body),
            Progress::Exceeded(limit) => {
                event.end(limit);
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

impl Dispatcher {
    pub(crate) fn new(
        process: Rc<Process>,
        outlet: Outlet,
        worker: Rc<Worker>,
        entrypoint: Option<Rc<Entrypoint>>,
        props_json: String,
    ) -> Self {
        Dispatcher { process, outlet, worker, entrypoint, props_json, waiting: RefCell::default() }
    }

    /// Calls the handler.
    fn deliver<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        event: &Rc<Event>,
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
        let called = api::fetch::wire::from_wire(scope, event.context(), request)?.and_then(|request| {
            let ctx = api::execution_context::execution_context(scope, event.context(), &self.props_json)?;
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
                Target::Listeners => {
                    script::call(scope, |script| &script.dispatch_fetch, &[request.into(), ctx.into()]).ok()
                }
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
                return Ok(self.threw(scope, event, exception));
            }
        };
        let promise = match v8::Local::<v8::Promise>::try_from(value) {
            Ok(promise) => promise,
            Err(_) if !value.is_object() || api::fetch::response::is_response(scope, value) => {
                return self.respond(scope, event, value, is_head, results);
            }
            // It may be thenable.
            Err(_) => {
                let resolver =
                    v8::PromiseResolver::new(scope).filter(|resolver| resolver.resolve(scope, value).is_some());
                let Some(resolver) = resolver else {
                    let exception = scope.exception().unwrap_or_else(|| v8::undefined(scope).into());
                    return Ok(self.threw(scope, event, exception));
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
                self.respond(scope, event, value, is_head, results)
            }
            v8::PromiseState::Rejected => {
                promise.mark_as_handled();
                self.worker.isolate.forget_rejection(scope, promise);
                let reason = promise.result(scope);
                Ok(self.threw(scope, event, reason))
            }
            v8::PromiseState::Pending => Ok(Progress::Pending(js_future(scope, promise))),
        }
    }

    /// Waits for the handler's promise, with the event's tasks and timers running.
    async fn wait(
        &self,
        delivery: &Delivery,
        promise: JsFuture,
        is_head: bool,
        results: &mut wire::event_dispatcher::FetchResults,
    ) -> Result<Progress, capnp::Error> {
        let event = &delivery.event;
        let settled = match drive(event, delivery.deadline(), settled(event, promise)).await {
            Ok(settled) => settled,
            Err(limit) => return Ok(Progress::Exceeded(limit)),
        };
        // Events that waited for the same thing are all done at once.
        let hold = event.context().hold();
        let _room = self.outlet.room(self.worker.inline_body_bytes).await;
        drop(hold);
        let answer = |scope: &mut v8::PinScope<'_, '_>| match settled {
            Some(Ok(value)) => {
                let value = v8::Local::new(scope, value);
                self.respond(scope, event, value, is_head, results)
            }
            Some(Err(reason)) => {
                let reason = v8::Local::new(scope, reason);
                Ok(self.threw(scope, event, reason))
            }
            None => Ok(Progress::Failed(failure_kind(event, event_failure::Kind::Hung), HUNG.into())),
        };
        let progress = event.run(answer).await?;
        Ok(event.breach().map_or(progress, Progress::Exceeded))
    }

    /// What an exception of the handler means for the event.
    ///
    /// The supervisor writes it to its log: it knows which request failed, and bounds how often that is said.
    pub(super) fn threw<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        event: &Event,
        exception: v8::Local<'s, v8::Value>,
    ) -> Progress {
        if let Some(limit) = watch::breach() {
            return Progress::Exceeded(limit);
        }
        let mut text = describe(scope, exception).text();
        text.truncate(text.floor_char_boundary(MAX_FAILURE_TEXT));
        Progress::Failed(failure_kind(event, event_failure::Kind::Exception), text)
    }
}
