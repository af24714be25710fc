//! `Headers` (Fetch Standard, section 5.1), and the list behind it that native code reads and writes.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    rc::Rc,
};

use bulkhead_ipc::compatibility::Flag;
use jsg::{Error, FromJs, Place, Receiver, Registry, Result, glue::Kind};

use super::ordering::sort;
use crate::isolate::flags;

const GET_SET_COOKIE: Flag = Flag::named("http_headers_getsetcookie");

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

    /// Fetch Standard, "sort and combine": lower-case names in order, values combined, `set-cookie` one by one.
    pub fn sorted(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut sorted: Vec<(Vec<u8>, &[u8])> =
            self.iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        // Stable: values of equal names stay in their order.
        sort(&mut sorted, |(left, _), (right, _)| left.cmp(right));
        let mut combined: Vec<(Vec<u8>, Vec<u8>)> = Vec::with_capacity(sorted.len());
        for (name, value) in sorted {
            match combined.last_mut() {
                Some((last, joined)) if *last == name && name != b"set-cookie" => {
                    joined.extend_from_slice(b", ");
                    joined.extend_from_slice(value);
                }
                _ => combined.push((name, value.to_vec())),
            }
        }
        combined
    }

    /// Converts and checks a name and a value, and adds them.
    fn append_js<'s>(
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

fn invalid_name() -> Error {
    Error::type_error("Invalid header name.")
}

