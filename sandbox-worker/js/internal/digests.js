// Hashes and HMACs of node:crypto, of the digests that there are natively.
import { classed, coded, invalidArgType, outOfRange, unknownEncoding, validateString } from "internal:node_errors";
import { Buffer } from "node:buffer";
import { Transform } from "node:stream";
import { asBuffer } from "internal:stream_writable";
import scripts from "native:scripts";

const { DigestState, primordials } = scripts;
const {
  Bytes, ErrorConstructor, ReflectApply, defineProperty, isArrayBuffer, isSharedArrayBuffer, isView, setPrototypeOf, uncurryThis, viewBuffer,
  viewByteLength, viewByteOffset,
} = primordials;
const toUpperCase = uncurryThis(String.prototype.toUpperCase);
const bytesToString = uncurryThis(Buffer.prototype.toString);
const { alloc, from: bufferFrom, isEncoding } = Buffer;
const { isInteger } = Number;

/** By the names that programs know them by, in capitals: the native one's, its bytes, and those of a block. */
const known = { __proto__: null };
const digests = [["MD5", "MD5", 16, 64], ["SHA1", "SHA-1", 20, 64], ["SHA256", "SHA-256", 32, 64], ["SHA384", "SHA-384", 48, 128], ["SHA512", "SHA-512", 64, 128]];
for (let i = 0; i < digests.length; i++) {
  const { 0: name, 1: native, 2: size, 3: block } = digests[i];
  known[name] = known[`RSA-${name}`] = { native, size, block };
}
known["DSA-SHA"] = known["DSA-SHA1"] = known["ECDSA-WITH-SHA1"] = known.SHA1;
/** Those that the reference has beside them. */
const notYet = { __proto__: null, MD4: 1, "MD5-SHA1": 1, SHA224: 1, "SHA512-256": 1, "RSA-SHA224": 1 };

const find = (algorithm) => {
  const name = toUpperCase(algorithm);
  const found = known[name];
  if (found !== undefined) return found;
  if (notYet[name]) throw coded(ErrorConstructor, "ERR_METHOD_NOT_IMPLEMENTED", `The digest ${algorithm} of node:crypto is not implemented yet`);
  throw new ErrorConstructor("Digest method not supported");
};

const bytesOf = (data, encoding) => {
  if (typeof data === "string") return bufferFrom(data, encoding === undefined || encoding === "buffer" ? "utf8" : encoding);
  const bytes = asBuffer(data);
  if (bytes === undefined) throw invalidArgType("data", "of type string or an instance of Buffer, TypedArray, or DataView", data);
  return bytes;
};
const encoded = (bytes, encoding) => {
  if (encoding === undefined || encoding === "buffer") return bytes;
  return bytesToString(bytes, encoding);
};
const checkEncoding = (encoding) => {
  if (encoding !== undefined && encoding !== "buffer" && !isEncoding(encoding)) throw unknownEncoding(encoding);
};
const finalized = () => classed(ErrorConstructor, "ERR_CRYPTO_HASH_FINALIZED", "Digest already called");

const own = Symbol("state");
const keep = (object, value) => defineProperty(object, own, { __proto__: null, value });

export function Hash(algorithm, options) {
  if (!(this instanceof Hash)) return new Hash(algorithm, options);
  validateString(algorithm, "algorithm");
  const found = find(algorithm);
  const length = options?.outputLength;
  if (length !== undefined) {
    if (typeof length !== "number") throw invalidArgType("options.outputLength", "of type number", length);
    if (!isInteger(length)) throw outOfRange("options.outputLength", "an integer", length);
    if (length < 0 || length >= 4294967296) throw outOfRange("options.outputLength", ">= 0 && < 4294967296", length);
    if (length !== found.size) throw new ErrorConstructor("invalid digest size");
  }
  ReflectApply(Transform, this, [options]);
  keep(this, { algorithm, digest: new DigestState(found.native), isOver: false });
}
setPrototypeOf(Hash.prototype, Transform.prototype);
setPrototypeOf(Hash, Transform);

