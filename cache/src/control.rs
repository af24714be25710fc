//! `Cache-Control` (RFC 9111, section 5.2).

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, header::CACHE_CONTROL};

use crate::list::{members, split};

/// The longest time that counts, in seconds (section 1.2.2): what is longer, or no number that fits, is this.
pub const MAX_SECONDS: u64 = 1 << 31;

/// A directive that may be about some fields only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Scope {
    /// It is not there.
    #[default]
    Nothing,
    /// It is about these fields.
    Fields(Vec<HeaderName>),
    /// It is about all of the response.
    All,
}

impl Scope {
    fn extend(&mut self, argument: Option<&str>) {
        let names = argument.map(|names| {
            let names = split(names).map(|name| HeaderName::from_bytes(name.as_bytes()));
            names.collect::<Result<Vec<_>, _>>()
        });
        match names {
            // What cannot be read may be about anything.
            None | Some(Err(_)) => *self = Scope::All,
            Some(Ok(names)) if names.is_empty() => *self = Scope::All,
            Some(Ok(more)) => match self {
                Scope::Nothing => *self = Scope::Fields(more),
                Scope::Fields(names) => names.extend(more),
                Scope::All => {}
            },
        }
    }

    /// The fields that it is about, where it is about some only.
    pub fn fields(&self) -> &[HeaderName] {
        if let Scope::Fields(names) = self { names } else { &[] }
    }
}

/// What a message says of caches, as far as a shared cache that never asks an origin goes by it. Directives of requests and of responses have names of
/// their own, or mean the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are directives, each there or not")]
pub struct Control {
    /// The freshness lifetime of a response, or the largest age that a request takes. Of several the first counts; one that is no number is 0.
    pub max_age: Option<u64>,
    /// The freshness lifetime in shared caches.
    pub s_maxage: Option<u64>,
    /// For how long a request wants a response to stay fresh.
    pub min_fresh: Option<u64>,
    /// Not to be stored.
    pub no_store: bool,
    /// Not to be used without asking the origin.
    pub no_cache: Scope,
    /// Not for shared caches.
    pub private: Scope,
    /// For shared caches, whatever else stands against it.
    pub public: bool,
    /// Not to be used when stale.
    pub must_revalidate: bool,
    /// To be stored, whatever `no-store` says, by whoever understands the status.
    pub must_understand: bool,
}

impl Control {
    /// Reads all lines of the header.
    pub fn read(headers: &HeaderMap) -> Control {
        let mut control = Control::default();
        for directive in members(headers, CACHE_CONTROL) {
            let (name, argument) = match directive.split_once('=') {
                Some((name, argument)) => (name, Some(argument)),
                None => (directive, None),
            };
            let seconds =
                |known: Option<u64>| known.or(Some(argument.map_or(0, |argument| seconds(&unquoted(argument)))));
            match name.to_ascii_lowercase().as_str() {
                "max-age" => control.max_age = seconds(control.max_age),
                "s-maxage" => control.s_maxage = seconds(control.s_maxage),
                "min-fresh" => control.min_fresh = seconds(control.min_fresh),
                "no-store" => control.no_store = true,
                "no-cache" => control.no_cache.extend(argument.map(unquoted).as_deref()),
                "private" => control.private.extend(argument.map(unquoted).as_deref()),
                "public" => control.public = true,
                "must-revalidate" => control.must_revalidate = true,
                "must-understand" => control.must_understand = true,
                _ => {}
            }
        }
        control
    }
}

/// A number of seconds; what is none is 0, as whoever wrote it cannot have meant a long time.
fn seconds(text: &str) -> u64 {
    delta_seconds(text).unwrap_or(0)
}

/// A number of seconds (section 1.2.2).
pub(crate) fn delta_seconds(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse::<u64>().map_or(MAX_SECONDS, |seconds| seconds.min(MAX_SECONDS)))
}

/// An argument, which may be a quoted string.
fn unquoted(argument: &str) -> Cow<'_, str> {
    let Some(quoted) = argument.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cow::Borrowed(argument);
    };
    if !quoted.contains('\\') {
        return Cow::Borrowed(quoted);
    }
    let mut text = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        text.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    Cow::Owned(text)
}
