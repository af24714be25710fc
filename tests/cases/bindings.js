import { deepStrictEqual, ok, rejects, strictEqual, throws } from 'node:assert';

export const textsAndData = {
  test(controller, { text, data, json }) {
    strictEqual(text, 'päth');
    ok(data instanceof ArrayBuffer);
    strictEqual(new TextDecoder().decode(data), 'bytes');
    deepStrictEqual(json, { list: [1, 2.5, null, true], 'a key': 'ü' });
  },
};

export const theEnvironmentListsThem = {
  test(controller, env) {
    deepStrictEqual(Object.keys(env).sort(), ['add', 'cache', 'data', 'greeter', 'json', 'text', 'unset', 'unsafe'].sort());
  },
};

export const anUnsetVariableIsNull = {
  test(controller, { unset }) {
    strictEqual(unset, null);
  },
};

export const wrappedBindingsAreWhatTheirModuleMakes = {
  async test(controller, { greeter }) {
    strictEqual(greeter.greet('Ada'), 'Hello, Ada!');
    strictEqual(Object.keys(greeter).includes('word'), false);
  },
};

export const wrappedBindingsMayBeFunctions = {
  test(controller, { add }) {
    strictEqual(add(2), 12);
  },
};

export const codeFromTextIsAllowedByItsBinding = {
  async test(controller, { unsafe }) {
    strictEqual(unsafe.eval('1 + 1'), 2);
    strictEqual(unsafe.newFunction('return a * b', 'product', 'a', 'b')(6, 7), 42);
    strictEqual(await unsafe.newAsyncFunction('return await a', 'later', 'a')(Promise.resolve('x')), 'x');
    throws(() => unsafe.eval('throw new RangeError("in there")'), RangeError);
    throws(() => unsafe.eval('not a program'), SyntaxError);
  },
};

export const withoutItCodeFromTextIsRefused = {
  test() {
    throws(() => eval('1 + 1'), EvalError);
    throws(() => new Function('return 1'), EvalError);
  },
};

export const aMemoryCacheAsksOnce = {
  async test(controller, { cache }) {
    let asked = 0;
    const find = async (key) => {
      asked++;
      return { value: { key, list: [1, 2] } };
    };
    deepStrictEqual(await cache.read('once', find), { key: 'once', list: [1, 2] });
    deepStrictEqual(await cache.read('once', find), { key: 'once', list: [1, 2] });
    strictEqual(asked, 1);
  },
};

export const aMemoryCacheWithoutAFallbackHasNothing = {
  async test(controller, { cache }) {
    strictEqual(await cache.read('nothing'), undefined);
  },
};

export const aMemoryCachePassesErrorsOn = {
  async test(controller, { cache }) {
    await rejects(cache.read('failing', async () => { throw new RangeError('not found'); }), RangeError);
    strictEqual(await cache.read('failing', async () => ({ value: 'now' })), 'now');
  },
};

export const aMemoryCacheForgetsInTime = {
  async test(controller, { cache }) {
    await cache.read('short', async () => ({ value: 1, expiration: Date.now() + 10 }));
    while ((await cache.read('short')) !== undefined) await scheduler.wait(5);
  },
};
