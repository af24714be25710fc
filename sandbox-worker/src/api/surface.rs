//! The surface: everything that scripts find in the global scope, one row a thing. Made of the table: what is exposed and where,
//! what is taken away from a worker whose flags do not have it, what `structuredClone` does with an object of a class, what the
//! test of the globals expects beside the reference, and a section of `docs/compatibility.md`: after a change run
//! `BULKHEAD_REFRESH=1 cargo test --workspace --lib globals_document` and review the diff.
//!
//! The order of the rows is the one in which properties are made, which scripts see when they enumerate.

use bulkhead_ipc::compatibility::{CompatibilityFlags, Flag};
use jsg::{Class as _, ClassInfo, Describe};

use super::{
    base64::Base64Functions,
    crypto::{Crypto, SubtleCrypto},
    encoding::{TextDecoder, TextEncoder},
    fetch::{
        body::Body,
        cache::{Cache, CacheStorage},
        global::Global,
        headers::{self, Headers},
        request::Request,
        response::Response,
    },
    performance::Performance,
    structured_clone::{self, Brands, CloneFunctions, Cloned},
    timers::Timers,
    url::{Url, UrlSearchParams},
};
use crate::isolate::{Isolate, modules::builtin_object, script};

type Object<'s> = v8::Local<'s, v8::Object>;
type Make = for<'s> fn(&mut v8::PinScope<'s, '_>) -> jsg::Result<Object<'s>>;

/// What a thing is, and who makes it.
#[derive(Clone, Copy)]
enum What {
    /// A class in Rust.
    Class(Describe),
    /// A static method of a class in Rust that is not itself visible.
    Function(Describe),
    /// An object that is made when a script first looks at it.
    Instance(Make),
    /// A class that the built-in scripts list under its name.
    ScriptClass,
    /// Anything else that they list.
    Script,
    /// Of V8's, and here because a flag takes it away.
    Engine,
    /// The reference has it, and we do not.
    Missing,
}
use What::{Class, Engine, Function, Instance, Missing, Script, ScriptClass};

/// Where a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// On the prototype of the global object, as most.
    Prototype,
    /// A property of the global object itself.
    Global,
    /// On `WorkerGlobalScope.prototype`.
    WorkerScope,
    /// On `EventTarget.prototype`, where the class has put it.
    Inherited,
}
use At::{Global as Own, Inherited, Prototype, WorkerScope};

/// How a property can be used. All are configurable.
#[derive(Debug, Clone, Copy)]
enum Usable {
    /// Writable and, unlike on the web platform, enumerable.
    Fully,
    NotEnumerable,
    ReadOnly,
}

impl Usable {
    fn attributes(self) -> v8::PropertyAttribute {
        match self {
            Usable::Fully => v8::PropertyAttribute::NONE,
            Usable::NotEnumerable => v8::PropertyAttribute::DONT_ENUM,
            Usable::ReadOnly => v8::PropertyAttribute::READ_ONLY,
        }
    }
}

/// A thing in the global scope.
struct Row {
    name: &'static str,
    what: What,
    at: At,
    usable: Usable,
    /// It is there only while this is on.
    flag: Option<Flag>,
    cloned: Cloned,
}

const fn row(name: &'static str, what: What, at: At) -> Row {
    Row { name, what, at, usable: Usable::Fully, flag: None, cloned: Cloned::Not }
}

impl Row {
    const fn usable(self, usable: Usable) -> Self {
        Row { usable, ..self }
    }

    const fn while_on(self, flag: &str) -> Self {
        Row { flag: Some(Flag::named(flag)), ..self }
    }

    const fn cloned(self, cloned: Cloned) -> Self {
        Row { cloned, ..self }
    }
}

/// The module of the classes of the Performance Timeline.
const PERFORMANCE: &str = "node-internal:internal_performance";

/// With the Performance Timeline or without it.
fn performance<'s>(scope: &mut v8::PinScope<'s, '_>) -> jsg::Result<Object<'s>> {
    const CLASSES: Flag = Flag::named("enable_global_performance_classes");
    if Isolate::of(scope).flags().is_on(CLASSES) {
        builtin_object(scope, PERFORMANCE, "performance")
    } else {
        jsg::instantiate(scope, Performance)
    }
}

