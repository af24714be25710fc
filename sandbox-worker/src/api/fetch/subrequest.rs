//! Requests that scripts make: what goes out for one, the redirects that are followed, and the response that comes of it.
//!
//! A request is taken out of its object while script runs; from then on it is native, and holds nothing of its event but what the
//! event's owner has end with it.

use std::{pin::pin, rc::Rc};

use bulkhead_ipc::{
    compatibility::Flag,
    copy::copy,
    failure::{LOST, Thrown},
    head::{SWITCHING_PROTOCOLS, body_length, known_upgrade, read_response, to_body_length, write_request},
    policy::INLINE_BODY_BYTES,
    worker_capnp::{byte_source, channel::fetch_results, http_request, http_response, subrequest_outcome},
};
use bytes::Bytes;
use capnp::capability::Response as Reply;
use futures::{
    FutureExt as _,
    future::{Either, LocalBoxFuture, Shared, select},
};
use jsg::{Error, Result, ToJs};

use super::{
    body::{Body, Outgoing, State},
    fetcher::Addressee,
    header_map::HeaderMap,
    headers::HeaderList,
    response::Response,
    wire::{EXTENSIONS, coding},
};
use crate::{
    api::{
        thrown::exception,
        web_socket::{self, Connection},
    },
    io::{Event, EventHandle, IoOwn, OwnedBy, UnderWay, js_future},
    isolate::{flags, script},
    streams::{
        StreamingBody,
        decoding::DecodedSource,
        framing::Slot,
        memory::MemorySource,
        reader::ReaderSource,
        reading::Reading,
        source::{Given, Source, Terms, Whole},
        wire::{Kept, WireSource, offer, offer_revocably},
    },
};

const STRIP_AUTHORIZATION: Flag = Flag::named("strip_authorization_on_cross_origin_redirect");

/// Where the global function sends what says nothing else.
pub(in crate::api) const GLOBAL_OUTBOUND: Addressee = Addressee { position: 0, props: None };

/// The header in which the ends of a WebSocket agree on what is spoken.
const PROTOCOL: &[u8] = b"Sec-WebSocket-Protocol";

/// Redirects that are followed.
const MAX_REDIRECTS: usize = 20;

/// The reason of a signal, when it is aborted.
type Aborted = Shared<LocalBoxFuture<'static, Error>>;

/// A request on its way out.
pub(in crate::api) struct Outbound {
    /// What it is made of.
    pub(super) to: Addressee,
    pub(super) method: &'static str,
    /// Normalized.
    pub(super) url: ada_url::Url,
    pub(super) headers: HeaderMap,
    pub(super) cf_json: String,
    /// Whether redirects are followed.
    pub(super) follows: bool,
    pub(super) body: Upload,
    pub(super) aborted: Option<Aborted>,
    /// Whether the response's body is the script's as it comes, encoded or not.
    pub(super) raw: bool,
    /// Whether `Authorization` stays behind where a redirect leads to another origin.
    pub(super) strips: bool,
    /// Whether it asks for a WebSocket: it has no body then.
    pub(super) upgrade: bool,
}

/// The body of a request, as it can be sent.
pub(super) enum Upload {
    None,
    /// As often as need be.
    Bytes(Bytes),
    /// Once; its length, where that is known.
    Once(Option<Once>, Option<u64>),
}

pub(super) enum Once {
    /// What the supervisor has: it goes back as it came.
    Untouched(Rc<WireSource>),
    Source(Rc<dyn Source>),
}

impl Upload {
    pub(super) fn new(event: &Rc<Event>, body: Outgoing) -> Self {
        match body {
            Outgoing::None => Upload::None,
            Outgoing::Bytes(memory) => Upload::Bytes(memory.read_to_end()),
            Outgoing::Native(reading, length) => {
                let given = reading.give(Terms { length: None, max_bytes: INLINE_BODY_BYTES as usize });
                let once = given.map_or(Once::Source(reading), |Given { whole, passing }| {
                    if let Some(passing) = passing {
                        event.context().spawn(async move { drop(passing.await) });
                    }
                    match whole {
                        Whole::Memory(memory) => Once::Source(Rc::new(MemorySource::new(memory, Some(event.outlet())))),
                        Whole::Wire(source) => Once::Untouched(source),
                    }
                });
                Upload::Once(Some(once), length)
            }
            Outgoing::Reader(reader, length) => {
                let source = ReaderSource::new(event, reader, StreamingBody::default().open(), u64::MAX);
                Upload::Once(Some(Once::Source(Rc::new(source))), length)
            }
        }
    }
}

