// Workers speak WebSocket with two libraries, each as the client and as the server: `ws`, and `websockets` of Python.
//
// BULKHEAD_SUPERVISOR names the supervisor; the worker's program is beside it. `python3` has to find `websockets`, of which
// requirements.txt names the version.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import test, { after, before } from "node:test";
import { WebSocket, WebSocketServer } from "ws";

const { BULKHEAD_SUPERVISOR } = process.env;
assert(BULKHEAD_SUPERVISOR, "BULKHEAD_SUPERVISOR names the program to test");

const here = (name) => new URL(name, import.meta.url).pathname;
const LARGE = 8 << 20;

let port;
let server;
const ended = [];
before(async () => {
  const args = ["serve", here("config.capnp"), "--socket-addr=http=127.0.0.1:0", "--control-fd=3"];
  server = spawn(BULKHEAD_SUPERVISOR, args, { stdio: ["ignore", "inherit", "inherit", "pipe"] });
  for await (const line of createInterface({ input: server.stdio[3] })) {
    const said = JSON.parse(line);
    if (said.event === "listen") {
      port = said.port;
      break;
    }
  }
  assert(port, "it listens");
});
after(async () => {
  for (const end of ended) await end();
  server.kill("SIGKILL");
});

/** Every way to compress that both libraries have. `null`: none. */
const PARAMETERS = [
  null,
  {},
  { server_no_context_takeover: true },
  { client_no_context_takeover: true },
  { server_no_context_takeover: true, client_no_context_takeover: true },
  ...[9, 10, 11, 12, 13, 14, 15].map((bits) => ({ server_max_window_bits: bits })),
  ...[9, 10, 11, 12, 13, 14, 15].map((bits) => ({ client_max_window_bits: bits })),
  { server_max_window_bits: 9, client_max_window_bits: 9, server_no_context_takeover: true },
];
/** A way to compress as `ws` has it. */
const options = (parameters) => {
  if (parameters === null) return false;
  const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
  return { threshold: 0, ...Object.fromEntries(Object.entries(parameters).map(([name, value]) => [camel(name), value])) };
};
const shown = (parameters) => JSON.stringify(parameters);

const bytes = (length) => Buffer.from(new Uint8Array(length).map((_, i) => i * 7));
const MESSAGES = [
  "", "a", "κόσμε 😀", bytes(0), bytes(2), bytes(125), bytes(126), bytes(65535), bytes(65536), "ü".repeat(40_000), bytes(1 << 20),
  "tail ".repeat(30_000),
];

/** What is sent where it is compressed: twice, for there to be something to remember. */
const COMPRESSED = ["", "a", "κόσμε 😀", bytes(0), bytes(126), "ü".repeat(4000), bytes(40_000), "tail ".repeat(1000)];

// `ws` as the client.

const connect = async (perMessageDeflate = false, protocols = []) => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, protocols, { perMessageDeflate, maxPayload: LARGE });
  const received = [];
  const waiting = [];
  socket.on("message", (data, isBinary) => {
    const message = isBinary ? data : data.toString();
    if (waiting.length > 0) waiting.shift()(message);
    else received.push(message);
  });
  const next = () => (received.length > 0 ? received.shift() : new Promise((done) => waiting.push(done)));
  const closed = once(socket, "close").then(([code, reason]) => [code, reason.toString()]);
  await once(socket, "open");
  return { socket, next, closed };
};
const echoes = async ({ socket, next }, messages) => {
  for (const message of messages) socket.send(message);
  for (const message of messages) assert.deepEqual(await next(), message);
};
const ends = async (client, code = 1000, reason = "") => {
  client.socket.close(code, reason);
  assert.deepEqual(await client.closed, [code, reason]);
};

test("client ws: messages", async () => {
  const client = await connect();
  assert.equal(client.socket.extensions, "");
  await echoes(client, MESSAGES);
  await ends(client);
});

test("client ws: a large message", async () => {
  const client = await connect();
  await echoes(client, [bytes(LARGE)]);
  await ends(client);
});

test("client ws: fragments", async () => {
  for (const deflate of [false, { threshold: 0 }]) {
    const client = await connect(deflate);
    for (const [piece, fin] of [["fr", false], ["", false], ["agments ✓", true]]) client.socket.send(piece, { fin });
    assert.equal(await client.next(), "fragments ✓");
    for (const [length, fin] of [[1, false], [70_000, false], [0, true]]) client.socket.send(bytes(length), { fin });
    assert.deepEqual(await client.next(), Buffer.concat([bytes(1), bytes(70_000)]));
    await ends(client);
  }
});

