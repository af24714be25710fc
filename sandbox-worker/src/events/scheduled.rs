//! `scheduled`: a run of a schedule. It is over when its handler and what that gave to `waitUntil` are.

use std::{cell::Cell, rc::Rc};

use bulkhead_ipc::{
    failure::HUNG,
    scheduled::Scheduled as Run,
    worker_capnp::{
        event_dispatcher::{ScheduledParams, ScheduledResults},
        event_failure,
    },
};

use super::{
    Failure, Kind, Progress,
    deliver::{Delivered, Dispatcher, threw},
};
use crate::{
    api::scheduled::controller,
    io::Event,
    isolate::{
        report_exception,
        script::{Export, Script},
    },
    worker::Handler,
};

/// One run.
struct Scheduled {
    run: Run,
    no_retry: Rc<Cell<bool>>,
}

impl Kind for Scheduled {
    type Reply = ();

    const HANDLER: Handler = Handler::Scheduled;
    const LISTENERS: Export = |script: &Script| &script.dispatch_scheduled;
    const MISSING: &'static str = "Received a ScheduledEvent but we lack a handler for ScheduledEvents (a.k.a. Cron Triggers). \
                                   Did you remember to export a scheduled() function?";

    fn argument<'s>(
        &mut self,
        scope: &mut v8::PinScope<'s, '_>,
        event: &Rc<Event>,
    ) -> Result<jsg::Result<v8::Local<'s, v8::Object>>, capnp::Error> {
        event.keep_failure();
        Ok(controller(scope, self.run.time, &self.run.cron, self.no_retry.clone()))
    }

    /// It does not matter what the handler gives.
    fn reply<'s>(
        &mut self,
        _: &mut v8::PinScope<'s, '_>,
        _: &Rc<Event>,
        _: v8::Local<'s, v8::Value>,
    ) -> Progress<Self::Reply> {
        Progress::Done(())
    }
}

impl Dispatcher {
    pub(super) async fn take_scheduled(
        &self,
        params: ScheduledParams,
        mut results: ScheduledResults,
    ) -> Result<(), capnp::Error> {
        let number = params.get()?.get_event();
        let run = Run::read(params.get()?).map_err(|error| capnp::Error::failed(error.to_string()))?;
        drop(params);
        let no_retry = Rc::new(Cell::new(false));
        let mut scheduled = Scheduled { run, no_retry: no_retry.clone() };
        let delivered = self.deliver(number, &mut scheduled).await?;
        let failure = self.complete(number, delivered).await?;
        // As in the reference, a worker without a handler is not to be asked again.
        let lacks = matches!(failure, Some(Failure::Told(event_failure::Kind::NoHandler, _)));
        let mut outcome = results.get().init_outcome();
        outcome.set_no_retry(no_retry.get() || lacks);
        match failure {
            None => outcome.set_done(()),
            Some(failure) => failure.write(outcome.init_failure()),
        }
        Ok(())
    }

    /// Waits for what the handler of an event without a reply gave to `waitUntil`. Gives what the event failed with first.
    ///
    /// # Errors
    ///
    /// The event was cancelled.
    pub(super) async fn complete(
        &self,
        number: u64,
        delivered: Delivered<()>,
    ) -> Result<Option<Failure>, capnp::Error> {
        let (delivery, mut failure) = match delivered {
            Ok((delivery, ())) => (Some(delivery), None),
            Err((delivery, failure)) => (delivery, Some(failure)),
        };
        // As in the reference, the handler's failure does not keep what it gave to `waitUntil` from coming to its end.
        if let Some(delivery) = delivery {
            let event = &delivery.event;
            let rest = self.cancellable(number, delivery.wait_until()).await?;
            let beside = match event.take_failure() {
                // Who is told of the handler's failure hears nothing of others.
                Some(reason) if failure.is_some() => {
                    let log = |scope: &mut v8::PinScope<'_, '_>| {
                        let reason = v8::Local::new(scope, reason);
                        report_exception(scope, reason);
                    };
                    event.run(log).await;
                    None
                }
                Some(reason) => {
                    let told = |scope: &mut v8::PinScope<'_, '_>| {
                        let reason = v8::Local::new(scope, reason);
                        threw(scope, reason)
                    };
                    Some(event.run(told).await)
                }
                None => None,
            };
            let unsettled = || Failure::Told(event_failure::Kind::Hung, HUNG.into());
            failure = failure.or(match rest {
                Err(limit) => Some(Failure::Exceeded(limit)),
                Ok(()) => beside.or_else(|| (!event.is_settled()).then(unsettled)),
            });
        }
        Ok(failure)
    }
}
