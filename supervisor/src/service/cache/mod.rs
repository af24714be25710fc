//! The service that is a cache: it answers what the Cache API of a worker asks of it, from what the worker has stored in it (RFC 9111).
//!
//! What is asked is HTTP as the reference has it for this: `GET` gives what is stored, or 504; `PUT` stores the response that is its body;
//! `PURGE` takes away what is stored under a URL, or, with `Cache-Tag`, all that has one of these tags. `CF-Cache-Namespace` names one of
//! the worker's caches. It knows neither workers nor the network: it never asks an origin, and each worker has entries that no
//! other one can name.
//!
//! What it keeps is the `store`'s, and what may be kept and used is said by the crate `bulkhead-cache`.

mod body;
mod files;
mod put;
mod store;

use std::{io, sync::Arc};

use bulkhead_cache::{
    file::{MAX_CACHE_NAME, MAX_URL, Response as Stored},
    key::Key,
    reuse::{self, Answer, goes_with_not_modified},
    tags::{self, CACHE_TAG},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use rustix::io::Errno;

use self::{
    body::{OpenFile, part},
    store::{Asked, Content, Entry, Found, Own, now},
};
use super::{LocalFuture, Service, ServiceError, ServiceRequest, disk::on_disk};
use crate::{body::Body, config::ServiceId};

pub use store::Store;

/// Which of a worker's caches is meant, where it is not the default one.
const NAMESPACE: HeaderName = HeaderName::from_static("cf-cache-namespace");

/// The method that takes away.
const PURGE: &[u8] = b"PURGE";

/// The cache of one worker, on one shard.
pub struct CacheService {
    own: Own,
}

impl CacheService {
    /// The cache of the worker of this name. `None` if it has none.
    pub fn new(store: &Arc<Store>, worker: &ServiceId) -> Option<CacheService> {
        Own::of(store, worker).map(|own| CacheService { own })
    }

    async fn answer(&self, request: ServiceRequest) -> Result<Response<Body>, ServiceError> {
        let (head, body) = request.http.into_parts();
        let cache = head.headers.get(NAMESPACE).map(HeaderValue::as_bytes);
        let url = head.uri.to_string();
        if url.len() > MAX_URL || cache.is_some_and(|cache| cache.len() > MAX_CACHE_NAME) {
            return Ok(short(StatusCode::URI_TOO_LONG));
        }
        let key = Key::of(cache, &url);
        match head.method {
            Method::GET | Method::HEAD => Ok(self.give(key, &head.headers, head.method == Method::GET).await),
            Method::PUT => {
                let asked = Asked { cache: cache.map(Bytes::copy_from_slice), url };
                put::put(&self.own, key, asked, &head.headers, body).await
            }
            ref method if method.as_str().as_bytes() == PURGE => self.purge(key, &head.headers).await.map(short),
            _ => Ok(short(StatusCode::METHOD_NOT_ALLOWED)),
        }
    }

    async fn give(&self, key: Key, request: &HeaderMap, is_get: bool) -> Response<Body> {
        let now = now();
        let (mut found, unread) = self.own.find(key, request, now);
        if !unread.is_empty()
            && let Some(permit) = self.own.open_file()
        {
            let (own, request) = (self.own.clone(), request.clone());
            let read = move || {
                let _permit = permit;
                own.read(&unread, &request, now)
            };
            let number = |found: &Option<Found>| found.as_ref().map(|(name, _)| name.number);
            let read = on_disk(read).await;
            found = if number(&read) > number(&found) { read } else { found };
        }
        let Some((name, entry)) = found else { return miss() };
        let Entry { response: stored, content } = &*entry;
        let length = content.length();
        let answer = reuse::answer(request, is_get, stored.status, &stored.headers, &stored.stored, length);
        let (first, count) = match answer {
            Answer::Whole if is_get => (0, length),
            Answer::Part(first, last) => (first, last - first + 1),
            Answer::Whole | Answer::NotModified | Answer::Unsatisfiable => (0, 0),
        };
        let body = match content {
            _ if count == 0 => Body::Empty,
            Content::Memory(pieces, _) => part(pieces, first, count),
            Content::File(seen, _) => {
                let Some(permit) = self.own.open_file() else { return miss() };
                let opened = match self.own.open(name, true) {
                    // It is not in memory, or the kernel is too old to say so.
                    Err(Errno::AGAIN | Errno::INVAL) => {
                        let own = self.own.clone();
                        on_disk(move || own.open(name, false)).await
                    }
                    opened => opened,
                };
                let file = match opened {
                    Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM) => return miss(),
                    opened => opened.ok().and_then(|file| seen.body_of(&file).map(|at| (file, at))),
                };
                let Some((file, at)) = file else {
                    let own = self.own.clone();
                    on_disk(move || own.forget(name)).await;
                    return miss();
                };
                Body::Pull(Box::pin(OpenFile::new(file, at + first, count, permit)))
            }
        };
        respond(stored, length, answer, now, body)
    }

    async fn purge(&self, key: Key, request: &HeaderMap) -> Result<StatusCode, ServiceError> {
        let own = self.own.clone();
        let tags = request.contains_key(CACHE_TAG).then(|| tags::read(request));
        let purge = move || match tags {
            Some(tags) => own.purge(&tags).map(|()| true),
            None => Ok(own.remove(key)),
        };
        let purged: io::Result<bool> = if self.own.has_disk() { on_disk(purge).await } else { purge() };
        match purged {
            Ok(true) => Ok(StatusCode::OK),
            Ok(false) => Ok(StatusCode::NOT_FOUND),
            Err(error) => Err(ServiceError::Exception(format!("the cache: cannot remember a purge: {error}"))),
        }
    }
}

