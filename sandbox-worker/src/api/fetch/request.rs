//! The class `Request` (Fetch Standard, section 5.4).

use std::cell::OnceCell;

use bulkhead_ipc::{
    compatibility::Flag,
    head::{EXTENSION_METHODS, METHODS},
};
use jsg::{Error, FromJs, JsRef, OrUndefined, Place, Registry, Result};

use super::{
    body::{self, Body, State},
    cf::{Cf, CfInit},
    extract::{BodyInit, Init},
    fetcher::FetcherInit,
    header_map::HeaderMap,
    headers::{HeaderList, Headers, HeadersInit},
};
use crate::{
    api::structured_clone::{no_bodies, no_signals},
    io::EventHandle,
    isolate::{flags, script},
};

const CACHE_OPTION: Flag = Flag::named("cache_option_enabled");
const CACHE_NO_CACHE: Flag = Flag::named("cache_no_cache_enabled");
const CACHE_RELOAD: Flag = Flag::named("cache_reload_enabled");
const UPPER_CASE_METHODS: Flag = Flag::named("upper_case_all_http_methods");
const STANDARD_URL: Flag = Flag::named("fetch_standard_url");
const NULL_IF_WRONG: Flag = Flag::named("dont_substitute_null_on_type_error");

/// Those that are upper-cased by the Fetch Standard ("normalize a method"), and on every compatibility date.
const NORMALIZED: &[&str] = &["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"];

/// The method that a script means: before `upper_case_all_http_methods` only some are known in lower case.
fn script_method(scope: &v8::PinScope<'_, '_>, name: &str) -> Option<&'static str> {
    let known = method(name)?;
    (known == name || NORMALIZED.contains(&known) || flags::is_on(scope, UPPER_CASE_METHODS)).then_some(known)
}

/// The method of this name; a script may write any method in any case.
pub(super) fn method(name: &str) -> Option<&'static str> {
    METHODS.iter().chain(EXTENSION_METHODS).copied().find(|method| method.eq_ignore_ascii_case(name))
}

/// Whether redirects are followed by `fetch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Redirect {
    Follow,
    Manual,
}

/// How `fetch` uses caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CacheMode {
    NoStore,
    NoCache,
    Reload,
}

/// The class `Request`.
#[derive(jsg::Trace)]
pub struct Request {
    pub(super) base: Body,
    #[trace(skip)]
    pub(super) method: &'static str,
    #[trace(skip)]
    pub(super) url: String,
    /// The same for scripts, once one asked.
    pub(super) url_value: OnceCell<JsRef<v8::String>>,
    pub(super) headers: OnceCell<JsRef<v8::Object>>,
    #[trace(skip)]
    pub(super) redirect: Redirect,
    #[trace(skip)]
    pub(super) cache: Option<CacheMode>,
    pub(super) signal: OnceCell<JsRef<v8::Value>>,
    /// The event whose client the signal follows, if there is one.
    #[trace(skip)]
    pub(super) follows: Option<EventHandle>,
    /// The `Fetcher` that it is sent to, if there is one.
    pub(super) fetcher: OnceCell<JsRef<v8::Object>>,
    /// Whether the response's body is wanted as it comes, encoded or not.
    #[trace(skip)]
    pub(super) raw: bool,
    pub(super) cf: Cf,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Request({} {})", self.method, self.url)
    }
}

