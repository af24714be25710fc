// node:module: `createRequire`, and of the rest what is true of a place without files: to use it is an error that says so.
import { invalidArgValue, notImplemented } from "internal:node_errors";
import { createRequire as requireFrom } from "native:program";
import scripts from "native:scripts";

const { StringConstructor, defineProperty, isObject, uncurryThis } = scripts.primordials;
const { freeze } = Object;
const { URL } = globalThis;
const startsWith = uncurryThis(String.prototype.startsWith);

const missing = (name, shown = `module.${name}`) => {
  const { [name]: method } = {
    [name]: function () {
      throw notImplemented(shown);
    },
  };
  return method;
};

const builtinModules = freeze([
  "_http_agent", "_http_client", "_http_common", "_http_incoming", "_http_outgoing", "_http_server", "_stream_duplex",
  "_stream_passthrough", "_stream_readable", "_stream_transform", "_stream_wrap", "_stream_writable", "_tls_common", "_tls_wrap",
  "assert", "assert/strict", "async_hooks", "buffer", "child_process", "cluster", "console", "constants", "crypto", "dgram",
  "diagnostics_channel", "dns", "dns/promises", "domain", "events", "fs", "fs/promises", "http", "http2", "https", "inspector",
  "inspector/promises", "module", "net", "os", "path", "path/posix", "path/win32", "perf_hooks", "process", "punycode",
  "querystring", "readline", "readline/promises", "repl", "stream", "stream/consumers", "stream/promises", "stream/web",
  "string_decoder", "sys", "timers", "timers/promises", "tls", "trace_events", "tty", "url", "util", "util/types", "v8", "vm",
  "wasi", "worker_threads", "zlib",
]);
const known = { __proto__: null };
for (let i = 0; i < builtinModules.length; i++) known[builtinModules[i]] = true;
/** As in the reference, whatever is called like one. */
function isBuiltin(moduleName) {
  return typeof moduleName === "string" && (startsWith(moduleName, "node:") || known[moduleName] === true);
}

function createRequire(path) {
  const given = isObject(path) && path instanceof URL ? path.href : StringConstructor(path);
  let location = given;
  if (startsWith(given, "file:")) location = new URL(given).pathname;
  else if (given[0] !== "/") {
    throw invalidArgValue("path", given, "The argument must be a file URL object, a file URL string, or an absolute path string.");
  }
  const load = requireFrom(location);
  return (() => (...args) => load(StringConstructor(args[0])))();
}

const constants = { __proto__: null };
defineProperty(constants, "compileCacheStatus", {
  __proto__: null,
  value: freeze({ __proto__: null, FAILED: 0, ENABLED: 1, ALREADY_ENABLED: 2, DISABLED: 3 }),
  enumerable: true,
});
freeze(constants);

const { Module } = { Module: missing("Module") };
const SourceMap = missing("SourceMap");
const register = missing("register");
function enableCompileCache() {}
const findPackageJSON = missing("findPackageJSON");
function flushCompileCache() {}
function getCompileCacheDir() {}
const stripTypeScriptTypes = missing("stripTypeScriptTypes");
const findSourceMap = missing("findSourceMap");
function getSourceMapsSupport() {
  return { __proto__: null, enabled: false, nodeModules: false, generatedCode: false };
}
const setSourceMapsSupport = missing("setSourceMapsSupport");
const runMain = missing("runMain");
const syncBuiltinESMExports = missing("syncBuiltinESMExports");
const wrap = missing("wrap");
const _cache = { __proto__: null };
const _debug = missing("_debug");
const _extensions = { __proto__: null };
for (const name of [".js", ".json", ".node"]) _extensions[name] = missing(name, `module._extensions${name}`);
const _findPath = missing("_findPath");
const _initPaths = missing("_initPaths");
const _load = missing("_load");
const _pathCache = { __proto__: null };
const _preloadModules = missing("_preloadModules");
const _resolveFilename = missing("_resolveFilename");
const _resolveLookupPaths = missing("_resolveLookupPaths");
const _nodeModulePaths = missing("_nodeModulePaths");
const registerHooks = missing("registerHooks");
const globalPaths = freeze([]);

Module.prototype.load = function load() {};
Module.prototype.require = function require() {};
Module.prototype._compile = function _compile() {};
defineProperty(Module.prototype, "isPreloading", {
  __proto__: null,
  get: { get() { return false; } }.get,
});
const members = {
  register, constants, enableCompileCache, findPackageJSON, flushCompileCache, getCompileCacheDir, stripTypeScriptTypes, findSourceMap,
  SourceMap, getSourceMapsSupport, setSourceMapsSupport, createRequire, builtinModules, globalPaths, isBuiltin, runMain,
  syncBuiltinESMExports, wrap, _cache, _debug, _extensions, _findPath, _initPaths, _load, _pathCache, _preloadModules, _resolveFilename,
  _resolveLookupPaths, _nodeModulePaths, Module, registerHooks,
};
for (const name in members) {
  defineProperty(Module, name, { __proto__: null, value: members[name], writable: true, enumerable: true, configurable: false });
}

export {
  Module, SourceMap, _cache, _debug, _extensions, _findPath, _initPaths, _load, _nodeModulePaths, _pathCache, _preloadModules,
  _resolveFilename, _resolveLookupPaths, builtinModules, constants, createRequire, enableCompileCache, findPackageJSON, findSourceMap,
  flushCompileCache, getCompileCacheDir, getSourceMapsSupport, globalPaths, isBuiltin, register, registerHooks, runMain,
  setSourceMapsSupport, stripTypeScriptTypes, syncBuiltinESMExports, wrap,
};
export default Module;
