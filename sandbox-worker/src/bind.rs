//! From a bundle to a worker that can be called: modules, bindings, entrypoints.

use std::{cell::Cell, rc::Rc};

use bulkhead_ipc::{
    compatibility::{self, Flag},
    worker_capnp as wire,
};
use jsg::{Error, ToJs};

use crate::{
    api::webassembly::set_eval_allowed,
    isolate::{
        Isolate, builtins,
        modules::{self, Content, ModuleSource, StartupError},
    },
    limits::{self, Limits},
    log::{Level, Source},
};

/// A worker whose code has run: what it exports, and what its handlers get.
#[derive(Debug)]
pub struct Worker {
    /// The isolate.
    pub isolate: Rc<Isolate>,
    /// Exported entrypoints; the name of the default one is empty.
    pub entrypoints: Vec<Rc<Entrypoint>>,
    /// The object that handlers get as `env`.
    pub env: v8::Global<v8::Object>,
    /// Longest response body that travels in the reply, in bytes.
    pub inline_body_bytes: usize,
}

/// Something that events can be sent to.
#[derive(Debug)]
pub struct Entrypoint {
    /// The name of the export; empty for `default`.
    pub name: String,
    /// What events are delivered to.
    pub target: Target,
    /// The kinds of event that have a handler, by the name of the handler.
    pub handlers: Vec<String>,
    /// Whether it was said that there is no handler, which is said once.
    pub complained: Cell<bool>,
}

/// What events are delivered to.
#[derive(Debug)]
pub enum Target {
    /// An exported object: handlers are its methods.
    Object(v8::Global<v8::Object>),
    /// The listeners of a service-worker script.
    Listeners,
}

/// Names of handlers that an exported object may have.
const HANDLERS: &[&str] =
    &["fetch", "connect", "scheduled", "queue", "tail", "trace", "tailStream", "email", "test", "alarm"];

const EVAL_AT_START: Flag = Flag::named("allow_eval_during_startup");

/// The default size of a body that travels in the reply: 64 KiB.
const DEFAULT_INLINE_BODY: usize = 64 * 1024;

impl Worker {
    /// Runs the bundle's code.
    ///
    /// # Errors
    ///
    /// `Err(Ok(…))`: the tenant's code did not start. `Err(Err(…))`: the message itself is faulty.
    pub fn start(
        isolate: Rc<Isolate>,
        bundle: wire::worker_bundle::Reader<'_>,
    ) -> Result<Worker, Result<StartupError, capnp::Error>> {
        let malformed = |error: capnp::Error| Err(error);
        let flags = compatibility_flags(bundle)?;
        isolate.set_flags(flags);
        let limits = bundle.get_limits().map_err(malformed)?;
        isolate.set_limits(Limits::read(limits));
        if limits.get_buffer_bytes() != 0 {
            jsg::set_buffer_limit(usize::try_from(limits.get_buffer_bytes()).unwrap_or(usize::MAX));
        }
        isolate.logger().set_limit(limits.get_log_buffer_bytes() as usize);
        let service = bundle.get_service().map_err(malformed)?.to_string().map_err(|error| malformed(error.into()))?;
        let mut sources = None;
        let mut script = None;
        match bundle.get_source().which().map_err(|error| malformed(error.into()))? {
            wire::worker_bundle::source::Modules(list) => {
                let list = list.map_err(malformed)?;
                sources = Some(list.iter().map(module_source).collect::<Result<Vec<_>, _>>().map_err(malformed)?);
            }
            wire::worker_bundle::source::ServiceWorkerScript(text) => {
                let text = text.map_err(malformed)?;
                script = Some(text.to_string().map_err(|error| malformed(error.into()))?);
            }
        }
        let bindings = bundle.get_bindings().map_err(malformed)?;
        let (started, breach) = isolate.clone().start_up(|scope| {
            let context = scope.get_current_context();
            set_eval_allowed(context, isolate.flags().is_on(EVAL_AT_START));
            let env = v8::Object::new(scope);
            let started = match (&sources, &script) {
                (Some(_), _) => {
                    bind_all(scope, env, bindings)?;
                    let sources = sources.take().unwrap_or_default();
                    modules::evaluate_modules(scope, sources)
                        .and_then(|namespace| exported(scope, namespace))
                        .map_err(Ok)
                }
                (None, Some(text)) => {
                    // In this syntax bindings are properties of the global object.
                    let global = scope.get_current_context().global(scope);
                    bind_all(scope, global, bindings)?;
                    modules::evaluate_script(scope, &service, text)
                        .and_then(|()| listening(scope).map(|entrypoint| vec![Rc::new(entrypoint)]))
                        .map_err(Ok)
                }
                (None, None) => Err(Ok(StartupError {
                    message: "No event handlers were registered. This script does nothing.".into(),
                    stack: String::new(),
                })),
            };
            set_eval_allowed(context, false);
            Ok::<_, Result<StartupError, capnp::Error>>((started?, v8::Global::new(scope, env)))
        });
        if let Some(limit) = breach {
            // Whatever else came of it.
            return Err(Ok(StartupError { message: limits::text(limit).into(), stack: String::new() }));
        }
        let (entrypoints, env) = started?;
        let inline = limits.get_inline_body_bytes() as usize;
        let inline_body_bytes = if inline == 0 { DEFAULT_INLINE_BODY } else { inline };
        Ok(Worker { isolate, entrypoints, env, inline_body_bytes })
    }

