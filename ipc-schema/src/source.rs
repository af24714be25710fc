//! What both sides know of a `ByteSource` beside its schema.

/// What the failure of a pull says that comes too late: the response has been sent, and nobody had begun to read its request's body. It is
/// the reference's text, and what a script gets.
pub const RESPONSE_SENT: &str = "Can't read from request stream after response has been sent.";

/// Most bytes that a pull of what comes by a connection has with it of what goes back. What is longer is worth an answer of its own.
pub const MAX_BACK: usize = 4 << 10;
