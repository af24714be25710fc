//! `Range` as the reference reads it (RFC 9110, section 14): one range is answered as such, anything else as a whole.

/// What a header asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// All of it.
    Whole,
    /// The bytes from the first to the last, both included; never all that there are.
    Part(u64, u64),
    /// Nothing that there is.
    Nothing,
}

/// What a header asks of so many bytes.
pub fn read(header: &[u8], length: u64) -> Asked {
    let Ok(header) = std::str::from_utf8(header) else { return Asked::Nothing };
    // Several ranges would be several parts, which nobody is sent.
    if header.contains(',') {
        return Asked::Whole;
    }
    match one(header, length) {
        Some((0, last)) if last == length - 1 => Asked::Whole,
        Some((first, last)) => Asked::Part(first, last),
        None => Asked::Nothing,
    }
}

/// The one range of a header, of what there is.
fn one(header: &str, length: u64) -> Option<(u64, u64)> {
    let (unit, range) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() {
        let suffix = last.parse::<u64>().ok()?.min(length);
        return (suffix > 0).then(|| (length - suffix, length - 1));
    }
    let first = first.parse::<u64>().ok()?;
    let last = if last.is_empty() { u64::MAX } else { last.parse().ok()? };
    (first <= last && first < length).then(|| (first, last.min(length - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        use Asked::{Nothing, Part, Whole};
        for (header, expected) in [
            ("bytes=0-9", Part(0, 9)),
            ("bytes=90-", Part(90, 99)),
            ("bytes=-5", Part(95, 99)),
            ("bytes=99-1000", Part(99, 99)),
            ("Bytes = 1-1 ", Part(1, 1)),
            ("bytes=0-", Whole),
            ("bytes=0-99", Whole),
            ("bytes=0-1000", Whole),
            ("bytes=-1000", Whole),
            ("bytes=0-0,5-6", Whole),
            ("bytes=200-,300-", Whole),
            ("bytes=1 - 2", Part(1, 2)),
            ("bytes=+1-2", Part(1, 2)),
            ("bytes=200-", Nothing),
            ("bytes=-0", Nothing),
            ("bytes=50-10", Nothing),
            ("bytes=", Nothing),
            ("bytes=a-b", Nothing),
            ("bytes=1-b", Nothing),
            ("items=0-1", Nothing),
            ("junk", Nothing),
            ("", Nothing),
            ("bytes=99999999999999999999-", Nothing),
            ("bytes=1-99999999999999999999", Nothing),
        ] {
            assert_eq!(read(header.as_bytes(), 100), expected, "{header}");
        }
        for header in ["bytes=0-0", "bytes=-1", "bytes=0-"] {
            assert_eq!(read(header.as_bytes(), 0), Nothing, "{header}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_part_is_a_part(header in "(bytes=)?[0-9,-]{0,20}", length in 0..200_u64) {
            if let Asked::Part(first, last) = read(header.as_bytes(), length) {
                proptest::prop_assert!(first <= last && last < length && last - first + 1 < length);
            }
        }
    }
}
