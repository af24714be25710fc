// Workers that take connections.
import { WorkerEntrypoint } from "cloudflare:workers";

const enc = (text) => new TextEncoder().encode(text);
/** Says all, and waits for the other side to end too: the reference may drop what is said when the handler returns. */
const write = async (socket, text) => {
  const writer = socket.writable.getWriter();
  await writer.write(enc(text));
  await writer.close();
  await count(socket);
};
const count = async (socket) => {
  let bytes = 0;
  for await (const chunk of socket.readable) bytes += chunk.byteLength;
  return bytes;
};

export default {
  fetch: () => new Response("no connection"),
  connect: (socket) => socket.readable.pipeTo(socket.writable),
};
export const none = { fetch: () => new Response("none") };
export const throws = {
  connect() {
    throw new TypeError("no way");
  },
};
export const throwsLater = {
  async connect(socket) {
    const writer = socket.writable.getWriter();
    await writer.write(enc("a"));
    throw new Error("later");
  },
};
export const counts = {
  async connect(socket) {
    await write(socket, `got ${await count(socket)}`);
  },
};
export const returns = {
  async connect(socket) {
    const reader = socket.readable.getReader();
    await reader.read();
    const writer = socket.writable.getWriter();
    await writer.write(enc("returned"));
  },
};
export const closes = {
  async connect(socket) {
    const writer = socket.writable.getWriter();
    await writer.write(enc("a"));
    writer.releaseLock();
    await socket.close();
  },
};
export const tells = {
  async connect(socket, ...more) {
    const opened = await socket.opened;
    for (const name in opened) {
      if (opened[name].startsWith("127.0.0.1:")) opened[name] = "127.0.0.1:port";
    }
    let tls;
    try {
      tls = socket.startTls() && "begun";
    } catch (error) {
      tls = `${error.name}: ${error.message}`;
    }
    const { constructor, secureTransport, upgraded } = socket;
    await write(socket, JSON.stringify([more.length, constructor.name, secureTransport, upgraded, opened, tls]));
  },
};
export class Class extends WorkerEntrypoint {
  async connect(socket) {
    await write(socket, `class ${Object.keys(this.env).length}`);
  }
}