#[jsg::class(extends = Body)]
impl Request {
    #[constructor]
    fn new<'s>(scope: &mut v8::PinScope<'s, '_>, input: Input<'s>, init: Option<RequestInit<'s>>) -> Result<Self> {
        construct(scope, input, init)
    }

    #[method]
    fn clone<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Object>> {
        let state = self.base.duplicate(scope)?;
        let list = self.base.headers().duplicate();
        let copy = self.with_body(scope, Body::with_state(state, list))?;
        jsg::instantiate(scope, copy)
    }

    #[getter]
    fn method(&self) -> &'static str {
        self.method
    }

    #[getter]
    fn url<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> v8::Local<'s, v8::String> {
        if let Some(url) = self.url_value.get() {
            return url.get(scope);
        }
        let url = jsg::string(scope, &self.url);
        let _ = self.url_value.set(JsRef::new(scope, url));
        url
    }

    #[getter]
    fn headers<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Object>> {
        headers_object(scope, &self.headers, &self.base)
    }

    #[getter]
    fn redirect(&self) -> &'static str {
        match self.redirect {
            Redirect::Follow => "follow",
            Redirect::Manual => "manual",
        }
    }

    #[getter]
    fn fetcher<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Option<v8::Local<'s, v8::Object>> {
        self.fetcher.get().map(|fetcher| fetcher.get(scope))
    }

    #[getter]
    pub(super) fn signal<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        if let Some(signal) = self.signal.get() {
            return Ok(signal.get(scope));
        }
        let signal = script::call(scope, |script| &script.new_abort_signal, &[])?;
        let _ = self.signal.set(JsRef::new(scope, signal));
        if let Some(event) = self.follows.as_ref().and_then(EventHandle::get) {
            event.follow_client(scope, signal);
        }
        Ok(signal)
    }

    #[getter]
    fn cf<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<OrUndefined<v8::Local<'s, v8::Value>>> {
        self.cf.value(scope).map(OrUndefined)
    }

    #[getter]
    fn integrity(&self) -> &'static str {
        ""
    }

    #[getter]
    fn keepalive(&self) -> bool {
        false
    }

    #[getter(flag = CACHE_OPTION)]
    fn cache(&self) -> OrUndefined<&'static str> {
        OrUndefined(self.cache.map(|cache| match cache {
            CacheMode::NoStore => "no-store",
            CacheMode::NoCache => "no-cache",
            CacheMode::Reload => "reload",
        }))
    }
}

impl Request {
    /// A copy for `structuredClone`, as in the reference: without a body and without a signal.
    pub(in crate::api) fn copy<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Object>> {
        if !self.base.is_null() {
            return Err(no_bodies());
        }
        if self.signal.get().is_some() {
            return Err(no_signals());
        }
        let copy = self.with_body(scope, self.base.copy_of_none())?;
        jsg::instantiate(scope, copy)
    }

    /// The same request with another body and headers.
    fn with_body(&self, scope: &mut v8::PinScope<'_, '_>, base: Body) -> Result<Request> {
        let copy = Request {
            base,
            method: self.method,
            url: self.url.clone(),
            url_value: OnceCell::new(),
            headers: OnceCell::new(),
            redirect: self.redirect,
            cache: self.cache,
            signal: OnceCell::new(),
            follows: None,
            fetcher: OnceCell::new(),
            raw: self.raw,
            cf: self.cf.duplicate(scope)?,
        };
        if let Some(fetcher) = self.fetcher.get() {
            let fetcher = fetcher.get(scope);
            let _ = copy.fetcher.set(JsRef::new(scope, fetcher));
        }
        if self.follows.is_some() {
            self.signal(scope)?;
        }
        if let Some(signal) = self.signal.get() {
            let signal = signal.get(scope);
            let _ = copy.signal.set(JsRef::new(scope, signal));
        }
        Ok(copy)
    }

