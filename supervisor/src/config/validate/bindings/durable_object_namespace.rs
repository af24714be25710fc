//! A namespace of Durable Objects: a class of this worker, or of another service.

use bulkhead_ipc::workerd_capnp::worker::binding;

use super::Of;
use crate::config::{diagnostics::nearest, model::BindingValue, position::Cursor, validate::Validator};

pub(super) fn read(
    validator: &mut Validator<'_>,
    binding: binding::Reader<'_>,
    at: &Cursor<'_>,
    of: &Of<'_>,
) -> Option<BindingValue> {
    let Ok(binding::DurableObjectNamespace(designator)) = binding.which() else { return None };
    let designator = validator.intact(designator, at)?;
    validator.refuse_others(designator, at, &["className", "serviceName"]);
    let (class_at, service_at) = (at.field("className"), at.field("serviceName"));
    let class = validator.string(designator.get_class_name(), &class_at)?;
    let service = if designator.has_service_name() {
        Some(validator.string(designator.get_service_name(), &service_at)?)
    } else {
        None
    };
    let whose = format!("Worker \"{}\"'s binding \"{}\"", of.worker, of.name);
    let name = service.as_deref().unwrap_or(of.worker);
    if !validator.services.contains_key(name) {
        if validator.services_complete && !service_at.is_incomplete() {
            let message = format!("{whose} refers to a service \"{name}\", but no such service is defined.");
            match nearest(name, validator.services.keys().map(String::as_str)).map(str::to_owned) {
                Some(meant) => validator.error_with_help(&service_at, message, format!("did you mean `{meant}`?")),
                None => validator.error(&service_at, message),
            }
        }
        return None;
    }
    let Some(&ephemeral) = validator.namespaces.get(name).and_then(|classes| classes.get(&class)) else {
        if !class_at.is_incomplete() {
            let whom = match &service {
                Some(service) => format!(
                    "\"{class}\" in service \"{service}\", but no such Durable Object namespace is defined by that service."
                ),
                None => format!("\"{class}\", but no such Durable Object namespace is defined by this Worker."),
            };
            validator.error(&class_at, format!("{whose} refers to a Durable Object namespace named {whom}"));
        }
        return None;
    };
    validator.warning(at, "Durable Objects are not there yet: every call of this binding fails");
    Some(BindingValue::ActorNamespace { ephemeral })
}
