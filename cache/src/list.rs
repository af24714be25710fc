//! Lists in headers (RFC 9110, section 5.6.1).

use http::{HeaderMap, HeaderName};

/// The members of all lines of a header, without the white space around them. Those that are empty are left out; commas in quotes are part
/// of a member. A value that is no ASCII text has no members.
pub(crate) fn members(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).flat_map(split)
}

/// The members of one line.
pub(crate) fn split(line: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let is_comma = move |character: char| {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' => return !quoted,
            _ => {}
        }
        false
    };
    line.split(is_comma).map(|member| member.trim_matches([' ', '\t'])).filter(|member| !member.is_empty())
}
