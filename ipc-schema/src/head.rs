//! The heads of requests and responses, written and read with bounds, whichever side sends them.
//!
//! The transport bounds the size of a message, not what a reader takes out of it: one text can be pointed at by every
//! element of a list, and a list of empty structs has any length in no space. So the sums are bounded here.

use capnp::struct_list;

use crate::worker_capnp::{header, http_request, http_response};

/// The methods that HTTP itself defines.
pub const METHODS: &[&str] = &["GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"];

/// The methods beside those of HTTP itself that a request can have; the reference knows no others.
pub const EXTENSION_METHODS: &[&str] = &[
    "PURGE",
    "COPY",
    "LOCK",
    "MKCOL",
    "MOVE",
    "PROPFIND",
    "PROPPATCH",
    "SEARCH",
    "UNLOCK",
    "ACL",
    "REPORT",
    "MKACTIVITY",
    "CHECKOUT",
    "MERGE",
    "MSEARCH",
    "NOTIFY",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "QUERY",
    "BAN",
];

/// Shortest body of a request, in bytes, that travels in the call and of which the response may say that it sends it back: whoever made
/// the call keeps it until the answer has come. Anything shorter is as well sent.
pub const MIN_SENT_BACK: usize = 4096;

/// Longest `props` that a worker gives one of its own entrypoints, as they are in the message, in bytes.
pub const MAX_OWN_PROPS: usize = 64 << 10;

/// Longest status text of a response, in bytes.
pub const MAX_STATUS_TEXT: usize = 512;

/// What `bodyLength` says of a body whose length is not known.
const UNKNOWN_LENGTH: u64 = u64::MAX;

/// The length of a body as it is written.
pub fn to_body_length(length: Option<u64>) -> u64 {
    length.unwrap_or(UNKNOWN_LENGTH)
}

/// The length of a body as it was written.
pub fn body_length(length: u64) -> Option<u64> {
    (length != UNKNOWN_LENGTH).then_some(length)
}

/// Whether a response that a script makes can have this status, where its request does not ask for an upgrade.
pub fn is_status(status: u16) -> bool {
    (200..600).contains(&status)
}

/// Whether a response that a server has sent, and that is passed on, can have this status: any final one of three digits.
fn is_sent_status(status: u16) -> bool {
    (200..1000).contains(&status)
}

/// The status of a response that says that another protocol takes the place of HTTP (RFC 9110, section 15.2.2).
pub const SWITCHING_PROTOCOLS: u16 = 101;

/// The protocols that a request can ask for in place of HTTP. After such an upgrade the two sides say what they like, which no rule about
/// requests holds for any more: a protocol in which further requests can be made does not belong here.
const UPGRADES: &[&str] = &["websocket"];

/// The protocol that the value of a header `Upgrade` names, in lower case, if it is one that can be asked for. As in the reference, a
/// list of several names none.
pub fn known_upgrade(value: &[u8]) -> Option<&'static str> {
    UPGRADES.iter().copied().find(|protocol| value.eq_ignore_ascii_case(protocol.as_bytes()))
}

/// Whether a response with this status has no body (RFC 9110, section 6.4.1), whatever its head says.
pub fn has_no_body(status: u16) -> bool {
    matches!(status, 204 | 205 | 304)
}

/// The method of this name, as it is spelled.
pub fn known_method(name: &str) -> Option<&'static str> {
    METHODS.iter().chain(EXTENSION_METHODS).copied().find(|method| *method == name)
}

/// Whether a `Content-Type` is that of a stream of events (HTML Standard, section 9.2), which goes on for as long as both sides like.
pub fn is_event_stream(content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

/// The words for a status where nobody has chosen any: those of the registry (RFC 9110, section 15), or those of its class.
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        208 => "Already Reported",
        226 => "IM Used",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Payload Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        418 => "I'm a teapot",
        421 => "Misdirected Request",
        422 => "Unprocessable Entity",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        506 => "Variant Also Negotiates",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        510 => "Not Extended",
        511 => "Network Authentication Required",
        _ => match status / 100 {
            1 => "Informational",
            2 => "Successful",
            3 => "Redirection",
            4 => "Client Error",
            _ => "Server Error",
        },
    }
}

/// Whether a header, whose name is in lower case, says how a message travels over one connection (RFC 9110, section 7.6.1).
/// That is between the socket and its client; a worker that could set it could make one response look like two.
pub fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection" | "keep-alive" | "proxy-connection" | "te" | "trailer" | "transfer-encoding" | "upgrade"
    )
}

/// Bounds of one head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadLimits {
    /// Number of headers.
    pub max_headers: u32,
    /// All names and values together.
    pub max_bytes: usize,
}

impl Default for HeadLimits {
    /// 256 headers in 128 KiB: above what the sockets accept from clients.
    fn default() -> Self {
        Self { max_headers: 256, max_bytes: 128 << 10 }
    }
}

