//! `TextEncoder` and `TextDecoder` (Encoding Standard, section 7).

use std::cell::RefCell;

use bulkhead_ipc::compatibility::Flag;
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16LE};
use jsg::{BufferSource, DomString, Error, Place, Result, ToJs as _};

use super::idl::StringHandle;
use crate::isolate::{flags, script};

const REPLACE_SURROGATES: Flag = Flag::named("text_decoder_replace_surrogates");

/// Longest text whose bytes V8 has in its heap where script makes the array, in code units: V8's own limit, in bytes.
const MAX_SHORT: usize = 64;

/// `TextEncoder`.
#[derive(jsg::Trace, Debug)]
pub(super) struct TextEncoder;

/// What `encodeInto` gives.
struct EncodeIntoResult {
    /// UTF-16 code units taken from the source.
    read: u32,
    /// Bytes put into the destination.
    written: u32,
}

impl<'s> jsg::ToJs<'s> for EncodeIntoResult {
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        let [read, written] =
            [self.read, self.written].map(|count| v8::Integer::new_from_unsigned(scope, count).into());
        script::call(scope, |script| &script.encode_into_result, &[read, written])
    }
}

#[jsg::class]
impl TextEncoder {
    #[constructor]
    fn new() -> Self {
        TextEncoder
    }

    #[method]
    fn encode<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        input: Option<StringHandle<'s>>,
    ) -> Result<v8::Local<'s, v8::Value>> {
        let Some(StringHandle(text)) = input else { return jsg::Uint8ArrayBytes(Vec::new()).to_js(scope) };
        if text.length() <= MAX_SHORT {
            let bytes = script::call(scope, |script| &script.encode_ascii, &[text.into()])?;
            if !bytes.is_undefined() {
                return Ok(bytes);
            }
        }
        jsg::Uint8ArrayBytes(jsg::utf8(scope, text)).to_js(scope)
    }

    #[method]
    fn encode_into(
        &self,
        scope: &mut v8::PinScope<'_, '_>,
        source: StringHandle<'_>,
        destination: v8::Local<'_, v8::Uint8Array>,
    ) -> EncodeIntoResult {
        let length = destination.byte_length();
        let offset = destination.byte_offset();
        let buffer = if length == 0 { None } else { destination.buffer(scope) };
        let Some(data) = buffer.and_then(|buffer| buffer.data()) else {
            return EncodeIntoResult { read: 0, written: 0 };
        };
        // SAFETY: the view says that it covers `length` bytes from `offset` of its buffer, which `buffer` keeps alive, and
        // in place. Nothing else reads or writes it meanwhile: this process runs script on one thread, and writing a string
        // runs none.
        let bytes = unsafe { std::slice::from_raw_parts_mut(data.cast::<u8>().as_ptr().add(offset), length) };
        let mut read = 0;
        let written = source.0.write_utf8_v2(scope, bytes, v8::WriteFlags::kReplaceInvalidUtf8, Some(&mut read));
        // A V8 string has fewer than 2^32 code units, and no more than three bytes for each.
        EncodeIntoResult { read: read as u32, written: written as u32 }
    }

    #[getter]
    fn encoding(&self) -> &'static str {
        "utf-8"
    }
}

#[derive(jsg::Dict)]
#[jsg(name = "ConstructorOptions")]
struct TextDecoderOptions {
    fatal: Option<bool>,
    #[jsg(name = "ignoreBOM")]
    ignore_bom: Option<bool>,
}

#[derive(jsg::Dict)]
#[jsg(name = "DecodeOptions")]
struct DecodeOptions {
    stream: Option<bool>,
}

/// `TextDecoder`.
#[derive(jsg::Trace)]
pub(super) struct TextDecoder {
    #[trace(skip)]
    encoding: &'static Encoding,
    fatal: bool,
    ignore_bom: bool,
    /// What a call with `stream: true` left behind.
    #[trace(skip)]
    decoder: RefCell<Option<Decoder>>,
    /// What UTF-16 was decoded by before `text_decoder_replace_surrogates`.
    #[trace(skip)]
    lenient: Option<RefCell<LenientUtf16>>,
}

/// UTF-16LE whose lone surrogates stay what they are.
#[derive(Debug, Default)]
struct LenientUtf16 {
    /// The bytes that a call with `stream: true` left: less than a unit, or a high surrogate, or both.
    left: Vec<u8>,
    /// Whether something has been decoded: a byte order mark can only be the first unit.
    begun: bool,
}

