import { deepStrictEqual, strictEqual, throws } from 'node:assert';

export const partsAreConcatenated = {
  async test() {
    const blob = new Blob(['a', new Uint8Array([98]), new Blob(['c'])], { type: 'Text/Plain' });
    strictEqual(blob.size, 3);
    strictEqual(blob.type, 'text/plain');
    strictEqual(await blob.text(), 'abc');
    deepStrictEqual(new Uint8Array(await blob.arrayBuffer()), new Uint8Array([97, 98, 99]));
    deepStrictEqual(await blob.bytes(), new Uint8Array([97, 98, 99]));
  },
};

export const slicesHaveTheirEnds = {
  async test() {
    const blob = new Blob(['0123456789']);
    strictEqual(await blob.slice(2, 5).text(), '234');
    strictEqual(await blob.slice(-3).text(), '789');
    strictEqual(await blob.slice(5, 2).text(), '');
    strictEqual(blob.slice(0, 1, 'x/y').type, 'x/y');
  },
};

export const aStreamHasTheBytes = {
  async test() {
    let text = '';
    for await (const chunk of new Blob(['some ', 'text']).stream()) text += new TextDecoder().decode(chunk);
    strictEqual(text, 'some text');
  },
};

export const filesHaveNames = {
  test() {
    const file = new File(['x'], 'n.txt', { type: 'text/plain', lastModified: 5 });
    strictEqual(file instanceof Blob, true);
    deepStrictEqual([file.name, file.type, file.lastModified, file.size], ['n.txt', 'text/plain', 5, 1]);
    throws(() => new File(['x']), TypeError);
  },
};

export const invalidTypesAreEmpty = {
  test() {
    strictEqual(new Blob([]).type, '');
    strictEqual(new Blob([]).size, 0);
  },
};
