//! The function `fetch`: what it takes, and where that goes.

use std::rc::Rc;

use bulkhead_ipc::compatibility::Flag;
use bytes::Bytes;
use jsg::{Error, Result};

use super::{
    body::{Body, State},
    cf::Cf,
    data_url,
    fetcher::{Addressee, Fetcher},
    header_map::HeaderMap,
    headers::HeaderList,
    request::{CacheMode, Input, REUSED, Redirect, Request, RequestInit, construct},
    response::Response,
    subrequest::{GLOBAL_OUTBOUND, Outbound, Upload, aborted, asks_for_upgrade, strips_authorization},
    wire::{COMPRESSION, EXTENSIONS},
};
use crate::{
    api::url::legacy,
    io::{Event, OwnedBy},
    isolate::{flags, script},
};

const KNOWN_SCHEMES: Flag = Flag::named("fetch_refuses_unknown_protocols");
const PASSES_SIGNAL: Flag = Flag::named("request_signal_passthrough");
const PRESERVES_CACHE_CONTROL: Flag = Flag::named("cache_option_preserves_cache_control");
const STANDARD_URL: Flag = Flag::named("fetch_standard_url");

/// The functions of this class are copied to the global object; the class itself is not visible.
#[derive(jsg::Trace)]
pub(in crate::api) struct Global;

#[jsg::class(name = "ServiceWorkerGlobalScope")]
impl Global {
    #[static_method(promise)]
    fn fetch<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        input: Input<'s>,
        init: Option<RequestInit<'s>>,
    ) -> Result<v8::Local<'s, v8::Promise>> {
        fetch(scope, None, input, init)
    }
}

/// Makes a request of `to`, or of what the request itself says.
///
/// # Errors
/// As the constructor's; there is no event; the body is used or locked; the signal is aborted; the URL's scheme is none that is
/// fetched.
pub(super) fn fetch<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    to: Option<Addressee>,
    input: Input<'s>,
    init: Option<RequestInit<'s>>,
) -> Result<v8::Local<'s, v8::Promise>> {
    let event = Event::require(scope)?;
    match prepare(scope, &event, to, input, init)? {
        Prepared::Request(outbound) => event.promise(scope, outbound.run(event.handle())),
        Prepared::Response(response) => {
            let response = jsg::instantiate(scope, *response)?;
            jsg::resolved(scope, response)
        }
    }
}

/// What comes of a call.
enum Prepared {
    Request(Box<Outbound>),
    /// The URL says what it is.
    Response(Box<Response>),
}

/// Takes what `fetch` was called with. The body of a request that is given is used from then on whatever becomes of the call, as if
/// another request had been made of it; that of an initializer once it is sent.
fn prepare<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    event: &Rc<Event>,
    to: Option<Addressee>,
    input: Input<'s>,
    init: Option<RequestInit<'s>>,
) -> Result<Prepared> {
    const LOCKED: &str = "The ReadableStream has been locked to a reader.";
    let made;
    let mut body = None;
    let request = match (input, init) {
        (Input::Request(request), None) => {
            body = Some(request.base.transfer(scope, REUSED, LOCKED)?);
            request
        }
        (input, init) => {
            made = construct(scope, input, init)?;
            &made
        }
    };
    let url = &request.url;
    let scheme = url.split(':').next().unwrap_or_default();
    let unloadable = || Error::type_error(format!("Fetch API cannot load: {url}"));
    if scheme.eq_ignore_ascii_case("data") {
        let response = response_of_data(event, url, request.method == "GET")?;
        return Ok(Prepared::Response(Box::new(response.ok_or_else(unloadable)?)));
    }
    let mut aborts = None;
    // The signal of the event's own request ends no other request, unless a flag says so.
    if request.follows.is_some() && flags::is_on(scope, PASSES_SIGNAL) {
        request.signal(scope)?;
    }
    let is_ignored = |scope: &v8::PinScope<'s, '_>, signal| {
        event.is_client_signal(scope, signal) && !flags::is_on(scope, PASSES_SIGNAL)
    };
    let signal = request.signal.get().map(|signal| signal.get(scope));
    if let Some(signal) = signal.filter(|signal| !is_ignored(scope, *signal)) {
        if script::call(scope, |script| &script.signal_aborted, &[signal])?.is_true() {
            let reason = script::call(scope, |script| &script.signal_reason, &[signal])?;
            scope.throw_exception(reason);
            return Err(Error::Pending);
        }
        aborts = Some(aborted(scope, signal)?);
    }
    let is_known = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    // A URL that was not parsed when the request was made is looked at here.
    let is_url = flags::is_on(scope, STANDARD_URL) || legacy::normalize(url).is_some();
    if !is_url || !is_known && flags::is_on(scope, KNOWN_SCHEMES) {
        return Err(unloadable());
    }
    let parsed = ada_url::Url::parse(&**url, None).map_err(|_| unloadable())?;
    // The URL Standard permits these in a host, and HTTP does not.
    if parsed.host().contains(['"', '`', '{', '}']) {
        return Err(unloadable());
    }
    let body = match body {
        Some(body) => body,
        None => request.base.transfer(scope, REUSED, LOCKED)?,
    };
    let body = Body::with_state(body, request.base.headers().clone()).outgoing(scope)?;
    let body = Upload::new(event, body);
    let mut headers = request.base.headers().map.borrow().clone();
    let cf_json = cf_json(scope, request, &mut headers)?;
    let upgrade = asks_for_upgrade(&headers);
    if upgrade && !flags::is_on(scope, COMPRESSION) {
        headers.remove(EXTENSIONS);
    }
    let to = match to {
        Some(to) => to,
        None => {
            let fetcher = request.fetcher.get().map(|fetcher| fetcher.get(scope));
            let fetcher = fetcher.and_then(|fetcher| jsg::unwrap::<Fetcher>(scope, fetcher));
            fetcher.map_or(Ok(GLOBAL_OUTBOUND), |fetcher| fetcher.addressee(scope))?
        }
    };
    Ok(Prepared::Request(Box::new(Outbound {
        to,
        method: request.method,
        url: parsed,
        headers,
        cf_json,
        follows: request.redirect == Redirect::Follow,
        body,
        aborted: aborts,
        raw: request.raw,
        strips: strips_authorization(scope),
        upgrade,
    })))
}

