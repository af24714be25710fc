//! From bytes to events.

use crate::{
    Close, Kind, Role, Violation, close,
    deflate::Inflater,
    extension::Deflate,
    frame::{self, Head, MAX_HEAD, Opcode},
    mask,
};

/// What has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message; one of [`Kind::Text`] is UTF-8.
    Message(Kind, Vec<u8>),
    /// Has to be answered with a pong of the same bytes (RFC 6455, section 5.5.2).
    Ping(Vec<u8>),
    /// Answers a ping, or none.
    Pong(Vec<u8>),
    /// The peer will send nothing more. `None` for a frame without a body.
    Close(Option<Close>),
}

/// Memory that is made room for at a time for a message whose length is known, in bytes: a peer that announces much has to send it.
const PIECE: usize = 64 << 10;

/// Makes events of what the peer sends.
pub struct Receiver {
    /// Who sends.
    from: Role,
    max_message: usize,
    /// Where compression was agreed on.
    deflate: Option<Inflates>,
    /// What is there of the next frame's head.
    head: [u8; MAX_HEAD],
    head_bytes: usize,
    /// The frame whose payload is being read.
    frame: Option<Frame>,
    /// The message that is being read.
    message: Option<Partial>,
    /// What is there of the payload of a control frame.
    control: Vec<u8>,
    /// Nothing more is read.
    ended: bool,
}

/// A frame whose payload is being read.
struct Frame {
    head: Head,
    read: u64,
}

/// What is there of a message.
struct Partial {
    kind: Kind,
    compressed: bool,
    payload: Vec<u8>,
    /// How many bytes of it are known to be UTF-8.
    checked: usize,
}

/// Decompression, which is made for the first message that is compressed.
enum Inflates {
    Agreed { forgets: bool },
    Began(Inflater),
}

impl Inflates {
    fn begin(&mut self) -> &mut Inflater {
        if let Inflates::Agreed { forgets } = *self {
            *self = Inflates::Began(Inflater::new(forgets));
        }
        match self {
            Inflates::Began(inflater) => inflater,
            Inflates::Agreed { .. } => unreachable!("it has begun"),
        }
    }
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Receiver(from {:?})", self.from)
    }
}

impl Receiver {
    /// Receives as `role`, messages of at most `max_message` bytes. `deflate` is what was agreed on.
    pub fn new(role: Role, max_message: usize, deflate: Option<&Deflate>) -> Self {
        let from = role.peer();
        Receiver {
            from,
            max_message,
            deflate: deflate.map(|deflate| Inflates::Agreed { forgets: deflate.forgets(from) }),
            head: [0; MAX_HEAD],
            head_bytes: 0,
            frame: None,
            message: None,
            control: Vec::new(),
            ended: false,
        }
    }

