//! What built-in modules ask of native code, one class for a module: `js/cloudflare/workers.js` imports the static methods of
//! [`EntrypointsModule`] as `native:entrypoints`. They are made when a worker first imports what needs them.

use rustix::time::{ClockId, clock_gettime};

use jsg::{Class as _, Describe, OrUndefined, Result};

use super::{
    execution_context::{Awaitable, ExecutionContext, exports as exports_of_worker},
    fetch::{
        fetcher::Fetcher,
        request::{Input, RequestInit},
    },
    performance::ClockModule,
    structured_clone::{deserialize, serialize},
    surface,
    timers::Timers,
};
use crate::{
    io::Event,
    isolate::modules::{builtin_module, environment, require_from},
};

/// What entrypoints can do. Its name is in messages.
#[derive(jsg::Trace)]
pub(super) struct EntrypointsModule;

#[jsg::class]
impl EntrypointsModule {
    /// Keeps the current event alive until the promise settles.
    #[static_method]
    fn wait_until<'s>(scope: &mut v8::PinScope<'s, '_>, promise: Awaitable<'s>) -> Result<()> {
        Event::require(scope)?.wait_until(scope, promise.0);
        Ok(())
    }

    /// What `ctx.exports` is in every event.
    #[static_method]
    fn exports<'s>(scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Object>> {
        exports_of_worker(scope)
    }

    /// Whether a value is a `ctx`.
    #[static_method]
    fn is_execution_context<'s>(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> bool {
        jsg::unwrap_value::<ExecutionContext>(scope, value).is_some()
    }

    /// The class `Fetcher`.
    #[static_method]
    fn fetcher_class<'s>(scope: &mut v8::PinScope<'s, '_>) -> v8::Local<'s, v8::Function> {
        surface::constructor(scope, Fetcher::info())
    }
}

/// What bindings that are written in JavaScript are made of.
#[derive(jsg::Trace)]
pub(super) struct ChannelsModule;

#[jsg::class]
impl ChannelsModule {
    /// Sends a request to what is at a position among what each connection hands over.
    #[static_method(promise)]
    fn fetch<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        position: u32,
        url: Input<'s>,
        init: Option<RequestInit<'s>>,
    ) -> Result<v8::Local<'s, v8::Promise>> {
        Fetcher::new(position).fetch(scope, url, init)
    }

    /// A value as bytes.
    #[static_method]
    fn serialize<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        value: v8::Local<'s, v8::Value>,
    ) -> Result<jsg::ArrayBufferBytes> {
        serialize(scope, value).map(jsg::ArrayBufferBytes)
    }

    /// The value that [`Self::serialize`] has written.
    #[static_method]
    fn deserialize<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        bytes: jsg::BufferSource<'s>,
    ) -> Result<v8::Local<'s, v8::Value>> {
        deserialize(scope, &bytes.to_vec())
    }
}

/// The clocks that benchmarks are timed by.
#[derive(jsg::Trace)]
pub(super) struct BenchModule;

/// Nanoseconds of a clock.
fn nanoseconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

#[jsg::class]
impl BenchModule {
    /// Nanoseconds since some time.
    #[static_method]
    fn wall() -> f64 {
        nanoseconds(ClockId::Monotonic)
    }

    /// Nanoseconds that this thread has computed.
    #[static_method]
    fn cpu() -> f64 {
        nanoseconds(ClockId::ThreadCPUTime)
    }
}

/// What `node:process` and `node:module` know of the program.
#[derive(jsg::Trace)]
pub(super) struct ProgramModule;

#[jsg::class]
impl ProgramModule {
    /// What a built-in module that the worker could import exports.
    #[static_method]
    fn builtin<'s>(scope: &mut v8::PinScope<'s, '_>, name: String) -> Result<OrUndefined<v8::Local<'s, v8::Value>>> {
        builtin_module(scope, &name).map(OrUndefined)
    }

    /// `require` of a file whose name begins with `/`, whether or not there is one.
    #[static_method]
    fn create_require<'s>(scope: &mut v8::PinScope<'s, '_>, path: String) -> Result<v8::Local<'s, v8::Function>> {
        require_from(scope, &path)
    }

    /// The object that handlers get as `env`.
    #[static_method]
    fn environment<'s>(scope: &mut v8::PinScope<'s, '_>) -> OrUndefined<v8::Local<'s, v8::Object>> {
        OrUndefined(environment(scope))
    }
}

/// What `node:util/types` asks V8.
#[derive(jsg::Trace)]
pub(super) struct TypesModule;

/// In the order of the list in `js/node/util/types.js`.
const KINDS: [fn(&v8::Value) -> bool; 22] = [
    v8::Value::is_async_function,
    v8::Value::is_generator_function,
    v8::Value::is_generator_object,
    v8::Value::is_arguments_object,
    v8::Value::is_map,
    v8::Value::is_map_iterator,
    v8::Value::is_module_namespace_object,
    v8::Value::is_native_error,
    v8::Value::is_promise,
    v8::Value::is_proxy,
    v8::Value::is_set,
    v8::Value::is_set_iterator,
    v8::Value::is_weak_map,
    v8::Value::is_weak_set,
    v8::Value::is_reg_exp,
    v8::Value::is_date,
    v8::Value::is_string_object,
    v8::Value::is_symbol_object,
    v8::Value::is_number_object,
    v8::Value::is_boolean_object,
    v8::Value::is_big_int_object,
    v8::Value::is_external,
];

#[jsg::class]
impl TypesModule {
    /// Whether a value is of the kind with this number.
    #[static_method]
    fn is_of_kind(kind: u32, value: v8::Local<'_, v8::Value>) -> bool {
        KINDS.get(kind as usize).is_some_and(|is_of_kind| is_of_kind(&value))
    }
}

/// The native modules.
const MODULES: &[(&str, Describe)] = &[
    ("bench", BenchModule::info),
    ("channels", ChannelsModule::info),
    ("clock", ClockModule::info),
    ("entrypoints", EntrypointsModule::info),
    ("program", ProgramModule::info),
    ("timers", Timers::info),
    ("types", TypesModule::info),
];

/// The exports of a native module: the static methods of its class.
pub(super) fn exports<'s>(scope: &mut v8::PinScope<'s, '_>, name: &str) -> Option<v8::Local<'s, v8::Object>> {
    let (_, class) = MODULES.iter().find(|(module, _)| *module == name)?;
    Some(surface::constructor(scope, class()).into())
}
