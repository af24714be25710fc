import { strictEqual, throws } from 'node:assert';

const next = (socket, type) => new Promise((resolve) => socket.addEventListener(type, resolve, { once: true }));

export const sendingNeedsAccept = {
  test() {
    const [one] = Object.values(new WebSocketPair());
    throws(() => one.send('x'), TypeError);
  },
};

export const anAnswerCarriesASocket = {
  async test(controller, env, ctx) {
    const response = await ctx.exports.default.fetch('http://h/', { headers: { Upgrade: 'websocket' } });
    strictEqual(response.status, 101);
    const socket = response.webSocket;
    socket.accept();
    const echo = next(socket, 'message');
    socket.send('x');
    strictEqual((await echo).data, 'echo x');
    socket.close();
  },
};

export default {
  fetch() {
    const [client, server] = Object.values(new WebSocketPair());
    server.accept();
    server.addEventListener('message', ({ data }) => server.send(`echo ${data}`));
    server.addEventListener('close', () => server.close());
    return new Response(null, { status: 101, webSocket: client });
  },
};
