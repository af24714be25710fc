//! `URLSearchParams` and the `application/x-www-form-urlencoded` format (URL Standard, sections 5 and 6.2).

use std::cell::RefCell;

use bulkhead_ipc::compatibility::Flag;
use jsg::{Error, FromJs, Place, Ref, Result, Sequence};

use super::Url;
use crate::{
    api::{
        idl::UsvString,
        ordering::{by_utf16, sort},
    },
    isolate::flags,
};

const VALUE_ARGUMENT: Flag = Flag::named("urlsearchparams_delete_has_value_arg");

/// The list of name-value pairs of a `URLSearchParams` object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// The `application/x-www-form-urlencoded` parser.
    pub(crate) fn parse(input: &str) -> Self {
        let mut pairs = Vec::new();
        for sequence in input.split('&') {
            if jsg::is_interrupted() {
                break;
            }
            if sequence.is_empty() {
                continue;
            }
            let (name, value) = sequence.split_once('=').unwrap_or((sequence, ""));
            pairs.push((decode(name), decode(value)));
        }
        Pairs(pairs)
    }

    /// The `application/x-www-form-urlencoded` serializer.
    pub(crate) fn serialize(&self) -> String {
        let mut out = String::new();
        for (index, (name, value)) in self.0.iter().enumerate() {
            if jsg::is_interrupted() {
                break;
            }
            if index > 0 {
                out.push('&');
            }
            encode(name, &mut out);
            out.push('=');
            encode(value, &mut out);
        }
        out
    }

    fn append(&mut self, name: String, value: String) {
        self.0.push((name, value));
    }

    fn delete(&mut self, name: &str, value: Option<&str>) {
        self.0.retain(|pair| pair.0 != name || value.is_some_and(|value| pair.1 != value));
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|pair| pair.0 == name).map(|pair| pair.1.as_str())
    }

    fn has(&self, name: &str, value: Option<&str>) -> bool {
        self.0.iter().any(|pair| pair.0 == name && value.is_none_or(|value| pair.1 == value))
    }

    fn set(&mut self, name: String, value: String) {
        let Some(first) = self.0.iter().position(|pair| pair.0 == name) else {
            return self.append(name, value);
        };
        self.0[first].1 = value;
        let mut index = 0;
        self.0.retain(|pair| {
            index += 1;
            index - 1 <= first || pair.0 != name
        });
    }

    /// By the code units of the names, as UTF-16 has them; pairs of one name keep their order.
    fn sort(&mut self) {
        sort(&mut self.0, |left, right| by_utf16(&left.0, &right.0));
    }
}

/// Percent-decodes, with `+` for a space, into text.
fn decode(input: &str) -> String {
    if !input.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return input.to_owned();
    }
    let bytes = input.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    let mut look_at = jsg::STRIDE;
    while index < bytes.len() {
        if index >= look_at {
            if jsg::is_interrupted() {
                break;
            }
            look_at += jsg::STRIDE;
        }
        let digit = |offset: usize| bytes.get(index + offset).and_then(|&byte| char::from(byte).to_digit(16));
        match (bytes[index], digit(1), digit(2)) {
            (b'+', ..) => out.push(b' '),
            (b'%', Some(high), Some(low)) => {
                // Two hexadecimal digits are at most 255.
                out.push((high * 16 + low) as u8);
                index += 2;
            }
            (byte, ..) => out.push(byte),
        }
        index += 1;
    }
    match String::from_utf8(out) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

/// Percent-encodes with the `application/x-www-form-urlencoded` set, with `+` for a space.
fn encode(text: &str, out: &mut String) {
    let digit = |value: u8| char::from(b"0123456789ABCDEF"[usize::from(value & 15)]);
    for piece in text.as_bytes().chunks(jsg::STRIDE) {
        if jsg::is_interrupted() {
            break;
        }
        for &byte in piece {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
                b' ' => out.push('+'),
                _ => out.extend(['%', digit(byte >> 4), digit(byte)]),
            }
        }
    }
}

