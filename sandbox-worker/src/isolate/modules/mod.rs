//! The worker's modules: ES modules, CommonJS, JSON, text, data and WebAssembly, and service-worker scripts; and the built-in
//! modules and those of extensions that they import.
//!
//! There are two registries of modules, of which a worker's flags choose one: `naming.rs` has what their names are, and most of the
//! differences between them. In the first, all modules of a bundle are compiled when the worker starts; in the second, one is when it is
//! first imported. A module of the worker hides the built-in one of its name, and an extension's. Extensions' modules do not see the
//! worker's.

mod code_cache;
mod commonjs;
mod extensions;
mod fallback;
mod import;
mod meta;
mod naming;
mod native;
pub(super) mod registry;
mod resolve;

use std::{cell::RefCell, collections::HashMap, rc::Rc};

pub use commonjs::require_from;
use commonjs::{evaluate_for_require, evaluate_synthetic};
pub use extensions::{ExtensionModule, extend};
pub use fallback::{Answer, Fallback, Question};
use import::link;
pub(super) use import::{import_dynamically, import_phase_dynamically};
use jsg::{Error, Result};
pub(super) use meta::describe as describe_import_meta;
use naming::{By, Names, shown};
#[cfg(test)]
pub(crate) use registry::texts as builtin_texts;
use resolve::{Referrer, Wanted, find, find_for_tenant, find_here};

use super::{Isolate, exceptions};

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
    /// A module that is written in Python, which runs nowhere here.
    Python,
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
    pub(crate) fn new(message: impl Into<String>) -> Self {
        StartupError { message: message.into(), stack: String::new() }
    }
}

/// The modules of an isolate.
#[derive(Default)]
pub(crate) struct Modules {
    /// What the worker's modules are compiled from, by their locations: those that may have another instance. None among paths.
    definitions: HashMap<String, Rc<ModuleSource>>,
    /// The worker's modules that are compiled, and what others they import from a server, by their locations.
    instances: HashMap<String, Rc<Entry>>,
    /// Where the main module is defined.
    main: Option<String>,
    /// Those of the program that were imported so far, by specifier.
    builtins: HashMap<String, Rc<Entry>>,
    /// V8 knows a module by an identity hash that need not be unique.
    by_hash: HashMap<i32, Vec<Rc<Entry>>>,
    extensions: extensions::Extensions,
    /// Who is asked for modules that are not here.
    fallback: Option<Rc<dyn Fallback>>,
    /// The object that handlers get as `env`, for `cloudflare:workers`.
    env: Option<v8::Global<v8::Object>>,
}

struct Entry {
    /// What its name comes to: how it is found, and what specifiers in it are relative to.
    location: String,
    module: v8::Global<v8::Module>,
    kind: Kind,
    owner: Owner,
}

/// Whose a module is, which says what it can import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Tenant,
    /// The operator's: one of the configuration's extensions.
    Extension,
    Program,
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
    /// Likewise, of what a JSON text says.
    Json(v8::Global<v8::Value>),
    /// A synthetic module of the program, with these properties of an object for exports, and the object for the default one.
    Native(v8::Global<v8::Value>, Vec<String>),
}

/// How far a CommonJS module has come.
enum CommonJs {
    Fresh,
    /// It runs or has run; its `module` object.
    Begun(v8::Global<v8::Object>),
    /// It threw, and every further use of it throws the same: its exports are half of what they should be.
    Failed(v8::Global<v8::Value>),
}

/// Has somebody asked for modules that are not here.
pub fn fall_back(scope: &mut v8::PinScope<'_, '_>, to: Rc<dyn Fallback>) {
    Isolate::of(scope).modules.borrow_mut().fallback = Some(to);
}

