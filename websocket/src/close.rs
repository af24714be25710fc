//! How a connection is closed (RFC 6455, sections 5.5.1 and 7.4).

use crate::Violation;

/// Stands for a close frame without a code; it is never sent.
pub const NO_STATUS: u16 = 1005;
/// Stands for a connection that ended without a close frame; it is never sent.
pub const ABNORMAL: u16 = 1006;
/// The peer broke the protocol.
pub const PROTOCOL_ERROR: u16 = 1002;
/// A message is not what its kind says, such as a text that is not UTF-8.
pub const INVALID_DATA: u16 = 1007;
/// A message is longer than the receiver takes.
pub const TOO_LARGE: u16 = 1009;

/// The longest reason, in bytes: what fits into a control frame beside the code.
pub const MAX_REASON: usize = crate::MAX_CONTROL - 2;

/// The body of a close frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// Why: see [`may_be_sent`].
    pub code: u16,
    /// The same for people to read, at most [`MAX_REASON`] bytes.
    pub reason: String,
}

/// Whether a close frame may have a code: those of RFC 6455, section 7.4.1, and of IANA's registry, and those that are set aside for
/// libraries and applications.
pub fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// As much of a reason as fits into a close frame.
pub fn fitting(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(MAX_REASON)]
}

/// Reads the body of a close frame.
///
/// # Errors
/// It has one byte, a code that may not be sent, or a reason that is not UTF-8.
pub(crate) fn read(body: &[u8]) -> Result<Option<Close>, Violation> {
    let Some((code, reason)) = body.split_first_chunk() else {
        return if body.is_empty() { Ok(None) } else { Err(Violation::ShortClose) };
    };
    let code = u16::from_be_bytes(*code);
    if !may_be_sent(code) {
        return Err(Violation::CloseCode(code));
    }
    let reason = std::str::from_utf8(reason).map_err(|_| Violation::CloseReason)?;
    Ok(Some(Close { code, reason: reason.to_owned() }))
}