    /// What a dictionary says about the request; gives the body, which depends on the method and on the request before.
    fn initialize<'s>(
        &mut self,
        scope: &mut v8::PinScope<'s, '_>,
        dict: RequestInitializerDict<'s>,
    ) -> Result<Option<BodyInit<'s>>> {
        let is_cache_said = dict.cache.is_some();
        if let Some(cache) = dict.cache {
            if !flags::is_on(scope, CACHE_OPTION) {
                return Err(Error::error("The 'cache' field on 'RequestInitializerDict' is not implemented."));
            }
            self.cache = Some(match cache.as_str() {
                "no-store" => CacheMode::NoStore,
                "no-cache" if flags::is_on(scope, CACHE_NO_CACHE) => CacheMode::NoCache,
                "reload" if flags::is_on(scope, CACHE_RELOAD) => CacheMode::Reload,
                _ => return Err(Error::type_error(format!("Unsupported cache mode: {cache}"))),
            });
        }
        if let Some(cf) = dict.cf {
            if cf.has_cache_control && cf.has_cache_ttl {
                return Err(Error::type_error(
                    "The 'cacheControl' and 'cacheTtl' options on cf are mutually exclusive. Use 'cacheControl' for \
                     explicit Cache-Control header directives, or 'cacheTtl' for a simplified TTL, but not both.",
                ));
            }
            if cf.has_cache_control && is_cache_said {
                return Err(Error::type_error(
                    "The 'cacheControl' option on cf cannot be used together with the 'cache' request option. The \
                     'cache' option ('no-store'/'no-cache') maps to cache TTL behavior internally, which conflicts with \
                     explicit Cache-Control directives.",
                ));
            }
            self.cf = cf.cf;
        }
        if let Some(name) = dict.method {
            self.method = script_method(scope, &name)
                .ok_or_else(|| Error::type_error(format!("Invalid HTTP method string: {name}")))?;
        }
        if let Some(headers) = dict.headers {
            self.base = Body::with_state(State::None, HeaderList::new(headers.0));
        }
        if let Some(redirect) = dict.redirect {
            self.redirect = match redirect.as_str() {
                "follow" => Redirect::Follow,
                "manual" => Redirect::Manual,
                _ => {
                    return Err(Error::type_error(
                        "Invalid redirect value, must be one of \"follow\" or \"manual\" (\"error\" won't be \
                         implemented since it does not make sense at the edge; use \"manual\" and check the response \
                         status code).",
                    ));
                }
            };
        }
        if let Some(FetcherInit(fetcher)) = dict.fetcher {
            self.fetcher = OnceCell::new();
            if let Some(fetcher) = fetcher {
                let _ = self.fetcher.set(JsRef::new(scope, fetcher));
            }
        }
        if dict.integrity.is_some_and(|integrity| !integrity.is_empty()) {
            return Err(Error::type_error(
                "Subrequest integrity checking is not implemented. The integrity option must be either undefined or an \
                 empty string.",
            ));
        }
        if let Some(Signal(signal)) = dict.signal {
            self.signal = OnceCell::new();
            if let Some(signal) = signal {
                let _ = self.signal.set(JsRef::new(scope, signal));
            }
        }
        if let Some(mode) = dict.encode_response_body {
            self.raw = match mode.as_str() {
                "automatic" => false,
                "manual" => true,
                _ => return Err(Error::type_error(format!("encodeResponseBody: unexpected value: {mode}"))),
            };
        }
        Ok(dict.body)
    }
}

/// The object for a `headers` attribute: made at the first call, then always the same.
pub(super) fn headers_object<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    slot: &OnceCell<JsRef<v8::Object>>,
    body: &Body,
) -> Result<v8::Local<'s, v8::Object>> {
    if let Some(headers) = slot.get() {
        return Ok(headers.get(scope));
    }
    let headers = jsg::instantiate(scope, Headers::of(body.headers().clone()))?;
    let _ = slot.set(JsRef::new(scope, headers));
    Ok(headers)
}

/// A request as `fetch` and `new Request` take it.
#[derive(jsg::Union)]
#[jsg(name = "Request or string")]
pub(in crate::api) enum Input<'s> {
    Request(&'s Request),
    Url(String),
}

/// What `fetch` and `new Request` take beside a request.
#[derive(jsg::Union)]
#[jsg(name = "RequestInitializerDict or Request")]
#[expect(
    clippy::large_enum_variant,
    reason = "it lives on the stack for one call, and is nearly always the dictionary"
)]
pub(in crate::api) enum RequestInit<'s> {
    Request(&'s Request),
    Dict(RequestInitializerDict<'s>),
}

impl<'s> RequestInit<'s> {
    /// One that says nothing but headers and a signal.
    pub(super) fn of(headers: HeaderMap, signal: v8::Local<'s, v8::Value>) -> Self {
        RequestInit::Dict(RequestInitializerDict {
            method: None,
            headers: Some(HeadersInit(headers)),
            body: None,
            redirect: None,
            fetcher: None,
            cf: None,
            cache: None,
            integrity: None,
            signal: Some(Signal(Some(signal))),
            encode_response_body: None,
        })
    }
}

#[derive(jsg::Dict)]
pub(in crate::api) struct RequestInitializerDict<'s> {
    method: Option<String>,
    headers: Option<HeadersInit>,
    body: Option<BodyInit<'s>>,
    redirect: Option<String>,
    fetcher: Option<FetcherInit<'s>>,
    cf: Option<CfInit>,
    cache: Option<String>,
    integrity: Option<String>,
    signal: Option<Signal<'s>>,
    encode_response_body: Option<String>,
}

