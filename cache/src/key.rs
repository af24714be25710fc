//! What an entry is found by, and what its file is called.

use sha2::{Digest, Sha256};

/// A URL in one of a worker's caches. Different ones have different keys: they are cut from SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub [u8; 16]);

impl Key {
    /// The key of a URL in the cache of this name; `None` is the default one.
    pub fn of(cache: Option<&[u8]>, url: &str) -> Key {
        let mut hasher = Sha256::new();
        hasher.update([u8::from(cache.is_some())]);
        let cache = cache.unwrap_or_default();
        hasher.update((cache.len() as u64).to_le_bytes());
        hasher.update(cache);
        hasher.update(url);
        let digest = hasher.finalize();
        Key(std::array::from_fn(|index| digest[index]))
    }
}

/// What the file of an entry is called: its key, which of the key's responses it is ([`crate::vary::Selection::digest`]), and a number that is larger
/// than those of all that were stored before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// Where it belongs.
    pub key: Key,
    /// Which of the responses there.
    pub variant: u64,
    /// When it came.
    pub number: u64,
}

/// Characters of a file's name.
const LENGTH: usize = 64;

impl Name {
    /// The name of the file.
    pub fn to_text(self) -> String {
        format!("{:032x}{:016x}{:016x}", u128::from_be_bytes(self.key.0), self.variant, self.number)
    }

    /// The same read back. `None` for what is no such name.
    pub fn from_text(text: &[u8]) -> Option<Name> {
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != LENGTH || !text.iter().all(is_digit) {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        let key = u128::from_str_radix(&text[..32], 16).ok()?;
        let variant = u64::from_str_radix(&text[32..48], 16).ok()?;
        let number = u64::from_str_radix(&text[48..], 16).ok()?;
        Some(Name { key: Key(key.to_be_bytes()), variant, number })
    }
}

/// What a worker's directory is called: names of services may have any characters.
pub fn directory_of(worker: &str) -> String {
    let digest = Sha256::digest(worker);
    let digest: [u8; 16] = std::array::from_fn(|index| digest[index]);
    format!("{:032x}", u128::from_be_bytes(digest))
}
