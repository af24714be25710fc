//! The startup snapshot: what an isolate is when its built-ins have run, made once when the program is built, and where every
//! process starts.
//!
//! A snapshot refers to native code by places in a list (`References`); so it fits every program with the same list, whatever
//! the addresses are, and no other. V8 does not look: with another list, what is loaded would call other functions. So a
//! fingerprint of the list, of V8 and of the scripts stands before the snapshot, and is compared at each start.
//!
//! An isolate of which a snapshot is made lacks some of V8's built-ins, which V8 adds to every context that it makes, also from
//! a snapshot. What scripts take of them they take at each start (`atStart`, see `js/README.md`); [`check`] finds what does not.

use std::hash::{Hash as _, Hasher};

use bulkhead_ipc::compatibility::CompatibilityFlags;
use jsg::Registry;

use super::{Surface, builtins, flags, modules, script};

/// A snapshot of this program.
pub struct Snapshot {
    /// The classes that it has templates of, by their places in the list: two bytes each.
    made: &'static [u8],
    blob: &'static [u8],
    references: Vec<v8::ExternalReference>,
    code_caches: &'static [u8],
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Snapshot")
    }
}

/// Why bytes are no snapshot of this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// There is not all of it.
    #[error("the startup snapshot is incomplete: build the program again")]
    Incomplete,
    /// What it was made of is not what this program has.
    #[error("the startup snapshot was made by another build: build the program again")]
    OtherBuild,
}

/// The bytes before the places of the classes: the fingerprint, and how many there are, eight bytes each. Zeros follow up to a
/// multiple of [`ALIGNMENT`], and then V8's part.
const HEAD: usize = 16;

/// V8's part is aligned so, if the whole is.
const ALIGNMENT: usize = 16;

/// The place among the data of the context at which the functions are that native code calls.
const FUNCTIONS: usize = 0;

impl Snapshot {
    /// Looks at the bytes that [`make`] gave, and takes those of [`make_code_caches`], which may be empty.
    ///
    /// # Errors
    ///
    /// They are of another build, or not all there.
    pub fn find(bytes: &'static [u8], code_caches: &'static [u8], surface: &Surface) -> Result<Self, SnapshotError> {
        let (fingerprint, rest) = bytes.split_first_chunk().ok_or(SnapshotError::Incomplete)?;
        let (count, rest) = rest.split_first_chunk().ok_or(SnapshotError::Incomplete)?;
        let references = References::of(surface);
        if u64::from_le_bytes(*fingerprint) != references.fingerprint {
            return Err(SnapshotError::OtherBuild);
        }
        let length = usize::try_from(u64::from_le_bytes(*count)).ok().and_then(|count| count.checked_mul(2));
        let (made, _) = length.and_then(|length| rest.split_at_checked(length)).ok_or(SnapshotError::Incomplete)?;
        let blob = bytes.get((HEAD + made.len()).next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        if blob.is_empty() {
            return Err(SnapshotError::Incomplete);
        }
        Ok(Snapshot { made, blob, references: references.list, code_caches })
    }

    /// The code of built-in modules.
    pub(super) fn code_caches(&self) -> &'static [u8] {
        self.code_caches
    }

    /// Has the isolate that is made with `params` start here.
    pub(super) fn load(&self, params: v8::CreateParams) -> v8::CreateParams {
        params.snapshot_blob(self.blob.into()).external_references(self.references.clone().into())
    }

    /// Takes what native code keeps of the built-ins, in the first context of an isolate that started here.
    pub(super) fn restore(&self, scope: &mut v8::PinScope<'_, '_>, surface: &Surface) {
        let made = self.made.as_chunks().0.iter().map(|place| usize::from(u16::from_le_bytes(*place)));
        Registry::restore(scope, surface.classes, made);
        let functions = scope.get_context_data_from_snapshot_once::<v8::Array>(FUNCTIONS);
        builtins::restore(scope, functions.expect("a snapshot has the functions of the built-ins"));
    }
}

/// What of the program the snapshot refers to.
struct References {
    /// With a null pointer at its end.
    list: Vec<v8::ExternalReference>,
    /// Of the list, of V8 and of the scripts.
    fingerprint: u64,
}