/// `URLSearchParams`.
#[derive(jsg::Trace)]
pub struct UrlSearchParams {
    #[trace(skip)]
    pairs: RefCell<Pairs>,
    /// The URL whose query these are; it sees every change.
    url: Option<Ref<Url>>,
}

impl std::fmt::Debug for UrlSearchParams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.pairs.borrow().fmt(f)
    }
}

impl UrlSearchParams {
    /// The parameters of `url`, whose query (without `?`) is this.
    pub(super) fn of_url(url: Ref<Url>, query: &str) -> Self {
        UrlSearchParams { pairs: RefCell::new(Pairs::parse(query)), url: Some(url) }
    }

    /// The URL has a new query.
    pub(super) fn replace(&self, query: &str) {
        *self.pairs.borrow_mut() = Pairs::parse(query);
    }

    /// The `application/x-www-form-urlencoded` text, as a request or response body needs it.
    pub fn serialize(&self) -> String {
        self.pairs.borrow().serialize()
    }

    /// URLSearchParams, "update".
    fn update(&self, scope: &mut v8::PinScope<'_, '_>) {
        if let Some(url) = &self.url {
            let query = self.serialize();
            url.get(scope).set_query(&query);
        }
    }
}

/// What the constructor takes: a union whose members are told apart as Web IDL does, strings last.
struct Init(Pairs);

impl<'s> FromJs<'s> for Init {
    fn expected() -> std::borrow::Cow<'static, str> {
        "Sequence or object or USVString".into()
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
        if !value.is_object() {
            let UsvString(text) = UsvString::from_js(scope, value, place)?;
            return Ok(Init(Pairs::parse(text.strip_prefix('?').unwrap_or(&text))));
        }
        let mut pairs = Pairs::default();
        if Sequence::<UsvString>::matches(scope, value) {
            for Sequence(pair) in Sequence::<Sequence<UsvString>>::from_js(scope, value, place)?.0 {
                let Ok([UsvString(name), UsvString(value)]) = <[UsvString; 2]>::try_from(pair) else {
                    return Err(Error::type_error("Invalid URL search params sequence."));
                };
                pairs.append(name, value);
            }
        } else {
            for (UsvString(name), UsvString(value)) in
                jsg::Record::<UsvString, UsvString>::from_js(scope, value, place)?.0
            {
                // Names that only differed in lone surrogates are one name: the last value counts.
                pairs.set(name, value);
            }
        }
        Ok(Init(pairs))
    }
}

#[jsg::class(name = "URLSearchParams", iterable)]
impl UrlSearchParams {
    #[constructor]
    fn new(init: Option<Init>) -> Self {
        UrlSearchParams { pairs: RefCell::new(init.map(|init| init.0).unwrap_or_default()), url: None }
    }

    #[getter]
    fn size(&self) -> u32 {
        u32::try_from(self.pairs.borrow().0.len()).unwrap_or(u32::MAX)
    }

    #[method]
    fn append(&self, scope: &mut v8::PinScope<'_, '_>, name: UsvString, value: UsvString) {
        self.pairs.borrow_mut().append(name.0, value.0);
        self.update(scope);
    }

    #[method]
    fn delete(&self, scope: &mut v8::PinScope<'_, '_>, name: UsvString, value: Option<UsvString>) {
        let value = value.filter(|_| flags::is_on(scope, VALUE_ARGUMENT));
        self.pairs.borrow_mut().delete(&name.0, value.as_ref().map(|value| value.0.as_str()));
        self.update(scope);
    }

    #[method]
    fn get<'s>(&self, scope: &mut v8::PinScope<'s, '_>, name: UsvString) -> Option<v8::Local<'s, v8::String>> {
        self.pairs.borrow().get(&name.0).map(|value| jsg::string(scope, value))
    }

