//! The module that a specifier means.

use std::rc::Rc;

use bulkhead_ipc::compatibility::Flag;

use super::{
    Entry, Owner, extensions, fallback, instance,
    naming::{Missing, Names, has_scheme},
    native, register,
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
    /// A module of the worker, by its location.
    Tenant(&'a str),
    /// One of an extension, by its location; nothing for native code.
    Extension(&'a str),
    /// One of the program.
    Builtin,
}

/// What is imported.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) specifier: &'a str,
    /// Whether by `require()`.
    pub(super) required: bool,
    /// The attribute `type` of the import, in the second registry.
    pub(super) kind: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    pub(super) fn import(specifier: &'a str) -> Self {
        Self { specifier, required: false, kind: None }
    }

    pub(super) fn require(specifier: &'a str) -> Self {
        Self { required: true, ..Self::import(specifier) }
    }
}

/// The module that is imported by `referrer`. A built-in one is compiled when it is first imported; for one that is not here, somebody
/// else is asked who has been named for that.
pub(super) fn find(
    scope: &mut v8::PinScope<'_, '_>,
    isolate: &Isolate,
    referrer: Referrer<'_>,
    wanted: Wanted<'_>,
) -> Result<Rc<Entry>, Missing> {
    let location = location_of(isolate, referrer, wanted.specifier)?;
    match (find_here(scope, isolate, referrer, location), referrer) {
        (Err(Missing::Unknown(location)), Referrer::Tenant(importer)) => {
            fallback::find(scope, isolate, importer, wanted, location)
        }
        (found, _) => found,
    }
}

/// What `specifier` comes to.
fn location_of(isolate: &Isolate, referrer: Referrer<'_>, specifier: &str) -> Result<String, Missing> {
    let names = Names::of(isolate);
    let location = match referrer {
        Referrer::Builtin => Some(specifier.to_owned()),
        // Relative to the root, and a scheme means nothing.
        Referrer::Extension(_) if names == Names::Paths => names.extension(specifier).ok(),
        Referrer::Extension(by) => names.resolve(by, specifier),
        Referrer::Tenant(by) => node_name(isolate, specifier).or_else(|| names.resolve(by, specifier)),
    };
    location.ok_or_else(|| Missing::Nowhere(specifier.to_owned()))
}

/// The module `node:…` that a specifier without a scheme means, whether there is one or not.
pub(super) fn node_name(isolate: &Isolate, specifier: &str) -> Option<String> {
    if !isolate.flags().is_on(NODE_NAMES) {
        return None;
    }
    match specifier {
        "sys" | "node:sys" if Names::of(isolate) == Names::Urls => Some("node:util".to_owned()),
        _ if BARE.split_ascii_whitespace().any(|name| name == specifier) => Some(format!("node:{specifier}")),
        _ => None,
    }
}

/// The module at a location, as far as there is one here that a module like `referrer` can import.
pub(super) fn find_here(
    scope: &mut v8::PinScope<'_, '_>,
    isolate: &Isolate,
    referrer: Referrer<'_>,
    location: String,
) -> Result<Rc<Entry>, Missing> {
    let names = Names::of(isolate);
    // What is not the worker's has no instances.
    let name = names.definition(&location).to_owned();
    let found = match referrer {
        Referrer::Builtin => return find_builtin(scope, isolate, name, Owner::Program),
        Referrer::Extension(_) => find_for_extension(scope, isolate, names, name),
        Referrer::Tenant(_) => {
            let modules = isolate.modules.borrow();
            if let Some(entry) = modules.instances.get(&location) {
                return Ok(entry.clone());
            }
            // As in the reference, a service-worker script can import nothing.
            if modules.instances.is_empty() && modules.definitions.is_empty() {
                return Err(Missing::Unknown(location));
            }
            let source = modules.definitions.get(&name).cloned();
            drop(modules);
            if let Some(source) = source {
                return instance(scope, isolate, &source, location).map_err(Missing::Failed);
            }
            match extensions::find(scope, isolate, &name, false).map_err(Missing::Failed)? {
                Some(entry) => Ok(entry),
                None => find_builtin(scope, isolate, name, Owner::Tenant),
            }
        }
    };
    found.map_err(|missing| if let Missing::Unknown(_) = missing { Missing::Unknown(location) } else { missing })
}

/// The module of this name that modules of extensions import: an internal one, of extensions or of the program. Among URLs those that
/// workers import come after these.
fn find_for_extension(
    scope: &mut v8::PinScope<'_, '_>,
    isolate: &Isolate,
    names: Names,
    name: String,
) -> Result<Rc<Entry>, Missing> {
    if let Some(entry) = extensions::find(scope, isolate, &name, true).map_err(Missing::Failed)? {
        return Ok(entry);
    }
    let found = find_builtin(scope, isolate, name, Owner::Extension);
    match found {
        Err(Missing::Unknown(name)) if names == Names::Urls => {
            match extensions::find(scope, isolate, &name, false).map_err(Missing::Failed)? {
                Some(entry) => Ok(entry),
                None => find_builtin(scope, isolate, name, Owner::Tenant),
            }
        }
        found => found,
    }
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
