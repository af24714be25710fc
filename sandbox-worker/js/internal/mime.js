// MIMEType and MIMEParams of node:util: media types as the MIME Sniffing Standard parses and serializes them.
import scripts from "native:scripts";

const { inspect, primordials } = scripts;
const {
  constructorNotOfType, defineProperty, getPrototypeOf, illegalInvocation, isObject, notOfType, setPrototypeOf, toDOMString, uncurryThis,
} = primordials;
const BaseTypeError = TypeError;
const charCodeAt = uncurryThis(String.prototype.charCodeAt);
const slice = uncurryThis(String.prototype.slice);
const toLowerCase = uncurryThis(String.prototype.toLowerCase);
const exec = uncurryThis(RegExp.prototype.exec);
const MapConstructor = Map;
const { assign } = Object;
const custom = Symbol.for("nodejs.util.inspect.custom");

const token = /^[!#$%&'*+\-.^_`|~A-Za-z0-9]+$/;
/** As in the reference a backslash needs no quotes. */
const plain = /^[!#$%&'*+\-.^_`|~\\A-Za-z0-9]+$/;
const notText = /[\0-\x08\x0a-\x1f\x7f]/;
const isBlank = (code) => code === 32 || code === 9 || code === 10 || code === 13;
const trim = (text, fromStart) => {
  let start = 0;
  let end = text.length;
  while (fromStart && start < end && isBlank(charCodeAt(text, start))) start++;
  while (end > start && isBlank(charCodeAt(text, end - 1))) end--;
  return slice(text, start, end);
};
const upTo = (text, from, stop) => {
  let end = from;
  while (end < text.length && text[end] !== stop) end++;
  return end;
};

/** The parts of a media type; undefined if it is none. */
const parse = (given) => {
  const text = trim(given, true);
  const slash = upTo(text, 0, "/");
  const semicolon = upTo(text, slash, ";");
  const type = slice(text, 0, slash);
  const subtype = trim(slice(text, slash + 1, semicolon), false);
  if (exec(token, type) === null || slash >= text.length || exec(token, subtype) === null) return undefined;
  const params = [];
  for (let at = semicolon + 1; at < text.length; at++) {
    while (at < text.length && isBlank(charCodeAt(text, at))) at++;
    let end = at;
    while (end < text.length && text[end] !== ";" && text[end] !== "=") end++;
    const name = toLowerCase(slice(text, at, end));
    at = end;
    if (at >= text.length) break;
    if (text[at] === ";") continue;
    let value = "";
    at++;
    if (text[at] === '"') {
      for (at++; at < text.length && text[at] !== '"'; at++) {
        if (text[at] === "\\" && at + 1 < text.length) at++;
        value += text[at];
      }
      at = upTo(text, at, ";");
    } else {
      end = upTo(text, at, ";");
      value = trim(slice(text, at, end), false);
      at = end;
      if (value === "") continue;
    }
    if (exec(token, name) === null || exec(notText, value) !== null || indexOf(params, name) !== -1) continue;
    params[params.length] = { name, value };
  }
  return { type: toLowerCase(type), subtype: toLowerCase(subtype), params };
};
const indexOf = (params, name) => {
  for (let i = 0; i < params.length; i++) if (params[i].name === name) return i;
  return -1;
};

const serialize = (params) => {
  let text = "";
  for (let i = 0; i < params.length; i++) {
    const { name, value } = params[i];
    let shown = value;
    if (exec(plain, value) === null) {
      shown = '"';
      for (let j = 0; j < value.length; j++) shown += (value[j] === '"' || value[j] === "\\" ? "\\" : "") + value[j];
      shown += '"';
    }
    text += `${i === 0 ? "" : ";"}${name}=${shown}`;
  }
  return text;
};

// ---------------------------------------------------------------------------------------------------- iterators

const iteratorPrototype = getPrototypeOf(getPrototypeOf([][Symbol.iterator]()));
const iterator = (name, of) => {
  class Iterator {
    #params;
    #next = 0;

    constructor(params) {
      this.#params = params;
    }

    next() {
      if (this.#next >= this.#params.length) return { done: true, value: undefined };
      return { done: false, value: of(this.#params[this.#next++]) };
    }

    [Symbol.iterator]() {
      return this;
    }
  }
  setPrototypeOf(Iterator.prototype, iteratorPrototype);
  defineProperty(Iterator.prototype, Symbol.toStringTag, { __proto__: null, value: name, configurable: true });
  return Iterator;
};
const EntryIterator = iterator("EntryIterator", ({ name, value }) => [name, value]);
const KeyIterator = iterator("KeyIterator", ({ name }) => name);
const ValueIterator = iterator("ValueIterator", ({ value }) => value);

// ------------------------------------------------------------------------------------------------------ classes

let given;
export class MIMEParams {
  /** Of a media type. As in the reference, one that is made by itself holds nothing. */
  #params = given ?? [];
  #isOwn = given === undefined;

  static #of(value) {
    if (!isObject(value) || !(#params in value)) throw illegalInvocation();
  }

  static #text(args, index, method) {
    if (args.length < index) throw notOfType(method, "MIMEParams", index, "string");
    return toDOMString(args[index - 1]);
  }

  delete(...args) {
    MIMEParams.#of(this);
    const position = indexOf(this.#params, MIMEParams.#text(args, 1, "delete"));
    if (position === -1) return;
    for (let i = position; i + 1 < this.#params.length; i++) this.#params[i] = this.#params[i + 1];
    this.#params.length--;
  }

  get(...args) {
    MIMEParams.#of(this);
    const position = indexOf(this.#params, MIMEParams.#text(args, 1, "get"));
    return position === -1 ? null : this.#params[position].value;
  }

  has(...args) {
    MIMEParams.#of(this);
    return indexOf(this.#params, MIMEParams.#text(args, 1, "has")) !== -1;
  }

  set(...args) {
    MIMEParams.#of(this);
    const name = toLowerCase(MIMEParams.#text(args, 1, "set"));
    const value = MIMEParams.#text(args, 2, "set");
    if (this.#isOwn) return;
    if (exec(token, name) === null || exec(notText, value) !== null) throw new BaseTypeError("Not a valid MIME parameter");
    const position = indexOf(this.#params, name);
    if (position === -1) this.#params[this.#params.length] = { name, value };
    else this.#params[position].value = value;
  }

  entries() {
    MIMEParams.#of(this);
    return new EntryIterator(this.#params);
  }

  keys() {
    MIMEParams.#of(this);
    return new KeyIterator(this.#params);
  }

  values() {
    MIMEParams.#of(this);
    return new ValueIterator(this.#params);
  }

  toString() {
    MIMEParams.#of(this);
    return serialize(this.#params);
  }

  toJSON() {
    MIMEParams.#of(this);
    return serialize(this.#params);
  }

  [Symbol.iterator]() {
    MIMEParams.#of(this);
    return new EntryIterator(this.#params);
  }

  [custom](depth, options) {
    const map = new MapConstructor();
    for (let i = 0; i < this.#params.length; i++) mapSet(map, this.#params[i].name, this.#params[i].value);
    return `MIMEParams${slice(inspect(map, options), "Map".length)}`;
  }
}
const mapSet = uncurryThis(Map.prototype.set);

export class MIMEType {
  #type;
  #subtype;
  #params;
  #list;

  constructor(...args) {
    if (args.length === 0) throw constructorNotOfType("MIMEType", 1, "string");
    const text = toDOMString(args[0]);
    const parsed = parse(text);
    if (parsed === undefined) throw new BaseTypeError(`Not a valid MIME type: ${text}`);
    this.#type = parsed.type;
    this.#subtype = parsed.subtype;
    this.#list = parsed.params;
    given = parsed.params;
    this.#params = new MIMEParams();
    given = undefined;
  }

  get type() {
    MIMEType.#of(this);
    return this.#type;
  }

  set type(value) {
    MIMEType.#of(this);
    const text = toDOMString(value);
    if (exec(token, text) === null) throw new BaseTypeError("Not a valid MIME type");
    this.#type = toLowerCase(text);
  }

  get subtype() {
    MIMEType.#of(this);
    return this.#subtype;
  }

  set subtype(value) {
    MIMEType.#of(this);
    const text = toDOMString(value);
    if (exec(token, text) === null) throw new BaseTypeError("Not a valid MIME subtype");
    this.#subtype = toLowerCase(text);
  }

  get essence() {
    MIMEType.#of(this);
    return `${this.#type}/${this.#subtype}`;
  }

  get params() {
    MIMEType.#of(this);
    return this.#params;
  }

  toString() {
    MIMEType.#of(this);
    return this.#text();
  }

  toJSON() {
    MIMEType.#of(this);
    return this.#text();
  }

  [custom](depth, options) {
    return inspect(assign(new Shown(), { type: this.#type, subtype: this.#subtype, essence: this.essence, params: this.#params }), options);
  }

  #text() {
    const params = serialize(this.#list);
    return `${this.#type}/${this.#subtype}${params === "" ? "" : `;${params}`}`;
  }

  static #of(value) {
    if (!isObject(value) || !(#type in value)) throw illegalInvocation();
  }
}
/** What one is shown as. */
const { MIMEType: Shown } = { MIMEType: class {} };
for (const [Class, name] of [[MIMEParams, "MIMEParams"], [MIMEType, "MIMEType"]]) {
  defineProperty(Class.prototype, Symbol.toStringTag, { __proto__: null, value: name, writable: true, configurable: true });
  defineProperty(Class.prototype, custom, { __proto__: null, enumerable: false });
}
defineProperty(Shown, "name", { __proto__: null, value: "MIMEType" });
