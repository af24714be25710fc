//! The memory that Rust code allocates on behalf of scripts, which V8 does not see: lists, texts, bodies.

use std::{
    alloc::{GlobalAlloc, Layout},
    cell::Cell,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering::Relaxed},
    },
};

use crate::{Error, Result};

/// What all threads have allocated, less what they gave back, as far as they have said.
static USED: AtomicIsize = AtomicIsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);
/// From how many bytes on there is a look for garbage.
static COLLECT: AtomicUsize = AtomicUsize::new(usize::MAX);
static EXCEEDED: OnceLock<fn()> = OnceLock::new();
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// So many bytes a thread allocates, or gives back, before it says so: what it says, other threads have to hear.
const UNSAID: isize = 16 << 10;

thread_local! {
    /// What this thread has allocated, less what it gave back, and not said yet.
    static SINCE: Cell<isize> = const { Cell::new(0) };
}

/// Says whether the script that runs was interrupted from another thread: native code that it calls then lets that happen.
pub fn set_interrupted(interrupted: bool) {
    INTERRUPTED.store(interrupted, Relaxed);
}

/// Sets how many bytes all Rust code of the process together may allocate, contents of buffers aside, give or take 16 KiB for each
/// thread. Beyond that `exceeded` is called at least for every 16 KiB that are allocated; it must not allocate.
pub fn set_memory_limit(bytes: usize, exceeded: fn()) {
    let _ = EXCEEDED.set(exceeded);
    LIMIT.store(bytes, Relaxed);
    COLLECT.store(bytes / 2, Relaxed);
}

/// An allocator that counts what it gives. To be the global one, for [`set_memory_limit`] to mean something.
#[derive(Debug)]
pub struct Counted<A>(pub A);

/// What is allocated, without the contents of buffers, which have a limit of their own.
fn used() -> usize {
    usize::try_from(USED.load(Relaxed)).unwrap_or(0).saturating_sub(crate::buffer::allocated())
}

/// Takes note that there are so many bytes more. No allocation is half of the address space.
fn change(bytes: isize) {
    let since = SINCE.get().saturating_add(bytes);
    if since.abs() < UNSAID {
        SINCE.set(since);
        return;
    }
    SINCE.set(0);
    USED.fetch_add(since, Relaxed);
    if since > 0
        && used() > LIMIT.load(Relaxed)
        && let Some(exceeded) = EXCEEDED.get()
    {
        exceeded();
    }
}

fn add(bytes: usize) {
    change(bytes as isize);
}

fn remove(bytes: usize) {
    change(-(bytes as isize));
}

/// Bytes that code in another language allocated, counted with those of Rust for as long as this lives.
#[derive(Debug, Default)]
pub struct External(Cell<usize>);

impl External {
    /// Says how many bytes it is now.
    pub fn set(&self, bytes: usize) {
        remove(self.0.replace(bytes));
        add(bytes);
    }
}

impl Drop for External {
    fn drop(&mut self) {
        remove(self.0.get());
    }
}

// SAFETY: every call is passed on as it is.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counted<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: as the caller promises.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        remove(layout.size());
        // SAFETY: as the caller promises.
        unsafe { self.0.dealloc(memory, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: as the caller promises.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        remove(layout.size());
        add(size);
        // SAFETY: as the caller promises.
        unsafe { self.0.realloc(memory, layout, size) }
    }
}

/// Bytes that native code works off, about, before it looks again whether it [is interrupted](is_interrupted).
pub const STRIDE: usize = 1 << 20;

/// Whether what runs was interrupted from another thread, or has allocated more than there is. V8 sees to script; a native
/// loop that can take long asks this now and then, and stops: nobody will look at its result.
pub fn is_interrupted() -> bool {
    INTERRUPTED.load(Relaxed) || used() > LIMIT.load(Relaxed)
}

/// Lets an interruption take place that was asked for. A loop that calls native code again and again would go on for
/// thousands of rounds before V8 looks.
///
/// # Errors
///
/// [`Error::Pending`] if script is interrupted.
pub fn check(scope: &mut v8::PinScope<'_, '_>) -> Result<()> {
    if !is_interrupted() {
        return Ok(());
    }
    // V8 always looks when a function begins.
    let source = crate::string(scope, "0");
    let ran = v8::Script::compile(scope, source, None).and_then(|script| script.run(scope));
    ran.map(drop).ok_or(Error::Pending)
}

/// Has V8 look for garbage when half of what there is, or much more than at the last look, is allocated or in buffers: objects of
/// scripts may own most of it, and V8 sees no reason to hurry. What is set aside for bytes on their way could not wait for that.
pub(crate) fn collect_if_due(scope: &mut v8::PinScope<'_, '_>) {
    if used() > COLLECT.load(Relaxed) || crate::buffer::is_collection_due() {
        scope.low_memory_notification();
        let limit = LIMIT.load(Relaxed);
        COLLECT.store(used().saturating_add(limit / 8).max(limit / 2), Relaxed);
        crate::buffer::set_collected();
    }
}
