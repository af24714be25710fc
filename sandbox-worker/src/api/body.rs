//! The class `Body` that `Request` and `Response` extend (Fetch Standard, section 5.3), and what a body can be.
//!
//! A body stays in Rust for as long as no script looks at its stream: bytes in memory, or a capability of the supervisor
//! that is pulled on demand. Only the getter `body`, and bodies that scripts made from streams, involve JavaScript.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    rc::Rc,
};

use bulkhead_ipc::{compatibility::Flag, source::RESPONSE_SENT, worker_capnp::byte_source};
use bytes::Bytes;
use jsg::{Error, FromJs, JsRef, Place, Registry, Result, ToJs};

use super::{
    headers::{HeaderList, push_utf8},
    source,
    url_search_params::UrlSearchParams,
};
use crate::{
    io::{IoContext, IoOwn},
    isolate::{builtins, flags},
};

const STRIP_BOM: Flag = Flag::named("strip_bom_in_read_all_text");
const BLOB_TYPE: Flag = Flag::named("blob_standard_mime_type");
const ITERABLES: Flag = Flag::named("fetch_iterable_type_support");
const OWN_TEXT: Flag = Flag::named("fetch_iterable_type_support_override_adjustment");

/// Bytes asked for with one pull when nobody says how many are wanted.
const PULL_BYTES: u32 = 64 << 10;
/// Bytes asked for with one pull at most.
const MAX_PULL_BYTES: u32 = 256 << 10;
/// What is collected from one body into memory at most; V8 has no longer strings than this either.
const MAX_COLLECTED: usize = 512 << 20;

const USED: &str =
    "Body has already been used. It can only be used once. Use tee() first if you need to read it twice.";
pub(super) const LOCKED: &str = "This ReadableStream is currently locked to a reader.";

const DISTURBED: &str = "This ReadableStream is disturbed (has already been read from), and cannot be used as a body.";

/// A body that the supervisor has.
pub(super) struct WireSource {
    client: byte_source::Client,
    ended: Cell<bool>,
}

