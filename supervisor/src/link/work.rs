//! How much a process was given to do, and whether it shall get more.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What the fleet and the shards know of one process. Whoever begins an event looks afterwards whether the process is
/// retired, and who retires it looks afterwards whether events are open: in one order for all, so that one of them sees.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// It gets no further event.
    retired: AtomicBool,
    begun: AtomicU64,
    ended: AtomicU64,
    bytes: AtomicU64,
    renewed: AtomicU64,
    lasting: AtomicU64,
}

impl Work {
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::SeqCst)
    }

    /// An event is about to be sent.
    pub(crate) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
    }

    /// Its response is over.
    pub(crate) fn end(&self) {
        self.ended.fetch_add(1, Ordering::SeqCst);
    }

    /// Bytes of a body went through the process.
    pub(crate) fn moved(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Something came by an upgraded connection, with which the limits of an event begin anew.
    pub(crate) fn renew(&self) {
        self.renewed.fetch_add(1, Ordering::Relaxed);
    }

    /// An open event goes on for as long as both sides like from now on, or no longer.
    pub(crate) fn lasts(&self, begins: bool) {
        match begins {
            true => self.lasting.fetch_add(1, Ordering::Relaxed),
            false => self.lasting.fetch_sub(1, Ordering::Relaxed),
        };
    }

    pub(crate) fn tally(&self) -> Tally {
        // In this order, so that no event seems to have ended before it began.
        let ended = self.ended.load(Ordering::SeqCst);
        let events = self.begun.load(Ordering::SeqCst);
        let counts = [&self.bytes, &self.renewed, &self.lasting];
        let [bytes, renewed, lasting] = counts.map(|count| count.load(Ordering::Relaxed));
        Tally { events, open: events - ended, bytes, renewed, lasting }
    }
}

/// What a process was given to do since it was bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Events.
    pub events: u64,
    /// Events whose response is not over.
    pub open: u64,
    /// Bytes of bodies.
    pub bytes: u64,
    /// How often the limits of an event began anew.
    pub renewed: u64,
    /// Open events that go on for as long as both sides like.
    pub lasting: u64,
}
