//! The class `Response` (Fetch Standard, section 5.5) and its way to the supervisor.

use std::{
    cell::{Cell, OnceCell, RefCell},
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bulkhead_ipc::{
    compatibility::Flag,
    head::{HeadLimits, MAX_STATUS_TEXT},
    transport::Reservation,
    worker_capnp::{byte_source, http_response},
};
use bytes::Bytes;
use capnp::capability::Promise;
use futures::future::{Either, select};
use jsg::{Error, FromJs, JsRef, OrUndefined, Place, Registry, Result};

use super::{
    body::{Body, BodyInit, Init, Outgoing, State},
    cf::Cf,
    compression::Coding,
    headers::{HeaderList, HeaderMap, HeadersInit},
    request::{CfInit, headers_object},
    source::offer,
    structured_clone::no_bodies,
};
use crate::{
    io::{HUNG, Hold, IoContext, JsFuture, Outlet, js_future},
    isolate::{Isolate, builtins, describe, flags, watch},
    limits::{self, Limit},
    log::{Level, Source},
};

const BROTLI: Flag = Flag::named("brotli_content_encoding");
const STANDARD_REDIRECT: Flag = Flag::named("response_redirect_url_standard");
const NULL_IF_WRONG: Flag = Flag::named("dont_substitute_null_on_type_error");

/// The class `Response`.
#[derive(jsg::Trace)]
pub struct Response {
    base: Body,
    /// 0 for a network error.
    #[trace(skip)]
    status: u16,
    #[trace(skip)]
    status_text: String,
    headers: OnceCell<JsRef<v8::Object>>,
    cf: Cf,
    /// The script encoded the body as its `Content-Encoding` says; else that is for the runtime to do.
    #[trace(skip)]
    encoded: bool,
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Response({})", self.status)
    }
}

#[jsg::class(extends = Body)]
impl Response {
    #[constructor]
    fn new<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        body: Option<BodyInit<'s>>,
        init: Option<ResponseInit<'s>>,
    ) -> Result<Self> {
        construct(scope, body.unwrap_or(BodyInit::NONE), init)
    }

    #[static_method]
    fn error(_scope: &mut v8::PinScope<'_, '_>) -> Self {
        Response::with_list(0, HeaderList::new(HeaderMap::default()))
    }

    #[static_method]
    fn redirect(scope: &mut v8::PinScope<'_, '_>, url: String, status: Option<i32>) -> Result<Self> {
        let parsed = if flags::is_on(scope, STANDARD_REDIRECT) {
            ada_url::Url::parse(&*url, None).ok().map(|url| url.href().to_owned())
        } else {
            super::legacy_url::normalize(&url)
        };
        let parsed = parsed.ok_or_else(|| Error::type_error(format!("Unable to parse URL: {url}")))?;
        let status = status.unwrap_or(302);
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            return Err(Error::range_error(format!(
                "{status} is not a redirect status code. It must be one of: 301, 302, 303, 307, or 308."
            )));
        }
        let mut map = HeaderMap::default();
        map.append(b"Location", parsed.as_bytes())?;
        Ok(Response::with_list(status as u16, HeaderList::immutable(map)))
    }

    #[static_method]
    fn json<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        data: v8::Local<'s, v8::Value>,
        init: Option<ResponseInit<'s>>,
    ) -> Result<Self> {
        let json = v8::json::stringify(scope, data).ok_or(Error::Pending)?;
        let mut body = BodyInit::text(scope, json);
        body.content_type = Some("application/json".into());
        construct(scope, body, init)
    }

    #[method]
    fn clone<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Object>> {
        let state = self.base.duplicate(scope)?;
        let copy = Response {
            base: Body::with_state(state, self.base.headers().duplicate()),
            status: self.status,
            status_text: self.status_text.clone(),
            headers: OnceCell::new(),
            cf: self.cf.duplicate(scope)?,
            encoded: self.encoded,
        };
        jsg::instantiate(scope, copy)
    }

    #[getter]
    fn status(&self) -> u16 {
        self.status
    }

    #[getter]
    fn status_text(&self) -> String {
        self.status_text.clone()
    }

    #[getter]
    fn headers<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Object>> {
        headers_object(scope, &self.headers, &self.base)
    }

    #[getter]
    fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Always false: a response that `fetch` gave would know better.
    #[getter]
    fn redirected(&self) -> bool {
        false
    }

    #[getter]
    fn url(&self) -> &'static str {
        ""
    }

    #[getter]
    fn web_socket(&self) -> Option<bool> {
        None
    }

    #[getter]
    fn cf<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<OrUndefined<v8::Local<'s, v8::Value>>> {
        self.cf.value(scope).map(OrUndefined)
    }

    #[getter(name = "type")]
    fn kind(&self) -> &'static str {
        if self.status == 0 { "error" } else { "default" }
    }
}

