//! `caches`: what it asks of the service that stands behind it, which answers by HTTP (`docs/compatibility.md`).
//!
//! `match` is a GET with `Cache-Control: only-if-cached`, and a hit says `CF-Cache-Status: HIT`; `delete` is a PURGE; `put` is a PUT
//! whose body is the response, serialized.

use std::{cell::RefCell, rc::Rc};

use bulkhead_ipc::{
    compatibility::Flag,
    head::{is_hop_by_hop, reason},
    policy::INLINE_BODY_BYTES,
};
use bytes::Bytes;
use futures::future::LocalBoxFuture;
use jsg::{Error, OrUndefined, Result, ToJs};

use super::{
    body::Outgoing,
    fetcher::Addressee,
    global::cf_json,
    header_map::HeaderMap,
    request::{Input, Request, construct},
    response::Response,
    subrequest::{Fetched, Once, Outbound, Upload},
    wire::coding,
};
use crate::{
    api::url::legacy,
    io::{Event, Outlet},
    isolate::flags,
    streams::{
        StreamingBody,
        memory::MemorySource,
        reader::ReaderSource,
        source::{Broken, Pulled, Source},
    },
};

const STANDARD_URL: Flag = Flag::named("fetch_standard_url");

/// Names of caches are shorter than this, in bytes.
const MAX_NAME: usize = 1024;

/// The position of what stands behind the Cache API, where the worker's configuration names something.
struct Behind(Option<u32>);

/// Says what stands behind the Cache API: a position among what each connection hands over.
pub(crate) fn set_position(scope: &mut v8::PinScope<'_, '_>, position: Option<u32>) {
    scope.set_slot(Behind(position));
}

/// The class `Cache`.
#[derive(jsg::Trace)]
pub(in crate::api) struct Cache {
    /// As a header says it; empty for `caches.default`.
    #[trace(skip)]
    namespace: String,
}

#[derive(jsg::Dict)]
struct CacheQueryOptions<'s> {
    ignore_method: Option<bool>,
    ignore_search: Option<v8::Local<'s, v8::Value>>,
    ignore_vary: Option<v8::Local<'s, v8::Value>>,
    cache_name: Option<v8::Local<'s, v8::Value>>,
}

impl CacheQueryOptions<'_> {
    /// Whether a request of any method will do.
    ///
    /// # Errors
    /// The reference's, for what it does not have.
    fn ignores_method(options: Option<Self>) -> Result<bool> {
        let Some(options) = options else { return Ok(false) };
        let missing = [
            ("ignoreSearch", options.ignore_search),
            ("ignoreVary", options.ignore_vary),
            ("cacheName", options.cache_name),
        ];
        match missing.into_iter().find(|(_, value)| value.is_some()) {
            Some((name, _)) => {
                Err(Error::error(format!("The '{name}' field on 'CacheQueryOptions' is not implemented.")))
            }
            None => Ok(options.ignore_method.unwrap_or(false)),
        }
    }
}

/// What something is cached under: the request that was given, or one that was made of a URL.
enum Key<'s> {
    Given(&'s Request),
    Made(Box<Request>),
}

impl<'s> Key<'s> {
    fn new(scope: &mut v8::PinScope<'s, '_>, input: Input<'s>) -> Result<Self> {
        Ok(match input {
            Input::Request(request) => Key::Given(request),
            Input::Url(_) => Key::Made(Box::new(construct(scope, input, None)?)),
        })
    }
}

impl std::ops::Deref for Key<'_> {
    type Target = Request;

    fn deref(&self) -> &Request {
        match self {
            Key::Given(request) => request,
            Key::Made(request) => request,
        }
    }
}

fn not_implemented(method: &str, class: &str) -> Error {
    Error::error(format!("Failed to execute '{method}' on '{class}': the method is not implemented."))
}

#[jsg::class]
impl Cache {
    #[method]
    fn add(&self) -> Result<()> {
        Err(not_implemented("add", "Cache"))
    }

    #[method]
    fn add_all(&self) -> Result<()> {
        Err(not_implemented("addAll", "Cache"))
    }

