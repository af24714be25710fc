// Streams for native code: over its producers, and read by it.
(function (internal) {
  "use strict";
  const {
    Bytes, PromiseResolve, PromiseReject, withResolvers, typedArrayBuffer, typedArrayByteLength, arrayBufferByteLength,
    typedArraySet, subarray, copyBytes, bytesOf, markHandled, withoutObjectPrototype,
  } = internal.primordials;
  const {
    List, LOCKED_READER, RELEASED_READER, checkOwner, acquireReader, readerRead, readerCancel, makeByte, BytesSource,
    makeNative, nativeEnd, teeStream, fromIterable, readableOf, moveReadable, readableWrapper,
  } = internal.streams;
  const TypeErrorConstructor = TypeError;

  /** A request that reads one chunk after the other: `chunk()` runs it again for as long as more is wanted. */
  class RepeatedRequest {
    constructor(reader) {
      this.reader = reader;
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
  }

  /** Reads for native code, into a batch of its own, for as long as that wants more. */
  class BatchRequest extends RepeatedRequest {
    constructor(reader, batch) {
      super(reader);
      this.batch = batch;
    }
    chunk(value) {
      // The reference sends text that a response's stream yields; `text()` and its kin refuse it.
      const bytes = typeof value === "string" ? internal.encodeUtf8(value) : bytesOf(value);
      if (bytes === undefined) {
        const error = new TypeErrorConstructor("Draining read encountered a value that cannot be converted to bytes");
        if (this.reader.stream !== undefined) markHandled(readerCancel(this.reader, error));
        this.batch.fail(error);
        return;
      }
      if (!this.batch.push(bytes)) return;
      if (this.reader.stream === undefined) this.batch.fail(new TypeErrorConstructor(RELEASED_READER));
      else this.run();
    }
    close() {
      this.batch.end();
    }
    error(error) {
      this.batch.fail(error);
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
  class Collector extends RepeatedRequest {
    constructor(reader, limit, convert) {
      super(reader);
      this.limit = limit;
      this.convert = convert;
      this.chunks = new List();
      this.block = undefined;
      this.total = 0;
      this.deferred = withResolvers();
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

  withoutObjectPrototype([RepeatedRequest]);

  return {
    newNativeStream: (end, length, owner) => readableWrapper(makeNative(end, length, owner)),
    nativeEnd: (value) => nativeEnd(required(value)),
    checkOwner: (value) => checkOwner(required(value)),
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
    readChunks(reader, batch) {
      new BatchRequest(reader, batch).run();
    },
    cancelReader: (reader, reason) =>
      reader.stream === undefined ? PromiseResolve(undefined) : readerCancel(reader, reason),
    useUp(value) {
      const stream = required(value);
      acquireReader(stream, false);
      stream.disturbed = true;
    },
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
