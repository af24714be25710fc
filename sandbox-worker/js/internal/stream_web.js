// Streams of node:stream as those of the Streams Standard, and the other way round.
import { AbortError, invalidArgType, validateBoolean, validateObject } from "internal:node_errors";
import { nextTick, prematureClose } from "internal:stream_base";
import { Duplex } from "internal:stream_duplex";
import { destroyStream, finished, isDestroyed, isReadable, isWritable } from "internal:stream_ends";
import { Readable } from "internal:stream_readable";
import { Writable } from "internal:stream_writable";
import scripts from "native:scripts";

const { Bytes, isObject, isView, viewBuffer, viewByteLength, viewByteOffset, PromiseConstructor } = scripts.primordials;
const { ByteLengthQueuingStrategy, CountQueuingStrategy, ReadableStream, WritableStream } = globalThis;

const checkClass = (value, Class, name, what) => {
  if (!isObject(value) || !(value instanceof Class)) throw invalidArgType(name, `an instance of ${what}`, value);
};

const send = (writer, chunk, callback) => {
  const done = (error) => nextTick(callback, error);
  writer.ready.then(() => writer.write(chunk).then(() => done(), done), done);
};

export function readableFromWeb(readableStream, given) {
  const options = given === undefined ? {} : given;
  checkClass(readableStream, ReadableStream, "readableStream", "ReadableStream");
  validateObject(options, "options");
  const { highWaterMark, encoding, objectMode = false, signal } = options;
  validateBoolean(objectMode, "options.objectMode");
  const reader = readableStream.getReader();
  let isClosed = false;
  const readable = new Readable({
    objectMode, highWaterMark, encoding, signal,
    read() {
      reader.read().then(({ done, value }) => readable.push(done ? null : value), (error) => destroyStream(readable, error));
    },
    destroy(error, callback) {
      const done = () => nextTick(callback, error);
      if (isClosed) done();
      else reader.cancel(error).then(done, done);
    },
  });
  reader.closed.then(() => { isClosed = true; }, (error) => {
    isClosed = true;
    destroyStream(readable, error);
  });
  return readable;
}

export function writableFromWeb(writableStream, given) {
  const options = given === undefined ? {} : given;
  checkClass(writableStream, WritableStream, "writableStream", "WritableStream");
  validateObject(options, "options");
  const { highWaterMark, decodeStrings = true, objectMode = false, signal } = options;
  validateBoolean(objectMode, "options.objectMode");
  validateBoolean(decodeStrings, "options.decodeStrings");
  const writer = writableStream.getWriter();
  let isClosed = false;
  const writable = new Writable({
    highWaterMark, objectMode, decodeStrings, signal,
    write(chunk, encoding, callback) {
      send(writer, chunk, callback);
    },
    destroy(error, callback) {
      const done = () => nextTick(callback, error);
      if (isClosed) done();
      else if (error) writer.abort(error).then(done, done);
      else writer.close().then(done, done);
    },
    final(callback) {
      if (isClosed) callback();
      else writer.close().then(() => nextTick(callback), (error) => nextTick(callback, error));
    },
  });
  writer.closed.then(() => {
    isClosed = true;
    if (!writable.writableEnded) destroyStream(writable, prematureClose());
  }, (error) => {
    isClosed = true;
    destroyStream(writable, error);
  });
  return writable;
}

const plain = (chunk) => (isView(chunk) && chunk.constructor?.name === "Buffer" ? new Bytes(viewBuffer(chunk), viewByteOffset(chunk), viewByteLength(chunk)) : chunk);

export function readableToWeb(streamReadable, options) {
  if (typeof streamReadable?._readableState !== "object") throw invalidArgType("streamReadable", "an stream.Readable", streamReadable);
  if (isDestroyed(streamReadable) || !isReadable(streamReadable)) {
    const empty = new ReadableStream();
    empty.cancel();
    return empty;
  }
  const { objectMode, highWaterMark } = { objectMode: streamReadable.readableObjectMode, highWaterMark: streamReadable.readableHighWaterMark };
  const strategy = options?.strategy ?? (objectMode ? new CountQueuingStrategy({ highWaterMark }) : new ByteLengthQueuingStrategy({ highWaterMark }));
  let isCanceled = false;
  let controller;
  streamReadable.pause();
  const cleanUp = finished(streamReadable, (error) => {
    cleanUp();
    streamReadable.on("error", () => {});
    if (isCanceled) return;
    if (error?.code === "ERR_STREAM_PREMATURE_CLOSE") controller.error(new AbortError(undefined, { cause: error }));
    else if (error) controller.error(error);
    else controller.close();
  });
  streamReadable.on("data", (chunk) => {
    controller.enqueue(objectMode ? chunk : plain(chunk));
    if (controller.desiredSize <= 0) streamReadable.pause();
  });
  return new ReadableStream({
    start(given) {
      controller = given;
      streamReadable.pause();
    },
    pull() {
      streamReadable.resume();
    },
    cancel(reason) {
      isCanceled = true;
      destroyStream(streamReadable, reason);
    },
  }, strategy);
}

