//! `performance` (High Resolution Time, as far as the reference shows it at its newest date).

use crate::{io::IoContext, isolate::clock};

/// `Performance`: `now` and `timeOrigin`. The class is not visible, only the one object.
#[derive(jsg::Trace, Debug)]
pub(super) struct Performance;

#[jsg::class]
impl Performance {
    /// The origin is the Unix epoch, so that `timeOrigin + now()` is what `Date.now()` says, as in the reference.
    #[getter]
    fn time_origin(&self) -> f64 {
        0.0
    }

    /// Whole milliseconds since the Unix epoch, by the clock that stands still while script runs; 0 while modules are
    /// evaluated: no finer clock for timing attacks, and no clock at all where nothing has been asked yet.
    #[method]
    fn now(&self, scope: &mut v8::PinScope<'_, '_>) -> f64 {
        now(scope)
    }
}

fn now(scope: &mut v8::PinScope<'_, '_>) -> f64 {
    if IoContext::current(scope).is_none() {
        return 0.0;
    }
    clock::milliseconds() as f64
}

/// The same for the module that has the Performance Timeline.
#[derive(jsg::Trace, Debug)]
pub(super) struct ClockModule;

#[jsg::class]
impl ClockModule {
    #[static_method]
    fn time_origin() -> f64 {
        0.0
    }

    #[static_method]
    fn now(scope: &mut v8::PinScope<'_, '_>) -> f64 {
        now(scope)
    }
}