impl Response {
    /// A copy for `structuredClone`, as in the reference: without a body.
    pub(super) fn copy<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Object>> {
        if !self.base.is_null() {
            return Err(no_bodies());
        }
        let copy = Response {
            base: self.base.copy_of_none(),
            status: self.status,
            status_text: self.status_text.clone(),
            headers: OnceCell::new(),
            cf: self.cf.duplicate(scope)?,
            encoded: self.encoded,
        };
        jsg::instantiate(scope, copy)
    }

    fn with_list(status: u16, list: Rc<HeaderList>) -> Self {
        Response {
            base: Body::with_state(State::None, list),
            status,
            status_text: String::new(),
            headers: OnceCell::new(),
            cf: Cf::default(),
            encoded: false,
        }
    }
}

#[derive(jsg::Union)]
#[jsg(name = "InitializerDict or Response")]
enum ResponseInit<'s> {
    Response(&'s Response),
    Dict(InitializerDict),
}

#[derive(jsg::Dict)]
struct InitializerDict {
    status: Option<i32>,
    status_text: Option<String>,
    headers: Option<HeadersInit>,
    cf: Option<CfInit>,
    web_socket: Option<NoWebSocket>,
    encode_body: Option<String>,
}

/// `WebSocket?`, of which only null exists.
struct NoWebSocket;

impl<'s> FromJs<'s> for NoWebSocket {
    fn expected() -> std::borrow::Cow<'static, str> {
        "WebSocket".into()
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
        if value.is_null() || !flags::is_on(scope, NULL_IF_WRONG) {
            Ok(NoWebSocket)
        } else {
            Err(place.mismatch("WebSocket"))
        }
    }
}

/// Fetch Standard, "initialize a response".
fn construct<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    mut body: BodyInit<'s>,
    init: Option<ResponseInit<'s>>,
) -> Result<Response> {
    let mut status = 200;
    let mut status_text = String::new();
    let mut map = HeaderMap::default();
    let mut cf = Cf::default();
    let mut encoded = false;
    match init {
        None => {}
        Some(ResponseInit::Response(source)) => {
            status = i32::from(source.status);
            status_text.clone_from(&source.status_text);
            map = source.base.headers().map.borrow().clone();
            cf = source.cf.duplicate(scope)?;
            encoded = source.encoded;
        }
        Some(ResponseInit::Dict(dict)) => {
            status = dict.status.unwrap_or(200);
            status_text = dict.status_text.unwrap_or_default();
            if let Some(headers) = dict.headers {
                map = headers.0;
            }
            if let Some(init) = dict.cf {
                cf = init.0;
            }
            if let Some(NoWebSocket) = dict.web_socket {
                // It has none.
            }
            encoded = match dict.encode_body.as_deref() {
                None | Some("automatic") => false,
                Some("manual") => true,
                Some(other) => return Err(Error::type_error(format!("encodeBody: unexpected value: {other}"))),
            };
        }
    }
    let status = u16::try_from(status).ok().filter(|status| (200..600).contains(status)).ok_or_else(|| {
        Error::range_error("Responses may only be constructed with status codes in the range 200 to 599, inclusive.")
    })?;
    if status_text.bytes().any(|byte| byte < b' ') {
        return Err(Error::type_error("Invalid statusText"));
    }
    if matches!(status, 204 | 205 | 304) {
        if !body.is_empty() {
            return Err(Error::type_error(
                "Response with null body status (101, 204, 205, or 304) cannot have a body.",
            ));
        }
        body = BodyInit::NONE;
    }
    if let Some(content_type) = &body.content_type
        && !map.contains(b"content-type")
    {
        map.append(b"Content-Type", content_type.as_bytes())?;
    }
    let list = HeaderList::new(map);
    let base = match body.body {
        Init::None => Body::with_state(State::None, list),
        init => Body::new(scope, init, list),
    };
    Ok(Response { base, status, status_text, headers: OnceCell::new(), cf, encoded })
}

