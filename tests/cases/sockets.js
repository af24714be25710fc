import { deepStrictEqual, ok, rejects, strictEqual, throws } from 'node:assert';
import { inspect } from 'node:util';
import { connect } from 'cloudflare:sockets';

const encode = (text) => new TextEncoder().encode(text);

async function text(readable) {
  let all = '';
  for await (const chunk of readable.pipeThrough(new TextDecoderStream())) all += chunk;
  return all;
}

export const bytesGoThereAndComeBack = {
  async test(controller, { peer }) {
    const socket = peer.connect('peer:7');
    const writer = socket.writable.getWriter();
    await writer.write(encode('ping'));
    await writer.close();
    strictEqual(await text(socket.readable), 'PING');
    await socket.close();
  },
};

export const theAddressIsTold = {
  async test(controller, { peer }) {
    const socket = peer.connect('some.host:1234');
    const info = await socket.opened;
    ok('remoteAddress' in info && 'localAddress' in info);
    await socket.close();
  },
};

export const addressesAreObjectsToo = {
  async test(controller, { peer }) {
    const socket = peer.connect({ hostname: 'peer', port: 7 });
    const writer = socket.writable.getWriter();
    await writer.write(encode('a'));
    await writer.close();
    strictEqual(await text(socket.readable), 'A');
  },
};

export const theGlobalConnectGoesOutside = {
  async test() {
    const socket = connect('anywhere:7');
    const writer = socket.writable.getWriter();
    await writer.write(encode('out'));
    await writer.close();
    strictEqual(await text(socket.readable), 'OUT');
  },
};

export const addressesAreChecked = {
  test(controller, { peer }) {
    throws(() => connect('no port'), TypeError);
    throws(() => connect('host:99999'), TypeError);
    throws(() => peer.connect(''), TypeError);
  },
};

export const closedIsSettledByClose = {
  async test(controller, { peer }) {
    const socket = peer.connect('peer:7');
    await socket.opened;
    await socket.close();
    await socket.closed;
  },
};

export const closingEndsTheReader = {
  async test(controller, { peer }) {
    const socket = peer.connect('peer:7');
    await socket.opened;
    const reading = socket.readable.getReader().read().then(({ done }) => done, () => true);
    await socket.close();
    strictEqual(await reading, true);
  },
};

export const longTransfersAreWhole = {
  async test(controller, { peer }) {
    const socket = peer.connect('peer:7');
    const sent = 'abcdefgh'.repeat(32 * 1024);
    const writer = socket.writable.getWriter();
    const writing = writer.write(encode(sent)).then(() => writer.close());
    strictEqual(await text(socket.readable), sent.toUpperCase());
    await writing;
  },
};

export const startTlsNeedsToBeAskedFor = {
  async test(controller, { peer }) {
    const socket = peer.connect('peer:7');
    throws(() => socket.startTls(), TypeError);
    strictEqual(socket.secureTransport, 'off');
    strictEqual(socket.upgraded, false);
    await socket.close();
  },
};

export const optionsAreChecked = {
  test(controller, { peer }) {
    throws(() => peer.connect('peer:7', { secureTransport: 'maybe' }), TypeError);
  },
};

export const aSocketIsShownWithWhatItHas = {
  async test(controller, { peer }) {
    const socket = peer.connect('peer:7');
    await socket.opened;
    strictEqual(
      inspect(socket, { depth: 0, breakLength: Infinity }),
      "Socket { readable: [ReadableStream], writable: [WritableStream], closed: [Promise], opened: [Promise], " +
        "upgraded: false, secureTransport: 'off' }",
    );
    await socket.close();
  },
};
