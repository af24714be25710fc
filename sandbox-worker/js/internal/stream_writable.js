// Writable of node:stream.
import { coded, invalidArgType, unknownEncoding } from "internal:node_errors";
import { addAbortSignal } from "internal:stream_ends";
import { writableFromWeb, writableToWeb } from "internal:stream_web";
import {
  Stream, attribute, commonState, construct, destroy, destroyedError, errorOrDestroy, failure, markOf, multipleCallback, nextTick, undestroy,
} from "internal:stream_base";
import { Buffer } from "node:buffer";
import EventEmitter from "node:events";
import scripts from "native:scripts";

const {
  ReflectApply, defineProperty, isObject, isView, setPrototypeOf, uncurryThis, viewBuffer, viewByteLength, viewByteOffset,
} = scripts.primordials;
const BaseTypeError = TypeError;
const hasInstance = uncurryThis(Function.prototype[Symbol.hasInstance]);
const toLowerCase = uncurryThis(String.prototype.toLowerCase);
const bind = uncurryThis(Function.prototype.bind);
const { from: bufferFrom, isBuffer, isEncoding } = Buffer;

const nop = () => {};

/** A chunk of bytes as a Buffer; undefined for anything that is no view. */
export const asBuffer = (chunk) => {
  if (isBuffer(chunk)) return chunk;
  return isView(chunk) ? bufferFrom(viewBuffer(chunk), viewByteOffset(chunk), viewByteLength(chunk)) : undefined;
};
export const invalidChunk = (chunk) => invalidArgType("chunk", "of type string or an instance of Buffer, TypedArray, or DataView", chunk);

export function WritableState(options, stream, isOfDuplex) {
  const isDuplex = isOfDuplex ?? stream?._readableState !== undefined;
  this.objectMode = !!(options && options.objectMode) || !!(isDuplex && options && options.writableObjectMode);
  this.highWaterMark = markOf(options, this.objectMode, "writableHighWaterMark", isDuplex);
  this.length = 0;
  this.corked = 0;
  this.onwrite = bind(onwrite, undefined, stream);
  this.writelen = 0;
  this.bufferedIndex = 0;
  this.pendingcb = 0;
  const common = commonState(options);
  for (const name in common) this[name] = common[name];
  this.finalCalled = this.needDrain = this.ending = this.ended = this.finished = false;
  this.decodeStrings = !options || options.decodeStrings !== false;
  this.writing = false;
  this.sync = true;
  this.bufferProcessing = this.prefinished = false;
  this.defaultEncoding = options?.defaultEncoding || "utf8";
  this.writecb = null;
  this.afterWriteTickInfo = null;
  this.buffered = [];
  this.onFinish = [];
}
WritableState.prototype.getBuffer = function getBuffer() {
  const rest = [];
  for (let i = this.bufferedIndex; i < this.buffered.length; i++) rest[rest.length] = this.buffered[i];
  return rest;
};
defineProperty(WritableState.prototype, "bufferedRequestCount", attribute(function get() {
  return this.buffered.length - this.bufferedIndex;
}));

/** What options have in place of methods of a class, for either side. */
export const takeOptions = (stream, options, names) => {
  if (!options) return;
  for (let i = 0; i < names.length; i++) {
    const method = options[names[i]];
    if (typeof method === "function") stream[`_${names[i]}`] = method;
  }
};
export const whenWritable = (stream) => () => {
  const state = stream._writableState;
  if (!state.writing) clearBuffer(stream, state);
  if (state.ending) finishMaybe(stream, state);
};

export function Writable(options) {
  if (!(this instanceof Writable)) return new Writable(options);
  this._events ??= { __proto__: null };
  this._writableState = new WritableState(options, this, false);
  takeOptions(this, options, ["write", "writev", "destroy", "final", "construct"]);
  if (options?.signal) addAbortSignal(options.signal, this);
  ReflectApply(Stream, this, [options]);
  construct(this, whenWritable(this));
}
setPrototypeOf(Writable.prototype, Stream.prototype);
setPrototypeOf(Writable, Stream);
Writable.WritableState = WritableState;
defineProperty(Writable, Symbol.hasInstance, {
  __proto__: null,
  value: { value(object) {
    if (hasInstance(this, object)) return true;
    return this === Writable && isObject(object) && object._writableState instanceof WritableState;
  } }.value,
});

// ------------------------------------------------------------------------------------------------------------ writes