// ---------------------------------------------------------------------------------------------------------- the wire

/// How far the body of a response has got after its head has left. Whoever answers the event keeps the event's tasks
/// running (`IoContext::poll_tasks`) until it is done.
#[derive(Debug, Clone)]
pub struct StreamingBody(Rc<Progress>);

#[derive(Debug, Default)]
struct Progress {
    /// How many sources have not come to their end.
    open: Cell<usize>,
    waker: RefCell<Option<Waker>>,
}

/// A source of a body's bytes that has not come to its end. Dropped when it has.
#[derive(Debug)]
pub(super) struct OpenBody(Rc<Progress>);

impl OpenBody {
    fn new(progress: &Rc<Progress>) -> Self {
        progress.open.set(progress.open.get() + 1);
        OpenBody(progress.clone())
    }
}

impl Drop for OpenBody {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        let waker = self.0.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl StreamingBody {
    /// Whether the last byte has been pulled, the stream has failed, or the supervisor has let go of it.
    pub fn is_done(&self) -> bool {
        self.0.open.get() == 0
    }

    /// Ready when [`Self::is_done`].
    pub fn poll_done(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_done() {
            return Poll::Ready(());
        }
        *self.0.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Waits until [`Self::is_done`].
    pub async fn wait(self) {
        poll_fn(|cx| self.poll_done(cx)).await;
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

/// Whether a value is a `Response`.
pub fn is_response<'s>(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> bool {
    jsg::unwrap_value::<Response>(scope, value).is_some()
}

/// Writes what a handler answered for the wire. Its body is used from then on.
///
/// A body that is complete and at most `inline_bytes` long travels in the message. A request body that nobody read goes
/// back to the supervisor as the very capability that it came as. Any other body becomes a `ByteSource` of this process;
/// where script produces it or native code encodes it, the [`StreamingBody`] says when that has come to its end.
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
    context: &Rc<IoContext>,
    value: v8::Local<'s, v8::Value>,
    request_is_head: bool,
    inline_bytes: usize,
    mut builder: http_response::Builder<'_>,
) -> std::result::Result<Option<StreamingBody>, Refused> {
    let limits = context.isolate().limits();
    let response = jsg::unwrap_value::<Response>(scope, value)
        .ok_or_else(|| Error::type_error("Incorrect type for Promise: the Promise did not resolve to 'Response'."))?;
    if response.status == 0 {
        let text = "Return value from serve handler must not be an error response (like Response.error())";
        return Err(Error::type_error(text).into());
    }
    let coding = if response.encoded { None } else { coding(scope, &response.base.headers().map.borrow()) };
    let body = response.base.outgoing(scope)?;
    let length = match &body {
        Outgoing::None => None,
        Outgoing::Bytes(bytes) => Some(bytes.len() as u64),
        Outgoing::Source(_, length) | Outgoing::Reader(_, length) => *length,
    };
    let max_body = limits.response_body_bytes.unwrap_or(u64::MAX);
    if !request_is_head && length.is_some_and(|length| length > max_body) {
        return Err(Refused::Exceeded(Limit::ResponseBody));
    }
    // As in the reference, nobody says how long an encoded body is.
    let length = length.filter(|_| coding.is_none());
    let map = response.base.headers().map.borrow();
    let wire = HeadLimits::default();
    let head_bytes: usize = map.iter().map(|(name, value)| name.len() + value.len()).sum();
    // One header and its length are this function's own.
    if map.len() >= wire.max_headers as usize
        || head_bytes > limits.response_head_bytes.unwrap_or(wire.max_bytes)
        || response.status_text.len() > MAX_STATUS_TEXT
    {
        return Err(Refused::Exceeded(Limit::ResponseHead));
    }
    builder.set_status(response.status);
    builder.set_status_text(&response.status_text);
    // The response to a HEAD request has no body to count, so its length is a header; the script's, if it has one.
    let counted =
        length.filter(|_| request_is_head && !map.contains(b"content-length")).map(|length| length.to_string());
    let count = map.len() + usize::from(counted.is_some());
    let names = map.iter().map(|(name, value)| (std::str::from_utf8(name).unwrap_or_default(), value));
    let counted = counted.as_ref().map(|length| ("Content-Length", length.as_bytes()));
    bulkhead_ipc::head::write(builder.reborrow().init_headers(count as u32), names.chain(counted));
    drop(map);

    builder.set_body_length(length.unwrap_or(if matches!(body, Outgoing::None) { 0 } else { u64::MAX }));
    let mut to = builder.init_body();
    let progress = Rc::new(Progress::default());
    let encoded = |client| match coding {
        Some(coding) => coding.source(client, context, OpenBody::new(&progress)),
        None => client,
    };
    match body {
        Outgoing::None => to.set_none(()),
        Outgoing::Bytes(_) | Outgoing::Source(..) if request_is_head => to.set_none(()),
        Outgoing::Bytes(bytes) if bytes.len() <= inline_bytes => match coding {
            None => to.set_bytes(&bytes),
            Some(coding) => {
                // No bytes of the message: those would have a length.
                let bytes = coding.encode(bytes).map_err(|error| Error::type_error(error.to_string()))?;
                to.set_stream(offer(MemorySource::new(bytes, context.outlet())));
            }
        },
        Outgoing::Bytes(bytes) => to.set_stream(encoded(offer(MemorySource::new(bytes, context.outlet())))),
        Outgoing::Source(client, _) => to.set_stream(encoded(client)),
        Outgoing::Reader(reader, _) => {
            let source = ReaderSource {
                context: context.clone(),
                reader,
                open: RefCell::new(Some(OpenBody::new(&progress))),
                hold: RefCell::new(Some(context.hold())),
                reading: RefCell::default(),
                left: Cell::new(max_body),
            };
            if request_is_head {
                // Dropping the source cancels the stream.
                drop(source);
                to.set_none(());
            } else {
                to.set_stream(encoded(offer(source)));
            }
        }
    }
    let body = StreamingBody(progress);
    Ok((!body.is_done()).then_some(body))
}

/// The encoding that the headers ask this side for.
fn coding(scope: &mut v8::PinScope<'_, '_>, map: &HeaderMap) -> Option<Coding> {
    let value = map.get(b"content-encoding")?;
    Coding::of(value.trim_ascii(), Isolate::of(scope).flags().is_on(BROTLI))
}

/// A long body in memory.
struct MemorySource {
    bytes: RefCell<Bytes>,
    outlet: Outlet,
}

impl MemorySource {
    fn new(bytes: Bytes, outlet: &Outlet) -> Self {
        MemorySource { bytes: RefCell::new(bytes), outlet: outlet.clone() }
    }
}

impl byte_source::Server for MemorySource {
    async fn pull(
        self: capnp::capability::Rc<Self>,
        params: byte_source::PullParams,
        mut results: byte_source::PullResults,
    ) -> std::result::Result<(), capnp::Error> {
        let max_bytes = params.get()?.get_max_bytes() as usize;
        let length = max_bytes.min(self.bytes.borrow().len());
        let room = self.outlet.room(length).await;
        let mut bytes = self.bytes.borrow_mut();
        let part = bytes.split_to(length);
        results.get().set_bytes(&part);
        results.get().set_done(bytes.is_empty());
        // Queued before anybody else gets room.
        drop((results, room));
        Ok(())
    }
}

/// A body that script produces.
struct ReaderSource {
    /// The event lives for as long as its response is pulled.
    context: Rc<IoContext>,
    reader: v8::Global<v8::Value>,
    /// Dropped at the end.
    open: RefCell<Option<OpenBody>>,
    /// Whoever pulls has the event go on, but while a pull waits for script, and at the end.
    hold: RefCell<Option<Hold>>,
    reading: RefCell<Reading>,
    /// How many bytes more the body may have.
    left: Cell<u64>,
}

#[derive(Default)]
struct Reading {
    /// What is left of a chunk that was longer than the last pull allowed.
    rest: Bytes,
    /// The chunk that was asked for and has not come.
    next: Option<JsFuture>,
    ended: bool,
}

impl byte_source::Server for ReaderSource {
    fn pull(
        self: capnp::capability::Rc<Self>,
        params: byte_source::PullParams,
        mut results: byte_source::PullResults,
    ) -> impl Future<Output = std::result::Result<(), capnp::Error>> + 'static {
        Promise::from_future(async move {
            let max_bytes = params.get()?.get_max_bytes() as usize;
            let mut room = None;
            let bytes = self.read(max_bytes, &mut room).await.map_err(|message| {
                self.reading.borrow_mut().ended = true;
                drop((self.open.take(), self.hold.take()));
                capnp::Error::failed(message)
            })?;
            let done = {
                let reading = self.reading.borrow();
                reading.ended && reading.rest.is_empty()
            };
            results.get().set_bytes(&bytes);
            results.get().set_done(done);
            // Queued before anybody else gets room.
            drop((results, room));
            if done {
                drop((self.open.take(), self.hold.take()));
            }
            Ok(())
        })
    }
}

/// A pull that waits for script.
struct Waiting<'a>(&'a ReaderSource);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let hold = self.0.context.hold();
        *self.0.hold.borrow_mut() = Some(hold);
    }
}

