//! Values that may be long: in the message where they are short, pulled where they are not.

use std::{cell::RefCell, rc::Rc};

use bytes::Bytes;

use crate::{
    copy::copy,
    transport::MAX_CHUNK,
    worker_capnp::{blob, byte_source},
};

/// Longest value that travels in a message, in bytes.
pub const MAX_INLINE: usize = MAX_CHUNK as usize;

/// Writes the values of one message.
#[derive(Debug)]
pub struct Writer {
    left: usize,
}

impl Writer {
    /// For a message that has room for values of `total` bytes, all together. What finds none is pulled.
    pub fn new(total: usize) -> Self {
        Self { left: total }
    }

    /// Writes `bytes`, or offers what `owned` makes of them.
    pub fn write(&mut self, mut to: blob::Builder<'_>, bytes: &[u8], owned: impl FnOnce() -> Bytes) {
        if bytes.len() <= MAX_INLINE.min(self.left) {
            self.left -= bytes.len();
            to.set_bytes(bytes);
        } else {
            to.set_length(bytes.len() as u64);
            to.set_stream(capnp_rpc::new_client(Source(RefCell::new(owned()))));
        }
    }
}

/// A value that is pulled. Each byte of it is given once, so that who pulls often gets no more than it.
struct Source(RefCell<Bytes>);

impl byte_source::Server for Source {
    async fn pull(
        self: Rc<Self>,
        params: byte_source::PullParams,
        mut reply: byte_source::PullResults,
    ) -> Result<(), capnp::Error> {
        let limit = params.get()?.get_max_bytes().min(MAX_CHUNK) as usize;
        let rest = &mut *self.0.borrow_mut();
        let length = limit.min(rest.len());
        let part = rest.split_to(length);
        let mut results = reply.get();
        copy(results.reborrow().init_bytes(part.len() as u32), &part);
        results.set_done(rest.is_empty());
        Ok(())
    }

    async fn cancel(
        self: Rc<Self>,
        _: byte_source::CancelParams,
        _: byte_source::CancelResults,
    ) -> Result<(), capnp::Error> {
        self.0.borrow_mut().clear();
        Ok(())
    }
}

/// Reads a value of at most `limit` bytes, which whoever sent it may have made up. No more is kept than has come, and it is
/// asked for piece by piece.
///
/// # Errors
/// It is longer than `limit`, not as long as it was said to be, or cannot be read.
pub async fn read(from: blob::Reader<'_>, limit: u64) -> Result<Vec<u8>, capnp::Error> {
    let failed = |what: String| capnp::Error::failed(what);
    let too_long = || failed(format!("a value is longer than the {limit} bytes that are allowed"));
    let source = match from.which()? {
        blob::Bytes(bytes) => {
            let bytes = bytes?;
            if bytes.len() > MAX_INLINE {
                return Err(failed(format!("a value of {} bytes is in a message", bytes.len())));
            }
            return if bytes.len() as u64 > limit { Err(too_long()) } else { Ok(bytes.to_vec()) };
        }
        blob::Stream(source) => source?,
    };
    let length = from.get_length();
    if length > limit {
        return Err(too_long());
    }
    let length = usize::try_from(length).map_err(|_| too_long())?;
    let mut all = Vec::new();
    loop {
        let asked = (length - all.len()).clamp(1, MAX_INLINE);
        let mut request = source.pull_request();
        request.get().set_max_bytes(asked as u32);
        let response = request.send().promise.await?;
        let results = response.get()?;
        let (bytes, done) = (results.get_bytes()?, results.get_done());
        if bytes.len() > asked || all.len() + bytes.len() > length {
            return Err(failed("a value is longer than it was said to be".into()));
        }
        if bytes.is_empty() && !done {
            return Err(failed("a value brought nothing that was not its end".into()));
        }
        all.extend_from_slice(bytes);
        if done || all.len() == length {
            break;
        }
    }
    if all.len() < length {
        return Err(failed("a value is shorter than it was said to be".into()));
    }
    Ok(all)
}

