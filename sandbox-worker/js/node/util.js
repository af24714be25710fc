// node:util. What the reference has and does not implement says so when it is called, as there.
import { isDeepStrictEqual as isEqual } from "internal:comparisons";
import { MIMEParams, MIMEType } from "internal:mime";
import { coded, hide, invalidArgType, invalidArgValue, notImplemented, outOfRange, validateBoolean, validateString } from "internal:node_errors";
import { messages, signals } from "internal:os_constants";
import { Buffer } from "node-internal:internal_buffer";
import types from "node:util/types";
import scripts from "native:scripts";

const { formatArguments, inspectWith } = scripts;
const {
  ArrayIsArray, ErrorConstructor, PromiseConstructor, ReflectApply, defineProperty, getOwnPropertyDescriptor, getPrototypeOf, isObject,
  ownKeys, setPrototypeOf, toUSVString: toWellFormed, uncurryThis,
} = scripts.primordials;
const BaseTypeError = TypeError;
const { getOwnPropertyDescriptors, defineProperties, keys, assign } = Object;
const then = uncurryThis(Promise.prototype.then);
const sort = uncurryThis(Array.prototype.sort);
const slice = uncurryThis(Array.prototype.slice);
const stringSlice = uncurryThis(String.prototype.slice);
const toUpperCase = uncurryThis(String.prototype.toUpperCase);
const padStart = uncurryThis(String.prototype.padStart);
const exec = uncurryThis(RegExp.prototype.exec);
const indexOf = uncurryThis(String.prototype.indexOf);
const trim = uncurryThis(String.prototype.trim);
const { bind } = Function.prototype;
const { captureStackTrace } = Error;
const { hasOwn } = Object;
const { trunc } = Math;
const { isInteger } = Number;
const MapConstructor = Map;
const mapSet = uncurryThis(Map.prototype.set);
const { TextDecoder, TextEncoder, AbortController, AbortSignal, console, queueMicrotask: microtask } = globalThis;
const addListener = uncurryThis(globalThis.EventTarget.prototype.addEventListener);

const requireFunction = (value, name) => {
  if (typeof value !== "function") throw invalidArgType(name, "of type function", value);
};

// ------------------------------------------------------------------------------------------------- inspect

const custom = Symbol.for("nodejs.util.inspect.custom");
const defaults = {
  showHidden: false, depth: 2, colors: false, customInspect: true, showProxy: false, maxArrayLength: 100, maxStringLength: 10000,
  breakLength: 80, compact: 3, sorted: false, getters: false, numericSeparator: false,
};
const optionNames = keys(defaults);

/** The options with what they leave out. */
const complete = (options) => {
  const all = { ...defaults };
  if (isObject(options)) {
    for (let i = 0; i < optionNames.length; i++) {
      const name = optionNames[i];
      if (options[name] !== undefined) all[name] = options[name];
    }
  }
  return all;
};

/** As the formatter takes them: without bounds that are none, and with what it asks back. */
const forFormatter = (options) => {
  const all = complete(options);
  const orInfinity = (value) => (value === null ? Infinity : value);
  all.depth = orInfinity(all.depth);
  all.maxArrayLength = orInfinity(all.maxArrayLength);
  all.maxStringLength = orInfinity(all.maxStringLength);
  all.showsHandlers = !!all.showProxy;
  all.showProxy = true;
  all.paint = all.colors ? colored : undefined;
  all.compact = all.compact === false ? 0 : all.compact;
  all.sort = (output, start) => {
    const compare = typeof all.sorted === "function" ? all.sorted : undefined;
    const sorted = sort(slice(assign([], output), start), compare);
    for (let i = 0; i < sorted.length; i++) output[start + i] = sorted[i];
  };
  all.given = (depth) => {
    const asked = { ...complete(options), depth };
    return [depth, { stylize: all.paint ?? ((text) => `${text}`), ...asked }, inspect];
  };
  return all;
};

/** A text in the colour that is set for what it is. */
const colored = (text, style) => {
  const name = inspect.styles[style];
  const code = name === undefined ? undefined : inspect.colors[name];
  return code === undefined ? `${text}` : `\u001b[${code[0]}m${text}\u001b[${code[1]}m`;
};

