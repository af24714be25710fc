// What Readable of node:stream has of the helpers of iterators.
import { AbortError, invalidArgType, outOfRange, validateAbortSignal, validateInteger, validateObject } from "internal:node_errors";
import { missing } from "internal:stream_base";
import { finished } from "internal:stream_ends";
import { fromIterable } from "internal:stream_from";
import { Readable } from "internal:stream_readable";
import scripts from "native:scripts";

const { PromiseConstructor, ReflectApply, defineProperty } = scripts.primordials;
const { AbortController, AbortSignal } = globalThis;
const { MAX_SAFE_INTEGER } = Number;
const NumberConvert = Number;
const { floor } = Math;

const checkFunction = (fn) => {
  if (typeof fn !== "function") throw invalidArgType("fn", "of type function or an instance of AsyncFunction", fn);
};
const checkOptions = (options) => {
  if (options !== undefined && options !== null) validateObject(options, "options");
  validateAbortSignal(options?.signal, "options.signal");
};
const checkAborted = (options) => {
  if (options?.signal?.aborted) throw new AbortError(undefined, { cause: options.signal.reason });
};

/** What the function makes of each chunk, of several at a time, in their order. */
const mapped = async function* (stream, fn, options) {
  const concurrency = options?.concurrency === undefined ? 1 : floor(options.concurrency);
  const limit = (options?.highWaterMark === undefined ? concurrency - 1 : floor(options.highWaterMark)) + concurrency;
  const controller = new AbortController();
  const outer = options?.signal;
  const signal = outer ? AbortSignal.any([outer, controller.signal]) : controller.signal;
  const queue = [];
  let taken = 0;
  let isOver = false;
  let running = 0;
  let wakeReader = null;
  let wakeWriter = null;
  const wake = () => {
    if (wakeWriter && !isOver && running < concurrency && queue.length - taken < limit) {
      const run = wakeWriter;
      wakeWriter = null;
      run();
    }
  };
  const ended = () => {
    running--;
    wake();
  };
  const fail = () => {
    isOver = true;
    ended();
  };
  const fill = async () => {
    try {
      for await (const chunk of stream) {
        if (isOver) return;
        if (signal.aborted) throw new AbortError();
        let value;
        try {
          value = fn(chunk, { signal });
          if (value === SKIPPED) continue;
          value = (async (given) => given)(value);
        } catch (error) {
          value = (async () => { throw error; })();
        }
        running++;
        value.then(ended, fail);
        queue[queue.length] = { value };
        if (wakeReader) {
          const run = wakeReader;
          wakeReader = null;
          run();
        }
        if (!isOver && (queue.length - taken >= limit || running >= concurrency)) {
          await new PromiseConstructor((resolve) => {
            wakeWriter = resolve;
          });
        }
      }
      queue[queue.length] = { isEnd: true };
    } catch (error) {
      const value = (async () => { throw error; })();
      value.then(ended, fail);
      queue[queue.length] = { value };
    } finally {
      isOver = true;
      if (wakeReader) {
        const run = wakeReader;
        wakeReader = null;
        run();
      }
    }
  };
  fill();
  try {
    for (;;) {
      while (taken < queue.length) {
        const { value: promise, isEnd } = queue[taken];
        if (isEnd) return;
        const value = await promise;
        if (signal.aborted) throw new AbortError();
        if (value !== SKIPPED) yield value;
        queue[taken++] = undefined;
        wake();
      }
      await new PromiseConstructor((resolve) => {
        wakeReader = resolve;
      });
    }
  } finally {
    controller.abort();
    isOver = true;
    if (wakeWriter) {
      const run = wakeWriter;
      wakeWriter = null;
      run();
    }
  }
};
const SKIPPED = Symbol("skipped");

