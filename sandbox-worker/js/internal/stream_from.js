// Streams of node:stream from other things: iterables, promises, functions, pairs.
import { AbortError, coded, invalidArgType } from "internal:node_errors";
import { nextTick } from "internal:stream_base";
import { Duplex } from "internal:stream_duplex";
import { destroyStream, finished, isIterable, isNodeStream, isReadable, isWritable } from "internal:stream_ends";
import { Readable } from "internal:stream_readable";
import { readableFromWeb, writableFromWeb } from "internal:stream_web";
import { Writable } from "internal:stream_writable";
import { Buffer } from "node:buffer";
import scripts from "native:scripts";

const { PromiseConstructor, ReflectApply, isObject } = scripts.primordials;
const { AbortController, Blob, ReadableStream, WritableStream } = globalThis;
const { isBuffer } = Buffer;
const BaseTypeError = TypeError;

export function fromIterable(Class, iterable, options) {
  if (typeof iterable === "string" || isBuffer(iterable)) {
    return new Class({
      objectMode: true,
      ...options,
      read() {
        this.push(iterable);
        this.push(null);
      },
    });
  }
  let iterator;
  let isAsync = false;
  if (iterable && iterable[Symbol.asyncIterator]) {
    isAsync = true;
    iterator = iterable[Symbol.asyncIterator]();
  } else if (iterable && iterable[Symbol.iterator]) iterator = iterable[Symbol.iterator]();
  else throw invalidArgType("iterable", "an instance of Iterable", iterable);
  const readable = new Class({ objectMode: true, highWaterMark: 1, ...options });
  let isReading = false;
  const next = async () => {
    for (;;) {
      try {
        const { value, done } = isAsync ? await iterator.next() : iterator.next();
        if (done) readable.push(null);
        else {
          const chunk = value && typeof value.then === "function" ? await value : value;
          if (chunk === null) {
            isReading = false;
            throw coded(BaseTypeError, "ERR_STREAM_NULL_VALUES", "May not write null values to stream");
          }
          if (readable.push(chunk)) continue;
          isReading = false;
        }
      } catch (error) {
        readable.destroy(error);
      }
      break;
    }
  };
  readable._read = () => {
    if (isReading) return;
    isReading = true;
    next();
  };
  const close = async (error) => {
    const hasError = error !== undefined && error !== null;
    const hasThrow = typeof iterator.throw === "function";
    if (hasError && hasThrow) {
      const { value, done } = await iterator.throw(error);
      await value;
      if (done) return;
    }
    if (typeof iterator.return === "function") {
      const { value } = await iterator.return();
      await value;
    }
  };
  readable._destroy = (error, callback) => {
    close(error).then(() => nextTick(callback, error), (reason) => nextTick(callback, reason || error));
  };
  return readable;
}

