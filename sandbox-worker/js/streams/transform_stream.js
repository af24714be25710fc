// The classes of transform streams that scripts see, over transformers of theirs or none.
(function (internal) {
  "use strict";
  const {
    PromiseReject, withResolvers, resolvedPromise, illegalConstructor, brand, notOfType,
    constructorNotOfType, toEnforcedUnsigned, shape, withoutObjectPrototype, adorn, carried,
  } = internal.primordials;
  const {
    promiseCall, follow, kWrap, method, dictionary, convertStrategy, extractHighWaterMark, writableWrapper,
    readableWrapper, publicDesiredSize, Transform, TransformController, initializeTransform, IdentityPipe,
  } = internal.streams;
  const NumberIsFinite = Number.isFinite;
  const { floor: MathFloor } = Math;
  const NumberConstructor = Number;
  const TypeErrorConstructor = TypeError;
  const RangeErrorConstructor = RangeError;

  // What compatibility flags change: true on the newest dates.
  let standardTransform = true;
  internal.atBind((flag) => {
    standardTransform = flag("transformstream_enable_standard_constructor");
  });

  const transformControllerWrapper = (controller) =>
    (controller.wrapper ??= new TransformStreamDefaultController(kWrap, controller));

  class ScriptTransformer {
    constructor(object, transform, flush, cancel) {
      this.object = object;
      this.transformMethod = transform;
      this.flushMethod = flush;
      this.cancelMethod = cancel;
    }
    transform(chunk, controller) {
      if (this.transformMethod === undefined) {
        try {
          controller.enqueue(chunk);
          return resolvedPromise;
        } catch (error) {
          return PromiseReject(error);
        }
      }
      return promiseCall(this.transformMethod, this.object, [chunk, transformControllerWrapper(controller)]);
    }
    flush(controller) {
      if (this.flushMethod === undefined) return resolvedPromise;
      return promiseCall(this.flushMethod, this.object, [transformControllerWrapper(controller)]);
    }
    cancel(reason) {
      if (this.cancelMethod === undefined) return resolvedPromise;
      return promiseCall(this.cancelMethod, this.object, [reason]);
    }
  }

  // The state that a subclass of ours hands to the constructor of TransformStream. It is no argument because a script
  // can put a function of its own in the place where super() looks.
  let subclassState;
  internal.atForget(() => {
    subclassState = undefined;
  });
  const nextTransform = (state) => {
    subclassState = state;
  };

  class TransformStream {
    #s = adorn(this);
    #readable; // kept: what the stream is may go over to another object
    static #check = brand((value) => #s in value);
    constructor(transformer = undefined, writableStrategy = undefined, readableStrategy = undefined) {
      if (subclassState !== undefined) {
        this.#s = subclassState;
        subclassState = undefined;
        return;
      }
      if (!standardTransform) {
        this.#s = new IdentityPipe(undefined, undefined);
        return;
      }
      const object = dictionary(transformer, () => constructorNotOfType("TransformStream", 1, "Transformer"));
      const writable = convertStrategy(writableStrategy, "TransformStream", 2);
      const readable = convertStrategy(readableStrategy, "TransformStream", 3);
      let cancel;
      let expectedLength;
      let flush;
      let start;
      let transform;
      if (object !== undefined) {
        cancel = method(object, "cancel", "Transformer");
        expectedLength = object.expectedLength;
        if (expectedLength !== undefined && expectedLength !== null) {
          expectedLength = toEnforcedUnsigned(expectedLength, "expectedLength");
        } else {
          expectedLength = undefined;
        }
        flush = method(object, "flush", "Transformer");
        const { readableType } = object;
        start = method(object, "start", "Transformer");
        transform = method(object, "transform", "Transformer");
        const { writableType } = object;
        if (readableType !== undefined) {
          throw new RangeErrorConstructor("transformer.readableType must be undefined.");
        }
        if (writableType !== undefined) {
          throw new RangeErrorConstructor("transformer.writableType must be undefined.");
        }
      }
      const readableHwm = extractHighWaterMark(readable, 0);
      const writableHwm = extractHighWaterMark(writable, 1);
      const startPromise = withResolvers();
      const stream = (this.#s = new Transform());
      initializeTransform(stream, startPromise.promise, writableHwm, writable.size, readableHwm, readable.size);
      stream.readable.expectedLength = expectedLength;
      const controller = new TransformController(stream, new ScriptTransformer(object, transform, flush, cancel));
      if (start === undefined) startPromise.resolve(undefined);
      else follow(startPromise, promiseCall(start, object, [transformControllerWrapper(controller)]));
    }
    get readable() {
      TransformStream.#check(this);
      return (this.#readable ??= readableWrapper(this.#s.readable));
    }
    get writable() {
      TransformStream.#check(this);
      return writableWrapper(this.#s.writable);
    }
  }
  shape(TransformStream, "TransformStream");
  carried(TransformStream, ["readable", "writable"]);

  class TransformStreamDefaultController {
    #c;
    static #check = brand((value) => #c in value);
    constructor(token, controller) {
      if (token !== kWrap) throw illegalConstructor();
      this.#c = controller;
    }
    get desiredSize() {
      TransformStreamDefaultController.#check(this);
      return publicDesiredSize(this.#c.stream.readable.controller);
    }
    enqueue(chunk = undefined) {
      TransformStreamDefaultController.#check(this);
      this.#c.enqueue(chunk);
    }
    error(reason = undefined) {
      TransformStreamDefaultController.#check(this);
      if (arguments.length === 0) throw notOfType("error", "TransformStreamDefaultController", 1, "Value");
      this.#c.error(reason);
    }
    terminate() {
      TransformStreamDefaultController.#check(this);
      this.#c.terminate();
    }
  }
  shape(TransformStreamDefaultController, "TransformStreamDefaultController");

  // The reference's byte transforms.
  class IdentityTransformStream extends TransformStream {
    constructor(queuingStrategy = undefined) {
      subclassState ??= new IdentityPipe(
        identityHighWaterMark(queuingStrategy, "IdentityTransformStream", 1),
        undefined,
      );
      super();
    }
  }
  shape(IdentityTransformStream, "IdentityTransformStream");
  const identityHighWaterMark = (strategy, name, index) => {
    strategy = dictionary(strategy, () => constructorNotOfType(name, index, "IdentityTransformStreamQueuingStrategy"));
    const highWaterMark = strategy === undefined ? undefined : strategy.highWaterMark;
    return highWaterMark === undefined || highWaterMark === null
      ? undefined
      : toEnforcedUnsigned(highWaterMark, "highWaterMark");
  };

  class FixedLengthStream extends IdentityTransformStream {
    constructor(expectedLength, queuingStrategy = undefined) {
      const expected = convertLength(expectedLength);
      subclassState = new IdentityPipe(identityHighWaterMark(queuingStrategy, "FixedLengthStream", 2), expected);
      super();
    }
  }
  shape(FixedLengthStream, "FixedLengthStream", 1);
  const convertLength = (value) => {
    if (value === undefined) throw constructorNotOfType("FixedLengthStream", 1, "bigint");
    const number = typeof value === "bigint" ? NumberConstructor(value) : +value;
    if (!NumberIsFinite(number)) {
      throw new TypeErrorConstructor("The value cannot be converted because it is not an integer.");
    }
    if (number < 0) {
      throw new TypeErrorConstructor(
        "The value cannot be converted because it is negative and this API expects a positive bigint.",
      );
    }
    if (number > 9007199254740991) {
      throw new TypeErrorConstructor(
        "The value cannot be converted because it is either negative and this API expects a positive bigint, or the " +
          "value would be truncated.",
      );
    }
    return MathFloor(number);
  };

  const { globals } = internal;
  globals.TransformStream = TransformStream;
  globals.TransformStreamDefaultController = TransformStreamDefaultController;
  globals.IdentityTransformStream = IdentityTransformStream;
  globals.FixedLengthStream = FixedLengthStream;
  withoutObjectPrototype([ScriptTransformer]);
  Object.assign(internal.streams, { nextTransform });
  return {};
})