    #[method]
    fn get_all<'s>(&self, scope: &mut v8::PinScope<'s, '_>, name: UsvString) -> Vec<v8::Local<'s, v8::String>> {
        let pairs = self.pairs.borrow();
        let found = pairs.0.iter().filter(|pair| pair.0 == name.0);
        found.map(|pair| jsg::string(scope, &pair.1)).collect()
    }

    #[method]
    fn has(&self, scope: &mut v8::PinScope<'_, '_>, name: UsvString, value: Option<UsvString>) -> bool {
        let value = value.filter(|_| flags::is_on(scope, VALUE_ARGUMENT));
        self.pairs.borrow().has(&name.0, value.as_ref().map(|value| value.0.as_str()))
    }

    #[method]
    fn set(&self, scope: &mut v8::PinScope<'_, '_>, name: UsvString, value: UsvString) {
        self.pairs.borrow_mut().set(name.0, value.0);
        self.update(scope);
    }

    #[method]
    fn sort(&self, scope: &mut v8::PinScope<'_, '_>) {
        self.pairs.borrow_mut().sort();
        self.update(scope);
    }

    #[method]
    #[expect(clippy::inherent_to_string, reason = "the method of the JavaScript class")]
    fn to_string(&self) -> String {
        self.serialize()
    }
}

impl jsg::PairIterable for UrlSearchParams {
    fn pair_at<'s>(&self, scope: &mut v8::PinScope<'s, '_>, index: usize) -> Result<Option<jsg::Pair<'s>>> {
        let pairs = self.pairs.borrow();
        let Some((name, value)) = pairs.0.get(index) else { return Ok(None) };
        Ok(Some((jsg::string(scope, name).into(), jsg::string(scope, value).into())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Pairs;

    fn round(input: &str) -> String {
        Pairs::parse(input).serialize()
    }

    #[test]
    fn the_format() {
        assert_eq!(round("a+b=c%20d&e"), "a+b=c+d&e=");
        assert_eq!(round("&&a&&=&=x&y=="), "a=&=&=x&y=%3D");
        assert_eq!(round("a=\0\u{1f}~!*()'-._\u{e9}\u{1f600}+%"), "a=%00%1F%7E%21*%28%29%27-._%C3%A9%F0%9F%98%80+%25");
        assert_eq!(Pairs::parse("a=%ff%fe%C3%A9%").get("a"), Some("\u{fffd}\u{fffd}\u{e9}%"));
        assert_eq!(Pairs::parse("a=%4g%G4%%41").get("a"), Some("%4g%G4%A"));
        assert_eq!(round("%EF%BB%BFtest=%EF%BB%BF"), "%EF%BB%BFtest=%EF%BB%BF");
    }

    #[test]
    fn sorting_is_by_utf16() {
        // U+FB03 is a lower code point than U+1F308 but a higher code unit than its first surrogate.
        let mut pairs = Pairs::parse("z=1&a=2&z=0&A=3&\u{fb03}=x&\u{1f308}=y");
        pairs.sort();
        assert_eq!(pairs.serialize(), "A=3&a=2&z=1&z=0&%F0%9F%8C%88=y&%EF%AC%83=x");
    }

    #[test]
    fn setting_keeps_the_first_place() {
        let mut pairs = Pairs::parse("a=1&b=2&a=3&c=4&a=5");
        pairs.set("a".into(), "9".into());
        assert_eq!(pairs.serialize(), "a=9&b=2&c=4");
        pairs.set("d".into(), "8".into());
        assert_eq!(pairs.serialize(), "a=9&b=2&c=4&d=8");
        pairs.delete("b", Some("3"));
        pairs.delete("c", Some("4"));
        assert_eq!(pairs.serialize(), "a=9&b=2&d=8");
    }

    proptest! {
        #[test]
        fn what_was_serialized_is_parsed(pairs in proptest::collection::vec((".*", ".*"), 0..5)) {
            let pairs = Pairs(pairs);
            prop_assert_eq!(Pairs::parse(&pairs.serialize()), pairs);
        }
    }
}
