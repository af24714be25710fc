//! The frame: what V8 carries from where a continuation is asked for to where it runs.
//!
//! It is V8's continuation-preserved embedder data: an array that is never changed, `[event, store, span]`. Scripts cannot come by
//! it. A frame that differs in one slot is another array, so that a continuation keeps the frame that it was asked for in.
//!
//! - `event`: the number of the event. `isolate/continuations.rs` reads it there (`EVENT_SLOT`).
//! - `store`: the map of asynchronous context, `undefined` where nothing was put into it. To V8 and to this file it is any value.
//!   `AsyncLocalStorage`, when there is one, gets it by [`store`] and replaces it by [`replace_store`].
//! - `span`: the span that traces hang what follows on, `undefined` outside of them.

use jsg::{Error, Result};

use crate::isolate::continuations::{self, EVENT_SLOT};

const STORE_SLOT: u32 = 1;
const SPAN_SLOT: u32 = 2;
const _: () = assert!(EVENT_SLOT == 0, "the order in which `make` has them");

fn make<'s>(
    scope: &v8::PinScope<'s, '_>,
    event: v8::Local<'s, v8::Value>,
    store: v8::Local<'s, v8::Value>,
    span: v8::Local<'s, v8::Value>,
) -> v8::Local<'s, v8::Array> {
    v8::Array::new_with_elements(scope, &[event, store, span])
}

/// The frame in which an event begins.
pub(super) fn first<'s>(scope: &v8::PinScope<'s, '_>, number: u64) -> v8::Local<'s, v8::Array> {
    // No process lives to see 2^53 events.
    let event = v8::Number::new(scope, number as f64).into();
    let undefined = v8::undefined(scope).into();
    make(scope, event, undefined, undefined)
}

/// The frame of what is running; `None` while modules are evaluated.
pub(super) fn current<'s>(scope: &v8::PinScope<'s, '_>) -> Option<v8::Local<'s, v8::Array>> {
    v8::Local::try_from(scope.get_continuation_preserved_embedder_data()).ok()
}

/// The number of the event that a frame is of.
pub(super) fn number(scope: &v8::PinScope<'_, '_>, frame: v8::Local<'_, v8::Array>) -> Option<u64> {
    continuations::number_in(scope, frame)
}

/// The map of asynchronous context that is current; `undefined` where there is none.
pub fn store<'s>(scope: &v8::PinScope<'s, '_>) -> v8::Local<'s, v8::Value> {
    let store = current(scope).and_then(|frame| frame.get_index(scope, STORE_SLOT));
    store.unwrap_or_else(|| v8::undefined(scope).into())
}

/// Makes another map current, for what runs now and for the continuations that it asks for, until it is replaced in turn.
///
/// # Errors
///
/// No event is current.
pub fn replace_store<'s>(scope: &v8::PinScope<'s, '_>, store: v8::Local<'s, v8::Value>) -> Result<()> {
    let frame = current(scope).ok_or_else(|| Error::error("There is no asynchronous context outside of events."))?;
    let slot = |index| frame.get_index(scope, index).unwrap_or_else(|| v8::undefined(scope).into());
    let frame = make(scope, slot(EVENT_SLOT), store, slot(SPAN_SLOT));
    scope.set_continuation_preserved_embedder_data(frame.into());
    Ok(())
}
