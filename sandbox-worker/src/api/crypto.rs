//! `crypto` (Web Cryptography): randomness, digests and the reference's own additions.
//!
//! Keys do not exist yet: the methods of `SubtleCrypto` that need them reject with a `NotSupportedError`.

use std::cell::{Cell, RefCell};

use jsg::{BufferSource, Error, FromJs, JsRef, Place, Result};
use sha2::Digest as _;

use crate::{io::IoContext, isolate::script};

/// Fills a buffer from the kernel's generator: getrandom(2) and nothing else, for there is no `/dev` in a sandbox.
pub(crate) fn random(bytes: &mut [u8]) -> Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Error::error(format!("The kernel gave no random bytes: {error}."))),
        }
    }
    Ok(())
}

/// A version 4 UUID made of these bytes (RFC 9562, section 5.4).
fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut out = String::with_capacity(36);
    for (index, byte) in bytes.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        for digit in [byte >> 4, byte & 15] {
            out.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
    }
    out
}

/// The most bytes that one call of `getRandomValues` gives.
const QUOTA: usize = 65_536;

/// `Crypto`.
#[derive(jsg::Trace, Default)]
pub(super) struct Crypto {
    subtle: RefCell<Option<JsRef<v8::Object>>>,
}

#[jsg::class]
impl Crypto {
    #[getter]
    fn subtle<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Object>> {
        if let Some(subtle) = &*self.subtle.borrow() {
            return Ok(subtle.get(scope));
        }
        let subtle = jsg::instantiate(scope, SubtleCrypto)?;
        *self.subtle.borrow_mut() = Some(JsRef::new(scope, subtle));
        Ok(subtle)
    }

    #[method]
    fn get_random_values<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        view: v8::Local<'s, v8::ArrayBufferView>,
    ) -> Result<v8::Local<'s, v8::ArrayBufferView>> {
        let value: v8::Local<'_, v8::Value> = view.into();
        let integers = value.is_typed_array()
            && !value.is_float32_array()
            && !value.is_float64_array()
            && !value.is_float16_array();
        if !integers {
            return Err(Error::dom(
                "TypeMismatchError",
                "ArrayBufferView argument to getRandomValues() must be an integer-typed view.",
            ));
        }
        let length = view.byte_length();
        if length > QUOTA {
            return Err(Error::dom(
                "QuotaExceededError",
                format!("getRandomValues() only accepts buffers of size <= 64K but provided {length} bytes."),
            ));
        }
        IoContext::require(scope)?;
        let mut bytes = vec![0; length];
        random(&mut bytes)?;
        BufferSource(value).write(&bytes);
        Ok(view)
    }

    #[method(name = "randomUUID")]
    fn random_uuid(&self, scope: &mut v8::PinScope<'_, '_>) -> Result<String> {
        IoContext::require(scope)?;
        let mut bytes = [0; 16];
        random(&mut bytes)?;
        Ok(uuid(bytes))
    }

    #[getter(name = "DigestStream")]
    fn digest_stream<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> v8::Local<'s, v8::Value> {
        script::function(scope, |script| &script.digest_stream).into()
    }
}

/// The hash functions of `digest`.
#[derive(Debug, Clone)]
enum Hasher {
    Md5(md5::Md5),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
    Sha384(sha2::Sha384),
    Sha512(sha2::Sha512),
}

impl Hasher {
    /// By name, in any case.
    fn new(name: &str) -> Result<Self> {
        Ok(match name.to_ascii_uppercase().as_str() {
            "MD5" => Hasher::Md5(md5::Md5::new()),
            "SHA-1" => Hasher::Sha1(sha1::Sha1::new()),
            "SHA-256" => Hasher::Sha256(sha2::Sha256::new()),
            "SHA-384" => Hasher::Sha384(sha2::Sha384::new()),
            "SHA-512" => Hasher::Sha512(sha2::Sha512::new()),
            _ => {
                return Err(Error::dom(
                    "NotSupportedError",
                    "Unrecognized or unimplemented digest algorithm requested.",
                ));
            }
        })
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Md5(hasher) => hasher.update(bytes),
            Hasher::Sha1(hasher) => hasher.update(bytes),
            Hasher::Sha256(hasher) => hasher.update(bytes),
            Hasher::Sha384(hasher) => hasher.update(bytes),
            Hasher::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// As [`Self::update`], for what a script gives: of any length.
    fn update_all(&mut self, scope: &mut v8::PinScope<'_, '_>, bytes: &[u8]) -> Result<()> {
        for piece in bytes.chunks(jsg::STRIDE) {
            jsg::check(scope)?;
            self.update(piece);
        }
        Ok(())
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Hasher::Md5(hasher) => hasher.finalize().to_vec(),
            Hasher::Sha1(hasher) => hasher.finalize().to_vec(),
            Hasher::Sha256(hasher) => hasher.finalize().to_vec(),
            Hasher::Sha384(hasher) => hasher.finalize().to_vec(),
            Hasher::Sha512(hasher) => hasher.finalize().to_vec(),
        }
    }
}

