import { deepStrictEqual, ok, strictEqual, throws } from 'node:assert';
import buffer, { Buffer as Imported, constants, isAscii, isUtf8, kMaxLength, SlowBuffer } from 'node:buffer';

export const theGlobalIsTheModules = {
  test() {
    strictEqual(Buffer, Imported);
    strictEqual(buffer.Buffer, Buffer);
    strictEqual(typeof SlowBuffer, 'function');
    strictEqual(constants.MAX_LENGTH, kMaxLength);
  },
};

export const everyEncodingGoesRound = {
  test() {
    const bytes = Buffer.from([0, 1, 127, 128, 255]);
    for (const encoding of ['hex', 'base64', 'base64url', 'latin1', 'binary']) {
      deepStrictEqual(Buffer.from(bytes.toString(encoding), encoding), bytes, encoding);
    }
    strictEqual(Buffer.from('é€😀').toString(), 'é€😀');
    strictEqual(Buffer.from('é€', 'utf16le').toString('ucs2'), 'é€');
    strictEqual(bytes.toString('hex'), '00017f80ff');
    strictEqual(bytes.toString('base64'), 'AAF/gP8=');
    strictEqual(bytes.toString('base64url'), 'AAF_gP8');
    strictEqual(Buffer.from('é').toString('ascii'), 'C)');
  },
};

export const encodingsAreKnownByName = {
  test() {
    for (const name of ['utf8', 'UTF-8', 'hex', 'Base64', 'ucs-2', 'latin1', 'ascii', 'binary']) ok(Buffer.isEncoding(name), name);
    for (const name of ['utf-7', '', null, 5]) ok(!Buffer.isEncoding(name), String(name));
    throws(() => Buffer.from('x', 'utf-7'), { code: 'ERR_UNKNOWN_ENCODING', message: 'Unknown encoding: utf-7' });
  },
};

export const allocationsAreFilled = {
  test() {
    deepStrictEqual([...Buffer.alloc(3)], [0, 0, 0]);
    deepStrictEqual([...Buffer.alloc(5, 'ab')], [97, 98, 97, 98, 97]);
    deepStrictEqual([...Buffer.alloc(2, 7)], [7, 7]);
    strictEqual(Buffer.allocUnsafe(4).length, 4);
    throws(() => Buffer.alloc(-1), RangeError);
    throws(() => Buffer.alloc('5'), { code: 'ERR_INVALID_ARG_TYPE' });
  },
};

export const fromTakesManyThings = {
  test() {
    deepStrictEqual([...Buffer.from([1, 257, -1])], [1, 1, 255]);
    const memory = new ArrayBuffer(4);
    const view = Buffer.from(memory, 1, 2);
    view[0] = 9;
    deepStrictEqual([...new Uint8Array(memory)], [0, 9, 0, 0]);
    const copied = Buffer.from(view);
    copied[0] = 1;
    strictEqual(view[0], 9);
    deepStrictEqual([...Buffer.from({ type: 'Buffer', data: [1, 2] })], [1, 2]);
    strictEqual(Buffer.from(new String('boxed')).toString(), 'boxed');
    throws(() => Buffer.from(5), { code: 'ERR_INVALID_ARG_TYPE' });
    throws(() => Buffer.from(null), { code: 'ERR_INVALID_ARG_TYPE' });
  },
};

export const numbersOfEverySize = {
  test() {
    const bytes = Buffer.alloc(16);
    strictEqual(bytes.writeUInt32BE(0xdeadbeef, 0), 4);
    strictEqual(bytes.readUInt32BE(0), 0xdeadbeef);
    strictEqual(bytes.readUInt32LE(0), 0xefbeadde);
    strictEqual(bytes.readInt16BE(0), 0xdead - 0x10000);
    bytes.writeDoubleLE(1.5, 8);
    strictEqual(bytes.readDoubleLE(8), 1.5);
    bytes.writeFloatBE(-2.5, 4);
    strictEqual(bytes.readFloatBE(4), -2.5);
    bytes.writeBigInt64LE(-5n, 0);
    strictEqual(bytes.readBigInt64LE(0), -5n);
    strictEqual(bytes.readBigUInt64LE(0), 2n ** 64n - 5n);
    bytes.writeUIntBE(0x123456, 0, 3);
    strictEqual(bytes.readUIntBE(0, 3), 0x123456);
    throws(() => bytes.readUInt32LE(13), { code: 'ERR_OUT_OF_RANGE' });
    throws(() => bytes.writeUInt8(256, 0), { code: 'ERR_OUT_OF_RANGE' });
  },
};

