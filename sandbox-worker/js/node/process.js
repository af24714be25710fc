// node:process, and the global `process`: what a program asks of where it runs. There is no process that it could act on.
//
// Before `enable_nodejs_process_v2` it is the few things that the reference began with. Since then it has everything that a process of
// Node.js has; what would need more than there is says so when it is used.
import { invalidArgValue } from "internal:node_errors";
import { builtin, environment } from "native:program";
import scripts from "native:scripts";

const {
  ArrayIsArray, ErrorConstructor, ProxyConstructor, ReflectApply, ReflectSet, StringConstructor, defineProperty, deleteProperty, flag,
  getOwnPropertyDescriptor, getPrototypeOf, isObject, ownKeys,
} = scripts.primordials;
const BaseTypeError = TypeError;
const objectPrototype = Object.prototype;
const { freeze } = Object;
const { stringify } = JSON;
const { trunc } = Math;
const { now } = Date;
const toBigInt = BigInt;
const microtask = globalThis.queueMicrotask;

const notImplemented = (name) => new ErrorConstructor(`process.${name} is not implemented yet.`);

const toText = (value) => {
  if (typeof value === "symbol") throw new BaseTypeError("Cannot convert a symbol value to a string");
  return StringConstructor(value);
};

/** An object with the properties of `from`, each of which is a text, whatever it is set to. */
const textsOnly = (from) =>
  new ProxyConstructor(from, {
    __proto__: null,
    set: (target, key, value, receiver) => {
      if (typeof key === "symbol") throw new BaseTypeError("Cannot convert a symbol value to a string");
      return ReflectSet(target, key, toText(value));
    },
    get: (target, key) => (typeof key === "symbol" ? undefined : target[key]),
    defineProperty: (target, key, descriptor) => {
      if (typeof key === "symbol") throw new BaseTypeError("Cannot convert a symbol value to a string");
      if ("get" in descriptor || "set" in descriptor) {
        throw invalidArgValue("descriptor", descriptor, "process.env value must not have getter/setter");
      }
      for (const name of ["configurable", "writable", "enumerable"]) {
        if (descriptor[name] === false || (descriptor[name] === undefined && getOwnPropertyDescriptor(target, key) === undefined)) {
          throw invalidArgValue(`descriptor.${name}`, descriptor, `process.env value must be ${name}`);
        }
      }
      if ("value" in descriptor) return defineProperty(target, key, { ...descriptor, value: toText(descriptor.value) });
      return defineProperty(target, key, descriptor);
    },
    deleteProperty: (target, key) => deleteProperty(target, key),
  });

/** The bindings that are texts, and those that are values of JSON, as that. */
const bindings = () => {
  const texts = {};
  if (!flag("nodejs_compat_populate_process_env")) return texts;
  const from = environment();
  if (from === undefined) return texts;
  const keys = ownKeys(from);
  for (let i = 0; i < keys.length; i++) {
    const value = from[keys[i]];
    let text;
    if (typeof value === "string") text = value;
    else if (!isObject(value)) text = stringify(value);
    else if (ArrayIsArray(value) || getPrototypeOf(value) === objectPrototype) text = stringify(value);
    if (text !== undefined) texts[keys[i]] = text;
  }
  return texts;
};
const env = textsOnly(bindings());

const features = freeze({
  cached_builtins: true, debug: false, inspector: false, ipv6: true, openssl_is_boringssl: true, require_module: false, tls: true,
  tls_alpn: true, tls_ocsp: true, tls_sni: true, typescript: false, uv: true,
});

const platform = "linux";

/** Calls `callback` as soon as what runs has ended. */
function nextTick(callback, ...args) {
  microtask(() => ReflectApply(callback, undefined, args));
}

/** A built-in module's default export, or undefined if there is none of that name. */
function getBuiltinModule(name) {
  return typeof name === "string" ? builtin(name) : undefined;
}

