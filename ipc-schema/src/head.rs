//! The header lists of requests and responses, written and read with bounds.
//!
//! The transport bounds the size of a message, not what a reader takes out of it: one text can be pointed at by every
//! element of a list, and a list of empty structs has any length in no space. So the sums are bounded here.

use capnp::struct_list;

use crate::worker_capnp::header;

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

/// Longest status text of a response, in bytes.
pub const MAX_STATUS_TEXT: usize = 512;

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

/// Calls `visit` with the name and value of each header, in order.
///
/// # Errors
/// A bound is exceeded, the message is malformed, or `visit` refused a header with its own words.
pub fn read<'m>(
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
    fn every_bound_is_kept() {
        let limits = HeadLimits { max_headers: 2, max_bytes: 6 };
        assert!(parsed(&[("a", b"12"), ("b", b"12")], limits).is_ok());
        assert_eq!(parsed(&[("a", b"12"), ("b", b"123")], limits), Err(HeadError::TooLong(6)));
        assert_eq!(parsed(&[("a", b""), ("b", b""), ("c", b"")], limits), Err(HeadError::TooMany(3, 2)));
        assert_eq!(parsed(&[("refuse", b"")], limits), Err(HeadError::Malformed("refused".into())));
    }
}
