import { deepStrictEqual, strictEqual, throws } from 'node:assert';

export const textIsParsed = {
  test() {
    const params = new URLSearchParams('?a=1&b=2&a=3&c&=d&e=%20+%zz');
    deepStrictEqual([...params], [['a', '1'], ['b', '2'], ['a', '3'], ['c', ''], ['', 'd'], ['e', '  %zz']]);
    deepStrictEqual(params.getAll('a'), ['1', '3']);
    strictEqual(params.get('x'), null);
    strictEqual(params.size, 6);
  },
};

export const listsAndRecordsAreTaken = {
  test() {
    strictEqual(String(new URLSearchParams([['a', 'b c'], ['d', '&']])), 'a=b+c&d=%26');
    strictEqual(String(new URLSearchParams({ x: '1', y: 'ü' })), 'x=1&y=%C3%BC');
    throws(() => new URLSearchParams([['a']]), TypeError);
  },
};

export const sortingIsStable = {
  test() {
    const params = new URLSearchParams('z=1&a=2&z=0&a=1');
    params.sort();
    strictEqual(params.toString(), 'a=2&a=1&z=1&z=0');
  },
};

export const deletingAndAskingByValue = {
  test() {
    const params = new URLSearchParams('a=1&a=2&b=1');
    strictEqual(params.has('a', '2'), true);
    strictEqual(params.has('a', '3'), false);
    params.delete('a', '1');
    strictEqual(params.toString(), 'a=2&b=1');
    params.delete('a');
    strictEqual(params.toString(), 'b=1');
  },
};

export const settingKeepsTheFirstPlace = {
  test() {
    const params = new URLSearchParams('a=1&b=2&a=3');
    params.set('a', '4');
    strictEqual(params.toString(), 'a=4&b=2');
  },
};
