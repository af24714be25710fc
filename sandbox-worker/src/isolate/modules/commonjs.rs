//! Modules that are not ES modules: what they export, and `require`.

use std::rc::Rc;

use bulkhead_ipc::compatibility::Flag;
use jsg::{Error, Result};

use super::{
    CommonJs, Entry, Kind, Owner,
    import::link,
    naming::{By, Names},
    resolve::{Referrer, Wanted, find, find_by_module},
};
use crate::isolate::Isolate;

const REQUIRE_DEFAULT: Flag = Flag::named("require_returns_default_export");
const COMMONJS_DEFAULT: Flag = Flag::named("export_commonjs_default");
const NO_AWAIT_IN_REQUIRE: Flag = Flag::named("disable_top_level_await_in_require");

/// Evaluation steps of every module that is not an ES module.
pub(super) fn evaluate_synthetic<'s>(
    context: v8::Local<'s, v8::Context>,
    module: v8::Local<'s, v8::Module>,
) -> Option<v8::Local<'s, v8::Value>> {
    // SAFETY: V8 calls this with the context entered.
    v8::callback_scope!(unsafe scope, context);
    let isolate = Isolate::of(scope);
    let entry = find_by_module(&isolate, module)?;
    let value = match exports_of(scope, &entry) {
        Ok(value) => value,
        Err(error) => {
            error.throw(scope);
            return None;
        }
    };
    let key = jsg::string(scope, "default");
    module.set_synthetic_module_export(scope, key, value)?;
    if let Kind::CommonJs { names, .. } | Kind::Native(_, names) = &entry.kind
        && let Ok(object) = v8::Local::<v8::Object>::try_from(value)
    {
        for name in names.iter().filter(|name| *name != "default") {
            let key = jsg::string(scope, name);
            let export = object.get(scope, key.into())?;
            module.set_synthetic_module_export(scope, key, export)?;
        }
    }
    jsg::resolved(scope, ()).ok().map(Into::into)
}

/// The value of a module that is not an ES module; runs a CommonJS module at first use.
fn exports_of<'s>(scope: &mut v8::PinScope<'s, '_>, entry: &Rc<Entry>) -> Result<v8::Local<'s, v8::Value>> {
    let (code, state) = match &entry.kind {
        Kind::CommonJs { code, state, .. } => (code, state),
        Kind::Value(value) | Kind::Json(value) | Kind::Native(value, _) => return Ok(v8::Local::new(scope, value)),
        Kind::Es => return Err(Error::error("An ES module has no exports of its own")),
    };
    let exports_key = jsg::string(scope, "exports");
    match &*state.borrow() {
        CommonJs::Fresh => {}
        // A module that is required again while it runs shows what it has exported so far.
        CommonJs::Begun(module) => {
            let module = v8::Local::new(scope, module);
            return module.get(scope, exports_key.into()).ok_or(Error::Pending);
        }
        CommonJs::Failed(reason) => return Err(Error::Value(reason.clone())),
    }
    let object = v8::Object::new(scope);
    let exports = v8::Object::new(scope);
    object.set(scope, exports_key.into(), exports.into());
    let code = v8::Local::new(scope, code);
    let (file_name, directory) = Names::of(&Isolate::of(scope)).file(&entry.location);
    let (file_name, directory) = (jsg::string(scope, &file_name), jsg::string(scope, &directory));
    let require = require_at(scope, &entry.location)?;
    let receiver = v8::undefined(scope).into();
    let arguments = [require.into(), object.into(), exports.into(), file_name.into(), directory.into()];
    *state.borrow_mut() = CommonJs::Begun(v8::Global::new(scope, object));
    {
        v8::tc_scope!(let scope, scope);
        if code.call(scope, receiver, &arguments).is_none() {
            // What was interrupted has thrown nothing: it runs again for the next event.
            *state.borrow_mut() = match scope.exception() {
                Some(reason) if !scope.has_terminated() => CommonJs::Failed(v8::Global::new(scope, reason)),
                _ => CommonJs::Fresh,
            };
            scope.rethrow();
            return Err(Error::Pending);
        }
    }
    object.get(scope, exports_key.into()).ok_or(Error::Pending)
}

/// The function `require` of a file, whose name begins with `/`, whether or not there is one.
///
/// # Errors
///
/// The name is none, or script is interrupted.
pub fn require_from<'s>(scope: &mut v8::PinScope<'s, '_>, file: &str) -> Result<v8::Local<'s, v8::Function>> {
    let location = Names::of(&Isolate::of(scope)).of_file(file);
    let location = location.ok_or_else(|| Error::type_error(format!("Invalid module specifier: {file}")))?;
    require_at(scope, &location)
}

/// The function `require` of the module at this location.
fn require_at<'s>(scope: &mut v8::PinScope<'s, '_>, location: &str) -> Result<v8::Local<'s, v8::Function>> {
    let location = jsg::string(scope, location);
    let function = v8::Function::builder(require)
        .data(location.into())
        .constructor_behavior(v8::ConstructorBehavior::Throw)
        .build(scope)
        .ok_or(Error::Pending)?;
    function.set_name(jsg::string(scope, "require"));
    Ok(function)
}

