import { deepStrictEqual, ok, strictEqual } from 'node:assert';
import process, { env, nextTick } from 'node:process';

export const theGlobalIsTheModule = {
  test() {
    strictEqual(globalThis.process, process);
    strictEqual(process.env, env);
  },
};

export const bindingsAreInTheEnvironment = {
  test() {
    strictEqual(process.env.TEXT, 'from a binding');
    strictEqual(process.env.JSON, '{"a":1}');
    strictEqual(process.env.MISSING, undefined);
    ok('TEXT' in process.env && !('MISSING' in process.env));
  },
};

export const theEnvironmentHoldsTexts = {
  test() {
    process.env.ADDED = 5;
    strictEqual(process.env.ADDED, '5');
    delete process.env.ADDED;
    strictEqual(process.env.ADDED, undefined);
    deepStrictEqual(Object.keys(process.env).sort(), ['JSON', 'TEXT']);
  },
};

export const ticksRunBeforePromises = {
  async test() {
    const order = [];
    await new Promise((resolve) => {
      nextTick((a, b) => order.push(`tick ${a}${b}`), 'x', 'y');
      queueMicrotask(() => order.push('microtask'));
      setTimeout(resolve, 0);
    });
    deepStrictEqual(order.sort(), ['microtask', 'tick xy']);
  },
};

export const whatItIsSaid = {
  test() {
    strictEqual(typeof process.version, 'string');
    ok(/^v\d+\.\d+\.\d+$/.test(process.version));
    strictEqual(process.versions.node, process.version.slice(1));
    strictEqual(process.platform, 'linux');
    ok(Array.isArray(process.argv));
    strictEqual(process.title, 'workerd');
    strictEqual(process.cwd(), '/bundle');
  },
};

export const timeIsMeasured = {
  test() {
    const [seconds, nanoseconds] = process.hrtime();
    ok(Number.isInteger(seconds) && nanoseconds >= 0 && nanoseconds < 1e9);
    strictEqual(typeof process.hrtime.bigint(), 'bigint');
    const since = process.hrtime([seconds, nanoseconds]);
    ok(since[0] >= 0);
    ok(process.uptime() >= 0);
  },
};

export const builtInModulesAreGiven = {
  test() {
    strictEqual(process.getBuiltinModule('node:buffer').Buffer, Buffer);
    strictEqual(process.getBuiltinModule('assert').strictEqual, strictEqual);
    strictEqual(process.getBuiltinModule('no-such'), undefined);
  },
};

export const whatIsNoFunctionIsNotCalledNext = {
  async test() {
    const seen = [];
    const listen = (event) => {
      seen.push(String(event.error));
      event.preventDefault();
    };
    addEventListener('error', listen);
    nextTick('text');
    strictEqual(seen.length, 0);
    await scheduler.wait(5);
    removeEventListener('error', listen);
    deepStrictEqual(seen, ['TypeError: cb is not a function']);
  },
};
