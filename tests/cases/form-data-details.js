import { deepStrictEqual, ok, rejects, strictEqual, throws } from 'node:assert';

const multipart = (text, boundary = 'B') =>
  new Response(text.replaceAll('\n', '\r\n'), { headers: { 'Content-Type': `multipart/form-data; boundary=${boundary}` } });

export const namesMayComeTwice = {
  test() {
    const form = new FormData();
    form.append('a', '1');
    form.append('a', '2');
    deepStrictEqual(form.getAll('a'), ['1', '2']);
    strictEqual(form.get('a'), '1');
    form.set('a', '3');
    deepStrictEqual([...form], [['a', '3']]);
    form.delete('a');
    strictEqual(form.get('a'), null);
    strictEqual(form.has('a'), false);
    deepStrictEqual(form.getAll('a'), []);
  },
};

export const valuesBecomeTexts = {
  test() {
    const form = new FormData();
    form.set('number', 5);
    form.set('null', null);
    form.set('object', {});
    deepStrictEqual([...form.values()], ['5', 'null', '[object Object]']);
  },
};

export const filesKeepWhatTheyAre = {
  async test() {
    const form = new FormData();
    form.set('file', new File(['text'], 'name.txt', { type: 'text/plain', lastModified: 5 }));
    const file = form.get('file');
    ok(file instanceof File);
    strictEqual(file.name, 'name.txt');
    strictEqual(file.type, 'text/plain');
    strictEqual(file.lastModified, 5);
    strictEqual(await file.text(), 'text');
  },
};

export const blobsMayBeGivenANameOfAFile = {
  test() {
    const form = new FormData();
    form.set('a', new Blob(['x']));
    form.set('b', new Blob(['x']), 'b.bin');
    strictEqual(form.get('a').name, 'a');
    strictEqual(form.get('b').name, 'b.bin');
  },
};

export const partsAreParsed = {
  async test() {
    const form = await multipart(
      '--B\nContent-Disposition: form-data; name="a"\n\none\n--B\nContent-Disposition: form-data; name="b"; filename="f.txt"\n' +
        'Content-Type: text/plain\n\ntwo\nlines\n--B--\n',
    ).formData();
    strictEqual(form.get('a'), 'one');
    strictEqual(form.get('b').name, 'f.txt');
    strictEqual(form.get('b').type, 'text/plain');
    strictEqual(await form.get('b').text(), 'two\r\nlines');
  },
};

export const bytesOfFilesAreKept = {
  async test() {
    const bytes = new Uint8Array(256).map((_, index) => index);
    const form = new FormData();
    form.set('f', new File([bytes], 'all'));
    const back = await new Response(form).formData();
    deepStrictEqual(new Uint8Array(await back.get('f').arrayBuffer()), bytes);
  },
};

export const whatIsNoFormIsRefused = {
  async test() {
    await rejects(multipart('no parts').formData(), TypeError);
    await rejects(multipart('--B\nContent-Disposition: form-data; name="a"\n\ncut').formData(), TypeError);
    await rejects(new Response('x', { headers: { 'Content-Type': 'multipart/form-data' } }).formData(), TypeError);
    await rejects(new Response('x', { headers: { 'Content-Type': 'text/plain' } }).formData(), TypeError);
    await rejects(new Response('x').formData(), TypeError);
  },
};

export const urlencodedTextIsDecoded = {
  async test() {
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const form = await new Response('a=1+2&b=%C3%A9&c&a=&=x', { headers }).formData();
    deepStrictEqual([...form], [['a', '1 2'], ['b', 'é'], ['c', ''], ['a', ''], ['', 'x']]);
  },
};

export const theBoundaryIsInTheType = {
  async test() {
    const form = new FormData();
    form.set('a', 'b');
    const response = new Response(form);
    const [, boundary] = /^multipart\/form-data; boundary="?([^"]+)"?$/.exec(response.headers.get('content-type'));
    const text = await response.text();
    ok(text.startsWith(`--${boundary}\r\n`));
    ok(text.includes('Content-Disposition: form-data; name="a"\r\n\r\nb\r\n'));
    ok(text.trimEnd().endsWith(`--${boundary}--`));
  },
};

export const forEachHasAReceiver = {
  test() {
    const form = new FormData();
    form.append('a', '1');
    const seen = [];
    form.forEach(function (value, name, whole) { seen.push(value, name, whole === form, this.mark); }, { mark: 7 });
    deepStrictEqual(seen, ['1', 'a', true, 7]);
    throws(() => form.forEach('no function'), TypeError);
  },
};

export const argumentsAreNeeded = {
  test() {
    const form = new FormData();
    throws(() => form.append('a'), TypeError);
    throws(() => form.get(), TypeError);
    throws(() => FormData(), TypeError);
  },
};
