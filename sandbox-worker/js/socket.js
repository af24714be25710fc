// Socket, over a native end: what `connect()` gives, and what a `connect` handler is given.
(function (internal) {
  "use strict";
  const {
    PromiseResolve, PromiseReject, withResolvers, upon, markHandled, noop, shape, brand, isObject, notOfType, toDOMString,
    illegalConstructor, bytesOf, typedArrayByteLength, resolvedPromise, withoutObjectPrototype,
  } = internal.primordials;
  const {
    kWrap, READABLE, WRITABLE, ERRORED, Writable, WritableController, writableWrapper, writableOf, writableClose, readableOf,
    byteStreamTypeError, acquireReader, Writer,
  } = internal.streams;
  const TypeErrorConstructor = TypeError;
  const ErrorConstructor = Error;
  const { trunc } = Math;

  // What a compatibility flag changes.
  let handlersStartTls = false;
  internal.atBind((flag) => {
    handlersStartTls = flag("connect_handler_starttls");
  });

  /** The writable side: a write is done when somebody outside has the bytes. */
  class SocketSink {
    constructor(native, highWaterMark) {
      this.native = native;
      const stream = (this.stream = new Writable());
      stream.native = this;
      stream.owner = internal.ioOwner();
      new WritableController(
        stream, this, highWaterMark ?? 1, highWaterMark === undefined ? undefined : chunkBytes,
      ).startNow();
    }
    attach() {
      return this.native;
    }
    broke() {}
    /** As in the reference, a chunk that a script writes and that are no bytes ends nothing. */
    refuse(chunk) {
      if (this.stream.state !== WRITABLE || chunk === undefined || typeof chunk === "string") return undefined;
      return bytesOf(chunk) === undefined ? PromiseReject(byteStreamTypeError()) : undefined;
    }
    write(chunk) {
      if (chunk === undefined) return resolvedPromise;
      const bytes = typeof chunk === "string" ? internal.encodeUtf8(chunk) : bytesOf(chunk);
      if (bytes === undefined) return PromiseReject(byteStreamTypeError());
      if (typedArrayByteLength(bytes) === 0) return resolvedPromise;
      try {
        return this.native.write(bytes);
      } catch (error) {
        return PromiseReject(error);
      }
    }
    close() {
      try {
        this.native.end();
      } catch (error) {
        return PromiseReject(error);
      }
      return resolvedPromise;
    }
    abort(reason) {
      this.native.abort(reason);
      return resolvedPromise;
    }
    /** Nothing of what is being written is waited for. */
    abandonWrite(reason) {
      this.native.abort(reason);
    }
  }
  const chunkBytes = (chunk) => {
    if (typeof chunk === "string") return chunk.length;
    const bytes = bytesOf(chunk);
    return bytes === undefined ? 0 : typedArrayByteLength(bytes);
  };

  /** A promise for when all that was given to a stream is written, or never will be. */
  const flushed = (stream) => {
    if (stream.state !== WRITABLE || stream.closeQueuedOrInFlight) return resolvedPromise;
    const deferred = withResolvers();
    stream.writeRequests.push(deferred);
    stream.controller.write(undefined, 0);
    return deferred.promise;
  };
  /** Nobody reads any more: who waits is told `error`, who comes later the other. */
  const shutReadable = (wrapper, error, later) => {
    const stream = readableOf(wrapper);
    if (stream.state !== READABLE) return;
    // As in the reference, a socket that is closed is so for whoever has asked, and what is read from it fails.
    if (later !== undefined) stream.reader?.closed.resolve(undefined);
    stream.controller.error(error);
    if (later !== undefined) stream.storedError = later;
  };
  const shutWritable = (wrapper, error, later) => {
    const stream = writableOf(wrapper);
    if (stream.state !== WRITABLE) return;
    stream.controller.errorIfNeeded(error);
    if (later !== undefined && stream.state === ERRORED) stream.storedError = later;
  };

  const CLOSED = "This socket has been closed.";
  /** What a socket is inside. */
  class State {
    constructor(end, info, options) {
      this.end = end;
      this.info = info;
      this.options = options;
      this.readable = end.readable();
      this.writable = writableWrapper(new SocketSink(end.writable(), options.highWaterMark).stream);
      this.opened = withResolvers();
      this.closed = withResolvers();
      this.isUpgraded = false;
      this.isGone = false; // its connection is another socket's, or closed
      this.hasOpened = false;
      markHandled(this.opened.promise);
      markHandled(this.closed.promise);
      const { failure } = options;
      const failed = (error) => this.fail(failure === undefined ? error : new ErrorConstructor(failure));
      upon(end.opened(), () => this.open(), failed);
    }
    open() {
      if (this.hasOpened) return;
      this.hasOpened = true;
      this.opened.resolve(this.info);
      if (!this.isGone) upon(this.end.ended(), (lost) => this.ended(lost), noop);
    }
    fail(error) {
      this.isGone = true;
      this.opened.reject(error);
      this.closed.reject(error);
      // The reference says the class twice.
      shutWritable(this.writable, this.options.isTls ? error : new ErrorConstructor(`jsg.Error: ${error.message}`));
      if (this.options.isTls) shutReadable(this.readable, error);
    }
    /** The other end has sent all that it does, or the connection is lost. */
    ended(lost) {
      if (this.isGone || (this.options.allowHalfOpen && !lost)) return;
      const stream = writableOf(this.writable);
      if (lost) {
        stream.controller.errorIfNeeded(new ErrorConstructor("Network connection lost."));
      } else if (stream.state === WRITABLE && !stream.closeQueuedOrInFlight) {
        markHandled(writableClose(stream));
      }
      this.closed.resolve(undefined);
    }
    close() {
      if (this.isGone) return PromiseResolve(undefined);
      this.isGone = true;
      const done = withResolvers();
      const shut = () => {
        shutReadable(
          this.readable,
          new TypeErrorConstructor(CLOSED),
          new TypeErrorConstructor("This ReadableStream belongs to an object that is closing."),
        );
        shutWritable(
          this.writable,
          new TypeErrorConstructor(CLOSED),
          new TypeErrorConstructor("This WritableStream belongs to an object that is closing."),
        );
        this.end.close();
        this.closed.resolve(undefined);
        done.resolve(undefined);
      };
      upon(
        this.opened.promise,
        () => upon(flushed(writableOf(this.writable)), shut, shut),
        () => done.resolve(undefined),
      );
      return done.promise;
    }
    /** The socket that the connection goes on as, inside of TLS. */
    startTls(host) {
      this.isGone = true;
      const stream = writableOf(this.writable);
      const end = this.end.inside();
      const state = new State(end, this.info, {
        __proto__: null,
        secureTransport: "on",
        allowHalfOpen: this.options.allowHalfOpen,
        highWaterMark: this.options.highWaterMark,
        isTls: true,
      });
      const begin = () => {
        this.isUpgraded = true;
        this.end.startTls(end, host);
        // Whoever has these gets nothing from them any more.
        const readable = readableOf(this.readable);
        if (readable.reader === undefined) acquireReader(readable, false);
        if (stream.writer === undefined) new Writer(stream);
        this.closed.resolve(undefined);
      };
      const fail = (error) => {
        state.fail(error);
        this.closed.reject(error);
      };
      upon(this.opened.promise, () => upon(flushed(stream), begin, fail), fail);
      return new Socket(kWrap, state);
    }
  }

  class Socket {
    #state;
    static #check = brand((value) => #state in value);
    constructor(token, state) {
      if (token !== kWrap) throw illegalConstructor();
      this.#state = state;
    }
    get readable() {
      Socket.#check(this);
      return this.#state.readable;
    }
    get writable() {
      Socket.#check(this);
      return this.#state.writable;
    }
    get closed() {
      Socket.#check(this);
      return this.#state.closed.promise;
    }
    get opened() {
      Socket.#check(this);
      return this.#state.opened.promise;
    }
    get upgraded() {
      Socket.#check(this);
      return this.#state.isUpgraded;
    }
    get secureTransport() {
      Socket.#check(this);
      return this.#state.options.secureTransport;
    }
    close() {
      Socket.#check(this);
      return this.#state.close();
    }
    startTls(options = undefined) {
      Socket.#check(this);
      let host = "";
      if (options !== undefined && options !== null) {
        if (!isObject(options)) throw notOfType("startTls", "Socket", 1, "TlsOptions");
        const { expectedServerHostname } = options;
        if (expectedServerHostname !== undefined) host = toDOMString(expectedServerHostname);
      }
      const state = this.#state;
      const { secureTransport } = state.options;
      if (secureTransport === "on") throw new TypeErrorConstructor("Cannot startTls on a TLS socket.");
      if (secureTransport !== "starttls") {
        throw new TypeErrorConstructor(
          "The `secureTransport` socket option must be set to 'starttls' for startTls to be used.",
        );
      }
      if (state.isGone) {
        throw new TypeErrorConstructor(
          "startTls has already been called on this socket, or the socket was transferred over RPC.",
        );
      }
      return state.startTls(host);
    }
  }
  shape(Socket, "Socket");

  const notNumber = "The value cannot be converted because it is not an integer.";
  const toPort = (value) => {
    const number = +value;
    if (number !== number) throw new TypeErrorConstructor(notNumber);
    if (number < 0) {
      throw new TypeErrorConstructor(
        "The value cannot be converted because it is negative and this API expects a positive number.",
      );
    }
    const port = trunc(number);
    if (port > 65535) throw new TypeErrorConstructor("Value out of range. Must be less than or equal to 65535.");
    return port;
  };
  const required = (name) =>
    new TypeErrorConstructor(`Cannot initialize ${name} with required members from an undefined or null value.`);
  /** The address as it is told, and as it is asked for. */
  const toAddress = (value) => {
    // The reference's names for its types.
    if (value === undefined || value === null) throw required("N7workerd3api13SocketAddressE");
    if (!isObject(value)) {
      const address = toDOMString(value);
      internal.checkAddress(address, true);
      return { __proto__: null, shown: address, asked: address };
    }
    const hostname = toDOMString(value.hostname);
    const port = toPort(value.port);
    const shown = `${hostname}:${port}`;
    internal.checkAddress(shown, false);
    let colons = 0;
    for (let i = 0; i < hostname.length; i++) if (hostname[i] === ":") colons++;
    const asked = colons > 1 && hostname[0] !== "[" ? `[${hostname}]:${port}` : shown;
    return { __proto__: null, shown, asked };
  };
  const toOptions = (value, name) => {
    const options = {
      __proto__: null, secureTransport: "off", allowHalfOpen: false, highWaterMark: undefined, isTls: false,
    };
    if (value === undefined) return options;
    if (value === null) throw required("N7workerd3api13SocketOptionsE");
    if (!isObject(value)) throw notOfType("connect", name, 2, "SocketOptions");
    const { secureTransport, allowHalfOpen, highWaterMark } = value;
    if (secureTransport !== undefined) {
      options.secureTransport = toDOMString(secureTransport);
      if (options.secureTransport !== "off" && options.secureTransport !== "on" && options.secureTransport !== "starttls") {
        throw new TypeErrorConstructor(
          `Unsupported value in secureTransport socket option: ${options.secureTransport}`,
        );
      }
    }
    options.allowHalfOpen = !!allowHalfOpen;
    if (highWaterMark !== undefined) {
      const number = +highWaterMark;
      if (number !== number) throw new TypeErrorConstructor(notNumber);
      if (number < 0) {
        throw new TypeErrorConstructor(
          "The value cannot be converted because it is negative and this API expects a positive bigint.",
        );
      }
      options.highWaterMark = trunc(number);
    }
    return options;
  };

  withoutObjectPrototype([SocketSink, State]);

  /** Addresses that mean something else than what the global `fetch` goes to. */
  const routes = { __proto__: null };
  const routed = ({ to, shown }) => {
    const options = { __proto__: null, secureTransport: "off", failure: "connection attempt failed" };
    return new Socket(kWrap, new State(internal.openSocket(to, shown, "off"), { remoteAddress: shown }, options));
  };

  return {
    /** Classes that no global names, of which `console` shows what their objects are like. */
    unnamedClasses: [Socket],
    /** Has connections to an address go to another one by way of `to`, a `Fetcher`, if they are not made by way of anything else. */
    routeAddress(address, to, shown) {
      routes[address] = { __proto__: null, to, shown };
    },
    /** A socket that is connected by way of `to`, a `Fetcher`; without one, of what the global `fetch` goes to. */
    newSocketTo(to, address, options, name) {
      const { shown, asked } = toAddress(address);
      // As in the reference, such a connection is made without options.
      const route = to === undefined ? routes[shown] : undefined;
      if (route !== undefined) return routed(route);
      const converted = toOptions(options, name);
      const end = internal.openSocket(to, asked, converted.secureTransport);
      return new Socket(kWrap, new State(end, { remoteAddress: shown, localAddress: undefined }, converted));
    },
    /** A socket that somebody else has connected, over a native end. */
    acceptedSocket(end, remoteAddress, localAddress, startsTls) {
      const options = {
        __proto__: null,
        secureTransport: startsTls && handlersStartTls ? "starttls" : "off",
        allowHalfOpen: true,
        highWaterMark: undefined,
        isTls: false,
      };
      return new Socket(kWrap, new State(end, { remoteAddress, localAddress }, options));
    },
  };
})
