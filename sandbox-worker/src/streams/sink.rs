//! Where bytes go.

use std::rc::Rc;

use bytes::Bytes;
use futures::future::LocalBoxFuture;

use super::{connection::Shortcut, pump::Feed, source::Broken, wire::WireSource};

/// Takes bytes, piece by piece.
pub(crate) trait Sink {
    /// Takes bytes. It is done when there is room for more. One write is open at a time.
    ///
    /// # Errors
    /// It takes no more.
    fn write(&self, bytes: Bytes) -> LocalBoxFuture<'_, Result<(), Broken>>;

    /// Nothing will follow. No write is open.
    ///
    /// # Errors
    /// The end does not fit what came before. It is then as after [`Sink::abort`] with that.
    fn end(&self) -> Result<(), Broken>;

    /// Nothing will follow, because of `why`. What nobody has taken yet is dropped, and a write that is open fails.
    fn abort(&self, why: Broken);

    /// Says that all that will be written comes from `feed`, and then the end.
    fn fed_by(&self, _feed: &Rc<Feed>) {}

    /// All that was to be written has gone past it: its feed was given away and drained.
    fn passed(&self) {}

    /// Has what comes by a connection, which is all that will be written, go where this goes by itself. Whoever writes reads it all the
    /// same, and has what does not.
    fn shortcut(&self, _from: Rc<WireSource>) -> Option<Shortcut> {
        None
    }

    /// Ready when nobody will take what is written.
    fn gone(&self) -> LocalBoxFuture<'_, Broken>;
}