const write = (stream, given, encodingOrCallback, then) => {
  const state = stream._writableState;
  let chunk = given;
  let callback = then;
  let encoding = encodingOrCallback;
  if (typeof encoding === "function") {
    callback = encoding;
    encoding = state.defaultEncoding;
  } else {
    if (!encoding) {
      if (!state.objectMode) encoding = state.defaultEncoding;
    } else if (encoding !== "buffer" && !isEncoding(encoding)) throw unknownEncoding(encoding);
    if (typeof callback !== "function") callback = nop;
  }
  if (chunk === null) throw coded(BaseTypeError, "ERR_STREAM_NULL_VALUES", "May not write null values to stream");
  if (!state.objectMode) {
    if (typeof chunk === "string") {
      if (state.decodeStrings) {
        chunk = bufferFrom(chunk, encoding);
        encoding = "buffer";
      }
    } else {
      const bytes = asBuffer(chunk);
      if (bytes === undefined) throw invalidChunk(chunk);
      chunk = bytes;
      encoding = "buffer";
    }
  }
  let error;
  if (state.ending) error = failure("ERR_STREAM_WRITE_AFTER_END", "write after end");
  else if (state.destroyed) error = destroyedError("write");
  if (error !== undefined) {
    nextTick(callback, error);
    errorOrDestroy(stream, error, true);
    return error;
  }
  state.pendingcb++;
  return writeOrBuffer(stream, state, chunk, encoding, callback);
};

const writeOrBuffer = (stream, state, chunk, encoding, callback) => {
  const length = state.objectMode ? 1 : chunk.length;
  state.length += length;
  const isBelow = state.length < state.highWaterMark;
  if (!isBelow) state.needDrain = true;
  if (state.writing || state.corked || state.errored || !state.constructed) {
    state.buffered[state.buffered.length] = { chunk, encoding, callback };
  } else {
    state.writelen = length;
    state.writecb = callback;
    state.writing = true;
    state.sync = true;
    stream._write(chunk, encoding, state.onwrite);
    state.sync = false;
  }
  return isBelow && !state.errored && !state.destroyed;
};

const onwrite = (stream, error) => {
  const state = stream._writableState;
  const { sync, writecb: callback } = state;
  if (typeof callback !== "function") {
    errorOrDestroy(stream, multipleCallback());
    return;
  }
  state.writing = false;
  state.writecb = null;
  state.length -= state.writelen;
  state.writelen = 0;
  if (error) {
    error.stack;
    if (!state.errored) state.errored = error;
    if (stream._readableState && !stream._readableState.errored) stream._readableState.errored = error;
    if (sync) nextTick(failWrite, stream, state, error, callback);
    else failWrite(stream, state, error, callback);
    return;
  }
  if (state.buffered.length > state.bufferedIndex) clearBuffer(stream, state);
  if (!sync) afterWrites(stream, state, 1, callback);
  else if (callback === nop && !state.destroyed && !(state.needDrain && state.length === 0)) {
    // Nobody is to be told.
    state.pendingcb--;
    if (state.ending) finishMaybe(stream, state, true);
  }
  else if (state.afterWriteTickInfo?.callback === callback) state.afterWriteTickInfo.count++;
  else {
    const info = (state.afterWriteTickInfo = { count: 1, callback });
    nextTick(() => {
      if (state.afterWriteTickInfo === info) state.afterWriteTickInfo = null;
      afterWrites(stream, state, info.count, callback);
    });
  }
};
const failWrite = (stream, state, error, callback) => {
  state.pendingcb--;
  callback(error);
  failBuffered(state);
  errorOrDestroy(stream, error);
};
const afterWrites = (stream, state, count, callback) => {
  if (!state.ending && !state.destroyed && state.length === 0 && state.needDrain) {
    state.needDrain = false;
    stream.emit("drain");
  }
  for (let i = 0; i < count; i++) {
    state.pendingcb--;
    callback(null);
  }
  if (state.destroyed) failBuffered(state);
  finishMaybe(stream, state, true);
};

/** Tells who waits for what will not be written. */
const failBuffered = (state) => {
  if (state.writing) return;
  for (let i = state.bufferedIndex; i < state.buffered.length; i++) {
    const { chunk, callback } = state.buffered[i];
    state.length -= state.objectMode ? 1 : chunk.length;
    callback(state.errored ?? destroyedError("write"));
  }
  resetBuffer(state);
  callOnFinish(state, () => state.errored ?? destroyedError("end"));
};
const callOnFinish = (state, reason) => {
  const list = state.onFinish;
  state.onFinish = [];
  for (let i = 0; i < list.length; i++) {
    const one = list[i];
    one(reason());
  }
};
const resetBuffer = (state) => {
  state.buffered = [];
  state.bufferedIndex = 0;
};

