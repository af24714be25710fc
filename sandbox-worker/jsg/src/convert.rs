//! JavaScript values into Rust values, by the rules of Web IDL. The only place where that happens.

use std::fmt::Write as _;

use crate::{ByteString, DomString, Error, Result};

/// Which value of a call is being converted; used for the text of the exception, which is the reference's.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// An argument of a method or of a function: class, method, index from 0.
    Argument(&'a str, &'a str, usize),
    /// An argument of a constructor: class, index from 0.
    Constructor(&'a str, usize),
    /// The value assigned to an attribute: class, attribute.
    Attribute(&'a str, &'a str),
    /// A member of a dictionary: dictionary, member.
    Member(&'a str, &'a str),
    /// An element of a sequence, a value of a record.
    Inner,
}

impl Place<'_> {
    /// The `TypeError` for a value that is not of type `expected`.
    pub fn mismatch(&self, expected: &str) -> Error {
        let mut text = String::new();
        let _ = match self {
            Place::Argument(class, method, index) => {
                write!(
                    text,
                    "Failed to execute '{method}' on '{class}': parameter {} is not of type '{expected}'.",
                    index + 1
                )
            }
            Place::Constructor(class, index) => {
                write!(
                    text,
                    "Failed to construct '{class}': constructor parameter {} is not of type '{expected}'.",
                    index + 1
                )
            }
            Place::Attribute(class, name) => {
                write!(
                    text,
                    "Failed to set the '{name}' property on '{class}': the provided value is not of type '{expected}'."
                )
            }
            Place::Member(dictionary, name) => {
                write!(
                    text,
                    "Incorrect type for the '{name}' field on '{dictionary}': the provided value is not of type \
                     '{expected}'."
                )
            }
            Place::Inner => write!(text, "Incorrect type: the provided value is not of type '{expected}'."),
        };
        Error::Type(text.into())
    }
}

/// A value that a script can pass.
pub trait FromJs<'s>: Sized {
    /// The name of the type in exception texts.
    fn expected() -> std::borrow::Cow<'static, str>;

    /// Whether a union that has this type as a member would choose it for `value` (Web IDL, "union types": what is
    /// distinguishable). Types that convert anything say yes.
    fn matches(_scope: &mut v8::PinScope<'s, '_>, _value: v8::Local<'s, v8::Value>) -> bool {
        true
    }

    /// Converts, or says in the words of `place` why not.
    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self>;

    /// What stands for an argument that was not passed. Only optional types have something.
    fn missing(place: Place<'_>) -> Result<Self> {
        Err(place.mismatch(&Self::expected()))
    }
}

/// Marks a conversion in which V8 threw: its exception is already on its way.
pub(crate) fn pending<T>(value: Option<T>) -> Result<T> {
    value.ok_or(Error::Pending)
}

impl<'s> FromJs<'s> for v8::Local<'s, v8::Value> {
    fn expected() -> std::borrow::Cow<'static, str> {
        "Value".into()
    }

    fn from_js(_: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, _: Place<'_>) -> Result<Self> {
        Ok(value)
    }
}

macro_rules! handle {
    ($($ty:ident => $name:literal),* $(,)?) => { $(
        impl<'s> FromJs<'s> for v8::Local<'s, v8::$ty> {
            fn expected() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn matches(_: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> bool {
                v8::Local::<v8::$ty>::try_from(value).is_ok()
            }

            fn from_js(_: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
                v8::Local::<v8::$ty>::try_from(value).map_err(|_| place.mismatch($name))
            }
        }
    )* };
}
handle!(
    Function => "function",
    Array => "Array",
    Promise => "Promise",
    ArrayBuffer => "ArrayBuffer",
    ArrayBufferView => "ArrayBufferView",
    Uint8Array => "Uint8Array",
);

/// Any object.
#[derive(Debug, Clone, Copy)]
pub struct Object<'s>(pub v8::Local<'s, v8::Object>);

impl<'s> FromJs<'s> for Object<'s> {
    fn expected() -> std::borrow::Cow<'static, str> {
        "Object".into()
    }

    fn matches(_: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> bool {
        value.is_object()
    }

    fn from_js(_: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
        v8::Local::<v8::Object>::try_from(value).map(Object).map_err(|_| place.mismatch("Object"))
    }
}

impl<'s> FromJs<'s> for bool {
    fn expected() -> std::borrow::Cow<'static, str> {
        "boolean".into()
    }

    fn matches(_: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> bool {
        value.is_boolean()
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, _: Place<'_>) -> Result<Self> {
        Ok(value.boolean_value(scope))
    }
}

/// Web IDL `ConvertToInt` without extended attributes: modulo 2^64, truncated to the width by the caller.
fn to_int(scope: &mut v8::PinScope<'_, '_>, value: v8::Local<'_, v8::Value>) -> Result<u64> {
    let number = pending(value.number_value(scope))?;
    if !number.is_finite() {
        return Ok(0);
    }
    let number = number.trunc();
    if number.abs() < 9.0e18 {
        return Ok(number as i64 as u64);
    }
    let modulus = 18_446_744_073_709_551_616.0_f64;
    let reduced = number.rem_euclid(modulus);
    Ok(if reduced >= modulus { 0 } else { reduced as u64 })
}

