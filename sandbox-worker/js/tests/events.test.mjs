import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.mjs";

// As before `spec_compliant_dispatch_exceptions`; the standard's way is tried below.
const internal = load({ only: "form_encoding.js", flags: { spec_compliant_dispatch_exceptions: false } });
const { EventTarget, Event, CustomEvent, AbortController, AbortSignal, DOMException, FetchEvent, ExtendableEvent } =
  internal.globals;
const names = (error) => error.name;

test("listeners run in order, with `this` and the phases of the standard", () => {
  const target = new EventTarget();
  const seen = [];
  target.addEventListener("x", function (e) { seen.push(["a", this === target, e.eventPhase, e.composedPath().length]); });
  target.addEventListener("x", { handleEvent() { seen.push("object"); } });
  const event = new Event("x");
  assert.equal(target.dispatchEvent(event), true);
  assert.deepEqual(seen, [["a", true, 2, 1], "object"]);
  // The reference keeps currentTarget.
  assert.deepEqual([event.currentTarget, event.target, event.eventPhase], [target, target, 0]);
});

test("duplicates, once, passive, signal and removal while dispatching", () => {
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
  assert.deepEqual(seen, ["twice", "once", "signal"]);
  abort.abort();
  seen.length = 0;
  target.dispatchEvent(new Event("x"));
  assert.deepEqual(seen, ["twice", "added"]);
  const event = new Event("y", { cancelable: true });
  target.addEventListener("y", (e) => e.preventDefault(), { passive: true });
  assert.equal(target.dispatchEvent(event), true);
  target.addEventListener("y", (e) => e.preventDefault());
  assert.equal(target.dispatchEvent(event), false);
});

test("stopImmediatePropagation, and an event that is being dispatched", () => {
  const target = new EventTarget();
  const seen = [];
  target.addEventListener("x", (e) => { seen.push(1); e.stopImmediatePropagation(); });
  target.addEventListener("x", () => seen.push(2));
  target.dispatchEvent(new Event("x"));
  assert.deepEqual(seen, [1]);
  const other = new EventTarget();
  let error;
  other.addEventListener("x", (e) => { try { other.dispatchEvent(e); } catch (thrown) { error = thrown; } });
  other.dispatchEvent(new Event("x"));
  assert.equal(names(error), "InvalidStateError");
});

test("an exception in a listener ends the dispatch and reaches the caller, as in the reference", () => {
  const target = new EventTarget();
  const boom = new Error("boom");
  let ran = false;
  let fail = true;
  target.addEventListener("x", () => { if (fail) throw boom; });
  target.addEventListener("x", () => { ran = true; });
  internal.reports.length = 0;
  const event = new Event("x");
  assert.throws(() => target.dispatchEvent(event), boom);
  assert.deepEqual([ran, internal.reports, event.eventPhase], [false, [], 0]);
  fail = false;
  assert.equal(target.dispatchEvent(event), true);
  assert.equal(ran, true);
});

test("with spec_compliant_dispatch_exceptions what a listener throws is reported, and the next one runs", () => {
  const internal = load({ only: "form_encoding.js" });
  const target = new internal.globals.EventTarget();
  let ran = false;
  target.addEventListener("x", () => { throw new Error("boom"); });
  target.addEventListener("x", () => { ran = true; });
  assert.equal(target.dispatchEvent(new internal.globals.Event("x")), true);
  assert.deepEqual([ran, internal.reports.map((error) => error.message)], [true, ["boom"]]);
});

test("an abort listener that throws keeps no dependent signal from its own", () => {
  const controller = new AbortController();
  const dependent = AbortSignal.any([controller.signal]);
  const seen = [];
  controller.signal.addEventListener("abort", () => { throw new RangeError("listener"); });
  dependent.addEventListener("abort", () => seen.push("dependent"));
  assert.throws(() => controller.abort(), RangeError);
  assert.deepEqual([seen, controller.signal.aborted, dependent.aborted], [["dependent"], true, true]);
});

test("subclasses of scripts", () => {
  class Mine extends EventTarget { constructor() { super(); this.own = 1; } }
  const mine = new Mine();
  let detail;
  mine.addEventListener("c", (e) => { detail = e.detail; });
  mine.dispatchEvent(new CustomEvent("c", { detail: 5 }));
  assert.equal(detail, 5);
});

test("abort: reason, listeners, onabort, throwIfAborted", () => {
  const controller = new AbortController();
  const seen = [];
  controller.signal.onabort = function (e) { seen.push(["on", this === controller.signal, e.isTrusted]); };
  controller.signal.addEventListener("abort", () => seen.push("listener"));
  controller.abort();
  controller.abort("again");
  assert.deepEqual(seen, [["on", true, true], "listener"]);
  const { reason } = controller.signal;
  assert.ok(reason instanceof DOMException && reason instanceof Error);
  assert.deepEqual([reason.name, reason.code, reason.message], ["AbortError", 20, "The operation was aborted"]);
  assert.throws(() => controller.signal.throwIfAborted(), reason);
  assert.throws(() => new AbortSignal(), /Illegal constructor/);
});

test("any: dependents, nested dependents, already aborted, collected ones", async () => {
  const a = new AbortController();
  const b = new AbortController();
  const any = AbortSignal.any([a.signal, b.signal]);
  const nested = AbortSignal.any([any]);
  const order = [];
  nested.addEventListener("abort", () => order.push(any.aborted));
  b.abort("why");
  assert.deepEqual([any.aborted, any.reason, nested.reason, order], [true, "why", "why", [true]]);
  assert.equal(AbortSignal.any([AbortSignal.abort(1)]).reason, 1);
  assert.equal(AbortSignal.any([]).aborted, false);
  assert.throws(() => AbortSignal.any([5]), TypeError);
  const source = new AbortController();
  for (let i = 0; i < 1000; i++) AbortSignal.any([source.signal]);
  source.abort();
});

test("timeout uses the runtime's timer", async () => {
  const signal = AbortSignal.timeout(1);
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  assert.equal(signal.reason.name, "TimeoutError");
});

test("DOMException: constants, brand, stack", () => {
  assert.equal(DOMException.ABORT_ERR, 20);
  assert.equal(DOMException.prototype.DATA_CLONE_ERR, 25);
  const error = new DOMException("m", "DataCloneError");
  assert.equal(String(error), "DataCloneError: m");
  assert.match(error.stack, /^DataCloneError: m\n {4}at/);
  assert.throws(() => DOMException.prototype.name, /Illegal invocation/);
  assert.equal(new DOMException().name, "Error");
});

test("fetch event: scripts cannot make one, hooks get the calls", () => {
  assert.throws(() => new FetchEvent("fetch"), /Illegal constructor/);
  assert.throws(() => new ExtendableEvent("x"), /Illegal constructor/);
  const calls = [];
  const event = internal.newFetchEvent({
    request: "r",
    respondWith: (response) => calls.push(["respondWith", response]),
    waitUntil: (promise) => calls.push(["waitUntil", promise]),
    passThroughOnException: () => calls.push(["pass"]),
  });
  assert.ok(event instanceof FetchEvent && event instanceof ExtendableEvent);
  event.respondWith(1);
  event.waitUntil(2);
  event.passThroughOnException();
  assert.deepEqual([event.request, event.type, calls], ["r", "fetch", [["respondWith", 1], ["waitUntil", 2], ["pass"]]]);
});
