import { strictEqual, rejects } from 'node:assert';

const type = (body) => new Response(body).headers.get('content-type');

export const typesFollowTheBody = {
  test() {
    strictEqual(type('x'), 'text/plain;charset=UTF-8');
    strictEqual(type(new URLSearchParams('a=b')), 'application/x-www-form-urlencoded;charset=UTF-8');
    strictEqual(type(new Blob(['x'], { type: 'a/b' })), 'a/b');
    strictEqual(type(new Uint8Array(1)), null);
    strictEqual(type(null), null);
  },
};

export const givenTypesStay = {
  test() {
    strictEqual(new Response('x', { headers: { 'content-type': 'x/y' } }).headers.get('content-type'), 'x/y');
  },
};

export const viewsAreCopied = {
  async test() {
    const bytes = new Uint8Array([97, 98]);
    const response = new Response(bytes);
    bytes[0] = 120;
    strictEqual(await response.text(), 'ab');
  },
};

export const partsOfBuffersAreTaken = {
  async test() {
    strictEqual(await new Response(new TextEncoder().encode('xabx').subarray(1, 3)).text(), 'ab');
    strictEqual(await new Response(new DataView(new TextEncoder().encode('xab').buffer, 1)).text(), 'ab');
  },
};

export const objectsBecomeText = {
  async test() {
    strictEqual(await new Response({ toString: () => 'own' }).text(), 'own');
    strictEqual(await new Response(5).text(), '5');
  },
};

export const emptyBodiesAreEmpty = {
  async test() {
    strictEqual(await new Response().text(), '');
    strictEqual((await new Response('').arrayBuffer()).byteLength, 0);
    await rejects(new Response('').json(), SyntaxError);
  },
};

export const brokenBodiesReject = {
  async test() {
    const body = new ReadableStream({ pull() { throw new RangeError('broken'); } });
    await rejects(new Response(body).text(), RangeError);
  },
};
