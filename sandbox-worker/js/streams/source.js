// The sources of byte streams that native code feeds, or bytes in memory.
(function (internal) {
  "use strict";
  const {
    PromisePrototypeThen, PromiseReject, typedArrayBuffer, typedArrayByteLength, typedArrayByteOffset, subarray, copyBytes,
    isUint8Array, resolvedPromise, withoutObjectPrototype,
  } = internal.primordials;
  const { READABLE, makeByte } = internal.streams;

  /** Bytes of a native end: README, `newNativeStream`. */
  class NativeSource {
    constructor(end) {
      this.end = end;
      this.onBytes = undefined;
    }
    pull(controller) {
      let result;
      try {
        result = this.end.pull(controller.wantedBytes());
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
    cancel() {
      this.end.cancel();
      return resolvedPromise;
    }
  }
  const makeNative = (end, length, owner) => {
    const stream = makeByte(new NativeSource(end));
    stream.native = end;
    stream.expectedLength = length;
    stream.owner = owner;
    return stream;
  };
  /** The native end of a stream, if all that is left of it is there, and none of it in the stream's own queue. */
  const nativeEnd = (stream) => {
    const { native, controller } = stream;
    if (native === undefined || stream.state !== READABLE || controller.pulling) return undefined;
    return controller.queueTotalSize === 0 && controller.pendingPullIntos.length === 0 ? native : undefined;
  };

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

  withoutObjectPrototype([NativeSource, BytesSource]);
  Object.assign(internal.streams, { NativeSource, makeNative, nativeEnd, BytesSource });
  return {};
})