macro_rules! integers {
    ($($ty:ident),*) => { $(
        impl<'s> FromJs<'s> for $ty {
            fn expected() -> std::borrow::Cow<'static, str> {
                "number".into()
            }

            fn matches(_: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> bool {
                value.is_number()
            }

            #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
            fn from_js(
                scope: &mut v8::PinScope<'s, '_>,
                value: v8::Local<'s, v8::Value>,
                _: Place<'_>,
            ) -> Result<Self> {
                Ok(to_int(scope, value)? as $ty)
            }
        }

        impl<'s> FromJs<'s> for EnforceRange<$ty> {
            fn expected() -> std::borrow::Cow<'static, str> {
                "number".into()
            }

            fn from_js(
                scope: &mut v8::PinScope<'s, '_>,
                value: v8::Local<'s, v8::Value>,
                _: Place<'_>,
            ) -> Result<Self> {
                let number = pending(value.number_value(scope))?;
                // Beyond 2^53 a number does not name one integer.
                const LIMIT: f64 = 9_007_199_254_740_991.0;
                let low = ($ty::MIN as f64).max(-LIMIT);
                let high = ($ty::MAX as f64).min(LIMIT);
                let whole = number.trunc();
                if !number.is_finite() || whole < low || whole > high {
                    return Err(Error::Type(
                        format!("Value out of range. Must be between {low} and {high} (inclusive).").into(),
                    ));
                }
                Ok(EnforceRange(whole as $ty))
            }
        }

        impl<'s> FromJs<'s> for Clamp<$ty> {
            fn expected() -> std::borrow::Cow<'static, str> {
                "number".into()
            }

            fn from_js(
                scope: &mut v8::PinScope<'s, '_>,
                value: v8::Local<'s, v8::Value>,
                _: Place<'_>,
            ) -> Result<Self> {
                let number = pending(value.number_value(scope))?;
                if number.is_nan() {
                    return Ok(Clamp(0));
                }
                // `as` saturates, which is what [Clamp] asks for.
                Ok(Clamp(number.clamp($ty::MIN as f64, $ty::MAX as f64).round_ties_even() as $ty))
            }
        }
    )* };
}
integers!(i8, u8, i16, u16, i32, u32, i64, u64);

/// An integer with Web IDL's `[EnforceRange]`: what does not fit is a `TypeError`.
#[derive(Debug, Clone, Copy)]
pub struct EnforceRange<T>(pub T);

/// An integer with Web IDL's `[Clamp]`: what does not fit becomes the nearest that does.
#[derive(Debug, Clone, Copy)]
pub struct Clamp<T>(pub T);

impl<'s> FromJs<'s> for f64 {
    fn expected() -> std::borrow::Cow<'static, str> {
        "number".into()
    }

    fn matches(_: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> bool {
        value.is_number()
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, _: Place<'_>) -> Result<Self> {
        pending(value.number_value(scope))
    }
}

/// Web IDL `double`: neither NaN nor an infinity.
#[derive(Debug, Clone, Copy)]
pub struct Finite(pub f64);

impl<'s> FromJs<'s> for Finite {
    fn expected() -> std::borrow::Cow<'static, str> {
        "number".into()
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
        let number = pending(value.number_value(scope))?;
        if number.is_finite() { Ok(Finite(number)) } else { Err(place.mismatch("finite number")) }
    }
}

impl<'s> FromJs<'s> for String {
    /// A `USVString`: lone surrogates become U+FFFD.
    fn expected() -> std::borrow::Cow<'static, str> {
        "string".into()
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, _: Place<'_>) -> Result<Self> {
        let string = pending(value.to_string(scope))?;
        Ok(string.to_rust_string_lossy(scope))
    }
}

impl<'s> FromJs<'s> for DomString<'s> {
    fn expected() -> std::borrow::Cow<'static, str> {
        "string".into()
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, _: Place<'_>) -> Result<Self> {
        pending(value.to_string(scope)).map(DomString)
    }
}

impl<'s> FromJs<'s> for ByteString {
    fn expected() -> std::borrow::Cow<'static, str> {
        "string".into()
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, _: Place<'_>) -> Result<Self> {
        let string = pending(value.to_string(scope))?;
        if !string.contains_only_onebyte() {
            return Err(Error::type_error(
                "Cannot convert argument to a ByteString because it contains a character with a value greater than \
                 255.",
            ));
        }
        let mut bytes = vec![0; string.length()];
        string.write_one_byte_v2(scope, 0, &mut bytes, v8::WriteFlags::empty());
        Ok(ByteString(bytes))
    }
}

impl<'s, T: FromJs<'s>> FromJs<'s> for Option<T> {
    fn expected() -> std::borrow::Cow<'static, str> {
        T::expected()
    }

    fn matches(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> bool {
        value.is_undefined() || T::matches(scope, value)
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
        if value.is_undefined() { Ok(None) } else { T::from_js(scope, value, place).map(Some) }
    }

    fn missing(_: Place<'_>) -> Result<Self> {
        Ok(None)
    }
}

