//! The service that is a worker: one call for one request.

use std::rc::Rc;

use bulkhead_ipc::{
    calls::Call,
    head::{self, HeadLimits, MAX_STATUS_TEXT},
    transport::MAX_LIVE_EVENTS,
    worker_capnp::{Limit, byte_source, event_dispatcher, event_failure, fetch_outcome, http_request, http_response},
};
use bytes::Bytes;
use capnp::capability::Promise;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body::Body as _;

use super::{LocalFuture, PassedThrough, Service, ServiceError, ServiceRequest};
use crate::{
    body::Body,
    config::policy::INLINE_BODY_BYTES,
    fleet::ShardFleet,
    link::{
        Link, Ticket,
        body::{BodySource, CancelOnDrop, Ready, RemoteBody, collect_ready},
    },
    text::quote,
};

/// Stands for a body whose length is not known.
const UNKNOWN: u64 = u64::MAX;

/// Answers requests by a worker process. One value for each use of a worker: a socket or a binding, with its entrypoint
/// and parameters.
pub struct WorkerService {
    fleet: ShardFleet,
    service: usize,
    entrypoint: Option<String>,
    props_json: Option<String>,
    dispatcher: crate::fleet::DispatcherCache,
}

impl WorkerService {
    /// The worker with index `service` in the configuration, at the named export `entrypoint` or the default one, with
    /// `props_json` for `ctx.props`.
    pub fn new(fleet: ShardFleet, service: usize, entrypoint: Option<String>, props_json: Option<String>) -> Self {
        Self { fleet, service, entrypoint, props_json, dispatcher: Default::default() }
    }

    async fn answer(&self, request: ServiceRequest) -> Result<http::Response<Body>, ServiceError> {
        let limit = self.fleet.policy(self.service).request_body_bytes;
        let limit = if limit == 0 { u64::MAX } else { limit };
        let ServiceRequest { http: request, cf_json } = request;
        let (parts, body) = request.into_parts();
        // Where the head says it, the worker never sees the request.
        if body.size_hint().lower() > limit {
            return Err(self.too_long());
        }
        let (entrypoint, props) = (self.entrypoint.as_deref(), self.props_json.as_deref());
        let (ticket, dispatcher) = self.dispatcher.begin(&self.fleet, self.service, entrypoint, props).await?;
        let link = ticket.link().clone();
        let announced =
            parts.headers.contains_key(header::CONTENT_LENGTH) || parts.headers.contains_key(header::TRANSFER_ENCODING);
        let outgoing = Outgoing::prepare(body, announced, INLINE_BODY_BYTES as usize, limit, &ticket).await;
        let Some(outgoing) = outgoing else { return Err(self.too_long()) };
        let source = match &outgoing {
            Outgoing::Stream(source, _) => Some(source.clone()),
            _ => None,
        };
        let deadline = ticket.deadline();
        let overdue = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let too_long = async {
            match &source {
                Some(source) => source.too_long().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = too_long => Err(self.too_long()),
            answer = self.send(ticket, &dispatcher, parts, cf_json, outgoing) => answer,
            () = overdue => {
                link.overdue();
                Err(ServiceError::Exceeded(Limit::WallTime))
            }
        }
    }

    fn too_long(&self) -> ServiceError {
        self.fleet.refused(self.service);
        ServiceError::Refused(StatusCode::PAYLOAD_TOO_LARGE, "Payload Too Large".to_owned())
    }

    async fn send(
        &self,
        ticket: Ticket,
        dispatcher: &event_dispatcher::Client,
        parts: http::request::Parts,
        cf_json: Option<String>,
        outgoing: Outgoing,
    ) -> Result<http::Response<Body>, ServiceError> {
        let link = ticket.link().clone();
        // A worker that reads slowly delays its own requests, and does not make them pile up here.
        let room = link.connection.reserve(outgoing.inline_bytes() + head_bytes(&parts, cf_json.as_deref())).await;

        let mut call = dispatcher.fetch_request();
        let mut to = call.get().init_request();
        write_head(to.reborrow(), &parts, cf_json.as_deref());
        let upload = outgoing.write(to);
        let is_head = parts.method == Method::HEAD;
        // The head lives in the message now.
        drop((parts, cf_json));
        let number = ticket.number();
        call.get().set_event(number);
        let dispatcher = dispatcher.clone();
        let cancel = move || {
            let mut request = dispatcher.cancel_request();
            request.get().set_event(number);
            Promise::from_future(async move { request.send().promise.await.map(drop) })
        };
        let reply = Call::new(call.send().promise, Some(link.connection.clone()), ticket.place().clone(), cancel);
        drop(room);
        let reply = reply.await.map_err(|error| link.failure(&error))?;
        let outcome = reply
            .get()
            .and_then(|results| results.get_outcome())
            .and_then(|outcome| Ok(outcome.which()?))
            .map_err(|error| violation(&link, &error.to_string()))?;
        match outcome {
            fetch_outcome::Failure(failure) => {
                let failure = failure.map_err(|error| violation(&link, &error.to_string()))?;
                let name = link.name();
                let broken = upload.as_ref().is_some_and(|upload| upload.0.is_broken());
                if let Some(upload) = upload {
                    upload.response_sent(link.policy().wait_until);
                }
                if broken {
                    return Err(ServiceError::BrokenRequest);
                }
                read_failure(failure, name).unwrap_or_else(|error| Err(violation(&link, &error.to_string())))
            }
            fetch_outcome::Response(response) => {
                let response = response.map_err(|error| violation(&link, &error.to_string()))?;
                let response =
                    read_response(response, is_head, upload, ticket).map_err(|what| violation(&link, &what))?;
                let limit = link.policy().response_body_bytes;
                if limit != 0 && matches!(response.body(), Body::Bytes(bytes) if bytes.len() as u64 > limit) {
                    link.too_long();
                    return Err(ServiceError::Exceeded(Limit::ResponseBody));
                }
                Ok(response)
            }
        }
    }
}

impl Service for WorkerService {
    fn fetch(&self, request: ServiceRequest) -> LocalFuture<'_, Result<http::Response<Body>, ServiceError>> {
        Box::pin(self.answer(request))
    }

