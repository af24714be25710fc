//! The class `Fetcher`: what a worker was given to send requests to; and `LoopbackServiceStub`, which is one for an entrypoint of the
//! worker's own.

use bulkhead_ipc::{compatibility::Flag, head::MAX_OWN_PROPS};
use bytes::Bytes;
use jsg::{Error, FromJs, Place, Result};

use super::{
    global::fetch,
    request::{Input, RequestInit},
};
use crate::{api::structured_clone::serialize, io::OwnedBy, isolate::script};

const EXTRA_HANDLERS: Flag = Flag::named("service_binding_extra_handlers");

/// What a request goes to: a position among what each connection hands over, and for an entrypoint of the worker's own maybe the
/// serialized `props` that it is given.
#[derive(Debug, Clone)]
pub(in crate::api) struct Addressee {
    pub(in crate::api) position: u32,
    pub(in crate::api) props: Option<Bytes>,
}

/// The class `Fetcher`; scripts cannot name it. One that lives in `env` lives for longer than any event, so that it is a position, and
/// holds nothing itself.
#[derive(jsg::Trace)]
pub struct Fetcher {
    #[trace(skip)]
    to: Addressee,
    /// Whose it is, if it was made for `props`.
    #[trace(skip)]
    owner: OwnedBy,
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fetcher({})", self.to.position)
    }
}

#[jsg::class]
impl Fetcher {
    #[method(promise)]
    pub(in crate::api) fn fetch<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        input: Input<'s>,
        init: Option<RequestInit<'s>>,
    ) -> Result<v8::Local<'s, v8::Promise>> {
        let to = self.addressee(scope)?;
        fetch(scope, Some(to), input, init)
    }

    /// A `Socket` (`js/socket.js`).
    #[method]
    fn connect<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        address: Option<v8::Local<'s, v8::Value>>,
        options: Option<v8::Local<'s, v8::Value>>,
    ) -> Result<v8::Local<'s, v8::Value>> {
        let Some(address) = address else {
            let text =
                "Failed to execute 'connect' on 'Fetcher': parameter 1 is not of type 'SocketAddress or string'.";
            return Err(Error::type_error(text));
        };
        let to = jsg::instantiate(scope, Fetcher { to: self.addressee(scope)?, owner: OwnedBy::current(scope) })?;
        let options = options.unwrap_or_else(|| v8::undefined(scope).into());
        let name = jsg::string(scope, "Fetcher").into();
        script::call(scope, |script| &script.new_socket_to, &[to.into(), address, options, name])
    }

    /// Takes what the reference takes, and says what is missing.
    #[method(flag = EXTRA_HANDLERS)]
    fn queue(&self) -> Result<()> {
        Err(Error::error("Fetcher.queue() is not supported yet."))
    }

    /// Takes what the reference takes, and says what is missing.
    #[method(flag = EXTRA_HANDLERS)]
    fn scheduled(&self) -> Result<()> {
        Err(Error::error("Fetcher.scheduled() is not supported yet."))
    }
}

impl Fetcher {
    /// Leads to what is at a position.
    pub(crate) fn new(position: u32) -> Self {
        Fetcher { to: Addressee { position, props: None }, owner: OwnedBy::default() }
    }

    /// Where its requests go.
    ///
    /// # Errors
    /// The reference's exception, if it is another event's owner's.
    pub(in crate::api) fn addressee(&self, scope: &v8::PinScope<'_, '_>) -> Result<Addressee> {
        self.owner.check_as(scope, "SubrequestChannel")?;
        Ok(self.to.clone())
    }
}

/// The class `LoopbackServiceStub`, which scripts cannot name: what `ctx.exports` has for an entrypoint. Called, it gives another
/// `Fetcher`, with `props`.
#[derive(jsg::Trace)]
pub(crate) struct LoopbackServiceStub {
    base: Fetcher,
}

/// What it, and what `ctx.exports` has for a class, is called with.
#[derive(jsg::Dict)]
pub(in crate::api) struct Options<'s> {
    props: Option<Props<'s>>,
}

/// An object.
pub(in crate::api) struct Props<'s>(v8::Local<'s, v8::Value>);

impl<'s> FromJs<'s> for Props<'s> {
    fn expected() -> std::borrow::Cow<'static, str> {
        "Object".into()
    }

    fn from_js(_: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
        if value.is_object() { Ok(Props(value)) } else { Err(place.mismatch("Object")) }
    }
}

#[jsg::class(extends = Fetcher)]
impl LoopbackServiceStub {
    #[called]
    fn with_props<'s>(&self, scope: &mut v8::PinScope<'s, '_>, options: Options<'s>) -> Result<Fetcher> {
        let position = self.base.to.position;
        let Some(Props(props)) = options.props else {
            return Ok(Fetcher { to: Addressee { position, props: None }, owner: OwnedBy::current(scope) });
        };
        let props = serialize(scope, props)?;
        if props.len() > MAX_OWN_PROPS {
            return Err(Error::range_error(format!(
                "The props are longer than {MAX_OWN_PROPS} bytes when they are serialized."
            )));
        }
        Ok(Fetcher { to: Addressee { position, props: Some(props.into()) }, owner: OwnedBy::current(scope) })
    }
}

impl LoopbackServiceStub {
    /// Leads to the entrypoint at a position.
    pub(crate) fn new(position: u32) -> Self {
        LoopbackServiceStub { base: Fetcher::new(position) }
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