const streamMembers = {
  _transform(chunk, encoding, callback) {
    this.update(chunk, encoding);
    callback();
  },
  _flush(callback) {
    this.push(this.digest());
    callback();
  },
};
const hashMembers = {
  copy(options) {
    const state = this[own];
    if (state.isOver) throw finalized();
    const copy = new Hash(state.algorithm, options);
    copy[own].digest = state.digest.copy();
    return copy;
  },
  update(data, encoding) {
    const state = this[own];
    if (state.isOver) throw finalized();
    state.digest.update(bytesOf(data, encoding));
    return this;
  },
  digest(outputEncoding) {
    const state = this[own];
    if (state.isOver) throw finalized();
    checkEncoding(outputEncoding);
    state.isOver = true;
    return encoded(bufferFrom(state.digest.finish()), outputEncoding);
  },
};

const keyBytes = (key, encoding) => {
  if (typeof key === "string") return bufferFrom(key, encoding ?? "utf8");
  if (isView(key)) return new Bytes(viewBuffer(key), viewByteOffset(key), viewByteLength(key));
  if (isArrayBuffer(key) || isSharedArrayBuffer(key)) return bufferFrom(key);
  throw invalidArgType("key", "of type string or an instance of ArrayBuffer, Buffer, ArrayBufferView, KeyObject, or CryptoKey", key);
};

/** RFC 2104: a hash of the key with one mask and the message, and of the key with the other and that. */
export function Hmac(hmac, key, options) {
  if (!(this instanceof Hmac)) return new Hmac(hmac, key, options);
  validateString(hmac, "hmac");
  const given = keyBytes(key, options?.encoding);
  const { native, block } = find(hmac);
  ReflectApply(Transform, this, [options]);
  let short = given;
  if (given.length > block) {
    const digest = new DigestState(native);
    digest.update(given);
    short = new Bytes(digest.finish());
  }
  const masked = (mask) => {
    const bytes = new Bytes(block);
    for (let i = 0; i < block; i++) bytes[i] = (i < short.length ? short[i] : 0) ^ mask;
    const digest = new DigestState(native);
    digest.update(bytes);
    return digest;
  };
  keep(this, { inner: masked(0x36), outer: masked(0x5c), isOver: false });
}
setPrototypeOf(Hmac.prototype, Transform.prototype);
setPrototypeOf(Hmac, Transform);

const hmacMembers = {
  update(data, encoding) {
    const state = this[own];
    if (state.isOver) throw finalized();
    state.inner.update(bytesOf(data, encoding));
    return this;
  },
  digest(outputEncoding) {
    const state = this[own];
    checkEncoding(outputEncoding);
    // As in the reference, the second is empty.
    if (state.isOver) return encoded(alloc(0), outputEncoding);
    state.isOver = true;
    state.outer.update(new Bytes(state.inner.finish()));
    return encoded(bufferFrom(state.outer.finish()), outputEncoding);
  },
};
for (const name in streamMembers) Hash.prototype[name] = Hmac.prototype[name] = streamMembers[name];
for (const name in hashMembers) Hash.prototype[name] = hashMembers[name];
for (const name in hmacMembers) Hmac.prototype[name] = hmacMembers[name];

export function createHash(algorithm, options) {
  return new Hash(algorithm, options);
}
export function createHmac(hmac, key, options) {
  return new Hmac(hmac, key, options);
}
export function hash(algorithm, input, outputEncoding = "hex") {
  validateString(algorithm, "algorithm");
  const bytes = bytesOf(input);
  validateString(outputEncoding, "outputEncoding");
  checkEncoding(outputEncoding);
  const digest = new DigestState(find(algorithm).native);
  digest.update(bytes);
  return encoded(bufferFrom(digest.finish()), outputEncoding);
}
