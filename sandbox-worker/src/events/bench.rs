//! `test` that asks for benchmarks: those of one entrypoint. It is over when their cases are timed, and gives a report.

use std::rc::Rc;

use bulkhead_ipc::{
    bench::{Bench, MAX_REPORT},
    worker_capnp::event_failure,
};

use super::{Failure, Kind, Progress};
use crate::{
    io::Event,
    isolate::{
        modules::{builtin_export, import_builtin},
        script::{Export, Script},
    },
    worker::{Handler, Worker},
};

/// What has cases registered, and times them.
const MODULE: &str = "internal:bench";

/// The benchmarks of one entrypoint.
pub(super) struct Benchmarks(pub(super) Bench);

impl Kind for Benchmarks {
    /// The report: a JSON text.
    type Reply = String;

    const HANDLER: Handler = Handler::Bench;
    // Benchmarks are not delivered to listeners: a script has none that are found.
    const LISTENERS: Export = |script: &Script| &script.dispatch_scheduled;
    const MISSING: &'static str = "Benchmarks are not supported with Service Workers syntax.";

    /// Which cases, and how: what is made of it for the handler is `call`'s.
    fn argument<'s>(
        &mut self,
        scope: &mut v8::PinScope<'s, '_>,
        event: &Rc<Event>,
    ) -> Result<jsg::Result<v8::Local<'s, v8::Object>>, capnp::Error> {
        event.keep_failure();
        let asked = v8::Object::new(scope);
        let Bench { quick, filter, pattern } = &self.0;
        let filter =
            filter.as_ref().map_or_else(|| v8::undefined(scope).into(), |text| jsg::string(scope, text).into());
        let values = [
            ("quick", v8::Boolean::new(scope, *quick).into()),
            ("filter", filter),
            ("pattern", jsg::string(scope, pattern).into()),
        ];
        for (name, value) in values {
            let key = jsg::string(scope, name);
            if asked.create_data_property(scope, key.into(), value).is_none() {
                return Ok(Err(jsg::Error::Pending));
            }
        }
        Ok(Ok(asked))
    }

    fn call<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        method: v8::Local<'s, v8::Function>,
        receiver: v8::Local<'s, v8::Object>,
        arguments: &[v8::Local<'s, v8::Value>],
    ) -> jsg::Result<v8::Local<'s, v8::Value>> {
        import_builtin(scope, MODULE)?;
        let run = builtin_export(scope, MODULE, "run").and_then(|run| v8::Local::<v8::Function>::try_from(run).ok());
        let run = run.expect("the module exports a function");
        let nobody = v8::undefined(scope).into();
        let mut all = vec![method.into(), receiver.into()];
        all.extend_from_slice(arguments);
        run.call(scope, nobody, &all).ok_or(jsg::Error::Pending)
    }

    fn reply_bytes(&self, _: &Worker) -> usize {
        MAX_REPORT
    }

    fn reply<'s>(
        &mut self,
        scope: &mut v8::PinScope<'s, '_>,
        _: &Rc<Event>,
        value: v8::Local<'s, v8::Value>,
    ) -> Progress<Self::Reply> {
        let report = value.to_rust_string_lossy(scope);
        if report.len() > MAX_REPORT {
            let text =
                format!("Error: The report has {} bytes, more than {MAX_REPORT}: ask for fewer samples", report.len());
            return Progress::Failed(Failure::Told(event_failure::Kind::Exception, text));
        }
        Progress::Done(report)
    }
}
