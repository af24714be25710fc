//! What scripts throw and nobody catches.

use std::fmt::Write as _;

use bulkhead_ipc::compatibility::Flag;

use super::{Isolate, script, stack::OWN_SCRIPTS};
use crate::log::{Level, Source};

const AFTER_CHECKPOINT: Flag = Flag::named("unhandled_rejection_after_microtask_checkpoint");

/// An exception in the words of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// `Error: message`.
    pub message: String,
    /// The `stack` property of an error, or the message.
    pub stack: String,
}

impl Described {
    /// Both in one: the message, and in further lines where it came from.
    pub fn text(&self) -> String {
        // A script may have set `stack` to anything.
        if self.stack.starts_with(&self.message) {
            self.stack.clone()
        } else {
            format!("{}\n{}", self.message, self.stack.trim_start_matches('\n'))
        }
    }
}

/// Describes an exception without running script of the tenant where that can be avoided, and without ever throwing.
pub fn describe<'s>(scope: &mut v8::PinScope<'s, '_>, exception: v8::Local<'s, v8::Value>) -> Described {
    v8::tc_scope!(let scope, scope);
    // V8 finds no name and no message in what keeps them behind getters.
    let dom = script::call(scope, |script| &script.exception_text, &[exception]).ok();
    let dom = dom.and_then(|text| v8::Local::<v8::String>::try_from(text).ok());
    let is_error = dom.is_some() || exception.is_native_error();
    let mut message = match dom {
        Some(text) => beginning(scope, text),
        None => {
            let message = v8::Exception::create_message(scope, exception);
            let text = message.get(scope);
            let text = beginning(scope, text);
            text.strip_prefix("Uncaught ").unwrap_or(&text).to_owned()
        }
    };
    let object = v8::Local::<v8::Object>::try_from(exception).ok();
    if message.is_empty() {
        // Something has to say what it was.
        message = match object {
            Some(object) => object.get_constructor_name().to_rust_string_lossy(scope),
            None => "\"\"".to_owned(),
        };
    }
    let stack = object
        .filter(|_| is_error)
        .and_then(|object| {
            let key = jsg::string(scope, "stack");
            object.get(scope, key.into())
        })
        .and_then(|stack| v8::Local::<v8::String>::try_from(stack).ok())
        .map_or_else(|| message.clone(), |stack| beginning(scope, stack));
    Described { message, stack }
}

/// Most text of a message or a stack that is looked at, in bytes: more than what is ever shown of it.
const MAX_TEXT: usize = 80 << 10;

/// The text, or as much of its beginning as is of use: scripts make messages of any length.
fn beginning(scope: &v8::PinScope<'_, '_>, text: v8::Local<'_, v8::String>) -> String {
    let mut bytes = vec![0; text.utf8_length(scope).min(MAX_TEXT)];
    let written = text.write_utf8_v2(scope, &mut bytes, v8::WriteFlags::kReplaceInvalidUtf8, None);
    bytes.truncate(written);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Where an exception came up, as lines for a start-up error: `  at worker:1:7 in f`.
pub(super) fn frames(scope: &mut v8::PinScope<'_, '_>, message: v8::Local<'_, v8::Message>) -> String {
    let mut text = String::new();
    if let Some(trace) = message.get_stack_trace(scope)
        && trace.get_frame_count() > 0
    {
        for index in 0..trace.get_frame_count() {
            let Some(frame) = trace.get_frame(scope, index) else { break };
            let script = frame.get_script_name(scope).map_or_else(String::new, |name| name.to_rust_string_lossy(scope));
            if script.starts_with(OWN_SCRIPTS) {
                continue;
            }
            let _ = write!(text, "\n  at {script}:{}:{}", frame.get_line_number(), frame.get_column());
            if let Some(function) = frame.get_function_name(scope)
                && function.length() > 0
            {
                let _ = write!(text, " in {}", function.to_rust_string_lossy(scope));
            }
        }
        return text;
    }
    // What does not come from a script has no place: bytes that are no WebAssembly.
    let Some(script) = message.get_script_resource_name(scope).filter(|name| name.is_string()) else { return text };
    let script = script.to_rust_string_lossy(scope);
    let line = message.get_line_number(scope).unwrap_or(1);
    // Unlike the columns of frames this one counts from 0, in the reference's words too.
    let _ = write!(text, "\n  at {script}:{line}:{}", message.get_start_column());
    text
}

/// Logs an exception that ended nothing but the callback that it came from. That script was interrupted is no exception,
/// and is said elsewhere.
pub fn report_exception<'s>(scope: &mut v8::PinScope<'s, '_>, exception: v8::Local<'s, v8::Value>) {
    if super::watch::breach().is_some() {
        return;
    }
    let described = describe(scope, exception);
    let isolate = Isolate::of(scope);
    let text = format!("Uncaught {}", described.text());
    isolate.logger().write(Level::Info, Source::Runtime, &text);
}

