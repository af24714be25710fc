//! Requests from the wire, and responses to it.

use std::{cell::OnceCell, rc::Rc};

use bulkhead_ipc::{
    compatibility::Flag,
    copy::copy,
    head::{
        HeadError, HeadLimits, MAX_STATUS_TEXT, MIN_SENT_BACK, body_length, read_request, to_body_length,
        write_response,
    },
    worker_capnp::{byte_source, http_request, http_response},
};
use bulkhead_websocket::{Receiver, Role, Sender, extension::accept};
use futures::future::LocalBoxFuture;
use jsg::{Error, Result};

use super::{
    body::{Body, Outgoing, State},
    cf::Cf,
    header_map::HeaderMap,
    headers::HeaderList,
    request::{Redirect, Request, method},
    response::Response,
};
use crate::{
    api::web_socket,
    io::{Event, IoOwn, OwnedBy},
    isolate::{Isolate, flags},
    limits::{Limit, bound},
    streams::{
        StreamingBody,
        answer::Answer,
        coding::Coding,
        framing::couple,
        memory::{Memory, MemorySource},
        reader::ReaderSource,
        reading::Reading,
        source::{Broken, Given, Passed, Passing, Pulled, Source, Terms, Whole},
        wire::{WireSource, offer, offer_beside},
    },
};

const BROTLI: Flag = Flag::named("brotli_content_encoding");
pub(in crate::api) const COMPRESSION: Flag = Flag::named("web_socket_compression");
/// The header in which the ends of a WebSocket agree on compression.
pub(super) const EXTENSIONS: &[u8] = b"sec-websocket-extensions";
const FOLLOWED: Flag = Flag::named("enable_request_signal");
const BOT_MANAGEMENT: Flag = Flag::named("no_cf_botmanagement_default");

/// What a request has for a response that is a WebSocket.
pub struct Asked {
    /// What comes from the client afterwards.
    from: Rc<WireSource>,
    /// The extensions that it offers.
    extensions: String,
}

impl Asked {
    /// Of a request, if it asks for that.
    ///
    /// # Errors
    /// The message is malformed.
    pub fn read(
        event: &Rc<Event>,
        reader: http_request::Reader<'_>,
    ) -> std::result::Result<Option<Self>, capnp::Error> {
        if !reader.get_upgrade() {
            return Ok(None);
        }
        let http_request::body::Stream(source) = reader.get_body().which()? else {
            return Err(capnp::Error::failed("reading the request: an upgrade without a stream".into()));
        };
        let head = read_request(reader).map_err(unread)?;
        let mut extensions = String::new();
        let collect = |name: &[u8], value: &[u8]| {
            if name.eq_ignore_ascii_case(EXTENSIONS) {
                let separator = if extensions.is_empty() { "" } else { ", " };
                extensions.extend([separator, &String::from_utf8_lossy(value)]);
            }
            Ok(())
        };
        head.headers.read(collect).map_err(unread)?;
        Ok(Some(Asked { from: Rc::new(WireSource::new(source?, None, event.outlet())), extensions }))
    }
}

fn unread(error: HeadError) -> capnp::Error {
    capnp::Error::failed(format!("reading the request's head: {error}"))
}

