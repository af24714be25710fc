//! What a cache reads: its files, and the responses that workers store.

use bulkhead_cache::{
    file::{self, BodySum, PRELUDE, Response},
    key::{Key, Name},
    serialized::{HeadReader, MAX_HEAD},
    storing::{self, http_date},
    tags::Purged,
    vary::Selection,
};

/// When everything happens.
const NOW: u64 = 1_000_000_000;

/// The file of a response, as a cache writes it.
fn written(response: &Response, body: &[u8]) -> Vec<u8> {
    let mut sum = BodySum::default();
    sum.update(body);
    let mut bytes = file::beginning(None, "http://a/", response);
    bytes.extend_from_slice(body);
    bytes.extend(sum.trailer());
    bytes
}

/// What a file says, as far as it is one.
fn read(bytes: &[u8], key: Key) -> Option<(Response, &[u8])> {
    let layout = file::layout(bytes.first_chunk()?, bytes.len() as u64)?;
    let response = file::read_head(&bytes[PRELUDE..][..layout.head], &layout, key)?;
    let body = &bytes[layout.body_at as usize..][..layout.body as usize];
    let mut sum = BodySum::default();
    sum.update(body);
    bytes.ends_with(&sum.trailer()).then_some((response, body))
}

/// Bytes of a file, the head of one with the sums that it should have, a list of purges, or the name of a file: they are what a cache would write, or
/// nothing.
pub fn cache_file(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let key = Key::of(None, "http://a/");
    match choice % 4 {
        0 => drop(read(bytes, key)),
        1 => {
            // The sums are right, so that what is read is the head itself.
            let mut whole = Vec::new();
            whole.extend(b"BHcache1");
            whole.extend((bytes.len() as u32).to_le_bytes());
            whole.extend(sum_of(bytes).to_le_bytes());
            whole.extend_from_slice(bytes);
            whole.extend(BodySum::default().trailer());
            if let Some((response, body)) = read(&whole, key) {
                assert!(body.is_empty(), "there was none");
                let again = written(&response, b"body");
                assert_eq!(read(&again, key), Some((response, &b"body"[..])), "it is read as it was written");
            }
        }
        2 => {
            if let Some(purged) = Purged::from_bytes(bytes) {
                assert_eq!(Purged::from_bytes(&purged.to_bytes()), Some(purged));
            }
        }
        _ => {
            if let Some(name) = Name::from_text(bytes) {
                assert_eq!(name.to_text().as_bytes(), bytes, "a file has one name");
            }
        }
    }
}

/// CRC-32, a bit at a time.
fn sum_of(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum: u32, _| sum >> 1 ^ if sum & 1 == 1 { 0xEDB8_8320 } else { 0 })
    })
}

/// A response as the body of a `PUT`, in pieces of a length: it is read the same however it comes; what is stored of it is fresh, and says the same in its file.
pub fn cache_put(bytes: &[u8]) {
    let Some((length, bytes)) = bytes.split_first() else { return };
    let pieces = |length: usize| {
        let mut reader = HeadReader::default();
        for (index, piece) in bytes.chunks(length).enumerate() {
            match reader.push(piece) {
                Ok(None) => assert!((index + 1) * length <= MAX_HEAD + length, "it is not waited for"),
                Ok(Some((head, rest))) => {
                    return Ok(Some((head, rest.len() + bytes.len().saturating_sub((index + 1) * length))));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    };
    let whole = pieces(bytes.len().max(1));
    assert_eq!(pieces(usize::from(*length).max(1)), whole, "it matters how it comes");
    let Ok(Some((mut head, _))) = whole else { return };
    let request = head.headers.clone();
    let Ok(stored) = storing::store(&request, head.status, &mut head.headers, NOW) else { return };
    assert!(stored.age(NOW) < stored.lifetime, "it is stale");
    assert!(stored.selection.matches(&request), "it is not for who asked for it");
    assert_eq!(Selection::of(&head.headers, &request).as_ref(), Ok(&stored.selection));
    assert!(!head.headers.contains_key("set-cookie") && !head.headers.contains_key("connection"));
    assert_eq!(storing::date(&http_date(stored.received)), Some(stored.received));
    let response = Response { status: head.status, reason: head.reason, headers: head.headers, stored };
    let file = written(&response, b"body");
    let read = read(&file, Key::of(None, "http://a/"));
    assert_eq!(read, Some((response, &b"body"[..])), "it is read as it was written");
}
