//! Events that are no requests: one call for each, and what it came to.

use bulkhead_ipc::{
    bench::{Bench, MAX_REPORT},
    scheduled::Scheduled,
    worker_capnp::{Limit, event_dispatcher, scheduled_outcome},
};

use super::{
    WorkerService,
    call::{answer, overdue, read_failure},
    violation,
};
use crate::{
    link::Ticket,
    service::{Depth, Event, Outcome, ServiceError},
};

impl WorkerService {
    /// Waits for a process and a place there as a request does, within the same bounds.
    ///
    /// The worker answers when what was given to `waitUntil` has ended too, so it has the time for that as well.
    pub(super) async fn deliver(&self, event: Event) -> Result<Outcome, ServiceError> {
        let (entrypoint, props) = (self.entrypoint.as_deref(), self.props_json.as_deref());
        let (ticket, dispatcher) =
            self.dispatcher.begin(&self.fleet, &self.member.id, entrypoint, props, Depth::default()).await?;
        let link = ticket.link().clone();
        let wait_until = link.policy().wait_until;
        let deadline = if wait_until.is_zero() { None } else { ticket.deadline() };
        let overdue = overdue(deadline.and_then(|deadline| deadline.checked_add(wait_until)));
        let run = async {
            match event {
                Event::Scheduled(run) => scheduled(&ticket, &dispatcher, &run).await,
                Event::Test => test(&ticket, &dispatcher, None).await,
                Event::Bench(bench) => test(&ticket, &dispatcher, Some(&bench)).await,
            }
        };
        tokio::select! {
            biased;
            outcome = run => outcome,
            () = overdue => {
                link.overdue();
                Ok(Outcome { failure: Some(ServiceError::Exceeded(Limit::WallTime)), no_retry: false, report: None })
            }
        }
    }
}

async fn scheduled(
    ticket: &Ticket,
    dispatcher: &event_dispatcher::Client,
    run: &Scheduled,
) -> Result<Outcome, ServiceError> {
    let link = ticket.link();
    let room = link.connection.reserve(run.cron.len()).await;
    let mut call = dispatcher.scheduled_request();
    run.write(call.get());
    call.get().set_event(ticket.number());
    let promise = call.send().promise;
    drop(room);
    let reply = answer(promise, dispatcher, ticket).await?;
    read(reply.get().and_then(|results| results.get_outcome()), ticket)
}

async fn test(
    ticket: &Ticket,
    dispatcher: &event_dispatcher::Client,
    bench: Option<&Bench>,
) -> Result<Outcome, ServiceError> {
    let link = ticket.link();
    let room = link.connection.reserve(0).await;
    let mut call = dispatcher.test_request();
    call.get().set_event(ticket.number());
    if let Some(bench) = bench {
        bench.write(call.get().init_bench());
    }
    let promise = call.send().promise;
    drop(room);
    let reply = answer(promise, dispatcher, ticket).await?;
    let outcome = read(reply.get().and_then(|results| results.get_outcome()), ticket)?;
    let report = || -> capnp::Result<Option<String>> {
        let results = reply.get()?;
        if bench.is_none() || !results.has_report() {
            return Ok(None);
        }
        let report = results.get_report()?;
        match report.len() {
            0..=MAX_REPORT => Ok(Some(report.to_string()?)),
            length => Err(capnp::Error::failed(format!("a report has {length} bytes"))),
        }
    };
    let report = report().map_err(|error| violation(link, &error.to_string()))?;
    Ok(Outcome { report, ..outcome })
}

/// What the worker says that came of an event.
fn read(outcome: capnp::Result<scheduled_outcome::Reader<'_>>, ticket: &Ticket) -> Result<Outcome, ServiceError> {
    let link = ticket.link();
    let read = || {
        let outcome = outcome?;
        let failure = match outcome.which()? {
            scheduled_outcome::Done(()) => None,
            scheduled_outcome::Failure(failure) => Some(read_failure(failure?, link.name())?),
        };
        Ok(Outcome { failure, no_retry: outcome.get_no_retry(), report: None })
    };
    read().map_err(|error: capnp::Error| violation(link, &error.to_string()))
}
