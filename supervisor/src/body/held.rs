//! Bytes that the kernel has and sends by itself: they do not come through the memory of this process.
//!
//! What writes HTTP takes a [`Chunk`] for bytes in memory. For one that is held it is shown a place that holds nothing, as long as the
//! chunk; and the stream that it writes to, which finds that place among what it should write, has the [`Carrier`] of the next held chunk of
//! its [`Line`] send instead. A stream that cannot do that is given no held chunk.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io,
    os::fd::BorrowedFd,
    rc::{Rc, Weak},
    sync::LazyLock,
};

use bytes::{Buf, Bytes};

/// Sends bytes that the kernel has.
pub trait Carrier {
    /// Sends the next bytes, at most `most`, to a socket that does not block, and says how many the socket took: some.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] where the socket takes none, or why no more can be sent.
    fn send(&self, to: BorrowedFd<'_>, most: usize) -> io::Result<usize>;
}

/// A piece of a body on its way to a socket.
pub enum Chunk {
    /// In memory.
    Bytes(Bytes),
    /// In the kernel.
    Held(Held),
}

/// Bytes in the kernel. Dropping them gives up what is left of them.
pub struct Held(Rc<Part>);

struct Part {
    carrier: Rc<dyn Carrier>,
    left: Cell<usize>,
}

/// The longest place that stands for bytes. The kernel gives it no memory, for nobody writes to it or reads it.
const MOST: usize = 256 << 10;

static PLACE: LazyLock<Box<[u8]>> = LazyLock::new(|| vec![0; MOST].into());

impl Held {
    /// The next `length` bytes of a carrier, which is not 0.
    pub fn new(carrier: Rc<dyn Carrier>, length: usize) -> Self {
        Held(Rc::new(Part { carrier, left: Cell::new(length) }))
    }

    /// How many they are.
    pub fn length(&self) -> usize {
        self.0.left.get()
    }
}

impl Buf for Chunk {
    fn remaining(&self) -> usize {
        match self {
            Chunk::Bytes(bytes) => bytes.len(),
            Chunk::Held(held) => held.length(),
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Chunk::Bytes(bytes) => bytes,
            Chunk::Held(held) => &PLACE[..held.0.left.get().min(MOST)],
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Chunk::Bytes(bytes) => bytes.advance(count),
            Chunk::Held(held) => held.0.left.set(held.0.left.get() - count),
        }
    }
}

/// Whether this stands for bytes that are held.
pub fn is_place(bytes: &[u8]) -> bool {
    PLACE.as_ptr_range().contains(&bytes.as_ptr()) && !bytes.is_empty()
}

/// The held chunks that were handed to what writes to one stream, in their order.
#[derive(Default)]
pub struct Line(RefCell<VecDeque<Weak<Part>>>);

impl Line {
    /// Takes note of a chunk that is handed over.
    pub fn push(&self, held: &Held) {
        self.0.borrow_mut().push_back(Rc::downgrade(&held.0));
    }

    /// Sends the next bytes to a socket, at most `most`, of which their chunk is told by who holds it.
    ///
    /// # Errors
    ///
    /// As [`Carrier::send`].
    pub fn send(&self, to: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
        let mut line = self.0.borrow_mut();
        // Those that are sent, or given up, are gone.
        while line.front().is_some_and(|part| part.strong_count() == 0) {
            line.pop_front();
        }
        match line.front().and_then(Weak::upgrade) {
            Some(part) => part.carrier.send(to, most.min(part.left.get())),
            None => Err(io::Error::other("nothing is held that could be sent")),
        }
    }
}
