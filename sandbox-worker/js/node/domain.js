// node:domain: as in the reference the module is there, and domains catch nothing.
import EventEmitter from "node:events";
import scripts from "native:scripts";

const { FunctionPrototypeApply } = scripts.primordials;

class Domain extends EventEmitter {
  members;

  _errorHandler(error) {
    return error;
  }

  enter() {}

  exit() {}

  add(emitter) {}

  remove(emitter) {}

  run(fn, ...args) {
    return FunctionPrototypeApply(fn, this, args);
  }

  intercept(callback) {
    return callback;
  }

  bind(callback) {
    return callback;
  }
}
const active = null;
function createDomain() {
  return new Domain();
}
const create = createDomain();

export { Domain, active, create, createDomain };
export default { Domain, active, createDomain, create };
