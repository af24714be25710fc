// Readable of node:stream.
import { outOfRange, validateObject } from "internal:node_errors";
import { abortError, addAbortSignal, composeWith, destroyStream, disposed, finished } from "internal:stream_ends";
import { fromIterable } from "internal:stream_from";
import { operators } from "internal:stream_operators";
import { readableFromWeb, readableToWeb } from "internal:stream_web";
import { asBuffer, invalidChunk, takeOptions } from "internal:stream_writable";
import {
  Stream, attribute, commonState, construct, destroy, errorOrDestroy, failure, markOf, nextTick, undestroy,
} from "internal:stream_base";
import { Buffer } from "node:buffer";
import EventEmitter from "node:events";
import { StringDecoder } from "node:string_decoder";
import scripts from "native:scripts";

const { PromiseConstructor, ReflectApply, defineProperty, setPrototypeOf, uncurryThis } = scripts.primordials;
const { from: bufferFrom, allocUnsafe } = Buffer;
const stringSlice = uncurryThis(String.prototype.slice);
const bytesSlice = uncurryThis(Buffer.prototype.subarray);
const bytesSet = uncurryThis(Buffer.prototype.set);
const bytesToString = uncurryThis(Buffer.prototype.toString);
const NumberParseInt = Number.parseInt;
const { isInteger } = Number;

export function ReadableState(options, stream, isOfDuplex) {
  const isDuplex = isOfDuplex ?? stream?._writableState !== undefined;
  this.objectMode = !!(options && options.objectMode) || !!(isDuplex && options && options.readableObjectMode);
  this.highWaterMark = markOf(options, this.objectMode, "readableHighWaterMark", isDuplex);
  this.buffer = [];
  this.bufferIndex = 0;
  this.length = 0;
  this.pipes = [];
  this.awaitDrainWriters = null;
  const common = commonState(options);
  for (const name in common) this[name] = common[name];
  this.flowing = null;
  this.ended = this.endEmitted = this.reading = this.needReadable = this.emittedReadable = false;
  this.readableListening = this.resumeScheduled = this.readingMore = this.dataEmitted = this.multiAwaitDrain = false;
  this.sync = true;
  this.isPausedByCall = null;
  this.defaultEncoding = options?.defaultEncoding || "utf8";
  this.decoder = this.encoding = null;
  if (options?.encoding) {
    this.decoder = new StringDecoder(options.encoding);
    this.encoding = options.encoding;
  }
}
defineProperty(ReadableState.prototype, "pipesCount", attribute(function get() { return this.pipes.length; }));
defineProperty(ReadableState.prototype, "paused", attribute(
  function get() { return this.isPausedByCall === true; },
  function set(value) { this.isPausedByCall = !!value; },
));

export const whenReadable = (stream) => () => {
  if (stream._readableState.needReadable) readMore(stream, stream._readableState);
};

export function Readable(options) {
  if (!(this instanceof Readable)) return new Readable(options);
  this._events ??= { __proto__: null };
  this._readableState = new ReadableState(options, this, false);
  takeOptions(this, options, ["read", "destroy", "construct"]);
  if (options?.signal) addAbortSignal(options.signal, this);
  ReflectApply(Stream, this, [options]);
  construct(this, whenReadable(this));
}
setPrototypeOf(Readable.prototype, Stream.prototype);
setPrototypeOf(Readable, Stream);
Readable.ReadableState = ReadableState;

// ------------------------------------------------------------------------------------------------------- the buffer

