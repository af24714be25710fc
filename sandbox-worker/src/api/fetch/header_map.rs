//! The list behind `Headers` (Fetch Standard, section 2.2.2), which native code reads and writes.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use jsg::{Error, Result};

use crate::api::ordering::sort;

/// All names and values of one list together, in bytes. What a script may keep in a list is bounded by this instead of
/// by the width of our offsets.
const MAX_BYTES: usize = 64 << 20;

/// Bytes of removed headers that a list carries along before it is packed anew.
const MAX_WASTE: usize = 4096;

/// One header: where its name and value stand in the list's buffer, one behind the other.
#[derive(Debug, Clone, Copy)]
struct Entry {
    start: u32,
    name: u32,
    value: u32,
}

/// A header list (Fetch Standard, section 2.2.2) in one buffer: names in the case they were given in, values as UTF-8
/// where a script wrote them and as received where a peer did.
#[derive(Debug, Clone, Default)]
pub struct HeaderMap {
    buffer: Vec<u8>,
    entries: Vec<Entry>,
    waste: usize,
}

impl HeaderMap {
    /// An empty list with room for `headers` headers of `bytes` bytes together.
    pub fn with_capacity(headers: usize, bytes: usize) -> Self {
        HeaderMap { buffer: Vec::with_capacity(bytes), entries: Vec::with_capacity(headers), waste: 0 }
    }

    /// Number of headers; those of equal names count each.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no header.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn name(&self, entry: Entry) -> &[u8] {
        &self.buffer[entry.start as usize..][..entry.name as usize]
    }

    fn value(&self, entry: Entry) -> &[u8] {
        &self.buffer[entry.start as usize + entry.name as usize..][..entry.value as usize]
    }

    /// Names and values in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries.iter().map(|&entry| (self.name(entry), self.value(entry)))
    }

    /// The name and value at an index.
    pub(super) fn at(&self, index: usize) -> Option<(&[u8], &[u8])> {
        self.entries.get(index).map(|&entry| (self.name(entry), self.value(entry)))
    }

    /// The values of one name, in order. Names are compared without regard to ASCII case.
    pub fn values(&self, name: &[u8]) -> impl Iterator<Item = &[u8]> {
        self.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Whether a header of this name exists.
    pub fn contains(&self, name: &[u8]) -> bool {
        self.values(name).next().is_some()
    }

    /// The values of one name joined by `, ` (Fetch Standard, "get a header value").
    pub fn get(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        let mut values = self.values(name);
        let mut joined = Cow::Borrowed(values.next()?);
        for value in values {
            let joined = joined.to_mut();
            joined.extend_from_slice(b", ");
            joined.extend_from_slice(value);
        }
        Some(joined)
    }

    /// Adds a header that is known to be valid.
    ///
    /// # Errors
    /// The list is full.
    pub fn append(&mut self, name: &[u8], value: &[u8]) -> Result<()> {
        let start = self.buffer.len();
        if start + name.len() + value.len() > MAX_BYTES {
            return Err(too_large());
        }
        self.buffer.extend_from_slice(name);
        self.buffer.extend_from_slice(value);
        // The bound above keeps all of them far below 2^32.
        self.entries.push(Entry { start: start as u32, name: name.len() as u32, value: value.len() as u32 });
        Ok(())
    }

    /// Replaces the first header of this name and removes the others; adds one where there is none.
    ///
    /// # Errors
    /// The list is full.
    pub fn set(&mut self, name: &[u8], value: &[u8]) -> Result<()> {
        let Some(first) = self.entries.iter().position(|&entry| self.name(entry).eq_ignore_ascii_case(name)) else {
            return self.append(name, value);
        };
        let old = self.entries[first];
        let kept = self.name(old).to_vec();
        self.append(&kept, value)?;
        let new = self.entries.pop().expect("it was just added");
        self.remove_from(first + 1, name);
        self.waste += (old.name + old.value) as usize;
        self.entries[first] = new;
        self.pack();
        Ok(())
    }

    /// Removes all headers of this name.
    pub fn remove(&mut self, name: &[u8]) {
        self.remove_from(0, name);
        self.pack();
    }

    fn remove_from(&mut self, first: usize, name: &[u8]) {
        let mut kept = first;
        for index in first..self.entries.len() {
            let entry = self.entries[index];
            if self.name(entry).eq_ignore_ascii_case(name) {
                self.waste += (entry.name + entry.value) as usize;
            } else {
                self.entries[kept] = entry;
                kept += 1;
            }
        }
        self.entries.truncate(kept);
    }

    /// Rebuilds the buffer once more than half of it belongs to headers that are gone.
    fn pack(&mut self) {
        if self.waste <= MAX_WASTE || self.waste * 2 <= self.buffer.len() {
            return;
        }
        let mut buffer = Vec::with_capacity(self.buffer.len() - self.waste);
        for entry in &mut self.entries {
            let start = entry.start as usize;
            let length = (entry.name + entry.value) as usize;
            entry.start = buffer.len() as u32;
            buffer.extend_from_slice(&self.buffer[start..start + length]);
        }
        self.buffer = buffer;
        self.waste = 0;
    }

    /// Fetch Standard, "sort and combine": lower-case names in order, values combined; those of `set-cookie` only if asked for.
    pub fn sorted(&self, joins_cookies: bool) -> HeaderMap {
        let lower = |entry: Entry| self.name(entry).iter().map(u8::to_ascii_lowercase);
        let mut order = self.entries.clone();
        // Stable: values of equal names stay in their order.
        sort(&mut order, |&left, &right| lower(left).cmp(lower(right)));
        let mut sorted = HeaderMap::with_capacity(order.len(), self.buffer.len() + 2 * order.len());
        for entry in order {
            let last = sorted.entries.last().is_some_and(|&last| {
                let name = sorted.name(last);
                name.eq_ignore_ascii_case(self.name(entry)) && (joins_cookies || name != b"set-cookie")
            });
            let start = sorted.buffer.len() as u32;
            if last {
                sorted.buffer.extend_from_slice(b", ");
            } else {
                sorted.buffer.extend(lower(entry));
            }
            sorted.buffer.extend_from_slice(self.value(entry));
            match sorted.entries.last_mut() {
                Some(joined) if last => joined.value += 2 + entry.value,
                _ => sorted.entries.push(Entry { start, ..entry }),
            }
        }
        sorted
    }

    /// Converts and checks a name and a value, and adds them.
    pub(super) fn append_js<'s>(
        &mut self,
        scope: &mut v8::PinScope<'s, '_>,
        name: v8::Local<'s, v8::String>,
        value: v8::Local<'s, v8::String>,
    ) -> Result<()> {
        let start = self.buffer.len();
        let result = self.append_js_at(scope, start, name, value);
        if result.is_err() {
            self.buffer.truncate(start);
        }
        result
    }

    fn append_js_at<'s>(
        &mut self,
        scope: &mut v8::PinScope<'s, '_>,
        start: usize,
        name: v8::Local<'s, v8::String>,
        value: v8::Local<'s, v8::String>,
    ) -> Result<()> {
        // One code unit is at most three bytes.
        if start + 3 * (name.length() + value.length()) > 3 * MAX_BYTES {
            return Err(too_large());
        }
        push_utf8(scope, name, &mut self.buffer);
        let middle = self.buffer.len();
        if !is_token(&self.buffer[start..]) {
            return Err(invalid_name());
        }
        push_utf8(scope, value, &mut self.buffer);
        let (from, to) = normalized(&self.buffer[middle..])?;
        self.buffer.truncate(middle + to);
        self.buffer.drain(middle..middle + from);
        if self.buffer.len() > MAX_BYTES {
            return Err(too_large());
        }
        let (name, value) = (middle - start, self.buffer.len() - middle);
        self.entries.push(Entry { start: start as u32, name: name as u32, value: value as u32 });
        Ok(())
    }
}

