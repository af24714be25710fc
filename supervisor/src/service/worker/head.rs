//! Heads and what goes with them between HTTP and the wire: a request to a worker, and a worker's response.

use bulkhead_ipc::{
    head::{self, HeadLimits, MAX_STATUS_TEXT},
    worker_capnp::{http_request, http_response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::{
    body::Body,
    link::{
        Ticket,
        body::{CancelOnDrop, RemoteBody},
    },
};

/// Stands for a body whose length is not known.
pub(super) const UNKNOWN: u64 = u64::MAX;

/// About how long a request's head is on the wire.
pub(super) fn head_bytes(parts: &http::request::Parts, cf_json: Option<&str>) -> usize {
    let headers = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    parts.uri.path().len()
        + parts.uri.query().map_or(0, str::len)
        + cf_json.map_or(0, str::len)
        + headers.sum::<usize>()
}

pub(super) fn write_head(mut to: http_request::Builder<'_>, parts: &http::request::Parts, cf_json: Option<&str>) {
    to.set_method(parts.method.as_str());
    to.set_url(parts.uri.to_string().as_str());
    if let Some(cf_json) = cf_json {
        to.set_cf_json(cf_json);
    }
    let headers = to.init_headers(parts.headers.len() as u32);
    head::write(headers, parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
}

/// Headers that say how a message travels. That is between the socket and its client; a worker that could set them could
/// make one response look like two.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(*name, header::CONNECTION | header::TRANSFER_ENCODING | header::UPGRADE | header::TE | header::TRAILER)
        || name == "keep-alive"
        || name == "proxy-connection"
}

pub(super) fn read_response(
    response: http_response::Reader<'_>,
    is_head: bool,
    mut upload: Option<CancelOnDrop>,
    ticket: Ticket,
) -> Result<http::Response<Body>, String> {
    let number = response.get_status();
    let status = StatusCode::from_u16(number)
        .ok()
        .filter(|status| (200..600).contains(&status.as_u16()))
        .ok_or_else(|| format!("a response with status {number}"))?;
    let list = response.get_headers().map_err(|error| error.to_string())?;
    let mut headers = HeaderMap::with_capacity(list.len().min(HeadLimits::default().max_headers) as usize);
    head::read(list, HeadLimits::default(), |name, value| {
        let name = HeaderName::from_bytes(name).map_err(|_| "an invalid header name".to_owned())?;
        let value = HeaderValue::from_bytes(value).map_err(|_| format!("an invalid value of header {name}"))?;
        if !is_hop_by_hop(&name) {
            headers.append(name, value);
        }
        Ok(())
    })
    .map_err(|error| error.to_string())?;

    let wait_until = ticket.link().policy().wait_until;
    let announced = response.get_body_length();
    let length = (announced != UNKNOWN).then_some(announced);
    let body = match response.get_body().which().map_err(|error| error.to_string())? {
        http_response::body::None(()) => Body::Empty,
        http_response::body::Bytes(bytes) => match bytes.map_err(|error| error.to_string())? {
            [] => Body::Empty,
            bytes => Body::Bytes(ticket.link().connection.keep(bytes)),
        },
        http_response::body::Stream(source) => {
            let source = source.map_err(|error| error.to_string())?;
            Body::Pull(Box::pin(RemoteBody::new(source, length, ticket, upload.take())))
        }
    };
    // A response that is whole is as good as sent.
    if let Some(upload) = upload {
        upload.response_sent(wait_until);
    }
    // The length on the wire is the body's own. Only where there is no body does the header say what there would be.
    if !(is_head || status == StatusCode::NOT_MODIFIED) {
        headers.remove(header::CONTENT_LENGTH);
    }
    let mut result = http::Response::new(body);
    *result.status_mut() = status;
    *result.headers_mut() = headers;
    let text = response.get_status_text().map_err(|error| error.to_string())?;
    if !text.is_empty() {
        if text.len() > MAX_STATUS_TEXT {
            return Err("a status text that is too long".to_owned());
        }
        let reason = hyper::ext::ReasonPhrase::try_from(text.as_bytes()).map_err(|_| "an invalid status text")?;
        if status.canonical_reason().map(str::as_bytes) != Some(reason.as_bytes()) {
            result.extensions_mut().insert(reason);
        }
    }
    Ok(result)
}
