// What an EventSource is told, by name; the server answers by the path: see event_source.rs.
const bytes = (text) => new TextEncoder().encode(text);
const stream = (...chunks) => new ReadableStream({ start(c) { for (const chunk of chunks) c.enqueue(bytes(chunk)); c.close(); } });
const told = (error) => (error instanceof Error ? `${error.name}|${error.message}` : String(error));
/** What is told until the source is closed, or until there are as many lines as are wanted. */
const watch = async (source, { names = ["message"], lines = Infinity } = {}) => {
  const log = [];
  await new Promise((done) => {
    const note = (line) => { log.push(line); if (source.readyState === 2 || log.length >= lines) done(); };
    for (const name of names) source.addEventListener(name, (e) => note([name, e.constructor.name, e.data, e.lastEventId, e.origin, source.readyState]));
    source.addEventListener("open", (e) => note(["open", e.constructor.name, source.readyState]));
    source.addEventListener("error", (e) => note(["error", e.constructor.name, e.message, told(e.error), source.readyState]));
  });
  source.close();
  return [log, source.readyState];
};
const from = (text, options) => () => watch(EventSource.from(stream(text)), options);
const open = (path, options, init) => () => watch(new EventSource(`http://example.com/${path}`, init), options);
const hang = () => new EventSource("http://example.com/hang");
const attributes = (object) => Object.entries(Object.getOwnPropertyDescriptors(object)).map(([name, d]) => [name, "value" in d ? typeof d.value : `${typeof d.get} ${typeof d.set}`, d.writable, d.enumerable, d.configurable].join(" ")).sort();

