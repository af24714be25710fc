//! HTTP/1.1 on one connection: from a client's bytes to [`Service::fetch`] and back.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    net::SocketAddr,
    pin::{Pin, pin},
    rc::Rc,
    task::{self, Poll},
    time::Instant,
};

use bulkhead_ipc::{limit, worker_capnp::Limit};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header, uri::Scheme};
use http_body::Body as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncRead;

use super::{
    client::{ClientIo, Watched},
    connection::{Connection, InFlight, Order, Ticket},
    front::Place,
    handlers,
    limits::Limits,
    log::FailureLog,
    rewrite::{Framing, Reject, check_method, rewrite_request, rewrite_response},
    upload::{ResponseBody, Upload},
};
use crate::{
    body::{Body, BodyError, PullSource, StartTls},
    config::{HeaderInjection, HttpOptions},
    duplex::{self, Later, Receiver, Starter, later},
    log::Log,
    net::tls::server::Acceptor,
    service::{LocalFuture, PassedThrough, Service, ServiceError, ServiceRequest},
    upgrade::{Acceptance, Connect, NotPossible, Transport, Upgrade},
};

/// One HTTP socket of the configuration, on one shard.
pub struct HttpSocket {
    name: String,
    options: HttpOptions,
    tls: Option<Acceptor>,
    service: Rc<dyn Service>,
    builder: http1::Builder,
    log: RefCell<FailureLog>,
}

impl HttpSocket {
    /// Joins a socket's options, its limits and the service that answers on it, inside of TLS if there is somebody to take
    /// the handshakes.
    ///
    /// What handlers fail with is written to `log`.
    pub fn new(
        name: String,
        options: HttpOptions,
        tls: Option<Acceptor>,
        limits: &Limits,
        service: Rc<dyn Service>,
        log: Log,
    ) -> Rc<HttpSocket> {
        let mut builder = http1::Builder::new();
        builder
            .keep_alive(true)
            // A client that shuts its sending side down wants its answer. `Connection::poll_gone` finds those that have gone.
            .half_close(true)
            // `Content-Type`, as the reference writes it.
            .title_case_headers(true)
            // The reference sends no Date.
            .auto_date_header(false)
            // Not `pipeline_flush`: with it hyper buffers a body without bound as long as the body is ready.
            .pipeline_flush(false)
            .max_header_size(limits.head_bytes)
            .max_buf_size(limits.head_bytes.max(8192) + 8192)
            // Heads and idle times are limited by the connection table, which costs no timer for each request.
            .header_read_timeout(None);
        if limits.headers != 100 {
            // Up to 100, which is the default, the parser needs no heap.
            builder.max_headers(limits.headers);
        }
        Rc::new(HttpSocket { name, options, tls, service, builder, log: RefCell::new(FailureLog::new(log)) })
    }

    /// What takes the handshakes, where there are any.
    pub(super) fn tls(&self) -> Option<&Acceptor> {
        self.tls.as_ref()
    }

    /// Says what went wrong with the socket itself.
    pub(crate) fn complain(&self, text: &str) {
        self.log.borrow_mut().failure(Instant::now(), &self.name, text);
    }

    /// The answer to what a service failed with, which goes to the log.
    fn failed(&self, error: &ServiceError) -> Result<Response<Body>, Unanswered> {
        // What the client did wrong is not for the log: it could fill it.
        // A limit that was exceeded is counted and logged where it was.
        if !matches!(error, ServiceError::Refused(..) | ServiceError::BrokenRequest | ServiceError::Exceeded(_)) {
            self.complain(&error.to_string());
        }
        client_view(error).map(refuse).ok_or(Unanswered)
    }

    /// The JSON for `request.cf` of every request of a connection, where no header brings it: who is there.
    pub(crate) fn client_blob(&self, peer: &Peer) -> String {
        if self.options.cf_blob_header.is_some() {
            return String::new();
        }
        match peer {
            Peer::Ip(address) => format!("{{\"clientIp\":\"{address}\"}}"),
            Peer::Unix { pid: Some(pid), uid } => format!("{{\"clientPid\":{pid},\"clientUid\":{uid}}}"),
            Peer::Unix { pid: None, uid } => format!("{{\"clientUid\":{uid}}}"),
            Peer::Unknown => String::new(),
        }
    }
}

