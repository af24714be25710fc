//! From messages to bytes.

use crate::{
    Close, Kind, MAX_CONTROL, Role, close,
    deflate::Deflater,
    extension::Deflate,
    frame::{Head, MAX_HEAD, Opcode},
    mask,
};

/// Gives a key for each frame, which nobody can foretell (RFC 6455, section 10.3).
pub type Keys = Box<dyn FnMut() -> [u8; 4]>;

/// What a frame may have before its payload, in bytes: as much as its head, and so much that some processors are not slower to copy
/// what lies there (`mask`).
pub const HEAD_ROOM: usize = 16;

/// Makes bytes of what is sent.
pub struct Sender {
    /// A client has them.
    keys: Option<Keys>,
    deflater: Option<Deflater>,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let role = if self.keys.is_some() { Role::Client } else { Role::Server };
        write!(f, "Sender({role:?})")
    }
}

impl Sender {
    /// Sends as the server. `deflate` is what was agreed on.
    pub fn server(deflate: Option<&Deflate>) -> Self {
        Sender { keys: None, deflater: deflater(Role::Server, deflate) }
    }

    /// Sends as the client, which masks each frame with the next of `keys`.
    pub fn client(deflate: Option<&Deflate>, keys: Keys) -> Self {
        Sender { keys: Some(keys), deflater: deflater(Role::Client, deflate) }
    }

    /// Appends a message in one frame. A text has to be UTF-8.
    pub fn message(&mut self, out: &mut Vec<u8>, kind: Kind, payload: &[u8]) {
        let key = self.key();
        let opcode = Opcode::Message(kind);
        match &mut self.deflater {
            Some(deflater) => deflater.compressed(payload, |payload| append(out, opcode, true, true, key, payload)),
            None => append(out, opcode, true, false, key, payload),
        }
    }

    /// As [`Self::message`], where the payload is, which `bytes` has after [`HEAD_ROOM`] bytes. Gives where among these the frame begins,
    /// or `None` where a message is compressed, and nothing was changed.
    ///
    /// # Panics
    /// If there are not so many bytes.
    pub fn message_in_place(&mut self, kind: Kind, bytes: &mut [u8]) -> Option<usize> {
        if self.deflater.is_some() {
            return None;
        }
        let key = self.key();
        let (room, payload) = bytes.split_at_mut(HEAD_ROOM);
        let mut head = [0; MAX_HEAD];
        let opcode = Opcode::Message(kind);
        let length = Head { opcode, last: true, compressed: false, length: payload.len() as u64, key }.write(&mut head);
        let begin = HEAD_ROOM - length;
        room[begin..].copy_from_slice(&head[..length]);
        if let Some(key) = key {
            mask::apply(payload, key, 0);
        }
        Some(begin)
    }

    /// As [`Self::message`], in frames of at most `max_frame` bytes of payload, which is not 0 (RFC 6455, section 5.4).
    pub fn fragments(&mut self, out: &mut Vec<u8>, kind: Kind, payload: &[u8], max_frame: usize) {
        let Sender { keys, deflater } = self;
        let mut append_all = |payload: &[u8], compressed: bool| {
            let mut pieces = payload.chunks(max_frame.max(1)).peekable();
            let mut opcode = Opcode::Message(kind);
            loop {
                let piece = pieces.next().unwrap_or_default();
                let last = pieces.peek().is_none();
                let is_first = opcode != Opcode::Continuation;
                append(out, opcode, last, compressed && is_first, keys.as_mut().map(|keys| keys()), piece);
                if last {
                    return;
                }
                opcode = Opcode::Continuation;
            }
        };
        match deflater {
            Some(deflater) => deflater.compressed(payload, |payload| append_all(payload, true)),
            None => append_all(payload, false),
        }
    }

    /// Appends a ping.
    ///
    /// # Panics
    /// If `payload` has more than [`MAX_CONTROL`] bytes.
    pub fn ping(&mut self, out: &mut Vec<u8>, payload: &[u8]) {
        self.control(out, Opcode::Ping, payload);
    }

    /// Appends the answer to a ping.
    ///
    /// # Panics
    /// If `payload` has more than [`MAX_CONTROL`] bytes.
    pub fn pong(&mut self, out: &mut Vec<u8>, payload: &[u8]) {
        self.control(out, Opcode::Pong, payload);
    }

    /// Appends a close frame, after which nothing may be sent. Of the reason it has what fits.
    pub fn close(&mut self, out: &mut Vec<u8>, close: Option<&Close>) {
        let body = close.map_or_else(Vec::new, |close| {
            [&close.code.to_be_bytes()[..], close::fitting(&close.reason).as_bytes()].concat()
        });
        self.control(out, Opcode::Close, &body);
    }

    fn control(&mut self, out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
        assert!(payload.len() <= MAX_CONTROL, "the payload of a control frame has {} bytes", payload.len());
        let key = self.key();
        append(out, opcode, true, false, key, payload);
    }

    fn key(&mut self) -> Option<[u8; 4]> {
        self.keys.as_mut().map(|keys| keys())
    }
}

fn deflater(role: Role, deflate: Option<&Deflate>) -> Option<Deflater> {
    let deflate = deflate?;
    // The library has no smaller window than one of 9 bits. Messages need not be compressed (RFC 7692, section 7.2.1).
    let window_bits = deflate.window_bits(role);
    (window_bits > 8).then(|| Deflater::new(window_bits, deflate.forgets(role)))
}

fn append(out: &mut Vec<u8>, opcode: Opcode, last: bool, compressed: bool, key: Option<[u8; 4]>, payload: &[u8]) {
    let mut head = [0; MAX_HEAD];
    let length = Head { opcode, last, compressed, length: payload.len() as u64, key }.write(&mut head);
    out.reserve(length + payload.len());
    out.extend_from_slice(&head[..length]);
    match key {
        Some(key) => mask::append(out, payload, key, 0),
        None => mask::copy(out, payload, |_| {}),
    }
}
