//! What an export of a module of an extension makes of other bindings, in module syntax only.

use std::collections::HashSet;

use bulkhead_ipc::workerd_capnp::worker::binding;

use super::Of;
use crate::config::{model::BindingValue, position::Cursor, validate::Validator};

/// How many such bindings may be inside of each other.
const MAX_DEPTH: usize = 16;

pub(super) fn read(
    validator: &mut Validator<'_>,
    binding: binding::Reader<'_>,
    at: &Cursor<'_>,
    of: &Of<'_>,
) -> Option<BindingValue> {
    let Ok(binding::Wrapped(wrapped)) = binding.which() else { return None };
    let wrapped = validator.intact(wrapped, at)?;
    if of.service_worker {
        validator.reporter.error_with_help(
            at.name_place(),
            "a `wrapped` binding is for workers made of modules only",
            "a service-worker script imports nothing, and so nothing can be made for it by a module",
        );
        return None;
    }
    if of.depth == MAX_DEPTH {
        validator.error(at, format!("more than {MAX_DEPTH} bindings are inside of each other"));
        return None;
    }
    let (module_at, bindings_at) = (at.field("moduleName"), at.field("innerBindings"));
    let module = validator.string(wrapped.get_module_name(), &module_at)?;
    if module.is_empty() && !at.is_incomplete() {
        validator.error(&module_at, "a `wrapped` binding needs a `moduleName`");
    }
    let entrypoint = validator.string(wrapped.get_entrypoint(), &at.field("entrypoint"))?;
    let bindings = validator.intact(wrapped.get_inner_bindings(), &bindings_at)?;
    let mut names = HashSet::new();
    let inner: Vec<_> = (0..bindings.len())
        .map(|index| {
            let (one, one_at) = (bindings.get(index), bindings_at.index(index));
            if validator.is_left_out(one, &one_at) {
                return None;
            }
            Some(validator.binding(one, of.worker, &one_at, &mut names, of.service_worker, of.depth + 1))
        })
        .collect();
    let inner = inner.into_iter().flatten().collect::<Option<_>>()?;
    Some(BindingValue::Wrapped { module, entrypoint, inner })
}