/// Serves one connection until it ends: because the client or a handler wants it, because it breaks the protocol, or
/// because its [`Ticket`] says so. Each request is answered by what is at the `place` when it begins.
pub(super) async fn serve<S: ClientIo>(place: Rc<Place<HttpSocket>>, stream: S, peer: Peer, ticket: Ticket) {
    let connection = ticket.connection.clone();
    let upgrading = Rc::new(Upgrading::default());
    let builder = place.now().0.builder.clone();
    let context = Rc::new(Context {
        place,
        connection: connection.clone(),
        peer,
        cf_json: RefCell::default(),
        upgrading: upgrading.clone(),
    });
    let service = service_fn(move |request| answer(context.clone(), request));
    let io = TokioIo::new(Watched::new(stream, connection.clone()));
    let mut served = builder.serve_connection(io, service);
    let mut draining = false;
    let ends_well = watch(&connection, |cx, order| {
        if order == Order::Drain && !upgrading.is_answered() && !std::mem::replace(&mut draining, true) {
            Pin::new(&mut served).graceful_shutdown();
        }
        // A connection that ends with an error was ended by its client (gone, or breaking the protocol, which hyper
        // has answered), or by a response that broke off, which `answer` or the service has put in the log.
        let mut result = std::task::ready!(Pin::new(&mut served).poll(cx));
        // After a request that asks for any protocol hyper leaves the connection as it is, unless it is asked once more.
        if result.is_ok() && upgrading.was_asked.take() && !upgrading.is_answered() {
            result = std::task::ready!(Pin::new(&mut served).poll(cx));
        }
        Poll::Ready(result.is_ok())
    })
    .await;
    if ends_well == Some(true)
        && let Some(answered) = upgrading.answered.take()
    {
        let parts = served.into_parts();
        let (stream, first) = (parts.io.into_inner(), parts.read_buf);
        exchange(
            &connection,
            (stream, first),
            answered,
            None,
            async |_, _| Err(std::io::ErrorKind::Unsupported.into()),
        )
        .await;
    }
    connection.detach();
    drop(ticket);
}

/// Has `poll` go on with a connection until it is ready, or `None`: the connection is to end now.
pub(super) async fn watch<T>(
    connection: &Rc<Connection>,
    mut poll: impl FnMut(&mut task::Context<'_>, Order) -> Poll<T>,
) -> Option<T> {
    let mut crowded: Option<LocalFuture<'_, ()>> = None;
    poll_fn(|cx| {
        let order = connection.poll_order(cx);
        if order == Order::Kill {
            return Poll::Ready(None);
        }
        if let Poll::Ready(end) = poll(cx, order) {
            return Poll::Ready(Some(end));
        }
        connection.poll_leftover(cx);
        if connection.poll_gone(cx).is_ready() {
            return Poll::Ready(None);
        }
        // Who may have gone makes room for who is there.
        if connection.is_half_closed()
            && crowded.get_or_insert_with(|| crowd(connection.service())).as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(None);
        }
        Poll::Pending
    })
    .await
}

/// Resolves when requests wait at the service.
fn crowd(service: Option<Rc<dyn Service>>) -> LocalFuture<'static, ()> {
    Box::pin(async move {
        match service {
            Some(service) => service.crowded().await,
            None => std::future::pending().await,
        }
    })
}

/// Lets a connection, of which some bytes have been read, carry its two bodies until both have ended. If `starter` is asked for that,
/// `handshake` has it go on inside of TLS.
pub(super) async fn exchange<S: ClientIo>(
    connection: &Rc<Connection>,
    (stream, first): (Watched<S>, Bytes),
    answered: Answered,
    starter: Option<Rc<Starter>>,
    handshake: impl AsyncFnOnce(Watched<S>, Option<String>) -> std::io::Result<Watched<S>>,
) {
    connection.begin_exchange();
    let Answered { request, response, in_flight } = answered;
    let (receiver, sender) = duplex::split(stream, first);
    let received = |receiver, starter| Received { receiver, in_flight: in_flight.clone(), is_over: false, starter };
    request.begin(received(receiver, starter.clone()));
    let offer =
        |receiver, body| (Body::Pull(Box::pin(received(receiver, None))), ResponseBody::new(body, in_flight.clone()));
    let response = ResponseBody::new(response, in_flight.clone());
    let mut sending = pin!(duplex::carry(sender, response, starter, handshake, offer));
    let sent = watch(connection, |cx, _| sending.as_mut().poll(cx)).await;
    let Some(Ok(mut stream)) = sent else { return };
    // What the client still sends must not take from it what it was sent.
    watch(connection, |cx, _| stream.poll_linger(cx)).await;
}

