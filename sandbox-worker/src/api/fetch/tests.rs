//! `Headers`, `Body`, `Request` and `Response` on the wire. Beside the reference they are in `tests/differential/`.

use std::{cell::RefCell, future::poll_fn, io::Read as _, pin::Pin, rc::Rc, task::Poll, time::Duration};

use bulkhead_ipc::worker_capnp::{BodyEnd, byte_source, header, http_request, http_response};
use capnp::message::HeapAllocator;
use capnp_rpc::ImbuedMessageBuilder;
use futures::FutureExt as _;

use super::wire;
use crate::{
    api::execution_context,
    io::{Event, IoContext, JsFuture, Outlet, Settled, js_future},
    isolate::{Isolate, describe},
    testing::with_isolate,
};

/// A message that may hold capabilities.
type Message = ImbuedMessageBuilder<HeapAllocator>;

/// Runs a script that gives a promise.
fn start(scope: &mut v8::PinScope<'_, '_>, source: &str) -> JsFuture {
    v8::tc_scope!(let scope, scope);
    let text = v8::String::new(scope, source).expect("the script is short");
    let value = v8::Script::compile(scope, text, None).and_then(|script| script.run(scope));
    let Some(value) = value else {
        let exception = scope.exception().expect("there was an exception");
        panic!("{source}: {}", describe(scope, exception).message);
    };
    js_future(scope, v8::Local::<v8::Promise>::try_from(value).expect("the script gives a promise"))
}

/// Waits for a future, with the tasks of the event running.
async fn drive<T>(event: &Rc<Event>, future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    poll_fn(|cx| {
        let _ = event.context().poll_tasks(cx);
        future.as_mut().poll(cx)
    })
    .await
}

/// As [`drive`], where nothing runs in between if the handler is done when its microtasks are.
async fn answered(event: &Rc<Event>, mut promise: JsFuture) -> Settled {
    match (&mut promise).now_or_never() {
        Some(settled) => settled,
        None => drive(event, promise).await,
    }
}

/// The value of a promise as text.
async fn settle(event: &Rc<Event>, promise: JsFuture) -> String {
    let settled = drive(event, promise).await;
    event.isolate().enter(|scope| match settled {
        Ok(value) => v8::Local::new(scope, value).to_rust_string_lossy(scope),
        Err(reason) => {
            let reason = v8::Local::new(scope, reason);
            format!("rejected: {}", describe(scope, reason).message)
        }
    })
}

fn set_global<'s>(scope: &mut v8::PinScope<'s, '_>, name: &str, value: v8::Local<'s, v8::Object>) {
    let key = jsg::string(scope, name);
    let global = scope.get_current_context().global(scope);
    global.set(scope, key.into(), value.into());
}

