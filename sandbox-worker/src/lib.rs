//! The untrusted process: one V8 isolate behind Cap'n Proto RPC.
//!
//! It opens no socket and no path. Everything that it knows came over the wire after the sandbox was shut.
//!
//! [`main`] shuts the sandbox and serves; [`rpc`] is what the supervisor sees; [`bind`] makes a worker of a bundle;
//! [`isolate`] is V8; [`io`] is what belongs to one event; [`api`] is what scripts see; [`limits`] is what they may use.

pub mod api;
pub mod bind;
pub mod io;
pub mod isolate;
pub mod limits;
pub mod log;
pub mod rpc;
mod start;
pub mod testing;

pub use jsg::Counted;
pub use start::main;
