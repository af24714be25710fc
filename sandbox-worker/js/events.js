// Event and EventTarget (DOM Standard section 2).
(function (internal) {
  "use strict";
  const {
    FunctionPrototypeApply, isObject, illegalInvocation, notOfType, constructorNotOfType, fieldNotOfType, toDOMString,
    shape, defineConstants, withoutObjectPrototype, adorn, carried,
  } = internal.primordials;
  const { DOMException } = internal.globals;
  const globalObject = globalThis;
  const TypeErrorConstructor = TypeError;

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
    constructor(callback, handleEvent, once, passive) {
      this.callback = callback; // the function or the object that a script gave
      this.handleEvent = handleEvent; // what is called
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
  let listened = false;
  /**
   * Whether the global object has had a listener, be it for a moment. As in the reference, some are not counted: they alone
   * make no worker.
   */
  const hasListened = () => listened;
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
      if (arguments.length === 0) throw notOfType("addEventListener", "EventTarget", 1, "string");
      const name = toDOMString(type);
      const handler = "function or HandlerObject";
      if (arguments.length === 1) throw notOfType("addEventListener", "EventTarget", 2, handler);
      callback = convertCallback(callback, "addEventListener", handler);
      let handleEvent = callback;
      if (callback !== null && typeof callback !== "function") {
        // As in the reference, and unlike the standard, once for all dispatches.
        ({ handleEvent } = callback);
        if (typeof handleEvent !== "function") throw fieldNotOfType("handleEvent", "HandlerObject", "function");
      }
      let once = false;
      let passive = false;
      let signal;
      if (isObject(options)) {
        const { capture } = options;
        passive = !!options.passive;
        once = !!options.once;
        signal = options.signal;
        if (signal !== undefined && !internal.isAbortSignal(signal)) {
          throw fieldNotOfType("signal", "AddEventListenerOptions", "AbortSignal");
        }
        if (capture) throw noCapture("addEventListener", "options.capture");
      } else if (options) {
        throw noCapture("addEventListener", "useCapture");
      }
      if (signal !== undefined && internal.signalAborted(signal)) return;
      if (callback === null) return;
      addListener(target, name, callback, handleEvent, once, passive, signal);
    }
    removeEventListener(type, callback, options = undefined) {
      const target = checkTarget(this);
      if (arguments.length === 0) throw notOfType("removeEventListener", "EventTarget", 1, "string");
      const name = toDOMString(type);
      if (arguments.length === 1) throw notOfType("removeEventListener", "EventTarget", 2, "Object");
      callback = convertCallback(callback, "removeEventListener", "Object");
      if (isObject(options)) {
        if (options.capture) throw noCapture("removeEventListener", "options.capture");
      } else if (options) {
        throw noCapture("removeEventListener", "useCapture");
      }
      let listener = target.types === undefined ? undefined : target.types[name];
      for (; listener !== undefined; listener = listener.next) {
        if (listener.callback === callback) {
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
  const noCapture = (method, what) => new TypeErrorConstructor(`${method}(): ${what} must be false.`);
  const addListener = (target, type, callback, handleEvent, once, passive, signal) => {
    if (target === globalTarget && type !== "alarm" && type !== "unhandledrejection" && type !== "rejectionhandled") {
      listened = true;
    }
    const types = (target.types ??= { __proto__: null });
    let last;
    for (let listener = types[type]; listener !== undefined; listener = listener.next) {
      if (listener.callback === callback) return;
      last = listener;
    }
    const listener = new Listener(callback, handleEvent, once, passive);
    if (last === undefined) types[type] = listener;
    else last.next = listener;
    if (target.onCountChange !== undefined) target.onCountChange(1);
    if (signal !== undefined) {
      listener.signal = signal;
      listener.onSignal = () => {
        listener.signal = undefined;
        removeListener(target, type, listener);
      };
      internal.addAbortAlgorithm(signal, listener.onSignal);
    }
  };
  const removeListener = (target, type, listener) => {
    if (listener.removed) return;
    listener.removed = true;
    if (listener.signal !== undefined) internal.removeAbortAlgorithm(listener.signal, listener.onSignal);
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
   * reported (standard), or given to `reports`; before `spec_compliant_dispatch_exceptions`, and for events of the runtime's own such as `fetch`,
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
    let listener = target.types === undefined || state.flags & FLAG_STOP ? undefined : target.types[state.type];
    for (; listener !== undefined && listener.sequence <= limit; listener = listener.next) {
      if (listener.removed) continue;
      if (listener.once) removeListener(target, state.type, listener);
      if (listener.passive) state.flags |= FLAG_IN_PASSIVE;
      if (reports) callAndReport(listener, object, event, reports);
      else callListener(listener, object, event);
      state.flags &= ~FLAG_IN_PASSIVE;
      if (state.flags & FLAG_STOP_IMMEDIATE) break;
    }
    return (state.flags & (FLAG_CANCELED | FLAG_PREVENTED)) === 0;
  };
  const callAndReport = (listener, currentTarget, event, reports) => {
    try {
      callListener(listener, currentTarget, event);
    } catch (error) {
      if (reports === true) internal.reportError(error);
      else reports(error);
    }
  };
  const callListener = ({ callback, handleEvent }, currentTarget, event) => {
    const receiver = callback !== handleEvent ? callback : targetIsThis ? currentTarget : globalObject;
    FunctionPrototypeApply(handleEvent, receiver, [event]);
  };
  const stopImmediately = (event) => {
    stateOf(event).flags |= FLAG_STOP | FLAG_STOP_IMMEDIATE;
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

  /**
   * As `dispatchTrusted`. As in the reference, a property such as `onmessage`, which is no attribute, is called first. Where exceptions of
   * others are reported, all listeners are called, and then the first one is thrown, or they are reported too.
   */
  const dispatchThrowing = (object, event, throws) => {
    const state = stateOf(event);
    state.flags |= FLAG_TRUSTED;
    let thrown = false;
    let first;
    const keep = (error) => {
      if (!throws) internal.reportError(error);
      else if (!thrown) first = error;
      thrown = throws;
    };
    const handler = object[`on${state.type}`];
    if (typeof handler === "function") {
      state.target = object;
      state.currentTarget = object;
      try {
        FunctionPrototypeApply(handler, undefined, [event]);
      } catch (error) {
        if (!reportsExceptions) throw error;
        keep(error);
      }
    }
    dispatch(object, event, state, reportsExceptions && keep);
    if (thrown) throw first;
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
      addListener(target, this.type, this.registered, this.registered, false, false, undefined);
    }
  }

  const { globals } = internal;
  globals.EventTarget = EventTarget;
  globals.Event = Event;
  withoutObjectPrototype([EventState, Listener, TargetState, HandlerAttribute]);

  return { EventTarget, HandlerAttribute, targetOf, hasListened, stopImmediately, dispatchTrusted, dispatchStandard, dispatchThrowing };
})
