// Evaluates the files of ORDER the way an isolate does, in a fresh context or in this one, with stand-ins for the hooks
// that native code supplies.
import { readFileSync } from "node:fs";
import util from "node:util";
import vm from "node:vm";

const directory = new URL("../", import.meta.url);
export const files = readFileSync(new URL("ORDER", directory), "utf8").trim().split("\n");
const sources = new Map(files.map((file) => [file, readFileSync(new URL(file, directory), "utf8")]));

/** Merges every file's exports into one `internal`, as native code does. `only` stops after that file. */
export function load({ context, only, hooks = {}, flags = {} } = {}) {
  const run = (code, filename) =>
    context === undefined ? vm.runInThisContext(code, { filename }) : vm.runInContext(code, context, { filename });
  const internal = Object.create(null);
  internal.TextDecoder = TextDecoder;
  internal.encodeUtf8 = (text) => new TextEncoder().encode(text);
  internal.decodeUtf8 = (bytes) => new TextDecoder().decode(bytes);
  internal.randomUint32 = () => Math.floor(Math.random() * 2 ** 32);
  internal.reports = [];
  internal.reportException = (error) => internal.reports.push(error);
  internal.setTimeout = (callback, delay) => setTimeout(callback, delay);
  internal.clearTimeout = (id) => clearTimeout(id);
  internal.logs = [];
  internal.log = (level, text) => internal.logs.push([level, text]);
  // No I/O is done here, so that nobody owns it, and nothing is native.
  internal.ioOwner = () => 0;
  internal.native = nativeShim();
  // As on the newest date, and with every other flag too.
  internal.flags = new Proxy({ __proto__: null, ...flags }, { get: (target, name) => target[name] ?? true });
  Object.assign(internal, hooks);
  for (const file of files) {
    const exports = run(sources.get(file), file)(internal);
    for (const key of Object.keys(exports)) internal[key] = exports[key];
    if (file === only) break;
  }
  internal.start();
  internal.bindFlags([]);
  return internal;
}

/** A fresh global scope with our globals in it. `evaluate(code)` runs a script there. */
export function scope(options = {}) {
  const context = vm.createContext({}, { microtaskMode: undefined });
  Object.assign(context, { setTimeout, clearTimeout, structuredClone, TextEncoder, TextDecoder });
  const internal = load({ context, ...options });
  for (const key of Object.keys(internal.globals)) {
    Object.defineProperty(context, key, {
      value: internal.globals[key], writable: true, configurable: true, enumerable: false,
    });
  }
  return { internal, evaluate: (code) => vm.runInContext(code, context), context };
}

/** What native code gives inspect.js, from Node's own tools where they exist. */
function nativeShim() {
  const binding = (value) => util.inspect(value, { depth: -1 });
  return {
    getPromiseDetails(promise) {
      const text = util.inspect(promise, { depth: 0 });
      if (text.includes("<pending>")) return { state: 0, result: undefined };
      return { state: text.includes("<rejected>") ? 2 : 1, result: undefined };
    },
    getProxyDetails: () => undefined,
    // There are no native Headers here.
    isImmutable: () => null,
    previewEntries: () => undefined,
    getOwnNonIndexProperties(object) {
      return Reflect.ownKeys(object).filter((key) => typeof key === "symbol" || !/^(0|[1-9][0-9]*)$/.test(key));
    },
    getConstructorName: (object) => binding(object).split(/[ <{([]/)[0],
  };
}
