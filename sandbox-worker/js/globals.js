// The global scope: its interface, navigator, scheduler, Cloudflare, queueMicrotask and the functions of EventTarget.
(function (internal) {
  "use strict";
  const {
    FunctionPrototypeApply, defineProperty, getOwnPropertyDescriptor, setPrototypeOf, ownKeys,
    PromiseReject, withResolvers, microtask, illegalConstructor, illegalInvocation, isObject, notOfType, fieldNotOfType,
    shape,
  } = internal.primordials;
  const freeze = Object.freeze;
  const globals = internal.globals;
  const { EventTarget } = internal;
  const { addEventListener, removeEventListener, dispatchEvent } = EventTarget.prototype;

  // Never instantiated: these prototypes stand behind the global object that native code made.
  class WorkerGlobalScope extends EventTarget {
    constructor() {
      throw illegalConstructor();
    }
  }
  shape(WorkerGlobalScope, "WorkerGlobalScope");
  class ServiceWorkerGlobalScope extends WorkerGlobalScope {
    constructor() {
      throw illegalConstructor();
    }
  }
  shape(ServiceWorkerGlobalScope, "ServiceWorkerGlobalScope");

  let making = false;
  const make = (Class) => {
    making = true;
    const object = new Class();
    making = false;
    return object;
  };

  class Navigator {
    #brand;
    constructor() {
      if (!making) throw illegalConstructor();
    }
    get userAgent() {
      if (!(#brand in this)) throw illegalInvocation();
      return "Cloudflare-Workers";
    }
    get hardwareConcurrency() {
      if (!(#brand in this)) throw illegalInvocation();
      return 1;
    }
    get platform() {
      if (!(#brand in this)) throw illegalInvocation();
      return "";
    }
    get language() {
      if (!(#brand in this)) throw illegalInvocation();
      return "en";
    }
    get languages() {
      if (!(#brand in this)) throw illegalInvocation();
      return languages;
    }
    sendBeacon(url, body = undefined) {
      if (!(#brand in this)) throw illegalInvocation();
      if (arguments.length === 0) throw notOfType("sendBeacon", "Navigator", 1, "string");
      if (internal.sendBeacon === undefined) {
        throw internal.newDOMException("navigator.sendBeacon() is not available in this runtime.", "NotSupportedError");
      }
      return internal.sendBeacon(url, body);
    }
  }
  shape(Navigator, "Navigator");
  const languages = freeze(["en"]);

  class Scheduler {
    #brand;
    constructor() {
      if (!making) throw illegalConstructor();
    }
    /** A promise that is fulfilled after `delay` milliseconds, or rejected with the signal's reason. */
    wait(delay, options = undefined) {
      if (!isObject(this) || !(#brand in this)) return PromiseReject(illegalInvocation());
      try {
        if (arguments.length === 0) throw notOfType("wait", "Scheduler", 1, "number");
        const milliseconds = +delay;
        let signal;
        if (options !== undefined && options !== null) {
          if (!isObject(options)) throw notOfType("wait", "Scheduler", 2, "WaitOptions");
          signal = options.signal;
          if (signal !== undefined && !internal.isAbortSignal(signal)) {
            throw fieldNotOfType("signal", "WaitOptions", "AbortSignal");
          }
        }
        if (signal !== undefined && internal.signalAborted(signal)) return PromiseReject(internal.signalReason(signal));
        const { promise, resolve, reject } = withResolvers();
        if (signal === undefined) {
          internal.setTimeout(resolve, milliseconds);
          return promise;
        }
        const onAbort = () => {
          internal.clearTimeout(timer);
          reject(internal.signalReason(signal));
        };
        const timer = internal.setTimeout(() => {
          internal.removeAbortAlgorithm(signal, onAbort);
          resolve(undefined);
        }, milliseconds);
        internal.addAbortAlgorithm(signal, onAbort);
        return promise;
      } catch (error) {
        return PromiseReject(error);
      }
    }
  }
  shape(Scheduler, "Scheduler");

  class CloudflareNamespace {
    #flags;
    constructor() {
      if (!making) throw illegalConstructor();
    }
    // The flags are known when a worker is bound, which is after this script ran.
    get compatibilityFlags() {
      if (!(#flags in this)) throw illegalInvocation();
      if (this.#flags === undefined) {
        const flags = { __proto__: null };
        const source = internal.compatibilityFlags ?? { __proto__: null };
        const names = ownKeys(source);
        for (let i = 0; i < names.length; i++) flags[names[i]] = source[names[i]];
        this.#flags = freeze(flags);
      }
      return this.#flags;
    }
  }
  shape(CloudflareNamespace, "Cloudflare");
  // As in the reference, the attributes are own properties of the object.
  const own = (object, Class, names) => {
    for (let i = 0; i < names.length; i++) {
      const { get } = getOwnPropertyDescriptor(Class.prototype, names[i]);
      defineProperty(object, names[i], {
        __proto__: null, get: () => FunctionPrototypeApply(get, object, []), enumerable: true, configurable: true,
      });
    }
    return object;
  };

  const functions = {
    queueMicrotask(callback) {
      if (typeof callback !== "function") throw notOfType("queueMicrotask", "ServiceWorkerGlobalScope", 1, "function");
      // An exception is reported as an uncaught one, not as a rejection.
      microtask(() => {
        try {
          callback();
        } catch (error) {
          internal.reportError(error);
        }
      });
    },
    reportError(error) {
      if (arguments.length === 0) throw notOfType("reportError", "ServiceWorkerGlobalScope", 1, "any");
      internal.reportError(error);
    },
    addEventListener(type, callback, options = undefined) {
      return FunctionPrototypeApply(addEventListener, undefined, arguments);
    },
    removeEventListener(type, callback, options = undefined) {
      return FunctionPrototypeApply(removeEventListener, undefined, arguments);
    },
    dispatchEvent(event) {
      return FunctionPrototypeApply(dispatchEvent, undefined, arguments);
    },
  };
  for (const name in functions) globals[name] = functions[name];

  globals.WorkerGlobalScope = WorkerGlobalScope;
  globals.ServiceWorkerGlobalScope = ServiceWorkerGlobalScope;
  globals.Navigator = Navigator;
  globals.navigator = make(Navigator);
  globals.scheduler = make(Scheduler);
  globals.Cloudflare = own(make(CloudflareNamespace), CloudflareNamespace, ["compatibilityFlags"]);
  globals.self = globalThis;
  globals.origin = "null";
  // Makes `globalThis instanceof WorkerGlobalScope` true and gives it the tag. A host that forbids it keeps its own chain.
  const isScope = setPrototypeOf(globalThis, ServiceWorkerGlobalScope.prototype);

  return { isScope };
})
