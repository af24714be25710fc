// node:string_decoder: texts of bytes that come in parts, which may end within a character.
import { coded, invalidArgType, unknownEncoding } from "internal:node_errors";
import { Buffer } from "node-internal:internal_buffer";
import scripts from "native:scripts";

const { Bytes, defineProperty, isView, uncurryThis, viewBuffer, viewByteLength, viewByteOffset } = scripts.primordials;
const BaseTypeError = TypeError;
const { from } = Buffer;
const textOf = uncurryThis(Buffer.prototype.toString);
const toLowerCase = uncurryThis(String.prototype.toLowerCase);
const kNativeDecoder = Symbol("kNativeDecoder");

const encodings = {
  __proto__: null,
  utf8: "utf8", "utf-8": "utf8", utf16le: "utf16le", "utf-16le": "utf16le", ucs2: "utf16le", "ucs-2": "utf16le", latin1: "latin1",
  binary: "latin1", ascii: "ascii", hex: "hex", base64: "base64", base64url: "base64url",
};
const encodingOf = (given) => {
  if (given === undefined || given === null || given === "") return "utf8";
  const found = encodings[toLowerCase(`${given}`)];
  if (found === undefined) throw unknownEncoding(given);
  return found;
};

const string = (bytes, start, end, encoding) => textOf(from(viewBuffer(bytes), viewByteOffset(bytes) + start, end - start), encoding);

/** How many of the last bytes are to wait for how many more. */
const unfinished = (bytes, encoding) => {
  const { length } = bytes;
  const last = bytes[length - 1];
  if (encoding === "utf8") {
    // A character is no longer than four bytes.
    for (let count = 1; last >= 0x80 && count <= 4 && count <= length; count++) {
      const byte = bytes[length - count];
      if ((byte & 0xc0) === 0x80) continue;
      const total = (byte & 0xe0) === 0xc0 ? 2 : (byte & 0xf0) === 0xe0 ? 3 : (byte & 0xf8) === 0xf0 ? 4 : 0;
      return count < total ? { buffered: count, missing: total - count } : undefined;
    }
    return undefined;
  }
  if (encoding === "utf16le") {
    if (length % 2 === 1) return { buffered: 1, missing: 1 };
    // One of a pair.
    return (last & 0xfc) === 0xd8 ? { buffered: 2, missing: 2 } : undefined;
  }
  const rest = length % 3;
  return rest > 0 ? { buffered: rest, missing: 3 - rest } : undefined;
};

function StringDecoder(encoding = undefined) {
  const name = encodingOf(encoding);
  this[kNativeDecoder] = { bytes: new Bytes(4), buffered: 0, missing: 0 };
  this.encoding = name;
}
const stateOf = (decoder) => {
  const state = decoder[kNativeDecoder];
  if (state === undefined) throw coded(BaseTypeError, "ERR_INVALID_THIS", 'Value of "this" must be of type StringDecoder');
  return state;
};

const write = (state, given, encoding) => {
  let bytes = new Bytes(viewBuffer(given), viewByteOffset(given), viewByteLength(given));
  if (encoding === "latin1" || encoding === "ascii" || encoding === "hex") return string(bytes, 0, bytes.length, encoding);
  let text = "";
  if (state.missing > 0) {
    let taken = 0;
    while (taken < state.missing && taken < bytes.length) {
      if (encoding === "utf8" && (bytes[taken] & 0xc0) !== 0x80) {
        // What was begun is not gone on with.
        state.missing = taken;
        break;
      }
      state.bytes[state.buffered++] = bytes[taken++];
    }
    state.missing -= taken;
    if (state.missing === 0) {
      text = string(state.bytes, 0, state.buffered, encoding);
      state.buffered = 0;
    }
    bytes = new Bytes(viewBuffer(bytes), viewByteOffset(bytes) + taken, bytes.length - taken);
  }
  if (bytes.length === 0) return text;
  const found = unfinished(bytes, encoding);
  let end = bytes.length;
  if (found !== undefined) {
    state.buffered = found.buffered;
    state.missing = found.missing;
    end -= found.buffered;
    for (let i = 0; i < found.buffered; i++) state.bytes[i] = bytes[end + i];
  }
  return text + string(bytes, 0, end, encoding);
};

const members = {
  write(buf) {
    if (typeof buf === "string") return buf;
    if (!isView(buf)) {
      throw invalidArgType("buf", "of type string or an instance of Buffer, TypedArray, or DataView", buf);
    }
    return write(stateOf(this), buf, this.encoding);
  },
  end(buf) {
    const text = buf === undefined ? "" : this.write(buf);
    const state = stateOf(this);
    let { buffered } = state;
    if (this.encoding === "utf16le" && buffered % 2 === 1) buffered--;
    state.buffered = 0;
    state.missing = 0;
    return buffered === 0 ? text : text + string(state.bytes, 0, buffered, this.encoding);
  },
  text(buf, offset) {
    const state = stateOf(this);
    state.buffered = 0;
    state.missing = 0;
    return this.write(buf.slice(offset));
  },
};
for (const name in members) StringDecoder.prototype[name] = members[name];
const shown = {
  lastChar: (state) => from(state.bytes),
  lastNeed: (state) => state.missing,
  lastTotal: (state) => state.buffered + state.missing,
};
for (const name in shown) {
  defineProperty(StringDecoder.prototype, name, {
    __proto__: null,
    get() {
      return shown[name](stateOf(this));
    },
    enumerable: true,
  });
}

export { StringDecoder };
export default { StringDecoder };