impl References {
    fn of(surface: &Surface) -> Self {
        let mut fingerprint = Fingerprint(0xcbf2_9ce4_8422_2325);
        v8::V8::get_version().hash(&mut fingerprint);
        builtins::HASH.hash(&mut fingerprint);
        let callbacks = jsg::references(surface.classes, &mut |name| name.hash(&mut fingerprint));
        let mut list: Vec<_> = callbacks.into_iter().map(|function| v8::ExternalReference { function }).collect();
        list.push(v8::ExternalReference { pointer: (&raw const builtins::SCRIPTS).cast_mut().cast() });
        list.extend((surface.references)());
        list.len().hash(&mut fingerprint);
        list.push(v8::ExternalReference { pointer: std::ptr::null_mut() });
        References { list, fingerprint: fingerprint.finish() }
    }
}

/// FNV-1a, which is the same in every process. It tells builds apart, and withstands nobody.
struct Fingerprint(u64);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The flags for V8 with which a snapshot is made, so that the same program gives the same bytes.
pub const FLAGS: &str = "--random-seed=1";

/// Makes a snapshot, for [`Snapshot::find`]. V8 is to be [initialized](super::platform::initialize) with [`FLAGS`] before, and
/// the process must have had no other isolate, for those of a process share a part of the heap that is in the snapshot too.
///
/// # Panics
///
/// If the built-ins fail, which is a defect of this program. If they refer to native code that is in no list, V8 ends the
/// process and says "Unknown external reference".
pub fn make(surface: &Surface) -> Vec<u8> {
    let References { list, fingerprint } = References::of(surface);
    let mut v8 = creator(list);
    let made = {
        v8::scope!(let scope, &mut v8);
        rehearse(scope, surface);
        let context = v8::Context::new(scope, v8::ContextOptions::default());
        let scope = &mut v8::ContextScope::new(scope, context);
        builtins::evaluate(scope, surface);
        scope.set_default_context(context);
        let functions = builtins::save(scope);
        let place = scope.add_context_data(context, functions);
        assert_eq!(place, FUNCTIONS, "the context has no other data");
        Registry::save(scope)
    };
    // The code of functions that have run stays, so that no process compiles it again.
    let blob = v8.create_blob(v8::FunctionCodeHandling::Keep).expect("V8 makes the snapshot");
    let mut bytes = fingerprint.to_le_bytes().to_vec();
    bytes.extend((made.len() as u64).to_le_bytes());
    for place in made {
        bytes.extend(u16::try_from(place).expect("there are fewer classes").to_le_bytes());
    }
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    bytes.extend_from_slice(&blob);
    bytes
}

/// An isolate of which a snapshot can be made.
fn creator(references: Vec<v8::ExternalReference>) -> v8::OwnedIsolate {
    let mut v8 = v8::Isolate::snapshot_creator(Some(references.into()), Some(super::params()));
    v8.set_microtasks_policy(v8::MicrotasksPolicy::Explicit);
    Registry::install(&mut v8);
    v8
}

/// Runs `source`, whose value is a function, and gives what that returns for `argument`.
///
/// # Panics
///
/// With what it throws.
fn run(scope: &mut v8::PinScope<'_, '_>, source: &str, argument: &str) -> String {
    v8::tc_scope!(let scope, scope);
    let source = jsg::string(scope, source);
    let function = v8::Script::compile(scope, source, None).and_then(|script| script.run(scope));
    let function = function.and_then(|function| v8::Local::<v8::Function>::try_from(function).ok());
    let argument = jsg::string(scope, argument);
    let receiver = v8::undefined(scope).into();
    let result = function.and_then(|function| function.call(scope, receiver, &[argument.into()]));
    scope.perform_microtask_checkpoint();
    match (result, scope.exception()) {
        (Some(result), None) => result.to_rust_string_lossy(scope),
        (_, exception) => {
            let stack = scope.stack_trace().or(exception).map(|value| value.to_rust_string_lossy(scope));
            panic!("{}", stack.unwrap_or_default())
        }
    }
}

