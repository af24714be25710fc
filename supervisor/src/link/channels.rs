//! What a worker may start: one server for each capability that it was handed.
//!
//! A capability is what it leads to; no call says where it goes. So what a worker can reach is what its configuration names, whatever
//! the process says. What it says is hostile until it has been read: what no correct worker sends ends its process.

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::{Rc, Weak},
    sync::Arc,
};

use bulkhead_ipc::{
    copy::copy,
    failure::{LOST, TOO_DEEP, Thrown},
    head::{self, MAX_OWN_PROPS, body_length, is_hop_by_hop, to_body_length},
    limit,
    policy::INLINE_BODY_BYTES,
    transport::{MAX_DEPTH, MAX_EXCHANGES, MAX_SUBREQUESTS},
    worker_capnp::{channel, connect, http_request, http_response},
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use http_body::Body as _;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::Instant,
};

use super::{
    Link,
    allowances::Refusal,
    body::{BodySource, Ready, RemoteBody, collect_ready},
};
use crate::{
    body::Body,
    service::{Depth, OwnProps, PassedThrough, Service, ServiceError, ServiceRequest},
    upgrade::{Connect, Transport, Upgrade},
};

/// Messages that a request of a worker pays for when it is answered, beyond what its event does.
const MESSAGES_FOR_A_SUBREQUEST: u64 = 4;

/// Longest JSON for `request.cf`, in bytes.
const MAX_CF: usize = 64 << 10;

/// One of the requests that a worker may have under way, until the last byte of its response. One that was answered with a connection that
/// is upgraded is one of those instead, and leaves room for another.
pub(crate) type Subrequest = Rc<RefCell<OwnedSemaphorePermit>>;

/// What the channels of one connection have in common.
pub(super) struct Shared {
    link: Weak<Link>,
    room: Arc<Semaphore>,
    /// For requests that were answered with a connection that is upgraded.
    exchanges: Arc<Semaphore>,
    /// Calls that wait for their answer, by their numbers.
    open: RefCell<HashMap<u64, Waiting>>,
}

/// A call that waits for its answer.
struct Waiting {
    /// For which it was made.
    event: u64,
    /// Dropping it cancels the call. `None`: it was cancelled.
    cancel: Option<oneshot::Sender<()>>,
}

impl Shared {
    pub(super) fn new(link: &Rc<Link>) -> Rc<Self> {
        let room = Arc::new(Semaphore::new(MAX_SUBREQUESTS as usize));
        let exchanges = Arc::new(Semaphore::new(MAX_EXCHANGES as usize));
        Rc::new(Self { link: Rc::downgrade(link), room, exchanges, open: RefCell::default() })
    }

    /// Makes a request that is under way one that was answered with a connection, if `status` says so.
    ///
    /// # Errors
    /// There are as many as there may be.
    fn answered(&self, link: &Link, status: StatusCode, request: &Subrequest) -> Result<(), Thrown> {
        if status == StatusCode::SWITCHING_PROTOCOLS {
            let Ok(permit) = self.exchanges.clone().try_acquire_owned() else {
                link.owner.unanswered(&format!("{MAX_EXCHANGES} connections that it asked for are upgraded"));
                return Err(Thrown::plain(LOST));
            };
            drop(request.replace(permit));
        }
        Ok(())
    }

    /// Nobody waits for the answer to a call any more.
    fn give_up(&self, waiting: &mut Waiting) {
        if waiting.cancel.take().is_some()
            && let Some(link) = self.link.upgrade()
        {
            link.allowances.answered(waiting.event);
        }
    }
}

/// A call until it is answered, which has its number to itself.
struct Open<'a>(&'a Shared, u64);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let waiting = self.0.open.borrow_mut().remove(&self.1);
        if let Some(mut waiting) = waiting {
            self.0.give_up(&mut waiting);
        }
    }
}

/// Leads to one service.
pub(super) struct Channel {
    shared: Rc<Shared>,
    /// Lives for as long as its shard serves. Weak, for the service may be the very worker that has this.
    service: Weak<dyn Service>,
    /// Whether it is an entrypoint of the worker that has this.
    is_own: bool,
}

