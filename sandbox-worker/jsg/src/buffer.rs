//! `BufferSource`, the buffers that Rust makes, and the memory of both.

use std::{
    alloc::{Layout, alloc, alloc_zeroed, dealloc},
    ffi::c_void,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

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
        let Ok(view) = v8::Local::<v8::ArrayBufferView>::try_from(self.0) else {
            return self.lend(|bytes| out.extend_from_slice(bytes));
        };
        // The bytes of a small one lie in the heap, and would have to move out of it to be lent.
        let length = view.byte_length();
        out.reserve(length);
        let copied = view.copy_contents_uninit(&mut out.spare_capacity_mut()[..length]);
        // SAFETY: so many bytes behind the others were written just now.
        unsafe { out.set_len(out.len() + copied) };
    }

    /// Lends the bytes, where they are. `body` must not run a tenant's script.
    pub fn lend<R>(&self, body: impl FnOnce(&[u8]) -> R) -> R {
        let (store, offset) = if let Ok(view) = v8::Local::<v8::ArrayBufferView>::try_from(self.0) {
            (view.get_backing_store(), view.byte_offset())
        } else if let Ok(buffer) = v8::Local::<v8::ArrayBuffer>::try_from(self.0) {
            (Some(buffer.get_backing_store()), 0)
        } else if let Ok(buffer) = v8::Local::<v8::SharedArrayBuffer>::try_from(self.0) {
            (Some(buffer.get_backing_store()), 0)
        } else {
            (None, 0)
        };
        let length = self.byte_length();
        match store.as_ref().and_then(|store| store.data()) {
            Some(data) if length > 0 => {
                // SAFETY: the source says that it covers `length` bytes from `offset` of its backing store, which `store`
                // keeps alive and in place. Script runs on this thread alone, and `body` runs none that could change them.
                body(unsafe { std::slice::from_raw_parts(data.cast::<u8>().as_ptr().add(offset), length) })
            }
            _ => body(&[]),
        }
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
        Ok(array_buffer(scope, self.0)?.into())
    }
}

/// Bytes that become a `Uint8Array` over an `ArrayBuffer` of their own, without a copy.
#[derive(Debug, Clone)]
pub struct Uint8ArrayBytes(pub Vec<u8>);

impl<'s> ToJs<'s> for Uint8ArrayBytes {
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        let length = self.0.len();
        let buffer = array_buffer(scope, self.0)?;
        v8::Uint8Array::new(scope, buffer, 0, length).map(Into::into).ok_or(Error::Pending)
    }
}

fn array_buffer<'s>(scope: &mut v8::PinScope<'s, '_>, bytes: Vec<u8>) -> Result<v8::Local<'s, v8::ArrayBuffer>> {
    if !reserve(bytes.len()) {
        // There may be garbage.
        scope.low_memory_notification();
        if !reserve(bytes.len()) {
            return Err(Error::range_error("Array buffer allocation failed"));
        }
    }
    let store = v8::ArrayBuffer::new_backing_store_from_bytes(Box::new(Counted(bytes.into()))).make_shared();
    Ok(v8::ArrayBuffer::with_backing_store(scope, &store))
}

/// Bytes that are counted for as long as they exist.
struct Counted(Box<[u8]>);

impl AsMut<[u8]> for Counted {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        release(self.0.len());
    }
}

// ------------------------------------------------------------------------------------------------------------ memory

/// Bytes in buffers, and how many there may be. A process has one isolate.
static USED: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Sets how many bytes the contents of all `ArrayBuffer`s together may have. What exceeds it is a `RangeError`.
///
/// Memories of WebAssembly and buffers that can be resized are not counted: V8 maps them itself.
pub fn set_buffer_limit(bytes: usize) {
    LIMIT.store(bytes, Relaxed);
}

/// Bytes in all buffers that are counted.
pub fn buffer_bytes() -> usize {
    USED.load(Relaxed)
}

fn reserve(bytes: usize) -> bool {
    let limit = LIMIT.load(Relaxed);
    let add = |used: usize| used.checked_add(bytes).filter(|total| *total <= limit);
    USED.fetch_update(Relaxed, Relaxed, add).is_ok()
}

fn release(bytes: usize) {
    USED.fetch_sub(bytes, Relaxed);
}

/// Bytes on their way into a buffer, counted as if they were in one already.
#[derive(Debug, Default)]
pub struct Reserved(usize);

impl Reserved {
    /// Counts so many bytes more; says whether there was room.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let there_is = reserve(bytes);
        if there_is {
            self.0 += bytes;
        }
        there_is
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        release(self.0);
    }
}

/// The allocator that an isolate needs for its buffers to be counted.
pub fn buffer_allocator() -> v8::UniqueRef<v8::Allocator> {
    static VTABLE: v8::RustAllocatorVtable<()> =
        v8::RustAllocatorVtable { allocate: allocate_zeroed, allocate_uninitialized, free, drop: nothing };
    // SAFETY: the functions take no notice of the handle.
    unsafe { v8::new_rust_allocator(std::ptr::from_ref(&()), &VTABLE) }
}

/// V8 asks for what the widest element needs.
fn layout(length: usize) -> Option<Layout> {
    // No layout may be empty; V8 frees with the length that it asked for.
    Layout::from_size_align(length.max(1), 16).ok()
}

fn allocate(length: usize, with: unsafe fn(Layout) -> *mut u8) -> *mut c_void {
    let Some(layout) = layout(length) else { return std::ptr::null_mut() };
    if !reserve(length) {
        return std::ptr::null_mut();
    }
    // SAFETY: the layout is not empty.
    let memory = unsafe { with(layout) };
    if memory.is_null() {
        release(length);
    }
    memory.cast()
}

unsafe extern "C" fn allocate_zeroed(_: &(), length: usize) -> *mut c_void {
    allocate(length, alloc_zeroed)
}

unsafe extern "C" fn allocate_uninitialized(_: &(), length: usize) -> *mut c_void {
    allocate(length, alloc)
}

unsafe extern "C" fn free(_: &(), memory: *mut c_void, length: usize) {
    let Some(layout) = layout(length).filter(|_| !memory.is_null()) else { return };
    // SAFETY: V8 gives back what it got, with the length that it asked for.
    unsafe { dealloc(memory.cast(), layout) };
    release(length);
}

unsafe extern "C" fn nothing(_: *const ()) {}