    #[method(promise)]
    fn delete<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        request: Input<'s>,
        options: Option<CacheQueryOptions<'s>>,
    ) -> Result<v8::Local<'s, v8::Promise>> {
        let ignores_method = CacheQueryOptions::ignores_method(options)?;
        let key = Key::new(scope, request)?;
        if !ignores_method && key.method != "GET" {
            return jsg::resolved(scope, false);
        }
        let event = Event::require(scope)?;
        let mut outbound = self.outbound(scope, &key, "PURGE", Upload::None)?;
        outbound.headers.set(b"X-Real-IP", b"127.0.0.1")?;
        let answer = outbound.run(event.handle());
        event.promise(scope, async move {
            const REFUSED: &str = "Unable to delete cached response.";
            let arrived = match answer.await? {
                Fetched::Response(arrived) => arrived,
                thrown @ Fetched::Thrown(_) => return Ok(Deleted::Thrown(thrown)),
            };
            match arrived.status() {
                200 => Ok(Deleted::Was(true)),
                404 => Ok(Deleted::Was(false)),
                429 => Err(Error::error(format!("{REFUSED} Subrequests are being rate-limited."))),
                _ => Err(Error::error(REFUSED)),
            }
        })
    }

    #[method(promise)]
    fn r#match<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        request: Input<'s>,
        options: Option<CacheQueryOptions<'s>>,
    ) -> Result<v8::Local<'s, v8::Promise>> {
        let ignores_method = CacheQueryOptions::ignores_method(options)?;
        let key = Key::new(scope, request)?;
        if !ignores_method && key.method != "GET" {
            return jsg::resolved(scope, ());
        }
        let event = Event::require(scope)?;
        let mut outbound = self.outbound(scope, &key, "GET", Upload::None)?;
        outbound.headers.set(b"Cache-Control", b"only-if-cached")?;
        let answer = outbound.run(event.handle());
        event.promise(scope, async move {
            Ok(OrUndefined(match answer.await? {
                // Whatever the status is: somebody may have cached a 504.
                Fetched::Response(arrived) if arrived.has_header(b"CF-Cache-Status", b"HIT") => {
                    Some(Fetched::Response(Box::new(arrived.without_url())))
                }
                Fetched::Response(_) => None,
                Fetched::Thrown(thrown) => Some(Fetched::Thrown(thrown)),
            }))
        })
    }

    #[method(promise)]
    fn put<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        request: Input<'s>,
        response: &'s Response,
    ) -> Result<v8::Local<'s, v8::Promise>> {
        let key = Key::new(scope, request)?;
        if key.method != "GET" {
            return Err(Error::type_error("Cannot cache response to non-GET request."));
        }
        match response.status {
            0 => return Err(Error::type_error("Cache is unable to store an error response")),
            206 => {
                return Err(Error::type_error("Cannot cache response to a range request (206 Partial Content)."));
            }
            _ => {}
        }
        if response.base.headers().map.borrow().values(b"vary").any(|value| value.contains(&b'*')) {
            return Err(Error::type_error("Cannot cache response with 'Vary: *' header."));
        }
        // What it would be the answer to, the cache knows already.
        if response.status == 304 {
            return jsg::resolved(scope, ());
        }
        if response.socket(scope).is_some() {
            return Err(Error::type_error(
                "Worker tried to return a WebSocket in a response to a request which did not contain the header \
                 \"Upgrade: websocket\".",
            ));
        }
        let event = Event::require(scope)?;
        let broken = Rc::new(RefCell::new(None));
        let body = serialize(scope, &event, response, &broken)?;
        let outbound = self.outbound(scope, &key, "PUT", body)?;
        let answer = outbound.run(event.handle());
        event.promise(scope, async move {
            // As in the reference nobody is told what became of it, unless the body itself broke.
            match (answer.await?, broken.take()) {
                (Fetched::Thrown(_), Some(error)) => Err(error),
                (Fetched::Thrown(_) | Fetched::Response(_), _) => Ok(()),
            }
        })
    }

    #[method]
    fn match_all(&self) -> Result<()> {
        Err(not_implemented("matchAll", "Cache"))
    }

    #[method]
    fn keys(&self) -> Result<()> {
        Err(not_implemented("keys", "Cache"))
    }
}