/// The message of a request like the supervisor's.
fn message(method: &str, body: impl FnOnce(http_request::Builder<'_>)) -> Message {
    let mut message = Message::new(HeapAllocator::new());
    let mut builder = message.get_root::<http_request::Builder<'_>>().expect("the message is empty");
    builder.set_method(method);
    builder.set_url("http://example.com/x?y=z");
    builder.set_cf_json(r#"{"clientIp":{"a":[1]}}"#);
    let headers: [(&str, &[u8]); 3] = [("Host", b"example.com"), ("X-A", b"1"), ("x-a", b"\xff2")];
    bulkhead_ipc::head::write(builder.reborrow().init_headers(3), headers);
    body(builder);
    message
}

/// Makes `request` and `ctx` globals of the event.
async fn begin(isolate: Rc<Isolate>, message: &mut Message) -> Rc<Event> {
    let event = Event::new(IoContext::new(isolate), Outlet::default(), None);
    let set = |scope: &mut v8::PinScope<'_, '_>| {
        let reader = message.get_root::<http_request::Builder<'_>>().expect("it has a root").into_reader();
        let request = wire::from_wire(scope, &event, reader).expect("it is valid").expect("it can be made");
        set_global(scope, "request", request);
        let ctx =
            execution_context::execution_context(scope, execution_context::Props::Json("")).expect("it can be made");
        set_global(scope, "ctx", ctx);
    };
    event.run(set).await;
    event
}

/// A body at the supervisor's side: chunks, then the end or a failure.
struct Source {
    chunks: RefCell<Vec<Vec<u8>>>,
    fails: bool,
    log: Rc<RefCell<Vec<String>>>,
}

impl byte_source::Server for Source {
    async fn pull(
        self: Rc<Self>,
        params: byte_source::PullParams,
        mut results: byte_source::PullResults,
    ) -> Result<(), capnp::Error> {
        tokio::task::yield_now().await;
        let max_bytes = params.get()?.get_max_bytes() as usize;
        let mut chunks = self.chunks.borrow_mut();
        if chunks.is_empty() && self.fails {
            return Err(capnp::Error::failed("gone".into()));
        }
        let mut chunk = if chunks.is_empty() { Vec::new() } else { chunks.remove(0) };
        if chunk.len() > max_bytes {
            chunks.insert(0, chunk.split_off(max_bytes));
        }
        self.log.borrow_mut().push(format!("pull {}", chunk.len()));
        let mut results = results.get();
        results.set_bytes(&chunk);
        results.set_done(chunks.is_empty() && !self.fails);
        Ok(())
    }

    async fn closed(
        self: Rc<Self>,
        _: byte_source::ClosedParams,
        mut results: byte_source::ClosedResults,
    ) -> Result<(), capnp::Error> {
        self.log.borrow_mut().push("closed?".into());
        while !self.chunks.borrow().is_empty() {
            tokio::task::yield_now().await;
        }
        results.get().set_end(if self.fails { BodyEnd::Broken } else { BodyEnd::Drained });
        Ok(())
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.log.borrow_mut().push("dropped".into());
    }
}

type Log = Rc<RefCell<Vec<String>>>;

/// A POST whose body is pulled.
fn streamed(chunks: &[&str], fails: bool, length: Option<u64>) -> (Message, Log) {
    let log = Log::default();
    let chunks = chunks.iter().map(|chunk| chunk.as_bytes().to_vec()).collect();
    let source = Source { chunks: RefCell::new(chunks), fails, log: log.clone() };
    let message = message("POST", |mut builder| {
        builder.set_body_length(length.unwrap_or(u64::MAX));
        builder.init_body().set_stream(capnp_rpc::new_client(source));
    });
    (message, log)
}

/// What a script makes of a streamed request.
fn consume(chunks: &[&str], fails: bool, script: &str) -> String {
    with_isolate(async |isolate| {
        let (mut message, _) = streamed(chunks, fails, None);
        let event = begin(isolate, &mut message).await;
        let promise = event.run(|scope| start(scope, script)).await;
        settle(&event, promise).await
    })
}

#[test]
fn incoming_requests() {
    let seen = |script: &str| {
        with_isolate(async |isolate| {
            let mut message = message("PUT", |builder| builder.init_body().set_bytes(b"{\"a\":[1]}"));
            let event = begin(isolate, &mut message).await;
            let promise = event.run(|scope| start(scope, &format!("(async () => ({script}))()"))).await;
            settle(&event, promise).await
        })
    };
    assert_eq!(seen("request.method + request.url"), "PUThttp://example.com/x?y=z");
    assert_eq!(seen("JSON.stringify([...request.headers])"), r#"[["host","example.com"],["x-a","1, �2"]]"#);
    assert_eq!(seen("JSON.stringify(await request.json())"), r#"{"a":[1]}"#);
    assert_eq!(seen("request.clone().text()"), r#"{"a":[1]}"#);
    assert_eq!(
        seen("Object.isFrozen(request.cf.clientIp.a) && request.cf === request.cf && request.cf.clientIp.a.length"),
        "1"
    );
    assert_eq!(seen("request.bodyUsed + ' ' + (await request.text(), request.bodyUsed)"), "false true");
}

#[test]
fn a_request_body_is_pulled() {
    let chunks = ["ab", "c", "\u{e9}"];
    assert_eq!(consume(&chunks, false, "request.text()"), "abc\u{e9}");
    assert_eq!(consume(&chunks, false, "request.body; request.text()"), "abc\u{e9}");
    assert_eq!(consume(&[], false, "request.text()"), "");
    assert_eq!(consume(&chunks, false, "request.bytes().then(b => b.length)"), "5");
    assert_eq!(
        consume(
            &chunks,
            false,
            "(async () => { let n = 0; for await (const c of request.body) n += c.length; return n })()"
        ),
        "5"
    );
    assert_eq!(
        consume(
            &chunks,
            false,
            "(async () => { const c = request.clone(); return await c.text() + await request.text() })()"
        ),
        "abc\u{e9}abc\u{e9}"
    );
    assert_eq!(
        consume(
            &chunks,
            false,
            "(async () => { const r = new Request(request); return request.bodyUsed + await r.text() })()"
        ),
        "trueabc\u{e9}"
    );
    assert_eq!(
        consume(&["x"], false, "(async () => { request.text(); return await request.text() })()"),
        "rejected: TypeError: Body has already been used. It can only be used once. Use tee() first if you need to read it twice."
    );
}

#[test]
fn no_script_runs_between_the_pulls_of_a_body_and_its_text() {
    let hijack = "Object.prototype.then = function (resolve) { delete Object.prototype.then; resolve('hijacked') }; \
                  Object.defineProperty(Promise.prototype, 'constructor', { get() { throw new Error('asked') } });";
    for text in [
        "request.text()",
        "(request.body, request.text())",
        "new Response(request.body).text()",
        "request.clone().text()",
        "new Response(request.body.pipeThrough(new TransformStream())).text()",
    ] {
        assert_eq!(consume(&["ab", "c"], false, &format!("{hijack} {text}")), "abc", "{text}");
    }
}

#[test]
fn a_body_that_was_read_stays_used() {
    let used = "Body has already been used. It can only be used once. Use tee() first if you need to read it twice.";
    let seen = |step: &str| {
        let script = format!(
            "(async () => {{ const body = request.body; await request.text(); const out = [request.bodyUsed, \
             body.locked, request.body === body]; try {{ out.push(await ({step})) }} catch (error) {{ \
             out.push(error.message) }} return out.concat(request.bodyUsed).join() }})()"
        );
        consume(&["ab", "c"], false, &script)
    };
    let locked = "This ReadableStream is currently locked to a reader";
    assert_eq!(seen("request.clone()"), format!("true,true,true,{locked},,true"));
    assert_eq!(seen("request.arrayBuffer()"), format!("true,true,true,{used},true"));
    assert_eq!(seen("new Request(request)"), "true,true,true,Cannot reconstruct a Request with a used body.,true");
    assert_eq!(seen("body.getReader()"), format!("true,true,true,{locked}.,true"));
    // Read in part, with nobody reading it: the standard refuses a copy of what is left.
    let partial = "(async () => { const reader = request.body.getReader(); await reader.read(); reader.releaseLock(); \
                   request.clone() })()";
    assert_eq!(consume(&["ab", "c"], false, partial), format!("rejected: TypeError: {used}"));
}

#[test]
fn a_request_body_that_breaks_rejects() {
    assert_eq!(consume(&["ab"], true, "request.text()"), "rejected: Error: Network connection lost.");
    assert_eq!(consume(&["ab"], true, "request.body; request.text()"), "rejected: Error: Network connection lost.");
}

#[test]
fn cancelling_a_request_body_lets_go_of_it() {
    with_isolate(async |isolate| {
        let (mut message, log) = streamed(&["ab", "cd"], false, None);
        let event = begin(isolate, &mut message).await;
        drop(message);
        let promise = event.run(|scope| start(scope, "request.body.cancel().then(() => 'cancelled')")).await;
        assert_eq!(settle(&event, promise).await, "cancelled");
        assert_eq!(*log.borrow(), ["dropped"]);
    });
}

#[test]
fn a_request_body_ends_with_its_event() {
    with_isolate(async |isolate| {
        let (mut message, log) = streamed(&["ab", "cd"], false, None);
        let event = begin(isolate, &mut message).await;
        drop(message);
        event.run(|scope| start(scope, "globalThis.kept = request; Promise.resolve(kept.body)")).await;
        assert!(log.borrow().is_empty());
        drop(event);
        assert_eq!(*log.borrow(), ["dropped"]);
    });
}

/// A reply, as the supervisor would see it.
#[derive(Debug, PartialEq, Eq)]
struct Reply {
    status: u16,
    headers: String,
    body: Result<String, String>,
    length: Option<u64>,
    /// Whether the event had to be kept for the body.
    produced: bool,
    pulls: Vec<String>,
    /// The body where it was pulled.
    bytes: Vec<u8>,
}

impl Default for Reply {
    fn default() -> Self {
        let (headers, pulls, bytes) = Default::default();
        Reply { status: 0, headers, body: Ok(String::new()), length: None, produced: false, pulls, bytes }
    }
}

async fn pull(client: &byte_source::Client, max_bytes: u32) -> Result<(Vec<u8>, bool), String> {
    let mut request = client.pull_request();
    request.get().set_max_bytes(max_bytes);
    let response = request.send().promise.await.map_err(|error| error.extra)?;
    let results = response.get().expect("it is a result");
    Ok((results.get_bytes().expect("it has bytes").to_vec(), results.get_done()))
}

async fn reply_in(isolate: Rc<Isolate>, message: &mut Message, head: bool, script: &str) -> Reply {
    reply_in_at_most(isolate, message, head, 8, script).await
}

/// As [`reply_in`], where bodies of at most `inline_bytes` travel in the reply.
async fn reply_in_at_most(
    isolate: Rc<Isolate>,
    message: &mut Message,
    head: bool,
    inline_bytes: usize,
    script: &str,
) -> Reply {
    let event = begin(isolate, message).await;
    let promise = event.run(|scope| start(scope, &format!("(async () => ({script}))()"))).await;
    let settled = answered(&event, promise).await;
    let mut message = Message::new(HeapAllocator::new());
    let make = |scope: &mut v8::PinScope<'_, '_>| {
        let value = settled.unwrap_or_else(|reason| reason);
        let value = v8::Local::new(scope, value);
        let builder = message.get_root::<http_response::Builder<'_>>().expect("it is empty");
        wire::to_wire(scope, &event, value, head, inline_bytes, None, builder).map_err(|error| {
            let wire::Refused::Threw(error) = error else { panic!("no limit is set") };
            let error = error.to_value(scope);
            describe(scope, error).message
        })
    };
    let made = event.run(make).await;
    let mut reply = Reply::default();
    let progress = match made {
        Ok(progress) => progress,
        Err(error) => {
            reply.body = Err(error);
            return reply;
        }
    };
    reply.produced = progress.is_some();
    let reader = message.get_root::<http_response::Builder<'_>>().expect("it has a root").into_reader();
    reply.status = reader.get_status();
    reply.length = Some(reader.get_body_length()).filter(|&length| length != u64::MAX);
    let headers = reader.get_headers().expect("it has headers");
    let show = |header: header::Reader<'_>| {
        let name = header.get_name().expect("it has a name").to_string().expect("it is text");
        format!("{name}: {}", String::from_utf8_lossy(header.get_value().expect("it has a value")))
    };
    reply.headers = headers.iter().map(show).collect::<Vec<_>>().join("; ");
    match reader.get_body().which().expect("it is known") {
        http_response::body::None(()) => reply.body = Ok("null".into()),
        http_response::body::Request(()) => reply.body = Ok("the request's".into()),
        http_response::body::Bytes(bytes) => {
            reply.bytes = bytes.expect("they can be read").to_vec();
            reply.body = Ok(String::from_utf8_lossy(&reply.bytes).into_owned());
        }
        http_response::body::Stream(client) => {
            let client = client.expect("it is a capability");
            let mut all = Vec::new();
            loop {
                match drive(&event, pull(&client, 4)).await {
                    Ok((bytes, done)) => {
                        assert!(done || !bytes.is_empty(), "a pull waits for bytes or the end");
                        reply.pulls.push(String::from_utf8_lossy(&bytes).into_owned());
                        all.extend(bytes);
                        if done {
                            reply.body = Ok(String::from_utf8_lossy(&all).into_owned());
                            reply.bytes = all;
                            break;
                        }
                    }
                    Err(error) => {
                        reply.body = Err(error);
                        break;
                    }
                }
            }
            if let Some(progress) = &progress {
                let done = drive(&event, progress.clone().wait());
                tokio::time::timeout(Duration::from_secs(60), done).await.expect("the end was seen");
            }
        }
    }
    if let Some(progress) = progress {
        drive(&event, progress.wait()).await;
    }
    reply
}

fn reply_to(method: &str, script: &str) -> Reply {
    with_isolate(async |isolate| {
        let mut message = message(method, |builder| builder.init_body().set_none(()));
        reply_in(isolate, &mut message, method == "HEAD", script).await
    })
}

fn reply(script: &str) -> Reply {
    reply_to("GET", script)
}

const TEXT: &str = "Content-Type: text/plain;charset=UTF-8";

#[test]
fn small_bodies_travel_in_the_reply() {
    let seen = reply("new Response('hello', { status: 201 })");
    assert_eq!((seen.status, seen.headers.as_str()), (201, TEXT));
    assert_eq!((seen.body, seen.length, seen.produced), (Ok("hello".into()), Some(5), false));
    assert_eq!(reply("new Response()").body, Ok("null".into()));
    assert_eq!(reply("new Response()").length, Some(0));
    assert_eq!(reply("new Response('')").body, Ok(String::new()));
    // The stream of a body that nobody read is not needed.
    let seen = reply("(() => { const r = new Response('ab'); return new Response(r.body) })()");
    assert_eq!((seen.body, seen.produced), (Ok("ab".into()), false));
    assert_eq!(
        reply("new Response('x', { headers: [['B', '1'], ['a', '2'], ['b', '3']] })").headers,
        format!("B: 1; a: 2; b: 3; {TEXT}")
    );
}

#[test]
fn longer_bodies_are_pulled() {
    let seen = reply("new Response('0123456789')");
    assert_eq!((seen.body, seen.length, seen.produced), (Ok("0123456789".into()), Some(10), false));
    assert_eq!(seen.pulls, ["0123", "4567", "89"]);
}

const STREAM: &str = "new Response(new ReadableStream({
    start(c) { const e = new TextEncoder(); for (const t of CHUNKS) c.enqueue(e.encode(t)); END } }))";

fn stream(chunks: &str, end: &str) -> String {
    STREAM.replace("CHUNKS", chunks).replace("END", end)
}

#[test]
fn streams_of_scripts_are_pulled() {
    let seen = reply(&stream("['a', 'bc', 'defghij']", "c.close()"));
    assert_eq!((seen.body, seen.length, seen.produced), (Ok("abcdefghij".into()), None, true));
    assert_eq!(seen.pulls, ["abcd", "efgh", "ij"], "chunks are merged and split");
    let seen = reply(&stream("[]", "c.close()"));
    assert_eq!((seen.body, seen.pulls), (Ok(String::new()), vec![String::new()]));
    let seen = reply("new Response(new ReadableStream({ start(c) { c.enqueue('text'); c.close() } }))");
    assert_eq!(seen.body, Ok("text".into()));
    let seen = reply(
        "(() => { const s = new FixedLengthStream(3), w = s.writable.getWriter();
                  w.write(new Uint8Array([65, 66, 67])); w.close(); return new Response(s.readable) })()",
    );
    assert_eq!((seen.body, seen.length), (Ok("ABC".into()), Some(3)));
    let seen = reply(
        "new Response(new ReadableStream({ n: 0, async pull(c) {
            await new Promise((resolve) => setTimeout(resolve, 1));
            if (this.n++ === 3) c.close(); else c.enqueue(new Uint8Array([65])) } }))",
    );
    assert_eq!((seen.body, seen.pulls.concat()), (Ok("AAA".into()), "AAA".into()));
}