/** A duplex of two sides, either of which may be missing. */
const paired = (readable, writable) => {
  const canRead = !!(readable && isReadable(readable));
  const canWrite = !!(writable && isWritable(writable));
  let onDrain;
  let onFinish;
  let onReadable;
  let onClose;
  let isReadOver = !canRead;
  let isWriteOver = !canWrite;
  const duplex = new Duplex({
    readableObjectMode: !!readable?.readableObjectMode,
    writableObjectMode: !!writable?.writableObjectMode,
    readable: canRead,
    writable: canWrite,
  });
  const done = (error) => {
    const then = onClose;
    onClose = null;
    if (then) then(error);
    else if (error) duplex.destroy(error);
    else if (isReadOver && isWriteOver) duplex.destroy();
  };
  if (canWrite) {
    finished(writable, (error) => {
      isWriteOver = true;
      if (error && readable) destroyStream(readable, error);
      done(error);
    });
    duplex._write = (chunk, encoding, callback) => {
      if (writable.write(chunk, encoding)) callback();
      else onDrain = callback;
    };
    duplex._final = (callback) => {
      writable.end();
      onFinish = callback;
    };
    writable.on("drain", () => {
      const then = onDrain;
      onDrain = null;
      if (then) then();
    });
    writable.on("finish", () => {
      const then = onFinish;
      onFinish = null;
      if (then) then();
    });
  }
  if (canRead) {
    finished(readable, (error) => {
      isReadOver = true;
      if (error && writable) destroyStream(writable, error);
      done(error);
    });
    readable.on("readable", () => {
      const then = onReadable;
      onReadable = null;
      if (then) then();
    });
    readable.on("end", () => duplex.push(null));
    duplex._read = () => {
      for (;;) {
        const chunk = readable.read();
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
      if (writable) destroyStream(writable, reason);
      if (readable) destroyStream(readable, reason);
    }
  };
  return duplex;
};

/** What is written, for a function that reads it. */
const input = (run) => {
  let give;
  let arrival = new PromiseConstructor((resolve) => {
    give = resolve;
  });
  const controller = new AbortController();
  const { signal } = controller;
  const value = run((async function* () {
    for (;;) {
      const { chunk, done, callback } = await arrival;
      arrival = new PromiseConstructor((resolve) => {
        give = resolve;
      });
      nextTick(callback);
      if (done) return;
      if (signal.aborted) throw new AbortError(undefined, { cause: signal.reason });
      yield chunk;
    }
  })(), { signal });
  return {
    value,
    write(chunk, encoding, callback) {
      const resolve = give;
      give = null;
      resolve({ chunk, done: false, callback });
    },
    final(callback) {
      const resolve = give;
      give = null;
      resolve({ done: true, callback });
    },
    destroy(error, callback) {
      controller.abort();
      callback(error);
    },
  };
};

const fromFunction = (run) => {
  const { value, write, final, destroy } = input(run);
  if (isIterable(value)) return fromIterable(Duplex, value, { objectMode: true, write, final, destroy });
  if (typeof value?.then !== "function") {
    throw coded(BaseTypeError, "ERR_INVALID_RETURN_VALUE", "Expected Iterable, AsyncIterable or AsyncFunction to be returned from the \"body\" function but got type " + `${typeof value}.`);
  }
  let duplex;
  const promise = ReflectApply(value.then, value, [(result) => {
    if (result != null) throw coded(BaseTypeError, "ERR_INVALID_RETURN_VALUE", `Expected nully to be returned from the "body" function but got type ${typeof result}.`);
  }, (error) => destroyStream(duplex, error)]);
  duplex = new Duplex({
    objectMode: true,
    readable: false,
    write,
    final(callback) {
      final(async () => {
        try {
          await promise;
          nextTick(callback, null);
        } catch (error) {
          nextTick(callback, error);
        }
      });
    },
    destroy,
  });
  return duplex;
};

export function duplexFrom(body, name = "body") {
  if (isNodeStream(body) && body instanceof Duplex) return body;
  if (isNodeStream(body)) {
    return paired(isReadable(body) === null ? undefined : body, isWritable(body) === null ? undefined : body);
  }
  if (isObject(body) && body instanceof ReadableStream) return paired(readableFromWeb(body), undefined);
  if (isObject(body) && body instanceof WritableStream) return paired(undefined, writableFromWeb(body));
  if (typeof body === "function") return fromFunction(body);
  if (isObject(body) && body instanceof Blob) return duplexFrom(body.arrayBuffer());
  if (isIterable(body)) return fromIterable(Duplex, body, { objectMode: true, writable: false });
  if (typeof body?.writable === "object" || typeof body?.readable === "object") {
    const side = (value, Class, fromWeb) => {
      if (!value) return undefined;
      if (isNodeStream(value)) return value;
      return value instanceof Class ? fromWeb(value) : duplexFrom(value);
    };
    return paired(side(body.readable, ReadableStream, readableFromWeb), side(body.writable, WritableStream, writableFromWeb));
  }
  if (typeof body?.then === "function") {
    let duplex;
    ReflectApply(body.then, body, [(value) => {
      if (value != null) duplex.push(value);
      duplex.push(null);
    }, (error) => destroyStream(duplex, error)]);
    duplex = new Duplex({ objectMode: true, writable: false, read() {} });
    return duplex;
  }
  throw invalidArgType(
    name, "of type function or an instance of Blob, ReadableStream, WritableStream, Stream, Iterable, AsyncIterable, or Promise " +
      "or { readable, writable } pair", body,
  );
}