impl WireSource {
    /// The next bytes, or nothing at the end.
    async fn pull(&self, max_bytes: u32) -> Result<Option<Vec<u8>>> {
        while !self.ended.get() {
            let bytes = async {
                let response = source::pull(&self.client, max_bytes).await?;
                let results = response.get()?;
                self.ended.set(results.get_done());
                Ok::<_, capnp::Error>(results.get_bytes()?.to_vec())
            };
            let bytes = bytes.await.map_err(|error| {
                self.ended.set(true);
                match error.extra.contains(RESPONSE_SENT) {
                    true => Error::type_error(RESPONSE_SENT),
                    false => Error::error("Network connection lost."),
                }
            })?;
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// All of it. Nothing is set aside for what a client only announces.
    async fn collect(&self) -> Result<Vec<u8>> {
        let mut collected = Vec::new();
        let mut reserved = jsg::Reserved::default();
        while let Some(bytes) = self.pull(MAX_PULL_BYTES).await? {
            if collected.len() + bytes.len() > MAX_COLLECTED || !reserved.grow(bytes.len()) {
                return Err(Error::type_error("Memory limit exceeded before EOF."));
            }
            collected.extend_from_slice(&bytes);
        }
        Ok(collected)
    }
}

/// What an object has for a body.
#[derive(jsg::Trace)]
pub(super) enum State {
    /// The body is null.
    None,
    /// All of it, and nothing was read.
    Bytes(#[trace(skip)] Bytes),
    /// The supervisor has it, and nothing was read.
    Wire(#[trace(skip)] IoOwn<WireSource>, #[trace(skip)] Option<u64>),
    /// A `ReadableStream`, which knows whether it was read.
    Stream(JsRef<v8::Object>),
    /// Native code took it.
    Used,
}

/// A body on its way out of the isolate.
pub(super) enum Outgoing {
    None,
    Bytes(Bytes),
    /// The supervisor's own body goes back to it, untouched.
    Source(byte_source::Client, Option<u64>),
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
            Init::Bytes(bytes) => State::Bytes(bytes),
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
    fn stream<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<Option<v8::Local<'s, v8::Object>>> {
        if let Some(stream) = self.existing_stream(scope) {
            return Ok(Some(stream));
        }
        if self.is_null() {
            return Ok(None);
        }
        // From here on the body lives in the stream alone.
        let stream = match self.state.replace(State::Used) {
            State::Bytes(bytes) => stream_of_bytes(scope, bytes)?,
            State::Wire(source, length) => stream_of_source(scope, source, length)?,
            State::Used | State::None | State::Stream(_) => {
                let stream = builtins::call(scope, "usedStream", &[])?;
                v8::Local::<v8::Object>::try_from(stream).expect("usedStream gives a stream")
            }
        };
        self.set_stream(scope, stream);
        Ok(Some(stream))
    }

    /// Reads the body to its end (Fetch Standard, "consume body").
    fn consume<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        kind: Kind,
        content_type: Option<String>,
    ) -> Result<v8::Local<'s, v8::Promise>> {
        let context = IoContext::require(scope)?;
        if let Some(stream) = self.existing_stream(scope) {
            return consume_stream(scope, stream, kind, content_type);
        }
        if self.is_null() {
            return resolved(scope, Converted { kind, content_type, bytes: Vec::new() });
        }
        match self.state.replace(State::Used) {
            State::Bytes(bytes) => match kind {
                Kind::Text | Kind::Json => {
                    let value = convert_text(scope, kind, &bytes)?;
                    resolved(scope, value)
                }
                _ => resolved(scope, Converted { kind, content_type, bytes: bytes.into() }),
            },
            State::Wire(source, _) => {
                let source = source.get(scope)?;
                context.promise(scope, async move {
                    let bytes = source.collect().await?;
                    Ok(Converted { kind, content_type, bytes })
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
            let moved = builtins::call(scope, "moveStream", &[stream.into()])?;
            if let Some(origin) = Origin::of(scope, stream) {
                let bytes = origin.bytes.borrow_mut().take();
                let source = origin.source.borrow_mut().take();
                let state = bytes.map(State::Bytes).or_else(|| source.map(|source| State::Wire(source, origin.length)));
                if let Some(state) = state {
                    return Ok(state);
                }
            }
            let moved = v8::Local::<v8::Object>::try_from(moved).expect("moveStream gives a stream");
            return Ok(State::Stream(JsRef::new(scope, moved)));
        }
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
        match &*self.state.borrow() {
            State::None => return Ok(State::None),
            State::Bytes(bytes) => return Ok(State::Bytes(bytes.clone())),
            // The reference's words, comma and all.
            State::Used => return Err(Error::type_error("This ReadableStream is currently locked to a reader,")),
            State::Wire(..) | State::Stream(_) => {}
        }
        let Some(stream) = self.stream(scope)? else { return Ok(State::None) };
        if is_locked(scope, stream)? {
            return Err(Error::type_error("This ReadableStream is currently locked to a reader,"));
        }
        // The reference copies what is left of a body that was read in part.
        if is_disturbed(scope, stream)? {
            return Err(Error::type_error(USED));
        }
        let branches = builtins::call(scope, "tee", &[stream.into()])?;
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
            let reader = builtins::call(scope, "acquireReader", &[stream.into()])?;
            // A stream over what native code has, and nobody read from it: the stream is not needed.
            if let Some(origin) = Origin::of(scope, stream) {
                if let Some(bytes) = origin.bytes.borrow_mut().take() {
                    return Ok(Outgoing::Bytes(bytes));
                }
                let source = origin.source.borrow_mut().take();
                if let Some(source) = source {
                    let source = source.get(scope)?;
                    return Ok(Outgoing::Source(source.client.clone(), origin.length));
                }
            }
            let length = builtins::call(scope, "expectedLength", &[stream.into()])?;
            let length = v8::Local::<v8::Number>::try_from(length).ok().map(|length| length.value() as u64);
            return Ok(Outgoing::Reader(v8::Global::new(scope, reader), length));
        }
        if self.is_null() {
            return Ok(Outgoing::None);
        }
        match self.state.replace(State::Used) {
            State::Bytes(bytes) => Ok(Outgoing::Bytes(bytes)),
            State::Wire(source, length) => {
                let source = source.get(scope)?;
                Ok(Outgoing::Source(source.client.clone(), length))
            }
            State::Used | State::None | State::Stream(_) => Err(Error::type_error(USED)),
        }
    }
}

/// A body that the supervisor has, as the state of a new object.
pub(super) fn wire_state(context: &Rc<IoContext>, client: byte_source::Client, length: Option<u64>) -> State {
    State::Wire(IoOwn::new(context, WireSource { client, ended: Cell::new(false) }), length)
}

fn is_disturbed<'s>(scope: &mut v8::PinScope<'s, '_>, stream: v8::Local<'s, v8::Object>) -> Result<bool> {
    Ok(builtins::call(scope, "isDisturbed", &[stream.into()])?.is_true())
}

fn is_locked<'s>(scope: &mut v8::PinScope<'s, '_>, stream: v8::Local<'s, v8::Object>) -> Result<bool> {
    Ok(builtins::call(scope, "isLocked", &[stream.into()])?.is_true())
}

// ------------------------------------------------------------------------------------------------ streams over Rust

/// What stands behind a stream that native code made, under a private name of the stream object.
#[derive(jsg::Trace)]
struct Origin {
    #[trace(skip)]
    bytes: RefCell<Option<Bytes>>,
    #[trace(skip)]
    source: RefCell<Option<IoOwn<WireSource>>>,
    #[trace(skip)]
    length: Option<u64>,
}

#[jsg::class]
impl Origin {}

impl Origin {
    fn name<'s>(scope: &v8::PinScope<'s, '_>) -> v8::Local<'s, v8::Private> {
        let name = jsg::string(scope, "bulkhead:origin");
        v8::Private::for_api(scope, Some(name))
    }

