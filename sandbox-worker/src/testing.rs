//! A bare isolate with all globals, for tests of the API from the outside.

use std::{
    rc::Rc,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use bulkhead_ipc::compatibility;

use crate::{
    io::IoContext,
    isolate::{HeapLimits, Isolate, describe, platform},
    log::Logger,
};

/// Isolates are made and used one at a time in a process: those of one process share a read-only heap, whose set-up
/// is not safe against races.
fn lock() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `body` with a fresh isolate, on a single-threaded event loop, with the flags of compatibility date 2026-11-01.
pub fn with_isolate<R>(body: impl AsyncFnOnce(Rc<Isolate>) -> R) -> R {
    let _guard = lock();
    platform::initialize(&["--expose-gc".to_owned()]);
    let isolate = Isolate::new(HeapLimits::default(), Rc::new(Logger::default()));
    let flags = compatibility::resolve::<&str>("2026-11-01", &[], false).expect("the date is valid");
    isolate.set_flags(flags);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime can be built");
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, body(isolate))
}

/// Evaluates a script with an event current, waits for the promise if it gives one, and gives its value as a string:
/// strings as they are, everything else as JSON; an exception as `name: message`.
///
/// Ends with `[hung]` where the promise can never settle.
pub fn eval(source: &str) -> String {
    with_isolate(async |isolate| eval_in(isolate, source).await)
}

/// As [`eval`]; gives what was logged too, `level message` for each entry.
pub fn eval_logged(source: &str) -> (String, Vec<String>) {
    with_isolate(async |isolate| {
        isolate.logger().set_limit(64 << 20);
        let value = eval_in(isolate.clone(), source).await;
        (value, isolate.logger().take_lines())
    })
}

async fn eval_in(isolate: Rc<Isolate>, source: &str) -> String {
    let context = IoContext::new(isolate);
    let promise = context.enter(|scope| {
        v8::tc_scope!(let scope, scope);
        let source = jsg::string(scope, source);
        let result = v8::Script::compile(scope, source, None).and_then(|script| script.run(scope));
        match result {
            Some(value) => match v8::Local::<v8::Promise>::try_from(value) {
                Ok(promise) => Ok(crate::io::js_future(scope, promise)),
                Err(_) => Err(show(scope, value)),
            },
            None => {
                let exception = scope.exception().unwrap_or_else(|| v8::undefined(scope).into());
                Err(describe(scope, exception).message)
            }
        }
    });
    let mut promise = match promise {
        Ok(promise) => promise,
        Err(text) => return text,
    };
    let settled = std::future::poll_fn(|cx| {
        let _ = context.poll_tasks(cx);
        match std::pin::Pin::new(&mut promise).poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending if context.is_idle() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    context.enter(|scope| match settled {
        Some(Ok(value)) => {
            let value = v8::Local::new(scope, value);
            show(scope, value)
        }
        Some(Err(reason)) => {
            let reason = v8::Local::new(scope, reason);
            describe(scope, reason).message
        }
        None => "[hung]".to_owned(),
    })
}

fn show(scope: &mut v8::PinScope<'_, '_>, value: v8::Local<'_, v8::Value>) -> String {
    if value.is_string() || value.is_undefined() {
        return value.to_rust_string_lossy(scope);
    }
    v8::tc_scope!(let scope, scope);
    match v8::json::stringify(scope, value) {
        Some(text) => text.to_rust_string_lossy(scope),
        None => value.to_rust_string_lossy(scope),
    }
}

/// Asserts what [`eval`] gives.
///
/// # Panics
///
/// If it is not `expected`.
#[track_caller]
pub fn check(source: &str, expected: &str) {
    assert_eq!(eval(source), expected, "{source}");
}