export function writableToWeb(streamWritable) {
  if (typeof streamWritable?._writableState !== "object") throw invalidArgType("streamWritable", "an stream.Writable", streamWritable);
  if (isDestroyed(streamWritable) || !isWritable(streamWritable)) {
    const closed = new WritableStream();
    closed.close();
    return closed;
  }
  const highWaterMark = streamWritable.writableHighWaterMark;
  const strategy = streamWritable.writableObjectMode ? new CountQueuingStrategy({ highWaterMark }) : { highWaterMark };
  let controller;
  let onDrain;
  let onClose;
  const cleanUp = finished(streamWritable, (given) => {
    const error = given?.code === "ERR_STREAM_PREMATURE_CLOSE" ? new AbortError(undefined, { cause: given }) : given;
    cleanUp();
    streamWritable.on("error", () => {});
    if (error) {
      onDrain?.reject(error);
      if (onClose) {
        onClose.reject(error);
        onClose = undefined;
      }
      controller.error(error);
    } else if (onClose) {
      onClose.resolve();
      onClose = undefined;
    } else controller.error(new AbortError());
  });
  streamWritable.on("drain", () => onDrain?.resolve());
  return new WritableStream({
    start(given) {
      controller = given;
    },
    write(chunk) {
      if (!streamWritable.writableNeedDrain && streamWritable.write(chunk)) return undefined;
      return new PromiseConstructor((resolve, reject) => {
        onDrain = { resolve, reject };
      }).finally(() => {
        onDrain = undefined;
      });
    },
    abort(reason) {
      destroyStream(streamWritable, reason);
    },
    close() {
      return new PromiseConstructor((resolve, reject) => {
        onClose = { resolve, reject };
        if (!streamWritable.writableEnded) streamWritable.end();
        else if (isDestroyed(streamWritable)) resolve();
      });
    },
  }, strategy);
}

export function duplexFromWeb(pair, given) {
  const options = given === undefined ? {} : given;
  validateObject(pair, "pair");
  const { readable: readableStream, writable: writableStream } = pair;
  checkClass(readableStream, ReadableStream, "pair.readable", "ReadableStream");
  checkClass(writableStream, WritableStream, "pair.writable", "WritableStream");
  const { allowHalfOpen = false, objectMode = false, encoding, decodeStrings = true, highWaterMark, signal } = options;
  validateBoolean(objectMode, "options.objectMode");
  const reader = readableStream.getReader();
  const writer = writableStream.getWriter();
  let isReadOver = false;
  let isWriteOver = false;
  const duplex = new Duplex({
    allowHalfOpen, highWaterMark, objectMode, encoding, decodeStrings, signal,
    write(chunk, format, callback) {
      send(writer, chunk, callback);
    },
    final(callback) {
      if (isWriteOver) callback();
      else writer.close().then(() => nextTick(callback), (error) => nextTick(callback, error));
    },
    read() {
      reader.read().then(({ done, value }) => duplex.push(done ? null : value), (error) => destroyStream(duplex, error));
    },
    destroy(error, callback) {
      const waits = [];
      if (!isWriteOver) waits[0] = writer.abort(error);
      if (!isReadOver) waits[waits.length] = reader.cancel(error);
      let count = waits.length;
      const done = () => {
        if (--count <= 0) nextTick(callback, error);
      };
      if (count === 0) done();
      else for (let i = 0; i < waits.length; i++) waits[i].then(done, done);
    },
  });
  writer.closed.then(() => {
    isWriteOver = true;
    if (!duplex.writableEnded) destroyStream(duplex, prematureClose());
  }, (error) => {
    isWriteOver = isReadOver = true;
    destroyStream(duplex, error);
  });
  reader.closed.then(() => { isReadOver = true; }, (error) => {
    isWriteOver = isReadOver = true;
    destroyStream(duplex, error);
  });
  return duplex;
}

export function duplexToWeb(duplex) {
  if (typeof duplex?._writableState !== "object" || typeof duplex?._readableState !== "object") {
    throw invalidArgType("duplex", "an stream.Duplex", duplex);
  }
  if (isDestroyed(duplex)) {
    const readable = new ReadableStream();
    const writable = new WritableStream();
    writable.close();
    readable.cancel();
    return { readable, writable };
  }
  const writable = isWritable(duplex) ? writableToWeb(duplex) : new WritableStream();
  if (!isWritable(duplex)) writable.close();
  const readable = isReadable(duplex) ? readableToWeb(duplex) : new ReadableStream();
  if (!isReadable(duplex)) readable.cancel();
  return { writable, readable };
}
