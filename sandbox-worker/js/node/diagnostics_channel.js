// node:diagnostics_channel.
import { callWith } from "internal:async_context";
import { invalidArgType, validateFunction } from "internal:node_errors";
import { AsyncLocalStorage } from "node:async_hooks";
import scripts from "native:scripts";

const {
  ErrorConstructor, PromiseConstructor, PromisePrototypeThen, PromiseReject, PromiseResolve, ReflectApply, defineProperty, flag,
  getOwnPropertyDescriptor, illegalConstructor, illegalInvocation, isObject, notOfType, uncurryThis,
} = scripts.primordials;
const BaseTypeError = TypeError;
const MapConstructor = Map;
const mapGet = uncurryThis(Map.prototype.get);
const mapSet = uncurryThis(Map.prototype.set);

const notFunction = (method, where, index) =>
  new BaseTypeError(`Failed to execute '${method}' on '${where}': parameter ${index} is not of type 'function'.`);

let key;
class Channel {
  #name;
  /** Whoever listens; the list is replaced when it changes. */
  #subscribers = [];
  #stores = [];

  constructor(given, name) {
    if (given !== key || key === undefined) throw illegalConstructor();
    this.#name = name;
  }

  get hasSubscribers() {
    Channel.#check(this);
    return this.#subscribers.length > 0;
  }

