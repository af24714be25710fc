//! See `bulkhead_fuzz::scheduled`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulkhead_fuzz::scheduled(bytes));
