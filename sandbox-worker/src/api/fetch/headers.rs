//! `Headers` (Fetch Standard, section 5.1).

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    rc::Rc,
};

use bulkhead_ipc::compatibility::Flag;
use jsg::{Error, FromJs, Place, Receiver, Registry, Result, glue::Kind};

use super::header_map::{HeaderMap, invalid_name, is_token, normalized};
use crate::isolate::flags;

const GET_SET_COOKIE: Flag = Flag::named("http_headers_getsetcookie");

/// A name to look up. What no header can be called is found nowhere, as in the reference, unless it is ASCII.
fn lookup_name(name: &str) -> Result<&[u8]> {
    let name = name.as_bytes();
    if name.is_ascii() && !name.is_empty() && !is_token(name) {
        return Err(invalid_name());
    }
    Ok(name)
}

/// Bytes of a header as scripts see them: UTF-8, with U+FFFD for what is none.
fn text<'s>(scope: &v8::PinScope<'s, '_>, bytes: &[u8]) -> v8::Local<'s, v8::String> {
    if bytes.is_ascii() {
        return jsg::one_byte(scope, bytes);
    }
    jsg::string(scope, &String::from_utf8_lossy(bytes))
}

/// A header list with its guard; shared by a request or response and its `headers` object, if a script asked for one.
#[derive(Debug, Default)]
pub struct HeaderList {
    /// The headers.
    pub map: RefCell<HeaderMap>,
    immutable: Cell<bool>,
}

impl HeaderList {
    /// A list that scripts may change.
    pub fn new(map: HeaderMap) -> Rc<Self> {
        Rc::new(HeaderList { map: RefCell::new(map), immutable: Cell::new(false) })
    }

    /// A list with the guard "immutable".
    pub fn immutable(map: HeaderMap) -> Rc<Self> {
        Rc::new(HeaderList { map: RefCell::new(map), immutable: Cell::new(true) })
    }

    /// A list of its own with the same headers and the same guard.
    pub fn duplicate(&self) -> Rc<Self> {
        Rc::new(HeaderList { map: RefCell::new(self.map.borrow().clone()), immutable: self.immutable.clone() })
    }

    fn check_mutable(&self) -> Result<()> {
        if self.immutable.get() { Err(Error::type_error("Can't modify immutable headers.")) } else { Ok(()) }
    }
}

/// The class `Headers`.
#[derive(Debug, jsg::Trace)]
pub struct Headers {
    #[trace(skip)]
    list: Rc<HeaderList>,
}

impl Headers {
    /// A script's view of a list.
    pub fn of(list: Rc<HeaderList>) -> Self {
        Headers { list }
    }

    /// A copy for `structuredClone`.
    pub(in crate::api) fn copy<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Object>> {
        jsg::instantiate(scope, Headers::of(self.list.duplicate()))
    }

    /// Whether its guard is "immutable".
    pub(in crate::api) fn is_immutable(&self) -> bool {
        self.list.immutable.get()
    }
}

#[jsg::class]
impl Headers {
    #[constructor]
    fn new(init: Option<HeadersInit>) -> Self {
        Headers { list: HeaderList::new(init.map(|init| init.0).unwrap_or_default()) }
    }

    #[method]
    fn get<'s>(&self, scope: &mut v8::PinScope<'s, '_>, name: String) -> Result<Option<v8::Local<'s, v8::String>>> {
        let map = self.list.map.borrow();
        Ok(map.get(lookup_name(&name)?).map(|value| text(scope, &value)))
    }

    #[method]
    fn get_all<'s>(&self, scope: &mut v8::PinScope<'s, '_>, name: String) -> Result<Vec<v8::Local<'s, v8::String>>> {
        if !name.eq_ignore_ascii_case("set-cookie") {
            return Err(Error::type_error("getAll() can only be used with the header name \"Set-Cookie\"."));
        }
        Ok(self.get_set_cookie(scope))
    }

    #[method(flag = GET_SET_COOKIE)]
    fn get_set_cookie<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Vec<v8::Local<'s, v8::String>> {
        self.list.map.borrow().values(b"set-cookie").map(|value| text(scope, value)).collect()
    }

    #[method]
    fn has(&self, name: String) -> Result<bool> {
        Ok(self.list.map.borrow().contains(lookup_name(&name)?))
    }

    #[method]
    fn set(&self, name: String, value: String) -> Result<()> {
        self.list.check_mutable()?;
        if !is_token(name.as_bytes()) {
            return Err(invalid_name());
        }
        let (from, to) = normalized(value.as_bytes())?;
        self.list.map.borrow_mut().set(name.as_bytes(), &value.as_bytes()[from..to])
    }

    #[method]
    fn append(&self, name: String, value: String) -> Result<()> {
        self.list.check_mutable()?;
        if !is_token(name.as_bytes()) {
            return Err(invalid_name());
        }
        let (from, to) = normalized(value.as_bytes())?;
        self.list.map.borrow_mut().append(name.as_bytes(), &value.as_bytes()[from..to])
    }

    #[method]
    fn delete(&self, name: String) -> Result<()> {
        self.list.check_mutable()?;
        let name = lookup_name(&name)?;
        self.list.map.borrow_mut().remove(name);
        Ok(())
    }

    #[method]
    fn for_each<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        receiver: Receiver<'s>,
        callback: v8::Local<'s, v8::Function>,
        this_arg: Option<v8::Local<'s, v8::Value>>,
    ) -> Result<()> {
        let this_arg = this_arg.unwrap_or_else(|| v8::undefined(scope).into());
        // The reference walks a copy: what the callback changes is not seen.
        for (name, value) in self.shown(scope).iter() {
            v8::scope!(let scope, scope);
            let name = text(scope, name);
            let value = text(scope, value);
            callback.call(scope, this_arg, &[value.into(), name.into(), receiver.0.into()]).ok_or(Error::Pending)?;
        }
        Ok(())
    }

    #[method]
    fn entries<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        self.iterate(scope, Kind::Entries)
    }

    #[method]
    fn keys<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        self.iterate(scope, Kind::Keys)
    }

    #[method]
    fn values<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<v8::Local<'s, v8::Value>> {
        self.iterate(scope, Kind::Values)
    }
}

