// EventSource (HTML Standard, section 9.2), and `EventSource.from`, which is the reference's own.
(function (internal) {
  "use strict";
  const {
    isObject, brand, notOfType, constructorNotOfType, fieldNotOfType, toDOMString, shape, defineConstants, FunctionPrototypeApply,
    uncurryThis, withoutObjectPrototype, bytesOf, markHandled, upon, resolvedPromise,
  } = internal.primordials;
  const { EventTarget, Event, ErrorEvent } = internal.globals;
  const { dispatchTrusted, newStreamEvent, newDOMException } = internal;
  const { readableOf, acquireReader, readerRead, readerCancel, checkOwner } = internal.streams;
  const globalObject = globalThis;
  const ErrorConstructor = Error;
  const TypeErrorConstructor = TypeError;
  const indexOf = uncurryThis(String.prototype.indexOf);
  const slice = uncurryThis(String.prototype.slice);
  const charCode = uncurryThis(String.prototype.charCodeAt);

  const CONNECTING = 0;
  const OPEN = 1;
  const CLOSED = 2;

  // Milliseconds before a connection is made again: at first, and what a stream may ask for.
  const RECONNECT = 2000;
  const MIN_RECONNECT = 1000;
  const MAX_RECONNECT = 10000;

  const LF = 10;
  const SPACE = 32;

  /**
   * Interprets a stream of events (section 9.2.6), text by text, which may be cut anywhere. As in the reference, and unlike the standard,
   * an event whose data are empty is none, an `event` without a value names the empty type, and an `id` may have U+0000.
   */
  class EventParser {
    constructor(onEvent, onRetry) {
      this.onEvent = onEvent;
      this.onRetry = onRetry;
      this.lastId = "";
      this.reset();
    }
    /** What follows is another stream; the last identifier stays. */
    reset() {
      this.rest = "";
      this.afterCr = false;
      this.data = undefined;
      this.type = undefined;
    }
    push(text) {
      let start = 0;
      if (this.afterCr && text !== "") {
        if (charCode(text, 0) === LF) start = 1;
        this.afterCr = false;
      }
      let cr = indexOf(text, "\r", start);
      for (;;) {
        let end = indexOf(text, "\n", start);
        if (cr !== -1 && cr < start) cr = indexOf(text, "\r", start);
        const isCr = cr !== -1 && (end === -1 || cr < end);
        if (isCr) end = cr;
        if (end === -1) break;
        const line = slice(text, start, end);
        start = end + 1;
        if (isCr) {
          if (start === text.length) this.afterCr = true;
          else if (charCode(text, start) === LF) start++;
        }
        this.line(this.rest === "" ? line : this.rest + line);
        this.rest = "";
      }
      if (start < text.length) this.rest += slice(text, start);
    }
    line(line) {
      if (line === "") {
        this.dispatch();
        return;
      }
      const colon = indexOf(line, ":");
      if (colon === 0) return;
      const field = colon === -1 ? line : slice(line, 0, colon);
      let value = "";
      if (colon !== -1) {
        const from = colon + 1 < line.length && charCode(line, colon + 1) === SPACE ? colon + 2 : colon + 1;
        value = slice(line, from);
      }
      if (field === "data") this.data = this.data === undefined ? value : `${this.data}\n${value}`;
      else if (field === "event") this.type = value;
      else if (field === "id") this.lastId = value;
      else if (field === "retry") this.retry(value);
    }
    retry(value) {
      if (value === "") return;
      let time = 0;
      for (let i = 0; i < value.length; i++) {
        const digit = charCode(value, i) - 48;
        if (digit < 0 || digit > 9) return;
        time = time * 10 + digit;
      }
      this.onRetry(time);
    }
    dispatch() {
      const { data, type } = this;
      this.data = undefined;
      this.type = undefined;
      if (data !== undefined && data !== "") this.onEvent(type ?? "message", data, this.lastId);
    }
  }

  /** Reads a stream of events to its end. */
  class EventReader {
    constructor(connection, reader) {
      this.connection = connection;
      this.reader = reader;
      this.decoder = internal.newTextDecoder("utf-8", undefined);
      this.run = () => {
        if (!this.connection.isClosed) readerRead(this.reader, this);
      };
    }
    chunk(value) {
      const { connection } = this;
      if (connection.isClosed) return;
      try {
        if (typeof value === "string") value = internal.encodeUtf8(value);
        const bytes = bytesOf(value);
        if (bytes === undefined) throw new TypeErrorConstructor("This ReadableStream did not return bytes.");
        connection.parser.push(internal.decodeText(this.decoder, bytes, true));
      } catch (error) {
        this.cancel(error);
        connection.fail(error);
        return;
      }
      // Whoever waits for an event can close the source before it hears of the next.
      upon(resolvedPromise, this.run);
    }
    close() {
      this.connection.disconnected();
    }
    error(error) {
      this.connection.fail(error);
    }
    cancel(reason) {
      if (this.reader.stream !== undefined) markHandled(readerCancel(this.reader, reason));
    }
  }

  /** What is behind an EventSource, apart from the public object so that scripts cannot get between. */
  class Connection {
    constructor(source, url, fetcher) {
      this.source = source;
      this.url = url; // undefined for a stream that a script gave
      this.fetcher = fetcher;
      this.owner = internal.ioOwner();
      this.readyState = CONNECTING;
      this.origin = null;
      this.reconnect = RECONNECT;
      this.wasEmpty = false;
      this.reader = undefined;
      this.signal = undefined;
      this.timer = undefined;
      const onEvent = (type, data, lastEventId) => {
        if (!this.isClosed) this.dispatch(newStreamEvent(type, data, lastEventId, this.origin));
      };
      const onRetry = (time) => {
        this.reconnect = time < MIN_RECONNECT ? MIN_RECONNECT : time > MAX_RECONNECT ? MAX_RECONNECT : time;
      };
      this.parser = new EventParser(onEvent, onRetry);
    }
    get isClosed() {
      return this.readyState === CLOSED;
    }
    dispatch(event) {
      dispatchTrusted(this.source, event);
    }
    /** Whatever a listener of the error throws, is reported. */
    tell(error) {
      try {
        this.dispatch(new ErrorEvent("error", { __proto__: null, error }));
      } catch (thrown) {
        internal.reportError(thrown);
      }
    }
    connect() {
      this.timer = undefined;
      this.signal = internal.newAbortSignal();
      const promise = internal.fetchEvents(this.url, this.parser.lastId, this.fetcher, this.signal);
      upon(promise, (response) => this.answered(internal.eventsOf(response)), (error) => this.fail(error));
    }
    answered({ status, type, origin, body }) {
      if (this.isClosed) return;
      if (status === 204) {
        const NO_CONTENT = "The server provided no content.";
        if (this.wasEmpty) {
          this.fail(new ErrorConstructor(NO_CONTENT));
          return;
        }
        this.wasEmpty = true;
        this.again(new ErrorConstructor(`${NO_CONTENT} Will try reconnecting.`));
        return;
      }
      let refused;
      if (status < 200 || status > 299) refused = `The response status code was ${status}.`;
      else if (type === undefined) refused = "No content type header was present in the response.";
      else if (type !== "") refused = `The content type '${type}' is invalid.`;
      if (refused !== undefined) {
        this.fail(newDOMException(refused, "AbortError"));
        return;
      }
      this.wasEmpty = false;
      this.origin = origin;
      this.readyState = OPEN;
      try {
        this.dispatch(new OpenEvent("open"));
      } catch (error) {
        this.fail(error);
        return;
      }
      if (this.isClosed) return;
      if (body === null) this.disconnected();
      else this.read(readableOf(body));
    }
    read(stream) {
      this.parser.reset();
      this.reader = new EventReader(this, acquireReader(stream, false));
      // Whoever is told of the connection can listen first.
      this.timer = internal.setTimeout(() => {
        this.timer = undefined;
        this.reader.run();
      }, 0);
    }
    /** The stream has come to its end. */
    disconnected() {
      if (this.isClosed) return;
      const error = new ErrorConstructor("The server disconnected.");
      if (this.url === undefined) this.fail(error);
      else this.again(error);
    }
    /** Connects anew, in some time. */
    again(error) {
      this.reader = undefined;
      this.readyState = CONNECTING;
      this.tell(error);
      if (this.isClosed) return;
      this.timer = internal.setTimeout(() => this.connect(), this.reconnect);
    }
    /** There will be no more of it, because of this. */
    fail(error) {
      if (this.isClosed) return;
      this.close(error);
      this.tell(error);
    }
    close(reason) {
      if (this.isClosed) return;
      this.readyState = CLOSED;
      const { reader, signal, timer } = this;
      this.reader = undefined;
      this.signal = undefined;
      if (timer !== undefined) internal.clearTimeout(timer);
      if (reader !== undefined) reader.cancel(reason);
      if (signal !== undefined) internal.signalAbort(signal, newDOMException("The operation was aborted", "AbortError"));
    }
  }

  // As in the reference, what a connection is told with has a class of its own, which scripts cannot name.
  class OpenEvent extends Event {}
  shape(OpenEvent, "OpenEvent");

  /** The listener behind `onmessage` and its kin. As in the reference it is called with the global object. */
  class Handler {
    constructor() {
      this.value = null;
      this.call = (event) => FunctionPrototypeApply(this.value, globalObject, [event]);
    }
  }

  // The stream, for a constructor that is called by `from`, outside its arguments.
  let pending;
  internal.atForget(() => {
    pending = undefined;
  });
  const requireEvent = () => {
    if (internal.ioOwner() !== 0) return;
    const text = "An EventSource can only be created within the context of a worker request.";
    throw newDOMException(text, "NotSupportedError");
  };
  const { addEventListener, removeEventListener } = EventTarget.prototype;
  class EventSource extends EventTarget {
    #connection;
    #withCredentials = false;
    #open = new Handler();
    #message = new Handler();
    #error = new Handler();
    static #check = brand((value) => #connection in value);
    constructor(url, eventSourceInitDict = undefined) {
      const stream = pending;
      pending = undefined;
      if (stream !== undefined) {
        super();
        this.#connection = new Connection(this, undefined, undefined);
        this.#connection.readyState = OPEN;
        this.#connection.read(stream);
        return;
      }
      if (arguments.length === 0) throw constructorNotOfType("EventSource", 1, "string");
      const given = toDOMString(url);
      let fetcher;
      let credentials;
      if (eventSourceInitDict !== undefined && eventSourceInitDict !== null) {
        if (!isObject(eventSourceInitDict)) throw constructorNotOfType("EventSource", 2, "EventSourceInit");
        ({ fetcher, withCredentials: credentials } = eventSourceInitDict);
        if (fetcher !== undefined && !internal.isFetcher(fetcher)) throw fieldNotOfType("fetcher", "EventSourceInit", "Fetcher");
      }
      requireEvent();
      if (credentials) {
        const text = "The init.withCredentials option is not supported. It must be false or undefined.";
        throw newDOMException(text, "NotSupportedError");
      }
      const href = internal.hrefOf(given);
      if (href === undefined) {
        throw newDOMException(`Cannot open an EventSource to '${given}'. The URL is invalid.`, "SyntaxError");
      }
      super();
      this.#connection = new Connection(this, href, fetcher);
      this.#connection.connect();
    }
    static from(stream) {
      const readable = readableOf(stream);
      if (readable === undefined) throw notOfType("from", "EventSource", 1, "JsReadableStream");
      requireEvent();
      checkOwner(readable);
      if (readable.reader !== undefined) throw new TypeErrorConstructor("This ReadableStream is locked.");
      if (readable.disturbed) throw new TypeErrorConstructor("This ReadableStream has already been read from.");
      pending = readable;
      return new EventSource();
    }
    get url() {
      EventSource.#check(this);
      return this.#connection.url ?? "";
    }
    get withCredentials() {
      EventSource.#check(this);
      return this.#withCredentials;
    }
    get readyState() {
      EventSource.#check(this);
      return this.#connection.readyState;
    }
    get onopen() {
      EventSource.#check(this);
      return this.#open.value;
    }
    set onopen(value) {
      EventSource.#check(this);
      handle(this, "open", this.#open, value);
    }
    get onmessage() {
      EventSource.#check(this);
      return this.#message.value;
    }
    set onmessage(value) {
      EventSource.#check(this);
      handle(this, "message", this.#message, value);
    }
    get onerror() {
      EventSource.#check(this);
      return this.#error.value;
    }
    set onerror(value) {
      EventSource.#check(this);
      handle(this, "error", this.#error, value);
    }
    close() {
      EventSource.#check(this);
      internal.checkIoOwner(this.#connection.owner, "EventSource");
      this.#connection.close(undefined);
    }
  }
  const handle = (source, type, handler, value) => {
    const isThere = handler.value !== null;
    handler.value = isObject(value) ? value : null;
    const isCalled = typeof handler.value === "function";
    if (isThere) FunctionPrototypeApply(removeEventListener, source, [type, handler.call]);
    if (isCalled) FunctionPrototypeApply(addEventListener, source, [type, handler.call]);
  };
  shape(EventSource, "EventSource");
  defineConstants(EventSource, { __proto__: null, CONNECTING, OPEN, CLOSED });
  withoutObjectPrototype([EventParser, EventReader, Connection, Handler]);

  internal.globals.EventSource = EventSource;

  return {};
})
