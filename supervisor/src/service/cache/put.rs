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
    short,
    store::{Entry, Own, head_bytes, now},
};
use crate::{
    body::{Body, next_chunk},
    service::ServiceError,
};

/// Stores what `body` says for a request with these headers. What is not stored is no failure of whoever asked: it gets a status that says
/// why.
pub(super) async fn put(
    own: &Own,
    key: Key,
    request: &HeaderMap,
    mut body: Body,
) -> Result<http::Response<Body>, ServiceError> {
    match store(own, key, request, &mut body).await {
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

const MALFORMED: NotStored = NotStored::Status(StatusCode::BAD_REQUEST);

async fn next(body: &mut Body) -> Result<Option<Bytes>, NotStored> {
    let chunk = next_chunk(body).await.transpose();
    chunk.map_err(|_| NotStored::Failed(ServiceError::BrokenRequest))
}

async fn store(own: &Own, key: Key, request: &HeaderMap, body: &mut Body) -> Result<(), NotStored> {
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
    if !room.grow(head_bytes(&response)) {
        return Err(TOO_LARGE);
    }
    let mut gathered = Gathered::default();
    let mut next_piece = Some(first);
    while let Some(chunk) = next_piece {
        let left = most - gathered.length();
        if chunk.len() as u64 > left {
            return Err(if length.is_some() { MALFORMED } else { TOO_LARGE });
        }
        if !room.grow(chunk.len() as u64) {
            return Err(TOO_LARGE);
        }
        gathered.push(&chunk, length.map(|_| left));
        next_piece = next(body).await?;
    }
    // What broke off is no response (RFC 9111, section 3.3).
    if length.is_some_and(|length| length != gathered.length()) {
        return Err(MALFORMED);
    }
    own.insert(key, Entry::new(response, gathered.finish()), room);
    Ok(())
}
