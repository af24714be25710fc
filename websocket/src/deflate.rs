//! Compression of one message after the other (RFC 7692, section 7.2).
//!
//! What the library needs for one direction of one connection is much, in the larger one of the two a third of a megabyte, and most
//! connections are silent most of the time. So each thread keeps the states of those that were used last. A direction that finds its own gone
//! begins anew where it compresses, which nobody forbids; where it decompresses it gives a state back what the peer may refer to, of which it
//! has kept the bytes.

use std::cell::{Cell, RefCell};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::Violation;

/// What ends a flush, and is left out on the wire (section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Output that is made room for at first, and the least that is at a time, in bytes.
const PIECE: usize = 4 << 10;

/// What is kept of a thread's scratch memory between messages, in bytes.
const KEPT: usize = 64 << 10;

/// Large enough for whatever window the peer has: section 7.1.2 lets a receiver have a larger one.
const WINDOW_BITS: u8 = 15;

/// What is compressed is at most about one percent longer than with level 6, in two thirds of the time.
const LEVEL: Compression = Compression::new(5);

/// What a peer may refer to, in bytes.
const WINDOW: usize = 1 << WINDOW_BITS;

/// What is remembered of a peer's messages beyond that, so that it need not be moved with each message, in bytes.
const SLACK: usize = 8 << 10;

/// States of each kind that a thread keeps.
const SHELF: usize = 64;

/// States of connections that are between two messages.
struct Shelf<T> {
    all: Vec<Kept<T>>,
    /// How often one was put here.
    uses: u64,
}

struct Kept<T> {
    owner: u64,
    used: u64,
    state: T,
}

/// A state that was kept.
enum Found<T> {
    Own(T),
    /// The one that was used the longest ago. There is no room for a new one.
    Other(T),
}

impl<T> Shelf<T> {
    const fn new() -> Self {
        Shelf { all: Vec::new(), uses: 0 }
    }

    fn take(&mut self, owner: u64) -> Option<Found<T>> {
        if let Some(at) = self.all.iter().position(|kept| kept.owner == owner) {
            return Some(Found::Own(self.all.swap_remove(at).state));
        }
        let oldest = self.all.iter().enumerate().min_by_key(|(_, kept)| kept.used)?;
        let is_full = self.all.len() >= SHELF;
        is_full.then_some(oldest.0).map(|at| Found::Other(self.all.swap_remove(at).state))
    }

    fn put(&mut self, owner: u64, state: T) {
        self.uses += 1;
        if self.all.len() < SHELF {
            self.all.push(Kept { owner, used: self.uses, state });
        }
    }

    fn forget(&mut self, owner: u64) {
        self.all.retain(|kept| kept.owner != owner);
    }
}

