// What `process` does since it is an emitter of events: what works, and what says that it does not.
import process, * as all from "node:process";
import EventEmitter from "node:events";
import { answer } from "./show.js";

const tried = (run) => { try { return run(); } catch (error) { return error; } };
const row = (name, run) => ({ name, run });
const methods = ["kill", "dlopen", "binding", "memoryUsage", "resourceUsage", "cpuUsage", "threadCpuUsage", "constrainedMemory", "availableMemory", "execve", "send", "setUncaughtExceptionCaptureCallback",
  "hasUncaughtExceptionCaptureCallback", "getActiveResourcesInfo", "getegid", "geteuid", "getgid", "getgroups", "getuid", "setegid", "seteuid", "setgid", "setgroups", "setuid", "initgroups", "ref", "unref", "setSourceMapsEnabled",
  "getSourceMapsSupport", "umask", "uptime", "cwd", "_rawDebug", "_debugEnd", "_debugProcess", "_fatalException", "_getActiveHandles", "_getActiveRequests", "_kill", "_linkedBinding", "_startProfilerIdleNotifier", "_stopProfilerIdleNotifier", "_tickCallback", "assert", "hrtime", "disconnect", "_send", "_handleQueue"];
const streams = ["stdin", "stdout", "stderr", "_events"];

const cases = [
  () => Object.keys(process).filter((key) => !streams.includes(key)),
  () => Object.keys(all).filter((key) => !streams.includes(key)),
  () => Object.keys(process).filter((key) => !streams.includes(key)).map((key) => { const d = Object.getOwnPropertyDescriptor(process, key); return [key, typeof d.value, d.value?.name, d.value?.length, !!d.get, !!d.set, d.writable, d.configurable]; }),
  () => [process instanceof EventEmitter, Object.prototype.toString.call(process), Object.getPrototypeOf(process)?.constructor?.name, process.constructor?.name],
  () => Reflect.ownKeys(Object.getPrototypeOf(process)).map(String),
  ...methods.flatMap((name) => [row(`process.${name}()`, () => (name === "uptime" || name === "hrtime" ? typeof process[name]() : process[name]())), row(`process.${name}(5)`, () => (name === "hrtime" ? tried(() => process.hrtime(5)) : name === "uptime" ? 0 : process[name](5)))]),
  ...["allowedNodeEnvironmentFlags", "config", "finalization", "permission", "report", "release", "moduleLoadList", "argv", "execArgv", "_preload_modules", "channel", "domain", "connected", "exitCode", "title", "debugPort", "versions", "features", "noDeprecation", "_exiting", "_maxListeners", "_channel"].map((name) => row(`process.${name}`, () => [process[name], typeof process[name]])),
  () => { const seen = []; const f = (...args) => seen.push(args); process.on("x", f); const given = process.emit("x", 1, 2); process.off("x", f); return [given, seen, process.emit("x"), process.listenerCount("x"), process.eventNames().filter((name) => name === "x")]; },
  () => { const seen = []; process.once("y", () => seen.push(1)); return [process.emit("y"), process.emit("y"), seen]; },
  () => [process.getMaxListeners(), process.setMaxListeners(11) === process, process.getMaxListeners(), process.setMaxListeners(10) === process],
  () => process.emit("error", new Error("e")),
  () => process.emit("warning", new Error("w")),
  async () => { const seen = []; const f = (warning) => seen.push([warning.name, warning.message, warning.code, warning.detail]); process.on("warning", f); process.emitWarning("text"); process.emitWarning("typed", "Type", "CODE"); process.emitWarning(new Error("an error")); process.emitWarning("o", { type: "T", code: "C", detail: "D" }); await new Promise((r) => setTimeout(r, 2)); process.off("warning", f); return seen; },
  () => tried(() => process.emitWarning(5)),
  () => tried(() => process.emitWarning("x", 5)),
  () => tried(() => process.emitWarning()),
  () => tried(() => process.emitWarning("x", "T", 5)),
  () => [(process.exitCode = 5), process.exitCode, tried(() => { process.exitCode = "x"; }), tried(() => { process.exitCode = 1.5; }), (process.exitCode = undefined)],
  () => [(process.title = "x"), process.title, (process.title = "workerd")],
  () => [tried(() => { process.argv0 = "x"; return process.argv0; }), tried(() => { process.pid = 7; return process.pid; }), tried(() => { process.version = "x"; return process.version; }), tried(() => { process.platform = "x"; return process.platform; })],
  async () => new Promise((resolve) => process.nextTick((...args) => resolve(args), 1, 2)),
  () => [process.hrtime([0, 0]).length, tried(() => process.hrtime("x")), tried(() => process.hrtime([1])), tried(() => process.hrtime([1, 2, 3])), tried(() => process.hrtime({})), typeof process.hrtime.bigint()],
  () => [process.umask(), tried(() => process.umask(0o77)), tried(() => process.umask("077")), tried(() => process.umask("x")), tried(() => process.umask(1.5)), process.umask()],
  () => [process.cwd(), tried(() => process.chdir(5))],
  () => [process.getBuiltinModule("node:events") === EventEmitter, process.getBuiltinModule("events") === EventEmitter, process.getBuiltinModule("nope"), tried(() => process.getBuiltinModule(5))],
  () => [process.features.inspector, tried(() => { process.features.x = 1; })],
  () => process.report.getReport(),
  () => [tried(() => process.report.writeReport()), process.report.signal],
  () => [process.finalization.register({}, () => 1), tried(() => process.finalization.unregister({})), tried(() => process.finalization.registerBeforeExit({}, () => 1))],
  () => [process.permission.has("x"), process.permission.has()],
  () => process.assert(true),
  () => process.assert(false, "text"),
];

export default { fetch: () => answer(cases) };
