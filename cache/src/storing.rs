//! Which responses are stored, and for how long they are fresh (RFC 9111, sections 3 and 4.2).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::{
    control::{Control, MAX_SECONDS, Scope, delta_seconds},
    list::members,
    tags::{self, MAX_TAGS, Tag},
    vary::{Selection, Unselectable},
};

/// For how long a response is fresh that says nothing about it and has been successful, or is permanent, in seconds: two hours.
pub const DEFAULT_LIFETIME: u64 = 2 * 60 * 60;

/// The same for errors: three minutes.
pub const DEFAULT_ERROR_LIFETIME: u64 = 3 * 60;

/// The longest that is guessed from when a response was modified: a day.
pub const MAX_GUESS: u64 = 24 * 60 * 60;

/// Why a response is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `no-store`.
    #[error("the response says no-store")]
    NoStore,
    /// `private`, of all of it.
    #[error("the response is private")]
    Private,
    /// `no-cache`: it would have to be asked for each time, and this cache asks nobody.
    #[error("the response says no-cache")]
    NoCache,
    /// It is a part, or the answer to a condition: these are for one request.
    #[error("a response of status {0} cannot be stored")]
    Status(u16),
    /// `must-understand`, and nobody here does.
    #[error("the response must be understood, and its status is not")]
    NotUnderstood,
    /// `Vary: *`, or more than there is room for.
    #[error("the response varies by everything, or by too much")]
    Vary,
    /// The request had credentials, and the response does not say that it is for others.
    #[error("the request is authorized, and the response does not say that it is for others too")]
    Authorization,
    /// It sets a cookie, and does not say `private=set-cookie`.
    #[error("the response sets a cookie")]
    SetCookie,
    /// Nothing says for how long it is fresh, and its status is none for which that may be guessed.
    #[error("nothing says for how long the response is fresh")]
    NoLifetime,
    /// It is not fresh even now.
    #[error("the response is stale already")]
    Stale,
    /// More tags than [`MAX_TAGS`].
    #[error("the response has more than {MAX_TAGS} tags")]
    Tags,
}

/// What is known of a response that is stored, beside its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// When it came, in seconds since 1970.
    pub received: u64,
    /// How old it was then, in seconds (section 4.2.3, `corrected_initial_age`).
    pub initial_age: u64,
    /// For how long it is fresh, in seconds.
    pub lifetime: u64,
    /// Which requests it is for.
    pub selection: Selection,
    /// What it can be purged by.
    pub tags: Vec<Tag>,
}

impl Stored {
    /// How old it is, in seconds. A clock that was set back makes nothing younger than it came.
    pub fn age(&self, now: u64) -> u64 {
        self.initial_age.saturating_add(now.saturating_sub(self.received)).min(MAX_SECONDS)
    }
}

/// Whether a response is stored that was put for a `GET` with these headers; `headers` become those that are stored.
///
/// # Errors
///
/// Why it is not. Then `headers` may have lost some.
pub fn store(request: &HeaderMap, status: StatusCode, headers: &mut HeaderMap, now: u64) -> Result<Stored, Refusal> {
    let control = Control::read(headers);
    if status.is_informational() || matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED) {
        return Err(Refusal::Status(status.as_u16()));
    }
    let understood = is_understood(status);
    if control.must_understand && !understood {
        return Err(Refusal::NotUnderstood);
    }
    if control.no_store && !control.must_understand {
        return Err(Refusal::NoStore);
    }
    if control.private == Scope::All {
        return Err(Refusal::Private);
    }
    if control.no_cache == Scope::All {
        return Err(Refusal::NoCache);
    }
    let for_others = control.public || control.must_revalidate || control.s_maxage.is_some();
    if request.contains_key(header::AUTHORIZATION) && !for_others {
        return Err(Refusal::Authorization);
    }
    if request.contains_key(header::CACHE_CONTROL) && Control::read(request).no_store {
        return Err(Refusal::NoStore);
    }
    let date = headers.get(header::DATE).and_then(date);
    let lifetime = lifetime(&control, status, headers, date.unwrap_or(now))?;
    let age = headers.get(header::AGE).and_then(|age| delta_seconds(first_member(age)?)).unwrap_or(0);
    let initial_age = age.max(date.map_or(0, |date| now.saturating_sub(date)));
    if lifetime <= initial_age {
        return Err(Refusal::Stale);
    }
    strip(headers, &control);
    if headers.contains_key(header::SET_COOKIE) {
        return Err(Refusal::SetCookie);
    }
    let selection =
        Selection::of(headers, request).map_err(|(Unselectable::All | Unselectable::TooMuch)| Refusal::Vary)?;
    let tags = tags::read(headers);
    if tags.len() > MAX_TAGS {
        return Err(Refusal::Tags);
    }
    if date.is_none() {
        // Whoever stores it says when it came (RFC 9110, section 6.6.1).
        headers.insert(header::DATE, http_date(now));
    }
    Ok(Stored { received: now, initial_age, lifetime, selection, tags })
}

