//! See `bulkhead_fuzz::tls_options`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulkhead_fuzz::tls_options(bytes));
