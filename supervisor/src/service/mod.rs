//! What a socket, a binding, a schedule or another service can send a request or an event to.
//!
//! [`Service`] is one trait for every kind, so that a socket, a binding and a service in front of another are the same
//! thing. A service value belongs to one shard: it is neither `Send` nor `Sync`, and a request stays on the shard that
//! accepted it.
//!
//! The trait knows bodies and nothing else of this program: neither processes nor sockets. A kind of service has a file of its
//! own, and `graph` alone knows all of them.

pub mod broken;
pub mod cache;
pub mod disk;
pub mod external;
pub mod graph;
pub mod memory_cache;
pub mod network;
pub mod worker;

use std::{future::Future, pin::Pin, rc::Rc};

use bulkhead_ipc::{bench::Bench, failure::Thrown, limit, scheduled::Scheduled, worker_capnp::Limit};

use crate::body::Body;

/// A future that stays on its shard.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A request on its way to a service.
///
/// The URI is absolute. Hop-by-hop headers have been removed and header injection has been applied by the socket.
#[derive(Debug)]
pub struct ServiceRequest {
    /// Method, absolute URI, headers, body.
    pub http: http::Request<Body>,
    /// JSON for `request.cf`; empty for none. All requests of a connection may have the same.
    pub cf_json: Rc<str>,
}

/// How many workers have called one another for a request to come here: an extension of requests that a worker has made. What comes
/// from outside has none, and a depth of 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth(pub u8);

/// What `ctx.props` is to be for a request of a worker to itself, as it has written that: an extension of such requests.
#[derive(Debug, Clone)]
pub(crate) struct OwnProps(pub(crate) bytes::Bytes);

/// Why a service gave no response.
///
/// The display text is for the log. What a client sees is decided by the socket from the variant alone, so that no
/// internals leak.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The handler threw: the client gets `500 Internal Server Error`. The text names the worker and what was thrown, with
    /// its stack in further lines.
    #[error("{0}")]
    Exception(String),
    /// As [`Self::Exception`], and what another worker is told of it, if it was one that asked.
    #[error("{text}")]
    Threw {
        /// For the log.
        text: String,
        /// For the worker that asked.
        thrown: Thrown,
    },
    /// The worker process died, is being restarted or could not be started: the client gets `503 Service Unavailable`.
    #[error("the worker is unavailable: {0}")]
    Unavailable(String),
    /// The event was ended because it exceeded a limit of its worker: the client gets `503` with the text for the limits on
    /// time and memory, and the same as for an exception otherwise.
    #[error("{}", limit::text(*.0))]
    Exceeded(Limit),
    /// The client's request cannot be carried: the client gets the status.
    #[error("the request was refused: {1}")]
    Refused(http::StatusCode, String),
    /// The client broke its request's body off, or wrote it so that it cannot be read, and the handler could not do
    /// without: the connection is closed without an answer, as the reference does.
    #[error("the request's body broke off")]
    BrokenRequest,
    /// What the service sent the request to was lost, or was never reached: the connection is closed without an answer, as the
    /// reference does. Scripts get `Network connection lost.`
    #[error("{0}")]
    Disconnected(String),
    /// There is nothing that the request can be sent to: its name has no address, or the address is not one that the service may
    /// connect to. The client gets `500 Internal Server Error`; scripts get an internal error that does not say more.
    #[error("{0}")]
    Unreachable(String),
    /// The service takes no events of this kind: the client gets `500 Internal Server Error`.
    #[error("this service takes no {0} events")]
    NoSuchEvent(&'static str),
    /// What the service would have to do for it is not built yet: the client gets `501 Not Implemented`.
    #[error("{0}")]
    NotSupported(String),
}

/// What a service is told beside requests. There is no client behind it, and nobody who tries again.
#[derive(Debug, Clone)]
pub enum Event {
    /// The time of a schedule has come.
    Scheduled(Scheduled),
    /// A test of its own is to be run.
    Test,
    /// Benchmarks of its own are to be run.
    Bench(Bench),
}

impl Event {
    /// The kind, as the handler for it is called.
    pub fn kind(&self) -> &'static str {
        match self {
            Event::Scheduled(_) => "scheduled",
            Event::Test => "test",
            Event::Bench(_) => "bench",
        }
    }

    /// What of a service has it happen, in the words of the log. Of events that share it, only so many go on at once.
    pub fn cause(&self) -> String {
        match self {
            Event::Scheduled(run) => format!("schedule \"{}\"", run.cron),
            Event::Test => "test".to_owned(),
            Event::Bench(_) => "bench".to_owned(),
        }
    }
}

/// What came of an event that a handler was run for.
#[derive(Debug)]
pub struct Outcome {
    /// What the handler failed with, if it did.
    pub failure: Option<ServiceError>,
    /// Whether the handler said that nobody is to try again, even if it failed.
    pub no_retry: bool,
    /// What benchmarks reported: JSON, in the worker's words.
    pub report: Option<String>,
}

/// Why a response is what it is, for the log: what the handler threw before its request was passed on.
#[derive(Debug, Clone)]
pub(crate) struct PassedThrough(pub(crate) String);

/// Something that answers requests and takes events, on one shard.
pub trait Service {
    /// Answers one request. Dropping the future, or later the response's body, cancels the work for it.
    fn fetch(&self, request: ServiceRequest) -> LocalFuture<'_, Result<http::Response<Body>, ServiceError>>;

    /// Answers a request of method `CONNECT` (`upgrade::Connect`) with a connection, as a response of status 101. Dropping the future
    /// cancels it.
    fn connect(&self, request: ServiceRequest) -> LocalFuture<'_, Result<http::Response<Body>, ServiceError>> {
        drop(request);
        Box::pin(std::future::ready(Err(ServiceError::NoSuchEvent("connect"))))
    }

    /// Runs the handler for an event to its end. Dropping the future cancels it.
    fn event(&self, event: Event) -> LocalFuture<'_, Result<Outcome, ServiceError>> {
        Box::pin(std::future::ready(Err(ServiceError::NoSuchEvent(event.kind()))))
    }

    /// Resolves when a request waits for others to end, and whoever asks is to end one that nobody may be waiting for.
    fn crowded(&self) -> LocalFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
}
