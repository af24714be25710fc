// The classes of readable streams that scripts see, over sources of theirs.
(function (internal) {
  "use strict";
  const {
    PromiseReject, isView, typedArrayTag, isDetached, isSharedArrayBuffer, viewBuffer, viewByteLength, bytesOf,
    resolvedPromise, markHandled, illegalConstructor, illegalInvocation, brand, isObject, notOfType, constructorNotOfType,
    fieldNotOfType, toDOMString, toEnforcedUnsigned, defineProperty, shape, withoutObjectPrototype, refuse, adorn,
    carried,
  } = internal.primordials;
  const {
    promiseCall, kWrap, requireConstructors, method, dictionary, startController, convertStrategy, extractHighWaterMark,
    LOCKED_READER, RELEASED_READER, Readable, PromiseRequest, readableCancel, checkOwner, refuseOwner, acquireReader,
    readerRead, byobReaderRead, readerRelease, readerCancel, DefaultController, ViewConstructors, ByteController, teeStream, fromIterable,
    StreamIterator, LOCKED_WRITER, pipe, convertPipeOptions, writableOf,
  } = internal.streams;
  const { asyncIterator: SymbolAsyncIterator } = Symbol;
  const { ceil: MathCeil, floor: MathFloor } = Math;
  const TypeErrorConstructor = TypeError;
  const RangeErrorConstructor = RangeError;

  const LOCKED_TEE = "This ReadableStream is currently locked to a reader,"; // the reference's text, comma and all

  // What a script's byte stream allocates for a default reader, unless the script says how much.
  let defaultChunkSize;
  internal.atBind((flag) => {
    defaultChunkSize = flag("streams_no_default_auto_allocate_chunk_size") ? undefined : 4096;
  });

  let readableOf;
  let moveReadable;

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
      if (type !== undefined) type = toDOMString(type);
    }
    requireConstructors("ReadableStream");
    if (type !== undefined && type !== "bytes") {
      throw new TypeErrorConstructor(`"${type}" is not a valid type of ReadableStream.`);
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

  const readableWrapper = (stream) => (stream.wrapper ??= new ReadableStream(kWrap, stream));

  class ReadableStream {
    #s = adorn(this);
    static #check = brand((value) => #s in value);
    constructor(underlyingSource = undefined, queuingStrategy = undefined) {
      if (underlyingSource === kWrap) {
        this.#s = queuingStrategy;
        return;
      }
      const source = dictionary(underlyingSource, () => constructorNotOfType("ReadableStream", 1, "UnderlyingSource"));
      const strategy = convertStrategy(queuingStrategy, "ReadableStream", 2);
      const stream = (this.#s = new Readable());
      stream.wrapper = this;
      setUpScriptSource(stream, source, strategy);
    }
    static {
      readableOf = (value) => (isObject(value) && #s in value ? value.#s : undefined);
      // What a stream is goes over to a new object; to whoever holds the old one it has been read.
      moveReadable = (value, used) => {
        const stream = value.#s;
        value.#s = used;
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
      ReadableStream.#check(this);
      return this.#s.reader !== undefined;
    }
    cancel(reason = undefined) {
      if (!isObject(this) || !(#s in this)) return PromiseReject(illegalInvocation());
      if (this.#s.reader !== undefined) return PromiseReject(new TypeErrorConstructor(LOCKED_READER));
      return refuseOwner(this.#s) ?? readableCancel(this.#s, reason);
    }
    getReader(options = undefined) {
      ReadableStream.#check(this);
      checkOwner(this.#s);
      options = dictionary(options, () => notOfType("getReader", "ReadableStream", 1, "GetReaderOptions"));
      let mode = options === undefined ? undefined : options.mode;
      if (mode === undefined) return newReader(acquireReader(this.#s, false));
      mode = toDOMString(mode);
      if (mode !== "byob") throw new TypeErrorConstructor("mode must be undefined or 'byob' in call to getReader().");
      return newReader(acquireReader(this.#s, true));
    }
    pipeThrough(transform, options = undefined) {
      ReadableStream.#check(this);
      if (!isObject(transform)) throw notOfType("pipeThrough", "ReadableStream", 1, "Transform");
      const { readable } = transform;
      if (readableOf(readable) === undefined) throw fieldNotOfType("readable", "Transform", "ReadableStream");
      const { writable } = transform;
      const dest = writableOf(writable);
      if (dest === undefined) throw fieldNotOfType("writable", "Transform", "WritableStream");
      const converted = convertPipeOptions(options, "pipeThrough");
      if (this.#s.reader !== undefined) throw new TypeErrorConstructor(LOCKED_READER);
      if (dest.writer !== undefined) throw new TypeErrorConstructor(LOCKED_WRITER);
      checkOwner(this.#s);
      checkOwner(dest, "Writable");
      markHandled(pipe(this.#s, dest, converted));
      return readable;
    }
    pipeTo(destination, options = undefined) {
      try {
        ReadableStream.#check(this);
        const dest = writableOf(destination);
        if (dest === undefined) throw notOfType("pipeTo", "ReadableStream", 1, "WritableStream");
        const converted = convertPipeOptions(options, "pipeTo");
        if (this.#s.reader !== undefined) throw new TypeErrorConstructor(LOCKED_READER);
        if (dest.writer !== undefined) throw new TypeErrorConstructor(LOCKED_WRITER);
        checkOwner(this.#s);
        checkOwner(dest, "Writable");
        return pipe(this.#s, dest, converted);
      } catch (error) {
        return refuse(error);
      }
    }
    tee() {
      ReadableStream.#check(this);
      if (this.#s.reader !== undefined) throw new TypeErrorConstructor(LOCKED_TEE);
      checkOwner(this.#s);
      const tee = teeStream(this.#s);
      return [readableWrapper(tee.branch1), readableWrapper(tee.branch2)];
    }
    values(options = undefined) {
      ReadableStream.#check(this);
      options = dictionary(options, () =>
        notOfType("values", "ReadableStream", 1, "ReadableStreamIteratorOptions"),
      );
      const preventCancel = options === undefined ? false : !!options.preventCancel;
      checkOwner(this.#s);
      return new StreamIterator(acquireReader(this.#s, false), preventCancel);
    }
  }
  shape(ReadableStream, "ReadableStream");
  carried(ReadableStream, ["locked"]);
  defineProperty(ReadableStream.prototype, SymbolAsyncIterator, {
    __proto__: null, value: ReadableStream.prototype.values, writable: true, configurable: true,
  });

  const newReader = (reader) =>
    (reader.wrapper = reader.byob
      ? new ReadableStreamBYOBReader(kWrap, reader)
      : new ReadableStreamDefaultReader(kWrap, reader));

  class ReadableStreamDefaultReader {
    #r = adorn(this);
    static #check = brand((value) => #r in value);
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
      return refuseOwner(this.#r.stream, "Canceler") ?? readerCancel(this.#r, reason);
    }
    read() {
      if (!isObject(this) || !(#r in this)) return PromiseReject(illegalInvocation());
      if (this.#r.stream === undefined) return PromiseReject(new TypeErrorConstructor(RELEASED_READER));
      const refused = refuseOwner(this.#r.stream);
      if (refused !== undefined) return refused;
      const request = new PromiseRequest();
      readerRead(this.#r, request);
      return request.deferred.promise;
    }
    releaseLock() {
      ReadableStreamDefaultReader.#check(this);
      if (this.#r.stream !== undefined) checkOwner(this.#r.stream, "Canceler");
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
    static #check = brand((value) => #r in value);
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
      return refuseOwner(this.#r.stream, "Canceler") ?? readerCancel(this.#r, reason);
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
      checkOwner(reader.stream);
      const request = new PromiseRequest();
      byobReaderRead(reader, view, min, request);
      return request.deferred.promise;
    }
    releaseLock() {
      ReadableStreamBYOBReader.#check(this);
      if (this.#r.stream !== undefined) checkOwner(this.#r.stream, "Canceler");
      readerRelease(this.#r);
    }
  }
  shape(ReadableStreamBYOBReader, "ReadableStreamBYOBReader", 1);
  carried(ReadableStreamBYOBReader, ["closed"]);

  // Nothing is wanted from a stream that is being closed, whatever its queue still holds.
  const publicDesiredSize = (controller) => (controller.closeRequested ? 0 : controller.desiredSize);
  class ReadableStreamDefaultController {
    #c;
    static #check = brand((value) => #c in value);
    constructor(token, controller) {
      if (token !== kWrap) throw illegalConstructor();
      this.#c = controller;
    }
    get desiredSize() {
      ReadableStreamDefaultController.#check(this);
      return publicDesiredSize(this.#c);
    }
    close() {
      ReadableStreamDefaultController.#check(this);
      if (!this.#c.canCloseOrEnqueue()) throw new TypeErrorConstructor("This ReadableStream is closed.");
      this.#c.close();
    }
    enqueue(chunk = undefined) {
      ReadableStreamDefaultController.#check(this);
      if (!this.#c.canCloseOrEnqueue()) throw new TypeErrorConstructor("Unable to enqueue");
      this.#c.enqueue(chunk);
    }
    error(reason = undefined) {
      ReadableStreamDefaultController.#check(this);
      if (arguments.length === 0) throw notOfType("error", "ReadableStreamDefaultController", 1, "Value");
      this.#c.error(reason);
    }
  }
  shape(ReadableStreamDefaultController, "ReadableStreamDefaultController");

  class ReadableByteStreamController {
    #c;
    static #check = brand((value) => #c in value);
    constructor(token, controller) {
      if (token !== kWrap) throw illegalConstructor();
      this.#c = controller;
    }
    get byobRequest() {
      ReadableByteStreamController.#check(this);
      return this.#c.getByobRequest();
    }
    get desiredSize() {
      ReadableByteStreamController.#check(this);
      return publicDesiredSize(this.#c);
    }
    close() {
      ReadableByteStreamController.#check(this);
      if (!this.#c.canCloseOrEnqueue()) throw new TypeErrorConstructor("This ReadableStream is closed.");
      this.#c.closeAndEndReads();
    }
    enqueue(chunk) {
      ReadableByteStreamController.#check(this);
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
      ReadableByteStreamController.#check(this);
      if (arguments.length === 0) throw notOfType("error", "ReadableByteStreamController", 1, "Value");
      this.#c.error(reason);
    }
  }
  shape(ReadableByteStreamController, "ReadableByteStreamController");

  const { globals } = internal;
  globals.ReadableStream = ReadableStream;
  globals.ReadableStreamDefaultReader = ReadableStreamDefaultReader;
  globals.ReadableStreamBYOBReader = ReadableStreamBYOBReader;
  globals.ReadableStreamDefaultController = ReadableStreamDefaultController;
  globals.ReadableByteStreamController = ReadableByteStreamController;
  withoutObjectPrototype([ScriptSource]);
  Object.assign(internal.streams, { readableOf, moveReadable, readableWrapper, publicDesiredSize });
  return {};
})
