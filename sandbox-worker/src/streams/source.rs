//! A body that the supervisor has.

use std::cell::Cell;

use bulkhead_ipc::{source::RESPONSE_SENT, worker_capnp::byte_source};
use jsg::{Error, Result};

use super::{MAX_COLLECTED, MAX_PULL_BYTES, wire};

/// A body that the supervisor has.
pub(crate) struct WireSource {
    pub(crate) client: byte_source::Client,
    pub(crate) ended: Cell<bool>,
}

impl WireSource {
    /// The next bytes, or nothing at the end.
    pub(crate) async fn pull(&self, max_bytes: u32) -> Result<Option<Vec<u8>>> {
        while !self.ended.get() {
            let bytes = async {
                let response = wire::pull(&self.client, max_bytes).await?;
                let results = response.get()?;
                self.ended.set(results.get_done());
                Ok::<_, capnp::Error>(results.get_bytes()?.to_vec())
            };
            let bytes = bytes.await.map_err(|error| {
                self.ended.set(true);
                match error.extra.contains(RESPONSE_SENT) {
                    true => Error::type_error(RESPONSE_SENT),
                    false => Error::error("Network connection lost."),
                }
            })?;
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// All of it. Nothing is set aside for what a client only announces.
    pub(crate) async fn collect(&self) -> Result<Vec<u8>> {
        let mut collected = Vec::new();
        let mut reserved = jsg::Reserved::default();
        while let Some(bytes) = self.pull(MAX_PULL_BYTES).await? {
            if collected.len() + bytes.len() > MAX_COLLECTED || !reserved.grow(bytes.len()) {
                return Err(Error::type_error("Memory limit exceeded before EOF."));
            }
            collected.extend_from_slice(&bytes);
        }
        Ok(collected)
    }
}
