import * as module from 'cloudflare:workers';
import {
  DurableObject, RpcPromise, RpcProperty, RpcStub, RpcTarget, ServiceStub, WorkerEntrypoint, WorkflowEntrypoint, env as imported,
  exports as importedExports, waitUntil,
} from 'cloudflare:workers';
import { deepStrictEqual, ok, strictEqual, throws } from 'node:assert';

const tag = (value) => Object.prototype.toString.call(value);
const text = async (response) => (await response).text();

export class Actor extends DurableObject { hello() {} }
export class Ephemeral extends DurableObject {}
export class WithoutNamespace extends DurableObject { hello() {} }
export class Flow extends WorkflowEntrypoint {
  async run() { return 'ran'; }
  fetch() { return new Response(`flow ${this instanceof Flow} ${Object.keys(this)}`); }
}
export class Entry extends WorkerEntrypoint {
  static own = 7;
  get prop() { return this.ctx.props.p; }
  fetch() { return new Response(JSON.stringify([this.ctx.props, this.prop ?? null])); }
}
class Middle extends WorkerEntrypoint {
  fetch() { return new Response(`${this.constructor.name} of ${Object.getPrototypeOf(this.constructor).name}`); }
}
export class Leaf extends Middle {}
export class ExtendsNothing { fetch() {} }
export class Target extends RpcTarget {}
export const object = { fetch: () => new Response('object') };
export const empty = {};
export const list = [1];
export function aFunction() {}
export const arrow = () => {};
export default { fetch: () => new Response('default') };

// Tests of all shapes; what is none is in the lists that the next ones look at.
const ran = [];
export class testOfAClass extends WorkerEntrypoint { test() { ran.push('class'); deepStrictEqual(Object.keys(this), ['ctx', 'env']); } }
export class testOfASubclass extends testOfAClass {}
export class testBehindAGetter extends WorkerEntrypoint { get test() { return () => { ran.push('getter'); }; } }
export class testThatIsStatic extends WorkerEntrypoint { static test() { throw new Error('a static method is no test'); } }
export class testThatIsAField extends WorkerEntrypoint { test = () => { throw new Error('a field is no test'); }; }
export class testOfNoEntrypoint { test() { throw new Error('of a class that extends nothing'); } }
export class testOfAnActor extends DurableObject { test() { throw new Error('of an actor'); } }
export class testOfAWorkflow extends WorkflowEntrypoint {
  test(controller, ...rest) {
    strictEqual(controller.constructor.name, 'TestController');
    deepStrictEqual(rest, [undefined, undefined]);
    deepStrictEqual(Object.keys(this), ['ctx', 'env']);
    // Those before it were tests, and no others.
    deepStrictEqual(ran.sort(), ['class', 'class', 'getter', 'inherited', 'instance', 'object getter']);
  }
}
export const testOfAnObjectGetter = { get test() { return () => { ran.push('object getter'); }; } };
export const testThatIsInherited = Object.create({ test() { strictEqual(this, testThatIsInherited); ran.push('inherited'); } });
export const testOfAnInstance = new (class Some { test() { ran.push('instance'); } })();

export const theModule = {
  test() {
    deepStrictEqual(Object.keys(module).sort(), ['DurableObject', 'RpcPromise', 'RpcProperty', 'RpcStub', 'RpcTarget', 'ServiceStub',
      'WorkerEntrypoint', 'WorkflowEntrypoint', 'abortIsolate', 'cache', 'env', 'exports', 'restore', 'tracing', 'waitUntil', 'withEnv',
      'withEnvAndExports', 'withExports']);
    for (const [Class, name] of [[DurableObject, 'DurableObject'], [RpcPromise, 'RpcPromise'], [RpcProperty, 'RpcProperty'],
      [RpcStub, 'RpcStub'], [RpcTarget, 'RpcTarget'], [ServiceStub, 'Fetcher'], [WorkerEntrypoint, 'WorkerEntrypoint'],
      [WorkflowEntrypoint, 'WorkflowEntrypoint']]) {
      deepStrictEqual([typeof Class, Class.name, Class.length], ['function', name, 0]);
      strictEqual(Object.getPrototypeOf(Class), Function.prototype);
      strictEqual(Object.getPrototypeOf(Class.prototype), Object.prototype);
    }
    strictEqual(String(module.restore), 'Symbol(cloudflare:workers:restore)');
    deepStrictEqual([module.withEnv.length, module.withExports.length, module.withEnvAndExports.length], [2, 2, 3]);
    strictEqual(typeof waitUntil, 'function');
    deepStrictEqual(Object.keys(imported).sort(), ['FLOW', 'NAMESPACE', 'SELF']);
  },
};

