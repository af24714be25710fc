// How streams of node:stream end: finished, pipeline and compose, and what can be asked of one.
import {
  AbortError, coded, invalidArgType, invalidArgValue, validateAbortSignal, validateFunction, validateObject,
} from "internal:node_errors";
import { Stream, missing, nextTick, prematureClose } from "internal:stream_base";
import { Duplex, PassThrough } from "internal:stream_duplex";
import { iterate } from "internal:stream_readable";
import { duplexFrom } from "internal:stream_from";
import { duplexFromWeb, readableFromWeb, writableFromWeb } from "internal:stream_web";
import scripts from "native:scripts";

const { ArrayIsArray, PromiseConstructor, ReflectApply, isObject } = scripts.primordials;
const { AbortController, ReadableStream, TransformStream, WritableStream } = globalThis;
const BaseTypeError = TypeError;
const NOT_A_STREAM = "an instance of ReadableStream, WritableStream, or Stream";

export function abortError(cause) {
  return new AbortError(undefined, cause === undefined ? undefined : { cause });
}
export function disposed(stream, error) {
  return new PromiseConstructor((resolve, reject) => {
    finished(stream, (reason) => (reason && reason !== error ? reject(reason) : resolve(null)));
  });
}

// ------------------------------------------------------------------------------------------------ what can be asked

const isReadableNode = (stream) => !!(
  stream && typeof stream.pipe === "function" && typeof stream.on === "function" &&
  (!stream._writableState || stream._readableState?.readable !== false) && (!stream._writableState || stream._readableState)
);
const isWritableNode = (stream) => !!(
  stream && typeof stream.write === "function" && typeof stream.on === "function" &&
  (!stream._readableState || stream._writableState?.writable !== false)
);
export function isNodeStream(stream) {
  return !!(stream && (
    stream._readableState || stream._writableState ||
    (typeof stream.write === "function" && typeof stream.on === "function") ||
    (typeof stream.pipe === "function" && typeof stream.on === "function")
  ));
}
export function isIterable(value, isAsync) {
  if (value === undefined || value === null) return false;
  if (isAsync === true) return typeof value[Symbol.asyncIterator] === "function";
  if (isAsync === false) return typeof value[Symbol.iterator] === "function";
  return typeof value[Symbol.asyncIterator] === "function" || typeof value[Symbol.iterator] === "function";
}
const isReadableWeb = (value) => isObject(value) && value instanceof ReadableStream;
const isWritableWeb = (value) => isObject(value) && value instanceof WritableStream;
const isTransformWeb = (value) => isObject(value) && value instanceof TransformStream;
export function isWebStream(value) {
  return isReadableWeb(value) || isWritableWeb(value) || isTransformWeb(value);
}

/** One of ours in its place, which leaves chunks as they are. */
const fromWeb = (stream) => {
  if (isTransformWeb(stream)) return duplexFromWeb({ readable: stream.readable, writable: stream.writable }, { objectMode: true });
  return isWritableWeb(stream) ? writableFromWeb(stream, { objectMode: true }) : readableFromWeb(stream, { objectMode: true });
};

export function isDestroyed(stream) {
  if (!isNodeStream(stream)) return null;
  const state = stream._writableState || stream._readableState;
  return !!(stream.destroyed || state?.destroyed);
}
const writableFinished = (stream, isStrict) => {
  if (!isWritableNode(stream)) return null;
  if (stream.writableFinished === true) return true;
  const w = stream._writableState;
  if (w?.errored) return false;
  if (typeof w?.finished !== "boolean") return null;
  return !!(w.finished || (isStrict === false && w.ended === true && w.length === 0));
};
const readableFinished = (stream, isStrict) => {
  if (!isReadableNode(stream)) return null;
  const r = stream._readableState;
  if (r?.errored) return false;
  if (typeof r?.endEmitted !== "boolean") return null;
  return !!(r.endEmitted || (isStrict === false && r.ended === true && r.length === 0));
};
export function isReadable(stream) {
  if (typeof stream?.readable !== "boolean") return null;
  if (isDestroyed(stream)) return false;
  return isReadableNode(stream) && stream.readable && !readableFinished(stream);
}
export function isWritable(stream) {
  if (typeof stream?.writable !== "boolean") return null;
  if (isDestroyed(stream)) return false;
  return isWritableNode(stream) && stream.writable && !(stream.writableEnded === true || stream._writableState?.ended);
}
export function isErrored(stream) {
  return !!(stream && (
    stream.readableErrored ?? stream.writableErrored ?? stream._readableState?.errorEmitted ??
    stream._writableState?.errorEmitted ?? stream._readableState?.errored ?? stream._writableState?.errored
  ) || (stream?._readableState?.errored || stream?._writableState?.errored));
}
export function isDisturbed(stream) {
  return !!(stream && (stream.readableDidRead || stream.readableAborted));
}
const isClosed = (stream) => {
  const { _writableState: w, _readableState: r } = stream;
  if (typeof w?.closed === "boolean" || typeof r?.closed === "boolean") return !!(w?.closed || r?.closed);
  return typeof stream._closed === "boolean" ? stream._closed : null;
};
const willEmitClose = (stream) => {
  const state = stream._writableState || stream._readableState;
  return !!(state && state.autoDestroy && state.emitClose && state.closed === false);
};

