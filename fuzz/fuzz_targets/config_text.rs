//! See `bulkhead_fuzz::config_text`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulkhead_fuzz::config_text(bytes));
