//! What the built-in scripts ask of native code: see `js/README.md`.

use jsg::{Class as _, Describe, Error, Result};

use super::{
    buffers,
    compression::NativeCodec,
    crypto::{DigestHelper, DigestState},
    encoding::{self, TextDecoder},
    fetch::{event_source::EventStreams, response},
    socket::SocketConnection,
    streams, surface, timers,
    web_socket::SocketEnd,
};
use crate::{
    isolate::{Isolate, report_exception, script},
    log::{Level, Source},
};

#[derive(jsg::Trace)]
pub(super) struct Hooks;

/// The functions of this class are copied to `internal`; scripts never see them.
#[jsg::class]
impl Hooks {
    /// Writes a line of tenant output.
    #[static_method]
    fn log(scope: &mut v8::PinScope<'_, '_>, level: String, text: String) {
        let level = match level.as_str() {
            "debug" => Level::Debug,
            "info" => Level::Info,
            "warn" => Level::Warn,
            "error" => Level::Error,
            _ => Level::Log,
        };
        Isolate::of(scope).logger().write(level, Source::Console, &text);
    }

    /// Whether `respondWith()` takes a value.
    #[static_method]
    fn is_answer<'s>(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> Result<bool> {
        response::is_answer(scope, value)
    }

    #[static_method]
    fn report_exception<'s>(scope: &mut v8::PinScope<'s, '_>, exception: v8::Local<'s, v8::Value>) {
        report_exception(scope, exception);
    }

    /// 32 random bits of the kernel's.
    #[static_method]
    fn random_uint32() -> Result<u32> {
        let mut bytes = [0; 4];
        super::crypto::random(&mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }
}

#[derive(jsg::Trace)]
pub(super) struct Native;

/// What inspection needs and scripts cannot do. Copied to `internal.native`.
#[jsg::class]
impl Native {
    /// `{ state: 0 | 1 | 2, result }`: pending, fulfilled, rejected.
    #[static_method]
    fn get_promise_details<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        promise: v8::Local<'s, v8::Promise>,
    ) -> v8::Local<'s, v8::Object> {
        let (state, result) = match promise.state() {
            v8::PromiseState::Pending => (0, v8::undefined(scope).into()),
            v8::PromiseState::Fulfilled => (1, promise.result(scope)),
            v8::PromiseState::Rejected => (2, promise.result(scope)),
        };
        let state = v8::Integer::new(scope, state).into();
        record(scope, &[("state", state), ("result", result)])
    }

    /// `{ target }` of a proxy, with `null` for a revoked one; `undefined` for anything else.
    #[static_method]
    fn get_proxy_details<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        value: v8::Local<'s, v8::Value>,
    ) -> v8::Local<'s, v8::Value> {
        match v8::Local::<v8::Proxy>::try_from(value) {
            Ok(proxy) => {
                let target = proxy.get_target(scope);
                let handler = proxy.get_handler(scope);
                record(scope, &[("target", target), ("handler", handler)]).into()
            }
            Err(_) => v8::undefined(scope).into(),
        }
    }

    /// `{ entries, isKeyValue }` of a Map or Set iterator, which is not moved by it.
    #[static_method]
    fn preview_entries<'s>(scope: &mut v8::PinScope<'s, '_>, iterator: jsg::Object<'s>) -> v8::Local<'s, v8::Value> {
        match iterator.0.preview_entries(scope) {
            (Some(entries), is_key_value) => {
                let is_key_value = v8::Boolean::new(scope, is_key_value).into();
                record(scope, &[("entries", entries.into()), ("isKeyValue", is_key_value)]).into()
            }
            (None, _) => v8::undefined(scope).into(),
        }
    }

    /// The own keys of an array or a view that are not indices.
    #[static_method]
    fn get_own_non_index_properties<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        object: jsg::Object<'s>,
    ) -> Result<v8::Local<'s, v8::Array>> {
        let arguments = v8::GetPropertyNamesArgs {
            mode: v8::KeyCollectionMode::OwnOnly,
            property_filter: v8::PropertyFilter::ALL_PROPERTIES,
            index_filter: v8::IndexFilter::SkipIndices,
            key_conversion: v8::KeyConversionMode::KeepNumbers,
        };
        object.0.get_property_names(scope, arguments).ok_or(Error::Pending)
    }

    /// Whether a `Headers` object refuses changes; `null` for anything else.
    #[static_method]
    fn is_immutable<'s>(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> Option<bool> {
        jsg::unwrap_value::<super::fetch::headers::Headers>(scope, value).map(|headers| headers.is_immutable())
    }

    /// Gives an object an attribute that looks like a data property; `setter` may be undefined.
    #[static_method]
    fn define_attribute<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        object: jsg::Object<'s>,
        name: jsg::DomString<'s>,
        getter: v8::Local<'s, v8::Function>,
        setter: Option<v8::Local<'s, v8::Function>>,
    ) {
        jsg::own::define(scope, object.0, name.0.into(), jsg::own::Accessor { getter, setter });
    }

    /// The name of the constructor that made the object, whatever its prototype says now.
    #[static_method]
    fn get_constructor_name(scope: &mut v8::PinScope<'_, '_>, object: jsg::Object<'_>) -> String {
        object.0.get_constructor_name().to_rust_string_lossy(scope)
    }
}

