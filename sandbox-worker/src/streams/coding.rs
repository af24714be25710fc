//! Bodies of responses that are encoded as their `Content-Encoding` says.

use std::{
    cell::{Cell, RefCell},
    pin::pin,
    rc::Rc,
};

use bytes::Bytes;
use futures::future::{Either, LocalBoxFuture, select};

use super::{
    OpenBody, PULL_BYTES,
    codec::{Codec, CodecError, Format, Task},
    source::{Broken, Pulled, Source},
};
use crate::{io::Event, limits};

/// Base-two logarithm of the window of Brotli for bodies of unknown length. The encoder's memory grows with it.
const BROTLI_WINDOW_BITS: u32 = 22;
/// The smallest that there is.
const MIN_BROTLI_WINDOW_BITS: u32 = 10;

/// A content coding (RFC 9110, section 8.4.1) that is applied to the bodies of responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Brotli,
}

impl Coding {
    /// The one that the value of `Content-Encoding` asks for. As in the reference, any other value, be it the same in
    /// another case or a list, says what the script did itself. Brotli depends on the compatibility flag
    /// `brotli_content_encoding`.
    pub(crate) fn of(value: &[u8], with_brotli: bool) -> Option<Self> {
        match value {
            b"gzip" => Some(Coding::Gzip),
            b"br" if with_brotli => Some(Coding::Brotli),
            _ => None,
        }
    }

    fn codec(self, length: Option<usize>) -> Codec {
        Codec::new(match self {
            Coding::Gzip => Task::Compress(Format::Gzip),
            Coding::Brotli => {
                let enough = length.map_or(BROTLI_WINDOW_BITS, |length| usize::BITS - length.leading_zeros() + 1);
                Task::Brotli { window_bits: enough.clamp(MIN_BROTLI_WINDOW_BITS, BROTLI_WINDOW_BITS) }
            }
        })
    }

    /// All of a body at once. As in the reference, nothing stays nothing.
    pub(crate) fn encode(self, body: Bytes) -> Result<Bytes, CodecError> {
        if body.is_empty() {
            return Ok(body);
        }
        let mut codec = self.codec(Some(body.len()));
        codec.push(body)?;
        codec.finish()?;
        let mut encoded = Vec::new();
        while let Some(piece) = codec.pull(usize::MAX)? {
            encoded.extend_from_slice(&piece);
        }
        Ok(encoded.into())
    }

    /// A body that is encoded while it is pulled, at the expense of the event that it is for.
    pub(crate) fn source(self, from: Rc<dyn Source>, event: &Rc<Event>, open: OpenBody) -> impl Source + 'static {
        EncodedSource {
            event: event.clone(),
            open: RefCell::new(Some(open)),
            from: RefCell::new(Some(from)),
            codec: RefCell::new(self.codec(None)),
            is_empty: Cell::new(true),
        }
    }
}

struct EncodedSource {
    /// The event lives for as long as its response is pulled.
    event: Rc<Event>,
    /// Dropped with the last byte.
    open: RefCell<Option<OpenBody>>,
    /// Dropped when encoding fails or the event is ended.
    from: RefCell<Option<Rc<dyn Source>>>,
    codec: RefCell<Codec>,
    /// Nothing has come yet.
    is_empty: Cell<bool>,
}

impl Source for EncodedSource {
    fn pull(&self, max_bytes: usize) -> LocalBoxFuture<'_, Result<Pulled, Broken>> {
        Box::pin(async move {
            let ended = pin!(self.event.ended());
            let bytes = match select(pin!(self.encode(max_bytes)), ended).await {
                Either::Left((bytes, _)) => bytes,
                Either::Right((limit, _)) => Err(Broken::failed(limits::text(limit))),
            };
            let bytes = bytes.inspect_err(|_| drop((self.open.take(), self.from.take())))?;
            let room = self.event.outlet().room(bytes.len()).await;
            let done = self.codec.borrow().is_done();
            if done {
                self.open.take();
            }
            Ok(Pulled { room, ..Pulled::new(bytes, done) })
        })
    }
}

impl EncodedSource {
    /// At least one byte and at most `max_bytes`, or nothing at the end.
    async fn encode(&self, max_bytes: usize) -> Result<Bytes, Broken> {
        loop {
            let piece = self.work(|codec| codec.pull(max_bytes))?;
            if piece.is_some() || self.codec.borrow().is_done() {
                return Ok(piece.unwrap_or_default());
            }
            self.fill().await?;
            // What this process has in memory comes at once, and a body of any length may be encoded to next to nothing.
            tokio::task::yield_now().await;
        }
    }

    /// Feeds the codec with what one pull gives.
    async fn fill(&self) -> Result<(), Broken> {
        let from = self.from.borrow().clone();
        let from = from.ok_or_else(|| Broken::failed("the stream was cancelled"))?;
        let pulled = from.pull(PULL_BYTES).await?;
        if !pulled.bytes.is_empty() {
            self.is_empty.set(false);
            self.work(|codec| codec.push(pulled.bytes))?;
        }
        if pulled.done {
            if self.is_empty.get() {
                self.codec.borrow_mut().release();
            } else {
                self.work(Codec::finish)?;
            }
        }
        Ok(())
    }

    /// Has the codec work at the event's expense.
    fn work<R>(&self, work: impl FnOnce(&mut Codec) -> Result<R, CodecError>) -> Result<R, Broken> {
        if let Some(limit) = self.event.breach() {
            return Err(Broken::failed(limits::text(limit)));
        }
        let done = self.event.work(|| work(&mut self.codec.borrow_mut()));
        match self.event.breach() {
            Some(limit) => Err(Broken::failed(limits::text(limit))),
            None => done.map_err(|error| Broken::failed(&error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use bytes::Bytes;

    use super::Coding;

    #[test]
    fn bodies_of_responses() {
        assert_eq!(Coding::of(b"gzip", false), Some(Coding::Gzip));
        assert_eq!(Coding::of(b"br", true), Some(Coding::Brotli));
        assert_eq!(Coding::of(b"br", false), None);
        for other in [&b"GZIP"[..], b"x-gzip", b"gzip, br", b"deflate", b"identity", b"zstd", b""] {
            assert_eq!(Coding::of(other, true), None);
        }
        for text in [b"hello".to_vec(), b"hello ".repeat(100_000)] {
            let mut out = Vec::new();
            let packed = Coding::Gzip.encode(text.clone().into()).expect("compression does not fail");
            flate2::read::GzDecoder::new(&*packed).read_to_end(&mut out).expect("gzip");
            assert_eq!(out, text);
            let packed = Coding::Brotli.encode(text.clone().into()).expect("compression does not fail");
            let mut out = Vec::new();
            brotli::Decompressor::new(&*packed, 4096).read_to_end(&mut out).expect("brotli");
            assert_eq!(out, text);
            assert_eq!(Coding::Brotli.encode(Bytes::new()), Ok(Bytes::new()));
        }
    }
}
