//! Owners, events and frames, beside what `tests/concurrency.rs` sees from the outside.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    rc::Rc,
    task::Poll,
};

use super::{Event, IoContext, IoOwn, JsFuture, Outlet, frame, js_future};
use crate::{
    isolate::{Isolate, describe},
    testing::with_isolate,
};

thread_local! {
    /// How often what asks for admission has to ask again.
    static SHUT: Cell<u32> = const { Cell::new(0) };
}

/// In place of a gate.
pub(super) fn admission() -> impl Future<Output = ()> + use<> {
    let mut left = SHUT.get();
    poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

fn event(isolate: &Rc<Isolate>) -> Rc<Event> {
    Event::new(IoContext::new(isolate.clone()), Outlet::default(), None)
}

/// Evaluates a script that gives a promise.
async fn start(event: &Rc<Event>, source: &str) -> JsFuture {
    let evaluate = |scope: &mut v8::PinScope<'_, '_>| {
        v8::tc_scope!(let scope, scope);
        let text = jsg::string(scope, source);
        let value = v8::Script::compile(scope, text, None).and_then(|script| script.run(scope));
        let Some(value) = value else {
            let exception = scope.exception().expect("there is an exception");
            panic!("{source}: {}", describe(scope, exception).message);
        };
        js_future(scope, v8::Local::<v8::Promise>::try_from(value).expect("it gives a promise"))
    };
    event.run(evaluate).await
}

/// Waits for a promise, with the owner's tasks running; what it came to as text, `hung` where it never can.
async fn finish(event: &Rc<Event>, mut promise: JsFuture) -> String {
    let settled = poll_fn(|cx| {
        let _ = event.context().poll_tasks(cx);
        match std::pin::Pin::new(&mut promise).poll(cx) {
            Poll::Ready(settled) => Poll::Ready(Some(settled)),
            Poll::Pending if event.is_hung() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    });
    let settled = settled.await;
    let show = |scope: &mut v8::PinScope<'_, '_>| match settled {
        None => "hung".to_owned(),
        Some(Ok(value)) => v8::Local::new(scope, value).to_rust_string_lossy(scope),
        Some(Err(reason)) => {
            let reason = v8::Local::new(scope, reason);
            describe(scope, reason).message
        }
    };
    event.run(show).await
}

async fn eval(event: &Rc<Event>, source: &str) -> String {
    let promise = start(event, source).await;
    finish(event, promise).await
}

/// Defines a global function.
async fn define(event: &Rc<Event>, name: &str, callback: impl v8::MapFnTo<v8::FunctionCallback> + Copy) {
    let define = |scope: &mut v8::PinScope<'_, '_>| {
        let key = jsg::string(scope, name);
        let function = v8::Function::new(scope, callback).expect("a function can be made");
        let global = scope.get_current_context().global(scope);
        global.set(scope, key.into(), function.into());
    };
    event.run(define).await;
}

/// `get()` and `set(store)`: what asynchronous context is.
async fn define_store(event: &Rc<Event>) {
    let get = |scope: &mut v8::PinScope<'_, '_>,
               _: v8::FunctionCallbackArguments<'_>,
               mut rv: v8::ReturnValue<'_, v8::Value>| {
        let store = frame::current(scope).and_then(|frame| frame.get_index(scope, 1));
        rv.set(store.expect("an event is current"));
    };
    let set = |scope: &mut v8::PinScope<'_, '_>,
               arguments: v8::FunctionCallbackArguments<'_>,
               _: v8::ReturnValue<'_, v8::Value>| {
        let frame = frame::current(scope).expect("an event is current");
        let [event, span] = [0, 2].map(|slot| frame.get_index(scope, slot).expect("a frame has three slots"));
        let frame = v8::Array::new_with_elements(scope, &[event, arguments.get(0), span]);
        scope.set_continuation_preserved_embedder_data(frame.into());
    };
    define(event, "get", get).await;
    define(event, "set", set).await;
}

