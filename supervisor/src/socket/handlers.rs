//! Handlers that are called by a path, on sockets that were given the permission: `/cdn-cgi/handler/…`.
//!
//! For tests of a worker's handlers, as development tools offer it: what a handler came to is said in one word.

use std::time::{SystemTime, UNIX_EPOCH};

use bulkhead_ipc::{
    scheduled::{Scheduled, ScheduledError},
    worker_capnp::Limit,
};
use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};

use super::{http::refuse, rewrite::Reject};
use crate::{
    body::Body,
    service::{Event, Service, ServiceError},
};

/// Runs the handler for `scheduled`.
const SCHEDULED: &str = "/cdn-cgi/handler/scheduled";

/// Answers a request for one of these paths; `None` for any other, which is the service's. What a handler fails with is said
/// to `complain`.
pub(super) async fn answer(service: &dyn Service, head: &Parts, complain: impl Fn(&str)) -> Option<Response<Body>> {
    if head.uri.path() != SCHEDULED {
        return None;
    }
    if head.method != Method::GET {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET runs a handler".to_owned());
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
        return Some(response);
    }
    let event = match scheduled(head.uri.query().unwrap_or_default(), now()) {
        Ok(event) => event,
        Err(what) => return Some(text(StatusCode::BAD_REQUEST, what)),
    };
    let failure = match service.event(event).await {
        Ok(outcome) => outcome.failure,
        Err(error @ (ServiceError::Unavailable(_) | ServiceError::NoSuchEvent(_))) => {
            complain(&format!("{SCHEDULED}: {error}"));
            let unavailable = matches!(error, ServiceError::Unavailable(_));
            let status = if unavailable { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NOT_IMPLEMENTED };
            return Some(text(status, status.canonical_reason().unwrap_or_default().to_owned()));
        }
        Err(error) => Some(error),
    };
    Some(match failure {
        None => text(StatusCode::OK, "ok".to_owned()),
        Some(error) => {
            complain(&format!("{SCHEDULED}: {error}"));
            text(StatusCode::INTERNAL_SERVER_ERROR, outcome(&error).to_owned())
        }
    })
}

/// In the reference's words for what an event came to.
fn outcome(error: &ServiceError) -> &'static str {
    match error {
        ServiceError::Exceeded(Limit::CpuTime) => "exceededCpu",
        ServiceError::Exceeded(Limit::Memory) => "exceededMemory",
        ServiceError::Exceeded(Limit::WallTime | Limit::WaitUntil) => "exceededWallTime",
        _ => "exception",
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_millis() as f64)
}

/// The event that a query asks for: `cron`, by default empty, and `time`, by default now.
fn scheduled(query: &str, now: f64) -> Result<Event, String> {
    let (mut time, mut cron) = (None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // The first of several, as `URLSearchParams` gives it.
        match name {
            "time" => drop(time.get_or_insert(value)),
            "cron" => drop(cron.get_or_insert(value)),
            _ => {}
        }
    }
    let time = match time.map(decode).transpose()?.as_deref() {
        None | Some("") => now,
        Some(time) => {
            let number = time.parse::<i64>().map_err(|_| {
                format!("`time` is milliseconds since the Unix epoch, such as {now}, and not `{}`", time.escape_debug())
            })?;
            number as f64
        }
    };
    let cron = cron.map(decode).transpose()?.unwrap_or_default();
    match Scheduled::new(time, cron) {
        Ok(scheduled) => Ok(Event::Scheduled(scheduled)),
        Err(error @ ScheduledError::Time) => Err(format!("`time`: {error}")),
        Err(error) => Err(format!("`cron`: {error}")),
    }
}

/// A value of a query: `+` is a space, and `%20` too.
fn decode(value: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Err(format!("`{}` is not percent-encoded", value.escape_debug()));
                };
                (high * 16 + low) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| format!("`{}` is no UTF-8", value.escape_debug()))
}

fn text(status: StatusCode, text: String) -> Response<Body> {
    let mut response = refuse(Reject { status, text: text.into(), close: false });
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=UTF-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<(f64, String), String> {
        scheduled(query, 5000.0).map(|event| match event {
            Event::Scheduled(run) => (run.time, run.cron),
            other @ (Event::Test | Event::Bench(_)) => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_query_says_when_and_by_what() {
        assert_eq!(asked(""), Ok((5000.0, String::new())));
        assert_eq!(asked("time="), Ok((5000.0, String::new())));
        assert_eq!(asked("cron=*/5+*+*+*+*&time=1700000000000"), Ok((1.7e12, "*/5 * * * *".into())));
        assert_eq!(asked("cron=%2A%20%C3%A4&cron=other&x=%zz"), Ok((5000.0, "* \u{e4}".into())));
        assert_eq!(asked("time=-1&"), Ok((-1.0, String::new())));
        assert_eq!(asked("time=8640000000000000"), Ok((8.64e15, String::new())));
    }

    #[test]
    fn what_is_no_time_is_said() {
        for (query, what) in [
            ("time=soon", "`time` is milliseconds since the Unix epoch, such as 5000, and not `soon`"),
            ("time=1.5", "`time` is milliseconds"),
            ("time=NaN", "`time` is milliseconds"),
            ("time=%0a", "`time` is milliseconds since the Unix epoch, such as 5000, and not `\\n`"),
            ("time=99999999999999999999", "`time` is milliseconds"),
            ("time=8640000000000001", "`time`: the scheduled time is not a time that a Date can hold"),
            ("time=%4", "`%4` is not percent-encoded"),
            ("cron=%ff", "`%ff` is no UTF-8"),
        ] {
            let said = asked(query).expect_err(query);
            assert!(said.starts_with(what), "{query}: {said}");
        }
        let long = format!("cron={}", "x".repeat(1025));
        assert_eq!(asked(&long), Err("`cron`: the cron expression is longer than 1024 bytes".into()));
    }
}
