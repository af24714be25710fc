//! What the calls for all kinds of event have in common: their time, how they are cancelled, and what failures mean.

use bulkhead_ipc::{
    transport::MAX_LIVE_EVENTS,
    worker_capnp::{event_dispatcher, event_failure},
};
use capnp::capability::Promise;
use tokio::time::Instant;

use crate::{service::ServiceError, text::quote};

/// Completes when the supervisor itself ends an event; never without a deadline.
pub(super) async fn overdue(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Has the process end an event that nobody waits for any more.
pub(super) fn cancel(
    dispatcher: &event_dispatcher::Client,
    number: u64,
) -> impl FnMut() -> Promise<(), capnp::Error> + use<> {
    let dispatcher = dispatcher.clone();
    move || {
        let mut request = dispatcher.cancel_request();
        request.get().set_event(number);
        Promise::from_future(async move { request.send().promise.await.map(drop) })
    }
}

/// Longest text about a failure that is kept, in characters.
const MAX_FAILURE: usize = 8 << 10;

/// What a failure means for the event of the worker called `name`.
pub(super) fn read_failure(failure: event_failure::Reader<'_>, name: &str) -> capnp::Result<ServiceError> {
    let message = failure.get_message()?;
    let message: String = String::from_utf8_lossy(message.as_bytes()).chars().take(MAX_FAILURE).collect();
    let text = match failure.get_kind()? {
        event_failure::Kind::Exception | event_failure::Kind::PassThrough | event_failure::Kind::NoHandler => message,
        event_failure::Kind::Hung => {
            "Error: The Workers runtime canceled this request because it detected that your Worker's code had hung and \
             would never generate a response. Refer to: https://developers.cloudflare.com/workers/observability/errors/"
                .to_owned()
        }
        event_failure::Kind::Busy => {
            let text =
                format!("{MAX_LIVE_EVENTS} events live in the process, with those that only wait for waitUntil()");
            return Ok(ServiceError::Unavailable(text));
        }
        event_failure::Kind::Exceeded => return Ok(ServiceError::Exceeded(failure.get_limit()?)),
    };
    Ok(ServiceError::Exception(format!("worker \"{}\": Uncaught {text}", quote(name))))
}