    fn crowded(&self) -> LocalFuture<'_, ()> {
        Box::pin(self.dispatcher.crowded())
    }
}

/// Ends the process that sent what no correct worker sends.
fn violation(link: &Rc<Link>, what: &str) -> ServiceError {
    link.connection.violation(what);
    ServiceError::Unavailable(format!("the worker broke the protocol: {}", quote(what)))
}

/// A request body on its way.
enum Outgoing {
    None,
    Whole(Bytes),
    Stream(Rc<BodySource>, u64),
}

impl Outgoing {
    /// Reads what there is of `body`, up to `inline` bytes. `announced`: the request's head says that there is one.
    ///
    /// `None`: it is longer than `limit` already; one that turns out to be breaks off there.
    ///
    /// A body that is broken from its start goes to the handler all the same: it may not want to read it.
    async fn prepare(mut body: Body, announced: bool, inline: usize, limit: u64, ticket: &Ticket) -> Option<Self> {
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
                Outgoing::Stream(source, length.unwrap_or(UNKNOWN))
            }
            Ready::Broken(bytes) => {
                let source = BodySource::broken(bytes, ticket);
                Outgoing::Stream(source, length.unwrap_or(UNKNOWN))
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
    fn write(self, mut to: http_request::Builder<'_>) -> Option<CancelOnDrop> {
        match self {
            Outgoing::None => to.init_body().set_none(()),
            Outgoing::Whole(bytes) => to.init_body().set_bytes(&bytes),
            Outgoing::Stream(source, length) => {
                to.set_body_length(length);
                let client: byte_source::Client = capnp_rpc::new_client_from_rc(source.clone());
                to.init_body().set_stream(client);
                return Some(CancelOnDrop(source));
            }
        }
        None
    }
}

/// About how long a request's head is on the wire.
fn head_bytes(parts: &http::request::Parts, cf_json: Option<&str>) -> usize {
    let headers = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    parts.uri.path().len()
        + parts.uri.query().map_or(0, str::len)
        + cf_json.map_or(0, str::len)
        + headers.sum::<usize>()
}

fn write_head(mut to: http_request::Builder<'_>, parts: &http::request::Parts, cf_json: Option<&str>) {
    to.set_method(parts.method.as_str());
    to.set_url(parts.uri.to_string().as_str());
    if let Some(cf_json) = cf_json {
        to.set_cf_json(cf_json);
    }
    let headers = to.init_headers(parts.headers.len() as u32);
    head::write(headers, parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
}

/// Longest text about a failure that is kept, in characters.
const MAX_FAILURE: usize = 8 << 10;

/// What a failure means for the request of the worker called `name`.
fn read_failure(
    failure: event_failure::Reader<'_>,
    name: &str,
) -> capnp::Result<Result<http::Response<Body>, ServiceError>> {
    let message = failure.get_message()?;
    let message: String = String::from_utf8_lossy(message.as_bytes()).chars().take(MAX_FAILURE).collect();
    let text = match failure.get_kind()? {
        event_failure::Kind::Exception | event_failure::Kind::PassThrough => message,
        event_failure::Kind::NoHandler => "Error: Handler does not export a fetch() function.".to_owned(),
        event_failure::Kind::Hung => {
            "Error: The Workers runtime canceled this request because it detected that your Worker's code had hung and \
             would never generate a response. Refer to: https://developers.cloudflare.com/workers/observability/errors/"
                .to_owned()
        }
        event_failure::Kind::Busy => {
            let text =
                format!("{MAX_LIVE_EVENTS} events live in the process, with those that only wait for waitUntil()");
            return Ok(Err(ServiceError::Unavailable(text)));
        }
        event_failure::Kind::Exceeded => return Ok(Err(ServiceError::Exceeded(failure.get_limit()?))),
    };
    let text = format!("worker \"{}\": Uncaught {text}", quote(name));
    if failure.get_kind()? == event_failure::Kind::PassThrough {
        return Ok(Ok(nothing_behind(text)));
    }
    Ok(Err(ServiceError::Exception(text)))
}

/// The response when a worker passes a request on that nothing else could answer: the reference's empty 500.
fn nothing_behind(text: String) -> http::Response<Body> {
    let mut response = http::Response::new(Body::Empty);
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.extensions_mut().insert(PassedThrough(text));
    response
}

/// Headers that say how a message travels. That is between the socket and its client; a worker that could set them could
/// make one response look like two.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(*name, header::CONNECTION | header::TRANSFER_ENCODING | header::UPGRADE | header::TE | header::TRAILER)
        || name == "keep-alive"
        || name == "proxy-connection"
}

fn read_response(
    response: http_response::Reader<'_>,
    is_head: bool,
    mut upload: Option<CancelOnDrop>,
    ticket: Ticket,
) -> Result<http::Response<Body>, String> {
    let number = response.get_status();
    let status = StatusCode::from_u16(number)
        .ok()
        .filter(|status| (200..600).contains(&status.as_u16()))
        .ok_or_else(|| format!("a response with status {number}"))?;
    let list = response.get_headers().map_err(|error| error.to_string())?;
    let mut headers = HeaderMap::with_capacity(list.len().min(HeadLimits::default().max_headers) as usize);
    head::read(list, HeadLimits::default(), |name, value| {
        let name = HeaderName::from_bytes(name).map_err(|_| "an invalid header name".to_owned())?;
        let value = HeaderValue::from_bytes(value).map_err(|_| format!("an invalid value of header {name}"))?;
        if !is_hop_by_hop(&name) {
            headers.append(name, value);
        }
        Ok(())
    })
    .map_err(|error| error.to_string())?;

    let wait_until = ticket.link().policy().wait_until;
    let announced = response.get_body_length();
    let length = (announced != UNKNOWN).then_some(announced);
    let body = match response.get_body().which().map_err(|error| error.to_string())? {
        http_response::body::None(()) => Body::Empty,
        http_response::body::Bytes(bytes) => match bytes.map_err(|error| error.to_string())? {
            [] => Body::Empty,
            bytes => Body::Bytes(ticket.link().connection.keep(bytes)),
        },
        http_response::body::Stream(source) => {
            let source = source.map_err(|error| error.to_string())?;
            Body::Pull(Box::pin(RemoteBody::new(source, length, ticket, upload.take())))
        }
    };
    // A response that is whole is as good as sent.
    if let Some(upload) = upload {
        upload.response_sent(wait_until);
    }
    // The length on the wire is the body's own. Only where there is no body does the header say what there would be.
    if !(is_head || status == StatusCode::NOT_MODIFIED) {
        headers.remove(header::CONTENT_LENGTH);
    }
    let mut result = http::Response::new(body);
    *result.status_mut() = status;
    *result.headers_mut() = headers;
    let text = response.get_status_text().map_err(|error| error.to_string())?;
    if !text.is_empty() {
        if text.len() > MAX_STATUS_TEXT {
            return Err("a status text that is too long".to_owned());
        }
        let reason = hyper::ext::ReasonPhrase::try_from(text.as_bytes()).map_err(|_| "an invalid status text")?;
        if status.canonical_reason().map(str::as_bytes) != Some(reason.as_bytes()) {
            result.extensions_mut().insert(reason);
        }
    }
    Ok(result)
}
