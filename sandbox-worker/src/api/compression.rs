//! What `CompressionStream` and `DecompressionStream` (Compression Standard) have of native code.

use std::{cell::Cell, rc::Rc};

use bulkhead_ipc::compatibility::Flag;
use bytes::Bytes;
use jsg::{BufferSource, Error, FromJs as _, OrUndefined, Result, Uint8ArrayBytes};

use super::streams::ends;
use crate::{
    io::Event,
    isolate::Isolate,
    streams::{
        codec::{Codec, CodecError, Format, Strictness, Task},
        coder::{Coder, coding},
    },
};

const STRICT_CHECKS: Flag = Flag::named("strict_compression_checks");

/// What the codecs of scripts may have in all before no further one starts.
const MAX_CODEC_BYTES: usize = 256 << 20;
/// How many codecs are refused for each time that garbage is looked for.
const GARBAGE_EVERY: u32 = 256;

/// The native half of a `CompressionStream` or `DecompressionStream`.
#[derive(jsg::Trace)]
pub(super) struct NativeCodec(#[trace(skip)] Rc<Coder>);

thread_local! {
    /// How many codecs were refused since one was let in.
    static REFUSED: Cell<u32> = const { Cell::new(0) };
}

/// What V8 was told that all codecs have, in bytes.
struct Reported(usize);

impl NativeCodec {
    /// Runs `action`, and tells V8 what memory there is, without which it would not see a reason to collect the small
    /// objects that have it.
    fn run<R>(
        &self,
        scope: &mut v8::PinScope<'_, '_>,
        action: impl FnOnce(&mut Codec) -> std::result::Result<R, CodecError>,
    ) -> Result<R> {
        let result = self.0.run(action);
        report(scope);
        jsg::check(scope)?;
        result.map_err(|error| Error::type_error(error.to_string()))
    }

    /// Refuses to start when others have too much already.
    fn admit(&self, scope: &mut v8::PinScope<'_, '_>) -> Result<()> {
        if self.0.has_begun() || Coder::memory_of_all() < MAX_CODEC_BYTES {
            REFUSED.set(0);
            return Ok(());
        }
        // Some may be garbage. Not every time: a script that goes on would do nothing but collect.
        if REFUSED.get().is_multiple_of(GARBAGE_EVERY) {
            scope.low_memory_notification();
            report(scope);
        }
        if Coder::memory_of_all() < MAX_CODEC_BYTES {
            REFUSED.set(0);
            return Ok(());
        }
        REFUSED.set(REFUSED.get().wrapping_add(1));
        Err(Error::range_error("Too many compression streams are open. Close them, or read what they hold."))
    }
}

fn report(scope: &mut v8::PinScope<'_, '_>) {
    let now = Coder::memory_of_all();
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
        Ok(NativeCodec(Rc::new(Coder::new(task))))
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
        self.0.run(|codec| codec.is_behind())
    }

    #[method]
    fn is_done(&self) -> bool {
        self.0.run(|codec| codec.is_done())
    }

    /// Native ends for the codec, as `newPipe` gives them. From then on it is used by them alone.
    #[method]
    fn ends<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Array>> {
        self.admit(scope)?;
        let event = Event::require(scope)?;
        let (sink, source) = coding(&event, self.0.clone());
        ends(scope, &event, sink, source)
    }
}
