//! The built-in scripts of `js/`, evaluated in every isolate before any tenant code.

use super::{Surface, script::Script};

/// The scripts, joined in the order of `js/ORDER`: a function that adds to the object that it is given.
pub(crate) static SCRIPTS: v8::OneByteConst =
    v8::String::create_external_onebyte_const(include_bytes!(concat!(env!("OUT_DIR"), "/scripts.js")));

/// Globals that are properties of the global object itself; all others are on its prototype.
const OWN_GLOBALS: &[&str] =
    &["Cloudflare", "ServiceWorkerGlobalScope", "caches", "console", "navigator", "origin", "scheduler", "self"];

/// Functions that the global object inherits from `EventTarget.prototype`.
const INHERITED: &[&str] = &["addEventListener", "dispatchEvent", "removeEventListener"];

/// How a property of the global object, or of its prototype, can be used. Unlike the web platform, the reference
/// enumerates classes.
fn attributes(name: &str) -> v8::PropertyAttribute {
    match name {
        "console" => v8::PropertyAttribute::DONT_ENUM,
        "origin" => v8::PropertyAttribute::READ_ONLY,
        _ => v8::PropertyAttribute::NONE,
    }
}

fn prototype_of<'s>(scope: &mut v8::PinScope<'s, '_>, object: v8::Local<'s, v8::Object>) -> v8::Local<'s, v8::Object> {
    let prototype = object.get_prototype(scope).and_then(|value| v8::Local::<v8::Object>::try_from(value).ok());
    prototype.expect("the global scope's classes are in place")
}

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
    let global = scope.get_current_context().global(scope);
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
    // The classes and functions of the API are properties of the global object's prototype, as in the reference.
    let prototype = prototype_of(scope, global);
    let parent = prototype_of(scope, prototype);
    (surface.expose)(scope, prototype);
    super::script::call(scope, |script| &script.note_interfaces, &[prototype.into()])
        .expect("the built-ins take native classes");
    let globals = own(scope, internal, "globals").and_then(|value| v8::Local::<v8::Object>::try_from(value).ok());
    let globals = globals.expect("the built-ins list their globals");
    let names = globals.get_own_property_names(scope, v8::GetPropertyNamesArgs::default());
    let names = names.expect("the list of globals can be read");
    (surface.brand_classes)(scope, globals).expect("prototypes of classes can be marked");
    for index in 0..names.length() {
        let Some(name) = names.get_index(scope, index) else { continue };
        let Some(value) = globals.get(scope, name) else { continue };
        let Ok(key) = v8::Local::<v8::Name>::try_from(name) else { continue };
        let text = name.to_rust_string_lossy(scope);
        let target = match text.as_str() {
            inherited if INHERITED.contains(&inherited) => continue,
            "EventTarget" => parent,
            own if OWN_GLOBALS.contains(&own) => global,
            _ => prototype,
        };
        target.define_own_property(scope, key, value, attributes(&text));
    }
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
