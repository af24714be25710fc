import { deepStrictEqual, ok, rejects, strictEqual, throws } from 'node:assert';

export const everyMethodArrives = {
  async test(controller, { echo }) {
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD']) {
      const response = await echo.fetch('http://h/method', { method });
      strictEqual(response.headers.get('x-method'), method);
    }
  },
};

export const theUrlArrivesAsItIs = {
  async test(controller, { echo }) {
    const url = 'https://user.example:8443/a%20b/c?d=e&f=%C3%A9';
    strictEqual(await (await echo.fetch(url)).json().then(({ url }) => url), url);
  },
};

export const headersArrive = {
  async test(controller, { echo }) {
    const response = await echo.fetch('http://h/', { headers: { 'X-One': '1', Accept: 'text/plain', 'x-two': 'a, b' } });
    const { headers } = await response.json();
    strictEqual(headers['x-one'], '1');
    strictEqual(headers.accept, 'text/plain');
    strictEqual(headers['x-two'], 'a, b');
  },
};

export const bodiesArrive = {
  async test(controller, { echo }) {
    for (const body of ['text', new Uint8Array([1, 2, 3]), new Blob(['blob']), new URLSearchParams({ a: 'b' })]) {
      const expected = await new Response(body).text();
      const response = await echo.fetch('http://h/body', { method: 'POST', body });
      strictEqual(await response.text(), expected);
    }
  },
};

export const typesOfBodiesAreTold = {
  async test(controller, { echo }) {
    const type = async (body) => {
      const response = await echo.fetch('http://h/', { method: 'POST', body });
      return (await response.json()).headers['content-type'] ?? null;
    };
    strictEqual(await type('text'), 'text/plain;charset=UTF-8');
    strictEqual(await type(new URLSearchParams('a=b')), 'application/x-www-form-urlencoded;charset=UTF-8');
    strictEqual(await type(new Blob(['{}'], { type: 'application/json' })), 'application/json');
    strictEqual(await type(new Uint8Array(1)), null);
  },
};

export const formsGoThere = {
  async test(controller, { echo }) {
    const form = new FormData();
    form.set('name', 'Ada');
    form.set('file', new File(['content'], 'a.txt', { type: 'text/plain' }));
    const response = await echo.fetch('http://h/form', { method: 'POST', body: form });
    deepStrictEqual(await response.json(), [['name', 'Ada'], ['file', 'a.txt', 'text/plain', 'content']]);
  },
};

export const streamsGoThereAndComeBack = {
  async test(controller, { echo }) {
    const body = new ReadableStream({
      async start(stream) {
        for (const part of ['one ', 'two ', 'three']) {
          stream.enqueue(new TextEncoder().encode(part));
          await scheduler.wait(1);
        }
        stream.close();
      },
    });
    const response = await echo.fetch('http://h/body', { method: 'POST', body });
    strictEqual(await response.text(), 'one two three');
  },
};

export const longBodiesAreWhole = {
  async test(controller, { echo }) {
    const body = new Uint8Array(1 << 20).map((_, index) => index % 251);
    const response = await echo.fetch('http://h/body', { method: 'POST', body });
    const back = new Uint8Array(await response.arrayBuffer());
    strictEqual(back.length, body.length);
    ok(back.every((byte, index) => byte === index % 251));
  },
};

export const statusesAndTextsComeBack = {
  async test(controller, { echo }) {
    for (const status of [200, 201, 204, 304, 400, 404, 418, 500, 599]) {
      const response = await echo.fetch(`http://h/status/${status}`);
      strictEqual(response.status, status);
      strictEqual(response.ok, status >= 200 && status < 300);
    }
    strictEqual((await echo.fetch('http://h/status/404')).statusText, 'Not Found');
  },
};

export const cookiesStayApart = {
  async test(controller, { echo }) {
    const response = await echo.fetch('http://h/cookies');
    deepStrictEqual(response.headers.getSetCookie(), ['a=1', 'b=2; Path=/']);
  },
};

export const redirectsAreFollowedOrNot = {
  async test(controller, { echo }) {
    const followed = await echo.fetch('http://h/redirect');
    strictEqual(followed.redirected, true);
    strictEqual(followed.url, 'http://h/method');
    const manual = await echo.fetch('http://h/redirect', { redirect: 'manual' });
    strictEqual(manual.status, 302);
    strictEqual(manual.headers.get('location'), '/method');
    await rejects(echo.fetch('http://h/loop'), TypeError);
  },
};

