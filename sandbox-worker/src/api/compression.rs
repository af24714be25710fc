//! The codecs behind `CompressionStream` and `DecompressionStream` (Compression Standard), and those that encode a
//! response's body as its `Content-Encoding` says.
//!
//! A few bytes can stand for gigabytes, so that decoding goes piece by piece: when [`OUTPUT_MARK`] bytes of output wait
//! for somebody to take them, the rest of the input stays as it came until they are gone.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::Future,
    io::Write as _,
    pin::pin,
    rc::Rc,
};

use bulkhead_ipc::{compatibility::Flag, worker_capnp::byte_source};
use bytes::{Buf as _, Bytes};
use capnp::capability::Promise;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use futures::future::{Either, select};
use jsg::{BufferSource, Error, FromJs as _, OrUndefined, Registry, Result, Uint8ArrayBytes};

use super::response::OpenBody;
use crate::{io::IoContext, isolate::Isolate, limits};

const STRICT_CHECKS: Flag = Flag::named("strict_compression_checks");

/// Bytes that one step makes, and one piece of output has, at most.
const PIECE_BYTES: usize = 64 << 10;
/// Bytes of input that one step looks at, at most: much of some input makes no output.
const STEP_BYTES: usize = 256 << 10;
/// Bytes of output that may wait before input does. A step may exceed it by [`PIECE_BYTES`].
const OUTPUT_MARK: usize = 256 << 10;
/// Base-two logarithm of the window of DEFLATE; larger ones do not exist.
const WINDOW_BITS: u8 = 15;
/// The compromise between time and size that servers choose for what they encode on the fly.
const BROTLI_QUALITY: u32 = 5;
/// Base-two logarithm of the window of Brotli for bodies of unknown length. The encoder's memory grows with it.
const BROTLI_WINDOW_BITS: u32 = 22;
/// The smallest that there is.
const MIN_BROTLI_WINDOW_BITS: u32 = 10;
/// What a compressor and a decompressor of DEFLATE have for their state, about.
const COMPRESSOR_BYTES: usize = 340 << 10;
const DECOMPRESSOR_BYTES: usize = 64 << 10;
/// What the codecs of scripts may have in all before no further one starts.
const MAX_CODEC_BYTES: usize = 256 << 20;
/// How many codecs are refused for each time that garbage is looked for.
const GARBAGE_EVERY: u32 = 256;
/// Bytes asked for with one pull of a body that is to be encoded.
const PULL_BYTES: u32 = 64 << 10;

/// Why a codec stopped. The texts are the reference's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum CodecError {
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
pub(super) enum Format {
    /// RFC 1952.
    Gzip,
    /// RFC 1950.
    Deflate,
    /// RFC 1951.
    DeflateRaw,
}

