import { strictEqual } from 'node:assert';

export const everyMethodIsThere = {
  test() {
    for (const name of ['log', 'info', 'debug', 'warn', 'error', 'trace', 'table', 'group', 'groupEnd', 'time', 'count']) {
      strictEqual(typeof console[name], 'function', name);
    }
  },
};

export const valuesOfEveryKindAreWritten = {
  test() {
    strictEqual(console.log('text', 1, null, { a: [1] }, new Map([[1, 2]]), Symbol('x'), () => 0), undefined);
    console.log('%s has %d of %o', 'a', 1, {});
  },
};
