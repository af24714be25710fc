//! `setTimeout`, `setInterval` and their kin (HTML, "timers").

use jsg::{Error, OrUndefined, Rest, Result};

use crate::io::IoContext;

#[derive(jsg::Trace)]
pub(super) struct Timers;

/// The functions of this class are copied to the global object; the class itself is not visible.
#[jsg::class(name = "ServiceWorkerGlobalScope")]
impl Timers {
    #[static_method]
    fn set_timeout<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        callback: Option<v8::Local<'s, v8::Value>>,
        delay: Option<f64>,
        arguments: Rest<v8::Local<'s, v8::Value>>,
    ) -> Result<u32> {
        set(scope, callback, delay, &arguments.0, false)
    }

    #[static_method]
    fn set_interval<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        callback: Option<v8::Local<'s, v8::Value>>,
        delay: Option<f64>,
        arguments: Rest<v8::Local<'s, v8::Value>>,
    ) -> Result<u32> {
        set(scope, callback, delay, &arguments.0, true)
    }

    #[static_method]
    fn clear_timeout<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        id: Option<v8::Local<'s, v8::Value>>,
    ) -> Result<OrUndefined<bool>> {
        clear(scope, id)
    }

    #[static_method]
    fn clear_interval<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        id: Option<v8::Local<'s, v8::Value>>,
    ) -> Result<OrUndefined<bool>> {
        clear(scope, id)
    }
}

fn set<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    callback: Option<v8::Local<'s, v8::Value>>,
    delay: Option<f64>,
    arguments: &[v8::Local<'s, v8::Value>],
    interval: bool,
) -> Result<u32> {
    let callback = callback.unwrap_or_else(|| v8::undefined(scope).into());
    let Ok(function) = v8::Local::<v8::Function>::try_from(callback) else {
        return Err(Error::type_error(format!(
            "The \"callback\" argument must be of type function. Received {}",
            received(scope, callback)
        )));
    };
    let context = IoContext::require(scope)?;
    Ok(context.set_timer(scope, function, delay.unwrap_or(0.0), interval, arguments))
}

/// What was passed instead of a function, in Node's words, which are the reference's here.
fn received(scope: &mut v8::PinScope<'_, '_>, value: v8::Local<'_, v8::Value>) -> String {
    if value.is_null_or_undefined() {
        return value.to_rust_string_lossy(scope);
    }
    if value.is_object() {
        let object = value.to_object(scope);
        let name = object.map(|object| object.get_constructor_name().to_rust_string_lossy(scope));
        return format!("an instance of {}", name.unwrap_or_default());
    }
    let kind = value.type_of(scope).to_rust_string_lossy(scope);
    v8::tc_scope!(let scope, scope);
    let text = match value.to_detail_string(scope) {
        Some(text) => text.to_rust_string_lossy(scope),
        None => String::new(),
    };
    if value.is_string() { format!("type {kind} ('{text}')") } else { format!("type {kind} ({text})") }
}

fn clear(scope: &mut v8::PinScope<'_, '_>, id: Option<v8::Local<'_, v8::Value>>) -> Result<OrUndefined<bool>> {
    // Anything that is not the number of a timer is ignored.
    if let Some(number) = id.and_then(|id| v8::Local::<v8::Number>::try_from(id).ok())
        && let Some(context) = IoContext::current(scope)
    {
        context.clear_timer(number.value() as u32);
    }
    Ok(OrUndefined(None))
}

/// Puts the functions on the global object's prototype.
pub(super) fn expose(scope: &mut v8::PinScope<'_, '_>, target: v8::Local<'_, v8::Object>) {
    super::expose_functions::<Timers>(scope, target, &["setTimeout", "clearTimeout", "setInterval", "clearInterval"]);
}
