import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { scope } from "./load.mjs";

const oracle = JSON.parse(readFileSync(new URL("./data/oracle-globals.json", import.meta.url), "utf8"));
const { internal, evaluate } = scope();
// The standard puts these on the prototype; the reference on each instance, or nowhere.
const isInterface = (value) => typeof value === "function" && typeof value.prototype === "object";

for (const [name, value] of Object.entries(internal.globals)) {
  if (!isInterface(value) || oracle.interfaces[name] === undefined) continue;
  test(`${name} has every public member that the reference has`, () => {
    const ours = (object) => Object.getOwnPropertyDescriptors(object);
    for (const [side, object] of [["prototype", value.prototype], ["statics", value]]) {
      const mine = ours(object);
      for (const [key, theirs] of Object.entries(oracle.interfaces[name][side])) {
        if (key.startsWith("Symbol(") || ["length", "name", "prototype"].includes(key) && side === "statics") continue;
        if (name === "ServiceWorkerGlobalScope" || (name === "WorkerGlobalScope" && key === "EventTarget")) continue;
        const descriptor = mine[key];
        assert.ok(descriptor !== undefined, `${name} lacks ${side} ${key}`);
        assert.equal("get" in descriptor, "get" in theirs, `${name}.${key} is of another kind`);
        if (key !== "constructor") assert.equal(descriptor.enumerable, theirs.enumerable, `${name}.${key} enumerable`);
      }
    }
    assert.equal(value.prototype[Symbol.toStringTag], name);
    assert.equal(value.name, name);
  });
}

test("every console method of the reference but the V8 inspector's own", () => {
  const missing = Object.keys(oracle.interfaces.console.own).filter(
    (key) => !key.startsWith("Symbol(") && key !== "context" && !(key in internal.globals.console),
  );
  assert.deepEqual(missing, []);
});

test("the global object is a worker's", () => {
  assert.equal(evaluate("String(globalThis)"), "[object ServiceWorkerGlobalScope]");
  assert.equal(evaluate("globalThis instanceof WorkerGlobalScope && globalThis instanceof EventTarget"), true);
  assert.equal(evaluate("self === globalThis"), true);
  evaluate("addEventListener('x', function (e) { globalThis.hit = this === globalThis && e.target === globalThis; })");
  evaluate("dispatchEvent(new Event('x'))");
  assert.equal(evaluate("hit"), true);
  assert.equal(evaluate("EventTarget.prototype.addEventListener.call(undefined, 'y', () => {})"), undefined);
});

test("uncaught errors reach listeners of the global, then the log", async () => {
  internal.reports.length = 0;
  evaluate("seen = []; handler = (e) => { seen.push(e.message); e.preventDefault(); }; addEventListener('error', handler)");
  evaluate("reportError(new Error('one'))");
  assert.deepEqual([evaluate("seen[0]"), internal.reports.length], ["Uncaught Error: one", 0]);
  evaluate("removeEventListener('error', handler); queueMicrotask(() => { throw new Error('two'); })");
  await new Promise((resolve) => setTimeout(resolve));
  assert.equal(internal.reports[0].message, "two");
});


