import { deepStrictEqual, ok, strictEqual, throws } from 'node:assert';

const next = (target, type) => new Promise((resolve) => target.addEventListener(type, resolve, { once: true }));

/** Both ends of a pair. Each answers the other's close: the reference takes a test for hung whose sockets stay open. */
function accepted() {
  const [client, server] = Object.values(new WebSocketPair());
  client.accept();
  server.accept();
  for (const end of [client, server]) end.addEventListener('close', () => end.close());
  return [client, server];
}

export const aPairHasTwoEnds = {
  test() {
    const pair = new WebSocketPair();
    deepStrictEqual(Object.keys(pair), ['0', '1']);
    ok(pair[0] instanceof WebSocket && pair[1] instanceof WebSocket);
    const [one, two] = pair;
    ok(one === pair[0] && two === pair[1]);
  },
};

export const textArrivesAsText = {
  async test() {
    const [client, server] = accepted();
    const message = next(server, 'message');
    client.send('grüße');
    const event = await message;
    strictEqual(event.data, 'grüße');
    ok(event instanceof MessageEvent);
    strictEqual(event.type, 'message');
    client.close();
  },
};

export const bytesArriveAsABuffer = {
  async test() {
    const [client, server] = accepted();
    for (const data of [new Uint8Array([1, 2, 3]), new Uint8Array([1, 2, 3]).buffer, new Uint8Array([0, 1, 2, 3]).subarray(1)]) {
      const message = next(server, 'message');
      client.send(data);
      const { data: got } = await message;
      ok(got instanceof ArrayBuffer);
      deepStrictEqual([...new Uint8Array(got)], [1, 2, 3]);
    }
    client.close();
  },
};

export const messagesKeepTheirOrder = {
  async test() {
    const [client, server] = accepted();
    const seen = [];
    server.addEventListener('message', ({ data }) => seen.push(data));
    const closed = next(server, 'close');
    for (let index = 0; index < 50; index++) client.send(`${index}`);
    client.close(1000, 'all sent');
    await closed;
    deepStrictEqual(seen, Array.from({ length: 50 }, (_, index) => `${index}`));
  },
};

export const whatWasSentBeforeAcceptWaits = {
  async test() {
    const [client, server] = Object.values(new WebSocketPair());
    client.accept();
    client.send('early');
    const message = next(server, 'message');
    server.addEventListener('close', () => server.close());
    server.accept();
    strictEqual((await message).data, 'early');
    client.close();
  },
};

export const aCloseSaysWhy = {
  async test() {
    const [client, server] = accepted();
    const closed = next(server, 'close');
    client.close(4001, 'because');
    const event = await closed;
    ok(event instanceof CloseEvent);
    strictEqual(event.code, 4001);
    strictEqual(event.reason, 'because');
    strictEqual(event.wasClean, true);
  },
};

export const aCloseWithoutACodeHasNone = {
  async test() {
    const [client, server] = accepted();
    const closed = next(server, 'close');
    client.close();
    const { code, reason } = await closed;
    strictEqual(code, 1005);
    strictEqual(reason, '');
  },
};

export const closeCodesAreChecked = {
  test() {
    const [client] = accepted();
    for (const code of [0, 999, 1004, 1005, 1006, 5000]) throws(() => client.close(code), { name: 'InvalidAccessError' });
    throws(() => client.close(undefined, 'a reason needs a code'));
    client.close(3000);
  },
};

export const sendingAfterCloseThrows = {
  test() {
    const [client] = accepted();
    client.close();
    throws(() => client.send('late'), TypeError);
    client.close();
  },
};

export const statesAreNumbers = {
  async test() {
    const [client, server] = accepted();
    strictEqual(client.readyState, WebSocket.READY_STATE_OPEN);
    const closed = next(server, 'close');
    client.close();
    strictEqual(client.readyState, WebSocket.READY_STATE_CLOSING);
    await closed;
    deepStrictEqual([WebSocket.CONNECTING, WebSocket.OPEN, WebSocket.CLOSING, WebSocket.CLOSED], [0, 1, 2, 3]);
  },
};

export const handlersAreAttributesToo = {
  async test() {
    const [client, server] = accepted();
    const seen = [];
    server.onmessage = ({ data }) => { seen.push(data); };
    const closed = next(server, 'close');
    client.send('x');
    client.close();
    await closed;
    deepStrictEqual(seen, ['x']);
  },
};

export const attachmentsAreKept = {
  test() {
    const [client] = Object.values(new WebSocketPair());
    strictEqual(client.deserializeAttachment(), null);
    client.serializeAttachment({ user: 1, list: [new Date(0)] });
    deepStrictEqual(client.deserializeAttachment(), { user: 1, list: [new Date(0)] });
    throws(() => client.serializeAttachment(() => {}), { name: 'DataCloneError' });
  },
};

export const propertiesOfOnesOwn = {
  test() {
    const [client] = Object.values(new WebSocketPair());
    strictEqual(client.url, null);
    strictEqual(client.protocol, '');
    strictEqual(client.extensions, '');
  },
};

export const aConstructorNeedsAUrl = {
  test() {
    throws(() => new WebSocket(), TypeError);
    throws(() => new WebSocket('no url'), { name: 'SyntaxError' });
    throws(() => new WebSocket('ws://h/#fragment'), { name: 'SyntaxError' });
    throws(() => new WebSocket('ws://h/', 'a b'), { name: 'SyntaxError' });
    throws(() => new WebSocket('ws://h/', ['a', 'a']), { name: 'SyntaxError' });
  },
};

export const aWorkerAnswersWithASocket = {
  async test(controller, env, ctx) {
    const response = await ctx.exports.default.fetch('http://h/chat', { headers: { Upgrade: 'websocket' } });
    strictEqual(response.status, 101);
    strictEqual(response.headers.get('x-room'), '/chat');
    const { webSocket } = response;
    webSocket.accept();
    const message = next(webSocket, 'message');
    webSocket.send('hello');
    strictEqual((await message).data, 'HELLO');
    const closed = next(webSocket, 'close');
    webSocket.send('bye');
    strictEqual((await closed).code, 4000);
  },
};

export const withoutAnUpgradeThereIsNone = {
  async test(controller, env, ctx) {
    const response = await ctx.exports.default.fetch('http://h/chat');
    strictEqual(response.status, 426);
    strictEqual(response.webSocket, null);
  },
};

export default {
  fetch(request) {
    if (request.headers.get('Upgrade') !== 'websocket') return new Response('a WebSocket, please', { status: 426 });
    const [client, server] = Object.values(new WebSocketPair());
    server.accept();
    server.addEventListener('message', ({ data }) => {
      if (data === 'bye') server.close(4000, 'bye');
      else server.send(data.toUpperCase());
    });
    return new Response(null, { status: 101, webSocket: client, headers: { 'X-Room': new URL(request.url).pathname } });
  },
};
