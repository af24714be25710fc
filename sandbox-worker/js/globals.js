// The global scope: its interface, navigator, scheduler, Cloudflare, queueMicrotask and the functions of EventTarget.
(function (internal) {
  "use strict";
  const {
    FunctionPrototypeApply, defineProperty, setPrototypeOf,
    PromiseReject, withResolvers, microtask, illegalConstructor, illegalInvocation, brand, isObject, notOfType,
    fieldNotOfType,
    shape, refuse,
  } = internal.primordials;
  const freeze = Object.freeze;
  const ErrorConstructor = Error;
  const globals = internal.globals;
  const { EventTarget } = internal;
  const { addEventListener, removeEventListener, dispatchEvent } = EventTarget.prototype;

  // Never instantiated: these prototypes stand behind the global object that native code made.
  class WorkerGlobalScope extends EventTarget {
    constructor() {
      throw illegalConstructor();
    }
    importScripts() {
      throw new ErrorConstructor(
        "Failed to execute 'importScripts' on 'WorkerGlobalScope': the method is not implemented.",
      );
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
    static #check = brand((value) => #brand in value);
    constructor() {
      if (!making) throw illegalConstructor();
    }
    sendBeacon(url, body = undefined) {
      Navigator.#check(this);
      if (arguments.length === 0) throw notOfType("sendBeacon", "Navigator", 1, "string");
      throw internal.newDOMException(
        "navigator.sendBeacon() is not supported yet: this version has no outbound network.",
        "NotSupportedError",
      );
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
        return refuse(error);
      }
    }
  }
  shape(Scheduler, "Scheduler");

  class CloudflareNamespace {
    constructor() {
      if (!making) throw illegalConstructor();
    }
  }
  shape(CloudflareNamespace, "Cloudflare");

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
  globals.Cloudflare = make(CloudflareNamespace);
  globals.self = globalThis;
  globals.origin = "null";
  internal.atBind((flag, flags) => {
    defineProperty(globals.Cloudflare, "compatibilityFlags", {
      __proto__: null, value: flags, enumerable: true, configurable: true,
    });
    // As in the reference, own properties of the object, the last one first.
    const attributes = flag("enable_navigator_language") ? [["languages", languages], ["language", "en"]] : [];
    attributes[attributes.length] = ["platform", ""];
    attributes[attributes.length] = ["hardwareConcurrency", 1];
    attributes[attributes.length] = ["userAgent", "Cloudflare-Workers"];
    for (let i = 0; i < attributes.length; i++) {
      defineProperty(globals.navigator, attributes[i][0], {
        __proto__: null, value: attributes[i][1], enumerable: true, configurable: true,
      });
    }
    if (flag("no_global_importscripts")) delete WorkerGlobalScope.prototype.importScripts;
  });
  // Makes `globalThis instanceof WorkerGlobalScope` true and gives it the tag. A host that forbids it keeps its own chain.
  setPrototypeOf(globalThis, ServiceWorkerGlobalScope.prototype);

  return { internals: () => internal };
})
