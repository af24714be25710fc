// One probe for each flag that `ipc-schema/src/compatibility.rs` calls implemented, under the flag's name. It must observe
// something else with the flag than without it.
import * as common from "common";
let evalAtStart;
try { evalAtStart = eval("1 + 1"); } catch (error) { evalAtStart = `${error.name}: ${error.message}`; }
let lastCtx;
const outcome = async (f) => { try { return await f(); } catch (error) { return `${error?.name}: ${error?.message}`; } };
const thrown = (f) => { try { return ["returned", f()]; } catch (error) { return ["threw", error?.name, error?.message]; } };
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const form = (...parts) => new Response(parts.map((part) => `--b\r\n${part}\r\n`).join("") + "--b--\r\n", { headers: { "content-type": "multipart/form-data; boundary=b" } });
const file = 'content-disposition: form-data; name="f"; filename="n.txt"\r\ncontent-type: text/plain\r\n\r\ntext';
const U = "http://example.com/";

export default {
  formdata_parser_supports_files: async () => { const value = (await form(file).formData()).get("f"); return [typeof value, value instanceof File ? [value.name, value.type, await value.text()] : value]; },
  fetch_refuses_unknown_protocols: () => outcome(() => fetch("foo://127.0.0.1:1/")),
  streams_byob_reader_detaches_buffer: async () => { const view = new Uint8Array(8); const { value } = await new Response("abc").body.getReader({ mode: "byob" }).read(view); return [view.byteLength, value.buffer === view.buffer, value.byteLength]; },
  streams_enable_constructors: () => [thrown(() => String(new ReadableStream())), thrown(() => String(new WritableStream())), typeof ReadableStreamDefaultController, typeof WritableStreamDefaultController, typeof TransformStreamDefaultController, typeof ReadableStreamBYOBRequest, typeof ReadableByteStreamController],
  workers_api_getters_setters_on_prototype: () => [Object.keys(new Request(U)), Object.keys(new Response()), Object.keys(new URL(U)), Object.keys(new Event("x")), Object.keys(new Blob()), Object.keys(new AbortController()), Object.getOwnPropertyDescriptor(new URL(U), "href"), "url" in Request.prototype, { ...new Request(U, { method: "PUT" }) }.method],
  url_standard: () => [new URL("http://a/%7Efoo/../b c?d e#f").href, thrown(() => new URL("nope").href), typeof URL.canParse],
  global_navigator: () => [typeof navigator, typeof Navigator],
  capture_async_api_throws: () => [thrown(() => { const p = new Request(U, { method: "POST", body: "x" }).text.call({}); p.catch(() => {}); return Object.prototype.toString.call(p); }), thrown(() => { const p = crypto.subtle.digest(); p.catch(() => {}); return Object.prototype.toString.call(p); }), thrown(() => { const p = fetch(); p.catch(() => {}); return Object.prototype.toString.call(p); })],
  dont_substitute_null_on_type_error: () => [thrown(() => new Request(U, 5).method), thrown(() => new Request(U, { headers: 5 }).method), thrown(() => new Response("x", { cf: 5 }).status), thrown(() => new Request(U, { signal: {} }).method)],
  transformstream_enable_standard_constructor: async () => { const { readable, writable } = new TransformStream({ transform(chunk, controller) { controller.enqueue(chunk + 1); } }); const writer = writable.getWriter(); return [new TransformStream() instanceof IdentityTransformStream, await outcome(async () => { writer.write(1).catch(() => {}); return (await readable.getReader().read()).value; })]; },
  export_commonjs_default: () => { const load = common.load ?? common.default.load; return [Object.keys(load("plain")), typeof load("text")]; },
  response_redirect_url_standard: () => [Response.redirect("http://a/%7e/../b c").headers.get("location"), Response.redirect("HTTP://EXAMPLE.com").headers.get("location")],
  http_headers_getsetcookie: () => typeof Headers.prototype.getSetCookie,
  no_cf_botmanagement_default: (request) => [request.cf, new Request(U).cf],
  urlsearchparams_delete_has_value_arg: () => { const p = new URLSearchParams("a=1&a=2&b=3"); const has = p.has("a", "3"); p.delete("a", "1"); return [has, String(p)]; },
  strict_compression_checks: async () => { const stream = new DecompressionStream("gzip"); const writer = stream.writable.getWriter(); writer.write(new Uint8Array([31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 75, 4, 0])).catch(() => {}); writer.close().catch(() => {}); return outcome(() => new Response(stream.readable).text()); },
  brotli_content_encoding: () => new Response("x", { headers: { "content-encoding": "br" } }),
  no_global_importscripts: () => [typeof importScripts, thrown(() => importScripts("x"))],
  unwrap_custom_thenables: async (request, env, ctx) => { const seen = []; ctx.waitUntil({ then(resolve) { seen.push("then"); resolve(); } }); await later(10); return seen; },
  internal_stream_byob_return_view: async () => { const reader = new Response("").body.getReader({ mode: "byob" }); const { value, done } = await reader.read(new Uint8Array(4)); return [done, value]; },
  blob_standard_mime_type: () => [new Blob([], { type: "Text/PLAIN;charset=utf-8" }).type, new Blob([], { type: "text/é" }).type],
  fetch_standard_url: () => [new Request("http://a/%7E b/../c?d'e#f").url, thrown(() => new Request("http://a:99999/").url), new Request("HTTP://EXAMPLE.com:80").url],
  cache_option_enabled: () => [thrown(() => new Request(U, { cache: "no-store" }).cache), "cache" in Request.prototype, thrown(() => new Request(U, { cache: "nope" }).cache)],
  internal_writable_stream_abort_clears_queue: async () => { const { readable, writable } = new IdentityTransformStream(); const writer = writable.getWriter(); const first = outcome(() => writer.write(new Uint8Array(1))); const second = outcome(() => writer.write(new Uint8Array(2))); const aborted = outcome(() => writer.abort(new Error("why"))); return Promise.race([Promise.all([first, second, aborted]), later(50)]); },
  handle_cross_request_promise_resolution: () => undefined,
  set_tostring_tag: () => [String(new Headers()), String(new Event("x")), String(globalThis)],
  upper_case_all_http_methods: () => ["patch", "put", "foo"].map((method) => thrown(() => new Request(U, { method }).method)),
  disable_top_level_await_in_require: () => thrown(() => Object.keys((common.load ?? common.default.load)("waiting"))),
  "fixup-transform-stream-backpressure": async () => { const { readable, writable } = new TransformStream({}, { highWaterMark: 1 }, { highWaterMark: 0 }); const writer = writable.getWriter(); const seen = [writer.desiredSize]; writer.write(1); seen.push(writer.desiredSize); const reader = readable.getReader(); seen.push(await reader.read()); await later(1); seen.push(writer.desiredSize); let ready = false; writer.ready.then(() => { ready = true; }); await later(1); seen.push(ready); return seen; },
  cache_no_cache_enabled: () => thrown(() => new Request(U, { cache: "no-cache" }).cache),
  // Asked twice, and the second answer counts.
  unique_ctx_per_invocation: (request, env, ctx) => { const same = lastCtx === undefined ? undefined : lastCtx === ctx; lastCtx = ctx; return same; },
  enable_weak_ref: () => [typeof WeakRef, typeof FinalizationRegistry],
  enable_navigator_language: () => [navigator.language, navigator.languages, Object.keys(navigator)],
  allow_eval_during_startup: () => evalAtStart,
  throw_on_unrecognized_import_assertion: () => outcome(async () => (await import("text", { with: { kind: "x" } })).default),
  set_event_target_this: () => { const target = new EventTarget(); let self; target.addEventListener("x", function () { self = this; }); target.dispatchEvent(new Event("x")); return [self === target, typeof self]; },
  pedantic_wpt: () => [thrown(() => new Event("x").initEvent), String(new TextDecoder("utf-8").decode(new Uint8Array([0xed, 0xa0, 0x80])))],
  enhanced_error_serialization: () => { const error = structuredClone(Object.assign(new TypeError("m"), { extra: 1 })); return [error.name, error.extra]; },
  cache_reload_enabled: () => thrown(() => new Request(U, { cache: "reload" }).cache),
  immutable_api_prototypes: () => [thrown(() => { Headers.prototype.has = 1; return Headers.prototype.has; }), thrown(() => String(Object.setPrototypeOf(Headers.prototype, {}))), Object.isFrozen(Headers.prototype)],
  fetch_iterable_type_support: async () => [await outcome(() => new Response([new TextEncoder().encode("a"), new TextEncoder().encode("b")]).text()), await outcome(() => new Response((async function* () { yield new TextEncoder().encode("c"); })()).text())],
  fetch_iterable_type_support_override_adjustment: async () => [await outcome(() => new Response(Object.assign(["a", "b"], { toString: () => "own" })).text()), await outcome(() => new Response({ *[Symbol.iterator]() { yield new Uint8Array([65]); }, toString: () => "own" }).text())],
  precise_timers: async () => { const start = Date.now(); let n = 0; while (Date.now() === start && n < 5e7) n++; return n < 5e7; },
  strip_bom_in_read_all_text: async () => [(await new Response("\ufeffx").text()).length, (await new Blob(["\ufeffx"]).text()).length],
  streams_no_default_auto_allocate_chunk_size: async () => { let request; const stream = new ReadableStream({ type: "bytes", pull(controller) { request = controller.byobRequest; controller.enqueue(new Uint8Array(1)); } }); await stream.getReader().read(); return request === null ? null : request?.view?.byteLength; },
  require_returns_default_export: () => { return Object.keys((common.load ?? common.default.load)("plain")); },
  text_decoder_replace_surrogates: () => [...new TextDecoder("utf-16le").decode(new Uint8Array([0x00, 0xd8, 0x41, 0x00]))].map((c) => c.codePointAt(0)),
  unhandled_rejection_after_microtask_checkpoint: async () => { const seen = []; const listener = (event) => { seen.push(event.type); event.preventDefault(); }; addEventListener("unhandledrejection", listener); const p = Promise.reject(1); await Promise.resolve(); await Promise.resolve(); seen.push("caught"); p.catch(() => {}); await later(5); removeEventListener("unhandledrejection", listener); return seen; },
  text_decoder_cjk_decoder: () => ["big5", "gbk", "gb18030", "euc-jp", "shift_jis", "iso-2022-jp", "euc-kr"].map((label) => thrown(() => new TextDecoder(label).decode(new Uint8Array([0x81, 0x40, 0xa1, 0xa1, 0x80, 0xff, 0x41])))),
  writable_stream_spec_compliant_writer: async () => { const seen = []; const stream = new WritableStream({ write() { throw new Error("w"); } }); const writer = stream.getWriter(); seen.push(await outcome(() => writer.write(1)), await outcome(() => writer.ready), await outcome(() => writer.closed)); writer.releaseLock(); seen.push(await outcome(() => writer.closed), await outcome(() => writer.ready), thrown(() => writer.desiredSize)); return seen; },
  encoder_stream_spec_compliant_backpressure: () => { const s = new TextEncoderStream(); const w = s.writable.getWriter(); const d = new TextDecoderStream().writable.getWriter(); return [w.desiredSize, d.desiredSize]; },
  spec_compliant_property_attributes: () => [Object.getOwnPropertyDescriptor(Headers.prototype, "get"), Object.getOwnPropertyDescriptor(Headers, "prototype"), Headers.prototype.get.length],
  no_resizable_array_buffer_in_blob: async () => outcome(async () => (await new Blob([new ArrayBuffer(2, { maxByteLength: 4 })]).arrayBuffer()).byteLength),
  spec_compliant_dispatch_exceptions: () => { const seen = []; const handler = (event) => { seen.push(event.message); event.preventDefault(); }; addEventListener("error", handler); const target = new EventTarget(); target.addEventListener("x", () => { throw new Error("first"); }); target.addEventListener("x", () => { seen.push("second"); }); seen.push(thrown(() => target.dispatchEvent(new Event("x")))); removeEventListener("error", handler); return seen; },
  pipe_to_backward_propagation: async () => { const seen = []; const source = new ReadableStream({ cancel(reason) { seen.push(`cancel ${reason?.message}`); } }); const sink = new WritableStream({ start(controller) { controller.error(new Error("sink")); } }); seen.push(await Promise.race([outcome(() => source.pipeTo(sink)), later(50)])); return seen; },
  nonclass_entrypoint_reuses_ctx_across_invocations: (request, env, ctx) => { const same = lastCtx === undefined ? undefined : lastCtx === ctx; lastCtx = ctx; return same; },
};
