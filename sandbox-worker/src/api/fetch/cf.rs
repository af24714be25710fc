//! The `cf` property of requests and responses: JSON that becomes an object when a script looks at it.

use std::cell::{OnceCell, RefCell};

use jsg::{Error, FromJs, JsRef, Place, Result};

/// A `cf` property.
#[derive(Default, jsg::Trace)]
pub(super) struct Cf {
    /// Empty for none.
    #[trace(skip)]
    json: RefCell<String>,
    value: OnceCell<JsRef<v8::Value>>,
    frozen: bool,
    /// Before `no_cf_botmanagement_default` a request that says nothing about bots says that it is none.
    #[trace(skip)]
    fill_bots: bool,
}

/// What such a request says.
const NO_BOT: &str = r#"{"corporateProxy":false,"verifiedBot":false,"jsDetection":{"passed":false},"staticResource":false,"detectionIds":{},"score":99}"#;

impl Cf {
    /// From JSON of the supervisor; scripts cannot change the object.
    pub(super) fn frozen(json: String, fill_bots: bool) -> Self {
        Cf { json: RefCell::new(json), value: OnceCell::new(), frozen: true, fill_bots }
    }

    /// A copy of what JSON can carry of `value`.
    pub(super) fn from_value<'s>(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> Result<Self> {
        let json = v8::json::stringify(scope, value).ok_or(Error::Pending)?;
        let json = if json.length() == 0 { String::new() } else { json.to_rust_string_lossy(scope) };
        // A function is an object without JSON.
        let json = if json == "undefined" { String::new() } else { json };
        Ok(Cf { json: RefCell::new(json), value: OnceCell::new(), frozen: false, fill_bots: false })
    }

    /// A property with the same content as this one now; scripts can change it.
    pub(super) fn duplicate(&self, scope: &mut v8::PinScope<'_, '_>) -> Result<Self> {
        match self.value.get() {
            Some(value) if !self.frozen => {
                let value = value.get(scope);
                Self::from_value(scope, value)
            }
            _ => Ok(Cf { json: self.json.clone(), value: OnceCell::new(), frozen: false, fill_bots: self.fill_bots }),
        }
    }

    /// The content as JSON now; empty for none.
    pub(super) fn json(&self, scope: &mut v8::PinScope<'_, '_>) -> Result<String> {
        let Some(value) = self.value.get().filter(|_| !self.frozen) else { return Ok(self.json.borrow().clone()) };
        let value = value.get(scope);
        Ok(Self::from_value(scope, value)?.json.into_inner())
    }

    /// The object, made at the first call.
    pub(super) fn value<'s>(&self, scope: &mut v8::PinScope<'s, '_>) -> Result<Option<v8::Local<'s, v8::Value>>> {
        if let Some(value) = self.value.get() {
            return Ok(Some(value.get(scope)));
        }
        if self.json.borrow().is_empty() {
            return Ok(None);
        }
        let json = jsg::string(scope, &self.json.borrow());
        let value = v8::json::parse(scope, json).ok_or(Error::Pending)?;
        if self.fill_bots
            && let Ok(object) = v8::Local::<v8::Object>::try_from(value)
        {
            let key = jsg::string(scope, "botManagement");
            if object.has_own_property(scope, key.into()) == Some(false) {
                let bots = jsg::string(scope, NO_BOT);
                let bots = v8::json::parse(scope, bots).ok_or(Error::Pending)?;
                object.create_data_property(scope, key.into(), bots).ok_or(Error::Pending)?;
            }
        }
        if self.frozen {
            freeze(scope, value)?;
        } else {
            // From here on the object is the truth.
            self.json.take();
        }
        let _ = self.value.set(JsRef::new(scope, value));
        Ok(Some(value))
    }
}

/// The `cf` member of an initializer: an object that JSON can carry.
pub(super) struct CfInit {
    pub(super) cf: Cf,
    /// Whether it says something under `cacheControl`.
    pub(super) has_cache_control: bool,
    /// Whether it says something under `cacheTtl`.
    pub(super) has_cache_ttl: bool,
}

impl<'s> FromJs<'s> for CfInit {
    fn expected() -> std::borrow::Cow<'static, str> {
        "Object".into()
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
        let Ok(object) = v8::Local::<v8::Object>::try_from(value) else { return Err(place.mismatch("Object")) };
        let cf = Cf::from_value(scope, value)?;
        let [has_cache_control, has_cache_ttl] = ["cacheControl", "cacheTtl"].map(|name| {
            let key = jsg::string(scope, name);
            object.get(scope, key.into()).map(|value| !value.is_undefined()).ok_or(Error::Pending)
        });
        Ok(CfInit { cf, has_cache_control: has_cache_control?, has_cache_ttl: has_cache_ttl? })
    }
}

/// Freezes an object that came from JSON, and all in it.
fn freeze<'s>(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> Result<()> {
    let mut left = vec![value];
    while let Some(value) = left.pop() {
        let Ok(object) = v8::Local::<v8::Object>::try_from(value) else { continue };
        object.set_integrity_level(scope, v8::IntegrityLevel::Frozen).ok_or(Error::Pending)?;
        let names = object.get_own_property_names(scope, v8::GetPropertyNamesArgs::default()).ok_or(Error::Pending)?;
        for index in 0..names.length() {
            let name = names.get_index(scope, index).ok_or(Error::Pending)?;
            left.push(object.get(scope, name).ok_or(Error::Pending)?);
        }
    }
    Ok(())
}
