// Queuing strategies (Streams Standard section 7), and what a script gives for one.
(function (internal) {
  "use strict";
  const { brand, isObject, constructorNotOfType, shape } = internal.primordials;
  const { method, dictionary } = internal.streams;
  const NumberConstructor = Number;
  const TypeErrorConstructor = TypeError;
  const RangeErrorConstructor = RangeError;

  const convertStrategy = (strategy, className, index) => {
    const converted = { __proto__: null, highWaterMark: undefined, size: undefined };
    strategy = dictionary(strategy, () => constructorNotOfType(className, index, "QueuingStrategy"));
    if (strategy !== undefined) {
      const { highWaterMark } = strategy;
      if (highWaterMark !== undefined) converted.highWaterMark = NumberConstructor(highWaterMark);
      converted.size = method(strategy, "size", "QueuingStrategy");
    }
    return converted;
  };
  const extractHighWaterMark = (strategy, fallback) => {
    const { highWaterMark } = strategy;
    if (highWaterMark === undefined) return fallback;
    // The reference takes an integer; fractions and Infinity are the standard's.
    if (highWaterMark !== highWaterMark) {
      throw new TypeErrorConstructor("The value cannot be converted because it is not an integer.");
    }
    if (highWaterMark < 0) {
      throw new TypeErrorConstructor(
        "The value cannot be converted because it is negative and this API expects a positive bigint.",
      );
    }
    return highWaterMark;
  };
  const sizeOf = (size, chunk) => {
    if (size === undefined) return 1;
    const value = +size(chunk);
    if (!(value >= 0) || value === Infinity) {
      throw new RangeErrorConstructor("The size of a chunk must be a finite, non-negative number.");
    }
    return value;
  };

  // Queuing strategies. `size` is the same function for every instance.
  const byteLengthSize = { size: (chunk) => chunk.byteLength }.size;
  const countSize = { size: () => 1 }.size;
  const strategyInit = (init, name) => {
    if (!isObject(init)) throw constructorNotOfType(name, 1, "QueuingStrategyInit");
    const { highWaterMark } = init;
    return +highWaterMark;
  };
  class ByteLengthQueuingStrategy {
    #highWaterMark;
    static #check = brand((value) => #highWaterMark in value);
    constructor(init) {
      this.#highWaterMark = strategyInit(init, "ByteLengthQueuingStrategy");
    }
    get highWaterMark() {
      ByteLengthQueuingStrategy.#check(this);
      return this.#highWaterMark;
    }
    get size() {
      ByteLengthQueuingStrategy.#check(this);
      return byteLengthSize;
    }
  }
  shape(ByteLengthQueuingStrategy, "ByteLengthQueuingStrategy", 1);
  class CountQueuingStrategy {
    #highWaterMark;
    static #check = brand((value) => #highWaterMark in value);
    constructor(init) {
      this.#highWaterMark = strategyInit(init, "CountQueuingStrategy");
    }
    get highWaterMark() {
      CountQueuingStrategy.#check(this);
      return this.#highWaterMark;
    }
    get size() {
      CountQueuingStrategy.#check(this);
      return countSize;
    }
  }
  shape(CountQueuingStrategy, "CountQueuingStrategy", 1);

  const { globals } = internal;
  globals.ByteLengthQueuingStrategy = ByteLengthQueuingStrategy;
  globals.CountQueuingStrategy = CountQueuingStrategy;
  Object.assign(internal.streams, { convertStrategy, extractHighWaterMark, sizeOf });
  return {};
})
