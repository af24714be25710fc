//! A body in memory.

use std::cell::RefCell;

use bytes::Bytes;
use futures::future::LocalBoxFuture;

use super::source::{Broken, Given, Pulled, Source, Terms, Whole};
use crate::io::Outlet;

/// All bytes of a body.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    pub(crate) bytes: Bytes,
    /// They came in the event's call, as the request's body: the supervisor has them too.
    pub(crate) of_request: bool,
}

impl From<Bytes> for Memory {
    fn from(bytes: Bytes) -> Self {
        Memory { bytes, of_request: false }
    }
}

/// A long body in memory.
pub(crate) struct MemorySource {
    /// What is left of it.
    memory: RefCell<Memory>,
    /// Where it goes out, if it goes there from here.
    outlet: Option<Outlet>,
}

impl MemorySource {
    pub(crate) fn new(memory: impl Into<Memory>, outlet: Option<&Outlet>) -> Self {
        MemorySource { memory: RefCell::new(memory.into()), outlet: outlet.cloned() }
    }
}

impl Source for MemorySource {
    fn pull(&self, max_bytes: usize) -> LocalBoxFuture<'_, Result<Pulled, Broken>> {
        Box::pin(async move {
            let length = max_bytes.min(self.memory.borrow().bytes.len());
            let room = match &self.outlet {
                Some(outlet) => outlet.room(length).await,
                None => None,
            };
            let left = &mut self.memory.borrow_mut().bytes;
            let bytes = left.split_to(length);
            Ok(Pulled { bytes, done: left.is_empty(), room })
        })
    }

    fn give(&self, terms: Terms) -> Option<Given> {
        let length = self.memory.borrow().bytes.len();
        if length > terms.max_bytes || terms.length.is_some_and(|wanted| wanted != length as u64) {
            return None;
        }
        Some(Given { whole: Whole::Memory(self.memory.take()), passing: None })
    }
}
