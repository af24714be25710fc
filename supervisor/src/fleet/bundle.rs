//! From a checked configuration to the bundle that a process is bound with.

use bulkhead_ipc::worker_capnp::{binding, module, worker_bundle};

use super::WorkerLimits;
use crate::config::model::{BindingValue, ModuleKind, Worker, WorkerSource};

/// Writes everything that the worker `name` is.
pub(super) fn write(
    mut bundle: worker_bundle::Builder<'_>,
    name: &str,
    worker: &Worker,
    experimental: bool,
    limits: &WorkerLimits,
) {
    bundle.set_service(name);
    bundle.set_compatibility_date(&worker.compatibility_date);
    bundle.set_experimental(experimental);
    let mut flags = bundle.reborrow().init_compatibility_flags(worker.compatibility_flags.len() as u32);
    for (index, flag) in worker.compatibility_flags.iter().enumerate() {
        flags.set(index as u32, flag.as_str());
    }
    match &worker.source {
        WorkerSource::ServiceWorker(script) => bundle.reborrow().init_source().set_service_worker_script(script),
        WorkerSource::Modules(modules) => {
            let mut list = bundle.reborrow().init_source().init_modules(modules.len() as u32);
            for (index, source) in modules.iter().enumerate() {
                let mut to = list.reborrow().get(index as u32);
                to.set_name(&source.name);
                write_module(to, &source.kind);
            }
        }
    }
    let mut bindings = bundle.reborrow().init_bindings(worker.bindings.len() as u32);
    for (index, source) in worker.bindings.iter().enumerate() {
        let mut to: binding::Builder<'_> = bindings.reborrow().get(index as u32);
        to.set_name(&source.name);
        match &source.value {
            BindingValue::Text(text) => to.set_text(text),
            BindingValue::Data(data) => to.set_data(data),
            BindingValue::Json(json) => to.set_json(json),
            BindingValue::WasmModule(wasm) => to.set_wasm_module(wasm),
        }
    }
    let mut to = bundle.init_limits();
    to.set_heap_bytes(limits.heap_bytes);
    to.set_inline_body_bytes(limits.inline_body_bytes);
    to.set_log_buffer_bytes(limits.log_buffer_bytes);
}

fn write_module(mut to: module::Builder<'_>, kind: &ModuleKind) {
    match kind {
        ModuleKind::EsModule(source) => to.set_es_module(source),
        ModuleKind::CommonJs { source, named_exports } => {
            to.set_common_js_module(source);
            let mut names = to.init_named_exports(named_exports.len() as u32);
            for (index, name) in named_exports.iter().enumerate() {
                names.set(index as u32, name.as_str());
            }
        }
        ModuleKind::Text(text) => to.set_text(text),
        ModuleKind::Data(data) => to.set_data(data),
        ModuleKind::Wasm(wasm) => to.set_wasm(wasm),
        ModuleKind::Json(json) => to.set_json(json),
    }
}
