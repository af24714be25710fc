// What `node:events` does: each case is a function, and what it gives or throws is shown in the same way by both runtimes.
import EventEmitter, * as all from "node:events";
import { AsyncLocalStorage } from "node:async_hooks";
import { answer } from "./show.js";

const { once, on } = EventEmitter;
const described = (object) =>
  Reflect.ownKeys(object).map((key) => {
    const { value, get, set, writable, enumerable, configurable } = Object.getOwnPropertyDescriptor(object, key);
    const kind = get || set ? `${get?.name}/${set?.name}` : typeof value === "function" ? `${value.name} ${value.length}` : `${String(value)}`;
    return `${String(key)} ${kind} ${[writable, enumerable, configurable].map(Number)}`;
  });
const logged = (run) => {
  const seen = [];
  const given = run((...args) => void seen.push(args));
  return [given, seen];
};
const tick = () => new Promise((resolve) => setTimeout(resolve, 0));
const caught = (run) => {
  try {
    return run();
  } catch (error) {
    return error;
  }
};

const cases = [
  () => Object.keys(all),
  ...Object.keys(all).filter((key) => key !== "default" && key !== "EventEmitter").map((key) => ({ name: `all.${key}`, run: () => [typeof all[key], String(all[key]?.name), all[key]?.length, String(EventEmitter[key] === all[key])] })),
  { name: "statics", run: () => described(EventEmitter).filter((line) => !line.startsWith("init") && !line.startsWith("caller") && !line.startsWith("arguments")) },
  { name: "prototype", run: () => described(EventEmitter.prototype) },
  { name: "prototype of the resource", run: () => described(EventEmitter.EventEmitterAsyncResource.prototype) },
  () => all.EventEmitter === EventEmitter && all.default === EventEmitter,
  () => { const e = new EventEmitter(); return [Object.keys(e), described(e).length, Object.getPrototypeOf(e._events) === null, e._eventsCount]; },
  () => { const e = EventEmitter.call({ a: 1 }); return e; },
  () => { function Old() { EventEmitter.call(this); } Object.setPrototypeOf(Old.prototype, EventEmitter.prototype); const o = new Old(); o.on("x", () => 1); return [o.emit("x"), Object.keys(o)]; },
  () => logged((log) => { const e = new EventEmitter(); e.on("x", log); return [e.emit("x", 1, 2, 3, 4), e.emit("y")]; }),
  () => logged((log) => { const e = new EventEmitter(); e.on("x", function (...a) { log(this === e, ...a); }); return e.emit("x", 5); }),
  () => logged((log) => { const e = new EventEmitter(); e.once("x", log); return [e.emit("x", 1), e.emit("x", 2), e._eventsCount]; }),
  () => logged((log) => { const e = new EventEmitter(); e.on("x", () => log(1)); e.prependListener("x", () => log(0)); e.prependOnceListener("x", () => log(-1)); e.emit("x"); return e.emit("x"); }),
  () => logged((log) => { const e = new EventEmitter(); e.on("newListener", (name, f) => log("new", name, f.name)); e.on("removeListener", (name, f) => log("gone", name, f.name)); function f() {} e.on("x", f); e.once("y", f); e.off("x", f); e.removeAllListeners("y"); return e.eventNames(); }),
  () => logged((log) => { const e = new EventEmitter(); e.on("removeListener", (name) => log(name)); e.on("a", () => 1); e.on("a", () => 2); e.on("b", () => 3); e.removeAllListeners(); return [e.eventNames(), e._eventsCount]; }),
  () => { const e = new EventEmitter(); function f() {} e.once("x", f); return [e.listeners("x")[0] === f, e.rawListeners("x")[0] === f, e.rawListeners("x")[0].listener === f, e.rawListeners("x")[0].name]; },
  () => { const e = new EventEmitter(); const f = () => 1, g = () => 2; e.on("x", f).on("x", g).on("x", f); return [e.listenerCount("x"), e.listenerCount("x", f), e.listenerCount("y"), e.listenerCount("x", g), EventEmitter.listenerCount(e, "x")]; },
  () => { const e = new EventEmitter(); const f = () => 1; e.once("x", f); return [e.listenerCount("x", f), e.listenerCount("x", () => 1)]; },
  () => { const e = new EventEmitter(); const s = Symbol("s"); e.on(s, () => 1).on("a", () => 1).on(5, () => 1); return e.eventNames(); },
  () => { const e = new EventEmitter(); e.on("toString", () => 1); return [e.eventNames(), e.listeners("__proto__"), e.emit("hasOwnProperty")]; },
  () => new EventEmitter().on("x"),
  () => new EventEmitter().on("x", null),
  () => new EventEmitter().once("x", 5),
  () => new EventEmitter().off("x", {}),
  () => new EventEmitter().removeListener("x"),
  () => new EventEmitter().prependListener("x", "s"),
  () => new EventEmitter().emit("error"),
  () => new EventEmitter().emit("error", 5),
  () => new EventEmitter().emit("error", { a: 1 }),
  () => new EventEmitter().emit("error", new RangeError("own")),
  () => caught(() => new EventEmitter().emit("error", { a: { b: 1 } })).context,
  () => caught(() => new EventEmitter().emit("error", false)).message,
  () => logged((log) => { const e = new EventEmitter(); e.on(EventEmitter.errorMonitor, log); return [caught(() => e.emit("error", new Error("m"))), e.emit(EventEmitter.errorMonitor, 1)]; }),
  () => logged((log) => { const e = new EventEmitter(); e.on("error", log); return e.emit("error", 1); }),
  () => { const e = new EventEmitter(); return [e.getMaxListeners(), e.setMaxListeners(3) === e, e.getMaxListeners(), EventEmitter.getMaxListeners(e)]; },
  () => new EventEmitter().setMaxListeners(-1),
  () => new EventEmitter().setMaxListeners("x"),
  () => new EventEmitter().setMaxListeners(NaN),
  () => { EventEmitter.defaultMaxListeners = 7; const n = new EventEmitter().getMaxListeners(); EventEmitter.defaultMaxListeners = 10; return n; },
  () => { EventEmitter.defaultMaxListeners = -1; },
  () => { EventEmitter.defaultMaxListeners = "5"; },
  () => { const e = new EventEmitter(), f = new EventEmitter(); EventEmitter.setMaxListeners(4, e, f); return [e.getMaxListeners(), f.getMaxListeners()]; },
  () => { EventEmitter.setMaxListeners(12); const n = EventEmitter.defaultMaxListeners; EventEmitter.setMaxListeners(10); return n; },
  () => EventEmitter.setMaxListeners(3, {}),
  () => EventEmitter.setMaxListeners(-3),
  () => { const t = new EventTarget(); EventEmitter.setMaxListeners(3, t); return EventEmitter.getMaxListeners(t); },
  () => EventEmitter.getMaxListeners({}),
  () => EventEmitter.getMaxListeners(new EventTarget()),
  () => { const e = new EventEmitter(); const f = () => 1; e.on("x", f); return [EventEmitter.getEventListeners(e, "x")[0] === f, EventEmitter.getEventListeners(e, "y")]; },
  () => { const t = new EventTarget(); t.addEventListener("x", () => 1); t.addEventListener("x", () => 2); return EventEmitter.getEventListeners(t, "x").length; },
  () => EventEmitter.getEventListeners({}, "x"),
  () => EventEmitter.listenerCount({ listenerCount: () => 8 }, "x"),
  () => EventEmitter.listenerCount({}, "x"),
  () => EventEmitter.listenerCount(new EventTarget(), "x"),
  () => { const e = new EventEmitter(); for (let i = 0; i < 12; i++) e.on("x", () => i); return [e.listenerCount("x"), e._events.x.warned, Object.keys(e._events.x).length]; },
  // Listeners that change who listens.
  () => logged((log) => { const e = new EventEmitter(); const f = () => { log("f"); e.off("x", g); }; const g = () => log("g"); e.on("x", f).on("x", g); e.emit("x"); return e.emit("x"); }),
  () => logged((log) => { const e = new EventEmitter(); e.on("x", () => { log(1); e.on("x", () => log(2)); }); e.emit("x"); return e.listenerCount("x"); }),
  () => logged((log) => { const e = new EventEmitter(); e.on("x", () => { throw new Error("in it"); }); e.on("x", log); return caught(() => e.emit("x")); }),
  () => { const e = new EventEmitter(); const f = () => 1; e.on("x", f).on("x", f); e.off("x", f); return e.listenerCount("x"); },
  // Promises.
  async () => { const e = new EventEmitter(); setTimeout(() => e.emit("x", 1, 2), 0); return once(e, "x"); },
  async () => { const e = new EventEmitter(); setTimeout(() => e.emit("error", new Error("bad")), 0); return once(e, "x"); },
  async () => { const e = new EventEmitter(); setTimeout(() => e.emit("error", 5), 0); return once(e, "error"); },
  async () => { const t = new EventTarget(); setTimeout(() => t.dispatchEvent(new Event("x")), 0); return (await once(t, "x"))[0].type; },
  async () => { const c = new AbortController(); const e = new EventEmitter(); setTimeout(() => c.abort(), 0); return once(e, "x", { signal: c.signal }); },
  async () => once(new EventEmitter(), "x", { signal: AbortSignal.abort() }),
  async () => once(new EventEmitter(), "x", { signal: AbortSignal.abort("why") }).catch((e) => [e, e.cause]),
  async () => once(new EventEmitter(), "x", { signal: {} }),
  async () => once({}, "x"),
  async () => once(null, "x"),
  async () => { const e = new EventEmitter(); const p = once(e, "x"); const seen = [e.listenerCount("x"), e.listenerCount("error")]; e.emit("x"); await p; return [seen, e.listenerCount("x"), e.listenerCount("error")]; },
  async () => { const e = new EventEmitter(); const p = once(e, "x"); e.emit("x", 1); e.emit("x", 2); return p; },
  async () => { const e = new EventEmitter(); const seen = []; setTimeout(() => { e.emit("x", 1); e.emit("x", 2, 3); e.emit("x", 4); }, 0); for await (const one of on(e, "x")) { seen.push(one); if (seen.length === 3) break; } return [seen, e.listenerCount("x"), e.listenerCount("error")]; },
  async () => { const e = new EventEmitter(); setTimeout(() => e.emit("error", new Error("bad")), 0); for await (const one of on(e, "x")); },
  async () => { const e = new EventEmitter(); setTimeout(() => { e.emit("x", 1); e.emit("end"); }, 0); const seen = []; const all = (async () => { for await (const one of on(e, "x", { close: ["end"] })) seen.push(one); })(); await tick(); await tick(); e.emit("error", new Error("over")); return [seen, await all.catch((error) => error)]; },
  async () => { const e = new EventEmitter(); const c = new AbortController(); setTimeout(() => c.abort(), 0); for await (const one of on(e, "x", { signal: c.signal })); },
  async () => on(new EventEmitter(), "x", { signal: AbortSignal.abort() }),
  async () => on(new EventEmitter(), "x", { signal: 5 }),
  async () => on({}, "x"),
  async () => { const t = new EventTarget(); setTimeout(() => t.dispatchEvent(new Event("x")), 0); for await (const [event] of on(t, "x")) return event.type; },
  async () => { const e = new EventEmitter(); const i = on(e, "x"); e.emit("x", 1); return [await i.next(), await i.return(), await i.next(), e.listenerCount("x")]; },
  async () => { const e = new EventEmitter(); const i = on(e, "x"); const next = i.next(); const thrown = i.throw(new Error("t")); return [thrown, await Promise.race([next.catch((error) => error), tick()]), await i.next().catch((error) => error)]; },
  async () => { const i = on(new EventEmitter(), "x"); return i.throw(5); },
  async () => { const i = on(new EventEmitter(), "x"); return [i[Symbol.asyncIterator]() === i, Object.keys(i), Object.keys(Object.getPrototypeOf(i))]; },
  async () => { const e = new EventEmitter(); let paused = 0, resumed = 0; e.pause = () => paused++; e.resume = () => resumed++; const i = on(e, "x", { highWaterMark: 2, lowWaterMark: 1 }); for (let n = 0; n < 5; n++) e.emit("x", n); for (let n = 0; n < 5; n++) await i.next(); return [paused, resumed]; },
  async () => on(new EventEmitter(), "x", { highWaterMark: 0 }),
  async () => on(new EventEmitter(), "x", { lowWaterMark: "x" }),
  // What listeners that are async give.
  async () => { const e = new EventEmitter({ captureRejections: true }); const p = new Promise((resolve) => e.on("error", resolve)); e.on("x", async () => { throw new Error("late"); }); e.emit("x"); return p; },
  async () => { const e = new EventEmitter({ captureRejections: true }); const p = new Promise((resolve) => { e[EventEmitter.captureRejectionSymbol] = (error, name, ...args) => resolve([error, name, args]); }); e.on("x", async () => { throw new Error("late"); }); e.emit("x", 7); return p; },
  () => new EventEmitter({ captureRejections: 5 }),
  () => { EventEmitter.captureRejections = 5; },
  () => { EventEmitter.captureRejections = true; const e = new EventEmitter(); EventEmitter.captureRejections = false; return Object.getOwnPropertySymbols(e).map((s) => e[s]); },
  // Signals.
  () => logged((log) => { const c = new AbortController(); const d = EventEmitter.addAbortListener(c.signal, (event) => log(event.type)); c.abort(); return [Object.keys(d), typeof d[Symbol.dispose]]; }),
  () => logged((log) => { const c = new AbortController(); const d = EventEmitter.addAbortListener(c.signal, log); d[Symbol.dispose](); c.abort(); return 1; }),
  async () => { let seen = 0; EventEmitter.addAbortListener(AbortSignal.abort(), () => seen++); const atOnce = seen; await tick(); return [atOnce, seen]; },
  () => EventEmitter.addAbortListener(undefined, () => 1),
  () => EventEmitter.addAbortListener({}, () => 1),
  () => EventEmitter.addAbortListener(new AbortController().signal, 5),
  // Resources.
  () => { const storage = new AsyncLocalStorage(); let seen; const e = storage.run(5, () => new EventEmitter.EventEmitterAsyncResource({ name: "R" })); e.on("x", () => { seen = storage.getStore(); }); e.emit("x"); return [seen, e.asyncResource.constructor.name, e.asyncResource.eventEmitter === e, e.asyncId, e.triggerAsyncId]; },
  () => new EventEmitter.EventEmitterAsyncResource(),
  () => { class Mine extends EventEmitter.EventEmitterAsyncResource {} return typeof new Mine().asyncResource; },
  () => new EventEmitter.EventEmitterAsyncResource("R").emitDestroy(),
  () => { const { get } = Object.getOwnPropertyDescriptor(EventEmitter.EventEmitterAsyncResource.prototype, "asyncResource"); return get.call({}); },
];

export default { fetch: () => answer(cases) };
