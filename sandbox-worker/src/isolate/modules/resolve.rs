//! What a specifier means: paths, and the module that has one.

use std::rc::Rc;

use jsg::Error;

use super::Entry;
use crate::isolate::Isolate;

/// Why there is no module for a specifier.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// No module has this path.
    Unknown(String),
    /// The specifier leads out of the root.
    Outside(String),
}

impl Missing {
    /// As an `import` declaration in the module `referrer`, and so a start-up error, says it.
    pub(super) fn imported(self, referrer: &str) -> Error {
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
    pub(super) fn dynamic(self) -> Error {
        match self {
            Missing::Unknown(path) => Error::error(format!("No such module \"{}\".", shown(&path))),
            Missing::Outside(specifier) => Error::error(format!("No such module \"{specifier}\"")),
        }
    }

    /// As `require()` says it.
    pub(super) fn required(self) -> Error {
        match self {
            Missing::Outside(specifier) => Error::type_error(format!("Invalid module specifier \"{specifier}\".")),
            unknown => unknown.dynamic(),
        }
    }
}

/// A path as messages show it: the root is a dot.
pub(super) fn shown(path: &str) -> &str {
    if path.is_empty() { "." } else { path }
}

/// The path that `specifier` means in the directory `directory`; `None` if that leads out of the root.
pub(super) fn join(directory: &str, specifier: &str) -> Option<String> {
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
pub(super) fn directory_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// Specifiers with one of these schemes are names as they stand, and relative to nothing.
fn has_scheme(specifier: &str) -> bool {
    ["cloudflare:", "node:", "workerd:"].iter().any(|scheme| specifier.starts_with(scheme))
}

/// The module that `specifier` means in the module with the path `referrer`.
pub(super) fn find(isolate: &Isolate, referrer: &str, specifier: &str) -> Result<Rc<Entry>, Missing> {
    let path = if has_scheme(specifier) {
        specifier.to_owned()
    } else {
        join(directory_of(referrer), specifier).ok_or_else(|| Missing::Outside(specifier.to_owned()))?
    };
    isolate.modules.borrow().by_path.get(&path).cloned().ok_or(Missing::Unknown(path))
}

pub(super) fn find_by_module(isolate: &Isolate, module: v8::Local<'_, v8::Module>) -> Option<Rc<Entry>> {
    let modules = isolate.modules.borrow();
    let candidates = modules.by_hash.get(&module.get_identity_hash().get())?;
    candidates.iter().find(|entry| entry.module == module).cloned()
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