impl Headers {
    /// What iteration shows. Before `http_headers_getsetcookie` cookies are one header, as all others are.
    fn shown(&self, scope: &v8::PinScope<'_, '_>) -> HeaderMap {
        self.list.map.borrow().sorted(!flags::is_on(scope, GET_SET_COOKIE))
    }

    fn iterate<'s>(&self, scope: &mut v8::PinScope<'s, '_>, kind: Kind) -> Result<v8::Local<'s, v8::Value>> {
        let shown = self.shown(scope);
        let snapshot = jsg::instantiate(scope, HeadersSnapshot { shown })?;
        jsg::iterator::<HeadersSnapshot>(scope, snapshot, kind)
    }
}

/// What an iterator over headers walks: the list as it was when the iterator was made, as in the reference.
#[derive(jsg::Trace)]
pub(in crate::api) struct HeadersSnapshot {
    #[trace(skip)]
    shown: HeaderMap,
}

#[jsg::class]
impl HeadersSnapshot {}

impl jsg::PairIterable for HeadersSnapshot {
    fn pair_at<'s>(&self, scope: &mut v8::PinScope<'s, '_>, index: usize) -> Result<Option<jsg::Pair<'s>>> {
        let Some((name, value)) = self.shown.at(index) else { return Ok(None) };
        Ok(Some((text(scope, name).into(), text(scope, value).into())))
    }
}

/// `HeadersInit`: another `Headers`, a sequence of pairs, or a record.
#[derive(Debug, Default)]
pub(super) struct HeadersInit(pub(super) HeaderMap);

const HEADERS_INIT: &str = "Headers or Sequence or object";

impl<'s> FromJs<'s> for HeadersInit {
    fn expected() -> Cow<'static, str> {
        HEADERS_INIT.into()
    }

    fn matches(_: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> bool {
        value.is_object()
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
        let object = v8::Local::<v8::Object>::try_from(value).map_err(|_| place.mismatch(HEADERS_INIT))?;
        if let Some(headers) = jsg::unwrap::<Headers>(scope, object) {
            return Ok(HeadersInit(headers.list.map.borrow().clone()));
        }
        // For a few headers without growing.
        let mut map = HeaderMap::with_capacity(4, 128);
        let symbol = v8::Symbol::get_iterator(scope);
        if object.get(scope, symbol.into()).ok_or(Error::Pending)?.is_function() {
            let pairs = jsg::Sequence::<jsg::Sequence<jsg::DomString<'s>>>::from_js(scope, value, place)?;
            for pair in pairs.0 {
                let [name, value] = pair.0[..] else {
                    return Err(Error::type_error(
                        "To initialize a Headers object from a sequence, each inner sequence must have exactly two \
                         elements.",
                    ));
                };
                map.append_js(scope, name.0, value.0)?;
            }
            return Ok(HeadersInit(map));
        }
        let names = object
            .get_own_property_names(
                scope,
                v8::GetPropertyNamesArgs {
                    mode: v8::KeyCollectionMode::OwnOnly,
                    property_filter: v8::PropertyFilter::ONLY_ENUMERABLE | v8::PropertyFilter::SKIP_SYMBOLS,
                    index_filter: v8::IndexFilter::IncludeIndices,
                    key_conversion: v8::KeyConversionMode::ConvertToString,
                },
            )
            .ok_or(Error::Pending)?;
        for index in 0..names.length() {
            jsg::check(scope)?;
            v8::scope!(let scope, scope);
            let key = names.get_index(scope, index).ok_or(Error::Pending)?;
            let value = object.get(scope, key).ok_or(Error::Pending)?;
            let name = key.to_string(scope).ok_or(Error::Pending)?;
            let value = value.to_string(scope).ok_or(Error::Pending)?;
            map.append_js(scope, name, value)?;
        }
        Ok(HeadersInit(map))
    }
}

/// Gives the class its `@@iterator`, which is the function `entries` (Web IDL, section 3.7.10).
pub(in crate::api) fn add_iterator(scope: &mut v8::PinScope<'_, '_>) {
    let constructor = Registry::template(scope, <Headers as jsg::Class>::info())
        .get_function(scope)
        .expect("the class template is complete");
    let key = jsg::string(scope, "prototype");
    let prototype = constructor.get(scope, key.into()).and_then(|value| v8::Local::<v8::Object>::try_from(value).ok());
    let prototype = prototype.expect("a constructor has a prototype");
    let key = jsg::string(scope, "entries");
    let entries = prototype.get(scope, key.into()).expect("a method can be read");
    let symbol = v8::Symbol::get_iterator(scope);
    prototype.define_own_property(scope, symbol.into(), entries, v8::PropertyAttribute::DONT_ENUM);
}
