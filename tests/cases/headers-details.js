import { deepStrictEqual, strictEqual, throws } from 'node:assert';

export const cookiesAreReadInEachWay = {
  test() {
    const headers = new Headers([['set-cookie', 'a'], ['set-cookie', 'b']]);
    deepStrictEqual(headers.getAll('set-cookie'), ['a', 'b']);
    throws(() => headers.getAll('other'), TypeError);
    strictEqual(headers.get('set-cookie'), 'a, b');
    headers.delete('set-cookie');
    deepStrictEqual(headers.getSetCookie(), []);
  },
};

export const iterablesOfPairsAreTaken = {
  test() {
    deepStrictEqual([...new Headers(new Map([['b', '1'], ['a', '2']]))], [['a', '2'], ['b', '1']]);
    throws(() => new Headers([['a']]), TypeError);
    throws(() => new Headers([['a', 'b', 'c']]), TypeError);
  },
};

export const valuesBecomeTexts = {
  test() {
    const headers = new Headers({ n: 5 });
    headers.append('b', true);
    strictEqual(headers.get('n') + headers.get('b'), '5true');
  },
};

export const changingWhileIterating = {
  test() {
    const headers = new Headers({ a: '1', b: '2' });
    const seen = [];
    for (const [name] of headers) {
      seen.push(name);
      if (name === 'a') headers.append('c', '3');
    }
    strictEqual(seen.includes('a') && seen.includes('b'), true);
  },
};

export const entriesAreAnIterator = {
  test() {
    const entries = new Headers({ a: '1' }).entries();
    deepStrictEqual(entries.next(), { value: ['a', '1'], done: false });
    deepStrictEqual(entries.next(), { value: undefined, done: true });
    strictEqual(entries[Symbol.iterator](), entries);
  },
};
