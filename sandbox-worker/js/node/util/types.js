// node:util/types: what kind of value something is, whatever it says of itself.
import { isOfKind } from "native:types";
import scripts from "native:scripts";

const { isArrayBuffer, isSharedArrayBuffer, isView, typedArrayTag, isDataView } = scripts.primordials;

/** In the order in which native code knows them (`src/api/native_modules.rs`). */
const kinds = [
  "isAsyncFunction", "isGeneratorFunction", "isGeneratorObject", "isArgumentsObject", "isMap", "isMapIterator",
  "isModuleNamespaceObject", "isNativeError", "isPromise", "isProxy", "isSet", "isSetIterator", "isWeakMap", "isWeakSet", "isRegExp",
  "isDate", "isStringObject", "isSymbolObject", "isNumberObject", "isBooleanObject", "isBigIntObject", "isExternal",
];
/** The name is the reference's, whose functions are bound ones. */
const named = (name, test, shown = `bound ${name}`) => {
  const { [shown]: method } = {
    [shown](value = undefined) {
      return test(value);
    },
  };
  return method;
};
const byName = { __proto__: null };
for (let kind = 0; kind < kinds.length; kind++) byName[kinds[kind]] = named(kinds[kind], (value) => isOfKind(kind, value));
export const {
  isAsyncFunction, isGeneratorFunction, isGeneratorObject, isArgumentsObject, isMap, isMapIterator, isModuleNamespaceObject,
  isNativeError, isPromise, isProxy, isSet, isSetIterator, isWeakMap, isWeakSet, isRegExp, isDate, isStringObject, isSymbolObject,
  isNumberObject, isBooleanObject, isBigIntObject, isExternal,
} = byName;

const ofTag = (tag) => named(`is${tag}`, (value) => isView(value) && typedArrayTag(value) === tag);
export const isBigInt64Array = ofTag("BigInt64Array");
export const isBigUint64Array = ofTag("BigUint64Array");
export const isFloat16Array = ofTag("Float16Array");
export const isFloat32Array = ofTag("Float32Array");
export const isFloat64Array = ofTag("Float64Array");
export const isInt8Array = ofTag("Int8Array");
export const isInt16Array = ofTag("Int16Array");
export const isInt32Array = ofTag("Int32Array");
export const isUint8Array = ofTag("Uint8Array");
export const isUint8ClampedArray = ofTag("Uint8ClampedArray");
export const isUint16Array = ofTag("Uint16Array");
export const isUint32Array = ofTag("Uint32Array");
export const isTypedArray = named("isTypedArray", (value) => isView(value) && typedArrayTag(value) !== undefined);
export const isArrayBufferView = named("isArrayBufferView", (value) => isView(value));
const isDataViewValue = named("isDataView", (value) => isView(value) && isDataView(value));
const isArrayBufferValue = named("isArrayBuffer", (value) => isArrayBuffer(value));
const isSharedArrayBufferValue = named("isSharedArrayBuffer", (value) => isSharedArrayBuffer(value));
export const isAnyArrayBuffer = named("isAnyArrayBuffer", (value) => isArrayBuffer(value) || isSharedArrayBuffer(value));
export const isBoxedPrimitive = named(
  "isBoxedPrimitive",
  (value) => isNumberObject(value) || isStringObject(value) || isBooleanObject(value) || isBigIntObject(value) || isSymbolObject(value),
);
// There are no keys yet.
export const isCryptoKey = (value) => false;
export const isKeyObject = (value) => false;
export { isArrayBufferValue as isArrayBuffer, isDataViewValue as isDataView, isSharedArrayBufferValue as isSharedArrayBuffer };

export default {
  isCryptoKey, isKeyObject, isAsyncFunction, isGeneratorFunction, isGeneratorObject, isAnyArrayBuffer, isArrayBuffer: isArrayBufferValue,
  isArgumentsObject, isBoxedPrimitive, isDataView: isDataViewValue, isMap, isMapIterator, isModuleNamespaceObject, isNativeError,
  isPromise, isProxy, isSet, isSetIterator, isSharedArrayBuffer: isSharedArrayBufferValue, isWeakMap, isWeakSet, isRegExp, isDate,
  isStringObject, isSymbolObject, isNumberObject, isBooleanObject, isBigIntObject, isArrayBufferView, isBigInt64Array,
  isBigUint64Array, isFloat16Array, isFloat32Array, isFloat64Array, isInt8Array, isInt16Array, isInt32Array, isTypedArray, isUint8Array,
  isUint8ClampedArray, isUint16Array, isUint32Array, isExternal,
};
