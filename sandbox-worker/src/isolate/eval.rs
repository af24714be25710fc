//! Code from strings and bytes: allowed while modules are evaluated, refused in events, as in the reference.

use std::{cell::Cell, rc::Rc};

/// Whether this context may compile WebAssembly from bytes; lives in a context slot.
struct WasmAllowed(Cell<bool>);

/// Makes V8 ask before it compiles WebAssembly. The answer is no until [`set_eval_allowed`] says otherwise.
pub(super) fn install(isolate: &mut v8::Isolate) {
    isolate.set_allow_wasm_code_generation_callback(allow_wasm);
    isolate.set_modify_code_generation_from_strings_callback(allow_string);
}

/// What V8 is asked to compile for `new Function()`.
const EMPTY_FUNCTION: &str = "(function anonymous(\n) {\n\n})";

/// V8 asks where code from strings is not allowed, and for what is no string. A function that is made without any text is no such code, and is how
/// classes that extend `Function` are made: only without arguments do V8's says of all of them hold.
fn allow_string<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    source: v8::Local<'s, v8::Value>,
    is_code_like: bool,
) -> v8::ModifyCodeGenerationFromStringsResult<'s> {
    let no_text = is_code_like
        && v8::Local::<v8::String>::try_from(source).is_ok_and(|source| {
            source.length() == EMPTY_FUNCTION.len() && source.to_rust_string_lossy(scope) == EMPTY_FUNCTION
        });
    // `eval()` gives undefined everywhere.
    let codegen_allowed =
        no_text || source.is_undefined() || scope.get_current_context().is_code_generation_from_strings_allowed();
    v8::ModifyCodeGenerationFromStringsResult { codegen_allowed, modified_source: None }
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
    set_wasm_allowed(context, allowed);
}

/// Runs `body`, in which the current context may make code from strings and bytes.
pub fn with_eval_allowed<'s, 'i, R>(
    scope: &mut v8::PinScope<'s, 'i>,
    body: impl FnOnce(&mut v8::PinScope<'s, 'i>) -> R,
) -> R {
    let context = scope.get_current_context();
    let strings = context.is_code_generation_from_strings_allowed();
    let wasm = context.get_slot::<WasmAllowed>().is_some_and(|allowed| allowed.0.get());
    set_eval_allowed(context, true);
    let result = body(scope);
    context.set_allow_generation_from_strings(strings);
    set_wasm_allowed(context, wasm);
    result
}

fn set_wasm_allowed(context: v8::Local<'_, v8::Context>, allowed: bool) {
    match context.get_slot::<WasmAllowed>() {
        Some(slot) => slot.0.set(allowed),
        None => {
            context.set_slot(Rc::new(WasmAllowed(Cell::new(allowed))));
        }
    }
}
