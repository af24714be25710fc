//! Argument types of Web IDL under the names that exception texts give them.

use std::borrow::Cow;

use jsg::{FromJs, Place, Result};

/// A `USVString` as Rust text: lone surrogates became U+FFFD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UsvString(pub(crate) String);

impl<'s> FromJs<'s> for UsvString {
    fn expected() -> Cow<'static, str> {
        "USVString".into()
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
        String::from_js(scope, value, place).map(UsvString)
    }
}

macro_rules! v8_string {
    ($(#[$doc:meta])* $name:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct $name<'s>(pub(crate) v8::Local<'s, v8::String>);

        impl<'s> FromJs<'s> for $name<'s> {
            fn expected() -> Cow<'static, str> {
                $expected.into()
            }

            fn from_js(
                scope: &mut v8::PinScope<'s, '_>,
                value: v8::Local<'s, v8::Value>,
                place: Place<'_>,
            ) -> Result<Self> {
                jsg::DomString::from_js(scope, value, place).map(|string| $name(string.0))
            }
        }
    };
}
v8_string!(
    /// A `USVString` that is still in V8, for callers that can convert it without an allocation.
    UsvHandle,
    "USVString"
);
v8_string!(
    /// A `DOMString` that is still in V8, where the reference calls the type `String`.
    StringHandle,
    "String"
);
