// node:assert as the reference has it, where also the functions without "strict" in their names are strict.
import { AssertionError, notSame } from "internal:assertion_error";
import { isDeepEqual, isDeepStrictEqual, isPartiallyEqual } from "internal:comparisons";
import { coded, hide, invalidArgType, invalidArgValue } from "internal:node_errors";
import scripts from "native:scripts";

const { inspect, isError, primordials } = scripts;
const {
  FunctionPrototypeApply, PromisePrototypeThen, PromiseReject, PromiseResolve, ErrorConstructor, ReflectHas, defineProperty, getter,
  isObject, ownKeys, uncurryThis,
} = primordials;
const BaseTypeError = TypeError;
const { is } = Object;
const { isNaN: NumberIsNaN } = Number;
const regexpSource = getter(RegExp.prototype, "source");
const regexpExec = uncurryThis(RegExp.prototype.exec);
const regexpToString = uncurryThis(RegExp.prototype.toString);
const isPrototypeOf = uncurryThis(Object.prototype.isPrototypeOf);
const propertyIsEnumerable = uncurryThis(Object.prototype.propertyIsEnumerable);
const StringConstructor = String;
const isRegExp = (value) => {
  try {
    regexpSource(value);
    return isObject(value);
  } catch {
    return false;
  }
};
/** Whether a text matches, wherever the last match of a sticky or global expression ended. */
const matches = (regexp, text) => regexpExec(regexp, text) !== null;

const fails = (options) => {
  throw new AssertionError(options);
};
const missing = (names) => coded(BaseTypeError, "ERR_MISSING_ARGS", `The ${names} arguments must be specified`);
const needTwo = (count) => {
  if (count < 2) throw missing('"actual" and "expected"');
};
/** A failure with a text of the caller's, or else with `text`. */
const failWith = (actual, expected, message, operator, text, stackStartFn) =>
  fails({ actual, expected, message: message ?? text, operator, stackStartFn });

/** For what is made with a text, but has been generated nevertheless. */
const failGenerated = (options) => {
  const error = new AssertionError(options);
  error.generatedMessage = true;
  throw error;
};

function ok(args, stackStartFn) {
  if (args.length === 0) fails({ message: "No value argument passed to `assert.ok()`", stackStartFn });
  const value = args[0];
  if (value) return;
  const message = args[1];
  if (message !== undefined && message !== null) fails({ actual: value, expected: true, message, operator: "==", stackStartFn });
  failGenerated({ actual: value, expected: true, message: `${inspect(value)} == true`, operator: "==", stackStartFn });
}

function assert(value, message) {
  ok(arguments, assert);
}

const named = (value) => (typeof value === "function" ? value.name : undefined);

/** Compares what was thrown with what was to be. */
const checkThrown = (actual, expected, operator, message, stackStartFn) => {
  if (isRegExp(expected)) {
    const text = StringConstructor(actual);
    if (matches(expected, text)) return;
    failGenerated({
      actual, expected, operator, stackStartFn,
      message: `The input did not match the regular expression ${inspect(expected)}. Input:\n\n${inspect(text)}\n`,
    });
  }
  if (typeof expected !== "function") {
    if (!isObject(actual)) {
      failGenerated({ actual, expected, operator, stackStartFn, message: `object is expected to thrown, but got ${inspect(actual)}` });
    }
    const keys = [];
    const all = ownKeys(expected);
    for (let i = 0; i < all.length; i++) if (typeof all[i] === "string" && propertyIsEnumerable(expected, all[i])) keys[keys.length] = all[i];
    if (isError(expected)) {
      keys[keys.length] = "name";
      keys[keys.length] = "message";
    } else if (keys.length === 0) throw invalidArgValue("error", expected, "may not be an empty object");
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i];
      if (!ReflectHas(actual, key)) {
        failGenerated({ actual, expected, operator, stackStartFn, message: `A key in the expected object is missing: ${key}` });
      }
      if (typeof actual[key] === "string" && isRegExp(expected[key])) shared.match(actual[key], expected[key]);
      else shared.deepStrictEqual(actual[key], expected[key]);
    }
    return;
  }
  if (expected.prototype !== undefined && actual instanceof expected) return;
  if (isPrototypeOf(ErrorConstructor, expected)) {
    const constructor = actual?.constructor;
    failGenerated({
      actual, expected, operator, stackStartFn,
      message: `The error is expected to be an instance of "${expected.name}". Received "${named(constructor) ?? inspect(actual, { depth: -1 })}"\n\n` +
        `Error message:\n\n${actual?.message}`,
    });
  }
  const result = FunctionPrototypeApply(expected, {}, [actual]);
  if (result !== true) {
    failGenerated({
      actual, expected, operator, stackStartFn,
      message: `The validation function is expected to return "true". Received ${inspect(result)}\n\nCaught error:\n\n${StringConstructor(actual)}`,
    });
  }
};

