//! Streams over what native code has. The classes themselves are written in JavaScript (`js/streams/`).

use std::{cell::RefCell, rc::Rc};

use bytes::Bytes;
use jsg::{Error, OrUndefined, Result, ToJs};

use crate::{
    io::{Event, IoOwn, OwnedBy},
    isolate::{Isolate, script},
    streams::{
        MAX_PULL_BYTES, PULL_BYTES,
        memory::{Memory, MemorySource},
        pipe::pipe,
        pump::{Feed, Pumped, Stop, pump},
        reading::Reading,
        sink::Sink,
        source::{Broken, Source},
        tee::tee,
    },
};

pub(super) fn is_disturbed<'s>(scope: &mut v8::PinScope<'s, '_>, stream: v8::Local<'s, v8::Object>) -> Result<bool> {
    Ok(script::call(scope, |script| &script.is_disturbed, &[stream.into()])?.is_true())
}

pub(super) fn is_locked<'s>(scope: &mut v8::PinScope<'s, '_>, stream: v8::Local<'s, v8::Object>) -> Result<bool> {
    Ok(script::call(scope, |script| &script.is_locked, &[stream.into()])?.is_true())
}

/// What is native of the readable side of a stream, for the built-in scripts: see `newNativeStream` in `js/README.md`.
#[derive(jsg::Trace)]
pub(super) struct ReadableEnd {
    #[trace(skip)]
    has: RefCell<Has>,
    /// Asks the pump that reads from it to stop.
    #[trace(skip)]
    stop: RefCell<Option<Rc<Stop>>>,
}

/// What is left to be read.
pub(super) enum Has {
    /// Bytes in memory, and whose they are.
    Bytes(Memory, OwnedBy),
    Source(IoOwn<Reading>),
    /// It was cancelled, or somebody else has it.
    Nothing,
}

impl Has {
    fn of(event: &Event, source: Rc<dyn Source>) -> Self {
        Has::Source(IoOwn::new(event.context(), Reading::new(source)))
    }

    fn check(&self, scope: &v8::PinScope<'_, '_>) -> Result<()> {
        match self {
            Has::Bytes(_, owner) => owner.check(scope),
            Has::Source(source) => source.get(scope).map(|_| ()),
            Has::Nothing => Ok(()),
        }
    }

    /// The same bytes for two to read. What was is not to be used any more.
    pub(super) fn tee(self, scope: &v8::PinScope<'_, '_>) -> Result<[Has; 2]> {
        Ok(match self {
            Has::Bytes(memory, owner) => [Has::Bytes(memory.clone(), owner), Has::Bytes(memory, owner)],
            Has::Source(source) => {
                let event = Event::require(scope)?;
                tee(event.context(), source.get(scope)?).map(|branch| Has::of(&event, branch))
            }
            Has::Nothing => [Has::Nothing, Has::Nothing],
        })
    }

    /// What a pump, or native code that is given the stream, reads from.
    fn reading(self, scope: &v8::PinScope<'_, '_>) -> Result<Rc<Reading>> {
        match self {
            Has::Bytes(memory, _) => Ok(Rc::new(Reading::new(Rc::new(MemorySource::new(memory, None))))),
            Has::Source(source) => source.get(scope),
            Has::Nothing => Ok(Rc::new(Reading::new(Rc::new(MemorySource::new(Bytes::new(), None))))),
        }
    }
}

impl ReadableEnd {
    fn new(has: Has) -> Self {
        ReadableEnd { has: RefCell::new(has), stop: RefCell::default() }
    }

    /// What is left to be read, which is the caller's from then on.
    ///
    /// # Errors
    /// The reference's exception, if it is another event's owner's.
    pub(super) fn take(&self, scope: &v8::PinScope<'_, '_>) -> Result<Has> {
        self.has.borrow().check(scope)?;
        Ok(self.has.replace(Has::Nothing))
    }
}