/// The request of an event, as an object for its handler. Nothing but the object itself is made in JavaScript.
///
/// # Errors
/// Outside: the message is malformed or exceeds the bounds of a head. Inside: the object cannot be made.
pub fn from_wire<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    event: &Rc<Event>,
    reader: http_request::Reader<'_>,
) -> std::result::Result<Result<v8::Local<'s, v8::Object>>, capnp::Error> {
    let head = read_request(reader).map_err(unread)?;
    let method = method(head.method)
        .ok_or_else(|| capnp::Error::failed(format!("reading the request: no method {:?}", head.method)))?;
    // It lives until the collector takes the object.
    let mut map = HeaderMap::with_capacity(head.headers.count(), 48 * head.headers.count());
    let full = |_| "the header list is full".to_owned();
    head.headers.read(|name, value| map.append(name, value).map_err(full)).map_err(unread)?;
    let cf = match head.cf_json {
        "" => Cf::default(),
        json => Cf::frozen(json.to_owned(), !flags::is_on(scope, BOT_MANAGEMENT)),
    };
    let state = match reader.get_body().which()? {
        http_request::body::None(()) => State::None,
        // What comes from the client is no body of HTTP: see `Asked`.
        http_request::body::Stream(_) if head.upgrade => State::None,
        http_request::body::Bytes(bytes) => {
            let bytes = bytes?;
            jsg::allocated(bytes.len());
            let (memory, body) = Memory::of_call(event.outlet().keep(bytes), bytes.len() >= MIN_SENT_BACK);
            event.note_request_body(body);
            State::Bytes(memory, OwnedBy::context(event.context()))
        }
        http_request::body::Stream(source) => wire_state(event, source?, body_length(reader.get_body_length())),
    };
    let request = Request {
        base: Body::with_state(state, HeaderList::immutable(map)),
        method,
        url: head.url.to_owned(),
        url_value: OnceCell::new(),
        headers: OnceCell::new(),
        redirect: Redirect::Manual,
        cache: None,
        signal: OnceCell::new(),
        fetcher: OnceCell::new(),
        raw: false,
        follows: Event::current(scope).filter(|_| flags::is_on(scope, FOLLOWED)).map(|event| event.handle()),
        cf,
    };
    Ok(jsg::instantiate(scope, request))
}

/// A request's body that the supervisor has, as the state of a new object.
fn wire_state(event: &Rc<Event>, client: byte_source::Client, length: Option<u64>) -> State {
    let reading = Rc::new(Reading::new(Rc::new(WireSource::new(client, length, event.outlet()))));
    event.note_request_body(reading.clone());
    State::Native(IoOwn::share(event.context(), reading), length)
}

/// Has the event live until it is known what became of a body that was given away.
fn follow(event: &Rc<Event>, passing: Passing, streaming: &StreamingBody) {
    let (streaming, open) = (streaming.clone(), streaming.open());
    event.context().spawn(async move {
        if !matches!(passing.await, Passed::Cancelled) {
            streaming.set_whole();
        }
        drop(open);
    });
}

/// Says of a body that all of it was pulled.
struct Followed {
    source: Rc<dyn Source>,
    streaming: StreamingBody,
}

impl Source for Followed {
    fn pull(&self, max_bytes: usize) -> LocalBoxFuture<'_, std::result::Result<Pulled, Broken>> {
        Box::pin(async move {
            let pulled = self.source.pull(max_bytes).await;
            if pulled.as_ref().map_or(true, |pulled| pulled.done) {
                // It has failed, or these bytes are the last: nobody has left before.
                self.streaming.set_whole();
            }
            pulled
        })
    }

    fn is_outside(&self) -> bool {
        self.source.is_outside()
    }
}

/// Why an answer does not go out.
#[derive(Debug)]
pub enum Refused {
    /// As an exception of the handler would be.
    Threw(Error),
    /// It is more than a response may be.
    Exceeded(Limit),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused::Threw(error)
    }
}

/// Gives all of a body away, of at most `max_bytes` where it is in memory, with the coding that is still to be applied to it.
fn give(reading: &Reading, coding: Option<Coding>, max_bytes: usize) -> Option<(Given, Option<Coding>)> {
    if let Some(encoded) = coding.and_then(|coding| reading.give_encoded(coding)) {
        return Some((encoded, None));
    }
    reading.give(Terms { length: None, max_bytes }).map(|given| (given, coding))
}

/// Writes a body that travels in the message.
fn inline(memory: Memory, coding: Option<Coding>, mut to: http_response::body::Builder<'_>) -> Result<()> {
    match coding {
        Some(coding) => {
            let encoded = coding.encode(memory.bytes).map_err(|error| Error::type_error(error.to_string()))?;
            copy(to.init_bytes(encoded.len() as u32), &encoded);
        }
        None if memory.of_request => to.set_request(()),
        None => copy(to.init_bytes(memory.bytes.len() as u32), &memory.bytes),
    }
    Ok(())
}