impl Cache {
    /// A request of what stands behind the Cache API.
    ///
    /// # Errors
    /// There is nothing; the key's URL is none that something can be cached under.
    fn outbound(
        &self,
        scope: &mut v8::PinScope<'_, '_>,
        key: &Request,
        method: &'static str,
        body: Upload,
    ) -> Result<Outbound> {
        let position = scope.get_slot::<Behind>().and_then(|behind| behind.0);
        let position = position.ok_or_else(|| Error::error("No Cache was configured"))?;
        let url = cached_url(scope, &key.url)
            .ok_or_else(|| Error::type_error("Invalid URL. Cache API keys must be fully-qualified, valid URLs."))?;
        let mut headers = key.base.headers().map.borrow().clone();
        // What a cache mode says in headers is for `fetch()`.
        let cf_json = cf_json(scope, key, &mut headers.clone())?;
        if !self.namespace.is_empty() {
            headers.set(b"CF-Cache-Namespace", self.namespace.as_bytes())?;
        }
        Ok(Outbound {
            to: Addressee { position, props: None },
            method,
            url,
            headers,
            cf_json,
            follows: false,
            body,
            aborted: None,
            raw: false,
            strips: false,
            upgrade: false,
        })
    }
}

/// What comes of a request to delete something.
enum Deleted {
    /// Whether there was something.
    Was(bool),
    Thrown(Fetched),
}

impl<'s> ToJs<'s> for Deleted {
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        match self {
            Deleted::Was(there) => there.to_js(scope),
            Deleted::Thrown(thrown) => thrown.to_js(scope),
        }
    }
}

/// A URL that something can be cached under.
fn cached_url(scope: &v8::PinScope<'_, '_>, url: &str) -> Option<ada_url::Url> {
    // One that was not parsed when the request was made is looked at here.
    if !flags::is_on(scope, STANDARD_URL) && legacy::normalize(url).is_none() {
        return None;
    }
    let url = ada_url::Url::parse(url, None).ok()?;
    // The URL Standard permits these in a host, and HTTP does not.
    let has_host = !url.host().is_empty() && !url.host().contains(['"', '`', '{', '}']);
    (has_host && url.username().is_empty() && url.password().is_empty()).then_some(url)
}

/// A response as the body of a request. Its own body is used from then on; what script breaks it with is found in `broken`.
fn serialize(
    scope: &mut v8::PinScope<'_, '_>,
    event: &Rc<Event>,
    response: &Response,
    broken: &Rc<RefCell<Option<Error>>>,
) -> Result<Upload> {
    let body = response.base.outgoing(scope)?;
    let map = response.base.headers().map.borrow();
    let coding = if response.encoded { None } else { coding(scope, &map) };
    let length = match &body {
        Outgoing::None => Some(0),
        // Nobody says how long it is when it is encoded.
        _ if coding.is_some() => None,
        Outgoing::Bytes(memory) => Some(memory.bytes.len() as u64),
        Outgoing::Native(_, length) | Outgoing::Reader(_, length) => *length,
    };
    let head = serialized_head(response, &map, length);
    let outlet = event.outlet();
    let source: Rc<dyn Source> = match body {
        Outgoing::None => return Ok(Upload::Bytes(head)),
        Outgoing::Bytes(memory) if coding.is_none() && memory.bytes.len() <= INLINE_BODY_BYTES as usize => {
            let body = memory.read_to_end();
            return Ok(Upload::Bytes([&head[..], &body].concat().into()));
        }
        Outgoing::Bytes(memory) => Rc::new(MemorySource::new(memory, Some(outlet))),
        Outgoing::Native(reading, _) => reading,
        Outgoing::Reader(reader, _) => {
            Rc::new(ReaderSource::new(event, reader, StreamingBody::default().open(), u64::MAX).untold())
        }
    };
    let source = match coding {
        Some(coding) => Rc::new(coding.source(source, event, StreamingBody::default().open())),
        None => source,
    };
    let serialized =
        Serialized { head: RefCell::new(head.clone()), body: source, outlet: outlet.clone(), broken: broken.clone() };
    let length = length.map(|length| length + head.len() as u64);
    Ok(Upload::Once(Some(Once::Source(Rc::new(serialized))), length))
}

