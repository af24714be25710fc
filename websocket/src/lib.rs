//! The WebSocket protocol (RFC 6455) with permessage-deflate (RFC 7692), as state machines over bytes, without I/O.
//!
//! A [`Receiver`] makes events of the bytes that the peer sends, however they are split; a [`Sender`] makes bytes of messages. Both
//! know on which side they are ([`Role`]), and what was agreed on in the handshake: [`extension`] negotiates compression, and
//! [`handshake`] has the rest of it. Everything that the peer decides is bounded: a message by the receiver's limit, also while it is
//! decompressed, and what is in memory of one by a small multiple of what has come of it.

#![forbid(unsafe_code)]

pub mod close;
mod deflate;
pub mod extension;
mod frame;
pub mod handshake;
mod mask;
mod receive;
mod send;
mod violation;

pub use close::Close;
pub use receive::{Event, Receiver};
pub use send::{HEAD_ROOM, Keys, Sender};
pub use violation::Violation;

/// The side that a state machine is on (RFC 6455, section 1.3): a client masks what it sends, a server does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It has sent the request.
    Client,
    /// It has answered it.
    Server,
}

impl Role {
    /// The other side.
    pub fn peer(self) -> Role {
        match self {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        }
    }
}

/// What a message is (RFC 6455, section 5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

/// The longest payload of a control frame, in bytes (RFC 6455, section 5.5).
pub const MAX_CONTROL: usize = 125;
