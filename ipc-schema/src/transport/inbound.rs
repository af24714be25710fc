//! From bytes to messages.

use std::{
    io,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use capnp::message::{Reader, ReaderSegments};
use capnp_rpc::rpc_capnp::message as rpc_message;
use rustix::buffer::spare_capacity;

use super::{Limits, Peer, Shared, check, reader_options, socket::Socket};

/// Size of the buffer that one `read` fills.
const BUFFER_BYTES: usize = 64 << 10;

/// A message of so many bytes that is not complete is read to where it stays, and not by way of the buffer.
const LONG_BYTES: usize = 16 << 10;

/// After a long message there is likely another one, and only its beginning is read into the buffer.
const BEGINNING_BYTES: usize = 2 << 10;

/// Where the segments of a message are, in words.
enum Table {
    One(usize),
    Many(Vec<(usize, usize)>),
}

impl Table {
    fn words(&self) -> usize {
        match self {
            Table::One(words) => *words,
            Table::Many(segments) => segments.last().map_or(0, |(start, length)| start + length),
        }
    }
}

/// Memory for the segments of one message, which begin at the address of a word. It is filled from front to back, so that
/// nothing in it has to be zeroed before.
struct Room {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Room {
    /// More than the allocation, so that it has a word's address in it.
    const SLACK: usize = 7;

    fn new(bytes: usize) -> Self {
        let mut room = Vec::<u8>::with_capacity(bytes + Self::SLACK);
        let start = room.as_ptr().align_offset(8).min(Self::SLACK);
        room.resize(start, 0);
        Self { bytes: room, start, end: start + bytes }
    }

    fn missing(&self) -> usize {
        self.end - self.bytes.len()
    }

    /// What was read into the slack.
    fn take_excess(&mut self) -> Option<Vec<u8>> {
        (self.bytes.len() > self.end).then(|| self.bytes.split_off(self.end))
    }

    fn take(mut self) -> Bytes {
        // A vector without room to spare becomes `Bytes` as it is.
        self.bytes.resize(self.bytes.capacity(), 0);
        Bytes::from(self.bytes).slice(self.start..self.end)
    }
}

/// The segments of a message, in one allocation of their own: a message that is kept for long keeps nothing else.
pub(super) struct Segments {
    bytes: Bytes,
    table: Table,
}

impl ReaderSegments for Segments {
    fn get_segment(&self, index: u32) -> Option<&[u8]> {
        match &self.table {
            Table::One(_) => (index == 0).then_some(&*self.bytes),
            Table::Many(segments) => {
                let (start, length) = *segments.get(index as usize)?;
                Some(&self.bytes[start * 8..(start + length) * 8])
            }
        }
    }

    fn len(&self) -> usize {
        match &self.table {
            Table::One(_) => 1,
            Table::Many(segments) => segments.len(),
        }
    }
}

/// A message that was received.
pub(super) struct Incoming {
    reader: Reader<Segments>,
    bytes: Bytes,
    shared: Rc<Shared>,
}

impl capnp_rpc::IncomingMessage for Incoming {
    fn get_body(&self) -> capnp::Result<capnp::any_pointer::Reader<'_>> {
        self.reader.get_root()
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.shared.held_bytes.set(self.shared.held_bytes.get() - self.bytes.len());
        self.shared.memory.borrow_mut().remove(&self.bytes);
    }
}

/// What is read at the moment.
pub(super) struct Inbound {
    buffer: Box<[u8]>,
    /// Bytes in the buffer that belong to no message yet.
    start: usize,
    end: usize,
    /// A long message that is not complete.
    long: Option<(Room, Table)>,
    /// The message before was long.
    after_long: bool,
    /// Bytes that the last read could have brought.
    wanted: usize,
    /// There may be complete messages in the buffer that the peer sent too early.
    held_back: bool,
}

impl Inbound {
    pub(super) fn new() -> Self {
        Self {
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            long: None,
            after_long: false,
            wanted: 0,
            held_back: false,
        }
    }

    pub(super) fn is_inside_message(&self) -> bool {
        self.long.is_some() || self.start < self.end
    }

    /// Whether [`Self::advance`] is to be called, with nothing new, before anything is read.
    pub(super) fn is_held_back(&self) -> bool {
        self.held_back
    }

    /// Bytes that the last read could have brought.
    pub(super) fn wanted(&self) -> usize {
        self.wanted
    }

    /// One read, of at least one byte where the stream has not ended. Gives the number, for [`Self::advance`]. Not to be
    /// called while something is held back.
    pub(super) fn poll_read(&mut self, socket: &Socket, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Some((room, _)) = &mut self.long {
            let missing = room.missing();
            self.wanted = missing;
            let read = |stream: &_| Ok(rustix::io::read(stream, spare_capacity(&mut room.bytes))?);
            let read = ready!(socket.poll_read_with(cx, missing, read));
            // The beginning of what comes next, and less than one message: the buffer is empty.
            if let Some(excess) = room.take_excess() {
                self.buffer[..excess.len()].copy_from_slice(&excess);
                self.end = excess.len();
            }
            return Poll::Ready(read);
        }
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        } else if self.start > 0 {
            // Less than one message: what is longer than the buffer goes to memory of its own.
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let until = if self.after_long && self.end == 0 { BEGINNING_BYTES } else { BUFFER_BYTES };
        self.wanted = until - self.end;
        socket.poll_read(cx, &mut self.buffer[self.end..until])
    }

    /// Takes note of `count` bytes that were read, and puts complete messages into the inbox, until the peer has to wait.
    pub(super) fn advance(&mut self, count: usize, shared: &Rc<Shared>) -> Result<(), String> {
        match &mut self.long {
            Some((room, _)) => {
                if room.missing() == 0 {
                    let (room, table) = self.long.take().expect("it is there");
                    self.after_long = true;
                    deliver(Segments { bytes: room.take(), table }, shared)?;
                }
            }
            None => {
                self.end += count;
                self.held_back = false;
                while let Some((table_bytes, table)) = parse_table(&self.buffer[self.start..self.end], &shared.limits)?
                {
                    if shared.is_exceeded() {
                        self.held_back = true;
                        break;
                    }
                    let total = table.words() * 8;
                    let body = self.start + table_bytes;
                    let available = (self.end - body).min(total);
                    if available < total && total < LONG_BYTES {
                        break;
                    }
                    let mut room = Room::new(total);
                    room.bytes.extend_from_slice(&self.buffer[body..body + available]);
                    if available < total {
                        self.start = 0;
                        self.end = 0;
                        self.long = Some((room, table));
                        break;
                    }
                    self.start = body + total;
                    self.after_long = total >= LONG_BYTES;
                    deliver(Segments { bytes: room.take(), table }, shared)?;
                }
            }
        }
        Ok(())
    }
}

/// Reads a segment table (Cap'n Proto encoding, "Serialization over a stream"): its length in bytes and where the
/// segments are, or `None` when it is not complete.
fn parse_table(bytes: &[u8], limits: &Limits) -> Result<Option<(usize, Table)>, String> {
    let number = |at: usize| -> Option<usize> {
        let bytes = bytes.get(at..at + 4)?;
        Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
    };
    let Some(last) = number(0) else { return Ok(None) };
    // `max_segments` also keeps the table within the buffer.
    if last >= limits.max_segments.min(BUFFER_BYTES / 8) {
        return Err(format!("a message has more than {} segments", limits.max_segments));
    }
    let table_bytes = (4 + 4 * (last + 1)).next_multiple_of(8);
    if bytes.len() < table_bytes {
        return Ok(None);
    }
    let mut total = 0;
    let mut many = Vec::with_capacity(if last == 0 { 0 } else { last + 1 });
    for index in 0..=last {
        let length = number(4 + 4 * index).unwrap_or_default();
        if last > 0 {
            many.push((total, length));
        }
        total += length;
        if total > limits.max_message_words {
            return Err(format!("a message is longer than {} words", limits.max_message_words));
        }
    }
    if total == 0 {
        return Err("a message is empty".into());
    }
    Ok(Some((table_bytes, if last == 0 { Table::One(total) } else { Table::Many(many) })))
}

fn deliver(segments: Segments, shared: &Rc<Shared>) -> Result<(), String> {
    let bytes = segments.bytes.clone();
    let reader = Reader::new(segments, reader_options(&shared.limits));
    if shared.limits.peer == Peer::Hostile {
        let message: rpc_message::Reader<'_> =
            reader.get_root().map_err(|error| format!("a message cannot be read: {error}"))?;
        shared.spend(matches!(message.which(), Ok(rpc_message::Return(_))), bytes.len());
        check::message(message, bytes.len() / 8, &shared.limits)?;
    }
    let held = shared.held_bytes.get() + bytes.len();
    shared.memory.borrow_mut().insert(&bytes);
    shared.held_bytes.set(held);
    shared.received.set(shared.received.get() + 1);
    shared.inbox.borrow_mut().push_back(Incoming { reader, bytes, shared: shared.clone() });
    if held > shared.limits.max_held_bytes {
        return Err(format!("its open calls and results hold more than {} bytes", shared.limits.max_held_bytes));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_segment_table_never_makes_the_parser_exceed_its_limits(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let limits = Limits::for_worker();
            if let Ok(Some((table_bytes, table))) = parse_table(&bytes, &limits) {
                prop_assert!(table_bytes <= bytes.len());
                prop_assert!(table.words() <= limits.max_message_words);
                prop_assert!(table.words() > 0);
            }
        }
    }
}