/// The module of what is in the global scope of the timers of Node.js.
const TIMERS: &str = "node-internal:internal_timers";

#[rustfmt::skip]
static TABLE: &[Row] = &[
    row("setTimeout", Function(Timers::info), Prototype),
    row("clearTimeout", Function(Timers::info), Prototype),
    row("setInterval", Function(Timers::info), Prototype),
    row("clearInterval", Function(Timers::info), Prototype),
    row("URL", Class(Url::info), Prototype),
    row("URLSearchParams", Class(UrlSearchParams::info), Prototype),
    row("TextEncoder", Class(TextEncoder::info), Prototype),
    row("TextDecoder", Class(TextDecoder::info), Prototype),
    row("atob", Function(Base64Functions::info), Prototype),
    row("btoa", Function(Base64Functions::info), Prototype),
    row("Crypto", Class(Crypto::info), Prototype),
    row("SubtleCrypto", Class(SubtleCrypto::info), Prototype),
    row("crypto", Instance(|scope| jsg::instantiate(scope, Crypto::default())), Own),
    row("structuredClone", Function(CloneFunctions::info), Prototype),
    row("performance", Instance(performance), Own),
    row("Headers", Class(Headers::info), Prototype)
        .cloned(Cloned::Copied(|scope, object| jsg::unwrap::<Headers>(scope, object).map(|it| it.copy(scope)))),
    row("Body", Class(Body::info), Prototype),
    row("Request", Class(Request::info), Prototype)
        .cloned(Cloned::Copied(|scope, object| jsg::unwrap::<Request>(scope, object).map(|it| it.copy(scope)))),
    row("Response", Class(Response::info), Prototype)
        .cloned(Cloned::Copied(|scope, object| jsg::unwrap::<Response>(scope, object).map(|it| it.copy(scope)))),
    row("fetch", Function(Global::info), Prototype),
    row("Cache", Class(Cache::info), Prototype),
    row("CacheStorage", Class(CacheStorage::info), Prototype),
    row("caches", Instance(CacheStorage::make), Own),
    row("DOMException", ScriptClass, Prototype).cloned(Cloned::Exception),
    row("EventTarget", ScriptClass, WorkerScope),
    row("Event", ScriptClass, Prototype),
    row("CustomEvent", ScriptClass, Prototype),
    row("ExtendableEvent", ScriptClass, Prototype),
    row("FetchEvent", ScriptClass, Prototype),
    row("ScheduledEvent", ScriptClass, Prototype),
    row("PromiseRejectionEvent", ScriptClass, Prototype),
    row("MessageEvent", ScriptClass, Prototype),
    row("CloseEvent", ScriptClass, Prototype),
    row("ErrorEvent", ScriptClass, Prototype),
    row("EventSource", ScriptClass, Prototype),
    row("WebSocket", ScriptClass, Prototype),
    row("WebSocketPair", ScriptClass, Prototype),
    row("WebSocketRequestResponsePair", ScriptClass, Prototype),
    row("AbortController", ScriptClass, Prototype),
    row("AbortSignal", ScriptClass, Prototype).cloned(Cloned::Refused(structured_clone::no_signals)),
    row("ReadableStream", ScriptClass, Prototype).cloned(Cloned::Refused(structured_clone::no_bodies)),
    row("ReadableStreamDefaultReader", ScriptClass, Prototype),
    row("ReadableStreamBYOBReader", ScriptClass, Prototype),
    row("ReadableStreamBYOBRequest", ScriptClass, Prototype).while_on("streams_enable_constructors"),
    row("ReadableStreamDefaultController", ScriptClass, Prototype).while_on("streams_enable_constructors"),
    row("ReadableByteStreamController", ScriptClass, Prototype).while_on("streams_enable_constructors"),
    row("WritableStream", ScriptClass, Prototype).cloned(Cloned::Refused(structured_clone::no_sinks)),
    row("WritableStreamDefaultWriter", ScriptClass, Prototype),
    row("WritableStreamDefaultController", ScriptClass, Prototype).while_on("streams_enable_constructors"),
    row("TransformStream", ScriptClass, Prototype),
    row("TransformStreamDefaultController", ScriptClass, Prototype).while_on("streams_enable_constructors"),
    row("IdentityTransformStream", ScriptClass, Prototype),
    row("FixedLengthStream", ScriptClass, Prototype),
    row("TextEncoderStream", ScriptClass, Prototype),
    row("TextDecoderStream", ScriptClass, Prototype),
    row("ByteLengthQueuingStrategy", ScriptClass, Prototype),
    row("CountQueuingStrategy", ScriptClass, Prototype),
    row("CompressionStream", ScriptClass, Prototype),
    row("DecompressionStream", ScriptClass, Prototype),
    row("Blob", ScriptClass, Prototype).cloned(Cloned::Copied(|scope, object| Some(structured_clone::copy_blob(scope, object)))),
    row("File", ScriptClass, Prototype),
    row("FormData", ScriptClass, Prototype),
    row("console", Script, Own).usable(Usable::NotEnumerable),
    row("queueMicrotask", Script, Prototype),
    row("reportError", Script, Prototype),
    row("addEventListener", Script, Inherited),
    row("removeEventListener", Script, Inherited),
    row("dispatchEvent", Script, Inherited),
    row("WorkerGlobalScope", ScriptClass, Prototype),
    row("ServiceWorkerGlobalScope", ScriptClass, Own),
    row("Navigator", ScriptClass, Prototype).while_on("global_navigator"),
    row("navigator", Script, Own).while_on("global_navigator"),
    row("scheduler", Script, Own),
    row("Cloudflare", Script, Own),
    row("self", Script, Own),
    row("origin", Script, Own).usable(Usable::ReadOnly),
    row("WeakRef", Engine, Own).while_on("enable_weak_ref"),
    row("FinalizationRegistry", Engine, Own).while_on("enable_weak_ref"),
    row("CryptoKey", Missing, Prototype),
    row("HTMLRewriter", Missing, Prototype),
    row("MessageChannel", Missing, Prototype),
    row("MessagePort", Missing, Prototype),
    row("TailEvent", Missing, Prototype),
    row("TraceEvent", Missing, Prototype),
    row("URLPattern", Missing, Prototype),
    // Of Node.js, since `nodejs_compat` is on by default.
    row("Buffer", Instance(|scope| builtin_object(scope, "node:buffer", "Buffer")), Own).while_on("nodejs_compat_v2"),
    row("global", Instance(|scope| Ok(scope.get_current_context().global(scope))), Own).while_on("nodejs_compat_v2"),
    row("process", Instance(|scope| builtin_object(scope, "node:process", "default")), Own).while_on("nodejs_compat_v2"),
    row("setTimeout", Instance(|scope| builtin_object(scope, TIMERS, "setTimeout")), Own).while_on("enable_nodejs_global_timers"),
    row("clearTimeout", Instance(|scope| builtin_object(scope, TIMERS, "clearTimeout")), Own).while_on("enable_nodejs_global_timers"),
    row("setInterval", Instance(|scope| builtin_object(scope, TIMERS, "setInterval")), Own).while_on("enable_nodejs_global_timers"),
    row("clearInterval", Instance(|scope| builtin_object(scope, TIMERS, "clearInterval")), Own).while_on("enable_nodejs_global_timers"),
    row("setImmediate", Instance(|scope| builtin_object(scope, TIMERS, "globalSetImmediate")), Prototype).while_on("nodejs_compat_v2"),
    row("clearImmediate", Instance(|scope| builtin_object(scope, TIMERS, "globalClearImmediate")), Prototype).while_on("nodejs_compat_v2"),
    row("Performance", Instance(|scope| builtin_object(scope, PERFORMANCE, "Performance")), Prototype).while_on("enable_global_performance_classes"),
    row("PerformanceEntry", Instance(|scope| builtin_object(scope, PERFORMANCE, "PerformanceEntry")), Prototype).while_on("enable_global_performance_classes"),
    row("PerformanceMark", Instance(|scope| builtin_object(scope, PERFORMANCE, "PerformanceMark")), Prototype).while_on("enable_global_performance_classes"),
    row("PerformanceMeasure", Instance(|scope| builtin_object(scope, PERFORMANCE, "PerformanceMeasure")), Prototype).while_on("enable_global_performance_classes"),
    row("PerformanceObserver", Instance(|scope| builtin_object(scope, PERFORMANCE, "PerformanceObserver")), Prototype).while_on("enable_global_performance_classes"),
    row("PerformanceObserverEntryList", Instance(|scope| builtin_object(scope, PERFORMANCE, "PerformanceObserverEntryList")), Prototype).while_on("enable_global_performance_classes"),
    row("PerformanceResourceTiming", Instance(|scope| builtin_object(scope, PERFORMANCE, "PerformanceResourceTiming")), Prototype).while_on("enable_global_performance_classes"),
];