/// `require` of a CommonJS module, whose location is the function's data.
fn require<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    arguments: v8::FunctionCallbackArguments<'s>,
    mut rv: v8::ReturnValue<'s, v8::Value>,
) {
    let result = (|| {
        let referrer = arguments.data().to_rust_string_lossy(scope);
        let specifier = arguments.get(0).to_string(scope).ok_or(Error::Pending)?.to_rust_string_lossy(scope);
        let isolate = Isolate::of(scope);
        let names = Names::of(&isolate);
        let entry = find(scope, &isolate, Referrer::Tenant(&referrer), Wanted::require(&specifier))
            .map_err(|missing| missing.said(names, By::Require(&specifier)))?;
        match names {
            Names::Paths => by_path(scope, &isolate, &entry),
            Names::Urls => by_url(scope, &isolate, &entry),
        }
    })();
    match result {
        Ok(value) => rv.set(value),
        Err(error) => error.throw(scope),
    }
}

/// What `require()` gives for a module in the first registry, where flags decide.
fn by_path<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    isolate: &Isolate,
    entry: &Rc<Entry>,
) -> Result<v8::Local<'s, v8::Value>> {
    let (required, commonjs) = (isolate.flags().is_on(REQUIRE_DEFAULT), isolate.flags().is_on(COMMONJS_DEFAULT));
    // Before both flags what is required is always the namespace.
    if !matches!(entry.kind, Kind::Es) && (required || commonjs) {
        return exports_of(scope, entry);
    }
    let module = v8::Local::new(scope, &entry.module);
    link(scope, module)?;
    match module.get_status() {
        v8::ModuleStatus::Errored => {
            let reason = module.get_exception();
            return Err(Error::value(scope, reason));
        }
        // In a cycle it is shown as far as it has come.
        v8::ModuleStatus::Evaluating => {}
        status => {
            let may_await = !isolate.flags().is_on(NO_AWAIT_IN_REQUIRE);
            if status == v8::ModuleStatus::Instantiated {
                evaluate_for_require(scope, isolate, module, may_await)?;
            }
            if module.is_graph_async() && !may_await {
                return Err(Error::error("Top-level await in module is not permitted at this time."));
            }
        }
    }
    let namespace = module.get_module_namespace();
    let Ok(object) = v8::Local::<v8::Object>::try_from(namespace) else { return Ok(namespace) };
    let key = jsg::string(scope, "default");
    let is_default = commonjs || required && object.has_own_property(scope, key.into()) == Some(true);
    if is_default { object.get(scope, key.into()).ok_or(Error::Pending) } else { Ok(namespace) }
}

/// What `require()` gives for a module in the second registry: of an ES module the namespace, unless it exports `module.exports`, or is
/// not the worker's and has a default export.
fn by_url<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    isolate: &Isolate,
    entry: &Rc<Entry>,
) -> Result<v8::Local<'s, v8::Value>> {
    if !matches!(entry.kind, Kind::Es) {
        return exports_of(scope, entry);
    }
    let module = v8::Local::new(scope, &entry.module);
    let in_a_cycle = || Error::error(format!("Circular dependency when resolving module: {}", entry.location));
    if module.get_status() == v8::ModuleStatus::Instantiating {
        return Err(in_a_cycle());
    }
    link(scope, module)?;
    match module.get_status() {
        v8::ModuleStatus::Errored => {
            let reason = module.get_exception();
            return Err(Error::value(scope, reason));
        }
        v8::ModuleStatus::Evaluating => return Err(in_a_cycle()),
        _ if module.is_graph_async() => {
            let text = format!("Top-level await is not supported in this context for module: {}", entry.location);
            return Err(Error::error(text));
        }
        v8::ModuleStatus::Instantiated => evaluate_for_require(scope, isolate, module, false)?,
        _ => {}
    }
    let namespace = module.get_module_namespace();
    let Ok(object) = v8::Local::<v8::Object>::try_from(namespace) else { return Ok(namespace) };
    let export = if entry.owner == Owner::Tenant { "module.exports" } else { "default" };
    let key = jsg::string(scope, export);
    let has_it = object.has_own_property(scope, key.into()) == Some(true);
    if has_it { object.get(scope, key.into()).ok_or(Error::Pending) } else { Ok(namespace) }
}

/// Evaluates a module that is required, which is linked. One that awaits, if it may, has until the end of the microtasks that are due.
pub(super) fn evaluate_for_require(
    scope: &mut v8::PinScope<'_, '_>,
    isolate: &Isolate,
    module: v8::Local<'_, v8::Module>,
    may_await: bool,
) -> Result<()> {
    let completion = module.evaluate(scope).ok_or(Error::Pending)?;
    let Ok(promise) = v8::Local::<v8::Promise>::try_from(completion) else { return Ok(()) };
    if may_await && promise.state() == v8::PromiseState::Pending {
        isolate.run_microtasks(scope);
    }
    match promise.state() {
        v8::PromiseState::Pending if may_await => Err(Error::error("Top-level await in module is unsettled.")),
        v8::PromiseState::Pending | v8::PromiseState::Fulfilled => Ok(()),
        v8::PromiseState::Rejected => {
            promise.mark_as_handled();
            let reason = promise.result(scope);
            Err(Error::value(scope, reason))
        }
    }
}
