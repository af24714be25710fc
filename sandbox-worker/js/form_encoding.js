// The two encodings of a FormData: RFC 7578 and URL Standard section 5.
(function (internal) {
  "use strict";
  const {
    Bytes, uncurryThis, typedArrayByteLength, typedArraySet, subarray, copyBytes, TypedArrayPrototype, replaceUnits,
  } = internal.primordials;
  const { blobBytes, blobType, normalizeType, makeFile, fileName, formOf } = internal;
  const { FormData } = internal.globals;
  const TypeErrorConstructor = TypeError;
  const RangeErrorConstructor = RangeError;
  const DateNow = Date.now;
  const stringSlice = uncurryThis(String.prototype.slice);
  const indexOfString = uncurryThis(String.prototype.indexOf);
  const toLowerCase = uncurryThis(String.prototype.toLowerCase);
  const bytesIndexOf = uncurryThis(TypedArrayPrototype.indexOf);
  const padStart = uncurryThis(String.prototype.padStart);
  const numberToString = uncurryThis(Number.prototype.toString);

  /** Fields that a parsed form may have: each costs objects far larger than its bytes. */
  const MAX_FORM_FIELDS = 65536;
  /** Bytes of header lines in one part of a multipart body. */
  const MAX_PART_HEADER_BYTES = 16 * 1024;

  // What a compatibility flag changes.
  let filesStayFiles = true;
  internal.atBind((flag) => {
    filesStayFiles = flag("formdata_parser_supports_files");
  });

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
        add(blobBytes(value));
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


  return { parseFormData, serializeFormData };
})
