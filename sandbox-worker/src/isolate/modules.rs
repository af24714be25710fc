//! The worker's modules: ES modules, CommonJS, JSON, text, data and WebAssembly, and service-worker scripts.
//!
//! Names are paths: `./a//b/../c` is the module `a/c`. A specifier is resolved against the directory of the module that
//! imports it, whether it starts with `./` or not, as the reference does.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use bulkhead_ipc::compatibility::Flag;
use jsg::{Error, Result};

use super::{Isolate, exceptions};

const REQUIRE_DEFAULT: Flag = Flag::named("require_returns_default_export");
const COMMONJS_DEFAULT: Flag = Flag::named("export_commonjs_default");
const NO_AWAIT_IN_REQUIRE: Flag = Flag::named("disable_top_level_await_in_require");
const NO_ATTRIBUTES: Flag = Flag::named("throw_on_unrecognized_import_assertion");

/// A module as the configuration gives it.
#[derive(Debug, Clone)]
pub struct ModuleSource {
    /// Its name, by which others import it.
    pub name: String,
    /// What it is.
    pub content: Content,
}

/// What a module is.
#[derive(Debug, Clone)]
pub enum Content {
    /// An ECMAScript module.
    Es(String),
    /// A CommonJS module, with the names that it exports beside `default`.
    CommonJs(String, Vec<String>),
    /// A string.
    Text(String),
    /// An `ArrayBuffer`.
    Data(Vec<u8>),
    /// A `WebAssembly.Module`.
    Wasm(Vec<u8>),
    /// A parsed JSON value.
    Json(String),
}

/// Why the worker's code did not start, in the reference's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartupError {
    /// One line or, with the places that the exception passed, several.
    pub message: String,
    /// The `stack` of the exception, if it has one.
    pub stack: String,
}

impl StartupError {
    fn new(message: impl Into<String>) -> Self {
        StartupError { message: message.into(), stack: String::new() }
    }
}

/// The modules of an isolate.
#[derive(Default)]
pub(crate) struct Modules {
    by_path: HashMap<String, Rc<Entry>>,
    /// V8 knows a module by an identity hash that need not be unique.
    by_hash: HashMap<i32, Vec<Rc<Entry>>>,
}

struct Entry {
    /// What its name comes to: how it is found, and what specifiers in it are relative to.
    path: String,
    module: v8::Global<v8::Module>,
    kind: Kind,
}

enum Kind {
    Es,
    CommonJs {
        code: v8::Global<v8::Function>,
        /// The names that it exports beside `default`.
        names: Vec<String>,
        state: RefCell<CommonJs>,
    },
    /// A synthetic module with this default export.
    Value(v8::Global<v8::Value>),
}

/// How far a CommonJS module has come.
enum CommonJs {
    Fresh,
    /// It runs or has run; its `module` object.
    Begun(v8::Global<v8::Object>),
    /// It threw, and every further use of it throws the same: its exports are half of what they should be.
    Failed(v8::Global<v8::Value>),
}

/// Why there is no module for a specifier.
#[derive(Debug, PartialEq, Eq)]
enum Missing {
    /// No module has this path.
    Unknown(String),
    /// The specifier leads out of the root.
    Outside(String),
}

impl Missing {
    /// As an `import` declaration in the module `referrer`, and so a start-up error, says it.
    fn imported(self, referrer: &str) -> Error {
        match self {
            Missing::Unknown(path) => {
                Error::error(format!("No such module \"{}\".\n  imported from \"{referrer}\"", shown(&path)))
            }
            Missing::Outside(specifier) => {
                Error::type_error(format!("Invalid module specifier \"{specifier}\".\n  imported from \"{referrer}\"."))
            }
        }
    }

    /// As `import()` says it.
    fn dynamic(self) -> Error {
        match self {
            Missing::Unknown(path) => Error::error(format!("No such module \"{}\".", shown(&path))),
            Missing::Outside(specifier) => Error::error(format!("No such module \"{specifier}\"")),
        }
    }

    /// As `require()` says it.
    fn required(self) -> Error {
        match self {
            Missing::Outside(specifier) => Error::type_error(format!("Invalid module specifier \"{specifier}\".")),
            unknown => unknown.dynamic(),
        }
    }
}

/// A path as messages show it: the root is a dot.
fn shown(path: &str) -> &str {
    if path.is_empty() { "." } else { path }
}