/// An algorithm given as text or as an object with a `name`.
struct HashAlgorithm(String);

impl<'s> FromJs<'s> for HashAlgorithm {
    fn expected() -> std::borrow::Cow<'static, str> {
        "string or HashAlgorithm".into()
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
        let Ok(object) = v8::Local::<v8::Object>::try_from(value) else {
            return String::from_js(scope, value, place).map(HashAlgorithm);
        };
        let key = jsg::string(scope, "name");
        let name = object.get(scope, key.into()).ok_or(Error::Pending)?;
        String::from_js(scope, name, Place::Member("HashAlgorithm", "name")).map(HashAlgorithm)
    }
}

/// `SubtleCrypto`.
#[derive(jsg::Trace, Debug)]
pub(super) struct SubtleCrypto;

fn not_supported_yet(method: &str) -> Error {
    Error::dom("NotSupportedError", format!("crypto.subtle.{method}() is not supported yet."))
}

#[jsg::class]
impl SubtleCrypto {
    #[method(promise)]
    fn encrypt(&self) -> Result<()> {
        Err(not_supported_yet("encrypt"))
    }

    #[method(promise)]
    fn decrypt(&self) -> Result<()> {
        Err(not_supported_yet("decrypt"))
    }

    #[method(promise)]
    fn sign(&self) -> Result<()> {
        Err(not_supported_yet("sign"))
    }

    #[method(promise)]
    fn verify(&self) -> Result<()> {
        Err(not_supported_yet("verify"))
    }

    #[method(promise)]
    fn digest<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        algorithm: HashAlgorithm,
        data: BufferSource<'s>,
    ) -> Result<v8::Local<'s, v8::Promise>> {
        let mut hasher = Hasher::new(&algorithm.0)?;
        data.lend(|bytes| hasher.update_all(scope, bytes))?;
        jsg::resolved(scope, jsg::ArrayBufferBytes(hasher.finish()))
    }

    #[method(promise)]
    fn generate_key(&self) -> Result<()> {
        Err(not_supported_yet("generateKey"))
    }

    #[method(promise)]
    fn derive_key(&self) -> Result<()> {
        Err(not_supported_yet("deriveKey"))
    }

    #[method(promise)]
    fn derive_bits(&self) -> Result<()> {
        Err(not_supported_yet("deriveBits"))
    }

    #[method(promise)]
    fn import_key(&self) -> Result<()> {
        Err(not_supported_yet("importKey"))
    }

    #[method(promise)]
    fn export_key(&self) -> Result<()> {
        Err(not_supported_yet("exportKey"))
    }

    #[method(promise)]
    fn wrap_key(&self) -> Result<()> {
        Err(not_supported_yet("wrapKey"))
    }

    #[method(promise)]
    fn unwrap_key(&self) -> Result<()> {
        Err(not_supported_yet("unwrapKey"))
    }

    #[method]
    fn timing_safe_equal(&self, left: BufferSource<'_>, right: BufferSource<'_>) -> Result<bool> {
        if left.byte_length() != right.byte_length() {
            return Err(Error::type_error("Input buffers must have the same byte length."));
        }
        Ok(left.lend(|left| right.lend(|right| equal(left, right))))
    }
}

/// Compares in a time that depends on the length only.
fn equal(left: &[u8], right: &[u8]) -> bool {
    let difference =
        left.iter().zip(right).fold(0, |difference, (left, right)| std::hint::black_box(difference | (left ^ right)));
    left.len() == right.len() && std::hint::black_box(difference) == 0
}

/// The native half of a `DigestStream`, and of the hashes of `node:crypto`.
#[derive(jsg::Trace)]
pub(super) struct DigestState {
    /// Boxed: wrapped objects have the alignment of a pointer, hash states may want more.
    #[trace(skip)]
    hasher: RefCell<Option<Box<Hasher>>>,
    written: Cell<f64>,
}