/// Whether a connection is to be handed over.
#[derive(Default)]
struct Upgrading {
    /// A request has asked for any protocol, as hyper sees it.
    was_asked: Cell<bool>,
    /// One was answered with it.
    answered: RefCell<Option<Answered>>,
}

impl Upgrading {
    fn is_answered(&self) -> bool {
        self.answered.borrow().is_some()
    }
}

/// What comes from the client of an upgraded connection.
struct Received<S> {
    receiver: Receiver<S>,
    in_flight: Rc<InFlight>,
    is_over: bool,
    starter: Option<Rc<Starter>>,
}

impl<S: AsyncRead + Unpin> PullSource for Received<S> {
    fn poll_pull(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let pulled = Pin::new(&mut self.receiver).poll_pull(cx);
        self.is_over = matches!(pulled, Poll::Ready(None | Some(Err(_))));
        self.in_flight.connection().note_exchange(pulled.is_pending(), self.is_over);
        pulled
    }

    fn remaining(&self) -> Option<u64> {
        self.receiver.remaining()
    }

    fn tls(&self) -> Option<Rc<dyn StartTls>> {
        Some(self.starter.clone()? as Rc<dyn StartTls>)
    }
}

impl<S> Drop for Received<S> {
    fn drop(&mut self) {
        if !self.is_over {
            self.in_flight.connection().leave_exchange();
        }
    }
}

/// The two bodies of a connection that is to be handed over.
pub(super) struct Answered {
    pub(super) request: Later,
    pub(super) response: Body,
    pub(super) in_flight: Rc<InFlight>,
}

/// Who is at the other end.
#[derive(Debug, Clone)]
pub(crate) enum Peer {
    /// TCP.
    Ip(SocketAddr),
    /// A process of this machine.
    Unix {
        /// Absent when it is in another PID namespace.
        pid: Option<i32>,
        /// Its user.
        uid: u32,
    },
    /// The kernel does not say.
    Unknown,
}

/// What every request of a connection shares.
struct Context {
    place: Rc<Place<HttpSocket>>,
    connection: Rc<Connection>,
    peer: Peer,
    /// What says who is there, as the configuration of this number wants it.
    cf_json: RefCell<Option<(u64, Rc<str>)>>,
    upgrading: Rc<Upgrading>,
}

/// A request that has begun.
struct Begun<'a> {
    context: &'a Context,
    /// What answers it.
    socket: Rc<HttpSocket>,
    cf_json: Rc<str>,
}

impl Context {
    /// A request begins.
    fn begin(&self) -> (Begun<'_>, Rc<InFlight>) {
        let (socket, in_use) = self.place.now();
        let number = in_use.number();
        let mut cached = self.cf_json.borrow_mut();
        let cf_json = match &*cached {
            Some((cached, json)) if *cached == number => json.clone(),
            _ => cached.insert((number, socket.client_blob(&self.peer).into())).1.clone(),
        };
        let in_flight = Rc::new(self.connection.begin_request(&socket.service, in_use));
        (Begun { context: self, socket, cf_json }, in_flight)
    }
}

/// Makes hyper close the connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the request is not answered")]
struct Unanswered;

/// Answers one request. Dropping the future cancels it.
async fn answer(context: Rc<Context>, request: Request<Incoming>) -> Result<Response<ResponseBody>, Unanswered> {
    let (begun, in_flight) = context.begin();
    let (head, incoming) = request.into_parts();
    let version = head.version;
    if head.method == Method::CONNECT {
        context.upgrading.was_asked.set(true);
        return answer_connect(&begun, head, in_flight).await;
    }
    if version == Version::HTTP_11 && head.headers.contains_key(header::UPGRADE) {
        context.upgrading.was_asked.set(true);
        // RFC 9110, section 7.8: not to clients of HTTP/1.0, and after the request's body, which this one then has no other.
        if incoming.is_end_stream()
            && let Some(upgrade) = Upgrade::asked(&head)
        {
            return answer_upgrade(&begun, head, upgrade, in_flight).await;
        }
    }
    let (upload, body) = match Upload::begin(incoming, expects_continue(&head), &context.connection, &in_flight) {
        Some((upload, body)) => (Some(upload), body),
        None => (None, Body::Empty),
    };
    let mut response = ask(&begun, head, body).await?;
    if let Some(upload) = upload
        && upload.settle(response.body_mut()).await
        && version == Version::HTTP_11
    {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| ResponseBody::new(body, in_flight)))
}

