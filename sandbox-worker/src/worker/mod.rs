//! A worker: what its code exports, and what its handlers get.
//!
//! The wire form of a bundle is read in `bundle` and nowhere else. A worker knows no event: what is delivered to its entrypoints,
//! and how, is for `events` to know.

mod bundle;
mod entrypoints;
mod handler;

pub(crate) use bundle::Parts;

use std::{cell::Cell, rc::Rc};

pub use handler::{Handler, Handlers};

use crate::isolate::Isolate;

/// A worker whose code has run: what it exports, and what its handlers get.
#[derive(Debug)]
pub struct Worker {
    /// The isolate.
    pub isolate: Rc<Isolate>,
    /// Exported entrypoints; the name of the default one is empty.
    pub entrypoints: Vec<Rc<Entrypoint>>,
    /// The object that handlers get as `env`.
    pub env: v8::Global<v8::Object>,
    /// Longest response body that travels in the reply, in bytes.
    pub inline_body_bytes: usize,
}

/// Something that events can be sent to.
#[derive(Debug)]
pub struct Entrypoint {
    /// The name of the export; empty for `default`.
    pub name: String,
    /// What events are delivered to.
    pub target: Target,
    /// The kinds of event that have a handler.
    pub handlers: Handlers,
    /// Those of which it was said that there is no handler, which is said once.
    pub complained: Cell<Handlers>,
}

/// What events are delivered to.
#[derive(Debug)]
pub enum Target {
    /// An exported object: handlers are its methods.
    Object(v8::Global<v8::Object>),
    /// The listeners of a service-worker script.
    Listeners,
}

impl Worker {
    /// The entrypoint of this name.
    pub fn entrypoint(&self, name: &str) -> Option<&Rc<Entrypoint>> {
        self.entrypoints.iter().find(|entrypoint| entrypoint.name == name)
    }
}
