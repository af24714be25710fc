//! What events can be delivered to: the exports of a main module, or the listeners of a script.

use std::rc::Rc;

use super::{Entrypoint, Handler, Handlers, Target, handler::ASKED_FOR};
use crate::{
    isolate::{
        Isolate,
        modules::{StartupError, startup_error},
        script,
    },
    log::{Level, Source},
};

/// The entrypoints that a main module exports.
///
/// # Errors
///
/// In the reference's words: an export that is nothing which events could be delivered to, and what a getter throws.
pub(super) fn exported(
    scope: &mut v8::PinScope<'_, '_>,
    namespace: v8::Local<'_, v8::Object>,
) -> Result<Vec<Rc<Entrypoint>>, StartupError> {
    v8::tc_scope!(let scope, scope);
    let mut entrypoints = Vec::new();
    let names = namespace.get_own_property_names(scope, v8::GetPropertyNamesArgs::default());
    let Some(names) = names else { return Ok(entrypoints) };
    for index in 0..names.length() {
        let Some(key) = names.get_index(scope, index) else { continue };
        let export = key.to_rust_string_lossy(scope);
        let Some(value) = namespace.get(scope, key) else { continue };
        let is_default = export == "default";
        let (target, handlers) = match v8::Local::<v8::Object>::try_from(value) {
            Ok(class) if class.is_function() => {
                if is_default {
                    let isolate = Isolate::of(scope);
                    let text = "Exported actor class as default entrypoint. This doesn't work, but historically did not \
                                produce a startup-time error.";
                    isolate.logger().write(Level::Error, Source::Runtime, text);
                    continue;
                }
                (Target::Actor, Handlers::default())
            }
            Ok(object) => {
                let asked = ask(scope, object).and_then(|methods| Ok((methods, ends_in_object(scope, object)?)));
                match asked {
                    Ok((methods, true)) => {
                        let handlers = methods.iter().map(|(handler, _)| *handler).collect();
                        (Target::Object { object: v8::Global::new(scope, object), methods }, handlers)
                    }
                    Ok((_, false)) => {
                        return Err(StartupError::new("Exported value's prototype chain does not end in Object."));
                    }
                    Err(error) => return Err(startup_error(scope, &error)),
                }
            }
            Err(_) if value.is_null_or_undefined() => {
                return Err(StartupError::new(
                    "Uncaught TypeError: Cannot initialize ExportedHandler with required members from an undefined or null \
                     value.",
                ));
            }
            Err(_) => {
                return Err(StartupError::new(format!(
                    "Uncaught TypeError: Incorrect type for map entry '{export}': the provided value is not of type \
                     'function or ExportedHandler'."
                )));
            }
        };
        entrypoints.push(Entrypoint::new(if is_default { String::new() } else { export }, target, handlers));
    }
    Ok(entrypoints)
}

/// The methods of an exported object that are handlers, each looked up once and for all.
fn ask<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    object: v8::Local<'s, v8::Object>,
) -> jsg::Result<Vec<(Handler, v8::Global<v8::Function>)>> {
    let mut methods = Vec::new();
    for name in ASKED_FOR {
        let key = jsg::string(scope, name);
        let value = object.get(scope, key.into()).ok_or(jsg::Error::Pending)?;
        let handler = Handler::ALL.into_iter().find(|handler| handler.name() == name);
        if let (Some(handler), Ok(method)) = (handler, v8::Local::<v8::Function>::try_from(value)) {
            methods.push((handler, v8::Global::new(scope, method)));
        }
    }
    Ok(methods)
}

/// Whether the prototype chain of an object ends in `Object.prototype`.
fn ends_in_object<'s>(scope: &mut v8::PinScope<'s, '_>, object: v8::Local<'s, v8::Object>) -> jsg::Result<bool> {
    let last = v8::Object::new(scope).get_prototype(scope).ok_or(jsg::Error::Pending)?;
    script::call(scope, |script| &script.inherits_from, &[object.into(), last]).map(|inherits| inherits.is_true())
}

/// The one entrypoint of a service-worker script.
///
/// # Errors
///
/// The script has listened for nothing.
pub(super) fn listening(scope: &mut v8::PinScope<'_, '_>) -> Result<Rc<Entrypoint>, StartupError> {
    if !script::call(scope, |script| &script.has_listened, &[]).is_ok_and(|listened| listened.is_true()) {
        return Err(StartupError::new("No event handlers were registered. This script does nothing."));
    }
    let mut handlers = Handlers::default();
    for handler in Handler::ALL {
        if listens(scope, handler).is_ok_and(|listens| listens) {
            handlers.insert(handler);
        }
    }
    Ok(Entrypoint::new(String::new(), Target::Listeners, handlers))
}

/// Whether the global object has listeners for events of this kind.
pub(super) fn listens(scope: &mut v8::PinScope<'_, '_>, handler: Handler) -> jsg::Result<bool> {
    let name = jsg::string(scope, handler.name());
    script::call(scope, |script| &script.listens, &[name.into()]).map(|listens| listens.is_true())
}
