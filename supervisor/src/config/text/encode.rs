//! Typed values to a message, with a note of where each value was written.

use std::rc::Rc;

use capnp::{dynamic_list, dynamic_struct, dynamic_value, message, schema::Field, traits::Owned};

use zeroize::Zeroize as _;

use super::evaluate::{Kind, Typed};
use crate::config::{
    diagnostics::Span,
    limits::{MAX_DEPTH, MAX_EXPANDED_VALUES, MAX_MESSAGE_BYTES},
    position::{Positions, Step},
    schema::field_name,
};

/// Why a value cannot be a message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EncodeError {
    #[error("the configuration has more than {MAX_EXPANDED_VALUES} values once constants are put in their places")]
    TooManyValues,
    #[error("the configuration has more than {MAX_MESSAGE_BYTES} bytes once constants are put in their places")]
    TooLarge,
    #[error("values are nested more than {MAX_DEPTH} deep once constants are put in their places")]
    TooDeep,
    #[error("cannot encode the configuration: {0}")]
    Message(#[from] capnp::Error),
}

/// Makes a message of a value, whose type is the struct `T`.
pub(crate) fn encode<T>(
    value: &Rc<Typed>,
    file: u32,
) -> Result<(message::Builder<message::HeapAllocator>, Positions), EncodeError>
where
    T: Owned,
    for<'a> T::Builder<'a>: capnp::traits::FromPointerBuilder<'a> + Into<dynamic_value::Builder<'a>>,
{
    let mut encoder = Encoder { positions: Positions::new(file), values: 0, bytes: 0 };
    let mut builder = message::Builder::new_default();
    encoder.positions.set(0, value.span);
    let root: dynamic_value::Builder<'_> = builder.init_root::<T::Builder<'_>>().into();
    if let dynamic_value::Builder::Struct(root) = root {
        encoder.structure(root, value, 0, 0)?;
    }
    Ok((builder, encoder.positions))
}

/// Wipes all texts and all data of a message, of which some are private keys.
pub(crate) fn wipe(value: dynamic_value::Builder<'_>) -> capnp::Result<()> {
    match value {
        dynamic_value::Builder::Text(text) => text.as_bytes_mut().zeroize(),
        dynamic_value::Builder::Data(bytes) => bytes.zeroize(),
        dynamic_value::Builder::List(mut list) => {
            for index in 0..list.len() {
                wipe(list.reborrow().get(index)?)?;
            }
        }
        dynamic_value::Builder::Struct(mut value) => {
            for field in value.get_schema().get_non_union_fields()?.into_iter().chain(value.which()?) {
                if value.has(field)? {
                    wipe(value.reborrow().get(field)?)?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

struct Encoder {
    positions: Positions,
    values: usize,
    bytes: u64,
}

fn unshare(mut value: &Typed) -> &Typed {
    while let Kind::Shared(inner) = &value.kind {
        value = inner;
    }
    value
}

impl Encoder {
    fn count(&mut self, bytes: usize) -> Result<(), EncodeError> {
        self.values += 1;
        self.bytes += bytes as u64;
        if self.values > MAX_EXPANDED_VALUES {
            return Err(EncodeError::TooManyValues);
        }
        if self.bytes > MAX_MESSAGE_BYTES {
            return Err(EncodeError::TooLarge);
        }
        Ok(())
    }

    fn structure(
        &mut self,
        mut builder: dynamic_struct::Builder<'_>,
        value: &Typed,
        node: u32,
        depth: usize,
    ) -> Result<(), EncodeError> {
        if depth > MAX_DEPTH {
            return Err(EncodeError::TooDeep);
        }
        let fields = match &unshare(value).kind {
            Kind::Struct(fields) => fields,
            Kind::Incomplete(fields) => {
                self.positions.mark_incomplete(node);
                fields
            }
            _ => {
                self.positions.mark_incomplete(node);
                return Ok(());
            }
        };
        for (field, name, value) in fields {
            let child = self.add(node, Step::Field(field_name(*field)), value.span, Some(*name));
            self.field(builder.reborrow(), *field, value, child, depth)?;
        }
        Ok(())
    }

    fn add(&mut self, node: u32, step: Step, span: Span, name: Option<Span>) -> u32 {
        self.positions.add(node, step, span, name)
    }

    fn field(
        &mut self,
        mut builder: dynamic_struct::Builder<'_>,
        field: Field,
        value: &Typed,
        node: u32,
        depth: usize,
    ) -> Result<(), EncodeError> {
        match &unshare(value).kind {
            Kind::Scalar(scalar) => {
                self.count(0)?;
                builder.set(field, *scalar)?;
            }
            Kind::Text(bytes) => {
                self.count(bytes.len())?;
                builder.set(field, dynamic_value::Reader::Text(bytes[..].into()))?;
            }
            Kind::Data(bytes) => {
                self.count(bytes.len())?;
                builder.set(field, dynamic_value::Reader::Data(bytes))?;
            }
            Kind::List(items) => {
                self.count(items.len())?;
                if let dynamic_value::Builder::List(list) = builder.initn(field, items.len() as u32)? {
                    self.list(list, items, node, depth + 1)?;
                }
            }
            Kind::Struct(_) | Kind::Incomplete(_) => {
                self.count(0)?;
                if let dynamic_value::Builder::Struct(inner) = builder.init(field)? {
                    self.structure(inner, value, node, depth + 1)?;
                }
            }
            // A union must still say which alternative was meant, so that it is not called missing.
            Kind::Wrong => {
                self.count(0)?;
                self.positions.mark_incomplete(node);
                if crate::config::schema::in_union(field) {
                    builder.clear(field)?;
                }
            }
            Kind::Shared(_) => {}
        }
        Ok(())
    }

    fn list(
        &mut self,
        mut builder: dynamic_list::Builder<'_>,
        items: &[Typed],
        node: u32,
        depth: usize,
    ) -> Result<(), EncodeError> {
        if depth > MAX_DEPTH {
            return Err(EncodeError::TooDeep);
        }
        for (index, item) in items.iter().enumerate() {
            let index = index as u32;
            let child = self.add(node, Step::Index(index), item.span, None);
            match &unshare(item).kind {
                Kind::Scalar(scalar) => {
                    self.count(0)?;
                    builder.set(index, *scalar)?;
                }
                Kind::Text(bytes) => {
                    self.count(bytes.len())?;
                    builder.set(index, dynamic_value::Reader::Text(bytes[..].into()))?;
                }
                Kind::Data(bytes) => {
                    self.count(bytes.len())?;
                    builder.set(index, dynamic_value::Reader::Data(bytes))?;
                }
                Kind::List(inner) => {
                    self.count(inner.len())?;
                    if let dynamic_value::Builder::List(list) = builder.reborrow().init(index, inner.len() as u32)? {
                        self.list(list, inner, child, depth + 1)?;
                    }
                }
                Kind::Struct(_) | Kind::Incomplete(_) => {
                    self.count(0)?;
                    if let dynamic_value::Builder::Struct(inner) = builder.reborrow().get(index)? {
                        self.structure(inner, item, child, depth + 1)?;
                    }
                }
                Kind::Wrong => {
                    self.count(0)?;
                    self.positions.mark_incomplete(child);
                    self.positions.mark_incomplete(node);
                }
                Kind::Shared(_) => {}
            }
        }
        Ok(())
    }
}
