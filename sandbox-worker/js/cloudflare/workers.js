// What a worker knows of itself: base classes for what it exports, its bindings, the event that runs.
//
// What needs parts of the runtime that are not there yet can be imported and extended, and says so when it is used.
import env from "native:env";
import { waitUntil } from "native:events";
import scripts from "native:scripts";

const { isObject, constructorNotOfType, illegalConstructor, shape } = scripts.primordials;
const { set } = Reflect;

const notSupported = (what) => new Error(`${what} not supported yet.`);

/** Base class of what events are delivered to: an object for each, with `ctx` and `env`. */
class WorkerEntrypoint {
  constructor(ctx, env) {
    if (!isObject(ctx)) throw constructorNotOfType("WorkerEntrypoint", 1, "Object");
    if (!isObject(env)) throw constructorNotOfType("WorkerEntrypoint", 2, "Object");
    // As in the reference: what a class that extends this one has to say about it is heard, and a getter is no error.
    set(this, "ctx", ctx);
    set(this, "env", env);
  }
}
shape(WorkerEntrypoint, "WorkerEntrypoint");

class DurableObject {
  constructor() {
    throw notSupported("Durable Objects are");
  }
}
shape(DurableObject, "DurableObject");

class WorkflowEntrypoint {
  constructor() {
    throw notSupported("Workflows are");
  }
}
shape(WorkflowEntrypoint, "WorkflowEntrypoint");

/** Base class of what is passed by reference in calls between workers. */
class RpcTarget {}
shape(RpcTarget, "RpcTarget");

class RpcStub {
  constructor() {
    throw notSupported("RPC is");
  }
}
shape(RpcStub, "RpcStub");

// These three have no constructor in the reference either.
class RpcPromise {
  constructor() {
    throw illegalConstructor();
  }
}
shape(RpcPromise, "RpcPromise");

class RpcProperty {
  constructor() {
    throw illegalConstructor();
  }
}
shape(RpcProperty, "RpcProperty");

class ServiceStub {
  constructor() {
    throw illegalConstructor();
  }
}
shape(ServiceStub, "ServiceStub");

export {
  DurableObject, RpcPromise, RpcProperty, RpcStub, RpcTarget, ServiceStub, WorkerEntrypoint, WorkflowEntrypoint, env, waitUntil,
};
