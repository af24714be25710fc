//! `URL` (URL Standard, section 6.1). The parser is ada, the one of the reference. `URLPattern` does not exist yet.

pub(super) mod legacy;
mod search_params;
#[cfg(test)]
mod tests;

use std::{cell::RefCell, mem::MaybeUninit};

use jsg::{Error, FromJs, Place, Receiver, Ref, Result};

pub use search_params::UrlSearchParams;

use super::idl::{UsvHandle, UsvString};
use crate::isolate::script;

/// `URL`: one parsed record; its parts become strings when a script asks for them.
#[derive(jsg::Trace)]
pub struct Url {
    #[trace(skip)]
    record: RefCell<ada_url::Url>,
    /// Its text, which is in the parser's own memory.
    #[trace(skip)]
    size: jsg::External,
    /// The `searchParams` object, once somebody asked for it.
    params: RefCell<Option<Ref<UrlSearchParams>>>,
}

impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Url({:?})", self.record.borrow().href())
    }
}

/// URLs up to this many bytes are parsed without an allocation for their text.
const INLINE: usize = 1024;

/// The basic URL parser, with a base that is parsed first.
fn parse(
    scope: &mut v8::PinScope<'_, '_>,
    input: v8::Local<'_, v8::String>,
    base: Option<v8::Local<'_, v8::String>>,
) -> Option<ada_url::Url> {
    let mut buffer = [MaybeUninit::<u8>::uninit(); INLINE];
    let input = input.to_rust_cow_lossy(scope, &mut buffer);
    let Some(base) = base else { return ada_url::Url::parse(&*input, None).ok() };
    let mut buffer = [MaybeUninit::<u8>::uninit(); INLINE];
    let base = base.to_rust_cow_lossy(scope, &mut buffer);
    ada_url::Url::parse(&*input, Some(&base)).ok()
}

impl Url {
    fn of(record: ada_url::Url) -> Self {
        let size = jsg::External::default();
        size.set(record.href().len());
        Url { record: RefCell::new(record), size, params: RefCell::default() }
    }

    fn edit<R>(&self, edit: impl FnOnce(&mut ada_url::Url) -> R) -> R {
        let mut record = self.record.borrow_mut();
        let result = edit(&mut record);
        self.size.set(record.href().len());
        result
    }

    /// The serialized URL.
    pub fn serialized(&self) -> String {
        self.record.borrow().href().to_owned()
    }

    /// The parameters have changed.
    pub(super) fn set_query(&self, query: &str) {
        // The empty query is no query, and text for which this takes a leading `?` away cannot come: it is encoded.
        self.edit(|record| record.set_search(Some(query)));
    }

    /// The query was set from outside the parameters: they follow.
    fn query_changed(&self, scope: &mut v8::PinScope<'_, '_>) {
        if let Some(params) = &*self.params.borrow() {
            params.get(scope).replace(query(&self.record.borrow()));
        }
    }

    fn text<'s>(&self, scope: &mut v8::PinScope<'s, '_>, part: fn(&ada_url::Url) -> &str) -> v8::Local<'s, v8::String> {
        jsg::string(scope, part(&self.record.borrow()))
    }
}

/// The query without its `?`.
fn query(record: &ada_url::Url) -> &str {
    let search = record.search();
    search.strip_prefix('?').unwrap_or(search)
}

/// The argument of `createObjectURL`.
struct BlobArgument;

impl<'s> FromJs<'s> for BlobArgument {
    fn expected() -> std::borrow::Cow<'static, str> {
        "File or Blob".into()
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
        let class = script::function(scope, |script| &script.blob);
        match value.instance_of(scope, class.into()) {
            Some(true) => Ok(BlobArgument),
            _ => Err(place.mismatch(&Self::expected())),
        }
    }
}

