//! Attributes as own properties of each object, as workers saw them before accessors moved to prototypes: they look like data
//! properties, and reading one calls its getter.

use crate::string;

/// A getter and, where there is one, a setter, made for a prototype.
#[derive(Debug, Clone, Copy)]
pub struct Accessor<'s> {
    /// Called with the object as `this`.
    pub getter: v8::Local<'s, v8::Function>,
    /// Called with the object as `this`; without one the property is read-only.
    pub setter: Option<v8::Local<'s, v8::Function>>,
}

/// Takes the accessor `name` away from a prototype.
pub fn take<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    prototype: v8::Local<'s, v8::Object>,
    name: &str,
) -> Option<Accessor<'s>> {
    let key = string(scope, name);
    let descriptor = prototype.get_own_property_descriptor(scope, key.into())?;
    let descriptor = v8::Local::<v8::Object>::try_from(descriptor).ok()?;
    let part = |name| {
        let key = string(scope, name);
        descriptor.get(scope, key.into()).and_then(|value| v8::Local::<v8::Function>::try_from(value).ok())
    };
    let (getter, setter) = (part("get")?, part("set"));
    prototype.delete(scope, key.into());
    Some(Accessor { getter, setter })
}

/// Gives an object an own property with this accessor behind it.
pub fn define<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    object: v8::Local<'s, v8::Object>,
    name: v8::Local<'s, v8::Name>,
    accessor: Accessor<'s>,
) {
    let configuration = v8::AccessorConfiguration::new(read);
    let configuration = match accessor.setter {
        Some(setter) => {
            let both = v8::Array::new_with_elements(scope, &[accessor.getter.into(), setter.into()]);
            configuration.setter(write).data(both.into())
        }
        None => configuration.data(accessor.getter.into()).property_attribute(v8::PropertyAttribute::READ_ONLY),
    };
    object.set_accessor_with_configuration(scope, name, configuration);
}

fn read<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    _: v8::Local<'s, v8::Name>,
    arguments: v8::PropertyCallbackArguments<'s>,
    mut rv: v8::ReturnValue<'_, v8::Value>,
) {
    let data = arguments.data();
    let getter = match v8::Local::<v8::Array>::try_from(data) {
        Ok(both) => both.get_index(scope, 0),
        Err(_) => Some(data),
    };
    let getter = getter.and_then(|getter| v8::Local::<v8::Function>::try_from(getter).ok());
    if let Some(value) = getter.and_then(|getter| getter.call(scope, arguments.holder().into(), &[])) {
        rv.set(value);
    }
}

fn write<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    _: v8::Local<'s, v8::Name>,
    value: v8::Local<'s, v8::Value>,
    arguments: v8::PropertyCallbackArguments<'s>,
    _: v8::ReturnValue<'_, ()>,
) {
    let both = v8::Local::<v8::Array>::try_from(arguments.data()).ok();
    let setter = both.and_then(|both| both.get_index(scope, 1));
    if let Some(setter) = setter.and_then(|setter| v8::Local::<v8::Function>::try_from(setter).ok()) {
        setter.call(scope, arguments.holder().into(), &[value]);
    }
}
