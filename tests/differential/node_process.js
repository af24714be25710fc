// `process`, global and module, as programs look at it.
import process, * as all from "node:process";
import { env as imported } from "cloudflare:workers";

const atStart = JSON.stringify(process.env);
process.env.started = "yes";
const same = (name) => [typeof process[name], JSON.stringify(process[name])];
const described = (object, key) => {
  const found = Object.getOwnPropertyDescriptor(object, key);
  return found && [found.writable, found.enumerable, found.configurable, typeof found.get];
};
const cases = {
  "env at the start": () => atStart,
  "env": () => process.env,
  "keys of env": () => Object.keys(process.env),
  "what env is": () => [String(process.env), Object.getPrototypeOf(process.env) === Object.prototype, process.env === process.env],
  "a number is set": () => [(process.env.x = 5), typeof process.env.x, process.env.x],
  "undefined is set": () => [(process.env.x = undefined), typeof process.env.x, process.env.x],
  "null is set": () => [(process.env.x = null), typeof process.env.x, process.env.x],
  "true is set": () => [(process.env.x = true), typeof process.env.x],
  "an object is set": () => [(process.env.x = {}), process.env.x],
  "a symbol is set": () => { process.env.x = Symbol("s"); },
  "a symbol for a key is set": () => { process.env[Symbol.iterator] = "x"; },
  "a symbol for a key": () => typeof process.env[Symbol.iterator],
  "what is in env": () => ["x" in process.env, "nope" in process.env, "toString" in process.env],
  "what is deleted": () => [delete process.env.x, "x" in process.env, delete process.env.nope],
  "a property is defined": () => { Object.defineProperty(process.env, "y", { value: 5, writable: true, enumerable: true, configurable: true }); return process.env.y; },
  "a property that stays is defined": () => { Object.defineProperty(process.env, "y2", { value: 5 }); },
  "a getter is defined": () => { Object.defineProperty(process.env, "y3", { get() { return 1; } }); },
  "a descriptor": () => Object.getOwnPropertyDescriptor(process.env, "y"),
  "env is replaced": () => { const kept = process.env; process.env = { z: 1 }; const seen = [typeof process.env.z, process.env === kept]; process.env = kept; return seen; },
  "the worker's env": (env) => { process.env.TEXT = "changed"; return [env.TEXT, imported.TEXT]; },
  "spread": () => ({ ...process.env }),
  "platform": () => same("platform"),
  "features": () => same("features"),
  "version": () => same("version"),
  "versions": () => same("versions"),
  "title": () => same("title"),
  "argv": () => same("argv"),
  "argv0": () => same("argv0"),
  "execArgv": () => same("execArgv"),
  "arch": () => same("arch"),
  "pid": () => same("pid"),
  "ppid": () => same("ppid"),
  "execPath": () => same("execPath"),
  "release": () => same("release"),
  "exitCode": () => same("exitCode"),
  "connected": () => same("connected"),
  "cwd": () => process.cwd?.(),
  "umask": () => [process.umask?.(), process.umask?.(0o77), process.umask?.(18)],
  "uptime": () => typeof process.uptime?.(),
  "hrtime": () => [process.hrtime?.().length, typeof process.hrtime?.bigint?.()],
  "emitWarning": () => process.emitWarning?.("w"),
  "the tag": () => String(process),
  "nextTick": async () => {
    const seen = [];
    process.nextTick((...args) => seen.push("tick", ...args), 1, 2);
    queueMicrotask(() => seen.push("microtask"));
    Promise.resolve().then(() => seen.push("promise"));
    seen.push("now");
    await new Promise((done) => setTimeout(done, 1));
    return seen;
  },
  "nextTick gives nothing": () => process.nextTick(() => 1),
  "getBuiltinModule": async () => [process.getBuiltinModule("node:buffer") === (await import("node:buffer")).default, typeof process.getBuiltinModule("assert"), process.getBuiltinModule("nope"), process.getBuiltinModule("./nope")],
  "getBuiltinModule of nothing": () => [process.getBuiltinModule(), process.getBuiltinModule(5)],
  "names and lengths": () => ["nextTick", "exit", "getBuiltinModule"].map((name) => [process[name].name, process[name].length, all[name] === process[name]]),
  "the global process": () => [globalThis.process === process, described(globalThis, "process")],
  "the global Buffer": async () => [globalThis.Buffer === (await import("node:buffer")).Buffer, described(globalThis, "Buffer")],
  "global": () => [globalThis.global === globalThis, described(globalThis, "global")],
  "a global is replaced": () => { const kept = globalThis.Buffer; globalThis.Buffer = 5; const seen = globalThis.Buffer; globalThis.Buffer = kept; return seen; },
};

export default {
  async fetch(request, env) {
    const seen = [];
    for (const [name, run] of Object.entries(cases)) {
      try {
        const value = await run(env);
        seen.push([name, `${typeof value} ${JSON.stringify(value) ?? String(value)}`]);
      } catch (error) {
        seen.push([name, `threw ${error} ${error.code}`]);
      }
    }
    return Response.json(seen);
  },
};
