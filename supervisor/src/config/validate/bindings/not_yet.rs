//! Kinds that are there, with the methods that they have, and do nothing yet: each call says so.

use bulkhead_ipc::workerd_capnp::{service_designator, worker::binding};

use super::Of;
use crate::config::{
    model::{BindingValue, NotYet},
    position::Cursor,
    validate::Validator,
};

pub(super) fn read(
    validator: &mut Validator<'_>,
    binding: binding::Reader<'_>,
    at: &Cursor<'_>,
    of: &Of<'_>,
) -> Option<BindingValue> {
    let leads_to = |validator: &mut Validator<'_>, designator: capnp::Result<service_designator::Reader<'_>>| {
        let designator = validator.intact(designator, at)?;
        validator.designator(designator, &format!("Worker \"{}\"'s binding \"{}\"", of.worker, of.name), at)
    };
    let (kind, what) = match binding.which() {
        Ok(binding::KvNamespace(to)) => {
            leads_to(validator, to)?;
            (NotYet::KvNamespace, "KV namespaces")
        }
        Ok(binding::R2Bucket(to)) => {
            leads_to(validator, to)?;
            (NotYet::R2Bucket, "R2 buckets")
        }
        Ok(binding::Queue(to)) => {
            leads_to(validator, to)?;
            (NotYet::Queue, "queues")
        }
        Ok(binding::DurableObjectClass(to)) => {
            validator.experimental(at, "Durable Object class bindings are")?;
            leads_to(validator, to)?;
            (NotYet::DurableObjectClass, "classes of Durable Objects")
        }
        Ok(binding::WorkerLoader(loader)) => {
            validator.experimental(at, "Worker loader bindings are")?;
            validator.string(loader.get_id(), &at.field("id"))?;
            (NotYet::WorkerLoader, "worker loaders")
        }
        Ok(binding::WorkerdDebugPort(())) => {
            validator.experimental(at, "workerdDebugPort bindings are")?;
            (NotYet::DebugPort, "debug ports")
        }
        Ok(binding::CryptoKey(_)) => (NotYet::CryptoKey, "keys"),
        _ => return None,
    };
    validator.warning(at, format!("{what} are not supported yet: every use of this binding fails"));
    Some(BindingValue::NotYet(kind))
}
