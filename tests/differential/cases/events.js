export default {
  "dispatch": () => { const t = new EventTarget(); const log = []; t.addEventListener("x", (e) => log.push(e.type, e.target === t, e.currentTarget === t, e.eventPhase)); return [t.dispatchEvent(new Event("x")), log]; },
  "order and duplicates": () => { const t = new EventTarget(); const log = []; const f = () => log.push("f"); t.addEventListener("x", f); t.addEventListener("x", f); t.addEventListener("x", () => log.push("g")); t.dispatchEvent(new Event("x")); return log; },
  "remove": () => { const t = new EventTarget(); const log = []; const f = () => log.push("f"); t.addEventListener("x", f); t.removeEventListener("x", f); t.dispatchEvent(new Event("x")); return log; },
  "once": () => { const t = new EventTarget(); let n = 0; t.addEventListener("x", () => n++, { once: true }); t.dispatchEvent(new Event("x")); t.dispatchEvent(new Event("x")); return n; },
  "signal": () => { const t = new EventTarget(); const c = new AbortController(); let n = 0; t.addEventListener("x", () => n++, { signal: c.signal }); t.dispatchEvent(new Event("x")); c.abort(); t.dispatchEvent(new Event("x")); return n; },
  "handler object": () => { const t = new EventTarget(); const log = []; t.addEventListener("x", { handleEvent(e) { log.push(e.type); } }); t.dispatchEvent(new Event("x")); return log; },
  "null listener": () => new EventTarget().addEventListener("x", null),
  "listener of a wrong type": () => new EventTarget().addEventListener("x", 5),
  "preventDefault": () => { const t = new EventTarget(); t.addEventListener("x", (e) => e.preventDefault()); return [t.dispatchEvent(new Event("x")), t.dispatchEvent(new Event("x", { cancelable: true }))]; },
  "passive": () => { const t = new EventTarget(); t.addEventListener("x", (e) => e.preventDefault(), { passive: true }); return t.dispatchEvent(new Event("x", { cancelable: true })); },
  "stopImmediatePropagation": () => { const t = new EventTarget(); const log = []; t.addEventListener("x", (e) => { log.push(1); e.stopImmediatePropagation(); }); t.addEventListener("x", () => log.push(2)); t.dispatchEvent(new Event("x")); return log; },
  "listener that throws": () => { const t = new EventTarget(); const log = []; t.addEventListener("x", () => { throw new RangeError("listener"); }); t.addEventListener("x", () => log.push("second")); try { log.push(t.dispatchEvent(new Event("x"))); } catch (e) { log.push(e); } return log; },
  "dispatch of no event": () => new EventTarget().dispatchEvent({}),
  "dispatch of nothing": () => new EventTarget().dispatchEvent(),
  "dispatch while dispatching": () => { const t = new EventTarget(); const log = []; t.addEventListener("x", (e) => { try { t.dispatchEvent(e); } catch (error) { log.push(error); } }); t.dispatchEvent(new Event("x")); return log; },
  "event properties": () => { const e = new Event("x", { bubbles: true, cancelable: true, composed: true }); return [e.type, e.bubbles, e.cancelable, e.composed, e.defaultPrevented, e.isTrusted, e.eventPhase, e.target, e.currentTarget, e.composedPath(), e.cancelBubble, e.returnValue, e.srcElement]; },
  "event without a type": () => new Event(),
  "event constants": () => [Event.NONE, Event.CAPTURING_PHASE, Event.AT_TARGET, Event.BUBBLING_PHASE, new Event("x").AT_TARGET],
  "composedPath while dispatching": () => { const t = new EventTarget(); let path; t.addEventListener("x", (e) => { path = e.composedPath().map((x) => x === t); }); t.dispatchEvent(new Event("x")); return path; },
  "custom event": () => [new CustomEvent("x", { detail: { a: 1 } }).detail, new CustomEvent("x").detail, new CustomEvent("x") instanceof Event],
  "message event": () => { const e = new MessageEvent("message", { data: [1] }); return [e.data, e.type]; },
  "error event": () => { const e = new ErrorEvent("error", { message: "m", error: 5 }); return [e.message, e.error, e.filename, e.lineno, e.colno]; },
  "close event": () => { const e = new CloseEvent("close", { code: 1000, reason: "r", wasClean: true }); return [e.code, e.reason, e.wasClean]; },
  "subclass": () => { class T extends EventTarget {} const t = new T(); let n = 0; t.addEventListener("x", () => n++); t.dispatchEvent(new Event("x")); return [n, t instanceof EventTarget]; },
  "global listeners": () => { let n = 0; const f = () => n++; addEventListener("own", f); dispatchEvent(new Event("own")); removeEventListener("own", f); dispatchEvent(new Event("own")); return n; },
  "members": () => [Object.getOwnPropertyNames(EventTarget.prototype).sort(), Object.getOwnPropertyNames(Event.prototype).sort()],
  "without new": () => EventTarget(),
  "tag": () => [Object.prototype.toString.call(new EventTarget()), Object.prototype.toString.call(new Event("x")), Object.prototype.toString.call(new CustomEvent("x"))],
  "dom exception": () => { const e = new DOMException("m", "AbortError"); return [e.name, e.message, e.code, e instanceof Error, DOMException.ABORT_ERR, Object.prototype.toString.call(e), String(e)]; },
  "dom exception defaults": () => { const e = new DOMException(); return [e.name, e.message, e.code, typeof e.stack]; },
  "dom exception codes": () => ["IndexSizeError", "NotFoundError", "NotSupportedError", "InvalidStateError", "SyntaxError", "DataCloneError", "TimeoutError", "QuotaExceededError", "EncodingError", "OperationError"].map((n) => new DOMException("", n).code),
  "reportError": () => { const log = []; const f = (e) => { log.push(e.type, e.message, e.error); e.preventDefault(); }; addEventListener("error", f); reportError(new RangeError("reported")); removeEventListener("error", f); return log; },
  "listener: usecapture true": () => new EventTarget().addEventListener("x", () => {}, true),
  "listener: capture true": () => new EventTarget().addEventListener("x", () => {}, { capture: true }),
  "listener: capture false": () => new EventTarget().addEventListener("x", () => {}, { capture: false }),
  "listener: usecapture false": () => new EventTarget().addEventListener("x", () => {}, false),
  "listener: usecapture num": () => new EventTarget().addEventListener("x", () => {}, 1),
  "listener: usecapture zero": () => new EventTarget().addEventListener("x", () => {}, 0),
  "listener: usecapture str": () => new EventTarget().addEventListener("x", () => {}, "a"),
  "listener: usecapture empty": () => new EventTarget().addEventListener("x", () => {}, ""),
  "listener: usecapture null": () => new EventTarget().addEventListener("x", () => {}, null),
  "listener: usecapture undef": () => new EventTarget().addEventListener("x", () => {}, undefined),
  "listener: usecapture fn": () => new EventTarget().addEventListener("x", () => {}, () => {}),
  "listener: usecapture arr": () => new EventTarget().addEventListener("x", () => {}, []),
  "listener: usecapture sym": () => new EventTarget().addEventListener("x", () => {}, Symbol("x")),
  "listener: usecapture big": () => new EventTarget().addEventListener("x", () => {}, 1n),
  "listener: capture num": () => new EventTarget().addEventListener("x", () => {}, { capture: 1 }),
  "listener: capture str": () => new EventTarget().addEventListener("x", () => {}, { capture: "a" }),
  "listener: capture null": () => new EventTarget().addEventListener("x", () => {}, { capture: null }),
  "listener: once num": () => new EventTarget().addEventListener("x", () => {}, { once: 1 }),
  "listener: once null": () => new EventTarget().addEventListener("x", () => {}, { once: null }),
  "listener: passive str": () => new EventTarget().addEventListener("x", () => {}, { passive: "1" }),
  "listener: signal null": () => new EventTarget().addEventListener("x", () => {}, { signal: null }),
  "listener: signal obj": () => new EventTarget().addEventListener("x", () => {}, { signal: {} }),
  "listener: signal undef": () => new EventTarget().addEventListener("x", () => {}, { signal: undefined }),
  "listener: opt order": () => (() => { const o = []; new EventTarget().addEventListener("x", () => {}, new Proxy({}, { get(t, k) { o.push(String(k)); } })); return o; })(),
  "listener: opt order rm": () => (() => { const o = []; new EventTarget().removeEventListener("x", () => {}, new Proxy({}, { get(t, k) { o.push(String(k)); } })); return o; })(),
  "listener: opt order null": () => (() => { const o = []; try { new EventTarget().addEventListener("x", null, new Proxy({}, { get(t, k) { o.push(String(k)); } })); } catch (e) { o.push(e) } return o; })(),
  "listener: rm true": () => new EventTarget().removeEventListener("x", () => {}, true),
  "listener: rm capture true": () => new EventTarget().removeEventListener("x", () => {}, { capture: true }),
  "listener: rm num": () => new EventTarget().removeEventListener("x", () => {}, 1),
  "listener: rm null": () => new EventTarget().removeEventListener("x", () => {}, null),
  "listener: rm str": () => new EventTarget().removeEventListener("x", () => {}, "x"),
  "listener: rm sym": () => new EventTarget().removeEventListener("x", () => {}, Symbol()),
  "listener: rm cb num": () => new EventTarget().removeEventListener("x", 5),
  "listener: rm cb null": () => new EventTarget().removeEventListener("x", null),
  "listener: rm cb str": () => new EventTarget().removeEventListener("x", "a"),
  "listener: rm cb obj": () => new EventTarget().removeEventListener("x", {}),
  "listener: cb obj empty": () => new EventTarget().addEventListener("x", {}),
  "listener: cb obj num": () => new EventTarget().addEventListener("x", { handleEvent: 5 }),
  "listener: cb obj null": () => new EventTarget().addEventListener("x", { handleEvent: null }),
  "listener: cb obj undef": () => new EventTarget().addEventListener("x", { handleEvent: undefined }),
  "listener: cb obj getter": () => (() => { let n = 0; const t = new EventTarget(); t.addEventListener("x", { get handleEvent() { n++; return () => {}; } }); const a = n; t.dispatchEvent(new Event("x")); t.dispatchEvent(new Event("x")); return [a, n]; })(),
  "listener: cb obj getter throws": () => new EventTarget().addEventListener("x", { get handleEvent() { throw new RangeError("g"); } }),
  "listener: cb obj replaced": () => (() => { let o = []; const t = new EventTarget(); const h = { handleEvent() { o.push(1); } }; t.addEventListener("x", h); h.handleEvent = () => o.push(2); t.dispatchEvent(new Event("x")); delete h.handleEvent; try { t.dispatchEvent(new Event("x")); } catch (e) { o.push(e); } return o; })(),
  "listener: cb array": () => new EventTarget().addEventListener("x", []),
  "listener: cb class": () => new EventTarget().addEventListener("x", class {}),
  "listener: cb proxy": () => new EventTarget().addEventListener("x", new Proxy({}, {})),
  "listener: cb num": () => new EventTarget().addEventListener("x", 5),
  "listener: cb str": () => new EventTarget().addEventListener("x", "a"),
  "listener: cb null": () => new EventTarget().addEventListener("x", null),
  "listener: cb undef": () => new EventTarget().addEventListener("x", undefined),
  "listener: cb bool": () => new EventTarget().addEventListener("x", true),
  "listener: cb none": () => new EventTarget().addEventListener("x"),
  "listener: none args": () => new EventTarget().addEventListener(),
  "listener: type num": () => (() => { const t = new EventTarget(); let n = 0; t.addEventListener(5, () => n++); t.dispatchEvent(new Event("5")); return n; })(),
  "listener: type obj": () => (() => { const t = new EventTarget(); let n = 0; t.addEventListener({ toString() { return "q"; } }, () => n++); t.dispatchEvent(new Event("q")); return n; })(),
  "listener: type sym": () => new EventTarget().addEventListener(Symbol("x"), () => {}),
  "listener: type null": () => (() => { const t = new EventTarget(); let n = 0; t.addEventListener(null, () => n++); t.dispatchEvent(new Event("null")); return n; })(),
  "listener: type undef": () => (() => { const t = new EventTarget(); let n = 0; t.addEventListener(undefined, () => n++); t.dispatchEvent(new Event("undefined")); return n; })(),
  "listener: type throws": () => new EventTarget().addEventListener({ toString() { throw new RangeError("t"); } }, () => {}),
  "listener: order type cb": () => new EventTarget().addEventListener({ toString() { throw new RangeError("t"); } }, 5),
  "listener: order cb opt": () => new EventTarget().addEventListener("x", 5, { get capture() { throw new RangeError("o"); } }),
  "listener: order cap once": () => new EventTarget().addEventListener("x", () => {}, { capture: true, get once() { throw new RangeError("once"); } }),
  "listener: global fetch capture": () => addEventListener("fetch", () => {}, true),
  "listener: aborted capture": () => new EventTarget().addEventListener("x", () => {}, { capture: true, signal: AbortSignal.abort() }),
  "rejections that are handled later": async () => {
    const log = [];
    const unhandled = (event) => { log.push(`unhandled ${event.reason}`); event.preventDefault(); };
    const handled = (event) => log.push([event.type, event.reason, event.promise === late, event.cancelable, event.constructor.name]);
    addEventListener("unhandledrejection", unhandled);
    addEventListener("rejectionhandled", handled);
    const tick = () => new Promise((r) => setTimeout(r, 5));
    const late = Promise.reject("late");
    await tick();
    late.catch(() => log.push("caught"));
    await tick();
    Promise.reject("at once").catch(() => {});
    const soon = Promise.reject("soon");
    await null;
    soon.catch(() => {});
    await tick();
    const twice = Promise.reject("twice");
    await tick();
    twice.catch(() => {});
    twice.catch(() => {});
    await tick();
    removeEventListener("unhandledrejection", unhandled);
    removeEventListener("rejectionhandled", handled);
    return log;
  },
};
