//! What a text says, before names and types are looked up.

use std::rc::Rc;

use crate::config::diagnostics::Span;

/// One file.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) declarations: Vec<Declaration>,
}

#[derive(Debug)]
pub(super) struct Declaration {
    pub(super) name: Word,
    pub(super) kind: DeclarationKind,
}

#[derive(Debug)]
pub(super) enum DeclarationKind {
    /// `using name = target;`
    Using(Rc<Name>),
    /// `const name :type = value;`
    Constant { ty: Rc<TypeName>, value: Rc<Value> },
}

/// An identifier.
#[derive(Debug, Clone)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) span: Span,
}

/// A dotted name.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) root: Root,
    pub(super) words: Vec<Word>,
    pub(super) span: Span,
}

/// Where a name begins.
#[derive(Debug)]
pub(super) enum Root {
    /// `name`
    Relative,
    /// `.name`
    ThisFile,
    /// `import "path"`
    Import(String, Span),
}

/// `Name` or `List(Name)`.
#[derive(Debug)]
pub(super) struct TypeName {
    pub(super) name: Name,
    pub(super) arguments: Vec<TypeName>,
    pub(super) span: Span,
}

#[derive(Debug)]
pub(super) struct Value {
    pub(super) kind: ValueKind,
    pub(super) span: Span,
}

#[derive(Debug)]
pub(super) enum ValueKind {
    /// The magnitude, and whether a minus stands before it.
    Integer(u64, bool),
    Float(f64),
    Text(Vec<u8>),
    Data(Vec<u8>),
    Name(Name),
    /// The path, and where it stands.
    Embed(String, Span),
    List(Vec<Value>),
    /// `(name = value, …)`
    Struct(Vec<(Word, Value)>),
    /// Was wrong, and has been reported.
    Wrong,
}
