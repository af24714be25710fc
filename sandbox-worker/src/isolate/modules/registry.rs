//! The modules that the program has: `cloudflare:…`, `node:…`, and those that only they can import, `internal:…` and `native:…`.
//!
//! A module is a file of `js/` whose path is its specifier: `js/node/async_hooks.js` is `node:async_hooks`. The build script finds
//! it, and a row of [`ROWS`] says who may import it. It is compiled when it is first imported: for a worker that imports none, all
//! that there is of them is bytes of the program that nobody reads.
//!
//! What a module needs of native code it imports as `native:…`, a name that no tenant's import reaches.

use bulkhead_ipc::compatibility::CompatibilityFlags;
use jsg::{Error, Result};

use super::{Entry, Kind, origin};
use crate::isolate::stack::OWN_SCRIPTS;

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
}

/// The modules that tenants can import, in any order.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("cloudflare:workers"),
    row("node:async_hooks").while_on(&["nodejs_als", "nodejs_compat", "nodejs_compat_v2"]),
];

/// Who may import a module.
#[derive(Clone, Copy)]
enum Gate {
    Open,
    /// Workers for which one of these is on.
    AnyOf(CompatibilityFlags),
    /// Built-in modules alone.
    Internal,
}

/// Where a module is: ranges of [`NAMES`] and [`TEXTS`].
struct Place {
    name: (usize, usize),
    text: (usize, usize),
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
        if !begins_with(name, b"internal:") {
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

/// A built-in module, by its place in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Builtin(usize);

impl Builtin {
    /// The module that an import means, in a tenant's module or, if `internal`, in a built-in one.
    pub(super) fn find(specifier: &str, flags: &CompatibilityFlags, internal: bool) -> Option<Self> {
        let name = |place: &Place| &NAMES[place.name.0..place.name.1];
        let index = PLACES.binary_search_by(|place| name(place).cmp(specifier)).ok()?;
        let open = match &GATES[index] {
            Gate::Open => true,
            Gate::AnyOf(of) => internal || flags.has_any(of),
            Gate::Internal => internal,
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
        let specifier = self.specifier();
        let origin = origin(scope, &format!("{OWN_SCRIPTS}{specifier}"), true);
        // V8 keeps the text for as long as there are functions of it, and reads it where it is.
        let text = Box::leak(Box::new(v8::String::create_external_onebyte_const(between(&TEXTS, PLACES[self.0].text))));
        let text = v8::String::new_from_onebyte_const(scope, text).ok_or(Error::Pending)?;
        let mut source = v8::script_compiler::Source::new(text, Some(&origin));
        let module = v8::script_compiler::compile_module(scope, &mut source).ok_or(Error::Pending)?;
        let module = v8::Global::new(scope, module);
        Ok(Entry { path: specifier.to_owned(), module, kind: Kind::Es, is_builtin: true })
    }
}
