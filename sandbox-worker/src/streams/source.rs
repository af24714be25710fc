//! What bytes come from.

use std::rc::Rc;

use bulkhead_ipc::{failure::LOST, source::RESPONSE_SENT, transport::Reservation};
use bytes::Bytes;
use futures::{
    FutureExt as _,
    future::{LocalBoxFuture, Shared},
};

use super::{coding::Coding, memory::Memory, wire::WireSource};

/// Bytes that somebody pulls, piece by piece. Dropping the source says that no more are wanted.
pub(crate) trait Source {
    /// At least one byte and at most `max_bytes`, which is not 0, or nothing at the end. One pull is open at a time.
    ///
    /// # Errors
    /// There will be no more.
    fn pull(&self, max_bytes: usize) -> LocalBoxFuture<'_, Result<Pulled, Broken>>;

    /// As [`Self::pull`] of what comes by a connection that an event was answered with, and sends `back` by it: see `ByteSource.pull`.
    fn pull_with(&self, max_bytes: usize, back: Bytes) -> LocalBoxFuture<'_, Result<Pulled, Broken>> {
        assert!(back.is_empty(), "nothing goes back here");
        self.pull(max_bytes)
    }

    /// Whether a pull waits for somebody outside of the isolate, so that it comes to an end whatever script does.
    fn is_outside(&self) -> bool {
        false
    }

    /// Where the next bytes come from, if that is a connection and none of them are here.
    fn connection(&self) -> Option<Rc<WireSource>> {
        None
    }

    /// Gives all of it away, if nobody in the isolate has to see its bytes pass and the terms are kept. Nothing was pulled, and nothing is
    /// pulled afterwards.
    fn give(&self, _terms: Terms) -> Option<Given> {
        None
    }

    /// As [`Self::give`], of what the bytes are encoded from, where the supervisor has that.
    fn give_encoded(&self, _coding: Coding) -> Option<Given> {
        None
    }
}

/// What a source is given away on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// How many bytes it has to have, where that matters. A source of which that is not known is not given.
    pub(crate) length: Option<u64>,
    /// How many bytes in memory may be given at most.
    pub(crate) max_bytes: usize,
}

impl Terms {
    /// The same for a source that has to have `length` bytes; `None` if no source can keep both.
    pub(crate) fn exactly(self, length: u64) -> Option<Self> {
        let agrees = self.length.is_none_or(|other| other == length);
        agrees.then_some(Terms { length: Some(length), ..self })
    }
}

/// A source that was given away.
pub(crate) struct Given {
    pub(crate) whole: Whole,
    /// What becomes of it, if pumps wait for that.
    pub(crate) passing: Option<Passing>,
}

/// All bytes of a source.
pub(crate) enum Whole {
    Memory(Memory),
    /// The supervisor has them.
    Wire(Rc<WireSource>),
}

impl Whole {
    /// Waits for what becomes of it.
    pub(crate) fn passing(&self) -> Passing {
        match self {
            Whole::Memory(_) => std::future::ready(Passed::Drained).boxed_local().shared(),
            Whole::Wire(source) => source.closed().shared(),
        }
    }
}

/// Waits for what becomes of a source that was given away. Dropped before, the source is cancelled.
pub(crate) type Passing = Shared<LocalBoxFuture<'static, Passed>>;

/// What has become of a source that was given away.
#[derive(Debug, Clone)]
pub(crate) enum Passed {
    /// Whoever has it, has all of it.
    Drained,
    /// It broke.
    Broken(Broken),
    /// Whoever had it wanted no more.
    Cancelled,
}

/// What one pull gives.
pub(crate) struct Pulled {
    pub(crate) bytes: Bytes,
    /// These bytes are the last.
    pub(crate) done: bool,
    /// The room that was waited for on the way out; held until the bytes are queued.
    pub(crate) room: Option<Reservation>,
    /// Everything that follows is to be pulled from there.
    pub(crate) rest: Option<Rc<WireSource>>,
    /// Until the next pull is answered, what comes by this goes to whoever pulls by itself.
    pub(crate) meanwhile: Option<Rc<WireSource>>,
    /// What went back with earlier pulls is taken, and more may be sent so.
    pub(crate) taken: bool,
}

impl Pulled {
    /// Bytes for which no room was asked.
    pub(crate) fn new(bytes: Bytes, done: bool) -> Self {
        Pulled { bytes, done, room: None, rest: None, meanwhile: None, taken: false }
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
    /// Nobody reads what is written. As in the reference, who writes is not told why.
    pub(crate) const UNREAD: Broken = Broken::Script(jsg::Error::Pending);

    /// For the other side of the wire, in words.
    pub(crate) fn failed(text: &str) -> Self {
        Broken::Wire(capnp::Error::failed(text.to_owned()))
    }

    /// For a script, which learns nothing of what the other side has said.
    pub(crate) fn into_script(self) -> jsg::Error {
        match self {
            Broken::Wire(error) if error.extra.contains(RESPONSE_SENT) => jsg::Error::type_error(RESPONSE_SENT),
            Broken::Wire(_) => jsg::Error::error(LOST),
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
