use std::io::Read as _;

use bytes::Bytes;
use proptest::prelude::*;

use super::{Codec, CodecError, Format, OUTPUT_MARK, PIECE_BYTES, Strictness, Task};

const FORMATS: [Format; 3] = [Format::Gzip, Format::Deflate, Format::DeflateRaw];

/// Feeds the input in the given chunks, takes output after each.
fn through<'a>(task: Task, chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, CodecError> {
    let mut codec = Codec::new(task);
    let mut out = Vec::new();
    for chunk in chunks {
        codec.push(Bytes::copy_from_slice(chunk))?;
        while let Some(piece) = codec.pull(usize::MAX)? {
            assert!(!piece.is_empty() && piece.len() <= PIECE_BYTES, "{}", piece.len());
            out.extend_from_slice(&piece);
        }
        assert!(!codec.is_behind(), "everything was taken, and input is left");
    }
    codec.finish()?;
    while let Some(piece) = codec.pull(usize::MAX)? {
        out.extend_from_slice(&piece);
    }
    assert!(codec.is_done());
    assert!(codec.engine.is_none(), "its memory is free");
    Ok(out)
}

fn compress(format: Format, bytes: &[u8]) -> Vec<u8> {
    through(Task::Compress(format), [bytes]).expect("compression does not fail")
}

fn decompress(format: Format, bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
    through(Task::Decompress(format, Strictness::Strict), [bytes])
}

#[test]
fn formats_are_what_they_are_called() {
    let text = b"hello hello hello";
    let mut out = String::new();
    flate2::read::GzDecoder::new(&*compress(Format::Gzip, text)).read_to_string(&mut out).expect("gzip");
    flate2::read::ZlibDecoder::new(&*compress(Format::Deflate, text)).read_to_string(&mut out).expect("zlib");
    flate2::read::DeflateDecoder::new(&*compress(Format::DeflateRaw, text)).read_to_string(&mut out).expect("raw");
    assert_eq!(out.as_bytes(), text.repeat(3));
    // No time and no name of a file, made on Unix.
    assert_eq!(compress(Format::Gzip, text)[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
}

#[test]
fn a_bomb_goes_off_piece_by_piece() {
    const SIZE: usize = 200 << 20;
    for format in FORMATS {
        let mut codec = Codec::new(Task::Compress(format));
        let zeros = Bytes::from(vec![0; 1 << 20]);
        let mut bomb = Vec::new();
        for _ in 0..SIZE >> 20 {
            codec.push(zeros.clone()).expect("compression does not fail");
            while let Some(piece) = codec.pull(usize::MAX).expect("compression does not fail") {
                bomb.extend_from_slice(&piece);
            }
        }
        codec.finish().expect("compression does not fail");
        while let Some(piece) = codec.pull(usize::MAX).expect("compression does not fail") {
            bomb.extend_from_slice(&piece);
        }
        assert!(bomb.len() < SIZE / 500, "{format:?}: {}", bomb.len());

        let mut codec = Codec::new(Task::Decompress(format, Strictness::Strict));
        codec.push(bomb.into()).expect("the bomb is fine");
        codec.finish().expect("the bomb is fine");
        let mut total = 0;
        while let Some(piece) = codec.pull(usize::MAX).expect("the bomb is fine") {
            assert!(piece.len() <= PIECE_BYTES);
            let held: usize = codec.output.iter().map(Bytes::len).sum();
            assert_eq!(held, codec.output_bytes);
            assert!(held < OUTPUT_MARK + PIECE_BYTES, "{held} bytes wait");
            assert!(codec.is_behind() || total > SIZE / 2, "the input waits");
            total += piece.len();
        }
        assert_eq!(total, SIZE);
        assert!(codec.is_done());
    }
}

#[test]
fn input_that_ends_early() {
    for format in FORMATS {
        let packed = compress(format, b"hello hello hello");
        for length in 0..packed.len() {
            assert_eq!(decompress(format, &packed[..length]), Err(CodecError::Incomplete), "{format:?} {length}");
            let lenient = through(Task::Decompress(format, Strictness::Lenient), [&packed[..length]]);
            assert!(b"hello hello hello".starts_with(&lenient.expect("it may end early")));
        }
    }
}

#[test]
fn input_that_goes_on() {
    for format in FORMATS {
        let packed = compress(format, b"hello");
        let longer = [&packed[..], b"x"].concat();
        let lenient = Task::Decompress(format, Strictness::Lenient);
        let strict = Task::Decompress(format, Strictness::Strict);
        assert_eq!(decompress(format, &longer), Err(CodecError::Trailing));
        assert_eq!(decompress(format, &packed.repeat(2)), Err(CodecError::Trailing), "one member only");
        assert_eq!(through(strict, [&packed[..], b"x"]), Err(CodecError::Trailing));
        assert_eq!(through(strict, [&packed[..], b""]), Ok(b"hello".to_vec()));
        assert_eq!(through(lenient, [&longer[..]]), Ok(b"hello".to_vec()));
        assert_eq!(through(lenient, [&packed[..], b"x"]), Ok(b"hello".to_vec()));
    }
}

#[test]
fn input_that_is_wrong() {
    for format in FORMATS {
        assert_eq!(decompress(format, b"garbage that is none"), Err(CodecError::Malformed));
    }
    for format in [Format::Gzip, Format::Deflate] {
        let mut packed = compress(format, b"hello");
        let last = packed.len() - 1;
        packed[last] ^= 1;
        assert_eq!(decompress(format, &packed), Err(CodecError::Malformed), "the checksum");
    }
}

#[test]
fn an_error_is_found_behind_the_output_mark() {
    let mut packed = compress(Format::Gzip, &vec![0; 4 << 20]);
    let last = packed.len() - 1;
    packed[last] ^= 1;
    let mut codec = Codec::new(Task::Decompress(Format::Gzip, Strictness::Strict));
    codec.push(packed.into()).expect("it is not found yet");
    let mut total = 0;
    let error = loop {
        match codec.pull(usize::MAX) {
            Ok(piece) => total += piece.expect("there is more").len(),
            Err(error) => break error,
        }
    };
    assert_eq!(error, CodecError::Malformed);
    assert!(total > 3 << 20, "{total}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn there_and_back(bytes in proptest::collection::vec(0_u8..4, 0..5000), size in 1_usize..700) {
        for format in FORMATS {
            let packed = through(Task::Compress(format), bytes.chunks(size)).expect("compression does not fail");
            let task = Task::Decompress(format, Strictness::Strict);
            prop_assert_eq!(through(task, packed.chunks(size)), Ok(bytes.clone()));
        }
    }

    #[test]
    fn any_input_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0_usize..300) {
        for format in FORMATS {
            let mut packed = compress(format, &bytes);
            let at = at % packed.len();
            packed[at] ^= 0x55;
            let _ = decompress(format, &packed);
            let _ = decompress(format, &bytes);
        }
    }
}
