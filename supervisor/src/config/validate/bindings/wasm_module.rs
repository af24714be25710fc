//! A `WebAssembly.Module`, in service-worker syntax only.

use bulkhead_ipc::workerd_capnp::worker::binding;

use super::Of;
use crate::config::{model::BindingValue, position::Cursor, validate::Validator};

pub(super) fn read(
    validator: &mut Validator<'_>,
    binding: binding::Reader<'_>,
    at: &Cursor<'_>,
    of: &Of<'_>,
) -> Option<BindingValue> {
    let Ok(binding::WasmModule(data)) = binding.which() else { return None };
    if !of.service_worker {
        validator.reporter.error_with_help(
            at.name_place(),
            "a `wasmModule` binding is for service-worker syntax only",
            "make it a module: (name = \"…\", wasm = embed \"…\")",
        );
    }
    Some(BindingValue::WasmModule(validator.bytes(data, at)?))
}
