//! Exceptions that another worker is told of, and those that it tells of.

use bulkhead_ipc::{
    compatibility::Flag,
    failure::{MAX_CAUSES, MAX_PROPERTIES, Thrown},
};
use jsg::{Error, Result};

use super::structured_clone::{BUILT_IN_ERRORS, is_dom_exception, new_error};
use crate::isolate::{flags, script};

/// Own properties and names of one's own are told, and heard.
const ENHANCED: Flag = Flag::named("enhanced_error_serialization");

/// What another worker is told of an exception, whose text says what it is.
pub(crate) fn thrown<'s>(scope: &mut v8::PinScope<'s, '_>, exception: v8::Local<'s, v8::Value>, text: &str) -> Thrown {
    let is_error = exception.is_native_error() || exception.is_object();
    let (name, message) = match text.split_once(": ") {
        Some((name, message)) if is_error && !name.contains(char::is_whitespace) => (name, message),
        _ if exception.is_native_error() && !text.contains(char::is_whitespace) => (text, ""),
        _ => ("", text),
    };
    let mut thrown = Thrown { name: name.to_owned(), ..Thrown::plain(message) };
    let Ok(object) = v8::Local::<v8::Object>::try_from(exception) else { return thrown };
    thrown.dom = is_dom_exception(scope, object);
    let enhanced = flags::is_on(scope, ENHANCED);
    if !enhanced && !thrown.dom && !name.is_empty() && !BUILT_IN_ERRORS.contains(&name) {
        thrown = Thrown::plain(text);
    }
    if !exception.is_native_error() {
        return thrown;
    }
    // What getters throw is nobody's concern.
    v8::tc_scope!(let scope, scope);
    let is_true = |name: &str| {
        let key = jsg::string(scope, name);
        object.get(scope, key.into()).is_some_and(|value| value.boolean_value(scope))
    };
    thrown.overloaded = is_true("overloaded");
    thrown.retryable = (enhanced || !thrown.overloaded) && is_true("retryable");
    if enhanced && let Some((properties, cause)) = own_properties(scope, object, MAX_CAUSES) {
        (thrown.properties, thrown.cause) = (properties, cause.map(Box::new));
    }
    thrown
}

/// The own properties of an error as JSON, and its cause where that is an error. `None`: one of them cannot be told, so that none is.
fn own_properties<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    error: v8::Local<'s, v8::Object>,
    causes: usize,
) -> Option<(String, Option<Thrown>)> {
    let arguments = v8::GetPropertyNamesArgs {
        mode: v8::KeyCollectionMode::OwnOnly,
        property_filter: v8::PropertyFilter::SKIP_SYMBOLS,
        index_filter: v8::IndexFilter::IncludeIndices,
        key_conversion: v8::KeyConversionMode::ConvertToString,
    };
    let keys = error.get_own_property_names(scope, arguments)?;
    let (told, mut cause) = (v8::Object::new(scope), None);
    for index in 0..keys.length() {
        let key = keys.get_index(scope, index)?;
        let name = key.to_rust_string_lossy(scope);
        if matches!(name.as_str(), "stack" | "message" | "name" | "remote") {
            continue;
        }
        let value = error.get(scope, key)?;
        if value.is_function() || value.is_symbol() || value.is_big_int() || value == error {
            return None;
        }
        match v8::Local::<v8::Object>::try_from(value) {
            Ok(object) if name == "cause" && object.is_native_error() => {
                cause = Some(cause_of(scope, object, causes.checked_sub(1)?)?);
            }
            _ => drop(told.create_data_property(scope, v8::Local::<v8::Name>::try_from(key).ok()?, value)?),
        }
    }
    let json = v8::json::stringify(scope, told.into())?.to_rust_string_lossy(scope);
    if json.len() > MAX_PROPERTIES {
        return None;
    }
    Some((if json == "{}" { String::new() } else { json }, cause))
}

