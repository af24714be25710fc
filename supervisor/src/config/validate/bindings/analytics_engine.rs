//! A dataset, whose data points go to a service.

use bulkhead_ipc::workerd_capnp::worker::binding;

use super::Of;
use crate::config::{model::BindingValue, position::Cursor, validate::Validator};

pub(super) fn read(
    validator: &mut Validator<'_>,
    binding: binding::Reader<'_>,
    at: &Cursor<'_>,
    of: &Of<'_>,
) -> Option<BindingValue> {
    let Ok(binding::AnalyticsEngine(designator)) = binding.which() else { return None };
    validator.experimental(at, "AnalyticsEngine bindings are")?;
    let designator = validator.intact(designator, at)?;
    let whose = format!("Worker \"{}\"'s binding \"{}\"", of.worker, of.name);
    validator.designator(designator, &whose, at).map(BindingValue::AnalyticsEngine)
}