export function destroyStream(stream, error) {
  if (!stream || isDestroyed(stream)) return stream;
  const reason = !error && !isEnded(stream) ? new AbortError() : error;
  if (typeof stream.destroy === "function") stream.destroy(reason);
  else if (typeof stream.close === "function") stream.close();
  if (!stream.destroyed) stream._destroyed = true;
  return stream;
}
const isEnded = (stream) => {
  if (isDestroyed(stream)) return true;
  if (isReadable(stream)) return false;
  return !isWritable(stream);
};

export function addAbortSignal(signal, stream) {
  if (!isObject(signal) || !("aborted" in signal)) throw invalidArgType("signal", "an instance of AbortSignal", signal);
  if (!isNodeStream(stream) && !isWebStream(stream) && !(stream instanceof Stream)) throw invalidArgType("stream", NOT_A_STREAM, stream);
  const onAbort = () => stream.destroy(abortError(signal.reason));
  if (signal.aborted) onAbort();
  else {
    signal.addEventListener("abort", onAbort, { __proto__: null, once: true });
    finished(stream, () => signal.removeEventListener("abort", onAbort));
  }
  return stream;
}

// ---------------------------------------------------------------------------------------------------------- finished

export function finished(stream, options, callback) {
  let settings = options;
  let then = callback;
  if (arguments.length === 2) {
    then = options;
    settings = {};
  } else if (settings == null) settings = {};
  else validateObject(settings, "options");
  validateFunction(then, "callback");
  validateAbortSignal(settings.signal, "options.signal");
  if (!isNodeStream(stream)) throw invalidArgType("stream", NOT_A_STREAM, stream);
  let isOver = false;
  const done = (...args) => {
    if (isOver) return;
    isOver = true;
    if (settings.signal) settings.signal.removeEventListener("abort", onAbort);
    ReflectApply(then, stream, args);
  };
  const readable = settings.readable ?? isReadableNode(stream);
  const writable = settings.writable ?? isWritableNode(stream);
  const { _writableState: w, _readableState: r } = stream;
  let isCloseComing = willEmitClose(stream) && isReadableNode(stream) === readable && isWritableNode(stream) === writable;
  let isWritten = writableFinished(stream, false);
  let isRead = readableFinished(stream, false);
  const onFinish = () => {
    isWritten = true;
    if (stream.destroyed) isCloseComing = false;
    if (isCloseComing && (!stream.writable || readable)) return;
    if (!readable || isRead) done();
  };
  const onEnd = () => {
    isRead = true;
    if (stream.destroyed) isCloseComing = false;
    if (isCloseComing && (!stream.readable || writable)) return;
    if (!writable || isWritten) done();
  };
  const onError = (error) => done(error);
  const errorOf = () => w?.errored || r?.errored;
  const onClose = () => {
    const error = errorOf();
    if (error && typeof error !== "boolean") done(error);
    else if (readable && !isRead && isReadableNode(stream) && !readableFinished(stream, false)) done(prematureClose());
    else if (writable && !isWritten && !writableFinished(stream, false)) done(prematureClose());
    else done();
  };
  const onClosed = () => {
    const error = errorOf();
    if (error && typeof error !== "boolean") done(error);
    else done();
  };
  const onAbort = () => {
    if (isOver) return;
    const error = abortError(settings.signal.reason);
    cleanUp();
    ReflectApply(then, stream, [error]);
  };
  const listeners = [["end", onEnd], ["finish", onFinish], ["close", onClose]];
  if (settings.error !== false) listeners[listeners.length] = ["error", onError];
  for (let i = 0; i < listeners.length; i++) stream.on(listeners[i][0], listeners[i][1]);
  const cleanUp = () => {
    isOver = true;
    for (let i = 0; i < listeners.length; i++) stream.removeListener(listeners[i][0], listeners[i][1]);
  };
  if (isClosed(stream)) nextTick(onClose);
  else if (w?.errorEmitted || r?.errorEmitted) {
    if (!isCloseComing) nextTick(onClosed);
  } else if (
    (!readable && (!isCloseComing || isReadable(stream)) && (isWritten || isWritable(stream) === false)) ||
    (!writable && (!isCloseComing || isWritable(stream)) && (isRead || isReadable(stream) === false))
  ) nextTick(onClosed);
  if (settings.signal) {
    if (settings.signal.aborted) nextTick(onAbort);
    else settings.signal.addEventListener("abort", onAbort, { __proto__: null, once: true });
  }
  return cleanUp;
}

