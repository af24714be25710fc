//! Bindings: the values that the configuration gives a worker.
//!
//! A binding is made before the worker's code runs and lives longer than any event: none may hold what belongs to one.

mod hyperdrive;
mod wrapped;

pub(crate) use hyperdrive::Database;

pub(crate) use crate::api::{execution_context::Export, not_yet::NotYet};

use jsg::{Error, ToJs};

use crate::{
    api::{
        actors::{ColoLocalActorNamespace, DurableObjectNamespace},
        analytics_engine::AnalyticsEngine,
        execution_context,
        fetch::{cache, fetcher::Fetcher},
        memory_cache::MemoryCache,
        not_yet,
        unsafe_eval::UnsafeEval,
    },
    isolate::modules::{StartupError, startup_error},
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
    Null,
    /// What an export of an internal module makes of other bindings.
    Wrapped {
        module: String,
        entrypoint: String,
        inner: Vec<Binding>,
    },
    UnsafeEval,
    /// A position, as of a service.
    MemoryCache(u32),
    /// A position, as of a service, and the dataset's name.
    AnalyticsEngine(u32, String),
    /// A position, as of a service, and how the database is reached.
    Hyperdrive(u32, Database),
    /// Of a kind that cannot be used yet.
    NotYet(NotYet),
}

/// Defines the bindings as properties of `target`.
pub(crate) fn bind_all<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    target: v8::Local<'s, v8::Object>,
    bindings: Vec<Binding>,
) -> Result<(), StartupError> {
    for binding in bindings {
        v8::tc_scope!(let scope, scope);
        let name = binding.name.clone();
        if let Err(error) = bind(scope, target, binding) {
            let mut error = startup_error(scope, &error);
            error.message.push_str(&format!("\n  in binding \"{name}\""));
            return Err(error);
        }
    }
    Ok(())
}

/// Defines one binding.
fn bind<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    target: v8::Local<'s, v8::Object>,
    Binding { name, value }: Binding,
) -> jsg::Result<()> {
    let value = value.into_js(scope)?;
    let key = jsg::string(scope, &name);
    target.create_data_property(scope, key.into(), value).map(drop).ok_or(Error::Pending)
}

/// The first position behind the global `fetch()` and the bindings among what each connection hands over.
pub(crate) fn after_bindings(bindings: &[Binding]) -> u32 {
    1 + bindings.iter().map(|binding| binding.value.channels()).sum::<u32>()
}

/// Says what stands behind the Cache API: a position among what each connection hands over, if there is one.
pub(crate) fn set_cache(scope: &mut v8::PinScope<'_, '_>, position: Option<u32>) {
    cache::set_position(scope, position);
}

/// Makes `ctx.exports` of what the worker exports.
pub(crate) fn export(scope: &mut v8::PinScope<'_, '_>, entrypoints: Vec<(String, Export)>) {
    execution_context::set_exports(scope, entrypoints);
}

impl Value {
    /// How many of what each connection hands over are its own.
    fn channels(&self) -> u32 {
        match self {
            Value::Service(_) | Value::MemoryCache(_) | Value::AnalyticsEngine(..) | Value::Hyperdrive(..) => 1,
            Value::Wrapped { inner, .. } => inner.iter().map(|binding| binding.value.channels()).sum(),
            _ => 0,
        }
    }

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
            Value::Null => Ok(v8::null(scope).into()),
            Value::Wrapped { module, entrypoint, inner } => wrapped::make(scope, &module, &entrypoint, inner),
            Value::UnsafeEval => jsg::instantiate(scope, UnsafeEval).map(Into::into),
            Value::MemoryCache(position) => MemoryCache::make(scope, position),
            Value::AnalyticsEngine(position, dataset) => AnalyticsEngine::make(scope, position, dataset),
            Value::Hyperdrive(position, database) => database.into_js(scope, position),
            Value::NotYet(kind) => not_yet::make(scope, kind),
            Value::Wasm(bytes) => v8::WasmModuleObject::compile(scope, &bytes).map(Into::into).ok_or(Error::Pending),
        }
    }
}