const compact = (state) => {
  const { buffer, bufferIndex } = state;
  if (bufferIndex === buffer.length) state.buffer = [];
  else if (bufferIndex > 1024) {
    const rest = [];
    for (let i = bufferIndex; i < buffer.length; i++) rest[rest.length] = buffer[i];
    state.buffer = rest;
  } else return;
  state.bufferIndex = 0;
};
const shift = (state) => {
  const first = state.buffer[state.bufferIndex];
  state.buffer[state.bufferIndex++] = null;
  compact(state);
  return first;
};
const unshift = (state, chunk) => {
  if (state.bufferIndex > 0) state.buffer[--state.bufferIndex] = chunk;
  else {
    for (let i = state.buffer.length; i > 0; i--) state.buffer[i] = state.buffer[i - 1];
    state.buffer[0] = chunk;
  }
};
const joined = (state, count) => {
  if (state.decoder) {
    let text = "";
    while (text.length < count) {
      const chunk = shift(state);
      const rest = count - text.length;
      if (chunk.length > rest) {
        text += stringSlice(chunk, 0, rest);
        unshift(state, stringSlice(chunk, rest));
      } else text += chunk;
    }
    return text;
  }
  const first = state.buffer[state.bufferIndex];
  if (first.length === count) return shift(state);
  if (first.length > count) {
    state.buffer[state.bufferIndex] = bytesSlice(first, count);
    return bytesSlice(first, 0, count);
  }
  const bytes = allocUnsafe(count);
  let done = 0;
  while (done < count) {
    const chunk = shift(state);
    const rest = count - done;
    if (chunk.length > rest) {
      bytesSet(bytes, bytesSlice(chunk, 0, rest), done);
      unshift(state, bytesSlice(chunk, rest));
      done = count;
    } else {
      bytesSet(bytes, chunk, done);
      done += chunk.length;
    }
  }
  return bytes;
};
export function fromList(n, state) {
  if (state.length === 0) return null;
  if (state.objectMode) return shift(state);
  return joined(state, !n || n >= state.length ? state.length : n);
}
Readable._fromList = fromList;

// ---------------------------------------------------------------------------------------------------- what is pushed

const add = (stream, given, givenEncoding, isFront) => {
  const state = stream._readableState;
  let chunk = given;
  let encoding = givenEncoding;
  if (!state.objectMode) {
    if (typeof chunk === "string") {
      encoding = encoding || state.defaultEncoding;
      if (state.encoding !== encoding) {
        if (isFront && state.encoding) chunk = bytesToString(bufferFrom(chunk, encoding), state.encoding);
        else {
          chunk = bufferFrom(chunk, encoding);
          encoding = "";
        }
      }
    } else if (chunk !== null && chunk !== undefined) {
      const bytes = asBuffer(chunk);
      if (bytes === undefined) {
        errorOrDestroy(stream, invalidChunk(chunk));
        return false;
      }
      chunk = bytes;
      encoding = "";
    }
  }
  if (chunk === null) {
    state.reading = false;
    endOfChunks(stream, state);
    return false;
  }
  if (!state.objectMode && (chunk === undefined || chunk.length === 0)) {
    if (!isFront) {
      state.reading = false;
      readMore(stream, state);
    }
  } else if (isFront) {
    if (state.endEmitted) errorOrDestroy(stream, failure("ERR_STREAM_UNSHIFT_AFTER_END_EVENT", "stream.unshift() after end event"));
    else if (state.destroyed || state.errored) return false;
    else addChunk(stream, state, chunk, true);
  } else if (state.ended) errorOrDestroy(stream, failure("ERR_STREAM_PUSH_AFTER_EOF", "stream.push() after EOF"));
  else if (state.destroyed || state.errored) return false;
  else {
    state.reading = false;
    if (state.decoder && !encoding) {
      chunk = state.decoder.write(chunk);
      if (state.objectMode || chunk.length !== 0) addChunk(stream, state, chunk, false);
      else readMore(stream, state);
    } else addChunk(stream, state, chunk, false);
  }
  return !state.ended && (state.length < state.highWaterMark || state.length === 0);
};

const addChunk = (stream, state, chunk, isFront) => {
  if (state.flowing && state.length === 0 && !state.sync && stream.listenerCount("data") > 0) {
    state.awaitDrainWriters = null;
    state.dataEmitted = true;
    stream.emit("data", chunk);
  } else {
    state.length += state.objectMode ? 1 : chunk.length;
    if (isFront) unshift(state, chunk);
    else state.buffer[state.buffer.length] = chunk;
    if (state.needReadable) emitReadable(stream);
  }
  readMore(stream, state);
};

