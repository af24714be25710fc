//! Events: what comes in, and how it is answered.
//!
//! The life of an event is written once, here and in [`deliver`]; a kind of event adds its argument and its reply, in a file of its
//! own. To add one: a file beside [`fetch`] and [`scheduled`] with a [`Kind`] and how its call is read and its reply written, a method
//! of the wire in `deliver.rs`, and what its handler is given in `api`. `worker/handler.rs` names all kinds.
//!
//! Invariants:
//!
//! - `worker` and `api` know no event: only `rpc` stands above this room.
//! - An event is answered once, and what was given to `waitUntil` runs to its end whatever became of the answer.
//! - Nothing of an event is left when its [`Delivery`] is dropped but what was given to `waitUntil`.
//! - A handler that is done when its microtasks are is answered without another turn of the event loop.

mod bench;
mod connect;
mod deliver;
mod fetch;
mod scheduled;
mod test;

use std::{pin::pin, rc::Rc, task::Poll, time::Duration};

use bulkhead_ipc::{failure::Thrown, worker_capnp::event_failure};
pub(crate) use deliver::Dispatcher;
use tokio::time::Instant;

use crate::{
    io::{Event, IoContext, JsFuture, Outlet, Rest, Settled},
    isolate::script::Export,
    limits::{self, Limit, bound},
    process::{Active, Process},
    worker::{Handler, Worker},
};

/// What differs between kinds of event. One is taken by reading the call, [`Dispatcher::deliver`], and writing the reply.
trait Kind {
    /// What is left to be done with an event whose handler has come to its end.
    type Reply;

    /// Whose handler is called.
    const HANDLER: Handler;
    /// What delivers it to the listeners of a script: it is given the argument and `ctx`.
    const LISTENERS: Export;
    /// What is logged when there is no handler.
    const MISSING: &'static str;
    /// Whether listeners are to give a reply.
    const IS_ANSWERED: bool = false;

    /// What `ctx.props` is to be in the place of what the dispatcher has for it.
    fn props(&self) -> Option<&[u8]> {
        None
    }

    /// The first argument of the handler, before `env` and `ctx`. Called once.
    ///
    /// # Errors
    /// Outside: the message is malformed. Inside: what the event fails with.
    fn argument<'s>(
        &mut self,
        scope: &mut v8::PinScope<'s, '_>,
        event: &Rc<Event>,
    ) -> Result<jsg::Result<v8::Local<'s, v8::Object>>, capnp::Error>;

    /// Calls a handler that is a method.
    ///
    /// # Errors
    /// What it throws, and that it gives nothing that this kind of event can be answered with.
    fn call<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        method: v8::Local<'s, v8::Function>,
        receiver: v8::Local<'s, v8::Object>,
        arguments: &[v8::Local<'s, v8::Value>],
    ) -> jsg::Result<v8::Local<'s, v8::Value>> {
        method.call(scope, receiver.into(), arguments).ok_or(jsg::Error::Pending)
    }

    /// Whether an object that a handler gave is what it is to give, and not maybe something with a `then`.
    fn is_reply<'s>(_: &mut v8::PinScope<'s, '_>, _: v8::Local<'s, v8::Value>) -> bool {
        false
    }

    /// How much room the reply may take on the connection, in bytes.
    fn reply_bytes(&self, _: &Worker) -> usize {
        0
    }

    /// Makes the reply of what the handler gave.
    fn reply<'s>(
        &mut self,
        scope: &mut v8::PinScope<'s, '_>,
        event: &Rc<Event>,
        value: v8::Local<'s, v8::Value>,
    ) -> Progress<Self::Reply>;
}

/// How far a handler has come.
enum Progress<R> {
    Done(R),
    /// Its promise is pending.
    Pending(JsFuture),
    Failed(Failure),
}

/// Why an event has failed.
enum Failure {
    /// The limit that ended it.
    Exceeded(Limit),
    /// Anything else, in words for the log.
    Told(event_failure::Kind, String),
    /// What the handler has thrown, in words for the log, and for another worker that called this one.
    Threw(String, Thrown),
    /// The request is for what the global `fetch()` goes to, with what is left of its body; and why, in words for the log.
    PassedOn(event_failure::Kind, String, Rest),
}

