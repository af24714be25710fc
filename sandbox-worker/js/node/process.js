// node:process, and the global `process`: what a program asks of where it runs. There is no process that it could act on.
//
// Before `enable_nodejs_process_v2` it is the few things that the reference began with. Since then it is an emitter of events with
// everything that a process of Node.js has; what would need more than there is says so when it is used.
import {
  classed, invalidArgType, invalidArgValue, notImplemented as methodNotImplemented, outOfRange, validateFunction, validateObject, validateString,
} from "internal:node_errors";
import { variables } from "internal:process_config";
import EventEmitter from "node:events";
import { builtin, environment } from "native:program";
import scripts from "native:scripts";

const {
  ArrayIsArray, ErrorConstructor, ProxyConstructor, ReflectApply, ReflectSet, StringConstructor, defineProperty, deleteProperty, flag,
  getOwnPropertyDescriptor, getPrototypeOf, isObject, ownKeys, uncurryThis,
} = scripts.primordials;
const BaseTypeError = TypeError;
const objectPrototype = Object.prototype;
const { freeze } = Object;
const { stringify } = JSON;
const { trunc } = Math;
const { now } = Date;
const toBigInt = BigInt;
const globalObject = globalThis;
const { queueMicrotask: microtask, console } = globalObject;
const addListener = uncurryThis(globalObject.EventTarget.prototype.addEventListener);
const exec = uncurryThis(RegExp.prototype.exec);
const { bind } = Function.prototype;
const SetConstructor = Set;

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
  microtask(() => {
    // In the reference's words.
    if (typeof callback !== "function") throw new BaseTypeError("cb is not a function");
    ReflectApply(callback, undefined, args);
  });
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

/** Members of which each says that it is not there, as the reference has it. */
const missing = (names, object, owner = "process") => {
  for (let i = 0; i < names.length; i++) {
    const name = names[i][0];
    const shown = `${owner}.${name}`;
    const { [name]: method } = {
      [name]() {
        throw methodNotImplemented(shown);
      },
    };
    object[name] = withLength(method, names[i][1]);
  }
};
const withLength = (method, length) => {
  defineProperty(method, "length", { __proto__: null, value: length, configurable: true });
  return method;
};
const forbidden = (name, length) => {
  const { [name]: method } = {
    [name]() {
      const error = classed(ErrorConstructor, "ERR_EPERM", "operation not permitted", { __proto__: null, code: "EPERM", syscall: name, errno: 1, path: undefined });
      error.toString = function () {
        return `${this.name} [EPERM]: ${this.message}`;
      };
      hide(error, "toString");
      throw error;
    },
  };
  return withLength(method, length);
};
const hide = (object, key) => defineProperty(object, key, { __proto__: null, enumerable: false });
/** Methods that all give the same. */
const giving = (made, names, make) => {
  for (let i = 0; i < names.length; i++) {
    const name = names[i][0];
    const { [name]: method } = {
      [name]() {
        return make();
      },
    };
    made[name] = withLength(method, names[i][1]);
  }
};

/** Tells the listeners to `warning`. */
function emitWarning(warning, type, code, ctor) {
  let kind = type;
  let mark = code;
  let above = ctor;
  let detail;
  if (kind !== null && typeof kind === "object" && !ArrayIsArray(kind)) {
    above = kind.ctor;
    mark = kind.code;
    if (typeof kind.detail === "string") detail = kind.detail;
    kind = kind.type || "Warning";
  } else if (typeof kind === "function") {
    above = kind;
    mark = "";
    kind = "Warning";
  } else if (kind !== undefined && typeof kind !== "string") {
    validateObject(kind, "options");
  }
  if (typeof mark === "function") {
    above = mark;
    mark = undefined;
  }
  if (mark !== undefined && typeof mark !== "string") validateFunction(mark, "ctor");
  if (above !== undefined) validateFunction(above, "ctor");
  let told = warning;
  if (typeof warning === "string") {
    told = new ErrorConstructor(warning);
    defineProperty(told, "name", { __proto__: null, value: `${kind || "Warning"}`, writable: true, enumerable: false, configurable: true });
    if (mark !== undefined) told.code = mark;
    if (detail !== undefined) told.detail = detail;
  } else if (!(warning instanceof ErrorConstructor)) throw invalidArgType("warning", "an string or Error", warning);
  microtask(() => process.emit("warning", told));
}

