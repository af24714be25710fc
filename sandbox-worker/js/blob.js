// Blob and File (File API), FormData (XMLHttpRequest Standard section 4) and its two encodings (RFC 7578, URL Standard section 5).
(function (internal) {
  "use strict";
  const {
    FunctionPrototypeApply, Bytes, PromiseResolve, PromiseReject, uncurryThis, getPrototypeOf, setPrototypeOf, bytesOf,
    typedArrayByteLength, typedArrayBuffer, typedArraySet, subarray, copyBytes, TypedArrayPrototype, illegalInvocation,
    isObject, notOfType, constructorNotOfType, toDOMString, toUSVString, toClampedInteger, shape, defineProperty,
    withoutObjectPrototype, replaceUnits, isView, viewBuffer, isArrayBuffer, arrayBufferResizable, adorn, carried,
  } = internal.primordials;
  const SymbolIterator = Symbol.iterator;
  const TypeErrorConstructor = TypeError;
  const RangeErrorConstructor = RangeError;
  const DateNow = Date.now;
  const ReflectConstruct = Reflect.construct;
  const charCodeAt = uncurryThis(String.prototype.charCodeAt);
  const stringSlice = uncurryThis(String.prototype.slice);
  const indexOfString = uncurryThis(String.prototype.indexOf);
  const toLowerCase = uncurryThis(String.prototype.toLowerCase);
  const bytesIndexOf = uncurryThis(TypedArrayPrototype.indexOf);
  const padStart = uncurryThis(String.prototype.padStart);
  const numberToString = uncurryThis(Number.prototype.toString);

  /** The reference's limit for one Blob. */
  const MAX_BLOB_BYTES = 128 * 1024 * 1024;
  /** Fields that a parsed form may have: each costs objects far larger than its bytes. */
  const MAX_FORM_FIELDS = 65536;
  /** Bytes of header lines in one part of a multipart body. */
  const MAX_PART_HEADER_BYTES = 16 * 1024;

  /** Line ends as a Blob's `endings: "native"` has them. */
  const nativeLineEnd = (code, next) => (code !== 13 ? undefined : next === 10 ? "" : "\n");
  const normalizeType = (type) => {
    for (let i = 0; i < type.length; i++) {
      const code = charCodeAt(type, i);
      if (code < 0x20 || code > 0x7e) return "";
    }
    return toLowerCase(type);
  };

  // What compatibility flags change.
  let filesStayFiles = true;
  let refusesResizable = false;
  let resultsHaveValue = true;
  internal.atBind((flag) => {
    filesStayFiles = flag("formdata_parser_supports_files");
    refusesResizable = flag("no_resizable_array_buffer_in_blob");
    resultsHaveValue = flag("enable_fast_jsg_struct");
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
      const bytes = bytesOfBlob(part) ?? bytesOf(part);
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

  let bytesOfBlob;
  let blobType;
  let makeBlob;
  // What a Blob of ours is made of, handed to the constructor outside its arguments.
  let pending;

  class Blob {
    #bytes = adorn(this);
    #type;
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
      bytesOfBlob = (value) => (isObject(value) && #bytes in value ? value.#bytes : undefined);
      blobType = (blob) => blob.#type;
      makeBlob = (bytes, type, Class = Blob) => {
        pending = { bytes, type };
        return ReflectConstruct(Blob, [], Class);
      };
    }
    get size() {
      if (!(#bytes in this)) throw illegalInvocation();
      return typedArrayByteLength(this.#bytes);
    }
    get type() {
      if (!(#bytes in this)) throw illegalInvocation();
      return this.#type;
    }
    slice(start = undefined, end = undefined, contentType = undefined) {
      if (!(#bytes in this)) throw illegalInvocation();
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
      return makeBlob(subarray(bytes, from, to > from ? to : from), type);
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
      if (!(#bytes in this)) throw illegalInvocation();
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
    const file = makeBlob(bytes, type, File);
    new FileState(file, name, lastModified);
    return file;
  };

  // -------------------------------------------------------------------------------------------------- FormData

  class Entry {
    constructor(name, value) {
      this.name = name;
      this.value = value;
      this.next = undefined;
    }
  }
  class FormState {
    constructor() {
      this.first = undefined;
      this.last = undefined;
      this.length = 0;
      this.removals = 0;
    }
    append(name, value) {
      const entry = new Entry(name, value);
      if (this.last === undefined) this.first = entry;
      else this.last.next = entry;
      this.last = entry;
      this.length++;
    }
    /** Removes the entries called `name` after `kept`. */
    remove(name, kept) {
      let before;
      for (let entry = this.first; entry !== undefined; entry = entry.next) {
        if (entry.name === name && entry !== kept) {
          if (before === undefined) this.first = entry.next;
          else before.next = entry.next;
          this.length--;
          this.removals++;
        } else {
          before = entry;
        }
      }
      this.last = before;
    }
    find(name) {
      let entry = this.first;
      while (entry !== undefined && entry.name !== name) entry = entry.next;
      return entry;
    }
  }
  /** Iterates by index over the live list, as the standard says; it follows the links while nothing was removed. */
  class Cursor {
    constructor(form) {
      this.form = form;
      this.index = 0;
      this.entry = undefined;
      this.removals = form.removals;
    }
    next() {
      const { form } = this;
      let entry;
      if (this.entry !== undefined && this.removals === form.removals) {
        entry = this.entry.next;
      } else {
        this.removals = form.removals;
        entry = form.first;
        for (let i = 0; i < this.index && entry !== undefined; i++) entry = entry.next;
      }
      if (entry === undefined) return undefined;
      this.index++;
      this.entry = entry;
      return entry;
    }
  }
  const convertValue = (name, value, filename, hasFilename) => {
    const bytes = bytesOfBlob(value);
    if (bytes === undefined) {
      // The standard refuses a file name beside a string; the reference ignores it.
      return toUSVString(value);
    }
    if (isFile(value)) {
      return hasFilename ? makeFile(bytes, blobType(value), toUSVString(filename), fileModified(value)) : value;
    }
    return makeFile(bytes, blobType(value), hasFilename ? toUSVString(filename) : name, DateNow());
  };

  let formOf;
  class FormData {
    #f = new FormState();
    constructor(form = undefined) {
      if (form !== undefined) {
        throw new TypeErrorConstructor("FormData cannot be constructed from a form element here.");
      }
    }
    static {
      formOf = (value) => (isObject(value) && #f in value ? value.#f : undefined);
    }
    append(name, value, filename = undefined) {
      if (!(#f in this)) throw illegalInvocation();
      if (arguments.length < 2) throw notOfType("append", "FormData", arguments.length + 1, "File or Blob or string");
      const key = toUSVString(name);
      this.#f.append(key, convertValue(key, value, filename, filename !== undefined));
    }
    delete(name) {
      if (!(#f in this)) throw illegalInvocation();
      if (arguments.length < 1) throw notOfType("delete", "FormData", 1, "string");
      this.#f.remove(toUSVString(name), undefined);
    }
    get(name) {
      if (!(#f in this)) throw illegalInvocation();
      if (arguments.length < 1) throw notOfType("get", "FormData", 1, "string");
      const entry = this.#f.find(toUSVString(name));
      return entry === undefined ? null : entry.value;
    }
    getAll(name) {
      if (!(#f in this)) throw illegalInvocation();
      if (arguments.length < 1) throw notOfType("getAll", "FormData", 1, "string");
      const key = toUSVString(name);
      const values = [];
      for (let entry = this.#f.first; entry !== undefined; entry = entry.next) {
        if (entry.name === key) {
          defineProperty(values, values.length, {
            __proto__: null, value: entry.value, writable: true, enumerable: true, configurable: true,
          });
        }
      }
      return values;
    }
    has(name) {
      if (!(#f in this)) throw illegalInvocation();
      if (arguments.length < 1) throw notOfType("has", "FormData", 1, "string");
      return this.#f.find(toUSVString(name)) !== undefined;
    }
    set(name, value, filename = undefined) {
      if (!(#f in this)) throw illegalInvocation();
      if (arguments.length < 2) throw notOfType("set", "FormData", arguments.length + 1, "string");
      const key = toUSVString(name);
      const converted = convertValue(key, value, filename, filename !== undefined);
      const entry = this.#f.find(key);
      if (entry === undefined) {
        this.#f.append(key, converted);
      } else {
        entry.value = converted;
        this.#f.remove(key, entry);
      }
    }
    entries() {
      if (!(#f in this)) throw illegalInvocation();
      return new FormIterator(this.#f, 0);
    }
    keys() {
      if (!(#f in this)) throw illegalInvocation();
      return new FormIterator(this.#f, 1);
    }
    values() {
      if (!(#f in this)) throw illegalInvocation();
      return new FormIterator(this.#f, 2);
    }
    forEach(callback, thisArg = undefined) {
      if (!(#f in this)) throw illegalInvocation();
      if (typeof callback !== "function") throw notOfType("forEach", "FormData", 1, "function");
      const cursor = new Cursor(this.#f);
      for (let entry; (entry = cursor.next()) !== undefined; ) {
        FunctionPrototypeApply(callback, thisArg, [entry.value, entry.name, this]);
      }
    }
  }
  shape(FormData, "FormData");
  defineProperty(FormData.prototype, SymbolIterator, {
    __proto__: null, value: FormData.prototype.entries, writable: true, configurable: true,
  });

  const IteratorPrototype = getPrototypeOf(getPrototypeOf([][SymbolIterator]()));
  class FormIterator {
    #cursor;
    #kind;
    constructor(form, kind) {
      this.#cursor = new Cursor(form);
      this.#kind = kind;
    }
    static {
      delete this.prototype.constructor;
    }
    next() {
      if (!(#cursor in this)) throw illegalInvocation();
      const entry = this.#cursor.next();
      if (entry === undefined) return resultsHaveValue ? { done: true, value: undefined } : { done: true };
      const value = this.#kind === 0 ? [entry.name, entry.value] : this.#kind === 1 ? entry.name : entry.value;
      return { done: false, value };
    }
  }
  setPrototypeOf(FormIterator.prototype, IteratorPrototype);
  shape(FormIterator, "FormData Iterator");

  // ------------------------------------------------------------------------------------------------- encodings

  const escapeName = (name) =>
    replaceUnits(name, (code) => (code === 34 ? "%22" : code === 13 ? "%0D" : code === 10 ? "%0A" : undefined));
  const normalizeNewlines = (text) =>
    replaceUnits(text, (code, next) => (code === 10 ? "\r\n" : code !== 13 ? undefined : next === 10 ? "" : "\r\n"));

  const newBoundary = () => {
    let boundary = "";
    for (let i = 0; i < 4; i++) {
      boundary += padStart(numberToString(internal.randomUint32(), 16), 8, "0");
    }
    return boundary;
  };

  /** multipart/form-data encoding (HTML section 4.10.21.8): `{ bytes, contentType }`. */
  const serializeFormData = (formData) => {
    const form = formOf(formData);
    if (form === undefined) throw new TypeErrorConstructor("The value is not a FormData.");
    const boundary = newBoundary();
    let first;
    let last;
    let size = 0;
    const add = (bytes) => {
      size += typedArrayByteLength(bytes);
      const node = { bytes, next: undefined };
      if (last === undefined) first = node;
      else last.next = node;
      last = node;
    };
    for (let entry = form.first; entry !== undefined; entry = entry.next) {
      let head = `--${boundary}\r\nContent-Disposition: form-data; name="${escapeName(normalizeNewlines(entry.name))}"`;
      const { value } = entry;
      if (typeof value === "string") {
        add(internal.encodeUtf8(`${head}\r\n\r\n${normalizeNewlines(value)}\r\n`));
      } else {
        head += `; filename="${escapeName(fileName(value))}"\r\nContent-Type: ${blobType(value) || "application/octet-stream"}\r\n\r\n`;
        add(internal.encodeUtf8(head));
        add(bytesOfBlob(value));
        add(internal.encodeUtf8("\r\n"));
      }
    }
    add(internal.encodeUtf8(`--${boundary}--`));
    const bytes = new Bytes(size);
    let offset = 0;
    for (let node = first; node !== undefined; node = node.next) {
      typedArraySet(bytes, node.bytes, offset);
      offset += typedArrayByteLength(node.bytes);
    }
    return { __proto__: null, bytes, contentType: `multipart/form-data; boundary=${boundary}` };
  };

  /** Without the white space around it that a header may have: `trim` would take U+FEFF, too. */
  const trimSpace = (text) => {
    let start = 0;
    let end = text.length;
    while (start < end && (text[start] === " " || text[start] === "\t")) start++;
    while (end > start && (text[end - 1] === " " || text[end - 1] === "\t")) end--;
    return stringSlice(text, start, end);
  };
  /** Value of one parameter of a header such as Content-Type, or undefined. Quoted strings lose their quotes. */
  const parameter = (header, wanted) => {
    let i = indexOfString(header, ";");
    while (i !== -1 && i < header.length) {
      i++;
      while (i < header.length && (header[i] === " " || header[i] === "\t")) i++;
      const nameStart = i;
      while (i < header.length && header[i] !== "=" && header[i] !== ";") i++;
      const name = toLowerCase(trimSpace(stringSlice(header, nameStart, i)));
      let value = "";
      if (header[i] === "=") {
        i++;
        if (header[i] === '"') {
          i++;
          while (i < header.length && header[i] !== '"') {
            // RFC 7578 senders percent-encode quotes; a backslash only escapes a quote or itself.
            if (header[i] === "\\" && (header[i + 1] === '"' || header[i + 1] === "\\")) i++;
            value += header[i];
            i++;
          }
          while (i < header.length && header[i] !== ";") i++;
        } else {
          const valueStart = i;
          while (i < header.length && header[i] !== ";") i++;
          value = trimSpace(stringSlice(header, valueStart, i));
        }
      }
      if (name === wanted) return value;
      if (i >= header.length) return undefined;
    }
    return undefined;
  };
  const essence = (contentType) => {
    const end = indexOfString(contentType, ";");
    return toLowerCase(trimSpace(end === -1 ? contentType : stringSlice(contentType, 0, end)));
  };

  const indexOfBytes = (bytes, needle, from) => {
    const length = typedArrayByteLength(bytes);
    const size = typedArrayByteLength(needle);
    let at = from;
    for (;;) {
      at = bytesIndexOf(bytes, needle[0], at);
      if (at === -1 || at + size > length) return -1;
      let i = 1;
      while (i < size && bytes[at + i] === needle[i]) i++;
      if (i === size) return at;
      at++;
    }
  };
  const unescapeName = (name) => {
    let result = "";
    let copied = 0;
    for (let at = indexOfString(name, "%"); at !== -1; at = indexOfString(name, "%", at + 1)) {
      const digits = toLowerCase(stringSlice(name, at + 1, at + 3));
      const unescaped = digits === "22" ? '"' : digits === "0d" ? "\r" : digits === "0a" ? "\n" : undefined;
      if (unescaped === undefined) continue;
      result += stringSlice(name, copied, at) + unescaped;
      copied = at + 3;
    }
    return copied === 0 ? name : result + stringSlice(name, copied);
  };

  /**
   * multipart/form-data (RFC 7578). As in the reference, a line may end with LF alone, and what precedes the first
   * delimiter is passed over. Text keeps a U+FEFF that it begins with.
   */
  const parseMultipart = (bytes, boundary, formData) => {
    const form = formOf(formData);
    const error = (message) => new TypeErrorConstructor(message);
    const delimiter = internal.encodeUtf8(`--${boundary}`);
    const lineDelimiter = internal.encodeUtf8(`\n--${boundary}`);
    const length = typedArrayByteLength(bytes);
    let start = indexOfBytes(bytes, delimiter, 0);
    let at = start + typedArrayByteLength(delimiter);
    let missing = "No initial boundary string (or you have a truncated message).";
    for (;;) {
      if (start === -1 || at >= length) throw error(missing);
      if (bytes[at] === 45 && bytes[at + 1] === 45) return;
      if (bytes[at] === 13 && bytes[at + 1] === 10) at += 2;
      else if (bytes[at] === 10) at++;
      else throw error("Boundary string was not succeeded by CRLF, LF, or '--'.");
      let disposition;
      let type = "";
      const headersStart = at;
      for (;;) {
        let end = at;
        while (end < length && bytes[end] !== 10) {
          end++;
          if (end - headersStart > MAX_PART_HEADER_BYTES) throw error("The headers of a FormData part are too long.");
        }
        if (end >= length) throw error("No multipart message header termination found.");
        const lineEnd = end > at && bytes[end - 1] === 13 ? end - 1 : end;
        const line = internal.decodeUtf8WithBom(subarray(bytes, at, lineEnd));
        at = end + 1;
        if (line === "") break;
        const colon = indexOfString(line, ":");
        if (colon === -1) throw error("FormData part had invalid headers.");
        const header = toLowerCase(trimSpace(stringSlice(line, 0, colon)));
        const value = trimSpace(stringSlice(line, colon + 1));
        if (header === "content-disposition") disposition = value;
        else if (header === "content-type") type = value;
      }
      if (disposition === undefined) throw error("No valid Content-Disposition header found in FormData part.");
      const kind = essence(disposition);
      if (kind !== "form-data") {
        throw error(
          'Content-Disposition header for FormData part must have the value "form-data", possibly followed by ' +
            `parameters. Got: "${kind}"`,
        );
      }
      const name = parameter(disposition, "name");
      const filename = parameter(disposition, "filename");
      if (name === undefined) throw error("Content-Disposition header in FormData part is missing a name.");
      missing = "No subsequent boundary string after multipart message.";
      start = indexOfBytes(bytes, lineDelimiter, at);
      if (start === -1) throw error(missing);
      const data = subarray(bytes, at, start > at && bytes[start - 1] === 13 ? start - 1 : start);
      if (form.length >= MAX_FORM_FIELDS) throw new RangeErrorConstructor(`A form may have at most ${MAX_FORM_FIELDS} fields.`);
      // As in the reference, a file input that holds no file is text.
      if (filename === undefined || filename === "" || !filesStayFiles) {
        form.append(unescapeName(name), internal.decodeUtf8WithBom(data));
      } else {
        const mime = normalizeType(type);
        form.append(unescapeName(name), makeFile(copyBytes(data), mime, unescapeName(filename), DateNow()));
      }
      at = start + typedArrayByteLength(lineDelimiter);
    }
  };

  const hex = (code) => {
    if (code >= 48 && code <= 57) return code - 48;
    const lower = code | 32;
    return lower >= 97 && lower <= 102 ? lower - 87 : -1;
  };
  const decodeForm = (bytes, start, end) => {
    const out = new Bytes(end - start);
    let length = 0;
    for (let i = start; i < end; i++) {
      let byte = bytes[i];
      if (byte === 43) {
        byte = 32;
      } else if (byte === 37 && i + 2 < end) {
        const high = hex(bytes[i + 1]);
        const low = hex(bytes[i + 2]);
        if (high !== -1 && low !== -1) {
          byte = high * 16 + low;
          i += 2;
        }
      }
      out[length++] = byte;
    }
    return internal.decodeUtf8WithBom(subarray(out, 0, length));
  };
  const parseUrlEncoded = (bytes, formData) => {
    const form = formOf(formData);
    const length = typedArrayByteLength(bytes);
    let start = 0;
    while (start < length) {
      let end = bytesIndexOf(bytes, 38, start);
      if (end === -1) end = length;
      if (end > start) {
        let equals = bytesIndexOf(bytes, 61, start);
        if (equals === -1 || equals > end) equals = end;
        if (form.length >= MAX_FORM_FIELDS) throw new RangeErrorConstructor(`A form may have at most ${MAX_FORM_FIELDS} fields.`);
        form.append(decodeForm(bytes, start, equals), equals < end ? decodeForm(bytes, equals + 1, end) : "");
      }
      start = end + 1;
    }
  };

  /** A FormData of a body (Fetch "formData()"). Throws TypeErrors. */
  const parseFormData = (bytes, contentType) => {
    const type = contentType === null || contentType === undefined ? "" : contentType;
    const kind = essence(type);
    const formData = new FormData();
    if (kind === "multipart/form-data") {
      const boundary = parameter(type, "boundary");
      if (boundary === undefined || boundary === "") {
        throw new TypeErrorConstructor("No boundary string in Content-Type header. The multipart/form-data MIME type requires a boundary parameter, e.g. " +
            `'Content-Type: multipart/form-data; boundary="abcd"'. See RFC 7578, section 4.`,
        );
      }
      parseMultipart(bytes, boundary, formData);
      return formData;
    }
    if (kind === "application/x-www-form-urlencoded") {
      parseUrlEncoded(bytes, formData);
      return formData;
    }
    throw new TypeErrorConstructor(
      `Unrecognized Content-Type header value. FormData can only parse the following MIME types: ` +
        `multipart/form-data, application/x-www-form-urlencoded`,
    );
  };

  internal.globals.Blob = Blob;
  internal.globals.File = File;
  internal.globals.FormData = FormData;

  withoutObjectPrototype([
    Entry, FormState, Cursor,
  ]);

  return {
    parseFormData,
    serializeFormData,
    newBlob: makeBlob,
    isBlob: (value) => bytesOfBlob(value) !== undefined,
    isFormData: (value) => formOf(value) !== undefined,
    blobBytes: bytesOfBlob,
    blobType,
    forgetBlobs() {
      pending = undefined;
    },
  };
})
