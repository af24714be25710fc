// The larger modules of Node's, of which some can do little yet: what each exports, and what is there of them.
import { answer } from "./show.js";
import crypto from "node:crypto";
import dns from "node:dns";
import net from "node:net";
import http from "node:http";
import http2 from "node:http2";
import tty from "node:tty";
import common from "node:_http_common";
import { parseUniqueHeadersOption } from "node:_http_outgoing";
import threads from "node:worker_threads";

const names = (
  "_http_agent _http_client _http_common _http_incoming _http_outgoing _http_server _stream_duplex _stream_passthrough _stream_readable " +
  "_stream_transform _stream_wrap _stream_writable _tls_common _tls_wrap crypto dns dns/promises fs fs/promises http http2 https net " +
  "stream stream/consumers stream/promises tls tty worker_threads zlib"
).split(" ");

/** A constant as it is; of a function whether it is a class, and of an object with functions in it what these are. */
const what = (value, depth = 2) => {
  if (typeof value === "function") return `${String(value).startsWith("class") ? "class" : "function"}/${value.length}`;
  if (value === null || typeof value !== "object") return typeof value === "symbol" ? String(value) : JSON.stringify(value);
  if (depth === 0) return "object";
  if (Array.isArray(value) || value instanceof RegExp) return value instanceof RegExp ? String(value) : value;
  return Object.getOwnPropertyNames(value).sort().map((key) => `${key}: ${what(value[key], depth - 1)}`);
};
/** The names of the classes that one extends. */
const ancestry = (value) => {
  const seen = [];
  for (let one = Object.getPrototypeOf(value.prototype ?? {}); one; one = Object.getPrototypeOf(one)) seen.push(one.constructor?.name);
  return seen;
};
/** What extends it can be made; what comes of making one is for when it can be. */
const extended = (value) => Object.getPrototypeOf(class extends value {}) === value;

const cases = [];
for (const name of names) {
  const module = await import(`node:${name}`);
  const { default: whole } = module;
  cases.push({ name: `${name} exports`, run: () => Object.keys(module).map((key) => [key, whole[key] === module[key]]) });
  cases.push({ name: `${name} default`, run: () => [typeof whole, Object.keys(whole).sort()] });
  for (const key of Object.keys(module)) {
    const value = module[key];
    // A global agent has what its class gives it, which is not there yet. What is global is another test's concern.
    if (key === "default" || key === "globalAgent" || ["CloseEvent", "MessageEvent", "WebSocket"].includes(key)) continue;
    cases.push({ name: `${name}.${key}`, run: () => what(value) });
    if (typeof value === "function" && (String(value).startsWith("class") || (/^[A-Z]/.test(key) && value.prototype))) {
      cases.push({ name: `${name}.${key} extended`, run: () => [extended(value), ancestry(value)] });
    }
  }
}

