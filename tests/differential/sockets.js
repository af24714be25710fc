// What a worker sees of `connect()`: `GET /` lists the names, `GET /<name>?<port>,…` runs one before servers at these ports.
import { connect } from "cloudflare:sockets";

const enc = (text) => new TextEncoder().encode(text);
const dec = (bytes) => new TextDecoder().decode(bytes);
const settled = (promise) =>
  promise.then((value) => ({ value: value === undefined ? "undefined" : value }), (error) => `${error.name}: ${error.message}`);
const thrown = (f) => {
  try {
    return f();
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
};
const quiet = (socket) => {
  socket.opened.catch(() => {});
  socket.closed.catch(() => {});
  return socket;
};
const all = async (stream) => {
  let text = "";
  for await (const chunk of stream) text += dec(chunk);
  return text;
};
/** All that a handler says which is told nothing. */
const said = async (socket) => {
  socket.writable.close();
  return [await all(socket.readable), await settled(socket.closed)];
};
const ok = (f) => thrown(() => (quiet(f()), "ok"));
const read = async (reader) => {
  const { done, value } = await reader.read();
  return done ? "done" : dec(value);
};
/** Two connections of which what comes by one goes to the other, with what goes in and what comes out where both echo. */
const relay = async (from, to, options) => {
  for (const socket of [from, to]) await quiet(socket).opened;
  const piped = settled(from.readable.pipeTo(to.writable, options));
  return { from, to, piped, writer: from.writable.getWriter(), reader: to.readable.getReader() };
};
const echoes = (echo, options) => {
  const open = () => connect(`127.0.0.1:${echo}`, { allowHalfOpen: true });
  return relay(open(), open(), options);
};
/** Has several texts pass, one after the other: the later ones may go another way than the first. */
const pass = async ({ writer, reader }, ...texts) => {
  let seen = "";
  for (const text of texts) {
    await writer.write(enc(text));
    seen += await read(reader);
  }
  return seen;
};
const prevented = { preventClose: true, preventAbort: true, preventCancel: true };
const address = (value) => value.map((text) => [text, ok(() => connect(text))]);

const probes = {
  module: async () => {
    const { constructor } = quiet(connect("127.0.0.1:1"));
    const own = Object.entries(Object.getOwnPropertyDescriptors(constructor.prototype));
    return [
      connect.name, connect.length, constructor.name, constructor.length, typeof globalThis.Socket,
      own.map(([name, { enumerable, value, get }]) => [name, enumerable, typeof value, typeof get].join()).sort(),
      thrown(() => new constructor()), thrown(() => constructor.prototype.close.call({})),
      thrown(() => connect()), thrown(() => String(quiet(new connect("127.0.0.1:1")))),
    ];
  },
  texts: async () =>
    address([
      "127.0.0.1", "127.0.0.1:99999", "", "foo bar:80", ":80", "http://127.0.0.1:80", "127.0.0.1:80/x", "127.0.0.1:80?x",
      "u:p@127.0.0.1:80", "[::1]:1", "[::1:80", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:-1", "127.0.0.1:80#x", "ex_ample:80",
      "a..b:80", "127.0.0.1:65536", "%41:80",
    ]),
  objects: async () =>
    [
      {}, { hostname: "127.0.0.1" }, { hostname: "127.0.0.1", port: -1 }, { hostname: "127.0.0.1", port: 70000 },
      { hostname: "127.0.0.1", port: "1" }, { hostname: "127.0.0.1", port: 1.5 }, { hostname: "127.0.0.1", port: NaN },
      { hostname: "a b", port: 80 }, { hostname: "a/b", port: 80 }, null, undefined, 5, true, Symbol("x"),
    ].map((value) => ok(() => connect(value))),
  options: async () =>
    [
      null, undefined, 5, "x", { secureTransport: "x" }, { secureTransport: "" }, { secureTransport: null },
      { secureTransport: undefined }, { allowHalfOpen: "x" }, { highWaterMark: -1 }, { highWaterMark: "z" }, { highWaterMark: 0 },
      { highWaterMark: 1.5 }, { highWaterMark: 10 }, { useSecureTransport: true }, { secureTransport: "on" },
      { secureTransport: "starttls" },
    ].map((options) =>
      thrown(() => {
        const socket = quiet(connect("127.0.0.1:1", options));
        return [socket.secureTransport, socket.upgraded, socket.writable.getWriter().desiredSize];
      }),
    ),
  echo: async ({ echo }) => {
    const socket = connect(`127.0.0.1:${echo}`);
    const opened = await settled(socket.opened);
    opened.value.remoteAddress = opened.value.remoteAddress.replace(echo, "echo");
    const [writer, reader] = [socket.writable.getWriter(), socket.readable.getReader()];
    const seen = [opened, await settled(writer.write(enc("hi"))), await read(reader), await settled(writer.close())];
    return [...seen, await read(reader), await settled(socket.closed)];
  },
  an_object: async ({ echo }) => {
    const socket = connect({ hostname: "127.0.0.1", port: echo });
    const closed = socket.close();
    return [closed === socket.closed, await settled(closed), (await socket.opened).remoteAddress.replace(echo, "echo"), await settled(socket.close())];
  },
  chunks: async ({ echo }) => {
    const writer = connect(`127.0.0.1:${echo}`).writable.getWriter();
    const seen = [];
    for (const chunk of ["text", new ArrayBuffer(2), new Uint16Array([65]), new DataView(new ArrayBuffer(1)), undefined, new Uint8Array(0), 5]) {
      seen.push(await settled(writer.write(chunk)));
    }
    return seen;
  },
  after_a_wrong_chunk: async ({ echo }) => {
    const socket = connect(`127.0.0.1:${echo}`);
    const [writer, reader] = [socket.writable.getWriter(), socket.readable.getReader()];
    const written = [writer.write(enc("a")), writer.write({}), writer.write(enc("b"))].map(settled);
    const seen = [await Promise.all(written), writer.desiredSize, await settled(writer.ready)];
    let text = "";
    while (text.length < 2) text += await read(reader);
    return [...seen, text, await settled(writer.close()), await read(reader), await settled(socket.closed)];
  },
  a_wrong_chunk_of_a_pipe: async ({ echo }) => {
    const socket = connect(`127.0.0.1:${echo}`);
    const chunks = new ReadableStream({ start(c) { c.enqueue(enc("a")); c.enqueue({}); c.enqueue(enc("b")); c.close(); } });
    const piped = await settled(chunks.pipeTo(socket.writable, { preventAbort: true }));
    return [piped, await settled(socket.close())];
  },
  high_water_mark: async ({ echo }) => {
    const writer = connect(`127.0.0.1:${echo}`, { highWaterMark: 10 }).writable.getWriter();
    const before = writer.desiredSize;
    writer.write(enc("abc"));
    return [before, writer.desiredSize];
  },
  a_pipe: async ({ echo }) => {
    const socket = connect(`127.0.0.1:${echo}`);
    const piped = new Blob(["hello ", "world"]).stream().pipeTo(socket.writable);
    return [await all(socket.readable), await settled(piped), await settled(socket.closed)];
  },
  a_response: async ({ ends }) => new Response(connect(`127.0.0.1:${ends}`).readable).text(),
  into_own_buffers: async ({ greets }) => {
    const reader = connect(`127.0.0.1:${greets}`).readable.getReader({ mode: "byob" });
    return [dec((await reader.read(new Uint8Array(3))).value), dec((await reader.read(new Uint8Array(9))).value)];
  },
  refused: async ({ refuses }) => {
    const socket = connect(`127.0.0.1:${refuses}`);
    return [
      await settled(socket.opened), await settled(socket.closed), await read(socket.readable.getReader()),
      await settled(socket.writable.getWriter().write(enc("x"))), await settled(socket.close()),
    ];
  },
  denied: async ({ echo }) => {
    const seen = [];
    for (const host of ["127.0.0.2", "[::1]", "10.0.0.1"]) seen.push(await settled(connect(`${host}:${echo}`).opened));
    return seen;
  },
  no_such_name: async () => settled(connect("no-such-name.invalid:80").opened),
  closed_by_us: async ({ greets }) => {
    const socket = connect(`127.0.0.1:${greets}`);
    const reader = socket.readable.getReader();
    const seen = [await read(reader)];
    const pending = settled(reader.read());
    seen.push(await settled(socket.close()), await pending, await settled(socket.closed));
    return [...seen, await settled(socket.writable.getWriter().write(enc("x"))), await settled(reader.read())];
  },
  closed_beneath_a_reader: async ({ greets }) => {
    const socket = connect(`127.0.0.1:${greets}`);
    const [reader, writer] = [socket.readable.getReader(), socket.writable.getWriter()];
    const seen = [await read(reader)];
    const [pending, closed] = [settled(reader.read()), settled(reader.closed)];
    seen.push(await settled(socket.close()), await pending, await closed, await settled(reader.closed), await settled(writer.closed));
    return [...seen, await settled(reader.read()), await settled(writer.write(enc("x")))];
  },
  closed_after_writes: async ({ counts }) => {
    const socket = connect(`127.0.0.1:${counts}`);
    const writer = socket.writable.getWriter();
    const written = settled(writer.write(enc("zz")));
    return [await settled(socket.close()), await written, await settled(writer.closed)];
  },
  ended_by_them: async ({ ends }) => {
    const socket = connect(`127.0.0.1:${ends}`);
    const seen = [await all(socket.readable), await settled(socket.closed)];
    const writer = socket.writable.getWriter();
    return [...seen, await settled(writer.write(enc("x"))), await settled(writer.closed)];
  },
  half_open: async ({ ends }) => {
    const socket = connect(`127.0.0.1:${ends}`, { allowHalfOpen: true });
    const seen = [await all(socket.readable)];
    const writer = socket.writable.getWriter();
    return [...seen, await settled(writer.write(enc("x"))), await settled(writer.close()), await settled(socket.close())];
  },
  ended_by_us: async ({ counts }) => {
    const socket = connect(`127.0.0.1:${counts}`);
    const writer = socket.writable.getWriter();
    const seen = [await settled(writer.write(enc("abc"))), await settled(writer.close())];
    return [...seen, await all(socket.readable), await settled(socket.closed)];
  },
  reset: async ({ resets }) => {
    const socket = connect(`127.0.0.1:${resets}`);
    const writer = socket.writable.getWriter();
    await writer.write(enc("x"));
    return [await settled(socket.readable.getReader().read()), await settled(socket.closed), await settled(writer.write(enc("x")))];
  },
  written_after_a_reset: async ({ resets }) => {
    const socket = connect(`127.0.0.1:${resets}`);
    const writer = socket.writable.getWriter();
    await writer.write(enc("x"));
    const seen = [await settled(socket.readable.getReader().read()), await settled(socket.closed), await settled(writer.write(enc("x")))];
    return [...seen, await settled(writer.write(enc("x"))), await settled(writer.close()), await settled(writer.closed)];
  },
  a_cancelled_reader: async ({ echo }) => {
    const socket = connect(`127.0.0.1:${echo}`);
    return [await settled(socket.readable.cancel("why")), await settled(socket.writable.getWriter().write(enc("x")))];
  },
  an_aborted_writer: async ({ greets }) => {
    const socket = connect(`127.0.0.1:${greets}`);
    const reader = socket.readable.getReader();
    return [await settled(socket.writable.abort(new Error("why"))), await read(reader)];
  },
  tls_that_is_not_asked_for: async ({ echo }) => [
    thrown(() => connect(`127.0.0.1:${echo}`).startTls()),
    thrown(() => quiet(connect(`127.0.0.1:${echo}`, { secureTransport: "on" })).startTls()),
  ],
  tls_with_a_server_that_speaks_none: async ({ greets }) => {
    const socket = connect(`127.0.0.1:${greets}`, { secureTransport: "on" });
    return [await settled(socket.opened), await settled(socket.closed)];
  },
  tls_twice: async ({ greets }) => {
    const socket = connect(`127.0.0.1:${greets}`, { secureTransport: "starttls" });
    await socket.opened;
    const secure = quiet(socket.startTls());
    const seen = [socket.upgraded, secure.upgraded, socket.secureTransport, secure.secureTransport, socket === secure];
    return [...seen, thrown(() => socket.startTls()), thrown(() => secure.startTls()), await settled(socket.closed)];
  },
  tls_options: async ({ greets }) =>
    [null, undefined, 5, "x", {}, { expectedServerHostname: 5 }].map((options) => {
      const socket = quiet(connect(`127.0.0.1:${greets}`, { secureTransport: "starttls" }));
      return ok(() => socket.startTls(options));
    }),
  tls: async ({ tls }) => {
    const socket = connect(`localhost:${tls}`, { secureTransport: "on" });
    const [writer, reader] = [socket.writable.getWriter(), socket.readable.getReader()];
    await writer.write(enc("hi"));
    const seen = [await read(reader), socket.upgraded];
    return [...seen, await settled(socket.close())];
  },
  tls_by_address: async ({ tls }) => settled(connect(`127.0.0.1:${tls}`, { secureTransport: "on" }).opened.then(() => "opened")),
  tls_of_another: async ({ other }) => settled(connect(`localhost:${other}`, { secureTransport: "on" }).opened),
  an_external_server: async (_, env) => {
    const socket = env.EXTERNAL.connect("whatever:1");
    const writer = socket.writable.getWriter();
    const seen = [await settled(socket.opened), await settled(writer.write(enc("yo"))), await read(socket.readable.getReader())];
    return [...seen, await settled(socket.close()), await settled(env.EXTERNAL.fetch("http://x/"))];
  },
  an_external_server_by_tls: async (_, env) => {
    const seen = [];
    for (const name of ["SECURE", "SECURE_BY_NAME"]) {
      const socket = env[name].connect("whatever:1");
      const writer = socket.writable.getWriter();
      seen.push(await settled(socket.opened), socket.secureTransport, await settled(writer.write(enc("yo"))), await read(socket.readable.getReader()));
    }
    return [...seen, await settled(env.SECURE_BY_WRONG_NAME.connect("whatever:1").opened)];
  },
  no_tls_with_an_external_server: async (_, env) => {
    const socket = env.EXTERNAL.connect("whatever:1", { secureTransport: "starttls" });
    await socket.opened;
    return settled(quiet(socket.startTls()).opened);
  },
  a_proxy: async (_, env) => {
    const socket = env.PROXY.connect("foo.example:443");
    const writer = socket.writable.getWriter();
    const seen = [await settled(socket.opened), await settled(writer.write(enc("yo")))];
    const reader = socket.readable.getReader();
    let text = "";
    while (!text.includes("yo")) text += await read(reader);
    return [...seen, text];
  },
  no_proxy: async (_, env) => settled(env.HTTP.connect("foo.example:443").opened),
  a_binding: async (_, env) => [
    env.ECHO.connect.length, thrown(() => env.ECHO.connect()), thrown(() => env.ECHO.connect("whatever")),
    thrown(() => env.ECHO.connect("a:1", 5)),
  ],
  another_worker: async (_, env) => {
    const socket = env.ECHO.connect("abc.example:123");
    const [writer, reader] = [socket.writable.getWriter(), socket.readable.getReader()];
    const seen = [await settled(socket.opened)];
    const written = writer.write(enc("yo"));
    seen.push(await read(reader), await settled(written), await settled(writer.close()), await read(reader));
    return [...seen, await settled(socket.closed)];
  },
  a_class: async (_, env) => said(env.CLASS.connect("abc.example:1")),
  one_that_answers_after_the_end: async (_, env) => {
    const socket = env.COUNTS.connect("abc.example:1");
    const writer = socket.writable.getWriter();
    writer.write(enc("12345"));
    writer.close();
    return [await all(socket.readable), await settled(socket.closed)];
  },
  one_that_throws: async (_, env) => {
    const socket = env.THROWS.connect("abc.example:1");
    return [await settled(socket.opened), await all(socket.readable), await settled(socket.closed)];
  },
  one_that_takes_none: async (_, env) => {
    const socket = env.NONE.connect("abc.example:1");
    return [await settled(socket.opened), await settled(socket.closed), await all(socket.readable)];
  },
  relay: async ({ echo }) => {
    const relayed = await echoes(echo);
    const seen = [await pass(relayed, "a", "b", "c"), await settled(relayed.writer.close()), await relayed.piped];
    return [...seen, await read(relayed.reader), relayed.from.readable.locked, relayed.to.writable.locked];
  },
  relay_that_does_not_close: async ({ echo }) => {
    const relayed = await echoes(echo, { preventClose: true });
    const seen = [await pass(relayed, "a", "b", "c"), await settled(relayed.writer.close()), await relayed.piped];
    const writer = relayed.to.writable.getWriter();
    seen.push(await settled(writer.write(enc("by hand"))), await read(relayed.reader));
    return [...seen, await settled(writer.close()), await read(relayed.reader)];
  },
  relays_one_after_the_other: async ({ echo }) => {
    const one = await echoes(echo, { preventClose: true });
    const seen = [await pass(one, "a", "b", "c"), await settled(one.writer.close()), await one.piped];
    const other = quiet(connect(`127.0.0.1:${echo}`));
    await other.opened;
    const piped = settled(other.readable.pipeTo(one.to.writable));
    const writer = other.writable.getWriter();
    seen.push(await pass({ writer, reader: one.reader }, "d", "e", "f"));
    return [...seen, await settled(writer.close()), await piped, await read(one.reader)];
  },
  relay_from_one_that_resets: async ({ echo, resets }) => {
    const relayed = await relay(connect(`127.0.0.1:${resets}`), connect(`127.0.0.1:${echo}`), prevented);
    await relayed.writer.write(enc("x"));
    const seen = [await relayed.piped, await settled(relayed.from.closed)];
    const writer = relayed.to.writable.getWriter();
    return [...seen, await settled(writer.write(enc("by hand"))), await read(relayed.reader)];
  },
  relay_to_one_that_resets: async ({ echo, resets }) => {
    const relayed = await relay(connect(`127.0.0.1:${echo}`), connect(`127.0.0.1:${resets}`), prevented);
    await relayed.writer.write(enc("x"));
    const seen = [await settled(relayed.reader.read())];
    // Who is gone is known when something was sent, at the latest.
    let over = false;
    relayed.piped.then(() => (over = true));
    while (!over) {
      await relayed.writer.write(enc("y"));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return [...seen, (await relayed.piped).split(":")[0], relayed.from.readable.locked];
  },
  relay_and_back: async ({ echo }, env) => {
    const open = () => env.ECHO.connect("abc.example:1");
    const [one, other] = [open(), open()];
    const piped = [settled(one.readable.pipeTo(other.writable)), settled(other.readable.pipeTo(one.writable, prevented))];
    await one.opened;
    const seen = [await Promise.race([...piped, new Promise((resolve) => setTimeout(resolve, 50, "goes on"))])];
    const socket = connect(`127.0.0.1:${echo}`);
    return [...seen, await settled(socket.close())];
  },
  relay_through_identity: async ({ echo }) => {
    const open = () => quiet(connect(`127.0.0.1:${echo}`));
    const [from, to] = [open(), open()];
    await from.opened;
    const piped = settled(from.readable.pipeThrough(new IdentityTransformStream()).pipeTo(to.writable));
    const [writer, reader] = [from.writable.getWriter(), to.readable.getReader()];
    return [await pass({ writer, reader }, "a", "b", "c"), await settled(writer.close()), await piped, await read(reader)];
  },
  relay_of_much: async ({ echo }) => {
    const relayed = await echoes(echo);
    const seen = [await pass(relayed, "a", "b", "c")];
    const much = new Uint8Array(1 << 20).map((_, i) => (i * 7 + (i >> 8)) & 255);
    const written = settled(relayed.writer.write(much).then(() => relayed.writer.close()));
    let [at, wrong] = [0, 0];
    for (;;) {
      const { done, value } = await relayed.reader.read();
      if (done) break;
      for (const byte of value) wrong += byte !== much[at++];
    }
    return [...seen, at, wrong, await written, await relayed.piped];
  },
  files: async (_, env) => settled(env.FILES.connect("abc.example:1").opened),
  tls_with_another_worker: async (_, env) => {
    const socket = env.ECHO.connect("abc.example:1", { secureTransport: "starttls" });
    await socket.opened;
    return [await settled(quiet(socket.startTls()).opened), await settled(socket.closed)];
  },
  one_of_another_request: async ({ echo }) => {
    if (globalThis.kept === undefined) {
      globalThis.kept = connect(`127.0.0.1:${echo}`);
      await kept.opened;
      return "kept";
    }
    const write = async () => kept.writable.getWriter().write(enc("x"));
    const pull = async () => kept.readable.getReader().read();
    return [await settled(write()), await settled(pull()), kept.upgraded];
  },
};

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const name = url.pathname.slice(1);
    if (name === "") return Response.json(Object.keys(probes));
    const seen = await settled(probes[name](Object.fromEntries(url.searchParams), env));
    return new Response(JSON.stringify(seen));
  },
};
