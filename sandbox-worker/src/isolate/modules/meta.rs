//! `import.meta`, which has properties in the second registry.

use jsg::{Error, Result};

use super::{
    Owner,
    naming::Names,
    resolve::{find_by_module, node_name},
};
use crate::isolate::Isolate;

/// Gives `import.meta` of a module its properties.
pub(in crate::isolate) unsafe extern "C" fn describe(
    context: v8::Local<'_, v8::Context>,
    module: v8::Local<'_, v8::Module>,
    meta: v8::Local<'_, v8::Object>,
) {
    // SAFETY: V8 calls this with the context entered.
    v8::callback_scope!(unsafe scope, context);
    let isolate = Isolate::of(scope);
    let Some(entry) = find_by_module(&isolate, module) else { return };
    let names = Names::of(&isolate);
    if entry.owner == Owner::Program || names == Names::Paths {
        return;
    }
    let main = isolate.modules.borrow().main.as_deref() == Some(names.definition(&entry.location));
    // What cannot be set is left out: script is being interrupted.
    let _ = set(scope, names, meta, &entry.location, main);
}

fn set(
    scope: &mut v8::PinScope<'_, '_>,
    names: Names,
    meta: v8::Local<'_, v8::Object>,
    url: &str,
    main: bool,
) -> Option<()> {
    let mut properties: Vec<(&str, v8::Local<'_, v8::Value>)> = Vec::with_capacity(5);
    properties.push(("main", v8::Boolean::new(scope, main).into()));
    let location = jsg::string(scope, url);
    properties.push(("url", location.into()));
    if url.starts_with("file:") {
        let (file, directory) = names.file(url);
        properties.push(("filename", jsg::string(scope, &file).into()));
        properties.push(("dirname", jsg::string(scope, &directory).into()));
    }
    let resolve = v8::Function::builder(resolve).data(location.into()).build(scope)?;
    properties.push(("resolve", resolve.into()));
    for (name, value) in properties {
        let name = jsg::string(scope, name);
        meta.create_data_property(scope, name.into(), value)?;
    }
    Some(())
}

/// `import.meta.resolve` of a module, whose URL is the function's data.
fn resolve<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    arguments: v8::FunctionCallbackArguments<'s>,
    mut rv: v8::ReturnValue<'s, v8::Value>,
) {
    match resolved(scope, &arguments) {
        Ok(url) => rv.set(url.into()),
        Err(error) => error.throw(scope),
    }
}

fn resolved<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    arguments: &v8::FunctionCallbackArguments<'s>,
) -> Result<v8::Local<'s, v8::String>> {
    if arguments.length() == 0 {
        return Err(Error::type_error("import.meta.resolve requires a specifier argument"));
    }
    let referrer = arguments.data().to_rust_string_lossy(scope);
    let specifier = arguments.get(0).to_string(scope).ok_or(Error::Pending)?.to_rust_string_lossy(scope);
    let url = node_name(&Isolate::of(scope), &specifier).or_else(|| Names::resolve_to_show(&referrer, &specifier));
    let url = url.ok_or_else(|| Error::type_error(format!("Invalid module specifier: {specifier}")))?;
    Ok(jsg::string(scope, &url))
}
