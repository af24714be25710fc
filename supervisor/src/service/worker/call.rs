//! What the calls for all kinds of event have in common: their time, how they are cancelled, and what failures mean.

use bulkhead_ipc::{
    calls::Call,
    failure::{HUNG, Thrown},
    transport::MAX_LIVE_EVENTS,
    worker_capnp::{event_dispatcher, event_failure},
};
use capnp::{
    capability::{Promise, Response},
    traits::{Owned, Pipelined},
};
use tokio::time::Instant;

use crate::{link::Ticket, service::ServiceError, text::quote};

/// Completes when the supervisor itself ends an event; never without a deadline.
pub(super) async fn overdue(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Waits for the answer to the call `promise`, by which `dispatcher` was told of the event that has the ticket. Dropped before,
/// it has the process end the event.
pub(super) async fn answer<R: Owned + Pipelined + 'static>(
    promise: Promise<Response<R>, capnp::Error>,
    dispatcher: &event_dispatcher::Client,
    ticket: &Ticket,
) -> Result<Response<R>, ServiceError> {
    let (link, number, dispatcher) = (ticket.link(), ticket.number(), dispatcher.clone());
    let cancel = move || {
        let mut request = dispatcher.cancel_request();
        request.get().set_event(number);
        Promise::from_future(async move { request.send().promise.await.map(drop) })
    };
    let call = Call::new(promise, Some(link.connection.clone()), ticket.place().clone(), cancel);
    call.await.map_err(|error| link.failure(&error))
}

/// Longest text about a failure that is kept, in characters.
const MAX_FAILURE: usize = 8 << 10;

/// What a failure means for the event of the worker called `name`.
pub(super) fn read_failure(failure: event_failure::Reader<'_>, name: &str) -> capnp::Result<ServiceError> {
    let message = failure.get_message()?;
    let message: String = String::from_utf8_lossy(message.as_bytes()).chars().take(MAX_FAILURE).collect();
    let text = match failure.get_kind()? {
        event_failure::Kind::Exception
        | event_failure::Kind::PassThrough
        | event_failure::Kind::NoHandler
        | event_failure::Kind::Unanswered => message,
        event_failure::Kind::Hung => HUNG.to_owned(),
        event_failure::Kind::Busy => {
            let text =
                format!("{MAX_LIVE_EVENTS} events live in the process, with those that only wait for waitUntil()");
            return Ok(ServiceError::Unavailable(text));
        }
        event_failure::Kind::Exceeded => return Ok(ServiceError::Exceeded(failure.get_limit()?)),
    };
    Ok(match uncaught(name, &text) {
        ServiceError::Exception(text) if failure.has_thrown() => {
            ServiceError::Threw { text, thrown: Thrown { remote: true, ..Thrown::read(failure.get_thrown()?)? } }
        }
        error => error,
    })
}

/// What the worker called `name` failed with, as the log shows it.
pub(super) fn uncaught(name: &str, text: &str) -> ServiceError {
    ServiceError::Exception(format!("worker \"{}\": Uncaught {text}", quote(name)))
}