function inspect(value, options) {
  // Before there were options there were four arguments.
  let asked = options;
  if (typeof options === "boolean" || arguments.length > 2) {
    asked = { showHidden: options === undefined ? false : options };
    if (arguments[2] !== undefined) asked.depth = arguments[2];
    if (arguments[3] !== undefined) asked.colors = arguments[3];
  }
  return inspectWith(value, forFormatter(asked));
}
inspect.custom = custom;
defineProperty(inspect, "defaultOptions", {
  __proto__: null,
  get() {
    return defaults;
  },
  set(options) {
    if (options === null || typeof options !== "object") throw invalidArgType("options", "of type object", options);
    assign(defaults, options);
  },
  enumerable: true,
  configurable: true,
});
const codes = {
  reset: [0, 0], bold: [1, 22], dim: [2, 22], italic: [3, 23], underline: [4, 24], blink: [5, 25], inverse: [7, 27], hidden: [8, 28],
  strikethrough: [9, 29], doubleunderline: [21, 24], black: [30, 39], red: [31, 39], green: [32, 39], yellow: [33, 39], blue: [34, 39],
  magenta: [35, 39], cyan: [36, 39], white: [37, 39], bgBlack: [40, 49], bgRed: [41, 49], bgGreen: [42, 49], bgYellow: [43, 49],
  bgBlue: [44, 49], bgMagenta: [45, 49], bgCyan: [46, 49], bgWhite: [47, 49], framed: [51, 54], overlined: [53, 55], gray: [90, 39],
  redBright: [91, 39], greenBright: [92, 39], yellowBright: [93, 39], blueBright: [94, 39], magentaBright: [95, 39],
  cyanBright: [96, 39], whiteBright: [97, 39], bgGray: [100, 49], bgRedBright: [101, 49], bgGreenBright: [102, 49],
  bgYellowBright: [103, 49], bgBlueBright: [104, 49], bgMagentaBright: [105, 49], bgCyanBright: [106, 49], bgWhiteBright: [107, 49],
};
const aliases = [
  ["grey", "gray"], ["blackBright", "gray"], ["bgGrey", "bgGray"], ["bgBlackBright", "bgGray"], ["faint", "dim"],
  ["crossedout", "strikethrough"], ["strikeThrough", "strikethrough"], ["crossedOut", "strikethrough"], ["conceal", "hidden"],
  ["swapColors", "inverse"], ["swapcolors", "inverse"], ["doubleUnderline", "doubleunderline"],
];
for (let i = 0; i < aliases.length; i++) {
  const name = aliases[i][0];
  const target = aliases[i][1];
  defineProperty(codes, name, {
    __proto__: null,
    get() {
      return this[target];
    },
    set(value) {
      this[target] = value;
    },
    enumerable: false,
    configurable: true,
  });
}
inspect.colors = codes;
inspect.styles = {
  special: "cyan", number: "yellow", bigint: "yellow", boolean: "yellow", undefined: "grey", null: "bold", string: "green",
  symbol: "green", date: "magenta", name: undefined, regexp: "red", module: "underline",
};

const formatAll = (options, args) =>
  formatArguments(
    args,
    (value, depth, showHidden) => {
      // What a placeholder asks for, and else what was asked for all.
      const asked = depth === 2 && !showHidden ? options : { ...options, depth, showHidden };
      return inspectWith(value, forFormatter(asked));
    },
    (text) => text,
    Infinity,
  );

function format(...args) {
  return formatAll(undefined, args);
}

function formatWithOptions(inspectOptions, ...args) {
  if (inspectOptions === null || typeof inspectOptions !== "object") {
    throw invalidArgType("inspectOptions", "of type object", inspectOptions);
  }
  return formatAll(inspectOptions, args);
}

// ----------------------------------------------------------------------------------------------- functions

const customPromisify = Symbol.for("nodejs.util.promisify.custom");

