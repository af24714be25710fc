//! The Fetch Standard: `Headers`, `Body`, `Request`, `Response`, `fetch`, `caches`.
//!
//! Only [`wire`] names a type of the wire.

mod body;
mod cache;
mod cf;
mod consume;
mod extract;
mod global;
pub(super) mod header_map;
pub(super) mod headers;
mod mime;
pub(super) mod request;
pub mod response;
#[cfg(test)]
mod tests;
pub mod wire;

/// See [`super::move_accessors_to_objects`].
pub(super) fn move_accessors_to_objects(scope: &mut v8::PinScope<'_, '_>) {
    body::move_accessors_to_objects(scope);
    request::move_accessors_to_objects(scope);
    response::move_accessors_to_objects(scope);
}

/// Exposes the classes and functions.
pub(super) fn expose(scope: &mut v8::PinScope<'_, '_>, target: v8::Local<'_, v8::Object>) {
    headers::expose(scope, target);
    body::expose(scope, target);
    request::expose(scope, target);
    response::expose(scope, target);
    global::expose(scope, target);
    cache::expose(scope, target);
}
