// node:async_hooks as the reference has it: AsyncLocalStorage and AsyncResource, and of the rest what programs look at when
// they start. There are no hooks: every identifier is 0.
import { callWith, capture, valueOf } from "internal:async_context";
import scripts from "native:scripts";

const {
  ErrorConstructor, illegalInvocation, isObject, notOfType, constructorNotOfType, shape, toDOMString, defineProperty,
} = scripts.primordials;
const globalObject = globalThis;

const requireFunction = (value, method, name, index, type = "function") => {
  if (typeof value !== "function") throw notOfType(method, name, index, type);
};

class AsyncLocalStorage {
  #name = "";
  #defaultValue;

  constructor(options = undefined) {
    if (options === undefined || options === null) return;
    if (!isObject(options)) throw constructorNotOfType("AsyncLocalStorage", 1, "AsyncLocalStorageOptions");
    this.#defaultValue = options.defaultValue;
    const { name } = options;
    if (name !== undefined) this.#name = toDOMString(name);
  }

  get name() {
    if (!isObject(this) || !(#name in this)) throw illegalInvocation();
    return this.#name;
  }

  /** Calls `callback` with `store` for what `getStore()` gives in it and in what follows from it. */
  run(store, callback, ...args) {
    if (!isObject(this) || !(#name in this)) throw illegalInvocation();
    if (arguments.length === 0) throw notOfType("run", "AsyncLocalStorage", 1, "Value");
    requireFunction(callback, "run", "AsyncLocalStorage", 2);
    return callWith(this, store, callback, globalObject, args);
  }

  exit(callback, ...args) {
    if (!isObject(this) || !(#name in this)) throw illegalInvocation();
    requireFunction(callback, "exit", "AsyncLocalStorage", 1);
    return callWith(this, undefined, callback, globalObject, args);
  }

  getStore() {
    if (!isObject(this) || !(#name in this)) throw illegalInvocation();
    return valueOf(this, this.#defaultValue);
  }

  enterWith() {
    throw new ErrorConstructor("asyncLocalStorage.enterWith() is not implemented");
  }

  disable() {
    throw new ErrorConstructor("asyncLocalStorage.disable() is not implemented");
  }

  /** A function that calls `callback` with what is current now. */
  static bind(callback) {
    requireFunction(callback, "bind", "AsyncLocalStorage", 1, "Function");
    const call = capture();
    return function (...args) {
      return call(callback, globalObject, args);
    };
  }

  /** A function that calls another one with what is current now. */
  static snapshot() {
    const call = capture();
    return function (callback = undefined, ...args) {
      if (typeof callback !== "function") throw new TypeError("The first argument must be a function");
      return call(callback, globalObject, args);
    };
  }
}
shape(AsyncLocalStorage, "AsyncLocalStorage");

class AsyncResource {
  #call = capture();

  constructor(type = undefined, options = undefined) {
    if (type !== undefined) toDOMString(type);
    if (options === undefined || options === null) return;
    if (!isObject(options)) throw constructorNotOfType("AsyncResource", 2, "Options");
    if (options.triggerAsyncId !== undefined) {
      throw new ErrorConstructor("The 'triggerAsyncId' field on 'Options' is not implemented.");
    }
  }

  asyncId() {
    if (!isObject(this) || !(#call in this)) throw illegalInvocation();
    return 0;
  }

  triggerAsyncId() {
    if (!isObject(this) || !(#call in this)) throw illegalInvocation();
    return 0;
  }

  /** A function that calls `callback` with what was current when the resource was made. */
  bind(callback, receiver = globalObject) {
    if (!isObject(this) || !(#call in this)) throw illegalInvocation();
    requireFunction(callback, "bind", "AsyncResource", 1, "Function");
    return this.#bind(callback, receiver);
  }

  /** Calls `callback` with what was current when the resource was made. */
  runInAsyncScope(callback, receiver = globalObject, ...args) {
    if (!isObject(this) || !(#call in this)) throw illegalInvocation();
    requireFunction(callback, "runInAsyncScope", "AsyncResource", 1);
    return this.#call(callback, receiver, args);
  }

  emitDestroy() {
    if (!isObject(this) || !(#call in this)) throw illegalInvocation();
  }

  /** As the method of an AsyncResource that is made now. */
  static bind(callback, type = undefined, receiver = globalObject) {
    requireFunction(callback, "bind", "AsyncResource", 1, "Function");
    return new AsyncResource(type).#bind(callback, receiver);
  }

  #bind(callback, receiver) {
    const call = this.#call;
    const bound = (() => function (...args) {
      return call(callback, receiver, args);
    })();
    defineProperty(bound, "asyncResource", {
      __proto__: null, value: this, writable: true, enumerable: true, configurable: true,
    });
    return bound;
  }
}
shape(AsyncResource, "AsyncResource");

class AsyncHook {
  enable() {
    return this;
  }
  disable() {
    return this;
  }
}

const createHook = () => new AsyncHook();
const executionAsyncId = () => 0;
const triggerAsyncId = () => 0;
const executionAsyncResource = () => ({ __proto__: null });

const providers = [
  "NONE", "DIRHANDLE", "DNSCHANNEL", "ELDHISTOGRAM", "FILEHANDLE", "FILEHANDLECLOSEREQ", "BLOBREADER", "FSEVENTWRAP",
  "FSREQCALLBACK", "FSREQPROMISE", "GETADDRINFOREQWRAP", "GETNAMEINFOREQWRAP", "HEAPSNAPSHOT", "HTTP2SESSION",
  "HTTP2STREAM", "HTTP2PING", "HTTP2SETTINGS", "HTTPINCOMINGMESSAGE", "HTTPCLIENTREQUEST", "LOCKS", "JSSTREAM",
  "JSUDPWRAP", "MESSAGEPORT", "PIPECONNECTWRAP", "PIPESERVERWRAP", "PIPEWRAP", "PROCESSWRAP", "PROMISE", "QUERYWRAP",
  "QUIC_ENDPOINT", "QUIC_LOGSTREAM", "QUIC_SESSION", "QUIC_STREAM", "QUIC_UDP", "SHUTDOWNWRAP", "SIGNALWRAP",
  "STATWATCHER", "STREAMPIPE", "TCPCONNECTWRAP", "TCPSERVERWRAP", "TCPWRAP", "TTYWRAP", "UDPSENDWRAP", "UDPWRAP",
  "SIGINTWATCHDOG", "WORKER", "WORKERCPUPROFILE", "WORKERCPUUSAGE", "WORKERHEAPPROFILE", "WORKERHEAPSNAPSHOT",
  "WORKERHEAPSTATISTICS", "WRITEWRAP", "ZLIB", "CHECKPRIMEREQUEST", "PBKDF2REQUEST", "KEYPAIRGENREQUEST",
  "KEYGENREQUEST", "KEYEXPORTREQUEST", "ARGON2REQUEST", "CIPHERREQUEST", "DERIVEBITSREQUEST", "HASHREQUEST",
  "RANDOMBYTESREQUEST", "RANDOMPRIMEREQUEST", "SCRYPTREQUEST", "SIGNREQUEST", "TLSWRAP", "VERIFYREQUEST", "QUIC_PACKET",
];
const asyncWrapProviders = {};
for (let i = 0; i < providers.length; i++) asyncWrapProviders[providers[i]] = 0;

export {
  AsyncLocalStorage, AsyncResource, asyncWrapProviders, createHook, executionAsyncId, executionAsyncResource, triggerAsyncId,
};
export default {
  AsyncLocalStorage, AsyncResource, asyncWrapProviders, createHook, executionAsyncId, executionAsyncResource, triggerAsyncId,
};
