//! What a process that may die any moment has said: each line of its log, in a datagram of its own, as it is written.
//!
//! The log goes by `Host.log`, which needs script to pause. A process that dies within script has lines that were not sent; whoever is
//! to explain its death reads them here, and leaves out those that came by `Host.log` too. Only processes that run tests have this.

use crate::worker_capnp::log_entry::{Level, Source};

/// Most text of one line, in bytes; the rest is cut off.
pub const MAX_TEXT: usize = 4096;

/// The longest datagram.
pub const MAX_DATAGRAM: usize = HEAD + MAX_TEXT;

/// The number, the level and the source.
const HEAD: usize = 10;

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Which entry of the process it is, counted from 1; those that were dropped are not counted.
    pub number: u64,
    /// As in `Host.log`.
    pub level: Level,
    /// As in `Host.log`.
    pub source: Source,
    /// As in `Host.log`, but for its length.
    pub text: String,
}

/// The datagram for an entry.
pub fn write(number: u64, level: Level, source: Source, text: &str) -> Vec<u8> {
    let text = &text[..text.floor_char_boundary(MAX_TEXT)];
    let mut datagram = Vec::with_capacity(HEAD + text.len());
    datagram.extend(number.to_le_bytes());
    datagram.extend([level as u8, source as u8]);
    datagram.extend(text.as_bytes());
    datagram
}

/// What a datagram says; `None` for one that [`write()`] has not made.
pub fn read(datagram: &[u8]) -> Option<Line> {
    let (head, text) = datagram.split_at_checked(HEAD)?;
    let (number, kinds) = head.split_at(8);
    Some(Line {
        number: u64::from_le_bytes(number.try_into().ok()?),
        level: Level::try_from(u16::from(kinds[0])).ok()?,
        source: Source::try_from(u16::from(kinds[1])).ok()?,
        text: std::str::from_utf8(text).ok().filter(|text| text.len() <= MAX_TEXT)?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_what_was_written() {
        let line = Line { number: 7, level: Level::Warn, source: Source::Console, text: "é".into() };
        assert_eq!(read(&write(7, line.level, line.source, &line.text)), Some(line));
        let long = read(&write(1, Level::Log, Source::Runtime, &"é".repeat(MAX_TEXT))).expect("a line");
        assert_eq!(long.text, "é".repeat(MAX_TEXT / 2));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_a_line_or_none(datagram: Vec<u8>) {
            if let Some(line) = read(&datagram) {
                prop_assert_eq!(write(line.number, line.level, line.source, &line.text), datagram);
            }
        }
    }
}