#[test]
fn streams_that_break_fail_the_pull() {
    assert_eq!(reply(&stream("['a']", "c.error(new RangeError('bad'))")).body, Err("RangeError: bad".into()));
    let seen = reply("new Response(new ReadableStream({ start(c) { c.enqueue(5) } }))");
    assert!(seen.body.as_ref().is_err_and(|error| error.starts_with("TypeError: ")), "{seen:?}");
}

#[test]
fn what_cannot_be_sent() {
    let error = |script: &str| reply(script).body.expect_err("it cannot be sent");
    assert_eq!(error("5"), "TypeError: Incorrect type for Promise: the Promise did not resolve to 'Response'.");
    assert_eq!(error("request"), "TypeError: Incorrect type for Promise: the Promise did not resolve to 'Response'.");
    assert_eq!(
        error("Response.error()"),
        "TypeError: Return value from serve handler must not be an error response (like Response.error())"
    );
    assert_eq!(
        error("(() => { const r = new Response('a'); r.text(); return r })()"),
        "TypeError: Body has already been used. It can only be used once. Use tee() first if you need to read it twice."
    );
    assert_eq!(
        error("(() => { const r = new Response('a'); r.body.getReader(); return r })()"),
        "TypeError: The ReadableStream has been locked to a reader."
    );
}

