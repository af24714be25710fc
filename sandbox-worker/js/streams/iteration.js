// Streams made of what can be iterated, and iterated themselves.
(function (internal) {
  "use strict";
  const {
    FunctionPrototypeApply, PromisePrototypeThen, PromiseResolve, PromiseReject, resolvedPromise, illegalInvocation,
    isObject, notOfType, getPrototypeOf, setPrototypeOf, shape, withoutObjectPrototype,
  } = internal.primordials;
  const { chain, PromiseRequest, readerRead, readerRelease, readerCancel, makeDefaultLater } = internal.streams;
  const { iterator: SymbolIterator, asyncIterator: SymbolAsyncIterator } = Symbol;
  const TypeErrorConstructor = TypeError;

  // What compatibility flags change: true on the newest dates.
  let resultsHaveValue = true;
  internal.atBind((flag) => {
    resultsHaveValue = flag("enable_fast_jsg_struct");
  });

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
        promise = PromiseResolve(FunctionPrototypeApply(this.next, this.iterator, []));
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
        promise = PromiseResolve(FunctionPrototypeApply(returnMethod, this.iterator, [reason]));
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
    const iterator = FunctionPrototypeApply(make, iterable, []);
    if (!isObject(iterator)) throw new TypeErrorConstructor("The result of the iterator method must be an object.");
    return makeDefaultLater(new IteratorSource(iterator, iterator.next, isSync), 0, undefined);
  };

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

  withoutObjectPrototype([IteratorSource]);
  Object.assign(internal.streams, { fromIterable, StreamIterator });
  return {};
})
