//! `caches`: present, and clear about what they cannot do yet.

use jsg::{Error, Result};

use crate::io::IoContext;

/// The class `Cache`, of which only `caches.default` exists.
#[derive(jsg::Trace)]
pub(in crate::api) struct Cache;

/// Whether the worker's configuration names what stands behind the Cache API.
struct IsConfigured(bool);

/// Says whether something stands behind the Cache API.
pub(crate) fn set_configured(scope: &mut v8::PinScope<'_, '_>, is_configured: bool) {
    scope.set_slot(IsConfigured(is_configured));
}

fn no_cache<'s>(scope: &v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Promise>> {
    IoContext::require(scope)?;
    let is_configured = scope.get_slot::<IsConfigured>().is_some_and(|configured| configured.0);
    Err(Error::error(if is_configured { "The Cache API is not supported yet." } else { "No Cache was configured" }))
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
