//! Configurations written as Cap'n Proto text.
//!
//! The subset of the language that configurations need: `using`, `const`, `import`, `embed`, and values of every kind.
//! What the values may say comes from the schema's own description.

mod ast;
pub(crate) mod encode;
pub(crate) mod evaluate;
pub(crate) mod files;
mod lexer;
mod parser;
