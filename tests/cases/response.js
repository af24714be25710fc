import { deepStrictEqual, strictEqual, rejects, throws } from 'node:assert';

export const defaults = {
  test() {
    const response = new Response();
    deepStrictEqual([response.status, response.ok, response.body, response.statusText], [200, true, null, '']);
  },
};

export const statusIsChecked = {
  test() {
    strictEqual(new Response(null, { status: 204 }).status, 204);
    for (const status of [0, 199, 600]) throws(() => new Response(null, { status }), RangeError);
    throws(() => new Response('x', { status: 204 }), TypeError);
  },
};

export const jsonHasItsType = {
  async test() {
    const response = Response.json({ a: 1 }, { status: 201 });
    deepStrictEqual([response.status, response.headers.get('content-type')], [201, 'application/json']);
    deepStrictEqual(await response.json(), { a: 1 });
  },
};

export const redirectsHaveALocation = {
  test() {
    const response = Response.redirect('http://h/x', 301);
    deepStrictEqual([response.status, response.headers.get('location')], [301, 'http://h/x']);
    throws(() => Response.redirect('http://h/', 200), RangeError);
  },
};

export const bodiesAreReadInEveryWay = {
  async test() {
    strictEqual(await new Response('ä').text(), 'ä');
    deepStrictEqual(await new Response('ab').bytes(), new Uint8Array([97, 98]));
    strictEqual((await new Response('abc').arrayBuffer()).byteLength, 3);
    strictEqual(await (await new Response('b')).blob().then((blob) => blob.text()), 'b');
  },
};

export const aStreamIsABody = {
  async test() {
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('one '));
        controller.enqueue(new TextEncoder().encode('two'));
        controller.close();
      },
    });
    strictEqual(await new Response(body).text(), 'one two');
  },
};

export const readBodiesAreUsed = {
  async test() {
    const response = new Response('x');
    const reader = response.body.getReader();
    strictEqual(response.body.locked, true);
    await reader.read();
    strictEqual(response.bodyUsed, true);
    await rejects(response.text(), TypeError);
  },
};

export const errorsAreOfTheirType = {
  test() {
    const response = Response.error();
    deepStrictEqual([response.type, response.status], ['error', 0]);
  },
};