impl Channel {
    pub(super) fn client(shared: &Rc<Shared>, service: Weak<dyn Service>, is_own: bool) -> channel::Client {
        capnp_rpc::new_client(Self { shared: shared.clone(), service, is_own })
    }

    /// Has the service answer.
    async fn ask(&self, request: ServiceRequest, has_url: bool) -> Result<http::Response<Body>, ServiceError> {
        const NO_URL: &str = "a URL that is longer than 64 KiB, or has a host that cannot be one";
        match self.service.upgrade() {
            _ if !has_url => Err(ServiceError::Unreachable(NO_URL.to_owned())),
            Some(service) if *request.http.method() == Method::CONNECT => service.connect(request).await,
            Some(service) => service.fetch(request).await,
            None => Err(ServiceError::Unavailable("the server is about to end".into())),
        }
    }
}

impl channel::Server for Channel {
    async fn fetch(
        self: Rc<Self>,
        params: channel::FetchParams,
        mut results: channel::FetchResults,
    ) -> Result<(), capnp::Error> {
        let gone = || capnp::Error::failed("the connection has ended".into());
        let link = self.shared.link.upgrade().ok_or_else(gone)?;
        let violation = |what: &str| {
            link.connection.violation(what);
            capnp::Error::failed(what.to_owned())
        };
        let reader = params.get()?;
        let (number, event) = (reader.get_call(), reader.get_event());
        if self.shared.open.borrow().contains_key(&number) {
            return Err(violation("it gave two open requests one number"));
        }
        let depth = match link.allowances.take(event, Instant::now()) {
            Ok(depth) => Some(depth),
            Err(Refusal::Over) => None,
            Err(Refusal::Violation(what)) => return Err(violation(what)),
        };
        let (sender, mut cancelled) = oneshot::channel();
        self.shared.open.borrow_mut().insert(number, Waiting { event, cancel: Some(sender) });
        let _open = Open(&self.shared, number);
        // The message is kept while it waits, and is counted with what the connection holds.
        let permit = tokio::select! {
            permit = self.shared.room.clone().acquire_owned() => Rc::new(RefCell::new(permit.map_err(|_| gone())?)),
            _ = &mut cancelled => return Err(given_up()),
        };
        let Asked { mut request, inline, has_url } = reader
            .get_request()
            .map_err(|error| error.to_string())
            .and_then(|request| read_request(&link, request, &permit))
            .map_err(|what| violation(&what))?;
        if reader.has_props() {
            let props = reader.get_props()?;
            if !self.is_own {
                return Err(violation("it gave props to what is not its own"));
            }
            if props.len() > MAX_OWN_PROPS {
                return Err(violation("it gave itself props that are too long"));
            }
            request.http.extensions_mut().insert(OwnProps(link.connection.keep(props)));
        }
        drop(params);
        let answer = async {
            let Depth(depth) = depth.ok_or_else(|| Thrown::plain(LOST))?;
            if depth >= MAX_DEPTH {
                return Err(Thrown::plain(TOO_DEEP));
            }
            request.http.extensions_mut().insert(Depth(depth + 1));
            let is_head = request.http.method() == Method::HEAD;
            match self.ask(request, has_url).await {
                Ok(mut response) => {
                    if let Some(PassedThrough(why)) = response.extensions_mut().remove() {
                        link.owner.unanswered(&why);
                    }
                    self.shared.answered(&link, response.status(), &permit)?;
                    Ok(Answer::prepare(response, is_head).await)
                }
                Err(error) => {
                    if is_for_the_operator(&error) {
                        link.owner.unanswered(&error.to_string());
                    }
                    Err(thrown(error))
                }
            }
        };
        let answer = tokio::select! {
            biased;
            answer = answer => answer,
            // Dropping the service's future is cancelling it.
            _ = &mut cancelled => return Err(given_up()),
        };
        let bytes = answer.as_ref().map_or_else(|thrown| thrown.message.len(), Answer::bytes);
        let room = link.connection.reserve(bytes).await;
        let to = results.get().init_outcome();
        match answer {
            Ok(answer) => answer.write(&link, (permit, event), to.init_response()),
            Err(thrown) => thrown.write(to.init_failure()),
        }
        // A worker may have as many answers as there are; what it asks with does not count, for it waits for them.
        link.connection.allow(MESSAGES_FOR_A_SUBREQUEST, inline as u64);
        drop((results, room));
        Ok(())
    }

