//! Questions for modules that a worker does not have, and what they are answered with, on a descriptor of their own
//! ([`process`](crate::process)): whoever asks waits, so that an import and a `require()` have their module at once. One question is under
//! way at a time.
//!
//! A message is its length in bytes, four of them, the least significant first, and then a message of `worker.capnp`.

use std::io::{self, Read, Write};

use capnp::{
    message::{self, HeapAllocator, ReaderOptions},
    serialize::{self, OwnedSegments},
};

/// Longest question, in bytes.
pub const MAX_QUESTION: usize = 64 << 10;

/// Longest specifier and name of a module in a question, in bytes.
pub const MAX_SPECIFIER: usize = 16 << 10;

/// Longest answer, in bytes: a module with what is around it.
pub const MAX_ANSWER: usize = 33 << 20;

/// Longest module, in bytes.
pub const MAX_MODULE: usize = 32 << 20;

/// A message as it is sent.
///
/// # Errors
/// It is longer than `most` bytes.
pub fn to_bytes(message: &message::Builder<HeapAllocator>, most: usize) -> io::Result<Vec<u8>> {
    let bytes = serialize::write_message_to_words(message);
    if bytes.len() > most {
        return Err(io::Error::other("a message is too long"));
    }
    let mut framed = Vec::with_capacity(4 + bytes.len());
    // Fits: both bounds do.
    framed.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    framed.extend_from_slice(&bytes);
    Ok(framed)
}

/// How long a message is, by its first four bytes.
///
/// # Errors
/// It is longer than `most` bytes.
pub fn length(head: [u8; 4], most: usize) -> io::Result<usize> {
    let length = u32::from_le_bytes(head) as usize;
    if length > most { Err(io::Error::other("a message is too long")) } else { Ok(length) }
}

/// Reads a message of which the length has been read.
///
/// # Errors
/// It is malformed.
pub fn from_bytes(bytes: &[u8]) -> capnp::Result<message::Reader<OwnedSegments>> {
    let mut options = ReaderOptions::new();
    // Each byte may be looked at twice.
    options.traversal_limit_in_words(Some(bytes.len() / 4 + 64)).nesting_limit(8);
    serialize::read_message(bytes, options)
}

/// Sends a question and waits for its answer.
///
/// # Errors
/// Nobody answers, or not with a message.
pub fn ask(
    mut stream: impl Read + Write,
    question: &message::Builder<HeapAllocator>,
) -> io::Result<message::Reader<OwnedSegments>> {
    stream.write_all(&to_bytes(question, MAX_QUESTION)?)?;
    let mut head = [0; 4];
    stream.read_exact(&mut head)?;
    let mut bytes = vec![0; length(head, MAX_ANSWER)?];
    stream.read_exact(&mut bytes)?;
    from_bytes(&bytes).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker_capnp::{module_answer, module_question};

    /// A stream that has one answer, and takes what is written.
    struct Peer {
        answer: io::Cursor<Vec<u8>>,
        asked: Vec<u8>,
    }

    impl Read for Peer {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.answer.read(buffer)
        }
    }

    impl Write for Peer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.asked.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn question() -> message::Builder<HeapAllocator> {
        let mut question = message::Builder::new_default();
        question.init_root::<module_question::Builder<'_>>().set_specifier("/dep");
        question
    }

    #[test]
    fn a_question_is_answered() {
        let mut answer = message::Builder::new_default();
        answer.init_root::<module_answer::Builder<'_>>().set_redirect("/other");
        let framed = to_bytes(&answer, MAX_ANSWER).expect("it is short");
        let mut peer = Peer { answer: io::Cursor::new(framed), asked: Vec::new() };
        let read = ask(&mut peer, &question()).expect("an answer");
        let read = read.get_root::<module_answer::Reader<'_>>().expect("a root");
        assert!(matches!(read.which(), Ok(module_answer::Redirect(Ok(to))) if to == "/other"));
        let (head, rest) = peer.asked.split_first_chunk::<4>().expect("a length");
        assert_eq!(length(*head, MAX_QUESTION).expect("it is short"), rest.len());
        let asked = from_bytes(rest).expect("a message");
        let asked = asked.get_root::<module_question::Reader<'_>>().expect("a root");
        assert_eq!(asked.get_specifier().expect("a text"), "/dep");
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for answer in [
            &b""[..],
            &[1],
            &[8, 0, 0, 0],
            &[8, 0, 0, 0, 1, 2, 3],
            &[0xff; 64],
            &[0; 4],
            &[8, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        ] {
            let mut peer = Peer { answer: io::Cursor::new(answer.to_vec()), asked: Vec::new() };
            let answered = ask(&mut peer, &question());
            let is_answer = answered.is_ok_and(|read| read.get_root::<module_answer::Reader<'_>>().is_ok());
            assert!(!is_answer, "{answer:?}");
        }
        assert!(length(u32::MAX.to_le_bytes(), MAX_ANSWER).is_err());
        assert!(to_bytes(&question(), 3).is_err());
    }
}