    fn of<'s>(scope: &mut v8::PinScope<'s, '_>, stream: v8::Local<'s, v8::Object>) -> Option<&'s Origin> {
        let name = Self::name(scope);
        let origin = stream.get_private(scope, name)?;
        jsg::unwrap_value(scope, origin)
    }
}

/// What a promise for bytes is fulfilled with: an array would be asked for its `then`, which scripts can put on
/// `Object.prototype`; this inherits nothing.
struct Pulled(Vec<u8>);

impl<'s> ToJs<'s> for Pulled {
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        let bytes = jsg::Uint8ArrayBytes(self.0).to_js(scope)?;
        let name = jsg::string(scope, "bytes");
        let null = v8::null(scope);
        Ok(v8::Object::with_prototype_and_properties(scope, null.into(), &[name.into()], &[bytes]).into())
    }
}

fn stream_of_bytes<'s>(scope: &mut v8::PinScope<'s, '_>, bytes: Bytes) -> Result<v8::Local<'s, v8::Object>> {
    let array = jsg::Uint8ArrayBytes(bytes.to_vec()).to_js(scope)?;
    let stream = builtins::call(scope, "fromBytes", &[array])?;
    let stream = v8::Local::<v8::Object>::try_from(stream).expect("fromBytes gives a stream");
    let length = Some(bytes.len() as u64);
    let origin = Origin { bytes: RefCell::new(Some(bytes)), source: RefCell::default(), length };
    let origin = jsg::instantiate(scope, origin)?;
    let name = Origin::name(scope);
    stream.set_private(scope, name, origin.into());
    Ok(stream)
}

