//! What a message sets that nobody takes care of.

use capnp::{dynamic_struct, dynamic_value, introspect::TypeVariant, schema::Field, schema_capnp::field};

use super::Validator;
use crate::config::{
    position::Cursor,
    schema::{field_name, in_union},
};

impl Validator<'_> {
    /// Refuses every field that is set, but for those named.
    pub(super) fn refuse_others<'a>(
        &mut self,
        reader: impl Into<dynamic_value::Reader<'a>>,
        at: &Cursor<'_>,
        known: &[&str],
    ) -> Option<()> {
        let dynamic_value::Reader::Struct(reader) = reader.into() else { return Some(()) };
        let fields = self.intact(reader.get_schema().get_fields(), at)?;
        for one in fields {
            let name = field_name(one);
            if known.contains(&name) {
                continue;
            }
            let inside = at.field(name);
            if self.intact(is_set(&reader, one), &inside)? {
                // There is nothing without the alternative that was chosen.
                match in_union(one) {
                    true => self.refused(&inside),
                    false => self.unsupported(&inside),
                }
            }
        }
        Some(())
    }
}

/// Whether a field of a struct has another value than it has when nobody sets it. An empty list counts as not set, a
/// struct without content as set.
fn is_set(reader: &dynamic_struct::Reader<'_>, one: Field) -> capnp::Result<bool> {
    if in_union(one) {
        let active = reader.which()?.is_some_and(|active| active.get_index() == one.get_index());
        if !active {
            return Ok(false);
        }
        // The first alternative is what an empty message says too.
        if one.get_proto().get_discriminant_value() != 0 {
            return Ok(true);
        }
    }
    match one.get_proto().which()? {
        field::Group(_) => {
            let dynamic_value::Reader::Struct(group) = reader.get(one)? else { return Ok(false) };
            for inner in group.get_schema().get_fields()? {
                if is_set(&group, inner)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        field::Slot(slot) => {
            if one.get_type().is_pointer_type() {
                if !reader.has(one)? {
                    return Ok(false);
                }
                return Ok(match reader.get(one)? {
                    dynamic_value::Reader::List(list) => !list.is_empty(),
                    _ => true,
                });
            }
            let default = dynamic_value::Reader::new(slot.get_default_value()?, one.get_type())?;
            Ok(!same_scalar(reader.get(one)?, default) && !matches!(one.get_type().which(), TypeVariant::Void))
        }
    }
}

fn same_scalar(left: dynamic_value::Reader<'_>, right: dynamic_value::Reader<'_>) -> bool {
    use dynamic_value::Reader;
    match (left, right) {
        (Reader::Void, Reader::Void) => true,
        (Reader::Bool(left), Reader::Bool(right)) => left == right,
        (Reader::Int8(left), Reader::Int8(right)) => left == right,
        (Reader::Int16(left), Reader::Int16(right)) => left == right,
        (Reader::Int32(left), Reader::Int32(right)) => left == right,
        (Reader::Int64(left), Reader::Int64(right)) => left == right,
        (Reader::UInt8(left), Reader::UInt8(right)) => left == right,
        (Reader::UInt16(left), Reader::UInt16(right)) => left == right,
        (Reader::UInt32(left), Reader::UInt32(right)) => left == right,
        (Reader::UInt64(left), Reader::UInt64(right)) => left == right,
        (Reader::Float32(left), Reader::Float32(right)) => left.to_bits() == right.to_bits(),
        (Reader::Float64(left), Reader::Float64(right)) => left.to_bits() == right.to_bits(),
        (Reader::Enum(left), Reader::Enum(right)) => left.get_value() == right.get_value(),
        _ => false,
    }
}
