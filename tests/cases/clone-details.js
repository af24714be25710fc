import { deepStrictEqual, notStrictEqual, ok, strictEqual, throws } from 'node:assert';

export const everyKindIsCopied = {
  test() {
    const value = {
      undefined: undefined, null: null, boolean: true, number: -0, nan: NaN, bigint: 10n, text: 'ü',
      date: new Date(5), regexp: /a+/gi, map: new Map([[{ k: 1 }, 'v']]), set: new Set([1, [2]]),
      boxed: [Object(1), Object('s'), Object(true), Object(2n)],
    };
    deepStrictEqual(structuredClone(value), value);
  },
};

export const holesAndExtraPropertiesOfArrays = {
  test() {
    const list = [1, , 3];
    list.extra = 'x';
    const copy = structuredClone(list);
    strictEqual(copy.length, 3);
    ok(!(1 in copy));
    strictEqual(copy.extra, 'x');
  },
};

export const accessorsAreReadAndPrototypesLost = {
  test() {
    class Point {
      constructor() { this.x = 1; }
      get y() { return 2; }
    }
    const copy = structuredClone(new Point());
    strictEqual(Object.getPrototypeOf(copy), Object.prototype);
    deepStrictEqual(copy, { x: 1 });
    deepStrictEqual(structuredClone({ get a() { return 3; } }), { a: 3 });
  },
};

export const symbolsAndHiddenPropertiesAreLeftOut = {
  test() {
    const value = { a: 1, [Symbol('s')]: 2 };
    Object.defineProperty(value, 'hidden', { value: 3, enumerable: false });
    deepStrictEqual(structuredClone(value), { a: 1 });
  },
};

export const viewsShareTheirBuffer = {
  test() {
    const memory = new ArrayBuffer(8);
    const copy = structuredClone({ bytes: new Uint8Array(memory, 2, 4), numbers: new Float32Array(memory), view: new DataView(memory, 1) });
    strictEqual(copy.bytes.buffer, copy.numbers.buffer);
    strictEqual(copy.bytes.byteOffset, 2);
    strictEqual(copy.bytes.length, 4);
    strictEqual(copy.view.byteOffset, 1);
    notStrictEqual(copy.bytes.buffer, memory);
  },
};

export const resizableBuffersStayResizable = {
  test() {
    const copy = structuredClone(new ArrayBuffer(4, { maxByteLength: 16 }));
    strictEqual(copy.resizable, true);
    strictEqual(copy.maxByteLength, 16);
  },
};

export const transferredBuffersAreDetached = {
  test() {
    const memory = new Uint8Array([1, 2, 3]).buffer;
    const copy = structuredClone({ memory, again: memory }, { transfer: [memory] });
    strictEqual(memory.byteLength, 0);
    strictEqual(memory.detached, true);
    strictEqual(copy.memory, copy.again);
    deepStrictEqual([...new Uint8Array(copy.memory)], [1, 2, 3]);
  },
};

export const transferListsAreChecked = {
  test() {
    const memory = new ArrayBuffer(1);
    throws(() => structuredClone(1, { transfer: [{}] }), TypeError);
    throws(() => structuredClone(memory, { transfer: [memory, 5] }), TypeError);
    strictEqual(memory.byteLength, 1);
  },
};

export const errorsKeepNameMessageAndCause = {
  test() {
    const copy = structuredClone(new RangeError('far', { cause: { why: 1 } }));
    ok(copy instanceof RangeError);
    strictEqual(copy.message, 'far');
    deepStrictEqual(copy.cause, { why: 1 });
    const odd = new Error('x');
    odd.name = 'Odd';
    strictEqual(structuredClone(odd).name, 'Error');
  },
};

export const whatHasNoCopyIsRefused = {
  test() {
    for (const value of [() => {}, Symbol('s'), new WeakMap(), new WeakRef({}), Promise.resolve(), (function* () {})()]) {
      throws(() => structuredClone(value), { name: 'DataCloneError', code: 25 });
      throws(() => structuredClone({ deep: [value] }), { name: 'DataCloneError' });
    }
  },
};

export const whatAGetterThrowsIsThrown = {
  test() {
    const error = new Error('from the getter');
    throws(() => structuredClone({ get a() { throw error; } }), error);
  },
};

export const objectsOfTheRuntime = {
  async test() {
    const headers = structuredClone(new Headers({ a: '1' }));
    ok(headers instanceof Headers);
    strictEqual(headers.get('a'), '1');
    const exception = structuredClone(new DOMException('m', 'NotFoundError'));
    ok(exception instanceof DOMException);
    deepStrictEqual([exception.name, exception.message, exception.code], ['NotFoundError', 'm', 8]);
    throws(() => structuredClone(new URL('http://h/')), { name: 'DataCloneError' });
  },
};

export const argumentsAreChecked = {
  test() {
    throws(() => structuredClone(), TypeError);
    throws(() => structuredClone(1, { transfer: 5 }), TypeError);
    strictEqual(structuredClone(1, {}), 1);
    strictEqual(structuredClone(1, { transfer: undefined }), 1);
  },
};
