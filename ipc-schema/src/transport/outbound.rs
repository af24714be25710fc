//! Messages on their way to the socket.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    rc::Rc,
    task::{Context, Poll},
};

use capnp::{
    OutputSegments,
    capability::Promise,
    message::{Builder, HeapAllocator},
};
use capnp_rpc::rpc_capnp::message as rpc_message;

use super::{Peer, Shared, socket::Socket};

/// A segment this long is sent from where it is; a shorter one is copied behind the message before it, because one long
/// slice costs the kernel less than many short ones.
const COPY_BELOW_BYTES: usize = 8 << 10;

/// A run of copied messages is at most about this long.
const RUN_BYTES: usize = 64 << 10;

/// After so many messages they are written though the turn goes on: the peer, which else would wait for its end, works on them
/// meanwhile. Fewer cost more system calls than it gains.
const WRITE_AT_MESSAGES: usize = 8;

/// Slices in one system call. Linux allows 1024 (`IOV_MAX`).
const SLICES: usize = 64;

/// First segment of an outgoing message, in words: a request head of usual size takes one or two. `capnp-rpc` asks for
/// 8 KiB for each call, which then has to be zeroed. This is also the longest piece that glibc caches by thread.
const FIRST_SEGMENT_WORDS: u32 = 126;

type Message = Rc<Builder<HeapAllocator>>;

enum Chunk {
    /// Framed messages, copied together, and segment tables of messages that follow.
    Run(Vec<u8>),
    /// One segment of a message.
    Segment(Message, usize),
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Chunk::Run(bytes) => bytes,
            Chunk::Segment(message, index) => match message.get_segments_for_output() {
                OutputSegments::SingleSegment([segment]) => segment,
                OutputSegments::MultiSegment(segments) => segments[*index],
            },
        }
    }
}

/// The queue of outgoing bytes.
#[derive(Default)]
pub(super) struct Outbound {
    chunks: VecDeque<Chunk>,
    /// Bytes of the first chunk that were sent.
    sent: usize,
    bytes: usize,
    /// Messages that were queued since the last write.
    messages: usize,
    /// An emptied run, for its memory.
    spare: Vec<u8>,
}

impl Outbound {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    fn run(&mut self) -> &mut Vec<u8> {
        if !matches!(self.chunks.back(), Some(Chunk::Run(run)) if run.len() < RUN_BYTES) {
            let run = std::mem::take(&mut self.spare);
            self.chunks.push_back(Chunk::Run(run));
        }
        match self.chunks.back_mut() {
            Some(Chunk::Run(run)) => run,
            _ => unreachable!("a run was just put there"),
        }
    }

    /// Queues a message in the standard stream framing.
    fn push(&mut self, message: &Message) {
        let segments = message.get_segments_for_output();
        let before = self.bytes;
        let run = self.run();
        let table = run.len();
        run.extend_from_slice(&(segments.len() as u32 - 1).to_le_bytes());
        for segment in segments.iter() {
            run.extend_from_slice(&((segment.len() / 8) as u32).to_le_bytes());
        }
        if segments.len().is_multiple_of(2) {
            run.extend_from_slice(&[0; 4]);
        }
        let mut added = run.len() - table;
        for (index, segment) in segments.iter().enumerate() {
            added += segment.len();
            if segment.len() < COPY_BELOW_BYTES {
                self.run().extend_from_slice(segment);
            } else {
                self.chunks.push_back(Chunk::Segment(message.clone(), index));
            }
        }
        self.bytes = before + added;
        self.messages += 1;
    }

    /// Whether so many messages wait that the peer had better begin with them.
    fn is_due(&self) -> bool {
        self.messages >= WRITE_AT_MESSAGES
    }

    /// Writes as much as the socket takes. Pending is no error: the waker is registered then.
    pub(super) fn write(&mut self, socket: &mut Socket, cx: &mut Context<'_>) -> io::Result<()> {
        self.write_with(|slices| socket.poll_write(cx, slices))?;
        if self.is_empty() { socket.note_written(cx) } else { Ok(()) }
    }

