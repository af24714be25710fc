// node:querystring.
import { encodeWith, isPlain } from "internal:percent";
import { Buffer } from "node-internal:internal_buffer";
import scripts from "native:scripts";

const { ArrayIsArray, Bytes, uncurryThis } = scripts.primordials;
const charCodeAt = uncurryThis(String.prototype.charCodeAt);
const slice = uncurryThis(String.prototype.slice);
const indexOf = uncurryThis(String.prototype.indexOf);
const { decodeURIComponent } = globalThis;
const { isFinite } = Number;
const { keys } = Object;
const from = Buffer.from;
const StringConstructor = String;
const textOf = uncurryThis(Buffer.prototype.toString);

const hexDigit = (code) => {
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
};
/** The bytes of a text, of which only the lowest of a unit's count, with what is escaped in it as what it stands for. */
function unescapeBuffer(s, decodeSpaces) {
  const text = `${s}`;
  const bytes = new Bytes(text.length);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    let byte = charCodeAt(text, i);
    if (byte === 43 && decodeSpaces) byte = 32;
    else if (byte === 37 && i + 2 < text.length) {
      const high = hexDigit(charCodeAt(text, i + 1));
      const low = hexDigit(charCodeAt(text, i + 2));
      if (high >= 0 && low >= 0) {
        byte = high * 16 + low;
        i += 2;
      }
    }
    bytes[length++] = byte;
  }
  return from(bytes.buffer, 0, length);
}

function unescape(s, decodeSpaces) {
  try {
    return decodeURIComponent(s);
  } catch {
    return textOf(unescapeBuffer(s, decodeSpaces));
  }
}

function escape(str) {
  let text = str;
  if (typeof text !== "string") text = typeof text === "object" ? StringConstructor(text) : text + "";
  return encodeWith(text, isPlain);
}

const primitiveText = (value) => {
  if (typeof value === "string") return value;
  if (typeof value === "number" && isFinite(value)) return `${value}`;
  if (typeof value === "bigint" || typeof value === "boolean") return `${value}`;
  return "";
};

function stringify(obj, sep, eq, options) {
  const separator = sep || "&";
  const equals = eq || "=";
  let encoder = escape;
  if (typeof options?.encodeURIComponent === "function") encoder = options.encodeURIComponent;
  if (obj === null || typeof obj !== "object") return "";
  const encoded = (value) => {
    const text = primitiveText(value);
    return text === "" ? "" : encoder(text);
  };
  let fields = "";
  const names = keys(obj);
  for (let i = 0; i < names.length; i++) {
    const value = obj[names[i]];
    const start = `${encoded(names[i])}${equals}`;
    if (!ArrayIsArray(value)) fields += `${fields === "" ? "" : separator}${start}${encoded(value)}`;
    else for (let j = 0; j < value.length; j++) fields += `${fields === "" ? "" : separator}${start}${encoded(value[j])}`;
  }
  return fields;
}

const withSpaces = (text, space) => {
  let result = "";
  for (let i = 0; i < text.length; i++) result += text[i] === "+" ? space : text[i];
  return result;
};

function parse(qs, sep, eq, options) {
  const parsed = { __proto__: null };
  if (typeof qs !== "string" || qs.length === 0) return parsed;
  const separator = sep ? `${sep}` : "&";
  const equals = eq ? `${eq}` : "=";
  let most = 1000;
  if (typeof options?.maxKeys === "number") most = options.maxKeys;
  let decoder = unescape;
  if (typeof options?.decodeURIComponent === "function") decoder = options.decodeURIComponent;
  const isOwn = decoder !== unescape;
  const decoded = (text) => {
    // A decoder of the caller's sees spaces as what it decodes.
    if (!isOwn && indexOf(text, "%") === -1) return withSpaces(text, " ");
    const given = withSpaces(text, isOwn ? "%20" : " ");
    try {
      return decoder(given);
    } catch {
      return unescape(given, true);
    }
  };
  let count = 0;
  for (let start = 0; start <= qs.length;) {
    let end = indexOf(qs, separator, start);
    if (end === -1) end = qs.length;
    const field = slice(qs, start, end);
    start = end + separator.length;
    if (most > 0 && count++ >= most) break;
    if (field === "") continue;
    const at = indexOf(field, equals);
    const key = decoded(at === -1 ? field : slice(field, 0, at));
    const value = at === -1 ? "" : decoded(slice(field, at + equals.length));
    const before = parsed[key];
    if (before === undefined) parsed[key] = value;
    else if (ArrayIsArray(before)) before[before.length] = value;
    else parsed[key] = [before, value];
  }
  return parsed;
}

export { parse as decode, stringify as encode, escape, parse, stringify, unescape, unescapeBuffer };
export default { decode: parse, encode: stringify, escape, parse, stringify, unescape, unescapeBuffer };
