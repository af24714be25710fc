//! One HTTP request to a worker: the body on its way, the call, and what became of it.

use std::rc::Rc;

use bulkhead_ipc::{
    copy::copy,
    head::{MIN_SENT_BACK, SWITCHING_PROTOCOLS, to_body_length},
    worker_capnp::{Limit, event_dispatcher, event_failure, fetch_outcome, http_request, http_response},
};
use bytes::Bytes;
use http::Method;
use http_body::Body as _;

use super::{
    WorkerService,
    call::{answer, read_failure},
    head::{Kept, head_bytes, read_response, write_head},
    passed::{Had, Passed},
    violation,
};
use crate::{
    body::Body,
    link::{
        Link, Ticket,
        body::{BodySource, CancelOnDrop, Ready, collect_ready},
    },
    service::{Depth, OwnProps, ServiceError},
    upgrade,
};

/// What came of a request that a worker was sent.
pub(super) enum Sent {
    Response(http::Response<Body>),
    /// Another service is to answer it.
    Passed(Passed),
}

impl WorkerService {
    /// Sends a request to the worker. The caller keeps the head, for a request that the worker passes on.
    pub(super) async fn send(
        &self,
        ticket: Ticket,
        dispatcher: &event_dispatcher::Client,
        (parts, cf_json): (&http::request::Parts, &str),
        own_props: Option<OwnProps>,
        outgoing: Outgoing,
    ) -> Result<Sent, ServiceError> {
        let link = ticket.link().clone();
        // A worker that reads slowly delays its own requests, and does not make them pile up here.
        let props = own_props.as_ref().map_or(&[][..], |OwnProps(props)| props);
        let room = link.connection.reserve(outgoing.inline_bytes() + head_bytes(parts, cf_json) + props.len()).await;

        let mut call = dispatcher.fetch_request();
        let mut to = call.get().init_request();
        write_head(to.reborrow(), parts, cf_json);
        let had = match &outgoing {
            Outgoing::None => Had::None,
            Outgoing::Whole(bytes) => Had::Whole(bytes.clone()),
            Outgoing::Stream(source, _) => Had::Stream(source.clone()),
        };
        let upgrade = upgrade::asks(parts);
        to.set_upgrade(upgrade);
        let upload = outgoing.write(&link, to);
        let is_head = parts.method == Method::HEAD;
        let for_socket = parts.extensions.get::<Depth>().is_none();
        call.get().set_event(ticket.number());
        if own_props.is_some() {
            call.get().set_props(props);
        }
        let promise = call.send().promise;
        drop(room);
        let reply = answer(promise, dispatcher, &ticket).await?;
        let outcome = reply
            .get()
            .and_then(|results| results.get_outcome())
            .and_then(|outcome| Ok(outcome.which()?))
            .map_err(|error| violation(&link, &error.to_string()))?;
        match outcome {
            fetch_outcome::Failure(failure) => {
                let failure = failure.map_err(|error| violation(&link, &error.to_string()))?;
                let broken = upload.as_ref().is_some_and(|upload| upload.0.is_broken());
                if broken {
                    return Err(ServiceError::BrokenRequest);
                }
                let error = read_failure(failure, link.name());
                let error = error.unwrap_or_else(|error| violation(&link, &error.to_string()));
                let failed = match failure.get_kind() {
                    Ok(event_failure::Kind::PassThrough) => Some(error.to_string()),
                    Ok(event_failure::Kind::Unanswered) => None,
                    _ => {
                        if let Some(upload) = upload {
                            upload.response_sent(link.policy().wait_until);
                        }
                        return Err(error);
                    }
                };
                let passed = Passed::read(&link, failure, failed, had);
                passed.map(Sent::Passed).map_err(|what| violation(&link, &what))
            }
            fetch_outcome::Response(response) => {
                let response = response.map_err(|error| violation(&link, &error.to_string()))?;
                let sent = match had {
                    Had::Whole(bytes) if bytes.len() >= MIN_SENT_BACK => Some(bytes),
                    _ => None,
                };
                let inline = match response.get_body().which() {
                    Ok(http_response::body::Bytes(Ok(bytes))) => bytes.len() as u64,
                    Ok(http_response::body::Request(())) => sent.as_ref().map_or(0, Bytes::len) as u64,
                    _ => 0,
                };
                if response.get_status() == SWITCHING_PROTOCOLS && upgrade && !ticket.place().exchange() {
                    let text = "as many connections to the process are upgraded as may be";
                    return Err(ServiceError::Unavailable(text.to_owned()));
                }
                let kept = Kept { upload, sent, ticket };
                let response = read_response(response, is_head, for_socket, upgrade, kept)
                    .map_err(|what| violation(&link, &what))?;
                let limit = link.policy().response_body_bytes;
                if limit != 0 && inline > limit {
                    link.too_long();
                    return Err(ServiceError::Exceeded(Limit::ResponseBody));
                }
                Ok(Sent::Response(response))
            }
        }
    }
}

