//! `structuredClone` (HTML, "structured cloning API").

use std::cell::RefCell;

use bulkhead_ipc::compatibility::Flag;
use jsg::{Error, FromJs, Place, Result};
use v8::{ValueDeserializerHelper as _, ValueSerializerHelper as _};

use crate::isolate::{Isolate, script};

/// Errors keep their class, their stack and their own properties.
const ENHANCED_ERRORS: Flag = Flag::named("enhanced_error_serialization");

/// What stands before an object that V8 leaves to us.
mod tag {
    /// One that is complete.
    pub(super) const COPY: u32 = 1;
    /// An error whose properties follow.
    pub(super) const ERROR: u32 = 2;
}

fn data_clone_error(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::dom("DataCloneError", message)
}

/// What the serialized bytes refer to by number.
#[derive(Default)]
struct Shared {
    buffers: RefCell<Vec<v8::Global<v8::SharedArrayBuffer>>>,
    /// Objects of the clone that V8 does not make. They are made while the original is written, for V8 lets no script run, not
    /// even a constructor of ours, while it reads.
    objects: RefCell<Vec<v8::Global<v8::Object>>>,
}

impl Shared {
    fn add(&self, scope: &mut v8::PinScope<'_, '_>, object: v8::Local<'_, v8::Object>) -> u32 {
        let mut objects = self.objects.borrow_mut();
        objects.push(v8::Global::new(scope, object));
        // Each needs far more than a byte of memory: there are fewer than 2^32.
        (objects.len() - 1) as u32
    }
}

/// What `structuredClone` does with an object of a class; with an object of any other class of ours it throws.
#[derive(Clone, Copy)]
pub(super) enum Cloned {
    /// It throws, in words that fit every class.
    Not,
    /// It throws this.
    Refused(fn() -> Error),
    /// A copy of the object; `None` if it is not of the class.
    Copied(MakeCopy),
    /// A `DOMException`, of which the visible properties are copied.
    Exception,
}

/// Copies an object of a class; `None` for any other.
pub(super) type MakeCopy =
    for<'s> fn(&mut v8::PinScope<'s, '_>, v8::Local<'s, v8::Object>) -> Option<Result<v8::Local<'s, v8::Object>>>;

/// The classes of ours. The prototypes of those that built-in scripts made carry their numbers under a key that scripts have no
/// way to; objects of those in Rust say themselves what they are. In an isolate slot.
pub(super) struct Brands {
    key: v8::Global<v8::Private>,
    /// The prototype of plain objects.
    plain: v8::Global<v8::Value>,
    scripted: Vec<Cloned>,
    native: Vec<MakeCopy>,
}

impl Brands {
    /// Has the isolate know the classes in Rust whose objects are copied, and those of the scripts, by the numbers with which they
    /// are [marked](mark). Before scripts of tenants run.
    pub(super) fn install(scope: &mut v8::PinScope<'_, '_>, native: Vec<MakeCopy>, scripted: Vec<Cloned>) {
        let key = key(scope);
        let plain = v8::Object::new(scope).get_prototype(scope).expect("a new object has a prototype");
        let (key, plain) = (v8::Global::new(scope, key), v8::Global::new(scope, plain));
        scope.set_slot(Brands { key, plain, scripted, native });
    }
}

fn key<'s>(scope: &v8::PinScope<'s, '_>) -> v8::Local<'s, v8::Private> {
    let name = jsg::string(scope, "bulkhead:class");
    v8::Private::for_api(scope, Some(name))
}

/// Marks a class that a built-in script made.
pub(super) fn mark(scope: &mut v8::PinScope<'_, '_>, class: v8::Local<'_, v8::Object>, number: u32) {
    let key = key(scope);
    let name = jsg::string(scope, "prototype");
    let prototype = class.get(scope, name.into()).and_then(|value| v8::Local::<v8::Object>::try_from(value).ok());
    let number = v8::Integer::new_from_unsigned(scope, number).into();
    let marked = prototype.and_then(|prototype| prototype.set_private(scope, key, number));
    marked.expect("the prototype of a class can be marked");
}