/// `T?`: `null` and `undefined` are `None`; may not be left out (wrap it in `Option` for that).
#[derive(Debug, Clone, Copy)]
pub struct Nullable<T>(pub Option<T>);

impl<'s, T: FromJs<'s>> FromJs<'s> for Nullable<T> {
    fn expected() -> std::borrow::Cow<'static, str> {
        T::expected()
    }

    fn matches(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> bool {
        value.is_null_or_undefined() || T::matches(scope, value)
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
        if value.is_null_or_undefined() {
            Ok(Nullable(None))
        } else {
            T::from_js(scope, value, place).map(|value| Nullable(Some(value)))
        }
    }
}

/// All remaining arguments (variadic).
#[derive(Debug, Clone)]
pub struct Rest<T>(pub Vec<T>);

/// Web IDL `sequence<T>`: any iterable object.
#[derive(Debug, Clone)]
pub struct Sequence<T>(pub Vec<T>);

impl<'s, T: FromJs<'s>> FromJs<'s> for Sequence<T> {
    fn expected() -> std::borrow::Cow<'static, str> {
        "Sequence".into()
    }

    /// An object with a method at `@@iterator`.
    fn matches(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> bool {
        let Ok(object) = v8::Local::<v8::Object>::try_from(value) else { return false };
        let symbol = v8::Symbol::get_iterator(scope);
        v8::tc_scope!(let scope, scope);
        object.get(scope, symbol.into()).is_some_and(|method| method.is_function())
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
        let object = v8::Local::<v8::Object>::try_from(value).map_err(|_| place.mismatch("Sequence"))?;
        let symbol = v8::Symbol::get_iterator(scope);
        let method = pending(object.get(scope, symbol.into()))?;
        let method = v8::Local::<v8::Function>::try_from(method).map_err(|_| place.mismatch("Sequence"))?;
        let mut values = Vec::new();
        let iterator = pending(method.call(scope, value, &[]))?;
        let not_an_object = || Error::type_error("The iterator protocol was not followed: not an object.");
        let iterator = v8::Local::<v8::Object>::try_from(iterator).map_err(|_| not_an_object())?;
        let next_key = crate::string(scope, "next");
        let done_key = crate::string(scope, "done");
        let value_key = crate::string(scope, "value");
        let next = pending(iterator.get(scope, next_key.into()))?;
        let next = v8::Local::<v8::Function>::try_from(next).map_err(|_| not_an_object())?;
        loop {
            // The iterator of an array may be native.
            crate::check(scope)?;
            let step = pending(next.call(scope, iterator.into(), &[]))?;
            let step = v8::Local::<v8::Object>::try_from(step).map_err(|_| not_an_object())?;
            if pending(step.get(scope, done_key.into()))?.boolean_value(scope) {
                return Ok(Sequence(values));
            }
            let element = pending(step.get(scope, value_key.into()))?;
            values.push(T::from_js(scope, element, Place::Inner)?);
        }
    }
}

/// Web IDL `record<K, V>`: the own enumerable string-keyed properties of an object, in their order.
#[derive(Debug, Clone)]
pub struct Record<K, V>(pub Vec<(K, V)>);

impl<'s, K: FromJs<'s>, V: FromJs<'s>> FromJs<'s> for Record<K, V> {
    fn expected() -> std::borrow::Cow<'static, str> {
        "object".into()
    }

    fn matches(_: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> bool {
        value.is_object()
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
        let object = v8::Local::<v8::Object>::try_from(value).map_err(|_| place.mismatch("object"))?;
        let arguments = v8::GetPropertyNamesArgs {
            mode: v8::KeyCollectionMode::OwnOnly,
            property_filter: v8::PropertyFilter::ONLY_ENUMERABLE | v8::PropertyFilter::SKIP_SYMBOLS,
            index_filter: v8::IndexFilter::IncludeIndices,
            key_conversion: v8::KeyConversionMode::ConvertToString,
        };
        let names = pending(object.get_property_names(scope, arguments))?;
        let mut pairs = Vec::with_capacity(names.length() as usize);
        for index in 0..names.length() {
            crate::check(scope)?;
            let key = pending(names.get_index(scope, index))?;
            let value = pending(object.get(scope, key))?;
            let key = K::from_js(scope, key, Place::Inner)?;
            pairs.push((key, V::from_js(scope, value, Place::Inner)?));
        }
        Ok(Record(pairs))
    }
}

/// A member of a dictionary; used by [`macro@crate::Dict`]. `None` where the member is absent or `undefined`.
pub fn field<'s, T: FromJs<'s>>(
    scope: &mut v8::PinScope<'s, '_>,
    object: Option<v8::Local<'s, v8::Object>>,
    dictionary: &str,
    name: &str,
) -> Result<T> {
    let place = Place::Member(dictionary, name);
    let Some(object) = object else { return T::missing(place) };
    let key = v8::String::new_from_one_byte(scope, name.as_bytes(), v8::NewStringType::Internalized);
    let key = pending(key)?;
    let value = pending(object.get(scope, key.into()))?;
    if value.is_undefined() { T::missing(place) } else { T::from_js(scope, value, place) }
}