const clearBuffer = (stream, state) => {
  if (state.corked || state.bufferProcessing || state.destroyed || !state.constructed) return;
  const { buffered } = state;
  const count = buffered.length - state.bufferedIndex;
  if (count === 0) return;
  state.bufferProcessing = true;
  if (count > 1 && stream._writev) {
    state.pendingcb -= count - 1;
    const chunks = [];
    let allBuffers = true;
    let isAwaited = false;
    for (let i = state.bufferedIndex; i < buffered.length; i++) {
      chunks[chunks.length] = buffered[i];
      if (buffered[i].encoding !== "buffer") allBuffers = false;
      if (buffered[i].callback !== nop) isAwaited = true;
    }
    chunks.allBuffers = allBuffers;
    const callback = isAwaited ? (error) => {
      for (let i = 0; i < chunks.length; i++) chunks[i].callback(error);
    } : nop;
    resetBuffer(state);
    state.writelen = state.length;
    state.writecb = callback;
    state.writing = true;
    state.sync = true;
    if (state.destroyed) state.onwrite(destroyedError("write"));
    else stream._writev(chunks, state.onwrite);
    state.sync = false;
  } else {
    do {
      const { chunk, encoding, callback } = buffered[state.bufferedIndex];
      buffered[state.bufferedIndex++] = null;
      state.writelen = state.objectMode ? 1 : chunk.length;
      state.writecb = callback;
      state.writing = true;
      state.sync = true;
      if (state.destroyed) state.onwrite(destroyedError("write"));
      else stream._write(chunk, encoding, state.onwrite);
      state.sync = false;
    } while (state.bufferedIndex < buffered.length && !state.writing);
    if (state.bufferedIndex === buffered.length) resetBuffer(state);
  }
  state.bufferProcessing = false;
};

// ----------------------------------------------------------------------------------------------------------- the end

const needFinish = (state) =>
  state.ending && !state.destroyed && state.constructed && state.length === 0 && !state.errored &&
  state.buffered.length === 0 && !state.finished && !state.writing && !state.errorEmitted && !state.closeEmitted;

const callFinal = (stream, state) => {
  let isCalled = false;
  const done = (error) => {
    if (isCalled) {
      errorOrDestroy(stream, error ?? multipleCallback());
      return;
    }
    isCalled = true;
    state.pendingcb--;
    if (error) {
      callOnFinish(state, () => error);
      errorOrDestroy(stream, error, state.sync);
    } else if (needFinish(state)) {
      state.prefinished = true;
      stream.emit("prefinish");
      state.pendingcb++;
      nextTick(finish, stream, state);
    }
  };
  state.sync = true;
  state.pendingcb++;
  try {
    stream._final(done);
  } catch (error) {
    done(error);
  }
  state.sync = false;
};
const prefinish = (stream, state) => {
  if (state.prefinished || state.finalCalled) return;
  if (typeof stream._final === "function" && !state.destroyed) {
    state.finalCalled = true;
    callFinal(stream, state);
  } else {
    state.prefinished = true;
    stream.emit("prefinish");
  }
};
const finishMaybe = (stream, state, isLater) => {
  if (!needFinish(state)) return;
  prefinish(stream, state);
  if (state.pendingcb !== 0) return;
  if (isLater) {
    state.pendingcb++;
    nextTick(() => {
      if (needFinish(state)) finish(stream, state);
      else state.pendingcb--;
    });
  } else if (needFinish(state)) {
    state.pendingcb++;
    finish(stream, state);
  }
};
const finish = (stream, state) => {
  state.pendingcb--;
  state.finished = true;
  callOnFinish(state, () => null);
  stream.emit("finish");
  if (!state.autoDestroy) return;
  const r = stream._readableState;
  if (!r || (r.autoDestroy && (r.endEmitted || r.readable === false))) stream.destroy();
};

// ------------------------------------------------------------------------------------------------------- the members

