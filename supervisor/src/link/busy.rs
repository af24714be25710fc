//! Calls of which a worker may have one open at a time.

use std::cell::Cell;

/// Whether such a call is open.
#[derive(Debug, Default)]
pub(super) struct Busy(Cell<bool>);

impl Busy {
    /// Begins a call, which lasts until the guard is dropped; `None` where one is open.
    pub(super) fn enter(&self) -> Option<Guard<'_>> {
        (!self.0.replace(true)).then(|| Guard(&self.0))
    }
}

/// An open call.
pub(super) struct Guard<'a>(&'a Cell<bool>);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
