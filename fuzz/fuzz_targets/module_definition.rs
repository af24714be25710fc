//! See `bulkhead_fuzz::module_definition`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulkhead_fuzz::module_definition(bytes));