const endOfChunks = (stream, state) => {
  if (state.ended) return;
  if (state.decoder) {
    const rest = state.decoder.end();
    if (rest && rest.length > 0) {
      state.buffer[state.buffer.length] = rest;
      state.length += state.objectMode ? 1 : rest.length;
    }
  }
  state.ended = true;
  if (state.sync) emitReadable(stream);
  else {
    state.needReadable = false;
    state.emittedReadable = true;
    emitReadableNow(stream);
  }
};

const emitReadable = (stream) => {
  const state = stream._readableState;
  state.needReadable = false;
  if (state.emittedReadable) return;
  state.emittedReadable = true;
  nextTick(emitReadableNow, stream);
};
const emitReadableNow = (stream) => {
  const state = stream._readableState;
  if (!state.destroyed && !state.errored && (state.length > 0 || state.ended)) {
    stream.emit("readable");
    state.emittedReadable = false;
  }
  state.needReadable = !state.flowing && !state.ended && state.length <= state.highWaterMark;
  flow(stream);
};

const readMore = (stream, state) => {
  if (state.readingMore || !state.constructed) return;
  state.readingMore = true;
  nextTick(() => {
    while (!state.reading && !state.ended && (state.length < state.highWaterMark || (state.flowing && state.length === 0))) {
      const before = state.length;
      stream.read(0);
      if (before === state.length) break;
    }
    state.readingMore = false;
  });
};

// --------------------------------------------------------------------------------------------------------- and read

const MOST = 0x40000000;
const nextPower = (n) => {
  if (n > MOST) throw outOfRange("size", "<= 1GiB", n);
  let power = 1;
  while (power < n) power *= 2;
  return power;
};
const countToRead = (n, state) => {
  if (n <= 0 || (state.length === 0 && state.ended)) return 0;
  if (state.objectMode) return 1;
  if (n !== n) return state.flowing && state.length > 0 ? state.buffer[state.bufferIndex].length : state.length;
  if (n <= state.length) return n;
  return state.ended ? state.length : 0;
};

const readFrom = (stream, size) => {
  const state = stream._readableState;
  let n = size;
  if (n === undefined) n = NaN;
  else if (!isInteger(n)) n = NumberParseInt(n, 10);
  const wanted = n;
  if (n > state.highWaterMark) state.highWaterMark = nextPower(n);
  if (n !== 0) state.emittedReadable = false;
  if (
    n === 0 && state.needReadable &&
    ((state.highWaterMark !== 0 ? state.length >= state.highWaterMark : state.length > 0) || state.ended)
  ) {
    if (state.length === 0 && state.ended) endReadable(stream);
    else emitReadable(stream);
    return null;
  }
  n = countToRead(n, state);
  if (n === 0 && state.ended) {
    if (state.length === 0) endReadable(stream);
    return null;
  }
  const doRead = state.needReadable || state.length === 0 || state.length - n < state.highWaterMark;
  if (doRead && !state.ended && !state.reading && !state.destroyed && !state.errored && state.constructed) {
    state.reading = true;
    state.sync = true;
    if (state.length === 0) state.needReadable = true;
    try {
      stream._read(state.highWaterMark);
    } catch (error) {
      errorOrDestroy(stream, error);
    }
    state.sync = false;
    if (!state.reading) n = countToRead(wanted, state);
  }
  const given = n > 0 ? fromList(n, state) : null;
  if (given === null) {
    state.needReadable = state.length <= state.highWaterMark;
    n = 0;
  } else {
    state.length -= n;
    state.awaitDrainWriters = null;
  }
  if (state.length === 0) {
    if (!state.ended) state.needReadable = true;
    if (wanted !== n && state.ended) endReadable(stream);
  }
  if (given !== null && !state.errorEmitted && !state.closeEmitted) {
    state.dataEmitted = true;
    stream.emit("data", given);
  }
  return given;
};