/// `native(ms)`: a promise of a Rust future.
fn native<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    arguments: v8::FunctionCallbackArguments<'s>,
    mut rv: v8::ReturnValue<'s, v8::Value>,
) {
    let milliseconds = arguments.get(0).number_value(scope).unwrap_or(0.0);
    let event = Event::require(scope).expect("an event is current");
    let future = async move {
        tokio::time::sleep(std::time::Duration::from_millis(milliseconds as u64)).await;
        Ok(milliseconds)
    };
    rv.set(event.promise(scope, future).expect("it can be made").into());
}

const EVERYTHING: &str = "(async () => {
    const order = [];
    let ticks = 0;
    const interval = setInterval(() => { if (++ticks === 3) clearInterval(interval); }, 1);
    const cleared = setTimeout(() => order.push('cleared'), 1);
    setTimeout(() => { order.push('first'); clearTimeout(cleared); }, 0);
    setTimeout(() => order.push('second'), 0);
    order.push(await native(2), await native(0));
    await new Promise((done) => setTimeout(done, 5));
    while (ticks < 3) await new Promise((done) => setTimeout(done, 1));
    await wait(Promise.reject(new Error('logged')));
    order.push(ticks);
    return String(order);
})()";

/// `wait(promise)`: `waitUntil`.
fn wait<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    arguments: v8::FunctionCallbackArguments<'s>,
    _: v8::ReturnValue<'s, v8::Value>,
) {
    let promise = v8::Local::<v8::Promise>::try_from(arguments.get(0)).expect("it is given a promise");
    Event::require(scope).expect("an event is current").wait_until(scope, promise);
}

/// All ways from a task into script wait at the gate, and come to the same end.
#[test]
fn every_way_into_script_can_wait() {
    for shut in [0, 1, 3] {
        with_isolate(async |isolate| {
            isolate.logger().set_limit(1 << 20);
            let event = event(&isolate);
            define(&event, "native", native).await;
            define(&event, "wait", wait).await;
            SHUT.set(shut);
            let text = eval(&event, EVERYTHING).await;
            assert_eq!(text, "first,second,2,0,3", "{shut}");
            let settled = poll_fn(|cx| {
                let _ = event.context().poll_tasks(cx);
                event.poll_settled(cx)
            });
            settled.await;
            let lines = isolate.logger().take_lines();
            assert!(lines.len() == 1 && lines[0].contains("Error: logged"), "{lines:?}");
            assert_eq!(eval(&event, "(async () => { await native(1); await new Promise(() => {}); })()").await, "hung");
            SHUT.set(0);
        });
    }
}

/// An event that is dropped while its tasks wait at the gate keeps nothing alive.
#[test]
fn what_waits_at_the_gate_keeps_nothing_alive() {
    with_isolate(async |isolate| {
        let event = event(&isolate);
        define(&event, "native", native).await;
        let script = "setTimeout(() => {}); setInterval(() => {}, 1); wait(Promise.reject()); native(0)";
        define(&event, "wait", wait).await;
        let promise = start(&event, script).await;
        SHUT.set(u32::MAX);
        poll_fn(|cx| {
            let _ = event.context().poll_tasks(cx);
            Poll::Ready(())
        })
        .await;
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        poll_fn(|cx| {
            let _ = event.context().poll_tasks(cx);
            Poll::Ready(())
        })
        .await;
        SHUT.set(0);
        let (handle, owner) = (event.handle(), event.context().handle());
        drop((event, promise));
        assert!(handle.get().is_none() && owner.get().is_none());
    });
}

