// The reference's own transform of bytes, inside.
(function (internal) {
  "use strict";
  const {
    PromiseReject, withResolvers, typedArrayBuffer, typedArrayByteLength, typedArrayByteOffset, subarray, copyBytes,
    bytesOf, resolvedPromise,
  } = internal.primordials;
  const { BytePipe } = internal.streams;
  const TypeErrorConstructor = TypeError;
  const ErrorConstructor = Error;

  const byteStreamTypeError = () =>
    new TypeErrorConstructor(
      "This TransformStream is being used as a byte stream, but received an object of non-ArrayBuffer/ArrayBufferView " +
        "type on its writable side.",
    );

  /**
   * The reference's identity transform: bytes only, a write is done when the reader has taken all of it, BYOB reads take
   * what fits. With `expected`, the fixed-length variant.
   *
   * It is script for as long as only script writes to it.
   */
  class IdentityPipe extends BytePipe {
    constructor(highWaterMark, expected) {
      super();
      this.remaining = expected;
      this.bytes = undefined;
      this.feeding = false;
      this.initialize(highWaterMark ?? 1, highWaterMark === undefined ? undefined : identityChunkSize);
      this.readable.expectedLength = expected;
    }
    makeEnds() {
      const ends = internal.newPipe(this.remaining ?? -1);
      this.remaining = undefined;
      return ends;
    }
    sink() {
      return {
        write: (chunk) => this.write(chunk),
        close: () => this.close(),
        abort: (reason) => this.abort(reason),
        abandonWrite: (reason) => this.abandonWrite(reason),
      };
    }
    /** An abort does not wait for what no reader takes. */
    abandonWrite(reason) {
      const { written } = this;
      if (written === undefined) return;
      const error = new ErrorConstructor("Network connection lost.");
      this.bytes = undefined;
      this.written = undefined;
      this.native?.abort(error);
      this.readable.controller.error(error);
      written.reject(reason);
    }
    write(chunk) {
      let bytes;
      if (typeof chunk === "string") {
        bytes = internal.encodeUtf8(chunk);
      } else {
        bytes = bytesOf(chunk);
        if (bytes === undefined) return this.fail(byteStreamTypeError());
      }
      const length = typedArrayByteLength(bytes);
      if (this.native !== undefined) return this.writeNative(bytes);
      if (typeof chunk !== "string") bytes = copyBytes(bytes);
      if (this.remaining !== undefined) {
        if (length > this.remaining) {
          return this.fail(
            new TypeErrorConstructor("Attempt to write too many bytes through a FixedLengthStream."),
          );
        }
        this.remaining -= length;
      }
      if (length === 0) return resolvedPromise;
      this.bytes = bytes;
      this.written = withResolvers();
      this.feed(this.readable.controller);
      return this.written === undefined ? resolvedPromise : this.written.promise;
    }
    fail(error) {
      this.native?.abort(error);
      this.readable.controller.error(error);
      return PromiseReject(error);
    }
    close() {
      if (this.native !== undefined) {
        try {
          this.native.end();
        } catch (error) {
          return this.fail(error);
        }
      } else if (this.remaining !== undefined && this.remaining > 0) {
        return this.fail(
          new TypeErrorConstructor("FixedLengthStream did not see all expected bytes before close()."),
        );
      }
      this.readable.controller.closeAndRespond();
      return resolvedPromise;
    }
    abort(reason) {
      this.native?.abort(reason);
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
      this.bytes = undefined;
      this.written = undefined;
      this.source?.cancel();
      this.writable.controller.errorIfNeeded(reason);
      written?.reject(reason);
      return resolvedPromise;
    }
    feed(controller) {
      if (this.feeding) return;
      this.feeding = true;
      while (this.bytes !== undefined && controller.shouldCallPull()) {
        const { bytes } = this;
        const wanted = controller.wantedBytes();
        const available = typedArrayByteLength(bytes);
        if (wanted === 0 || wanted >= available) {
          const { written } = this;
          this.bytes = undefined;
          this.written = undefined;
          written.resolve(undefined);
          controller.enqueueOwned(typedArrayBuffer(bytes), typedArrayByteOffset(bytes), available);
        } else {
          this.bytes = subarray(bytes, wanted, available);
          const part = copyBytes(subarray(bytes, 0, wanted));
          controller.enqueueOwned(typedArrayBuffer(part), 0, wanted);
        }
      }
      this.feeding = false;
    }
  }
  const identityChunkSize = (chunk) => {
    if (typeof chunk === "string") return chunk.length;
    const bytes = bytesOf(chunk);
    return bytes === undefined ? 0 : typedArrayByteLength(bytes);
  };

  Object.assign(internal.streams, { IdentityPipe, byteStreamTypeError });
  return {};
})
