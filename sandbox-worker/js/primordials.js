// Copies of the built-ins that the other files use, taken before tenant code can replace them, and the Web IDL
// conversions they share. A method M of class C becomes the function CPrototypeM(receiver, ...).
(function (internal) {
  "use strict";
  const { bind, call, apply } = Function.prototype;
  const uncurryThis = bind.bind(call);
  const FunctionPrototypeApply = uncurryThis(apply);
  const getter = (object, key) => uncurryThis(Reflect.getOwnPropertyDescriptor(object, key).get);

  // The startup snapshot is made of an isolate that lacks some of V8's built-ins.
  const starters = [];
  /** Has `starter` called at each start, when all of V8's built-ins are there and tenant code has not run. */
  const atStart = (starter) => {
    starters[starters.length] = starter;
  };
  const start = () => {
    for (let i = 0; i < starters.length; i++) starters[i]();
  };

  // What native code makes the stacks of errors with.
  const ErrorConstructor = Error;
  // Without a limit, which V8 adds to contexts late too, there is no stack.
  const limit = Reflect.getOwnPropertyDescriptor(ErrorConstructor, "stackTraceLimit");
  Reflect.defineProperty(ErrorConstructor, "stackTraceLimit", { __proto__: null, value: 1, configurable: true });
  ErrorConstructor.prepareStackTrace = (error, sites) => sites;
  const scriptNameOfSite = new ErrorConstructor().stack[0].getScriptNameOrSourceURL;
  delete ErrorConstructor.prepareStackTrace;
  if (limit === undefined) delete ErrorConstructor.stackTraceLimit;
  else Reflect.defineProperty(ErrorConstructor, "stackTraceLimit", limit);
  const stackGetter = Reflect.getOwnPropertyDescriptor(new ErrorConstructor(), "stack").get;

  const {
    apply: ReflectApply, get: ReflectGet, has: ReflectHas, set: ReflectSet, defineProperty, deleteProperty,
    getOwnPropertyDescriptor, setPrototypeOf, getPrototypeOf, ownKeys,
  } = Reflect;
  const ProxyConstructor = Proxy;
  const SymbolConstructor = Symbol;
  const TypedArray = getPrototypeOf(Uint8Array);
  const TypedArrayPrototype = TypedArray.prototype;
  const PromiseConstructor = Promise;
  const PromisePrototype = Promise.prototype;
  // `then` asks a promise for its constructor, and that for its species. Where a script has changed them, which V8 has to
  // be asked for without running a getter, internal promises answer for themselves.
  const getDescriptor = Object.getOwnPropertyDescriptor;
  const hasOwn = Object.hasOwn;
  const SymbolSpecies = Symbol.species;
  const speciesGetter = getDescriptor(Promise, SymbolSpecies).get;
  const isPromiseIntact = () => {
    const constructor = getDescriptor(PromisePrototype, "constructor");
    if (constructor === undefined || !hasOwn(constructor, "value") || constructor.value !== PromiseConstructor) return false;
    const species = getDescriptor(PromiseConstructor, SymbolSpecies);
    return species !== undefined && hasOwn(species, "get") && species.get === speciesGetter;
  };
  const plainThen = uncurryThis(Promise.prototype.then);
  const PromisePrototypeThen = (promise, onFulfilled, onRejected) => {
    if (isPromiseIntact()) return plainThen(promise, onFulfilled, onRejected);
    if (getDescriptor(promise, "constructor") !== undefined) return plainThen(promise, onFulfilled, onRejected);
    // Without a constructor, the result is a plain promise.
    const hidden = { __proto__: null, value: undefined, configurable: true };
    const defined = defineProperty(promise, "constructor", hidden);
    try {
      return plainThen(promise, onFulfilled, onRejected);
    } finally {
      if (defined) deleteProperty(promise, "constructor");
    }
  };
  const PromiseResolve = Promise.resolve.bind(Promise);
  const PromiseReject = Promise.reject.bind(Promise);
  const ArrayIsArray = Array.isArray;
  const StringConstructor = String;
  const StringPrototypeIsWellFormed = String.prototype.isWellFormed && uncurryThis(String.prototype.isWellFormed);
  const StringPrototypeToWellFormed = String.prototype.toWellFormed && uncurryThis(String.prototype.toWellFormed);
  const NumberConstructor = Number;
  const MathTrunc = Math.trunc;
  const isView = ArrayBuffer.isView;
  const Bytes = Uint8Array;

  const withResolvers =
    typeof Promise.withResolvers === "function"
      ? Promise.withResolvers.bind(Promise)
      : () => {
          let resolve;
          let reject;
          const promise = new PromiseConstructor((res, rej) => {
            resolve = res;
            reject = rej;
          });
          return { promise, resolve, reject };
        };

  const typedArrayTag = getter(TypedArrayPrototype, Symbol.toStringTag);
  const typedArrayBuffer = getter(TypedArrayPrototype, "buffer");
  const typedArrayByteLength = getter(TypedArrayPrototype, "byteLength");
  const typedArrayByteOffset = getter(TypedArrayPrototype, "byteOffset");
  const dataViewBuffer = getter(DataView.prototype, "buffer");
  const dataViewByteLength = getter(DataView.prototype, "byteLength");
  const dataViewByteOffset = getter(DataView.prototype, "byteOffset");
  const arrayBufferResizable = getter(ArrayBuffer.prototype, "resizable");
  const arrayBufferByteLength = getter(ArrayBuffer.prototype, "byteLength");
  const arrayBufferSlice = uncurryThis(ArrayBuffer.prototype.slice);
  let sharedByteLength = null;
  atStart(() => {
    if (typeof SharedArrayBuffer === "function") sharedByteLength = getter(SharedArrayBuffer.prototype, "byteLength");
  });
  const typedArraySet = uncurryThis(TypedArrayPrototype.set);

  // `subarray` and `slice` consult `constructor[Symbol.species]`, which tenant code can replace; these do not.
  const subarray = (bytes, start, end) =>
    new Bytes(typedArrayBuffer(bytes), typedArrayByteOffset(bytes) + start, end - start);
  const copyBytes = (bytes) => {
    const copy = new Bytes(typedArrayByteLength(bytes));
    typedArraySet(copy, bytes);
    return copy;
  };

  // ArrayBuffer.prototype.transfer exists in every V8 that runs isolates; the fallbacks serve older test hosts.
  const clone = typeof structuredClone === "function" ? structuredClone : undefined;
  const transferBuffer =
    typeof ArrayBuffer.prototype.transfer === "function"
      ? uncurryThis(ArrayBuffer.prototype.transfer)
      : (buffer) => {
          if (isDetached(buffer)) throw new TypeError("Cannot transfer a detached ArrayBuffer");
          return clone(buffer, { transfer: [buffer] });
        };
  const detachedDescriptor = getOwnPropertyDescriptor(ArrayBuffer.prototype, "detached");
  const isDetached =
    detachedDescriptor !== undefined
      ? uncurryThis(detachedDescriptor.get)
      : (buffer) => {
          try {
            new Bytes(buffer);
            return false;
          } catch {
            return true;
          }
        };

  const isArrayBuffer = (value) => {
    if (typeof value !== "object" || value === null) return false;
    try {
      arrayBufferByteLength(value);
      return true;
    } catch {
      return false;
    }
  };
  // Ordinary buffers must not take the path that throws: an exception costs as much as reading a chunk.
  const isSharedArrayBuffer = (value) => {
    if (sharedByteLength === null || typeof value !== "object" || value === null) return false;
    try {
      arrayBufferByteLength(value);
      return false;
    } catch {
      // Not an ordinary one.
    }
    try {
      sharedByteLength(value);
      return true;
    } catch {
      return false;
    }
  };
  const isDataView = (view) => isView(view) && typedArrayTag(view) === undefined;
  const isUint8Array = (value) => isView(value) && typedArrayTag(value) === "Uint8Array";
  const viewBuffer = (view) => (typedArrayTag(view) === undefined ? dataViewBuffer(view) : typedArrayBuffer(view));
  const viewByteLength = (view) =>
    typedArrayTag(view) === undefined ? dataViewByteLength(view) : typedArrayByteLength(view);
  const viewByteOffset = (view) =>
    typedArrayTag(view) === undefined ? dataViewByteOffset(view) : typedArrayByteOffset(view);

  /** A Uint8Array over the memory of a BufferSource that is not shared, or undefined when `value` is none. */
  const bytesOf = (value) => {
    if (isView(value)) {
      if (typedArrayTag(value) === "Uint8Array") return isSharedArrayBuffer(typedArrayBuffer(value)) ? undefined : value;
      const buffer = viewBuffer(value);
      if (isSharedArrayBuffer(buffer)) return undefined;
      return new Bytes(buffer, viewByteOffset(value), viewByteLength(value));
    }
    return isArrayBuffer(value) ? new Bytes(value) : undefined;
  };

  // Promise helpers.
  const resolvedPromise = PromiseResolve(undefined);
  const noop = () => {};
  // A throw from a reaction is a fault of these files and surfaces as an unhandled rejection.
  const upon = (promise, onFulfilled, onRejected) => {
    PromisePrototypeThen(promise, onFulfilled, onRejected);
  };
  const markHandled = (promise) => {
    PromisePrototypeThen(promise, undefined, noop);
    return promise;
  };
  const microtask = (callback) => {
    PromisePrototypeThen(resolvedPromise, callback);
  };

  // Web IDL.
  const illegalConstructor = () => new TypeError("Illegal constructor");
  const illegalInvocation = () =>
    new TypeError(
      "Illegal invocation: function called with incorrect `this` reference. See " +
        "https://developers.cloudflare.com/workers/observability/errors/#illegal-invocation-errors for details.",
    );
  const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";
  /**
   * What a class asks of the `this` of its members: an object that `carries` its private name. Asked of a primitive, `#name in
   * value` is an exception that says the name.
   */
  const brand = (carries) => (value) => {
    if (!isObject(value) || !carries(value)) throw illegalInvocation();
  };
  const notOfType = (method, name, index, type) =>
    new TypeError(`Failed to execute '${method}' on '${name}': parameter ${index} is not of type '${type}'.`);
  const constructorNotOfType = (name, index, type) =>
    new TypeError(`Failed to construct '${name}': constructor parameter ${index} is not of type '${type}'.`);
  const fieldNotOfType = (field, dictionary, type) =>
    new TypeError(`Incorrect type for the '${field}' field on '${dictionary}': the provided value is not of type '${type}'.`);
  const toDOMString = (value) => {
    if (typeof value === "string") return value;
    if (typeof value === "symbol") throw new TypeError("Cannot convert a Symbol value to a string");
    return `${value}`;
  };
  const loneSurrogate = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
  const RegExpPrototypeReplace = uncurryThis(RegExp.prototype[Symbol.replace]);
  const toUSVString = (value) => {
    const string = toDOMString(value);
    if (StringPrototypeToWellFormed !== undefined) {
      return StringPrototypeIsWellFormed(string) ? string : StringPrototypeToWellFormed(string);
    }
    return RegExpPrototypeReplace(loneSurrogate, string, "\ufffd");
  };
  /** [EnforceRange] unsigned long long. */
  const toEnforcedUnsigned = (value, what) => {
    const number = MathTrunc(+value);
    if (!(number >= 0 && number <= 9007199254740991)) {
      throw new TypeError(`${what} must be an integer between 0 and 2^53 - 1.`);
    }
    return number + 0;
  };
  /** Web IDL `long long` with wrapping, clamped to the safe integers. */
  const toClampedInteger = (value) => {
    const number = MathTrunc(+value);
    if (number !== number) return 0;
    if (number > 9007199254740991) return 9007199254740991;
    if (number < -9007199254740991) return -9007199254740991;
    return number + 0;
  };

  const charCodeAt = uncurryThis(String.prototype.charCodeAt);
  const slice = uncurryThis(String.prototype.slice);
  /**
   * `text` with each UTF-16 unit replaced for which `change(code, next)`, given the unit after it too, returns a string.
   * For regular expressions, which consult properties that scripts can change.
   */
  const replaceUnits = (text, change) => {
    let result = "";
    let copied = 0;
    const { length } = text;
    for (let i = 0; i < length; i++) {
      const replacement = change(charCodeAt(text, i), i + 1 < length ? charCodeAt(text, i + 1) : -1);
      if (replacement === undefined) continue;
      result += slice(text, copied, i) + replacement;
      copied = i + 1;
    }
    return copied === 0 ? text : result + slice(text, copied);
  };

  /**
   * Gives a class the outward shape of a Web IDL interface object: enumerable members, a toStringTag and the parameter
   * count that the standard gives its constructor.
   */
  const shape = (Class, name, length = 0) => {
    const prototype = Class.prototype;
    enumerate(prototype);
    enumerate(Class);
    if (tagged !== undefined) {
      tagged[tagged.length] = prototype;
      // Writable, as in the reference.
      defineProperty(prototype, toStringTag, { __proto__: null, value: name, writable: true, configurable: true });
    }
    defineProperty(Class, "length", { __proto__: null, value: length, configurable: true });
    defineProperty(Class, "name", { __proto__: null, value: name, configurable: true });
    return Class;
  };
  const { toStringTag } = Symbol;
  // Undefined for a worker whose classes have no tags.
  let tagged = [];
  const enumerate = (object) => {
    const keys = ownKeys(object);
    const isFunction = typeof object === "function";
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i];
      if (typeof key !== "string" || key === "constructor") continue;
      if (isFunction && (key === "prototype" || key === "length" || key === "name")) continue;
      defineProperty(object, key, { __proto__: null, enumerable: true });
    }
  };
  /** Takes Object.prototype, on which scripts can put setters and getters, off the chain of internal objects. */
  const withoutObjectPrototype = (classes) => {
    for (let i = 0; i < classes.length; i++) setPrototypeOf(classes[i].prototype, null);
  };
  /** Whether one object is on the prototype chain of another, which a proxy is asked for too. */
  const inheritsFrom = (object, ancestor) => {
    let prototype = getPrototypeOf(object);
    while (prototype !== null && prototype !== ancestor) prototype = getPrototypeOf(prototype);
    return prototype !== null;
  };
  const defineConstants = (Class, constants) => {
    for (const key in constants) {
      const descriptor = { __proto__: null, value: constants[key], enumerable: true, configurable: true };
      defineProperty(Class, key, descriptor);
      defineProperty(Class.prototype, key, descriptor);
    }
  };

  // What the worker's date and flags change. They are known when a worker is bound, which is after these files ran and
  // before tenant code does.
  const binders = [];
  /** Has `binder(flag)` called when a worker is bound; `flag(name)` says whether a compatibility flag is on. */
  const atBind = (binder) => {
    binders[binders.length] = binder;
  };
  /**
   * What an operation that returns a promise gives for a call that cannot be: a rejection, or before
   * `capture_async_api_throws` an exception.
   */
  const refuse = (error) => {
    if (!rejects) throw error;
    return PromiseReject(error);
  };
  let rejects = true;
  atBind((flag) => {
    rejects = flag("capture_async_api_throws");
    if (flag("set_tostring_tag")) return;
    for (let i = 0; i < tagged.length; i++) delete tagged[i][toStringTag];
    tagged = undefined;
  });
  // Every flag by its name, and off until the worker is bound.
  const { flags } = internal;
  const flagNames = ownKeys(flags);
  const { freeze } = Object;
  /** For built-in modules, which run when the worker is bound: whether a compatibility flag is on. */
  const flag = (name) => {
    const on = flags[name];
    if (on === undefined) throw new TypeError(`there is no flag ${name}`);
    return on;
  };
  const bindFlags = (places) => {
    for (let i = 0; i < places.length; i++) flags[flagNames[places[i]]] = true;
    freeze(flags);
    for (let i = 0; i < binders.length; i++) binders[i](flag, flags);
  };

  // Script can be interrupted between any two calls, and no `finally` runs then.
  const forgetters = [];
  /** Has `forgetter` drop, when script was interrupted, what a file keeps for the call that comes next. */
  const atForget = (forgetter) => {
    forgetters[forgetters.length] = forgetter;
  };
  const forget = () => {
    for (let i = 0; i < forgetters.length; i++) forgetters[i]();
  };

  // Before `workers_api_getters_setters_on_prototype` attributes are own properties of each object.
  const { native } = internal;
  const MapConstructor = Map;
  const mapGet = uncurryThis(Map.prototype.get);
  const mapSet = uncurryThis(Map.prototype.set);
  const attributes = [];
  let moved;
  /** Names the attributes of a class that objects carry then; its first base has `adorn(this)` as a field's initial value. */
  const carried = (Class, names) => {
    attributes[attributes.length] = { __proto__: null, prototype: Class.prototype, names };
  };
  atBind((flag) => {
    if (flag("workers_api_getters_setters_on_prototype")) return;
    moved = new MapConstructor();
    for (let i = 0; i < attributes.length; i++) {
      const { prototype, names } = attributes[i];
      const accessors = [];
      // As in the reference, the last one first.
      for (let j = names.length - 1; j >= 0; j--) {
        const { get, set } = getOwnPropertyDescriptor(prototype, names[j]);
        delete prototype[names[j]];
        accessors[accessors.length] = { __proto__: null, name: names[j], get, set };
      }
      mapSet(moved, prototype, accessors);
    }
  });
  const adorn = (object) => {
    if (moved === undefined) return;
    for (let prototype = getPrototypeOf(object); prototype !== null; prototype = getPrototypeOf(prototype)) {
      const accessors = mapGet(moved, prototype);
      if (accessors === undefined) continue;
      for (let i = 0; i < accessors.length; i++) {
        native.defineAttribute(object, accessors[i].name, accessors[i].get, accessors[i].set);
      }
    }
  };

  // Text through the Encoding Standard's class, which native code provides before this file runs.
  const { TextDecoder } = internal;
  const decode = uncurryThis(TextDecoder.prototype.decode);
  let bomDecoder;

  return {
    atStart,
    start,
    atBind,
    bindFlags,
    atForget,
    forget,
    decodeUtf8WithBom: (bytes) =>
      decode((bomDecoder ??= new TextDecoder("utf-8", { __proto__: null, ignoreBOM: true })), bytes),
    newTextDecoder: (label, options) => new TextDecoder(label, options),
    decodeText: (textDecoder, chunk, stream) => decode(textDecoder, chunk, { __proto__: null, stream }),
    upon,
    inheritsFrom,
    ErrorConstructor,
    stackGetter,
    scriptNameOfSite,
    globals: { __proto__: null },
    objectToString: Object.prototype.toString,
    primordials: {
      __proto__: null,
      uncurryThis, getter, FunctionPrototypeApply, ReflectApply, ReflectGet, ReflectHas, ReflectSet,
      ErrorConstructor, ProxyConstructor, SymbolConstructor, deleteProperty, flag, defineProperty, getOwnPropertyDescriptor, setPrototypeOf, getPrototypeOf,
      ownKeys, TypedArray, TypedArrayPrototype, PromisePrototypeThen, PromiseConstructor, PromiseResolve, PromiseReject,
      ArrayIsArray, StringConstructor, NumberConstructor, isView, Bytes, withResolvers, typedArrayTag, typedArrayBuffer,
      typedArrayByteLength, typedArrayByteOffset, arrayBufferByteLength, arrayBufferSlice, typedArraySet, subarray,
      copyBytes, transferBuffer, isDetached, isArrayBuffer, isSharedArrayBuffer, isDataView, isUint8Array, viewBuffer,
      viewByteLength, viewByteOffset, bytesOf, resolvedPromise, noop, upon, markHandled, microtask, illegalConstructor,
      illegalInvocation, brand, isObject, notOfType, constructorNotOfType, fieldNotOfType, toDOMString, toUSVString,
      toEnforcedUnsigned, toClampedInteger, shape, defineConstants, withoutObjectPrototype, replaceUnits, refuse,
      arrayBufferResizable, adorn, carried,
    },
  };
})
