//! The life of an event, from its call to its reply.

use std::{cell::RefCell, collections::HashMap, pin::pin, rc::Rc};

use bulkhead_ipc::{
    failure::{HUNG, Thrown, no_handler},
    transport::MAX_LIVE_EVENTS,
    worker_capnp::{self as wire, event_failure},
};
use futures::future::{Either, select};
use tokio::sync::oneshot;

use super::{Delivery, Failure, Kind, Progress, drive, settled};
use crate::{
    api::{
        execution_context::{Props, execution_context, thenable},
        thrown::thrown,
    },
    io::{Event, JsFuture, Outlet, js_future},
    isolate::{describe, script, watch},
    limits::Limit,
    log::Level,
    process::Process,
    worker::{Callee, Entrypoint, Handler, Target, Worker},
};

/// Takes events for one entrypoint.
pub(crate) struct Dispatcher {
    process: Rc<Process>,
    pub(super) outlet: Outlet,
    pub(super) worker: Rc<Worker>,
    /// The name of the entrypoint; `None` for the default one.
    name: Option<Rc<str>>,
    /// `None`: the module has no export of that name. That is tolerated until an event comes.
    entrypoint: Option<Rc<Entrypoint>>,
    props_json: String,
    /// The events that have not been answered yet, by their numbers, and how to cancel them.
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

/// What an exception means for the event.
///
/// The supervisor writes it to its log: it knows which event failed, and bounds how often that is said.
pub(super) fn threw<'s>(scope: &mut v8::PinScope<'s, '_>, exception: v8::Local<'s, v8::Value>) -> Failure {
    if let Some(limit) = watch::breach() {
        return Failure::Exceeded(limit);
    }
    let described = describe(scope, exception);
    let thrown = Thrown { remote: true, ..thrown(scope, exception, &described.message) };
    let mut text = described.text();
    text.truncate(text.floor_char_boundary(MAX_FAILURE_TEXT));
    Failure::Threw(text, thrown)
}

impl wire::event_dispatcher::Server for Dispatcher {
    async fn fetch(
        self: Rc<Self>,
        params: wire::event_dispatcher::FetchParams,
        results: wire::event_dispatcher::FetchResults,
    ) -> Result<(), capnp::Error> {
        match params.get()?.get_request()?.has_connect() {
            true => self.take_connect(params, results).await,
            false => self.take_fetch(params, results).await,
        }
    }

    async fn scheduled(
        self: Rc<Self>,
        params: wire::event_dispatcher::ScheduledParams,
        results: wire::event_dispatcher::ScheduledResults,
    ) -> Result<(), capnp::Error> {
        self.take_scheduled(params, results).await
    }

