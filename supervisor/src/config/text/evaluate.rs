//! Names to what they mean, and values to typed values, led by the schema.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    rc::Rc,
};

use capnp::{
    dynamic_value,
    introspect::{Type, TypeVariant},
    schema::{EnumSchema, Field, StructSchema},
    schema_capnp::field,
};
use zeroize::Zeroizing;

use super::{
    ast::{self, DeclarationKind, Name, Root, TypeName, ValueKind, Word},
    files::{Content, FileSystem, describe},
    parser,
};
use crate::config::{
    diagnostics::{Place, Reporter, Span, nearest},
    limits::{MAX_DEPTH, MAX_EMBED_BYTES, MAX_FILES, MAX_INDIRECTIONS, MAX_TEXT_BYTES, MAX_TOTAL_BYTES},
    schema::{CXX, Catalogue, Schema, built_in_paths, field_name, in_union, struct_name, type_name},
};

/// A value whose type is known to fit where it stands.
#[derive(Debug)]
pub(crate) struct Typed {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

/// What a value is. Constants and embedded files are shared, so that referring to one costs nothing here.
pub(crate) enum Kind {
    Scalar(dynamic_value::Reader<'static>),
    /// UTF-8.
    Text(Rc<Content>),
    Data(Rc<Content>),
    List(Vec<Typed>),
    Struct(Vec<(Field, Span, Typed)>),
    Shared(Rc<Typed>),
    /// Was wrong, and has been reported.
    Wrong,
    /// A struct of which some fields were wrong, and have been reported.
    Incomplete(Vec<(Field, Span, Typed)>),
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kind::Scalar(_) => "Scalar",
            Kind::Text(_) => "Text",
            Kind::Data(_) => "Data",
            Kind::List(_) => "List",
            Kind::Struct(_) => "Struct",
            Kind::Shared(_) => "Shared",
            Kind::Wrong => "Wrong",
            Kind::Incomplete(_) => "Incomplete",
        })
    }
}

struct Module {
    file: u32,
    directory: PathBuf,
    declarations: Rc<ast::File>,
    names: HashMap<String, usize>,
}

#[derive(Clone, Copy)]
enum Entity {
    Module(usize),
    Schema(Schema),
    Cxx,
    /// A type of a schema.
    Type(Schema, Type),
    /// A type of the language.
    Builtin(Type),
    /// `List`, which needs to be told of what.
    List,
    Constant(usize, usize),
}

enum Constant {
    /// Being evaluated; to need it now is to need it for itself.
    Open,
    Done(Type, Rc<Typed>),
    Wrong,
}

/// What was wrong has been reported.
pub(crate) struct Wrong;

type Evaluated<T> = Result<T, Wrong>;

const BUILTINS: [(&str, TypeVariant); 15] = [
    ("Void", TypeVariant::Void),
    ("Bool", TypeVariant::Bool),
    ("Int8", TypeVariant::Int8),
    ("Int16", TypeVariant::Int16),
    ("Int32", TypeVariant::Int32),
    ("Int64", TypeVariant::Int64),
    ("UInt8", TypeVariant::UInt8),
    ("UInt16", TypeVariant::UInt16),
    ("UInt32", TypeVariant::UInt32),
    ("UInt64", TypeVariant::UInt64),
    ("Float32", TypeVariant::Float32),
    ("Float64", TypeVariant::Float64),
    ("Text", TypeVariant::Text),
    ("Data", TypeVariant::Data),
    ("AnyPointer", TypeVariant::AnyPointer),
];

