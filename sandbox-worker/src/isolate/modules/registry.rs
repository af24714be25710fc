//! The modules that the program has: `cloudflare:…`, `node:…`, and those that only they can import, `internal:…` and `native:…`.
//!
//! A module is a file of `js/` whose path is its specifier: `js/node/async_hooks.js` is `node:async_hooks`; of what is there in part
//! there is a table instead, `js/stand_ins.txt`. The build script finds it, and a row of [`ROWS`] says who may import it. It is compiled when it is first imported: for a worker that imports none, all
//! that there is of them is bytes of the program that nobody reads.
//!
//! What a module needs of native code it imports as `native:…`, a name that no tenant's import reaches.

use bulkhead_ipc::compatibility::CompatibilityFlags;
use jsg::{Error, Result};

use v8::script_compiler::{CachedData, CompileOptions, NoCacheReason, Source, compile_module2};

use super::{Entry, Kind, Owner, code_cache, origin};
use crate::isolate::{Isolate, stack::OWN_SCRIPTS};

/// A module that tenants can import.
struct Row {
    specifier: &'static str,
    gate: Gate,
}

const fn row(specifier: &'static str) -> Row {
    Row { specifier, gate: Gate::Open }
}

impl Row {
    /// Only workers for which one of these flags is on can import it.
    const fn while_on(self, flags: &[&str]) -> Self {
        Row { gate: Gate::AnyOf(CompatibilityFlags::of(flags)), ..self }
    }

    /// Likewise, of those for which one of [`NODE`] is on too.
    const fn while_node_and(self, flags: &[&str]) -> Self {
        Row { gate: Gate::NodeAndAnyOf(CompatibilityFlags::of(flags)), ..self }
    }
}

/// Without one of these only few of the modules `node:…` are there.
const NODE: CompatibilityFlags = CompatibilityFlags::of(&["nodejs_compat", "nodejs_compat_v2"]);

/// The modules that tenants can import, in any order.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("cloudflare:sockets"),
    row("cloudflare:workers"),
    row("node:async_hooks").while_on(&["nodejs_als", "nodejs_compat", "nodejs_compat_v2"]),
    row("node:assert").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:assert/strict").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:process"),
    row("node:util").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:util/types").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:buffer").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:events").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:path").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:path/posix").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:path/win32").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:perf_hooks").while_node_and(&["enable_nodejs_perf_hooks_module"]),
    row("node:punycode").while_node_and(&["enable_nodejs_punycode_module"]),
    row("node:querystring").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:string_decoder").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:console").while_node_and(&["enable_nodejs_console_module"]),
    row("node:constants").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:diagnostics_channel").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:module").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:os").while_node_and(&["enable_nodejs_os_module"]),
    row("node:child_process").while_node_and(&["enable_nodejs_child_process_module"]),
    row("node:cluster").while_node_and(&["enable_nodejs_cluster_module"]),
    row("node:dgram").while_node_and(&["enable_nodejs_dgram_module"]),
    row("node:domain").while_node_and(&["enable_nodejs_domain_module"]),
    row("node:inspector").while_node_and(&["enable_nodejs_inspector_module"]),
    row("node:inspector/promises").while_node_and(&["enable_nodejs_inspector_module"]),
    row("node:readline").while_node_and(&["enable_nodejs_readline_module"]),
    row("node:readline/promises").while_node_and(&["enable_nodejs_readline_module"]),
    row("node:repl").while_node_and(&["enable_nodejs_repl_module"]),
    row("node:sqlite").while_node_and(&["enable_nodejs_sqlite_module"]),
    row("node:trace_events").while_node_and(&["enable_nodejs_trace_events_module"]),
    row("node:v8").while_node_and(&["enable_nodejs_v8_module"]),
    row("node:vm").while_node_and(&["enable_nodejs_vm_module"]),
    row("node:wasi").while_node_and(&["enable_nodejs_wasi_module"]),
    row("node:stream/web").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:sys").while_on(&["nodejs_compat_v2"]),
    row("node:test").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:timers").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:timers/promises").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:url").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:_stream_duplex").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:_stream_passthrough").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:_stream_readable").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:_stream_transform").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:_stream_writable").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:_tls_common").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:_tls_wrap").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:crypto").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:dns").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:dns/promises").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:fs/promises").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:net").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:stream").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:stream/consumers").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:stream/promises").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:tls").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:zlib").while_on(&["nodejs_compat", "nodejs_compat_v2"]),
    row("node:_http_agent").while_node_and(&["enable_nodejs_http_modules"]),
    row("node:_http_client").while_node_and(&["enable_nodejs_http_modules"]),
    row("node:_http_common").while_node_and(&["enable_nodejs_http_modules"]),
    row("node:_http_incoming").while_node_and(&["enable_nodejs_http_modules"]),
    row("node:_http_outgoing").while_node_and(&["enable_nodejs_http_modules"]),
    row("node:http").while_node_and(&["enable_nodejs_http_modules"]),
    row("node:https").while_node_and(&["enable_nodejs_http_modules"]),
    row("node:_http_server").while_node_and(&["enable_nodejs_http_server_modules"]),
    row("node:_stream_wrap").while_node_and(&["enable_nodejs_stream_wrap_module"]),
    row("node:fs").while_node_and(&["enable_nodejs_fs_module"]),
    row("node:http2").while_node_and(&["enable_nodejs_http2_module"]),
    row("node:tty").while_node_and(&["enable_nodejs_tty_module"]),
    row("node:worker_threads").while_node_and(&["enable_nodejs_worker_threads_module"]),
];

