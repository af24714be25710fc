// node:wasi: as in the reference the module is there, and says that it is not implemented when it is used.
import { notImplemented, validateObject } from "internal:node_errors";

class WASI {
  constructor(options = {}) {
    validateObject(options, "options");
    throw notImplemented("WASI");
  }

  finalizeBindings(instance) {
    throw notImplemented("WASI.finalizeBindings");
  }

  start(instance) {
    throw notImplemented("WASI.start");
  }

  initialize(instance) {
    throw notImplemented("WASI.initialize");
  }

  getImportObject() {
    return {};
  }
}

export { WASI };
export default { WASI };