const NOTHING = {};
/** What a function throws, or `NOTHING`. */
const thrownBy = (fn) => {
  if (typeof fn !== "function") throw invalidArgType("fn", "of type function", fn);
  try {
    fn();
  } catch (error) {
    return error;
  }
  return NOTHING;
};
/** A promise of what a promise is rejected with, or of `NOTHING`. */
const rejectionOf = (promiseFn) => {
  let promise = promiseFn;
  if (typeof promiseFn === "function") {
    promise = promiseFn();
    if (!isThenable(promise)) {
      const what = promise === undefined || promise === null ? promise : isObject(promise) ? `an instance of ${named(promise.constructor)}` : `type ${typeof promise} (${inspect(promise)})`;
      throw coded(
        BaseTypeError, "ERR_INVALID_RETURN_VALUE",
        `Expected instance of Promise to be returned from the "promiseFn" function but got ${what}.`,
      );
    }
  } else if (!isThenable(promiseFn)) throw invalidArgType("promiseFn", "of type function or an instance of Promise", promiseFn);
  return PromisePrototypeThen(PromiseResolve(promise), () => ({ error: NOTHING }), (error) => ({ error }));
};
const isThenable = (value) => isObject(value) && typeof value.then === "function";

const ambiguous = (what) =>
  coded(BaseTypeError, "ERR_AMBIGUOUS_ARGUMENT", `The "error/message" argument is ambiguous. The ${what} is identical to the message.`);

const expectError = (count, actual, expected, message, operator, stackStartFn) => {
  if (typeof expected === "string") {
    if (count === 3) throw invalidArgType("error", "of type function or an instance of Error, RegExp, or Object", expected);
    if (isObject(actual)) {
      if (actual.message === expected) throw ambiguous(`error message "${actual.message}"`);
    } else if (actual === expected) throw ambiguous(`error "${actual}"`);
    message = expected;
    expected = undefined;
  } else if (expected !== undefined && expected !== null && !isObject(expected)) {
    throw invalidArgType("error", "of type function or an instance of Error, RegExp, or Object", expected);
  }
  if (actual === NOTHING) {
    let details = expected !== undefined && named(expected) ? ` (${expected.name})` : "";
    if (operator === "rejects") {
      failGenerated({ operator, message: `Missing expected rejection${details}.`, stackStartFn });
    }
    details += message !== undefined && message !== null ? `: ${message}` : ".";
    fails({ expected, operator, message: `Missing expected exception${details}`, stackStartFn });
  }
  if (expected === undefined || expected === null) return;
  checkThrown(actual, expected, operator, message, stackStartFn);
};

const expectNoError = (actual, expected, message, operator, stackStartFn) => {
  if (actual === NOTHING) return;
  if (typeof expected === "string") {
    message = expected;
    expected = undefined;
  }
  if (typeof expected === "function" && expected.prototype !== undefined) {
    if (!(actual instanceof expected)) throw actual;
    fails({ operator, stackStartFn, message: `Got unwanted exception: ${message ?? expected.name}` });
  }
  if (isRegExp(expected) && !matches(expected, StringConstructor(actual))) throw actual;
  const details = message !== undefined && message !== null ? `: ${message}` : ".";
  fails({ operator, stackStartFn, message: `Got unwanted exception${details}\nActual message: "${actual?.message}"` });
};

const checkRegExp = (regexp) => {
  if (!isRegExp(regexp)) throw invalidArgType("regexp", "an instance of RegExp", regexp);
};