/// The first member of a header that should have one.
fn first_member(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()?.split(',').next().map(str::trim)
}

/// The freshness lifetime (section 4.2.1).
fn lifetime(control: &Control, status: StatusCode, headers: &HeaderMap, date_value: u64) -> Result<u64, Refusal> {
    if let Some(seconds) = control.s_maxage.or(control.max_age) {
        return Ok(seconds);
    }
    if let Some(expires) = headers.get(header::EXPIRES) {
        // What is no date is in the past (section 5.3).
        return Ok(date(expires).map_or(0, |expires| expires.saturating_sub(date_value).min(MAX_SECONDS)));
    }
    let guessable = is_heuristic(status);
    if !guessable && !control.public {
        return Err(Refusal::NoLifetime);
    }
    let modified = headers.get(header::LAST_MODIFIED).and_then(date);
    match modified.map(|modified| date_value.saturating_sub(modified)) {
        // Section 4.2.2.
        Some(since) if since > 0 => Ok((since / 10).min(MAX_GUESS)),
        _ if guessable && status.as_u16() >= 400 => Ok(DEFAULT_ERROR_LIFETIME),
        _ if guessable => Ok(DEFAULT_LIFETIME),
        _ => Err(Refusal::NoLifetime),
    }
}

/// Takes away what is not stored (section 3.1) and what must not be reused.
fn strip(headers: &mut HeaderMap, control: &Control) {
    let mut names: Vec<_> =
        members(headers, header::CONNECTION).filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok()).collect();
    names.extend(control.private.fields().iter().chain(control.no_cache.fields()).cloned());
    names.extend(NOT_STORED);
    for name in names {
        headers.remove(name);
    }
}

/// What is about one connection or one proxy, and what the cache says itself.
const NOT_STORED: [HeaderName; 12] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::CONTENT_LENGTH,
    HeaderName::from_static("cf-cache-status"),
];

/// The statuses of which a lifetime may be guessed (RFC 9110, section 15.1), without the one that is a part.
fn is_heuristic(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// The statuses whose meaning for caches is known here: those of RFC 9110 that may be stored whole.
fn is_understood(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200..=205 | 300..=303 | 307 | 308 | 400..=405 | 406 | 408..=417 | 421 | 422 | 426 | 500..=505
    )
}

/// A date (RFC 9110, section 5.6.7), in seconds since 1970.
pub fn date(value: &HeaderValue) -> Option<u64> {
    let time = httpdate::parse_http_date(value.to_str().ok()?).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(|time| time.as_secs())
}

/// The same written.
pub fn http_date(seconds: u64) -> HeaderValue {
    // The last second that has four digits for its year.
    let time = UNIX_EPOCH + Duration::from_secs(seconds.min(253_402_300_799));
    HeaderValue::from_str(&httpdate::fmt_http_date(time)).unwrap_or(HeaderValue::from_static(""))
}

/// A time as it is counted here.
pub fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
