// One probe for each flag that `ipc-schema/src/compatibility.rs` calls implemented, under the flag's name. It must observe
// something else with the flag than without it.
import * as common from "common";
let evalAtStart;
try { evalAtStart = eval("1 + 1"); } catch (error) { evalAtStart = `${error.name}: ${error.message}`; }
let lastCtx;
const outcome = async (f) => { try { return await f(); } catch (error) { return `${error?.name}: ${error?.message}`; } };
const thrown = (f) => { try { return ["returned", f()]; } catch (error) { return ["threw", error?.name, error?.message]; } };
const sockets = () => { const pair = new WebSocketPair(); pair[0].accept(); pair[1].accept(); return [pair[0], pair[1]]; };
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const settled = (p) => Promise.race([outcome(() => p).then((value) => ["settled", value]), later(10).then(() => "pending")]);
const form = (...parts) => new Response(parts.map((part) => `--b\r\n${part}\r\n`).join("") + "--b--\r\n", { headers: { "content-type": "multipart/form-data; boundary=b" } });
const file = 'content-disposition: form-data; name="f"; filename="n.txt"\r\ncontent-type: text/plain\r\n\r\ntext';
const U = "http://example.com/";

const left = { resolve: undefined, wentOn: false };

export default {
  formdata_parser_supports_files: async () => { const value = (await form(file, "content-disposition: form-data; name=\"f\"\r\n\r\nplain").formData()).getAll("f"); return Promise.all(value.map(async (v) => [typeof v, v instanceof File ? [v.name, v.type, await v.text()] : v])); },
  fetch_refuses_unknown_protocols: () => outcome(() => fetch("foo://127.0.0.1:1/")),
  streams_byob_reader_detaches_buffer: async () => { const view = new Uint8Array(new ArrayBuffer(8), 2, 4); const reader = new Response("abcdef").body.getReader({ mode: "byob" }); const { value } = await reader.read(view); const before = [view.byteLength, value.buffer === view.buffer, value.byteOffset, [...value]]; const end = await reader.read(value); const last = await reader.read(new Uint8Array(3)); return [before, [...view], [...end.value], last.done, last.value?.buffer.byteLength]; },
  streams_enable_constructors: () => [thrown(() => String(new ReadableStream())), thrown(() => String(new WritableStream())), typeof ReadableStreamDefaultController, typeof WritableStreamDefaultController, typeof TransformStreamDefaultController, typeof ReadableStreamBYOBRequest, typeof ReadableByteStreamController],
  workers_api_getters_setters_on_prototype: () => [Object.keys(new Request(U)), Object.keys(new Response()), Object.keys(new URL(U)), Object.keys(new Event("x")), Object.keys(new Blob()), Object.keys(new AbortController()), Object.getOwnPropertyDescriptor(new URL(U), "href"), "url" in Request.prototype, { ...new Request(U, { method: "PUT" }) }.method],
  url_standard: () => [new URL("http://a/%7Efoo/../b c?d e#f").href, thrown(() => new URL("nope").href), typeof URL.canParse],
  global_navigator: () => [typeof navigator, typeof Navigator],
  capture_async_api_throws: () => [thrown(() => { const p = crypto.subtle.digest(); p.catch(() => {}); return Object.prototype.toString.call(p); }), thrown(() => { const p = fetch(); p.catch(() => {}); return Object.prototype.toString.call(p); }), ...[() => new Response("x").body.getReader({ mode: "byob" }).read(), () => new Response("x").body.getReader({ mode: "byob" }).read(5), () => new Response("x").body.pipeTo(), () => new Response("x").body.pipeTo(new IdentityTransformStream().writable, 5), () => new Response("x").formData(), () => scheduler.wait(), () => scheduler.wait(1, 5), () => { const r = new Response("x"); r.text(); return r.text(); }, () => { const r = new Response("x"); r.body.getReader(); return r.text(); }, () => new Response("{").json(), () => { const s = new Response("x").body; s.getReader(); return s.cancel(); }, () => { const w = new IdentityTransformStream().writable; w.getWriter(); return w.abort(); }, () => { const w = new IdentityTransformStream().writable.getWriter(); w.releaseLock(); return w.write("x"); }, () => { const r = new Response("x").body.getReader(); r.releaseLock(); return r.read(); }, () => new Response("x").body.getReader({ mode: "byob" }).read(new Uint8Array(0)), () => new Response("x").body.getReader({ mode: "byob" }).readAtLeast(5, new Uint8Array(1))].map((f) => thrown(() => { const p = f(); p.catch?.(() => {}); return Object.prototype.toString.call(p); }))],
  dont_substitute_null_on_type_error: () => [thrown(() => new Request(U, 5).method), thrown(() => new Request(U, { headers: 5 }).method), thrown(() => new Response("x", { cf: 5 }).status), thrown(() => new Request(U, { signal: {} }).method), thrown(() => new Request(U, { fetcher: 5 }).fetcher), thrown(() => new Response("", { webSocket: 5 }).webSocket), thrown(() => addEventListener("x", 5)), thrown(() => new EventTarget().addEventListener("x", 5)), thrown(() => new EventTarget().removeEventListener("x", 5)), thrown(() => new MessageEvent("x", { source: 5 }).source), thrown(() => new Headers(5)), thrown(() => AbortSignal.any([5])), thrown(() => new TextDecoder().decode(5)), thrown(() => new Response(Symbol())), thrown(() => new URL(Symbol())), thrown(() => structuredClone({}, 5)), thrown(() => new Blob(5)), thrown(() => new Blob(["a"], 5).size), thrown(() => new Response("x").body.getReader(5))],
  transformstream_enable_standard_constructor: async () => { const { readable, writable } = new TransformStream({ transform(chunk, controller) { controller.enqueue(chunk + 1); } }); const writer = writable.getWriter(); writer.write("ab").catch(() => {}); return [new TransformStream() instanceof IdentityTransformStream, (await readable.getReader().read()).value, new TransformStream().writable.getWriter().desiredSize]; },
  export_commonjs_default: () => { const load = common.load ?? common.default.load; return [Object.keys(load("plain")), typeof load("text")]; },
  response_redirect_url_standard: () => ["http://a/%7e/../b c", "HTTP://EXAMPLE.com", "http://a:80/", "http://a//b///c", "http://a/./b/.", "http://a/b/..", "http://a?x=1&y", "http://a/?", "http://a/#", "http://a/#f g", "https://ex%61mple.com/", "http://user:pass@h/", "ftp://h/x", "foo", "/x", "http://", "http://a/b?c d&e=f+g%20", "http://a/%zz", "http://[::1]:8080/", "http://a/b;c=d,e", "http://a/?q=%26&r"].map((url) => thrown(() => Response.redirect(url).headers.get("location"))),
  http_headers_getsetcookie: () => { const h = new Headers([["set-cookie", "a=1"], ["b", "2"], ["Set-Cookie", "c=3"]]); return [typeof Headers.prototype.getSetCookie, [...h], h.getAll("set-cookie"), h.get("set-cookie")]; },
  no_cf_botmanagement_default: (request) => [Object.keys(request.cf), request.cf.botManagement, Object.isFrozen(request.cf.botManagement), new Request(U).cf, Object.keys(new Request(request).cf)],
  urlsearchparams_delete_has_value_arg: () => { const p = new URLSearchParams("a=1&a=2&b=3"); const has = p.has("a", "3"); p.delete("a", "1"); return [has, String(p)]; },
  strict_compression_checks: async () => { const stream = new DecompressionStream("gzip"); const writer = stream.writable.getWriter(); writer.write(new Uint8Array([31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 75, 4, 0])).catch(() => {}); writer.close().catch(() => {}); return outcome(() => new Response(stream.readable).text()); },
  brotli_content_encoding: () => new Response("x", { headers: { "content-encoding": "br" } }),
  no_global_importscripts: () => [typeof importScripts, thrown(() => importScripts("x"))],
  unwrap_custom_thenables: async (request, env, ctx) => { const seen = []; ctx.waitUntil({ then(resolve) { seen.push("then"); resolve(); } }); await later(10); return seen; },
  internal_stream_byob_return_view: async () => { const reader = new Response("").body.getReader({ mode: "byob" }); const { value, done } = await reader.read(new Uint8Array(4)); return [done, value]; },
  blob_standard_mime_type: () => Promise.all(["Text/Plain;Charset=UTF-8", "nonsense", "a/b; c=d ;e", undefined].map(async (type) => (await new Response("x", { headers: type ? { "content-type": type } : {} }).blob()).type)),
  fetch_standard_url: () => [new Request("http://a/%7E b/../c?d'e#f").url, thrown(() => new Request("http://a:99999/").url), new Request("HTTP://EXAMPLE.com:80").url],
  cache_option_enabled: () => [thrown(() => new Request(U, { cache: "no-store" }).cache), "cache" in Request.prototype, thrown(() => new Request(U, { cache: "nope" }).cache)],
  internal_writable_stream_abort_clears_queue: async () => { const s = new IdentityTransformStream(); const w = s.writable.getWriter(); const p = w.write(new Uint8Array(2)); const q = w.write(new Uint8Array(3)); const a = w.abort(new Error("why")); const first = [await settled(a), await settled(p), await settled(q)]; const r = s.readable.getReader(); return [first, await settled(r.read()), await settled(r.read()), await settled(a), await settled(p), await settled(q), await settled(w.closed)]; },
  // What an event left waiting that is over: whether another can have it go on.
  handle_cross_request_promise_resolution: async () => {
    if (left.resolve) {
      left.resolve();
      await new Promise((done) => setTimeout(done, 0));
    } else {
      new Promise((resolve) => { left.resolve = resolve; }).then(() => { left.wentOn = true; });
    }
    return left.wentOn;
  },
  set_tostring_tag: () => [String(new Headers()), String(new Event("x")), String(globalThis)],
  upper_case_all_http_methods: () => ["patch", "put", "foo"].map((method) => thrown(() => new Request(U, { method }).method)),
  disable_top_level_await_in_require: () => thrown(() => Object.keys((common.load ?? common.default.load)("waiting"))),
  "fixup-transform-stream-backpressure": async () => { const s = new TransformStream({}, undefined, { highWaterMark: 1 }); const w = s.writable.getWriter(); const seen = [w.desiredSize, await settled(w.ready)]; for (let i = 0; i < 3; i++) { const p = w.write(i); seen.push(w.desiredSize, await settled(w.ready), await settled(p)); } return seen; },
  nodejs_process_version_24: () => [process.version, process.versions.node],
  cache_no_cache_enabled: () => thrown(() => new Request(U, { cache: "no-cache" }).cache),
  // Asked twice, and the second answer counts.
  unique_ctx_per_invocation: (request, env, ctx) => { const same = lastCtx === undefined ? undefined : lastCtx === ctx; lastCtx = ctx; return same; },
  enable_ctx_exports: (request, env, ctx) => Object.keys(ctx.exports ?? {}),
  enable_weak_ref: () => [typeof WeakRef, typeof FinalizationRegistry],
  enable_nodejs_os_module: () => outcome(async () => Object.keys(await import("node:os")).length > 0),
  enable_nodejs_console_module: () => outcome(async () => Object.keys(await import("node:console")).length > 0),
  enable_nodejs_vm_module: () => outcome(async () => Object.keys(await import("node:vm")).length > 0),
  enable_nodejs_perf_hooks_module: () => outcome(async () => Object.keys(await import("node:perf_hooks")).length > 0),
  enable_global_performance_classes: () => [typeof PerformanceEntry, typeof performance.mark],
  enable_nodejs_domain_module: () => outcome(async () => Object.keys(await import("node:domain")).length > 0),
  enable_nodejs_v8_module: () => outcome(async () => Object.keys(await import("node:v8")).length > 0),
  enable_nodejs_punycode_module: () => outcome(async () => Object.keys(await import("node:punycode")).length > 0),
  enable_nodejs_cluster_module: () => outcome(async () => Object.keys(await import("node:cluster")).length > 0),
  enable_nodejs_child_process_module: () => outcome(async () => Object.keys(await import("node:child_process")).length > 0),
  enable_nodejs_http2_module: () => outcome(async () => Object.keys(await import("node:http2")).length > 0),
  enable_nodejs_wasi_module: () => outcome(async () => Object.keys(await import("node:wasi")).length > 0),
  enable_nodejs_dgram_module: () => outcome(async () => Object.keys(await import("node:dgram")).length > 0),
  enable_nodejs_inspector_module: () => outcome(async () => Object.keys(await import("node:inspector")).length > 0),
  enable_nodejs_trace_events_module: () => outcome(async () => Object.keys(await import("node:trace_events")).length > 0),
  enable_nodejs_readline_module: () => outcome(async () => Object.keys(await import("node:readline")).length > 0),
  enable_nodejs_repl_module: () => outcome(async () => Object.keys(await import("node:repl")).length > 0),
  enable_nodejs_sqlite_module: () => outcome(async () => Object.keys(await import("node:sqlite")).length > 0),
  enable_nodejs_global_timers: () => { const timer = setTimeout(() => {}); clearTimeout(timer); return typeof timer; },
  diagnostics_channel_has_subscribers_getter: () => outcome(async () => typeof (await import("node:diagnostics_channel")).channel("x").hasSubscribers),
  nodejs_als: () => outcome(async () => Object.keys(await import("node:async_hooks"))),
  // Asked twice: the second request calls what the first has left.
  bind_asynclocalstorage_snapshot_to_request: async () => { const { AsyncLocalStorage, AsyncResource } = await import("node:async_hooks"); const before = left.bound; const storage = new AsyncLocalStorage(); left.bound = storage.run("first", () => [AsyncLocalStorage.snapshot(), AsyncLocalStorage.bind(() => storage.getStore()), AsyncResource.bind(() => storage.getStore())]); return (before ?? left.bound).map((bound) => thrown(() => bound(() => storage.getStore()))); },
  disallow_importable_env: async (request, env) => { const { env: imported, withEnv } = await import("cloudflare:workers"); env.SET = 1; imported.OTHER = 2; return [imported.SET, env.OTHER, Object.keys(imported), withEnv({ SET: 3 }, () => imported.SET)]; },
  env_module_nullable_support: async (request, env) => { const { env: imported, withEnv } = await import("cloudflare:workers"); env.SET = 1; return [null, undefined, 5, {}].map((value) => withEnv(value, () => [imported.SET, Object.keys(imported)])); },
  enable_navigator_language: () => [navigator.language, navigator.languages, Object.keys(navigator)],
  allow_eval_during_startup: () => evalAtStart,
  throw_on_unrecognized_import_assertion: () => outcome(async () => (await import("text", { with: { kind: "x" } })).default),
  set_event_target_this: () => { const t = new EventTarget(); let self, object; t.addEventListener("x", function () { self = this; }); const handler = { handleEvent() { object = this; } }; t.addEventListener("x", handler); t.dispatchEvent(new Event("x")); let global; addEventListener("flag", function () { global = this; }); dispatchEvent(new Event("flag")); return [self === t, self === globalThis, object === handler, global === globalThis]; },
  pedantic_wpt: () => [thrown(() => new Event("x").initEvent), String(new TextDecoder("utf-8").decode(new Uint8Array([0xed, 0xa0, 0x80])))],
  enable_fast_jsg_struct: async () => { const r = new ReadableStream({ start(c) { c.enqueue(1); c.close(); } }).getReader(); const b = new Response("").body.getReader({ mode: "byob" }); const it = new ReadableStream({ start(c) { c.close(); } }).values(); const h = new Headers().entries(), u = new URLSearchParams().entries(), f = new FormData().entries(); return [await r.read(), await r.read(), await new Response("").body.getReader().read(), await b.read(new Uint8Array(1)), await it.next(), await it.return(5), h.next(), u.next(), f.next()]; },
  enhanced_error_serialization: () => { const error = structuredClone(Object.assign(new TypeError("m"), { extra: 1 })); return [error.name, error.extra]; },
  cache_reload_enabled: () => thrown(() => new Request(U, { cache: "reload" }).cache),
  immutable_api_prototypes: () => [thrown(() => { Headers.prototype.has = 1; return Headers.prototype.has; }), thrown(() => String(Object.setPrototypeOf(Headers.prototype, {}))), Object.isFrozen(Headers.prototype)],
  fetch_iterable_type_support: async () => [await outcome(() => new Response([new TextEncoder().encode("a"), new TextEncoder().encode("b")]).text()), await outcome(() => new Response((async function* () { yield new TextEncoder().encode("c"); })()).text())],
  fetch_iterable_type_support_override_adjustment: () => [["a", "b"], Object.assign(["a"], { toString: () => "own" }), { *[Symbol.iterator]() { yield "x"; }, toString: () => "own" }, { *[Symbol.iterator]() { yield "x"; }, [Symbol.toPrimitive]: () => "primitive" }, { *[Symbol.iterator]() { yield "x"; } }, new (class { *[Symbol.iterator]() { yield "x"; } toString() { return "class"; } })(), new (class extends Array { toString() { return "array"; } })(1), new Map([[1, 2]]), new String("boxed"), { async *[Symbol.asyncIterator]() { yield "x"; }, toString: () => "own" }, new Headers({ a: "b" })].reduce(async (list, body) => [...(await list), await outcome(() => new Response(body).text())], []),
  precise_timers: async () => { const start = Date.now(); let n = 0; while (Date.now() === start && n < 5e7) n++; return n < 5e7; },
  strip_bom_in_read_all_text: async () => [(await new Response("\ufeffx").text()).length, await outcome(() => new Response("\ufeff{}").json())],
  streams_no_default_auto_allocate_chunk_size: async () => { const seen = []; for (const init of [{}, { autoAllocateChunkSize: 5 }]) { const note = (c) => seen.push(c.byobRequest === null ? null : c.byobRequest.view.byteLength); const reader = new ReadableStream({ type: "bytes", ...init, pull(c) { note(c); if (c.byobRequest) { c.byobRequest.view[0] = 1; c.byobRequest.respond(1); } else c.enqueue(new Uint8Array(1)); } }).getReader(); seen.push((await reader.read()).value.byteLength); await new ReadableStream({ type: "bytes", ...init, pull(c) { note(c); c.enqueue(new Uint8Array(1)); } }).getReader({ mode: "byob" }).read(new Uint8Array(7)); } return seen; },
  require_returns_default_export: () => { return Object.keys((common.load ?? common.default.load)("plain")); },
  text_decoder_replace_surrogates: () => { const units = (s) => [...Array(s.length).keys()].map((i) => s.charCodeAt(i).toString(16)); const lone = [0x00, 0xd8, 0x41, 0x00, 0xd8, 0x00, 0x00, 0x41, 0x00, 0xdc, 0xdc, 0x00]; const d = new TextDecoder("utf-16le"); return [...["utf-16le", "utf-16be", "utf-16"].map((label) => units(new TextDecoder(label).decode(new Uint8Array(lone)))), thrown(() => units(new TextDecoder("utf-16le", { fatal: true }).decode(new Uint8Array([0x00, 0xd8, 0x41, 0x00])))), units(new TextDecoder("utf-16le").decode(new Uint8Array([0x41, 0x00, 0x42]))), thrown(() => units(new TextDecoder("utf-16le", { fatal: true }).decode(new Uint8Array([0x41, 0x00, 0x42])))), units(d.decode(new Uint8Array([0x41]), { stream: true })), units(d.decode(new Uint8Array([0x00, 0x3d]), { stream: true })), units(d.decode(new Uint8Array([0xd8]), { stream: true })), units(d.decode(new Uint8Array([0x00, 0xde]), { stream: true })), units(d.decode(new Uint8Array([0x00, 0xd8]), { stream: true })), units(d.decode()), units(new TextDecoder("utf-16le").decode(new Uint8Array([0xff, 0xfe, 0x41, 0]))), units(new TextDecoder("utf-16le", { ignoreBOM: true }).decode(new Uint8Array([0xff, 0xfe, 0x41, 0]))), units(new TextDecoder("utf-16le").decode(new Uint8Array([0x41, 0, 0x00, 0xd8])))]; },
  unhandled_rejection_after_microtask_checkpoint: async () => { const seen = []; const listener = (event) => { seen.push(event.type); event.preventDefault(); }; addEventListener("unhandledrejection", listener); const p = Promise.reject(1); seen.push("sync"); await Promise.resolve(); seen.push("later"); p.catch(() => seen.push("caught")); await later(5); Promise.reject(2).catch(() => seen.push("at once")); await later(5); Promise.reject(3); await later(5); removeEventListener("unhandledrejection", listener); return seen; },
  text_decoder_cjk_decoder: () => ["big5", "gbk", "gb18030", "euc-jp", "shift_jis", "iso-2022-jp", "euc-kr"].map((label) => thrown(() => new TextDecoder(label).decode(new Uint8Array([0x81, 0x40, 0xa1, 0xa1, 0x80, 0xff, 0x41])))),
  writable_stream_spec_compliant_writer: async () => { const w = new WritableStream().getWriter(); const before = w.ready; w.releaseLock(); const e = new WritableStream({ start(c) { c.error(new Error("e")); } }).getWriter(); const p = new WritableStream({ write() { return new Promise(() => {}); } }).getWriter(); p.write(1).catch(() => {}); const waiting = p.ready; p.releaseLock(); return [await settled(before), await settled(w.ready), await settled(w.closed), w.ready === before, thrown(() => w.desiredSize), await settled(e.ready), await settled(e.closed), await settled(waiting), p.ready === waiting]; },
  encoder_stream_spec_compliant_backpressure: async () => { const w = new TextEncoderStream().writable.getWriter(); const d = new TextDecoderStream().writable.getWriter(); const seen = [w.desiredSize, d.desiredSize]; for (let i = 0; i < 2; i++) seen.push(await settled(w.write("x")), await settled(d.write(new Uint8Array([65]))), w.desiredSize, d.desiredSize); return seen; },
  spec_compliant_property_attributes: () => [Object.getOwnPropertyDescriptor(Headers.prototype, "get"), Object.getOwnPropertyDescriptor(Headers, "prototype"), Headers.prototype.get.length],
  no_resizable_array_buffer_in_blob: () => [() => new Blob([new ArrayBuffer(2, { maxByteLength: 4 })]).size, () => new Blob([new Uint8Array(new ArrayBuffer(2, { maxByteLength: 4 }))]).size, () => new File([new ArrayBuffer(2, { maxByteLength: 4 })], "f").size, () => new Blob([new Uint8Array(2)]).size].map(thrown),
  spec_compliant_dispatch_exceptions: () => { const seen = []; const handler = (event) => { seen.push(event.message, event.error?.message); event.preventDefault(); }; addEventListener("error", handler); const target = new EventTarget(); target.addEventListener("x", () => { throw new Error("first"); }); target.addEventListener("x", () => { seen.push("second"); }); seen.push(thrown(() => target.dispatchEvent(new Event("x")))); const c = new AbortController(); c.signal.addEventListener("abort", () => { throw new Error("abort"); }); c.signal.addEventListener("abort", () => { seen.push("aborted"); }); seen.push(thrown(() => c.abort())); removeEventListener("error", handler); return seen; },
  pipe_to_backward_propagation: async () => { const seen = []; const source = new ReadableStream({ cancel(r) { seen.push(`cancel ${r?.message}`); } }); let ctrl; const p = source.pipeTo(new WritableStream({ start(c) { ctrl = c; } })); await later(1); ctrl.error(new Error("sink")); seen.push(await settled(p)); const failing = new ReadableStream({ start(c) { c.enqueue(1); }, cancel(r) { seen.push(`cancel ${r?.message}`); } }).pipeTo(new WritableStream({ write() { throw new Error("write"); } })); seen.push(await settled(failing)); return seen; },
  websocket_close_reason_byte_limit: () => { const [a] = sockets(); return [thrown(() => a.close(1000, "é".repeat(62)) ?? "closed")]; },
  websocket_standard_binary_type: () => sockets()[0].binaryType,
  web_socket_auto_reply_to_close: async () => { const [a, b] = sockets(); const got = new Promise((done) => { a.addEventListener("close", (e) => done(e.code)); setTimeout(() => done("no answer"), 20); }); a.close(4000); return [await got, a.readyState]; },
  new_module_registry: async () => [import.meta.url, Object.keys(import.meta), await outcome(() => import("nope"))],
  nonclass_entrypoint_reuses_ctx_across_invocations: (request, env, ctx) => { const same = lastCtx === undefined ? undefined : lastCtx === ctx; lastCtx = ctx; return same; },
};