/// A request body on its way.
pub(super) enum Outgoing {
    None,
    Whole(Bytes),
    /// With its length, where that is known.
    Stream(Rc<BodySource>, Option<u64>),
}

impl Outgoing {
    /// What goes to a worker in place of HTTP, if it comes to that. No limit says how much that may be.
    pub(super) fn exchange(body: Body, ticket: &Ticket) -> Self {
        Outgoing::Stream(BodySource::exchange(body, ticket), None)
    }

    /// Reads what there is of `body`, up to `inline` bytes. `announced`: the request's head says that there is one.
    ///
    /// `None`: it is longer than `limit` already; one that turns out to be breaks off there.
    ///
    /// A body that is broken from its start goes to the handler all the same: it may not want to read it.
    pub(super) async fn prepare(
        mut body: Body,
        announced: bool,
        inline: usize,
        limit: u64,
        ticket: &Ticket,
    ) -> Option<Self> {
        if body.is_end_stream() {
            // `Content-Length: 0` is a body without bytes, and `request.body` is not null.
            return Some(if announced { Outgoing::Whole(Bytes::new()) } else { Outgoing::None });
        }
        let length = body.size_hint().exact();
        let on_demand = body.is_on_demand();
        let ready = match &mut body {
            Body::Bytes(bytes) if bytes.len() <= inline => Ready::Whole(std::mem::take(bytes)),
            // Whether it is sent at all is for the worker to say.
            _ if on_demand => Ready::Begun(Bytes::new()),
            // Known to be too long: not a byte is read before the worker asks.
            _ if length.is_some_and(|length| length > inline as u64) => Ready::Begun(Bytes::new()),
            _ => collect_ready(&mut body, inline).await,
        };
        let (Ready::Whole(bytes) | Ready::Begun(bytes) | Ready::Broken(bytes)) = &ready;
        if bytes.len() as u64 > limit {
            return None;
        }
        Some(match ready {
            Ready::Whole(bytes) => Outgoing::Whole(bytes),
            Ready::Begun(bytes) => {
                let source = BodySource::new(bytes, body, limit, ticket);
                Outgoing::Stream(source, length)
            }
            Ready::Broken(bytes) => {
                let source = BodySource::broken(bytes, ticket);
                Outgoing::Stream(source, length)
            }
        })
    }

    /// Bytes that travel in the message.
    fn inline_bytes(&self) -> usize {
        match self {
            Outgoing::Whole(bytes) => bytes.len(),
            Outgoing::None | Outgoing::Stream(..) => 0,
        }
    }

    /// Puts the body into the message. What it returns has to be kept until the request has ended.
    fn write(self, link: &Link, mut to: http_request::Builder<'_>) -> Option<CancelOnDrop> {
        match self {
            Outgoing::None => to.init_body().set_none(()),
            Outgoing::Whole(bytes) => copy(to.init_body().init_bytes(bytes.len() as u32), &bytes),
            Outgoing::Stream(source, length) => {
                to.set_body_length(to_body_length(length));
                to.init_body().set_stream(link.offer_body(source.clone()));
                return Some(CancelOnDrop(source));
            }
        }
        None
    }
}