export const copiesAndComparisons = {
  test() {
    const from = Buffer.from('abcdef');
    const to = Buffer.alloc(4);
    strictEqual(from.copy(to, 1, 2, 9), 3);
    strictEqual(to.toString('latin1'), '\0cde');
    strictEqual(Buffer.compare(Buffer.from('a'), Buffer.from('b')), -1);
    strictEqual(Buffer.from('ab').equals(new Uint8Array([97, 98])), true);
    strictEqual(from.compare(Buffer.from('xbcx'), 1, 3, 1, 3), 0);
  },
};

export const searches = {
  test() {
    const text = Buffer.from('abcabc');
    strictEqual(text.indexOf('c'), 2);
    strictEqual(text.indexOf('c', 3), 5);
    strictEqual(text.lastIndexOf('b'), 4);
    strictEqual(text.indexOf(Buffer.from('ca')), 2);
    strictEqual(text.indexOf(97, 1), 3);
    strictEqual(text.includes('bca'), true);
    strictEqual(text.indexOf('x'), -1);
  },
};

export const writesAndFills = {
  test() {
    const bytes = Buffer.alloc(5);
    strictEqual(bytes.write('héllo'), 5);
    strictEqual(bytes.toString(), 'héll');
    strictEqual(bytes.write('6869', 0, 'hex'), 2);
    strictEqual(bytes.toString('latin1', 0, 2), 'hi');
    strictEqual(bytes.fill('xy', 1, 4).toString('latin1', 1, 4), 'xyx');
  },
};

export const swapsChangeTheOrder = {
  test() {
    strictEqual(Buffer.from('01020304', 'hex').swap16().toString('hex'), '02010403');
    strictEqual(Buffer.from('01020304', 'hex').swap32().toString('hex'), '04030201');
    strictEqual(Buffer.from('0102030405060708', 'hex').swap64().toString('hex'), '0807060504030201');
    throws(() => Buffer.alloc(3).swap16(), { code: 'ERR_INVALID_BUFFER_SIZE' });
  },
};

export const jsonAndInspection = {
  test() {
    strictEqual(JSON.stringify(Buffer.from('hi')), '{"type":"Buffer","data":[104,105]}');
    deepStrictEqual(Buffer.from('x').toJSON(), { type: 'Buffer', data: [120] });
  },
};

export const concatMayCutOrFill = {
  test() {
    strictEqual(Buffer.concat([Buffer.from('ab'), Buffer.from('cd')], 3).toString(), 'abc');
    strictEqual(Buffer.concat([Buffer.from('ab')], 4).toString('latin1'), 'ab\0\0');
    strictEqual(Buffer.concat([]).length, 0);
    throws(() => Buffer.concat('no list'), { code: 'ERR_INVALID_ARG_TYPE' });
  },
};

export const kindsOfText = {
  test() {
    strictEqual(isAscii(Buffer.from('abc')), true);
    strictEqual(isAscii(Buffer.from('é')), false);
    strictEqual(isUtf8(Buffer.from('é')), true);
    strictEqual(isUtf8(Buffer.from([0xff])), false);
  },
};

export const transcoding = {
  test() {
    strictEqual(buffer.transcode(Buffer.from('é'), 'utf8', 'latin1').toString('hex'), 'e9');
    strictEqual(buffer.transcode(Buffer.from('é'), 'utf8', 'utf16le').toString('hex'), 'e900');
  },
};

export const partsAreBuffers = {
  test() {
    const bytes = Buffer.from('abcdef');
    ok(Buffer.isBuffer(bytes.subarray(1, 3)));
    strictEqual(bytes.slice(-2).toString(), 'ef');
    strictEqual(bytes.at(-1), 102);
    ok(!Buffer.isBuffer(new Uint8Array(1)));
    deepStrictEqual([...bytes.entries()].slice(0, 2), [[0, 97], [1, 98]]);
  },
};
