//! The codecs behind `CompressionStream` and `DecompressionStream` (Compression Standard), and those that encode a
//! response's body as its `Content-Encoding` says.
//!
//! A few bytes can stand for gigabytes, so that decoding goes piece by piece: when [`OUTPUT_MARK`] bytes of output wait
//! for somebody to take them, the rest of the input stays as it came until they are gone.

#[cfg(test)]
mod tests;

use std::{collections::VecDeque, io::Write as _};

use bytes::{Buf as _, Bytes};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Bytes that one step makes, and one piece of output has, at most.
const PIECE_BYTES: usize = 64 << 10;
/// Bytes of input that one step looks at, at most: much of some input makes no output.
const STEP_BYTES: usize = 256 << 10;
/// Bytes of output that may wait before input does. A step may exceed it by [`PIECE_BYTES`].
const OUTPUT_MARK: usize = 256 << 10;
/// The level of compression. What is compressed is at most about one percent longer than with level 6 of the reference's library. This library's level 6
/// makes half a percent less of it, and takes a third longer.
const LEVEL: Compression = Compression::new(5);
/// The level for a format that names it in its header: as the reference's.
const NAMED_LEVEL: Compression = Compression::new(6);
/// Base-two logarithm of the window of DEFLATE; larger ones do not exist.
const WINDOW_BITS: u8 = 15;
/// The compromise between time and size that servers choose for what they encode on the fly.
const BROTLI_QUALITY: u32 = 5;
/// What a compressor and a decompressor of DEFLATE have for their state, about.
const COMPRESSOR_BYTES: usize = 340 << 10;
const DECOMPRESSOR_BYTES: usize = 64 << 10;

/// Why a codec stopped. The texts are the reference's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CodecError {
    /// The input is not in the format, or a checksum is wrong.
    #[error("Decompression failed.")]
    Malformed,
    /// Input goes on behind the end of the compressed data.
    #[error("Trailing bytes after end of compressed data")]
    Trailing,
    /// The input ended before the compressed data did.
    #[error("Called close() on a decompression stream with incomplete data")]
    Incomplete,
    /// The encoder refused its input, which it never should.
    #[error("Compression failed.")]
    Encoder,
    /// Nobody will look at what would come.
    #[error("Worker exceeded a limit.")]
    Interrupted,
}

/// The formats of the Compression Standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// RFC 1952.
    Gzip,
    /// RFC 1950.
    Deflate,
    /// RFC 1951.
    DeflateRaw,
}

impl Format {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "gzip" => Format::Gzip,
            "deflate" => Format::Deflate,
            "deflate-raw" => Format::DeflateRaw,
            _ => return None,
        })
    }
}

/// What a codec does with its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Compress to a format.
    Compress(Format),
    /// Decompress; unless it is strict, input may end early or go on behind the end.
    Decompress(Format, Strictness),
    /// Compress to Brotli (RFC 7932) with a window of two to the power of `window_bits`, from 10 to 24.
    Brotli { window_bits: u32 },
}

/// The compatibility flag `strict_compression_checks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    Strict,
    Lenient,
}

enum Engine {
    Compress(Compress),
    Decompress(Decompress),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
}

impl Engine {
    fn new(task: Task) -> Self {
        match task {
            Task::Compress(Format::Gzip) => Engine::Compress(Compress::new_gzip(LEVEL, WINDOW_BITS)),
            Task::Compress(Format::Deflate) => Engine::Compress(Compress::new(NAMED_LEVEL, true)),
            Task::Compress(Format::DeflateRaw) => Engine::Compress(Compress::new(LEVEL, false)),
            Task::Decompress(Format::Gzip, _) => Engine::Decompress(Decompress::new_gzip(WINDOW_BITS)),
            Task::Decompress(format, _) => Engine::Decompress(Decompress::new(format == Format::Deflate)),
            Task::Brotli { window_bits } => {
                let writer = brotli::CompressorWriter::new(Vec::new(), PIECE_BYTES, BROTLI_QUALITY, window_bits);
                Engine::Brotli(Box::new(writer))
            }
        }
    }
}

/// A compressor or decompressor that makes no more output than is taken from it.
pub(crate) struct Codec {
    task: Task,
    /// Made when there is something to do and dropped as soon as there is not: it has hundreds of kilobytes.
    engine: Option<Engine>,
    /// Input that waits for output to be taken.
    input: Bytes,
    output: VecDeque<Bytes>,
    output_bytes: usize,
    /// No more input will come.
    finished: bool,
    /// The last byte of output was made.
    ended: bool,
}

impl Codec {
    /// A codec that has seen nothing.
    pub(crate) fn new(task: Task) -> Self {
        Codec {
            task,
            engine: None,
            input: Bytes::new(),
            output: VecDeque::new(),
            output_bytes: 0,
            finished: false,
            ended: false,
        }
    }

