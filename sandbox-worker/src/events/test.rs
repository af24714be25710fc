//! `test`: a test of the worker's own, or benchmarks ([`super::bench`]). It is over when its handler and what that gave to `waitUntil` are, and what they logged was
//! taken.

use std::rc::Rc;

use bulkhead_ipc::{
    bench::Bench,
    worker_capnp::event_dispatcher::{TestParams, TestResults},
};

use super::{Kind, Progress, bench::Benchmarks, deliver::Dispatcher};
use crate::{
    api::test::controller,
    io::Event,
    isolate::script::{Export, Script},
    worker::Handler,
};

/// One test.
struct Test;

impl Kind for Test {
    type Reply = ();

    const HANDLER: Handler = Handler::Test;
    // No test is delivered to listeners: a script has none that are found.
    const LISTENERS: Export = |script: &Script| &script.dispatch_scheduled;
    const MISSING: &'static str = "Tests are not currently supported with Service Workers syntax.";

    fn argument<'s>(
        &mut self,
        scope: &mut v8::PinScope<'s, '_>,
        event: &Rc<Event>,
    ) -> Result<jsg::Result<v8::Local<'s, v8::Object>>, capnp::Error> {
        event.keep_failure();
        Ok(controller(scope))
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
    pub(super) async fn take_test(&self, params: TestParams, mut results: TestResults) -> Result<(), capnp::Error> {
        let (number, bench) = {
            let params = params.get()?;
            (params.get_event(), if params.has_bench() { Some(Bench::read(params.get_bench()?)?) } else { None })
        };
        drop(params);
        let failure = match bench {
            None => {
                let delivered = self.deliver(number, &mut Test).await?;
                self.complete(number, delivered).await?
            }
            Some(bench) => {
                let delivered = self.deliver(number, &mut Benchmarks(bench)).await?.map(|(delivery, report)| {
                    results.get().set_report(report);
                    (delivery, ())
                });
                self.complete(number, delivered).await?
            }
        };
        self.cancellable(number, self.worker.isolate.logger().taken()).await?;
        let mut outcome = results.get().init_outcome();
        match failure {
            None => outcome.set_done(()),
            Some(failure) => failure.write(outcome.init_failure()),
        }
        Ok(())
    }
}