const octal = /^[0-7]+$/;
const { parseInt: toInteger } = Number;

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
      if (!ArrayIsArray(time)) throw invalidArgType("time", "tuple of integers", time);
      if (time.length !== 2) throw outOfRange("time", "2", time);
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
  const made = { __proto__: EventEmitter.prototype };
  // Found when it is called: most who look at a process do not.
  made.assert = ReflectApply(bind, function assert(value, message) {
    ReflectApply(builtin("node:assert"), undefined, arguments);
  }, [undefined]);
  made.version = `v${node}`;
  made.versions = freeze(versions);
  made.title = "workerd";
  made.argv = ["workerd"];
  made.argv0 = "workerd";
  made.execArgv = [];
  made.arch = "x64";
  made.platform = platform;
  made.config = freeze({
    __proto__: null,
    target_defaults: freeze({ __proto__: null, default_configuration: "Release" }),
    variables: freeze({ __proto__: null, ...variables }),
  });
  made.pid = 1;
  made.ppid = 0;
  giving(made, [["getegid", 0], ["getgid", 0]], () => 0);
  giving(made, [["getgroups", 0]], () => [0]);
  giving(made, [["geteuid", 0], ["getuid", 0]], () => 0);
  const ids = [["setegid", 1], ["setgid", 1], ["setgroups", 1], ["seteuid", 1], ["setuid", 1], ["initgroups", 2]];
  for (let i = 0; i < ids.length; i++) made[ids[i][0]] = forbidden(ids[i][0], ids[i][1]);
  giving(made, [["setSourceMapsEnabled", 2]], () => undefined);
  giving(made, [["getSourceMapsSupport", 0]], () => ({ __proto__: null, enabled: false, nodeModules: false, generatedCode: false }));
  made.nextTick = nextTick;
  made.emitWarning = emitWarning;
  made.env = env;
  made.exit = exit;
  made.abort = function abort() {
    throw new ErrorConstructor("The Node.js process.abort() API was called. Canceling the request.");
  };
  made.getBuiltinModule = getBuiltinModule;
  made.features = features;
  made.allowedNodeEnvironmentFlags = new SetConstructor();
  missing([["kill", 2]], made);
  giving(made, [["ref", 0], ["unref", 0]], () => undefined);
  made.chdir = function chdir(directory) {
    validateString(directory, "directory");
    throw notImplemented("chdir()");
  };
  made.cwd = ReflectApply(bind, function getCwd() { return "/bundle"; }, [undefined]);
  // As in the reference it cannot be changed: there are no files that it would count for.
  made.umask = function umask(mask) {
    if (mask !== undefined) {
      const asked = typeof mask === "string" && exec(octal, mask) !== null ? toInteger(mask, 8) : mask;
      if (typeof asked !== "number" || !(asked >= 0 && asked <= 4294967295 && trunc(asked) === asked)) {
        throw invalidArgValue("mask", mask, "must be a 32-bit unsigned integer or an octal string");
      }
    }
    return 0o22;
  };
  made.hrtime = hrtime;
  made.uptime = function uptime() { return 0; };
  made.loadEnvFile = function loadEnvFile() {
    throw notImplemented("loadEnvFile()");
  };
  made.exitCode = undefined;
  made.channel = null;
  made.connected = false;
  missing([["binding", 1]], made);
  made.debugPort = 0;
  missing([["dlopen", 3]], made);
  made.finalization = {};
  missing([["register", 0], ["registerBeforeExit", 0], ["unregister", 0]], made.finalization, "process.finalization");
  missing([["getActiveResourcesInfo", 0], ["setUncaughtExceptionCaptureCallback", 1], ["hasUncaughtExceptionCaptureCallback", 0]], made);
  giving(made, [["memoryUsage", 0]], () => ({ rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 }));
  made.noDeprecation = false;
  made.permission = {};
  missing([["has", 0]], made.permission, "process.permission");
  made.release = { name: "node", lts: true, sourceUrl: "", headersUrl: "" };
  made.report = {
    compact: false, directory: "", filename: "", getReport() { return {}; }, reportOnFatalError: false, reportOnSignal: false,
    reportOnUncaughtException: false, excludeNetwork: false, excludeEnv: false, signal: "SIGUSR2",
  };
  missing([["writeReport", 0]], made.report, "process.report");
  giving(made, [["resourceUsage", 0]], () => ({
    userCPUTime: 0, systemCPUTime: 0, maxRSS: 0, sharedMemorySize: 0, unsharedDataSize: 0, unsharedStackSize: 0, minorPageFault: 0,
    majorPageFault: 0, swappedOut: 0, fsRead: 0, fsWrite: 0, ipcSent: 0, ipcReceived: 0, signalsCount: 0, voluntaryContextSwitches: 0,
    involuntaryContextSwitches: 0,
  }));
  giving(made, [["send", 2]], () => false);
  made.traceDeprecation = false;
  made.throwDeprecation = false;
  made.sourceMapsEnabled = false;
  missing([["threadCpuUsage", 0], ["cpuUsage", 1]], made);
  made.execPath = "";
  giving(made, [["constrainedMemory", 0], ["availableMemory", 0]], () => 0);
  missing([["execve", 3]], made);
  made.openStdin = function openStdin() {
    throw notImplemented("stdin");
  };
  made._rawDebug = function _rawDebug(...args) {
    console.log(...args);
  };
  made._rawDebug = withLength(made._rawDebug, 0);
  made.moduleLoadList = [];
  missing([["_linkedBinding", 1]], made);
  made.domain = null;
  made._exiting = false;
  giving(made, [["_getActiveRequests", 0], ["_getActiveHandles", 0]], () => []);
  made.reallyExit = function reallyExit(code) {
    exit(code);
  };
  missing([["_kill", 2]], made);
  giving(made, [["_fatalException", 1]], () => false);
  giving(made, [
    ["_tickCallback", 0], ["_debugProcess", 1], ["_debugEnd", 0], ["_startProfilerIdleNotifier", 0], ["_stopProfilerIdleNotifier", 0],
  ], () => undefined);
  made._preload_modules = [];
  made._disconnect = undefined;
  made._handleQueue = undefined;
  made._pendingMessage = undefined;
  made._channel = undefined;
  made._send = undefined;
  ReflectApply(EventEmitter, made, []);
  for (const name of ["stdin", "stdout", "stderr"]) {
    defineProperty(made, name, {
      __proto__: null,
      get() { throw notImplemented(name); },
      enumerable: false,
      configurable: true,
    });
  }
  defineProperty(made, Symbol.toStringTag, { __proto__: null, value: "process", configurable: true });
  // Who listens for rejections hears of those that the global object hears of.
  const forwarded = { __proto__: null };
  made.on("newListener", (name) => {
    if (forwarded[name] || (name !== "unhandledRejection" && name !== "rejectionHandled")) return;
    forwarded[name] = true;
    if (name === "unhandledRejection") {
      addListener(globalObject, "unhandledrejection", (event) => made.emit("unhandledRejection", event.reason, event.promise));
    } else addListener(globalObject, "rejectionhandled", (event) => made.emit("rejectionHandled", event.promise));
  });
  return made;
};

