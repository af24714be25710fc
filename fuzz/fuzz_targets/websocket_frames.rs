//! See `bulkhead_fuzz::websocket_frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bulkhead_fuzz::websocket_frames(bytes));
