//! See `bulkhead_fuzz::disk`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulkhead_fuzz::disk(bytes));