/// What a client makes of an encoded body.
fn decoded(coding: &str, bytes: &[u8]) -> String {
    let mut text = String::new();
    match coding {
        "gzip" => flate2::read::GzDecoder::new(bytes).read_to_string(&mut text).expect("gzip"),
        _ => brotli::Decompressor::new(bytes, 4096).read_to_string(&mut text).expect("brotli"),
    };
    text
}

#[test]
fn bodies_are_encoded_as_their_header_says() {
    for coding in ["gzip", "br"] {
        let headers = format!("headers: {{ 'content-encoding': '{coding}', 'content-length': 5 }}");
        let long = "hello ".repeat(20_000);
        for (body, expected, produced) in [
            ("'hello'", "hello", false),
            ("'hello '.repeat(20000)", long.as_str(), true),
            ("new Response('hello').body", "hello", false),
            ("new Response('hello').body.pipeThrough(new TransformStream())", "hello", true),
            ("request.body", "hello hello", true),
        ] {
            let script = format!("new Response({body}, {{ {headers} }})");
            let seen = with_isolate(async |isolate| {
                let (mut message, _) = streamed(&["hello ", "hello"], false, Some(11));
                reply_in(isolate, &mut message, false, &script).await
            });
            assert_eq!((seen.length, seen.produced), (None, produced), "{script}");
            assert!(seen.headers.contains(&format!("content-encoding: {coding}")), "{}", seen.headers);
            assert_eq!(decoded(coding, &seen.bytes), expected, "{script}");
        }
        let seen = reply(&format!("new Response('', {{ {headers} }})"));
        assert_eq!((seen.body, seen.length), (Ok(String::new()), None), "nothing stays nothing");
        let seen = reply(&format!("new Response(null, {{ {headers} }})"));
        assert_eq!((seen.body, seen.length), (Ok("null".into()), Some(0)));
        let seen = reply(&format!("new Response('a', {{ {headers}, encodeBody: 'manual' }})"));
        assert_eq!((seen.body, seen.length), (Ok("a".into()), Some(1)));
        let seen = reply(&format!(
            "new Response(new ReadableStream({{ start(c) {{ c.error(new RangeError('bad')) }} }}), {{ {headers} }})"
        ));
        assert!(seen.body.as_ref().is_err_and(|error| error.contains("bad")), "{seen:?}");
    }
    for other in ["GZIP", "gzip, br", "deflate", "identity"] {
        let seen = reply(&format!("new Response('a', {{ headers: {{ 'content-encoding': '{other}' }} }})"));
        assert_eq!((seen.body, seen.length), (Ok("a".into()), Some(1)), "{other}");
    }
    let seen = reply_to("HEAD", "new Response('hello', { headers: { 'content-encoding': 'gzip' } })");
    assert_eq!((seen.body, seen.length), (Ok("null".into()), None));
    assert_eq!(seen.headers, format!("content-encoding: gzip; {TEXT}"));
}