/// The path that `specifier` means in the directory `directory`; `None` if that leads out of the root.
fn join(directory: &str, specifier: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    let relative = if specifier.starts_with('/') { "" } else { directory };
    for part in relative.split('/').chain(specifier.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// What is before the last part of a path.
fn directory_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// Specifiers with one of these schemes are names as they stand, and relative to nothing.
fn has_scheme(specifier: &str) -> bool {
    ["cloudflare:", "node:", "workerd:"].iter().any(|scheme| specifier.starts_with(scheme))
}

/// The module that `specifier` means in the module with the path `referrer`.
fn find(isolate: &Isolate, referrer: &str, specifier: &str) -> std::result::Result<Rc<Entry>, Missing> {
    let path = if has_scheme(specifier) {
        specifier.to_owned()
    } else {
        join(directory_of(referrer), specifier).ok_or_else(|| Missing::Outside(specifier.to_owned()))?
    };
    isolate.modules.borrow().by_path.get(&path).cloned().ok_or(Missing::Unknown(path))
}

fn find_by_module(isolate: &Isolate, module: v8::Local<'_, v8::Module>) -> Option<Rc<Entry>> {
    let modules = isolate.modules.borrow();
    let candidates = modules.by_hash.get(&module.get_identity_hash().get())?;
    candidates.iter().find(|entry| entry.module == module).cloned()
}

/// Compiles and evaluates the modules; gives the namespace of the first one, which is the main module.
///
/// # Errors
///
/// In the reference's words: code that does not parse, that throws, that waits for what cannot come.
pub fn evaluate_modules<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    sources: Vec<ModuleSource>,
) -> std::result::Result<v8::Local<'s, v8::Object>, StartupError> {
    let Some(main) = sources.first().map(|source| source.name.clone()) else {
        return Err(StartupError::new("Modules list cannot be empty."));
    };
    if !matches!(sources[0].content, Content::Es(_)) {
        return Err(StartupError::new("Uncaught TypeError: Main module must be an ES module."));
    }
    let isolate = Isolate::of(scope);
    for source in sources {
        v8::tc_scope!(let scope, scope);
        let Some(path) = join("", &source.name) else {
            let text = format!("Uncaught TypeError: Module name \"{}\" leads out of the bundle's root", source.name);
            return Err(StartupError::new(text));
        };
        if isolate.modules.borrow().by_path.contains_key(&path) {
            let text = format!("Uncaught Error: Module \"{}\" already added to bundle", shown(&path));
            return Err(StartupError::new(text));
        }
        match compile(scope, source, path) {
            Ok(entry) => register(scope, &isolate, entry),
            Err(error) => return Err(startup_error(scope, &error)),
        }
    }
    let main = join("", &main).and_then(|path| isolate.modules.borrow().by_path.get(&path).cloned());
    let entry = main.ok_or_else(|| StartupError::new("Uncaught Error: the main module is missing"))?;
    v8::tc_scope!(let scope, scope);
    let module = v8::Local::new(scope, &entry.module);
    if link(scope, module).is_err() {
        return Err(startup_error(scope, &Error::Pending));
    }
    let Some(completion) = module.evaluate(scope) else {
        return Err(startup_error(scope, &Error::Pending));
    };
    isolate.run_microtasks(scope);
    if let Ok(promise) = v8::Local::<v8::Promise>::try_from(completion) {
        match promise.state() {
            v8::PromiseState::Fulfilled => {}
            v8::PromiseState::Pending => {
                return Err(StartupError::new("Uncaught Error: Top-level await in module is unsettled."));
            }
            v8::PromiseState::Rejected => {
                promise.mark_as_handled();
                let reason = promise.result(scope);
                return Err(describe_startup(scope, reason, None));
            }
        }
    }
    isolate.after_microtasks(scope);
    let namespace = module.get_module_namespace();
    v8::Local::<v8::Object>::try_from(namespace)
        .map_err(|_| StartupError::new("Uncaught Error: the main module has no namespace"))
}

/// Compiles and runs a service-worker script. What it registers with `addEventListener` stays with the global object.
///
/// # Errors
///
/// Code that does not parse or that throws.
pub fn evaluate_script(
    scope: &mut v8::PinScope<'_, '_>,
    name: &str,
    source: &str,
) -> std::result::Result<(), StartupError> {
    v8::tc_scope!(let scope, scope);
    let isolate = Isolate::of(scope);
    let origin = origin(scope, name, false);
    let source = jsg::string(scope, source);
    let result = v8::Script::compile(scope, source, Some(&origin)).and_then(|script| script.run(scope));
    if result.is_none() {
        return Err(startup_error(scope, &Error::Pending));
    }
    isolate.run_microtasks(scope);
    isolate.after_microtasks(scope);
    Ok(())
}

