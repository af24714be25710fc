// What the classes of streams share: states, who may construct, the conversion of their arguments.
(function (internal) {
  "use strict";
  const { FunctionPrototypeApply, isObject, fieldNotOfType } = internal.primordials;
  const ErrorConstructor = Error;

  // Tells our own calls of a public constructor from a script's.
  const kWrap = { __proto__: null };

  const READABLE = 0;
  const CLOSED = 1;
  const ERRORED = 2;
  const WRITABLE = 3;
  const ERRORING = 4;

  // Whether scripts may construct streams: a compatibility flag says so.
  let constructorsEnabled = true;
  internal.atBind((flag) => {
    constructorsEnabled = flag("streams_enable_constructors");
  });
  // Set while a class of ours makes a stream for a worker whose scripts may not.
  let permitted = false;
  internal.atForget(() => {
    permitted = false;
  });
  const requireConstructors = (name) => {
    if (constructorsEnabled || permitted) {
      permitted = false;
      return;
    }
    throw new ErrorConstructor(
      `To use the new ${name}() constructor, enable the streams_enable_constructors compatibility flag. Refer to the ` +
        "docs for more information: https://developers.cloudflare.com/workers/platform/compatibility-dates/#compatibility-flags",
    );
  };

  /** The next stream is one of ours: scripts may not make any before `streams_enable_constructors`. */
  const permitStream = () => {
    permitted = true;
  };

  const method = (dictionary, key, name) => {
    const value = dictionary[key];
    if (value === undefined) return undefined;
    if (typeof value !== "function") throw fieldNotOfType(key, name, "function");
    return value;
  };
  /** Converts an optional dictionary argument; null and undefined are the empty one. */
  const dictionary = (value, makeError) => {
    if (value === undefined || value === null) return undefined;
    if (!isObject(value)) throw makeError();
    return value;
  };

  /** Runs a script's start method. As in the reference, one that throws makes a stream that is errored. */
  const startController = (controller, start, object, wrap) => {
    let result;
    try {
      if (start !== undefined) result = FunctionPrototypeApply(start, object, [wrap(controller)]);
    } catch (error) {
      controller.startFailed(error);
      return;
    }
    controller.startWith(result);
  };

  Object.assign(internal.streams, {
    kWrap, READABLE, CLOSED, ERRORED, WRITABLE, ERRORING, requireConstructors, permitStream, method, dictionary,
    startController,
  });
  return {};
})
