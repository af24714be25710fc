import { deepStrictEqual, strictEqual } from 'node:assert';

export const namesHaveCodes = {
  test() {
    deepStrictEqual(
      ['SyntaxError', 'InvalidStateError', 'TimeoutError', 'DataCloneError', 'OperationError'].map((name) => new DOMException('', name).code),
      [12, 11, 23, 25, 0],
    );
  },
};

export const defaultsAreErrors = {
  test() {
    const exception = new DOMException();
    deepStrictEqual([exception.name, exception.message, exception.code], ['Error', '', 0]);
    strictEqual(String(new DOMException('words', 'X')), 'X: words');
  },
};

export const theyHaveAStack = {
  test() {
    strictEqual(typeof new DOMException('m').stack, 'string');
  },
};