    async fn cancel(
        self: Rc<Self>,
        params: channel::CancelParams,
        _: channel::CancelResults,
    ) -> Result<(), capnp::Error> {
        if let Some(waiting) = self.shared.open.borrow_mut().get_mut(&params.get()?.get_call()) {
            self.shared.give_up(waiting);
        }
        Ok(())
    }
}

fn given_up() -> capnp::Error {
    capnp::Error::failed("the request was given up".into())
}

/// A request of a worker.
struct Asked {
    request: ServiceRequest,
    /// How many bytes of its body were in the message.
    inline: usize,
    /// Whether it has a URL. Scripts may write some that HTTP cannot carry.
    has_url: bool,
}

fn read_request(link: &Rc<Link>, from: http_request::Reader<'_>, permit: &Subrequest) -> Result<Asked, String> {
    let head = head::read_request(from).map_err(|error| error.to_string())?;
    if from.has_connect() {
        return read_connect(link, from, &head, permit);
    }
    let method = head::known_method(head.method).ok_or("a request with an unknown method")?;
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| "a request with an invalid method")?;
    let uri = head.url.parse::<http::Uri>().ok();
    let is_absolute = |uri: &http::Uri| {
        uri.scheme().is_some() && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
    };
    if !uri.as_ref().is_none_or(is_absolute) {
        return Err("a request with a URL that is not absolute".into());
    }
    let (has_url, uri) = (uri.is_some(), uri.unwrap_or_default());
    if head.cf_json.len() > MAX_CF
        || !head.cf_json.is_empty() && serde_json::from_str::<&serde_json::value::RawValue>(head.cf_json).is_err()
    {
        return Err("a request with a cf object that is no JSON, or too long".into());
    }
    let cf_json = head.cf_json.into();
    let mut request = http::Request::new(Body::Empty);
    let headers = request.headers_mut();
    headers.reserve(head.headers.count());
    let read = head.headers.read(|name, value| {
        let name = HeaderName::from_bytes(name).map_err(|_| "an invalid header name".to_owned())?;
        let value = HeaderValue::from_bytes(value).map_err(|_| format!("an invalid value of header {name}"))?;
        // The length is the body's own, as are the words on how it travels.
        let is_wanted = head.upgrade && name == header::UPGRADE;
        if is_wanted || !is_hop_by_hop(name.as_str()) && name != header::CONTENT_LENGTH {
            headers.append(name, value);
        }
        Ok(())
    });
    read.map_err(|error| error.to_string())?;
    if head.upgrade {
        let upgrade =
            Upgrade::named(headers).ok_or("a request for an upgrade to what it does not name, or is not known")?;
        let http_request::body::Stream(Ok(source)) = from.get_body().which().map_err(|error| error.to_string())? else {
            return Err("a request for an upgrade without a stream".into());
        };
        *request.body_mut() = Body::Pull(Box::pin(RemoteBody::upload(source, None, link, permit, true)));
        request.extensions_mut().insert(upgrade);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        return Ok(Asked { request: ServiceRequest { http: request, cf_json }, inline: 0, has_url });
    }
    let length = body_length(from.get_body_length());
    let mut inline = 0;
    let body = match from.get_body().which().map_err(|error| error.to_string())? {
        http_request::body::None(()) => Body::Empty,
        http_request::body::Bytes(bytes) => {
            let bytes = bytes.map_err(|error| error.to_string())?;
            inline = bytes.len();
            headers.insert(header::CONTENT_LENGTH, bytes.len().into());
            if bytes.is_empty() { Body::Empty } else { Body::Bytes(link.connection.keep(bytes)) }
        }
        http_request::body::Stream(source) => {
            let source = source.map_err(|error| error.to_string())?;
            match length {
                Some(length) => headers.insert(header::CONTENT_LENGTH, length.into()),
                None => headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked")),
            };
            Body::Pull(Box::pin(RemoteBody::upload(source, length, link, permit, false)))
        }
    };
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.body_mut() = body;
    Ok(Asked { request: ServiceRequest { http: request, cf_json }, inline, has_url })
}

