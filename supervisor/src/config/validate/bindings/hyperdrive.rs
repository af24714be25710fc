//! A database behind a service that takes connections.

use bulkhead_ipc::workerd_capnp::worker::binding;

use super::Of;
use crate::config::{
    model::{BindingValue, Hyperdrive},
    position::Cursor,
    validate::Validator,
};

pub(super) fn read(
    validator: &mut Validator<'_>,
    binding: binding::Reader<'_>,
    at: &Cursor<'_>,
    of: &Of<'_>,
) -> Option<BindingValue> {
    let Ok(binding::Hyperdrive(hyperdrive)) = binding.which() else { return None };
    let service_at = at.field("designator");
    let designator = validator.intact(hyperdrive.get_designator(), &service_at)?;
    let whose = format!("Worker \"{}\"'s binding \"{}\"", of.worker, of.name);
    let service = validator.designator(designator, &whose, &service_at);
    let database = validator.string(hyperdrive.get_database(), &at.field("database"));
    let user = validator.string(hyperdrive.get_user(), &at.field("user"));
    let password = validator.string(hyperdrive.get_password(), &at.field("password"));
    let scheme = validator.string(hyperdrive.get_scheme(), &at.field("scheme"));
    let hyperdrive =
        Hyperdrive { service: service?, database: database?, user: user?, password: password?, scheme: scheme? };
    Some(BindingValue::Hyperdrive(Box::new(hyperdrive)))
}
