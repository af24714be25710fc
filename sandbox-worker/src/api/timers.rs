//! `setTimeout`, `setInterval` and their kin (HTML, "timers").

use jsg::{Error, FromJs, Place, Rest, Result};

use crate::io::{Event, IoContext};

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
    fn clear_timeout(scope: &mut v8::PinScope<'_, '_>, id: TimerId) {
        clear(scope, id);
    }

    #[static_method]
    fn clear_interval(scope: &mut v8::PinScope<'_, '_>, id: TimerId) {
        clear(scope, id);
    }
}

/// What the built-in scripts call: see `js/README.md`.
#[derive(jsg::Trace)]
pub(super) struct Internal;

#[jsg::class]
impl Internal {
    #[static_method]
    fn set_timeout<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        callback: v8::Local<'s, v8::Function>,
        delay: f64,
    ) -> Result<u32> {
        Event::require(scope)?.set_own_timer(scope, callback, delay)
    }

    #[static_method]
    fn clear_timeout(scope: &mut v8::PinScope<'_, '_>, id: u32) {
        if let Some(context) = IoContext::current(scope) {
            context.clear_timer(id);
        }
    }
}

fn set<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    callback: Option<v8::Local<'s, v8::Value>>,
    delay: Option<f64>,
    arguments: &[v8::Local<'s, v8::Value>],
    interval: bool,
) -> Result<u32> {
    let Some(function) = callback.and_then(|callback| v8::Local::<v8::Function>::try_from(callback).ok()) else {
        let method = if interval { "setInterval" } else { "setTimeout" };
        return Err(Error::type_error(format!(
            "Failed to execute '{method}' on 'ServiceWorkerGlobalScope': parameter 1 is not of type 'function'."
        )));
    };
    let event = Event::require(scope)?;
    event.set_timer(scope, function, delay.unwrap_or(0.0), interval, arguments)
}

/// What is given to `clearTimeout` and `clearInterval`: anything that converts to a number.
struct TimerId(f64);

impl<'s> FromJs<'s> for TimerId {
    fn expected() -> std::borrow::Cow<'static, str> {
        "Number".into()
    }

    fn matches(_: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> bool {
        value.is_number()
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
        f64::from_js(scope, value, place).map(TimerId)
    }
}

/// Numbers that name no timer are ignored.
fn clear(scope: &mut v8::PinScope<'_, '_>, TimerId(id): TimerId) {
    if let Some(context) = IoContext::current(scope)
        && id > 0.0
        && id <= f64::from(u32::MAX)
    {
        context.clear_timer(id as u32);
    }
}
