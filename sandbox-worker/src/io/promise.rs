//! Rust futures into promises, promises into Rust futures. The one place for each.

use std::{
    cell::RefCell,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use jsg::{Error, ToJs};

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
    let reason = match error {
        Error::Pending => scope.exception().unwrap_or_else(|| v8::undefined(scope).into()),
        error => error.to_value(scope),
    };
    scope.reset();
    resolver.reject(scope, reason);
}

/// The value that a promise was fulfilled with, or the reason that it was rejected with.
type Settled = Result<v8::Global<v8::Value>, v8::Global<v8::Value>>;

/// Waits for a promise. Made by [`js_future`].
#[derive(Debug)]
pub struct JsFuture(Rc<RefCell<State>>);

#[derive(Debug, Default)]
struct State {
    outcome: Option<Settled>,
    waker: Option<Waker>,
}

impl Future for JsFuture {
    type Output = Settled;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Settled> {
        let mut state = self.0.borrow_mut();
        match state.outcome.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// A future for the outcome of a promise. The promise counts as handled from here on.
pub fn js_future<'s>(scope: &mut v8::PinScope<'s, '_>, promise: v8::Local<'s, v8::Promise>) -> JsFuture {
    let state = Rc::new(RefCell::new(State::default()));
    match promise.state() {
        v8::PromiseState::Fulfilled => {
            let value = promise.result(scope);
            state.borrow_mut().outcome = Some(Ok(v8::Global::new(scope, value)));
        }
        v8::PromiseState::Rejected => {
            promise.mark_as_handled();
            let reason = promise.result(scope);
            state.borrow_mut().outcome = Some(Err(v8::Global::new(scope, reason)));
        }
        v8::PromiseState::Pending => {
            v8::tc_scope!(let scope, scope);
            // V8's own `then` asks the promise for its constructor, which scripts can replace. This one fails only when
            // script is interrupted or the stack is full; the promise then stays pending.
            if let Some((fulfilled, rejected)) = reactions(scope, &state) {
                let arguments = [promise.into(), fulfilled.into(), rejected.into()];
                let _ = crate::isolate::builtins::call(scope, "upon", &arguments);
            }
        }
    }
    JsFuture(state)
}

/// A pair of functions of which the first one called puts its argument into `state`.
fn reactions<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &Rc<RefCell<State>>,
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
        let value = v8::Global::new(scope, arguments.get(0));
        let waker = {
            let mut state = reaction.0.borrow_mut();
            state.outcome = Some(outcome(value));
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
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
struct Reaction(Rc<RefCell<State>>);

#[jsg::class]
impl Reaction {}
