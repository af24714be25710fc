import { deepStrictEqual, ok, rejects, strictEqual } from 'node:assert';

export const whatIsPutIsFound = {
  async test() {
    await caches.default.put('http://h/found', new Response('kept', { headers: { 'Cache-Control': 'max-age=60' } }));
    const found = await caches.default.match('http://h/found');
    strictEqual(await found.text(), 'kept');
    strictEqual(found.headers.get('cf-cache-status'), 'HIT');
  },
};

export const whatIsNotThereIsUndefined = {
  async test() {
    strictEqual(await caches.default.match('http://h/nothing'), undefined);
  },
};

export const whatIsDeletedIsGone = {
  async test() {
    await caches.default.put('http://h/gone', new Response('x'));
    strictEqual(await caches.default.delete('http://h/gone'), true);
    strictEqual(await caches.default.delete('http://h/gone'), false);
    strictEqual(await caches.default.match('http://h/gone'), undefined);
  },
};

export const cachesWithNamesAreApart = {
  async test() {
    const cache = await caches.open('mine');
    await cache.put('http://h/apart', new Response('mine'));
    strictEqual(await caches.default.match('http://h/apart'), undefined);
    strictEqual(await (await cache.match('http://h/apart')).text(), 'mine');
  },
};

export const keysAreRequestsToo = {
  async test() {
    const key = new Request('http://h/request', { headers: { Accept: 'text/plain' } });
    await caches.default.put(key, new Response('by request'));
    strictEqual(await (await caches.default.match('http://h/request')).text(), 'by request');
    strictEqual(await (await caches.default.match(new URL('http://h/request'))).text(), 'by request');
  },
};

export const onlyGetIsKept = {
  async test() {
    const post = new Request('http://h/post', { method: 'POST' });
    await rejects(caches.default.put(post, new Response('x')), TypeError);
    strictEqual(await caches.default.match(post), undefined);
    strictEqual(await caches.default.delete(post), false);
    await caches.default.put('http://h/any', new Response('x'));
    ok(await caches.default.match(new Request('http://h/any', { method: 'POST' }), { ignoreMethod: true }));
  },
};

export const someResponsesAreRefused = {
  async test() {
    const put = (response) => caches.default.put('http://h/refused', response);
    await rejects(put(new Response('part', { status: 206 })), TypeError);
    await rejects(put(new Response('x', { headers: { Vary: '*' } })), TypeError);
    const used = new Response('used');
    await used.text();
    await rejects(put(used), TypeError);
    await rejects(caches.default.put('no url', new Response('x')), TypeError);
  },
};

export const headersAndStatusAreKept = {
  async test() {
    await caches.default.put('http://h/status', new Response('no', { status: 404, headers: { 'X-A': '1' } }));
    const found = await caches.default.match('http://h/status');
    strictEqual(found.status, 404);
    strictEqual(found.headers.get('x-a'), '1');
  },
};

export const bytesAreKept = {
  async test() {
    const bytes = new Uint8Array(100_000).map((_, index) => index);
    await caches.default.put('http://h/bytes', new Response(bytes));
    const found = new Uint8Array(await (await caches.default.match('http://h/bytes')).arrayBuffer());
    deepStrictEqual(found, bytes);
  },
};

export const classesAreThere = {
  async test() {
    ok(caches instanceof CacheStorage);
    ok(caches.default instanceof Cache);
    ok((await caches.open('x')) instanceof Cache);
  },
};