/// The response to a request of a `data:` URL: of that alone, whoever is asked, and without a body unless the method is `GET`.
fn response_of_data(event: &Rc<Event>, url: &str, has_body: bool) -> Result<Option<Response>> {
    let Ok(mut url) = ada_url::Url::parse(url, None) else { return Ok(None) };
    url.set_hash(None);
    let Some((kind, bytes)) = data_url::content(url.href()) else { return Ok(None) };
    let mut map = HeaderMap::default();
    map.append(b"Content-Type", kind.as_bytes())?;
    let state = if has_body {
        jsg::allocated(bytes.len());
        State::Bytes(Bytes::from(bytes).into(), OwnedBy::context(event.context()))
    } else {
        State::None
    };
    let base = Body::with_state(state, HeaderList::new(map));
    Ok(Some(Response::fetched(base, 200, "OK".to_owned(), String::new(), false, false)))
}

/// The `cf` object as JSON, with what the cache mode says there and in headers, or what follows from a `cacheTtl`.
pub(super) fn cf_json(scope: &mut v8::PinScope<'_, '_>, request: &Request, headers: &mut HeaderMap) -> Result<String> {
    let cf = request.cf.duplicate(scope)?;
    let members: &[(&str, &str)] = match request.cache {
        None => {
            let json = cf.json(scope)?;
            if !json.contains("\"cacheTtl\"") {
                return Ok(json);
            }
            &[]
        }
        Some(CacheMode::NoStore) => &[("cacheTtl", "-1"), ("cacheLevel", "\"bypass\"")],
        Some(CacheMode::NoCache) => &[("cacheForceRevalidate", "true")],
        Some(CacheMode::Reload) => &[("cacheLevel", "\"bypass\"")],
    };
    for name in ["Cache-Control", "Pragma"] {
        if request.cache.is_some() && !headers.contains(name.as_bytes()) {
            headers.append(name.as_bytes(), b"no-cache")?;
        }
    }
    let value = match cf.value(scope)? {
        Some(value) => value,
        None => v8::Object::new(scope).into(),
    };
    let Ok(object) = v8::Local::<v8::Object>::try_from(value) else { return Cf::from_value(scope, value)?.json(scope) };
    let key = jsg::string(scope, "cacheTtl");
    let time = object.get(scope, key.into()).ok_or(Error::Pending)?;
    if request.cache == Some(CacheMode::NoStore) && !time.is_undefined() && time.number_value(scope) != Some(-1.0) {
        let time = time.to_rust_string_lossy(scope);
        return Err(Error::type_error(format!("CacheTtl: {time}, is not compatible with cache: no-store header.")));
    }
    for (name, json) in members {
        let (key, json) = (jsg::string(scope, name), jsg::string(scope, json));
        let member = v8::json::parse(scope, json).ok_or(Error::Pending)?;
        object.create_data_property(scope, key.into(), member).ok_or(Error::Pending)?;
    }
    let preserves = flags::is_on(scope, PRESERVES_CACHE_CONTROL);
    let control = match (request.cache, v8::Local::<v8::Int32>::try_from(time)) {
        (Some(CacheMode::NoStore), _) if !preserves => Some("no-store".to_owned()),
        (Some(CacheMode::NoCache), _) if !preserves => Some("no-cache".to_owned()),
        (None, Ok(time)) if time.value() == -1 => Some("no-store".to_owned()),
        (None, Ok(time)) => Some(format!("max-age={}", time.value())),
        _ => None,
    };
    let key = jsg::string(scope, "cacheControl");
    if let Some(control) = control
        && object.get(scope, key.into()).ok_or(Error::Pending)?.is_undefined()
    {
        let control = jsg::string(scope, &control);
        object.create_data_property(scope, key.into(), control.into()).ok_or(Error::Pending)?;
    }
    Cf::from_value(scope, value)?.json(scope)
}
