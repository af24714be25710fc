// `node:os`, `node:constants`, `node:module`, `node:sys`, `node:perf_hooks`, `node:console`.
import os, * as allOs from "node:os";
import constants, * as allConstants from "node:constants";
import nodeModule, * as allModule from "node:module";
import sys, * as allSys from "node:sys";
import util from "node:util";
import { answer } from "./show.js";

const tried = (run) => { try { return run(); } catch (error) { return error; } };
const row = (name, run) => ({ name, run });
const { createRequire } = nodeModule;
const described = (object) => Reflect.ownKeys(object).map((key) => { const d = Object.getOwnPropertyDescriptor(object, key); return `${String(key)} ${typeof d.value} ${d.value?.name} ${d.value?.length} ${[d.writable, d.enumerable, d.configurable].map(Number)}`; });

const cases = [
  () => [Object.keys(allOs), Object.keys(os)],
  () => Object.keys(os).map((key) => [key, typeof os[key], os[key].name, os[key].length, os[key] === allOs[key]]),
  ...["arch", "availableParallelism", "cpus", "endianness", "freemem", "getPriority", "homedir", "hostname", "loadavg", "machine", "networkInterfaces", "platform", "release", "tmpdir", "totalmem", "type", "uptime", "userInfo", "version", "setPriority"].map((name) => row(`os.${name}`, () => [tried(() => os[name]()), tried(() => `${os[name]}`.includes("native code")), tried(() => `${os[name][Symbol.toPrimitive]}`)])),
  () => os.userInfo({ encoding: "buffer" }),
  () => [tried(() => os.getPriority("x")), tried(() => os.setPriority(5)), tried(() => os.setPriority(0, 100)), tried(() => os.setPriority("x", 1)), tried(() => os.getPriority(1))],
  () => os.constants,
  () => [Object.isFrozen(os.constants), Object.isFrozen(os.constants.signals), Object.getPrototypeOf(os.constants) === null, Object.getPrototypeOf(os.constants.errno) === null],
  () => [os.constants.signals, os.constants.errno, os.constants.priority, os.constants.dlopen],
  () => [os.EOL, os.devNull],
  () => Object.keys(allConstants).map((key) => [key, allConstants[key]]).filter(([key]) => key !== "default"),
  () => [Object.keys(constants).length, Object.isFrozen(constants), Object.getPrototypeOf(constants) === null],
  () => [sys === util, Object.keys(allSys)],
  () => [Object.keys(allModule), Object.keys(nodeModule), typeof nodeModule, nodeModule.name, nodeModule.length],
  () => described(nodeModule).filter((line) => !/^(caller|arguments|length|name|prototype)/.test(line)),
  () => described(nodeModule.prototype),
  () => nodeModule.builtinModules,
  () => [Object.isFrozen(nodeModule.builtinModules), nodeModule.globalPaths, nodeModule.Module === nodeModule, nodeModule.constants],
  () => ["fs", "node:fs", "assert/strict", "node:test", "test", "nope", "node:nope", "cloudflare:workers", "", 5, undefined, null, "node:sys"].map((name) => [name, tried(() => nodeModule.isBuiltin(name))]),
  ...["createRequire"].flatMap(() => [
    () => { const r = createRequire("/"); return [typeof r, r.name, r.length, Object.keys(r)]; },
    () => createRequire("file:///a/b.js")("node:path").sep,
    () => createRequire(new URL("file:///a"))("path").sep,
    () => createRequire("relative"),
    () => createRequire("http://a/b"),
    () => createRequire(5),
    () => createRequire(undefined),
    () => createRequire(""),
    () => createRequire("/")("nope"),
    () => createRequire("/")("node:nope"),
    () => createRequire("/")(5),
    () => createRequire("/")("./main.js").default !== undefined,
    () => createRequire("/")("node:util") === util,
    () => createRequire("/")("node:assert") !== undefined,
    () => createRequire("/").resolve("x"),
    () => createRequire("/").paths("x"),
  ]),
  ...["register", "enableCompileCache", "findPackageJSON", "flushCompileCache", "getCompileCacheDir", "stripTypeScriptTypes", "findSourceMap", "getSourceMapsSupport", "setSourceMapsSupport", "runMain", "syncBuiltinESMExports", "wrap", "_debug", "_findPath", "_initPaths", "_load", "_resolveFilename", "_resolveLookupPaths", "_nodeModulePaths", "registerHooks"].map((name) => row(`module.${name}`, () => nodeModule[name]("x"))),
  () => new nodeModule("x"),
  () => nodeModule(),
  () => new nodeModule.SourceMap({}),
  () => nodeModule._extensions[".js"](),
  () => [tried(() => nodeModule.prototype.load()), tried(() => nodeModule.prototype.require("x")), tried(() => nodeModule.prototype._compile()), nodeModule.prototype.isPreloading],
];

export default { fetch: () => answer(cases) };