fn origin<'s>(scope: &mut v8::PinScope<'s, '_>, name: &str, is_module: bool) -> v8::ScriptOrigin<'s> {
    let name = jsg::string(scope, name);
    v8::ScriptOrigin::new(scope, name.into(), 0, 0, false, 0, None, false, false, is_module, None)
}

fn register(scope: &mut v8::PinScope<'_, '_>, isolate: &Isolate, entry: Entry) {
    let hash = v8::Local::new(scope, &entry.module).get_identity_hash().get();
    let entry = Rc::new(entry);
    let mut modules = isolate.modules.borrow_mut();
    modules.by_hash.entry(hash).or_default().push(entry.clone());
    modules.by_path.insert(entry.path.clone(), entry);
}

fn compile(scope: &mut v8::PinScope<'_, '_>, source: ModuleSource, path: String) -> Result<Entry> {
    let name = source.name;
    let value = match source.content {
        Content::Es(code) => {
            let origin = origin(scope, &name, true);
            let code = jsg::string(scope, &code);
            let mut source = v8::script_compiler::Source::new(code, Some(&origin));
            let module = v8::script_compiler::compile_module(scope, &mut source).ok_or(Error::Pending)?;
            let module = v8::Global::new(scope, module);
            return Ok(Entry { path, module, kind: Kind::Es });
        }
        Content::CommonJs(code, names) => {
            let origin = origin(scope, &name, false);
            let code = jsg::string(scope, &code);
            let mut source = v8::script_compiler::Source::new(code, Some(&origin));
            let parameters = ["require", "module", "exports", "__filename", "__dirname"]
                .map(|parameter| jsg::string(scope, parameter));
            let function = v8::script_compiler::compile_function(
                scope,
                &mut source,
                &parameters,
                &[],
                v8::script_compiler::CompileOptions::NoCompileOptions,
                v8::script_compiler::NoCacheReason::NoReason,
            )
            .ok_or(Error::Pending)?;
            let module = synthetic(scope, &name, &names);
            let code = v8::Global::new(scope, function);
            let kind = Kind::CommonJs { code, names, state: RefCell::new(CommonJs::Fresh) };
            return Ok(Entry { path, module, kind });
        }
        Content::Text(text) => jsg::string(scope, &text).into(),
        Content::Data(bytes) => jsg::ToJs::to_js(jsg::ArrayBufferBytes(bytes), scope)?,
        Content::Wasm(bytes) => v8::WasmModuleObject::compile(scope, &bytes).ok_or(Error::Pending)?.into(),
        Content::Json(text) => {
            let text = jsg::string(scope, &text);
            v8::json::parse(scope, text).ok_or(Error::Pending)?
        }
    };
    let module = synthetic(scope, &name, &[]);
    let value = v8::Global::new(scope, value);
    Ok(Entry { path, module, kind: Kind::Value(value) })
}

fn synthetic<'s>(scope: &mut v8::PinScope<'s, '_>, name: &str, names: &[String]) -> v8::Global<v8::Module> {
    let mut exports = vec![jsg::string(scope, "default")];
    exports.extend(names.iter().filter(|name| *name != "default").map(|name| jsg::string(scope, name)));
    let name = jsg::string(scope, name);
    let module = v8::Module::create_synthetic_module(scope, name, &exports, evaluate_synthetic);
    v8::Global::new(scope, module)
}

/// Evaluation steps of every module that is not an ES module.
fn evaluate_synthetic<'s>(
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
    if let Kind::CommonJs { names, .. } = &entry.kind
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
        Kind::Value(value) => return Ok(v8::Local::new(scope, value)),
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
    let path = jsg::string(scope, &entry.path);
    let file_name = jsg::string(scope, &format!("/{}", entry.path));
    let directory = jsg::string(scope, &format!("/{}", directory_of(&entry.path)));
    let require = v8::Function::builder(require)
        .data(path.into())
        .constructor_behavior(v8::ConstructorBehavior::Throw)
        .build(scope)
        .ok_or(Error::Pending)?;
    require.set_name(jsg::string(scope, "require"));
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
        let entry = find(&isolate, &referrer, &specifier).map_err(Missing::required)?;
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

/// Evaluates a module that is required. One that awaits, if it may, has until the end of the microtasks that are due.
fn evaluate_for_require(
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
    let referrer = find_by_module(isolate, referrer).map_or_else(String::new, |entry| entry.path.clone());
    let specifier = specifier.to_rust_string_lossy(scope);
    let entry = find(isolate, &referrer, &specifier).map_err(|missing| missing.imported(&referrer))?;
    Ok((entry, referrer))
}

