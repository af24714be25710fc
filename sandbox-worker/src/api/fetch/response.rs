//! The class `Response` (Fetch Standard, section 5.5).

use std::{cell::OnceCell, rc::Rc};

use bulkhead_ipc::{compatibility::Flag, head::is_status};
use jsg::{Error, JsRef, OrUndefined, Registry, Result};

use super::{
    body::{Body, State},
    cf::{Cf, CfInit},
    extract::{BodyInit, Init},
    header_map::HeaderMap,
    headers::{HeaderList, HeadersInit},
    request::headers_object,
};
use crate::{
    api::{
        execution_context::is_thenable,
        structured_clone::{no_bodies, no_sockets},
        url::legacy,
        web_socket::SocketInit,
    },
    isolate::flags,
};

const STANDARD_REDIRECT: Flag = Flag::named("response_redirect_url_standard");

/// The class `Response`.
#[derive(jsg::Trace)]
pub struct Response {
    pub(super) base: Body,
    /// 0 for a network error.
    #[trace(skip)]
    pub(super) status: u16,
    #[trace(skip)]
    pub(super) status_text: String,
    headers: OnceCell<JsRef<v8::Object>>,
    cf: Cf,
    /// Where it was fetched from; empty for one that a script made.
    #[trace(skip)]
    url: String,
    /// Whether it took a redirect to get there.
    #[trace(skip)]
    redirected: bool,
    /// The script encoded the body as its `Content-Encoding` says; else that is for the runtime to do.
    #[trace(skip)]
    pub(super) encoded: bool,
    /// What answers a request for an upgrade: a `WebSocket`.
    web_socket: Option<JsRef<v8::Object>>,
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
            legacy::normalize(&url)
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
        if self.web_socket.is_some() {
            return Err(Error::type_error("Cannot clone a response to a WebSocket handshake."));
        }
        let state = self.base.duplicate(scope)?;
        let copy = self.with_body(scope, Body::with_state(state, self.base.headers().duplicate()))?;
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

    #[getter]
    fn redirected(&self) -> bool {
        self.redirected
    }

    #[getter]
    fn url(&self) -> String {
        self.url.clone()
    }

    #[getter]
    fn web_socket<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Option<v8::Local<'s, v8::Object>> {
        self.socket(scope)
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
    pub(in crate::api) fn copy<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Object>> {
        if !self.base.is_null() {
            return Err(no_bodies());
        }
        if self.web_socket.is_some() {
            return Err(no_sockets());
        }
        let copy = self.with_body(scope, self.base.copy_of_none())?;
        jsg::instantiate(scope, copy)
    }

    /// The same response with another body and headers.
    fn with_body(&self, scope: &mut v8::PinScope<'_, '_>, base: Body) -> Result<Response> {
        Ok(Response {
            base,
            status: self.status,
            status_text: self.status_text.clone(),
            headers: OnceCell::new(),
            cf: self.cf.duplicate(scope)?,
            url: self.url.clone(),
            redirected: self.redirected,
            encoded: self.encoded,
            web_socket: None,
        })
    }

    /// The `WebSocket` that it is, if it is one.
    pub(super) fn socket<'s>(&self, scope: &v8::PinScope<'s, '_>) -> Option<v8::Local<'s, v8::Object>> {
        self.web_socket.as_ref().map(|socket| socket.get(scope))
    }

    /// The URL that it was fetched from; empty for one that a script made, or that a URL says itself.
    pub(super) fn from(&self) -> &str {
        &self.url
    }

    /// The same response, which is also a `WebSocket`.
    pub(super) fn with_socket(self, scope: &v8::PinScope<'_, '_>, socket: v8::Local<'_, v8::Object>) -> Self {
        Response { web_socket: Some(JsRef::new(scope, socket)), ..self }
    }

    /// What came of a request.
    pub(super) fn fetched(
        base: Body,
        status: u16,
        status_text: String,
        url: String,
        redirected: bool,
        encoded: bool,
    ) -> Self {
        let (headers, cf) = (OnceCell::new(), Cf::default());
        Response { base, status, status_text, headers, cf, url, redirected, encoded, web_socket: None }
    }

    fn with_list(status: u16, list: Rc<HeaderList>) -> Self {
        Response {
            base: Body::with_state(State::None, list),
            status,
            status_text: String::new(),
            headers: OnceCell::new(),
            cf: Cf::default(),
            url: String::new(),
            redirected: false,
            encoded: false,
            web_socket: None,
        }
    }
}

#[derive(jsg::Union)]
#[jsg(name = "InitializerDict or Response")]
enum ResponseInit<'s> {
    Response(&'s Response),
    Dict(InitializerDict<'s>),
}

#[derive(jsg::Dict)]
struct InitializerDict<'s> {
    status: Option<i32>,
    status_text: Option<String>,
    headers: Option<HeadersInit>,
    cf: Option<CfInit>,
    web_socket: Option<SocketInit<'s>>,
    encode_body: Option<String>,
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
    let mut web_socket = None;
    match init {
        None => {}
        Some(ResponseInit::Response(source)) => {
            status = i32::from(source.status);
            status_text.clone_from(&source.status_text);
            map = source.base.headers().map.borrow().clone();
            cf = source.cf.duplicate(scope)?;
            encoded = source.encoded;
            web_socket = source.web_socket.as_ref().map(|socket| socket.get(scope));
        }
        Some(ResponseInit::Dict(dict)) => {
            status = dict.status.unwrap_or(200);
            status_text = dict.status_text.unwrap_or_default();
            if let Some(headers) = dict.headers {
                map = headers.0;
            }
            if let Some(init) = dict.cf {
                cf = init.cf;
            }
            web_socket = dict.web_socket.and_then(|socket| socket.0);
            encoded = match dict.encode_body.as_deref() {
                None | Some("automatic") => false,
                Some("manual") => true,
                Some(other) => return Err(Error::type_error(format!("encodeBody: unexpected value: {other}"))),
            };
        }
    }
    if web_socket.is_some() && status != 101 {
        return Err(Error::range_error("Responses with a WebSocket must have status code 101."));
    }
    let is_possible = |status: &u16| web_socket.is_some() || is_status(*status);
    let status = u16::try_from(status).ok().filter(is_possible).ok_or_else(|| {
        Error::range_error("Responses may only be constructed with status codes in the range 200 to 599, inclusive.")
    })?;
    if status_text.bytes().any(|byte| byte < b' ') {
        return Err(Error::type_error("Invalid statusText"));
    }
    if matches!(status, 101 | 204 | 205 | 304) {
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
    let (url, redirected) = (String::new(), false);
    let web_socket = web_socket.map(|socket| JsRef::new(scope, socket));
    Ok(Response { base, status, status_text, headers: OnceCell::new(), cf, url, redirected, encoded, web_socket })
}

/// Whether a value is a `Response`.
pub fn is_response<'s>(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> bool {
    jsg::unwrap_value::<Response>(scope, value).is_some()
}

/// Whether a request can be answered with a value: a response, or what is waited for as the promise of one.
///
/// # Errors
/// What a proxy throws.
pub(crate) fn is_answer<'s>(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> Result<bool> {
    Ok(value.is_promise() || is_response(scope, value) || is_thenable(scope, value)?)
}

/// Moves accessors: see `api::move_accessors_to_objects`.
pub(super) fn move_accessors_to_objects(scope: &mut v8::PinScope<'_, '_>) {
    Registry::move_to_objects(
        scope,
        <Response as jsg::Class>::info(),
        &["status", "statusText", "headers", "ok", "redirected", "url", "webSocket", "cf", "type"],
    );
}
