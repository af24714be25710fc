//! What the compatibility date and flags of a worker change in the isolate. A process is made before they are known: the
//! classes and globals of the newest date are there, and binding a worker applies the differences of its date.
//!
//! Whoever has to know a flag asks in one of four ways: a member of a Rust class has `flag` or `unless`
//! (`jsg_macros::class`), as a row of the surface can have one (`api/surface.rs`), a built-in script takes it in `atBind` (`js/README.md`), Rust code asks
//! `Isolate::flags().is_on(CONSTANT)`, and a built-in
//! module has it in its row (`modules/registry.rs`), or asks `flag` of the scripts' primordials for what it does itself.

use bulkhead_ipc::compatibility::{CompatibilityFlags, Flag};

use super::{Isolate, Surface, script};

const TAGS: Flag = Flag::named("set_tostring_tag");
const ON_PROTOTYPES: Flag = Flag::named("workers_api_getters_setters_on_prototype");
const WHOLE_RESULTS: Flag = Flag::named("enable_fast_jsg_struct");
const CAPTURE_THROWS: Flag = Flag::named("capture_async_api_throws");

/// Whether a change is on for the worker of this isolate, which is bound.
pub(crate) fn is_on(scope: &v8::PinScope<'_, '_>, flag: Flag) -> bool {
    Isolate::of(scope).flags().is_on(flag)
}

/// Every flag of the table and that it is off, in the table's order: what becomes `Cloudflare.compatibilityFlags`.
pub(super) fn none<'s>(scope: &mut v8::PinScope<'s, '_>) -> v8::Local<'s, v8::Object> {
    let null = v8::null(scope);
    let object = v8::Object::with_prototype_and_properties(scope, null.into(), &[], &[]);
    let off = v8::Boolean::new(scope, false);
    for (flag, _) in CompatibilityFlags::of(&[]).iter() {
        let key = jsg::string(scope, flag.name());
        object.create_data_property(scope, key.into(), off.into());
    }
    object
}

/// Binds the built-in scripts.
///
/// # Panics
///
/// If one of them asks for a flag that is none, which is a defect of this program.
pub(super) fn bind(scope: &mut v8::PinScope<'_, '_>, flags: &CompatibilityFlags) {
    let on = flags.iter().enumerate().filter(|(_, (_, on))| *on);
    let places: Vec<_> = on.map(|(place, _)| v8::Integer::new(scope, place as i32).into()).collect();
    let places = v8::Array::new_with_elements(scope, &places);
    v8::tc_scope!(let scope, scope);
    if script::call(scope, |script| &script.bind_flags, &[places.into()]).is_err() {
        let text = scope.exception().map(|value| value.to_rust_string_lossy(scope)).unwrap_or_default();
        panic!("the built-in scripts cannot be bound: {text}");
    }
}

/// Applies a worker's flags, before its code runs.
///
/// # Panics
///
/// As [`bind`].
pub(super) fn apply(scope: &mut v8::PinScope<'_, '_>, flags: &CompatibilityFlags, surface: &Surface) {
    let known = *flags;
    let is_on = move |name: &str| Flag::find(name).is_some_and(|flag| known.is_on(flag));
    let look = jsg::Look {
        tags: flags.is_on(TAGS),
        rejects: flags.is_on(CAPTURE_THROWS),
        shows_undefined: flags.is_on(WHOLE_RESULTS),
    };
    jsg::Registry::apply(scope, look, is_on);
    (surface.apply)(scope, flags);
    if !flags.is_on(ON_PROTOTYPES) {
        (surface.move_accessors_to_objects)(scope);
    }
    bind(scope, flags);
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    /// The files below `directory` with this extension, and their text. Tests of scripts are none.
    fn sources(directory: &Path, extension: &str, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(directory).expect("the sources can be listed").flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("js/tests") {
                sources(&path, extension, found);
            } else if path.extension().is_some_and(|other| other == extension) {
                let text = fs::read_to_string(&path).expect("a source can be read");
                found.push((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), text));
            }
        }
    }

    /// Rust code asks with a constant and scripts ask in `atBind`: nobody looks a flag up by a text, and nobody reads it from the
    /// object that tenants see.
    #[test]
    fn flags_are_asked_in_the_places_for_it() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (mut rust, mut scripts) = (Vec::new(), Vec::new());
        sources(&root.join("src"), "rs", &mut rust);
        sources(&root.join("js"), "js", &mut scripts);
        assert!(rust.len() > 40 && scripts.len() > 20, "the sources are where they were");
        let by_text = concat!("Flag::", "find(");
        let asking: Vec<_> = rust.iter().filter(|(_, text)| text.contains(by_text)).map(|(name, _)| name).collect();
        assert_eq!(asking, ["flags.rs"], "files that look a flag up by its name");
        let reading: Vec<_> =
            scripts.iter().filter(|(_, text)| text.contains("compatibilityFlags")).map(|(name, _)| name).collect();
        assert_eq!(reading, ["globals.js"], "scripts that know the object of tenants");
    }
}
