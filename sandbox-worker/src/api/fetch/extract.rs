//! What a script gives as a body (Fetch Standard, "extract a body").

use std::borrow::Cow;

use bulkhead_ipc::compatibility::Flag;
use bytes::Bytes;
use jsg::{Error, FromJs, Place, Result};

use super::{body::DISTURBED, header_map::push_utf8};
use crate::{
    api::{
        streams::{is_disturbed, is_locked},
        url::UrlSearchParams,
    },
    isolate::{flags, script},
};

const ITERABLES: Flag = Flag::named("fetch_iterable_type_support");
const OWN_TEXT: Flag = Flag::named("fetch_iterable_type_support_override_adjustment");

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
    if script::call(scope, |script| &script.is_readable_stream, &[object.into()])?.is_true() {
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
    if script::call(scope, |script| &script.is_blob, &[object.into()])?.is_true() {
        let bytes = script::call(scope, |script| &script.blob_bytes, &[object.into()])?;
        let content_type =
            script::call(scope, |script| &script.blob_type, &[object.into()])?.to_rust_string_lossy(scope);
        return Ok(Some(BodyInit {
            body: Init::Bytes(jsg::BufferSource(bytes).to_vec().into()),
            content_type: (!content_type.is_empty()).then_some(Cow::Owned(content_type)),
        }));
    }
    if script::call(scope, |script| &script.is_form_data, &[object.into()])?.is_true() {
        let form = script::call(scope, |script| &script.serialize_form_data, &[object.into()])?;
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
        let stream = script::call(scope, |script| &script.from_iterable, &[object.into()])?;
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
    Ok(!method.strict_equals(script::function(scope, |script| &script.object_to_string).into()))
}
