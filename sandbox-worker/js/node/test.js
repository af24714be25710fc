// node:test, of which there are the mocks: tests are run by other means.
import { invalidArgType, invalidArgValue, validateBoolean, validateFunction, validateInteger, validateObject } from "internal:node_errors";
import scripts from "native:scripts";

const {
  ErrorConstructor, ProxyConstructor, ReflectApply, ReflectGet, defineProperty, getOwnPropertyDescriptor, getPrototypeOf, isObject,
  uncurryThis,
} = scripts.primordials;
const { construct } = Reflect;
const { MAX_SAFE_INTEGER } = Number;
const bind = uncurryThis(Function.prototype.bind);
const MapConstructor = Map;
const mapGet = uncurryThis(Map.prototype.get);
const mapSet = uncurryThis(Map.prototype.set);
const mapDelete = uncurryThis(Map.prototype.delete);

const copyOf = (list) => {
  const copy = [];
  for (let i = 0; i < list.length; i++) copy[i] = list[i];
  return copy;
};

/** What a mock knows of the calls that were made. */
class MockFunctionContext {
  #calls = [];
  #once = new MapConstructor();
  #implementation;
  #restore;
  #times;

  constructor(implementation, restore, times) {
    this.#implementation = implementation;
    this.#restore = restore;
    this.#times = times;
  }