/// Why a header list was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The list is too long.
    #[error("{0} headers are more than the {1} that are allowed")]
    TooMany(u32, u32),
    /// The texts together are too long.
    #[error("the headers are longer than the {0} bytes that are allowed")]
    TooLong(usize),
    /// No handler can have answered that.
    #[error("a response with status {0}")]
    Status(u16),
    /// The status text is too long.
    #[error("a status text that is too long")]
    StatusText,
    /// The message is malformed, or the visitor refused a header.
    #[error("{0}")]
    Malformed(String),
}

impl From<capnp::Error> for HeadError {
    fn from(error: capnp::Error) -> Self {
        HeadError::Malformed(error.to_string())
    }
}

/// Writes headers into a list that was made with their number.
pub fn write<'h>(
    mut list: struct_list::Builder<'_, header::Owned>,
    headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
) {
    for (index, (name, value)) in (0..list.len()).zip(headers) {
        let mut header = list.reborrow().get(index);
        header.set_name(name);
        header.set_value(value);
    }
}

/// The head of a request, as it was read.
pub struct RequestHead<'m> {
    /// The method.
    pub method: &'m str,
    /// The URL, absolute.
    pub url: &'m str,
    /// JSON for `request.cf`; empty for none.
    pub cf_json: &'m str,
    /// Whether it asks for an upgrade.
    pub upgrade: bool,
    /// The headers.
    pub headers: Headers<'m>,
}

/// The head of a response, as it was read.
pub struct ResponseHead<'m> {
    /// The status, from 200 to 999, or [`SWITCHING_PROTOCOLS`].
    pub status: u16,
    /// The status text, of at most [`MAX_STATUS_TEXT`] bytes; empty for the standard one.
    pub status_text: &'m [u8],
    /// The headers.
    pub headers: Headers<'m>,
}

/// The headers of a head that is being read.
pub struct Headers<'m>(struct_list::Reader<'m, header::Owned>);

/// Writes the head of a request. The URL is given in pieces; `cf_json` is empty for none.
pub fn write_request<'h>(
    mut to: http_request::Builder<'_>,
    method: &str,
    url: &[&str],
    cf_json: &str,
    count: usize,
    headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
) {
    to.set_method(method);
    let length: usize = url.iter().map(|piece| piece.len()).sum();
    let mut text = to.reborrow().init_url(length as u32);
    for piece in url {
        text.push_str(piece);
    }
    if !cf_json.is_empty() {
        to.set_cf_json(cf_json);
    }
    write(to.init_headers(count as u32), headers);
}

/// Reads the head of a request.
///
/// # Errors
/// The message is malformed.
pub fn read_request(from: http_request::Reader<'_>) -> Result<RequestHead<'_>, HeadError> {
    Ok(RequestHead {
        method: text(from.get_method()?)?,
        url: text(from.get_url()?)?,
        cf_json: text(from.get_cf_json()?)?,
        upgrade: from.get_upgrade(),
        headers: Headers(from.get_headers()?),
    })
}

/// Writes the head of a response; an empty status text stands for the standard one.
pub fn write_response<'h>(
    mut to: http_response::Builder<'_>,
    status: u16,
    status_text: &str,
    count: usize,
    headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
) {
    to.set_status(status);
    if !status_text.is_empty() {
        to.set_status_text(status_text);
    }
    write(to.init_headers(count as u32), headers);
}

