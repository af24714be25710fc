//! `caches`: present, and clear about what they cannot do yet.

use jsg::{Error, Result};

use crate::io::IoContext;

/// The class `Cache`, of which only `caches.default` exists.
#[derive(jsg::Trace)]
pub(in crate::api) struct Cache;

fn no_cache<'s>(scope: &v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Promise>> {
    IoContext::require(scope)?;
    Err(Error::error("No Cache was configured"))
}

#[jsg::class]
impl Cache {
    #[method(promise)]
    fn delete<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Promise>> {
        no_cache(scope)
    }

    #[method(promise)]
    fn r#match<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Promise>> {
        no_cache(scope)
    }

    #[method(promise)]
    fn put<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Promise>> {
        no_cache(scope)
    }
}

/// The class `CacheStorage`.
#[derive(jsg::Trace, Default)]
pub(in crate::api) struct CacheStorage {
    default: std::cell::OnceCell<jsg::Ref<Cache>>,
}

#[jsg::class]
impl CacheStorage {
    #[getter]
    fn default<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Object>> {
        if let Some(cache) = self.default.get() {
            return Ok(cache.object(scope));
        }
        let cache = jsg::Ref::instantiate(scope, Cache)?;
        let object = cache.object(scope);
        let _ = self.default.set(cache);
        Ok(object)
    }

    #[method(promise)]
    fn open<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Promise>> {
        no_cache(scope)
    }
}