/// What is done with objects of the nearest class of a script that the object is of. Nobody runs script by being asked for a prototype here: proxies are
/// refused by the serializer before.
fn class_of<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    object: v8::Local<'s, v8::Object>,
    plain: v8::Local<'_, v8::Value>,
) -> Option<Cloned> {
    let mut prototype = object.get_prototype(scope)?;
    // Nearly every object is asked for, and nearly every one is plain.
    if prototype == plain {
        return None;
    }
    let brands = scope.get_slot::<Brands>()?;
    let key = v8::Local::new(scope, &brands.key);
    // No class of ours is this deep; whoever makes a longer chain made it of their own objects.
    for _ in 0..16 {
        if prototype == plain || prototype.is_proxy() {
            return None;
        }
        let object = v8::Local::<v8::Object>::try_from(prototype).ok()?;
        if let Ok(number) = v8::Local::<v8::Uint32>::try_from(object.get_private(scope, key)?) {
            return scope.get_slot::<Brands>()?.scripted.get(number.value() as usize).copied();
        }
        prototype = object.get_prototype(scope)?;
    }
    None
}

/// Whether an object is a `DOMException`.
pub(super) fn is_dom_exception<'s>(scope: &mut v8::PinScope<'s, '_>, object: v8::Local<'s, v8::Object>) -> bool {
    let Some(plain) = scope.get_slot::<Brands>().map(|brands| brands.plain.clone()) else { return false };
    let plain = v8::Local::new(scope, plain);
    !object.is_proxy() && matches!(class_of(scope, object, plain), Some(Cloned::Exception))
}

/// A copy of an object of a class in Rust; `None` if its class has none.
fn copy_native<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    object: v8::Local<'s, v8::Object>,
) -> Option<Result<v8::Local<'s, v8::Object>>> {
    let mut number = 0;
    loop {
        let copy = *scope.get_slot::<Brands>()?.native.get(number)?;
        if let Some(copied) = copy(scope, object) {
            return Some(copied);
        }
        number += 1;
    }
}

struct Writer<'a> {
    shared: &'a Shared,
    enhanced_errors: bool,
    /// The prototype of plain objects.
    plain: v8::Local<'a, v8::Value>,
}

/// What an object is to the serializer.
enum Sort {
    /// V8 serializes it.
    Plain,
    Error,
    /// An object of a class that a built-in script made.
    Scripted(Cloned),
    /// An object of a native class.
    Native,
}

impl Writer<'_> {
    fn sort<'s>(&self, scope: &mut v8::PinScope<'s, '_>, object: v8::Local<'s, v8::Object>) -> Sort {
        if object.is_api_wrapper() {
            return Sort::Native;
        }
        match class_of(scope, object, self.plain) {
            Some(cloned) => Sort::Scripted(cloned),
            None if object.is_native_error() && self.enhanced_errors => Sort::Error,
            None => Sort::Plain,
        }
    }

    /// Writes an object that is copied as a whole.
    fn write_copy<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        copied: Result<v8::Local<'s, v8::Object>>,
        serializer: &dyn v8::ValueSerializerHelper,
    ) -> Option<bool> {
        match copied {
            Ok(copy) => {
                serializer.write_uint32(tag::COPY);
                serializer.write_uint32(self.shared.add(scope, copy));
                Some(true)
            }
            Err(error) => {
                error.throw(scope);
                None
            }
        }
    }
}

/// A copy of a `Blob`.
pub(super) fn copy_blob<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    blob: v8::Local<'s, v8::Object>,
) -> Result<v8::Local<'s, v8::Object>> {
    let bytes = script::call(scope, |script| &script.blob_bytes, &[blob.into()])?;
    let copy = if bytes.is_undefined() {
        // Of its class by its prototype only.
        v8::Object::new(scope).into()
    } else {
        let content_type = script::call(scope, |script| &script.blob_type, &[blob.into()])?;
        script::call(scope, |script| &script.new_blob, &[bytes, content_type])?
    };
    v8::Local::<v8::Object>::try_from(copy).map_err(|_| Error::Pending)
}

/// What stands for an object with a body in an exception: its stream is what cannot be cloned.
pub(super) fn no_bodies() -> Error {
    data_clone_error("ReadableStream can only be serialized for RPC.")
}

/// The same for what is written to.
pub(super) fn no_sinks() -> Error {
    data_clone_error("WritableStream can only be serialized for RPC.")
}

/// What the reference says of a response to the handshake of a WebSocket.
pub(super) fn no_sockets() -> Error {
    data_clone_error("Could not serialize object of type \"WebSocket\". This type does not support serialization.")
}

/// The exception for an `AbortSignal`, and for what has one.
pub(super) fn no_signals() -> Error {
    data_clone_error("AbortSignal serialization is not enabled.")
}

