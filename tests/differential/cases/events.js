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
