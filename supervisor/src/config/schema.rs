//! The configuration schema as the parser sees it: names and what they mean, taken from the generated code's own
//! description, so that no field is written down a second time.

use std::collections::{HashMap, HashSet};

use bulkhead_ipc::workerd_capnp;
use capnp::{
    introspect::{Introspect, Type, TypeVariant},
    schema::{EnumSchema, Field, StructSchema},
    schema_capnp::node,
};

/// The import path of the configuration schema.
pub(crate) const WORKERD: &str = "/workerd/workerd.capnp";
/// The import path of the annotations for C++, which mean nothing here.
pub(crate) const CXX: &str = "/capnp/c++.capnp";

/// All structs and enums of the configuration schema, by their dotted names such as `Worker.Binding`.
pub(crate) struct Catalogue {
    types: HashMap<String, Type>,
}

impl Catalogue {
    /// Walks the schema from its two roots.
    pub(crate) fn new() -> capnp::Result<Self> {
        let mut catalogue = Self { types: HashMap::new() };
        let mut seen = HashSet::new();
        let mut pending = vec![config_type(), workerd_capnp::fallback_service_request::Owned::introspect()];
        while let Some(next) = pending.pop() {
            match next.which() {
                TypeVariant::List(element) => pending.push(element),
                TypeVariant::Enum(raw) => {
                    catalogue.types.insert(dotted(EnumSchema::new(raw).get_proto())?, next);
                }
                TypeVariant::Struct(raw) => {
                    let schema = StructSchema::new(raw);
                    let proto = schema.get_proto();
                    if !seen.insert(proto.get_id()) {
                        continue;
                    }
                    pending.extend(schema.get_fields()?.iter().map(|field| field.get_type()));
                    // A group is a struct too, of which nobody can name the type.
                    let is_group = matches!(proto.which()?, node::Struct(inner) if inner.get_is_group());
                    if !is_group {
                        catalogue.types.insert(dotted(proto)?, next);
                    }
                }
                _ => {}
            }
        }
        Ok(catalogue)
    }

    /// The type with this dotted name.
    pub(crate) fn find(&self, name: &str) -> Option<Type> {
        self.types.get(name).copied()
    }

    /// The last parts of all names that begin with `prefix`, for suggestions.
    pub(crate) fn members<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.types.keys().filter_map(move |name| {
            let rest = name.strip_prefix(prefix)?;
            (!rest.is_empty() && !rest.contains('.')).then_some(rest)
        })
    }
}

/// The type of a whole configuration.
pub(crate) fn config_type() -> Type {
    workerd_capnp::config::Owned::introspect()
}

fn dotted(node: node::Reader<'_>) -> capnp::Result<String> {
    let display = node.get_display_name()?.to_str()?;
    Ok(display.split_once(':').map_or(display, |(_, name)| name).to_owned())
}

/// The name of a field.
pub(crate) fn field_name(field: Field) -> &'static str {
    field.get_proto().get_name().ok().and_then(|name| name.to_str().ok()).unwrap_or("?")
}

/// The name of a struct without those it is nested in.
pub(crate) fn struct_name(schema: &StructSchema) -> String {
    let name = dotted(schema.get_proto()).unwrap_or_default();
    name.rsplit('.').next().unwrap_or_default().to_owned()
}

/// Whether the field is one of a union's.
pub(crate) fn in_union(field: Field) -> bool {
    field.get_proto().get_discriminant_value() != capnp::schema_capnp::field::NO_DISCRIMINANT
}

/// What a user calls a type.
pub(crate) fn type_name(ty: Type) -> String {
    match ty.which() {
        TypeVariant::List(element) => format!("List({})", type_name(element)),
        TypeVariant::Struct(raw) => dotted(StructSchema::new(raw).get_proto()).unwrap_or_default(),
        TypeVariant::Enum(raw) => dotted(EnumSchema::new(raw).get_proto()).unwrap_or_default(),
        other => format!("{other:?}"),
    }
}