/// Appends a V8 string as UTF-8; lone surrogates become U+FFFD.
pub(crate) fn push_utf8(scope: &v8::PinScope<'_, '_>, text: v8::Local<'_, v8::String>, out: &mut Vec<u8>) {
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
fn is_token(name: &[u8]) -> bool {
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
fn normalized(value: &[u8]) -> Result<(usize, usize)> {
    let is_space = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' ');
    let from = value.iter().position(|byte| !is_space(byte)).unwrap_or(value.len());
    let to = value.iter().rposition(|byte| !is_space(byte)).map_or(from, |last| last + 1);
    if value[from..to].iter().any(|byte| matches!(byte, 0 | b'\n' | b'\r')) {
        return Err(Error::type_error("Invalid header value."));
    }
    Ok((from, to))
}

/// A name to look up. What no header can be called is found nowhere, as in the reference, unless it is ASCII.
fn lookup_name(name: &str) -> Result<&[u8]> {
    let name = name.as_bytes();
    if name.is_ascii() && !name.is_empty() && !is_token(name) {
        return Err(invalid_name());
    }
    Ok(name)
}

/// Bytes of a header as scripts see them: UTF-8, with U+FFFD for what is none.
fn text<'s>(scope: &v8::PinScope<'s, '_>, bytes: &[u8]) -> v8::Local<'s, v8::String> {
    if bytes.is_ascii() {
        return jsg::one_byte(scope, bytes);
    }
    jsg::string(scope, &String::from_utf8_lossy(bytes))
}

/// A header list with its guard; shared by a request or response and its `headers` object, if a script asked for one.
#[derive(Debug, Default)]
pub struct HeaderList {
    /// The headers.
    pub map: RefCell<HeaderMap>,
    immutable: Cell<bool>,
}

impl HeaderList {
    /// A list that scripts may change.
    pub fn new(map: HeaderMap) -> Rc<Self> {
        Rc::new(HeaderList { map: RefCell::new(map), immutable: Cell::new(false) })
    }

    /// A list with the guard "immutable".
    pub fn immutable(map: HeaderMap) -> Rc<Self> {
        Rc::new(HeaderList { map: RefCell::new(map), immutable: Cell::new(true) })
    }

    /// A list of its own with the same headers and the same guard.
    pub fn duplicate(&self) -> Rc<Self> {
        Rc::new(HeaderList { map: RefCell::new(self.map.borrow().clone()), immutable: self.immutable.clone() })
    }

    fn check_mutable(&self) -> Result<()> {
        if self.immutable.get() { Err(Error::type_error("Can't modify immutable headers.")) } else { Ok(()) }
    }
}

/// The class `Headers`.
#[derive(Debug, jsg::Trace)]
pub struct Headers {
    #[trace(skip)]
    list: Rc<HeaderList>,
}

impl Headers {
    /// A script's view of a list.
    pub fn of(list: Rc<HeaderList>) -> Self {
        Headers { list }
    }

    /// A copy for `structuredClone`.
    pub(super) fn copy<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Object>> {
        jsg::instantiate(scope, Headers::of(self.list.duplicate()))
    }

    /// Whether its guard is "immutable".
    pub(super) fn is_immutable(&self) -> bool {
        self.list.immutable.get()
    }
}

#[jsg::class]
impl Headers {
    #[constructor]
    fn new(init: Option<HeadersInit>) -> Self {
        Headers { list: HeaderList::new(init.map(|init| init.0).unwrap_or_default()) }
    }

    #[method]
    fn get<'s>(&self, scope: &mut v8::PinScope<'s, '_>, name: String) -> Result<Option<v8::Local<'s, v8::String>>> {
        let map = self.list.map.borrow();
        Ok(map.get(lookup_name(&name)?).map(|value| text(scope, &value)))
    }

    #[method]
    fn get_all<'s>(&self, scope: &mut v8::PinScope<'s, '_>, name: String) -> Result<Vec<v8::Local<'s, v8::String>>> {
        if !name.eq_ignore_ascii_case("set-cookie") {
            return Err(Error::type_error("getAll() can only be used with the header name \"Set-Cookie\"."));
        }
        Ok(self.get_set_cookie(scope))
    }

    #[method(flag = GET_SET_COOKIE)]
    fn get_set_cookie<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Vec<v8::Local<'s, v8::String>> {
        self.list.map.borrow().values(b"set-cookie").map(|value| text(scope, value)).collect()
    }

    #[method]
    fn has(&self, name: String) -> Result<bool> {
        Ok(self.list.map.borrow().contains(lookup_name(&name)?))
    }

    #[method]
    fn set(&self, name: String, value: String) -> Result<()> {
        self.list.check_mutable()?;
        if !is_token(name.as_bytes()) {
            return Err(invalid_name());
        }
        let (from, to) = normalized(value.as_bytes())?;
        self.list.map.borrow_mut().set(name.as_bytes(), &value.as_bytes()[from..to])
    }

    #[method]
    fn append(&self, name: String, value: String) -> Result<()> {
        self.list.check_mutable()?;
        if !is_token(name.as_bytes()) {
            return Err(invalid_name());
        }
        let (from, to) = normalized(value.as_bytes())?;
        self.list.map.borrow_mut().append(name.as_bytes(), &value.as_bytes()[from..to])
    }

    #[method]
    fn delete(&self, name: String) -> Result<()> {
        self.list.check_mutable()?;
        let name = lookup_name(&name)?;
        self.list.map.borrow_mut().remove(name);
        Ok(())
    }

    #[method]
    fn for_each<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        receiver: Receiver<'s>,
        callback: v8::Local<'s, v8::Function>,
        this_arg: Option<v8::Local<'s, v8::Value>>,
    ) -> Result<()> {
        let this_arg = this_arg.unwrap_or_else(|| v8::undefined(scope).into());
        // The reference walks a copy: what the callback changes is not seen.
        for (name, value) in self.shown(scope) {
            v8::scope!(let scope, scope);
            let name = text(scope, &name);
            let value = text(scope, &value);
            callback.call(scope, this_arg, &[value.into(), name.into(), receiver.0.into()]).ok_or(Error::Pending)?;
        }
        Ok(())
    }

    #[method]
    fn entries<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        self.iterate(scope, Kind::Entries)
    }

    #[method]
    fn keys<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        self.iterate(scope, Kind::Keys)
    }

    #[method]
    fn values<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        self.iterate(scope, Kind::Values)
    }
}

impl Headers {
    /// What iteration shows.
    fn shown(&self, scope: &v8::PinScope<'_, '_>) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut pairs = self.list.map.borrow().sorted();
        if !flags::is_on(scope, GET_SET_COOKIE) {
            join_cookies(&mut pairs);
        }
        pairs
    }

    fn iterate<'s>(&self, scope: &mut v8::PinScope<'s, '_>, kind: Kind) -> Result<v8::Local<'s, v8::Value>> {
        let pairs = self.shown(scope);
        let snapshot = jsg::instantiate(scope, HeadersSnapshot { pairs })?;
        jsg::iterator::<HeadersSnapshot>(scope, snapshot, kind)
    }
}

