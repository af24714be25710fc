// The small modules `node:…`, as programs use them together.
import assert from "node:assert";
import EventEmitter, { on, once } from "node:events";
import { AsyncLocalStorage } from "node:async_hooks";
import { channel, tracingChannel } from "node:diagnostics_channel";
import { createRequire, isBuiltin } from "node:module";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import punycode from "node:punycode";
import querystring from "node:querystring";
import { StringDecoder } from "node:string_decoder";
import { mock } from "node:test";
import timers from "node:timers";
import { scheduler, setTimeout as sleep, setInterval as ticks } from "node:timers/promises";
import url from "node:url";
import util, { MIMEType } from "node:util";

export const emittersCallListenersInOrder = {
  test() {
    const seen = [];
    const emitter = new EventEmitter();
    emitter.on("x", (value) => seen.push(["first", value]));
    emitter.prependListener("x", (value) => seen.push(["before", value]));
    emitter.once("x", () => seen.push(["once"]));
    emitter.emit("x", 1);
    emitter.emit("x", 2);
    assert.deepStrictEqual(seen, [["before", 1], ["first", 1], ["once"], ["before", 2], ["first", 2]]);
  },
};

export const errorsWithoutListenersAreThrown = {
  test() {
    const emitter = new EventEmitter();
    assert.throws(() => emitter.emit("error", new RangeError("own")), RangeError);
    assert.throws(() => emitter.emit("error", 5), { code: "ERR_UNHANDLED_ERROR", context: 5 });
  },
};

export const eventsAreAwaited = {
  async test() {
    const emitter = new EventEmitter();
    timers.setTimeout(() => emitter.emit("ready", 1, 2), 1);
    assert.deepStrictEqual(await once(emitter, "ready"), [1, 2]);
    timers.setTimeout(() => emitter.emit("error", new Error("bad")), 1);
    await assert.rejects(once(emitter, "never"), /bad/);
  },
};

export const eventsAreIterated = {
  async test() {
    const emitter = new EventEmitter();
    timers.setTimeout(() => [1, 2, 3].forEach((value) => emitter.emit("x", value)), 1);
    const seen = [];
    for await (const [value] of on(emitter, "x")) {
      seen.push(value);
      if (value === 3) break;
    }
    assert.deepStrictEqual(seen, [1, 2, 3]);
    assert.strictEqual(emitter.listenerCount("x"), 0);
  },
};

export const rejectionsOfListenersAreErrors = {
  async test() {
    const emitter = new EventEmitter({ captureRejections: true });
    emitter.on("x", async () => {
      throw new Error("late");
    });
    const failed = once(emitter, "error");
    emitter.emit("x");
    assert.match((await failed)[0].message, /late/);
  },
};

export const processEmitsEvents = {
  async test() {
    assert(process instanceof EventEmitter);
    const told = once(process, "warning");
    process.emitWarning("careful", { code: "C1" });
    const [warning] = await told;
    assert.deepStrictEqual([warning.name, warning.message, warning.code], ["Warning", "careful", "C1"]);
  },
};

export const pathsInBothStyles = {
  test() {
    assert.strictEqual(path.join("/a", "..", "b", "c.txt"), "/b/c.txt");
    assert.strictEqual(path.win32.join("C:\\a", "..", "b"), "C:\\b");
    assert.strictEqual(path.relative("/a/b/c", "/a/d"), "../../d");
    assert.deepStrictEqual(path.parse("/a/b.c"), { root: "/", dir: "/a", base: "b.c", ext: ".c", name: "b" });
    assert(path.matchesGlob("a/b/c.js", "a/**/*.{js,ts}"));
  },
};

export const addressesAsTheyWere = {
  test() {
    const parsed = url.parse("http://u:p@example.com:8080/a?b=c#d", true);
    assert.strictEqual(parsed.auth, "u:p");
    assert.strictEqual(parsed.query.b, "c");
    assert.strictEqual(url.resolve("http://a/b/c/d", "../e"), "http://a/b/e");
    assert.strictEqual(url.fileURLToPath("file:///a%20b"), "/a b");
    assert.strictEqual(url.pathToFileURL("/a b").href, "file:///a%20b");
    assert.strictEqual(url.domainToUnicode("xn--bcher-kva.de"), "b\u00fccher.de");
    assert.strictEqual(punycode.encode("b\u00fccher"), "bcher-kva");
  },
};

