//! Modules of the configuration's extensions. They are texts until somebody imports them.

use std::{collections::HashMap, rc::Rc};

use jsg::{Error, Result};

use super::{Entry, Kind, Owner, StartupError, naming::Names, origin_with, register, registry::Builtin};
use crate::isolate::Isolate;

/// A module of an extension, as the configuration gives it: an ECMAScript module.
#[derive(Debug, Clone)]
pub struct ExtensionModule {
    /// Its name, as the configuration has it.
    pub name: String,
    /// Whether only modules of extensions can import it.
    pub internal: bool,
    /// Its text.
    pub source: String,
}

/// Those of an isolate: one table for what workers import, and one for what extensions do.
#[derive(Default)]
pub(super) struct Extensions {
    public: HashMap<String, Module>,
    internal: HashMap<String, Module>,
    /// Made with the first module that is compiled.
    mark: Option<v8::Global<v8::PrimitiveArray>>,
}

enum Module {
    Text(String),
    Compiled(Rc<Entry>),
}

impl Extensions {
    fn of(&mut self, internal: bool) -> &mut HashMap<String, Module> {
        if internal { &mut self.internal } else { &mut self.public }
    }
}

/// Has the worker's modules find those of extensions.
///
/// # Errors
///
/// One that workers import has the name of a module which the program has for them.
pub fn extend(
    scope: &mut v8::PinScope<'_, '_>,
    modules: Vec<ExtensionModule>,
) -> std::result::Result<(), StartupError> {
    let isolate = Isolate::of(scope);
    let names = Names::of(&isolate);
    let mut known = isolate.modules.borrow_mut();
    for ExtensionModule { name, internal, source } in modules {
        let name = names.extension(&name).map_err(StartupError::new)?;
        if !internal && Builtin::find(&name, isolate.flags(), Owner::Tenant).is_some() {
            let text = format!("Uncaught Error: Module \"{name}\" of an extension has the name of a built-in module");
            return Err(StartupError::new(text));
        }
        known.extensions.of(internal).insert(name, Module::Text(source));
    }
    Ok(())
}

/// The module at this location that workers, or extensions (`internal`), import. It is compiled when it is first imported.
///
/// # Errors
///
/// It does not parse.
pub(super) fn find(
    scope: &mut v8::PinScope<'_, '_>,
    isolate: &Isolate,
    location: &str,
    internal: bool,
) -> Result<Option<Rc<Entry>>> {
    let source = match isolate.modules.borrow_mut().extensions.of(internal).get(location) {
        None => return Ok(None),
        Some(Module::Compiled(entry)) => return Ok(Some(entry.clone())),
        Some(Module::Text(source)) => jsg::string(scope, source),
    };
    let mark = mark(scope, isolate);
    let origin = origin_with(scope, location, true, Some(mark.into()));
    let mut source = v8::script_compiler::Source::new(source, Some(&origin));
    let module = v8::script_compiler::compile_module(scope, &mut source).ok_or(Error::Pending)?;
    let module = v8::Global::new(scope, module);
    let entry = Entry { location: location.to_owned(), module, kind: Kind::Es, owner: Owner::Extension };
    let entry = register(scope, isolate, entry);
    // The text is V8's now.
    isolate.modules.borrow_mut().extensions.of(internal).insert(location.to_owned(), Module::Compiled(entry.clone()));
    Ok(Some(entry))
}

/// What tells `import()` that it stands in an extension's module: the module's name does not, for others can have it too.
fn mark<'s>(scope: &mut v8::PinScope<'s, '_>, isolate: &Isolate) -> v8::Local<'s, v8::PrimitiveArray> {
    let known = isolate.modules.borrow().extensions.mark.clone();
    let mark = known.unwrap_or_else(|| {
        // V8 has one empty array for everybody.
        let mark = v8::PrimitiveArray::new(scope, 1);
        v8::Global::new(scope, mark)
    });
    let local = v8::Local::new(scope, &mark);
    isolate.modules.borrow_mut().extensions.mark = Some(mark);
    local
}

/// Whether these are the options of an extension's module.
pub(super) fn is_marked(scope: &mut v8::PinScope<'_, '_>, isolate: &Isolate, options: v8::Local<'_, v8::Data>) -> bool {
    let mark = isolate.modules.borrow().extensions.mark.clone();
    mark.is_some_and(|mark| v8::Local::new(scope, mark) == options)
}