    async fn test(
        self: Rc<Self>,
        params: wire::event_dispatcher::TestParams,
        results: wire::event_dispatcher::TestResults,
    ) -> Result<(), capnp::Error> {
        self.take_test(params, results).await
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

/// What came of the handler. A failure has no delivery where no event was begun.
pub(super) type Delivered<R> = Result<(Delivery, R), (Option<Delivery>, Failure)>;

impl Dispatcher {
    /// What takes the events of this worker for the entrypoint `name`; empty for the default one.
    pub(crate) fn new(
        process: Rc<Process>,
        outlet: Outlet,
        worker: Rc<Worker>,
        name: &str,
        props_json: String,
    ) -> Self {
        let entrypoint = worker.entrypoint(name).cloned();
        let name = (!name.is_empty()).then(|| name.into());
        Dispatcher { process, outlet, worker, name, entrypoint, props_json, waiting: RefCell::default() }
    }

    /// Begins an event, has its handler called, and waits until that has come to something.
    ///
    /// # Errors
    ///
    /// The message is malformed, or the event was cancelled: there is nobody to tell what came of it.
    pub(super) async fn deliver<K: Kind>(
        &self,
        number: u64,
        kind: &mut K,
    ) -> Result<Delivered<K::Reply>, capnp::Error> {
        let (delivery, mut progress) = match self.begin(number, kind).await? {
            Ok(begun) => begun,
            Err(failure) => return Ok(Err((None, failure))),
        };
        let event = &delivery.event;
        if let Progress::Pending(promise) = progress {
            progress = match self.cancellable(number, self.wait(&delivery, promise, kind)).await {
                Ok(progress) => progress,
                Err(cancelled) => {
                    event.client_left().await;
                    return Err(cancelled);
                }
            };
        }
        Ok(match progress {
            Progress::Done(reply) => Ok((delivery, reply)),
            Progress::Failed(failure) => {
                if let Failure::Exceeded(limit) = failure {
                    event.end(limit);
                }
                Err((Some(delivery), failure))
            }
            Progress::Pending(_) => unreachable!("`wait` ends with a reply or a failure"),
        })
    }

    /// Begins an event, and has its handler called. A failure is one of an event that was not begun.
    ///
    /// # Errors
    ///
    /// The message is malformed.
    pub(super) async fn begin<K: Kind>(
        &self,
        number: u64,
        kind: &mut K,
    ) -> Result<Result<(Delivery, Progress<K::Reply>), Failure>, capnp::Error> {
        if self.worker.isolate.is_exhausted() {
            return Ok(Err(Failure::Exceeded(Limit::Memory)));
        }
        if self.process.active.get() - self.process.exchanges.get() >= MAX_LIVE_EVENTS as usize {
            return Ok(Err(Failure::Told(event_failure::Kind::Busy, String::new())));
        }
        let delivery = Delivery::new(&self.process, &self.worker, self.outlet.clone(), self.name.clone());
        let event = &delivery.event;
        event.set_number_outside(number);
        let mut progress = event.run(|scope| self.call(scope, event, kind)).await?;
        if let Some(limit) = event.breach() {
            progress = Progress::Failed(Failure::Exceeded(limit));
        }
        Ok(Ok((delivery, progress)))
    }

    /// Waits for `future`, unless the event of this number is cancelled before.
    pub(super) async fn cancellable<T>(&self, number: u64, future: impl Future<Output = T>) -> Result<T, capnp::Error> {
        let (sender, cancelled) = oneshot::channel();
        self.waiting.borrow_mut().insert(number, sender);
        let _cancellable = Cancellable(self, number);
        match select(pin!(future), cancelled).await {
            Either::Left((value, _)) => Ok(value),
            Either::Right(_) => Err(capnp::Error::failed("the event was cancelled".into())),
        }
    }

    /// Calls the handler.
    fn call<'s, K: Kind>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        event: &Rc<Event>,
        kind: &mut K,
    ) -> Result<Progress<K::Reply>, capnp::Error> {
        v8::tc_scope!(let scope, scope);
        let mut by_listeners = false;
        let called = match self.callee::<K>(scope, kind.props()) {
            Ok(Some((callee, ctx))) => kind.argument(scope, event)?.and_then(|argument| {
                let argument = argument.into();
                match callee {
                    Callee::Method(method, object) => {
                        let env = v8::Local::new(scope, &self.worker.env);
                        K::call(scope, method, object, &[argument, env.into(), ctx.into()])
                    }
                    Callee::InstanceMethod(method, instance) => {
                        // As in the reference: two arguments that are undefined.
                        let undefined = v8::undefined(scope).into();
                        K::call(scope, method, instance, &[argument, undefined, undefined])
                    }
                    Callee::Listeners => {
                        by_listeners = true;
                        script::call(scope, K::LISTENERS, &[argument, ctx.into()])
                    }
                }
            }),
            Ok(None) => return Ok(Progress::Failed(self.lacks::<K>(event))),
            Err(error) => Err(error),
        };
        let value = match called {
            Ok(value) => value,
            Err(error) => {
                let exception = error.caught(scope);
                return Ok(Progress::Failed(threw(scope, exception)));
            }
        };
        let promise = match v8::Local::<v8::Promise>::try_from(value) {
            Ok(promise) => promise,
            Err(_) if K::is_reply(scope, value) => return Ok(kind.reply(scope, event, value)),
            Err(_) if K::IS_ANSWERED && by_listeners && value.is_undefined() => {
                return Ok(Progress::Failed(Failure::Told(event_failure::Kind::Unanswered, String::new())));
            }
            Err(_) => match thenable(scope, value) {
                Ok(Some(promise)) => promise,
                Ok(None) => return Ok(kind.reply(scope, event, value)),
                Err(error) => {
                    let exception = error.caught(scope);
                    return Ok(Progress::Failed(threw(scope, exception)));
                }
            },
        };
        // Most handlers are done as soon as their microtasks are: no reaction needs to be made for those.
        self.worker.isolate.run_microtasks(scope);
        if let Some(limit) = watch::breach() {
            return Ok(Progress::Failed(Failure::Exceeded(limit)));
        }
        Ok(match promise.state() {
            v8::PromiseState::Fulfilled => {
                let value = promise.result(scope);
                kind.reply(scope, event, value)
            }
            v8::PromiseState::Rejected => {
                promise.mark_as_handled();
                self.worker.isolate.forget_rejection(scope, promise);
                let reason = promise.result(scope);
                Progress::Failed(threw(scope, reason))
            }
            v8::PromiseState::Pending => Progress::Pending(js_future(scope, promise)),
        })
    }

    /// What takes the event, if something does, and the event's `ctx`.
    fn callee<'s, K: Kind>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        props: Option<&[u8]>,
    ) -> jsg::Result<Option<(Callee<'s>, v8::Local<'s, v8::Object>)>> {
        let Some(entrypoint) = &self.entrypoint else { return Ok(None) };
        let ctx = execution_context(scope, props.map_or(Props::Json(&self.props_json), Props::Serialized))?;
        let env = v8::Local::new(scope, &self.worker.env);
        Ok(entrypoint.callee(scope, K::HANDLER, ctx, env)?.map(|callee| (callee, ctx)))
    }