impl ReaderSource {
    /// At least one byte and at most `max_bytes`, or nothing at the end. Chunks that are there already are merged. As soon as
    /// there is one, `room` is asked for, and nothing is waited for afterwards.
    async fn read(&self, max_bytes: usize, room: &mut Option<Reservation>) -> std::result::Result<Bytes, String> {
        let mut merged: Vec<u8> = Vec::new();
        let mut ended = pin!(self.context.ended());
        loop {
            if let Some(limit) = self.context.breach() {
                // What came before goes out; the next pull fails.
                return if merged.is_empty() { Err(limits::text(limit).into()) } else { Ok(merged.into()) };
            }
            if room.is_none() && !self.reading.borrow().rest.is_empty() {
                *room = self.context.outlet().room(max_bytes).await;
            }
            {
                let mut reading = self.reading.borrow_mut();
                let length = reading.rest.len().min(max_bytes - merged.len());
                if length > 0 {
                    let part = reading.rest.split_to(length);
                    if merged.is_empty() && (length == max_bytes || reading.ended) {
                        return Ok(part);
                    }
                    merged.extend_from_slice(&part);
                }
                if merged.len() == max_bytes || reading.ended {
                    return Ok(merged.into());
                }
            }
            if self.reading.borrow().next.is_none() {
                let next = self.context.enter(|scope| {
                    v8::tc_scope!(let scope, scope);
                    let reader = v8::Local::new(scope, &self.reader);
                    match builtins::call(scope, "readChunk", &[reader]) {
                        Ok(promise) => {
                            let promise = v8::Local::<v8::Promise>::try_from(promise).expect("it gives a promise");
                            Ok(js_future(scope, promise))
                        }
                        Err(_) => match scope.exception() {
                            Some(exception) => Err(broke(scope, exception)),
                            None => Err("the stream cannot be read".to_owned()),
                        },
                    }
                });
                if self.context.breach().is_some() {
                    continue;
                }
                self.reading.borrow_mut().next = Some(next?);
            }
            let has_bytes = !merged.is_empty();
            let mut waiting = None;
            let settled = poll_fn(|cx| {
                let mut reading = self.reading.borrow_mut();
                let next = reading.next.as_mut().expect("a chunk was asked for");
                match std::pin::Pin::new(next).poll(cx) {
                    Poll::Ready(settled) => {
                        reading.next = None;
                        Poll::Ready(Some(settled))
                    }
                    Poll::Pending if has_bytes => Poll::Ready(None),
                    Poll::Pending => {
                        waiting.get_or_insert_with(|| Waiting(self));
                        drop(self.hold.take());
                        Poll::Pending
                    }
                }
            });
            let hung = pin!(self.context.hung());
            let settled = match select(settled, select(ended.as_mut(), hung)).await {
                Either::Left((Some(settled), _)) => settled,
                Either::Left((None, _)) => return Ok(merged.into()),
                Either::Right((Either::Left(_), _)) => continue,
                Either::Right((Either::Right(_), _)) => {
                    let text = format!("Uncaught {HUNG}");
                    self.context.isolate().logger().write(Level::Error, Source::Runtime, &text);
                    return Err(HUNG.to_owned());
                }
            };
            drop(waiting);
            let chunk = self.chunk(settled);
            if self.context.breach().is_some() {
                continue;
            }
            match chunk? {
                Some(bytes) => match self.left.get().checked_sub(bytes.len() as u64) {
                    Some(left) => {
                        self.left.set(left);
                        self.reading.borrow_mut().rest = bytes;
                    }
                    None => self.context.end(Limit::ResponseBody),
                },
                None => self.reading.borrow_mut().ended = true,
            }
        }
    }