/// What is told of an error that another one has for its cause.
fn cause_of<'s>(scope: &mut v8::PinScope<'s, '_>, error: v8::Local<'s, v8::Object>, causes: usize) -> Option<Thrown> {
    let text = |name: &str| {
        let key = jsg::string(scope, name);
        Some(error.get(scope, key.into())?.to_string(scope)?.to_rust_string_lossy(scope))
    };
    let (name, message) = (text("name")?, text("message")?);
    let (properties, cause) = own_properties(scope, error, causes)?;
    Some(Thrown { name, properties, cause: cause.map(Box::new), ..Thrown::plain(message) })
}

/// An exception that another worker, or the supervisor, tells of.
pub(super) fn exception<'s>(scope: &mut v8::PinScope<'s, '_>, thrown: &Thrown) -> Result<v8::Local<'s, v8::Value>> {
    let enhanced = flags::is_on(scope, ENHANCED);
    let object = if thrown.dom {
        let (text, name) = (jsg::string(scope, &thrown.message).into(), jsg::string(scope, &thrown.name).into());
        let exception = script::call(scope, |script| &script.new_dom_exception, &[text, name])?;
        v8::Local::<v8::Object>::try_from(exception).map_err(|_| Error::Pending)?
    } else {
        error(scope, thrown, enhanced)?
    };
    // As in the reference, an error is one of both, unless all of it is told.
    let retryable = thrown.retryable && (enhanced || !thrown.overloaded);
    let set_true = |name: &str| {
        let (key, value) = (jsg::string(scope, name), v8::Boolean::new(scope, true));
        object.create_data_property(scope, key.into(), value.into()).ok_or(Error::Pending).map(drop)
    };
    for (name, is_true) in [("remote", thrown.remote), ("retryable", retryable), ("overloaded", thrown.overloaded)] {
        if is_true {
            set_true(name)?;
        }
    }
    Ok(object.into())
}

/// An error of a class of the language.
fn error<'s>(scope: &mut v8::PinScope<'s, '_>, thrown: &Thrown, enhanced: bool) -> Result<v8::Local<'s, v8::Object>> {
    let is_built_in = thrown.name.is_empty() || BUILT_IN_ERRORS.contains(&thrown.name.as_str());
    let message = if is_built_in || enhanced {
        jsg::string(scope, &thrown.message)
    } else {
        jsg::string(scope, &format!("{}: {}", thrown.name, thrown.message))
    };
    let error = new_error(scope, &thrown.name, message).ok_or(Error::Pending)?;
    if !is_built_in && enhanced {
        let (key, name) = (jsg::string(scope, "name"), jsg::string(scope, &thrown.name));
        error.create_data_property(scope, key.into(), name.into()).ok_or(Error::Pending)?;
    }
    if !enhanced {
        return Ok(error);
    }
    if let Some(cause) = &thrown.cause {
        let cause = exception(scope, cause)?;
        let key = jsg::string(scope, "cause");
        error.define_own_property(scope, key.into(), cause, v8::PropertyAttribute::DONT_ENUM);
    }
    if !thrown.properties.is_empty() {
        v8::tc_scope!(let scope, scope);
        let json = jsg::string(scope, &thrown.properties);
        // Who lies about it is not heard.
        let told = v8::json::parse(scope, json).and_then(|told| v8::Local::<v8::Object>::try_from(told).ok());
        if let Some(told) = told
            && let Some(keys) = told.get_own_property_names(scope, v8::GetPropertyNamesArgs::default())
        {
            for index in 0..keys.length() {
                let key = keys.get_index(scope, index).ok_or(Error::Pending)?;
                let value = told.get(scope, key).ok_or(Error::Pending)?;
                if let Ok(key) = v8::Local::<v8::Name>::try_from(key) {
                    error.create_data_property(scope, key, value).ok_or(Error::Pending)?;
                }
            }
        }
    }
    Ok(error)
}
