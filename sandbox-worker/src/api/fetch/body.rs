//! The class `Body` that `Request` and `Response` extend (Fetch Standard, section 5.3).
//!
//! A body stays in Rust for as long as no script looks at its stream: bytes in memory, or a source that is pulled on demand. Only
//! the getter `body`, and bodies that scripts made from streams, involve JavaScript; what comes of them is taken from there again where
//! no script has read it.

use std::{cell::RefCell, rc::Rc};

use jsg::{Error, JsRef, Registry, Result};

use super::{
    consume::{Converted, Kind, consume_stream, convert_text},
    extract::Init,
    headers::HeaderList,
};
use crate::{
    api::streams::{Has, check_owner, is_disturbed, is_locked, native_end, stream_of},
    io::{Event, IoOwn, OwnedBy},
    isolate::script,
    streams::{
        memory::Memory,
        reading::Reading,
        source::{Broken, Source as _},
    },
};

pub(super) const USED: &str =
    "Body has already been used. It can only be used once. Use tee() first if you need to read it twice.";
pub(super) const LOCKED: &str = "This ReadableStream is currently locked to a reader.";

pub(super) const DISTURBED: &str =
    "This ReadableStream is disturbed (has already been read from), and cannot be used as a body.";

/// What an object has for a body.
#[derive(jsg::Trace)]
pub(super) enum State {
    /// The body is null.
    None,
    /// All of it, and nothing was read.
    Bytes(#[trace(skip)] Memory, #[trace(skip)] OwnedBy),
    /// Something else than script gives it, and nothing was read; its length, where that is known.
    Native(#[trace(skip)] IoOwn<Reading>, #[trace(skip)] Option<u64>),
    /// A `ReadableStream`, which knows whether it was read.
    Stream(JsRef<v8::Object>),
    /// Native code took it.
    Used,
}

/// A body on its way out of the isolate.
pub(super) enum Outgoing {
    None,
    Bytes(Memory),
    /// No script gives it; its length, where that is known.
    Native(Rc<Reading>, Option<u64>),
    /// A reader made by the built-in streams, and the length of the stream where that is known.
    Reader(v8::Global<v8::Value>, Option<u64>),
}

/// The class `Body`.
#[derive(jsg::Trace)]
pub struct Body {
    state: RefCell<State>,
    #[trace(skip)]
    headers: Rc<HeaderList>,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Body")
    }
}

#[jsg::class]
impl Body {
    #[getter]
    fn body<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<Option<v8::Local<'s, v8::Object>>> {
        self.stream(scope)
    }

    #[getter]
    fn body_used(&self, scope: &mut v8::PinScope<'_, '_>) -> Result<bool> {
        self.used(scope)
    }

    #[method(promise)]
    fn array_buffer<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Promise>> {
        self.consume(scope, Kind::ArrayBuffer, None)
    }

    #[method(promise)]
    fn bytes<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Promise>> {
        self.consume(scope, Kind::Bytes, None)
    }

    #[method(promise)]
    fn text<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Promise>> {
        self.consume(scope, Kind::Text, None)
    }

    #[method(promise)]
    fn json<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Promise>> {
        self.consume(scope, Kind::Json, None)
    }

    #[method(promise)]
    fn form_data<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Promise>> {
        let content_type = self.content_type();
        if self.used(scope)? {
            return Err(Error::type_error(USED));
        }
        if content_type.is_none() {
            return Err(Error::type_error("Parsing a Body as FormData requires a Content-Type header."));
        }
        self.consume(scope, Kind::FormData, content_type)
    }

    #[method(promise)]
    fn blob<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Promise>> {
        self.consume(scope, Kind::Blob, self.content_type())
    }
}

