//! The built-in scripts of `js/`, evaluated in every isolate before any tenant code.

use jsg::{Error, Result};

use super::Isolate;

macro_rules! scripts {
    ($($name:literal),* $(,)?) => {
        /// In the order in which they are evaluated: the one of `js/ORDER`.
        const SCRIPTS: &[(&str, &v8::OneByteConst)] = &[$((concat!("bulkhead:", $name), {
            static SOURCE: v8::OneByteConst =
                v8::String::create_external_onebyte_const(include_str!(concat!("../../js/", $name)).as_bytes());
            &SOURCE
        })),*];
        #[cfg(test)]
        const NAMES: &[&str] = &[$($name),*];
    };
}
scripts!("primordials.js", "events.js", "streams.js");

/// Evaluates the built-ins in the current context; gives the object that holds what they export.
///
/// # Panics
///
/// If one of them throws, which is a defect of this program.
pub(super) fn evaluate<'s>(scope: &mut v8::PinScope<'s, '_>) -> v8::Local<'s, v8::Object> {
    let null = v8::null(scope);
    let internal = v8::Object::with_prototype_and_properties(scope, null.into(), &[], &[]);
    let globals = v8::Object::with_prototype_and_properties(scope, null.into(), &[], &[]);
    let key = jsg::string(scope, "globals");
    internal.set(scope, key.into(), globals.into());
    let global = scope.get_current_context().global(scope);
    crate::api::install_internal(scope, internal);
    for (name, source) in SCRIPTS {
        v8::tc_scope!(let scope, scope);
        if evaluate_one(scope, name, source, internal).is_none() {
            let exception = scope.exception().map_or_else(String::new, |value| {
                let stack = scope.stack_trace().unwrap_or(value);
                stack.to_rust_string_lossy(scope)
            });
            panic!("the built-in script {name} failed: {exception}");
        }
    }
    let key = jsg::string(scope, "globalPrototype");
    let prototype = internal.get(scope, key.into()).and_then(|value| v8::Local::<v8::Object>::try_from(value).ok());
    let target = prototype.unwrap_or(global);
    crate::api::expose(scope, target);
    let names = globals.get_own_property_names(scope, v8::GetPropertyNamesArgs::default());
    if let Some(names) = names {
        for index in 0..names.length() {
            let Some(name) = names.get_index(scope, index) else { continue };
            let Some(value) = globals.get(scope, name) else { continue };
            if let Ok(name) = v8::Local::<v8::Name>::try_from(name) {
                target.define_own_property(scope, name, value, v8::PropertyAttribute::DONT_ENUM);
            }
        }
    }
    if let Some(prototype) = prototype {
        global.set_prototype(scope, prototype.into());
    }
    internal
}

fn evaluate_one<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    name: &str,
    source: &'static v8::OneByteConst,
    internal: v8::Local<'s, v8::Object>,
) -> Option<()> {
    let name = jsg::string(scope, name);
    let origin = v8::ScriptOrigin::new(scope, name.into(), 0, 0, false, 0, None, false, false, false, None);
    let source = v8::String::new_from_onebyte_const(scope, source)?;
    let function = v8::Script::compile(scope, source, Some(&origin))?.run(scope)?;
    let function = v8::Local::<v8::Function>::try_from(function).ok()?;
    let receiver = v8::undefined(scope).into();
    let exports = function.call(scope, receiver, &[internal.into()])?;
    let Ok(exports) = v8::Local::<v8::Object>::try_from(exports) else { return Some(()) };
    let names = exports.get_own_property_names(scope, v8::GetPropertyNamesArgs::default())?;
    for index in 0..names.length() {
        let name = names.get_index(scope, index)?;
        let value = exports.get(scope, name)?;
        internal.set(scope, name, value)?;
    }
    Some(())
}

/// What the built-ins export under this name; `undefined` if they do not.
pub fn value<'s>(scope: &mut v8::PinScope<'s, '_>, name: &str) -> v8::Local<'s, v8::Value> {
    let isolate = Isolate::of(scope);
    let internal = v8::Local::new(scope, &isolate.internal);
    let key = v8::String::new_from_one_byte(scope, name.as_bytes(), v8::NewStringType::Internalized);
    key.and_then(|key| internal.get(scope, key.into())).unwrap_or_else(|| v8::undefined(scope).into())
}

/// Calls a function that the built-ins export.
pub fn call<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    name: &str,
    arguments: &[v8::Local<'s, v8::Value>],
) -> Result<v8::Local<'s, v8::Value>> {
    let function = v8::Local::<v8::Function>::try_from(value(scope, name))
        .unwrap_or_else(|_| panic!("the built-ins export no function {name}"));
    let receiver = v8::undefined(scope).into();
    function.call(scope, receiver, arguments).ok_or(Error::Pending)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_order_is_the_written_one() {
        let written: Vec<&str> = include_str!("../../js/ORDER").split_whitespace().collect();
        assert_eq!(super::NAMES, written, "list the scripts here in the order of js/ORDER");
    }

    #[test]
    fn scripts_are_ascii() {
        // They are used in place, as one-byte strings.
        for (name, source) in super::SCRIPTS {
            assert!(source.as_ref().is_ascii(), "{name} has a character outside ASCII");
        }
    }
}