/** A function that gives a promise, of one that takes a callback. */
function promisify(original) {
  requireFunction(original, "original");
  const own = original[customPromisify];
  if (own) {
    if (typeof own !== "function") {
      throw coded(BaseTypeError, "ERR_INVALID_ARG_TYPE", `The "util.promisify.custom" property must be of type function. ${receivedText(own)}`);
    }
    defineProperty(own, customPromisify, { __proto__: null, value: own, writable: false, enumerable: false, configurable: true });
    return own;
  }
  function fn(...args) {
    return new PromiseConstructor((resolve, reject) => {
      args[args.length] = (error, value) => {
        if (error) reject(error);
        else resolve(value);
      };
      ReflectApply(original, this, args);
    });
  }
  setPrototypeOf(fn, getPrototypeOf(original));
  defineProperty(fn, customPromisify, { __proto__: null, value: fn, writable: false, enumerable: false, configurable: true });
  return defineProperties(fn, getOwnPropertyDescriptors(original));
}
promisify.custom = customPromisify;
const receivedText = (value) => {
  const { message } = invalidArgType("x", "x", value);
  return stringSlice(message, 'The "x" argument must be x. '.length);
};

/** A function that takes a callback, of one that gives a promise. */
function callbackify(original) {
  requireFunction(original, "original");
  function callbackified(...args) {
    const callback = args[args.length - 1];
    if (typeof callback !== "function") {
      throw coded(BaseTypeError, "ERR_INVALID_ARG_TYPE", `The last argument must be of type function. ${receivedText(callback)}`);
    }
    args.length--;
    const call = (values) => microtask(() => ReflectApply(callback, this, values));
    then(
      ReflectApply(original, this, args),
      (value) => call([null, value]),
      (reason) => {
        let error = reason;
        if (!reason) {
          error = coded(ErrorConstructor, "ERR_FALSY_VALUE_REJECTION", "Promise was rejected with falsy value");
          error.reason = reason;
        }
        call([error]);
      },
    );
  }
  const descriptors = getOwnPropertyDescriptors(original);
  if (typeof descriptors.length?.value === "number") descriptors.length.value++;
  if (typeof descriptors.name?.value === "string") descriptors.name.value += "Callbackified";
  return defineProperties(callbackified, descriptors);
}

function inherits(ctor, superCtor) {
  requireFunction(ctor, "ctor");
  requireFunction(superCtor, "superCtor");
  if (!isObject(superCtor.prototype)) {
    throw coded(BaseTypeError, "ERR_INVALID_ARG_TYPE", `The "superCtor.prototype" property must be of type object. ${receivedText(superCtor.prototype)}`);
  }
  hide(ctor, "super_", superCtor);
  setPrototypeOf(ctor.prototype, superCtor.prototype);
}

/** As in the reference, nobody is warned. */
function deprecate(fn, message, code, options) {
  return fn;
}

function _extend(target, source) {
  return isObject(source) ? assign(target, source) : target;
}

function isDeepStrictEqual(a, b) {
  return isEqual(a, b);
}

