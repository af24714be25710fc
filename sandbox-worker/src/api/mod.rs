//! The Web and Workers APIs, one file or folder a class family.
//!
//! This room knows no event and no entrypoint: what a handler is given and gives back is made and read here (`fetch::wire`), but
//! nobody is called. `fetch::wire` alone names types of the wire.

mod buffers;
mod compression;
mod crypto;
mod encoding;
pub mod execution_context;
pub mod fetch;
mod hooks;
mod idl;
mod ordering;
mod performance;
pub mod scheduled;
mod streams;
mod structured_clone;
mod timers;
pub mod url;

use crate::isolate::Surface;

/// The surface of every isolate.
pub static SURFACE: Surface = Surface {
    install_internal: hooks::install_internal,
    expose,
    brand_classes: structured_clone::brand_classes,
    move_accessors_to_objects,
};

/// Has objects carry what is on prototypes since `workers_api_getters_setters_on_prototype`. The order is that of the
/// reference, which scripts see when they enumerate an object.
fn move_accessors_to_objects(scope: &mut v8::PinScope<'_, '_>) {
    fetch::move_accessors_to_objects(scope);
    encoding::move_accessors_to_objects(scope);
    crypto::move_accessors_to_objects(scope);
}

/// Exposes the classes and functions to scripts; `target` is the prototype of the global object.
fn expose(scope: &mut v8::PinScope<'_, '_>, target: v8::Local<'_, v8::Object>) {
    jsg::inherit_iterator_prototype(scope);
    timers::expose(scope, target);
    jsg::Registry::expose::<url::Url>(scope, target);
    jsg::Registry::expose::<url::UrlSearchParams>(scope, target);
    encoding::expose(scope, target);
    crypto::expose(scope, target);
    structured_clone::expose(scope, target);
    performance::expose(scope);
    fetch::expose(scope, target);
}

/// The constructor of a class.
fn constructor<'s>(scope: &mut v8::PinScope<'s, '_>, class: &'static jsg::ClassInfo) -> v8::Local<'s, v8::Function> {
    jsg::Registry::template(scope, class).get_function(scope).expect("the class template is complete")
}

/// A static method of a class that is not itself visible.
fn static_method<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    class: &'static jsg::ClassInfo,
    name: &str,
) -> v8::Local<'s, v8::Value> {
    let key = jsg::string(scope, name);
    let function = constructor(scope, class).get(scope, key.into()).expect("a static method can be read");
    assert!(function.is_function(), "{class:?} has no static method {name}");
    function
}

/// Copies static methods of a class that is not itself visible to `target`, as functions of the global object.
fn expose_functions<T: jsg::Class>(
    scope: &mut v8::PinScope<'_, '_>,
    target: v8::Local<'_, v8::Object>,
    names: &[&str],
) {
    for name in names {
        let function = static_method(scope, T::info(), name);
        let key = jsg::string(scope, name);
        target.create_data_property(scope, key.into(), function);
    }
}

/// Makes an object of a class an own property of the global object.
fn expose_instance<T: jsg::Class>(scope: &mut v8::PinScope<'_, '_>, name: &str, value: T) {
    let object = jsg::instantiate(scope, value).expect("an object of a complete class can be made");
    let global = scope.get_current_context().global(scope);
    let key = jsg::string(scope, name);
    global.create_data_property(scope, key.into(), object.into());
}
