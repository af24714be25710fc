//! From a bundle to a worker that can be called: flags, limits, modules.

use std::{fs::File, ops::RangeFrom, os::unix::net::UnixStream, rc::Rc};

use bulkhead_ipc::{
    blob,
    compatibility::{self, Flag},
    worker_capnp as wire,
};

use super::{Entrypoint, Target, Worker, entrypoints, fallback::Supervisor};
use crate::{
    bindings::{self, Binding, Database, Export, NotYet, Value},
    isolate::{
        Isolate, Testing,
        eval::set_eval_allowed,
        modules::{self, Content, ExtensionModule, ModuleSource, StartupError},
    },
    limits::{self, WorkerPolicy, bound},
    log::{self, Level},
};

const EVAL_AT_START: Flag = Flag::named("allow_eval_during_startup");

/// The default size of a body that travels in the reply: 64 KiB.
const DEFAULT_INLINE_BODY: usize = 64 * 1024;

/// Most bytes of code and bindings, all together: what a configuration can have.
const MAX_BYTES: u64 = 512 << 20;

/// What of a bundle may be long: it is here when all of it has been pulled.
pub(crate) struct Parts {
    source: Source,
    extensions: Vec<ExtensionModule>,
    bindings: Vec<Binding>,
}

/// What a process was handed for its worker, beside connections.
#[derive(Default)]
pub(crate) struct Handed {
    /// Where the supervisor is asked for modules that the worker does not have.
    pub(crate) fallback: Option<UnixStream>,
    /// The texts of the extensions' modules.
    pub(crate) extensions: Option<File>,
}

enum Source {
    Modules(Vec<ModuleSource>),
    Script(String),
}

/// Reads values one after the other, within a bound for all of them.
struct Budget(u64);

impl Budget {
    async fn bytes(&mut self, value: capnp::Result<wire::blob::Reader<'_>>) -> Result<Vec<u8>, capnp::Error> {
        let bytes = blob::read(value?, self.0).await?;
        self.0 -= bytes.len() as u64;
        Ok(bytes)
    }

    async fn text(&mut self, value: capnp::Result<wire::blob::Reader<'_>>) -> Result<String, capnp::Error> {
        let text = blob::read_text(value?, self.0).await?;
        self.0 -= text.len() as u64;
        Ok(text)
    }
}

impl Parts {
    /// Reads them, and pulls what did not travel with the bundle.
    pub(crate) async fn read(bundle: wire::worker_bundle::Reader<'_>) -> Result<Self, capnp::Error> {
        let mut budget = Budget(MAX_BYTES);
        let source = match bundle.get_source().which()? {
            wire::worker_bundle::source::Modules(list) => {
                let mut sources = Vec::new();
                for module in list? {
                    sources.push(module_source(module, &mut budget).await?);
                }
                Source::Modules(sources)
            }
            wire::worker_bundle::source::ServiceWorkerScript(text) => Source::Script(budget.text(text).await?),
        };
        let mut extensions = Vec::new();
        for module in bundle.get_extensions()? {
            extensions.push(ExtensionModule {
                name: module.get_name()?.to_string()?,
                internal: module.get_internal(),
                offset: module.get_offset(),
                length: module.get_length(),
            });
        }
        let mut bindings = Vec::new();
        // The first position is what the global `fetch()` goes to.
        let mut positions = 1..;
        for binding in bundle.get_bindings()? {
            bindings.push(read_binding(binding, &mut budget, &mut positions).await?);
        }
        Ok(Self { source, extensions, bindings })
    }
}

