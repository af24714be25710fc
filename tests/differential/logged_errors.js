// Errors as the console shows them: which class and which name, with what.
class NotFound extends Error {}
class HttpException extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}
class ParseError extends Error {
  name = "ParseError";
}
class MyTypeError extends TypeError {}
class Oops extends TypeError {}
class ErrorLike extends Error {}
class Sub extends NotFound {}
class GetterNamed extends Error {
  get name() {
    return "GetterName";
  }
}
class GetterNamedError extends Error {
  get name() {
    return "OtherError";
  }
}
class OnPrototype extends Error {}
OnPrototype.prototype.name = "ProtoName";
class OnPrototypeError extends Error {}
OnPrototypeError.prototype.name = "OtherError";
class InConstructor extends Error {
  constructor(message) {
    super(message);
    this.name = this.constructor.name;
  }
}
class OfConstructor extends Error {
  constructor(message) {
    super(message);
    this.name = "ValidationError";
  }
}
class Tagged extends Error {
  get [Symbol.toStringTag]() {
    return "Tag";
  }
}
class Static extends Error {
  static name = "Named";
}
function Old(message) {
  return Object.setPrototypeOf(new Error(message), Old.prototype);
}
Old.prototype = Object.create(Error.prototype, { constructor: { value: Old } });
function Fake(message) {
  this.message = message;
  this.name = "Fake";
}
Fake.prototype = Object.create(Error.prototype);
Fake.prototype.constructor = Fake;
function Captured(message) {
  this.message = message;
  Error.captureStackTrace(this, Captured);
}
Captured.prototype = Object.create(Error.prototype);
Captured.prototype.constructor = Captured;

const named = (error, name) => Object.assign(error, { name });
const hidden = (error, name) => Object.defineProperty(error, "name", { value: name });
const without = (error, key) => (delete error[key], error);
const withStack = (error, stack) => Object.assign(error, { stack });
function unstacked(make) {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = limit;
  }
}

export const errors = {
  notFound: () => new NotFound("n"),
  http: () => new HttpException(404, "h"),
  nested: () => ({ nested: new NotFound("x") }),
  inArray: () => [new NotFound("x"), new Error("e")],
  inMap: () => new Map([["k", new NotFound("v")]]),
  parse: () => new ParseError("p"),
  myType: () => new MyTypeError("m"),
  oops: () => new Oops("o"),
  errorLike: () => new ErrorLike("x"),
  sub: () => new Sub("x"),
  getterNamed: () => new GetterNamed("x"),
  getterNamedError: () => new GetterNamedError("x"),
  onPrototype: () => new OnPrototype("x"),
  onPrototypeError: () => new OnPrototypeError("x"),
  inConstructor: () => new InConstructor("x"),
  ofConstructor: () => new OfConstructor("x"),
  tagged: () => new Tagged("x"),
  staticName: () => new Static("x"),
  old: () => Old("x"),
  fake: () => new Fake("x"),
  captured: () => new Captured("x"),
  created: () => Object.create(Error.prototype),
  anonymous: () => new (class extends Error {})("x"),
  anonymousType: () => new (class extends TypeError {})("x"),
  renamed: () => named(new Error("r"), "Renamed"),
  renamedError: () => named(new Error("r"), "RenamedError"),
  renamedClass: () => named(new NotFound("r"), "Renamed"),
  renamedToError: () => named(new NotFound("r"), "Error"),
  renamedToTypeError: () => named(new NotFound("r"), "TypeError"),
  renamedWithSpace: () => named(new Error("r"), "My Name"),
  renamedAsMessage: () => named(new Error("Renamed thing"), "Renamed"),
  hiddenName: () => hidden(new Error("r"), "Hidden"),
  hiddenNameOfClass: () => hidden(new NotFound("r"), "Hidden"),
  hiddenNameError: () => hidden(new Error("r"), "HiddenError"),
  emptyName: () => named(new Error("r"), ""),
  numberName: () => named(new Error("r"), 5),
  undefinedName: () => named(new Error("r"), undefined),
  nullName: () => named(new Error("r"), null),
  noMessage: () => new NotFound(),
  severalLines: () => new NotFound("one\ntwo"),
  messageHasClass: () => new NotFound("NotFound here"),
  messageHasError: () => new NotFound("Error: twice"),
  longMessage: () => new NotFound("y".repeat(90)),
  changedMessage: () => Object.assign(new Error("x"), { message: "changed" }),
  enumerableMessage: () => Object.defineProperty(new Error("x"), "message", { value: "x", enumerable: true }),
  deletedMessage: () => without(new NotFound("x"), "message"),
  objectMessage: () => Object.assign(new NotFound("x"), { message: { a: 1 } }),
  numberStack: () => withStack(new Error("r"), 5),
  undefinedStack: () => withStack(new NotFound("r"), undefined),
  emptyStack: () => withStack(new NotFound("r"), ""),
  deletedStack: () => without(new NotFound("r"), "stack"),
  ownStack: () => withStack(new NotFound("r"), "whatever I like"),
  ownShortStack: () => withStack(new NotFound("r"), "Error: r"),
  noFrames: () => unstacked(() => [new NotFound("n"), new TypeError("t"), new ParseError("p"), named(new Error("r"), "Renamed")]),
  nullPrototype: () => Object.setPrototypeOf(new Error("r"), null),
  nullPrototypeOfType: () => Object.setPrototypeOf(new TypeError("r"), null),
  prototypeOfMap: () => Object.setPrototypeOf(new Error("r"), Map.prototype),
  aggregate: () => new AggregateError([new NotFound("1"), new Error("2")], "agg"),
  aggregateClass: () => new (class Many extends AggregateError {})([new Error("1")], "m"),
  cause: () => new NotFound("c", { cause: new HttpException(500, "inner") }),
  causeOfCause: () => new NotFound("c", { cause: new Error("d", { cause: new NotFound("e") }) }),
  causeText: () => new Error("c", { cause: "why" }),
  causeUndefined: () => new Error("c", { cause: undefined }),
  causeItself: () => {
    const error = new NotFound("c");
    return Object.assign(error, { cause: error });
  },
  properties: () => Object.assign(new NotFound("x"), { code: "E1", data: { a: [1] }, [Symbol("k")]: 1 }),
  frozen: () => Object.freeze(new NotFound("x")),
  ownConstructor: () => Object.assign(new Error("x"), { constructor: class Zed {} }),
  syntax: () => {
    try {
      JSON.parse("{");
    } catch (error) {
      return error;
    }
  },
};
