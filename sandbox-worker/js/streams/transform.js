// Transform streams inside: a writable side whose sink feeds the readable one (Streams Standard section 6).
(function (internal) {
  "use strict";
  const {
    PromisePrototypeThen, PromiseReject, withResolvers, resolvedPromise, upon, withoutObjectPrototype,
  } = internal.primordials;
  const {
    Deferred, chain, ERRORED, ERRORING, Readable, DefaultController, Writable, WritableController, pipe,
  } = internal.streams;
  const TypeErrorConstructor = TypeError;

  // What compatibility flags change: true on the newest dates.
  let boundedEncoders = true;
  let renewsBackpressure = true;
  internal.atBind((flag) => {
    boundedEncoders = flag("encoder_stream_spec_compliant_backpressure");
    renewsBackpressure = flag("fixup-transform-stream-backpressure");
  });

  class Transform {
    constructor() {
      this.readable = undefined;
      this.writable = undefined;
      this.backpressure = undefined;
      this.backpressureChange = undefined;
      this.controller = undefined;
    }
  }
  class TransformController {
    constructor(stream, transformer) {
      this.stream = stream;
      this.transformer = transformer;
      this.finishPromise = undefined;
      this.wrapper = undefined;
      stream.controller = this;
    }
    enqueue(chunk) {
      const { stream } = this;
      const readableController = stream.readable.controller;
      if (!readableController.canCloseOrEnqueue()) {
        throw new TypeErrorConstructor("The readable side of this TransformStream is no longer readable.");
      }
      try {
        readableController.enqueue(chunk);
      } catch (error) {
        transformErrorWritableAndUnblock(stream, error);
        throw stream.readable.storedError;
      }
      const backpressure = !readableController.shouldCallPull();
      if (renewsBackpressure && backpressure !== stream.backpressure) transformSetBackpressure(stream, true);
    }
    error(error) {
      transformError(this.stream, error);
    }
    terminate() {
      const { stream } = this;
      stream.readable.controller.close();
      transformErrorWritableAndUnblock(stream, new TypeErrorConstructor("The transform stream has been terminated"));
    }
    performTransform(chunk) {
      return PromisePrototypeThen(this.transformer.transform(chunk, this), undefined, (error) => {
        transformError(this.stream, error);
        throw error;
      });
    }
    clearAlgorithms() {
      this.transformer = undefined;
    }
  }

  /** Runs `transform(chunk)` and `flush()` of an internal object, which return the chunk to enqueue or undefined. */
  class InternalTransformer {
    constructor(codec) {
      this.codec = codec;
    }
    transform(chunk, controller) {
      try {
        const result = this.codec.transform(chunk);
        if (result !== undefined) controller.enqueue(result);
        return resolvedPromise;
      } catch (error) {
        return PromiseReject(error);
      }
    }
    flush(controller) {
      try {
        const result = this.codec.flush();
        if (result !== undefined) controller.enqueue(result);
        return resolvedPromise;
      } catch (error) {
        return PromiseReject(error);
      }
    }
    cancel() {
      return resolvedPromise;
    }
  }

  const transformError = (stream, error) => {
    stream.readable.controller.error(error);
    transformErrorWritableAndUnblock(stream, error);
  };
  const transformErrorWritableAndUnblock = (stream, error) => {
    stream.controller.clearAlgorithms();
    stream.writable.controller.errorIfNeeded(error);
    if (stream.backpressure) transformSetBackpressure(stream, false);
  };
  const transformSetBackpressure = (stream, backpressure) => {
    stream.backpressureChange?.resolve(undefined);
    stream.backpressureChange = new Deferred();
    stream.backpressure = backpressure;
  };

  /** Has `end` end the transformer, the first time; `other` is the side that did not ask, and learns of it by `done` or `failed`. */
  const finishOnce = (controller, other, end, done, failed) => {
    if (controller.finishPromise !== undefined) return controller.finishPromise.promise;
    const finish = (controller.finishPromise = withResolvers());
    const promise = end(controller.transformer);
    controller.clearAlgorithms();
    upon(
      promise,
      () => {
        if (other.state === ERRORED) {
          finish.reject(other.storedError);
        } else {
          done();
          finish.resolve(undefined);
        }
      },
      (error) => {
        failed(error);
        finish.reject(error);
      },
    );
    return finish.promise;
  };

  class TransformSink {
    constructor(stream) {
      this.stream = stream;
    }
    write(chunk) {
      const { stream } = this;
      const { controller } = stream;
      if (!stream.backpressure) return controller.performTransform(chunk);
      return chain(stream.backpressureChange.promise, () => {
        const { writable } = stream;
        if (writable.state === ERRORING) throw writable.storedError;
        return controller.performTransform(chunk);
      });
    }
    abort(reason) {
      const { controller, readable } = this.stream;
      const error = (reason) => readable.controller.error(reason);
      return finishOnce(controller, readable, (transformer) => transformer.cancel(reason), () => error(reason), error);
    }
    close() {
      const { controller, readable } = this.stream;
      const close = () => readable.controller.close();
      const error = (reason) => readable.controller.error(reason);
      return finishOnce(controller, readable, (transformer) => transformer.flush(controller), close, error);
    }
  }
  class TransformSource {
    constructor(stream) {
      this.stream = stream;
    }
    pull() {
      transformSetBackpressure(this.stream, false);
      return this.stream.backpressureChange.promise;
    }
    cancel(reason) {
      const { stream } = this;
      const { controller, writable } = stream;
      const error = (reason) => {
        writable.controller.errorIfNeeded(reason);
        if (stream.backpressure) transformSetBackpressure(stream, false);
      };
      return finishOnce(controller, writable, (transformer) => transformer.cancel(reason), () => error(reason), error);
    }
  }
  const initializeTransform = (stream, startPromise, writableHwm, writableSize, readableHwm, readableSize) => {
    const writable = (stream.writable = new Writable());
    new WritableController(writable, new TransformSink(stream), writableHwm, writableSize).startAfter(startPromise);
    const readable = (stream.readable = new Readable());
    new DefaultController(readable, new TransformSource(stream), readableHwm, readableSize).startAfter(startPromise);
    transformSetBackpressure(stream, true);
  };
  const makeInternalTransform = (codec) => {
    const stream = new Transform();
    initializeTransform(stream, resolvedPromise, 1, undefined, boundedEncoders ? 0 : 1, undefined);
    new TransformController(stream, new InternalTransformer(codec));
    return stream;
  };

  withoutObjectPrototype([Transform, TransformController, InternalTransformer, TransformSink, TransformSource]);
  Object.assign(internal.streams, {
    Transform, TransformController, initializeTransform, makeInternalTransform,
  });
  return {};
})