impl v8::ValueSerializerImpl for Writer<'_> {
    fn throw_data_clone_error<'s>(&self, scope: &mut v8::PinScope<'s, '_>, message: v8::Local<'s, v8::String>) {
        let message = message.to_rust_string_lossy(scope);
        data_clone_error(message).throw(scope);
    }

    fn has_custom_host_object(&self, _: &v8::Isolate) -> bool {
        true
    }

    fn is_host_object<'s>(&self, scope: &mut v8::PinScope<'s, '_>, object: v8::Local<'s, v8::Object>) -> Option<bool> {
        jsg::check(scope).ok()?;
        Some(!matches!(self.sort(scope, object), Sort::Plain))
    }

    fn write_host_object<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        object: v8::Local<'s, v8::Object>,
        serializer: &dyn v8::ValueSerializerHelper,
    ) -> Option<bool> {
        let context = scope.get_current_context();
        match self.sort(scope, object) {
            Sort::Scripted(Cloned::Exception) => {
                let text = |scope: &mut v8::PinScope<'s, '_>, name: &str| {
                    let key = jsg::string(scope, name);
                    object.get(scope, key.into())?.to_string(scope)
                };
                let message = text(scope, "message")?;
                let name = text(scope, "name")?;
                let stack = text(scope, "stack")?;
                let hook = scope.get_slot::<jsg::Hooks>().and_then(|hooks| hooks.new_dom_exception.clone())?;
                let hook = v8::Local::new(scope, hook);
                let receiver = v8::undefined(scope).into();
                let exception = hook.call(scope, receiver, &[message.into(), name.into()])?;
                let exception = v8::Local::<v8::Object>::try_from(exception).ok()?;
                define(scope, exception, "stack", stack.into());
                serializer.write_uint32(tag::COPY);
                serializer.write_uint32(self.shared.add(scope, exception));
                Some(true)
            }
            Sort::Error => {
                let key = jsg::string(scope, "name");
                let name = object.get(scope, key.into())?.to_string(scope)?.to_rust_string_lossy(scope);
                let empty = v8::String::empty(scope);
                let error = new_error(scope, &name, empty)?;
                if !BUILT_IN_ERRORS.contains(&name.as_str()) {
                    // An inherited name would be lost with its class; one of the error's own follows below.
                    let name = jsg::string(scope, &name);
                    define(scope, error, "name", name.into());
                }
                serializer.write_uint32(tag::ERROR);
                serializer.write_uint32(self.shared.add(scope, error));
                // Every own property with a text for a key, enumerable or not.
                let arguments = v8::GetPropertyNamesArgs {
                    mode: v8::KeyCollectionMode::OwnOnly,
                    property_filter: v8::PropertyFilter::SKIP_SYMBOLS,
                    index_filter: v8::IndexFilter::IncludeIndices,
                    key_conversion: v8::KeyConversionMode::ConvertToString,
                };
                let keys = object.get_own_property_names(scope, arguments)?;
                serializer.write_uint32(keys.length());
                for index in 0..keys.length() {
                    let key = keys.get_index(scope, index)?;
                    let value = object.get(scope, key)?;
                    if !value.is_string() && key.to_rust_string_lossy(scope) == "message" {
                        data_clone_error("Deserialization failed: error message is not a string").throw(scope);
                        return None;
                    }
                    serializer.write_value(context, key)?;
                    serializer.write_value(context, value)?;
                }
                Some(true)
            }
            Sort::Scripted(Cloned::Refused(refusal)) => {
                refusal().throw(scope);
                None
            }
            sort @ (Sort::Plain | Sort::Scripted(_) | Sort::Native) => {
                let copied = match sort {
                    Sort::Scripted(Cloned::Copied(copy)) => copy(scope, object),
                    Sort::Native => copy_native(scope, object),
                    _ => None,
                };
                let copied = copied.unwrap_or_else(|| {
                    let name = object.get_constructor_name().to_rust_string_lossy(scope);
                    Err(data_clone_error(format!(
                        "Could not serialize object of type \"{name}\". This type does not support serialization."
                    )))
                });
                self.write_copy(scope, copied, serializer)
            }
        }
    }

    fn get_shared_array_buffer_id<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        buffer: v8::Local<'s, v8::SharedArrayBuffer>,
    ) -> Option<u32> {
        let mut buffers = self.shared.buffers.borrow_mut();
        buffers.push(v8::Global::new(scope, buffer));
        u32::try_from(buffers.len() - 1).ok()
    }

    fn get_wasm_module_transfer_id(
        &self,
        scope: &mut v8::PinScope<'_, '_>,
        _: v8::Local<'_, v8::WasmModuleObject>,
    ) -> Option<u32> {
        data_clone_error("WebAssembly.Module can not be cloned.").throw(scope);
        None
    }
}

