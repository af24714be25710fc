//! The files of a cache: one a response, which is either whole and as it was written, or nothing.
//!
//! ```text
//! magic  8 │ length of the head  4 │ sum of the head  4 │ head │ body │ length of the body  8 │ sum of the body  4 │ magic  4
//! ```
//!
//! Numbers are little-endian, sums are CRC-32. They tell what broke by itself; who writes to the directory can write whole files.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::{
    key::Key,
    serialized::{MAX_HEAD, MAX_HEADERS},
    storing::Stored,
    tags,
    vary::{MAX_BYTES, MAX_FIELDS, Selection},
};

const MAGIC: &[u8; 8] = b"BHcache1";
const END: &[u8; 4] = b"BHce";

/// Bytes before the head.
pub const PRELUDE: usize = 16;

/// Bytes after the body.
pub const TRAILER: usize = 16;

/// The longest URL of which responses are stored, in bytes.
pub const MAX_URL: usize = 64 << 10;

/// The longest name of a cache, in bytes.
pub const MAX_CACHE_NAME: usize = 4 << 10;

/// The longest head of a file, in bytes: that of a response, with what is added to it, and what it was asked by.
pub const MAX_META: usize = MAX_HEAD + MAX_URL + MAX_CACHE_NAME + MAX_BYTES + (MAX_HEADERS + MAX_FIELDS + 16) * 8;

/// A response without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Its status.
    pub status: StatusCode,
    /// Its reason phrase, where it has another than its status has.
    pub reason: Option<Bytes>,
    /// Its headers, as far as they are stored.
    pub headers: HeaderMap,
    /// What else is known of it.
    pub stored: Stored,
}

impl Response {
    /// About how much memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 48).sum::<usize>();
        headers
            + self.stored.selection.bytes()
            + self.stored.tags.len() * 8
            + self.reason.as_ref().map_or(0, Bytes::len)
    }
}

/// The beginning of the file of a response that was asked for by `url` in the cache of this name: all before its body.
pub fn beginning(cache: Option<&[u8]>, url: &str, response: &Response) -> Vec<u8> {
    let mut file = Vec::with_capacity(PRELUDE + response.bytes() + url.len() + 64);
    file.extend(MAGIC);
    file.extend([0; 8]);
    let to = &mut file;
    to.push(u8::from(cache.is_some()));
    put(to, cache.unwrap_or_default());
    put(to, url.as_bytes());
    to.extend(response.status.as_u16().to_le_bytes());
    to.push(u8::from(response.reason.is_some()));
    put(to, response.reason.as_deref().unwrap_or_default());
    for number in [response.stored.received, response.stored.initial_age, response.stored.lifetime] {
        to.extend(number.to_le_bytes());
    }
    let fields = response.stored.selection.fields();
    to.extend((fields.len() as u32).to_le_bytes());
    for (name, value) in fields {
        put(to, name.as_str().as_bytes());
        to.push(u8::from(value.is_some()));
        put(to, value.unwrap_or_default());
    }
    to.extend((response.headers.len() as u32).to_le_bytes());
    for (name, value) in &response.headers {
        put(to, name.as_str().as_bytes());
        put(to, value.as_bytes());
    }
    let length = (file.len() - PRELUDE) as u32;
    let sum = crc32fast::hash(&file[PRELUDE..]);
    file[8..12].copy_from_slice(&length.to_le_bytes());
    file[12..16].copy_from_slice(&sum.to_le_bytes());
    file
}

fn put(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend((bytes.len() as u32).to_le_bytes());
    to.extend_from_slice(bytes);
}

/// The sum of a body, as it comes.
#[derive(Debug, Clone, Default)]
pub struct BodySum {
    length: u64,
    hasher: crc32fast::Hasher,
}

impl BodySum {
    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.hasher.update(bytes);
    }

    /// How many there were.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// What ends the file of this body.
    pub fn trailer(&self) -> [u8; TRAILER] {
        let mut trailer = [0; TRAILER];
        trailer[..8].copy_from_slice(&self.length.to_le_bytes());
        trailer[8..12].copy_from_slice(&self.hasher.clone().finalize().to_le_bytes());
        trailer[12..].copy_from_slice(END);
        trailer
    }
}

/// How long the head of a file is, by what it begins with, and where its body is. `length` is the file's.
pub fn layout(prelude: &[u8; PRELUDE], length: u64) -> Option<Layout> {
    let (magic, rest) = prelude.split_first_chunk::<8>()?;
    let (head, sum) = rest.split_first_chunk::<4>()?;
    let head = u32::from_le_bytes(*head) as usize;
    if magic != MAGIC || head > MAX_META {
        return None;
    }
    let body = length.checked_sub((PRELUDE + head + TRAILER) as u64)?;
    let sum = u32::from_le_bytes(sum.try_into().ok()?);
    Some(Layout { head, sum, body_at: (PRELUDE + head) as u64, body })
}

/// Where things are in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Bytes of the head, which begins after the prelude.
    pub head: usize,
    sum: u32,
    /// Where the body begins.
    pub body_at: u64,
    /// How long it is.
    pub body: u64,
}

/// Reads the head of a file. `None` where it is not as it was written, or belongs to another key.
pub fn read_head(head: &[u8], layout: &Layout, key: Key) -> Option<Response> {
    if head.len() != layout.head || crc32fast::hash(head) != layout.sum {
        return None;
    }
    let mut from = Reader(head);
    let cache = from.flag()?;
    let name = from.bytes(MAX_CACHE_NAME)?;
    let url = std::str::from_utf8(from.bytes(MAX_URL)?).ok()?;
    if Key::of(cache.then_some(name), url) != key {
        return None;
    }
    let status = StatusCode::from_u16(u16::from_le_bytes(from.array()?)).ok()?;
    let has_reason = from.flag()?;
    let reason = from.bytes(MAX_HEAD)?;
    let reason = has_reason.then(|| Bytes::copy_from_slice(reason));
    let (received, initial_age, lifetime) = (from.long()?, from.long()?, from.long()?);
    let count = from.count(MAX_FIELDS)?;
    let mut fields = Vec::with_capacity(count);
    for _ in 0..count {
        let name = HeaderName::from_bytes(from.bytes(MAX_BYTES)?).ok()?;
        let is_there = from.flag()?;
        let value = from.bytes(MAX_BYTES)?;
        fields.push((name, is_there.then(|| value.into())));
    }
    // One is added to those that came.
    let count = from.count(MAX_HEADERS + 1)?;
    let mut headers = HeaderMap::with_capacity(count);
    for _ in 0..count {
        let name = HeaderName::from_bytes(from.bytes(MAX_HEAD)?).ok()?;
        headers.append(name, HeaderValue::from_bytes(from.bytes(MAX_HEAD)?).ok()?);
    }
    if !from.0.is_empty() {
        return None;
    }
    let tags = tags::read(&headers);
    let stored = Stored { received, initial_age, lifetime, selection: Selection::from_fields(fields), tags };
    Some(Response { status, reason, headers, stored })
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.array()? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    fn long(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn count(&mut self, most: usize) -> Option<usize> {
        let count = u32::from_le_bytes(self.array()?) as usize;
        (count <= most).then_some(count)
    }

    fn bytes(&mut self, most: usize) -> Option<&'a [u8]> {
        let length = self.count(most)?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
}