/// Writes what a handler answered for the wire. Its body is used from then on.
///
/// A body that is complete and at most `inline_bytes` long travels in the message. A request body that nobody read goes
/// back to the supervisor as the very capability that it came as. Any other body becomes a `ByteSource` of this process;
/// where script produces it or native code encodes it, the `StreamingBody` says when that has come to its end.
///
/// A body with `Content-Encoding: gzip` or `br` is encoded on its way, unless the script said that it did so.
///
/// `bodyLength` is 0 for a response without a body. The response to a HEAD request has no body either: its `bodyLength`,
/// and its `Content-Length` unless the script gave one, are those of the body that it would have had, where that is known.
///
/// # Errors
/// The value is not a `Response`; the body was used or is locked; the response is a network error; a limit is exceeded.
pub fn to_wire<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    event: &Rc<Event>,
    value: v8::Local<'s, v8::Value>,
    request_is_head: bool,
    inline_bytes: usize,
    asked: Option<Asked>,
    mut builder: http_response::Builder<'_>,
) -> std::result::Result<Option<StreamingBody>, Refused> {
    let limits = event.isolate().limits();
    let response = jsg::unwrap_value::<Response>(scope, value)
        .ok_or_else(|| Error::type_error("Incorrect type for Promise: the Promise did not resolve to 'Response'."))?;
    if response.status == 0 {
        let text = "Return value from serve handler must not be an error response (like Response.error())";
        return Err(Error::type_error(text).into());
    }
    if let Some(socket) = response.socket(scope) {
        return upgraded(scope, event, response, socket, asked, builder);
    }
    let coding = if response.encoded { None } else { coding(scope, &response.base.headers().map.borrow()) };
    let body = response.base.outgoing(scope)?;
    let length = match &body {
        Outgoing::None => None,
        Outgoing::Bytes(memory) => Some(memory.bytes.len() as u64),
        Outgoing::Native(_, length) | Outgoing::Reader(_, length) => *length,
    };
    let max_body = bound(limits.response_body_bytes).unwrap_or(u64::MAX);
    if !request_is_head && length.is_some_and(|length| length > max_body) {
        return Err(Refused::Exceeded(Limit::ResponseBody));
    }
    // As in the reference, nobody says how long an encoded body is.
    let length = length.filter(|_| coding.is_none());
    let map = response.base.headers().map.borrow();
    write_head(
        response,
        &map,
        bound(limits.response_head_bytes),
        length.filter(|_| request_is_head),
        builder.reborrow(),
    )?;
    drop(map);
    builder.set_body_length(to_body_length(length.or(matches!(body, Outgoing::None).then_some(0))));
    let mut to = builder.init_body();
    let streaming = StreamingBody::default();
    let is_followed = flags::is_on(scope, FOLLOWED);
    let offered = |source: Rc<dyn Source>| match is_followed {
        true => offer(Rc::new(Followed { source, streaming: streaming.clone() })),
        false => offer(source),
    };
    let encoded = |source: Rc<dyn Source>| match coding {
        Some(coding) => offered(Rc::new(coding.source(source, event, streaming.open()))),
        None => offered(source),
    };
    match body {
        Outgoing::None => to.set_none(()),
        Outgoing::Bytes(_) | Outgoing::Native(..) if request_is_head => to.set_none(()),
        Outgoing::Bytes(memory) if memory.bytes.len() <= inline_bytes => inline(memory, coding, to)?,
        Outgoing::Bytes(memory) => to.set_stream(encoded(Rc::new(MemorySource::new(memory, Some(event.outlet()))))),
        Outgoing::Native(reading, _) => {
            let max_bytes = inline_bytes.min(usize::try_from(max_body).unwrap_or(usize::MAX));
            match give(&reading, coding, max_bytes) {
                Some((Given { whole, passing }, coding)) => {
                    // What the event still sends, the response may be waiting for.
                    let passing = passing.or_else(|| event.is_uploading().then(|| whole.passing()));
                    if let Some(passing) = passing {
                        follow(event, passing, &streaming);
                    }
                    match (whole, coding) {
                        (Whole::Wire(source), None) => to.set_stream(source.client()),
                        (Whole::Wire(source), Some(_)) => to.set_stream(encoded(source)),
                        (Whole::Memory(memory), coding) => inline(memory, coding, to)?,
                    }
                }
                None => to.set_stream(encoded(Rc::new(Answer::new(event, reading, streaming.open(), max_body)))),
            }
        }
        Outgoing::Reader(reader, _) => {
            let source = ReaderSource::new(event, reader, streaming.open(), max_body);
            if request_is_head {
                // Dropping the source cancels the stream.
                drop(source);
                streaming.set_whole();
                to.set_none(());
            } else {
                to.set_stream(encoded(Rc::new(source)));
            }
        }
    }
    Ok((!streaming.is_done()).then_some(streaming))
}

