//! What the built-in scripts need to count buffers that can be resized (`js/buffers.js`).

use jsg::{Error, Result};

/// What the built-in scripts need.
#[derive(jsg::Trace, Debug)]
pub(super) struct Internal;

#[jsg::class(name = "internal")]
impl Internal {
    #[static_method]
    fn count_buffer<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        value: v8::Local<'s, v8::Value>,
    ) -> Result<v8::Local<'s, v8::Value>> {
        jsg::count_resizable(scope, value).map(|()| value)
    }

    #[static_method]
    fn count_resized<'s>(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> Result<()> {
        jsg::count_resized(scope, value)
    }

    /// The length as V8 is to get it, which converts what is none.
    #[static_method]
    fn make_room<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        value: v8::Local<'s, v8::Value>,
        length: v8::Local<'s, v8::Value>,
    ) -> Result<v8::Local<'s, v8::Value>> {
        if !jsg::is_resizable(value) || length.is_undefined() {
            return Ok(length);
        }
        // Once: a script may be asked.
        let number = length.number_value(scope).ok_or(Error::Pending)?;
        jsg::make_room(scope, value, number)?;
        Ok(v8::Number::new(scope, number).into())
    }
}
