import { deepStrictEqual, ok, strictEqual, throws } from 'node:assert';

const decode = (label, ...bytes) => new TextDecoder(label).decode(new Uint8Array(bytes));

export const labelsHaveNames = {
  test() {
    const names = { utf8: 'utf-8', 'UTF-8': 'utf-8', latin1: 'windows-1252', ascii: 'windows-1252', 'utf-16': 'utf-16le', sjis: 'shift_jis', gb2312: 'gbk', ' utf-8 ': 'utf-8' };
    for (const [label, name] of Object.entries(names)) strictEqual(new TextDecoder(label).encoding, name, label);
  },
};

export const labelsThatAreNoneAreRefused = {
  test() {
    for (const label of ['utf-7', '', 'x-none', 'replacement']) throws(() => new TextDecoder(label), RangeError, label);
  },
};

export const singleBytesAreDecoded = {
  test() {
    strictEqual(decode('windows-1252', 0x80, 0xe9), '€é');
    strictEqual(decode('windows-1251', 0xcf, 0xf0), 'Пр');
    strictEqual(decode('iso-8859-2', 0xb1), 'ą');
    strictEqual(decode('koi8-r', 0xf0), 'П');
  },
};

export const eastAsianTextIsDecoded = {
  test() {
    strictEqual(decode('shift_jis', 0x93, 0xfa, 0x96, 0x7b), '日本');
    strictEqual(decode('euc-jp', 0xc6, 0xfc, 0xcb, 0xdc), '日本');
    strictEqual(decode('gbk', 0xd6, 0xd0), '中');
    strictEqual(decode('big5', 0xa4, 0xa4), '中');
    strictEqual(decode('euc-kr', 0xc7, 0xd1), '한');
  },
};

export const wideUnitsAreDecoded = {
  test() {
    strictEqual(decode('utf-16le', 0x3d, 0xd8, 0x00, 0xde), '😀');
    strictEqual(decode('utf-16be', 0xd8, 0x3d, 0xde, 0x00), '😀');
  },
};

export const brokenTextHasReplacements = {
  test() {
    strictEqual(decode('utf-8', 0xff), '\ufffd');
    strictEqual(decode('utf-8', 0xe2, 0x82), '\ufffd');
    strictEqual(decode('utf-8', 0xc0, 0x80), '\ufffd\ufffd');
    strictEqual(decode('utf-8', 0xed, 0xa0, 0x80), '\ufffd\ufffd\ufffd');
    strictEqual(decode('utf-8', 0xf0, 0x90, 0x41), '\ufffdA');
  },
};

export const fatalDecodersThrow = {
  test() {
    const decoder = new TextDecoder('utf-8', { fatal: true });
    strictEqual(decoder.fatal, true);
    throws(() => decoder.decode(new Uint8Array([0xff])), TypeError);
    strictEqual(decoder.decode(new Uint8Array([0x41])), 'A');
  },
};

export const theMarkIsKeptIfAskedFor = {
  test() {
    const bytes = new Uint8Array([0xef, 0xbb, 0xbf, 0x41]);
    strictEqual(new TextDecoder().decode(bytes), 'A');
    const keeping = new TextDecoder('utf-8', { ignoreBOM: true });
    strictEqual(keeping.ignoreBOM, true);
    strictEqual(keeping.decode(bytes), '\ufeffA');
  },
};

export const chunksAreJoined = {
  test() {
    const decoder = new TextDecoder();
    const bytes = new TextEncoder().encode('a€😀');
    let text = '';
    for (const byte of bytes) text += decoder.decode(new Uint8Array([byte]), { stream: true });
    strictEqual(text + decoder.decode(), 'a€😀');
    strictEqual(decoder.decode(new Uint8Array([0xe2]), { stream: true }), '');
    strictEqual(decoder.decode(), '\ufffd');
  },
};

export const loneSurrogatesAreReplaced = {
  test() {
    deepStrictEqual([...new TextEncoder().encode('\ud800x')], [0xef, 0xbf, 0xbd, 0x78]);
    strictEqual(new TextEncoder().encoding, 'utf-8');
    strictEqual(new TextEncoder().encode().length, 0);
  },
};

export const encodeIntoStopsInTime = {
  test() {
    const into = new Uint8Array(4);
    deepStrictEqual(new TextEncoder().encodeInto('a€€', into), { read: 2, written: 4 });
    deepStrictEqual([...into], [0x61, 0xe2, 0x82, 0xac]);
    throws(() => new TextEncoder().encodeInto('x', [0]), TypeError);
  },
};

export const streamsOfTextAreCoded = {
  async test() {
    const bytes = new TextEncoder().encode('grüße 😀');
    const chunks = new ReadableStream({
      start(controller) {
        for (const byte of bytes) controller.enqueue(new Uint8Array([byte]));
        controller.close();
      },
    });
    let text = '';
    for await (const part of chunks.pipeThrough(new TextDecoderStream())) {
      ok(part.length > 0);
      text += part;
    }
    strictEqual(text, 'grüße 😀');
  },
};

export const surrogatesMeetAcrossChunks = {
  async test() {
    const encoder = new TextEncoderStream();
    const writer = encoder.writable.getWriter();
    const writing = Promise.all([writer.write('\ud83d'), writer.write('\ude00'), writer.close()]);
    const bytes = new Uint8Array(await new Response(encoder.readable).arrayBuffer());
    await writing;
    strictEqual(new TextDecoder().decode(bytes), '😀');
  },
};