/// Writes a response that is a WebSocket. Nobody else can have that from then on.
fn upgraded<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    event: &Rc<Event>,
    response: &Response,
    socket: v8::Local<'s, v8::Object>,
    asked: Option<Asked>,
    mut builder: http_response::Builder<'_>,
) -> std::result::Result<Option<StreamingBody>, Refused> {
    let Some(Asked { from, extensions }) = asked else {
        let text = "Worker tried to return a WebSocket in a response to a request which did not contain the header \
                    \"Upgrade: websocket\".";
        return Err(Error::type_error(text).into());
    };
    let given = web_socket::give(scope, socket)?;
    let mut map = response.base.headers().map.borrow().clone();
    let streaming = StreamingBody::default();
    let client = match given {
        web_socket::Given::End(end) => {
            let terms = map.get(EXTENSIONS).map(|terms| String::from_utf8_lossy(&terms).into_owned());
            map.remove(EXTENSIONS);
            let agreed = flags::is_on(scope, COMPRESSION).then(|| accept(&extensions, terms.as_deref())).flatten();
            if let Some((_, answer)) = &agreed {
                map.append(EXTENSIONS, answer.as_bytes())?;
            }
            let deflate = agreed.map(|(deflate, _)| deflate);
            let receiver = Receiver::new(Role::Server, web_socket::max_message(scope), deflate.as_ref());
            let ends = (receiver, Sender::server(deflate.as_ref()));
            let frames = couple(event.context(), end, from.clone(), ends, Some(streaming.open()));
            let reading = Rc::new(Reading::new(frames));
            offer_beside(Rc::new(Answer::new(event, reading, streaming.open(), u64::MAX)), &from)
        }
        web_socket::Given::Connection(connection) => {
            // The two connections become one, of which nothing comes here.
            let theirs = connection.pass_to(from);
            follow(event, Whole::Wire(theirs.clone()).passing(), &streaming);
            theirs.client()
        }
    };
    let max_head = bound(event.isolate().limits().response_head_bytes);
    write_head(response, &map, max_head, None, builder.reborrow())?;
    builder.init_body().set_stream(client);
    Ok(Some(streaming))
}

/// Writes the status of a response and headers, of at most `max_bytes`. `length` is that of the body of a response to HEAD.
fn write_head(
    response: &Response,
    map: &HeaderMap,
    max_bytes: Option<u32>,
    length: Option<u64>,
    builder: http_response::Builder<'_>,
) -> std::result::Result<(), Refused> {
    let wire = HeadLimits::default();
    let head_bytes: usize = map.iter().map(|(name, value)| name.len() + value.len()).sum();
    // One header and its length are this function's own.
    if map.len() >= wire.max_headers as usize
        || head_bytes > max_bytes.map_or(wire.max_bytes, |bytes| bytes as usize)
        || response.status_text.len() > MAX_STATUS_TEXT
    {
        return Err(Refused::Exceeded(Limit::ResponseHead));
    }
    // The response to a HEAD request has no body to count, so its length is a header; the script's, if it has one.
    let counted = length.filter(|_| !map.contains(b"content-length")).map(|length| length.to_string());
    let count = map.len() + usize::from(counted.is_some());
    let names = map.iter().map(|(name, value)| (std::str::from_utf8(name).unwrap_or_default(), value));
    let counted = counted.as_ref().map(|length| ("Content-Length", length.as_bytes()));
    write_response(builder, response.status, &response.status_text, count, names.chain(counted));
    Ok(())
}

/// The encoding that the headers ask this side for, or say of a body that is fetched.
pub(super) fn coding(scope: &mut v8::PinScope<'_, '_>, map: &HeaderMap) -> Option<Coding> {
    let value = map.get(b"content-encoding")?;
    Coding::of(value.trim_ascii(), Isolate::of(scope).flags().is_on(BROTLI))
}
