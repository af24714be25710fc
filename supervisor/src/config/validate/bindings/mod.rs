//! Bindings: one row for each kind, and one file for kinds that are read alike. What has no row is refused.

mod analytics_engine;
mod constant;
mod durable_object_namespace;
mod from_environment;
mod hyperdrive;
mod memory_cache;
mod not_yet;
mod service;
mod unsafe_eval;
mod wasm_module;
mod wrapped;

use std::collections::HashSet;

use bulkhead_ipc::workerd_capnp::worker::binding;
use capnp::dynamic_value;

use super::Validator;
use crate::config::{
    model::{Binding, BindingValue},
    position::Cursor,
    schema::field_name,
};

/// A kind of binding that exists.
struct Row {
    /// Its alternative of the union `Binding`.
    field: &'static str,
    /// Reads and checks that alternative, which is set, and which the cursor is at.
    read: fn(&mut Validator<'_>, binding::Reader<'_>, &Cursor<'_>, &Of<'_>) -> Option<BindingValue>,
}

/// Where a binding belongs.
struct Of<'a> {
    worker: &'a str,
    /// The binding's own name.
    name: &'a str,
    /// Whether the worker is written in service-worker syntax.
    service_worker: bool,
    /// How many others it is inside of.
    depth: usize,
}

const TABLE: [Row; 19] = [
    Row { field: "text", read: constant::read },
    Row { field: "data", read: constant::read },
    Row { field: "json", read: constant::read },
    Row { field: "wasmModule", read: wasm_module::read },
    Row { field: "service", read: service::read },
    Row { field: "durableObjectNamespace", read: durable_object_namespace::read },
    Row { field: "wrapped", read: wrapped::read },
    Row { field: "fromEnvironment", read: from_environment::read },
    Row { field: "unsafeEval", read: unsafe_eval::read },
    Row { field: "memoryCache", read: memory_cache::read },
    Row { field: "analyticsEngine", read: analytics_engine::read },
    Row { field: "hyperdrive", read: hyperdrive::read },
    Row { field: "kvNamespace", read: not_yet::read },
    Row { field: "r2Bucket", read: not_yet::read },
    Row { field: "queue", read: not_yet::read },
    Row { field: "cryptoKey", read: not_yet::read },
    Row { field: "durableObjectClass", read: not_yet::read },
    Row { field: "workerLoader", read: not_yet::read },
    Row { field: "workerdDebugPort", read: not_yet::read },
];

impl Validator<'_> {
    /// The row of the alternative that is set.
    fn row(&mut self, binding: binding::Reader<'_>, at: &Cursor<'_>) -> Option<&'static Row> {
        let dynamic_value::Reader::Struct(reader) = binding.into() else { return None };
        let field = self.intact(reader.which(), at)??;
        TABLE.iter().find(|row| row.field == field_name(field))
    }

    /// Whether the worker is to go without a binding, of a kind that is not there yet.
    pub(super) fn is_left_out(&mut self, binding: binding::Reader<'_>, at: &Cursor<'_>) -> bool {
        let is_missing = self.rules.lenient
            && !matches!(binding.which(), Ok(binding::Unspecified(())) | Err(_))
            && self.row(binding, at).is_none();
        if is_missing {
            let dynamic_value::Reader::Struct(reader) = binding.into() else { return true };
            if let Ok(Some(field)) = reader.which() {
                self.unsupported(&at.field(field_name(field)));
            }
        }
        is_missing
    }

    pub(super) fn binding(
        &mut self,
        binding: binding::Reader<'_>,
        worker: &str,
        at: &Cursor<'_>,
        names: &mut HashSet<String>,
        service_worker: bool,
        depth: usize,
    ) -> Option<Binding> {
        let known: Vec<&str> = ["name", "unspecified"].into_iter().chain(TABLE.iter().map(|row| row.field)).collect();
        self.refuse_others(binding, at, &known);
        let name_at = at.field("name");
        let name = self.string(binding.get_name(), &name_at)?;
        if name.is_empty() {
            if !at.is_incomplete() {
                self.error(&name_at, "a binding needs a `name`");
            }
        } else if !names.insert(name.clone()) {
            self.error(&name_at, format!("there is already a binding `{name}`"));
        }
        let value = match binding.which() {
            Ok(binding::Unspecified(())) => {
                if !at.is_incomplete() {
                    self.error_with_help(
                        at,
                        format!("binding \"{name}\" does not specify any binding value"),
                        "set one of `text`, `data`, `json`",
                    );
                }
                return None;
            }
            Ok(_) => {
                // A kind without a row has been refused.
                let row = self.row(binding, at)?;
                (row.read)(self, binding, &at.field(row.field), &Of { worker, name: &name, service_worker, depth })?
            }
            Err(_) => return self.newer(at),
        };
        Some(Binding { name, value })
    }
}

#[cfg(test)]
mod tests {
    use capnp::introspect::{Introspect, TypeVariant};

    use super::*;
    use crate::config::schema::in_union;

    /// Alternatives that are no kind of their own.
    const NO_KIND: [&str; 2] = ["unspecified", "obsolete0"];

    #[test]
    fn each_kind_of_the_schema_has_a_row_or_is_named_as_missing() {
        let TypeVariant::Struct(schema) = binding::Owned::introspect().which() else { panic!("a struct") };
        let fields = capnp::schema::StructSchema::new(schema).get_fields().expect("fields");
        let kinds: Vec<&str> = fields.iter().filter(|field| in_union(*field)).map(field_name).collect();
        let page = include_str!("../../../../../docs/compatibility.md");
        let lines = |supported: &str| -> String {
            page.lines().filter(|line| line.starts_with("| binding") && line.contains(supported)).collect()
        };
        let (supported, missing) = (lines("| yes |") + &lines("| in part |"), lines("| no |"));
        for kind in kinds.iter().filter(|kind| !NO_KIND.contains(kind)) {
            let has_row = TABLE.iter().any(|row| row.field == *kind);
            let named = format!("`{kind}`");
            assert_eq!(supported.contains(&named), has_row, "{kind} as one that is supported");
            assert_eq!(missing.contains(&named), !has_row, "{kind} as one that is not");
        }
        for row in &TABLE {
            assert!(kinds.contains(&row.field), "the schema has no binding {}", row.field);
        }
    }
}