export const aPostBecomesAGet = {
  async test(controller, { echo }) {
    const seen = await echo.fetch('http://h/redirect', { method: 'POST', body: 'x' });
    strictEqual(seen.headers.get('x-method'), 'GET');
    const kept = await echo.fetch('http://h/redirect-307', { method: 'POST', body: 'x' });
    strictEqual(kept.headers.get('x-method'), 'POST');
  },
};

export const requestsAreTaken = {
  async test(controller, { echo }) {
    const request = new Request('http://h/body', { method: 'PUT', body: 'of a request' });
    strictEqual(await (await echo.fetch(request)).text(), 'of a request');
    strictEqual(request.bodyUsed, true);
    await rejects(echo.fetch(request), TypeError);
  },
};

export const anInitOverridesARequest = {
  async test(controller, { echo }) {
    const request = new Request('http://h/method', { method: 'PUT', headers: { a: '1' } });
    const response = await echo.fetch(request, { method: 'DELETE', headers: { b: '2' } });
    strictEqual(response.headers.get('x-method'), 'DELETE');
    const { headers } = await (await echo.fetch(new Request('http://h/', request), { headers: { b: '2' } })).json();
    strictEqual(headers.a, undefined);
    strictEqual(headers.b, '2');
  },
};

export const anAbortedFetchRejects = {
  async test(controller, { echo }) {
    await rejects(echo.fetch('http://h/', { signal: AbortSignal.abort() }), { name: 'AbortError' });
    const reason = new Error('mine');
    await rejects(echo.fetch('http://h/', { signal: AbortSignal.abort(reason) }), reason);
    const late = new AbortController();
    const pending = echo.fetch('http://h/never', { signal: late.signal });
    late.abort(reason);
    await rejects(pending, reason);
  },
};

export const errorsComeBackAsThemselves = {
  async test(controller, { echo }) {
    await rejects(echo.fetch('http://h/throw'), (error) => {
      ok(error instanceof RangeError, String(error));
      strictEqual(error.message, 'out of range');
      return true;
    });
    await rejects(echo.fetch('http://h/no-response'), TypeError);
  },
};

export const manyAtOnce = {
  async test(controller, { echo }) {
    const ask = (index) => echo.fetch('http://h/body', { method: 'POST', body: `${index}` }).then((r) => r.text());
    const texts = await Promise.all(Array.from({ length: 20 }, (_, index) => ask(index)));
    deepStrictEqual(texts, Array.from({ length: 20 }, (_, index) => `${index}`));
  },
};

export const anAnswerIsReadOnceAndCloned = {
  async test(controller, { echo }) {
    const response = await echo.fetch('http://h/body', { method: 'POST', body: 'twice' });
    const clone = response.clone();
    strictEqual(await response.text(), 'twice');
    strictEqual(await clone.text(), 'twice');
    await rejects(response.text(), TypeError);
    throws(() => response.clone(), TypeError);
  },
};

export const headersOfAnAnswerCannotChange = {
  async test(controller, { echo }) {
    const response = await echo.fetch('http://h/method');
    throws(() => response.headers.set('a', 'b'), TypeError);
    const own = new Response(response.body, response);
    own.headers.set('a', 'b');
    strictEqual(own.headers.get('a'), 'b');
    strictEqual(own.headers.get('x-method'), 'GET');
  },
};

export const theGlobalFetchGoesOutside = {
  async test(controller, { echo }) {
    strictEqual(await (await fetch('http://anywhere/body', { method: 'POST', body: 'out' })).text(), 'out');
  },
};

export const cfGoesAlong = {
  async test(controller, { echo }) {
    const response = await echo.fetch('http://h/cf', { cf: { country: 'XX', deep: { list: [1, 2] } } });
    deepStrictEqual(await response.json(), { country: 'XX', deep: { list: [1, 2] } });
  },
};

export const anUnreadBodyCanBeCancelled = {
  async test(controller, { echo }) {
    const response = await echo.fetch('http://h/endless');
    const reader = response.body.getReader();
    ok((await reader.read()).value.length > 0);
    await reader.cancel();
  },
};
