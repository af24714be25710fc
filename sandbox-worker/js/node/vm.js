// node:vm: code cannot be made of texts. As in the reference the module is there, and says so when it is used.
import { invalidArgType, notImplemented, validateObject, validateString } from "internal:node_errors";
import { Buffer } from "node-internal:internal_buffer";
import scripts from "native:scripts";

const { ArrayIsArray, uncurryThis } = scripts.primordials;
const { freeze } = Object;
const WeakSetConstructor = WeakSet;
const weakSetHas = uncurryThis(WeakSet.prototype.has);
const weakSetAdd = uncurryThis(WeakSet.prototype.add);
const contexts = new WeakSetConstructor();

const missing = () => notImplemented("runInThisContext");
const optional = (options) => {
  if (options !== undefined) validateObject(options, "options");
};
const checkContext = (object) => {
  if (!isContext(object)) throw invalidArgType("contextifiedObject", "an vm.Context", object);
};

class Script {
  cachedDataRejected;
  cachedDataProduced;
  cachedData;
  sourceMapURL;

  constructor(code) {}

  createCachedData() {
    return Buffer.alloc(0);
  }

  runInThisContext() {
    optional(arguments[0]);
    throw missing();
  }

  runInContext(contextifiedObject) {
    checkContext(contextifiedObject);
    optional(arguments[1]);
    throw missing();
  }

  runInNewContext(contextObject) {
    createContext(contextObject);
    throw missing();
  }
}

const constants = freeze({
  __proto__: null,
  USE_MAIN_CONTEXT_DEFAULT_LOADER: Symbol("vm_dynamic_import_main_context_default"),
  DONT_CONTEXTIFY: Symbol("vm_context_no_contextify"),
});

function createContext() {
  const object = arguments[0];
  if (object === undefined || object === constants.DONT_CONTEXTIFY) return { __proto__: null };
  validateObject(object, "object");
  weakSetAdd(contexts, object);
  return object;
}
function createScript(code) {
  return new Script(code);
}
function runInContext(code, contextifiedObject) {
  checkContext(contextifiedObject);
  throw missing();
}
function runInNewContext(code, contextObject, options) {
  throw missing();
}
function runInThisContext(code) {
  throw missing();
}
function isContext(object) {
  validateObject(object, "object");
  return weakSetHas(contexts, object);
}
function compileFunction(code) {
  validateString(code, "code");
  const params = arguments[1];
  if (params !== undefined && !ArrayIsArray(params)) throw invalidArgType("params", "an instance of Array", params);
  throw notImplemented("compileFunction");
}
function measureMemory() {
  if (arguments.length > 0) optional(arguments[0]);
  throw notImplemented("measureMemory");
}

export {
  Script, compileFunction, constants, createContext, createScript, isContext, measureMemory, runInContext, runInNewContext, runInThisContext,
};
export default {
  Script, createContext, createScript, runInContext, runInNewContext, runInThisContext, isContext, compileFunction, measureMemory, constants,
};
