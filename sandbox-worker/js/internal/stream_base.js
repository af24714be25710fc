// What the streams of node:stream share: the oldest class, how one is constructed, fails and is destroyed, and their marks.
import { classed, coded, invalidArgValue, validateInteger } from "internal:node_errors";
import EventEmitter from "node:events";
import scripts from "native:scripts";

const { ErrorConstructor, ReflectApply, setPrototypeOf } = scripts.primordials;
const { queueMicrotask } = globalThis;
const BaseTypeError = TypeError;
const BaseAggregateError = AggregateError;
const { isInteger } = Number;

export const failure = (code, message) => classed(ErrorConstructor, code, message);
export const destroyedError = (method) =>
  failure("ERR_STREAM_DESTROYED", `Cannot call ${method} after a stream was destroyed`);
export const multipleCallback = () => failure("ERR_MULTIPLE_CALLBACK", "Callback called multiple times");
export const prematureClose = () => coded(BaseTypeError, "ERR_STREAM_PREMATURE_CLOSE", "Premature close");
export const missing = (message) => coded(BaseTypeError, "ERR_MISSING_ARGS", message);

/** As in the reference, the next tick is a microtask. */
export const nextTick = (run, ...args) => queueMicrotask(() => ReflectApply(run, undefined, args));

let bytesMark = 65536;
let objectsMark = 16;
export function getDefaultHighWaterMark(objectMode) {
  return objectMode ? objectsMark : bytesMark;
}
export function setDefaultHighWaterMark(objectMode, value) {
  validateInteger(value, "value", 0, Number.MAX_SAFE_INTEGER);
  if (objectMode) objectsMark = value;
  else bytesMark = value;
}
/** The mark of one side; `ofSide` is the option that a duplex has for it. */
export const markOf = (options, objectMode, ofSide, isDuplex) => {
  const name = isDuplex && options?.highWaterMark == null ? ofSide : "highWaterMark";
  const value = options?.[name];
  if (value == null) return getDefaultHighWaterMark(objectMode);
  if (!isInteger(value) || value < 0) throw invalidArgValue(`options.${name}`, value);
  return value;
};

// ------------------------------------------------------------------------------------------------- the oldest class

export function Stream(options) {
  ReflectApply(EventEmitter, this, [options]);
}
setPrototypeOf(Stream.prototype, EventEmitter.prototype);
setPrototypeOf(Stream, EventEmitter);

Stream.prototype.pipe = (() => function (destination, options) {
  const source = this;
  const onData = (chunk) => {
    if (destination.writable && destination.write(chunk) === false && source.pause) source.pause();
  };
  const onDrain = () => {
    if (source.readable && source.resume) source.resume();
  };
  let isOver = false;
  const onEnd = () => {
    if (isOver) return;
    isOver = true;
    destination.end();
  };
  const onClose = () => {
    if (isOver) return;
    isOver = true;
    if (typeof destination.destroy === "function") destination.destroy();
  };
  const onError = function (error) {
    cleanup();
    if (this.listenerCount("error") === 0) this.emit("error", error);
  };
  const listeners = [
    [source, "data", onData], [destination, "drain", onDrain], [source, "error", onError], [destination, "error", onError],
  ];
  if (!destination._isStdio && (!options || options.end !== false)) {
    listeners[listeners.length] = [source, "end", onEnd];
    listeners[listeners.length] = [source, "close", onClose];
  }
  const cleanup = () => {
    for (let i = 0; i < listeners.length; i++) listeners[i][0].removeListener(listeners[i][1], listeners[i][2]);
  };
  listeners[listeners.length] = [source, "end", cleanup];
  listeners[listeners.length] = [source, "close", cleanup];
  listeners[listeners.length] = [destination, "close", cleanup];
  for (let i = 0; i < listeners.length; i++) {
    const { 0: emitter, 1: event, 2: listener } = listeners[i];
    if (event === "error") emitter.prependListener(event, listener);
    else emitter.on(event, listener);
  }
  destination.emit("pipe", source);
  return destination;
})();

// ------------------------------------------------------------------------------------------ construction and the end

/** Of each state: what both sides have. */
export const commonState = (options) => ({
  constructed: true,
  errored: null,
  errorEmitted: false,
  emitClose: !options || options.emitClose !== false,
  autoDestroy: !options || options.autoDestroy !== false,
  destroyed: false,
  closed: false,
  closeEmitted: false,
});