#[test]
fn responses_to_head() {
    let seen = reply_to("HEAD", "new Response('hello')");
    assert_eq!((seen.body, seen.length), (Ok("null".into()), Some(5)));
    assert_eq!(seen.headers, format!("{TEXT}; Content-Length: 5"));
    let seen = reply_to("HEAD", "new Response('hello', { headers: { 'content-length': 7 } })");
    assert_eq!(seen.headers, format!("content-length: 7; {TEXT}"));
    let seen = reply_to("HEAD", "new Response()");
    assert_eq!((seen.body, seen.headers), (Ok("null".into()), String::new()));
    let seen = reply_to("HEAD", "new Response(new ReadableStream({ cancel() { globalThis.cancelled = true } }))");
    assert_eq!((seen.body, seen.length, seen.headers), (Ok("null".into()), None, String::new()));
}

#[test]
fn a_body_passes_through_untouched() {
    for script in ["new Response(request.body)", "new Response(new Request(request).body)"] {
        with_isolate(async |isolate| {
            let (mut message, log) = streamed(&["abcd", "efgh", "ij"], false, Some(10));
            let seen = reply_in(isolate, &mut message, false, script).await;
            assert_eq!((seen.body, seen.length), (Ok("abcdefghij".into()), Some(10)), "{script}");
            assert!(!seen.produced, "no script is needed for it: {script}");
            assert_eq!(*log.borrow(), ["pull 4", "pull 4", "pull 2"], "{script}");
        });
    }
}