export const queries = {
  test() {
    assert.strictEqual(querystring.stringify({ a: ["1", "x y"], b: true }), "a=1&a=x%20y&b=true");
    assert.deepStrictEqual({ ...querystring.parse("a=1&a=2&b+c=%e4") }, { a: ["1", "2"], "b c": "\ufffd" });
  },
};

export const textsInParts = {
  test() {
    const decoder = new StringDecoder("utf8");
    const bytes = Buffer.from("a\u20acb");
    let text = "";
    for (const byte of bytes) text += decoder.write(Buffer.from([byte]));
    assert.strictEqual(text + decoder.end(), "a\u20acb");
  },
};

export const timersAreObjects = {
  async test() {
    const seen = [];
    const timer = timers.setTimeout(() => seen.push("never"), 1);
    assert.strictEqual(typeof +timer, "number");
    assert(timer.unref().hasRef() === false);
    timers.clearTimeout(timer);
    assert.strictEqual(await sleep(2, "value"), "value");
    for await (const value of ticks(1, "tick")) {
      seen.push(value);
      if (seen.length === 2) break;
    }
    await scheduler.yield();
    assert.deepStrictEqual(seen, ["tick", "tick"]);
  },
};

export const immediatesFollowTimers = {
  async test() {
    const seen = [];
    await new Promise((resolve) => {
      timers.setTimeout(() => seen.push("timer"), 0);
      setImmediate(() => {
        seen.push("immediate");
        resolve();
      });
      queueMicrotask(() => seen.push("microtask"));
    });
    assert.deepStrictEqual(seen, ["microtask", "timer", "immediate"]);
  },
};

export const channelsTell = {
  async test() {
    const seen = [];
    channel("c").subscribe((message, name) => seen.push([message, name]));
    channel("c").publish(5);
    assert.deepStrictEqual(seen, [[5, "c"]]);
    const store = new AsyncLocalStorage();
    const tracing = tracingChannel("t");
    tracing.start.bindStore(store, ({ id }) => id);
    assert.strictEqual(await tracing.tracePromise(async () => store.getStore(), { id: 7 }), 7);
  },
};

export const mocksCount = {
  test() {
    const object = { add: (a, b) => a + b };
    const add = mock.method(object, "add", () => 42);
    assert.strictEqual(object.add(1, 2), 42);
    assert.deepStrictEqual(add.mock.calls[0].arguments, [1, 2]);
    add.mock.restore();
    assert.strictEqual(object.add(1, 2), 3);
  },
};

export const modulesAreRequired = {
  test() {
    const require = createRequire("/");
    assert.strictEqual(require("node:util"), util);
    assert(isBuiltin("node:path"));
    assert.throws(() => createRequire("relative"), { code: "ERR_INVALID_ARG_VALUE" });
    assert.strictEqual(os.EOL, "\n");
  },
};

export const mediaTypes = {
  test() {
    const type = new MIMEType("text/html; charset=\"utf-8\"");
    assert.strictEqual(`${type}`, "text/html;charset=utf-8");
    type.params.set("q", "a b");
    assert.strictEqual(type.params.get("q"), "a b");
    assert.throws(() => new MIMEType("nope"), TypeError);
  },
};

export const environmentsAndDifferences = {
  test() {
    assert.deepStrictEqual(util.parseEnv("A=1\nexport B='x y' # c"), { A: "1", B: "x y" });
    assert.deepStrictEqual(util.diff("ab", "ac"), [[0, "a"], [1, "b"], [-1, "c"]]);
    assert.strictEqual(util.getSystemErrorName(-2), "ENOENT");
    assert.strictEqual(util.inspect({ a: [1, "x"] }, { colors: true }), "{ a: [ \u001b[33m1\u001b[39m, \u001b[32m'x'\u001b[39m ] }");
    assert.strictEqual(util.inspect(new Proxy({ a: 1 }, {}), { showProxy: true }), "Proxy [ { a: 1 }, {} ]");
  },
};
