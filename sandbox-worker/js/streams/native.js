// Streams for native code: over its producers, and read by it.
(function (internal) {
  "use strict";
  const {
    Bytes, PromisePrototypeThen, PromiseResolve, PromiseReject, withResolvers, typedArrayBuffer, typedArrayByteLength,
    typedArrayByteOffset, arrayBufferByteLength, typedArraySet, subarray, copyBytes, isUint8Array, bytesOf,
    resolvedPromise, markHandled, withoutObjectPrototype,
  } = internal.primordials;
  const {
    promiseCall, List, LOCKED_READER, RELEASED_READER, PromiseRequest, acquireReader, readerRead, readerCancel,
    makeByte, teeStream, fromIterable, readableOf, moveReadable, readableWrapper,
  } = internal.streams;
  const TypeErrorConstructor = TypeError;

  /** As PromiseRequest, for native code: bytes only, and a result that inherits nothing, so that no script sees it. */
  class NativeRequest extends PromiseRequest {
    constructor(reader) {
      super();
      this.reader = reader;
    }
    chunk(value) {
      // The reference sends text that a response's stream yields; `text()` and its kin refuse it.
      const bytes = typeof value === "string" ? internal.encodeUtf8(value) : bytesOf(value);
      if (bytes === undefined) {
        const error = new TypeErrorConstructor("Draining read encountered a value that cannot be converted to bytes");
        if (this.reader.stream !== undefined) markHandled(readerCancel(this.reader, error));
        this.deferred.reject(error);
        return;
      }
      this.deferred.resolve({ __proto__: null, value: bytes, done: false });
    }
    close() {
      this.deferred.resolve({ __proto__: null, value: undefined, done: true });
    }
  }

  /** Bytes of a native producer. `pull(maxBytes)` gives a Uint8Array, or undefined at the end, or a promise: README. */
  class NativeSource {
    constructor(pull, cancel) {
      this.nativePull = pull;
      this.nativeCancel = cancel;
      this.controller = undefined;
      this.onBytes = undefined;
    }
    pull(controller) {
      let result;
      try {
        result = this.nativePull(controller.wantedBytes());
      } catch (error) {
        return PromiseReject(error);
      }
      if (result === undefined || isUint8Array(result)) {
        this.deliver(result, controller);
        return undefined;
      }
      this.onBytes ??= (pulled) => this.deliver(pulled === undefined ? undefined : pulled.bytes, controller);
      return PromisePrototypeThen(result, this.onBytes);
    }
    deliver(bytes, controller) {
      if (bytes === undefined) {
        controller.closeAndRespond();
      } else if (typedArrayByteLength(bytes) > 0) {
        controller.enqueueOwned(typedArrayBuffer(bytes), typedArrayByteOffset(bytes), typedArrayByteLength(bytes));
      } else {
        // Nothing this time. The demand is still there.
        controller.pullAgain = true;
      }
    }
    cancel(reason) {
      const { nativeCancel } = this;
      if (nativeCancel === undefined) return resolvedPromise;
      return promiseCall(nativeCancel, undefined, [reason]);
    }
  }
  /** Known bytes, copied to the reader on demand so that their owner keeps them. */
  class BytesSource {
    constructor(bytes) {
      this.bytes = bytes;
    }
    pull(controller) {
      const { bytes } = this;
      const length = typedArrayByteLength(bytes);
      if (length === 0) {
        controller.closeAndRespond();
        return undefined;
      }
      const wanted = controller.wantedBytes();
      const count = wanted === 0 || wanted > length ? length : wanted;
      const part = copyBytes(subarray(bytes, 0, count));
      this.bytes = subarray(bytes, count, length);
      controller.enqueueOwned(typedArrayBuffer(part), 0, count);
      return undefined;
    }
    cancel() {
      this.bytes = undefined;
      return resolvedPromise;
    }
  }

  const required = (value) => {
    const stream = readableOf(value);
    if (stream === undefined) throw new TypeErrorConstructor("The value is not a ReadableStream.");
    return stream;
  };
  const NOT_BYTES = "This ReadableStream did not return bytes.";

  const COLLECT_SMALL = 4096;
  const COLLECT_BLOCK = 16384;
  /**
   * Reads a stream to its end into one Uint8Array. It keeps its reader: a stream that was read to its end stays locked
   * (Fetch Standard, "fully read"). The bytes reach `convert` without a promise between, which a script could see.
   */
  class Collector {
    constructor(reader, limit, convert) {
      this.reader = reader;
      this.limit = limit;
      this.convert = convert;
      this.chunks = new List();
      this.block = undefined;
      this.total = 0;
      this.deferred = withResolvers();
      this.busy = false;
      this.again = false;
    }
    run() {
      // A chunk that is there at once comes back inside readerRead; the loop keeps that from growing the stack.
      this.again = true;
      if (this.busy) return;
      this.busy = true;
      while (this.again) {
        this.again = false;
        readerRead(this.reader, this);
      }
      this.busy = false;
    }
    chunk(value) {
      const bytes = bytesOf(value);
      if (bytes === undefined) {
        this.fail(new TypeErrorConstructor(NOT_BYTES));
        return;
      }
      const length = typedArrayByteLength(bytes);
      if (length > 0) {
        this.total += length;
        if (this.total > this.limit) {
          this.fail(new TypeErrorConstructor("Memory limit exceeded before EOF."));
          return;
        }
        this.keep(bytes, length);
      }
      this.run();
    }
    /** Small chunks after the first share blocks: an ArrayBuffer each would cost the collector more than its bytes. */
    keep(bytes, length) {
      const { chunks } = this;
      if (length >= COLLECT_SMALL || chunks.length === 0) {
        chunks.push({ bytes, length });
        this.block = undefined;
        return;
      }
      if (this.block === undefined || this.block.length + length > COLLECT_BLOCK) {
        this.block = { bytes: new Bytes(COLLECT_BLOCK), length: 0 };
        chunks.push(this.block);
      }
      typedArraySet(this.block.bytes, bytes, this.block.length);
      this.block.length += length;
    }
    close() {
      let result;
      try {
        result = this.joined();
        if (this.convert !== undefined) result = this.convert(result);
      } catch (error) {
        this.deferred.reject(error);
        return;
      }
      this.deferred.resolve(result);
    }
    joined() {
      const { chunks, total } = this;
      if (chunks.length === 1 && typedArrayByteLength(chunks.first.bytes) === total) {
        const { bytes } = chunks.shift();
        return total === arrayBufferByteLength(typedArrayBuffer(bytes)) ? bytes : copyBytes(bytes);
      }
      const result = new Bytes(total);
      let offset = 0;
      while (chunks.length > 0) {
        const { bytes, length } = chunks.shift();
        typedArraySet(result, length === typedArrayByteLength(bytes) ? bytes : subarray(bytes, 0, length), offset);
        offset += length;
      }
      return result;
    }
    error(error) {
      this.deferred.reject(error);
    }
    fail(error) {
      this.chunks = undefined;
      markHandled(readerCancel(this.reader, error));
      this.deferred.reject(error);
    }
  }

  const collect = (value, limit = Infinity, convert = undefined) => {
    const stream = required(value);
    if (stream.reader !== undefined) return PromiseReject(new TypeErrorConstructor(LOCKED_READER));
    const collector = new Collector(acquireReader(stream, false), limit, convert);
    collector.run();
    return collector.deferred.promise;
  };

  /** A stream that was read to its end, by a reader that nobody has. */
  const usedReadable = () => {
    const stream = makeByte(new BytesSource(new Bytes(0)));
    acquireReader(stream, false);
    stream.disturbed = true;
    return stream;
  };

  withoutObjectPrototype([NativeSource, BytesSource, Collector]);

  return {
    newSourceStream(pull, cancel, expectedLength) {
      const stream = makeByte(new NativeSource(pull, cancel));
      stream.expectedLength = expectedLength;
      return readableWrapper(stream);
    },
    fromBytes(bytes) {
      const stream = makeByte(new BytesSource(bytes));
      stream.expectedLength = typedArrayByteLength(bytes);
      return readableWrapper(stream);
    },
    isReadableStream: (value) => readableOf(value) !== undefined,
    isDisturbed: (value) => required(value).disturbed,
    isLocked: (value) => required(value).reader !== undefined,
    expectedLength: (value) => required(value).expectedLength,
    acquireReader: (value) => acquireReader(required(value), false),
    readChunk(reader) {
      if (reader.stream === undefined) return PromiseReject(new TypeErrorConstructor(RELEASED_READER));
      const request = new NativeRequest(reader);
      readerRead(reader, request);
      return request.deferred.promise;
    },
    cancelReader: (reader, reason) =>
      reader.stream === undefined ? PromiseResolve(undefined) : readerCancel(reader, reason),
    collect,
    moveStream(value) {
      required(value);
      return moveReadable(value, usedReadable());
    },
    usedStream: () => readableWrapper(usedReadable()),
    tee(value) {
      const tee = teeStream(required(value));
      return [readableWrapper(tee.branch1), readableWrapper(tee.branch2)];
    },
    fromIterable: (iterable) => readableWrapper(fromIterable(iterable)),
  };
})
