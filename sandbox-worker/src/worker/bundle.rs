//! From a bundle to a worker that can be called: flags, limits, modules.

use std::rc::Rc;

use bulkhead_ipc::{
    compatibility::{self, Flag},
    worker_capnp as wire,
};

use super::{Worker, entrypoints};
use crate::{
    bindings,
    isolate::{
        Isolate,
        eval::set_eval_allowed,
        modules::{self, Content, ModuleSource, StartupError},
    },
    limits::{self, Limits},
};

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
                    bindings::bind_all(scope, env, bindings)?;
                    let sources = sources.take().unwrap_or_default();
                    modules::evaluate_modules(scope, sources)
                        .and_then(|namespace| entrypoints::exported(scope, namespace))
                        .map_err(Ok)
                }
                (None, Some(text)) => {
                    // In this syntax bindings are properties of the global object.
                    let global = scope.get_current_context().global(scope);
                    bindings::bind_all(scope, global, bindings)?;
                    modules::evaluate_script(scope, &service, text)
                        .and_then(|()| entrypoints::listening(scope).map(|entrypoint| vec![Rc::new(entrypoint)]))
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
