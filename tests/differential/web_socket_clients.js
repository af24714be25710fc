// Workers as clients of WebSocket servers: of the test's own, whose path says what it does, and of another worker.
import { AsyncLocalStorage } from "node:async_hooks";

const at = (env, path) => `ws://${env.BACKEND}${path}`;
const thrown = (f) => { try { return f() ?? "nothing"; } catch (e) { return `${e.constructor.name} ${e.name}: ${e.message}`; } };
const rejected = async (promise) => { try { return (await promise) ?? "nothing"; } catch (e) { return `${e.constructor.name} ${e.name}: ${e.message}`; } };
const kind = (data) => (typeof data === "string" ? data : [data.constructor.name, data.byteLength ?? data.size]);
const shown = (e, socket) => {
  const about = { message: () => kind(e.data), close: () => [e.code, e.reason, e.wasClean], error: () => [e.message, String(e.error), e.error?.constructor.name] };
  return [e.type, e.constructor.name, socket.readyState, ...[about[e.type]?.() ?? []].flat()];
};
/** What a socket tells its listeners, up to its close, or the n-th event. The reference tells of a lost connection after it was closed. */
const told = (socket, count = Infinity, act = () => {}) =>
  new Promise((done) => {
    const log = [];
    const note = (e) => {
      log.push(shown(e, socket));
      act(e, log);
      if (e.type === "close" || log.length === count) done(log);
      // A close that follows comes in the same turn.
      else if (e.type === "error") setTimeout(done, 5, log);
    };
    for (const type of ["open", "message", "error", "close"]) socket.addEventListener(type, note);
  });
const opened = (socket) => new Promise((done, failed) => { socket.addEventListener("open", () => done(socket)); socket.addEventListener("error", (e) => failed(e.error ?? new Error(e.message))); });
const next = (socket, type = "message") => new Promise((done) => socket.addEventListener(type, done, { once: true }));
const upgrade = { headers: { Upgrade: "websocket" } };
const asked = async (env, path, init = upgrade) => {
  const { webSocket } = await fetch(`http://${env.BACKEND}${path}`, init);
  return webSocket;
};
const attributes = ({ url, protocol, extensions, readyState, bufferedAmount, binaryType }) => [url, protocol, extensions, readyState, bufferedAmount, binaryType];
const als = new AsyncLocalStorage();

const ANSWERS = [
  "status-200", "status-204", "status-400", "status-404", "status-500", "redirect", "wrong-accept", "no-accept", "no-upgrade", "other-upgrade",
  "unexpected-protocol", "unexpected-extension", "unexpected-deflate", "wrong-deflate", "hang-up", "no-http",
];
const ENDS = ["close", "close-1000", "close-1001-away", "close-4999-x", "drop", "reset", "reserved", "continuation"];