impl Service for CacheService {
    fn fetch(&self, request: ServiceRequest) -> LocalFuture<'_, Result<Response<Body>, ServiceError>> {
        Box::pin(self.answer(request))
    }
}

/// What a request gets of a stored response, of which `body` is the part.
fn respond(stored: &Stored, length: u64, answer: Answer, now: u64, body: Body) -> Response<Body> {
    let mut headers = match answer {
        Answer::NotModified => {
            let has_etag = stored.headers.contains_key(header::ETAG);
            let wanted = |name: &HeaderName| *name == store::STATUS || goes_with_not_modified(name, has_etag);
            let headers = stored.headers.iter().filter(|(name, _)| wanted(name));
            headers.map(|(name, value)| (name.clone(), value.clone())).collect()
        }
        Answer::Unsatisfiable => HeaderMap::from_iter([(store::STATUS, HeaderValue::from_static("HIT"))]),
        Answer::Whole | Answer::Part(..) => stored.headers.clone(),
    };
    headers.insert(header::AGE, stored.stored.age(now).into());
    let status = match answer {
        Answer::NotModified => StatusCode::NOT_MODIFIED,
        Answer::Unsatisfiable => {
            headers.insert(header::CONTENT_RANGE, value(&format!("bytes */{length}")));
            StatusCode::RANGE_NOT_SATISFIABLE
        }
        Answer::Part(first, last) => {
            headers.insert(header::CONTENT_RANGE, value(&format!("bytes {first}-{last}/{length}")));
            headers.insert(header::CONTENT_LENGTH, (last - first + 1).into());
            StatusCode::PARTIAL_CONTENT
        }
        Answer::Whole => stored.status,
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if matches!(answer, Answer::Whole)
        && let Some(reason) = &stored.reason
        && let Ok(reason) = hyper::ext::ReasonPhrase::try_from(reason.clone())
    {
        response.extensions_mut().insert(reason);
    }
    response
}

fn value(text: &str) -> HeaderValue {
    // Digits and signs.
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// What says that nothing is stored (RFC 9111, section 5.2.1.7).
fn miss() -> Response<Body> {
    let mut response = short(StatusCode::GATEWAY_TIMEOUT);
    response.headers_mut().insert(store::STATUS, HeaderValue::from_static("MISS"));
    response
}

/// A response of its status alone.
fn short(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response
}
