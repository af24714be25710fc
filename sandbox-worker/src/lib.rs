//! The untrusted process: one V8 isolate behind Cap'n Proto RPC.
//!
//! It opens no socket and no path. Everything that it knows came over the wire after the sandbox was shut.
//!
//! The modules stand on floors, and each uses only what is below: `log`, `limits` ← `isolate` ← `io` ← `streams` ← `api` ←
//! `bindings` ← `worker` ← `process` ← `events` ← `rpc` ← `start`.
//!
//! [`main`] shuts the sandbox and serves; [`rpc`] is what the supervisor sees; [`worker`] is what a bundle becomes;
//! [`isolate`] is V8; [`io`] is what belongs to one event; [`api`] is what scripts see; [`limits`] is what they may use.

pub mod api;
mod bindings;
mod cxx;
mod events;
pub mod io;
pub mod isolate;
pub mod limits;
pub mod log;
pub mod process;
pub mod rpc;
mod start;
mod streams;
pub mod testing;
pub mod worker;

pub use jsg::Counted;
pub use start::main;
