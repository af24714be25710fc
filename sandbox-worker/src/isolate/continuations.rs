//! Continuations of events that are over do not run.
//!
//! A promise that an event has left behind can be settled by a later one, and V8 then runs what waits for it, also what
//! waits on behalf of the event that is over. V8 offers no way to take a reaction back. It does call a hook before each, with
//! the event's number in place. For one that is over, that hook leaves no stack: the reaction fails before its first
//! statement, with an exception that nobody sees. What `await` has suspended then stays so for ever; a promise that `then`
//! has made is rejected. Native reactions run, such as the functions that resolve a promise: they do nothing but pass the value on,
//! to reactions that are asked for in their turn.
//!
//! What V8 carries from where a reaction is asked for to where it runs is an array, of which this file knows that the event's number
//! is its first element, and `io/frame.rs` the rest. The hook is called for each reaction of every event, so that what it does nearly
//! always is a script that V8 compiles well. That takes 0.03 µs, as long as a hook that does nothing. It cannot be set only while
//! something of an event that is over may be left: V8 calls it for no `await` that began without it.

use std::{cell::Cell, ffi::c_void, mem::transmute_copy};

use super::Isolate;

/// Makes the hook. `own` holds the number of the event that was entered; `get` gives the one of the reaction.
const HOOK: &str =
    "(own, get, other) => () => { const frame = get(); if (frame !== undefined && frame[0] !== own[0]) other(); }";

/// Where the hook reads the number of the event in a frame.
pub(crate) const EVENT_SLOT: u32 = 0;

/// How far above the hook's frame the stack ends for what is dropped, in bytes: above the frame that the hook and the reaction
/// are called from. V8 takes up to 40 KiB below the end for a part of the stack, and what it does about the failure has to fit there.
const ABOVE: usize = 16 << 10;

thread_local! {
    /// Whether a reaction is being dropped.
    static DROPS: Cell<bool> = const { Cell::new(false) };
}

unsafe extern "C" {
    /// `v8::Isolate::SetStackLimit`, for which the Rust interface has no name.
    #[link_name = "_ZN2v87Isolate13SetStackLimitEm"]
    fn v8_set_stack_limit(isolate: *mut c_void, limit: usize);
}

/// In place of `v8::internal::Protectors::InvalidatePromiseHook`, which V8 calls when hooks are set: compiled code then no longer
/// inlines what promises do, for good, because no hook is called for a promise that is made or settled inline. No such hook is set
/// here: those before and after a reaction are called where V8 runs microtasks, which is never inlined. A debugger that asks for
/// the others needs this back.
///
/// A program has it if its linker is told (`build.rs` of the workspace); without, all is the same, but slower.
#[unsafe(export_name = "__wrap__ZN2v88internal10Protectors21InvalidatePromiseHookEPNS0_7IsolateE")]
extern "C" fn keep_inlining(_isolate: *mut c_void) {}

/// The hooks of an isolate's context.
pub(crate) struct Continuations {
    before: v8::Global<v8::Function>,
    after: v8::Global<v8::Function>,
    /// What the hook reads as `own`: one number.
    own: v8::SharedRef<v8::BackingStore>,
    /// How far the stack reaches.
    stack_limit: usize,
}

impl std::fmt::Debug for Continuations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Continuations")
    }
}

fn set_stack_limit(isolate: &v8::Isolate, limit: usize) {
    // SAFETY: the pointer is the address of the isolate, as the library has it too, and the isolate is alive. It is this
    // thread's, and any limit above the stack's end is safe: calls fail where they would go below it.
    unsafe {
        let isolate: *mut c_void = transmute_copy(&isolate.as_raw_isolate_ptr());
        v8_set_stack_limit(isolate, limit);
    }
}

impl Continuations {
    /// Sets the hooks of the current context. The stack of the isolate ends `stack_bytes` below this call.
    pub(super) fn install(scope: &mut v8::PinScope<'_, '_>, stack_bytes: usize) -> Self {
        let here = 0u8;
        let stack_limit = (&raw const here).addr() - stack_bytes;
        set_stack_limit(scope, stack_limit);
        // Not from the tenant's allowance for buffers.
        let store = v8::ArrayBuffer::new_backing_store_from_boxed_slice(vec![0; size_of::<f64>()].into()).make_shared();
        let own = v8::ArrayBuffer::with_backing_store(scope, &store);
        let hooks = Self::make(scope, own).expect("functions can be made");
        let [before, after] = hooks.map(|hook| v8::Global::new(scope, hook));
        let continuations = Continuations { before, after, own: store, stack_limit };
        continuations.set_hooks(scope, false);
        continuations
    }

