// The timers of node:timers, which are objects, over those of the web platform, which are numbers.
import { validateFunction } from "internal:node_errors";
import { clearTimeout as clearNative, setInterval as startRepeating, setTimeout as start } from "native:timers";
import scripts from "native:scripts";

const {
  ReflectApply, defineProperty, illegalConstructor, illegalInvocation, isObject, shape,
} = scripts.primordials;
const { bind } = Function.prototype;
const BaseTypeError = TypeError;
const globalObject = globalThis;
const SymbolDispose = Symbol.dispose;

export class Timeout {
  #id = 0;
  #callback;
  #after;
  #args;
  #isRepeating;
  #hasRef = true;
  #isOver = false;

  constructor(callback, after = 1, args = [], isRepeating = false) {
    this.#callback = callback;
    this.#after = after;
    this.#args = args;
    this.#isRepeating = isRepeating;
    this.#start();
  }

  #start() {
    const begin = this.#isRepeating ? startRepeating : start;
    this.#id = begin(() => ReflectApply(this.#callback, globalObject, this.#args), this.#after);
  }

  /** Begins anew, also after the time is over. */
  refresh() {
    if (!this.#isOver) {
      clearNative(this.#id);
      this.#start();
    }
    return this;
  }

  unref() {
    this.#hasRef = false;
    return this;
  }

  ref() {
    this.#hasRef = true;
    return this;
  }

  hasRef() {
    return this.#hasRef;
  }

  close() {
    clearTimeout(this);
    return this;
  }

  [SymbolDispose]() {
    clearTimeout(this);
  }

  [Symbol.toPrimitive]() {
    return this.#id;
  }

  static end(timeout) {
    timeout.#isOver = true;
    clearNative(timeout.#id);
  }

  static isOne(value) {
    return isObject(value) && #id in value;
  }
}
const { end, isOne } = Timeout;
delete Timeout.end;
delete Timeout.isOne;

export function setTimeout(callback, after, ...args) {
  validateFunction(callback, "callback");
  return new Timeout(callback, after, args, false);
}
export function setInterval(callback, repeat, ...args) {
  validateFunction(callback, "callback");
  return new Timeout(callback, repeat, args, true);
}
export function clearTimeout(timer) {
  if (isOne(timer)) end(timer);
  else if (typeof timer === "number" || typeof timer === "string") clearNative(+timer);
}
export function clearInterval(timer) {
  clearTimeout(timer);
}

// --------------------------------------------------------------------------------------------------- immediates

let key;
class Immediate {
  #id;

  constructor(given, id) {
    if (given !== key || key === undefined) throw illegalConstructor();
    this.#id = id;
  }

  ref() {
    if (!isObject(this) || !(#id in this)) throw illegalInvocation();
  }

  unref() {
    if (!isObject(this) || !(#id in this)) throw illegalInvocation();
  }

  hasRef() {
    if (!isObject(this) || !(#id in this)) throw illegalInvocation();
    return false;
  }

  static end(immediate) {
    clearNative(immediate.#id);
  }

  static isOne(value) {
    return isObject(value) && #id in value;
  }
}
const { end: endImmediate, isOne: isImmediate } = Immediate;
delete Immediate.end;
delete Immediate.isOne;
shape(Immediate, "Immediate");
const dispose = (() => function () {
  endImmediate(this);
})();
defineProperty(Immediate.prototype, SymbolDispose, { __proto__: null, value: dispose, writable: true, configurable: true });
key = {};

const notOfType = (method, where, type) =>
  new BaseTypeError(`Failed to execute '${method}' on '${where}': parameter 1 is not of type '${type}'.`);
const functions = (where) => ({
  setImmediate(callback = undefined, ...args) {
    if (typeof callback !== "function") throw notOfType("setImmediate", where, "function");
    return new Immediate(key, start(() => ReflectApply(callback, globalObject, args), 0));
  },
  clearImmediate(immediate = undefined) {
    if (immediate === undefined || immediate === null) return;
    if (!isImmediate(immediate)) throw notOfType("clearImmediate", where, "Immediate");
    endImmediate(immediate);
  },
});
/** As properties of the global object. */
const ofGlobal = functions("ServiceWorkerGlobalScope");
const globalSetImmediate = ofGlobal.setImmediate;
const globalClearImmediate = ofGlobal.clearImmediate;
/** As the reference's module has them. */
const ofModule = functions("TimersUtil");
const setImmediate = ReflectApply(bind, ofModule.setImmediate, [undefined]);
const clearImmediate = ReflectApply(bind, ofModule.clearImmediate, [undefined]);
export { clearImmediate, globalClearImmediate, globalSetImmediate, setImmediate };
