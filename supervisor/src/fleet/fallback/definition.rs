//! What a server answers with: a module, as JSON.
//!
//! An object with the names of a module's fields in a configuration. Names that are not known mean nothing, of several contents the last
//! one counts, and without any it is an empty ES module: so does the reference. Bytes are a list of numbers.

use std::fmt;

use bulkhead_ipc::modules::MAX_MODULE;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Most names that a CommonJS module exports.
const MAX_EXPORTS: usize = 4096;

/// A module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// What the server calls it, where it says so.
    pub name: Option<String>,
    /// What it is.
    pub kind: Kind,
    /// Its text, in UTF-8, or its bytes; at most [`MAX_MODULE`].
    pub content: Vec<u8>,
    /// What a CommonJS module exports beside its default export.
    pub named_exports: Vec<String>,
}

/// The kinds of module that a server can answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An ECMAScript module.
    Es,
    /// A CommonJS module.
    CommonJs,
    /// A string.
    Text,
    /// An `ArrayBuffer`.
    Data,
    /// A `WebAssembly.Module`.
    Wasm,
    /// What a JSON text says.
    Json,
}

/// Why an answer is no module.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// It is no JSON, or does not say what it should.
    #[error("its answer is no module: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It is written in Python.
    #[error("its answer is a module in Python, and there are no workers in Python here")]
    Python,
    /// It is longer than [`MAX_MODULE`].
    #[error("its answer is a module that is longer than {MAX_MODULE} bytes")]
    TooLong,
}

impl Definition {
    /// Reads an answer.
    ///
    /// # Errors
    /// It is no module that a worker could have.
    pub fn read(json: &[u8]) -> Result<Self, DefinitionError> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let Fields { name, content, named_exports } = deserializer.deserialize_map(FieldsVisitor)?;
        deserializer.end()?;
        let (kind, content) = match content {
            None => (Kind::Es, Vec::new()),
            Some(Content::Python) => return Err(DefinitionError::Python),
            Some(Content::Of(kind, content)) => (kind, content),
        };
        if content.len() > MAX_MODULE {
            return Err(DefinitionError::TooLong);
        }
        let named_exports = if kind == Kind::CommonJs { named_exports } else { Vec::new() };
        Ok(Self { name, kind, content, named_exports })
    }
}

enum Content {
    Of(Kind, Vec<u8>),
    Python,
}

struct Fields {
    name: Option<String>,
    content: Option<Content>,
    named_exports: Vec<String>,
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields { name: None, content: None, named_exports: Vec::new() };
        let kinds = [
            ("esModule", Kind::Es),
            ("commonJsModule", Kind::CommonJs),
            ("text", Kind::Text),
            ("json", Kind::Json),
            ("data", Kind::Data),
            ("wasm", Kind::Wasm),
        ];
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "name" => fields.name = map.next_value::<Option<String>>()?,
                "pythonModule" => {
                    map.next_value::<IgnoredAny>()?;
                    fields.content = Some(Content::Python);
                }
                "namedExports" => {
                    let names = map.next_value::<Option<Exports>>()?.unwrap_or_default();
                    fields.named_exports = names.0;
                }
                key => match kinds.iter().find(|(name, _)| *name == key) {
                    Some((_, kind @ (Kind::Data | Kind::Wasm))) => {
                        let bytes = map.next_value::<Option<Numbers>>()?.unwrap_or_default();
                        fields.content = Some(Content::Of(*kind, bytes.0));
                    }
                    Some((_, kind)) => {
                        let text = map.next_value::<Option<String>>()?.unwrap_or_default();
                        fields.content = Some(Content::Of(*kind, text.into_bytes()));
                    }
                    None => drop(map.next_value::<IgnoredAny>()?),
                },
            }
        }
        Ok(fields)
    }
}

/// Bytes that are written as numbers.
#[derive(Default)]
struct Numbers(Vec<u8>);

impl<'de> serde::Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Numbers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of bytes")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Numbers, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = list.next_element()? {
                    bytes.push(byte);
                }
                Ok(Numbers(bytes))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// Names of exports, each once.
#[derive(Default)]
struct Exports(Vec<String>);

impl<'de> serde::Deserialize<'de> for Exports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Exports;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of names")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Exports, A::Error> {
                let (mut names, mut known) = (Vec::new(), std::collections::HashSet::new());
                while let Some(name) = list.next_element::<String>()? {
                    if names.len() == MAX_EXPORTS {
                        return Err(A::Error::custom(format!("there are more than {MAX_EXPORTS} names")));
                    }
                    if known.insert(name.clone()) {
                        names.push(name);
                    }
                }
                Ok(Exports(names))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<(Option<String>, Kind, Vec<u8>), String> {
        let read = Definition::read(json.as_bytes());
        read.map(|it| (it.name, it.kind, it.content)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_module_is_read_as_the_reference_does() {
        let of = |kind, content: &[u8]| Ok((None, kind, content.to_vec()));
        assert_eq!(read(r#"{"esModule":"export {}"}"#), of(Kind::Es, b"export {}"));
        assert_eq!(read(r#"{"commonJsModule":"x"}"#), of(Kind::CommonJs, b"x"));
        assert_eq!(read(r#"{"text":"\u00e9"}"#), of(Kind::Text, "é".as_bytes()));
        assert_eq!(read(r#"{"json":"{a"}"#), of(Kind::Json, b"{a"));
        assert_eq!(read(r#"{"data":[0,1,255]}"#), of(Kind::Data, &[0, 1, 255]));
        assert_eq!(read(r#"{"wasm":[]}"#), of(Kind::Wasm, b""));
        assert_eq!(read("{}"), of(Kind::Es, b""));
        assert_eq!(read(r#"{"esModule":null}"#), of(Kind::Es, b""));
        assert_eq!(read(r#"{"bogus":{"deep":[1,{"x":null}]}}"#), of(Kind::Es, b""));
        assert_eq!(read(r#"{"text":"a","json":"1"}"#), of(Kind::Json, b"1"));
        assert_eq!(read(r#" {"text":"x","name":"n"} "#), Ok((Some("n".into()), Kind::Text, b"x".to_vec())));
        let exports =
            Definition::read(br#"{"namedExports":["a","b","a"],"commonJsModule":""}"#).map(|it| it.named_exports);
        assert_eq!(exports.expect("a module"), ["a", "b"]);
    }

    #[test]
    fn what_is_no_module_is_refused() {
        for json in [
            "",
            "null",
            "[]",
            "5",
            "not json",
            r#"{"esModule":5}"#,
            r#"{"data":"aGk="}"#,
            r#"{"data":[256]}"#,
            r#"{"data":[-1]}"#,
            r#"{"data":[1.5]}"#,
            r#"{"name":5}"#,
            r#"{"text":"a"} x"#,
            r#"{"text":"a""#,
            r#"{"text":"\ud800"}"#,
            r#"{"namedExports":[1]}"#,
        ] {
            assert!(read(json).is_err_and(|error| error.starts_with("its answer is no module")), "{json}");
        }
        assert!(read(r#"{"pythonModule":"x"}"#).is_err_and(|error| error.contains("Python")));
        // The last content counts.
        assert!(read(r#"{"pythonModule":"x","text":"y"}"#).is_ok());
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        // What means nothing may be as deep as it likes: it is passed over without a stack.
        assert!(read(&deep).is_ok());
        let many = format!(
            "{{\"namedExports\":[{}\"x\"]}}",
            (0..MAX_EXPORTS).map(|n| format!("\"n{n}\",")).collect::<String>()
        );
        assert!(read(&many).is_err_and(|error| error.contains("more than 4096 names")));
    }
}
