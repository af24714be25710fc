import { deepStrictEqual, strictEqual, rejects, throws } from 'node:assert';

export const defaults = {
  test() {
    const request = new Request('http://h/a');
    deepStrictEqual([request.method, request.url, request.redirect, request.body], ['GET', 'http://h/a', 'follow', null]);
    strictEqual(request.bodyUsed, false);
    deepStrictEqual([...request.headers], []);
  },
};

export const methodsAreNormalized = {
  test() {
    strictEqual(new Request('http://h/', { method: 'post' }).method, 'POST');
    throws(() => new Request('http://h/', { method: 'a b' }), TypeError);
  },
};

export const bodiesAreReadOnce = {
  async test() {
    const request = new Request('http://h/', { method: 'POST', body: 'text' });
    strictEqual(request.headers.get('content-type'), 'text/plain;charset=UTF-8');
    strictEqual(await request.text(), 'text');
    strictEqual(request.bodyUsed, true);
    await rejects(request.text(), TypeError);
  },
};

export const getHasNoBody = {
  test() {
    throws(() => new Request('http://h/', { body: 'x' }), TypeError);
  },
};

export const aRequestIsMadeOfAnother = {
  async test() {
    const one = new Request('http://h/', { method: 'PUT', body: 'x', headers: { a: '1' } });
    const other = new Request(one, { headers: { b: '2' } });
    strictEqual(other.method, 'PUT');
    deepStrictEqual([other.headers.get('a'), other.headers.get('b')], [null, '2']);
    strictEqual(await other.text(), 'x');
    strictEqual(one.bodyUsed, true);
  },
};

export const clonesHaveTheSameBody = {
  async test() {
    const one = new Request('http://h/', { method: 'POST', body: 'twice' });
    const other = one.clone();
    strictEqual(await one.text() + await other.text(), 'twicetwice');
  },
};

export const jsonIsParsed = {
  async test() {
    const request = new Request('http://h/', { method: 'POST', body: '{"a":[1]}' });
    deepStrictEqual(await request.json(), { a: [1] });
    await rejects(new Request('http://h/', { method: 'POST', body: '{' }).json(), SyntaxError);
  },
};

export const signalsAreKept = {
  test() {
    const controller = new AbortController();
    const request = new Request('http://h/', { signal: controller.signal });
    controller.abort();
    strictEqual(request.signal.aborted, true);
  },
};
