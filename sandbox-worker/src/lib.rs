//! The untrusted process: one V8 isolate behind Cap'n Proto RPC.
//!
//! It opens no socket and no path. Everything that it knows came over the wire after the sandbox was shut.

pub mod api;
pub mod io;
pub mod isolate;
pub mod log;
pub mod testing;