const each = (stream, run) => {
  const { _readableState: r, _writableState: w } = stream;
  if (w) run(w);
  if (r) run(r);
};
const some = (stream, ask) => {
  const { _readableState: r, _writableState: w } = stream;
  return !!((w && ask(w)) || (r && ask(r)));
};

const waiting = new WeakMap();
const { get: mapGet, set: mapSet } = WeakMap.prototype;

/** Has `_construct` called in the next tick; `onConstructed` is called when that is done. */
export const construct = (stream, onConstructed) => {
  if (!stream._construct) return;
  each(stream, (state) => {
    state.constructed = false;
  });
  const list = ReflectApply(mapGet, waiting, [stream]);
  if (list !== undefined) {
    list[list.length] = onConstructed;
    return;
  }
  ReflectApply(mapSet, waiting, [stream, [onConstructed]]);
  nextTick(callConstruct, stream);
};
const callConstruct = (stream) => {
  let isCalled = false;
  const done = (error) => {
    if (isCalled) {
      errorOrDestroy(stream, error ?? multipleCallback());
      return;
    }
    isCalled = true;
    each(stream, (state) => {
      state.constructed = true;
    });
    const pending = stream._writableState ?? stream._readableState;
    const later = ReflectApply(mapGet, waiting, [stream]);
    if (some(stream, (state) => state.destroyed)) {
      pending.whenConstructed?.(error);
    } else if (error) errorOrDestroy(stream, error, true);
    else nextTick(() => { for (let i = 0; i < later.length; i++) later[i](); });
  };
  try {
    stream._construct((error) => nextTick(done, error));
  } catch (error) {
    nextTick(done, error);
  }
};

const note = (stream, error) => {
  if (!error) return;
  // The trace of a stack is made before it is lost.
  error.stack;
  each(stream, (state) => {
    if (!state.errored) state.errored = error;
  });
};

const emitError = (stream, error) => {
  if (some(stream, (state) => state.errorEmitted)) return;
  each(stream, (state) => {
    state.errorEmitted = true;
  });
  stream.emit("error", error);
};
const emitClose = (stream) => {
  each(stream, (state) => {
    state.closeEmitted = true;
  });
  if (some(stream, (state) => state.emitClose)) stream.emit("close");
};

const callDestroy = (stream, error, callback) => {
  let isCalled = false;
  const done = (reason) => {
    if (isCalled) return;
    isCalled = true;
    note(stream, reason);
    each(stream, (state) => {
      state.closed = true;
    });
    if (typeof callback === "function") callback(reason);
    nextTick(() => {
      if (reason) emitError(stream, reason);
      emitClose(stream);
    });
  };
  try {
    stream._destroy(error || null, done);
  } catch (reason) {
    done(reason);
  }
};

const both = (inner, outer) => {
  if (!inner || !outer || inner === outer) return inner || outer;
  const error = new BaseAggregateError([outer, inner], outer.message);
  error.code = outer.code;
  return error;
};

export function destroy(error, callback) {
  if (some(this, (state) => state.destroyed)) {
    if (typeof callback === "function") callback();
    return this;
  }
  note(this, error);
  each(this, (state) => {
    state.destroyed = true;
  });
  const state = this._writableState ?? this._readableState;
  if (!state) return this;
  if (state.constructed) callDestroy(this, error, callback);
  else state.whenConstructed = (reason) => callDestroy(this, both(reason, error), callback);
  return this;
}

/** Back to before it was destroyed. */
export function undestroy() {
  const { _readableState: r, _writableState: w } = this;
  each(this, (state) => {
    state.constructed = true;
    state.closed = state.closeEmitted = state.destroyed = state.errorEmitted = false;
    state.errored = null;
  });
  if (r) {
    r.reading = false;
    r.ended = r.endEmitted = r.readable === false;
  }
  if (w) {
    w.finalCalled = w.prefinished = false;
    w.ended = w.ending = w.finished = w.writable === false;
  }
}

export const errorOrDestroy = (stream, error, isLater) => {
  if (some(stream, (state) => state.destroyed)) return;
  if (some(stream, (state) => state.autoDestroy)) {
    stream.destroy(error);
    return;
  }
  if (!error) return;
  note(stream, error);
  if (isLater) nextTick(emitError, stream, error);
  else emitError(stream, error);
};

/** A getter, or an accessor, under its name. */
export const attribute = (get, set) => ({ __proto__: null, get, set });
