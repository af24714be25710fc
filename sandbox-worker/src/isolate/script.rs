//! What native code calls in the scripts of `js/`: every function is found when they have run, so that one that is missing
//! fails the start of a process and not the first request.
//!
//! A row of the table at the end is all that it takes to call another one. A table of `js/README.md` is made of the rows:
//! after a change run `BULKHEAD_REFRESH=1 cargo test --workspace --lib readme_of_the_scripts` and review the diff.

use jsg::{Error, Result};

/// A function that the scripts do not export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missing(&'static str);

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the built-in scripts export no function {}", self.0)
    }
}

/// Says which function is meant: a field of [`Script`].
pub(crate) type Export = fn(&Script) -> &v8::Global<v8::Function>;

/// The function itself, for what is a class or an original of V8's.
///
/// # Panics
///
/// If the scripts have not run yet.
pub(crate) fn function<'s>(scope: &mut v8::PinScope<'s, '_>, export: Export) -> v8::Local<'s, v8::Function> {
    let script = scope.get_slot::<Script>().expect("the built-in scripts have run");
    v8::Local::new(scope, export(script))
}

/// Calls a function of the scripts, without a receiver.
///
/// # Errors
///
/// Whatever it throws, and the end of script that is interrupted.
pub(crate) fn call<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    export: Export,
    arguments: &[v8::Local<'s, v8::Value>],
) -> Result<v8::Local<'s, v8::Value>> {
    let function = function(scope, export);
    let receiver = v8::undefined(scope).into();
    function.call(scope, receiver, arguments).ok_or(Error::Pending)
}

/// The name in what the documentation shows of a function.
pub(crate) fn name_of(shown: &'static str) -> &'static str {
    shown.split_once('(').map_or(shown, |(name, _)| name)
}

fn find<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    internal: v8::Local<'s, v8::Object>,
    shown: &'static str,
) -> std::result::Result<v8::Global<v8::Function>, Missing> {
    let name = name_of(shown);
    let key = jsg::string(scope, name);
    let value = internal.get(scope, key.into());
    let function = value.and_then(|value| v8::Local::<v8::Function>::try_from(value).ok()).ok_or(Missing(name))?;
    Ok(v8::Global::new(scope, function))
}

macro_rules! script {
    ($($field:ident = $shown:literal: $meaning:literal;)+) => {
        /// The functions; lives in an isolate slot.
        #[derive(Debug)]
        pub(crate) struct Script {
            $(#[doc = $meaning] pub(crate) $field: v8::Global<v8::Function>,)+
        }

        impl Script {
            /// How each function is called, and what it does.
            #[cfg(test)]
            pub(crate) const ROWS: &[(&str, &str)] = &[$(($shown, $meaning)),+];

            /// Finds all of them among what the scripts export.
            pub(crate) fn find<'s>(
                scope: &mut v8::PinScope<'s, '_>,
                internal: v8::Local<'s, v8::Object>,
            ) -> std::result::Result<Self, Missing> {
                Ok(Script { $($field: find(scope, internal, $shown)?),+ })
            }

            /// All of them in one value of scripts.
            pub(super) fn into_array<'s>(self, scope: &mut v8::PinScope<'s, '_>) -> v8::Local<'s, v8::Array> {
                let functions = [$(v8::Local::new(scope, self.$field).into()),+];
                v8::Array::new_with_elements(scope, &functions)
            }

            /// What [`Self::into_array`] was made of; `None` if it was not.
            pub(super) fn from_array(
                scope: &mut v8::PinScope<'_, '_>,
                array: v8::Local<'_, v8::Array>,
            ) -> Option<Self> {
                let mut indices = 0..array.length();
                let mut next = || {
                    let function = array.get_index(scope, indices.next()?)?;
                    let function = v8::Local::<v8::Function>::try_from(function).ok()?;
                    Some(v8::Global::new(scope, function))
                };
                Some(Script { $($field: next()?),+ })
            }
        }
    };
}

