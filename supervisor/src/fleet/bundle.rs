//! From a checked configuration to the bundle that a process is bound with.

use std::sync::Arc;

use bulkhead_ipc::{
    blob,
    worker_capnp::{self as wire, binding, worker_bundle},
};
use bytes::Bytes;
use capnp::struct_list;

use super::Testing;
use crate::config::{
    model::{Binding, BindingValue, ExtensionModule, ModuleKind, NotYet, Worker, WorkerSource},
    policy::INLINE_BODY_BYTES,
};

/// Code and bindings that travel with the bundle, all together, in bytes. The worker pulls the rest.
const INLINE_BYTES: usize = 16 << 20;

/// A part of a worker that its process pulls from the configuration, which it keeps alive.
struct Part {
    worker: Arc<Worker>,
    which: Which,
}

#[derive(Clone)]
enum Which {
    Module(usize),
    Script,
    /// By its index, and those of the bindings that it is inside of.
    Binding(Vec<usize>),
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        match (&self.which, &self.worker.source) {
            (Which::Module(index), WorkerSource::Modules(modules)) => match &modules[*index].kind {
                ModuleKind::EsModule(text) | ModuleKind::Text(text) | ModuleKind::Json(text) => text.as_bytes(),
                ModuleKind::CommonJs { source, .. } => source.as_bytes(),
                ModuleKind::Data(bytes) | ModuleKind::Wasm(bytes) => bytes,
                ModuleKind::Python => &[],
            },
            (Which::Script, WorkerSource::ServiceWorker(script)) => script.as_bytes(),
            (Which::Binding(path), _) => match found(&self.worker.bindings, path) {
                Some(BindingValue::Text(text) | BindingValue::Json(text)) => text.as_bytes(),
                Some(BindingValue::Data(bytes) | BindingValue::WasmModule(bytes)) => bytes,
                _ => &[],
            },
            _ => &[],
        }
    }
}

/// The binding at a path.
fn found<'a>(bindings: &'a [Binding], path: &[usize]) -> Option<&'a BindingValue> {
    let (first, rest) = path.split_first()?;
    match &bindings.get(*first)?.value {
        BindingValue::Wrapped { inner, .. } => found(inner, rest),
        value => rest.is_empty().then_some(value),
    }
}

/// Writes everything that the worker `name` is, and what of `extensions` it can import.
///
/// # Errors
/// The limits do not fit the schema.
pub(super) fn write(
    mut bundle: worker_bundle::Builder<'_>,
    name: &str,
    worker: &Arc<Worker>,
    extensions: &[ExtensionModule],
    experimental: bool,
    testing: Testing,
) -> capnp::Result<()> {
    bundle.set_service(name);
    bundle.set_compatibility_date(&worker.compatibility_date);
    bundle.set_experimental(experimental);
    let mut flags = bundle.reborrow().init_compatibility_flags(worker.compatibility_flags.len() as u32);
    for (index, flag) in worker.compatibility_flags.iter().enumerate() {
        flags.set(index as u32, flag.as_str());
    }
    let mut values = blob::Writer::new(INLINE_BYTES);
    let mut write = |to: wire::blob::Builder<'_>, which: Which| {
        let part = Part { worker: worker.clone(), which: which.clone() };
        let again = Part { worker: worker.clone(), which };
        values.write(to, part.as_ref(), || Bytes::from_owner(again));
    };
    match &worker.source {
        WorkerSource::ServiceWorker(_) => {
            write(bundle.reborrow().init_source().init_service_worker_script(), Which::Script);
        }
        WorkerSource::Modules(modules) => {
            let mut list = bundle.reborrow().init_source().init_modules(modules.len() as u32);
            for (index, source) in modules.iter().enumerate() {
                let mut to = list.reborrow().get(index as u32);
                to.set_name(&source.name);
                let content = match &source.kind {
                    ModuleKind::EsModule(_) => to.init_es_module(),
                    ModuleKind::CommonJs { named_exports, .. } => {
                        let mut names = to.reborrow().init_named_exports(named_exports.len() as u32);
                        for (index, name) in named_exports.iter().enumerate() {
                            names.set(index as u32, name.as_str());
                        }
                        to.init_common_js_module()
                    }
                    ModuleKind::Text(_) => to.init_text(),
                    ModuleKind::Data(_) => to.init_data(),
                    ModuleKind::Wasm(_) => to.init_wasm(),
                    ModuleKind::Json(_) => to.init_json(),
                    ModuleKind::Python => {
                        to.set_python(());
                        continue;
                    }
                };
                write(content, Which::Module(index));
            }
        }
    }
    let list = bundle.reborrow().init_bindings(worker.bindings.len() as u32);
    write_bindings(list, &worker.bindings, &[], &mut write);
    bundle.set_has_cache(worker.cache_api_outbound.is_some());
    let mut classes = bundle.reborrow().init_actor_classes(worker.actor_classes.len() as u32);
    for (index, class) in worker.actor_classes.iter().enumerate() {
        let mut to = classes.reborrow().get(index as u32);
        to.set_name(&class.name);
        to.set_ephemeral(class.ephemeral);
    }
    // Only modules import, and internal ones are reached through others and through bindings that are made of them.
    let is_public = |module: &ExtensionModule| !module.internal;
    let is_wrapped = |binding: &Binding| matches!(binding.value, BindingValue::Wrapped { .. });
    let imports = matches!(worker.source, WorkerSource::Modules(_))
        && (extensions.iter().any(is_public) || worker.bindings.iter().any(is_wrapped));
    let count = if imports { extensions.len() } else { 0 };
    let mut list = bundle.reborrow().init_extensions(count as u32);
    let mut offset = 0;
    for (index, module) in extensions[..count].iter().enumerate() {
        let mut to = list.reborrow().get(index as u32);
        to.set_name(&module.name);
        to.set_internal(module.internal);
        to.set_offset(offset);
        to.set_length(module.source.len() as u64);
        offset += module.source.len() as u64;
    }
    let mut to = bundle.reborrow().init_testing();
    to.set_running_clock(testing.running_clock);
    to.set_gc_stress(testing.gc_stress);
    bundle.set_inline_body_bytes(INLINE_BODY_BYTES);
    worker.policy.write(bundle.init_limits())
}