/// Whether headers ask for a WebSocket.
pub(super) fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    headers.get(b"upgrade").is_some_and(|upgrade| known_upgrade(&upgrade).is_some())
}

/// A body as it is in a message.
enum Sent {
    None,
    Bytes(Bytes),
    Stream(byte_source::Client, Option<u64>),
}

/// Whether the scheme, the host and the port are the same.
fn is_same_origin(one: &ada_url::Url, other: &ada_url::Url) -> bool {
    (one.protocol(), one.host()) == (other.protocol(), other.host())
}

/// Says of a signal that it was aborted, and why.
pub(super) fn aborted<'s>(scope: &mut v8::PinScope<'s, '_>, signal: v8::Local<'s, v8::Value>) -> Result<Aborted> {
    let promise = script::call(scope, |script| &script.when_aborted, &[signal])?;
    let promise = v8::Local::<v8::Promise>::try_from(promise).expect("whenAborted gives a promise");
    let future = js_future(scope, promise);
    let reason = async move {
        match future.await {
            Err(reason) => Error::Value(reason),
            // It is never fulfilled.
            Ok(_) => Error::error(LOST),
        }
    };
    Ok(reason.boxed_local().shared())
}

/// Whether a flag has [`Outbound::strips`].
pub(super) fn strips_authorization(scope: &v8::PinScope<'_, '_>) -> bool {
    flags::is_on(scope, STRIP_AUTHORIZATION)
}

impl Outbound {
    /// Sends the request, and whatever it takes to follow redirects.
    ///
    /// # Errors
    /// What the script that asked is to get thrown.
    pub(super) async fn run(mut self, event: EventHandle) -> Result<Fetched> {
        let mut visited: Vec<String> = Vec::new();
        loop {
            let slot = self.upgrade.then(|| event.get().map(|event| Slot::new(event.context()))).flatten();
            let (reply, under_way) = match self.send(&event, slot.clone()).await? {
                Ok(reply) => reply,
                Err(thrown) => return Ok(Fetched::Thrown(thrown)),
            };
            let next = self.follows.then(|| redirect(&reply)).flatten();
            let mut shown = self.url.clone();
            shown.set_hash(None);
            let shown = shown.href().to_owned();
            let Some((status, location)) = next else {
                let (redirected, aborted) = (!visited.is_empty(), self.aborted.clone());
                let no_body = self.method == "HEAD";
                return Ok(Fetched::Response(Box::new(Arrived {
                    reply,
                    under_way,
                    event,
                    url: shown,
                    redirected,
                    aborted,
                    no_body,
                    raw: self.raw,
                    offered: slot.map(|slot| (slot, self.headers.get(EXTENSIONS).map(|offers| offers.into_owned()))),
                })));
            };
            visited.push(shown);
            if visited.len() > MAX_REDIRECTS {
                return Err(Error::type_error(format!("Too many redirects.{}", visited.join(", "))));
            }
            self.redirect(status, &location)?;
        }
    }

    /// What the next request is after a redirect (Fetch Standard, "HTTP-redirect fetch").
    fn redirect(&mut self, status: u16, location: &[u8]) -> Result<()> {
        let unable = || Error::type_error("Invalid Location header; unable to follow redirect.");
        let location = std::str::from_utf8(location).map_err(|_| unable())?;
        let to = ada_url::Url::parse(location, Some(self.url.href())).map_err(|_| unable())?;
        if status != 303 && matches!(self.body, Upload::Once(..)) {
            return Err(Error::type_error(
                "A request with a one-time-use body (it was initialized from a stream, not a buffer) encountered a redirect \
                 requiring the body to be retransmitted. To avoid this error in the future, construct this request from a \
                 buffer-like body initializer.",
            ));
        }
        let becomes_get = match status {
            303 => !matches!(self.method, "GET" | "HEAD"),
            301 | 302 => self.method == "POST",
            _ => false,
        };
        if becomes_get {
            self.method = "GET";
            self.body = Upload::None;
        }
        if self.strips && !is_same_origin(&self.url, &to) {
            self.headers.remove(b"authorization");
        }
        self.url = to;
        Ok(())
    }

