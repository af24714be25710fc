//! Imports: declarations, and `import()`.

use std::rc::Rc;

use bulkhead_ipc::compatibility::Flag;
use jsg::{Error, Result};

use super::{
    Entry, Kind, Owner,
    extensions::is_marked,
    resolve::{Missing, Referrer, find, find_by_module, join, shown},
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
            let text = format!(
                "Source phase import not available for module: {}.\n  imported from \"{referrer}\"",
                shown(&entry.path)
            );
            let text = jsg::string(scope, &text);
            let error = v8::Exception::syntax_error(scope, text);
            Error::value(scope, error)
        }
        Err(error) => error,
    };
    error.throw(scope);
    None
}

/// The module that a declaration in `referrer` means, and the path of `referrer`.
fn imported(
    scope: &mut v8::PinScope<'_, '_>,
    isolate: &Isolate,
    specifier: v8::Local<'_, v8::String>,
    attributes: v8::Local<'_, v8::FixedArray>,
    referrer: v8::Local<'_, v8::Module>,
) -> Result<(Rc<Entry>, String)> {
    refuse_attributes(isolate, attributes)?;
    let importer = find_by_module(isolate, referrer);
    let path = importer.as_ref().map_or_else(String::new, |entry| entry.path.clone());
    let referrer = match importer.as_ref().map(|entry| entry.owner) {
        Some(Owner::Program) => Referrer::Builtin,
        Some(Owner::Extension) => Referrer::Extension,
        Some(Owner::Tenant) | None => Referrer::Tenant(&path),
    };
    let specifier = specifier.to_rust_string_lossy(scope);
    let entry = find(scope, isolate, referrer, &specifier, false).map_err(|missing| missing.imported(&path))?;
    Ok((entry, path))
}

/// No attribute of an import means anything; since a date that is said.
fn refuse_attributes(isolate: &Isolate, attributes: v8::Local<'_, v8::FixedArray>) -> Result<()> {
    if attributes.length() > 0 && isolate.flags().is_on(NO_ATTRIBUTES) {
        return Err(Error::error("Unrecognized import attributes specified"));
    }
    Ok(())
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
    refuse_attributes(&isolate, attributes)?;
    let referrer = join("", &referrer.to_rust_string_lossy(scope)).unwrap_or_default();
    let specifier = specifier.to_rust_string_lossy(scope);
    // Also in a built-in module, for all that is known there is a name, which a tenant's module can have too.
    let referrer = if is_marked(scope, &isolate, options) { Referrer::Extension } else { Referrer::Tenant(&referrer) };
    let entry = find(scope, &isolate, referrer, &specifier, false).map_err(Missing::dynamic)?;
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
