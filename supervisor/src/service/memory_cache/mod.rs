//! A memory cache, as a worker that was given it uses it: by requests that its process makes, of which no script knows.
//!
//! | request | answer |
//! |---|---|
//! | `GET ?key` | 200 with the value, or 404 |
//! | the same with a header `fallback` | 200 with the value; waits while another one is finding it. 202, with a `ticket`, to the one that is to find it: its turn lasts for as long as it holds the body of that answer, in which nothing comes. After a minute of waiting 202 without a `ticket`: whoever waited finds the value for itself |
//! | `PUT ?key` with that `ticket` and maybe `expires` | 204: those that wait have the value, and the cache if it fits; 409 if the turn was over, 413 if the value is too long to be handed on |
//! | `DELETE ?key` | 204: the value is gone, if there was one. Who is finding it goes on |
//!
//! `?key` is the whole query, as it stands. A value is bytes, which are not looked into. What a process does that does not follow
//! these rules harms nobody but those that it shares the cache with, who take from it whatever it says is a value.

mod store;

use std::{
    collections::HashMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use tokio::time::timeout;

pub use self::store::MemoryCache;
use self::store::{Answer, Found, Ticket};
use super::{LocalFuture, Service, ServiceError, ServiceRequest};
use crate::{
    body::{Body, BodyError, PullSource, next_chunk},
    config::{Config, MemoryCacheLimits, Reached, ServiceId, Worker},
};

/// Longest key, in bytes of a query: 2 KiB of text, each byte of it maybe escaped.
const MAX_KEY: usize = 3 * 2048;

/// Longest value that is handed on to those that wait where the cache itself would not keep it, in bytes.
const MAX_HANDED_ON: usize = 1 << 20;

/// The caches that workers were given, for all shards.
#[derive(Debug, Default)]
pub struct MemoryCaches {
    shared: HashMap<String, Arc<MemoryCache>>,
    /// By the worker, and the place among what its bindings reach.
    own: HashMap<(ServiceId, usize), Arc<MemoryCache>>,
}

impl MemoryCaches {
    /// Empty ones.
    pub fn new(config: &Config) -> Self {
        let mut shared = HashMap::<String, MemoryCacheLimits>::new();
        let mut own = HashMap::new();
        for (worker, Worker { bindings, .. }) in config.workers().map(|(id, worker)| (id, &**worker)) {
            for (index, reached) in bindings.iter().flat_map(|binding| binding.value.reached()).enumerate() {
                match reached {
                    Reached::Service(_) => {}
                    Reached::MemoryCache(None, limits) => {
                        own.insert((worker.clone(), index), MemoryCache::new(limits));
                    }
                    Reached::MemoryCache(Some(id), limits) => {
                        let known = shared.entry(id.to_owned()).or_insert(limits);
                        *known = MemoryCacheLimits {
                            max_keys: known.max_keys.max(limits.max_keys),
                            max_value_size: known.max_value_size.max(limits.max_value_size),
                            max_total_value_size: known.max_total_value_size.max(limits.max_total_value_size),
                        };
                    }
                }
            }
        }
        let shared = shared.into_iter().map(|(id, limits)| (id, MemoryCache::new(limits))).collect();
        Self { shared, own }
    }

    /// The one that a worker reaches at a place among what its bindings reach.
    ///
    /// # Panics
    ///
    /// It is not of the configuration that these were made of.
    pub fn of(&self, worker: &ServiceId, index: usize, id: Option<&str>) -> Arc<MemoryCache> {
        match id {
            Some(id) => self.shared[id].clone(),
            None => self.own[&(worker.clone(), index)].clone(),
        }
    }
}

/// How long one waits for what another one is finding.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// A cache as one connection of a process has it.
pub struct MemoryCacheService {
    cache: Arc<MemoryCache>,
    /// One value is received at a time.
    receiving: tokio::sync::Mutex<()>,
    max_wait: Duration,
}

impl MemoryCacheService {
    /// Leads to this cache.
    pub fn new(cache: Arc<MemoryCache>) -> Self {
        Self { cache, receiving: tokio::sync::Mutex::default(), max_wait: MAX_WAIT }
    }

    async fn answer(&self, request: ServiceRequest) -> Response<Body> {
        let (head, body) = request.http.into_parts();
        let Some(key) = head.uri.query().filter(|key| key.len() <= MAX_KEY) else {
            return status(StatusCode::BAD_REQUEST);
        };
        match head.method {
            Method::GET if head.headers.contains_key("fallback") => match self.cache.find(key, now()) {
                Found::Value(value) => found(value),
                Found::Yours(ticket) => turn(ticket),
                Found::Wait(answer) => match timeout(self.max_wait, answer).await {
                    Ok(Ok(Answer::Value(value))) => found(value),
                    Ok(Ok(Answer::Yours(ticket))) => turn(ticket),
                    Ok(Err(_)) => status(StatusCode::NOT_FOUND),
                    Err(_) => status(StatusCode::ACCEPTED),
                },
            },
            Method::GET => self.cache.get(key, now()).map_or_else(|| status(StatusCode::NOT_FOUND), found),
            Method::DELETE => {
                self.cache.remove(key);
                status(StatusCode::NO_CONTENT)
            }
            Method::PUT => status(self.put(key, &head.headers, body).await),
            _ => status(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    async fn put(&self, key: &str, headers: &HeaderMap, body: Body) -> StatusCode {
        let Some(ticket) = number(headers, "ticket") else { return StatusCode::BAD_REQUEST };
        let expires = number(headers, "expires");
        let _receiving = self.receiving.lock().await;
        let limits = self.cache.limits();
        let kept = u64::from(limits.max_value_size).min(limits.max_total_value_size);
        let most = usize::try_from(kept).unwrap_or(usize::MAX).max(MAX_HANDED_ON);
        match collect(body, most).await {
            Ok(Some(value)) => match self.cache.put(key, ticket, value, expires, now()) {
                true => StatusCode::NO_CONTENT,
                false => StatusCode::CONFLICT,
            },
            Ok(None) => StatusCode::PAYLOAD_TOO_LARGE,
            Err(_) => StatusCode::BAD_REQUEST,
        }
    }
}

impl Service for MemoryCacheService {
    fn fetch(&self, request: ServiceRequest) -> LocalFuture<'_, Result<Response<Body>, ServiceError>> {
        Box::pin(async move { Ok(self.answer(request).await) })
    }
}

/// Milliseconds since the Unix epoch.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1000.0
}

fn number<T: std::str::FromStr>(headers: &HeaderMap, name: &str) -> Option<T> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

/// All of a body, if it is at most so long.
async fn collect(mut body: Body, most: usize) -> Result<Option<Bytes>, BodyError> {
    if let Body::Bytes(bytes) = body {
        return Ok((bytes.len() <= most).then_some(bytes));
    }
    let mut bytes = BytesMut::new();
    while let Some(chunk) = next_chunk(&mut body).await {
        let chunk = chunk?;
        if bytes.len() + chunk.len() > most {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes.freeze()))
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response
}

fn found(value: Bytes) -> Response<Body> {
    Response::new(Body::Bytes(value))
}

/// Tells one that it is its turn to find a value.
fn turn(ticket: Ticket) -> Response<Body> {
    let mut response = status(StatusCode::ACCEPTED);
    response.headers_mut().insert("ticket", HeaderValue::from(ticket.number()));
    *response.body_mut() = Body::Pull(Box::pin(Turn { _ticket: ticket }));
    response
}

/// Nothing comes, and the turn ends when nobody holds it any more: when the value was found, or when the event or the process that
/// should have found it is gone.
struct Turn {
    _ticket: Ticket,
}

impl PullSource for Turn {
    fn poll_pull(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(key: &str) -> ServiceRequest {
        let http = http::Request::get(format!("http://cache/?{key}")).header("fallback", "1").body(Body::Empty);
        ServiceRequest { http: http.expect("a request"), cf_json: "".into() }
    }

    /// A process can hold its turn for as long as it likes, and nobody waits for longer than a minute.
    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let limits = MemoryCacheLimits { max_keys: 1, max_value_size: 1, max_total_value_size: 1 };
        let mut service = MemoryCacheService::new(MemoryCache::new(limits));
        service.max_wait = Duration::from_millis(1);
        let first = service.answer(asked("a")).await;
        assert!(first.status() == StatusCode::ACCEPTED && first.headers().contains_key("ticket"));
        let second = service.answer(asked("a")).await;
        assert!(second.status() == StatusCode::ACCEPTED && !second.headers().contains_key("ticket"));
        drop(first);
        assert!(service.answer(asked("a")).await.headers().contains_key("ticket"));
    }
}
