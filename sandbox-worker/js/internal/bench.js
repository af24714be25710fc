// Benchmarks: what a `bench()` of the worker registers, and how it is timed. Native code asks for a run of them, and gets a report.
import { cpu, wall } from "native:bench";
import scripts from "native:scripts";

const { defineProperty, isObject } = scripts.primordials;
const BaseError = Error;
const BaseTypeError = TypeError;
const BaseRangeError = RangeError;
const BaseString = String;
const { isInteger } = Number;
const { ceil, log2, max, round } = Math;
const stringify = JSON.stringify;

const MS = 1e6;
const UNITS = { __proto__: null, ns: 1, us: 1e3, ms: MS, s: 1e9 };
/** Without `--quick`, and with it: nanoseconds for all samples, and before them, and how many samples. */
const FULL = { __proto__: null, minTime: 1000 * MS, warmup: 250 * MS, samples: 50 };
const QUICK = { __proto__: null, minTime: 25 * MS, warmup: 5 * MS, samples: 5 };
const MOST_SAMPLES = 1_000_000;
const MOST_CALLS = 2 ** 40;

/** A time in nanoseconds: a number of milliseconds, or a text with a unit. */
const toTime = (value, name) => {
  let time = value;
  if (typeof value === "string") {
    const parts = /^([0-9]*\.?[0-9]+)(.*)$/s.exec(value);
    if (parts !== null) {
      const unit = parts[2] === "" ? "ms" : parts[2];
      if (UNITS[unit] === undefined) {
        throw new BaseTypeError(`${name} has an unknown unit "${unit}"; use "ns", "us", "ms", or "s".`);
      }
      return +parts[1] * UNITS[unit];
    }
    time = undefined;
  }
  if (typeof time !== "number" || time !== time) {
    throw new BaseTypeError(`${name} must be a number of milliseconds or a string like "500ms" or "2s".`);
  }
  if (time < 0 || time === Infinity) throw new BaseRangeError(`${name} must be a non-negative duration.`);
  return time * MS;
};

const toCount = (value, name, most) => {
  if (!isInteger(value) || value < 1 || value > most) {
    throw new BaseRangeError(`${name} must be an integer from 1 to ${most}.`);
  }
  return value;
};

const wrongType = (method, parameter, type) =>
  new BaseTypeError(`Failed to execute '${method}' on 'BenchController': parameter ${parameter} is not of type '${type}'.`);

