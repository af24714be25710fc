import { deepStrictEqual, ok, rejects, strictEqual, throws } from 'node:assert';
import util, { callbackify, format, inherits, inspect, isDeepStrictEqual, promisify, stripVTControlCharacters, types } from 'node:util';

export const formatFillsItsPlaces = {
  test() {
    strictEqual(format('%s is %d', 'x', 42), 'x is 42');
    strictEqual(format('%i %f', '12.7', '1.5'), '12 1.5');
    strictEqual(format('%j', { a: [1] }), '{"a":[1]}');
    strictEqual(format('%o', 'x'), "'x'");
    strictEqual(format('%O', { a: 1 }), '{ a: 1 }');
    strictEqual(format('100%% %s', 'sure'), '100% sure');
    strictEqual(format('%s'), '%s');
    strictEqual(format('a', 'b', { c: 1 }), 'a b { c: 1 }');
    strictEqual(format(1, 'x'), '1 x');
    strictEqual(format('%c styled', 'css'), ' styled');
    strictEqual(format('%s', 5n), '5n');
    strictEqual(format('%d', 5n), '5n');
    strictEqual(format('%s', Symbol('y')), 'Symbol(y)');
    strictEqual(format('%s', -0), '-0');
  },
};

export const inspectShowsPrimitives = {
  test() {
    strictEqual(inspect('it\'s'), '"it\'s"');
    strictEqual(inspect('a\nb'), "'a\\nb'");
    strictEqual(inspect(-0), '-0');
    strictEqual(inspect(10n), '10n');
    strictEqual(inspect(Symbol('s')), 'Symbol(s)');
    strictEqual(inspect(undefined), 'undefined');
    strictEqual(inspect(null), 'null');
  },
};

export const inspectShowsObjects = {
  test() {
    strictEqual(inspect({ a: 1, 'b-c': [1, 'x'] }), "{ a: 1, 'b-c': [ 1, 'x' ] }");
    strictEqual(inspect([1, , 3]), '[ 1, <1 empty item>, 3 ]');
    strictEqual(inspect(new Map([['a', { b: 1 }]])), "Map(1) { 'a' => { b: 1 } }");
    strictEqual(inspect(new Set([1, 'x'])), "Set(2) { 1, 'x' }");
    strictEqual(inspect(new Uint8Array(3)), 'Uint8Array(3) [ 0, 0, 0 ]');
    strictEqual(inspect(class Foo {}), '[class Foo]');
    strictEqual(inspect(class Foo extends Map {}), '[class Foo extends Map]');
    strictEqual(inspect(function named() {}), '[Function: named]');
    strictEqual(inspect(() => {}), '[Function (anonymous)]');
    strictEqual(inspect(new (class Foo { x = 1; })()), 'Foo { x: 1 }');
    strictEqual(inspect(Object.create(null)), '[Object: null prototype] {}');
    strictEqual(inspect(new Date(0)), '1970-01-01T00:00:00.000Z');
    strictEqual(inspect(/a/g), '/a/g');
    strictEqual(inspect({ get a() { return 1; }, set b(value) {} }), '{ a: [Getter], b: [Setter] }');
    strictEqual(inspect(Promise.resolve(4)), 'Promise { 4 }');
    strictEqual(inspect(new WeakSet()), 'WeakSet { <items unknown> }');
  },
};

export const inspectStopsAtDepth = {
  test() {
    const deep = { a: { b: { c: { d: 1 } } } };
    strictEqual(inspect(deep), '{ a: { b: { c: [Object] } } }');
    strictEqual(inspect(deep, { depth: 0 }), '{ a: [Object] }');
    strictEqual(inspect(deep, false, null), '{\n  a: { b: { c: { d: 1 } } }\n}');
    const circle = {};
    circle.self = circle;
    strictEqual(inspect(circle), '<ref *1> { self: [Circular *1] }');
  },
};

export const inspectTakesOptions = {
  test() {
    strictEqual(inspect([1, 2, 3, 4], { maxArrayLength: 2 }), '[ 1, 2, ... 2 more items ]');
    strictEqual(inspect('abcdef', { maxStringLength: 3 }), "'abc'... 3 more characters");
    strictEqual(inspect({ b: 1, a: 2 }, { sorted: true }), '{ a: 2, b: 1 }');
    strictEqual(inspect({ a: 1, b: 2 }, { compact: false }), '{\n  a: 1,\n  b: 2\n}');
    strictEqual(inspect({ get a() { return 7; } }, { getters: true }), '{ a: [Getter: 7] }');
    strictEqual(inspect(123456789, { numericSeparator: true }), '123_456_789');
    strictEqual(inspect({ a: { b: 1 } }, { breakLength: 10 }), '{\n  a: {\n    b: 1\n  }\n}');
  },
};

