//! The built-in scripts of `js/`, evaluated before any tenant code: once, for the snapshot from which every isolate starts.

use super::{
    Surface, flags,
    script::{self, Script},
};

/// The scripts, joined in the order of `js/ORDER`: a function that adds to the object that it is given.
pub(crate) static SCRIPTS: v8::OneByteConst =
    v8::String::create_external_onebyte_const(include_bytes!(concat!(env!("OUT_DIR"), "/scripts.js")));

/// Tells one text of the scripts from another.
pub(super) const HASH: &str = env!("SCRIPTS_HASH");

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
    keep(scope, script);
    let globals = own(scope, internal, "globals").and_then(|value| v8::Local::<v8::Object>::try_from(value).ok());
    (surface.expose)(scope, globals.expect("the built-ins list their globals"));
}

fn keep(scope: &mut v8::PinScope<'_, '_>, script: Script) {
    let hooks = scope.get_slot_mut::<jsg::Hooks>().expect("Registry::install was called on this isolate");
    hooks.new_dom_exception = Some(script.new_dom_exception.clone());
    hooks.iterator_result = Some(script.iterator_result.clone());
    scope.set_slot(script);
}

/// Takes from the isolate what native code keeps of the evaluated built-ins, to be put into a snapshot.
pub(super) fn save<'s>(scope: &mut v8::PinScope<'s, '_>) -> v8::Local<'s, v8::Array> {
    let script = scope.remove_slot::<Script>().expect("the built-in scripts have run");
    script.into_array(scope)
}

/// Keeps what was [saved](save), in an isolate that was started from the snapshot.
///
/// # Panics
///
/// If it is not what this program saves.
pub(super) fn restore(scope: &mut v8::PinScope<'_, '_>, saved: v8::Local<'_, v8::Array>) {
    let script = Script::from_array(scope, saved).expect("the snapshot is of this program");
    keep(scope, script);
}

/// Does what is done at each start, after the built-ins were evaluated or came from a snapshot.
///
/// # Panics
///
/// If one of them throws, which is a defect of this program.
pub(super) fn start(scope: &mut v8::PinScope<'_, '_>, surface: &Surface) {
    script::call(scope, |script| &script.start, &[]).expect("the built-in scripts start");
    (surface.start)(scope);
}

/// Runs the scripts, which find the flags on `internal` and add what they export.
pub(crate) fn run<'s>(scope: &mut v8::PinScope<'s, '_>, internal: v8::Local<'s, v8::Object>) -> Option<()> {
    let key = jsg::string(scope, "flags");
    let flags = flags::none(scope);
    internal.create_data_property(scope, key.into(), flags.into());
    let name = jsg::string(scope, "bulkhead:scripts.js");
    let origin = v8::ScriptOrigin::new(scope, name.into(), 0, 0, false, 0, None, false, false, false, None);
    let source = v8::String::new_from_onebyte_const(scope, &SCRIPTS)?;
    let function = v8::Script::compile(scope, source, Some(&origin))?.run(scope)?;
    let function = v8::Local::<v8::Function>::try_from(function).ok()?;
    let receiver = v8::undefined(scope).into();
    function.call(scope, receiver, &[internal.into()]).map(|_| ())
}
