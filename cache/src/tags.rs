//! `Cache-Tag`: names under which responses can be purged together.

use std::collections::HashMap;

use http::{HeaderMap, HeaderName};
use sha2::{Digest, Sha256};

use crate::list::members;

/// The header.
pub const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");

/// Tags of one response; those beyond are an error of whoever stores it.
pub const MAX_TAGS: usize = 1000;

/// Purges that are remembered one by one.
pub const MAX_PURGES: usize = 4096;

/// A tag, whatever its case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(pub u64);

impl Tag {
    /// The tag of this name.
    pub fn named(name: &str) -> Tag {
        let digest = Sha256::digest(name.to_ascii_lowercase());
        Tag(u64::from_be_bytes(std::array::from_fn(|index| digest[index])))
    }
}

/// The tags that a header names, each once.
pub fn read(headers: &HeaderMap) -> Vec<Tag> {
    let mut tags: Vec<_> = members(headers, CACHE_TAG).map(Tag::named).collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}

/// Which tags were purged, and when: entries need not be looked for. What is stored later has a larger number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purged {
    /// All that has a tag and is older is purged: what stands for purges that are not remembered.
    floor: u64,
    at: HashMap<Tag, u64>,
}

/// What a file of purges begins with.
const MAGIC: &[u8; 8] = b"BHpurge1";

impl Purged {
    /// All that has a tag and a smaller number is purged.
    pub fn all_before(number: u64) -> Purged {
        Purged { floor: number, at: HashMap::new() }
    }

    /// All that has this tag and a smaller number than `at` is purged.
    pub fn purge(&mut self, tag: Tag, at: u64) {
        if self.at.len() >= MAX_PURGES && !self.at.contains_key(&tag) {
            // More is lost than was asked for, never less.
            self.floor = at;
            self.at.clear();
        }
        self.at.insert(tag, at);
    }

    /// Whether an entry is purged that has these tags and this number.
    pub fn covers(&self, tags: &[Tag], number: u64) -> bool {
        let is_purged = |tag| self.at.get(tag).is_some_and(|at| number < *at);
        !tags.is_empty() && (number < self.floor || !self.at.is_empty() && tags.iter().any(is_purged))
    }

    /// The content of the file that remembers them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.floor.to_le_bytes());
        for (tag, at) in &self.at {
            bytes.extend(tag.0.to_le_bytes());
            bytes.extend(at.to_le_bytes());
        }
        let sum = crc32fast::hash(&bytes);
        bytes.extend(sum.to_le_bytes());
        bytes
    }

    /// Reads such a file. `None` where it is none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Purged> {
        let (content, sum) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(content) != u32::from_le_bytes(*sum) {
            return None;
        }
        let (floor, rest) = content.strip_prefix(MAGIC)?.split_first_chunk::<8>()?;
        let (pairs, []) = rest.as_chunks::<16>() else { return None };
        if pairs.len() > MAX_PURGES {
            return None;
        }
        let number = |bytes: &[u8]| u64::from_le_bytes(std::array::from_fn(|index| bytes[index]));
        let at = pairs.iter().map(|pair| (Tag(number(&pair[..8])), number(&pair[8..]))).collect();
        Some(Purged { floor: u64::from_le_bytes(*floor), at })
    }
}
