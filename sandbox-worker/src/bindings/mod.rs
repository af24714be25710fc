//! Bindings: the values that the configuration gives a worker.
//!
//! A binding is made before the worker's code runs and lives longer than any event: none may hold what belongs to one.

use bulkhead_ipc::worker_capnp as wire;
use jsg::{Error, ToJs};

use crate::isolate::modules::StartupError;

/// Defines the bindings as properties of `target`.
pub(crate) fn bind_all<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    target: v8::Local<'s, v8::Object>,
    bindings: capnp::struct_list::Reader<'_, wire::binding::Owned>,
) -> Result<(), Result<StartupError, capnp::Error>> {
    for binding in bindings {
        v8::tc_scope!(let scope, scope);
        let name = binding.get_name().map_err(Err)?.to_string().map_err(|error| Err(error.into()))?;
        match binding_value(scope, binding).map_err(Err)? {
            Ok(value) => {
                let key = jsg::string(scope, &name);
                target.create_data_property(scope, key.into(), value);
            }
            Err(error) => {
                let exception = error.caught(scope);
                let described = crate::isolate::describe(scope, exception);
                let message = format!("Uncaught {}\n  in binding \"{name}\"", described.message);
                return Err(Ok(StartupError { message, stack: described.stack }));
            }
        }
    }
    Ok(())
}

fn binding_value<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    binding: wire::binding::Reader<'_>,
) -> Result<jsg::Result<v8::Local<'s, v8::Value>>, capnp::Error> {
    use wire::binding::Which;
    Ok(match binding.which()? {
        Which::Text(text) => text?.to_str()?.to_js(scope),
        Which::Data(bytes) => jsg::ArrayBufferBytes(bytes?.to_vec()).to_js(scope),
        Which::Json(text) => {
            let text = jsg::string(scope, text?.to_str()?);
            v8::json::parse(scope, text).ok_or(Error::Pending)
        }
        Which::WasmModule(bytes) => v8::WasmModuleObject::compile(scope, bytes?).map(Into::into).ok_or(Error::Pending),
    })
}
