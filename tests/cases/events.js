import { deepStrictEqual, strictEqual, throws } from 'node:assert';

export const listenersAreCalledInOrder = {
  test() {
    const target = new EventTarget();
    const seen = [];
    target.addEventListener('x', () => seen.push(1));
    target.addEventListener('x', { handleEvent() { seen.push(2); } });
    target.dispatchEvent(new Event('x'));
    target.dispatchEvent(new Event('y'));
    deepStrictEqual(seen, [1, 2]);
  },
};

export const onceAndRemoval = {
  test() {
    const target = new EventTarget();
    let count = 0;
    const listener = () => count++;
    target.addEventListener('x', listener, { once: true });
    target.dispatchEvent(new Event('x'));
    target.dispatchEvent(new Event('x'));
    strictEqual(count, 1);
    target.addEventListener('x', listener);
    target.removeEventListener('x', listener);
    target.dispatchEvent(new Event('x'));
    strictEqual(count, 1);
  },
};

export const preventDefaultIsToldToTheCaller = {
  test() {
    const target = new EventTarget();
    target.addEventListener('x', (event) => event.preventDefault());
    strictEqual(target.dispatchEvent(new Event('x', { cancelable: true })), false);
    strictEqual(target.dispatchEvent(new Event('y')), true);
  },
};

export const propagationCanBeStoppedAtOnce = {
  test() {
    const target = new EventTarget();
    let second = false;
    target.addEventListener('x', (event) => event.stopImmediatePropagation());
    target.addEventListener('x', () => { second = true; });
    target.dispatchEvent(new Event('x'));
    strictEqual(second, false);
  },
};

export const signalsRemoveListeners = {
  test() {
    const target = new EventTarget();
    const controller = new AbortController();
    let count = 0;
    target.addEventListener('x', () => count++, { signal: controller.signal });
    target.dispatchEvent(new Event('x'));
    controller.abort();
    target.dispatchEvent(new Event('x'));
    strictEqual(count, 1);
  },
};

export const customEventsHaveADetail = {
  test() {
    const event = new CustomEvent('c', { detail: { a: 1 } });
    deepStrictEqual([event.type, event.detail], ['c', { a: 1 }]);
    strictEqual(event instanceof Event, true);
  },
};

export const exceptionsHaveNamesAndCodes = {
  test() {
    const error = new DOMException('words', 'AbortError');
    deepStrictEqual([error.name, error.message, error.code], ['AbortError', 'words', 20]);
    strictEqual(error instanceof Error, true);
    strictEqual(DOMException.ABORT_ERR, 20);
    throws(() => structuredClone(() => 0), { name: 'DataCloneError', code: 25 });
  },
};