    /// There is no handler, which is logged once.
    fn lacks<K: Kind>(&self, event: &Event) -> Failure {
        let Some(entrypoint) = &self.entrypoint else {
            let text = match &self.name {
                Some(name) => format!("Error: The worker has no such named entrypoint \"{name}\"."),
                None => format!("Error: {}", no_handler(K::HANDLER.name())),
            };
            return Failure::Told(event_failure::Kind::NoHandler, text);
        };
        if K::HANDLER == Handler::Test {
            let told = match entrypoint.target {
                Target::Listeners => K::MISSING,
                _ => "Entrypoint does not export a test() function.",
            };
            return Failure::Told(event_failure::Kind::NoHandler, format!("Error: {told}"));
        }
        let (complaint, told) = match entrypoint.target {
            Target::Actor => (
                format!("worker is not an actor but class name was requested; n = {}", entrypoint.name),
                "Unable to get exported handler".to_owned(),
            ),
            _ => (K::MISSING.to_owned(), no_handler(K::HANDLER.name())),
        };
        let mut complained = entrypoint.complained.get();
        if complained.insert(K::HANDLER) {
            event.log(Level::Error, &complaint);
        }
        entrypoint.complained.set(complained);
        Failure::Told(event_failure::Kind::NoHandler, format!("Error: {told}"))
    }

    /// Waits for the handler's promise, with the event's tasks and timers running.
    async fn wait<K: Kind>(&self, delivery: &Delivery, promise: JsFuture, kind: &mut K) -> Progress<K::Reply> {
        let event = &delivery.event;
        let settled = match drive(event, delivery.deadline(), settled(event, promise)).await {
            Ok(settled) => settled,
            Err(limit) => return Progress::Failed(Failure::Exceeded(limit)),
        };
        // Events that waited for the same thing are all done at once.
        let hold = event.context().hold();
        let _room = self.outlet.room(kind.reply_bytes(&self.worker)).await;
        drop(hold);
        let answer = |scope: &mut v8::PinScope<'_, '_>| match settled {
            Some(Ok(value)) => {
                let value = v8::Local::new(scope, value);
                kind.reply(scope, event, value)
            }
            Some(Err(reason)) => {
                let reason = v8::Local::new(scope, reason);
                Progress::Failed(threw(scope, reason))
            }
            None => Progress::Failed(Failure::Told(event_failure::Kind::Hung, HUNG.into())),
        };
        let progress = event.run(answer).await;
        event.breach().map_or(progress, |limit| Progress::Failed(Failure::Exceeded(limit)))
    }
}
