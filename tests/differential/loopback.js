import { WorkerEntrypoint, exports as imported } from "cloudflare:workers";

const whileLoading = [typeof imported, Object.keys(imported)];
// What JSON does not show of a value.
const show = (value, depth = 0) => {
  if (typeof value !== "object" || value === null || depth > 6) return typeof value === "bigint" || value === undefined || Object.is(value, -0) || value !== value ? `${typeof value} ${Object.is(value, -0) ? "-0" : value}` : value;
  const name = value.constructor?.name;
  const inner = (item) => show(item, depth + 1);
  if (Array.isArray(value)) return value.map(inner);
  if (value instanceof Error) return [name, value.name, value.message, "cause" in value ? inner(value.cause) : "no cause"];
  if (value instanceof Date || value instanceof RegExp || value instanceof String) return [name, String(value)];
  if (value instanceof Map || value instanceof Set) return [name, [...value].map(inner)];
  if (value instanceof ArrayBuffer) return [name, [...new Uint8Array(value)]];
  if (ArrayBuffer.isView(value)) return [name, [...value]];
  return [name, Object.fromEntries(Object.keys(value).map((key) => [key, inner(value[key])]))];
};
const told = (of, request, ctx) => Response.json([of, request.url, show(ctx.props)]);

export class Named extends WorkerEntrypoint { fetch(request) { return told("Named", request, this.ctx); } }
export class Derived extends Named {}
export { Named as Alias };
export const object = { fetch: (request, env, ctx) => told("object", request, ctx) };
export const later = { async fetch(request, env, ctx) { return told("later", request, ctx); } };
export const mute = { scheduled() {} };
export const empty = {};
export const list = [1];

