import { deepStrictEqual, strictEqual, throws, rejects } from 'node:assert';

export const codeFromTextIsRefused = {
  async test() {
    throws(() => eval('1'), EvalError);
    throws(() => Function('1'), EvalError);
    await rejects(WebAssembly.compile(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])), WebAssembly.CompileError);
  },
};

export const weakReferencesAreThere = {
  test() {
    const object = {};
    strictEqual(new WeakRef(object).deref(), object);
    strictEqual(typeof FinalizationRegistry, 'function');
  },
};

export const intlIsThere = {
  test() {
    strictEqual(new Intl.NumberFormat('de').format(1234.5), '1.234,5');
    strictEqual(new Date(0).toISOString(), '1970-01-01T00:00:00.000Z');
    strictEqual(Intl.DateTimeFormat().resolvedOptions().timeZone, 'UTC');
  },
};

export const newerLanguageIsThere = {
  test() {
    strictEqual(JSON.stringify(Object.groupBy([1, 2, 3], (n) => (n % 2 ? 'odd' : 'even'))), '{"odd":[1,3],"even":[2]}');
    deepStrictEqual([3, 1, 2].toSorted(), [1, 2, 3]);
    deepStrictEqual(new Set([1, 2]).union(new Set([3])), new Set([1, 2, 3]));
    strictEqual('a-b-a'.replaceAll('a', 'c'), 'c-b-c');
    strictEqual([1, 2, 3].at(-1), 3);
  },
};

export const stacksNameTheModule = {
  test() {
    strictEqual(/at .*worker:\d+:\d+/.test(new Error('x').stack), true);
  },
};

export const modulesAreStrict = {
  test() {
    strictEqual((function () { return this; })(), undefined);
  },
};

export const dynamicImportsFindModules = {
  async test() {
    strictEqual(typeof (await import('cloudflare:workers')).WorkerEntrypoint, 'function');
    await rejects(import('no-such-module'));
  },
};