/// V8 calls it when a script first looks at the object of an [`Instance`] row, and keeps what it gives in its place.
fn make_instance<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    name: v8::Local<'s, v8::Name>,
    _: v8::PropertyCallbackArguments<'s>,
    mut rv: v8::ReturnValue<'_, v8::Value>,
) {
    let name = name.to_rust_string_lossy(scope);
    let make = TABLE.iter().find_map(|row| match row.what {
        Instance(make) if row.name == name => Some(make),
        _ => None,
    });
    match make.expect("the property was made of a row")(scope) {
        Ok(object) => rv.set(object.into()),
        Err(error) => error.throw(scope),
    }
}

/// What V8 calls for rows.
pub(super) fn references() -> Vec<v8::ExternalReference> {
    let callback: v8::AccessorNameGetterCallback = v8::MapFnTo::map_fn_to(make_instance);
    vec![v8::ExternalReference { pointer: callback as *mut std::ffi::c_void }]
}

/// The constructor of a class.
pub(super) fn constructor<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    class: &'static ClassInfo,
) -> v8::Local<'s, v8::Function> {
    jsg::Registry::template(scope, class).get_function(scope).expect("the class template is complete")
}

/// A static method of a class that is not itself visible.
pub(super) fn static_method<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    class: &'static ClassInfo,
    name: &str,
) -> v8::Local<'s, v8::Value> {
    let key = jsg::string(scope, name);
    let function = constructor(scope, class).get(scope, key.into()).expect("a static method can be read");
    assert!(function.is_function(), "{class:?} has no static method {name}");
    function
}

