//! Bodies of fetched responses, decoded as their `Content-Encoding` says.
//!
//! A few bytes can stand for gigabytes: nothing is decoded before somebody asks for it, and no more than was asked for.

use std::{cell::RefCell, rc::Rc};

use brotli::{BrotliDecompressStream, BrotliResult, BrotliState, enc::StandardAlloc};
use bytes::{Buf as _, Bytes};
use flate2::{Decompress, FlushDecompress, Status};
use futures::future::LocalBoxFuture;
use jsg::Error;

use super::{
    PULL_BYTES,
    coding::Coding,
    source::{Broken, Given, Pulled, Source, Terms},
};
use crate::{io::EventHandle, limits};

/// Bytes that one step makes at most.
const PIECE_BYTES: usize = 64 << 10;
/// Base-two logarithm of the window of DEFLATE; larger ones do not exist.
const WINDOW_BITS: u8 = 15;

type Brotli = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

enum Engine {
    Gzip(Decompress),
    Brotli(Box<Brotli>),
}

/// What decodes one body.
struct Decoder {
    coding: Coding,
    /// From the first byte of what it decodes to the last.
    engine: Option<Engine>,
    input: Bytes,
    /// Something was decoded to its end: gzip may have more behind it (RFC 1952, section 2.2).
    ended: bool,
}

impl Decoder {
    fn new(coding: Coding) -> Self {
        Decoder { coding, engine: None, input: Bytes::new(), ended: false }
    }

    fn failed(&self) -> Error {
        Error::type_error(match self.coding {
            Coding::Gzip => "Gzip decompression failed.",
            Coding::Brotli => "Brotli decompression failed.",
        })
    }

    fn feed(&mut self, bytes: &[u8]) {
        let mut joined = Vec::from(std::mem::take(&mut self.input));
        joined.extend_from_slice(bytes);
        self.input = joined.into();
    }

    /// There is no more input: whether that is the end of what was encoded.
    fn finish(&self) -> Result<(), Error> {
        if self.ended && self.engine.is_none() {
            return Ok(());
        }
        Err(Error::type_error(match self.coding {
            Coding::Gzip => "Gzip compressed stream ended prematurely.",
            Coding::Brotli => "Brotli compressed stream ended prematurely.",
        }))
    }

    /// The next bytes, at most `max_bytes`; none when there is not enough input.
    fn step(&mut self, max_bytes: usize) -> Result<Vec<u8>, Error> {
        let mut output = vec![0; max_bytes.min(PIECE_BYTES)];
        loop {
            if self.engine.is_none() {
                if self.input.is_empty() {
                    return Ok(Vec::new());
                }
                self.engine = Some(match self.coding {
                    Coding::Gzip => Engine::Gzip(Decompress::new_gzip(WINDOW_BITS)),
                    Coding::Brotli if self.ended => return Err(self.failed()),
                    Coding::Brotli => Engine::Brotli(Box::new(BrotliState::new(
                        StandardAlloc::default(),
                        StandardAlloc::default(),
                        StandardAlloc::default(),
                    ))),
                });
            }
            let (taken, made, is_end) = match &mut self.engine {
                Some(Engine::Gzip(engine)) => {
                    let (taken, made) = (engine.total_in(), engine.total_out());
                    let status = engine.decompress(&self.input, &mut output, FlushDecompress::None);
                    let (taken, made) = (engine.total_in() - taken, engine.total_out() - made);
                    let Ok(status) = status else { return Err(self.failed()) };
                    (taken as usize, made as usize, status == Status::StreamEnd)
                }
                Some(Engine::Brotli(engine)) => {
                    let (mut left, mut taken, mut room, mut made, mut all) = (self.input.len(), 0, output.len(), 0, 0);
                    let result = BrotliDecompressStream(
                        &mut left,
                        &mut taken,
                        &self.input,
                        &mut room,
                        &mut made,
                        &mut output,
                        &mut all,
                        engine,
                    );
                    if matches!(result, BrotliResult::ResultFailure) {
                        return Err(self.failed());
                    }
                    (taken, made, matches!(result, BrotliResult::ResultSuccess))
                }
                None => return Err(self.failed()),
            };
            self.input.advance(taken);
            if is_end {
                self.ended = true;
                self.engine = None;
            }
            if made > 0 {
                output.truncate(made);
                return Ok(output);
            }
            if taken == 0 && !is_end || self.input.is_empty() {
                return Ok(Vec::new());
            }
        }
    }
}

/// A body that is decoded while it is pulled, at the expense of the event that it is for.
pub(crate) struct DecodedSource {
    event: EventHandle,
    from: Rc<dyn Source>,
    decoder: RefCell<Decoder>,
}

