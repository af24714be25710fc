//! What Rust code throws into JavaScript.

use std::borrow::Cow;

/// An exception on its way into JavaScript.
#[derive(Debug, Clone)]
pub enum Error {
    /// A `TypeError`.
    Type(Cow<'static, str>),
    /// A `RangeError`.
    Range(Cow<'static, str>),
    /// A plain `Error`.
    Plain(Cow<'static, str>),
    /// A `DOMException`: name, then message.
    Dom(&'static str, Cow<'static, str>),
    /// A value that a script threw, or a reason that it gave.
    Value(v8::Global<v8::Value>),
    /// V8 has already thrown; nothing is left to do but to return.
    Pending,
}

impl Error {
    /// A `TypeError` with this message.
    pub fn type_error(message: impl Into<Cow<'static, str>>) -> Self {
        Error::Type(message.into())
    }

    /// A `RangeError` with this message.
    pub fn range_error(message: impl Into<Cow<'static, str>>) -> Self {
        Error::Range(message.into())
    }

    /// A plain `Error` with this message.
    #[expect(clippy::self_named_constructors, reason = "named after the JavaScript class, as its siblings are")]
    pub fn error(message: impl Into<Cow<'static, str>>) -> Self {
        Error::Plain(message.into())
    }

    /// A `DOMException` with this name (as in the Web IDL names table) and message.
    pub fn dom(name: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Error::Dom(name, message.into())
    }

    /// Whatever value a script gave as a reason.
    pub fn value(scope: &v8::PinScope<'_, '_>, value: v8::Local<'_, v8::Value>) -> Self {
        Error::Value(v8::Global::new(scope, value))
    }

    /// The exception as a JavaScript value. [`Error::Pending`] has none of its own: it gives `undefined`.
    pub fn to_value<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> v8::Local<'s, v8::Value> {
        match self {
            Error::Type(message) => {
                let message = crate::string(scope, message);
                v8::Exception::type_error(scope, message)
            }
            Error::Range(message) => {
                let message = crate::string(scope, message);
                v8::Exception::range_error(scope, message)
            }
            Error::Plain(message) => {
                let message = crate::string(scope, message);
                v8::Exception::error(scope, message)
            }
            Error::Dom(name, message) => dom_exception(scope, name, message),
            Error::Value(value) => v8::Local::new(scope, value),
            Error::Pending => v8::undefined(scope).into(),
        }
    }

    /// The value that a script would catch, where the exception that [`Error::Pending`] stands for is in `try_catch`.
    pub fn caught<'s>(
        &self,
        try_catch: &mut v8::PinnedRef<'_, v8::TryCatch<'_, 's, v8::HandleScope<'_>>>,
    ) -> v8::Local<'s, v8::Value> {
        match self {
            Error::Pending => try_catch.exception().unwrap_or_else(|| v8::undefined(try_catch).into()),
            error => error.to_value(try_catch),
        }
    }

    /// Throws it into the script that is running.
    pub fn throw(&self, scope: &mut v8::PinScope<'_, '_>) {
        if !matches!(self, Error::Pending) {
            let value = self.to_value(scope);
            scope.throw_exception(value);
        }
    }
}

/// What the embedder must supply before the first class is used; kept in an isolate slot.
#[derive(Debug, Default)]
pub struct Hooks {
    /// `(message, name) -> DOMException`, made by a built-in module.
    pub new_dom_exception: Option<v8::Global<v8::Function>>,
    /// `(done, value) -> { done, value }`: script makes it faster.
    pub iterator_result: Option<v8::Global<v8::Function>>,
}

fn dom_exception<'s>(scope: &mut v8::PinScope<'s, '_>, name: &str, message: &str) -> v8::Local<'s, v8::Value> {
    let text = crate::string(scope, message);
    let hook = scope.get_slot::<Hooks>().and_then(|hooks| hooks.new_dom_exception.clone());
    if let Some(hook) = hook {
        let hook = v8::Local::new(scope, hook);
        let name = crate::string(scope, name);
        let receiver = v8::undefined(scope).into();
        if let Some(exception) = hook.call(scope, receiver, &[text.into(), name.into()]) {
            return exception;
        }
    }
    v8::Exception::error(scope, text)
}
