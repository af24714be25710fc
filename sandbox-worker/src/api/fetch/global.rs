//! The function `fetch`: clear about what it cannot do yet.

use bulkhead_ipc::compatibility::Flag;
use jsg::{Error, Result};

use super::{
    body::State,
    request::{Input, REUSED, RequestInit, construct},
};
use crate::{
    api::url::legacy,
    io::IoContext,
    isolate::{flags, script},
};

const KNOWN_SCHEMES: Flag = Flag::named("fetch_refuses_unknown_protocols");
const STANDARD_URL: Flag = Flag::named("fetch_standard_url");

/// The functions of this class are copied to the global object; the class itself is not visible.
#[derive(jsg::Trace)]
pub(in crate::api) struct Global;

#[jsg::class(name = "ServiceWorkerGlobalScope")]
impl Global {
    /// Whatever the call cannot be for is said as the reference says it, and the request's body is used; a call that could
    /// go out is refused, because nothing can.
    #[static_method(promise)]
    fn fetch<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        input: Input<'s>,
        init: Option<RequestInit<'s>>,
    ) -> Result<v8::Local<'s, v8::Promise>> {
        IoContext::require(scope)?;
        let (url, _body) = for_fetch(scope, input, init)?;
        Err(Error::error(format!(
            "fetch() is not supported yet: this version has no outbound network. The call was for {url}"
        )))
    }
}

/// Takes what `fetch` was called with: the URL and the body to send. The body of a request that is given is used from then
/// on whatever becomes of the call, as if another request had been made of it; that of an initializer once it is sent.
///
/// # Errors
/// As the constructor's; the body is used or locked; the signal is aborted; the URL's scheme is none that is fetched.
fn for_fetch<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    input: Input<'s>,
    init: Option<RequestInit<'s>>,
) -> Result<(String, State)> {
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
    if let Some(signal) = request.signal.get() {
        let signal = signal.get(scope);
        if script::call(scope, |script| &script.signal_aborted, &[signal])?.is_true() {
            let reason = script::call(scope, |script| &script.signal_reason, &[signal])?;
            scope.throw_exception(reason);
            return Err(Error::Pending);
        }
    }
    let url = request.url.clone();
    let scheme = url.split(':').next().unwrap_or_default();
    let is_known = ["http", "https", "data"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    // A URL that was not parsed when the request was made is looked at here.
    let is_url = flags::is_on(scope, STANDARD_URL) || legacy::normalize(&url).is_some();
    if !is_url || !is_known && flags::is_on(scope, KNOWN_SCHEMES) {
        return Err(Error::type_error(format!("Fetch API cannot load: {url}")));
    }
    let body = match body {
        Some(body) => body,
        None => request.base.transfer(scope, REUSED, LOCKED)?,
    };
    Ok((url, body))
}