    /// Writes as much as the socket takes, and leaves it to [`Self::write`] to wait for more, and to find what is wrong.
    fn write_early(&mut self, socket: &Socket) {
        let _ = self.write_with(|slices| match socket.write(slices) {
            Ok(written) => Poll::Ready(Ok(written)),
            Err(_) => Poll::Pending,
        });
    }

    fn write_with(&mut self, mut write: impl FnMut(&[IoSlice<'_>]) -> Poll<io::Result<usize>>) -> io::Result<()> {
        self.messages = 0;
        while let Some(first) = self.chunks.front() {
            let written = {
                let mut slices = [IoSlice::new(&[]); SLICES];
                slices[0] = IoSlice::new(&first.bytes()[self.sent..]);
                let mut count = 1;
                for (slice, chunk) in slices[1..].iter_mut().zip(self.chunks.iter().skip(1)) {
                    *slice = IoSlice::new(chunk.bytes());
                    count += 1;
                }
                match write(&slices[..count]) {
                    Poll::Pending => return Ok(()),
                    Poll::Ready(result) => result?,
                }
            };
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.advance(written);
        }
        Ok(())
    }

    fn advance(&mut self, written: usize) {
        self.bytes -= written;
        self.sent += written;
        while let Some(first) = self.chunks.front() {
            let length = first.bytes().len();
            if self.sent < length {
                break;
            }
            self.sent -= length;
            if let Some(Chunk::Run(mut run)) = self.chunks.pop_front()
                && self.spare.capacity() == 0
            {
                run.clear();
                self.spare = run;
            }
        }
    }
}

/// Whether the peer has to answer this.
fn is_call(message: &Message) -> bool {
    let kind = message.get_root_as_reader::<rpc_message::Reader<'_>>().map(|message| message.which());
    matches!(kind, Ok(Ok(rpc_message::Call(_) | rpc_message::Bootstrap(_))))
}

/// A message that is being built.
pub(super) struct Outgoing {
    message: Builder<HeapAllocator>,
    shared: Rc<Shared>,
}

impl Outgoing {
    pub(super) fn new(shared: Rc<Shared>, first_segment_words: u32) -> Self {
        let words = if first_segment_words == 0 { FIRST_SEGMENT_WORDS } else { first_segment_words };
        let allocator = HeapAllocator::new().first_segment_words(words.min(FIRST_SEGMENT_WORDS));
        Self { message: Builder::new(allocator), shared }
    }
}

impl capnp_rpc::OutgoingMessage for Outgoing {
    fn get_body(&mut self) -> capnp::Result<capnp::any_pointer::Builder<'_>> {
        self.message.get_root()
    }

    fn get_body_as_reader(&self) -> capnp::Result<capnp::any_pointer::Reader<'_>> {
        self.message.get_root_as_reader()
    }

    /// Queues the message. The promise resolves at once: whoever sends much asks `Handle::writable` first.
    fn send(self: Box<Self>) -> (Promise<(), capnp::Error>, Message) {
        let Self { message, shared } = *self;
        let message = Rc::new(message);
        if shared.is_ended() && !shared.outbound.borrow().is_empty() {
            // Of what is sent after the end, only the word of farewell is worth a try.
            return (Promise::err(shared.end_as_error()), message);
        }
        if shared.limits.peer == Peer::Hostile && is_call(&message) {
            shared.asked();
        }
        let (was_empty, exceeded) = {
            let mut outbound = shared.outbound.borrow_mut();
            let was_empty = outbound.is_empty();
            outbound.push(&message);
            if outbound.is_due()
                && let Some(socket) = &*shared.socket.borrow()
            {
                outbound.write_early(socket);
            }
            (was_empty, outbound.bytes() > shared.limits.max_queued_bytes)
        };
        if exceeded {
            shared.violation("it does not read what is sent to it");
        } else if was_empty {
            shared.signal.rouse();
        }
        (Promise::ok(()), message)
    }

    fn take(self: Box<Self>) -> Builder<HeapAllocator> {
        self.message
    }

    fn size_in_words(&self) -> usize {
        self.message.size_in_words()
    }
}