/// Reads the head of a response. `upgrade`: its request asked for one.
///
/// # Errors
/// The message is malformed, or no handler can have answered what it says.
pub fn read_response(from: http_response::Reader<'_>, upgrade: bool) -> Result<ResponseHead<'_>, HeadError> {
    let (status, status_text) = (from.get_status(), from.get_status_text()?.as_bytes());
    let is_upgraded = upgrade && status == SWITCHING_PROTOCOLS;
    if !is_upgraded && !is_sent_status(status) {
        return Err(HeadError::Status(status));
    }
    if status_text.len() > MAX_STATUS_TEXT {
        return Err(HeadError::StatusText);
    }
    Ok(ResponseHead { status, status_text, headers: Headers(from.get_headers()?) })
}

fn text(text: capnp::text::Reader<'_>) -> Result<&str, HeadError> {
    text.to_str().map_err(|error| HeadError::Malformed(error.to_string()))
}

impl<'m> Headers<'m> {
    /// How many to make room for.
    pub fn count(&self) -> usize {
        self.0.len().min(HeadLimits::default().max_headers) as usize
    }

    /// Calls `visit` with the name and value of each header, in order.
    ///
    /// # Errors
    /// A bound is exceeded, the message is malformed, or `visit` refused a header with its own words.
    pub fn read(self, visit: impl FnMut(&'m [u8], &'m [u8]) -> Result<(), String>) -> Result<(), HeadError> {
        read(self.0, HeadLimits::default(), visit)
    }
}

fn read<'m>(
    list: struct_list::Reader<'m, header::Owned>,
    limits: HeadLimits,
    mut visit: impl FnMut(&'m [u8], &'m [u8]) -> Result<(), String>,
) -> Result<(), HeadError> {
    if list.len() > limits.max_headers {
        return Err(HeadError::TooMany(list.len(), limits.max_headers));
    }
    let mut total = 0;
    for header in list {
        let (name, value) = (header.get_name()?.as_bytes(), header.get_value()?);
        total += name.len() + value.len();
        if total > limits.max_bytes {
            return Err(HeadError::TooLong(limits.max_bytes));
        }
        visit(name, value).map_err(HeadError::Malformed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker_capnp::http_request;

    fn built(headers: &[(&str, &[u8])]) -> capnp::message::Builder<capnp::message::HeapAllocator> {
        let mut message = capnp::message::Builder::new_default();
        let request = message.init_root::<http_request::Builder<'_>>();
        write(request.init_headers(headers.len() as u32), headers.iter().copied());
        message
    }

    type Seen = Vec<(Vec<u8>, Vec<u8>)>;

    fn parsed(headers: &[(&str, &[u8])], limits: HeadLimits) -> Result<Seen, HeadError> {
        let message = built(headers);
        let request: http_request::Reader<'_> = message.get_root_as_reader().expect("a root");
        let mut seen = Vec::new();
        read(request.get_headers().expect("a list"), limits, |name, value| {
            if name == b"refuse" {
                return Err("refused".into());
            }
            seen.push((name.to_vec(), value.to_vec()));
            Ok(())
        })?;
        Ok(seen)
    }

    #[test]
    fn headers_come_through_in_order() {
        let headers: [(&str, &[u8]); 3] = [("a", b"1"), ("b", b"\xff"), ("a", b"")];
        let seen = parsed(&headers, HeadLimits::default()).expect("headers");
        let expected: Vec<_> = headers.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.to_vec())).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn heads_come_through_in_both_directions() {
        let headers: [(&str, &[u8]); 2] = [("a", b"1"), ("b", b"")];
        let all = |headers: Headers<'_>| {
            let mut seen = Vec::new();
            assert_eq!(headers.count(), 2);
            let note = |name: &[u8], value: &[u8]| {
                seen.push((name.to_vec(), value.to_vec()));
                Ok(())
            };
            headers.read(note).expect("headers");
            seen
        };
        let expected: Seen = headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect();

        let mut message = capnp::message::Builder::new_default();
        write_request(message.init_root(), "PUT", &["http", "://", "h\u{e9}", "/", ""], "{}", 2, headers);
        let head = read_request(message.get_root_as_reader().expect("a root")).expect("a head");
        assert_eq!((head.method, head.url, head.cf_json), ("PUT", "http://h\u{e9}/", "{}"));
        assert_eq!(all(head.headers), expected);

        let mut message = capnp::message::Builder::new_default();
        write_response(message.init_root(), 299, "Fine", 2, headers);
        let head = read_response(message.get_root_as_reader().expect("a root"), false).expect("a head");
        assert_eq!((head.status, head.status_text), (299, &b"Fine"[..]));
        assert_eq!(all(head.headers), expected);
    }

    #[test]
    fn what_no_handler_answers_is_refused() {
        let answered = |status, text: &str, upgrade| {
            let mut message = capnp::message::Builder::new_default();
            write_response(message.init_root(), status, text, 0, []);
            read_response(message.get_root_as_reader().expect("a root"), upgrade).map(|head| head.status)
        };
        for (status, text, expected) in [
            (200, "", Ok(200)),
            (999, &*"x".repeat(MAX_STATUS_TEXT), Ok(999)),
            (0, "", Err(HeadError::Status(0))),
            (100, "", Err(HeadError::Status(100))),
            (199, "", Err(HeadError::Status(199))),
            (1000, "", Err(HeadError::Status(1000))),
            (200, &"x".repeat(MAX_STATUS_TEXT + 1), Err(HeadError::StatusText)),
        ] {
            assert_eq!(
                (answered(status, text, false), answered(status, text, true)),
                (expected.clone(), expected),
                "{status}"
            );
        }
        assert_eq!(answered(101, "", false), Err(HeadError::Status(101)));
        assert_eq!(answered(101, "", true), Ok(101));
    }

    #[test]
    fn an_upgrade_is_to_one_protocol_that_there_is() {
        for (value, expected) in [
            ("websocket", Some("websocket")),
            ("WebSocket", Some("websocket")),
            ("websocket, h2c", None),
            ("h2c", None),
            ("tls/1.0", None),
            ("", None),
        ] {
            assert_eq!(known_upgrade(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn every_bound_is_kept() {
        let limits = HeadLimits { max_headers: 2, max_bytes: 6 };
        assert!(parsed(&[("a", b"12"), ("b", b"12")], limits).is_ok());
        assert_eq!(parsed(&[("a", b"12"), ("b", b"123")], limits), Err(HeadError::TooLong(6)));
        assert_eq!(parsed(&[("a", b""), ("b", b""), ("c", b"")], limits), Err(HeadError::TooMany(3, 2)));
        assert_eq!(parsed(&[("refuse", b"")], limits), Err(HeadError::Malformed("refused".into())));
    }
}
