// AbortController and AbortSignal (DOM Standard section 3).
(function (internal) {
  "use strict";
  const {
    FunctionPrototypeApply, isObject, illegalConstructor, brand, notOfType, shape, uncurryThis,
    withoutObjectPrototype, adorn, carried, withResolvers,
  } = internal.primordials;
  const { newDOMException, HandlerAttribute, targetOf, dispatchStandard } = internal;
  const { EventTarget, Event } = internal.globals;
  const TypeErrorConstructor = TypeError;
  const WeakRefConstructor = WeakRef;
  const WeakRefDeref = uncurryThis(WeakRef.prototype.deref);
  const SymbolIterator = Symbol.iterator;

  const ABORTED = "The operation was aborted";
  const TIMED_OUT = "The operation was aborted due to timeout";

  class SignalState {
    constructor(signal) {
      this.signal = signal;
      this.aborted = false;
      this.reason = undefined;
      this.algorithms = undefined; // linked list of { run, next }
      this.observers = 0; // listeners and algorithms
      this.onabort = undefined;
      this.sources = undefined; // linked list of { source, link, next } of a dependent signal
      this.dependents = undefined; // linked list of Link
      this.lastDependent = undefined;
      this.dependentCount = 0;
      this.sweepAt = 16;
      this.dependent = false;
    }
    count(change) {
      const before = this.observers;
      this.observers += change;
      if (this.sources === undefined || (before > 0) === (this.observers > 0)) return;
      // A dependent signal that somebody listens to lives as long as its sources.
      for (let entry = this.sources; entry !== undefined; entry = entry.next) {
        entry.link.strong = this.observers > 0 ? this.signal : undefined;
      }
    }
  }
  class Link {
    constructor(signal) {
      this.weak = new WeakRefConstructor(signal);
      this.strong = undefined;
      this.next = undefined;
    }
  }

  // Only the runtime makes signals: `making` says that a constructor call is ours.
  let making = false;
  internal.atForget(() => {
    making = false;
  });
  let signalOf;
  class AbortSignal extends EventTarget {
    #a = adorn(this);
    static #check = brand((value) => #a in value);
    constructor() {
      if (!making) throw illegalConstructor();
      making = false;
      super();
      const state = (this.#a = new SignalState(this));
      const target = targetOf(this);
      if (target !== undefined) target.onCountChange = (change) => state.count(change);
    }
    static {
      signalOf = (value) => (isObject(value) && #a in value ? value.#a : undefined);
    }
    static abort(reason = undefined) {
      const signal = newAbortSignal();
      const state = signalOf(signal);
      state.aborted = true;
      state.reason = reason === undefined ? newDOMException(ABORTED, "AbortError") : reason;
      return signal;
    }
    static timeout(milliseconds) {
      if (arguments.length === 0) throw notOfType("timeout", "AbortSignal", 1, "number");
      const delay = +milliseconds;
      const signal = newAbortSignal();
      internal.setTimeout(() => signalAbort(signal, newDOMException(TIMED_OUT, "TimeoutError")), delay);
      return signal;
    }
    static any(signals) {
      const method = isObject(signals) ? signals[SymbolIterator] : undefined;
      if (typeof method !== "function") throw notOfType("any", "AbortSignal", 1, "sequence<AbortSignal>");
      // The whole sequence is converted before anything happens.
      let first;
      let last;
      const iterator = FunctionPrototypeApply(method, signals, []);
      if (!isObject(iterator)) throw notOfType("any", "AbortSignal", 1, "sequence<AbortSignal>");
      const { next } = iterator;
      let index = 0;
      for (;;) {
        const result = FunctionPrototypeApply(next, iterator, []);
        if (!isObject(result)) throw new TypeErrorConstructor("The iterator's result is not an object.");
        if (result.done) break;
        const state = signalOf(result.value);
        if (state === undefined) {
          throw new TypeErrorConstructor(
            `Incorrect type for array element ${index}: the provided value is not of type 'AbortSignal'.`,
          );
        }
        index++;
        const node = { state, next: undefined };
        if (last === undefined) first = node;
        else last.next = node;
        last = node;
      }
      return dependentSignal(first);
    }
    get aborted() {
      AbortSignal.#check(this);
      return this.#a.aborted;
    }
    get reason() {
      AbortSignal.#check(this);
      return this.#a.reason;
    }
    throwIfAborted() {
      AbortSignal.#check(this);
      if (this.#a.aborted) throw this.#a.reason;
    }
    get onabort() {
      AbortSignal.#check(this);
      return this.#a.onabort === undefined ? null : this.#a.onabort.value;
    }
    set onabort(value) {
      AbortSignal.#check(this);
      const attribute = (this.#a.onabort ??= new HandlerAttribute("abort"));
      attribute.set(targetOf(this), value);
    }
  }
  shape(AbortSignal, "AbortSignal");
  carried(AbortSignal, ["aborted", "reason"]);

  const newAbortSignal = () => {
    making = true;
    try {
      return new AbortSignal();
    } finally {
      making = false;
    }
  };
  const isAbortSignal = (value) => signalOf(value) !== undefined;
  const signalAborted = (signal) => signalOf(signal).aborted;
  const signalReason = (signal) => signalOf(signal).reason;

  const dependentSignal = (first) => {
    const result = newAbortSignal();
    const state = signalOf(result);
    for (let node = first; node !== undefined; node = node.next) {
      if (node.state.aborted) {
        state.aborted = true;
        state.reason = node.state.reason;
        return result;
      }
    }
    state.dependent = true;
    for (let node = first; node !== undefined; node = node.next) {
      if (!node.state.dependent) {
        addDependent(state, node.state);
      } else {
        for (let entry = node.state.sources; entry !== undefined; entry = entry.next) addDependent(state, entry.source);
      }
    }
    return result;
  };
  const addDependent = (state, source) => {
    for (let entry = state.sources; entry !== undefined; entry = entry.next) if (entry.source === source) return;
    if (source.dependentCount >= source.sweepAt) sweep(source);
    const link = new Link(state.signal);
    if (source.dependents === undefined) source.dependents = link;
    else source.lastDependent.next = link;
    source.lastDependent = link;
    source.dependentCount++;
    state.sources = { source, link, next: state.sources };
  };
  /** Drops the links to signals that were collected, at a cost that the additions since the last time have paid. */
  const sweep = (source) => {
    let kept;
    let last;
    let count = 0;
    for (let link = source.dependents; link !== undefined; link = link.next) {
      if (WeakRefDeref(link.weak) === undefined) continue;
      if (kept === undefined) kept = link;
      else last.next = link;
      last = link;
      count++;
    }
    if (last !== undefined) last.next = undefined;
    source.dependents = kept;
    source.lastDependent = last;
    source.dependentCount = count;
    source.sweepAt = count < 8 ? 16 : count * 2;
  };

  /** Aborts a signal, or a controller's signal (DOM "signal abort"). */
  const signalAbort = (signalOrController, reason) => {
    const controlled = controllerSignal(signalOrController);
    const state = signalOf(controlled === undefined ? signalOrController : controlled);
    if (state === undefined) throw new TypeErrorConstructor("The value is neither an AbortSignal nor an AbortController.");
    if (state.aborted) return;
    state.aborted = true;
    state.reason = reason === undefined ? newDOMException(ABORTED, "AbortError") : reason;
    // Dependents get their reason before any script runs.
    let first;
    let last;
    for (let link = state.dependents; link !== undefined; link = link.next) {
      const signal = WeakRefDeref(link.weak);
      if (signal === undefined) continue;
      const dependent = signalOf(signal);
      if (dependent.aborted) continue;
      dependent.aborted = true;
      dependent.reason = state.reason;
      const node = { dependent, next: undefined };
      if (last === undefined) first = node;
      else last.next = node;
      last = node;
    }
    state.dependents = undefined;
    // A listener that throws keeps no other signal from its steps; the caller gets the first exception.
    let thrown = runAbortSteps(state);
    for (let node = first; node !== undefined; node = node.next) {
      const next = runAbortSteps(node.dependent);
      thrown ??= next;
    }
    if (thrown !== undefined) throw thrown.error;
  };
  const runAbortSteps = (state) => {
    const { algorithms } = state;
    let thrown;
    state.algorithms = undefined;
    for (let node = algorithms; node !== undefined; node = node.next) node.run();
    const target = targetOf(state.signal);
    if (target !== undefined && target.types !== undefined && target.types.abort !== undefined) {
      try {
        dispatchStandard(state.signal, new Event("abort"));
      } catch (error) {
        thrown = { error };
      }
    }
    state.sources = undefined;
    return thrown;
  };
  const addAbortAlgorithm = (signal, run) => {
    const state = signalOf(signal);
    if (state.aborted) return;
    const node = { run, next: undefined };
    if (state.algorithms === undefined) {
      state.algorithms = node;
    } else {
      let last = state.algorithms;
      while (last.next !== undefined) last = last.next;
      last.next = node;
    }
    state.count(1);
  };
  const removeAbortAlgorithm = (signal, run) => {
    const state = signalOf(signal);
    let before;
    for (let node = state.algorithms; node !== undefined; node = node.next) {
      if (node.run === run) {
        if (before === undefined) state.algorithms = node.next;
        else before.next = node.next;
        state.count(-1);
        return;
      }
      before = node;
    }
  };

  const whenAborted = (signal) => {
    const { promise, reject } = withResolvers();
    addAbortAlgorithm(signal, () => reject(signalReason(signal)));
    return promise;
  };

  let controllerSignal;
  class AbortController {
    #signal = newAbortSignal();
    #adorned = adorn(this);
    static #check = brand((value) => #signal in value);
    static {
      controllerSignal = (value) => (isObject(value) && #signal in value ? value.#signal : undefined);
    }
    get signal() {
      AbortController.#check(this);
      return this.#signal;
    }
    abort(reason = undefined) {
      AbortController.#check(this);
      signalAbort(this.#signal, reason);
    }
  }
  shape(AbortController, "AbortController");
  carried(AbortController, ["signal"]);

  const { globals } = internal;
  globals.AbortController = AbortController;
  globals.AbortSignal = AbortSignal;
  withoutObjectPrototype([SignalState, Link]);

  return {
    newAbortSignal, isAbortSignal, signalAborted, signalReason, signalAbort, addAbortAlgorithm, removeAbortAlgorithm,
    whenAborted,
  };
})
