// node:events: EventEmitter, and what gives promises and iterators of events.
import {
  AbortError, classed, invalidArgType, outOfRange, validateAbortSignal, validateBoolean, validateFunction,
} from "internal:node_errors";
import { AsyncResource } from "node:async_hooks";
import scripts from "native:scripts";

const { inspect, primordials } = scripts;
const {
  ErrorConstructor, PromiseConstructor, PromiseReject, PromiseResolve, ReflectApply, defineProperty, getOwnPropertyDescriptor,
  getPrototypeOf, isObject, ownKeys, uncurryThis,
} = primordials;
const { EventTarget, queueMicrotask, console, AbortSignal } = globalThis;
const bind = uncurryThis(Function.prototype.bind);
const addEventListener = uncurryThis(EventTarget.prototype.addEventListener);
const removeEventListener = uncurryThis(EventTarget.prototype.removeEventListener);
const abortedOf = uncurryThis(getOwnPropertyDescriptor(AbortSignal.prototype, "aborted").get);
const { isNaN: NumberIsNaN } = Number;

const captureRejectionSymbol = Symbol.for("nodejs.rejection");
const errorMonitor = Symbol("events.errorMonitor");
const kCapture = Symbol("kCapture");

let defaultMaxListeners = 10;

const isEventTarget = (value) => isObject(value) && value instanceof EventTarget;
/** A number of listeners, in which there is no NaN. */
const checkCount = (n, name) => {
  if (typeof n !== "number" || n < 0 || NumberIsNaN(n)) throw outOfRange(name, "a non-negative number", n);
};

function EventEmitter(opts) {
  EventEmitter.init.call(this, opts);
  return this;
}

const prototype = EventEmitter.prototype;
prototype._events = undefined;
prototype._eventsCount = 0;
prototype._maxListeners = undefined;

const init = (emitter, opts) => {
  if (emitter._events === undefined || emitter._events === getPrototypeOf(emitter)._events) {
    emitter._events = { __proto__: null };
    emitter._eventsCount = 0;
  }
  emitter._maxListeners = emitter._maxListeners || undefined;
  let capture = prototype[kCapture];
  if (opts?.captureRejections) {
    validateBoolean(opts.captureRejections, "options.captureRejections");
    capture = true;
  }
  defineProperty(emitter, kCapture, { __proto__: null, value: capture, writable: true, enumerable: true, configurable: true });
  // There are no domains, but programs look for one.
  emitter.domain = null;
};

const getMaxListeners = function _getMaxListeners(that) {
  return that._maxListeners === undefined ? defaultMaxListeners : that._maxListeners;
};

const copyOf = (list) => {
  const copy = [];
  for (let i = 0; i < list.length; i++) copy[i] = list[i];
  return copy;
};

/** What a listener has given, which may be a promise that fails. */
const watch = (emitter, result, type, args) => {
  const fail = (error) => {
    queueMicrotask(() => {
      const handler = emitter[captureRejectionSymbol];
      if (typeof handler === "function") {
        ReflectApply(handler, emitter, [error, type, ...args]);
        return;
      }
      // What a listener to errors rejects is not for itself.
      const before = emitter[kCapture];
      try {
        defineProperty(emitter, kCapture, { __proto__: null, value: false, writable: true, enumerable: true, configurable: true });
        emitter.emit("error", error);
      } finally {
        defineProperty(emitter, kCapture, { __proto__: null, value: before, writable: true, enumerable: true, configurable: true });
      }
    });
  };
  try {
    const { then } = result;
    if (typeof then === "function") ReflectApply(then, result, [undefined, fail]);
  } catch (error) {
    emitter.emit("error", error);
  }
};

const addListener = (emitter, type, listener, isFirst) => {
  validateFunction(listener, "listener");
  let events = emitter._events;
  if (events === undefined) {
    events = emitter._events = { __proto__: null };
    emitter._eventsCount = 0;
  } else if (events.newListener !== undefined) {
    emitter.emit("newListener", type, listener.listener ?? listener);
    // A listener may have replaced them.
    events = emitter._events;
  }
  const existing = events[type];
  if (existing === undefined) {
    events[type] = listener;
    emitter._eventsCount++;
    return emitter;
  }
  let list = existing;
  if (typeof existing === "function") list = events[type] = isFirst ? [listener, existing] : [existing, listener];
  else if (isFirst) {
    for (let i = list.length; i > 0; i--) list[i] = list[i - 1];
    list[0] = listener;
  } else list[list.length] = listener;
  const most = getMaxListeners(emitter);
  if (most > 0 && list.length > most && !list.warned) {
    list.warned = true;
    console.log(
      `Possible EventEmitter memory leak detected. ${list.length} ${String(type)} listeners added to an EventEmitter. ` +
        "Use emitter.setMaxListeners() to increase limit",
    );
  }
  return emitter;
};