    /// Sends the request once, and waits for the head of the response.
    async fn send(
        &mut self,
        event: &EventHandle,
        slot: Option<Rc<Slot>>,
    ) -> Result<std::result::Result<(Reply<fetch_results::Owned>, UnderWay), Thrown>> {
        let lost = || Error::error(LOST);
        let (subrequest, body) = {
            let event = event.get().ok_or_else(lost)?;
            let body = match slot {
                Some(slot) => {
                    let (client, upload) = offer_revocably(slot);
                    event.note_upload(upload);
                    Sent::Stream(client, None)
                }
                None => self.body.offer(&event)?,
            };
            (event.subrequest(self.to.position)?, body)
        };
        let mut url = self.url.clone();
        // Nobody is told these: they are for the client alone.
        url.set_hash(None);
        let _ = url.set_username(None);
        let _ = url.set_password(None);
        let head = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let inline = if let Sent::Bytes(bytes) = &body { bytes.len() } else { 0 };
        let write = |mut to: http_request::Builder<'_>| {
            let names = self.headers.iter().map(|(name, value)| (std::str::from_utf8(name).unwrap_or_default(), value));
            write_request(to.reborrow(), self.method, &[url.href()], &self.cf_json, self.headers.len(), names);
            to.set_upgrade(self.upgrade);
            match body {
                Sent::None => to.init_body().set_none(()),
                Sent::Bytes(bytes) => copy(to.init_body().init_bytes(bytes.len() as u32), &bytes),
                Sent::Stream(client, length) => {
                    to.set_body_length(to_body_length(length));
                    to.init_body().set_stream(client);
                }
            }
        };
        let props = self.to.props.clone();
        let bytes = head + inline + self.cf_json.len() + url.href().len() + props.as_ref().map_or(0, Bytes::len);
        let answer = pin!(subrequest.fetch(bytes, props, write));
        match &self.aborted {
            None => answer.await,
            Some(aborted) => match select(answer, aborted.clone()).await {
                Either::Left((answer, _)) => answer,
                // The request is given up where it is dropped.
                Either::Right((reason, _)) => Err(reason),
            },
        }
    }
}

impl Upload {
    /// Has it pulled from the event, for as long as that lives.
    ///
    /// # Errors
    /// It was sent before.
    fn offer(&mut self, event: &Rc<Event>) -> Result<Sent> {
        Ok(match self {
            Upload::None => Sent::None,
            Upload::Bytes(bytes) if bytes.len() <= INLINE_BODY_BYTES as usize => Sent::Bytes(bytes.clone()),
            Upload::Bytes(bytes) => {
                let length = bytes.len() as u64;
                Sent::Stream(offer(Rc::new(MemorySource::new(bytes.clone(), Some(event.outlet())))), Some(length))
            }
            Upload::Once(once, length) => match once.take() {
                Some(Once::Untouched(source)) => Sent::Stream(source.client(), *length),
                Some(Once::Source(source)) => {
                    let (client, upload) = offer_revocably(source);
                    event.note_upload(upload);
                    Sent::Stream(client, *length)
                }
                None => return Err(Error::error(LOST)),
            },
        })
    }
}

fn response_of(reply: &Reply<fetch_results::Owned>) -> capnp::Result<http_response::Reader<'_>> {
    match reply.get()?.get_outcome()?.which()? {
        subrequest_outcome::Response(response) => response,
        subrequest_outcome::Failure(_) => Err(capnp::Error::failed("no response".into())),
    }
}