/// A rejected promise that nobody has handled so far.
pub(crate) struct Rejection {
    pub(super) promise: v8::Global<v8::Promise>,
    reason: v8::Global<v8::Value>,
    /// What V8 carried along where it was rejected: listeners are called on the same behalf.
    frame: v8::Global<v8::Value>,
}

/// All of them, in the order in which they were rejected.
pub(crate) type Rejections = Vec<Rejection>;

pub(super) extern "C" fn promise_rejected(message: v8::PromiseRejectMessage<'_>) {
    // What was dropped is no failure of anybody.
    if super::continuations::drops() {
        return;
    }
    // SAFETY: V8 calls this with the isolate entered, and the message is alive for the call.
    v8::callback_scope!(unsafe scope, &message);
    let promise = message.get_promise();
    let promise = v8::Global::new(scope, promise);
    let Some(isolate) = scope.get_slot::<std::rc::Weak<Isolate>>().and_then(std::rc::Weak::upgrade) else { return };
    let mut rejections = isolate.rejections.borrow_mut();
    match message.get_event() {
        v8::PromiseRejectEvent::PromiseRejectWithNoHandler => {
            let value = match message.get_value() {
                Some(value) => value,
                None => v8::undefined(scope).into(),
            };
            let first = rejections.is_empty();
            let frame = scope.get_continuation_preserved_embedder_data();
            let (reason, frame) = (v8::Global::new(scope, value), v8::Global::new(scope, frame));
            rejections.push(Rejection { promise, reason, frame });
            // Before that flag they were reported in a microtask of their own, and not when all microtasks had run.
            if first && isolate.flags.get().is_some_and(|flags| !flags.is_on(AFTER_CHECKPOINT)) {
                drop(rejections);
                if let Some(report) = v8::Function::new(scope, report_in_microtask) {
                    scope.enqueue_microtask(report);
                }
            }
        }
        v8::PromiseRejectEvent::PromiseHandlerAddedAfterReject => {
            let count = rejections.len();
            rejections.retain(|known| known.promise != promise);
            if rejections.len() == count {
                drop(rejections);
                let promise = v8::Local::new(scope, promise);
                tell_handled(scope, promise);
            }
        }
        _ => {}
    }
}

/// A rejection that was reported is handled after all. Listeners hear of it before whoever handles it does, as in the
/// reference.
fn tell_handled<'s>(scope: &mut v8::PinScope<'s, '_>, promise: v8::Local<'s, v8::Promise>) {
    fn tell<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        arguments: v8::FunctionCallbackArguments<'s>,
        _: v8::ReturnValue<'s, v8::Value>,
    ) {
        // It fails only when script is interrupted.
        let _ = script::call(scope, |script| &script.dispatch_rejection_handled, &[arguments.data()]);
    }
    if let Some(tell) = v8::Function::builder(tell).data(promise.into()).build(scope) {
        scope.enqueue_microtask(tell);
    }
}

fn report_in_microtask(
    scope: &mut v8::PinScope<'_, '_>,
    _: v8::FunctionCallbackArguments<'_>,
    _: v8::ReturnValue<'_, v8::Value>,
) {
    report_rejections(&Isolate::of(scope), scope);
}

/// Tells listeners, or else the log, of the rejections that nobody has handled; says whether there were any.
pub(super) fn report_rejections(isolate: &Isolate, scope: &mut v8::PinScope<'_, '_>) -> bool {
    let rejections = std::mem::take(&mut *isolate.rejections.borrow_mut());
    let any = !rejections.is_empty();
    for Rejection { promise, reason, frame } in rejections {
        // Listeners are script, and so may be what describes a reason.
        if super::watch::breach().is_some() {
            return false;
        }
        v8::scope!(let scope, scope);
        let promise = v8::Local::new(scope, promise);
        let reason = v8::Local::new(scope, reason);
        {
            v8::tc_scope!(let scope, scope);
            let arguments = [promise.into(), reason];
            let outer = scope.get_continuation_preserved_embedder_data();
            let frame = v8::Local::new(scope, frame);
            scope.set_continuation_preserved_embedder_data(frame);
            let prevented = script::call(scope, |script| &script.dispatch_unhandled_rejection, &arguments);
            scope.set_continuation_preserved_embedder_data(outer);
            if prevented.is_ok_and(|prevented| prevented.is_true()) {
                continue;
            }
        }
        if super::watch::breach().is_some() {
            return false;
        }
        let described = describe(scope, reason);
        let text = format!("Uncaught (in promise) {}", described.text());
        isolate.logger().write(Level::Info, Source::Runtime, &text);
    }
    any
}

/// V8 has no memory left: the process ends, and says why to the supervisor.
pub(super) unsafe extern "C" fn out_of_memory(location: *const std::ffi::c_char, details: &v8::OomDetails) {
    let location = if location.is_null() {
        "unknown".into()
    } else {
        // SAFETY: V8 passes a string literal.
        unsafe { std::ffi::CStr::from_ptr(location) }.to_string_lossy()
    };
    let kind = if details.is_heap_oom { "JavaScript heap" } else { "process" };
    eprintln!("out of memory: {kind} ({location})");
    std::process::abort();
}
