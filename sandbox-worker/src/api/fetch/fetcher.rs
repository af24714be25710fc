//! The class `Fetcher`: what a worker was given to send requests to.

use jsg::{Error, FromJs, Place, Result};

use super::{
    global::fetch,
    request::{Input, RequestInit},
};

/// The class `Fetcher`; scripts cannot name it. It lives in `env` for longer than any event, so that it is a position among what
/// each connection hands over, and holds nothing itself.
#[derive(jsg::Trace)]
pub struct Fetcher {
    #[trace(skip)]
    position: u32,
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fetcher({})", self.position)
    }
}

#[jsg::class]
impl Fetcher {
    #[method(promise)]
    fn fetch<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        input: Input<'s>,
        init: Option<RequestInit<'s>>,
    ) -> Result<v8::Local<'s, v8::Promise>> {
        fetch(scope, Some(self.position), input, init)
    }

    /// Takes what the reference takes, and says what is missing.
    #[method]
    fn connect(&self) -> Result<()> {
        Err(Error::error("connect() is not supported yet: this version has no sockets."))
    }
}

impl Fetcher {
    /// Leads to what is at a position.
    pub(crate) fn new(position: u32) -> Self {
        Fetcher { position }
    }

    pub(super) fn position(&self) -> u32 {
        self.position
    }
}

/// `Fetcher?`, as an initializer has it.
pub(super) struct FetcherInit<'s>(pub(super) Option<v8::Local<'s, v8::Object>>);

impl<'s> FromJs<'s> for FetcherInit<'s> {
    fn expected() -> std::borrow::Cow<'static, str> {
        "Fetcher".into()
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
        let fetcher = jsg::unwrap_value::<Fetcher>(scope, value);
        match v8::Local::<v8::Object>::try_from(value) {
            Ok(object) if fetcher.is_some() => Ok(FetcherInit(Some(object))),
            _ if value.is_null() || !super::request::refuses_wrong(scope) => Ok(FetcherInit(None)),
            _ => Err(place.mismatch("Fetcher")),
        }
    }
}