/// Before `http_headers_getsetcookie` cookies are shown as one header, as all others are.
fn join_cookies(pairs: &mut Vec<(Vec<u8>, Vec<u8>)>) {
    pairs.dedup_by(|later, kept| {
        let both = later.0 == b"set-cookie" && kept.0 == b"set-cookie";
        if both {
            kept.1.extend_from_slice(b", ");
            kept.1.extend_from_slice(&later.1);
        }
        both
    });
}

/// What an iterator over headers walks: the list as it was when the iterator was made, as in the reference.
#[derive(jsg::Trace)]
struct HeadersSnapshot {
    #[trace(skip)]
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

#[jsg::class]
impl HeadersSnapshot {}

impl jsg::PairIterable for HeadersSnapshot {
    fn pair_at<'s>(&self, scope: &mut v8::PinScope<'s, '_>, index: usize) -> Result<Option<jsg::Pair<'s>>> {
        let Some((name, value)) = self.pairs.get(index) else { return Ok(None) };
        Ok(Some((text(scope, name).into(), text(scope, value).into())))
    }
}

/// `HeadersInit`: another `Headers`, a sequence of pairs, or a record.
#[derive(Debug, Default)]
pub struct HeadersInit(pub HeaderMap);

const HEADERS_INIT: &str = "Headers or Sequence or object";

impl<'s> FromJs<'s> for HeadersInit {
    fn expected() -> Cow<'static, str> {
        HEADERS_INIT.into()
    }

    fn matches(_: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> bool {
        value.is_object()
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
        let object = v8::Local::<v8::Object>::try_from(value).map_err(|_| place.mismatch(HEADERS_INIT))?;
        if let Some(headers) = jsg::unwrap::<Headers>(scope, object) {
            return Ok(HeadersInit(headers.list.map.borrow().clone()));
        }
        let mut map = HeaderMap::default();
        let symbol = v8::Symbol::get_iterator(scope);
        if object.get(scope, symbol.into()).ok_or(Error::Pending)?.is_function() {
            let pairs = jsg::Sequence::<jsg::Sequence<jsg::DomString<'s>>>::from_js(scope, value, place)?;
            for pair in pairs.0 {
                let [name, value] = pair.0[..] else {
                    return Err(Error::type_error(
                        "To initialize a Headers object from a sequence, each inner sequence must have exactly two \
                         elements.",
                    ));
                };
                map.append_js(scope, name.0, value.0)?;
            }
            return Ok(HeadersInit(map));
        }
        let names = object
            .get_own_property_names(
                scope,
                v8::GetPropertyNamesArgs {
                    mode: v8::KeyCollectionMode::OwnOnly,
                    property_filter: v8::PropertyFilter::ONLY_ENUMERABLE | v8::PropertyFilter::SKIP_SYMBOLS,
                    index_filter: v8::IndexFilter::IncludeIndices,
                    key_conversion: v8::KeyConversionMode::ConvertToString,
                },
            )
            .ok_or(Error::Pending)?;
        for index in 0..names.length() {
            jsg::check(scope)?;
            v8::scope!(let scope, scope);
            let key = names.get_index(scope, index).ok_or(Error::Pending)?;
            let value = object.get(scope, key).ok_or(Error::Pending)?;
            let name = key.to_string(scope).ok_or(Error::Pending)?;
            let value = value.to_string(scope).ok_or(Error::Pending)?;
            map.append_js(scope, name, value)?;
        }
        Ok(HeadersInit(map))
    }
}

/// Exposes `Headers`.
pub(super) fn expose(scope: &mut v8::PinScope<'_, '_>, target: v8::Local<'_, v8::Object>) {
    Registry::expose::<Headers>(scope, target);
    // Web IDL, section 3.7.10: `@@iterator` is the function `entries`.
    let constructor = Registry::template(scope, <Headers as jsg::Class>::info())
        .get_function(scope)
        .expect("the class template is complete");
    let key = jsg::string(scope, "prototype");
    let prototype = constructor.get(scope, key.into()).and_then(|value| v8::Local::<v8::Object>::try_from(value).ok());
    let prototype = prototype.expect("a constructor has a prototype");
    let key = jsg::string(scope, "entries");
    let entries = prototype.get(scope, key.into()).expect("a method can be read");
    let symbol = v8::Symbol::get_iterator(scope);
    prototype.define_own_property(scope, symbol.into(), entries, v8::PropertyAttribute::DONT_ENUM);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::default();
        for (name, value) in headers {
            map.append(name.as_bytes(), value.as_bytes()).expect("there is room");
        }
        map
    }

