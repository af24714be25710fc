import { deepStrictEqual, rejects, strictEqual } from 'node:assert';
import common from 'common.cjs';
import replaced from 'replaced.cjs';
import requires from 'requires.cjs';
import { inner } from './dir/inner.js';
import { both } from 'cycle-a.js';
import { other } from 'cycle-b.js';
import add from 'add.wasm';
import list from 'list.json';

export const commonJsHasExports = {
  test() {
    deepStrictEqual([common.one, common.name], [1, true]);
    strictEqual(replaced.two, 2);
    strictEqual(requires, 2);
  },
};

export const relativeNamesAreResolved = {
  test() {
    strictEqual(inner, 'sibling!');
  },
};

export const modulesMayFormACircle = {
  test() {
    strictEqual(both() + other(), 'abba');
  },
};

export const wasmModulesAreInstantiated = {
  async test() {
    strictEqual(add instanceof WebAssembly.Module, true);
    strictEqual(new WebAssembly.Instance(add).exports.add(2, 3), 5);
    strictEqual((await WebAssembly.instantiate(add)).exports.add(-1, 1), 0);
  },
};

export const jsonIsAValue = {
  test() {
    deepStrictEqual(list, [1, null, 'x']);
  },
};

export const modulesAreImportedLater = {
  async test() {
    strictEqual((await import('waits.js')).waited, 7);
    strictEqual(await import('dir/inner.js').then((module) => module.inner), inner);
  },
};

export const whatThrowsRejectsTheImport = {
  async test() {
    await rejects(import('throws.js'), { name: 'RangeError', message: 'at its top' });
    await rejects(import('throws.js'), RangeError);
  },
};

export const namespacesAreSorted = {
  async test() {
    deepStrictEqual(Object.keys(await import('cycle-a.js')), ['a', 'both']);
  },
};