const endReadable = (stream) => {
  const state = stream._readableState;
  if (state.endEmitted) return;
  state.ended = true;
  nextTick(() => {
    if (state.errored || state.closeEmitted || state.endEmitted || state.length !== 0) return;
    state.endEmitted = true;
    stream.emit("end");
    if (stream.writable && stream.allowHalfOpen === false) {
      nextTick(() => {
        if (stream.writable && !stream.writableEnded && !stream.destroyed) stream.end();
      });
    } else if (state.autoDestroy) {
      const w = stream._writableState;
      if (!w || (w.autoDestroy && (w.finished || w.writable === false))) stream.destroy();
    }
  });
};

// ------------------------------------------------------------------------------------------------------ flowing or not

const flow = (stream) => {
  const state = stream._readableState;
  while (state.flowing && stream.read() !== null);
};
const resume = (stream, state) => {
  if (state.resumeScheduled) return;
  state.resumeScheduled = true;
  nextTick(() => {
    if (!state.reading) stream.read(0);
    state.resumeScheduled = false;
    stream.emit("resume");
    flow(stream);
    if (state.flowing && !state.reading) stream.read(0);
  });
};
const updateListening = (stream) => {
  const state = stream._readableState;
  state.readableListening = stream.listenerCount("readable") > 0;
  if (state.resumeScheduled && !state.paused) state.flowing = true;
  else if (stream.listenerCount("data") > 0) stream.resume();
  else if (!state.readableListening) state.flowing = null;
};

const addDrainWriter = (state, writer) => {
  const list = state.awaitDrainWriters ?? (state.awaitDrainWriters = []);
  for (let i = 0; i < list.length; i++) if (list[i] === writer) return;
  list[list.length] = writer;
};
const removeFrom = (list, item) => {
  for (let i = 0; i < list.length; i++) {
    if (list[i] !== item) continue;
    for (let j = i; j + 1 < list.length; j++) list[j] = list[j + 1];
    list.length--;
    return true;
  }
  return false;
};

const pipeTo = (source, destination, options) => {
  const state = source._readableState;
  state.pipes[state.pipes.length] = destination;
  const doEnd = (!options || options.end !== false) && !destination._isStdio;
  const atEnd = doEnd ? () => destination.end() : unpipe;
  if (state.endEmitted) nextTick(atEnd);
  else source.once("end", atEnd);
  let onDrain;
  let isCleanedUp = false;
  destination.on("unpipe", onUnpipe);
  function onUnpipe(from, info) {
    if (from === source && info && info.hasUnpiped === false) {
      info.hasUnpiped = true;
      cleanUp();
    }
  }
  function cleanUp() {
    destination.removeListener("close", onClose);
    destination.removeListener("finish", onFinish);
    if (onDrain) destination.removeListener("drain", onDrain);
    destination.removeListener("error", onError);
    destination.removeListener("unpipe", onUnpipe);
    source.removeListener("end", atEnd);
    source.removeListener("end", unpipe);
    source.removeListener("data", onData);
    isCleanedUp = true;
    if (onDrain && state.awaitDrainWriters && (!destination._writableState || destination._writableState.needDrain)) onDrain();
  }
  function pause() {
    if (!isCleanedUp) {
      let isPiped = false;
      for (let i = 0; i < state.pipes.length; i++) if (state.pipes[i] === destination) isPiped = true;
      if (isPiped) addDrainWriter(state, destination);
      source.pause();
    }
    if (!onDrain) {
      onDrain = () => {
        if (state.awaitDrainWriters) removeFrom(state.awaitDrainWriters, destination);
        if ((!state.awaitDrainWriters || state.awaitDrainWriters.length === 0) && source.listenerCount("data") > 0) source.resume();
      };
      destination.on("drain", onDrain);
    }
  }
  function onData(chunk) {
    if (destination.write(chunk) === false) pause();
  }
  source.on("data", onData);
  function onError(error) {
    unpipe();
    destination.removeListener("error", onError);
    if (destination.listenerCount("error") !== 0) return;
    const w = destination._writableState || destination._readableState;
    if (w && !w.errorEmitted) errorOrDestroy(destination, error);
    else destination.emit("error", error);
  }
  destination.prependListener("error", onError);
  function onClose() {
    destination.removeListener("finish", onFinish);
    unpipe();
  }
  destination.once("close", onClose);
  function onFinish() {
    destination.removeListener("close", onClose);
    unpipe();
  }
  destination.once("finish", onFinish);
  function unpipe() {
    source.unpipe(destination);
  }
  destination.emit("pipe", source);
  if (destination.writableNeedDrain === true) pause();
  else if (!state.flowing) source.resume();
  return destination;
};

