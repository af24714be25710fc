// Blob and File (File API).
(function (internal) {
  "use strict";
  const {
    FunctionPrototypeApply, Bytes, PromiseResolve, PromiseReject, uncurryThis, bytesOf, typedArrayByteLength,
    typedArrayBuffer, typedArraySet, subarray, copyBytes, illegalInvocation, brand, isObject, constructorNotOfType,
    toDOMString, toUSVString, toClampedInteger, shape, replaceUnits, isView, viewBuffer, isArrayBuffer,
    arrayBufferResizable, adorn, carried,
  } = internal.primordials;
  const SymbolIterator = Symbol.iterator;
  const TypeErrorConstructor = TypeError;
  const RangeErrorConstructor = RangeError;
  const DateNow = Date.now;
  const ReflectConstruct = Reflect.construct;
  const charCodeAt = uncurryThis(String.prototype.charCodeAt);
  const toLowerCase = uncurryThis(String.prototype.toLowerCase);

  /** The reference's limit for one Blob. */
  const MAX_BLOB_BYTES = 128 * 1024 * 1024;

  /** Line ends as a Blob's `endings: "native"` has them. */
  const nativeLineEnd = (code, next) => (code !== 13 ? undefined : next === 10 ? "" : "\n");
  const normalizeType = (type) => {
    for (let i = 0; i < type.length; i++) {
      const code = charCodeAt(type, i);
      if (code < 0x20 || code > 0x7e) return "";
    }
    return toLowerCase(type);
  };

  // What a compatibility flag changes.
  let refusesResizable = false;
  internal.atBind((flag) => {
    refusesResizable = flag("no_resizable_array_buffer_in_blob");
  });
  const isResizable = (part) => {
    const buffer = isView(part) ? viewBuffer(part) : part;
    return isArrayBuffer(buffer) && arrayBufferResizable(buffer);
  };

  /** Converts a sequence of parts to a linked list of `{ bytes, text, next }`; a part that is no bytes is text. */
  const convertParts = (parts, className) => {
    if (parts === undefined) return undefined;
    if (!isObject(parts)) throw constructorNotOfType(className, 1, "Array");
    const method = parts[SymbolIterator];
    if (typeof method !== "function") throw constructorNotOfType(className, 1, "Array");
    const iterator = FunctionPrototypeApply(method, parts, []);
    const { next } = iterator;
    let first;
    let last;
    for (;;) {
      const result = FunctionPrototypeApply(next, iterator, []);
      if (!isObject(result)) throw new TypeErrorConstructor("The iterator's result is not an object.");
      if (result.done) return first;
      const part = result.value;
      const bytes = blobBytes(part) ?? bytesOf(part);
      if (refusesResizable && bytes !== undefined && isResizable(part)) {
        throw new TypeErrorConstructor("Cannot create a Blob with a resizable ArrayBuffer");
      }
      const node = { bytes, text: bytes === undefined ? toUSVString(part) : undefined, next: undefined };
      if (last === undefined) first = node;
      else last.next = node;
      last = node;
    }
  };
  /** The bytes of converted parts, one after the other. */
  const joinParts = (first, native) => {
    let size = 0;
    for (let node = first; node !== undefined; node = node.next) {
      node.bytes ??= internal.encodeUtf8(native ? replaceUnits(node.text, nativeLineEnd) : node.text);
      size += typedArrayByteLength(node.bytes);
      if (size > MAX_BLOB_BYTES) {
        throw new RangeErrorConstructor(`Blob size ${size} exceeds limit ${MAX_BLOB_BYTES}`);
      }
    }
    const data = new Bytes(size);
    let offset = 0;
    for (let node = first; node !== undefined; node = node.next) {
      typedArraySet(data, node.bytes, offset);
      offset += typedArrayByteLength(node.bytes);
    }
    return data;
  };

  let blobBytes;
  let blobType;
  let newBlob;
  // What a Blob of ours is made of, handed to the constructor outside its arguments.
  let pending;
  internal.atForget(() => {
    pending = undefined;
  });

  class Blob {
    #bytes = adorn(this);
    #type;
    static #check = brand((value) => #bytes in value);
    constructor(blobParts = undefined, options = undefined) {
      if (pending !== undefined) {
        this.#bytes = pending.bytes;
        this.#type = pending.type;
        pending = undefined;
        return;
      }
      // Web IDL converts arguments in their order; line ends wait for what the options say.
      const parts = convertParts(blobParts, "Blob");
      const { type, native } = blobOptions(options, "Blob", 2);
      this.#bytes = joinParts(parts, native);
      this.#type = type;
    }
    static {
      blobBytes = (value) => (isObject(value) && #bytes in value ? value.#bytes : undefined);
      blobType = (blob) => blob.#type;
      newBlob = (bytes, type, Class = Blob) => {
        pending = { bytes, type };
        return ReflectConstruct(Blob, [], Class);
      };
    }
    get size() {
      Blob.#check(this);
      return typedArrayByteLength(this.#bytes);
    }
    get type() {
      Blob.#check(this);
      return this.#type;
    }
    slice(start = undefined, end = undefined, contentType = undefined) {
      Blob.#check(this);
      const bytes = this.#bytes;
      const size = typedArrayByteLength(bytes);
      const clamp = (value, fallback) => {
        if (value === undefined) return fallback;
        const index = toClampedInteger(value);
        if (index < 0) return size + index < 0 ? 0 : size + index;
        return index > size ? size : index;
      };
      const from = clamp(start, 0);
      const to = clamp(end, size);
      const type = contentType === undefined ? "" : normalizeType(toDOMString(contentType));
      return newBlob(subarray(bytes, from, to > from ? to : from), type);
    }
    arrayBuffer() {
      if (!isObject(this) || !(#bytes in this)) return PromiseReject(illegalInvocation());
      return PromiseResolve(typedArrayBuffer(copyBytes(this.#bytes)));
    }
    bytes() {
      if (!isObject(this) || !(#bytes in this)) return PromiseReject(illegalInvocation());
      return PromiseResolve(copyBytes(this.#bytes));
    }
    text() {
      if (!isObject(this) || !(#bytes in this)) return PromiseReject(illegalInvocation());
      return PromiseResolve(internal.decodeUtf8(this.#bytes));
    }
    stream() {
      Blob.#check(this);
      return internal.fromBytes(this.#bytes);
    }
  }
  shape(Blob, "Blob");
  carried(Blob, ["size", "type"]);
  const blobOptions = (options, className, index) => {
    const result = { __proto__: null, type: "", native: false };
    if (options === undefined || options === null) return result;
    if (!isObject(options)) throw constructorNotOfType(className, index, "Options");
    const { endings } = options;
    if (endings !== undefined) {
      const value = toDOMString(endings);
      if (value !== "transparent" && value !== "native") {
        throw new TypeErrorConstructor(`"${value}" is not a valid value of the 'endings' option.`);
      }
      result.native = value === "native";
    }
    const { type } = options;
    if (type !== undefined) result.type = normalizeType(toDOMString(type));
    return result;
  };

  let isFile;
  let fileName;
  let fileModified;
  /**
   * What makes a Blob a File, put on it from outside: the constructor of File calls what scripts put in the place of the
   * class that it extends, and no script may run while a form is parsed.
   */
  class FileState extends (class {
    constructor(file) {
      return file;
    }
  }) {
    #name;
    #lastModified;
    constructor(file, name, lastModified) {
      super(file);
      this.#name = name;
      this.#lastModified = lastModified;
    }
    static {
      isFile = (value) => isObject(value) && #name in value;
      fileName = (file) => file.#name;
      fileModified = (file) => file.#lastModified;
    }
  }
  class File extends Blob {
    constructor(fileBits, fileName, options = undefined) {
      if (arguments.length < 2) throw constructorNotOfType("File", 2, "string");
      const parts = convertParts(fileBits, "File");
      const name = toUSVString(fileName);
      const { type, native } = blobOptions(options, "File", 3);
      const lastModified = options === undefined || options === null ? undefined : options.lastModified;
      const modified = lastModified === undefined ? DateNow() : toClampedInteger(lastModified);
      pending = { bytes: joinParts(parts, native), type };
      try {
        super();
      } finally {
        pending = undefined;
      }
      new FileState(this, name, modified);
    }
    get name() {
      if (!isFile(this)) throw illegalInvocation();
      return fileName(this);
    }
    get lastModified() {
      if (!isFile(this)) throw illegalInvocation();
      return fileModified(this);
    }
  }
  shape(File, "File", 2);
  carried(File, ["name", "lastModified"]);
  const makeFile = (bytes, type, name, lastModified) => {
    const file = newBlob(bytes, type, File);
    new FileState(file, name, lastModified);
    return file;
  };

  const isBlob = (value) => blobBytes(value) !== undefined;

  const { globals } = internal;
  globals.Blob = Blob;
  globals.File = File;

  return { Blob, newBlob, isBlob, blobBytes, blobType, normalizeType, makeFile, isFile, fileName, fileModified };
})
