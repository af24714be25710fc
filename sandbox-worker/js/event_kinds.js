// The kinds of Event.
(function (internal) {
  "use strict";
  const {
    defineProperty, isObject, illegalConstructor, illegalInvocation, brand, notOfType, constructorNotOfType, fieldNotOfType,
    toDOMString, toUSVString, shape,
  } = internal.primordials;
  const { Event } = internal.globals;

  // What a compatibility flag changes.
  let refusesWrongType = true;
  internal.atBind((flag) => {
    refusesWrongType = flag("dont_substitute_null_on_type_error");
  });

  class CustomEvent extends Event {
    #detail;
    static #check = brand((value) => #detail in value);
    constructor(type, eventInitDict = undefined) {
      if (arguments.length === 0) throw constructorNotOfType("CustomEvent", 1, "string");
      super(type, eventInitDict);
      this.#detail = eventInitDict === undefined || eventInitDict === null ? undefined : eventInitDict.detail;
    }
    get detail() {
      CustomEvent.#check(this);
      return this.#detail;
    }
  }
  shape(CustomEvent, "CustomEvent", 1);

  const initOf = (value) => (isObject(value) ? value : undefined);

  let newMessageEvent;
  let newStreamEvent;
  class MessageEvent extends Event {
    #m;
    static #check = brand((value) => #m in value);
    static {
      /** The event of a message of a socket, which has no origin. */
      newMessageEvent = (data) => {
        const event = new MessageEvent("message");
        event.#m.data = data;
        event.#m.origin = null;
        return event;
      };
      /** The event of a stream of events. */
      newStreamEvent = (type, data, lastEventId, origin) => {
        const event = new MessageEvent(type);
        event.#m.data = data;
        event.#m.lastEventId = lastEventId;
        event.#m.origin = origin;
        return event;
      };
    }
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
      MessageEvent.#check(this);
      return this.#m.data;
    }
    get origin() {
      MessageEvent.#check(this);
      return this.#m.origin;
    }
    get lastEventId() {
      MessageEvent.#check(this);
      return this.#m.lastEventId;
    }
    get source() {
      MessageEvent.#check(this);
      return this.#m.source;
    }
    get ports() {
      MessageEvent.#check(this);
      return this.#m.ports;
    }
  }
  shape(MessageEvent, "MessageEvent", 1);

  class CloseEvent extends Event {
    #wasClean = false;
    #code = 0;
    #reason = "";
    static #check = brand((value) => #code in value);
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
      CloseEvent.#check(this);
      return this.#wasClean;
    }
    get code() {
      CloseEvent.#check(this);
      return this.#code;
    }
    get reason() {
      CloseEvent.#check(this);
      return this.#reason;
    }
  }
  shape(CloseEvent, "CloseEvent", 1);

  class ErrorEvent extends Event {
    #state;
    static #check = brand((value) => #state in value);
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
      ErrorEvent.#check(this);
      return this.#state.message;
    }
    get filename() {
      ErrorEvent.#check(this);
      return this.#state.filename;
    }
    get lineno() {
      ErrorEvent.#check(this);
      return this.#state.lineno;
    }
    get colno() {
      ErrorEvent.#check(this);
      return this.#state.colno;
    }
    get error() {
      ErrorEvent.#check(this);
      return this.#state.error;
    }
  }
  shape(ErrorEvent, "ErrorEvent", 1);

  // The remaining kinds are made by the runtime alone. `making` says that a constructor call is ours.
  let making = false;
  internal.atForget(() => {
    making = false;
    pendingHooks = undefined;
  });
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
    static #check = brand((value) => #reason in value);
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
      PromiseRejectionEvent.#check(this);
      return this.#promise;
    }
    get reason() {
      PromiseRejectionEvent.#check(this);
      return this.#reason;
    }
  }
  shape(PromiseRejectionEvent, "PromiseRejectionEvent", 2);

  let hooksOf;
  class ExtendableEvent extends Event {
    #hooks;
    constructor(type, cancelable = true) {
      if (!making) throw illegalConstructor();
      making = false;
      super(type, { __proto__: null, cancelable });
      this.#hooks = pendingHooks;
      pendingHooks = undefined;
    }
    static {
      hooksOf = (value) => (isObject(value) && #hooks in value ? value.#hooks : undefined);
    }
    waitUntil(promise = undefined) {
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
    static #check = brand((value) => #request in value);
    constructor(type, init = undefined) {
      if (!making) throw illegalConstructor();
      const request = pendingHooks.request;
      super(type);
      this.#request = request;
    }
    get request() {
      FetchEvent.#check(this);
      return this.#request;
    }
    respondWith(response = undefined) {
      FetchEvent.#check(this);
      if (arguments.length === 0) throw notOfType("respondWith", "FetchEvent", 1, "Promise");
      hooksOf(this).respondWith(response, this);
    }
    passThroughOnException() {
      FetchEvent.#check(this);
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

  class ScheduledEvent extends ExtendableEvent {
    #isScheduled = true;
    static #check = brand((value) => #isScheduled in value);
    constructor(type) {
      if (!making) throw illegalConstructor();
      const { controller } = pendingHooks;
      super(type, false);
      const attribute = (name, value) =>
        defineProperty(this, name, { __proto__: null, value, enumerable: true, configurable: true });
      attribute("cron", controller.cron);
      attribute("scheduledTime", controller.scheduledTime);
      attribute("actorState", undefined);
    }
    noRetry() {
      ScheduledEvent.#check(this);
      hooksOf(this).controller.noRetry();
    }
  }
  shape(ScheduledEvent, "ScheduledEvent", 0);

  /** `hooks`: { controller, waitUntil(promise) }; `controller` is native code's, with an own noRetry. */
  const newScheduledEvent = (hooks) =>
    make(() => {
      pendingHooks = hooks;
      return new ScheduledEvent("scheduled");
    });
  const newPromiseRejectionEvent = (type, promise, reason, cancelable) =>
    new PromiseRejectionEvent(type, { __proto__: null, promise, reason, cancelable });

  const { globals } = internal;
  globals.CustomEvent = CustomEvent;
  globals.ExtendableEvent = ExtendableEvent;
  globals.FetchEvent = FetchEvent;
  globals.ScheduledEvent = ScheduledEvent;
  globals.PromiseRejectionEvent = PromiseRejectionEvent;
  globals.MessageEvent = MessageEvent;
  globals.CloseEvent = CloseEvent;
  globals.ErrorEvent = ErrorEvent;

  return { newMessageEvent, newStreamEvent, newFetchEvent, newScheduledEvent, newPromiseRejectionEvent };
})