#[jsg::class]
impl DigestState {
    #[constructor]
    fn new(algorithm: String) -> Result<Self> {
        Ok(DigestState { hasher: RefCell::new(Some(Box::new(Hasher::new(&algorithm)?))), written: Cell::new(0.0) })
    }

    #[method]
    fn update<'s>(&self, scope: &mut v8::PinScope<'s, '_>, chunk: v8::Local<'s, v8::Value>) -> Result<()> {
        let mut hasher = self.hasher.borrow_mut();
        let Some(hasher) = &mut *hasher else { return Ok(()) };
        let length = if let Ok(text) = v8::Local::<v8::String>::try_from(chunk) {
            let text = text.to_rust_string_lossy(scope);
            hasher.update_all(scope, text.as_bytes())?;
            text.len()
        } else if BufferSource::matches(scope, chunk) {
            BufferSource(chunk).lend(|bytes| hasher.update_all(scope, bytes).map(|()| bytes.len()))?
        } else {
            return Err(Error::type_error(
                "DigestStream is a byte stream but received an object of non-ArrayBuffer/ArrayBufferView/string type on \
                 its writable side.",
            ));
        };
        self.written.set(self.written.get() + length as f64);
        Ok(())
    }

    #[method]
    fn finish(&self) -> Option<jsg::ArrayBufferBytes> {
        self.hasher.take().map(|hasher| jsg::ArrayBufferBytes(hasher.finish()))
    }

    /// Another one, which goes on from here.
    #[method]
    fn copy<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Object>> {
        let hasher = self.hasher.borrow().clone();
        jsg::instantiate(scope, DigestState { hasher: RefCell::new(hasher), written: self.written.clone() })
    }

    #[getter]
    fn bytes_written(&self) -> f64 {
        self.written.get()
    }
}

/// The conversion that the script half of a `DigestStream` asks for; copied to `internal`.
#[derive(jsg::Trace, Debug)]
pub(super) struct DigestHelper;

#[jsg::class(name = "DigestStream")]
impl DigestHelper {
    /// The algorithm's name, out of the constructor's argument.
    #[static_method]
    fn algorithm_name<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        given: bool,
        algorithm: v8::Local<'s, v8::Value>,
    ) -> Result<String> {
        let place = Place::Constructor("DigestStream", 0);
        if !given {
            return Err(place.mismatch(&HashAlgorithm::expected()));
        }
        HashAlgorithm::from_js(scope, algorithm, place).map(|algorithm| algorithm.0)
    }
}

/// Moves accessors: see `api::move_accessors_to_objects`.
pub(super) fn move_accessors_to_objects(scope: &mut v8::PinScope<'_, '_>) {
    jsg::Registry::move_to_objects(scope, <Crypto as jsg::Class>::info(), &["subtle"]);
}

#[cfg(test)]
mod tests {
    use super::{Hasher, equal, random, uuid};

    fn hex(name: &str, pieces: &[&str]) -> String {
        let mut hasher = Hasher::new(name).expect("the algorithm is known");
        pieces.iter().for_each(|piece| hasher.update(piece.as_bytes()));
        hasher.finish().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn known_digests() {
        assert_eq!(hex("md5", &["a", "bc"]), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(hex("sha-1", &["abc"]), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(hex("SHA-256", &["ab", "c"]), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(
            hex("Sha-384", &["abc"]),
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"
        );
        assert_eq!(
            hex("SHA-512", &[]),
            "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
        );
        assert!(Hasher::new("SHA-224").is_err());
        assert!(Hasher::new("SHA256").is_err());
    }

    #[test]
    fn uuids() {
        assert_eq!(uuid([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uuid([0; 16]), "00000000-0000-4000-8000-000000000000");
    }

    #[test]
    fn randomness_fills_everything() {
        // With 2 kB a byte that stays 0 in all of 8 tries would be a miracle.
        let mut seen = vec![0_u8; 2048];
        for _ in 0..8 {
            let mut bytes = vec![0; 2048];
            random(&mut bytes).expect("the kernel gives random bytes");
            seen.iter_mut().zip(bytes).for_each(|(seen, byte)| *seen |= byte);
        }
        assert!(seen.iter().all(|byte| *byte != 0));
    }

    #[test]
    fn comparing() {
        assert!(equal(b"abc", b"abc"));
        assert!(!equal(b"abc", b"abd"));
        assert!(!equal(b"abc", b"ab"));
        assert!(equal(b"", b""));
    }
}
