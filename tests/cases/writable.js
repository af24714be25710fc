import { deepStrictEqual, rejects, strictEqual, throws } from 'node:assert';

export const writesAreOneAfterTheOther = {
  async test() {
    const order = [];
    const stream = new WritableStream({
      async write(chunk) {
        order.push(`begin ${chunk}`);
        await scheduler.wait(1);
        order.push(`end ${chunk}`);
      },
    });
    const writer = stream.getWriter();
    await Promise.all([writer.write(1), writer.write(2)]);
    deepStrictEqual(order, ['begin 1', 'end 1', 'begin 2', 'end 2']);
  },
};

export const desiredSizeSaysHowMuchIsWanted = {
  async test() {
    const stream = new WritableStream({}, new CountQueuingStrategy({ highWaterMark: 2 }));
    const writer = stream.getWriter();
    strictEqual(writer.desiredSize, 2);
    await writer.write('x');
    strictEqual(writer.desiredSize, 2);
    await writer.close();
    strictEqual(writer.desiredSize, 0);
  },
};

export const readyIsPendingWhileTheQueueIsFull = {
  async test() {
    let release;
    const gate = new Promise((resolve) => { release = resolve; });
    const writer = new WritableStream({ write: () => gate }).getWriter();
    await writer.ready;
    const writing = writer.write(1);
    let isReady = false;
    const ready = writer.ready.then(() => { isReady = true; });
    await scheduler.wait(1);
    strictEqual(isReady, false);
    release();
    await Promise.all([writing, ready]);
    strictEqual(isReady, true);
  },
};

export const aFailedWriteBreaksTheStream = {
  async test() {
    const error = new RangeError('full');
    const writer = new WritableStream({ write() { throw error; } }).getWriter();
    const closed = rejects(writer.closed, error);
    await rejects(writer.write(1), error);
    await rejects(writer.write(2), error);
    await closed;
    strictEqual(writer.desiredSize, null);
  },
};

export const aFailedStartBreaksTheStream = {
  async test() {
    const writer = new WritableStream({ start: () => Promise.reject(new Error('later')) }).getWriter();
    await rejects(writer.closed, { message: 'later' });
  },
};

export const theControllerCanBreakIt = {
  async test() {
    let controller;
    const writer = new WritableStream({ start(given) { controller = given; } }).getWriter();
    controller.error(new Error('from within'));
    await rejects(writer.write(1), { message: 'from within' });
  },
};

export const theControllersSignalIsAborted = {
  async test() {
    let signal;
    const writer = new WritableStream({ start(controller) { signal = controller.signal; } }).getWriter();
    strictEqual(signal.aborted, false);
    await writer.abort('why');
    strictEqual(signal.aborted, true);
    strictEqual(signal.reason, 'why');
  },
};

export const closingWaitsForWhatWasWritten = {
  async test() {
    const order = [];
    const writer = new WritableStream({
      async write(chunk) { await scheduler.wait(1); order.push(chunk); },
      close() { order.push('close'); },
    }).getWriter();
    writer.write('a');
    writer.write('b');
    await writer.close();
    deepStrictEqual(order, ['a', 'b', 'close']);
  },
};

export const whatIsClosedTakesNothing = {
  async test() {
    const writer = new WritableStream().getWriter();
    await writer.close();
    await rejects(writer.write(1), TypeError);
    await rejects(writer.close(), TypeError);
    await writer.closed;
  },
};

export const oneWriterAtATime = {
  async test() {
    const stream = new WritableStream();
    const writer = stream.getWriter();
    strictEqual(stream.locked, true);
    throws(() => stream.getWriter(), TypeError);
    await rejects(stream.abort(), TypeError);
    await rejects(stream.close(), TypeError);
    writer.releaseLock();
    strictEqual(stream.locked, false);
    await rejects(writer.write(1), TypeError);
    await stream.close();
  },
};

export const chunksMayBeWeighed = {
  async test() {
    const strategy = new ByteLengthQueuingStrategy({ highWaterMark: 10 });
    const writer = new WritableStream({}, strategy).getWriter();
    strictEqual(writer.desiredSize, 10);
    await writer.write(new Uint8Array(4));
    strictEqual(strategy.size(new Uint8Array(3)), 3);
    strictEqual(new CountQueuingStrategy({ highWaterMark: 1 }).size('anything'), 1);
  },
};

export const strategiesNeedAMark = {
  test() {
    throws(() => new CountQueuingStrategy(), TypeError);
    throws(() => new ByteLengthQueuingStrategy(), TypeError);
    strictEqual(new CountQueuingStrategy({ highWaterMark: 3 }).highWaterMark, 3);
  },
};
