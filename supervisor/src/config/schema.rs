//! The built-in schemas as the parser sees them: names and what they mean, taken from the generated code's own
//! description, so that no field is written down a second time.

use std::collections::{HashMap, HashSet};

use bulkhead_ipc::{policy_capnp, workerd_capnp};
use capnp::{
    introspect::{Introspect, Type, TypeVariant},
    schema::{EnumSchema, Field, StructSchema},
    schema_capnp::node,
};

/// A schema that is built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Schema {
    /// What is served: the reference's.
    Workerd,
    /// What it may use: ours.
    Bulkhead,
}

impl Schema {
    pub(crate) const ALL: [Self; 2] = [Self::Workerd, Self::Bulkhead];

    /// What it is imported by.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Workerd => "/workerd/workerd.capnp",
            Self::Bulkhead => "/bulkhead/policy.capnp",
        }
    }

    /// Its most important type, as a user would write it.
    pub(crate) fn example(self) -> &'static str {
        match self {
            Self::Workerd => "Workerd.Config",
            Self::Bulkhead => "Bulkhead.Policy",
        }
    }

    /// The types from which all others are reached.
    fn roots(self) -> Vec<Type> {
        match self {
            Self::Workerd => vec![config_type(), workerd_capnp::fallback_service_request::Owned::introspect()],
            Self::Bulkhead => vec![policy_type()],
        }
    }
}

/// The import path of the annotations for C++, which mean nothing here.
pub(crate) const CXX: &str = "/capnp/c++.capnp";

/// Every import path that is built in.
pub(crate) fn built_in_paths() -> impl Iterator<Item = &'static str> {
    Schema::ALL.into_iter().map(Schema::path).chain([CXX])
}

/// All structs and enums of the built-in schemas, by schema and dotted name such as `Worker.Binding`.
pub(crate) struct Catalogue {
    types: HashMap<(Schema, String), Type>,
}

impl Catalogue {
    /// Walks each schema from its roots.
    pub(crate) fn new() -> capnp::Result<Self> {
        let mut catalogue = Self { types: HashMap::new() };
        for schema in Schema::ALL {
            catalogue.walk(schema)?;
        }
        Ok(catalogue)
    }

    fn walk(&mut self, schema: Schema) -> capnp::Result<()> {
        let mut seen = HashSet::new();
        let mut pending = schema.roots();
        while let Some(next) = pending.pop() {
            match next.which() {
                TypeVariant::List(element) => pending.push(element),
                TypeVariant::Enum(raw) => {
                    self.types.insert((schema, dotted(EnumSchema::new(raw).get_proto())?), next);
                }
                TypeVariant::Struct(raw) => {
                    let structure = StructSchema::new(raw);
                    let proto = structure.get_proto();
                    if !seen.insert(proto.get_id()) {
                        continue;
                    }
                    pending.extend(structure.get_fields()?.iter().map(|field| field.get_type()));
                    // A group is a struct too, of which nobody can name the type.
                    let is_group = matches!(proto.which()?, node::Struct(inner) if inner.get_is_group());
                    if !is_group {
                        self.types.insert((schema, dotted(proto)?), next);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The type with this dotted name.
    pub(crate) fn find(&self, schema: Schema, name: &str) -> Option<Type> {
        self.types.get(&(schema, name.to_owned())).copied()
    }

    /// The last parts of all names that begin with `prefix`, for suggestions.
    pub(crate) fn members<'a>(&'a self, schema: Schema, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.types.keys().filter_map(move |(owner, name)| {
            let rest = name.strip_prefix(prefix)?;
            (*owner == schema && !rest.is_empty() && !rest.contains('.')).then_some(rest)
        })
    }
}

/// The type of a whole configuration.
pub(crate) fn config_type() -> Type {
    workerd_capnp::config::Owned::introspect()
}

/// The type of a whole policy.
pub(crate) fn policy_type() -> Type {
    policy_capnp::policy::Owned::introspect()
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