#[jsg::class]
impl ReadableEnd {
    #[method]
    fn pull<'s>(&self, scope: &mut v8::PinScope<'s, '_>, wanted: f64) -> Result<v8::Local<'s, v8::Value>> {
        let is_limited = wanted >= 1.0;
        let reading = match &mut *self.has.borrow_mut() {
            Has::Bytes(memory, owner) => {
                owner.check(scope)?;
                let bytes = memory.read(if is_limited { wanted as usize } else { usize::MAX });
                return OrUndefined((!bytes.is_empty()).then(|| jsg::Uint8ArrayBytes(bytes.into()))).to_js(scope);
            }
            Has::Source(source) => Some(source.get(scope)?),
            Has::Nothing => None,
        };
        let Some(reading) = reading.filter(|reading| !reading.tell_end()) else {
            return Ok(v8::undefined(scope).into());
        };
        let event = Event::require(scope)?;
        let wanted = if is_limited { (wanted as usize).min(MAX_PULL_BYTES) } else { PULL_BYTES };
        // What is outside of the isolate will answer; anybody else may be waiting too.
        let waits = (!reading.is_outside()).then(|| event.context().waits());
        let pulled = async move {
            let read = reading.read(wanted).await;
            drop(waits);
            Ok(OrUndefined(read.map_err(Broken::into_script)?.map(Pulled)))
        };
        event.promise(scope, pulled).map(Into::into)
    }

    #[method]
    fn cancel(&self) {
        if let Has::Source(source) = self.has.replace(Has::Nothing)
            && let Some(reading) = source.owned()
        {
            reading.cancel();
        }
    }

    #[method]
    fn tee<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Array>> {
        let [one, two] = self.take(scope)?.tee(scope)?;
        let one = jsg::instantiate(scope, ReadableEnd::new(one))?;
        let two = jsg::instantiate(scope, ReadableEnd::new(two))?;
        Ok(v8::Array::new_with_elements(scope, &[one.into(), two.into()]))
    }

    /// Moves all bytes to the sink. Gives a promise of how that came out, which is not rejected. `to_its_end`: whatever comes to its end on
    /// one side will on the other, and nothing stops it before.
    #[method]
    fn pump<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        to: v8::Local<'s, v8::Value>,
        to_its_end: bool,
    ) -> Result<v8::Local<'s, v8::Promise>> {
        let to = jsg::unwrap_value::<WritableEnd>(scope, to).ok_or(jsg::Illegal)?.0.get(scope)?;
        let event = Event::require(scope)?;
        if matches!(&*self.has.borrow(), Has::Bytes(..)) {
            let reading = self.take(scope)?.reading(scope)?;
            *self.has.borrow_mut() = Has::Source(IoOwn::share(event.context(), reading));
        }
        let from = match &*self.has.borrow() {
            Has::Source(source) => source.get(scope)?,
            _ => Has::Nothing.reading(scope)?,
        };
        let stop = Stop::new(event.context());
        *self.stop.borrow_mut() = Some(stop.clone());
        let feed = Feed::new(from);
        if to_its_end {
            to.fed_by(&feed);
        }
        let pump = pump(feed, Rc::clone(&to), stop, event.context().handle());
        event.promise(scope, async move { Ok(pump.await) })
    }

    #[method]
    fn stop_pump(&self) {
        if let Some(stop) = self.stop.take() {
            stop.ask();
        }
    }
}

/// What is native of the writable side of a stream, for the built-in scripts.
#[derive(jsg::Trace)]
pub(super) struct WritableEnd(#[trace(skip)] IoOwn<Rc<dyn Sink>>);

#[jsg::class]
impl WritableEnd {
    /// Takes the bytes of a view. Gives a promise for when somebody has them.
    #[method]
    fn write<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        bytes: jsg::BufferSource<'s>,
    ) -> Result<v8::Local<'s, v8::Promise>> {
        let sink = self.0.get(scope)?;
        let event = Event::require(scope)?;
        let (bytes, waits) = (Bytes::from(bytes.to_vec()), event.context().waits());
        event.promise(scope, async move {
            let written = sink.write(bytes).await;
            drop(waits);
            written.map_err(Broken::into_script)
        })
    }

    #[method]
    fn end(&self, scope: &mut v8::PinScope<'_, '_>) -> Result<()> {
        self.0.get(scope)?.end().map_err(Broken::into_script)
    }

    #[method]
    fn abort<'s>(&self, scope: &mut v8::PinScope<'s, '_>, reason: v8::Local<'s, v8::Value>) -> Result<()> {
        let reason = Error::value(scope, reason);
        self.0.get(scope)?.abort(Broken::Script(reason));
        Ok(())
    }
}

/// The native end of a writable stream whose bytes go to `sink`.
pub(super) fn writable_end<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    event: &Event,
    sink: Rc<dyn Sink>,
) -> Result<v8::Local<'s, v8::Object>> {
    jsg::instantiate(scope, WritableEnd(IoOwn::new(event.context(), sink)))
}

/// An array of the ends of what bytes go through: the one to write to, and the one to read from.
pub(super) fn ends<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    event: &Event,
    sink: Rc<dyn Sink>,
    source: Rc<dyn Source>,
) -> Result<v8::Local<'s, v8::Array>> {
    let writable = writable_end(scope, event, sink)?;
    let readable = jsg::instantiate(scope, ReadableEnd::new(Has::of(event, source)))?;
    Ok(v8::Array::new_with_elements(scope, &[writable.into(), readable.into()]))
}

