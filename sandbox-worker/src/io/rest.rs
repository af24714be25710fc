//! What is left of the body of an event's request when the request is passed on.

use bytes::Bytes;

/// What is left of a body.
#[derive(Debug)]
pub(crate) enum Rest {
    /// Script had it.
    Had {
        /// How many of its bytes script has read.
        read: u64,
        /// Those after that, as far as they were pulled from the supervisor.
        unread: Bytes,
        /// Whether the reader was told that there are no more.
        ended: bool,
    },
    /// Somebody else pulls what is left of it.
    HandedOn,
}

impl Default for Rest {
    /// Nothing was read.
    fn default() -> Self {
        Rest::Had { read: 0, unread: Bytes::new(), ended: false }
    }
}

/// A body of which it can be said what is left.
pub(crate) trait Remainder {
    /// Nothing more is read of it afterwards.
    fn rest(&self) -> Rest;
}
