//! A cache that workers share.

use bulkhead_ipc::workerd_capnp::worker::binding;

use super::Of;
use crate::config::{
    model::{BindingValue, MemoryCacheLimits},
    position::Cursor,
    validate::Validator,
};

pub(super) fn read(
    validator: &mut Validator<'_>,
    binding: binding::Reader<'_>,
    at: &Cursor<'_>,
    _: &Of<'_>,
) -> Option<BindingValue> {
    let Ok(binding::MemoryCache(cache)) = binding.which() else { return None };
    validator.experimental(at, "MemoryCache bindings are")?;
    let id = validator.string(cache.get_id(), &at.field("id"))?;
    if !cache.has_limits() {
        if !at.is_incomplete() {
            validator.error_with_help(
                at,
                "MemoryCache bindings must specify limits.",
                "set `limits`, such as (maxKeys = 1000, maxValueSize = 65536, maxTotalValueSize = 16777216)",
            );
        }
        return None;
    }
    let limits = validator.intact(cache.get_limits(), &at.field("limits"))?;
    let limits = MemoryCacheLimits {
        max_keys: limits.get_max_keys(),
        max_value_size: limits.get_max_value_size(),
        max_total_value_size: limits.get_max_total_value_size(),
    };
    Some(BindingValue::MemoryCache { id: (!id.is_empty()).then_some(id), limits })
}
