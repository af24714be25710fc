//! The built-in scripts of `js/`, evaluated in every isolate before any tenant code.

use jsg::{Error, Result};

use super::{Isolate, Surface};

/// The scripts, joined in the order of `js/ORDER`: a function that adds to the object that it is given.
static SCRIPTS: v8::OneByteConst =
    v8::String::create_external_onebyte_const(include_bytes!(concat!(env!("OUT_DIR"), "/scripts.js")));

/// Globals that are properties of the global object itself; all others are on its prototype.
const OWN_GLOBALS: &[&str] =
    &["Cloudflare", "ServiceWorkerGlobalScope", "caches", "console", "navigator", "origin", "scheduler", "self"];

/// Functions that the global object inherits from `EventTarget.prototype`.
const INHERITED: &[&str] = &["addEventListener", "dispatchEvent", "removeEventListener"];

/// How a property of the global object, or of its prototype, can be used. Unlike the web platform, the reference
/// enumerates classes.
fn attributes(name: &str) -> v8::PropertyAttribute {
    match name {
        "console" => v8::PropertyAttribute::DONT_ENUM,
        "origin" => v8::PropertyAttribute::READ_ONLY,
        _ => v8::PropertyAttribute::NONE,
    }
}

fn prototype_of<'s>(scope: &mut v8::PinScope<'s, '_>, object: v8::Local<'s, v8::Object>) -> v8::Local<'s, v8::Object> {
    let prototype = object.get_prototype(scope).and_then(|value| v8::Local::<v8::Object>::try_from(value).ok());
    prototype.expect("the global scope's classes are in place")
}

fn own<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    object: v8::Local<'s, v8::Object>,
    name: &str,
) -> Option<v8::Local<'s, v8::Value>> {
    let key = jsg::string(scope, name);
    object.get(scope, key.into())
}

/// Evaluates the built-ins in the current context; gives the object that holds what they export.
///
/// # Panics
///
/// If one of them throws, which is a defect of this program.
pub(super) fn evaluate<'s>(scope: &mut v8::PinScope<'s, '_>, surface: &Surface) -> v8::Local<'s, v8::Object> {
    let null = v8::null(scope);
    let internal = v8::Object::with_prototype_and_properties(scope, null.into(), &[], &[]);
    let global = scope.get_current_context().global(scope);
    (surface.install_internal)(scope, internal);
    {
        v8::tc_scope!(let scope, scope);
        if run(scope, internal).is_none() {
            let exception = scope.exception().map_or_else(String::new, |value| {
                let stack = scope.stack_trace().unwrap_or(value);
                stack.to_rust_string_lossy(scope)
            });
            panic!("the built-in scripts failed: {exception}");
        }
    }
    let make =
        own(scope, internal, "newDOMException").and_then(|value| v8::Local::<v8::Function>::try_from(value).ok());
    let make = make.map(|make| v8::Global::new(scope, make));
    let hooks = scope.get_slot_mut::<jsg::Hooks>().expect("Registry::install was called on this isolate");
    hooks.new_dom_exception = Some(make.expect("the built-ins export newDOMException"));
    // The classes and functions of the API are properties of the global object's prototype, as in the reference.
    let prototype = prototype_of(scope, global);
    let parent = prototype_of(scope, prototype);
    (surface.expose)(scope, prototype);
    let note = own(scope, internal, "noteInterfaces").and_then(|value| v8::Local::<v8::Function>::try_from(value).ok());
    let undefined = v8::undefined(scope).into();
    note.and_then(|note| note.call(scope, undefined, &[prototype.into()])).expect("the built-ins take native classes");
    let globals = own(scope, internal, "globals").and_then(|value| v8::Local::<v8::Object>::try_from(value).ok());
    let globals = globals.expect("the built-ins list their globals");
    let names = globals.get_own_property_names(scope, v8::GetPropertyNamesArgs::default());
    let names = names.expect("the list of globals can be read");
    (surface.brand_classes)(scope, globals).expect("prototypes of classes can be marked");
    for index in 0..names.length() {
        let Some(name) = names.get_index(scope, index) else { continue };
        let Some(value) = globals.get(scope, name) else { continue };
        let Ok(key) = v8::Local::<v8::Name>::try_from(name) else { continue };
        let text = name.to_rust_string_lossy(scope);
        let target = match text.as_str() {
            inherited if INHERITED.contains(&inherited) => continue,
            "EventTarget" => parent,
            own if OWN_GLOBALS.contains(&own) => global,
            _ => prototype,
        };
        target.define_own_property(scope, key, value, attributes(&text));
    }
    internal
}