impl LenientUtf16 {
    /// `None` is an error in fatal mode.
    fn decode(&mut self, bytes: &[u8], stream: bool, fatal: bool, ignore_bom: bool) -> Option<Vec<u16>> {
        let mut all = std::mem::take(&mut self.left);
        all.extend_from_slice(bytes);
        let whole = all.len() / 2 * 2;
        let mut units: Vec<u16> =
            all[..whole].chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
        let ends_high = units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit));
        if stream {
            let kept = if ends_high { whole - 2 } else { whole };
            units.truncate(kept / 2);
            self.left = all[kept..].to_vec();
        } else {
            // A high surrogate that waited for its other half in vain is an error; one that comes last is not.
            let in_vain = ends_high && bytes.is_empty();
            if in_vain || whole < all.len() {
                if fatal {
                    self.begun = false;
                    return None;
                }
                if in_vain {
                    units.pop();
                }
                units.push(0xfffd);
            }
        }
        if !self.begun && !ignore_bom && units.first() == Some(&0xfeff) {
            units.remove(0);
            self.begun = true;
        }
        self.begun = stream && (self.begun || !units.is_empty());
        Some(units)
    }
}

/// What the decoder makes of bytes.
#[derive(Debug, PartialEq, Eq)]
enum Decoded<'a> {
    /// UTF-8 without a byte order mark, perhaps with errors, which V8 replaces by the same rules.
    Utf8(&'a [u8]),
    Text(String),
    Units(Vec<u16>),
}

impl TextDecoder {
    fn with_label(label: &str, fatal: bool, ignore_bom: bool, lenient: bool) -> Result<Self> {
        // `for_label_no_replacement` leaves out the one encoding that the constructor must refuse.
        let encoding = Encoding::for_label_no_replacement(label.as_bytes())
            .ok_or_else(|| Error::range_error(format!("\"{label}\" is not a valid encoding.")))?;
        let lenient = (lenient && encoding == UTF_16LE).then(RefCell::default);
        Ok(TextDecoder { encoding, fatal, ignore_bom, decoder: RefCell::new(None), lenient })
    }

    /// `decode`, on bytes. `None` is an error in fatal mode.
    fn decode_bytes<'a>(&self, bytes: &'a [u8], stream: bool) -> Option<Decoded<'a>> {
        if let Some(lenient) = &self.lenient {
            return lenient.borrow_mut().decode(bytes, stream, self.fatal, self.ignore_bom).map(Decoded::Units);
        }
        let mut slot = self.decoder.borrow_mut();
        if slot.is_none() && !stream && self.encoding == UTF_8 {
            let bytes = if self.ignore_bom { bytes } else { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes) };
            if self.fatal && std::str::from_utf8(bytes).is_err() {
                return None;
            }
            return Some(Decoded::Utf8(bytes));
        }
        let mut decoder = slot.take().unwrap_or_else(|| {
            if self.ignore_bom {
                self.encoding.new_decoder_without_bom_handling()
            } else {
                self.encoding.new_decoder_with_bom_removal()
            }
        });
        let mut text = String::new();
        let mut rest = bytes;
        loop {
            let (piece, behind) = rest.split_at(rest.len().min(jsg::STRIDE));
            let last = behind.is_empty() && !stream;
            if self.fatal {
                text.reserve(decoder.max_utf8_buffer_length_without_replacement(piece.len())?);
                let (result, _) = decoder.decode_to_string_without_replacement(piece, &mut text, last);
                if result != DecoderResult::InputEmpty {
                    return None;
                }
            } else {
                text.reserve(decoder.max_utf8_buffer_length(piece.len())?);
                let (result, ..) = decoder.decode_to_string(piece, &mut text, last);
                debug_assert_eq!(result, encoding_rs::CoderResult::InputEmpty, "there is room for the worst case");
            }
            rest = behind;
            if rest.is_empty() || jsg::is_interrupted() {
                break;
            }
        }
        if stream {
            *slot = Some(decoder);
        }
        Some(Decoded::Text(text))
    }

    fn decode_value<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        input: Option<BufferSource<'s>>,
        stream: bool,
    ) -> Result<v8::Local<'s, v8::String>> {
        let failed = || Error::type_error("Failed to decode input.");
        with_bytes(input, |bytes| {
            let decoded = self.decode_bytes(bytes, stream);
            jsg::check(scope)?;
            match decoded.ok_or_else(failed)? {
                Decoded::Utf8(bytes) if bytes.is_ascii() => {
                    v8::String::new_from_one_byte(scope, bytes, v8::NewStringType::Normal)
                }
                Decoded::Utf8(bytes) => v8::String::new_from_utf8(scope, bytes, v8::NewStringType::Normal),
                Decoded::Text(text) => v8::String::new(scope, &text),
                Decoded::Units(units) => v8::String::new_from_two_byte(scope, &units, v8::NewStringType::Normal),
            }
            .ok_or_else(|| Error::range_error("Invalid string length"))
        })
    }
}

/// Lends the bytes of a buffer source, where they are.
fn with_bytes<R>(source: Option<BufferSource<'_>>, body: impl FnOnce(&[u8]) -> R) -> R {
    match source {
        Some(source) => source.lend(body),
        None => body(&[]),
    }
}

