// Buffer as the reference has it: Node's, over memory that nobody else has and that is always zeroed.
import {
  bufferOutOfBounds, hide, invalidArgType, invalidArgValue, invalidBufferSize, invalidFirstArg, outOfRange,
  unknownEncoding, validateInteger,
} from "internal:node_errors";
import scripts from "native:scripts";

const { decodeUtf8WithBom, encodeUtf8, inspect, native, primordials } = scripts;
const {
  ArrayIsArray, Bytes, ErrorConstructor, FunctionPrototypeApply, TypedArrayPrototype, defineProperty, getPrototypeOf,
  isArrayBuffer, isObject, isSharedArrayBuffer, isUint8Array, isView, setPrototypeOf, typedArrayBuffer, typedArrayByteLength,
  typedArrayByteOffset, typedArraySet, uncurryThis, viewBuffer, viewByteLength, viewByteOffset,
} = primordials;
const BaseTypeError = TypeError;
const BaseRangeError = RangeError;
const charCodeAt = uncurryThis(String.prototype.charCodeAt);
const toLowerCase = uncurryThis(String.prototype.toLowerCase);
const typedArrayFill = uncurryThis(TypedArrayPrototype.fill);
const typedArrayIndexOf = uncurryThis(TypedArrayPrototype.indexOf);
const typedArrayLastIndexOf = uncurryThis(TypedArrayPrototype.lastIndexOf);
const { fromCharCode } = String;
const { isInteger, isNaN: NumberIsNaN } = Number;
const { floor, min: MathMin, max: MathMax, trunc } = Math;
const BigIntConstructor = BigInt;
const NumberOf = Number;
const SymbolToPrimitive = Symbol.toPrimitive;

export const kMaxLength = 2147483647;
export const kStringMaxLength = 536870888;
export const INSPECT_MAX_BYTES = 50;
export const constants = { MAX_LENGTH: kMaxLength, MAX_STRING_LENGTH: kStringMaxLength };

// ---------------------------------------------------------------------------------------------------------- encodings

/** The bytes of a view or an `ArrayBuffer`, without a copy. */
const asBytes = (value) => (isView(value) ? new Bytes(viewBuffer(value), viewByteOffset(value), viewByteLength(value)) : new Bytes(value));
/** A part of some bytes, which are a `Uint8Array` of any class. */
const part = (bytes, start, end) => new Bytes(typedArrayBuffer(bytes), typedArrayByteOffset(bytes) + start, MathMax(end - start, 0));

/** The text that has the bytes' values for its units, each by way of `mask`. */
const fromUnits = (bytes, mask) => {
  const length = typedArrayByteLength(bytes);
  let text = "";
  // As many arguments as any stack has room for.
  for (let start = 0; start < length; start += 4096) {
    const end = MathMin(start + 4096, length);
    const units = new Array(end - start);
    for (let i = start; i < end; i++) units[i - start] = bytes[i] & mask;
    text += FunctionPrototypeApply(fromCharCode, undefined, units);
  }
  return text;
};

const toLatin1 = (text) => {
  const bytes = new Bytes(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = charCodeAt(text, i);
  return bytes;
};

const toUcs2 = (text) => {
  const bytes = new Bytes(text.length * 2);
  for (let i = 0; i < text.length; i++) {
    const code = charCodeAt(text, i);
    bytes[i * 2] = code;
    bytes[i * 2 + 1] = code >> 8;
  }
  return bytes;
};
const fromUcs2 = (bytes) => {
  const length = typedArrayByteLength(bytes) >> 1;
  let text = "";
  for (let start = 0; start < length; start += 4096) {
    const end = MathMin(start + 4096, length);
    const units = new Array(end - start);
    for (let i = start; i < end; i++) units[i - start] = bytes[2 * i] | (bytes[2 * i + 1] << 8);
    text += FunctionPrototypeApply(fromCharCode, undefined, units);
  }
  return text;
};

const HEX = "0123456789abcdef";
const hexDigit = (code) => {
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
};
/** Up to the first two units that are no digits; one that is left alone at the end is dropped. */
const toHex = (text) => {
  const count = text.length >> 1;
  const bytes = new Bytes(count);
  for (let i = 0; i < count; i++) {
    const high = hexDigit(charCodeAt(text, 2 * i));
    const low = hexDigit(charCodeAt(text, 2 * i + 1));
    if (high < 0 || low < 0) return part(bytes, 0, i);
    bytes[i] = high * 16 + low;
  }
  return bytes;
};
const pairs = [];
for (let i = 0; i < 256; i++) pairs[i] = HEX[i >> 4] + HEX[i & 15];
const fromHex = (bytes) => {
  const length = typedArrayByteLength(bytes);
  let text = "";
  for (let i = 0; i < length; i++) text += pairs[bytes[i]];
  return text;
};

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const alphabets = { __proto__: null, base64: `${BASE64}+/`, base64url: `${BASE64}-_` };
const values = new Int8Array(128);
for (let i = 0; i < 128; i++) values[i] = -1;
for (let i = 0; i < 64; i++) values[charCodeAt(alphabets.base64, i)] = i;
values[45] = 62;
values[95] = 63;
/** Both alphabets; what is in neither is skipped, and padding ends the text. */
const toBase64 = (text) => {
  const bytes = new Bytes(((text.length + 3) >> 2) * 3);
  let length = 0;
  let bits = 0;
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const code = charCodeAt(text, i);
    if (code === 61) break;
    const value = code < 128 ? values[code] : -1;
    if (value < 0) continue;
    bits = (bits << 6) | value;
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes[length++] = bits >> count;
      bits &= (1 << count) - 1;
    }
  }
  return part(bytes, 0, length);
};
const fromBase64 = (alphabet, padding) => (bytes) => {
  const length = typedArrayByteLength(bytes);
  let text = "";
  let i = 0;
  for (; i + 2 < length; i += 3) {
    const bits = (bytes[i] << 16) | (bytes[i + 1] << 8) | bytes[i + 2];
    text += alphabet[bits >> 18] + alphabet[(bits >> 12) & 63] + alphabet[(bits >> 6) & 63] + alphabet[bits & 63];
  }
  if (i < length) {
    const bits = (bytes[i] << 16) | ((i + 1 < length ? bytes[i + 1] : 0) << 8);
    text += alphabet[bits >> 18] + alphabet[(bits >> 12) & 63];
    text += i + 1 < length ? alphabet[(bits >> 6) & 63] + padding : padding + padding;
  }
  return text;
};
const base64Length = (text) => {
  let { length } = text;
  if (length > 0 && text[length - 1] === "=") length--;
  if (length > 1 && text[length - 1] === "=") length--;
  return floor((length * 3) / 4);
};
/** Whole characters of UTF-8, of as many bytes as there is room for. */
const utf8Prefix = (bytes, room) => {
  let end = MathMin(typedArrayByteLength(bytes), room);
  if (end < typedArrayByteLength(bytes)) while (end > 0 && (bytes[end] & 0xc0) === 0x80) end--;
  return end;
};

