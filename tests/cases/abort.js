import { strictEqual, rejects, throws } from 'node:assert';

export const controllersAbortTheirSignal = {
  test() {
    const controller = new AbortController();
    let told = 0;
    controller.signal.onabort = () => told++;
    controller.abort('why');
    controller.abort('again');
    strictEqual(controller.signal.aborted, true);
    strictEqual(controller.signal.reason, 'why');
    strictEqual(told, 1);
    throws(() => controller.signal.throwIfAborted(), (reason) => reason === 'why');
  },
};

export const theDefaultReasonIsAnError = {
  test() {
    const { reason } = AbortSignal.abort();
    strictEqual(reason.name, 'AbortError');
    strictEqual(reason instanceof DOMException, true);
  },
};

export const signalsTimeOut = {
  async test() {
    const signal = AbortSignal.timeout(5);
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    strictEqual(signal.reason.name, 'TimeoutError');
  },
};

export const anyFollowsTheFirst = {
  test() {
    const [one, other] = [new AbortController(), new AbortController()];
    const any = AbortSignal.any([one.signal, other.signal]);
    other.abort(7);
    strictEqual(any.aborted, true);
    strictEqual(any.reason, 7);
  },
};

export const waitingCanBeAborted = {
  async test() {
    const controller = new AbortController();
    const wait = scheduler.wait(60_000, { signal: controller.signal });
    controller.abort(new Error('no more'));
    await rejects(wait, { message: 'no more' });
  },
};
