//! Bytes of a message that outlive it.
//!
//! What the RPC library gives out of a message borrows from it, and the message cannot leave its thread. The memory can: so
//! it is remembered where the long messages are, and bytes that lie in one can have a share in its memory.

use std::collections::BTreeMap;

use bytes::Bytes;

/// A message shorter than this is copied from: that costs less than the book-keeping.
const LONG: usize = 8 << 10;

/// The memory of the long messages that are alive, by its address.
#[derive(Default)]
pub(super) struct Memory {
    messages: BTreeMap<usize, Bytes>,
}

impl Memory {
    pub(super) fn insert(&mut self, message: &Bytes) {
        if message.len() >= LONG {
            self.messages.insert(message.as_ptr().addr(), message.clone());
        }
    }

    pub(super) fn remove(&mut self, message: &Bytes) {
        if message.len() >= LONG {
            self.messages.remove(&message.as_ptr().addr());
        }
    }

    /// A share in the memory that `bytes` are in, or a copy, where they are less than half of it.
    pub(super) fn keep(&self, bytes: &[u8]) -> Bytes {
        if bytes.len() >= LONG / 2 {
            let at = bytes.as_ptr().addr();
            let before = self.messages.range(..=at).next_back();
            if let Some((start, message)) = before
                && at + bytes.len() <= start + message.len()
                && bytes.len() >= message.len() / 2
            {
                return message.slice_ref(bytes);
            }
        }
        Bytes::copy_from_slice(bytes)
    }
}
