// The reference's own transform of bytes, inside.
(function (internal) {
  "use strict";
  const {
    PromiseReject, withResolvers, typedArrayBuffer, typedArrayByteLength, typedArrayByteOffset, subarray, copyBytes,
    bytesOf, resolvedPromise, withoutObjectPrototype,
  } = internal.primordials;
  const { makeByte, Writable, WritableController } = internal.streams;
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
   */
  class IdentityPipe {
    constructor(highWaterMark, expected) {
      this.remaining = expected;
      this.bytes = undefined;
      this.written = undefined;
      this.feeding = false;
      this.readable = makeByte(this);
      this.readable.expectedLength = expected;
      this.writable = new Writable();
      const size = highWaterMark === undefined ? undefined : identityChunkSize;
      new WritableController(this.writable, this.sink(), highWaterMark ?? 1, size).startNow();
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
      this.bytes = undefined;
      this.written = undefined;
      this.readable.controller.error(new ErrorConstructor("Network connection lost."));
      written.reject(reason);
    }
    write(chunk) {
      let bytes;
      if (typeof chunk === "string") {
        bytes = internal.encodeUtf8(chunk);
      } else {
        const view = bytesOf(chunk);
        if (view === undefined) return this.fail(byteStreamTypeError());
        bytes = copyBytes(view);
      }
      const length = typedArrayByteLength(bytes);
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
      this.readable.controller.error(error);
      return PromiseReject(error);
    }
    close() {
      if (this.remaining !== undefined && this.remaining > 0) {
        return this.fail(
          new TypeErrorConstructor("FixedLengthStream did not see all expected bytes before close()."),
        );
      }
      this.readable.controller.closeAndRespond();
      return resolvedPromise;
    }
    abort(reason) {
      this.readable.controller.error(reason);
      return resolvedPromise;
    }
    pull(controller) {
      this.feed(controller);
      return undefined;
    }
    cancel(reason) {
      const { written } = this;
      this.bytes = undefined;
      this.written = undefined;
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

  withoutObjectPrototype([IdentityPipe]);
  Object.assign(internal.streams, { IdentityPipe });
  return {};
})