fn prototype_of<'s>(scope: &mut v8::PinScope<'s, '_>, object: Object<'s>) -> Object<'s> {
    let prototype = object.get_prototype(scope).and_then(|value| v8::Local::<v8::Object>::try_from(value).ok());
    prototype.expect("the global scope's classes are in place")
}

/// The objects that have what scripts find in the global scope.
struct Places<'s> {
    global: Object<'s>,
    prototype: Object<'s>,
    worker_scope: Object<'s>,
}

impl<'s> Places<'s> {
    fn find(scope: &mut v8::PinScope<'s, '_>) -> Self {
        let global = scope.get_current_context().global(scope);
        let prototype = prototype_of(scope, global);
        let worker_scope = prototype_of(scope, prototype);
        Places { global, prototype, worker_scope }
    }

    fn at(&self, at: At) -> Option<Object<'s>> {
        match at {
            Prototype => Some(self.prototype),
            Own => Some(self.global),
            WorkerScope => Some(self.worker_scope),
            Inherited => None,
        }
    }
}

/// Exposes everything; `globals` is what the built-in scripts list.
///
/// # Panics
///
/// If they do not list what the table says, which is a defect of this program.
pub(super) fn expose<'s>(scope: &mut v8::PinScope<'s, '_>, globals: Object<'s>) {
    jsg::inherit_iterator_prototype(scope);
    headers::add_iterator(scope);
    let places = Places::find(scope);
    let define = |scope: &mut v8::PinScope<'s, '_>, row: &Row, value: v8::Local<'s, v8::Value>| {
        let Some(target) = places.at(row.at) else { return };
        let key = jsg::string(scope, row.name);
        target.define_own_property(scope, key.into(), value, row.usable.attributes());
    };
    for row in TABLE {
        let value = match row.what {
            Class(class) => constructor(scope, class()).into(),
            Function(class) => static_method(scope, class(), row.name),
            Instance(_) | ScriptClass | Script | Engine | Missing => continue,
        };
        define(scope, row, value);
    }
    // The scripts' own it knows.
    script::call(scope, |script| &script.note_interfaces, &[places.prototype.into()])
        .expect("the built-in scripts take native classes");
    // After that, which has looked at what there was.
    for row in TABLE.iter().filter(|row| matches!(row.what, Instance(_))) {
        let Some(target) = places.at(row.at) else { continue };
        let key = jsg::string(scope, row.name);
        target.set_lazy_data_property(scope, key.into(), make_instance);
    }
    let mut number = 0;
    for row in TABLE.iter().filter(|row| matches!(row.what, ScriptClass | Script)) {
        let key = jsg::string(scope, row.name);
        let value = globals.get(scope, key.into()).filter(|value| !value.is_undefined());
        let value = value.unwrap_or_else(|| panic!("the built-in scripts list no {}", row.name));
        if matches!(row.what, ScriptClass) {
            let class = v8::Local::<v8::Object>::try_from(value).expect("a class is an object");
            structured_clone::mark(scope, class, number);
            number += 1;
        }
        define(scope, row, value);
    }
}

