// A memory cache, as one worker sees it.
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const settled = async (promises) => (await Promise.allSettled(promises)).map(({ status, value, reason }) => `${status} ${reason ?? JSON.stringify(value)}`);
const cases = {
  "its class": (c) => [c.constructor.name, String(c), Object.keys(c), Object.getOwnPropertyNames(Object.getPrototypeOf(c)).sort(), typeof globalThis.MemoryCache],
  "a clone": (c) => structuredClone(c),
  "read of another receiver": (c) => (0, c.read)("x"),
  "read nothing": (c) => c.read("none"),
  "read with undefined": (c) => c.read("none", undefined),
  "read with null": (c) => c.read("none", null),
  "read with a number": (c) => c.read("none", 5),
  "read without a key": (c) => c.read(),
  "read of a number": (c) => c.read(5),
  "it gives a promise": (c) => c.read("none") instanceof Promise,
  "found and read again": async (c) => [await c.read("k1", (key) => ({ value: `v${key}` })), await c.read("k1"), await c.read("k1", () => { throw new Error("no"); })],
  "what a fallback is given": async (c) => { let given; await c.read("k2", (...args) => { given = args; return { value: 1 }; }); return given; },
  "a fallback that waits": async (c) => [await c.read("k3", async () => { await later(1); return { value: [1] }; }), await c.read("k3")],
  "a fallback that gives a thenable": (c) => c.read("k4", () => ({ then(resolve) { resolve({ value: 3 }); } })),
  "a fallback that gives a number": (c) => c.read("f1", () => 5),
  "a fallback that gives a text": (c) => c.read("f1", () => "5"),
  "a fallback that gives a promise of a number": (c) => c.read("f1", async () => 5),
  "a fallback that gives a function": (c) => c.read("f1", () => () => 1),
  "a fallback that gives nothing": (c) => c.read("f2", () => {}),
  "a fallback that gives a promise of nothing": (c) => c.read("f2", async () => {}),
  "a fallback that gives null": (c) => c.read("f2", () => null),
  "a fallback that gives no value": async (c) => [await c.read("f3", () => ({})), await c.read("f3", () => ({ value: 2 }))],
  "a value that is null": async (c) => [await c.read("f4", () => ({ value: null })), await c.read("f4", () => ({ value: 2 }))],
  "a fallback that throws": (c) => c.read("f5", () => { throw new RangeError("r"); }),
  "a fallback that rejects": (c) => c.read("f5", async () => { throw 7; }),
  "after it": (c) => c.read("f5"),
  "a value that cannot be kept": (c) => c.read("f6", () => ({ value: () => 1 })),
  "in which order it is read": async (c) => { const seen = []; await c.read("f7", () => ({ get value() { seen.push("value"); return 1; }, get expiration() { seen.push("expiration"); } })); return seen; },
  "a long value": async (c) => [(await c.read("l1", () => ({ value: "x".repeat(200) }))).length, await c.read("l1")],
  "expired at once": async (c) => [await c.read("e1", () => ({ value: 1, expiration: Date.now() - 1000 })), await c.read("e1")],
  "expired before 1970": async (c) => [await c.read("e2", () => ({ value: 1, expiration: -1 })), await c.read("e2")],
  "expires later": async (c) => [await c.read("e3", () => ({ value: 1, expiration: Date.now() + 100000 })), await c.read("e3")],
  "expires never": async (c) => [await c.read("e4", () => ({ value: 1, expiration: Infinity })), await c.read("e4")],
  "expiration null": async (c) => [await c.read("e5", () => ({ value: 1, expiration: null })), await c.read("e5")],
  "expiration of a text": (c) => c.read("e6", () => ({ value: 1, expiration: "x" })),
  "expiration of a Date": (c) => c.read("e7", () => ({ value: 1, expiration: new Date(Date.now() + 100000) })),
  "expiration NaN": (c) => c.read("e6", () => ({ value: 1, expiration: NaN })),
  "expiration of a symbol": (c) => c.read("e6", () => ({ value: 1, expiration: Symbol("s") })),
  "expires meanwhile": async (c) => { const seen = [await c.read("e8", () => ({ value: 1, expiration: Date.now() + 1 }))]; while (await c.read("e8")) await later(1); return seen; },
  "the longest key": (c) => c.read("k".repeat(2048), () => ({ value: 1 })),
  "too long a key": (c) => c.read("k".repeat(2049), () => ({ value: 1 })),
  "too long a key in UTF-8": (c) => c.read("é".repeat(1025), () => ({ value: 1 })),
  "an empty key": async (c) => [await c.read("", () => ({ value: "empty" })), await c.read("")],
  "keys that URLs would change": async (c) => { const keys = ["..", ".", "a b", "a+b", "a%20b", "é", "e\u0301", "?", "#", "&", "'", "%27", "\n", "\u0000"]; const seen = []; for (const key of keys) { seen.push(await c.read(key, (own) => ({ value: own === key ? key : "changed" }))); seen.push(await c.read(key)); } return seen; },
  "a lone surrogate": async (c) => [await c.read("\ud800", () => ({ value: 3 })), await c.read("\ufffd")],
  "who finds it has its own": async (c) => { const value = { a: 1 }; const given = await c.read("i1", () => ({ value })); return [given === value, (await c.read("i1")) === value, await c.read("i1")]; },
  "values of classes": async (c) => { const seen = []; for (const [key, value] of Object.entries({ map: new Map([[1, 2]]), set: new Set([1]), date: new Date(5), error: new TypeError("q"), regexp: /a/g, big: 5n, bytes: new Uint8Array([1, 2]) })) { await c.read(key, () => ({ value })); const found = await c.read(key); seen.push([key, found?.constructor?.name, String(found)]); } return seen; },
  "the key that was not used leaves": async (c) => { for (const key of ["a", "b", "c"]) await c.read(`v${key}`, () => ({ value: key })); await c.read("va"); await c.read("vd", () => ({ value: "d" })); return [await c.read("va"), await c.read("vb"), await c.read("vc"), await c.read("vd")]; },
  "the bytes of all": async (c) => { for (const key of ["a", "b", "c"]) await c.read(`w${key}`, () => ({ value: "x".repeat(60) })); return [!!(await c.read("wa")), !!(await c.read("wb")), !!(await c.read("wc"))]; },
  "three at once": async (c) => { let count = 0; const find = async () => { count++; await later(5); return { value: count }; }; return [await Promise.all([c.read("c1", find), c.read("c1", find), c.read("c1", find)]), count]; },
  "three at once, the first of which throws": async (c) => { let count = 0; const find = async () => { const mine = ++count; await later(5); if (mine === 1) throw new Error("first"); return { value: mine }; }; return [await settled([c.read("c2", find), c.read("c2", find), c.read("c2", find)]), count]; },
  "three at once, all of which throw": async (c) => { let count = 0; const find = async () => { const mine = ++count; await later(1); throw new Error(`${mine}`); }; return [await settled([c.read("c3", find), c.read("c3", find), c.read("c3", find)]), count]; },
  "one that finds nothing does not wait": async (c) => { const find = async () => { await later(20); return { value: 1 }; }; const found = c.read("c4", find); return [await c.read("c4"), await found]; },
  "two at once for what expires": async (c) => { let count = 0; const find = async () => { count++; await later(5); return { value: count, expiration: Date.now() - 5 }; }; return [await Promise.all([c.read("c5", find), c.read("c5", find)]), count]; },
  "two at once for what is long": async (c) => { let count = 0; const find = async () => { count++; await later(5); return { value: `${count}${"y".repeat(200)}` }; }; return [(await Promise.all([c.read("c6", find), c.read("c6", find)])).map((value) => value.length), count]; },
  "two at once, and the first cannot be kept": async (c) => { let count = 0; const find = async () => { const mine = ++count; await later(5); return { value: mine === 1 ? () => 1 : mine }; }; return [await settled([c.read("c7", find), c.read("c7", find)]), count]; },
  "one that waits for itself": async (c) => { const seen = await Promise.race([c.read("c8", async () => ({ value: await c.read("c8", () => ({ value: 1 })) })), later(50).then(() => "waits")]); return seen; },
};

export default {
  async fetch(request, env) {
    const seen = [];
    for (const [name, run] of Object.entries(cases)) {
      try {
        const value = await run(env.CACHE);
        seen.push([name, `${typeof value} ${JSON.stringify(value) ?? String(value)}`]);
      } catch (error) {
        seen.push([name, `threw ${error}`]);
      }
    }
    return Response.json(seen);
  },
};