/// What the names of modules that extensions can import begin with.
const FOR_EXTENSIONS: &str = "node-internal:";

/// Modules of the reference that are not there yet, with the flags for one of which a worker could import them. To import one is
/// an error that says so.
#[rustfmt::skip]
const NOT_YET: &[(&[&str], CompatibilityFlags)] = &[
    (&["workerd:unsafe"], CompatibilityFlags::of(&["unsafe_module"])),
];

/// Likewise, for every worker.
const NOT_YET_OPEN: [&str; 7] = [
    "cloudflare:ai",
    "cloudflare:br",
    "cloudflare:email",
    "cloudflare:node",
    "cloudflare:pipelines",
    "cloudflare:vectorize",
    "cloudflare:workflows",
];

/// Whether a specifier that [`Builtin::find`] does not find means a module of the reference to a module of `by`.
pub(super) fn is_known(specifier: &str, flags: &CompatibilityFlags, by: Owner) -> bool {
    match by {
        Owner::Tenant if NOT_YET_OPEN.contains(&specifier) => true,
        Owner::Tenant => NOT_YET.iter().any(|(names, gate)| names.contains(&specifier) && flags.has_any(gate)),
        // What the reference has for its own modules is no secret to extensions.
        Owner::Extension => ["node-internal:", "cloudflare-internal:", "workerd-internal:"]
            .iter()
            .any(|scheme| specifier.starts_with(scheme)),
        Owner::Program => false,
    }
}

/// Who may import a module.
#[derive(Clone, Copy)]
enum Gate {
    Open,
    /// Workers for which one of these is on.
    AnyOf(CompatibilityFlags),
    /// Workers for which one of these is on, and one of [`NODE`].
    NodeAndAnyOf(CompatibilityFlags),
    /// Built-in modules alone.
    Internal,
    /// Those, and modules of extensions.
    Extensions,
}

/// Where a module is: ranges of [`NAMES`] and [`TEXTS`].
struct Place {
    name: (usize, usize),
    text: (usize, usize),
    /// Of the text.
    hash: u64,
}

// `COUNT`, `NAMES`, `TEXTS` and `PLACES`, sorted by name.
include!(concat!(env!("OUT_DIR"), "/modules.rs"));

/// By the index of [`PLACES`]. As that, it has no pointers, which every process would relocate when it starts.
static GATES: [Gate; COUNT] = gates();

/// The gates of all modules, with a row for each that is not internal, and a module for each row.
const fn gates() -> [Gate; COUNT] {
    let mut gates = [Gate::Internal; COUNT];
    let (mut index, mut found) = (0, 0);
    while index < COUNT {
        let name = between(NAMES.as_bytes(), PLACES[index].name);
        if begins_with(name, FOR_EXTENSIONS.as_bytes()) {
            gates[index] = Gate::Extensions;
        } else if !begins_with(name, b"internal:") {
            let mut row = 0;
            while ROWS[row].specifier.len() != name.len() || !begins_with(name, ROWS[row].specifier.as_bytes()) {
                row += 1;
                assert!(row < ROWS.len(), "a module of js/ has no row");
            }
            gates[index] = ROWS[row].gate;
            found += 1;
        }
        index += 1;
    }
    assert!(found == ROWS.len(), "a row has no module in js/");
    gates
}