/// Answers a request that asks for an upgrade.
async fn answer_upgrade(
    begun: &Begun<'_>,
    mut head: http::request::Parts,
    upgrade: Upgrade,
    in_flight: Rc<InFlight>,
) -> Result<Response<ResponseBody>, Unanswered> {
    let acceptance = Acceptance::of(upgrade, &head.method, &head.headers);
    head.extensions.insert(upgrade);
    let (request, body) = later();
    let mut response = ask(begun, head, body).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        match acceptance.write(response.headers_mut()) {
            Err(error) => response = not_possible(error),
            Ok(()) => {
                HeaderInjection::apply(&begun.socket.options.inject_response_headers, response.headers_mut());
                let answered = Answered {
                    request,
                    response: std::mem::replace(response.body_mut(), Body::Empty),
                    in_flight: in_flight.clone(),
                };
                *begun.context.upgrading.answered.borrow_mut() = Some(answered);
            }
        }
    }
    Ok(response.map(|body| ResponseBody::new(body, in_flight)))
}

/// Answers a request for a connection, and nothing but that: whatever its headers say, there is no body of HTTP (RFC 9110, section 9.3.6).
async fn answer_connect(
    begun: &Begun<'_>,
    mut head: http::request::Parts,
    in_flight: Rc<InFlight>,
) -> Result<Response<ResponseBody>, Unanswered> {
    let socket = &*begun.socket;
    head.extensions.insert(Connect { transport: Transport::Plain, remote: None });
    let (request, body) = later();
    let http = Request::from_parts(head, body);
    let response = match socket.service.connect(ServiceRequest { http, cf_json: Rc::from("") }).await {
        Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            let answered = Answered { request, response: response.into_body(), in_flight: in_flight.clone() };
            *begun.context.upgrading.answered.borrow_mut() = Some(answered);
            Response::new(Body::Empty)
        }
        Ok(response) => response,
        Err(error) => socket.failed(&error)?,
    };
    Ok(response.map(|body| ResponseBody::new(body, in_flight)))
}

