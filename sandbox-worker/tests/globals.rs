//! What the global scope of a worker is and what it has not. Where its properties sit beside the reference's is a test of
//! `api/surface.rs`.

mod support;

use support::check;

#[test]
fn what_is_not_a_worker_s_is_absent() {
    let names = "window document require module exports importScripts Temporal XMLHttpRequest \
                 localStorage postMessage gc d8 print internal primordials";
    for name in names.split_whitespace() {
        // --expose-gc is a flag of this test's process.
        let expected = if name == "gc" { "function" } else { "undefined" };
        check(&format!("typeof {name}"), expected);
    }
    check(
        "typeof Intl.DateTimeFormat.prototype.formatToParts + typeof new Date().toTemporalInstant",
        "functionundefined",
    );
}

#[test]
fn the_global_is_a_service_worker_s() {
    check("String(globalThis)", "[object ServiceWorkerGlobalScope]");
    check(
        "globalThis instanceof WorkerGlobalScope && globalThis instanceof EventTarget && self === globalThis",
        "true",
    );
    check("let n = 0; addEventListener('x', () => n++); dispatchEvent(new Event('x')); n", "1");
    check(
        "(function () { 'use strict'; origin = 'x' })()",
        "TypeError: Cannot assign to read only property 'origin' of object '#<ServiceWorkerGlobalScope>'",
    );
    // Polyfills replace globals by assignment.
    check(
        "fetch = 5; Headers = 6; [fetch, Headers, delete globalThis.fetch, typeof fetch]",
        r#"[5,6,true,"function"]"#,
    );
}

#[test]
fn script_cannot_wait_or_make_code() {
    check(
        "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)",
        "TypeError: Atomics.wait cannot be called in this context",
    );
    for code in [
        "eval('1')",
        "new Function('1')",
        "Function('1')",
        "Reflect.construct(Function, ['1'])",
        "(function* () {}).constructor('1')",
        "(async () => {}).constructor('1')",
        "(async function* () {}).constructor('1')",
        "(0, eval)('1')",
    ] {
        check(code, "EvalError: Code generation from strings disallowed for this context");
    }
    check(
        "setTimeout('1')",
        "TypeError: The \"callback\" argument must be of type function. Received type string ('1')",
    );
    check("import('data:text/javascript,1')", "Error: No such module \"data:text/javascript,1\".");
    let bytes = "new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])";
    for (code, name) in [
        (format!("new WebAssembly.Module({bytes})"), "WebAssembly.Module()"),
        (format!("WebAssembly.compile({bytes})"), "WebAssembly.compile()"),
        (format!("WebAssembly.instantiate({bytes})"), "WebAssembly.instantiate()"),
    ] {
        check(&code, &format!("CompileError: {name}: Wasm code generation disallowed by embedder"));
    }
    // There is nobody to share it with: no messages leave the process but heads and bodies.
    check("new SharedArrayBuffer(4).byteLength + typeof Worker + typeof BroadcastChannel", "4undefinedundefined");
}