// ---------------------------------------------------------------------------------------------------------- pipeline

const invalidReturn = (expected, name, value) =>
  coded(BaseTypeError, "ERR_INVALID_RETURN_VALUE", `Expected ${expected} to be returned from the "${name}" function but got ${
    isObject(value) && value.constructor?.name ? `an instance of ${value.constructor.name}` : `type ${typeof value} (${value})`}.`);

const asIterable = (value) => {
  if (isIterable(value)) return value;
  if (isReadableNode(value)) return iterate(value);
  throw invalidArgType("val", "an instance of Readable, Iterable, or AsyncIterable", value);
};

const pump = async (iterable, writable, finish, doEnd) => {
  let failed;
  let wake = null;
  const resume = (error) => {
    if (error) failed = error;
    if (wake) {
      const run = wake;
      wake = null;
      run();
    }
  };
  const wait = () => new PromiseConstructor((resolve, reject) => {
    if (failed) reject(failed);
    else wake = () => (failed ? reject(failed) : resolve());
  });
  writable.on("drain", resume);
  const cleanUp = finished(writable, { readable: false }, resume);
  try {
    if (writable.writableNeedDrain) await wait();
    for await (const chunk of iterable) if (!writable.write(chunk)) await wait();
    if (doEnd) {
      writable.end();
      await wait();
    }
    finish();
  } catch (error) {
    finish(failed !== undefined && failed !== error ? failed : error);
  } finally {
    cleanUp();
    writable.removeListener("drain", resume);
  }
};

const join = (source, destination, finish, fail, doEnd) => {
  let isEnding = false;
  destination.on("close", () => {
    if (!isEnding) fail(prematureClose());
  });
  source.pipe(destination, { end: false });
  if (doEnd) {
    const end = () => {
      isEnding = true;
      destination.end();
    };
    if (readableFinished(source)) nextTick(end);
    else source.once("end", end);
  } else finish();
  finished(source, { readable: true, writable: false }, (error) => {
    const r = source._readableState;
    if (error && error.code === "ERR_STREAM_PREMATURE_CLOSE" && r?.ended && !r.errored && !r.errorEmitted) {
      source.once("end", finish).once("error", finish);
    } else finish(error);
  });
  return finished(destination, { readable: false, writable: true }, finish);
};

const destroyer = (stream, reading, writing) => {
  let isOver = false;
  stream.on("close", () => {
    isOver = true;
  });
  const cleanUp = finished(stream, { readable: reading, writable: writing }, (error) => {
    isOver = !error;
  });
  return {
    destroy(error) {
      if (isOver) return;
      isOver = true;
      destroyStream(stream, error || coded(BaseTypeError, "ERR_STREAM_DESTROYED", "Cannot call pipe after a stream was destroyed"));
    },
    cleanUp,
  };
};

export function pipeline(...given) {
  let callback = given[given.length - 1];
  if (typeof callback !== "function") throw invalidArgType("streams[stream.length - 1]", "of type function", callback);
  given.length--;
  let isCalled = false;
  const once = (...args) => {
    if (isCalled) return;
    isCalled = true;
    ReflectApply(callback, undefined, args);
  };
  return runPipeline(given, once);
}