test("client ws: pings", async () => {
  const client = await connect();
  for (const payload of ["", "payload", "x".repeat(125)]) {
    client.socket.ping(payload);
    const [pong] = await once(client.socket, "pong");
    assert.equal(pong.toString(), payload);
  }
  client.socket.pong("nobody has asked");
  await echoes(client, ["after"]);
  await ends(client);
});

test("client ws: subprotocols", async () => {
  const client = await connect(false, ["one", "two"]);
  assert.equal(client.socket.protocol, "two");
  await ends(client);
});

test("client ws: the client closes", async () => {
  for (const close of [[1000, ""], [1001, "away"], [3000, "x".repeat(123)], [4999, "grüße ✓"]]) await ends(await connect(), ...close);
  const client = await connect();
  client.socket.close();
  assert.deepEqual(await client.closed, [1005, ""]);
});

test("client ws: the worker closes", async () => {
  for (const [code, reason] of [[1000, ""], [1011, "broken"], [4000, "grüße ✓"]]) {
    const client = await connect();
    client.socket.send(`close ${code} ${reason}`);
    assert.deepEqual(await client.closed, [code, reason]);
  }
  const client = await connect();
  client.socket.send("close");
  assert.deepEqual(await client.closed, [1005, ""]);
});

for (const parameters of PARAMETERS.filter((parameters) => parameters !== null)) {
  test(`client ws: compressed ${shown(parameters)}`, async () => {
    const client = await connect(options(parameters));
    assert.equal(client.socket.extensions, "permessage-deflate");
    await echoes(client, [...COMPRESSED, ...COMPRESSED]);
    await ends(client);
  });
}

test("client ws: many at once", async () => {
  const clients = await Promise.all(Array.from({ length: 100 }, () => connect({ threshold: 0 })));
  await Promise.all(clients.map((client, number) => echoes(client, Array.from({ length: 20 }, (_, turn) => `${number}: ${turn}`))));
  await Promise.all(clients.map((client) => ends(client)));
});

// `websockets` as the client: one process has all conversations.

test("client websockets", async (context) => {
  const python = spawn("python3", [here("client.py"), String(port)], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  for await (const piece of python.stdout) text += piece;
  const results = Object.entries(JSON.parse(text));
  assert(results.length > 20);
  for (const [name, result] of results) await context.test(name, () => assert.equal(result, "ok"));
});

// As the server.

/** Servers of `ws`, one for each of [`PARAMETERS`]; gives their ports. */
const startWs = async () => {
  const servers = PARAMETERS.map((parameters) => {
    const handleProtocols = (offered) => [...offered].at(-1);
    return new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: options(parameters), maxPayload: LARGE, handleProtocols });
  });
  for (const server of servers) {
    ended.push(() => server.close());
    server.on("connection", (socket, { url }) => {
      if (url === "/ping") {
        socket.ping("are you there?");
        socket.once("pong", (payload) => socket.send(payload.toString() === "are you there?" ? "it is" : "it is not"));
      }
      socket.on("message", (data, binary) => {
        const text = binary ? undefined : data.toString();
        if (url === "/fragments") {
          for (let at = 0; at < data.length; at += 3) socket.send(data.subarray(at, at + 3), { binary, fin: at + 3 >= data.length });
        } else if (text?.startsWith("close ")) {
          const [, code, ...reason] = text.split(" ");
          socket.close(+code, reason.join(" "));
        } else socket.send(data, { binary });
      });
    });
    if (server.address() === null) await once(server, "listening");
  }
  return servers.map((server) => server.address().port);
};

/** The same of `websockets`. */
const startWebsockets = async () => {
  const python = spawn("python3", [here("server.py"), JSON.stringify(PARAMETERS)], { stdio: ["pipe", "pipe", "inherit"] });
  const exit = once(python, "exit");
  ended.push(async () => {
    python.stdin.end();
    await exit;
  });
  const [line] = await once(createInterface({ input: python.stdout }), "line");
  return JSON.parse(line);
};

