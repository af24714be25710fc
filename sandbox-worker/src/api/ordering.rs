//! Sorting what a script gives: of any length, and so interruptible, which the standard library's is not.

use std::cmp::Ordering;

/// Sorts, stably. If script is interrupted meanwhile, the list stays as it is.
pub(super) fn sort<T>(list: &mut Vec<T>, compare: impl Fn(&T, &T) -> Ordering) {
    let Ok(count) = u32::try_from(list.len()) else { return };
    let mut order: Vec<u32> = (0..count).collect();
    let mut merged = Vec::with_capacity(order.len());
    let is_behind = |left: u32, right: u32| compare(&list[left as usize], &list[right as usize]) == Ordering::Greater;
    let mut width = 1;
    while width < order.len() {
        merged.clear();
        for run in order.chunks(2 * width) {
            let (mut left, mut right) = run.split_at(width.min(run.len()));
            if let (Some(last), Some(first)) = (left.last(), right.first())
                && !is_behind(*last, *first)
            {
                merged.extend_from_slice(run);
                continue;
            }
            while let (Some((first, rest)), Some((second, others))) = (left.split_first(), right.split_first()) {
                if jsg::is_interrupted() {
                    return;
                }
                if is_behind(*first, *second) {
                    merged.push(*second);
                    right = others;
                } else {
                    merged.push(*first);
                    left = rest;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        std::mem::swap(&mut order, &mut merged);
        width *= 2;
    }
    let mut taken: Vec<Option<T>> = std::mem::take(list).into_iter().map(Some).collect();
    list.extend(order.into_iter().filter_map(|index| taken[index as usize].take()));
}

/// By code units, as UTF-16 has them.
pub(super) fn by_utf16(left: &str, right: &str) -> Ordering {
    let mut at = common(left.as_bytes(), right.as_bytes());
    while !left.is_char_boundary(at) || !right.is_char_boundary(at) {
        at -= 1;
    }
    left[at..].encode_utf16().cmp(right[at..].encode_utf16())
}

/// How many bytes are the same at the start of both.
fn common(left: &[u8], right: &[u8]) -> usize {
    let shorter = left.len().min(right.len());
    for start in (0..shorter).step_by(jsg::STRIDE) {
        let end = shorter.min(start + jsg::STRIDE);
        let (left, right) = (&left[start..end], &right[start..end]);
        if left != right || jsg::is_interrupted() {
            return start + left.iter().zip(right).take_while(|(left, right)| left == right).count();
        }
    }
    shorter
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{by_utf16, sort};

    proptest! {
        #[test]
        fn as_the_standard_library_sorts(list in proptest::collection::vec((0_u8..20, any::<u16>()), 0..300)) {
            let (mut ours, mut theirs) = (list.clone(), list);
            sort(&mut ours, |left, right| left.0.cmp(&right.0));
            theirs.sort_by_key(|item| item.0);
            prop_assert_eq!(ours, theirs);
        }

        #[test]
        fn texts_are_compared_by_code_units(left in "[a\u{e9}\u{ea}\u{fb03}\u{1f308}\u{1f309}]{0,6}", right in "[a\u{e9}\u{ea}\u{fb03}\u{1f308}\u{1f309}]{0,6}") {
            prop_assert_eq!(by_utf16(&left, &right), left.encode_utf16().cmp(right.encode_utf16()));
        }
    }
}