#[jsg::class(name = "URL")]
impl Url {
    #[constructor]
    fn new<'s>(scope: &mut v8::PinScope<'s, '_>, input: UsvHandle<'s>, base: Option<UsvHandle<'s>>) -> Result<Self> {
        match parse(scope, input.0, base.map(|base| base.0)) {
            Some(record) => Ok(Url::of(record)),
            None => Err(Error::type_error("Invalid URL string.")),
        }
    }

    #[static_method]
    fn can_parse<'s>(scope: &mut v8::PinScope<'s, '_>, input: UsvHandle<'s>, base: Option<UsvHandle<'s>>) -> bool {
        let input = input.0.to_rust_string_lossy(scope);
        let base = base.map(|base| base.0.to_rust_string_lossy(scope));
        ada_url::Url::can_parse(&input, base.as_deref())
    }

    #[static_method(name = "parse")]
    fn try_parse<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        input: UsvHandle<'s>,
        base: Option<UsvHandle<'s>>,
    ) -> Option<Url> {
        parse(scope, input.0, base.map(|base| base.0)).map(Url::of)
    }

    #[static_method(name = "createObjectURL")]
    fn create_object_url(_object: BlobArgument) -> Result<()> {
        Err(Error::error("URL.createObjectURL() is not implemented"))
    }

    #[static_method(name = "revokeObjectURL")]
    fn revoke_object_url(_url: UsvString) -> Result<()> {
        Err(Error::error("URL.revokeObjectURL() is not implemented"))
    }

    #[getter]
    fn origin(&self) -> String {
        self.record.borrow().origin()
    }

    #[getter]
    fn href<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> v8::Local<'s, v8::String> {
        self.text(scope, ada_url::Url::href)
    }

    #[setter]
    fn set_href(&self, scope: &mut v8::PinScope<'_, '_>, value: UsvString) -> Result<()> {
        if self.edit(|record| record.set_href(&value.0)).is_err() {
            return Err(Place::Attribute("URL", "href").mismatch("valid URL string"));
        }
        self.query_changed(scope);
        Ok(())
    }

    #[getter]
    fn protocol<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> v8::Local<'s, v8::String> {
        self.text(scope, ada_url::Url::protocol)
    }

    // Setters of parts ignore what the standard has them ignore; only `href` complains.

    #[setter]
    fn set_protocol(&self, value: UsvString) {
        let _ = self.edit(|record| record.set_protocol(&value.0));
    }

    #[getter]
    fn username<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> v8::Local<'s, v8::String> {
        self.text(scope, ada_url::Url::username)
    }

    #[setter]
    fn set_username(&self, value: UsvString) {
        let _ = self.edit(|record| record.set_username(Some(&value.0)));
    }

    #[getter]
    fn password<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> v8::Local<'s, v8::String> {
        self.text(scope, ada_url::Url::password)
    }

    #[setter]
    fn set_password(&self, value: UsvString) {
        let _ = self.edit(|record| record.set_password(Some(&value.0)));
    }

    #[getter]
    fn host<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> v8::Local<'s, v8::String> {
        self.text(scope, ada_url::Url::host)
    }

    #[setter]
    fn set_host(&self, value: UsvString) {
        let _ = self.edit(|record| record.set_host(Some(&value.0)));
    }

    #[getter]
    fn hostname<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> v8::Local<'s, v8::String> {
        self.text(scope, ada_url::Url::hostname)
    }

    #[setter]
    fn set_hostname(&self, value: UsvString) {
        let _ = self.edit(|record| record.set_hostname(Some(&value.0)));
    }

    #[getter]
    fn port<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> v8::Local<'s, v8::String> {
        self.text(scope, ada_url::Url::port)
    }

    #[setter]
    fn set_port(&self, value: UsvString) {
        let _ = self.edit(|record| record.set_port(Some(&value.0)));
    }

    #[getter]
    fn pathname<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> v8::Local<'s, v8::String> {
        self.text(scope, ada_url::Url::pathname)
    }

    #[setter]
    fn set_pathname(&self, value: UsvString) {
        let _ = self.edit(|record| record.set_pathname(Some(&value.0)));
    }

    #[getter]
    fn search<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> v8::Local<'s, v8::String> {
        self.text(scope, ada_url::Url::search)
    }

    #[setter]
    fn set_search(&self, scope: &mut v8::PinScope<'_, '_>, value: UsvString) {
        self.edit(|record| record.set_search(Some(&value.0)));
        self.query_changed(scope);
    }

    #[getter]
    fn hash<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> v8::Local<'s, v8::String> {
        self.text(scope, ada_url::Url::hash)
    }

    #[setter]
    fn set_hash(&self, value: UsvString) {
        self.edit(|record| record.set_hash(Some(&value.0)));
    }

    #[getter]
    fn search_params<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        receiver: Receiver<'s>,
    ) -> Result<v8::Local<'s, v8::Object>> {
        if let Some(params) = &*self.params.borrow() {
            return Ok(params.object(scope));
        }
        let url = Ref::<Url>::new(scope, receiver.0).ok_or(Error::Pending)?;
        let params = UrlSearchParams::of_url(url, query(&self.record.borrow()));
        let params = Ref::instantiate(scope, params)?;
        let object = params.object(scope);
        *self.params.borrow_mut() = Some(params);
        Ok(object)
    }

    #[method(name = "toJSON")]
    fn to_json<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> v8::Local<'s, v8::String> {
        self.href(scope)
    }

    #[method]
    fn to_string<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> v8::Local<'s, v8::String> {
        self.href(scope)
    }
}