/// Reads a value as [`read`] does, which is a text.
///
/// # Errors
/// As [`read`], or it is not UTF-8.
pub async fn read_text(from: blob::Reader<'_>, limit: u64) -> Result<String, capnp::Error> {
    String::from_utf8(read(from, limit).await?).map_err(|error| capnp::Error::failed(format!("a text: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use capnp::{
        any_pointer,
        message::Builder,
        traits::{Imbue, ImbueMut},
    };

    /// Writes a value and reads it again. Nothing here waits. Also whether it is in its message.
    fn read_back(fill: impl FnOnce(blob::Builder<'_>), limit: u64) -> (bool, Result<Vec<u8>, String>) {
        let (mut message, mut caps) = (Builder::new_default(), Vec::new());
        let mut root: any_pointer::Builder<'_> = message.init_root();
        root.imbue_mut(&mut caps);
        fill(root.init_as());
        let mut root: any_pointer::Reader<'_> = message.get_root_as_reader().expect("a root");
        root.imbue(&caps);
        let value: blob::Reader<'_> = root.get_as().expect("a value");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let read = tokio::task::LocalSet::new().block_on(&runtime, read(value, limit));
        (matches!(value.which(), Ok(blob::Bytes(_))), read.map_err(|error| error.to_string()))
    }

    /// Whether it travelled in the message, and what came out.
    fn through(length: usize, room: usize, limit: u64) -> (bool, Result<Vec<u8>, String>) {
        let bytes: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
        let write = |to: blob::Builder<'_>| Writer::new(room).write(to, &bytes, || Bytes::from(bytes.clone()));
        let (is_inline, result) = read_back(write, limit);
        assert!(result.as_ref().map_or(true, |read| *read == bytes), "{length}");
        (is_inline, result)
    }

    #[test]
    fn what_is_too_long_for_a_message_is_pulled() {
        const MAX: usize = 256 << 10;
        for (length, inline) in [(0, true), (MAX - 1, true), (MAX, true), (MAX + 1, false), (64 << 20, false)] {
            let (is_inline, result) = through(length, usize::MAX, u64::MAX);
            assert_eq!((is_inline, result.map(|bytes| bytes.len())), (inline, Ok(length)));
            assert!(through(length, usize::MAX, length as u64).1.is_ok());
            if length > 0 {
                let error = through(length, usize::MAX, length as u64 - 1).1.expect_err("too long");
                assert!(error.contains("longer than"), "{error}");
            }
        }
        // A short one that finds no room.
        assert!(!through(1000, 999, u64::MAX).0);
    }

    /// Says about itself what it likes.
    struct Liar(u32, bool);

    impl byte_source::Server for Liar {
        async fn pull(
            self: Rc<Self>,
            _: byte_source::PullParams,
            mut reply: byte_source::PullResults,
        ) -> Result<(), capnp::Error> {
            reply.get().init_bytes(self.0);
            reply.get().set_done(self.1);
            Ok(())
        }
    }

    #[test]
    fn what_was_said_of_the_length_has_to_hold() {
        let read_from = |length, bytes, done| {
            let lie = |mut to: blob::Builder<'_>| {
                to.set_length(length);
                to.set_stream(capnp_rpc::new_client(Liar(bytes, done)));
            };
            read_back(lie, 1 << 40).1.map(|bytes| bytes.len())
        };
        assert_eq!(read_from(30, 10, false), Ok(30));
        for (length, bytes, done, words) in [
            (30, 0, false, "brought nothing"),
            (30, 31, true, "longer than it was said"),
            (30, 29, true, "shorter than it was said"),
            (0, 1, true, "longer than it was said"),
            (u64::MAX, 1, true, "longer than the"),
        ] {
            let error = read_from(length, bytes, done).expect_err(words);
            assert!(error.contains(words), "{error:?} instead of {words:?}");
        }
    }
}
