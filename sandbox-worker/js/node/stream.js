// node:stream: the classes, and what is done with their objects.
import { Readable } from "internal:stream_readable";
import { Stream, getDefaultHighWaterMark, setDefaultHighWaterMark } from "internal:stream_base";
import { Duplex, PassThrough, Transform, duplexPair } from "internal:stream_duplex";
import {
  addAbortSignal, compose, destroyStream as destroy, finished, finishedPromise, isDestroyed, isDisturbed, isErrored, isReadable, isWritable,
  pipeline,
} from "internal:stream_ends";
import { Writable } from "internal:stream_writable";
import { Buffer } from "node:buffer";
import promises from "node:stream/promises";
import { types } from "node:util";
import scripts from "native:scripts";

const { defineProperty, viewBuffer, viewByteLength, viewByteOffset } = scripts.primordials;
const { isArrayBufferView, isUint8Array } = types;
const { from: bufferFrom } = Buffer;
const custom = Symbol.for("nodejs.util.promisify.custom");

function _isArrayBufferView(value) {
  return isArrayBufferView(value);
}
function _isUint8Array(value) {
  return isUint8Array(value);
}
function _uint8ArrayToBuffer(chunk) {
  return bufferFrom(viewBuffer(chunk), viewByteOffset(chunk), viewByteLength(chunk));
}

const statics = {
  Stream, _isUint8Array, _isArrayBufferView, _uint8ArrayToBuffer, addAbortSignal, compose, destroy, finished, isReadable, isWritable,
  isErrored, isDisturbed, pipeline, Writable, Readable, Duplex, Transform, PassThrough, promises, getDefaultHighWaterMark,
  setDefaultHighWaterMark, isDestroyed, duplexPair,
};
for (const name in statics) Stream[name] = statics[name];
defineProperty(finished, custom, { __proto__: null, enumerable: true, get: function get() { return finishedPromise; } });
defineProperty(pipeline, custom, { __proto__: null, enumerable: true, get: function get() { return promises.pipeline; } });

export {
  Duplex, PassThrough, Readable, Stream, Transform, Writable, _isArrayBufferView, _isUint8Array, _uint8ArrayToBuffer, addAbortSignal,
  compose, destroy, duplexPair, finished, getDefaultHighWaterMark, isDestroyed, isDisturbed, isErrored, isReadable, isWritable, pipeline,
  promises, setDefaultHighWaterMark,
};
export default Stream;
