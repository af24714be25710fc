// The Streams Standard (https://streams.spec.whatwg.org/) with the reference's byte transforms.
//
// Every public object is a thin wrapper around an implementation object with plain fields, made only when a script can
// see it: a request body that is read by native code allocates no reader, controller or promise that nobody looks at.
// Function names follow the standard's abstract operations without their class prefix.
(function (internal) {
  "use strict";
  const {
    FunctionPrototypeApply, Bytes, PromisePrototypeThen, PromiseResolve, PromiseReject, withResolvers,
    isView, typedArrayTag, typedArrayBuffer, typedArrayByteLength, typedArrayByteOffset, arrayBufferByteLength,
    arrayBufferSlice, typedArraySet, subarray, copyBytes, transferBuffer, isDetached, isUint8Array, isSharedArrayBuffer,
    viewBuffer, viewByteLength, viewByteOffset, bytesOf, resolvedPromise, noop, upon, markHandled, microtask,
    illegalConstructor, illegalInvocation, isObject, notOfType, constructorNotOfType, fieldNotOfType, toDOMString,
    toEnforcedUnsigned, defineProperty, getPrototypeOf, setPrototypeOf, shape, uncurryThis,
    withoutObjectPrototype, refuse, adorn, carried,
  } = internal.primordials;
  const { iterator: SymbolIterator, asyncIterator: SymbolAsyncIterator } = Symbol;
  const ViewConstructors = {
    __proto__: null, Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
    BigInt64Array, BigUint64Array, Float32Array, Float64Array,
  };
  if (typeof Float16Array === "function") ViewConstructors.Float16Array = Float16Array;
  const DataViewConstructor = DataView;
  const ArrayBufferConstructor = ArrayBuffer;
  const NumberIsFinite = Number.isFinite;
  const { ceil: MathCeil, floor: MathFloor, min: MathMin } = Math;
  const NumberConstructor = Number;
  const StringPrototypeCharCodeAt = uncurryThis(String.prototype.charCodeAt);
  const StringPrototypeSlice = uncurryThis(String.prototype.slice);
  const TypeErrorConstructor = TypeError;
  const ErrorConstructor = Error;
  const RangeErrorConstructor = RangeError;

  const LOCKED_READER = "This ReadableStream is currently locked to a reader.";
  const LOCKED_TEE = "This ReadableStream is currently locked to a reader,"; // the reference's text, comma and all
  const LOCKED_WRITER = "This WritableStream is currently locked to a writer.";
  const RELEASED_READER = "This ReadableStream reader has been released.";
  const RELEASED_WRITER = "This WritableStream writer has been released.";

  // What compatibility flags change: true on the newest dates.
  let constructorsEnabled = true;
  let standardTransform = true;
  let detachesViews = true;
  let returnsViewAtEnd = true;
  let resultsHaveValue = true;
  let compliantWriter = true;
  let boundedEncoders = true;
  let renewsBackpressure = true;
  let abortClearsQueue = true;
  let propagatesBackward = true;
  // What a script's byte stream allocates for a default reader, unless the script says how much.
  let defaultChunkSize;
  internal.atBind((flag) => {
    constructorsEnabled = flag("streams_enable_constructors");
    standardTransform = flag("transformstream_enable_standard_constructor");
    detachesViews = flag("streams_byob_reader_detaches_buffer");
    returnsViewAtEnd = flag("internal_stream_byob_return_view");
    resultsHaveValue = flag("enable_fast_jsg_struct");
    compliantWriter = flag("writable_stream_spec_compliant_writer");
    boundedEncoders = flag("encoder_stream_spec_compliant_backpressure");
    renewsBackpressure = flag("fixup-transform-stream-backpressure");
    abortClearsQueue = flag("internal_writable_stream_abort_clears_queue");
    propagatesBackward = flag("pipe_to_backward_propagation");
    defaultChunkSize = flag("streams_no_default_auto_allocate_chunk_size") ? undefined : 4096;
    if (!constructorsEnabled) {
      const names = [
        "ReadableStreamBYOBRequest", "ReadableStreamDefaultController", "ReadableByteStreamController",
        "WritableStreamDefaultController", "TransformStreamDefaultController",
      ];
      for (let i = 0; i < names.length; i++) delete internal.globals.ServiceWorkerGlobalScope.prototype[names[i]];
    }
  });
  // Set while a class of ours makes a stream for a worker whose scripts may not.
  let permitted = false;
  const requireConstructors = (name) => {
    if (constructorsEnabled || permitted) {
      permitted = false;
      return;
    }
    throw new ErrorConstructor(
      `To use the new ${name}() constructor, enable the streams_enable_constructors compatibility flag. Refer to the ` +
        "docs for more information: https://developers.cloudflare.com/workers/platform/compatibility-dates/#compatibility-flags",
    );
  };

  // Tells our own calls of a public constructor from a script's.
  const kWrap = { __proto__: null };

  const READABLE = 0;
  const CLOSED = 1;
  const ERRORED = 2;
  const WRITABLE = 3;
  const ERRORING = 4;

  // ------------------------------------------------------------------------------------------------ small helpers

  /** A promise with its resolvers that exists only once somebody asks for it. */
  class Deferred {
    constructor() {
      this.status = 0; // 0 pending, 1 fulfilled, 2 rejected
      this.value = undefined;
      this.made = undefined;
      this.resolvers = undefined;
    }
    get promise() {
      if (this.made === undefined) {
        if (this.status === 0) {
          this.resolvers = withResolvers();
          this.made = markHandled(this.resolvers.promise);
        } else {
          this.made = this.status === 1 ? PromiseResolve(this.value) : markHandled(PromiseReject(this.value));
        }
      }
      return this.made;
    }
    resolve(value) {
      if (this.status !== 0) return;
      this.status = 1;
      this.value = value;
      if (this.resolvers !== undefined) {
        this.resolvers.resolve(value);
        this.resolvers = undefined;
      }
    }
    reject(error) {
      if (this.status !== 0) return;
      this.status = 2;
      this.value = error;
      if (this.resolvers !== undefined) {
        this.resolvers.reject(error);
        this.resolvers = undefined;
      }
    }
  }
  const resolvedDeferred = (value) => {
    const deferred = new Deferred();
    deferred.resolve(value);
    return deferred;
  };
  const rejectedDeferred = (error) => {
    const deferred = new Deferred();
    deferred.reject(error);
    return deferred;
  };

  /** A first-in-first-out list that no patched Array.prototype can see. */
  class List {
    constructor() {
      this.head = undefined;
      this.tail = undefined;
      this.length = 0;
    }
    push(item) {
      const node = { item, next: undefined };
      if (this.tail === undefined) this.head = node;
      else this.tail.next = node;
      this.tail = node;
      this.length++;
    }
    shift() {
      const node = this.head;
      this.head = node.next;
      if (this.head === undefined) this.tail = undefined;
      this.length--;
      return node.item;
    }
    get first() {
      return this.head.item;
    }
  }

  const invoke = (method, receiver, args) => FunctionPrototypeApply(method, receiver, args);
  /** Calls a script's method where the standard turns its result, or its exception, into a promise. */
  const promiseCall = (method, receiver, args) => {
    try {
      return PromiseResolve(FunctionPrototypeApply(method, receiver, args));
    } catch (error) {
      return PromiseReject(error);
    }
  };
  // Resolving a promise with another one would call the latter's `then`, which a script can have replaced.
  const follow = (deferred, promise) => upon(promise, deferred.resolve, deferred.reject);
  /** A promise for what the promise that `next` returns is settled with, once `promise` is settled. */
  const chain = (promise, next, onRejected = undefined) => {
    const deferred = withResolvers();
    const run = (steps) => (value) => {
      let result;
      try {
        result = steps(value);
      } catch (error) {
        deferred.reject(error);
        return;
      }
      follow(deferred, result);
    };
    upon(promise, run(next), onRejected === undefined ? deferred.reject : run(onRejected));
    return deferred.promise;
  };
  const toUndefined = () => undefined;
  const thenUndefined = (promise) => (promise === undefined ? resolvedPromise : PromisePrototypeThen(promise, toUndefined));
  const method = (dictionary, key, name) => {
    const value = dictionary[key];
    if (value === undefined) return undefined;
    if (typeof value !== "function") throw fieldNotOfType(key, name, "function");
    return value;
  };
  /** Converts an optional dictionary argument; null and undefined are the empty one. */
  const dictionary = (value, makeError) => {
    if (value === undefined || value === null) return undefined;
    if (!isObject(value)) throw makeError();
    return value;
  };

  const convertStrategy = (strategy, className, index) => {
    const converted = { __proto__: null, highWaterMark: undefined, size: undefined };
    strategy = dictionary(strategy, () => constructorNotOfType(className, index, "QueuingStrategy"));
    if (strategy !== undefined) {
      const { highWaterMark } = strategy;
      if (highWaterMark !== undefined) converted.highWaterMark = NumberConstructor(highWaterMark);
      converted.size = method(strategy, "size", "QueuingStrategy");
    }
    return converted;
  };
  const extractHighWaterMark = (strategy, fallback) => {
    const { highWaterMark } = strategy;
    if (highWaterMark === undefined) return fallback;
    // The reference takes an integer; fractions and Infinity are the standard's.
    if (highWaterMark !== highWaterMark) {
      throw new TypeErrorConstructor("The value cannot be converted because it is not an integer.");
    }
    if (highWaterMark < 0) {
      throw new TypeErrorConstructor(
        "The value cannot be converted because it is negative and this API expects a positive bigint.",
      );
    }
    return highWaterMark;
  };
  const sizeOf = (size, chunk) => {
    if (size === undefined) return 1;
    const value = +size(chunk);
    if (!(value >= 0) || value === Infinity) {
      throw new RangeErrorConstructor("The size of a chunk must be a finite, non-negative number.");
    }
    return value;
  };

  // ---------------------------------------------------------------------------------------------- readable streams

  class Readable {
    constructor() {
      this.state = READABLE;
      this.disturbed = false;
      this.reader = undefined;
      this.controller = undefined;
      this.storedError = undefined;
      this.wrapper = undefined;
      this.expectedLength = undefined;
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

  const readableWrapper = (stream) => (stream.wrapper ??= new ReadableStream(kWrap, stream));

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

  /** A script's underlying source. Internal sources have the same methods and may return undefined for "done". */
  class ScriptSource {
    constructor(object, pull, cancel) {
      this.object = object;
      this.pullMethod = pull;
      this.cancelMethod = cancel;
    }
    pull(controller) {
      if (this.pullMethod === undefined) return resolvedPromise;
      return promiseCall(this.pullMethod, this.object, [controllerWrapper(controller)]);
    }
    cancel(reason) {
      if (this.cancelMethod === undefined) return resolvedPromise;
      return promiseCall(this.cancelMethod, this.object, [reason]);
    }
  }

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

  /** Memory that a byte source has still to fill. `readerType`: 0 none, 1 default, 2 byob. */
  class PullInto {
    constructor(buffer, byteOffset, byteLength, minimumFill, elementSize, view, readerType) {
      this.buffer = buffer;
      this.bufferByteLength = arrayBufferByteLength(buffer);
      this.byteOffset = byteOffset;
      this.byteLength = byteLength;
      this.bytesFilled = 0;
      this.minimumFill = minimumFill;
      this.elementSize = elementSize;
      this.View = view;
      this.readerType = readerType;
      this.target = undefined;
    }
  }
  const convertPullInto = (descriptor) => {
    const { View, bytesFilled, byteOffset, elementSize, target } = descriptor;
    const buffer = transferBuffer(descriptor.buffer);
    if (target === undefined) return new View(buffer, byteOffset, bytesFilled / elementSize);
    // The reader's own buffer was not taken, so that it may have been since: what is read is copied into it if it can be.
    const own = viewBuffer(target);
    const bytes = new Bytes(buffer, byteOffset, bytesFilled);
    if (isDetached(own) || viewByteLength(target) < bytesFilled) return new View(buffer, byteOffset, bytesFilled / elementSize);
    const offset = viewByteOffset(target);
    typedArraySet(new Bytes(own, offset, bytesFilled), bytes, 0);
    return new View(own, offset, bytesFilled / elementSize);
  };

  class ByteController extends ReadableController {
    constructor(stream, source, highWaterMark, autoAllocateChunkSize) {
      super(stream, source, highWaterMark);
      this.autoAllocateChunkSize = autoAllocateChunkSize;
      this.pendingPullIntos = new List();
      this.byobRequest = null; // the public object
      this.isInternal = false;
    }
    get isByte() {
      return true;
    }
    shouldCallPull() {
      if (!this.canCloseOrEnqueue() || !this.started) return false;
      const { reader } = this.stream;
      if (reader !== undefined && reader.requests.length > 0) return true;
      return this.desiredSize > 0;
    }
    clearAlgorithms() {
      this.source = undefined;
    }
    getByobRequest() {
      if (this.byobRequest === null && this.pendingPullIntos.length > 0) {
        const first = this.pendingPullIntos.first;
        const view = new Bytes(first.buffer, first.byteOffset + first.bytesFilled, first.byteLength - first.bytesFilled);
        this.byobRequest = new ReadableStreamBYOBRequest(kWrap, this, view);
      }
      return this.byobRequest;
    }
    invalidateByobRequest() {
      if (this.byobRequest === null) return;
      invalidateRequest(this.byobRequest);
      this.byobRequest = null;
    }
    clearPendingPullIntos() {
      this.invalidateByobRequest();
      this.pendingPullIntos = new List();
    }
    close() {
      if (!this.canCloseOrEnqueue()) return;
      if (this.queueTotalSize > 0) {
        this.closeRequested = true;
        return;
      }
      if (this.pendingPullIntos.length > 0) {
        const first = this.pendingPullIntos.first;
        if (first.bytesFilled % first.elementSize !== 0) {
          const error = new TypeErrorConstructor("Insufficient bytes to fill elements in the given buffer");
          this.error(error);
          throw error;
        }
      }
      this.clearAlgorithms();
      readableClose(this.stream);
    }
    error(error) {
      if (this.stream.state !== READABLE) return;
      this.clearPendingPullIntos();
      this.resetQueue();
      this.clearAlgorithms();
      readableError(this.stream, error);
    }
    pushChunk(buffer, byteOffset, byteLength) {
      this.queue.push({ buffer, byteOffset, byteLength });
      this.queueTotalSize += byteLength;
    }
    enqueue(chunk) {
      if (!this.canCloseOrEnqueue()) return;
      const byteOffset = viewByteOffset(chunk);
      const byteLength = viewByteLength(chunk);
      const buffer = transferBuffer(viewBuffer(chunk));
      this.enqueueOwned(buffer, byteOffset, byteLength);
    }
    /** Enqueues memory that nobody else holds. */
    enqueueOwned(buffer, byteOffset, byteLength) {
      if (!this.canCloseOrEnqueue()) return;
      if (this.pendingPullIntos.length > 0) {
        const first = this.pendingPullIntos.first;
        if (isDetached(first.buffer)) {
          throw new TypeErrorConstructor("The destination buffer of the pending BYOB read has been detached.");
        }
        this.invalidateByobRequest();
        first.buffer = transferBuffer(first.buffer);
        if (first.readerType === 0) this.enqueueDetachedPullInto(first);
      }
      const { reader } = this.stream;
      if (reader !== undefined && !reader.byob) {
        this.processReadRequests(reader);
        if (reader.requests.length === 0) {
          this.pushChunk(buffer, byteOffset, byteLength);
        } else {
          if (this.pendingPullIntos.length > 0) this.pendingPullIntos.shift();
          reader.requests.shift().chunk(new Bytes(buffer, byteOffset, byteLength));
        }
      } else if (reader !== undefined) {
        this.pushChunk(buffer, byteOffset, byteLength);
        const filled = this.processPullIntos();
        while (filled.length > 0) this.commitPullInto(filled.shift());
      } else {
        this.pushChunk(buffer, byteOffset, byteLength);
      }
      this.callPullIfNeeded();
    }
    enqueueClonedChunk(buffer, byteOffset, byteLength) {
      let clone;
      try {
        const copy = new Bytes(byteLength);
        typedArraySet(copy, new Bytes(buffer, byteOffset, byteLength));
        clone = typedArrayBuffer(copy);
      } catch (error) {
        this.error(error);
        throw error;
      }
      this.pushChunk(clone, 0, byteLength);
    }
    enqueueDetachedPullInto(descriptor) {
      if (descriptor.bytesFilled > 0) {
        this.enqueueClonedChunk(descriptor.buffer, descriptor.byteOffset, descriptor.bytesFilled);
      }
      this.pendingPullIntos.shift();
    }
    /** Moves queued bytes into `descriptor`; true when it holds enough for its read. */
    fillPullInto(descriptor) {
      const maxBytesToCopy = MathMin(this.queueTotalSize, descriptor.byteLength - descriptor.bytesFilled);
      const maxBytesFilled = descriptor.bytesFilled + maxBytesToCopy;
      let remaining = maxBytesToCopy;
      let ready = false;
      const maxAlignedBytes = maxBytesFilled - (maxBytesFilled % descriptor.elementSize);
      if (maxAlignedBytes >= descriptor.minimumFill) {
        remaining = maxAlignedBytes - descriptor.bytesFilled;
        ready = true;
      }
      while (remaining > 0) {
        const head = this.queue.first;
        const count = MathMin(remaining, head.byteLength);
        typedArraySet(
          new Bytes(descriptor.buffer, descriptor.byteOffset + descriptor.bytesFilled, count),
          new Bytes(head.buffer, head.byteOffset, count),
        );
        if (head.byteLength === count) {
          this.queue.shift();
        } else {
          head.byteOffset += count;
          head.byteLength -= count;
        }
        this.queueTotalSize -= count;
        descriptor.bytesFilled += count;
        remaining -= count;
      }
      return ready;
    }
    commitPullInto(descriptor) {
      const { stream } = this;
      const done = stream.state === CLOSED;
      const view = convertPullInto(descriptor);
      const request = stream.reader.requests.shift();
      if (done) request.close(this.isInternal && !returnsViewAtEnd ? undefined : view);
      else request.chunk(view);
    }
    processPullIntos() {
      const filled = new List();
      while (this.pendingPullIntos.length > 0 && this.queueTotalSize > 0) {
        const descriptor = this.pendingPullIntos.first;
        if (!this.fillPullInto(descriptor)) break;
        this.invalidateByobRequest();
        this.pendingPullIntos.shift();
        filled.push(descriptor);
      }
      return filled;
    }
    processReadRequests(reader) {
      while (reader.requests.length > 0 && this.queueTotalSize > 0) {
        this.fillRequestFromQueue(reader.requests.shift());
      }
    }
    fillRequestFromQueue(request) {
      const entry = this.queue.shift();
      this.queueTotalSize -= entry.byteLength;
      this.handleQueueDrain();
      request.chunk(new Bytes(entry.buffer, entry.byteOffset, entry.byteLength));
    }
    handleQueueDrain() {
      if (this.queueTotalSize === 0 && this.closeRequested) {
        this.clearAlgorithms();
        readableClose(this.stream);
      } else {
        this.callPullIfNeeded();
      }
    }
    pullInto(view, min, request) {
      const { stream } = this;
      const tag = typedArrayTag(view);
      let elementSize = 1;
      let View = DataViewConstructor;
      if (tag !== undefined) {
        View = ViewConstructors[tag];
        elementSize = View.BYTES_PER_ELEMENT;
      }
      const byteOffset = viewByteOffset(view);
      const byteLength = viewByteLength(view);
      let buffer;
      try {
        buffer = detachesViews ? transferBuffer(viewBuffer(view)) : new ArrayBufferConstructor(byteOffset + byteLength);
      } catch (error) {
        request.error(error);
        return;
      }
      const descriptor = new PullInto(buffer, byteOffset, byteLength, min * elementSize, elementSize, View, 2);
      if (!detachesViews) descriptor.target = view;
      if (this.pendingPullIntos.length > 0) {
        this.pendingPullIntos.push(descriptor);
        stream.reader.requests.push(request);
        return;
      }
      if (stream.state === CLOSED) {
        request.close(this.isInternal && !returnsViewAtEnd ? undefined : convertPullInto(descriptor));
        return;
      }
      if (this.queueTotalSize > 0) {
        if (this.fillPullInto(descriptor)) {
          const filled = convertPullInto(descriptor);
          this.handleQueueDrain();
          request.chunk(filled);
          return;
        }
        if (this.closeRequested) {
          if (descriptor.bytesFilled > 0 && descriptor.bytesFilled % elementSize === 0) {
            // The reference gives a minimum that the end cut short what there is; the standard errors the stream.
            const filled = convertPullInto(descriptor);
            this.handleQueueDrain();
            request.chunk(filled);
            return;
          }
          const error = new TypeErrorConstructor("Insufficient bytes to fill elements in the given buffer");
          this.error(error);
          request.error(error);
          return;
        }
      }
      this.pendingPullIntos.push(descriptor);
      stream.reader.requests.push(request);
      this.callPullIfNeeded();
    }
    respond(bytesWritten) {
      const first = this.pendingPullIntos.first;
      if (this.stream.state === CLOSED) {
        if (bytesWritten !== 0) {
          throw new TypeErrorConstructor("bytesWritten must be 0 when calling respond() on a closed stream");
        }
      } else {
        if (bytesWritten === 0) {
          throw new TypeErrorConstructor("bytesWritten must be greater than 0 when calling respond() on a readable stream");
        }
        if (first.bytesFilled + bytesWritten > first.byteLength) {
          throw new RangeErrorConstructor("bytesWritten out of range");
        }
      }
      first.buffer = transferBuffer(first.buffer);
      this.respondInternal(bytesWritten);
    }
    respondWithNewView(view) {
      const first = this.pendingPullIntos.first;
      const byteLength = viewByteLength(view);
      if (this.stream.state === CLOSED) {
        if (byteLength !== 0) {
          throw new TypeErrorConstructor("The view's length must be 0 when calling respondWithNewView() on a closed stream");
        }
      } else if (byteLength === 0) {
        throw new TypeErrorConstructor(
          "The view's length must be greater than 0 when calling respondWithNewView() on a readable stream",
        );
      }
      if (first.byteOffset + first.bytesFilled !== viewByteOffset(view)) {
        throw new RangeErrorConstructor("The region specified by view does not match byobRequest");
      }
      const buffer = viewBuffer(view);
      if (first.bufferByteLength !== arrayBufferByteLength(buffer)) {
        throw new RangeErrorConstructor("The buffer of view has different capacity than byobRequest");
      }
      if (first.bytesFilled + byteLength > first.byteLength) {
        throw new RangeErrorConstructor("The region specified by view is larger than byobRequest");
      }
      first.buffer = transferBuffer(buffer);
      this.respondInternal(byteLength);
    }
    respondInternal(bytesWritten) {
      const first = this.pendingPullIntos.first;
      this.invalidateByobRequest();
      if (this.stream.state === CLOSED) this.respondInClosedState(first);
      else this.respondInReadableState(bytesWritten, first);
      this.callPullIfNeeded();
    }
    respondInClosedState(first) {
      if (first.readerType === 0) this.pendingPullIntos.shift();
      const { reader } = this.stream;
      if (reader !== undefined && reader.byob) {
        const filled = new List();
        while (filled.length < reader.requests.length) filled.push(this.pendingPullIntos.shift());
        while (filled.length > 0) this.commitPullInto(filled.shift());
      }
    }
    respondInReadableState(bytesWritten, descriptor) {
      descriptor.bytesFilled += bytesWritten;
      if (descriptor.readerType === 0) {
        this.enqueueDetachedPullInto(descriptor);
        const filled = this.processPullIntos();
        while (filled.length > 0) this.commitPullInto(filled.shift());
        return;
      }
      if (descriptor.bytesFilled < descriptor.minimumFill) return;
      this.pendingPullIntos.shift();
      const remainder = descriptor.bytesFilled % descriptor.elementSize;
      if (remainder > 0) {
        const end = descriptor.byteOffset + descriptor.bytesFilled;
        this.enqueueClonedChunk(descriptor.buffer, end - remainder, remainder);
      }
      descriptor.bytesFilled -= remainder;
      const filled = this.processPullIntos();
      this.commitPullInto(descriptor);
      while (filled.length > 0) this.commitPullInto(filled.shift());
    }
    /** How many bytes the oldest BYOB read still wants, or 0 when there is none. For internal sources. */
    wantedBytes() {
      if (this.pendingPullIntos.length === 0) return 0;
      const first = this.pendingPullIntos.first;
      return first.byteLength - first.bytesFilled;
    }
    /**
     * close() by a script. In the standard BYOB reads that wait then go on waiting for `byobRequest.respond(0)`; as in the
     * reference they end without. That comes a microtask later, so that a script of the standard's has called it.
     */
    closeAndEndReads() {
      this.close();
      if (this.pendingPullIntos.length > 0 && this.stream.state === CLOSED) microtask(() => this.endReads());
    }
    endReads() {
      const { reader } = this.stream;
      if (this.pendingPullIntos.length === 0 || reader === undefined || !reader.byob) return;
      const { requests } = reader;
      if (this.byobRequest !== null) endRequest(this.byobRequest);
      this.invalidateByobRequest();
      while (requests.length > 0) {
        const descriptor = this.pendingPullIntos.shift();
        const request = requests.shift();
        // A minimum that the end cut short gives what there is.
        if (descriptor.bytesFilled > 0) request.chunk(convertPullInto(descriptor));
        else request.close(convertPullInto(descriptor));
      }
    }
    /** close() for internal sources, which never look at byobRequest: pending BYOB reads end at once. */
    closeAndRespond() {
      if (!this.canCloseOrEnqueue()) return;
      this.close();
      if (this.pendingPullIntos.length > 0 && this.stream.state === CLOSED) this.respond(0);
    }
    cancelSteps(reason) {
      this.clearPendingPullIntos();
      this.resetQueue();
      const promise = this.source.cancel(reason);
      this.clearAlgorithms();
      return promise;
    }
    pullSteps(request) {
      const { stream } = this;
      if (this.queueTotalSize > 0) {
        this.fillRequestFromQueue(request);
        return;
      }
      if (this.autoAllocateChunkSize !== undefined) {
        let buffer;
        try {
          buffer = new ArrayBufferConstructor(this.autoAllocateChunkSize);
        } catch (error) {
          request.error(error);
          return;
        }
        this.pendingPullIntos.push(new PullInto(buffer, 0, this.autoAllocateChunkSize, 1, 1, Bytes, 1));
      }
      stream.reader.requests.push(request);
      this.callPullIfNeeded();
    }
    releaseSteps() {
      if (this.pendingPullIntos.length > 0) {
        const first = this.pendingPullIntos.first;
        first.readerType = 0;
        const list = new List();
        list.push(first);
        this.pendingPullIntos = list;
      }
    }
  }

  const controllerWrapper = (controller) =>
    (controller.wrapper ??= controller.isByte
      ? new ReadableByteStreamController(kWrap, controller)
      : new ReadableStreamDefaultController(kWrap, controller));

  const setUpScriptSource = (stream, object, strategy) => {
    // Dictionary members are read in lexicographical order.
    let autoAllocateChunkSize;
    let cancel;
    let pull;
    let start;
    let type;
    if (object !== undefined) {
      autoAllocateChunkSize = object.autoAllocateChunkSize;
      if (autoAllocateChunkSize !== undefined) {
        autoAllocateChunkSize = toEnforcedUnsigned(autoAllocateChunkSize, "autoAllocateChunkSize");
      }
      cancel = method(object, "cancel", "UnderlyingSource");
      const { expectedLength } = object;
      if (expectedLength !== undefined && expectedLength !== null) {
        stream.expectedLength = toEnforcedUnsigned(expectedLength, "expectedLength");
      }
      pull = method(object, "pull", "UnderlyingSource");
      start = method(object, "start", "UnderlyingSource");
      type = object.type;
      if (type !== undefined) {
        type = toDOMString(type);
        if (type !== "bytes") throw new TypeErrorConstructor(`"${type}" is not a valid type of ReadableStream.`);
      }
    }
    const source = new ScriptSource(object, pull, cancel);
    let controller;
    if (type === "bytes") {
      if (strategy.size !== undefined) {
        throw new RangeErrorConstructor("A ReadableStream of type 'bytes' cannot have a size function in its strategy.");
      }
      const highWaterMark = extractHighWaterMark(strategy, 0);
      if (autoAllocateChunkSize === 0) throw new TypeErrorConstructor("autoAllocateChunkSize must be greater than 0.");
      controller = new ByteController(stream, source, highWaterMark, autoAllocateChunkSize ?? defaultChunkSize);
    } else {
      controller = new DefaultController(stream, source, extractHighWaterMark(strategy, 1), strategy.size);
    }
    startController(controller, start, object, controllerWrapper);
  };

  /** Runs a script's start method. As in the reference, one that throws makes a stream that is errored. */
  const startController = (controller, start, object, wrap) => {
    let result;
    try {
      if (start !== undefined) result = invoke(start, object, [wrap(controller)]);
    } catch (error) {
      controller.startFailed(error);
      return;
    }
    controller.startWith(result);
  };

  /** A default readable stream over an internal source that needs no asynchronous start. */
  const makeDefault = (source, highWaterMark, size) => {
    const stream = new Readable();
    new DefaultController(stream, source, highWaterMark, size).startNow();
    return stream;
  };
  const makeByte = (source) => {
    const stream = new Readable();
    const controller = new ByteController(stream, source, 0, undefined);
    controller.isInternal = true;
    controller.startNow();
    return stream;
  };

  // ReadableStreamDefaultTee, as the source of both branches and the read request of their reader in one object.
  class DefaultTee {
    constructor(stream) {
      this.stream = stream;
      this.reader = acquireReader(stream, false);
      this.reading = false;
      this.readAgain = false;
      this.cancelPromise = withResolvers();
      this.one = new TeeBranch(this);
      this.two = new TeeBranch(this);
      this.branch1 = makeDefaultLater(this.one, 1);
      this.branch2 = makeDefaultLater(this.two, 1);
      this.value = undefined;
      this.onMicrotask = () => this.deliver();
      upon(this.reader.closed.promise, undefined, (error) => {
        this.branch1.controller.error(error);
        this.branch2.controller.error(error);
        if (!this.one.canceled || !this.two.canceled) this.cancelPromise.resolve(undefined);
      });
    }
    pull() {
      if (this.reading) {
        this.readAgain = true;
        return resolvedPromise;
      }
      this.reading = true;
      readerRead(this.reader, this);
      return resolvedPromise;
    }
    // Read request steps.
    chunk(value) {
      this.value = value;
      microtask(this.onMicrotask);
    }
    deliver() {
      this.readAgain = false;
      const { value } = this;
      this.value = undefined;
      if (!this.one.canceled) this.branch1.controller.enqueue(value);
      if (!this.two.canceled) this.branch2.controller.enqueue(value);
      this.reading = false;
      if (this.readAgain) this.pull();
    }
    close() {
      this.reading = false;
      if (!this.one.canceled) this.branch1.controller.close();
      if (!this.two.canceled) this.branch2.controller.close();
      if (!this.one.canceled || !this.two.canceled) this.cancelPromise.resolve(undefined);
    }
    error() {
      this.reading = false;
    }
    cancel() {
      if (this.one.canceled && this.two.canceled) {
        follow(this.cancelPromise, readableCancel(this.stream, [this.one.reason, this.two.reason]));
      }
      return this.cancelPromise.promise;
    }
  }
  class TeeBranch {
    constructor(tee) {
      this.tee = tee;
      this.canceled = false;
      this.reason = undefined;
    }
    pull() {
      return this.tee.pull(this);
    }
    cancel(reason) {
      this.canceled = true;
      this.reason = reason;
      return this.tee.cancel();
    }
  }
  const makeDefaultLater = (source, highWaterMark, size) => {
    const stream = new Readable();
    new DefaultController(stream, source, highWaterMark, size).startWith(undefined);
    return stream;
  };

  // ReadableByteStreamTee.
  class ByteTee {
    constructor(stream) {
      this.stream = stream;
      this.reader = acquireReader(stream, false);
      this.reading = false;
      this.readAgain1 = false;
      this.readAgain2 = false;
      this.cancelPromise = withResolvers();
      this.one = new TeeBranch(this);
      this.two = new TeeBranch(this);
      this.branch1 = new Readable();
      new ByteController(this.branch1, this.one, 0, undefined).startWith(undefined);
      this.branch2 = new Readable();
      new ByteController(this.branch2, this.two, 0, undefined).startWith(undefined);
      this.forwardReaderError();
    }
    forwardReaderError() {
      const { reader } = this;
      upon(reader.closed.promise, undefined, (error) => {
        if (reader !== this.reader) return;
        this.branch1.controller.error(error);
        this.branch2.controller.error(error);
        if (!this.one.canceled || !this.two.canceled) this.cancelPromise.resolve(undefined);
      });
    }
    useReader(byob) {
      if (this.reader.byob === byob) return;
      readerRelease(this.reader);
      this.reader = acquireReader(this.stream, byob);
      this.forwardReaderError();
    }
    pull(source) {
      const isFirst = source === this.one;
      if (this.reading) {
        if (isFirst) this.readAgain1 = true;
        else this.readAgain2 = true;
        return resolvedPromise;
      }
      this.reading = true;
      const branch = isFirst ? this.branch1 : this.branch2;
      const request = branch.controller.getByobRequest();
      if (request === null) {
        this.useReader(false);
        readerRead(this.reader, new ByteTeeRequest(this));
      } else {
        this.useReader(true);
        byobReaderRead(this.reader, requestView(request), 1, new ByteTeeByobRequest(this, !isFirst));
      }
      return resolvedPromise;
    }
    again() {
      this.reading = false;
      if (this.readAgain1) this.pull(this.one);
      else if (this.readAgain2) this.pull(this.two);
    }
    cloneOrFail(chunk) {
      try {
        return copyBytes(chunk);
      } catch (error) {
        this.branch1.controller.error(error);
        this.branch2.controller.error(error);
        follow(this.cancelPromise, readableCancel(this.stream, error));
        return undefined;
      }
    }
    cancel() {
      if (this.one.canceled && this.two.canceled) {
        follow(this.cancelPromise, readableCancel(this.stream, [this.one.reason, this.two.reason]));
      }
      return this.cancelPromise.promise;
    }
  }
  const enqueueView = (branch, view) => branch.controller.enqueue(view);
  class ByteTeeRequest {
    constructor(tee) {
      this.tee = tee;
    }
    chunk(chunk) {
      const { tee } = this;
      microtask(() => {
        tee.readAgain1 = false;
        tee.readAgain2 = false;
        let second = chunk;
        if (!tee.one.canceled && !tee.two.canceled) {
          second = tee.cloneOrFail(chunk);
          if (second === undefined) return;
        }
        if (!tee.one.canceled) enqueueView(tee.branch1, chunk);
        if (!tee.two.canceled) enqueueView(tee.branch2, second);
        tee.again();
      });
    }
    close() {
      const { tee } = this;
      tee.reading = false;
      if (!tee.one.canceled) tee.branch1.controller.close();
      if (!tee.two.canceled) tee.branch2.controller.close();
      if (tee.branch1.controller.pendingPullIntos.length > 0) tee.branch1.controller.respond(0);
      if (tee.branch2.controller.pendingPullIntos.length > 0) tee.branch2.controller.respond(0);
      if (!tee.one.canceled || !tee.two.canceled) tee.cancelPromise.resolve(undefined);
    }
    error() {
      this.tee.reading = false;
    }
  }
  class ByteTeeByobRequest {
    constructor(tee, forSecond) {
      this.tee = tee;
      this.forSecond = forSecond;
    }
    chunk(chunk) {
      const { tee, forSecond } = this;
      microtask(() => {
        tee.readAgain1 = false;
        tee.readAgain2 = false;
        const byobBranch = forSecond ? tee.branch2 : tee.branch1;
        const otherBranch = forSecond ? tee.branch1 : tee.branch2;
        const byobCanceled = forSecond ? tee.two.canceled : tee.one.canceled;
        const otherCanceled = forSecond ? tee.one.canceled : tee.two.canceled;
        if (!otherCanceled) {
          const clone = tee.cloneOrFail(chunk);
          if (clone === undefined) return;
          if (!byobCanceled) byobBranch.controller.respondWithNewView(chunk);
          enqueueView(otherBranch, clone);
        } else if (!byobCanceled) {
          byobBranch.controller.respondWithNewView(chunk);
        }
        tee.again();
      });
    }
    close(chunk) {
      const { tee, forSecond } = this;
      tee.reading = false;
      const byobBranch = forSecond ? tee.branch2 : tee.branch1;
      const otherBranch = forSecond ? tee.branch1 : tee.branch2;
      const byobCanceled = forSecond ? tee.two.canceled : tee.one.canceled;
      const otherCanceled = forSecond ? tee.one.canceled : tee.two.canceled;
      if (!byobCanceled) byobBranch.controller.close();
      if (!otherCanceled) otherBranch.controller.close();
      if (chunk !== undefined) {
        if (!byobCanceled) byobBranch.controller.respondWithNewView(chunk);
        if (!otherCanceled && otherBranch.controller.pendingPullIntos.length > 0) otherBranch.controller.respond(0);
      }
      if (!byobCanceled || !otherCanceled) tee.cancelPromise.resolve(undefined);
    }
    error() {
      this.tee.reading = false;
    }
  }

  const teeStream = (stream) => {
    // As in the reference, even before a branch is read.
    stream.disturbed = true;
    const tee = stream.controller.isByte ? new ByteTee(stream) : new DefaultTee(stream);
    tee.branch1.expectedLength = stream.expectedLength;
    tee.branch2.expectedLength = stream.expectedLength;
    return tee;
  };

  // ReadableStreamFromIterable. `iterator` is an async or a sync one; values of a sync one are awaited.
  class IteratorSource {
    constructor(iterator, next, isSync) {
      this.iterator = iterator;
      this.next = next;
      this.isSync = isSync;
    }
    pull(controller) {
      let promise;
      try {
        promise = PromiseResolve(invoke(this.next, this.iterator, []));
      } catch (error) {
        return PromiseReject(error);
      }
      return chain(promise, (result) => {
        if (!isObject(result)) {
          throw new TypeErrorConstructor("The promise returned by the iterator's next() method must fulfil with an object.");
        }
        if (result.done) {
          controller.close();
          return resolvedPromise;
        }
        const { value } = result;
        if (!this.isSync) {
          controller.enqueue(value);
          return resolvedPromise;
        }
        return PromisePrototypeThen(PromiseResolve(value), (awaited) => controller.enqueue(awaited));
      });
    }
    cancel(reason) {
      let promise;
      try {
        const returnMethod = this.iterator.return;
        if (returnMethod === undefined || returnMethod === null) return resolvedPromise;
        promise = PromiseResolve(invoke(returnMethod, this.iterator, [reason]));
      } catch (error) {
        return PromiseReject(error);
      }
      return PromisePrototypeThen(promise, (result) => {
        if (!isObject(result)) {
          throw new TypeErrorConstructor("The promise returned by the iterator's return() method must fulfil with an object.");
        }
      });
    }
  }
  const fromIterable = (iterable) => {
    const fail = () => notOfType("from", "ReadableStream", 1, "AsyncGenerator");
    if (iterable === undefined || iterable === null) throw fail();
    let make = iterable[SymbolAsyncIterator];
    let isSync = false;
    if (make === undefined || make === null) {
      make = iterable[SymbolIterator];
      isSync = true;
      if (make === undefined || make === null) throw fail();
    }
    if (typeof make !== "function") throw fail();
    const iterator = invoke(make, iterable, []);
    if (!isObject(iterator)) throw new TypeErrorConstructor("The result of the iterator method must be an object.");
    return makeDefaultLater(new IteratorSource(iterator, iterator.next, isSync), 0, undefined);
  };

  // ---------------------------------------------------------------------------------------------- writable streams

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

  /** A script's underlying sink. Internal sinks have the same methods and always return a promise. */
  class ScriptSink {
    constructor(object, write, close, abort) {
      this.object = object;
      this.writeMethod = write;
      this.closeMethod = close;
      this.abortMethod = abort;
    }
    write(chunk, controller) {
      if (this.writeMethod === undefined) return resolvedPromise;
      return promiseCall(this.writeMethod, this.object, [chunk, writableControllerWrapper(controller)]);
    }
    close() {
      if (this.closeMethod === undefined) return resolvedPromise;
      return promiseCall(this.closeMethod, this.object, []);
    }
    abort(reason) {
      if (this.abortMethod === undefined) return resolvedPromise;
      return promiseCall(this.abortMethod, this.object, [reason]);
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
  const writableControllerWrapper = (controller) =>
    (controller.wrapper ??= new WritableStreamDefaultController(kWrap, controller));

  const setUpScriptSink = (stream, object, strategy) => {
    let abort;
    let close;
    let start;
    let write;
    if (object !== undefined) {
      abort = method(object, "abort", "UnderlyingSink");
      close = method(object, "close", "UnderlyingSink");
      start = method(object, "start", "UnderlyingSink");
      write = method(object, "write", "UnderlyingSink");
    }
    const highWaterMark = extractHighWaterMark(strategy, 1);
    const sink = new ScriptSink(object, write, close, abort);
    const controller = new WritableController(stream, sink, highWaterMark, strategy.size);
    startController(controller, start, object, writableControllerWrapper);
  };

  // ------------------------------------------------------------------------------------------------------ pipes

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
      if (this.shuttingDown || this.writeFailed || source.state === ERRORED) {
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
      if (this.shuttingDown || this.reading || this.hasChunk) return;
      const desiredSize = writerDesiredSize(this.writer);
      if (desiredSize === null) return; // the writer's closed promise reports it
      if (desiredSize <= 0) {
        upon(this.writer.ready.promise, this.onReady, noop);
        return;
      }
      this.reading = true;
      readerRead(this.reader, this);
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

  // ------------------------------------------------------------------------------------------------- transforms

  class Transform {
    constructor() {
      this.readable = undefined;
      this.writable = undefined;
      this.backpressure = undefined;
      this.backpressureChange = undefined;
      this.controller = undefined;
    }
  }
  class TransformController {
    constructor(stream, transformer) {
      this.stream = stream;
      this.transformer = transformer;
      this.finishPromise = undefined;
      this.wrapper = undefined;
      stream.controller = this;
    }
    enqueue(chunk) {
      const { stream } = this;
      const readableController = stream.readable.controller;
      if (!readableController.canCloseOrEnqueue()) {
        throw new TypeErrorConstructor("The readable side of this TransformStream is no longer readable.");
      }
      try {
        readableController.enqueue(chunk);
      } catch (error) {
        transformErrorWritableAndUnblock(stream, error);
        throw stream.readable.storedError;
      }
      const backpressure = !readableController.shouldCallPull();
      if (renewsBackpressure && backpressure !== stream.backpressure) transformSetBackpressure(stream, true);
    }
    error(error) {
      transformError(this.stream, error);
    }
    terminate() {
      const { stream } = this;
      stream.readable.controller.close();
      transformErrorWritableAndUnblock(stream, new TypeErrorConstructor("The transform stream has been terminated"));
    }
    performTransform(chunk) {
      return PromisePrototypeThen(this.transformer.transform(chunk, this), undefined, (error) => {
        transformError(this.stream, error);
        throw error;
      });
    }
    clearAlgorithms() {
      this.transformer = undefined;
    }
  }
  const transformControllerWrapper = (controller) =>
    (controller.wrapper ??= new TransformStreamDefaultController(kWrap, controller));

  class ScriptTransformer {
    constructor(object, transform, flush, cancel) {
      this.object = object;
      this.transformMethod = transform;
      this.flushMethod = flush;
      this.cancelMethod = cancel;
    }
    transform(chunk, controller) {
      if (this.transformMethod === undefined) {
        try {
          controller.enqueue(chunk);
          return resolvedPromise;
        } catch (error) {
          return PromiseReject(error);
        }
      }
      return promiseCall(this.transformMethod, this.object, [chunk, transformControllerWrapper(controller)]);
    }
    flush(controller) {
      if (this.flushMethod === undefined) return resolvedPromise;
      return promiseCall(this.flushMethod, this.object, [transformControllerWrapper(controller)]);
    }
    cancel(reason) {
      if (this.cancelMethod === undefined) return resolvedPromise;
      return promiseCall(this.cancelMethod, this.object, [reason]);
    }
  }
  /** Runs `transform(chunk)` and `flush()` of an internal object, which return the chunk to enqueue or undefined. */
  class InternalTransformer {
    constructor(codec) {
      this.codec = codec;
    }
    transform(chunk, controller) {
      try {
        const result = this.codec.transform(chunk);
        if (result !== undefined) controller.enqueue(result);
        return resolvedPromise;
      } catch (error) {
        return PromiseReject(error);
      }
    }
    flush(controller) {
      try {
        const result = this.codec.flush();
        if (result !== undefined) controller.enqueue(result);
        return resolvedPromise;
      } catch (error) {
        return PromiseReject(error);
      }
    }
    cancel() {
      return resolvedPromise;
    }
  }

  const transformError = (stream, error) => {
    stream.readable.controller.error(error);
    transformErrorWritableAndUnblock(stream, error);
  };
  const transformErrorWritableAndUnblock = (stream, error) => {
    stream.controller.clearAlgorithms();
    stream.writable.controller.errorIfNeeded(error);
    if (stream.backpressure) transformSetBackpressure(stream, false);
  };
  const transformSetBackpressure = (stream, backpressure) => {
    stream.backpressureChange?.resolve(undefined);
    stream.backpressureChange = new Deferred();
    stream.backpressure = backpressure;
  };

  class TransformSink {
    constructor(stream) {
      this.stream = stream;
    }
    write(chunk) {
      const { stream } = this;
      const { controller } = stream;
      if (!stream.backpressure) return controller.performTransform(chunk);
      return chain(stream.backpressureChange.promise, () => {
        const { writable } = stream;
        if (writable.state === ERRORING) throw writable.storedError;
        return controller.performTransform(chunk);
      });
    }
    abort(reason) {
      const { stream } = this;
      const { controller, readable } = stream;
      if (controller.finishPromise !== undefined) return controller.finishPromise.promise;
      const finish = (controller.finishPromise = withResolvers());
      const promise = controller.transformer.cancel(reason);
      controller.clearAlgorithms();
      upon(
        promise,
        () => {
          if (readable.state === ERRORED) {
            finish.reject(readable.storedError);
          } else {
            readable.controller.error(reason);
            finish.resolve(undefined);
          }
        },
        (error) => {
          readable.controller.error(error);
          finish.reject(error);
        },
      );
      return finish.promise;
    }
    close() {
      const { stream } = this;
      const { controller, readable } = stream;
      if (controller.finishPromise !== undefined) return controller.finishPromise.promise;
      const finish = (controller.finishPromise = withResolvers());
      const promise = controller.transformer.flush(controller);
      controller.clearAlgorithms();
      upon(
        promise,
        () => {
          if (readable.state === ERRORED) {
            finish.reject(readable.storedError);
          } else {
            readable.controller.close();
            finish.resolve(undefined);
          }
        },
        (error) => {
          readable.controller.error(error);
          finish.reject(error);
        },
      );
      return finish.promise;
    }
  }
  class TransformSource {
    constructor(stream) {
      this.stream = stream;
    }
    pull() {
      transformSetBackpressure(this.stream, false);
      return this.stream.backpressureChange.promise;
    }
    cancel(reason) {
      const { stream } = this;
      const { controller, writable } = stream;
      if (controller.finishPromise !== undefined) return controller.finishPromise.promise;
      const finish = (controller.finishPromise = withResolvers());
      const promise = controller.transformer.cancel(reason);
      controller.clearAlgorithms();
      upon(
        promise,
        () => {
          if (writable.state === ERRORED) {
            finish.reject(writable.storedError);
          } else {
            writable.controller.errorIfNeeded(reason);
            if (stream.backpressure) transformSetBackpressure(stream, false);
            finish.resolve(undefined);
          }
        },
        (error) => {
          writable.controller.errorIfNeeded(error);
          if (stream.backpressure) transformSetBackpressure(stream, false);
          finish.reject(error);
        },
      );
      return finish.promise;
    }
  }
  const initializeTransform = (stream, startPromise, writableHwm, writableSize, readableHwm, readableSize) => {
    const writable = (stream.writable = new Writable());
    new WritableController(writable, new TransformSink(stream), writableHwm, writableSize).startAfter(startPromise);
    const readable = (stream.readable = new Readable());
    new DefaultController(readable, new TransformSource(stream), readableHwm, readableSize).startAfter(startPromise);
    transformSetBackpressure(stream, true);
  };
  const makeInternalTransform = (codec) => {
    const stream = new Transform();
    initializeTransform(stream, resolvedPromise, 1, undefined, boundedEncoders ? 0 : 1, undefined);
    new TransformController(stream, new InternalTransformer(codec));
    return stream;
  };

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

  // ------------------------------------------------------------------------------------------- public classes

  let readableOf;
  let moveReadable;
  let requestView;
  let invalidateRequest;
  let endRequest;
  let writableOf;

  class ReadableStream {
    #s = adorn(this);
    constructor(underlyingSource = undefined, queuingStrategy = undefined) {
      if (underlyingSource === kWrap) {
        this.#s = queuingStrategy;
        return;
      }
      const source = dictionary(underlyingSource, () => constructorNotOfType("ReadableStream", 1, "UnderlyingSource"));
      const strategy = convertStrategy(queuingStrategy, "ReadableStream", 2);
      requireConstructors("ReadableStream");
      const stream = (this.#s = new Readable());
      stream.wrapper = this;
      setUpScriptSource(stream, source, strategy);
    }
    static {
      readableOf = (value) => (isObject(value) && #s in value ? value.#s : undefined);
      // What a stream is goes over to a new object; to whoever holds the old one it has been read.
      moveReadable = (value) => {
        const stream = value.#s;
        value.#s = usedReadable();
        value.#s.wrapper = value;
        stream.wrapper = undefined;
        return readableWrapper(stream);
      };
    }
    static from(asyncIterable) {
      const stream = fromIterable(asyncIterable);
      requireConstructors("ReadableStream");
      return readableWrapper(stream);
    }
    get locked() {
      if (!(#s in this)) throw illegalInvocation();
      return this.#s.reader !== undefined;
    }
    cancel(reason = undefined) {
      if (!isObject(this) || !(#s in this)) return PromiseReject(illegalInvocation());
      if (this.#s.reader !== undefined) return PromiseReject(new TypeErrorConstructor(LOCKED_READER));
      return readableCancel(this.#s, reason);
    }
    getReader(options = undefined) {
      if (!(#s in this)) throw illegalInvocation();
      options = dictionary(options, () => notOfType("getReader", "ReadableStream", 1, "GetReaderOptions"));
      let mode = options === undefined ? undefined : options.mode;
      if (mode === undefined) return newReader(acquireReader(this.#s, false));
      mode = toDOMString(mode);
      if (mode !== "byob") throw new TypeErrorConstructor("mode must be undefined or 'byob' in call to getReader().");
      return newReader(acquireReader(this.#s, true));
    }
    pipeThrough(transform, options = undefined) {
      if (!(#s in this)) throw illegalInvocation();
      if (!isObject(transform)) throw notOfType("pipeThrough", "ReadableStream", 1, "Transform");
      const { readable } = transform;
      if (readableOf(readable) === undefined) throw fieldNotOfType("readable", "Transform", "ReadableStream");
      const { writable } = transform;
      const dest = writableOf(writable);
      if (dest === undefined) throw fieldNotOfType("writable", "Transform", "WritableStream");
      const converted = convertPipeOptions(options, "pipeThrough");
      if (this.#s.reader !== undefined) throw new TypeErrorConstructor(LOCKED_READER);
      if (dest.writer !== undefined) throw new TypeErrorConstructor(LOCKED_WRITER);
      markHandled(pipe(this.#s, dest, converted));
      return readable;
    }
    pipeTo(destination, options = undefined) {
      try {
        if (!(#s in this)) throw illegalInvocation();
        const dest = writableOf(destination);
        if (dest === undefined) throw notOfType("pipeTo", "ReadableStream", 1, "WritableStream");
        const converted = convertPipeOptions(options, "pipeTo");
        if (this.#s.reader !== undefined) throw new TypeErrorConstructor(LOCKED_READER);
        if (dest.writer !== undefined) throw new TypeErrorConstructor(LOCKED_WRITER);
        return pipe(this.#s, dest, converted);
      } catch (error) {
        return refuse(error);
      }
    }
    tee() {
      if (!(#s in this)) throw illegalInvocation();
      if (this.#s.reader !== undefined) throw new TypeErrorConstructor(LOCKED_TEE);
      const tee = teeStream(this.#s);
      return [readableWrapper(tee.branch1), readableWrapper(tee.branch2)];
    }
    values(options = undefined) {
      if (!(#s in this)) throw illegalInvocation();
      options = dictionary(options, () =>
        notOfType("values", "ReadableStream", 1, "ReadableStreamIteratorOptions"),
      );
      const preventCancel = options === undefined ? false : !!options.preventCancel;
      return new StreamIterator(acquireReader(this.#s, false), preventCancel);
    }
  }
  shape(ReadableStream, "ReadableStream");
  carried(ReadableStream, ["locked"]);
  defineProperty(ReadableStream.prototype, SymbolAsyncIterator, {
    __proto__: null, value: ReadableStream.prototype.values, writable: true, configurable: true,
  });

  // Asynchronous iteration (Web IDL, "asynchronous iterator prototype object").
  const AsyncIteratorPrototype = getPrototypeOf(getPrototypeOf(async function* () {}).prototype);
  class StreamIterator {
    #reader;
    #preventCancel;
    #ongoing;
    #finished = false;
    constructor(reader, preventCancel) {
      this.#reader = reader;
      this.#preventCancel = preventCancel;
    }
    static {
      delete this.prototype.constructor;
    }
    next() {
      if (!isObject(this) || !(#reader in this)) return PromiseReject(illegalInvocation());
      const steps = () => this.#nextSteps();
      this.#ongoing =
        this.#ongoing === undefined ? steps() : chain(this.#ongoing, steps, steps);
      return this.#ongoing;
    }
    return(value) {
      if (!isObject(this) || !(#reader in this)) return PromiseReject(illegalInvocation());
      const steps = () => this.#returnSteps(value);
      const result = this.#ongoing === undefined ? steps() : chain(this.#ongoing, steps, steps);
      this.#ongoing = result;
      return PromisePrototypeThen(result, () => ({ done: true, value }));
    }
    #nextSteps() {
      if (this.#finished) return PromiseResolve(resultsHaveValue ? { done: true, value: undefined } : { done: true });
      const request = new IteratorRequest(this.#reader, () => {
        this.#finished = true;
      });
      readerRead(this.#reader, request);
      return request.promise;
    }
    #returnSteps(value) {
      if (this.#finished) return PromiseResolve({ done: true, value });
      this.#finished = true;
      const reader = this.#reader;
      if (reader.stream === undefined) return PromiseResolve(undefined);
      if (!this.#preventCancel) {
        const result = readerCancel(reader, value);
        readerRelease(reader);
        return result;
      }
      readerRelease(reader);
      return PromiseResolve(undefined);
    }
  }
  class IteratorRequest extends PromiseRequest {
    constructor(reader, finish) {
      super();
      this.reader = reader;
      this.finish = finish;
    }
    chunk(value) {
      this.deferred.resolve({ done: false, value });
    }
    close() {
      this.finish();
      readerRelease(this.reader);
      this.deferred.resolve(resultsHaveValue ? { done: true, value: undefined } : { done: true });
    }
    error(error) {
      this.finish();
      readerRelease(this.reader);
      this.deferred.reject(error);
    }
  }
  setPrototypeOf(StreamIterator.prototype, AsyncIteratorPrototype);
  shape(StreamIterator, "ReadableStream AsyncIterator");

  const newReader = (reader) =>
    (reader.wrapper = reader.byob
      ? new ReadableStreamBYOBReader(kWrap, reader)
      : new ReadableStreamDefaultReader(kWrap, reader));

  class ReadableStreamDefaultReader {
    #r = adorn(this);
    constructor(stream, reader = undefined) {
      if (stream === kWrap) {
        this.#r = reader;
        return;
      }
      const readable = readableOf(stream);
      if (readable === undefined) throw constructorNotOfType("ReadableStreamDefaultReader", 1, "ReadableStream");
      this.#r = acquireReader(readable, false);
      this.#r.wrapper = this;
    }
    get closed() {
      if (!isObject(this) || !(#r in this)) return PromiseReject(illegalInvocation());
      return this.#r.closed.promise;
    }
    cancel(reason = undefined) {
      if (!isObject(this) || !(#r in this)) return PromiseReject(illegalInvocation());
      if (this.#r.stream === undefined) return PromiseReject(new TypeErrorConstructor(RELEASED_READER));
      return readerCancel(this.#r, reason);
    }
    read() {
      if (!isObject(this) || !(#r in this)) return PromiseReject(illegalInvocation());
      if (this.#r.stream === undefined) return PromiseReject(new TypeErrorConstructor(RELEASED_READER));
      const request = new PromiseRequest();
      readerRead(this.#r, request);
      return request.deferred.promise;
    }
    releaseLock() {
      if (!(#r in this)) throw illegalInvocation();
      readerRelease(this.#r);
    }
  }
  shape(ReadableStreamDefaultReader, "ReadableStreamDefaultReader", 1);
  carried(ReadableStreamDefaultReader, ["closed"]);

  const checkMinimum = (value, limit) => {
    let min = +value;
    if (min !== min) min = 0;
    min = min < 0 ? MathCeil(min) : MathFloor(min);
    if (min === 0) return new TypeErrorConstructor("Requested invalid minimum number of bytes to read (0).");
    if (min < 0 || min > limit) {
      return new TypeErrorConstructor(`Minimum bytes to read (${min}) exceeds size of buffer (${limit}).`);
    }
    return min;
  };

  class ReadableStreamBYOBReader {
    #r = adorn(this);
    constructor(stream, reader = undefined) {
      if (stream === kWrap) {
        this.#r = reader;
        return;
      }
      const readable = readableOf(stream);
      if (readable === undefined) throw constructorNotOfType("ReadableStreamBYOBReader", 1, "ReadableStream");
      this.#r = acquireReader(readable, true);
      this.#r.wrapper = this;
    }
    get closed() {
      if (!isObject(this) || !(#r in this)) return PromiseReject(illegalInvocation());
      return this.#r.closed.promise;
    }
    cancel(reason = undefined) {
      if (!isObject(this) || !(#r in this)) return PromiseReject(illegalInvocation());
      if (this.#r.stream === undefined) return PromiseReject(new TypeErrorConstructor(RELEASED_READER));
      return readerCancel(this.#r, reason);
    }
    read(view, options = undefined) {
      if (!isObject(this) || !(#r in this)) return PromiseReject(illegalInvocation());
      if (!isView(view)) return refuse(notOfType("read", "ReadableStreamBYOBReader", 1, "ArrayBufferView"));
      try {
        return this.#read("read", view, options);
      } catch (error) {
        return PromiseReject(error);
      }
    }
    /** The reference's extension: as `read(view, { min })` with the minimum in bytes. */
    readAtLeast(minBytes, view) {
      if (!isObject(this) || !(#r in this)) return PromiseReject(illegalInvocation());
      if (!isView(view)) return refuse(notOfType("readAtLeast", "ReadableStreamBYOBReader", 2, "ArrayBufferView"));
      try {
        return this.#read("readAtLeast", view, { __proto__: null, min: minBytes });
      } catch (error) {
        return PromiseReject(error);
      }
    }
    #read(name, view, options) {
      options = dictionary(options, () => notOfType(name, "ReadableStreamBYOBReader", 2, "ReadableStreamBYOBReaderReadOptions"));
      const minimum = options === undefined ? undefined : options.min;
      const buffer = viewBuffer(view);
      if (isSharedArrayBuffer(buffer)) throw new TypeErrorConstructor("The view must not be backed by shared memory.");
      const byteLength = viewByteLength(view);
      if (byteLength === 0) {
        throw new TypeErrorConstructor(
          'You must call read() on a "byob" reader with a positive-sized TypedArray object.',
        );
      }
      if (isDetached(buffer)) throw new TypeErrorConstructor("The view's buffer has been detached.");
      let min = 1;
      if (minimum !== undefined) {
        const tag = typedArrayTag(view);
        const elementSize = tag === undefined || name === "readAtLeast" ? 1 : ViewConstructors[tag].BYTES_PER_ELEMENT;
        min = checkMinimum(minimum, byteLength / elementSize);
        if (typeof min !== "number") throw min;
        if (name === "readAtLeast" && tag !== undefined) min = MathCeil(min / ViewConstructors[tag].BYTES_PER_ELEMENT);
      }
      const reader = this.#r;
      if (reader.stream === undefined) throw new TypeErrorConstructor(RELEASED_READER);
      const request = new PromiseRequest();
      byobReaderRead(reader, view, min, request);
      return request.deferred.promise;
    }
    releaseLock() {
      if (!(#r in this)) throw illegalInvocation();
      readerRelease(this.#r);
    }
  }
  shape(ReadableStreamBYOBReader, "ReadableStreamBYOBReader", 1);
  carried(ReadableStreamBYOBReader, ["closed"]);

  class ReadableStreamBYOBRequest {
    #controller;
    #view;
    #ended = false; // by close(): a respond(0) that comes later has been anticipated
    constructor(token, controller, view) {
      if (token !== kWrap) throw illegalConstructor();
      this.#controller = controller;
      this.#view = view;
    }
    static {
      requestView = (request) => request.#view;
      invalidateRequest = (request) => {
        request.#controller = undefined;
        request.#view = null;
      };
      endRequest = (request) => {
        request.#ended = true;
      };
    }
    get view() {
      if (!(#view in this)) throw illegalInvocation();
      return this.#view;
    }
    /** The reference's extension: how many bytes the pending read needs at least, or null. */
    get atLeast() {
      if (!(#view in this)) throw illegalInvocation();
      if (this.#controller === undefined) return null;
      const first = this.#controller.pendingPullIntos.first;
      const missing = first.minimumFill - first.bytesFilled;
      return missing > 1 ? missing : 1;
    }
    respond(bytesWritten) {
      if (!(#view in this)) throw illegalInvocation();
      const count = toEnforcedUnsigned(bytesWritten, "bytesWritten");
      if (count === 0 && this.#ended) return;
      if (this.#controller === undefined) throw new TypeErrorConstructor("This BYOB request has been invalidated.");
      if (isDetached(typedArrayBuffer(this.#view))) {
        throw new TypeErrorConstructor("The BYOB request's buffer has been detached and so cannot be used as a response.");
      }
      this.#controller.respond(count);
    }
    respondWithNewView(view) {
      if (!(#view in this)) throw illegalInvocation();
      if (!isView(view)) throw notOfType("respondWithNewView", "ReadableStreamBYOBRequest", 1, "ArrayBufferView");
      if (isSharedArrayBuffer(viewBuffer(view))) {
        throw new TypeErrorConstructor("The view must not be backed by shared memory.");
      }
      if (this.#controller === undefined) throw new TypeErrorConstructor("This BYOB request has been invalidated.");
      if (isDetached(viewBuffer(view))) {
        throw new TypeErrorConstructor("The given view's buffer has been detached and so cannot be used as a response.");
      }
      this.#controller.respondWithNewView(view);
    }
  }
  shape(ReadableStreamBYOBRequest, "ReadableStreamBYOBRequest");

  // Nothing is wanted from a stream that is being closed, whatever its queue still holds.
  const publicDesiredSize = (controller) => (controller.closeRequested ? 0 : controller.desiredSize);
  class ReadableStreamDefaultController {
    #c;
    constructor(token, controller) {
      if (token !== kWrap) throw illegalConstructor();
      this.#c = controller;
    }
    get desiredSize() {
      if (!(#c in this)) throw illegalInvocation();
      return publicDesiredSize(this.#c);
    }
    close() {
      if (!(#c in this)) throw illegalInvocation();
      if (!this.#c.canCloseOrEnqueue()) throw new TypeErrorConstructor("This ReadableStream is closed.");
      this.#c.close();
    }
    enqueue(chunk = undefined) {
      if (!(#c in this)) throw illegalInvocation();
      if (!this.#c.canCloseOrEnqueue()) throw new TypeErrorConstructor("Unable to enqueue");
      this.#c.enqueue(chunk);
    }
    error(reason = undefined) {
      if (!(#c in this)) throw illegalInvocation();
      if (arguments.length === 0) throw notOfType("error", "ReadableStreamDefaultController", 1, "Value");
      this.#c.error(reason);
    }
  }
  shape(ReadableStreamDefaultController, "ReadableStreamDefaultController");

  class ReadableByteStreamController {
    #c;
    constructor(token, controller) {
      if (token !== kWrap) throw illegalConstructor();
      this.#c = controller;
    }
    get byobRequest() {
      if (!(#c in this)) throw illegalInvocation();
      return this.#c.getByobRequest();
    }
    get desiredSize() {
      if (!(#c in this)) throw illegalInvocation();
      return publicDesiredSize(this.#c);
    }
    close() {
      if (!(#c in this)) throw illegalInvocation();
      if (!this.#c.canCloseOrEnqueue()) throw new TypeErrorConstructor("This ReadableStream is closed.");
      this.#c.closeAndEndReads();
    }
    enqueue(chunk) {
      if (!(#c in this)) throw illegalInvocation();
      // The reference takes a whole ArrayBuffer too.
      const view = isView(chunk) ? chunk : bytesOf(chunk);
      if (view === undefined || isSharedArrayBuffer(viewBuffer(view))) {
        throw notOfType("enqueue", "ReadableByteStreamController", 1, "BufferSource");
      }
      if (viewByteLength(view) === 0) throw new TypeErrorConstructor("Cannot enqueue a zero-length ArrayBuffer.");
      if (!this.#c.canCloseOrEnqueue()) throw new TypeErrorConstructor("This ReadableByteStreamController is closed.");
      this.#c.enqueue(view);
    }
    error(reason = undefined) {
      if (!(#c in this)) throw illegalInvocation();
      if (arguments.length === 0) throw notOfType("error", "ReadableByteStreamController", 1, "Value");
      this.#c.error(reason);
    }
  }
  shape(ReadableByteStreamController, "ReadableByteStreamController");

  class WritableStream {
    #s = adorn(this);
    constructor(underlyingSink = undefined, queuingStrategy = undefined) {
      if (underlyingSink === kWrap) {
        this.#s = queuingStrategy;
        return;
      }
      const sink = dictionary(underlyingSink, () => constructorNotOfType("WritableStream", 1, "UnderlyingSink"));
      const strategy = convertStrategy(queuingStrategy, "WritableStream", 2);
      requireConstructors("WritableStream");
      const stream = (this.#s = new Writable());
      stream.wrapper = this;
      setUpScriptSink(stream, sink, strategy);
    }
    static {
      writableOf = (value) => (isObject(value) && #s in value ? value.#s : undefined);
    }
    get locked() {
      if (!(#s in this)) throw illegalInvocation();
      return this.#s.writer !== undefined;
    }
    abort(reason = undefined) {
      if (!isObject(this) || !(#s in this)) return PromiseReject(illegalInvocation());
      if (this.#s.writer !== undefined) return PromiseReject(new TypeErrorConstructor(LOCKED_WRITER));
      return writableAbort(this.#s, reason);
    }
    close() {
      if (!isObject(this) || !(#s in this)) return PromiseReject(illegalInvocation());
      const stream = this.#s;
      if (stream.writer !== undefined) return PromiseReject(new TypeErrorConstructor(LOCKED_WRITER));
      if (stream.closeQueuedOrInFlight) {
        return PromiseReject(new TypeErrorConstructor("This WritableStream has been closed."));
      }
      return writableClose(stream);
    }
    getWriter() {
      if (!(#s in this)) throw illegalInvocation();
      return newWriter(new Writer(this.#s));
    }
  }
  shape(WritableStream, "WritableStream");
  carried(WritableStream, ["locked"]);
  const writableWrapper = (stream) => (stream.wrapper ??= new WritableStream(kWrap, stream));
  const newWriter = (writer) => (writer.wrapper = new WritableStreamDefaultWriter(kWrap, writer));

  class WritableStreamDefaultWriter {
    #w = adorn(this);
    constructor(stream, writer = undefined) {
      if (stream === kWrap) {
        this.#w = writer;
        return;
      }
      const writable = writableOf(stream);
      if (writable === undefined) throw constructorNotOfType("WritableStreamDefaultWriter", 1, "WritableStream");
      this.#w = new Writer(writable);
      this.#w.wrapper = this;
    }
    get closed() {
      if (!isObject(this) || !(#w in this)) return PromiseReject(illegalInvocation());
      return this.#w.closed.promise;
    }
    get desiredSize() {
      if (!(#w in this)) throw illegalInvocation();
      if (this.#w.stream === undefined) throw new TypeErrorConstructor(RELEASED_WRITER);
      return writerDesiredSize(this.#w);
    }
    get ready() {
      if (!isObject(this) || !(#w in this)) return PromiseReject(illegalInvocation());
      return this.#w.ready.promise;
    }
    abort(reason = undefined) {
      if (!isObject(this) || !(#w in this)) return PromiseReject(illegalInvocation());
      if (this.#w.stream === undefined) return PromiseReject(new TypeErrorConstructor(RELEASED_WRITER));
      return writableAbort(this.#w.stream, reason);
    }
    close() {
      if (!isObject(this) || !(#w in this)) return PromiseReject(illegalInvocation());
      if (this.#w.stream === undefined) return PromiseReject(new TypeErrorConstructor(RELEASED_WRITER));
      return writerClose(this.#w);
    }
    releaseLock() {
      if (!(#w in this)) throw illegalInvocation();
      writerRelease(this.#w);
    }
    write(chunk = undefined) {
      if (!isObject(this) || !(#w in this)) return PromiseReject(illegalInvocation());
      if (this.#w.stream === undefined) return PromiseReject(new TypeErrorConstructor(RELEASED_WRITER));
      return writerWrite(this.#w, chunk);
    }
  }
  shape(WritableStreamDefaultWriter, "WritableStreamDefaultWriter", 1);
  carried(WritableStreamDefaultWriter, ["closed", "ready", "desiredSize"]);

  class WritableStreamDefaultController {
    #c;
    constructor(token, controller) {
      if (token !== kWrap) throw illegalConstructor();
      this.#c = controller;
    }
    get signal() {
      if (!(#c in this)) throw illegalInvocation();
      return this.#c.getSignal();
    }
    error(reason = undefined) {
      if (!(#c in this)) throw illegalInvocation();
      this.#c.errorIfNeeded(reason);
    }
  }
  shape(WritableStreamDefaultController, "WritableStreamDefaultController");

  // The state that a subclass of ours hands to the constructor of TransformStream. It is no argument because a script
  // can put a function of its own in the place where super() looks.
  let subclassState;

  class TransformStream {
    #s = adorn(this);
    #readable; // kept: what the stream is may go over to another object
    constructor(transformer = undefined, writableStrategy = undefined, readableStrategy = undefined) {
      if (subclassState !== undefined) {
        this.#s = subclassState;
        subclassState = undefined;
        return;
      }
      if (!standardTransform) {
        this.#s = new IdentityPipe(undefined, undefined);
        return;
      }
      const object = dictionary(transformer, () => constructorNotOfType("TransformStream", 1, "Transformer"));
      const writable = convertStrategy(writableStrategy, "TransformStream", 2);
      const readable = convertStrategy(readableStrategy, "TransformStream", 3);
      let cancel;
      let expectedLength;
      let flush;
      let start;
      let transform;
      if (object !== undefined) {
        cancel = method(object, "cancel", "Transformer");
        expectedLength = object.expectedLength;
        if (expectedLength !== undefined && expectedLength !== null) {
          expectedLength = toEnforcedUnsigned(expectedLength, "expectedLength");
        } else {
          expectedLength = undefined;
        }
        flush = method(object, "flush", "Transformer");
        const { readableType } = object;
        start = method(object, "start", "Transformer");
        transform = method(object, "transform", "Transformer");
        const { writableType } = object;
        if (readableType !== undefined) {
          throw new RangeErrorConstructor("transformer.readableType must be undefined.");
        }
        if (writableType !== undefined) {
          throw new RangeErrorConstructor("transformer.writableType must be undefined.");
        }
      }
      const readableHwm = extractHighWaterMark(readable, 0);
      const writableHwm = extractHighWaterMark(writable, 1);
      const startPromise = withResolvers();
      const stream = (this.#s = new Transform());
      initializeTransform(stream, startPromise.promise, writableHwm, writable.size, readableHwm, readable.size);
      stream.readable.expectedLength = expectedLength;
      const controller = new TransformController(stream, new ScriptTransformer(object, transform, flush, cancel));
      if (start === undefined) startPromise.resolve(undefined);
      else follow(startPromise, promiseCall(start, object, [transformControllerWrapper(controller)]));
    }
    get readable() {
      if (!(#s in this)) throw illegalInvocation();
      return (this.#readable ??= readableWrapper(this.#s.readable));
    }
    get writable() {
      if (!(#s in this)) throw illegalInvocation();
      return writableWrapper(this.#s.writable);
    }
  }
  shape(TransformStream, "TransformStream");
  carried(TransformStream, ["readable", "writable"]);

  class TransformStreamDefaultController {
    #c;
    constructor(token, controller) {
      if (token !== kWrap) throw illegalConstructor();
      this.#c = controller;
    }
    get desiredSize() {
      if (!(#c in this)) throw illegalInvocation();
      return publicDesiredSize(this.#c.stream.readable.controller);
    }
    enqueue(chunk = undefined) {
      if (!(#c in this)) throw illegalInvocation();
      this.#c.enqueue(chunk);
    }
    error(reason = undefined) {
      if (!(#c in this)) throw illegalInvocation();
      if (arguments.length === 0) throw notOfType("error", "TransformStreamDefaultController", 1, "Value");
      this.#c.error(reason);
    }
    terminate() {
      if (!(#c in this)) throw illegalInvocation();
      this.#c.terminate();
    }
  }
  shape(TransformStreamDefaultController, "TransformStreamDefaultController");

  // The reference's byte transforms.
  class IdentityTransformStream extends TransformStream {
    constructor(queuingStrategy = undefined) {
      subclassState ??= new IdentityPipe(
        identityHighWaterMark(queuingStrategy, "IdentityTransformStream", 1),
        undefined,
      );
      super();
    }
  }
  shape(IdentityTransformStream, "IdentityTransformStream");
  const identityHighWaterMark = (strategy, name, index) => {
    strategy = dictionary(strategy, () => constructorNotOfType(name, index, "IdentityTransformStreamQueuingStrategy"));
    const highWaterMark = strategy === undefined ? undefined : strategy.highWaterMark;
    return highWaterMark === undefined || highWaterMark === null
      ? undefined
      : toEnforcedUnsigned(highWaterMark, "highWaterMark");
  };

  class FixedLengthStream extends IdentityTransformStream {
    constructor(expectedLength, queuingStrategy = undefined) {
      const expected = convertLength(expectedLength);
      subclassState = new IdentityPipe(identityHighWaterMark(queuingStrategy, "FixedLengthStream", 2), expected);
      super();
    }
  }
  shape(FixedLengthStream, "FixedLengthStream", 1);
  const convertLength = (value) => {
    if (value === undefined) throw constructorNotOfType("FixedLengthStream", 1, "bigint");
    const number = typeof value === "bigint" ? NumberConstructor(value) : +value;
    if (!NumberIsFinite(number)) {
      throw new TypeErrorConstructor("The value cannot be converted because it is not an integer.");
    }
    if (number < 0) {
      throw new TypeErrorConstructor(
        "The value cannot be converted because it is negative and this API expects a positive bigint.",
      );
    }
    if (number > 9007199254740991) {
      throw new TypeErrorConstructor(
        "The value cannot be converted because it is either negative and this API expects a positive bigint, or the " +
          "value would be truncated.",
      );
    }
    return MathFloor(number);
  };

  // Before `transformstream_enable_standard_constructor` the transforms of text were identity transforms, as in the reference.
  const textTransform = (codec) =>
    standardTransform ? makeInternalTransform(codec) : new IdentityPipe(undefined, undefined);
  // Encoding Standard, TextEncoderStream: a surrogate pair split over two chunks is joined.
  class EncoderCodec {
    constructor() {
      this.high = "";
    }
    transform(chunk) {
      let text = this.high + toDOMString(chunk);
      this.high = "";
      const { length } = text;
      if (length > 0) {
        const last = StringPrototypeCharCodeAt(text, length - 1);
        if (last >= 0xd800 && last <= 0xdbff) {
          this.high = text[length - 1];
          text = StringPrototypeSlice(text, 0, length - 1);
        }
      }
      return text.length > 0 ? internal.encodeUtf8(text) : undefined;
    }
    flush() {
      return this.high === "" ? undefined : internal.encodeUtf8("\ufffd");
    }
  }
  /** The streams of a class that includes the standard's mixin GenericTransformStream: no TransformStream. */
  class TransformSides {
    constructor(pipe) {
      this.pipe = pipe;
      this.made = undefined;
    }
    get readable() {
      return (this.made ??= readableWrapper(this.pipe.readable));
    }
    get writable() {
      return writableWrapper(this.pipe.writable);
    }
  }
  class TextEncoderStream {
    #sides = new TransformSides(textTransform(new EncoderCodec()));
    #adorned = adorn(this);
    get encoding() {
      if (!(#sides in this)) throw illegalInvocation();
      return "utf-8";
    }
    get readable() {
      if (!(#sides in this)) throw illegalInvocation();
      return this.#sides.readable;
    }
    get writable() {
      if (!(#sides in this)) throw illegalInvocation();
      return this.#sides.writable;
    }
  }
  shape(TextEncoderStream, "TextEncoderStream");
  carried(TextEncoderStream, ["readable", "writable"]);

  class DecoderCodec {
    constructor(decoder) {
      this.decoder = decoder;
    }
    transform(chunk) {
      if (bytesOf(chunk) === undefined) {
        throw new TypeErrorConstructor(
          "This TransformStream is being used as a byte stream, but received a value that is not a BufferSource.",
        );
      }
      const text = internal.decodeText(this.decoder, chunk, true);
      return text === "" ? undefined : text;
    }
    flush() {
      const text = internal.decodeText(this.decoder, undefined, false);
      return text === "" ? undefined : text;
    }
  }
  class TextDecoderStream {
    #decoder = adorn(this);
    #sides;
    constructor(label = "utf-8", options = undefined) {
      this.#decoder = internal.newTextDecoder(label, options);
      this.#sides = new TransformSides(textTransform(new DecoderCodec(this.#decoder)));
    }
    get encoding() {
      if (!(#decoder in this)) throw illegalInvocation();
      return this.#decoder.encoding;
    }
    get fatal() {
      if (!(#decoder in this)) throw illegalInvocation();
      return this.#decoder.fatal;
    }
    get ignoreBOM() {
      if (!(#decoder in this)) throw illegalInvocation();
      return this.#decoder.ignoreBOM;
    }
    get readable() {
      if (!(#decoder in this)) throw illegalInvocation();
      return this.#sides.readable;
    }
    get writable() {
      if (!(#decoder in this)) throw illegalInvocation();
      return this.#sides.writable;
    }
  }
  shape(TextDecoderStream, "TextDecoderStream");
  carried(TextDecoderStream, ["readable", "writable"]);

  // Queuing strategies. `size` is the same function for every instance.
  const byteLengthSize = { size: (chunk) => chunk.byteLength }.size;
  const countSize = { size: () => 1 }.size;
  const strategyInit = (init, name) => {
    if (!isObject(init)) throw constructorNotOfType(name, 1, "QueuingStrategyInit");
    const { highWaterMark } = init;
    return +highWaterMark;
  };
  class ByteLengthQueuingStrategy {
    #highWaterMark;
    constructor(init) {
      this.#highWaterMark = strategyInit(init, "ByteLengthQueuingStrategy");
    }
    get highWaterMark() {
      if (!(#highWaterMark in this)) throw illegalInvocation();
      return this.#highWaterMark;
    }
    get size() {
      if (!(#highWaterMark in this)) throw illegalInvocation();
      return byteLengthSize;
    }
  }
  shape(ByteLengthQueuingStrategy, "ByteLengthQueuingStrategy", 1);
  class CountQueuingStrategy {
    #highWaterMark;
    constructor(init) {
      this.#highWaterMark = strategyInit(init, "CountQueuingStrategy");
    }
    get highWaterMark() {
      if (!(#highWaterMark in this)) throw illegalInvocation();
      return this.#highWaterMark;
    }
    get size() {
      if (!(#highWaterMark in this)) throw illegalInvocation();
      return countSize;
    }
  }
  shape(CountQueuingStrategy, "CountQueuingStrategy", 1);

  // --------------------------------------------------------------------------------------- for native code

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

  const globals = internal.globals;
  globals.ReadableStream = ReadableStream;
  globals.ReadableStreamDefaultReader = ReadableStreamDefaultReader;
  globals.ReadableStreamBYOBReader = ReadableStreamBYOBReader;
  globals.ReadableStreamBYOBRequest = ReadableStreamBYOBRequest;
  globals.ReadableStreamDefaultController = ReadableStreamDefaultController;
  globals.ReadableByteStreamController = ReadableByteStreamController;
  globals.WritableStream = WritableStream;
  globals.WritableStreamDefaultWriter = WritableStreamDefaultWriter;
  globals.WritableStreamDefaultController = WritableStreamDefaultController;
  globals.TransformStream = TransformStream;
  globals.TransformStreamDefaultController = TransformStreamDefaultController;
  globals.IdentityTransformStream = IdentityTransformStream;
  globals.FixedLengthStream = FixedLengthStream;
  globals.TextEncoderStream = TextEncoderStream;
  globals.TextDecoderStream = TextDecoderStream;
  globals.ByteLengthQueuingStrategy = ByteLengthQueuingStrategy;
  globals.CountQueuingStrategy = CountQueuingStrategy;

  withoutObjectPrototype([
    Deferred, List, Readable, Reader, PromiseRequest, ScriptSource, ReadableController, PullInto, DefaultTee,
    TeeBranch, ByteTee, ByteTeeRequest, ByteTeeByobRequest, IteratorSource, Writable, Writer, ScriptSink,
    WritableController, Pipe, Transform, TransformController, ScriptTransformer, InternalTransformer, TransformSink,
    TransformSource, TransformSides, IdentityPipe, EncoderCodec, DecoderCodec, NativeSource, BytesSource, Collector,
  ]);

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
      return moveReadable(value);
    },
    usedStream: () => readableWrapper(usedReadable()),
    tee(value) {
      const tee = teeStream(required(value));
      return [readableWrapper(tee.branch1), readableWrapper(tee.branch2)];
    },
    fromIterable: (iterable) => readableWrapper(fromIterable(iterable)),
    /** Makes the two sides of a byte transform of ours, whose readable source and whose sink `pipe` has. */
    initializeBytePipe(pipe) {
      pipe.readable = makeByte(pipe);
      pipe.writable = new Writable();
      new WritableController(pipe.writable, pipe.sink(), 1, undefined).startNow();
    },
    /** What the constructor of TransformStream that runs next has for its state. */
    nextTransform(pipe) {
      subclassState = pipe;
    },
    forgetStreams() {
      subclassState = undefined;
      permitted = false;
    },
    /** The next WritableStream is one of ours: scripts may not make any before `streams_enable_constructors`. */
    permitStream() {
      permitted = true;
    },
  };
})