fn stream_of_source<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    source: IoOwn<WireSource>,
    length: Option<u64>,
) -> Result<v8::Local<'s, v8::Object>> {
    fn pull<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        arguments: v8::FunctionCallbackArguments<'s>,
        mut rv: v8::ReturnValue<'s, v8::Value>,
    ) {
        let wanted = arguments.get(0).number_value(scope).unwrap_or(0.0);
        let wanted = if wanted >= 1.0 { (wanted as u32).min(MAX_PULL_BYTES) } else { PULL_BYTES };
        let result = (|| {
            let context = IoContext::require(scope)?;
            let origin = jsg::unwrap_value::<Origin>(scope, arguments.data()).ok_or(jsg::Illegal)?;
            let source = origin.source.borrow().as_ref().map(|source| source.get(scope)).transpose()?;
            let Some(source) = source.filter(|source| !source.ended.get()) else { return Ok(None) };
            let pulled = async move { Ok(jsg::OrUndefined(source.pull(wanted).await?.map(Pulled))) };
            context.promise(scope, pulled).map(Some)
        })();
        match result {
            Ok(Some(promise)) => rv.set(promise.into()),
            Ok(None) => rv.set_undefined(),
            Err(error) => Error::throw(&error, scope),
        }
    }
    fn cancel<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        arguments: v8::FunctionCallbackArguments<'s>,
        _: v8::ReturnValue<'s, v8::Value>,
    ) {
        // Dropping the capability tells the supervisor.
        if let Some(origin) = jsg::unwrap_value::<Origin>(scope, arguments.data()) {
            origin.source.borrow_mut().take();
        }
    }
    let origin = Origin { bytes: RefCell::default(), source: RefCell::new(Some(source)), length };
    let origin = jsg::instantiate(scope, origin)?;
    let pull = function(scope, v8::MapFnTo::map_fn_to(pull), origin.into())?;
    let cancel = function(scope, v8::MapFnTo::map_fn_to(cancel), origin.into())?;
    let length = match length {
        Some(length) => v8::Number::new(scope, length as f64).into(),
        None => v8::undefined(scope).into(),
    };
    let stream = builtins::call(scope, "newSourceStream", &[pull.into(), cancel.into(), length])?;
    let stream = v8::Local::<v8::Object>::try_from(stream).expect("newSourceStream gives a stream");
    let name = Origin::name(scope);
    stream.set_private(scope, name, origin.into());
    Ok(stream)
}

fn function<'s>(
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

// ------------------------------------------------------------------------------------------------------- conversions

/// What a consumed body becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    ArrayBuffer,
    Bytes,
    Text,
    Json,
    Blob,
    FormData,
}

/// Collected bytes and what they are to become.
#[derive(Debug)]
struct Converted {
    kind: Kind,
    content_type: Option<String>,
    bytes: Vec<u8>,
}

impl<'s> ToJs<'s> for Converted {
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        match self.kind {
            Kind::ArrayBuffer => jsg::ArrayBufferBytes(self.bytes).to_js(scope),
            Kind::Bytes => jsg::Uint8ArrayBytes(self.bytes).to_js(scope),
            Kind::Text | Kind::Json => convert_text(scope, self.kind, &self.bytes),
            Kind::Blob => {
                let bytes = jsg::Uint8ArrayBytes(self.bytes).to_js(scope)?;
                let content_type = if flags::is_on(scope, BLOB_TYPE) {
                    self.content_type.as_deref().and_then(mime_type).unwrap_or_default()
                } else {
                    self.content_type.unwrap_or_default()
                };
                let content_type = jsg::string(scope, &content_type);
                builtins::call(scope, "newBlob", &[bytes, content_type.into()])
            }
            Kind::FormData => {
                if let Some(parsed) = self.content_type.as_deref().and_then(mime_type)
                    && let Some(parameters) = parsed.strip_prefix("application/x-www-form-urlencoded")
                    && let Some((_, charset)) = parameters.split_once(";charset=")
                    && !charset.trim_matches('"').to_ascii_lowercase().starts_with("utf-8")
                {
                    return Err(Error::type_error("Non-utf-8 application/x-www-form-urlencoded body."));
                }
                let bytes = jsg::Uint8ArrayBytes(self.bytes).to_js(scope)?;
                let content_type = jsg::string(scope, &self.content_type.unwrap_or_default());
                builtins::call(scope, "parseFormData", &[bytes, content_type.into()])
            }
        }
    }
}

/// Parameters of a MIME type that are looked at: each is compared with all before it.
const MAX_PARAMETERS: usize = 1000;

