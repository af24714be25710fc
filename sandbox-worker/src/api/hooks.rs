//! What the built-in scripts ask of native code: see `js/README.md`.

use jsg::{Error, Result};

use crate::{
    io::IoContext,
    isolate::{Isolate, report_exception},
    log::{Level, Source},
};

#[derive(jsg::Trace)]
struct Hooks;

/// The functions of this class are copied to `internal`; scripts never see them.
#[jsg::class]
impl Hooks {
    /// Writes a line of tenant output.
    #[static_method]
    fn log(scope: &mut v8::PinScope<'_, '_>, level: String, text: String) {
        let level = match level.as_str() {
            "debug" => Level::Debug,
            "info" => Level::Info,
            "warn" => Level::Warn,
            "error" => Level::Error,
            _ => Level::Log,
        };
        Isolate::of(scope).logger().write(level, Source::Console, &text);
    }

    #[static_method]
    fn report_exception<'s>(scope: &mut v8::PinScope<'s, '_>, exception: v8::Local<'s, v8::Value>) {
        report_exception(scope, exception);
    }

    #[static_method]
    fn set_timeout<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        callback: v8::Local<'s, v8::Function>,
        delay: f64,
    ) -> Result<u32> {
        IoContext::require(scope)?.set_timer(scope, callback, delay, false, &[])
    }

    /// 32 random bits of the kernel's.
    #[static_method]
    fn random_uint32() -> Result<u32> {
        let mut bytes = [0; 4];
        super::crypto::random(&mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    #[static_method]
    fn clear_timeout(scope: &mut v8::PinScope<'_, '_>, id: u32) {
        if let Some(context) = IoContext::current(scope) {
            context.clear_timer(id);
        }
    }
}

#[derive(jsg::Trace)]
struct Native;

/// What inspection needs and scripts cannot do. Copied to `internal.native`.
#[jsg::class]
impl Native {
    /// `{ state: 0 | 1 | 2, result }`: pending, fulfilled, rejected.
    #[static_method]
    fn get_promise_details<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        promise: v8::Local<'s, v8::Promise>,
    ) -> v8::Local<'s, v8::Object> {
        let (state, result) = match promise.state() {
            v8::PromiseState::Pending => (0, v8::undefined(scope).into()),
            v8::PromiseState::Fulfilled => (1, promise.result(scope)),
            v8::PromiseState::Rejected => (2, promise.result(scope)),
        };
        let state = v8::Integer::new(scope, state).into();
        record(scope, &[("state", state), ("result", result)])
    }

    /// `{ target }` of a proxy, with `null` for a revoked one; `undefined` for anything else.
    #[static_method]
    fn get_proxy_details<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        value: v8::Local<'s, v8::Value>,
    ) -> v8::Local<'s, v8::Value> {
        match v8::Local::<v8::Proxy>::try_from(value) {
            Ok(proxy) => {
                let target = proxy.get_target(scope);
                record(scope, &[("target", target)]).into()
            }
            Err(_) => v8::undefined(scope).into(),
        }
    }

    /// `{ entries, isKeyValue }` of a Map or Set iterator, which is not moved by it.
    #[static_method]
    fn preview_entries<'s>(scope: &mut v8::PinScope<'s, '_>, iterator: jsg::Object<'s>) -> v8::Local<'s, v8::Value> {
        match iterator.0.preview_entries(scope) {
            (Some(entries), is_key_value) => {
                let is_key_value = v8::Boolean::new(scope, is_key_value).into();
                record(scope, &[("entries", entries.into()), ("isKeyValue", is_key_value)]).into()
            }
            (None, _) => v8::undefined(scope).into(),
        }
    }

    /// The own keys of an array or a view that are not indices.
    #[static_method]
    fn get_own_non_index_properties<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        object: jsg::Object<'s>,
    ) -> Result<v8::Local<'s, v8::Array>> {
        let arguments = v8::GetPropertyNamesArgs {
            mode: v8::KeyCollectionMode::OwnOnly,
            property_filter: v8::PropertyFilter::ALL_PROPERTIES,
            index_filter: v8::IndexFilter::SkipIndices,
            key_conversion: v8::KeyConversionMode::KeepNumbers,
        };
        object.0.get_property_names(scope, arguments).ok_or(Error::Pending)
    }

    /// Whether a `Headers` object refuses changes; `null` for anything else.
    #[static_method]
    fn is_immutable<'s>(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> Option<bool> {
        jsg::unwrap_value::<super::fetch::headers::Headers>(scope, value).map(|headers| headers.is_immutable())
    }

    /// Gives an object an attribute that looks like a data property; `setter` may be undefined.
    #[static_method]
    fn define_attribute<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        object: jsg::Object<'s>,
        name: jsg::DomString<'s>,
        getter: v8::Local<'s, v8::Function>,
        setter: Option<v8::Local<'s, v8::Function>>,
    ) {
        jsg::own::define(scope, object.0, name.0.into(), jsg::own::Accessor { getter, setter });
    }

    /// The name of the constructor that made the object, whatever its prototype says now.
    #[static_method]
    fn get_constructor_name(scope: &mut v8::PinScope<'_, '_>, object: jsg::Object<'_>) -> String {
        object.0.get_constructor_name().to_rust_string_lossy(scope)
    }
}

fn record<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    members: &[(&str, v8::Local<'s, v8::Value>)],
) -> v8::Local<'s, v8::Object> {
    let object = v8::Object::new(scope);
    for (name, value) in members {
        let key = jsg::string(scope, name);
        object.create_data_property(scope, key.into(), *value);
    }
    object
}

/// Puts the functions on `internal` and `internal.native`.
pub(super) fn install_internal(scope: &mut v8::PinScope<'_, '_>, internal: v8::Local<'_, v8::Object>) {
    super::expose_functions::<Hooks>(
        scope,
        internal,
        &["log", "reportException", "setTimeout", "clearTimeout", "randomUint32"],
    );
    let null = v8::null(scope);
    let native = v8::Object::with_prototype_and_properties(scope, null.into(), &[], &[]);
    super::expose_functions::<Native>(
        scope,
        native,
        &[
            "getPromiseDetails",
            "getProxyDetails",
            "previewEntries",
            "getOwnNonIndexProperties",
            "getConstructorName",
            "isImmutable",
            "defineAttribute",
        ],
    );
    let key = jsg::string(scope, "native");
    internal.create_data_property(scope, key.into(), native.into());
}
