//! A response as the body of a `PUT`: its head as HTTP/1.1 has it, then its body as it is, without any framing of its own, whatever the head says.
//! Where the head has a `Content-Length`, so many bytes follow.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// The longest head, in bytes.
pub const MAX_HEAD: usize = 128 << 10;

/// Most headers.
pub const MAX_HEADERS: usize = 256;

/// The head of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its status.
    pub status: StatusCode,
    /// Its reason phrase, where it has another than its status has.
    pub reason: Option<Bytes>,
    /// Its headers.
    pub headers: HeaderMap,
    /// How long its body is, if that is said.
    pub length: Option<u64>,
}

/// What is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It does not begin with the head of one.
    #[error("it does not begin with the head of a response")]
    Head,
    /// The head is longer than [`MAX_HEAD`], or has more headers than [`MAX_HEADERS`].
    #[error("the head of the response is longer than {MAX_HEAD} bytes, or has more than {MAX_HEADERS} headers")]
    TooLong,
    /// There are lengths that contradict each other, or that are none.
    #[error("the response has no length that could be its own")]
    Length,
}

/// Takes a response as it comes, until its head is there.
#[derive(Debug, Default)]
pub struct HeadReader(BytesMut);

impl HeadReader {
    /// The next bytes. Once the head is there: what it says, and what came of the body.
    ///
    /// # Errors
    ///
    /// It is no response. Nothing else may be given then.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<(Head, Bytes)>, Malformed> {
        // What was looked at is not looked at again, but for an end that comes in parts.
        let from = self.0.len().saturating_sub(3);
        let room = (MAX_HEAD + 1).saturating_sub(self.0.len());
        let (now, later) = bytes.split_at(bytes.len().min(room));
        self.0.extend_from_slice(now);
        let end = self.0[from..].windows(4).position(|window| window == b"\r\n\r\n").map(|at| from + at + 4);
        match end {
            Some(end) if end <= MAX_HEAD => {
                let mut rest = self.0.split_off(end);
                rest.extend_from_slice(later);
                Ok(Some((parse(&self.0)?, rest.freeze())))
            }
            _ if self.0.len() > MAX_HEAD => Err(Malformed::TooLong),
            _ => Ok(None),
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Head, Malformed> {
    let mut lines = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut lines);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Malformed::TooLong),
        Ok(_) | Err(_) => return Err(Malformed::Head),
    }
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(Malformed::Head)?;
    let reason = response.reason.filter(|reason| status.canonical_reason() != Some(reason));
    let mut headers = HeaderMap::with_capacity(response.headers.len());
    let mut length = None;
    for line in response.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| Malformed::Head)?;
        let value = HeaderValue::from_bytes(line.value).map_err(|_| Malformed::Head)?;
        if name == header::CONTENT_LENGTH {
            let is_number = !line.value.is_empty() && line.value.iter().all(u8::is_ascii_digit);
            let number = value.to_str().ok().filter(|_| is_number).and_then(|text| text.parse::<u64>().ok());
            let number = number.ok_or(Malformed::Length)?;
            if length.is_some_and(|length| length != number) {
                return Err(Malformed::Length);
            }
            length = Some(number);
        }
        headers.append(name, value);
    }
    let reason = reason.map(|reason| Bytes::copy_from_slice(reason.as_bytes()));
    Ok(Head { status, reason, headers, length })
}
