//! Heads and what goes with them between HTTP and the wire: a request to a worker, and a worker's response.

use bulkhead_ipc::{
    head::{self, SWITCHING_PROTOCOLS, body_length, is_hop_by_hop},
    worker_capnp::{connect, http_request, http_response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::{
    body::Body,
    link::{
        Ticket,
        body::{CancelOnDrop, RemoteBody},
    },
    upgrade::{Connect, Transport},
};

/// About how long a request's head is on the wire.
pub(super) fn head_bytes(parts: &http::request::Parts, cf_json: &str) -> usize {
    let headers = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    parts.uri.path().len() + parts.uri.query().map_or(0, str::len) + cf_json.len() + headers.sum::<usize>()
}

pub(super) fn write_head(mut to: http_request::Builder<'_>, parts: &http::request::Parts, cf_json: &str) {
    let uri = &parts.uri;
    let (scheme, query) = (uri.scheme_str(), uri.query());
    let url = [
        scheme.unwrap_or_default(),
        scheme.map_or("", |_| "://"),
        uri.authority().map_or("", |authority| authority.as_str()),
        uri.path(),
        query.map_or("", |_| "?"),
        query.unwrap_or_default(),
    ];
    if let Some(asked) = parts.extensions.get::<Connect>() {
        let mut to = to.reborrow().init_connect();
        to.set_transport(match asked.transport {
            Transport::Plain => connect::Transport::Plain,
            Transport::Tls => connect::Transport::Tls,
            Transport::StartTls => connect::Transport::StartTls,
        });
        if let Some(remote) = &asked.remote {
            to.set_remote_address(remote.as_str());
        }
    }
    let headers = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    head::write_request(to, parts.method.as_str(), &url, cf_json, parts.headers.len(), headers);
}

/// What belongs to the request of a response that is read.
pub(super) struct Kept {
    /// Its body, where that is pulled.
    pub(super) upload: Option<CancelOnDrop>,
    /// What the worker may send back without sending it.
    pub(super) sent: Option<Bytes>,
    pub(super) ticket: Ticket,
}

/// A worker's response. Where it is for a socket, and has a body of known length, or none where there could be one, a `Content-Length`
/// stands first in its head: the socket, which makes it true, then need not make the head anew for its sake.
///
/// `upgrade`: the request asked for one.
pub(super) fn read_response(
    response: http_response::Reader<'_>,
    is_head: bool,
    for_socket: bool,
    upgrade: bool,
    kept: Kept,
) -> Result<http::Response<Body>, String> {
    let Kept { mut upload, sent, ticket } = kept;
    let head = head::read_response(response, upgrade).map_err(|error| error.to_string())?;
    let is_exchange = head.status == SWITCHING_PROTOCOLS;
    let status = StatusCode::from_u16(head.status).map_err(|error| error.to_string())?;
    let length = body_length(response.get_body_length());
    let body = response.get_body().which().map_err(|error| error.to_string())?;
    let is_counted = length.is_some() || matches!(body, http_response::body::None(()));
    // The length on the wire is the body's own. Only where there is no body does the header say what there would be.
    let is_bodiless = is_head || status == StatusCode::NOT_MODIFIED;
    let mut headers = HeaderMap::with_capacity(head.headers.count() + 1);
    if for_socket && is_counted && !is_bodiless && status != StatusCode::NO_CONTENT {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    let read = head.headers.read(|name, value| {
        let name = HeaderName::from_bytes(name).map_err(|_| "an invalid header name".to_owned())?;
        let value = HeaderValue::from_bytes(value).map_err(|_| format!("an invalid value of header {name}"))?;
        if !is_hop_by_hop(name.as_str()) && (for_socket && is_bodiless || name != header::CONTENT_LENGTH) {
            headers.append(name, value);
        }
        Ok(())
    });
    read.map_err(|error| error.to_string())?;

    let wait_until = ticket.link().policy().wait_until;
    let in_memory = |bytes| if is_counted { Body::Bytes(bytes) } else { Body::uncounted(bytes) };
    let body = match body {
        http_response::body::Stream(source) if is_exchange => {
            let source = source.map_err(|error| error.to_string())?;
            Body::Pull(Box::pin(RemoteBody::exchange(source, ticket, upload.take())))
        }
        _ if is_exchange => return Err("it switched to another protocol without a stream".to_owned()),
        http_response::body::None(()) => Body::Empty,
        http_response::body::Bytes(bytes) => match bytes.map_err(|error| error.to_string())? {
            [] if is_counted => Body::Empty,
            bytes => in_memory(ticket.link().connection.keep(bytes)),
        },
        http_response::body::Request(()) => in_memory(sent.ok_or("it sent a body back that it was not sent")?),
        http_response::body::Stream(source) => {
            let source = source.map_err(|error| error.to_string())?;
            let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
            Body::Pull(Box::pin(match length {
                None if kind.is_some_and(head::is_event_stream) => RemoteBody::events(source, ticket, upload.take()),
                _ => RemoteBody::new(source, length, ticket, upload.take()),
            }))
        }
    };
    // A response that is whole is as good as sent.
    if let Some(upload) = upload {
        upload.response_sent(wait_until);
    }
    let mut result = http::Response::new(body);
    *result.status_mut() = status;
    *result.headers_mut() = headers;
    if !head.status_text.is_empty() {
        let reason = hyper::ext::ReasonPhrase::try_from(head.status_text).map_err(|_| "an invalid status text")?;
        if status.canonical_reason().map(str::as_bytes) != Some(reason.as_bytes()) {
            result.extensions_mut().insert(reason);
        }
    }
    Ok(result)
}
