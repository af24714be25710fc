//! What an `unsafeEval` binding is: code from strings and bytes, where a worker's own `eval` and its kin are refused.

use std::borrow::Cow;

use jsg::{BufferSource, Error, FromJs, Place, Rest, Result};

use crate::isolate::eval::with_eval_allowed;

/// The class `UnsafeEval`; scripts cannot name it.
#[derive(jsg::Trace)]
pub(crate) struct UnsafeEval;

/// A buffer, which messages call otherwise than elsewhere.
struct ModuleBytes<'s>(BufferSource<'s>);

impl<'s> FromJs<'s> for ModuleBytes<'s> {
    fn expected() -> Cow<'static, str> {
        "ArrayBuffer or ArrayBufferView".into()
    }

    fn from_js(_: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
        let is_buffer = value.is_array_buffer() || value.is_array_buffer_view();
        if is_buffer { Ok(ModuleBytes(BufferSource(value))) } else { Err(place.mismatch(&Self::expected())) }
    }
}

#[jsg::class]
impl UnsafeEval {
    /// Runs a script, in which `eval` and its kin are allowed, and gives its last value.
    #[method]
    fn eval<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        script: String,
        name: Option<String>,
    ) -> Result<v8::Local<'s, v8::Value>> {
        let origin = origin(scope, name.as_deref().unwrap_or("eval"));
        let script = jsg::string(scope, &script);
        let script = v8::Script::compile(scope, script, Some(&origin)).ok_or(Error::Pending)?;
        with_eval_allowed(scope, |scope| script.run(scope)).ok_or(Error::Pending)
    }

    /// A function of this name with these parameters and this body.
    #[method]
    fn new_function<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        body: String,
        name: Option<String>,
        parameters: Rest<String>,
    ) -> Result<v8::Local<'s, v8::Value>> {
        let name = name.as_deref().unwrap_or("anonymous");
        let Some(function) = compile(scope, &body, name, &parameters.0)? else {
            return Ok(v8::undefined(scope).into());
        };
        function.set_name(jsg::string(scope, name));
        Ok(function.into())
    }

    /// Likewise an asynchronous function.
    #[method]
    fn new_async_function<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        body: String,
        name: Option<String>,
        parameters: Rest<String>,
    ) -> Result<v8::Local<'s, v8::Value>> {
        let name = name.as_deref().unwrap_or("anonymous");
        let parameters: String = parameters.0.iter().map(|parameter| format!("{parameter},")).collect();
        let text = format!("return async function {name}({parameters}) {{{body}}}");
        let Some(maker) = compile(scope, &text, name, &[])? else { return Ok(v8::undefined(scope).into()) };
        let receiver = v8::undefined(scope).into();
        maker.call(scope, receiver, &[]).ok_or(Error::Pending)
    }

    /// A WebAssembly module.
    #[method]
    fn new_wasm_module<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        bytes: ModuleBytes<'s>,
    ) -> Result<v8::Local<'s, v8::Value>> {
        let bytes = bytes.0.to_vec();
        let module = with_eval_allowed(scope, |scope| v8::WasmModuleObject::compile(scope, &bytes));
        module.map(Into::into).ok_or(Error::Pending)
    }
}

fn origin<'s>(scope: &mut v8::PinScope<'s, '_>, name: &str) -> v8::ScriptOrigin<'s> {
    let name = jsg::string(scope, name);
    v8::ScriptOrigin::new(scope, name.into(), 0, 0, false, 0, None, false, false, false, None)
}

/// `None`, as in the reference, where a parameter is no identifier: V8 makes no function then, and throws nothing.
fn compile<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    body: &str,
    name: &str,
    parameters: &[String],
) -> Result<Option<v8::Local<'s, v8::Function>>> {
    let origin = origin(scope, name);
    let body = jsg::string(scope, body);
    let mut source = v8::script_compiler::Source::new(body, Some(&origin));
    let parameters: Vec<_> = parameters.iter().map(|parameter| jsg::string(scope, parameter)).collect();
    v8::tc_scope!(let scope, scope);
    let function = v8::script_compiler::compile_function(
        scope,
        &mut source,
        &parameters,
        &[],
        v8::script_compiler::CompileOptions::NoCompileOptions,
        v8::script_compiler::NoCacheReason::NoReason,
    );
    if scope.has_caught() {
        scope.rethrow();
        return Err(Error::Pending);
    }
    Ok(function)
}
