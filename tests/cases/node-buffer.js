import { Buffer } from 'node:buffer';
import { deepStrictEqual, strictEqual, throws } from 'node:assert';

export const textIsCoded = {
  test() {
    strictEqual(Buffer.from('aä').toString('hex'), '61c3a4');
    strictEqual(Buffer.from('YWI=', 'base64').toString(), 'ab');
    strictEqual(Buffer.from('6162', 'hex').toString('utf8'), 'ab');
    strictEqual(Buffer.from('ab').toString('base64url'), 'YWI');
    strictEqual(Buffer.from('ÿ', 'latin1')[0], 255);
  },
};

export const buffersAreBytes = {
  test() {
    const buffer = Buffer.alloc(3, 1);
    strictEqual(buffer instanceof Uint8Array, true);
    deepStrictEqual([...buffer], [1, 1, 1]);
    strictEqual(Buffer.isBuffer(buffer), true);
    strictEqual(Buffer.isBuffer(new Uint8Array()), false);
  },
};

export const buffersAreJoinedAndCompared = {
  test() {
    const all = Buffer.concat([Buffer.from('a'), Buffer.from('bc')]);
    strictEqual(all.toString(), 'abc');
    strictEqual(all.equals(Buffer.from('abc')), true);
    strictEqual(Buffer.compare(Buffer.from('a'), Buffer.from('b')), -1);
  },
};

export const slicesShareTheirBytes = {
  test() {
    const one = Buffer.from('abc');
    one.subarray(1)[0] = 0x78;
    strictEqual(one.toString(), 'axc');
  },
};

export const numbersAreReadAndWritten = {
  test() {
    const buffer = Buffer.alloc(16);
    buffer.writeUInt32BE(0x01020304, 0);
    strictEqual(buffer.readUInt32LE(0), 0x04030201);
    buffer.writeDoubleLE(1.5, 8);
    strictEqual(buffer.readDoubleLE(8), 1.5);
    buffer.writeInt16BE(-2, 4);
    strictEqual(buffer.readInt16BE(4), -2);
    throws(() => buffer.readUInt32BE(14), RangeError);
    throws(() => buffer.writeUInt8(256, 0), RangeError);
  },
};

export const searchingFindsTextAndBytes = {
  test() {
    const buffer = Buffer.from('hello hello');
    strictEqual(buffer.indexOf('llo'), 2);
    strictEqual(buffer.lastIndexOf('hello'), 6);
    strictEqual(buffer.includes('x'), false);
    strictEqual(buffer.indexOf(Buffer.from('o h')), 4);
  },
};

export const lengthsAreInBytes = {
  test() {
    strictEqual(Buffer.byteLength('ä€'), 5);
    strictEqual(Buffer.byteLength('YWI=', 'base64'), 2);
    deepStrictEqual(Buffer.from([256, -1]).toJSON(), { type: 'Buffer', data: [0, 255] });
  },
};
