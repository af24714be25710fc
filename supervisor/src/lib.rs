//! The trusted process: it owns sockets, configuration, network, disk and TLS, and holds the worker processes.
//!
//! It never links V8, never interprets tenant code, and contains no unsafe code.
#![forbid(unsafe_code)]

pub mod body;
pub mod cli;
pub mod config;
pub mod duplex;
pub mod fleet;
pub mod link;
pub mod log;
pub mod net;
pub mod program;
pub mod schedule;
pub mod service;
pub mod shard;
pub mod socket;
pub mod text;
pub mod upgrade;