    fn shown(map: &HeaderMap) -> String {
        let lines = map
            .iter()
            .map(|(name, value)| format!("{}: {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value)));
        lines.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn set_replaces_the_first_and_removes_the_rest() {
        let mut headers = map(&[("X-A", "1"), ("b", "2"), ("x-a", "3"), ("X-a", "4")]);
        headers.set(b"x-A", b"9").expect("there is room");
        assert_eq!(shown(&headers), "X-A: 9, b: 2");
        headers.set(b"c", b"").expect("there is room");
        assert_eq!(shown(&headers), "X-A: 9, b: 2, c: ");
    }

    #[test]
    fn get_combines() {
        let headers = map(&[("a", "1"), ("b", "2"), ("A", ""), ("a", "3")]);
        assert_eq!(headers.get(b"A").as_deref(), Some(&b"1, , 3"[..]));
        assert_eq!(headers.get(b"c"), None);
        assert!(matches!(headers.get(b"b"), Some(Cow::Borrowed(b"2"))));
    }

    #[test]
    fn remove_takes_all_of_a_name() {
        let mut headers = map(&[("a", "1"), ("b", "2"), ("A", "3")]);
        headers.remove(b"a");
        assert_eq!(shown(&headers), "b: 2");
        headers.remove(b"c");
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn cookies_are_not_combined() {
        let headers = map(&[("Set-Cookie", "b"), ("x", "1"), ("set-cookie", "a"), ("X", "2"), ("a", "")]);
        let sorted = headers.sorted();
        let shown: Vec<String> = sorted
            .iter()
            .map(|(name, value)| format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value)))
            .collect();
        assert_eq!(shown, ["a=", "set-cookie=b", "set-cookie=a", "x=1, 2"]);
    }

    #[test]
    fn what_is_replaced_does_not_pile_up() {
        let mut headers = map(&[("keep", "this")]);
        let long = vec![b'x'; 1000];
        for _ in 0..10_000 {
            headers.set(b"again", &long).expect("there is room");
        }
        assert!(headers.buffer.len() < 20_000, "{} bytes are kept", headers.buffer.len());
        assert_eq!(headers.get(b"keep").as_deref(), Some(&b"this"[..]));
        assert_eq!(headers.get(b"again").as_deref(), Some(&long[..]));
    }

    #[test]
    fn a_list_has_a_bound() {
        let mut headers = HeaderMap::default();
        let long = vec![b'x'; MAX_BYTES / 2];
        headers.append(b"a", &long).expect("there is room");
        assert!(headers.append(b"b", &long).is_err());
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn values_are_normalized() {
        let ranges = |value: &str| normalized(value.as_bytes()).ok().map(|(from, to)| value[from..to].to_owned());
        assert_eq!(ranges(" \t\r\n x y \n").as_deref(), Some("x y"));
        assert_eq!(ranges("   ").as_deref(), Some(""));
        assert_eq!(ranges("").as_deref(), Some(""));
        assert_eq!(ranges("a\nb"), None);
        assert_eq!(ranges("a\0"), None);
    }

    #[test]
    fn names_are_tokens() {
        for name in ["a", "X-A", "!#$%&'*+-.^_`|~09"] {
            assert!(is_token(name.as_bytes()), "{name}");
        }
        for name in ["", "a b", "a:", "\u{e9}", "a\0", "(", "\x7f"] {
            assert!(!is_token(name.as_bytes()), "{name}");
        }
    }
}
