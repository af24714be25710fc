//! The frame: what V8 carries from where a continuation is asked for to where it runs.
//!
//! It is V8's continuation-preserved embedder data: an array that is never changed, `[event, store, span]`. Tenants' scripts cannot
//! come by it. A frame that differs in one slot is another array, so that a continuation keeps the frame that it was asked for in.
//!
//! - `event`: the number of the event, `undefined` while modules are evaluated. `isolate/continuations.rs` reads it there
//!   (`EVENT_SLOT`).
//! - `store`: the values of asynchronous context, `undefined` where nothing was put into it. Only `js/internal/async_context.js` puts
//!   something there, and makes the frames in which it does so.
//! - `span`: the span that traces hang what follows on, `undefined` outside of them.

use crate::isolate::continuations::{self, EVENT_SLOT};

const _: () = assert!(EVENT_SLOT == 0, "the order in which `first` has them");

/// The frame in which an event begins.
pub(super) fn first<'s>(scope: &v8::PinScope<'s, '_>, number: u64) -> v8::Local<'s, v8::Array> {
    // No process lives to see 2^53 events.
    let event = v8::Number::new(scope, number as f64).into();
    let undefined = v8::undefined(scope).into();
    v8::Array::new_with_elements(scope, &[event, undefined, undefined])
}

/// The frame of what is running; `None` while modules are evaluated, unless something was put into it there.
pub(super) fn current<'s>(scope: &v8::PinScope<'s, '_>) -> Option<v8::Local<'s, v8::Array>> {
    v8::Local::try_from(scope.get_continuation_preserved_embedder_data()).ok()
}

/// The number of the event that a frame is of.
pub(super) fn number(scope: &v8::PinScope<'_, '_>, frame: v8::Local<'_, v8::Array>) -> Option<u64> {
    continuations::number_in(scope, frame)
}
