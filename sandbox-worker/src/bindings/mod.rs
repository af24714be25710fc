//! Bindings: the values that the configuration gives a worker.
//!
//! A binding is made before the worker's code runs and lives longer than any event: none may hold what belongs to one.

use jsg::{Error, ToJs};

use crate::{
    api::{
        actors::{ColoLocalActorNamespace, DurableObjectNamespace},
        execution_context,
        fetch::{cache, fetcher::Fetcher},
    },
    isolate::modules::StartupError,
};

/// A binding as the bundle has it.
pub(crate) struct Binding {
    pub(crate) name: String,
    pub(crate) value: Value,
}

/// What it is made of.
pub(crate) enum Value {
    Text(String),
    Data(Vec<u8>),
    Json(String),
    Wasm(Vec<u8>),
    /// Where requests go: a position among what each connection hands over.
    Service(u32),
    /// Of Durable Objects, which cannot be reached yet.
    ActorNamespace {
        ephemeral: bool,
    },
}

/// Defines the bindings as properties of `target`.
pub(crate) fn bind_all<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    target: v8::Local<'s, v8::Object>,
    bindings: Vec<Binding>,
) -> Result<(), StartupError> {
    for Binding { name, value } in bindings {
        v8::tc_scope!(let scope, scope);
        match value.into_js(scope) {
            Ok(value) => {
                let key = jsg::string(scope, &name);
                target.create_data_property(scope, key.into(), value);
            }
            Err(error) => {
                let exception = error.caught(scope);
                let described = crate::isolate::describe(scope, exception);
                let message = format!("Uncaught {}\n  in binding \"{name}\"", described.message);
                return Err(StartupError { message, stack: described.stack });
            }
        }
    }
    Ok(())
}

/// The position of a worker's first own entrypoint among what each connection hands over: behind the global `fetch()` and the
/// bindings.
pub(crate) fn first_own(bindings: &[Binding]) -> u32 {
    1 + bindings.iter().filter(|binding| matches!(binding.value, Value::Service(_))).count() as u32
}

/// Says whether something stands behind the Cache API.
pub(crate) fn set_cache(scope: &mut v8::PinScope<'_, '_>, is_configured: bool) {
    cache::set_configured(scope, is_configured);
}

/// Makes `ctx.exports` of entrypoints and their positions.
pub(crate) fn export(scope: &mut v8::PinScope<'_, '_>, entrypoints: Vec<(String, u32)>) {
    execution_context::set_exports(scope, entrypoints);
}

impl Value {
    fn into_js<'s>(self, scope: &mut v8::PinScope<'s, '_>) -> jsg::Result<v8::Local<'s, v8::Value>> {
        match self {
            Value::Text(text) => text.to_js(scope),
            Value::Data(bytes) => jsg::ArrayBufferBytes(bytes).to_js(scope),
            Value::Json(text) => {
                let text = jsg::string(scope, &text);
                v8::json::parse(scope, text).ok_or(Error::Pending)
            }
            Value::Service(position) => jsg::instantiate(scope, Fetcher::new(position)).map(Into::into),
            Value::ActorNamespace { ephemeral: false } => {
                jsg::instantiate(scope, DurableObjectNamespace).map(Into::into)
            }
            Value::ActorNamespace { ephemeral: true } => {
                jsg::instantiate(scope, ColoLocalActorNamespace).map(Into::into)
            }
            Value::Wasm(bytes) => v8::WasmModuleObject::compile(scope, &bytes).map(Into::into).ok_or(Error::Pending),
        }
    }
}