    /// Takes bytes from the front of `input` up to the next event. `None` when there is none in them, and all were taken. After a close
    /// frame or a violation everything is taken and ignored.
    ///
    /// # Errors
    /// The peer has broken the protocol. It is to be told so by a close frame ([`Violation::code`]), and nothing more is read.
    pub fn receive(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Violation> {
        let event = self.next(input);
        if matches!(event, Err(_) | Ok(Some(Event::Close(_)))) {
            self.ended = true;
            // Nobody will need the memory.
            (self.message, self.frame, self.deflate) = (None, None, None);
        }
        event
    }

    /// Whether nothing more will come, since there was a close frame or a violation.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    fn next(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Violation> {
        loop {
            if self.ended {
                *input = &[];
                return Ok(None);
            }
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.read_head(input)? {
                    Some(head) => Frame { head, read: 0 },
                    None => return Ok(None),
                },
            };
            let left = frame.head.length - frame.read;
            let count = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
            let (payload, rest) = input.split_at(count);
            *input = rest;
            self.read_payload(&frame, payload)?;
            frame.read += count as u64;
            if frame.read < frame.head.length {
                self.frame = Some(frame);
                return Ok(None);
            }
            if let Some(event) = self.end_frame(&frame.head)? {
                return Ok(Some(event));
            }
        }
    }

    /// Reads a head, once all of it is there, and begins the frame.
    fn read_head(&mut self, input: &mut &[u8]) -> Result<Option<Head>, Violation> {
        let mut wanted = 2_usize;
        loop {
            let count = wanted.saturating_sub(self.head_bytes).min(input.len());
            self.head[self.head_bytes..][..count].copy_from_slice(&input[..count]);
            *input = &input[count..];
            self.head_bytes += count;
            if self.head_bytes < 2 {
                return Ok(None);
            }
            let first = [self.head[0], self.head[1]];
            let opcode = frame::check(first, self.from)?;
            wanted = frame::head_length(first);
            if self.head_bytes == wanted {
                self.head_bytes = 0;
                let head = Head::read(opcode, &self.head[..wanted])?;
                self.begin_frame(&head)?;
                return Ok(Some(head));
            }
            if input.is_empty() {
                return Ok(None);
            }
        }
    }

    fn begin_frame(&mut self, head: &Head) -> Result<(), Violation> {
        if head.compressed {
            match (head.opcode, &self.deflate) {
                (_, None) => return Err(Violation::NotNegotiated),
                (Opcode::Message(_), Some(_)) => {}
                _ => return Err(Violation::CompressedLater),
            }
        }
        match head.opcode {
            Opcode::Continuation if self.message.is_none() => return Err(Violation::Continuation),
            Opcode::Message(_) if self.message.is_some() => return Err(Violation::MissingContinuation),
            Opcode::Message(kind) => {
                let compressed = head.compressed;
                self.message = Some(Partial { kind, compressed, payload: Vec::new(), checked: 0 });
            }
            _ => {}
        }
        if let Some(message) = &self.message
            && !head.opcode.is_control()
        {
            let before = if message.compressed { 0 } else { message.payload.len() as u64 };
            let total = before.saturating_add(head.length);
            // What is compressed may be a little longer than what it stands for.
            let allowance = if message.compressed { self.max_message as u64 / 1000 + 64 } else { 0 };
            if total > self.max_message as u64 + allowance {
                return Err(Violation::TooLarge(total, self.max_message as u64));
            }
        }
        Ok(())
    }

    fn read_payload(&mut self, frame: &Frame, bytes: &[u8]) -> Result<(), Violation> {
        let append = |to: &mut Vec<u8>| match frame.head.key {
            Some(key) => mask::append(to, bytes, key, (frame.read % 4) as usize),
            None => to.extend_from_slice(bytes),
        };
        if frame.head.opcode.is_control() {
            append(&mut self.control);
            return Ok(());
        }
        let (Some(message), false) = (&mut self.message, bytes.is_empty()) else { return Ok(()) };
        match &mut self.deflate {
            Some(deflate) if message.compressed => {
                deflate.begin().push(&mut message.payload, self.max_message, append)?;
            }
            _ => {
                message.make_room(bytes.len(), frame.head.length - frame.read);
                append(&mut message.payload);
            }
        }
        message.check_utf8()
    }

    fn end_frame(&mut self, head: &Head) -> Result<Option<Event>, Violation> {
        match head.opcode {
            Opcode::Ping => return Ok(Some(Event::Ping(std::mem::take(&mut self.control)))),
            Opcode::Pong => return Ok(Some(Event::Pong(std::mem::take(&mut self.control)))),
            Opcode::Close => return Ok(Some(Event::Close(close::read(&std::mem::take(&mut self.control))?))),
            Opcode::Continuation | Opcode::Message(_) if !head.last => return Ok(None),
            Opcode::Continuation | Opcode::Message(_) => {}
        }
        let Some(mut message) = self.message.take() else { return Ok(None) };
        if let Some(deflate) = &mut self.deflate
            && message.compressed
        {
            deflate.begin().end(&mut message.payload, self.max_message)?;
            message.check_utf8()?;
        }
        if message.kind == Kind::Text && message.checked < message.payload.len() {
            return Err(Violation::Utf8);
        }
        Ok(Some(Event::Message(message.kind, message.payload)))
    }
}

impl Partial {
    /// Has room for `count` bytes more, of the `left` that the frame still has: all at once where that is not much.
    fn make_room(&mut self, count: usize, left: u64) {
        if self.payload.capacity() - self.payload.len() < count {
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            let ahead = left.min(self.payload.len().max(PIECE));
            self.payload.reserve_exact(ahead.max(count));
        }
    }

    /// Looks at what has come of a text, so that one that is none ends the connection at once (RFC 6455, section 8.1).
    fn check_utf8(&mut self) -> Result<(), Violation> {
        if self.kind == Kind::Text {
            match std::str::from_utf8(&self.payload[self.checked..]) {
                Ok(text) => self.checked += text.len(),
                Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
                Err(_) => return Err(Violation::Utf8),
            }
        }
        Ok(())
    }
}
