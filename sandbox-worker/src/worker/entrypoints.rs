//! What events can be delivered to: the exports of a main module, or the listeners of a script.

use std::rc::Rc;

use super::{Entrypoint, Handler, Handlers, Target, handler::ASKED_FOR};
use crate::{
    isolate::{
        Isolate,
        modules::{StartupError, builtin_export, startup_error},
        script,
    },
    log::{Level, Source},
};

/// Why an export is none that events could be delivered to.
enum Refused {
    /// The worker's code has thrown when it was asked.
    Threw(jsg::Error),
    /// In the reference's words.
    Told(String),
}

impl From<jsg::Error> for Refused {
    fn from(error: jsg::Error) -> Self {
        Refused::Threw(error)
    }
}

/// A target, and the kinds of event that it has handlers for.
type Found = (Target, Handlers);

/// The entrypoints that a main module exports.
///
/// # Errors
///
/// An export that is nothing which events could be delivered to, and what the worker's code throws when it is looked at.
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
        let found = match v8::Local::<v8::Function>::try_from(value) {
            Ok(class) => class_target(scope, class, export == "default"),
            Err(_) => object_target(scope, value, &export).map(Some),
        };
        let (target, handlers) = match found {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            Err(Refused::Told(message)) => return Err(StartupError::new(message)),
            Err(Refused::Threw(error)) => return Err(startup_error(scope, &error)),
        };
        let name = if export == "default" { String::new() } else { export };
        entrypoints.push(Entrypoint::new(name, target, handlers));
    }
    // The reference's order: the default one comes first, and then all of a kind.
    entrypoints.sort_by_key(|entrypoint| {
        let kind = match entrypoint.target {
            Target::Object { .. } | Target::Listeners => 0,
            Target::Class(_) => 1,
            Target::Workflow(_) => 2,
            Target::Actor => 3,
        };
        (!entrypoint.name.is_empty(), kind)
    });
    Ok(entrypoints)
}

/// Makes a target of a class.
type AsTarget = fn(v8::Global<v8::Function>) -> Target;

/// The classes of `cloudflare:workers` of which instances are made for events.
const BASES: [(&str, AsTarget); 2] = [("WorkerEntrypoint", Target::Class), ("WorkflowEntrypoint", Target::Workflow)];

/// What an exported function is: if it extends one of the [`BASES`], something that makes instances. `None` for a default export
/// that is no entrypoint, as if there were none.
fn class_target<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    class: v8::Local<'s, v8::Function>,
    is_default: bool,
) -> Result<Option<Found>, Refused> {
    for (base, target) in BASES {
        // Nothing extends what nobody has imported.
        let Some(base) = builtin_export(scope, "cloudflare:workers", base) else { break };
        if !base.strict_equals(class.into()) && !inherits_from(scope, class.into(), base)? {
            continue;
        }
        let key = jsg::string(scope, "prototype");
        let prototype = class.get(scope, key.into()).ok_or(jsg::Error::Pending)?;
        let prototype = v8::Local::<v8::Object>::try_from(prototype).map_err(|_| no_object())?;
        if !ends_in_object(scope, prototype)? {
            return Err(no_object());
        }
        // An instance may have others.
        let mut handlers = Handlers::default();
        for handler in Handler::ALL {
            if handler == Handler::Bench && !Isolate::of(scope).is_tested() {
                continue;
            }
            let key = handler.key(scope);
            if prototype.has(scope, key.into()).ok_or(jsg::Error::Pending)? {
                handlers.insert(handler);
            }
        }
        return Ok(Some((target(v8::Global::new(scope, class)), handlers)));
    }
    if is_default {
        let text = "Exported actor class as default entrypoint. This doesn't work, but historically did not produce a \
                    startup-time error.";
        Isolate::of(scope).logger().write(Level::Error, Source::Runtime, text);
        return Ok(None);
    }
    Ok(Some((Target::Actor, Handlers::default())))
}

/// An exported object, whose methods are looked up once and for all.
fn object_target<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    value: v8::Local<'s, v8::Value>,
    export: &str,
) -> Result<Found, Refused> {
    let Ok(object) = v8::Local::<v8::Object>::try_from(value) else {
        return Err(Refused::Told(if value.is_null_or_undefined() {
            "Uncaught TypeError: Cannot initialize ExportedHandler with required members from an undefined or null value."
                .to_owned()
        } else {
            format!(
                "Uncaught TypeError: Incorrect type for map entry '{export}': the provided value is not of type 'function \
                 or ExportedHandler'."
            )
        }));
    };
    let mut methods = Vec::new();
    for name in ASKED_FOR {
        let key = jsg::string(scope, name);
        let value = object.get(scope, key.into()).ok_or(jsg::Error::Pending)?;
        let handler = Handler::ALL.into_iter().find(|handler| handler.name() == name);
        if let (Some(handler), Ok(method)) = (handler, v8::Local::<v8::Function>::try_from(value)) {
            methods.push((handler, v8::Global::new(scope, method)));
        }
    }
    if !ends_in_object(scope, object)? {
        return Err(no_object());
    }
    let mut handlers: Handlers = methods.iter().map(|(handler, _)| *handler).collect();
    // As in the reference, an object that has anything of this name is a test, which fails if that is no function.
    let key = Handler::Test.key(scope);
    if object.has(scope, key.into()).ok_or(jsg::Error::Pending)? {
        handlers.insert(Handler::Test);
    }
    let key = Handler::Bench.key(scope);
    if Isolate::of(scope).is_tested() && object.has(scope, key.into()).ok_or(jsg::Error::Pending)? {
        handlers.insert(Handler::Bench);
    }
    Ok((Target::Object { object: v8::Global::new(scope, object), methods }, handlers))
}

fn no_object() -> Refused {
    Refused::Told("Exported value's prototype chain does not end in Object.".to_owned())
}

/// Whether the prototype chain of an object ends in `Object.prototype`.
fn ends_in_object<'s>(scope: &mut v8::PinScope<'s, '_>, object: v8::Local<'s, v8::Object>) -> jsg::Result<bool> {
    let last = v8::Object::new(scope).get_prototype(scope).ok_or(jsg::Error::Pending)?;
    inherits_from(scope, object, last)
}

/// Whether a value is on the prototype chain of an object.
fn inherits_from<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    object: v8::Local<'s, v8::Object>,
    ancestor: v8::Local<'s, v8::Value>,
) -> jsg::Result<bool> {
    // V8's own way does not ask proxies.
    script::call(scope, |script| &script.inherits_from, &[object.into(), ancestor]).map(|inherits| inherits.is_true())
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
        // As in the reference each script counts as one that has a test, which fails.
        if handler == Handler::Test || listens(scope, handler).is_ok_and(|listens| listens) {
            handlers.insert(handler);
        }
    }
    Ok(Entrypoint::new(String::new(), Target::Listeners, handlers))
}

/// Whether the global object has listeners for events of this kind: tests and benchmarks are not delivered to listeners.
pub(super) fn listens(scope: &mut v8::PinScope<'_, '_>, handler: Handler) -> jsg::Result<bool> {
    if matches!(handler, Handler::Test | Handler::Bench) {
        return Ok(false);
    }
    let name = jsg::string(scope, handler.name());
    script::call(scope, |script| &script.listens, &[name.into()]).map(|listens| listens.is_true())
}
