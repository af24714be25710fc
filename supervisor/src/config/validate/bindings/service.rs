//! A `Fetcher`: another service, or another entrypoint of the same one.

use bulkhead_ipc::workerd_capnp::worker::binding;

use super::Of;
use crate::config::{model::BindingValue, position::Cursor, validate::Validator};

pub(super) fn read(
    validator: &mut Validator<'_>,
    binding: binding::Reader<'_>,
    at: &Cursor<'_>,
    of: &Of<'_>,
) -> Option<BindingValue> {
    let Ok(binding::Service(designator)) = binding.which() else { return None };
    let designator = validator.intact(designator, at)?;
    let whose = format!("Worker \"{}\"'s binding \"{}\"", of.worker, of.name);
    validator.designator(designator, &whose, at).map(BindingValue::Service)
}
