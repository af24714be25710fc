//! Modules that are not ES modules: what they export, and `require`.

use std::rc::Rc;

use bulkhead_ipc::compatibility::Flag;
use jsg::{Error, Result};

use super::{
    CommonJs, Entry, Kind,
    import::link,
    resolve::{Missing, Referrer, directory_of, find, find_by_module},
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
        Kind::Value(value) | Kind::Native(value, _) => return Ok(v8::Local::new(scope, value)),
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
    let file_name = jsg::string(scope, &format!("/{}", entry.path));
    let directory = jsg::string(scope, &format!("/{}", directory_of(&entry.path)));
    let require = require_from(scope, &entry.path)?;
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

/// The function `require` of a module with this path.
///
/// # Errors
///
/// Script is interrupted.
pub fn require_from<'s>(scope: &mut v8::PinScope<'s, '_>, path: &str) -> Result<v8::Local<'s, v8::Function>> {
    let path = jsg::string(scope, path);
    let function = v8::Function::builder(require)
        .data(path.into())
        .constructor_behavior(v8::ConstructorBehavior::Throw)
        .build(scope)
        .ok_or(Error::Pending)?;
    function.set_name(jsg::string(scope, "require"));
    Ok(function)
}

/// `require` of a CommonJS module, whose path is the function's data.
fn require<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    arguments: v8::FunctionCallbackArguments<'s>,
    mut rv: v8::ReturnValue<'s, v8::Value>,
) {
    let result = (|| {
        let referrer = arguments.data().to_rust_string_lossy(scope);
        let specifier = arguments.get(0).to_string(scope).ok_or(Error::Pending)?.to_rust_string_lossy(scope);
        let isolate = Isolate::of(scope);
        let entry = find(scope, &isolate, Referrer::Tenant(&referrer), &specifier, true).map_err(Missing::required)?;
        let (required, commonjs) = (isolate.flags().is_on(REQUIRE_DEFAULT), isolate.flags().is_on(COMMONJS_DEFAULT));
        // Before both flags what is required is always the namespace.
        if !matches!(entry.kind, Kind::Es) && (required || commonjs) {
            return exports_of(scope, &entry);
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
                    evaluate_for_require(scope, &isolate, module, may_await)?;
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
    })();
    match result {
        Ok(value) => rv.set(value),
        Err(error) => error.throw(scope),
    }
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
