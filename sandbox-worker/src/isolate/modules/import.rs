//! Imports: declarations, and `import()`.

use std::rc::Rc;

use bulkhead_ipc::compatibility::Flag;
use jsg::{Error, Result};

use super::{
    Entry, Kind, Owner,
    extensions::is_marked,
    naming::{By, Names, shown},
    resolve::{Referrer, Wanted, find, find_by_module},
};
use crate::isolate::Isolate;

const NO_ATTRIBUTES: Flag = Flag::named("throw_on_unrecognized_import_assertion");

/// Resolves an `import` declaration.
fn resolve_static<'s>(
    context: v8::Local<'s, v8::Context>,
    specifier: v8::Local<'s, v8::String>,
    attributes: v8::Local<'s, v8::FixedArray>,
    referrer: v8::Local<'s, v8::Module>,
) -> Option<v8::Local<'s, v8::Module>> {
    // SAFETY: V8 calls this with the context entered.
    v8::callback_scope!(unsafe scope, context);
    let isolate = Isolate::of(scope);
    match imported(scope, &isolate, specifier, attributes, referrer) {
        Ok((entry, _)) => Some(v8::Local::new(scope, &entry.module)),
        Err(error) => {
            error.throw(scope);
            None
        }
    }
}

/// Resolves an `import source` declaration: WebAssembly alone has a source phase.
fn resolve_source<'s>(
    context: v8::Local<'s, v8::Context>,
    specifier: v8::Local<'s, v8::String>,
    attributes: v8::Local<'s, v8::FixedArray>,
    referrer: v8::Local<'s, v8::Module>,
) -> Option<v8::Local<'s, v8::Object>> {
    // SAFETY: V8 calls this with the context entered.
    v8::callback_scope!(unsafe scope, context);
    let isolate = Isolate::of(scope);
    let error = match imported(scope, &isolate, specifier, attributes, referrer) {
        Ok((entry, referrer)) => {
            if let Kind::Value(value) = &entry.kind
                && let Ok(module) = v8::Local::<v8::WasmModuleObject>::try_from(v8::Local::new(scope, value))
            {
                return Some(module.into());
            }
            let text = match Names::of(&isolate) {
                Names::Paths => format!("{}.\n  imported from \"{referrer}\"", shown(&entry.location)),
                Names::Urls => specifier.to_rust_string_lossy(scope),
            };
            let text = format!("Source phase import not available for module: {text}");
            let text = jsg::string(scope, &text);
            let error = v8::Exception::syntax_error(scope, text);
            Error::value(scope, error)
        }
        Err(error) => error,
    };
    error.throw(scope);
    None
}

/// The module that a declaration in `referrer` means, and the location of `referrer`.
fn imported(
    scope: &mut v8::PinScope<'_, '_>,
    isolate: &Isolate,
    specifier: v8::Local<'_, v8::String>,
    attributes: v8::Local<'_, v8::FixedArray>,
    referrer: v8::Local<'_, v8::Module>,
) -> Result<(Rc<Entry>, String)> {
    let names = Names::of(isolate);
    // Each has its place in the text too.
    let kind = read_type(scope, isolate, names, attributes, 3)?;
    let importer = find_by_module(isolate, referrer);
    let location = importer.as_ref().map_or_else(String::new, |entry| entry.location.clone());
    let referrer = match importer.as_ref().map(|entry| entry.owner) {
        Some(Owner::Program) => Referrer::Builtin,
        Some(Owner::Extension) => Referrer::Extension(&location),
        Some(Owner::Tenant) | None => Referrer::Tenant(&location),
    };
    let specifier = specifier.to_rust_string_lossy(scope);
    let wanted = Wanted { kind: kind.as_deref(), ..Wanted::import(&specifier) };
    let entry =
        find(scope, isolate, referrer, wanted).map_err(|missing| missing.said(names, By::Declaration(&location)))?;
    check_type(&entry, wanted)?;
    Ok((entry, location))
}

/// The attribute `type` of an import, the only one that there is in the second registry. In the first one none means anything; since a
/// date that is said. In `attributes` a name and a value take `stride` places.
fn read_type(
    scope: &mut v8::PinScope<'_, '_>,
    isolate: &Isolate,
    names: Names,
    attributes: v8::Local<'_, v8::FixedArray>,
    stride: usize,
) -> Result<Option<String>> {
    if names == Names::Paths {
        return if attributes.length() > 0 && isolate.flags().is_on(NO_ATTRIBUTES) {
            Err(Error::error("Unrecognized import attributes specified"))
        } else {
            Ok(None)
        };
    }
    let mut kind = None;
    for index in (0..attributes.length()).step_by(stride) {
        let [name, value] = [index, index + 1].map(|index| {
            let text = attributes.get(scope, index).and_then(|text| v8::Local::<v8::String>::try_from(text).ok());
            text.map(|text| text.to_rust_string_lossy(scope)).unwrap_or_default()
        });
        if name != "type" {
            return Err(Error::type_error(format!("Unsupported import attribute: \"{name}\"")));
        }
        if !["json", "text", "bytes"].contains(&value.as_str()) {
            return Err(Error::type_error(format!("Unsupported import attribute type: \"{value}\"")));
        }
        kind = Some(value);
    }
    Ok(kind)
}