const fn between(bytes: &[u8], (start, end): (usize, usize)) -> &[u8] {
    bytes.split_at(end).0.split_at(start).1
}

const fn begins_with(bytes: &[u8], start: &[u8]) -> bool {
    let mut index = 0;
    while index < start.len() {
        if index == bytes.len() || bytes[index] != start[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// The texts of all modules.
#[cfg(test)]
pub(crate) fn texts() -> &'static str {
    std::str::from_utf8(&TEXTS).expect("the modules are ASCII")
}

/// A built-in module, by its place in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Builtin(usize);

impl Builtin {
    /// The module that an import means, in a module of `by`.
    pub(super) fn find(specifier: &str, flags: &CompatibilityFlags, by: Owner) -> Option<Self> {
        let name = |place: &Place| &NAMES[place.name.0..place.name.1];
        let index = PLACES.binary_search_by(|place| name(place).cmp(specifier)).ok()?;
        let open = match (by, &GATES[index]) {
            (Owner::Program, _) | (Owner::Tenant, Gate::Open) | (Owner::Extension, Gate::Extensions) => true,
            (Owner::Tenant, Gate::AnyOf(of)) => flags.has_any(of),
            (Owner::Tenant, Gate::NodeAndAnyOf(of)) => flags.has_any(&NODE) && flags.has_any(of),
            (Owner::Tenant, Gate::Internal | Gate::Extensions) | (Owner::Extension, _) => false,
        };
        open.then_some(Builtin(index))
    }

    /// As its imports have it.
    pub(super) fn specifier(self) -> &'static str {
        let (start, end) = PLACES[self.0].name;
        &NAMES[start..end]
    }

    /// Compiles it.
    ///
    /// # Errors
    ///
    /// The heap or the stack is full, or script is interrupted.
    pub(super) fn compile(self, scope: &mut v8::PinScope<'_, '_>) -> Result<Entry> {
        let code = code_cache::find(Isolate::of(scope).code_caches, self.0, PLACES[self.0].hash);
        let (module, _) = self.compile_with(scope, code, CompileOptions::NoCompileOptions)?;
        let module = v8::Global::new(scope, module);
        Ok(Entry { location: self.specifier().to_owned(), module, kind: Kind::Es, owner: Owner::Program })
    }

    /// Compiles it from code that was compiled before, where there is any and V8 takes it, and else with `options`. Says whether V8
    /// took it.
    fn compile_with<'s>(
        self,
        scope: &mut v8::PinScope<'s, '_>,
        code: Option<&'static [u8]>,
        options: CompileOptions,
    ) -> Result<(v8::Local<'s, v8::Module>, bool)> {
        let origin = origin(scope, &format!("{OWN_SCRIPTS}{}", self.specifier()), true);
        // V8 keeps the text for as long as there are functions of it, and reads it where it is.
        let text = Box::leak(Box::new(v8::String::create_external_onebyte_const(between(&TEXTS, PLACES[self.0].text))));
        let text = v8::String::new_from_onebyte_const(scope, text).ok_or(Error::Pending)?;
        let (mut source, options) = match code {
            Some(code) => {
                let cached = CachedData::new(code);
                (Source::new_with_cached_data(text, Some(&origin), cached), CompileOptions::ConsumeCodeCache)
            }
            None => (Source::new(text, Some(&origin)), options),
        };
        let module = compile_module2(scope, &mut source, options, NoCacheReason::NoReason).ok_or(Error::Pending)?;
        let taken = source.get_cached_data().is_some_and(|cached| !cached.rejected());
        Ok((module, taken))
    }
}

/// Compiles all modules; gives their code, for [`code_cache::find`].
///
/// # Panics
///
/// If one cannot be compiled, which is a defect of this program.
pub(in crate::isolate) fn make_code_caches(scope: &mut v8::PinScope<'_, '_>) -> Vec<u8> {
    let code = PLACES.iter().enumerate().map(|(index, place)| {
        // With all of its functions: who imports a module calls some.
        let compiled = Builtin(index).compile_with(scope, None, CompileOptions::EagerCompile);
        let (module, _) = compiled.unwrap_or_else(|error| panic!("{}: {error:?}", Builtin(index).specifier()));
        let code = module.get_unbound_module_script(scope).create_code_cache().expect("V8 gives the code");
        (place.hash, code.to_vec())
    });
    code_cache::join(code.collect())
}