struct Reader<'a> {
    shared: &'a Shared,
}

impl v8::ValueDeserializerImpl for Reader<'_> {
    fn read_host_object<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        deserializer: &dyn v8::ValueDeserializerHelper,
    ) -> Option<v8::Local<'s, v8::Object>> {
        let context = scope.get_current_context();
        let (mut kind, mut number, mut count) = (0, 0, 0);
        if !deserializer.read_uint32(&mut kind) || !deserializer.read_uint32(&mut number) {
            return None;
        }
        let error = {
            let objects = self.shared.objects.borrow();
            v8::Local::new(scope, objects.get(number as usize)?)
        };
        if kind == tag::COPY {
            return Some(error);
        }
        if kind != tag::ERROR || !deserializer.read_uint32(&mut count) {
            return None;
        }
        for _ in 0..count {
            let key = deserializer.read_value(context)?;
            let value = deserializer.read_value(context)?;
            match key.to_rust_string_lossy(scope).as_str() {
                key @ ("stack" | "message") => define(scope, error, key, value),
                _ => {
                    let key = v8::Local::<v8::Name>::try_from(key).ok()?;
                    error.create_data_property(scope, key, value)?;
                }
            }
        }
        Some(error)
    }

    fn get_shared_array_buffer_from_id<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        id: u32,
    ) -> Option<v8::Local<'s, v8::SharedArrayBuffer>> {
        let buffers = self.shared.buffers.borrow();
        let original = v8::Local::new(scope, buffers.get(id as usize)?);
        let store = original.get_backing_store();
        let buffer = v8::SharedArrayBuffer::with_backing_store(scope, &store);
        if let Err(error) = jsg::count_resizable(scope, buffer.into()) {
            error.throw(scope);
            return None;
        }
        Some(buffer)
    }
}

/// Defines a property that enumeration does not show.
fn define<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    object: v8::Local<'s, v8::Object>,
    name: &str,
    value: v8::Local<'s, v8::Value>,
) {
    let key = jsg::string(scope, name);
    object.define_own_property(scope, key.into(), value, v8::PropertyAttribute::DONT_ENUM);
}

pub(super) const BUILT_IN_ERRORS: &[&str] = &[
    "Error",
    "TypeError",
    "RangeError",
    "SyntaxError",
    "ReferenceError",
    "EvalError",
    "URIError",
    "AggregateError",
    "SuppressedError",
];

/// A new error of the built-in class with this name; `Error` where none has it.
pub(super) fn new_error<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    name: &str,
    message: v8::Local<'s, v8::String>,
) -> Option<v8::Local<'s, v8::Object>> {
    let error = match name {
        "TypeError" => v8::Exception::type_error(scope, message),
        "RangeError" => v8::Exception::range_error(scope, message),
        "SyntaxError" => v8::Exception::syntax_error(scope, message),
        "ReferenceError" => v8::Exception::reference_error(scope, message),
        "EvalError" | "URIError" | "AggregateError" | "SuppressedError" => {
            // The embedder's interface has no maker for these: their constructors are asked.
            let global = scope.get_current_context().global(scope);
            let key = jsg::string(scope, name);
            let class = global.get(scope, key.into())?;
            let prototype_key = jsg::string(scope, "prototype");
            let prototype = v8::Local::<v8::Object>::try_from(class).ok()?.get(scope, prototype_key.into())?;
            let error = v8::Local::<v8::Object>::try_from(v8::Exception::error(scope, message)).ok()?;
            error.set_prototype(scope, prototype)?;
            return Some(error);
        }
        _ => v8::Exception::error(scope, message),
    };
    v8::Local::<v8::Object>::try_from(error).ok()
}

/// The options of `structuredClone`.
#[derive(Default)]
struct StructuredCloneOptions<'s> {
    transfer: Vec<v8::Local<'s, v8::Value>>,
}