const map = (stream, fn, options) => {
  checkFunction(fn);
  checkOptions(options);
  if (options?.concurrency !== undefined) validateInteger(floor(options.concurrency), "concurrency", 1, MAX_SAFE_INTEGER);
  if (options?.highWaterMark !== undefined) validateInteger(floor(options.highWaterMark), "highWaterMark", 0, MAX_SAFE_INTEGER);
  return mapped(stream, fn, options);
};
const filter = (stream, fn, options) => {
  checkFunction(fn);
  return map(stream, async (value, given) => ((await fn(value, given)) ? value : SKIPPED), options);
};
const countOf = (value) => {
  const number = NumberConvert(value);
  if (number !== number) return 0;
  if (number < 0) throw outOfRange("number", ">= 0", number);
  return number;
};

const streams = {
  map(fn, options) {
    return map(this, fn, options);
  },
  asIndexedPairs(options = undefined) {
    checkOptions(options);
    const stream = this;
    return (async function* () {
      let index = 0;
      for await (const value of stream) {
        checkAborted(options);
        yield [index++, value];
      }
    })();
  },
  drop(number, options = undefined) {
    checkOptions(options);
    let rest = countOf(number);
    const stream = this;
    return (async function* () {
      checkAborted(options);
      for await (const value of stream) {
        checkAborted(options);
        if (rest-- <= 0) yield value;
      }
    })();
  },
  filter(fn, options) {
    return filter(this, fn, options);
  },
  flatMap(fn, options) {
    const values = map(this, fn, options);
    return (async function* () {
      for await (const value of values) yield* value;
    })();
  },
  take(number, options = undefined) {
    checkOptions(options);
    let rest = countOf(number);
    const stream = this;
    return (async function* () {
      checkAborted(options);
      for await (const value of stream) {
        checkAborted(options);
        if (rest-- > 0) yield value;
        if (rest <= 0) return;
      }
    })();
  },
};

const values = {
  async every(fn, options = undefined) {
    checkFunction(fn);
    return !(await ReflectApply(values.some, this, [async (...args) => !(await fn(...args)), options]));
  },
  async forEach(fn, options) {
    checkFunction(fn);
    const run = async (value, given) => {
      await fn(value, given);
      return SKIPPED;
    };
    for await (const unused of map(this, run, options));
  },
  async reduce(reducer, initialValue, options) {
    if (typeof reducer !== "function") throw invalidArgType("reducer", "of type function or an instance of AsyncFunction", reducer);
    checkOptions(options);
    let hasValue = arguments.length > 1;
    let value = initialValue;
    if (options?.signal?.aborted) {
      const error = new AbortError(undefined, { cause: options.signal.reason });
      this.once("error", () => {});
      await new PromiseConstructor((resolve) => finished(this.destroy(error), resolve));
      throw error;
    }
    const controller = new AbortController();
    const { signal } = controller;
    const onAbort = () => controller.abort();
    if (options?.signal) options.signal.addEventListener("abort", onAbort, { __proto__: null, once: true });
    let isEmpty = true;
    try {
      for await (const chunk of this) {
        isEmpty = false;
        checkAborted(options);
        if (!hasValue) {
          value = chunk;
          hasValue = true;
        } else value = await reducer(value, chunk, { signal });
      }
      if (isEmpty && !hasValue) throw missing("Reduce of an empty stream requires an initial value");
    } finally {
      controller.abort();
      if (options?.signal) options.signal.removeEventListener("abort", onAbort);
    }
    return value;
  },
  async toArray(options) {
    checkOptions(options);
    const list = [];
    for await (const value of this) {
      checkAborted(options);
      list[list.length] = value;
    }
    return list;
  },
  async some(fn, options = undefined) {
    for await (const unused of filter(this, fn, options)) return true;
    return false;
  },
  async find(fn, options) {
    for await (const value of filter(this, fn, options)) return value;
    return undefined;
  },
};

export const operators = {};
for (const name in streams) {
  const make = streams[name];
  operators[name] = (() => function (first, options) {
    return fromIterable(Readable, ReflectApply(make, this, [first, options]));
  })();
}
defineProperty(values.every, "length", { __proto__: null, value: 2, configurable: true });
defineProperty(values.some, "length", { __proto__: null, value: 2, configurable: true });
for (const name in values) operators[name] = values[name];
