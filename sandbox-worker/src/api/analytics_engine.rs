//! What an `analyticsEngine` binding is. What a data point becomes is written in JavaScript (`js/internal/analytics_engine.js`).

use jsg::{Error, Result};

use crate::{
    io::Event,
    isolate::modules::{builtin_export, import_builtin},
};

/// The module that writes.
const MODULE: &str = "internal:analytics_engine";

/// The class `AnalyticsEngine`; scripts cannot name it.
#[derive(jsg::Trace)]
pub(crate) struct AnalyticsEngine {
    #[trace(skip)]
    position: u32,
    #[trace(skip)]
    dataset: String,
}

impl AnalyticsEngine {
    /// Leads to the service at a position.
    ///
    /// # Errors
    /// The module does not run.
    pub(crate) fn make<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        position: u32,
        dataset: String,
    ) -> Result<v8::Local<'s, v8::Value>> {
        // Before the worker's own code, which could change what it uses.
        import_builtin(scope, MODULE)?;
        jsg::instantiate(scope, AnalyticsEngine { position, dataset }).map(Into::into)
    }
}

#[jsg::class]
impl AnalyticsEngine {
    /// Sends a data point, of which nobody hears again.
    #[method]
    fn write_data_point<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        event: Option<v8::Local<'s, v8::Value>>,
    ) -> Result<()> {
        let current = Event::require(scope)?;
        let write =
            builtin_export(scope, MODULE, "write").and_then(|write| v8::Local::<v8::Function>::try_from(write).ok());
        let write = write.ok_or_else(|| Error::error("the module is not there"))?;
        let position = v8::Integer::new_from_unsigned(scope, self.position);
        let dataset = jsg::string(scope, &self.dataset);
        let event = event.unwrap_or_else(|| v8::undefined(scope).into());
        let receiver = v8::undefined(scope).into();
        let sent = write.call(scope, receiver, &[position.into(), dataset.into(), event]).ok_or(Error::Pending)?;
        // `undefined` for a point that is not sent.
        if let Ok(sent) = v8::Local::<v8::Promise>::try_from(sent) {
            current.wait_until(scope, sent);
        }
        Ok(())
    }
}
