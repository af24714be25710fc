// What `node:diagnostics_channel` tells, and whom.
import dc, * as all from "node:diagnostics_channel";
import { AsyncLocalStorage } from "node:async_hooks";
import { answer } from "./show.js";

const tried = (run) => { try { return run(); } catch (error) { return error; } };
let number = 0;
const fresh = () => `name${number++}`;
const described = (object) => Reflect.ownKeys(object).map((key) => { const d = Object.getOwnPropertyDescriptor(object, key); return `${String(key)} ${typeof d.value} ${d.get?.name} ${d.value?.length}`; });
const tracing = () => {
  const channel = dc.tracingChannel(fresh());
  const seen = [];
  const copy = (message) => ({ ...message });
  channel.subscribe({
    start(message) { seen.push(["start", copy(message)]); }, end(message) { seen.push(["end", copy(message)]); },
    asyncStart(message) { seen.push(["asyncStart", copy(message)]); }, asyncEnd(message) { seen.push(["asyncEnd", copy(message)]); },
    error(message) { seen.push(["error", copy(message)]); },
  });
  return { channel, seen };
};

const cases = [
  () => [Object.keys(all), Object.keys(dc)],
  () => Object.keys(dc).map((key) => [key, typeof dc[key], dc[key].name, dc[key].length]),
  () => [typeof all.TracingChannel, all.TracingChannel?.name, all.TracingChannel?.length, dc.TracingChannel],
  () => [described(dc.Channel.prototype), described(all.TracingChannel.prototype)],
  () => { const c = dc.channel("a"); return [c === dc.channel("a"), c.name, Object.keys(c), c instanceof dc.Channel, String(c), c.hasSubscribers]; },
  () => { const s = Symbol("s"); return [dc.channel(s) === dc.channel(s), dc.channel(s).name]; },
  () => dc.channel(5),
  () => dc.channel(),
  () => dc.channel({}),
  () => new dc.Channel("x"),
  () => new dc.Channel(),
  () => { const seen = []; const name = fresh(); const c = dc.channel(name); const f = (...args) => seen.push(args); c.subscribe(f); c.publish({ a: 1 }); const had = c.hasSubscribers; const gone = c.unsubscribe(f); c.publish(2); return [seen.map(([m, n]) => [m, n === name]), had, gone, c.hasSubscribers, c.unsubscribe(f)]; },
  () => { const seen = []; const name = fresh(); const f = (m) => seen.push(m); dc.subscribe(name, f); dc.channel(name).publish(1); const had = dc.hasSubscribers(name); const gone = dc.unsubscribe(name, f); return [seen, had, gone, dc.hasSubscribers(name), dc.unsubscribe(name, f)]; },
  () => dc.channel(fresh()).subscribe(5),
  () => dc.subscribe(fresh(), null),
  () => dc.unsubscribe(fresh(), 5),
  () => dc.channel(fresh()).unsubscribe(5),
  () => dc.hasSubscribers(fresh()),
  () => dc.hasSubscribers(5),
  () => { const seen = []; const c = dc.channel(fresh()); const f = () => seen.push(1); c.subscribe(f); c.subscribe(f); c.publish(); c.unsubscribe(f); c.publish(); return [seen, c.hasSubscribers]; },
  () => { const seen = []; const c = dc.channel(fresh()); c.subscribe(() => seen.push(1)); c.subscribe(() => seen.push(2)); return [c.publish("x"), seen]; },
  () => { const seen = []; const c = dc.channel(fresh()); c.subscribe(() => { throw new Error("in it"); }); c.subscribe(() => seen.push(2)); return [tried(() => c.publish("x")), seen]; },
  async () => { const seen = []; const c = dc.channel(fresh()); c.subscribe(() => { seen.push(1); }); c.subscribe(() => seen.push(2)); c.publish("x"); await new Promise((r) => setTimeout(r, 1)); return seen; },
  () => { const c = dc.channel(fresh()); const s = new AsyncLocalStorage(); c.bindStore(s, (data) => ({ data })); return [c.hasSubscribers, c.runStores(5, () => s.getStore()), s.getStore(), c.unbindStore(s), c.unbindStore(s), c.runStores(5, () => s.getStore())]; },
  () => { const c = dc.channel(fresh()); const s = new AsyncLocalStorage(); c.bindStore(s); return c.runStores("v", () => s.getStore()); },
  () => { const seen = []; const c = dc.channel(fresh()); const s = new AsyncLocalStorage(); c.bindStore(s); c.subscribe((m) => seen.push([m, s.getStore()])); return [c.runStores(7, function (...args) { return [this, args]; }, "self", 1, 2), seen]; },
  () => dc.channel(fresh()).runStores(5, () => { throw new Error("in it"); }),
  () => tried(() => dc.channel(fresh()).runStores(5)),
  () => tried(() => dc.channel(fresh()).bindStore(5)),
  () => { const t = dc.tracingChannel("t"); return ["start", "end", "asyncStart", "asyncEnd", "error"].map((key) => t[key].name); },
  () => { const t = dc.tracingChannel("t"); return [Object.keys(t), t.hasSubscribers, t instanceof all.TracingChannel, dc.tracingChannel("t") === t]; },
  () => dc.tracingChannel(5),
  () => dc.tracingChannel(null),
  () => dc.tracingChannel({}),
  () => { const made = Object.fromEntries(["start", "end", "asyncStart", "asyncEnd", "error"].map((key) => [key, dc.channel(`own-${key}`)])); const t = dc.tracingChannel(made); return [t.start === made.start, t.error.name]; },
  () => tried(() => dc.tracingChannel({ start: dc.channel("x") })),
  () => tried(() => dc.tracingChannel({ start: 5 })),
  () => new all.TracingChannel(),
  () => { const { channel, seen } = tracing(); return [channel.hasSubscribers, channel.traceSync((a, b) => a + b, { k: 1 }, null, 1, 2), seen]; },
  () => { const { channel, seen } = tracing(); return [tried(() => channel.traceSync(() => { throw new Error("e"); }, { k: 1 })), seen]; },
  () => { const { channel, seen } = tracing(); return [channel.traceSync(function () { return this.x; }, undefined, { x: 6 }), seen]; },
  async () => { const { channel, seen } = tracing(); return [await channel.tracePromise(async (a) => a, { k: 1 }, null, 5), seen]; },
  async () => { const { channel, seen } = tracing(); return [await channel.tracePromise(async () => { throw new Error("e"); }, { k: 1 }).catch((e) => e), seen]; },
  async () => { const { channel, seen } = tracing(); return [tried(() => channel.tracePromise(() => { throw new Error("e"); }, { k: 1 })), seen]; },
  async () => { const { channel, seen } = tracing(); return [await channel.tracePromise(() => 5, { k: 1 }), seen]; },
  async () => { const { channel, seen } = tracing(); const got = await new Promise((resolve) => channel.traceCallback((a, done) => { setTimeout(() => done(null, a), 0); return "r"; }, -1, { k: 1 }, null, 5, (error, value) => resolve([error, value]))); return [got, seen]; },
  async () => { const { channel, seen } = tracing(); const got = await new Promise((resolve) => channel.traceCallback((done, a) => done(new Error("e")), 0, { k: 1 }, null, (error) => resolve([error]), 5)); return [got, seen]; },
  () => { const { channel, seen } = tracing(); return [tried(() => channel.traceCallback(() => { throw new Error("e"); }, -1, { k: 1 }, null, () => 1)), seen]; },
  () => tried(() => dc.tracingChannel(fresh()).traceCallback(() => 1, -1, {}, null, 5)),
  () => { const { channel } = tracing(); return tried(() => channel.traceCallback(() => 1, -1, {}, null, 5)); },
  () => { const t = dc.tracingChannel(fresh()); const h = { start() {}, end() {} }; t.subscribe(h); return [t.hasSubscribers, t.start.hasSubscribers, t.error.hasSubscribers, t.unsubscribe(h), t.unsubscribe(h), t.hasSubscribers]; },
  () => tried(() => dc.tracingChannel(fresh()).subscribe()),
  () => tried(() => dc.tracingChannel(fresh()).subscribe({ start: 5 })),
  () => { const t = dc.tracingChannel(fresh()); const s = new AsyncLocalStorage(); t.start.bindStore(s, (context) => context.k); return t.traceSync(() => s.getStore(), { k: 8 }); },
  async () => { const t = dc.tracingChannel(fresh()); const s = new AsyncLocalStorage(); t.start.bindStore(s, (context) => context.k); return t.tracePromise(async () => { await 1; return s.getStore(); }, { k: 8 }); },
];

export default { fetch: () => answer(cases) };