function debuglog(set, callback) {
  const name = toUpperCase(`${set}`);
  const logger = (...args) => console.error(`${name}: ${formatAll(undefined, args)}`);
  defineProperty(logger, "enabled", { __proto__: null, value: true, enumerable: true, configurable: true });
  if (typeof callback === "function") callback(logger);
  return logger;
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const { now } = Date;
const BaseDate = Date;
const day = uncurryThis(Date.prototype.getUTCDate);
const month = uncurryThis(Date.prototype.getUTCMonth);
const hours = uncurryThis(Date.prototype.getUTCHours);
const minutes = uncurryThis(Date.prototype.getUTCMinutes);
const seconds = uncurryThis(Date.prototype.getUTCSeconds);

function log(...args) {
  const time = new BaseDate(now());
  const two = (number) => padStart(`${number}`, 2, "0");
  console.log(`${day(time)} ${months[month(time)]} ${two(hours(time))}:${two(minutes(time))}:${two(seconds(time))} - ${formatAll(undefined, args)}`);
}

// ---------------------------------------------------------------------------------------------------- texts

function toUSVString(input) {
  return toWellFormed(`${input}`);
}

const controls = /[\u001b\u009b][[\]()#;?]*(?:(?:(?:(?:;[-a-zA-Z\d/#&.:=?%@~_]+)*|[a-zA-Z\d]+(?:;[-a-zA-Z\d/#&.:=?%@~_]*)*)?(?:\u0007|\u001b\u005c|\u009c))|(?:(?:\d{1,4}(?:;\d{0,4})*)?[\dA-PR-TZcf-nq-uy=><~]))/;

function stripVTControlCharacters(str) {
  if (typeof str !== "string") throw invalidArgType("str", "of type string", str);
  let text = "";
  let rest = str;
  for (let found = exec(controls, rest); found !== null; found = exec(controls, rest)) {
    text += stringSlice(rest, 0, found.index);
    rest = stringSlice(rest, found.index + found[0].length);
  }
  return text + rest;
}

/** A text in colours where `validateStream` is false, and else as it is: as in the reference, nothing is written to a terminal. */
function styleText(format, text) {
  const options = arguments[2];
  validateString(text, "text");
  let isPlain = true;
  if (arguments.length > 2 && options !== undefined) {
    const { validateStream = true, stream } = options;
    validateBoolean(validateStream, "options.validateStream");
    isPlain = validateStream;
    if (isPlain && stream !== undefined && !(isObject(stream) && (typeof stream.getReader === "function" || typeof stream.getWriter === "function" || typeof stream.on === "function"))) {
      throw invalidArgType("stream", "an instance of ReadableStream, WritableStream, or Stream", stream);
    }
  }
  const formats = ArrayIsArray(format) ? format : [format];
  let before = "";
  let after = "";
  for (let i = 0; i < formats.length; i++) {
    if (formats[i] === "none") continue;
    const code = getOwnPropertyDescriptor(codes, formats[i]) === undefined ? undefined : codes[formats[i]];
    if (code === undefined) {
      let names = "";
      const known = keys(codes);
      for (let j = 0; j < known.length; j++) names += `${j === 0 ? "" : ", "}'${known[j]}'`;
      throw invalidArgValue("format", formats[i], `must be one of: ${names}`);
    }
    before += `\u001b[${code[0]}m`;
    after = `\u001b[${code[1]}m${after}`;
  }
  return isPlain ? text : before + text + after;
}

// ---------------------------------------------------------------------------------------------------- others

async function aborted(signal, resource) {
  if (!isObject(signal) || !(signal instanceof AbortSignal)) throw invalidArgType("signal", "an instance of AbortSignal", signal);
  if (!isObject(resource)) throw invalidArgType("resource", "of type object", resource);
  return new PromiseConstructor((resolve) => {
    if (signal.aborted) resolve(undefined);
    else addListener(signal, "abort", resolve, { __proto__: null, once: true });
  });
}

function transferableAbortController() {
  return new AbortController();
}

function transferableAbortSignal(signal) {
  if (!isObject(signal) || !(signal instanceof AbortSignal)) throw invalidArgType("signal", "an instance of AbortSignal", signal);
  return signal;
}

const isArray = ArrayIsArray;
const isBoolean = (value) => typeof value === "boolean";
const isBuffer = (value) => isObject(value) && value instanceof Buffer;
const { isDate: isDateValue, isRegExp: isRegExpValue, isNativeError } = types;
const isDate = (value) => isDateValue(value);
const isRegExp = (value) => isRegExpValue(value);
const { isError: isErrorValue } = { isError: (value) => isNativeError(value) };
const isFunction = (value) => typeof value === "function";
const isNull = (value) => value === null;
const isNullOrUndefined = (value) => value === null || value === undefined;
const isNumber = (value) => typeof value === "number";
const { isObject: isObjectValue } = { isObject: (value) => typeof value === "object" && value !== null };
const isPrimitive = (value) => !isObject(value);
const isString = (value) => typeof value === "string";
const isSymbol = (value) => typeof value === "symbol";
const isUndefined = (value) => value === undefined;

const missing = (name) => {
  const { [name]: method } = {
    [name]() {
      throw notImplemented(name);
    },
  };
  return method;
};
function parseArgs() {
  throw new ErrorConstructor("node:util parseArgs is not implemented");
}
/** The variables that a text of lines `NAME=value` sets. */
function parseEnv(content) {
  validateString(content, "content");
  const variables = {};
  for (let at = 0; at < content.length;) {
    let end = lineEnd(content, at);
    const equals = indexOf(content, "=", at);
    const start = skipBlanks(content, at);
    if (start >= end || content[start] === "#" || equals === -1 || equals >= end) {
      at = end + 1;
      continue;
    }
    let key = trim(stringSlice(content, start, equals));
    if (exec(/^export\s/, key) !== null) key = trim(stringSlice(key, "export".length));
    let from = equals + 1;
    while (from < end && exec(/\s/, content[from]) !== null) from++;
    const quote = content[from];
    let value;
    if (from < end && (quote === '"' || quote === "'" || quote === "`")) {
      const close = indexOf(content, quote, from + 1);
      if (close === -1) value = trim(stringSlice(content, from + 1, end));
      else {
        value = stringSlice(content, from + 1, close);
        if (quote === '"') value = withLines(value);
        end = lineEnd(content, close);
      }
    } else {
      const comment = indexOf(content, "#", from);
      value = trim(stringSlice(content, from, comment !== -1 && comment < end ? comment : end));
    }
    if (key !== "") variables[key] = value;
    at = end + 1;
  }
  return variables;
}
const lineEnd = (text, from) => {
  const end = indexOf(text, "\n", from);
  return end === -1 ? text.length : end;
};
const skipBlanks = (text, from) => {
  let at = from;
  while (at < text.length && text[at] !== "\n" && exec(/\s/, text[at]) !== null) at++;
  return at;
};
const withLines = (text) => {
  let result = "";
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "\\" && text[i + 1] === "n") {
      result += "\n";
      i++;
    } else result += text[i];
  }
  return result;
};

