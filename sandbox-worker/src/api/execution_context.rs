//! What a handler of an event gets beside the event: `ctx`, the `ExecutionContext`.

use bulkhead_ipc::compatibility::Flag;
use jsg::{Error, OrUndefined, Result};

use super::{
    actors::{LoopbackColoLocalActorNamespace, LoopbackDurableObjectClass, LoopbackDurableObjectNamespace},
    fetch::fetcher::LoopbackServiceStub,
    structured_clone::deserialize,
};
use crate::{io::Event, isolate::flags};

const EXPORTS: Flag = Flag::named("enable_ctx_exports");

/// What an export is to the worker itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Export {
    /// What takes events: a position among what each connection hands over.
    Service(u32),
    /// A class of Durable Objects.
    Actor {
        /// Where the class has a namespace: whether its objects have no storage.
        ephemeral: Option<bool>,
    },
}

impl Export {
    fn make<'s>(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Object>> {
        match self {
            Export::Service(position) => jsg::instantiate(scope, LoopbackServiceStub::new(position)),
            Export::Actor { ephemeral: None } => jsg::instantiate(scope, LoopbackDurableObjectClass::default()),
            Export::Actor { ephemeral: Some(false) } => {
                jsg::instantiate(scope, LoopbackDurableObjectNamespace::default())
            }
            Export::Actor { ephemeral: Some(true) } => {
                jsg::instantiate(scope, LoopbackColoLocalActorNamespace::default())
            }
        }
    }
}

/// What `ctx.exports` has, by the names of exports, and the object when it was made.
struct Exports {
    of: Vec<(String, Export)>,
    object: Option<v8::Global<v8::Object>>,
}

/// Says what `ctx.exports` has.
pub(crate) fn set_exports(scope: &mut v8::PinScope<'_, '_>, of: Vec<(String, Export)>) {
    scope.set_slot(Exports { of, object: None });
}

/// The one object of the isolate that `ctx.exports` is.
pub(super) fn exports<'s>(scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Object>> {
    let known = scope.get_slot::<Exports>();
    if let Some(object) = known.and_then(|exports| exports.object.clone()) {
        return Ok(v8::Local::new(scope, object));
    }
    let of = known.map(|exports| exports.of.clone()).unwrap_or_default();
    let object = v8::Object::new(scope);
    for (name, export) in of {
        let (key, value) = (jsg::string(scope, &name), export.make(scope)?);
        object.create_data_property(scope, key.into(), value.into()).ok_or(Error::Pending)?;
    }
    let made = v8::Global::new(scope, object);
    if let Some(exports) = scope.get_slot_mut::<Exports>() {
        exports.object = Some(made);
    }
    Ok(object)
}

/// Any object with a `then` is awaited.
const UNWRAP_THENABLES: Flag = Flag::named("unwrap_custom_thenables");

/// The class `ExecutionContext`; scripts cannot name it.
///
/// As in the reference, it is of no event: what is asked of it is asked of the event that asks.
#[derive(jsg::Trace)]
pub struct ExecutionContext;

impl std::fmt::Debug for ExecutionContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ExecutionContext")
    }
}

/// A `Promise<any>` argument: any value, wrapped in a promise where it is none.
pub(super) struct Awaitable<'s>(pub(super) v8::Local<'s, v8::Promise>);

impl<'s> jsg::FromJs<'s> for Awaitable<'s> {
    fn expected() -> std::borrow::Cow<'static, str> {
        "Promise".into()
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, _: jsg::Place<'_>) -> Result<Self> {
        if let Ok(promise) = v8::Local::<v8::Promise>::try_from(value) {
            return Ok(Awaitable(promise));
        }
        // Any other object with a `then` is asked by V8, which the reference does since then.
        let value = if flags::is_on(scope, UNWRAP_THENABLES) { value } else { v8::undefined(scope).into() };
        jsg::resolved(scope, value).map(Awaitable)
    }
}

/// The promise of an object that has a `then`, if that is waited for as one.
///
/// # Errors
/// What a proxy throws.
pub(crate) fn thenable<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    value: v8::Local<'s, v8::Value>,
) -> Result<Option<v8::Local<'s, v8::Promise>>> {
    if is_thenable(scope, value)? { jsg::resolved(scope, value).map(Some) } else { Ok(None) }
}

/// Whether a value is no promise, but is waited for as one.
pub(super) fn is_thenable<'s>(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> Result<bool> {
    let Ok(object) = v8::Local::<v8::Object>::try_from(value) else { return Ok(false) };
    if !flags::is_on(scope, UNWRAP_THENABLES) {
        return Ok(false);
    }
    let key = jsg::string(scope, "then");
    object.has(scope, key.into()).ok_or(Error::Pending)
}

#[jsg::class]
impl ExecutionContext {
    #[method]
    fn wait_until<'s>(&self, scope: &mut v8::PinScope<'s, '_>, promise: Awaitable<'s>) -> Result<()> {
        Event::require(scope)?.wait_until(scope, promise.0);
        Ok(())
    }

    #[method]
    fn pass_through_on_exception(&self, scope: &mut v8::PinScope<'_, '_>) -> Result<()> {
        Event::require(scope)?.pass_through_on_exception();
        Ok(())
    }

    /// The entrypoints of the worker itself, to be called as another worker's are.
    #[getter]
    fn exports<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<OrUndefined<v8::Local<'s, v8::Value>>> {
        let exports = if flags::is_on(scope, EXPORTS) { Some(exports(scope)?.into()) } else { None };
        Ok(OrUndefined(exports))
    }

    /// Ending an event from inside needs the dispatcher's help, which it does not give yet.
    #[method]
    fn abort(&self, reason: Option<v8::Local<'_, v8::Value>>) -> Result<()> {
        let _ = reason;
        Err(Error::error("ctx.abort() is not supported yet."))
    }
}

/// What `ctx.props` is made of.
#[derive(Debug, Clone, Copy)]
pub enum Props<'a> {
    /// JSON of the configuration; empty for an empty object.
    Json(&'a str),
    /// What `structured_clone::serialize` has given.
    Serialized(&'a [u8]),
}

/// A `ctx` for an event.
///
/// # Errors
/// What `props` is made of is malformed, or the object cannot be made.
pub fn execution_context<'s>(scope: &mut v8::PinScope<'s, '_>, props: Props<'_>) -> Result<v8::Local<'s, v8::Object>> {
    let object = jsg::instantiate(scope, ExecutionContext)?;
    let props = match props {
        Props::Json("") => v8::Object::new(scope).into(),
        Props::Json(json) => {
            let json = jsg::string(scope, json);
            v8::json::parse(scope, json).ok_or(Error::Pending)?
        }
        Props::Serialized(bytes) => deserialize(scope, bytes)?,
    };
    let key = v8::String::new_from_one_byte(scope, b"props", v8::NewStringType::Internalized).ok_or(Error::Pending)?;
    object.create_data_property(scope, key.into(), props).ok_or(Error::Pending)?;
    Ok(object)
}
