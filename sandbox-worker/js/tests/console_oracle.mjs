// Records how the reference prints a corpus of expressions, into data/console-corpus.json.
// Run by hand when the reference is upgraded: WORKERD_BINARY=… node console_oracle.mjs
import { writeFile } from "node:fs/promises";
import { withOracle } from "./oracle.mjs";

// Each entry is the argument list of one console.log call.
const expressions = String.raw`
1
-0
1e21
NaN
10n
true
null
undefined
"text"
""
"a", "b", 1
Symbol("s")
Symbol()
[]
{}
[1, 2, 3]
["a", "b"]
[undefined, null]
[,]
[, , 1]
[1, , , 4]
Array(200)
[[1, [2, [3, [4]]]]]
{ a: { b: { c: { d: 1 } } } }
{ a: [1, { b: 2 }] }
{ "a-b": 1, 2: 3, _x: 4, "": 5 }
{ [Symbol("k")]: 1 }
{ ["__proto__"]: 1 }
{ a: "it's" }
{ a: 'q"q' }
{ a: "it's \"q\"" }
{ a: "\x60 ' \" x" }
{ a: "line\nbreak\ttab\x1b\x7f" }
{ a: "\ud83d" }
{ a: "😀 é 漢字" }
{ a: "x".repeat(100) }
{ a: ("word ".repeat(5) + "\n").repeat(5) }
["x".repeat(10001)]
Array.from({ length: 7 }, (_, i) => i)
Array.from({ length: 27 }, (_, i) => i * 1000)
Array.from({ length: 100 }, (_, i) => i)
Array.from({ length: 101 }, (_, i) => i)
Array.from({ length: 300 }, (_, i) => "item" + i)
Array.from({ length: 20 }, (_, i) => "x".repeat(i))
Array.from({ length: 10 }, (_, i) => -i / 3)
Array.from({ length: 10 }, () => ({}))
Array.from({ length: 10 }, (_, i) => ({ i }))
Array.from({ length: 30 }, (_, i) => (i % 2 ? "odd" : i))
Array.from({ length: 12 }, (_, i) => BigInt(i))
Array.from({ length: 8 }, () => "漢字")
Object.fromEntries(Array.from({ length: 30 }, (_, i) => ["key" + i, i]))
Object.fromEntries(Array.from({ length: 5 }, (_, i) => ["key" + i, "v".repeat(20)]))
Object.assign([1, 2], { x: 3 })
Object.create(null)
Object.assign(Object.create(null), { a: 1 })
Object.create({})
Object.create(Object.create(null))
new (class Foo { x = 1 })()
new (class Foo {})()
new (class extends Array {})(3)
new (class M extends Map {})([[1, 2]])
new (class { get [Symbol.toStringTag]() { return "T" } })()
{ [Symbol.toStringTag]: "Tag" }
{ [Symbol.toStringTag]: "Tag", a: 1 }
Object.assign(new (class Foo {})(), { [Symbol.toStringTag]: "Bar" })
{ get a() { return 1 } }
{ set a(v) {} }
{ get a() { return 1 }, set a(v) {} }
() => 1
function named() {}
async () => 1
async function af() {}
function* gen() {}
async function* agen() {}
class A {}
class B extends Map {}
class {}
Object.assign(function f() {}, { a: 1 })
Object.assign(() => {}, { a: 1 })
class S { static x = 1 }
{ f() {}, g: () => 1, h: class {} }
Math.max
new Map()
new Map([[1, 2]])
new Map([["a", { b: 1 }], [{ c: 1 }, [1]]])
new Set()
new Set([1, "a", [2]])
new Set(Array.from({ length: 120 }, (_, i) => i))
new Map(Array.from({ length: 120 }, (_, i) => [i, i]))
new WeakMap()
new WeakSet()
new Map([[1, 2]]).keys()
new Map([[1, 2]]).entries()
new Set([1]).values()
[1, 2][Symbol.iterator]()
"ab"[Symbol.iterator]()
(function* () {})()
Promise.resolve(1)
Promise.resolve({ a: 1 })
new Promise(() => {})
(() => { const p = Promise.reject(5); p.catch(() => {}); return p })()
new Proxy({ a: 1 }, {})
new Proxy([1], {})
new Proxy(function f() {}, {})
{ p: new Proxy({}, {}) }
(() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy })()
new Date(0)
new Date(NaN)
Object.assign(new Date(0), { a: 1 })
/x/gi
Object.assign(/x/, { a: 1 })
new Number(3)
new String("abc")
new Boolean(false)
Object(Symbol("x"))
Object(1n)
Object.assign(new String("ab"), { x: 1 })
new Uint8Array(0)
new Uint8Array([1, 2, 3])
new Float64Array([1.5, -0])
new BigInt64Array(2)
new Uint8Array(200)
new ArrayBuffer(0)
new ArrayBuffer(4)
new ArrayBuffer(60)
new DataView(new ArrayBuffer(2))
new SharedArrayBuffer(2)
(function () { return arguments })(1, 2)
globalThis.JSON
Math
Atomics
Reflect
new WeakRef({ a: 1 })
Object.assign(new Error("boom"), { stack: "Error: boom\n    at f (x.js:1:2)" })
Object.assign(new TypeError("boom"), { stack: "TypeError: boom" })
{ e: Object.assign(new Error("in"), { stack: "Error: in\n    at f (x.js:1:2)" }) }
[Object.assign(new Error("in"), { stack: "Error: in\n    at f (x.js:1:2)" })]
Object.assign(new Error("props"), { stack: "Error: props\n    at f (x.js:1:2)", code: "E", n: { a: 1 } })
Object.assign(new Error("c", { cause: "why" }), { stack: "Error: c\n    at f (x.js:1:2)" })
Object.assign(new Error("c", { cause: Object.assign(new Error("d"), { stack: "Error: d\n    at g (y.js:1:2)" }) }), { stack: "Error: c\n    at f (x.js:1:2)" })
Object.assign(new AggregateError([1, 2], "agg"), { stack: "AggregateError: agg\n    at f (x.js:1:2)" })
Object.assign(new (class MyError extends Error {})("m"), { stack: "Error: m\n    at f (x.js:1:2)" })
Object.assign(new Error("m"), { name: "Custom", stack: "Error: m\n    at f (x.js:1:2)" })
Object.assign(new Error(""), { stack: "Error\n    at f (x.js:1:2)" })
Object.assign(new Error("a\nb"), { stack: "Error: a\nb\n    at f (x.js:1:2)" })
Object.assign(new Error("x"), { stack: undefined })
(() => { const o = { a: 1 }; o.self = o; return o })()
(() => { const a = [1]; a.push(a); return a })()
(() => { const o = { x: {} }; o.x.y = o.x; o.z = o; return o })()
(() => { const m = new Map(); m.set("m", m); return m })()
(() => { const o = {}; return [o, o] })()
"%s is %d", "x", 5
"%s", { a: 1 }
"%s", { a: { b: 1 } }
"%s", [1, [2, [3]]]
"%s", -0
"%s", 5n
"%s", Symbol("q")
"%s", null
"%s", () => 1
"%s", class Q {}
"%s", new (class T { toString() { return "ts" } })()
"%s", new Date(0)
"%s", Object.assign(new Error("es"), { stack: "Error: es\n    at f (x.js:1:2)" })
"%d", "42.5"
"%d", {}
"%d", 3n
"%d", Symbol()
"%i", 42.9
"%i", "12px"
"%i", {}
"%f", "1.25x"
"%f", Symbol()
"%j", { a: [1] }
"%j", undefined
"%j", (() => { const o = {}; o.o = o; return o })()
"%o", { a: 1 }
"%o", [1]
"%o", { f() {} }
"%O", { a: { b: { c: { d: 1 } } } }
"%c styled", "color: red"
"%% %s", "x"
"%s %s", "x"
"%x %s", "x"
"100%", 5
"%", 5
"%s", "a", "b", { c: 1 }
{ a: 1 }, "%s", 5
"a%sb%sc", 1, 2
"%%"
"multi\nline", { a: "multi\nline" }
{ a: 1, b: "two", c: [3], d: { e: 4 }, f: null, g: undefined, h: true }
{ aaaaaaaaaaaaaaaaaaaa: 1, bbbbbbbbbbbbbbbbbbbb: 2, cccccccccccccccccccc: 3, dddddddddddd: 4 }
[{ a: 1, b: { c: [1, 2, { d: 1 }] } }]
[[[]]]
[[[[]]]]
{ a: {} , b: [] }
{ a: { b: { c: {} } } }
{ a: { b: { c: [] } } }
{ a: { b: { c: new Map([[1, 2]]) } } }
[["a", 1], ["b", 2], ["c", 3], ["d", 4], ["e", 5], ["f", 6], ["g", 7]]
{ level1: { level2: { level3: 1 } }, other: { x: 1 } }
new AbortController()
new AbortController().signal
new Event("x").type
new Blob(["abc"], { type: "text/plain" })
new TextEncoder()
new CountQueuingStrategy({ highWaterMark: 3 })
new ByteLengthQueuingStrategy({ highWaterMark: 3 })
navigator.userAgent
scheduler
Event
ReadableStream
`
  .trim()
  .split("\n");

const source = `
export default { fetch() {
${expressions.map((e, i) => `  console.log("\\u0001${i}"); console.log(${e.startsWith("class") || e.startsWith("function") || e.startsWith("async function") || e.startsWith("{") ? (e.includes('},') && e.startsWith("{ a: 1 },") ? e : `(${e})`) : e});`).join("\n")}
  console.log("\\u0001end");
  return new Response("");
} };`;

const records = await withOracle(source, async ({ fetch, output }) => {
  const response = await fetch();
  if (!response.ok) throw new Error(`the reference failed: ${output().stderr}`);
  for (let i = 0; i < 100 && !output().stdout.includes("\u0001end"); i++) await new Promise((r) => setTimeout(r, 20));
  const { stdout } = output();
  return expressions.map((expression, i) => {
    const start = stdout.indexOf(`\u0001${i}\n`) + `\u0001${i}\n`.length;
    const end = stdout.indexOf("\u0001", start);
    return { expression, text: stdout.slice(start, end).replace(/\n$/, "") };
  });
});
await writeFile(new URL("./data/console-corpus.json", import.meta.url), JSON.stringify(records, null, 1) + "\n");
console.log(`${records.length} expressions`);
