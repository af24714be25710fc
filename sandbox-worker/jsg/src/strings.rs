//! The string types of Web IDL, and cheap ways into V8 strings and out of them.

use v8::simdutf;

/// A `ByteString`: each code unit was at most U+00FF and is one byte here.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ByteString(pub Vec<u8>);

impl std::ops::Deref for ByteString {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// A `DOMString`: the V8 string itself, lone surrogates and all.
#[derive(Debug, Clone, Copy)]
pub struct DomString<'s>(pub v8::Local<'s, v8::String>);

/// A V8 string of this text.
///
/// A text that exceeds V8's limit (about 512 MiB) becomes the empty string.
pub fn string<'s>(scope: &v8::PinScope<'s, '_, ()>, text: &str) -> v8::Local<'s, v8::String> {
    let made = if text.is_ascii() {
        v8::String::new_from_one_byte(scope, text.as_bytes(), v8::NewStringType::Normal)
    } else {
        v8::String::new(scope, text)
    };
    made.unwrap_or_else(|| v8::String::empty(scope))
}

/// A V8 string with one code unit for each byte (isomorphic decode).
pub fn one_byte<'s>(scope: &v8::PinScope<'s, '_, ()>, bytes: &[u8]) -> v8::Local<'s, v8::String> {
    v8::String::new_from_one_byte(scope, bytes, v8::NewStringType::Normal).unwrap_or_else(|| v8::String::empty(scope))
}

/// Isomorphic decode into a Rust string.
pub fn latin1_to_string(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// The characters of a string, as V8 keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Characters<'a> {
    /// All are at most U+00FF.
    Latin1(&'a [u8]),
    /// UTF-16, with lone surrogates where the string has some.
    Utf16(&'a [u16]),
}

/// Lends the characters of a string, where they are.
pub fn lend<R>(
    scope: &mut v8::PinScope<'_, '_>,
    text: v8::Local<'_, v8::String>,
    body: impl FnOnce(Characters<'_>) -> R,
) -> R {
    // `body` has no way to V8: the scope is borrowed here for as long as the view lives. So nothing moves the characters.
    let view = v8::ValueView::new(scope, text);
    match view.data() {
        v8::ValueViewData::OneByte(characters) => body(Characters::Latin1(characters)),
        v8::ValueViewData::TwoByte(characters) => body(Characters::Utf16(characters)),
    }
}

/// The UTF-8 form of a string; lone surrogates become U+FFFD.
pub fn utf8(scope: &mut v8::PinScope<'_, '_>, text: v8::Local<'_, v8::String>) -> Vec<u8> {
    let encoded = lend(scope, text, |characters| match characters {
        Characters::Latin1(characters) if characters.is_ascii() => Some(characters.to_vec()),
        Characters::Latin1(characters) => {
            let mut bytes = vec![0; simdutf::utf8_length_from_latin1(characters)];
            // SAFETY: the length is what these characters need.
            let written = unsafe { simdutf::convert_latin1_to_utf8(characters, &mut bytes) };
            bytes.truncate(written);
            Some(bytes)
        }
        Characters::Utf16(characters) if simdutf::validate_utf16le(characters) => {
            let mut bytes = vec![0; simdutf::utf8_length_from_utf16le(characters)];
            // SAFETY: the length is what these characters, which are valid, need.
            let written = unsafe { simdutf::convert_utf16le_to_utf8(characters, &mut bytes) };
            bytes.truncate(written);
            Some(bytes)
        }
        Characters::Utf16(_) => None,
    });
    encoded.unwrap_or_else(|| {
        // There are lone surrogates.
        let mut bytes = vec![0; text.utf8_length(scope)];
        let written = text.write_utf8_v2(scope, &mut bytes, v8::WriteFlags::kReplaceInvalidUtf8, None);
        bytes.truncate(written);
        bytes
    })
}
