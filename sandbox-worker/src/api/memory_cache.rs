//! What a `memoryCache` binding is. What reading does is written in JavaScript (`js/internal/memory_cache.js`), over a channel to the
//! cache, which the supervisor has.

use std::borrow::Cow;

use bulkhead_ipc::compatibility::Flag;
use jsg::{Error, FromJs, Place, Result};

use crate::{
    io::Event,
    isolate::modules::{builtin_export, import_builtin},
};

const DELETE: Flag = Flag::named("memory_cache_delete");

/// The module that reads.
const MODULE: &str = "internal:memory_cache";

/// Longest key, in bytes of UTF-8.
const MAX_KEY: usize = 2048;

/// The class `MemoryCache`; scripts cannot name it.
#[derive(jsg::Trace)]
pub(crate) struct MemoryCache {
    #[trace(skip)]
    position: u32,
}

/// A string, and nothing that could be made one.
struct Key<'s>(v8::Local<'s, v8::String>);

impl<'s> FromJs<'s> for Key<'s> {
    fn expected() -> Cow<'static, str> {
        "string".into()
    }

    fn from_js(_: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
        v8::Local::<v8::String>::try_from(value).map(Key).map_err(|_| place.mismatch("string"))
    }
}

impl Key<'_> {
    fn check(&self, scope: &v8::Isolate) -> Result<()> {
        if self.0.utf8_length(scope) > MAX_KEY { Err(Error::range_error("Key too large.")) } else { Ok(()) }
    }
}

/// A function, or undefined.
struct Fallback<'s>(v8::Local<'s, v8::Value>);

impl<'s> FromJs<'s> for Fallback<'s> {
    fn expected() -> Cow<'static, str> {
        "function".into()
    }

    fn from_js(_: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
        if value.is_function() { Ok(Fallback(value)) } else { Err(place.mismatch("function")) }
    }
}

impl MemoryCache {
    /// Leads to the cache at a position.
    ///
    /// # Errors
    /// The module does not run.
    pub(crate) fn make<'s>(scope: &mut v8::PinScope<'s, '_>, position: u32) -> Result<v8::Local<'s, v8::Value>> {
        // Before the worker's own code, which could change what it uses.
        import_builtin(scope, MODULE)?;
        jsg::instantiate(scope, MemoryCache { position }).map(Into::into)
    }

    /// Calls what the module exports as `name` with a key, and what else it takes.
    fn call<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        name: &str,
        key: &Key<'s>,
        more: v8::Local<'s, v8::Value>,
    ) -> Result<v8::Local<'s, v8::Promise>> {
        let function =
            builtin_export(scope, MODULE, name).and_then(|export| v8::Local::<v8::Function>::try_from(export).ok());
        let function = function.ok_or_else(|| Error::error("the module is not there"))?;
        let position = v8::Integer::new_from_unsigned(scope, self.position);
        let receiver = v8::undefined(scope).into();
        let promise = function.call(scope, receiver, &[position.into(), key.0.into(), more]).ok_or(Error::Pending)?;
        v8::Local::<v8::Promise>::try_from(promise).map_err(|_| Error::error("the module gave no promise"))
    }
}

#[jsg::class]
impl MemoryCache {
    /// The value of a key; what `fallback` gives where there is none.
    #[method(promise)]
    fn read<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        key: Key<'s>,
        fallback: Option<Fallback<'s>>,
    ) -> Result<v8::Local<'s, v8::Promise>> {
        Event::require(scope)?;
        let fallback = fallback.map_or_else(|| v8::undefined(scope).into(), |fallback| fallback.0);
        key.check(scope)?;
        self.call(scope, "read", &key, fallback)
    }

    /// Has the cache forget the value of a key. Nobody waits for it: what is asked after it finds none.
    #[method(flag = DELETE)]
    fn delete<'s>(&self, scope: &mut v8::PinScope<'s, '_>, key: Key<'s>) -> Result<()> {
        key.check(scope)?;
        let event = Event::require(scope)?;
        let nothing = v8::undefined(scope).into();
        let forgotten = self.call(scope, "forget", &key, nothing)?;
        event.wait_until(scope, forgotten);
        Ok(())
    }
}