    /// The entrypoint of this name.
    pub fn entrypoint(&self, name: &str) -> Option<&Rc<Entrypoint>> {
        self.entrypoints.iter().find(|entrypoint| entrypoint.name == name)
    }
}

fn compatibility_flags(
    bundle: wire::worker_bundle::Reader<'_>,
) -> Result<compatibility::CompatibilityFlags, Result<StartupError, capnp::Error>> {
    let read = || -> Result<(String, Vec<String>), capnp::Error> {
        let date = bundle.get_compatibility_date()?.to_string()?;
        let mut flags = Vec::new();
        for flag in bundle.get_compatibility_flags()? {
            flags.push(flag?.to_string()?);
        }
        Ok((date, flags))
    };
    let (date, flags) = read().map_err(Err)?;
    // The supervisor has checked them when it read the configuration: here they can only be faulty if it is.
    compatibility::resolve(&date, &flags, bundle.get_experimental()).map_err(|errors| {
        Err(capnp::Error::failed(format!("the bundle's compatibility settings were refused: {errors:?}")))
    })
}

fn module_source(module: wire::module::Reader<'_>) -> Result<ModuleSource, capnp::Error> {
    use wire::module::Which;
    let content = match module.which()? {
        Which::EsModule(text) => Content::Es(text?.to_string()?),
        Which::CommonJsModule(text) => {
            let mut names = Vec::new();
            for name in module.get_named_exports()? {
                names.push(name?.to_string()?);
            }
            Content::CommonJs(text?.to_string()?, names)
        }
        Which::Text(text) => Content::Text(text?.to_string()?),
        Which::Data(bytes) => Content::Data(bytes?.to_vec()),
        Which::Wasm(bytes) => Content::Wasm(bytes?.to_vec()),
        Which::Json(text) => Content::Json(text?.to_string()?),
    };
    Ok(ModuleSource { name: module.get_name()?.to_string()?, content })
}

/// Defines the bindings as properties of `target`.
fn bind_all<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    target: v8::Local<'s, v8::Object>,
    bindings: capnp::struct_list::Reader<'_, wire::binding::Owned>,
) -> Result<(), Result<StartupError, capnp::Error>> {
    for binding in bindings {
        v8::tc_scope!(let scope, scope);
        let name = binding.get_name().map_err(Err)?.to_string().map_err(|error| Err(error.into()))?;
        match binding_value(scope, binding).map_err(Err)? {
            Ok(value) => {
                let key = jsg::string(scope, &name);
                target.create_data_property(scope, key.into(), value);
            }
            Err(error) => {
                let exception = match &error {
                    Error::Pending => scope.exception().unwrap_or_else(|| v8::undefined(scope).into()),
                    error => error.to_value(scope),
                };
                let described = crate::isolate::describe(scope, exception);
                let message = format!("Uncaught {}\n  in binding \"{name}\"", described.message);
                return Err(Ok(StartupError { message, stack: described.stack }));
            }
        }
    }
    Ok(())
}

fn binding_value<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    binding: wire::binding::Reader<'_>,
) -> Result<jsg::Result<v8::Local<'s, v8::Value>>, capnp::Error> {
    use wire::binding::Which;
    Ok(match binding.which()? {
        Which::Text(text) => text?.to_str()?.to_js(scope),
        Which::Data(bytes) => jsg::ArrayBufferBytes(bytes?.to_vec()).to_js(scope),
        Which::Json(text) => {
            let text = jsg::string(scope, text?.to_str()?);
            v8::json::parse(scope, text).ok_or(Error::Pending)
        }
        Which::WasmModule(bytes) => v8::WasmModuleObject::compile(scope, bytes?).map(Into::into).ok_or(Error::Pending),
    })
}

/// The entrypoints that a main module exports.
fn exported(
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
        let mut handlers = Vec::new();
        if object.is_function() {
            if name == "default" {
                let isolate = Isolate::of(scope);
                let text = "Exported actor class as default entrypoint. This doesn't work, but historically did not \
                            produce a startup-time error.";
                isolate.logger().write(Level::Error, Source::Runtime, text);
            }
        } else {
            for handler in HANDLERS {
                let key = jsg::string(scope, handler);
                if object.get(scope, key.into()).is_some_and(|value| value.is_function()) {
                    handlers.push((*handler).to_owned());
                }
            }
        }
        entrypoints.push(Rc::new(Entrypoint {
            name: if name == "default" { String::new() } else { name },
            target: Target::Object(v8::Global::new(scope, object)),
            handlers,
            complained: Cell::new(false),
        }));
    }
    Ok(entrypoints)
}

/// The one entrypoint of a service-worker script.
fn listening(scope: &mut v8::PinScope<'_, '_>) -> Result<Entrypoint, StartupError> {
    let mut handlers = Vec::new();
    for handler in ["fetch", "scheduled", "queue", "tail", "trace", "email"] {
        let name = jsg::string(scope, handler);
        if builtins::call(scope, "listens", &[name.into()]).is_ok_and(|listens| listens.is_true()) {
            handlers.push(handler.to_owned());
        }
    }
    if handlers.is_empty() {
        return Err(StartupError {
            message: "No event handlers were registered. This script does nothing.".into(),
            stack: String::new(),
        });
    }
    Ok(Entrypoint { name: String::new(), target: Target::Listeners, handlers, complained: Cell::new(false) })
}