/// Where a response leads to, if it is a redirect.
fn redirect(reply: &Reply<fetch_results::Owned>) -> Option<(u16, Vec<u8>)> {
    let head = read_response(response_of(reply).ok()?, false).ok()?;
    let status = head.status;
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let mut location = None;
    let find = |name: &[u8], value: &[u8]| {
        if name.eq_ignore_ascii_case(b"location") && location.is_none() {
            location = Some(value.to_vec());
        }
        Ok(())
    };
    head.headers.read(find).ok()?;
    Some((status, location?))
}

/// What came of a request.
pub(super) enum Fetched {
    Response(Box<Arrived>),
    /// What the other side has thrown.
    Thrown(Thrown),
}

/// A response whose head is here.
pub(super) struct Arrived {
    reply: Reply<fetch_results::Owned>,
    under_way: UnderWay,
    event: EventHandle,
    url: String,
    redirected: bool,
    aborted: Option<Aborted>,
    no_body: bool,
    raw: bool,
    /// Where a WebSocket was asked for: who writes to it, and the extensions that were offered.
    offered: Option<(Rc<Slot>, Option<Vec<u8>>)>,
}

impl Arrived {
    /// The status of the response; 0 if there is none.
    pub(super) fn status(&self) -> u16 {
        let head = response_of(&self.reply).ok().and_then(|response| read_response(response, false).ok());
        head.map_or(0, |head| head.status)
    }

    /// Whether the response has a header once, with this value.
    pub(super) fn has_header(&self, name: &[u8], value: &[u8]) -> bool {
        let head = response_of(&self.reply).ok().and_then(|response| read_response(response, false).ok());
        let (mut same, mut others) = (0, 0);
        let read = head.map(|head| {
            head.headers.read(|other, found| {
                if other.eq_ignore_ascii_case(name) {
                    *if found == value { &mut same } else { &mut others } += 1;
                }
                Ok(())
            })
        });
        matches!(read, Some(Ok(()))) && (same, others) == (1, 0)
    }

    /// The same, of which nobody learns where it came from.
    pub(super) fn without_url(self) -> Self {
        Arrived { url: String::new(), ..self }
    }
}

impl<'s> ToJs<'s> for Fetched {
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        match self {
            Fetched::Response(arrived) => arrived.into_response(scope),
            Fetched::Thrown(thrown) => {
                let exception = exception(scope, &thrown)?;
                Err(Error::value(scope, exception))
            }
        }
    }
}

impl Arrived {
    fn into_response<'s>(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        let lost = |_| Error::error(LOST);
        let event = self.event.get().ok_or_else(|| Error::error(LOST))?;
        let reader = response_of(&self.reply).map_err(lost)?;
        let head = read_response(reader, self.offered.is_some()).map_err(|_| Error::error(LOST))?;
        let mut map = HeaderMap::with_capacity(head.headers.count(), 512);
        let full = |_| "the header list is full".to_owned();
        let (status, text) = (head.status, String::from_utf8_lossy(head.status_text).into_owned());
        let read = head.headers.read(|name, value| map.append(name, value).map_err(full));
        read.map_err(|_| Error::error(LOST))?;
        if status == SWITCHING_PROTOCOLS {
            let (url, redirected, raw) = (self.url.clone(), self.redirected, self.raw);
            let connection = self.into_connection(&event, &map)?;
            let socket = web_socket::connected(scope, &event, connection)?;
            let base = Body::with_state(State::None, HeaderList::immutable(map));
            let response = Response::fetched(base, status, text, url, redirected, raw);
            let response = response.with_socket(scope, socket);
            return jsg::instantiate(scope, response).map(Into::into);
        }
        let length = body_length(reader.get_body_length());
        let state = match reader.get_body().which().map_err(|_| Error::error(LOST))? {
            http_response::body::None(()) => State::None,
            // For the supervisor alone.
            http_response::body::Request(()) => return Err(Error::error(LOST)),
            http_response::body::Bytes(bytes) => {
                let bytes = bytes.map_err(lost)?;
                jsg::allocated(bytes.len());
                State::Bytes(Bytes::copy_from_slice(bytes).into(), OwnedBy::context(event.context()))
            }
            http_response::body::Stream(_) if self.no_body => State::None,
            http_response::body::Stream(source) => {
                let kept = Kept { under_way: Some(self.under_way), broken: self.aborted };
                let source = Rc::new(WireSource::kept(source.map_err(lost)?, length, event.outlet(), kept));
                let coding = if self.raw { None } else { coding(scope, &map) };
                // Nobody says how long it is when it is decoded.
                let (reading, length) = match coding {
                    Some(coding) => (Reading::new(Rc::new(DecodedSource::new(coding, source, self.event))), None),
                    None => (Reading::new(source), length),
                };
                State::Native(IoOwn::new(event.context(), reading), length)
            }
        };
        let base = Body::with_state(state, HeaderList::immutable(map));
        let response = Response::fetched(base, status, text, self.url, self.redirected, self.raw);
        jsg::instantiate(scope, response).map(Into::into)
    }
}

