import { deepStrictEqual, strictEqual, throws } from 'node:assert';

export const theGlobalObjectIsItself = {
  test() {
    strictEqual(self, globalThis);
    strictEqual(globalThis.constructor.name, 'ServiceWorkerGlobalScope');
    strictEqual(Object.prototype.toString.call(globalThis), '[object ServiceWorkerGlobalScope]');
  },
};

export const theNavigatorSaysWhoItIs = {
  test() {
    strictEqual(navigator.userAgent, 'Cloudflare-Workers');
    strictEqual(typeof navigator.sendBeacon, 'function');
  },
};

export const thePerformanceClockIsANumber = {
  test() {
    strictEqual(typeof performance.now(), 'number');
    strictEqual(performance.timeOrigin, 0);
  },
};

export const compatibilityFlagsAreTold = {
  test() {
    strictEqual(Cloudflare.compatibilityFlags.nodejs_compat, true);
    strictEqual(Cloudflare.compatibilityFlags.url_standard, true);
    throws(() => { 'use strict'; Cloudflare.compatibilityFlags.x = 1; });
  },
};

export const illegalConstructorsThrow = {
  test() {
    for (const name of ['Crypto', 'SubtleCrypto', 'Cache', 'CacheStorage', 'ReadableStreamBYOBRequest']) {
      throws(() => new globalThis[name](), TypeError, name);
    }
  },
};

export const interfacesHaveTags = {
  test() {
    deepStrictEqual(
      [new Headers(), new Request('http://h'), new Response(), new URL('http://h'), new Blob([]), new FormData()].map((value) => Object.prototype.toString.call(value)),
      ['Headers', 'Request', 'Response', 'URL', 'Blob', 'FormData'].map((name) => `[object ${name}]`),
    );
  },
};

export const methodsNeedTheirReceiver = {
  test() {
    const { get } = Headers.prototype;
    throws(() => get.call({}, 'a'), TypeError);
    throws(() => Object.getOwnPropertyDescriptor(Request.prototype, 'url').get.call({}), TypeError);
  },
};

export const microtasksRunBeforeTimers = {
  async test() {
    const order = [];
    setTimeout(() => order.push('timer'), 0);
    queueMicrotask(() => order.push('microtask'));
    Promise.resolve().then(() => order.push('promise'));
    await scheduler.wait(5);
    deepStrictEqual(order, ['microtask', 'promise', 'timer']);
  },
};

export const reportErrorFiresAnEvent = {
  test() {
    let seen;
    const listener = (event) => { seen = event.error; event.preventDefault(); };
    addEventListener('error', listener);
    const error = new Error('reported');
    reportError(error);
    removeEventListener('error', listener);
    strictEqual(seen, error);
  },
};
