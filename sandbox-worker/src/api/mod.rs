//! The Web and Workers APIs, one file or folder a class family.
//!
//! This room knows no event and no entrypoint: what a handler is given and gives back is made and read here (`fetch::wire`), but
//! nobody is called. `fetch::wire` and `fetch::subrequest` alone name types of the wire.

pub(crate) mod actors;
pub(crate) mod analytics_engine;
mod base64;
mod buffers;
mod classes;
mod compression;
pub(crate) mod crypto;
mod encoding;
pub mod execution_context;
pub mod fetch;
mod hooks;
pub(crate) mod hyperdrive;
mod idl;
pub(crate) mod memory_cache;
mod native_modules;
pub(crate) mod not_yet;
mod ordering;
mod performance;
pub mod scheduled;
pub(crate) mod socket;
mod streams;
mod structured_clone;
mod surface;
pub mod test;
pub(crate) mod thrown;
mod timers;
pub(crate) mod unsafe_eval;
pub mod url;
mod web_socket;

use crate::isolate::Surface;

/// The surface of every isolate.
pub static SURFACE: Surface = Surface {
    classes: classes::CLASSES,
    install_internal: hooks::install_internal,
    references: surface::references,
    expose: surface::expose,
    start: surface::start,
    apply: surface::apply,
    native_module: native_modules::exports,
    move_accessors_to_objects,
};

/// Has objects carry what is on prototypes since `workers_api_getters_setters_on_prototype`. The order is that of the
/// reference, which scripts see when they enumerate an object.
fn move_accessors_to_objects(scope: &mut v8::PinScope<'_, '_>) {
    fetch::move_accessors_to_objects(scope);
    encoding::move_accessors_to_objects(scope);
    crypto::move_accessors_to_objects(scope);
}
