//! A body in memory.

use std::cell::RefCell;

use bytes::Bytes;
use futures::future::LocalBoxFuture;

use super::source::{Broken, Given, Pulled, Source, Terms, Whole};
use crate::io::Outlet;

/// A long body in memory.
pub(crate) struct MemorySource {
    bytes: RefCell<Bytes>,
    /// Where it goes out, if it goes there from here.
    outlet: Option<Outlet>,
}

impl MemorySource {
    pub(crate) fn new(bytes: Bytes, outlet: Option<&Outlet>) -> Self {
        MemorySource { bytes: RefCell::new(bytes), outlet: outlet.cloned() }
    }
}

impl Source for MemorySource {
    fn pull(&self, max_bytes: usize) -> LocalBoxFuture<'_, Result<Pulled, Broken>> {
        Box::pin(async move {
            let length = max_bytes.min(self.bytes.borrow().len());
            let room = match &self.outlet {
                Some(outlet) => outlet.room(length).await,
                None => None,
            };
            let mut left = self.bytes.borrow_mut();
            let bytes = left.split_to(length);
            Ok(Pulled { bytes, done: left.is_empty(), room })
        })
    }

    fn give(&self, terms: Terms) -> Option<Given> {
        let mut left = self.bytes.borrow_mut();
        let length = left.len();
        if length > terms.max_bytes || terms.length.is_some_and(|wanted| wanted != length as u64) {
            return None;
        }
        Some(Given { whole: Whole::Bytes(std::mem::take(&mut left)), passing: None })
    }
}
