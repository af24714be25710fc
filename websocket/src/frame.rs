//! The head of a frame (RFC 6455, section 5.2).

use crate::{Kind, MAX_CONTROL, Role, Violation};

const FIN: u8 = 0x80;
const COMPRESSED: u8 = 0x40;
const RESERVED: u8 = 0x30;
const MASKED: u8 = 0x80;

/// The longest head, in bytes.
pub(crate) const MAX_HEAD: usize = 14;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Message(Kind),
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn read(bits: u8) -> Result<Self, Violation> {
        Ok(match bits {
            0 => Opcode::Continuation,
            1 => Opcode::Message(Kind::Text),
            2 => Opcode::Message(Kind::Binary),
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            other => return Err(Violation::Opcode(other)),
        })
    }

    fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0,
            Opcode::Message(Kind::Text) => 1,
            Opcode::Message(Kind::Binary) => 2,
            Opcode::Close => 8,
            Opcode::Ping => 9,
            Opcode::Pong => 10,
        }
    }

    pub(crate) fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) opcode: Opcode,
    /// It is the last frame of its message.
    pub(crate) last: bool,
    /// The message is compressed: said by its first frame.
    pub(crate) compressed: bool,
    /// Bytes of payload.
    pub(crate) length: u64,
    pub(crate) key: Option<[u8; 4]>,
}

/// How many bytes a head has whose first two are these.
pub(crate) fn head_length(first: [u8; 2]) -> usize {
    let length = match first[1] & !MASKED {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + length + if first[1] & MASKED == 0 { 0 } else { 4 }
}

/// Reads what the first two bytes of a head say, so that nobody waits for the rest of a frame that is refused. `from` is who sent it.
///
/// # Errors
/// No frame may look like this.
pub(crate) fn check(first: [u8; 2], from: Role) -> Result<Opcode, Violation> {
    if first[0] & RESERVED != 0 {
        return Err(Violation::ReservedBits);
    }
    let opcode = Opcode::read(first[0] & 0xf)?;
    if opcode.is_control() {
        if first[0] & FIN == 0 {
            return Err(Violation::FragmentedControl);
        }
        if usize::from(first[1] & !MASKED) > MAX_CONTROL {
            return Err(Violation::LongControl);
        }
    }
    match (from, first[1] & MASKED != 0) {
        (Role::Client, false) => Err(Violation::Unmasked),
        (Role::Server, true) => Err(Violation::Masked),
        _ => Ok(opcode),
    }
}

impl Head {
    /// Reads a head, all of which is there, and whose first two bytes were checked.
    pub(crate) fn read(opcode: Opcode, bytes: &[u8]) -> Result<Self, Violation> {
        let (last, compressed) = (bytes[0] & FIN != 0, bytes[0] & COMPRESSED != 0);
        let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let (length, at) = match bytes[1] & !MASKED {
            126 => (number(&bytes[2..4]), 4),
            127 => (number(&bytes[2..10]), 10),
            short => (u64::from(short), 2),
        };
        let is_minimal = match at {
            4 => length > MAX_CONTROL as u64,
            10 => length > u64::from(u16::MAX) && length >> 63 == 0,
            _ => true,
        };
        // One whose highest bit is set is too long for everybody, and is refused for that.
        if !is_minimal && length >> 63 == 0 {
            return Err(Violation::LengthEncoding);
        }
        let key = bytes.get(at..at + 4).filter(|_| bytes[1] & MASKED != 0).and_then(|key| key.try_into().ok());
        Ok(Head { opcode, last, compressed, length, key })
    }

    /// Writes it to `into`, and says how many bytes that were.
    pub(crate) fn write(&self, into: &mut [u8; MAX_HEAD]) -> usize {
        into[0] = self.opcode.bits() | if self.last { FIN } else { 0 } | if self.compressed { COMPRESSED } else { 0 };
        let masked = if self.key.is_some() { MASKED } else { 0 };
        let mut at = if self.length <= MAX_CONTROL as u64 {
            into[1] = masked | self.length as u8;
            2
        } else if let Ok(length) = u16::try_from(self.length) {
            into[1] = masked | 126;
            into[2..4].copy_from_slice(&length.to_be_bytes());
            4
        } else {
            into[1] = masked | 127;
            into[2..10].copy_from_slice(&self.length.to_be_bytes());
            10
        };
        if let Some(key) = self.key {
            into[at..at + 4].copy_from_slice(&key);
            at += 4;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_as_they_are_written() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 40, (1 << 63) - 1] {
            for key in [None, Some([1, 2, 3, 4])] {
                let opcode = Opcode::Message(Kind::Binary);
                let head = Head { opcode, last: length % 2 == 0, compressed: length % 3 == 0, length, key };
                let mut bytes = [0; MAX_HEAD];
                let written = head.write(&mut bytes);
                let first = [bytes[0], bytes[1]];
                assert_eq!(head_length(first), written);
                let from = if key.is_some() { Role::Client } else { Role::Server };
                assert_eq!(check(first, from), Ok(opcode));
                assert_eq!(Head::read(opcode, &bytes[..written]), Ok(head));
            }
        }
    }
}
