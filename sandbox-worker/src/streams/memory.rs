//! A body in memory.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use bytes::Bytes;
use futures::future::LocalBoxFuture;

use super::source::{Broken, Given, Pulled, Source, Terms, Whole};
use crate::io::{Outlet, Remainder, Rest};

/// All bytes of a body.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    pub(crate) bytes: Bytes,
    /// They came in the event's call, as the request's body: the supervisor has them too.
    pub(crate) of_request: bool,
    /// Bytes that were read before these.
    taken: usize,
    /// Of what came in the event's call: how much was read.
    read: Option<Rc<Read>>,
}

/// How much was read of a request's body that came in the call. Of copies of it the one counts that is read most.
#[derive(Debug, Default)]
struct Read {
    bytes: Cell<usize>,
    ended: Cell<bool>,
}

impl Remainder for Read {
    fn rest(&self) -> Rest {
        Rest::Had { read: self.bytes.get() as u64, unread: Bytes::new(), ended: self.ended.get() }
    }
}

impl Memory {
    /// The body of a request that came in the event's call; and whoever can say what is left of it. `is_sent_back`: the supervisor
    /// keeps it to be sent back.
    pub(crate) fn of_call(bytes: Bytes, is_sent_back: bool) -> (Self, Rc<dyn Remainder>) {
        let read = Rc::new(Read::default());
        (Memory { bytes, of_request: is_sent_back, taken: 0, read: Some(read.clone()) }, read)
    }

    /// Takes `length` bytes from its beginning, or as many as are left.
    pub(crate) fn read(&mut self, length: usize) -> Bytes {
        let length = length.min(self.bytes.len());
        if let Some(read) = &self.read {
            read.ended.set(read.ended.get() || self.bytes.is_empty());
            read.bytes.set(read.bytes.get().max(self.taken + length));
        }
        self.taken += length;
        // What is left is not all of it.
        self.of_request = false;
        self.bytes.split_to(length)
    }

    /// Takes what is left of it.
    pub(crate) fn read_to_end(mut self) -> Bytes {
        let bytes = self.read(usize::MAX);
        drop(self.read(0));
        bytes
    }
}

impl From<Bytes> for Memory {
    fn from(bytes: Bytes) -> Self {
        Memory { bytes, ..Memory::default() }
    }
}

/// A long body in memory.
pub(crate) struct MemorySource {
    /// What is left of it.
    memory: RefCell<Memory>,
    /// Where it goes out, if it goes there from here.
    outlet: Option<Outlet>,
}

impl MemorySource {
    pub(crate) fn new(memory: impl Into<Memory>, outlet: Option<&Outlet>) -> Self {
        MemorySource { memory: RefCell::new(memory.into()), outlet: outlet.cloned() }
    }
}

impl Source for MemorySource {
    fn pull(&self, max_bytes: usize) -> LocalBoxFuture<'_, Result<Pulled, Broken>> {
        Box::pin(async move {
            let length = max_bytes.min(self.memory.borrow().bytes.len());
            let room = match &self.outlet {
                Some(outlet) => outlet.room(length).await,
                None => None,
            };
            let left = &mut *self.memory.borrow_mut();
            let bytes = left.read(length);
            let done = left.bytes.is_empty();
            if done {
                drop(left.read(0));
            }
            Ok(Pulled { room, ..Pulled::new(bytes, done) })
        })
    }

    fn give(&self, terms: Terms) -> Option<Given> {
        let length = self.memory.borrow().bytes.len();
        if length > terms.max_bytes || terms.length.is_some_and(|wanted| wanted != length as u64) {
            return None;
        }
        Some(Given { whole: Whole::Memory(self.memory.take()), passing: None })
    }
}