/** Has the worker speak with a server. */
const converse = async (conversation) => {
  const response = await fetch(`http://127.0.0.1:${port}/connect`, { method: "POST", body: JSON.stringify(conversation) });
  assert.equal(response.status, 200, await response.clone().text());
  return response.json();
};
const made = ({ text, times = 1, bytes: length }) => (text === undefined ? bytes(length) : text.repeat(times));
const digest = (data) => {
  const hash = createHash("sha256").update(data).digest("hex");
  return `${typeof data === "string" ? "text" : "binary"} ${Buffer.byteLength(data)} ${hash}`;
};
const SENT = [
  ...["", "a", "κόσμε 😀"].map((text) => ({ text })),
  { text: "ü", times: 40_000 },
  { text: "tail ", times: 30_000 },
  ...[0, 2, 125, 126, 65535, 65536, 1 << 20].map((length) => ({ bytes: length })),
];
const SENT_COMPRESSED = [
  ...["", "a", "κόσμε 😀"].map((text) => ({ text })),
  { text: "ü", times: 4000 },
  { text: "tail ", times: 1000 },
  ...[0, 126, 40_000].map((length) => ({ bytes: length })),
];
const digests = (sent) => sent.map(made).map(digest);
const CLEAN = { code: 1000, reason: "enough", wasClean: true };

for (const [library, start] of [["ws", startWs], ["websockets", startWebsockets]]) {
  let ports;
  const ask = async (conversation, index = 0) => {
    ports ??= await start();
    const { path = "", ...rest } = conversation;
    const answers = await converse({ close: [1000, "enough"], ...rest, url: `ws://127.0.0.1:${ports[index]}/${path}` });
    return conversation.times === undefined ? answers[0] : answers;
  };
  for (const via of ["constructor", "fetch"]) {
    const name = `server ${library}, by ${via}`;

    test(`${name}: messages`, async () => {
      const { messages, close, extensions, protocol } = await ask({ via, send: SENT });
      // The constructor's are null in the reference.
      assert.deepEqual([extensions ?? "", protocol ?? ""], ["", ""]);
      assert.deepEqual(messages, digests(SENT));
      assert.deepEqual(close, CLEAN);
    });

    test(`${name}: a large message`, async () => {
      const send = [{ bytes: LARGE }];
      assert.deepEqual((await ask({ via, send })).messages, digests(send));
    });

    test(`${name}: fragments`, async () => {
      const send = [{ text: "fragments of any length ✓" }, { bytes: 1000 }];
      assert.deepEqual((await ask({ via, send, path: "fragments" })).messages, digests(send));
    });

    test(`${name}: pings`, async () => {
      assert.deepEqual((await ask({ via, path: "ping", expect: 1 })).messages, [digest("it is")]);
    });

    test(`${name}: subprotocols`, async () => {
      assert.equal((await ask({ via, protocols: ["one", "two"] })).protocol, "two");
    });

    test(`${name}: the worker closes`, async () => {
      for (const [code, reason] of [[1000, ""], [3000, "x".repeat(123)], [4999, "grüße ✓"]]) {
        assert.deepEqual((await ask({ via, close: [code, reason] })).close, { code, reason, wasClean: true });
      }
    });

    test(`${name}: the server closes`, async () => {
      for (const [code, reason] of [[1000, ""], [1011, "broken"], [4000, "grüße ✓"]]) {
        const answer = await ask({ via, send: [{ text: `close ${code} ${reason}` }], close: undefined });
        assert.deepEqual(answer.close, { code, reason, wasClean: true });
      }
    });

    test(`${name}: many at once`, async () => {
      const send = Array.from({ length: 20 }, (_, turn) => ({ text: `turn ${turn}` }));
      const answers = await ask({ via, send, times: 40 });
      assert.equal(answers.length, 40);
      for (const { messages, close } of answers) assert.deepEqual([messages, close], [digests(send), CLEAN]);
    });

    for (const [index, parameters] of PARAMETERS.entries()) {
      // The constructor does not offer to compress with another window; `ws` refuses a client that does not.
      const isOffered = via === "fetch" || parameters?.client_max_window_bits === undefined;
      if (parameters === null || (library === "ws" && !isOffered)) continue;
      test(`${name}: compressed ${shown(parameters)}`, async () => {
        const extensions = "permessage-deflate; client_max_window_bits";
        const send = [...SENT_COMPRESSED, ...SENT_COMPRESSED];
        const answer = await ask({ via, send, extensions }, index);
        if (isOffered) assert.match(answer.extensions, /permessage-deflate/);
        for (const [parameter, value] of Object.entries(isOffered ? parameters : {})) {
          assert(answer.extensions.includes(value === true ? parameter : `${parameter}=${value}`), answer.extensions);
        }
        assert.deepEqual(answer.messages, digests(send));
        assert.deepEqual(answer.close, CLEAN);
      });
    }
  }
}
