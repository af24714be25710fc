//! Requests that a worker has not answered, and that what its global `fetch()` goes to is to answer in its place.

use std::rc::Rc;

use bulkhead_ipc::{
    failure::{TOO_DEEP, Thrown},
    transport::MAX_DEPTH,
    worker_capnp::{event_failure, request_rest},
};
use bytes::Bytes;
use http::{StatusCode, header, request::Parts};

use crate::{
    body::Body,
    link::{Link, body::BodySource},
    service::{Depth, PassedThrough, Service, ServiceError, ServiceRequest},
};

/// A request on its way past its worker.
pub(super) struct Passed {
    to: Option<Rc<dyn Service>>,
    body: Left,
    /// What the handler failed with, for the log; `None` if no listener cared to answer.
    failed: Option<String>,
}

/// What is left of a request's body.
enum Left {
    /// There was none.
    None,
    Body(Body),
    /// A part of it is lost.
    Lost,
}

/// The body as the worker got it.
pub(super) enum Had {
    None,
    /// In the call.
    Whole(Bytes),
    Stream(Rc<BodySource>),
}

impl Passed {
    /// Reads what the worker says of a request that it does not answer.
    ///
    /// # Errors
    /// No correct worker says that.
    pub(super) fn read(
        link: &Link,
        failure: event_failure::Reader<'_>,
        failed: Option<String>,
        had: Had,
    ) -> Result<Self, String> {
        let body = left(failure.get_rest().map_err(|error| error.to_string())?, had)?;
        Ok(Self { to: link.outbound(), body, failed })
    }

    /// Has the request answered whose head and `cf` object these are. It is counted as no request of the worker's own, but as a
    /// further step of a circle.
    ///
    /// # Errors
    /// As the other service's, if the worker did not fail itself.
    pub(super) async fn answer(self, parts: Parts, cf_json: Rc<str>) -> Result<http::Response<Body>, ServiceError> {
        let Self { to, body, failed } = self;
        let answer = match to {
            Some(to) => ask(&*to, parts, cf_json, body).await,
            None => Err(ServiceError::Unavailable("there is nothing to pass the request on to".to_owned())),
        };
        match (answer, failed) {
            (Err(error), Some(failed)) if !matches!(error, ServiceError::BrokenRequest) => {
                Ok(nothing_behind(format!("{failed}\nIts request was passed on, which failed: {error}")))
            }
            (answer, _) => answer,
        }
    }
}

async fn ask(
    to: &dyn Service,
    mut parts: Parts,
    cf_json: Rc<str>,
    body: Left,
) -> Result<http::Response<Body>, ServiceError> {
    let depth = parts.extensions.get::<Depth>().map_or(0, |depth| depth.0);
    if depth >= MAX_DEPTH {
        return Err(ServiceError::Threw { text: TOO_DEEP.to_owned(), thrown: Thrown::plain(TOO_DEEP) });
    }
    parts.extensions.insert(Depth(depth + 1));
    let body = match body {
        Left::None => Body::Empty,
        Left::Lost => return Err(ServiceError::Exception("a part of the request's body is lost".to_owned())),
        // The headers stay as they came: how long the body is now, it says itself.
        Left::Body(Body::Bytes(bytes)) if !parts.headers.contains_key(header::CONTENT_LENGTH) => Body::uncounted(bytes),
        Left::Body(body) => body,
    };
    to.fetch(ServiceRequest { http: http::Request::from_parts(parts, body), cf_json }).await
}

/// What is left of a body of which the worker says `rest`.
fn left(rest: request_rest::Reader<'_>, had: Had) -> Result<Left, String> {
    let malformed = |error: &dyn std::fmt::Display| error.to_string();
    let rest = match rest.which().map_err(|error| malformed(&error))? {
        request_rest::HandedOn(()) => None,
        request_rest::Had(rest) => Some(rest),
    };
    Ok(match (had, rest) {
        (Had::None, _) => Left::None,
        (Had::Whole(_), None) => return Err("it gave a body back that came in the call".to_owned()),
        (Had::Whole(bytes), Some(rest)) => {
            let read = usize::try_from(rest.get_read()).ok().filter(|read| *read <= bytes.len());
            let read = read.ok_or("it read more of a body than there is")?;
            // Of one without bytes it is known that there are none.
            Left::Body(match rest.get_ended() && !bytes.is_empty() {
                true => Body::uncounted(Bytes::new()),
                false => Body::Bytes(bytes.slice(read..)),
            })
        }
        (Had::Stream(source), rest) => {
            let body = match rest {
                None => source.pass_on_rest(),
                Some(rest) => {
                    let unread = Bytes::copy_from_slice(rest.get_unread().map_err(|error| malformed(&error))?);
                    source.pass_on(rest.get_read(), unread, rest.get_ended())?
                }
            };
            body.map_or(Left::Lost, Left::Body)
        }
    })
}

/// The response when what a request was passed on to has failed too: the reference's empty 500.
fn nothing_behind(text: String) -> http::Response<Body> {
    let mut response = http::Response::new(Body::Empty);
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.extensions_mut().insert(PassedThrough(text));
    response
}
