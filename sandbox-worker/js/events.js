// Events, abort signals and DOMException: DOM Standard section 2 and section 3, Web IDL section 4.3, HTML "reporting exceptions".
(function (internal) {
  "use strict";
  const {
    FunctionPrototypeApply, defineProperty, setPrototypeOf, isObject, illegalConstructor, illegalInvocation,
    notOfType, constructorNotOfType, fieldNotOfType, toDOMString, toUSVString, shape, defineConstants, uncurryThis,
    withoutObjectPrototype, adorn, carried,
  } = internal.primordials;
  const TypeErrorConstructor = TypeError;
  const ErrorConstructor = Error;
  const { captureStackTrace } = Error;
  const WeakRefConstructor = WeakRef;
  const WeakRefDeref = uncurryThis(WeakRef.prototype.deref);
  const SymbolIterator = Symbol.iterator;
  const globalObject = globalThis;

  // ---------------------------------------------------------------------------------------------- DOMException

  const codes = {
    __proto__: null, IndexSizeError: 1, HierarchyRequestError: 3, WrongDocumentError: 4, InvalidCharacterError: 5,
    NoModificationAllowedError: 7, NotFoundError: 8, NotSupportedError: 9, InUseAttributeError: 10, InvalidStateError: 11,
    SyntaxError: 12, InvalidModificationError: 13, NamespaceError: 14, InvalidAccessError: 15, TypeMismatchError: 17,
    SecurityError: 18, NetworkError: 19, AbortError: 20, URLMismatchError: 21, QuotaExceededError: 22, TimeoutError: 23,
    InvalidNodeTypeError: 24, DataCloneError: 25,
  };
  let isDOMException;
  let exceptionText;
  class DOMException {
    #message;
    #name;
    #cause;
    constructor(message = "", options = "Error") {
      this.#message = toDOMString(message);
      if (isObject(options)) {
        // The reference and Node.js take { name, cause } too.
        const { name, cause } = options;
        this.#name = name === undefined ? "Error" : toDOMString(name);
        if ("cause" in options) {
          defineProperty(this, "cause", { __proto__: null, value: cause, writable: true, configurable: true });
        }
      } else {
        this.#name = toDOMString(options);
      }
      if (captureStackTrace !== undefined) captureStackTrace(this, DOMException);
    }
    static {
      isDOMException = (value) => isObject(value) && #name in value;
      exceptionText = (value) => {
        if (!isDOMException(value)) return undefined;
        if (value.#name === "" || value.#message === "") return value.#name || value.#message || "DOMException";
        return `${value.#name}: ${value.#message}`;
      };
    }
    get name() {
      if (!(#name in this)) throw illegalInvocation();
      return this.#name;
    }
    get message() {
      if (!(#name in this)) throw illegalInvocation();
      return this.#message;
    }
    get code() {
      if (!(#name in this)) throw illegalInvocation();
      return codes[this.#name] ?? 0;
    }
  }
  shape(DOMException, "DOMException");
  setPrototypeOf(DOMException.prototype, ErrorConstructor.prototype);
  defineConstants(DOMException, {
    __proto__: null, INDEX_SIZE_ERR: 1, DOMSTRING_SIZE_ERR: 2, HIERARCHY_REQUEST_ERR: 3, WRONG_DOCUMENT_ERR: 4,
    INVALID_CHARACTER_ERR: 5, NO_DATA_ALLOWED_ERR: 6, NO_MODIFICATION_ALLOWED_ERR: 7, NOT_FOUND_ERR: 8,
    NOT_SUPPORTED_ERR: 9, INUSE_ATTRIBUTE_ERR: 10, INVALID_STATE_ERR: 11, SYNTAX_ERR: 12, INVALID_MODIFICATION_ERR: 13,
    NAMESPACE_ERR: 14, INVALID_ACCESS_ERR: 15, VALIDATION_ERR: 16, TYPE_MISMATCH_ERR: 17, SECURITY_ERR: 18,
    NETWORK_ERR: 19, ABORT_ERR: 20, URL_MISMATCH_ERR: 21, QUOTA_EXCEEDED_ERR: 22, TIMEOUT_ERR: 23,
    INVALID_NODE_TYPE_ERR: 24, DATA_CLONE_ERR: 25,
  });
  const newDOMException = (message, name) => new DOMException(message, name);

  // ----------------------------------------------------------------------------------------------------- Event

  const dictionaryOf = (value, name, index, type) => {
    if (value === undefined || value === null) return undefined;
    if (!isObject(value)) throw constructorNotOfType(name, index, type);
    return value;
  };
  const FLAG_STOP = 1;
  const FLAG_STOP_IMMEDIATE = 2;
  const FLAG_CANCELED = 4;
  const FLAG_IN_PASSIVE = 8;
  const FLAG_DISPATCH = 16;
  const FLAG_BUBBLES = 32;
  const FLAG_CANCELABLE = 64;
  const FLAG_COMPOSED = 128;
  const FLAG_TRUSTED = 256;
  const FLAG_PREVENTED = 512; // preventDefault() was called by a listener of the running dispatch, cancelable or not

  /** The state of an event, apart from the public object so that subclasses by scripts cannot get between. */
  class EventState {
    constructor(type, flags) {
      this.type = type;
      this.flags = flags;
      this.target = undefined;
      this.currentTarget = undefined;
    }
  }
  let stateOf;
  class Event {
    #e = adorn(this);
    constructor(type, eventInitDict = undefined) {
      if (arguments.length === 0) throw constructorNotOfType("Event", 1, "string");
      const name = toDOMString(type);
      const init = dictionaryOf(eventInitDict, "Event", 2, "Init");
      let flags = 0;
      if (init !== undefined) {
        if (init.bubbles) flags |= FLAG_BUBBLES;
        if (init.cancelable) flags |= FLAG_CANCELABLE;
        if (init.composed) flags |= FLAG_COMPOSED;
      }
      this.#e = new EventState(name, flags);
    }
    static {
      stateOf = (value) => (isObject(value) && #e in value ? value.#e : undefined);
    }
    get type() {
      return check(this).type;
    }
    get target() {
      return check(this).target;
    }
    get srcElement() {
      return check(this).target;
    }
    get currentTarget() {
      return check(this).currentTarget;
    }
    composedPath() {
      const { flags, currentTarget } = check(this);
      return flags & FLAG_DISPATCH ? [currentTarget] : [];
    }
    get eventPhase() {
      return check(this).flags & FLAG_DISPATCH ? 2 : 0;
    }
    stopPropagation() {
      check(this).flags |= FLAG_STOP;
    }
    get cancelBubble() {
      return (check(this).flags & FLAG_STOP) !== 0;
    }
    set cancelBubble(value) {
      if (value) check(this).flags |= FLAG_STOP;
    }
    stopImmediatePropagation() {
      check(this).flags |= FLAG_STOP | FLAG_STOP_IMMEDIATE;
    }
    get bubbles() {
      return (check(this).flags & FLAG_BUBBLES) !== 0;
    }
    get cancelable() {
      return (check(this).flags & FLAG_CANCELABLE) !== 0;
    }
    get returnValue() {
      return (check(this).flags & FLAG_CANCELED) === 0;
    }
    set returnValue(value) {
      if (!value) setCanceled(check(this));
    }
    preventDefault() {
      setCanceled(check(this));
    }
    get defaultPrevented() {
      return (check(this).flags & FLAG_CANCELED) !== 0;
    }
    get composed() {
      return (check(this).flags & FLAG_COMPOSED) !== 0;
    }
    get isTrusted() {
      return (check(this).flags & FLAG_TRUSTED) !== 0;
    }
    get timeStamp() {
      check(this);
      return 0; // as in the reference
    }
  }
  const check = (event) => {
    const state = stateOf(event);
    if (state === undefined) throw illegalInvocation();
    return state;
  };
  const setCanceled = (state) => {
    if (state.flags & FLAG_IN_PASSIVE) return;
    state.flags |= state.flags & FLAG_CANCELABLE ? FLAG_CANCELED | FLAG_PREVENTED : FLAG_PREVENTED;
  };
  shape(Event, "Event", 1);
  carried(Event, [
    "type", "eventPhase", "composed", "bubbles", "cancelable", "defaultPrevented", "returnValue",
    "currentTarget", "target", "srcElement", "timeStamp", "isTrusted", "cancelBubble",
  ]);
  defineConstants(Event, { __proto__: null, NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 });

  // ----------------------------------------------------------------------------------------------- EventTarget

  // The listeners of one type are a linked list in the order of registration. A removed one keeps its `next`, so that a
  // dispatch that stands on it goes on; `sequence` keeps those that were added meanwhile out of the running dispatch.
  let sequence = 0;
  class Listener {
    constructor(callback, capture, once, passive) {
      this.callback = callback;
      this.capture = capture;
      this.once = once;
      this.passive = passive;
      this.removed = false;
      this.sequence = ++sequence;
      this.next = undefined;
      this.signal = undefined;
      this.onSignal = undefined;
    }
  }
  class TargetState {
    constructor() {
      this.types = undefined; // event type -> first Listener
      this.onCountChange = undefined; // told +1 or -1, for signals
    }
  }

  // The global object is an EventTarget that no constructor of ours made.
  const globalTarget = new TargetState();
  let targetOf;
  // What compatibility flags change.
  let refusesWrongType = true;
  let targetIsThis = true;
  let reportsExceptions = true;
  internal.atBind((flag) => {
    refusesWrongType = flag("dont_substitute_null_on_type_error");
    targetIsThis = flag("set_event_target_this");
    reportsExceptions = flag("spec_compliant_dispatch_exceptions");
  });
  class EventTarget {
    #t = new TargetState();
    static {
      targetOf = (value) => {
        if (!isObject(value)) return undefined;
        if (#t in value) return value.#t;
        return value === globalObject ? globalTarget : undefined;
      };
    }
    addEventListener(type, callback, options = undefined) {
      const target = checkTarget(this);
      if (arguments.length < 2) throw notOfType("addEventListener", "EventTarget", arguments.length + 1, "function or HandlerObject");
      const name = toDOMString(type);
      callback = convertCallback(callback, "addEventListener", "function or HandlerObject");
      let capture = false;
      let once = false;
      let passive = false;
      let signal;
      if (isObject(options)) {
        capture = !!options.capture;
        once = !!options.once;
        passive = !!options.passive;
        signal = options.signal;
        if (signal !== undefined && !isAbortSignal(signal)) {
          throw fieldNotOfType("signal", "AddEventListenerOptions", "AbortSignal");
        }
      } else {
        capture = !!options;
      }
      if (signal !== undefined && signalAborted(signal)) return;
      if (callback === null) return;
      addListener(target, name, callback, capture, once, passive, signal);
    }
    removeEventListener(type, callback, options = undefined) {
      const target = checkTarget(this);
      if (arguments.length < 2) throw notOfType("removeEventListener", "EventTarget", arguments.length + 1, "function or HandlerObject");
      const name = toDOMString(type);
      callback = convertCallback(callback, "removeEventListener", "Object");
      const capture = isObject(options) ? !!options.capture : !!options;
      let listener = target.types === undefined ? undefined : target.types[name];
      for (; listener !== undefined; listener = listener.next) {
        if (listener.callback === callback && listener.capture === capture) {
          removeListener(target, name, listener);
          return;
        }
      }
    }
    dispatchEvent(event) {
      checkTarget(this);
      const state = stateOf(event);
      if (state === undefined) throw notOfType("dispatchEvent", "EventTarget", 1, "Event");
      if (state.flags & FLAG_DISPATCH) {
        throw new DOMException("The event is already being dispatched.", "InvalidStateError");
      }
      state.flags &= ~FLAG_TRUSTED;
      return dispatch(this ?? globalObject, event, state, reportsExceptions);
    }
  }
  shape(EventTarget, "EventTarget");
  const checkTarget = (value) => {
    const target = targetOf(value ?? globalObject);
    if (target === undefined) throw illegalInvocation();
    return target;
  };
  /** The listener that an argument stands for; null for none. */
  const convertCallback = (callback, method, type) => {
    if (isObject(callback)) return callback;
    if (callback === null || callback === undefined || !refusesWrongType) return null;
    throw notOfType(method, "EventTarget", 2, type);
  };
  const addListener = (target, type, callback, capture, once, passive, signal) => {
    const types = (target.types ??= { __proto__: null });
    let last;
    for (let listener = types[type]; listener !== undefined; listener = listener.next) {
      if (listener.callback === callback && listener.capture === capture) return;
      last = listener;
    }
    const listener = new Listener(callback, capture, once, passive);
    if (last === undefined) types[type] = listener;
    else last.next = listener;
    if (target.onCountChange !== undefined) target.onCountChange(1);
    if (signal !== undefined) {
      listener.signal = signal;
      listener.onSignal = () => {
        listener.signal = undefined;
        removeListener(target, type, listener);
      };
      addAbortAlgorithm(signal, listener.onSignal);
    }
  };
  const removeListener = (target, type, listener) => {
    if (listener.removed) return;
    listener.removed = true;
    if (listener.signal !== undefined) removeAbortAlgorithm(listener.signal, listener.onSignal);
    const { types } = target;
    let before = types[type];
    if (before === listener) {
      if (listener.next === undefined) delete types[type];
      else types[type] = listener.next;
    } else {
      while (before.next !== listener) before = before.next;
      before.next = listener.next;
    }
    if (target.onCountChange !== undefined) target.onCountChange(-1);
  };

  /**
   * Dispatches to a single target: nothing here has parents. False when the event was canceled. What a listener throws is
   * reported (standard); before `spec_compliant_dispatch_exceptions`, and for events of the runtime's own such as `fetch`,
   * it ends the dispatch, and its caller gets it.
   */
  const dispatch = (object, event, state, reports) => {
    try {
      return callListeners(object, event, state, reports);
    } finally {
      state.flags &= ~(FLAG_DISPATCH | FLAG_IN_PASSIVE | FLAG_STOP | FLAG_STOP_IMMEDIATE | FLAG_PREVENTED);
    }
  };
  const callListeners = (object, event, state, reports) => {
    const target = targetOf(object);
    state.flags = (state.flags & ~FLAG_PREVENTED) | FLAG_DISPATCH;
    state.target = object;
    state.currentTarget = object;
    const limit = sequence;
    // Capturing listeners of the target run before the others.
    for (let capture = 1; capture >= 0 && !(state.flags & FLAG_STOP); capture--) {
      let listener = target.types === undefined ? undefined : target.types[state.type];
      for (; listener !== undefined && listener.sequence <= limit; listener = listener.next) {
        if (listener.removed || listener.capture !== (capture === 1)) continue;
        if (listener.once) removeListener(target, state.type, listener);
        if (listener.passive) state.flags |= FLAG_IN_PASSIVE;
        if (reports) callAndReport(listener.callback, object, event);
        else callListener(listener.callback, object, event);
        state.flags &= ~FLAG_IN_PASSIVE;
        if (state.flags & FLAG_STOP_IMMEDIATE) break;
      }
    }
    return (state.flags & (FLAG_CANCELED | FLAG_PREVENTED)) === 0;
  };
  const callAndReport = (callback, currentTarget, event) => {
    try {
      callListener(callback, currentTarget, event);
    } catch (error) {
      internal.reportError(error);
    }
  };
  const callListener = (callback, currentTarget, event) => {
    if (typeof callback === "function") {
      FunctionPrototypeApply(callback, targetIsThis ? currentTarget : globalObject, [event]);
      return;
    }
    const { handleEvent } = callback;
    if (typeof handleEvent !== "function") throw fieldNotOfType("handleEvent", "HandlerObject", "function");
    FunctionPrototypeApply(handleEvent, callback, [event]);
  };
  /** Dispatches an event of ours, which scripts see as trusted. Throws what a listener throws. */
  const dispatchTrusted = (object, event) => {
    const state = stateOf(event);
    state.flags |= FLAG_TRUSTED;
    return dispatch(object, event, state, false);
  };
  /** The same for events of the standards' own, whose listeners' exceptions are reported. */
  const dispatchStandard = (object, event) => {
    const state = stateOf(event);
    state.flags |= FLAG_TRUSTED;
    return dispatch(object, event, state, reportsExceptions);
  };

  // `onX` attributes: the handler is a listener that keeps its place when its value changes.
  class HandlerAttribute {
    constructor(type) {
      this.type = type;
      this.value = null;
      this.registered = undefined;
    }
    set(target, value) {
      this.value = isObject(value) ? value : null;
      if (this.value === null) {
        if (this.registered !== undefined) {
          let listener = target.types[this.type];
          while (listener.callback !== this.registered) listener = listener.next;
          removeListener(target, this.type, listener);
          this.registered = undefined;
        }
        return;
      }
      if (this.registered !== undefined) return;
      const attribute = this;
      this.registered = function (event) {
        const { value: handler } = attribute;
        if (typeof handler !== "function") return;
        if (FunctionPrototypeApply(handler, this, [event]) === false) setCanceled(stateOf(event));
      };
      addListener(target, this.type, this.registered, false, false, false, undefined);
    }
  }

  // ------------------------------------------------------------------------------------------------ event kinds

  class CustomEvent extends Event {
    #detail;
    constructor(type, eventInitDict = undefined) {
      if (arguments.length === 0) throw constructorNotOfType("CustomEvent", 1, "string");
      super(type, eventInitDict);
      this.#detail = eventInitDict === undefined || eventInitDict === null ? undefined : eventInitDict.detail;
    }
    get detail() {
      if (!(#detail in this)) throw illegalInvocation();
      return this.#detail;
    }
  }
  shape(CustomEvent, "CustomEvent", 1);

  const initOf = (value) => (isObject(value) ? value : undefined);

  class MessageEvent extends Event {
    #m;
    constructor(type, eventInitDict = undefined) {
      if (arguments.length === 0) throw constructorNotOfType("MessageEvent", 1, "string");
      super(type, eventInitDict);
      const init = initOf(eventInitDict);
      const state = { __proto__: null, data: null, lastEventId: "", origin: "", ports: [], source: null };
      if (init !== undefined) {
        const { data, lastEventId, origin, ports, source } = init;
        if (data !== undefined) state.data = data;
        if (lastEventId !== undefined) state.lastEventId = toDOMString(lastEventId);
        if (origin !== undefined) state.origin = toUSVString(origin);
        if (ports !== undefined) state.ports = ports;
        // Only a MessagePort could be one, and there is none.
        if (source !== undefined && source !== null && refusesWrongType) {
          throw fieldNotOfType("source", "Initializer", "MessagePort");
        }
      }
      this.#m = state;
    }
    get data() {
      if (!(#m in this)) throw illegalInvocation();
      return this.#m.data;
    }
    get origin() {
      if (!(#m in this)) throw illegalInvocation();
      return this.#m.origin;
    }
    get lastEventId() {
      if (!(#m in this)) throw illegalInvocation();
      return this.#m.lastEventId;
    }
    get source() {
      if (!(#m in this)) throw illegalInvocation();
      return this.#m.source;
    }
    get ports() {
      if (!(#m in this)) throw illegalInvocation();
      return this.#m.ports;
    }
  }
  shape(MessageEvent, "MessageEvent", 1);

  class CloseEvent extends Event {
    #wasClean = false;
    #code = 0;
    #reason = "";
    constructor(type, eventInitDict = undefined) {
      if (arguments.length === 0) throw constructorNotOfType("CloseEvent", 1, "string");
      super(type, eventInitDict);
      const init = initOf(eventInitDict);
      if (init !== undefined) {
        const { code, reason, wasClean } = init;
        if (code !== undefined) this.#code = +code & 0xffff;
        if (reason !== undefined) this.#reason = toUSVString(reason);
        this.#wasClean = !!wasClean;
      }
    }
    get wasClean() {
      if (!(#code in this)) throw illegalInvocation();
      return this.#wasClean;
    }
    get code() {
      if (!(#code in this)) throw illegalInvocation();
      return this.#code;
    }
    get reason() {
      if (!(#code in this)) throw illegalInvocation();
      return this.#reason;
    }
  }
  shape(CloseEvent, "CloseEvent", 1);

  class ErrorEvent extends Event {
    #state;
    constructor(type, eventInitDict = undefined) {
      if (arguments.length === 0) throw constructorNotOfType("ErrorEvent", 1, "string");
      super(type, eventInitDict);
      const init = initOf(eventInitDict);
      const state = { __proto__: null, message: "", filename: "", lineno: 0, colno: 0, error: undefined };
      if (init !== undefined) {
        const { colno, error, filename, lineno, message } = init;
        if (colno !== undefined) state.colno = +colno >>> 0;
        state.error = error;
        if (filename !== undefined) state.filename = toUSVString(filename);
        if (lineno !== undefined) state.lineno = +lineno >>> 0;
        if (message !== undefined) state.message = toDOMString(message);
      }
      this.#state = state;
    }
    get message() {
      if (!(#state in this)) throw illegalInvocation();
      return this.#state.message;
    }
    get filename() {
      if (!(#state in this)) throw illegalInvocation();
      return this.#state.filename;
    }
    get lineno() {
      if (!(#state in this)) throw illegalInvocation();
      return this.#state.lineno;
    }
    get colno() {
      if (!(#state in this)) throw illegalInvocation();
      return this.#state.colno;
    }
    get error() {
      if (!(#state in this)) throw illegalInvocation();
      return this.#state.error;
    }
  }
  shape(ErrorEvent, "ErrorEvent", 1);

  // The remaining kinds are made by the runtime alone. `making` says that a constructor call is ours.
  let making = false;
  const make = (construct) => {
    making = true;
    try {
      return construct();
    } finally {
      making = false;
    }
  };

  class PromiseRejectionEvent extends Event {
    #promise;
    #reason;
    constructor(type, eventInitDict = undefined) {
      if (arguments.length < 2) throw illegalConstructor();
      super(type, eventInitDict);
      const init = initOf(eventInitDict);
      if (init === undefined) throw constructorNotOfType("PromiseRejectionEvent", 2, "PromiseRejectionEventInit");
      const { promise, reason } = init;
      if (!isObject(promise)) throw fieldNotOfType("promise", "PromiseRejectionEventInit", "Promise");
      this.#promise = promise;
      this.#reason = reason;
    }
    get promise() {
      if (!(#reason in this)) throw illegalInvocation();
      return this.#promise;
    }
    get reason() {
      if (!(#reason in this)) throw illegalInvocation();
      return this.#reason;
    }
  }
  shape(PromiseRejectionEvent, "PromiseRejectionEvent", 2);

  let hooksOf;
  class ExtendableEvent extends Event {
    #hooks;
    constructor(type) {
      if (!making) throw illegalConstructor();
      making = false;
      super(type, { __proto__: null, cancelable: true });
      this.#hooks = pendingHooks;
      pendingHooks = undefined;
    }
    static {
      hooksOf = (value) => (isObject(value) && #hooks in value ? value.#hooks : undefined);
    }
    waitUntil(promise) {
      const hooks = hooksOf(this);
      if (hooks === undefined) throw illegalInvocation();
      if (arguments.length === 0) throw notOfType("waitUntil", "ExtendableEvent", 1, "Promise");
      hooks.waitUntil(promise);
    }
  }
  shape(ExtendableEvent, "ExtendableEvent", 1);
  let pendingHooks;

  class FetchEvent extends ExtendableEvent {
    #request;
    constructor(type, init = undefined) {
      if (!making) throw illegalConstructor();
      const request = pendingHooks.request;
      super(type);
      this.#request = request;
    }
    get request() {
      if (!(#request in this)) throw illegalInvocation();
      return this.#request;
    }
    respondWith(response) {
      if (!(#request in this)) throw illegalInvocation();
      if (arguments.length === 0) throw notOfType("respondWith", "FetchEvent", 1, "Promise");
      hooksOf(this).respondWith(response, this);
    }
    passThroughOnException() {
      if (!(#request in this)) throw illegalInvocation();
      hooksOf(this).passThroughOnException();
    }
  }
  shape(FetchEvent, "FetchEvent", 2);

  /** `hooks`: { request, respondWith(response, event), waitUntil(promise), passThroughOnException() }. */
  const newFetchEvent = (hooks) =>
    make(() => {
      pendingHooks = hooks;
      return new FetchEvent("fetch");
    });

  // ------------------------------------------------------------------------------------------------- AbortSignal

  const ABORTED = "The operation was aborted";
  const TIMED_OUT = "The operation was aborted due to timeout";

  class SignalState {
    constructor(signal) {
      this.signal = signal;
      this.aborted = false;
      this.reason = undefined;
      this.algorithms = undefined; // linked list of { run, next }
      this.observers = 0; // listeners and algorithms
      this.onabort = undefined;
      this.sources = undefined; // linked list of { source, link, next } of a dependent signal
      this.dependents = undefined; // linked list of Link
      this.lastDependent = undefined;
      this.dependentCount = 0;
      this.sweepAt = 16;
      this.dependent = false;
    }
    count(change) {
      const before = this.observers;
      this.observers += change;
      if (this.sources === undefined || (before > 0) === (this.observers > 0)) return;
      // A dependent signal that somebody listens to lives as long as its sources.
      for (let entry = this.sources; entry !== undefined; entry = entry.next) {
        entry.link.strong = this.observers > 0 ? this.signal : undefined;
      }
    }
  }
  class Link {
    constructor(signal) {
      this.weak = new WeakRefConstructor(signal);
      this.strong = undefined;
      this.next = undefined;
    }
  }

  let signalOf;
  class AbortSignal extends EventTarget {
    #a = adorn(this);
    constructor() {
      if (!making) throw illegalConstructor();
      making = false;
      super();
      const state = (this.#a = new SignalState(this));
      const target = targetOf(this);
      if (target !== undefined) target.onCountChange = (change) => state.count(change);
    }
    static {
      signalOf = (value) => (isObject(value) && #a in value ? value.#a : undefined);
    }
    static abort(reason = undefined) {
      const signal = newAbortSignal();
      const state = signalOf(signal);
      state.aborted = true;
      state.reason = reason === undefined ? newDOMException(ABORTED, "AbortError") : reason;
      return signal;
    }
    static timeout(milliseconds) {
      if (arguments.length === 0) throw notOfType("timeout", "AbortSignal", 1, "number");
      const delay = +milliseconds;
      const signal = newAbortSignal();
      internal.setTimeout(() => signalAbort(signal, newDOMException(TIMED_OUT, "TimeoutError")), delay);
      return signal;
    }
    static any(signals) {
      const method = isObject(signals) ? signals[SymbolIterator] : undefined;
      if (typeof method !== "function") throw notOfType("any", "AbortSignal", 1, "sequence<AbortSignal>");
      // The whole sequence is converted before anything happens.
      let first;
      let last;
      const iterator = FunctionPrototypeApply(method, signals, []);
      if (!isObject(iterator)) throw notOfType("any", "AbortSignal", 1, "sequence<AbortSignal>");
      const { next } = iterator;
      let index = 0;
      for (;;) {
        const result = FunctionPrototypeApply(next, iterator, []);
        if (!isObject(result)) throw new TypeErrorConstructor("The iterator's result is not an object.");
        if (result.done) break;
        const state = signalOf(result.value);
        if (state === undefined) {
          throw new TypeErrorConstructor(
            `Incorrect type for array element ${index}: the provided value is not of type 'AbortSignal'.`,
          );
        }
        index++;
        const node = { state, next: undefined };
        if (last === undefined) first = node;
        else last.next = node;
        last = node;
      }
      return dependentSignal(first);
    }
    get aborted() {
      if (!(#a in this)) throw illegalInvocation();
      return this.#a.aborted;
    }
    get reason() {
      if (!(#a in this)) throw illegalInvocation();
      return this.#a.reason;
    }
    throwIfAborted() {
      if (!(#a in this)) throw illegalInvocation();
      if (this.#a.aborted) throw this.#a.reason;
    }
    get onabort() {
      if (!(#a in this)) throw illegalInvocation();
      return this.#a.onabort === undefined ? null : this.#a.onabort.value;
    }
    set onabort(value) {
      if (!(#a in this)) throw illegalInvocation();
      const attribute = (this.#a.onabort ??= new HandlerAttribute("abort"));
      attribute.set(targetOf(this), value);
    }
  }
  shape(AbortSignal, "AbortSignal");
  carried(AbortSignal, ["aborted", "reason"]);

  const newAbortSignal = () => make(() => new AbortSignal());
  const isAbortSignal = (value) => signalOf(value) !== undefined;
  const signalAborted = (signal) => signalOf(signal).aborted;

  const dependentSignal = (first) => {
    const result = newAbortSignal();
    const state = signalOf(result);
    for (let node = first; node !== undefined; node = node.next) {
      if (node.state.aborted) {
        state.aborted = true;
        state.reason = node.state.reason;
        return result;
      }
    }
    state.dependent = true;
    for (let node = first; node !== undefined; node = node.next) {
      if (!node.state.dependent) {
        addDependent(state, node.state);
      } else {
        for (let entry = node.state.sources; entry !== undefined; entry = entry.next) addDependent(state, entry.source);
      }
    }
    return result;
  };
  const addDependent = (state, source) => {
    for (let entry = state.sources; entry !== undefined; entry = entry.next) if (entry.source === source) return;
    if (source.dependentCount >= source.sweepAt) sweep(source);
    const link = new Link(state.signal);
    if (source.dependents === undefined) source.dependents = link;
    else source.lastDependent.next = link;
    source.lastDependent = link;
    source.dependentCount++;
    state.sources = { source, link, next: state.sources };
  };
  /** Drops the links to signals that were collected, at a cost that the additions since the last time have paid. */
  const sweep = (source) => {
    let kept;
    let last;
    let count = 0;
    for (let link = source.dependents; link !== undefined; link = link.next) {
      if (WeakRefDeref(link.weak) === undefined) continue;
      if (kept === undefined) kept = link;
      else last.next = link;
      last = link;
      count++;
    }
    if (last !== undefined) last.next = undefined;
    source.dependents = kept;
    source.lastDependent = last;
    source.dependentCount = count;
    source.sweepAt = count < 8 ? 16 : count * 2;
  };

  /** Aborts a signal, or a controller's signal (DOM "signal abort"). */
  const signalAbort = (signalOrController, reason) => {
    const controlled = controllerSignal(signalOrController);
    const state = signalOf(controlled === undefined ? signalOrController : controlled);
    if (state === undefined) throw new TypeErrorConstructor("The value is neither an AbortSignal nor an AbortController.");
    if (state.aborted) return;
    state.aborted = true;
    state.reason = reason === undefined ? newDOMException(ABORTED, "AbortError") : reason;
    // Dependents get their reason before any script runs.
    let first;
    let last;
    for (let link = state.dependents; link !== undefined; link = link.next) {
      const signal = WeakRefDeref(link.weak);
      if (signal === undefined) continue;
      const dependent = signalOf(signal);
      if (dependent.aborted) continue;
      dependent.aborted = true;
      dependent.reason = state.reason;
      const node = { dependent, next: undefined };
      if (last === undefined) first = node;
      else last.next = node;
      last = node;
    }
    state.dependents = undefined;
    // A listener that throws keeps no other signal from its steps; the caller gets the first exception.
    let thrown = runAbortSteps(state);
    for (let node = first; node !== undefined; node = node.next) {
      const next = runAbortSteps(node.dependent);
      thrown ??= next;
    }
    if (thrown !== undefined) throw thrown.error;
  };
  const runAbortSteps = (state) => {
    const { algorithms } = state;
    let thrown;
    state.algorithms = undefined;
    for (let node = algorithms; node !== undefined; node = node.next) node.run();
    const target = targetOf(state.signal);
    if (target !== undefined && target.types !== undefined && target.types.abort !== undefined) {
      try {
        dispatchStandard(state.signal, new Event("abort"));
      } catch (error) {
        thrown = { error };
      }
    }
    state.sources = undefined;
    return thrown;
  };
  const addAbortAlgorithm = (signal, run) => {
    const state = signalOf(signal);
    if (state.aborted) return;
    const node = { run, next: undefined };
    if (state.algorithms === undefined) {
      state.algorithms = node;
    } else {
      let last = state.algorithms;
      while (last.next !== undefined) last = last.next;
      last.next = node;
    }
    state.count(1);
  };
  const removeAbortAlgorithm = (signal, run) => {
    const state = signalOf(signal);
    let before;
    for (let node = state.algorithms; node !== undefined; node = node.next) {
      if (node.run === run) {
        if (before === undefined) state.algorithms = node.next;
        else before.next = node.next;
        state.count(-1);
        return;
      }
      before = node;
    }
  };

  let controllerSignal;
  class AbortController {
    #signal = newAbortSignal();
    #adorned = adorn(this);
    static {
      controllerSignal = (value) => (isObject(value) && #signal in value ? value.#signal : undefined);
    }
    get signal() {
      if (!(#signal in this)) throw illegalInvocation();
      return this.#signal;
    }
    abort(reason = undefined) {
      if (!(#signal in this)) throw illegalInvocation();
      signalAbort(this.#signal, reason);
    }
  }
  shape(AbortController, "AbortController");
  carried(AbortController, ["signal"]);

  // --------------------------------------------------------------------------------------------- reporting errors

  let reporting = false;
  /** HTML "report an exception": an ErrorEvent at the global object, then the log if nobody canceled it. */
  const reportError = (error) => {
    let handled = false;
    // An exception in a listener of "error" goes straight to the log.
    if (!reporting && globalTarget.types !== undefined && globalTarget.types.error !== undefined) {
      reporting = true;
      try {
        let message = "Uncaught";
        try {
          message = `Uncaught ${toDOMString(error)}`;
        } catch {
          // A value that cannot be read is reported without its text.
        }
        const event = new ErrorEvent("error", { __proto__: null, message, error, cancelable: true });
        handled = !dispatchTrusted(globalObject, event);
      } catch (listenersError) {
        internal.reportException(listenersError);
      } finally {
        reporting = false;
      }
    }
    if (!handled) internal.reportException(error);
  };

  const globals = internal.globals;
  globals.DOMException = DOMException;
  globals.EventTarget = EventTarget;
  globals.Event = Event;
  globals.CustomEvent = CustomEvent;
  globals.ExtendableEvent = ExtendableEvent;
  globals.FetchEvent = FetchEvent;
  globals.PromiseRejectionEvent = PromiseRejectionEvent;
  globals.MessageEvent = MessageEvent;
  globals.CloseEvent = CloseEvent;
  globals.ErrorEvent = ErrorEvent;
  globals.AbortController = AbortController;
  globals.AbortSignal = AbortSignal;

  withoutObjectPrototype([
    EventState, Listener, TargetState, HandlerAttribute, SignalState, Link,
  ]);

  return {
    EventTarget, newDOMException, isDOMException, exceptionText, reportError, dispatchTrusted, newFetchEvent,
    newAbortSignal, isAbortSignal, signalAborted, signalAbort, addAbortAlgorithm, removeAbortAlgorithm,
    signalReason: (signal) => signalOf(signal).reason,
    newPromiseRejectionEvent: (type, promise, reason, cancelable) =>
      new PromiseRejectionEvent(type, { __proto__: null, promise, reason, cancelable }),
    targetOf,
    /** Script was interrupted: drops what was meant for the call that came next. So in the other files. */
    forgetEvents() {
      making = false;
      pendingHooks = undefined;
      reporting = false;
    },
  };
})
