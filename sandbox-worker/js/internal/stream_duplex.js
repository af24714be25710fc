// Duplex, Transform and PassThrough of node:stream.
import { failure, Stream, attribute, construct, nextTick } from "internal:stream_base";
import { addAbortSignal } from "internal:stream_ends";
import { duplexFrom } from "internal:stream_from";
import { Readable, ReadableState, whenReadable } from "internal:stream_readable";
import { duplexFromWeb, duplexToWeb } from "internal:stream_web";
import { Writable, WritableState, takeOptions, whenWritable, writableAttributes } from "internal:stream_writable";
import scripts from "native:scripts";

const { ReflectApply, defineProperty, setPrototypeOf } = scripts.primordials;

export function Duplex(options) {
  if (!(this instanceof Duplex)) return new Duplex(options);
  this._events ??= { __proto__: null };
  this._readableState = new ReadableState(options, this, true);
  this._writableState = new WritableState(options, this, true);
  this.allowHalfOpen = true;
  if (options) {
    this.allowHalfOpen = options.allowHalfOpen !== false;
    if (options.readable === false) {
      this._readableState.readable = false;
      this._readableState.ended = this._readableState.endEmitted = true;
    }
    if (options.writable === false) {
      this._writableState.writable = false;
      this._writableState.ending = this._writableState.ended = this._writableState.finished = true;
    }
    takeOptions(this, options, ["read", "write", "writev", "destroy", "final", "construct"]);
    if (options.signal) addAbortSignal(options.signal, this);
  }
  ReflectApply(Stream, this, [options]);
  construct(this, () => {
    whenReadable(this)();
    whenWritable(this)();
  });
}
setPrototypeOf(Duplex.prototype, Readable.prototype);
setPrototypeOf(Duplex, Readable);
for (const name of ["write", "cork", "uncork", "setDefaultEncoding", "_write", "_writev", "end", "destroy"]) {
  Duplex.prototype[name] = Writable.prototype[name];
}
for (const name in writableAttributes) defineProperty(Duplex.prototype, name, writableAttributes[name]);
defineProperty(Duplex.prototype, "destroyed", attribute(function () {
  const { _readableState: r, _writableState: w } = this;
  return r === undefined || w === undefined ? false : r.destroyed && w.destroyed;
}, function (value) {
  if (!this._readableState || !this._writableState) return;
  this._readableState.destroyed = this._writableState.destroyed = value;
}));
Duplex.fromWeb = duplexFromWeb;
Duplex.toWeb = duplexToWeb;
Duplex.from = function from(body) {
  return duplexFrom(body, "body");
};

const pending = Symbol("kCallback");

export function Transform(options) {
  if (!(this instanceof Transform)) return new Transform(options);
  const readableMark = options ? (options.readableHighWaterMark ?? (options.highWaterMark == null ? undefined : options.highWaterMark)) : undefined;
  let settings = options;
  if (readableMark === 0) settings = { ...options, highWaterMark: null, readableHighWaterMark: 0, writableHighWaterMark: options.writableHighWaterMark || 0 };
  ReflectApply(Duplex, this, [settings]);
  this._readableState.sync = false;
  this[pending] = null;
  if (options) {
    if (typeof options.transform === "function") this._transform = options.transform;
    if (typeof options.flush === "function") this._flush = options.flush;
  }
  this.on("prefinish", onPrefinish);
}
setPrototypeOf(Transform.prototype, Duplex.prototype);
setPrototypeOf(Transform, Duplex);

const endTransform = (stream, callback) => {
  const done = (error, data) => {
    if (error) {
      if (callback) callback(error);
      else stream.destroy(error);
      return;
    }
    if (data !== undefined && data !== null) stream.push(data);
    stream.push(null);
    if (callback) callback();
  };
  if (typeof stream._flush === "function" && !stream.destroyed) stream._flush(done);
  else {
    stream.push(null);
    if (callback) callback();
  }
};
function onPrefinish() {
  if (this._final !== Transform.prototype._final) endTransform(this);
}
const transformMembers = {
  _final(callback) {
    endTransform(this, callback);
  },
  _transform(chunk, encoding, callback) {
    throw failure("ERR_METHOD_NOT_IMPLEMENTED", "The _transform() method is not implemented");
  },
  _write(chunk, encoding, callback) {
    const { _readableState: r, _writableState: w } = this;
    const { length } = r;
    this._transform(chunk, encoding, (error, value) => {
      if (error) {
        callback(error);
        return;
      }
      if (value !== undefined && value !== null) this.push(value);
      if (w.ended || length === r.length || r.length < r.highWaterMark) callback();
      else this[pending] = callback;
    });
  },
  _read() {
    const callback = this[pending];
    if (!callback) return;
    this[pending] = null;
    callback();
  },
};
for (const name in transformMembers) Transform.prototype[name] = transformMembers[name];

export function PassThrough(options) {
  if (!(this instanceof PassThrough)) return new PassThrough(options);
  ReflectApply(Transform, this, [options]);
}
setPrototypeOf(PassThrough.prototype, Transform.prototype);
setPrototypeOf(PassThrough, Transform);
PassThrough.prototype._transform = (() => function (chunk, encoding, callback) {
  callback(null, chunk);
})();

/** Two streams of which each gives what is written to the other. */
export function duplexPair(options) {
  const other = Symbol("other");
  const then = Symbol("then");
  class DuplexSide extends Duplex {
    constructor() {
      super(options);
      this[then] = null;
    }

    _read() {
      const callback = this[then];
      if (!callback) return;
      this[then] = null;
      callback();
    }

    _write(chunk, encoding, callback) {
      if (chunk.length === 0) nextTick(callback);
      else {
        this[other].push(chunk);
        this[other][then] = callback;
      }
    }

    _final(callback) {
      this[other].on("end", callback);
      this[other].push(null);
    }
  }
  const first = new DuplexSide();
  const second = new DuplexSide();
  first[other] = second;
  second[other] = first;
  return [first, second];
}
