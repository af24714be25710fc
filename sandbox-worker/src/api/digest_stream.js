// crypto.DigestStream: a WritableStream that keeps nothing of what is written but its digest.
(function (WritableStream, native, algorithmName, permitStream) {
  "use strict";
  const PromiseConstructor = Promise;
  const withResolvers = Promise.withResolvers.bind(Promise);
  const call = Function.prototype.call;
  const then = call.bind(Promise.prototype.then);
  let pending;
  const prepare = (algorithm) => {
    const state = new native(algorithm);
    const { promise, resolve, reject } = withResolvers();
    // Nobody has to look at the digest: its failure is not an unhandled rejection.
    then(promise, undefined, () => {});
    pending = { state, promise };
    return {
      __proto__: null,
      write(chunk) {
        state.update(chunk);
      },
      close() {
        resolve(state.finish());
      },
      abort(reason) {
        reject(reason);
      },
    };
  };
  class DigestStream extends WritableStream {
    #state;
    #digest;
    constructor(algorithm) {
      const sink = prepare(algorithmName(arguments.length > 0, algorithm));
      permitStream();
      super(sink);
      this.#state = pending.state;
      this.#digest = pending.promise;
      pending = undefined;
    }
    get digest() {
      return this.#digest;
    }
    get bytesWritten() {
      return this.#state.bytesWritten;
    }
  }
  for (const name of ["digest", "bytesWritten"]) {
    const descriptor = Reflect.getOwnPropertyDescriptor(DigestStream.prototype, name);
    Reflect.defineProperty(DigestStream.prototype, name, { __proto__: null, ...descriptor, enumerable: true });
  }
  Reflect.defineProperty(DigestStream.prototype, Symbol.toStringTag, {
    __proto__: null,
    value: "DigestStream",
    writable: true,
    configurable: true,
  });
  return DigestStream;
});
