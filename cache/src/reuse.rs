//! When a stored response is used, and what a request is answered with (RFC 9111, sections 4 and 4.3.2; RFC 9110, sections 13 and 14).

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::{
    control::{Control, Scope},
    list::members,
    storing::{Stored, date},
};

/// Whether a stored response may be used for a request with these headers, as far as its age goes.
pub fn is_usable(stored: &Stored, request: &HeaderMap, now: u64) -> bool {
    let age = stored.age(now);
    let fresh_for = stored.lifetime.saturating_sub(age);
    if fresh_for == 0 {
        return false;
    }
    if !request.contains_key(header::CACHE_CONTROL) {
        return true;
    }
    let wish = Control::read(request);
    wish.no_cache == Scope::Nothing
        && wish.max_age.is_none_or(|most| age <= most)
        && wish.min_fresh.is_none_or(|least| fresh_for >= least)
}

/// What of a stored response a request is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// All of it.
    Whole,
    /// That the client has it already: `304`.
    NotModified,
    /// The bytes from the first to the last, both included: `206`.
    Part(u64, u64),
    /// That there are no such bytes: `416`.
    Unsatisfiable,
}

/// What a request is answered with. `is_get` is false for `HEAD`, of which ranges mean nothing. `length` is the body's.
pub fn answer(
    request: &HeaderMap,
    is_get: bool,
    status: StatusCode,
    headers: &HeaderMap,
    stored: &Stored,
    length: u64,
) -> Answer {
    let conditional = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::RANGE];
    // Conditions are about what succeeds (RFC 9110, section 13.2.1).
    if !status.is_success() || !conditional.iter().any(|name| request.contains_key(name)) {
        return Answer::Whole;
    }
    if is_not_modified(request, headers, stored) {
        return Answer::NotModified;
    }
    if !is_get || status != StatusCode::OK || !range_applies(request, headers) {
        return Answer::Whole;
    }
    let mut ranges = request.get_all(header::RANGE).iter();
    match (ranges.next().map(HeaderValue::to_str), ranges.next()) {
        (Some(Ok(range)), None) => part(range, length),
        _ => Answer::Whole,
    }
}

/// Section 4.3.2.
fn is_not_modified(request: &HeaderMap, headers: &HeaderMap, stored: &Stored) -> bool {
    if request.contains_key(header::IF_NONE_MATCH) {
        let etag = headers.get(header::ETAG).and_then(|etag| etag.to_str().ok());
        let mut candidates = members(request, header::IF_NONE_MATCH);
        return candidates
            .any(|candidate| candidate == "*" || etag.is_some_and(|etag| opaque(etag) == opaque(candidate)));
    }
    let mut since = request.get_all(header::IF_MODIFIED_SINCE).iter();
    let (Some(since), None) = (since.next().and_then(date), since.next()) else { return false };
    let modified = headers.get(header::LAST_MODIFIED).and_then(date);
    let modified = modified.or_else(|| headers.get(header::DATE).and_then(date)).unwrap_or(stored.received);
    modified <= since
}

/// An entity tag without what makes it weak.
fn opaque(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag)
}

/// `If-Range` (RFC 9110, section 13.1.5): what it names must be exactly this response.
fn range_applies(request: &HeaderMap, headers: &HeaderMap) -> bool {
    let Some(validator) = request.get(header::IF_RANGE) else { return true };
    let Ok(validator_text) = validator.to_str() else { return false };
    if validator_text.starts_with("W/") {
        return false;
    }
    if validator_text.starts_with('"') {
        return headers.get(header::ETAG).is_some_and(|etag| etag == validator);
    }
    let of = |name: HeaderName| headers.get(name).and_then(date);
    match (date(validator), of(header::LAST_MODIFIED), of(header::DATE)) {
        // A date says which one it is if it could not change again in the same second (section 8.8.2.2).
        (Some(asked), Some(modified), Some(date)) => asked == modified && date > modified,
        _ => false,
    }
}

/// One range of bytes (RFC 9110, section 14.1.2). Several, and what is none, are answered with the whole.
fn part(range: &str, length: u64) -> Answer {
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let Some((unit, set)) = range.split_once('=') else { return Answer::Whole };
    let Some((first, last)) = set.split_once('-') else { return Answer::Whole };
    let (first, last) = (first.trim_matches([' ', '\t']), last.trim_matches([' ', '\t']));
    if !unit.eq_ignore_ascii_case("bytes") {
        return Answer::Whole;
    }
    let (first, last) = match (first.is_empty(), last.is_empty(), number(first), number(last)) {
        (true, false, _, Some(0)) => return Answer::Unsatisfiable,
        (true, false, _, Some(_)) if length == 0 => return Answer::Unsatisfiable,
        (true, false, _, Some(suffix)) => (length - suffix.min(length), length - 1),
        (false, true, Some(first), _) => (first, u64::MAX),
        (false, false, Some(first), Some(last)) if first <= last => (first, last),
        _ => return Answer::Whole,
    };
    if first >= length { Answer::Unsatisfiable } else { Answer::Part(first, last.min(length - 1)) }
}

/// Whether a header goes with `304` (RFC 9110, section 15.4.5).
pub fn goes_with_not_modified(name: &HeaderName, has_etag: bool) -> bool {
    [
        header::CACHE_CONTROL,
        header::CONTENT_LOCATION,
        header::DATE,
        header::ETAG,
        header::EXPIRES,
        header::VARY,
        crate::tags::CACHE_TAG,
    ]
    .contains(name)
        || !has_etag && *name == header::LAST_MODIFIED
}