/** The shortest way from one list to another (Myers): what stays is 0, what is only in the first 1, only in the second -1. */
function diff(actual, expected) {
  if (actual === expected && !(actual === undefined)) return [];
  const before = checkDiff(actual, "actual");
  const after = checkDiff(expected, "expected");
  const most = before.length + after.length;
  const trace = [];
  let furthest = { __proto__: null, 1: 0 };
  const path = () => {
    for (let d = 0; d <= most; d++) {
      trace[d] = { __proto__: null, ...furthest };
      for (let k = -d; k <= d; k += 2) {
        let x = k === -d || (k !== d && furthest[k - 1] < furthest[k + 1]) ? furthest[k + 1] : furthest[k - 1] + 1;
        while (x < before.length && x - k < after.length && before[x] === after[x - k]) x++;
        furthest[k] = x;
        if (x >= before.length && x - k >= after.length) return d;
      }
    }
    return most;
  };
  const backwards = [];
  let x = before.length;
  let y = after.length;
  for (let d = path(); d >= 0; d--) {
    furthest = trace[d];
    const k = x - y;
    const from = k === -d || (k !== d && furthest[k - 1] < furthest[k + 1]) ? k + 1 : k - 1;
    const fromX = d === 0 ? 0 : furthest[from];
    const fromY = d === 0 ? 0 : fromX - from;
    while (x > fromX && y > fromY) {
      x--;
      y--;
      backwards[backwards.length] = [0, before[x]];
    }
    if (d === 0) break;
    if (x > fromX) backwards[backwards.length] = [1, before[--x]];
    else backwards[backwards.length] = [-1, after[--y]];
  }
  const result = [];
  for (let i = backwards.length - 1; i >= 0; i--) result[result.length] = backwards[i];
  return result;
}
const checkDiff = (value, name) => {
  if (!ArrayIsArray(value)) {
    validateString(value, name);
    return value;
  }
  for (let i = 0; i < value.length; i++) validateString(value[i], `${name}[${i}]`);
  return value;
};

