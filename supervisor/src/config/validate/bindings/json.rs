//! What a JSON text says, which the worker parses.

use bulkhead_ipc::workerd_capnp::worker::binding;

use crate::config::{model::BindingValue, position::Cursor, validate::Validator};

pub(super) fn read(
    validator: &mut Validator<'_>,
    binding: binding::Reader<'_>,
    at: &Cursor<'_>,
    _: bool,
) -> Option<BindingValue> {
    let Ok(binding::Json(text)) = binding.which() else { return None };
    let json = validator.string(text, at)?;
    validator.json(&json, at);
    Some(BindingValue::Json(json))
}