/// The body is pulled from the supervisor's own source, and the worker asks what becomes of it.
#[test]
fn a_body_passes_through_native_streams_untouched() {
    let fixed = "new FixedLengthStream(10)";
    for (through, length) in [
        ("new IdentityTransformStream()".to_owned(), None),
        (fixed.to_owned(), Some(10)),
        (format!("{fixed}).pipeThrough(new IdentityTransformStream()"), None),
        (format!("new IdentityTransformStream()).pipeThrough({fixed}"), Some(10)),
    ] {
        with_isolate(async |isolate| {
            let (mut message, log) = streamed(&["abcd", "efgh", "ij"], false, Some(10));
            let script = format!("new Response(request.body.pipeThrough({through}))");
            let seen = reply_in(isolate, &mut message, false, &script).await;
            assert_eq!((seen.body, seen.length), (Ok("abcdefghij".into()), length), "{through}");
            let log = log.borrow();
            assert_eq!(log.iter().filter(|line| *line == "closed?").count(), 1, "{through}: {log:?}");
        });
    }
    for through in [
        // Its length is another one, so that the stream has to see where it ends.
        "request.body.pipeThrough(new FixedLengthStream(9))",
        "request.body.pipeThrough(new FixedLengthStream(10)).pipeThrough(new FixedLengthStream(11))",
        // More may follow, or less.
        "request.body.pipeThrough(new IdentityTransformStream(), { preventClose: true })",
        "request.body.pipeThrough(new IdentityTransformStream(), { preventAbort: true })",
        "request.body.pipeThrough(new IdentityTransformStream(), { preventCancel: true })",
        "request.body.pipeThrough(new IdentityTransformStream(), { signal: new AbortController().signal })",
        "request.body.pipeThrough(new TransformStream())",
        "request.clone().body.pipeThrough(new IdentityTransformStream())",
    ] {
        with_isolate(async |isolate| {
            let (mut message, log) = streamed(&["abcd", "efgh", "ij"], false, Some(10));
            let event = begin(isolate, &mut message).await;
            let script = format!("(async () => new Response({through}))()");
            let promise = event.run(|scope| start(scope, &script)).await;
            let settled = answered(&event, promise).await.unwrap_or_else(|_| panic!("{through} is a response"));
            let mut message = Message::new(HeapAllocator::new());
            let make = |scope: &mut v8::PinScope<'_, '_>| {
                let value = v8::Local::new(scope, settled);
                let builder = message.get_root::<http_response::Builder<'_>>().expect("it is empty");
                wire::to_wire(scope, &event, value, false, 8, None, builder).expect("it can be sent")
            };
            assert!(event.run(make).await.is_some(), "{through}");
            let idle = std::future::pending::<()>();
            let _ = tokio::time::timeout(Duration::from_millis(20), drive(&event, idle)).await;
            assert!(log.borrow().iter().all(|line| line != "closed?"), "{through}: {:?}", log.borrow());
        });
    }
}

