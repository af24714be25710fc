// What a memory cache forgets, as one worker sees it.
import { env } from "cloudflare:workers";
const outcome = (f) => { try { return `returned ${f()}`; } catch (error) { return `threw ${error}`; } };
const atStart = [outcome(() => env.CACHE.delete("s")), outcome(() => env.CACHE.delete(5)), outcome(() => env.CACHE.delete("k".repeat(2049)))];
const cases = {
  "when modules start": () => atStart,
  "its class": (c) => [Object.getOwnPropertyNames(Object.getPrototypeOf(c)).sort(), c.delete.name, c.delete.length],
  "what was never there": (c) => c.delete("none"),
  "what it gives": (c) => typeof c.delete("none"),
  "read, forgotten and read": async (c) => { const seen = [await c.read("a", () => ({ value: { x: 1 } }))]; c.delete("a"); seen.push(await c.read("a"), await c.read("a", () => ({ value: 2 })), await c.read("a")); return seen; },
  "twice": async (c) => { await c.read("b", () => ({ value: 1 })); c.delete("b"); c.delete("b"); return [await c.read("b")]; },
  "no other": async (c) => { await c.read("c", () => ({ value: 1 })); c.delete("d"); return await c.read("c"); },
  "one that is being found": async (c) => {
    let found;
    const first = c.read("e", () => new Promise((resolve) => { found = () => resolve({ value: 1 }); }));
    const second = c.read("e", () => ({ value: 2 }));
    while (!found) await new Promise((resolve) => setTimeout(resolve, 1));
    c.delete("e");
    const third = c.read("e", () => ({ value: 3 }));
    found();
    return [await first, await second, await third, await c.read("e")];
  },
  "room for others": async (c) => { for (const key of ["f", "g", "h"]) await c.read(key, () => ({ value: key })); c.delete("g"); await c.read("i", () => ({ value: "i" })); return [await c.read("f"), await c.read("g"), await c.read("h"), await c.read("i")]; },
  "without a key": (c) => c.delete(),
  "a number": (c) => c.delete(5),
  "null": (c) => c.delete(null),
  "an object": (c) => c.delete({ toString: () => "a" }),
  "the longest key": (c) => c.delete("k".repeat(2048)),
  "too long a key": (c) => c.delete("k".repeat(2049)),
  "too long a key in UTF-8": (c) => c.delete("\u00e9".repeat(1025)),
  "a lone surrogate": async (c) => { await c.read("\ufffd", () => ({ value: 1 })); c.delete("\ud800"); return await c.read("\ufffd"); },
  "another receiver": (c) => (0, c.delete)("x"),
  "another object": (c) => c.delete.call({}, "x"),
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
