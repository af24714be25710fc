//! What the failure of a `ByteSource` says, where the other side acts on it.

/// Nothing more can be read of a request's body, for the response has been sent and nobody had begun to read. It is the
/// reference's text, and what a script gets.
pub const RESPONSE_SENT: &str = "Can't read from request stream after response has been sent.";