impl Failure {
    fn write(&self, mut to: event_failure::Builder<'_>) {
        match self {
            Failure::Exceeded(limit) => {
                to.set_kind(event_failure::Kind::Exceeded);
                to.set_limit(*limit);
                to.set_message(limits::text(*limit));
            }
            Failure::Told(kind, message) => {
                to.set_kind(*kind);
                to.set_message(message.as_str());
                if let Some(text) = message.strip_prefix("Error: ") {
                    Thrown::plain(text).write(to.init_thrown());
                }
            }
            Failure::Threw(message, thrown) => {
                to.set_kind(event_failure::Kind::Exception);
                to.set_message(message.as_str());
                thrown.write(to.init_thrown());
            }
            Failure::PassedOn(kind, message, rest) => {
                to.set_kind(*kind);
                to.set_message(message.as_str());
                let mut to = to.init_rest();
                match rest {
                    Rest::HandedOn => to.set_handed_on(()),
                    Rest::Had { read, unread, ended } => {
                        let mut to = to.init_had();
                        to.set_read(*read);
                        to.set_unread(unread);
                        to.set_ended(*ended);
                    }
                }
            }
        }
    }
}

/// How long the body of a response may last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lasting {
    Limited,
    /// A stream of events: for as long as both sides like.
    Events,
    /// What goes over an upgraded connection: the same.
    Exchange,
}

/// An event that is being answered.
///
/// When it is dropped, because it was answered or because the client is gone, what was given to `waitUntil` still runs to
/// its end, as in the reference; everything else that the event owns ends with it.
struct Delivery {
    event: Rc<Event>,
    process: Rc<Process>,
    active: Active,
}

impl Delivery {
    fn new(process: &Rc<Process>, worker: &Worker, outlet: Outlet, entrypoint: Option<Rc<str>>) -> Self {
        let event = Event::new(IoContext::new(worker.isolate.clone()), outlet, entrypoint);
        Delivery { event, process: process.clone(), active: Active::new(process) }
    }

    /// When the response must have come to its end.
    fn deadline(&self) -> Option<Deadline> {
        let limit = bound(self.event.isolate().limits().wall_time);
        limit.map(|limit| Deadline::new(self.event.started(), limit, Limit::WallTime))
    }

    /// The reply is made; a body that is still to be pulled keeps the event alive.
    fn finish(mut self, body: Option<crate::streams::StreamingBody>, lasting: Lasting) {
        self.event.set_answered();
        if let Some(body) = body {
            let deadline = if lasting == Lasting::Limited { self.deadline() } else { None };
            if lasting != Lasting::Limited {
                self.event.goes_on();
            }
            if lasting == Lasting::Exchange {
                self.active.exchange();
            }
            tokio::task::spawn_local(async move {
                let ended = drive(&self.event, deadline, body.clone().wait()).await;
                if ended.is_ok() && !body.is_whole() {
                    self.event.client_left().await;
                }
            });
        }
    }
}

impl Delivery {
    /// Waits until what was given to `waitUntil` has settled, or nothing is left that could settle it.
    fn wait_until(&self) -> impl Future<Output = Result<(), Limit>> + use<> {
        let event = self.event.clone();
        async move {
            let limit = bound(event.isolate().limits().wait_until);
            let deadline = limit.map(|limit| Deadline::new(Instant::now(), limit, Limit::WaitUntil));
            let ended = |cx: &mut std::task::Context<'_>| match event.poll_settled(cx) {
                Poll::Pending if event.is_hung() => Poll::Ready(()),
                settled => settled,
            };
            drive(&event, deadline, std::future::poll_fn(ended)).await
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.event.set_answered();
        // A promise that nothing is left to settle is not waited for.
        if self.event.is_settled() || self.event.is_hung() {
            return self.event.end_uploads();
        }
        let (rest, active, event) = (self.wait_until(), Active::new(&self.process), self.event.clone());
        tokio::task::spawn_local(async move {
            // A limit that ends it was reported where it did.
            let _ = rest.await;
            event.end_uploads();
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
async fn settled(event: &Event, mut promise: impl Future<Output = Settled> + Unpin) -> Option<Settled> {
    std::future::poll_fn(|cx| match std::pin::Pin::new(&mut promise).poll(cx) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending if event.is_hung() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Runs the tasks and timers of an event until `end`, or until a limit has ended the event.
async fn drive<T>(event: &Rc<Event>, deadline: Option<Deadline>, end: impl Future<Output = T>) -> Result<T, Limit> {
    let mut end = pin!(end);
    let mut expired = pin!(async {
        match deadline {
            Some(deadline) => event.context().reached(deadline.at).await,
            None => std::future::pending().await,
        }
    });
    std::future::poll_fn(|cx| {
        let _ = event.context().poll_tasks(cx);
        if event.breach().is_none()
            && let Poll::Ready(value) = end.as_mut().poll(cx)
        {
            return Poll::Ready(Ok(value));
        }
        if let Some(deadline) = deadline
            && expired.as_mut().poll(cx).is_ready()
        {
            event.end(deadline.limit);
        }
        event.breach().map_or(Poll::Pending, |limit| Poll::Ready(Err(limit)))
    })
    .await
}