/** Ends the request. */
function exit(code) {
  throw new ErrorConstructor(`The Node.js process.exit(${code ?? 0}) API was called. Canceling the request.`);
}

const older = { nextTick, env, exit, getBuiltinModule, platform, features };

const unavailable = (names, object) => {
  for (let i = 0; i < names.length; i++) {
    const name = names[i];
    const { [name]: method } = { [name]() { throw notImplemented(`${name}()`); } };
    object[name] = method;
  }
};

/** What Node.js has beside: what is true of where this runs, and for the rest what says that it is not there. */
const newer = () => {
  const node = flag("nodejs_process_version_24") ? "24.22.2" : "22.23.4";
  const versions = { node };
  const none = [
    "v8", "modules", "zlib", "brotli", "zstd", "ares", "napi", "llhttp", "nghttp2", "acorn", "ada", "simdutf", "nbytes", "ncrypto", "uvwasi",
    "uv", "openssl", "sqlite", "icu", "undici", "simdjson", "unicode", "cldr", "tz", "cjs_module_lexer", "amaro", "merve",
  ];
  for (let i = 0; i < none.length; i++) versions[none[i]] = "";
  const hrtime = function hrtime(time) {
    const milliseconds = now();
    let seconds = trunc(milliseconds / 1000);
    let nanoseconds = trunc((milliseconds % 1000) * 1e6);
    if (time !== undefined) {
      seconds -= time[0];
      nanoseconds -= time[1];
      if (nanoseconds < 0) {
        seconds--;
        nanoseconds += 1e9;
      }
    }
    return [seconds, nanoseconds];
  };
  hrtime.bigint = function bigint() {
    return toBigInt(trunc(now())) * 1000000n;
  };
  const made = {
    version: `v${node}`,
    versions: freeze(versions),
    title: "workerd",
    argv: ["workerd"],
    argv0: "workerd",
    execArgv: [],
    arch: "x64",
    platform,
    pid: 1,
    ppid: 0,
    nextTick,
    env,
    exit,
    getBuiltinModule,
    features,
    cwd: function cwd() { return "/bundle"; },
    // As in the reference it cannot be changed: there are no files that it would count for.
    umask: function umask() { return 0o22; },
    hrtime,
    uptime: function uptime() { return 0; },
    // For listeners to `warning`, of which there can be none.
    emitWarning: function emitWarning() {},
    exitCode: undefined,
    connected: false,
    debugPort: 0,
    noDeprecation: false,
    traceDeprecation: false,
    throwDeprecation: false,
    sourceMapsEnabled: false,
    execPath: "",
    release: { name: "node", lts: true, sourceUrl: "", headersUrl: "" },
  };
  unavailable([
    "abort", "kill", "chdir", "loadEnvFile", "dlopen", "binding", "memoryUsage", "resourceUsage", "cpuUsage", "threadCpuUsage",
    "constrainedMemory", "availableMemory", "execve", "send", "setUncaughtExceptionCaptureCallback",
    "on", "addListener", "once", "off", "removeListener", "removeAllListeners", "emit", "prependListener", "prependOnceListener",
    "listeners", "rawListeners", "listenerCount", "eventNames", "setMaxListeners", "getMaxListeners",
  ], made);
  for (const name of ["stdin", "stdout", "stderr"]) {
    defineProperty(made, name, {
      __proto__: null,
      get() { throw notImplemented(name); },
      enumerable: false,
      configurable: true,
    });
  }
  defineProperty(made, Symbol.toStringTag, { __proto__: null, value: "process", configurable: true });
  return made;
};

const process = flag("enable_nodejs_process_v2") ? newer() : older;

// Of the older one these are undefined.
export const {
  arch, argv, argv0, connected, cwd, debugPort, emitWarning, execArgv, execPath, exitCode, hrtime, noDeprecation, pid,
  ppid, release, sourceMapsEnabled, throwDeprecation, title, traceDeprecation, umask, uptime, version, versions,
} = process;
export { env, exit, features, getBuiltinModule, nextTick, platform };
export default process;