  get calls() {
    return copyOf(this.#calls);
  }

  callCount() {
    return this.#calls.length;
  }

  mockImplementation(implementation) {
    validateFunction(implementation, "implementation");
    this.#implementation = implementation;
  }

  mockImplementationOnce(implementation, onCall) {
    validateFunction(implementation, "implementation");
    const next = this.#calls.length;
    const call = onCall ?? next;
    validateInteger(call, "onCall", next, MAX_SAFE_INTEGER);
    mapSet(this.#once, call, implementation);
  }

  restore() {
    const { descriptor, object, original, methodName } = this.#restore;
    if (typeof methodName === "string" || typeof methodName === "symbol") {
      // An own one, whatever it was: only the value counts.
      defineProperty(object, methodName, descriptor);
    } else this.#implementation = original;
  }

  resetCalls() {
    this.#calls = [];
  }

  static track(context, call) {
    context.#calls[context.#calls.length] = call;
  }

  /** What the next call is to be answered with. */
  static next(context) {
    const number = context.#calls.length;
    const once = mapGet(context.#once, number);
    const implementation = once ?? context.#implementation;
    if (number + 1 >= context.#times) context.restore();
    mapDelete(context.#once, number);
    return implementation;
  }
}
const { track, next } = MockFunctionContext;
delete MockFunctionContext.track;
delete MockFunctionContext.next;

/** What a mock of a property knows of who has looked at it. */
class MockPropertyContext {
  #object;
  #name;
  #value;
  #original;
  #descriptor;
  #accesses = [];
  #once = new MapConstructor();

  constructor(object, propertyName, value) {
    this.#object = object;
    this.#name = propertyName;
    const descriptor = getOwnPropertyDescriptor(object, propertyName);
    if (descriptor === undefined) throw invalidArgValue("propertyName", propertyName, "is not a property of the object");
    this.#descriptor = descriptor;
    this.#original = object[propertyName];
    this.#value = arguments.length > 2 ? value : this.#original;
    const { configurable, enumerable } = descriptor;
    defineProperty(object, propertyName, {
      __proto__: null,
      configurable,
      enumerable,
      get: () => {
        const seen = this.#next(this.#value);
        this.#note("get", seen);
        return seen;
      },
      set: (given) => {
        const set = this.#next(given);
        this.#note("set", set);
        this.#value = set;
      },
    });
  }

  get accesses() {
    return copyOf(this.#accesses);
  }

  accessCount() {
    return this.#accesses.length;
  }

  mockImplementation(value) {
    this.#value = value;
  }

  mockImplementationOnce(value, onAccess) {
    const after = this.#accesses.length;
    const access = onAccess ?? after;
    validateInteger(access, "onAccess", after, MAX_SAFE_INTEGER);
    mapSet(this.#once, access, { value });
  }

  resetAccesses() {
    this.#accesses = [];
  }

  restore() {
    defineProperty(this.#object, this.#name, { __proto__: null, ...this.#descriptor, value: this.#original });
  }

  #next(otherwise) {
    const number = this.#accesses.length;
    const once = mapGet(this.#once, number);
    mapDelete(this.#once, number);
    return once === undefined ? otherwise : once.value;
  }

  #note(type, value) {
    this.#accesses[this.#accesses.length] = { type, value, stack: new ErrorConstructor() };
  }
}

const checkTimes = (value, name) => {
  if (value !== Infinity) validateInteger(value, name, 1, MAX_SAFE_INTEGER);
};

class MockTracker {
  #mocks = [];

  /** A function that calls `implementation`, and knows who has called it. */
  fn(original = function original() {}, implementation = original, options = {}) {
    let first = original;
    let second = implementation;
    let asked = options;
    if (first !== null && typeof first === "object") {
      asked = first;
      first = function original() {};
      second = first;
    } else if (second !== null && typeof second === "object") {
      asked = second;
      second = first;
    }
    validateFunction(first, "original");
    validateFunction(second, "implementation");
    validateObject(asked, "options");
    const { times = Infinity } = asked;
    checkTimes(times, "options.times");
    return this.#setUp(first, new MockFunctionContext(second, { original: first }, times));
  }

  method(objectOrFunction, methodName, implementation = undefined, options = {}) {
    if (!isObject(objectOrFunction)) throw invalidArgType("object", "of type object", objectOrFunction);
    if (typeof methodName !== "string" && typeof methodName !== "symbol") {
      throw invalidArgType("methodName", "one of type string or symbol", methodName);
    }
    let asked = options;
    let replacement = implementation;
    if (replacement !== null && typeof replacement === "object") {
      asked = replacement;
      replacement = undefined;
    }
    validateObject(asked, "options");
    const { getter = false, setter = false, times = Infinity } = asked;
    validateBoolean(getter, "options.getter");
    validateBoolean(setter, "options.setter");
    checkTimes(times, "options.times");
    if (setter && getter) throw invalidArgValue("options.setter", setter, "cannot be used with 'options.getter'");
    let holder = objectOrFunction;
    let descriptor = getOwnPropertyDescriptor(holder, methodName);
    while (descriptor === undefined && (holder = getPrototypeOf(holder)) !== null) descriptor = getOwnPropertyDescriptor(holder, methodName);
    const original = getter ? descriptor?.get : setter ? descriptor?.set : descriptor?.value;
    if (typeof original !== "function") throw invalidArgValue("methodName", original, "must be a method");
    if (replacement === undefined) replacement = original;
    validateFunction(replacement, "implementation");
    const context = new MockFunctionContext(replacement, { descriptor, object: objectOrFunction, original, methodName }, times);
    const mock = this.#setUp(original, context);
    const { configurable, enumerable } = descriptor;
    const mocked = { __proto__: null, configurable, enumerable };
    if (getter) {
      mocked.get = mock;
      mocked.set = descriptor.set;
    } else if (setter) {
      mocked.get = descriptor.get;
      mocked.set = mock;
    } else {
      mocked.writable = descriptor.writable;
      mocked.value = mock;
    }
    defineProperty(objectOrFunction, methodName, mocked);
    return mock;
  }

  getter(object, methodName, implementation = undefined, options = {}) {
    return this.#accessor("getter", object, methodName, implementation, options);
  }

  setter(object, methodName, implementation = undefined, options = {}) {
    return this.#accessor("setter", object, methodName, implementation, options);
  }

  property(object, propertyName, value) {
    if (!isObject(object)) throw invalidArgType("object", "of type object", object);
    if (typeof propertyName !== "string" && typeof propertyName !== "symbol") {
      throw invalidArgType("propertyName", "one of type string or symbol", propertyName);
    }
    const context = arguments.length > 2 ? new MockPropertyContext(object, propertyName, value) : new MockPropertyContext(object, propertyName);
    this.#mocks[this.#mocks.length] = { context, restore: () => context.restore() };
    return new ProxyConstructor(object, {
      __proto__: null,
      get: (target, property, receiver) => (property === "mock" ? context : ReflectGet(target, property, receiver)),
    });
  }

  reset() {
    this.restoreAll();
    this.#mocks = [];
  }

  restoreAll() {
    for (let i = 0; i < this.#mocks.length; i++) this.#mocks[i].restore();
  }

  #accessor(kind, object, methodName, implementation, options) {
    let asked = options;
    let replacement = implementation;
    if (replacement !== null && typeof replacement === "object") {
      asked = replacement;
      replacement = undefined;
    } else validateObject(asked, "options");
    const { [kind]: isOne = true } = asked;
    if (isOne === false) throw invalidArgValue(`options.${kind}`, isOne, "cannot be false");
    return this.method(object, methodName, replacement, { ...asked, [kind]: isOne });
  }

  #setUp(original, context) {
    const mock = new ProxyConstructor(original, {
      __proto__: null,
      apply(target, receiver, args) {
        const implementation = next(context);
        let result;
        let error;
        try {
          result = ReflectApply(implementation, receiver, args);
        } catch (reason) {
          error = reason;
          throw reason;
        } finally {
          track(context, { arguments: args, error, result, stack: new ErrorConstructor(), target: undefined, this: receiver });
        }
        return result;
      },
      construct(target, args, newTarget) {
        const implementation = next(context);
        const real = newTarget === mock ? target : newTarget;
        let result;
        let error;
        try {
          result = construct(implementation, args, real);
        } catch (reason) {
          error = reason;
          throw reason;
        } finally {
          track(context, { arguments: args, error, result, stack: new ErrorConstructor(), target: real, this: result });
        }
        return result;
      },
      get(target, property, receiver) {
        return property === "mock" ? context : ReflectGet(target, property, receiver);
      },
    });
    this.#mocks[this.#mocks.length] = { context, restore: bind(context.restore, context) };
    return mock;
  }
}

const mock = new MockTracker();
export { MockFunctionContext, MockTracker, mock };
export default { mock, MockFunctionContext, MockTracker };