    /// The bytes that `readChunk` gave, or `None` at the end.
    fn chunk(
        &self,
        settled: std::result::Result<v8::Global<v8::Value>, v8::Global<v8::Value>>,
    ) -> std::result::Result<Option<Bytes>, String> {
        self.context.enter(|scope| {
            v8::tc_scope!(let scope, scope);
            let result = match settled {
                Ok(result) => v8::Local::new(scope, result),
                Err(reason) => {
                    let reason = v8::Local::new(scope, reason);
                    return Err(broke(scope, reason));
                }
            };
            let result = v8::Local::<v8::Object>::try_from(result).expect("readChunk gives an object");
            let key = jsg::string(scope, "value");
            let value = result.get(scope, key.into()).ok_or("the stream cannot be read")?;
            Ok((!value.is_undefined()).then(|| Bytes::from(jsg::BufferSource(value).to_vec())))
        })
    }
}

/// Logs what ended a response's body early. Its head is sent, so that there is no other way to say it.
fn broke<'s>(scope: &mut v8::PinScope<'s, '_>, exception: v8::Local<'s, v8::Value>) -> String {
    if let Some(limit) = watch::breach() {
        return limits::text(limit).into();
    }
    let described = describe(scope, exception);
    let text = format!("Uncaught {}", described.text());
    Isolate::of(scope).logger().write(Level::Error, Source::Runtime, &text);
    described.message
}

