// Readable streams inside: the stream, its reader, and the controller of one that yields values (Streams Standard section 4).
(function (internal) {
  "use strict";
  const { PromiseResolve, PromiseReject, withResolvers, upon, withoutObjectPrototype } = internal.primordials;
  const { Deferred, rejectedDeferred, thenUndefined, List, READABLE, CLOSED, ERRORED, sizeOf } = internal.streams;
  const TypeErrorConstructor = TypeError;

  // What compatibility flags change: true on the newest dates.
  let resultsHaveValue = true;
  internal.atBind((flag) => {
    resultsHaveValue = flag("enable_fast_jsg_struct");
  });

  const LOCKED_READER = "This ReadableStream is currently locked to a reader.";
  const RELEASED_READER = "This ReadableStream reader has been released.";

  class Readable {
    constructor() {
      this.state = READABLE;
      this.disturbed = false;
      this.reader = undefined;
      this.controller = undefined;
      this.storedError = undefined;
      this.wrapper = undefined;
      this.expectedLength = undefined;
      this.native = undefined; // the native end that `controller.source` pulls from: README, `newNativeStream`
      this.owner = 0; // whose I/O it does, if it does any
      this.onState = undefined; // called once when the stream closes or errors, for pipes and transforms
    }
  }

  class Reader {
    constructor(stream, byob) {
      this.stream = stream;
      this.byob = byob;
      this.requests = new List();
      this.closed = new Deferred();
      this.wrapper = undefined;
      stream.reader = this;
      if (stream.state === CLOSED) this.closed.resolve(undefined);
      else if (stream.state === ERRORED) this.closed.reject(stream.storedError);
    }
  }

  /** The read request behind `reader.read()`. */
  class PromiseRequest {
    constructor() {
      this.deferred = withResolvers();
    }
    get promise() {
      return this.deferred.promise;
    }
    chunk(value) {
      this.deferred.resolve({ value, done: false });
    }
    close(value) {
      this.deferred.resolve(value === undefined && !resultsHaveValue ? { done: true } : { value, done: true });
    }
    error(error) {
      this.deferred.reject(error);
    }
  }

  const readableClose = (stream) => {
    stream.state = CLOSED;
    const { reader } = stream;
    if (reader !== undefined) {
      reader.closed.resolve(undefined);
      if (!reader.byob) {
        const { requests } = reader;
        reader.requests = new List();
        while (requests.length > 0) requests.shift().close(undefined);
      }
    }
    stream.onState?.();
  };
  const readableError = (stream, error) => {
    stream.state = ERRORED;
    stream.storedError = error;
    const { reader } = stream;
    if (reader !== undefined) {
      reader.closed.reject(error);
      readerErrorRequests(reader, error);
    }
    stream.onState?.();
  };
  const readerErrorRequests = (reader, error) => {
    const { requests } = reader;
    reader.requests = new List();
    while (requests.length > 0) requests.shift().error(error);
  };
  const readableCancel = (stream, reason) => {
    stream.disturbed = true;
    if (stream.state === CLOSED) return PromiseResolve(undefined);
    if (stream.state === ERRORED) return PromiseReject(stream.storedError);
    readableClose(stream);
    const { reader } = stream;
    if (reader !== undefined && reader.byob) {
      const { requests } = reader;
      reader.requests = new List();
      while (requests.length > 0) requests.shift().close(undefined);
    }
    return thenUndefined(stream.controller.cancelSteps(reason));
  };

  /** The reference's exception, if a stream does I/O of another request's. `what` is what the reference has that fails. */
  const checkOwner = (stream, what = "ReadableStreamSource>") => {
    if (stream.owner !== 0) internal.checkIoOwner(stream.owner, what);
  };
  /** As a rejected promise, or undefined. */
  const refuseOwner = (stream, what = undefined) => {
    try {
      checkOwner(stream, what);
      return undefined;
    } catch (error) {
      return PromiseReject(error);
    }
  };
  const acquireReader = (stream, byob) => {
    if (stream.reader !== undefined) throw new TypeErrorConstructor(LOCKED_READER);
    if (byob && !stream.controller.isByte) {
      throw new TypeErrorConstructor("This ReadableStream does not support BYOB reads.");
    }
    return new Reader(stream, byob);
  };
  const readerRead = (reader, request) => {
    const { stream } = reader;
    stream.disturbed = true;
    if (stream.state === CLOSED) request.close(undefined);
    else if (stream.state === ERRORED) request.error(stream.storedError);
    else stream.controller.pullSteps(request);
  };
  const byobReaderRead = (reader, view, min, request) => {
    const { stream } = reader;
    stream.disturbed = true;
    if (stream.state === ERRORED) request.error(stream.storedError);
    else stream.controller.pullInto(view, min, request);
  };
  const readerRelease = (reader) => {
    const { stream } = reader;
    if (stream === undefined) return;
    const error = new TypeErrorConstructor(RELEASED_READER);
    if (reader.closed.status === 0) reader.closed.reject(error);
    else reader.closed = rejectedDeferred(error);
    stream.controller.releaseSteps();
    stream.reader = undefined;
    reader.stream = undefined;
    readerErrorRequests(reader, error);
  };
  const readerCancel = (reader, reason) => readableCancel(reader.stream, reason);

  /** What both kinds of readable controller share: when to pull. */
  class ReadableController {
    constructor(stream, source, highWaterMark) {
      this.stream = stream;
      this.source = source;
      this.highWaterMark = highWaterMark;
      this.queue = new List();
      this.queueTotalSize = 0;
      this.started = false;
      this.closeRequested = false;
      this.pulling = false;
      this.pullAgain = false;
      this.wrapper = undefined;
      this.onPulled = undefined;
      this.onPullFailed = undefined;
      stream.controller = this;
    }
    /** `result` is what the start method returned. */
    startWith(result) {
      this.startAfter(PromiseResolve(result));
    }
    /** `promise` is a promise of ours, which is not asked for its constructor. */
    startAfter(promise) {
      upon(
        promise,
        () => {
          this.started = true;
          this.callPullIfNeeded();
        },
        (error) => this.error(error),
      );
    }
    startFailed(error) {
      this.error(error);
    }
    startNow() {
      this.started = true;
    }
    callPullIfNeeded() {
      if (!this.shouldCallPull()) return;
      if (this.pulling) {
        this.pullAgain = true;
        return;
      }
      let promise;
      for (;;) {
        this.pulling = true;
        promise = this.source.pull(this);
        if (promise !== undefined) break;
        // An internal source that finished without waiting.
        this.pulling = false;
        if (!this.pullAgain) return;
        this.pullAgain = false;
        if (!this.shouldCallPull()) return;
      }
      if (this.onPulled === undefined) {
        this.onPulled = () => {
          this.pulling = false;
          if (this.pullAgain) {
            this.pullAgain = false;
            this.callPullIfNeeded();
          }
        };
        this.onPullFailed = (error) => this.error(error);
      }
      upon(promise, this.onPulled, this.onPullFailed);
    }
    get desiredSize() {
      const { state } = this.stream;
      if (state === ERRORED) return null;
      if (state === CLOSED) return 0;
      return this.highWaterMark - this.queueTotalSize;
    }
    resetQueue() {
      this.queue = new List();
      this.queueTotalSize = 0;
    }
    canCloseOrEnqueue() {
      return !this.closeRequested && this.stream.state === READABLE;
    }
  }

  class DefaultController extends ReadableController {
    constructor(stream, source, highWaterMark, size) {
      super(stream, source, highWaterMark);
      this.size = size;
    }
    get isByte() {
      return false;
    }
    shouldCallPull() {
      if (!this.canCloseOrEnqueue() || !this.started) return false;
      const { reader } = this.stream;
      if (reader !== undefined && reader.requests.length > 0) return true;
      return this.desiredSize > 0;
    }
    clearAlgorithms() {
      this.source = undefined;
      this.size = undefined;
    }
    close() {
      if (!this.canCloseOrEnqueue()) return;
      this.closeRequested = true;
      if (this.queue.length === 0) {
        this.clearAlgorithms();
        readableClose(this.stream);
      }
    }
    enqueue(chunk) {
      if (!this.canCloseOrEnqueue()) return;
      const { reader } = this.stream;
      if (reader !== undefined && reader.requests.length > 0) {
        reader.requests.shift().chunk(chunk);
      } else {
        let size;
        try {
          size = sizeOf(this.size, chunk);
        } catch (error) {
          this.error(error);
          throw error;
        }
        this.queue.push({ value: chunk, size });
        this.queueTotalSize += size;
      }
      this.callPullIfNeeded();
    }
    error(error) {
      if (this.stream.state !== READABLE) return;
      this.resetQueue();
      this.clearAlgorithms();
      readableError(this.stream, error);
    }
    cancelSteps(reason) {
      this.resetQueue();
      const promise = this.source.cancel(reason);
      this.clearAlgorithms();
      return promise;
    }
    pullSteps(request) {
      if (this.queue.length > 0) {
        const { value, size } = this.queue.shift();
        this.queueTotalSize -= size;
        if (this.queueTotalSize < 0) this.queueTotalSize = 0; // rounding
        if (this.closeRequested && this.queue.length === 0) {
          this.clearAlgorithms();
          readableClose(this.stream);
        } else {
          this.callPullIfNeeded();
        }
        request.chunk(value);
      } else {
        this.stream.reader.requests.push(request);
        this.callPullIfNeeded();
      }
    }
    releaseSteps() {}
  }

  /** A stream of values over an internal source, that starts as one of a script does. */
  const makeDefaultLater = (source, highWaterMark, size) => {
    const stream = new Readable();
    new DefaultController(stream, source, highWaterMark, size).startWith(undefined);
    return stream;
  };

  withoutObjectPrototype([Readable, Reader, PromiseRequest, ReadableController]);
  Object.assign(internal.streams, {
    LOCKED_READER, RELEASED_READER, Readable, PromiseRequest, readableClose, readableError, readableCancel,
    checkOwner, refuseOwner, acquireReader, readerRead, byobReaderRead, readerRelease, readerCancel, ReadableController, DefaultController,
    makeDefaultLater,
  });
  return {};
})
