// Objects that can be iterated, as bodies: bytes, or the text that they say they are.
const it = (extra, async) => ({ [async ? Symbol.asyncIterator : Symbol.iterator]: async ? async function* () { yield "it"; } : function* () { yield "it"; }, ...extra });
const t = (v) => async () => { const r = new Response(v()); return [await r.text(), r.headers.get("content-type")]; };
class A { *[Symbol.iterator]() { yield new TextEncoder().encode("it"); } toString() { return "str"; } }
class B { *[Symbol.iterator]() { yield new TextEncoder().encode("it"); } [Symbol.toPrimitive]() { return "prim"; } }
class C { *[Symbol.iterator]() { yield new TextEncoder().encode("it"); } }
class D { async *[Symbol.asyncIterator]() { yield new TextEncoder().encode("it"); } toString() { return "str"; } }
class E { *[Symbol.iterator]() { yield new TextEncoder().encode("it"); } valueOf() { return "val"; } }
export default {
  plain: t(() => it({})),
  a: t(() => new A()),
  b: t(() => new B()),
  c: t(() => new C()),
  d: t(() => new D()),
  e: t(() => new E()),
  own: t(() => it({ toString() { return "own"; } })),
  ownPrim: t(() => it({ [Symbol.toPrimitive]() { return "p"; } })),
  arr: t(() => [new Uint8Array([65]), new Uint8Array([66])]),
  arrStr: t(() => ["a", "b"]),
  arrOwn: t(() => Object.assign([new Uint8Array([65])], { toString() { return "arr"; } })),
  map: t(() => new Map([["a", 1]])),
  set: t(() => new Set([new Uint8Array([65])])),
  gen: t(() => (function* () { yield new Uint8Array([65]); })()),
  str: t(() => new String("boxed")),
  url: t(() => new URL("http://a/")),
  hdr: t(() => new Headers({ a: "b" })),
  nul: t(() => Object.assign(Object.create(null), { [Symbol.iterator]: function* () { yield new Uint8Array([65]); } })),
  date: t(() => new Date(0)),
  dateIt: t(() => Object.assign(new Date(0), { [Symbol.iterator]: function* () { yield new Uint8Array([65]); } })),
  err: t(() => Object.assign(new Error("x"), { [Symbol.iterator]: function* () { yield new Uint8Array([65]); } })),
  fn: t(() => Object.assign(() => 1, { [Symbol.iterator]: function* () { yield new Uint8Array([65]); } })),
  numIt: t(() => Object.assign(new Number(5), { [Symbol.iterator]: function* () { yield new Uint8Array([65]); } })),
  undefTs: t(() => it({ toString: undefined })),
  patched: async () => { const o = Object.prototype.toString; Object.prototype.toString = function () { return "patched"; }; try { return await t(() => it({}))(); } finally { Object.prototype.toString = o; } },
};
