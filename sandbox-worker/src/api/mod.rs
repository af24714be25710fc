//! The Web and Workers APIs, one file a class family.

mod timers;

/// Prepares a fresh isolate: callbacks that V8 asks the embedder for.
pub(crate) fn install(isolate: &mut v8::Isolate) {
    let _ = isolate;
}

/// Puts what the built-in scripts need from native code on `internal`, before they are evaluated.
pub(crate) fn install_internal(scope: &mut v8::PinScope<'_, '_>, internal: v8::Local<'_, v8::Object>) {
    let _ = (scope, internal);
}

/// Exposes the classes and functions to scripts; `target` is the prototype of the global object.
pub(crate) fn expose(scope: &mut v8::PinScope<'_, '_>, target: v8::Local<'_, v8::Object>) {
    timers::expose(scope, target);
}

/// Copies static methods of a class that is not itself visible to `target`, as functions of the global object.
fn expose_functions<T: jsg::Class>(
    scope: &mut v8::PinScope<'_, '_>,
    target: v8::Local<'_, v8::Object>,
    names: &[&str],
) {
    let template = jsg::Registry::template(scope, T::info());
    let class = template.get_function(scope).expect("the class template is complete");
    for name in names {
        let key = jsg::string(scope, name);
        let function = class.get(scope, key.into()).expect("a static method can be read");
        assert!(function.is_function(), "{} has no static method {name}", T::NAME);
        target.create_data_property(scope, key.into(), function);
    }
}
