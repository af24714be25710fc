//! What built-in modules import of native code, as `native:…`: made when it is first imported, for a worker that needs it.

use super::{Entry, Kind, Owner, synthetic};
use crate::isolate::{Isolate, script};

/// What the specifiers begin with.
pub(super) const SCHEME: &str = "native:";

/// The native module with this specifier.
pub(super) fn module(scope: &mut v8::PinScope<'_, '_>, isolate: &Isolate, specifier: &str) -> Option<Entry> {
    let (default, names): (v8::Local<'_, v8::Value>, Vec<String>) = match specifier.strip_prefix(SCHEME)? {
        "env" => {
            let env = isolate.modules.borrow().env.clone()?;
            (v8::Local::new(scope, env).into(), Vec::new())
        }
        // What the built-in scripts have for each other.
        "scripts" => (script::call(scope, |script| &script.internals, &[]).ok()?, Vec::new()),
        name => {
            let exports = if name == "frame" { frame(scope)? } else { (isolate.surface.native_module)(scope, name)? };
            let names = exports.get_own_property_names(scope, v8::GetPropertyNamesArgs::default())?;
            let name = |index| names.get_index(scope, index).map(|name| name.to_rust_string_lossy(scope));
            (exports.into(), (0..names.length()).filter_map(name).collect())
        }
    };
    let module = synthetic(scope, specifier, &names);
    let default = v8::Global::new(scope, default);
    Some(Entry { location: specifier.to_owned(), module, kind: Kind::Native(default, names), owner: Owner::Program })
}

/// V8's own functions for what it carries along with continuations: calls of them are compiled to a load and a store.
fn frame<'s>(scope: &mut v8::PinScope<'s, '_>) -> Option<v8::Local<'s, v8::Object>> {
    let extras = scope.get_current_context().get_extras_binding_object(scope);
    let exports = v8::Object::new(scope);
    for (name, original) in
        [("getFrame", "getContinuationPreservedEmbedderData"), ("setFrame", "setContinuationPreservedEmbedderData")]
    {
        let original = jsg::string(scope, original);
        let function = extras.get(scope, original.into())?;
        let name = jsg::string(scope, name);
        exports.create_data_property(scope, name.into(), function)?;
    }
    Some(exports)
}
