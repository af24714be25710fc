//! The startup snapshot of the worker, made by this crate's build script, which has the worker as a library.
//!
//! A crate of its own, because a crate cannot be what its own build script is made of: the program hands the bytes to the
//! worker, and so do the worker's tests.

/// Aligned as V8 reads it.
#[repr(C, align(16))]
struct Aligned<T: ?Sized>(T);

static ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/snapshot.bin")));

/// What `bulkhead_sandbox_worker::main` takes. It lies in the read-only part of the program, and is used in place.
pub static SNAPSHOT: &[u8] = &ALIGNED.0;