/** The functions, for what an `Assert` was made with. */
const functions = (options) => {
  const methods = {
    fail(message) {
      if (message === undefined || message === null) failGenerated({ message: "Failed", operator: "fail", stackStartFn: methods.fail });
      if (typeof message === "string") fails({ message, operator: "fail", stackStartFn: methods.fail });
      throw message;
    },
    deepStrictEqual(actual, expected, message) {
      needTwo(arguments.length);
      if (!isDeepStrictEqual(actual, expected, options)) {
        fails({ actual, expected, message, operator: "deepStrictEqual", stackStartFn: methods.deepStrictEqual });
      }
    },
    notDeepStrictEqual(actual, expected, message) {
      needTwo(arguments.length);
      if (isDeepStrictEqual(actual, expected, options)) {
        failWith(
          actual, expected, message, "notDeepStrictEqual", "Expected actual to not be deeply strictly equal to expected",
          methods.notDeepStrictEqual,
        );
      }
    },
    strictEqual(actual, expected, message) {
      needTwo(arguments.length);
      same(actual, expected, message);
    },
    notStrictEqual(actual, expected, message) {
      needTwo(arguments.length);
      notTheSame(actual, expected, message);
    },
    partialDeepStrictEqual(actual, expected, message) {
      needTwo(arguments.length);
      if (!isPartiallyEqual(actual, expected, options)) {
        failWith(
          actual, expected, message, "partialDeepStrictEqual", "Expected actual to be partially deeply strictly equal to expected",
          methods.partialDeepStrictEqual,
        );
      }
    },
    match(actual, regexp, message) {
      if (arguments.length < 2) throw missing('"actual" and "regexp"');
      checkRegExp(regexp);
      const text = StringConstructor(actual);
      if (matches(regexp, text)) return;
      failWith(actual, regexp, message, "match", `actual: "${text}" expected to match: "${regexpToString(regexp)}"`, methods.match);
    },
    doesNotMatch(actual, regexp, message) {
      if (arguments.length < 2) throw missing('"actual" and "regexp"');
      checkRegExp(regexp);
      if (typeof actual !== "string") {
        const { message: text } = invalidArgType("string", "of type string", actual);
        failWith(actual, regexp, message, "doesNotMatch", text, methods.doesNotMatch);
      }
      if (!matches(regexp, actual)) return;
      failWith(
        actual, regexp, message, "doesNotMatch", `actual: "${actual}" expected to not match: "${regexpToString(regexp)}"`,
        methods.doesNotMatch,
      );
    },
    throws(fn, error, message) {
      expectError(arguments.length, thrownBy(fn), error, message, "throws", methods.throws);
    },
    rejects(promiseFn, error, message) {
      const count = arguments.length;
      return settle(promiseFn, (actual) => expectError(count, actual, error, message, "rejects", methods.rejects));
    },
    doesNotThrow(fn, error, message) {
      expectNoError(thrownBy(fn), error, message, "doesNotThrow", methods.doesNotThrow);
    },
    doesNotReject(promiseFn, error, message) {
      return settle(promiseFn, (actual) => expectNoError(actual, error, message, "doesNotReject", methods.doesNotReject));
    },
    ifError(error) {
      if (error === undefined || error === null) return;
      let text = inspect(error);
      if (typeof error === "object" && typeof error.message === "string") {
        text = error.message.length === 0 && error.constructor ? error.constructor.name : error.message;
      }
      fails({ actual: error, expected: null, operator: "ifError", message: `ifError got unwanted exception: ${text}`, stackStartFn: methods.ifError });
    },
  };
  const same = (actual, expected, message) => {
    if (!is(actual, expected)) failWith(actual, expected, message, "strictEqual", notSame(actual, expected), methods.strictEqual);
  };
  const notTheSame = (actual, expected, message) => {
    if (is(actual, expected)) {
      failWith(actual, expected, message, "notStrictEqual", "Expected actual to be strictly unequal to expected", methods.notStrictEqual);
    }
  };
  const strictly = {
    equal(actual, expected, message) {
      same(actual, expected, message);
    },
    notEqual(actual, expected, message) {
      notTheSame(actual, expected, message);
    },
    deepEqual(actual, expected, message) {
      methods.deepStrictEqual(actual, expected, message);
    },
    notDeepEqual(actual, expected, message) {
      methods.notDeepStrictEqual(actual, expected, message);
    },
  };
  return { methods, strictly };
};
const settle = (promiseFn, check) => {
  let rejection;
  try {
    rejection = rejectionOf(promiseFn);
  } catch (error) {
    return PromiseReject(error);
  }
  return PromisePrototypeThen(rejection, ({ error }) => check(error));
};