/** A listener that ends with its first call; `listener` of it is the one that it stands for. */
const onceOf = (target, type, listener) => {
  const state = { fired: false };
  function onceWrapper(...args) {
    if (state.fired) return undefined;
    target.removeListener(type, state.wrapped);
    state.fired = true;
    return ReflectApply(listener, target, args);
  }
  state.wrapped = bind(onceWrapper, state);
  state.wrapped.listener = listener;
  return state.wrapped;
};

const listenersOf = (target, type, unwrap) => {
  const found = target._events?.[type];
  if (found === undefined) return [];
  const list = typeof found === "function" ? [found] : copyOf(found);
  if (unwrap) for (let i = 0; i < list.length; i++) list[i] = list[i].listener ?? list[i];
  return list;
};

const members = {
  setMaxListeners(n) {
    checkCount(n, "n");
    this._maxListeners = n;
    return this;
  },
  getMaxListeners() {
    return getMaxListeners(this);
  },
  emit(type, ...args) {
    const events = this._events;
    if (type === "error") {
      if (events !== undefined && events[errorMonitor] !== undefined) this.emit(errorMonitor, ...args);
      if (events?.error === undefined) {
        const error = args[0];
        if (error instanceof ErrorConstructor) throw error;
        let text;
        try {
          text = inspect(error);
        } catch {
          text = error;
        }
        throw classed(ErrorConstructor, "ERR_UNHANDLED_ERROR", `Unhandled error. (${text})`, { __proto__: null, context: error });
      }
    }
    const handler = events?.[type];
    if (handler === undefined) return false;
    if (typeof handler === "function") {
      const result = ReflectApply(handler, this, args);
      if (this[kCapture] && isObject(result)) watch(this, result, type, args);
      return true;
    }
    const list = copyOf(handler);
    for (let i = 0; i < list.length; i++) {
      const result = ReflectApply(list[i], this, args);
      if (this[kCapture] && isObject(result)) watch(this, result, type, args);
    }
    return true;
  },
  addListener(type, listener) {
    return addListener(this, type, listener, false);
  },
  on: undefined,
  prependListener(type, listener) {
    return addListener(this, type, listener, true);
  },
  once(type, listener) {
    validateFunction(listener, "listener");
    this.on(type, onceOf(this, type, listener));
    return this;
  },
  prependOnceListener(type, listener) {
    validateFunction(listener, "listener");
    this.prependListener(type, onceOf(this, type, listener));
    return this;
  },
  removeListener(type, listener) {
    validateFunction(listener, "listener");
    const events = this._events;
    const list = events?.[type];
    if (list === undefined) return this;
    if (list === listener || list.listener === listener) {
      if (--this._eventsCount === 0) this._events = { __proto__: null };
      else delete events[type];
    } else if (typeof list !== "function") {
      let position = list.length - 1;
      while (position >= 0 && list[position] !== listener && list[position].listener !== listener) position--;
      if (position < 0) return this;
      for (let i = position; i + 1 < list.length; i++) list[i] = list[i + 1];
      list.length--;
      if (list.length === 1) events[type] = list[0];
    } else return this;
    if (events.removeListener !== undefined) this.emit("removeListener", type, listener.listener ?? listener);
    return this;
  },
  off: undefined,
  removeAllListeners(type) {
    const events = this._events;
    if (events === undefined) return this;
    if (events.removeListener === undefined) {
      if (arguments.length === 0) {
        this._events = { __proto__: null };
        this._eventsCount = 0;
      } else if (events[type] !== undefined) {
        if (--this._eventsCount === 0) this._events = { __proto__: null };
        else delete events[type];
      }
      return this;
    }
    if (arguments.length === 0) {
      const types = ownKeys(events);
      for (let i = 0; i < types.length; i++) if (types[i] !== "removeListener") this.removeAllListeners(types[i]);
      this.removeAllListeners("removeListener");
      this._events = { __proto__: null };
      this._eventsCount = 0;
      return this;
    }
    const listeners = listenersOf(this, type, false);
    for (let i = listeners.length - 1; i >= 0; i--) this.removeListener(type, listeners[i]);
    return this;
  },
  listeners(type) {
    return listenersOf(this, type, true);
  },
  rawListeners(type) {
    return listenersOf(this, type, false);
  },
  listenerCount(type) {
    const found = this._events?.[type];
    if (found === undefined) return 0;
    return typeof found === "function" ? 1 : found.length;
  },
  eventNames() {
    return this._eventsCount > 0 ? ownKeys(this._events) : [];
  },
};
members.on = members.addListener;
members.off = members.removeListener;
for (const name in members) prototype[name] = members[name];
const { listenerCount: countListeners } = members;
defineProperty(prototype, kCapture, { __proto__: null, value: false, writable: true });

