import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.mjs";

// As before `spec_compliant_dispatch_exceptions`; the standard's way is tried below.
const internal = load({ only: "form_encoding.js", flags: { spec_compliant_dispatch_exceptions: false } });
const { EventTarget, Event, FetchEvent, ExtendableEvent } = internal.globals;

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