const utf8 = {
  __proto__: null, name: "utf8", encode: encodeUtf8, decode: decodeUtf8WithBom, fits: utf8Prefix,
  byteLength: (text) => typedArrayByteLength(encodeUtf8(text)),
};
const any = (bytes, room) => MathMin(typedArrayByteLength(bytes), room);
const ucs2 = {
  __proto__: null, name: "utf16le", encode: toUcs2, decode: fromUcs2, fits: (bytes, room) => any(bytes, room) & ~1,
  byteLength: (text) => text.length * 2,
};
const latin1 = {
  __proto__: null, name: "latin1", encode: toLatin1, decode: (bytes) => fromUnits(bytes, 255), fits: any,
  byteLength: (text) => text.length,
};
const ascii = { __proto__: null, name: "ascii", encode: toLatin1, decode: (bytes) => fromUnits(bytes, 127), fits: any, byteLength: latin1.byteLength };
const hex = { __proto__: null, name: "hex", encode: toHex, decode: fromHex, fits: any, byteLength: (text) => text.length >>> 1 };
const base64 = { __proto__: null, name: "base64", encode: toBase64, decode: fromBase64(alphabets.base64, "="), fits: any, byteLength: base64Length };
const base64url = { __proto__: null, name: "base64url", encode: toBase64, decode: fromBase64(alphabets.base64url, ""), fits: any, byteLength: base64Length };
const encodings = {
  __proto__: null, utf8, "utf-8": utf8, ucs2, "ucs-2": ucs2, utf16le: ucs2, "utf-16le": ucs2, latin1, binary: latin1, ascii,
  hex, base64, base64url,
};
const find = (encoding) => encodings[encoding] ?? encodings[toLowerCase(`${encoding}`)];
/** The encoding of this name, UTF-8 for undefined and nothing. */
const named = (encoding) => {
  if (encoding === undefined || encoding === "") return utf8;
  const found = typeof encoding === "string" ? find(encoding) : undefined;
  if (found === undefined) throw unknownEncoding(`${encoding}`);
  return found;
};

// ------------------------------------------------------------------------------------------------------- construction

class FastBuffer extends Bytes {
  // As without one, but that nothing of the prototype of arrays is asked for.
  constructor(value, offset, length) {
    super(value, offset, length);
  }
}
const { prototype } = FastBuffer;

export function Buffer(value, encodingOrOffset, length) {
  if (typeof value === "number") {
    if (typeof encodingOrOffset === "string") throw invalidArgType("string", "of type string", value);
    return allocate(value);
  }
  return from(value, encodingOrOffset, length);
}
setPrototypeOf(Buffer, Bytes);
Buffer.prototype = prototype;
prototype.constructor = Buffer;
hideLength(Buffer, "Buffer", 3);
function hideLength(callable, name, length) {
  defineProperty(callable, "name", { __proto__: null, value: name, configurable: true });
  defineProperty(callable, "length", { __proto__: null, value: length, configurable: true });
}

const checkSize = (size) => {
  if (typeof size !== "number") throw invalidArgType("size", "of type number", size);
  if (NumberIsNaN(size)) throw invalidArgValue("size", size, "is invalid", BaseRangeError);
  if (size > kMaxLength) throw outOfRange("size", `0 to ${kMaxLength}`, size);
};
const allocate = (size) => {
  checkSize(size);
  return new FastBuffer(size);
};
/** A Buffer over bytes that nobody else has. */
const own = (bytes) => new FastBuffer(typedArrayBuffer(bytes), typedArrayByteOffset(bytes), typedArrayByteLength(bytes));

