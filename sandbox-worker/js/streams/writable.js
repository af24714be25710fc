// Writable streams inside: the stream, its writer, its controller (Streams Standard section 5).
(function (internal) {
  "use strict";
  const { PromiseResolve, PromiseReject, withResolvers, upon, withoutObjectPrototype } = internal.primordials;
  const { Deferred, resolvedDeferred, rejectedDeferred, List, CLOSED, ERRORED, WRITABLE, ERRORING } = internal.streams;
  const TypeErrorConstructor = TypeError;
  const RangeErrorConstructor = RangeError;

  // What compatibility flags change: true on the newest dates.
  let compliantWriter = true;
  let abortClearsQueue = true;
  internal.atBind((flag) => {
    compliantWriter = flag("writable_stream_spec_compliant_writer");
    abortClearsQueue = flag("internal_writable_stream_abort_clears_queue");
  });

  const LOCKED_WRITER = "This WritableStream is currently locked to a writer.";
  const RELEASED_WRITER = "This WritableStream writer has been released.";

  class Writable {
    constructor() {
      this.state = WRITABLE;
      this.storedError = undefined;
      this.writer = undefined;
      this.controller = undefined;
      this.writeRequests = new List();
      this.inFlightWrite = undefined;
      this.closeRequest = undefined;
      this.inFlightClose = undefined;
      this.pendingAbort = undefined;
      this.backpressure = false;
      this.wrapper = undefined;
      this.native = undefined; // what can take bytes without script: see IdentityPipe
      this.owner = 0; // whose I/O it does, if it does any
      this.onState = undefined;
    }
    get closeQueuedOrInFlight() {
      return this.closeRequest !== undefined || this.inFlightClose !== undefined;
    }
  }
  const CLOSE_SENTINEL = { __proto__: null };

  class Writer {
    constructor(stream) {
      if (stream.writer !== undefined) throw new TypeErrorConstructor(LOCKED_WRITER);
      this.stream = stream;
      this.wrapper = undefined;
      stream.writer = this;
      if (stream.state === WRITABLE) {
        this.ready =
          !stream.closeQueuedOrInFlight && stream.backpressure ? new Deferred() : resolvedDeferred(undefined);
        this.closed = new Deferred();
      } else if (stream.state === ERRORING) {
        this.ready = compliantWriter ? rejectedDeferred(stream.storedError) : resolvedDeferred(undefined);
        this.closed = new Deferred();
      } else if (stream.state === CLOSED) {
        this.ready = resolvedDeferred(undefined);
        this.closed = resolvedDeferred(undefined);
      } else {
        this.ready = compliantWriter ? rejectedDeferred(stream.storedError) : resolvedDeferred(undefined);
        this.closed = rejectedDeferred(stream.storedError);
      }
    }
    ensureReadyRejected(error) {
      if (this.ready.status === 0) this.ready.reject(error);
      else this.ready = rejectedDeferred(error);
    }
    ensureClosedRejected(error) {
      if (this.closed.status === 0) this.closed.reject(error);
      else this.closed = rejectedDeferred(error);
    }
  }

  class WritableController {
    constructor(stream, sink, highWaterMark, size) {
      this.stream = stream;
      this.sink = sink;
      this.highWaterMark = highWaterMark;
      this.size = size;
      this.queue = new List();
      this.queueTotalSize = 0;
      this.started = false;
      this.signal = undefined;
      this.aborted = false;
      this.abortReason = undefined;
      this.wrapper = undefined;
      this.onWritten = undefined;
      this.onWriteFailed = undefined;
      stream.controller = this;
      stream.backpressure = this.getBackpressure();
    }
    startWith(result) {
      this.startAfter(PromiseResolve(result));
    }
    startAfter(promise) {
      const { stream } = this;
      upon(
        promise,
        () => {
          this.started = true;
          this.advanceQueueIfNeeded();
        },
        (error) => {
          this.started = true;
          writableDealWithRejection(stream, error);
        },
      );
    }
    startFailed(error) {
      this.started = true;
      writableDealWithRejection(this.stream, error);
    }
    startNow() {
      this.started = true;
    }
    get desiredSize() {
      return this.highWaterMark - this.queueTotalSize;
    }
    getBackpressure() {
      return this.desiredSize <= 0;
    }
    clearAlgorithms() {
      this.sink = undefined;
      this.size = undefined;
    }
    getSignal() {
      if (this.signal === undefined) {
        this.signal = internal.newAbortSignal();
        if (this.aborted) internal.signalAbort(this.signal, this.abortReason);
      }
      return this.signal;
    }
    signalAbort(reason) {
      if (abortClearsQueue) this.sink?.abandonWrite?.(reason);
      this.aborted = true;
      this.abortReason = reason;
      if (this.signal !== undefined) internal.signalAbort(this.signal, reason);
    }
    abortSteps(reason) {
      const promise = this.sink.abort(reason);
      this.clearAlgorithms();
      return promise;
    }
    errorSteps() {
      this.queue = new List();
      this.queueTotalSize = 0;
    }
    error(error) {
      this.clearAlgorithms();
      writableStartErroring(this.stream, error);
    }
    errorIfNeeded(error) {
      if (this.stream.state === WRITABLE) this.error(error);
    }
    close() {
      this.queue.push({ value: CLOSE_SENTINEL, size: 0 });
      this.advanceQueueIfNeeded();
    }
    chunkSize(chunk) {
      const { size } = this;
      if (size === undefined) return 1;
      try {
        return +size(chunk);
      } catch (error) {
        this.errorIfNeeded(error);
        return 1;
      }
    }
    write(chunk, size) {
      if (!(size >= 0) || size === Infinity) {
        this.errorIfNeeded(new RangeErrorConstructor("The size of a chunk must be a finite, non-negative number."));
        return;
      }
      this.queue.push({ value: chunk, size });
      this.queueTotalSize += size;
      const { stream } = this;
      if (!stream.closeQueuedOrInFlight && stream.state === WRITABLE) {
        writableUpdateBackpressure(stream, this.getBackpressure());
      }
      this.advanceQueueIfNeeded();
    }
    advanceQueueIfNeeded() {
      const { stream } = this;
      if (!this.started || stream.inFlightWrite !== undefined) return;
      if (stream.state === ERRORING) {
        writableFinishErroring(stream);
        return;
      }
      if (this.queue.length === 0) return;
      const { value } = this.queue.first;
      if (value === CLOSE_SENTINEL) this.processClose();
      else this.processWrite(value);
    }
    dequeue() {
      this.queueTotalSize -= this.queue.shift().size;
      if (this.queueTotalSize < 0) this.queueTotalSize = 0;
    }
    processClose() {
      const { stream } = this;
      stream.inFlightClose = stream.closeRequest;
      stream.closeRequest = undefined;
      this.dequeue();
      const promise = this.sink.close();
      this.clearAlgorithms();
      upon(
        promise,
        () => writableFinishInFlightClose(stream),
        (error) => {
          stream.inFlightClose.reject(error);
          stream.inFlightClose = undefined;
          if (stream.pendingAbort !== undefined) {
            stream.pendingAbort.deferred.reject(error);
            stream.pendingAbort = undefined;
          }
          writableDealWithRejection(stream, error);
        },
      );
    }
    processWrite(chunk) {
      const { stream } = this;
      stream.inFlightWrite = stream.writeRequests.shift();
      const promise = this.sink.write(chunk, this);
      if (this.onWritten === undefined) {
        this.onWritten = () => {
          stream.inFlightWrite.resolve(undefined);
          stream.inFlightWrite = undefined;
          this.dequeue();
          if (!stream.closeQueuedOrInFlight && stream.state === WRITABLE) {
            writableUpdateBackpressure(stream, this.getBackpressure());
          }
          this.advanceQueueIfNeeded();
        };
        this.onWriteFailed = (error) => {
          if (stream.state === WRITABLE) this.clearAlgorithms();
          stream.inFlightWrite.reject(error);
          stream.inFlightWrite = undefined;
          writableDealWithRejection(stream, error);
        };
      }
      upon(promise, this.onWritten, this.onWriteFailed);
    }
  }

  const writableUpdateBackpressure = (stream, backpressure) => {
    const { writer } = stream;
    if (writer !== undefined && backpressure !== stream.backpressure) {
      if (backpressure) writer.ready = new Deferred();
      else writer.ready.resolve(undefined);
    }
    stream.backpressure = backpressure;
  };
  const writableDealWithRejection = (stream, error) => {
    if (stream.state === WRITABLE) writableStartErroring(stream, error);
    else writableFinishErroring(stream);
  };
  const writableStartErroring = (stream, reason) => {
    const { controller, writer } = stream;
    stream.state = ERRORING;
    stream.storedError = reason;
    if (writer !== undefined) writer.ensureReadyRejected(reason);
    if (stream.inFlightWrite === undefined && stream.inFlightClose === undefined && controller.started) {
      writableFinishErroring(stream);
    }
    stream.onState?.();
  };
  const writableFinishErroring = (stream) => {
    stream.state = ERRORED;
    stream.controller.errorSteps();
    const { storedError, writeRequests } = stream;
    stream.writeRequests = new List();
    while (writeRequests.length > 0) writeRequests.shift().reject(storedError);
    const { pendingAbort } = stream;
    if (pendingAbort === undefined) {
      writableRejectClose(stream);
      return;
    }
    stream.pendingAbort = undefined;
    if (pendingAbort.wasAlreadyErroring) {
      pendingAbort.deferred.reject(storedError);
      writableRejectClose(stream);
      return;
    }
    upon(
      stream.controller.abortSteps(pendingAbort.reason),
      () => {
        pendingAbort.deferred.resolve(undefined);
        writableRejectClose(stream);
      },
      (error) => {
        pendingAbort.deferred.reject(error);
        writableRejectClose(stream);
      },
    );
  };
  const writableRejectClose = (stream) => {
    if (stream.closeRequest !== undefined) {
      stream.closeRequest.reject(stream.storedError);
      stream.closeRequest = undefined;
    }
    stream.writer?.closed.reject(stream.storedError);
    stream.onState?.();
  };
  const writableFinishInFlightClose = (stream) => {
    stream.inFlightClose.resolve(undefined);
    stream.inFlightClose = undefined;
    if (stream.state === ERRORING) {
      stream.storedError = undefined;
      if (stream.pendingAbort !== undefined) {
        stream.pendingAbort.deferred.resolve(undefined);
        stream.pendingAbort = undefined;
      }
    }
    stream.state = CLOSED;
    stream.writer?.closed.resolve(undefined);
    stream.onState?.();
  };
  const writableAbort = (stream, reason) => {
    if (stream.state === CLOSED || stream.state === ERRORED) return PromiseResolve(undefined);
    stream.controller.signalAbort(reason);
    const { state } = stream; // a listener of the signal may have changed it
    if (state === CLOSED || state === ERRORED) return PromiseResolve(undefined);
    if (stream.pendingAbort !== undefined) return stream.pendingAbort.deferred.promise;
    const wasAlreadyErroring = state === ERRORING;
    const deferred = withResolvers();
    stream.pendingAbort = { deferred, reason: wasAlreadyErroring ? undefined : reason, wasAlreadyErroring };
    if (!wasAlreadyErroring) writableStartErroring(stream, reason);
    return deferred.promise;
  };
  const writableClose = (stream) => {
    if (stream.state === CLOSED) return PromiseReject(new TypeErrorConstructor("This WritableStream has been closed."));
    if (stream.state === ERRORED) return PromiseReject(new TypeErrorConstructor("This WritableStream has been errored."));
    const deferred = withResolvers();
    stream.closeRequest = deferred;
    if (stream.writer !== undefined && stream.backpressure && stream.state === WRITABLE) {
      stream.writer.ready.resolve(undefined);
    }
    stream.controller.close();
    return deferred.promise;
  };
  const writerClose = (writer) => {
    const { stream } = writer;
    if (stream.closeQueuedOrInFlight) {
      return PromiseReject(new TypeErrorConstructor("This WritableStream has been closed."));
    }
    return writableClose(stream);
  };
  const writerCloseWithErrorPropagation = (writer) => {
    const { stream } = writer;
    if (stream.closeQueuedOrInFlight || stream.state === CLOSED) return PromiseResolve(undefined);
    if (stream.state === ERRORED) return PromiseReject(stream.storedError);
    return writableClose(stream);
  };
  const writerWrite = (writer, chunk) => {
    const { stream } = writer;
    const { controller } = stream;
    const chunkSize = controller.chunkSize(chunk);
    if (stream !== writer.stream) return PromiseReject(new TypeErrorConstructor(RELEASED_WRITER));
    const { state } = stream;
    if (state === ERRORED) return PromiseReject(stream.storedError);
    if (stream.closeQueuedOrInFlight || state === CLOSED) {
      return PromiseReject(new TypeErrorConstructor("This WritableStream has been closed."));
    }
    if (state === ERRORING) return PromiseReject(stream.storedError);
    const deferred = withResolvers();
    stream.writeRequests.push(deferred);
    controller.write(chunk, chunkSize);
    return deferred.promise;
  };
  const writerDesiredSize = (writer) => {
    const { stream } = writer;
    if (stream.state === ERRORED || stream.state === ERRORING) return null;
    if (stream.state === CLOSED) return 0;
    return stream.controller.desiredSize;
  };
  const writerRelease = (writer) => {
    const { stream } = writer;
    if (stream === undefined) return;
    const error = new TypeErrorConstructor(RELEASED_WRITER);
    if (compliantWriter || writer.ready.status === 0) writer.ensureReadyRejected(error);
    writer.ensureClosedRejected(error);
    stream.writer = undefined;
    writer.stream = undefined;
  };

  withoutObjectPrototype([Writable, Writer, WritableController]);
  Object.assign(internal.streams, {
    LOCKED_WRITER, RELEASED_WRITER, Writable, Writer, WritableController, writableAbort, writableClose, writerClose,
    writerCloseWithErrorPropagation, writerWrite, writerDesiredSize, writerRelease,
  });
  return {};
})
