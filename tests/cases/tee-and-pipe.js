import { deepStrictEqual, ok, rejects, strictEqual, throws } from 'node:assert';

const listed = (...chunks) =>
  new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });

async function all(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

export const branchesAreReadApart = {
  async test() {
    const [one, other] = listed(1, 2, 3).tee();
    deepStrictEqual(await all(one), [1, 2, 3]);
    deepStrictEqual(await all(other), [1, 2, 3]);
  },
};

export const aTeedStreamIsLocked = {
  test() {
    const stream = listed(1);
    stream.tee();
    strictEqual(stream.locked, true);
    throws(() => stream.tee(), TypeError);
    throws(() => stream.getReader(), TypeError);
  },
};

export const chunksAreSharedBetweenBranches = {
  async test() {
    const object = { a: 1 };
    const [one, other] = listed(object).tee();
    strictEqual((await one.getReader().read()).value, object);
    strictEqual((await other.getReader().read()).value, object);
  },
};

export const anErrorReachesBothBranches = {
  async test() {
    const error = new Error('broken');
    const [one, other] = new ReadableStream({ start: (controller) => controller.error(error) }).tee();
    await rejects(all(one), error);
    await rejects(all(other), error);
  },
};

export const bothBranchesCancelTheSource = {
  async test() {
    let cancelled = 0;
    const [one, other] = new ReadableStream({ cancel() { cancelled++; } }).tee();
    const first = one.cancel('a');
    await scheduler.wait(1);
    strictEqual(cancelled, 0);
    await Promise.all([first, other.cancel('b')]);
    strictEqual(cancelled, 1);
  },
};

export const teesOfTees = {
  async test() {
    const [one, rest] = listed('x', 'y').tee();
    const [two, three] = rest.tee();
    for (const branch of [three, one, two]) deepStrictEqual(await all(branch), ['x', 'y']);
  },
};

export const aBodyAndItsBranches = {
  async test() {
    const [one, other] = new Response('shared').body.tee();
    strictEqual(await new Response(one).text(), 'shared');
    strictEqual(await new Response(other).text(), 'shared');
  },
};

export const aPipeClosesItsSink = {
  async test() {
    const seen = [];
    await listed('a', 'b').pipeTo(new WritableStream({
      write(chunk) { seen.push(chunk); },
      close() { seen.push('closed'); },
    }));
    deepStrictEqual(seen, ['a', 'b', 'closed']);
  },
};

export const aPipeLocksBothEnds = {
  async test() {
    const source = listed(1);
    const sink = new WritableStream();
    const piping = source.pipeTo(sink);
    ok(source.locked && sink.locked);
    await piping;
    ok(!source.locked && !sink.locked);
  },
};

export const aSourcesErrorAbortsTheSink = {
  async test() {
    const error = new Error('source');
    let reason;
    const source = new ReadableStream({ pull: (controller) => controller.error(error) });
    await rejects(source.pipeTo(new WritableStream({ abort(given) { reason = given; } })), error);
    strictEqual(reason, error);
  },
};

export const aSinksErrorCancelsTheSource = {
  async test() {
    const error = new Error('sink');
    let reason;
    const source = new ReadableStream({
      pull: (controller) => controller.enqueue(1),
      cancel(given) { reason = given; },
    });
    await rejects(source.pipeTo(new WritableStream({ write() { throw error; } })), error);
    strictEqual(reason, error);
  },
};

export const endsCanBeSpared = {
  async test() {
    const events = [];
    const failing = new ReadableStream({ start: (controller) => controller.error(new Error('x')) });
    const sink = new WritableStream({ abort: () => events.push('abort'), close: () => events.push('close') });
    await rejects(failing.pipeTo(sink, { preventAbort: true }));
    await listed(1).pipeTo(sink, { preventClose: true });
    deepStrictEqual(events, []);
    await sink.close();
    deepStrictEqual(events, ['close']);
  },
};

export const aSignalEndsAPipe = {
  async test() {
    const controller = new AbortController();
    const reason = new Error('enough');
    const source = new ReadableStream({ pull: (stream) => stream.enqueue(1) });
    let chunks = 0;
    const sink = new WritableStream({ write() { if (++chunks === 3) controller.abort(reason); } });
    await rejects(source.pipeTo(sink, { signal: controller.signal }), reason);
    ok(chunks >= 3);
  },
};

export const pipesBecomeChains = {
  async test() {
    const map = (change) => new TransformStream({ transform: (chunk, controller) => controller.enqueue(change(chunk)) });
    const stream = listed(1, 2, 3).pipeThrough(map((n) => n * 2)).pipeThrough(map((n) => `<${n}>`));
    deepStrictEqual(await all(stream), ['<2>', '<4>', '<6>']);
  },
};

export const pipeThroughGivesTheReadableSide = {
  test() {
    const transform = new TransformStream();
    strictEqual(new ReadableStream().pipeThrough(transform), transform.readable);
    throws(() => new ReadableStream().pipeThrough({}), TypeError);
  },
};

export const aLockedEndIsRefused = {
  async test() {
    const source = listed(1);
    source.getReader();
    await rejects(source.pipeTo(new WritableStream()), TypeError);
    const sink = new WritableStream();
    sink.getWriter();
    await rejects(listed(1).pipeTo(sink), TypeError);
  },
};
