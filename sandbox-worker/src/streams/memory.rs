//! A body in memory.

use std::cell::RefCell;

use bulkhead_ipc::worker_capnp::byte_source;
use bytes::Bytes;

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

impl byte_source::Server for MemorySource {
    async fn pull(
        self: capnp::capability::Rc<Self>,
        params: byte_source::PullParams,
        mut results: byte_source::PullResults,
    ) -> Result<(), capnp::Error> {
        let max_bytes = params.get()?.get_max_bytes() as usize;
        let length = max_bytes.min(self.bytes.borrow().len());
        let room = self.outlet.room(length).await;
        let mut bytes = self.bytes.borrow_mut();
        let part = bytes.split_to(length);
        results.get().set_bytes(&part);
        results.get().set_done(bytes.is_empty());
        // Queued before anybody else gets room.
        drop((results, room));
        Ok(())
    }
}
