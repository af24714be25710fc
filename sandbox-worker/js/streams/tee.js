// One stream read as two.
(function (internal) {
  "use strict";
  const { withResolvers, copyBytes, resolvedPromise, upon, microtask, withoutObjectPrototype } = internal.primordials;
  const {
    follow, Readable, readableCancel, acquireReader, readerRead, byobReaderRead, readerRelease, makeDefaultLater,
    ByteController, requestView, makeNative, nativeEnd,
  } = internal.streams;

  // ReadableStreamDefaultTee, as the source of both branches and the read request of their reader in one object.
  class DefaultTee {
    constructor(stream) {
      this.stream = stream;
      this.reader = acquireReader(stream, false);
      this.reading = false;
      this.readAgain = false;
      this.cancelPromise = withResolvers();
      this.one = new TeeBranch(this);
      this.two = new TeeBranch(this);
      this.branch1 = makeDefaultLater(this.one, 1);
      this.branch2 = makeDefaultLater(this.two, 1);
      this.value = undefined;
      this.onMicrotask = () => this.deliver();
      upon(this.reader.closed.promise, undefined, (error) => {
        this.branch1.controller.error(error);
        this.branch2.controller.error(error);
        if (!this.one.canceled || !this.two.canceled) this.cancelPromise.resolve(undefined);
      });
    }
    pull() {
      if (this.reading) {
        this.readAgain = true;
        return resolvedPromise;
      }
      this.reading = true;
      readerRead(this.reader, this);
      return resolvedPromise;
    }
    // Read request steps.
    chunk(value) {
      this.value = value;
      microtask(this.onMicrotask);
    }
    deliver() {
      this.readAgain = false;
      const { value } = this;
      this.value = undefined;
      if (!this.one.canceled) this.branch1.controller.enqueue(value);
      if (!this.two.canceled) this.branch2.controller.enqueue(value);
      this.reading = false;
      if (this.readAgain) this.pull();
    }
    close() {
      this.reading = false;
      if (!this.one.canceled) this.branch1.controller.close();
      if (!this.two.canceled) this.branch2.controller.close();
      if (!this.one.canceled || !this.two.canceled) this.cancelPromise.resolve(undefined);
    }
    error() {
      this.reading = false;
    }
    cancel() {
      if (this.one.canceled && this.two.canceled) {
        follow(this.cancelPromise, readableCancel(this.stream, [this.one.reason, this.two.reason]));
      }
      return this.cancelPromise.promise;
    }
  }
  class TeeBranch {
    constructor(tee) {
      this.tee = tee;
      this.canceled = false;
      this.reason = undefined;
    }
    pull() {
      return this.tee.pull(this);
    }
    cancel(reason) {
      this.canceled = true;
      this.reason = reason;
      return this.tee.cancel();
    }
  }

  // ReadableByteStreamTee.
  class ByteTee {
    constructor(stream) {
      this.stream = stream;
      this.reader = acquireReader(stream, false);
      this.reading = false;
      this.readAgain1 = false;
      this.readAgain2 = false;
      this.cancelPromise = withResolvers();
      this.one = new TeeBranch(this);
      this.two = new TeeBranch(this);
      this.branch1 = new Readable();
      new ByteController(this.branch1, this.one, 0, undefined).startWith(undefined);
      this.branch2 = new Readable();
      new ByteController(this.branch2, this.two, 0, undefined).startWith(undefined);
      this.forwardReaderError();
    }
    forwardReaderError() {
      const { reader } = this;
      upon(reader.closed.promise, undefined, (error) => {
        if (reader !== this.reader) return;
        this.branch1.controller.error(error);
        this.branch2.controller.error(error);
        if (!this.one.canceled || !this.two.canceled) this.cancelPromise.resolve(undefined);
      });
    }
    useReader(byob) {
      if (this.reader.byob === byob) return;
      readerRelease(this.reader);
      this.reader = acquireReader(this.stream, byob);
      this.forwardReaderError();
    }
    pull(source) {
      const isFirst = source === this.one;
      if (this.reading) {
        if (isFirst) this.readAgain1 = true;
        else this.readAgain2 = true;
        return resolvedPromise;
      }
      this.reading = true;
      const branch = isFirst ? this.branch1 : this.branch2;
      const request = branch.controller.getByobRequest();
      if (request === null) {
        this.useReader(false);
        readerRead(this.reader, new ByteTeeRequest(this));
      } else {
        this.useReader(true);
        byobReaderRead(this.reader, requestView(request), 1, new ByteTeeByobRequest(this, !isFirst));
      }
      return resolvedPromise;
    }
    again() {
      this.reading = false;
      if (this.readAgain1) this.pull(this.one);
      else if (this.readAgain2) this.pull(this.two);
    }
    cloneOrFail(chunk) {
      try {
        return copyBytes(chunk);
      } catch (error) {
        this.branch1.controller.error(error);
        this.branch2.controller.error(error);
        follow(this.cancelPromise, readableCancel(this.stream, error));
        return undefined;
      }
    }
    cancel() {
      if (this.one.canceled && this.two.canceled) {
        follow(this.cancelPromise, readableCancel(this.stream, [this.one.reason, this.two.reason]));
      }
      return this.cancelPromise.promise;
    }
  }
  const enqueueView = (branch, view) => branch.controller.enqueue(view);
  class ByteTeeRequest {
    constructor(tee) {
      this.tee = tee;
    }
    chunk(chunk) {
      const { tee } = this;
      microtask(() => {
        tee.readAgain1 = false;
        tee.readAgain2 = false;
        let second = chunk;
        if (!tee.one.canceled && !tee.two.canceled) {
          second = tee.cloneOrFail(chunk);
          if (second === undefined) return;
        }
        if (!tee.one.canceled) enqueueView(tee.branch1, chunk);
        if (!tee.two.canceled) enqueueView(tee.branch2, second);
        tee.again();
      });
    }
    close() {
      const { tee } = this;
      tee.reading = false;
      if (!tee.one.canceled) tee.branch1.controller.close();
      if (!tee.two.canceled) tee.branch2.controller.close();
      if (tee.branch1.controller.pendingPullIntos.length > 0) tee.branch1.controller.respond(0);
      if (tee.branch2.controller.pendingPullIntos.length > 0) tee.branch2.controller.respond(0);
      if (!tee.one.canceled || !tee.two.canceled) tee.cancelPromise.resolve(undefined);
    }
    error() {
      this.tee.reading = false;
    }
  }
  class ByteTeeByobRequest {
    constructor(tee, forSecond) {
      this.tee = tee;
      this.forSecond = forSecond;
    }
    chunk(chunk) {
      const { tee, forSecond } = this;
      microtask(() => {
        tee.readAgain1 = false;
        tee.readAgain2 = false;
        const byobBranch = forSecond ? tee.branch2 : tee.branch1;
        const otherBranch = forSecond ? tee.branch1 : tee.branch2;
        const byobCanceled = forSecond ? tee.two.canceled : tee.one.canceled;
        const otherCanceled = forSecond ? tee.one.canceled : tee.two.canceled;
        if (!otherCanceled) {
          const clone = tee.cloneOrFail(chunk);
          if (clone === undefined) return;
          if (!byobCanceled) byobBranch.controller.respondWithNewView(chunk);
          enqueueView(otherBranch, clone);
        } else if (!byobCanceled) {
          byobBranch.controller.respondWithNewView(chunk);
        }
        tee.again();
      });
    }
    close(chunk) {
      const { tee, forSecond } = this;
      tee.reading = false;
      const byobBranch = forSecond ? tee.branch2 : tee.branch1;
      const otherBranch = forSecond ? tee.branch1 : tee.branch2;
      const byobCanceled = forSecond ? tee.two.canceled : tee.one.canceled;
      const otherCanceled = forSecond ? tee.one.canceled : tee.two.canceled;
      if (!byobCanceled) byobBranch.controller.close();
      if (!otherCanceled) otherBranch.controller.close();
      if (chunk !== undefined) {
        if (!byobCanceled) byobBranch.controller.respondWithNewView(chunk);
        if (!otherCanceled && otherBranch.controller.pendingPullIntos.length > 0) otherBranch.controller.respond(0);
      }
      if (!byobCanceled || !otherCanceled) tee.cancelPromise.resolve(undefined);
    }
    error() {
      this.tee.reading = false;
    }
  }

  const teeStream = (stream) => {
    // As in the reference, even before a branch is read.
    stream.disturbed = true;
    const end = nativeEnd(stream);
    if (end !== undefined) {
      acquireReader(stream, false);
      const ends = end.tee();
      const { expectedLength, owner } = stream;
      return { branch1: makeNative(ends[0], expectedLength, owner), branch2: makeNative(ends[1], expectedLength, owner) };
    }
    const tee = stream.controller.isByte ? new ByteTee(stream) : new DefaultTee(stream);
    tee.branch1.expectedLength = stream.expectedLength;
    tee.branch2.expectedLength = stream.expectedLength;
    return tee;
  };

  withoutObjectPrototype([DefaultTee, TeeBranch, ByteTee, ByteTeeRequest, ByteTeeByobRequest]);
  Object.assign(internal.streams, { teeStream });
  return {};
})