/// A buffer source in the place where the reference's exception says `Array`.
struct Bytes<'s>(BufferSource<'s>);

impl<'s> jsg::FromJs<'s> for Bytes<'s> {
    fn expected() -> std::borrow::Cow<'static, str> {
        "Array".into()
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
        match BufferSource::from_js(scope, value, place) {
            Ok(source) => Ok(Bytes(source)),
            Err(_) => Err(place.mismatch(&Self::expected())),
        }
    }
}

#[jsg::class]
impl TextDecoder {
    #[constructor]
    fn new(
        scope: &mut v8::PinScope<'_, '_>,
        label: Option<String>,
        options: Option<TextDecoderOptions>,
    ) -> Result<Self> {
        let (fatal, ignore_bom) = options.map_or((None, None), |options| (options.fatal, options.ignore_bom));
        let lenient = !flags::is_on(scope, REPLACE_SURROGATES);
        let label = label.as_deref().unwrap_or("utf-8");
        Self::with_label(label, fatal.unwrap_or(false), ignore_bom.unwrap_or(false), lenient)
    }

    #[method]
    fn decode<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        input: Option<Bytes<'s>>,
        options: Option<DecodeOptions>,
    ) -> Result<v8::Local<'s, v8::String>> {
        let stream = options.and_then(|options| options.stream).unwrap_or(false);
        self.decode_value(scope, input.map(|input| input.0), stream)
    }

    #[getter]
    fn encoding(&self) -> String {
        self.encoding.name().to_ascii_lowercase()
    }

    #[getter]
    fn fatal(&self) -> bool {
        self.fatal
    }

    #[getter(name = "ignoreBOM")]
    fn ignore_bom(&self) -> bool {
        self.ignore_bom
    }
}
/// What the built-in scripts need.
#[derive(jsg::Trace, Debug)]
pub(super) struct Internal;

#[jsg::class(name = "internal")]
impl Internal {
    /// The UTF-8 bytes of a string.
    #[static_method]
    fn encode_utf8(scope: &mut v8::PinScope<'_, '_>, text: DomString<'_>) -> jsg::Uint8ArrayBytes {
        jsg::Uint8ArrayBytes(jsg::utf8(scope, text.0))
    }

    /// Encoding Standard, "UTF-8 decode": errors are replaced, a byte order mark is dropped.
    #[static_method]
    fn decode_utf8<'s>(scope: &mut v8::PinScope<'s, '_>, bytes: BufferSource<'s>) -> Result<v8::Local<'s, v8::String>> {
        TextDecoder::with_label("utf-8", false, false, false)?.decode_value(scope, Some(bytes), false)
    }
}

/// Moves accessors: see `api::move_accessors_to_objects`.
pub(super) fn move_accessors_to_objects(scope: &mut v8::PinScope<'_, '_>) {
    jsg::Registry::move_to_objects(scope, <TextEncoder as jsg::Class>::info(), &["encoding"]);
    jsg::Registry::move_to_objects(scope, <TextDecoder as jsg::Class>::info(), &["encoding", "fatal", "ignoreBOM"]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Decoded, TextDecoder};

    proptest! {
        /// However a text is cut into pieces, streaming gives the same.
        #[test]
        fn streaming(bytes in proptest::collection::vec(any::<u8>(), 0..40), cut in 0_usize..40, which in 0_usize..6) {
            let label = ["utf-8", "utf-16le", "gb18030", "shift_jis", "iso-2022-jp", "windows-1252"][which];
            let text = |decoded: Option<Decoded<'_>>| match decoded {
                Some(Decoded::Utf8(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
                Some(Decoded::Text(text)) => text,
                Some(Decoded::Units(units)) => String::from_utf16_lossy(&units),
                None => panic!("errors are replaced"),
            };
            let decoder = TextDecoder::with_label(label, false, false, false).expect("the label is known");
            let whole = text(decoder.decode_bytes(&bytes, false));
            let (left, right) = bytes.split_at(cut.min(bytes.len()));
            let mut parts = text(decoder.decode_bytes(left, true));
            parts += &text(decoder.decode_bytes(right, false));
            prop_assert_eq!(parts, whole);
        }
    }

    #[test]
    fn fatal_errors_reset() {
        let decoder = TextDecoder::with_label("utf-8", true, false, false).expect("the label is known");
        assert_eq!(decoder.decode_bytes(b"\xe2\x82", true), Some(Decoded::Text(String::new())));
        assert_eq!(decoder.decode_bytes(b"", false), None);
        assert_eq!(decoder.decode_bytes(b"a", false), Some(Decoded::Utf8(b"a")));
        assert_eq!(decoder.decode_bytes(b"\xff", false), None);
    }
}
