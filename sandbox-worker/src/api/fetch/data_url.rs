//! `data:` URLs (Fetch Standard, "data: URL processor"), whose content is in themselves.

use super::mime::mime_type;

/// What a URL that says nothing else is of.
const DEFAULT_TYPE: &str = "text/plain;charset=US-ASCII";

/// The MIME type and the bytes of a URL, which is serialized, has no fragment, and begins with `data:`. `None`: there is no comma.
pub(super) fn content(url: &str) -> Option<(String, Vec<u8>)> {
    let (kind, content) = url.strip_prefix("data:")?.split_once(',')?;
    let bytes = percent_decoded(content);
    let kind = kind.trim_matches(['\t', '\n', '\x0c', '\r', ' ']);
    let (kind, bytes) = match before_base64(kind) {
        Some(kind) => (kind, leniently_decoded(&bytes)),
        None => (kind, bytes),
    };
    let prefix = if kind.starts_with(';') { "text/plain" } else { "" };
    Some((mime_type(&format!("{prefix}{kind}")).unwrap_or_else(|| DEFAULT_TYPE.to_owned()), bytes))
}

/// What stands before `;base64` at the end.
fn before_base64(kind: &str) -> Option<&str> {
    let at = kind.len().checked_sub("base64".len())?;
    let is_named = kind.get(at..)?.eq_ignore_ascii_case("base64");
    is_named.then(|| kind[..at].trim_end_matches(' ').strip_suffix(';')).flatten()
}

/// URL Standard, "percent-decode".
fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    while let [first, after @ ..] = rest {
        let decoded = match (first, after) {
            (b'%', [high, low, after @ ..]) => digit(*high).zip(digit(*low)).map(|digits| (digits, after)),
            _ => None,
        };
        match decoded {
            Some(((high, low), after)) => {
                bytes.push((high << 4 | low) as u8);
                rest = after;
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

/// The bytes of Base64 in which everything else is passed over, as the reference does where the standard has the request fail.
fn leniently_decoded(text: &[u8]) -> Vec<u8> {
    let (mut bytes, mut bits, mut held) = (Vec::with_capacity(text.len() / 4 * 3), 0u32, 0);
    for byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}