export default {
  // The constructor.
  "addresses that are none": () => ["", "x", "/x", "ws://", "ws:", "ws://a b/", "ws://a/#x", "ws://a/#", "ftp://a/", "http://a/#", "javascript:1", "ws://a:99999/", 5, null, undefined, {}].map((url) => thrown(() => new WebSocket(url) && "made")),
  ...Object.fromEntries([["bare", (h) => `ws://${h}`], ["upper case", (h) => `WS://${h}/echo`], ["dots", (h) => `ws://${h}/a/../b`], ["query", (h) => `ws://${h}/echo?x=y&z`], ["blank", (h) => `ws://${h}/echo?x=y z`], ["blanks around", (h) => ` ws://${h}/echo `], ["beyond ASCII", (h) => `ws://${h}/ü`], ["URL", (h) => new URL(`ws://${h}/object`)], ["user", (h) => `ws://u:p@${h}/headers`]].map(([name, url]) => [`an address: ${name}`, async (r, env) => { const socket = new WebSocket(url(env.BACKEND)); const seen = socket.url; return [seen, (await told(socket, 1))[0]]; }])),
  "http addresses": (r, env) => ["http", "https"].map((scheme) => thrown(() => { const socket = new WebSocket(`${scheme}://${env.BACKEND}/status-200`); socket.addEventListener("error", () => {}); return socket.url; })),
  "protocols that are none": (r, env) => ["", "a b", "a,b", "é", "a\n", [""], ["a", "a"], ["a", "b", "a"], ["a b"], [["a"]], [1, 1], Symbol.iterator].map((protocols) => thrown(() => new WebSocket(at(env, "/echo"), protocols) && "made")),
  ...Object.fromEntries(["one", ["one"], ["one", "two"], ["A", "a"], [], null, undefined, 5, [5], new Set(["s"]), { toString: () => "own" }].map((protocols, i) => [`protocols ${i}`, async (r, env) => { const socket = new WebSocket(at(env, "/headers"), protocols); const { data } = await next(socket); return [data, ...attributes(socket)]; }])),
  "attributes": async (r, env) => { const socket = new WebSocket(at(env, "/echo")); const seen = [attributes(socket)]; await opened(socket); seen.push(attributes(socket)); socket.send("x"); await next(socket); socket.close(1000); seen.push(attributes(socket)); await next(socket, "close"); seen.push(attributes(socket)); return seen; },
  "the protocol that was chosen": async (r, env) => { const socket = new WebSocket(at(env, "/protocol"), ["a", "b"]); await opened(socket); return attributes(socket); },
  "compression": async (r, env) => { const socket = new WebSocket(at(env, "/deflate")); await opened(socket); socket.send("x".repeat(1000)); return [...attributes(socket), (await next(socket)).data.length]; },
  "events": async (r, env) => { const socket = new WebSocket(at(env, "/echo")); return told(socket, Infinity, (e) => { if (e.type === "open") { socket.send("text"); socket.send(new Uint8Array(3)); } else if (e.data !== "text") socket.close(1000, "bye"); }); },
  "events as arraybuffer": async (r, env) => { const socket = new WebSocket(at(env, "/echo")); socket.binaryType = "arraybuffer"; return told(socket, 2, (e) => { if (e.type === "open") socket.send(new Uint8Array(3)); }); },
  "events as Blob": async (r, env) => { const socket = new WebSocket(at(env, "/echo")); socket.binaryType = "blob"; return told(socket, 2, (e) => { if (e.type === "open") socket.send(new Uint8Array(3)); }); },
  "handlers": async (r, env) => { const socket = new WebSocket(at(env, "/echo")); const log = []; socket.onopen = function (e) { log.push([e.type, this === socket, e.target === socket]); socket.send("x"); }; socket.onmessage = (e) => { log.push(e.data); socket.close(3000, "z"); }; return new Promise((done) => { socket.onclose = (e) => done([...log, e.code, e.reason]); socket.onerror = (e) => log.push(e.message); }); },
  "the event of an open": async (r, env) => { const e = await next(new WebSocket(at(env, "/echo")), "open"); return [e.type, e.constructor.name, e.isTrusted, e.bubbles, e.cancelable]; },
  "the event of a message": async (r, env) => { const socket = new WebSocket(at(env, "/headers")); const e = await next(socket); return [e.origin, e.lastEventId, e.source, e.ports, e.isTrusted, e.target === socket]; },
  "a listener of open that throws": async (r, env) => { const socket = new WebSocket(at(env, "/echo")); socket.addEventListener("open", () => { throw new TypeError("boom"); }); return told(socket, 2); },
  "a listener of a message that throws": async (r, env) => { const socket = new WebSocket(at(env, "/headers")); socket.addEventListener("message", () => { throw new TypeError("boom"); }); const log = []; for (const type of ["open", "message", "error", "close"]) socket.addEventListener(type, (e) => log.push(shown(e, socket))); await next(socket, "error"); return log; },
  "send before it is open": async (r, env) => { const socket = new WebSocket(at(env, "/echo")); const seen = [thrown(() => socket.send("early")), thrown(() => socket.send(new Uint8Array(1))), socket.bufferedAmount]; await opened(socket); socket.send("late"); return [...seen, (await next(socket)).data]; },
  "close with a wrong code before it is open": (r, env) => { const socket = new WebSocket(at(env, "/echo")); return thrown(() => socket.close(5)); },
  "accept of one": async (r, env) => { const socket = new WebSocket(at(env, "/echo")); const seen = thrown(() => socket.accept()); await opened(socket); return [seen, thrown(() => socket.accept({ allowHalfOpen: true }))]; },
  "an attachment of one": async (r, env) => { const socket = new WebSocket(at(env, "/echo")); socket.serializeAttachment({ a: 1 }); await opened(socket); return socket.deserializeAttachment(); },
  "a response with one": async (r, env) => { const socket = new WebSocket(at(env, "/echo")); const seen = thrown(() => new Response(null, { status: 101, webSocket: socket }).status); await opened(socket); return [seen, thrown(() => new Response(null, { status: 101, webSocket: socket }).status)]; },
  "send after close": async (r, env) => { const socket = await opened(new WebSocket(at(env, "/echo"))); socket.close(1000, "x"); return [thrown(() => socket.send("late")), thrown(() => socket.close()), socket.readyState]; },
  "send after both have closed": async (r, env) => { const socket = await opened(new WebSocket(at(env, "/echo"))); socket.close(); await next(socket, "close"); return [thrown(() => socket.send("late")), thrown(() => socket.close()), socket.readyState]; },
  "close without a code": async (r, env) => { const socket = await opened(new WebSocket(at(env, "/echo"))); const log = told(socket); socket.close(); return log; },
  "messages before a close": async (r, env) => { const socket = await opened(new WebSocket(at(env, "/echo"))); const log = told(socket); for (let i = 0; i < 5; i++) socket.send(String(i)); socket.close(4000, "after them"); return log; },
  "a long message": async (r, env) => { const socket = await opened(new WebSocket(at(env, "/echo"))); socket.send("x".repeat(3 << 20)); return (await next(socket)).data.length; },
  "a message at once with the handshake": async (r, env) => told(new WebSocket(at(env, "/greets")), 3),
  "microtasks between messages that came together": async (r, env) => { const socket = await asked(env, "/greets"); const log = []; socket.addEventListener("message", async ({ data }) => { log.push(data); queueMicrotask(() => log.push(`microtask of ${data}`)); await null; await null; log.push(`after ${data}`); }); socket.accept(); while (log.length < 6) await new Promise((done) => setTimeout(done, 1)); return log; },
  "a close between messages that came together": async (r, env) => { const socket = await asked(env, "/greets"); const log = told(socket, Infinity, (e) => e.type === "message" && socket.close(1000, e.data)); socket.accept(); return log; },
  "an error between messages that came together": async (r, env) => { const socket = await asked(env, "/greets"); const log = []; for (const type of ["message", "error", "close"]) socket.addEventListener(type, (e) => log.push(shown(e, socket))); socket.addEventListener("message", () => { throw new TypeError("boom"); }); socket.accept(); await next(socket, "error"); await new Promise((done) => setTimeout(done, 20)); return log; },
  "a listener that is added between messages that came together": async (r, env) => { const socket = await asked(env, "/greets"); const log = []; const late = (e) => log.push(["late", e.data]); socket.addEventListener("message", (e) => { log.push(e.data); socket.addEventListener("message", late); }); socket.accept(); while (log.length < 3) await new Promise((done) => setTimeout(done, 1)); return log; },
  "nobody listens": async (r, env) => told(new WebSocket("ws://127.0.0.1:1/"), 2),
  ...Object.fromEntries(ANSWERS.map((answer) => [`constructed, ${answer}`, async (r, env) => { const socket = new WebSocket(at(env, `/${answer}`)); const log = await told(socket, Infinity, (e) => e.type === "open" && socket.close(1000, "x")); return [log, attributes(socket).slice(1, 4), thrown(() => socket.send("x"))]; }])),
  ...Object.fromEntries(ENDS.map((end) => [`constructed, ${end}`, async (r, env) => { const socket = new WebSocket(at(env, `/${end}`)); const log = await told(socket); return [log, socket.readyState]; }])),
  "the server closes first, and no answer is sent": async (r, env) => { const socket = new WebSocket(at(env, "/close-1000")); await next(socket, "close"); return [socket.readyState, thrown(() => socket.close(1000, "x")), socket.readyState]; },

  // `fetch`.
  "a response": async (r, env) => { const response = await fetch(`http://${env.BACKEND}/echo`, upgrade); return [response.status, response.statusText, response.ok, response.body, response.url === `http://${env.BACKEND}/echo`, response.redirected, response.webSocket.constructor.name, response.webSocket === response.webSocket, [...response.headers].filter(([name]) => name !== "sec-websocket-accept" && name !== "date")]; },
  "its attributes": async (r, env) => { const socket = await asked(env, "/protocol", { headers: { Upgrade: "websocket", "Sec-WebSocket-Protocol": "b, a" } }); const seen = [attributes(socket)]; socket.accept(); seen.push(attributes(socket)); return seen; },
  "its events": async (r, env) => { const socket = await asked(env, "/echo"); const log = told(socket); socket.accept(); socket.send("text"); socket.send(new Uint8Array(3)); socket.close(1000, "bye"); return log; },
  "its events, half open": async (r, env) => { const socket = await asked(env, "/close-4999-x"); const log = told(socket); socket.accept({ allowHalfOpen: true }); await log; const seen = [socket.readyState, thrown(() => socket.send("still")), thrown(() => socket.close(1000, "x")), socket.readyState]; return [await log, ...seen]; },
  "its events, not half open": async (r, env) => { const socket = await asked(env, "/close-4999-x"); const log = told(socket); socket.accept({ allowHalfOpen: false }); await log; return [await log, socket.readyState, thrown(() => socket.send("still")), thrown(() => socket.close(1000, "x"))]; },
  "messages wait for accept": async (r, env) => { const socket = await asked(env, "/greets"); await new Promise((done) => setTimeout(done, 20)); const log = told(socket, 2); socket.accept(); return log; },
  "before accept": async (r, env) => { const socket = await asked(env, "/echo"); return [thrown(() => socket.send("x")), thrown(() => socket.close()), socket.readyState, thrown(() => socket.accept()), thrown(() => socket.accept())]; },
  "compression by its header": async (r, env) => { const response = await fetch(`http://${env.BACKEND}/deflate`, { headers: { Upgrade: "websocket", "Sec-WebSocket-Extensions": "permessage-deflate" } }); const socket = response.webSocket; socket.accept(); socket.send("x".repeat(1000)); return [response.headers.get("Sec-WebSocket-Extensions"), socket.extensions, (await next(socket)).data.length]; },
  ...Object.fromEntries([{}, { "Sec-WebSocket-Protocol": "a, b" }, { "Sec-WebSocket-Key": "mine", "Sec-WebSocket-Version": "7", Connection: "close", "X-Own": "1" }, { "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits" }, { "Sec-WebSocket-Extensions": "x-own" }, { Host: "other.test", "User-Agent": "own" }].map((headers, i) => [`headers of a request ${i}`, async (r, env) => { const socket = await asked(env, "/headers", { headers: { Upgrade: "websocket", ...headers } }); socket.accept(); return (await next(socket)).data; }])),
  ...Object.fromEntries(["WebSocket", "WEBSOCKET", "websocket, x", "h2c", ""].map((value) => [`Upgrade: ${value}`, async (r, env) => { const response = await fetch(`http://${env.BACKEND}/upgrade-or-200`, { headers: { Upgrade: value } }); return [response.status, response.webSocket === null]; }])),
  "another method": async (r, env) => rejected(fetch(`http://${env.BACKEND}/upgrade-or-200`, { ...upgrade, method: "POST" }).then((response) => [response.status, response.webSocket === null])),
  "a body": async (r, env) => rejected(fetch(`http://${env.BACKEND}/upgrade-or-200`, { ...upgrade, method: "POST", body: "x" }).then((response) => [response.status, response.webSocket === null])),
  "an address of a WebSocket": async (r, env) => rejected(fetch(at(env, "/echo"), upgrade).then((response) => response.status)),
  "redirects": async (r, env) => { const seen = []; for (const redirect of ["follow", "manual"]) seen.push(await rejected(fetch(`http://${env.BACKEND}/redirect`, { ...upgrade, redirect }).then((response) => [response.status, response.redirected, response.webSocket === null]))); return seen; },
  "a clone": async (r, env) => { const response = await fetch(`http://${env.BACKEND}/echo`, upgrade); return thrown(() => response.clone().status); },
  "its text": async (r, env) => { const response = await fetch(`http://${env.BACKEND}/echo`, upgrade); return rejected(response.text()); },
  "a response of the response": async (r, env) => { const response = await fetch(`http://${env.BACKEND}/echo`, upgrade); const other = new Response(response.body, response); return [other.status, other.webSocket === response.webSocket]; },
  "a signal that is aborted before": async (r, env) => rejected(fetch(`http://${env.BACKEND}/echo`, { ...upgrade, signal: AbortSignal.abort() })),
  "a signal that is aborted later": async (r, env) => { const controller = new AbortController(); const socket = await asked(env, "/echo", { ...upgrade, signal: controller.signal }); socket.accept(); controller.abort(); await new Promise((done) => setTimeout(done, 5)); return [thrown(() => socket.send("still")), socket.readyState]; },
  "nobody listens to fetch": () => rejected(fetch("http://127.0.0.1:1/", upgrade)),
  ...Object.fromEntries(ANSWERS.map((answer) => [`fetched, ${answer}`, async (r, env) => rejected(fetch(`http://${env.BACKEND}/${answer}`, upgrade).then(async (response) => { const socket = response.webSocket; const seen = [response.status, socket === null]; if (socket !== null) { socket.accept(); socket.send("x"); seen.push((await next(socket)).data); } else seen.push(response.statusText, [...response.headers].filter(([name]) => name !== "connection"), await response.text()); return seen; }))])),
  ...Object.fromEntries(ENDS.map((end) => [`fetched, ${end}`, async (r, env) => { const socket = await asked(env, `/${end}`); const log = told(socket); socket.accept(); return [await log, socket.readyState]; }])),
  "a Request": async (r, env) => { const request = new Request(`http://${env.BACKEND}/echo`, upgrade); const { webSocket } = await fetch(request); webSocket.accept(); webSocket.send("x"); return (await next(webSocket)).data; },

  // Another worker.
  "of a binding": async (r, env) => { const { status, webSocket } = await env.OTHER.fetch("http://other/echo", upgrade); const log = told(webSocket); webSocket.accept(); webSocket.send("text"); webSocket.send(new Uint8Array(3)); webSocket.close(1000, "bye"); return [status, await log]; },
  "of a binding, without asking for it": async (r, env) => rejected(env.OTHER.fetch("http://other/echo").then(({ status, webSocket }) => [status, webSocket === null])),
  "headers by a binding": async (r, env) => { const { headers, webSocket } = await env.OTHER.fetch("http://other/headers", { headers: { Upgrade: "websocket", "Sec-WebSocket-Protocol": "p", "X-Own": "1" } }); webSocket.accept(); return [(await next(webSocket)).data, [...headers].filter(([name]) => name !== "sec-websocket-accept"), webSocket.protocol]; },
  ...Object.fromEntries(["greets", "closes", "throws", "throws-later", "rejects", "closes-with-messages", "never-accepts", "other-status", "throws-first"].map((path) => [`the other worker ${path}`, async (r, env) => rejected(env.OTHER.fetch(`http://other/${path}`, upgrade).then(async ({ status, webSocket }) => { if (webSocket === null) return [status, "none"]; const log = told(webSocket, path === "greets" ? 2 : Infinity); webSocket.accept(); if (path === "never-accepts") { webSocket.send("x"); return [status, "sent"]; } if (path.startsWith("throws")) webSocket.send("x"); return [status, await log]; }))])),
  "what is passed on by the other worker": async (r, env) => { const { webSocket } = await env.OTHER.fetch("http://other/pass", upgrade); const log = told(webSocket); webSocket.accept(); webSocket.send("x"); webSocket.close(3000, "y"); return log; },
  "many of the other worker": async (r, env) => { const all = await Promise.all(Array.from({ length: 50 }, async (_, i) => { const { webSocket } = await env.OTHER.fetch("http://other/echo", upgrade); webSocket.accept(); webSocket.send(String(i)); const { data } = await next(webSocket); webSocket.close(); return data === String(i); })); return all.every(Boolean); },

  // Async context.
  "context of listeners": async (r, env) => { const log = []; const socket = als.run("made", () => new WebSocket(at(env, "/echo"))); als.run("listens", () => { for (const type of ["open", "message", "close"]) socket.addEventListener(type, () => log.push([type, als.getStore()])); }); als.run("handles", () => { socket.onmessage = () => log.push(["onmessage", als.getStore()]); }); await als.run("waits", () => opened(socket)); als.run("sends", () => socket.send("x")); await next(socket); als.run("closes", () => socket.close()); await next(socket, "close"); return log; },
  "context of a refusal": async () => { const log = []; const socket = als.run("made", () => new WebSocket("ws://127.0.0.1:1/")); for (const type of ["error", "close"]) socket.addEventListener(type, () => log.push([type, als.getStore()])); await next(socket, "close"); return log; },
  "context of a pair": async () => { const log = []; const [a, b] = als.run("made", () => Object.values(new WebSocketPair())); als.run("listens", () => b.addEventListener("message", () => log.push(als.getStore()))); als.run("accepts a", () => a.accept()); als.run("accepts b", () => b.accept()); als.run("sends", () => a.send("x")); await new Promise((done) => setTimeout(done, 5)); return log; },
  "context of fetch": async (r, env) => { const log = []; const socket = await als.run("fetches", () => asked(env, "/echo")); als.run("listens", () => socket.addEventListener("message", () => log.push(als.getStore()))); als.run("accepts", () => socket.accept()); als.run("sends", () => socket.send("x")); await next(socket); return log; },
  "context after a listener": async (r, env) => { const log = []; const socket = await asked(env, "/greets"); socket.addEventListener("message", async () => { als.enterWith?.("entered"); await null; log.push(als.getStore()); }); als.run("accepts", () => socket.accept()); await new Promise((done) => setTimeout(done, 50)); return log; },
};
