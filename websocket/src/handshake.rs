//! What is in the heads of the request and the answer that begin a connection (RFC 6455, section 4).

use sha1::{Digest as _, Sha1};

/// RFC 6455, section 1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The version of the protocol (RFC 6455, section 4.1).
pub const VERSION: &str = "13";

/// Why a request cannot be answered with a connection. The texts are the reference's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Section 4.1, 2.
    #[error("ERROR: WebSocket must be initiated with a GET request.")]
    Method,
    /// Section 4.2.2, 4: the answer says which version is.
    #[error("ERROR: The requested WebSocket version is not supported.")]
    Version,
    /// Section 4.1, 7.
    #[error("ERROR: Missing Sec-WebSocket-Key")]
    Key,
}

impl Refused {
    /// The status that the client is answered with. 426 has a header `Sec-WebSocket-Version` ([`VERSION`]).
    pub fn status(self) -> u16 {
        match self {
            Refused::Version => 426,
            Refused::Method | Refused::Key => 400,
        }
    }
}

/// Whether a request asks for a WebSocket: `upgrade` is what its header `Upgrade` says. It then is one of HTTP/1.1 whose header
/// `Connection` names `upgrade`.
pub fn is_asked_for(upgrade: &[u8]) -> bool {
    has_token(upgrade, "websocket")
}

/// Whether a header that is a list of tokens has one, in whatever case.
pub fn has_token(value: &[u8], token: &str) -> bool {
    value.split(|byte| *byte == b',').any(|element| element.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// The header `Sec-WebSocket-Accept` of the answer to a request that asks for a WebSocket, by the request's method and headers.
///
/// # Errors
/// It cannot be answered with one.
pub fn answer(method: &[u8], version: Option<&[u8]>, key: Option<&[u8]>) -> Result<String, Refused> {
    if method != b"GET" {
        return Err(Refused::Method);
    }
    if version != Some(VERSION.as_bytes()) {
        return Err(Refused::Version);
    }
    match key {
        Some(key) if is_key(key) => Ok(accept_value(key)),
        _ => Err(Refused::Key),
    }
}

/// Whether a `Sec-WebSocket-Key` is one: sixteen bytes in Base64 (section 4.1, 7).
fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    // Of the last digit two bits count. Libraries take others for it too.
    matches!(key, [digits @ .., b'=', b'='] if digits.len() == 22 && digits.iter().all(is_digit))
}

/// The `Sec-WebSocket-Accept` for a key (section 4.2.2, 5).
pub fn accept_value(key: &[u8]) -> String {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    base64(&digest)
}

/// The `Sec-WebSocket-Key` of sixteen random bytes (section 4.1, 7).
pub fn key(random: [u8; 16]) -> String {
    base64(&random)
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(group.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 0x3f) as usize];
            text.push(if at <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// Why an answer of status 101 begins no connection (section 4.1), in the reference's words where it has some.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAccepted {
    /// 2: no header `Upgrade`.
    #[error("missing Upgrade header")]
    NoUpgrade,
    /// 2: it says this, and not `websocket`.
    #[error("incorrect Upgrade header: expected 'websocket', got '{0}'")]
    Upgrade(String),
    /// 3: no header `Connection` that names `upgrade`.
    #[error("no Connection header that names Upgrade")]
    Connection,
    /// 4: no header `Sec-WebSocket-Accept`.
    #[error("missing Sec-WebSocket-Accept header")]
    NoAccept,
    /// 4: it does not answer the key, as the first text would, but says the second.
    #[error("incorrect Sec-WebSocket-Accept header: expected '{0}', got '{1}'")]
    Accept(String, String),
}

/// Checks the headers of an answer of status 101 to a request with this `Sec-WebSocket-Key`.
///
/// # Errors
/// It begins no connection.
pub fn check_answer(
    key: &[u8],
    upgrade: Option<&[u8]>,
    connection: Option<&[u8]>,
    accept: Option<&[u8]>,
) -> Result<(), NotAccepted> {
    let shown = |value| String::from_utf8_lossy(value).into_owned();
    let upgrade = upgrade.ok_or(NotAccepted::NoUpgrade)?;
    if !upgrade.trim_ascii().eq_ignore_ascii_case(b"websocket") {
        return Err(NotAccepted::Upgrade(shown(upgrade)));
    }
    if !connection.is_some_and(|connection| has_token(connection, "upgrade")) {
        return Err(NotAccepted::Connection);
    }
    let (accept, expected) = (accept.ok_or(NotAccepted::NoAccept)?, accept_value(key));
    if accept.trim_ascii() != expected.as_bytes() {
        return Err(NotAccepted::Accept(expected, shown(accept)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"dGhlIHNhbXBsZSBub25jZQ==";
    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    #[test]
    fn keys_are_answered_as_in_the_standard() {
        assert_eq!(accept_value(KEY), ACCEPT);
        assert_eq!(key(*b"the sample nonce").as_bytes(), KEY);
    }

    #[test]
    fn base64_is_padded() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn a_request_is_answered_or_refused() {
        let version = Some(&b"13"[..]);
        assert_eq!(answer(b"GET", version, Some(KEY)), Ok(ACCEPT.to_owned()));
        assert_eq!(answer(b"POST", version, Some(KEY)), Err(Refused::Method));
        assert_eq!(answer(b"GET", None, Some(KEY)), Err(Refused::Version));
        assert_eq!(answer(b"GET", Some(b"8"), Some(KEY)), Err(Refused::Version));
        let short = &KEY[4..];
        for key in [None, Some(&b""[..]), Some(b"abc"), Some(short), Some(b"dGhlIHNhbXBsZSBub25j!Q==")] {
            assert_eq!(answer(b"GET", version, key), Err(Refused::Key));
        }
        assert_eq!((Refused::Version.status(), Refused::Key.status(), Refused::Method.status()), (426, 400, 400));
    }

    #[test]
    fn what_is_asked_for_is_a_token() {
        for upgrade in ["websocket", "WebSocket", "h2c, websocket", " websocket "] {
            assert!(is_asked_for(upgrade.as_bytes()), "{upgrade}");
        }
        for upgrade in ["", "websockets", "web socket", "h2c"] {
            assert!(!is_asked_for(upgrade.as_bytes()), "{upgrade}");
        }
    }

    #[test]
    fn an_answer_is_checked() {
        let check = |upgrade: &'static str, connection: &'static str, accept: &'static str| {
            let some = |text: &'static str| (!text.is_empty()).then_some(text.as_bytes());
            check_answer(KEY, some(upgrade), some(connection), some(accept))
        };
        assert_eq!(check("websocket", "Upgrade", ACCEPT), Ok(()));
        assert_eq!(check("WebSocket", "keep-alive, upgrade", ACCEPT), Ok(()));
        assert_eq!(check("", "Upgrade", ACCEPT), Err(NotAccepted::NoUpgrade));
        assert_eq!(check("h2c", "Upgrade", ACCEPT), Err(NotAccepted::Upgrade("h2c".to_owned())));
        assert_eq!(check("websocket", "", ACCEPT), Err(NotAccepted::Connection));
        assert_eq!(check("websocket", "close", ACCEPT), Err(NotAccepted::Connection));
        assert_eq!(check("websocket", "Upgrade", ""), Err(NotAccepted::NoAccept));
        let other = "x3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        let wrong = NotAccepted::Accept(ACCEPT.to_owned(), other.to_owned());
        assert_eq!(check("websocket", "Upgrade", other), Err(wrong));
    }
}
