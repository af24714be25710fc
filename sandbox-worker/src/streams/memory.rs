//! A body in memory.

use std::cell::RefCell;

use bytes::Bytes;
use futures::future::LocalBoxFuture;

use super::source::{Pulled, Source};
use crate::io::Outlet;

/// A long body in memory.
pub(crate) struct MemorySource {
    bytes: RefCell<Bytes>,
    outlet: Outlet,
}

impl MemorySource {
    pub(crate) fn new(bytes: Bytes, outlet: &Outlet) -> Self {
        MemorySource { bytes: RefCell::new(bytes), outlet: outlet.clone() }
    }
}

impl Source for MemorySource {
    fn pull(&self, max_bytes: usize) -> LocalBoxFuture<'_, Result<Pulled, capnp::Error>> {
        Box::pin(async move {
            let length = max_bytes.min(self.bytes.borrow().len());
            let room = self.outlet.room(length).await;
            let mut left = self.bytes.borrow_mut();
            let bytes = left.split_to(length);
            Ok(Pulled { bytes, done: left.is_empty(), room })
        })
    }
}
