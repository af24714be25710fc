import { deepStrictEqual, ok, rejects, strictEqual } from 'node:assert';
import { WorkerEntrypoint, env as importedEnv, waitUntil } from 'cloudflare:workers';

export const theDefaultExportAnswers = {
  async test(controller, { callee }) {
    strictEqual(await (await callee.fetch('http://h/')).text(), 'default');
  },
};

export const classesAreEntrypoints = {
  async test(controller, { counter }) {
    strictEqual(await (await counter.fetch('http://h/')).text(), 'Counter: 1');
  },
};

export const anInstanceForEachEvent = {
  async test(controller, { counter }) {
    for (let index = 0; index < 3; index++) {
      strictEqual(await (await counter.fetch('http://h/')).text(), 'Counter: 1');
    }
  },
};

export const propsReachTheClass = {
  async test(controller, { withProps }) {
    deepStrictEqual(await (await withProps.fetch('http://h/')).json(), { user: 'Ada', roles: ['a', 'b'], n: null });
  },
};

export const withoutPropsTheyAreEmpty = {
  async test(controller, { withoutProps }) {
    deepStrictEqual(await (await withoutProps.fetch('http://h/')).json(), {});
  },
};

export const loopBacksTakeProps = {
  async test(controller, env, ctx) {
    const stub = ctx.exports.Own({ props: { a: [1, { b: 2 }], when: new Date(5) } });
    deepStrictEqual(await (await stub.fetch('http://h/')).json(), { a: [1, { b: 2 }], when: '1970-01-01T00:00:00.005Z' });
    deepStrictEqual(await (await ctx.exports.Own.fetch('http://h/')).json(), {});
  },
};

export const loopBacksAreNamed = {
  test(controller, env, ctx) {
    ok('Own' in ctx.exports);
    ok(!('helper' in ctx.exports) || typeof ctx.exports.helper !== 'function');
    strictEqual(ctx.exports.missing, undefined);
  },
};

export const theEnvironmentIsImported = {
  test(controller, env) {
    strictEqual(importedEnv.text, 'of the binding');
    strictEqual(importedEnv.text, env.text);
    deepStrictEqual(Object.keys(importedEnv).sort(), Object.keys(env).sort());
  },
};

export const waitUntilIsImported = {
  async test() {
    let done = false;
    waitUntil(scheduler.wait(1).then(() => { done = true; }));
    await scheduler.wait(5);
    strictEqual(done, true);
  },
};

export const thingsThatAreNoFetchHandler = {
  async test(controller, { noFetch }) {
    await rejects(noFetch.fetch('http://h/'));
  },
};

export const errorsOfAClassAreTheCallers = {
  async test(controller, { counter }) {
    await rejects(counter.fetch('http://h/throw'), { name: 'TypeError', message: 'thrown by a class' });
  },
};

export const classesAreExtended = {
  async test(controller, { derived }) {
    strictEqual(await (await derived.fetch('http://h/')).text(), 'derived of base');
  },
};

export const whatItExtendsHoldsEnvAndCtx = {
  test(controller, env, ctx) {
    const made = new Own(ctx, env);
    strictEqual(made.env, env);
    strictEqual(made.ctx, ctx);
    ok(made instanceof WorkerEntrypoint);
  },
};

export class Own extends WorkerEntrypoint {
  fetch() {
    return Response.json(this.ctx.props);
  }
}
