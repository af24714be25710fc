// Sends back what it is sent, and closes when it is told to. At `/connect` it is the client of another server, and answers with what
// it saw there.

const digest = async (data) => {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
  return `${typeof data === "string" ? "text" : "binary"} ${bytes.byteLength} ${hash}`;
};

const made = ({ text, times = 1, bytes }) => (text === undefined ? new Uint8Array(bytes).map((_, i) => i * 7) : text.repeat(times));

function answer(request) {
  const [client, server] = Object.values(new WebSocketPair());
  server.accept();
  server.binaryType = "arraybuffer";
  server.addEventListener("message", ({ data }) => {
    const [word, code, ...reason] = typeof data === "string" ? data.split(" ") : [];
    if (word === "close") server.close(code === undefined ? undefined : +code, code === undefined ? undefined : reason.join(" "));
    else server.send(data);
  });
  const headers = {};
  const protocols = request.headers.get("Sec-WebSocket-Protocol");
  if (protocols !== null) headers["Sec-WebSocket-Protocol"] = protocols.split(",").at(-1).trim();
  return new Response(null, { status: 101, webSocket: client, headers });
}

async function open(url, { via, protocols = [], extensions }) {
  if (via === "constructor") {
    const socket = new WebSocket(url, protocols);
    socket.binaryType = "arraybuffer";
    await new Promise((opened, failed) => {
      socket.addEventListener("open", opened);
      socket.addEventListener("error", ({ message }) => failed(new Error(message)));
    });
    return [socket, { protocol: socket.protocol, extensions: socket.extensions }];
  }
  const headers = { Upgrade: "websocket" };
  if (protocols.length > 0) headers["Sec-WebSocket-Protocol"] = protocols.join(", ");
  if (extensions !== undefined) headers["Sec-WebSocket-Extensions"] = extensions;
  const response = await fetch(url.replace(/^ws/, "http"), { headers });
  if (response.webSocket === null) throw new Error(`status ${response.status}`);
  response.webSocket.binaryType = "arraybuffer";
  response.webSocket.accept();
  const header = (name) => response.headers.get(name) ?? "";
  return [response.webSocket, { protocol: header("Sec-WebSocket-Protocol"), extensions: header("Sec-WebSocket-Extensions") }];
}

/** Sends, takes as many messages as it is told to, closes or waits for the other side to close. */
async function converse({ url, send = [], expect = send.length, close, ...options }) {
  const [socket, chosen] = await open(url, options);
  const messages = [];
  let enough;
  const all = new Promise((done) => (enough = done));
  const closed = new Promise((done) => socket.addEventListener("close", ({ code, reason, wasClean }) => done({ code, reason, wasClean })));
  socket.addEventListener("message", ({ data }) => messages.push(data) === expect && enough());
  if (expect === 0) enough();
  for (const message of send) socket.send(made(message));
  await Promise.race([all, closed]);
  if (close !== undefined) socket.close(...close);
  return { ...chosen, messages: await Promise.all(messages.map(digest)), close: await closed };
}

export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname !== "/connect") return answer(request);
    const { times = 1, ...conversation } = await request.json();
    return Response.json(await Promise.all(Array.from({ length: times }, () => converse(conversation))));
  },
};