#[derive(jsg::Trace)]
pub(super) struct Hooks;

/// The functions of this class are copied to `internal`; scripts never see them.
#[jsg::class]
impl Hooks {
    #[static_method]
    fn new_pipe<'s>(scope: &mut v8::PinScope<'s, '_>, remaining: f64) -> Result<v8::Local<'s, v8::Array>> {
        let event = Event::require(scope)?;
        let (sink, source) = pipe(event.context(), (remaining >= 0.0).then_some(remaining as u64));
        ends(scope, &event, sink, source)
    }

    #[static_method]
    fn io_owner(scope: &mut v8::PinScope<'_, '_>) -> f64 {
        // Scripts warm up while a snapshot is made.
        if Isolate::complete(scope).is_none() { 0.0 } else { OwnedBy::current(scope).number() }
    }

    #[static_method]
    fn check_io_owner(scope: &mut v8::PinScope<'_, '_>, owner: f64, what: String) -> Result<()> {
        OwnedBy::from_number(owner).check_as(scope, &what)
    }
}

/// What a promise for bytes is fulfilled with: an array would be asked for its `then`, which scripts can put on
/// `Object.prototype`; this inherits nothing.
struct Pulled(Bytes);

impl<'s> ToJs<'s> for Pulled {
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        let bytes = jsg::Uint8ArrayBytes(self.0.into()).to_js(scope)?;
        let name = jsg::string(scope, "bytes");
        let null = v8::null(scope);
        Ok(v8::Object::with_prototype_and_properties(scope, null.into(), &[name.into()], &[bytes]).into())
    }
}

impl<'s> ToJs<'s> for Pumped {
    /// `{ source }` or `{ sink }` with what broke it, `{}` if it was stopped, or undefined if all went through. It inherits nothing.
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        let (name, broken) = match self {
            Pumped::All => return Ok(v8::undefined(scope).into()),
            Pumped::Stopped => ("stopped", None),
            Pumped::Source(broken) => ("source", Some(broken)),
            Pumped::Sink(broken) => ("sink", Some(broken)),
        };
        let name = jsg::string(scope, name);
        let reason = match broken {
            Some(broken) => broken.into_script().to_value(scope),
            None => v8::undefined(scope).into(),
        };
        let null = v8::null(scope);
        Ok(v8::Object::with_prototype_and_properties(scope, null.into(), &[name.into()], &[reason]).into())
    }
}

/// A stream of what is left to be read.
pub(super) fn stream_of<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    has: Has,
    length: Option<u64>,
) -> Result<v8::Local<'s, v8::Object>> {
    let (length, owner) = match &has {
        Has::Bytes(memory, owner) => (Some(memory.bytes.len() as u64), *owner),
        Has::Source(_) | Has::Nothing => (length, OwnedBy::current(scope)),
    };
    let end = jsg::instantiate(scope, ReadableEnd::new(has))?;
    let length = match length {
        Some(length) => v8::Number::new(scope, length as f64).into(),
        None => v8::undefined(scope).into(),
    };
    let owner = v8::Number::new(scope, owner.number());
    let stream = script::call(scope, |script| &script.new_native_stream, &[end.into(), length, owner.into()])?;
    Ok(v8::Local::<v8::Object>::try_from(stream).expect("newNativeStream gives a stream"))
}

/// The reference's exception, if a stream that does I/O is another event's owner's.
pub(super) fn check_owner<'s>(scope: &mut v8::PinScope<'s, '_>, stream: v8::Local<'s, v8::Object>) -> Result<()> {
    script::call(scope, |script| &script.check_owner, &[stream.into()]).map(drop)
}

/// The native end of a stream, if all that is left of it is there.
pub(super) fn native_end<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    stream: v8::Local<'s, v8::Object>,
) -> Result<Option<&'s ReadableEnd>> {
    let end = script::call(scope, |script| &script.native_end, &[stream.into()])?;
    Ok(jsg::unwrap_value::<ReadableEnd>(scope, end))
}

pub(super) fn function<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    callback: v8::FunctionCallback,
    data: v8::Local<'s, v8::Value>,
) -> Result<v8::Local<'s, v8::Function>> {
    v8::Function::builder_raw(callback)
        .data(data)
        .constructor_behavior(v8::ConstructorBehavior::Throw)
        .build(scope)
        .ok_or(Error::Pending)
}