/** A promise of the arguments of the next event. */
async function once(emitter, name, options = undefined) {
  const signal = options?.signal;
  validateAbortSignal(signal, "options.signal");
  if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
  return new PromiseConstructor((resolve, reject) => {
    const onError = (error) => {
      emitter.removeListener(name, onEvent);
      if (signal !== undefined) signal.removeEventListener("abort", onAbort);
      reject(error);
    };
    const onEvent = (...args) => {
      if (typeof emitter.removeListener === "function") emitter.removeListener("error", onError);
      if (signal !== undefined) signal.removeEventListener("abort", onAbort);
      resolve(args);
    };
    const onAbort = () => {
      remove(emitter, name, onEvent);
      remove(emitter, "error", onError);
      reject(new AbortError(undefined, { cause: signal.reason }));
    };
    listen(emitter, name, onEvent, true);
    if (name !== "error" && typeof emitter.once === "function") emitter.once("error", onError);
    if (signal !== undefined) signal.addEventListener("abort", onAbort, { __proto__: null, once: true });
  });
}

const listen = (emitter, name, listener, isOnce) => {
  if (typeof emitter.on === "function") {
    if (isOnce) emitter.once(name, listener);
    else emitter.on(name, listener);
  } else if (typeof emitter.addEventListener === "function") {
    emitter.addEventListener(name, listener, { __proto__: null, once: isOnce });
  } else throw invalidArgType("emitter", "an instance of EventEmitter", emitter);
};
const remove = (emitter, name, listener) => {
  if (typeof emitter.removeListener === "function") emitter.removeListener(name, listener);
  else if (typeof emitter.removeEventListener === "function") emitter.removeEventListener(name, listener);
};

const iteratorPrototype = {
  __proto__: getPrototypeOf(getPrototypeOf(async function* () {}).prototype),
  [Symbol.asyncIterator]() {
    return this;
  },
};

/** An iterator of the arguments of all events from now on. */
function on(emitter, event, options = undefined) {
  const signal = options?.signal;
  validateAbortSignal(signal, "options.signal");
  if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
  let events = [];
  let taken = 0;
  const waiting = [];
  let next = 0;
  let error;
  let hasError = false;
  let isDone = false;

  const onEvent = (...args) => {
    if (next < waiting.length) waiting[next++].resolve({ value: args, done: false });
    else events[events.length] = args;
  };
  const onError = (reason) => {
    isDone = true;
    if (next < waiting.length) waiting[next++].reject(reason);
    else {
      error = reason;
      hasError = true;
    }
    iterator.return();
  };
  const onAbort = () => onError(new AbortError(undefined, { cause: signal.reason }));
  const iterator = {
    __proto__: iteratorPrototype,
    next() {
      if (taken < events.length) {
        const value = events[taken];
        events[taken++] = undefined;
        if (taken === events.length) {
          events = [];
          taken = 0;
        }
        return PromiseResolve({ value, done: false });
      }
      if (hasError) {
        hasError = false;
        return PromiseReject(error);
      }
      if (isDone) return PromiseResolve({ value: undefined, done: true });
      return new PromiseConstructor((resolve, reject) => {
        waiting[waiting.length] = { resolve, reject };
      });
    },
    return() {
      remove(emitter, event, onEvent);
      remove(emitter, "error", onError);
      if (signal !== undefined) signal.removeEventListener("abort", onAbort);
      isDone = true;
      while (next < waiting.length) waiting[next++].resolve({ value: undefined, done: true });
      return PromiseResolve({ value: undefined, done: true });
    },
    throw(reason) {
      if (!(reason instanceof ErrorConstructor)) throw invalidArgType("EventEmitter.AsyncIterator", "an instance of Error", reason);
      error = reason;
      hasError = true;
      remove(emitter, event, onEvent);
      remove(emitter, "error", onError);
    },
  };
  listen(emitter, event, onEvent, false);
  if (event !== "error" && typeof emitter.on === "function") emitter.on("error", onError);
  if (signal !== undefined) signal.addEventListener("abort", onAbort, { __proto__: null, once: true });
  return iterator;
}

