//! The built-in scripts of `js/`, evaluated in every isolate before any tenant code.

use super::{Surface, script::Script};

/// The scripts, joined in the order of `js/ORDER`: a function that adds to the object that it is given.
pub(crate) static SCRIPTS: v8::OneByteConst =
    v8::String::create_external_onebyte_const(include_bytes!(concat!(env!("OUT_DIR"), "/scripts.js")));

fn own<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    object: v8::Local<'s, v8::Object>,
    name: &str,
) -> Option<v8::Local<'s, v8::Value>> {
    let key = jsg::string(scope, name);
    object.get(scope, key.into())
}

/// Evaluates the built-ins in the current context.
///
/// # Panics
///
/// If one of them throws, or a function is missing that native code calls: a defect of this program.
pub(super) fn evaluate(scope: &mut v8::PinScope<'_, '_>, surface: &Surface) {
    let null = v8::null(scope);
    let internal = v8::Object::with_prototype_and_properties(scope, null.into(), &[], &[]);
    (surface.install_internal)(scope, internal);
    {
        v8::tc_scope!(let scope, scope);
        if run(scope, internal).is_none() {
            let exception = scope.exception().map_or_else(String::new, |value| {
                let stack = scope.stack_trace().unwrap_or(value);
                stack.to_rust_string_lossy(scope)
            });
            panic!("the built-in scripts failed: {exception}");
        }
    }
    let script = Script::find(scope, internal).unwrap_or_else(|missing| panic!("{missing}"));
    let hooks = scope.get_slot_mut::<jsg::Hooks>().expect("Registry::install was called on this isolate");
    hooks.new_dom_exception = Some(script.new_dom_exception.clone());
    scope.set_slot(script);
    let globals = own(scope, internal, "globals").and_then(|value| v8::Local::<v8::Object>::try_from(value).ok());
    (surface.expose)(scope, globals.expect("the built-ins list their globals"));
}

/// Runs the scripts, which add what they export to `internal`.
pub(crate) fn run<'s>(scope: &mut v8::PinScope<'s, '_>, internal: v8::Local<'s, v8::Object>) -> Option<()> {
    let name = jsg::string(scope, "bulkhead:scripts.js");
    let origin = v8::ScriptOrigin::new(scope, name.into(), 0, 0, false, 0, None, false, false, false, None);
    let source = v8::String::new_from_onebyte_const(scope, &SCRIPTS)?;
    let function = v8::Script::compile(scope, source, Some(&origin))?.run(scope)?;
    let function = v8::Local::<v8::Function>::try_from(function).ok()?;
    let receiver = v8::undefined(scope).into();
    function.call(scope, receiver, &[internal.into()]).map(|_| ())
}