fn record<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    members: &[(&str, v8::Local<'s, v8::Value>)],
) -> v8::Local<'s, v8::Object> {
    let object = v8::Object::new(scope);
    for (name, value) in members {
        let key = jsg::string(scope, name);
        object.create_data_property(scope, key.into(), *value);
    }
    object
}

/// What a hook is.
#[derive(Clone, Copy)]
enum Hook {
    /// A class, which is supplied under its own name.
    Class(Describe),
    /// A static method of a class that scripts do not see.
    Function(Describe),
}

/// What the scripts find on `internal` before the first of them runs: how it is called, what it means, where it comes from. A
/// row is all that it takes to supply another one. A table of `js/README.md` is made of the rows: see `isolate/script.rs`.
#[rustfmt::skip]
const HOOKS: &[(&str, &str, Hook)] = &[
    ("TextDecoder", "the Encoding Standard's class", Hook::Class(TextDecoder::info)),
    ("encodeUtf8(string)", "the bytes of a text", Hook::Function(encoding::Internal::info)),
    ("decodeUtf8(bytes)", "drops a byte order mark and replaces errors", Hook::Function(encoding::Internal::info)),
    ("isAnswer(v)", "whether `respondWith()` takes it", Hook::Function(Hooks::info)),
    ("reportException(error)", "log an uncaught exception (nobody canceled its `error` event)", Hook::Function(Hooks::info)),
    ("setTimeout(callback, ms)", "a timer of the current event; gives its id", Hook::Function(timers::Internal::info)),
    ("clearTimeout(id)", "ends a timer of the current event", Hook::Function(timers::Internal::info)),
    ("log(level, text)", "one console message, `level` one of log, debug, info, warn, error", Hook::Function(Hooks::info)),
    ("randomUint32()", "entropy for multipart boundaries", Hook::Function(Hooks::info)),
    ("countBuffer(v)", "gives `v`, and counts it when it is a new buffer that can be resized; RangeError if that is too much", Hook::Function(buffers::Internal::info)),
    ("countResized(v)", "counts what a buffer has after it was resized; RangeError if that is too much", Hook::Function(buffers::Internal::info)),
    ("makeRoom(v, length)", "if `v` can be resized: converts the length, and RangeError if there is not so much", Hook::Function(buffers::Internal::info)),
    ("newPipe(remaining)", "native ends of an identity transform, as `[writable, readable]`, through which so many bytes have to go, or any number if that is negative. The readable is as `newNativeStream` takes it; the writable has `write(bytes)`, `end()`, `abort(reason)`", Hook::Function(streams::Hooks::info)),
    ("ioOwner()", "a number for the owner of the current event's I/O; 0 if there is none", Hook::Function(streams::Hooks::info)),
    ("checkIoOwner(owner, what)", "the reference's Error, which names `what`, if the current event's I/O is not of that owner, and that is not 0", Hook::Function(streams::Hooks::info)),
    ("Codec", "class with `push(chunk)`, `finish()`, `pull(wanted)`, `release()`, `isBehind()`, `isDone()`; `ends()` as `newPipe` gives them, which use it from then on", Hook::Class(NativeCodec::info)),
    ("newSocketPair()", "the native ends of two WebSockets, as an array. One has `accept(socket, halfOpen)`, `sendText(string)`, `sendBytes(buffer)`, `close(code, reason)`, `readyState()`, `bufferedAmount()`, `serializeAttachment(v)`, `deserializeAttachment()`", Hook::Function(SocketEnd::info)),
    ("connectSocket(url, protocols)", "such an end of a connection that `establish(socket)` asks for; `url()`, `protocol()`, `extensions()`", Hook::Function(SocketEnd::info)),
    ("hrefOf(text)", "a URL, serialized; undefined if it is none", Hook::Function(EventStreams::info)),
    ("isFetcher(v)", "brand check", Hook::Function(EventStreams::info)),
    ("fetchEvents(url, lastEventId, fetcher, signal)", "a promise of the response to a request for a stream of events, by a `Fetcher` or else as `fetch()` would", Hook::Function(EventStreams::info)),
    ("eventsOf(response)", "`{ status, type, origin, body }`, of which `type` is undefined if there is none, and empty if it is that of a stream of events; `body` is a stream or null", Hook::Function(EventStreams::info)),
    ("checkAddress(address, parse)", "throws the reference's exceptions if it is no address to connect to; `parse`: as it was given, and not made of a host and a port", Hook::Function(SocketConnection::info)),
    ("openSocket(to, address, transport)", "the native end of a connection that is asked for, by way of a `Fetcher` or of what the global `fetch` goes to. It has `opened()` and `ended()`, which give promises, `readable()`, a stream, `writable()`, an end as `newPipe` gives it, `close()`, and `inside()`, another such end, which it goes on as after `startTls(inside, host)`", Hook::Function(SocketConnection::info)),
    ("DigestState", "class with `update(chunk)`, `finish()`, `copy()`, `bytesWritten`", Hook::Class(DigestState::info)),
    ("algorithmName(given, algorithm)", "the name in what a script gave for a digest's algorithm", Hook::Function(DigestHelper::info)),
    ("native.getPromiseDetails(p)", "`{ state: 0 pending, 1 fulfilled, 2 rejected, result }`", Hook::Function(Native::info)),
    ("native.getProxyDetails(v)", "`{ target, handler }` (null when revoked), undefined for anything but a proxy", Hook::Function(Native::info)),
    ("native.previewEntries(iterator)", "`{ entries, isKeyValue }` of a Map or Set iterator, or undefined", Hook::Function(Native::info)),
    ("native.getOwnNonIndexProperties(o)", "own keys (names and symbols) of an array or view that are no indices", Hook::Function(Native::info)),
    ("native.getConstructorName(o)", "V8's class name of an object", Hook::Function(Native::info)),
    ("native.defineAttribute(o, name, get, set)", "an own property that looks like data, and calls its getter and setter with `o`", Hook::Function(Native::info)),
    ("native.isImmutable(v)", "whether a `Headers` refuses changes; `null` for anything else", Hook::Function(Native::info)),
];

