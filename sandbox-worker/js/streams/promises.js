// What streams do with promises: they make them late, and follow them without asking them for anything that a script can
// have replaced.
// 
// The files of this folder are the Streams Standard (https://streams.spec.whatwg.org/) with the reference's byte transforms.
// Every public object is a thin wrapper around an implementation object with plain fields, made only when a script can
// see it: a request body that is read by native code allocates no reader, controller or promise that nobody looks at.
// Function names follow the standard's abstract operations without their class prefix. What one file has for the others
// of the folder is in `internal.streams`.
(function (internal) {
  "use strict";
  const {
    FunctionPrototypeApply, PromisePrototypeThen, PromiseResolve, PromiseReject, withResolvers, resolvedPromise, upon,
    markHandled, withoutObjectPrototype,
  } = internal.primordials;

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

  withoutObjectPrototype([Deferred]);

  return { streams: { __proto__: null, Deferred, resolvedDeferred, rejectedDeferred, promiseCall, follow, chain, thenUndefined } };
})
