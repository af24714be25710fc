//! `BufferSource` and the buffers that Rust makes.

use crate::{Error, FromJs, Place, Result, ToJs};

/// An `ArrayBuffer`, a `SharedArrayBuffer` or a view on one.
#[derive(Debug, Clone, Copy)]
pub struct BufferSource<'s>(pub v8::Local<'s, v8::Value>);

impl<'s> BufferSource<'s> {
    /// Length in bytes; 0 once detached.
    pub fn byte_length(&self) -> usize {
        if let Ok(view) = v8::Local::<v8::ArrayBufferView>::try_from(self.0) {
            view.byte_length()
        } else if let Ok(buffer) = v8::Local::<v8::ArrayBuffer>::try_from(self.0) {
            buffer.byte_length()
        } else if let Ok(buffer) = v8::Local::<v8::SharedArrayBuffer>::try_from(self.0) {
            buffer.byte_length()
        } else {
            0
        }
    }

    /// A copy of the bytes (Web IDL, "get a copy of the bytes held by the buffer source").
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.append_to(&mut bytes);
        bytes
    }

    /// Appends the bytes to `out`.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        let start = out.len();
        if let Ok(view) = v8::Local::<v8::ArrayBufferView>::try_from(self.0) {
            out.resize(start + view.byte_length(), 0);
            let copied = view.copy_contents(&mut out[start..]);
            out.truncate(start + copied);
            return;
        }
        let store = if let Ok(buffer) = v8::Local::<v8::ArrayBuffer>::try_from(self.0) {
            buffer.get_backing_store()
        } else if let Ok(buffer) = v8::Local::<v8::SharedArrayBuffer>::try_from(self.0) {
            buffer.get_backing_store()
        } else {
            return;
        };
        out.extend(store.iter().map(std::cell::Cell::get));
    }

    /// Overwrites the first bytes with `bytes`, as far as there is room; returns how many were written.
    pub fn write(&self, bytes: &[u8]) -> usize {
        let (store, offset, length) = if let Ok(view) = v8::Local::<v8::ArrayBufferView>::try_from(self.0) {
            match view.get_backing_store() {
                Some(store) => (store, view.byte_offset(), view.byte_length()),
                None => return 0,
            }
        } else if let Ok(buffer) = v8::Local::<v8::ArrayBuffer>::try_from(self.0) {
            let length = buffer.byte_length();
            (buffer.get_backing_store(), 0, length)
        } else {
            return 0;
        };
        let length = length.min(bytes.len());
        let cells = store.get(offset..offset + length).unwrap_or(&[]);
        for (cell, byte) in cells.iter().zip(bytes) {
            cell.set(*byte);
        }
        cells.len()
    }
}

impl<'s> FromJs<'s> for BufferSource<'s> {
    fn expected() -> std::borrow::Cow<'static, str> {
        "BufferSource".into()
    }

    fn matches(_: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> bool {
        value.is_array_buffer_view() || value.is_array_buffer() || value.is_shared_array_buffer()
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
        if Self::matches(scope, value) { Ok(BufferSource(value)) } else { Err(place.mismatch("BufferSource")) }
    }
}

/// Bytes that become an `ArrayBuffer`, without a copy.
#[derive(Debug, Clone)]
pub struct ArrayBufferBytes(pub Vec<u8>);

impl<'s> ToJs<'s> for ArrayBufferBytes {
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        Ok(array_buffer(scope, self.0).into())
    }
}

/// Bytes that become a `Uint8Array` over an `ArrayBuffer` of their own, without a copy.
#[derive(Debug, Clone)]
pub struct Uint8ArrayBytes(pub Vec<u8>);

impl<'s> ToJs<'s> for Uint8ArrayBytes {
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        let length = self.0.len();
        let buffer = array_buffer(scope, self.0);
        v8::Uint8Array::new(scope, buffer, 0, length).map(Into::into).ok_or(Error::Pending)
    }
}

fn array_buffer<'s>(scope: &mut v8::PinScope<'s, '_>, bytes: Vec<u8>) -> v8::Local<'s, v8::ArrayBuffer> {
    let store = v8::ArrayBuffer::new_backing_store_from_vec(bytes).make_shared();
    v8::ArrayBuffer::with_backing_store(scope, &store)
}
