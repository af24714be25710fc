//! Frames by hand, and what is seen of them.

use bulkhead_websocket::{Close, Event, Kind, Role, Violation};

/// A frame, right or wrong.
#[derive(Clone)]
pub(crate) struct Frame {
    pub(crate) first: u8,
    payload: Vec<u8>,
    /// How many bytes its length has, where that is not as few as possible.
    length_in: Option<usize>,
    announced: Option<u64>,
    key: [u8; 4],
    masked_wrongly: bool,
    /// How many bytes of it come, where it comes unmasked.
    cut: Option<usize>,
}

pub(crate) fn frame(first: u8, payload: impl AsRef<[u8]>) -> Frame {
    let payload = payload.as_ref().to_vec();
    let key = [0x37, 0xfa, 0x21, 0x3d];
    Frame { first, payload, length_in: None, announced: None, key, masked_wrongly: false, cut: None }
}

/// A close frame.
pub(crate) fn closing(code: u16, reason: impl AsRef<[u8]>) -> Frame {
    frame(0x88, [&code.to_be_bytes(), reason.as_ref()].concat())
}

impl Frame {
    pub(crate) fn length_in(self, bytes: usize) -> Self {
        Frame { length_in: Some(bytes), ..self }
    }

    /// It says that it is this long.
    pub(crate) fn announced(self, length: u64) -> Self {
        Frame { announced: Some(length), ..self }
    }

    pub(crate) fn key(self, key: [u8; 4]) -> Self {
        Frame { key, ..self }
    }

    /// As the other side masks it.
    pub(crate) fn masked_wrongly(self) -> Self {
        Frame { masked_wrongly: true, ..self }
    }

    /// Only so many of its bytes come, beside the key.
    pub(crate) fn cut(self, bytes: usize) -> Self {
        Frame { cut: Some(bytes), ..self }
    }

    fn append(&self, to: &mut Vec<u8>, from: Role) {
        let masked = (from == Role::Client) != self.masked_wrongly;
        let length = self.announced.unwrap_or(self.payload.len() as u64);
        let least = match length {
            0..126 => 0,
            126..0x1_0000 => 2,
            _ => 8,
        };
        let (short, bytes) = match self.length_in.unwrap_or(least) {
            0 => (length as u8, 0),
            2 => (126, 2),
            bytes => (127, bytes),
        };
        let start = to.len();
        to.extend([self.first, short | if masked { 0x80 } else { 0 }]);
        to.extend(&length.to_be_bytes()[8 - bytes..]);
        let mut end = self.cut;
        if masked {
            to.extend(self.key);
            end = end.map(|bytes| if bytes >= 2 { bytes + 4 } else { bytes });
        }
        let key = |at: usize| if masked { self.key[at % 4] } else { 0 };
        to.extend(self.payload.iter().enumerate().map(|(at, byte)| byte ^ key(at)));
        if let Some(end) = end {
            to.truncate(start + end);
        }
    }
}

/// The frames as the peer of `role` sends them.
pub(crate) fn bytes(frames: &[Frame], role: Role) -> Vec<u8> {
    let mut all = Vec::new();
    for frame in frames {
        frame.append(&mut all, role.peer());
    }
    all
}

/// What a receiver gives.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen {
    Event(Event),
    Broken(Violation),
    /// The masking is the other side's: see [`Seen::by`].
    Masking,
}

impl Seen {
    /// As it is seen by one side.
    pub(crate) fn by(&self, role: Role) -> Seen {
        match (self, role) {
            (Seen::Masking, Role::Server) => Seen::Broken(Violation::Unmasked),
            (Seen::Masking, Role::Client) => Seen::Broken(Violation::Masked),
            (other, _) => other.clone(),
        }
    }
}

pub(crate) fn text(text: impl AsRef<[u8]>) -> Seen {
    Seen::Event(Event::Message(Kind::Text, text.as_ref().to_vec()))
}

pub(crate) fn binary(bytes: impl AsRef<[u8]>) -> Seen {
    Seen::Event(Event::Message(Kind::Binary, bytes.as_ref().to_vec()))
}

pub(crate) fn ping(bytes: impl AsRef<[u8]>) -> Seen {
    Seen::Event(Event::Ping(bytes.as_ref().to_vec()))
}

pub(crate) fn pong(bytes: impl AsRef<[u8]>) -> Seen {
    Seen::Event(Event::Pong(bytes.as_ref().to_vec()))
}

pub(crate) fn closed(code: u16, reason: impl Into<String>) -> Seen {
    Seen::Event(Event::Close(Some(Close { code, reason: reason.into() })))
}

pub(crate) fn broken(violation: Violation) -> Seen {
    Seen::Broken(violation)
}

pub(crate) mod seen {
    //! What has no parameters.

    use super::{Event, Seen};

    pub(crate) fn masking() -> Seen {
        Seen::Masking
    }

    pub(crate) fn closed_without_code() -> Seen {
        Seen::Event(Event::Close(None))
    }
}