/** Who has called, from the caller on. */
const callSites = { getCallSites(...args) {
  const asked = args.length === 0 || args[0] === undefined ? 10 : +args[0];
  if (!(asked >= 1 && asked <= 200)) throw new ErrorConstructor("Frame count should be between 1 and 200 inclusive.");
  const before = { limit: getOwnPropertyDescriptor(ErrorConstructor, "stackTraceLimit"), prepare: getOwnPropertyDescriptor(ErrorConstructor, "prepareStackTrace") };
  const holder = {};
  let sites;
  try {
    defineProperty(ErrorConstructor, "stackTraceLimit", { __proto__: null, value: trunc(asked), writable: true, enumerable: true, configurable: true });
    defineProperty(ErrorConstructor, "prepareStackTrace", { __proto__: null, value: (_, frames) => frames, writable: true, configurable: true });
    captureStackTrace(holder, callSites.getCallSites);
    sites = holder.stack;
  } finally {
    restore("stackTraceLimit", before.limit);
    restore("prepareStackTrace", before.prepare);
  }
  const shown = [];
  for (let i = 0; ArrayIsArray(sites) && i < sites.length; i++) {
    const site = sites[i];
    // Who waits has not called.
    if (site.isAsync()) break;
    const column = site.getColumnNumber() ?? 0;
    shown[i] = {
      functionName: site.getFunctionName() ?? "", scriptName: site.getScriptNameOrSourceURL() ?? "", lineNumber: site.getLineNumber() ?? 0,
      columnNumber: column, column,
    };
  }
  return shown;
} };
const restore = (name, descriptor) => {
  if (descriptor === undefined) delete ErrorConstructor[name];
  else defineProperty(ErrorConstructor, name, descriptor);
};
const boundCallSites = () => ReflectApply(bind, callSites.getCallSites, [undefined]);
const getCallSites = boundCallSites();
const getCallSite = boundCallSites();

// --------------------------------------------------------------------------------------------- the system's errors

function getSystemErrorMap() {
  const map = new MapConstructor();
  const numbers = ownKeys(messages);
  for (let i = 0; i < numbers.length; i++) mapSet(map, +numbers[i], messages[numbers[i]]);
  return map;
}
const systemError = (err, part) => {
  if (typeof err !== "number") throw invalidArgType("err", "of type number", err);
  if (err >= 0 || !isInteger(err)) throw outOfRange("err", "a negative integer", err);
  return messages[err]?.[part] ?? `Unknown system error ${err}`;
};
function getSystemErrorName(err) {
  return systemError(err, 0);
}
function getSystemErrorMessage(err) {
  return systemError(err, 1);
}
function convertProcessSignalToExitCode(signalCode) {
  if (typeof signalCode !== "string" || !hasOwn(signals, signalCode)) {
    let names = "";
    const known = ownKeys(signals);
    for (let i = 0; i < known.length; i++) names += `${i === 0 ? "" : ", "}'${known[i]}'`;
    throw invalidArgValue("signalCode", signalCode, `must be one of: ${names}`);
  }
  return 128 + signals[signalCode];
}
const _errnoException = missing("_errnoException");
const _exceptionWithHostPort = missing("_exceptionWithHostPort");
function setTraceSigInt(enable) {}
const debug = debuglog;

export {
  MIMEParams, MIMEType, TextDecoder, TextEncoder, _errnoException, _exceptionWithHostPort, _extend, aborted, callbackify,
  convertProcessSignalToExitCode, debug, debuglog, deprecate, diff, format, formatWithOptions, getCallSite, getCallSites,
  getSystemErrorMap, getSystemErrorMessage, getSystemErrorName, inherits, inspect, isArray, isBoolean, isBuffer, isDate, isDeepStrictEqual,
  isErrorValue as isError, isFunction, isNull, isNullOrUndefined, isNumber, isObjectValue as isObject, isPrimitive, isRegExp, isString,
  isSymbol, isUndefined, log, parseArgs, parseEnv, promisify, setTraceSigInt, stripVTControlCharacters, styleText, toUSVString,
  transferableAbortController, transferableAbortSignal, types,
};
export default {
  types, callbackify, promisify, inspect, format, formatWithOptions, stripVTControlCharacters, inherits, _extend, MIMEParams, MIMEType,
  toUSVString, log, aborted, debuglog, debug, deprecate, getSystemErrorMap, getSystemErrorMessage, getSystemErrorName, TextEncoder,
  TextDecoder, parseArgs, parseEnv, styleText, transferableAbortController, transferableAbortSignal, getCallSite, getCallSites,
  isDeepStrictEqual, convertProcessSignalToExitCode, setTraceSigInt, diff, _errnoException, _exceptionWithHostPort, isArray, isBoolean,
  isBuffer, isDate, isError: isErrorValue, isFunction, isNull, isNullOrUndefined, isNumber, isObject: isObjectValue, isPrimitive,
  isRegExp, isString, isSymbol, isUndefined,
};
