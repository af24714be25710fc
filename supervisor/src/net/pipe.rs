//! Pipes, by which the kernel passes bytes from one socket to another that no memory of this process has to hold.

use std::{
    cell::{Cell, RefCell},
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

use crate::body::held::{Carrier, Held};

/// Pipes of one shard at a time, however many connections it may have. Who gets none reads and writes.
const MOST: usize = 64;

/// Bytes that the kernel may keep in one. Each is of pages, of which a few bytes take a whole one.
const CAPACITY: usize = 256 << 10;

/// Pipes of a shard that may have so many connections to others.
fn most(connections: usize) -> usize {
    (connections / 8).min(MOST)
}

/// Descriptors that these take.
pub fn descriptors(connections: usize) -> usize {
    2 * most(connections)
}

/// The pipes of a shard.
pub(super) struct Pipes {
    most: usize,
    /// Empty ones that nobody uses.
    idle: RefCell<Vec<Ends>>,
    /// All that there are.
    count: Cell<usize>,
}

struct Ends {
    from: OwnedFd,
    to: OwnedFd,
}

impl Pipes {
    /// For a shard that may have so many connections to others.
    pub(super) fn new(connections: usize) -> Rc<Self> {
        Rc::new(Self { most: most(connections), idle: RefCell::default(), count: Cell::new(0) })
    }

    /// An empty pipe, if there is one left.
    pub(super) fn take(self: &Rc<Self>) -> Option<Rc<Pipe>> {
        let idle = self.idle.borrow_mut().pop();
        let ends = match idle {
            Some(ends) => ends,
            None if self.count.get() < self.most => {
                let ends = Ends::new().ok()?;
                self.count.set(self.count.get() + 1);
                ends
            }
            None => return None,
        };
        Some(Rc::new(Pipe { ends: Some(ends), bytes: Cell::new(0), waiting: Cell::default(), pipes: self.clone() }))
    }
}

impl Ends {
    fn new() -> io::Result<Self> {
        let (from, to) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // Where a user has too many, one holds a page or two.
        fcntl_setpipe_size(&to, CAPACITY)?;
        Ok(Ends { from, to })
    }
}

/// A pipe that one response has for itself. It goes back when nothing is left in it.
pub(super) struct Pipe {
    /// Some, until it is dropped.
    ends: Option<Ends>,
    bytes: Cell<usize>,
    /// Who waits for it to be empty.
    waiting: Cell<Option<Waker>>,
    pipes: Rc<Pipes>,
}

impl Pipe {
    /// Waits until all that it was filled with was sent.
    pub(super) fn poll_empty(&self, cx: &Context<'_>) -> Poll<()> {
        if self.bytes.get() == 0 {
            return Poll::Ready(());
        }
        self.waiting.set(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// Fills one that is empty with what a socket has, at most `most` bytes. `None` is the end of what the socket's peer sends.
    pub(super) fn fill(self: &Rc<Self>, from: BorrowedFd<'_>, most: usize) -> io::Result<Option<Held>> {
        let Some(ends) = &self.ends else { return Ok(None) };
        let filled = splice(from, None, ends.to.as_fd(), None, most.min(CAPACITY), FLAGS)?;
        self.bytes.set(filled);
        Ok((filled > 0).then(|| Held::new(self.clone(), filled)))
    }
}

/// Neither end waits.
const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);

impl Carrier for Pipe {
    fn send(&self, to: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
        let Some(ends) = &self.ends else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let sent = splice(ends.from.as_fd(), None, to, None, most.min(self.bytes.get()), FLAGS)?;
        self.bytes.set(self.bytes.get() - sent);
        if self.bytes.get() == 0
            && let Some(waiting) = self.waiting.take()
        {
            waiting.wake();
        }
        Ok(sent)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        match self.ends.take() {
            Some(ends) if self.bytes.get() == 0 => self.pipes.idle.borrow_mut().push(ends),
            _ => self.pipes.count.set(self.pipes.count.get() - 1),
        }
    }
}