/// MIME Sniffing Standard, "parse a MIME type" and "serialize a MIME type": names in lower case, no superfluous white
/// space. `None` for what is no MIME type.
fn mime_type(text: &str) -> Option<String> {
    let is_token = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    let space = ['\t', '\n', '\r', ' '];
    let text = text.trim_matches(space);
    let (essence, mut rest) = text.split_once(';').unwrap_or((text, ""));
    let (kind, subtype) = essence.trim_end_matches(space).split_once('/')?;
    if !is_token(kind) || !is_token(subtype) {
        return None;
    }
    let mut parsed = format!("{}/{}", kind.to_ascii_lowercase(), subtype.to_ascii_lowercase());
    let mut seen: Vec<String> = Vec::new();
    while !rest.is_empty() && seen.len() < MAX_PARAMETERS {
        rest = rest.trim_start_matches(space);
        let end = rest.find([';', '=']).unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        rest = &rest[end..];
        let Some(after) = rest.strip_prefix('=') else {
            rest = rest.strip_prefix(';').unwrap_or("");
            continue;
        };
        let mut value = String::new();
        if let Some(quoted) = after.strip_prefix('"') {
            let mut characters = quoted.char_indices();
            let mut end = quoted.len();
            while let Some((at, character)) = characters.next() {
                match character {
                    '"' => {
                        end = at;
                        break;
                    }
                    '\\' => value.push(characters.next().map_or('\\', |(_, escaped)| escaped)),
                    character => value.push(character),
                }
            }
            rest = quoted[end..].split_once(';').map_or("", |(_, rest)| rest);
        } else {
            let (plain, more) = after.split_once(';').unwrap_or((after, ""));
            rest = more;
            value.push_str(plain.trim_end_matches(space));
            if value.is_empty() {
                continue;
            }
        }
        let is_quotable = |character: char| matches!(character, '\t' | ' '..='~' | '\u{80}'..='\u{ff}');
        if !is_token(&name) || !value.chars().all(is_quotable) || seen.contains(&name) {
            continue;
        }
        parsed.push(';');
        parsed.push_str(&name);
        parsed.push('=');
        if is_token(&value) {
            parsed.push_str(&value);
        } else {
            parsed.push('"');
            for character in value.chars() {
                if matches!(character, '"' | '\\') {
                    parsed.push('\\');
                }
                parsed.push(character);
            }
            parsed.push('"');
        }
        seen.push(name);
    }
    Some(parsed)
}

/// Encoding Standard, "UTF-8 decode", then what `kind` asks for.
fn convert_text<'s>(scope: &mut v8::PinScope<'s, '_>, kind: Kind, bytes: &[u8]) -> Result<v8::Local<'s, v8::Value>> {
    let bytes = match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) if flags::is_on(scope, STRIP_BOM) => rest,
        _ => bytes,
    };
    let text = if bytes.is_ascii() {
        v8::String::new_from_one_byte(scope, bytes, v8::NewStringType::Normal)
    } else {
        v8::String::new_from_utf8(scope, bytes, v8::NewStringType::Normal)
    };
    let text = text.ok_or_else(|| Error::range_error("Invalid string length"))?;
    if kind == Kind::Json { v8::json::parse(scope, text).ok_or(Error::Pending) } else { Ok(text.into()) }
}

fn resolved<'s>(scope: &mut v8::PinScope<'s, '_>, value: impl ToJs<'s>) -> Result<v8::Local<'s, v8::Promise>> {
    let value = value.to_js(scope)?;
    let resolver = v8::PromiseResolver::new(scope).ok_or(Error::Pending)?;
    resolver.resolve(scope, value);
    Ok(resolver.get_promise(scope))
}

/// What the bytes of a stream are to become, kept by the function that converts them.
#[derive(jsg::Trace)]
struct Conversion {
    #[trace(skip)]
    kind: Kind,
    #[trace(skip)]
    content_type: Option<String>,
}

#[jsg::class]
impl Conversion {}

fn consume_stream<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    stream: v8::Local<'s, v8::Object>,
    kind: Kind,
    content_type: Option<String>,
) -> Result<v8::Local<'s, v8::Promise>> {
    fn collected<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        arguments: v8::FunctionCallbackArguments<'s>,
        rv: v8::ReturnValue<'s, v8::Value>,
    ) {
        let Some(conversion) = jsg::unwrap_value::<Conversion>(scope, arguments.data()) else { return };
        let bytes = jsg::BufferSource(arguments.get(0)).to_vec();
        let content_type = conversion.content_type.clone();
        let converted = Converted { kind: conversion.kind, content_type, bytes }.to_js(scope);
        jsg::glue::finish(scope, rv, converted);
    }
    if is_disturbed(scope, stream)? {
        return Err(Error::type_error(USED));
    }
    if is_locked(scope, stream)? {
        return Err(Error::type_error(LOCKED));
    }
    let limit = v8::Number::new(scope, MAX_COLLECTED as f64).into();
    let convert = if kind == Kind::Bytes {
        v8::undefined(scope).into()
    } else {
        let conversion = jsg::instantiate(scope, Conversion { kind, content_type })?;
        function(scope, v8::MapFnTo::map_fn_to(collected), conversion.into())?.into()
    };
    let promise = builtins::call(scope, "collect", &[stream.into(), limit, convert])?;
    Ok(v8::Local::<v8::Promise>::try_from(promise).expect("collect gives a promise"))
}

