import { deepStrictEqual, notStrictEqual, strictEqual, throws } from 'node:assert';

export const graphsAreCopied = {
  test() {
    const one = { a: [1, { b: 2 }], date: new Date(5), map: new Map([[1, new Set(['x'])]]), re: /x/gi, big: 1n };
    const other = structuredClone(one);
    deepStrictEqual(other, one);
    notStrictEqual(other.a, one.a);
  },
};

export const circlesStayCircles = {
  test() {
    const one = {};
    one.self = one;
    const other = structuredClone(one);
    strictEqual(other.self, other);
  },
};

export const errorsKeepTheirClass = {
  test() {
    const error = structuredClone(new RangeError('words', { cause: 'why' }));
    strictEqual(error instanceof RangeError, true);
    deepStrictEqual([error.message, error.cause], ['words', 'why']);
  },
};

export const buffersCanBeTransferred = {
  test() {
    const buffer = new ArrayBuffer(4);
    const other = structuredClone(buffer, { transfer: [buffer] });
    deepStrictEqual([buffer.byteLength, other.byteLength], [0, 4]);
  },
};

export const functionsAreNotCloned = {
  test() {
    throws(() => structuredClone({ f() {} }), { name: 'DataCloneError' });
    throws(() => structuredClone(Symbol('x')), { name: 'DataCloneError' });
  },
};