/// Writes bindings, which are inside of those at the path `inside`; `write` writes what may be long.
fn write_bindings(
    mut list: struct_list::Builder<'_, binding::Owned>,
    bindings: &[Binding],
    inside: &[usize],
    write: &mut impl FnMut(wire::blob::Builder<'_>, Which),
) {
    for (index, source) in bindings.iter().enumerate() {
        let mut to = list.reborrow().get(index as u32);
        to.set_name(&source.name);
        let path = [inside, &[index]].concat();
        let value = match &source.value {
            BindingValue::Text(_) => to.init_text(),
            BindingValue::Data(_) => to.init_data(),
            BindingValue::Json(_) => to.init_json(),
            BindingValue::WasmModule(_) => to.init_wasm_module(),
            // The shards hand over what it goes to.
            BindingValue::Service(_) => {
                to.set_service(());
                continue;
            }
            BindingValue::ActorNamespace { ephemeral } => {
                to.init_actor_namespace().set_ephemeral(*ephemeral);
                continue;
            }
            BindingValue::Null => {
                to.set_null(());
                continue;
            }
            BindingValue::Wrapped { module, entrypoint, inner } => {
                let mut wrapped = to.init_wrapped();
                wrapped.set_module_name(module);
                wrapped.set_entrypoint(entrypoint);
                write_bindings(wrapped.init_inner_bindings(inner.len() as u32), inner, &path, write);
                continue;
            }
            BindingValue::UnsafeEval => {
                to.set_unsafe_eval(());
                continue;
            }
            BindingValue::MemoryCache { .. } => {
                to.set_memory_cache(());
                continue;
            }
            BindingValue::AnalyticsEngine(service) => {
                to.set_analytics_engine(service.service.as_str());
                continue;
            }
            BindingValue::Hyperdrive(source) => {
                let mut to = to.init_hyperdrive();
                to.set_database(&source.database);
                to.set_user(&source.user);
                to.set_password(&source.password);
                to.set_scheme(&source.scheme);
                continue;
            }
            BindingValue::NotYet(kind) => {
                to.set_not_yet(match kind {
                    NotYet::KvNamespace => wire::NotYet::KvNamespace,
                    NotYet::R2Bucket => wire::NotYet::R2Bucket,
                    NotYet::Queue => wire::NotYet::Queue,
                    NotYet::DurableObjectClass => wire::NotYet::DurableObjectClass,
                    NotYet::WorkerLoader => wire::NotYet::WorkerLoader,
                    NotYet::DebugPort => wire::NotYet::DebugPort,
                    NotYet::CryptoKey => wire::NotYet::CryptoKey,
                });
                continue;
            }
        };
        write(value, Which::Binding(path));
    }
}
