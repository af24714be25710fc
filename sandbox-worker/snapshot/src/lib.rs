//! The startup snapshot of the worker and the code of its built-in modules, made by this crate's build script, which has the worker as a library.
//!
//! A crate of its own, because a crate cannot be what its own build script is made of: the program hands the bytes to the
//! worker, and so do the worker's tests.

/// Aligned as V8 reads it.
#[repr(C, align(16))]
struct Aligned<T: ?Sized>(T);

static ALIGNED: [&Aligned<[u8]>; 2] = [
    &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/snapshot.bin"))),
    &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/code.bin"))),
];

/// What `bulkhead_sandbox_worker::main` takes. It lies in the read-only part of the program, and is used in place.
pub static SNAPSHOT: &[u8] = &ALIGNED[0].0;

/// The code of the built-in modules, for isolates that start from the snapshot; the same holds.
pub static CODE_CACHES: &[u8] = &ALIGNED[1].0;
