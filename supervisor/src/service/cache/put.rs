//! Storing a response as it comes.

use bulkhead_cache::{
    file::Response,
    key::Key,
    serialized::{Head, HeadReader},
    storing,
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{
    body::Gathered,
    files, short,
    store::{Asked, Entry, Own, WriteError, Writer, head_bytes, now},
};
use crate::{
    body::{Body, next_chunk},
    service::{ServiceError, disk::on_disk},
};

/// Stores what `body` says for a request with these headers. What is not stored is no failure of whoever asked: it gets a status that says
/// why.
pub(super) async fn put(
    own: &Own,
    key: Key,
    asked: Asked,
    request: &HeaderMap,
    mut body: Body,
) -> Result<http::Response<Body>, ServiceError> {
    match store(own, key, asked, request, &mut body).await {
        Ok(()) => Ok(short(StatusCode::NO_CONTENT)),
        Err(NotStored::Status(status)) => Ok(short(status)),
        Err(NotStored::Failed(error)) => Err(error),
    }
}

/// Why a response was not stored.
enum NotStored {
    /// What the worker is told.
    Status(StatusCode),
    Failed(ServiceError),
}

/// There is no room, or there may be none for this one.
const TOO_LARGE: NotStored = NotStored::Status(StatusCode::PAYLOAD_TOO_LARGE);

/// The worker has too many files open.
const TOO_MANY: NotStored = NotStored::Status(StatusCode::TOO_MANY_REQUESTS);

const MALFORMED: NotStored = NotStored::Status(StatusCode::BAD_REQUEST);

async fn next(body: &mut Body) -> Result<Option<Bytes>, NotStored> {
    let chunk = next_chunk(body).await.transpose();
    chunk.map_err(|_| NotStored::Failed(ServiceError::BrokenRequest))
}

async fn store(own: &Own, key: Key, asked: Asked, request: &HeaderMap, body: &mut Body) -> Result<(), NotStored> {
    let mut reader = HeadReader::default();
    let (head, first) = loop {
        let Some(chunk) = next(body).await? else { return Err(MALFORMED) };
        if let Some(read) = reader.push(&chunk).map_err(|_| MALFORMED)? {
            break read;
        }
    };
    drop(reader);
    let Head { status, reason, mut headers, length } = head;
    // As the platform says that a response is none for a cache.
    let stored = storing::store(request, status, &mut headers, now()).map_err(|_| TOO_LARGE)?;
    let response = Response { status, reason, headers, stored };
    let most = length.unwrap_or(own.object_bytes());
    if most > own.object_bytes() {
        return Err(TOO_LARGE);
    }
    let mut room = own.room();
    let mut fits = room.grow(head_bytes(&response)) && (length.unwrap_or(0) <= own.hot_bytes());
    let mut gathered = Gathered::default();
    let mut next_piece = Some(first);
    while let Some(chunk) = next_piece {
        let left = most - gathered.length();
        if chunk.len() as u64 > left {
            return Err(if length.is_some() { MALFORMED } else { TOO_LARGE });
        }
        let is_short = gathered.length() + chunk.len() as u64 <= own.hot_bytes();
        fits = fits && is_short && room.grow(chunk.len() as u64);
        if !fits {
            drop(room);
            return to_disk(own, key, asked, response, gathered, chunk, length, body).await;
        }
        gathered.push(&chunk, length.map(|_| left));
        next_piece = next(body).await?;
    }
    // What broke off is no response (RFC 9111, section 3.3).
    if length.is_some_and(|length| length != gathered.length()) {
        return Err(MALFORMED);
    }
    let content = gathered.finish();
    if !own.has_disk() {
        own.insert(key, Entry::new(response, content), room);
        return Ok(());
    }
    let permit = own.open_file().ok_or(TOO_MANY)?;
    let own = own.clone();
    let write = move || {
        let _permit = permit;
        let mut writer = Writer::begin(&own, key, &asked, response)?;
        for piece in files::pieces(&content) {
            writer = writer.write(piece)?;
        }
        writer.finish(Some((content, room)))
    };
    Ok(on_disk(write).await?)
}

/// Goes on with a response that is not for the memory, after what was gathered of it and the next `chunk`.
#[expect(clippy::too_many_arguments, reason = "it is the rest of a function, with what that knows")]
async fn to_disk(
    own: &Own,
    key: Key,
    asked: Asked,
    response: Response,
    gathered: Gathered,
    chunk: Bytes,
    length: Option<u64>,
    body: &mut Body,
) -> Result<(), NotStored> {
    if !own.has_disk() {
        return Err(TOO_LARGE);
    }
    let _permit = own.open_file().ok_or(TOO_MANY)?;
    let most = length.unwrap_or(own.object_bytes());
    let mut left = most - gathered.length();
    let begun = gathered.finish();
    let begin = {
        let own = own.clone();
        move || {
            let mut writer = Writer::begin(&own, key, &asked, response)?;
            for piece in files::pieces(&begun) {
                writer = writer.write(piece)?;
            }
            Ok::<_, WriteError>(writer)
        }
    };
    let mut writer = on_disk(begin).await?;
    let mut next_piece = Some(chunk);
    while let Some(chunk) = next_piece {
        left = left.checked_sub(chunk.len() as u64).ok_or(if length.is_some() { MALFORMED } else { TOO_LARGE })?;
        writer = on_disk(move || writer.write(&chunk)).await?;
        next_piece = next(body).await?;
    }
    if length.is_some() && left > 0 {
        return Err(MALFORMED);
    }
    Ok(on_disk(move || writer.finish(None)).await?)
}

impl From<WriteError> for NotStored {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NoRoom => TOO_LARGE,
            WriteError::Io(_) => NotStored::Failed(ServiceError::Exception(error.to_string())),
        }
    }
}
