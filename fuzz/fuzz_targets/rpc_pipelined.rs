//! See `bulkhead_fuzz::rpc_pipelined`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulkhead_fuzz::rpc_pipelined(bytes));