/// Compiles and evaluates the modules of a worker whose handlers get `env`; gives the namespace of the first one, which is the
/// main module.
///
/// # Errors
///
/// In the reference's words: code that does not parse, that throws, that waits for what cannot come.
pub fn evaluate_modules<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    sources: Vec<ModuleSource>,
    env: v8::Local<'s, v8::Object>,
) -> std::result::Result<v8::Local<'s, v8::Object>, StartupError> {
    let Some(main) = sources.first().map(|source| source.name.clone()) else {
        return Err(StartupError::new("Modules list cannot be empty."));
    };
    if let Some(python) = sources.iter().find(|source| matches!(source.content, Content::Python)) {
        return Err(StartupError::new(no_python(&python.name)));
    }
    if !matches!(sources[0].content, Content::Es(_)) {
        return Err(StartupError::new("Uncaught TypeError: Main module must be an ES module."));
    }
    let isolate = Isolate::of(scope);
    let names = Names::of(&isolate);
    isolate.modules.borrow_mut().env = Some(v8::Global::new(scope, env));
    for source in sources {
        v8::tc_scope!(let scope, scope);
        let location = names.bundled(&source.name).map_err(StartupError::new)?;
        let modules = isolate.modules.borrow();
        if modules.definitions.contains_key(&location) || modules.instances.contains_key(&location) {
            let text = format!("Uncaught Error: Module \"{}\" already added to bundle", shown(&location));
            return Err(StartupError::new(text));
        }
        drop(modules);
        match names {
            Names::Urls => drop(isolate.modules.borrow_mut().definitions.insert(location, Rc::new(source))),
            Names::Paths => {
                instance(scope, &isolate, &source, location).map_err(|error| startup_error(scope, &error))?;
            }
        }
    }
    v8::tc_scope!(let scope, scope);
    let main = names.main(&main);
    isolate.modules.borrow_mut().main = Some(names.definition(&main).to_owned());
    let entry = find_here(scope, &isolate, Referrer::Tenant(&main), main.clone());
    let entry = match entry.map_err(|missing| missing.said(names, By::Call)) {
        Ok(entry) => entry,
        Err(error) => return Err(startup_error(scope, &error)),
    };
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
                return Err(StartupError::new(format!("Uncaught Error: {}", names.unsettled(&main))));
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

/// What a built-in module that was imported exports under a name; `None` if none has imported it.
pub fn builtin_export<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    specifier: &str,
    name: &str,
) -> Option<v8::Local<'s, v8::Value>> {
    let isolate = Isolate::of(scope);
    let entry = isolate.modules.borrow().builtins.get(specifier)?.clone();
    let module = v8::Local::new(scope, &entry.module);
    // Before that it exports nothing yet.
    if module.get_status() != v8::ModuleStatus::Evaluated {
        return None;
    }
    let namespace = v8::Local::<v8::Object>::try_from(module.get_module_namespace()).ok()?;
    let key = jsg::string(scope, name);
    namespace.get(scope, key.into())
}

/// What an internal module, of the extensions or of the program, exports under a name. The module runs if nobody has imported it.
///
/// # Errors
///
/// There is no such module; it does not parse, throws, or waits for what cannot come.
pub fn internal_export<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    specifier: &str,
    name: &str,
) -> Result<v8::Local<'s, v8::Value>> {
    let namespace = import_now(scope, Referrer::Extension(""), specifier)?;
    let key = jsg::string(scope, name);
    namespace.get(scope, key.into()).ok_or(Error::Pending)
}

/// Runs a module of the program, whoever can import it, for [`builtin_export`].
///
/// # Errors
///
/// There is no such module, or script is interrupted.
pub fn import_builtin(scope: &mut v8::PinScope<'_, '_>, specifier: &str) -> Result<()> {
    import_now(scope, Referrer::Builtin, specifier).map(drop)
}

/// The namespace of a module that native code imports.
fn import_now<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    by: Referrer<'_>,
    specifier: &str,
) -> Result<v8::Local<'s, v8::Object>> {
    let isolate = Isolate::of(scope);
    let entry = find(scope, &isolate, by, Wanted::import(specifier));
    let entry = entry.map_err(|missing| missing.said(Names::of(&isolate), By::Call))?;
    namespace(scope, &isolate, &entry)
}

/// The namespace of a module, which runs if it has not.
fn namespace<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    isolate: &Isolate,
    entry: &Entry,
) -> Result<v8::Local<'s, v8::Object>> {
    let module = v8::Local::new(scope, &entry.module);
    link(scope, module)?;
    evaluate_for_require(scope, isolate, module, true)?;
    let namespace = v8::Local::<v8::Object>::try_from(module.get_module_namespace());
    namespace.map_err(|_| Error::error("the module has no namespace"))
}

/// What a built-in module exports, for who names it at run time: its default export, or its namespace where it has none. `None` if a
/// worker with these flags can import none of that name.
///
/// # Errors
///
/// The module is one that is not there yet, or it cannot be evaluated.
pub fn builtin_module<'s>(scope: &mut v8::PinScope<'s, '_>, name: &str) -> Result<Option<v8::Local<'s, v8::Value>>> {
    let isolate = Isolate::of(scope);
    let found = find_for_tenant(scope, &isolate, name);
    let Some(entry) = found.map_err(|missing| missing.said(Names::of(&isolate), By::Call))? else { return Ok(None) };
    let namespace = namespace(scope, &isolate, &entry)?;
    let key = jsg::string(scope, "default");
    if namespace.has_own_property(scope, key.into()) != Some(true) {
        return Ok(Some(namespace.into()));
    }
    namespace.get(scope, key.into()).map(Some).ok_or(Error::Pending)
}

