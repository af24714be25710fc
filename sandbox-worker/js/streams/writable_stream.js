// The classes of writable streams that scripts see, over sinks of theirs.
(function (internal) {
  "use strict";
  const {
    PromiseReject, resolvedPromise, illegalConstructor, illegalInvocation, brand, isObject, constructorNotOfType, shape,
    withoutObjectPrototype, adorn, carried,
  } = internal.primordials;
  const {
    promiseCall, kWrap, requireConstructors, refuseOwner, method, dictionary, startController, convertStrategy,
    extractHighWaterMark, LOCKED_WRITER, RELEASED_WRITER, Writable, Writer, WritableController, writableAbort, writableClose, writerClose,
    writerWrite, writerDesiredSize, writerRelease,
  } = internal.streams;
  const TypeErrorConstructor = TypeError;

  let writableOf;

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
    requireConstructors("WritableStream");
    const highWaterMark = extractHighWaterMark(strategy, 1);
    const sink = new ScriptSink(object, write, close, abort);
    const controller = new WritableController(stream, sink, highWaterMark, strategy.size);
    startController(controller, start, object, writableControllerWrapper);
  };

  class WritableStream {
    #s = adorn(this);
    static #check = brand((value) => #s in value);
    constructor(underlyingSink = undefined, queuingStrategy = undefined) {
      if (underlyingSink === kWrap) {
        this.#s = queuingStrategy;
        return;
      }
      const sink = dictionary(underlyingSink, () => constructorNotOfType("WritableStream", 1, "UnderlyingSink"));
      const strategy = convertStrategy(queuingStrategy, "WritableStream", 2);
      const stream = (this.#s = new Writable());
      stream.wrapper = this;
      setUpScriptSink(stream, sink, strategy);
    }
    static {
      writableOf = (value) => (isObject(value) && #s in value ? value.#s : undefined);
    }
    get locked() {
      WritableStream.#check(this);
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
      WritableStream.#check(this);
      return newWriter(new Writer(this.#s));
    }
  }
  shape(WritableStream, "WritableStream");
  carried(WritableStream, ["locked"]);
  const writableWrapper = (stream) => (stream.wrapper ??= new WritableStream(kWrap, stream));
  const newWriter = (writer) => (writer.wrapper = new WritableStreamDefaultWriter(kWrap, writer));

  class WritableStreamDefaultWriter {
    #w = adorn(this);
    static #check = brand((value) => #w in value);
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
      WritableStreamDefaultWriter.#check(this);
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
      return refuseOwner(this.#w.stream, "Writable") ?? writableAbort(this.#w.stream, reason);
    }
    close() {
      if (!isObject(this) || !(#w in this)) return PromiseReject(illegalInvocation());
      if (this.#w.stream === undefined) return PromiseReject(new TypeErrorConstructor(RELEASED_WRITER));
      return refuseOwner(this.#w.stream, "Writable") ?? writerClose(this.#w);
    }
    releaseLock() {
      WritableStreamDefaultWriter.#check(this);
      writerRelease(this.#w);
    }
    write(chunk = undefined) {
      if (!isObject(this) || !(#w in this)) return PromiseReject(illegalInvocation());
      if (this.#w.stream === undefined) return PromiseReject(new TypeErrorConstructor(RELEASED_WRITER));
      const { stream } = this.#w;
      return refuseOwner(stream, "Writable") ?? stream.native?.refuse?.(chunk) ?? writerWrite(this.#w, chunk);
    }
  }
  shape(WritableStreamDefaultWriter, "WritableStreamDefaultWriter", 1);
  carried(WritableStreamDefaultWriter, ["closed", "ready", "desiredSize"]);

  class WritableStreamDefaultController {
    #c;
    static #check = brand((value) => #c in value);
    constructor(token, controller) {
      if (token !== kWrap) throw illegalConstructor();
      this.#c = controller;
    }
    get signal() {
      WritableStreamDefaultController.#check(this);
      return this.#c.getSignal();
    }
    error(reason = undefined) {
      WritableStreamDefaultController.#check(this);
      this.#c.errorIfNeeded(reason);
    }
  }
  shape(WritableStreamDefaultController, "WritableStreamDefaultController");

  const { globals } = internal;
  globals.WritableStream = WritableStream;
  globals.WritableStreamDefaultWriter = WritableStreamDefaultWriter;
  globals.WritableStreamDefaultController = WritableStreamDefaultController;
  withoutObjectPrototype([ScriptSink]);
  Object.assign(internal.streams, { writableOf, writableWrapper });
  return {};
})
