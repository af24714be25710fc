//! `fetch`: an HTTP request, and the response that its handler gives.

use std::rc::Rc;

use bulkhead_ipc::{
    head::{SWITCHING_PROTOCOLS, is_event_stream, read_response},
    worker_capnp::{
        event_dispatcher::{FetchParams, FetchResults},
        event_failure, fetch_outcome, http_response,
    },
};

use super::{
    Delivery, Failure, Kind, Lasting, Progress,
    deliver::{Dispatcher, threw},
};
use crate::{
    api::fetch::{
        response::{is_answer, is_response},
        wire::{Asked, Refused, from_wire, to_wire},
    },
    io::{Event, Rest},
    isolate::script::{Export, Script},
    streams::StreamingBody,
    worker::{Handler, Worker},
};

/// One request.
struct Fetch<'a> {
    /// Until it was read.
    params: Option<FetchParams>,
    is_head: bool,
    results: &'a mut FetchResults,
    /// Longest body that travels in the reply, in bytes.
    inline_bytes: usize,
    /// What the request has for a WebSocket, until it was answered.
    asked: Option<Asked>,
}

/// What a call says that `ctx.props` is to be.
pub(super) fn props(params: &FetchParams) -> Option<&[u8]> {
    let params = params.get().ok()?;
    params.has_props().then(|| params.get_props().ok())?
}

impl Kind for Fetch<'_> {
    /// A body that is still to be pulled.
    type Reply = Option<StreamingBody>;

    const HANDLER: Handler = Handler::Fetch;
    const LISTENERS: Export = |script: &Script| &script.dispatch_fetch;
    const MISSING: &'static str = "Received a FetchEvent but we lack a handler for FetchEvents. Did you remember to export a \
                                   fetch() function?";
    const IS_ANSWERED: bool = true;

    fn props(&self) -> Option<&[u8]> {
        props(self.params.as_ref()?)
    }

    fn argument<'s>(
        &mut self,
        scope: &mut v8::PinScope<'s, '_>,
        event: &Rc<Event>,
    ) -> Result<jsg::Result<v8::Local<'s, v8::Object>>, capnp::Error> {
        let params = self.params.take().ok_or_else(|| capnp::Error::failed("the request was read before".into()))?;
        let request = params.get()?.get_request()?;
        self.asked = Asked::read(event, request)?;
        from_wire(scope, event, request)
    }

    fn call<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        method: v8::Local<'s, v8::Function>,
        receiver: v8::Local<'s, v8::Object>,
        arguments: &[v8::Local<'s, v8::Value>],
    ) -> jsg::Result<v8::Local<'s, v8::Value>> {
        let value = method.call(scope, receiver.into(), arguments).ok_or(jsg::Error::Pending)?;
        if !is_answer(scope, value)? {
            return Err(jsg::Error::type_error("Callback returned incorrect type; expected 'Promise'"));
        }
        Ok(value)
    }

    fn is_reply<'s>(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> bool {
        is_response(scope, value)
    }

    fn reply_bytes(&self, worker: &Worker) -> usize {
        worker.inline_body_bytes
    }

    fn reply<'s>(
        &mut self,
        scope: &mut v8::PinScope<'s, '_>,
        event: &Rc<Event>,
        value: v8::Local<'s, v8::Value>,
    ) -> Progress<Self::Reply> {
        v8::tc_scope!(let scope, scope);
        let builder = self.results.get().init_outcome().init_response();
        match to_wire(scope, event, value, self.is_head, self.inline_bytes, self.asked.take(), builder) {
            Ok(body) => Progress::Done(body),
            Err(Refused::Exceeded(limit)) => Progress::Failed(Failure::Exceeded(limit)),
            Err(Refused::Threw(error)) => {
                let exception = error.caught(scope);
                Progress::Failed(threw(scope, exception))
            }
        }
    }
}

/// How long the body of a response may last.
fn lasting(response: http_response::Reader<'_>) -> Lasting {
    if response.get_status() == SWITCHING_PROTOCOLS {
        return Lasting::Exchange;
    }
    let mut is_stream = false;
    let read = read_response(response, false).and_then(|head| {
        head.headers.read(|name, value| {
            is_stream |= name.eq_ignore_ascii_case(b"content-type") && is_event_stream(value);
            Ok(())
        })
    });
    if read.is_ok() && is_stream { Lasting::Events } else { Lasting::Limited }
}

impl Dispatcher {
    pub(super) async fn take_fetch(&self, params: FetchParams, mut results: FetchResults) -> Result<(), capnp::Error> {
        let number = params.get()?.get_event();
        let is_head = params.get()?.get_request()?.get_method()?.as_bytes() == b"HEAD";
        let inline_bytes = self.worker.inline_body_bytes;
        let mut fetch = Fetch { params: Some(params), is_head, results: &mut results, inline_bytes, asked: None };
        let (delivery, mut failure) = match self.deliver(number, &mut fetch).await? {
            Ok((delivery, body)) => {
                let outcome = results.get().get_outcome()?.into_reader();
                let response =
                    if let Ok(fetch_outcome::Response(response)) = outcome.which() { response.ok() } else { None };
                delivery.finish(body, response.map_or(Lasting::Limited, lasting));
                return Ok(());
            }
            Err(failed) => failed,
        };
        if let Some(Delivery { event, .. }) = &delivery {
            let passes_through = event.passes_through();
            failure = match failure {
                Failure::Threw(text, _)
                | Failure::Told(event_failure::Kind::Hung | event_failure::Kind::Unanswered, text)
                    if passes_through =>
                {
                    Failure::PassedOn(event_failure::Kind::PassThrough, text, event.rest_of_request())
                }
                Failure::Told(kind @ event_failure::Kind::Unanswered, text) => {
                    Failure::PassedOn(kind, text, event.rest_of_request())
                }
                other => other,
            };
        }
        drop(delivery);
        let bytes = if let Failure::PassedOn(_, _, Rest::Had { unread, .. }) = &failure { unread.len() } else { 0 };
        let _room = if bytes > 0 { self.outlet.room(bytes).await } else { None };
        failure.write(results.get().init_outcome().init_failure());
        Ok(())
    }
}
