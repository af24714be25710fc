//! `fetch` and `caches`: present, and clear about what they cannot do yet.

use jsg::{Class, Error, Registry, Result};

use super::request::{self, Input, RequestInit};
use crate::io::IoContext;

/// The functions of this class are copied to the global object; the class itself is not visible.
#[derive(jsg::Trace)]
struct Global;

#[jsg::class(name = "ServiceWorkerGlobalScope")]
impl Global {
    /// Whatever the call cannot be for is said as the reference says it, and the request's body is used; a call that could
    /// go out is refused, because nothing can.
    #[static_method(promise)]
    fn fetch<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        input: Input<'s>,
        init: Option<RequestInit<'s>>,
    ) -> Result<v8::Local<'s, v8::Promise>> {
        IoContext::require(scope)?;
        let (url, _body) = request::for_fetch(scope, input, init)?;
        Err(Error::error(format!(
            "fetch() is not supported yet: this version has no outbound network. The call was for {url}"
        )))
    }
}

/// The class `Cache`, of which only `caches.default` exists.
#[derive(jsg::Trace)]
struct Cache;

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
#[derive(jsg::Trace)]
struct CacheStorage {
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

/// Exposes `fetch`, `caches` and their classes.
pub(super) fn expose(scope: &mut v8::PinScope<'_, '_>, target: v8::Local<'_, v8::Object>) {
    debug_assert_eq!(Global::NAME, "ServiceWorkerGlobalScope");
    super::expose_functions::<Global>(scope, target, &["fetch"]);
    Registry::expose::<Cache>(scope, target);
    Registry::expose::<CacheStorage>(scope, target);
    super::expose_instance(scope, "caches", CacheStorage { default: std::cell::OnceCell::new() });
}
