// Deep equality as `assert.deepStrictEqual`, `deepEqual` and `partialDeepStrictEqual` have it. Objects that were met before
// on the way down, on both sides, are taken to be equal.
import scripts from "native:scripts";

const { isError, native, objectToString, primordials } = scripts;
const {
  ArrayIsArray, Bytes, ReflectHas, getOwnPropertyDescriptor, getPrototypeOf, getter, isArrayBuffer, isObject,
  isSharedArrayBuffer, isView, ownKeys, typedArrayTag, uncurryThis, viewBuffer, viewByteLength, viewByteOffset,
} = primordials;
const { is } = Object;
const { isNaN: NumberIsNaN } = Number;
const propertyIsEnumerable = uncurryThis(Object.prototype.propertyIsEnumerable);
const tagOf = uncurryThis(objectToString);
const MapConstructor = Map;
const mapSize = getter(Map.prototype, "size");
const mapForEach = uncurryThis(Map.prototype.forEach);
const mapHas = uncurryThis(Map.prototype.has);
const mapGet = uncurryThis(Map.prototype.get);
const mapSet = uncurryThis(Map.prototype.set);
const mapDelete = uncurryThis(Map.prototype.delete);
const setSize = getter(Set.prototype, "size");
const setForEach = uncurryThis(Set.prototype.forEach);
const setHas = uncurryThis(Set.prototype.has);
const getTime = uncurryThis(Date.prototype.getTime);
const regexpSource = getter(RegExp.prototype, "source");
const regexpFlags = getter(RegExp.prototype, "flags");

/** Whether a function that asks for what an object is does not throw. */
const holds = (test) => (value) => {
  try {
    test(value);
    return true;
  } catch {
    return false;
  }
};
const isMap = holds(mapSize);
const isSet = holds(setSize);
const isDate = holds(getTime);
const isRegExp = holds(regexpSource);
const boxes = [
  uncurryThis(Number.prototype.valueOf), uncurryThis(String.prototype.valueOf), uncurryThis(Boolean.prototype.valueOf),
  uncurryThis(Symbol.prototype.valueOf), uncurryThis(BigInt.prototype.valueOf),
];
/** The primitive in an object, as `{ value, kind }`. */
const unboxed = (object) => {
  for (let kind = 0; kind < boxes.length; kind++) {
    try {
      return { value: boxes[kind](object), kind };
    } catch {
      // Another kind, or none.
    }
  }
  return undefined;
};

const LOOSE = 0;
const STRICT = 1;
const PARTIAL = 2;

const samePrimitive = (a, b, mode) => {
  if (mode !== LOOSE) return is(a, b);
  return a == b || (NumberIsNaN(a) && NumberIsNaN(b));
};

const enumerableKeys = (object, mode) => {
  const all = isView(object) || ArrayIsArray(object) ? native.getOwnNonIndexProperties(object) : ownKeys(object);
  const keys = [];
  for (let i = 0; i < all.length; i++) {
    if (typeof all[i] === "symbol" && mode === LOOSE) continue;
    if (propertyIsEnumerable(object, all[i])) keys[keys.length] = all[i];
  }
  return keys;
};
const hasOwn = (object, key) => getOwnPropertyDescriptor(object, key) !== undefined;

const equal = (a, b, mode, met, options) => {
  if (a === b) return a !== 0 || mode === LOOSE || is(a, b);
  if (!isObject(a) || !isObject(b) || (mode === LOOSE && (typeof a === "function" || typeof b === "function"))) {
    if (mode === LOOSE && isObject(a) !== isObject(b)) return false;
    return !isObject(a) && !isObject(b) && samePrimitive(a, b, mode);
  }
  if (mode !== LOOSE && !options.skipPrototype && getPrototypeOf(a) !== getPrototypeOf(b)) return false;
  if (typeof a === "function" || typeof b === "function") return false;
  if (ArrayIsArray(a) !== ArrayIsArray(b) || tagOf(a) !== tagOf(b)) return false;
  if (ArrayIsArray(a)) {
    if (mode === PARTIAL ? a.length < b.length : a.length !== b.length) return false;
    return enter(a, b, met, () => sameItems(a, b, mode, met, options) && sameKeys(a, b, mode, met, options));
  }
  if (isDate(a) || isDate(b)) {
    if (!isDate(a) || !isDate(b) || getTime(a) !== getTime(b)) return false;
  } else if (isRegExp(a) || isRegExp(b)) {
    if (!isRegExp(a) || !isRegExp(b) || regexpSource(a) !== regexpSource(b) || regexpFlags(a) !== regexpFlags(b)) return false;
    if (a.lastIndex !== b.lastIndex) return false;
  } else if (isError(a) || isError(b)) {
    // These two are not enumerable.
    if (!isError(a) || !isError(b) || a.message !== b.message || a.name !== b.name) return false;
  } else if (isView(a) || isView(b)) {
    if (!isView(a) || !isView(b) || typedArrayTag(a) !== typedArrayTag(b)) return false;
    const tag = typedArrayTag(a);
    const floating = tag === "Float32Array" || tag === "Float64Array";
    if (mode === LOOSE && floating ? !sameNumbers(a, b) : !sameBytes(bytesOf(a), bytesOf(b), mode)) return false;
  } else if (isArrayBuffer(a) || isSharedArrayBuffer(a)) {
    if (isArrayBuffer(a) ? !isArrayBuffer(b) : !isSharedArrayBuffer(b)) return false;
    if (!sameBytes(new Bytes(a), new Bytes(b), mode)) return false;
  } else if (isSet(a) || isSet(b)) {
    if (!isSet(a) || !isSet(b) || (mode === PARTIAL ? setSize(a) < setSize(b) : setSize(a) !== setSize(b))) return false;
    return enter(a, b, met, () => sameSets(a, b, mode, met, options) && sameKeys(a, b, mode, met, options));
  } else if (isMap(a) || isMap(b)) {
    if (!isMap(a) || !isMap(b) || (mode === PARTIAL ? mapSize(a) < mapSize(b) : mapSize(a) !== mapSize(b))) return false;
    return enter(a, b, met, () => sameMaps(a, b, mode, met, options) && sameKeys(a, b, mode, met, options));
  } else {
    const left = unboxed(a);
    const right = unboxed(b);
    if (left !== undefined || right !== undefined) {
      if (left === undefined || right === undefined || left.kind !== right.kind || !is(left.value, right.value)) return false;
    }
  }
  return enter(a, b, met, () => sameKeys(a, b, mode, met, options));
};
/** Compares what is in two objects, unless that is under way. */
const enter = (a, b, met, compare) => {
  const left = mapGet(met.left, a);
  const right = mapGet(met.right, b);
  if (left !== undefined && right !== undefined) return left === b;
  mapSet(met.left, a, b);
  mapSet(met.right, b, a);
  const same = compare();
  if (left === undefined) mapDelete(met.left, a);
  else mapSet(met.left, a, left);
  if (right === undefined) mapDelete(met.right, b);
  else mapSet(met.right, b, right);
  return same;
};