export const objectsSayHowTheyAreShown = {
  test() {
    const shown = { [inspect.custom](depth, options) { return `<${typeof options.stylize} ${depth}>`; } };
    strictEqual(inspect(shown), '<function 2>');
    strictEqual(inspect({ shown }), '{ shown: <function 1> }');
    strictEqual(inspect.custom, Symbol.for('nodejs.util.inspect.custom'));
  },
};

export const errorsAreShownWithTheirStack = {
  test() {
    const error = new RangeError('far', { cause: 'near' });
    error.stack = 'RangeError: far\n    at nowhere';
    strictEqual(inspect(error), "RangeError: far\n    at nowhere {\n  [cause]: 'near'\n}");
    error.code = 7;
    ok(inspect(error).includes('code: 7'));
  },
};

export const promisifyTurnsCallbacksIntoPromises = {
  async test() {
    const plus = (a, b, done) => (typeof a === 'number' ? done(null, a + b) : done(new TypeError('no number')));
    strictEqual(await promisify(plus)(1, 2), 3);
    await rejects(promisify(plus)('a', 2), { message: 'no number' });
    const custom = () => {};
    custom[promisify.custom] = () => Promise.resolve('custom');
    strictEqual(await promisify(custom)(), 'custom');
    throws(() => promisify('no function'), { code: 'ERR_INVALID_ARG_TYPE' });
  },
};

export const callbackifyTurnsPromisesIntoCallbacks = {
  async test() {
    const call = (run) => new Promise((resolve) => callbackify(run)((error, value) => resolve([error, value])));
    deepStrictEqual(await call(async () => 5), [null, 5]);
    const error = new Error('x');
    strictEqual((await call(async () => { throw error; }))[0], error);
    strictEqual((await call(() => Promise.reject(null)))[0].code, 'ERR_FALSY_VALUE_REJECTION');
  },
};

export const inheritsSetsThePrototype = {
  test() {
    function Base() {}
    Base.prototype.greet = () => 'hi';
    function Derived() {}
    inherits(Derived, Base);
    strictEqual(new Derived().greet(), 'hi');
    strictEqual(Derived.super_, Base);
  },
};

export const deepEqualityIsStrict = {
  test() {
    strictEqual(isDeepStrictEqual({ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }), true);
    strictEqual(isDeepStrictEqual([1], ['1']), false);
    strictEqual(isDeepStrictEqual(new Set([{ a: 1 }]), new Set([{ a: 1 }])), true);
    strictEqual(isDeepStrictEqual(NaN, NaN), true);
    strictEqual(isDeepStrictEqual(0, -0), false);
  },
};

export const typesTellKindsApart = {
  test() {
    ok(types.isDate(new Date()) && !types.isDate({}));
    ok(types.isRegExp(/x/) && types.isMap(new Map()) && types.isSet(new Set()));
    ok(types.isPromise(Promise.resolve()) && !types.isPromise({ then() {} }));
    ok(types.isTypedArray(new Int8Array()) && !types.isTypedArray(new DataView(new ArrayBuffer(1))));
    ok(types.isArrayBufferView(new DataView(new ArrayBuffer(1))) && types.isAnyArrayBuffer(new ArrayBuffer(1)));
    ok(types.isUint8Array(new Uint8Array()) && !types.isUint8Array(new Uint16Array()));
    ok(types.isAsyncFunction(async () => {}) && !types.isAsyncFunction(() => {}));
    ok(types.isGeneratorFunction(function* () {}) && types.isGeneratorObject((function* () {})()));
    ok(types.isNativeError(new TypeError()) && types.isProxy(new Proxy({}, {})));
    ok(types.isBoxedPrimitive(Object(1n)) && types.isSymbolObject(Object(Symbol())));
    ok(types.isWeakMap(new WeakMap()) && types.isWeakSet(new WeakSet()));
    ok(types.isMapIterator(new Map().keys()) && types.isSetIterator(new Set().values()));
  },
};

export const controlCharactersAreTakenOff = {
  test() {
    strictEqual(stripVTControlCharacters('\u001b[31mred\u001b[39m'), 'red');
  },
};

export const theDefaultExportHasThemAll = {
  test() {
    for (const name of ['format', 'inspect', 'promisify', 'inherits', 'types', 'deprecate', 'isArray', 'TextEncoder', 'TextDecoder', 'debuglog']) {
      ok(name in util, name);
    }
    strictEqual(util.TextEncoder, TextEncoder);
    strictEqual(util.isArray([]), true);
  },
};

export const deprecatedFunctionsStillRun = {
  test() {
    strictEqual(util.deprecate((a, b) => a + b, 'use something else', 'DEP0')(1, 2), 3);
  },
};
