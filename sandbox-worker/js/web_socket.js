// WebSocket and WebSocketPair (WebSockets Standard, and the reference's own) over the ends of native code.
(function (internal) {
  "use strict";
  const {
    defineProperty, isObject, illegalInvocation, brand, notOfType, constructorNotOfType, toDOMString, shape, defineConstants, isView,
    isArrayBuffer, Bytes, adorn, carried,
  } = internal.primordials;
  const { dispatchThrowing, newMessageEvent, newBlob } = internal;
  const { EventTarget, Event, CloseEvent, ErrorEvent } = internal.globals;

  // What a compatibility flag changes.
  let binaryTypeAtFirst = "blob";
  internal.atBind((flag) => {
    if (!flag("websocket_standard_binary_type")) binaryTypeAtFirst = "arraybuffer";
  });

  // The native end of a socket of ours, handed to the constructor outside its arguments.
  let pending;
  internal.atForget(() => {
    pending = undefined;
  });
  let endOf;
  let binaryTypeOf;
  class WebSocket extends EventTarget {
    #end = adorn(this);
    #binaryType = binaryTypeAtFirst;
    static #check = brand((value) => #binaryType in value);
    constructor(url = undefined, protocols = undefined) {
      const end = pending;
      pending = undefined;
      if (end === undefined && arguments.length === 0) throw constructorNotOfType("WebSocket", 1, "string");
      const connecting = end ?? internal.connectSocket(url, protocols);
      super();
      this.#end = connecting;
      if (end === undefined) connecting.establish(this);
    }
    static {
      endOf = (value) => (isObject(value) && #binaryType in value ? value.#end : undefined);
      binaryTypeOf = (socket) => socket.#binaryType;
    }
    accept(options = undefined) {
      WebSocket.#check(this);
      let halfOpen;
      if (options !== undefined && options !== null) {
        if (!isObject(options)) throw notOfType("accept", "WebSocket", 1, "AcceptOptions");
        const { allowHalfOpen } = options;
        if (allowHalfOpen !== undefined) halfOpen = !!allowHalfOpen;
      }
      this.#end.accept(this, halfOpen);
    }
    send(message) {
      WebSocket.#check(this);
      if (arguments.length === 0) throw notOfType("send", "WebSocket", 1, "ArrayBuffer or ArrayBufferView or string");
      if (typeof message !== "string" && (isView(message) || isArrayBuffer(message))) this.#end.sendBytes(message);
      else this.#end.sendText(toDOMString(message));
    }
    close(code = undefined, reason = undefined) {
      WebSocket.#check(this);
      const number = code === undefined ? undefined : +code | 0;
      this.#end.close(number, reason === undefined ? undefined : toDOMString(reason));
    }
    serializeAttachment(attachment) {
      WebSocket.#check(this);
      if (arguments.length === 0) throw notOfType("serializeAttachment", "WebSocket", 1, "Value");
      this.#end.serializeAttachment(attachment);
    }
    deserializeAttachment() {
      WebSocket.#check(this);
      return this.#end.deserializeAttachment();
    }
    get readyState() {
      WebSocket.#check(this);
      return this.#end.readyState();
    }
    get bufferedAmount() {
      WebSocket.#check(this);
      return this.#end.bufferedAmount();
    }
    get url() {
      WebSocket.#check(this);
      return this.#end.url();
    }
    get protocol() {
      WebSocket.#check(this);
      return this.#end.protocol();
    }
    get extensions() {
      WebSocket.#check(this);
      return this.#end.extensions();
    }
    get binaryType() {
      WebSocket.#check(this);
      return this.#binaryType;
    }
    set binaryType(value) {
      WebSocket.#check(this);
      const type = toDOMString(value);
      if (type === "blob" || type === "arraybuffer") this.#binaryType = type;
    }
  }
  shape(WebSocket, "WebSocket", 1);
  carried(WebSocket, ["readyState", "bufferedAmount", "url", "protocol", "extensions", "binaryType"]);
  defineConstants(WebSocket, {
    __proto__: null,
    READY_STATE_CONNECTING: 0,
    CONNECTING: 0,
    READY_STATE_OPEN: 1,
    OPEN: 1,
    READY_STATE_CLOSING: 2,
    CLOSING: 2,
    READY_STATE_CLOSED: 3,
    CLOSED: 3,
  });

  /** A socket over an end of native code. */
  const newWebSocket = (end) => {
    pending = end;
    return new WebSocket();
  };

  const values = Array.prototype.values;
  const { iterator } = Symbol;
  class WebSocketPair {
    constructor() {
      const ends = internal.newSocketPair();
      for (let i = 0; i < 2; i++) {
        defineProperty(this, i, { __proto__: null, value: newWebSocket(ends[i]), enumerable: true, configurable: true });
      }
    }
    [iterator]() {
      if (!isObject(this)) throw illegalInvocation();
      return values.call([this[0], this[1]]);
    }
  }
  shape(WebSocketPair, "WebSocketPair");
  defineProperty(WebSocketPair.prototype, iterator, { __proto__: null, enumerable: false });

  class WebSocketRequestResponsePair {
    #request;
    #response;
    static #check = brand((value) => #request in value);
    constructor(request, response) {
      if (arguments.length === 0) throw constructorNotOfType("WebSocketRequestResponsePair", 1, "string");
      this.#request = toDOMString(request);
      if (arguments.length === 1) throw constructorNotOfType("WebSocketRequestResponsePair", 2, "string");
      this.#response = toDOMString(response);
    }
    get request() {
      WebSocketRequestResponsePair.#check(this);
      return this.#request;
    }
    get response() {
      WebSocketRequestResponsePair.#check(this);
      return this.#response;
    }
  }
  shape(WebSocketRequestResponsePair, "WebSocketRequestResponsePair", 2);

  const { globals } = internal;
  globals.WebSocket = WebSocket;
  globals.WebSocketPair = WebSocketPair;
  globals.WebSocketRequestResponsePair = WebSocketRequestResponsePair;

  return {
    newWebSocket,
    socketEnd: (value) => endOf(value),
    /** Tells the listeners of a socket of a message: a string, or an ArrayBuffer that nobody else has. */
    dispatchMessage(socket, data) {
      if (typeof data !== "string" && binaryTypeOf(socket) === "blob") data = newBlob(new Bytes(data), "");
      dispatchThrowing(socket, newMessageEvent(data), true);
    },
    dispatchOpen: (socket) => dispatchThrowing(socket, new Event("open"), true),
    dispatchClose(socket, code, reason, wasClean) {
      dispatchThrowing(socket, new CloseEvent("close", { __proto__: null, code, reason, wasClean }), false);
    },
    /** Tells of an error, whose text is given. */
    dispatchError(socket, error, text) {
      dispatchThrowing(socket, new ErrorEvent("error", { __proto__: null, error, message: `Uncaught ${text}` }), true);
    },
  };
})