/// The reply says that it is the body of the call, and has no byte of it.
#[test]
fn a_body_that_came_in_the_call_is_not_sent_back() {
    let seen = |length: usize, script: &str| {
        with_isolate(async |isolate| {
            let sent = vec![b'a'; length];
            let mut message = message("POST", |builder| builder.init_body().set_bytes(&sent));
            reply_in_at_most(isolate, &mut message, false, 1 << 20, script).await
        })
    };
    for (script, length) in [
        ("new Response(request.body)", Some(5000)),
        ("new Response(new Request(request).body)", Some(5000)),
        ("new Response(request.clone().body)", Some(5000)),
        ("new Response(request.body.pipeThrough(new IdentityTransformStream()))", None),
        ("new Response(request.body.pipeThrough(new FixedLengthStream(5000)))", Some(5000)),
        ("(async () => { await request.clone().arrayBuffer(); return new Response(request.body) })()", Some(5000)),
        (
            "(async () => { const [a, b] = request.body.tee(); await new Response(a).text(); return new Response(b) })()",
            Some(5000),
        ),
    ] {
        let seen = seen(5000, script);
        assert_eq!((seen.body.as_deref(), seen.length), (Ok("the request's"), length), "{script}");
    }
    for (length, script) in [
        (4095, "new Response(request.body)"),
        (5000, "new Response(await request.text())"),
        (5000, "new Response(request.body, { headers: { 'content-encoding': 'gzip' } })"),
        (
            5000,
            "(async () => { const r = request.body.getReader({ mode: 'byob' }); await r.read(new Uint8Array(1)); \
                r.releaseLock(); return new Response(request.body.pipeThrough(new IdentityTransformStream())) })()",
        ),
    ] {
        let seen = seen(length, script);
        assert!(seen.body.is_ok_and(|body| body != "the request's"), "{script}");
    }
}

