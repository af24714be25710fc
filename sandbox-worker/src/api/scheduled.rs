//! What the handler of a run of a schedule gets: the `ScheduledController`.

use std::{cell::Cell, rc::Rc};

use jsg::{Error, Result};

/// The class `ScheduledController`; scripts cannot name it.
#[derive(jsg::Trace)]
pub(super) struct ScheduledController {
    #[trace(skip)]
    no_retry: Rc<Cell<bool>>,
}

#[jsg::class]
impl ScheduledController {
    #[method]
    fn no_retry(&self) {
        self.no_retry.set(true);
    }
}

/// A controller for a run: `time` in milliseconds since the Unix epoch. `no_retry` is set when the handler says so.
///
/// # Errors
/// The object cannot be made.
pub fn controller<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    time: f64,
    cron: &str,
    no_retry: Rc<Cell<bool>>,
) -> Result<v8::Local<'s, v8::Object>> {
    let object = jsg::instantiate(scope, ScheduledController { no_retry })?;
    let cron = v8::String::new(scope, cron).ok_or(Error::Pending)?.into();
    let time = v8::Number::new(scope, time).into();
    for (name, value) in [("cron", cron), ("scheduledTime", time)] {
        let name = jsg::string(scope, name).into();
        object.define_own_property(scope, name, value, v8::PropertyAttribute::READ_ONLY).ok_or(Error::Pending)?;
    }
    Ok(object)
}