/// Reads files and evaluates their constants.
pub(crate) struct Evaluator<'a> {
    pub(crate) reporter: Reporter,
    files: &'a dyn FileSystem,
    import_paths: &'a [PathBuf],
    catalogue: Catalogue,
    modules: Vec<Module>,
    modules_by_path: HashMap<PathBuf, Option<usize>>,
    embeds: HashMap<PathBuf, Rc<Content>>,
    /// All files read, in order.
    pub(crate) read: Vec<PathBuf>,
    total_bytes: u64,
    values: usize,
    constants: HashMap<(usize, usize), Constant>,
    /// What each `using` means; `None` while that is being found out, or when it is wrong. Without this a few lines that
    /// use each other twice would take for ever.
    aliases: HashMap<(usize, usize), Option<Entity>>,
    depth: usize,
    /// Where a bare string stood for a struct: for whoever wants to see what that stands for.
    pub(crate) shorthands: Vec<(Span, &'static str)>,
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(files: &'a dyn FileSystem, import_paths: &'a [PathBuf]) -> capnp::Result<Self> {
        Ok(Self {
            reporter: Reporter::default(),
            files,
            import_paths,
            catalogue: Catalogue::new()?,
            modules: Vec::new(),
            modules_by_path: HashMap::new(),
            embeds: HashMap::new(),
            read: Vec::new(),
            total_bytes: 0,
            values: 0,
            constants: HashMap::new(),
            aliases: HashMap::new(),
            depth: 0,
            shorthands: Vec::new(),
        })
    }

    /// Reads a file that was named on the command line, if no other has led to it, and evaluates all its constants.
    /// Returns its index. `what` it is, such as `the configuration`, and `help` go into errors.
    pub(crate) fn load_main(&mut self, path: &Path, what: &str, help: &str) -> Evaluated<usize> {
        let identity = self.files.identity(path);
        let module = match self.modules_by_path.get(&identity) {
            Some(known) => *known,
            None => {
                let bytes = match self.files.read(path, MAX_TEXT_BYTES) {
                    Ok(bytes) => bytes,
                    Err(error) => {
                        let file = self.reporter.add_file(path.display().to_string(), None);
                        self.reporter.error(Place::File(file), cannot_read(what, &error, MAX_TEXT_BYTES));
                        return Err(Wrong);
                    }
                };
                let module = self.add_module(path, bytes, Some(help));
                self.modules_by_path.insert(identity, module);
                module
            }
        };
        let Some(module) = module else { return Err(Wrong) };
        for index in 0..self.modules[module].declarations.declarations.len() {
            let declarations = Rc::clone(&self.modules[module].declarations);
            let declaration = &declarations.declarations[index];
            match &declaration.kind {
                // Nothing may use it, and still it is wrong if it points nowhere.
                DeclarationKind::Using(_) => drop(self.find_member(Entity::Module(module), &declaration.name.text, 0)),
                DeclarationKind::Constant { .. } => drop(self.constant(module, index, declaration.name.span)),
            }
        }
        Ok(module)
    }

    /// The constants that a file declares and that have this type, by name.
    pub(crate) fn constants_of_type(&self, module: usize, ty: Type) -> Vec<(String, Rc<Typed>)> {
        let declarations = &self.modules[module].declarations.declarations;
        let mut found = Vec::new();
        for (index, declaration) in declarations.iter().enumerate() {
            if let Some(Constant::Done(actual, value)) = self.constants.get(&(module, index))
                && *actual == ty
                && self.modules[module].names.get(&declaration.name.text) == Some(&index)
            {
                found.push((declaration.name.text.clone(), Rc::clone(value)));
            }
        }
        found
    }

    /// The constant that a dotted name means, seen from a file.
    ///
    /// # Errors
    ///
    /// What to tell the user, when there is none or it has another type.
    pub(crate) fn constant_by_name(&mut self, module: usize, name: &str, ty: Type) -> Result<Rc<Typed>, String> {
        let span = Span { file: self.modules[module].file, start: 0, end: 0 };
        let words: Vec<Word> = name.split('.').map(|word| Word { text: word.to_owned(), span }).collect();
        let mut at = Entity::Module(module);
        for word in &words {
            at = self.find_member(at, &word.text, 0).ok_or_else(|| format!("there is no constant `{name}`"))?;
        }
        let Entity::Constant(owner, index) = at else { return Err(format!("`{name}` is not a constant")) };
        match self.constant(owner, index, span) {
            Ok((actual, value)) if actual == ty => Ok(value),
            Ok((actual, _)) => {
                Err(format!("the constant `{name}` is a {}, not a {}", type_name(actual), type_name(ty)))
            }
            Err(Wrong) => Err(format!("the constant `{name}` has errors")),
        }
    }

    /// The file's name and text for diagnostics.
    pub(crate) fn file_of(&self, module: usize) -> u32 {
        self.modules[module].file
    }

    fn add_module(&mut self, path: &Path, mut bytes: Content, help: Option<&str>) -> Option<usize> {
        self.total_bytes += bytes.len() as u64;
        self.read.push(path.to_owned());
        let name = path.display().to_string();
        let text = match String::from_utf8(std::mem::take(&mut *bytes)) {
            Ok(text) => Zeroizing::new(text),
            Err(error) => {
                let file = self.reporter.add_file(name, None);
                let offset = error.utf8_error().valid_up_to();
                let line = error.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count() + 1;
                let message = format!("this is not text: line {line} is not valid UTF-8");
                match help {
                    Some(help) => self.reporter.error_with_help(Place::File(file), message, help),
                    None => self.reporter.error(Place::File(file), message),
                }
                return None;
            }
        };
        let file = self.reporter.add_file(name, Some(text.clone()));
        let parsed = parser::parse(file, &text, &mut self.reporter, &mut self.values);
        let mut names: HashMap<String, usize> = HashMap::new();
        for (index, declaration) in parsed.declarations.iter().enumerate() {
            let name = &declaration.name;
            if names.insert(name.text.clone(), index).is_some() {
                self.reporter.error(Place::Span(name.span), format!("`{}` is declared twice", name.text));
            }
        }
        let directory = path.parent().map(Path::to_owned).unwrap_or_default();
        self.modules.push(Module { file, directory, declarations: Rc::new(parsed), names });
        Some(self.modules.len() - 1)
    }

    /// The paths to try for a path that is written in a file.
    fn candidates(&self, module: usize, path: &str) -> Vec<PathBuf> {
        match path.strip_prefix('/') {
            Some(rest) => self.import_paths.iter().map(|directory| directory.join(rest)).collect(),
            None => vec![self.modules[module].directory.join(path)],
        }
    }

    /// Reads the file that a path in another file means.
    fn read_file(
        &mut self,
        module: usize,
        path: &str,
        span: Span,
        what: &str,
        limit: u64,
    ) -> Evaluated<(PathBuf, Content)> {
        let place = Place::Span(span);
        if self.read.len() >= MAX_FILES {
            self.reporter.error(place, format!("the configuration reads more than {MAX_FILES} files"));
            return Err(Wrong);
        }
        let left = MAX_TOTAL_BYTES.saturating_sub(self.total_bytes);
        let mut failure = None;
        for candidate in self.candidates(module, path) {
            match self.files.read(&candidate, limit.min(left)) {
                Ok(bytes) => return Ok((candidate, bytes)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        let message = match failure {
            Some(error) if error.kind() == std::io::ErrorKind::FileTooLarge && left < limit => {
                format!("cannot read {what} \"{path}\": all files together have more than {MAX_TOTAL_BYTES} bytes")
            }
            Some(error) => cannot_read(&format!("{what} \"{path}\""), &error, limit),
            None => cannot_read(&format!("{what} \"{path}\""), &std::io::ErrorKind::NotFound.into(), limit),
        };
        let help = match (path.strip_prefix('/'), path) {
            (Some(_), _) if nearest(path, built_in_paths()).is_some() => {
                format!("did you mean \"{}\"?", nearest(path, built_in_paths()).unwrap_or_default())
            }
            (Some(_), _) if self.import_paths.is_empty() => {
                "a path that begins with / is looked up in the directories given with --import-path; there are none"
                    .into()
            }
            (Some(_), _) => "a path that begins with / is looked up in the directories given with --import-path".into(),
            (None, _) => "the path is relative to the file that names it".into(),
        };
        self.reporter.error_with_help(place, message, help);
        Err(Wrong)
    }

    fn import(&mut self, module: usize, path: &str, span: Span) -> Evaluated<Entity> {
        if let Some(schema) = Schema::ALL.into_iter().find(|schema| schema.path() == path) {
            return Ok(Entity::Schema(schema));
        }
        if path == CXX {
            return Ok(Entity::Cxx);
        }
        for candidate in self.candidates(module, path) {
            match self.modules_by_path.get(&self.files.identity(&candidate)) {
                Some(Some(known)) => return Ok(Entity::Module(*known)),
                Some(None) => return Err(Wrong),
                None => {}
            }
        }
        let (found, bytes) = self.read_file(module, path, span, "the import", MAX_TEXT_BYTES)?;
        let identity = self.files.identity(&found);
        let loaded = self.add_module(&found, bytes, None);
        self.modules_by_path.insert(identity, loaded);
        loaded.map(Entity::Module).ok_or(Wrong)
    }

    fn embed(&mut self, module: usize, path: &str, span: Span) -> Evaluated<Rc<Content>> {
        for candidate in self.candidates(module, path) {
            if let Some(known) = self.embeds.get(&candidate) {
                return Ok(Rc::clone(known));
            }
        }
        let (found, bytes) = self.read_file(module, path, span, "the embedded file", MAX_EMBED_BYTES)?;
        self.total_bytes += bytes.len() as u64;
        self.read.push(found.clone());
        let bytes = Rc::new(bytes);
        self.embeds.insert(found, Rc::clone(&bytes));
        Ok(bytes)
    }

    /// What a name means. Reports a name that means nothing.
    fn resolve(&mut self, module: usize, name: &Name, indirections: usize) -> Evaluated<Entity> {
        if indirections > MAX_INDIRECTIONS {
            self.reporter.error(
                Place::Span(name.span),
                format!("this name leads through more than {MAX_INDIRECTIONS} others, or back to itself"),
            );
            return Err(Wrong);
        }
        let mut words = name.words.iter();
        let mut at = match &name.root {
            Root::Import(path, span) => self.import(module, path, *span)?,
            Root::ThisFile => Entity::Module(module),
            Root::Relative => {
                let Some(first) = words.next() else { return Err(Wrong) };
                if self.modules[module].names.contains_key(&first.text) {
                    self.member(Entity::Module(module), first, indirections)?
                } else if first.text == "List" {
                    Entity::List
                } else if let Some((_, builtin)) = BUILTINS.iter().find(|(name, _)| *name == first.text) {
                    Entity::Builtin((*builtin).into())
                } else {
                    let message = format!("`{}` is not defined here", first.text);
                    let known = self.modules[module].names.keys().map(String::as_str);
                    match nearest(&first.text, known.chain(BUILTINS.iter().map(|(name, _)| *name)).chain(["List"])) {
                        Some(meant) => {
                            let help = format!("did you mean `{meant}`?");
                            self.reporter.error_with_help(Place::Span(first.span), message, help);
                        }
                        None => self.reporter.error(Place::Span(first.span), message),
                    }
                    return Err(Wrong);
                }
            }
        };
        for word in words {
            at = self.member(at, word, indirections)?;
        }
        Ok(at)
    }

    /// What a name means inside something; reports when it means nothing.
    fn member(&mut self, of: Entity, word: &Word, indirections: usize) -> Evaluated<Entity> {
        if let Some(found) = self.find_member(of, &word.text, indirections) {
            return Ok(found);
        }
        let (what, known): (String, Vec<String>) = match of {
            Entity::Module(module) => {
                if self.modules[module].names.contains_key(&word.text) {
                    // It is there; what it stands for is wrong, and has been reported.
                    return Err(Wrong);
                }
                let file = self.modules[module].file;
                let what = if file == word.span.file { "this file".to_owned() } else { "the imported file".to_owned() };
                (what, self.modules[module].names.keys().cloned().collect())
            }
            Entity::Schema(schema) => {
                (format!("\"{}\"", schema.path()), self.catalogue.members(schema, "").map(str::to_owned).collect())
            }
            Entity::Cxx => (format!("\"{CXX}\""), Vec::new()),
            Entity::Type(schema, ty) => {
                let prefix = format!("{}.", type_name(ty));
                (format!("`{}`", type_name(ty)), self.catalogue.members(schema, &prefix).map(str::to_owned).collect())
            }
            Entity::Builtin(ty) => (format!("`{}`", type_name(ty)), Vec::new()),
            Entity::List => ("`List`".to_owned(), Vec::new()),
            Entity::Constant(module, index) => {
                let name = &self.modules[module].declarations.declarations[index].name.text;
                (format!("the constant `{name}`"), Vec::new())
            }
        };
        let message = format!("{what} has no member `{}`", word.text);
        match nearest(&word.text, known.iter().map(String::as_str)) {
            Some(meant) => {
                let help = format!("did you mean `{meant}`?");
                self.reporter.error_with_help(Place::Span(word.span), message, help);
            }
            None => self.reporter.error(Place::Span(word.span), message),
        }
        Err(Wrong)
    }

    fn find_member(&mut self, of: Entity, word: &str, indirections: usize) -> Option<Entity> {
        match of {
            Entity::Module(module) => {
                let index = *self.modules[module].names.get(word)?;
                let declarations = Rc::clone(&self.modules[module].declarations);
                match &declarations.declarations[index].kind {
                    DeclarationKind::Using(target) => {
                        if let Some(known) = self.aliases.get(&(module, index)) {
                            if known.is_none() && !self.reporter.has_errors() {
                                let place = Place::Span(target.span);
                                self.reporter.error(place, format!("`{word}` stands for itself"));
                            }
                            return *known;
                        }
                        self.aliases.insert((module, index), None);
                        let meaning = self.resolve(module, target, indirections + 1).ok();
                        self.aliases.insert((module, index), meaning);
                        meaning
                    }
                    DeclarationKind::Constant { .. } => Some(Entity::Constant(module, index)),
                }
            }
            Entity::Schema(schema) => self.catalogue.find(schema, word).map(|ty| Entity::Type(schema, ty)),
            Entity::Type(schema, ty) => {
                let name = format!("{}.{word}", type_name(ty));
                self.catalogue.find(schema, &name).map(|ty| Entity::Type(schema, ty))
            }
            Entity::Builtin(_) | Entity::Cxx | Entity::List | Entity::Constant(..) => None,
        }
    }

    fn type_of(&mut self, module: usize, ty: &TypeName) -> Evaluated<Type> {
        let place = Place::Span(ty.span);
        match (self.resolve(module, &ty.name, 0)?, ty.arguments.as_slice()) {
            (Entity::Type(_, found) | Entity::Builtin(found), []) => match found.which() {
                TypeVariant::AnyPointer | TypeVariant::Capability => {
                    self.reporter.error(place, "a constant of this type cannot be written");
                    Err(Wrong)
                }
                _ => Ok(found),
            },
            (Entity::List, [element]) => Ok(Type::list_of(self.type_of(module, element)?)),
            (Entity::List, _) => {
                self.reporter.error(place, "a list has one type of elements: `List(Text)`");
                Err(Wrong)
            }
            (Entity::Type(..) | Entity::Builtin(_), _) => {
                self.reporter.error(place, "this type has no parameters");
                Err(Wrong)
            }
            (Entity::Constant(..), _) => {
                self.reporter.error(place, "this is a constant, not a type");
                Err(Wrong)
            }
            (of @ (Entity::Module(_) | Entity::Schema(_) | Entity::Cxx), _) => {
                let schema = if let Entity::Schema(schema) = of { schema } else { Schema::Workerd };
                self.reporter.error_with_help(
                    place,
                    "this is a file, not a type",
                    format!("name a type in it, as in `{}`", schema.example()),
                );
                Err(Wrong)
            }
        }
    }

    /// A constant's type and value.
    fn constant(&mut self, module: usize, index: usize, site: Span) -> Evaluated<(Type, Rc<Typed>)> {
        match self.constants.get(&(module, index)) {
            Some(Constant::Done(ty, value)) => return Ok((*ty, Rc::clone(value))),
            Some(Constant::Wrong) => return Err(Wrong),
            Some(Constant::Open) => {
                self.reporter.error(Place::Span(site), "this constant needs its own value");
                return Err(Wrong);
            }
            None => {}
        }
        let declarations = Rc::clone(&self.modules[module].declarations);
        let DeclarationKind::Constant { ty, value } = &declarations.declarations[index].kind else { return Err(Wrong) };
        self.constants.insert((module, index), Constant::Open);
        let result = self.type_of(module, ty).map(|ty| (ty, Rc::new(self.value(module, value, ty))));
        let state = match &result {
            Ok((ty, value)) => Constant::Done(*ty, Rc::clone(value)),
            Err(Wrong) => Constant::Wrong,
        };
        self.constants.insert((module, index), state);
        result
    }

    /// A value for a place of this type. A wrong one is reported.
    fn value(&mut self, module: usize, value: &ast::Value, ty: Type) -> Typed {
        self.depth += 1;
        let kind = if self.depth > MAX_DEPTH * 2 {
            self.reporter.error(Place::Span(value.span), format!("values are nested more than {MAX_DEPTH} deep"));
            Err(Wrong)
        } else {
            self.kind(module, value, ty)
        };
        self.depth -= 1;
        Typed { kind: kind.unwrap_or(Kind::Wrong), span: value.span }
    }

    fn kind(&mut self, module: usize, value: &ast::Value, ty: Type) -> Evaluated<Kind> {
        match (&value.kind, ty.which()) {
            (ValueKind::Wrong, _) => Err(Wrong),
            (ValueKind::Name(name), variant) => self.named_value(module, name, ty, variant),
            (ValueKind::Integer(magnitude, negative), variant) => {
                let number = i128::from(*magnitude) * if *negative { -1 } else { 1 };
                match integer(number, variant) {
                    Fit::Yes(scalar) => Ok(Kind::Scalar(scalar)),
                    Fit::OutOfRange(low, high) => {
                        let message = format!("{} holds integers from {low} to {high}", type_name(ty));
                        self.reporter.error(Place::Span(value.span), message);
                        Err(Wrong)
                    }
                    Fit::No => self.mismatch(value, ty, "a number"),
                }
            }
            (ValueKind::Float(number), TypeVariant::Float32) => {
                Ok(Kind::Scalar(dynamic_value::Reader::Float32(*number as f32)))
            }
            (ValueKind::Float(number), TypeVariant::Float64) => {
                Ok(Kind::Scalar(dynamic_value::Reader::Float64(*number)))
            }
            (ValueKind::Float(_), _) => self.mismatch(value, ty, "a number with a fraction or an exponent"),
            (ValueKind::Text(bytes), TypeVariant::Text) => self.utf8(literal(bytes), value.span, None),
            (ValueKind::Text(bytes), TypeVariant::Data) => Ok(Kind::Data(literal(bytes))),
            (ValueKind::Text(bytes), TypeVariant::Struct(raw)) => {
                let schema = StructSchema::new(raw);
                let Some(first) = text_shorthand(&schema) else { return self.mismatch(value, ty, "a text") };
                let kind = self.utf8(literal(bytes), value.span, None)?;
                self.shorthands.push((value.span, field_name(first)));
                Ok(Kind::Struct(vec![(first, value.span, Typed { kind, span: value.span })]))
            }
            (ValueKind::Text(_), _) => self.mismatch(value, ty, "a text"),
            (ValueKind::Data(bytes), TypeVariant::Data) => Ok(Kind::Data(literal(bytes))),
            (ValueKind::Data(_), _) => self.mismatch(value, ty, "bytes"),
            (ValueKind::Embed(path, span), TypeVariant::Text) => {
                let bytes = self.embed(module, path, *span)?;
                self.utf8(bytes, *span, Some(path))
            }
            (ValueKind::Embed(path, span), TypeVariant::Data) => Ok(Kind::Data(self.embed(module, path, *span)?)),
            (ValueKind::Embed(..), _) => self.mismatch(value, ty, "an embedded file, which can be Text or Data"),
            (ValueKind::List(items), TypeVariant::List(element)) => {
                Ok(Kind::List(items.iter().map(|item| self.value(module, item, element)).collect()))
            }
            (ValueKind::List(_), _) => self.mismatch(value, ty, "a list"),
            (ValueKind::Struct(fields), TypeVariant::Struct(raw)) => {
                Ok(self.structure(module, fields, StructSchema::new(raw)))
            }
            (ValueKind::Struct(_), _) => self.mismatch(value, ty, "a struct"),
        }
    }

    fn mismatch<T>(&mut self, value: &ast::Value, ty: Type, found: &str) -> Evaluated<T> {
        let expected = match ty.which() {
            TypeVariant::Struct(raw) => {
                format!("a struct {}, as in `(name = value)`", struct_name(&StructSchema::new(raw)))
            }
            TypeVariant::List(element) => format!("a list of {}, as in `[a, b]`", type_name(element)),
            TypeVariant::Bool => "`true` or `false`".to_owned(),
            TypeVariant::Void => "`void`".to_owned(),
            TypeVariant::Text => "a text between double quotes, or `embed`".to_owned(),
            TypeVariant::Data => "bytes: 0x\"…\", a text, or `embed`".to_owned(),
            TypeVariant::Enum(raw) => format!("one of {}", enumerants(raw.into())),
            TypeVariant::AnyPointer | TypeVariant::Capability => "nothing: this field cannot be written".to_owned(),
            TypeVariant::Float32 | TypeVariant::Float64 => "a number".to_owned(),
            _ => "an integer".to_owned(),
        };
        self.reporter.error(Place::Span(value.span), format!("expected {expected}, found {found}"));
        Err(Wrong)
    }

    fn utf8(&mut self, bytes: Rc<Content>, span: Span, file: Option<&str>) -> Evaluated<Kind> {
        if let Err(error) = std::str::from_utf8(&bytes) {
            let message = match file {
                Some(path) => format!(
                    "\"{path}\" is embedded as text, and is not valid UTF-8 from byte {} on",
                    error.valid_up_to()
                ),
                None => "this text is not valid UTF-8".to_owned(),
            };
            self.reporter.error(Place::Span(span), message);
            return Err(Wrong);
        }
        Ok(Kind::Text(bytes))
    }

    fn named_value(&mut self, module: usize, name: &Name, ty: Type, variant: TypeVariant) -> Evaluated<Kind> {
        let place = Place::Span(name.span);
        if let (Root::Relative, [word]) = (&name.root, name.words.as_slice()) {
            use dynamic_value::Reader;
            let scalar = match (variant, word.text.as_str()) {
                (TypeVariant::Void, "void") => Some(Reader::Void),
                (TypeVariant::Bool, "true") => Some(Reader::Bool(true)),
                (TypeVariant::Bool, "false") => Some(Reader::Bool(false)),
                (TypeVariant::Float32, "inf") => Some(Reader::Float32(f32::INFINITY)),
                (TypeVariant::Float32, "nan") => Some(Reader::Float32(f32::NAN)),
                (TypeVariant::Float64, "inf") => Some(Reader::Float64(f64::INFINITY)),
                (TypeVariant::Float64, "nan") => Some(Reader::Float64(f64::NAN)),
                (TypeVariant::Enum(raw), name) => enumerant(raw.into(), name).map(Reader::Enum),
                _ => None,
            };
            if let Some(scalar) = scalar {
                return Ok(Kind::Scalar(scalar));
            }
            if self.modules[module].names.contains_key(&word.text) {
                self.reporter.error_with_help(
                    place,
                    "a constant of this file needs a dot before its name",
                    format!("write `.{}`", word.text),
                );
                return Err(Wrong);
            }
            let value = ast::Value { kind: ValueKind::Wrong, span: word.span };
            if let TypeVariant::Enum(raw) = variant {
                let schema = EnumSchema::new(raw);
                let message = format!("`{}` is no {}", word.text, type_name(ty));
                let names = enumerant_names(schema);
                let help = match nearest(&word.text, names.iter().copied()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("there are {}", enumerants(schema)),
                };
                self.reporter.error_with_help(place, message, help);
                return Err(Wrong);
            }
            return self.mismatch(&value, ty, &format!("`{}`", word.text));
        }
        let Entity::Constant(owner, index) = self.resolve(module, name, 0)? else {
            self.reporter.error(place, "this is not a constant");
            return Err(Wrong);
        };
        let (actual, value) = self.constant(owner, index, name.span)?;
        if actual == ty {
            return Ok(Kind::Shared(value));
        }
        if let Some(Fit::Yes(scalar)) = as_integer(&value).map(|number| integer(number, variant)) {
            return Ok(Kind::Scalar(scalar));
        }
        self.reporter.error(place, format!("expected {}, and this constant is {}", type_name(ty), type_name(actual)));
        Err(Wrong)
    }

    fn structure(&mut self, module: usize, fields: &[(Word, ast::Value)], schema: StructSchema) -> Kind {
        let mut typed = Vec::new();
        let mut incomplete = false;
        let mut seen = HashSet::new();
        let mut alternative: Option<Field> = None;
        for (name, value) in fields {
            let place = Place::Span(name.span);
            let Ok(Some(field)) = schema.find_field_by_name(&name.text) else {
                incomplete = true;
                let known: Vec<&str> =
                    schema.get_fields().map(|fields| fields.iter().map(field_name).collect()).unwrap_or_default();
                let message = format!("{} has no field `{}`", struct_name(&schema), name.text);
                match nearest(&name.text, known) {
                    Some(meant) => {
                        self.reporter.error_with_help(place, message, format!("did you mean `{meant}`?"));
                    }
                    None => self.reporter.error(place, message),
                }
                continue;
            };
            if !seen.insert(field.get_index()) {
                self.reporter.error(place, format!("`{}` is set twice", name.text));
                continue;
            }
            if in_union(field) {
                if let Some(other) = alternative {
                    self.reporter
                        .error(place, format!("`{}` and `{}` exclude each other", field_name(other), name.text));
                    continue;
                }
                alternative = Some(field);
            }
            let ty = field.get_type();
            let is_group = matches!(field.get_proto().which(), Ok(field::Group(_)));
            let result = match &value.kind {
                ValueKind::Struct(_) | ValueKind::Wrong => self.value(module, value, ty),
                _ if is_group => {
                    let message = format!("`{}` is a group: write `{0} = (name = value)`", name.text);
                    self.reporter.error(Place::Span(value.span), message);
                    Typed { kind: Kind::Wrong, span: value.span }
                }
                _ => self.value(module, value, ty),
            };
            incomplete |= matches!(result.kind, Kind::Wrong);
            typed.push((field, name.span, result));
        }
        if incomplete { Kind::Incomplete(typed) } else { Kind::Struct(typed) }
    }
}

/// A text or bytes that stand in the configuration itself.
fn literal(bytes: &[u8]) -> Rc<Content> {
    Rc::new(Zeroizing::new(bytes.to_vec()))
}

fn cannot_read(what: &str, error: &std::io::Error, limit: u64) -> String {
    match error.kind() {
        std::io::ErrorKind::FileTooLarge => format!("cannot read {what}: it has more than {limit} bytes"),
        _ => format!("cannot read {what}: {}", describe(error)),
    }
}

/// The field that a bare string sets.
fn text_shorthand(schema: &StructSchema) -> Option<Field> {
    let fields = schema.get_fields().ok()?;
    let first = (!fields.is_empty()).then(|| fields.get(0))?;
    (matches!(first.get_type().which(), TypeVariant::Text) && !in_union(first)).then_some(first)
}

fn enumerant_names(schema: EnumSchema) -> Vec<&'static str> {
    let Ok(list) = schema.get_enumerants() else { return Vec::new() };
    list.iter().filter_map(|one| one.get_proto().get_name().ok()?.to_str().ok()).collect()
}

fn enumerants(schema: EnumSchema) -> String {
    enumerant_names(schema).iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn enumerant(schema: EnumSchema, name: &str) -> Option<dynamic_value::Enum> {
    let index = enumerant_names(schema).iter().position(|known| *known == name)?;
    Some(dynamic_value::Enum::new(index as u16, schema))
}

enum Fit {
    Yes(dynamic_value::Reader<'static>),
    OutOfRange(i128, i128),
    No,
}

fn integer(number: i128, variant: TypeVariant) -> Fit {
    use dynamic_value::Reader;
    macro_rules! fit {
        ($ty:ty, $reader:ident) => {
            match <$ty>::try_from(number) {
                Ok(value) => Fit::Yes(Reader::$reader(value)),
                Err(_) => Fit::OutOfRange(<$ty>::MIN as i128, <$ty>::MAX as i128),
            }
        };
    }
    match variant {
        TypeVariant::Int8 => fit!(i8, Int8),
        TypeVariant::Int16 => fit!(i16, Int16),
        TypeVariant::Int32 => fit!(i32, Int32),
        TypeVariant::Int64 => fit!(i64, Int64),
        TypeVariant::UInt8 => fit!(u8, UInt8),
        TypeVariant::UInt16 => fit!(u16, UInt16),
        TypeVariant::UInt32 => fit!(u32, UInt32),
        TypeVariant::UInt64 => fit!(u64, UInt64),
        TypeVariant::Float32 => Fit::Yes(Reader::Float32(number as f32)),
        TypeVariant::Float64 => Fit::Yes(Reader::Float64(number as f64)),
        _ => Fit::No,
    }
}

fn as_integer(value: &Typed) -> Option<i128> {
    use dynamic_value::Reader;
    match &value.kind {
        Kind::Shared(inner) => as_integer(inner),
        Kind::Scalar(scalar) => match *scalar {
            Reader::Int8(number) => Some(number.into()),
            Reader::Int16(number) => Some(number.into()),
            Reader::Int32(number) => Some(number.into()),
            Reader::Int64(number) => Some(number.into()),
            Reader::UInt8(number) => Some(number.into()),
            Reader::UInt16(number) => Some(number.into()),
            Reader::UInt32(number) => Some(number.into()),
            Reader::UInt64(number) => Some(number.into()),
            _ => None,
        },
        _ => None,
    }
}
