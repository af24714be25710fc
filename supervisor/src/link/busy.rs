//! Calls of which a worker may have one open at a time.

use std::cell::Cell;

/// Whether such a call is open.
#[derive(Debug, Default)]
pub(super) struct Busy(Cell<bool>);

impl Busy {
    /// Begins a call, which lasts until the guard is dropped; `None` where one is open.
    pub(super) fn enter(&self) -> Option<Guard<'_>> {
        self.begin().then(|| Guard(&self.0))
    }

    /// The same for who says itself when it is over. `false` where one is open.
    pub(super) fn begin(&self) -> bool {
        !self.0.replace(true)
    }

    /// Ends what [`Busy::begin`] began.
    pub(super) fn end(&self) {
        self.0.set(false);
    }
}

/// An open call.
pub(super) struct Guard<'a>(&'a Cell<bool>);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