    fn make<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        own: v8::Local<'s, v8::ArrayBuffer>,
    ) -> Option<[v8::Local<'s, v8::Function>; 2]> {
        let own = v8::Float64Array::new(scope, own, 0, 1)?;
        let extras = scope.get_current_context().get_extras_binding_object(scope);
        let get = jsg::string(scope, "getContinuationPreservedEmbedderData");
        let get = extras.get(scope, get.into())?;
        let other = v8::Function::builder_raw(other).build(scope)?;
        let name = jsg::string(scope, "bulkhead:continuations.js");
        let origin = v8::ScriptOrigin::new(scope, name.into(), 0, 0, false, 0, None, false, false, false, None);
        let source = jsg::string(scope, HOOK);
        let make = v8::Script::compile(scope, source, Some(&origin))?.run(scope)?;
        let make = v8::Local::<v8::Function>::try_from(make).ok()?;
        let receiver = v8::undefined(scope).into();
        let before = make.call(scope, receiver, &[own.into(), get, other.into()])?;
        let before = v8::Local::<v8::Function>::try_from(before).ok()?;
        Some([before, v8::Function::builder_raw(after).build(scope)?])
    }

    fn set_hooks(&self, scope: &mut v8::PinScope<'_, '_>, drops: bool) {
        let before = v8::Local::new(scope, &self.before);
        let after = drops.then(|| v8::Local::new(scope, &self.after));
        scope.set_promise_hooks(None, Some(before), after, None);
    }

    /// Script of the event with this number is entered; 0: of none.
    pub(crate) fn enter(&self, number: u64) {
        for (cell, byte) in self.own.iter().zip((number as f64).to_ne_bytes()) {
            cell.set(byte);
        }
    }

    /// Has the next reactions run again.
    pub(super) fn resume(&self, scope: &mut v8::PinScope<'_, '_>) {
        if DROPS.replace(false) {
            set_stack_limit(scope, self.stack_limit);
            self.set_hooks(scope, false);
        }
    }

    fn drop_next(&self, scope: &mut v8::PinScope<'_, '_>) {
        if !DROPS.replace(true) {
            self.set_hooks(scope, true);
            let here = 0u8;
            set_stack_limit(scope, (&raw const here).addr() + ABOVE);
        }
    }
}

/// The number of the event on whose behalf script runs, or a reaction is about to.
fn number(scope: &v8::PinScope<'_, '_>) -> Option<u64> {
    let frame = v8::Local::<v8::Array>::try_from(scope.get_continuation_preserved_embedder_data()).ok()?;
    number_in(scope, frame)
}

/// The number of the event that a frame is of.
pub(crate) fn number_in(scope: &v8::PinScope<'_, '_>, frame: v8::Local<'_, v8::Array>) -> Option<u64> {
    let number = v8::Local::<v8::Number>::try_from(frame.get_index(scope, EVENT_SLOT)?).ok()?;
    Some(number.value() as u64)
}

/// Whether what happens now happens to a reaction that is being dropped.
pub(super) fn drops() -> bool {
    DROPS.get()
}

/// A reaction is next that is not of the event that was entered.
extern "C" fn other(info: *const v8::FunctionCallbackInfo) {
    // SAFETY: V8 calls this with a pointer that is valid for the call, and with the isolate entered.
    let info = unsafe { &*info };
    // SAFETY: as above.
    v8::callback_scope!(unsafe scope, info);
    let isolate = Isolate::of(scope);
    if number(scope).is_some_and(|number| !isolate.events.is_live(number)) {
        isolate.continuations.drop_next(scope);
    }
}

/// What a promise is rejected with whose event is over: the reference's words.
const ENDED: &str = "This promise was created by a request that has since ended, so it can never settle. With the \
                     handle_cross_request_promise_resolution compatibility flag, a promise can only settle in the request \
                     that created it, and settling it after that request ends is dropped.";

/// Has the promise of a reaction that was dropped rejected with that, instead of with the failure by which it was dropped:
/// the error object is nobody's yet.
fn explain<'s>(scope: &mut v8::PinScope<'s, '_>, promise: v8::Local<'s, v8::Value>) -> Option<()> {
    let promise = v8::Local::<v8::Promise>::try_from(promise).ok()?;
    let rejected = promise.state() == v8::PromiseState::Rejected;
    let error = v8::Local::<v8::Object>::try_from(promise.result(scope)).ok().filter(|_| rejected)?;
    let text = jsg::string(scope, ENDED);
    let like = v8::Local::<v8::Object>::try_from(v8::Exception::error(scope, text)).ok()?;
    let prototype = like.get_prototype(scope)?;
    error.set_prototype(scope, prototype)?;
    for (name, value) in [("message", text), ("stack", jsg::string(scope, &format!("Error: {ENDED}")))] {
        let name = jsg::string(scope, name).into();
        error.define_own_property(scope, name, value.into(), v8::PropertyAttribute::DONT_ENUM)?;
    }
    Some(())
}

/// The reaction that was to be dropped has failed.
extern "C" fn after(info: *const v8::FunctionCallbackInfo) {
    // SAFETY: V8 calls this with a pointer that is valid for the call, and with the isolate entered.
    let info = unsafe { &*info };
    // SAFETY: as above.
    v8::callback_scope!(unsafe scope, info);
    let dropped = drops();
    Isolate::of(scope).continuations.resume(scope);
    if dropped {
        let arguments = v8::FunctionCallbackArguments::from_function_callback_info(info);
        explain(scope, arguments.get(0));
    }
}