impl Body {
    pub(super) fn new<'s>(scope: &mut v8::PinScope<'s, '_>, init: Init<'s>, headers: Rc<HeaderList>) -> Self {
        let state = match init {
            Init::None => State::None,
            Init::Bytes(bytes) => State::Bytes(bytes.into(), OwnedBy::current(scope)),
            Init::Stream(stream) => State::Stream(JsRef::new(scope, stream)),
        };
        Body { state: RefCell::new(state), headers }
    }

    pub(super) fn with_state(state: State, headers: Rc<HeaderList>) -> Self {
        Body { state: RefCell::new(state), headers }
    }

    pub(super) fn headers(&self) -> &Rc<HeaderList> {
        &self.headers
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(&*self.state.borrow(), State::None)
    }

    /// No body, with a copy of the headers that can be changed.
    pub(super) fn copy_of_none(&self) -> Body {
        Body::with_state(State::None, HeaderList::new(self.headers.map.borrow().clone()))
    }

    fn content_type(&self) -> Option<String> {
        let map = self.headers.map.borrow();
        map.get(b"content-type").map(|value| String::from_utf8_lossy(&value).into_owned())
    }

    /// The stream, if the body is one by now.
    fn existing_stream<'s>(&self, scope: &v8::PinScope<'s, '_>) -> Option<v8::Local<'s, v8::Object>> {
        match &*self.state.borrow() {
            State::Stream(stream) => Some(stream.get(scope)),
            _ => None,
        }
    }

    fn set_stream(&self, scope: &v8::PinScope<'_, '_>, stream: v8::Local<'_, v8::Object>) {
        // Made before the cell is borrowed: making a reference may collect garbage.
        let stream = State::Stream(JsRef::new(scope, v8::Local::new(scope, stream)));
        self.state.replace(stream);
    }

    /// Fetch Standard, "body is unusable", without the part about locks.
    fn used(&self, scope: &mut v8::PinScope<'_, '_>) -> Result<bool> {
        if let Some(stream) = self.existing_stream(scope) {
            return is_disturbed(scope, stream);
        }
        Ok(matches!(&*self.state.borrow(), State::Used))
    }

    /// The stream of the body, made at the first call.
    pub(super) fn stream<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<Option<v8::Local<'s, v8::Object>>> {
        if let Some(stream) = self.existing_stream(scope) {
            return Ok(Some(stream));
        }
        if self.is_null() {
            return Ok(None);
        }
        // From here on the body lives in the stream alone.
        let stream = match self.state.replace(State::Used) {
            State::Bytes(memory, owner) => stream_of(scope, Has::Bytes(memory, owner), None)?,
            State::Native(source, length) => stream_of(scope, Has::Source(source), length)?,
            State::Used | State::None | State::Stream(_) => {
                let stream = script::call(scope, |script| &script.used_stream, &[])?;
                v8::Local::<v8::Object>::try_from(stream).expect("usedStream gives a stream")
            }
        };
        self.set_stream(scope, stream);
        Ok(Some(stream))
    }

    /// The reference's exception for what another event's owner has.
    fn check(&self, scope: &mut v8::PinScope<'_, '_>) -> Result<()> {
        match &*self.state.borrow() {
            State::Bytes(_, owner) => owner.check(scope),
            State::Native(source, _) => source.get(scope).map(|_| ()),
            State::None | State::Used | State::Stream(_) => Ok(()),
        }
    }

    /// Reads the body to its end (Fetch Standard, "consume body").
    fn consume<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        kind: Kind,
        content_type: Option<String>,
    ) -> Result<v8::Local<'s, v8::Promise>> {
        let event = Event::require(scope)?;
        let state = if let Some(stream) = self.existing_stream(scope) {
            check_owner(scope, stream)?;
            let Some(has) = take_to_consume(scope, stream)? else {
                return consume_stream(scope, stream, kind, content_type);
            };
            State::of(has, None)
        } else if self.is_null() {
            return jsg::resolved(scope, Converted { kind, content_type, bytes: Vec::new() });
        } else {
            self.check(scope)?;
            self.state.replace(State::Used)
        };
        match state {
            State::Bytes(memory, _) => match kind {
                Kind::Text | Kind::Json => {
                    let value = convert_text(scope, kind, &memory.read_to_end())?;
                    jsg::resolved(scope, value)
                }
                _ => jsg::resolved(scope, Converted { kind, content_type, bytes: memory.read_to_end().into() }),
            },
            State::Native(source, length) => {
                let source = source.get(scope)?;
                // What is outside of the isolate will answer; anybody else may be waiting too.
                let waits = (!source.is_outside()).then(|| event.context().waits());
                event.promise(scope, async move {
                    let collected = source.collect(length).await;
                    drop(waits);
                    Ok(Converted { kind, content_type, bytes: collected.map_err(Broken::into_script)? })
                })
            }
            State::Used | State::None | State::Stream(_) => Err(Error::type_error(USED)),
        }
    }

    /// Gives the body to another object; this one's is used from then on, and its stream, which stays the same object,
    /// locked. `used` and `locked` are the messages when the body cannot be given.
    pub(super) fn transfer(
        &self,
        scope: &mut v8::PinScope<'_, '_>,
        used: &'static str,
        locked: &'static str,
    ) -> Result<State> {
        if self.is_null() {
            return Ok(State::None);
        }
        if let Some(stream) = self.existing_stream(scope) {
            if is_disturbed(scope, stream)? {
                return Err(Error::type_error(used));
            }
            if is_locked(scope, stream)? {
                return Err(Error::type_error(locked));
            }
            check_owner(scope, stream)?;
            let has = native_end(scope, stream)?.map(|end| end.take(scope)).transpose()?;
            let length = expected_length(scope, stream)?;
            let moved = script::call(scope, |script| &script.move_stream, &[stream.into()])?;
            if let Some(has) = has {
                return Ok(State::of(has, length));
            }
            let moved = v8::Local::<v8::Object>::try_from(moved).expect("moveStream gives a stream");
            return Ok(State::Stream(JsRef::new(scope, moved)));
        }
        self.check(scope)?;
        match self.state.replace(State::Used) {
            State::Used => Err(Error::type_error(used)),
            state => Ok(state),
        }
    }

    /// The body for another object beside this one: both have the same stream.
    pub(super) fn share(&self, scope: &mut v8::PinScope<'_, '_>) -> Result<State> {
        if self.used(scope)? {
            return Err(Error::type_error(DISTURBED));
        }
        Ok(match self.stream(scope)? {
            Some(stream) => State::Stream(JsRef::new(scope, stream)),
            None => State::None,
        })
    }

    /// Fetch Standard, "clone a body".
    pub(super) fn duplicate(&self, scope: &mut v8::PinScope<'_, '_>) -> Result<State> {
        self.check(scope)?;
        if self.existing_stream(scope).is_none() {
            let (mine, other) = match self.state.replace(State::Used) {
                State::None => (State::None, State::None),
                State::Bytes(memory, owner) => (State::Bytes(memory.clone(), owner), State::Bytes(memory, owner)),
                State::Native(source, length) => {
                    let [mine, other] = Has::Source(source).tee(scope)?;
                    (State::of(mine, length), State::of(other, length))
                }
                // The reference's words, comma and all.
                State::Used | State::Stream(_) => {
                    return Err(Error::type_error("This ReadableStream is currently locked to a reader,"));
                }
            };
            self.state.replace(mine);
            return Ok(other);
        }
        let Some(stream) = self.stream(scope)? else { return Ok(State::None) };
        if is_locked(scope, stream)? {
            return Err(Error::type_error("This ReadableStream is currently locked to a reader,"));
        }
        check_owner(scope, stream)?;
        // The reference copies what is left of a body that was read in part.
        if is_disturbed(scope, stream)? {
            return Err(Error::type_error(USED));
        }
        let branches = script::call(scope, |script| &script.tee, &[stream.into()])?;
        let branches = v8::Local::<v8::Array>::try_from(branches).expect("tee gives two streams");
        let branch = |index| {
            let branch =
                branches.get_index(scope, index).and_then(|branch| v8::Local::<v8::Object>::try_from(branch).ok());
            branch.expect("tee gives two streams")
        };
        let (mine, other) = (branch(0), branch(1));
        self.set_stream(scope, mine);
        Ok(State::Stream(JsRef::new(scope, other)))
    }

    /// Takes the body for the wire.
    pub(super) fn outgoing(&self, scope: &mut v8::PinScope<'_, '_>) -> Result<Outgoing> {
        if let Some(stream) = self.existing_stream(scope) {
            if is_disturbed(scope, stream)? {
                return Err(Error::type_error(USED));
            }
            if is_locked(scope, stream)? {
                return Err(Error::type_error("The ReadableStream has been locked to a reader."));
            }
            check_owner(scope, stream)?;
            let has = native_end(scope, stream)?.map(|end| end.take(scope)).transpose()?;
            let reader = script::call(scope, |script| &script.acquire_reader, &[stream.into()])?;
            let length = expected_length(scope, stream)?;
            match has {
                Some(Has::Bytes(memory, _)) => return Ok(Outgoing::Bytes(memory)),
                Some(Has::Source(source)) => return Ok(Outgoing::Native(source.get(scope)?, length)),
                Some(Has::Nothing) | None => {}
            }
            return Ok(Outgoing::Reader(v8::Global::new(scope, reader), length));
        }
        if self.is_null() {
            return Ok(Outgoing::None);
        }
        self.check(scope)?;
        match self.state.replace(State::Used) {
            State::Bytes(memory, _) => Ok(Outgoing::Bytes(memory)),
            State::Native(source, length) => Ok(Outgoing::Native(source.get(scope)?, length)),
            State::Used | State::None | State::Stream(_) => Err(Error::type_error(USED)),
        }
    }
}