/// Longest address that is connected to, in bytes: a name of DNS has at most 255.
const MAX_ADDRESS: usize = 300;

fn read_connect(
    link: &Rc<Link>,
    from: http_request::Reader<'_>,
    head: &head::RequestHead<'_>,
    permit: &Subrequest,
) -> Result<Asked, String> {
    if head.method != Method::CONNECT.as_str() || !head.upgrade || head.headers.count() > 0 || !head.cf_json.is_empty()
    {
        return Err("a request for a connection that is one for something else too".into());
    }
    let connect = from.get_connect().map_err(|error| error.to_string())?;
    let transport = match connect.get_transport().map_err(|error| error.to_string())? {
        connect::Transport::Plain => Transport::Plain,
        connect::Transport::Tls => Transport::Tls,
        connect::Transport::StartTls => Transport::StartTls,
    };
    if connect.has_remote_address() || head.url.len() > MAX_ADDRESS {
        return Err("a request for a connection with an address that is not its own, or too long".into());
    }
    let http_request::body::Stream(Ok(source)) = from.get_body().which().map_err(|error| error.to_string())? else {
        return Err("a request for a connection without a stream".into());
    };
    let uri = head.url.parse::<http::Uri>().ok().filter(|uri| uri.scheme().is_none() && uri.path().is_empty());
    let (has_url, uri) = (uri.is_some(), uri.unwrap_or_default());
    let mut http = http::Request::new(Body::Pull(Box::pin(RemoteBody::connect(source, link, permit))));
    http.extensions_mut().insert(Connect { transport, remote: None });
    *http.method_mut() = Method::CONNECT;
    *http.uri_mut() = uri;
    Ok(Asked { request: ServiceRequest { http, cf_json: "".into() }, inline: 0, has_url })
}

/// A response on its way to the worker that asked.
struct Answer {
    parts: http::response::Parts,
    length: Option<u64>,
    content: Content,
}

enum Content {
    None,
    Whole(Bytes),
    Begun(Bytes, Body),
    Broken(Bytes),
}

impl Answer {
    async fn prepare(response: http::Response<Body>, is_head: bool) -> Self {
        let (parts, mut body) = response.into_parts();
        let length = body.size_hint().exact();
        let is_bodiless = is_head || head::has_no_body(parts.status.as_u16());
        let content = if is_bodiless {
            Content::None
        } else if parts.status == StatusCode::SWITCHING_PROTOCOLS
            // Too long for the message: not a byte is read before somebody asks, who may not be the worker.
            || length.is_some_and(|length| length > u64::from(INLINE_BODY_BYTES))
        {
            Content::Begun(Bytes::new(), body)
        } else {
            // What is encoded may go on as it is, which it does only from here.
            let is_encoded = parts.headers.contains_key(header::CONTENT_ENCODING);
            match collect_ready(&mut body, INLINE_BODY_BYTES as usize).await {
                Ready::Whole(bytes) if bytes.len() <= INLINE_BODY_BYTES as usize && !is_encoded => {
                    Content::Whole(bytes)
                }
                Ready::Whole(bytes) => Content::Begun(bytes, Body::Empty),
                Ready::Begun(bytes) => Content::Begun(bytes, body),
                Ready::Broken(bytes) => Content::Broken(bytes),
            }
        };
        Self { parts, length, content }
    }

    /// About how long it is on the wire.
    fn bytes(&self) -> usize {
        let headers = self.parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        let body = if let Content::Whole(bytes) = &self.content { bytes.len() } else { 0 };
        headers.sum::<usize>() + body
    }