const process = flag("enable_nodejs_process_v2") ? newer() : older;

// Of the older one these are undefined.
export const {
  _channel, _debugEnd, _debugProcess, _disconnect, _events, _eventsCount, _exiting, _fatalException, _getActiveHandles, _getActiveRequests,
  _handleQueue, _kill, _linkedBinding, _maxListeners, _pendingMessage, _preload_modules, _rawDebug, _send, _startProfilerIdleNotifier,
  _stopProfilerIdleNotifier, _tickCallback, abort, allowedNodeEnvironmentFlags, arch, argv, argv0, availableMemory,
  binding, channel, chdir, config, connected, constrainedMemory, cpuUsage, cwd, debugPort, dlopen, domain, execArgv,
  execPath, execve, exitCode, finalization, getActiveResourcesInfo, getSourceMapsSupport, getegid, geteuid, getgid, getgroups, getuid,
  hasUncaughtExceptionCaptureCallback, hrtime, initgroups, kill, loadEnvFile, memoryUsage, moduleLoadList, noDeprecation, openStdin,
  permission, pid, ppid, reallyExit, ref, release, report, resourceUsage, send, setSourceMapsEnabled, setUncaughtExceptionCaptureCallback,
  setegid, seteuid, setgid, setgroups, setuid, sourceMapsEnabled, threadCpuUsage, throwDeprecation, title, traceDeprecation, umask, unref,
  uptime, version, versions,
} = process;
const { assert: assertion, emitWarning: warn } = process;
export { assertion as assert, warn as emitWarning };
export { env, exit, features, getBuiltinModule, nextTick, platform };
export default process;