/// What is in memory goes out in the reply, and nobody is told how long it is.
#[test]
fn bytes_pass_through_native_streams() {
    let seen = reply("new Response(new Response('hello').body.pipeThrough(new IdentityTransformStream()))");
    assert_eq!((seen.body, seen.length, seen.pulls.len()), (Ok("hello".into()), None, 0));
    let seen = reply("new Response(new Response('hello').body.pipeThrough(new FixedLengthStream(5)))");
    assert_eq!((seen.body, seen.length, seen.pulls.len()), (Ok("hello".into()), Some(5), 0));
    let seen = reply("new Response(new Response('hello').body.pipeThrough(new FixedLengthStream(4)))");
    assert!(seen.body.is_err(), "{seen:?}");
}

#[test]
fn a_body_that_was_touched_goes_through_script() {
    with_isolate(async |isolate| {
        let (mut message, _) = streamed(&["abcd", "efgh"], false, Some(8));
        let script = "(() => { const [a, b] = request.body.tee(); return new Response(a) })()";
        let seen = reply_in(isolate, &mut message, false, script).await;
        assert_eq!((seen.body, seen.produced), (Ok("abcdefgh".into()), true));
    });
}

#[test]
fn a_client_that_goes_away_cancels_the_stream() {
    with_isolate(async |isolate| {
        let mut request = message("GET", |builder| builder.init_body().set_none(()));
        let event = begin(isolate, &mut request).await;
        let script = "(async () => new Response(new ReadableStream({
            start(c) { c.enqueue(new Uint8Array(3)) },
            cancel(reason) { globalThis.reason = String(reason) } })))()";
        let promise = event.run(|scope| start(scope, script)).await;
        let settled = drive(&event, promise).await.expect("it is a response");
        let mut message = Message::new(HeapAllocator::new());
        let make = |scope: &mut v8::PinScope<'_, '_>| {
            let value = v8::Local::new(scope, settled);
            let builder = message.get_root::<http_response::Builder<'_>>().expect("it is empty");
            wire::to_wire(scope, &event, value, false, 8, None, builder).expect("it can be sent")
        };
        let progress = event.run(make).await;
        let progress = progress.expect("script produces the body");
        let client = {
            let reader = message.get_root::<http_response::Builder<'_>>().expect("it has a root").into_reader();
            match reader.get_body().which().expect("it is known") {
                http_response::body::Stream(client) => client.expect("it is a capability"),
                _ => panic!("the body is no stream"),
            }
        };
        drop(message);
        assert_eq!(drive(&event, pull(&client, 100)).await, Ok((vec![0; 3], false)));
        // A pull that was given up is no reason to lose bytes or to refuse the next one.
        let mut given_up: Pin<Box<dyn Future<Output = _>>> = Box::pin(pull(&client, 100));
        poll_fn(|cx| {
            assert!(given_up.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(given_up);
        assert!(!progress.is_done());
        drop(client);
        drive(&event, progress.wait()).await;
        let promise = event.run(|scope| start(scope, "Promise.resolve(globalThis.reason)")).await;
        assert_eq!(settle(&event, promise).await, "undefined");
    });
}

#[test]
fn objects_of_another_event() {
    with_isolate(async |isolate| {
        let (mut first, _) = streamed(&["ab"], false, None);
        let event = begin(isolate.clone(), &mut first).await;
        let promise =
            event.run(|scope| start(scope, "globalThis.old = { request, ctx }; Promise.resolve('kept')")).await;
        settle(&event, promise).await;
        let (mut second, _) = streamed(&["cd"], false, None);
        let other = begin(isolate, &mut second).await;
        for script in ["old.request.text()", "(async () => old.request.body.getReader().read())()"] {
            let promise = other.run(|scope| start(scope, script)).await;
            let text = settle(&other, promise).await;
            assert!(
                text.starts_with("rejected: Error: Cannot perform I/O on behalf of a different request."),
                "{text}"
            );
        }
    });
}