/// The reference's answer to a request that was answered with a connection and cannot have one.
fn not_possible(error: NotPossible) -> Response<Body> {
    let mut response = refuse(Reject { status: error.status(), text: error.to_string().into(), close: true });
    response.headers_mut().extend(error.header());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// Whether the client waits to be told to send the body, as hyper sees it too (RFC 9110, section 10.1.1).
fn expects_continue(head: &http::request::Parts) -> bool {
    let expectation = head.headers.get_all(header::EXPECT).iter().next_back();
    head.version == Version::HTTP_11
        && expectation.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Asks the service, and makes a response of what it says.
async fn ask(begun: &Begun<'_>, mut head: http::request::Parts, body: Body) -> Result<Response<Body>, Unanswered> {
    let head_request = head.method == Method::HEAD;
    let version = head.version;
    let is_upgrade = head.extensions.get::<Upgrade>().is_some();
    let socket = &*begun.socket;

    let scheme = if socket.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
    let rewritten = check_method(&head.method).and_then(|()| rewrite_request(&mut head, &socket.options, &scheme));
    let cf = match rewritten {
        Ok(cf) => cf,
        Err(reject) => return Ok(refuse(reject)),
    };
    if socket.options.handler_paths
        && let Some(response) = handlers::answer(&*socket.service, &head, |error| socket.complain(error)).await
    {
        return Ok(response);
    }
    let cf_json = cf.map_or_else(|| begun.cf_json.clone(), Rc::from);
    let request = ServiceRequest { http: Request::from_parts(head, body), cf_json };
    let response = match socket.service.fetch(request).await {
        Ok(response) if is_upgrade && response.status() == StatusCode::SWITCHING_PROTOCOLS => return Ok(response),
        // Only `Service`s that speak about a connection of their own could mean something by a status below 200.
        Ok(response) if response.status().is_informational() => {
            Err(ServiceError::Exception(format!("the status {} cannot be sent here", response.status().as_u16())))
        }
        result => result,
    };
    match response {
        Ok(response) => {
            let (mut head, body) = response.into_parts();
            if let Some(PassedThrough(text)) = head.extensions.remove() {
                socket.complain(&text);
            }
            let kind = head.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
            if kind.is_some_and(bulkhead_ipc::head::is_event_stream) {
                begun.context.connection.ask_after_client();
            }
            let framing = Framing { head_request, version, exact_size: body.size_hint().exact() };
            rewrite_response(&mut head, framing, &socket.options.inject_response_headers);
            Ok(Response::from_parts(head, body))
        }
        Err(error) => socket.failed(&error),
    }
}

/// What a client may know of an error: the variant, and for a refusal its text. `None`: nothing at all.
fn client_view(error: &ServiceError) -> Option<Reject> {
    Some(match error {
        // The reference's bytes: it also closes the connection.
        ServiceError::Exception(_)
        | ServiceError::Threw { .. }
        | ServiceError::Unreachable(_)
        | ServiceError::NoSuchEvent(_) => {
            Reject { status: StatusCode::INTERNAL_SERVER_ERROR, text: "Internal Server Error".into(), close: true }
        }
        ServiceError::Unavailable(_) => {
            Reject { status: StatusCode::SERVICE_UNAVAILABLE, text: "Service Unavailable".into(), close: false }
        }
        ServiceError::Exceeded(limit @ (Limit::CpuTime | Limit::WallTime | Limit::Memory)) => {
            Reject { status: StatusCode::SERVICE_UNAVAILABLE, text: limit::text(*limit).into(), close: false }
        }
        ServiceError::Exceeded(_) => {
            Reject { status: StatusCode::INTERNAL_SERVER_ERROR, text: "Internal Server Error".into(), close: true }
        }
        // What is left of the request may stand in the way of the next one.
        ServiceError::Refused(status, text) => Reject { status: *status, text: text.clone().into(), close: true },
        ServiceError::BrokenRequest | ServiceError::Disconnected(_) => return None,
        ServiceError::NotSupported(_) => {
            Reject { status: StatusCode::NOT_IMPLEMENTED, text: "Not Implemented".into(), close: true }
        }
    })
}

pub(super) fn refuse(reject: Reject) -> Response<Body> {
    let text = match reject.text {
        std::borrow::Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
        std::borrow::Cow::Owned(text) => Bytes::from(text),
    };
    let mut response = Response::new(());
    *response.status_mut() = reject.status;
    let headers = response.headers_mut();
    if reject.close {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
    if reject.status == StatusCode::NOT_IMPLEMENTED {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    }
    response.map(|()| Body::Bytes(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_sees_the_variant_and_nothing_else() {
        let secret = "at /home/secret.js:1";
        for (error, status, text) in [
            (ServiceError::Exception(secret.into()), 500, "Internal Server Error"),
            (ServiceError::Unreachable(secret.into()), 500, "Internal Server Error"),
            (ServiceError::NoSuchEvent("connect"), 500, "Internal Server Error"),
            (ServiceError::NotSupported(secret.into()), 501, "Not Implemented"),
            (ServiceError::Unavailable(secret.into()), 503, "Service Unavailable"),
            (ServiceError::Refused(StatusCode::PAYLOAD_TOO_LARGE, "too much".into()), 413, "too much"),
            (ServiceError::Exceeded(Limit::CpuTime), 503, "Worker exceeded CPU time limit."),
            (ServiceError::Exceeded(Limit::WallTime), 503, "Worker exceeded wall time limit."),
            (ServiceError::Exceeded(Limit::Memory), 503, "Worker exceeded memory limit."),
            (ServiceError::Exceeded(Limit::ResponseHead), 500, "Internal Server Error"),
            (ServiceError::Exceeded(Limit::ResponseBody), 500, "Internal Server Error"),
            (ServiceError::Exceeded(Limit::WaitUntil), 500, "Internal Server Error"),
            (ServiceError::Exceeded(Limit::StartUp), 500, "Internal Server Error"),
        ] {
            let reject = client_view(&error).expect("an answer");
            assert_eq!((reject.status.as_u16(), &*reject.text), (status, text));
        }
        assert_eq!(client_view(&ServiceError::BrokenRequest), None);
        assert_eq!(client_view(&ServiceError::Disconnected(secret.into())), None);
    }
}
