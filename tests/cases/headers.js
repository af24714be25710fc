import { deepStrictEqual, strictEqual, throws } from 'node:assert';

export const namesAreCaseInsensitive = {
  test() {
    const headers = new Headers({ 'Content-Type': 'text/plain' });
    strictEqual(headers.get('content-type'), 'text/plain');
    strictEqual(headers.has('CONTENT-TYPE'), true);
    headers.delete('cOnTent-tYpe');
    strictEqual(headers.get('content-type'), null);
  },
};

export const valuesAreCombined = {
  test() {
    const headers = new Headers([['a', '1'], ['A', '2']]);
    headers.append('a', '3');
    strictEqual(headers.get('a'), '1, 2, 3');
    headers.set('a', '4');
    strictEqual(headers.get('a'), '4');
  },
};

export const cookiesStaySeparate = {
  test() {
    const headers = new Headers();
    headers.append('set-cookie', 'a=1');
    headers.append('Set-Cookie', 'b=2');
    deepStrictEqual(headers.getSetCookie(), ['a=1', 'b=2']);
    deepStrictEqual([...headers], [['set-cookie', 'a=1'], ['set-cookie', 'b=2']]);
  },
};

export const iterationIsSorted = {
  test() {
    const headers = new Headers([['z', '1'], ['b', '2'], ['a', '3']]);
    deepStrictEqual([...headers.keys()], ['a', 'b', 'z']);
    deepStrictEqual([...headers.values()], ['3', '2', '1']);
    const seen = [];
    headers.forEach((value, name) => seen.push(`${name}=${value}`));
    deepStrictEqual(seen, ['a=3', 'b=2', 'z=1']);
  },
};

export const valuesAreTrimmed = {
  test() {
    strictEqual(new Headers({ a: ' \tb c\t ' }).get('a'), 'b c');
  },
};

export const whatIsNoNameIsRefused = {
  test() {
    throws(() => new Headers({ 'a b': '1' }), TypeError);
    throws(() => new Headers().append('a', 'x\ny'), TypeError);
  },
};

export const copiesAreIndependent = {
  test() {
    const one = new Headers({ a: '1' });
    const other = new Headers(one);
    other.set('a', '2');
    strictEqual(one.get('a'), '1');
  },
};
