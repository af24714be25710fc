// What a worker knows of itself: base classes for what it exports, its bindings, the event that runs.
//
// What needs parts of the runtime that are not there yet can be imported and extended, and says so when it is used.
import { callWith, valueOf } from "internal:async_context";
import bindings from "native:env";
import { exports as exportsOfWorker, fetcherClass, isExecutionContext, waitUntil } from "native:entrypoints";
import scripts from "native:scripts";

const {
  ErrorConstructor, ProxyConstructor, SymbolConstructor, ReflectGet, ReflectHas, ReflectSet, defineProperty, deleteProperty,
  getOwnPropertyDescriptor, ownKeys, isObject, notOfType, constructorNotOfType, illegalConstructor, shape, flag,
} = scripts.primordials;
const globalObject = globalThis;
// What `withEnv` and `withExports` give is kept under these.
const envKey = {};
const exportsKey = {};

const notSupported = (what) => new ErrorConstructor(`${what} not supported yet.`);

/** Base class of what events are delivered to: an object for each, with `ctx` and `env`. */
class WorkerEntrypoint {
  constructor(ctx, env) {
    if (!isObject(ctx)) throw constructorNotOfType("WorkerEntrypoint", 1, "Object");
    if (!isObject(env)) throw constructorNotOfType("WorkerEntrypoint", 2, "Object");
    // As in the reference: what a class that extends this one has to say about it is heard, and a getter is no error.
    ReflectSet(this, "ctx", ctx);
    ReflectSet(this, "env", env);
  }
}
shape(WorkerEntrypoint, "WorkerEntrypoint");

/** Nothing has the state that one is made with as long as there are no Durable Objects, and so none is made. */
class DurableObject {
  constructor() {
    throw constructorNotOfType("DurableObjectBase", 1, "DurableObjectState");
  }
}
shape(DurableObject, "DurableObject");

/** Base class of what runs workflows. Nothing runs one yet, but other events reach it. */
class WorkflowEntrypoint {
  constructor(ctx, env) {
    if (!isExecutionContext(ctx)) throw constructorNotOfType("WorkflowEntrypoint", 1, "ExecutionContext");
    if (!isObject(env)) throw constructorNotOfType("WorkflowEntrypoint", 2, "Object");
    ReflectSet(this, "ctx", ctx);
    ReflectSet(this, "env", env);
  }
}
shape(WorkflowEntrypoint, "WorkflowEntrypoint");

/** Base class of what is passed by reference in calls between workers. */
class RpcTarget {}
// The reference's own name for it, which objects show.
shape(RpcTarget, "JsRpcTarget");
defineProperty(RpcTarget, "name", { __proto__: null, value: "RpcTarget", configurable: true });

class RpcStub {
  constructor(target) {
    if (!isObject(target)) throw constructorNotOfType("JsRpcStub", 1, "Object");
    throw notSupported("RPC is");
  }
}
shape(RpcStub, "RpcStub");

// These two have no constructor in the reference either.
class RpcPromise {
  constructor() {
    throw illegalConstructor();
  }
}
shape(RpcPromise, "RpcPromise");

class RpcProperty {
  constructor() {
    throw illegalConstructor();
  }
}
shape(RpcProperty, "RpcProperty");

/** What service bindings are. */
const ServiceStub = fetcherClass();

const notGiven = {};
const takesNull = flag("env_module_nullable_support");
/** What a key has been given, which replaces the worker's own. Whoever was given nothing can put nothing anywhere. */
const given = (key, own) => {
  const value = valueOf(key, notGiven);
  if (isObject(value) && value !== notGiven) return value;
  return takesNull && (value === undefined || value === null) ? {} : own();
};

/** An object that stands for another one: for what `target` gives at each use. */
const standIn = (target) =>
  new ProxyConstructor({}, {
    __proto__: null,
    defineProperty: (_, key, descriptor) => defineProperty(target(), key, descriptor),
    deleteProperty: (_, key) => deleteProperty(target(), key),
    get: (_, key) => ReflectGet(target(), key),
    getOwnPropertyDescriptor: (_, key) => getOwnPropertyDescriptor(target(), key),
    has: (_, key) => ReflectHas(target(), key),
    ownKeys: () => ownKeys(target()),
    // It would be the stand-in that nothing can be added to, for whatever it stands.
    preventExtensions: () => false,
    set: (_, key, value) => ReflectSet(target(), key, value),
  });

const mayImport = !flag("disallow_importable_env");
const environment = standIn(() => given(envKey, () => (mayImport ? bindings : {})));
const exports = standIn(() => given(exportsKey, () => (mayImport ? exportsOfWorker() : {})));

const requireFunction = (callback, method, index) => {
  if (typeof callback !== "function") throw notOfType(method, "EnvModule", index, "function");
};

/** Calls `callback` with other bindings for what `env` gives in it and in what follows from it. */
function withEnv(bindings, callback) {
  requireFunction(callback, "withEnv", 2);
  return callWith(envKey, bindings, callback, globalObject, []);
}

function withExports(given, callback) {
  requireFunction(callback, "withExports", 2);
  return callWith(exportsKey, given, callback, globalObject, []);
}

function withEnvAndExports(bindings, given, callback) {
  requireFunction(callback, "withEnvAndExports", 3);
  return withExports(given, () => withEnv(bindings, callback));
}

function abortIsolate(reason) {
  throw notSupported("abortIsolate() is");
}

class Span {
  constructor() {
    throw illegalConstructor();
  }
}
shape(Span, "Span");

class Tracing {
  enterSpan() {
    throw notSupported("Tracing is");
  }
  startActiveSpan() {
    throw notSupported("Tracing is");
  }
  startSpan() {
    throw notSupported("Tracing is");
  }
  getActiveSpan() {
    throw notSupported("Tracing is");
  }
  withActiveSpan() {
    throw notSupported("Tracing is");
  }
}
shape(Tracing, "Tracing");
defineProperty(Tracing.prototype, "Span", { __proto__: null, value: Span, writable: true, enumerable: true, configurable: true });
const tracing = new Tracing();

// As in the reference outside of its network, with nothing on it.
const cache = {};
const restore = SymbolConstructor("cloudflare:workers:restore");

export {
  DurableObject, RpcPromise, RpcProperty, RpcStub, RpcTarget, ServiceStub, WorkerEntrypoint, WorkflowEntrypoint, abortIsolate, cache,
  environment as env, exports, restore, tracing, waitUntil, withEnv, withEnvAndExports, withExports,
};