/// The head of a response in HTTP/1.1. The bytes of a body of unknown length follow as they are: the message that they are in says where
/// they end, although the head says that they come in chunks.
fn serialized_head(response: &Response, map: &HeaderMap, length: Option<u64>) -> Bytes {
    let text = match &*response.status_text {
        "" => reason(response.status),
        text => text,
    };
    let framing = match length {
        Some(length) => format!("Content-Length: {length}"),
        None => "Transfer-Encoding: chunked".to_owned(),
    };
    let mut head = format!("HTTP/1.1 {} {text}\r\n{framing}\r\n", response.status).into_bytes();
    for (name, value) in map.iter() {
        let lower = name.to_ascii_lowercase();
        let lower = std::str::from_utf8(&lower).unwrap_or_default();
        // The framing is ours; the reference keeps the header that no standard has.
        if lower == "content-length" || is_hop_by_hop(lower) && lower != "proxy-connection" {
            continue;
        }
        head.extend([name, b": ", value, b"\r\n"].into_iter().flatten());
    }
    head.extend(b"\r\n");
    head.into()
}

/// A response on its way into the cache.
struct Serialized {
    /// What is left of it.
    head: RefCell<Bytes>,
    body: Rc<dyn Source>,
    outlet: Outlet,
    /// What script has broken the body with.
    broken: Rc<RefCell<Option<Error>>>,
}

impl Source for Serialized {
    fn pull(&self, max_bytes: usize) -> LocalBoxFuture<'_, std::result::Result<Pulled, Broken>> {
        Box::pin(async move {
            let length = self.head.borrow().len().min(max_bytes);
            if length > 0 {
                let room = self.outlet.room(length).await;
                let bytes = self.head.borrow_mut().split_to(length);
                return Ok(Pulled { room, ..Pulled::new(bytes, false) });
            }
            let pulled = self.body.pull(max_bytes).await;
            if let Err(Broken::Script(error)) = &pulled {
                self.broken.replace(Some(error.clone()));
            }
            pulled
        })
    }

    fn is_outside(&self) -> bool {
        self.body.is_outside()
    }
}

/// The class `CacheStorage`.
#[derive(jsg::Trace)]
pub(in crate::api) struct CacheStorage;

#[jsg::class]
impl CacheStorage {
    #[method(promise)]
    fn open<'s>(&self, scope: &mut v8::PinScope<'s, '_>, name: String) -> Result<v8::Local<'s, v8::Promise>> {
        if name.len() >= MAX_NAME {
            return Err(Error::type_error("Cache name is too long."));
        }
        let cache = jsg::instantiate(scope, Cache { namespace: encode_name(&name) })?;
        jsg::resolved(scope, cache)
    }

    #[method]
    fn delete(&self) -> Result<()> {
        Err(not_implemented("delete", "CacheStorage"))
    }

    #[method]
    fn r#match(&self) -> Result<()> {
        Err(not_implemented("match", "CacheStorage"))
    }

    #[method]
    fn has(&self) -> Result<()> {
        Err(not_implemented("has", "CacheStorage"))
    }

    #[method]
    fn keys(&self) -> Result<()> {
        Err(not_implemented("keys", "CacheStorage"))
    }
}

impl CacheStorage {
    /// The object `caches`, with its `default`.
    pub(in crate::api) fn make<'s>(scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Object>> {
        let storage = jsg::instantiate(scope, CacheStorage)?;
        let default = jsg::instantiate(scope, Cache { namespace: String::new() })?;
        let key = jsg::string(scope, "default");
        let defined = storage.define_own_property(scope, key.into(), default.into(), v8::PropertyAttribute::READ_ONLY);
        defined.ok_or(Error::Pending)?;
        Ok(storage)
    }
}

/// As `encodeURIComponent` does it.
fn encode_name(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => encoded.push(char::from(byte)),
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
