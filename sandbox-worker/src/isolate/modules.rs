//! The worker's modules: ES modules, CommonJS, JSON, text, data and WebAssembly, and service-worker scripts.
//!
//! Names are paths without a leading slash; a specifier is resolved against the directory of the module that imports
//! it, whether it starts with `./` or not, as the reference does.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use bulkhead_ipc::compatibility::Flag;
use jsg::{Error, Result};

use super::{Isolate, exceptions};

const REQUIRE_DEFAULT: Flag = Flag::named("require_returns_default_export");
const COMMONJS_DEFAULT: Flag = Flag::named("export_commonjs_default");

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
    by_name: HashMap<String, Rc<Entry>>,
    /// V8 knows a module by an identity hash that need not be unique.
    by_hash: HashMap<i32, Vec<Rc<Entry>>>,
}

struct Entry {
    name: String,
    module: v8::Global<v8::Module>,
    kind: Kind,
    /// `module.exports` of a CommonJS module, once it has begun to run; the value of any other synthetic module.
    value: RefCell<Option<v8::Global<v8::Value>>>,
}

enum Kind {
    Es,
    CommonJs {
        code: RefCell<Option<v8::Global<v8::Function>>>,
        names: Vec<String>,
        module: RefCell<Option<v8::Global<v8::Object>>>,
    },
    Value,
}