/// What an export of a built-in module of the program is, which runs if nobody has imported it.
///
/// # Errors
///
/// There is no such module, or script is interrupted.
pub fn builtin_object<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    specifier: &str,
    name: &str,
) -> Result<v8::Local<'s, v8::Object>> {
    let namespace = import_now(scope, Referrer::Builtin, specifier)?;
    let key = jsg::string(scope, name);
    let export = namespace.get(scope, key.into()).ok_or(Error::Pending)?;
    v8::Local::<v8::Object>::try_from(export).map_err(|_| Error::error("the export is no object"))
}

/// The object that handlers get as `env`; `None` in service-worker syntax.
pub fn environment<'s>(scope: &mut v8::PinScope<'s, '_>) -> Option<v8::Local<'s, v8::Object>> {
    let env = Isolate::of(scope).modules.borrow().env.clone()?;
    Some(v8::Local::new(scope, env))
}

fn origin<'s>(scope: &mut v8::PinScope<'s, '_>, name: &str, is_module: bool) -> v8::ScriptOrigin<'s> {
    origin_with(scope, name, is_module, None)
}

/// With what `import()` in the script is told.
fn origin_with<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    name: &str,
    is_module: bool,
    options: Option<v8::Local<'s, v8::Data>>,
) -> v8::ScriptOrigin<'s> {
    let name = jsg::string(scope, name);
    v8::ScriptOrigin::new(scope, name.into(), 0, 0, false, 0, None, false, false, is_module, options)
}

/// Has the module found when V8 asks about it.
fn register(scope: &mut v8::PinScope<'_, '_>, isolate: &Isolate, entry: Entry) -> Rc<Entry> {
    let hash = v8::Local::new(scope, &entry.module).get_identity_hash().get();
    let entry = Rc::new(entry);
    isolate.modules.borrow_mut().by_hash.entry(hash).or_default().push(entry.clone());
    entry
}

/// Compiles a module of the worker, which is found at `location` from then on.
fn instance(
    scope: &mut v8::PinScope<'_, '_>,
    isolate: &Isolate,
    source: &ModuleSource,
    location: String,
) -> Result<Rc<Entry>> {
    let entry = compile(scope, Names::of(isolate), source, location)?;
    let entry = register(scope, isolate, entry);
    isolate.modules.borrow_mut().instances.insert(entry.location.clone(), entry.clone());
    Ok(entry)
}

fn compile(scope: &mut v8::PinScope<'_, '_>, names: Names, source: &ModuleSource, location: String) -> Result<Entry> {
    let name = names.script(&source.name, &location);
    let value = match &source.content {
        Content::Es(code) => {
            let origin = origin(scope, &name, true);
            let code = jsg::string(scope, code);
            let mut source = v8::script_compiler::Source::new(code, Some(&origin));
            let module = v8::script_compiler::compile_module(scope, &mut source).ok_or(Error::Pending)?;
            let module = v8::Global::new(scope, module);
            return Ok(Entry { location, module, kind: Kind::Es, owner: Owner::Tenant });
        }
        Content::CommonJs(code, exports) => {
            let origin = origin(scope, &name, false);
            let code = jsg::string(scope, code);
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
            let module = synthetic(scope, &name, exports);
            let code = v8::Global::new(scope, function);
            let kind = Kind::CommonJs { code, names: exports.clone(), state: RefCell::new(CommonJs::Fresh) };
            return Ok(Entry { location, module, kind, owner: Owner::Tenant });
        }
        Content::Text(text) => jsg::string(scope, text).into(),
        Content::Data(bytes) => jsg::ToJs::to_js(jsg::ArrayBufferBytes(bytes.clone()), scope)?,
        Content::Wasm(bytes) => v8::WasmModuleObject::compile(scope, bytes).ok_or(Error::Pending)?.into(),
        Content::Json(text) => {
            let text = jsg::string(scope, text);
            v8::json::parse(scope, text).ok_or(Error::Pending)?
        }
        Content::Python => return Err(Error::error(no_python(&source.name))),
    };
    let module = synthetic(scope, &name, &[]);
    let value = v8::Global::new(scope, value);
    let kind = if matches!(source.content, Content::Json(_)) { Kind::Json(value) } else { Kind::Value(value) };
    Ok(Entry { location, module, kind, owner: Owner::Tenant })
}

/// What is said of a module that is written in Python.
fn no_python(name: &str) -> String {
    format!("The module \"{name}\" is written in Python, and there are no workers in Python here.")
}

fn synthetic<'s>(scope: &mut v8::PinScope<'s, '_>, name: &str, names: &[String]) -> v8::Global<v8::Module> {
    let mut exports = vec![jsg::string(scope, "default")];
    exports.extend(names.iter().filter(|name| *name != "default").map(|name| jsg::string(scope, name)));
    let name = jsg::string(scope, name);
    let module = v8::Module::create_synthetic_module(scope, name, &exports, evaluate_synthetic);
    v8::Global::new(scope, module)
}

/// The start-up error for what was thrown within a `TryCatch`.
pub(crate) fn startup_error(
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
