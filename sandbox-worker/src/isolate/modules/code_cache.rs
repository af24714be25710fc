//! The code of the built-in modules, compiled when the program is built: V8 takes it instead of compiling a text, if it comes from
//! the same V8 with the same flags, started from the same snapshot. V8 compares the length of the text alone, so the code stands here with a hash of it.
//!
//! The bytes begin with a row for each module, in the order of the registry: the hash, where its code is and how long it is.

/// The bytes of a row: a hash, a start, a length.
const ROW: usize = 16;

/// Where the code of each module begins is a multiple of this, or V8 would copy it.
const ALIGNMENT: usize = 8;

/// The bytes for modules with these hashes and this code.
pub(super) fn join(modules: Vec<(u64, Vec<u8>)>) -> Vec<u8> {
    let (mut rows, mut code) = (Vec::new(), Vec::new());
    for (hash, module) in &modules {
        let start = modules.len() * ROW + code.len();
        rows.extend(hash.to_le_bytes());
        for number in [start, module.len()] {
            rows.extend(u32::try_from(number).expect("the code of modules is short").to_le_bytes());
        }
        code.extend_from_slice(module);
        code.resize(code.len().next_multiple_of(ALIGNMENT), 0);
    }
    rows.append(&mut code);
    rows
}

/// The code of a module, by its place and the hash of its text; `None` if there is none for this text.
pub(super) fn find(bytes: &'static [u8], place: usize, hash: u64) -> Option<&'static [u8]> {
    let (known, range) = bytes.get(place * ROW..)?.split_first_chunk()?;
    let (start, rest) = range.split_first_chunk()?;
    let (length, _) = rest.split_first_chunk()?;
    let start = usize::try_from(u32::from_le_bytes(*start)).ok()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    if u64::from_le_bytes(*known) != hash {
        return None;
    }
    bytes.get(start..start.checked_add(length)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_found_by_place_and_text() {
        let bytes: &'static [u8] = join(vec![(1, b"first".to_vec()), (u64::MAX, b"second one".to_vec())]).leak();
        assert_eq!(find(bytes, 0, 1), Some(&b"first"[..]));
        assert_eq!(find(bytes, 1, u64::MAX), Some(&b"second one"[..]));
        // Another text of the same length, which V8 would not tell apart.
        assert_eq!(find(bytes, 0, 2), None);
        assert_eq!(find(bytes, 1, 1), None);
        assert_eq!(find(&bytes[..8], 0, 1), None);
        assert_eq!(find(&bytes[..bytes.len() - 8], 1, u64::MAX), None);
        assert_eq!(find(&[], 0, 0), None);
    }
}
