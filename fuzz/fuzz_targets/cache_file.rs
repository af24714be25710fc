//! See `bulkhead_fuzz::cache_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulkhead_fuzz::cache_file(bytes));