const loosely = {
  looseEqual(actual, expected, message) {
    needTwo(arguments.length);
    if (!(actual == expected || (NumberIsNaN(actual) && NumberIsNaN(expected)))) fails({ actual, expected, message, operator: "==" });
  },
  looseNotEqual(actual, expected, message) {
    needTwo(arguments.length);
    if (actual == expected || (NumberIsNaN(actual) && NumberIsNaN(expected))) fails({ actual, expected, message, operator: "!=" });
  },
  looseDeepEqual(actual, expected, message) {
    needTwo(arguments.length);
    if (!isDeepEqual(actual, expected)) fails({ actual, expected, message, operator: "deepEqual" });
  },
  looseNotDeepEqual(actual, expected, message) {
    needTwo(arguments.length);
    if (isDeepEqual(actual, expected)) fails({ actual, expected, message, operator: "notDeepEqual" });
  },
};

const assign = (object, members) => {
  for (const name in members) {
    const value = members[name];
    defineProperty(object, name, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
  }
};
const none = { __proto__: null, skipPrototype: false };
const common = functions(none);
const shared = common.methods;

/** The functions of `assert` with choices of one's own. */
function Assert(options) {
  if (!new.target) throw coded(BaseTypeError, "ERR_CONSTRUCT_CALL_REQUIRED", "Class constructor Assert cannot be invoked without `new`");
  const { diff, skipPrototype, strict } = { __proto__: null, ...(isObject(options) ? options : undefined) };
  if (diff !== undefined && diff !== "simple" && diff !== "full") {
    throw coded(BaseTypeError, "ERR_INVALID_ARG_VALUE", `The property 'options.diff' must be one of: 'simple', 'full'. Received ${inspect(diff)}`);
  }
  const { methods } = skipPrototype ? functions({ __proto__: null, skipPrototype: true }) : common;
  if (skipPrototype) for (const name in methods) hide(this, name, methods[name]);
  assign(this, { AssertionError });
  if (strict === false) return;
  assign(this, {
    equal: methods.strictEqual, deepEqual: methods.deepStrictEqual, notEqual: methods.notStrictEqual,
    notDeepEqual: methods.notDeepStrictEqual,
  });
}
assign(Assert.prototype, shared);
assign(Assert.prototype, {
  ok(...args) {
    ok(args, Assert.prototype.ok);
  },
  equal: loosely.looseEqual,
  notEqual: loosely.looseNotEqual,
  deepEqual: loosely.looseDeepEqual,
  notDeepEqual: loosely.looseNotDeepEqual,
});

function strict(value, message) {
  ok(arguments, strict);
}
const { equal, notEqual, deepEqual, notDeepEqual } = common.strictly;
const {
  fail, deepStrictEqual, notDeepStrictEqual, strictEqual, notStrictEqual, partialDeepStrictEqual, match, doesNotMatch, throws, rejects,
  doesNotThrow, doesNotReject, ifError,
} = shared;
assign(assert, shared);
assign(assert, { Assert, AssertionError, ok: assert, strict, equal, notEqual, deepEqual, notDeepEqual });
assign(strict, shared);
assign(strict, {
  Assert, AssertionError, ok: assert, strict, equal: strictEqual, notEqual: notStrictEqual, deepEqual: deepStrictEqual,
  notDeepEqual: notDeepStrictEqual,
});

export {
  Assert, AssertionError, deepEqual, deepStrictEqual, doesNotMatch, doesNotReject, doesNotThrow, equal, fail, ifError, match,
  notDeepEqual, notDeepStrictEqual, notEqual, notStrictEqual, assert as ok, partialDeepStrictEqual, rejects, strict, strictEqual,
  throws,
};
export default assert;
