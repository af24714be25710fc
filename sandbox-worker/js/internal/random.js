// What node:crypto has of random numbers, and of what the global crypto has.
import { invalidArgType, outOfRange, validateBoolean, validateFunction, validateInteger, validateObject } from "internal:node_errors";
import { Buffer } from "node:buffer";
import scripts from "native:scripts";

const {
  TypedArrayPrototype, isArrayBuffer, isDataView, isSharedArrayBuffer, isView, uncurryThis, viewBuffer, viewByteLength,
  viewByteOffset, Bytes,
} = scripts.primordials;
const { crypto: webcrypto, queueMicrotask } = globalThis;
const { subtle } = webcrypto;
const bind = uncurryThis(Function.prototype.bind);
const fill = uncurryThis(webcrypto.getRandomValues);
const uuid = uncurryThis(webcrypto.randomUUID);
const subarray = uncurryThis(TypedArrayPrototype.subarray);
const { allocUnsafeSlow, from: bufferFrom } = Buffer;

export { subtle, webcrypto };
export const getRandomValues = bind(webcrypto.getRandomValues, webcrypto);
const isEqual = uncurryThis(subtle.timingSafeEqual);
export function timingSafeEqual(a, b) {
  return isEqual(subtle, a, b);
}

export function randomUUID(options) {
  if (options !== undefined) {
    validateObject(options, "options");
    if (options.disableEntropyCache !== undefined) validateBoolean(options.disableEntropyCache, "options.disableEntropyCache");
  }
  return uuid(webcrypto);
}

const LARGEST = 2147483647;

export function randomBytes(size, callback) {
  validateInteger(size, "size", 0, LARGEST);
  if (callback !== undefined) validateFunction(typeof callback === "function" ? callback : undefined, "callback");
  const bytes = fill(webcrypto, allocUnsafeSlow(size));
  if (callback === undefined) return bytes;
  queueMicrotask(() => callback(null, bytes));
}

const isMemory = (value) => isView(value) || isArrayBuffer(value) || isSharedArrayBuffer(value);
const checkMemory = (value) => {
  if (!isMemory(value)) {
    throw invalidArgType("buffer", "an instance of TypedArray, DataView, ArrayBuffer, or SharedArrayBuffer", value);
  }
};

/** As in the reference it gives the part that was filled, and counts elements. */
export function randomFillSync(buffer, offset, size) {
  checkMemory(buffer);
  let view = buffer;
  if (!isView(buffer)) view = bufferFrom(buffer);
  else if (isDataView(buffer)) view = new Bytes(viewBuffer(buffer), viewByteOffset(buffer), viewByteLength(buffer));
  const total = view.byteLength;
  if (offset !== undefined) validateInteger(offset, "offset", 0, LARGEST);
  const start = offset ?? 0;
  if (size !== undefined) validateInteger(size, "size", 0, total - start);
  return fill(webcrypto, subarray(view, start, start + (size ?? total - start)));
}

export function randomFill(buffer, offset, size, callback) {
  checkMemory(buffer);
  let then = callback;
  let start = 0;
  let count;
  if (typeof offset === "function") then = offset;
  else {
    start = offset;
    if (typeof size === "function") then = size;
    else count = size;
  }
  validateFunction(then, "callback");
  const total = buffer.byteLength;
  validateInteger(start, "offset", 0, total);
  if (count !== undefined) validateInteger(count, "size", 0, total - start);
  randomFillSync(buffer, start, count);
  queueMicrotask(() => then(null, buffer));
}

const RANGE = 281474976710655;
const { MAX_SAFE_INTEGER, MIN_SAFE_INTEGER } = Number;
const six = new Bytes(6);
const below = (range) => {
  // What is beyond the largest multiple of the range would make some numbers likelier.
  const end = RANGE + 1 - ((RANGE + 1) % range);
  for (;;) {
    fill(webcrypto, six);
    let number = 0;
    for (let i = 0; i < 6; i++) number = number * 256 + six[i];
    if (number < end) return number % range;
  }
};

export function randomInt(min, max, callback) {
  let from = min;
  let to = max;
  let then = callback;
  if (max === undefined || typeof max === "function") {
    then = max;
    to = min;
    from = 0;
  }
  validateInteger(from, "min", MIN_SAFE_INTEGER, MAX_SAFE_INTEGER);
  validateInteger(to, "max", MIN_SAFE_INTEGER, MAX_SAFE_INTEGER);
  if (to <= from) throw outOfRange("min", "min < max", from);
  if (to - from > RANGE) throw outOfRange("max", `<= ${RANGE}`, to - from);
  const number = from + below(to - from);
  if (then === undefined) return number;
  if (typeof then === "function") queueMicrotask(() => then(null, number));
}
