//! Modules of the configuration's extensions. They stay where they are until somebody imports them.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    rc::Rc,
};

use jsg::{Error, Result};

use super::{Entry, Kind, Owner, StartupError, naming::Names, origin_with, register, registry::Builtin};
use crate::isolate::Isolate;

/// A module of an extension: an ECMAScript module, by where its text is.
#[derive(Debug, Clone)]
pub struct ExtensionModule {
    /// Its name, as the configuration has it.
    pub name: String,
    /// Whether only modules of extensions can import it.
    pub internal: bool,
    /// Where it begins in the file of all of them.
    pub offset: u64,
    /// How many bytes it has there.
    pub length: u64,
}

/// Those of an isolate: one table for what workers import, and one for what extensions do.
#[derive(Default)]
pub(super) struct Extensions {
    public: HashMap<String, Module>,
    internal: HashMap<String, Module>,
    /// The file with their texts; `None` if there is no module.
    texts: Option<File>,
    /// Made with the first module that is compiled.
    mark: Option<v8::Global<v8::PrimitiveArray>>,
}

enum Module {
    /// The text begins at so many bytes, and has so many.
    Text(u64, u64),
    Compiled(Rc<Entry>),
}

impl Extensions {
    fn of(&mut self, internal: bool) -> &mut HashMap<String, Module> {
        if internal { &mut self.internal } else { &mut self.public }
    }

    fn read(&self, offset: u64, length: u64) -> io::Result<String> {
        let mut texts = self.texts.as_ref().ok_or(io::ErrorKind::NotFound)?;
        // The system call that does both at once is not among those that a worker may make.
        texts.seek(SeekFrom::Start(offset))?;
        let mut text = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        texts.read_exact(&mut text)?;
        String::from_utf8(text).map_err(io::Error::other)
    }
}

/// Has the worker's modules find those of extensions, whose texts are in the file `texts`.
///
/// # Errors
///
/// One that workers import has the name of a module which the program has for them.
pub fn extend(
    scope: &mut v8::PinScope<'_, '_>,
    texts: File,
    modules: Vec<ExtensionModule>,
) -> std::result::Result<(), StartupError> {
    let isolate = Isolate::of(scope);
    let names = Names::of(&isolate);
    let mut known = isolate.modules.borrow_mut();
    known.extensions.texts = Some(texts);
    for ExtensionModule { name, internal, offset, length } in modules {
        let name = names.extension(&name).map_err(StartupError::new)?;
        if !internal && Builtin::find(&name, isolate.flags(), Owner::Tenant).is_some() {
            let text = format!("Uncaught Error: Module \"{name}\" of an extension has the name of a built-in module");
            return Err(StartupError::new(text));
        }
        known.extensions.of(internal).insert(name, Module::Text(offset, length));
    }
    Ok(())
}

/// The module at this location that workers, or extensions (`internal`), import. It is compiled when it is first imported.
///
/// # Errors
///
/// It cannot be read, or does not parse.
pub(super) fn find(
    scope: &mut v8::PinScope<'_, '_>,
    isolate: &Isolate,
    location: &str,
    internal: bool,
) -> Result<Option<Rc<Entry>>> {
    let (offset, length) = match isolate.modules.borrow_mut().extensions.of(internal).get(location) {
        None => return Ok(None),
        Some(Module::Compiled(entry)) => return Ok(Some(entry.clone())),
        Some(Module::Text(offset, length)) => (*offset, *length),
    };
    let text = isolate.modules.borrow().extensions.read(offset, length);
    let text = text.map_err(|error| Error::error(format!("The module \"{location}\" cannot be read: {error}")))?;
    let source = jsg::string(scope, &text);
    drop(text);
    let mark = mark(scope, isolate);
    let origin = origin_with(scope, location, true, Some(mark.into()));
    let mut source = v8::script_compiler::Source::new(source, Some(&origin));
    let module = v8::script_compiler::compile_module(scope, &mut source).ok_or(Error::Pending)?;
    let module = v8::Global::new(scope, module);
    let entry = Entry { location: location.to_owned(), module, kind: Kind::Es, owner: Owner::Extension };
    let entry = register(scope, isolate, entry);
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