impl Format {
    fn parse(name: &str) -> Option<Self> {
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
pub(super) enum Task {
    /// Compress to a format.
    Compress(Format),
    /// Decompress; unless it is strict, input may end early or go on behind the end.
    Decompress(Format, Strictness),
    /// Compress to Brotli (RFC 7932) with a window of two to the power of `window_bits`, from 10 to 24.
    Brotli { window_bits: u32 },
}

/// The compatibility flag `strict_compression_checks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
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
            Task::Compress(Format::Gzip) => Engine::Compress(Compress::new_gzip(Compression::default(), WINDOW_BITS)),
            Task::Compress(format) => {
                Engine::Compress(Compress::new(Compression::default(), format == Format::Deflate))
            }
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
pub(super) struct Codec {
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
    pub(super) fn new(task: Task) -> Self {
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
    fn memory(&self) -> usize {
        let engine = match &self.engine {
            None => 0,
            Some(Engine::Decompress(_)) => DECOMPRESSOR_BYTES,
            Some(_) => COMPRESSOR_BYTES,
        };
        engine + self.input.len() + self.output_bytes
    }

    /// Whether input waits until output is taken.
    pub(super) fn is_behind(&self) -> bool {
        !self.input.is_empty()
    }

    /// Whether everything that there will be was taken.
    pub(super) fn is_done(&self) -> bool {
        self.finished && self.ended && self.input.is_empty() && self.output.is_empty()
    }

    /// Takes input, and makes output of it until [`OUTPUT_MARK`] bytes wait. Input that is left from before stays first.
    pub(super) fn push(&mut self, input: Bytes) -> std::result::Result<(), CodecError> {
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
    pub(super) fn finish(&mut self) -> std::result::Result<(), CodecError> {
        self.finished = true;
        self.run()
    }

    /// The next piece of output: at most [`PIECE_BYTES`], and at most `max_bytes`. `None` for nothing now.
    pub(super) fn pull(&mut self, max_bytes: usize) -> std::result::Result<Option<Bytes>, CodecError> {
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
    pub(super) fn release(&mut self) {
        *self = Codec { finished: true, ended: true, ..Codec::new(self.task) };
    }

    fn run(&mut self) -> std::result::Result<(), CodecError> {
        let result = self.steps();
        if result.is_err() {
            self.release();
        }
        result
    }

    fn steps(&mut self) -> std::result::Result<(), CodecError> {
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
    fn step(&mut self) -> std::result::Result<(usize, Vec<u8>), CodecError> {
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

// ------------------------------------------------------------------------------------------------------ for scripts

/// The native half of a `CompressionStream` or `DecompressionStream`.
#[derive(jsg::Trace)]
struct NativeCodec {
    /// Boxed: wrapped objects have the alignment of a pointer.
    #[trace(skip)]
    codec: RefCell<Box<Codec>>,
    /// Its part of [`MEMORY`].
    accounted: Cell<usize>,
}

thread_local! {
    /// What the codecs of this thread's scripts have, in bytes. Only one isolate runs on it.
    static MEMORY: Cell<usize> = const { Cell::new(0) };
    /// How many codecs were refused since one was let in.
    static REFUSED: Cell<u32> = const { Cell::new(0) };
}

/// What V8 was told of [`MEMORY`].
struct Reported(usize);

impl NativeCodec {
    /// Runs `action`, and tells V8 what memory there is, without which it would not see a reason to collect the small
    /// objects that have it.
    fn run<R>(
        &self,
        scope: &mut v8::PinScope<'_, '_>,
        action: impl FnOnce(&mut Codec) -> std::result::Result<R, CodecError>,
    ) -> Result<R> {
        let result = action(&mut self.codec.borrow_mut());
        let now = self.codec.borrow().memory();
        let before = self.accounted.replace(now);
        MEMORY.set(MEMORY.get() - before + now);
        report(scope);
        jsg::check(scope)?;
        result.map_err(|error| Error::type_error(error.to_string()))
    }

    /// Refuses to start when others have too much already.
    fn admit(&self, scope: &mut v8::PinScope<'_, '_>) -> Result<()> {
        if self.accounted.get() > 0 || MEMORY.get() < MAX_CODEC_BYTES {
            REFUSED.set(0);
            return Ok(());
        }
        // Some may be garbage. Not every time: a script that goes on would do nothing but collect.
        if REFUSED.get().is_multiple_of(GARBAGE_EVERY) {
            scope.low_memory_notification();
            report(scope);
        }
        if MEMORY.get() < MAX_CODEC_BYTES {
            REFUSED.set(0);
            return Ok(());
        }
        REFUSED.set(REFUSED.get().wrapping_add(1));
        Err(Error::range_error("Too many compression streams are open. Close them, or read what they hold."))
    }
}

impl Drop for NativeCodec {
    fn drop(&mut self) {
        MEMORY.set(MEMORY.get() - self.accounted.get());
    }
}

fn report(scope: &mut v8::PinScope<'_, '_>) {
    let now = MEMORY.get();
    let before = scope.get_slot::<Reported>().map_or(0, |reported| reported.0);
    if now != before {
        scope.set_slot(Reported(now));
        scope.adjust_amount_of_external_allocated_memory(now as i64 - before as i64);
    }
}

#[jsg::class(name = "Codec")]
impl NativeCodec {
    #[constructor]
    fn new(scope: &mut v8::PinScope<'_, '_>, format: String, decompress: bool) -> Result<Self> {
        let format = Format::parse(&format).ok_or_else(|| {
            Error::type_error("The compression format must be either 'deflate', 'deflate-raw' or 'gzip'.")
        })?;
        let task = if decompress {
            let strict = Isolate::of(scope).flags().is_on(STRICT_CHECKS);
            Task::Decompress(format, if strict { Strictness::Strict } else { Strictness::Lenient })
        } else {
            Task::Compress(format)
        };
        Ok(NativeCodec { codec: RefCell::new(Box::new(Codec::new(task))), accounted: Cell::new(0) })
    }

    /// Takes a chunk that a script wrote.
    #[method]
    fn push<'s>(&self, scope: &mut v8::PinScope<'s, '_>, chunk: v8::Local<'s, v8::Value>) -> Result<()> {
        let bytes = if let Ok(text) = v8::Local::<v8::String>::try_from(chunk) {
            Bytes::from(text.to_rust_string_lossy(scope))
        } else if BufferSource::matches(scope, chunk) {
            BufferSource(chunk).to_vec().into()
        } else if chunk.is_undefined() {
            return Ok(());
        } else {
            return Err(Error::type_error(
                "This TransformStream is being used as a byte stream, but received an object of \
                 non-ArrayBuffer/ArrayBufferView type on its writable side.",
            ));
        };
        self.admit(scope)?;
        self.run(scope, |codec| codec.push(bytes))
    }

    #[method]
    fn finish(&self, scope: &mut v8::PinScope<'_, '_>) -> Result<()> {
        self.admit(scope)?;
        self.run(scope, Codec::finish)
    }

    /// The next piece, of at most `wanted` bytes unless that is 0.
    #[method]
    fn pull(&self, scope: &mut v8::PinScope<'_, '_>, wanted: f64) -> Result<OrUndefined<Uint8ArrayBytes>> {
        let wanted = if wanted >= 1.0 { wanted as usize } else { usize::MAX };
        let piece = self.run(scope, |codec| codec.pull(wanted))?;
        Ok(OrUndefined(piece.map(|piece| Uint8ArrayBytes(piece.into()))))
    }

    #[method]
    fn release(&self, scope: &mut v8::PinScope<'_, '_>) -> Result<()> {
        self.run(scope, |codec| {
            codec.release();
            Ok(())
        })
    }

    #[method]
    fn is_behind(&self) -> bool {
        self.codec.borrow().is_behind()
    }

    #[method]
    fn is_done(&self) -> bool {
        self.codec.borrow().is_done()
    }
}

/// Gives the built-in scripts the class `Codec`.
pub(super) fn install_internal(scope: &mut v8::PinScope<'_, '_>, internal: v8::Local<'_, v8::Object>) {
    Registry::expose::<NativeCodec>(scope, internal);
}

// ---------------------------------------------------------------------------------------------------- for responses

/// A content coding (RFC 9110, section 8.4.1) that is applied to the bodies of responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Brotli,
}

impl Coding {
    /// The one that the value of `Content-Encoding` asks for. As in the reference, any other value, be it the same in
    /// another case or a list, says what the script did itself. Brotli depends on the compatibility flag
    /// `brotli_content_encoding`.
    pub(super) fn of(value: &[u8], with_brotli: bool) -> Option<Self> {
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
    pub(super) fn encode(self, body: Bytes) -> std::result::Result<Bytes, CodecError> {
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
    pub(super) fn source(
        self,
        from: byte_source::Client,
        context: &Rc<IoContext>,
        open: OpenBody,
    ) -> byte_source::Client {
        super::source::offer(EncodedSource {
            context: context.clone(),
            open: RefCell::new(Some(open)),
            from,
            codec: RefCell::new(self.codec(None)),
            is_empty: Cell::new(true),
        })
    }
}

struct EncodedSource {
    /// The event lives for as long as its response is pulled.
    context: Rc<IoContext>,
    /// Dropped with the last byte.
    open: RefCell<Option<OpenBody>>,
    from: byte_source::Client,
    codec: RefCell<Codec>,
    /// Nothing has come yet.
    is_empty: Cell<bool>,
}

impl byte_source::Server for EncodedSource {
    fn pull(
        self: capnp::capability::Rc<Self>,
        params: byte_source::PullParams,
        mut results: byte_source::PullResults,
    ) -> impl Future<Output = std::result::Result<(), capnp::Error>> + 'static {
        Promise::from_future(async move {
            let max_bytes = params.get()?.get_max_bytes() as usize;
            let ended = pin!(self.context.ended());
            let piece = match select(pin!(self.encode(max_bytes)), ended).await {
                Either::Left((piece, _)) => piece,
                Either::Right((limit, _)) => Err(capnp::Error::failed(limits::text(limit).into())),
            };
            let piece = piece.inspect_err(|_| drop(self.open.take()))?;
            let _room = self.context.outlet().room(piece.len()).await;
            results.get().set_bytes(&piece);
            if self.codec.borrow().is_done() {
                results.get().set_done(true);
                self.open.take();
            }
            drop(results);
            Ok(())
        })
    }
}

impl EncodedSource {
    /// At least one byte and at most `max_bytes`, or nothing at the end.
    async fn encode(&self, max_bytes: usize) -> std::result::Result<Bytes, capnp::Error> {
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
    async fn fill(&self) -> std::result::Result<(), capnp::Error> {
        let response = super::source::pull(&self.from, PULL_BYTES).await?;
        let results = response.get()?;
        let bytes = results.get_bytes()?;
        if !bytes.is_empty() {
            self.is_empty.set(false);
            self.work(|codec| codec.push(Bytes::copy_from_slice(bytes)))?;
        }
        if results.get_done() {
            if self.is_empty.get() {
                self.codec.borrow_mut().release();
            } else {
                self.work(Codec::finish)?;
            }
        }
        Ok(())
    }

    /// Has the codec work at the event's expense.
    fn work<R>(
        &self,
        work: impl FnOnce(&mut Codec) -> std::result::Result<R, CodecError>,
    ) -> std::result::Result<R, capnp::Error> {
        if let Some(limit) = self.context.breach() {
            return Err(capnp::Error::failed(limits::text(limit).into()));
        }
        let done = self.context.work(|| work(&mut self.codec.borrow_mut()));
        match self.context.breach() {
            Some(limit) => Err(capnp::Error::failed(limits::text(limit).into())),
            None => done.map_err(|error| capnp::Error::failed(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{Codec, CodecError, Coding, Format, OUTPUT_MARK, PIECE_BYTES, Strictness, Task};

    const FORMATS: [Format; 3] = [Format::Gzip, Format::Deflate, Format::DeflateRaw];

    /// Feeds the input in the given chunks, takes output after each.
    fn through<'a>(task: Task, chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, CodecError> {
        let mut codec = Codec::new(task);
        let mut out = Vec::new();
        for chunk in chunks {
            codec.push(Bytes::copy_from_slice(chunk))?;
            while let Some(piece) = codec.pull(usize::MAX)? {
                assert!(!piece.is_empty() && piece.len() <= PIECE_BYTES, "{}", piece.len());
                out.extend_from_slice(&piece);
            }
            assert!(!codec.is_behind(), "everything was taken, and input is left");
        }
        codec.finish()?;
        while let Some(piece) = codec.pull(usize::MAX)? {
            out.extend_from_slice(&piece);
        }
        assert!(codec.is_done());
        assert!(codec.engine.is_none(), "its memory is free");
        Ok(out)
    }

    fn compress(format: Format, bytes: &[u8]) -> Vec<u8> {
        through(Task::Compress(format), [bytes]).expect("compression does not fail")
    }

    fn decompress(format: Format, bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
        through(Task::Decompress(format, Strictness::Strict), [bytes])
    }

    #[test]
    fn formats_are_what_they_are_called() {
        let text = b"hello hello hello";
        let mut out = String::new();
        flate2::read::GzDecoder::new(&*compress(Format::Gzip, text)).read_to_string(&mut out).expect("gzip");
        flate2::read::ZlibDecoder::new(&*compress(Format::Deflate, text)).read_to_string(&mut out).expect("zlib");
        flate2::read::DeflateDecoder::new(&*compress(Format::DeflateRaw, text)).read_to_string(&mut out).expect("raw");
        assert_eq!(out.as_bytes(), text.repeat(3));
        // No time and no name of a file, made on Unix.
        assert_eq!(compress(Format::Gzip, text)[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
    }

    #[test]
    fn a_bomb_goes_off_piece_by_piece() {
        const SIZE: usize = 200 << 20;
        for format in FORMATS {
            let mut codec = Codec::new(Task::Compress(format));
            let zeros = Bytes::from(vec![0; 1 << 20]);
            let mut bomb = Vec::new();
            for _ in 0..SIZE >> 20 {
                codec.push(zeros.clone()).expect("compression does not fail");
                while let Some(piece) = codec.pull(usize::MAX).expect("compression does not fail") {
                    bomb.extend_from_slice(&piece);
                }
            }
            codec.finish().expect("compression does not fail");
            while let Some(piece) = codec.pull(usize::MAX).expect("compression does not fail") {
                bomb.extend_from_slice(&piece);
            }
            assert!(bomb.len() < SIZE / 500, "{format:?}: {}", bomb.len());

            let mut codec = Codec::new(Task::Decompress(format, Strictness::Strict));
            codec.push(bomb.into()).expect("the bomb is fine");
            codec.finish().expect("the bomb is fine");
            let mut total = 0;
            while let Some(piece) = codec.pull(usize::MAX).expect("the bomb is fine") {
                assert!(piece.len() <= PIECE_BYTES);
                let held: usize = codec.output.iter().map(Bytes::len).sum();
                assert_eq!(held, codec.output_bytes);
                assert!(held < OUTPUT_MARK + PIECE_BYTES, "{held} bytes wait");
                assert!(codec.is_behind() || total > SIZE / 2, "the input waits");
                total += piece.len();
            }
            assert_eq!(total, SIZE);
            assert!(codec.is_done());
        }
    }

    #[test]
    fn input_that_ends_early() {
        for format in FORMATS {
            let packed = compress(format, b"hello hello hello");
            for length in 0..packed.len() {
                assert_eq!(decompress(format, &packed[..length]), Err(CodecError::Incomplete), "{format:?} {length}");
                let lenient = through(Task::Decompress(format, Strictness::Lenient), [&packed[..length]]);
                assert!(b"hello hello hello".starts_with(&lenient.expect("it may end early")));
            }
        }
    }

    #[test]
    fn input_that_goes_on() {
        for format in FORMATS {
            let packed = compress(format, b"hello");
            let longer = [&packed[..], b"x"].concat();
            let lenient = Task::Decompress(format, Strictness::Lenient);
            let strict = Task::Decompress(format, Strictness::Strict);
            assert_eq!(decompress(format, &longer), Err(CodecError::Trailing));
            assert_eq!(decompress(format, &packed.repeat(2)), Err(CodecError::Trailing), "one member only");
            assert_eq!(through(strict, [&packed[..], b"x"]), Err(CodecError::Trailing));
            assert_eq!(through(strict, [&packed[..], b""]), Ok(b"hello".to_vec()));
            assert_eq!(through(lenient, [&longer[..]]), Ok(b"hello".to_vec()));
            assert_eq!(through(lenient, [&packed[..], b"x"]), Ok(b"hello".to_vec()));
        }
    }

    #[test]
    fn input_that_is_wrong() {
        for format in FORMATS {
            assert_eq!(decompress(format, b"garbage that is none"), Err(CodecError::Malformed));
        }
        for format in [Format::Gzip, Format::Deflate] {
            let mut packed = compress(format, b"hello");
            let last = packed.len() - 1;
            packed[last] ^= 1;
            assert_eq!(decompress(format, &packed), Err(CodecError::Malformed), "the checksum");
        }
    }

    #[test]
    fn an_error_is_found_behind_the_output_mark() {
        let mut packed = compress(Format::Gzip, &vec![0; 4 << 20]);
        let last = packed.len() - 1;
        packed[last] ^= 1;
        let mut codec = Codec::new(Task::Decompress(Format::Gzip, Strictness::Strict));
        codec.push(packed.into()).expect("it is not found yet");
        let mut total = 0;
        let error = loop {
            match codec.pull(usize::MAX) {
                Ok(piece) => total += piece.expect("there is more").len(),
                Err(error) => break error,
            }
        };
        assert_eq!(error, CodecError::Malformed);
        assert!(total > 3 << 20, "{total}");
    }

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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn there_and_back(bytes in proptest::collection::vec(0_u8..4, 0..5000), size in 1_usize..700) {
            for format in FORMATS {
                let packed = through(Task::Compress(format), bytes.chunks(size)).expect("compression does not fail");
                let task = Task::Decompress(format, Strictness::Strict);
                prop_assert_eq!(through(task, packed.chunks(size)), Ok(bytes.clone()));
            }
        }

        #[test]
        fn any_input_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0_usize..300) {
            for format in FORMATS {
                let mut packed = compress(format, &bytes);
                let at = at % packed.len();
                packed[at] ^= 0x55;
                let _ = decompress(format, &packed);
                let _ = decompress(format, &bytes);
            }
        }
    }
}
