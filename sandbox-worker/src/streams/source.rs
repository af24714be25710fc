//! What bytes come from.

use bulkhead_ipc::{source::RESPONSE_SENT, transport::Reservation};
use bytes::Bytes;
use futures::future::LocalBoxFuture;

/// Bytes that somebody pulls, piece by piece. Dropping the source says that no more are wanted.
pub(crate) trait Source {
    /// At least one byte and at most `max_bytes`, which is not 0, or nothing at the end. One pull is open at a time.
    ///
    /// # Errors
    /// There will be no more.
    fn pull(&self, max_bytes: usize) -> LocalBoxFuture<'_, Result<Pulled, Broken>>;

    /// Whether a pull waits for somebody outside of the isolate, so that it comes to an end whatever script does.
    fn is_outside(&self) -> bool {
        false
    }
}

/// What one pull gives.
pub(crate) struct Pulled {
    pub(crate) bytes: Bytes,
    /// These bytes are the last.
    pub(crate) done: bool,
    /// The room that was waited for on the way out; held until the bytes are queued.
    pub(crate) room: Option<Reservation>,
}

impl Pulled {
    /// Bytes for which no room was asked.
    pub(crate) fn new(bytes: Bytes, done: bool) -> Self {
        Pulled { bytes, done, room: None }
    }
}

/// Why no more bytes come, or are taken.
#[derive(Debug, Clone)]
pub(crate) enum Broken {
    /// In words from the other side of the wire, or for it.
    Wire(capnp::Error),
    /// What a script is told, or has said.
    Script(jsg::Error),
}

impl Broken {
    /// For the other side of the wire, in words.
    pub(crate) fn failed(text: &str) -> Self {
        Broken::Wire(capnp::Error::failed(text.to_owned()))
    }

    /// For a script, which learns nothing of what the other side has said.
    pub(crate) fn into_script(self) -> jsg::Error {
        match self {
            Broken::Wire(error) if error.extra.contains(RESPONSE_SENT) => jsg::Error::type_error(RESPONSE_SENT),
            Broken::Wire(_) => jsg::Error::error("Network connection lost."),
            Broken::Script(error) => error,
        }
    }

    /// For the other side of the wire.
    pub(crate) fn into_wire(self) -> capnp::Error {
        match self {
            Broken::Wire(error) => error,
            Broken::Script(jsg::Error::Type(text) | jsg::Error::Range(text) | jsg::Error::Plain(text)) => {
                capnp::Error::failed(text.into_owned())
            }
            Broken::Script(_) => capnp::Error::failed("the stream broke".into()),
        }
    }
}