script! {
    new_native_stream = "newNativeStream(end, length, owner)":
        "byte stream over a native end, of that owner's (`ioOwner`), with its length or undefined. The end has `pull(maxBytes)`, which gives a non-empty Uint8Array that nobody else holds, undefined at the end, or a promise of `{ bytes }`, which inherits nothing, or of undefined; `maxBytes` is what a BYOB read wants, 0 for no limit. Never called while a call is pending; only when somebody reads. And `cancel()`, `tee()`, `pump(to, toItsEnd)`, `stopPump()`";
    native_end = "nativeEnd(s)":
        "the native end of a stream, if all that is left of it is there; else undefined";
    is_readable_stream = "isReadableStream(v)": "brand check";
    is_disturbed = "isDisturbed(s)": "whether it was read from or cancelled";
    is_locked = "isLocked(s)": "whether it has a reader";
    expected_length = "expectedLength(s)": "its length, undefined when unknown";
    check_owner = "checkOwner(s)":
        "the reference's Error if the stream does I/O, and is not of the current event's owner";
    acquire_reader = "acquireReader(s)":
        "locks; TypeError when locked. A reader is an opaque object that scripts do not see";
    read_chunks = "readChunks(reader, batch)":
        "gives `batch.push(bytes)` chunk by chunk as Uint8Arrays, of text its UTF-8, for as long as that returns true, also when they come later; then `batch.end()` or `batch.fail(reason)`. Anything else the stream yields cancels it and fails with the reference's TypeError";
    cancel_reader = "cancelReader(reader, reason)":
        "cancels the reader's stream; fulfilled when the reader is released";
    use_up = "useUp(s)": "has the stream as it is after it was read to its end, by a reader that nobody has";
    collect = "collect(s, limit, convert)":
        "promise of all bytes in one Uint8Array, or of what `convert` makes of it; more than `limit` bytes cancels and rejects. The stream stays locked";
    move_stream = "moveStream(s)": "a new object for what the stream is; `s` stays, locked and read to its end";
    used_stream = "usedStream()": "a stream that is locked and read to its end";
    tee = "tee(s)": "array of two streams";
    from_iterable = "fromIterable(iterable)": "`ReadableStream.from`";
    new_dom_exception = "newDOMException(message, name)": "a DOMException";
    exception_text = "exceptionText(v)":
        "the name and the message of a DOMException without running script, or undefined";
    error_constructor = "ErrorConstructor": "the original of `Error`";
    stack_getter = "stackGetter": "the original of what makes the text of a `stack`";
    script_name_of_site = "scriptNameOfSite": "the original of a call site's method";
    object_to_string = "objectToString": "the original of `Object.prototype.toString`";
    new_abort_signal = "newAbortSignal()": "an AbortSignal";
    is_abort_signal = "isAbortSignal(v)": "brand check";
    signal_abort = "signalAbort(s, reason)": "aborts the signal";
    signal_aborted = "signalAborted(s)": "whether the signal is aborted";
    signal_reason = "signalReason(s)": "why";
    when_aborted = "whenAborted(s)": "a promise that is rejected with the reason when the signal is aborted";
    has_listened = "hasListened()": "whether the global object has had a listener for events that reach workers";
    listens = "listens(type)": "whether the global object has listeners for events of this type";
    new_socket_to = "newSocketTo(to, address, options, name)":
        "a Socket that is connected by way of a `Fetcher`, or of what the global `fetch` goes to; `name` is in messages";
    route_address = "routeAddress(address, to, shown)":
        "has sockets that are to be connected to `address` connected to `shown`, by way of `to`, a `Fetcher`";
    accepted_socket = "acceptedSocket(end, remoteAddress, localAddress, startsTls)":
        "a Socket over the native end of a connection that somebody else has made";
    dispatch_connect = "dispatchConnect(socket, ctx)": "says that a script has no listeners for connections";
    dispatch_fetch = "dispatchFetch(request, ctx)":
        "delivers a fetch event; what `respondWith()` was given, or undefined";
    dispatch_scheduled = "dispatchScheduled(controller, ctx)": "delivers the event of a run of a schedule";
    dispatch_unhandled_rejection = "dispatchUnhandledRejection(promise, reason)":
        "whether a listener prevented the log";
    dispatch_rejection_handled = "dispatchRejectionHandled(promise)":
        "tells that a rejection which was delivered has been handled since";
    encode_into_result = "encodeIntoResult(read, written)": "what `TextEncoder.encodeInto` gives: script makes it faster";
    encode_ascii = "encodeAscii(text)": "the bytes of a short text in ASCII, else undefined: script makes small arrays in V8's heap";
    iterator_result = "iteratorResult(done, value)": "what `next` of an iterator over native pairs gives: script makes it faster";
    blob = "Blob": "the class";
    new_blob = "newBlob(bytes, type)": "a Blob that keeps `bytes`";
    is_blob = "isBlob(v)": "brand check";
    blob_bytes = "blobBytes(blob)": "its bytes, which are no copy; undefined for anything else";
    blob_type = "blobType(blob)": "its type";
    new_web_socket = "newWebSocket(end)": "a WebSocket over a native end";
    socket_end = "socketEnd(v)": "the native end of a WebSocket; undefined for anything else";
    dispatch_message = "dispatchMessage(socket, data)": "tells the listeners of a WebSocket of a message, a string or an ArrayBuffer that nobody else has; throws what one throws";
    dispatch_open = "dispatchOpen(socket)": "the same for its connection";
    dispatch_close = "dispatchClose(socket, code, reason, wasClean)": "the same for its end";
    dispatch_error = "dispatchError(socket, error, text)": "the same for what went wrong, and what that is in words";
    is_form_data = "isFormData(v)": "brand check";
    parse_form_data = "parseFormData(bytes, contentType)": "a FormData; TypeErrors in the reference's words";
    serialize_form_data = "serializeFormData(fd)": "`{ bytes, contentType }`";
    digest_stream = "DigestStream": "the class that `crypto.DigestStream` gives";
    upon = "upon(promise, onFulfilled, onRejected)": "`then` that no script can make fail";
    inherits_from = "inheritsFrom(object, ancestor)":
        "whether one object is on the prototype chain of another, which a proxy is asked for too";
    forget = "forget()":
        "script was interrupted: what it has left for the call that it was to make next is dropped";
    note_interfaces = "noteInterfaces(object)": "tells the console the native classes among an object's properties";
    internals = "internals()": "what the files have for each other, for built-in modules";
    start = "start()": "has every function that was given to `atStart` called";
    bind_flags = "bindFlags(places)":
        "switches on the flags that have these places in the table, and has every function that was given to `atBind` called";
}