#[test]
fn one_owner_takes_many_events() {
    with_isolate(async |isolate| {
        let context = IoContext::new(isolate.clone());
        let own = IoOwn::new(&context, "owned");
        let mut numbers = Vec::new();
        for round in 0..3 {
            let event = Event::new(context.clone(), Outlet::default(), None);
            numbers.push(event.number());
            assert_eq!(event.run(|scope| own.get(scope).map(|value| *value).ok()).await, Some("owned"));
            assert_eq!(eval(&event, "new Promise((done) => setTimeout(done, 1, 'timer'))").await, "timer");
            // What is left of it.
            let left = "globalThis.ran ??= []; globalThis.resume ??= [];
                setTimeout(() => ran.push('timer'), 2);
                (async () => { await new Promise((done) => resume.push(done)); ran.push('continuation'); })();
                Promise.resolve('left')";
            assert_eq!(eval(&event, left).await, "left");
            drop(event);
            let next = Event::new(context.clone(), Outlet::default(), None);
            let script = "resume.forEach((done) => done()); new Promise((done) => setTimeout(done, 5, String(ran)))";
            assert_eq!(eval(&next, script).await, "", "in round {round}");
        }
        numbers.dedup();
        assert_eq!(numbers.len(), 3, "{numbers:?}");
        let other = event(&isolate);
        assert!(other.run(|scope| own.get(scope).is_err()).await);
        drop(context);
    });
}

#[test]
fn asynchronous_context_is_taken_along() {
    with_isolate(async |isolate| {
        let event = event(&isolate);
        define_store(&event).await;
        define(&event, "native", native).await;
        define(&event, "wait", wait).await;
        let script = "(async () => {
            const seen = [];
            const see = (where) => () => seen.push(`${where}=${get()}`);
            const branch = async (store) => {
                set(store);
                see('now')();
                queueMicrotask(see('microtask'));
                Promise.resolve().then(see('then'));
                setTimeout(see('timer'));
                await null;
                see('await')();
                await native(1);
                see('native')();
                await new Promise((done) => setTimeout(done, 2));
                see('after a timer')();
                let ticks = 0;
                await new Promise((done) => { const id = setInterval(() => { see('interval')(); if (++ticks === 2) done(clearInterval(id)); }, 1); });
            };
            see('before')();
            const outer = get();
            const first = branch('a');
            set(outer);
            const second = branch('b');
            set(outer);
            see('between')();
            await Promise.all([first, second]);
            see('after')();
            const counted = Object.groupBy(seen, (line) => line);
            return Object.keys(counted).sort().map((line) => `${line} ${counted[line].length}`).join(';');
        })()";
        let lines = ["after a timer", "await", "interval", "microtask", "native", "now", "then", "timer"];
        let line = |line: &str| {
            let count = if line == "interval" { 2 } else { 1 };
            format!("{line}=a {count};{line}=b {count}")
        };
        let [first, rest @ ..] = lines.map(line);
        let expected = format!(
            "{first};after=undefined 1;{};before=undefined 1;between=undefined 1;{}",
            rest[0],
            rest[1..].join(";")
        );
        assert_eq!(eval(&event, script).await, expected);
        assert_eq!(eval(&event, "Promise.resolve(get())").await, "undefined");
    });
}

/// A frame of its own makes no continuation another event's.
#[test]
fn what_is_left_in_another_frame_does_not_run() {
    with_isolate(async |isolate| {
        let first = event(&isolate);
        define_store(&first).await;
        let left = "globalThis.ran = [];
            set('left');
            (async () => { await new Promise((done) => { globalThis.resume = done; }); ran.push('ran'); })();
            Promise.resolve('left')";
        assert_eq!(eval(&first, left).await, "left");
        let second = event(&isolate);
        // Another event that is alive does go on, whose promise it is settled by.
        let waits = "set('waits');
            (async () => { await new Promise((done) => { globalThis.goOn = done; }); return get(); })()";
        let waiting = start(&second, waits).await;
        drop(first);
        let third = event(&isolate);
        let script = "resume(); goOn(); new Promise((done) => setTimeout(done, 1, `${ran}|${get()}`))";
        assert_eq!(eval(&third, script).await, "|undefined");
        assert_eq!(finish(&second, waiting).await, "waits");
    });
}
