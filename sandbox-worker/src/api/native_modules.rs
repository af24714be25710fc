//! What built-in modules ask of native code, one class for a module: `js/cloudflare/workers.js` imports the static methods of
//! [`EntrypointsModule`] as `native:entrypoints`. They are made when a worker first imports what needs them.

use jsg::{Class as _, Describe, Result};

use super::{
    execution_context::{Awaitable, exports as exports_of_worker},
    fetch::{
        fetcher::Fetcher,
        request::{Input, RequestInit},
    },
    structured_clone::{deserialize, serialize},
    surface,
};
use crate::io::Event;

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

/// The native modules.
const MODULES: &[(&str, Describe)] = &[("channels", ChannelsModule::info), ("entrypoints", EntrypointsModule::info)];

/// The exports of a native module: the static methods of its class.
pub(super) fn exports<'s>(scope: &mut v8::PinScope<'s, '_>, name: &str) -> Option<v8::Local<'s, v8::Object>> {
    let (_, class) = MODULES.iter().find(|(module, _)| *module == name)?;
    Some(surface::constructor(scope, class()).into())
}