function getEventListeners(emitterOrTarget, type) {
  if (typeof emitterOrTarget?.listeners === "function") return emitterOrTarget.listeners(type);
  // As in the reference, those of an EventTarget are nobody's to know.
  if (isEventTarget(emitterOrTarget)) return [];
  throw invalidArgType("emitter", "an instance of EventEmitter or EventTarget", emitterOrTarget);
}

const setMaxListeners = function setMaxListeners() {
  const n = arguments.length === 0 ? defaultMaxListeners : arguments[0];
  checkCount(n, "n");
  if (arguments.length < 2) defaultMaxListeners = n;
  for (let i = 1; i < arguments.length; i++) {
    const target = arguments[i];
    if (typeof target?.setMaxListeners === "function") target.setMaxListeners(n);
    else if (!isEventTarget(target)) throw invalidArgType("eventTargets", "an instance of EventEmitter or EventTarget", target);
  }
};

function listenerCount(emitter, type) {
  if (typeof emitter.listenerCount === "function") return emitter.listenerCount(type);
  return ReflectApply(countListeners, emitter, [type]);
}

/** Has `listener` called when a signal is aborted, which no listener before it can prevent. */
function addAbortListener(signal, listener) {
  if (signal === undefined) throw invalidArgType("signal", "an instance of AbortSignal", signal);
  validateAbortSignal(signal, "signal");
  validateFunction(listener, "listener");
  let end;
  if (abortedOf(signal)) queueMicrotask(() => listener());
  else {
    addEventListener(signal, "abort", listener, { __proto__: null, once: true });
    end = () => removeEventListener(signal, "abort", listener);
  }
  const disposable = {};
  defineProperty(disposable, Symbol.dispose, {
    __proto__: null,
    value() {
      end?.();
    },
    writable: true,
    configurable: true,
  });
  return disposable;
}

class EventEmitterReferencingAsyncResource extends AsyncResource {
  #eventEmitter;

  constructor(emitter, type, options) {
    super(type, options);
    this.#eventEmitter = emitter;
  }

  get eventEmitter() {
    return this.#eventEmitter;
  }
}

class EventEmitterAsyncResource extends EventEmitter {
  #asyncResource;

  constructor(options) {
    super(typeof options === "string" ? undefined : options);
    const name = typeof options === "string" ? options : (options?.name ?? new.target.name);
    this.#asyncResource = new EventEmitterReferencingAsyncResource(this, name);
  }

  get asyncResource() {
    return this.#asyncResource;
  }

  emit(type, ...args) {
    return this.#asyncResource.runInAsyncScope(super.emit, this, type, ...args);
  }
}

const statics = {
  on, once, getEventListeners, getMaxListeners, setMaxListeners, listenerCount, EventEmitter, usingDomains: false,
  captureRejectionSymbol, errorMonitor, EventEmitterAsyncResource,
};
for (const name in statics) EventEmitter[name] = statics[name];
defineProperty(EventEmitter, "captureRejections", {
  __proto__: null,
  get: function get() {
    return prototype[kCapture];
  },
  set: function set(value) {
    validateBoolean(value, "EventEmitter.captureRejections");
    prototype[kCapture] = value;
  },
  enumerable: true,
});
defineProperty(EventEmitter, "defaultMaxListeners", {
  __proto__: null,
  get: function get() {
    return defaultMaxListeners;
  },
  set: function set(value) {
    checkCount(value, "defaultMaxListeners");
    defaultMaxListeners = value;
  },
  enumerable: true,
});
defineProperty(EventEmitter, "kMaxEventTargetListeners", { __proto__: null, value: Symbol("events.maxEventTargetListeners") });
defineProperty(EventEmitter, "kMaxEventTargetListenersWarned", { __proto__: null, value: Symbol("events.maxEventTargetListenersWarned") });
EventEmitter.init = (() => function (opts) {
  init(this, opts);
})();
EventEmitter.addAbortListener = addAbortListener;

const captureRejections = false;
const startingMaxListeners = defaultMaxListeners;
export {
  EventEmitter, EventEmitterAsyncResource, addAbortListener, captureRejectionSymbol, captureRejections,
  startingMaxListeners as defaultMaxListeners, errorMonitor, getEventListeners, getMaxListeners, listenerCount, on, once, setMaxListeners,
};
export const usingDomains = false;
export default EventEmitter;
