// node:timers/promises.
import { AbortError, invalidArgType, validateAbortSignal, validateBoolean, validateObject } from "internal:node_errors";
import {
  clearImmediate, clearInterval, clearTimeout, setImmediate as startImmediate, setInterval as startInterval, setTimeout as startTimeout,
} from "node-internal:internal_timers";
import scripts from "native:scripts";

const { PromiseConstructor, PromiseReject, uncurryThis } = scripts.primordials;
const { scheduler: globalScheduler } = globalThis;
const waitOf = uncurryThis(globalScheduler.wait);

/** What is asked for beside the time: an error, or the signal. */
const check = (delay, options) => {
  if (delay !== undefined && typeof delay !== "number") throw invalidArgType("delay", "of type number", delay);
  validateObject(options, "options");
  const { signal, ref } = options;
  validateAbortSignal(signal, "options.signal");
  if (ref !== undefined) validateBoolean(ref, "options.ref");
  if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
  return signal;
};
/** A promise that `start` fulfils, unless the signal is aborted before. */
const promiseOf = (signal, start, clear, value) =>
  new PromiseConstructor((resolve, reject) => {
    const onAbort = () => {
      clear(timer);
      reject(new AbortError(undefined, { cause: signal.reason }));
    };
    const timer = start(() => {
      if (signal !== undefined) signal.removeEventListener("abort", onAbort);
      resolve(value);
    });
    if (signal !== undefined) signal.addEventListener("abort", onAbort, { __proto__: null, once: true });
  });

async function setTimeout(delay, value, options = {}) {
  const signal = check(delay, options);
  return promiseOf(signal, (done) => startTimeout(done, delay), clearTimeout, value);
}

async function setImmediate(value, options = {}) {
  const signal = check(undefined, options);
  return promiseOf(signal, startImmediate, clearImmediate, value);
}

async function* setInterval(delay, value, options = {}) {
  const signal = check(delay, options);
  let due = 0;
  let wake;
  let fail;
  const onAbort = () => {
    clearInterval(timer);
    fail?.(new AbortError(undefined, { cause: signal.reason }));
  };
  const timer = startInterval(() => {
    due++;
    wake?.();
  }, delay);
  if (signal !== undefined) signal.addEventListener("abort", onAbort, { __proto__: null, once: true });
  try {
    while (!signal?.aborted) {
      if (due === 0) {
        await new PromiseConstructor((resolve, reject) => {
          wake = resolve;
          fail = reject;
        });
        wake = fail = undefined;
      }
      for (; due > 0; due--) yield value;
    }
    throw new AbortError(undefined, { cause: signal?.reason });
  } finally {
    clearInterval(timer);
    if (signal !== undefined) signal.removeEventListener("abort", onAbort);
  }
}

const kScheduler = Symbol("kScheduler");
class Scheduler {
  [kScheduler] = true;

  async yield() {
    if (!this[kScheduler]) return PromiseReject(invalidArgType("this", "an instance of Scheduler", this));
    return setImmediate();
  }

  async wait(delay, options) {
    if (!this[kScheduler]) return PromiseReject(invalidArgType("this", "an instance of Scheduler", this));
    return waitOf(globalScheduler, delay, options);
  }
}
const scheduler = new Scheduler();

export { scheduler, setImmediate, setInterval, setTimeout };
export default { setTimeout, setImmediate, setInterval, scheduler };