/// Runs the scripts.
fn run<'s>(scope: &mut v8::PinScope<'s, '_>, internal: v8::Local<'s, v8::Object>) -> Option<()> {
    let name = jsg::string(scope, "bulkhead:scripts.js");
    let origin = v8::ScriptOrigin::new(scope, name.into(), 0, 0, false, 0, None, false, false, false, None);
    let source = v8::String::new_from_onebyte_const(scope, &SCRIPTS)?;
    let function = v8::Script::compile(scope, source, Some(&origin))?.run(scope)?;
    let function = v8::Local::<v8::Function>::try_from(function).ok()?;
    let receiver = v8::undefined(scope).into();
    function.call(scope, receiver, &[internal.into()]).map(|_| ())
}

/// Has the built-ins drop what interrupted script has left for the call that it was to make next.
pub(super) fn forget<'s>(scope: &mut v8::PinScope<'s, '_>, internal: v8::Local<'s, v8::Object>) {
    let receiver = v8::undefined(scope).into();
    let function = own(scope, internal, "forget").and_then(|value| v8::Local::<v8::Function>::try_from(value).ok());
    function.expect("the built-ins export it").call(scope, receiver, &[]);
}

/// What the built-ins export under this name; `undefined` if they do not.
pub fn value<'s>(scope: &mut v8::PinScope<'s, '_>, name: &str) -> v8::Local<'s, v8::Value> {
    let isolate = Isolate::of(scope);
    let internal = v8::Local::new(scope, &isolate.internal);
    let key = v8::String::new_from_one_byte(scope, name.as_bytes(), v8::NewStringType::Internalized);
    key.and_then(|key| internal.get(scope, key.into())).unwrap_or_else(|| v8::undefined(scope).into())
}

/// The object that holds the globals which the built-ins define, whatever scripts did to the global object since.
pub fn globals<'s>(scope: &mut v8::PinScope<'s, '_>) -> Option<v8::Local<'s, v8::Object>> {
    v8::Local::<v8::Object>::try_from(value(scope, "globals")).ok()
}

/// A global that the built-ins define; `undefined` if they do not.
pub fn global<'s>(scope: &mut v8::PinScope<'s, '_>, name: &str) -> v8::Local<'s, v8::Value> {
    let value = globals(scope).and_then(|globals| own(scope, globals, name));
    value.unwrap_or_else(|| v8::undefined(scope).into())
}