/** What a callback is given, and when. */
const called = async (run) => {
  const seen = [];
  const [error, value] = await new Promise((resolve) => {
    run((...args) => { seen.push("called"); resolve(args); });
    seen.push("returned");
  });
  return [seen, error, value];
};
/** A DOMException has other own properties in the reference. */
const quota = (run) => { try { return run(); } catch (error) { return [error.name, error.message]; } };
const isFilled = (bytes) => Array.from(new Uint8Array(bytes.buffer ?? bytes), (byte) => byte !== 0).some((set) => set);
const add = (...more) => cases.push(...more);
for (const size of [0, 8, -1, "8", 1.5, 2 ** 31, 2 ** 40, NaN]) {
  cases.push({ name: `randomBytes(${JSON.stringify(size)})`, run: () => { const given = crypto.randomBytes(size); return [given.constructor.name, given.length]; } });
}
add(
  () => isFilled(crypto.randomBytes(32)),
  async () => { const [seen, error, bytes] = await called((f) => crypto.randomBytes(4, f)); return [seen, error, bytes.length]; },
  () => crypto.randomBytes(4, "x"), () => crypto.randomBytes(-4, () => {}), () => crypto.pseudoRandomBytes === crypto.randomBytes,
  () => isFilled(crypto.randomFillSync(new Uint8Array(64))), () => quota(() => crypto.randomFillSync(new Uint8Array(70000))), () => quota(() => crypto.randomBytes(70000)),
  () => { const b = new Uint8Array(32); const r = crypto.randomFillSync(b, 16); return [r === b, r.length, b.subarray(0, 16), isFilled(b)]; },
  () => { const b = Buffer.from("abcd"); const r = crypto.randomFillSync(b, 2); return [r.constructor.name, r.length, r.buffer === b.buffer, b.toString().slice(0, 2)]; },
  () => { const b = new ArrayBuffer(32); const r = crypto.randomFillSync(b); return [r.constructor.name, r.length, isFilled(b)]; },
  () => { const b = new DataView(new ArrayBuffer(32)); const r = crypto.randomFillSync(b); return [r.constructor.name, isFilled(b)]; },
  () => { const b = new Uint16Array(4); const r = crypto.randomFillSync(b, 2); return [r.constructor.name, r.length, b[0], b[1]]; },
  () => { const b = new Uint16Array(4); const r = crypto.randomFillSync(b, 3, 2); return [r.byteOffset, r.length, b[0], b[2]]; },
  () => crypto.randomFillSync(new Uint8Array(8), 9).length, () => crypto.randomFillSync(new Uint8Array(8), 4, 5),
  () => crypto.randomFillSync("x"), () => crypto.randomFillSync(), () => crypto.randomFillSync([1]), () => quota(() => crypto.randomFillSync(new Float64Array(4))),
  () => crypto.randomFillSync(new SharedArrayBuffer(4)).constructor.name,
  () => crypto.randomFillSync(new Uint8Array(8), "1"), () => crypto.randomFillSync(new Uint8Array(8), 1, "1"),
  () => crypto.randomFillSync(new Uint8Array(8), -1), () => crypto.randomFillSync(new Uint8Array(8), 1.5),
  async () => { const b = new Uint8Array(32); const [seen, error, given] = await called((f) => crypto.randomFill(b, f)); return [seen, error, given === b, isFilled(b)]; },
  async () => { const b = new Uint8Array(8); const [, , given] = await called((f) => crypto.randomFill(b, 7, f)); return [given === b, b[0], b[6]]; },
  async () => { const b = new Uint8Array(8); const [, , given] = await called((f) => crypto.randomFill(b, 2, 1, f)); return [given === b, b[1], b[3]]; },
  async () => (await called((f) => crypto.randomFill(new ArrayBuffer(4), f)))[2].constructor.name,
  () => crypto.randomFill(new Uint8Array(4)), () => crypto.randomFill(new Uint8Array(4), 5, () => {}), () => crypto.randomFill("x", () => {}),
  () => crypto.randomFill(new Uint8Array(2), "x", () => {}), () => crypto.randomFill(new Uint8Array(2), 0, "x", () => {}),
  () => crypto.randomFill(new Uint8Array(2), 0, 3, () => {}), () => crypto.randomFill(new Uint16Array(4), 5, () => {}),
);
for (const args of [[1], [5, 6], [6, 5], [5, 5], [], ["x"], [1.5], [0, 2 ** 48], [-3, -2], [2 ** 60], [0], [-1], [3, "x"], [undefined, 3], [3, 4, "x"]]) {
  cases.push({ name: `randomInt(${args.map(String)})`, run: () => crypto.randomInt(...args) });
}
add(
  () => { const seen = new Set(); for (let i = 0; i < 400; i++) seen.add(crypto.randomInt(-2, 3)); return [...seen].sort(); },
  () => crypto.randomInt(0, 2 ** 48 - 1) >= 0, async () => await called((f) => crypto.randomInt(1, f)), async () => await called((f) => crypto.randomInt(3, 4, f)),
  () => /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/.test(crypto.randomUUID()), () => crypto.randomUUID({}).length,
  () => crypto.randomUUID({ disableEntropyCache: true }).length, () => crypto.randomUUID({ disableEntropyCache: 1 }),
  () => crypto.randomUUID(null), () => crypto.randomUUID("x"),
  () => crypto.timingSafeEqual(new Uint8Array(2), new Uint8Array(2)), () => crypto.timingSafeEqual(new Uint8Array(2), new Uint8Array(3)),
  () => crypto.timingSafeEqual("a", "a"), () => crypto.timingSafeEqual(new Uint8Array([1]), new Uint8Array([2])), () => crypto.timingSafeEqual(),
  () => crypto.webcrypto === globalThis.crypto, () => crypto.subtle === globalThis.crypto.subtle,
  () => crypto.getRandomValues(new Uint8Array(3)).length, () => crypto.getRandomValues.name, () => crypto.secureHeapUsed(), () => crypto.getFips(),
  () => crypto.setFips(true), () => crypto.setEngine(), () => crypto.createCipher(), () => new crypto.Cipher(),
  () => net.getDefaultAutoSelectFamily(), () => net.setDefaultAutoSelectFamily(true), () => net.setDefaultAutoSelectFamily(false),
  () => net.setDefaultAutoSelectFamily(1), () => net.getDefaultAutoSelectFamilyAttemptTimeout(),
);
for (const value of [50, 0, 5, "x", 1.5]) {
  cases.push({ name: `attempt timeout ${value}`, run: () => { net.setDefaultAutoSelectFamilyAttemptTimeout(value); return net.getDefaultAutoSelectFamilyAttemptTimeout(); } });
}
for (const text of [
  "1.2.3.4", "01.2.3.4", "1.2.3", "1.2.3.256", "1.2.3.4 ", "::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1::2::3", "::ffff:1.2.3.4",
  "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3.4", "::1%eth0", "::1%", "::1%a b", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8",
  "1::3:4:5:6:7:8", "1::2:3:4:5:6:7:8", "12345::", "g::", "", "0.0.0.0", "255.255.255.255", "fe80::1%1.2", "::1%a%b", ":1", "1:", ":::",
  "1.2.3.4::", "0:0:0:0:0:ffff:1.2.3.04", 5, null, undefined, { toString: () => "::1" }, "\n::1", "1.2.3.4\n", "00001::", "0001::", "1.2.3.4%a", "::%\u00e9", "::1:", ":1::", "1::1.2.3.4:1",
]) {
  cases.push({ name: `isIP ${typeof text} ${JSON.stringify(text)}`, run: () => [net.isIP(text), net.isIPv4(text), net.isIPv6(text)] });
}
add(
  () => dns.getDefaultResultOrder(), () => dns.setDefaultResultOrder("x"), () => dns.setDefaultResultOrder("ipv4first"),
  () => [dns.getDefaultResultOrder(), dns.promises.getDefaultResultOrder()], () => dns.promises.setDefaultResultOrder("verbatim"),
);
for (const name of ["", "a b", "ab", 5, "\u00e9", "a:b", undefined]) {
  cases.push({ name: `header name ${name}`, run: () => http.validateHeaderName(name) });
  cases.push({ name: `labelled header name ${name}`, run: () => http.validateHeaderName(name, "L") });
  cases.push({ name: `token ${name}`, run: () => common._checkIsHttpToken(name) });
}
for (const value of [undefined, "b\n", "\u0100", "\u00ff\t", 5, "\x7f", null, "", "a\0"]) {
  cases.push({ name: `header value ${JSON.stringify(value)}`, run: () => http.validateHeaderValue("a", value) });
  cases.push({ name: `invalid in value ${JSON.stringify(value)}`, run: () => common._checkInvalidHeaderChar(value) });
}
for (const value of [["a", "B"], [["a", "C"], "B"], "x", {}, undefined]) {
  cases.push({ name: `unique headers ${JSON.stringify(value)}`, run: () => [...(parseUniqueHeadersOption(value) ?? ["none"])] });
}
for (const value of [5, 0, "x", 1.5]) {
  cases.push({ name: `idle parsers ${value}`, run: () => { http.setMaxIdleHTTPParsers(value); return common.parsers.max; } });
}
add(
  () => http._connectionListener(), () => [http.CloseEvent === CloseEvent, http.WebSocket === WebSocket, http.MessageEvent === MessageEvent],
  () => [0, 1, "x", -1].map((fd) => tty.isatty(fd)),
  () => new http2.Http2ServerRequest(), () => new http2.Http2ServerResponse(), () => http2.connect(), () => http2.createServer(),
  () => http2.createSecureServer(), () => http2.performServerHandshake(), () => http2.getDefaultSettings(), () => http2.getPackedSettings(),
  () => http2.getUnpackedSettings(),
  () => new threads.Worker("x"), () => new threads.BroadcastChannel("x"), () => new (class extends threads.Worker {})(), () => threads.postMessageToThread(1),
  () => { threads.setEnvironmentData("a", 1); return threads.getEnvironmentData("a"); },
  () => { threads.setEnvironmentData("a", undefined); return threads.getEnvironmentData("a"); },
  () => { const object = {}; threads.markAsUntransferable(object); return threads.isMarkedAsUntransferable(object); }, () => threads.markAsUncloneable(5),
);

export default { fetch: () => answer(cases) };