const bytesOf = (view) => new Bytes(viewBuffer(view), viewByteOffset(view), viewByteLength(view));
const sameBytes = (a, b, mode) => {
  const length = viewByteLength(b);
  if (mode === PARTIAL ? viewByteLength(a) < length : viewByteLength(a) !== length) return false;
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return false;
  return true;
};
const sameNumbers = (a, b) => {
  if (viewByteLength(a) !== viewByteLength(b)) return false;
  const length = viewByteLength(a) / (typedArrayTag(a) === "Float32Array" ? 4 : 8);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return false;
  return true;
};

const sameItems = (a, b, mode, met, options) => {
  for (let i = 0; i < b.length; i++) {
    const key = `${i}`;
    const inLeft = hasOwn(a, key);
    const inRight = hasOwn(b, key);
    if (inLeft !== inRight && mode !== LOOSE) return false;
    if ((inLeft || inRight) && !equal(a[i], b[i], mode, met, options)) return false;
  }
  return true;
};

const sameKeys = (a, b, mode, met, options) => {
  const keys = enumerableKeys(b, mode);
  if (mode !== PARTIAL && enumerableKeys(a, mode).length !== keys.length) return false;
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    if (mode === PARTIAL ? !ReflectHas(a, key) : !hasOwn(a, key) || !propertyIsEnumerable(a, key)) return false;
    if (!equal(a[key], b[key], mode, met, options)) return false;
  }
  return true;
};

/** Finds for each item of `rest` another one of `candidates` that is equal. */
const match = (rest, candidates, compare) => {
  for (let i = 0; i < rest.length; i++) {
    let found = -1;
    for (let j = 0; j < candidates.length && found === -1; j++) {
      if (candidates[j] !== undefined && compare(candidates[j], rest[i])) found = j;
    }
    if (found === -1) return false;
    candidates[found] = undefined;
  }
  return true;
};
const sameSets = (a, b, mode, met, options) => {
  const rest = [];
  const candidates = [];
  setForEach(b, (item) => {
    if (!setHas(a, item)) rest[rest.length] = { item };
  });
  if (rest.length === 0) return true;
  setForEach(a, (item) => {
    if (!setHas(b, item)) candidates[candidates.length] = { item };
  });
  return match(rest, candidates, (left, right) => {
    if (mode !== LOOSE && (!isObject(left.item) || !isObject(right.item))) return false;
    return equal(left.item, right.item, mode, met, options);
  });
};
const sameMaps = (a, b, mode, met, options) => {
  const rest = [];
  const candidates = [];
  let same = true;
  mapForEach(b, (item, key) => {
    if (!mapHas(a, key)) rest[rest.length] = { key, item };
    else if (same && !equal(mapGet(a, key), item, mode, met, options)) same = false;
  });
  if (!same || rest.length === 0) return same;
  mapForEach(a, (item, key) => {
    if (!mapHas(b, key)) candidates[candidates.length] = { key, item };
  });
  return match(rest, candidates, (left, right) => {
    if (mode !== LOOSE && (!isObject(left.key) || !isObject(right.key))) return false;
    return equal(left.key, right.key, mode, met, options) && equal(left.item, right.item, mode, met, options);
  });
};

const compare = (a, b, mode, options) =>
  equal(a, b, mode, { __proto__: null, left: new MapConstructor(), right: new MapConstructor() }, options);
const none = { __proto__: null, skipPrototype: false };
export const isDeepEqual = (a, b, options = none) => compare(a, b, LOOSE, options);
export const isDeepStrictEqual = (a, b, options = none) => compare(a, b, STRICT, options);
export const isPartiallyEqual = (a, b, options = none) => compare(a, b, PARTIAL, options);
