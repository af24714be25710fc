//! Compression of one message after the other (RFC 7692, section 7.2).

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::Violation;

/// What ends a flush, and is left out on the wire (section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Output that is made room for at first, and the least that is at a time, in bytes.
const PIECE: usize = 4 << 10;

/// What is kept of the scratch memory of one direction between messages, in bytes.
const KEPT: usize = 64 << 10;

/// Large enough for whatever window the peer has: section 7.1.2 lets a receiver have a larger one.
const WINDOW_BITS: u8 = 15;

/// As of the reference's library.
const LEVEL: Compression = Compression::new(6);

/// Makes messages of what the peer has compressed.
pub(crate) struct Inflater {
    state: Decompress,
    /// The peer begins each message anew.
    forgets: bool,
    /// The last bytes ended a block that said that it is the last.
    finished: bool,
    /// Memory for what is decompressed next.
    scratch: Vec<u8>,
}

impl Inflater {
    /// `forgets`: the peer does not take its context over (section 7.1.1).
    pub(crate) fn new(forgets: bool) -> Self {
        let state = Decompress::new_with_window_bits(false, WINDOW_BITS);
        Inflater { state, forgets, finished: false, scratch: Vec::new() }
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
        let mut scratch = std::mem::take(&mut self.scratch);
        with(&mut scratch);
        let result = self.inflate(&scratch, message, max);
        scratch.clear();
        scratch.shrink_to(KEPT);
        self.scratch = scratch;
        result
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
        if self.forgets {
            self.state.reset(false);
        }
        Ok(())
    }

    fn inflate(&mut self, mut input: &[u8], message: &mut Vec<u8>, max: usize) -> Result<(), Violation> {
        loop {
            if message.capacity() == message.len() {
                message.reserve_exact((max + 1 - message.len()).min(message.len().max(PIECE)));
            }
            let (consumed, produced) = (self.state.total_in(), self.state.total_out());
            let step = self.state.decompress_vec(input, message, FlushDecompress::Sync);
            let status = step.map_err(|_| Violation::Compression)?;
            let consumed = (self.state.total_in() - consumed) as usize;
            input = &input[consumed..];
            if message.len() > max {
                return Err(Violation::TooLargeInflated(max as u64));
            }
            self.finished = status == Status::StreamEnd;
            if self.finished {
                // Section 7.2.3.4. What follows begins anew.
                self.state.reset(false);
            } else if consumed == 0 && self.state.total_out() == produced && message.capacity() > message.len() {
                // There was room, and nothing came.
                return if input.is_empty() { Ok(()) } else { Err(Violation::Compression) };
            }
            if input.is_empty() && message.capacity() > message.len() {
                return Ok(());
            }
        }
    }
}

/// Compresses messages for the peer.
pub(crate) struct Deflater {
    /// Made for the first message: a connection on which none is sent does not have the memory.
    state: Option<Compress>,
    window_bits: u8,
    /// Each message begins anew.
    forgets: bool,
    scratch: Vec<u8>,
}

impl Deflater {
    /// `window_bits`: of the window that the peer can have, 9 to 15. `forgets`: see [`Inflater::new`].
    pub(crate) fn new(window_bits: u8, forgets: bool) -> Self {
        Deflater { state: None, window_bits, forgets, scratch: Vec::new() }
    }

    /// Calls `with` with the message as it is sent.
    pub(crate) fn compressed<R>(&mut self, message: &[u8], with: impl FnOnce(&[u8]) -> R) -> R {
        if message.is_empty() {
            // Section 7.2.3.6: a flush of nothing makes nothing.
            return with(&[0]);
        }
        let mut out = std::mem::take(&mut self.scratch);
        let state = self.state.get_or_insert_with(|| Compress::new_with_window_bits(LEVEL, false, self.window_bits));
        let mut input = message;
        loop {
            // More than what ends a flush, which would come twice where it ends with the room.
            out.reserve((input.len() / 2).max(64));
            let consumed = state.total_in();
            state.compress_vec(input, &mut out, FlushCompress::Sync).expect("the compressor is in order");
            input = &input[(state.total_in() - consumed) as usize..];
            if input.is_empty() && out.capacity() > out.len() {
                break;
            }
        }
        if self.forgets {
            state.reset();
        }
        let compressed = out.strip_suffix(&TAIL).expect("a flush ends like this");
        let result = with(compressed);
        out.clear();
        out.shrink_to(KEPT);
        self.scratch = out;
        result
    }
}
