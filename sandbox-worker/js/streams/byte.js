// Readable streams of bytes inside: the controller whose reads can bring their own memory.
(function (internal) {
  "use strict";
  const {
    Bytes, isView, typedArrayTag, typedArrayBuffer, arrayBufferByteLength, typedArraySet, transferBuffer, isDetached,
    isSharedArrayBuffer, viewBuffer, viewByteLength, viewByteOffset, microtask, illegalConstructor, brand,
    notOfType, toEnforcedUnsigned, shape, withoutObjectPrototype,
  } = internal.primordials;
  const {
    List, kWrap, READABLE, CLOSED, Readable, readableClose, readableError, ReadableController,
  } = internal.streams;
  const ViewConstructors = {
    __proto__: null, Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
    BigInt64Array, BigUint64Array, Float32Array, Float64Array,
  };
  internal.atStart(() => {
    if (typeof Float16Array === "function") ViewConstructors.Float16Array = Float16Array;
  });
  const DataViewConstructor = DataView;
  const ArrayBufferConstructor = ArrayBuffer;
  const { min: MathMin } = Math;
  const TypeErrorConstructor = TypeError;
  const RangeErrorConstructor = RangeError;

  // What compatibility flags change: true on the newest dates.
  let detachesViews = true;
  let returnsViewAtEnd = true;
  internal.atBind((flag) => {
    detachesViews = flag("streams_byob_reader_detaches_buffer");
    returnsViewAtEnd = flag("internal_stream_byob_return_view");
  });

  let requestView;
  let invalidateRequest;
  let endRequest;

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

  const makeByte = (source) => {
    const stream = new Readable();
    const controller = new ByteController(stream, source, 0, undefined);
    controller.isInternal = true;
    controller.startNow();
    return stream;
  };

  class ReadableStreamBYOBRequest {
    #controller;
    #view;
    #ended = false; // by close(): a respond(0) that comes later has been anticipated
    static #check = brand((value) => #view in value);
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
      ReadableStreamBYOBRequest.#check(this);
      return this.#view;
    }
    /** The reference's extension: how many bytes the pending read needs at least, or null. */
    get atLeast() {
      ReadableStreamBYOBRequest.#check(this);
      if (this.#controller === undefined) return null;
      const first = this.#controller.pendingPullIntos.first;
      const missing = first.minimumFill - first.bytesFilled;
      return missing > 1 ? missing : 1;
    }
    respond(bytesWritten) {
      ReadableStreamBYOBRequest.#check(this);
      const count = toEnforcedUnsigned(bytesWritten, "bytesWritten");
      if (count === 0 && this.#ended) return;
      if (this.#controller === undefined) throw new TypeErrorConstructor("This BYOB request has been invalidated.");
      if (isDetached(typedArrayBuffer(this.#view))) {
        throw new TypeErrorConstructor("The BYOB request's buffer has been detached and so cannot be used as a response.");
      }
      this.#controller.respond(count);
    }
    respondWithNewView(view) {
      ReadableStreamBYOBRequest.#check(this);
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

  internal.globals.ReadableStreamBYOBRequest = ReadableStreamBYOBRequest;
  withoutObjectPrototype([PullInto]);
  Object.assign(internal.streams, { ViewConstructors, ByteController, makeByte, requestView });
  return {};
})
