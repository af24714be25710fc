//! The service that is a worker: one call for one event, within the event's time and the request's length.
//!
//! What a worker answers is hostile until it has been read: what no correct worker sends ends its process.

mod call;
mod event;
mod fetch;
mod head;
mod passed;

use std::{rc::Rc, sync::Arc};

use bulkhead_ipc::{failure::Thrown, worker_capnp::Limit};
use http::{StatusCode, header};
use http_body::Body as _;

use self::fetch::{Outgoing, Sent};
use super::{Event, LocalFuture, Outcome, OwnProps, Service, ServiceError, ServiceRequest};
use crate::{
    body::Body,
    config::{ServiceId, policy::INLINE_BODY_BYTES},
    fleet::{DispatcherCache, Member, ShardFleet, counters::Counter},
    link::Link,
    text::quote,
    upgrade::{self, Connect, Transport},
};

/// Answers requests by a worker process. One value for each use of a worker: a socket or a binding, with its entrypoint
/// and parameters.
pub struct WorkerService {
    fleet: ShardFleet,
    member: Arc<Member>,
    entrypoint: Option<String>,
    props_json: Option<String>,
    dispatcher: DispatcherCache,
}

impl WorkerService {
    /// The worker `service` of the fleet, at the named export `entrypoint` or the default one, with `props_json` for
    /// `ctx.props`.
    ///
    /// # Panics
    /// There is no such worker in the configuration that the fleet was started with.
    pub fn new(
        fleet: &ShardFleet,
        service: &ServiceId,
        entrypoint: Option<String>,
        props_json: Option<String>,
    ) -> Self {
        let member = fleet.member(service).clone();
        Self { fleet: fleet.clone(), member, entrypoint, props_json, dispatcher: Default::default() }
    }

    async fn answer(&self, request: ServiceRequest) -> Result<http::Response<Body>, ServiceError> {
        let limit = self.member.worker.policy.request_body_bytes;
        let limit = if limit == 0 { u64::MAX } else { limit };
        let ServiceRequest { http: request, cf_json } = request;
        let (mut parts, body) = request.into_parts();
        let own_props = parts.extensions.remove::<OwnProps>();
        // Where the head says it, the worker never sees the request.
        if body.size_hint().lower() > limit {
            return Err(self.too_long());
        }
        let (entrypoint, props) = (self.entrypoint.as_deref(), self.props_json.as_deref());
        let depth = parts.extensions.get().copied().unwrap_or_default();
        let (ticket, dispatcher) =
            self.dispatcher.begin(&self.fleet, &self.member.id, entrypoint, props, depth).await?;
        let link = ticket.link().clone();
        let announced =
            parts.headers.contains_key(header::CONTENT_LENGTH) || parts.headers.contains_key(header::TRANSFER_ENCODING);
        let outgoing = if upgrade::asks(&parts) {
            Outgoing::exchange(body, &ticket)
        } else {
            let outgoing = Outgoing::prepare(body, announced, INLINE_BODY_BYTES as usize, limit, &ticket).await;
            outgoing.ok_or_else(|| self.too_long())?
        };
        let source = match &outgoing {
            Outgoing::Stream(source, _) => Some(source.clone()),
            _ => None,
        };
        let overdue = call::overdue(ticket.deadline());
        let too_long = async {
            match &source {
                Some(source) => source.too_long().await,
                None => std::future::pending().await,
            }
        };
        let sent = tokio::select! {
            biased;
            () = too_long => Err(self.too_long()),
            sent = self.send(ticket, &dispatcher, (&parts, &cf_json), own_props, outgoing) => sent,
            () = overdue => {
                link.overdue();
                Err(ServiceError::Exceeded(Limit::WallTime))
            }
        };
        drop((source, link));
        match sent? {
            Sent::Response(response) => Ok(response),
            Sent::Passed(passed) => passed.answer(parts, cf_json).await,
        }
    }

    /// Has the worker take a connection.
    async fn connected(&self, request: ServiceRequest) -> Result<http::Response<Body>, ServiceError> {
        if request.http.extensions().get::<Connect>().is_some_and(|connect| connect.transport == Transport::Tls) {
            // The reference's words.
            let text = "Incoming CONNECT with TLS not supported";
            return Err(ServiceError::Threw { text: text.to_owned(), thrown: Thrown::plain(text) });
        }
        let response = self.answer(request).await?;
        match response.status() {
            StatusCode::SWITCHING_PROTOCOLS => Ok(response),
            _ => Err(ServiceError::Exception("a connection was answered with a response".to_owned())),
        }
    }

    fn too_long(&self) -> ServiceError {
        self.member.counters.count(Counter::RequestBody);
        ServiceError::Refused(StatusCode::PAYLOAD_TOO_LARGE, "Payload Too Large".to_owned())
    }
}

impl Service for WorkerService {
    fn fetch(&self, request: ServiceRequest) -> LocalFuture<'_, Result<http::Response<Body>, ServiceError>> {
        Box::pin(self.answer(request))
    }

    fn connect(&self, request: ServiceRequest) -> LocalFuture<'_, Result<http::Response<Body>, ServiceError>> {
        Box::pin(self.connected(request))
    }

    fn event(&self, event: Event) -> LocalFuture<'_, Result<Outcome, ServiceError>> {
        Box::pin(self.deliver(event))
    }

    fn crowded(&self) -> LocalFuture<'_, ()> {
        Box::pin(self.dispatcher.crowded())
    }
}

/// Ends the process that sent what no correct worker sends.
fn violation(link: &Rc<Link>, what: &str) -> ServiceError {
    link.connection.violation(what);
    ServiceError::Unavailable(format!("the worker broke the protocol: {}", quote(what)))
}
