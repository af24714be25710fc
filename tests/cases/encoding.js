import { deepStrictEqual, strictEqual, throws } from 'node:assert';

export const utf8GoesRound = {
  test() {
    const text = 'aä€😀\0';
    const bytes = new TextEncoder().encode(text);
    strictEqual(bytes.length, 11);
    strictEqual(new TextDecoder().decode(bytes), text);
  },
};

export const encodeIntoSaysHowFar = {
  test() {
    const bytes = new Uint8Array(4);
    deepStrictEqual(new TextEncoder().encodeInto('a€b', bytes), { read: 2, written: 4 });
  },
};

export const fatalRefusesWhatIsNoText = {
  test() {
    const bad = new Uint8Array([0x61, 0xff]);
    strictEqual(new TextDecoder().decode(bad), 'a\ufffd');
    throws(() => new TextDecoder('utf-8', { fatal: true }).decode(bad), TypeError);
  },
};

export const theByteOrderMarkIsTakenOff = {
  test() {
    const bytes = new Uint8Array([0xef, 0xbb, 0xbf, 0x61]);
    strictEqual(new TextDecoder().decode(bytes), 'a');
    strictEqual(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes), '\ufeffa');
  },
};

export const chunksMayEndInsideACharacter = {
  test() {
    const decoder = new TextDecoder();
    strictEqual(decoder.decode(new Uint8Array([0xe2, 0x82]), { stream: true }), '');
    strictEqual(decoder.decode(new Uint8Array([0xac])), '€');
  },
};

export const otherEncodingsAreKnown = {
  test() {
    strictEqual(new TextDecoder('utf-16le').decode(new Uint8Array([0x61, 0, 0xac, 0x20])), 'a€');
    strictEqual(new TextDecoder('latin1').encoding, 'windows-1252');
    strictEqual(new TextDecoder('windows-1252').decode(new Uint8Array([0x80])), '€');
    throws(() => new TextDecoder('no-such'), RangeError);
  },
};
