//! Masking (RFC 6455, section 5.3).

/// Bytes masked at a time: what the compiler makes vector instructions of.
const STEP: usize = 32;

/// Masks `bytes`, or takes the mask away. `offset` is how many bytes of the frame came before them.
pub(crate) fn apply(bytes: &mut [u8], key: [u8; 4], offset: usize) {
    let key = u32::from_ne_bytes(key);
    // The key as it is at the first byte, whatever the order of bytes is.
    let bits = (offset % 4 * 8) as u32;
    let key = if cfg!(target_endian = "little") { key.rotate_right(bits) } else { key.rotate_left(bits) }.to_ne_bytes();
    let mut wide = [0; STEP];
    for part in wide.chunks_exact_mut(4) {
        part.copy_from_slice(&key);
    }
    let (steps, rest) = bytes.as_chunks_mut::<STEP>();
    for step in steps {
        for (byte, key) in step.iter_mut().zip(&wide) {
            *byte ^= key;
        }
    }
    for (byte, key) in rest.iter_mut().zip(&wide) {
        *byte ^= key;
    }
}

/// Appends bytes that were masked, without their mask: one pass over them while they are in the processor's nearest cache.
pub(crate) fn append(to: &mut Vec<u8>, bytes: &[u8], key: [u8; 4], offset: usize) {
    copy(to, bytes, |piece| apply(piece, key, offset));
}

/// Appends bytes, piece by piece: some processors take up to twenty times as long for more of them at once, where the destination lies
/// in its page up to 15 bytes behind the source, as it does behind a head. Each piece but the last has a multiple of the key's length.
pub(crate) fn copy(to: &mut Vec<u8>, bytes: &[u8], each: impl Fn(&mut [u8])) {
    const PIECE: usize = 2 << 10;
    for piece in bytes.chunks(PIECE) {
        let start = to.len();
        to.extend_from_slice(piece);
        each(&mut to[start..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_has_its_byte_of_the_key() {
        let key = [0x12, 0x34, 0x56, 0x78];
        for length in 0..100 {
            for offset in 0..9 {
                let bytes: Vec<u8> = (0..length).map(|at| (at * 7) as u8).collect();
                let expected: Vec<u8> =
                    bytes.iter().enumerate().map(|(at, byte)| byte ^ key[(at + offset) % 4]).collect();
                let mut masked = bytes.clone();
                apply(&mut masked, key, offset);
                assert_eq!(masked, expected, "{length} bytes from {offset}");
                let mut appended = b"before".to_vec();
                append(&mut appended, &bytes, key, offset);
                assert_eq!(appended, [b"before", &*expected].concat());
            }
        }
        let long = vec![1; (8 << 10) * 3 + 5];
        let mut appended = Vec::new();
        append(&mut appended, &long, key, 3);
        assert!(appended.iter().enumerate().all(|(at, byte)| *byte == 1 ^ key[(at + 3) % 4]));
    }
}