const fromString = (text, encoding) => {
  const how = typeof encoding === "string" && encoding !== "" ? named(encoding) : utf8;
  const bytes = how.encode(text);
  const length = typedArrayByteLength(bytes);
  // What was decoded may have been set aside for more.
  return length === typedArrayBuffer(bytes).byteLength ? own(bytes) : copyOf(bytes);
};
const copyOf = (bytes) => {
  const copy = new FastBuffer(typedArrayByteLength(bytes));
  typedArraySet(copy, bytes);
  return copy;
};
const fromArrayLike = (list) => {
  const { length } = list;
  if (!(typeof length === "number" && length > 0)) return new FastBuffer(0);
  const size = trunc(length);
  const buffer = allocate(size);
  for (let i = 0; i < size; i++) buffer[i] = list[i];
  return buffer;
};
const fromBufferOf = (buffer, offset, length) => {
  offset = +offset;
  if (offset !== offset) offset = 0;
  const most = (isArrayBuffer(buffer) ? buffer.byteLength : typedArrayByteLength(new Bytes(buffer))) - offset;
  if (most < 0) throw bufferOutOfBounds("offset");
  if (length === undefined) return new FastBuffer(buffer, offset, most);
  length = +length;
  if (!(length > 0)) return new FastBuffer(buffer, offset, 0);
  if (length > most) throw bufferOutOfBounds("length");
  return new FastBuffer(buffer, offset, length);
};

const SOURCES = "of type string or an instance of Buffer, TypedArray, ArrayBuffer, SharedArrayBuffer, or Array or an Array-like Object";
const from = (value, encodingOrOffset, length) => {
  if (typeof value === "string") return fromString(value, encodingOrOffset);
  if (typeof value === "object" && value !== null) {
    if (isArrayBuffer(value) || isSharedArrayBuffer(value)) return fromBufferOf(value, encodingOrOffset, length);
    const inner = value?.valueOf();
    if (inner !== undefined && inner !== null && inner !== value && (typeof inner === "string" || typeof inner === "object")) {
      return from(inner, encodingOrOffset, length);
    }
    const buffer = fromObject(value);
    if (buffer !== undefined) return buffer;
    if (typeof value[SymbolToPrimitive] === "function") {
      const primitive = FunctionPrototypeApply(value[SymbolToPrimitive], value, ["string"]);
      if (typeof primitive === "string") return fromString(primitive, encodingOrOffset);
    }
  }
  throw invalidFirstArg(SOURCES, value);
};
/** From arrays, views, what looks like one of them, and what `toJSON` gave. */
const fromObject = (value) => {
  if (isUint8Array(value)) return copyOf(value);
  if (value.length !== undefined || (value.buffer !== undefined && (isArrayBuffer(value.buffer) || isSharedArrayBuffer(value.buffer)))) {
    return typeof value.length === "number" ? fromArrayLike(value) : new FastBuffer(0);
  }
  if (value.type === "Buffer" && ArrayIsArray(value.data)) return fromArrayLike(value.data);
  return undefined;
};

/** Puts `value` again and again from `start` to `end`. */
const fillWith = (buffer, value, start, end, encoding) => {
  if (typeof value === "string" && value.length > 0) {
    const how = named(encoding);
    value = how.encode(value);
    if (how === hex && typedArrayByteLength(value) === 0) throw new BaseTypeError("The text is not valid hex");
  } else if (isUint8Array(value)) {
    if (typedArrayByteLength(value) === 0) throw invalidArgValue("value", "zero-length");
  } else {
    if (typeof value === "object" && value !== null && isView(value)) value = fromString(`${value}`);
    else {
      typedArrayFill(buffer, +value & 255, start, end);
      return buffer;
    }
  }
  const length = typedArrayByteLength(value);
  if (length === 0) {
    typedArrayFill(buffer, 0, start, end);
    return buffer;
  }
  for (let i = start, at = 0; i < end; i++) {
    buffer[i] = value[at];
    at = at + 1 === length ? 0 : at + 1;
  }
  return buffer;
};