thread_local! {
    static INFLATES: RefCell<Shelf<Decompress>> = const { RefCell::new(Shelf::new()) };
    /// Each with the bits of its window.
    static DEFLATES: RefCell<Shelf<(u8, Compress)>> = const { RefCell::new(Shelf::new()) };
    static OWNERS: Cell<u64> = const { Cell::new(0) };
    /// Memory for what is decompressed, or was compressed, for the time of a call.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

fn next_owner() -> u64 {
    OWNERS.set(OWNERS.get() + 1);
    OWNERS.get()
}

fn with_scratch<R>(work: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let mut scratch = SCRATCH.take();
    let result = work(&mut scratch);
    scratch.clear();
    scratch.shrink_to(KEPT);
    SCRATCH.set(scratch);
    result
}

/// Makes messages of what the peer has compressed.
pub(crate) struct Inflater {
    owner: u64,
    /// While a message is being read.
    state: Option<Decompress>,
    /// The peer begins each message anew.
    forgets: bool,
    /// The last bytes ended a block that said that it is the last.
    finished: bool,
    /// What the peer may refer to of the messages before this one.
    history: Vec<u8>,
    /// From where on it may refer to this one.
    since: usize,
}

impl Inflater {
    /// `forgets`: the peer does not take its context over (section 7.1.1).
    pub(crate) fn new(forgets: bool) -> Self {
        Inflater { owner: next_owner(), state: None, forgets, finished: false, history: Vec::new(), since: 0 }
    }

    /// The state that goes on where the last message has ended.
    fn resume(&mut self) -> Decompress {
        let mut state = match INFLATES.with_borrow_mut(|shelf| shelf.take(self.owner)) {
            Some(Found::Own(state)) => return state,
            Some(Found::Other(mut state)) => {
                state.reset(false);
                state
            }
            None => Decompress::new_with_window_bits(false, WINDOW_BITS),
        };
        if !self.history.is_empty() {
            let window = &self.history[self.history.len().saturating_sub(WINDOW)..];
            state.set_dictionary(window).expect("between two blocks there may be one");
        }
        state
    }

    /// Keeps what the peer may refer to of a message.
    fn remember(&mut self, message: &[u8]) {
        let message = &message[message.len().saturating_sub(WINDOW)..];
        if self.history.len() + message.len() > WINDOW + SLACK {
            let wanted = WINDOW - message.len();
            self.history.drain(..self.history.len().saturating_sub(wanted));
        }
        self.history.reserve_exact(message.len());
        self.history.extend_from_slice(message);
    }

    /// Has `with` append bytes, and decompresses them to the end of `message`.
    ///
    /// # Errors
    /// They are not compressed, or the message would have more than `max` bytes.
    pub(crate) fn push(
        &mut self,
        message: &mut Vec<u8>,
        max: usize,
        with: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Violation> {
        with_scratch(|scratch| {
            with(scratch);
            self.inflate(scratch, message, max)
        })
    }

    /// The message has come to its end.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub(crate) fn end(&mut self, message: &mut Vec<u8>, max: usize) -> Result<(), Violation> {
        // Some peers leave nothing out where they say that a block is the last.
        if !std::mem::take(&mut self.finished) {
            self.inflate(&TAIL, message, max)?;
        }
        let since = std::mem::take(&mut self.since);
        if let Some(mut state) = self.state.take() {
            if self.forgets {
                state.reset(false);
            } else {
                self.remember(&message[since..]);
            }
            INFLATES.with_borrow_mut(|shelf| shelf.put(self.owner, state));
        }
        Ok(())
    }

    fn inflate(&mut self, mut input: &[u8], message: &mut Vec<u8>, max: usize) -> Result<(), Violation> {
        let mut state = self.state.take().unwrap_or_else(|| self.resume());
        let result = self.inflate_with(&mut state, &mut input, message, max);
        self.state = Some(state);
        result
    }

    fn inflate_with(
        &mut self,
        state: &mut Decompress,
        input: &mut &[u8],
        message: &mut Vec<u8>,
        max: usize,
    ) -> Result<(), Violation> {
        loop {
            if message.capacity() == message.len() {
                message.reserve_exact((max + 1 - message.len()).min(message.len().max(PIECE)));
            }
            let (consumed, produced) = (state.total_in(), state.total_out());
            let step = state.decompress_vec(input, message, FlushDecompress::Sync);
            let status = step.map_err(|_| Violation::Compression)?;
            let consumed = (state.total_in() - consumed) as usize;
            *input = &input[consumed..];
            if message.len() > max {
                return Err(Violation::TooLargeInflated(max as u64));
            }
            self.finished = status == Status::StreamEnd;
            if self.finished {
                // Section 7.2.3.4. What follows begins anew.
                state.reset(false);
                self.history.clear();
                self.since = message.len();
            } else if consumed == 0 && state.total_out() == produced && message.capacity() > message.len() {
                // There was room, and nothing came.
                return if input.is_empty() { Ok(()) } else { Err(Violation::Compression) };
            }
            if input.is_empty() && message.capacity() > message.len() {
                return Ok(());
            }
        }
    }
}

impl Drop for Inflater {
    fn drop(&mut self) {
        // At the end of its thread the shelf may have gone before.
        let _ = INFLATES.try_with(|shelf| shelf.borrow_mut().forget(self.owner));
    }
}

/// Compresses messages for the peer.
pub(crate) struct Deflater {
    owner: u64,
    window_bits: u8,
    /// Each message begins anew.
    forgets: bool,
}

impl Deflater {
    /// `window_bits`: of the window that the peer can have, 9 to 15. `forgets`: see [`Inflater::new`].
    pub(crate) fn new(window_bits: u8, forgets: bool) -> Self {
        Deflater { owner: next_owner(), window_bits, forgets }
    }

    /// The state that goes on where the last message has ended, or one that begins anew.
    fn resume(&self) -> Compress {
        match DEFLATES.with_borrow_mut(|shelf| shelf.take(self.owner)) {
            Some(Found::Own((_, state))) => state,
            Some(Found::Other((window_bits, mut state))) if window_bits == self.window_bits => {
                state.reset();
                state
            }
            _ => Compress::new_with_window_bits(LEVEL, false, self.window_bits),
        }
    }

    /// Calls `with` with the message as it is sent.
    pub(crate) fn compressed<R>(&mut self, message: &[u8], with: impl FnOnce(&[u8]) -> R) -> R {
        if message.is_empty() {
            // Section 7.2.3.6: a flush of nothing makes nothing.
            return with(&[0]);
        }
        let mut state = self.resume();
        let result = with_scratch(|out| {
            let mut input = message;
            loop {
                // More than what ends a flush, which would come twice where it ends with the room.
                out.reserve((input.len() / 2).max(64));
                let consumed = state.total_in();
                state.compress_vec(input, out, FlushCompress::Sync).expect("the compressor is in order");
                input = &input[(state.total_in() - consumed) as usize..];
                if input.is_empty() && out.capacity() > out.len() {
                    break;
                }
            }
            with(out.strip_suffix(&TAIL).expect("a flush ends like this"))
        });
        if self.forgets {
            state.reset();
        }
        DEFLATES.with_borrow_mut(|shelf| shelf.put(self.owner, (self.window_bits, state)));
        result
    }
}

impl Drop for Deflater {
    fn drop(&mut self) {
        // As of an inflater.
        let _ = DEFLATES.try_with(|shelf| shelf.borrow_mut().forget(self.owner));
    }
}