class BenchController {
  #cases = [];
  #names = { __proto__: null };
  #isOpen = true;
  #options;
  #defaults;
  constructor(filter, isQuick) {
    this.#options = { filter, quick: isQuick };
    this.#defaults = isQuick ? QUICK : FULL;
  }
  run(name, callback, options = undefined) {
    const text = `${name}`;
    if (typeof callback !== "function") throw wrongType("run", 2, "Function");
    if (options !== undefined && options !== null && !isObject(options)) throw wrongType("run", 3, "BenchCaseOptions");
    if (!this.#isOpen) {
      throw new BaseError("BenchController.run() must be called by bench(), before it returns or its promise resolves.");
    }
    if (this.#names[text]) throw new BaseError(`A case named "${text}" is already registered.`);
    const { minTime, warmup, samples, batch, setup, teardown, skip } = options ?? {};
    for (const hook of [setup, teardown]) {
      if (hook !== undefined && typeof hook !== "function") throw wrongType("run", 3, "BenchCaseOptions");
    }
    const defaults = this.#defaults;
    const added = {
      __proto__: null,
      name: text,
      callback,
      options,
      minTime: minTime === undefined ? defaults.minTime : toTime(minTime, "minTime"),
      warmup: warmup === undefined ? defaults.warmup : toTime(warmup, "warmup"),
      samples: samples === undefined ? defaults.samples : toCount(samples, "samples", MOST_SAMPLES),
      batch: batch === undefined ? undefined : toCount(batch, "batch", MOST_CALLS),
      setup,
      teardown,
      isSkipped: !!skip,
    };
    this.#names[text] = true;
    this.#cases[this.#cases.length] = added;
  }
  /** Gives what it is given. Nothing that leads to it can be left out by the compiler. */
  blackBox(value) {
    if (arguments.length === 0) throw wrongType("blackBox", 1, "Value");
    sink = value;
    return value;
  }
  get options() {
    return this.#options;
  }
  static casesOf(controller) {
    controller.#isOpen = false;
    return controller.#cases;
  }
}
let sink;
const { casesOf } = BenchController;
delete BenchController.casesOf;
defineProperty(BenchController.prototype, Symbol.toStringTag, { __proto__: null, value: "BenchController", configurable: true });

const isThenable = (value) => isObject(value) && typeof value.then === "function";

/** The nanoseconds, of a clock and of this thread's work, that a number of calls takes. */
const timeSync = (callback, calls, hasState, state) => {
  const work = cpu();
  const begun = wall();
  if (hasState) for (let index = 0; index < calls; index++) callback(state);
  else for (let index = 0; index < calls; index++) callback();
  return { __proto__: null, wall: wall() - begun, cpu: cpu() - work };
};
const timeAsync = async (callback, calls, hasState, state) => {
  const work = cpu();
  const begun = wall();
  if (hasState) for (let index = 0; index < calls; index++) await callback(state);
  else for (let index = 0; index < calls; index++) await callback();
  return { __proto__: null, wall: wall() - begun, cpu: cpu() - work };
};

/** One sample, with what the case has around it. */
const timeBatch = async (one, calls, isAsync) => {
  const { setup, teardown, options, callback } = one;
  const hasState = setup !== undefined;
  const state = hasState ? await setup.call(options) : undefined;
  try {
    return isAsync ? await timeAsync(callback, calls, hasState, state) : timeSync(callback, calls, hasState, state);
  } finally {
    if (teardown !== undefined) await (hasState ? teardown.call(options, state) : teardown.call(options));
  }
};

/** What a call costs beside what it is of; nanoseconds. */
const measureOverhead = async (controller, isQuick) => {
  const calls = isQuick ? 1 << 14 : 1 << 17;
  const least = async (measure, count) => {
    let best;
    for (let round = 0; round < 5; round++) {
      const { wall, cpu } = await measure(count);
      if (best === undefined || wall < best.wall) best = { __proto__: null, wall, cpu };
    }
    return { __proto__: null, wall: best.wall / count, cpu: best.cpu / count };
  };
  const sync = await least((count) => timeSync(() => {}, count, false), calls);
  const asynchronous = await least((count) => timeAsync(async () => {}, count, false), calls / 16);
  const boxed = await least((count) => timeSync(() => controller.blackBox(1), count, false), calls);
  return {
    syncNs: sync.wall,
    syncCpuNs: sync.cpu,
    asyncNs: asynchronous.wall,
    asyncCpuNs: asynchronous.cpu,
    blackBoxNs: max(0, boxed.wall - sync.wall),
  };
};

const describe = (error) => (error instanceof BaseError && typeof error.stack === "string" ? error.stack : BaseString(error));

const rounded = (nanoseconds) => round(nanoseconds * 1000) / 1000;

const runCase = async (one, overhead) => {
  const { name, setup, teardown, options, callback } = one;
  // The first call says whether there is something to wait for.
  const state = setup === undefined ? undefined : await setup.call(options);
  const begun = wall();
  const first = setup === undefined ? callback() : callback(state);
  const isAsync = isThenable(first);
  if (isAsync) await first;
  let each = max(1, wall() - begun);
  if (teardown !== undefined) await (setup === undefined ? teardown.call(options) : teardown.call(options, state));
  const own = isAsync ? overhead.asyncNs : overhead.syncNs;
  const ownCpu = isAsync ? overhead.asyncCpuNs : overhead.syncCpuNs;
  // Batches that double, until they take long enough to be timed, and the warm-up is over.
  const target = one.minTime / one.samples;
  let calls = one.batch ?? 1;
  for (let spent = 0; spent < one.warmup || (one.batch === undefined && each * calls < target && calls < MOST_CALLS); ) {
    const { wall: taken } = await timeBatch(one, calls, isAsync);
    spent += max(1, taken);
    each = max(1, taken) / calls;
    if (one.batch === undefined && each * calls < target) calls *= 2;
  }
  if (one.batch === undefined) calls = max(1, 2 ** ceil(log2(target / each)));
  const samples = { __proto__: null, wall: [], cpu: [] };
  for (let index = 0; index < one.samples; index++) {
    const taken = await timeBatch(one, calls, isAsync);
    samples.wall[index] = rounded(max(0, taken.wall / calls - own));
    samples.cpu[index] = rounded(max(0, taken.cpu / calls - ownCpu));
  }
  return { name, status: "ok", isAsync, calls, wall: samples.wall, cpu: samples.cpu };
};

/** Has `method`, which is a `bench()`, register its cases, and times those that are asked for. Gives the report as JSON. */
export const run = async (method, receiver, asked, ...rest) => {
  const { quick: isQuick, filter, pattern } = asked;
  const controller = new BenchController(filter, isQuick);
  try {
    await method.call(receiver, controller, ...rest);
  } catch (error) {
    return stringify({ error: describe(error), cases: [] });
  }
  const registered = casesOf(controller);
  if (registered.length === 0) return stringify({ error: "bench() did not register any cases.", cases: [] });
  const chosen = new RegExp(pattern, "us");
  const overhead = await measureOverhead(controller, isQuick);
  const cases = [];
  for (const one of registered) {
    if (!chosen.test(one.name)) continue;
    if (one.isSkipped) {
      cases[cases.length] = { name: one.name, status: "skipped" };
      continue;
    }
    try {
      cases[cases.length] = await runCase(one, overhead);
    } catch (error) {
      cases[cases.length] = { name: one.name, status: "failed", error: describe(error) };
    }
  }
  return stringify({ overhead, cases });
};
