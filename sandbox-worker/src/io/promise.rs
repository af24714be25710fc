//! Rust futures into promises, promises into Rust futures. The one place for each.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use jsg::{Error, ToJs};

use super::live::LiveEvents;
use crate::isolate::{Isolate, script};

/// Settles the promise of `resolver` with what a Rust future gave.
pub(super) fn settle<T: for<'a> ToJs<'a>>(
    scope: &mut v8::PinScope<'_, '_>,
    resolver: &v8::Global<v8::PromiseResolver>,
    outcome: Result<T, Error>,
) {
    let resolver = v8::Local::new(scope, resolver);
    v8::tc_scope!(let scope, scope);
    let error = match outcome.and_then(|value| value.to_js(scope)) {
        Ok(value) => {
            resolver.resolve(scope, value);
            return;
        }
        Err(error) => error,
    };
    let reason = error.caught(scope);
    scope.reset();
    resolver.reject(scope, reason);
}

/// The value that a promise was fulfilled with, or the reason that it was rejected with.
pub type Settled = Result<v8::Global<v8::Value>, v8::Global<v8::Value>>;

/// Waits for a promise. Made by [`js_future`].
#[derive(Debug)]
pub struct JsFuture(Rc<State>);

#[derive(Debug)]
struct State {
    outcome: RefCell<Option<Settled>>,
    waker: RefCell<Option<Waker>>,
    /// Nobody waits any more.
    given_up: Cell<bool>,
    live: Rc<LiveEvents>,
}

impl State {
    fn set(&self, outcome: Settled) {
        if self.given_up.get() || self.outcome.borrow().is_some() {
            return;
        }
        *self.outcome.borrow_mut() = Some(outcome);
        self.live.settled();
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn take(&self) -> Option<Settled> {
        let outcome = self.outcome.borrow_mut().take()?;
        self.live.delivered();
        Some(outcome)
    }
}

impl Future for JsFuture {
    type Output = Settled;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Settled> {
        match self.0.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                *self.0.waker.borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for JsFuture {
    fn drop(&mut self) {
        self.0.given_up.set(true);
        drop(self.0.take());
    }
}

/// A future for the outcome of a promise. The promise counts as handled from here on.
pub fn js_future<'s>(scope: &mut v8::PinScope<'s, '_>, promise: v8::Local<'s, v8::Promise>) -> JsFuture {
    let live = LiveEvents::of(&Isolate::of(scope));
    let (outcome, waker, given_up) = (RefCell::default(), RefCell::default(), Cell::new(false));
    let state = Rc::new(State { outcome, waker, given_up, live });
    match promise.state() {
        v8::PromiseState::Fulfilled => {
            let value = promise.result(scope);
            state.set(Ok(v8::Global::new(scope, value)));
        }
        v8::PromiseState::Rejected => {
            promise.mark_as_handled();
            let reason = promise.result(scope);
            state.set(Err(v8::Global::new(scope, reason)));
        }
        v8::PromiseState::Pending => {
            v8::tc_scope!(let scope, scope);
            // V8's own `then` asks the promise for its constructor, which scripts can replace. This one fails only when
            // script is interrupted or the stack is full; the promise then stays pending.
            if let Some((fulfilled, rejected)) = reactions(scope, &state) {
                let arguments = [promise.into(), fulfilled.into(), rejected.into()];
                let _ = script::call(scope, |script| &script.upon, &arguments);
            }
        }
    }
    JsFuture(state)
}

/// A pair of functions of which the first one called puts its argument into `state`.
fn reactions<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &Rc<State>,
) -> Option<(v8::Local<'s, v8::Function>, v8::Local<'s, v8::Function>)> {
    fn fulfilled<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        arguments: v8::FunctionCallbackArguments<'s>,
        _: v8::ReturnValue<'s, v8::Value>,
    ) {
        complete(scope, &arguments, Ok);
    }
    fn rejected<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        arguments: v8::FunctionCallbackArguments<'s>,
        _: v8::ReturnValue<'s, v8::Value>,
    ) {
        complete(scope, &arguments, Err);
    }
    fn complete<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        arguments: &v8::FunctionCallbackArguments<'s>,
        outcome: fn(v8::Global<v8::Value>) -> Settled,
    ) {
        let Some(reaction) = jsg::unwrap_value::<Reaction>(scope, arguments.data()) else { return };
        reaction.0.set(outcome(v8::Global::new(scope, arguments.get(0))));
    }
    let data = jsg::instantiate(scope, Reaction(state.clone())).ok()?;
    let make = |scope: &mut v8::PinScope<'s, '_>, callback: v8::FunctionCallback| {
        v8::Function::builder_raw(callback)
            .data(data.into())
            .constructor_behavior(v8::ConstructorBehavior::Throw)
            .build(scope)
    };
    let fulfilled = make(scope, v8::MapFnTo::map_fn_to(fulfilled))?;
    let rejected = make(scope, v8::MapFnTo::map_fn_to(rejected))?;
    Some((fulfilled, rejected))
}

/// Keeps the Rust side of a [`JsFuture`] alive for as long as the promise may call back.
#[derive(jsg::Trace)]
pub(crate) struct Reaction(#[trace(skip)] Rc<State>);

#[jsg::class]
impl Reaction {}