const members = {
  pipe() {
    errorOrDestroy(this, failure("ERR_STREAM_CANNOT_PIPE", "Cannot pipe, not readable"));
  },
  write(chunk, encoding, callback) {
    return write(this, chunk, encoding, callback) === true;
  },
  cork() {
    this._writableState.corked++;
  },
  uncork() {
    const state = this._writableState;
    if (!state.corked) return;
    state.corked--;
    if (!state.writing) clearBuffer(this, state);
  },
  setDefaultEncoding(encoding) {
    const name = typeof encoding === "string" ? toLowerCase(encoding) : encoding;
    if (!isEncoding(name)) throw unknownEncoding(name);
    this._writableState.defaultEncoding = name;
    return this;
  },
  _write(chunk, encoding, callback) {
    if (!this._writev) throw failure("ERR_METHOD_NOT_IMPLEMENTED", "The _write() method is not implemented");
    this._writev([{ chunk, encoding }], callback);
  },
  _writev: null,
  end(chunk, encoding, callback) {
    const state = this._writableState;
    let last = chunk;
    let format = encoding;
    let then = callback;
    if (typeof last === "function") {
      then = last;
      last = null;
      format = null;
    } else if (typeof format === "function") {
      then = format;
      format = null;
    }
    let error;
    if (last !== null && last !== undefined) {
      const written = write(this, last, format);
      if (typeof written !== "boolean") error = written;
    }
    if (state.corked) {
      state.corked = 1;
      this.uncork();
    }
    if (error === undefined) {
      if (!state.errored && !state.ending) {
        state.ending = true;
        finishMaybe(this, state, true);
        state.ended = true;
      } else if (state.finished) error = failure("ERR_STREAM_ALREADY_FINISHED", "Cannot call end after a stream was finished");
      else if (state.destroyed) error = destroyedError("end");
    }
    if (typeof then === "function") {
      if (error) nextTick(then, error);
      else if (state.errored) nextTick(then, state.errored);
      else if (state.finished) nextTick(then, null);
      else state.onFinish[state.onFinish.length] = then;
    }
    return this;
  },
  destroy(error, callback) {
    const state = this._writableState;
    if (!state.destroyed && (state.bufferedIndex < state.buffered.length || state.onFinish.length > 0)) nextTick(failBuffered, state);
    ReflectApply(destroy, this, [error, callback]);
    return this;
  },
  _undestroy: undestroy,
  _destroy(error, callback) {
    callback(error);
  },
  [EventEmitter.captureRejectionSymbol](error) {
    this.destroy(error);
  },
};
for (const name in members) Writable.prototype[name] = members[name];
Writable.prototype[EventEmitter.captureRejectionSymbol] = members[EventEmitter.captureRejectionSymbol];

/** The getters of the writable side, which a duplex has as well. */
export const writableAttributes = {
  __proto__: null,
  writable: attribute(function () {
    const w = this._writableState;
    return !!w && w.writable !== false && !w.destroyed && !w.errored && !w.ending && !w.ended;
  }, function (value) {
    if (this._writableState) this._writableState.writable = !!value;
  }),
  writableFinished: attribute(function () { return this._writableState ? this._writableState.finished : false; }),
  writableObjectMode: attribute(function () { return this._writableState ? this._writableState.objectMode : false; }),
  writableBuffer: attribute(function () { return this._writableState && this._writableState.getBuffer(); }),
  writableEnded: attribute(function () { return this._writableState ? this._writableState.ending : false; }),
  writableNeedDrain: attribute(function () {
    const w = this._writableState;
    return w ? !w.destroyed && !w.ending && w.needDrain : false;
  }),
  writableHighWaterMark: attribute(function () { return this._writableState && this._writableState.highWaterMark; }),
  writableCorked: attribute(function () { return this._writableState ? this._writableState.corked : 0; }),
  writableLength: attribute(function () { return this._writableState && this._writableState.length; }),
};
const own = {
  __proto__: null,
  closed: attribute(function () { return this._writableState ? this._writableState.closed : false; }),
  destroyed: attribute(function () { return this._writableState ? this._writableState.destroyed : false; }, function (value) {
    if (this._writableState) this._writableState.destroyed = value;
  }),
  errored: attribute(function () { return this._writableState ? this._writableState.errored : null; }),
  writableAborted: attribute(function () {
    const w = this._writableState;
    return !!(w.writable !== false && (w.destroyed || w.errored) && !w.finished);
  }),
};
for (const name in writableAttributes) defineProperty(Writable.prototype, name, writableAttributes[name]);
for (const name in own) defineProperty(Writable.prototype, name, own[name]);
defineProperty(Writable.prototype, Symbol.asyncDispose ?? Symbol("asyncDispose"), {
  __proto__: null,
  value: async function () {
    let error = null;
    if (!this.destroyed) {
      error = this.writableFinished ? null : abortError();
      this.destroy(error);
    }
    return disposed(this, error);
  },
  writable: true,
  configurable: true,
});
import { abortError, disposed } from "internal:stream_ends";
Writable.fromWeb = writableFromWeb;
Writable.toWeb = writableToWeb;
