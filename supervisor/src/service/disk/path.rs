//! From the path of a URL to the names on the way to a file. Nothing here asks the file system.

use std::{ffi::OsString, os::unix::ffi::OsStringExt};

/// The names that the path of a URL stands for; none for the directory itself. `None` when a path cannot mean a file: it has
/// an empty name, or one with a byte that no name has.
///
/// Segments that are dots are resolved as in any URL (URL Standard, section 4.4), so that none is left.
pub fn names(path: &str) -> Option<Vec<OsString>> {
    let mut segments: Vec<&str> = Vec::new();
    // After a slash at the end comes an empty segment, which is not a name.
    let mut ends_open = true;
    for segment in path.strip_prefix('/').unwrap_or(path).split(['/', '\\']) {
        ends_open = false;
        match dots(segment) {
            Some(1) => ends_open = true,
            Some(_) => {
                segments.pop();
                ends_open = true;
            }
            None => segments.push(segment),
        }
    }
    if !ends_open && segments.last() == Some(&"") {
        segments.pop();
    }
    segments.into_iter().map(name).collect()
}

/// How many dots a segment consists of, if it is one or two and nothing else.
fn dots(segment: &str) -> Option<usize> {
    let plain = segment.replace("%2e", ".").replace("%2E", ".");
    (plain == "." || plain == "..").then_some(plain.len())
}

/// The name that a segment stands for.
fn name(segment: &str) -> Option<OsString> {
    let (mut bytes, mut rest) = (Vec::with_capacity(segment.len()), segment.as_bytes());
    while let [first, tail @ ..] = rest {
        let escaped = match tail {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    let possible = !bytes.is_empty() && !bytes.contains(&b'/') && !bytes.contains(&0);
    possible.then(|| OsString::from_vec(bytes))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// Whether a name is that of a dot file.
pub(super) fn is_dot_file(name: &OsString) -> bool {
    name.as_encoded_bytes().first() == Some(&b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(path: &str) -> Option<Vec<String>> {
        Some(names(path)?.into_iter().map(|name| name.to_string_lossy().into_owned()).collect())
    }

    #[test]
    fn paths_are_resolved_before_anybody_looks() {
        let table: &[(&str, Option<&[&str]>)] = &[
            ("/", Some(&[])),
            ("", Some(&[])),
            ("/a", Some(&["a"])),
            ("/a/", Some(&["a"])),
            ("/a/b.txt", Some(&["a", "b.txt"])),
            ("/a%20b", Some(&["a b"])),
            ("/%41%2f", None),
            ("/a%2fb", None),
            ("/a%00b", None),
            ("//a", None),
            ("/a//b", None),
            ("/a//", None),
            ("/%zz", Some(&["%zz"])),
            ("/%4", Some(&["%4"])),
            ("/%", Some(&["%"])),
            ("/a/../b", Some(&["b"])),
            ("/a/%2e%2E/b", Some(&["b"])),
            ("/a/.%2e/b", Some(&["b"])),
            ("/../../b", Some(&["b"])),
            ("/a/./b/.", Some(&["a", "b"])),
            ("/a/b/..", Some(&["a"])),
            ("/..", Some(&[])),
            ("/a\\..\\b", Some(&["b"])),
            ("/%252e%252e/b", Some(&["%2e%2e", "b"])),
            ("/...", Some(&["..."])),
        ];
        for (path, expected) in table {
            let expected = expected.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
            assert_eq!(texts(path), expected, "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_name_leads_anywhere(path in "[/.%2eEfFa\\\\]{0,30}") {
            for name in names(&path).unwrap_or_default() {
                let name = name.to_string_lossy();
                proptest::prop_assert!(name != "." && name != ".." && !name.is_empty() && !name.contains(['/', '\0']));
            }
        }
    }
}