    /// `permit` is kept for as long as the worker may ask for more.
    /// The request was made for `event`.
    fn write(self, link: &Rc<Link>, (permit, event): (Subrequest, u64), mut to: http_response::Builder<'_>) {
        let Self { parts, length, content } = self;
        // What is said about an upgrade a script may read, as in the reference.
        let is_exchange = parts.status == StatusCode::SWITCHING_PROTOCOLS;
        let headers = || parts.headers.iter().filter(|(name, _)| is_exchange || !is_hop_by_hop(name.as_str()));
        let texts = headers().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let reason = parts.extensions.get::<hyper::ext::ReasonPhrase>();
        let reason = reason.and_then(|reason| std::str::from_utf8(reason.as_bytes()).ok());
        let reason = reason.unwrap_or_else(|| head::reason(parts.status.as_u16()));
        head::write_response(to.reborrow(), parts.status.as_u16(), reason, headers().count(), texts);
        to.set_body_length(to_body_length(length));
        let mut to = to.init_body();
        let source = match content {
            Content::None => return to.set_none(()),
            Content::Whole(bytes) => return copy(to.init_bytes(bytes.len() as u32), &bytes),
            Content::Begun(_, body) if is_exchange => BodySource::exchange_response(body, link, permit, event),
            Content::Begun(bytes, body) => BodySource::response(bytes, Some(body), link, permit),
            Content::Broken(bytes) => BodySource::response(bytes, None, link, permit),
        };
        to.set_stream(link.offer_body(source));
    }
}

/// Whether nobody else says why a request was not answered. What scripts have thrown is told to the one that asked; limits are in the log
/// of whoever exceeded them.
fn is_for_the_operator(error: &ServiceError) -> bool {
    match error {
        ServiceError::Exception(_)
        | ServiceError::Unavailable(_)
        | ServiceError::Disconnected(_)
        | ServiceError::Unreachable(_)
        | ServiceError::NotSupported(_) => true,
        ServiceError::Threw { .. }
        | ServiceError::Exceeded(_)
        | ServiceError::Refused(..)
        | ServiceError::BrokenRequest
        | ServiceError::NoSuchEvent(_) => false,
    }
}

/// What the script that asked gets thrown. It learns what another worker's script threw, and nothing of how the supervisor works.
fn thrown(error: ServiceError) -> Thrown {
    match error {
        ServiceError::Threw { thrown, .. } => thrown,
        ServiceError::Exceeded(limit) => Thrown::plain(limit::text(limit)),
        ServiceError::NotSupported(text) => Thrown::plain(text),
        ServiceError::Exception(_)
        | ServiceError::Unavailable(_)
        | ServiceError::Refused(..)
        | ServiceError::BrokenRequest
        | ServiceError::Disconnected(_)
        | ServiceError::NoSuchEvent(_) => Thrown::plain(LOST),
        // The reference adds a number under which its log has the rest.
        ServiceError::Unreachable(_) => Thrown::plain("internal error"),
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_ipc::worker_capnp::Limit;

    use super::*;

    #[test]
    fn the_words_for_a_status_are_those_of_the_registry() {
        for status in 100..600 {
            let registered = StatusCode::from_u16(status).expect("a status").canonical_reason();
            assert!(registered.is_none_or(|registered| registered == head::reason(status)), "{status}");
        }
    }

    #[test]
    fn what_a_channel_fails_with_tells_nothing() {
        let secret = || "cannot open /etc/secret of process 77".to_owned();
        let lost = Thrown::plain(LOST);
        for error in [
            ServiceError::Exception(secret()),
            ServiceError::Unavailable(secret()),
            ServiceError::Refused(StatusCode::PAYLOAD_TOO_LARGE, secret()),
            ServiceError::BrokenRequest,
            ServiceError::Disconnected(secret()),
            ServiceError::NoSuchEvent("connect"),
        ] {
            assert_eq!(thrown(error), lost);
        }
        assert_eq!(thrown(ServiceError::Unreachable(secret())), Thrown::plain("internal error"));
        // What another worker's script threw is for who called it, and the log's text of it is not.
        let theirs = Thrown { name: "TypeError".into(), remote: true, ..Thrown::plain("no") };
        assert_eq!(thrown(ServiceError::Threw { text: secret(), thrown: theirs.clone() }), theirs);
        let exceeded = thrown(ServiceError::Exceeded(Limit::CpuTime));
        assert_eq!(exceeded, Thrown::plain("Worker exceeded CPU time limit."));
    }
}
