//! A string.

use bulkhead_ipc::workerd_capnp::worker::binding;

use crate::config::{model::BindingValue, position::Cursor, validate::Validator};

pub(super) fn read(
    validator: &mut Validator<'_>,
    binding: binding::Reader<'_>,
    at: &Cursor<'_>,
    _: bool,
) -> Option<BindingValue> {
    let Ok(binding::Text(text)) = binding.which() else { return None };
    Some(BindingValue::Text(validator.string(text, at)?))
}
