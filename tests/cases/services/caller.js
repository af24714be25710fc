import { deepStrictEqual, strictEqual, rejects, throws } from 'node:assert';
import note from 'lib/note.txt';
import data from 'lib/data.json';
import bytes from 'lib/bytes.bin';
import { twice } from 'lib/helper.js';

export const modulesOfEveryKind = {
  test() {
    strictEqual(note, 'a note');
    deepStrictEqual(data, { a: [1, 2] });
    strictEqual(new TextDecoder().decode(bytes), 'bytes');
    strictEqual(twice(4), 8);
  },
};

export const bindingsAreValues = {
  test(controller, env) {
    strictEqual(env.text, 'some text');
    deepStrictEqual(env.json, { b: null });
    strictEqual(new TextDecoder().decode(env.data), 'data');
  },
};

export const servicesAnswer = {
  async test(controller, env) {
    const response = await env.callee.fetch('http://h/echo', { method: 'POST', body: 'hello' });
    strictEqual(response.status, 200);
    strictEqual(await response.text(), 'hello');
  },
};

export const namedEntrypointsHaveProps = {
  async test(controller, env) {
    deepStrictEqual(await (await env.named.fetch('http://h/')).json(), { who: 1 });
  },
};

export const whatACalleeThrowsIsThrown = {
  async test(controller, env) {
    await rejects(env.callee.fetch('http://h/throw'), { message: 'thrown by the callee' });
  },
};

export const aServerWithinTheRun = {
  async test(controller, env) {
    const response = await env.through.fetch('http://any.where/echo', { method: 'POST', body: 'around' });
    strictEqual(await response.text(), 'around');
  },
};

export const aDirectoryForTests = {
  async test(controller, env) {
    const name = `http://d/${crypto.randomUUID()}`;
    strictEqual((await env.disk.fetch(name, { method: 'PUT', body: 'kept' })).status, 204);
    strictEqual(await (await env.disk.fetch(name)).text(), 'kept');
    strictEqual((await env.disk.fetch(name, { method: 'DELETE' })).status, 204);
    strictEqual((await env.disk.fetch(name)).status, 404);
  },
};

export const evalIsForbidden = {
  test() {
    throws(() => eval('1'), EvalError);
    throws(() => new Function('return 1'), EvalError);
  },
};