/// Has the functions run that every worker runs when it starts and when it is bound, and those that most use, in a context of its
/// own: V8 compiles a text once for all contexts, so that the snapshot has their code, and nothing else is left of it.
fn rehearse(scope: &mut v8::PinScope<'_, '_, ()>, surface: &Surface) {
    let context = v8::Context::new(scope, v8::ContextOptions::default());
    let scope = &mut v8::ContextScope::new(scope, context);
    builtins::evaluate(scope, surface);
    script::call(scope, |script| &script.start, &[]).expect("the built-in scripts start");
    assert_eq!(run(scope, include_str!("../../js/warm_up.js"), ""), "undefined", "the script waits for nothing");
    // As on the oldest date, on which there is most to be done.
    flags::bind(scope, &CompatibilityFlags::of(&[]));
    builtins::save(scope);
}

/// Compiles the built-in modules in an isolate that starts from a snapshot: their code is of use to such isolates alone. In a process
/// of its own.
///
/// # Panics
///
/// If one of them cannot be compiled, which is a defect of this program.
pub fn make_code_caches(snapshot: &Snapshot) -> Vec<u8> {
    in_context(snapshot, modules::registry::make_code_caches)
}

/// Looks whether V8 takes the code of every built-in module that the snapshot came with. In a process of its own.
///
/// # Panics
///
/// If it does not.
pub fn check_code_caches(snapshot: &Snapshot) {
    in_context(snapshot, |scope| modules::registry::check_code_caches(scope, snapshot.code_caches));
}

fn in_context<R>(snapshot: &Snapshot, body: impl FnOnce(&mut v8::PinScope<'_, '_>) -> R) -> R {
    let mut v8 = v8::Isolate::new(snapshot.load(super::params()));
    v8::scope!(let scope, &mut v8);
    let context = v8::Context::new(scope, v8::ContextOptions::default());
    body(&mut v8::ContextScope::new(scope, context))
}

/// The paths of what is in a usual context, for [`check`]: `Error.isError`, one a line. In a process of its own.
pub fn properties() -> String {
    let mut v8 = v8::Isolate::new(super::params());
    v8::scope!(let scope, &mut v8);
    let context = v8::Context::new(scope, v8::ContextOptions::default());
    let scope = &mut v8::ContextScope::new(scope, context);
    run(scope, PATHS, "")
}

/// Evaluates the built-ins with traps in all places that are empty while a snapshot is made, where others have what
/// [`properties`] gave. In a process of its own.
///
/// # Panics
///
/// If a script looks there, other than in `atStart`: it would not find what every worker has, in the snapshot and so for ever.
pub fn check(surface: &Surface, properties: &str) {
    let mut v8 = creator(References::of(surface).list);
    {
        v8::scope!(let scope, &mut v8);
        let context = v8::Context::new(scope, v8::ContextOptions::default());
        let scope = &mut v8::ContextScope::new(scope, context);
        let count = run(scope, TRAPS, properties);
        assert!(count.parse::<u32>().is_ok_and(|count| count > 10), "{count} built-ins of V8 are missing");
        builtins::evaluate(scope, surface);
        Registry::save(scope);
        builtins::save(scope);
        scope.set_default_context(context);
    }
    // Such an isolate has no other end.
    v8.create_blob(v8::FunctionCodeHandling::Clear);
}

const PATHS: &str = "() => {
    const paths = [], seen = new Set([globalThis]);
    const walk = (object, path, depth) => {
        for (const key of Reflect.ownKeys(object)) {
            if (typeof key === 'symbol' || /[^\\w$]/.test(key)) continue;
            paths.push(path + key);
            const { value } = Reflect.getOwnPropertyDescriptor(object, key);
            if (Object(value) !== value || seen.has(value) || depth === 4) continue;
            seen.add(value);
            walk(value, path + key + '.', depth + 1);
        }
    };
    walk(globalThis, '', 0);
    return paths.join('\\n');
}";

const TRAPS: &str = "(paths) => {
    let count = 0;
    // For what is said of the one who looks.
    Error.stackTraceLimit = 10;
    for (const path of paths.split('\\n')) {
        const keys = path.split('.'), last = keys.pop();
        let object = globalThis;
        for (const key of keys) object = object && Reflect.getOwnPropertyDescriptor(object, key)?.value;
        if (object === undefined || Object.hasOwn(object, last)) continue;
        count++;
        const get = () => {
            throw new Error(`${path} is not there while the snapshot is made: scripts take it in atStart (js/README.md)`);
        };
        Object.defineProperty(object, last, { get, configurable: true });
    }
    return count;
}";