impl<'s> FromJs<'s> for StructuredCloneOptions<'s> {
    fn expected() -> std::borrow::Cow<'static, str> {
        "StructuredCloneOptions".into()
    }

    fn from_js(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>, place: Place<'_>) -> Result<Self> {
        if value.is_null() {
            return Ok(Self::default());
        }
        let object = v8::Local::<v8::Object>::try_from(value).map_err(|_| place.mismatch(&Self::expected()))?;
        let key = jsg::string(scope, "transfer");
        let list = object.get(scope, key.into()).ok_or(Error::Pending)?;
        if list.is_undefined() {
            return Ok(Self::default());
        }
        let place = Place::Member("StructuredCloneOptions", "transfer");
        let list = v8::Local::<v8::Array>::try_from(list).map_err(|_| place.mismatch("Array"))?;
        let mut transfer = Vec::new();
        for index in 0..list.length() {
            jsg::check(scope)?;
            transfer.push(list.get_index(scope, index).ok_or(Error::Pending)?);
        }
        Ok(StructuredCloneOptions { transfer })
    }
}

/// What stands before a resizable `ArrayBuffer` in V8's format, among other things.
const RESIZABLE_TAG: u8 = b'~';

/// Counts the resizable buffers that V8 has made for a clone. It tells nobody when it does, so they are looked for. No script
/// runs: a clone has neither getters nor proxies.
fn count_copies<'s>(scope: &mut v8::PinScope<'s, '_>, clone: v8::Local<'s, v8::Value>) -> Result<()> {
    let seen = v8::Set::new(scope);
    let mut left = vec![clone];
    while let Some(value) = left.pop() {
        jsg::check(scope)?;
        let Ok(object) = v8::Local::<v8::Object>::try_from(value) else { continue };
        if seen.has(scope, value).ok_or(Error::Pending)? {
            continue;
        }
        seen.add(scope, value).ok_or(Error::Pending)?;
        if let Ok(view) = v8::Local::<v8::ArrayBufferView>::try_from(value) {
            left.extend(view.buffer(scope).map(v8::Local::<v8::Value>::from));
        } else if value.is_array_buffer() {
            // One that is shared is known since it was made anew.
            jsg::count_resizable(scope, value)?;
        } else if let Ok(map) = v8::Local::<v8::Map>::try_from(value) {
            left.push(map.as_array(scope).into());
        } else if let Ok(set) = v8::Local::<v8::Set>::try_from(value) {
            left.push(set.as_array(scope).into());
        } else {
            let names =
                object.get_own_property_names(scope, v8::GetPropertyNamesArgs::default()).ok_or(Error::Pending)?;
            for index in 0..names.length() {
                let name = names.get_index(scope, index).ok_or(Error::Pending)?;
                left.push(object.get(scope, name).ok_or(Error::Pending)?);
            }
        }
    }
    Ok(())
}

/// Clones a value, moving the buffers of `transfer` into the clone.
fn clone<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    value: v8::Local<'s, v8::Value>,
    transfer: &[v8::Local<'s, v8::Value>],
) -> Result<v8::Local<'s, v8::Value>> {
    let mut buffers: Vec<v8::Local<'s, v8::ArrayBuffer>> = Vec::new();
    for value in transfer {
        let Ok(buffer) = v8::Local::<v8::ArrayBuffer>::try_from(*value) else {
            return Err(Error::type_error("Object is not transferable"));
        };
        if !buffer.is_detachable() {
            return Err(data_clone_error("Object is not transferable."));
        }
        if !buffers.contains(&buffer) {
            buffers.push(buffer);
        }
    }
    let context = scope.get_current_context();
    let shared = Shared::default();
    let enhanced_errors = Isolate::of(scope).flags().is_on(ENHANCED_ERRORS);
    let plain = scope.get_slot::<Brands>().map(|brands| brands.plain.clone()).expect("the classes are known");
    let plain = v8::Local::new(scope, plain);
    let serializer = v8::ValueSerializer::new(scope, Box::new(Writer { shared: &shared, enhanced_errors, plain }));
    serializer.write_header();
    for (index, buffer) in buffers.iter().enumerate() {
        serializer.transfer_array_buffer(index as u32, *buffer);
    }
    if serializer.write_value(context, value) != Some(true) {
        return Err(Error::Pending);
    }
    let bytes = serializer.release();
    let deserializer = v8::ValueDeserializer::new(scope, Box::new(Reader { shared: &shared }), &bytes);
    for (index, buffer) in buffers.iter().enumerate() {
        let store = buffer.get_backing_store();
        buffer.detach(None).ok_or(Error::Pending)?;
        let moved = v8::ArrayBuffer::with_backing_store(scope, &store);
        jsg::count_resizable(scope, moved.into())?;
        deserializer.transfer_array_buffer(index as u32, moved);
    }
    read(scope, &deserializer, &bytes)
}

