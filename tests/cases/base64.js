import { strictEqual, throws } from 'node:assert';

export const bytesGoRound = {
  test() {
    strictEqual(btoa('\0ÿabc'), 'AP9hYmM=');
    strictEqual(atob('AP9hYmM='), '\0ÿabc');
  },
};

export const whitespaceAndPaddingMayBeLeftOut = {
  test() {
    strictEqual(atob(' Y Q\n'), 'a');
    strictEqual(atob('YQ=='), 'a');
  },
};

export const whatIsNotBase64IsRefused = {
  test() {
    for (const text of ['a', '====', 'YQ=', 'Y*==']) throws(() => atob(text), { name: 'InvalidCharacterError' });
    throws(() => btoa('€'), { name: 'InvalidCharacterError' });
  },
};
