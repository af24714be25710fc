// Text of a value for the console, laid out as Node.js does with its default options. Nothing of the value is trusted:
// getters are not called, proxies are not entered, and the amount of text is bounded.
(function (internal) {
  "use strict";
  const {
    uncurryThis, FunctionPrototypeApply, getPrototypeOf, setPrototypeOf, getOwnPropertyDescriptor, ownKeys, ArrayIsArray,
    isView, typedArrayTag, viewByteLength, viewByteOffset, viewBuffer, isArrayBuffer, isSharedArrayBuffer, Bytes,
    TypedArrayPrototype, getter, arrayBufferByteLength, isDetached, isObject,
    withoutObjectPrototype, replaceUnits,
  } = internal.primordials;
  const { native } = internal;

  /** Longest text of one formatted message, in UTF-16 units; the rest is cut with a mark. */
  const MAX_TEXT = 128 * 1024;
  const MAX_ITEMS = 100;
  const MAX_STRING = 10000;
  const BREAK_LENGTH = 80;
  const COMPACT = 3;

  const stringSlice = uncurryThis(String.prototype.slice);
  const charCodeAt = uncurryThis(String.prototype.charCodeAt);
  const indexOf = uncurryThis(String.prototype.indexOf);
  const startsWith = uncurryThis(String.prototype.startsWith);
  const endsWith = uncurryThis(String.prototype.endsWith);
  const padStart = uncurryThis(String.prototype.padStart);
  const padEnd = uncurryThis(String.prototype.padEnd);
  const repeat = uncurryThis(String.prototype.repeat);
  const regexpExec = uncurryThis(RegExp.prototype.exec);
  const regexpToString = uncurryThis(RegExp.prototype.toString);
  const numberToString = uncurryThis(Number.prototype.toString);
  const symbolToString = uncurryThis(Symbol.prototype.toString);
  const functionToString = uncurryThis(Function.prototype.toString);
  const dateToISOString = uncurryThis(Date.prototype.toISOString);
  const dateGetTime = uncurryThis(Date.prototype.getTime);
  const hasInstance = uncurryThis(Function.prototype[Symbol.hasInstance]);
  const propertyIsEnumerable = uncurryThis(Object.prototype.propertyIsEnumerable);
  const hasOwn = uncurryThis(Object.prototype.hasOwnProperty);
  const objectToString = uncurryThis(Object.prototype.toString);
  const errorToString = uncurryThis(Error.prototype.toString);
  const mapSize = getter(Map.prototype, "size");
  const mapForEach = uncurryThis(Map.prototype.forEach);
  const setSize = getter(Set.prototype, "size");
  const setForEach = uncurryThis(Set.prototype.forEach);
  const mapHas = uncurryThis(Map.prototype.has);
  const mapGet = uncurryThis(Map.prototype.get);
  const mapSet = uncurryThis(Map.prototype.set);
  const MapConstructor = Map;
  const weakMapHas = uncurryThis(WeakMap.prototype.has);
  const weakSetHas = uncurryThis(WeakSet.prototype.has);
  const promiseConstructor = Promise;
  const typedArrayLength = getter(TypedArrayPrototype, "length");
  const { valueOf: numberValueOf } = Number.prototype;
  const { valueOf: stringValueOf } = String.prototype;
  const { valueOf: booleanValueOf } = Boolean.prototype;
  const { valueOf: symbolValueOf } = Symbol.prototype;
  const { valueOf: bigintValueOf } = BigInt.prototype;
  const { sqrt, max: MathMax, min: MathMin, round, floor } = Math;
  const SymbolToStringTag = Symbol.toStringTag;
  const customInspect = Symbol.for("nodejs.util.inspect.custom");
  const errorPrototype = Error.prototype;
  const JSONstringify = JSON.stringify;
  const NumberParseInt = parseInt;
  const NumberParseFloat = parseFloat;
  const NumberConstructor = Number;

  /** An array without a prototype: no patched method or index setter is ever reached. */
  const newVec = () => {
    const array = [];
    setPrototypeOf(array, null);
    return array;
  };
  const join = (parts, separator) => {
    let text = "";
    for (let i = 0; i < parts.length; i++) text += i === 0 ? parts[i] : separator + parts[i];
    return text;
  };
  const brand = (test) => (value) => {
    try {
      test(value);
      return true;
    } catch {
      return false;
    }
  };
  const probe = {};
  // A brand check that fails throws, which is slow: it is only made for objects whose prototype chain suggests the brand.
  const kinds = new MapConstructor();
  for (const [Class, name] of [
    [Map, "Map"], [Set, "Set"], [Date, "Date"], [RegExp, "RegExp"], [WeakMap, "WeakMap"], [WeakSet, "WeakSet"],
    [ArrayBuffer, "ArrayBuffer"], [Number, "Number"], [String, "String"], [Boolean, "Boolean"], [Symbol, "Symbol"],
    [BigInt, "BigInt"],
  ]) {
    mapSet(kinds, Class.prototype, name);
  }
  const kindOf = (value) => {
    let object = value;
    for (let steps = 0; object !== null && steps < 1000; steps++) {
      if (steps > 0 && native.getProxyDetails(object) !== undefined) return undefined;
      const kind = mapGet(kinds, object);
      if (kind !== undefined) return kind;
      object = getPrototypeOf(object);
    }
    return undefined;
  };
  const regexpPrototype = RegExp.prototype;
  const isMap = brand(mapSize);
  const isSet = brand(setSize);
  const isDate = brand(dateGetTime);
  const isWeakMap = brand((value) => weakMapHas(value, probe));
  const isWeakSet = brand((value) => weakSetHas(value, probe));
  const isRegExp = brand(getter(RegExp.prototype, "source"));
  let isNativeError;
  internal.atStart(() => {
    if (typeof SharedArrayBuffer === "function") mapSet(kinds, SharedArrayBuffer.prototype, "SharedArrayBuffer");
    if (typeof Error.isError === "function") isNativeError = Error.isError;
  });
  // As in Node.js, whatever inherits from Error.prototype is one, too.
  const isError = (value) => {
    if (isNativeError === undefined ? objectTag(value) === "[object Error]" : isNativeError(value)) return true;
    for (let object = getPrototypeOf(value), steps = 0; object !== null && steps < 1000; object = getPrototypeOf(object), steps++) {
      if (object === errorPrototype) return true;
      if (native.getProxyDetails(object) !== undefined) return false;
    }
    return internal.isDOMException(value);
  };
  /** Object.prototype.toString without the object's own say: "" when it has one. */
  const objectTag = (value) => {
    for (let object = value; object !== null; object = getPrototypeOf(object)) {
      if (getOwnPropertyDescriptor(object, SymbolToStringTag) !== undefined) return "";
    }
    return objectToString(value);
  };

  // ------------------------------------------------------------------------------------------------- strings

  const hexUpper = (code) =>
    replaceUnits(numberToString(code, 16), (digit) => (digit >= 97 ? "ABCDEF"[digit - 97] : undefined));
  const indentLines = (text, indentation) => {
    const line = `\n${repeat(" ", indentation)}`;
    return replaceUnits(text, (code) => (code === 10 ? line : undefined));
  };
  const meta = newVec();
  for (let i = 0; i < 160; i++) meta[i] = i < 32 || i > 126 ? `\\x${padStart(hexUpper(i), 2, "0")}` : "";
  meta[8] = "\\b";
  meta[9] = "\\t";
  meta[10] = "\\n";
  meta[12] = "\\f";
  meta[13] = "\\r";
  meta[39] = "\\'";
  meta[92] = "\\\\";

  const quote = (text) => {
    let mark = "'";
    if (indexOf(text, "'") !== -1) {
      if (indexOf(text, '"') === -1) mark = '"';
      else if (indexOf(text, "`") === -1 && indexOf(text, "${") === -1) mark = "`";
    }
    let result = "";
    let last = 0;
    for (let i = 0; i < text.length; i++) {
      const code = charCodeAt(text, i);
      let escaped = "";
      if (code < 160) {
        if (code === 39 && mark !== "'") continue;
        escaped = meta[code];
      } else if (code >= 0xd800 && code <= 0xdfff) {
        if (code <= 0xdbff && i + 1 < text.length) {
          const next = charCodeAt(text, i + 1);
          if (next >= 0xdc00 && next <= 0xdfff) {
            i++;
            continue;
          }
        }
        escaped = `\\u${numberToString(code, 16)}`;
      }
      if (escaped === "") continue;
      result += stringSlice(text, last, i) + escaped;
      last = i + 1;
    }
    return mark + result + stringSlice(text, last) + mark;
  };

  /** Columns that a text takes: wide characters two, combining marks none. */
  const widthOf = (text) => {
    let width = 0;
    for (let i = 0; i < text.length; i++) {
      let code = charCodeAt(text, i);
      if (code < 127) {
        width++;
        continue;
      }
      if (code >= 0xd800 && code <= 0xdbff && i + 1 < text.length) {
        code = (code - 0xd800) * 0x400 + (charCodeAt(text, ++i) - 0xdc00) + 0x10000;
      }
      if (
        (code >= 0x300 && code <= 0x36f) || (code >= 0x200b && code <= 0x200f) || (code >= 0x20d0 && code <= 0x20ff) ||
        (code >= 0xfe00 && code <= 0xfe0f) || (code >= 0xfe20 && code <= 0xfe2f) || (code >= 0x7f && code < 0xa0)
      ) {
        continue;
      }
      width +=
        (code >= 0x1100 && code <= 0x115f) || code === 0x2329 || code === 0x232a ||
        (code >= 0x2e80 && code <= 0x3247 && code !== 0x303f) || (code >= 0x3250 && code <= 0x4dbf) ||
        (code >= 0x4e00 && code <= 0xa4c6) || (code >= 0xa960 && code <= 0xa97c) || (code >= 0xac00 && code <= 0xd7a3) ||
        (code >= 0xf900 && code <= 0xfaff) || (code >= 0xfe10 && code <= 0xfe19) || (code >= 0xfe30 && code <= 0xfe6b) ||
        (code >= 0xff01 && code <= 0xff60) || (code >= 0xffe0 && code <= 0xffe6) || (code >= 0x1b000 && code <= 0x1b001) ||
        (code >= 0x1f200 && code <= 0x1f251) || (code >= 0x1f300 && code <= 0x1f64f) ||
        (code >= 0x1f900 && code <= 0x1f9ff) || (code >= 0x20000 && code <= 0x3fffd)
          ? 2
          : 1;
    }
    return width;
  };

  // -------------------------------------------------------------------------------------------------- context

  class Context {
    constructor(options) {
      this.depth = options.depth;
      this.showHidden = options.showHidden;
      // Complete, in order, and a line for each part of what is long, for who compares texts line by line.
      this.isWhole = options.isWhole === true;
      // What Node's `util.inspect` can be asked for; the console is not.
      const { more } = options;
      this.more = more;
      this.maxItems = more === undefined ? MAX_ITEMS : more.maxArrayLength;
      this.maxString = more === undefined ? MAX_STRING : more.maxStringLength;
      this.breakLength = more === undefined ? BREAK_LENGTH : more.breakLength;
      this.compact = more === undefined ? COMPACT : more.compact;
      this.indentation = 0;
      this.currentDepth = 0;
      this.seen = newVec();
      this.circular = undefined;
      this.budget = more === undefined ? MAX_TEXT : Infinity;
    }
  }
  const OBJECT = 0;
  const ARRAY = 1;
  const ARRAY_EXTRAS = 2;

  /** A text in the colour of what it is, where colours are asked for. */
  const paint = (context, text, style) => (context?.more?.paint === undefined ? text : context.more.paint(text, style));
  /** How long a text is without what colours it. */
  const plainLength = (context, text) => (context.more?.paint === undefined ? text.length : plainText(text).length);
  const plainText = (text) => {
    let plain = "";
    let from = 0;
    for (let start = indexOf(text, "\u001b["); start !== -1; start = indexOf(text, "\u001b[", from)) {
      plain += stringSlice(text, from, start);
      const end = indexOf(text, "m", start);
      from = end === -1 ? text.length : end + 1;
    }
    return plain + stringSlice(text, from);
  };

  const formatPrimitive = (context, value) => {
    if (typeof value === "string") {
      if (context.isWhole) return quote(value);
      let trailer = "";
      if (value.length > context.maxString) {
        const more = value.length - context.maxString;
        value = stringSlice(value, 0, context.maxString);
        trailer = `... ${more} more character${more > 1 ? "s" : ""}`;
      }
      const isLong = value.length > 16 && value.length > context.breakLength - context.indentation - 4;
      if (isLong && context.compact !== true && indexOf(value, "\n") !== -1) {
        const indent = ` +\n${repeat(" ", context.indentation + 2)}`;
        let text = "";
        let start = 0;
        while (start < value.length) {
          let end = indexOf(value, "\n", start) + 1;
          if (end === 0) end = value.length;
          text += (start === 0 ? "" : indent) + paint(context, quote(stringSlice(value, start, end)), "string");
          start = end;
        }
        return text + trailer;
      }
      return paint(context, quote(value), "string") + trailer;
    }
    const isGrouped = context?.more !== undefined && context.more.numericSeparator;
    if (typeof value === "number") {
      const text = value === 0 && 1 / value < 0 ? "-0" : numberToString(value);
      return paint(context, isGrouped ? groupNumber(text) : text, "number");
    }
    if (typeof value === "bigint") return paint(context, `${isGrouped ? groupNumber(`${value}`) : value}n`, "bigint");
    if (typeof value === "symbol") return paint(context, symbolToString(value), "symbol");
    return paint(context, `${value}`, value === null ? "null" : typeof value);
  };
  /** A number with its digits in groups of three, from the point in both directions. */
  const groupNumber = (text) => {
    const parts = regexpExec(/^(-?)(\d+)(\.(\d+))?$/, text);
    if (parts === null) return text;
    const whole = parts[2];
    let result = "";
    for (let i = 0; i < whole.length; i++) result += (i !== 0 && (whole.length - i) % 3 === 0 ? "_" : "") + whole[i];
    if (parts[4] !== undefined) {
      result += ".";
      for (let i = 0; i < parts[4].length; i++) result += (i !== 0 && i % 3 === 0 ? "_" : "") + parts[4][i];
    }
    return parts[1] + result;
  };

  const formatValue = (context, value, level, isTyped) => {
    if (!isObject(value)) {
      const text = formatPrimitive(context, value);
      context.budget -= text.length;
      return text;
    }
    const proxy = native.getProxyDetails(value);
    if (proxy !== undefined && proxy !== null) {
      if (proxy.target === null) return paint(context, "<Revoked Proxy>", "special");
      if (context.isWhole) return formatValue(context, proxy.target, level, isTyped);
      if (context.more !== undefined && !context.more.showProxy) return formatValue(context, proxy.target, level, isTyped);
      if (context.more?.showsHandlers) return formatProxy(context, proxy, level);
      if (level > context.depth) return "Proxy [Object]";
      return `Proxy(${formatValue(context, proxy.target, level, false)})`;
    }
    const isCustom = !context.isWhole && (context.more === undefined || context.more.customInspect);
    const custom = isCustom ? customOf(value) : undefined;
    if (custom !== undefined) {
      const depth = context.depth - level;
      const given = context.more === undefined ? [depth, { depth }, inspect] : context.more.given(depth, context);
      const result = FunctionPrototypeApply(custom, value, given);
      if (result !== value) {
        if (typeof result !== "string") return formatValue(context, result, level, false);
        return indentLines(result, context.indentation);
      }
    }
    const { seen } = context;
    for (let i = 0; i < seen.length; i++) {
      if (seen[i] !== value) continue;
      context.circular ??= new MapConstructor();
      let index = mapGet(context.circular, value);
      if (index === undefined) {
        index = mapSize(context.circular) + 1;
        mapSet(context.circular, value, index);
      }
      return paint(context, `[Circular *${index}]`, "special");
    }
    return formatRaw(context, value, level, isTyped);
  };
  /** A proxy as its target and its handler. */
  const formatProxy = (context, { target, handler }, level) => {
    if (level > context.depth) return paint(context, "Proxy [Array]", "special");
    const output = newVec();
    context.indentation += 2;
    output[0] = formatValue(context, target, level + 1, false);
    output[1] = formatValue(context, handler, level + 1, false);
    context.indentation -= 2;
    return layOut(context, output, "", "Proxy [", "]", ARRAY_EXTRAS, level + 1, output);
  };
  /** The value's own inspection function, if reading it runs no getter. */
  const customOf = (value) => {
    for (let object = value, steps = 0; object !== null && steps < 1000; object = getPrototypeOf(object), steps++) {
      if (native.getProxyDetails(object) !== undefined) return undefined;
      const descriptor = getOwnPropertyDescriptor(object, customInspect);
      if (descriptor !== undefined) return typeof descriptor.value === "function" ? descriptor.value : undefined;
    }
    return undefined;
  };

  const constructorName = (value) => {
    let object = value;
    let first;
    for (let steps = 0; object !== null && steps < 1000; steps++) {
      if (native.getProxyDetails(object) !== undefined) break;
      const descriptor = getOwnPropertyDescriptor(object, "constructor");
      if (descriptor !== undefined && typeof descriptor.value === "function") {
        const name = getOwnPropertyDescriptor(descriptor.value, "name");
        if (name !== undefined && typeof name.value === "string" && name.value !== "" && isInstance(value, descriptor.value)) {
          return name.value;
        }
      }
      object = getPrototypeOf(object);
      first ??= object;
    }
    if (first === null || first === undefined) return null;
    return `${native.getConstructorName(value)} <${formatBounded(first, -1, false)}>`;
  };
  const isInstance = (value, constructor) => {
    try {
      return hasInstance(constructor, value);
    } catch {
      return false;
    }
  };
  const prefix = (name, tag, fallback, size = "") => {
    if (name === null) {
      if (tag !== "" && fallback !== tag) return `[${fallback}${size}: null prototype] [${tag}] `;
      return `[${fallback}${size}: null prototype] `;
    }
    if (tag !== "" && name !== tag) return `${name}${size} [${tag}] `;
    return `${name}${size} `;
  };
  /** Symbol.toStringTag when it says more than the constructor's name. An enumerable one of its own is listed anyway. */
  const tagOf = (value, name) => {
    let tag = "";
    for (let object = value, steps = 0; object !== null && steps < 1000; object = getPrototypeOf(object), steps++) {
      if (native.getProxyDetails(object) !== undefined) return "";
      const descriptor = getOwnPropertyDescriptor(object, SymbolToStringTag);
      if (descriptor === undefined) continue;
      if (object === value && descriptor.enumerable) return "";
      let found = descriptor.value;
      if (descriptor.get !== undefined) {
        // A getter that a class defines is how scripts name their objects: the one getter that is called.
        try {
          found = FunctionPrototypeApply(descriptor.get, value, []);
        } catch {
          return "";
        }
      }
      if (typeof found === "string") tag = found;
      break;
    }
    return tag === name ? "" : tag;
  };

  const keysOf = (context, value) => {
    const all = isView(value) || ArrayIsArray(value) ? native.getOwnNonIndexProperties(value) : ownKeys(value);
    const keys = newVec();
    for (let i = 0; i < all.length; i++) {
      const key = all[i];
      if (context.showHidden || propertyIsEnumerable(value, key)) {
        keys[keys.length] = key;
      }
    }
    return keys;
  };

  const identifier = /^[a-zA-Z_][a-zA-Z_0-9]*$/;
  const formatProperty = (context, object, key, level, type, descriptor = getOwnPropertyDescriptor(object, key)) => {
    let text;
    if (descriptor === undefined) {
      text = paint(context, "undefined", "undefined");
    } else if ("value" in descriptor) {
      const indentation = context.isWhole && type === OBJECT ? 3 : 2;
      context.indentation += indentation;
      text = formatValue(context, descriptor.value, level, false);
      if (indentation === 3 && widthOf(text) > BREAK_LENGTH) text = `\n${repeat(" ", context.indentation)}${text}`;
      context.indentation -= indentation;
    } else if (descriptor.get !== undefined && (context.isWhole || callsGetter(context, descriptor))) {
      text = formatGetter(context, object, descriptor, level);
    } else if (descriptor.get !== undefined) {
      text = paint(context, descriptor.set !== undefined ? "[Getter/Setter]" : "[Getter]", "special");
    } else {
      text = descriptor.set !== undefined ? paint(context, "[Setter]", "special") : paint(context, "undefined", "undefined");
    }
    if (type === ARRAY_EXTRAS) return text;
    let name;
    if (typeof key === "symbol") {
      name = paint(context, symbolToString(key), "symbol");
      if (descriptor !== undefined && descriptor.enumerable === false) name = `[${name}]`;
    } else if (key === "__proto__") name = "['__proto__']";
    else if (descriptor !== undefined && descriptor.enumerable === false) name = `[${key}]`;
    else if (regexpExec(identifier, key) !== null) name = key;
    else name = paint(context, quote(key), "string");
    context.budget -= name.length + 2;
    return startsWith(text, "\n") ? `${name}:${text}` : `${name}: ${text}`;
  };

  const callsGetter = ({ more }, { set }) =>
    more !== undefined && (more.getters === true || (more.getters === "get" && set === undefined) || (more.getters === "set" && set !== undefined));
  const formatGetter = (context, object, descriptor, level) => {
    const label = descriptor.set !== undefined ? "Getter/Setter" : "Getter";
    let value;
    try {
      value = FunctionPrototypeApply(descriptor.get, object, []);
    } catch (error) {
      const message = isObject(error) ? error.message : undefined;
      return paint(context, `[${label}: <Inspection threw (${typeof message === "string" ? message : ""})>]`, "special");
    }
    context.indentation += 2;
    const text = formatValue(context, value, level, false);
    context.indentation -= 2;
    if (isObject(value)) return `${paint(context, `[${label}]`, "special")} ${text}`;
    return `${paint(context, `[${label}:`, "special")} ${text}${paint(context, "]", "special")}`;
  };

  const functionBase = (value, name, tag) => {
    const source = functionToString(value);
    const own = getOwnPropertyDescriptor(value, "name");
    const label = own !== undefined && typeof own.value === "string" ? own.value : "";
    const isInterface = mapHas(interfacePrototypes(), getOwnPropertyDescriptor(value, "prototype")?.value);
    if (!isInterface && startsWith(source, "class") && endsWith(source, "}")) {
      let text = `[class ${label === "" ? "(anonymous)" : label}`;
      if (name !== "Function" && name !== null) text += ` [${name}]`;
      if (tag !== "" && name !== tag) text += ` [${tag}]`;
      if (name !== null) {
        const parent = getPrototypeOf(value);
        const parentName = parent === null ? undefined : getOwnPropertyDescriptor(parent, "name")?.value;
        if (typeof parentName === "string" && parentName !== "") text += ` extends ${parentName}`;
      } else {
        text += " extends [null prototype]";
      }
      return `${text}]`;
    }
    let kind = "Function";
    const isAsync = startsWith(source, "async");
    const isGenerator = tag === "GeneratorFunction" || tag === "AsyncGeneratorFunction" || name === "GeneratorFunction" || name === "AsyncGeneratorFunction";
    if (isGenerator) kind = `Generator${kind}`;
    if (isAsync && (name === "AsyncFunction" || name === "AsyncGeneratorFunction" || tag !== "")) kind = `Async${kind}`;
    let text = `[${kind}`;
    if (name === null) text += " (null prototype)";
    text += label === "" ? " (anonymous)" : `: ${label}`;
    text += "]";
    if (name !== kind && name !== null) text += ` ${name}`;
    if (tag !== "" && name !== tag) text += ` [${tag}]`;
    return text;
  };

  const dataOf = (object, key) => {
    for (let o = object, steps = 0; o !== null && steps < 1000; o = getPrototypeOf(o), steps++) {
      const descriptor = getOwnPropertyDescriptor(o, key);
      if (descriptor !== undefined) return descriptor.value;
    }
    return undefined;
  };
  const removeKey = (keys, key) => {
    let found = false;
    for (let i = 0; i < keys.length; i++) {
      if (found) keys[i - 1] = keys[i];
      else if (keys[i] === key) found = true;
    }
    if (found) keys.length--;
  };
  /** The text that an error is shown by: its stack, or what stands for one that it does not have. */
  const stackText = (context, error, level) => {
    let stack;
    try {
      stack = error.stack;
    } catch {
      // A getter of the script's.
    }
    if (typeof stack === "string" && stack !== "") return stack;
    return stack ? formatValue(context, stack, level + 1, false) : safeErrorText(error);
  };
  /** Reading it runs nothing that making the first line of the stack did not run. */
  const nameOfError = (error) => {
    try {
      return error.name ?? "Error";
    } catch {
      return "Error";
    }
  };
  /**
   * `text` with the class in its first line, where that is an error's name which the class did not set: before it in
   * brackets, or in its place when the class's name contains it.
   */
  const nameClass = (text, error, className, tag) => {
    let name = nameOfError(error);
    const isText = typeof name === "string";
    if (typeof name === "number" || typeof name === "boolean" || typeof name === "bigint") name = `${name}`;
    if (typeof name !== "string") return text;
    let { length } = name;
    if (className !== null) {
      const next = text[length];
      const isFirst = startsWith(text, name) && (next === undefined || next === ":" || next === "\n");
      if (!isFirst || (isText && !endsWith(name, "Error"))) return text;
    } else {
      // Without a class there is no name either: what the text begins with stands for it.
      const first = regexpExec(/^([A-Z][a-z_ A-Z0-9[\]()-]+)(?::|\n\s+at)/, text) ?? regexpExec(/^([a-z_A-Z0-9-]*Error)$/, text);
      name = first === null ? "" : first[1];
      length = name.length;
    }
    const shown = stringSlice(prefix(className, tag, name === "" || className !== null ? "Error" : name), 0, -1);
    if (!isText) return `${name} [${shown}]${stringSlice(text, length)}`;
    if (shown === name) return text;
    if (indexOf(shown, name) === -1) return `${shown} [${name}]${stringSlice(text, length)}`;
    return length === 0 ? `${shown}: ${text}` : shown + stringSlice(text, length);
  };
  const formatError = (context, error, className, tag, keys, level) => {
    let text = context.isWhole ? safeErrorText(error) : stackText(context, error, level);
    if (!context.showHidden && keys.length !== 0) {
      for (let i = 0; i < errorKeys.length; i++) {
        const key = errorKeys[i];
        const own = getOwnPropertyDescriptor(error, key);
        if (own === undefined || own.enumerable === false) continue;
        if (typeof own.value !== "string" || indexOf(text, own.value) !== -1) removeKey(keys, key);
      }
    }
    if (hasOwn(error, "cause") && !includes(keys, "cause")) keys[keys.length] = "cause";
    if (hasOwn(error, "errors") && ArrayIsArray(getOwnPropertyDescriptor(error, "errors").value) && !includes(keys, "errors")) {
      keys[keys.length] = "errors";
    }
    text = nameClass(text, error, className, tag);
    const message = dataOf(error, "message");
    const from = typeof message === "string" && message !== "" ? indexOf(text, message) : -1;
    const frames = indexOf(text, "\n    at", from === -1 ? 0 : from + message.length);
    text = frames === -1 ? `[${text}]` : stringSlice(text, 0, frames) + ownFrames(error, stringSlice(text, frames));
    if (context.indentation !== 0) text = indentLines(text, context.indentation);
    return text;
  };

  /** Frames of which more than this many in a row are the cause's too are left to the cause, but for the outer two. */
  const SHARED_FRAMES = 3;
  const ownFrames = (error, text) => {
    const cause = hasOwn(error, "cause") ? getOwnPropertyDescriptor(error, "cause").value : undefined;
    if (!isObject(cause) || native.getProxyDetails(cause) !== undefined || !isError(cause)) return text;
    let stack;
    try {
      stack = cause.stack;
    } catch {
      return text;
    }
    const start = typeof stack === "string" ? indexOf(stack, "\n    at") : -1;
    if (start === -1) return text;
    const lines = linesOf(text);
    const others = linesOf(stringSlice(stack, start));
    for (let i = 0; i < lines.length - SHARED_FRAMES; i++) {
      let at = 0;
      while (at < others.length && others[at] !== lines[i]) at++;
      let shared = 0;
      while (i + shared < lines.length && at + shared < others.length && lines[i + shared] === others[at + shared]) shared++;
      if (shared <= SHARED_FRAMES) continue;
      const shown = newVec();
      for (let line = 0; line < lines.length; line++) {
        if (line === i + 1) shown[shown.length] = `    ... ${shared - 2} lines matching cause stack trace ...`;
        if (line <= i || line >= i + shared - 1) shown[shown.length] = lines[line];
      }
      return `\n${join(shown, "\n")}`;
    }
    return text;
  };
  /** The lines of a text that begins with the end of one; a script's own stack may have any number. */
  const MAX_LINES = 200;
  const linesOf = (text) => {
    const lines = newVec();
    let start = 1;
    while (lines.length < MAX_LINES - 1) {
      const end = indexOf(text, "\n", start);
      if (end === -1) break;
      lines[lines.length] = stringSlice(text, start, end);
      start = end + 1;
    }
    lines[lines.length] = stringSlice(text, start);
    return lines;
  };
  const errorKeys = newVec();
  errorKeys[0] = "name";
  errorKeys[1] = "message";
  errorKeys[2] = "stack";
  const includes = (items, item) => {
    for (let i = 0; i < items.length; i++) if (items[i] === item) return true;
    return false;
  };
  const safeErrorText = (error) => {
    try {
      return errorToString(error);
    } catch {
      return "Error";
    }
  };

  const moreItems = (count) => `... ${count} more item${count > 1 ? "s" : ""}`;
  const formatArray = (context, value, level) => {
    const output = newVec();
    const { length } = value;
    const limit = context.isWhole ? length : MathMin(context.maxItems, length);
    let index = 0;
    while (index < length && output.length < limit && context.budget > 0) {
      const descriptor = getOwnPropertyDescriptor(value, `${index}`);
      if (descriptor === undefined) {
        const keys = index + 100000 < length ? ownKeysAfter(value, index) : undefined;
        let end = index;
        if (keys !== undefined) end = keys;
        else while (end < length && !hasOwn(value, end)) end++;
        const count = end - index;
        output[output.length] = paint(context, `<${count} empty item${count > 1 ? "s" : ""}>`, "undefined");
        index = end;
      } else {
        output[output.length] = formatProperty(context, value, `${index}`, level, ARRAY_EXTRAS, descriptor);
        index++;
      }
    }
    if (index < length) output[output.length] = moreItems(length - index);
    return output;
  };
  /** The next index that exists, for arrays whose holes are too long to walk. */
  const ownKeysAfter = (array, index) => {
    const keys = ownKeys(array);
    for (let i = 0; i < keys.length; i++) {
      const at = typeof keys[i] === "string" ? NumberConstructor(keys[i]) : NaN;
      if (at > index && at < array.length) return at;
    }
    return array.length;
  };
  const formatTyped = (context, value) => {
    const output = newVec();
    const length = typedArrayLength(value);
    const limit = context.isWhole ? length : MathMin(context.maxItems, length);
    for (let i = 0; i < limit; i++) output[i] = formatPrimitive(context, value[i]);
    if (length > limit) output[output.length] = moreItems(length - limit);
    return output;
  };
  const formatSet = (context, value, level) => {
    const output = newVec();
    const size = setSize(value);
    context.indentation += 2;
    setForEach(value, (item) => {
      if ((output.length < context.maxItems || context.isWhole) && context.budget > 0) output[output.length] = formatValue(context, item, level, false);
    });
    context.indentation -= 2;
    if (output.length < size) output[output.length] = moreItems(size - output.length);
    return output;
  };
  const formatMap = (context, value, level) => {
    const output = newVec();
    const size = mapSize(value);
    context.indentation += 2;
    mapForEach(value, (item, key) => {
      if ((output.length < context.maxItems || context.isWhole) && context.budget > 0) {
        output[output.length] = `${formatValue(context, key, level, false)} => ${formatValue(context, item, level, false)}`;
      }
    });
    context.indentation -= 2;
    if (output.length < size) output[output.length] = moreItems(size - output.length);
    return output;
  };
  const formatArrayBuffer = (context, value) => {
    const output = newVec();
    if (!isSharedArrayBuffer(value) && isDetached(value)) {
      output[0] = "(detached)";
    } else {
      const bytes = new Bytes(value);
      const length = viewByteLength(bytes);
      let text = "";
      const limit = context.maxItems;
      for (let i = 0; i < length && i < limit; i++) text += (i === 0 ? "" : " ") + padStart(numberToString(bytes[i], 16), 2, "0");
      if (length > limit) text += ` ... ${length - limit} more byte${length - limit > 1 ? "s" : ""}`;
      output[0] = `${paint(context, "[Uint8Contents]", "special")}: <${text}>`;
    }
    const byteLength = isSharedArrayBuffer(value) ? viewByteLength(new Bytes(value)) : arrayBufferByteLength(value);
    output[1] = `byteLength: ${paint(context, `${byteLength}`, "number")}`;
    return output;
  };
  const formatPromise = (context, value, level) => {
    const output = newVec();
    const { state, result } = native.getPromiseDetails(value);
    if (state === 0) {
      output[0] = paint(context, "<pending>", "special");
    } else {
      context.indentation += 2;
      const text = formatValue(context, result, level, false);
      context.indentation -= 2;
      output[0] = state === 2 ? `${paint(context, "<rejected>", "special")} ${text}` : text;
    }
    return output;
  };
  const formatPreview = (context, preview, level) => {
    const output = newVec();
    const { entries, isKeyValue } = preview;
    context.indentation += 2;
    for (let i = 0; i < entries.length && output.length < context.maxItems; i += isKeyValue ? 2 : 1) {
      output[output.length] = isKeyValue
        ? `[ ${formatValue(context, entries[i], level, false)}, ${formatValue(context, entries[i + 1], level, false)} ]`
        : formatValue(context, entries[i], level, false);
    }
    context.indentation -= 2;
    return output;
  };

  // Our own interface objects show their attributes, which are accessors of the prototype.
  let interfaces;
  const interfacePrototypes = () => {
    if (interfaces === undefined) {
      interfaces = new MapConstructor();
      const names = ownKeys(internal.globals);
      for (let i = 0; i < names.length; i++) {
        const Class = internal.globals[names[i]];
        noteInterface(names[i], Class);
      }
      const { unnamedClasses } = internal;
      for (let i = 0; i < unnamedClasses.length; i++) noteInterface("", unnamedClasses[i]);
    }
    return interfaces;
  };
  // Those that are lists of pairs show these, too.
  const lists = new MapConstructor();
  const noteInterface = (name, Class) => {
    if (typeof Class !== "function" || !isObject(Class.prototype)) return;
    mapSet(interfaces, Class.prototype, true);
    if (name === "Headers" || name === "URLSearchParams" || name === "FormData") {
      mapSet(lists, Class.prototype, Class.prototype.forEach);
    }
  };
  /** Learns the interface objects that native code made; to be called before scripts can change them. */
  const noteInterfaces = (globals) => {
    interfacePrototypes();
    const names = ownKeys(globals);
    for (let i = 0; i < names.length; i++) noteInterface(names[i], getOwnPropertyDescriptor(globals, names[i]).value);
  };
  /** The pairs of a list, as a flat list of keys and values. */
  const pairsOf = (value) => {
    for (let object = getPrototypeOf(value), steps = 0; object !== null && steps < 100; object = getPrototypeOf(object), steps++) {
      const each = mapGet(lists, object);
      if (each === undefined) continue;
      const pairs = newVec();
      try {
        FunctionPrototypeApply(each, value, [(item, key) => {
          pairs[pairs.length] = key;
          pairs[pairs.length] = item;
        }]);
      } catch {
        // Something else that has the prototype.
        return undefined;
      }
      return pairs;
    }
    return undefined;
  };
  const formatPairs = (context, pairs, level) => {
    const output = newVec();
    context.indentation += 2;
    for (let i = 0; i < pairs.length && output.length < context.maxItems && context.budget > 0; i += 2) {
      output[output.length] = `${formatValue(context, pairs[i], level, false)} => ${formatValue(context, pairs[i + 1], level, false)}`;
    }
    context.indentation -= 2;
    if (output.length < pairs.length / 2) output[output.length] = moreItems(pairs.length / 2 - output.length);
    return output;
  };
  const attributesOf = (value) => {
    interfacePrototypes();
    let found;
    for (let object = getPrototypeOf(value), steps = 0; object !== null && steps < 100; object = getPrototypeOf(object), steps++) {
      if (!mapHas(interfaces, object)) continue;
      found ??= newVec();
      const keys = ownKeys(object);
      for (let i = 0; i < keys.length; i++) {
        const descriptor = getOwnPropertyDescriptor(object, keys[i]);
        if (descriptor.get !== undefined && descriptor.enumerable && typeof keys[i] === "string") {
          found[found.length] = { name: keys[i], get: descriptor.get };
        }
      }
    }
    return found;
  };
  const formatAttributes = (context, value, attributes, level) => {
    const output = newVec();
    for (let i = 0; i < attributes.length; i++) {
      const { name, get } = attributes[i];
      let result;
      try {
        result = FunctionPrototypeApply(get, value, []);
      } catch {
        continue;
      }
      if (typeof result === "function") continue;
      context.indentation += 2;
      output[output.length] = `${name}: ${formatValue(context, result, level, false)}`;
      context.indentation -= 2;
    }
    return output;
  };

  const formatRaw = (context, value, level, isTyped) => {
    const name = constructorName(value);
    const tag = tagOf(value, name);
    let keys = keysOf(context, value);
    let base = "";
    let open = "{";
    let close = "}";
    let format;
    let type = OBJECT;
    let attributes;
    let isImmutable = null;
    const kind = kindOf(value);
    if (ArrayIsArray(value)) {
      const shown = name !== "Array" || tag !== "" ? prefix(name, tag, "Array", `(${value.length})`) : "";
      open = `${shown}[`;
      close = "]";
      if (value.length === 0 && keys.length === 0) return `${open}]`;
      type = ARRAY_EXTRAS;
      format = () => formatArray(context, value, level + 1);
    } else if (typeof value === "function") {
      base = functionBase(value, name, tag);
      if (keys.length === 0) return charge(context, paint(context, base, "special"));
    } else if (isView(value) && typedArrayTag(value) !== undefined) {
      const fallback = typedArrayTag(value);
      open = `${prefix(name, tag === fallback ? "" : tag, fallback, `(${typedArrayLength(value)})`)}[`;
      close = "]";
      if (typedArrayLength(value) === 0 && keys.length === 0) return `${open}]`;
      type = ARRAY_EXTRAS;
      format = () => formatTyped(context, value);
    } else if (kind === "Set" && isSet(value)) {
      open = `${prefix(name, tag, "Set", `(${setSize(value)})`)}{`;
      if (setSize(value) === 0 && keys.length === 0) return `${open}}`;
      format = () => formatSet(context, value, level + 1);
    } else if (kind === "Map" && isMap(value)) {
      open = `${prefix(name, tag, "Map", `(${mapSize(value)})`)}{`;
      if (mapSize(value) === 0 && keys.length === 0) return `${open}}`;
      format = () => formatMap(context, value, level + 1);
    } else if (kind === "RegExp" && value !== regexpPrototype && isRegExp(value)) {
      base = regexpToString(value);
      const shown = prefix(name, tag, "RegExp");
      if (shown !== "RegExp ") base = shown + base;
      if (keys.length === 0) return charge(context, paint(context, base, "regexp"));
    } else if (kind === "Date" && isDate(value)) {
      const time = dateGetTime(value);
      base = time !== time ? "Invalid Date" : dateToISOString(value);
      const shown = prefix(name, tag, "Date");
      if (shown !== "Date ") base = shown + base;
      if (keys.length === 0) return charge(context, paint(context, base, "date"));
    } else if (isError(value)) {
      base = formatError(context, value, name, tag, keys, level);
      if (keys.length === 0) return charge(context, base);
    } else if (
      (kind === "ArrayBuffer" && isArrayBuffer(value)) ||
      (kind === "SharedArrayBuffer" && isSharedArrayBuffer(value))
    ) {
      open = `${prefix(name, tag, kind)}{`;
      format = () => formatArrayBuffer(context, value);
    } else if (isView(value)) {
      open = `${prefix(name, tag, "DataView")}{`;
      format = () => {
        const output = newVec();
        output[0] = `byteLength: ${paint(context, `${viewByteLength(value)}`, "number")}`;
        output[1] = `byteOffset: ${paint(context, `${viewByteOffset(value)}`, "number")}`;
        context.indentation += 2;
        output[2] = `buffer: ${formatValue(context, viewBuffer(value), level + 1, false)}`;
        context.indentation -= 2;
        return output;
      };
    } else if (native.getPromiseDetails !== undefined && isPromise(value)) {
      open = `${prefix(name, tag, "Promise")}{`;
      format = () => formatPromise(context, value, level + 1);
    } else if ((kind === "WeakSet" && isWeakSet(value)) || (kind === "WeakMap" && isWeakMap(value))) {
      open = `${prefix(name, tag, kind)}{`;
      format = () => single(paint(context, "<items unknown>", "special"));
    } else if (tag === "Map Iterator" || tag === "Set Iterator") {
      const preview = native.previewEntries(value);
      if (preview !== undefined && preview !== null) {
        open = `[${preview.isKeyValue ? stringSlice(tag, 0, 4) + "Entries" : tag}] {`;
        format = () => formatPreview(context, preview, level + 1);
      } else {
        open = `${prefix(name, tag, "Object")}{`;
      }
    } else {
      const boxed = kind === undefined ? undefined : boxedPrimitive(value, kind);
      if (boxed !== undefined) {
        if (kind === "String") {
          const kept = newVec();
          for (let i = 0; i < keys.length; i++) {
            const at = typeof keys[i] === "string" ? NumberConstructor(keys[i]) : NaN;
            if (!(at >= 0 && at < boxed.value.length)) kept[kept.length] = keys[i];
          }
          keys = kept;
        }
        base = `[${kind}`;
        if (kind !== name) base += name === null ? " (null prototype)" : ` (${name})`;
        const inner = formatPrimitive(context, boxed.value);
        base += `: ${context.more?.paint === undefined ? inner : plainText(inner)}]`;
        if (tag !== "" && tag !== name && tag !== kind) base += ` [${tag}]`;
        if (keys.length === 0) return charge(context, paint(context, base, boxedStyles[kind]));
      } else if (objectTag(value) === "[object Arguments]") {
        open = "[Arguments] {";
        if (keys.length === 0) return "[Arguments] {}";
      } else {
        const pairs = pairsOf(value);
        attributes = attributesOf(value);
        if (pairs !== undefined) {
          open = `${prefix(name, "", "Object", `(${pairs.length / 2})`)}{`;
          isImmutable = native.isImmutable(value);
          if (pairs.length === 0 && keys.length === 0 && isImmutable === null && level <= context.depth) return `${open}}`;
          format = () => formatPairs(context, pairs, level + 1);
        } else if (attributes !== undefined && attributes.length > 0) {
          open = `${prefix(name, "", "Object")}{`;
          format = () => formatAttributes(context, value, attributes, level + 1);
        } else if (name === "Object" && tag === "") {
          if (keys.length === 0) return "{}";
        } else {
          open = `${prefix(name, tag, "Object")}{`;
          if (keys.length === 0) return `${open}}`;
        }
      }
    }
    if (level > context.depth || context.budget <= 0) {
      const shown = prefix(name, tag, "Object");
      const label = stringSlice(shown, 0, shown.length - 1);
      return paint(context, name === null ? `[${label}]` : `[${ArrayIsArray(value) ? "Array" : label}]`, "special");
    }
    context.seen[context.seen.length] = value;
    context.currentDepth = level;
    const output = format === undefined ? newVec() : format();
    const items = output.length;
    for (let i = 0; i < keys.length && context.budget > 0; i++) {
      output[output.length] = formatProperty(context, value, keys[i], level + 1, type === ARRAY_EXTRAS ? ARRAY : OBJECT);
    }
    // The properties, or all of it where what is listed has no order of its own.
    if (context.isWhole) sortFrom(output, type === ARRAY_EXTRAS ? items : 0);
    else if (context.more?.sorted) context.more.sort(output, type === ARRAY_EXTRAS ? items : 0);
    if (isImmutable !== null) output[output.length] = `[immutable]: ${isImmutable}`;
    context.seen.length--;
    if (context.circular !== undefined) {
      const index = mapGet(context.circular, value);
      if (index !== undefined) {
        const reference = paint(context, `<ref *${index}>`, "special");
        if (base === "") open = `${reference} ${open}`;
        else base = `${reference} ${base}`;
      }
    }
    return layOut(context, output, base, open, close, type, level, value);
  };
  const sortFrom = (output, start) => {
    for (let i = start + 1; i < output.length; i++) {
      const text = output[i];
      let at = i;
      for (; at > start && output[at - 1] > text; at--) output[at] = output[at - 1];
      output[at] = text;
    }
  };
  const charge = (context, text) => {
    context.budget -= text.length;
    return text;
  };
  const single = (text) => {
    const output = newVec();
    output[0] = text;
    return output;
  };
  const isPromise = (value) => {
    // A promise's species lookup is the only other brand check, and scripts can see that one.
    for (let object = value, steps = 0; object !== null && steps < 1000; object = getPrototypeOf(object), steps++) {
      if (object === promiseConstructor.prototype) return value !== promiseConstructor.prototype;
    }
    return false;
  };
  const tryBoxed = (valueOf, value) => {
    try {
      return FunctionPrototypeApply(valueOf, value, []);
    } catch {
      return undefined;
    }
  };
  const boxedValueOf = {
    __proto__: null, Number: numberValueOf, String: stringValueOf, Boolean: booleanValueOf, BigInt: bigintValueOf,
    Symbol: symbolValueOf,
  };
  const boxedStyles = { __proto__: null, Number: "number", String: "string", Boolean: "boolean", BigInt: "bigint", Symbol: "symbol" };
  const boxedPrimitive = (value, kind) => {
    const valueOf = boxedValueOf[kind];
    if (valueOf === undefined) return undefined;
    const inner = tryBoxed(valueOf, value);
    return inner === undefined ? undefined : { value: inner };
  };

  // ------------------------------------------------------------------------------------------------- layout

  /** Puts short items of long arrays in columns. */
  const columnize = (context, output, value, hasMore) => {
    const count = hasMore ? output.length - 1 : output.length;
    const widths = newVec();
    let total = 0;
    let longest = 0;
    for (let i = 0; i < count; i++) {
      widths[i] = widthOf(context.more?.paint === undefined ? output[i] : plainText(output[i]));
      total += widths[i] + 2;
      if (widths[i] > longest) longest = widths[i];
    }
    const cell = longest + 2;
    if (!(cell * 3 + context.indentation < context.breakLength && (total / cell > 5 || longest <= 6))) return output;
    const bias = sqrt(cell - total / output.length);
    const biased = MathMax(cell - 3 - bias, 1);
    const columns = MathMin(
      round(sqrt(2.5 * biased * count) / biased),
      floor((context.breakLength - context.indentation) / cell),
      context.compact * 4,
      15,
    );
    if (columns <= 1) return output;
    const columnWidths = newVec();
    for (let i = 0; i < columns; i++) {
      let width = 0;
      for (let j = i; j < count; j += columns) if (widths[j] > width) width = widths[j];
      columnWidths[i] = width + 2;
    }
    let pad = padStart;
    for (let i = 0; i < count; i++) {
      if (typeof value[i] !== "number" && typeof value[i] !== "bigint") {
        pad = padEnd;
        break;
      }
    }
    const lines = newVec();
    for (let i = 0; i < count; i += columns) {
      const end = MathMin(i + columns, count);
      let line = "";
      let j = i;
      for (; j < end - 1; j++) {
        line += pad(`${output[j]}, `, columnWidths[j - i] + output[j].length - widths[j], " ");
      }
      line += pad === padStart ? padStart(output[j], columnWidths[j - i] + output[j].length - widths[j] - 2, " ") : output[j];
      lines[lines.length] = line;
    }
    if (hasMore) lines[lines.length] = output[count];
    return lines;
  };

  const layOut = (context, output, base, open, close, type, level, value) => {
    const before = output.length;
    const { compact } = context;
    if (type === ARRAY_EXTRAS && before > 6 && !context.isWhole && typeof compact === "number" && compact >= 1) {
      const length = ArrayIsArray(value) ? value.length : isView(value) ? typedArrayLength(value) : before;
      output = columnize(context, output, value, length > context.maxItems && before > context.maxItems);
    }
    if (context.isWhole) {
      let length = 2 * output.length;
      for (let i = 0; i < output.length && length <= BREAK_LENGTH; i++) length += output[i].length;
      const isShort = length <= BREAK_LENGTH && (base === "" || indexOf(base, "\n") === -1);
      if (isShort) return `${open}${base === "" ? "" : ` ${base}`} ${join(output, ", ")} ${close}`;
      const indent = `\n${repeat(" ", context.indentation)}`;
      const first = base === "" && open.length === 1 ? " " : `${base === "" ? "" : ` ${base}`}${indent}  `;
      return `${open}${first}${join(output, `,${indent}  `)} ${close}`;
    }
    const head = base === "" ? "" : `${base} `;
    if (compact === true) {
      let length = output.length + output.length;
      for (let i = 0; i < output.length && length <= context.breakLength; i++) length += plainLength(context, output[i]);
      const isShort = length <= context.breakLength && (base === "" || indexOf(base, "\n") === -1);
      if (isShort) return `${open}${base === "" ? "" : ` ${base}`} ${join(output, ", ")} ${close}`;
      const indent = `\n${repeat(" ", context.indentation)}`;
      const first = base === "" && open.length === 1 ? " " : `${base === "" ? "" : ` ${base}`}${indent}  `;
      return `${open}${first}${join(output, `,${indent}  `)} ${close}`;
    }
    if (context.currentDepth - level < compact && before === output.length) {
      // On one line if it fits and nothing in it is broken.
      let length = output.length + (output.length + context.indentation + open.length + base.length + 10);
      for (let i = 0; i < output.length && length <= context.breakLength; i++) length += plainLength(context, output[i]);
      if (length <= context.breakLength && (base === "" || indexOf(base, "\n") === -1)) {
        const joined = join(output, ", ");
        if (indexOf(joined, "\n") === -1) return output.length === 0 ? `${head}${open}${close}` : `${head}${open} ${joined} ${close}`;
      }
    }
    const indent = `\n${repeat(" ", context.indentation)}`;
    return `${head}${open}${indent}  ${join(output, `,${indent}  `)}${indent}${close}`;
  };

  // ------------------------------------------------------------------------------------------------- entry points

  const cutLong = (text) => (text.length > MAX_TEXT ? `${stringSlice(text, 0, MAX_TEXT)}... ${text.length - MAX_TEXT} more characters` : text);
  const formatBounded = (value, depth, showHidden) => {
    try {
      return formatValue(new Context({ depth, showHidden }), value, 0, false);
    } catch {
      return "[Object: inspection failed]";
    }
  };
  /** The text of one value. `options`: `depth` (levels, default 2), `showHidden`. */
  const inspect = (value, options = undefined) => {
    const depth = isObject(options) && options.depth !== undefined ? (options.depth === null ? Infinity : +options.depth) : 2;
    const showHidden = isObject(options) ? !!options.showHidden : false;
    return cutLong(formatBounded(value, depth, showHidden));
  };

  /** The text of a value as `util.inspect` is asked for it; `more` has every option, and what the console does without. */
  const inspectWith = (value, more) =>
    formatValue(new Context({ depth: more.depth, showHidden: more.showHidden, more }), value, 0, false);

  /** The whole text of a value, in lines and an order that do not depend on how it was made. */
  const inspectWhole = (value) => formatValue(new Context({ depth: 1000, showHidden: false, isWhole: true }), value, 0, false);

  const toText = (value, format = formatBounded) => {
    // %s: primitives as they are, objects without a toString of their own inspected flat.
    if (typeof value === "number") return formatPrimitive(undefined, value);
    if (typeof value === "bigint") return `${value}n`;
    if (!isObject(value)) return typeof value === "symbol" ? symbolToString(value) : `${value}`;
    if (typeof value === "function") return functionToString(value);
    if (hasScriptToString(value)) {
      try {
        return `${value}`;
      } catch {
        return format(value, 0, false);
      }
    }
    return format(value, 0, false);
  };
  const objectPrototype = Object.prototype;
  const hasScriptToString = (value) => {
    if (native.getProxyDetails(value) !== undefined) return false;
    for (let object = value, steps = 0; object !== null && steps < 1000; object = getPrototypeOf(object), steps++) {
      const own = getOwnPropertyDescriptor(object, "toString");
      if (own === undefined) continue;
      if (object === objectPrototype || object === errorPrototype) return false;
      if (typeof own.value !== "function") return false;
      // Built-in classes are inspected instead.
      const constructor = getOwnPropertyDescriptor(object, "constructor");
      if (constructor === undefined || typeof constructor.value !== "function") return true;
      return indexOf(functionToString(constructor.value), "[native code]") === -1;
    }
    return false;
  };
  const toJSONText = (value) => {
    try {
      return JSONstringify(value);
    } catch (error) {
      if (isObject(error) && typeof error.message === "string" && indexOf(error.message, "circular") !== -1) return "[Circular]";
      throw error;
    }
  };
  const toNumberText = (value, parse) => {
    if (typeof value === "bigint" && parse !== NumberParseFloat) return `${value}n`;
    if (typeof value === "symbol") return "NaN";
    if (parse === undefined) return isObject(value) ? "NaN" : formatPrimitive(undefined, NumberConstructor(value));
    if (parse === NumberParseInt && isObject(value)) return "NaN";
    return formatPrimitive(undefined, parse(typeof value === "bigint" ? `${value}` : value));
  };

  /** The text of the arguments of a console method: format specifiers of a leading string, then the rest. */
  const formatArguments = (args, format1 = formatBounded, cut = cutLong, toLong = MAX_TEXT) => {
    let text = "";
    let next = 0;
    const count = args.length;
    if (count > 0 && typeof args[0] === "string") {
      const format = args[0];
      next = 1;
      if (count === 1) return cut(format);
      let last = 0;
      for (let i = 0; i < format.length - 1; i++) {
        if (charCodeAt(format, i) !== 37) continue;
        const code = format[i + 1];
        if (code === "%") {
          text += stringSlice(format, last, i + 1);
          last = i + 2;
          i++;
          continue;
        }
        if (next === count) continue;
        let piece;
        switch (code) {
          case "s":
            piece = toText(args[next], format1);
            break;
          case "j":
            piece = `${toJSONText(args[next])}`;
            break;
          case "d":
            piece = toNumberText(args[next], undefined);
            break;
          case "i":
            piece = toNumberText(args[next], NumberParseInt);
            break;
          case "f":
            piece = toNumberText(args[next], NumberParseFloat);
            break;
          case "o":
            piece = format1(args[next], 4, true);
            break;
          case "O":
            piece = format1(args[next], 2, false);
            break;
          case "c":
            piece = "";
            break;
          default:
            continue;
        }
        text += stringSlice(format, last, i) + piece;
        next++;
        last = i + 2;
        i++;
      }
      text += stringSlice(format, last);
    }
    for (let i = next; i < count; i++) {
      if (text.length > toLong) break;
      const value = args[i];
      text += (i === 0 ? "" : " ") + (typeof value === "string" ? value : format1(value, 2, false));
    }
    return cut(text);
  };
  withoutObjectPrototype([
    Context,
  ]);

  return { formatArguments, noteInterfaces, inspect, inspectWith, inspectWhole, isError };
})