export const theCodeMakesInstances = {
  test(controller, env, ctx) {
    const entry = new Entry({ props: { p: 3 } }, {});
    deepStrictEqual([Object.keys(entry), entry.prop, Entry.own], [['ctx', 'env'], 3, 7]);
    strictEqual(Object.getPrototypeOf(Entry), WorkerEntrypoint);
    strictEqual(tag(new WorkerEntrypoint({}, {})), '[object WorkerEntrypoint]');
    const flow = new Flow(ctx, { a: 1 });
    deepStrictEqual([Object.keys(flow), tag(flow), flow.env], [['ctx', 'env'], '[object WorkflowEntrypoint]', { a: 1 }]);
    strictEqual(tag(new RpcTarget()), '[object JsRpcTarget]');
    strictEqual(tag(new Target()), '[object JsRpcTarget]');
    const refused = (make, message) => throws(make, { name: 'TypeError', message });
    for (const given of [[], [{}], [{}, {}], [1, 2], [ctx, env]]) {
      const message = "Failed to construct 'DurableObjectBase': constructor parameter 1 is not of type 'DurableObjectState'.";
      refused(() => new DurableObject(...given), message);
      refused(() => new Actor(...given), message);
    }
    const flowRefuses = (index, type) => `Failed to construct 'WorkflowEntrypoint': constructor parameter ${index} is not of type '${type}'.`;
    for (const given of [[], [{}], [{}, {}], [null, {}]]) refused(() => new Flow(...given), flowRefuses(1, 'ExecutionContext'));
    for (const given of [[ctx], [ctx, 1], [ctx, null]]) refused(() => new Flow(...given), flowRefuses(2, 'Object'));
    for (const given of [[], [1], ['text'], [null]]) {
      refused(() => new RpcStub(...given), "Failed to construct 'JsRpcStub': constructor parameter 1 is not of type 'Object'.");
    }
    for (const Class of [RpcPromise, RpcProperty, ServiceStub]) refused(() => new Class(), 'Illegal constructor');
  },
};

export const whatIsExported = {
  test(controller, env, ctx) {
    const kinds = {};
    for (const [name, value] of Object.entries(ctx.exports)) (kinds[`${typeof value} ${value.constructor.name}`] ??= []).push(name);
    deepStrictEqual(kinds, {
      'function LoopbackServiceStub': ['default', 'empty', 'list', 'object', 'testOfAnInstance', 'testOfAnObjectGetter', 'testThatIsInherited',
        'theClassesAreReached', 'theCodeMakesInstances', 'theModule', 'theObjectsAreReached', 'whatAClassIsCalledWith', 'whatIsExported',
        'whatStubsAre', 'Entry', 'Leaf', 'testBehindAGetter', 'testOfAClass', 'testOfASubclass', 'testThatIsAField', 'testThatIsStatic'],
      'function LoopbackDurableObjectNamespace': ['Actor'],
      'function LoopbackColoLocalActorNamespace': ['Ephemeral'],
      'function LoopbackDurableObjectClass': ['ExtendsNothing', 'Target', 'WithoutNamespace', 'aFunction', 'arrow', 'testOfAnActor',
        'testOfNoEntrypoint'],
    });
    // Those of a kind together, each by name, and workflows not at all.
    deepStrictEqual(Object.keys(ctx.exports).slice(0, 3), ['default', 'empty', 'list']);
    deepStrictEqual(Object.keys(ctx.exports).slice(-9), ['Actor', 'Ephemeral', 'ExtendsNothing', 'Target', 'WithoutNamespace', 'aFunction',
      'arrow', 'testOfAnActor', 'testOfNoEntrypoint']);
    deepStrictEqual(Object.keys(importedExports), Object.keys(ctx.exports));
    strictEqual(importedExports.object, ctx.exports.object);
  },
};

export const whatAClassIsCalledWith = {
  test(controller, env, ctx) {
    for (const name of ['Actor', 'WithoutNamespace']) {
      const of = ctx.exports[name];
      const own = `LoopbackDurableObject${name === 'Actor' ? 'Namespace' : 'Class'}`;
      strictEqual(tag(of), `[object ${own}]`);
      for (const given of [of({}), of({ props: { a: 1 } }), new of({})]) deepStrictEqual([typeof given, tag(given)], ['object', '[object DurableObjectClass]']);
      const message = `Failed to execute '(called as function)' on '${own}': parameter 1 is not of type 'Options'.`;
      for (const call of [() => of(), () => of(1)]) throws(call, { name: 'TypeError', message });
      throws(() => of({ props: 1 }), { message: "Incorrect type for the 'props' field on 'Options': the provided value is not of type 'Object'." });
    }
    const { Actor: namespace, WithoutNamespace: none } = ctx.exports;
    deepStrictEqual(['get', 'idFromName', 'getByName', 'newUniqueId'].map((name) => typeof namespace[name]), Array(4).fill('function'));
    strictEqual(typeof none.get, 'undefined');
    strictEqual(Object.getPrototypeOf(Object.getPrototypeOf(namespace)), Object.getPrototypeOf(env.NAMESPACE));
  },
};

export const whatStubsAre = {
  test(controller, env, ctx) {
    ok(env.SELF instanceof ServiceStub && ctx.exports.Entry instanceof ServiceStub);
    ok(!(env.SELF instanceof RpcStub) && !(env.NAMESPACE instanceof ServiceStub));
    strictEqual(env.SELF.constructor, ServiceStub);
  },
};

export const theClassesAreReached = {
  async test(controller, env, ctx) {
    strictEqual(await text(env.SELF.fetch('http://h/')), '[{"p":1},1]');
    strictEqual(await text(ctx.exports.Entry.fetch('http://h/')), '[{},null]');
    strictEqual(await text(ctx.exports.Entry({ props: { p: [2] } }).fetch('http://h/')), '[{"p":[2]},[2]]');
    strictEqual(await text(ctx.exports.Leaf.fetch('http://h/')), 'Leaf of Middle');
    strictEqual(await text(env.FLOW.fetch('http://h/')), 'flow true ctx,env');
  },
};

export const theObjectsAreReached = {
  async test(controller, env, ctx) {
    strictEqual(await text(ctx.exports.default.fetch('http://h/')), 'default');
    strictEqual(await text(ctx.exports.object.fetch('http://h/')), 'object');
    strictEqual(await text(ctx.exports.object({ props: { q: 2 } }).fetch('http://h/')), 'object');
  },
};