impl Drop for ReaderSource {
    fn drop(&mut self) {
        if self.reading.get_mut().ended || self.context.breach().is_some() {
            return;
        }
        let reader = self.reader.clone();
        let open = self.open.take();
        let context = self.context.handle();
        // As a task, because script may be running now.
        self.context.spawn(async move {
            if let Some(context) = context.get() {
                context.enter(|scope| {
                    v8::tc_scope!(let scope, scope);
                    let reader = v8::Local::new(scope, reader);
                    // As in the reference, the stream is not told why.
                    let reason = v8::undefined(scope).into();
                    let cancelled = builtins::call(scope, "cancelReader", &[reader, reason]);
                    if let Ok(promise) = cancelled
                        && let Ok(promise) = v8::Local::<v8::Promise>::try_from(promise)
                    {
                        promise.mark_as_handled();
                    }
                });
            }
            drop(open);
        });
    }
}

/// Exposes `Response`.
pub(super) fn expose(scope: &mut v8::PinScope<'_, '_>, target: v8::Local<'_, v8::Object>) {
    Registry::expose::<Response>(scope, target);
}

/// Moves accessors: see `api::move_accessors_to_objects`.
pub(super) fn move_accessors_to_objects(scope: &mut v8::PinScope<'_, '_>) {
    Registry::move_to_objects(
        scope,
        <Response as jsg::Class>::info(),
        &["status", "statusText", "headers", "ok", "redirected", "url", "webSocket", "cf", "type"],
    );
}
