//! What a shared HTTP cache may store, reuse and answer (RFC 9111), and how it keeps that, as functions of plain data: there is no I/O here,
//! and the time is passed in, in seconds since 1970.
//!
//! [`storing`] says whether a response is stored, and for how long it is fresh; [`reuse`] whether it may be used for a request, and what
//! the request is answered with. [`control`], [`vary`] and [`tags`] read the headers that these go by. [`serialized`] reads the
//! response that a `PUT` has as its body, [`file`](mod@file) writes and reads the files of a cache. [`shelf`] is the order in which entries are
//! given up, and [`share`] says whose.

#![forbid(unsafe_code)]

pub mod control;
pub mod file;
pub mod key;
pub mod reuse;
pub mod serialized;
pub mod share;
pub mod shelf;
pub mod storing;
pub mod tags;
pub mod vary;

mod list;
