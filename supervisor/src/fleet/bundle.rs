//! From a checked configuration to the bundle that a process is bound with.

use std::time::Duration;

use bulkhead_ipc::worker_capnp::{binding, limits, module, worker_bundle};

use crate::config::{
    model::{BindingValue, ModuleKind, Worker, WorkerSource},
    policy::{INLINE_BODY_BYTES, WorkerPolicy},
};

/// Writes everything that the worker `name` is.
pub(super) fn write(mut bundle: worker_bundle::Builder<'_>, name: &str, worker: &Worker, experimental: bool) {
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
    write_limits(bundle.init_limits(), &worker.policy);
}

fn write_limits(mut to: limits::Builder<'_>, policy: &WorkerPolicy) {
    // What is longer than the wire can say is no limit in practice: 2^32 ms are seven weeks.
    let milliseconds = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    to.set_inline_body_bytes(INLINE_BODY_BYTES);
    to.set_log_buffer_bytes(policy.log_buffer_bytes);
    to.set_cpu_time_ms(milliseconds(policy.cpu_time));
    to.set_wall_time_ms(milliseconds(policy.wall_time));
    to.set_wait_until_ms(milliseconds(policy.wait_until));
    to.set_start_up_cpu_time_ms(milliseconds(policy.start_up_cpu_time));
    to.set_buffer_bytes(policy.buffer_bytes);
    to.set_response_head_bytes(policy.response_head_bytes);
    to.set_response_body_bytes(policy.response_body_bytes);
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