export function runPipeline(given, callback, options = {}) {
  const streams = given.length === 1 && ArrayIsArray(given[0]) ? given[0] : given;
  if (streams.length < 2) throw missing('The "streams" argument must be specified');
  const controller = new AbortController();
  const { signal } = controller;
  const outer = options.signal;
  const lastCleanUp = [];
  validateAbortSignal(outer, "options.signal");
  const onAbort = () => finishAll(abortError(outer.reason), false);
  if (outer) {
    if (outer.aborted) nextTick(onAbort);
    else outer.addEventListener("abort", onAbort, { __proto__: null, once: true });
  }
  let failed;
  let value;
  const destroys = [];
  let count = 0;
  const finish = (error) => finishAll(error, --count === 0);
  const finishAll = (error, isFinal) => {
    if (error && (!failed || failed.code === "ERR_STREAM_PREMATURE_CLOSE")) failed = error;
    if (!failed && !isFinal) return;
    const list = [];
    for (let i = 0; i < destroys.length; i++) list[i] = destroys[i];
    destroys.length = 0;
    for (let i = 0; i < list.length; i++) list[i](failed);
    if (outer) outer.removeEventListener("abort", onAbort);
    controller.abort();
    if (!isFinal) return;
    if (!failed) for (let i = 0; i < lastCleanUp.length; i++) lastCleanUp[i]();
    nextTick(callback, failed, value);
  };
  let last;
  for (let i = 0; i < streams.length; i++) {
    // One of the Streams Standard behind another is one of ours from here on.
    const stream = i > 0 && isWebStream(streams[i]) ? fromWeb(streams[i]) : streams[i];
    const reading = i < streams.length - 1;
    const writing = i > 0;
    const doEnd = reading || options.end !== false;
    const isLast = i === streams.length - 1;
    if (isNodeStream(stream)) {
      if (doEnd) {
        const { destroy, cleanUp } = destroyer(stream, reading, writing);
        destroys[destroys.length] = destroy;
        if (isReadable(stream) && isLast) lastCleanUp[lastCleanUp.length] = cleanUp;
      }
      const onError = (error) => {
        if (error && error.name !== "AbortError" && error.code !== "ERR_STREAM_PREMATURE_CLOSE") finishAll(error, false);
      };
      stream.on("error", onError);
      if (isReadable(stream) && isLast) lastCleanUp[lastCleanUp.length] = () => stream.removeListener("error", onError);
    }
    if (i === 0) {
      if (typeof stream === "function") {
        last = stream({ signal });
        if (!isIterable(last)) throw invalidReturn("Iterable, AsyncIterable or Stream", "source", last);
      } else if (isIterable(stream) || isReadableWeb(stream)) last = stream;
      else last = duplexFrom(stream);
    } else if (typeof stream === "function") {
      last = stream(asIterable(last), { signal });
      if (reading) {
        if (!isIterable(last, true)) throw invalidReturn("AsyncIterable", `transform[${i - 1}]`, last);
      } else {
        const through = new PassThrough({ objectMode: true });
        const then = last?.then;
        count++;
        if (typeof then === "function") {
          ReflectApply(then, last, [(result) => {
            value = result;
            if (result != null) through.write(result);
            if (doEnd) through.end();
            nextTick(finish);
          }, (error) => {
            through.destroy(error);
            nextTick(finish, error);
          }]);
        } else if (isIterable(last, true)) pump(last, through, finish, doEnd);
        else throw invalidReturn("AsyncIterable or Promise", "destination", last);
        last = through;
        const { destroy, cleanUp } = destroyer(last, false, true);
        destroys[destroys.length] = destroy;
        if (isLast) lastCleanUp[lastCleanUp.length] = cleanUp;
      }
    } else if (isNodeStream(stream)) {
      if (isReadableNode(last)) {
        count += 2;
        const cleanUp = join(last, stream, finish, (error) => finishAll(error, false), doEnd);
        if (isReadable(stream) && isLast) lastCleanUp[lastCleanUp.length] = cleanUp;
      } else if (isIterable(last)) {
        count++;
        pump(last, stream, finish, doEnd);
      } else throw invalidArgType("val", "an instance of Readable, Iterable, AsyncIterable, ReadableStream, or TransformStream", last);
      last = stream;
    } else {
      // It says what it cannot take; of what it can, nothing could be written to.
      duplexFrom(stream);
      throw invalidArgType(`streams[${i}]`, "of type function or an instance of Stream, ReadableStream, WritableStream, or TransformStream", stream);
    }
  }
  if (signal.aborted || outer?.aborted) nextTick(onAbort);
  return last;
}

