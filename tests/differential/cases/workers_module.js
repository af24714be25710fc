import * as workers from "cloudflare:workers";
const thrown = (f) => { try { return ["returned", f()]; } catch (error) { return ["threw", error?.name, error?.message]; } };
const later = (ms = 1) => new Promise((done) => setTimeout(done, ms));
const atTop = { keys: Object.keys(workers.env), withEnv: workers.withEnv({ A: "own" }, () => workers.env.A), waitUntil: thrown(() => workers.waitUntil(Promise.resolve())) };
class Entrypoint extends workers.WorkerEntrypoint {}
class Deaf extends workers.WorkerEntrypoint { get env() { return 5; } set ctx(value) { this.heard = value; } }
class Durable extends workers.DurableObject { method() { return 1; } }
class Workflow extends workers.WorkflowEntrypoint { run() { return 1; } }
class Target extends workers.RpcTarget { method() { return 1; } }

export default {
  "exports": () => [Object.keys(workers), workers.default, Object.prototype.toString.call(workers)],
  "at the top level": () => atTop,
  "env is live": (request, env) => { env.ONE = 1; workers.env.TWO = 2; delete workers.env.THREE; const seen = [workers.env.ONE, env.TWO, "ONE" in workers.env, Object.keys(workers.env), Object.keys(env)]; delete env.ONE; delete env.TWO; return seen; },
  "env is an object of its own": (request, env) => [workers.env === env, typeof workers.env, Object.prototype.toString.call(workers.env), Object.getPrototypeOf(workers.env) === Object.prototype],
  "descriptors of env": (request, env) => { env.ONE = 1; const seen = [Object.getOwnPropertyDescriptor(workers.env, "ONE"), Reflect.defineProperty(workers.env, "TWO", { value: 2, configurable: true }), env.TWO]; delete env.ONE; delete env.TWO; return seen; },
  "receiver of a getter of env": (request, env) => { Object.defineProperty(env, "G", { configurable: true, get() { return [this === workers.env, this === env]; } }); const seen = workers.env.G; delete env.G; return seen; },
  "env cannot be assigned": () => thrown(() => { workers.env = 5; }),
  "withEnv": () => [workers.withEnv({ A: 1 }, () => workers.env.A), workers.withEnv({ A: 1 }, () => [workers.withEnv({ A: 2 }, () => workers.env.A), workers.env.A]), workers.withEnv({ A: 1 }, () => Object.keys(workers.env)), workers.withEnv({}, function () { return [this === globalThis, arguments.length]; })],
  "withEnv, later": async () => workers.withEnv({ A: 1 }, async () => { await null; const first = workers.env.A; await later(); return [first, workers.env.A]; }),
  "withEnv, timers": () => new Promise((done) => workers.withEnv({ A: 1 }, () => setTimeout(() => done(workers.env.A), 1))),
  "withEnv of other values": (request, env) => { env.A = "worker"; const seen = [5, "text", true, null, undefined, Symbol.iterator, [1], () => 1].map((value) => workers.withEnv(value, () => workers.env.A)); delete env.A; return seen; },
  "withEnv without a function": () => [thrown(() => workers.withEnv()), thrown(() => workers.withEnv({})), thrown(() => workers.withEnv({}, 5)), thrown(() => workers.withExports({})), thrown(() => workers.withEnvAndExports({}, {}))],
  "withEnv that throws": () => thrown(() => workers.withEnv({}, () => { throw new RangeError("own"); })),
  "withExports": () => [workers.withExports({ X: 1 }, () => [workers.exports.X, Object.keys(workers.exports)]), workers.withEnvAndExports({ A: 2 }, { X: 1 }, () => [workers.env.A, workers.exports.X])],
  "exports of the worker": () => thrown(() => typeof workers.exports.default),
  "waitUntil": async () => { const seen = []; seen.push(workers.waitUntil((async () => { await later(); seen.push("ran"); })())); await later(5); return [...seen, workers.waitUntil(5), thrown(() => workers.waitUntil())]; },
  "WorkerEntrypoint": (request, env, ctx) => { const object = new workers.WorkerEntrypoint(ctx, env); return [Reflect.ownKeys(object), object.ctx === ctx, object.env === env, Object.getOwnPropertyDescriptor(object, "env").writable, Object.prototype.toString.call(object)]; },
  "WorkerEntrypoint extended": (request, env, ctx) => { const object = new Entrypoint(ctx, env); return [object.ctx === ctx, object.env === env, object instanceof workers.WorkerEntrypoint, new Deaf(ctx, env).heard === ctx, new Deaf(ctx, env).env]; },
  "WorkerEntrypoint of other values": () => [[], [{}], [5, {}], [{}, 5], [{}, {}], [() => 1, []]].map((given) => thrown(() => Reflect.ownKeys(new Entrypoint(...given)))),
  "WorkerEntrypoint called": () => thrown(() => workers.WorkerEntrypoint({}, {})),
  "classes that extend the others": (request, env) => [Durable, Workflow, Target].map((Class) => [Class.name, typeof Class.prototype, Object.getPrototypeOf(Class).name]),
  "DurableObject": (request, env, ctx) => thrown(() => new Durable(ctx, env)),
  "WorkflowEntrypoint": (request, env, ctx) => thrown(() => Reflect.ownKeys(new Workflow(ctx, env))),
  "RpcTarget": () => [new Target().method(), Reflect.ownKeys(new workers.RpcTarget())],
  "RpcStub": () => thrown(() => typeof new workers.RpcStub(() => 1)),
  "classes that nobody makes": () => ["RpcPromise", "RpcProperty", "ServiceStub"].map((name) => thrown(() => new workers[name]({}))),
  "restore": () => [typeof workers.restore, workers.restore.description, Symbol.keyFor(workers.restore)],
  "cache": () => [Reflect.ownKeys(workers.cache), typeof workers.cache.purge],
  "tracing": () => [Object.getOwnPropertyNames(Object.getPrototypeOf(workers.tracing)).sort(), thrown(() => workers.tracing.enterSpan("span", () => 1))],
  "abortIsolate": () => [typeof workers.abortIsolate, workers.abortIsolate.length],
  "exports of ctx": (request, env, ctx) => thrown(() => typeof ctx.exports),
};