const methods = (object, members) => {
  for (const name in members) {
    const value = members[name];
    defineProperty(object, name, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
  }
};

const statics = {
  __proto__: null,
  from(value, encodingOrOffset, length) {
    return from(value, encodingOrOffset, length);
  },
  of(...items) {
    const buffer = new FastBuffer(items.length);
    for (let i = 0; i < items.length; i++) buffer[i] = items[i];
    return buffer;
  },
  alloc(size, fill, encoding) {
    checkSize(size);
    if (fill === undefined || fill === 0 || fill === "" || size === 0) {
      return new FastBuffer(size);
    }
    if (encoding !== undefined && typeof encoding !== "string") throw invalidArgType("encoding", "of type string", encoding);
    const buffer = new FastBuffer(size);
    return fillWith(buffer, fill, 0, typedArrayByteLength(buffer), encoding);
  },
  allocUnsafe(size) {
    return allocate(size);
  },
  allocUnsafeSlow(size) {
    return allocate(size);
  },
  isBuffer(value) {
    return isObject(value) && inherits(value);
  },
  compare(a, b) {
    if (!isUint8Array(a)) throw invalidArgType("a", "an instance of Buffer or Uint8Array", typeof a);
    if (!isUint8Array(b)) throw invalidArgType("b", "an instance of Buffer or Uint8Array", typeof b);
    return compareBytes(a, b);
  },
  isEncoding(encoding) {
    return typeof encoding === "string" && encoding.length !== 0 && find(encoding) !== undefined;
  },
  concat(list, length) {
    if (!ArrayIsArray(list)) throw invalidArgType("list", "an (Buffer|Uint8Array)[]", list);
    if (length === undefined) {
      length = 0;
      for (let i = 0; i < list.length; i++) if (isUint8Array(list[i])) length += typedArrayByteLength(list[i]);
    } else validateInteger(length, "length", 0, 9007199254740991);
    for (let i = 0; i < list.length; i++) {
      if (!isUint8Array(list[i])) throw invalidArgType("list", "an (Buffer|Uint8Array)[]", list[i]);
    }
    const buffer = allocate(length);
    let at = 0;
    for (let i = 0; i < list.length && at < length; i++) {
      const bytes = list[i];
      const end = MathMin(typedArrayByteLength(bytes), length - at);
      typedArraySet(buffer, part(bytes, 0, end), at);
      at += end;
    }
    return buffer;
  },
  byteLength(value, encoding) {
    if (typeof value === "string") {
      const how = (typeof encoding === "string" ? find(encoding) : undefined) ?? utf8;
      return how.byteLength(value);
    }
    if (isView(value)) return viewByteLength(value);
    if (isArrayBuffer(value) || isSharedArrayBuffer(value)) return typedArrayByteLength(new Bytes(value));
    throw invalidArgType("string", "of type string or an instance of Buffer or ArrayBuffer", value);
  },
};
defineProperty(Buffer, "poolSize", { __proto__: null, value: 0, enumerable: true });
methods(Buffer, statics);
const inherits = (value) => {
  for (let object = getPrototypeOf(value); object !== null; object = getPrototypeOf(object)) {
    if (object === prototype) return true;
  }
  return false;
};

export function SlowBuffer(length) {
  const size = +length;
  if (NumberIsNaN(size)) throw invalidArgValue("size", size, "is invalid", BaseRangeError);
  return allocate(size);
}
SlowBuffer.prototype = { __proto__: Bytes.prototype };
setPrototypeOf(SlowBuffer, Bytes);

const compareBytes = (a, b) => {
  const left = typedArrayByteLength(a);
  const right = typedArrayByteLength(b);
  const length = MathMin(left, right);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
  return left === right ? 0 : left < right ? -1 : 1;
};

// ------------------------------------------------------------------------------------------------------------ numbers

/** Says what is wrong with an offset at which there are not as many bytes as are to be read or written. */
const checkBounds = (buffer, offset, size) => {
  const most = typedArrayByteLength(buffer) - size;
  if (offset >= 0 && offset <= most) return;
  if (most < 0) throw bufferOutOfBounds();
  throw outOfRange("offset", `>= 0 and <= ${most}`, offset);
};
const readOffset = (buffer, offset, size) => {
  offset ??= 0;
  validateInteger(offset, "offset", 0, typedArrayByteLength(buffer));
  checkBounds(buffer, offset, size);
  return offset;
};
const checkCount = (count) => {
  if (!isInteger(count)) throw outOfRange("byteLength", "an integer", count);
  if (count < 1 || count > 6) throw outOfRange("byteLength", ">= 1 and <= 6", count);
};
const readCounted = (buffer, offset, count, read, isSigned) => {
  if (offset === undefined) throw invalidArgType("offset", "of type number", offset);
  checkCount(count);
  if (typeof offset !== "number") throw invalidArgType("offset", "of type number", offset);
  if (!isInteger(offset)) throw outOfRange("offset", "an integer", offset);
  checkBounds(buffer, offset, count);
  const value = read(buffer, offset, count);
  return isSigned && value >= 2 ** (8 * count - 1) ? value - 2 ** (8 * count) : value;
};
const readLE = (buffer, offset, count) => {
  let value = 0;
  for (let i = count - 1; i >= 0; i--) value = value * 256 + buffer[offset + i];
  return value;
};
const readBE = (buffer, offset, count) => {
  let value = 0;
  for (let i = 0; i < count; i++) value = value * 256 + buffer[offset + i];
  return value;
};
const readBig = (buffer, offset, first, second) =>
  (BigIntConstructor(first(buffer, offset + (first === readLE ? 4 : 0), 4)) << 32n) +
  BigIntConstructor(second(buffer, offset + (first === readLE ? 0 : 4), 4));

const single = new Float32Array(1);
const double = new Float64Array(1);
const singleBytes = new Bytes(single.buffer);
const doubleBytes = new Bytes(double.buffer);
const readFloating = (buffer, offset, numbers, bytes, isLittle) => {
  const size = typedArrayByteLength(bytes);
  offset = readOffset(buffer, offset, size);
  for (let i = 0; i < size; i++) bytes[i] = buffer[isLittle ? offset + i : offset + size - 1 - i];
  return numbers[0];
};
const writeFloating = (buffer, value, offset, numbers, bytes, isLittle) => {
  const size = typedArrayByteLength(bytes);
  numbers[0] = value;
  offset = writeOffset(buffer, offset, size);
  for (let i = 0; i < size; i++) buffer[isLittle ? offset + i : offset + size - 1 - i] = bytes[i];
  return offset + size;
};

const writeOffset = (buffer, offset, size) => {
  offset ??= 0;
  if (typeof offset !== "number") throw invalidArgType("offset", "of type number", offset);
  if (!isInteger(offset)) throw outOfRange("offset", "an integer", offset);
  checkBounds(buffer, offset, size);
  return offset;
};
const checkValue = (value, size, isSigned) => {
  const min = isSigned ? -(2 ** (8 * size - 1)) : 0;
  const max = isSigned ? 2 ** (8 * size - 1) - 1 : 2 ** (8 * size) - 1;
  if (!(value > max || value < min)) return;
  let range;
  if (size <= 4) range = `>= ${min} and <= ${max}`;
  else range = isSigned ? `>= -(2 ** ${8 * size - 1}) and < 2 ** ${8 * size - 1}` : `>= 0 and < 2 ** ${8 * size}`;
  throw outOfRange("value", range, value);
};
const writeLE = (buffer, value, offset, size) => {
  // What is negative in two's complement, by dividing downwards.
  for (let i = 0; i < size; i++, value = floor(value / 256)) buffer[offset + i] = value - floor(value / 256) * 256;
};
const writeBE = (buffer, value, offset, size) => {
  for (let i = size - 1; i >= 0; i--, value = floor(value / 256)) buffer[offset + i] = value - floor(value / 256) * 256;
};
const writeNumber = (buffer, value, offset, size, isSigned, write) => {
  value = +value;
  if (typeof offset !== "number" && offset !== undefined && offset !== null) throw invalidArgType("offset", "of type number", offset);
  checkValue(value, size, isSigned);
  offset = writeOffset(buffer, offset, size);
  write(buffer, value !== value ? 0 : trunc(value), offset, size);
  return offset + size;
};
const writeCounted = (buffer, value, offset, count, isSigned, write) => {
  checkCount(count);
  if (typeof offset !== "number") throw invalidArgType("offset", "of type number", offset);
  return writeNumber(buffer, value, offset, count, isSigned, write);
};
const BIG_RANGES = {
  __proto__: null,
  signed: [-(1n << 63n), (1n << 63n) - 1n, ">= -(2n ** 63n) and < 2 ** 63n"],
  unsigned: [0n, (1n << 64n) - 1n, ">= 0n and < 2n ** 64n"],
};
const writeBig = (buffer, value, offset, range, isLittle) => {
  if (value > range[1] || value < range[0]) throw outOfRange("value", range[2], value);
  let bits = value & 0xffffffffffffffffn;
  offset = writeOffset(buffer, offset, 8);
  for (let i = 0; i < 8; i++, bits >>= 8n) buffer[isLittle ? offset + i : offset + 7 - i] = NumberOf(bits & 0xffn);
  return offset + 8;
};

// ------------------------------------------------------------------------------------------------------------ members

const illegalBytes = (method) =>
  new BaseTypeError(`Failed to execute '${method}' on 'BufferUtil': parameter 1 is not of type 'Uint8Array'.`);
const BYTES = "an instance of Buffer or Uint8Array";

const toIndex = (value, fallback) => {
  const index = +value;
  return index !== index ? fallback : trunc(index);
};
const slicePart = (buffer, start, end, how) => {
  const length = typedArrayByteLength(buffer);
  validateInteger(start, "start", 0, length);
  validateInteger(end, "end", 0, length);
  return how.decode(part(buffer, start, MathMax(start, end)));
};
const writePart = (buffer, text, offset, length, how) => {
  const size = typedArrayByteLength(buffer);
  offset ??= 0;
  length ??= size;
  validateInteger(offset, "offset", 0, size);
  validateInteger(length, "length", 0, size - offset);
  return put(buffer, text, offset, length, how);
};
/** Writes as many whole characters as there is room for; gives how many bytes that were. */
const put = (buffer, text, offset, room, how) => {
  const bytes = how.encode(`${text}`);
  const length = how.fits(bytes, MathMin(room, typedArrayByteLength(buffer) - offset));
  typedArraySet(buffer, part(bytes, 0, length), offset);
  return length;
};

/** Where bytes stand in others, in units of `step` bytes; -1 if they do not. */
const search = (bytes, needle, offset, isForward, step) => {
  const length = typedArrayByteLength(bytes);
  const size = typedArrayByteLength(needle);
  if (offset < 0) offset += length;
  if (offset < 0) {
    if (!isForward) return -1;
    offset = 0;
  }
  if (size === 0) return MathMin(offset, length);
  if (length < size) return -1;
  const last = length - size;
  if (isForward && offset > last) return -1;
  let at = MathMin(offset, last);
  if (step === 2) at -= at % 2;
  for (; at >= 0 && at <= last; at += isForward ? step : -step) {
    if (isForward && step === 1) {
      at = typedArrayIndexOf(bytes, needle[0], at);
      if (at < 0 || at > last) return -1;
    }
    let i = 0;
    while (i < size && bytes[at + i] === needle[i]) i++;
    if (i === size) return at;
  }
  return -1;
};
const indexOf = (buffer, value, offset, encoding, isForward) => {
  if (typeof offset === "string") {
    encoding = offset;
    offset = undefined;
  } else if (offset > 0x7fffffff) offset = 0x7fffffff;
  else if (offset < -0x80000000) offset = -0x80000000;
  offset = +offset;
  if (offset !== offset) offset = isForward ? 0 : typedArrayByteLength(buffer);
  offset = trunc(offset);
  if (typeof value === "number") {
    const byte = value & 255;
    return isForward ? typedArrayIndexOf(buffer, byte, offset) : typedArrayLastIndexOf(buffer, byte, offset);
  }
  if (typeof value === "string") {
    const how = named(encoding);
    return search(buffer, how.encode(value), offset, isForward, how === ucs2 ? 2 : 1);
  }
  if (!isUint8Array(value)) {
    throw invalidArgType("value", "one of type number or string or an instance of Buffer or Uint8Array", value);
  }
  const how = typeof encoding === "string" ? find(encoding) : undefined;
  return search(buffer, value, offset, isForward, how === ucs2 ? 2 : 1);
};

const swap = (buffer, size) => {
  const length = typedArrayByteLength(buffer);
  if (length % size !== 0) throw invalidBufferSize(`${size * 8}-bits`);
  for (let i = 0; i < length; i += size) {
    for (let left = i, right = i + size - 1; left < right; left++, right--) {
      const byte = buffer[left];
      buffer[left] = buffer[right];
      buffer[right] = byte;
    }
  }
  return buffer;
};

const members = {
  __proto__: null,
  swap16() {
    return swap(this, 2);
  },
  swap32() {
    return swap(this, 4);
  },
  swap64() {
    return swap(this, 8);
  },
  toString(encoding, start, end) {
    if (!isUint8Array(this)) throw illegalBytes("toString");
    const length = typedArrayByteLength(this);
    start = start === undefined ? 0 : MathMax(toIndex(start, 0), 0);
    end = end === undefined ? length : MathMin(toIndex(end, 0), length);
    const how = named(encoding);
    return start >= end ? "" : how.decode(part(this, start, end));
  },
  equals(other) {
    if (!isUint8Array(this)) throw invalidArgType("a", BYTES, typeof this);
    if (!isUint8Array(other)) throw invalidArgType("b", BYTES, typeof other);
    return this === other || (typedArrayByteLength(this) === typedArrayByteLength(other) && compareBytes(this, other) === 0);
  },
  inspect(recurseTimes, context) {
    const length = typedArrayByteLength(this);
    const shown = MathMin(INSPECT_MAX_BYTES, length);
    let text = "";
    for (let i = 0; i < shown; i++) text += (i === 0 ? "" : " ") + pairs[this[i]];
    if (length > shown) text += ` ... ${length - shown} more byte${length - shown > 1 ? "s" : ""}`;
    const keys = native.getOwnNonIndexProperties(this);
    let has = false;
    const extras = { __proto__: null };
    for (let i = 0; i < keys.length; i++) {
      if (propertyIsEnumerable(this, keys[i])) {
        has = true;
        extras[keys[i]] = this[keys[i]];
      }
    }
    if (has) {
      if (length !== 0) text += ", ";
      // Without the braces.
      const whole = inspect(extras, { depth: context?.depth });
      text += stringSlice(whole, "[Object: null prototype] { ".length, -2);
    }
    const { constructor } = this;
    return `<${(isObject(constructor) && constructor.name) || "Buffer"} ${text}>`;
  },
  compare(target, targetStart, targetEnd, sourceStart, sourceEnd) {
    if (!isUint8Array(target)) throw invalidArgType("target", BYTES, target);
    if (targetStart === undefined) targetStart = 0;
    else validateInteger(targetStart, "targetStart", 0, kMaxLength);
    if (targetEnd === undefined) targetEnd = typedArrayByteLength(target);
    else validateInteger(targetEnd, "targetEnd", 0, typedArrayByteLength(target));
    if (sourceStart === undefined) sourceStart = 0;
    else validateInteger(sourceStart, "sourceStart", 0, kMaxLength);
    if (sourceEnd === undefined) sourceEnd = typedArrayByteLength(this);
    else validateInteger(sourceEnd, "sourceEnd", 0, typedArrayByteLength(this));
    if (sourceStart >= sourceEnd) return targetStart >= targetEnd ? 0 : -1;
    if (targetStart >= targetEnd) return 1;
    return compareBytes(part(this, sourceStart, sourceEnd), part(target, targetStart, targetEnd));
  },
  includes(value, byteOffset, encoding) {
    return indexOf(this, value, byteOffset, encoding, true) !== -1;
  },
  indexOf(value, byteOffset, encoding) {
    return indexOf(this, value, byteOffset, encoding, true);
  },
  lastIndexOf(value, byteOffset, encoding) {
    return indexOf(this, value, byteOffset, encoding, false);
  },
  asciiSlice(start, end) {
    return slicePart(this, start, end, ascii);
  },
  base64Slice(start, end) {
    return slicePart(this, start, end, base64);
  },
  base64urlSlice(start, end) {
    return slicePart(this, start, end, base64url);
  },
  hexSlice(start, end) {
    return slicePart(this, start, end, hex);
  },
  latin1Slice(start, end) {
    return slicePart(this, start, end, latin1);
  },
  ucs2Slice(start, end) {
    return slicePart(this, start, end, ucs2);
  },
  utf8Slice(start, end) {
    return slicePart(this, start, end, utf8);
  },
  asciiWrite(string, offset, length) {
    return writePart(this, string, offset, length, ascii);
  },
  base64Write(string, offset, length) {
    return writePart(this, string, offset, length, base64);
  },
  base64urlWrite(string, offset, length) {
    return writePart(this, string, offset, length, base64url);
  },
  hexWrite(string, offset, length) {
    return writePart(this, string, offset, length, hex);
  },
  latin1Write(string, offset, length) {
    return writePart(this, string, offset, length, latin1);
  },
  ucs2Write(string, offset, length) {
    return writePart(this, string, offset, length, ucs2);
  },
  utf8Write(string, offset, length) {
    return writePart(this, string, offset, length, utf8);
  },
  write(string, offset, length, encoding) {
    const size = typedArrayByteLength(this);
    if (typeof offset === "string") {
      encoding = offset;
      offset = undefined;
      length = undefined;
    } else if (typeof length === "string") {
      encoding = length;
      length = undefined;
    }
    if (offset === undefined) offset = 0;
    else validateInteger(offset, "offset", 0, size);
    if (length === undefined) length = size - offset;
    else validateInteger(length, "length", 0, size);
    return put(this, string, offset, length, named(encoding));
  },
  toJSON() {
    const data = [];
    const length = typedArrayByteLength(this);
    for (let i = 0; i < length; i++) data[i] = this[i];
    return { type: "Buffer", data };
  },
  slice(start, end) {
    const length = typedArrayByteLength(this);
    const clamp = (value, fallback) => {
      if (value === undefined) return fallback;
      const index = toIndex(value, 0);
      return index < 0 ? MathMax(index + length, 0) : MathMin(index, length);
    };
    const from = clamp(start, 0);
    const to = clamp(end, length);
    return new FastBuffer(typedArrayBuffer(this), typedArrayByteOffset(this) + from, MathMax(to - from, 0));
  },
  readUIntLE(offset, byteLength) {
    return readCounted(this, offset, byteLength, readLE, false);
  },
  readUIntBE(offset, byteLength) {
    return readCounted(this, offset, byteLength, readBE, false);
  },
  readUInt8(offset = 0) {
    return this[readOffset(this, offset, 1)];
  },
  readUInt16BE(offset = 0) {
    return readBE(this, readOffset(this, offset, 2), 2);
  },
  readUInt16LE(offset = 0) {
    return readLE(this, readOffset(this, offset, 2), 2);
  },
  readUInt32LE(offset = 0) {
    return readLE(this, readOffset(this, offset, 4), 4);
  },
  readUInt32BE(offset = 0) {
    return readBE(this, readOffset(this, offset, 4), 4);
  },
  readBigUInt64LE(offset = 0) {
    return readBig(this, readOffset(this, offset, 8), readLE, readLE);
  },
  readBigUInt64BE(offset = 0) {
    return readBig(this, readOffset(this, offset, 8), readBE, readBE);
  },
  readIntLE(offset, byteLength) {
    return readCounted(this, offset, byteLength, readLE, true);
  },
  readIntBE(offset, byteLength) {
    return readCounted(this, offset, byteLength, readBE, true);
  },
  readInt8(offset = 0) {
    return (this[readOffset(this, offset, 1)] << 24) >> 24;
  },
  readInt16LE(offset = 0) {
    return (readLE(this, readOffset(this, offset, 2), 2) << 16) >> 16;
  },
  readInt16BE(offset = 0) {
    return (readBE(this, readOffset(this, offset, 2), 2) << 16) >> 16;
  },
  readInt32LE(offset = 0) {
    return readLE(this, readOffset(this, offset, 4), 4) | 0;
  },
  readInt32BE(offset = 0) {
    return readBE(this, readOffset(this, offset, 4), 4) | 0;
  },
  readBigInt64LE(offset = 0) {
    return asIntN(64, readBig(this, readOffset(this, offset, 8), readLE, readLE));
  },
  readBigInt64BE(offset = 0) {
    return asIntN(64, readBig(this, readOffset(this, offset, 8), readBE, readBE));
  },
  readFloatLE(offset = 0) {
    return readFloating(this, offset, single, singleBytes, true);
  },
  readFloatBE(offset = 0) {
    return readFloating(this, offset, single, singleBytes, false);
  },
  readDoubleLE(offset = 0) {
    return readFloating(this, offset, double, doubleBytes, true);
  },
  readDoubleBE(offset = 0) {
    return readFloating(this, offset, double, doubleBytes, false);
  },
  writeUIntLE(value, offset, byteLength) {
    return writeCounted(this, value, offset, byteLength, false, writeLE);
  },
  writeUIntBE(value, offset, byteLength) {
    return writeCounted(this, value, offset, byteLength, false, writeBE);
  },
  writeUInt8(value, offset = 0) {
    return writeNumber(this, value, offset, 1, false, writeLE);
  },
  writeUInt16LE(value, offset = 0) {
    return writeNumber(this, value, offset, 2, false, writeLE);
  },
  writeUInt16BE(value, offset = 0) {
    return writeNumber(this, value, offset, 2, false, writeBE);
  },
  writeUInt32LE(value, offset = 0) {
    return writeNumber(this, value, offset, 4, false, writeLE);
  },
  writeUInt32BE(value, offset = 0) {
    return writeNumber(this, value, offset, 4, false, writeBE);
  },
  writeBigUInt64LE(value, offset = 0) {
    return writeBig(this, value, offset, BIG_RANGES.unsigned, true);
  },
  writeBigUInt64BE(value, offset = 0) {
    return writeBig(this, value, offset, BIG_RANGES.unsigned, false);
  },
  writeIntLE(value, offset, byteLength) {
    return writeCounted(this, value, offset, byteLength, true, writeLE);
  },
  writeIntBE(value, offset, byteLength) {
    return writeCounted(this, value, offset, byteLength, true, writeBE);
  },
  writeInt8(value, offset = 0) {
    return writeNumber(this, value, offset, 1, true, writeLE);
  },
  writeInt16LE(value, offset = 0) {
    return writeNumber(this, value, offset, 2, true, writeLE);
  },
  writeInt16BE(value, offset = 0) {
    return writeNumber(this, value, offset, 2, true, writeBE);
  },
  writeInt32LE(value, offset = 0) {
    return writeNumber(this, value, offset, 4, true, writeLE);
  },
  writeInt32BE(value, offset = 0) {
    return writeNumber(this, value, offset, 4, true, writeBE);
  },
  writeBigInt64LE(value, offset = 0) {
    return writeBig(this, value, offset, BIG_RANGES.signed, true);
  },
  writeBigInt64BE(value, offset = 0) {
    return writeBig(this, value, offset, BIG_RANGES.signed, false);
  },
  writeFloatLE(value, offset) {
    return writeFloating(this, value, offset, single, singleBytes, true);
  },
  writeFloatBE(value, offset) {
    return writeFloating(this, value, offset, single, singleBytes, false);
  },
  writeDoubleLE(value, offset) {
    return writeFloating(this, value, offset, double, doubleBytes, true);
  },
  writeDoubleBE(value, offset) {
    return writeFloating(this, value, offset, double, doubleBytes, false);
  },
  copy(target, targetStart, sourceStart, sourceEnd) {
    if (!isUint8Array(target)) throw invalidArgType("target", BYTES, target);
    const length = typedArrayByteLength(this);
    const index = (value, fallback, name) => {
      if (value === undefined) return fallback;
      const at = toIndex(value, 0);
      if (at < 0) throw outOfRange(name, ">= 0", value);
      return at;
    };
    const to = index(targetStart, 0, "targetStart");
    const start = index(sourceStart, 0, "sourceStart");
    const end = MathMin(index(sourceEnd, length, "sourceEnd"), length);
    const count = MathMin(end - start, typedArrayByteLength(target) - to);
    if (!(count > 0)) return 0;
    typedArraySet(target, part(this, start, start + count), to);
    return count;
  },
  fill(value, offset, end, encoding) {
    const length = typedArrayByteLength(this);
    if (typeof offset === "string") {
      encoding = offset;
      offset = undefined;
      end = undefined;
    } else if (typeof end === "string") {
      encoding = end;
      end = undefined;
    }
    if (encoding !== undefined && (typeof encoding !== "string" || (encoding !== "" && find(encoding) === undefined))) {
      throw unknownEncoding(`${encoding}`);
    }
    offset = offset === undefined ? 0 : +offset;
    if (offset < 0 || offset > length) throw outOfRange("start", "0 to end", offset);
    end = end === undefined ? length : +end;
    if (end < 0 || end > length) throw outOfRange("end", `0 to ${length}`, end);
    return fillWith(this, value, trunc(offset), trunc(end), encoding);
  },
};
const { propertyIsEnumerable: isEnumerable } = Object.prototype;
const propertyIsEnumerable = uncurryThis(isEnumerable);
const stringSlice = uncurryThis(String.prototype.slice);
const { asIntN } = BigInt;

/** The other name that a member has, if it has one: `readUint8` of `readUInt8`. */
const aliasOf = (name) => {
  if (name === "toString") return "toLocaleString";
  for (let i = 0; i + 3 < name.length; i++) {
    if (name[i] === "U" && name[i + 1] === "I") return `${stringSlice(name, 0, i)}Ui${stringSlice(name, i + 2)}`;
  }
  return undefined;
};
const accessor = (name, get) => {
  defineProperty(prototype, name, {
    __proto__: null,
    get() {
      return isObject(this) && inherits(this) ? get(this) : undefined;
    },
    enumerable: true,
    configurable: true,
  });
};
accessor("parent", typedArrayBuffer);
accessor("offset", typedArrayByteOffset);
for (const name in members) {
  methods(prototype, { __proto__: null, [name]: members[name] });
  const alias = aliasOf(name);
  if (alias !== undefined) methods(prototype, { __proto__: null, [alias]: members[name] });
}
hide(prototype, Symbol("kIsBuffer"), true);
hide(prototype, Symbol.for("nodejs.util.inspect.custom"), members.inspect);

// ---------------------------------------------------------------------------------------------------- other functions

export function isAscii(value) {
  if (!isUint8Array(value)) throw illegalBytes("isAscii");
  const length = typedArrayByteLength(value);
  for (let i = 0; i < length; i++) if (value[i] > 127) return false;
  return true;
}

export function isUtf8(value) {
  if (!isUint8Array(value)) throw illegalBytes("isUtf8");
  // Whatever is wrong with it is replaced, and is not what it was.
  const again = encodeUtf8(decodeUtf8WithBom(value));
  return typedArrayByteLength(again) === typedArrayByteLength(value) && compareBytes(again, value) === 0;
}

/** The characters that a text has beyond what an encoding can say are question marks. */
const questioned = (text) => {
  const bytes = new Bytes(text.length);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const code = charCodeAt(text, i);
    if (code >= 0xd800 && code <= 0xdbff && i + 1 < text.length) {
      const next = charCodeAt(text, i + 1);
      if (next >= 0xdc00 && next <= 0xdfff) i++;
    }
    bytes[length++] = code > 255 ? 63 : code;
  }
  return part(bytes, 0, length);
};
const lone = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const regexpExec = uncurryThis(RegExp.prototype.exec);

