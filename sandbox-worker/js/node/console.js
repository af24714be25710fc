// node:console: the console of the global scope, and consoles over what can be written to.
import { coded, invalidArgType, invalidArgValue, notImplemented, validateInteger, validateObject } from "internal:node_errors";
import { formatWithOptions, inspect } from "node:util";
import scripts from "native:scripts";

const {
  ArrayIsArray, ErrorConstructor, ReflectApply, defineProperty, getter, isObject, uncurryThis,
} = scripts.primordials;
const { captureStackTrace } = Error;
const { keys } = Object;
const { floor, max } = Math;
const stringSlice = uncurryThis(String.prototype.slice);
const { now } = globalThis.performance;
const BaseTypeError = TypeError;
const MapConstructor = Map;
const mapGet = uncurryThis(Map.prototype.get);
const mapSet = uncurryThis(Map.prototype.set);
const mapHas = uncurryThis(Map.prototype.has);
const mapDelete = uncurryThis(Map.prototype.delete);
const mapForEach = uncurryThis(Map.prototype.forEach);
const mapSize = getter(Map.prototype, "size");
const setForEach = uncurryThis(Set.prototype.forEach);
const setSize = getter(Set.prototype, "size");
const repeat = uncurryThis(String.prototype.repeat);
const toFixed = uncurryThis(Number.prototype.toFixed);
const bind = uncurryThis(Function.prototype.bind);
const hasOwn = Object.hasOwn;
const performance = globalThis.performance;
const globalConsole = globalThis.console;

const brand = Symbol("kIsConsole");
const state = Symbol("kState");

const notWritable = (name) =>
  coded(BaseTypeError, "ERR_CONSOLE_WRITABLE_STREAM", `Console expects a writable stream instance for ${name}`);

function Console(options) {
  if (!new.target) return new Console(...arguments);
  let given = options;
  if (!given || typeof given.write === "function") given = { stdout: given, stderr: arguments[1], ignoreErrors: arguments[2] };
  const { stdout, stderr = stdout, ignoreErrors = true, colorMode = "auto", inspectOptions, groupIndentation } = given;
  if (!stdout || typeof stdout.write !== "function") throw notWritable("stdout");
  if (!stderr || typeof stderr.write !== "function") throw notWritable("stderr");
  if (typeof colorMode !== "boolean" && colorMode !== "auto") {
    throw invalidArgValue("colorMode", colorMode, "must be one of: 'auto', true, false");
  }
  if (groupIndentation !== undefined) validateInteger(groupIndentation, "groupIndentation", 0, 1000);
  if (inspectOptions !== undefined) {
    validateObject(inspectOptions, "options.inspectOptions");
    if (inspectOptions.colors !== undefined && colorMode !== "auto") {
      throw coded(BaseTypeError, "ERR_INCOMPATIBLE_OPTION_PAIR", 'Option "options.inspectOptions.color" cannot be used in combination with option "colorMode"');
    }
  }
  defineProperty(this, brand, { __proto__: null, value: true });
  defineProperty(this, state, {
    __proto__: null,
    value: {
      stdout, stderr, ignoreErrors, colorMode, inspectOptions, groupIndentation: groupIndentation ?? 2, indentation: "",
      counts: new MapConstructor(), times: new MapConstructor(),
    },
  });
  // Each of them can be used by itself.
  for (let i = 0; i < names.length; i++) {
    const method = bind(this[names[i]], this);
    defineProperty(method, "name", { __proto__: null, value: names[i], configurable: true });
    this[names[i]] = method;
  }
}

const optionsFor = ({ colorMode, inspectOptions }, stream) => {
  let colors = colorMode;
  if (colors === "auto") colors = !!stream.isTTY && (typeof stream.getColorDepth === "function" ? stream.getColorDepth() > 2 : true);
  return inspectOptions === undefined ? { colors } : { colors, ...inspectOptions };
};
const write = (own, isError, text) => {
  const stream = isError ? own.stderr : own.stdout;
  let shown = text;
  if (own.indentation !== "") {
    shown = own.indentation;
    for (let i = 0; i < text.length; i++) shown += text[i] === "\n" ? `\n${own.indentation}` : text[i];
  }
  shown += "\n";
  if (!own.ignoreErrors) {
    stream.write(shown);
    return;
  }
  // Who cannot write is nobody's concern.
  const noop = () => {};
  try {
    if (typeof stream.once === "function") stream.once("error", noop);
    stream.write(shown, noop);
  } catch {
    // Likewise.
  } finally {
    if (typeof stream.removeListener === "function") stream.removeListener("error", noop);
  }
};
const print = (own, isError, args) =>
  write(own, isError, formatWithOptions(optionsFor(own, isError ? own.stderr : own.stdout), ...args));