/// Reads what a deserializer was given: `bytes`.
fn read<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    deserializer: &v8::ValueDeserializer<'_>,
    bytes: &[u8],
) -> Result<v8::Local<'s, v8::Value>> {
    let context = scope.get_current_context();
    v8::tc_scope!(let scope, scope);
    let result = match deserializer.read_header(context) {
        Some(true) => deserializer.read_value(context),
        _ => None,
    };
    match result {
        Some(value) => {
            if jsg::has_resizable() && bytes.contains(&RESIZABLE_TAG) {
                count_copies(scope, value)?;
            }
            Ok(value)
        }
        None if scope.has_caught() => {
            scope.rethrow();
            Err(Error::Pending)
        }
        None => Err(Error::error("Unable to deserialize cloned data.")),
    }
}

/// Writes what can be read again in another process: plain objects, and what V8 itself knows.
struct PlainWriter<'a> {
    /// The prototype of plain objects.
    plain: v8::Local<'a, v8::Value>,
}

impl v8::ValueSerializerImpl for PlainWriter<'_> {
    fn throw_data_clone_error<'s>(&self, scope: &mut v8::PinScope<'s, '_>, message: v8::Local<'s, v8::String>) {
        let message = message.to_rust_string_lossy(scope);
        data_clone_error(message).throw(scope);
    }

    fn has_custom_host_object(&self, _: &v8::Isolate) -> bool {
        true
    }

    fn is_host_object<'s>(&self, scope: &mut v8::PinScope<'s, '_>, object: v8::Local<'s, v8::Object>) -> Option<bool> {
        jsg::check(scope).ok()?;
        let is_plain = object.is_native_error() || object.get_prototype(scope)? == self.plain;
        Some(object.is_api_wrapper() || !is_plain)
    }

    fn write_host_object<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        object: v8::Local<'s, v8::Object>,
        _: &dyn v8::ValueSerializerHelper,
    ) -> Option<bool> {
        let name = object.get_constructor_name().to_rust_string_lossy(scope);
        let text = format!("Could not serialize object of type \"{name}\". This type does not support serialization.");
        data_clone_error(text).throw(scope);
        None
    }

    fn get_shared_array_buffer_id<'s>(
        &self,
        scope: &mut v8::PinScope<'s, '_>,
        _: v8::Local<'s, v8::SharedArrayBuffer>,
    ) -> Option<u32> {
        data_clone_error("A SharedArrayBuffer cannot be serialized.").throw(scope);
        None
    }

    fn get_wasm_module_transfer_id(
        &self,
        scope: &mut v8::PinScope<'_, '_>,
        _: v8::Local<'_, v8::WasmModuleObject>,
    ) -> Option<u32> {
        data_clone_error("WebAssembly.Module can not be cloned.").throw(scope);
        None
    }
}

struct PlainReader;

impl v8::ValueDeserializerImpl for PlainReader {}

/// Serializes a value for another event of this worker, which may run in another process.
///
/// # Errors
/// A part of it is neither plain nor known to V8, or a getter throws.
pub(super) fn serialize<'s>(scope: &mut v8::PinScope<'s, '_>, value: v8::Local<'s, v8::Value>) -> Result<Vec<u8>> {
    let context = scope.get_current_context();
    let plain = scope.get_slot::<Brands>().map(|brands| brands.plain.clone()).expect("the classes are known");
    let plain = v8::Local::new(scope, plain);
    let serializer = v8::ValueSerializer::new(scope, Box::new(PlainWriter { plain }));
    serializer.write_header();
    match serializer.write_value(context, value) {
        Some(true) => Ok(serializer.release()),
        _ => Err(Error::Pending),
    }
}

/// Reads what [`serialize`] has written.
///
/// # Errors
/// It has not.
pub(super) fn deserialize<'s>(scope: &mut v8::PinScope<'s, '_>, bytes: &[u8]) -> Result<v8::Local<'s, v8::Value>> {
    let deserializer = v8::ValueDeserializer::new(scope, Box::new(PlainReader), bytes);
    read(scope, &deserializer, bytes)
}

/// Functions of the global object.
#[derive(jsg::Trace, Debug)]
pub(super) struct CloneFunctions;

#[jsg::class(name = "ServiceWorkerGlobalScope")]
impl CloneFunctions {
    #[static_method]
    fn structured_clone<'s>(
        scope: &mut v8::PinScope<'s, '_>,
        value: v8::Local<'s, v8::Value>,
        options: Option<StructuredCloneOptions<'s>>,
    ) -> Result<v8::Local<'s, v8::Value>> {
        clone(scope, value, &options.unwrap_or_default().transfer)
    }
}
