//! What a module fallback server answers with.

use bulkhead_supervisor::fleet::fallback::{Definition, Kind};

/// An answer's body, as JSON. It is a module of bounded length whose text is UTF-8, or is refused with words.
pub fn module_definition(bytes: &[u8]) {
    match Definition::read(bytes) {
        Ok(definition) => {
            // A number takes at least two characters of a list, and a character of text at least one.
            assert!(definition.content.len() <= bytes.len());
            assert!(definition.named_exports.len() <= 4096);
            assert!(definition.named_exports.is_empty() || definition.kind == Kind::CommonJs);
            if !matches!(definition.kind, Kind::Data | Kind::Wasm) {
                assert!(std::str::from_utf8(&definition.content).is_ok());
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