    /// The memory of a codec of DEFLATE, about, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let engine = match &self.engine {
            None => 0,
            Some(Engine::Decompress(_)) => DECOMPRESSOR_BYTES,
            Some(_) => COMPRESSOR_BYTES,
        };
        engine + self.input.len() + self.output_bytes
    }

    /// Whether input waits until output is taken.
    pub(crate) fn is_behind(&self) -> bool {
        !self.input.is_empty()
    }

    /// Whether everything that there will be was taken.
    pub(crate) fn is_done(&self) -> bool {
        self.finished && self.ended && self.input.is_empty() && self.output.is_empty()
    }

    /// Takes input, and makes output of it until [`OUTPUT_MARK`] bytes wait. Input that is left from before stays first.
    pub(crate) fn push(&mut self, input: Bytes) -> Result<(), CodecError> {
        if self.input.is_empty() {
            self.input = input;
        } else {
            let mut joined = Vec::with_capacity(self.input.len() + input.len());
            joined.extend_from_slice(&self.input);
            joined.extend_from_slice(&input);
            self.input = joined.into();
        }
        self.run()
    }

    /// Says that no more input will come.
    pub(crate) fn finish(&mut self) -> Result<(), CodecError> {
        self.finished = true;
        self.run()
    }

    /// The next piece of output: at most [`PIECE_BYTES`], and at most `max_bytes`. `None` for nothing now.
    pub(crate) fn pull(&mut self, max_bytes: usize) -> Result<Option<Bytes>, CodecError> {
        if self.output.is_empty() {
            self.run()?;
        }
        let Some(front) = self.output.front_mut() else { return Ok(None) };
        let piece = if max_bytes < front.len() { front.split_to(max_bytes) } else { std::mem::take(front) };
        if front.is_empty() {
            self.output.pop_front();
        }
        self.output_bytes -= piece.len();
        // Now rather than at the next call, so that the end is known with the last piece.
        if self.output.is_empty() {
            self.run()?;
        }
        Ok(Some(piece))
    }

    /// Frees everything; there will be no more output.
    pub(crate) fn release(&mut self) {
        *self = Codec { finished: true, ended: true, ..Codec::new(self.task) };
    }

    fn run(&mut self) -> Result<(), CodecError> {
        let result = self.steps();
        if result.is_err() {
            self.release();
        }
        result
    }

    fn steps(&mut self) -> Result<(), CodecError> {
        while self.output_bytes < OUTPUT_MARK {
            if jsg::is_interrupted() {
                return Err(CodecError::Interrupted);
            }
            if self.ended {
                if !self.input.is_empty() {
                    if self.task_is_strict() {
                        return Err(CodecError::Trailing);
                    }
                    self.input = Bytes::new();
                }
                return Ok(());
            }
            if self.input.is_empty() && !self.finished {
                return Ok(());
            }
            let (taken, piece) = self.step()?;
            let stuck = taken == 0 && piece.is_empty();
            self.input.advance(taken);
            if !piece.is_empty() {
                self.output_bytes += piece.len();
                self.output.push_back(piece.into());
            }
            if self.ended {
                self.engine = None;
            } else if stuck {
                if !self.finished {
                    return Ok(());
                }
                if self.task_is_strict() {
                    return Err(CodecError::Incomplete);
                }
                self.ended = true;
                self.engine = None;
            }
        }
        Ok(())
    }

    fn task_is_strict(&self) -> bool {
        !matches!(self.task, Task::Decompress(_, Strictness::Lenient))
    }

    /// Input that was used up, and output that was made of it.
    fn step(&mut self) -> Result<(usize, Vec<u8>), CodecError> {
        let task = self.task;
        let input = &self.input[..self.input.len().min(STEP_BYTES)];
        let is_last = self.finished && input.len() == self.input.len();
        match self.engine.get_or_insert_with(|| Engine::new(task)) {
            Engine::Compress(engine) => {
                let flush = if is_last { FlushCompress::Finish } else { FlushCompress::None };
                let mut piece = Vec::with_capacity(piece_capacity(input.len()));
                let before = engine.total_in();
                let status = engine.compress_vec(input, &mut piece, flush).map_err(|_| CodecError::Encoder)?;
                self.ended = status == Status::StreamEnd;
                Ok(((engine.total_in() - before) as usize, piece))
            }
            Engine::Decompress(engine) => {
                let mut piece = Vec::with_capacity(PIECE_BYTES);
                let before = engine.total_in();
                let status = engine
                    .decompress_vec(input, &mut piece, FlushDecompress::None)
                    .map_err(|_| CodecError::Malformed)?;
                self.ended = status == Status::StreamEnd;
                piece.shrink_to_fit();
                Ok(((engine.total_in() - before) as usize, piece))
            }
            Engine::Brotli(engine) => {
                if input.is_empty() {
                    let Some(Engine::Brotli(engine)) = self.engine.take() else { return Err(CodecError::Encoder) };
                    self.ended = true;
                    return Ok((0, engine.into_inner()));
                }
                let taken = input.len().min(PIECE_BYTES);
                engine.write_all(&input[..taken]).map_err(|_| CodecError::Encoder)?;
                Ok((taken, std::mem::take(engine.get_mut())))
            }
        }
    }
}

/// Room for what a compressor makes of that much input in one step: its tail and its own buffer, and no more than a piece.
fn piece_capacity(input: usize) -> usize {
    (input + (input >> 8) + 1024).min(PIECE_BYTES)
}