fn too_large() -> Error {
    Error::range_error("The headers are larger than 64 MiB.")
}

pub(super) fn invalid_name() -> Error {
    Error::type_error("Invalid header name.")
}

/// Appends a V8 string as UTF-8; lone surrogates become U+FFFD.
pub(super) fn push_utf8(scope: &v8::PinScope<'_, '_>, text: v8::Local<'_, v8::String>, out: &mut Vec<u8>) {
    let start = out.len();
    if text.is_onebyte() {
        // Nearly always ASCII, for which both encodings are the same bytes.
        out.resize(start + text.length(), 0);
        text.write_one_byte_v2(scope, 0, &mut out[start..], v8::WriteFlags::empty());
        if out[start..].is_ascii() {
            return;
        }
    }
    out.resize(start + text.utf8_length(scope), 0);
    text.write_utf8_v2(scope, &mut out[start..], v8::WriteFlags::kReplaceInvalidUtf8, None);
}

/// RFC 9110, section 5.6.2: what a header name consists of.
pub(in crate::api) fn is_token(name: &[u8]) -> bool {
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            table[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        let marks = b"!#$%&'*+-.^_`|~";
        let mut index = 0;
        while index < marks.len() {
            table[marks[index] as usize] = true;
            index += 1;
        }
        table
    };
    !name.is_empty() && name.iter().all(|&byte| TABLE[byte as usize])
}

/// Fetch Standard, "normalize" and "header value": the range without leading and trailing white space.
pub(super) fn normalized(value: &[u8]) -> Result<(usize, usize)> {
    let is_space = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' ');
    let from = value.iter().position(|byte| !is_space(byte)).unwrap_or(value.len());
    let to = value.iter().rposition(|byte| !is_space(byte)).map_or(from, |last| last + 1);
    if value[from..to].iter().any(|byte| matches!(byte, 0 | b'\n' | b'\r')) {
        return Err(Error::type_error("Invalid header value."));
    }
    Ok((from, to))
}