export function transcode(source, fromEncoding, toEncoding) {
  if (!isView(source)) throw invalidArgType("source", "an instance of ArrayBufferView", typeof source);
  const from = named(fromEncoding);
  const to = named(toEncoding);
  const supported = (how) => how === utf8 || how === ucs2 || how === latin1 || how === ascii;
  if (!supported(from) || !supported(to)) {
    throw new ErrorConstructor("Unable to transcode buffer due to unsupported encoding");
  }
  const bytes = asBytes(source);
  if (from === ucs2 && typedArrayByteLength(bytes) % 2 !== 0) {
    throw new ErrorConstructor("UTF-16le input size should be multiple of 2");
  }
  const text = (from === ascii ? latin1 : from).decode(bytes);
  if (from === ucs2 && to === utf8 && regexpExec(lone, text) !== null) throw new ErrorConstructor("Expected UTF8 length mismatch");
  if (to === latin1 || to === ascii) return copyOf(questioned(text));
  return copyOf(to.encode(text));
}

export function resolveObjectURL(id) {
  throw new ErrorConstructor("resolveObjectURL is not implemented");
}

export const bigEndian = false;
export const compare = statics.compare;
export const isEncoding = statics.isEncoding;
export default {
  Buffer, constants, kMaxLength, kStringMaxLength, SlowBuffer, isAscii, isUtf8, INSPECT_MAX_BYTES, transcode, resolveObjectURL,
};
