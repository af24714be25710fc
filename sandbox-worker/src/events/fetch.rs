//! `fetch`: the response that its handler gives.

use std::rc::Rc;

use bulkhead_ipc::worker_capnp as wire;

use super::deliver::{Dispatcher, Progress};
use crate::{
    api::{self, fetch::wire::Refused},
    io::Event,
};

impl Dispatcher {
    /// Puts what the handler gave into the reply.
    pub(super) fn respond<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        event: &Rc<Event>,
        value: v8::Local<'s, v8::Value>,
        is_head: bool,
        results: &mut wire::event_dispatcher::FetchResults,
    ) -> Result<Progress, capnp::Error> {
        let limit = self.worker.inline_body_bytes;
        let builder = results.get().init_outcome();
        v8::tc_scope!(let scope, scope);
        match api::fetch::wire::to_wire(scope, event, value, is_head, limit, builder.init_response()) {
            Ok(body) => Ok(Progress::Done(body)),
            Err(Refused::Exceeded(limit)) => Ok(Progress::Exceeded(limit)),
            Err(Refused::Threw(error)) => {
                let exception = match error {
                    jsg::Error::Pending => scope.exception().unwrap_or_else(|| v8::undefined(scope).into()),
                    error => error.to_value(scope),
                };
                Ok(self.threw(scope, event, exception))
            }
        }
    }
}