/// The path that `specifier` means in a module named `referrer`.
fn resolve(referrer: &str, specifier: &str) -> String {
    let mut parts: Vec<&str> = if specifier.starts_with('/') {
        Vec::new()
    } else {
        let mut parts: Vec<&str> = referrer.split('/').collect();
        parts.pop();
        parts
    };
    for part in specifier.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Names with a scheme are built-in modules, and are not relative to anything.
fn is_builtin(specifier: &str) -> bool {
    ["cloudflare:", "node:", "workerd:", "bulkhead:"].iter().any(|scheme| specifier.starts_with(scheme))
}

fn find(isolate: &Isolate, referrer: &str, specifier: &str) -> std::result::Result<Rc<Entry>, String> {
    if is_builtin(specifier) {
        return Err(specifier.to_owned());
    }
    let path = resolve(referrer, specifier);
    isolate.modules.borrow().by_name.get(&path).cloned().ok_or(path)
}

fn find_by_module(isolate: &Isolate, module: v8::Local<'_, v8::Module>) -> Option<Rc<Entry>> {
    let modules = isolate.modules.borrow();
    let candidates = modules.by_hash.get(&module.get_identity_hash().get())?;
    candidates.iter().find(|entry| entry.module == module).cloned()
}

fn no_such_module(path: &str) -> Error {
    Error::error(format!("No such module \"{path}\"."))
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
        if isolate.modules.borrow().by_name.contains_key(&resolve("", &source.name)) {
            return Err(StartupError::new(format!(
                "Uncaught Error: Module \"{}\" already added to bundle",
                source.name
            )));
        }
        match compile(scope, source) {
            Ok(entry) => register(scope, &isolate, entry),
            Err(error) => return Err(startup_error(scope, &error)),
        }
    }
    let entry =
        find(&isolate, "", &main).map_err(|_| StartupError::new("Uncaught Error: the main module is missing"))?;
    v8::tc_scope!(let scope, scope);
    let module = v8::Local::new(scope, &entry.module);
    if module.instantiate_module(scope, resolve_static).is_none() {
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
    modules.by_name.insert(resolve("", &entry.name), entry);
}

fn compile(scope: &mut v8::PinScope<'_, '_>, source: ModuleSource) -> Result<Entry> {
    let name = source.name;
    let value = match source.content {
        Content::Es(code) => {
            let origin = origin(scope, &name, true);
            let code = jsg::string(scope, &code);
            let mut source = v8::script_compiler::Source::new(code, Some(&origin));
            let module = v8::script_compiler::compile_module(scope, &mut source).ok_or(Error::Pending)?;
            let module = v8::Global::new(scope, module);
            return Ok(Entry { name, module, kind: Kind::Es, value: RefCell::default() });
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
            let code = RefCell::new(Some(v8::Global::new(scope, function)));
            let kind = Kind::CommonJs { code, names, module: RefCell::default() };
            return Ok(Entry { name, module, kind, value: RefCell::default() });
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
    let value = RefCell::new(Some(v8::Global::new(scope, value)));
    Ok(Entry { name, module, kind: Kind::Value, value })
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
    let resolver = v8::PromiseResolver::new(scope)?;
    let undefined = v8::undefined(scope);
    resolver.resolve(scope, undefined.into());
    Some(resolver.get_promise(scope).into())
}

/// The value of a module that is not an ES module; runs a CommonJS module at first use.
fn exports_of<'s>(scope: &mut v8::PinScope<'s, '_>, entry: &Rc<Entry>) -> Result<v8::Local<'s, v8::Value>> {
    let Kind::CommonJs { code, module, .. } = &entry.kind else {
        let value = entry.value.borrow();
        return value.as_ref().map(|value| v8::Local::new(scope, value)).ok_or(Error::Pending);
    };
    let exports_key = jsg::string(scope, "exports");
    // A module that is required again while it runs shows what it has exported so far.
    if let Some(module) = module.borrow().as_ref() {
        let module = v8::Local::new(scope, module);
        return module.get(scope, exports_key.into()).ok_or(Error::Pending);
    }
    let object = v8::Object::new(scope);
    let exports = v8::Object::new(scope);
    object.set(scope, exports_key.into(), exports.into());
    *module.borrow_mut() = Some(v8::Global::new(scope, object));
    let code = code.borrow_mut().take().ok_or(Error::Pending)?;
    let code = v8::Local::new(scope, code);
    let name = jsg::string(scope, &entry.name);
    let path = resolve("", &entry.name);
    let file_name = jsg::string(scope, &format!("/{path}"));
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let directory = jsg::string(scope, &format!("/{directory}"));
    let require = v8::Function::builder(require)
        .data(name.into())
        .constructor_behavior(v8::ConstructorBehavior::Throw)
        .build(scope)
        .ok_or(Error::Pending)?;
    require.set_name(jsg::string(scope, "require"));
    let receiver = v8::undefined(scope).into();
    let arguments = [require.into(), object.into(), exports.into(), file_name.into(), directory.into()];
    if code.call(scope, receiver, &arguments).is_none() {
        // Its next user shall see the exception too, not half of its exports.
        return Err(Error::Pending);
    }
    object.get(scope, exports_key.into()).ok_or(Error::Pending)
}

/// `require` of a CommonJS module, whose name is the function's data.
fn require<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    arguments: v8::FunctionCallbackArguments<'s>,
    mut rv: v8::ReturnValue<'s, v8::Value>,
) {
    let result = (|| {
        let referrer = arguments.data().to_rust_string_lossy(scope);
        let specifier = arguments.get(0).to_string(scope).ok_or(Error::Pending)?.to_rust_string_lossy(scope);
        let isolate = Isolate::of(scope);
        let entry = find(&isolate, &referrer, &specifier).map_err(|path| no_such_module(&path))?;
        let (required, commonjs) = (isolate.flags().is_on(REQUIRE_DEFAULT), isolate.flags().is_on(COMMONJS_DEFAULT));
        if !matches!(entry.kind, Kind::Es) && (required || commonjs) {
            return exports_of(scope, &entry);
        }
        let module = v8::Local::new(scope, &entry.module);
        module.instantiate_module(scope, resolve_static).ok_or(Error::Pending)?;
        if module.is_graph_async() {
            return Err(Error::error("Top-level await in module is not permitted at this time."));
        }
        // One that requires itself, by way of others, is shown as far as it has got.
        if module.get_status() == v8::ModuleStatus::Evaluating {
            return Ok(module.get_module_namespace());
        }
        let completion = module.evaluate(scope).ok_or(Error::Pending)?;
        if let Ok(promise) = v8::Local::<v8::Promise>::try_from(completion)
            && promise.state() == v8::PromiseState::Rejected
        {
            promise.mark_as_handled();
            let reason = promise.result(scope);
            return Err(Error::value(scope, reason));
        }
        let namespace = module.get_module_namespace();
        // With `require_returns_default_export` a module with a default export is that export; with
        // `export_commonjs_default` alone it is its default export even where it has none. Before both it is its namespace.
        let Ok(object) = v8::Local::<v8::Object>::try_from(namespace) else { return Ok(namespace) };
        let key = jsg::string(scope, "default");
        let exported = object.has_own_property(scope, key.into()) == Some(true);
        if required && exported || !required && commonjs {
            return object.get(scope, key.into()).ok_or(Error::Pending);
        }
        Ok(namespace)
    })();
    match result {
        Ok(value) => rv.set(value),
        Err(error) => error.throw(scope),
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
    let referrer = find_by_module(&isolate, referrer);
    let referrer = referrer.as_ref().map_or("", |entry| entry.name.as_str());
    let specifier = specifier.to_rust_string_lossy(scope);
    let error = if attributes.length() > 0 {
        Error::error("Unrecognized import attributes specified")
    } else {
        match find(&isolate, referrer, &specifier) {
            Ok(entry) => {
                return Some(v8::Local::new(scope, &entry.module));
            }
            Err(path) => Error::error(format!("No such module \"{path}\".\n  imported from \"{referrer}\"")),
        }
    };
    error.throw(scope);
    None
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
            Err(Error::Pending) => {
                let exception = scope.exception().unwrap_or_else(|| v8::undefined(scope).into());
                v8::Global::new(scope, exception)
            }
            Err(error) => {
                let exception = error.to_value(scope);
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
    if attributes.length() > 0 {
        return Err(Error::error("Unrecognized import attributes specified"));
    }
    let isolate = Isolate::of(scope);
    let referrer = referrer.to_rust_string_lossy(scope);
    let specifier = specifier.to_rust_string_lossy(scope);
    let entry = find(&isolate, &referrer, &specifier).map_err(|path| no_such_module(&path))?;
    let module = v8::Local::new(scope, &entry.module);
    module.instantiate_module(scope, resolve_static).ok_or(Error::Pending)?;
    let completion = module.evaluate(scope).ok_or(Error::Pending)?;
    let namespace = module.get_module_namespace();
    match v8::Local::<v8::Promise>::try_from(completion) {
        Ok(promise) => Ok((namespace, promise)),
        Err(_) => {
            let resolver = v8::PromiseResolver::new(scope).ok_or(Error::Pending)?;
            resolver.resolve(scope, namespace);
            Ok((namespace, resolver.get_promise(scope)))
        }
    }
}

/// The start-up error for what was thrown within a `TryCatch`.
fn startup_error<'s>(
    scope: &mut v8::PinnedRef<'_, v8::TryCatch<'s, '_, v8::HandleScope<'_>>>,
    error: &Error,
) -> StartupError {
    match error {
        Error::Pending => {
            let exception = scope.exception().unwrap_or_else(|| v8::undefined(scope).into());
            let message = scope.message();
            describe_startup(scope, exception, message)
        }
        error => {
            let exception = error.to_value(scope);
            describe_startup(scope, exception, None)
        }
    }
}

fn describe_startup<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    exception: v8::Local<'s, v8::Value>,
    message: Option<v8::Local<'s, v8::Message>>,
) -> StartupError {
    let described = exceptions::describe(scope, exception);
    let message = message.unwrap_or_else(|| v8::Exception::create_message(scope, exception));
    let mut text = format!("Uncaught {}", described.message);
    // What this program itself threw has no place in the worker's code.
    if !described.message.starts_with("Error: No such module") {
        text.push_str(&exceptions::frames(scope, message));
    }
    StartupError { message: text, stack: described.stack }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specifiers_are_resolved_against_the_directory() {
        assert_eq!(resolve("lib/a.js", "b"), "lib/b");
        assert_eq!(resolve("lib/a.js", "./b"), "lib/b");
        assert_eq!(resolve("lib/a.js", "../b"), "b");
        assert_eq!(resolve("lib/a.js", "../../../b"), "b");
        assert_eq!(resolve("lib/a.js", "/b"), "b");
        assert_eq!(resolve("a", "./x//y/./z"), "x/y/z");
        assert_eq!(resolve("", "main"), "main");
    }
}
