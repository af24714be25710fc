//! `ReadableStream` objects over what native code has. The class itself is written in JavaScript (`js/streams.js`).

use std::cell::RefCell;

use bytes::Bytes;
use jsg::{Error, Result, ToJs};

use crate::{
    io::{Event, IoOwn, OwnedBy},
    isolate::script,
    streams::{MAX_PULL_BYTES, PULL_BYTES, wire::WireSource},
};

pub(super) fn is_disturbed<'s>(scope: &mut v8::PinScope<'s, '_>, stream: v8::Local<'s, v8::Object>) -> Result<bool> {
    Ok(script::call(scope, |script| &script.is_disturbed, &[stream.into()])?.is_true())
}

pub(super) fn is_locked<'s>(scope: &mut v8::PinScope<'s, '_>, stream: v8::Local<'s, v8::Object>) -> Result<bool> {
    Ok(script::call(scope, |script| &script.is_locked, &[stream.into()])?.is_true())
}

/// What stands behind a stream that native code made, under a private name of the stream object.
#[derive(jsg::Trace)]
pub(super) struct Origin {
    #[trace(skip)]
    pub(super) bytes: RefCell<Option<Bytes>>,
    #[trace(skip)]
    pub(super) source: RefCell<Option<IoOwn<WireSource>>>,
    #[trace(skip)]
    pub(super) length: Option<u64>,
    /// Whose the bytes are.
    #[trace(skip)]
    pub(super) owner: OwnedBy,
}

#[jsg::class]
impl Origin {}

impl Origin {
    fn name<'s>(scope: &v8::PinScope<'s, '_>) -> v8::Local<'s, v8::Private> {
        let name = jsg::string(scope, "bulkhead:origin");
        v8::Private::for_api(scope, Some(name))
    }

    pub(super) fn of<'s>(scope: &mut v8::PinScope<'s, '_>, stream: v8::Local<'s, v8::Object>) -> Option<&'s Origin> {
        let name = Self::name(scope);
        let origin = stream.get_private(scope, name)?;
        jsg::unwrap_value(scope, origin)
    }

    /// The reference's exception, if native code made the stream for another event's owner.
    pub(super) fn check<'s>(scope: &mut v8::PinScope<'s, '_>, stream: v8::Local<'s, v8::Object>) -> Result<()> {
        let Some(origin) = Self::of(scope, stream) else { return Ok(()) };
        origin.owner.check(scope)?;
        match &*origin.source.borrow() {
            Some(source) => source.get(scope).map(|_| ()),
            None => Ok(()),
        }
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

pub(super) fn stream_of_bytes<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    bytes: Bytes,
    owner: OwnedBy,
) -> Result<v8::Local<'s, v8::Object>> {
    let array = jsg::Uint8ArrayBytes(bytes.to_vec()).to_js(scope)?;
    let stream = script::call(scope, |script| &script.from_bytes, &[array])?;
    let stream = v8::Local::<v8::Object>::try_from(stream).expect("fromBytes gives a stream");
    let length = Some(bytes.len() as u64);
    let origin = Origin { bytes: RefCell::new(Some(bytes)), source: RefCell::default(), length, owner };
    let origin = jsg::instantiate(scope, origin)?;
    let name = Origin::name(scope);
    stream.set_private(scope, name, origin.into());
    Ok(stream)
}

pub(super) fn stream_of_source<'s>(
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
        let wanted = if wanted >= 1.0 { (wanted as usize).min(MAX_PULL_BYTES) } else { PULL_BYTES };
        let result = (|| {
            let event = Event::require(scope)?;
            let origin = jsg::unwrap_value::<Origin>(scope, arguments.data()).ok_or(jsg::Illegal)?;
            let source = origin.source.borrow().as_ref().map(|source| source.get(scope)).transpose()?;
            let Some(source) = source.filter(|source| !source.is_ended()) else { return Ok(None) };
            let pulled = async move { Ok(jsg::OrUndefined(source.read(wanted).await?.map(Pulled))) };
            event.promise(scope, pulled).map(Some)
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
    let origin =
        Origin { bytes: RefCell::default(), source: RefCell::new(Some(source)), length, owner: OwnedBy::default() };
    let origin = jsg::instantiate(scope, origin)?;
    let pull = function(scope, v8::MapFnTo::map_fn_to(pull), origin.into())?;
    let cancel = function(scope, v8::MapFnTo::map_fn_to(cancel), origin.into())?;
    let length = match length {
        Some(length) => v8::Number::new(scope, length as f64).into(),
        None => v8::undefined(scope).into(),
    };
    let stream = script::call(scope, |script| &script.new_source_stream, &[pull.into(), cancel.into(), length])?;
    let stream = v8::Local::<v8::Object>::try_from(stream).expect("newSourceStream gives a stream");
    let name = Origin::name(scope);
    stream.set_private(scope, name, origin.into());
    Ok(stream)
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
