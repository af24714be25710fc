//! Code from strings and bytes: allowed while modules are evaluated, refused in events, as in the reference.

use std::{cell::Cell, rc::Rc};

/// Whether this context may compile WebAssembly from bytes; lives in a context slot.
struct WasmAllowed(Cell<bool>);

/// Makes V8 ask before it compiles WebAssembly. The answer is no until [`set_eval_allowed`] says otherwise.
pub(super) fn install(isolate: &mut v8::Isolate) {
    isolate.set_allow_wasm_code_generation_callback(allow_wasm);
}

unsafe extern "C" fn allow_wasm(context: v8::Local<'_, v8::Context>, _: v8::Local<'_, v8::String>) -> bool {
    context.get_slot::<WasmAllowed>().is_some_and(|allowed| allowed.0.get())
}

/// Sets whether scripts of this context may make code from strings (`eval`, `new Function`) and from bytes
/// (`WebAssembly.compile` and its kin; modules that were compiled before can be instantiated in any case).
///
/// To be called with `true` before modules are evaluated when the flag `allow_eval_during_startup` is on, and with
/// `false` before the first event.
pub fn set_eval_allowed(context: v8::Local<'_, v8::Context>, allowed: bool) {
    context.set_allow_generation_from_strings(allowed);
    match context.get_slot::<WasmAllowed>() {
        Some(slot) => slot.0.set(allowed),
        None => {
            context.set_slot(Rc::new(WasmAllowed(Cell::new(allowed))));
        }
    }
}
