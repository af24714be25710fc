// The Performance Timeline (User Timing), as `performance` has it since `enable_global_performance_classes`. As in the reference there
// are no resources on it, and observers are told of nothing.
import { now, timeOrigin } from "native:clock";
import scripts from "native:scripts";

const {
  constructorNotOfType, defineProperty, fieldNotOfType, illegalConstructor, illegalInvocation, isObject, notOfType, shape, toDOMString,
} = scripts.primordials;
const { EventTarget } = globalThis;

/** Given by those who may make what scripts may not. */
const key = {};

class PerformanceEntry {
  #name;
  #entryType;
  #startTime;
  #duration;

  constructor(given, name, entryType, startTime, duration) {
    if (given !== key) throw illegalConstructor();
    this.#name = name;
    this.#entryType = entryType;
    this.#startTime = startTime;
    this.#duration = duration;
  }

  static #check(value) {
    if (!isObject(value) || !(#name in value)) throw illegalInvocation();
  }

  get name() {
    PerformanceEntry.#check(this);
    return this.#name;
  }

  get entryType() {
    PerformanceEntry.#check(this);
    return this.#entryType;
  }

  get startTime() {
    PerformanceEntry.#check(this);
    return this.#startTime;
  }

  get duration() {
    PerformanceEntry.#check(this);
    return this.#duration;
  }

  toJSON() {
    PerformanceEntry.#check(this);
    return { name: this.#name, entryType: this.#entryType, startTime: this.#startTime, duration: this.#duration };
  }
}

const detailOf = ({ detail }) => {
  if (detail === undefined || detail === null) return null;
  if (!isObject(detail)) throw fieldNotOfType("detail", "Options", "Object");
  return detail;
};

class PerformanceMark extends PerformanceEntry {
  #detail;

  constructor(name, options = undefined) {
    if (arguments.length === 0) throw constructorNotOfType("PerformanceMark", 1, "string");
    const text = toDOMString(name);
    if (options !== undefined && options !== null && !isObject(options)) throw constructorNotOfType("PerformanceMark", 2, "Options");
    const asked = options ?? {};
    super(key, text, "mark", asked.startTime === undefined ? now() : +asked.startTime, 0);
    this.#detail = detailOf(asked);
  }

  get detail() {
    if (!isObject(this) || !(#detail in this)) throw illegalInvocation();
    return this.#detail;
  }

  toJSON() {
    if (!isObject(this) || !(#detail in this)) throw illegalInvocation();
    return { ...super.toJSON(), detail: this.#detail };
  }
}

class PerformanceMeasure extends PerformanceEntry {
  #detail;

  constructor(given, name, startTime, duration, detail) {
    if (given !== key) throw illegalConstructor();
    super(key, name, "measure", startTime, duration);
    this.#detail = detail;
  }

  get detail() {
    if (!isObject(this) || !(#detail in this)) throw illegalInvocation();
    return this.#detail;
  }

  toJSON() {
    if (!isObject(this) || !(#detail in this)) throw illegalInvocation();
    return { ...super.toJSON(), detail: this.#detail };
  }
}

/** There is none: nothing is noted of what is fetched. */
class PerformanceResourceTiming extends PerformanceEntry {
  constructor() {
    super(undefined);
  }

  get connectEnd() {
    throw illegalInvocation();
  }

  get connectStart() {
    throw illegalInvocation();
  }

  get decodedBodySize() {
    throw illegalInvocation();
  }

  get domainLookupEnd() {
    throw illegalInvocation();
  }

  get domainLookupStart() {
    throw illegalInvocation();
  }

  get encodedBodySize() {
    throw illegalInvocation();
  }

  get fetchStart() {
    throw illegalInvocation();
  }

  get initiatorType() {
    throw illegalInvocation();
  }

  get nextHopProtocol() {
    throw illegalInvocation();
  }

  get redirectEnd() {
    throw illegalInvocation();
  }

  get redirectStart() {
    throw illegalInvocation();
  }

  get requestStart() {
    throw illegalInvocation();
  }

  get responseEnd() {
    throw illegalInvocation();
  }

  get responseStart() {
    throw illegalInvocation();
  }

  get responseStatus() {
    throw illegalInvocation();
  }

  get secureConnectionStart() {
    throw illegalInvocation();
  }

  get transferSize() {
    throw illegalInvocation();
  }

  get workerStart() {
    throw illegalInvocation();
  }
}

class PerformanceObserverEntryList {
  constructor() {
    throw illegalConstructor();
  }

  getEntries() {
    throw illegalInvocation();
  }

  getEntriesByType() {
    throw illegalInvocation();
  }

  getEntriesByName() {
    throw illegalInvocation();
  }
}

class PerformanceObserver {
  #isOne = true;

  constructor(callback) {
    if (arguments.length === 0) throw constructorNotOfType("PerformanceObserver", 1, "Value");
  }

  static #check(value) {
    if (!isObject(value) || !(#isOne in value)) throw illegalInvocation();
  }

  disconnect() {
    PerformanceObserver.#check(this);
  }

  observe() {
    PerformanceObserver.#check(this);
  }

  takeRecords() {
    PerformanceObserver.#check(this);
    return [];
  }
}
defineProperty(PerformanceObserver, "supportedEntryTypes", { __proto__: null, value: ["measure", "mark"], enumerable: true, configurable: true });

class EventCounts {
  constructor(given) {
    if (given !== key) throw illegalConstructor();
  }

  get size() {
    return 0;
  }

  get() {
    return undefined;
  }

  has() {
    return false;
  }

  *entries() {}

  *keys() {}

  *values() {}

  forEach() {}

  *[Symbol.iterator]() {}
}

class PerformanceNodeTiming extends PerformanceEntry {
  constructor() {
    super(key, "node", "node", 0, 0);
  }

  toJSON() {
    return {
      ...super.toJSON(), nodeStart: 0, v8Start: 0, bootstrapComplete: 0, environment: 0, loopStart: 0, loopExit: 0, idleTime: 0,
      uvMetricsInfo: { loopCount: 0, events: 0, eventsWaiting: 0 },
    };
  }
}

class Performance extends EventTarget {
  #entries = [];
  #eventCounts = new EventCounts(key);
  #nodeTiming = new PerformanceNodeTiming();

  constructor(given) {
    if (given !== key) throw illegalConstructor();
    super();
  }

  static #check(value) {
    if (!isObject(value) || !(#entries in value)) throw illegalInvocation();
  }

  get timeOrigin() {
    Performance.#check(this);
    return timeOrigin();
  }

  now() {
    Performance.#check(this);
    return now();
  }

  get eventCounts() {
    Performance.#check(this);
    return this.#eventCounts;
  }

  clearMarks(name = undefined) {
    Performance.#check(this);
    this.#clear("mark", name);
  }

  clearMeasures(name = undefined) {
    Performance.#check(this);
    this.#clear("measure", name);
  }

  clearResourceTimings() {
    Performance.#check(this);
  }

  getEntries() {
    Performance.#check(this);
    return this.#find(() => true);
  }

  getEntriesByName(name = undefined, type = undefined) {
    Performance.#check(this);
    if (arguments.length === 0) throw notOfType("getEntriesByName", "Performance", 1, "string");
    const text = toDOMString(name);
    return this.#find((entry) => entry.name === text && (type === undefined || entry.entryType === type));
  }

  getEntriesByType(type = undefined) {
    Performance.#check(this);
    if (arguments.length === 0) throw notOfType("getEntriesByType", "Performance", 1, "string");
    const text = toDOMString(type);
    return this.#find((entry) => entry.entryType === text);
  }

  mark(name = undefined, options = undefined) {
    Performance.#check(this);
    if (arguments.length === 0) throw notOfType("mark", "Performance", 1, "string");
    if (options !== undefined && options !== null && !isObject(options)) throw notOfType("mark", "Performance", 2, "Options");
    const mark = new PerformanceMark(name, options);
    this.#entries[this.#entries.length] = mark;
    return mark;
  }

  measure(name = undefined, startOrOptions = undefined, end = undefined) {
    Performance.#check(this);
    if (arguments.length === 0) throw notOfType("measure", "Performance", 1, "string");
    const text = toDOMString(name);
    let from = 0;
    let to;
    let detail = null;
    if (isObject(startOrOptions)) {
      const options = startOrOptions;
      detail = detailOf(options);
      from = options.start === undefined ? 0 : +options.start;
      to = options.end === undefined ? undefined : +options.end;
      if (to === undefined && options.duration !== undefined) to = from + +options.duration;
    } else {
      from = startOrOptions === undefined ? 0 : this.#timeOf(toDOMString(startOrOptions), 0);
      to = end === undefined ? undefined : this.#timeOf(toDOMString(end), undefined);
    }
    const duration = (to ?? now()) - from;
    const measure = new PerformanceMeasure(key, text, from, duration === duration ? duration : 0, detail);
    this.#entries[this.#entries.length] = measure;
    return measure;
  }

  setResourceTimingBufferSize() {
    Performance.#check(this);
  }

  toJSON() {
    Performance.#check(this);
    return { timeOrigin: timeOrigin() };
  }

  get nodeTiming() {
    Performance.#check(this);
    return this.#nodeTiming;
  }

  eventLoopUtilization() {
    Performance.#check(this);
    return { idle: 0, active: 0, utilization: 0 };
  }

  markResourceTiming() {
    Performance.#check(this);
  }

  timerify(fn = undefined) {
    Performance.#check(this);
    if (typeof fn !== "function") throw notOfType("timerify", "Performance", 1, "function");
    return fn;
  }

  #find(test) {
    const found = [];
    for (let i = 0; i < this.#entries.length; i++) if (test(this.#entries[i])) found[found.length] = this.#entries[i];
    return found;
  }

  #clear(type, name) {
    const text = name === undefined ? undefined : toDOMString(name);
    this.#entries = this.#find((entry) => entry.entryType !== type || (text !== undefined && entry.name !== text));
  }

  /** When the last mark of a name was. */
  #timeOf(name, missing) {
    for (let i = this.#entries.length - 1; i >= 0; i--) {
      const entry = this.#entries[i];
      if (entry.entryType === "mark" && entry.name === name) return entry.startTime;
    }
    return missing;
  }
}

shape(Performance, "Performance");
shape(PerformanceEntry, "PerformanceEntry");
shape(PerformanceMark, "PerformanceMark");
shape(PerformanceMeasure, "PerformanceMeasure");
shape(PerformanceObserver, "PerformanceObserver");
shape(PerformanceObserverEntryList, "PerformanceObserverEntryList");
shape(PerformanceResourceTiming, "PerformanceResourceTiming");
shape(EventCounts, "EventCounts");
shape(PerformanceNodeTiming, "PerformanceNodeTiming");

export const performance = new Performance(key);
export {
  Performance, PerformanceEntry, PerformanceMark, PerformanceMeasure, PerformanceObserver, PerformanceObserverEntryList,
  PerformanceResourceTiming,
};
