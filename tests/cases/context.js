import { WorkerEntrypoint } from 'cloudflare:workers';
import { deepStrictEqual, strictEqual, rejects } from 'node:assert';

export default {
  test(controller, env, ctx) {
    strictEqual(controller.constructor.name, 'TestController');
    deepStrictEqual(Object.keys(env), []);
    strictEqual(typeof ctx.waitUntil, 'function');
    deepStrictEqual(ctx.props, {});
  },
  fetch(request) {
    return new Response(`${request.method} ${new URL(request.url).pathname}`);
  },
};

export class classesAreTestsToo extends WorkerEntrypoint {
  test(controller, ...rest) {
    strictEqual(controller.constructor.name, 'TestController');
    deepStrictEqual(rest, [undefined, undefined]);
    deepStrictEqual(Object.keys(this.env), []);
    strictEqual(typeof this.ctx.waitUntil, 'function');
  }
}

export const aReceiverIsGiven = {
  own: 7,
  test() {
    strictEqual(this.own, 7);
  },
};

let waited = false;
export const aaWaitUntilIsWaitedFor = {
  test(controller, env, ctx) {
    ctx.waitUntil(scheduler.wait(5).then(() => { waited = true; }));
  },
};

export const abItHasComeToItsEnd = {
  test() {
    strictEqual(waited, true);
  },
};

export const exportsAreReached = {
  async test(controller, env, ctx) {
    const response = await ctx.exports.default.fetch('http://h/path', { method: 'PUT' });
    strictEqual(await response.text(), 'PUT /path');
  },
};

export const rejectionsThatAreHandledAreNone = {
  async test() {
    await rejects(Promise.reject(new TypeError('x')), TypeError);
  },
};

// No method of this name: no test.
export const helper = { check() {} };