/// No attribute of an import means anything; since a date that is said.
fn refuse_attributes(isolate: &Isolate, attributes: v8::Local<'_, v8::FixedArray>) -> Result<()> {
    if attributes.length() > 0 && isolate.flags().is_on(NO_ATTRIBUTES) {
        return Err(Error::error("Unrecognized import attributes specified"));
    }
    Ok(())
}

/// Links a module, and what it imports, unless that has been done.
fn link(scope: &mut v8::PinScope<'_, '_>, module: v8::Local<'_, v8::Module>) -> Result<()> {
    module.instantiate_module2(scope, resolve_static, resolve_source).map(drop).ok_or(Error::Pending)
}

/// `import.source()` and `import.defer()`, which V8 has behind flags and the reference does not support either.
pub(super) fn import_phase_dynamically<'s>(
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
pub(super) fn import_dynamically<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    _host_defined_options: v8::Local<'s, v8::Data>,
    resource_name: v8::Local<'s, v8::Value>,
    specifier: v8::Local<'s, v8::String>,
    attributes: v8::Local<'s, v8::FixedArray>,
) -> Option<v8::Local<'s, v8::Promise>> {
    let resolver = v8::PromiseResolver::new(scope)?;
    let promise = resolver.get_promise(scope);
    let reason = {
        v8::tc_scope!(let scope, scope);
        match import(scope, resource_name, specifier, attributes) {
            Ok((namespace, completion)) => {
                // The namespace comes when the module has run, which top-level await may put off.
                let then = v8::Function::builder(first_data).data(namespace).build(scope)?;
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
    referrer: v8::Local<'s, v8::Value>,
    specifier: v8::Local<'s, v8::String>,
    attributes: v8::Local<'s, v8::FixedArray>,
) -> Result<(v8::Local<'s, v8::Value>, v8::Local<'s, v8::Promise>)> {
    let isolate = Isolate::of(scope);
    refuse_attributes(&isolate, attributes)?;
    let referrer = join("", &referrer.to_rust_string_lossy(scope)).unwrap_or_default();
    let specifier = specifier.to_rust_string_lossy(scope);
    let entry = find(&isolate, &referrer, &specifier).map_err(Missing::dynamic)?;
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

/// The start-up error for what was thrown within a `TryCatch`.
fn startup_error(
    scope: &mut v8::PinnedRef<'_, v8::TryCatch<'_, '_, v8::HandleScope<'_>>>,
    error: &Error,
) -> StartupError {
    let exception = error.caught(scope);
    let message = if matches!(error, Error::Pending) { scope.message() } else { None };
    describe_startup(scope, exception, message)
}

fn describe_startup<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    exception: v8::Local<'s, v8::Value>,
    message: Option<v8::Local<'s, v8::Message>>,
) -> StartupError {
    let described = exceptions::describe(scope, exception);
    let message = message.unwrap_or_else(|| v8::Exception::create_message(scope, exception));
    let frames = exceptions::frames(scope, message);
    // What came up in a promise has its place in its stack alone.
    let text = if frames.is_empty() { described.text() } else { format!("{}{frames}", described.message) };
    let text = format!("Uncaught {text}");
    StartupError { message: text, stack: described.stack }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specifiers_are_resolved_against_the_directory() {
        let resolve = |referrer: &str, specifier| {
            let referrer = join("", referrer).expect("a name within the root");
            join(directory_of(&referrer), specifier)
        };
        let path = |path: &str| Some(path.to_owned());
        assert_eq!(resolve("lib/a.js", "b"), path("lib/b"));
        assert_eq!(resolve("lib/a.js", "./b"), path("lib/b"));
        assert_eq!(resolve("lib/a.js", "../b"), path("b"));
        assert_eq!(resolve("lib/a.js", "../../b"), None);
        assert_eq!(resolve("lib/a.js", "/b"), path("b"));
        assert_eq!(resolve("lib/a.js", "/../b"), None);
        assert_eq!(resolve("a", "./x//y/./z"), path("x/y/z"));
        assert_eq!(resolve("a", "x/../y?z#w%20"), path("y?z#w%20"));
        // The name of the module that imports may be written in as many ways.
        for referrer in ["./lib/a.js", "lib//a.js", "lib/x/../a.js", "x/../lib/./a.js", "/lib/a.js"] {
            assert_eq!(resolve(referrer, "./b"), path("lib/b"), "{referrer}");
            assert_eq!(resolve(referrer, "../b"), path("b"), "{referrer}");
        }
        assert_eq!(join("", "../up.js"), None);
        assert_eq!(resolve("lib/", "./b"), path("b"));
    }
}
