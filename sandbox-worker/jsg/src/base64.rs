//! Base64, with the library that V8 has for it.

use v8::simdutf::{self, Base64Options, LastChunkHandling};

/// The Base64 form of bytes, padded.
pub fn encode_base64(bytes: &[u8]) -> Vec<u8> {
    let mut text = vec![0; simdutf::base64_length_from_binary(bytes.len(), Base64Options::Default)];
    // SAFETY: the length is what these bytes need.
    let written = unsafe { simdutf::binary_to_base64(bytes, &mut text, Base64Options::Default) };
    text.truncate(written);
    text
}

/// Infra Standard, "forgiving-base64 decode".
pub fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = vec![0; simdutf::maximal_binary_length_from_base64(text)];
    // SAFETY: there is room for as much as this text can give.
    let result =
        unsafe { simdutf::base64_to_binary(text, &mut bytes, Base64Options::Default, LastChunkHandling::Loose) };
    bytes.truncate(result.count);
    result.is_ok().then_some(bytes)
}