class Own { constructor() { this.a = 1; } }
const propses = {
  object: () => ({ a: 1, b: "x", c: [1, null, true], d: { e: 1 } }),
  empty: () => ({}), undefined: () => undefined, null: () => null, number: () => 5, text: () => "text", true: () => true, list: () => [1, 2],
  date: () => ({ d: new Date(5), bad: new Date(NaN) }), numbers: () => ({ n: NaN, i: Infinity, z: -0, big: 5n, u: undefined }),
  collections: () => ({ m: new Map([[1, { a: 2 }]]), s: new Set(["x"]) }), regexp: () => ({ r: /x/gi }), boxed: () => ({ s: new String("x") }),
  bytes: () => ({ b: new ArrayBuffer(3), v: new Uint8Array([1, 2]), w: new Float64Array([1.5]) }),
  error: () => ({ e: new TypeError("m", { cause: new Error("why") }) }), sparse: () => ({ l: [, 1] }),
  shared: () => { const shared = { x: 1 }; return { a: shared, b: shared }; }, long: () => ({ l: "x".repeat(50_000) }), unicode: () => ({ "\u{1f600}": "\ud83d" }),
  getter: () => ({ get g() { return 3; } }), throws: () => ({ get g() { throw new RangeError("getter"); } }), inherited: () => Object.create({ a: 1 }),
  function: () => ({ f() {} }), callable: () => () => 1, symbol: () => ({ s: Symbol("x") }), own: () => new Own(), bare: () => Object.create(null), nested: () => ({ o: new Own() }),
  json: () => ({ toJSON() { return 7; } }), promise: () => ({ p: Promise.resolve() }), weak: () => ({ w: new WeakMap() }),
};
const cases = {
  "names": (ctx) => Object.keys(ctx.exports),
  "while loading": () => whileLoading,
  "imported": (ctx) => [Object.keys(imported), imported.Named === ctx.exports.Named],
  "classes": (ctx) => Object.entries(ctx.exports).map(([name, value]) => [name, typeof value, value.constructor.name, String(value)]),
  "object": (ctx) => [Object.getPrototypeOf(ctx.exports) === Object.prototype, Object.isFrozen(ctx.exports), ctx.exports === ctx.exports, ctx.exports.object === ctx.exports.object],
  "prototypes": (ctx) => { const chain = []; for (let object = ctx.exports.Named; object !== null; object = Object.getPrototypeOf(object)) chain.push(Object.getOwnPropertyNames(object).filter((name) => ["fetch", "connect", "constructor", "length", "name", "hasOwnProperty"].includes(name))); return [chain, ctx.exports.Named instanceof Function]; },
  "what is made": (ctx) => { const made = ctx.exports.Named({ props: {} }); return [typeof made, made.constructor === Object.getPrototypeOf(Object.getPrototypeOf(ctx.exports.Named)).constructor, made === ctx.exports.Named({ props: {} })]; },
  "called twice": (ctx) => ctx.exports.Named({ props: {} })({ props: {} }),
  "no argument": (ctx) => ctx.exports.Named().fetch("http://a/"), "null": (ctx) => ctx.exports.Named(null).fetch("http://a/"), "undefined": (ctx) => ctx.exports.Named(undefined).fetch("http://a/"),
  "a number": (ctx) => ctx.exports.Named(5).fetch("http://a/"), "more": (ctx) => ctx.exports.Named({ props: { a: 1 }, version: "x", other: 1 }).fetch("http://a/"),
  "getter": (ctx) => ctx.exports.Named({ get props() { throw new RangeError("g"); } }), "new": (ctx) => new ctx.exports.Named({ props: { a: 1 } }).fetch("http://a/"),
  "applied": (ctx) => Reflect.apply(ctx.exports.Named, undefined, [{ props: { a: 1 } }]).fetch("http://a/"), "as this": (ctx) => { const { fetch } = ctx.exports.object; return fetch.call(ctx.exports.Named({ props: { a: 1 } }), "http://a/"); },
  "fetcher": (ctx) => fetch("http://a/", { fetcher: ctx.exports.Named({ props: { a: 1 } }) }), "fetcher without": (ctx) => fetch("http://a/", { fetcher: ctx.exports.Named }),
  "many": async (ctx) => { const all = await Promise.all(Array.from({ length: 300 }, async (_, i) => (await (await ctx.exports.Named({ props: { i } }).fetch("http://a/")).json())[2][1].i)); return all.every((value, i) => value === i); },
  "changed": (ctx) => { const props = { a: 1 }, made = ctx.exports.Named({ props }); props.a = 2; return made.fetch("http://a/"); },
  "a body": async (ctx) => (await ctx.exports.object({ props: { a: 1 } }).fetch("http://a/", { method: "POST", body: "x".repeat(100_000) })).text(),
  "kept": (ctx) => { globalThis.kept = ctx.exports.Named({ props: { a: 1 } }); globalThis.plain = ctx.exports.Named; return "kept"; },
  "used later": () => globalThis.kept.fetch("http://a/"), "used later without props": () => globalThis.plain.fetch("http://a/"),
  ...Object.fromEntries(["default", "Named", "Derived", "Alias", "object", "later", "mute", "empty", "list"].flatMap((name) => [
    [`direct ${name}`, (ctx) => ctx.exports[name].fetch("http://a/direct")], [`${name} with props`, (ctx) => ctx.exports[name]({ props: { of: name } }).fetch("http://a/props")],
  ])),
  ...Object.fromEntries(Object.entries(propses).map(([name, make]) => [`props ${name}`, (ctx) => ctx.exports.Named({ props: make() }).fetch("http://a/")])),
};

export default {
  async fetch(request, env, ctx) {
    const path = new URL(request.url).pathname.slice(1);
    if (path === "names") return Response.json(Object.keys(cases));
    if (path === "direct" || path === "props") return told("default", request, ctx);
    try {
      const value = await Object.values(cases)[Number(path)](ctx);
      return value instanceof Response ? value : Response.json(value ?? null);
    } catch (error) {
      return Response.json(["thrown", String(error), error.constructor.name]);
    }
  },
};