impl State {
    /// A body of what is left to be read.
    fn of(has: Has, length: Option<u64>) -> Self {
        match has {
            Has::Bytes(memory, owner) => State::Bytes(memory, owner),
            Has::Source(source) => State::Native(source, length),
            Has::Nothing => State::Used,
        }
    }
}

fn expected_length<'s>(scope: &mut v8::PinScope<'s, '_>, stream: v8::Local<'s, v8::Object>) -> Result<Option<u64>> {
    let length = script::call(scope, |script| &script.expected_length, &[stream.into()])?;
    Ok(v8::Local::<v8::Number>::try_from(length).ok().map(|length| length.value() as u64))
}

/// What is left of a stream that nobody has read or reads, if that is native. The stream is as if it was read to its end.
fn take_to_consume<'s>(scope: &mut v8::PinScope<'s, '_>, stream: v8::Local<'s, v8::Object>) -> Result<Option<Has>> {
    if is_disturbed(scope, stream)? || is_locked(scope, stream)? {
        return Ok(None);
    }
    let Some(end) = native_end(scope, stream)? else { return Ok(None) };
    script::call(scope, |script| &script.use_up, &[stream.into()])?;
    end.take(scope).map(Some)
}

/// Moves accessors: see `api::move_accessors_to_objects`.
pub(super) fn move_accessors_to_objects(scope: &mut v8::PinScope<'_, '_>) {
    Registry::move_to_objects(scope, <Body as jsg::Class>::info(), &["body", "bodyUsed"]);
}
