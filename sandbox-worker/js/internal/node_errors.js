// The errors of Node's modules: a code beside the message, and what was received in words.
import scripts from "native:scripts";

const { inspect, primordials } = scripts;
const { ArrayIsArray, ErrorConstructor, defineProperty, isObject, uncurryThis } = primordials;
const startsWith = uncurryThis(String.prototype.startsWith);
const stringSlice = uncurryThis(String.prototype.slice);
const BaseRangeError = RangeError;
const BaseTypeError = TypeError;

/** An error of a class with a code; where it is shown as a text, the code stands behind the name. */
const withCode = (Base, code, message) => {
  const error = new Base(message);
  const name = error.name;
  error.code = code;
  error.name = name;
  error.toString = function () {
    return `${this.name} [${code}]: ${this.message}`;
  };
  return error;
};

/** `2 ** 32` and beyond are written in groups of three digits. */
const grouped = (digits) => {
  let text = "";
  let end = digits.length;
  const start = digits[0] === "-" ? 1 : 0;
  for (; end >= start + 4; end -= 3) text = `_${digits[end - 3]}${digits[end - 2]}${digits[end - 1]}${text}`;
  let head = "";
  for (let i = 0; i < end; i++) head += digits[i];
  return head + text;
};

const MathAbs = Math.abs;
const { isInteger } = Number;

class ERR_OUT_OF_RANGE extends BaseRangeError {
  constructor(name, range, value) {
    let received;
    if (isInteger(value) && MathAbs(value) > 4294967296) received = grouped(`${value}`);
    else if (typeof value === "bigint") {
      received = `${value}`;
      if (value > 4294967296n || value < -4294967296n) received = grouped(received);
      received += "n";
    } else received = inspect(value);
    super(`The value of "${name}" is out of range. It must be ${range}. Received ${received}`);
    this.code = "ERR_OUT_OF_RANGE";
    this.name = "RangeError";
    // The stack has the code in its first line.
    const { stack } = this;
    if (typeof stack === "string" && startsWith(stack, "RangeError:")) {
      hide(this, "stack", `RangeError [ERR_OUT_OF_RANGE]${stringSlice(stack, "RangeError".length)}`);
    }
  }
}
export const outOfRange = (name, range, value) => new ERR_OUT_OF_RANGE(name, range, value);

/** What a value is, in the words of the messages. */
const received = (value) => {
  if (value === undefined || value === null) return `Received ${value}`;
  if (typeof value === "function" && value.name) return `Received function ${value.name}`;
  if (typeof value === "object") {
    const { constructor } = value;
    if (isObject(constructor) && constructor.name) return `Received an instance of ${constructor.name}`;
    return `Received ${inspect(value, { depth: -1 })}`;
  }
  let text = inspect(value, { colors: false });
  if (text.length > 28) {
    let start = "";
    for (let i = 0; i < 25; i++) start += text[i];
    text = `${start}...`;
  }
  return `Received type ${typeof value} (${text})`;
};

/** `expected` is what the argument must be, such as `of type number`. One with a dot in its name is a property. */
export const invalidArgType = (name, expected, value) =>
  withCode(
    BaseTypeError, "ERR_INVALID_ARG_TYPE", `The "${name}" ${includesDot(name) ? "property" : "argument"} must be ${expected}. ${received(value)}`,
  );
export const invalidFirstArg = (expected, value) =>
  withCode(BaseTypeError, "ERR_INVALID_ARG_TYPE", `The first argument must be ${expected}. ${received(value)}`);
/** Of a TypeError, or of a RangeError where `Base` says so. */
export const invalidArgValue = (name, value, reason = "is invalid", Base = BaseTypeError) =>
  withCode(Base, "ERR_INVALID_ARG_VALUE", `The ${includesDot(name) ? "property" : "argument"} '${name}' ${reason}. Received ${inspect(value)}`);
const includesDot = (name) => {
  for (let i = 0; i < name.length; i++) if (name[i] === ".") return true;
  return false;
};

export const bufferOutOfBounds = (name) =>
  withCode(
    BaseRangeError,
    "ERR_BUFFER_OUT_OF_BOUNDS",
    name === undefined ? "Attempt to access memory outside buffer bounds" : `"${name}" is outside of buffer bounds`,
  );
export const invalidBufferSize = (multiple) =>
  withCode(BaseRangeError, "ERR_INVALID_BUFFER_SIZE", `Buffer size must be a multiple of ${multiple}`);
export const unknownEncoding = (encoding) =>
  withCode(BaseTypeError, "ERR_UNKNOWN_ENCODING", `Unknown encoding: ${encoding}`);
export const coded = withCode;

/** An error whose class is named like its code. */
export const classed = (Base, code, message, members) => {
  const { [code]: Class } = {
    [code]: class extends Base {
      constructor() {
        super(message);
        const { name } = this;
        this.code = code;
        this.name = name;
        for (const key in members) this[key] = members[key];
      }

      toString() {
        return `${this.name} [${code}]: ${this.message}`;
      }
    },
  };
  return new Class();
};
export const notImplemented = (name) =>
  classed(ErrorConstructor, "ERR_METHOD_NOT_IMPLEMENTED", `The ${name} method is not implemented`);

export class AbortError extends ErrorConstructor {
  constructor(message = "The operation was aborted", options = undefined) {
    super(message, options);
    this.code = "ABORT_ERR";
    this.name = "AbortError";
  }
}

export const validateFunction = (value, name) => {
  if (typeof value !== "function") throw invalidArgType(name, "of type function", value);
};
export const validateString = (value, name) => {
  if (typeof value !== "string") throw invalidArgType(name, "of type string", value);
};
export const validateBoolean = (value, name) => {
  if (typeof value !== "boolean") throw invalidArgType(name, "of type boolean", value);
};
export const validateObject = (value, name) => {
  if (value === null || typeof value !== "object" || ArrayIsArray(value)) throw invalidArgType(name, "of type object", value);
};
/** A signal, or undefined. */
export const validateAbortSignal = (signal, name) => {
  if (signal === undefined) return;
  if (signal === null || typeof signal !== "object" || !("aborted" in signal)) {
    throw invalidArgType(name, "an instance of AbortSignal", signal);
  }
};

/** An integer from `min` to `max`, or an error. */
export const validateInteger = (value, name, min, max) => {
  if (typeof value !== "number") throw invalidArgType(name, "of type number", value);
  if (!isInteger(value)) throw outOfRange(name, "an integer", value);
  if (value < min || value > max) throw outOfRange(name, `>= ${min} && <= ${max}`, value);
};

export const hide = (object, key, value) =>
  defineProperty(object, key, { __proto__: null, value, writable: true, enumerable: false, configurable: true });
