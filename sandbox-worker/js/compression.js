// CompressionStream and DecompressionStream (Compression Standard) over the codecs of native code.
(function (internal) {
  "use strict";
  const {
    typedArrayBuffer, typedArrayByteLength, typedArrayByteOffset, resolvedPromise, PromiseReject, PromisePrototypeThen,
    withResolvers, bytesOf, constructorNotOfType, toDOMString, shape,
  } = internal.primordials;
  const { Codec, globals } = internal;
  const { BytePipe, byteStreamTypeError, nextTransform } = internal.streams;

  /**
   * A byte stream behind a codec. As in the reference, a write is done when the codec has its bytes, whether or not
   * somebody reads; but no further write while an earlier one's bytes wait for readers of what they stand for.
   */
  class CodecPipe extends BytePipe {
    constructor(codec) {
      super();
      this.codec = codec;
      this.caughtUp = undefined;
      this.feeding = false;
      this.initialize(1, undefined);
    }
    makeEnds() {
      return this.codec.ends();
    }
    sink() {
      return {
        __proto__: null,
        write: (chunk) => this.write(chunk),
        close: () => this.close(),
        abort: (reason) => this.abort(reason),
      };
    }
    write(chunk) {
      if (this.native === undefined) return this.whenCaughtUp(() => this.codec.push(chunk));
      if (chunk === undefined) return resolvedPromise;
      const bytes = typeof chunk === "string" ? internal.encodeUtf8(chunk) : bytesOf(chunk);
      return bytes === undefined ? this.failNative(byteStreamTypeError()) : this.writeNative(bytes);
    }
    failNative(error) {
      this.native.abort(error);
      this.readable.controller.error(error);
      return PromiseReject(error);
    }
    whenCaughtUp(action) {
      const run = () => {
        try {
          action();
        } catch (error) {
          this.codec.release();
          this.readable.controller.error(error);
          throw error;
        }
        this.feed(this.readable.controller);
      };
      if (this.codec.isBehind()) {
        this.caughtUp = withResolvers();
        return PromisePrototypeThen(this.caughtUp.promise, run);
      }
      try {
        run();
        return resolvedPromise;
      } catch (error) {
        return PromiseReject(error);
      }
    }
    close() {
      if (this.native !== undefined) {
        try {
          this.native.end();
          return resolvedPromise;
        } catch (error) {
          return this.failNative(error);
        }
      }
      // Nothing follows: what waits is for the reader alone.
      try {
        this.codec.finish();
      } catch (error) {
        this.codec.release();
        this.readable.controller.error(error);
        return PromiseReject(error);
      }
      this.feed(this.readable.controller);
      return resolvedPromise;
    }
    abort(reason) {
      if (this.native === undefined) this.codec.release();
      else this.native.abort(reason);
      this.readable.controller.error(reason);
      return resolvedPromise;
    }
    pull(controller) {
      if (this.source !== undefined) return this.source.pull(controller);
      this.feed(controller);
      return undefined;
    }
    cancel(reason) {
      const { written } = this;
      this.written = undefined;
      if (this.source === undefined) this.codec.release();
      else this.source.cancel();
      this.fail(reason);
      written?.reject(reason);
      return resolvedPromise;
    }
    fail(error) {
      const { caughtUp } = this;
      this.caughtUp = undefined;
      this.writable.controller.errorIfNeeded(error);
      caughtUp?.reject(error);
    }
    feed(controller) {
      if (this.feeding) return;
      this.feeding = true;
      const { codec } = this;
      while (controller.shouldCallPull()) {
        let bytes;
        try {
          bytes = codec.pull(controller.wantedBytes());
        } catch (error) {
          controller.error(error);
          this.fail(error);
          break;
        }
        if (bytes === undefined) break;
        controller.enqueueOwned(typedArrayBuffer(bytes), typedArrayByteOffset(bytes), typedArrayByteLength(bytes));
      }
      this.feeding = false;
      if (codec.isDone()) controller.closeAndRespond();
      const { caughtUp } = this;
      if (caughtUp !== undefined && !codec.isBehind()) {
        this.caughtUp = undefined;
        caughtUp.resolve(undefined);
      }
    }
  }
  const codecPipe = (name, given, format, isDecompression) => {
    if (!given) throw constructorNotOfType(name, 1, "string");
    return new CodecPipe(new Codec(toDOMString(format), isDecompression));
  };
  class CompressionStream extends globals.TransformStream {
    constructor(format) {
      nextTransform(codecPipe("CompressionStream", arguments.length > 0, format, false));
      super();
    }
  }
  shape(CompressionStream, "CompressionStream");
  class DecompressionStream extends globals.TransformStream {
    constructor(format) {
      nextTransform(codecPipe("DecompressionStream", arguments.length > 0, format, true));
      super();
    }
  }
  shape(DecompressionStream, "DecompressionStream");
  globals.CompressionStream = CompressionStream;
  globals.DecompressionStream = DecompressionStream;

  return { __proto__: null };
})