/// Whether a value of another class is refused where null would do.
pub(super) fn refuses_wrong(scope: &v8::PinScope<'_, '_>) -> bool {
    flags::is_on(scope, NULL_IF_WRONG)
}

/// `AbortSignal?`
struct Signal<'s>(Option<v8::Local<'s, v8::Value>>);

impl<'s> FromJs<'s> for Signal<'s> {
    fn expected() -> std::borrow::Cow<'static, str> {
        "AbortSignal".into()
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
        if value.is_null() {
            return Ok(Signal(None));
        }
        if script::call(scope, |script| &script.is_abort_signal, &[value])?.is_true() {
            return Ok(Signal(Some(value)));
        }
        if !refuses_wrong(scope) {
            return Ok(Signal(None));
        }
        Err(place.mismatch("AbortSignal"))
    }
}

/// What is said when the body of a used request is to be given to another.
pub(super) const REUSED: &str = "Cannot reconstruct a Request with a used body.";

/// Fetch Standard, "new Request(input, init)".
pub(super) fn construct<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    input: Input<'s>,
    init: Option<RequestInit<'s>>,
) -> Result<Request> {
    let (url, source) = match input {
        Input::Request(request) => (request.url.clone(), Some(request)),
        Input::Url(text) if !flags::is_on(scope, STANDARD_URL) => (text, None),
        Input::Url(text) => match ada_url::Url::parse(&*text, None) {
            Ok(url) => (url.href().to_owned(), None),
            Err(_) => return Err(Error::type_error(format!("Invalid URL: {text}"))),
        },
    };
    let (source, dict, is_init) = match init {
        None => (source, None, false),
        Some(RequestInit::Request(request)) => (Some(request), None, true),
        Some(RequestInit::Dict(dict)) => (source, Some(dict), false),
    };
    let mut made = match source {
        Some(source) => {
            let map = source.base.headers().map.borrow().clone();
            source.with_body(scope, Body::with_state(State::None, HeaderList::new(map)))?
        }
        None => Request {
            base: Body::with_state(State::None, HeaderList::new(HeaderMap::default())),
            method: "GET",
            url: String::new(),
            url_value: OnceCell::new(),
            headers: OnceCell::new(),
            redirect: Redirect::Follow,
            cache: None,
            signal: OnceCell::new(),
            follows: None,
            fetcher: OnceCell::new(),
            raw: false,
            cf: Cf::default(),
        },
    };
    made.url = url;
    let body = match dict {
        Some(dict) => made.initialize(scope, dict)?,
        None => None,
    };
    let bodyless = matches!(made.method, "GET" | "HEAD");
    let no_body = || Error::type_error("Request with a GET or HEAD method cannot have a body.");
    let list = made.base.headers().clone();
    match body {
        Some(init) => {
            if bodyless && !matches!(init.body, Init::None) {
                return Err(no_body());
            }
            if let Some(content_type) = &init.content_type {
                let mut map = list.map.borrow_mut();
                if !map.contains(b"content-type") {
                    map.append(b"Content-Type", content_type.as_bytes())?;
                }
            }
            made.base = Body::new(scope, init.body, list);
        }
        None => {
            if let Some(source) = source {
                if bodyless && !source.base.is_null() {
                    return Err(no_body());
                }
                // An initializer's body is shared, as a dictionary's would be; that of the input goes over.
                let state = if is_init {
                    source.base.share(scope)?
                } else {
                    source.base.transfer(scope, REUSED, body::LOCKED)?
                };
                made.base = Body::with_state(state, list);
            }
        }
    }
    Ok(made)
}

/// Moves accessors: see `api::move_accessors_to_objects`.
pub(super) fn move_accessors_to_objects(scope: &mut v8::PinScope<'_, '_>) {
    Registry::move_to_objects(
        scope,
        <Request as jsg::Class>::info(),
        &["method", "url", "headers", "redirect", "fetcher", "signal", "cf", "integrity", "keepalive"],
    );
}