const probes = {
  "where": () => [globalThis, Object.getPrototypeOf(globalThis)].map((o) => Object.hasOwn(o, "EventSource")),
  "constants": () => [EventSource.CONNECTING, EventSource.OPEN, EventSource.CLOSED, EventSource.prototype.OPEN],
  "prototype": () => attributes(EventSource.prototype),
  "constructor": () => attributes(EventSource).filter((member) => !/^(length|prototype|name) /.test(member)),
  "parent": () => [Object.getPrototypeOf(EventSource) === EventTarget, Object.getPrototypeOf(EventSource.prototype) === EventTarget.prototype],
  "from, a message": from("data: hello\n\n"),
  "from, lines": from("data: a\ndata: b\n\n"),
  "from, a name": from("event: x\ndata: 1\nid: 5\n\n", { names: ["x", "message"] }),
  "from, names of its own events": from("event: open\ndata: 1\n\nevent: error\ndata: 2\n\n"),
  "from, empty data": from("data\n\ndata\ndata\n\ndata:\n\n"),
  "from, empty name": from("event:\ndata: a\n\n", { names: ["", "message"] }),
  "from, U+0000 in an identifier": from("id: a\0b\ndata: x\n\n"),
  "from, identifiers": from("id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n"),
  "from, marks": from("\ufeffdata: a\n\n"),
  "from, two marks": from("\ufeff\ufeffdata: a\n\n"),
  "from, ends of lines": from("data: a\r\n\rdata:b\n\rdata: c\r\r"),
  "from, no end": from("data: a\n\ndata: b"),
  "from, text": () => watch(EventSource.from(new ReadableStream({ start(c) { c.enqueue("data: a\n\n"); c.close(); } }))),
  "from, body": () => watch(EventSource.from(new Response("data: a\n\n").body)),
  "from, breaks": () => watch(EventSource.from(new ReadableStream({ pull(c) { c.error(new RangeError("boo")); } }))),
  "from, breaks later": () => watch(EventSource.from(new ReadableStream({ async pull(c) { if (this.n) c.error(new RangeError("boo")); else { this.n = 1; c.enqueue(bytes("data: a\n\n")); await scheduler.wait(5); } } }, { highWaterMark: 0 }))),
  "from, properties": () => { const s = EventSource.from(stream("data: a\n\n")); return [s.url, s.withCredentials, s.readyState, s.onopen, s.onmessage, s.onerror, Object.prototype.toString.call(s), s instanceof EventSource, Object.getOwnPropertyNames(s)]; },
  "from, no stream": () => EventSource.from("x"),
  "from, nothing": () => EventSource.from(),
  "from, locked": () => { const s = stream("x"); s.getReader(); return EventSource.from(s); },
  "from, locks": () => { const s = stream("data: a\n\n"); EventSource.from(s); return s.locked; },
  "from, closed": async () => { const s = EventSource.from(stream("data: a\n\n")); s.close(); s.close(); let told = 0; s.onmessage = s.onerror = () => told++; await scheduler.wait(10); return [s.readyState, told]; },
  "from, many chunks, then closed": async () => { const s = EventSource.from(new ReadableStream({ async pull(c) { await scheduler.wait(1); c.enqueue(bytes("data: a\n\n")); } })); let n = 0; await new Promise((done) => { s.onmessage = () => { if (++n === 10) done(); }; }); s.close(); const then = n; await scheduler.wait(10); return n - then; },
  "from, closed by a listener": async () => { const s = EventSource.from(stream("data: a\n\ndata: b\n\n")); const log = []; s.onmessage = (e) => { log.push(e.data); s.close(); }; s.onerror = () => log.push("error"); await scheduler.wait(20); return log; },
  "from, cancels when closed": async () => { let cancelled = false; const s = EventSource.from(new ReadableStream({ pull: () => new Promise(() => {}), cancel() { cancelled = true; } })); s.close(); await scheduler.wait(10); return cancelled; },
  "from, a listener that throws": async () => { const s = EventSource.from(stream("data: a\n\ndata: b\n\n")); const log = []; s.onmessage = (e) => { log.push(e.data); throw new Error("thrown"); }; s.onerror = (e) => log.push([told(e.error), s.readyState]); await scheduler.wait(20); return log; },
  "from, 100000 characters": async () => { const [log] = await watch(EventSource.from(stream(`data: ${"x".repeat(100_000)}\n\n`)), { lines: 1 }); return log[0][2].length; },
  "handlers": () => { const s = EventSource.from(stream("data: a\n\n")); s.onmessage = 5; const first = s.onmessage; s.onmessage = null; const second = s.onmessage; const f = () => {}; s.onmessage = f; return [first, second, s.onmessage === f]; },
  "order of handlers": async () => { const s = EventSource.from(stream("data: a\n\n")); const log = []; s.addEventListener("message", () => log.push(1)); s.onmessage = () => log.push(2); s.addEventListener("message", () => log.push(3)); await scheduler.wait(10); return log; },
  "this of handlers": () => { const s = EventSource.from(stream("data: a\n\n")); return new Promise((done) => { s.onmessage = function () { done([this === s, this === globalThis]); }; }); },
  "dispatched by script": () => { const s = EventSource.from(stream()); let n = 0; s.onmessage = () => n++; s.dispatchEvent(new MessageEvent("message", { data: 1 })); s.close(); return n; },
  "message": async () => { const s = EventSource.from(stream("data: a\n\n")); const e = await new Promise((done) => { s.onmessage = done; }); return [e.isTrusted, e.source, e.ports, e.target === s, e.cancelable, e.bubbles]; },
  "error": async () => { const s = EventSource.from(stream()); const e = await new Promise((done) => { s.onerror = done; }); return [e.isTrusted, e.message, e.filename, e.lineno, e.colno, e.target === s]; },
  "open": async () => { const s = new EventSource("http://example.com/one"); const e = await new Promise((done) => { s.onopen = done; }); s.close(); return [e.isTrusted, e.type, Object.prototype.toString.call(e), Object.getPrototypeOf(Object.getPrototypeOf(e)) === Event.prototype, typeof OpenEvent]; },
  "new, nothing": () => new EventSource(),
  "new, no URL": () => new EventSource("nope"),
  "new, called": () => EventSource("http://example.com/"),
  "new, withCredentials": () => new EventSource("http://example.com/hang", { withCredentials: true }),
  "new, withCredentials that is no boolean": () => new EventSource("http://example.com/hang", { withCredentials: 1 }),
  "new, withCredentials false": () => { const s = new EventSource("http://example.com/hang", { withCredentials: false }); s.close(); return s.withCredentials; },
  "new, init a number": () => new EventSource("http://example.com/hang", 5),
  "new, init null": () => { const s = new EventSource("http://example.com/hang", null); s.close(); return s.url; },
  "new, URL": () => { const s = new EventSource(new URL("http://EXAMPLE.com/hang?x#y")); s.close(); return [s.url, s.readyState]; },
  "new, user": () => { const s = new EventSource("http://u:p@example.com/hang"); s.close(); return s.url; },
  "new, connecting": () => { const s = hang(); const state = s.readyState; s.close(); return [state, s.readyState]; },
  "new, ftp": () => watch(new EventSource("ftp://example.com/x")),
  "new, data": () => watch(new EventSource("data:text/event-stream,data:%20a%0A%0A"), { lines: 3 }),
  "new, fetcher": (env) => watch(new EventSource("http://example.com/one", { fetcher: env.ORIGIN }), { lines: 2 }),
  "new, no fetcher": () => new EventSource("http://example.com/one", { fetcher: {} }),
  "one": open("one", { lines: 3 }),
  "one, connected again": open("one", { lines: 5 }),
  "asks for a short time": open("retry", { lines: 9 }),
  "redirect": open("redirect", { lines: 2 }),
  "parameters of the type": open("parameters", { lines: 2 }),
  "capitals in the type": open("capitals", { lines: 2 }),
  "gzip": open("gzip", { lines: 2 }),
  "201": open("s201", { lines: 2 }),
  "204, again": open("s204"),
  ...Object.fromEntries(["s400", "s404", "s429", "s500", "s503", "html", "json", "untyped", "close", "garbage"].map((path) => [path, open(path)])),
  "nothing at all": open("empty", { lines: 2 }),
  "closed at once": async () => { const s = new EventSource("http://example.com/one"); s.close(); let told = 0; s.onopen = s.onerror = s.onmessage = () => told++; await scheduler.wait(20); return [s.readyState, told]; },
  "left": () => { hang(); return "left"; },
  "kept": () => { globalThis.kept = EventSource.from(stream("data: a\n\n")); return globalThis.kept.readyState; },
  "another's": () => { globalThis.kept.close(); return globalThis.kept.readyState; },
  "at start": () => globalThis.atStart,
};
globalThis.atStart = [() => EventSource.from(stream()), () => new EventSource("http://example.com/")].map((make) => { try { return make().readyState; } catch (error) { return told(error); } });

export default {
  async fetch(incoming, env) {
    const path = new URL(incoming.url).pathname;
    if (path === "/names") return Response.json(Object.keys(probes));
    const run = Object.values(probes)[Number(path.slice(1))];
    const seen = await (async () => run(env))().catch((error) => `thrown: ${told(error)}`);
    return new Response(JSON.stringify(seen) ?? "undefined");
  },
};
