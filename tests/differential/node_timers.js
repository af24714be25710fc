// `node:timers`, `node:timers/promises`, and the globals that come with them.
import timers, * as all from "node:timers";
import promises, * as allPromises from "node:timers/promises";
import { AsyncLocalStorage } from "node:async_hooks";
import { answer } from "./show.js";

const tried = (run) => { try { return run(); } catch (error) { return error; } };
const wait = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));
const described = (object) => Reflect.ownKeys(object).filter((key) => key !== "caller" && key !== "arguments").map((key) => `${String(key)} ${typeof object[key]} ${object[key]?.name} ${object[key]?.length}`);
const kind = (value) => [typeof value, value?.constructor?.name, Object.prototype.toString.call(value)];

const cases = [
  () => [Object.keys(all), Object.keys(timers), Object.keys(allPromises), Object.keys(promises)],
  () => Object.keys(timers).map((key) => [key, typeof timers[key], timers[key].name, timers[key].length, timers[key] === all[key]]),
  () => Object.keys(promises).map((key) => [key, typeof promises[key], promises[key].name, promises[key].length]),
  () => ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "setImmediate", "clearImmediate"].map((name) => [name, typeof globalThis[name], globalThis[name]?.name, globalThis[name]?.length, globalThis[name] === timers[name], JSON.stringify(Object.getOwnPropertyDescriptor(globalThis, name))]),
  () => { const t = setTimeout(() => 1, 1); clearTimeout(t); return kind(t); },
  () => { const t = timers.setTimeout(() => 1, 1); clearTimeout(t); return [kind(t), Object.keys(t), described(Object.getPrototypeOf(t)), t.hasRef(), t.ref() === t, t.unref() === t, t.hasRef()]; },
  () => { const t = setImmediate(() => 1); clearImmediate(t); return [kind(t), Object.keys(t), described(Object.getPrototypeOf(t)), tried(() => [t.hasRef(), t.ref() === t, t.unref() === t])]; },
  () => { const t = timers.setImmediate(() => 1); timers.clearImmediate(t); return kind(t); },
  () => { const t = timers.setTimeout(() => 1, 1); const id = +t; clearTimeout(id); return [typeof id, id > 0, typeof `${t}`]; },
  async () => { const seen = []; timers.setTimeout((...args) => seen.push(args), 1, 2, 3); await wait(5); return seen; },
  async () => { const seen = []; const t = timers.setTimeout(() => seen.push(1), 1); timers.clearTimeout(t); await wait(5); return seen; },
  async () => { const seen = []; const t = timers.setTimeout(() => seen.push(1), 1); timers.clearTimeout(+t); await wait(5); return seen; },
  async () => { const seen = []; const t = timers.setTimeout(() => seen.push(1), 1); t.close(); await wait(5); return seen; },
  async () => { const seen = []; const t = timers.setTimeout(() => seen.push(1), 1); t[Symbol.dispose](); await wait(5); return seen; },
  async () => { const seen = []; await new Promise((resolve) => { const t = timers.setInterval((a) => { seen.push(a); if (seen.length === 3) { timers.clearInterval(t); resolve(); } }, 1, "x"); }); return seen; },
  async () => { const seen = []; const t = timers.setTimeout(() => seen.push(1), 1); t.refresh(); await wait(8); t.refresh(); await wait(8); return seen; },
  async () => { const seen = []; await new Promise((resolve) => setImmediate((...args) => { seen.push(args); resolve(); }, 1, 2)); return seen; },
  async () => { const seen = []; const t = setImmediate(() => seen.push(1)); clearImmediate(t); await wait(3); return seen; },
  async () => { const seen = []; setTimeout(() => seen.push("timeout"), 0); setImmediate(() => seen.push("immediate")); Promise.resolve().then(() => seen.push("promise")); queueMicrotask(() => seen.push("microtask")); process.nextTick(() => seen.push("tick")); seen.push("now"); await wait(5); return seen; },
  async () => { const storage = new AsyncLocalStorage(); return storage.run(7, () => new Promise((resolve) => setImmediate(() => resolve(storage.getStore())))); },
  () => setImmediate(),
  () => setImmediate(5),
  () => [clearImmediate(), clearImmediate(5), clearImmediate(null), clearImmediate("x"), clearImmediate({})],
  () => timers.setTimeout(),
  () => timers.setTimeout(5),
  () => timers.setInterval("x"),
  () => timers.setImmediate(null),
  () => [timers.clearTimeout(), timers.clearTimeout(null), timers.clearTimeout("x"), timers.clearTimeout({}), timers.clearInterval(5)],
  () => [timers.active({}), timers.unenroll({}), timers.enroll({}, 5)].map((value) => typeof value),
  () => timers.enroll({}, "x"),
  async () => promises.setTimeout(1, "value"),
  async () => promises.setTimeout(),
  async () => promises.setTimeout("x"),
  async () => promises.setTimeout(1, "v", 5),
  async () => promises.setTimeout(1, "v", { signal: 5 }),
  async () => promises.setTimeout(1, "v", { ref: 5 }),
  async () => promises.setTimeout(1, "v", { ref: false }),
  async () => promises.setTimeout(1, "v", { signal: AbortSignal.abort() }),
  async () => promises.setTimeout(1, "v", { signal: AbortSignal.abort("why") }).catch((error) => [error, error.cause]),
  async () => { const c = new AbortController(); const p = promises.setTimeout(1000, "v", { signal: c.signal }); c.abort(); return p; },
  async () => promises.setImmediate("value"),
  async () => promises.setImmediate("v", 5),
  async () => promises.setImmediate("v", { signal: AbortSignal.abort() }),
  async () => promises.setImmediate("v", { ref: "x" }),
  async () => { const c = new AbortController(); const p = promises.setImmediate("v", { signal: c.signal }); c.abort(); return p; },
  async () => { const seen = []; for await (const one of promises.setInterval(1, "tick")) { seen.push(one); if (seen.length === 3) break; } return seen; },
  async () => { const i = promises.setInterval(1, "t"); return [kind(i), typeof i.next, await i.next(), await i.return(), await i.next()]; },
  async () => { const c = new AbortController(); const seen = []; try { for await (const one of promises.setInterval(1, "t", { signal: c.signal })) { seen.push(one); c.abort(); } } catch (error) { return [seen, error]; } },
  async () => promises.setInterval("x").next(),
  async () => promises.setInterval(1, "v", { signal: 5 }).next(),
  async () => promises.setInterval(1, "v", { signal: AbortSignal.abort() }).next(),
  async () => promises.setInterval(1, "v", { ref: 5 }).next(),
  () => [kind(promises.scheduler), described(Object.getPrototypeOf(promises.scheduler)), Object.keys(promises.scheduler)],
  async () => promises.scheduler.wait(1),
  async () => promises.scheduler.wait(1, { signal: AbortSignal.abort() }),
  async () => promises.scheduler.yield(),
  async () => promises.scheduler.wait("x"),
  () => new promises.scheduler.constructor(),
  async () => { const { yield: f } = promises.scheduler; return f(); },
  () => timers.promises === promises,
  () => [kind(timers.promises), timers.promises.setTimeout === promises.setTimeout],
  () => typeof setTimeout[Symbol.for("nodejs.util.promisify.custom")],
  () => [typeof timers.setTimeout[Symbol.for("nodejs.util.promisify.custom")], typeof timers.setImmediate[Symbol.for("nodejs.util.promisify.custom")]],
];

export default { fetch: () => answer(cases) };
