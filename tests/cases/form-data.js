import { deepStrictEqual, strictEqual, rejects } from 'node:assert';

export const entriesKeepTheirOrder = {
  test() {
    const form = new FormData();
    form.append('a', '1');
    form.append('b', '2');
    form.append('a', '3');
    deepStrictEqual([...form], [['a', '1'], ['b', '2'], ['a', '3']]);
    deepStrictEqual(form.getAll('a'), ['1', '3']);
    form.set('a', '4');
    deepStrictEqual([...form.keys()], ['a', 'b']);
    form.delete('a');
    strictEqual(form.has('a'), false);
  },
};

export const blobsBecomeFiles = {
  async test() {
    const form = new FormData();
    form.append('f', new Blob(['x'], { type: 'a/b' }), 'n');
    const file = form.get('f');
    strictEqual(file instanceof File, true);
    deepStrictEqual([file.name, file.type, await file.text()], ['n', 'a/b', 'x']);
  },
};

export const multipartGoesRound = {
  async test() {
    const form = new FormData();
    form.append('a', 'ä\r\nb');
    form.append('f', new File(['data'], 'n"x.txt', { type: 'text/plain' }));
    const response = new Response(form);
    strictEqual(/^multipart\/form-data; ?boundary=/.test(response.headers.get('content-type')), true);
    const back = await response.formData();
    strictEqual(back.get('a'), 'ä\r\nb');
    strictEqual(await back.get('f').text(), 'data');
    strictEqual(back.get('f').type, 'text/plain');
  },
};

export const urlencodedIsParsed = {
  async test() {
    const body = new Response('a=1&b=%C3%A4+c', { headers: { 'content-type': 'application/x-www-form-urlencoded' } });
    deepStrictEqual([...await body.formData()], [['a', '1'], ['b', 'ä c']]);
  },
};

export const otherTypesAreRefused = {
  async test() {
    await rejects(new Response('x', { headers: { 'content-type': 'text/plain' } }).formData(), TypeError);
  },
};
