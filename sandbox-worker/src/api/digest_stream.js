// crypto.DigestStream: a WritableStream that keeps nothing of what is written but its digest.
(function (WritableStream, native, algorithmName, permitStream) {
  "use strict";
  const PromiseConstructor = Promise;
  const withResolvers = Promise.withResolvers.bind(Promise);
  const call = Function.prototype.call;
  const then = call.bind(Promise.prototype.then);
  const prepare = (algorithm) => {
    const state = new native(algorithm);
    const { promise, resolve, reject } = withResolvers();
    // Nobody has to look at the digest: its failure is not an unhandled rejection.
    then(promise, undefined, () => {});
    const sink = {
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
    return { state, promise, sink };
  };
  class DigestStream extends WritableStream {
    #state;
    #digest;
    constructor(algorithm) {
      // Nothing is kept outside of the call: script may be interrupted at any point of it.
      const { state, promise, sink } = prepare(algorithmName(arguments.length > 0, algorithm));
      permitStream();
      super(sink);
      this.#state = state;
      this.#digest = promise;
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
