//! The Fetch Standard: `Headers`, `Body`, `Request`, `Response`, `fetch`, `caches`.
//!
//! Only [`wire`] and `subrequest` name a type of the wire.

pub(super) mod body;
pub(crate) mod cache;
mod cf;
pub(super) mod consume;
mod data_url;
pub(super) mod event_source;
mod extract;
pub(crate) mod fetcher;
pub(super) mod global;
pub(super) mod header_map;
pub(super) mod headers;
mod mime;
pub(super) mod request;
pub mod response;
pub(super) mod subrequest;
#[cfg(test)]
mod tests;
pub mod wire;

/// See [`super::move_accessors_to_objects`].
pub(super) fn move_accessors_to_objects(scope: &mut v8::PinScope<'_, '_>) {
    body::move_accessors_to_objects(scope);
    request::move_accessors_to_objects(scope);
    response::move_accessors_to_objects(scope);
}