const duration = (milliseconds) => {
  if (milliseconds < 1000) return `${toFixed(milliseconds, 3)}ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${toFixed(seconds, 3)}s`;
  const minutes = seconds / 60;
  const whole = floor(minutes);
  const two = (number) => `${number < 10 ? "0" : ""}${number}`;
  if (minutes < 60) return `${whole}:${two(floor(seconds % 60))}.${stringSlice(toFixed(seconds % 1, 3), 2)} (m:ss.mmm)`;
  return `${floor(minutes / 60)}:${two(whole % 60)}:${two(floor(seconds % 60))} (h:mm:ss)`;
};


const members = {
  log(...args) {
    print(this[state], false, args);
  },
  info(...args) {
    print(this[state], false, args);
  },
  debug(...args) {
    print(this[state], false, args);
  },
  warn(...args) {
    print(this[state], true, args);
  },
  error(...args) {
    print(this[state], true, args);
  },
  dir(object, options) {
    const own = this[state];
    write(own, false, inspect(object, { customInspect: false, ...optionsFor(own, own.stdout), ...options }));
  },
  time(label = "default") {
    const { times } = this[state];
    const key = `${label}`;
    if (!mapHas(times, key)) mapSet(times, key, ReflectApply(now, performance, []));
  },
  timeEnd(label = "default") {
    const own = this[state];
    const key = `${label}`;
    const start = mapGet(own.times, key);
    if (start === undefined) return;
    mapDelete(own.times, key);
    print(own, false, ["%s: %s", key, duration(ReflectApply(now, performance, []) - start)]);
  },
  timeLog(label = "default", ...data) {
    const own = this[state];
    const key = `${label}`;
    const start = mapGet(own.times, key);
    if (start !== undefined) print(own, false, ["%s: %s", key, duration(ReflectApply(now, performance, []) - start), ...data]);
  },
  trace(...args) {
    const own = this[state];
    const error = new ErrorConstructor(formatWithOptions(optionsFor(own, own.stderr), ...args));
    error.name = "Trace";
    captureStackTrace(error, this.trace);
    print(own, true, [error.stack]);
  },
  assert(expression, ...args) {
    if (expression) return;
    if (typeof args[0] === "string") args[0] = `Assertion failed: ${args[0]}`;
    else {
      for (let i = args.length; i > 0; i--) args[i] = args[i - 1];
      args[0] = "Assertion failed";
    }
    print(this[state], true, args);
  },
  clear() {},
  count(label = "default") {
    const own = this[state];
    const key = `${label}`;
    const count = (mapGet(own.counts, key) ?? 0) + 1;
    mapSet(own.counts, key, count);
    print(own, false, [`${key}: ${count}`]);
  },
  countReset(label = "default") {
    mapDelete(this[state].counts, `${label}`);
  },
  group(...data) {
    const own = this[state];
    if (data.length > 0) print(own, false, data);
    own.indentation += repeat(" ", own.groupIndentation);
  },
  groupEnd() {
    const own = this[state];
    own.indentation = repeat(" ", max(own.indentation.length - own.groupIndentation, 0));
  },
  table(tabularData, properties) {
    const own = this[state];
    if (!isObject(tabularData)) {
      print(own, false, [tabularData]);
      return;
    }
    if (properties !== undefined && !ArrayIsArray(properties)) throw invalidArgType("properties", "an instance of Array", properties);
    write(own, false, tableOf(tabularData, properties, own));
  },
};

for (const name in members) defineProperty(members[name], "length", { __proto__: null, value: ({ dir: 2, assert: 1, table: 2 })[name] ?? 0, configurable: true });
members.dirxml = members.log;
members.groupCollapsed = members.group;
for (const name in members) Console.prototype[name] = members[name];
const names = keys(Console.prototype);
defineProperty(Console, Symbol.hasInstance, {
  __proto__: null,
  value: { value(instance) { return isObject(instance) && instance[brand] === true; } }.value,
});

// ---------------------------------------------------------------------------------------------------------- tables

const INDEX = "(index)";
const ITERATION = "(iteration index)";
const VALUES = "Values";
const KEY = "Key";

