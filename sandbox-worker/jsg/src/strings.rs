//! The string types of Web IDL, and cheap ways into V8 strings.

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
