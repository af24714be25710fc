//! Bindings that an export of an internal module makes of others: called once, before the worker's own code runs.

use jsg::{Error, Result};

use super::{Binding, bind};
use crate::isolate::modules::internal_export;

/// What the export of the module gives for an object with the inner bindings.
///
/// # Errors
/// There is no such module, or it does not run; the export is no function, or throws; an inner binding cannot be made.
pub(super) fn make<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    module: &str,
    entrypoint: &str,
    inner: Vec<Binding>,
) -> Result<v8::Local<'s, v8::Value>> {
    let given = v8::Object::new(scope);
    for binding in inner {
        bind(scope, given, binding)?;
    }
    let export = internal_export(scope, module, entrypoint)?;
    let Ok(function) = v8::Local::<v8::Function>::try_from(export) else {
        return Err(Error::type_error(format!("The export \"{entrypoint}\" of \"{module}\" is not a function")));
    };
    let global = scope.get_current_context().global(scope);
    function.call(scope, global.into(), &[given.into()]).ok_or(Error::Pending)
}