// ------------------------------------------------------------------------------------------------------- the members

const members = {
  destroy,
  _undestroy: undestroy,
  _destroy(error, callback) {
    callback(error);
  },
  push(chunk, encoding) {
    return add(this, chunk, encoding, false);
  },
  unshift(chunk, encoding) {
    return add(this, chunk, encoding, true);
  },
  isPaused() {
    const state = this._readableState;
    return state.isPausedByCall === true || state.flowing === false;
  },
  setEncoding(encoding) {
    const decoder = new StringDecoder(encoding);
    const state = this._readableState;
    state.decoder = decoder;
    state.encoding = decoder.encoding;
    let content = "";
    for (let i = state.bufferIndex; i < state.buffer.length; i++) content += decoder.write(state.buffer[i]);
    state.buffer = content === "" ? [] : [content];
    state.bufferIndex = 0;
    state.length = content.length;
    return this;
  },
  read(n) {
    return readFrom(this, n);
  },
  _read(n) {
    throw failure("ERR_METHOD_NOT_IMPLEMENTED", "The _read() method is not implemented");
  },
  pipe(destination, options) {
    return pipeTo(this, destination, options);
  },
  unpipe(destination) {
    const state = this._readableState;
    if (state.pipes.length === 0) return this;
    if (!destination) {
      const list = state.pipes;
      state.pipes = [];
      this.pause();
      for (let i = 0; i < list.length; i++) list[i].emit("unpipe", this, { hasUnpiped: false });
      return this;
    }
    if (!removeFrom(state.pipes, destination)) return this;
    if (state.pipes.length === 0) this.pause();
    destination.emit("unpipe", this, { hasUnpiped: false });
    return this;
  },
  on(event, listener) {
    const result = ReflectApply(Stream.prototype.on, this, [event, listener]);
    const state = this._readableState;
    if (event === "data") {
      state.readableListening = this.listenerCount("readable") > 0;
      if (state.flowing !== false) this.resume();
    } else if (event === "readable" && !state.endEmitted && !state.readableListening) {
      state.readableListening = state.needReadable = true;
      state.flowing = false;
      state.emittedReadable = false;
      if (state.length > 0) emitReadable(this);
      else if (!state.reading) nextTick(() => this.read(0));
    }
    return result;
  },
  addListener: undefined,
  removeListener(event, listener) {
    const result = ReflectApply(Stream.prototype.removeListener, this, [event, listener]);
    if (event === "readable") nextTick(updateListening, this);
    return result;
  },
  off: undefined,
  removeAllListeners(event) {
    const result = ReflectApply(Stream.prototype.removeAllListeners, this, arguments);
    if (event === "readable" || event === undefined) nextTick(updateListening, this);
    return result;
  },
  resume() {
    const state = this._readableState;
    if (!state.flowing) {
      state.flowing = !state.readableListening;
      resume(this, state);
    }
    state.isPausedByCall = false;
    return this;
  },
  pause() {
    const state = this._readableState;
    if (state.flowing !== false) {
      state.flowing = false;
      this.emit("pause");
    }
    state.isPausedByCall = true;
    return this;
  },
  wrap(stream) {
    let isPaused = false;
    stream.on("data", (chunk) => {
      if (!this.push(chunk) && stream.pause) {
        isPaused = true;
        stream.pause();
      }
    });
    stream.on("end", () => this.push(null));
    stream.on("error", (error) => errorOrDestroy(this, error));
    stream.on("close", () => this.destroy());
    stream.on("destroy", () => this.destroy());
    this._read = () => {
      if (isPaused && stream.resume) {
        isPaused = false;
        stream.resume();
      }
    };
    for (const name in stream) {
      if (this[name] === undefined && typeof stream[name] === "function") this[name] = (...args) => ReflectApply(stream[name], stream, args);
    }
    return this;
  },
  iterator(options) {
    if (options !== undefined) validateObject(options, "options");
    return iterate(this, options);
  },
  compose(stream, options) {
    return composeWith(this, stream, options);
  },
};
members.addListener = members.on;
members.off = members.removeListener;
for (const name in members) Readable.prototype[name] = members[name];
Readable.prototype[EventEmitter.captureRejectionSymbol] = (() => function (error) {
  this.destroy(error);
})();

