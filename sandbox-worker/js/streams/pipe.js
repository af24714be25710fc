// A pipe from a readable stream to a writable one.
(function (internal) {
  "use strict";
  const {
    PromisePrototypeThen, withResolvers, resolvedPromise, noop, upon, microtask, notOfType, fieldNotOfType,
    withoutObjectPrototype,
  } = internal.primordials;
  const {
    READABLE, CLOSED, ERRORED, WRITABLE, dictionary, readableCancel, acquireReader, readerRead, readerRelease, nativeEnd,
    Writer, writableAbort, writerCloseWithErrorPropagation, writerWrite, writerDesiredSize, writerRelease,
  } = internal.streams;
  const TypeErrorConstructor = TypeError;

  // What compatibility flags change: true on the newest dates.
  let propagatesBackward = true;
  internal.atBind((flag) => {
    propagatesBackward = flag("pipe_to_backward_propagation");
  });

  class Pipe {
    constructor(source, dest, preventClose, preventAbort, preventCancel, signal) {
      this.source = source;
      this.dest = dest;
      this.preventClose = preventClose;
      this.preventAbort = preventAbort;
      this.preventCancel = preventCancel;
      this.signal = signal;
      this.reader = acquireReader(source, false);
      this.writer = new Writer(dest);
      source.disturbed = true;
      this.shuttingDown = false;
      this.finished = withResolvers();
      this.currentWrite = resolvedPromise;
      this.reading = false;
      this.hasChunk = false;
      this.pending = undefined;
      this.onMicrotask = () => {
        this.writePending();
        this.step();
      };
      this.onReady = () => this.step();
      this.pumping = undefined; // the native end that a pump reads from
      this.abortAlgorithm = undefined;
      this.writeFailed = false;
      this.onWriteFailed = () => {
        this.writeFailed = true;
      };
    }
    start() {
      const { signal } = this;
      if (signal !== undefined) {
        this.abortAlgorithm = () => this.onAbort();
        if (internal.signalAborted(signal)) {
          this.onAbort();
          return this.finished.promise;
        }
        internal.addAbortAlgorithm(signal, this.abortAlgorithm);
      }
      if (this.checkStates()) return this.finished.promise;
      const check = () => {
        this.checkStates();
      };
      upon(this.reader.closed.promise, check, check);
      upon(this.writer.closed.promise, check, propagatesBackward ? check : () => this.onDestinationError());
      this.step();
      return this.finished.promise;
    }
    onAbort() {
      const reason = internal.signalReason(this.signal);
      this.shutdown(
        () => {
          // Both actions start, then both are waited for.
          const { source, dest } = this;
          let one = resolvedPromise;
          let two = resolvedPromise;
          if (!this.preventAbort) one = dest.state === WRITABLE ? writableAbort(dest, reason) : resolvedPromise;
          if (!this.preventCancel) two = source.state === READABLE ? readableCancel(source, reason) : resolvedPromise;
          return waitBoth(one, two);
        },
        true,
        reason,
      );
    }
    /** Before `pipe_to_backward_propagation` a destination that broke while nothing was written ended the pipe well. */
    onDestinationError() {
      const { source, dest } = this;
      if (this.shuttingDown || this.writeFailed || this.pumping !== undefined || source.state === ERRORED) {
        this.checkStates();
        return;
      }
      const error = dest.storedError;
      this.shutdown(this.preventCancel ? undefined : () => readableCancel(source, error), false, undefined);
    }
    /** Errors and closing are propagated in the standard's order. True when the pipe is ending. */
    checkStates() {
      if (this.shuttingDown) return true;
      const { source, dest } = this;
      if (source.state === ERRORED) {
        const error = source.storedError;
        this.shutdown(this.preventAbort ? undefined : () => writableAbort(dest, error), true, error);
        return true;
      }
      if (dest.state === ERRORED) {
        const error = dest.storedError;
        this.shutdown(this.preventCancel ? undefined : () => readableCancel(source, error), true, error);
        return true;
      }
      if (source.state === CLOSED) {
        this.shutdown(this.preventClose ? undefined : () => writerCloseWithErrorPropagation(this.writer), false, undefined);
        return true;
      }
      if (dest.closeQueuedOrInFlight || dest.state === CLOSED) {
        const error = new TypeErrorConstructor("The destination of the pipe was closed before all data was written.");
        this.shutdown(this.preventCancel ? undefined : () => readableCancel(source, error), true, error);
        return true;
      }
      return false;
    }
    step() {
      if (this.shuttingDown || this.reading || this.hasChunk || this.pumping !== undefined) return;
      const desiredSize = writerDesiredSize(this.writer);
      if (desiredSize === null) return; // the writer's closed promise reports it
      if (desiredSize <= 0) {
        upon(this.writer.ready.promise, this.onReady, noop);
        return;
      }
      if (this.startPump()) return;
      this.reading = true;
      readerRead(this.reader, this);
    }
    /** Where both sides are native and nothing is between them, bytes go from one to the other without script. */
    startPump() {
      const { source, dest } = this;
      if (dest.native === undefined || dest.inFlightWrite !== undefined || dest.controller.queue.length > 0) return false;
      const end = nativeEnd(source);
      if (end === undefined || internal.ioOwner() === 0) return false;
      this.pumping = end;
      const onPumped = (how) => this.pumped(how);
      // A stop waits for what was read to be written.
      const toItsEnd = !this.preventClose && !this.preventAbort && !this.preventCancel && this.signal === undefined;
      this.currentWrite = PromisePrototypeThen(end.pump(dest.native.attach(), toItsEnd), onPumped);
      return true;
    }
    pumped(how) {
      const { source, dest } = this;
      this.pumping = undefined;
      if (how === undefined) {
        source.controller.closeAndRespond();
      } else if ("source" in how) {
        source.controller.error(how.source);
      } else if ("sink" in how) {
        dest.native.broke(how.sink);
        dest.controller.errorIfNeeded(how.sink);
      }
      this.checkStates();
    }
    // Read request steps. A write never happens inside the source's enqueue().
    chunk(value) {
      this.reading = false;
      this.hasChunk = true;
      this.pending = value;
      microtask(this.onMicrotask);
    }
    close() {
      this.reading = false;
    }
    error() {
      this.reading = false;
    }
    writePending() {
      if (!this.hasChunk) return;
      this.hasChunk = false;
      const { pending } = this;
      this.pending = undefined;
      if (this.writer.stream === undefined) return;
      this.currentWrite = writerWrite(this.writer, pending);
      upon(this.currentWrite, undefined, this.onWriteFailed);
    }
    shutdown(action, isError, error) {
      if (this.shuttingDown) return;
      this.shuttingDown = true;
      this.pumping?.stopPump();
      const finish = () => {
        if (action === undefined) {
          this.finalize(isError, error);
          return;
        }
        upon(
          action(),
          () => this.finalize(isError, error),
          (newError) => this.finalize(true, newError),
        );
      };
      if (this.dest.state === WRITABLE && !this.dest.closeQueuedOrInFlight) {
        this.writePending();
        this.whenWritten(finish);
      } else {
        finish();
      }
    }
    whenWritten(callback) {
      const { currentWrite } = this;
      const next = () => {
        if (currentWrite !== this.currentWrite) this.whenWritten(callback);
        else callback();
      };
      upon(currentWrite, next, next);
    }
    finalize(isError, error) {
      writerRelease(this.writer);
      readerRelease(this.reader);
      if (this.abortAlgorithm !== undefined) internal.removeAbortAlgorithm(this.signal, this.abortAlgorithm);
      if (isError) this.finished.reject(error);
      else this.finished.resolve(undefined);
    }
  }
  const waitBoth = (one, two) => {
    const both = withResolvers();
    let left = 2;
    const done = () => {
      if (--left === 0) both.resolve(undefined);
    };
    upon(one, done, both.reject);
    upon(two, done, both.reject);
    return both.promise;
  };
  const pipe = (source, dest, options) =>
    new Pipe(source, dest, options.preventClose, options.preventAbort, options.preventCancel, options.signal).start();

  const convertPipeOptions = (value, name) => {
    const options = {
      __proto__: null, preventAbort: false, preventCancel: false, preventClose: false, signal: undefined,
    };
    value = dictionary(value, () => notOfType(name, "ReadableStream", 2, "PipeToOptions"));
    if (value === undefined) return options;
    options.preventAbort = !!value.preventAbort;
    options.preventCancel = !!value.preventCancel;
    options.preventClose = !!value.preventClose;
    const { signal } = value;
    if (signal !== undefined) {
      if (!internal.isAbortSignal(signal)) throw fieldNotOfType("signal", "PipeToOptions", "AbortSignal");
      options.signal = signal;
    }
    return options;
  };

  withoutObjectPrototype([Pipe]);
  Object.assign(internal.streams, { pipe, convertPipeOptions });
  return {};
})