// -------------------------------------------------------------------------------------------------------- extraction

/// What a script gave as a body.
#[derive(Debug)]
pub(super) enum Init<'s> {
    None,
    Bytes(Bytes),
    Stream(v8::Local<'s, v8::Object>),
}

/// `BodyInit?`, extracted (Fetch Standard, "extract a body"): the body and the content type that comes with it.
#[derive(Debug)]
pub(super) struct BodyInit<'s> {
    pub(super) body: Init<'s>,
    pub(super) content_type: Option<Cow<'static, str>>,
}

impl<'s> BodyInit<'s> {
    pub(super) const NONE: Self = BodyInit { body: Init::None, content_type: None };

    /// A body of text.
    pub(super) fn text(scope: &v8::PinScope<'s, '_>, text: v8::Local<'s, v8::String>) -> Self {
        let mut bytes = Vec::new();
        push_utf8(scope, text, &mut bytes);
        BodyInit { body: Init::Bytes(bytes.into()), content_type: Some(Cow::Borrowed("text/plain;charset=UTF-8")) }
    }

    /// Whether there are bytes, or may be some.
    pub(super) fn is_empty(&self) -> bool {
        match &self.body {
            Init::None => true,
            Init::Bytes(bytes) => bytes.is_empty(),
            Init::Stream(_) => false,
        }
    }
}

impl<'s> FromJs<'s> for BodyInit<'s> {
    fn expected() -> Cow<'static, str> {
        "ReadableStream or string or ArrayBuffer or ArrayBufferView or Blob or URLSearchParams or FormData".into()
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, _: Place<'_>) -> Result<Self> {
        if let Ok(text) = v8::Local::<v8::String>::try_from(value) {
            return Ok(Self::text(scope, text));
        }
        if value.is_null_or_undefined() {
            return Ok(Self::NONE);
        }
        if value.is_array_buffer() || value.is_array_buffer_view() {
            let bytes = jsg::BufferSource(value).to_vec();
            return Ok(BodyInit { body: Init::Bytes(bytes.into()), content_type: None });
        }
        if let Ok(object) = v8::Local::<v8::Object>::try_from(value)
            && !value.is_string_object()
            && let Some(init) = extract_object(scope, object)?
        {
            return Ok(init);
        }
        let text = value.to_string(scope).ok_or(Error::Pending)?;
        Ok(Self::text(scope, text))
    }
}

