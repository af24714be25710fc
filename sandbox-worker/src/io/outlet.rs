//! The way out of the process for what an event answers.

use std::{cell::OnceCell, rc::Rc};

use bulkhead_ipc::transport::{Handle, Reservation};
use bytes::Bytes;

use super::Channels;

/// The connection that an event came by and its answers go out by. Clones are the same. In unit tests there is none, and room
/// for everything.
#[derive(Clone, Debug, Default)]
pub struct Outlet(Rc<OnceCell<Handle>>, Channels);

impl Outlet {
    /// Says which connection it is; the first word counts.
    pub fn connect(&self, connection: Handle) {
        let _ = self.0.set(connection);
    }

    /// What the worker may start by this connection.
    pub(crate) fn channels(&self) -> &Channels {
        &self.1
    }

    /// Whether it is the same connection.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// The same bytes, which are part of a message that came by this connection, for longer than that: [`Handle::keep`].
    pub(crate) fn keep(&self, bytes: &[u8]) -> Bytes {
        self.0.get().map_or_else(|| Bytes::copy_from_slice(bytes), |connection| connection.keep(bytes))
    }

    /// Waits for room for an answer of so many bytes, which is held until the result is dropped. To be asked for when the bytes
    /// are there: thousands of clients that read slowly, or not at all, must not have as many answers queued.
    pub async fn room(&self, bytes: usize) -> Option<Reservation> {
        match self.0.get() {
            Some(connection) => Some(connection.reserve(bytes).await),
            None => None,
        }
    }
}