/// Has the isolate know what is done with objects of each class: at each start.
pub(super) fn start(scope: &mut v8::PinScope<'_, '_>) {
    let native = TABLE.iter().filter_map(|row| match (row.what, row.cloned) {
        (Class(_), Cloned::Copied(copy)) => Some(copy),
        _ => None,
    });
    let scripted = TABLE.iter().filter(|row| matches!(row.what, ScriptClass)).map(|row| row.cloned);
    Brands::install(scope, native.collect(), scripted.collect());
}

/// Takes away what a worker with these flags does not have.
pub(super) fn apply(scope: &mut v8::PinScope<'_, '_>, flags: &CompatibilityFlags) {
    let places = Places::find(scope);
    for row in TABLE {
        if row.flag.is_some_and(|flag| !flags.is_on(flag))
            && let Some(target) = places.at(row.at)
        {
            let key = jsg::string(scope, row.name);
            target.delete(scope, key.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fmt::Write as _};

    use super::*;
    use crate::testing::{eval, with_isolate};

    /// How a recorded property can be used: `w` writable, `e` enumerable, `c` configurable, `g` has a getter.
    fn attributes_of(property: &serde_json::Value) -> String {
        let marks = [("writable", 'w'), ("enumerable", 'e'), ("configurable", 'c')];
        let mut text: String =
            marks.into_iter().filter_map(|(key, mark)| (property[key] == true).then_some(mark)).collect();
        text.extend((!property["get"].is_null()).then_some('g'));
        text
    }

    /// Where the properties of the global scope sit and how they can be used, against what was observed of the reference;
    /// what we lack is what the table says.
    #[test]
    fn properties_sit_where_the_reference_has_them() {
        let recorded: serde_json::Value =
            serde_json::from_str(include_str!("../../js/tests/data/oracle-globals.json")).expect("a record of globals");
        let ours = eval(
            "const out = [];
            for (let o = globalThis; o !== Object.prototype; o = Object.getPrototypeOf(o)) {
              const level = {};
              for (const key of Reflect.ownKeys(o)) {
                if (typeof key !== 'string') continue;
                const d = Object.getOwnPropertyDescriptor(o, key);
                level[key] = `${d.writable ? 'w' : ''}${d.enumerable ? 'e' : ''}${d.configurable ? 'c' : ''}${d.get ? 'g' : ''}`;
              }
              out.push(level);
            }
            out",
        );
        let ours: Vec<BTreeMap<String, String>> = serde_json::from_str(&ours).unwrap_or_else(|_| panic!("{ours}"));
        let recorded: Vec<_> = recorded["chain"].as_array().expect("the prototype chain").iter().collect();
        assert_eq!(ours.len(), recorded.len(), "objects on the prototype chain");
        let mut wrong = Vec::new();
        let mut missing = Vec::new();
        for (depth, (ours, theirs)) in ours.iter().zip(recorded).enumerate() {
            let theirs = theirs["own"].as_object().expect("the properties of an object");
            for (name, property) in theirs.iter().filter(|(name, _)| !name.starts_with("Symbol(")) {
                match (ours.get(name), attributes_of(property)) {
                    (Some(found), attributes) if *found == attributes => {}
                    (Some(found), attributes) => {
                        wrong.push(format!("{depth} {name}: {found}, {attributes} in the reference"));
                    }
                    (None, _) => missing.push(format!("{depth} {name}")),
                }
            }
            // --expose-gc is a flag of this test's process.
            for name in ours.keys().filter(|name| !theirs.contains_key(*name) && *name != "gc") {
                wrong.push(format!("{depth} {name} is not there in the reference"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let known = TABLE.iter().filter(|row| matches!(row.what, Missing));
        let mut known: Vec<_> = known.map(|row| format!("{} {}", usize::from(row.at != Own), row.name)).collect();
        known.sort_unstable();
        missing.sort_unstable();
        assert_eq!(missing, known, "what is missing");
    }

    #[test]
    fn every_global_of_the_scripts_has_a_row() {
        let listed = with_isolate(async |isolate| {
            isolate.enter(|scope| {
                let context = v8::Context::new(scope, v8::ContextOptions::default());
                let scope = &mut v8::ContextScope::new(scope, context);
                let internal = v8::Object::new(scope);
                super::super::hooks::install_internal(scope, internal);
                crate::isolate::builtins::run(scope, internal).expect("the scripts run");
                let key = jsg::string(scope, "globals");
                let globals = internal.get(scope, key.into()).expect("they list globals");
                let globals = v8::Local::<v8::Object>::try_from(globals).expect("the list is an object");
                let names =
                    globals.get_own_property_names(scope, v8::GetPropertyNamesArgs::default()).expect("the keys");
                let name = |index| names.get_index(scope, index).expect("a key").to_rust_string_lossy(scope);
                (0..names.length()).map(name).collect::<std::collections::BTreeSet<String>>()
            })
        });
        let rows = TABLE.iter().filter(|row| matches!(row.what, Script | ScriptClass));
        assert_eq!(listed, rows.map(|row| row.name.to_owned()).collect());
    }

    /// The section of `docs/compatibility.md`.
    fn document() -> String {
        let mut out = String::from("| name | | where | there while | `structuredClone` |\n|---|---|---|---|---|\n");
        for row in TABLE {
            let what = match row.what {
                Class(_) | ScriptClass => "class",
                Function(_) => "function",
                Script if row.name.starts_with(|c: char| c.is_lowercase()) && row.at != Own => "function",
                Instance(_) | Script => "object",
                Engine => "V8's",
                Missing => "missing",
            };
            let at = match row.at {
                Prototype => "the global's prototype",
                Own => "the global itself",
                WorkerScope => "`WorkerGlobalScope.prototype`",
                Inherited => "`EventTarget.prototype`",
            };
            let flag = row.flag.map(|flag| format!("`{}`", flag.name())).unwrap_or_default();
            let cloned = match (row.what, row.cloned) {
                (_, Cloned::Copied(_) | Cloned::Exception) => "copied",
                (Class(_) | ScriptClass, _) => "refused",
                _ => "",
            };
            let _ = writeln!(out, "| `{}` | {what} | {at} | {flag} | {cloned} |", row.name);
        }
        out
    }

    /// `BULKHEAD_REFRESH=1` writes the section.
    #[test]
    fn globals_document() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/compatibility.md");
        let text = std::fs::read_to_string(path).expect("the page can be read");
        let (begin, end) =
            ("<!-- made from sandbox-worker/src/api/surface.rs -->\n\n", "\n<!-- end of the globals -->");
        let start = text.find(begin).expect("the page has the place") + begin.len();
        let length = text[start..].find(end).expect("the place ends");
        let mut made = text.clone();
        made.replace_range(start..start + length, &document());
        if std::env::var_os("BULKHEAD_REFRESH").is_some() {
            std::fs::write(path, &made).expect("the page can be written");
        } else {
            assert!(text == made, "docs/compatibility.md is stale: BULKHEAD_REFRESH=1 writes it anew");
        }
    }
}
