//! What events can be delivered to: the exports of a main module, or the listeners of a script.

use std::{cell::Cell, rc::Rc};

use super::{Entrypoint, Handler, Handlers, Target};
use crate::{
    isolate::{Isolate, modules::StartupError, script},
    log::{Level, Source},
};

/// The entrypoints that a main module exports.
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
        let name = key.to_rust_string_lossy(scope);
        let Some(value) = namespace.get(scope, key) else { continue };
        let Ok(object) = v8::Local::<v8::Object>::try_from(value) else {
            return Err(StartupError {
                message: format!(
                    "Uncaught TypeError: Incorrect type for map entry '{name}': the provided value is not of type \
                     'function or ExportedHandler'."
                ),
                stack: String::new(),
            });
        };
        let mut handlers = Handlers::default();
        if object.is_function() {
            if name == "default" {
                let isolate = Isolate::of(scope);
                let text = "Exported actor class as default entrypoint. This doesn't work, but historically did not \
                            produce a startup-time error.";
                isolate.logger().write(Level::Error, Source::Runtime, text);
            }
        } else {
            for handler in Handler::ALL {
                let key = jsg::string(scope, handler.name());
                if object.get(scope, key.into()).is_some_and(|value| value.is_function()) {
                    handlers.insert(handler);
                }
            }
        }
        entrypoints.push(Rc::new(Entrypoint {
            name: if name == "default" { String::new() } else { name },
            target: Target::Object(v8::Global::new(scope, object)),
            handlers,
            complained: Cell::default(),
        }));
    }
    Ok(entrypoints)
}

/// The one entrypoint of a service-worker script.
pub(super) fn listening(scope: &mut v8::PinScope<'_, '_>) -> Result<Entrypoint, StartupError> {
    let mut handlers = Handlers::default();
    for handler in Handler::ALL.into_iter().filter(|handler| handler.is_listened_for()) {
        let name = jsg::string(scope, handler.name());
        if script::call(scope, |script| &script.listens, &[name.into()]).is_ok_and(|listens| listens.is_true()) {
            handlers.insert(handler);
        }
    }
    if handlers.is_empty() {
        return Err(StartupError {
            message: "No event handlers were registered. This script does nothing.".into(),
            stack: String::new(),
        });
    }
    Ok(Entrypoint { name: String::new(), target: Target::Listeners, handlers, complained: Cell::default() })
}
