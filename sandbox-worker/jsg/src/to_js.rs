//! Rust values into JavaScript values.

use crate::{ByteString, DomString, Error, JsRef, Object, Result, class};

/// A value that Rust can give to a script.
pub trait ToJs<'s> {
    /// Makes the JavaScript value.
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>>;
}

impl<'s> ToJs<'s> for () {
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        Ok(v8::undefined(scope).into())
    }
}

impl<'s> ToJs<'s> for bool {
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        Ok(v8::Boolean::new(scope, self).into())
    }
}

macro_rules! small_integers {
    ($($ty:ident),*) => { $(
        impl<'s> ToJs<'s> for $ty {
            fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
                Ok(v8::Integer::new(scope, i32::from(self)).into())
            }
        }
    )* };
}
small_integers!(i8, u8, i16, u16, i32);

impl<'s> ToJs<'s> for u32 {
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        Ok(v8::Integer::new_from_unsigned(scope, self).into())
    }
}

impl<'s> ToJs<'s> for f64 {
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        Ok(v8::Number::new(scope, self).into())
    }
}

impl<'s> ToJs<'s> for &str {
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        Ok(crate::string(scope, self).into())
    }
}

impl<'s> ToJs<'s> for String {
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        Ok(crate::string(scope, &self).into())
    }
}

impl<'s> ToJs<'s> for DomString<'s> {
    fn to_js(self, _: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        Ok(self.0.into())
    }
}

impl<'s> ToJs<'s> for ByteString {
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        Ok(crate::one_byte(scope, &self.0).into())
    }
}

impl<'s> ToJs<'s> for Object<'s> {
    fn to_js(self, _: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        Ok(self.0.into())
    }
}

impl<'s, T> ToJs<'s> for v8::Local<'s, T>
where
    v8::Local<'s, T>: Into<v8::Local<'s, v8::Value>>,
{
    fn to_js(self, _: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        Ok(self.into())
    }
}

impl<'s> ToJs<'s> for v8::Global<v8::Value> {
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        Ok(v8::Local::new(scope, self))
    }
}

impl<'s> ToJs<'s> for &JsRef<v8::Value> {
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        Ok(self.get(scope))
    }
}

impl<'s, T: class::Class> ToJs<'s> for &class::Ref<T> {
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        Ok(self.object(scope).into())
    }
}

impl<'s, T: ToJs<'s>> ToJs<'s> for Option<T> {
    /// `None` is `null`; [`OrUndefined`] is for the other kind.
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        match self {
            Some(value) => value.to_js(scope),
            None => Ok(v8::null(scope).into()),
        }
    }
}

/// An optional value whose absence is `undefined`.
#[derive(Debug, Clone, Copy)]
pub struct OrUndefined<T>(pub Option<T>);

impl<'s, T: ToJs<'s>> ToJs<'s> for OrUndefined<T> {
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        match self.0 {
            Some(value) => value.to_js(scope),
            None => Ok(v8::undefined(scope).into()),
        }
    }
}

impl<'s, T: ToJs<'s>> ToJs<'s> for Vec<T> {
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        let mut elements = Vec::with_capacity(self.len());
        for value in self {
            elements.push(value.to_js(scope)?);
        }
        Ok(v8::Array::new_with_elements(scope, &elements).into())
    }
}

impl<'s, T: ToJs<'s>> ToJs<'s> for Result<T, Error> {
    fn to_js(self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        self?.to_js(scope)
    }
}

/// A promise that is resolved with `value`.
///
/// # Errors
/// The value cannot be made, or script is interrupted.
pub fn resolved<'s>(scope: &mut v8::PinScope<'s, '_>, value: impl ToJs<'s>) -> Result<v8::Local<'s, v8::Promise>> {
    let value = value.to_js(scope)?;
    let resolver = v8::PromiseResolver::new(scope).ok_or(Error::Pending)?;
    resolver.resolve(scope, value).ok_or(Error::Pending)?;
    Ok(resolver.get_promise(scope))
}
