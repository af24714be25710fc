//! What a cache reads: responses in the bodies of `PUT`, its files, the names of these, and what was purged.

use bulkhead_cache::{
    file::{self, BodySum, Response},
    key::{Key, Name, directory_of},
    serialized::{Head, HeadReader, MAX_HEAD, MAX_HEADERS, Malformed},
    storing,
    tags::{MAX_PURGES, Purged, Tag},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use proptest::prelude::*;

/// Reads a response that comes in pieces of this size.
fn read(bytes: &[u8], piece: usize) -> Result<Option<(Head, Vec<u8>)>, Malformed> {
    let mut reader = HeadReader::default();
    let mut pieces = bytes.chunks(piece);
    while let Some(next) = pieces.next() {
        if let Some((head, rest)) = reader.push(next)? {
            let rest = pieces.fold(rest.to_vec(), |mut rest, next| {
                rest.extend_from_slice(next);
                rest
            });
            return Ok(Some((head, rest)));
        }
    }
    Ok(None)
}

#[test]
fn a_response_is_read_however_it_comes() {
    let text = b"HTTP/1.1 200 Fine\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhe\r\n\r\nllo";
    for piece in [1, 2, 3, 4, 5, 7, 48, 1000] {
        let (head, rest) = read(text, piece).expect("a response").expect("a whole head");
        assert_eq!((head.status, head.reason.as_deref(), head.length), (StatusCode::OK, Some(&b"Fine"[..]), Some(5)));
        assert_eq!(head.headers["x-a"], "b");
        assert_eq!(rest, b"he\r\n\r\nllo");
    }
    let (head, rest) = read(b"HTTP/1.1 204 No Content\r\n\r\n", 3).expect("a response").expect("a head");
    assert_eq!((head.status.as_u16(), head.reason, head.length, rest), (204, None, None, vec![]));
}

#[test]
fn what_is_no_response_is_refused() {
    for (text, expected) in [
        ("", Ok(false)),
        ("HTTP/1.1 200 OK\r\nX: y\r\n", Ok(false)),
        ("HTTP/1.1 200 OK\n\n", Ok(false)),
        ("GET / HTTP/1.1\r\n\r\n", Err(Malformed::Head)),
        ("HTTP/1.1 2x0 OK\r\n\r\n", Err(Malformed::Head)),
        ("HTTP/1.1 099 OK\r\n\r\n", Err(Malformed::Head)),
        ("HTTP/1.1 200 OK\r\nno header\r\n\r\n", Err(Malformed::Head)),
        ("HTTP/1.1 200 OK\r\na b: c\r\n\r\n", Err(Malformed::Head)),
        ("HTTP/1.1 200 OK\r\na: \0\r\n\r\n", Err(Malformed::Head)),
        ("HTTP/1.1 200 OK\n\nHTTP/1.1 200 OK\r\n\r\n", Err(Malformed::Head)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", Err(Malformed::Length)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", Ok(true)),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Err(Malformed::Length)),
        ("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", Err(Malformed::Length)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", Err(Malformed::Length)),
        ("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", Err(Malformed::Length)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", Err(Malformed::Length)),
    ] {
        assert_eq!(read(text.as_bytes(), 7).map(|read| read.is_some()), expected, "{text:?}");
    }
    let head = |line: &str, count: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", line.repeat(count)).into_bytes();
    assert!(read(&head("a: b\r\n", MAX_HEADERS), 1000).expect("as many as there may be").is_some());
    assert_eq!(read(&head("a: b\r\n", MAX_HEADERS + 1), 1000), Err(Malformed::TooLong));
    assert_eq!(read(&head(&format!("a: {}\r\n", "b".repeat(MAX_HEAD)), 1), 1000), Err(Malformed::TooLong));
    // It is not waited for what does not come.
    assert_eq!(read(&vec![b'a'; MAX_HEAD + 1], 1000), Err(Malformed::TooLong));
}

fn response(extra: &[(&'static str, &str)], varies: bool) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert("cache-control", HeaderValue::from_static("max-age=60"));
    for (name, value) in extra {
        headers.append(*name, HeaderValue::from_str(value).expect("a value"));
    }
    let mut request = HeaderMap::new();
    if varies {
        headers.insert("vary", HeaderValue::from_static("accept, accept-language"));
        request.insert("accept-language", HeaderValue::from_static("de"));
    }
    let stored = storing::store(&request, StatusCode::OK, &mut headers, 1_000_000_000).expect("it is stored");
    Response { status: StatusCode::OK, reason: Some(Bytes::from_static(b"Fine")), headers, stored }
}

/// The file of a response with this body.
fn file_of(response: &Response, body: &[u8]) -> Vec<u8> {
    let mut sum = BodySum::default();
    sum.update(body);
    let mut file = file::beginning(Some(b"named"), "https://example.com/a", response);
    file.extend_from_slice(body);
    file.extend(sum.trailer());
    file
}

fn key() -> Key {
    Key::of(Some(b"named"), "https://example.com/a")
}

/// What a file says, if it is as it was written.
fn read_file(file: &[u8], key: Key) -> Option<(Response, Vec<u8>)> {
    let layout = file::layout(file.first_chunk()?, file.len() as u64)?;
    let response = file::read_head(&file[file::PRELUDE..][..layout.head], &layout, key)?;
    let body = &file[layout.body_at as usize..][..layout.body as usize];
    let mut sum = BodySum::default();
    sum.update(body);
    (sum.trailer() == file[file.len() - file::TRAILER..]).then(|| (response, body.to_vec()))
}

#[test]
fn a_file_is_read_as_it_was_written() {
    for varies in [false, true] {
        let response = response(&[("cache-tag", "a, b"), ("etag", "\"x\""), ("x-a", "1"), ("x-a", "2")], varies);
        let file = file_of(&response, b"hello");
        assert_eq!(read_file(&file, key()), Some((response, b"hello".to_vec())));
        assert_eq!(read_file(&file, Key::of(None, "https://example.com/a")), None);
        assert_eq!(read_file(&file, Key::of(Some(b"named"), "https://example.com/b")), None);
    }
}

#[test]
fn a_file_that_is_not_as_it_was_written_is_nothing() {
    let file = file_of(&response(&[], true), b"hello");
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut broken = file.clone();
            broken[at] ^= 1 << bit;
            assert_eq!(read_file(&broken, key()), None, "bit {bit} of byte {at}");
        }
        assert_eq!(read_file(&file[..at], key()), None, "the first {at} bytes");
    }
    let mut longer = file.clone();
    longer.push(0);
    assert_eq!(read_file(&longer, key()), None);
}

#[test]
fn names_of_files_are_read_back_and_nothing_else_is() {
    let name = Name { key: key(), variant: 7, number: u64::MAX };
    let text = name.to_text();
    assert_eq!(Name::from_text(text.as_bytes()), Some(name));
    assert_eq!(Name::from_text(text.to_uppercase().as_bytes()), None);
    assert_eq!(Name::from_text(&text.as_bytes()[1..]), None);
    assert_eq!(Name::from_text(format!("+{}", &text[1..]).as_bytes()), None);
    assert_ne!(directory_of("a"), directory_of("b"));
    // The default cache is not the one without a name, and a name does not run into the URL.
    assert_ne!(Key::of(None, "x"), Key::of(Some(b""), "x"));
    assert_ne!(Key::of(Some(b"ab"), "c"), Key::of(Some(b"a"), "bc"));
}

#[test]
fn what_was_purged_is_remembered() {
    let (a, b) = (Tag::named("a"), Tag::named("B"));
    assert_eq!(b, Tag::named("b"));
    let mut purged = Purged::default();
    purged.purge(a, 10);
    assert!(purged.covers(&[b, a], 9));
    assert!(!purged.covers(&[b, a], 10) && !purged.covers(&[b], 9) && !purged.covers(&[], 9));
    assert_eq!(Purged::from_bytes(&purged.to_bytes()), Some(purged.clone()));
    // Too many are one that goes further.
    for number in 0..=MAX_PURGES as u64 {
        purged.purge(Tag(number), 100 + number);
    }
    assert!(purged.covers(&[b], 100) && !purged.covers(&[], 100) && !purged.covers(&[b], 100 + MAX_PURGES as u64));
    let bytes = purged.to_bytes();
    assert_eq!(Purged::from_bytes(&bytes), Some(purged));
    for at in 0..bytes.len().min(100) {
        let mut broken = bytes.clone();
        broken[at] ^= 1;
        assert_eq!(Purged::from_bytes(&broken), None);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300), piece in 1..50_usize) {
        let _ = read(&bytes, piece);
        let _ = read_file(&bytes, key());
        let _ = Purged::from_bytes(&bytes);
        let _ = Name::from_text(&bytes);
    }
}