/// Refuses a module that is not of the type which the import says.
fn check_type(entry: &Entry, Wanted { specifier, kind, .. }: Wanted<'_>) -> Result<()> {
    match kind {
        None => Ok(()),
        Some("json") if matches!(entry.kind, Kind::Json(_)) => Ok(()),
        Some("json") => Err(Error::type_error(format!("Module \"{specifier}\" is not of type \"json\""))),
        Some(other) => Err(Error::type_error(format!("Import attribute type \"{other}\" is not yet supported"))),
    }
}

/// Links a module, and what it imports, unless that has been done.
pub(super) fn link(scope: &mut v8::PinScope<'_, '_>, module: v8::Local<'_, v8::Module>) -> Result<()> {
    module.instantiate_module2(scope, resolve_static, resolve_source).map(drop).ok_or(Error::Pending)
}

/// `import.source()` and `import.defer()`, which V8 has behind flags and the reference does not support either.
pub(in crate::isolate) fn import_phase_dynamically<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    host_defined_options: v8::Local<'s, v8::Data>,
    resource_name: v8::Local<'s, v8::Value>,
    specifier: v8::Local<'s, v8::String>,
    phase: v8::ModuleImportPhase,
    attributes: v8::Local<'s, v8::FixedArray>,
) -> Option<v8::Local<'s, v8::Promise>> {
    if phase == v8::ModuleImportPhase::kEvaluation {
        return import_dynamically(scope, host_defined_options, resource_name, specifier, attributes);
    }
    let resolver = v8::PromiseResolver::new(scope)?;
    let reason = Error::error("Not supported").to_value(scope);
    resolver.reject(scope, reason);
    Some(resolver.get_promise(scope))
}

/// `import()`.
pub(in crate::isolate) fn import_dynamically<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    host_defined_options: v8::Local<'s, v8::Data>,
    resource_name: v8::Local<'s, v8::Value>,
    specifier: v8::Local<'s, v8::String>,
    attributes: v8::Local<'s, v8::FixedArray>,
) -> Option<v8::Local<'s, v8::Promise>> {
    let resolver = v8::PromiseResolver::new(scope)?;
    let promise = resolver.get_promise(scope);
    let reason = {
        v8::tc_scope!(let scope, scope);
        match import(scope, host_defined_options, resource_name, specifier, attributes) {
            Ok((namespace, completion)) => {
                // The namespace comes when the module has run, which top-level await may put off.
                let then = v8::Function::builder(first_data).data(namespace).build(scope)?;
                #[expect(
                    clippy::disallowed_methods,
                    reason = "the module is nobody's event, and the reaction runs no script"
                )]
                let done = completion.then(scope, then)?;
                resolver.resolve(scope, done.into());
                return Some(promise);
            }
            Err(error) => {
                let exception = error.caught(scope);
                v8::Global::new(scope, exception)
            }
        }
    };
    let reason = v8::Local::new(scope, reason);
    resolver.reject(scope, reason);
    Some(promise)
}

/// A function that returns its data.
fn first_data<'s>(
    _: &mut v8::PinScope<'s, '_>,
    arguments: v8::FunctionCallbackArguments<'s>,
    mut rv: v8::ReturnValue<'s, v8::Value>,
) {
    rv.set(arguments.data());
}

fn import<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    options: v8::Local<'s, v8::Data>,
    referrer: v8::Local<'s, v8::Value>,
    specifier: v8::Local<'s, v8::String>,
    attributes: v8::Local<'s, v8::FixedArray>,
) -> Result<(v8::Local<'s, v8::Value>, v8::Local<'s, v8::Promise>)> {
    let isolate = Isolate::of(scope);
    let names = Names::of(&isolate);
    let kind = read_type(scope, &isolate, names, attributes, 2)?;
    let referrer = names.of_script(&referrer.to_rust_string_lossy(scope));
    let specifier = specifier.to_rust_string_lossy(scope);
    let is_extension = is_marked(scope, &isolate, options);
    let is_module =
        names == Names::Paths || is_extension || isolate.modules.borrow().definitions.contains_key(&referrer);
    if !is_module && names.resolve(&referrer, &specifier).is_some() {
        return Err(Error::type_error(format!("Referring module not found in the registry: {referrer}")));
    }
    // Also in a built-in module, for all that is known there is a name, which a tenant's module can have too.
    let referrer = if is_extension { Referrer::Extension(&referrer) } else { Referrer::Tenant(&referrer) };
    let wanted = Wanted { kind: kind.as_deref(), ..Wanted::import(&specifier) };
    let entry = find(scope, &isolate, referrer, wanted).map_err(|missing| missing.said(names, By::Call))?;
    check_type(&entry, wanted)?;
    let module = v8::Local::new(scope, &entry.module);
    link(scope, module)?;
    // V8 evaluates nothing that is being evaluated. As in the reference, who imports a module from within its own
    // evaluation gets it as far as it has come; to wait for it would be to wait for oneself.
    if module.get_status() != v8::ModuleStatus::Evaluating
        && let Ok(completion) = v8::Local::<v8::Promise>::try_from(module.evaluate(scope).ok_or(Error::Pending)?)
    {
        return Ok((module.get_module_namespace(), completion));
    }
    let namespace = module.get_module_namespace();
    Ok((namespace, jsg::resolved(scope, namespace)?))
}
