//! What is the same for every event: a string, an `ArrayBuffer`, or what a JSON text says, which the worker parses.

use bulkhead_ipc::workerd_capnp::worker::binding;

use super::Of;
use crate::config::{model::BindingValue, position::Cursor, validate::Validator};

pub(super) fn read(
    validator: &mut Validator<'_>,
    binding: binding::Reader<'_>,
    at: &Cursor<'_>,
    _: &Of<'_>,
) -> Option<BindingValue> {
    Some(match binding.which() {
        Ok(binding::Text(text)) => BindingValue::Text(validator.string(text, at)?),
        Ok(binding::Data(data)) => BindingValue::Data(validator.bytes(data, at)?),
        Ok(binding::Json(text)) => {
            let json = validator.string(text, at)?;
            validator.json(&json, at);
            BindingValue::Json(json)
        }
        _ => return None,
    })
}
