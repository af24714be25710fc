//! What the class `EventSource`, which is written in JavaScript, asks of native code.

use bulkhead_ipc::head::is_event_stream;
use jsg::{OrUndefined, Result, ToJs};

use super::{
    fetcher::Fetcher,
    global::fetch,
    header_map::HeaderMap,
    request::{Input, RequestInit},
    response::Response,
};

/// The functions of this class are copied to `internal`; scripts never see them.
#[derive(jsg::Trace)]
pub(in crate::api) struct EventStreams;

#[jsg::class]
impl EventStreams {
    #[static_method]
    fn href_of(text: String) -> OrUndefined<String> {
        OrUndefined(ada_url::Url::parse(&*text, None).ok().map(|url| url.href().to_owned()))
    }

    #[static_method]
    fn is_fetcher<'s>(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> bool {
        jsg::unwrap_value::<Fetcher>(scope, value).is_some()
    }

    /// Asks for a stream of events (HTML Standard, section 9.2.3), by the global `fetch()` or a `Fetcher`.
    #[static_method(promise)]
    fn fetch_events<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        url: String,
        last_event_id: String,
        fetcher: v8::Local<'s, v8::Value>,
        signal: v8::Local<'s, v8::Value>,
    ) -> Result<v8::Local<'s, v8::Promise>> {
        let mut headers = HeaderMap::default();
        headers.append(b"Accept", b"text/event-stream")?;
        headers.append(b"Cache-Control", b"no-cache")?;
        if !last_event_id.is_empty() {
            headers.append(b"Last-Event-ID", last_event_id.as_bytes())?;
        }
        let to = jsg::unwrap_value::<Fetcher>(scope, fetcher);
        let to = to.map(|fetcher| fetcher.addressee(scope)).transpose()?;
        fetch(scope, to, Input::Url(url), Some(RequestInit::of(headers, signal)))
    }

    /// What a response says of a stream of events. The object inherits nothing.
    #[static_method]
    fn events_of<'s>(scope: &mut v8::PinScope<'s, '_>, response: &'s Response) -> Result<v8::Local<'s, v8::Object>> {
        let kind = response.base.headers().map.borrow().get(b"content-type").map(|value| {
            if is_event_stream(&value) { String::new() } else { String::from_utf8_lossy(&value).into_owned() }
        });
        // A `data:` URL has none.
        let origin = ada_url::Url::parse(response.from(), None).map_or_else(|_| "null".to_owned(), |url| url.origin());
        let body = response.base.stream(scope)?.map(Into::into);
        let members: [(&str, v8::Local<'s, v8::Value>); 4] = [
            ("status", u32::from(response.status).to_js(scope)?),
            ("type", OrUndefined(kind).to_js(scope)?),
            ("origin", origin.to_js(scope)?),
            ("body", body.unwrap_or_else(|| v8::null(scope).into())),
        ];
        let names = members.map(|(name, _)| jsg::string(scope, name).into());
        let null = v8::null(scope);
        let values = members.map(|(_, value)| value);
        Ok(v8::Object::with_prototype_and_properties(scope, null.into(), &names, &values))
    }
}