/** An iterator of what is read; who stops has the stream destroyed, unless the options say otherwise. */
export async function* iterate(stream, options) {
  let wake = () => {};
  const next = function (resolve) {
    if (this === stream) {
      wake();
      wake = () => {};
    } else wake = resolve;
  };
  stream.on("readable", next);
  let failed;
  const cleanUp = finished(stream, { writable: false }, (error) => {
    failed = error ?? null;
    wake();
    wake = () => {};
  });
  try {
    for (;;) {
      const chunk = stream.destroyed ? null : stream.read();
      if (chunk !== null) yield chunk;
      else if (failed) throw failed;
      else if (failed === null) return;
      else await new PromiseConstructor(next);
    }
  } catch (error) {
    failed = failed ?? error;
    throw failed;
  } finally {
    if ((failed || options?.destroyOnReturn !== false) && (failed === undefined || stream._readableState?.autoDestroy)) {
      destroyStream(stream, null);
    } else {
      stream.removeListener("readable", next);
      cleanUp();
    }
  }
}
Readable.prototype[Symbol.asyncIterator] = (() => function () {
  return iterate(this);
})();

const attributes = {
  __proto__: null,
  readable: attribute(function () {
    const r = this._readableState;
    return !!r && r.readable !== false && !r.destroyed && !r.errorEmitted && !r.endEmitted;
  }, function (value) {
    if (this._readableState) this._readableState.readable = !!value;
  }),
  readableDidRead: attribute(function () { return this._readableState.dataEmitted; }),
  readableAborted: attribute(function () {
    const r = this._readableState;
    return !!(r.readable !== false && (r.destroyed || r.errored) && !r.endEmitted);
  }),
  readableHighWaterMark: attribute(function () { return this._readableState.highWaterMark; }),
  readableBuffer: attribute(function () { return this._readableState?.buffer; }),
  readableFlowing: attribute(function () { return this._readableState.flowing; }, function (value) {
    if (this._readableState) this._readableState.flowing = value;
  }),
  readableLength: attribute(function () { return this._readableState.length; }),
  readableObjectMode: attribute(function () { return this._readableState ? this._readableState.objectMode : false; }),
  readableEncoding: attribute(function () { return this._readableState ? this._readableState.encoding : null; }),
  errored: attribute(function () { return this._readableState ? this._readableState.errored : null; }),
  closed: attribute(function () { return this._readableState ? this._readableState.closed : false; }),
  destroyed: attribute(function () { return this._readableState ? this._readableState.destroyed : false; }, function (value) {
    if (this._readableState) this._readableState.destroyed = value;
  }),
  readableEnded: attribute(function () { return this._readableState ? this._readableState.endEmitted : false; }),
};
for (const name in attributes) defineProperty(Readable.prototype, name, attributes[name]);
for (const name in operators) {
  Readable.prototype[name] = operators[name];
}
if (Symbol.asyncDispose) Readable.prototype[Symbol.asyncDispose] = (() => function () {
  let error = null;
  if (!this.destroyed) {
    error = this.readableEnded ? null : abortError();
    this.destroy(error);
  }
  return disposed(this, error);
})();

Readable.from = (() => function (iterable, options) {
  return fromIterable(Readable, iterable, options);
})();
Readable.fromWeb = readableFromWeb;
Readable.toWeb = readableToWeb;
Readable.wrap = function wrap(source, options) {
  return new Readable({
    objectMode: source.readableObjectMode ?? source.objectMode ?? true,
    ...options,
    destroy(error, callback) {
      if (typeof source.destroy === "function") source.destroy(error);
      callback(error);
    },
  }).wrap(source);
};
