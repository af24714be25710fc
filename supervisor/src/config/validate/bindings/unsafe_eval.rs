//! What makes code of strings and bytes, also in handlers.

use bulkhead_ipc::workerd_capnp::worker::binding;

use super::Of;
use crate::config::{model::BindingValue, position::Cursor, validate::Validator};

pub(super) fn read(
    validator: &mut Validator<'_>,
    _: binding::Reader<'_>,
    at: &Cursor<'_>,
    _: &Of<'_>,
) -> Option<BindingValue> {
    validator.experimental(at, "Unsafe eval bindings are")?;
    Some(BindingValue::UnsafeEval)
}
