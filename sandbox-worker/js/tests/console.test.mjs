import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { load, scope } from "./load.mjs";

const corpus = JSON.parse(readFileSync(new URL("./data/console-corpus.json", import.meta.url), "utf8"));
// What Node.js cannot show to a script: these need the hooks of native code, and the isolate's own test runs them.
const needsNative = /Proxy|Promise\.(resolve|reject)|Promise\(|\.keys\(\)|\.entries\(\)|\.values\(\)|TextEncoder/;

const { internal, evaluate } = scope();
for (const { expression, text } of corpus) {
  if (needsNative.test(expression)) continue;
  test(`console.log(${expression})`, () => {
    const wrap = /^(class|function|async function)/.test(expression) || (expression.startsWith("{") && !expression.startsWith("{ a: 1 },"));
    internal.logs.length = 0;
    evaluate(`console.log(${wrap ? `(${expression})` : expression})`);
    const [[level, ours]] = internal.logs;
    assert.equal(level, "log");
    assert.equal(ours, text);
  });
}

test("a message is bounded", () => {
  internal.logs.length = 0;
  evaluate(`
    const wide = Array.from({ length: 100 }, () => Array.from({ length: 100 }, () => ({ text: "x".repeat(9000) })));
    console.log(wide);
    console.log("x".repeat(1 << 20));
  `);
  for (const [, text] of internal.logs) assert.ok(text.length < 200 * 1024, `${text.length}`);
});

test("printing calls no getter and survives hostile objects", () => {
  internal.logs.length = 0;
  evaluate(`
    let touched = 0;
    const hostile = { get a() { touched++; }, get [Symbol.toStringTag]() { touched++; return "x"; } };
    Object.defineProperty(hostile, "constructor", { get() { touched++; } });
    console.log(hostile, "%s", hostile);
    globalThis.touched = touched;
  `);
  assert.equal(evaluate("touched"), 0);
  evaluate("let deep = {}; for (let i = 0; i < 100000; i++) deep = { deep }; console.log(deep, '%o', deep)");
  assert.match(internal.logs.at(-1)[1], /deep/);
});

test("patched prototypes do not change what is printed", () => {
  const fresh = scope();
  fresh.evaluate(`
    Array.prototype.push = Array.prototype.join = Array.prototype.map = () => { throw new Error("seen"); };
    String.prototype.slice = String.prototype.replace = () => { throw new Error("seen"); };
    Map.prototype.forEach = () => { throw new Error("seen"); };
    Object.defineProperty(Array.prototype, "0", { set() { throw new Error("seen"); } });
    console.log({ a: new Map([[1, { b: "it's" }]]) }, "%s", 5);
  `);
  assert.equal(fresh.internal.logs[0][1], `{ a: Map(1) { 1 => { b: "it's" } } } %s 5`);
});

test("levels, and the methods that only an inspector sees", () => {
  internal.logs.length = 0;
  evaluate(`console.warn("w"); console.error("e"); console.debug("d"); console.info("i"); console.table([1]); console.assert(false, 1);`);
  assert.deepEqual(internal.logs, [["warn", "w"], ["error", "e"], ["debug", "d"], ["info", "i"]]);
});

void load;
