//! `atob` and `btoa` (HTML, "Base64 utility methods").

use jsg::{DomString, Error, Result};

use super::idl::StringHandle;

/// Functions of the global object.
#[derive(jsg::Trace, Debug)]
pub(super) struct Base64Functions;

#[jsg::class(name = "ServiceWorkerGlobalScope")]
impl Base64Functions {
    #[static_method]
    fn atob<'s>(scope: &mut v8::PinScope<'s, '_>, data: DomString<'s>) -> Result<jsg::ByteString> {
        let invalid = || {
            Error::dom(
                "InvalidCharacterError",
                "atob() called with invalid base64-encoded data. (Only whitespace, '+', '/', alphanumeric ASCII, and up \
                 to two terminal '=' signs when the input data length is divisible by 4 are allowed.)",
            )
        };
        let bytes = one_byte(scope, data.0).ok_or_else(invalid)?;
        decode_base64(&bytes).map(jsg::ByteString).ok_or_else(invalid)
    }

    #[static_method]
    fn btoa<'s>(scope: &mut v8::PinScope<'s, '_>, data: StringHandle<'s>) -> Result<jsg::ByteString> {
        let bytes = one_byte(scope, data.0).ok_or_else(|| {
            Error::dom(
                "InvalidCharacterError",
                "btoa() can only operate on characters in the Latin1 (ISO/IEC 8859-1) range.",
            )
        })?;
        Ok(jsg::ByteString(encode_base64(&bytes)))
    }
}

fn one_byte(scope: &mut v8::PinScope<'_, '_>, text: v8::Local<'_, v8::String>) -> Option<Vec<u8>> {
    if !text.contains_only_onebyte() {
        return None;
    }
    let mut bytes = vec![0; text.length()];
    text.write_one_byte_v2(scope, 0, &mut bytes, v8::WriteFlags::empty());
    Some(bytes)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Where each byte stands in [`ALPHABET`]; 64 and more: nowhere.
const VALUES: [u8; 256] = {
    let mut values = [64; 256];
    let mut index = 0;
    while index < 64 {
        values[ALPHABET[index] as usize] = index as u8;
        index += 1;
    }
    values
};

fn encode_base64(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for (at, chunk) in bytes.chunks(3).enumerate() {
        if at % jsg::STRIDE == 0 && jsg::is_interrupted() {
            break;
        }
        let (first, second, third) = (chunk[0], chunk.get(1).copied().unwrap_or(0), chunk.get(2).copied().unwrap_or(0));
        let group = u32::from(first) << 16 | u32::from(second) << 8 | u32::from(third);
        let letter = |shift: u32| ALPHABET[(group >> shift) as usize & 63];
        out.push(letter(18));
        out.push(letter(12));
        out.push(if chunk.len() > 1 { letter(6) } else { b'=' });
        out.push(if chunk.len() > 2 { letter(0) } else { b'=' });
    }
    out
}

/// Infra Standard, "forgiving-base64 decode".
fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut group = 0_u32;
    let mut letters = 0_usize;
    let mut padding = 0_usize;
    for (at, &byte) in text.iter().enumerate() {
        if at % jsg::STRIDE == 0 && jsg::is_interrupted() {
            break;
        }
        if matches!(byte, b'\t' | b'\n' | b'\x0c' | b'\r' | b' ') {
            continue;
        }
        if byte == b'=' {
            padding += 1;
            continue;
        }
        let value = VALUES[usize::from(byte)];
        if value >= 64 || padding > 0 {
            return None;
        }
        group = group << 6 | u32::from(value);
        letters += 1;
        if letters.is_multiple_of(4) {
            out.extend_from_slice(&group.to_be_bytes()[1..]);
            group = 0;
        }
    }
    // Padding may be left out; what is there must fill the last group.
    if padding > 2 || (padding > 0 && !(letters + padding).is_multiple_of(4)) {
        return None;
    }
    match letters % 4 {
        0 => {}
        2 => out.push((group >> 4) as u8),
        3 => out.extend_from_slice(&[(group >> 10) as u8, (group >> 2) as u8]),
        _ => return None,
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{decode_base64, encode_base64};

    #[test]
    fn wpt_base64() {
        let table = include_str!("../../../tests/wpt/data/base64.json");
        let table: serde_json::Value = serde_json::from_str(table).expect("the table is JSON");
        for case in table.as_array().expect("the table is a list") {
            let input = case[0].as_str().expect("an input is text");
            let expected = case[1].as_array().map(|bytes| {
                bytes
                    .iter()
                    .map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok()))
                    .collect::<Option<Vec<_>>>()
            });
            // Inputs beyond U+00FF never reach the decoder.
            let bytes: Option<Vec<u8>> =
                input.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect();
            let found = bytes.and_then(|bytes| decode_base64(&bytes));
            assert_eq!(found, expected.map(|bytes| bytes.expect("bytes are below 256")), "{input:?}");
        }
    }

    proptest! {
        #[test]
        fn base64_there_and_back(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(decode_base64(&encode_base64(&bytes)), Some(bytes));
        }
    }
}
