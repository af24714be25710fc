//! What bytes come from.

use bulkhead_ipc::transport::Reservation;
use bytes::Bytes;
use futures::future::LocalBoxFuture;

/// Bytes that somebody pulls, piece by piece. Dropping the source says that no more are wanted.
pub(crate) trait Source {
    /// At least one byte and at most `max_bytes`, which is not 0, or nothing at the end. One pull is open at a time.
    ///
    /// # Errors
    /// There will be no more. The text is for the other side.
    fn pull(&self, max_bytes: usize) -> LocalBoxFuture<'_, Result<Pulled, capnp::Error>>;
}

/// What one pull gives.
pub(crate) struct Pulled {
    pub(crate) bytes: Bytes,
    /// These bytes are the last.
    pub(crate) done: bool,
    /// The room that was waited for on the way out; held until the bytes are queued.
    pub(crate) room: Option<Reservation>,
}
