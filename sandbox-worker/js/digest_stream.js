// crypto.DigestStream: a WritableStream that keeps nothing of what is written but its digest.
(function (internal) {
  "use strict";
  const { withResolvers, markHandled, defineProperty } = internal.primordials;
  const { permitStream } = internal.streams;
  const { DigestState, algorithmName } = internal;
  const BigIntConstructor = BigInt;
  const prepare = (algorithm) => {
    const state = new DigestState(algorithm);
    const { promise, resolve, reject } = withResolvers();
    // Nobody has to look at the digest: its failure is not an unhandled rejection.
    markHandled(promise);
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
  class DigestStream extends internal.globals.WritableStream {
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
      return BigIntConstructor(this.#state.bytesWritten);
    }
  }
  defineProperty(DigestStream.prototype, "digest", { __proto__: null, enumerable: true });
  defineProperty(DigestStream.prototype, "bytesWritten", { __proto__: null, enumerable: true });
  defineProperty(DigestStream.prototype, Symbol.toStringTag, {
    __proto__: null,
    value: "DigestStream",
    writable: true,
    configurable: true,
  });
  return { DigestStream };
})
