//! What a specifier means: paths, and the module that has one.

use std::rc::Rc;

use bulkhead_ipc::compatibility::Flag;
use jsg::Error;

use super::{
    Entry, Owner, extensions, fallback, native, register,
    registry::{self, Builtin},
};
use crate::isolate::Isolate;

const NODE_NAMES: Flag = Flag::named("nodejs_compat_v2");

/// The names that mean a module `node:…` where `node:` is left out, while the worker's flags ask for it, whether there is one or not.
const BARE: &str = "_http_agent _http_client _http_common _http_incoming _http_outgoing _http_server _stream_duplex \
    _stream_passthrough _stream_readable _stream_transform _stream_wrap _stream_writable _tls_common _tls_wrap assert assert/strict \
    async_hooks buffer child_process cluster console constants crypto dgram diagnostics_channel dns dns/promises domain events fs \
    fs/promises http http2 https inspector inspector/promises module net os path path/posix path/win32 perf_hooks process punycode \
    querystring readline readline/promises repl sqlite stream stream/consumers stream/promises stream/web string_decoder sys timers \
    timers/promises tls trace_events tty url util util/types v8 vm wasi worker_threads zlib";

/// Who imports.
#[derive(Clone, Copy)]
pub(super) enum Referrer<'a> {
    /// A module of the worker, by its path.
    Tenant(&'a str),
    /// One of an extension.
    Extension,
    /// One of the program.
    Builtin,
}

/// Why there is no module for a specifier.
#[derive(Debug)]
pub(super) enum Missing {
    /// No module has this path.
    Unknown(String),
    /// The specifier leads out of the root.
    Outside(String),
    /// The module could not be compiled.
    Failed(Error),
    /// The reference has a module of this name, and this program has none yet.
    NotYet(String),
}

/// What is said of a module that is not there yet.
fn not_yet(specifier: &str) -> String {
    format!("The module \"{specifier}\" is not implemented yet.")
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
            Missing::NotYet(specifier) => {
                Error::error(format!("{}\n  imported from \"{referrer}\"", not_yet(&specifier)))
            }
            Missing::Failed(error) => error,
        }
    }

    /// As `import()` says it.
    pub(super) fn dynamic(self) -> Error {
        match self {
            Missing::Unknown(path) => Error::error(format!("No such module \"{}\".", shown(&path))),
            Missing::Outside(specifier) => Error::error(format!("No such module \"{specifier}\"")),
            Missing::NotYet(specifier) => Error::error(not_yet(&specifier)),
            Missing::Failed(error) => error,
        }
    }

    /// As `require()` says it.
    pub(super) fn required(self) -> Error {
        match self {
            Missing::Outside(specifier) => Error::type_error(format!("Invalid module specifier \"{specifier}\".")),
            other => other.dynamic(),
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
pub(super) fn has_scheme(specifier: &str) -> bool {
    ["cloudflare:", "node:", "workerd:"].iter().any(|scheme| specifier.starts_with(scheme))
}

/// The module that `specifier` means to `referrer`, in an import or, if `required`, a `require()`. A built-in one is compiled when it is
/// first imported; for one that is not here, somebody else is asked who has been named for that.
pub(super) fn find(
    scope: &mut v8::PinScope<'_, '_>,
    isolate: &Isolate,
    referrer: Referrer<'_>,
    specifier: &str,
    required: bool,
) -> Result<Rc<Entry>, Missing> {
    let path = path_of(isolate, referrer, specifier)?;
    match (find_here(scope, isolate, referrer, path), referrer) {
        (Err(Missing::Unknown(path)), Referrer::Tenant(importer)) => {
            fallback::find(scope, isolate, (importer, specifier), path, required)
        }
        (found, _) => found,
    }
}

/// What `specifier` comes to.
fn path_of(isolate: &Isolate, referrer: Referrer<'_>, specifier: &str) -> Result<String, Missing> {
    Ok(match referrer {
        Referrer::Builtin => specifier.to_owned(),
        Referrer::Extension => join("", specifier).ok_or_else(|| Missing::Outside(specifier.to_owned()))?,
        Referrer::Tenant(_) if has_scheme(specifier) => specifier.to_owned(),
        Referrer::Tenant(_)
            if isolate.flags().is_on(NODE_NAMES) && BARE.split_ascii_whitespace().any(|name| name == specifier) =>
        {
            format!("node:{specifier}")
        }
        Referrer::Tenant(path) => {
            join(directory_of(path), specifier).ok_or_else(|| Missing::Outside(specifier.to_owned()))?
        }
    })
}

/// The module of a path, as far as there is one here that a module like `referrer` can import.
pub(super) fn find_here(
    scope: &mut v8::PinScope<'_, '_>,
    isolate: &Isolate,
    referrer: Referrer<'_>,
    path: String,
) -> Result<Rc<Entry>, Missing> {
    match referrer {
        Referrer::Builtin => return find_builtin(scope, isolate, path, Owner::Program),
        // Internal modules, of extensions and of the program.
        Referrer::Extension => {
            if let Some(entry) = extensions::find(scope, isolate, &path, true).map_err(Missing::Failed)? {
                return Ok(entry);
            }
            return find_builtin(scope, isolate, path, Owner::Extension);
        }
        Referrer::Tenant(_) => {}
    }
    let modules = isolate.modules.borrow();
    if let Some(entry) = modules.by_path.get(&path) {
        return Ok(entry.clone());
    }
    // As in the reference, a service-worker script can import nothing.
    if modules.by_path.is_empty() {
        return Err(Missing::Unknown(path));
    }
    drop(modules);
    if let Some(entry) = extensions::find(scope, isolate, &path, false).map_err(Missing::Failed)? {
        return Ok(entry);
    }
    find_builtin(scope, isolate, path, Owner::Tenant)
}

/// The built-in module that a name means in an import of the worker's, whatever the worker has for it; with or without `node:`, and
/// without regard to whether its flags allow that.
pub(super) fn find_for_tenant(
    scope: &mut v8::PinScope<'_, '_>,
    isolate: &Isolate,
    name: &str,
) -> Result<Option<Rc<Entry>>, Missing> {
    let specifier = if has_scheme(name) {
        name.to_owned()
    } else if BARE.split_ascii_whitespace().any(|bare| bare == name) {
        format!("node:{name}")
    } else {
        return Ok(None);
    };
    match find_builtin(scope, isolate, specifier, Owner::Tenant) {
        Err(Missing::Unknown(_)) => Ok(None),
        found => found.map(Some),
    }
}

/// The built-in module of this name, as far as a module of `by` can import it.
fn find_builtin(
    scope: &mut v8::PinScope<'_, '_>,
    isolate: &Isolate,
    specifier: String,
    by: Owner,
) -> Result<Rc<Entry>, Missing> {
    let builtin = Builtin::find(&specifier, isolate.flags(), by);
    if builtin.is_none() && !(by == Owner::Program && specifier.starts_with(native::SCHEME)) {
        let known = registry::is_known(&specifier, isolate.flags(), by);
        return Err(if known { Missing::NotYet(specifier) } else { Missing::Unknown(specifier) });
    }
    if let Some(entry) = isolate.modules.borrow().builtins.get(&specifier) {
        return Ok(entry.clone());
    }
    let entry = match builtin {
        Some(builtin) => builtin.compile(scope).map_err(Missing::Failed)?,
        None => match native::module(scope, isolate, &specifier) {
            Some(entry) => entry,
            None => return Err(Missing::Unknown(specifier)),
        },
    };
    let entry = register(scope, isolate, entry);
    isolate.modules.borrow_mut().builtins.insert(specifier, entry.clone());
    Ok(entry)
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
