// node:trace_events: nothing is traced. As in the reference the module is there.
import { validateObject } from "internal:node_errors";

class Tracing {
  enabled = false;
  categories = "";

  enable() {}

  disable() {}
}
function createTracing(options) {
  validateObject(options, "options");
  return new Tracing();
}
function getEnabledCategories() {}

export { createTracing, getEnabledCategories };
export default { createTracing, getEnabledCategories };
