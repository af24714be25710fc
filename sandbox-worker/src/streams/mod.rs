//! Bytes on their way: sources that can be pulled from, and what stands between them and the wire.
//!
//! A [`source`] is pulled from, a [`sink`] is written to, and a [`pump`] moves bytes from one to the other without script. A
//! [`reading`] is what objects of scripts have of a source: they and pumps read from it in turn. What waits for somebody else in the
//! isolate is woken by a bell of its owner's, so that it is known whether anything can still go on.
//!
//! This room knows no class of the API. Only [`wire`] names a type of the wire; only [`reader`] and [`answer`] enter the isolate.

pub(crate) mod answer;
pub(crate) mod codec;
pub(crate) mod coder;
pub(crate) mod coding;
pub(crate) mod connection;
pub(crate) mod decoding;
pub(crate) mod framing;
pub(crate) mod memory;
pub(crate) mod pipe;
mod progress;
pub(crate) mod pump;
pub(crate) mod reader;
pub(crate) mod reading;
pub(crate) mod sink;
pub(crate) mod socket;
pub(crate) mod source;
pub(crate) mod tee;
pub(crate) mod wire;

pub(crate) use progress::{OpenBody, StreamingBody};

/// Bytes asked for with one pull when nobody says how many are wanted.
pub(crate) const PULL_BYTES: usize = 64 << 10;
/// Bytes asked for with one pull at most.
pub(crate) const MAX_PULL_BYTES: usize = 256 << 10;
/// What is collected from one body into memory at most; V8 has no longer strings than this either.
pub(crate) const MAX_COLLECTED: usize = 512 << 20;