impl DecodedSource {
    pub(crate) fn new(coding: Coding, from: Rc<dyn Source>, event: EventHandle) -> Self {
        DecodedSource { event, from, decoder: RefCell::new(Decoder::new(coding)) }
    }

    /// Has the decoder work at the event's expense.
    fn step(&self, max_bytes: usize) -> Result<Vec<u8>, Broken> {
        let event = self.event.get().ok_or_else(|| Broken::failed("the event has ended"))?;
        let exceeded = || event.breach().map(|limit| Broken::failed(limits::text(limit)));
        if let Some(broken) = exceeded() {
            return Err(broken);
        }
        let bytes = event.work(|| self.decoder.borrow_mut().step(max_bytes));
        exceeded().map_or_else(|| bytes.map_err(Broken::Script), Err)
    }
}

impl Source for DecodedSource {
    fn pull(&self, max_bytes: usize) -> LocalBoxFuture<'_, Result<Pulled, Broken>> {
        Box::pin(async move {
            loop {
                let bytes = self.step(max_bytes)?;
                if !bytes.is_empty() {
                    return Ok(Pulled::new(bytes.into(), false));
                }
                let pulled = self.from.pull(PULL_BYTES).await?;
                if pulled.bytes.is_empty() && pulled.done {
                    self.decoder.borrow().finish().map_err(Broken::Script)?;
                    return Ok(Pulled::new(Bytes::new(), true));
                }
                self.decoder.borrow_mut().feed(&pulled.bytes);
                // Input of any length may be decoded to next to nothing.
                tokio::task::yield_now().await;
            }
        })
    }

    fn is_outside(&self) -> bool {
        self.from.is_outside()
    }

    fn give_encoded(&self, coding: Coding) -> Option<Given> {
        let is_it = self.decoder.borrow().coding == coding;
        if is_it { self.from.give(Terms { length: None, max_bytes: 0 }) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of `encoded`, given in pieces of `piece` bytes and taken in pieces of `most`.
    fn decoded(coding: Coding, encoded: &[u8], piece: usize, most: usize) -> Result<Vec<u8>, String> {
        let (mut decoder, mut out) = (Decoder::new(coding), Vec::new());
        let mut pieces = encoded.chunks(piece);
        loop {
            let bytes = decoder.step(most).map_err(|error| format!("{error:?}"))?;
            assert!(bytes.len() <= most);
            out.extend_from_slice(&bytes);
            if !bytes.is_empty() {
                continue;
            }
            match pieces.next() {
                Some(next) => decoder.input = [&decoder.input[..], next].concat().into(),
                None => break,
            }
        }
        decoder.finish().map_err(|error| format!("{error:?}")).map(|()| out)
    }

    #[test]
    fn what_was_encoded_comes_out_in_pieces_of_any_length() {
        for text in [b"x".to_vec(), b"hello ".repeat(50_000)] {
            for coding in [Coding::Gzip, Coding::Brotli] {
                let encoded = coding.encode(text.clone().into()).expect("encoding does not fail");
                for (piece, most) in [(1, 100_000), (7, 3), (100_000, 1000), (100_000, 100_000)] {
                    assert_eq!(decoded(coding, &encoded, piece, most).as_ref(), Ok(&text), "{coding:?} {piece} {most}");
                }
                let cut = decoded(coding, &encoded[..encoded.len() - 1], 100, 100).expect_err("it is not all there");
                assert!(cut.contains("ended prematurely"), "{cut}");
                let trailing = decoded(coding, &[&encoded[..], b"more"].concat(), 100_000, 100_000);
                assert!(trailing.is_err_and(|error| error.contains("decompression failed")), "{coding:?}");
                assert!(decoded(coding, b"", 1, 1).is_err());
            }
            let twice = Coding::Gzip.encode(text.clone().into()).expect("encoding does not fail").repeat(2);
            assert_eq!(decoded(Coding::Gzip, &twice, 100, 100), Ok(text.repeat(2)));
        }
        assert!(decoded(Coding::Gzip, b"plain text", 100, 100).is_err());
    }

    #[test]
    fn a_bomb_gives_what_is_asked_for_and_no_more() {
        let bomb = Coding::Gzip.encode(vec![0; 50 << 20].into()).expect("encoding does not fail");
        let mut decoder = Decoder::new(Coding::Gzip);
        decoder.input = bomb;
        for _ in 0..100 {
            assert_eq!(decoder.step(1 << 30).expect("bytes").len(), PIECE_BYTES);
        }
    }
}
