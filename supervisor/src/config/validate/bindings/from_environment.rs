//! A variable of the supervisor's environment, as it is when the configuration is read: a string, or `null`. No other is told to the
//! worker.

use std::env;

use bulkhead_ipc::workerd_capnp::worker::binding;

use super::Of;
use crate::config::{model::BindingValue, position::Cursor, validate::Validator};

pub(super) fn read(
    validator: &mut Validator<'_>,
    binding: binding::Reader<'_>,
    at: &Cursor<'_>,
    _: &Of<'_>,
) -> Option<BindingValue> {
    let Ok(binding::FromEnvironment(name)) = binding.which() else { return None };
    let name = validator.string(name, at)?;
    // As in the reference, what is no UTF-8 becomes U+FFFD.
    let value = env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    Some(value.map_or(BindingValue::Null, BindingValue::Text))
}
