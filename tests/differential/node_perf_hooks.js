// `node:perf_hooks`, and the classes of the Performance Timeline that come with it.
import hooks, * as all from "node:perf_hooks";
import { answer } from "./show.js";

const tried = (run) => { try { return run(); } catch (error) { return error; } };
const row = (name, run) => ({ name, run });
// Getters are not asked.
const named = (key) => typeof key === "string" || key.description.startsWith("Symbol.");
const described = (object) => Reflect.ownKeys(object).filter((key) => named(key) && key !== "caller" && key !== "arguments" && key !== "prototype").map((key) => { const d = Object.getOwnPropertyDescriptor(object, key); return `${String(key)} ${typeof d.value} ${typeof d.value === "function" ? `${d.value.name} ${d.value.length}` : ""} ${!!d.get} ${!!d.set} ${[d.writable, d.enumerable, d.configurable].map(Number)}`; }).sort();
const entry = (e) => [e.constructor.name, e.name, e.entryType, e.duration, e.detail, String(e)];
const classes = ["Performance", "PerformanceEntry", "PerformanceMark", "PerformanceMeasure", "PerformanceObserver", "PerformanceObserverEntryList", "PerformanceResourceTiming"];
const p = performance;
const clean = (run) => { p.clearMarks(); p.clearMeasures(); try { return run(); } finally { p.clearMarks(); p.clearMeasures(); } };

const cases = [
  () => [Object.keys(all), Object.keys(hooks), hooks.performance === performance, p === performance],
  () => Object.keys(hooks).map((key) => [key, typeof hooks[key], hooks[key].name, hooks[key].length]),
  () => hooks.constants,
  ...classes.flatMap((name) => [
    row(`class ${name}`, () => [hooks[name] === globalThis[name], described(globalThis[name]), described(globalThis[name].prototype), Object.getPrototypeOf(globalThis[name].prototype).constructor.name, Object.hasOwn(globalThis, name)]),
    row(`new ${name}()`, () => tried(() => { new globalThis[name](); return "made"; })),
  ]),
  () => [typeof p.timeOrigin, typeof p.now(), p instanceof EventTarget, p instanceof Performance, String(p), Object.keys(p.toJSON())],
  () => tried(() => Performance.prototype.now.call({})),
  () => clean(() => [entry(p.mark("a")), p.mark("b", { startTime: 5 }).startTime, entry(p.mark("c", { detail: { x: 1 } }))]),
  () => clean(() => { const detail = { x: 1 }; return p.mark("c", { detail }).detail === detail; }),
  () => clean(() => JSON.stringify(p.mark("a", { startTime: 5, detail: [1] }))),
  () => clean(() => JSON.stringify(p.measure("a", { start: 1, end: 4, detail: "d" }))),
  () => tried(() => p.mark()),
  () => tried(() => p.mark("a", { startTime: -1 })),
  () => tried(() => p.mark("a", 5)),
  () => clean(() => entry(p.mark(5))),
  () => clean(() => { const m = p.measure("m", { start: 1, end: 4 }); return [entry(m), m.startTime]; }),
  () => clean(() => { const m = p.measure("m", { start: 1, duration: 4 }); return [m.startTime, m.duration]; }),
  () => clean(() => { const m = p.measure("m", { end: 5, duration: 4 }); return [m.startTime, m.duration]; }),
  () => clean(() => { p.mark("a", { startTime: 2 }); p.mark("b", { startTime: 7 }); const m = p.measure("m", "a", "b"); return [m.startTime, m.duration]; }),
  () => clean(() => { p.mark("a", { startTime: 2 }); p.mark("b", { startTime: 7 }); const m = p.measure("m", { start: "a", end: "b" }); return [m.startTime, m.duration]; }),
  () => clean(() => { const m = p.measure("m"); return [m.startTime, m.duration >= 0]; }),
  () => clean(() => { p.mark("a", { startTime: 2 }); const m = p.measure("m", "a"); return [m.startTime, m.duration > 0]; }),
  () => clean(() => { const m = p.measure("m", "nope"); return [m.startTime, m.duration >= 0]; }),
  () => clean(() => { const m = tried(() => p.measure("m", {})); return m instanceof Error ? m : [m.startTime, m.duration >= 0]; }),
  () => tried(() => p.measure()),
  () => clean(() => { p.mark("b", { startTime: 2 }); p.mark("a", { startTime: 1 }); p.measure("m", { start: 0, end: 1 }); return [p.getEntries().map((e) => e.name), p.getEntriesByName("a").map((e) => e.name), p.getEntriesByName("a", "measure").length, p.getEntriesByType("mark").map((e) => e.name), p.getEntriesByType("nope").length]; }),
  () => clean(() => { p.mark("a"); p.mark("b"); p.mark("a"); p.clearMarks("a"); return p.getEntries().map((e) => e.name); }),
  () => clean(() => { p.measure("b", { start: 0, end: 1 }); p.mark("a"); p.clearMeasures("b"); return p.getEntries().map((e) => e.entryType); }),
  () => clean(() => [p.clearMarks(), p.clearMeasures("x"), p.clearResourceTimings(), p.setResourceTimingBufferSize(5), p.markResourceTiming()]),
  () => [p.eventCounts.constructor.name, p.eventCounts.size, [...p.eventCounts], String(p.eventCounts)],
  () => [JSON.stringify(p.nodeTiming), p.nodeTiming.constructor.name],
  () => [p.eventLoopUtilization(), hooks.eventLoopUtilization()],
  () => { const f = (a) => a + 1; const t = p.timerify(f); return [t(1), t === f, hooks.timerify(f)(2)]; },
  () => tried(() => p.timerify(5)),
  () => tried(() => hooks.timerify(5)),
  () => [tried(() => hooks.createHistogram()), tried(() => hooks.monitorEventLoopDelay())],
  () => PerformanceObserver.supportedEntryTypes,
  () => tried(() => new PerformanceObserver(5)),
  () => { const o = new PerformanceObserver(() => 1); return [o.observe({ entryTypes: ["mark"] }), o.takeRecords(), o.disconnect()]; },
  () => tried(() => new PerformanceObserver(() => 1).observe()),
  () => tried(() => new PerformanceObserver(() => 1).observe({})),
  async () => { let seen = 0; const o = new PerformanceObserver(() => seen++); o.observe({ type: "mark" }); p.mark("seen"); await new Promise((r) => setTimeout(r, 2)); o.disconnect(); p.clearMarks(); return seen; },
  () => clean(() => { const m = new PerformanceMark("own", { startTime: 3, detail: 1 }); return [entry(m), m.startTime, p.getEntries().length]; }),
  () => tried(() => new PerformanceMark()),
];

export default { fetch: () => answer(cases) };
