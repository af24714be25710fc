//! Bytes on their way: sources that can be pulled from, and what stands between them and the wire.
//!
//! This room knows no class of the API. Only [`wire`] names a type of the wire; only [`reader`] enters the isolate.

pub(crate) mod codec;
pub(crate) mod coding;
pub(crate) mod memory;
mod progress;
pub(crate) mod reader;
pub(crate) mod source;
pub(crate) mod wire;

pub(crate) use progress::{OpenBody, StreamingBody};

/// Bytes asked for with one pull when nobody says how many are wanted.
pub(crate) const PULL_BYTES: usize = 64 << 10;
/// Bytes asked for with one pull at most.
pub(crate) const MAX_PULL_BYTES: usize = 256 << 10;
/// What is collected from one body into memory at most; V8 has no longer strings than this either.
pub(crate) const MAX_COLLECTED: usize = 512 << 20;
