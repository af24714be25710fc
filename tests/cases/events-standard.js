import { deepStrictEqual, match, ok, strictEqual, throws } from 'node:assert';

const names = (error) => error.name;

export const listenersRunInOrderWithThisAndThePhasesOfTheStandard = {
  test() {
    const target = new EventTarget();
    const seen = [];
    target.addEventListener("x", function (e) { seen.push(["a", this === target, e.eventPhase, e.composedPath().length]); });
    target.addEventListener("x", { handleEvent() { seen.push("object"); } });
    const event = new Event("x");
    strictEqual(target.dispatchEvent(event), true);
    deepStrictEqual(seen, [["a", true, 2, 1], "object"]);
    // The reference keeps currentTarget.
    deepStrictEqual([event.currentTarget, event.target, event.eventPhase], [target, target, 0]);
  },
};

export const duplicatesOncePassiveSignalAndRemovalWhileDispatching = {
  test() {
    const target = new EventTarget();
    const seen = [];
    const twice = () => seen.push("twice");
    target.addEventListener("x", twice);
    target.addEventListener("x", twice);
    target.addEventListener("x", () => seen.push("once"), { once: true });
    const abort = new AbortController();
    target.addEventListener("x", () => seen.push("signal"), { signal: abort.signal });
    target.addEventListener("x", () => { target.removeEventListener("x", late); target.addEventListener("x", added); });
    const late = () => seen.push("late");
    const added = () => seen.push("added");
    target.addEventListener("x", late);
    target.dispatchEvent(new Event("x"));
    deepStrictEqual(seen, ["twice", "once", "signal"]);
    abort.abort();
    seen.length = 0;
    target.dispatchEvent(new Event("x"));
    deepStrictEqual(seen, ["twice", "added"]);
    const event = new Event("y", { cancelable: true });
    target.addEventListener("y", (e) => e.preventDefault(), { passive: true });
    strictEqual(target.dispatchEvent(event), true);
    target.addEventListener("y", (e) => e.preventDefault());
    strictEqual(target.dispatchEvent(event), false);
  },
};

export const stopimmediatepropagationAndAnEventThatIsBeingDispatched = {
  test() {
    const target = new EventTarget();
    const seen = [];
    target.addEventListener("x", (e) => { seen.push(1); e.stopImmediatePropagation(); });
    target.addEventListener("x", () => seen.push(2));
    target.dispatchEvent(new Event("x"));
    deepStrictEqual(seen, [1]);
    const other = new EventTarget();
    let error;
    other.addEventListener("x", (e) => { try { other.dispatchEvent(e); } catch (thrown) { error = thrown; } });
    other.dispatchEvent(new Event("x"));
    strictEqual(names(error), "InvalidStateError");
  },
};

export const anAbortListenerThatThrowsKeepsNoDependentSignalFromItsOwn = {
  test() {
    const controller = new AbortController();
    const dependent = AbortSignal.any([controller.signal]);
    const seen = [];
    controller.signal.addEventListener("abort", () => { throw new RangeError("listener"); });
    dependent.addEventListener("abort", () => seen.push("dependent"));
    throws(() => controller.abort(), RangeError);
    deepStrictEqual([seen, controller.signal.aborted, dependent.aborted], [["dependent"], true, true]);
  },
};

export const subclassesOfScripts = {
  test() {
    class Mine extends EventTarget { constructor() { super(); this.own = 1; } }
    const mine = new Mine();
    let detail;
    mine.addEventListener("c", (e) => { detail = e.detail; });
    mine.dispatchEvent(new CustomEvent("c", { detail: 5 }));
    strictEqual(detail, 5);
  },
};

export const abortReasonListenersOnabortThrowIfAborted = {
  test() {
    const controller = new AbortController();
    const seen = [];
    controller.signal.onabort = function (e) { seen.push(["on", this === controller.signal, e.isTrusted]); };
    controller.signal.addEventListener("abort", () => seen.push("listener"));
    controller.abort();
    controller.abort("again");
    deepStrictEqual(seen, [["on", true, true], "listener"]);
    const { reason } = controller.signal;
    ok(reason instanceof DOMException && reason instanceof Error);
    deepStrictEqual([reason.name, reason.code, reason.message], ["AbortError", 20, "The operation was aborted"]);
    throws(() => controller.signal.throwIfAborted(), reason);
    throws(() => new AbortSignal(), /Illegal constructor/);
  },
};

export const anyDependentsNestedDependentsAlreadyAbortedCollectedOnes = {
  async test() {
    const a = new AbortController();
    const b = new AbortController();
    const any = AbortSignal.any([a.signal, b.signal]);
    const nested = AbortSignal.any([any]);
    const order = [];
    nested.addEventListener("abort", () => order.push(any.aborted));
    b.abort("why");
    deepStrictEqual([any.aborted, any.reason, nested.reason, order], [true, "why", "why", [true]]);
    strictEqual(AbortSignal.any([AbortSignal.abort(1)]).reason, 1);
    strictEqual(AbortSignal.any([]).aborted, false);
    throws(() => AbortSignal.any([5]), TypeError);
    const source = new AbortController();
    for (let i = 0; i < 1000; i++) AbortSignal.any([source.signal]);
    source.abort();
  },
};

export const timeoutUsesTheRuntimesTimer = {
  async test() {
    const signal = AbortSignal.timeout(1);
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    strictEqual(signal.reason.name, "TimeoutError");
  },
};

export const domexceptionConstantsBrandStack = {
  test() {
    strictEqual(DOMException.ABORT_ERR, 20);
    strictEqual(DOMException.prototype.DATA_CLONE_ERR, 25);
    const error = new DOMException("m", "DataCloneError");
    strictEqual(String(error), "DataCloneError: m");
    match(error.stack, /^DataCloneError: m\n {4}at/);
    throws(() => DOMException.prototype.name, /Illegal invocation/);
    strictEqual(new DOMException().name, "Error");
  },
};