fn extract_object<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    object: v8::Local<'s, v8::Object>,
) -> Result<Option<BodyInit<'s>>> {
    if builtins::call(scope, "isReadableStream", &[object.into()])?.is_true() {
        if is_disturbed(scope, object)? {
            return Err(Error::type_error(DISTURBED));
        }
        if is_locked(scope, object)? {
            return Err(Error::type_error("This ReadableStream is locked to a reader, and cannot be used as a body."));
        }
        return Ok(Some(BodyInit { body: Init::Stream(object), content_type: None }));
    }
    if let Some(params) = jsg::unwrap::<UrlSearchParams>(scope, object) {
        return Ok(Some(BodyInit {
            body: Init::Bytes(params.serialize().into()),
            content_type: Some(Cow::Borrowed("application/x-www-form-urlencoded;charset=UTF-8")),
        }));
    }
    if builtins::call(scope, "isBlob", &[object.into()])?.is_true() {
        let bytes = builtins::call(scope, "blobBytes", &[object.into()])?;
        let content_type = builtins::call(scope, "blobType", &[object.into()])?.to_rust_string_lossy(scope);
        return Ok(Some(BodyInit {
            body: Init::Bytes(jsg::BufferSource(bytes).to_vec().into()),
            content_type: (!content_type.is_empty()).then_some(Cow::Owned(content_type)),
        }));
    }
    if builtins::call(scope, "isFormData", &[object.into()])?.is_true() {
        let form = builtins::call(scope, "serializeFormData", &[object.into()])?;
        let form = v8::Local::<v8::Object>::try_from(form).expect("serializeFormData gives an object");
        let key = jsg::string(scope, "bytes");
        let bytes = form.get(scope, key.into()).ok_or(Error::Pending)?;
        let key = jsg::string(scope, "contentType");
        let content_type = form.get(scope, key.into()).ok_or(Error::Pending)?.to_rust_string_lossy(scope);
        return Ok(Some(BodyInit {
            body: Init::Bytes(jsg::BufferSource(bytes).to_vec().into()),
            content_type: Some(Cow::Owned(content_type)),
        }));
    }
    if !flags::is_on(scope, ITERABLES) {
        return Ok(None);
    }
    let is_iterable = |scope: &mut v8::PinScope<'s, '_>, symbol: v8::Local<'s, v8::Symbol>| {
        object.get(scope, symbol.into()).map(|method| method.is_function()).ok_or(Error::Pending)
    };
    let asynchronous = v8::Symbol::get_async_iterator(scope);
    let synchronous = v8::Symbol::get_iterator(scope);
    if is_iterable(scope, asynchronous)?
        || (is_iterable(scope, synchronous)? && !(flags::is_on(scope, OWN_TEXT) && has_own_text(scope, object)?))
    {
        let stream = builtins::call(scope, "fromIterable", &[object.into()])?;
        let stream = v8::Local::<v8::Object>::try_from(stream).expect("fromIterable gives a stream");
        return Ok(Some(BodyInit { body: Init::Stream(stream), content_type: None }));
    }
    Ok(None)
}

/// Whether an object says itself what it is as text, in another way than any object does. An array does not.
fn has_own_text<'s>(scope: &mut v8::PinScope<'s, '_>, object: v8::Local<'s, v8::Object>) -> Result<bool> {
    if object.is_array() {
        return Ok(false);
    }
    let symbol = v8::Symbol::get_to_primitive(scope);
    if !object.get(scope, symbol.into()).ok_or(Error::Pending)?.is_null_or_undefined() {
        return Ok(true);
    }
    let key = jsg::string(scope, "toString");
    let method = object.get(scope, key.into()).ok_or(Error::Pending)?;
    Ok(!method.strict_equals(builtins::value(scope, "objectToString")))
}

/// Exposes `Body`.
pub(super) fn expose(scope: &mut v8::PinScope<'_, '_>, target: v8::Local<'_, v8::Object>) {
    Registry::expose::<Body>(scope, target);
}

/// Moves accessors: see `api::move_accessors_to_objects`.
pub(super) fn move_accessors_to_objects(scope: &mut v8::PinScope<'_, '_>) {
    Registry::move_to_objects(scope, <Body as jsg::Class>::info(), &["body", "bodyUsed"]);
}

#[cfg(test)]
mod tests {
    use super::mime_type;

    #[test]
    fn mime_types_are_normalized() {
        let cases = [
            ("Text/X; A=B", Some("text/x;a=B")),
            ("nope", None),
            ("", None),
            ("a/", None),
            ("a b/c", None),
            (" text/plain\t", Some("text/plain")),
            ("text/plain ; charset=UTF-8", Some("text/plain;charset=UTF-8")),
            ("a/b;c", Some("a/b")),
            ("a/b;c=", Some("a/b")),
            ("a/b;c=;d=e", Some("a/b;d=e")),
            ("a/b;c=1;C=2", Some("a/b;c=1")),
            ("a/b;c=\"x y\"; d=z", Some("a/b;c=\"x y\";d=z")),
            ("a/b;c=\"x\\\"y\"", Some("a/b;c=\"x\\\"y\"")),
            ("a/b;c=\"plain\"", Some("a/b;c=plain")),
            ("a/b;c=\"\"", Some("a/b;c=\"\"")),
            ("a/b;c=\"open", Some("a/b;c=open")),
            ("a/b;;;c=d", Some("a/b;c=d")),
        ];
        for (text, expected) in cases {
            assert_eq!(mime_type(text).as_deref(), expected, "{text}");
        }
    }
}
