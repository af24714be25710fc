//! `BufferSource`, the buffers that Rust makes, and the memory of both.

use std::{
    alloc::{Layout, alloc, alloc_zeroed, dealloc},
    cell::{Cell, RefCell},
    collections::HashMap,
    ffi::c_void,
    rc::{Rc, Weak},
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
    reserve_or_collect(scope, bytes.len())?;
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
/// From how many bytes on there is a look for garbage.
static COLLECT: AtomicUsize = AtomicUsize::new(usize::MAX);
/// The part of [`USED`] that V8 mapped itself.
static MAPPED: AtomicUsize = AtomicUsize::new(0);

/// Sets how many bytes the contents of all `ArrayBuffer`s and `SharedArrayBuffer`s together may have. What exceeds it is a
/// `RangeError`.
///
/// Memories of WebAssembly are not counted: instructions make them larger, which nobody sees.
pub fn set_buffer_limit(bytes: usize) {
    LIMIT.store(bytes, Relaxed);
    COLLECT.store(bytes / 2, Relaxed);
}

/// Whether so much is in buffers that there should be a look for garbage.
pub(crate) fn is_collection_due() -> bool {
    USED.load(Relaxed) > COLLECT.load(Relaxed)
}

/// Takes note of what such a look has left.
pub(crate) fn set_collected() {
    let limit = LIMIT.load(Relaxed);
    COLLECT.store(USED.load(Relaxed).saturating_add(limit / 8).max(limit / 2), Relaxed);
}

/// Bytes in buffers that Rust code allocated.
pub(crate) fn allocated() -> usize {
    USED.load(Relaxed).saturating_sub(MAPPED.load(Relaxed))
}

fn reserve(bytes: usize) -> bool {
    let limit = LIMIT.load(Relaxed);
    let add = |used: usize| used.checked_add(bytes).filter(|total| *total <= limit);
    USED.fetch_update(Relaxed, Relaxed, add).is_ok()
}

/// [`reserve`] once what garbage collection has found is given back.
fn reserve_without_the_dead(bytes: usize) -> bool {
    RESIZABLE.with_borrow_mut(Resizable::forget_the_dead);
    reserve(bytes)
}

fn reserve_or_collect(scope: &mut v8::PinScope<'_, '_>, bytes: usize) -> Result<()> {
    if !reserve(bytes) {
        // There may be garbage.
        scope.low_memory_notification();
        if !reserve_without_the_dead(bytes) {
            return Err(Error::range_error("Array buffer allocation failed"));
        }
    }
    Ok(())
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

    /// Counts so many bytes less, at most all of them.
    pub fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.0);
        self.0 -= bytes;
        release(bytes);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        release(self.0);
    }
}

/// What is mapped at a time, in bytes.
const PAGE: usize = 4096;

/// How many bytes a buffer that scripts can resize has, for as long as an object refers to them. V8 maps and unmaps them itself.
#[derive(Debug)]
struct Mapped(Cell<usize>);

impl Mapped {
    /// It has so many bytes from now on, which are reserved as far as they are more.
    fn set(&self, bytes: usize) {
        let before = self.0.replace(bytes);
        MAPPED.fetch_add(bytes, Relaxed);
        MAPPED.fetch_sub(before, Relaxed);
        release(before.saturating_sub(bytes));
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// The objects that scripts can resize, and the memory that each refers to. Several can share it, or come to have it one
/// after the other.
#[derive(Default)]
struct Resizable {
    objects: Vec<(v8::Weak<v8::Value>, Rc<Mapped>)>,
    /// The memory by its address.
    stores: HashMap<usize, Weak<Mapped>>,
    /// How many objects there may be before the dead are looked for.
    look_at: usize,
}

thread_local! {
    static RESIZABLE: RefCell<Resizable> = RefCell::default();
}

impl Resizable {
    fn forget_the_dead(&mut self) {
        self.objects.retain(|(object, _)| !object.is_empty());
        self.stores.retain(|_, mapped| mapped.strong_count() > 0);
        self.look_at = (2 * self.objects.len()).max(64);
    }
}

/// The backing store of a buffer that scripts can resize.
fn resizable_store(value: v8::Local<'_, v8::Value>) -> Option<v8::SharedRef<v8::BackingStore>> {
    let store = if let Ok(buffer) = v8::Local::<v8::ArrayBuffer>::try_from(value) {
        buffer.get_backing_store()
    } else {
        v8::Local::<v8::SharedArrayBuffer>::try_from(value).ok()?.get_backing_store()
    };
    store.is_resizable_by_user_javascript().then_some(store)
}

fn pages(bytes: usize) -> usize {
    bytes.max(1).next_multiple_of(PAGE)
}

/// Whether this is a buffer that scripts can resize.
pub fn is_resizable(value: v8::Local<'_, v8::Value>) -> bool {
    resizable_store(value).is_some()
}

/// Whether there are buffers that scripts can resize.
pub fn has_resizable() -> bool {
    RESIZABLE.with_borrow(|resizable| !resizable.objects.is_empty())
}

/// Counts a new object, if it is a buffer that scripts can resize.
///
/// # Errors
///
/// A `RangeError`: the buffers together have more than they may. Nobody should get to see `value`.
pub fn count_resizable<'s>(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> Result<()> {
    let Some(store) = resizable_store(value) else { return Ok(()) };
    let mapped = measure(scope, &store)?;
    let object = v8::Weak::new(scope, value);
    RESIZABLE.with_borrow_mut(|resizable| {
        if resizable.objects.len() >= resizable.look_at {
            resizable.forget_the_dead();
        }
        resizable.objects.push((object, mapped));
    });
    Ok(())
}

/// Counts what a buffer has now that a script has resized it.
///
/// # Errors
///
/// As [`count_resizable`].
pub fn count_resized<'s>(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> Result<()> {
    let Some(store) = resizable_store(value) else { return Ok(()) };
    // Nothing refers to memory that is not counted yet.
    if Rc::strong_count(&measure(scope, &store)?) == 1 { count_resizable(scope, value) } else { Ok(()) }
}

/// Counts what a backing store has by now.
fn measure(scope: &mut v8::PinScope<'_, '_>, store: &v8::BackingStore) -> Result<Rc<Mapped>> {
    let address = std::ptr::from_ref(store).addr();
    let mapped = RESIZABLE.with_borrow_mut(|resizable| {
        resizable.stores.get(&address).and_then(Weak::upgrade).unwrap_or_else(|| {
            let mapped = Rc::new(Mapped(Cell::new(0)));
            resizable.stores.insert(address, Rc::downgrade(&mapped));
            mapped
        })
    });
    let now = pages(store.byte_length());
    reserve_or_collect(scope, now.saturating_sub(mapped.0.get()))?;
    mapped.set(now);
    Ok(mapped)
}

/// Sees to it that `value`, if it is a buffer that scripts can resize, can be made `length` bytes long.
/// [`count_resized`] has to follow.
///
/// # Errors
///
/// A `RangeError`: there are not so many.
pub fn make_room<'s>(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, length: f64) -> Result<()> {
    let Some(store) = resizable_store(value) else { return Ok(()) };
    // No buffer has 2^53 bytes.
    let more = pages((length as usize).min(1 << 53)).saturating_sub(pages(store.byte_length()));
    reserve_or_collect(scope, more)?;
    release(more);
    Ok(())
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
    // V8 collects garbage when it gets nothing, and asks again.
    if !reserve(length) && !reserve_without_the_dead(length) {
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
