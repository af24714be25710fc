//! URLs as workers saw them before the URL Standard: a scheme, `//`, a host, a path, a query, a fragment. Nothing is encoded or
//! decoded; letters of scheme and host become small, and `.` and `..` in the path are resolved.

/// The normal form of a URL with a scheme and a host. `None` if the text is none.
pub(in crate::api) fn normalize(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once(':')?;
    let mut letters = scheme.chars();
    let starts = letters.next().is_some_and(|first| first.is_ascii_alphabetic());
    if !starts || !letters.all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-' | '.')) {
        return None;
    }
    let rest = rest.strip_prefix("//")?;
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, host) = match authority.split_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    let known = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | ':' | '[' | ']' | '_');
    if !host.chars().all(known) {
        return None;
    }
    let (path, rest) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    let mut out = format!("{}://", scheme.to_ascii_lowercase());
    if let Some(user) = user {
        out += user;
        out.push('@');
    }
    out += &host.to_ascii_lowercase();
    let mut parts = Vec::new();
    let mut trailing = false;
    for part in path.split('/').skip(1) {
        trailing = matches!(part, "." | "..");
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    for part in parts {
        out.push('/');
        out += part;
    }
    if trailing {
        out.push('/');
    }
    // Query and fragment stay as they are.
    out += rest;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::normalize;

    #[test]
    fn as_the_reference() {
        for (text, expected) in [
            ("HTTP://EXAMPLE.com", Some("http://example.com")),
            ("http://a/%7e/../b c", Some("http://a/b c")),
            ("http://a:80/", Some("http://a:80/")),
            ("http://a//b///c", Some("http://a//b///c")),
            ("http://a/./b/.", Some("http://a/b/")),
            ("http://a/b/..", Some("http://a/")),
            ("http://a?x=1&y", Some("http://a?x=1&y")),
            ("http://a/#f g", Some("http://a/#f g")),
            ("http://user:pass@h/", Some("http://user:pass@h/")),
            ("http://", Some("http://")),
            ("https://ex%61mple.com/", None),
            ("mailto:a", None),
            ("/x", None),
            ("http://a\\b", None),
        ] {
            assert_eq!(normalize(text).as_deref(), expected, "{text}");
        }
    }
}