/// Calls a function that the built-ins export.
pub fn call<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    name: &str,
    arguments: &[v8::Local<'s, v8::Value>],
) -> Result<v8::Local<'s, v8::Value>> {
    let function = match v8::Local::<v8::Function>::try_from(value(scope, name)) {
        Ok(function) => function,
        // While script is being interrupted V8 finds nothing.
        Err(_) if scope.is_execution_terminating() => return Err(Error::Pending),
        Err(_) => panic!("the built-ins export no function {name}"),
    };
    let receiver = v8::undefined(scope).into();
    function.call(scope, receiver, arguments).ok_or(Error::Pending)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use crate::{isolate::Isolate, testing::with_isolate};

    type Names = BTreeSet<String>;

    fn identifier(text: &str) -> &str {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
        &text[..end]
    }

    /// The identifiers that follow `before` in the text, where that is not the end of a longer word.
    fn after<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
        text.match_indices(before).filter_map(move |(at, _)| {
            let follows = text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.');
            let name = identifier(&text[at + before.len()..]);
            (!follows && !name.is_empty()).then_some(name)
        })
    }

    /// What the scripts read of `object`: as its members, and taken out of it.
    fn read(object: &str) -> Names {
        let mut names = Names::new();
        let source = std::str::from_utf8(super::SCRIPTS.as_ref()).expect("the scripts are ASCII");
        names.extend(after(source, &format!("{object}.")).map(str::to_owned));
        for (end, _) in source.match_indices(&format!("}} = {object};")) {
            let start = source[..end].rfind('{').expect("a pattern begins");
            names.extend(source[start + 1..end].split(',').map(|name| name.trim().to_owned()));
        }
        // The end of a file's name is no member.
        names.retain(|name| !name.is_empty() && name != "js");
        names
    }

    /// What native code calls or reads, by the text of the files.
    fn called() -> Names {
        fn look(directory: &Path, names: &mut Names) {
            for entry in fs::read_dir(directory).expect("the sources can be listed").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    look(&path, names);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text: String =
                        fs::read_to_string(&path).expect("a source can be read").split_whitespace().collect();
                    for call in ["builtins::call(scope,\"", "own(scope,internal,\"", "value(scope,\""] {
                        names.extend(text.split(call).skip(1).map(|rest| identifier(rest).to_owned()));
                    }
                }
            }
        }
        let mut names = Names::new();
        look(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut names);
        names
    }

    /// The first column of the tables of a section of the README.
    fn documented(section: &str) -> Names {
        let text = include_str!("../../js/README.md");
        let text = text.split_once(&format!("\n## {section}\n")).expect("the README has the section").1;
        let text = text.split("\n## ").next().unwrap_or_default();
        let mut names = Names::new();
        for row in text.lines().filter(|line| line.starts_with("| `")) {
            let column = row[1..].split('|').next().unwrap_or_default();
            for code in column.split('`').skip(1).step_by(2) {
                let name = code.split('(').next().unwrap_or_default();
                names.insert(name.to_owned());
            }
        }
        names
    }

    fn keys<'s>(scope: &mut v8::PinScope<'s, '_>, object: v8::Local<'s, v8::Object>) -> Names {
        let names = object.get_own_property_names(scope, v8::GetPropertyNamesArgs::default()).expect("the keys");
        let name = |index| names.get_index(scope, index).expect("a key").to_rust_string_lossy(scope);
        (0..names.length()).map(name).collect()
    }

    /// The hooks, the exports and the README name the same things, and none that nobody uses.
    #[test]
    fn hooks_and_exports_are_those_of_the_readme() {
        let (supplied, native, all) = with_isolate(async |isolate| {
            isolate.enter(|scope| {
                let supplied = v8::Object::new(scope);
                (isolate.surface.install_internal)(scope, supplied);
                let native = super::own(scope, supplied, "native").expect("it is supplied");
                let native = v8::Local::<v8::Object>::try_from(native).expect("it is an object");
                let all = v8::Local::new(scope, &Isolate::of(scope).internal);
                (keys(scope, supplied), keys(scope, native), keys(scope, all))
            })
        });
        let exports: Names = all.difference(&supplied).cloned().collect();
        let (read, called) = (read("internal"), called());

        assert_eq!(read.difference(&all).collect::<Vec<_>>(), Vec::<&String>::new(), "read by a script, set by nobody");
        assert_eq!(
            supplied.difference(&read).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "supplied, read by no script"
        );
        let members: Names = self::read("native").union(&self::read("internal.native")).cloned().collect();
        assert_eq!(members, native, "members of `native`");
        assert_eq!(
            called.difference(&exports).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "called, exported by nobody"
        );
        let unused: Vec<_> = exports.iter().filter(|name| !read.contains(*name) && !called.contains(*name)).collect();
        assert_eq!(unused, Vec::<&String>::new(), "exports that nobody uses");

        let mut hooks: Names = supplied.iter().filter(|name| *name != "native").cloned().collect();
        hooks.extend(native.iter().map(|name| format!("native.{name}")));
        assert_eq!(documented("What native code supplies"), hooks, "the hooks of js/README.md");
        assert_eq!(documented("What native code may call"), called, "the exports of js/README.md");
    }
}