/// Panics unless V8 takes the code of every module.
pub(in crate::isolate) fn check_code_caches(scope: &mut v8::PinScope<'_, '_>, caches: &'static [u8]) {
    for (index, place) in PLACES.iter().enumerate() {
        let name = Builtin(index).specifier();
        let code = code_cache::find(caches, index, place.hash);
        assert!(code.is_some(), "{name} has no code");
        let taken = Builtin(index).compile_with(scope, code, CompileOptions::NoCompileOptions);
        assert!(taken.is_ok_and(|(_, taken)| taken), "V8 does not take the code of {name}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        isolate::{
            Isolate,
            modules::{Content, ModuleSource, evaluate_modules, resolve::Referrer, resolve::Wanted, resolve::find},
        },
        testing::with_isolate,
    };

    fn start(isolate: &Isolate, code: &str) -> Result<(), String> {
        isolate.enter(|scope| {
            let env = v8::Object::new(scope);
            let main = ModuleSource { name: "main".into(), content: Content::Es(code.into()) };
            evaluate_modules(scope, vec![main], env).map(drop).map_err(|error| error.message)
        })
    }

    #[test]
    fn every_module_runs_and_only_those_for_tenants_are_theirs() {
        // In the order of the table, or a search would not find them.
        let names: Vec<_> = (0..COUNT).map(|index| Builtin(index).specifier()).collect();
        assert!(names.is_sorted() && names.len() > ROWS.len(), "{names:?}");
        for name in names {
            with_isolate(async |isolate| {
                let refused = start(&isolate, &format!("import {name:?}"));
                if !name.starts_with("internal:") && !name.starts_with(FOR_EXTENSIONS) {
                    assert_eq!(refused, Ok(()), "{name}");
                    return;
                }
                assert!(refused.is_err_and(|message| message.contains("No such module")), "{name}");
                // A built-in module does find it.
                isolate.enter(|scope| {
                    assert!(find(scope, &isolate, Referrer::Builtin, Wanted::import(name)).is_ok(), "{name}")
                });
                // An extension's finds what is for it.
                let is_found =
                    isolate.enter(|scope| find(scope, &isolate, Referrer::Extension(""), Wanted::import(name)).is_ok());
                assert_eq!(is_found, name.starts_with(FOR_EXTENSIONS), "{name}");
            });
        }
    }

    #[test]
    fn what_is_not_imported_is_not_compiled() {
        with_isolate(async |isolate| {
            assert_eq!(start(&isolate, "export default {}"), Ok(()));
            assert_eq!(isolate.modules.borrow().builtins.len(), 0);
        });
        with_isolate(async |isolate| {
            let code =
                "import { AsyncLocalStorage } from 'node:async_hooks'; import * as again from 'node:async_hooks';
                if (again.AsyncLocalStorage !== AsyncLocalStorage) throw new Error('two modules');";
            assert_eq!(start(&isolate, code), Ok(()));
            let modules = isolate.modules.borrow();
            let mut names: Vec<_> = modules.builtins.keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, ["internal:async_context", "native:frame", "native:scripts", "node:async_hooks"]);
        });
    }

    /// Scripts cannot make a built-in module use what they have replaced.
    #[test]
    fn modules_use_what_was_there_before_tenants() {
        with_isolate(async |isolate| {
            let code = "const { defineProperty } = Object;
                for (const [object, names] of [[Reflect, Reflect.ownKeys(Reflect)], [Object, ['defineProperty', 'freeze']],
                    [Function.prototype, ['call', 'apply', 'bind']], [Array.prototype, [Symbol.iterator, 'slice', 'push']]])
                    for (const name of [...names]) if (typeof object[name] === 'function')
                        defineProperty(object, name, { value: () => { throw new Error(`called ${String(name)}`); } });
                defineProperty(Array.prototype, '0', { set() { throw new Error('set 0'); } });
                globalThis.Error = globalThis.Proxy = globalThis.Symbol = undefined;
                const { AsyncLocalStorage, AsyncResource } = await import('node:async_hooks');
                const { env, withEnv } = await import('cloudflare:workers');
                const storage = new AsyncLocalStorage();
                const seen = storage.run(1, (given) => [storage.getStore(), given, AsyncLocalStorage.snapshot()(() => storage.getStore()),
                    new AsyncResource('R').runInAsyncScope(() => storage.getStore()), withEnv({ A: 2 }, () => env.A)], 0);
                if (`${seen[0]}${seen[1]}${seen[2]}${seen[3]}${seen[4]}` !== '10112') throw seen;";
            assert_eq!(start(&isolate, code), Ok(()));
        });
    }
}
