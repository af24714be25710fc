// What the byte transforms of ours have in common: two sides, and what becomes of them when bytes come without script.
(function (internal) {
  "use strict";
  const { PromiseReject, withResolvers, upon, withoutObjectPrototype } = internal.primordials;
  const { makeByte, NativeSource, Writable, WritableController } = internal.streams;

  /**
   * It is script until a pump writes to it (`attach`); from then on it is native, and script that still writes or reads goes
   * there. A subclass has `makeEnds()` for that, which gives native ends as `newPipe` does, and the methods of the readable
   * side's source and, in `sink()`, of the writable side's sink.
   */
  class BytePipe {
    constructor() {
      this.native = undefined; // the end to write to
      this.source = undefined; // over the end to read from
      this.written = undefined; // of the write that is open
      this.readable = undefined;
      this.writable = undefined;
    }
    initialize(highWaterMark, size) {
      this.readable = makeByte(this);
      this.writable = new Writable();
      this.writable.native = this;
      this.readable.owner = this.writable.owner = internal.ioOwner();
      new WritableController(this.writable, this.sink(), highWaterMark, size).startNow();
    }
    /** The native end to write to. Nothing is being written. */
    attach() {
      if (this.native === undefined) {
        const ends = this.makeEnds();
        this.native = ends[0];
        this.source = new NativeSource(ends[1]);
        this.readable.native = ends[1];
        // A read may wait.
        this.readable.controller.callPullIfNeeded();
      }
      return this.native;
    }
    /** A pump found that nothing more can be written. */
    broke(error) {
      this.readable.controller.error(error);
    }
    /** Writes what script gives to the native end. */
    writeNative(bytes) {
      let promise;
      try {
        promise = this.native.write(bytes);
      } catch (error) {
        return PromiseReject(error);
      }
      const written = (this.written = withResolvers());
      upon(
        promise,
        () => {
          if (this.written === written) this.written = undefined;
          written.resolve(undefined);
        },
        (error) => {
          // Unless it was given up, which had its reason.
          if (this.written !== written) return;
          this.written = undefined;
          this.readable.controller.error(error);
          written.reject(error);
        },
      );
      return written.promise;
    }
  }

  withoutObjectPrototype([BytePipe]);
  Object.assign(internal.streams, { BytePipe });
  return {};
})