/** The pipeline of node:stream/promises. */
export function pipelinePromise(...given) {
  return new PromiseConstructor((resolve, reject) => {
    let options;
    const last = given[given.length - 1];
    if (isObject(last) && typeof last !== "function" && !isNodeStream(last) && !isIterable(last) && !isWebStream(last)) {
      options = last;
      given.length--;
    }
    runPipeline(given, (error, value) => (error ? reject(error) : resolve(value)), options);
  });
}
export function finishedPromise(stream, options = undefined) {
  let settings = options;
  if (settings === null || settings === undefined) settings = {};
  const { cleanup } = settings;
  return new PromiseConstructor((resolve, reject) => {
    const cleanUp = finished(stream, settings, (error) => {
      if (cleanup) cleanUp();
      if (error) reject(error);
      else resolve();
    });
  });
}

// ----------------------------------------------------------------------------------------------------------- compose

export function compose(...given) {
  if (given.length === 0) throw missing('The "streams" argument must be specified');
  if (given.length === 1) return duplexFrom(given[0]);
  const originals = [];
  for (let i = 0; i < given.length; i++) {
    originals[i] = given[i];
    if (isWebStream(given[i])) given[i] = fromWeb(given[i]);
  }
  if (typeof given[0] === "function") given[0] = duplexFrom(given[0]);
  const end = given.length - 1;
  if (typeof given[end] === "function") given[end] = duplexFrom(given[end]);
  for (let i = 0; i < given.length; i++) {
    if (!isNodeStream(given[i])) continue;
    if (i < end && !isReadable(given[i])) throw invalidArgValue(`streams[${i}]`, originals[i], "must be readable");
    if (i > 0 && !isWritable(given[i])) throw invalidArgValue(`streams[${i}]`, originals[i], "must be writable");
  }
  let onDrain;
  let onFinish;
  let onReadable;
  let onClose;
  let duplex;
  const done = (error) => {
    const then = onClose;
    onClose = null;
    if (then) then(error);
    else if (error) duplex.destroy(error);
    else if (!canRead && !canWrite) duplex.destroy();
  };
  const head = given[0];
  const tail = runPipeline(given, done);
  const canWrite = !!isWritable(head);
  const canRead = !!isReadable(tail);
  duplex = new Duplex({
    writableObjectMode: !!head?.writableObjectMode,
    readableObjectMode: !!tail?.readableObjectMode,
    writable: canWrite,
    readable: canRead,
  });
  if (canWrite) {
    duplex._write = (chunk, encoding, callback) => {
      if (head.write(chunk, encoding)) callback();
      else onDrain = callback;
    };
    duplex._final = (callback) => {
      head.end();
      onFinish = callback;
    };
    head.on("drain", () => {
      const then = onDrain;
      onDrain = null;
      if (then) then();
    });
    finished(tail, () => {
      const then = onFinish;
      onFinish = null;
      if (then) then();
    });
  }
  if (canRead) {
    tail.on("readable", () => {
      const then = onReadable;
      onReadable = null;
      if (then) then();
    });
    tail.on("end", () => duplex.push(null));
    duplex._read = () => {
      for (;;) {
        const chunk = tail.read();
        if (chunk === null) {
          onReadable = duplex._read;
          return;
        }
        if (!duplex.push(chunk)) return;
      }
    };
  }
  duplex._destroy = (error, callback) => {
    const reason = !error && onClose !== null ? new AbortError() : error;
    onReadable = onDrain = onFinish = null;
    if (onClose === null) callback(reason);
    else {
      onClose = callback;
      if (isNodeStream(tail)) destroyStream(tail, reason);
    }
  };
  return duplex;
}

export function composeWith(source, stream, options) {
  if (options !== undefined) validateObject(options, "options");
  if (options?.signal !== undefined) validateAbortSignal(options.signal, "options.signal");
  if (isNodeStream(stream) && !isWritable(stream)) throw invalidArgValue("stream", stream, "must be writable");
  const composed = compose(source, stream);
  if (options?.signal) addAbortSignal(options.signal, composed);
  return composed;
}
