const outcome = (f) => { try { const v = f(); v?.catch?.(() => {}); return typeof v; } catch (e) { return `${e.name}: ${e.message}`; } };
const early = {
  setTimeout: outcome(() => setTimeout(() => {}, 1)),
  randomUUID: outcome(() => crypto.randomUUID()),
  getRandomValues: outcome(() => crypto.getRandomValues(new Uint8Array(1))),
  "AbortSignal.timeout": outcome(() => AbortSignal.timeout(1)),
  now: Date.now(),
  performance: performance.now(),
  eval: outcome(() => eval("1")),
  "new Function": outcome(() => new Function("return 1")()),
  microtask: outcome(() => queueMicrotask(() => {})),
  clone: outcome(() => structuredClone({})),
  random: outcome(() => Math.random()),
};
let tag;
const fetchRejects = (async () => fetch("http://example.com/"))().catch((e) => `${e.name}: ${e.message}`);
await Promise.resolve().then(() => { tag = "after await"; });
const typeOf = (names) => Object.fromEntries(names.map((name) => [name, typeof globalThis[name]]));
export default {
  ...Object.fromEntries(Object.entries(early).map(([name, value]) => [`at start-up: ${name}`, () => value])),
  "at start-up: fetch": () => fetchRejects,
  "at start-up: top-level await": () => tag,
  "eval in a request": () => eval("1"),
  "new Function in a request": () => new Function("return 1"),
  "code from strings in a request, form by form": () => {
    const constructorOf = (f) => Object.getPrototypeOf(f).constructor;
    const forms = [
      () => new Function(), () => Function(), () => new (class extends Function {})(), () => new (class extends Function { constructor() { super(); } })(),
      () => Reflect.construct(Function, []), () => Reflect.construct(Function, [], class A {}), () => new (Function.bind(null))(),
      () => new Function(""), () => new Function(" "), () => new Function("a", ""), () => new Function("", ""), () => new Function("\n"), () => new Function("/**/"),
      () => new Function(undefined), () => new Function(null), () => new Function({ toString: () => "" }), () => new (class extends Function { constructor() { super(""); } })(),
      () => new (class extends Function { constructor() { super("...args", "return 1"); } })(),
      () => new (constructorOf(function* () {}))(), () => new (constructorOf(async () => {}))(), () => new (constructorOf(async function* () {}))(), () => new (constructorOf(async () => {}))("return 1"),
      () => eval(), () => eval(undefined), () => eval(""), () => eval(1), () => eval(null), () => eval({}), () => (0, eval)(), () => (0, eval)("1"),
    ];
    return forms.map((form) => { try { return String(form()); } catch (e) { return `${e.name}: ${e.message}`; } });
  },
  "what a class that extends Function makes": () => {
    class Callable extends Function { constructor(target) { super(); return new Proxy(this, { apply: (_, self, args) => target(...args) }); } get kind() { return "callable"; } }
    const callable = new Callable((a, b) => a + b);
    return [callable(1, 2), callable.kind, callable instanceof Callable, callable instanceof Function, new Function()()];
  },
  "global object": () => [Object.prototype.toString.call(globalThis), globalThis === self, this === undefined],
  "names of the global object": () => Object.getOwnPropertyNames(globalThis).sort(),
  "chain of prototypes": () => { const names = []; for (let o = Object.getPrototypeOf(globalThis); o; o = Object.getPrototypeOf(o)) names.push(o.constructor?.name); return names; },
  "classes": () => typeOf(["Headers", "Request", "Response", "URL", "URLSearchParams", "TextEncoder", "TextDecoder", "ReadableStream", "WritableStream", "TransformStream", "AbortController", "AbortSignal", "EventTarget", "Event", "CustomEvent", "DOMException", "FormData", "Blob", "File", "Crypto", "SubtleCrypto", "CryptoKey", "ExecutionContext", "FetchEvent", "WorkerGlobalScope", "ServiceWorkerGlobalScope", "ExtendableEvent", "FixedLengthStream", "IdentityTransformStream", "CompressionStream", "TextEncoderStream", "CountQueuingStrategy"]),
  "later classes": () => typeOf(["WebSocket", "WebSocketPair", "EventSource", "MessageChannel", "HTMLRewriter", "Cache", "CacheStorage", "URLPattern", "Navigator", "Performance"]),
  "functions": () => typeOf(["fetch", "setTimeout", "clearTimeout", "setInterval", "clearInterval", "queueMicrotask", "structuredClone", "atob", "btoa", "reportError", "addEventListener", "dispatchEvent"]),
  "what is absent": () => typeOf(["window", "document", "process", "Buffer", "require", "global", "importScripts", "Temporal", "XMLHttpRequest", "localStorage", "postMessage", "gc", "d8", "print"]),
  "navigator": () => [navigator.userAgent, navigator.language, navigator.hardwareConcurrency],
  "locale and time zone": () => { const o = new Intl.DateTimeFormat().resolvedOptions(); return [o.locale, o.timeZone, new Date(0).toLocaleString(), new Date(0).getTimezoneOffset(), (1234.5).toLocaleString("de")]; },
  "intl data": () => [new Intl.NumberFormat("ja-JP", { style: "currency", currency: "JPY" }).format(1234), new Intl.PluralRules("ar").select(3), ["z", "ä", "a"].sort(new Intl.Collator("de").compare), "İ".toLocaleLowerCase("tr")],
  "origin": () => origin,
  "functions print as native": () => [String(fetch), String(setTimeout), String(Headers)],
  "global names can be shadowed": () => { globalThis.fetch2 = 1; return delete globalThis.fetch2; },
  "descriptor of a class": () => { const d = Object.getOwnPropertyDescriptor(globalThis, "Headers") ?? Object.getOwnPropertyDescriptor(Object.getPrototypeOf(globalThis), "Headers"); return [d.writable, d.enumerable, d.configurable]; },
  "context": (request, env, ctx) => [Object.prototype.toString.call(ctx), Object.prototype.toString.call(env), Object.keys(env), ctx.props],
  "waitUntil of no promise": (request, env, ctx) => ctx.waitUntil(5),
  "waitUntil": (request, env, ctx) => ctx.waitUntil(Promise.resolve()),
  "waitUntil without this": (request, env, ctx) => { const { waitUntil } = ctx; return waitUntil(Promise.resolve()); },
  "passThroughOnException": (request, env, ctx) => ctx.passThroughOnException(),
  "dynamic import of nothing": () => import("nope"),
  "stack of an error": () => new Error("x").stack.split("\n").length > 1,
  "Error.captureStackTrace": () => { const o = {}; Error.captureStackTrace(o); return typeof o.stack; },
  "cloudflare flags": () => typeof Cloudflare.compatibilityFlags,
  "weak references": () => [typeof WeakRef, typeof FinalizationRegistry],
  "shared memory": () => [typeof SharedArrayBuffer, typeof Atomics],
};
