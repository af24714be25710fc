//! What a peer may not do.

use crate::{MAX_CONTROL, close};

/// What the peer has done that ends the connection. The texts are the reference's where it refuses the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// RFC 6455, section 5.2.
    #[error("Received frame had RSV bits 2 or 3 set")]
    ReservedBits,
    /// RFC 7692, section 6: a message is marked as compressed, and nothing was agreed on.
    #[error(
        "Received a WebSocket frame whose compression bit was set, but the compression extension was not negotiated for this connection."
    )]
    NotNegotiated,
    /// RFC 7692, section 6: only the first frame of a message may be marked.
    #[error("Received a WebSocket frame whose compression bit was set, but it does not begin a message.")]
    CompressedLater,
    /// RFC 6455, section 5.2.
    #[error("Unknown opcode {0}")]
    Opcode(u8),
    /// RFC 6455, section 5.4: it continues no message.
    #[error("Unexpected continuation frame")]
    Continuation,
    /// RFC 6455, section 5.4: a message begins within another.
    #[error("Missing continuation frame")]
    MissingContinuation,
    /// RFC 6455, section 5.5.
    #[error("Received fragmented control frame")]
    FragmentedControl,
    /// RFC 6455, section 5.5.
    #[error("Received control frame of more than {MAX_CONTROL} bytes")]
    LongControl,
    /// RFC 6455, section 5.1.
    #[error("Received frame from a client was not masked")]
    Unmasked,
    /// RFC 6455, section 5.1.
    #[error("Received frame from a server was masked")]
    Masked,
    /// RFC 6455, section 5.2: the minimal number of bytes has to be used.
    #[error("Received frame had a length that was not encoded in as few bytes as possible")]
    LengthEncoding,
    /// The message has, or would have, so many bytes, and the receiver takes only so many.
    #[error("Message is too large: {0} > {1}")]
    TooLarge(u64, u64),
    /// As [`Self::TooLarge`], of a message whose length nobody has said.
    #[error("Message is too large: more than {0} bytes when decompressed")]
    TooLargeInflated(u64),
    /// RFC 6455, section 8.1.
    #[error("Received text message was not valid UTF-8")]
    Utf8,
    /// What is marked as compressed is not.
    #[error("Received compressed message could not be decompressed")]
    Compression,
    /// RFC 6455, section 5.5.1: a body, but no code.
    #[error("Received close frame with a body of one byte")]
    ShortClose,
    /// RFC 6455, section 7.4.
    #[error("Received close frame with invalid code {0}")]
    CloseCode(u16),
    /// RFC 6455, section 5.5.1.
    #[error("Received close frame whose reason was not valid UTF-8")]
    CloseReason,
}

impl Violation {
    /// The code of the close frame that tells the peer.
    pub fn code(self) -> u16 {
        match self {
            Violation::TooLarge(..) | Violation::TooLargeInflated(_) => close::TOO_LARGE,
            Violation::Utf8 | Violation::CloseReason | Violation::Compression => close::INVALID_DATA,
            _ => close::PROTOCOL_ERROR,
        }
    }
}
