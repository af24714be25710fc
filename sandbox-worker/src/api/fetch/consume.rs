//! Reading a body to its end, and what becomes of the bytes (Fetch Standard, "consume body").

use bulkhead_ipc::compatibility::Flag;
use jsg::{Error, Result, ToJs};

use super::{
    body::{LOCKED, USED},
    mime::mime_type,
};
use crate::{
    api::streams::{function, is_disturbed, is_locked},
    isolate::{flags, script},
    streams::MAX_COLLECTED,
};

const STRIP_BOM: Flag = Flag::named("strip_bom_in_read_all_text");
const BLOB_TYPE: Flag = Flag::named("blob_standard_mime_type");

/// What a consumed body becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    ArrayBuffer,
    Bytes,
    Text,
    Json,
    Blob,
    FormData,
}

/// Collected bytes and what they are to become.
#[derive(Debug)]
pub(super) struct Converted {
    pub(super) kind: Kind,
    pub(super) content_type: Option<String>,
    pub(super) bytes: Vec<u8>,
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
                script::call(scope, |script| &script.new_blob, &[bytes, content_type.into()])
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
                script::call(scope, |script| &script.parse_form_data, &[bytes, content_type.into()])
            }
        }
    }
}

/// Encoding Standard, "UTF-8 decode", then what `kind` asks for.
pub(super) fn convert_text<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    kind: Kind,
    bytes: &[u8],
) -> Result<v8::Local<'s, v8::Value>> {
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

/// What the bytes of a stream are to become, kept by the function that converts them.
#[derive(jsg::Trace)]
pub(in crate::api) struct Conversion {
    #[trace(skip)]
    kind: Kind,
    #[trace(skip)]
    content_type: Option<String>,
}

#[jsg::class]
impl Conversion {}

pub(super) fn consume_stream<'s>(
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
    let promise = script::call(scope, |script| &script.collect, &[stream.into(), limit, convert])?;
    Ok(v8::Local::<v8::Promise>::try_from(promise).expect("collect gives a promise"))
}