/// Puts the hooks on `internal` and `internal.native`.
pub(super) fn install_internal(scope: &mut v8::PinScope<'_, '_>, internal: v8::Local<'_, v8::Object>) {
    let null = v8::null(scope);
    let native = v8::Object::with_prototype_and_properties(scope, null.into(), &[], &[]);
    let key = jsg::string(scope, "native");
    internal.create_data_property(scope, key.into(), native.into());
    for &(shown, _, hook) in HOOKS {
        let name = script::name_of(shown);
        let (target, name) = name.strip_prefix("native.").map_or((internal, name), |name| (native, name));
        let value = match hook {
            Hook::Class(class) => surface::constructor(scope, class()).into(),
            Hook::Function(class) => surface::static_method(scope, class(), name),
        };
        let key = jsg::string(scope, name);
        target.create_data_property(scope, key.into(), value);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        isolate::{builtins, modules::builtin_texts, script::Script},
        testing::with_isolate,
    };

    type Names = BTreeSet<String>;

    /// The identifiers that follow `before` in the scripts, where that is not the end of a longer word.
    fn after(before: &str) -> Names {
        let text = std::str::from_utf8(builtins::SCRIPTS.as_ref()).expect("the scripts are ASCII");
        let identifier = |text: &str| {
            let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
            text[..end].to_owned()
        };
        let follows = |at: usize| text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.');
        let found = text.match_indices(before).filter(|(at, _)| !follows(*at));
        found.map(|(at, _)| identifier(&text[at + before.len()..])).filter(|name| !name.is_empty()).collect()
    }

    /// What a text takes out of `object` by a pattern.
    fn taken_out_of(text: &str, object: &str) -> Names {
        let mut names = Names::new();
        for (end, _) in text.match_indices(&format!("}} = {object};")) {
            let start = text[..end].rfind('{').expect("a pattern begins");
            names.extend(text[start + 1..end].split(',').map(|name| name.trim().to_owned()));
        }
        names
    }

    /// What the scripts read of `object`: as its members, and taken out of it.
    fn read_of(object: &str) -> Names {
        let text = std::str::from_utf8(builtins::SCRIPTS.as_ref()).expect("the scripts are ASCII");
        let mut names = after(&format!("{object}."));
        names.extend(taken_out_of(text, object));
        // The end of a file's name is no member.
        names.retain(|name| !name.is_empty() && name != "js");
        names
    }

    fn keys<'s>(scope: &mut v8::PinScope<'s, '_>, object: v8::Local<'s, v8::Object>) -> Names {
        let names = object.get_own_property_names(scope, v8::GetPropertyNamesArgs::default()).expect("the keys");
        let name = |index| names.get_index(scope, index).expect("a key").to_rust_string_lossy(scope);
        (0..names.length()).map(name).collect()
    }

    #[test]
    fn scripts_read_what_is_there_and_export_what_is_used() {
        // Evaluated once more, beside what tenants get.
        let all = with_isolate(async |isolate| {
            isolate.enter(|scope| {
                let context = v8::Context::new(scope, v8::ContextOptions::default());
                let scope = &mut v8::ContextScope::new(scope, context);
                let internal = v8::Object::new(scope);
                install_internal(scope, internal);
                builtins::run(scope, internal).expect("the scripts run");
                keys(scope, internal)
            })
        });
        let names = |rows: &[&'static str]| rows.iter().map(|row| script::name_of(row).to_owned()).collect::<Names>();
        let hooks = names(&HOOKS.iter().map(|(shown, ..)| *shown).collect::<Vec<_>>());
        let called = names(&Script::ROWS.iter().map(|(shown, _)| *shown).collect::<Vec<_>>());
        let native: Names = hooks.iter().filter_map(|name| name.strip_prefix("native.").map(str::to_owned)).collect();
        let mut supplied: Names = hooks.into_iter().filter(|name| !name.starts_with("native.")).collect();
        supplied.insert("native".to_owned());
        let read = read_of("internal");

        assert_eq!(read.difference(&all).collect::<Vec<_>>(), Vec::<&String>::new(), "read by a script, set by nobody");
        assert_eq!(
            supplied.difference(&read).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "supplied, read by no script"
        );
        let members: Names = read_of("native").union(&read_of("internal.native")).cloned().collect();
        assert_eq!(members, native, "members of `native`");
        let by_modules = taken_out_of(builtin_texts(), "scripts");
        let unknown: Vec<_> = by_modules.difference(&all).filter(|name| !name.is_empty()).collect();
        assert_eq!(unknown, Vec::<&String>::new(), "read by a module, exported by no script");
        let used = |name: &&String| [&supplied, &read, &called, &by_modules].iter().any(|names| names.contains(*name));
        let unused: Vec<_> = all.iter().filter(|name| !used(name)).collect();
        assert_eq!(unused, Vec::<&String>::new(), "exports that nobody uses");
        // Of the streams' files among each other.
        let shared = read_of("internal.streams");
        let exported: Names = {
            let text = std::str::from_utf8(builtins::SCRIPTS.as_ref()).expect("the scripts are ASCII");
            let lists = ["Object.assign(internal.streams, {", "streams: { __proto__: null,"];
            let lists = lists.iter().flat_map(|list| text.split(list).skip(1));
            let names = lists.flat_map(|rest| rest.split('}').next().unwrap_or_default().split(','));
            names.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
        };
        assert_eq!(shared, exported, "what the files of streams/ have for each other");
    }

    fn table(title: &str, rows: impl Iterator<Item = (&'static str, &'static str)>) -> String {
        let rows: String = rows.map(|(shown, meaning)| format!("| `{shown}` | {meaning} |\n")).collect();
        format!("| {title} | meaning |\n|---|---|\n{rows}")
    }

    /// Both tables of the README. `BULKHEAD_REFRESH=1` writes them.
    #[test]
    fn readme_of_the_scripts() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/js/README.md");
        let readme = std::fs::read_to_string(path).expect("the README can be read");
        let mut made = readme.clone();
        let tables = [
            ("hooks", table("hook", HOOKS.iter().map(|&(shown, meaning, _)| (shown, meaning)))),
            ("exports", table("export", Script::ROWS.iter().copied())),
        ];
        for (name, table) in tables {
            let (begin, end) = (format!("<!-- {name}: made by a test -->\n"), format!("<!-- end of {name} -->"));
            let start = made.find(&begin).expect("the README has the place") + begin.len();
            let length = made[start..].find(&end).expect("the place ends");
            made.replace_range(start..start + length, &table);
        }
        if std::env::var_os("BULKHEAD_REFRESH").is_some() {
            std::fs::write(path, &made).expect("the README can be written");
        } else {
            assert!(readme == made, "js/README.md is stale: BULKHEAD_REFRESH=1 writes it anew");
        }
    }

    #[test]
    fn a_missing_export_is_found_before_any_request() {
        let missing = with_isolate(async |isolate| {
            isolate.enter(|scope| {
                let internal = v8::Object::new(scope);
                Script::find(scope, internal).map(|_| ()).map_err(|missing| missing.to_string())
            })
        });
        assert_eq!(missing, Err("the built-in scripts export no function newNativeStream".to_owned()));
    }
}