  publish(message = undefined) {
    Channel.#check(this);
    if (arguments.length === 0) throw notOfType("publish", "Channel", 1, "Value");
    const subscribers = this.#subscribers;
    for (let i = 0; i < subscribers.length; i++) ReflectApply(subscribers[i], undefined, [message, this.#name]);
  }

  subscribe(callback) {
    Channel.#check(this);
    if (typeof callback !== "function") throw notFunction("subscribe", "Channel", 1);
    const before = this.#subscribers;
    const after = [];
    for (let i = 0; i < before.length; i++) {
      if (before[i] === callback) return;
      after[i] = before[i];
    }
    after[before.length] = callback;
    this.#subscribers = after;
  }

  unsubscribe(callback) {
    Channel.#check(this);
    if (typeof callback !== "function") throw notFunction("unsubscribe", "Channel", 1);
    const before = this.#subscribers;
    const after = [];
    for (let i = 0; i < before.length; i++) if (before[i] !== callback) after[after.length] = before[i];
    this.#subscribers = after;
  }

  /** Has `store` have what `transform` makes of the data while a function runs in `runStores`. */
  bindStore(store, transform) {
    Channel.#check(this);
    if (!(isObject(store) && store instanceof AsyncLocalStorage)) throw notOfType("bindStore", "Channel", 1, "AsyncLocalStorage");
    if (transform !== undefined && typeof transform !== "function") throw notFunction("bindStore", "Channel", 2);
    const stores = without(this.#stores, store);
    stores[stores.length] = { store, transform };
    this.#stores = stores;
  }

  unbindStore(store) {
    Channel.#check(this);
    if (!(isObject(store) && store instanceof AsyncLocalStorage)) throw notOfType("unbindStore", "Channel", 1, "AsyncLocalStorage");
    this.#stores = without(this.#stores, store);
  }

  runStores(data = undefined, callback = undefined, receiver = undefined, ...args) {
    Channel.#check(this);
    if (typeof callback !== "function") throw notFunction("runStores", "Channel", 2);
    const stores = this.#stores;
    const enter = (index) => {
      if (index === stores.length) {
        this.publish(data);
        return ReflectApply(callback, receiver, args);
      }
      const { store, transform } = stores[index];
      const value = transform === undefined ? data : ReflectApply(transform, undefined, [data]);
      return callWith(store, value, () => enter(index + 1), undefined, []);
    };
    return enter(0);
  }

  static #check(value) {
    if (!isObject(value) || !(#name in value)) throw illegalInvocation();
  }
}
const without = (stores, store) => {
  const kept = [];
  for (let i = 0; i < stores.length; i++) if (stores[i].store !== store) kept[kept.length] = stores[i];
  return kept;
};
defineProperty(Channel.prototype, Symbol.toStringTag, { __proto__: null, value: "Channel", writable: true, configurable: true });
/** The getter of a class under the name that it has in the reference, or before a flag the method. */
const shownAs = (Class, getter) => {
  const { get, hasSubscribers } = {
    get() {
      return ReflectApply(getter, this, []);
    },
    hasSubscribers() {
      return ReflectApply(getter, this, []);
    },
  };
  const attribute = flag("diagnostics_channel_has_subscribers_getter") ? { get } : { value: hasSubscribers, writable: true };
  defineProperty(Class.prototype, "hasSubscribers", { __proto__: null, ...attribute, configurable: true });
};
const { get: countSubscribers } = getOwnPropertyDescriptor(Channel.prototype, "hasSubscribers");
shownAs(Channel, countSubscribers);
key = {};

const channels = new MapConstructor();

function channel(name) {
  const asked = typeof name === "symbol" ? name : `${name}`;
  let found = mapGet(channels, asked);
  if (found === undefined) {
    found = new Channel(key, asked);
    mapSet(channels, asked, found);
  }
  return found;
}
const named = (method) => (name, callback) => {
  if (typeof callback !== "function") throw notFunction(method, "DiagnosticsChannelModule", 2);
  channel(name)[method](callback);
};
const subscribeTo = named("subscribe");
const unsubscribeFrom = named("unsubscribe");
function subscribe(name, callback) {
  subscribeTo(name, callback);
}
function unsubscribe(name, callback) {
  unsubscribeFrom(name, callback);
}
function hasSubscribers(name) {
  return ReflectApply(countSubscribers, channel(name), []);
}

// ------------------------------------------------------------------------------------------------------- tracing

const phases = ["start", "end", "asyncStart", "asyncEnd", "error"];

class TracingChannel {
  #channels;

  constructor(given = undefined, channels = undefined) {
    if (given !== key) throw new ErrorConstructor("Use diagnostic_channel.tracingChannels() to create TracingChannel");
    this.#channels = channels;
  }

  get start() {
    return this.#channels.start;
  }

  get end() {
    return this.#channels.end;
  }

  get asyncStart() {
    return this.#channels.asyncStart;
  }

  get asyncEnd() {
    return this.#channels.asyncEnd;
  }

  get error() {
    return this.#channels.error;
  }

  subscribe(handlers) {
    for (let i = 0; i < phases.length; i++) {
      const handler = handlers[phases[i]];
      if (handler !== undefined) this[phases[i]].subscribe(handler);
    }
  }

  unsubscribe(handlers) {
    for (let i = 0; i < phases.length; i++) {
      const handler = handlers[phases[i]];
      if (handler !== undefined) this[phases[i]].unsubscribe(handler);
    }
  }

  /** What is called from start to end, and reported if it throws. */
  #during(context, body) {
    const { start, end, error } = this.#channels;
    return start.runStores(context, () => {
      try {
        return body();
      } catch (reason) {
        context.error = reason;
        error.publish(context);
        throw reason;
      } finally {
        end.publish(context);
      }
    });
  }

  traceSync(fn, context = {}, receiver = undefined, ...args) {
    return this.#during(context, () => {
      const result = ReflectApply(fn, receiver, args);
      context.result = result;
      return result;
    });
  }

  tracePromise(fn, context = {}, receiver = undefined, ...args) {
    const { asyncStart, asyncEnd, error } = this.#channels;
    const settle = () => {
      asyncStart.publish(context);
      asyncEnd.publish(context);
    };
    return this.#during(context, () => {
      let promise = ReflectApply(fn, receiver, args);
      if (!(isObject(promise) && promise instanceof PromiseConstructor)) promise = PromiseResolve(promise);
      return PromisePrototypeThen(
        promise,
        (result) => {
          context.result = result;
          settle();
          return result;
        },
        (reason) => {
          context.error = reason;
          error.publish(context);
          settle();
          return PromiseReject(reason);
        },
      );
    });
  }

  traceCallback(fn, position = -1, context = {}, receiver = undefined, ...args) {
    const { asyncStart, asyncEnd, error } = this.#channels;
    const callback = args[position];
    validateFunction(callback, "callback");
    args[position] = function (...results) {
      const reason = results[0];
      const result = results[1];
      if (reason) {
        context.error = reason;
        error.publish(context);
      } else context.result = result;
      asyncStart.runStores(context, () => {
        try {
          return ReflectApply(callback, this, results);
        } finally {
          asyncEnd.publish(context);
        }
      });
    };
    return this.#during(context, () => ReflectApply(fn, receiver, args));
  }

  get hasSubscribers() {
    for (let i = 0; i < phases.length; i++) if (ReflectApply(countSubscribers, this.#channels[phases[i]], [])) return true;
    return false;
  }
}
shownAs(TracingChannel, getOwnPropertyDescriptor(TracingChannel.prototype, "hasSubscribers").get);

function tracingChannel(nameOrChannels) {
  const made = {};
  if (typeof nameOrChannels === "string") {
    for (let i = 0; i < phases.length; i++) made[phases[i]] = channel(`tracing:${nameOrChannels}:${phases[i]}`);
  } else {
    if (nameOrChannels === null || typeof nameOrChannels !== "object") {
      throw invalidArgType("channels", "of type object", nameOrChannels);
    }
    for (let i = 0; i < phases.length; i++) {
      const one = nameOrChannels[phases[i]];
      if (!(isObject(one) && one instanceof Channel)) throw invalidArgType(`channels.${phases[i]}`, "an instance of Channel", one);
      made[phases[i]] = one;
    }
  }
  return new TracingChannel(key, made);
}

export { Channel, TracingChannel, channel, hasSubscribers, subscribe, tracingChannel, unsubscribe };
export default { hasSubscribers, channel, subscribe, unsubscribe, tracingChannel, Channel };
