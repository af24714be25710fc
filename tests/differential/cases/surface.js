// What of each class is where: members of the constructor, of the prototype and of an instance, with their attributes.
// Left out: the length of functions, the attributes of `prototype` (V8 gives those of a class to the ones made in script), and
// the symbols under which the reference keeps its own data.
const attributes = (d) => ("value" in d ? (d.writable ? "w" : "-") : `${d.get ? "g" : ""}${d.set ? "s" : ""}`) + (d.enumerable ? "e" : "") + (d.configurable ? "c" : "");
const kind = (d) => ("value" in d ? (typeof d.value === "string" ? JSON.stringify(d.value) : typeof d.value) : "");
const ours = (key) => typeof key === "string" || /^Symbol\(Symbol\./.test(String(key));
const members = (object) => Reflect.ownKeys(object).filter(ours).map((key) => { const d = Object.getOwnPropertyDescriptor(object, key); return `${String(key)} ${attributes(d)} ${kind(d)}`; }).sort();
const instances = {
  AbortController: () => new AbortController(), AbortSignal: () => new AbortController().signal, Blob: () => new Blob(["a"], { type: "a/b" }),
  ByteLengthQueuingStrategy: () => new ByteLengthQueuingStrategy({ highWaterMark: 1 }), CloseEvent: () => new CloseEvent("x"),
  CompressionStream: () => new CompressionStream("gzip"), CountQueuingStrategy: () => new CountQueuingStrategy({ highWaterMark: 1 }), Crypto: () => crypto,
  CustomEvent: () => new CustomEvent("x"), DOMException: () => new DOMException("a", "b"), DecompressionStream: () => new DecompressionStream("gzip"),
  ErrorEvent: () => new ErrorEvent("x"), Event: () => new Event("x"), EventTarget: () => new EventTarget(), ExtendableEvent: () => undefined, FetchEvent: () => undefined, File: () => new File(["a"], "b"),
  FixedLengthStream: () => new FixedLengthStream(1), FormData: () => new FormData(), Headers: () => new Headers({ a: "b" }),
  IdentityTransformStream: () => new IdentityTransformStream(), MessageEvent: () => new MessageEvent("x", { data: 1 }), Navigator: () => navigator,
  PromiseRejectionEvent: () => undefined, ReadableStream: () => new Response("x").body, ReadableStreamBYOBReader: () => new Response("x").body.getReader({ mode: "byob" }), ReadableStreamBYOBRequest: () => undefined,
  ReadableStreamDefaultController: () => { let c; new ReadableStream({ start(controller) { c = controller; } }); return c; },
  ReadableByteStreamController: () => { let c; new ReadableStream({ type: "bytes", start(controller) { c = controller; } }); return c; },
  ReadableStreamDefaultReader: () => new Response("x").body.getReader(), Request: () => new Request("http://a/", { method: "POST", body: "x" }),
  Response: () => new Response("x"), SubtleCrypto: () => crypto.subtle, TextDecoder: () => new TextDecoder(), TextDecoderStream: () => new TextDecoderStream(),
  TextEncoder: () => new TextEncoder(), TextEncoderStream: () => new TextEncoderStream(), TransformStream: () => new TransformStream(),
  TransformStreamDefaultController: () => { let c; new TransformStream({ start(controller) { c = controller; } }); return c; },
  WebSocket: () => new WebSocketPair()[0], WebSocketPair: () => new WebSocketPair(), WebSocketRequestResponsePair: () => new WebSocketRequestResponsePair("a", "b"),
  URL: () => new URL("http://a/?b"), URLSearchParams: () => new URLSearchParams("a=b"), WritableStream: () => new IdentityTransformStream().writable,
  WritableStreamDefaultController: () => { let c; new WritableStream({ start(controller) { c = controller; } }); return c; },
  WritableStreamDefaultWriter: () => new IdentityTransformStream().writable.getWriter(),
};
const others = {
  scheduler: () => scheduler, performance: () => performance, Cloudflare: () => Cloudflare, console: () => console, env: (request, env) => env, ctx: (request, env, ctx) => ctx,
  "crypto.DigestStream": () => new crypto.DigestStream("SHA-256"), "entries of Headers": () => new Headers().entries(), "keys of URLSearchParams": () => new URLSearchParams().keys(), "values of FormData": () => new FormData().values(),
};
const probes = {};
for (const [name, make] of Object.entries(instances)) {
  probes[`${name}: where`] = () => [globalThis, Object.getPrototypeOf(globalThis), Object.getPrototypeOf(Object.getPrototypeOf(globalThis))].map((o) => { const d = Object.getOwnPropertyDescriptor(o, name); return d && attributes(d); });
  probes[`${name}: constructor`] = () => members(globalThis[name]).filter((member) => !/^(length|prototype) /.test(member));
  probes[`${name}: prototype`] = () => [members(globalThis[name].prototype), Object.getPrototypeOf(globalThis[name].prototype)?.constructor.name];
  probes[`${name}: instance`] = (...handler) => { const o = make(...handler); return o && [members(o), Object.prototype.toString.call(o), Object.keys(o), JSON.stringify(o)?.replace(/\d{6,}(\.\d+)?/g, "n").replace(/"stack":.*/, "")]; };
}
for (const [name, make] of Object.entries(others)) probes[name] = (...handler) => { const o = make(...handler); return [members(o), Object.prototype.toString.call(o), members(Object.getPrototypeOf(o))]; };
// The names of what is missing altogether are in docs/compatibility.md.
const missing = new Set("Buffer Cache CacheStorage CryptoKey EventSource HTMLRewriter MessageChannel MessagePort Performance PerformanceEntry PerformanceMark PerformanceMeasure PerformanceObserver PerformanceObserverEntryList PerformanceResourceTiming ScheduledEvent TailEvent TraceEvent URLPattern caches clearImmediate setImmediate global process StorageManager FileSystemHandle FileSystemFileHandle FileSystemDirectoryHandle FileSystemWritableFileStream".split(" "));
const present = (object) => members(object).filter((member) => !missing.has(member.split(" ")[0]) && !/^(set|clear)(Timeout|Interval) /.test(member));
probes["names of the global object"] = () => present(globalThis);
probes["names of its prototype"] = () => present(Object.getPrototypeOf(globalThis));
probes["names of its parent"] = () => present(Object.getPrototypeOf(Object.getPrototypeOf(globalThis)));
export default probes;
