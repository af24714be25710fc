//! `atob` and `btoa` (HTML, "Base64 utility methods").

use jsg::{Characters, DomString, Error, Result};

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
        let decoded = with_latin1(scope, data.0, jsg::decode_base64);
        decoded.flatten().map(jsg::ByteString).ok_or_else(invalid)
    }

    #[static_method]
    fn btoa<'s>(scope: &mut v8::PinScope<'s, '_>, data: StringHandle<'s>) -> Result<jsg::ByteString> {
        with_latin1(scope, data.0, jsg::encode_base64).map(jsg::ByteString).ok_or_else(|| {
            Error::dom(
                "InvalidCharacterError",
                "btoa() can only operate on characters in the Latin1 (ISO/IEC 8859-1) range.",
            )
        })
    }
}

/// Lends the characters of a string as a byte each; `None` if one is beyond U+00FF.
fn with_latin1<R>(
    scope: &mut v8::PinScope<'_, '_>,
    text: v8::Local<'_, v8::String>,
    body: impl FnOnce(&[u8]) -> R,
) -> Option<R> {
    jsg::lend(scope, text, |characters| match characters {
        Characters::Latin1(characters) => Some(body(characters)),
        Characters::Utf16(characters) => {
            let bytes: Option<Vec<u8>> = characters.iter().map(|unit| u8::try_from(*unit).ok()).collect();
            bytes.map(|bytes| body(&bytes))
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use jsg::{decode_base64, encode_base64};

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