const sizeOf = (measure, value) => {
  try {
    return measure(value);
  } catch {
    return undefined;
  }
};
const tableOf = (data, properties, own) => {
  const shown = (value) => inspect(value, { ...optionsFor(own, own.stdout), maxArrayLength: 3, breakLength: Infinity, depth: isObject(value) && !ArrayIsArray(value) && keys(value).length > 2 ? -1 : 0 });
  const rows = [];
  let heads = [INDEX];
  if (sizeOf(mapSize, data) !== undefined) {
    let number = 0;
    heads = [ITERATION, KEY, VALUES];
    mapForEach(data, (value, name) => {
      rows[rows.length] = { __proto__: null, [ITERATION]: `${number++}`, [KEY]: shown(name), [VALUES]: shown(value) };
    });
    return draw(heads, rows);
  }
  if (sizeOf(setSize, data) !== undefined) {
    let number = 0;
    heads = [ITERATION, VALUES];
    setForEach(data, (value) => {
      rows[rows.length] = { __proto__: null, [ITERATION]: `${number++}`, [VALUES]: shown(value) };
    });
    return draw(heads, rows);
  }
  const columns = [];
  const known = { __proto__: null };
  let hasValues = false;
  const indexes = keys(data);
  for (let i = 0; i < indexes.length; i++) {
    const item = data[indexes[i]];
    const row = { __proto__: null, [INDEX]: indexes[i] };
    if (!isObject(item)) {
      hasValues = true;
      row[VALUES] = shown(item);
    } else {
      const fields = properties ?? keys(item);
      for (let j = 0; j < fields.length; j++) {
        const field = fields[j];
        if (!known[field]) {
          known[field] = true;
          columns[columns.length] = field;
        }
        if (hasOwn(item, field)) row[field] = shown(item[field]);
      }
    }
    rows[rows.length] = row;
  }
  for (let i = 0; i < columns.length; i++) heads[heads.length] = columns[i];
  if (hasValues) heads[heads.length] = VALUES;
  return draw(heads, rows);
};
const draw = (heads, rows) => {
  const widths = [];
  for (let i = 0; i < heads.length; i++) {
    widths[i] = heads[i].length + 2;
    for (let j = 0; j < rows.length; j++) widths[i] = max(widths[i], (rows[j][heads[i]] ?? "").length + 2);
  }
  const rule = (left, middle, right) => {
    let text = left;
    for (let i = 0; i < widths.length; i++) text += (i === 0 ? "" : middle) + repeat("\u2500", widths[i]);
    return text + right;
  };
  const line = (cellAt) => {
    let text = "\u2502";
    for (let i = 0; i < heads.length; i++) {
      const cell = cellAt(heads[i]);
      text += ` ${cell}${repeat(" ", widths[i] - cell.length - 1)}\u2502`;
    }
    return text;
  };
  let text = `${rule("\u250c", "\u252c", "\u2510")}\n${line((head) => head)}\n${rule("\u251c", "\u253c", "\u2524")}\n`;
  for (let i = 0; i < rows.length; i++) text += `${line((head) => rows[i][head] ?? "")}\n`;
  return text + rule("\u2514", "\u2534", "\u2518");
};

// ------------------------------------------------------------------------------------------------------ the module

function noop() {}
defineProperty(globalConsole, brand, { __proto__: null, value: true });
globalConsole._times = new MapConstructor();
globalConsole._ignoreErrors = true;
globalConsole._stderrErrorHandler = noop;
globalConsole._stdoutErrorHandler = noop;
globalConsole.Console = Console;
const { createTask } = {
  createTask() {
    throw notImplemented("Console.createTask");
  },
};
globalConsole.createTask = createTask;

const bound = (name) => bind(globalConsole[name], globalConsole);
const assert = bound("assert");
const clear = bound("clear");
const count = bound("count");
const countReset = bound("countReset");
const debug = bound("debug");
const dir = bound("dir");
const dirxml = bound("dirxml");
const error = bound("error");
const group = bound("group");
const groupCollapsed = bound("groupCollapsed");
const groupEnd = bound("groupEnd");
const info = bound("info");
const log = bound("log");
const profile = bound("profile");
const profileEnd = bound("profileEnd");
const table = bound("table");
const time = bound("time");
const timeEnd = bound("timeEnd");
const timeLog = bound("timeLog");
const timeStamp = bound("timeStamp");
const trace = bound("trace");
const warn = bound("warn");
const { context } = globalConsole;

export {
  Console, assert, clear, context, count, countReset, createTask, debug, dir, dirxml, error, group, groupCollapsed, groupEnd, info, log,
  profile, profileEnd, table, time, timeEnd, timeLog, timeStamp, trace, warn,
};
export default globalConsole;