impl Arrived {
    /// The connection that was asked for; the status says that it is there.
    fn into_connection(self, event: &Event, headers: &HeaderMap) -> Result<Connection> {
        let lost = |_| Error::error(LOST);
        let (slot, offers) = self.offered.ok_or_else(|| Error::error(LOST))?;
        let reader = response_of(&self.reply).map_err(lost)?;
        let http_response::body::Stream(source) = reader.get_body().which().map_err(|_| Error::error(LOST))? else {
            return Err(Error::error(LOST));
        };
        let kept = Kept { under_way: None, broken: self.aborted };
        let source = Rc::new(WireSource::kept(source.map_err(lost)?, None, event.outlet(), kept));
        let answer = headers.get(EXTENSIONS).unwrap_or_default();
        Connection::new(source, slot, (&offers.unwrap_or_default(), &answer))
    }
}

/// A connection to a server, and what that has chosen.
pub(in crate::api) struct Opened {
    pub(in crate::api) connection: Connection,
    pub(in crate::api) protocol: Option<String>,
    pub(in crate::api) extensions: Option<String>,
}

impl Outbound {
    /// A request for a WebSocket, to what the global `fetch` goes to.
    pub(in crate::api) fn for_socket(url: ada_url::Url, protocols: &str, compresses: bool) -> Result<Self> {
        let mut headers = HeaderMap::default();
        headers.append(b"Upgrade", b"websocket")?;
        if !protocols.is_empty() {
            headers.append(PROTOCOL, protocols.as_bytes())?;
        }
        if compresses {
            headers.append(EXTENSIONS, b"permessage-deflate")?;
        }
        Ok(Outbound {
            to: GLOBAL_OUTBOUND,
            method: "GET",
            url,
            headers,
            cf_json: String::new(),
            follows: false,
            body: Upload::None,
            aborted: None,
            raw: false,
            strips: false,
            upgrade: true,
        })
    }

    /// Sends such a request.
    ///
    /// # Errors
    /// Why there is no connection.
    pub(in crate::api) async fn connect(self, handle: EventHandle) -> Result<Opened> {
        let Fetched::Response(arrived) = self.run(handle.clone()).await? else {
            return Err(Error::error(LOST));
        };
        let event = handle.get().ok_or_else(|| Error::error(LOST))?;
        let reader = response_of(&arrived.reply).map_err(|_| Error::error(LOST))?;
        let head = read_response(reader, true).map_err(|_| Error::error(LOST))?;
        if head.status != SWITCHING_PROTOCOLS {
            let text = "Failed to establish the WebSocket connection: expected server to reply with HTTP status code 101 (switching \
                        protocols), but received";
            return Err(Error::type_error(format!("{text} {} instead.", head.status)));
        }
        let mut map = HeaderMap::default();
        let full = |_| "the header list is full".to_owned();
        let read = head.headers.read(|name, value| map.append(name, value).map_err(full));
        read.map_err(|_| Error::error(LOST))?;
        let text = |name| map.get(name).map(|value| String::from_utf8_lossy(&value).into_owned());
        let (protocol, extensions) = (text(PROTOCOL), text(EXTENSIONS));
        Ok(Opened { connection: arrived.into_connection(&event, &map)?, protocol, extensions })
    }
}
