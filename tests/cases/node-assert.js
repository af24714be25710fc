import assert, { AssertionError, deepStrictEqual, doesNotThrow, fail, ifError, match, notDeepStrictEqual, notStrictEqual, ok, rejects, strictEqual, throws } from 'node:assert';

const thrown = (f) => {
  try {
    f();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
};

export const theDefaultExportIsOk = {
  test() {
    assert(true);
    ok(1);
    strictEqual(thrown(() => assert(0)) instanceof AssertionError, true);
  },
};

export const errorsSayWhatWasCompared = {
  test() {
    const error = thrown(() => strictEqual(1, 2));
    deepStrictEqual([error.name, error.code, error.actual, error.expected, error.operator], ['AssertionError', 'ERR_ASSERTION', 1, 2, 'strictEqual']);
  },
};

export const messagesAreTaken = {
  test() {
    strictEqual(thrown(() => strictEqual(1, 2, 'own words')).message, 'own words');
    strictEqual(thrown(() => fail('why')).message, 'why');
  },
};

export const typesMatter = {
  test() {
    throws(() => strictEqual(1, '1'), AssertionError);
    throws(() => deepStrictEqual({ a: 1 }, { a: '1' }), AssertionError);
  },
};

export const nanAndZeros = {
  test() {
    strictEqual(NaN, NaN);
    notStrictEqual(0, -0);
    deepStrictEqual([NaN], [NaN]);
    notDeepStrictEqual([0], [-0]);
  },
};

export const collectionsAreComparedByContent = {
  test() {
    deepStrictEqual(new Map([[{ a: 1 }, new Set([1])]]), new Map([[{ a: 1 }, new Set([1])]]));
    deepStrictEqual(new Set([{ a: 1 }, 2]), new Set([2, { a: 1 }]));
    notDeepStrictEqual(new Set([1]), new Set([1, 2]));
    notDeepStrictEqual(new Map([[1, 2]]), new Map([[1, 3]]));
  },
};

export const prototypesMatterWhenStrict = {
  test() {
    class A { x = 1; }
    notDeepStrictEqual(new A(), { x: 1 });
    notDeepStrictEqual([], {});
  },
};

export const datesRegexpsAndErrors = {
  test() {
    deepStrictEqual(new Date(1), new Date(1));
    notDeepStrictEqual(new Date(1), new Date(2));
    deepStrictEqual(/a/g, /a/g);
    notDeepStrictEqual(/a/g, /a/i);
    deepStrictEqual(new Error('a'), new Error('a'));
    notDeepStrictEqual(new Error('a'), new Error('b'));
  },
};

export const viewsAreComparedByBytes = {
  test() {
    deepStrictEqual(new Uint8Array([1, 2]), new Uint8Array([1, 2]));
    notDeepStrictEqual(new Uint8Array([1, 2]), new Uint8Array([1, 3]));
    deepStrictEqual(new Uint8Array([1]).buffer, new Uint8Array([1]).buffer);
  },
};

export const throwsChecksWhatIsThrown = {
  test() {
    throws(() => { throw new TypeError('some words'); }, TypeError);
    throws(() => { throw new TypeError('some words'); }, /words/);
    throws(() => { throw new TypeError('some words'); }, { name: 'TypeError', message: 'some words' });
    throws(() => { throw new TypeError('some words'); }, (error) => error instanceof TypeError);
    throws(() => throws(() => {}), AssertionError);
    throws(() => throws(() => { throw new Error('a'); }, { message: 'b' }), AssertionError);
    doesNotThrow(() => {});
  },
};

export const rejectsTakesPromisesAndFunctions = {
  async test() {
    await rejects(Promise.reject(new Error('a')), /a/);
    await rejects(async () => { throw new RangeError('b'); }, RangeError);
    await rejects(rejects(Promise.resolve(1)), AssertionError);
  },
};

export const matchAndIfError = {
  test() {
    match('some text', /text/);
    throws(() => match('some', /text/), AssertionError);
    ifError(null);
    ifError(undefined);
    throws(() => ifError(new Error('x')));
  },
};

export const circlesAreCompared = {
  test() {
    const circle = () => {
      const object = { a: 1 };
      object.self = object;
      return object;
    };
    deepStrictEqual(circle(), circle());
  },
};