impl Worker {
    /// Runs the bundle's code, of which `parts` were read before.
    ///
    /// # Errors
    ///
    /// `Err(Ok(…))`: the tenant's code did not start. `Err(Err(…))`: the message itself is faulty.
    pub(crate) fn start(
        isolate: Rc<Isolate>,
        bundle: wire::worker_bundle::Reader<'_>,
        parts: Parts,
        handed: Handed,
    ) -> Result<Worker, Result<StartupError, capnp::Error>> {
        let malformed = |error: capnp::Error| Err(error);
        let flags = compatibility_flags(bundle)?;
        isolate.set_flags(flags);
        let limits = bundle.get_limits().and_then(WorkerPolicy::read).map_err(malformed)?;
        isolate.set_limits(limits);
        let testing = bundle.get_testing();
        isolate.set_testing(Testing { running_clock: testing.get_running_clock(), gc_stress: testing.get_gc_stress() });
        if let Some(bytes) = bound(limits.buffer_bytes) {
            jsg::set_buffer_limit(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        isolate.logger().set_limit(limits.log_buffer_bytes as usize);
        let texts = texts(handed.extensions, &parts.extensions).map_err(malformed)?;
        let actor_classes = actor_classes(bundle).map_err(malformed)?;
        let service = bundle.get_service().map_err(malformed)?.to_string().map_err(|error| malformed(error.into()))?;
        let (started, breach) = isolate.clone().start_up(|scope| {
            let context = scope.get_current_context();
            let may_eval = isolate.flags().is_on(EVAL_AT_START);
            let env = v8::Object::new(scope);
            // What the Cache API asks stands between the bindings and the worker's own entrypoints.
            let after = bindings::after_bindings(&parts.bindings);
            let cache = bundle.get_has_cache().then_some(after);
            bindings::set_cache(scope, cache);
            let first_own = after + u32::from(cache.is_some());
            let started = match parts.source {
                Source::Modules(sources) => {
                    if let Some(texts) = texts {
                        modules::extend(scope, texts, parts.extensions).map_err(Ok)?;
                    }
                    if let Some(stream) = handed.fallback {
                        modules::fall_back(scope, Rc::new(Supervisor(stream)));
                    }
                    // In the reference too, what makes bindings cannot yet make code.
                    set_eval_allowed(context, false);
                    bindings::bind_all(scope, env, parts.bindings).map_err(Ok)?;
                    set_eval_allowed(context, may_eval);
                    modules::evaluate_modules(scope, sources, env)
                        .and_then(|namespace| entrypoints::exported(scope, namespace))
                        .map_err(Ok)
                }
                Source::Script(text) => {
                    // In this syntax bindings are properties of the global object.
                    let global = scope.get_current_context().global(scope);
                    set_eval_allowed(context, may_eval);
                    bindings::bind_all(scope, global, parts.bindings).map_err(Ok)?;
                    modules::evaluate_script(scope, &service, &text)
                        .and_then(|()| entrypoints::listening(scope).map(|entrypoint| vec![entrypoint]))
                        .map_err(Ok)
                }
            };
            set_eval_allowed(context, false);
            if let Ok(entrypoints) = &started {
                for (class, _) in actor_classes.iter().filter(|(class, _)| !has_actor(entrypoints, class)) {
                    let text = format!(
                        "A DurableObjectNamespace in the config referenced the class \"{class}\", but no such Durable Object \
                         class is exported from the worker."
                    );
                    isolate.logger().write(Level::Warn, log::Source::Runtime, &text);
                }
                let name = |name: &str| if name.is_empty() { "default".to_owned() } else { name.to_owned() };
                let own = entrypoints.iter().zip(first_own..).filter_map(|(entrypoint, position)| {
                    let export = match entrypoint.target {
                        Target::Object { .. } | Target::Class(_) | Target::Listeners => Export::Service(position),
                        Target::Workflow(_) => return None,
                        Target::Actor => {
                            let namespace = actor_classes.iter().find(|(class, _)| *class == entrypoint.name);
                            Export::Actor { ephemeral: namespace.map(|(_, ephemeral)| *ephemeral) }
                        }
                    };
                    Some((name(&entrypoint.name), export))
                });
                bindings::export(scope, own.collect());
            }
            Ok::<_, Result<StartupError, capnp::Error>>((started?, v8::Global::new(scope, env)))
        });
        if let Some(limit) = breach {
            // Whatever else came of it.
            return Err(Ok(StartupError { message: limits::text(limit).into(), stack: String::new() }));
        }
        let (entrypoints, env) = started?;
        let inline = bundle.get_inline_body_bytes() as usize;
        let inline_body_bytes = if inline == 0 { DEFAULT_INLINE_BODY } else { inline };
        Ok(Worker { isolate, entrypoints, env, inline_body_bytes })
    }
}

/// The file with the texts of these modules. Where there are none it is closed, before the worker's code runs.
fn texts(file: Option<File>, modules: &[ExtensionModule]) -> Result<Option<File>, capnp::Error> {
    match file {
        None if !modules.is_empty() => Err(capnp::Error::failed("extensions without the file that they are in".into())),
        file => Ok(file.filter(|_| !modules.is_empty())),
    }
}

/// The exports that are to be classes of Durable Objects, and whether those have no storage.
fn actor_classes(bundle: wire::worker_bundle::Reader<'_>) -> Result<Vec<(String, bool)>, capnp::Error> {
    let mut classes = Vec::new();
    for class in bundle.get_actor_classes()? {
        classes.push((class.get_name()?.to_string()?, class.get_ephemeral()));
    }
    Ok(classes)
}

fn has_actor(entrypoints: &[Rc<Entrypoint>], class: &str) -> bool {
    entrypoints.iter().any(|entrypoint| entrypoint.name == class && matches!(entrypoint.target, Target::Actor))
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

/// Reads a binding, and those inside of it.
async fn read_binding(
    binding: wire::binding::Reader<'_>,
    budget: &mut Budget,
    positions: &mut RangeFrom<u32>,
) -> Result<Binding, capnp::Error> {
    use wire::binding::Which;
    let value = match binding.which()? {
        Which::Text(text) => Value::Text(budget.text(text).await?),
        Which::Data(bytes) => Value::Data(budget.bytes(bytes).await?),
        Which::Json(text) => Value::Json(budget.text(text).await?),
        Which::WasmModule(bytes) => Value::Wasm(budget.bytes(bytes).await?),
        Which::Service(()) => Value::Service(positions.next().unwrap_or_default()),
        Which::ActorNamespace(namespace) => Value::ActorNamespace { ephemeral: namespace.get_ephemeral() },
        Which::Null(()) => Value::Null,
        Which::Wrapped(wrapped) => {
            let mut inner = Vec::new();
            for binding in wrapped.get_inner_bindings()? {
                inner.push(Box::pin(read_binding(binding, budget, positions)).await?);
            }
            let module = wrapped.get_module_name()?.to_string()?;
            Value::Wrapped { module, entrypoint: wrapped.get_entrypoint()?.to_string()?, inner }
        }
        Which::UnsafeEval(()) => Value::UnsafeEval,
        Which::MemoryCache(()) => Value::MemoryCache(positions.next().unwrap_or_default()),
        Which::AnalyticsEngine(dataset) => {
            Value::AnalyticsEngine(positions.next().unwrap_or_default(), dataset?.to_string()?)
        }
        Which::Hyperdrive(from) => {
            let database = Database {
                name: from.get_database()?.to_string()?,
                user: from.get_user()?.to_string()?,
                password: from.get_password()?.to_string()?,
                scheme: from.get_scheme()?.to_string()?,
            };
            Value::Hyperdrive(positions.next().unwrap_or_default(), database)
        }
        Which::NotYet(kind) => Value::NotYet(not_yet(kind?)),
    };
    Ok(Binding { name: binding.get_name()?.to_string()?, value })
}

fn not_yet(kind: wire::NotYet) -> NotYet {
    use wire::NotYet as Wire;
    match kind {
        Wire::KvNamespace => NotYet::KvNamespace,
        Wire::R2Bucket => NotYet::R2Bucket,
        Wire::Queue => NotYet::Queue,
        Wire::DurableObjectClass => NotYet::DurableObjectClass,
        Wire::WorkerLoader => NotYet::WorkerLoader,
        Wire::DebugPort => NotYet::DebugPort,
        Wire::CryptoKey => NotYet::CryptoKey,
    }
}

async fn module_source(module: wire::module::Reader<'_>, budget: &mut Budget) -> Result<ModuleSource, capnp::Error> {
    use wire::module::Which;
    let content = match module.which()? {
        Which::EsModule(text) => Content::Es(budget.text(text).await?),
        Which::CommonJsModule(text) => {
            let mut names = Vec::new();
            for name in module.get_named_exports()? {
                names.push(name?.to_string()?);
            }
            Content::CommonJs(budget.text(text).await?, names)
        }
        Which::Text(text) => Content::Text(budget.text(text).await?),
        Which::Data(bytes) => Content::Data(budget.bytes(bytes).await?),
        Which::Wasm(bytes) => Content::Wasm(budget.bytes(bytes).await?),
        Which::Json(text) => Content::Json(budget.text(text).await?),
        Which::Python(()) => Content::Python,
    };
    Ok(ModuleSource { name: module.get_name()?.to_string()?, content })
}
